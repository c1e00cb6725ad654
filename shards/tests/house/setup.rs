//! What a house is made from: its configuration, what its shards share, their logs. Test code, pure.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::config::Config;
use postrider_core::id::IdCipher;
use postrider_core::place::{Epoch, Placement};
use postrider_shards::shard::{Numbers, Shared};
use postrider_storage::LogConfig;

/// Two accounts, a carrier that serves numbers that begin with 44, binds on every shard.
pub(crate) fn config(shards: u16, account: &str) -> String {
    format!(
        r#"
[server]
shards = {shards}
[smpp]
listen = "127.0.0.1:2775"
system_id = "gateway"
[[customers]]
name = "acme"
[customers.smpp]
system_id = "acme"
password = "secret"
{account}
[[customers]]
name = "other"
[customers.smpp]
system_id = "other"
password = "hidden"
[[carriers]]
name = "alpha"
address = "127.0.0.1:1"
system_id = "a"
password = "p"
binds = {shards}
window = 100
[[routes]]
prefix = "44"
carriers = ["alpha"]
"#
    )
}

pub(super) fn shards_of(config: &str) -> u16 {
    Config::parse(config).unwrap_or_else(|errors| panic!("{errors}")).server.shards
}

pub(super) fn shared_of(config: &str, epochs: Vec<Epoch>) -> Arc<Shared> {
    let config = Config::parse(config).unwrap_or_else(|errors| panic!("{errors}"));
    let numbers = Numbers {
        carriers: (1..).take(config.carriers.len()).collect(),
        customers: (1..).take(config.customers.len()).collect(),
    };
    let placement = Placement::with_epochs([7; 16], epochs);
    Arc::new(Shared::new(config, placement, IdCipher::new([9; 16], None), numbers))
}

pub(super) fn log_config(shard: u16, max_segments: u32) -> LogConfig {
    LogConfig {
        shard,
        segment_bytes: 256 << 10,
        max_segments,
        spare_segments: 2,
        preferred_batch: 64 << 10,
        max_batch: 256 << 10,
        lazy: Duration::from_millis(2),
    }
}
