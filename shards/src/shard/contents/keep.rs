//! Messages whose contents are not kept: from the disk to their acceptance, back to them after a start
//! or a time on disk, and away once they are final. Part of the shard's machine.

use std::collections::{BTreeMap, BTreeSet};

use postrider_core::clock::{Now, UnixMs};
use postrider_core::content::Content;
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::limits;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::auth::CustomerIx;

use super::{AfterContent, Contents, Found, Held};
use crate::shard::customers::{OperatedTo, Operation};
use crate::shard::message::{Envelope, Event, Message};
use crate::shard::table::PartRef;
use crate::shard::{ReplyTo, Shard};
use crate::stats::{Counter, Gauge};

/// What the timeline says of a part that cannot be sent any more.
const LOST: &[u8] = b"content_lost";

impl Contents {
    /// Gives an open message back what it says; one whose content is not there stays without.
    pub(in crate::shard) fn restore(&self, message: &mut Message) {
        restore(&self.held, message);
    }
}

impl Found {
    /// The same, for the offline tools.
    pub(in crate::shard) fn restore(&self, message: &mut Message) {
        restore(&self.held, message);
    }
}

/// Messages by contents that records name, with the ends of their times.
pub(in crate::shard) type Claims = BTreeMap<u64, (u64, UnixMs)>;

fn restore(contents: &BTreeMap<u64, Held>, message: &mut Message) {
    let envelope = &mut message.envelope;
    if message.outcome.is_some() || envelope.redacted {
        return;
    }
    let Some(apart) = envelope.apart else { return };
    let Some(held) = contents.get(&apart.content()) else { return };
    if let Some(found) = apart.read(&held.body, envelope.data_coding, &held.udh) {
        envelope.content = found;
    }
}

impl Shard {
    /// Puts what a message says on disk; it is accepted once it is there.
    pub(in crate::shard) fn store_content(
        &mut self,
        now: Now,
        customer: CustomerIx,
        submission: Box<Submission>,
        to: ReplyTo,
        promise: (Encoding, u8),
    ) {
        let content = self.contents.store(now.mono, &submission.content);
        let after = AfterContent::Accept { content, customer, submission, to, promise };
        self.contents.then(after);
    }

    /// Puts what a message is to say instead on disk, when it is one whose content is not kept; gives
    /// the operation back when there is nothing to wait for.
    pub(in crate::shard) fn store_replacement(
        &mut self,
        now: Now,
        customer: CustomerIx,
        operation: Box<Operation>,
        to: OperatedTo,
    ) -> Option<Box<Operation>> {
        let Some(replacement) = self.replacement_apart(now, customer, &operation) else {
            return Some(operation);
        };
        if self.contents.is_full(&replacement) {
            return Some(operation);
        }
        let content = self.contents.store(now.mono, &replacement);
        self.contents.then(AfterContent::Replace { content, customer, operation, to });
        None
    }

    /// Lets what waited for contents happen, and keeps their log in its bounds.
    pub(in crate::shard) fn pump_contents(&mut self, now: Now) {
        while let Some(after) = self.contents.poll_ready() {
            match after {
                AfterContent::Accept { content, customer, submission, to, promise } => {
                    self.accept_now(now, customer, submission, to, (promise, Some(content)));
                }
                AfterContent::Replace { content, customer, mut operation, to } => {
                    operation.stored = Some(content);
                    self.perform_stored(now, customer, operation, to);
                }
                AfterContent::Settled { sequence } => self.content_settled(now, sequence),
            }
        }
        self.contents.tidy(now.mono);
    }

    /// A message was accepted, or its replacement is on disk: the content is its own from here on.
    pub(in crate::shard) fn own_content(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        let Some(apart) = message.envelope.apart else { return };
        let until = until(&message.envelope);
        message.contents_under_way += 1;
        self.contents.own(now.mono, apart.content(), sequence, until.0);
        self.contents.then(AfterContent::Settled { sequence });
    }

    /// The final status of a message is on disk: nothing needs to know what it said.
    pub(in crate::shard) fn discard_content(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get_mut(sequence) else {
            // It has left memory since.
            if let Some(content) = self.contents.of(sequence) {
                self.free_content(now, content);
            }
            return;
        };
        let Some(apart) = message.envelope.apart else { return };
        message.envelope.content = Content::Discarded;
        // A record that was redacted does not tell it any more.
        let content = self.contents.of(sequence).unwrap_or(apart.content());
        if self.contents.discard(now.mono, content) {
            self.stats.inc(Counter::ContentsDiscarded);
            message.contents_under_way += 1;
            self.contents.then(AfterContent::Settled { sequence });
        } else {
            self.close_if_done(now, sequence);
        }
    }

    /// A content that its message does not name any more, or never will.
    pub(in crate::shard) fn free_content(&mut self, now: Now, content: u64) {
        self.contents.discard(now.mono, content);
    }

    fn content_settled(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        message.contents_under_way = message.contents_under_way.saturating_sub(1);
        self.close_if_done(now, sequence);
    }

    /// At a start: discards what is nobody's, gives open messages what they say, and ends the parts that
    /// nothing is left to send of.
    /// `found`: contents that the log of messages names, of those whose owners were not on record.
    /// `gone`: messages that another shard has by now.
    pub(in crate::shard) fn resume_contents(
        &mut self,
        now: Now,
        found: &Claims,
        gone: &BTreeSet<u64>,
    ) {
        let claims: Vec<(u64, u64)> = self
            .table
            .sequences()
            .into_iter()
            .filter_map(|sequence| {
                let apart = self.table.get(sequence)?.envelope.apart?;
                Some((apart.content(), sequence))
            })
            .collect();
        let claimed: BTreeSet<u64> = claims.iter().map(|(content, _)| *content).collect();
        for (content, (sequence, until)) in found {
            self.contents.own(now.mono, *content, *sequence, until.0);
        }
        for (content, sequence, until) in self.contents.all().collect::<Vec<_>>() {
            // Of a message that is not in memory: it is open, and on disk only. One that was moved away
            // and back has a newer one.
            let elsewhere = self.contents.of(sequence) == Some(content)
                && !self.table.has(sequence)
                && !gone.contains(&sequence);
            let late = UnixMs(until).after(limits::CONTENT_UNCLAIMED) <= now.wall;
            if !claimed.contains(&content) && (!elsewhere || late) {
                self.contents.discard(now.mono, content);
            }
        }
        for (content, sequence) in claims {
            let Some(message) = self.table.get_mut(sequence) else { continue };
            self.contents.restore(message);
            if message.outcome.is_some() {
                self.discard_content(now, sequence);
            } else if message.envelope.content == Content::Discarded && !message.envelope.redacted {
                self.end_without_content(now, sequence);
            } else if !self.contents.is_owned(content) {
                self.own_content(now, sequence);
            }
        }
        self.contents.begin();
    }

    /// Nothing is left to send of an open message: damage has taken it.
    fn end_without_content(&mut self, now: Now, sequence: u64) {
        self.stats.inc(Counter::ContentsLost);
        let Some(message) = self.table.get(sequence) else { return };
        let unsent = |status| matches!(status, PartStatus::Queued | PartStatus::Held);
        let parts = message.parts.iter().zip(0u8..).filter(|(part, _)| unsent(part.status));
        for part in parts.map(|(_, index)| index).collect::<Vec<_>>() {
            if self.table.get(sequence).is_some_and(|message| message.outcome.is_none()) {
                let part = PartRef { sequence, part };
                let event = self.event(now, part, PartEvent::Failed);
                self.part_event(now, sequence, Event { detail: LOST.into(), ..event }, true);
            }
        }
    }

    /// A message came back from the disk: what was not yet done for its end is done now.
    pub(in crate::shard) fn content_woken(&mut self, now: Now, sequence: u64) {
        let ended = self.table.get(sequence).is_some_and(|message| message.outcome.is_some());
        if ended && self.contents.of(sequence).is_some() {
            self.discard_content(now, sequence);
        }
    }

    pub(in crate::shard) fn publish_contents(&self) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.stats.set(Gauge::Contents, count(self.contents.len()));
        self.stats.set(Gauge::ContentOctets, count(self.contents.octets()));
    }
}

/// When nobody can need what a message says any more.
pub(in crate::shard) fn until(envelope: &Envelope) -> UnixMs {
    envelope.valid_until.after(limits::RECEIPT_GRACE)
}
