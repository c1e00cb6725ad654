//! A relay on loopback that writes down every octet between two SMPP programs: what really crossed,
//! for tests to look at and for other dissectors to read. Two threads a connection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use postrider_smpp::pdu::next_frame;

use crate::common::local;

/// What one read of a socket gave.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// Counts connections from 0.
    pub(crate) connection: usize,
    /// From the one that connected to the one that listens.
    pub(crate) to_server: bool,
    pub(crate) octets: Vec<u8>,
}

/// One whole PDU.
#[derive(Clone, Debug)]
pub(crate) struct Pdu {
    /// The chunk that completed it, from 0.
    pub(crate) chunk: usize,
    pub(crate) connection: usize,
    pub(crate) to_server: bool,
    pub(crate) octets: Vec<u8>,
}

/// See the module's header.
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Chunk>>>,
}

impl Relay {
    /// Stands before `server`.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(local(0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&seen);
        std::thread::spawn(move || {
            for (connection, client) in listener.incoming().enumerate() {
                let Ok(client) = client else { return };
                // Nobody listens behind it: the client sees its connection end.
                let Ok(server) = TcpStream::connect(server) else { continue };
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                for (to_server, from, to) in [(true, client, server), (false, back.0, back.1)] {
                    let seen = Arc::clone(&recorded);
                    from.set_nodelay(true).unwrap();
                    std::thread::spawn(move || pass(connection, to_server, from, to, &seen));
                }
            }
        });
        Self { address, seen }
    }

    /// What has crossed so far.
    pub(crate) fn chunks(&self) -> Vec<Chunk> {
        self.seen.lock().unwrap().clone()
    }

    /// The whole PDUs that have crossed so far, in the order in which they were complete.
    pub(crate) fn pdus(&self) -> Vec<Pdu> {
        pdus(&self.chunks())
    }
}

fn pass(
    connection: usize,
    to_server: bool,
    mut from: TcpStream,
    mut to: TcpStream,
    seen: &Mutex<Vec<Chunk>>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        let octets = buffer[..count].to_vec();
        // Under the lock, so that an answer is never written down before its request.
        let mut seen = seen.lock().unwrap();
        seen.push(Chunk { connection, to_server, octets });
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other end may be gone already.
    drop(to.shutdown(Shutdown::Write));
    drop(from.shutdown(Shutdown::Read));
}

/// Cuts streams into PDUs.
pub(crate) fn pdus(chunks: &[Chunk]) -> Vec<Pdu> {
    let connections = chunks.iter().map(|chunk| chunk.connection + 1).max().unwrap_or(0);
    let mut pending = vec![Vec::new(); 2 * connections];
    let mut found = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let Chunk { connection, to_server, ref octets } = *chunk;
        let rest = &mut pending[2 * connection + usize::from(to_server)];
        rest.extend_from_slice(octets);
        while let Some((_, used)) = next_frame(rest, 70_000).unwrap() {
            let octets = rest.drain(..used).collect();
            found.push(Pdu { chunk: at, connection, to_server, octets });
        }
    }
    found
}
