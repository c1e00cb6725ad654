//! Ids and placement: once or twice for every request. Read-only tables.

use divan::{Bencher, black_box};
use postrider_benches::sample::FIRST_NUMBER;
use postrider_core::clock::UnixMs;
use postrider_core::id::{IdCipher, IdFields, MessageId};
use postrider_core::number::Msisdn;
use postrider_core::place::{Partition, Placement};

fn cipher() -> IdCipher {
    IdCipher::new([9; 16], None)
}

fn fields() -> IdFields {
    let partition = Partition::new(1_234).unwrap();
    IdFields { time: UnixMs(1_790_000_000_000), partition, sequence: 123_456 }
}

/// The id of a message that is being accepted.
#[divan::bench]
fn seal(bencher: Bencher<'_, '_>) {
    let cipher = cipher();
    bencher.bench(|| cipher.seal(black_box(fields())));
}

/// Where the message of an id lives: for every status request.
#[divan::bench]
fn open(bencher: Bencher<'_, '_>) {
    let cipher = cipher();
    let id = cipher.seal(fields());
    bencher.bench(|| cipher.open(black_box(id)));
}

/// An id in an answer.
#[divan::bench]
fn print() -> String {
    black_box(MessageId::from_u128(0x5a1f_6f0e_3c22_4b0e_9d5c_0d6a_2b7c_8e9f)).to_string()
}

/// The shard of a number: for every submit and every receipt.
#[divan::bench]
fn owner(bencher: Bencher<'_, '_>) {
    let placement = Placement::new([7; 16], 16);
    let number = Msisdn::from_u64(FIRST_NUMBER).unwrap();
    bencher.bench(|| placement.owner(black_box(number)));
}
