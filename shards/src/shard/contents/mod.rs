//! The contents of messages that are not kept: what they say lies in a log of its own, whose segments
//! are overwritten with zeros before they are used again, and in memory for as long as a message is
//! open. Pure; one per shard.
//!
//! A content has a number. It is on disk before the record that accepts its message, which names it and
//! says nothing of it itself; then the log is told whose it is, and, once the message's final status is
//! on disk, that it is nobody's. What is found at a start therefore is some open message's, or was never
//! accepted.

mod keep;

pub(super) use self::keep::{Claims, until};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use postrider_core::clock::Now;
use postrider_core::content::Content;
use postrider_core::limits;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;
use postrider_http::auth::CustomerIx;
use postrider_storage::{
    Appended, Chore, ContentRecord, Disk, Log, LogConfig, LogIoError, Lsn, OpenError, Record,
    Recovery, Replayed, SegmentId, Urgency, Write,
};

use super::customers::{OperatedTo, Operation};
use super::envelope_record::body_of;
use super::{ReplyTo, Shard, Timer};

/// How much there may be of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentsConfig {
    /// The shard.
    pub shard: u16,
    /// Octets of a segment.
    pub segment_bytes: u64,
    /// Segments at most.
    pub max_segments: u32,
    /// Octets of a batch at most.
    pub max_batch: usize,
    /// Octets of all contents, [`limits::MEMORY_PER_CONTENT`] for each among them.
    pub octets: usize,
    /// Whether segments are made before the first content comes.
    pub prepare: bool,
}

impl ContentsConfig {
    /// That of a gateway; `prepare` where the configuration has customers whose texts are not kept.
    #[must_use]
    pub fn usual(shard: u16, prepare: bool) -> Self {
        ContentsConfig {
            shard,
            segment_bytes: u64::from(limits::CONTENT_SEGMENT_MIB) << 20,
            max_segments: limits::CONTENT_SEGMENTS,
            max_batch: limits::MAX_BATCH,
            octets: limits::CONTENTS_MAX,
            prepare,
        }
    }

    /// That of the log.
    #[must_use]
    pub fn log(&self) -> LogConfig {
        LogConfig {
            shard: self.shard,
            segment_bytes: self.segment_bytes,
            max_segments: self.max_segments,
            spare_segments: limits::SPARE_SEGMENTS,
            preferred_batch: limits::PREFERRED_BATCH,
            max_batch: self.max_batch,
            lazy: limits::LAZY_COMMIT,
        }
    }
}

/// What waits until something of this log is on disk.
#[derive(Debug)]
pub(super) enum AfterContent {
    /// The message may be accepted.
    Accept {
        content: u64,
        customer: CustomerIx,
        submission: Box<Submission>,
        to: ReplyTo,
        promise: (Encoding, u8),
    },
    /// A message may say this instead.
    Replace { content: u64, customer: CustomerIx, operation: Box<Operation>, to: OperatedTo },
    /// The log knows whose the message's content is, or that it is nobody's.
    Settled { sequence: u64 },
}

/// A content that somebody needs.
#[derive(Debug)]
struct Held {
    body: Box<[u8]>,
    udh: Box<[u8]>,
    /// Its message; 0 until that is accepted.
    sequence: u64,
    until_ms: u64,
    home: SegmentId,
}

impl Held {
    fn record(&self, content: u64) -> Record<'_> {
        Record::Content(ContentRecord {
            content,
            sequence: self.sequence,
            until_ms: self.until_ms,
            body: &self.body,
            udh: &self.udh,
        })
    }

    fn octets(&self) -> usize {
        limits::MEMORY_PER_CONTENT + self.body.len() + self.udh.len()
    }
}

/// The contents that were written into one segment.
#[derive(Debug, Default)]
struct Home {
    numbers: Vec<u64>,
    /// How many of them are still needed from there.
    live: usize,
}

impl Home {
    fn has_dead(&self) -> bool {
        self.numbers.len() > self.live
    }
}

/// See the module.
#[derive(Debug)]
pub struct Contents {
    log: Log,
    config: ContentsConfig,
    held: BTreeMap<u64, Held>,
    /// By their messages, as far as those are known.
    owned: BTreeMap<u64, u64>,
    /// Of those that are held.
    octets: usize,
    /// By segment; one that was released is not here.
    homes: BTreeMap<SegmentId, Home>,
    waiting: VecDeque<(Lsn, AfterContent)>,
    last: Lsn,
    /// The last record of the start: it says what was found to be nobody's.
    begun: Lsn,
    next: u64,
    /// Segments before this one have been released.
    released: SegmentId,
    /// Since when something that nobody needs is waiting to be wiped.
    dead_since: Option<Duration>,
    /// Segments up to this one are being emptied.
    emptying: Option<SegmentId>,
    in_use: bool,
}

impl Contents {
    /// Opens the log of contents on a disk of its own.
    ///
    /// # Errors
    /// When it cannot be read or is corrupt.
    pub fn open<D: Disk>(
        disk: &mut D,
        config: ContentsConfig,
        now: Now,
    ) -> Result<(Self, Recovery), OpenError> {
        let mut found = Found::default();
        let mut replay = |replayed: Replayed<'_>| found.take(&replayed);
        let (mut log, recovery) = Log::open(disk, config.log(), now.mono, now.wall.0, &mut replay)?;
        // No file of it is used again, or removed, as it is.
        log.wipe_up_to(SegmentId(u64::MAX));
        if !recovery.quarantined.is_empty() {
            disk.wipe_quarantine()?;
        }
        let in_use = config.prepare || log.durable() > Lsn(0);
        let next = log.next_sequence().max(1);
        let last = log.durable();
        let Found { held, homes } = found;
        let octets = held.values().map(Held::octets).sum();
        let known = held.iter().filter(|(_, held)| held.sequence != 0);
        let owned = known.map(|(content, held)| (held.sequence, *content)).collect();
        let contents = Contents {
            log,
            config,
            held,
            owned,
            octets,
            homes,
            waiting: VecDeque::new(),
            last,
            begun: last,
            next,
            released: SegmentId(0),
            dead_since: Some(now.mono),
            emptying: None,
            in_use,
        };
        Ok((contents, recovery))
    }

    /// Contents that are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Octets of those, as they count against the bound.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// Things that wait for the disk.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The start is over.
    pub(super) fn begin(&mut self) {
        self.begun = self.last;
    }

    /// Whether all that the start found is on disk: the next one, from a checkpoint, does not see it.
    pub(super) fn has_begun(&self) -> bool {
        self.log.durable() >= self.begun
    }

    /// Whether everything appended is on disk.
    pub(super) fn is_settled(&self) -> bool {
        self.log.durable() >= self.last
    }

    /// Whether a content finds no room.
    pub(super) fn is_full(&self, content: &Content) -> bool {
        let (body, udh) = body_of(content);
        let reserve = u64::from(limits::CONTENT_RESERVE_SEGMENTS) * self.config.segment_bytes;
        let more = limits::MEMORY_PER_CONTENT + body.len() + udh.len();
        self.log.full()
            || self.octets + more > self.config.octets
            || self.log.room().bytes_free < reserve
    }

    /// Writes a content; gives its number.
    pub(super) fn store(&mut self, now: Duration, says: &Content) -> u64 {
        let content = self.next;
        self.next += 1;
        let home = self.log.head_segment();
        let (body, udh) = body_of(says);
        let (body, udh) = (body.into(), udh.into());
        let held = Held { body, udh, sequence: 0, until_ms: 0, home };
        let appended = self.append(now, &held.record(content), Urgency::Waited);
        self.octets += held.octets();
        self.settle(content, held, appended.at.segment);
        content
    }

    /// `after` happens once everything appended so far is on disk.
    pub(super) fn then(&mut self, after: AfterContent) {
        self.waiting.push_back((self.last, after));
    }

    /// The next thing whose records are on disk.
    pub(super) fn poll_ready(&mut self) -> Option<AfterContent> {
        let (lsn, _) = self.waiting.front()?;
        if *lsn > self.log.durable() {
            return None;
        }
        self.waiting.pop_front().map(|(_, after)| after)
    }

    /// Says whose a content is.
    pub(super) fn own(&mut self, now: Duration, content: u64, sequence: u64, until_ms: u64) {
        let Some(held) = self.held.get_mut(&content) else { return };
        (held.sequence, held.until_ms) = (sequence, until_ms);
        self.owned.insert(sequence, content);
        let record = Record::ContentOwner { content, sequence, until_ms };
        self.append(now, &record, Urgency::Lazy);
    }

    /// Nobody needs a content any more; returns whether there was one.
    pub(super) fn discard(&mut self, now: Duration, content: u64) -> bool {
        let Some(held) = self.held.remove(&content) else { return false };
        self.octets -= held.octets();
        if self.owned.get(&held.sequence) == Some(&content) {
            self.owned.remove(&held.sequence);
        }
        self.leave(held.home);
        self.dead_since.get_or_insert(now);
        let record = Record::ContentOwner { content, sequence: 0, until_ms: 0 };
        self.append(now, &record, Urgency::Lazy);
        true
    }

    /// The content of a message, if the log knows of it.
    pub(super) fn of(&self, sequence: u64) -> Option<u64> {
        self.owned.get(&sequence).copied()
    }

    /// Contents of which the log does not know whose they are.
    pub(super) fn unowned(&self) -> BTreeSet<u64> {
        let unowned = self.held.iter().filter(|(_, held)| held.sequence == 0);
        unowned.map(|(content, _)| *content).collect()
    }

    /// Whether the log knows of the message whose a content is.
    pub(super) fn is_owned(&self, content: u64) -> bool {
        self.held.get(&content).is_some_and(|held| held.sequence != 0)
    }

    /// Its log, for who writes it before the shard starts.
    pub(super) fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Octets of a segment.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.config.segment_bytes
    }

    /// Every content with its message (0: none yet) and the end of its time.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.held.iter().map(|(content, held)| (*content, held.sequence, held.until_ms))
    }

    fn append(&mut self, now: Duration, record: &Record<'_>, urgency: Urgency) -> Appended {
        self.in_use = true;
        let appended = self.log.append(record, urgency, now);
        self.last = appended.lsn;
        appended
    }

    fn settle(&mut self, content: u64, held: Held, home: SegmentId) {
        let entry = self.homes.entry(home).or_default();
        entry.numbers.push(content);
        entry.live += 1;
        self.held.insert(content, Held { home, ..held });
    }

    fn leave(&mut self, home: SegmentId) {
        if let Some(home) = self.homes.get_mut(&home) {
            home.live = home.live.saturating_sub(1);
        }
    }

    /// Gives segments back in which nothing is needed, and empties others when something that nobody
    /// needs has lain in them for long, or when segments run short.
    pub(super) fn tidy(&mut self, now: Duration) {
        if self.emptying.is_none() && (self.is_due(now) || self.runs_short()) {
            self.begin_emptying(now);
        }
        if let Some(last) = self.emptying {
            self.carry(now, last);
        }
        let live = self.homes.iter().find(|(_, home)| home.live > 0).map(|(segment, _)| *segment);
        let head = self.log.head_segment();
        let needed = live.unwrap_or(head).min(head);
        if needed > self.released {
            self.log.release_before(needed);
            self.homes = self.homes.split_off(&needed);
            self.released = needed;
        }
    }

    fn is_due(&self, now: Duration) -> bool {
        self.dead_since.is_some_and(|since| now >= since + limits::CONTENT_WIPE_AFTER)
    }

    /// Whether half of the segments are used, and not by what is needed: that fills a quarter.
    fn runs_short(&self) -> bool {
        let room = self.log.room();
        room.used_segments > room.max_segments / 2 && self.homes.values().any(Home::has_dead)
    }

    fn begin_emptying(&mut self, now: Duration) {
        self.dead_since = None;
        let dead = self.homes.iter().rev().find(|(_, home)| home.has_dead());
        let Some(last) = dead.map(|(segment, _)| *segment) else { return };
        if last == self.log.head_segment() {
            self.last = self.log.roll(now);
        }
        self.emptying = Some(last);
    }

    /// Writes what is still needed from segments up to `last` again, a share each turn.
    fn carry(&mut self, now: Duration, last: SegmentId) {
        for _ in 0..limits::CONTENTS_PER_TURN {
            if self.log.pending_bytes() > self.config.max_batch {
                return;
            }
            let mut homes = self.homes.range_mut(..=last);
            let Some((home, content)) = homes.find_map(|(home, own)| {
                (own.live > 0).then(|| own.numbers.pop()).flatten().map(|content| (*home, content))
            }) else {
                self.emptying = None;
                return;
            };
            if self.held.get(&content).is_none_or(|held| held.home != home) {
                continue;
            }
            let Some(held) = self.held.remove(&content) else { continue };
            let appended = self.append(now, &held.record(content), Urgency::Lazy);
            self.leave(home);
            self.settle(content, held, appended.at.segment);
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let due = self.dead_since.map(|since| since + limits::CONTENT_WIPE_AFTER);
        let busy = self.emptying.is_some() && self.log.pending_bytes() <= self.config.max_batch;
        let on = busy.then_some(Duration::ZERO);
        [self.log.poll_timeout(), due, on].into_iter().flatten().min()
    }
}

/// What the records of the log leave, for a start and for the offline tools.
#[derive(Default)]
pub(crate) struct Found {
    held: BTreeMap<u64, Held>,
    homes: BTreeMap<SegmentId, Home>,
}

impl Found {
    /// Contents that somebody needs.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Takes the next record.
    pub(crate) fn take(&mut self, replayed: &Replayed<'_>) {
        if let Record::Content(ContentRecord { content, sequence, until_ms, body, udh }) =
            *replayed.record
        {
            let home = replayed.at.segment;
            let (body, udh) = (body.into(), udh.into());
            self.leave(content);
            self.held.insert(content, Held { body, udh, sequence, until_ms, home });
            let home = self.homes.entry(home).or_default();
            home.numbers.push(content);
            home.live += 1;
        } else if let Record::ContentOwner { content, sequence, until_ms } = *replayed.record {
            if sequence == 0 {
                self.leave(content);
            } else if let Some(held) = self.held.get_mut(&content) {
                (held.sequence, held.until_ms) = (sequence, until_ms);
            }
        }
    }

    fn leave(&mut self, content: u64) {
        let home = self.held.remove(&content).map(|held| held.home);
        if let Some(home) = home.and_then(|home| self.homes.get_mut(&home)) {
            home.live = home.live.saturating_sub(1);
        }
    }
}

impl Shard {
    /// The next batch for the disk of contents; one is in flight at a time.
    pub fn poll_content_write(&mut self, now: Now) -> Option<Write> {
        self.contents.log.poll_write(now.mono)
    }

    /// That batch is on disk, or failed.
    pub fn handle_content_written(
        &mut self,
        now: Now,
        write: Write,
        result: Result<(), LogIoError>,
    ) {
        self.contents.log.handle_written(now.mono, write, result);
        self.pump(now);
    }

    /// The next piece of slow work on the disk of contents, for a helper thread; one at a time.
    pub fn poll_content_chore(&mut self) -> Option<Chore> {
        if self.contents.in_use { self.contents.log.poll_chore() } else { None }
    }

    /// Octets of a segment there, for [`Chore::run`].
    #[must_use]
    pub fn content_segment_bytes(&self) -> u64 {
        self.contents.segment_bytes()
    }

    /// A piece of slow work on the disk of contents is done, or failed.
    pub fn handle_content_chore(&mut self, now: Now, chore: Chore, result: Result<(), LogIoError>) {
        if result.is_err() {
            self.wheel.insert(now.mono + Duration::from_secs(1), Timer::Chores);
        }
        self.contents.log.handle_chore(chore, result);
        self.pump(now);
    }

    /// The error that stopped the log of contents for good.
    pub(super) fn contents_poisoned(&self) -> Option<&LogIoError> {
        self.contents.log.poisoned()
    }

    pub(super) fn retry_content_chores(&mut self) {
        self.contents.log.retry_chores();
    }

    pub(super) fn contents_timeout(&self) -> Option<Duration> {
        self.contents.poll_timeout()
    }
}
