//! hyper's reads and writes over a shard's sockets. One per connection, on its shard.
//!
//! hyper lends buffers for the length of a poll, the driver needs to own them until the operation
//! has completed. So one read is kept in flight into a buffer of our own, and what hyper writes
//! during one poll is collected and leaves in one write after it: a response, or all the pipelined
//! ones that were ready. (hyper's own `pipeline_flush` is not used: it withholds answers while any
//! octet of a next request waits, and loses them, and its own 400, when that octet is a bad one.)

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use compio::{BufResult, io::AsyncRead};
use hyper::rt::{Read, ReadBufCursor, Write};

use super::{
    super::{
        deadline::Deadline,
        net::{Closer, TcpStream, write_all},
    },
    guard::Guard,
};

/// Octets asked for by one read.
const READ_BUFFER: usize = 16 * 1024;

/// Collected output beyond which hyper must wait for it to leave.
const WRITE_MAX: usize = 256 * 1024;

/// What hyper gets in place of octets that the guard does not believe. It is wrong in every place
/// where the guard can stop: a NUL in a head and in a chunk's frame, LF in a chunk extension, CR
/// without LF in trailers; the empty line ends hyper's wait for a whole head. It then answers 400 in its turn, after the answers to the requests
/// before, or breaks off the body, and the handler says 400.
const POISON: &[u8] = b"\0\n\r\0\r\n\r\n";

/// A write buffer that grew beyond this is given back after use.
const WRITE_BUFFER_KEPT: usize = 16 * 1024;

/// What a connection is doing, and until when it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between requests; the next octet starts a head.
    Idle,
    /// A head has begun.
    Head,
    /// A body is being read.
    Body,
    /// The handler or, in a client, the peer is at work.
    Busy,
}

/// What a connection's adapter and its driver tell each other.
#[derive(Debug)]
pub(super) struct ConnState {
    pub(super) phase: Cell<Phase>,
    pub(super) deadline: Deadline,
    /// Octets received in all.
    pub(super) received: Cell<u64>,
    /// The deadline passed while somebody waits who must be told.
    pub(super) late: Cell<bool>,
    /// The peer has closed its side.
    pub(super) eof: Cell<bool>,
    /// How long a head may take from its first octet.
    pub(super) head_limit: Duration,
}

impl ConnState {
    pub(super) fn new(phase: Phase, head_limit: Duration) -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(phase),
            deadline: Deadline::default(),
            received: Cell::new(0),
            late: Cell::new(false),
            eof: Cell::new(false),
            head_limit,
        })
    }

    /// Enters `phase`, which must end within `limit`.
    pub(super) fn enter(&self, phase: Phase, limit: Duration) {
        self.phase.set(phase);
        self.deadline.set_after(limit);
    }

    /// Enters the phase whose end is somebody else's concern.
    pub(super) fn enter_busy(&self) {
        self.phase.set(Phase::Busy);
        self.deadline.clear();
    }

    pub(super) fn on_received(&self, octets: usize) {
        self.received.set(self.received.get() + octets as u64);
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head, self.head_limit);
        }
    }
}

type Reading = Pin<Box<dyn Future<Output = BufResult<usize, Vec<u8>>>>>;
type Writing = Pin<Box<dyn Future<Output = (io::Result<()>, Vec<u8>)>>>;

enum ReadState {
    Idle(Vec<u8>),
    InFlight(Reading),
    /// Received octets, from this one on not yet given to hyper.
    Received(Vec<u8>, usize),
    Ended,
    /// What the peer sends is no longer believed, so nothing more is read.
    Silent,
}

/// A socket as hyper wants it.
pub(super) struct Wire {
    socket: Closer,
    state: Rc<ConnState>,
    /// On the server's side, while it trusts the stream.
    guard: Option<Guard>,
    /// Nothing more of the stream may reach hyper.
    distrusted: bool,
    reading: ReadState,
    output: Rc<Output>,
}

impl Wire {
    pub(super) fn server(stream: &TcpStream, state: Rc<ConnState>) -> Self {
        Self::new(stream, state, Some(Guard::new()))
    }

    pub(super) fn client(stream: &TcpStream, state: Rc<ConnState>) -> Self {
        Self::new(stream, state, None)
    }

    fn new(stream: &TcpStream, state: Rc<ConnState>, guard: Option<Guard>) -> Self {
        Self {
            socket: stream.closer(),
            state,
            guard,
            distrusted: false,
            reading: ReadState::Idle(Vec::with_capacity(READ_BUFFER)),
            output: Rc::new(Output { socket: stream.closer(), state: RefCell::default() }),
        }
    }

    /// What hyper has written: whoever polls hyper must pump it afterwards.
    pub(super) fn output(&self) -> Rc<Output> {
        Rc::clone(&self.output)
    }

    /// What to do with a finished read.
    fn on_read(&mut self, result: io::Result<usize>, mut buffer: Vec<u8>) -> io::Result<ReadState> {
        match result {
            Ok(0) => {
                self.state.eof.set(true);
                return Ok(ReadState::Ended);
            }
            Ok(octets) => self.state.on_received(octets),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                buffer.clear();
                return Ok(ReadState::Idle(buffer));
            }
            Err(error) => {
                self.state.eof.set(true);
                return Err(error);
            }
        }
        if let Some(guard) = &mut self.guard
            && let Err(believed) = guard.feed(&buffer)
        {
            buffer.truncate(believed);
            buffer.extend_from_slice(POISON);
            self.guard = None;
            self.distrusted = true;
        }
        Ok(ReadState::Received(buffer, 0))
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.reading {
                ReadState::Idle(buffer) => {
                    let buffer = std::mem::take(buffer);
                    let socket = this.socket.inner.clone();
                    this.reading =
                        ReadState::InFlight(Box::pin(async move { (&socket).read(buffer).await }));
                }
                ReadState::InFlight(reading) => {
                    let BufResult(result, buffer) = ready!(reading.as_mut().poll(cx));
                    this.reading = ReadState::Ended;
                    this.reading = this.on_read(result, buffer)?;
                }
                ReadState::Received(buffer, from) => {
                    let (_, rest) = buffer.split_at(*from);
                    let (now, later) = rest.split_at(rest.len().min(cursor.remaining()));
                    cursor.put_slice(now);
                    *from += now.len();
                    if later.is_empty() && this.distrusted {
                        this.reading = ReadState::Silent;
                    } else if later.is_empty() {
                        buffer.clear();
                        this.reading = ReadState::Idle(std::mem::take(buffer));
                    }
                    return Poll::Ready(Ok(()));
                }
                ReadState::Ended => return Poll::Ready(Ok(())),
                ReadState::Silent => return Poll::Pending,
            }
        }
    }
}

/// What hyper has written and the system has not taken.
pub(super) struct Output {
    socket: Closer,
    state: RefCell<OutputState>,
}

#[derive(Default)]
struct OutputState {
    collected: Vec<u8>,
    /// The buffer that is not `collected`, while it is not in flight.
    spare: Vec<u8>,
    writing: Option<Writing>,
    failed: Option<io::ErrorKind>,
}

impl Output {
    /// Writes what was collected, all in one write, once the one before has completed. Ready when
    /// everything has been taken.
    pub(super) fn pump(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.state.borrow_mut();
        loop {
            if let Some(failed) = state.failed {
                return Poll::Ready(Err(failed.into()));
            }
            if let Some(writing) = &mut state.writing {
                let (result, mut buffer) = ready!(writing.as_mut().poll(cx));
                state.writing = None;
                state.failed = result.err().map(|error| error.kind());
                buffer.clear();
                buffer.shrink_to(WRITE_BUFFER_KEPT);
                state.spare = buffer;
            } else if state.collected.is_empty() {
                return Poll::Ready(Ok(()));
            } else {
                let spare = std::mem::take(&mut state.spare);
                let buffer = std::mem::replace(&mut state.collected, spare);
                let socket = self.socket.inner.clone();
                state.writing =
                    Some(Box::pin(async move { write_all(&socket, buffer, &Cell::new(0)).await }));
            }
        }
    }

    fn collect(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.state.borrow().collected.len() >= WRITE_MAX {
            ready!(self.pump(cx))?;
        }
        let collected = &mut self.state.borrow_mut().collected;
        let before = collected.len();
        for part in parts {
            collected.extend_from_slice(part);
        }
        Poll::Ready(Ok(collected.len() - before))
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.output.collect(cx, &[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.output.collect(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Ready at once: what was collected leaves when hyper's turn is over.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.output.pump(cx))?;
        self.socket.finish();
        Poll::Ready(Ok(()))
    }
}
