//! The webhook client against receivers on plain blocking sockets, well behaved and not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::{
    future::Future,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use postrider_http::{
    url_guard::{Scheme, UrlPolicy, WebhookTarget},
    webhook::schedule::AttemptError,
};
use postrider_shards::rt::{
    Driver, RuntimeOptions, build,
    http::{Answer, ClientLimits, HttpClient},
    sleep,
};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};

const PRIVATE: UrlPolicy = UrlPolicy { allow_private: true };

fn run<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for driver in [Driver::Uring, Driver::Poll] {
        let options = RuntimeOptions { driver, ..RuntimeOptions::default() };
        build(&options).unwrap().0.block_on(test());
    }
}

fn client() -> HttpClient {
    HttpClient::new(ClientLimits::default(), PRIVATE)
}

fn hasty() -> HttpClient {
    let limits = ClientLimits { timeout: Duration::from_millis(400), ..ClientLimits::default() };
    HttpClient::new(limits, PRIVATE)
}

/// A receiver: `serve` has each accepted connection in turn, until it returns false.
struct Receiver {
    target: WebhookTarget,
    thread: JoinHandle<()>,
}

impl Receiver {
    fn start(mut serve: impl FnMut(TcpStream) -> bool + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || while serve(listener.accept().unwrap().0) {});
        let target = WebhookTarget {
            scheme: Scheme::Http,
            host: "127.0.0.1".to_owned(),
            port,
            path_and_query: "/hook?a=1".to_owned(),
        };
        Self { target, thread }
    }

    fn join(self) {
        self.thread.join().unwrap();
    }
}

/// Reads one request: its head, and its body of Content-Length octets. `None` at the end.
fn read_request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn ok(mut stream: &TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
}

async fn post(client: &HttpClient, target: &WebhookTarget) -> Result<Answer, AttemptError> {
    client.post(target, &[("webhook-id", "msg_1".to_owned())], b"{}".to_vec()).await
}

#[test]
fn ten_posts_use_one_connection_and_arrive_as_they_were_given() {
    run(|| async {
        let (tell, told) = mpsc::channel();
        let receiver = Receiver::start(move |stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(request) = read_request(&mut reader) {
                tell.send(request).unwrap();
                ok(&stream);
            }
            false
        });
        let client = client();
        for _ in 0..10 {
            let answer = post(&client, &receiver.target).await.unwrap();
            assert_eq!(answer, Answer { status: 200, retry_after: None });
            assert_eq!(client.idle_connections(), 1);
        }
        let port = receiver.target.port;
        // The one connection ends with its client, and the receiver with its connection.
        drop(client);
        sleep(Duration::from_millis(20)).await;
        receiver.join();
        let requests: Vec<_> = told.iter().collect();
        assert_eq!(requests.len(), 10);
        let (head, body) = &requests[0];
        assert!(head.starts_with("POST /hook?a=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{head}");
        assert!(head.contains("webhook-id: msg_1\r\n"), "{head}");
        assert_eq!(body, b"{}");
    });
}

#[test]
fn a_kept_connection_that_the_peer_closed_unanswered_is_replaced_once() {
    run(|| async {
        let mut connections = 0;
        let receiver = Receiver::start(move |stream| {
            connections += 1;
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            read_request(&mut reader).unwrap();
            ok(&stream);
            if connections == 1 {
                // Takes the second request and closes without a word.
                read_request(&mut reader).unwrap();
                return true;
            }
            false
        });
        let client = client();
        assert_eq!(post(&client, &receiver.target).await.unwrap().status, 200);
        assert_eq!(post(&client, &receiver.target).await.unwrap().status, 200);
        receiver.join();
    });
}

#[test]
fn a_fresh_connection_that_is_closed_unanswered_is_a_failure_and_so_is_half_an_answer() {
    run(|| async {
        let silent = Receiver::start(|stream| {
            read_request(&mut BufReader::new(stream)).unwrap();
            false
        });
        assert_eq!(post(&client(), &silent.target).await, Err(AttemptError::Broken));
        silent.join();
        // A kept connection that broke off within an answer is not tried again either.
        let mut answered = false;
        let halved = Receiver::start(move |mut stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while read_request(&mut reader).is_some() {
                if std::mem::replace(&mut answered, true) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-").unwrap();
                    return false;
                }
                ok(&stream);
            }
            panic!("the second request comes on the first connection");
        });
        let client = client();
        assert_eq!(post(&client, &halved.target).await.unwrap().status, 200);
        assert_eq!(post(&client, &halved.target).await, Err(AttemptError::Broken));
        halved.join();
    });
}

#[test]
fn a_receiver_that_does_not_answer_in_time_is_left() {
    run(|| async {
        let (tell, told) = mpsc::channel();
        let receiver = Receiver::start(move |mut stream| {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).ok();
            tell.send(rest.len()).unwrap();
            false
        });
        let started = Instant::now();
        let client = hasty();
        assert_eq!(post(&client, &receiver.target).await, Err(AttemptError::Timeout));
        assert!(started.elapsed() < Duration::from_secs(2));
        assert_eq!(client.idle_connections(), 0);
        sleep(Duration::from_millis(20)).await;
        // The socket was closed, not left open beside.
        assert!(told.recv_timeout(Duration::from_secs(5)).unwrap() > 0);
        receiver.join();
    });
}

#[test]
fn an_answer_without_end_is_cut_off_and_its_status_counts() {
    run(|| async {
        let receiver = Receiver::start(|mut stream| {
            read_request(&mut BufReader::new(stream.try_clone().unwrap())).unwrap();
            stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99999999\r\n\r\n").unwrap();
            while stream.write_all(&[b'x'; 1000]).is_ok() {}
            false
        });
        let client = client();
        assert_eq!(post(&client, &receiver.target).await.unwrap().status, 202);
        assert_eq!(client.idle_connections(), 0);
        sleep(Duration::from_millis(20)).await;
        receiver.join();
        // One that trickles is cut off by the clock.
        let slow = Receiver::start(|mut stream| {
            read_request(&mut BufReader::new(stream.try_clone().unwrap())).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            while stream.write_all(b"1\r\nx\r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
            false
        });
        let started = Instant::now();
        assert_eq!(post(&hasty(), &slow.target).await.unwrap().status, 200);
        assert!(started.elapsed() < Duration::from_secs(2));
        sleep(Duration::from_millis(50)).await;
        slow.join();
    });
}

#[test]
fn a_head_without_end_and_what_is_no_http_are_failures() {
    run(|| async {
        let endless = Receiver::start(|mut stream| {
            read_request(&mut BufReader::new(stream.try_clone().unwrap())).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
            while stream.write_all(b"X-More: of the same, again and again\r\n").is_ok() {}
            false
        });
        assert_eq!(post(&client(), &endless.target).await, Err(AttemptError::Broken));
        sleep(Duration::from_millis(20)).await;
        endless.join();
        let other = Receiver::start(|mut stream| {
            stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
            stream.read_to_end(&mut Vec::new()).ok();
            false
        });
        assert_eq!(post(&client(), &other.target).await, Err(AttemptError::Broken));
        sleep(Duration::from_millis(20)).await;
        other.join();
    });
}

#[test]
fn redirects_are_answers_and_retry_after_is_read() {
    run(|| async {
        let receiver = Receiver::start(|mut stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            read_request(&mut reader).unwrap();
            let moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\
                          Retry-After: 120\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(moved).unwrap();
            assert!(read_request(&mut reader).is_none());
            false
        });
        let client = client();
        let answer = post(&client, &receiver.target).await.unwrap();
        let expected = Answer { status: 302, retry_after: Some(Duration::from_secs(120)) };
        assert_eq!(answer, expected);
        drop(client);
        sleep(Duration::from_millis(20)).await;
        receiver.join();
    });
}

#[test]
fn what_is_not_public_is_refused_before_a_connection_is_made() {
    run(|| async {
        let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
        receiver.set_nonblocking(true).unwrap();
        let client = HttpClient::new(ClientLimits::default(), UrlPolicy::default());
        for host in ["127.0.0.1", "localhost", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254"] {
            let target = WebhookTarget {
                scheme: Scheme::Http,
                host: host.to_owned(),
                port: receiver.local_addr().unwrap().port(),
                path_and_query: "/".to_owned(),
            };
            assert_eq!(post(&client, &target).await, Err(AttemptError::RefusedAddress), "{host}");
        }
        let seen = receiver.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(seen, Err(std::io::ErrorKind::WouldBlock));
    });
}

#[test]
fn nobody_there_and_no_such_name_are_told_apart() {
    run(|| async {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut target = WebhookTarget {
            scheme: Scheme::Http,
            host: "127.0.0.1".to_owned(),
            port,
            path_and_query: "/".to_owned(),
        };
        assert_eq!(post(&client(), &target).await, Err(AttemptError::Connect));
        target.host = "name.invalid".to_owned();
        assert_eq!(post(&client(), &target).await, Err(AttemptError::Resolve));
    });
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(include_bytes!("tls/root.der").as_slice())).unwrap();
    roots
}

/// A TLS receiver named localhost that answers until its connection ends.
fn tls_receiver() -> Receiver {
    let chain = vec![CertificateDer::from(include_bytes!("tls/server.der").as_slice())];
    let key = PrivatePkcs8KeyDer::from(include_bytes!("tls/server.key.der").as_slice());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from(key))
        .unwrap();
    let config = Arc::new(config);
    let mut receiver = Receiver::start(move |stream| {
        let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(tls, stream));
        while let Some((head, body)) = read_request(&mut stream) {
            assert!(head.contains("host: localhost"), "{head}");
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            stream.get_mut().write_all(&body).unwrap();
        }
        false
    });
    receiver.target.scheme = Scheme::Https;
    "localhost".clone_into(&mut receiver.target.host);
    receiver
}

#[test]
fn https_reaches_the_name_that_the_certificate_proves_and_keeps_the_connection() {
    run(|| async {
        let receiver = tls_receiver();
        let client = HttpClient::with_roots(ClientLimits::default(), PRIVATE, roots());
        for _ in 0..3 {
            assert_eq!(post(&client, &receiver.target).await.unwrap().status, 200);
            assert_eq!(client.idle_connections(), 1);
        }
        drop(client);
        sleep(Duration::from_millis(20)).await;
        receiver.join();
    });
}

#[test]
fn https_refuses_another_name_and_an_unknown_root() {
    run(|| async {
        let receiver = tls_receiver();
        let mut target = receiver.target.clone();
        "127.0.0.1".clone_into(&mut target.host);
        let client = HttpClient::with_roots(ClientLimits::default(), PRIVATE, roots());
        assert_eq!(post(&client, &target).await, Err(AttemptError::Tls));
        receiver.join();
        let receiver = tls_receiver();
        assert_eq!(post(&self::client(), &receiver.target).await, Err(AttemptError::Tls));
        receiver.join();
    });
}
