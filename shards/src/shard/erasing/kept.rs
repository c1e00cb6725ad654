//! What is to be forgotten in logs that no shard writes to any more. Their keeper's own log says so, and
//! calls their messages by the numbers that it would know them by. Part of the shard's machine.

use std::collections::VecDeque;

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::sequence;
use postrider_http::problem::Problem;
use postrider_storage::{Lsn, Record};

use super::pass::KeptLog;
use crate::shard::fetch::ShowTo;
use crate::shard::message::Message;
use crate::shard::{After, Shard, Timer};

impl Shard {
    /// What a pass has to look for in the logs that this shard keeps.
    pub(super) fn kept_logs(&self, up_to: Lsn) -> VecDeque<KeptLog> {
        let own = self.id.0;
        let kept = self.archives.kept.iter().map(|archive| {
            let number = |name| sequence::moved(name, own, archive.log);
            KeptLog {
                log: archive.log,
                segments: archive.files().map(|file| file.id).collect(),
                erasing: Box::new(self.erasures.erasing(up_to, number)),
            }
        });
        kept.collect()
    }

    /// Whether a message of a kept log is redacted, and its records still hold everything.
    pub(super) fn is_told_of(&self, log: u16, number: u64) -> bool {
        log != self.id.0 && self.erasures.is_told(sequence::moved(number, log, self.id.0))
    }

    /// A message that is to be redacted was found in a kept log.
    pub(in crate::shard) fn redact_kept(
        &mut self,
        now: Now,
        to: ShowTo,
        log: u16,
        message: &Message,
    ) {
        if message.envelope.redacted {
            return self.redacted(to, Ok(()));
        }
        if !self.erasures.has_room_for_message() {
            return self.redacted(to, Err(Problem::overloaded(60)));
        }
        let sequence = sequence::moved(message.envelope.sequence, log, self.id.0);
        let record = Record::Redacted { sequence, at_ms: now.wall.0 };
        let appended = self.journal.append(now.mono, &record);
        self.journal.then(After::Redacted { to });
        self.erasures.tell(sequence, (appended.lsn, appended.at.segment), now.wall);
        self.wheel.insert(now.mono + limits::REDACTIONS_GATHERED, Timer::Erasure);
    }
}
