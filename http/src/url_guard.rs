//! Which webhook addresses may be called: the guard against requests forged from inside (SSRF).
//! Pure, lives nowhere.
//!
//! [`check_url`] judges a URL when a message is submitted. A name can lead anywhere later, so the
//! driver resolves it for every connection, asks [`is_refused_ip`] about each address, connects to
//! the very address that it asked about, and follows no redirect.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use postrider_core::limits::MAX_WEBHOOK_URL;
use url::{Host, Url};

/// What the operator allows.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlPolicy {
    /// Webhooks may go to private, loopback and reserved addresses and to any port: for tests and
    /// for gateways whose customers share their network.
    pub allow_private: bool,
}

/// The protocol of a webhook address.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL means when it names none: 80 or 443.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A checked webhook address, in the parts that a client needs. Connections may be shared by equal
/// (scheme, host, port).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookTarget {
    /// Plain text or TLS.
    pub scheme: Scheme,
    /// Lower-case ASCII name (IDNA applied), or an IP address without brackets: what to resolve,
    /// and the server name for TLS.
    pub host: String,
    /// Never 0.
    pub port: u16,
    /// What goes into the request line; begins with `/`.
    pub path_and_query: String,
}

impl WebhookTarget {
    /// Value of the `Host` field (RFC 9110 section 7.2): the port only when it is not the
    /// scheme's own, brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// The address, when the URL names one instead of a host.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Why a URL is not accepted. The text is fit for the customer and repeats nothing of the URL.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than [`MAX_WEBHOOK_URL`].
    #[error("the URL is longer than {MAX_WEBHOOK_URL} characters")]
    TooLong,
    /// Not an absolute URL.
    #[error("this is not an absolute URL with a host")]
    Malformed,
    /// Space, control character or backslash, which parsers read in different ways.
    #[error("the URL holds a space, a control character or a backslash")]
    Character,
    /// Not http or https.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// User name or password in the URL.
    #[error("the URL must not hold a user name or password")]
    Userinfo,
    /// Fragments are never sent.
    #[error("the URL must not have a fragment (\"#\")")]
    Fragment,
    /// Nothing can listen on port 0.
    #[error("the port must not be 0")]
    PortZero,
    /// A port that is not for web servers.
    #[error("the port must be 80, 443, or 1024 and above")]
    Port,
    /// An address or name that is not public.
    #[error("the host is not public ({0})")]
    NotPublic(Refusal),
}

impl UrlError {
    /// Whether the URL is well-formed but forbidden by the [`UrlPolicy`].
    pub const fn is_forbidden(self) -> bool {
        matches!(self, Self::Port | Self::NotPublic(_))
    }
}

/// What an address that is not public is used for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Checks a webhook URL and takes it apart.
///
/// Addresses are recognised in every spelling that URLs allow (`0x7f.1`, `2130706433`), since they
/// are judged as parsed (WHATWG URL standard, section 3.5).
///
/// # Errors
/// The first rule broken; see [`UrlError`].
pub fn check_url(text: &str, policy: &UrlPolicy) -> Result<WebhookTarget, UrlError> {
    if text.len() > MAX_WEBHOOK_URL {
        return Err(UrlError::TooLong);
    }
    // The URL standard removes or reinterprets these; we want no second reading of any URL.
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(UrlError::Character);
    }
    let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(UrlError::Scheme),
    };
    check_form(text, &url)?;
    let host = url.host().ok_or(UrlError::Malformed)?;
    let port = url.port().unwrap_or(scheme.default_port());
    if port == 0 {
        return Err(UrlError::PortZero);
    }
    if !policy.allow_private {
        check_public(&host, port)?;
    }
    let path_and_query = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Ok(WebhookTarget { scheme, host: host_text(&host), port, path_and_query })
}

/// The written form: `scheme://` in full, no userinfo (not even an empty one), no fragment.
fn check_form(text: &str, url: &Url) -> Result<(), UrlError> {
    let after_scheme = text.get(url.scheme().len()..).unwrap_or_default();
    let rest = after_scheme.strip_prefix("://").ok_or(UrlError::Malformed)?;
    if rest.starts_with('/') {
        return Err(UrlError::Malformed);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Userinfo);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    Ok(())
}

fn check_public(host: &Host<&str>, port: u16) -> Result<(), UrlError> {
    if !matches!(port, 80 | 443 | 1024..) {
        return Err(UrlError::Port);
    }
    let refusal = match *host {
        Host::Domain(name) => is_local_name(name).then_some("a name of the local machine"),
        Host::Ipv4(ip) => is_refused_ip(IpAddr::V4(ip)),
        Host::Ipv6(ip) => is_refused_ip(IpAddr::V6(ip)),
    };
    refusal.map_or(Ok(()), |reason| Err(UrlError::NotPublic(Refusal(reason))))
}

/// RFC 6761 section 6.3, and the names that common hosts files give to loopback. The parser has
/// made the name lower case.
fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let exact = ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];
    exact.contains(&name) || name.ends_with(".localhost")
}

fn host_text(host: &Host<&str>) -> String {
    match *host {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    }
}

/// Why an address must not be called, or `None` when it is public.
///
/// Address translation prefixes that embed an IPv4 address are refused whole: a public receiver is
/// reachable under its own address.
pub fn is_refused_ip(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => V4.iter().find(|(net, _)| net.contains(&ip)).map(|row| row.1),
        IpAddr::V6(ip) => V6.iter().find(|(net, _)| net.contains(&ip)).map(|row| row.1),
    }
}

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, c: u16, g: u16, h: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, g, h, 0), length)
}

/// IANA IPv4 Special-Purpose Address Registry, multicast and the reserved block. The standard
/// library's `is_global` is not stable.
const V4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 8), "this network"),
    (v4(10, 0, 0, 8), "private network"),
    (v4(100, 64, 0, 10), "shared address space"),
    (v4(127, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 16), "link-local"),
    (v4(172, 16, 0, 12), "private network"),
    (v4(192, 0, 0, 24), "protocol assignments"),
    (v4(192, 0, 2, 24), "documentation"),
    (v4(192, 88, 99, 24), "6to4 relay"),
    (v4(192, 168, 0, 16), "private network"),
    (v4(198, 18, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 24), "documentation"),
    (v4(203, 0, 113, 24), "documentation"),
    (v4(224, 0, 0, 4), "multicast"),
    (Ipv4Net::new_assert(Ipv4Addr::BROADCAST, 32), "broadcast"),
    (v4(240, 0, 0, 4), "reserved"),
];

/// IANA IPv6 Special-Purpose Address Registry, multicast and what has been withdrawn.
const V6: [(Ipv6Net, &str); 17] = [
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "unspecified"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (v6(0, 0, 0, 0xffff, 0, 96), "IPv4-mapped"),
    (v6(0, 0, 0, 0, 0, 96), "IPv4-compatible"),
    (v6(0x64, 0xff9b, 0, 0, 0, 96), "NAT64"),
    (v6(0x64, 0xff9b, 1, 0, 0, 48), "local NAT64"),
    (v6(0x100, 0, 0, 0, 0, 64), "discard"),
    (v6(0x2001, 0, 0, 0, 0, 32), "Teredo"),
    (v6(0x2001, 0, 0, 0, 0, 23), "protocol assignments"),
    (v6(0x2001, 0xdb8, 0, 0, 0, 32), "documentation"),
    (v6(0x2002, 0, 0, 0, 0, 16), "6to4"),
    (v6(0x3fff, 0, 0, 0, 0, 20), "documentation"),
    (v6(0x5f00, 0, 0, 0, 0, 16), "segment routing"),
    (v6(0xfc00, 0, 0, 0, 0, 7), "private network"),
    (v6(0xfe80, 0, 0, 0, 0, 10), "link-local"),
    (v6(0xfec0, 0, 0, 0, 0, 10), "site-local"),
    (v6(0xff00, 0, 0, 0, 0, 8), "multicast"),
];

#[cfg(test)]
#[path = "url_guard_tests.rs"]
mod tests;
