//! A tiny HTTP server over the standard library's sockets: one thread per connection, each request
//! answered by a function of the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What the server read.
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: serde_json::Value,
    /// The first request of all is 0.
    pub(crate) number: usize,
}

/// What it does then.
pub(crate) enum Reply {
    /// These octets, and on to the next request.
    Send(String),
    /// Close without an answer.
    Close,
    /// These octets, then close.
    SendAndClose(String),
    /// Neither answer nor close.
    Hang,
}

pub(crate) fn answer(status: &str, extra: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{extra}\r\n{body}")
}

pub(crate) fn accepted(number: usize) -> String {
    let body =
        format!("{{\"message_id\":\"id-{number}\",\"segment_count\":2,\"status\":\"queued\"}}");
    answer("202 Accepted", "", &body)
}

/// Starts the server; it lives as long as the test's process.
pub(crate) fn serve(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    serve_on(listener, reply);
    address
}

pub(crate) fn serve_on(
    listener: TcpListener,
    reply: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) {
    let reply = Arc::new(reply);
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (reply, count) = (Arc::clone(&reply), Arc::clone(&count));
            thread::spawn(move || connection(stream, &*reply, &count));
        }
    });
}

fn connection(
    stream: TcpStream,
    reply: &(impl Fn(&Request) -> Reply + ?Sized),
    count: &std::sync::atomic::AtomicUsize,
) {
    stream.set_nodelay(true).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some((head, body)) = read(&mut reader) {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (octets, on) = match reply(&Request { head, body, number }) {
            Reply::Send(octets) => (octets, true),
            Reply::SendAndClose(octets) => (octets, false),
            Reply::Close => return,
            Reply::Hang => {
                thread::sleep(std::time::Duration::from_secs(60));
                return;
            }
        };
        if writer.write_all(octets.as_bytes()).is_err() || !on {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}
