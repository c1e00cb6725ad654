//! What a look-up of a ported number costs, in a table that is built and mapped as the gateway does it:
//! `cargo run --release -p postrider-benches --bin ported DIR`. One million numbers; with
//! `POSTRIDER_PORTED=100000000` in the environment as many as that says too. One process, one thread.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use postrider_core::number::Msisdn;
use postrider_core::ported::{About, Builder, Covers, Found, Generated, Layout, Table};
use postrider_shards::control::ported::{FileSpill, open_table};
use postrider_storage::io::replace;

/// Numbers that are asked for.
const ASKED: usize = 1 << 20;
/// Numbers of a batch.
const BATCH: usize = 16;

fn main() -> Result<()> {
    postrider_benches::check_build();
    let folder = std::env::args().nth(1).context("give a folder for the table")?;
    measure(Path::new(&folder), 1_000_000)?;
    match std::env::var("POSTRIDER_PORTED") {
        Ok(numbers) => measure(Path::new(&folder), numbers.parse()?),
        Err(_) => {
            println!("skipped: 100 million numbers (set POSTRIDER_PORTED=100000000)");
            Ok(())
        }
    }
}

fn numbers(count: u64) -> Result<Generated> {
    Generated::new(44, 12, count, 4_000, (Layout::Clustered, 7)).context("too many numbers")
}

fn measure(folder: &Path, count: u64) -> Result<()> {
    let path = folder.join("bench.table");
    let begun = Instant::now();
    let mut builder = Builder::new(Covers::new(vec![44])?, FileSpill::new(&path)?);
    for (number, operator) in numbers(count)? {
        builder.add(number, operator + 1)?;
    }
    let mut settled = builder.settle()?;
    let about = About { operators: vec![None; 4_000], ..About::default() };
    let header = replace(&path, |output| -> Result<_> { Ok(settled.write(&about, 0, output)?) })?;
    drop(settled);
    let built = begun.elapsed();
    let table = open_table(&path, false)?;
    let begun = Instant::now();
    table.verify()?;
    let loaded = begun.elapsed();
    let octets = std::fs::metadata(&path)?.len();
    println!(
        "{} numbers, {:.2} octets each, built in {:.1} s, loaded in {:.2} s",
        header.numbers,
        octets as f64 / header.numbers as f64,
        built.as_secs_f64(),
        loaded.as_secs_f64()
    );
    let hits = sample(count)?;
    // The same numbers with another block in front: those of few are ported.
    let misses: Vec<Msisdn> = hits
        .iter()
        .filter_map(|own| Msisdn::from_u64(own.as_u64() ^ 1))
        .filter(|own| table.find(*own, 0) == Found::NotPorted)
        .collect();
    for (what, asked) in [("hit", &hits), ("miss", &misses)] {
        let (single, batch) = (singles(&table, asked), batches(&table, asked));
        println!("  {what}: one after the other {single:.0} ns, in batches of 16 {batch:.0} ns");
    }
    std::fs::remove_file(&path)?;
    Ok(())
}

/// Numbers of the table in no order.
fn sample(count: u64) -> Result<Vec<Msisdn>> {
    let step = usize::try_from(count)?.div_ceil(ASKED).max(1);
    let chosen = numbers(count)?.step_by(step).filter_map(|(own, _)| Msisdn::from_u64(own));
    let mut chosen: Vec<Msisdn> = chosen.collect();
    let mut state = 1u64;
    for at in (1..chosen.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33)? % (at + 1);
        chosen.swap(at, other);
    }
    Ok(chosen)
}

/// Nanoseconds of a look-up that waits for the one before.
fn singles(table: &Table, asked: &[Msisdn]) -> f64 {
    let begun = Instant::now();
    let mut now = 0;
    for number in asked {
        // Each depends on the answer before.
        now = u64::from(table.find(*number, now) == Found::Ported(None)) & now;
    }
    black_box(now);
    begun.elapsed().as_secs_f64() * 1e9 / asked.len().max(1) as f64
}

/// Nanoseconds of a look-up in batches.
fn batches(table: &Table, asked: &[Msisdn]) -> f64 {
    let begun = Instant::now();
    for batch in asked.as_chunks::<BATCH>().0 {
        black_box(table.find_batch(batch, 0));
    }
    begun.elapsed().as_secs_f64() * 1e9 / asked.len().max(1) as f64
}
