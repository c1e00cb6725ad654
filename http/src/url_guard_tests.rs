//! Tests of the URL guard: every row of its tables, and URLs that try to get past it.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use proptest::prelude::*;

const STRICT: UrlPolicy = UrlPolicy { allow_private: false };
const OPEN: UrlPolicy = UrlPolicy { allow_private: true };

/// First and last address of every range, and the public neighbours on both sides (empty where
/// another range or the end of the space is the neighbour).
const V4_ROWS: &[(&str, &str, &str, &str, &str)] = &[
    ("this network", "0.0.0.0", "0.255.255.255", "", "1.0.0.0"),
    ("private network", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
    ("shared address space", "100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
    ("loopback", "127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
    ("link-local", "169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
    ("private network", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
    ("protocol assignments", "192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
    ("documentation", "192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
    ("6to4 relay", "192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
    ("private network", "192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
    ("benchmarking", "198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
    ("documentation", "198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
    ("documentation", "203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
    ("multicast", "224.0.0.0", "239.255.255.255", "223.255.255.255", ""),
    ("broadcast", "255.255.255.255", "255.255.255.255", "", ""),
    ("reserved", "240.0.0.0", "255.255.255.254", "", ""),
];

const F: &str = "ffff:ffff:ffff:ffff:ffff";

#[test]
fn every_ipv4_row() {
    assert_eq!(V4_ROWS.len(), V4.len());
    for &(reason, first, last, before, after) in V4_ROWS {
        check_row(reason, first, last);
        check_neighbours(before, after);
    }
}

#[test]
fn every_ipv6_row() {
    let rows = [
        ("unspecified", "::", "::".to_owned(), "", ""),
        ("loopback", "::1", "::1".to_owned(), "", ""),
        (
            "IPv4-mapped",
            "::ffff:0:0",
            "::ffff:ffff:ffff".to_owned(),
            "::fffe:ffff:ffff",
            "::1:0:0:0",
        ),
        ("IPv4-compatible", "::2", "::ffff:ffff".to_owned(), "", "::1:0:0"),
        ("NAT64", "64:ff9b::", "64:ff9b::ffff:ffff".to_owned(), "64:ff9a::", "64:ff9b::1:0:0"),
        ("local NAT64", "64:ff9b:1::", format!("64:ff9b:1:{F}"), "", "64:ff9b:2::"),
        ("discard", "100::", "100::ffff:ffff:ffff:ffff".to_owned(), "ff::", "100:0:0:1::"),
        ("Teredo", "2001::", format!("2001:0:ffff:{F}"), "2000:ffff::", ""),
        ("protocol assignments", "2001:1::", format!("2001:1ff:ffff:{F}"), "", "2001:200::"),
        ("documentation", "2001:db8::", format!("2001:db8:ffff:{F}"), "2001:db7::", "2001:db9::"),
        ("6to4", "2002::", format!("2002:ffff:ffff:{F}"), "2001:ffff::", "2003::"),
        ("documentation", "3fff::", format!("3fff:fff:ffff:{F}"), "3ffe:ffff::", "3fff:1000::"),
        ("segment routing", "5f00::", format!("5f00:ffff:ffff:{F}"), "5eff::", "5f01::"),
        ("private network", "fc00::", format!("fdff:ffff:ffff:{F}"), "fbff::", "fe00::"),
        ("link-local", "fe80::", format!("febf:ffff:ffff:{F}"), "fe7f::", ""),
        ("site-local", "fec0::", format!("feff:ffff:ffff:{F}"), "", ""),
        ("multicast", "ff00::", format!("ffff:ffff:ffff:{F}"), "", ""),
    ];
    assert_eq!(rows.len(), V6.len());
    for (reason, first, last, before, after) in rows {
        check_row(reason, first, &last);
        check_neighbours(before, after);
    }
}

fn check_row(reason: &str, first: &str, last: &str) {
    for text in [first, last] {
        assert_eq!(is_refused_ip(text.parse().unwrap()), Some(reason), "{text}");
    }
}

fn check_neighbours(before: &str, after: &str) {
    for text in [before, after].into_iter().filter(|text| !text.is_empty()) {
        assert_eq!(is_refused_ip(text.parse().unwrap()), None, "{text}");
    }
}

#[test]
fn public_addresses_pass() {
    for text in ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e"] {
        assert_eq!(is_refused_ip(text.parse().unwrap()), None, "{text}");
    }
}

#[test]
fn good_urls_are_taken_apart() {
    for (text, scheme, host, port, path, authority) in [
        ("https://example.com", Scheme::Https, "example.com", 443, "/", "example.com"),
        ("http://example.com:80/a?b=c", Scheme::Http, "example.com", 80, "/a?b=c", "example.com"),
        (
            "HTTPS://EXAMPLE.com:8443/x",
            Scheme::Https,
            "example.com",
            8443,
            "/x",
            "example.com:8443",
        ),
        ("https://example.com?x", Scheme::Https, "example.com", 443, "/?x", "example.com"),
        (
            "https://bücher.example/é",
            Scheme::Https,
            "xn--bcher-kva.example",
            443,
            "/%C3%A9",
            "xn--bcher-kva.example",
        ),
        ("https://8.8.8.8/h", Scheme::Https, "8.8.8.8", 443, "/h", "8.8.8.8"),
        (
            "https://[2606:4700:4700::1111]:1024/",
            Scheme::Https,
            "2606:4700:4700::1111",
            1024,
            "/",
            "[2606:4700:4700::1111]:1024",
        ),
        ("https://a.example/x@y:z", Scheme::Https, "a.example", 443, "/x@y:z", "a.example"),
    ] {
        let target = check_url(text, &STRICT).unwrap();
        assert_eq!((target.scheme, target.host.as_str()), (scheme, host), "{text}");
        assert_eq!((target.port, target.path_and_query.as_str()), (port, path), "{text}");
        assert_eq!(target.authority(), authority, "{text}");
    }
}

#[test]
fn malformed_urls_are_refused_under_every_policy() {
    let long = format!("https://example.com/{}", "a".repeat(MAX_WEBHOOK_URL));
    for (text, error) in [
        ("", UrlError::Malformed),
        ("example.com/hook", UrlError::Malformed),
        ("/hook", UrlError::Malformed),
        ("//example.com/", UrlError::Malformed),
        ("https://", UrlError::Malformed),
        ("https:///example.com", UrlError::Malformed),
        ("https:example.com", UrlError::Malformed),
        ("https:/example.com", UrlError::Malformed),
        ("https://exa mple.com/", UrlError::Character),
        (" https://example.com/", UrlError::Character),
        ("https://example.com/\n", UrlError::Character),
        ("ht\ttps://example.com/", UrlError::Character),
        ("https:\\\\example.com\\", UrlError::Character),
        ("https://example.com\\@127.0.0.1/", UrlError::Character),
        ("https://example.com:99999/", UrlError::Malformed),
        ("https://example.com:x/", UrlError::Malformed),
        ("https://exam%00ple.com/", UrlError::Malformed),
        ("https://[::1/", UrlError::Malformed),
        ("https://256.256.256.256/", UrlError::Malformed),
        ("ftp://example.com/", UrlError::Scheme),
        ("file:///etc/passwd", UrlError::Scheme),
        ("gopher://example.com/", UrlError::Scheme),
        ("javascript:alert(1)", UrlError::Scheme),
        ("https://user:pw@example.com/", UrlError::Userinfo),
        ("https://user@example.com/", UrlError::Userinfo),
        ("https://@example.com/", UrlError::Userinfo),
        ("https://:@example.com/", UrlError::Userinfo),
        ("https://example.com/#top", UrlError::Fragment),
        ("https://example.com/#", UrlError::Fragment),
        ("https://example.com:0/", UrlError::PortZero),
        (long.as_str(), UrlError::TooLong),
    ] {
        for policy in [STRICT, OPEN] {
            assert_eq!(check_url(text, &policy), Err(error), "{text}");
        }
    }
}

/// Every spelling of a forbidden host: refused by default, allowed where the operator says so.
#[test]
fn private_hosts_are_refused_unless_allowed() {
    for text in [
        "http://localhost/",
        "http://LocalHost:8080/",
        "http://localhost./",
        "http://api.localhost/",
        "http://localhost.localdomain/",
        "http://ip6-localhost/",
        "http://ip6-loopback/",
        "http://%6cocalhost/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://１２７.0.0.1/",
        "http://①②⑦.0.0.1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.100.100.200/",
        "http://192.168.1.1/",
        "http://172.31.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:7f00:1::]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://255.255.255.255/",
        "http://224.0.0.1/",
    ] {
        let refused = check_url(text, &STRICT).unwrap_err();
        assert!(matches!(refused, UrlError::NotPublic(_)) && refused.is_forbidden(), "{text}");
        assert!(check_url(text, &OPEN).is_ok(), "{text}");
    }
}

#[test]
fn ports_below_1024_are_for_web_servers_only() {
    for port in [1, 22, 25, 79, 81, 442, 444, 1023] {
        let text = format!("http://example.com:{port}/");
        assert_eq!(check_url(&text, &STRICT), Err(UrlError::Port), "{text}");
        assert_eq!(check_url(&text, &OPEN).map(|target| target.port), Ok(port));
    }
}

#[test]
fn errors_do_not_repeat_the_url() {
    let error = check_url("https://user:hunter2@example.com/", &STRICT).unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
    assert!(!error.is_forbidden());
}

proptest! {
    #[test]
    fn no_text_panics(text in "(https?://)?\\PC{0,60}") {
        if let Ok(target) = check_url(&text, &STRICT) {
            prop_assert!(target.path_and_query.starts_with('/'));
            prop_assert!(target.ip().is_none_or(|ip| is_refused_ip(ip).is_none()));
        }
    }

    /// The standard library's own stable predicates never call an address special that passes.
    #[test]
    fn agrees_with_the_standard_library(bits in any::<u32>()) {
        let ip = Ipv4Addr::from_bits(bits);
        if is_refused_ip(IpAddr::V4(ip)).is_none() {
            prop_assert!(!ip.is_private() && !ip.is_loopback() && !ip.is_link_local());
            prop_assert!(!ip.is_multicast() && !ip.is_documentation() && !ip.is_unspecified());
        }
    }

    #[test]
    fn an_ip_in_a_url_is_judged_like_the_ip(bits in any::<u128>()) {
        let ip = Ipv6Addr::from_bits(bits);
        let allowed = check_url(&format!("https://[{ip}]/"), &STRICT).is_ok();
        prop_assert_eq!(allowed, is_refused_ip(IpAddr::V6(ip)).is_none());
    }
}
