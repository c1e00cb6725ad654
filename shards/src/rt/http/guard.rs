//! A second, stricter look at the octets of requests, before hyper parses them. One per server
//! connection; pure.
//!
//! Two parsers that read one request differently are what request smuggling lives on. hyper is
//! lenient where RFC 9112 lets it be (bare LF, Content-Length beside Transfer-Encoding, spaces
//! after a chunk size, long chunk extensions, several Host fields). The guard follows the framing
//! by itself, by a grammar that leaves no choice, and refuses what is outside it. It never rewrites
//! a request: it only says from which octet on the stream must not be believed.

/// Longest head, octets: beyond it hyper answers 431 and the guard need not look.
pub(super) const HEAD_MAX: usize = 16 * 1024;

/// Longest chunk-size line with its extensions, octets.
const CHUNK_LINE_MAX: usize = 256;

/// Most hexadecimal digits of a chunk size: 4 GiB, far beyond any body limit.
const CHUNK_DIGITS_MAX: usize = 8;

/// Follows one connection's requests.
#[derive(Debug)]
pub(super) struct Guard {
    at: At,
    head: Head,
    /// A line whose end has not arrived.
    line: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the head of a request.
    Head,
    /// In a body with this many octets to come.
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    /// After the data of a chunk, before its line end.
    ChunkEnd,
    Trailer,
    /// The head is longer than hyper takes: it will refuse it.
    Beyond,
}

/// What the lines of the current head have said so far.
#[derive(Debug, Default)]
struct Head {
    length: usize,
    lines: usize,
    skipped_empty: bool,
    http_11: bool,
    bodyless_method: bool,
    content_length: Option<u64>,
    chunked: bool,
    hosts: usize,
}

/// The line breaks the grammar.
struct Broken;

impl Guard {
    pub(super) fn new() -> Self {
        Self { at: At::Head, head: Head::default(), line: Vec::new() }
    }

    /// Whether the stream is between two requests.
    #[cfg(test)]
    pub(super) fn is_between(&self) -> bool {
        self.at == At::Head && self.head.length == 0
    }

    /// Looks at the next octets of the stream.
    ///
    /// # Errors
    /// How many of `bytes` may still be believed. Nothing may be fed after that.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = bytes.len() - rest.len();
            rest = match self.at {
                At::Beyond => return Ok(()),
                At::Body(left) => self.skip(rest, left, At::Body),
                At::ChunkData(left) => self.skip(rest, left, At::ChunkData),
                At::Head | At::ChunkSize | At::ChunkEnd | At::Trailer => {
                    self.line(rest).map_err(|believed| before + believed)?
                }
            };
        }
        Ok(())
    }

    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64, at: fn(u64) -> At) -> &'a [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (_, rest) = bytes.split_at(here);
        let left = left - here as u64;
        self.at = match (at(left), left) {
            (At::Body(_), 0) => self.next_request(),
            (_, 0) => At::ChunkEnd,
            (at, _) => at,
        };
        rest
    }

    fn next_request(&mut self) -> At {
        self.head = Head::default();
        At::Head
    }

    /// Takes one line, or the beginning of one. On refusal: how many octets before its last one.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], usize> {
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
            self.line.extend_from_slice(bytes);
            return if self.within_limit(bytes.len(), self.line.len()) { Ok(&[]) } else { Err(0) };
        };
        let (line, rest) = bytes.split_at(end + 1);
        let fits = self.within_limit(line.len(), self.line.len() + line.len());
        let told = if !fits {
            Err(Broken)
        } else if self.at == At::Beyond {
            return Ok(&[]);
        } else if self.line.is_empty() {
            self.whole_line(line)
        } else {
            let mut whole = std::mem::take(&mut self.line);
            whole.extend_from_slice(line);
            let told = self.whole_line(&whole);
            whole.clear();
            self.line = whole;
            told
        };
        told.map(|()| rest).map_err(|Broken| end)
    }

    /// Counts `more` octets, which make the current line `length` long, against its kind's limit.
    fn within_limit(&mut self, more: usize, length: usize) -> bool {
        match self.at {
            At::Head | At::Trailer => {
                self.head.length += more;
                if self.head.length > HEAD_MAX {
                    let in_head = self.at == At::Head;
                    self.at = At::Beyond;
                    return in_head;
                }
                true
            }
            At::ChunkSize => length <= CHUNK_LINE_MAX,
            At::ChunkEnd => length <= 2,
            At::Body(_) | At::ChunkData(_) | At::Beyond => true,
        }
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), Broken> {
        // Only CRLF ends a line; a CR elsewhere is no line end either.
        let line = line.strip_suffix(b"\r\n").ok_or(Broken)?;
        if line.contains(&b'\r') {
            return Err(Broken);
        }
        match self.at {
            At::Head if line.is_empty() && self.head.lines == 0 => self.empty_line_before(),
            At::Head if line.is_empty() => self.end_of_head(),
            At::Head => self.head.line(line),
            At::ChunkSize => self.chunk_size(line),
            At::ChunkEnd if line.is_empty() => {
                self.at = At::ChunkSize;
                Ok(())
            }
            At::ChunkEnd => Err(Broken),
            At::Trailer if line.is_empty() => {
                self.at = self.next_request();
                Ok(())
            }
            At::Trailer => field(line).map(|_| ()),
            At::Body(_) | At::ChunkData(_) | At::Beyond => Ok(()),
        }
    }

    /// RFC 9112 2.2: one empty line before a request is let pass, for old clients.
    fn empty_line_before(&mut self) -> Result<(), Broken> {
        if std::mem::replace(&mut self.head.skipped_empty, true) {
            return Err(Broken);
        }
        Ok(())
    }

    fn end_of_head(&mut self) -> Result<(), Broken> {
        let head = std::mem::take(&mut self.head);
        let has_body = head.chunked || head.content_length.is_some_and(|length| length > 0);
        if head.hosts > 1
            || (head.http_11 && head.hosts == 0)
            || (head.chunked && (head.content_length.is_some() || !head.http_11))
            || (head.bodyless_method && has_body)
        {
            return Err(Broken);
        }
        self.at = match (head.chunked, head.content_length) {
            (true, _) => At::ChunkSize,
            (false, Some(length)) if length > 0 => At::Body(length),
            (false, _) => At::Head,
        };
        Ok(())
    }

    /// RFC 9112 7.1, without the space that some let pass before the extension.
    fn chunk_size(&mut self, line: &[u8]) -> Result<(), Broken> {
        let digits = line.split(|b| *b == b';').next().unwrap_or_default();
        let size = number(digits, 16, CHUNK_DIGITS_MAX)?;
        self.at = if size == 0 { At::Trailer } else { At::ChunkData(size) };
        Ok(())
    }
}

impl Head {
    fn line(&mut self, line: &[u8]) -> Result<(), Broken> {
        self.lines += 1;
        if self.lines == 1 { self.request_line(line) } else { self.field_line(line) }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let mut words = line.split(|b| *b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Broken);
        };
        self.bodyless_method = matches!(method, b"GET" | b"HEAD" | b"DELETE");
        self.http_11 = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            _ => return Err(Broken),
        };
        let known_form = target.starts_with(b"/")
            || target == b"*"
            || starts_with_ignoring_case(target, b"http://")
            || starts_with_ignoring_case(target, b"https://");
        if known_form { Ok(()) } else { Err(Broken) }
    }

    fn field_line(&mut self, line: &[u8]) -> Result<(), Broken> {
        let (name, value) = field(line)?;
        // Most fields are none of these: tell by the length before comparing.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts += 1;
                if value.is_empty() || !value.iter().all(|b| is_host(*b)) {
                    return Err(Broken);
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.content_length.is_some() || (value.starts_with(b"0") && value != b"0") {
                    return Err(Broken);
                }
                self.content_length = Some(number(value, 10, 18)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Broken);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Name and value of a field line. No folding, no space in or after the name, no control octet.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Broken> {
    let colon = line.iter().position(|b| *b == b':').ok_or(Broken)?;
    let (name, value) = line.split_at(colon);
    let value = value.strip_prefix(b":").unwrap_or(value);
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return Err(Broken);
    }
    if value.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
        return Err(Broken);
    }
    Ok((name, value.trim_ascii()))
}

/// RFC 9110 5.6.2.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// RFC 3986 3.2.2 and a port, without what nobody needs in a host name.
fn is_host(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:[]%".contains(&b)
}

/// One to `most` digits and nothing else.
fn number(digits: &[u8], radix: u32, most: usize) -> Result<u64, Broken> {
    if digits.is_empty() || digits.len() > most {
        return Err(Broken);
    }
    digits.iter().try_fold(0_u64, |sum, digit| {
        let digit = char::from(*digit).to_digit(radix).ok_or(Broken)?;
        Ok(sum * u64::from(radix) + u64::from(digit))
    })
}

fn starts_with_ignoring_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
