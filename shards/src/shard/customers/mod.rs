//! The SMPP server that customers bind to: their connections, what each may do, what is asked on
//! them. Part of the shard's machine; one table of connections per shard.

mod accounts;
mod changes;
mod content;
mod deliver;
mod guard;
mod login;
mod multi;
mod operations;
mod requests;
mod submission;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::{CustomerConfig, CustomerSmpp};
use postrider_core::limits;
use postrider_http::auth::CustomerIx;
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{Body, VERSION_5_0};
use postrider_smpp::session::{BindKind, CloseReason, Role, Session, SessionConfig, State};
use postrider_smpp::status::CommandStatus;

pub use self::accounts::Accounts;
use self::accounts::is_allowed;
pub(crate) use self::changes::Members;
use self::guard::{LoginGuard, network};
use self::login::Login;
use self::multi::Multi;
pub(crate) use self::operations::{Gathering, OperatedTo};
pub use self::operations::{Operation, OperationOutcome};
pub(super) use self::requests::status_of;
use super::{Drain, Op, Shard, Shared, Timer};
use crate::stats::{Counter, Gauge};

/// One connection's place among those of customers.
pub type ConnIx = usize;

/// A request of a customer that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CustomerRequest {
    conn: ConnIx,
    /// The connection it came on: a later one in the same place does not know its number.
    epoch: u64,
    command: CommandId,
    sequence: u32,
}

/// Whether the driver still carries the connection's octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up,
    /// The driver was asked to close it.
    Closing,
}

/// One connection.
struct Conn {
    session: Session,
    /// Counts connections of the shard: no two have the same.
    epoch: u64,
    peer: IpAddr,
    link: Link,
    /// Whose bind it is; it counts among those of its customer.
    account: Option<CustomerIx>,
    /// A bind that waits for our answer.
    login: Option<Login>,
    /// It is bound, and not only to submit.
    receives: bool,
    /// The deadline for which a timer stands in the wheel.
    armed: Option<Duration>,
    /// A flush stands among the ops.
    flushing: bool,
    /// It stands among the dirty ones.
    dirty: bool,
    close_reason: Option<CloseReason>,
}

/// All connections of customers to this shard.
pub(crate) struct Customers {
    conns: Vec<Option<Box<Conn>>>,
    free: Vec<ConnIx>,
    open: usize,
    epochs: u64,
    by_address: HashMap<IpAddr, usize, ahash::RandomState>,
    /// The binds of each customer that are up, by `CustomerIx`.
    bound: Vec<Vec<ConnIx>>,
    guard: LoginGuard,
    /// Connections whose sessions were touched from outside.
    dirty: Vec<ConnIx>,
    /// submit_multi that wait for their answers.
    multis: HashMap<u64, Multi, std::hash::BuildHasherDefault<ahash::AHasher>>,
    next_multi: u64,
}

impl Customers {
    pub(crate) fn new(customers: usize, seed: u64) -> Self {
        let hasher = ahash::RandomState::with_seeds(seed, 4, 5, 6);
        Customers {
            conns: Vec::new(),
            free: Vec::new(),
            open: 0,
            epochs: 0,
            by_address: HashMap::with_hasher(hasher),
            bound: vec![Vec::new(); customers],
            guard: LoginGuard::new(seed),
            dirty: Vec::new(),
            multis: HashMap::default(),
            next_multi: 0,
        }
    }

    /// Makes places for so many customers; those that there are stay.
    pub(crate) fn make_places(&mut self, customers: usize) {
        self.bound.resize(customers.max(self.bound.len()), Vec::new());
    }

    /// Whether the connection that a request came on is still there.
    fn is_live(&self, request: CustomerRequest) -> bool {
        self.get(request.conn).is_some_and(|held| held.epoch == request.epoch)
    }

    fn get(&self, conn: ConnIx) -> Option<&Conn> {
        self.conns.get(conn)?.as_deref()
    }

    fn get_mut(&mut self, conn: ConnIx) -> Option<&mut Conn> {
        self.conns.get_mut(conn)?.as_deref_mut()
    }

    /// Whether no connection is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Whether another connection of this address fits.
    fn has_room(&self, peer: IpAddr) -> bool {
        let own = self.by_address.get(&network(peer)).copied().unwrap_or(0);
        self.open < limits::SMPP_CUSTOMER_CONNECTIONS_PER_SHARD
            && own < limits::CUSTOMER_CONNECTIONS_PER_ADDRESS
    }

    fn insert(&mut self, peer: IpAddr, session: Session) -> ConnIx {
        self.epochs += 1;
        let conn = Box::new(Conn {
            session,
            epoch: self.epochs,
            peer,
            link: Link::Up,
            account: None,
            login: None,
            receives: false,
            armed: None,
            flushing: false,
            dirty: false,
            close_reason: None,
        });
        self.open += 1;
        *self.by_address.entry(network(peer)).or_insert(0) += 1;
        let ix = self.free.pop().unwrap_or_else(|| {
            self.conns.push(None);
            self.conns.len() - 1
        });
        if let Some(place) = self.conns.get_mut(ix) {
            *place = Some(conn);
        }
        ix
    }

    fn remove(&mut self, ix: ConnIx) {
        let Some(conn) = self.conns.get_mut(ix).and_then(Option::take) else { return };
        self.free.push(ix);
        self.open -= 1;
        let address = network(conn.peer);
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    /// The connections that are open, in the order of their places.
    fn all(&self) -> Vec<ConnIx> {
        (0..self.conns.len()).filter(|ix| self.get(*ix).is_some()).collect()
    }

    fn bound_mut(&mut self, customer: CustomerIx) -> Option<&mut Vec<ConnIx>> {
        self.bound.get_mut(usize::from(customer.0))
    }

    fn bound_of(&self, customer: CustomerIx) -> impl Iterator<Item = (ConnIx, &Conn)> {
        let bound = self.bound.get(usize::from(customer.0)).into_iter().flatten();
        bound.filter_map(|conn| Some((*conn, self.get(*conn)?)))
    }

    fn binds(&self) -> usize {
        self.bound.iter().map(Vec::len).sum()
    }
}

/// The account of a customer.
fn account(shared: &Shared, customer: CustomerIx) -> Option<(&CustomerConfig, &CustomerSmpp)> {
    let config = shared.config.customers.get(usize::from(customer.0))?;
    Some((config, config.smpp.as_ref()?))
}

impl Shard {
    /// A customer connected; `None` when no more connections are taken, and then it is to be closed.
    pub fn handle_customer_connected(&mut self, now: Now, peer: IpAddr) -> Option<ConnIx> {
        if self.drain != Drain::No || !self.customers.has_room(peer) {
            self.stats.inc(Counter::CustomerConnectionsRefused);
            return None;
        }
        self.stats.inc(Counter::CustomerConnections);
        let mut session = Session::new(self.customer_session());
        session.handle_connected(now.mono);
        let conn = self.customers.insert(peer, session);
        self.customer_events(now, conn);
        self.pump(now);
        Some(conn)
    }

    fn customer_session(&self) -> SessionConfig {
        SessionConfig {
            role: Role::Smsc,
            system_id: self.shared.config.smpp.system_id.clone(),
            interface_version: VERSION_5_0,
            // Until the account is known.
            window: 1,
            inbound_window: 1,
            inbound_full_status: CommandStatus::ESME_RTHROTTLED.0,
            max_pdu: limits::MAX_PDU,
            session_init_timeout: limits::CUSTOMER_BIND_TIMEOUT,
            response_timeout: limits::CUSTOMER_RESPONSE_TIMEOUT,
            enquire_link_interval: limits::CUSTOMER_ENQUIRE_LINK,
            inactivity_timeout: limits::CUSTOMER_INACTIVITY,
            unbind_timeout: limits::CUSTOMER_UNBIND_AFTER,
            drain_timeout: limits::CUSTOMER_UNBIND_AFTER,
            ..SessionConfig::default()
        }
    }

    /// Octets arrived on a connection.
    pub fn handle_customer_bytes(&mut self, now: Now, conn: ConnIx, octets: &[u8]) {
        if let Some(held) = self.customers.get_mut(conn) {
            held.session.handle_bytes(now.mono, octets);
        }
        self.customer_events(now, conn);
        self.pump(now);
    }

    /// The connection is gone. Its place may be given to another one from here on.
    pub fn handle_customer_closed(&mut self, now: Now, conn: ConnIx) {
        if let Some(held) = self.customers.get_mut(conn) {
            held.link = Link::Closing;
            held.session.handle_closed(now.mono);
        }
        self.customer_events(now, conn);
        self.customer_unbound(now, conn);
        self.customers.remove(conn);
        self.pump(now);
    }

    /// Why the session wanted the connection closed; `None` when it did not. For the driver's log,
    /// once a connection.
    pub fn take_customer_close_reason(&mut self, conn: ConnIx) -> Option<CloseReason> {
        self.customers.get_mut(conn)?.close_reason.take()
    }

    /// The name of the customer whose bind a connection is.
    #[must_use]
    pub fn customer_of(&self, conn: ConnIx) -> Option<&str> {
        let customer = self.customers.get(conn)?.account?;
        self.shared.config.customers.get(usize::from(customer.0)).map(|own| own.name.as_str())
    }

    /// Appends what a connection has to write; called for `Op::FlushCustomer` and
    /// `Op::CloseCustomer`.
    pub fn take_customer_output(&mut self, conn: ConnIx, out: &mut Vec<u8>) {
        if let Some(held) = self.customers.get_mut(conn) {
            held.flushing = false;
            held.session.take_output(out);
        }
    }

    /// The session of a connection asked for this moment.
    pub(super) fn customer_timeout(&mut self, now: Now, conn: ConnIx) {
        if let Some(held) = self.customers.get_mut(conn) {
            held.armed = None;
            held.session.handle_timeout(now.mono);
        }
        self.customer_events(now, conn);
    }

    /// Looks at a session again before the turn ends.
    fn touch_customer(&mut self, conn: ConnIx) {
        if let Some(held) = self.customers.get_mut(conn)
            && !held.dirty
        {
            held.dirty = true;
            self.customers.dirty.push(conn);
        }
    }

    /// Writes and reads what answers and deliveries of this turn led to.
    pub(super) fn pump_customers(&mut self, now: Now) {
        while let Some(conn) = self.customers.dirty.pop() {
            if let Some(held) = self.customers.get_mut(conn) {
                held.dirty = false;
                self.customer_events(now, conn);
            }
        }
    }

    /// After a session has moved: flush it once a turn, and arm its timer.
    fn settle_customer(&mut self, now: Now, conn: ConnIx) {
        let Some(held) = self.customers.get_mut(conn) else { return };
        if held.session.has_output() && !held.flushing && held.link == Link::Up {
            held.flushing = true;
            self.ops.push_back(Op::FlushCustomer(conn));
        }
        let Some(deadline) = held.session.poll_timeout() else { return };
        if held.armed.is_none_or(|armed| deadline < armed || armed <= now.mono) {
            held.armed = Some(deadline);
            self.wheel.insert(deadline, Timer::Customer(conn));
        }
    }

    /// Answers a request with an id or without, if the connection it came on still lives.
    pub(super) fn answer_customer(
        &mut self,
        request: CustomerRequest,
        status: CommandStatus,
        id: &[u8],
    ) {
        self.answer_with(request, status, |session| {
            session.respond(request.command, request.sequence, status.0, id);
        });
    }

    /// Answers a request with a body of its own layout.
    fn answer_customer_with(&mut self, request: CustomerRequest, body: &Body<'_>) {
        self.answer_with(request, CommandStatus::ESME_ROK, |session| {
            session.respond_with(request.command, request.sequence, 0, body);
        });
    }

    /// The interface version that both sides of a request's session have.
    fn version_of(&self, request: CustomerRequest) -> u8 {
        self.customers.get(request.conn).map_or(0, |held| held.session.version())
    }

    fn answer_with(
        &mut self,
        request: CustomerRequest,
        status: CommandStatus,
        answer: impl FnOnce(&mut Session),
    ) {
        self.count_answer_to_customer(request.command, status);
        let Some(held) = self.customers.get_mut(request.conn) else { return };
        if held.epoch == request.epoch {
            answer(&mut held.session);
            self.touch_customer(request.conn);
        }
    }

    fn count_answer_to_customer(&self, command: CommandId, status: CommandStatus) {
        use CommandStatus as S;
        let submits = [CommandId::SUBMIT_SM, CommandId::DATA_SM, CommandId::SUBMIT_MULTI];
        if !submits.contains(&command) {
            self.stats.inc(if status == S::ESME_ROK {
                Counter::CustomerOperationsDone
            } else {
                Counter::CustomerOperationsRefused
            });
            return;
        }
        self.stats.inc(match status {
            S::ESME_ROK => Counter::CustomerSubmitsAccepted,
            S::ESME_RTHROTTLED => Counter::CustomerSubmitsThrottled,
            S::ESME_RMSGQFUL => Counter::CustomerSubmitsQueueFull,
            S::ESME_RSYSERR => Counter::CustomerSubmitsFailed,
            S::ESME_RINVDSTADR | S::ESME_RINVDSTTON => Counter::CustomerSubmitsBadDestination,
            S::ESME_RINVSRCADR => Counter::CustomerSubmitsBadSource,
            _ => Counter::CustomerSubmitsInvalid,
        });
    }

    /// The session of a connection is bound.
    fn customer_bound(&mut self, now: Now, conn: ConnIx, kind: BindKind) {
        self.stats.inc(Counter::CustomerBindsOpened);
        let Some(held) = self.customers.get_mut(conn) else { return };
        held.receives = kind.may_send(Role::Smsc);
        let Some(customer) = held.account else { return };
        if let Some(bound) = self.customers.bound_mut(customer) {
            bound.push(conn);
        }
        self.receiver_ready(now, customer);
    }

    /// The bind of a connection is over: its customer may have another one.
    fn customer_unbound(&mut self, now: Now, conn: ConnIx) {
        let Some(held) = self.customers.get_mut(conn) else { return };
        held.login = None;
        let Some(customer) = held.account.take() else { return };
        self.shared.accounts.release_bind(customer);
        if let Some(bound) = self.customers.bound_mut(customer) {
            bound.retain(|own| *own != conn);
        }
        self.receiver_ready(now, customer);
    }

    /// After a change of the configuration: a bind goes on under its customer's new bounds, or ends
    /// when its customer could not open it any more.
    pub(super) fn fit_customer_binds(&mut self, now: Now, before: &Shared) {
        for conn in self.customers.all() {
            let Some(held) = self.customers.get_mut(conn) else { continue };
            let Some(customer) = held.account else { continue };
            let own = account(&self.shared, customer).map(|(_, own)| own);
            let known = account(before, customer).map(|(_, known)| known);
            let login = |own: &CustomerSmpp| (own.system_id.clone(), own.password.clone());
            match own.filter(|own| known.map(login) == Some(login(own))) {
                Some(own) if is_allowed(own, held.peer) => {
                    held.session.set_windows(own.deliver_window, own.window);
                }
                Some(_) | None => held.session.unbind(now.mono),
            }
            self.customer_events(now, conn);
        }
    }

    /// Begins to unbind every customer: what is open is answered first.
    pub(super) fn unbind_customers(&mut self, now: Now) {
        for conn in self.customers.all() {
            if let Some(held) = self.customers.get_mut(conn) {
                held.session.unbind(now.mono);
            }
            self.customer_events(now, conn);
        }
    }

    /// The stop waits no longer: closes what is still open.
    pub(super) fn close_customers(&mut self, now: Now) {
        for conn in self.customers.all() {
            self.close_customer(now, conn, None);
        }
    }

    fn close_customer(&mut self, now: Now, conn: ConnIx, reason: Option<CloseReason>) {
        self.customer_unbound(now, conn);
        let Some(held) = self.customers.get_mut(conn) else { return };
        if held.link == Link::Up {
            held.link = Link::Closing;
            held.close_reason = reason;
            self.ops.push_back(Op::CloseCustomer(conn));
        }
    }

    /// Publishes how many binds there are.
    pub(super) fn publish_customers(&self) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.stats.set(Gauge::CustomerConnectionsOpen, count(self.customers.open));
        self.stats.set(Gauge::CustomerBinds, count(self.customers.binds()));
    }

    /// Whether a connection's session is bound.
    fn is_bound(&self, conn: ConnIx) -> bool {
        let session = self.customers.get(conn).map(|held| held.session.state());
        matches!(session, Some(State::Bound(_)))
    }
}
