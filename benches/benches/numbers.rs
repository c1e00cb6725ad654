//! What a number says of itself: once for every message. Read-only tables.

use divan::{Bencher, black_box};
use postrider_core::clock::UnixMs;
use postrider_core::number::Msisdn;
use postrider_core::numbering::{Forms, Tables};
use postrider_core::operators::Resolver;

/// Numbers of every region, in an order that says nothing of the next one.
fn numbers() -> Vec<Msisdn> {
    let vectors = include_str!("../../core/tests/vectors/number_vectors.csv");
    let column = vectors.lines().filter_map(|line| line.split(',').nth(4));
    let mut numbers: Vec<_> =
        column.filter_map(|number| Msisdn::parse_strict(number).ok()).collect();
    numbers.sort_by_key(|number| number.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15));
    numbers
}

/// Each number in turn.
fn each(bencher: Bencher<'_, '_>, mut look: impl FnMut(Msisdn)) {
    let numbers = numbers();
    let mut turn = numbers.iter().copied().cycle();
    bencher.bench_local(|| turn.next().map(|number| look(black_box(number))));
}

/// Region, type and holder, from the real tables.
#[divan::bench]
fn look_up(bencher: Bencher<'_, '_>) {
    let tables = Tables::builtin();
    each(bencher, |number| {
        black_box(tables.look_up(number));
    });
}

/// The operator, without tables of ported numbers.
#[divan::bench]
fn resolve(bencher: Bencher<'_, '_>) {
    let resolver = Resolver::default();
    each(bencher, |number| {
        black_box(resolver.resolve(number, UnixMs(0)));
    });
}

/// A destination with spaces and a trunk prefix.
#[divan::bench]
fn read_leniently(bencher: Bencher<'_, '_>) {
    let tables = Tables::builtin();
    bencher.bench(|| Msisdn::parse_lenient(black_box("0044 7700 900123"), None, tables));
}

/// All tables from their texts: once when a process starts.
#[divan::bench(sample_count = 10)]
fn read_tables() -> Tables {
    Tables::read(&Forms::BUILTIN).unwrap()
}
