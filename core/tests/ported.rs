//! Tables of ported numbers from feed to look-up: what was fed is found, nothing else is, changes
//! count from their time on, damage is seen.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postrider_core::clock::UnixMs;
use postrider_core::number::Msisdn;
use postrider_core::numbering::Tables;
use postrider_core::operators::{OperatorId, Ported, PortedAnswer, Resolver};
use postrider_core::ported::{
    About, BuildError, Builder, Change, Covers, FeedMeta, Found, LoadedTable, Overlay,
    PortedTables, Range, Recipients, Row, RowReader, Spill, StaleWatch, Subject, Table, TableError,
    covers, entries, is_within,
};
use proptest::prelude::*;

#[derive(Debug, Default)]
struct Memory(BTreeMap<usize, Vec<u8>>);

impl Spill for Memory {
    fn append(&mut self, part: usize, octets: &[u8]) -> io::Result<()> {
        self.0.entry(part).or_default().extend_from_slice(octets);
        Ok(())
    }

    fn read(&mut self, part: usize) -> io::Result<Vec<u8>> {
        Ok(self.0.get(&part).cloned().unwrap_or_default())
    }

    fn clear(&mut self, part: usize) -> io::Result<()> {
        self.0.remove(&part);
        Ok(())
    }
}

fn op(text: &str) -> Option<OperatorId> {
    Some(text.parse().unwrap())
}

fn number(number: u64) -> Msisdn {
    Msisdn::from_u64(number).unwrap()
}

fn about() -> About {
    About {
        as_of_s: 1_000,
        sequence: 17,
        operators: vec![op("234-15"), op("234-30"), None],
        pending: Vec::new(),
        source: String::from("test"),
    }
}

fn file(groups: &[u64], rows: &[(u64, u16)], ranges: &[Range], about: &About) -> Vec<u8> {
    let mut builder = Builder::new(Covers::new(groups.to_vec()).unwrap(), Memory::default());
    for (number, value) in rows {
        builder.add(*number, *value).unwrap();
    }
    for range in ranges {
        builder.add_range(*range).unwrap();
    }
    let mut out = Vec::new();
    builder.settle().unwrap().write(about, 0, &mut out).unwrap();
    out
}

fn open(file: Vec<u8>, overlay: Option<Overlay>) -> Table {
    let table = Table::open(Bytes::from(file), overlay).unwrap();
    table.verify().unwrap();
    table
}

/// The value of a number in `about().operators`.
fn value(found: Found) -> u16 {
    let operators = about().operators;
    match found {
        Found::NotPorted => 0,
        Found::Ported(own) => {
            let at = operators.iter().position(|operator| *operator == own).unwrap();
            u16::try_from(at).unwrap() + 1
        }
    }
}

#[test]
fn what_was_fed_is_found_and_nothing_else() {
    let own = |at: u64| 447_000_000_000 + at * 13;
    let rows: Vec<(u64, u16)> = (0..200_000).map(|at| (own(at), (at % 3) as u16 + 1)).collect();
    let table = open(file(&[44], &rows, &[], &about()), None);
    let header = table.parts().header;
    assert_eq!((header.numbers, table.as_of_s(), table.sequence()), (200_000, 1_000, 17));
    let per_number = header.shape.bytes() as f64 / 200_000.0;
    assert!(per_number <= 8.0, "{per_number}");
    for (at, (own, wanted)) in rows.iter().enumerate() {
        assert_eq!(value(table.find(number(*own), 0)), *wanted);
        let batch: [Msisdn; 16] = std::array::from_fn(|step| number(own + step as u64));
        if at % 10 == 0 {
            let found = table.find_batch(&batch, 0).map(value);
            assert_eq!(found[0], *wanted);
            assert_eq!(found[1..13], [0; 12]);
        }
    }
    // Shorter, longer and other countries' numbers with the same digits behind.
    for other in [44_700_000_000, 4_470_000_000_000, 337_000_000_000, 1_000_000] {
        assert_eq!(table.find(number(other), 0), Found::NotPorted);
    }
}

#[test]
fn the_last_row_of_a_number_counts() {
    let rows = [(447_000_000_001, 1), (447_000_000_002, 1), (447_000_000_001, 2)];
    let table = open(file(&[44], &rows, &[], &about()), None);
    assert_eq!(table.find(number(447_000_000_001), 0), Found::Ported(op("234-30")));
    let rows = [rows[0], rows[1], (447_000_000_001, 0)];
    let table = open(file(&[44], &rows, &[], &about()), None);
    assert_eq!(table.parts().header.numbers, 1);
    assert_eq!(table.find(number(447_000_000_001), 0), Found::NotPorted);
}

#[test]
fn an_empty_table_is_a_table() {
    let table = open(file(&[44], &[], &[], &about()), None);
    assert_eq!(table.find(number(447_000_000_001), 0), Found::NotPorted);
}

#[test]
fn a_range_answers_for_numbers_that_stand_nowhere_else() {
    let block = Range { first: 447_000_001_000, last: 447_000_001_999, value: 2 };
    let table = open(file(&[44], &[(447_000_001_500, 1)], &[block], &about()), None);
    let at = |own| table.find(number(own), 0);
    assert_eq!(at(447_000_001_500), Found::Ported(op("234-15")));
    assert_eq!(at(447_000_001_501), Found::Ported(op("234-30")));
    assert_eq!([at(447_000_000_999), at(447_000_002_000)], [Found::NotPorted; 2]);
}

#[test]
fn changes_are_asked_before_the_table() {
    let rows = [(447_000_000_001, 1), (447_000_000_002, 1)];
    let mut about = about();
    about.pending = vec![Change { number: 447_000_000_009, value: 1, from_s: 5_000 }];
    let made = file(&[44], &rows, &[], &about);
    let base = open(made.clone(), None).parts().id;
    let change = |number, value, from_s| Change { number, value, from_s };
    let overlay = Overlay {
        base,
        as_of_s: 2_000,
        sequence: 18,
        operators: vec![op("234-15"), op("234-30"), None, op("234-10")],
        changes: vec![
            change(447_000_000_001, 0, 0),
            change(447_000_000_002, 4, 3_000),
            change(447_000_000_003, 3, 0),
            change(4_470_000_000_001, 2, 0),
        ],
        ranges: vec![Range { first: 447_000_000_001, last: 447_000_000_001, value: 2 }],
    };
    let decoded = Overlay::decode(&overlay.encode()).unwrap();
    assert_eq!(decoded, overlay);
    let table = open(made.clone(), Some(decoded));
    let at = |own, now| table.find(number(own), now);
    assert_eq!((table.as_of_s(), table.sequence()), (2_000, 18));
    // It went back to whom the range is, and that is another one by now.
    assert_eq!(at(447_000_000_001, 0), Found::Ported(op("234-30")));
    assert_eq!(at(447_000_000_002, 2_999), Found::Ported(op("234-15")));
    assert_eq!(at(447_000_000_002, 3_000), Found::Ported(op("234-10")));
    assert_eq!(at(447_000_000_003, 0), Found::Ported(None));
    assert_eq!(at(4_470_000_000_001, 0), Found::Ported(op("234-30")));
    assert_eq!(at(447_000_000_009, 4_999), Found::NotPorted);
    assert_eq!(at(447_000_000_009, 5_000), Found::Ported(op("234-15")));
    let batch = [447_000_000_001, 447_000_000_002, 447_000_000_003, 447_000_000_008].map(number);
    assert_eq!(table.find_batch(&batch, 3_000), batch.map(|own| table.find(own, 3_000)));
    // Those of another file are none of this one's.
    let other = Overlay { base: base ^ 1, ..overlay };
    let table = open(made, Some(other));
    assert_eq!(table.sequence(), 17);
    assert_eq!(table.find(number(447_000_000_001), 0), Found::Ported(op("234-15")));
}

#[test]
fn damage_is_seen_wherever_it_is() {
    let rows: Vec<(u64, u16)> = (0..5_000).map(|at| (447_000_000_000 + at, 1)).collect();
    let made = file(&[44], &rows, &[], &about());
    let end = made.len();
    let check =
        |file: Vec<u8>| Table::open(Bytes::from(file), None).and_then(|table| table.verify()).err();
    assert_eq!(check(made.clone()), None);
    for at in (0..end).step_by(97).chain([0, 8, 12, 4_095, 4_096, end - 1]) {
        let mut damaged = made.clone();
        damaged[at] ^= 0x40;
        assert!(check(damaged).is_some(), "octet {at} of {end}");
    }
    for length in [0, 7, 4_095, 4_096, end / 2, end - 1] {
        assert!(check(made[..length].to_vec()).is_some(), "{length} of {end}");
    }
    let mut newer = made;
    newer[8] = 2;
    assert!(matches!(check(newer), Some(TableError::Damaged(_))));
    assert_eq!(check(vec![b'x'; 10_000]), Some(TableError::NotATable));
}

#[test]
fn tables_are_for_their_numbers_alone() {
    let groups = Covers::new(vec![9_175, 9_174]).unwrap();
    assert_eq!(groups.head(), 917);
    assert_eq!(Covers::new(vec![44, 33]).unwrap().head(), 0);
    assert_eq!(Covers::new(vec![44]).unwrap().head(), 44);
    let mut builder = Builder::new(groups, Memory::default());
    builder.add(917_400_000_000, 1).unwrap();
    for own in [917_600_000_000, 447_000_000_000, 91_750, 9_174] {
        let outside = own != 91_750 && own != 9_174;
        let refused = builder.add(own, 1);
        assert_eq!(matches!(refused, Err(BuildError::Outside(_))), outside, "{own}");
    }
    assert!(Covers::new(vec![]).is_err() && Covers::new(vec![0]).is_err());
    assert!(covers("044").is_err() && covers("44,x").is_err());
    assert_eq!(covers("9175, +9174").unwrap().groups(), [9_174, 9_175]);
}

fn loaded(groups: &[u64], rows: &[(u64, u16)], fresh: u64) -> LoadedTable {
    let table = Arc::new(open(file(groups, rows, &[], &about()), None));
    LoadedTable {
        name: String::from("test"),
        stamp: String::new(),
        fresh: Duration::from_secs(fresh),
        table,
    }
}

#[test]
fn a_stale_table_disables_only_its_own_numbers() {
    let one = loaded(&[44], &[(447_000_000_001, 1), (447_400_000_001, 1)], 100);
    let narrow = loaded(&[4_474], &[(447_400_000_002, 2), (447_400_000_003, 3)], 500);
    assert!(is_within(&one.table, 44) && !is_within(&one.table, 4_474));
    assert!(is_within(&narrow.table, 44) && !is_within(&narrow.table, 33));
    let tables = Arc::new(PortedTables::new(vec![one, narrow]));
    let as_of = UnixMs(1_000_000);
    let fresh = UnixMs(1_100_000);
    let stale = UnixMs(1_100_001);
    let at = |own: u64, now| tables.find(number(own), now);
    let ported = |text, fresh| PortedAnswer::Ported { operator: op(text), as_of, fresh };
    assert_eq!(at(447_000_000_001, fresh), ported("234-15", true));
    assert_eq!(at(447_000_000_002, fresh), PortedAnswer::NotPorted { as_of });
    assert_eq!(at(447_000_000_001, stale), ported("234-15", false));
    assert_eq!(at(447_000_000_002, stale), PortedAnswer::Unknown);
    // The table for the longer digits answers alone, and is still fresh.
    assert_eq!(at(447_400_000_001, stale), PortedAnswer::NotPorted { as_of });
    assert_eq!(at(447_400_000_002, stale), ported("234-30", true));
    assert_eq!(at(337_000_000_001, fresh), PortedAnswer::Unknown);
    let asked: [u64; 5] =
        [447_000_000_001, 447_400_000_002, 337_000_000_001, 447_400_000_009, 447_000_000_002];
    let asked = asked.map(number);
    assert_eq!(tables.find_batch(&asked, stale), asked.map(|own| tables.find(own, stale)));
    let resolver = Resolver::default().with_ported(tables.clone());
    let trust = |own, now| {
        let known = resolver.resolve(number(own), now);
        (known.operator, known.ported, known.confidence)
    };
    assert_eq!(trust(447_000_000_001, fresh), (op("234-15"), Some(true), 980));
    assert_eq!(trust(447_000_000_001, stale), (op("234-15"), Some(true), 900));
    assert_eq!(trust(447_400_000_003, stale), (None, Some(true), 0));
}

#[test]
fn a_stale_table_is_told_of_once_a_day() {
    let tables = PortedTables::new(vec![
        LoadedTable { name: "one".into(), ..loaded(&[44], &[(447_000_000_001, 1)], 100) },
        LoadedTable { name: "other".into(), ..loaded(&[33], &[(337_000_000_001, 1)], 500) },
    ]);
    let mut watch = StaleWatch::default();
    let mut due = |tables: &PortedTables, second: u64| -> Vec<String> {
        watch.due(tables, UnixMs(second * 1_000)).iter().map(|own| own.name.clone()).collect()
    };
    // Both are of the second 1,000.
    assert_eq!(due(&tables, 1_100), [""; 0]);
    assert_eq!(due(&tables, 1_101), ["one"]);
    assert_eq!(due(&tables, 1_102), [""; 0]);
    assert_eq!(due(&tables, 1_501), ["other"]);
    assert_eq!(due(&tables, 1_101 + 86_399), [""; 0]);
    assert_eq!(due(&tables, 1_101 + 86_400), ["one"]);
    // One that was made anew, and is stale again, is told of again.
    assert_eq!(due(&PortedTables::default(), 90_000), [""; 0]);
    assert_eq!(due(&tables, 90_001), ["one", "other"]);
}

#[test]
fn a_table_knows_its_country() {
    let country = |groups: &[u64]| {
        let rows: Vec<(u64, u16)> = groups.iter().map(|own| (own * 1_000_000_000, 1)).collect();
        let country = loaded(groups, &rows, 1).table.country(Tables::builtin());
        country.map(|own| own.to_string())
    };
    assert_eq!(country(&[44]).as_deref(), Some("GB"));
    assert_eq!(country(&[4_477, 4_478]).as_deref(), Some("GB"));
    assert_eq!(country(&[9_174, 9_175]).as_deref(), Some("IN"));
    assert_eq!(country(&[44, 33]), None);
    assert_eq!(country(&[999]), None);
}

fn time(text: &str) -> Option<UnixMs> {
    text.strip_prefix('t')?.parse().ok().map(UnixMs)
}

#[test]
fn rows_are_read_as_their_columns_say() {
    let recipients =
        Recipients::parse("map.csv", "recipient,mcc,mnc\nD018,262,01\nX9,,\n").unwrap();
    let names = "\"valid_from\";recipient;first;extra;last;action";
    let mut reader =
        RowReader::new(names, Some(49), Some(recipients), vec![op("262-02")], time).unwrap();
    let row = |subject, value, from_s| Some(Row { subject, value, from_s });
    let mut read = |line: &str| reader.row(line.as_bytes());
    let one = Subject::Number(491_512_345_678);
    assert_eq!(read(";D018;1512345678;;;\r\n").unwrap(), row(one, 2, None));
    assert_eq!(read("t5000;\"X9\";1512345678").unwrap(), row(one, 3, Some(5)));
    assert_eq!(read(";;+491512345678;;;return").unwrap(), row(one, 0, None));
    let block = Subject::Range(491_512_345_000, 491_512_345_999);
    assert_eq!(read(";D018;1512345000;x;1512345999;port").unwrap(), row(block, 2, None));
    assert_eq!(read("\n").unwrap(), None);
    for (line, word) in [
        (";D019;1512345678", "D019"),
        (";D018;15x", "digits"),
        (";D018;", "digits"),
        (";D018;1512345678901234", "digits"),
        ("noon;D018;1512345678", "valid_from"),
        (";D018;1512345678;;;move", "action"),
        (";D018;1512345678;;151234567;", "range"),
    ] {
        let error = read(line).unwrap_err().to_string();
        assert!(error.contains(word), "{line}: {error}");
    }
    assert_eq!(reader.operators(), [op("262-02"), op("262-01"), None]);
    for names in ["number", "recipient", "number,mcc", "number,recipient,first"] {
        assert!(RowReader::new(names, None, None, Vec::new(), time).is_err(), "{names}");
    }
    let mut reader = RowReader::new("number,mcc,mnc", None, None, Vec::new(), time).unwrap();
    assert!(reader.row(b"447700900123,234,").is_err());
    assert_eq!(reader.row(b"447700900123,234,15").unwrap().unwrap().value, 1);
}

#[test]
fn a_feed_says_what_it_is() {
    let mut meta = FeedMeta::default();
    for line in [
        "# as_of: t7000",
        "#sequence: 18",
        "# after: 16",
        "# rows: 3",
        "# source: Registry: A",
        "# hm",
    ] {
        meta.line(line, time).unwrap();
    }
    assert_eq!(
        meta,
        FeedMeta {
            as_of: Some(UnixMs(7_000)),
            sequence: Some(18),
            after: Some(16),
            rows: Some(3),
            source: Some(String::from("Registry: A")),
        }
    );
    assert!(meta.line("# sequence: many", time).is_err());
    assert!(meta.line("# as_of: noon", time).is_err());
}

proptest! {
    /// Against an ordered map; a table is also what it reads back.
    #[test]
    fn tables_are_what_was_fed(
        rows in prop::collection::vec((0u64..3_000, 0u16..4, 7u32..=12), 0..2_000),
    ) {
        let full = |behind: u64, digits: u32| 44 * 10u64.pow(digits - 2) + behind;
        let mut model = BTreeMap::new();
        let mut fed = Vec::new();
        for (behind, value, digits) in rows {
            model.insert(full(behind, digits), value);
            fed.push((full(behind, digits), value));
        }
        let made = file(&[44], &fed, &[], &about());
        let table = open(made.clone(), None);
        for digits in 7..=12 {
            for behind in 0..3_000 {
                let own = full(behind, digits);
                let found = value(table.find(number(own), 0));
                prop_assert_eq!(found, model.get(&own).copied().unwrap_or(0));
            }
        }
        let header = table.parts().header;
        let read = table.parts().stretches(&made);
        let read = read.flat_map(|(at, octets)| entries(header.shape, at, octets));
        let read = read.map(|own| (header.space.number(own.spread).unwrap(), own.value as u16));
        model.retain(|_, value| *value != 0);
        prop_assert_eq!(read.collect::<BTreeMap<u64, u16>>(), model);
    }
}
