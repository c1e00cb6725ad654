//! Look-ups by whole shards under a virtual clock: who asks the provider, what is answered when it
//! does not, and that nobody waits for ever.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::time::Duration;

use house::{House, Submit, config};
use postrider_core::content::Retention;
use postrider_core::limits;
use postrider_core::lookup::Live;
use postrider_core::number::{Msisdn, NumberReader};
use postrider_core::operators::Source;
use postrider_http::lookup::LookedUp;
use postrider_http::request::{ApiRequest, CustomerLimits, LookupQuery, RequestHead, parse, route};
use postrider_http::url_guard::UrlPolicy;
use postrider_shards::shard::ApiResponse;
use postrider_shards::stats::Counter;
use serde_json::json;

const PROVIDER: &str = "[lookups]\nurl = \"http://127.0.0.1:9/{number}\"\nprice_micros = 4000\n\
                        secret = \"Bearer s\"\nconcurrency = 64\n";

fn number(last: usize) -> Msisdn {
    Msisdn::from_u64(447_717_000_000 + u64::try_from(last).unwrap()).unwrap()
}

fn query(numbers: usize, live: bool) -> ApiRequest {
    let numbers = (0..numbers).map(|last| Ok(number(last))).collect();
    ApiRequest::LookUp(LookupQuery { numbers, live, batch: true })
}

fn house() -> House {
    House::new(&format!("{}{PROVIDER}", config(2, "")))
}

/// Gives every query of the provider this status and body.
fn answer(house: &mut House, status: u16, body: &str) {
    for (shard, get) in std::mem::take(&mut house.queries) {
        house.answer_lookup(shard, get.asked, Some((status, body.as_bytes().to_vec())));
    }
}

#[track_caller]
fn answered(response: Option<ApiResponse>) -> Vec<LookedUp> {
    match response {
        Some(ApiResponse::LookedUp { looked, batch: true }) => looked,
        other => panic!("no look-ups: {other:?}"),
    }
}

fn words(looked: &[LookedUp]) -> Vec<Option<&'static str>> {
    looked.iter().map(|one| one.finding.live.map(Live::word)).collect()
}

const EE: &str = r#"{"status": "active", "mcc": "234", "mnc": "30", "ported": true}"#;

#[test]
fn the_owners_ask_for_their_numbers_and_the_answers_come_in_order() {
    let mut house = house();
    let ticket = house.send_request(0, 0, query(20, true));
    assert_eq!(house.queries.len(), 20);
    for (shard, get) in &house.queries {
        let owner = house.shared.placement.owner(get.asked.number);
        assert_eq!(usize::from(owner.0), *shard);
        let digits = get.asked.number.digits();
        assert_eq!(get.target.path_and_query, format!("/{digits}"));
        assert!(get.headers.contains(&("authorization".to_owned(), "Bearer s".to_owned())));
    }
    assert!(house.answer_of(0, ticket).is_none());
    answer(&mut house, 200, EE);
    let looked = answered(house.answer_of(0, ticket));
    let numbers: Vec<Msisdn> = looked.iter().map(|one| *one.number.as_ref().unwrap()).collect();
    assert_eq!(numbers, (0..20).map(number).collect::<Vec<_>>());
    assert_eq!(words(&looked), vec![Some("answered"); 20]);
    assert!(looked.iter().all(|one| one.finding.operator.unwrap().to_string() == "234-30"));
    assert!(looked.iter().all(|one| one.finding.cost_micros == 4_000));
    // Whichever shard is asked, the owner has the answer still.
    let again = house.send_request(1, 1, query(20, true));
    let looked = answered(house.answer_of(1, again));
    assert_eq!(words(&looked), vec![Some("cached"); 20]);
    assert!(looked.iter().all(|one| one.finding.cost_micros == 0));
    assert_eq!(house.count(Counter::LookUps), 40);
    assert_eq!(house.count(Counter::LookupQueries), 20);
    assert_eq!(house.count(Counter::LookupsFromCache), 20);
}

#[test]
fn without_live_nobody_is_asked() {
    let mut house = house();
    let ticket = house.send_request(0, 0, query(1_000, false));
    let looked = answered(house.answer_of(0, ticket));
    assert_eq!((looked.len(), house.queries.len()), (1_000, 0));
    assert!(looked.iter().all(|one| one.finding.live.is_none() && one.finding.reachable.is_none()));
    let mut plain = House::new(&config(2, ""));
    let ticket = plain.send_request(0, 0, query(3, true));
    assert_eq!(words(&answered(plain.answer_of(0, ticket))), [None; 3], "there is no provider");
}

#[test]
fn a_provider_that_does_not_answer_leaves_the_tables_word() {
    let mut house = house();
    let ticket = house.send_request(0, 0, query(4, true));
    house.pass(Duration::from_secs(2));
    let looked = answered(house.answer_of(0, ticket));
    assert_eq!(words(&looked), [Some("timeout"); 4]);
    assert!(looked.iter().all(|one| one.finding.operator.unwrap().to_string() == "234-15"));
    answer(&mut house, 500, EE);
    let ticket = house.send_request(0, 0, query(30, true));
    answer(&mut house, 503, EE);
    assert_eq!(words(&answered(house.answer_of(0, ticket))), [Some("failed"); 30]);
    // By now both shards leave it alone.
    let ticket = house.send_request(0, 0, query(30, true));
    assert_eq!(words(&answered(house.answer_of(0, ticket))), [Some("suspended"); 30]);
    assert_eq!(house.queries.len(), 0);
    house.pass(limits::LOOKUP_PAUSE);
    let ticket = house.send_request(0, 0, query(30, true));
    assert_eq!(house.queries.len(), 2, "one trial a shard");
    answer(&mut house, 200, EE);
    let looked = answered(house.answer_of(0, ticket));
    assert_eq!(words(&looked).iter().filter(|word| **word == Some("answered")).count(), 2);
}

#[test]
fn a_thousand_numbers_go_in_turn_and_end_in_bounded_time() {
    let mut house = house();
    let ticket = house.send_request(1, 0, query(1_000, true));
    assert_eq!(house.queries.len(), 64, "no more at once than the configuration allows");
    answer(&mut house, 200, EE);
    assert_eq!(house.queries.len(), 64);
    house.pass(limits::LOOKUP_TURN + Duration::from_secs(2));
    let looked = answered(house.answer_of(1, ticket));
    let count = |word| words(&looked).iter().filter(|own| **own == Some(word)).count();
    assert_eq!((count("answered"), count("timeout")), (64, 64));
    assert_eq!(count("busy"), 1_000 - 128);
}

#[test]
fn a_stop_waits_for_no_provider() {
    let mut house = house();
    let ticket = house.send_request(0, 0, query(20, true));
    house.drain();
    assert_eq!(words(&answered(house.answer_of(0, ticket))), [Some("off"); 20]);
    house.pass(Duration::from_secs(1));
    assert!(house.is_drained());
}

#[test]
fn another_configuration_counts_at_once_and_another_provider_is_asked_anew() {
    let mut house = house();
    let ticket = house.send_request(0, 0, query(2, true));
    answer(&mut house, 200, EE);
    answered(house.answer_of(0, ticket));
    let base = config(2, "");
    house.reload(&format!("{base}{}", PROVIDER.replace("4000", "5000")));
    let ticket = house.send_request(0, 0, query(2, true));
    assert_eq!(words(&answered(house.answer_of(0, ticket))), [Some("cached"); 2]);
    house.reload(&format!("{base}{}", PROVIDER.replace(":9/", ":9/v2/")));
    let ticket = house.send_request(0, 0, query(2, true));
    assert!(house.queries.iter().all(|(_, get)| get.target.path_and_query.starts_with("/v2/")));
    answer(&mut house, 200, EE);
    let looked = answered(house.answer_of(0, ticket));
    assert_eq!(words(&looked), [Some("answered"); 2]);
    let ticket = house.send_request(0, 0, query(3, true));
    house.reload(&base);
    let looked = answered(house.answer_of(0, ticket));
    assert_eq!(words(&looked), [Some("cached"), Some("cached"), Some("off")]);
    let ticket = house.send_request(0, 0, query(3, true));
    assert_eq!(words(&answered(house.answer_of(0, ticket))), [None; 3]);
}

/// A house whose route requires this.
fn requiring(what: &str) -> House {
    let config = config(2, "")
        .replace("prefix = \"44\"\n", &format!("prefix = \"44\"\nrequire_lookup = \"{what}\"\n"));
    House::new(&format!("{config}{PROVIDER}"))
}

fn submit(to: &str) -> ApiRequest {
    post(to, false)
}

fn post(to: &str, dry_run: bool) -> ApiRequest {
    let body = json!({"from": "Acme", "to": to, "body": "x", "dry_run": dry_run}).to_string();
    let head = RequestHead {
        method: "POST",
        path: "/api/v1/messages",
        query: None,
        content_type: Some(b"application/json"),
    };
    let limits = CustomerLimits {
        max_text_chars: 100,
        numbers: NumberReader::Strict,
        retention: Retention::Keep,
    };
    let policy = UrlPolicy { allow_private: false };
    parse(route(&head).unwrap(), &head, body.as_bytes(), &limits, &policy).unwrap()
}

/// The word for what a submission was answered.
fn outcome(response: Option<ApiResponse>) -> &'static str {
    match response {
        Some(ApiResponse::Accepted(_)) => "accepted",
        Some(ApiResponse::Problem(problem)) => problem.code.name(),
        None => "waits",
        other => panic!("{other:?}"),
    }
}

const NOBODYS: &str = "4470000000";

#[test]
fn a_route_refuses_what_no_numbering_plan_has() {
    for (what, unplanned) in [("no", "accepted"), ("tables", "number_not_valid")] {
        let mut house = requiring(what);
        for shard in 0..2 {
            let ticket = house.send_request(shard, 0, submit(NOBODYS));
            assert_eq!(outcome(house.answer_of(shard, ticket)), unplanned, "{what}");
            let ticket = house.send_request(shard, 0, submit("447717000001"));
            assert_eq!(outcome(house.answer_of(shard, ticket)), "accepted", "{what}");
        }
        assert_eq!(house.queries.len(), 0);
        let line = house.bound(0);
        let sent = Submit { dest: (1, 1, NOBODYS), ..Submit::default() };
        let answer = house.ask(line, sent.pdu());
        assert_eq!(answer.status, if what == "no" { 0 } else { 0x0B }, "ESME_RINVDSTADR");
    }
}

#[test]
fn a_route_has_the_provider_asked_before_a_message_is_accepted() {
    for (word, expected) in [
        ("active", "accepted"),
        ("absent", "accepted"),
        ("inactive", "number_not_valid"),
        ("invalid", "number_not_valid"),
        ("no coverage", "accepted"),
    ] {
        let mut house = requiring("live");
        for shard in 0..2 {
            let ticket = house.send_request(shard, 0, submit("447717000001"));
            assert_eq!(house.answer_of(shard, ticket).is_some(), shard == 1, "cached by then");
            if shard == 0 {
                answer(&mut house, 200, &format!("{{\"status\": \"{word}\"}}"));
                assert_eq!(outcome(house.answer_of(shard, ticket)), expected, "{word}");
            }
        }
    }
}

#[test]
fn a_provider_that_does_not_answer_costs_no_message() {
    let mut house = requiring("live");
    let first = house.send_request(0, 0, submit("447717000001"));
    let second = house.send_request(1, 0, submit(NOBODYS));
    house.pass(Duration::from_millis(1_999));
    assert_eq!(outcome(house.answer_of(0, first)), "waits");
    house.pass(Duration::from_millis(1));
    assert_eq!(outcome(house.answer_of(0, first)), "accepted");
    assert_eq!(outcome(house.answer_of(1, second)), "accepted");
    answer(&mut house, 500, "");
    // Far more than it has time for: none of them waits longer, none is refused.
    let numbers = (0..3_000).map(|last| (447_717_100_000u64 + last).to_string());
    let tickets: Vec<u64> =
        numbers.map(|number| house.send_request(0, 0, submit(&number))).collect();
    house.pass(Duration::from_secs(2));
    for ticket in tickets {
        assert_eq!(outcome(house.answer_of(0, ticket)), "accepted");
    }
    assert_eq!(house.count(Counter::Accepted), 3_002);
    assert_eq!(house.count(Counter::RefusedNumber), 0);
}

#[test]
fn what_a_provider_said_decides_the_route_while_it_counts() {
    const TO: &str = "447717000001";
    let beta = "[[carriers]]\nname = \"beta\"\naddress = \"127.0.0.1:2\"\nsystem_id = \"b\"\n\
                password = \"p\"\nbinds = 2\n\
                [[routes]]\noperator = \"234-30\"\ncarriers = [\"beta\"]\n";
    let mut house = House::new(&format!("{}{beta}{PROVIDER}cache_seconds = 60\n", config(2, "")));
    for (asked, carrier, source) in
        [(false, "alpha", Source::Range), (true, "beta", Source::Provider)]
    {
        if asked {
            let numbers = vec![Ok(Msisdn::from_u64(TO.parse().unwrap()).unwrap())];
            let query = LookupQuery { numbers, live: true, batch: false };
            house.send_request(0, 0, ApiRequest::LookUp(query));
            answer(&mut house, 200, EE);
        }
        let meets = |house: &mut House| {
            let ticket = house.send_request(0, 0, post(TO, true));
            match house.answer_of(0, ticket) {
                Some(ApiResponse::Explained(told)) => (told.carrier, told.source),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(meets(&mut house), (Some(carrier.to_owned()), source));
        let ticket = house.send_request(1, 0, submit(TO));
        let Some(ApiResponse::Accepted(accepted)) = house.answer_of(1, ticket) else { panic!() };
        let took = house.view(0, &accepted.id.to_string()).unwrap().carrier;
        assert_eq!(took.as_deref(), Some(carrier));
        house.pass(Duration::from_secs(60));
        assert_eq!(meets(&mut house).1, Source::Range, "it counts no longer");
    }
}

#[test]
fn a_customer_asks_the_provider_about_no_more_numbers_a_second_than_it_may() {
    let text =
        config(2, "").replacen("name = \"acme\"", "name = \"acme\"\nlookups_per_second = 5", 1);
    let mut house = House::new(&format!("{text}{PROVIDER}"));
    let limited = |house: &mut House, ticket| match house.answer_of(0, ticket) {
        Some(ApiResponse::Problem(problem)) => (problem.status(), problem.retry_after),
        other => panic!("{other:?}"),
    };
    // What is asked for at once is paid for afterwards, over all shards.
    let first = house.send_request(0, 0, query(10, true));
    answer(&mut house, 200, EE);
    assert_eq!(words(&answered(house.answer_of(0, first))), [Some("answered"); 10]);
    let more = house.send_request(0, 0, query(1, true));
    assert_eq!(limited(&mut house, more), (429, Some(2)));
    assert!(house.queries.is_empty(), "nobody was asked");
    // The tables, and another customer, are not in it.
    let tables = house.send_request(0, 0, query(20, false));
    assert_eq!(answered(house.answer_of(0, tables)).len(), 20);
    let other = house.send_request(1, 1, query(3, true));
    assert_eq!(words(&answered(house.answer_of(1, other))), [Some("cached"); 3]);
    // What is kept costs nothing, however often it is asked for.
    house.pass(Duration::from_millis(1_250));
    for _ in 0..50 {
        let known = house.send_request(0, 0, query(10, true));
        assert_eq!(words(&answered(house.answer_of(0, known))), [Some("cached"); 10]);
    }
}
