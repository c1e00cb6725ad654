//! Another configuration under way: what becomes of customers and their binds, and of what shards ask
//! of each other meanwhile, with two shards in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::pdu::{BIND_TRX, Pdu};
use house::{House, Submit, bind, config};

const OK: u32 = 0;
const BAD_PASSWORD: u32 = 0x0E;
const FAILED: u32 = 0x08;

/// A submit_sm of a text to a number.
fn to<'a>(number: &'a str, text: &'a str) -> Submit<'a> {
    Submit { dest: (1, 1, number), text: text.as_bytes(), ..Submit::default() }
}

fn statuses(answers: &[Pdu]) -> Vec<u32> {
    answers.iter().map(|pdu| pdu.status).collect()
}

/// One more customer in front of the others.
fn with_third(config: &str) -> String {
    let third = "[[customers]]\nname = \"third\"\n[customers.smpp]\nsystem_id = \"third\"\n\
                 password = \"open\"\n";
    config.replacen("[[customers]]", &format!("{third}[[customers]]"), 1)
}

#[test]
fn a_new_customer_binds_and_the_others_stay_who_they_were() {
    let first = config(2, "");
    let mut house = House::new(&first);
    let acme = house.bound(0);
    let before = house.number_of(1, 0);
    let id = house.submit(acme, &to(&before, "hello"));
    house.reload(&with_third(&first));
    assert!(house.is_open(acme));
    assert_eq!(house.view(0, &id).unwrap().id.to_string(), id);
    let third = house.bound_as(1, BIND_TRX, "third", "open");
    let own = house.submit(third, &to(&before, "of the third"));
    assert!(house.view(2, &own).is_some() && house.view(0, &own).is_none());
}

#[test]
fn a_customer_that_is_removed_or_has_another_password_is_unbound() {
    let first = with_third(&config(2, ""));
    let mut house = House::new(&first);
    let (acme, other) = (house.bound(0), house.bound_as(1, BIND_TRX, "other", "hidden"));
    let third = house.bound_as(1, BIND_TRX, "third", "open");
    house.reload(&config(2, "").replace("\"hidden\"", "\"changed\""));
    house.pass(Duration::from_secs(10));
    assert!(house.is_open(acme), "nothing changed of it");
    assert!(!house.is_open(other), "its password did");
    assert!(!house.is_open(third), "there is no such customer any more");
    for (name, password, status) in [
        ("other", "hidden", BAD_PASSWORD),
        ("third", "open", BAD_PASSWORD),
        ("other", "changed", OK),
    ] {
        let line = house.dial(0);
        house.send(line, &[bind(BIND_TRX, 1, name, password)]);
        house.pass(Duration::from_secs(40));
        assert_eq!(house.received(line)[0].status, status, "{name} with {password}");
    }
}

#[test]
fn what_was_checked_under_a_newer_configuration_waits_for_it() {
    let first = config(2, "");
    let mut house = House::new(&first);
    house.prepare(&with_third(&first));
    house.reload_shard(0);
    let third = house.bound_as(0, BIND_TRX, "third", "open");
    let number = house.number_of(1, 0);
    house.send(third, &[to(&number, "early").pdu()]);
    house.pass(Duration::from_millis(50));
    assert!(house.received(third).is_empty(), "its owner does not know the customer yet");
    house.reload_shard(1);
    house.pass(Duration::from_millis(50));
    let answers = house.received(third);
    assert_eq!(statuses(&answers), [OK]);
}

#[test]
fn what_was_checked_under_an_older_configuration_is_checked_again() {
    let first = with_third(&config(2, ""));
    let mut house = House::new(&first);
    let third = house.bound_as(0, BIND_TRX, "third", "open");
    house.prepare(&config(2, ""));
    house.reload_shard(1);
    let number = house.number_of(1, 0);
    house.send(third, &[to(&number, "late").pdu()]);
    house.pass(Duration::from_millis(50));
    let answers = house.received(third);
    assert_eq!(statuses(&answers), [FAILED]);
}
