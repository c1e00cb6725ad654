//! TCP for one shard: listening, accepting, connecting, resolving. Sockets stay on their shard.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    os::fd::AsFd,
    rc::Rc,
    time::Duration,
};

use compio::{
    BufResult,
    buf::{IntoInner, IoBuf},
    io::AsyncWrite,
};
use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind, ipproto, shutdown, socket_with, sockopt,
};

use super::{
    blocking::{self, Lane},
    local::{Stop, oneshot},
    runtime::{sleep, spawn, timeout},
};

/// Connections that may wait for their accept.
const BACKLOG: i32 = 1024;

/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Name look-ups that may wait or run on one shard.
const LOOKUPS_MAX: usize = 256;

/// A connected TCP socket of this shard.
#[derive(Debug)]
pub struct TcpStream {
    pub(super) inner: compio::net::TcpStream,
}

impl TcpStream {
    /// Takes a socket that another shard or thread hands over.
    ///
    /// # Errors
    /// When the system refuses to prepare the socket for this shard's driver.
    ///
    /// # Panics
    /// Outside [`super::Runtime::block_on`].
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        Ok(Self { inner: compio::net::TcpStream::from_std(stream)? })
    }

    /// Gives the socket away, to another shard or thread. Nothing must have been read from it.
    ///
    /// # Errors
    /// When no file descriptor is left.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        Ok(self.inner.as_fd().try_clone_to_owned()?.into())
    }

    /// The other end's address.
    ///
    /// # Errors
    /// When the socket is no longer connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    /// Another handle to the same socket, to close it by.
    pub(super) fn closer(&self) -> Closer {
        Closer { inner: self.inner.clone() }
    }
}

/// Ends a socket's reads and writes from beside the tasks that wait in them.
#[derive(Clone, Debug)]
pub(super) struct Closer {
    pub(super) inner: compio::net::TcpStream,
}

impl Closer {
    /// Shuts both ways: reads end with what has arrived, writes fail.
    pub(super) fn close(&self) {
        // An error says that it is closed already.
        shutdown(self.inner.as_fd(), Shutdown::Both).ok();
    }

    /// Says that nothing more will be sent.
    pub(super) fn finish(&self) {
        shutdown(self.inner.as_fd(), Shutdown::Write).ok();
    }
}

/// A listening socket; not yet bound to a shard, so it may be opened before the shards start.
#[derive(Debug)]
pub struct Listener {
    inner: std::net::TcpListener,
    errors: Rc<Cell<u64>>,
}

/// Opens a listening socket with SO_REUSEADDR and, when `reuse_port`, SO_REUSEPORT: every shard
/// opens its own on the same address and the kernel spreads connections over them.
///
/// # Errors
/// The system's refusal: address in use, not ours, no permission.
pub fn listen(addr: SocketAddr, reuse_port: bool) -> io::Result<Listener> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let fd = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if reuse_port {
        sockopt::set_socket_reuseport(&fd, true)?;
    }
    bind(&fd, &addr)?;
    rustix::net::listen(&fd, BACKLOG)?;
    Ok(Listener { inner: fd.into(), errors: Rc::default() })
}

impl Listener {
    /// The address listened on, with the port that the system chose if it was to choose.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Accepts that failed so far (no descriptors, no memory), for the metrics.
    #[must_use]
    pub fn accept_errors(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.errors)
    }

    /// Accepts in a task of its own until `stop` is given, and hands each connection, TCP_NODELAY
    /// set, to `on_accept`. The pending accept is ended by closing the listening socket and never
    /// cancelled: a cancelled accept loses the connection that the kernel just gave to it.
    ///
    /// # Errors
    /// When the socket cannot be used on this shard.
    ///
    /// # Panics
    /// Outside [`super::Runtime::block_on`].
    pub async fn accept_loop(
        self,
        on_accept: impl FnMut(TcpStream, SocketAddr) + 'static,
        stop: &Stop,
    ) -> io::Result<()> {
        let listener = compio::net::TcpListener::from_std(self.inner)?;
        let ours = listener.clone();
        let (done, ended) = oneshot();
        let theirs = stop.clone();
        spawn(async move {
            accept_until(&listener, on_accept, &theirs, &self.errors).await;
            done.send(()).ok();
        });
        stop.stopped().await;
        shutdown(ours.as_fd(), Shutdown::Both).ok();
        ended.await;
        Ok(())
    }
}

async fn accept_until(
    listener: &compio::net::TcpListener,
    mut on_accept: impl FnMut(TcpStream, SocketAddr),
    stop: &Stop,
    errors: &Cell<u64>,
) {
    while !stop.is_stopped() {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Refused only when the peer is already gone; the first read will say so.
                drop(stream.set_nodelay(true));
                on_accept(TcpStream { inner: stream }, peer);
            }
            Err(error) if is_peers_fault(&error) => {}
            Err(_) if stop.is_stopped() => {}
            Err(_) => {
                errors.set(errors.get() + 1);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection went away between its arrival and our accept.
fn is_peers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Connects, TCP_NODELAY set.
///
/// # Errors
/// The system's refusal; `TimedOut` after `limit`.
pub async fn connect(addr: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let Some(connected) = timeout(limit, compio::net::TcpStream::connect(addr)).await else {
        return Err(io::ErrorKind::TimedOut.into());
    };
    let inner = connected?;
    inner.set_nodelay(true)?;
    Ok(TcpStream { inner })
}

/// The addresses of `host`, in the system resolver's order, never empty. A literal address is not
/// looked up. Look-ups run on threads beside the shard and may take as long as the resolver does:
/// bound the wait by [`super::timeout`].
///
/// # Errors
/// The resolver's refusal; `NotFound` when it knows no address; `WouldBlock` when 256 look-ups of
/// this shard are under way.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if blocking::pending(Lane::Names) >= LOOKUPS_MAX {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let name = host.to_owned();
    let found = blocking::run(Lane::Names, move || {
        (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>)
    })
    .await?;
    if found.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(found)
}

/// Sends all of `buffer` and gives it back; `left` shows how much is still to go.
pub(super) async fn write_all(
    mut socket: &compio::net::TcpStream,
    mut buffer: Vec<u8>,
    left: &Cell<usize>,
) -> (io::Result<()>, Vec<u8>) {
    let mut sent = 0;
    while sent < buffer.len() {
        left.set(buffer.len() - sent);
        let BufResult(result, back) = socket.write(buffer.slice(sent..)).await;
        buffer = back.into_inner();
        match result {
            Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), buffer),
            Ok(n) => sent += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (Err(error), buffer),
        }
    }
    (Ok(()), buffer)
}
