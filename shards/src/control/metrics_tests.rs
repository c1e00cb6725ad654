//! The metrics page: its two formats, and what `promtool` says of it. Tests, lives nowhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use postrider_core::numbering::Tables;
use postrider_core::ported::{PortedTables, covers};

use crate::control::ported::{BuildOrder, FeedOptions, build, open_table};
use crate::control::{ControlFacts, Readiness};
use crate::stats::BindLabel;

/// 2026-11-22T00:00:00Z.
const NOW: UnixMs = UnixMs(1_795_305_600_000);

/// Two tables that were true two days ago: one for three days, the other for one, of one number each.
fn ported_tables() -> PortedTables {
    let folder = tempfile::tempdir().unwrap();
    let feed = folder.path().join("feed.csv");
    let text = "# as_of: 2026-11-20T00:00:00Z\nnumber,mcc,mnc\n447717000001,234,30\n";
    std::fs::write(&feed, text).unwrap();
    let loaded = |(name, days, groups): (&str, u64, &str)| {
        let order = BuildOrder {
            table: folder.path().join(name),
            covers: covers(groups).unwrap(),
            full: feed.clone(),
            feed: FeedOptions::default(),
        };
        build(&order).unwrap();
        let table = Arc::new(open_table(&order.table, false).unwrap());
        let fresh = Duration::from_secs(days * 86_400);
        LoadedTable { name: name.to_owned(), stamp: String::new(), fresh, table }
    };
    PortedTables::new([("44.table", 3, "44"), ("mixed.table", 1, "33,44")].map(loaded).to_vec())
}

/// Two shards that have counted a little of everything.
fn control() -> Control {
    let shards = (0..2_u32).map(|shard| {
        let carrier = "al\"pha\\\n".to_owned();
        let stats = Stats::new();
        stats.add_bind(BindLabel { carrier, bind: shard, kind: "transceiver" });
        for (at, counter) in (1..).zip(Counter::ALL) {
            stats.add(*counter, at);
        }
        for (at, gauge) in (1..).zip(Gauge::ALL) {
            stats.set(*gauge, at);
        }
        for histogram in Histogram::ALL {
            stats.observe_value(*histogram, 5_000);
            stats.observe_value(*histogram, u64::MAX / 2);
        }
        stats.bind(0).set_state(BindState::Bound);
        stats.bind(0).submitted.add(3);
        stats.beat(Duration::from_secs(1));
        Arc::new(stats)
    });
    Control {
        shards: shards.collect(),
        facts: ControlFacts {
            version: "1.2.3".into(),
            kernel: "6.18".into(),
            drivers: vec!["io_uring".into(), "poll".into()],
            started_unix_ms: 1_700_000_000_250,
            cpu: Arc::new(|| Duration::from_millis(1_500)),
            wall: Arc::new(|| NOW),
            now: Arc::new(|| Duration::from_secs(2)),
        },
        readiness: Arc::new(Readiness::new(2)),
        known: Mutex::new(Known {
            learned: Arc::new(Learned::of_names(&["alpha"])),
            ported: Arc::new(ported_tables()),
            tables: Arc::clone(Tables::builtin()),
        }),
        reloads: None,
        balance: Mutex::default(),
        counter: None,
    }
}

/// Sample lines, without `_created`, which only one of the formats has.
fn samples(page: &str) -> BTreeSet<&str> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let created = |line: &str| line.contains("_created{") || line.contains("_created ");
    lines.filter(|line| !created(line)).collect()
}

#[test]
fn promtool_finds_nothing_to_say() {
    let ran = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = ran else {
        let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!must, "promtool is missing: install Debian's package `prometheus`");
        println!("skipped promtool_finds_nothing_to_say: promtool is not installed");
        return;
    };
    let page = encode(&control(), Format::Text);
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let text = [said.stdout, said.stderr].concat();
    assert_eq!(String::from_utf8_lossy(&text), "", "promtool complains");
    assert!(said.status.success());
}

#[test]
fn both_formats_carry_the_same_samples() {
    let control = control();
    let (text, open) = (encode(&control, Format::Text), encode(&control, Format::OpenMetrics));
    assert_eq!(samples(&text), samples(&open));
    let written = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(samples(&text).len(), written, "a sample twice");
}

#[test]
fn text_has_none_of_what_openmetrics_added() {
    let page = encode(&control(), Format::Text);
    assert!(!page.contains("_created") && !page.contains("# EOF") && !page.contains("# UNIT"));
    assert!(page.contains("# TYPE postrider_messages_accepted_total counter\n"));
    assert!(page.contains("\npostrider_messages_accepted_total{shard=\"1\"} 2\n"));
    let delivered = Counter::MessagesDelivered as usize + 1;
    let sample = format!(
        "postrider_messages_finished_total{{shard=\"0\",status=\"delivered\"}} {delivered}"
    );
    assert!(page.contains(&format!("\n{sample}\n")));
}

/// OpenMetrics 1.0: families are contiguous and unique, each sample belongs to the family above it
/// with a suffix of the family's type, units end names, and the end is said.
#[test]
fn openmetrics_keeps_the_rules_of_the_format() {
    let page = encode(&control(), Format::OpenMetrics);
    assert!(page.ends_with("\n# EOF\n") && page.matches("# EOF").count() == 1);
    let (mut families, mut family, mut kind) = (BTreeSet::new(), "", "");
    for line in page.lines().filter(|line| *line != "# EOF") {
        let words = line.splitn(4, ' ').collect::<Vec<_>>();
        match words[..] {
            ["#", "HELP", name, help] => {
                assert!(families.insert(name) && !help.is_empty(), "{line}");
                family = name;
            }
            ["#", "TYPE", name, of] => {
                assert_eq!(name, family);
                kind = of;
            }
            ["#", "UNIT", name, unit] => {
                assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}");
            }
            _ => {
                let name = line.split(['{', ' ']).next().unwrap();
                let suffix = name.strip_prefix(family).unwrap();
                let allowed: &[&str] = match kind {
                    "counter" => &["_total", "_created"],
                    "histogram" => &["_bucket", "_count", "_sum", "_created"],
                    "info" => &["_info"],
                    _ => &[""],
                };
                assert!(allowed.contains(&suffix), "{line} in {family} of type {kind}");
            }
        }
    }
    assert!(page.contains(
        "postrider_messages_accepted_total{shard=\"0\"} 2\n\
         postrider_messages_accepted_created{shard=\"0\"} 1700000000.250\n"
    ));
    assert!(page.contains("# UNIT postrider_spin_seconds seconds\n"));
    assert!(page.contains("# UNIT postrider_commit_batch_bytes bytes\n"));
}

#[test]
fn buckets_rise_and_the_last_is_the_count() {
    let page = encode(&control(), Format::Text);
    let of = |name: &str| {
        let line = page.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}")).rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(of("postrider_turn_seconds_bucket{shard=\"0\",le=\"4e-06\"}"), "0");
    assert_eq!(of("postrider_turn_seconds_bucket{shard=\"0\",le=\"6e-06\"}"), "1");
    assert_eq!(of("postrider_turn_seconds_bucket{shard=\"0\",le=\"67.108864\"}"), "1");
    assert_eq!(of("postrider_turn_seconds_bucket{shard=\"0\",le=\"+Inf\"}"), "2");
    assert_eq!(of("postrider_turn_seconds_count{shard=\"0\"}"), "2");
    assert_eq!(of("postrider_commit_batch_bytes_bucket{shard=\"0\",le=\"6144.0\"}"), "1");
}

#[test]
fn numbers_are_written_exactly() {
    assert_eq!(decimal(0, 1_000_000), "0");
    assert_eq!(decimal(1_000_001, 1_000_000), "1.000001");
    assert_eq!(decimal(42, 1), "42");
    let bounds = [(1_000, "1e-06"), (1_500, "1.5e-06"), (96_000, "9.6e-05"), (128_000, "0.000128")];
    for (ns, text) in bounds.into_iter().chain([(8_192_000, "0.008192"), (2_000_000_000, "2.0")]) {
        assert_eq!(bound_text(ns, 1_000_000_000), text);
        let read = text.parse::<f64>().unwrap() * 1e9;
        assert_eq!(format!("{read:.3}"), format!("{ns}.000"));
    }
    assert_eq!(bound_text(512, 1), "512.0");
}

#[test]
fn label_values_are_escaped() {
    let page = encode(&control(), Format::Text);
    assert!(
        page.contains(
            r#"postrider_bind_submitted_total{shard="0",carrier="al\"pha\\\n",bind="0",kind="transceiver"} 3"#
        )
    );
}

#[test]
fn openmetrics_is_given_to_who_asks_for_it() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
        application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, format) in [
        (prometheus, Format::OpenMetrics),
        ("application/openmetrics-text", Format::OpenMetrics),
        ("Application/OpenMetrics-Text; version=\"1.0.0\"", Format::OpenMetrics),
        ("text/plain;q=0.3, application/openmetrics-text; q=0.2", Format::Text),
        ("application/openmetrics-text;q=0", Format::Text),
        ("application/openmetrics-text; version=2.0.0", Format::Text),
        ("text/html,*/*;q=0.8", Format::Text),
        ("", Format::Text),
    ] {
        assert_eq!(Format::of([accept].into_iter()), format, "{accept}");
    }
    assert_eq!(Format::of(["text/plain;q=0.1", prometheus].into_iter()), Format::OpenMetrics);
}

#[test]
fn a_table_of_ported_numbers_shows_its_country_age_and_freshness() {
    let page = encode(&control(), Format::Text);
    for (family, values) in [
        ("numbers", ["1", "1"]),
        ("as_of_timestamp_seconds", ["1795132800", "1795132800"]),
        ("age_seconds", ["172800", "172800"]),
        ("fresh_until_timestamp_seconds", ["1795392000", "1795219200"]),
        ("fresh", ["1", "0"]),
    ] {
        for (labels, value) in [
            ("country=\"GB\",table=\"44.table\"", values[0]),
            ("country=\"several\",table=\"mixed.table\"", values[1]),
        ] {
            let line = format!("\npostrider_ported_{family}{{{labels}}} {value}\n");
            assert!(page.contains(&line), "{line}{page}");
        }
    }
}
