//! A data directory as the gateway would have written it: its names, its ids, and a log for each
//! shard, with the records of so many messages in it.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use postrider_core::clock::UnixMs;
use postrider_core::id::{IdCipher, IdFields, MessageId};
use postrider_core::lifecycle::{PartEvent, PartStatus};
use postrider_core::number::Msisdn;
use postrider_core::place::Placement;
use postrider_core::text::Encoding;
use postrider_storage::io::{DataDir, FileDisk};
use postrider_storage::{Asked, Disk as _, Log, LogConfig, NameKind, Position, Record, Urgency};

use postrider_benches::sample::{FIRST_NUMBER, text_of};

pub(crate) const SHARDS: u16 = 2;
pub(crate) const CARRIER: &str = "alpha";
const SEGMENT_BYTES: u64 = 64 << 20;
/// Messages a second, of which the times come.
const RATE: u64 = 50_000;
/// A message is over so many messages later.
const LIFE: usize = 100_000;
const VALIDITY_MS: u64 = 48 * 3_600_000;
/// Numbers repeat.
const NUMBERS: u64 = 2_000_000;
/// Messages that are asked for by id.
const SOME: u64 = 200;

/// A customer that asks, and which share of the messages it has.
pub(crate) struct Customer {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) share: &'static str,
}

pub(crate) const CUSTOMERS: [Customer; 4] = [
    Customer { name: "third", key: "pr_live_third", share: "30 %" },
    Customer { name: "twentieth", key: "pr_live_twentieth", share: "5 %" },
    Customer { name: "small", key: "pr_live_small", share: "0.16 %" },
    Customer { name: "rare", key: "pr_live_rare", share: "100" },
];
/// Other customers, which do not ask.
const OTHERS: u64 = 399;

/// How far the messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Messages {
    /// Delivered or not, and closed.
    Closed,
    /// Accepted, and nothing more.
    Waiting,
}

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Messages::Closed => "closed",
            Messages::Waiting => "waiting",
        })
    }
}

/// What was prepared.
pub(crate) struct Prepared {
    /// Octets of batches.
    pub(crate) bytes: u64,
    /// Half of the messages were accepted before; Unix milliseconds.
    pub(crate) middle_ms: u64,
    /// Some messages with their customers.
    pub(crate) some: Vec<(&'static Customer, String)>,
}

/// One shard's log as it is written.
struct Shard {
    log: Log,
    disk: FileDisk,
    next: u64,
    bytes: u64,
    /// Messages that are not over, with where they were accepted.
    open: VecDeque<(u64, u64, Position)>,
}

/// What all messages have in common.
struct Origin {
    placement: Placement,
    cipher: IdCipher,
    /// Durable numbers of [`CUSTOMERS`], and of the others.
    own: Vec<u32>,
    others: Vec<u32>,
    carrier: u32,
    /// When the first one is accepted; Unix milliseconds.
    begun: u64,
    count: u64,
}

/// Writes the directory.
pub(crate) fn prepare(path: &Path, count: u64, messages: Messages) -> Result<Prepared> {
    let dir = DataDir::open(path, SHARDS)?;
    let origin = Origin::new(&dir, count)?;
    let open = |shard| Shard::open(&dir, shard, origin.begun);
    let mut shards = (0..SHARDS).map(open).collect::<Result<Vec<_>>>()?;
    let text = text_of(120);
    let mut some = Vec::new();
    for number in 0..count {
        let to = Msisdn::from_u64(FIRST_NUMBER + mix(number) % NUMBERS);
        let to = to.ok_or_else(|| anyhow!("a number"))?;
        let owner = origin.placement.owner(to).0;
        let shard = shards.get_mut(usize::from(owner)).ok_or_else(|| anyhow!("a shard"))?;
        let sequence = shard.sequence(owner);
        let (record, customer) = origin.accepted(number, to, sequence, &text);
        if let (Some(customer), Record::Accepted { id, .. }) = (customer, &record)
            && number % (count / SOME).max(1) < 3
        {
            some.push((customer, MessageId::from_u128(*id).to_string()));
        }
        let ms = number * 1_000 / RATE;
        shard.accept(ms, number, &record)?;
        if messages == Messages::Closed {
            shard.end(ms, &origin, LIFE)?;
        }
    }
    let (mut bytes, end) = (0, count * 1_000 / RATE);
    for shard in &mut shards {
        if messages == Messages::Closed {
            shard.end(end, &origin, 0)?;
        }
        shard.write(Duration::from_millis(end), 0)?;
        bytes += shard.bytes;
    }
    Ok(Prepared { bytes, middle_ms: origin.begun + end / 2, some })
}

impl Origin {
    fn new(dir: &DataDir, count: u64) -> Result<Self> {
        let mut names = dir.read_names()?;
        let carrier = names.assign(NameKind::Carrier, CARRIER);
        let own = CUSTOMERS.iter().map(|own| names.assign(NameKind::Customer, own.name)).collect();
        let mut other = |number| names.assign(NameKind::Customer, &format!("other-{number}"));
        let others = (0..OTHERS).map(&mut other).collect();
        dir.write_names(&names)?;
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        Ok(Origin {
            placement: Placement::new(dir.placement_key(), SHARDS),
            cipher: IdCipher::new(dir.id_key(), None),
            own,
            others,
            carrier,
            begun: now - count * 1_000 / RATE - 60_000,
            count,
        })
    }

    /// The record of a message, and its customer when it is one that asks.
    fn accepted<'a>(
        &self,
        number: u64,
        to: Msisdn,
        sequence: u64,
        text: &'a str,
    ) -> (Record<'a>, Option<&'static Customer>) {
        let at_ms = self.begun + number * 1_000 / RATE;
        let mixed = mix(number);
        let every = (self.count / 100).max(1);
        let place = match mixed % 1_000 {
            _ if number % every == every / 2 => Some(3),
            0..300 => Some(0),
            300..350 => Some(1),
            350..352 => Some(2),
            _ => None,
        };
        let other = usize::try_from(mixed / 1_000 % OTHERS).ok();
        let other = other.and_then(|other| self.others.get(other));
        let customer = place.and_then(|place| self.own.get(place)).or(other);
        let partition = self.placement.partition(to);
        let id = self.cipher.seal(IdFields { time: UnixMs(at_ms), partition, sequence });
        let record = Record::Accepted {
            sequence,
            partition: partition.get(),
            customer: customer.copied().unwrap_or_default(),
            to: to.as_u64(),
            sender: b"Postrider",
            body: text.as_bytes(),
            webhook_url: b"",
            client_reference: b"order-1047",
            encoding: Encoding::Gsm7.as_u8(),
            parts: 1,
            reference: 0,
            accepted_ms: at_ms,
            valid_until_ms: at_ms + VALIDITY_MS,
            id: id.as_u128(),
            asked: Asked::default(),
        };
        (record, place.and_then(|place| CUSTOMERS.get(place)))
    }
}

impl Shard {
    fn open(dir: &DataDir, shard: u16, begun: u64) -> Result<Self> {
        let mut disk = dir.disk(shard, false);
        let config = LogConfig {
            shard,
            segment_bytes: SEGMENT_BYTES,
            max_segments: 4_096,
            spare_segments: 2,
            preferred_batch: 1 << 19,
            max_batch: 1 << 20,
            lazy: Duration::from_millis(2),
        };
        let (log, _) = Log::open(&mut disk, config, Duration::ZERO, begun, &mut |_| {})?;
        Ok(Shard { log, disk, next: 1, bytes: 0, open: VecDeque::new() })
    }

    /// The number of the next message.
    fn sequence(&mut self, shard: u16) -> u64 {
        self.next += 1;
        (self.next - 1) << 8 | u64::from(shard)
    }

    fn accept(&mut self, ms: u64, number: u64, record: &Record<'_>) -> Result<()> {
        let now = Duration::from_millis(ms);
        let at = self.log.append(record, Urgency::Lazy, now).at;
        if let Record::Accepted { sequence, .. } = record {
            self.open.push_back((*sequence, number, at));
        }
        self.write(now, 1 << 19)
    }

    /// Ends the oldest messages beyond `keep`.
    fn end(&mut self, ms: u64, origin: &Origin, keep: usize) -> Result<()> {
        let now = Duration::from_millis(ms);
        while self.open.len() > keep {
            let Some((sequence, number, accepted)) = self.open.pop_front() else { break };
            let (status, end) = match mix(number) >> 32 & 1_023 {
                0 => (PartStatus::Failed, PartEvent::Failed),
                1..32 => (PartStatus::Undelivered, PartEvent::Undelivered),
                _ => (PartStatus::Delivered, PartEvent::Delivered),
            };
            let name = format!("{number:016x}");
            let mut places = Vec::new();
            accepted.push_to(&mut places);
            for event in [PartEvent::Submitted, end] {
                // What failed was never taken.
                if event == PartEvent::Submitted && end == PartEvent::Failed {
                    continue;
                }
                let named = event == PartEvent::Submitted;
                let record = Record::Part {
                    sequence,
                    part: 0,
                    event: event as u8,
                    carrier: origin.carrier,
                    status: 0,
                    at_ms: origin.begun + ms,
                    detail: if named { name.as_bytes() } else { b"" },
                    attempt: 1,
                };
                self.log.append(&record, Urgency::Lazy, now).at.push_to(&mut places);
            }
            let closed = Record::Closed {
                sequence,
                at_ms: origin.begun + ms,
                status: status as u8,
                records: &places,
            };
            self.log.append(&closed, Urgency::Lazy, now);
        }
        self.write(now, 1 << 19)
    }

    /// Writes what there is once more than `beyond` octets wait.
    fn write(&mut self, now: Duration, beyond: usize) -> Result<()> {
        if self.log.pending_bytes() <= beyond {
            return Ok(());
        }
        loop {
            while let Some(chore) = self.log.poll_chore() {
                let done = chore.run(&mut self.disk, SEGMENT_BYTES);
                self.log.handle_chore(chore, done);
            }
            let Some(write) = self.log.poll_write(now + Duration::from_millis(10)) else {
                return Ok(());
            };
            let bytes = write.blocks.as_bytes();
            self.bytes += u64::try_from(bytes.len())?;
            let result = self.disk.write_sync(write.segment, write.offset, bytes);
            self.log.handle_written(now, write, result);
        }
    }
}

fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ mixed >> 27
}
