//! What the simulated carrier sends on behalf of handsets, over a real socket. Tests only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::time::{Duration, Instant};

use common::{Esme, Seen, config, lines, smsc_options, start_smsc};
use postrider_loadgen::smsc::{InboundOptions, SmscOptions};
use postrider_smpp::session::BindKind;

fn options(count: u64, long_every: u64) -> SmscOptions {
    let inbound = InboundOptions {
        inbound_to: vec!["72345".into()],
        inbound_rate: 100,
        inbound_count: count,
        inbound_long_every: long_every,
    };
    SmscOptions { inbound, ..smsc_options() }
}

fn inbound(esme: &mut Esme) -> String {
    let Seen::Unmarked { text } = esme.wait(|seen| matches!(seen, Seen::Unmarked { .. })) else {
        panic!("another");
    };
    text
}

/// Lets the carrier take answers that are on their way.
fn settle(esme: &mut Esme) {
    let end = Instant::now() + Duration::from_millis(200);
    while Instant::now() < end {
        esme.turn();
    }
}

#[test]
fn every_acknowledged_message_is_written_down_and_none_comes_after_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("smsc.ndjson");
    let smsc = start_smsc(SmscOptions { ledger: Some(ledger.clone()), ..options(5, 2) });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    // 0, 2 and 4 are long; 0 takes two parts of UCS-2, the others three of GSM.
    for _ in 0..2 + 1 + 3 + 1 + 3 {
        inbound(&mut esme);
    }
    settle(&mut esme);
    assert!(esme.seen.is_empty(), "{:?}", esme.seen);
    let stats = smsc.finish();
    let counts = (stats[0].inbound_sent, stats[0].inbound_acknowledged, stats[0].inbound_pending);
    assert_eq!(counts, (10, 5, 0));
    let written: Vec<String> = lines(&ledger)
        .iter()
        .filter(|line| line["k"] == "inbound" && line["to"] == "72345")
        .map(|line| line["text"].as_str().unwrap().chars().take(11).collect())
        .collect();
    let expected: Vec<String> = (0..5).map(|number| format!("inbound 0-{number}")).collect();
    assert_eq!(written, expected);
}

#[test]
fn what_is_refused_or_cut_off_comes_again() {
    let smsc = start_smsc(options(1, 0));
    let mut esme = Esme::connect(smsc.addresses[0], config(BindKind::Receiver));
    esme.receipt_answers.extend([Some(0x14), None]);
    assert_eq!(inbound(&mut esme), "inbound 0-0");
    assert_eq!(inbound(&mut esme), "inbound 0-0");
    drop(esme);
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Receiver);
    assert_eq!(inbound(&mut esme), "inbound 0-0");
    settle(&mut esme);
    let stats = smsc.finish();
    let counts = (stats[0].inbound_sent, stats[0].inbound_refused, stats[0].inbound_acknowledged);
    assert_eq!(counts, (3, 1, 1));
    assert_eq!((stats[0].inbound_pending, stats[0].receipts_sent), (0, 0));
}

#[test]
fn a_bind_that_only_submits_gets_nothing() {
    let smsc = start_smsc(options(3, 0));
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transmitter);
    settle(&mut esme);
    assert!(esme.seen.is_empty(), "{:?}", esme.seen);
    let stats = smsc.finish();
    assert_eq!((stats[0].inbound_sent, stats[0].inbound_pending), (0, 3));
}
