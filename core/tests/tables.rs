//! Sets of tables of numbers: an operator's files over the program's own, and snapshots of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::collections::BTreeMap;

use postrider_core::clock::UnixMs;
use postrider_core::number::Msisdn;
use postrider_core::numbering::{
    FORMAT, Facts, Forms, SnapshotError, TableKind, Tables, snapshot_made_of,
};
use postrider_core::operators::Resolver;
use postrider_core::region::Region;
use proptest::prelude::*;

const VECTORS: &str = include_str!("vectors/number_vectors.csv");

fn number(text: &str) -> Msisdn {
    Msisdn::parse_strict(text).unwrap()
}

/// Every number of the vectors that can be read.
fn vector_numbers() -> Vec<Msisdn> {
    let lenient = VECTORS.lines().skip(1).map(|line| line.split(',').nth(4).unwrap());
    lenient.filter_map(|text| Msisdn::parse_strict(text).ok()).collect()
}

fn files(own: &[(&str, &str)]) -> BTreeMap<String, String> {
    own.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// Two small tables of operators over the program's own.
fn own_operators() -> BTreeMap<String, String> {
    files(&[
        ("operators.csv", "operator_id,operator,mcc,mnc\n7,Ours,234,99\n"),
        ("operator_prefixes.csv", "prefix,operator_id\n447717,7\n"),
        (
            "sources.csv",
            "file,as_of,source\noperators.csv,2026-11-20,\"us, today\"\n\
             operator_prefixes.csv,2026-11-21,us\n",
        ),
    ])
}

fn all_of<'t>(tables: &'t Tables, numbers: &[Msisdn]) -> Vec<Facts<'t>> {
    numbers.iter().map(|number| tables.look_up(*number)).collect()
}

#[test]
fn a_snapshot_answers_as_its_csv_files_do() {
    let numbers = vector_numbers();
    assert!(numbers.len() > 2_000);
    let own = own_operators();
    for forms in [Forms::BUILTIN, Forms::over_builtin(&own).unwrap()] {
        let read = Tables::read(&forms).unwrap();
        let file = read.to_snapshot().unwrap();
        let mapped = Tables::from_snapshot(&file).unwrap();
        assert_eq!(all_of(&mapped, &numbers), all_of(&read, &numbers));
        for kind in TableKind::ALL {
            assert_eq!(mapped.info(kind), read.info(kind));
        }
        assert_eq!(mapped.countries(), read.countries());
        assert_eq!(mapped.octets(), read.octets());
        assert_eq!(
            (mapped.made_of(), snapshot_made_of(&file)),
            (read.made_of(), Ok(read.made_of()))
        );
        assert_eq!(read.made_of(), forms.fingerprint());
        assert_eq!(mapped.to_snapshot().unwrap(), file);
    }
}

proptest! {
    #[test]
    fn a_snapshot_answers_for_any_number_as_its_csv_files_do(digits in "[1-9][0-9]{6,14}") {
        static FILE: std::sync::OnceLock<Tables> = std::sync::OnceLock::new();
        let mapped = FILE.get_or_init(|| {
            Tables::from_snapshot(&Tables::builtin().to_snapshot().unwrap()).unwrap()
        });
        let number = number(&digits);
        prop_assert_eq!(mapped.look_up(number), Tables::builtin().look_up(number));
        prop_assert_eq!(mapped.region_of(number), Tables::builtin().region_of(number));
    }
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let own = own_operators();
    let file = Tables::read(&Forms::over_builtin(&own).unwrap()).unwrap().to_snapshot().unwrap();
    let step = file.len() / 400;
    for at in (0..file.len()).step_by(step) {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << (at % 8);
        let error = Tables::from_snapshot(&damaged).unwrap_err();
        let expected = match at {
            0..8 => SnapshotError::NotASnapshot,
            8..12 => SnapshotError::Format(u32::from_le_bytes(damaged[8..12].try_into().unwrap())),
            _ => SnapshotError::Damaged,
        };
        assert_eq!(error, expected, "{at}");
        assert!(Tables::from_snapshot(&file[..at]).is_err(), "cut off at {at}");
    }
    let mut newer = file;
    newer[8] += 1;
    assert_eq!(Tables::from_snapshot(&newer).unwrap_err(), SnapshotError::Format(FORMAT + 1));
}

/// What a checksum does not see: another program wrote something else there.
#[test]
fn a_snapshot_of_wrong_values_is_refused_or_harmless() {
    let numbers = vector_numbers();
    let file = Tables::builtin().to_snapshot().unwrap();
    let (mut refused, mut taken) = (0, 0);
    let step = file.len() / 600;
    // The places at the end say where everything else is.
    let last = file.len() - 4;
    for at in (20..last).step_by(step).chain(last - 200..last) {
        let mut other = file.clone();
        other[at] ^= 0x81;
        let check = crc32c::crc32c(&other[..last]);
        other[last..].copy_from_slice(&check.to_le_bytes());
        match Tables::from_snapshot(&other) {
            Ok(tables) => {
                taken += 1;
                // Whatever it says, it says something.
                all_of(&tables, &numbers);
                assert!(tables.octets() > 0);
            }
            Err(SnapshotError::Unsound(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    println!("{refused} refused, {taken} harmless");
    assert!(refused > 100 && taken > 100, "{refused} {taken}");
}

/// When this fails, the types in a snapshot are others than they were: raise `FORMAT`, so that older
/// snapshots are refused and not misread, and write the new numbers here.
#[test]
fn snapshots_of_one_format_are_laid_out_alike() {
    let empty = [
        (
            "countries.csv",
            "iso2,name,calling_code,mnp,trunk_prefix,keeps_zero\nGB,Britain,44,yes,0,\n",
        ),
        ("numbering.csv", "prefix,iso2,number_type,lengths\n447,GB,MOBILE,12\n"),
        ("operator_prefixes.csv", "prefix,operator_id\n447717,7\n"),
        ("operators.csv", "operator_id,operator,mcc,mnc\n7,Ours,234,99\n"),
        ("regions.csv", "prefix,iso2\n44,GB\n"),
    ];
    let mut own = files(&empty);
    let sources: String = empty.map(|(name, _)| format!("{name},2026-11-20,us\n")).concat();
    own.insert("sources.csv".into(), format!("file,as_of,source\n{sources}"));
    let tables = Tables::read(&Forms::over_builtin(&own).unwrap()).unwrap();
    let file = tables.to_snapshot().unwrap();
    // The program's own sources.csv is part of what it was made of, and no part of its layout.
    let body = &file[20..file.len() - 4];
    assert_eq!((FORMAT, body.len(), crc32c::crc32c(body)), (1, 416, 1_504_973_238));
}

#[test]
fn an_operators_files_take_the_place_of_the_programs() {
    let own = own_operators();
    let tables = std::sync::Arc::new(Tables::read(&Forms::over_builtin(&own).unwrap()).unwrap());
    let info = |kind| tables.info(kind);
    let (operators, regions) = (info(TableKind::Operators), info(TableKind::Regions));
    assert_eq!((operators.rows, operators.own, operators.source.as_str()), (1, true, "us, today"));
    assert_eq!(Some(operators.as_of), UnixMs::of_day("2026-11-20"));
    assert!(!regions.own && regions.rows > 300);
    assert_ne!(tables.made_of(), Tables::builtin().made_of());
    let resolver = Resolver::new(tables);
    let known = resolver.resolve(number("447717000001"), UnixMs(0));
    assert_eq!((known.name, known.region), (Some("Ours"), Region::parse("GB")));
    assert_eq!(known.as_of, UnixMs::of_day("2026-11-21"));
    // Nobody has that range in these tables: what is said of it is the numbering plan's.
    let known = resolver.resolve(number("447700900123"), UnixMs(0));
    assert_eq!((known.name, known.as_of), (None, UnixMs::of_day("2026-11-06")));
}

#[test]
fn files_that_make_no_set_are_named() {
    let without = |name: &str| {
        let mut own = own_operators();
        own.remove(name);
        own
    };
    let with = |name: &str, text: &str| {
        let mut own = own_operators();
        own.insert(name.to_owned(), text.to_owned());
        own
    };
    for (own, expected) in [
        (
            without("operators.csv"),
            "sources.csv, line 1: it names operators.csv, which is not there",
        ),
        (
            files(&[
                ("operator_prefixes.csv", "prefix,operator_id\n447717,7\n"),
                ("sources.csv", "file,as_of,source\noperator_prefixes.csv,2026-11-20,us\n"),
            ]),
            "operators.csv, line 1: operators.csv and operator_prefixes.csv belong together",
        ),
        (without("sources.csv"), "sources.csv, line 1: it does not say when operator_prefixes.csv"),
        (
            with(
                "sources.csv",
                "file,as_of,source\noperators.csv,2026-11-20,us\n\
                 operator_prefixes.csv,2026-11-20,us\nregions.csv,2026-11-20,us\n",
            ),
            "sources.csv, line 1: it names regions.csv, which is not there",
        ),
        (with("operator.csv", ""), "operator.csv, line 1: there is no such table: countries.csv, "),
        (
            with("sources.csv", "file,as_of,source\noperator_prefixes.csv,2026-02-30,us\n"),
            "sources.csv, line 2: as_of \"2026-02-30\" is no day",
        ),
        (
            with("sources.csv", "file,as_of,source\nprefixes.csv,2026-02-03,us\n"),
            "sources.csv, line 2: file \"prefixes.csv\" is the file of no table",
        ),
    ] {
        let error = Forms::over_builtin(&own).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn days_are_read_by_the_calendar() {
    for (text, days) in [
        ("1970-01-01", Some(0)),
        ("1970-03-01", Some(59)),
        ("2000-02-29", Some(11_016)),
        ("2000-03-01", Some(11_017)),
        ("2026-11-06", Some(20_763)),
        ("2100-02-29", None),
        ("2026-02-29", None),
        ("2026-13-01", None),
        ("2026-11-31", None),
        ("2026-11-00", None),
        ("1969-12-31", None),
        ("2026-1-001", None),
        ("2026-11-06T00:00:00Z", None),
        ("", None),
        ("+026-11-06", None),
    ] {
        assert_eq!(UnixMs::of_day(text), days.map(|days: u64| UnixMs(days * 86_400_000)), "{text}");
    }
}
