//! The simulated carrier over a real socket, against a small ESME: one carrier per test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{Esme, Seen, config, lines, message, smsc_options, start_smsc};
use postrider_loadgen::corpus::Corpus;
use postrider_loadgen::smsc::{FaultKind, FaultOptions, ReceiptBind, SmscOptions};
use postrider_smpp::session::{BindKind, SessionConfig, UnknownReason};

const ROK: u32 = 0;
const RTHROTTLED: u32 = 0x58;
const RSUBMITFAIL: u32 = 0x45;
const RMSGQFUL: u32 = 0x14;
const RSYSERR: u32 = 0x08;

#[test]
fn texts_arrive_whole_and_every_part_gets_its_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("smsc.ndjson");
    let smsc = start_smsc(SmscOptions { ledger: Some(ledger.clone()), ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    let corpus = Corpus::builtin();
    let mut parts = 0;
    for index in 0..corpus.len() {
        let to = format!("447700{index:06}");
        parts += esme.submit_text(index as u64, &to, corpus.text(index));
    }
    let mut pending = BTreeMap::new();
    for _ in 0..parts {
        let (_, status, id) = esme.answer();
        assert_eq!(status, ROK);
        assert!(pending.insert(id, ()).is_none(), "ids are unique");
    }
    for _ in 0..parts {
        let (id, stat) = esme.receipt();
        assert_eq!(stat, "DELIVRD");
        assert!(
            pending.remove(&id).is_some(),
            "one receipt for each part, of an id that was answered"
        );
    }
    let stats = smsc.finish();
    assert_eq!((stats[0].taken, stats[0].receipts_acknowledged), (parts as u64, parts as u64));
    assert_eq!((stats[0].receipts_pending, stats[0].texts), (0, corpus.len() as u64));
    let written = lines(&ledger);
    let texts: BTreeMap<&str, &str> = written
        .iter()
        .filter(|line| line["k"] == "text")
        .map(|line| (line["to"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    for index in 0..corpus.len() {
        assert_eq!(texts[format!("447700{index:06}").as_str()], corpus.text(index), "text {index}");
    }
    assert_eq!(written.iter().filter(|line| line["k"] == "part" && line["st"] == 0).count(), parts);
}

#[test]
fn receipts_go_the_way_back_and_name_the_message() {
    let smsc = start_smsc(SmscOptions { receipt_delay_ms: 80, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    let sent = Instant::now();
    esme.submit(1, &message("447700900123", b"hello"));
    let (token, status, id) = esme.answer();
    assert_eq!((token, status, id.len()), (1, ROK, 10));
    let seen = esme.wait(|seen| matches!(seen, Seen::Receipt { .. }));
    let (from, to) = ("447700900123".to_owned(), "Postrider".to_owned());
    assert_eq!(seen, Seen::Receipt { id, stat: "DELIVRD".to_owned(), from, to });
    let waited = sent.elapsed();
    assert!(
        (Duration::from_millis(80)..Duration::from_millis(400)).contains(&waited),
        "{waited:?}"
    );
    smsc.finish();
}

#[test]
fn only_the_receipts_asked_for_are_sent() {
    let smsc = start_smsc(SmscOptions { receipt_delay_ms: 0, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    for (token, registered_delivery) in [(1, 0), (2, 2), (3, 1)] {
        let text = message("447700900123", b"x");
        esme.submit(token, &postrider_smpp::pdu::ShortMessage { registered_delivery, ..text });
    }
    let ids: Vec<String> = (0..3).map(|_| esme.answer().2).collect();
    assert_eq!(esme.receipt().0, ids[2]);
    assert!(!esme.seen.iter().any(|seen| matches!(seen, Seen::Receipt { .. })));
    assert_eq!(smsc.finish()[0].receipts_sent, 1);
}

#[test]
fn a_rate_is_kept_and_what_is_above_it_is_throttled() {
    let smsc = start_smsc(SmscOptions { rate: 100, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    for token in 0..300 {
        esme.submit(token, &message("447700900123", b"x"));
    }
    let statuses: Vec<u32> = (0..300).map(|_| esme.answer().1).collect();
    let taken = statuses.iter().filter(|status| **status == ROK).count();
    let throttled = statuses.iter().filter(|status| **status == RTHROTTLED).count();
    assert_eq!(taken + throttled, 300);
    // A second's worth, and a few more where the burst takes longer than that to be read.
    assert!((100..160).contains(&taken), "{taken}");
    let stats = smsc.finish();
    assert_eq!((stats[0].taken, stats[0].throttled), (taken as u64, throttled as u64));
}

#[test]
fn a_window_is_kept_and_what_is_above_it_is_throttled() {
    let smsc = start_smsc(SmscOptions { window: 10, answer_delay_ms: 100, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    for token in 0..15 {
        esme.submit(token, &message("447700900123", b"x"));
    }
    let mut statuses: Vec<u32> = (0..15).map(|_| esme.answer().1).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[ROK; 10].as_slice(), &[RTHROTTLED; 5]].concat());
    let stats = smsc.finish();
    assert_eq!((stats[0].window_max, stats[0].window_exceeded), (10, 5));
}

#[test]
fn the_same_destinations_fail_and_are_rejected_in_every_run() {
    let run = || {
        let options = SmscOptions {
            failure_ppm: 200_000,
            reject_ppm: 100_000,
            receipt_delay_ms: 1,
            ..smsc_options()
        };
        let smsc = start_smsc(options);
        let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
        let mut outcome = vec![String::new(); 400];
        let mut by_id = BTreeMap::new();
        for token in 0..400 {
            esme.submit(token, &message(&format!("447700{token:06}"), b"x"));
        }
        for _ in 0..400 {
            let (token, status, id) = esme.answer();
            outcome[token as usize] = if status == ROK {
                by_id.insert(id, token as usize);
                continue;
            } else {
                assert_eq!(status, RSUBMITFAIL);
                "rejected".to_owned()
            };
        }
        for _ in 0..by_id.len() {
            let (id, stat) = esme.receipt();
            outcome[by_id[&id]] = stat;
        }
        smsc.finish();
        outcome
    };
    let first = run();
    let count = |what: &str| first.iter().filter(|outcome| *outcome == what).count();
    let (rejected, failed) = (count("rejected"), count("UNDELIV"));
    assert!((20..65).contains(&rejected), "{rejected} of 400 rejected at 10 %");
    assert!((45..100).contains(&failed), "{failed} of 400 failed at 20 %");
    assert_eq!(rejected + failed + count("DELIVRD"), 400);
    assert_eq!(first, run());
}

#[test]
fn a_dropped_connection_loses_the_answer_but_not_the_part_nor_its_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("smsc.ndjson");
    let options =
        SmscOptions { disconnect_every: Some(5), ledger: Some(ledger.clone()), ..smsc_options() };
    let smsc = start_smsc(options);
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    let mut ids = Vec::new();
    for token in 1..=4 {
        esme.submit(token, &message("447700900123", b"x"));
        ids.push(esme.answer().2);
    }
    esme.submit(5, &message("447700900555", b"the last one"));
    let lost = Seen::Unknown { token: 5, reason: UnknownReason::SessionLost };
    esme.wait(|seen| *seen == lost);
    esme.wait(|seen| *seen == Seen::Closed);
    let mut seen: Vec<String> = Vec::new();
    while let Some(at) = esme.seen.iter().position(|seen| matches!(seen, Seen::Receipt { .. })) {
        if let Some(Seen::Receipt { id, .. }) = esme.seen.remove(at) {
            seen.push(id);
        }
    }
    // The receipts that were pending come on the next bind, the lost part's among them.
    let mut again = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    let written = loop {
        again.turn();
        if smsc_has(&ledger, 5) {
            break lines(&ledger);
        }
    };
    let last = written.iter().find(|line| line["k"] == "part" && line["to"] == "447700900555");
    ids.push(last.unwrap()["id"].as_str().unwrap().to_owned());
    while !ids.iter().all(|id| seen.contains(id)) {
        seen.push(again.receipt().0);
    }
    let stats = smsc.finish();
    assert_eq!((stats[0].dropped, stats[0].taken, stats[0].binds), (1, 5, 2));
}

fn smsc_has(ledger: &std::path::Path, parts: usize) -> bool {
    let text = std::fs::read_to_string(ledger).unwrap();
    text.lines().filter(|line| line.contains("\"k\":\"part\"")).count() == parts
}

#[test]
fn a_receipt_that_is_refused_or_unanswered_is_sent_again() {
    let smsc = start_smsc(SmscOptions { receipt_delay_ms: 1, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    esme.receipt_answers = [Some(RMSGQFUL), None, Some(ROK)].into();
    let start = Instant::now();
    esme.submit(1, &message("447700900123", b"x"));
    let id = esme.answer().2;
    assert_eq!(esme.receipt().0, id);
    assert_eq!(esme.receipt().0, id);
    let refused = start.elapsed();
    assert!(
        (Duration::from_millis(1000)..Duration::from_millis(1500)).contains(&refused),
        "{refused:?}"
    );
    assert_eq!(esme.receipt().0, id);
    let timed_out = start.elapsed() - refused;
    assert!(
        (Duration::from_millis(4900)..Duration::from_millis(5600)).contains(&timed_out),
        "{timed_out:?}"
    );
    while start.elapsed() < refused + timed_out + Duration::from_millis(200) {
        esme.turn();
    }
    let stats = smsc.finish();
    assert_eq!((stats[0].receipts_sent, stats[0].receipts_acknowledged), (3, 1));
    assert_eq!((stats[0].receipts_refused, stats[0].receipts_timed_out), (1, 1));
    assert_eq!(stats[0].receipts_pending, 0);
}

#[test]
fn a_transmitters_receipts_go_to_its_receiver_or_wait_for_it() {
    for receipt_bind in [ReceiptBind::Same, ReceiptBind::Any] {
        let smsc = start_smsc(SmscOptions { receipt_delay_ms: 1, receipt_bind, ..smsc_options() });
        let mut transmitter = Esme::bind(smsc.addresses[0], BindKind::Transmitter);
        transmitter.submit(1, &message("447700900123", b"x"));
        let first = transmitter.answer().2;
        std::thread::sleep(Duration::from_millis(30));
        let other = SessionConfig { system_id: "other".to_owned(), ..config(BindKind::Receiver) };
        let mut stranger = Esme::connect(smsc.addresses[0], other);
        stranger.wait(|seen| *seen == Seen::Bound);
        let mut receiver = Esme::bind(smsc.addresses[0], BindKind::Receiver);
        assert_eq!(receiver.receipt().0, first);
        transmitter.submit(2, &message("447700900124", b"y"));
        let second = transmitter.answer().2;
        assert_eq!(receiver.receipt().0, second);
        for _ in 0..5 {
            stranger.turn();
            transmitter.turn();
        }
        assert!(stranger.seen.is_empty() && transmitter.seen.is_empty());
        smsc.finish();
    }
}

#[test]
fn any_bind_means_that_receipts_are_spread() {
    let options =
        SmscOptions { receipt_bind: ReceiptBind::Any, receipt_delay_ms: 1, ..smsc_options() };
    let smsc = start_smsc(options);
    let mut first = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    let mut second = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    for token in 0..40 {
        first.submit(token, &message("447700900123", b"x"));
    }
    let is_receipt = |seen: &&Seen| matches!(seen, Seen::Receipt { .. });
    let count = |esme: &Esme| esme.seen.iter().filter(is_receipt).count();
    let end = Instant::now() + Duration::from_secs(10);
    while count(&first) + count(&second) < 40 {
        assert!(Instant::now() < end, "{} and {}", count(&first), count(&second));
        first.turn();
        second.turn();
    }
    assert!(
        count(&first) >= 10 && count(&second) >= 10,
        "{} and {}",
        count(&first),
        count(&second)
    );
    smsc.finish();
}

#[test]
fn strangers_are_refused_by_name_and_by_password() {
    let options = SmscOptions {
        system_id: Some("gateway".to_owned()),
        password: Some("secret".into()),
        ..smsc_options()
    };
    let smsc = start_smsc(options);
    let refused = |config: SessionConfig| {
        let mut esme = Esme::connect(smsc.addresses[0], config);
        esme.wait(|seen| matches!(seen, Seen::Refused(_) | Seen::Bound))
    };
    let base = || config(BindKind::Transceiver);
    assert_eq!(
        refused(SessionConfig { system_id: "who".to_owned(), ..base() }),
        Seen::Refused(0x0F)
    );
    assert_eq!(
        refused(SessionConfig { password: "guess".to_owned(), ..base() }),
        Seen::Refused(0x0E)
    );
    assert_eq!(refused(base()), Seen::Bound);
    let stats = smsc.finish();
    assert_eq!((stats[0].binds, stats[0].binds_refused), (1, 2));
}

#[test]
fn carriers_of_one_process_are_apart() {
    let listen = vec![common::loopback(); 2];
    let name = vec!["alpha".to_owned(), "beta".to_owned()];
    let smsc = start_smsc(SmscOptions { listen, name, receipt_delay_ms: 1, ..smsc_options() });
    let mut alpha = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    let mut beta = Esme::bind(smsc.addresses[1], BindKind::Transceiver);
    alpha.submit(1, &message("447700900123", b"x"));
    beta.submit(1, &message("447700900124", b"x"));
    let (in_alpha, in_beta) = (alpha.answer().2, beta.answer().2);
    assert_ne!(in_alpha, in_beta);
    assert_eq!((alpha.receipt().0, beta.receipt().0), (in_alpha, in_beta));
    let stats = smsc.finish();
    let found: Vec<_> = stats.iter().map(|stats| (stats.name.as_str(), stats.taken)).collect();
    assert_eq!(found, [("alpha", 1), ("beta", 1)]);
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let smsc = start_smsc(smsc_options());
    let listen = vec![smsc.addresses[0]];
    let options = SmscOptions { listen, ..SmscOptions::default() };
    let stop = postrider_loadgen::stop::Stop::new();
    let error = postrider_loadgen::smsc::serve_smsc(&options, &stop, |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains(&smsc.addresses[0].to_string()), "{error}");
    smsc.finish();
}

/// A carrier with this fault, and an ESME on it, for `ms` from the first submit on.
fn faulty(fault: FaultKind, ms: u64) -> FaultOptions {
    FaultOptions { fault: Some(fault), fault_for_ms: ms, ..FaultOptions::default() }
}

#[test]
fn a_half_open_carrier_says_nothing_until_it_is_over_and_keeps_its_connections() {
    let faults = FaultOptions { fault_after_ms: 200, ..faulty(FaultKind::HalfOpen, 800) };
    let smsc = start_smsc(SmscOptions { faults, receipt_delay_ms: 60_000, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    esme.submit(1, &message("447700900123", b"x"));
    assert_eq!(esme.answer().1, ROK);
    std::thread::sleep(Duration::from_millis(300));
    let sent = Instant::now();
    esme.submit(2, &message("447700900123", b"x"));
    assert_eq!(esme.answer().1, ROK, "on the same connection");
    let waited = sent.elapsed();
    assert!(waited > Duration::from_millis(400), "{waited:?}");
    assert_eq!(smsc.finish()[0].taken, 2);
}

#[test]
fn a_stalled_carrier_takes_no_submit_and_an_erroring_one_refuses_all() {
    let faults = faulty(FaultKind::Stalled, 300);
    let smsc = start_smsc(SmscOptions { faults, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    // The first submit begins it.
    esme.submit(1, &message("447700900123", b"x"));
    esme.turn();
    std::thread::sleep(Duration::from_millis(400));
    esme.submit(2, &message("447700900123", b"x"));
    assert_eq!(esme.answer().0, 2, "the first one is never answered");
    let stats = &smsc.finish()[0];
    assert_eq!((stats.ignored, stats.taken), (1, 1));

    let faults = faulty(FaultKind::Erroring, 0);
    let smsc = start_smsc(SmscOptions { faults, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    for token in 0..3 {
        esme.submit(token, &message("447700900123", b"x"));
        assert_eq!(esme.answer().1, RSYSERR);
    }
    assert_eq!(smsc.finish()[0].failed, 3);
}

#[test]
fn a_dead_carrier_loses_its_connections_and_takes_no_others() {
    let faults = FaultOptions { fault_after_ms: 100, ..faulty(FaultKind::Dead, 0) };
    let smsc = start_smsc(SmscOptions { faults, ..smsc_options() });
    let mut esme = Esme::bind(smsc.addresses[0], BindKind::Transceiver);
    esme.submit(1, &message("447700900123", b"x"));
    assert_eq!(esme.answer().1, ROK);
    std::thread::sleep(Duration::from_millis(400));
    let mut other = std::net::TcpStream::connect(smsc.addresses[0]).unwrap();
    let ended = std::io::Read::read(&mut other, &mut [0; 16]);
    assert!(!matches!(ended, Ok(1..)), "{ended:?}");
    assert_eq!(smsc.finish()[0].binds, 1);
}
