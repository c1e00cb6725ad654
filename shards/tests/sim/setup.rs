//! What a simulated world is made from: its configuration and the manners of its carriers.

use std::time::Duration;

use postrider_core::config::OnUnknownOutcome::{self, Fail, HoldForReceipt, Resubmit};
use postrider_core::config::{Config, SenderConfig};
use postrider_core::id::IdCipher;
use postrider_core::place::{Epoch, Placement, ShardId};
use postrider_core::redact::Private;
use postrider_core::sender::SenderId;
use postrider_shards::shard::{Numbers, Shared};

use super::carrier::Manners;
use super::contents::retention;
use super::rng::Rng;

/// The key of the placement.
pub const KEY: [u8; 16] = [7; 16];

const CONFIG: &str = r#"
[server]
data_dir = "unused"
shards = 2
[store]
segment_mib = 8
max_segments = 8
retention_hours = 720
[limits]
open_messages = 1000
[webhooks]
allow_private = true
[[customers]]
name = "acme"
api_keys = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
webhook_secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
numbers = ["72345"]
[customers.smpp]
system_id = "acme"
password = "secret"
window = 10
deliver_window = 4
[smpp]
listen = "127.0.0.1:3"
"#;

const ALPHA: &str = r#"
[[carriers]]
name = "alpha"
address = "127.0.0.1:1"
system_id = "a"
password = "p"
binds = 2
window = 4
enquire_link_seconds = 300
"#;

const BETA: &str = r#"
[[carriers]]
name = "beta"
address = "127.0.0.1:2"
system_id = "b"
password = "p"
binds = 2
window = 4
enquire_link_seconds = 300
concatenation = "udh16"
parts_per_second = 40
"#;

const HOT_MESSAGES: u32 = 8;
const PARK_AFTER: Duration = Duration::from_millis(200);

/// What each carrier does about unknown outcomes.
pub fn policies(seed: u64) -> [OnUnknownOutcome; 2] {
    let all = [Resubmit, HoldForReceipt, Fail];
    [seed / 2 % 3, seed / 6 % 3].map(|turn| all[turn as usize])
}

/// Whether there is little room in memory for open messages, in which they stay for a short time: most
/// of them are on disk alone while they wait for anything.
pub fn parks_early(seed: u64) -> bool {
    !seed.is_multiple_of(3)
}

/// Whether the carriers have one bind over all shards.
fn one_bind(seed: u64) -> [bool; 2] {
    [seed / 2 % 4 == 1, seed % 3 == 1]
}

/// Parts a second of the sender of all messages, at most, where it has a rate of its own.
pub fn sender_rate(seed: u64) -> Option<u32> {
    (seed % 5 == 3).then_some(20)
}

/// Binds of each carrier on a shard.
pub fn binds_of(shared: &Shared, shard: usize) -> Vec<u16> {
    let shards = shared.placement.shards();
    let own = ShardId(shard as u16);
    shared.config.carriers.iter().map(|carrier| carrier.binds_on(own, shards)).collect()
}

/// What differs between the configuration files of a world.
#[derive(Clone, Copy)]
pub struct File {
    /// Whether it has the first carrier.
    alpha: bool,
    /// Whether the routes have their carriers the other way round.
    swapped: bool,
    /// At most those of the first file, which the checks go by.
    window: u16,
    parts_per_second: u32,
    /// Unanswered parts to one recipient; 0 for any number.
    per_destination: u16,
    /// Another one makes the second carrier's binds anew.
    password: char,
    /// Whether the carriers have one bind in all, in worlds where they have one on each shard at
    /// first; and the other way round.
    other_binds: [bool; 2],
}

impl File {
    /// What every world begins with, and ends with.
    pub const FIRST: File = File {
        alpha: true,
        swapped: false,
        window: 4,
        parts_per_second: 40,
        per_destination: 2,
        password: 'p',
        other_binds: [false; 2],
    };

    /// Another one.
    pub fn any(rng: &mut Rng) -> File {
        File {
            alpha: rng.chance(70),
            swapped: rng.chance(50),
            window: 1 + rng.below(4) as u16,
            parts_per_second: 10 + rng.below(31) as u32,
            per_destination: rng.below(3) as u16,
            password: if rng.chance(30) { 'q' } else { 'p' },
            other_binds: [rng.chance(30), rng.chance(30)],
        }
    }

    fn text(self) -> String {
        let carriers = match (self.alpha, self.swapped) {
            (false, _) => [r#""beta""#; 2],
            (true, false) => [r#""alpha", "beta""#, r#""beta", "alpha""#],
            (true, true) => [r#""beta", "alpha""#, r#""alpha", "beta""#],
        };
        let [british, others] = carriers;
        let alpha = if self.alpha { ALPHA } else { "" };
        format!(
            "{CONFIG}{alpha}{BETA}[[routes]]\nprefix = \"44\"\ncarriers = [{british}]\n\
             [[routes]]\nprefix = \"\"\ncarriers = [{others}]\n"
        )
    }

    /// What it says to a gateway with so many shards. The carriers' policies for unknown outcomes are
    /// the seed's.
    pub fn config(self, seed: u64, shards: u16) -> Config {
        let mut config = Config::parse(&self.text()).unwrap();
        for carrier in &mut config.carriers {
            let [alpha, beta] = policies(seed);
            carrier.window = self.window;
            carrier.profile.per_destination = self.per_destination;
            carrier.on_unknown_outcome = if carrier.name == "alpha" { alpha } else { beta };
            if carrier.name == "beta" {
                carrier.parts_per_second = self.parts_per_second;
                carrier.password = Private::new(self.password.to_string());
            }
            let [alpha, beta] = one_bind(seed);
            let [other_alpha, other_beta] = self.other_binds;
            let one =
                if carrier.name == "alpha" { alpha != other_alpha } else { beta != other_beta };
            // One in all, or one on each shard.
            carrier.binds = if one { 1 } else { shards };
        }
        for customer in &mut config.customers {
            customer.content_retention = retention(seed);
        }
        if let Some(most) = sender_rate(seed) {
            // As the window, it is what the first file has or less.
            let parts_per_second = most * u32::from(self.window) / u32::from(File::FIRST.window);
            let sender = SenderId::parse("Acme").unwrap();
            config.senders = vec![SenderConfig { sender, parts_per_second }];
        }
        if parks_early(seed) {
            config.limits.hot_messages = HOT_MESSAGES;
            config.limits.park_after = PARK_AFTER;
        }
        config
    }
}

/// What all shards of a process read at its start.
pub fn shared(seed: u64, epochs: &[Epoch], file: File) -> Shared {
    let config = file.config(seed, epochs.last().unwrap().shards);
    let numbers = numbers(&config);
    let placement = Placement::with_epochs(KEY, epochs.to_vec());
    Shared::new(config, placement, IdCipher::new([9; 16], None), numbers)
}

/// The durable numbers of what a configuration names.
pub fn numbers(config: &Config) -> Numbers {
    let carriers = config.carriers.iter().map(|own| if own.name == "alpha" { 1 } else { 2 });
    Numbers { carriers: carriers.collect(), customers: vec![1] }
}

/// Manners as the seed says.
fn manners(rng: &mut Rng) -> Manners {
    Manners {
        throttle: rng.below(10),
        temporary: rng.below(6),
        refuse: rng.below(8),
        drop_connection: rng.below(4),
        never_answer: rng.below(2),
        receipt_first: rng.below(40),
        receipt_twice: rng.below(30),
        no_receipt: rng.below(5),
        undelivered: rng.below(20),
        ill_until: Duration::ZERO,
    }
}

/// The manners of both carriers. In one world in five both are ill at first, for up to 21 minutes.
pub fn both_manners(seed: u64, rng: &mut Rng) -> [Manners; 2] {
    let ill = if seed % 5 == 2 { 60 + seed * 37 % 1_200 } else { 0 };
    let mut both = [manners(rng), manners(rng)];
    for own in &mut both {
        own.ill_until = Duration::from_secs(ill);
    }
    both
}

/// The nth number that begins with these digits. Few of its digits are zeros, in any form: whoever looks
/// for it in a file does not take counters and positions for it.
pub fn number(begins: &str, nth: u64) -> String {
    format!("{begins}{:05}", 71_428 + nth)
}
