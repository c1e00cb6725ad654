//! Messages that leave memory while they are open, because nothing can be done for them or no seat is
//! free: what is filed of them, so that they are found again. Part of the shard's machine.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_storage::register::Slot;
use postrider_storage::runs::{RunConfig, RunRows};
use postrider_storage::{CARRIED_PARKED, Position};

use super::cold::receipts::PartName;
use super::cold::store::Rows;
use super::cold::{Cold, ColdConfig, ColdTurn, Filing, Group, Seats, sender_number};
use super::deliveries::owed_group;
use super::fetch::{ENDED, Wanted};
use super::message::{ALL_PARTS, Message, NO_CARRIER, Webhook};
use super::part::Part;
use super::reclaim::carried_state;
use super::senders::seats_for;
use super::{After, Drain, Shard, Shared};
use crate::stats::Counter;

/// Settings of a shard's store of cold messages.
pub(super) fn cold_config(shared: &Shared, shards: u16) -> ColdConfig {
    let config = &shared.config;
    let all = usize::try_from(config.limits.hot_messages).unwrap_or(usize::MAX).max(2);
    let planned = config.receipts_planned(shards);
    ColdConfig {
        seats: Seats {
            all,
            wanted: (all / limits::ACTIVE_WANTED_SHARE).max(1),
            routes: config.carriers.len().max(1),
            idle: config.limits.park_after,
        },
        receipts: usize::try_from(planned).unwrap_or(usize::MAX),
        hour: limits::RECEIPTS_HOT,
        key: shared.placement.names_key(),
        runs: RunConfig {
            memory_rows: limits::RUN_ROWS_IN_MEMORY,
            merge_after: limits::RUN_MERGE_EVERY,
            runs: limits::RUNS_PER_INDEX,
            slice_rows: limits::RUN_SLICE_ROWS,
        },
    }
}

impl Shard {
    /// What can wake a message when it is on disk alone. It follows from the message's records and the
    /// configuration.
    pub(super) fn filing(&self, message: &Message) -> Filing {
        Filing {
            sending: self.sending(message).or_else(|| owed_group(message)),
            due: due_of(message),
            names: self.names_of_open_parts(message),
            recipients: self.recipients_of(message),
        }
    }

    /// The group in which it waits to be sent, and its deadline there, if it does.
    fn sending(&self, message: &Message) -> Option<(Group, UnixMs)> {
        let waits = message.outcome.is_none() && message.next_sendable().is_some();
        waits.then(|| (self.group_of(message), message.envelope.deadline()))
    }

    /// What it is counted with: the carrier that has parts of it, else the one that is meant to have
    /// it, whichever is up; and its sender, when that has a rate of its own. Where it is sent is decided
    /// when its turn comes.
    pub(super) fn group_of(&self, message: &Message) -> Group {
        let carrier = message.committed_to().or_else(|| {
            let envelope = &message.envelope;
            // Told by what was known at its acceptance: that stays the same.
            let (route, _) = self.shared.route_of(envelope.to, envelope.accepted)?;
            let candidates = route.candidates().iter().map(|candidate| candidate.carrier);
            let mut open = candidates.filter(|ix| self.barred(message, *ix).is_none());
            open.next().map(|ix| self.shared.carrier_number(ix))
        });
        let (carrier, envelope) = (carrier.unwrap_or(NO_CARRIER), &message.envelope);
        let Some(rate) = self.shared.senders.of(&envelope.sender) else {
            return envelope.group_at(carrier);
        };
        let seats = seats_for(rate.per_second);
        let sender = sender_number(&envelope.sender, carrier, seats);
        Group::of_sender(sender, envelope.lane, envelope.customer)
    }

    /// What carriers call its parts that may still get a receipt.
    fn names_of_open_parts(&self, message: &Message) -> Vec<(PartName, u8)> {
        let receipts = self.cold.receipts();
        let open = |part: u8| message.parts_of(part).iter().any(|part| !part.status.is_final());
        let ids = message.carrier_ids().filter(|(part, ..)| open(*part));
        ids.filter_map(|(part, carrier, id)| Some((receipts.name(carrier, id)?, part))).collect()
    }

    /// The recipient's name at each carrier of which a receipt without a known id may come.
    fn recipients_of(&self, message: &Message) -> Vec<PartName> {
        let sent = |part: &&Part| part.lost || (!part.status.is_final() && part.was_submitted());
        let mut carriers: Vec<u32> =
            message.parts.iter().filter(sent).map(|part| part.carrier).collect();
        carriers.sort_unstable();
        carriers.dedup();
        let to = message.envelope.to;
        carriers.into_iter().map(|carrier| self.cold.receipts().recipient(carrier, to)).collect()
    }

    /// A carrier called a part so.
    pub(super) fn note_name(&mut self, now: Now, carrier: u32, id: &[u8], sequence: u64, part: u8) {
        let Some(name) = self.cold.receipts().name(carrier, id) else { return };
        if !self.cold.named(now.mono, name, sequence, part) {
            self.file_names(sequence);
        }
    }

    /// Files what carriers call the parts of a message that stays in memory for longer than the names of
    /// the hour do.
    fn file_names(&mut self, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        let names = self.names_of_open_parts(message);
        if names.is_empty() || message.filed.is_some() {
            return;
        }
        let at = message.anchor();
        let filing = Filing { names, ..Filing::default() };
        self.cold.file(&filing, Cold { sequence, at });
        if let Some(message) = self.table.get_mut(sequence) {
            message.filed = Some(Box::new(filing));
        }
    }

    /// Something happened to a message: its seat is to be looked at.
    pub(super) fn stir(&mut self, sequence: u64) {
        if self.stirred.last() != Some(&sequence) {
            self.stirred.push(sequence);
        }
    }

    /// Lets messages leave that have no seat, and brings those back whose turn has come. False when
    /// nothing came of it.
    pub(super) fn pump_cold(&mut self, now: Now) -> bool {
        let stirred = std::mem::take(&mut self.stirred);
        if self.drain != Drain::No {
            self.cold_due = None;
            return false;
        }
        for sequence in &stirred {
            self.look_at_seat(now, *sequence);
        }
        let writable = self.cold.has_room() && !self.storage_is_short();
        let mut turns = 0;
        while writable
            && turns < limits::COLD_PER_TURN
            && let Some(sequence) = self.cold.poll_leaving(now.mono)
        {
            self.leave_memory(now, sequence);
            turns += 1;
        }
        let left = turns;
        while turns < 2 * limits::COLD_PER_TURN
            && let Some(turn) = self.cold.poll(now, &|customer| self.shared.weight_of(customer))
        {
            match turn {
                ColdTurn::Look(search) => self.look_for_rows(now, search),
                ColdTurn::Wake(message) => self.wake(now, message.sequence),
                ColdTurn::Owed(customer, found) => self.owed_found(now, customer, found),
            }
            turns += 1;
        }
        let more = left == limits::COLD_PER_TURN || turns == 2 * limits::COLD_PER_TURN;
        let next = self.cold.poll_timeout(now, writable);
        self.cold_due = if more { Some(now.mono) } else { next };
        turns > 0 || !self.stirred.is_empty()
    }

    /// Gives a message the seat that its state asks for.
    fn look_at_seat(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return self.cold.leave(sequence) };
        if !message.durable {
            return;
        }
        if message.listed > 0 {
            return self.cold.leave(sequence);
        }
        let (records, under_way) = (message.records.len(), message.is_under_way());
        if records > limits::RECORDS_OF_MESSAGE {
            // It was tried for hours: one record tells what came of it.
            self.carry_forward(now, sequence);
        }
        let Some(message) = self.table.get(sequence) else { return };
        if under_way {
            let queued = message.queued_on.is_some();
            if !self.cold.is_sending(sequence) {
                let group = self.group_of(message);
                self.cold.seat(sequence, group);
            }
            if queued {
                self.file_names(sequence);
            }
        } else if message.wants_sending() {
            if !self.cold.is_sending(sequence) {
                self.cold.turn_away(sequence);
            }
        } else if !self.may_leave(now, message) {
            self.cold.hold(sequence);
            self.file_names(sequence);
        } else if !(self.cold.is_wanted(sequence) && is_telling(now, message)) {
            // One that was woken to tell of its end keeps its seat until it has tried.
            self.cold.idle(sequence, now.mono);
        }
    }

    /// Whether nothing needs a message in memory.
    fn may_leave(&self, now: Now, message: &Message) -> bool {
        let sequence = message.envelope.sequence;
        let timed =
            |part: &Part| part.status == PartStatus::OutcomeUnknown && part.timer > now.mono;
        let writing = message.contents_under_way > 0 || self.webhooks.is_in_flight(sequence);
        let quiet = !message.is_under_way() && !message.parts.iter().any(timed);
        let open = message.durable && message.listed == 0 && !message.is_closed();
        open && !writing && quiet && !self.lookups.holds(sequence)
    }

    /// A message has no seat any more: it leaves once a record on disk leads to all of its state.
    fn leave_memory(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence).filter(|message| message.listed == 0) else {
            return;
        };
        if self.cold.is_hot(sequence) || !message.durable {
            return;
        }
        let at = if self.may_leave(now, message) { self.whole_record(now, sequence) } else { None };
        match at {
            Some(at) => {
                self.journal.then(After::Parked { sequence, at });
            }
            None => self.stay(now, sequence),
        }
    }

    /// A message that cannot leave memory stays there; one that is to be sent is queued.
    fn stay(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.wants_sending() && !self.lookups.holds(sequence) {
            let group = self.group_of(message);
            self.cold.seat(sequence, group);
            self.dispatch(now, sequence);
        } else {
            self.cold.hold(sequence);
        }
    }

    /// The record that leads to all of a message's state: its first when nothing came since, else one
    /// that is written now. `None` when its state does not fit in one.
    fn whole_record(&mut self, now: Now, sequence: u64) -> Option<Position> {
        let message = self.table.get(sequence)?;
        let first = message.anchor();
        // What is being emptied now was looked through already, maybe.
        let stays = first.segment > self.journal.log.oldest_segment();
        if message.records.len() == 1 && (stays || !self.is_emptying()) {
            return Some(first);
        }
        let state = carried_state(message, &self.shared)?;
        Some(self.write_carried(now, first, (sequence, CARRIED_PARKED), &state))
    }

    /// A record leads to all of a message: it leaves memory, unless something happened meanwhile.
    pub(super) fn parked(&mut self, now: Now, sequence: u64, at: Position) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.records != [at] || self.cold.is_hot(sequence) || !self.may_leave(now, message) {
            self.carried(sequence, at);
            return self.stir(sequence);
        }
        if !self.shelve(sequence) {
            // A bind has some of what it owes.
            self.carried(sequence, at);
            return self.cold.hold(sequence);
        }
        let Some(message) = self.table.get(sequence) else { return };
        let mut filing = self.filing(message);
        if message.outcome.is_some() {
            // Its time has come, and it did not get a turn: it is not to come back at once.
            let later = now.wall.after(self.shared.config.limits.park_after);
            filing.due = filing.due.map(|due| due.max(later));
        }
        let slot = Slot { status: slot_status(message), at };
        self.registers.set_slot(sequence, slot);
        self.webhooks.remove(sequence);
        self.set_deadline(sequence, None);
        let filed = self.table.get_mut(sequence).and_then(|message| message.filed.take());
        if let Some(filed) = filed.filter(|filed| **filed != filing) {
            self.cold.settle(&filed, sequence);
        }
        self.cold.park(&filing, Cold { sequence, at });
        self.lookups.note_departure(sequence);
        self.table.park(sequence);
        self.stats.inc(Counter::MessagesParked);
    }

    /// The turn of a message on disk has come, or its time.
    fn wake(&mut self, now: Now, sequence: u64) {
        if let Some(message) = self.table.get(sequence) {
            let waits = message.wants_sending();
            self.cold.was_not_counted(sequence);
            if waits {
                self.dispatch(now, sequence);
            }
            self.stir(sequence);
        } else {
            self.want(now, vec![sequence], Wanted::Turn);
        }
    }

    /// An open message has been read: it is hot again.
    pub(super) fn bring_back(&mut self, now: Now, mut message: Box<Message>) {
        self.stats.inc(Counter::MessagesWoken);
        let sequence = message.envelope.sequence;
        let filing = self.filing(&message);
        let parts = message.envelope.part_count;
        self.cold.weighs(sequence, parts, &|customer| self.shared.weight_of(customer));
        self.cold.arrived(now.mono, &filing, sequence);
        message.filed = Some(Box::new(filing));
        message.recovered = sequence < self.first_sequence;
        self.contents.restore(&mut message);
        self.table.wake(message);
        self.content_woken(now, sequence);
        self.unshelve(sequence);
        self.take_up(now, sequence);
    }

    /// Does what is to be done for an open message that is in memory again, now or later.
    pub(super) fn take_up(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence) else { return };
        if message.is_closed() {
            self.close_if_done(now, sequence);
        } else if message.outcome.is_some() {
            self.rearm_webhook(now, sequence);
        } else if message.held_until().is_some() {
            self.due(now, sequence);
            self.resume_parts(now, sequence);
        } else if message.envelope.valid_until > now.wall {
            self.arm_message(now, sequence);
            self.resume_parts(now, sequence);
        } else {
            self.validity_over(now, sequence);
            if self.is_open(sequence) {
                self.grace_over(now, sequence);
            }
        }
        self.look_at_seat(now, sequence);
    }

    /// Rows that were looked for.
    pub(super) fn rows_found(&mut self, rows: Rows, found: Option<RunRows>) {
        self.cold.handle_rows(rows, found);
    }
}

/// Whether a message has ended and tells of it now.
fn is_telling(now: Now, message: &Message) -> bool {
    let told = matches!(message.webhook, Webhook::Pending { due, .. } if due <= now.wall);
    message.outcome.is_some() && told
}

/// The status of a message on disk alone, as slots have it.
pub(super) fn slot_status(message: &Message) -> u8 {
    if message.outcome.is_some() { ENDED } else { message.status() as u8 }
}

/// The first time at which something is to be done for a message.
fn due_of(message: &Message) -> Option<UnixMs> {
    let valid_until = message.envelope.valid_until;
    if message.outcome.is_some() {
        let webhook = match message.webhook {
            Webhook::Pending { due, .. } => Some(due),
            Webhook::None | Webhook::Acknowledged | Webhook::GivenUp => None,
        };
        let owed = owed_group(message).map(|(_, since)| since.after(limits::DELIVERY_LIFETIME));
        return webhook.into_iter().chain(owed).min();
    }
    if let Some(due) = message.held_until() {
        return Some(due);
    }
    let unsent = |part: &Part| matches!(part.status, PartStatus::Queued | PartStatus::Held);
    let any = message.parts_of(ALL_PARTS).iter().any(unsent);
    Some(if any { valid_until } else { valid_until.after(limits::RECEIPT_GRACE) })
}
