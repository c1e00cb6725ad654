//! The audit of a run together with the gateway's store, on ledgers written by hand: each verdict by
//! itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::path::PathBuf;

use postrider_loadgen::ledger::{Audit, Report, StoreReport, Stored};

/// Two messages that went well, the second of two parts, and one that was refused.
const LOAD: &str = r#"{"k":"run","n":3,"webhook":true}
{"k":"txt","x":0,"text":"hello"}
{"k":"req","i":0,"to":"447700000000","t":1000000,"x":0}
{"k":"req","i":1,"to":"447700000001","t":1000500,"x":0}
{"k":"req","i":2,"to":"447700000002","t":1001000,"x":0}
{"k":"acc","i":0,"id":"id-0","t":1002000,"lat":2000,"parts":1}
{"k":"acc","i":1,"id":"id-1","t":1003000,"lat":2500,"parts":2}
{"k":"err","i":2,"t":1004000,"status":503,"code":"overloaded"}
"#;

const SMSC: &str = r#"{"k":"carrier","c":0,"name":"north"}
{"k":"carrier","c":1,"name":"south"}
{"k":"part","t":1001500,"c":0,"to":"447700000000","id":"a1","ref":0,"n":1,"of":1,"st":0}
{"k":"text","t":1001500,"c":0,"to":"447700000000","from":"Postrider","text":"hello"}
{"k":"inbound","t":1001600,"c":0,"from":"447700000009","to":"12345","text":"yes"}
{"k":"part","t":1006000,"c":1,"to":"447700000001","id":"b1","ref":7,"n":1,"of":2,"st":0}
{"k":"part","t":1007000,"c":1,"to":"447700000001","id":"b2","ref":7,"n":2,"of":2,"st":0}
{"k":"text","t":1007000,"c":1,"to":"447700000001","from":"Postrider","text":"hello"}
"#;

const SINK: &str = r#"{"k":"hook","t":1032000,"wid":"w0","id":"id-0","st":"delivered","ok":true}
{"k":"hook","t":1033000,"wid":"w1","id":"id-1","st":"undelivered","ok":true}
"#;

const FIRST: Stored<'_> =
    Stored { id: "id-0", to: "447700000000", status: "delivered", copies: &[("north", "a1")] };
const SECOND: Stored<'_> = Stored {
    id: "id-1",
    to: "447700000001",
    status: "undelivered",
    copies: &[("south", "b1"), ("south", "b2")],
};

fn try_audit(texts: &[&str], store: Option<&[Stored<'_>]>) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir().unwrap();
    let ledgers: Vec<PathBuf> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let path = folder.path().join(format!("ledger-{number}"));
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    let carriers = store.map(|_| vec!["north".to_owned(), "south".to_owned()]);
    let mut audit = Audit::read(&ledgers, carriers)?;
    for message in store.unwrap_or_default() {
        audit.stored(message);
    }
    audit.report()
}

fn audit(texts: &[&str], store: &[Stored<'_>]) -> (Report, StoreReport) {
    let report = try_audit(texts, Some(store)).unwrap();
    let store = report.store.clone().unwrap();
    (report, store)
}

const ALL: [&str; 3] = [LOAD, SMSC, SINK];

#[test]
fn a_run_that_went_well_is_sound_in_whatever_order_its_ledgers_are_given() {
    for texts in [ALL, [SINK, LOAD, SMSC], [SMSC, SINK, LOAD]] {
        let (report, store) = audit(&texts, &[FIRST, SECOND]);
        assert!(report.is_sound(), "{report}");
        assert_eq!((report.accepted, report.refused, report.submitted), (2, 1, 2));
        assert_eq!((report.delivered, report.undelivered, report.duplicates), (1, 1, 0));
        assert_eq!(store, StoreReport { messages: 2, ..StoreReport::default() });
    }
    let without = try_audit(&ALL, None).unwrap();
    assert!(without.is_sound() && without.store.is_none(), "{without}");
}

#[test]
fn a_message_that_neither_the_store_nor_a_webhook_knows_is_lost() {
    let (report, store) = audit(&[LOAD, SMSC], &[SECOND]);
    assert_eq!((report.lost, report.lost_ids.as_slice()), (1, &["id-0".to_owned()][..]));
    assert_eq!((store.messages, store.forgotten, report.is_sound()), (1, 0, false));
    // Its end was told: it may have left the store since.
    let (report, store) = audit(&ALL, &[SECOND]);
    assert_eq!((report.lost, store.forgotten, report.is_sound()), (0, 1, true));
}

#[test]
fn a_message_that_is_final_in_the_store_but_never_was_at_a_carrier_is_lost() {
    let smsc: String =
        SMSC.lines().filter(|line| !line.contains("a1")).map(|l| format!("{l}\n")).collect();
    let never_sent = Stored { copies: &[], ..FIRST };
    let (report, _) = audit(&[LOAD, &smsc, SINK], &[never_sent, SECOND]);
    assert_eq!((report.lost, report.is_sound()), (1, false));
    let expired = Stored { status: "expired", ..never_sent };
    let (report, _) = audit(&[LOAD, &smsc], &[expired, SECOND]);
    assert_eq!((report.lost, report.undelivered, report.is_sound()), (0, 2, true));
}

#[test]
fn a_message_under_way_is_pending_and_not_lost() {
    let queued = Stored { status: "queued", copies: &[], ..FIRST };
    let (report, store) = audit(&[LOAD, "", ""], &[queued, Stored { copies: &[], ..SECOND }]);
    assert_eq!((store.pending, report.lost, report.delivered), (1, 0, 0));
    // A final status whose webhook is still owed is told by the store.
    let (report, store) = audit(&[LOAD, SMSC], &[FIRST, SECOND]);
    assert_eq!((store.pending, report.lost, report.delivered, report.webhooks), (0, 0, 1, 0));
}

#[test]
fn a_part_that_the_named_carrier_never_took_is_misrouted() {
    let elsewhere = Stored { copies: &[("south", "a1")], ..FIRST };
    let crossed = Stored { copies: &[("north", "b1")], ..FIRST };
    let nobody = Stored { copies: &[("", "a1")], ..FIRST };
    for wrong in [elsewhere, crossed, nobody] {
        let (report, store) = audit(&ALL, &[wrong, SECOND]);
        assert_eq!((store.misrouted, report.is_sound()), (1, false), "{wrong:?}");
        assert_eq!(store.misrouted_ids, ["id-0"]);
    }
    // Carriers that nobody named are known by the ids that they gave.
    let unnamed: String =
        SMSC.lines().filter(|line| !line.contains("name")).map(|l| format!("{l}\n")).collect();
    let (report, store) = audit(&[LOAD, &unnamed, SINK], &[FIRST, SECOND]);
    assert_eq!((store.misrouted, report.is_sound()), (0, true));
}

#[test]
fn a_copy_whose_answer_was_lost_is_a_duplicate_and_not_on_record() {
    let again = format!(
        "{SMSC}{}\n",
        r#"{"k":"part","t":1008000,"c":1,"to":"447700000000","id":"a9","ref":0,"n":1,"of":1,"st":0}"#
    );
    let (report, store) = audit(&[LOAD, &again, SINK], &[FIRST, SECOND]);
    assert_eq!((report.duplicates, store.unrecorded_copies, store.misrouted), (1, 1, 0));
    assert!(report.is_sound(), "whoever killed the gateway judges duplicates");
    let both = Stored { copies: &[("north", "a1"), ("south", "a9")], ..FIRST };
    assert_eq!(audit(&[LOAD, &again, SINK], &[both, SECOND]).1.unrecorded_copies, 0);
}

#[test]
fn a_message_in_the_store_that_nobody_sent_or_was_given_is_a_ghost() {
    let nobody = Stored { id: "id-7", to: "447700000777", status: "queued", copies: &[] };
    let twice = Stored { id: "id-8", ..FIRST };
    for ghost in [nobody, twice] {
        let (report, _) = audit(&ALL, &[FIRST, ghost, SECOND]);
        assert_eq!((report.ghosts, report.lost, report.is_sound()), (1, 0, false), "{ghost:?}");
    }
}

#[test]
fn what_was_refused_must_not_be_in_the_store_and_what_was_unanswered_may() {
    let third = Stored { id: "id-2", to: "447700000002", status: "queued", copies: &[] };
    let (report, store) = audit(&ALL, &[FIRST, SECOND, third]);
    assert_eq!((store.refused, report.is_sound()), (1, false));
    let unanswered = LOAD.replace(
        r#"{"k":"err","i":2,"t":1004000,"status":503,"code":"overloaded"}"#,
        r#"{"k":"una","i":2,"t":1004000}"#,
    );
    let (report, store) = audit(&[&unanswered, SMSC, SINK], &[FIRST, SECOND, third]);
    assert_eq!((store.unacknowledged, store.refused, report.is_sound()), (1, 0, true));
    assert_eq!((report.unacknowledged, report.ghosts), (1, 0));
}

#[test]
fn a_webhook_and_the_store_must_agree() {
    let (report, _) = audit(&ALL, &[Stored { status: "expired", ..FIRST }, SECOND]);
    assert_eq!((report.status_changes, report.is_sound()), (1, false));
}

#[test]
fn several_senders_are_one_account() {
    let later = r#"{"k":"run","n":1,"webhook":false}
{"k":"txt","x":0,"text":"again"}
{"k":"req","i":0,"to":"447700000005","t":1000000,"x":0}
{"k":"acc","i":0,"id":"id-5","t":1002000,"lat":2000,"parts":1}
"#;
    let smsc = r#"{"k":"carrier","c":0,"name":"south"}
{"k":"part","t":1001500,"c":0,"to":"447700000005","id":"c1","ref":0,"n":1,"of":1,"st":0}
{"k":"text","t":1001500,"c":0,"to":"447700000005","from":"Postrider","text":"again"}
"#;
    let fifth =
        Stored { id: "id-5", to: "447700000005", status: "delivered", copies: &[("south", "c1")] };
    let texts = [LOAD, SMSC, SINK, later, smsc];
    let (report, store) = audit(&texts, &[FIRST, fifth, SECOND]);
    assert!(report.is_sound(), "{report}");
    assert_eq!((report.accepted, report.delivered, store.messages), (3, 2, 3));
    let (report, _) = audit(&texts, &[FIRST, SECOND]);
    assert_eq!(report.lost, 0, "it is at its carrier, and nobody asked for a webhook");
}

#[test]
fn what_is_no_ledger_is_named() {
    let error = |texts: &[&str]| format!("{:#}", try_audit(texts, None).unwrap_err());
    assert!(error(&[SMSC, SINK]).contains("no ledger of `postrider load`"));
    assert!(error(&[LOAD, "{\"k\":\"other\"}\n"]).contains("ledger-1: no ledger of"));
    assert!(error(&[LOAD, "hello\n"]).contains("ledger-1: no ledger of"));
}
