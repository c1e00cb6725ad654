//! Logs of a data directory that had two shards and then three, as this release wrote them: they open with
//! any number of shards, and tell the same. In memory, under a virtual clock. `POSTRIDER_WRITE_GOLDEN=1`
//! writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod house;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use house::{House, Submit, bind, config, short_message};
use postrider_core::place::Epoch;
use postrider_http::response::message_json;

const BIND_TRX: u32 = 9;
/// When the directory is opened, by the virtual clock.
const LATER: Duration = Duration::from_secs(1_000);

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/two-then-three").join(name)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Sends so many messages over a shard's port; even ones are delivered when carriers are there.
fn send(house: &mut House, first: u32, carriers: bool) {
    let line = house.dial(0);
    house.send(line, &[bind(BIND_TRX, 1, "acme", "secret")]);
    house.received(line);
    for nth in first..first + 6 {
        let handset = house.number_of(nth as usize % house.shards(), nth as usize);
        let text = format!("golden {nth:02}");
        let submit = Submit {
            sequence: 100 + nth,
            dest: (1, 1, &handset),
            text: text.as_bytes(),
            ..Submit::default()
        };
        house.submit(line, &submit);
        house.pass(ms(5));
        if carriers && nth % 2 == 0 {
            house.receipt_to(&handset, "DELIVRD", "000", 900 + nth);
        }
    }
    house.hang_up(line);
    house.pass(ms(50));
}

/// Every message as its customer sees it, by id.
fn told(house: &mut House) -> BTreeMap<String, String> {
    let ids = house.list(0, 5);
    let told: BTreeMap<String, String> = ids
        .iter()
        .map(|id| {
            let view = house.view(0, id).unwrap();
            (id.clone(), String::from_utf8(message_json(&view)).unwrap())
        })
        .collect();
    assert_eq!(told.len(), ids.len());
    told
}

fn write() {
    let mut house = House::new(&config(2, ""));
    house.name_takes();
    send(&mut house, 0, true);
    house.cut_carriers();
    send(&mut house, 10, false);
    house = house.resized(&config(3, ""), ms(50), &[]).0;
    send(&mut house, 20, false);
    std::fs::create_dir_all(path("")).unwrap();
    let lines: Vec<String> = told(&mut house).into_values().collect();
    std::fs::write(path("messages.ndjson"), lines.join("\n") + "\n").unwrap();
    for (log, bytes) in house.logs().into_iter().enumerate() {
        std::fs::write(path(&format!("shard-{log:03}.log")), bytes).unwrap();
    }
}

/// What the files tell, started with the number of shards that they were left with.
fn read() -> (House, BTreeMap<String, String>) {
    let logs = (0..3).map(|log| std::fs::read(path(&format!("shard-{log:03}.log"))).unwrap());
    let epochs = vec![Epoch { number: 1, shards: 2 }, Epoch { number: 2, shards: 3 }];
    let house = House::of(&config(3, ""), epochs, logs.collect(), LATER);
    let text = std::fs::read_to_string(path("messages.ndjson")).unwrap();
    let id = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        message["message_id"].as_str().unwrap().to_owned()
    };
    (house, text.lines().map(|line| (id(line), line.to_owned())).collect())
}

#[test]
fn logs_of_a_directory_that_has_had_other_numbers_of_shards_stay_readable() {
    if std::env::var_os("POSTRIDER_WRITE_GOLDEN").is_some() {
        write();
    }
    for shards in [3, 1, 2, 5] {
        let (house, expected) = read();
        assert_eq!(expected.len(), 18);
        let mut house =
            if shards == 3 { house } else { house.resized(&config(shards, ""), ms(50), &[]).0 };
        assert_eq!(told(&mut house), expected, "{shards} shards");
        house.mend_carriers();
        let mut sent: Vec<String> = house
            .submits()
            .iter()
            .map(|(_, pdu)| String::from_utf8(short_message(pdu)).unwrap())
            .collect();
        sent.sort();
        let waiting = (10..16).chain(20..26).map(|nth| format!("golden {nth:02}"));
        assert_eq!(sent, waiting.collect::<Vec<_>>(), "{shards} shards");
    }
}
