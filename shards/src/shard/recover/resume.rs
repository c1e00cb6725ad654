//! Taking up what was under way when the process ended, once the shard is as its log tells. Part of
//! its start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lifecycle::PartStatus;
use postrider_storage::{Disk, LogIoError, LookUpError, Position, search};

use crate::shard::Shard;
use crate::shard::cold::receipts::PartName;
use crate::shard::contents::Claims;
use crate::shard::deliveries::receipt::owed_since;
use crate::shard::fetch::Fetch;
use crate::shard::message::{ALL_PARTS, Message};
use crate::shard::table::PartRef;
use crate::stats::Counter;

use super::replay::LeftOut;

/// What a replay leaves to be done once the shard is made.
pub(super) struct Left {
    /// A change of the number of shards was begun and is not to be.
    pub(super) broken_off: bool,
    /// Contents of which nobody knew whose they are.
    pub(super) claims: Claims,
    /// Messages that another shard has by now.
    pub(super) gone: BTreeSet<u64>,
    pub(super) out: LeftOut,
    /// Records of messages that are not in memory.
    pub(super) late: BTreeMap<u64, Vec<Position>>,
    /// What carriers called parts last.
    pub(super) names: VecDeque<(PartName, PartRef)>,
}

impl Shard {
    /// Takes up what was under way.
    pub(super) fn resume_from<D: Disk>(
        &mut self,
        disk: &mut D,
        now: Now,
        left: Left,
    ) -> Result<(), LogIoError> {
        self.shared.senders.begin(now.mono);
        if left.broken_off {
            self.repeat_epoch(now);
        }
        self.registers.replayed();
        self.registers.release_before(self.journal.log.oldest_segment());
        self.resume_contents(now, &left.claims, &left.gone);
        self.forget(now);
        self.resume_all(now);
        self.resume_erasures(now);
        for (sequence, places) in left.late {
            self.resume_late(disk, now, &left.out, (sequence, places))?;
        }
        match left.out {
            LeftOut::These(messages) => self.resume_left(disk, now, messages)?,
            LeftOut::AllOnDisk => self.resume_cold(disk, now)?,
        }
        // Those that were brought from the disk meanwhile.
        self.forget(now);
        self.resume_names(now, left.names);
        Ok(())
    }

    /// Records came of a message that is not in memory: they are added to what its slot leads to.
    fn resume_late<D: Disk>(
        &mut self,
        disk: &mut D,
        now: Now,
        out: &LeftOut,
        (sequence, places): (u64, Vec<Position>),
    ) -> Result<(), LogIoError> {
        let slot = known(search::run(self.registers.slot(sequence), disk))?;
        let Some(slot) = slot.flatten() else { return Ok(()) };
        let fetch = Fetch::new(sequence, slot.at).with_later(places);
        if let Some(message) = known(search::run(fetch, disk))? {
            if out.has(sequence) && message.listed == 0 {
                self.table.count_cold((1, message.bytes.into()));
            }
            self.resume_read(now, message);
        }
        Ok(())
    }

    /// Takes a message into memory that was read from the disk, and takes it up.
    pub(super) fn resume_read(&mut self, now: Now, mut message: Box<Message>) {
        let sequence = message.envelope.sequence;
        self.contents.restore(&mut message);
        let open = message.listed == 0;
        self.table.wake(message);
        self.content_woken(now, sequence);
        if open {
            let owed = self.resume_message(now, sequence);
            self.resume_deliveries(owed);
        } else {
            self.close_if_done(now, sequence);
        }
    }

    /// Takes up what was under way: parts without an answer are queued again, deadlines armed,
    /// webhooks and parked receipts scheduled.
    fn resume_all(&mut self, now: Now) {
        let mut owed = Vec::new();
        for sequence in self.table.sequences() {
            owed.extend(self.resume_message(now, sequence));
        }
        self.resume_deliveries(owed);
        self.resume_inbound(now);
        for orphan in self.orphans.numbers() {
            self.schedule_look(now, orphan);
        }
    }

    /// Takes up one message; gives the receipts that its customer is owed.
    fn resume_message(&mut self, now: Now, sequence: u64) -> Vec<(UnixMs, u64, u16)> {
        let Some(message) = self.table.publish(sequence) else { return Vec::new() };
        message.recovered = true;
        let owed = message.owed.iter().filter_map(|receipt| {
            owed_since(message, *receipt).map(|since| (since, sequence, *receipt))
        });
        let owed = owed.collect();
        let ids: Vec<(u8, u32, Box<[u8]>)> =
            message.carrier_ids().map(|(part, carrier, id)| (part, carrier, id.into())).collect();
        for (part, carrier, id) in ids {
            self.note_name(now, carrier, &id, sequence, part);
        }
        self.take_up(now, sequence);
        owed
    }

    /// Names of parts of messages that are not in memory: late receipts find them.
    fn resume_names(&mut self, now: Now, names: VecDeque<(PartName, PartRef)>) {
        for (name, PartRef { sequence, part }) in names {
            if !self.table.has(sequence) {
                self.cold.named(now.mono, name, sequence, part);
            }
        }
    }

    /// Queues what was not sent, and does what is to be done with what nobody can tell whether it
    /// was.
    pub(in crate::shard) fn resume_parts(&mut self, now: Now, sequence: u64) {
        for part in self.spread(PartRef { sequence, part: ALL_PARTS }) {
            let Some(held) = self.part(part) else { continue };
            if held.status == PartStatus::Queued && held.attempted {
                let carrier = held.carrier;
                self.stats.inc(Counter::PartsOutcomeUnknown);
                self.note_unknown(now, carrier, part);
            } else if held.status == PartStatus::OutcomeUnknown {
                self.settle_unknown(now, part);
            }
        }
        if self.table.get(sequence).is_some_and(|message| message.next_sendable().is_some()) {
            self.dispatch(now, sequence);
        }
    }
}

/// What a search found; nothing when it met what is gone or damaged.
pub(super) fn known<T>(found: Result<T, LookUpError>) -> Result<Option<T>, LogIoError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(LookUpError::Search(_)) => Ok(None),
        Err(LookUpError::Io(error)) if error.is_missing() => Ok(None),
        Err(LookUpError::Io(error)) => Err(error),
    }
}
