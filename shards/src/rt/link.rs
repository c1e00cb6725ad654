//! One SMPP connection's octets: a reader task and a writer task over one socket, for as long as
//! the connection lives. One per bind, on the bind's shard.
//!
//! Neither task is ever cancelled: whoever wants the connection to end says so, the socket is
//! shut, and both tasks end by themselves.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use compio::{BufResult, io::AsyncRead};
use postrider_storage::crash;

use super::{
    local::{Notify, Receiver, Sender, Stop, oneshot},
    net::{Closer, TcpStream, write_all},
    runtime::{spawn, timeout},
    tls::{TlsSession, TlsStream},
};

/// Octets asked for by one read.
const READ_BUFFER: usize = 64 * 1024;

/// A write buffer that grew beyond this is given back after use.
const WRITE_BUFFER_KEPT: usize = 256 * 1024;

/// How long the last octets may take to leave after the peer or we ended the connection.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// How long the peer may take to close after we said that we are done, so that what we said last
/// is not lost to a reset.
const LINGER: Duration = Duration::from_millis(500);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The peer closed.
    PeerClosed,
    /// We closed, and everything had been handed to the system.
    Closed,
    /// [`Outbox::abort`], or the peer did not take the last octets in time.
    Aborted,
    /// A read failed.
    ReadFailed(io::ErrorKind),
    /// A write failed.
    WriteFailed(io::ErrorKind),
    /// The peer broke TLS.
    TlsFailed,
}

impl fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::Closed => f.write_str("closed"),
            Self::Aborted => f.write_str("aborted"),
            Self::ReadFailed(kind) => write!(f, "read failed: {kind}"),
            Self::WriteFailed(kind) => write!(f, "write failed: {kind}"),
            Self::TlsFailed => f.write_str("the peer broke TLS"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutState {
    Open,
    Closing,
    Aborted,
}

/// What is to be sent. Everything pushed before the writer runs leaves in one write.
#[derive(Debug)]
pub struct Outbox {
    buffer: RefCell<Vec<u8>>,
    in_flight: Cell<usize>,
    state: Cell<OutState>,
    work: Notify,
    aborted: Stop,
}

impl Outbox {
    /// An open, empty outbox for one [`Link::run`].
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            buffer: RefCell::default(),
            in_flight: Cell::new(0),
            state: Cell::new(OutState::Open),
            work: Notify::new(),
            aborted: Stop::new(),
        })
    }

    /// Lets `write` append to what is to be sent. Returns false, without calling it, once the
    /// outbox was closed. It has no bound of its own: the session's window bounds what is pushed,
    /// and [`Outbox::len`] says how much waits.
    pub fn push_with(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.state.get() != OutState::Open {
            return false;
        }
        write(&mut self.buffer.borrow_mut());
        self.work.notify_one();
        true
    }

    /// Sends what was pushed, then closes.
    pub fn close_after_flush(&self) {
        if self.state.get() == OutState::Open {
            self.state.set(OutState::Closing);
            self.work.notify_one();
        }
    }

    /// Closes at once; what was not sent yet is dropped.
    pub fn abort(&self) {
        self.state.set(OutState::Aborted);
        self.buffer.borrow_mut().clear();
        self.aborted.stop();
        self.work.notify_one();
    }

    /// Octets pushed and not yet taken by the system.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.borrow().len() + self.in_flight.get()
    }

    /// Whether the system has taken everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a link runs over.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    tls: Option<Rc<TlsSession>>,
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }
}

impl From<TlsStream> for Stream {
    fn from(stream: TlsStream) -> Self {
        Self { socket: stream.socket, tls: Some(stream.session) }
    }
}

/// A connection's octets, both ways.
#[derive(Debug)]
pub struct Link;

impl Link {
    /// Carries octets until the connection ends, and says why it did. What arrives is given to
    /// `on_bytes` as it comes, at most 64 KiB at a time; when it returns false the connection
    /// closes after what is in the outbox has been sent.
    ///
    /// Dropping the future leaves the tasks running; [`Outbox::abort`] ends them.
    ///
    /// # Panics
    /// Outside [`super::Runtime::block_on`].
    pub async fn run(
        stream: impl Into<Stream>,
        on_bytes: impl FnMut(&[u8]) -> bool + 'static,
        outbox: Rc<Outbox>,
    ) -> LinkEnd {
        let Stream { socket, tls } = stream.into();
        let closer = socket.closer();
        let quiet = Rc::new(Cell::new(false));
        let (read_end, reader) = oneshot();
        let (write_end, writer) = oneshot();
        let ends = Ends { socket: closer.clone(), tls, outbox: Rc::clone(&outbox) };
        spawn(read_loop(ends.clone(), on_bytes, Rc::clone(&quiet), read_end));
        spawn(write_loop(ends, write_end));
        let mut halves = Halves { closer, outbox, quiet, reader, writer };
        match halves.first().await {
            First::Read(why) => halves.after_read(why).await,
            First::Written(why) => halves.after_write(why).await,
            First::Aborted => halves.after_abort().await,
        }
    }
}

enum First {
    Read(LinkEnd),
    Written(LinkEnd),
    Aborted,
}

/// The two tasks as their coordinator sees them.
struct Halves {
    closer: Closer,
    outbox: Rc<Outbox>,
    quiet: Rc<Cell<bool>>,
    reader: Receiver<LinkEnd>,
    writer: Receiver<LinkEnd>,
}

impl Halves {
    async fn first(&mut self) -> First {
        let mut aborted = self.outbox.aborted.stopped();
        std::future::poll_fn(|cx| {
            if Pin::new(&mut aborted).poll(cx).is_ready() {
                return Poll::Ready(First::Aborted);
            }
            if let Poll::Ready(why) = Pin::new(&mut self.reader).poll(cx) {
                return Poll::Ready(First::Read(why.unwrap_or(LinkEnd::Aborted)));
            }
            if let Poll::Ready(why) = Pin::new(&mut self.writer).poll(cx) {
                return Poll::Ready(First::Written(why.unwrap_or(LinkEnd::Aborted)));
            }
            Poll::Pending
        })
        .await
    }

    /// Nothing more will be read: send what is left, within a limit, and close.
    async fn after_read(mut self, why: LinkEnd) -> LinkEnd {
        self.outbox.close_after_flush();
        let aborted = self.outbox.aborted.stopped();
        let flushed =
            timeout(FLUSH_LIMIT, futures_util::future::select(&mut self.writer, aborted)).await;
        let writer_ended = matches!(flushed, Some(futures_util::future::Either::Left(_)));
        self.closer.close();
        if writer_ended {
            return why;
        }
        self.outbox.abort();
        self.writer.await;
        if why == LinkEnd::Closed { LinkEnd::Aborted } else { why }
    }

    /// Nothing more will be written: if we closed in good order let the peer read it and close.
    async fn after_write(mut self, why: LinkEnd) -> LinkEnd {
        self.quiet.set(true);
        if why == LinkEnd::Closed && timeout(LINGER, &mut self.reader).await.is_some() {
            self.closer.close();
            return why;
        }
        self.closer.close();
        self.reader.await;
        why
    }

    async fn after_abort(self) -> LinkEnd {
        self.quiet.set(true);
        self.closer.close();
        self.reader.await;
        self.writer.await;
        LinkEnd::Aborted
    }
}

/// What reader and writer share.
#[derive(Clone)]
struct Ends {
    socket: Closer,
    tls: Option<Rc<TlsSession>>,
    outbox: Rc<Outbox>,
}

impl Ends {
    /// What `octets` of the socket say; `Err` when nothing more is to be read.
    fn open<'a>(
        &self,
        octets: &'a [u8],
        plain: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], (&'a [u8], LinkEnd)> {
        let Some(tls) = &self.tls else { return Ok(octets) };
        plain.clear();
        let opened = tls.open(octets, plain);
        if tls.has_output() {
            self.outbox.work.notify_one();
        }
        match opened {
            Ok(true) => Ok(plain),
            Ok(false) => Err((plain, LinkEnd::PeerClosed)),
            Err(_) => Err((plain, LinkEnd::TlsFailed)),
        }
    }

    fn has_output(&self) -> bool {
        let own = self.tls.as_ref().is_some_and(|tls| tls.has_output());
        own || !self.outbox.buffer.borrow().is_empty()
    }

    /// Swaps what is to be written into `buffer`, which is empty; `sealed` is scratch.
    fn take_output(&self, buffer: &mut Vec<u8>, sealed: &mut Vec<u8>) -> io::Result<()> {
        std::mem::swap(buffer, &mut *self.outbox.buffer.borrow_mut());
        let Some(tls) = &self.tls else { return Ok(()) };
        tls.take_output(sealed);
        tls.seal(buffer, sealed)?;
        buffer.clear();
        std::mem::swap(buffer, sealed);
        Ok(())
    }
}

async fn read_loop(
    ends: Ends,
    mut on_bytes: impl FnMut(&[u8]) -> bool,
    quiet: Rc<Cell<bool>>,
    end: Sender<LinkEnd>,
) {
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    let mut plain = Vec::new();
    let why = loop {
        // What came with the end of a handshake waits inside the session: look before reading.
        let (octets, ended) = match ends.open(&buffer, &mut plain) {
            Ok(octets) => (octets, None),
            Err((octets, why)) => (octets, Some(why)),
        };
        if !octets.is_empty() && !quiet.get() && !on_bytes(octets) {
            break LinkEnd::Closed;
        }
        if let Some(why) = ended {
            break why;
        }
        buffer.clear();
        let BufResult(result, back) = (&ends.socket.inner).read(buffer).await;
        buffer = back;
        match result {
            Ok(0) => break LinkEnd::PeerClosed,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break LinkEnd::ReadFailed(error.kind()),
        }
    };
    end.send(why).ok();
}

async fn write_loop(ends: Ends, end: Sender<LinkEnd>) {
    let outbox = &ends.outbox;
    let mut buffer = Vec::new();
    let mut sealed = Vec::new();
    let why = loop {
        if outbox.state.get() == OutState::Aborted {
            break LinkEnd::Aborted;
        }
        let closing = outbox.state.get() == OutState::Closing && outbox.buffer.borrow().is_empty();
        if closing {
            if let Some(tls) = &ends.tls {
                tls.close(&mut buffer);
            }
        } else if ends.has_output() {
            if let Err(error) = ends.take_output(&mut buffer, &mut sealed) {
                break LinkEnd::WriteFailed(error.kind());
            }
        } else {
            outbox.work.notified().await;
            continue;
        }
        let (result, back) = write_all(&ends.socket.inner, buffer, &outbox.in_flight).await;
        buffer = back;
        outbox.in_flight.set(0);
        if closing {
            ends.socket.finish();
            break LinkEnd::Closed;
        }
        if let Err(error) = result {
            break LinkEnd::WriteFailed(error.kind());
        }
        crash::point("submitted");
        buffer.clear();
        buffer.shrink_to(WRITE_BUFFER_KEPT);
    };
    end.send(why).ok();
}
