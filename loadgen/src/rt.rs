//! The runtime of every part: one monoio runtime on the calling thread, io_uring where the kernel
//! grants it and epoll where not. One per process part.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use monoio::io::AsyncReadRent as _;
use monoio::net::tcp::TcpOwnedReadHalf;
use monoio::net::{ListenerOpts, TcpListener};
use monoio::{FusionDriver, LegacyDriver, RuntimeBuilder};

use crate::notify::{Either, race};

/// Octets asked of the kernel by one read.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Builds the runtime and runs `work` to its end; tasks still running then are dropped. Where
/// io_uring is there but a ring cannot be had (locked memory), epoll is used as well.
///
/// # Errors
/// When the kernel gives neither.
pub(crate) fn block_on<F: Future>(work: F) -> anyhow::Result<F::Output> {
    if let Ok(mut runtime) = RuntimeBuilder::<FusionDriver>::new().enable_timer().build() {
        return Ok(runtime.block_on(work));
    }
    let epoll = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build();
    Ok(epoll.context("the meter's runtime could not be built")?.block_on(work))
}

/// Listens on `address`, alone: a second process on the same address is refused.
///
/// # Errors
/// Names the address that could not be bound.
pub(crate) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let options = ListenerOpts::new().reuse_port(false).reuse_addr(true).backlog(1024);
    TcpListener::bind_with_config(address, &options)
        .with_context(|| format!("cannot listen on {address}"))
}

/// One finished read: the result, the buffer holding what came, and the half to read on with.
pub(crate) type Read = (io::Result<usize>, Vec<u8>, TcpOwnedReadHalf);

/// Reads once into `buffer` from its start. A future of its own, so that a task can leave it
/// pending while it does something else: a read is never cancelled on a connection that lives.
pub(crate) async fn read_once(mut half: TcpOwnedReadHalf, buffer: Vec<u8>) -> Read {
    let (result, buffer) = half.read(buffer).await;
    (result, buffer, half)
}

/// `work`, or `None` once `limit` has passed. The sleep lives and dies in this task.
pub(crate) async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    match race(pin!(work), pin!(monoio::time::sleep(limit))).await {
        Either::Left(value) => Some(value),
        Either::Right(()) => None,
    }
}
