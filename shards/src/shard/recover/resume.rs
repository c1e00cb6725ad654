//! Taking up what was under way when the process ended, once the shard is as its log tells. Part of
//! its start.

use postrider_core::clock::Now;
use postrider_core::lifecycle::PartStatus;
use postrider_storage::{Disk, LogIoError, LookUpError, Position, search};

use crate::shard::Shard;
use crate::shard::deliveries::receipt::owed_since;
use crate::shard::fetch::Fetch;
use crate::shard::message::ALL_PARTS;
use crate::shard::table::PartRef;
use crate::stats::Counter;

impl Shard {
    /// Records came after the one that closed their message: it is closed anew with them.
    pub(super) fn resume_late<D: Disk>(
        &mut self,
        disk: &mut D,
        now: Now,
        sequence: u64,
        places: Vec<Position>,
    ) -> Result<(), LogIoError> {
        let slot = known(search::run(self.registers.slot(sequence), disk))?;
        let Some(slot) = slot.flatten() else { return Ok(()) };
        let fetch = Fetch::new(sequence, slot.at).with_later(places);
        if let Some(mut message) = known(search::run(fetch, disk))? {
            self.contents.restore(&mut message);
            self.table.wake(message);
            self.content_woken(now, sequence);
            self.close_if_done(now, sequence);
        }
        Ok(())
    }

    /// Takes up what was under way: parts without an answer are queued again, deadlines armed,
    /// webhooks and parked receipts scheduled.
    pub(super) fn resume_all(&mut self, now: Now) {
        let mut owed = Vec::new();
        for sequence in self.table.sequences() {
            let Some(message) = self.table.publish(sequence) else { continue };
            message.recovered = true;
            owed.extend(message.owed.iter().filter_map(|receipt| {
                owed_since(message, *receipt).map(|since| (since, sequence, *receipt))
            }));
            if message.is_closed() {
                self.close_if_done(now, sequence);
            } else if message.outcome.is_some() {
                self.rearm_webhook(now, sequence);
            } else {
                self.arm_message(now, sequence);
                self.resume_parts(now, sequence);
            }
        }
        self.resume_deliveries(owed);
        self.resume_inbound(now);
        for orphan in self.orphans.numbers() {
            self.schedule_look(now, orphan);
        }
    }

    /// Queues what was not sent, and does what is to be done with what nobody can tell whether it
    /// was.
    fn resume_parts(&mut self, now: Now, sequence: u64) {
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
