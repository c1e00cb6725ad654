//! One connection of the sender: it connects, sends one request at a time and reads its answer. One
//! task per connection, on the runtime's thread.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use monoio::io::{AsyncWriteRentExt as _, Splitable as _};
use monoio::net::TcpStream;

use super::answer::{self, Answer};
use super::run::{Run, Slot};
use crate::http1::{self, HttpError};
use crate::notify::{Either, race};
use crate::rt::{read_once, within};

/// Octets of one read: an answer is a few hundred.
const READ_BYTES: usize = 8 * 1024;

/// The pause after the first failed attempt to connect; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_FIRST: Duration = Duration::from_millis(20);
/// See [`BACKOFF_FIRST`].
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The longest that an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps connection `index` up until the run is over.
pub(super) async fn run(run: Rc<Run>, index: usize) {
    let mut backoff = BACKOFF_FIRST;
    let Some(slot) = run.slots.get(index) else { return };
    while !run.is_abandoned() {
        match connect(&run).await {
            Ok(stream) => {
                backoff = BACKOFF_FIRST;
                run.connected(index, Ok(()));
                serve(&run, slot, index, stream).await;
                slot.connected.set(false);
            }
            Err(error) => {
                run.connected(index, Err(error));
                monoio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
}

async fn connect(run: &Run) -> Result<TcpStream, String> {
    let attempt = within(CONNECT_TIMEOUT, TcpStream::connect_addr(run.requests.address)).await;
    let stream = attempt.ok_or("timed out")?.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Sends messages as they come until the connection can carry no more.
async fn serve(run: &Run, slot: &Slot, index: usize, stream: TcpStream) {
    let (half, mut writer) = stream.into_split();
    // The read stays pending while the connection is idle: that is how a connection closed by the
    // gateway is seen before a message is lost on it.
    let mut read = pin!(read_once(half, Vec::with_capacity(READ_BYTES)));
    let mut inbox: Vec<u8> = Vec::new();
    let mut out = Vec::with_capacity(4096);
    loop {
        while !run.take(index, &mut out) {
            run.wait_in_line(index);
            if let Either::Left(_) = race(read.as_mut(), pin!(slot.wake.notified())).await {
                run.leave_line(index);
                return;
            }
        }
        let (written, buffer) = writer.write_all(out).await;
        out = buffer;
        out.clear();
        if written.is_err() {
            return run.settle(index, None);
        }
        let (answer, status, keep_alive) = loop {
            match next_answer(&mut inbox) {
                Ok(Some(found)) => break found,
                Ok(None) => {}
                Err(_) => return run.settle(index, None),
            }
            match race(read.as_mut(), pin!(slot.wake.notified())).await {
                Either::Left((Ok(count), buffer, half)) if count > 0 => {
                    inbox.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    read.set(read_once(half, buffer));
                }
                Either::Left(_) => return run.settle(index, None),
                Either::Right(()) if slot.timed_out.get() => return run.settle(index, None),
                Either::Right(()) => {}
            }
        };
        run.settle(index, Some((answer, status)));
        if !keep_alive {
            return;
        }
    }
}

/// One answer, its status, and whether another may follow it.
type Taken = (Answer, u16, bool);

/// Takes one whole answer off the inbox.
fn next_answer(inbox: &mut Vec<u8>) -> Result<Option<Taken>, HttpError> {
    loop {
        let Some(message) = http1::response(inbox)? else { return Ok(None) };
        let found = (answer::read(&message), message.status, message.keep_alive);
        let consumed = message.consumed;
        inbox.drain(..consumed);
        // 1xx comes before the answer proper (RFC 9110 section 15.2).
        if found.1 >= 200 {
            return Ok(Some(found));
        }
    }
}
