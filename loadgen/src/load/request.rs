//! The requests: numbers, texts and octets on the wire. Pure but for one name look-up at start; one
//! per run, read-only.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, bail, ensure};
use postrider_http::json::{push_string, push_u64};

use super::{DEFAULT_PATH, LoadOptions};
use crate::corpus::Corpus;
use crate::hash;

/// Digits of a destination, unless the run needs more to tell its messages apart.
const NUMBER_DIGITS: usize = 12;

/// The most that E.164 allows.
const NUMBER_DIGITS_MAX: usize = 15;

/// Everything that requests are made of.
#[derive(Debug)]
pub(crate) struct Requests {
    /// The gateway.
    pub(crate) address: SocketAddr,
    /// Destinations.
    pub(crate) numbers: Numbers,
    texts: Vec<String>,
    head: Vec<u8>,
    body_start: Vec<u8>,
    body_end: Vec<u8>,
}

impl Requests {
    /// Checks the options that shape a request.
    ///
    /// # Errors
    /// Names the option that is wrong.
    pub(crate) fn new(options: &LoadOptions, corpus: &Corpus) -> anyhow::Result<Self> {
        let url = Url::parse(&options.url)?;
        let mut head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", url.path, url.authority);
        let key = options.api_key.expose();
        ensure!(
            key.bytes().all(|octet| octet.is_ascii_graphic()),
            "--api-key holds a blank or a control character"
        );
        if !key.is_empty() {
            head.push_str(&format!("Authorization: Bearer {key}\r\n"));
        }
        head.push_str("Content-Type: application/json\r\nContent-Length: ");
        let mut body_start = b"{\"from\":".to_vec();
        push_string(&mut body_start, &options.from);
        body_start.extend_from_slice(b",\"to\":\"+");
        let mut body_end = Vec::new();
        if let Some(webhook) = &options.webhook_url {
            body_end.extend_from_slice(b",\"webhook_url\":");
            push_string(&mut body_end, webhook);
        }
        body_end.push(b'}');
        let texts = (0..corpus.len()).map(|index| quoted(corpus.text(index))).collect();
        let numbers = Numbers::new(options)?;
        Ok(Self {
            address: url.address,
            numbers,
            texts,
            head: head.into_bytes(),
            body_start,
            body_end,
        })
    }

    /// Appends the request for message `index` with its destination `to` to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, index: u64, to: &str) {
        let text = self.texts.get(self.text_index(index)).map_or("\"\"", String::as_str);
        let middle = b"\",\"body\":";
        let length =
            self.body_start.len() + to.len() + middle.len() + text.len() + self.body_end.len();
        out.extend_from_slice(&self.head);
        push_u64(out, u64::try_from(length).unwrap_or(u64::MAX));
        out.extend_from_slice(b"\r\n\r\n");
        for piece in [&self.body_start, to.as_bytes(), middle, text.as_bytes(), &self.body_end] {
            out.extend_from_slice(piece);
        }
    }

    /// Which text message `index` carries.
    pub(crate) fn text_index(&self, index: u64) -> usize {
        let texts = u64::try_from(self.texts.len().max(1)).unwrap_or(1);
        usize::try_from(index % texts).unwrap_or(0)
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    push_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// Destination numbers: each used once.
#[derive(Debug)]
pub(crate) struct Numbers {
    prefixes: Vec<String>,
    digits: usize,
    first: u64,
    seed: u64,
}

impl Numbers {
    fn new(options: &LoadOptions) -> anyhow::Result<Self> {
        let prefixes = options.prefixes.clone();
        ensure!(!prefixes.is_empty(), "--prefixes is empty");
        for prefix in &prefixes {
            let digits = prefix.bytes().all(|octet| octet.is_ascii_digit());
            ensure!(
                digits && !prefix.is_empty() && !prefix.starts_with('0'),
                "--prefixes: {prefix:?} is not the beginning of an international number (digits, no +)"
            );
            let other = prefixes
                .iter()
                .find(|other| *other != prefix && other.starts_with(prefix.as_str()));
            if let Some(other) = other {
                bail!(
                    "--prefixes: {other} begins with {prefix}, so that a number could come twice"
                );
            }
        }
        let last = options.first_number.saturating_add(options.messages.saturating_sub(1));
        let longest = prefixes.iter().map(String::len).max().unwrap_or(0);
        let digits = NUMBER_DIGITS.max(longest + last.to_string().len());
        ensure!(
            digits <= NUMBER_DIGITS_MAX,
            "--prefixes, --first-number and --messages ask for numbers of {digits} digits; {NUMBER_DIGITS_MAX} are allowed"
        );
        Ok(Self { prefixes, digits, first: options.first_number, seed: options.seed })
    }

    /// The destination of message `index`, digits only.
    pub(crate) fn to(&self, index: u64) -> String {
        let number = self.first + index;
        let count = u64::try_from(self.prefixes.len()).unwrap_or(1);
        let which =
            usize::try_from(hash::stable(self.seed, &number.to_le_bytes()) % count).unwrap_or(0);
        let prefix = self.prefixes.get(which).map_or("", String::as_str);
        let width = self.digits.saturating_sub(prefix.len());
        format!("{prefix}{number:0width$}")
    }
}

#[derive(Debug)]
struct Url {
    authority: String,
    path: String,
    address: SocketAddr,
}

impl Url {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!("--url must begin with http:// (the load generator speaks no TLS), not {url:?}");
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let path = if matches!(path, "" | "/") { DEFAULT_PATH } else { path };
        ensure!(
            path.bytes().all(|octet| octet.is_ascii_graphic()),
            "--url holds a blank or a control character"
        );
        let with_port = if authority.ends_with(']') || !authority.contains(':') {
            format!("{authority}:80")
        } else {
            authority.to_owned()
        };
        let mut found =
            with_port.to_socket_addrs().with_context(|| format!("--url: {with_port}"))?;
        let address = found.next().with_context(|| format!("--url: {with_port} has no address"))?;
        Ok(Self { authority: authority.to_owned(), path: path.to_owned(), address })
    }
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

    use std::collections::HashSet;

    use super::{DEFAULT_PATH, Numbers, Requests, Url};
    use crate::corpus::Corpus;
    use crate::http1;
    use crate::load::LoadOptions;

    #[test]
    fn a_request_is_http_and_json_that_says_what_was_asked() {
        let options = LoadOptions {
            api_key: "key_1".into(),
            webhook_url: Some("http://127.0.0.1:9/hook".to_owned()),
            ..LoadOptions::default()
        };
        let corpus = Corpus::builtin();
        let requests = Requests::new(&options, &corpus).unwrap();
        let mut out = Vec::new();
        for index in 0..200 {
            out.clear();
            let to = requests.numbers.to(index);
            requests.write(&mut out, index, &to);
            let message = http1::request(&out).unwrap().unwrap();
            assert_eq!((message.consumed, message.method), (out.len(), "POST"));
            assert_eq!(message.header_text("authorization"), Some("Bearer key_1"));
            let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
            let text = corpus.text(requests.text_index(index));
            let expected = serde_json::json!({"from": "Postrider", "to": format!("+{to}"), "body": text,
                "webhook_url": "http://127.0.0.1:9/hook"});
            assert_eq!(body, expected);
        }
    }

    #[test]
    fn every_number_is_used_once_and_is_as_long_as_the_others() {
        let options = LoadOptions { messages: 50_000, first_number: 3, ..LoadOptions::default() };
        let numbers = Numbers::new(&options).unwrap();
        let all: HashSet<String> = (0..50_000).map(|index| numbers.to(index)).collect();
        assert_eq!(all.len(), 50_000);
        assert!(all.iter().all(|number| number.len() == 12));
        let long = LoadOptions { messages: 2_000_000_000, ..LoadOptions::default() };
        assert_eq!(Numbers::new(&long).unwrap().to(1_999_999_999).len(), 14);
    }

    #[test]
    fn options_that_make_no_sense_are_named() {
        let prefixes = |list: &[&str]| LoadOptions {
            prefixes: list.iter().map(|prefix| (*prefix).to_owned()).collect(),
            ..LoadOptions::default()
        };
        for options in [
            prefixes(&[]),
            prefixes(&["+44"]),
            prefixes(&["0049"]),
            prefixes(&["44", "447"]),
            prefixes(&["44770090012345"]),
        ] {
            let error = Numbers::new(&options).unwrap_err().to_string();
            assert!(error.contains("--prefixes"), "{error}");
        }
        for url in ["https://127.0.0.1", "127.0.0.1:80", "http://127.0.0.1/a b", "http://[::1:80"] {
            assert!(Url::parse(url).unwrap_err().to_string().contains("--url"), "{url}");
        }
    }

    #[test]
    fn a_url_without_a_path_or_port_gets_the_usual_ones() {
        let url = Url::parse("http://127.0.0.1").unwrap();
        assert_eq!((url.path.as_str(), url.address.port()), (DEFAULT_PATH, 80));
        let url = Url::parse("http://127.0.0.1:8080/sms?x=1").unwrap();
        assert_eq!((url.path.as_str(), url.address.port()), ("/sms?x=1", 8080));
    }
}
