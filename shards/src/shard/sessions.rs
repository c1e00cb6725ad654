//! What the sessions of the binds report: bound and lost, receipts and other messages from carriers;
//! what they say of our submits goes to `answers` and `unknown`. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::config::ReceiptDetection;
use postrider_core::limits;
use postrider_core::route::CarrierIx;
use postrider_core::sequence::is_no_message;
use postrider_smpp::backoff::BackoffCause;
use postrider_smpp::command::CommandId;
use postrider_smpp::session::{CloseReason, Event as SessionEvent};

use super::answers::Response;
use super::bind::Link;
use super::inbound::Fragment;
use super::mesh::ReceiptNotice;
use super::outbind::Asked;
use super::outbound::part_of;
use super::receipt_pdu::notice_of;
use super::{BindIx, Delivery, Op, Shard, Timer};
use crate::stats::Counter;

impl Shard {
    /// Asks the driver to connect every bind. Once, after the start.
    pub fn start(&mut self, now: Now) {
        for bind in 0..self.outbound.binds.len() {
            self.connect_in_turn(now, bind);
        }
        for carrier in 0..self.outbound.carriers.len() {
            if let Ok(ix) = u16::try_from(carrier) {
                self.wheel
                    .insert(now.mono + limits::CARRIER_DOWN_GRACE, Timer::Down(CarrierIx(ix)));
            }
        }
        self.pump(now);
    }

    /// How long after the start a bind connects: an account's binds one after the other, over all
    /// shards, where the carrier wants it.
    pub(super) fn first_connect(&self, bind: BindIx) -> Duration {
        let Some(held) = self.outbound.binds.get(bind) else { return Duration::ZERO };
        let own = self.outbound.carriers.get(usize::from(held.carrier.0));
        let place = own.and_then(|own| own.binds.iter().position(|other| *other == bind));
        let Some(config) = self.shared.config.carriers.get(usize::from(held.carrier.0)) else {
            return Duration::ZERO;
        };
        let place = u16::try_from(place.unwrap_or(0)).unwrap_or(u16::MAX);
        let turn = config.bind_number(self.id, self.shared.placement.shards(), place);
        let stagger = self.shared.profile(Some(held.carrier)).map(|profile| profile.bind_stagger);
        stagger.unwrap_or_default().saturating_mul(turn)
    }

    /// The back-off of a bind is over.
    pub(super) fn reconnect(&mut self, now: Now, bind: BindIx) {
        if self.drain == super::Drain::No && !self.waits_for_outbind(bind) {
            self.queue_for_turn(now, bind);
        }
    }

    /// The driver connected a bind.
    pub fn handle_bind_connected(&mut self, now: Now, bind: BindIx) {
        if self.is_current(bind)
            && let Some(held) = self.outbound.binds.get_mut(bind)
        {
            held.link = Link::Up;
            held.epoch += 1;
            held.session.handle_connected(now.mono);
        }
        self.bind_events(now, bind);
        self.pump(now);
    }

    /// Octets arrived on a bind.
    pub fn handle_bind_bytes(&mut self, now: Now, bind: BindIx, octets: &[u8]) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.session.handle_bytes(now.mono, octets);
        }
        self.bind_events(now, bind);
        self.pump(now);
    }

    /// Why the session wanted the connection closed; `None` when it did not. For the driver's log,
    /// once a connection.
    pub fn take_close_reason(&mut self, bind: BindIx) -> Option<CloseReason> {
        self.outbound.binds.get_mut(bind)?.close_reason.take()
    }

    /// The connection of a bind is gone, or could not be made.
    pub fn handle_bind_closed(&mut self, now: Now, bind: BindIx) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            let bound_for = held.bound_since.take().map(|since| now.mono.saturating_sub(since));
            if let Some(bound_for) = bound_for {
                held.backoff.reset_after(bound_for);
                self.stats.inc(Counter::BindsLost);
            }
            held.health.lost();
            held.session.handle_closed(now.mono);
            held.link = Link::Down;
            held.flushing = false;
            let cause = held.refused.take().unwrap_or(BackoffCause::Transport);
            let changed = std::mem::take(&mut held.changed);
            if changed {
                held.backoff.reset_after(Duration::MAX);
            } else if held.wanted {
                let delay = held.backoff.next(cause);
                self.wheel.insert(now.mono + delay, Timer::Reconnect(bind));
            }
            let carrier = held.carrier;
            self.bind_events(now, bind);
            self.forget_crossings(bind);
            self.note_health(now, carrier);
            if changed {
                self.reconnect(now, bind);
            }
        }
        self.pump(now);
    }

    /// The session of a bind asked for this moment.
    pub(super) fn session_timeout(&mut self, now: Now, bind: BindIx) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.armed = None;
            held.session.handle_timeout(now.mono);
        }
        self.bind_events(now, bind);
    }

    /// Drains what a session has to report.
    pub(super) fn bind_events(&mut self, now: Now, bind: BindIx) {
        loop {
            let Some(held) = self.outbound.binds.get_mut(bind) else { return };
            let carrier = held.carrier;
            let Some(event) = held.session.poll_event() else { break };
            let detection = self.shared.profile(Some(carrier)).map(|p| p.receipt_detection);
            let happened = Happened::read(carrier, detection, now, event);
            self.bind_happened(now, bind, carrier, happened);
        }
        self.flush(bind);
        self.arm(now, bind);
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.health.heard(held.session.last_heard());
            let carrier = held.carrier;
            self.watch(bind);
            self.outbound.touch(carrier);
        }
    }

    fn bind_happened(&mut self, now: Now, bind: BindIx, carrier: CarrierIx, what: Happened) {
        match what {
            Happened::Bound => self.bound(now, bind, carrier),
            Happened::BindRefused { status } => self.bind_refused(bind, status),
            Happened::Response(response) => self.answered(now, bind, carrier, &response),
            Happened::Receipt { sequence, command, notice } => {
                let delivery = self.delivery(bind, command, sequence);
                self.receipt_arrived(now, delivery, notice);
            }
            Happened::Inbound { sequence, command, fragment } => {
                let delivery = self.delivery(bind, command, sequence);
                self.inbound_arrived(now, delivery, carrier, *fragment);
            }
            Happened::OutcomeUnknown { token } => {
                self.weigh_silence(now, bind);
                let part = part_of(token);
                if is_no_message(part.sequence) {
                    self.crossing_unknown(carrier, token);
                } else {
                    self.outcome_unknown(now, carrier, part);
                }
            }
            Happened::Outbind(asked) => self.outbind_requested(now, bind, &asked),
            Happened::Close { reason } => {
                if let Some(held) = self.outbound.binds.get_mut(bind) {
                    held.close_reason = Some(reason);
                    held.link = Link::Closing;
                    self.ops.push_back(Op::Close(bind));
                }
            }
            Happened::Oddity => self.stats.inc(Counter::PduOddities),
            Happened::Nothing => {}
        }
    }

    fn delivery(&self, bind: BindIx, command: CommandId, sequence: u32) -> Delivery {
        let epoch = self.outbound.binds.get(bind).map_or(0, |held| held.epoch);
        Delivery { bind, epoch, command, sequence }
    }

    /// Answers a PDU of a carrier, if the session it came on still lives.
    pub(super) fn respond(&mut self, delivery: Delivery, status: u32) {
        let Some(held) = self.outbound.binds.get_mut(delivery.bind) else { return };
        if held.epoch == delivery.epoch && held.link == Link::Up {
            held.session.respond(delivery.command, delivery.sequence, status, b"");
            self.flush(delivery.bind);
        }
    }

    fn bound(&mut self, now: Now, bind: BindIx, carrier: CarrierIx) {
        self.stats.inc(Counter::BindsOpened);
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.bound_since = Some(now.mono);
            held.health.bound(now.mono, held.epoch > 1);
            if held.epoch > 1 {
                self.stats.bind(bind).reconnects.inc();
            }
        }
        self.note_health(now, carrier);
    }

    /// The peer does not take us for bound: what is open may still be answered, then a new bind.
    pub(super) fn rebind(&mut self, now: Now, bind: BindIx) {
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.session.unbind(now.mono);
        }
    }

    fn bind_refused(&mut self, bind: BindIx, status: u32) {
        self.stats.inc(Counter::BindsRefused);
        if let Some(held) = self.outbound.binds.get_mut(bind) {
            held.refused = Some(BackoffCause::from_bind_status(status));
        }
    }
}

/// A session's event in octets of our own, so that the session is free again.
enum Happened {
    Bound,
    BindRefused { status: u32 },
    Response(Response),
    Receipt { sequence: u32, command: CommandId, notice: Box<ReceiptNotice> },
    Inbound { sequence: u32, command: CommandId, fragment: Box<Fragment> },
    OutcomeUnknown { token: u64 },
    Outbind(Asked),
    Close { reason: CloseReason },
    Oddity,
    Nothing,
}

impl Happened {
    fn read(
        carrier: CarrierIx,
        detection: Option<ReceiptDetection>,
        now: Now,
        event: SessionEvent<'_>,
    ) -> Self {
        match event {
            SessionEvent::Bound { .. } => Happened::Bound,
            SessionEvent::BindRefused { status } => Happened::BindRefused { status },
            SessionEvent::Response {
                token, status, message_id, waited, late, congestion, ..
            } => {
                let id = message_id.into();
                Happened::Response(Response { token, status, id, waited, late, congestion })
            }
            SessionEvent::Message { sequence, command, message } => {
                match detection.and_then(|by| notice_of(carrier, by, now, &message)) {
                    Some(notice) => Happened::Receipt { sequence, command, notice },
                    None => Happened::Inbound {
                        sequence,
                        command,
                        fragment: Box::new(Fragment::read(&message)),
                    },
                }
            }
            SessionEvent::OutcomeUnknown { token, .. } => Happened::OutcomeUnknown { token },
            SessionEvent::OutbindRequested { outbind, .. } => Happened::Outbind(Asked {
                system_id: outbind.system_id.to_vec(),
                password: outbind.password.to_vec(),
            }),
            SessionEvent::Close { reason } => Happened::Close { reason },
            SessionEvent::Counted(_) => Happened::Oddity,
            SessionEvent::BindRequested { .. }
            | SessionEvent::Request { .. }
            | SessionEvent::Alert { .. }
            | SessionEvent::PeerUnbound => Happened::Nothing,
        }
    }
}
