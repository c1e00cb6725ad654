//! TLS from end to end in one running gateway: a customer binds through the TLS port with a
//! certificate of its own, its message goes to a carrier that speaks TLS and asks for ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

#[path = "harness/pdu.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod pdu;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pdu::Pdu;
use postrider_core::config::Config;
use postrider_shards::control::Shutdown;
use postrider_shards::server::{Server, ServerOptions};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

const WAIT: Duration = Duration::from_secs(30);

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn chain(name: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(tls_file(name)).unwrap().map(|read| read.unwrap()).collect()
}

fn key(name: &str) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(tls_file(name)).unwrap()
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(chain("root.pem").remove(0)).unwrap();
    roots
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A customer's connection; with or without a certificate to show.
fn connect(to: SocketAddr, certified: bool) -> StreamOwned<ClientConnection, TcpStream> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots());
    let config = if certified {
        config.with_client_auth_cert(chain("client.pem"), key("client.key")).unwrap()
    } else {
        config.with_no_client_auth()
    };
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// The next PDU; `None` when the connection ends.
fn next(stream: &mut impl Read) -> Option<Pdu> {
    let mut octets = vec![0; 4];
    stream.read_exact(&mut octets).ok()?;
    let length = u32::from_be_bytes(octets.as_slice().try_into().unwrap()) as usize;
    octets.resize(length, 0);
    stream.read_exact(&mut octets[4..]).ok()?;
    Pdu::read(&octets).map(|(pdu, _)| pdu)
}

fn say(stream: &mut impl Write, pdu: &Pdu) {
    stream.write_all(&pdu.octets()).unwrap();
    stream.flush().unwrap();
}

/// A carrier that wants our certificate and takes what it gets; gives the first destination.
fn carrier(listener: TcpListener) -> thread::JoinHandle<String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots()), provider());
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain("server.pem"), key("server.key"))
        .unwrap();
    let config = Arc::new(config);
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        let connection = ServerConnection::new(config).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        loop {
            let pdu = next(&mut stream).expect("a PDU within the limit");
            let answer = match pdu.command {
                pdu::BIND_TRX => Pdu::new(pdu::BIND_TRX_RESP, 0, pdu.sequence, b"alpha\0"),
                pdu::ENQUIRE => Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b""),
                pdu::SUBMIT => {
                    say(&mut stream, &pdu::taken(pdu.sequence, "1"));
                    return pdu.destination();
                }
                other => panic!("{other:#x}"),
            };
            say(&mut stream, &answer);
        }
    })
}

fn config(data: &Path, carrier: SocketAddr) -> Config {
    let file = |name: &str| tls_file(name).display().to_string();
    let mut config = Config::parse(&format!(
        r#"
[server]
data_dir = "{data}"
shards = 1
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
pin = false
spin = false
[store]
segment_mib = 8
max_segments = 8
[limits]
open_messages = 1000
[smpp.tls]
listen = "127.0.0.1:0"
cert_file = "{server}"
key_file = "{server_key}"
client_ca_file = "{root}"
[[customers]]
name = "acme"
[customers.smpp]
system_id = "acme"
password = "secret"
[[carriers]]
name = "alpha"
address = "127.0.0.1:{port}"
system_id = "us"
password = "p"
binds = 1
[carriers.tls]
server_name = "localhost"
ca_file = "{root}"
client_cert_file = "{client}"
client_key_file = "{client_key}"
[[routes]]
prefix = ""
carriers = ["alpha"]
"#,
        data = data.display(),
        server = file("server.pem"),
        server_key = file("server.key"),
        root = file("root.pem"),
        client = file("client.pem"),
        client_key = file("client.key"),
        port = carrier.port(),
    ))
    .unwrap_or_else(|errors| panic!("{errors}"));
    let mut read = |file: &Path| std::fs::read_to_string(file).map_err(|error| error.to_string());
    config.load_secrets(&mut read).unwrap_or_else(|errors| panic!("{errors}"));
    config
}

/// submit_sm from Acme to a handset.
fn submit(sequence: u32) -> Pdu {
    let mut body = b"\0\x05\0Acme\0\x01\x01447700900123\0".to_vec();
    body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    body.extend_from_slice(b"hi");
    Pdu::new(pdu::SUBMIT, 0, sequence, &body)
}

#[test]
fn a_message_goes_from_a_certified_customer_to_a_carrier_that_knows_us() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = {
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        (config(&folder.path().join("data"), address), folder)
    };
    let carrier = carrier(listener);
    let shutdown = Shutdown::new(Vec::new());
    let server = Server::start(config.0, &ServerOptions::default(), Arc::clone(&shutdown)).unwrap();
    let port = server.smpp_tls.unwrap();
    assert_eq!(server.smpp, None, "no plain port unless asked for");

    let mut stranger = connect(port, false);
    let refused = stranger.write_all(&submit(1).octets()).is_err() || next(&mut stranger).is_none();
    assert!(refused, "a customer without a certificate is not heard");
    let mut plain = TcpStream::connect(port).unwrap();
    plain.set_read_timeout(Some(WAIT)).unwrap();
    say(&mut plain, &Pdu::new(pdu::BIND_TRX, 0, 1, b"acme\0secret\0\0\x34\0\0\0"));
    let mut said = Vec::new();
    plain.read_to_end(&mut said).ok();
    assert!(said.first().is_none_or(|octet| *octet == 0x15), "an alert at most: {said:?}");

    let mut customer = connect(port, true);
    say(&mut customer, &Pdu::new(pdu::BIND_TRX, 0, 1, b"acme\0secret\0\0\x34\0\0\0"));
    let bound = next(&mut customer).unwrap();
    assert_eq!(bound.head(), (pdu::BIND_TRX_RESP, 0, 1));
    say(&mut customer, &submit(2));
    let taken = next(&mut customer).unwrap();
    assert_eq!(taken.head(), (pdu::SUBMIT_RESP, 0, 2));
    assert_eq!(carrier.join().unwrap(), "447700900123");
    drop(customer);
    shutdown.ask();
    server.wait().unwrap();
}
