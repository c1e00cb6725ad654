//! The admin port's listener: a bound on connections, and an end to idle ones, so that neither a
//! forgotten client nor a hostile one can hold the port. On the control thread.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at one time; further ones wait in the backlog.
const CONNECTIONS: usize = 64;
/// A connection that has sent nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// The pause after an accept that failed, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listener with its places.
pub(super) struct Limited {
    listener: TcpListener,
    places: Arc<Semaphore>,
    idle: Duration,
}

impl Limited {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS)), idle: IDLE }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let idle = Box::pin(sleep(self.idle));
                    let connection = Connection { stream, idle, limit: self.idle, _place: place };
                    return (connection, peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin port cannot accept");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection, which gives its place back when it is dropped.
pub(super) struct Connection {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    limit: Duration,
    _place: Option<OwnedSemaphorePermit>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(done) = Pin::new(&mut self.stream).poll_read(cx, buf) {
            let until = Instant::now() + self.limit;
            self.idle.as_mut().reset(until);
            return Poll::Ready(done);
        }
        ready!(self.idle.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    async fn read(connection: &mut Connection) -> io::Result<Vec<u8>> {
        let mut octets = [0; 16];
        let mut buf = ReadBuf::new(&mut octets);
        std::future::poll_fn(|cx| Pin::new(&mut *connection).poll_read(cx, &mut buf)).await?;
        Ok(buf.filled().to_vec())
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
    }

    async fn limited(idle: Duration) -> (Limited, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        (Limited { idle, ..Limited::new(listener) }, addr)
    }

    #[test]
    fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
        block_on(async {
            let idle = Duration::from_millis(300);
            let (mut listener, addr) = limited(idle).await;
            let client = TcpStream::connect(addr).await.unwrap();
            let (mut connection, _) = listener.accept().await;
            for _ in 0..5 {
                sleep(idle / 3).await;
                client.writable().await.unwrap();
                assert_eq!(client.try_write(b"x").unwrap(), 1);
                assert_eq!(read(&mut connection).await.unwrap(), b"x");
            }
            let error = read(&mut connection).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_connection_beyond_the_bound_waits_for_a_place() {
        block_on(async {
            let (mut listener, addr) = limited(IDLE).await;
            let mut held = Vec::new();
            for _ in 0..CONNECTIONS {
                held.push((TcpStream::connect(addr).await.unwrap(), listener.accept().await));
            }
            let _extra = TcpStream::connect(addr).await.unwrap();
            let wait = Duration::from_millis(100);
            assert!(tokio::time::timeout(wait, listener.accept()).await.is_err());
            drop(held.pop());
            assert!(tokio::time::timeout(wait * 50, listener.accept()).await.is_ok());
        });
    }
}
