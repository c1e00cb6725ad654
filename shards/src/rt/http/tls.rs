//! TLS for the webhook client: rustls with the roots that browsers trust, under hyper. One
//! connector per shard, one stream per connection.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use compio_tls::{TlsConnector, TlsStream};
use futures_util::io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::{super::net::TcpStream, io::ConnState};

/// Octets decrypted at a time.
const SCRATCH: usize = 16 * 1024;

/// A connector that trusts the given roots. `None` if the cryptography offers no safe protocol,
/// which its tests rule out.
pub(super) fn connector(roots: RootCertStore) -> Option<TlsConnector> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(TlsConnector::from(Arc::new(config)))
}

/// The roots that browsers trust, as of this build.
pub(super) fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// A TLS stream as hyper wants it.
pub(super) struct TlsWire {
    stream: TlsStream<compio::net::TcpStream>,
    state: Rc<ConnState>,
    scratch: Vec<u8>,
}

impl TlsWire {
    /// The handshake, with `host` as the name that the certificate must have.
    pub(super) async fn connect(
        connector: &TlsConnector,
        host: &str,
        stream: TcpStream,
        state: Rc<ConnState>,
    ) -> io::Result<Self> {
        let stream = connector.connect(host, stream.inner).await?;
        Ok(Self { stream, state, scratch: vec![0; SCRATCH] })
    }
}

impl Read for TlsWire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let most = this.scratch.len().min(cursor.remaining());
        let (target, _) = this.scratch.split_at_mut(most);
        let octets = ready!(Pin::new(&mut this.stream).poll_read(cx, target))?;
        let (received, _) = target.split_at(octets.min(most));
        if received.is_empty() {
            this.state.eof.set(true);
        } else {
            this.state.on_received(received.len());
        }
        cursor.put_slice(received);
        Poll::Ready(Ok(()))
    }
}

impl Write for TlsWire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}
