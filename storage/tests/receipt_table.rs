//! The table of carriers' ids of the hot hour: against a map, within its memory, and when the plan is
//! exceeded. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::Choices;
use postrider_storage::runs::receipts::{ReceiptTable, fingerprint};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);
const KEY: [u64; 2] = [3, 5];

fn id(n: u64) -> u64 {
    fingerprint(7, &n.to_le_bytes(), KEY)
}

fn found(table: &ReceiptTable, fingerprint: u64) -> Vec<u64> {
    let mut parts: Vec<u64> = table.find(fingerprint).collect();
    parts.sort_unstable();
    parts
}

#[test]
fn fingerprints_differ_by_carrier_id_and_key() {
    let all = [
        fingerprint(1, b"abc", KEY),
        fingerprint(2, b"abc", KEY),
        fingerprint(1, b"abd", KEY),
        fingerprint(1, b"ab", KEY),
        fingerprint(1, b"abc", [5, 3]),
    ];
    let mut unique = all.to_vec();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), all.len());
    // They lie in files: this value may never change.
    assert_eq!(fingerprint(1, b"abc", KEY), 5_111_845_662_188_277_536);
}

#[test]
fn an_entry_takes_at_most_24_bytes_of_the_plan() {
    for planned in [1_000, 4_096, 1_000_000] {
        let table = ReceiptTable::new(planned, HOUR, Duration::ZERO);
        let bytes = table.bytes() - size_of::<ReceiptTable>();
        assert!(bytes <= 24 * planned, "{bytes} bytes for {planned} entries");
        println!("{planned} planned: {} bytes each", bytes / planned);
    }
}

/// A whole plan within each hour, nothing ever removed: every entry is there for an hour, none for
/// much longer, and the table does not grow.
#[test]
fn every_planned_entry_is_found_for_its_hour() {
    let planned = 8_000_u64;
    let mut table = ReceiptTable::new(8_000, HOUR, Duration::ZERO);
    let each = HOUR / 8_000;
    for n in 0..planned * 5 {
        let now = each * u32::try_from(n).unwrap();
        assert!(table.insert(now, id(n), n), "{n}");
        let oldest = n.saturating_sub(planned - 1);
        for at in [n, n - (n - oldest) / 2, oldest] {
            assert_eq!(found(&table, id(at)), [at], "{at} after {n}");
        }
        if n > planned * 5 / 4 {
            assert_eq!(found(&table, id(n - planned * 5 / 4)), [], "an old entry after {n}");
        }
    }
    assert_eq!(table.pushed_out(), 0);
    assert!(table.len() * 10 <= table.slots() * 8, "{} of {}", table.len(), table.slots());
}

#[test]
fn beyond_the_plan_the_oldest_go_first() {
    let planned = 8_000_u64;
    let mut table = ReceiptTable::new(8_000, HOUR, Duration::ZERO);
    // Five times the plan in one minute, then in no time at all.
    for n in 0..planned * 5 {
        let now = Duration::from_millis(n.min(planned * 2) * 60_000 / (planned * 5));
        assert!(table.insert(now, id(n), n), "{n}");
        for newest in n.saturating_sub(planned * 7 / 8)..n {
            if newest % 997 == 0 {
                assert_eq!(found(&table, id(newest)), [newest], "{newest} after {n}");
            }
        }
    }
    assert!(table.pushed_out() >= planned * 5 - planned * 10 / 8, "{}", table.pushed_out());
    assert!(table.len() * 10 <= table.slots() * 9, "{} of {}", table.len(), table.slots());
}

#[test]
fn time_alone_expires_entries() {
    let mut table = ReceiptTable::new(1_000, HOUR, Duration::ZERO);
    for n in 0..1_000 {
        table.insert(Duration::ZERO, id(n), n);
    }
    table.handle_time(Duration::from_secs(1), 0);
    table.handle_time(HOUR - Duration::from_secs(1), 10_000);
    assert_eq!(table.len(), 1_000, "not yet an hour old");
    for minute in 60..80 {
        table.handle_time(Duration::from_secs(minute * 60), table.slots() / 8);
    }
    assert_eq!((table.len(), table.pushed_out()), (0, 0));
    assert!((0..1_000).all(|n| table.find(id(n)).next().is_none()));
    // After long silence, everything at once.
    table.insert(HOUR * 2, id(1), 1);
    table.handle_time(HOUR * 40, usize::MAX);
    assert!(table.is_empty());
    assert!(table.insert(HOUR * 40, id(2), 2));
    assert_eq!(found(&table, id(2)), [2]);
}

#[derive(Debug, Clone)]
enum Act {
    Insert(u64, u64),
    Remove(u64, u64),
    Wait(u64),
    Burst(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..40_u64, 0..4_u64).prop_map(|(n, part)| Act::Insert(n, part)),
        5 => (0..40_u64, 0..4_u64).prop_map(|(n, part)| Act::Remove(n, part)),
        1 => (0..4_000_u64).prop_map(Act::Wait),
        1 => any::<u64>().prop_map(Act::Burst),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Young entries are found as long as no more than the plan have come since, removed ones never,
    /// and none that did not come.
    #[test]
    fn the_table_is_a_map_of_what_is_young(acts in prop::collection::vec(act(), 1..300)) {
        let planned = 64;
        let mut table = ReceiptTable::new(64, HOUR, Duration::ZERO);
        let mut now = Duration::ZERO;
        let mut came = 0_u64;
        // When each entry came last, by time and by count.
        let mut model: BTreeMap<(u64, u64), (Duration, u64)> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Insert(n, part) => {
                    prop_assert!(table.insert(now, id(n), part));
                    came += 1;
                    model.insert((n, part), (now, came));
                }
                Act::Remove(n, part) => {
                    let known = model.remove(&(n, part)).is_some();
                    let removed = table.remove(id(n), part);
                    prop_assert!(known || !removed, "what did not come was removed");
                }
                Act::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    table.handle_time(now, 20);
                }
                Act::Burst(seed) => {
                    let mut choices = Choices(seed);
                    for _ in 0..planned / 2 {
                        let n = 1_000 + choices.next(1_000_000) as u64;
                        prop_assert!(table.insert(now, id(n), 9));
                        came += 1;
                        model.insert((n, 9), (now, came));
                    }
                }
            }
            for n in (0..40).chain([1_001]) {
                let found = found(&table, id(n));
                let known = model.range((n, 0)..=(n, u64::MAX));
                let young = known.clone().filter(|(_, (at, number))| {
                    now - *at < HOUR && came - number < planned * 3 / 4
                });
                for ((_, part), _) in young {
                    prop_assert!(found.contains(part), "{n}/{part} is young");
                }
                for part in &found {
                    prop_assert!(known.clone().any(|((_, known), _)| known == part));
                }
                prop_assert!(found.is_sorted_by(|a, b| a < b), "each part once");
            }
        }
    }
}
