//! Kannel as a customer: bearerbox bound to our server, smsbox before it, and an HTTP listener for what
//! Kannel reports. Two children and a thread.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use super::{STEP, program};
use crate::common::{Client, Process, free_port, local, status_of, until};

/// The programs that it is made of.
pub(crate) const PROGRAMS: [&str; 2] = ["bearerbox", "smsbox"];

/// See the module's header.
pub(crate) struct Kannel {
    bearerbox: Process,
    smsbox: Option<Process>,
    folder: PathBuf,
    sendsms: SocketAddr,
    reports: SocketAddr,
    reported: Arc<Mutex<Vec<String>>>,
}

impl Kannel {
    /// Starts bearerbox, which binds to `server`, and smsbox.
    pub(crate) fn start(folder: &Path, server: SocketAddr, password: &str) -> Self {
        let (reports, reported) = listen();
        let [admin, boxes, sendsms] = [free_port(), free_port(), free_port()].map(local);
        let config = folder.join("kannel.conf");
        let text = config_text(folder, [admin, boxes, sendsms, reports], server, password);
        std::fs::write(&config, text).unwrap();
        let child = |name: &str| {
            let log = folder.join(format!("{name}.log"));
            let mut command = program(name);
            command.arg(&config);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Process::spawn(name, command, Some(log))
        };
        let bearerbox = child("bearerbox");
        until("bearerbox answers", STEP, || status_of(admin, "/status").is_some());
        let smsbox = child("smsbox");
        // It listens long before: asked then, it knows no users, or crashes.
        let log = folder.join("smsbox.log");
        until("smsbox is ready", STEP, || {
            std::fs::read_to_string(&log).is_ok_and(|log| log.contains("Connected to bearerbox"))
        });
        let folder = folder.to_owned();
        Self { bearerbox, smsbox: Some(smsbox), folder, sendsms, reports, reported }
    }

    /// Hands smsbox a text; `ucs2`: in that alphabet.
    pub(crate) fn send(&self, from: &str, to: &str, text: &str, ucs2: bool) {
        let reports = format!("http://{}/dlr?to=%p&state=%d&id=%F&text=%A", self.reports);
        let (text, reports) = (percent(text), percent(&reports));
        let coding = if ucs2 { "&coding=2" } else { "" };
        let path = format!(
            "/cgi-bin/sendsms?username=test&password=test&charset=utf-8&from={from}&to={to}{coding}\
             &dlr-mask=31&dlr-url={reports}&text={text}"
        );
        let (status, answer) = Client::connect(self.sendsms).unwrap().get(&path, None).unwrap();
        assert_eq!(status, 202, "{answer}");
    }

    /// Waits until a report holds all of `words`; gives it.
    pub(crate) fn await_report(&self, words: &[&str]) -> String {
        let mut found = None;
        until(&format!("Kannel reports {words:?}"), STEP, || {
            let reported = self.reported.lock().unwrap();
            found = reported.iter().find(|it| words.iter().all(|word| it.contains(word))).cloned();
            found.is_some()
        });
        found.unwrap()
    }

    /// What bearerbox has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("bearerbox.log")).unwrap_or_default()
    }

    /// Ends both in order.
    pub(crate) fn stop(mut self) {
        for process in
            [self.smsbox.take().as_mut(), Some(&mut self.bearerbox)].into_iter().flatten()
        {
            process.terminate();
            process.wait(STEP);
        }
    }
}

fn config_text(
    folder: &Path,
    ports: [SocketAddr; 4],
    server: SocketAddr,
    password: &str,
) -> String {
    let [admin, boxes, sendsms, reports] = ports.map(|address| address.port());
    let (folder, smpp) = (folder.display(), server.port());
    format!(
        "group = core\nadmin-port = {admin}\nadmin-interface = \"127.0.0.1\"\n\
         admin-password = none\nsmsbox-port = {boxes}\nsmsbox-interface = \"127.0.0.1\"\n\
         log-file = \"{folder}/bearerbox.log\"\nlog-level = 0\ndlr-storage = internal\n\n\
         group = smsc\nsmsc = smpp\nsmsc-id = postrider\nhost = 127.0.0.1\nport = {smpp}\n\
         transceiver-mode = true\nsmsc-username = acme\nsmsc-password = {password}\n\
         system-type = \"\"\naddress-range = \"\"\nenquire-link-interval = 2\n\
         reconnect-delay = 2\nsource-addr-autodetect = true\n\n\
         group = smsbox\nbearerbox-host = 127.0.0.1\nbearerbox-port = {boxes}\n\
         sendsms-port = {sendsms}\nsendsms-interface = \"127.0.0.1\"\n\
         log-file = \"{folder}/smsbox.log\"\nlog-level = 0\nmo-recode = true\n\n\
         group = sendsms-user\nusername = test\npassword = test\nmax-messages = 5\n\
         concatenation = true\n\n\
         group = sms-service\nkeyword = default\nmax-messages = 0\n\
         get-url = \"http://127.0.0.1:{reports}/mo?from=%p&to=%P&coding=%c&text=%a\"\n"
    )
}

/// Octets that may stand in a query, as they are or as `%XX`.
fn percent(text: &str) -> String {
    let octet = |octet: u8| match octet {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    text.bytes().map(octet).collect()
}

/// Takes requests and answers them with nothing; their targets, decoded.
fn listen() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind(local(0)).unwrap();
    let address = listener.local_addr().unwrap();
    let reported = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reported);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                // A request ends with an empty line: these have no body.
                while let Some(first) = lines.next() {
                    let head: Vec<String> =
                        lines.by_ref().take_while(|it| !it.is_empty()).collect();
                    drop(head);
                    seen.lock().unwrap().push(plain(first.split(' ').nth(1).unwrap_or_default()));
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    if (&stream).write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, reported)
}

/// The reverse of [`percent`], and `+` as a blank.
fn plain(target: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = target.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&octets).into_owned()
}
