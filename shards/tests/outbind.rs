//! A carrier that connects to us: nothing is connected to it, its credentials decide, and its
//! connection then serves like any other. In memory, octet by octet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::time::Duration;

use harness::pdu::{self, Pdu, taken};
use harness::{CUSTOMER, Rig};
use postrider_core::route::CarrierIx;
use postrider_shards::stats::Counter;

const ALPHA: CarrierIx = CarrierIx(0);
const OUTBIND: u32 = 0x0B;

fn rig() -> Rig {
    Rig::new(&format!(
        "{CUSTOMER}\n[[carriers]]\nname = \"alpha\"\nsystem_id = \"us\"\npassword = \"p\"\nbinds = 1\n\
         [carriers.outbind]\nlisten = \"127.0.0.1:2776\"\nsystem_id = \"alpha\"\n\
         password = \"secret\"\n[[routes]]\nprefix = \"\"\ncarriers = [\"alpha\"]\n"
    ))
}

fn outbind(system_id: &str, password: &str) -> Pdu {
    Pdu::new(OUTBIND, 0, 1, format!("{system_id}\0{password}\0").as_bytes())
}

#[test]
fn a_carrier_with_outbind_is_never_connected_to() {
    let mut rig = rig();
    rig.submit(447_700_900_123, "waits");
    rig.pass(Duration::from_secs(120));
    assert_eq!(rig.connects(0), 0);
    let listeners: Vec<_> = rig.shard.outbind_listeners().collect();
    assert_eq!(listeners, [(ALPHA, "127.0.0.1:2776".parse().unwrap())]);
}

#[test]
fn an_outbind_with_the_agreed_credentials_is_answered_by_a_bind_that_serves() {
    let mut rig = rig();
    let id = rig.submit(447_700_900_123, "waits");
    for round in 0..3 {
        let bind = rig.accept_outbind(ALPHA).expect("a bind waits");
        assert_eq!(rig.accept_outbind(ALPHA), None, "its only bind has a connection");
        assert!(rig.received(bind).is_empty(), "nothing is said before the outbind");
        rig.send(bind, &[outbind("alpha", "secret")]);
        let asked = rig.received(bind);
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0].command, pdu::BIND_TRX);
        rig.send(bind, &[Pdu::new(pdu::BIND_TRX_RESP, 0, asked[0].sequence, b"alpha\0")]);
        if round == 0 {
            let submits = rig.submits(bind);
            rig.send(bind, &[taken(submits[0].sequence, "1")]);
            assert_eq!(rig.status(id), "submitted");
        }
        rig.lose(bind);
        rig.pass(Duration::from_secs(90));
        assert_eq!(rig.connects(bind), 0, "it is the carrier's turn again");
    }
    assert_eq!(rig.count(Counter::BindsOpened), 3);
}

#[test]
fn an_outbind_with_other_credentials_closes_the_connection() {
    let mut rig = rig();
    for (system_id, password) in [("alpha", "wrong"), ("beta", "secret"), ("", "")] {
        let bind = rig.accept_outbind(ALPHA).unwrap();
        rig.send(bind, &[outbind(system_id, password)]);
        assert!(!rig.is_open(bind), "{system_id}");
        assert!(rig.received(bind).is_empty(), "our credentials are not shown");
    }
    assert_eq!(rig.count(Counter::OutbindsRefused), 3);
}

#[test]
fn a_connection_without_an_outbind_does_not_hold_the_bind_for_ever() {
    let mut rig = rig();
    let bind = rig.accept_outbind(ALPHA).unwrap();
    rig.pass(Duration::from_secs(30));
    assert!(!rig.is_open(bind));
    assert!(rig.accept_outbind(ALPHA).is_some());
}
