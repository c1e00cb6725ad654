//! A server of the shards' HTTP edge on a thread of its own, and a blocking peer's reading of its
//! answers, for the tests of the edge.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use postrider_shards::rt::{
    Doorbell, DrainPolicy, Driver, RuntimeOptions, Stop, build,
    http::{BodyError, HttpLimits, HttpRequest, HttpResponse, serve_connection},
    listen, sleep, spawn,
};

/// Limits short enough to wait for.
pub(crate) fn quick_limits() -> HttpLimits {
    HttpLimits {
        header_deadline: Duration::from_millis(300),
        body_deadline: Duration::from_millis(300),
        keep_alive: Duration::from_millis(600),
        ..HttpLimits::default()
    }
}

/// A running server; dropping it stops it.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
    bell: Arc<Doorbell>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(driver: Driver, limits: HttpLimits) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stopping = Arc::new(AtomicBool::new(false));
        let bell = Doorbell::new(DrainPolicy::sleeping());
        let (tell, told) = mpsc::channel();
        let thread = {
            let (seen, stopping, bell) =
                (Arc::clone(&seen), Arc::clone(&stopping), Arc::clone(&bell));
            std::thread::spawn(move || {
                let options = RuntimeOptions { driver, ..RuntimeOptions::default() };
                let (runtime, _) = build(&options).unwrap();
                let listener = listen("127.0.0.1:0".parse().unwrap(), true).unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                runtime.block_on(async move {
                    let stop = Stop::new();
                    let given = stop.clone();
                    spawn(async move {
                        while !stopping.load(Ordering::SeqCst) {
                            bell.wait(|| stopping.load(Ordering::SeqCst)).await;
                        }
                        given.stop();
                    });
                    let handler = Rc::new(move |request| handle(request, Arc::clone(&seen)));
                    let shutdown = stop.clone();
                    let alive = Rc::new(());
                    let token = Rc::clone(&alive);
                    let on_accept = move |stream, _peer| {
                        let (handler, shutdown, token) =
                            (Rc::clone(&handler), shutdown.clone(), Rc::clone(&token));
                        spawn(async move {
                            serve_connection(stream, &limits, handler, &shutdown).await;
                            drop(token);
                        });
                    };
                    listener.accept_loop(on_accept, &stop).await.unwrap();
                    while Rc::strong_count(&alive) > 1 {
                        sleep(Duration::from_millis(5)).await;
                    }
                });
            })
        };
        let addr = told.recv().unwrap();
        Self { addr, seen, stopping, bell, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends `octets` on a connection of their own and returns all that comes back, to the end.
    pub(crate) fn exchange(&self, octets: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(octets).unwrap();
        let mut told = Vec::new();
        stream.read_to_end(&mut told).unwrap();
        told
    }

    /// "METHOD path" of each request that reached the handler.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn wait_until_seen(&self, count: usize) {
        while self.seen().len() < count {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.bell.ring();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Waking the runtime's tasks from an unwinding thread ends the process.
        if std::thread::panicking() {
            return;
        }
        self.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn handle(request: HttpRequest, seen: Arc<Mutex<Vec<String>>>) -> HttpResponse {
    seen.lock().unwrap().push(format!("{} {}", request.method, request.path));
    let mut response = HttpResponse {
        status: 200,
        content_type: "text/plain",
        retry_after: None,
        allow: None,
        www_authenticate: None,
        location: None,
        request_id: request.request_id.clone().unwrap_or_default(),
        body: b"ok".to_vec(),
        close: false,
    };
    match &request.body {
        Err(BodyError::TooLarge) => response.status = 413,
        Err(BodyError::Deadline) => response.status = 408,
        Err(BodyError::Broken) => response.status = 400,
        Ok(body) if request.path == "/echo" => response.body = body.to_vec(),
        Ok(body) if request.path == "/fields" => tell_fields(&request, body, &mut response),
        Ok(_) => {
            if let Some(ms) = request.path.strip_prefix("/slow/") {
                sleep(Duration::from_millis(ms.parse().unwrap())).await;
            }
        }
    }
    response
}

fn tell_fields(request: &HttpRequest, body: &Bytes, response: &mut HttpResponse) {
    let text = |octets: &Option<Vec<u8>>| String::from_utf8(octets.clone().unwrap()).unwrap();
    let told = format!(
        "{} {} {} {} {} {}",
        request.method,
        request.path,
        request.query.clone().unwrap(),
        text(&request.authorization),
        text(&request.content_type),
        String::from_utf8(body.to_vec()).unwrap()
    );
    response.body = told.into_bytes();
    response.status = 503;
    response.content_type = "application/problem+json";
    response.retry_after = Some(7);
    response.allow = Some("GET, POST");
    response.location = Some("/there".to_owned());
}

/// One answer, as a blocking peer reads it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (given, value) = line.split_once(": ")?;
            given.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Reads one answer: a head, and a body of Content-Length octets.
pub(crate) fn read_answer(stream: &mut TcpStream) -> io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: Vec::new() };
    let length = answer.field("content-length").map_or(0, |value| value.parse().unwrap());
    answer.body.resize(length, 0);
    stream.read_exact(&mut answer.body)?;
    Ok(answer)
}

/// Whether the server closes without another octet.
pub(crate) fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(octets) => octets == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// The status codes of all answers in `told`.
pub(crate) fn answers(told: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(told);
    text.match_indices("HTTP/1.")
        .filter_map(|(at, mark)| text.get(at + mark.len() + 2..at + mark.len() + 5)?.parse().ok())
        .collect()
}
