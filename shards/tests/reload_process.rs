//! The real program reads its configuration again under load: by SIGHUP, by its admin port, by the
//! command; and refuses what cannot be used. On the test's thread, with the gateway, the carriers and
//! the sink as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::stage::{KEY, Shape, Stage, assert_sound};
use common::{Client, Ended, HUNG, alone, metric, program, run_to_end, until};
use postrider_http::auth::hash_api_key;
use rustix::process::Signal;
use serde_json::Value;

/// Every shard goes by a new configuration within a second; a loaded machine gets three times that.
const EFFECTIVE: Duration = Duration::from_secs(3);
/// A hundred reloads a minute.
const EVERY: Duration = Duration::from_millis(600);
const RELOADS: u64 = 34;

fn reload(admin: SocketAddr) -> (u16, Value) {
    let (status, body) = Client::connect(admin).unwrap().post("/reload", "", "").unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// The generations that the shards go by.
fn generations(stage: &Stage) -> Vec<u64> {
    let of = |shard: u16| {
        metric(stage.admin, "postrider_config_generation", &format!("shard=\"{shard}\""))
    };
    (0..stage.shape.shards).map(of).collect()
}

/// The configuration of a round: one carrier as it was, one with other bounds, one that we are
/// somebody else to, one that comes and goes, other routes, a customer that comes and goes.
fn varied(base: &str, round: u64, spare: SocketAddr) -> String {
    let (head, carriers) = base.split_once("[[carriers]]\nname = \"east\"").unwrap();
    let (east, south) = carriers.split_once("[[carriers]]\nname = \"south\"").unwrap();
    let window = 20 + round % 7 * 10;
    let head =
        head.replacen("window = 50", &format!("window = {window}\nparts_per_second = 5000"), 1);
    let south = south.replacen("\"test\"\nbinds", &format!("\"test{}\"\nbinds", round % 2), 1);
    let mut text =
        format!("{head}[[carriers]]\nname = \"east\"{east}[[carriers]]\nname = \"south\"{south}");
    if !round.is_multiple_of(3) {
        text = text.replace("[\"north\", ", "[\"spare\", \"north\", ");
        text.push_str(&format!(
            "[[carriers]]\nname = \"spare\"\naddress = \"{spare}\"\nsystem_id = \"test\"\n\
             password = \"test\"\nbinds = 2\nwindow = 30\n"
        ));
    }
    if round.is_multiple_of(2) {
        text.push_str(
            "[[customers]]\nname = \"guest\"\nwebhook_secret = \
             \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\napi_keys = [\"sha256:",
        );
        text.push_str(&"7".repeat(64));
        text.push_str("\"]\n");
    }
    text
}

#[test]
fn a_hundred_reloads_a_minute_under_load_lose_and_repeat_nothing() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path(), Shape::USUAL);
    let base = std::fs::read_to_string(stage.config()).unwrap();
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    until("every bind is up", HUNG, || {
        metric(stage.admin, "postrider_bind_state", "state=\"bound\"") == 6
    });
    let messages = 600 * EVERY.as_millis() as u64 * RELOADS / 1_000;
    let load = stage.start_load(messages, 600.0);
    let mut longest = Duration::ZERO;
    for round in 1..=RELOADS {
        let due = Instant::now() + EVERY;
        std::fs::write(stage.config(), varied(&base, round, stage.carriers[0])).unwrap();
        if round % 5 == 0 {
            gateway.signal(Signal::HUP);
            until("the signal is heeded", EFFECTIVE, || {
                generations(&stage).iter().all(|generation| *generation == round + 1)
            });
        } else {
            let (status, done) = reload(stage.admin);
            assert_eq!((status, done["generation"].as_u64()), (200, Some(round + 1)), "{done}");
            assert_eq!(done["needs_restart"].as_array().map(Vec::len), Some(0), "{done}");
            longest = longest.max(Duration::from_micros(done["took_us"].as_u64().unwrap()));
            assert_eq!(generations(&stage), vec![round + 1; 2]);
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let summary = load.finish();
    stage.await_finals();
    let reconnects = |carrier: &str| {
        metric(stage.admin, "postrider_bind_reconnects_total", &format!("carrier=\"{carrier}\""))
    };
    let again = ["north", "east", "south", "spare"].map(reconnects);
    println!(
        "{summary}\n{RELOADS} reloads; on every shard within {longest:.1?}; bound again: {again:?}"
    );
    assert!(longest < EFFECTIVE, "{longest:?}");
    assert_eq!((again[0], again[1]), (0, 0), "what nothing changed of keeps its connection");
    assert!(again[2] > 0, "who is somebody else binds anew");
    let (report, _) = stage.strike(gateway);
    assert_sound(&report);
    assert_eq!(report.duplicates, 0, "nothing was sent twice");
}

fn ask(command: &str, stage: &Stage) -> Ended {
    let mut program = program(command);
    program.args(["--admin", &stage.admin.to_string()]);
    run_to_end(program, "", HUNG)
}

fn accepted(stage: &Stage, key: &str) -> u16 {
    let body = r#"{"from":"Acme","to":"+447700900123","body":"hello"}"#;
    Client::connect(stage.listen).unwrap().post("/api/v1/messages", key, body).unwrap().0
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing_and_one_that_can_counts_at_once() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(folder.path(), Shape::USUAL);
    let base = std::fs::read_to_string(stage.config()).unwrap();
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let line = 1 + base.lines().position(|line| line.starts_with("window = ")).unwrap();
    for (text, said) in [
        (
            base.replacen("window = 50", "window = 0", 1),
            format!("toml:{line}: carriers[0].window: "),
        ),
        (base.replace("\"north\", \"east\"", "\"nord\", \"east\""), "routes[0].carriers: ".into()),
        (base.replace("[[routes]]", "[[routes"), "line ".into()),
        (base.replacen("binds = 2", "binds = 3\ncores = 3", 1), "carriers[0].cores: ".into()),
    ] {
        std::fs::write(stage.config(), &text).unwrap();
        let ended = ask("reload", &stage);
        assert_eq!(ended.code, Some(1), "{said}: {ended:?}");
        assert!(ended.stderr.contains(&said), "{said}: {}", ended.stderr);
        assert_eq!(generations(&stage), [1, 1]);
        assert_eq!(accepted(&stage, KEY), 202, "all goes on");
    }
    assert_eq!(metric(stage.admin, "postrider_config_reloads_total", "refused"), 4);
    let hash = |key: &str| -> String {
        hash_api_key(key).iter().map(|octet| format!("{octet:02x}")).collect()
    };
    assert_eq!(accepted(&stage, "pr_second"), 401);
    let text =
        base.replace(&hash(KEY), &hash("pr_second")).replace("segment_mib = 8", "segment_mib = 16");
    std::fs::write(stage.config(), text).unwrap();
    let ended = ask("reload", &stage);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("store.segment_mib is read only at a start"), "{ended:?}");
    let done: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(done["customers"]["changed"][0], "test");
    assert_eq!((accepted(&stage, "pr_second"), accepted(&stage, KEY)), (202, 401));
    assert_eq!(generations(&stage), [2, 2]);
    stage.stop(gateway);
}
