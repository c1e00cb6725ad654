//! A customer's own software, as simple as it can be: one connection, one request at a time. Test code.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::HUNG;
use crate::pdu::{self, NACK, Pdu};

/// A blocking client that answers what it must.
pub(crate) struct Esme {
    stream: TcpStream,
    octets: Vec<u8>,
    /// deliver_sm that came, answered already.
    pub(crate) delivered: Vec<Pdu>,
    pub(crate) open: bool,
}

impl Esme {
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Esme { stream, octets: Vec::new(), delivered: Vec::new(), open: true }
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        if self.stream.write_all(octets).is_err() {
            self.open = false;
        }
    }

    /// What has come within one read, without what is answered here.
    pub(crate) fn read(&mut self) -> Vec<Pdu> {
        let mut chunk = [0; 65_536];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.open = false,
            Ok(count) => self.octets.extend_from_slice(&chunk[..count]),
            Err(error) => {
                let waits = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                self.open &= waits.contains(&error.kind());
            }
        }
        let mut pdus = Vec::new();
        while let Some((pdu, rest)) = Pdu::read(&self.octets) {
            self.octets = rest.to_vec();
            match pdu.command {
                pdu::ENQUIRE => {
                    self.send(&Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"").octets())
                }
                pdu::DELIVER => {
                    self.send(&Pdu::new(pdu::DELIVER_RESP, 0, pdu.sequence, b"\0").octets());
                    self.delivered.push(pdu);
                }
                _ => pdus.push(pdu),
            }
        }
        pdus
    }

    /// The answer to a request.
    pub(crate) fn ask(&mut self, request: Pdu) -> Pdu {
        self.send(&request.octets());
        let wanted = (request.command | NACK, request.sequence);
        let end = Instant::now() + HUNG;
        while self.open && Instant::now() < end {
            let found = self.read().into_iter().find(|pdu| (pdu.command, pdu.sequence) == wanted);
            if let Some(answer) = found {
                return answer;
            }
        }
        panic!("no answer to {request:?}");
    }

    /// How long until the peer closes.
    pub(crate) fn until_closed(&mut self, limit: Duration) -> Duration {
        let begun = Instant::now();
        while self.open {
            assert!(begun.elapsed() < limit, "still open after {limit:?}");
            self.read();
        }
        begun.elapsed()
    }
}
