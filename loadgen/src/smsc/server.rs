//! The simulator as a whole: carriers, connections, the one timer for receipts and answers. One per
//! process, on the runtime's thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use monoio::net::TcpListener;
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::Bind;
use postrider_smpp::session::{BindKind, Event, Oddity, SubmitRefused, UnknownReason};
use postrider_smpp::status::CommandStatus;

use super::carrier::{Answer, Carrier, Judged, Origin};
use super::connection::{self, Bound, Connection};
use super::fault::FaultKind;
use super::mail::Mail;
use super::{CarrierStats, ReceiptBind, SmscOptions};
use crate::clock::{Clock, unix_us};
use crate::ndjson::Ledger;
use crate::notify::{Notify, race};
use crate::rt;
use crate::stop::Stop;

/// How often session timers, the end and the ledger are looked after.
const TICK: Duration = Duration::from_millis(50);

/// Ticks between two hand-overs of the ledger.
const TICKS_PER_FLUSH: u32 = 4;

/// Connections over all carriers; further ones are closed at once.
const CONNECTIONS_MAX: usize = 10_000;

/// Carriers of one process.
const CARRIERS_MAX: usize = 100;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) clock: Clock,
    options: SmscOptions,
    answer_delay: Duration,
    carriers: Vec<RefCell<Carrier>>,
    connections: RefCell<BTreeMap<u64, Rc<Connection>>>,
    ledger: RefCell<Ledger>,
    next_connection: Cell<u64>,
    next_token: Cell<u64>,
    /// What the timer waits for; `None` when nothing is due.
    armed: Cell<Option<Duration>>,
    /// Something is due earlier than that.
    rescheduled: Notify,
}

/// What is to be done once the session's event is let go.
enum Act {
    Nothing,
    Bind(u32, Result<Bound, CommandStatus>),
    Answer(CommandId, u32, Judged),
    /// Not simulated: refused.
    Refuse(CommandId, u32),
    Deliver(Mail),
    Pump,
}

/// Runs until `stop` is set.
pub(super) fn serve(
    options: &SmscOptions,
    stop: &Stop,
    ready: impl FnOnce(&[SocketAddr]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<CarrierStats>> {
    let count = options.listen.len();
    ensure!((1..=CARRIERS_MAX).contains(&count), "--listen: 1 to {CARRIERS_MAX} addresses");
    ensure!(options.name.len() <= count, "more --name than --listen");
    options.dialect.check()?;
    options.inbound.check()?;
    let now_s = unix_us() / 1_000_000;
    let carriers = (0..count).map(|index| RefCell::new(Carrier::new(options, index, now_s)));
    let carriers: Vec<_> = carriers.collect();
    let mut ledger = Ledger::create(options.ledger.as_deref())?;
    carriers.iter().for_each(|carrier| carrier.borrow().introduce(&mut ledger));
    let server = Rc::new(Server {
        clock: Clock::start(),
        options: options.clone(),
        answer_delay: Duration::from_millis(options.answer_delay_ms),
        carriers,
        connections: RefCell::new(BTreeMap::new()),
        ledger: RefCell::new(ledger),
        next_connection: Cell::new(1),
        next_token: Cell::new(1),
        armed: Cell::new(None),
        rescheduled: Notify::default(),
    });
    let served = Rc::clone(&server);
    rt::block_on(async move {
        let mut addresses = Vec::new();
        for (carrier, address) in served.options.listen.iter().enumerate() {
            let listener = rt::listen(*address)?;
            addresses.push(listener.local_addr()?);
            monoio::spawn(accept(Rc::clone(&served), listener, carrier));
        }
        ready(&addresses)?;
        monoio::spawn(Rc::clone(&served).keep_time());
        let mut ticks = 0_u32;
        while !stop.is_set() {
            monoio::time::sleep(TICK).await;
            ticks = ticks.wrapping_add(1);
            served.tick();
            if ticks.is_multiple_of(TICKS_PER_FLUSH) {
                served.ledger.borrow_mut().flush();
            }
        }
        anyhow::Ok(())
    })??;
    server.ledger.replace(Ledger::create(None)?).finish()?;
    Ok(server.carriers.iter().map(|carrier| final_stats(&carrier.borrow())).collect())
}

fn final_stats(carrier: &Carrier) -> CarrierStats {
    let count = |pending| u64::try_from(pending).unwrap_or(u64::MAX);
    CarrierStats {
        receipts_pending: count(carrier.pending() - carrier.inbound_pending),
        inbound_pending: count(carrier.inbound_pending),
        ..carrier.stats.clone()
    }
}

async fn accept(server: Rc<Server>, listener: TcpListener, carrier: usize) {
    loop {
        match listener.accept().await {
            Ok(_) if server.fault(carrier) == Some(FaultKind::Dead) => {}
            Ok((stream, _)) if server.connections.borrow().len() < CONNECTIONS_MAX => {
                let connection = server.open(carrier);
                monoio::spawn(connection::run(Rc::clone(&server), connection, stream));
            }
            Ok(_) => {}
            // Out of file descriptors, most likely: give connections time to end.
            Err(_) => monoio::time::sleep(TICK).await,
        }
    }
}

impl Server {
    fn open(&self, carrier: usize) -> Rc<Connection> {
        let id = self.next_connection.replace(self.next_connection.get() + 1);
        let name = self.with(carrier, |carrier| carrier.stats.name.clone()).unwrap_or_default();
        let connection = Rc::new(Connection::new(&self.options, id, carrier, &name));
        self.connections.borrow_mut().insert(id, Rc::clone(&connection));
        connection
    }

    fn with<R>(&self, carrier: usize, work: impl FnOnce(&mut Carrier) -> R) -> Option<R> {
        self.carriers.get(carrier).map(|carrier| work(&mut carrier.borrow_mut()))
    }

    /// Handles all events of a connection's session.
    pub(super) fn drain(&self, connection: &Rc<Connection>, now: Duration) {
        while !connection.dropped.get() {
            let act = {
                let mut session = connection.session.borrow_mut();
                let Some(event) = session.poll_event() else { break };
                self.decide(connection, now, event)
            };
            self.perform(connection, now, act);
        }
    }

    fn decide(&self, connection: &Connection, now: Duration, event: Event<'_>) -> Act {
        match event {
            Event::BindRequested { sequence, kind, bind } => {
                Act::Bind(sequence, self.admit(kind, &bind))
            }
            Event::Message { sequence, command, message } => {
                let bound = connection.bound.borrow();
                let system_id = bound.as_ref().map(|bound| Rc::clone(&bound.system_id));
                let system_id = system_id.unwrap_or_else(|| Rc::from(""));
                let wall_us = unix_us();
                let origin = Origin { now, wall_us, connection: connection.id, system_id };
                let open = connection.open_submits.get() + 1;
                connection.open_submits.set(open);
                let mut ledger = self.ledger.borrow_mut();
                let judged = self.with(connection.carrier, |carrier| {
                    if carrier.ignores(now) {
                        return None;
                    }
                    carrier.stats.window_max = carrier.stats.window_max.max(open);
                    let judged = carrier.submit(&message, &origin, &mut ledger);
                    self.rearm(carrier);
                    Some(judged)
                });
                judged
                    .flatten()
                    .map_or(Act::Nothing, |judged| Act::Answer(command, sequence, judged))
            }
            Event::Response { token, status, .. } => self.answered(connection, now, token, status),
            Event::OutcomeUnknown { token, reason } => self.unanswered(connection, token, reason),
            Event::Bound { .. } => Act::Pump,
            Event::PeerUnbound => {
                connection.bound.replace(None);
                Act::Nothing
            }
            Event::Close { .. } => {
                connection.closing.set(true);
                Act::Nothing
            }
            Event::Counted(oddity) => {
                self.with(connection.carrier, |carrier| count(&mut carrier.stats, oddity));
                Act::Nothing
            }
            Event::Request { sequence, command, .. } => Act::Refuse(command, sequence),
            Event::BindRefused { .. } | Event::OutbindRequested { .. } | Event::Alert { .. } => {
                Act::Nothing
            }
        }
    }

    /// What is wrong with a carrier now.
    pub(super) fn fault(&self, carrier: usize) -> Option<FaultKind> {
        let now = self.clock.mono();
        self.with(carrier, |carrier| carrier.fault(now)).flatten()
    }

    fn admit(&self, kind: BindKind, bind: &Bind<'_>) -> Result<Bound, CommandStatus> {
        let system_id = String::from_utf8_lossy(bind.system_id);
        if self.options.system_id.as_ref().is_some_and(|expected| *expected != system_id) {
            return Err(CommandStatus::ESME_RINVSYSID);
        }
        let password = self.options.password.as_ref();
        if password.is_some_and(|expected| expected.expose().as_bytes() != bind.password) {
            return Err(CommandStatus::ESME_RINVPASWD);
        }
        Ok(Bound { system_id: Rc::from(system_id.as_ref()), receives: connection::receives(kind) })
    }

    fn answered(&self, connection: &Connection, now: Duration, token: u64, status: u32) -> Act {
        // Not there: it timed out before and has been put back.
        let Some(mail) = connection.unanswered.borrow_mut().remove(&token) else {
            return Act::Pump;
        };
        let mut ledger = self.ledger.borrow_mut();
        self.with(connection.carrier, |carrier| {
            carrier.handed_out -= 1;
            if status == CommandStatus::ESME_ROK.0 {
                carrier.acknowledged(&mail, unix_us(), &mut ledger);
            } else {
                carrier.refused(mail, now);
                self.rearm(carrier);
            }
        });
        Act::Pump
    }

    fn unanswered(&self, connection: &Connection, token: u64, reason: UnknownReason) -> Act {
        let Some(mail) = connection.unanswered.borrow_mut().remove(&token) else {
            return Act::Pump;
        };
        let timed_out = reason == UnknownReason::TimedOut && matches!(mail, Mail::Receipt(_));
        self.with(connection.carrier, |carrier| {
            carrier.handed_out -= 1;
            carrier.stats.receipts_timed_out += u64::from(timed_out);
        });
        Act::Deliver(mail)
    }

    fn perform(&self, connection: &Rc<Connection>, now: Duration, act: Act) {
        match act {
            Act::Nothing => {}
            Act::Bind(sequence, admitted) => self.bind(connection, sequence, admitted),
            Act::Answer(_, _, Judged { drop: true, .. }) => {
                connection.dropped.set(true);
            }
            Act::Answer(command, sequence, judged) if self.answer_delay.is_zero() => {
                self.respond(connection, command, sequence, judged);
            }
            Act::Answer(command, sequence, judged) => {
                let due = now + self.answer_delay;
                let answer = Answer { due, connection: connection.id, command, sequence, judged };
                self.with(connection.carrier, |carrier| {
                    carrier.answers.push_back(answer);
                    self.rearm(carrier);
                });
            }
            Act::Refuse(command, sequence) => {
                self.with(connection.carrier, |carrier| carrier.stats.oddities += 1);
                let status = CommandStatus::ESME_RINVCMDID.0;
                connection.session.borrow_mut().respond(command, sequence, status, b"");
            }
            Act::Deliver(mail) => self.deliver(connection.carrier, mail),
            Act::Pump => self.pump(connection),
        }
    }

    fn bind(
        &self,
        connection: &Rc<Connection>,
        sequence: u32,
        admitted: Result<Bound, CommandStatus>,
    ) {
        let status = admitted.as_ref().err().copied().unwrap_or(CommandStatus::ESME_ROK);
        connection.session.borrow_mut().answer_bind(sequence, status.0);
        let accepted = admitted.ok();
        let (yes, no) = (u64::from(accepted.is_some()), u64::from(accepted.is_none()));
        connection.bound.replace(accepted);
        let homeless = self.with(connection.carrier, |carrier| {
            carrier.stats.binds += yes;
            carrier.stats.binds_refused += no;
            std::mem::take(&mut carrier.homeless)
        });
        for mail in homeless.into_iter().flatten() {
            self.deliver(connection.carrier, mail);
        }
    }

    fn respond(&self, connection: &Connection, command: CommandId, sequence: u32, judged: Judged) {
        connection.open_submits.set(connection.open_submits.get().saturating_sub(1));
        let id = judged.id.map(|id| self.options.dialect.response_id(id)).unwrap_or_default();
        let mut session = connection.session.borrow_mut();
        session.respond(command, sequence, judged.status, id.as_bytes());
    }

    /// Hands mail to a bind that may have it, or keeps it for the next one.
    fn deliver(&self, carrier: usize, mail: Mail) {
        let Some(target) = self.bind_for(carrier, &mail) else {
            self.with(carrier, |carrier| carrier.homeless.push_back(mail));
            return;
        };
        self.with(carrier, |carrier| carrier.handed_out += 1);
        target.outbox.borrow_mut().push_back(mail);
        self.pump(&target);
    }

    fn bind_for(&self, carrier: usize, mail: &Mail) -> Option<Rc<Connection>> {
        let connections = self.connections.borrow();
        let addressee = mail.addressee();
        let fits = |connection: &&Rc<Connection>| {
            connection.carrier == carrier && connection.takes_mail_of(addressee.map(|a| a.1))
        };
        if self.options.receipt_bind == ReceiptBind::Same
            && let Some((home, _)) = addressee
            && let Some(home) = connections.get(&home).filter(fits)
        {
            return Some(Rc::clone(home));
        }
        let count = connections.values().filter(fits).count();
        let turn = usize::try_from(self.next_token.get()).unwrap_or(0);
        connections.values().filter(fits).nth(turn.checked_rem(count)?).map(Rc::clone)
    }

    /// Sends what a connection's window has room for.
    fn pump(&self, connection: &Rc<Connection>) {
        let now = self.clock.mono();
        let now_s = unix_us() / 1_000_000;
        let mut session = connection.session.borrow_mut();
        let mut outbox = connection.outbox.borrow_mut();
        while session.window_free() > 0 {
            let Some(mail) = outbox.pop_front() else { break };
            let token = self.next_token.replace(self.next_token.get() + 1);
            let sent = mail.with_message(&self.options.dialect, now_s, |command, message| {
                session.submit_as(command, now, token, message)
            });
            match sent {
                Ok(_) => {
                    self.with(connection.carrier, |carrier| carrier.sent(&mail));
                    connection.unanswered.borrow_mut().insert(token, mail);
                }
                Err(SubmitRefused::NotBound | SubmitRefused::WindowFull) => {
                    outbox.push_front(mail);
                    break;
                }
                Err(SubmitRefused::Encode(_) | SubmitRefused::NotInVersion) => {
                    // Only addresses longer than SMPP allows could do this, and those were refused.
                    self.with(connection.carrier, |carrier| {
                        carrier.handed_out -= 1;
                        carrier.stats.oddities += 1;
                    });
                }
            }
        }
        connection.wake.notify();
    }

    /// Takes a connection that has ended out of the table and finds its mail another bind.
    pub(super) fn closed(&self, connection: &Rc<Connection>) {
        connection.dropped.set(true);
        connection.bound.replace(None);
        self.connections.borrow_mut().remove(&connection.id);
        connection.session.borrow_mut().handle_closed(self.clock.mono());
        let mut left: Vec<Mail> = connection.outbox.borrow_mut().drain(..).collect();
        let mut sent: Vec<(u64, Mail)> = connection.unanswered.borrow_mut().drain().collect();
        sent.sort_unstable_by_key(|(token, _)| *token);
        left.extend(sent.into_iter().map(|(_, mail)| mail));
        self.with(connection.carrier, |carrier| {
            carrier.handed_out -= left.len();
            carrier.answers.retain(|answer| answer.connection != connection.id);
        });
        for mail in left {
            self.deliver(connection.carrier, mail);
        }
    }

    /// Session timers; a session's own time-outs are seconds long.
    fn tick(&self) {
        let now = self.clock.mono();
        let connections: Vec<_> = self.connections.borrow().values().map(Rc::clone).collect();
        for connection in connections {
            match self.fault(connection.carrier) {
                Some(FaultKind::Dead) => connection.dropped.set(true),
                Some(FaultKind::HalfOpen) => continue,
                Some(FaultKind::Stalled | FaultKind::Erroring) | None => {}
            }
            if connection.dropped.get() {
                connection.wake.notify();
                continue;
            }
            let due = connection.session.borrow().poll_timeout();
            if due.is_some_and(|due| due <= now) {
                connection.session.borrow_mut().handle_timeout(now);
                self.drain(&connection, now);
                connection.wake.notify();
            }
        }
    }

    /// The one timer: receipts and answers have constant delays, so each is a queue in order.
    async fn keep_time(self: Rc<Self>) {
        loop {
            let now = self.clock.mono();
            for index in 0..self.carriers.len() {
                self.do_due(index, now);
            }
            let next = self.carriers.iter().filter_map(|carrier| carrier.borrow().next_due()).min();
            self.armed.set(next);
            match next {
                Some(due) => {
                    let pause = due.saturating_sub(self.clock.mono());
                    let sleep = pin!(monoio::time::sleep(pause));
                    race(sleep, pin!(self.rescheduled.notified())).await;
                }
                None => self.rescheduled.notified().await,
            }
        }
    }

    /// Wakes the timer if something of this carrier is due before what it waits for.
    fn rearm(&self, carrier: &Carrier) {
        let Some(due) = carrier.next_due() else { return };
        if self.armed.get().is_none_or(|armed| due < armed) {
            self.armed.set(Some(due));
            self.rescheduled.notify();
        }
    }

    fn do_due(&self, carrier: usize, now: Duration) {
        while let Some(Some(answer)) = self.with(carrier, |carrier| carrier.due_answer(now)) {
            let connection = self.connections.borrow().get(&answer.connection).map(Rc::clone);
            if let Some(connection) = connection {
                self.respond(&connection, answer.command, answer.sequence, answer.judged);
                connection.wake.notify();
            }
        }
        self.with(carrier, |carrier| carrier.write_inbound(now));
        while let Some(Some(mail)) = self.with(carrier, |carrier| carrier.due_mail(now)) {
            self.deliver(carrier, mail);
        }
    }
}

fn count(stats: &mut CarrierStats, oddity: Oddity) {
    match oddity {
        Oddity::InboundWindowFull => stats.window_exceeded += 1,
        Oddity::UnknownResponse
        | Oddity::LateResponse
        | Oddity::MismatchedResponse
        | Oddity::UnknownCommand
        | Oddity::UnsupportedCommand
        | Oddity::MalformedPdu
        | Oddity::WrongState => stats.oddities += 1,
    }
}
