//! A log of random messages of a few customers to a few recipients, and what is known of them.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::HashMap;
use std::time::Duration;

use postrider_storage::erase::{self, Erasing, Prepared, recipient_hash};
use postrider_storage::{
    Appended, Asked, CARRIED_PARKED, Disk, ERASED_CUSTOMER, ERASED_RECIPIENT, Frames,
    InboundRecord, Log, LogConfig, OpenError, Position, REDACTED, ReadBack, Record, RecordKind,
    Recovery, Replayed, SegmentId, Urgency, inspect, read_record,
};

use crate::common::{self, Choices, WALL_MS, content, encoded};

pub(crate) const KEY: [u8; 16] = *b"key of the house";
pub(crate) const RECIPIENTS: usize = 9;

const ZERO: Duration = Duration::ZERO;

pub(crate) fn config() -> LogConfig {
    LogConfig { max_segments: 7, spare_segments: 2, ..common::config() }
}

/// Segment, number, bytes: the records as they are on the disk.
pub(crate) type Seen = Vec<(SegmentId, u64, Vec<u8>)>;

pub(crate) fn open<D: Disk>(disk: &mut D) -> Result<(Log, Recovery, Seen), OpenError> {
    let mut seen = Vec::new();
    let mut replay = |Replayed { at, lsn, record, .. }: Replayed<'_>| {
        seen.push((at.segment, lsn.0, encoded(record)));
    };
    let (log, recovery) = Log::open(disk, config(), ZERO, WALL_MS, &mut replay)?;
    Ok((log, recovery, seen))
}

pub(crate) fn decoded(bytes: &[u8]) -> Option<Record<'_>> {
    let frame = Frames::new(bytes).next().unwrap().unwrap();
    Record::decode(frame.kind, frame.version, frame.body).unwrap()
}

pub(crate) fn numbers() -> [u64; RECIPIENTS] {
    std::array::from_fn(|nth| 447_700_910_017 + nth as u64 * 1_313)
}

pub(crate) fn recipient(hash: u128, customer: u32, until_ms: u64) -> Record<'static> {
    Record::Erased { at_ms: WALL_MS, scope: ERASED_RECIPIENT, hash, customer, until_ms }
}

pub(crate) fn customer(customer: u32) -> Record<'static> {
    Record::Erased { at_ms: WALL_MS, scope: ERASED_CUSTOMER, hash: 0, customer, until_ms: u64::MAX }
}

/// Does all that an erasure takes; an error stops it.
pub(crate) fn erase_all<D: Disk>(
    log: &mut Log,
    disk: &mut D,
    erasing: &mut Erasing,
) -> Result<Prepared, OpenError> {
    let head = log.head_segment();
    log.wipe_up_to(head);
    drive(log, disk);
    log.roll(ZERO);
    drive(log, disk);
    if let Some(error) = log.poisoned() {
        return Err(OpenError::Io(error.clone()));
    }
    let ready = log.is_sealed(head) && !log.wiping();
    if !ready {
        assert!(log.full(), "only a full disk holds it up");
        return Err(OpenError::Config("full"));
    }
    erasing.recycled();
    inspect(disk, &config(), &mut |replayed: Replayed<'_>| erasing.note(replayed.record))?;
    let mut files = disk.list()?;
    files.sort_unstable_by_key(|file| std::cmp::Reverse(file.id));
    let mut all = Prepared::default();
    for file in files.into_iter().filter(|file| log.is_sealed(file.id)) {
        let done = erase::rewrite(disk, config().shard, file, erasing)?;
        all.records += done.records;
        all.bytes_dropped += done.bytes_dropped;
    }
    disk.wipe_quarantine()?;
    Ok(all)
}

/// Does all chores and writes that are due, until nothing more can be done.
pub(crate) fn drive<D: Disk>(log: &mut Log, disk: &mut D) {
    loop {
        if let Some(chore) = log.poll_chore() {
            let done = chore.run(disk, config().segment_bytes);
            log.handle_chore(chore, done);
        } else if let Some(write) = log.poll_write(Duration::from_secs(1)) {
            let done = disk.write_sync(write.segment, write.offset, write.blocks.as_bytes());
            log.handle_written(ZERO, write, done);
        } else {
            return;
        }
    }
}

/// A record with what is personal in it.
struct Written {
    at: Position,
    bytes: Vec<u8>,
    /// The message, and its recipient and customer; `None`: nobody's.
    whose: Option<(u64, u64, u32)>,
    personal: Vec<Vec<u8>>,
}

pub(crate) struct World {
    choices: Choices,
    next: u64,
    written: Vec<Written>,
    /// Messages that are open: sequence, recipient, customer, packed position of the anchor.
    open: Vec<(u64, u64, u32, u64)>,
    avoid: Vec<u64>,
}

/// An erasure, and every string that must be gone.
pub(crate) struct Plan {
    pub(crate) erasing: Erasing,
    pub(crate) needles: Vec<Vec<u8>>,
    recipients: Vec<u64>,
    customers: Vec<u32>,
    messages: Vec<u64>,
}

impl Plan {
    fn means(&self, record: &Written) -> bool {
        record.whose.is_some_and(|(sequence, to, customer)| {
            self.recipients.contains(&to)
                || self.customers.contains(&customer)
                || self.messages.contains(&sequence)
        })
    }
}

/// Something personal that is nowhere else.
fn text(what: &str, sequence: u64, size: usize) -> Vec<u8> {
    let mut text = format!("{what} of {sequence:08x}: ").into_bytes();
    text.extend(content(sequence, size).iter().map(|octet| b'a' + octet % 26));
    text
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let choices = Choices(seed | 1);
        Self { choices, next: 1, written: Vec::new(), open: Vec::new(), avoid: Vec::new() }
    }

    /// Appends records, and writes them; the oldest segments go when the room is used up.
    pub(crate) fn fill<D: Disk>(&mut self, log: &mut Log, disk: &mut D, records: usize) {
        drive(log, disk);
        for _ in 0..records.div_ceil(5) {
            self.append(log, 5);
            drive(log, disk);
            if log.live_segments() > 4 {
                let oldest = SegmentId(log.oldest_segment().0 + 1);
                log.release_before(oldest);
                self.written.retain(|record| record.at.segment >= oldest);
            }
        }
        // What was released for this is on its way to become spares.
        log.append(&Record::Epoch { at_ms: 1, epoch: 1, shards: 1 }, Urgency::Waited, ZERO);
        drive(log, disk);
    }

    /// Appends records of random messages.
    pub(crate) fn append(&mut self, log: &mut Log, records: usize) {
        for _ in 0..records {
            match self.choices.next(10) {
                0..4 => self.accepted(log),
                4 => self.inbound(log),
                5 => self.orphan(log),
                6 => self.carried(log),
                7 => self.replaced(log),
                8 => self.part(log, true),
                _ => self.part(log, false),
            }
        }
    }

    fn put(
        &mut self,
        log: &mut Log,
        record: &Record<'_>,
        whose: Option<(u64, u64, u32)>,
        personal: Vec<Vec<u8>>,
    ) -> Position {
        let Appended { at, .. } = log.append(record, Urgency::Lazy, ZERO);
        self.written.push(Written { at, bytes: encoded(record), whose, personal });
        at
    }

    fn accepted(&mut self, log: &mut Log) {
        let sequence = self.next;
        self.next += 1;
        let (to, customer) = (self.number(), 1 + self.choices.next(3) as u32);
        let size = self.choices.next(4_000);
        let own = Own::new(sequence, size);
        let record = own.accepted(sequence, to, customer);
        let mut personal = own.personal();
        personal.push(to.to_le_bytes().to_vec());
        let at = self.put(log, &record, Some((sequence, to, customer)), personal);
        self.open.push((sequence, to, customer, at.pack()));
    }

    fn replaced(&mut self, log: &mut Log) {
        let Some((sequence, to, customer, _)) = self.any_open() else { return };
        let body = text("another text", sequence, self.choices.next(900));
        let record = replaced(sequence, &body);
        self.put(log, &record, Some((sequence, to, customer)), vec![body.clone()]);
    }

    fn carried(&mut self, log: &mut Log) {
        let Some((sequence, to, customer, from)) = self.any_open() else { return };
        let own = Own::new(sequence, self.choices.next(3_000));
        let (words, body) = (format!("to {to}"), text("carried text", sequence, 40));
        let mut state = encoded(&own.accepted(sequence, to, customer));
        part(sequence, words.as_bytes()).encode(&mut state);
        replaced(sequence, &body).encode(&mut state);
        let record = Record::Carried { sequence, from, reason: CARRIED_PARKED, state: &state };
        let mut personal = own.personal();
        personal.extend([to.to_le_bytes().to_vec(), to.to_string().into_bytes(), body]);
        self.put(log, &record, Some((sequence, to, customer)), personal);
    }

    fn part(&mut self, log: &mut Log, telling: bool) {
        let Some((sequence, to, customer, _)) = self.any_open() else { return };
        let whose = Some((sequence, to, customer));
        if telling {
            let words = format!("id:{sequence} sub:001 to:00{to} stat:UNDELIV");
            let personal = vec![to.to_string().into_bytes()];
            self.put(log, &part(sequence, words.as_bytes()), whose, personal);
        } else {
            // A carrier's id stays, whosever it is.
            let id = format!("{:012}", sequence * 7_777_777);
            self.put(log, &part(sequence, id.as_bytes()), whose, Vec::new());
        }
    }

    fn inbound(&mut self, log: &mut Log) {
        let sequence = self.next + (1 << 40);
        self.next += 1;
        let (from, customer) = (self.number(), 1 + self.choices.next(3) as u32);
        let (source, body) = (format!("+{from}"), text("answer", sequence, 300));
        let record = Record::Inbound(InboundRecord {
            inbound: sequence,
            carrier: 1,
            customer,
            at_ms: WALL_MS,
            source: source.as_bytes(),
            dest: b"72345",
            source_ton_npi: [1, 1],
            dest_ton_npi: [3, 0],
            data_coding: 0,
            esm_class: 0,
            protocol_id: 0,
            reference: 0,
            width: 0,
            total: 1,
            number: 1,
            udh: b"",
            body: &body,
        });
        let personal = vec![from.to_string().into_bytes(), body.clone()];
        self.put(log, &record, Some((sequence, from, customer)), personal);
    }

    fn orphan(&mut self, log: &mut Log) {
        let orphan = self.next + (1 << 41);
        self.next += 1;
        let of = self.number();
        let (source, error) = (of.to_string(), format!("nobody at {of}"));
        let record = Record::Orphan {
            orphan,
            carrier: 2,
            at_ms: WALL_MS,
            source: source.as_bytes(),
            dest: b"Acme",
            carrier_message_id: b"77AA",
            state: 2,
            error: error.as_bytes(),
        };
        self.put(log, &record, Some((orphan, of, 0)), vec![source.clone().into_bytes()]);
    }

    fn number(&mut self) -> u64 {
        loop {
            let number = numbers()[self.choices.next(RECIPIENTS)];
            if !self.avoid.contains(&number) {
                return number;
            }
        }
    }

    /// A message whose accepted record is still there.
    fn any_open(&mut self) -> Option<(u64, u64, u32, u64)> {
        let oldest = self.written.first()?.at.pack();
        self.open.retain(|(.., at)| *at >= oldest);
        let nth = self.choices.next(self.open.len().max(1));
        self.open.get(nth).copied()
    }

    /// What it takes to erase these recipients, customers and messages.
    pub(crate) fn plan(&self, recipients: &[usize], customers: &[u32], messages: &[usize]) -> Plan {
        let mut erasing = Erasing::new(KEY);
        let recipients: Vec<u64> = recipients.iter().map(|nth| numbers()[*nth]).collect();
        for number in &recipients {
            erasing.add(&recipient(recipient_hash(KEY, *number), 0, u64::MAX));
        }
        for number in customers {
            erasing.add(&customer(*number));
        }
        // Before the time of anything: asks for nothing.
        erasing.add(&recipient(recipient_hash(KEY, numbers()[4]), 0, WALL_MS - 1));
        let sequences = messages.iter().filter_map(|nth| self.open.get(*nth)).map(|open| open.0);
        let messages: Vec<u64> = sequences.collect();
        for sequence in &messages {
            erasing.add_message(*sequence, None);
        }
        let customers = customers.to_vec();
        let mut plan = Plan { erasing, needles: Vec::new(), recipients, customers, messages };
        let mut needles: Vec<Vec<u8>> = Vec::new();
        for record in self.written.iter().filter(|record| plan.means(record)) {
            needles.extend(record.personal.iter().cloned());
        }
        // A number is somebody else's too, unless it is the recipient who is erased.
        for record in self.written.iter().filter(|record| !plan.means(record)) {
            needles.retain(|needle| !record.personal.contains(needle));
        }
        needles.sort();
        needles.dedup();
        plan.needles = needles;
        plan
    }

    /// Which of the strings that must go are in these files, and where.
    pub(crate) fn finds(&self, plan: &Plan, files: &[(String, Vec<u8>)]) -> Vec<String> {
        let mut by_begin: HashMap<u64, Vec<&[u8]>> = HashMap::new();
        let mut known = vec![false; 1 << 16];
        for needle in &plan.needles {
            let begin = u64::from_le_bytes(needle[..8].try_into().unwrap());
            known[begin as u16 as usize] = true;
            by_begin.entry(begin).or_default().push(needle);
        }
        let mut found = Vec::new();
        for (name, bytes) in files {
            for (at, eight) in bytes.array_windows::<8>().enumerate() {
                let begin = u64::from_le_bytes(*eight);
                if !known[begin as u16 as usize] {
                    continue;
                }
                let needles = by_begin.get(&begin).into_iter().flatten();
                found.extend(needles.filter(|needle| bytes[at..].starts_with(needle)).map(
                    |needle| format!("{:?} in {name} at {at}", String::from_utf8_lossy(needle)),
                ));
            }
        }
        found
    }

    pub(crate) fn check_gone(&self, plan: &Plan, files: &[(String, Vec<u8>)]) {
        let found = self.finds(plan, files);
        assert!(found.is_empty(), "{} strings are still there, {}", found.len(), found[0]);
    }

    /// Every record can be read where it was; those of the others are the same.
    pub(crate) fn check_records(
        &self,
        plan: &Plan,
        bytes_of: impl Fn(SegmentId) -> Option<Vec<u8>>,
    ) {
        let mut segment: Option<(SegmentId, Vec<u8>)> = None;
        for record in &self.written {
            if segment.as_ref().is_none_or(|(id, _)| *id != record.at.segment) {
                segment = bytes_of(record.at.segment).map(|bytes| (record.at.segment, bytes));
            }
            let bytes = &segment.as_ref().unwrap().1[record.at.offset as usize..];
            let Ok(ReadBack::Whole { record: read, len }) = read_record(bytes) else {
                panic!("{:?}", record.at);
            };
            let now = &bytes[..len];
            assert_eq!(len, record.bytes.len());
            if now[0] == RecordKind::Part as u8 && self.lost_its_number(plan, record) {
                continue;
            }
            let leaves = plan.means(record) && !record.personal.is_empty();
            if leaves || self.is_gone(record) {
                assert_eq!(now[1], record.bytes[1] | REDACTED, "it says so");
                check_billing(&decoded(&record.bytes).unwrap(), &read);
            } else {
                assert!(now == record.bytes, "{read:?}");
            }
        }
    }

    /// Whether the message of this record has one of this kind on record.
    fn has(&self, record: &Written, kind: RecordKind) -> bool {
        let mut written = self.written.iter();
        written.any(|other| other.bytes[0] == kind as u8 && other.whose == record.whose)
    }

    /// Whether the record is what is left of a message that was recycled.
    fn is_gone(&self, record: &Written) -> bool {
        let kinds = [RecordKind::Part, RecordKind::Replaced];
        kinds.map(|kind| kind as u8).contains(&record.bytes[0])
            && !self.has(record, RecordKind::Accepted)
            && !self.has(record, RecordKind::Carried)
    }

    /// Whether the message's number may have gone before this record was looked at, when an erasure
    /// was broken off: any long number in it may be gone then.
    fn lost_its_number(&self, plan: &Plan, record: &Written) -> bool {
        plan.means(record)
            && !self.has(record, RecordKind::Accepted)
            && self.has(record, RecordKind::Carried)
    }

    /// Parts of which an erasure that is done again may take more than the first one did.
    pub(crate) fn without_number(&self, plan: &Plan) -> u64 {
        let part = |record: &&Written| record.bytes[0] == RecordKind::Part as u8;
        let parts = self.written.iter().filter(part);
        parts.filter(|record| self.lost_its_number(plan, record)).count() as u64
    }

    /// From now on nothing happens to the messages that there are, and none goes to these.
    pub(crate) fn forget(&mut self, plan: &Plan) {
        self.open.clear();
        self.avoid.extend(&plan.recipients);
    }

    /// The same records come in the same order.
    pub(crate) fn check_replay(&self, seen: &Seen) {
        let mut replayed = seen.iter();
        for record in &self.written {
            let same = |(segment, _, bytes): &&(SegmentId, u64, Vec<u8>)| {
                *segment == record.at.segment
                    && bytes[0] == record.bytes[0]
                    && bytes.len() == record.bytes.len()
            };
            assert!(replayed.any(|replay| same(&replay)), "{:?}", record.at);
        }
    }
}

/// What a bill is made of is the same.
fn check_billing(before: &Record<'_>, after: &Record<'_>) {
    match (*before, *after) {
        (
            Record::Accepted { asked, .. },
            Record::Accepted {
                to, sender, body, webhook_url, client_reference, asked: now, ..
            },
        ) => {
            assert_eq!((to, now.options), (0, asked.options | REDACTED));
            let Record::Accepted { to: was, sender: s, body: b, webhook_url: w, .. } = *before
            else {
                return;
            };
            assert!(was > 0 && s.len() == sender.len() && b.len() == body.len());
            let Record::Accepted { client_reference: c, asked: a, .. } = *before else { return };
            // With the texts put back, it is the record that was written.
            let mut restored = *after;
            if let Record::Accepted {
                to, sender, body, webhook_url, client_reference, asked, ..
            } = &mut restored
            {
                (*to, *sender, *body, *webhook_url, *client_reference, *asked) =
                    (was, s, b, w, c, a);
            }
            assert!(restored == *before);
            assert!(webhook_url.iter().chain(client_reference).all(|octet| *octet == b'*'));
        }
        (Record::Inbound(was), Record::Inbound(now)) => {
            let restored = InboundRecord { source: was.source, body: was.body, ..now };
            assert_eq!(restored, was);
        }
        (Record::Part { sequence, at_ms, .. }, Record::Part { sequence: now, at_ms: at, .. }) => {
            assert_eq!((sequence, at_ms), (now, at));
        }
        (Record::Carried { from, .. }, Record::Carried { from: now, state, .. }) => {
            assert_eq!(from, now);
            let nested: Vec<_> = Frames::new(state).map(Result::unwrap).collect();
            assert!(nested.len() == 3 && nested.iter().all(postrider_storage::Frame::is_redacted));
        }
        (before, after) => assert_eq!(before.kind(), after.kind()),
    }
}

/// A message's own strings.
struct Own {
    sender: Vec<u8>,
    body: Vec<u8>,
    url: Vec<u8>,
    reference: Vec<u8>,
}

impl Own {
    fn new(sequence: u64, size: usize) -> Self {
        Self {
            sender: text("sender", sequence, 4),
            body: text("body", sequence, size),
            url: text("https", sequence, 9),
            reference: text("reference", sequence, 7),
        }
    }

    fn personal(&self) -> Vec<Vec<u8>> {
        let body = self.body[..self.body.len().min(60)].to_vec();
        vec![self.sender.clone(), body, self.url.clone(), self.reference.clone()]
    }

    fn accepted(&self, sequence: u64, to: u64, customer: u32) -> Record<'_> {
        Record::Accepted {
            sequence,
            partition: 17,
            customer,
            to,
            sender: &self.sender,
            body: &self.body,
            webhook_url: &self.url,
            client_reference: &self.reference,
            encoding: 1,
            parts: 2,
            reference: 3,
            accepted_ms: WALL_MS + sequence,
            valid_until_ms: WALL_MS + 99,
            id: u128::from(sequence) << 64,
            asked: Asked { group: 5, options: 1, service_type: b"CMT", ..Asked::default() },
        }
    }
}

fn replaced(sequence: u64, body: &[u8]) -> Record<'_> {
    Record::Replaced {
        sequence,
        at_ms: WALL_MS,
        encoding: 1,
        parts: 1,
        reference: 8,
        due_ms: 0,
        valid_until_ms: WALL_MS + 7,
        registered_delivery: 1,
        options: 1,
        body,
    }
}

fn part(sequence: u64, detail: &[u8]) -> Record<'_> {
    Record::Part {
        sequence,
        part: 0,
        event: 9,
        carrier: 1,
        status: 0,
        at_ms: WALL_MS,
        detail,
        attempt: 1,
    }
}
