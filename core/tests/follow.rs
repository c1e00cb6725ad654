//! A configuration behind another one: places that stay, what waits for a restart, what is named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::config::{Changes, Config, Followed};
use postrider_core::limits;
use postrider_core::route::CarrierIx;

fn config(server: &str, customers: &[&str], carriers: &[(&str, &str)], routed: &[&str]) -> Config {
    let mut text = format!("[server]\n{server}\n[smpp]\nlisten = \"127.0.0.1:2775\"\n");
    for (name, at) in customers.iter().zip(1..) {
        let key = format!("{at:064x}");
        text.push_str(&format!(
            "[[customers]]\nname = \"{name}\"\napi_keys = [\"sha256:{key}\"]\n\
             numbers = [\"+44770090000{at}\"]\n\
             webhook_secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"\n\
             [customers.smpp]\nsystem_id = \"{name}\"\npassword = \"x\"\n"
        ));
    }
    for (name, more) in carriers {
        text.push_str(&format!(
            "[[carriers]]\nname = \"{name}\"\naddress = \"h:1\"\nsystem_id = \"x\"\n\
             password = \"y\"\n{more}\n"
        ));
    }
    let names: Vec<String> = routed.iter().map(|name| format!("\"{name}\"")).collect();
    text.push_str(&format!("[[routes]]\nprefix = \"\"\ncarriers = [{}]\n", names.join(", ")));
    Config::parse(&text).expect(&text)
}

fn plain(customers: &[&str], carriers: &[&str]) -> Config {
    let carriers: Vec<(&str, &str)> = carriers.iter().map(|name| (*name, "")).collect();
    let names: Vec<&str> = carriers.iter().map(|(name, _)| *name).collect();
    config("", customers, &carriers, &names)
}

fn names(followed: &Followed) -> Vec<(&str, bool)> {
    let carriers = followed.config.carriers.iter();
    carriers.map(|carrier| (carrier.name.as_str(), carrier.retired)).collect()
}

/// The carriers of the default route by name, the best first.
fn routed(followed: &Followed) -> Vec<String> {
    let candidates = followed.config.routes[0].carriers.iter();
    let name = |ix: CarrierIx| followed.config.carriers[usize::from(ix.0)].name.clone();
    candidates.map(|candidate| name(candidate.carrier)).collect()
}

fn changes(added: &[&str], changed: &[&str], removed: &[&str]) -> Changes {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Changes { added: own(added), changed: own(changed), removed: own(removed) }
}

#[test]
fn carriers_keep_their_places_whatever_the_file_does_with_them() {
    let first = plain(&["web"], &["alpha", "beta"]);
    let second = plain(&["web"], &["gamma", "beta"]).follow(&first).unwrap();
    assert_eq!(names(&second), [("alpha", true), ("beta", false), ("gamma", false)]);
    assert_eq!(routed(&second), ["gamma", "beta"], "routes name carriers, not places");
    assert_eq!(second.carriers, changes(&["gamma"], &[], &["alpha"]));
    let third = plain(&["web"], &["alpha", "gamma"]).follow(&second.config).unwrap();
    assert_eq!(names(&third), [("alpha", false), ("beta", true), ("gamma", false)]);
    assert_eq!(routed(&third), ["alpha", "gamma"]);
    assert_eq!(third.carriers, changes(&["alpha"], &[], &["beta"]));
    let fourth = plain(&["web"], &["alpha", "gamma"]).follow(&third.config).unwrap();
    assert_eq!(names(&fourth), names(&third));
    assert!(fourth.carriers.is_empty() && fourth.customers.is_empty() && !fourth.routes);
    assert_eq!(fourth.waiting, Vec::<String>::new());
}

#[test]
fn a_customer_that_is_removed_comes_in_no_more_and_keeps_its_webhooks() {
    let first = plain(&["web", "shop"], &["alpha"]);
    let second = plain(&["shop"], &["alpha"]).follow(&first).unwrap();
    let [web, shop] = &second.config.customers[..] else { panic!("two places") };
    assert!(web.retired && web.api_key_hashes.is_empty() && web.smpp.is_none());
    assert!(web.numbers.is_empty(), "its number may be another one's");
    assert_eq!(web.webhook_secret, first.customers[0].webhook_secret);
    assert!(!shop.retired && shop.smpp.is_some());
    assert_eq!(second.customers, changes(&[], &["shop"], &["web"]), "its key and number moved");
    let third = plain(&["shop", "web"], &["alpha"]).follow(&second.config).unwrap();
    assert!(!third.config.customers[0].retired);
    assert_eq!(third.customers, changes(&["web"], &[], &[]));
}

#[test]
fn what_is_read_at_a_start_keeps_its_value_and_is_named() {
    let first = config("", &["web"], &[("alpha", "")], &["alpha"]);
    let text = "listen = \"127.0.0.1:81\"\nspin = false";
    let mut second = config(text, &["web"], &[("alpha", "")], &["alpha"]);
    second.store.max_segments += 1;
    second.limits.hot_messages += 1;
    second.webhooks.allow_private = true;
    second.smpp.listen = None;
    second.smpp.system_id = String::from("other");
    let second = second.follow(&first).unwrap();
    let expected =
        ["server.listen", "server.spin", "store.max_segments", "limits", "webhooks", "smpp.listen"];
    assert_eq!(second.waiting, expected);
    let config = &second.config;
    assert_eq!((&config.server, &config.store), (&first.server, &first.store));
    assert_eq!((&config.limits, &config.webhooks), (&first.limits, &first.webhooks));
    assert_eq!(config.smpp.listen, first.smpp.listen);
    assert_eq!(config.smpp.system_id, "other", "that needs no restart");
}

#[test]
fn what_changed_of_a_carrier_is_told() {
    let first = plain(&["web"], &["alpha", "beta"]);
    let carriers = [("alpha", "window = 7"), ("beta", "")];
    let second = config("", &["web"], &carriers, &["beta"]).follow(&first).unwrap();
    assert_eq!(second.carriers, changes(&[], &["alpha"], &[]));
    assert!(second.routes);
}

#[test]
fn those_that_were_removed_count_towards_the_bound() {
    let many: Vec<String> = (0..limits::MAX_CARRIERS).map(|at| format!("c{at}")).collect();
    let mut first = plain(&["web"], &["alpha"]);
    let one = first.carriers[0].clone();
    first.carriers = many
        .iter()
        .map(|name| {
            let mut carrier = one.clone();
            carrier.name.clone_from(name);
            carrier
        })
        .collect();
    let refused = plain(&["web"], &["new"]).follow(&first).expect_err("one too many");
    assert!(refused.to_string().contains("restart"), "{refused}");
    assert!(plain(&["web"], &["c7"]).follow(&first).is_ok());
}
