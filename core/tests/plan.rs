//! The plan: what a configuration comes to, and what it refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::config::{Config, Plan};
use postrider_core::limits;
use postrider_core::place::{PARTITIONS, ShardId};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../data/example.toml");

fn plan(text: &str, cores: u16) -> Plan {
    Plan::new(&Config::parse(text).unwrap(), cores).unwrap()
}

fn refusal(text: &str, cores: u16) -> String {
    Plan::new(&Config::parse(text).unwrap(), cores).expect_err(text).to_string()
}

fn carrier(name: &str, binds: u16, more: &str) -> String {
    format!(
        "[[carriers]]\nname = \"{name}\"\naddress = \"h:1\"\nsystem_id = \"x\"\n\
         binds = {binds}\n{more}\n"
    )
}

#[test]
fn the_example_on_two_cores() {
    let plan = plan(EXAMPLE, 2);
    assert_eq!(plan.shard_count(), 2);
    assert_eq!(plan.shards.iter().map(|shard| shard.partitions).collect::<Vec<_>>(), [2048, 2048]);
    assert_eq!(plan.carriers[0].binds, [1, 1]);
    assert_eq!(plan.carriers[1].binds, [2, 1]);
    assert_eq!(plan.binds_on(ShardId(1)), [1, 1, 1]);
    assert_eq!((plan.carriers[2].window, plan.carriers[2].in_flight_max), (0, 0), "a receiver");
    assert_eq!(plan.carriers[1].parts_per_second, 300);
    assert_eq!(plan.carriers[1].in_flight_max, 60);
    assert_eq!((plan.shards[0].binds, plan.shards[0].in_flight_max), (4, 140));
    assert_eq!((plan.shards[1].binds, plan.shards[1].in_flight_max), (3, 120));
    assert_eq!(plan.shards[0].parts_per_second, None, "the first carrier has no limit");
    assert_eq!(plan.shards[0].memory.hot_messages, 100_000 * 2_048);
    // A carrier without a rate, one with 300 parts a second, and one that only receives.
    let parts = 3_600 * (250 + 300) / 2;
    assert_eq!(plan.shards[0].receipts, parts);
    assert!(plan.shards[0].memory.receipts >= parts * 24);
    assert_eq!(plan.open_messages_fit, (2 << 30) / 2_048);
    assert_eq!(plan.shards[0].memory.rings, 2 * 4_096 * 128);
    assert_eq!(plan.shards[0].disk_bytes, (4 << 30) + (256 << 20), "the log, and its contents");
    assert!((plan.crossings - 0.5).abs() < 1e-9);
}

#[test]
fn rates_are_split_as_binds_are() {
    let text = carrier("alpha", 3, "parts_per_second = 300")
        + &carrier("beta", 2, "parts_per_second = 50")
        + &carrier("gamma", 2, "bind = \"receiver\"");
    let plan = plan(&text, 2);
    let rates: Vec<_> = plan.shards.iter().map(|shard| shard.parts_per_second).collect();
    assert_eq!(rates, [Some(225), Some(125)]);
}

/// A pair is two connections, and submits on one of them.
#[test]
fn pairs_are_two_connections_a_bind() {
    let one = plan(&carrier("alpha", 4, ""), 2);
    let pair = plan(&carrier("alpha", 4, "bind = \"pair\""), 2);
    assert_eq!(pair.carriers[0].binds, one.carriers[0].binds);
    assert_eq!((one.shards[0].binds, one.shards[0].connections), (2, 2));
    assert_eq!((pair.shards[0].binds, pair.shards[0].connections), (2, 4));
    assert_eq!(pair.shards[0].in_flight_max, one.shards[0].in_flight_max);
    let more = pair.shards[0].memory.buffers - one.shards[0].memory.buffers;
    assert_eq!(more, 2 * limits::MEMORY_PER_BIND);
}

const ACCOUNT: &str = "[smpp]\nlisten = \"[::]:2775\"\n[[customers]]\nname = \"acme\"\n\
                       [customers.smpp]\nsystem_id = \"acme\"\npassword = \"x\"\n";

/// All of a customer's binds may come to one shard, up to what a shard accepts.
#[test]
fn customers_binds_take_memory() {
    let of = |binds: u16| {
        let keys = format!("max_binds = {binds}\nwindow = 50\ndeliver_window = 20\n");
        let account = ACCOUNT.to_owned() + &keys;
        plan(&account, 2).shards.iter().map(|shard| shard.memory.customers).collect::<Vec<_>>()
    };
    let parts = u64::try_from(limits::REASSEMBLY_BYTES).unwrap();
    let each = limits::MEMORY_PER_BIND + 70 * limits::MEMORY_PER_WINDOW_SLOT;
    assert_eq!(of(3), [3 * each + parts; 2]);
    assert_eq!(plan("", 2).shards[0].memory.customers, 0);
    let many: String = (0..5)
        .map(|index| {
            ACCOUNT.split_once("]:2775\"\n").unwrap().1.replace("acme", &format!("a{index}"))
                + "max_binds = 1024\nwindow = 1\ndeliver_window = 1\n"
        })
        .collect();
    let full = plan(&format!("[smpp]\nlisten = \"[::]:2775\"\n{many}"), 1);
    let connections = u64::try_from(limits::SMPP_CUSTOMER_CONNECTIONS_PER_SHARD).unwrap();
    let slots = 5 * 1_024 * 2 * limits::MEMORY_PER_WINDOW_SLOT;
    let buffers = connections * limits::MEMORY_PER_BIND;
    assert_eq!(full.shards[0].memory.customers, buffers + slots + parts);
}

#[test]
fn the_table_is_for_people() {
    let shown = plan(EXAMPLE, 2).to_string();
    let expected = include_str!("vectors/plan.txt");
    assert_eq!(shown, expected, "correct tests/vectors/plan.txt when the table changes on purpose");
}

#[test]
fn json_says_the_same() {
    let plan = plan(EXAMPLE, 2);
    let json = plan.to_json();
    assert_eq!(json["shard_count"], 2);
    assert_eq!(json["carriers"][1]["binds_per_shard"], serde_json::json!([2, 1]));
    assert_eq!(json["shards"][1]["partitions"], 2048);
    assert_eq!(json["shards"][0]["memory_bytes"]["total"], plan.shards[0].memory.total());
    assert_eq!(json["expected_crossings"], 0.5);
    assert_eq!(json["carriers"][2]["dialect"][1], "binds are receivers: nothing is sent");
    assert_eq!(json["customers"][0]["system_id"], "bulk");
    assert_eq!(json["smpp_ports"][0]["address"], "127.0.0.1:2775");
    assert!(json["limits"].as_array().unwrap().len() > 60);
}

#[test]
fn auto_is_a_shard_a_core() {
    assert_eq!(plan("", 6).shard_count(), 6);
    assert_eq!(plan("", 0).shard_count(), 1);
    assert_eq!(plan("", 1_000).shard_count(), 256);
    let alone = plan("", 1);
    assert_eq!((alone.mesh_lane, alone.shards[0].memory.rings), (0, 0));
    assert!(alone.crossings < f64::EPSILON);
}

#[test]
fn what_cannot_work_is_refused() {
    for (text, cores, expected) in [
        (
            String::from("[server]\nshards = 4"),
            2,
            "server.shards: 4 shards do not fit 2 cores; \
             set shards to at most 2, or \"auto\", or pin = false",
        ),
        (
            carrier("alpha", 4, "cores = 3"),
            2,
            "carriers[0].cores: carrier \"alpha\" wants 3 cores of 2; at most 2 fit",
        ),
        (carrier("alpha", 129, ""), 2, "carriers[0].binds: carrier \"alpha\" has 129"),
        (
            String::from(
                "[store]\nmax_segments = 6\nsegment_mib = 8\n[limits]\nopen_messages = 200000",
            ),
            1,
            "limits.open_messages: 200000 open messages need 390.6 MiB of log, half of the store \
             of a shard is 24.0 MiB; set store.max_segments to 98 or more, or open_messages to \
             12288 or less",
        ),
        (
            format!("[limits]\nhot_messages = 599\n{}", carrier("alpha", 5, "window = 50")),
            2,
            "limits.hot_messages: the windows of carrier \"alpha\" take 150 messages of a shard, \
             and a quarter of 599 is 149; set hot_messages to 600 or more",
        ),
    ] {
        let found = refusal(&text, cores);
        assert!(found.starts_with(expected), "{found}");
        assert_eq!(found.lines().count(), 1);
    }
    assert_eq!(plan("[server]\nshards = 4\npin = false", 2).shard_count(), 4);
    let remedy = "[store]\nmax_segments = 98\nsegment_mib = 8\n[limits]\nopen_messages = 200000";
    assert_eq!(plan(remedy, 1).shard_count(), 1);
    let remedy = "[store]\nmax_segments = 6\nsegment_mib = 8\n[limits]\nopen_messages = 12288";
    assert_eq!(plan(remedy, 1).shard_count(), 1);
    // Without a number there may be as many as fit.
    assert_eq!(plan("[store]\nmax_segments = 6\nsegment_mib = 8", 1).open_messages, 12_288);
}

#[test]
fn all_problems_come_at_once() {
    let text = format!(
        "[server]\nshards = 3\n[limits]\nopen_messages = 20000000\n{}{}",
        carrier("alpha", 4, "cores = 4"),
        carrier("beta", 4, "cores = 4")
    );
    assert_eq!(refusal(&text, 2).lines().count(), 4);
}

proptest! {
    #[test]
    fn binds_are_spread_evenly(
        counts in prop::collection::vec(1..200u16, 1..6),
        cores in 1..=32u16,
    ) {
        let text: String = counts
            .iter()
            .enumerate()
            .map(|(index, binds)| carrier(&format!("c{index}"), *binds, "parts_per_second = 1000"))
            .collect();
        let fits = |binds: &u16| binds.div_ceil(cores.min(*binds)) <= 64;
        match Plan::new(&Config::parse(&text).unwrap(), cores) {
            Err(_) => prop_assert!(!counts.iter().all(fits)),
            Ok(plan) => {
                prop_assert!(counts.iter().all(fits));
                for (carrier, binds) in plan.carriers.iter().zip(&counts) {
                    prop_assert_eq!(carrier.binds.iter().sum::<u16>(), *binds);
                    let least = carrier.binds.iter().min().unwrap();
                    let most = carrier.binds.iter().max().unwrap();
                    prop_assert!(most - least <= 1);
                    prop_assert_eq!(*least == 0, *binds < cores);
                }
                let partitions: usize = plan.shards.iter().map(|shard| shard.partitions).sum();
                prop_assert_eq!(partitions, usize::from(PARTITIONS));
                let all = plan.shards.iter().map(|shard| shard.binds);
                let (least, most) = (all.clone().min().unwrap(), all.max().unwrap());
                prop_assert!(most - least <= 1, "binds are dealt to the shards in turn");
                let binds: u64 = plan.shards.iter().map(|shard| shard.binds).sum();
                prop_assert_eq!(binds, counts.iter().copied().map(u64::from).sum::<u64>());
            }
        }
    }
}

#[test]
fn binds_are_numbered_without_gaps_and_keep_their_numbers_when_more_come() {
    for (index, shards) in (0..5).flat_map(|index| (1..6).map(move |shards| (index, shards))) {
        let mut before: Vec<u32> = Vec::new();
        for binds in shards..20 {
            let text = EXAMPLE.replace("shards = 2", &format!("shards = {shards}"));
            let mut config = Config::parse(&text).unwrap();
            config.server.pin = false;
            config.server.shards = shards;
            let mut own = config.carriers[0].clone();
            own.binds = binds;
            config.carriers = vec![own; index + 1];
            let plan = Plan::new(&config, shards).unwrap();
            let own = config.carriers[index].clone();
            let on = |shard: u16| {
                let count = plan.binds_on(ShardId(shard))[index];
                let own = own.clone();
                (0..count).map(move |place| own.bind_number(ShardId(shard), shards, place))
            };
            let mut numbers: Vec<u32> = (0..shards).flat_map(on).collect();
            numbers.sort_unstable();
            assert!(numbers.iter().copied().eq(0..u32::from(binds)), "{numbers:?}");
            assert!(numbers.starts_with(&before));
            before = numbers;
        }
    }
}

#[test]
fn a_carrier_with_fewer_binds_than_shards_is_served_by_some_of_them() {
    let text = carrier("alpha", 1, "parts_per_second = 300")
        + &carrier("beta", 2, "parts_per_second = 300")
        + &carrier("gamma", 3, "parts_per_second = 49")
        + &carrier("delta", 8, "cores = 2")
        + &carrier("epsilon", 3, "window = 3")
        + &carrier("zeta", 4, "parts_per_second = 20");
    let plan = plan(&text, 4);
    let binds: Vec<_> = plan.carriers.iter().map(|own| own.binds.as_slice()).collect();
    assert_eq!(
        binds,
        [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 3], [4, 4, 0, 0], [0, 0, 3, 0], [1, 1, 1, 1]]
    );
    let crossings: Vec<_> = plan.carriers.iter().map(|own| own.crossings).collect();
    assert_eq!(crossings, [0.75, 0.5, 0.75, 0.5, 0.75, 0.0]);
    let json = plan.to_json();
    assert_eq!(json["carriers"][1]["cores"], serde_json::json!([1, 2]));
    assert_eq!(json["carriers"][1]["expected_crossings"], 0.5);
    let config = Config::parse(&text).unwrap();
    let served = |index: usize| {
        [0, 1, 2, 3].map(|own| config.carriers[index].served_by(ShardId(own), 4).map(|own| own.0))
    };
    assert_eq!(served(0), [None, Some(0), Some(0), Some(0)]);
    assert_eq!(served(1), [Some(2), None, None, Some(1)], "each serves one more");
}

#[test]
fn cores_must_be_worth_it() {
    for (text, expected) in [
        (
            carrier("alpha", 2, "cores = 3"),
            "carriers[0].cores: 3 cores cannot share 2 binds; \
             set cores to 2 or less, or binds to 3",
        ),
        (
            carrier("alpha", 4, "cores = 2\nparts_per_second = 49"),
            "carriers[0].cores: a carrier under 50 parts a second, or with a window under 4, is \
             served by one core; set cores to 1, or remove it",
        ),
        (carrier("alpha", 4, "cores = 0"), "carriers[0].cores: "),
    ] {
        let found = Config::parse(&text).unwrap_err().to_string();
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn binds_stay_where_they_are_when_the_carriers_change() {
    let before = Config::parse(
        &(carrier("alpha", 1, "") + &carrier("beta", 1, "") + &carrier("gamma", 1, "")),
    )
    .unwrap();
    let after = carrier("zeta", 1, "") + &carrier("gamma", 1, "") + &carrier("alpha", 3, "");
    let followed = Config::parse(&after).unwrap().follow(&before).unwrap();
    assert_eq!(followed.carriers.changed, ["alpha"]);
    let (before, after) = (Plan::new(&before, 4).unwrap(), Plan::new(&followed.config, 4).unwrap());
    assert_eq!(before.carriers[2].binds, [0, 0, 1, 0]);
    assert_eq!(after.carriers[2].binds, [0, 0, 1, 0]);
    assert_eq!(after.carriers[0].binds, [1, 1, 1, 0]);
    assert_eq!(
        (after.carriers[3].name.as_str(), &after.carriers[3].binds[..]),
        ("zeta", &[0, 0, 0, 1][..])
    );
}
