//! Carriers on real sockets: one that a test plays PDU by PDU, and one that behaves well by itself.
//! Test code; a scripted carrier lives on the test's thread, a good one on its own.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::pdu::{
    BIND_TRX, BIND_TRX_RESP, ENQUIRE, ENQUIRE_RESP, Pdu, SUBMIT, UNBIND, UNBIND_RESP, receipt,
    taken,
};

/// How long anything may take that has no limit of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

enum Heard {
    Connected(TcpStream),
    Pdu(Pdu),
    Closed,
}

/// One connection of the gateway.
struct Connection {
    stream: TcpStream,
    inbox: VecDeque<Pdu>,
    bound: bool,
    closed: bool,
}

/// A carrier that a test plays.
pub(crate) struct Script {
    pub(crate) at: SocketAddr,
    heard: Receiver<(usize, Heard)>,
    connections: Vec<Connection>,
    /// Binds are answered at once.
    pub(crate) answers_binds: bool,
    next_sequence: u32,
}

impl Script {
    /// Listens from now on; the threads end with the process.
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let connected = Heard::Connected(stream.try_clone().unwrap());
                if tell.send((index, connected)).is_err() {
                    return;
                }
                let tell = tell.clone();
                std::thread::spawn(move || read_pdus(index, stream, &tell));
            }
        });
        Script { at, heard, connections: Vec::new(), answers_binds: true, next_sequence: 9_000 }
    }

    /// Files what was heard next; false when nothing was within `limit`.
    fn pump(&mut self, limit: Duration) -> bool {
        let (index, heard) = match self.heard.recv_timeout(limit) {
            Ok(heard) => heard,
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => panic!("the listener is gone"),
        };
        match heard {
            Heard::Connected(stream) => {
                assert_eq!(index, self.connections.len());
                let inbox = VecDeque::new();
                self.connections.push(Connection { stream, inbox, bound: false, closed: false });
            }
            Heard::Closed => self.connections[index].closed = true,
            Heard::Pdu(pdu) => self.file(index, pdu),
        }
        true
    }

    fn file(&mut self, index: usize, pdu: Pdu) {
        let answer = match pdu.command {
            ENQUIRE => Pdu::new(ENQUIRE_RESP, 0, pdu.sequence, b""),
            UNBIND => Pdu::new(UNBIND_RESP, 0, pdu.sequence, b""),
            BIND_TRX if self.answers_binds => {
                self.connections[index].bound = true;
                Pdu::new(BIND_TRX_RESP, 0, pdu.sequence, b"fake\0")
            }
            _ => {
                self.connections[index].inbox.push_back(pdu);
                return;
            }
        };
        self.send(index, &answer.octets());
    }

    /// Goes on listening until `found` finds something.
    pub(crate) fn wait<R>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&mut Self) -> Option<R>,
    ) -> R {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            self.pump(Duration::from_millis(100));
            assert!(Instant::now() < until, "waited in vain for {what}");
        }
    }

    /// Sends octets; a connection that the gateway has closed meanwhile is no error.
    pub(crate) fn send(&mut self, index: usize, octets: &[u8]) {
        drop((&self.connections[index].stream).write_all(octets));
    }

    pub(crate) fn send_pdu(&mut self, index: usize, pdu: &Pdu) {
        self.send(index, &pdu.octets());
    }

    /// Waits until `count` connections are bound, and names them.
    pub(crate) fn bound(&mut self, count: usize) -> Vec<usize> {
        self.wait("binds", |script| {
            let all = script.connections.iter().enumerate();
            let open = all.filter(|(_, connection)| connection.bound && !connection.closed);
            let open: Vec<usize> = open.map(|(index, _)| index).collect();
            (open.len() >= count).then_some(open)
        })
    }

    /// Says that a bind was answered by hand.
    pub(crate) fn set_bound(&mut self, index: usize) {
        self.connections[index].bound = true;
    }

    /// The next PDU of one connection.
    pub(crate) fn next(&mut self, index: usize) -> Pdu {
        self.wait("a PDU", |script| script.connections.get_mut(index)?.inbox.pop_front())
    }

    /// The next submit_sm on any connection; nothing else may come.
    pub(crate) fn next_submit(&mut self) -> (usize, Pdu) {
        let (index, pdu) = self.wait("a submit_sm", |script| {
            let mut all = script.connections.iter_mut().enumerate();
            all.find_map(|(index, connection)| Some((index, connection.inbox.pop_front()?)))
        });
        assert_eq!(pdu.command, SUBMIT, "{pdu:?}");
        (index, pdu)
    }

    /// Waits until the gateway has closed this connection.
    pub(crate) fn closed(&mut self, index: usize) {
        self.wait("the close", |script| script.connections[index].closed.then_some(()));
    }

    pub(crate) fn is_closed(&mut self, index: usize) -> bool {
        while self.pump(Duration::ZERO) {}
        self.connections[index].closed
    }

    /// Takes what has come on a connection without waiting.
    pub(crate) fn take(&mut self, index: usize) -> Vec<Pdu> {
        self.connections[index].inbox.drain(..).collect()
    }

    /// Asks for a sign of life, and returns everything that came before it, and at least `least`
    /// PDUs besides it.
    pub(crate) fn reactions(&mut self, index: usize, least: usize) -> Vec<Pdu> {
        self.next_sequence += 1;
        let sequence = self.next_sequence;
        self.send_pdu(index, &Pdu::new(ENQUIRE, 0, sequence, b""));
        let mut seen = Vec::new();
        let mut alive = false;
        while !alive || seen.len() < least {
            let pdu = self.next(index);
            if pdu.head() == (ENQUIRE_RESP, 0, sequence) {
                alive = true;
            } else {
                seen.push(pdu);
            }
        }
        seen
    }
}

fn read_pdus(index: usize, mut stream: TcpStream, tell: &Sender<(usize, Heard)>) {
    let mut octets = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        while let Some((pdu, rest)) = Pdu::read(&octets) {
            octets = rest.to_vec();
            if tell.send((index, Heard::Pdu(pdu))).is_err() {
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => octets.extend_from_slice(&buffer[..read]),
            Ok(_) | Err(_) => break,
        }
    }
    drop(tell.send((index, Heard::Closed)));
}

/// A carrier that takes and delivers everything at once.
pub(crate) struct GoodCarrier {
    pub(crate) at: SocketAddr,
    taken: Arc<Mutex<BTreeMap<String, u32>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl GoodCarrier {
    pub(crate) fn start() -> Self {
        let mut script = Script::listen();
        let at = script.at;
        let taken = Arc::new(Mutex::new(BTreeMap::new()));
        let stopping = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (taken, stopping) = (Arc::clone(&taken), Arc::clone(&stopping));
            move || {
                let mut number = 0;
                while !stopping.load(Ordering::SeqCst) {
                    script.pump(Duration::from_millis(50));
                    for index in 0..script.connections.len() {
                        for pdu in script.take(index) {
                            if pdu.command == SUBMIT {
                                number += 1;
                                *taken.lock().unwrap().entry(pdu.destination()).or_default() += 1;
                                deliver(&mut script, index, number, &pdu);
                            }
                        }
                    }
                }
            }
        });
        GoodCarrier { at, taken, stopping, thread: Some(thread) }
    }

    /// How often it took a message for each destination.
    pub(crate) fn taken(&self) -> BTreeMap<String, u32> {
        self.taken.lock().unwrap().clone()
    }
}

fn deliver(script: &mut Script, index: usize, number: u32, submit: &Pdu) {
    let id = format!("good{number:08x}");
    script.send_pdu(index, &taken(submit.sequence, &id));
    script.send_pdu(index, &receipt(number, &submit.destination(), &id, "DELIVRD"));
}

impl Drop for GoodCarrier {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
