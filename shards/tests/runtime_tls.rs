//! What a link over TLS guards: octets arrive whole and in order, certificates are verified both
//! ways, and a peer that speaks something else is told from one that does not answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    rc::Rc,
    sync::mpsc,
    thread,
    time::Duration,
};

use postrider_shards::rt::{
    Driver, Identity, Link, LinkEnd, Outbox, RuntimeOptions, Stop, TlsClient, TlsError, TlsServer,
    TlsStream, build, connect, listen, oneshot, sleep, spawn,
};

/// Longest that anything here may take before it counts as hung.
const HUNG: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(10);

const ROOT: &[u8] = include_bytes!("tls/root.pem");
const STRANGER: &[u8] = include_bytes!("tls/stranger.pem");
const SERVER: Identity<'_> =
    Identity { chain: include_bytes!("tls/server.pem"), key: include_bytes!("tls/server.key") };
const CLIENT: Identity<'_> =
    Identity { chain: include_bytes!("tls/client.pem"), key: include_bytes!("tls/client.key") };

/// Runs `test` on a thread of its own, once on each driver, and fails if it hangs.
fn on_both_drivers<F: Future<Output = ()>>(test: impl Fn() -> F + Send + Copy + 'static) {
    for driver in [Driver::Uring, Driver::Poll] {
        let (done, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let options = RuntimeOptions { driver, ..RuntimeOptions::default() };
            build(&options).unwrap().0.block_on(test());
            done.send(()).unwrap();
        });
        match ended.recv_timeout(HUNG) {
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => thread.join().unwrap(),
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("hung"),
        }
    }
}

/// One handshake between `server` and `client`, who expects `name`; both ends' results.
async fn shake(
    server: TlsServer,
    client: TlsClient,
    name: &str,
) -> (io::Result<TlsStream>, io::Result<TlsStream>) {
    let listener = listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = oneshot();
    let tell = Cell::new(Some(tell));
    let stop = Stop::new();
    let quit = stop.clone();
    spawn(async move {
        let on_accept = move |stream, _| {
            let (server, tell) = (server.clone(), tell.take());
            spawn(async move {
                let accepted = server.accept(stream, LIMIT).await;
                if let Some(tell) = tell {
                    drop(tell.send(accepted));
                }
            });
        };
        listener.accept_loop(on_accept, &quit).await.unwrap();
    });
    let socket = connect(addr, LIMIT).await.unwrap();
    let ours = client.connect(name, socket, LIMIT).await;
    let theirs = told.await.unwrap();
    stop.stop();
    (theirs, ours)
}

/// Echoes until the peer closes.
async fn echo(stream: TlsStream) -> LinkEnd {
    let outbox = Outbox::new();
    let back = Rc::clone(&outbox);
    let answer = move |octets: &[u8]| back.push_with(|out| out.extend_from_slice(octets));
    Link::run(stream, answer, outbox).await
}

#[test]
fn octets_cross_tls_whole_and_in_order_both_ways() {
    on_both_drivers(|| async {
        let server = TlsServer::new(SERVER, None).unwrap();
        let client = TlsClient::new(Some(ROOT), None).unwrap();
        let (theirs, ours) = shake(server, client, "localhost").await;
        let theirs = theirs.unwrap();
        let (ended, echoed) = oneshot();
        spawn(async move {
            ended.send(echo(theirs).await).ok();
        });
        let sent: Vec<u8> =
            (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let got = Rc::new(RefCell::new(Vec::new()));
        let outbox = Outbox::new();
        let (into, size) = (Rc::clone(&got), sent.len());
        let take = move |octets: &[u8]| {
            into.borrow_mut().extend_from_slice(octets);
            into.borrow().len() < size
        };
        for chunk in sent.chunks(70_001) {
            outbox.push_with(|out| out.extend_from_slice(chunk));
        }
        assert_eq!(Link::run(ours.unwrap(), take, outbox).await, LinkEnd::Closed);
        assert!(*got.borrow() == sent, "the echo differs");
        assert_eq!(echoed.await, Some(LinkEnd::PeerClosed));
    });
}

#[test]
fn a_server_is_believed_only_with_the_right_name_and_a_trusted_root() {
    on_both_drivers(|| async {
        let server = || TlsServer::new(SERVER, None).unwrap();
        let trusting = TlsClient::new(Some(ROOT), None).unwrap();
        let (_, right) = shake(server(), trusting.clone(), "localhost").await;
        assert!(right.is_ok(), "{right:?}");
        for name in ["carrier.example", "127.0.0.1", "[::1]"] {
            let (_, other) = shake(server(), trusting.clone(), name).await;
            assert_eq!(other.unwrap_err().kind(), io::ErrorKind::InvalidData, "{name}");
        }
        for stranger in [Some(STRANGER), None] {
            let client = TlsClient::new(stranger, None).unwrap();
            let (theirs, ours) = shake(server(), client, "localhost").await;
            assert_eq!(ours.unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert!(theirs.is_err(), "the server is told");
        }
    });
}

#[test]
fn a_client_without_the_certificate_that_is_asked_for_is_refused() {
    on_both_drivers(|| async {
        let server = || TlsServer::new(SERVER, Some(ROOT)).unwrap();
        let known = TlsClient::new(Some(ROOT), Some(CLIENT)).unwrap();
        let (theirs, ours) = shake(server(), known, "localhost").await;
        assert!(theirs.is_ok() && ours.is_ok(), "{theirs:?} {ours:?}");
        let nobody = TlsClient::new(Some(ROOT), None).unwrap();
        let (theirs, _) = shake(server(), nobody, "localhost").await;
        assert_eq!(theirs.unwrap_err().kind(), io::ErrorKind::InvalidData);
    });
}

#[test]
fn a_peer_that_speaks_no_tls_or_nothing_ends_the_handshake() {
    on_both_drivers(|| async {
        let client = TlsClient::new(Some(ROOT), None).unwrap();
        let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr: SocketAddr = plain.local_addr().unwrap();
        let peer = thread::spawn(move || {
            let (mut first, _) = plain.accept().unwrap();
            first.write_all(&[0, 0, 0, 16, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]).unwrap();
            let (mut silent, _) = plain.accept().unwrap();
            // Held open: only our limit ends this one.
            let mut rest = Vec::new();
            silent.read_to_end(&mut rest).ok();
            rest.len()
        });
        let socket = connect(addr, LIMIT).await.unwrap();
        let answer = client.connect("localhost", socket, LIMIT).await;
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let socket = connect(addr, LIMIT).await.unwrap();
        let answer = client.connect("localhost", socket, Duration::from_millis(200)).await;
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::TimedOut);
        sleep(Duration::from_millis(1)).await;
        assert!(peer.join().unwrap() > 0, "a hello was sent");
    });
}

#[test]
fn pem_that_cannot_be_used_is_named() {
    let said = |result: Result<TlsClient, TlsError>| result.err().unwrap().to_string();
    let empty = said(TlsClient::new(Some(b"nothing here"), None));
    assert_eq!(empty, "authorities: no certificate in it");
    let keyless = Identity { chain: CLIENT.chain, key: b"" };
    assert!(said(TlsClient::new(None, Some(keyless))).starts_with("key: "));
    let foreign = Identity { chain: SERVER.chain, key: CLIENT.key };
    assert!(TlsServer::new(foreign, None).is_err(), "a key of another certificate");
}
