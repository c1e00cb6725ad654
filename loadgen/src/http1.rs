//! The little of HTTP/1.1 (RFC 9112) that the sender and the sink need: one message at the front of
//! a buffer, its length and its headers. Pure, lives nowhere.

use std::borrow::Cow;

use httparse::{EMPTY_HEADER, Header, Status};

/// Headers of one message; more is refused.
const MAX_HEADERS: usize = 64;

/// Octets of one message's head, and of its body; more is refused.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// See [`MAX_HEAD_BYTES`].
pub(crate) const MAX_BODY_BYTES: usize = 1 << 20;

/// What makes a connection unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpError {
    /// Not HTTP/1.1, or more headers than we take.
    Malformed,
    /// The head or the body is longer than we take.
    TooLong,
    /// A response whose end only the end of the connection would show.
    NoLength,
}

/// One message, read whole from the front of a buffer.
#[derive(Debug)]
pub(crate) struct Message<'b> {
    /// The status of a response; 0 in a request.
    pub(crate) status: u16,
    /// The method of a request; empty in a response.
    pub(crate) method: &'b str,
    /// The body, decoded if it came in chunks.
    pub(crate) body: Cow<'b, [u8]>,
    /// Octets that the message took from the buffer.
    pub(crate) consumed: usize,
    /// Whether the connection may carry another message.
    pub(crate) keep_alive: bool,
    headers: [Header<'b>; MAX_HEADERS],
}

impl<'b> Message<'b> {
    /// The first header of that name, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&'b [u8]> {
        find(&self.headers, name)
    }

    /// The first header of that name as text, if it is UTF-8.
    pub(crate) fn header_text(&self, name: &str) -> Option<&'b str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim)
    }
}

/// Reads one response; `None` when `buffer` does not hold all of it yet.
///
/// # Errors
/// [`HttpError`]: the connection can carry nothing more.
pub(crate) fn response(buffer: &[u8]) -> Result<Option<Message<'_>>, HttpError> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let Some(head_len) = complete(head.parse(buffer), buffer)? else { return Ok(None) };
    let (status, version) = (head.code.unwrap_or(0), head.version.unwrap_or(0));
    let no_body = status < 200 || status == 204 || status == 304;
    let length =
        if no_body { Length::Fixed(0) } else { length(&headers)?.ok_or(HttpError::NoLength)? };
    finish(buffer, head_len, length, version, headers)
        .map(|message| message.map(|message| Message { status, ..message }))
}

/// Reads one request; `None` when `buffer` does not hold all of it yet.
///
/// # Errors
/// [`HttpError`]: the connection can carry nothing more.
pub(crate) fn request(buffer: &[u8]) -> Result<Option<Message<'_>>, HttpError> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let Some(head_len) = complete(head.parse(buffer), buffer)? else { return Ok(None) };
    let (method, version) = (head.method.unwrap_or(""), head.version.unwrap_or(0));
    let length = length(&headers)?.unwrap_or(Length::Fixed(0));
    finish(buffer, head_len, length, version, headers)
        .map(|message| message.map(|message| Message { method, ..message }))
}

#[derive(Debug, Clone, Copy)]
enum Length {
    Fixed(usize),
    Chunked,
}

fn complete(parsed: httparse::Result<usize>, buffer: &[u8]) -> Result<Option<usize>, HttpError> {
    match parsed {
        Ok(Status::Complete(length)) => Ok(Some(length)),
        Ok(Status::Partial) if buffer.len() > MAX_HEAD_BYTES => Err(HttpError::TooLong),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(HttpError::Malformed),
    }
}

fn find<'b>(headers: &[Header<'b>], name: &str) -> Option<&'b [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn length(headers: &[Header<'_>]) -> Result<Option<Length>, HttpError> {
    if let Some(coding) = find(headers, "transfer-encoding") {
        let chunked = coding.eq_ignore_ascii_case(b"chunked");
        return if chunked { Ok(Some(Length::Chunked)) } else { Err(HttpError::Malformed) };
    }
    let Some(value) = find(headers, "content-length") else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| HttpError::Malformed)?;
    let octets = text.trim().parse::<usize>().map_err(|_| HttpError::Malformed)?;
    if octets > MAX_BODY_BYTES {
        return Err(HttpError::TooLong);
    }
    Ok(Some(Length::Fixed(octets)))
}

fn finish<'b>(
    buffer: &'b [u8],
    head_len: usize,
    length: Length,
    version: u8,
    headers: [Header<'b>; MAX_HEADERS],
) -> Result<Option<Message<'b>>, HttpError> {
    let rest = buffer.get(head_len..).unwrap_or_default();
    let (body, body_len) = match length {
        Length::Fixed(octets) => match rest.get(..octets) {
            Some(body) => (Cow::Borrowed(body), octets),
            None => return Ok(None),
        },
        Length::Chunked => match chunks(rest)? {
            Some((body, octets)) => (Cow::Owned(body), octets),
            None => return Ok(None),
        },
    };
    let close =
        find(&headers, "connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
    let keep_alive = version == 1 && !close;
    let consumed = head_len + body_len;
    Ok(Some(Message { status: 0, method: "", body, consumed, keep_alive, headers }))
}

/// Joins chunks (RFC 9112 section 7.1) up to the last one; trailers are passed over.
fn chunks(buffer: &[u8]) -> Result<Option<(Vec<u8>, usize)>, HttpError> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = buffer.get(at..).unwrap_or_default();
        let (line_len, size) = match httparse::parse_chunk_size(rest) {
            Ok(Status::Complete(found)) => found,
            Ok(Status::Partial) => return Ok(None),
            Err(_) => return Err(HttpError::Malformed),
        };
        let size = usize::try_from(size).map_err(|_| HttpError::TooLong)?;
        if size > MAX_BODY_BYTES - body.len().min(MAX_BODY_BYTES) {
            return Err(HttpError::TooLong);
        }
        let data = rest.get(line_len..).unwrap_or_default();
        if size == 0 {
            return Ok(trailers(data).map(|octets| (body, at + line_len + octets)));
        }
        let Some((chunk, after)) = data.split_at_checked(size) else { return Ok(None) };
        match after.get(..2) {
            Some(b"\r\n") => {}
            Some(_) => return Err(HttpError::Malformed),
            None => return Ok(None),
        }
        body.extend_from_slice(chunk);
        at += line_len + size + 2;
    }
}

fn trailers(buffer: &[u8]) -> Option<usize> {
    if buffer.starts_with(b"\r\n") {
        return Some(2);
    }
    buffer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use super::{HttpError, request, response};

    #[test]
    fn a_response_is_read_only_when_it_is_whole() {
        let whole =
            b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\nRetry-After: 1\r\n\r\nhelloHTTP/1.1";
        for cut in 0..whole.len() - 8 {
            assert!(response(&whole[..cut]).unwrap().is_none(), "cut at {cut}");
        }
        let message = response(whole).unwrap().unwrap();
        assert_eq!(
            (message.status, &*message.body, message.keep_alive),
            (202, &b"hello"[..], true)
        );
        assert_eq!(message.consumed, whole.len() - 8);
        assert_eq!(message.header_text("retry-after"), Some("1"));
    }

    #[test]
    fn chunks_are_joined_and_cut_chunks_wait() {
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        for cut in 0..whole.len() {
            assert!(response(&whole[..cut]).unwrap().is_none(), "cut at {cut}");
        }
        let message = response(whole).unwrap().unwrap();
        assert_eq!((&*message.body, message.consumed), (&b"abcde"[..], whole.len()));
    }

    #[test]
    fn what_cannot_be_delimited_is_refused() {
        assert_eq!(response(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err(), HttpError::NoLength);
        assert_eq!(response(b"SMTP ready\r\n\r\n").unwrap_err(), HttpError::Malformed);
        let long = b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n";
        assert_eq!(request(long).unwrap_err(), HttpError::TooLong);
        assert_eq!(request(&[b'a'; 70_000]).unwrap_err(), HttpError::TooLong);
        assert!(response(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body.is_empty());
    }

    #[test]
    fn a_request_that_asks_to_close_is_the_last() {
        let closing =
            request(b"POST /hook HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap().unwrap();
        assert!(!closing.keep_alive);
        assert_eq!(closing.method, "POST");
        assert!(!request(b"GET / HTTP/1.0\r\n\r\n").unwrap().unwrap().keep_alive);
    }
}
