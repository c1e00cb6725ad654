//! One whole shard in memory: its machine, a log whose disk has always just finished, a carrier
//! that takes and delivers everything, a customer whose webhooks are always acknowledged. No socket,
//! file or clock, so what is measured is the machine. One per measurement.

use core::time::Duration;
use std::sync::Arc;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::Config;
use postrider_core::content::Content;
use postrider_core::id::IdCipher;
use postrider_core::number::Msisdn;
use postrider_core::place::{Placement, ShardId};
use postrider_core::redact::Private;
use postrider_core::submission::Submission;
use postrider_core::text::{self, ReferenceWidth};
use postrider_http::auth::{CustomerIx, Keyring};
use postrider_http::request::ApiRequest;
use postrider_http::response::accepted_json;
use postrider_shards::shard::{
    ApiResponse, BindIx, ChoreDone, Contents, ContentsConfig, Numbers, Op, Shard, ShardChore,
    ShardParts, Shared,
};
use postrider_shards::stats::{Counter, Gauge, Stats};
use postrider_storage::MemDisk;

use self::carrier::Carrier;
use crate::sample::{AUTHORIZATION, FIRST_NUMBER, keyring, parse_submit, submit_body};
use crate::tally::Tally;

mod carrier;
mod steady;

const CONFIG: &str = r#"
[server]
data_dir = "unused"
shards = 1
[store]
segment_mib = 8
max_segments = 16
[limits]
open_messages = 10000
[[customers]]
name = "acme"
api_keys = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
webhook_secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
[[carriers]]
name = "alpha"
address = "127.0.0.1:1"
system_id = "a"
password = "p"
binds = 1
window = 500
[[routes]]
prefix = ""
carriers = ["alpha"]
"#;

const WALL: u64 = 1_790_000_000_000;
/// Numbers repeat after so many messages.
const NUMBERS: u64 = 100_000;
/// Messages after which memory no longer grows.
const WARM_UP: u64 = 2_000;

/// How a message enters.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// As the checked request that the machine takes.
    Machine,
    /// As the octets of an HTTP body, with the API key: authenticated, routed, parsed, and the
    /// answer written as JSON. HTTP's own framing is left out.
    Api,
}

/// See the module.
pub struct Gateway {
    shard: Shard,
    stats: Arc<Stats>,
    carrier: Carrier,
    /// Files beside the log.
    side: MemDisk,
    now: Duration,
    entrance: Entrance,
    keys: Keyring,
    body: Vec<u8>,
    digits_at: usize,
    request: Submission,
    sent: u64,
    answered: u64,
    acknowledged: u64,
    /// Octets that the shard wrote to its bind.
    octets: Vec<u8>,
    /// Webhooks waiting for their acknowledgement.
    posts: Vec<u64>,
    /// What was written to the log at a steady pace.
    tally: Tally,
}

impl Gateway {
    /// A shard that is bound and has been through so many messages that its memory no longer grows.
    ///
    /// # Panics
    /// When its parts do not fit together.
    #[must_use]
    pub fn new(entrance: Entrance) -> Self {
        let body = submit_body();
        let digits = FIRST_NUMBER.to_string();
        let digits_at = body.windows(digits.len()).position(|run| run == digits.as_bytes());
        let ApiRequest::Submit(request) = parse_submit(&body) else { panic!("a submit") };
        let (shard, stats) = open();
        let mut gateway = Gateway {
            shard,
            stats,
            carrier: Carrier::new(),
            side: MemDisk::new(),
            now: Duration::from_secs(1),
            entrance,
            keys: keyring(),
            digits_at: digits_at.expect("the body holds the number"),
            body,
            request,
            sent: 0,
            answered: 0,
            acknowledged: 0,
            octets: Vec::new(),
            posts: Vec::new(),
            tally: Tally::default(),
        };
        gateway.shard.start(clock(gateway.now));
        gateway.settle();
        gateway.rounds(WARM_UP, 50);
        gateway
    }

    /// Takes `messages` messages, `at_once` at a time, from their acceptance to the acknowledged
    /// webhook.
    ///
    /// # Panics
    /// When one of them does not get there.
    pub fn rounds(&mut self, messages: u64, at_once: u64) {
        let until = self.sent + messages;
        while self.sent < until {
            self.round(at_once.min(until - self.sent));
        }
    }

    fn round(&mut self, messages: u64) {
        for _ in 0..messages {
            self.submit();
        }
        self.settle();
        // Records that nobody waits for are due 2 ms later, like the timers of the round.
        self.now += Duration::from_millis(2);
        self.shard.handle_timeout(clock(self.now));
        self.settle();
        assert_eq!(self.answered, self.sent, "every submit was answered with 202");
        assert_eq!(self.acknowledged, self.sent, "every webhook was acknowledged");
    }

    /// The text of every message from now on.
    ///
    /// # Panics
    /// When it is not one part of the GSM alphabet.
    pub fn set_text(&mut self, text: &str) {
        let encoded = text::encode(text);
        assert_eq!(encoded.part_count(ReferenceWidth::Eight), 1, "one part");
        self.request.content = Content::Text(Private::new(text.into()));
    }

    /// What was written since the call before, by [`Gateway::steady`] alone.
    pub fn take_tally(&mut self) -> Tally {
        core::mem::take(&mut self.tally)
    }

    /// Messages that the shard counts as delivered.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.stats.get(Counter::MessagesDelivered)
    }

    /// Messages that the shard holds in memory.
    #[must_use]
    pub fn in_memory(&self) -> u64 {
        self.shard.publish();
        self.stats.gauge_value(Gauge::MessagesInMemory)
    }

    /// Messages sent so far, those of the warm-up included.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn submit(&mut self) {
        let number = FIRST_NUMBER + self.sent % NUMBERS;
        self.sent += 1;
        let (customer, request) = match self.entrance {
            Entrance::Machine => {
                let to = Msisdn::from_u64(number).expect("a number");
                let request = Submission { to, ..self.request.clone() };
                (CustomerIx(0), ApiRequest::Submit(request))
            }
            Entrance::Api => {
                write_digits(&mut self.body, self.digits_at, 12, number);
                let known = self.keys.authenticate(Some(AUTHORIZATION.as_bytes()));
                (known.expect("the key is known"), parse_submit(&self.body))
            }
        };
        self.shard.handle_api(clock(self.now), self.sent, customer, request);
    }

    /// Does what the shard asks until it asks for nothing more.
    fn settle(&mut self) {
        loop {
            let mut idle = true;
            while let Some(op) = self.shard.poll_op() {
                self.op(op);
                idle = false;
            }
            idle &= !self.disk();
            idle &= !self.line();
            idle &= !self.webhooks();
            if idle {
                return;
            }
        }
    }

    /// Writes a batch, if one is due, and does the slow work on files.
    fn disk(&mut self) -> bool {
        let write = self.shard.poll_write(clock(self.now));
        let wrote = write.is_some();
        if let Some(write) = write {
            self.now += Duration::from_micros(250);
            self.shard.handle_written(clock(self.now), write, Ok(()));
        }
        self.chores();
        wrote
    }

    /// Does the slow work on files.
    fn chores(&mut self) {
        while let Some(chore) = self.shard.poll_chore() {
            let done = match chore {
                // What it writes goes nowhere.
                ShardChore::Log(chore) => ChoreDone::Log(chore, Ok(())),
                ShardChore::Register(_)
                | ShardChore::Checkpoint(_)
                | ShardChore::Cold(_)
                | ShardChore::Erase(..)
                | ShardChore::Outdated { .. } => chore.run(&mut self.side, 0),
            };
            self.shard.handle_chore(clock(self.now), done);
        }
    }

    /// Brings the carrier's next octets.
    fn line(&mut self) -> bool {
        let Some(octets) = self.carrier.next() else { return false };
        self.now += Duration::from_micros(50);
        self.shard.handle_bind_bytes(clock(self.now), 0, octets);
        true
    }

    fn webhooks(&mut self) -> bool {
        let mut posts = core::mem::take(&mut self.posts);
        let some = !posts.is_empty();
        for sequence in posts.drain(..) {
            self.shard.handle_webhook_result(clock(self.now), sequence, Ok(204), None);
            self.acknowledged += 1;
        }
        self.posts = posts;
        some
    }

    fn op(&mut self, op: Op) {
        match op {
            Op::Answer { response, .. } => self.take_answer(response),
            Op::Connect(bind) => self.shard.handle_bind_connected(clock(self.now), bind),
            Op::Flush(bind) => self.flush(bind),
            Op::Webhook(post) => self.posts.push(post.sequence),
            Op::Mesh { .. }
            | Op::Close(_)
            | Op::FlushCustomer(_)
            | Op::CloseCustomer(_)
            | Op::LookUp(_)
            | Op::Read { .. }
            | Op::Controlled { .. }
            | Op::Drained => panic!("not in this play: {op:?}"),
        }
    }

    fn take_answer(&mut self, response: ApiResponse) {
        let ApiResponse::Accepted(accepted) = response else { panic!("refused: {response:?}") };
        if self.entrance == Entrance::Api {
            let json = accepted_json(accepted.id, accepted.parts, accepted.encoding);
            core::hint::black_box(json);
        }
        self.answered += 1;
    }

    fn flush(&mut self, bind: BindIx) {
        self.octets.clear();
        self.shard.take_bind_output(bind, &mut self.octets);
        self.carrier.take(&self.octets);
    }
}

fn open() -> (Shard, Arc<Stats>) {
    let config = Config::parse(CONFIG).expect("the configuration");
    let shared = Shared::new(
        config,
        Placement::new([7; 16], 1),
        IdCipher::new([9; 16], None),
        Numbers { carriers: vec![1], customers: vec![1] },
    );
    let stats = Arc::new(Stats::new());
    let parts = ShardParts {
        id: ShardId(0),
        shared: Arc::new(shared),
        stats: Arc::clone(&stats),
        contents: open_contents(),
        binds: vec![1],
        seed: 1,
        reconnect_first: Duration::from_secs(1),
    };
    let log = crate::journal::config();
    let opened = Shard::open(parts, &mut MemDisk::new(), log, clock(Duration::from_secs(1)));
    (opened.expect("an empty shard opens").0, stats)
}

/// A log of contents that nothing is put into.
fn open_contents() -> Contents {
    let config = ContentsConfig::usual(0, false);
    let opened = Contents::open(&mut MemDisk::new(), config, clock(Duration::from_secs(1)));
    opened.expect("an empty log opens").0
}

fn clock(now: Duration) -> Now {
    let ms = u64::try_from(now.as_millis()).unwrap_or(0);
    Now { mono: now, wall: UnixMs(WALL + ms) }
}

/// Overwrites `count` decimal digits at `at`.
///
/// # Panics
/// When `buffer` ends before them.
fn write_digits(buffer: &mut [u8], at: usize, count: usize, number: u64) {
    let digits = buffer.get_mut(at..at + count).expect("room for the digits");
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_delivered_whatever_the_way_in() {
        for entrance in [Entrance::Machine, Entrance::Api] {
            let mut gateway = Gateway::new(entrance);
            gateway.rounds(300, 1);
            gateway.rounds(300, 64);
            assert_eq!(gateway.delivered(), gateway.sent());
            assert_eq!(gateway.sent(), WARM_UP + 600);
        }
    }

    #[test]
    fn it_goes_on_when_segments_and_numbers_come_round_again() {
        let mut gateway = Gateway::new(Entrance::Machine);
        // What is in memory does not grow with what was sent.
        for _ in 0..50 {
            gateway.rounds(5_000, 64);
            assert!(gateway.in_memory() <= 128, "{} messages in memory", gateway.in_memory());
        }
        assert_eq!(gateway.delivered(), gateway.sent());
    }
}
