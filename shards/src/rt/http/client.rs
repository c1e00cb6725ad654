//! The HTTP client of a shard: posts webhooks and asks the provider of look-ups, over kept connections,
//! to addresses that it has checked itself. One per shard and purpose.
//!
//! A name is resolved anew for every connection and the connection goes to the very address that
//! was checked, so that a name which changes between check and use gains nothing. Redirects are
//! answers like any other, never followed.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use compio_tls::TlsConnector;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    client::conn::http1::{self, SendRequest},
    rt::{Read, Write},
};
use postrider_http::{
    url_guard::{Scheme, UrlPolicy, WebhookTarget, is_refused_ip},
    webhook::schedule::{AttemptError, parse_retry_after},
};

use super::{
    super::{
        clock::instant,
        deadline::LazyTimer,
        net::{Closer, TcpStream, connect, resolve},
        runtime::{spawn, timeout},
    },
    io::{ConnState, Output, Phase, Wire},
    tls::{self, TlsWire},
};

/// Largest response head, octets, and most of its fields.
const HEAD_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 64;

/// Idle connections are closed after this, before most servers do.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

/// How long an unasked-for answer may take; hyper closes once it is whole.
const UNASKED_LIMIT: Duration = Duration::from_secs(5);

/// Idle connections kept on one shard over all endpoints.
const IDLE_MAX: usize = 1024;

/// What one attempt may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// From the call to the end of the answer, name look-up and handshake included.
    pub timeout: Duration,
    /// Octets of the answer's body that are read, so that the connection can be kept; a longer body
    /// closes it.
    pub max_response: usize,
    /// Idle connections kept for one endpoint. How many are open at once is up to the caller.
    pub connections_per_endpoint: u16,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(15), max_response: 4096, connections_per_endpoint: 64 }
    }
}

/// What the receiver answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Retry-After, if it was given in seconds.
    pub retry_after: Option<Duration>,
}

/// Sends requests from one shard.
pub struct HttpClient {
    limits: ClientLimits,
    policy: UrlPolicy,
    tls: Option<TlsConnector>,
    idle: RefCell<BTreeMap<Endpoint, Vec<Conn>>>,
    idle_count: Cell<usize>,
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient")
            .field("limits", &self.limits)
            .field("policy", &self.policy)
            .field("idle", &self.idle_count.get())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Endpoint {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// An open connection without a request under way.
struct Conn {
    sender: SendRequest<Full<Bytes>>,
    state: Rc<ConnState>,
    socket: Closer,
}

/// How an exchange on a kept connection can fail.
enum Failure {
    /// The peer had closed: not one octet of an answer came.
    Stale,
    Attempt(AttemptError),
}

impl HttpClient {
    /// A client that trusts the roots that browsers trust.
    #[must_use]
    pub fn new(limits: ClientLimits, policy: UrlPolicy) -> Self {
        Self::with_roots(limits, policy, tls::public_roots())
    }

    /// A client that trusts these roots instead: for gateways with receivers of their own.
    #[must_use]
    pub fn with_roots(
        limits: ClientLimits,
        policy: UrlPolicy,
        roots: rustls::RootCertStore,
    ) -> Self {
        Self {
            limits,
            policy,
            tls: tls::connector(roots),
            idle: RefCell::default(),
            idle_count: Cell::new(0),
        }
    }

    /// Idle connections kept at present.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.idle_count.get()
    }

    /// Posts `body` with `headers` (Host and Content-Length are added). A kept connection that
    /// turns out to have been closed by the peer is replaced once.
    ///
    /// # Errors
    /// See [`AttemptError`]; [`AttemptError::InvalidUrl`] also when a header cannot be sent.
    ///
    /// # Panics
    /// Outside [`super::super::Runtime::block_on`].
    pub async fn post(
        &self,
        target: &WebhookTarget,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<Answer, AttemptError> {
        let (until, body) = (instant() + self.limits.timeout, Bytes::from(body));
        let request = || request(Method::POST, target, headers, body.clone());
        self.send(target, &request, until).await.map(|(answer, _)| answer)
    }

    /// Gets what is at `target`, within this time, and its body unless that is longer than is read.
    ///
    /// # Errors
    /// As [`post`](Self::post).
    ///
    /// # Panics
    /// Outside [`super::super::Runtime::block_on`].
    pub async fn get(
        &self,
        target: &WebhookTarget,
        headers: &[(String, String)],
        limit: Duration,
    ) -> Result<(Answer, Option<Vec<u8>>), AttemptError> {
        let request = || request(Method::GET, target, headers, Bytes::new());
        self.send(target, &request, instant() + limit).await
    }

    async fn send(
        &self,
        target: &WebhookTarget,
        request: &dyn Fn() -> Result<Request<Full<Bytes>>, AttemptError>,
        until: Instant,
    ) -> Result<(Answer, Option<Vec<u8>>), AttemptError> {
        let endpoint =
            Endpoint { scheme: target.scheme, host: target.host.clone(), port: target.port };
        if let Some(conn) = self.take_idle(&endpoint) {
            match self.exchange(conn, &endpoint, request()?, until).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Attempt(error)) => return Err(error),
                Err(Failure::Stale) => {}
            }
        }
        let request = request()?;
        let Some(opened) = timeout(remaining(until), self.open(target, until)).await else {
            return Err(AttemptError::Timeout);
        };
        match self.exchange(opened?, &endpoint, request, until).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Attempt(error)) => Err(error),
            Err(Failure::Stale) => Err(AttemptError::Broken),
        }
    }

    async fn exchange(
        &self,
        mut conn: Conn,
        endpoint: &Endpoint,
        request: Request<Full<Bytes>>,
        until: Instant,
    ) -> Result<(Answer, Option<Vec<u8>>), Failure> {
        let before = conn.state.received.get();
        conn.state.enter(Phase::Busy, remaining(until));
        let sent = match conn.sender.ready().await {
            Ok(()) => conn.sender.send_request(request).await,
            Err(error) => Err(error),
        };
        let Ok(response) = sent else {
            conn.socket.close();
            return Err(if conn.state.late.get() {
                Failure::Attempt(AttemptError::Timeout)
            } else if conn.state.received.get() == before {
                Failure::Stale
            } else {
                Failure::Attempt(AttemptError::Broken)
            });
        };
        let answer = answer_of(&response);
        let body = self.read(response.into_body()).await;
        if body.is_some() {
            self.keep(endpoint, conn);
        } else {
            conn.socket.close();
        }
        Ok((answer, body))
    }

    /// Reads the answer's body; `None` when its end was not reached.
    async fn read(&self, body: Incoming) -> Option<Vec<u8>> {
        let mut octets = Vec::new();
        let mut body = pin!(body);
        while !body.is_end_stream() {
            match std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                None => break,
                Some(Err(_)) => return None,
                Some(Ok(frame)) => {
                    octets.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..]));
                    if octets.len() > self.limits.max_response {
                        return None;
                    }
                }
            }
        }
        Some(octets)
    }

    async fn open(&self, target: &WebhookTarget, until: Instant) -> Result<Conn, AttemptError> {
        let stream = self.connect(target, until).await?;
        let state = ConnState::new(Phase::Busy, UNASKED_LIMIT);
        let socket = stream.closer();
        let sender = match target.scheme {
            Scheme::Http => {
                let wire = Wire::client(&stream, Rc::clone(&state));
                let output = Some(wire.output());
                handshake(wire, &state, output).await?
            }
            Scheme::Https => {
                let connector = self.tls.as_ref().ok_or(AttemptError::Tls)?;
                let wire =
                    TlsWire::connect(connector, &target.host, stream, Rc::clone(&state)).await;
                handshake(wire.map_err(|_| AttemptError::Tls)?, &state, None).await?
            }
        };
        Ok(Conn { sender, state, socket })
    }

    /// Connects to the first address that answers; none may be one that must not be called.
    async fn connect(
        &self,
        target: &WebhookTarget,
        until: Instant,
    ) -> Result<TcpStream, AttemptError> {
        let found = resolve(&target.host, target.port).await.map_err(|_| AttemptError::Resolve)?;
        let refused = |addr: &SocketAddr| is_refused_ip(addr.ip()).is_some();
        if !self.policy.allow_private && found.iter().any(refused) {
            return Err(AttemptError::RefusedAddress);
        }
        // Several addresses share the time, so that one dead address does not use it up.
        let addresses = u32::try_from(found.len()).unwrap_or(u32::MAX).max(1);
        let each = remaining(until) / addresses;
        for addr in found {
            if let Ok(stream) = connect(addr, each).await {
                return Ok(stream);
            }
        }
        Err(AttemptError::Connect)
    }

    fn take_idle(&self, endpoint: &Endpoint) -> Option<Conn> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(endpoint)?;
        let mut usable = None;
        // The latest first: it is the least likely to have been closed.
        while let Some(conn) = kept.pop() {
            self.idle_count.set(self.idle_count.get() - 1);
            if !conn.sender.is_closed() {
                usable = Some(conn);
                break;
            }
        }
        if kept.is_empty() {
            idle.remove(endpoint);
        }
        usable
    }

    fn keep(&self, endpoint: &Endpoint, conn: Conn) {
        if conn.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if self.idle_count.get() >= IDLE_MAX {
            idle.retain(|_, kept| {
                kept.retain(|conn| !conn.sender.is_closed());
                !kept.is_empty()
            });
            self.idle_count.set(idle.values().map(Vec::len).sum());
        }
        let here = idle.get(endpoint).map_or(0, Vec::len);
        if self.idle_count.get() >= IDLE_MAX
            || here >= usize::from(self.limits.connections_per_endpoint)
        {
            conn.socket.close();
            return;
        }
        conn.state.enter(Phase::Idle, IDLE_LIMIT);
        idle.entry(endpoint.clone()).or_default().push(conn);
        self.idle_count.set(self.idle_count.get() + 1);
    }
}

fn remaining(until: Instant) -> Duration {
    until.saturating_duration_since(instant())
}

fn request(
    method: Method,
    target: &WebhookTarget,
    headers: &[(impl AsRef<str>, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, AttemptError> {
    let invalid = |_| AttemptError::InvalidUrl;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() =
        Uri::try_from(target.path_and_query.as_str()).map_err(|_| AttemptError::InvalidUrl)?;
    let fields = request.headers_mut();
    fields.insert(header::HOST, HeaderValue::try_from(target.authority()).map_err(invalid)?);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes())
            .map_err(|_| AttemptError::InvalidUrl)?;
        fields.append(name, HeaderValue::from_str(value).map_err(invalid)?);
    }
    Ok(request)
}

fn answer_of(response: &Response<Incoming>) -> Answer {
    let retry_after = response.headers().get(header::RETRY_AFTER);
    Answer {
        status: response.status().as_u16(),
        retry_after: retry_after.and_then(|v| v.to_str().ok()).and_then(parse_retry_after),
    }
}

/// Starts hyper on an open connection, and the task that carries it until it closes or is late.
async fn handshake<W>(
    wire: W,
    state: &Rc<ConnState>,
    output: Option<Rc<Output>>,
) -> Result<SendRequest<Full<Bytes>>, AttemptError>
where
    W: Read + Write + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(FIELDS_MAX)
        .max_buf_size(HEAD_MAX)
        .handshake(wire)
        .await
        .map_err(|_| AttemptError::Broken)?;
    let state = Rc::clone(state);
    spawn(async move {
        let mut connection = pin!(connection);
        let mut timer = LazyTimer::default();
        std::future::poll_fn(|cx| {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let pumped = output.as_ref().map(|output| output.pump(cx));
            if matches!(pumped, Some(Poll::Ready(Err(_)))) {
                return Poll::Ready(());
            }
            let late = timer.poll(cx, &state.deadline);
            state.late.set(late.is_ready());
            late
        })
        .await;
    });
    Ok(sender)
}
