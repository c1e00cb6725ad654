//! One whole message through the shard machine in memory: accepted, logged, submitted, answered,
//! receipted, webhook acknowledged; four records of the log, two PDUs each way. No
//! system call is made. The throughput is that of messages on one core.

use divan::Bencher;
use divan::counter::ItemsCount;
use postrider_benches::gateway::{Entrance, Gateway};

/// One message at a time: every batch of the log holds one record, every read one PDU.
#[divan::bench(sample_size = 64)]
fn message_alone(bencher: Bencher<'_, '_>) {
    run(bencher, Entrance::Machine, 1);
}

/// 64 messages under way at once, as under load.
#[divan::bench(sample_size = 4)]
fn messages_64(bencher: Bencher<'_, '_>) {
    run(bencher, Entrance::Machine, 64);
}

/// The same from the octets of the HTTP body to those of the answer.
#[divan::bench(sample_size = 4)]
fn messages_64_with_api(bencher: Bencher<'_, '_>) {
    run(bencher, Entrance::Api, 64);
}

fn run(bencher: Bencher<'_, '_>, entrance: Entrance, at_once: u64) {
    let mut gateway = Gateway::new(entrance);
    bencher.counter(ItemsCount::new(at_once)).bench_local(|| gateway.rounds(at_once, at_once));
}
