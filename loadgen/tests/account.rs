//! The account of a run, on ledgers written by hand: each fault by itself is detected.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use postrider_loadgen::ledger::{Report, join};

/// Three messages, the second of two parts, that went well.
const LOAD: &str = r#"{"k":"run","n":3,"webhook":true}
{"k":"txt","x":0,"text":"hello"}
{"k":"txt","x":1,"text":"a \"long\" one\n€"}
{"k":"req","i":0,"to":"447700000000","t":1000000,"x":0}
{"k":"req","i":1,"to":"447700000001","t":1000500,"x":1}
{"k":"acc","i":1,"id":"id-1","t":1003000,"lat":2500,"parts":2}
{"k":"acc","i":0,"id":"id-0","t":1002000,"lat":2000,"parts":1}
{"k":"req","i":2,"to":"447700000002","t":1001000,"x":0}
{"k":"acc","i":2,"id":"id-2","t":1004000,"lat":3000,"parts":1}
"#;

const SMSC: &str = r#"{"k":"part","t":1001500,"c":0,"to":"447700000000","id":"0000000001","ref":0,"n":1,"of":1,"st":0}
{"k":"text","t":1001500,"c":0,"to":"447700000000","from":"Postrider","text":"hello"}
{"k":"part","t":1005000,"c":0,"to":"447700000001","id":"","ref":7,"n":2,"of":2,"st":88}
{"k":"part","t":1006000,"c":0,"to":"447700000001","id":"0000000002","ref":7,"n":1,"of":2,"st":0}
{"k":"part","t":1007000,"c":0,"to":"447700000001","id":"0000000003","ref":7,"n":2,"of":2,"st":0}
{"k":"text","t":1007000,"c":0,"to":"447700000001","from":"Postrider","text":"a \"long\" one\n€"}
{"k":"part","t":1006500,"c":0,"to":"447700000002","id":"0000000004","ref":0,"n":1,"of":1,"st":0}
{"k":"text","t":1006500,"c":0,"to":"447700000002","from":"Postrider","text":"hello"}
"#;

const SINK: &str = r#"{"k":"hook","t":1032000,"wid":"w0","id":"id-0","st":"delivered","ok":true}
{"k":"hook","t":1033000,"wid":"w1","id":"id-1","st":"undelivered","ok":true}
{"k":"hook","t":1033500,"wid":"w1","id":"id-1","st":"undelivered","ok":true}
{"k":"hook","t":1020000,"wid":"w2a","id":"id-2","st":"submitted","ok":true}
{"k":"hook","t":1044000,"wid":"w2","id":"id-2","st":"delivered","ok":true}
"#;

fn try_account(
    load: &str,
    smsc: &[&str],
    sink: &str,
    statuses: Option<&HashMap<String, String>>,
) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let carriers = smsc.iter().enumerate();
    let carriers: Vec<PathBuf> =
        carriers.map(|(index, text)| write(&format!("smsc-{index}"), text)).collect();
    join(&write("load", load), &carriers, &write("sink", sink), statuses)
}

fn account(load: &str, smsc: &str, sink: &str) -> Report {
    try_account(load, &[smsc], sink, None).unwrap()
}

/// The file without the lines that hold `what`.
fn without(text: &str, what: &str) -> String {
    assert!(text.contains(what));
    text.lines().filter(|line| !line.contains(what)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_run_that_went_well_is_sound_and_measured() {
    let report = account(LOAD, SMSC, SINK);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.accepted, report.parts, report.submitted), (3, 4, 3));
    assert_eq!((report.delivered, report.undelivered, report.webhooks), (2, 1, 3));
    assert_eq!(
        (report.lost, report.duplicates, report.ghosts, report.text_mismatches),
        (0, 0, 0, 0)
    );
    assert_eq!((report.first_us, report.last_us), (1_000_000, 1_044_000));
    let near = |found: f64, expected: f64| (found - expected).abs() <= 0.01 * expected.max(0.1);
    assert!(near(report.accept_ms.p50, 2.5) && near(report.accept_ms.max, 3.0), "{report:?}");
    // Message 0 was at the carrier before its 202 was read: 0, not less.
    let submit = report.accept_to_submit_ms;
    assert!(submit.count == 3 && near(submit.p50, 2.5) && near(submit.max, 4.0), "{report:?}");
    assert!(near(report.end_to_end_ms.max, 40.0) && near(report.end_to_end_ms.p50, 30.0));
    assert!(near(report.submit_to_webhook_ms.max, 37.5), "{report:?}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["accepted"], &json["accept_ms"]["count"]), (&3.into(), &3.into()));
}

#[test]
fn a_message_that_never_came_to_a_carrier_is_lost() {
    let report = account(LOAD, &without(SMSC, "447700000002"), SINK);
    assert_eq!((report.lost, report.submitted), (1, 2));
    assert_eq!(report.lost_ids, ["id-2"]);
    assert!(!report.is_sound());
}

#[test]
fn a_message_of_which_one_part_is_missing_is_lost_unless_it_failed() {
    let smsc = without(SMSC, "0000000003");
    assert_eq!(account(LOAD, &smsc, SINK).lost, 0, "its final status says undelivered");
    let sink = SINK.replace("undelivered", "delivered");
    let report = account(LOAD, &smsc, &sink);
    assert_eq!((report.lost, report.lost_ids.as_slice()), (1, &["id-1".to_owned()][..]));
}

#[test]
fn a_long_message_that_came_in_one_payload_is_whole() {
    let payload = r#""id":"0000000002","ref":0,"n":1,"of":1,"st":0"#;
    let smsc = without(SMSC, "0000000003")
        .replace(r#""id":"0000000002","ref":7,"n":1,"of":2,"st":0"#, payload);
    let report = account(LOAD, &smsc, &SINK.replace("undelivered", "delivered"));
    assert!(report.is_sound() && report.submitted == 3, "{report:?}");
}

#[test]
fn a_message_without_a_final_webhook_is_lost() {
    for sink in [
        without(SINK, "w2\""),
        SINK.replace(r#""st":"delivered","ok":true"#, r#""st":"delivered","ok":false"#),
    ] {
        let report = account(LOAD, SMSC, &sink);
        assert!(report.lost >= 1 && report.webhooks < 3, "{report:?}");
    }
    let unsigned = SINK.replace("\"ok\":true", "\"ok\":false");
    let report = account(LOAD, SMSC, &unsigned);
    assert_eq!((report.lost, report.webhooks, report.bad_signatures), (3, 0, 5));
}

#[test]
fn a_message_given_up_before_a_carrier_is_not_lost() {
    let smsc = without(SMSC, "447700000002");
    let sink = SINK.replace(
        r#""wid":"w2","id":"id-2","st":"delivered""#,
        r#""wid":"w2","id":"id-2","st":"expired""#,
    );
    let report = account(LOAD, &smsc, &sink);
    assert_eq!((report.lost, report.submitted, report.undelivered), (0, 2, 2));
}

#[test]
fn statuses_stand_in_for_webhooks_where_none_were_asked_for() {
    let load = LOAD.replace("\"webhook\":true", "\"webhook\":false");
    let smsc = without(SMSC, "447700000002");
    let statuses = |status: &str| {
        HashMap::from([
            ("id-2".to_owned(), status.to_owned()),
            ("id-0".to_owned(), "delivered".to_owned()),
        ])
    };
    let report = try_account(&load, &[&smsc], "", Some(&statuses("rejected"))).unwrap();
    assert_eq!((report.lost, report.delivered, report.undelivered, report.webhooks), (0, 1, 1, 0));
    let report = try_account(&load, &[&smsc], "", Some(&statuses("delivered"))).unwrap();
    assert_eq!(report.lost, 1);
    // Where webhooks were asked for, a status from elsewhere does not replace one.
    let report = try_account(LOAD, &[SMSC], "", Some(&statuses("delivered"))).unwrap();
    assert_eq!(report.lost, 3);
}

#[test]
fn a_part_taken_twice_is_a_duplicate_but_one_refused_is_not() {
    let again = SMSC.replace(
        "\"id\":\"\",\"ref\":7,\"n\":2,\"of\":2,\"st\":88",
        "\"id\":\"0000000009\",\"ref\":7,\"n\":2,\"of\":2,\"st\":0",
    );
    let report = account(LOAD, &again, SINK);
    assert_eq!((report.duplicates, report.submitted, report.lost), (1, 3, 0));
    assert_eq!(account(LOAD, SMSC, SINK).duplicates, 0);
    // Two carriers' ledgers are one account.
    let report = try_account(LOAD, &[SMSC, SMSC], SINK, None).unwrap();
    assert_eq!((report.duplicates, report.submitted), (4, 3));
}

#[test]
fn a_message_nobody_sent_is_a_ghost() {
    let ghost = SMSC.replace("\"to\":\"447700000002\"", "\"to\":\"447700999999\"");
    let report = account(LOAD, &ghost, SINK);
    assert_eq!((report.ghosts, report.lost), (1, 1));
}

#[test]
fn a_text_that_differs_in_one_character_or_never_came_whole_shows() {
    let report = account(LOAD, &SMSC.replace("one\\n€", "one\\ne"), SINK);
    assert_eq!((report.text_mismatches, report.texts_missing, report.is_sound()), (1, 0, false));
    let smsc: String = SMSC
        .lines()
        .filter(|line| !line.contains("long"))
        .map(|line| format!("{line}\n"))
        .collect();
    let report = account(LOAD, &smsc, SINK);
    assert_eq!((report.text_mismatches, report.texts_missing, report.is_sound()), (0, 1, false));
}

#[test]
fn what_was_refused_or_unanswered_is_counted_apart() {
    let load = LOAD
        .replace(
            r#"{"k":"acc","i":0,"id":"id-0","t":1002000,"lat":2000,"parts":1}"#,
            r#"{"k":"err","i":0,"t":1,"status":503,"code":"overloaded"}"#,
        )
        .replace(
            r#"{"k":"acc","i":2,"id":"id-2","t":1004000,"lat":3000,"parts":1}"#,
            r#"{"k":"una","i":2,"t":1}"#,
        );
    let report = account(&load, SMSC, SINK);
    assert_eq!((report.accepted, report.refused, report.unacknowledged), (1, 1, 1));
    assert_eq!((report.refused_at_carrier, report.unacknowledged_at_carrier), (1, 1));
    assert_eq!((report.lost, report.ghosts, report.webhooks_unknown), (0, 0, 2));
    assert!(!report.is_sound(), "a refused message was sent all the same");
}

#[test]
fn two_different_final_statuses_show() {
    let sink = SINK.replacen("\"st\":\"undelivered\"", "\"st\":\"delivered\"", 1);
    let report = account(LOAD, SMSC, &sink);
    assert_eq!((report.status_changes, report.delivered, report.is_sound()), (1, 3, false));
}

#[test]
fn a_message_of_many_parts_is_counted_part_by_part() {
    let load = LOAD.replace("\"parts\":2", "\"parts\":100");
    let part = |n: u32| {
        format!(
            "{{\"k\":\"part\",\"t\":9,\"c\":0,\"to\":\"447700000001\",\"id\":\"x\",\"ref\":7,\"n\":{n},\"of\":100,\"st\":0}}\n"
        )
    };
    let others: String = SMSC
        .lines()
        .filter(|line| !line.contains("447700000001"))
        .map(|line| format!("{line}\n"))
        .collect();
    let parts: String = (1..=100).map(part).collect();
    let text =
        r#"{"k":"text","t":9,"c":0,"to":"447700000001","from":"P","text":"a \"long\" one\n€"}"#;
    let smsc = format!("{others}{parts}{text}\n");
    let report = account(&load, &smsc, SINK);
    assert_eq!((report.submitted, report.duplicates, report.lost), (3, 0, 0));
    let report = account(&load, &format!("{smsc}{}{}", part(3), part(99)), SINK);
    assert_eq!(report.duplicates, 2);
}

#[test]
fn a_torn_last_line_is_passed_over_and_any_other_bad_line_is_named() {
    let torn = &SINK[..SINK.len() - 30];
    let report = account(LOAD, SMSC, torn);
    assert_eq!((report.torn_ledgers, report.webhooks, report.lost), (1, 2, 1));
    let report = account(LOAD.trim_end(), SMSC.trim_end(), SINK.trim_end());
    assert_eq!((report.torn_ledgers, report.webhooks, report.lost), (0, 3, 0));
    let bad = LOAD.replace("\"lat\":2500", "\"lat\":");
    let error = format!("{:#}", try_account(&bad, &[SMSC], SINK, None).unwrap_err());
    assert!(error.contains("load:6"), "{error}");
    let twice = LOAD.replace("447700000001", "447700000000");
    let error = format!("{:#}", try_account(&twice, &[SMSC], SINK, None).unwrap_err());
    assert!(error.contains("used twice"), "{error}");
    let missing = join("/nonexistent/load".as_ref(), &[], "/nonexistent/sink".as_ref(), None);
    assert!(format!("{:#}", missing.unwrap_err()).contains("/nonexistent/load"));
}
