//! Receipts on their way to their message: the owner of the handset, then every shard, then parked
//! durably until the message turns up. A receipt is answered only once what it says is on disk.
//! One `Orphans` per shard.

use std::collections::BTreeMap;

use postrider_core::clock::Now;
use postrider_core::lifecycle::{self, PartEvent, PartStatus};
use postrider_core::limits;
use postrider_core::place::ShardId;
use postrider_core::route::CarrierIx;
use postrider_smpp::receipt::ReceiptState;
use postrider_storage::Record;

use super::mesh::{Call, CallId, ReceiptNotice, ReceiptOutcome, Reply, Request, Seeker};
use super::message::Event;
use super::table::{PartRef, normal};
use super::{After, Delivery, Shard, Timer};
use crate::stats::Counter;

/// Receipts whose message is not known yet.
pub(crate) struct Orphans {
    parked: BTreeMap<u64, Orphan>,
    /// By carrier and the id in the form under which spellings meet.
    by_id: BTreeMap<(CarrierIx, Box<[u8]>), Vec<u64>>,
    by_carrier: BTreeMap<CarrierIx, usize>,
    next: u64,
}

pub(crate) struct Orphan {
    pub(crate) notice: Box<ReceiptNotice>,
    /// Looks so far.
    looks: usize,
}

/// What came of a parked receipt; the number is the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum OrphanOutcome {
    Matched = 1,
    GivenUp = 2,
}

impl Orphans {
    pub(crate) fn new() -> Self {
        Orphans {
            parked: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_carrier: BTreeMap::new(),
            next: 1,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.parked.len()
    }

    /// Files an orphan under a number of its own, or the one it had before a restart.
    pub(crate) fn insert(&mut self, number: Option<u64>, notice: Box<ReceiptNotice>) -> u64 {
        let number = number.unwrap_or(self.next);
        self.next = self.next.max(number + 1);
        self.remove(number);
        let key = (notice.carrier, normal(&notice.id));
        *self.by_carrier.entry(notice.carrier).or_default() += 1;
        self.by_id.entry(key).or_default().push(number);
        self.parked.insert(number, Orphan { notice, looks: 0 });
        number
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<Orphan> {
        let orphan = self.parked.remove(&number)?;
        let carrier = orphan.notice.carrier;
        if let Some(count) = self.by_carrier.get_mut(&carrier) {
            *count -= 1;
        }
        let key = (carrier, normal(&orphan.notice.id));
        if let Some(numbers) = self.by_id.get_mut(&key) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_id.remove(&key);
            }
        }
        Some(orphan)
    }

    /// The numbers parked, oldest first.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.parked.keys().copied().collect()
    }

    fn has_room(&self, carrier: CarrierIx) -> bool {
        self.by_carrier.get(&carrier).is_none_or(|count| *count < limits::ORPHANS_PER_CARRIER)
    }

    /// The parked receipts whose id may be `id`.
    fn called(&self, carrier: CarrierIx, id: &[u8]) -> Vec<u64> {
        self.by_id.get(&(carrier, normal(id))).cloned().unwrap_or_default()
    }
}

impl Shard {
    /// A receipt came on one of this shard's binds.
    pub(super) fn receipt_arrived(
        &mut self,
        now: Now,
        delivery: Delivery,
        notice: Box<ReceiptNotice>,
    ) {
        if notice.id.is_empty() && notice.other_id.is_none() {
            // No id, no message: sent again it would be no better.
            self.stats.inc(Counter::ReceiptsOrphaned);
            self.respond(delivery, 0);
            return;
        }
        let owner = notice.handset.map_or(self.id, |handset| self.shared.placement.owner(handset));
        if owner == self.id {
            if self.apply_receipt(now, &notice).is_some() {
                self.journal.then(After::Respond { delivery, status: 0 });
            } else {
                self.ask_all(now, Seeker::Bind(delivery), notice);
            }
        } else if self.mesh.has_room(owner) {
            self.stats.inc(Counter::ReceiptsForwarded);
            let call = self.mesh.open(&[owner], Call::AskOwner { delivery });
            self.request(owner, call, Request::Receipt { notice, park: false });
        } else {
            self.refuse_receipt(delivery);
        }
    }

    /// The carrier is asked to send it again.
    fn refuse_receipt(&mut self, delivery: Delivery) {
        self.stats.inc(Counter::ReceiptsRefused);
        let status = self.receipt_retry_status(delivery);
        self.respond(delivery, status);
    }

    /// The status at which the carrier of a PDU sends it again.
    pub(super) fn receipt_retry_status(&self, delivery: Delivery) -> u32 {
        self.outbound
            .binds
            .get(delivery.bind)
            .and_then(|bind| self.shared.config.carriers.get(usize::from(bind.carrier.0)))
            .map_or(postrider_smpp::status::CommandStatus::ESME_RMSGQFUL.0, |carrier| {
                carrier.receipt_retry_status
            })
    }

    /// A peer asks whether a receipt belongs to a message here.
    pub(super) fn receipt_for_peer(
        &mut self,
        now: Now,
        from: ShardId,
        call: CallId,
        notice: Box<ReceiptNotice>,
        park: bool,
    ) {
        let outcome = match self.apply_receipt(now, &notice) {
            Some(_) => ReceiptOutcome::Applied,
            None if park => self.park(now, &notice),
            None => ReceiptOutcome::NoMatch,
        };
        match outcome {
            ReceiptOutcome::Applied | ReceiptOutcome::Parked => {
                let reply = Box::new(Reply::Receipt { spent: notice, outcome });
                self.journal.then(After::Reply { to: from, call, reply });
            }
            ReceiptOutcome::NoMatch | ReceiptOutcome::Refused => {
                self.reply(from, call, Reply::Receipt { spent: notice, outcome });
            }
        }
    }

    /// What a peer said of a receipt.
    pub(super) fn take_receipt_outcome(
        &mut self,
        now: Now,
        id: CallId,
        call: Call,
        spent: Box<ReceiptNotice>,
        outcome: ReceiptOutcome,
    ) {
        match call {
            Call::AskOwner { delivery } => match outcome {
                ReceiptOutcome::NoMatch => self.ask_all(now, Seeker::Bind(delivery), spent),
                ReceiptOutcome::Applied | ReceiptOutcome::Parked => self.respond(delivery, 0),
                ReceiptOutcome::Refused => self.refuse_receipt(delivery),
            },
            Call::Park { delivery } => match outcome {
                ReceiptOutcome::Applied | ReceiptOutcome::Parked => self.respond(delivery, 0),
                ReceiptOutcome::NoMatch | ReceiptOutcome::Refused => self.refuse_receipt(delivery),
            },
            Call::AskAll { origin, missing, applied, notice } => {
                let applied = applied || outcome == ReceiptOutcome::Applied;
                let notice = notice.or(Some(spent));
                if missing > 1 {
                    let call = Call::AskAll { origin, missing: missing - 1, applied, notice };
                    self.mesh.keep(id, call);
                } else if let Some(notice) = notice {
                    self.all_asked(now, origin, applied, notice);
                }
            }
            Call::Submit { .. }
            | Call::Answer { .. }
            | Call::List { .. }
            | Call::Deliver { .. }
            | Call::Inbound { .. }
            | Call::Tell => panic!("a receipt's outcome for {call:?}"),
        }
    }

    /// Asks every shard that has not been asked.
    fn ask_all(&mut self, now: Now, origin: Seeker, notice: Box<ReceiptNotice>) {
        if let Seeker::Bind(delivery) = origin {
            // Here too, when this shard is not the handset's owner.
            if self.apply_receipt(now, &notice).is_some() {
                self.journal.then(After::Respond { delivery, status: 0 });
                return;
            }
        }
        let peers: Vec<ShardId> = self.mesh.peers().collect();
        if peers.is_empty() || !self.mesh.has_room_everywhere() {
            self.all_asked(now, origin, false, notice);
            return;
        }
        let missing = u16::try_from(peers.len()).unwrap_or(u16::MAX);
        let call = Call::AskAll { origin, missing, applied: false, notice: None };
        let id = self.mesh.open(&peers, call);
        for peer in peers {
            self.request(peer, id, Request::Receipt { notice: notice.clone(), park: false });
        }
    }

    fn all_asked(&mut self, now: Now, origin: Seeker, applied: bool, notice: Box<ReceiptNotice>) {
        match origin {
            Seeker::Bind(delivery) if applied => self.respond(delivery, 0),
            Seeker::Bind(delivery) => self.park_at_owner(now, delivery, notice),
            Seeker::Orphan(orphan) if applied => {
                self.close_orphan(now, orphan, OrphanOutcome::Matched);
            }
            Seeker::Orphan(orphan) => self.schedule_look(now, orphan),
        }
    }

    fn park_at_owner(&mut self, now: Now, delivery: Delivery, notice: Box<ReceiptNotice>) {
        let owner = notice.handset.map_or(self.id, |handset| self.shared.placement.owner(handset));
        if owner == self.id {
            match self.park(now, &notice) {
                ReceiptOutcome::Parked => {
                    self.journal.then(After::Respond { delivery, status: 0 });
                }
                ReceiptOutcome::Applied | ReceiptOutcome::NoMatch | ReceiptOutcome::Refused => {
                    self.refuse_receipt(delivery);
                }
            }
        } else if self.mesh.has_room(owner) {
            let call = self.mesh.open(&[owner], Call::Park { delivery });
            self.request(owner, call, Request::Receipt { notice, park: true });
        } else {
            self.refuse_receipt(delivery);
        }
    }

    /// Keeps a receipt durably until its message turns up.
    fn park(&mut self, now: Now, notice: &ReceiptNotice) -> ReceiptOutcome {
        if !self.orphans.has_room(notice.carrier) {
            return ReceiptOutcome::Refused;
        }
        self.stats.inc(Counter::ReceiptsParked);
        let orphan = self.orphans.insert(None, Box::new(notice.clone()));
        let carrier = self.shared.carrier_number(notice.carrier);
        self.journal.append(now.mono, &orphan_record(orphan, carrier, notice));
        self.schedule_look(now, orphan);
        ReceiptOutcome::Parked
    }

    /// Puts the next look for an orphan into the wheel.
    pub(super) fn schedule_look(&mut self, now: Now, orphan: u64) {
        let Some(parked) = self.orphans.parked.get(&orphan) else { return };
        let delay = limits::ORPHAN_RETRIES.get(parked.looks).copied();
        let rest = parked.notice.at.after(limits::ORPHAN_GIVE_UP).since(now.wall);
        self.wheel.insert(now.mono + delay.unwrap_or(rest).min(rest), Timer::Orphan(orphan));
    }

    /// Time to look for an orphan's message again, or to give it up.
    pub(super) fn seek_orphan(&mut self, now: Now, orphan: u64) {
        let Some(parked) = self.orphans.parked.get_mut(&orphan) else { return };
        parked.looks += 1;
        let old = now.wall.since(parked.notice.at) >= limits::ORPHAN_GIVE_UP;
        let notice = parked.notice.clone();
        if self.apply_receipt(now, &notice).is_some() {
            self.close_orphan(now, orphan, OrphanOutcome::Matched);
        } else if old {
            self.stats.inc(Counter::ReceiptsOrphaned);
            self.close_orphan(now, orphan, OrphanOutcome::GivenUp);
        } else {
            self.ask_all(now, Seeker::Orphan(orphan), notice);
        }
    }

    fn close_orphan(&mut self, now: Now, orphan: u64, outcome: OrphanOutcome) {
        if self.orphans.remove(orphan).is_some() {
            let record = Record::OrphanClosed { orphan, at_ms: now.wall.0, outcome: outcome as u8 };
            self.journal.append_lazy(now.mono, &record);
        }
    }

    /// A carrier's id was stored: receipts that overtook it are parked here.
    pub(super) fn match_orphans(&mut self, now: Now, carrier: CarrierIx, id: &[u8]) {
        if self.orphans.parked.is_empty() {
            return;
        }
        for orphan in self.orphans.called(carrier, id) {
            let parked = self.orphans.parked.get(&orphan);
            let Some(notice) = parked.map(|parked| parked.notice.clone()) else { continue };
            if self.apply_receipt(now, &notice).is_some() {
                self.close_orphan(now, orphan, OrphanOutcome::Matched);
            }
        }
    }

    /// The oldest segment is given back: parked receipts are written again.
    pub(super) fn carry_orphans(&mut self, now: Now) {
        for (orphan, parked) in &self.orphans.parked {
            let carrier = self.shared.carrier_number(parked.notice.carrier);
            self.journal.append_lazy(now.mono, &orphan_record(*orphan, carrier, &parked.notice));
        }
    }

    /// Applies a receipt to the message it belongs to, if that is here. What it changed is in the
    /// log, not yet on disk.
    fn apply_receipt(&mut self, now: Now, notice: &ReceiptNotice) -> Option<PartRef> {
        let carrier = self.shared.carrier_number(notice.carrier);
        let other = notice.other_id.as_deref();
        let part = self
            .table
            .find(carrier, &notice.id)
            .or_else(|| other.and_then(|id| self.table.find(carrier, id)))?;
        for part in self.spread(part) {
            self.tell_part(now, part, notice);
        }
        Some(part)
    }

    /// Notes what a receipt says of a part.
    fn tell_part(&mut self, now: Now, part: PartRef, notice: &ReceiptNotice) {
        let Some(message) = self.table.get(part.sequence) else { return };
        let Some(held) = message.part(part.part) else { return };
        let kind = event_of(notice.state);
        let kind = match (held.status.is_final(), kind) {
            (false, kind) => kind,
            (true, PartEvent::Intermediate) => return self.stats.inc(Counter::ReceiptsDuplicate),
            (true, kind) if leads_to(kind) == Some(held.status) => {
                return self.stats.inc(Counter::ReceiptsDuplicate);
            }
            (true, _) => PartEvent::LateReceipt,
        };
        let known = |event: &Event| event.kind == kind && *event.detail == *notice.words;
        let repeated = matches!(kind, PartEvent::LateReceipt | PartEvent::Intermediate);
        if repeated && message.events.iter().any(|event| event.part == part.part && known(event)) {
            return self.stats.inc(Counter::ReceiptsDuplicate);
        }
        self.stats.inc(if kind == PartEvent::LateReceipt {
            Counter::ReceiptsLate
        } else if kind == PartEvent::Intermediate {
            Counter::ReceiptsIntermediate
        } else {
            Counter::ReceiptsMatched
        });
        let carrier = self.shared.carrier_number(notice.carrier);
        let detail =
            if kind == PartEvent::Delivered { Box::default() } else { notice.words.clone().into() };
        let event = Event { carrier, detail, ..self.event(now, part, kind) };
        self.part_event(now, part.sequence, event, true);
    }
}

/// The event that a reported state is for a part.
fn event_of(state: Option<ReceiptState>) -> PartEvent {
    match state {
        Some(ReceiptState::Delivered) => PartEvent::Delivered,
        Some(ReceiptState::Expired) => PartEvent::Expired,
        Some(ReceiptState::Rejected) => PartEvent::Rejected,
        Some(ReceiptState::Undeliverable | ReceiptState::Deleted | ReceiptState::Skipped) => {
            PartEvent::Undelivered
        }
        // A state we do not know is kept as sent and ends nothing.
        Some(
            ReceiptState::Scheduled
            | ReceiptState::Enroute
            | ReceiptState::Accepted
            | ReceiptState::Unknown,
        )
        | None => PartEvent::Intermediate,
    }
}

/// The status that a receipt's event gives to a part that was submitted.
fn leads_to(kind: PartEvent) -> Option<PartStatus> {
    lifecycle::next(PartStatus::Submitted, kind).ok()
}

/// message_state values [3.4 section 5.2.28]; 255 when the receipt named none that we know.
const STATES: [(ReceiptState, u8); 10] = [
    (ReceiptState::Scheduled, 0),
    (ReceiptState::Enroute, 1),
    (ReceiptState::Delivered, 2),
    (ReceiptState::Expired, 3),
    (ReceiptState::Deleted, 4),
    (ReceiptState::Undeliverable, 5),
    (ReceiptState::Accepted, 6),
    (ReceiptState::Unknown, 7),
    (ReceiptState::Rejected, 8),
    (ReceiptState::Skipped, 9),
];

fn state_to_u8(state: Option<ReceiptState>) -> u8 {
    let found = STATES.iter().find(|(own, _)| Some(*own) == state);
    found.map_or(255, |(_, number)| *number)
}

/// The state of an orphan's record.
pub(super) fn state_from_u8(number: u8) -> Option<ReceiptState> {
    STATES.iter().find(|(_, own)| *own == number).map(|(state, _)| *state)
}

fn orphan_record(orphan: u64, carrier: u32, notice: &ReceiptNotice) -> Record<'_> {
    Record::Orphan {
        orphan,
        carrier,
        at_ms: notice.at.0,
        source: &notice.source,
        dest: &notice.destination,
        carrier_message_id: &notice.id,
        state: state_to_u8(notice.state),
        error: &notice.words,
    }
}
