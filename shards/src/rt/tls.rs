//! TLS under a link: rustls as the pure machine that it is, between the socket's octets and the
//! link's. One configuration per carrier or listener, one session per connection; both stay on
//! their shard. TLS 1.2 and 1.3; a certificate is always verified.

use std::{
    cell::RefCell,
    fmt,
    io::{self, Read, Write},
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use compio::{BufResult, io::AsyncRead};
use futures_util::future::{Either, select};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::{
    net::{TcpStream, write_all},
    runtime::sleep,
};

/// Octets asked for by one read of a handshake.
const HANDSHAKE_BUFFER: usize = 16 * 1024;

/// Why a TLS configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The PEM text cannot be read.
    #[error("{what}: {why}")]
    Pem {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It holds nothing of the kind.
    #[error("{0}: no certificate in it")]
    Empty(&'static str),
    /// Certificate and key do not fit, or cannot be used.
    #[error("{0}")]
    Rejected(#[from] rustls::Error),
    /// The authorities for clients cannot be used.
    #[error("{0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// Our certificate chain and its key, both as PEM.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The chain, our own certificate first.
    pub chain: &'a [u8],
    /// The key.
    pub key: &'a [u8],
}

impl fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity<'_> {
    fn read(self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates("certificate", self.chain)?;
        let key = PrivateKeyDer::from_pem_slice(self.key);
        let key = key.map_err(|why| TlsError::Pem { what: "key", why: why.to_string() })?;
        Ok((chain, key))
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = read.map_err(|why| TlsError::Pem { what, why: why.to_string() })?;
    if found.is_empty() { Err(TlsError::Empty(what)) } else { Ok(found) }
}

fn roots(what: &'static str, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(what, pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What a shard needs to speak TLS to a server.
#[derive(Clone, Debug)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Trusts the authorities in `authorities` (PEM), or those that browsers trust, and shows
    /// `identity` to a server that asks.
    ///
    /// # Errors
    /// What in the PEM texts cannot be used.
    pub fn new(
        authorities: Option<&[u8]>,
        identity: Option<Identity<'_>>,
    ) -> Result<Self, TlsError> {
        let roots = match authorities {
            Some(pem) => roots("authorities", pem)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match identity {
            Some(identity) => {
                let (chain, key) = identity.read()?;
                builder.with_client_auth_cert(chain, key)?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self { config: Arc::new(config) })
    }

    /// The handshake, with `name` (a host name or an address) as what the certificate must prove.
    ///
    /// # Errors
    /// A name that is none, a refused certificate, a peer that speaks no TLS; `TimedOut` after
    /// `limit`.
    pub async fn connect(
        &self,
        name: &str,
        socket: TcpStream,
        limit: Duration,
    ) -> io::Result<TlsStream> {
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
        let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name);
        TlsStream::open(socket, connection.map_err(io::Error::other)?.into(), limit).await
    }
}

/// What a shard needs to speak TLS to those who connect.
#[derive(Clone, Debug)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
}

impl TlsServer {
    /// Shows `identity`; with `client_authorities` (PEM) a client must show a certificate of
    /// theirs.
    ///
    /// # Errors
    /// What in the PEM texts cannot be used.
    pub fn new(
        identity: Identity<'_>,
        client_authorities: Option<&[u8]>,
    ) -> Result<Self, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?;
        let builder = match client_authorities {
            Some(pem) => {
                let roots = Arc::new(roots("client authorities", pem)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                builder.with_client_cert_verifier(verifier.build()?)
            }
            None => builder.with_no_client_auth(),
        };
        let (chain, key) = identity.read()?;
        Ok(Self { config: Arc::new(builder.with_single_cert(chain, key)?) })
    }

    /// The handshake.
    ///
    /// # Errors
    /// A peer that speaks no TLS or shows no fitting certificate; `TimedOut` after `limit`.
    pub async fn accept(&self, socket: TcpStream, limit: Duration) -> io::Result<TlsStream> {
        let connection = ServerConnection::new(Arc::clone(&self.config));
        TlsStream::open(socket, connection.map_err(io::Error::other)?.into(), limit).await
    }
}

/// A connection with its handshake done.
#[derive(Debug)]
pub struct TlsStream {
    pub(super) socket: TcpStream,
    pub(super) session: Rc<TlsSession>,
}

impl TlsStream {
    async fn open(
        socket: TcpStream,
        connection: Connection,
        limit: Duration,
    ) -> io::Result<TlsStream> {
        let session = Rc::new(TlsSession { connection: RefCell::new(connection) });
        let closer = socket.closer();
        let ended = match select(pin!(session.handshake(&socket)), pin!(sleep(limit))).await {
            Either::Left((result, _)) => result,
            Either::Right(((), handshake)) => {
                // Its read is not cancelled: closing ends it.
                closer.close();
                drop(handshake.await);
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        match ended {
            Ok(()) => Ok(TlsStream { socket, session }),
            Err(error) => {
                closer.close();
                Err(error)
            }
        }
    }
}

/// One TLS session, shared by a link's reader and writer.
pub(super) struct TlsSession {
    connection: RefCell<Connection>,
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsSession")
    }
}

impl TlsSession {
    async fn handshake(&self, socket: &TcpStream) -> io::Result<()> {
        let mut received = Vec::with_capacity(HANDSHAKE_BUFFER);
        loop {
            self.flush(socket).await?;
            if !self.connection.borrow().is_handshaking() {
                return Ok(());
            }
            received.clear();
            let BufResult(result, back) = (&socket.inner).read(received).await;
            received = back;
            if result? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = self.take(&received) {
                // The peer is told why; whether that still reaches it does not matter.
                drop(self.flush(socket).await);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }

    async fn flush(&self, socket: &TcpStream) -> io::Result<()> {
        let mut out = Vec::new();
        self.take_output(&mut out);
        if out.is_empty() {
            return Ok(());
        }
        write_all(&socket.inner, out, &std::cell::Cell::new(0)).await.0
    }

    /// Takes octets of the socket while nothing but the handshake is expected.
    fn take(&self, octets: &[u8]) -> Result<(), rustls::Error> {
        let mut connection = self.connection.borrow_mut();
        let mut rest = octets;
        while !rest.is_empty() {
            if connection.read_tls(&mut rest).is_err() {
                return Err(rustls::Error::General("the session takes no more octets".into()));
            }
            connection.process_new_packets()?;
        }
        Ok(())
    }

    /// Takes octets of the socket and appends what they say to `plain`; false when the peer has
    /// said that nothing more follows.
    pub(super) fn open(&self, octets: &[u8], plain: &mut Vec<u8>) -> Result<bool, rustls::Error> {
        let mut connection = self.connection.borrow_mut();
        let mut rest = octets;
        loop {
            let state = connection.process_new_packets()?;
            let fresh = state.plaintext_bytes_to_read();
            let limit = u64::try_from(fresh).unwrap_or(u64::MAX);
            if fresh > 0 && connection.reader().take(limit).read_to_end(plain).is_err() {
                return Err(rustls::Error::General("decrypted octets cannot be read".into()));
            }
            if state.peer_has_closed() {
                return Ok(false);
            }
            if rest.is_empty() {
                return Ok(true);
            }
            if connection.read_tls(&mut rest).is_err() {
                return Err(rustls::Error::General("the session takes no more octets".into()));
            }
        }
    }

    /// Appends what `plain` becomes on the wire to `out`.
    pub(super) fn seal(&self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = plain;
        while !rest.is_empty() {
            let taken = self.connection.borrow_mut().writer().write(rest)?;
            rest = rest.get(taken..).unwrap_or_default();
            self.take_output(out);
        }
        Ok(())
    }

    /// Appends what the session itself has to say to `out`.
    pub(super) fn take_output(&self, out: &mut Vec<u8>) {
        let mut connection = self.connection.borrow_mut();
        while connection.wants_write() {
            // Writing to memory cannot fail.
            if connection.write_tls(out).is_err() {
                break;
            }
        }
    }

    /// Whether the session itself has something to say.
    pub(super) fn has_output(&self) -> bool {
        self.connection.borrow().wants_write()
    }

    /// Says that nothing more follows.
    pub(super) fn close(&self, out: &mut Vec<u8>) {
        self.connection.borrow_mut().send_close_notify();
        self.take_output(out);
    }
}
