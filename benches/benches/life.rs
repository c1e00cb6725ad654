//! What the whole life of a message takes on the disk: its records, and batches with their padding at several
//! paces. Counted under a virtual clock, so it is the same on every machine.

use postrider_benches::gateway::{Entrance, Gateway};
use postrider_benches::sample::text_of;
use postrider_benches::tally::Tally;
use postrider_storage::{BLOCK, RecordKind};

use crate::Wanted;

/// What a message has in the files beside the log once its segment is sealed: place and time in the list of its
/// customer, hash and place of its recipient, number and slot.
const REGISTER: u64 = (4 + 8) + (8 + 4) + (8 + 8);
/// A row of an index of open messages.
const ROW: u64 = 24;

/// Prints what it takes, unless words on the command line choose other groups.
pub fn run() {
    let Wanted::Yes { measuring } = crate::wanted("life") else { return };
    let messages = if measuring { 20_000 } else { 500 };
    let tallies = [100, 1_000, 10_000, 50_000].map(|pace| (pace, tally(pace, messages)));
    let [_, (_, usual), ..] = &tallies;
    let accepted = usual.records(RecordKind::Accepted);
    println!("\none message of 160 characters            bytes   of its accepted record");
    let of_accepted = |bytes: u64| bytes as f64 / usual.bytes(RecordKind::Accepted) as f64;
    for (name, kind) in [
        ("accepted", RecordKind::Accepted),
        ("submitted, delivered", RecordKind::Part),
        ("webhook acknowledged", RecordKind::Webhook),
        ("closed", RecordKind::Closed),
    ] {
        let bytes = usual.bytes(kind);
        println!("  {name:<34}{:>10}{:>12.2}", bytes / accepted, of_accepted(bytes));
    }
    let all = usual.messages();
    println!("  {:<34}{:>10}{:>12.2}", "all its records", all / accepted, of_accepted(all));
    println!("  {:<34}{REGISTER:>10}", "in its segment's register, then");
    println!("  {:<34}{ROW:>10}", "a row, each way to find it open");

    println!(
        "\npace            batches a message   bytes on the disk   of them padding and headers"
    );
    for (pace, tally) in tallies {
        let messages = tally.records(RecordKind::Accepted);
        println!(
            "  {pace:>6}/s {:>20.3}{:>20}{:>20}",
            tally.batches as f64 / messages as f64,
            tally.written / messages,
            (tally.written - tally.messages()) / messages,
        );
    }
    println!("  a batch takes at least {BLOCK} bytes");
}

fn tally(per_second: u32, messages: u32) -> Tally {
    let mut gateway = Gateway::new(Entrance::Machine);
    gateway.set_text(&text_of(160));
    gateway.steady(per_second, messages);
    gateway.take_tally();
    gateway.steady(per_second, messages);
    gateway.take_tally()
}
