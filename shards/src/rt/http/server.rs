//! The HTTP edge of a shard: one connection's requests, each read whole within its limits and
//! handed to the shard's handler. One per accepted connection, on the shard that accepted it.

use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use compio::{BufResult, io::AsyncRead};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};

use postrider_storage::crash;

use super::{
    super::{
        deadline::LazyTimer,
        local::Stop,
        net::{Closer, TcpStream},
        runtime::timeout,
    },
    guard::HEAD_MAX,
    io::{ConnState, Output, Phase, Wire},
};

/// Longest request target, octets: 414 beyond.
const TARGET_MAX: usize = 4 * 1024;

/// Longest request id that a client may choose, octets.
const REQUEST_ID_MAX: usize = 128;

/// How long a peer may take to read our last answer and close, so that a reset does not take the
/// answer from it.
const LINGER: Duration = Duration::from_secs(1);

/// What one connection may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Largest body, octets: [`BodyError::TooLarge`] beyond.
    pub max_body: usize,
    /// Most header fields: 431 beyond. The head is bounded at 16 KiB besides.
    pub max_headers: usize,
    /// How long a head may take from its first octet (from the accept for the first).
    pub header_deadline: Duration,
    /// How long a body may take: [`BodyError::Deadline`] beyond.
    pub body_deadline: Duration,
    /// How long a connection may stay open without a request, and an answer without being read.
    pub keep_alive: Duration,
    /// Requests per connection.
    pub max_requests: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_body: 64 * 1024,
            max_headers: 64,
            header_deadline: Duration::from_secs(5),
            body_deadline: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            max_requests: 10_000,
        }
    }
}

/// Why there is no body. The answer closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Longer than [`HttpLimits::max_body`] (413).
    TooLarge,
    /// Not whole within [`HttpLimits::body_deadline`] (408).
    Deadline,
    /// Cut short or badly framed (400).
    Broken,
}

/// A request, read whole.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The path as sent, percent escapes included.
    pub path: String,
    /// The query as sent, without the question mark.
    pub query: Option<String>,
    /// The Authorization field.
    pub authorization: Option<Vec<u8>>,
    /// The Content-Type field.
    pub content_type: Option<Vec<u8>>,
    /// The X-Request-Id field, if it is 1 to 128 visible ASCII characters.
    pub request_id: Option<String>,
    /// The body; empty if there was none.
    pub body: Result<Bytes, BodyError>,
}

impl fmt::Debug for HttpRequest {
    /// Without what is secret or personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("body", &self.body.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status code, 200 to 599.
    pub status: u16,
    /// Content-Type; empty for none.
    pub content_type: &'static str,
    /// Retry-After, seconds.
    pub retry_after: Option<u32>,
    /// Allow, with a 405.
    pub allow: Option<&'static str>,
    /// WWW-Authenticate, with a 401.
    pub www_authenticate: Option<&'static str>,
    /// Location.
    pub location: Option<String>,
    /// X-Request-Id; empty for none.
    pub request_id: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether to close the connection after this answer.
    pub close: bool,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The peer closed, or an answer said that we would, or the shutdown did.
    Closed,
    /// A head, a pause or the reading of an answer took too long.
    Deadline,
    /// The peer sent what is no HTTP (400 or 431 was answered) or the socket failed.
    Broken,
}

/// Serves one connection to its end. `shutdown` lets requests under way be answered, then closes.
/// The handler is called with one request at a time; it should answer within its own limit.
///
/// # Panics
/// Outside [`super::super::Runtime::block_on`].
pub async fn serve_connection<H, F>(
    stream: TcpStream,
    limits: &HttpLimits,
    handler: Rc<H>,
    shutdown: &Stop,
) -> ConnectionEnd
where
    H: Fn(HttpRequest) -> F + 'static,
    F: Future<Output = HttpResponse>,
{
    let state = ConnState::new(Phase::Head, limits.header_deadline);
    state.deadline.set_after(limits.header_deadline);
    let shared = Rc::new(Shared {
        state: Rc::clone(&state),
        limits: *limits,
        requests: Cell::new(0),
        stop: shutdown.clone(),
        handler,
    });
    let service = service_fn(|request| {
        let shared = Rc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let closer = stream.closer();
    let wire = Wire::server(&stream, Rc::clone(&state));
    let output = wire.output();
    drop(stream);
    let end = {
        let connection = http1::Builder::new()
            .max_headers(limits.max_headers)
            .max_header_size(HEAD_MAX)
            .max_buf_size(HEAD_MAX)
            .serve_connection(wire, service);
        drive(pin!(connection), &shared, &output).await
    };
    linger(&closer, &state, end).await;
    end
}

/// What a hyper server connection does for us; the trait only shortens its type.
trait Drive {
    fn drive(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool>;
    fn finish(self: Pin<&mut Self>);
}

impl<S, B> Drive for http1::Connection<Wire, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn drive(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        self.poll(cx).map(|end| end.is_ok())
    }

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn drive<H>(
    mut connection: Pin<&mut impl Drive>,
    shared: &Shared<H>,
    output: &Output,
) -> ConnectionEnd {
    let mut stopped = Some(shared.stop.stopped());
    let mut timer = LazyTimer::default();
    std::future::poll_fn(|cx| {
        if stopped.as_mut().is_some_and(|stop| Pin::new(stop).poll(cx).is_ready()) {
            stopped = None;
            connection.as_mut().finish();
        }
        loop {
            if let Poll::Ready(well) = connection.as_mut().drive(cx) {
                return Poll::Ready(if well {
                    ConnectionEnd::Closed
                } else {
                    ConnectionEnd::Broken
                });
            }
            if matches!(output.pump(cx), Poll::Ready(Err(_))) {
                return Poll::Ready(ConnectionEnd::Broken);
            }
            if timer.poll(cx, &shared.state.deadline).is_pending() {
                return Poll::Pending;
            }
            if shared.state.phase.get() != Phase::Body {
                return Poll::Ready(ConnectionEnd::Deadline);
            }
            // The handler says what a late body gets; the next round lets it.
            shared.state.late.set(true);
            shared.state.enter_busy();
        }
    })
    .await
}

/// Closes. If the peer may still be sending, what it sends is read and thrown away for a moment:
/// closing over unread octets resets the connection, and our answer with it.
async fn linger(socket: &Closer, state: &ConnState, end: ConnectionEnd) {
    socket.finish();
    if end != ConnectionEnd::Deadline && !state.eof.get() {
        // Cancelling this read loses octets that nobody wants.
        timeout(LINGER, async {
            let mut buffer = Vec::with_capacity(4096);
            loop {
                buffer.clear();
                let BufResult(result, back) = (&socket.inner).read(buffer).await;
                buffer = back;
                if !matches!(result, Ok(n) if n > 0) {
                    break;
                }
            }
        })
        .await;
    }
    socket.close();
}

/// One connection's part of the work, shared by hyper's service and the connection's driver.
struct Shared<H> {
    state: Rc<ConnState>,
    limits: HttpLimits,
    requests: Cell<u32>,
    stop: Stop,
    handler: Rc<H>,
}

impl<H, F> Shared<H>
where
    H: Fn(HttpRequest) -> F,
    F: Future<Output = HttpResponse>,
{
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if self.requests.replace(self.requests.get() + 1) > 0 {
            // Whoever asks again has read the answer before.
            crash::point("answered");
        }
        let response = match refusal(&request) {
            Some(status) => refuse(status),
            None => self.handle(request).await,
        };
        self.state.enter(Phase::Idle, self.limits.keep_alive);
        response
    }

    async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = if body.is_end_stream() {
            Ok(Bytes::new())
        } else {
            self.state.enter(Phase::Body, self.limits.body_deadline);
            self.read_body(body).await
        };
        self.state.enter_busy();
        let unread = body.is_err();
        let request = HttpRequest {
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            authorization: field(&head.headers, header::AUTHORIZATION),
            content_type: field(&head.headers, header::CONTENT_TYPE),
            request_id: request_id(&head.headers),
            method: head.method,
            body,
        };
        let mut response = (self.handler)(request).await;
        response.close |=
            unread || self.stop.is_stopped() || self.requests.get() >= self.limits.max_requests;
        into_hyper(response)
    }

    /// The whole body. One frame is handed on as it is, several are joined.
    async fn read_body(&self, mut body: Incoming) -> Result<Bytes, BodyError> {
        let limit = self.limits.max_body;
        let announced = body.size_hint().exact();
        if announced.is_some_and(|octets| octets > limit as u64) {
            return Err(BodyError::TooLarge);
        }
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(frame) = self.next_frame(&mut body).await {
            let Ok(data) = frame?.into_data() else { continue };
            if first.len().max(joined.len()) + data.len() > limit {
                return Err(BodyError::TooLarge);
            }
            if first.is_empty() && joined.is_empty() {
                first = data;
            } else {
                if joined.is_empty() {
                    joined.extend_from_slice(&std::mem::take(&mut first));
                }
                joined.extend_from_slice(&data);
            }
        }
        Ok(if joined.is_empty() { first } else { joined.freeze() })
    }

    async fn next_frame(
        &self,
        body: &mut Incoming,
    ) -> Option<Result<hyper::body::Frame<Bytes>, BodyError>> {
        std::future::poll_fn(|cx| {
            if self.state.late.get() {
                return Poll::Ready(Some(Err(BodyError::Deadline)));
            }
            Pin::new(&mut *body).poll_frame(cx).map_err(|_| BodyError::Broken)
        })
        .await
    }
}

/// What is refused for its head alone, beyond what the guard and hyper refuse.
fn refusal(request: &Request<Incoming>) -> Option<StatusCode> {
    let uri = request.uri();
    if uri.path_and_query().is_some_and(|target| target.as_str().len() > TARGET_MAX) {
        return Some(StatusCode::URI_TOO_LONG);
    }
    let headers = request.headers();
    if let (Some(authority), Some(host)) = (uri.authority(), headers.get(header::HOST))
        && !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes())
    {
        return Some(StatusCode::BAD_REQUEST);
    }
    let expected = headers.get(header::EXPECT);
    if expected.is_some_and(|what| !what.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Some(StatusCode::EXPECTATION_FAILED);
    }
    None
}

fn refuse(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn field(headers: &HeaderMap, name: header::HeaderName) -> Option<Vec<u8>> {
    headers.get(name).map(|value| value.as_bytes().to_vec())
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let fit =
        !id.is_empty() && id.len() <= REQUEST_ID_MAX && id.bytes().all(|b| b.is_ascii_graphic());
    fit.then(|| id.to_owned())
}

fn into_hyper(answer: HttpResponse) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !answer.content_type.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    if let Some(seconds) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(methods) = answer.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    if let Some(challenge) = answer.www_authenticate {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    // A value that is no header value is left out: these two are for people to read.
    if let Some(Ok(place)) = answer.location.map(HeaderValue::try_from) {
        headers.insert(header::LOCATION, place);
    }
    if !answer.request_id.is_empty()
        && let Ok(id) = HeaderValue::try_from(answer.request_id)
    {
        headers.insert(header::HeaderName::from_static("x-request-id"), id);
    }
    if answer.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
