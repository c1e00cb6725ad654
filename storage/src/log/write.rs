//! The hot path of the log: append, group commit, outcome. Pure, lives nowhere; one per shard.

use std::time::Duration;

use crate::disk::{LogIoError, SegmentId};
use crate::record::{ContentRecord, RECORD_BYTES_MAX, Record};

use super::batch::{Batch, HEADER, Place, Stamp};
use super::{Appended, InFlight, Log, Lsn, Urgency, Write};

/// Buffers kept for use again: one in flight, one being built, one to spare.
const BUFFERS_KEPT: usize = 3;

impl Log {
    /// Appends a record to the batch being built and returns its number and place. It is safe once
    /// [`Log::durable`] has reached that number. On a poisoned log it is dropped.
    ///
    /// # Panics
    /// When the record is larger than [`RECORD_BYTES_MAX`].
    pub fn append(&mut self, record: &Record<'_>, urgency: Urgency, now: Duration) -> Appended {
        let len = record.encoded_len();
        assert!(len <= RECORD_BYTES_MAX, "a record of {len} bytes is over the limit");
        if self.poisoned.is_some() {
            return Appended { lsn: self.take_lsn(), at: self.place.at(0), len };
        }
        if self.building.as_ref().is_some_and(|batch| !batch.fits(len)) {
            self.close_building();
        }
        if self.building.is_none() {
            self.building = Some(self.begin_batch(len, now));
        }
        let Some(batch) = &mut self.building else { panic!("a batch has just been begun") };
        let at = batch.push(record, len);
        batch.waited |= urgency == Urgency::Waited;
        self.note_sequence(record);
        Appended { lsn: self.take_lsn(), at, len }
    }

    /// The next batch to write, when one is due. At most one is out at a time: the next comes after
    /// [`Log::handle_written`]. `None` also while the batch's segment is not there yet
    /// ([`Log::starved`]) and for ever once the log is poisoned.
    pub fn poll_write(&mut self, now: Duration) -> Option<Write> {
        if self.poisoned.is_some() || self.in_flight.is_some() {
            return None;
        }
        let batch = self.closed.front().or(self.building.as_ref())?;
        if self.closed.is_empty() && !self.is_due(batch, now) {
            return None;
        }
        let segment = batch.segment();
        if !self.segments.is_ready(segment) {
            self.times_starved += u64::from(!self.starved);
            self.starved = true;
            return None;
        }
        self.starved = false;
        if self.closed.is_empty() {
            self.close_building();
        }
        let batch = self.closed.pop_front()?;
        Some(self.send(batch, segment, now))
    }

    /// Ends the segment that is being written, unless nothing is in it yet: the mark that begins the
    /// next one is appended, waited for. Once the returned number is durable, everything appended
    /// before is in sealed segments ([`Log::is_sealed`]).
    pub fn roll(&mut self, now: Duration) -> Lsn {
        if self.poisoned.is_none() {
            self.close_building();
            if self.place.offset > 0 {
                self.begin_segment();
                let mut batch = self.begin_batch(0, now);
                batch.waited = true;
                self.building = Some(batch);
            }
        }
        Lsn(self.next_lsn.0 - 1)
    }

    /// The outcome of the write taken last. Success makes its records durable. An error poisons the
    /// log: the write is not repeated, since what a failed write left behind is not known.
    ///
    /// # Panics
    /// When `write` is not the one in flight.
    pub fn handle_written(&mut self, _now: Duration, write: Write, result: Result<(), LogIoError>) {
        let expected = self.in_flight.take().map(|sent| (sent.segment, sent.offset, sent.last_lsn));
        let Some((segment, offset, last_lsn)) = expected else {
            panic!("an outcome came without a write in flight");
        };
        assert!((segment, offset) == (write.segment, write.offset), "the outcome of another write");
        if self.poisoned.is_some() {
            return;
        }
        match result {
            Ok(()) => {
                self.durable = last_lsn;
                self.segments.note_durable(segment, last_lsn);
                if self.buffers.len() < BUFFERS_KEPT {
                    self.buffers.push(write.blocks);
                }
            }
            Err(error) => self.poison(error),
        }
    }

    /// When `poll_write` is to be called again although nothing else has happened: the time at
    /// which the oldest record that nobody waits for is due. In the past: now.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.poisoned.is_some() || self.in_flight.is_some() || self.starved {
            return None;
        }
        let batch = self.closed.front().or(self.building.as_ref())?;
        let due_now = !self.closed.is_empty() || batch.waited;
        Some(if due_now { batch.since } else { batch.since + self.config.lazy })
    }

    pub(super) fn poison(&mut self, error: LogIoError) {
        self.closed.clear();
        self.building = None;
        self.starved = false;
        self.poisoned.get_or_insert(error);
    }

    fn is_due(&self, batch: &Batch, now: Duration) -> bool {
        batch.waited
            || batch.used() >= self.config.preferred_batch
            || now >= batch.since + self.config.lazy
    }

    fn send(&mut self, batch: Batch, segment: SegmentId, now: Duration) -> Write {
        let recycled = self.segments.enter(segment);
        let last_lsn = batch.last_lsn();
        let stamp = Stamp {
            shard: self.config.shard,
            sequence: self.next_batch,
            previous_crc: self.previous_crc,
            wall_ms: self.wall_ms(now),
            recycled,
        };
        let (write, crc) = batch.finish(stamp);
        self.next_batch += 1;
        self.previous_crc = crc;
        self.in_flight = Some(InFlight { segment, offset: write.offset, last_lsn });
        write
    }

    /// A new batch with room for a record of `len` bytes: in the head segment if it fits there,
    /// else at the start of the next one, behind a mark that carries the sequence over.
    fn begin_batch(&mut self, len: usize, now: Duration) -> Batch {
        let need = (HEADER + len) as u64;
        if need > self.place.capacity - self.place.offset {
            self.begin_segment();
        }
        let blocks = self.buffers.pop().unwrap_or_default();
        let mut batch = Batch::new(self.place, self.config.max_batch, blocks, self.next_lsn, now);
        if self.place.offset == 0 {
            let (at_ms, next_sequence) = (self.wall_ms(now), self.next_sequence);
            let mark = Record::Mark { at_ms, next_sequence, clean: false };
            batch.push(&mark, mark.encoded_len());
            self.take_lsn();
        }
        batch
    }

    /// The next batch goes to the start of the next segment.
    fn begin_segment(&mut self) {
        self.place = Place {
            segment: self.place.segment.next(),
            offset: 0,
            capacity: self.config.segment_bytes,
        };
    }

    fn close_building(&mut self) {
        if let Some(batch) = self.building.take() {
            self.place = batch.end();
            self.closed.push_back(batch);
        }
    }

    fn take_lsn(&mut self) -> Lsn {
        let lsn = self.next_lsn;
        self.next_lsn = Lsn(lsn.0 + 1);
        lsn
    }

    fn note_sequence(&mut self, record: &Record<'_>) {
        self.next_sequence = self.next_sequence.max(next_sequence_after(record));
    }

    fn wall_ms(&self, now: Duration) -> u64 {
        let (opened, wall_ms) = self.opened;
        let since = u64::try_from(now.saturating_sub(opened).as_millis()).unwrap_or(u64::MAX);
        wall_ms.saturating_add(since)
    }
}

/// The next free message number as far as one record tells; 0 when it tells nothing.
pub(super) fn next_sequence_after(record: &Record<'_>) -> u64 {
    match *record {
        Record::Accepted { sequence, .. } | Record::Carried { sequence, .. } => {
            sequence.saturating_add(1)
        }
        Record::Mark { next_sequence, .. } => next_sequence,
        // Contents have a log of their own, whose marks count them.
        Record::Content(ContentRecord { content, .. }) => content.saturating_add(1),
        Record::Part { .. }
        | Record::Webhook { .. }
        | Record::Orphan { .. }
        | Record::OrphanClosed { .. }
        | Record::Replaced { .. }
        | Record::CustomerReceipt { .. }
        | Record::Inbound(_)
        | Record::InboundClosed { .. }
        | Record::Closed { .. }
        | Record::Erased { .. }
        | Record::Epoch { .. }
        | Record::Redacted { .. }
        | Record::OptOut { .. }
        | Record::Moving { .. }
        | Record::ContentOwner { .. } => 0,
    }
}
