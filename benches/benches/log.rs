//! The log of one shard without a disk: what appending, checksumming and replaying cost a core.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use postrider_benches::journal::{Journal, disk_of, replay};
use postrider_benches::sample::RECORD_BYTES;

/// Records of 299 bytes, so many a batch: append, build the batch, CRC32C, hand it over and take it
/// back as durable. The throughput is that of records.
#[divan::bench(args = [1, 16, 64, 256], sample_size = 16)]
fn append_batch(bencher: Bencher<'_, '_>, records: u64) {
    let mut journal = Journal::new();
    let octets = records * u64::try_from(RECORD_BYTES).unwrap();
    bencher
        .counter(ItemsCount::new(records))
        .counter(BytesCount::new(octets))
        .bench_local(|| journal.batch(records));
}

/// A restart: read, check and decode 25,000 records, a
/// segment of 8 MiB nearly full, from memory. The throughput is that of records.
#[divan::bench(sample_count = 20)]
fn replay_25_000(bencher: Bencher<'_, '_>) {
    const RECORDS: u64 = 25_000;
    let mut disk = disk_of(RECORDS);
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(|| assert_eq!(replay(&mut disk), RECORDS));
}
