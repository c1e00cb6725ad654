//! One connection to a carrier: it carries octets and time to the session, and the session's events
//! to the carrier. One task per connection, on the runtime's thread.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use monoio::io::{AsyncWriteRent as _, AsyncWriteRentExt as _, Splitable as _};
use monoio::net::TcpStream;
use postrider_smpp::session::{BindKind, Role, Session, SessionConfig};
use postrider_smpp::status::CommandStatus;

use super::fault::FaultKind;
use super::mail::Mail;
use super::server::Server;
use super::{SmppVersion, SmscOptions};
use crate::notify::{Either, Notify, race};
use crate::rt::{READ_BYTES, read_once};

/// After how long an unanswered receipt is sent again.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a half-open connection looks whether that is over.
const HALF_OPEN_TICK: Duration = Duration::from_millis(20);

/// A bind: who, and whether receipts may go there.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) system_id: Rc<str>,
    pub(super) receives: bool,
}

/// See the module's header.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) carrier: usize,
    pub(super) session: RefCell<Session>,
    pub(super) bound: RefCell<Option<Bound>>,
    /// Mail to be sent on this bind.
    pub(super) outbox: RefCell<VecDeque<Mail>>,
    /// Mail sent and not answered, by token.
    pub(super) unanswered: RefCell<HashMap<u64, Mail>>,
    /// Submits that we have not answered.
    pub(super) open_submits: Cell<u64>,
    /// There may be something to write, or the end was decided.
    pub(super) wake: Notify,
    /// Flush, then close.
    pub(super) closing: Cell<bool>,
    /// Close at once.
    pub(super) dropped: Cell<bool>,
}

impl Connection {
    /// A connection that was just accepted by the carrier at `carrier`.
    pub(super) fn new(options: &SmscOptions, id: u64, carrier: usize, name: &str) -> Self {
        let unlimited = options.window == 0;
        let session = Session::new(SessionConfig {
            role: Role::Smsc,
            // What SMPP allows a system_id: 15 octets (3.4 section 5.2.1).
            system_id: name.chars().filter(char::is_ascii).take(15).collect(),
            interface_version: options.dialect.smpp_version.number(),
            announce_version: options.dialect.smpp_version != SmppVersion::V33,
            window: options.receipt_window.max(1),
            inbound_window: if unlimited { u16::MAX } else { options.window },
            inbound_full_status: CommandStatus::ESME_RTHROTTLED.0,
            response_timeout: RECEIPT_TIMEOUT,
            ..SessionConfig::default()
        });
        Self {
            id,
            carrier,
            session: RefCell::new(session),
            bound: RefCell::new(None),
            outbox: RefCell::new(VecDeque::new()),
            unanswered: RefCell::new(HashMap::new()),
            open_submits: Cell::new(0),
            wake: Notify::default(),
            closing: Cell::new(false),
            dropped: Cell::new(false),
        }
    }

    /// Whether mail for `system_id`, or for any, may go here.
    pub(super) fn takes_mail_of(&self, system_id: Option<&str>) -> bool {
        let bound = self.bound.borrow();
        let ending = self.closing.get() || self.dropped.get();
        !ending
            && bound.as_ref().is_some_and(|bound| {
                bound.receives && system_id.is_none_or(|system_id| *bound.system_id == *system_id)
            })
    }
}

/// Whether a bind of this kind gets receipts.
pub(super) fn receives(kind: BindKind) -> bool {
    match kind {
        BindKind::Receiver | BindKind::Transceiver => true,
        BindKind::Transmitter => false,
    }
}

/// Serves the connection to its end, then gives its mail back.
pub(super) async fn run(server: Rc<Server>, connection: Rc<Connection>, stream: TcpStream) {
    if stream.set_nodelay(true).is_ok() {
        let now = server.clock.mono();
        connection.session.borrow_mut().handle_connected(now);
        server.drain(&connection, now);
        carry(&server, &connection, stream).await;
    }
    server.closed(&connection);
}

async fn carry(server: &Server, connection: &Rc<Connection>, stream: TcpStream) {
    let (half, mut writer) = stream.into_split();
    let mut read = pin!(read_once(half, Vec::with_capacity(READ_BYTES)));
    let mut out = Vec::with_capacity(READ_BYTES);
    loop {
        // Half-open: nothing is read and nothing sent, until that is over.
        while server.fault(connection.carrier) == Some(FaultKind::HalfOpen) {
            monoio::time::sleep(HALF_OPEN_TICK).await;
        }
        connection.session.borrow_mut().take_output(&mut out);
        if !out.is_empty() {
            let (written, buffer) = writer.write_all(out).await;
            out = buffer;
            out.clear();
            if written.is_err() {
                return;
            }
            if connection.dropped.get() {
                return;
            }
            continue;
        }
        if connection.closing.get() {
            // The peer may have closed first, which is as good.
            writer.shutdown().await.unwrap_or(());
            return;
        }
        match race(read.as_mut(), pin!(connection.wake.notified())).await {
            Either::Left((Ok(count), buffer, half)) if count > 0 => {
                while server.fault(connection.carrier) == Some(FaultKind::HalfOpen) {
                    monoio::time::sleep(HALF_OPEN_TICK).await;
                }
                let now = server.clock.mono();
                let octets = buffer.get(..count).unwrap_or_default();
                connection.session.borrow_mut().handle_bytes(now, octets);
                server.drain(connection, now);
                read.set(read_once(half, buffer));
            }
            Either::Left(_) => return,
            Either::Right(()) => {}
        }
        if connection.dropped.get() {
            return;
        }
    }
}
