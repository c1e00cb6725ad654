//! Numbers, regions, routes, placement, sender ids and message ids against vectors and models.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use postrider_core::clock::UnixMs;
use postrider_core::id::{IdCipher, IdFields, MessageId, SEQUENCE_MAX};
use postrider_core::number::Msisdn;
use postrider_core::numbering::{Forms, NumberKind, TableKind, Tables};
use postrider_core::operators::{OperatorId, Resolver};
use postrider_core::place::{Partition, Placement, ShardId};
use postrider_core::region::Region;
use postrider_core::route::{
    Candidate, CarrierIx, RequireLookup, RouteConfig, RoutePrefix, RouteTable, RouteTarget,
};
use postrider_core::sender::SenderId;
use proptest::prelude::*;

const VECTORS: &str = include_str!("vectors/number_vectors.csv");
const REGIONS: &str = include_str!("../data/regions.csv");

fn number(text: &str) -> Msisdn {
    Msisdn::parse_strict(text).unwrap()
}

fn table_of(routes: &[RouteConfig]) -> RouteTable {
    RouteTable::new(routes, Tables::builtin())
}

/// form, input, default_region, strict, lenient, valid, iso2, number_type, operator, mcc, mnc.
fn vectors() -> impl Iterator<Item = [&'static str; 11]> {
    let fields = |line: &'static str| line.split(',').collect::<Vec<_>>().try_into();
    VECTORS.lines().skip(1).map(move |line| fields(line).expect(line))
}

#[test]
fn number_vectors_strict() {
    let (mut taken, mut refused) = (0, 0);
    for [_, input, _, strict, ..] in vectors() {
        match Msisdn::parse_strict(input) {
            Ok(number) => {
                taken += 1;
                assert_eq!(number.e164().as_str(), strict, "{input:?}");
                assert_eq!(Msisdn::from_carrier(strict.as_bytes()), Some(number));
            }
            Err(error) => {
                refused += 1;
                assert_eq!(strict, "", "{input:?}: {error}");
            }
        }
    }
    assert!(taken > 1_400 && refused > 700, "{taken} {refused}");
}

#[test]
fn number_vectors_lenient() {
    let tables = Tables::builtin();
    let (mut taken, mut refused) = (0, 0);
    for [_, input, country, _, lenient, ..] in vectors() {
        let country = Region::parse(country);
        match Msisdn::parse_lenient(input, country, tables) {
            Ok(number) => {
                taken += 1;
                assert_eq!(number.e164().as_str(), lenient, "{input:?} {country:?}");
            }
            Err(error) => {
                refused += 1;
                assert_eq!(lenient, "", "{input:?}: {error}");
            }
        }
    }
    assert!(taken > 2_200 && refused > 10, "{taken} {refused}");
}

#[test]
fn number_vectors_resolved() {
    let resolver = Resolver::default();
    let (mut valid_ones, mut named, mut coded) = (0, 0, 0);
    for [_, input, _, _, lenient, valid, region, kind, operator, mcc, mnc] in vectors() {
        let Ok(number) = Msisdn::parse_strict(lenient) else { continue };
        let known = resolver.resolve(number, UnixMs(0));
        assert_eq!(known.kind.is_some(), valid == "yes", "{input:?}");
        assert_eq!(known.kind, NumberKind::parse(kind), "{input:?}");
        assert_eq!(known.name.unwrap_or_default(), operator, "{input:?}");
        assert_eq!(known.operator, OperatorId::new(mcc, mnc).ok(), "{input:?}");
        if known.kind.is_some() {
            valid_ones += 1;
            named += usize::from(known.name.is_some());
            coded += usize::from(known.operator.is_some());
            assert_eq!(known.region, Region::parse(region), "{input:?}");
            assert_eq!(Tables::builtin().region_of(number), Region::parse(region), "{input:?}");
        }
    }
    assert!(valid_ones > 1_500 && named > 800 && coded > 500, "{valid_ones} {named} {coded}");
}

#[test]
fn repairs_stay_within_their_rule() {
    let gb = Region::parse("GB");
    for (text, country, expected) in [
        ("07700 900123", gb, Some("+447700900123")),
        ("+1 (201) 555-0123", gb, Some("+12015550123")),
        ("00 44 (0)7700 900123", None, Some("+447700900123")),
        ("+44 7700 9001O3", gb, None),
        ("+44 7700 900123 44 7700 900123", gb, None),
        ("٠٧٧٠٠٩٠٠١٢٣", gb, Some("+447700900123")),
        ("１２３", gb, None),
    ] {
        let found = Msisdn::parse_lenient(text, country, Tables::builtin()).ok();
        let found = found.map(|number| number.e164().to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
    let endless = " 4".repeat(100_000);
    assert!(Msisdn::parse_lenient(&endless, None, Tables::builtin()).is_err());
}

#[test]
fn a_table_that_cannot_be_right_is_refused_with_its_line() {
    let operators = "operator_id,operator,mcc,mnc\n1,One,,\n";
    let good = Forms::BUILTIN.with(TableKind::Operators, operators);
    let good = good.with(TableKind::OperatorPrefixes, "prefix,operator_id\n4477,1\n");
    assert!(Tables::read(&good).is_ok());
    let cases = [
        (TableKind::OperatorPrefixes, "prefix,operator_id\n4477,2\n", "line 2: operator_id \"2\""),
        (TableKind::OperatorPrefixes, "prefix,operator_id\n4477,1\n0,1\n", "line 3: prefix \"0\""),
        (TableKind::Numbering, "prefix,iso2\n", "line 1: there is no column number_type"),
        (
            TableKind::Numbering,
            "prefix,iso2,number_type,lengths\n1,US,PIGEON,11\n",
            "line 2: number_type \"PIGEON\"",
        ),
        (TableKind::Operators, "operator_id,operator,mcc,mnc\n1,One,234,1\n", "line 2: mnc \"1\""),
        (
            TableKind::Operators,
            "operator_id,operator,mcc,mnc\n1,One,,\n1,Two,,\n",
            "line 3: operator_id \"1\" is there twice",
        ),
    ];
    for (kind, text, expected) in cases {
        let error = Tables::read(&good.with(kind, text)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}, {expected}", kind.file())), "{error}");
    }
}

#[test]
fn shared_calling_codes_are_told_apart() {
    for (text, region) in [
        ("447700900123", Some("GB")),
        ("447781100123", Some("GG")),
        ("447797712345", Some("JE")),
        ("447924301234", Some("GB")),
        ("12015550123", Some("US")),
        ("15062345678", Some("CA")),
        ("77710009998", Some("KZ")),
        ("79123456789", Some("RU")),
        ("88210123456", Some("001")),
        ("2101234567", None),
        ("9991234567", None),
    ] {
        assert_eq!(
            Tables::builtin().region_of(number(text)),
            region.and_then(Region::parse),
            "{text}"
        );
    }
}

fn route(target: &str, carriers: &[u16]) -> RouteConfig {
    let target = match Region::parse(target) {
        Some(region) => RouteTarget::Country(region),
        None => RouteTarget::Prefix(RoutePrefix::parse(target).unwrap()),
    };
    let candidate = |(carrier, place)| Candidate {
        carrier: CarrierIx(carrier),
        priority: place,
        cost: 0,
        weight: 1,
    };
    RouteConfig {
        require_lookup: RequireLookup::No,
        target,
        min_confidence: 0,
        priced: false,
        tolerance: None,
        carriers: carriers.iter().copied().zip(1..).map(candidate).collect(),
    }
}

/// The carriers of a number's route, the best first; empty without one.
fn carriers_of(table: &RouteTable, to: &str) -> Vec<u16> {
    let to = number(to);
    let route = table.find(to, &Resolver::default().resolve(to, UnixMs(0)));
    let candidates = route.map_or(&[][..], |route| route.candidates());
    candidates.iter().map(|candidate| candidate.carrier.0).collect()
}

#[track_caller]
fn goes_to(table: &RouteTable, to: &str, carriers: &[u16]) {
    assert_eq!(carriers_of(table, to), carriers, "{to}");
}

#[test]
fn the_longest_prefix_wins() {
    let table = table_of(&[
        route("", &[0]),
        route("44", &[1]),
        route("447", &[2, 1]),
        route("4477009001", &[3]),
    ]);
    goes_to(&table, "447700900123", &[3]);
    goes_to(&table, "447700900223", &[2, 1]);
    goes_to(&table, "442079460000", &[1]);
    goes_to(&table, "33612345678", &[0]);
    goes_to(&table, "4500000", &[0]);
}

#[test]
fn a_country_covers_its_region_and_nothing_else() {
    let table = table_of(&[route("GB", &[0]), route("GG", &[1])]);
    goes_to(&table, "447700900123", &[0]);
    goes_to(&table, "447781100123", &[1]);
    goes_to(&table, "447797712345", &[]);
    goes_to(&table, "33612345678", &[]);
    goes_to(&table_of(&[]), "447700900123", &[]);
}

#[test]
fn prefix_and_country_compete_by_length() {
    // The region table knows GB by 44 and GG by 447781.
    let table =
        table_of(&[route("GB", &[0]), route("GG", &[1]), route("44", &[2]), route("447", &[3])]);
    goes_to(&table, "442079460000", &[2]);
    goes_to(&table, "447700900123", &[3]);
    goes_to(&table, "447781100123", &[1]);
    // No country route for JE: the prefix covers it.
    goes_to(&table, "447797712345", &[3]);
    let table = table_of(&[route("GG", &[1]), route("447781", &[4]), route("4", &[5])]);
    goes_to(&table, "447781100123", &[4]);
    goes_to(&table, "441481100123", &[1]);
    goes_to(&table, "442079460000", &[5]);
}

#[test]
fn a_number_shorter_than_a_prefix_does_not_match_it() {
    let table = table_of(&[route("4477009000", &[0]), route("44", &[1])]);
    goes_to(&table, "44770090", &[1]);
    goes_to(&table, "447700900", &[1]);
    goes_to(&table, "4477009000", &[0]);
    goes_to(&table, "447700900099999", &[0]);
}

#[test]
fn prefixes_are_digits_without_trunk_zero() {
    assert!(RoutePrefix::parse("").is_some());
    assert!(RoutePrefix::parse("999999999999999").is_some());
    for bad in ["0", "044", "+44", "4 4", "1234567890123456", "４４"] {
        assert!(RoutePrefix::parse(bad).is_none(), "{bad}");
    }
}

/// The region table read naively: the longest prefix of the digits.
fn naive_region(digits: &str) -> Option<(usize, &'static str)> {
    let rows = REGIONS.lines().skip(1).map(|line| line.split_once(',').unwrap());
    rows.filter(|(prefix, _)| digits.starts_with(prefix))
        .max_by_key(|(prefix, _)| prefix.len())
        .map(|(prefix, region)| (prefix.len(), region))
}

/// The rule of routes read naively.
fn naive_route(prefixes: &[String], countries: &[&str], digits: &str) -> Option<usize> {
    let by_prefix = (0..prefixes.len())
        .filter(|index| digits.starts_with(prefixes[*index].as_str()))
        .max_by_key(|index| prefixes[*index].len());
    let by_country = naive_region(digits).and_then(|(length, region)| {
        countries.iter().position(|own| *own == region).map(|index| (length, index))
    });
    match (by_prefix, by_country) {
        (Some(own), Some((length, _))) if prefixes[own].len() >= length => Some(own),
        (_, Some((_, country))) => Some(prefixes.len() + country),
        (own, None) => own,
    }
}

/// Digits that fall near the prefixes of the region table.
fn digits() -> impl Strategy<Value = String> {
    let heads: Vec<&str> =
        REGIONS.lines().skip(1).map(|line| line.split_once(',').unwrap().0).collect();
    (prop::sample::select(heads), "[0-9]{0,14}", 7usize..=15, 0usize..9).prop_map(
        |(head, tail, length, cut)| {
            let head = &head[..head.len() - cut.min(head.len() - 1)];
            let mut digits = format!("{head}{tail}{}", "0".repeat(15));
            digits.truncate(length);
            digits
        },
    )
}

fn prefix() -> impl Strategy<Value = String> {
    (digits(), 0usize..=12)
        .prop_map(|(digits, length)| digits[..length.min(digits.len())].to_owned())
}

proptest! {
    #[test]
    fn regions_are_the_longest_prefix(digits in digits()) {
        let naive = naive_region(&digits).map(|(_, region)| region);
        prop_assert_eq!(Tables::builtin().region_of(number(&digits)), naive.and_then(Region::parse));
    }

    #[test]
    fn routes_follow_their_rule(
        mut prefixes in prop::collection::vec(prefix(), 0..12),
        numbers in prop::collection::vec(digits(), 1..40),
        countries in prop::sample::subsequence(
            vec!["GB", "GG", "US", "CA", "JM", "RU", "KZ", "FR", "NO"], 0..=9),
    ) {
        prefixes.sort();
        prefixes.dedup();
        let targets = prefixes.iter().map(String::as_str).chain(countries.iter().copied());
        let routes: Vec<RouteConfig> =
            targets.zip(0u16..).map(|(target, index)| route(target, &[index])).collect();
        let table = table_of(&routes);
        let longer = prefixes.iter().filter(|prefix| prefix.len() >= 7).cloned();
        for digits in numbers.into_iter().chain(longer) {
            let expected = naive_route(&prefixes, &countries, &digits);
            let found = carriers_of(&table, &digits).first().copied();
            prop_assert_eq!(found.map(usize::from), expected, "{}", digits);
        }
    }

    #[test]
    fn numbers_go_both_ways(value in 0u64..2_000_000_000_000_000) {
        let Some(number) = Msisdn::from_u64(value) else {
            prop_assert!(Msisdn::parse_strict(&value.to_string()).is_err());
            return Ok(());
        };
        prop_assert_eq!(number.as_u64(), value);
        prop_assert_eq!(number.digits().to_string(), value.to_string());
        prop_assert_eq!(number.e164().to_string(), format!("+{value}"));
        for text in [number.digits().as_str(), number.e164().as_str()] {
            prop_assert_eq!(Msisdn::parse_strict(text), Ok(number));
        }
        for text in [format!("{value}"), format!("+{value}"), format!("00{value}")] {
            prop_assert_eq!(Msisdn::from_carrier(text.as_bytes()), Some(number));
        }
        let shown = format!("{number}{number:?}");
        prop_assert_eq!(shown.chars().filter(char::is_ascii_digit).count(), 8);
    }

    #[test]
    fn no_text_is_taken_but_by_the_rule(text in "\\PC{0,20}|[+0-9]{0,18}") {
        let digits = text.strip_prefix('+').unwrap_or(&text);
        let fits = (7..=15).contains(&digits.len())
            && digits.bytes().all(|octet| octet.is_ascii_digit())
            && !digits.starts_with('0');
        prop_assert_eq!(Msisdn::parse_strict(&text).is_ok(), fits);
    }

    #[test]
    fn any_sender_prints_what_it_reads(text in "\\PC{0,14}|[+0-9]{0,17}|[ -~]{0,13}") {
        if let Ok(sender) = SenderId::parse(&text) {
            let printed = sender.as_text();
            prop_assert_eq!(SenderId::parse(&printed), Ok(sender.clone()));
            prop_assert_eq!(printed.trim_start_matches('+'), text.trim_start_matches('+'));
            prop_assert!(!sender.address().is_empty() && !sender.address().contains(['@', '\0']));
        }
    }

    #[test]
    fn ids_go_both_ways(
        key in any::<[u8; 16]>(),
        time in 0..1u64 << 44,
        partition in 0..4096u16,
        sequence in 0..=SEQUENCE_MAX,
    ) {
        let partition = Partition::new(partition).unwrap();
        let fields = IdFields { time: UnixMs(time), partition, sequence };
        let cipher = IdCipher::new(key, None);
        let id = cipher.seal(fields);
        prop_assert_eq!(cipher.open(id), Some(fields));
        prop_assert_eq!(id.to_string().parse::<MessageId>(), Ok(id));
        prop_assert_eq!(MessageId::from_u128(id.as_u128()), id);
        let mut other = key;
        other[0] ^= 1;
        let rotated = IdCipher::new(other, Some(key));
        if IdCipher::new(other, None).open(id).is_none() {
            prop_assert_eq!(rotated.open(id), Some(fields));
        }
    }

    #[test]
    fn foreign_ids_are_read_without_a_panic(bits in any::<u128>(), text in "\\PC{0,40}|[0-9a-f-]{36}") {
        let opened = IdCipher::new([3; 16], Some([4; 16])).open(MessageId::from_u128(bits));
        prop_assert!(opened.is_none_or(|fields| fields.sequence <= SEQUENCE_MAX));
        let read = text.parse::<MessageId>();
        prop_assert!(read.is_err() || read.unwrap().to_string() == text.to_lowercase());
    }

    #[test]
    fn every_number_has_one_owner(value in 1_000_000u64..1_000_000_000_000_000, shards in 1..=256u16) {
        let placement = Placement::new([5; 16], shards);
        let number = Msisdn::from_u64(value).unwrap();
        let owner = placement.owner(number);
        prop_assert!(owner < ShardId(shards));
        prop_assert_eq!(owner, placement.shard_of(placement.partition(number)));
        let alone = Placement::new([5; 16], 1);
        prop_assert_eq!(alone.partition(number), placement.partition(number));
    }
}

/// Stored state lives by this hash: a change of any of these loses it.
#[test]
fn the_placement_is_pinned() {
    let key = std::array::from_fn(|at| at as u8);
    let placement = Placement::new(key, 4);
    let partitions: Vec<u16> = ["447700900123", "12015550123", "1000000", "999999999999999"]
        .into_iter()
        .map(|text| placement.partition(number(text)).get())
        .collect();
    assert_eq!(partitions, PINNED);
    assert_eq!(placement.epoch().number, 1);
}

const PINNED: [u16; 4] = [1146, 1583, 4019, 3010];
