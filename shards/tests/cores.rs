//! Another number of shards over the real program and real files, under load and killed: what was
//! acknowledged is there, ends in one final status, is listed, and is what the offline tools tell. On
//! the tests' threads, with the gateway, the carriers and the sink as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::stage::{KEY, Shape, Stage, assert_sound};
use common::{Client, FINAL, HUNG, Random, alone, program, run_to_end, statuses_of};
use postrider_storage::io::DataDir;
use serde_json::Value;

/// The numbers of shards of one start after the other.
const COUNTS: [u16; 8] = [2, 3, 1, 4, 2, 5, 1, 3];
/// Messages a second.
const RATE: f64 = 1_500.0;

const SHAPE: Shape = Shape { binds: 5, window: 20, receipt_delay_ms: 700, ..Shape::USUAL };

fn sleep_ms(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Every id that lists show, page by page.
fn listed(stage: &Stage) -> Vec<String> {
    let mut client = Client::connect(stage.listen).unwrap();
    let (mut ids, mut path) = (Vec::new(), "/api/v1/messages?limit=100".to_owned());
    loop {
        let (status, body) = client.get(&path, Some(KEY)).unwrap();
        assert_eq!(status, 200, "{body}");
        let page: Value = serde_json::from_str(&body).unwrap();
        let shown = page["data"].as_array().unwrap().iter();
        ids.extend(shown.map(|message| message["message_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return ids };
        path = format!("/api/v1/messages?limit=100&cursor={next}");
    }
}

/// What an offline tool says.
fn said(arguments: &[&str]) -> String {
    let (command, rest) = arguments.split_first().unwrap();
    let mut program = program(command);
    program.args(rest);
    let ended = run_to_end(program, "", HUNG);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.stdout
}

#[test]
fn another_number_of_shards_at_every_start_loses_nothing() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(folder.path(), SHAPE);
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let load = stage.start_load(10_000_000, RATE);
    let (mut random, mut kills) = (Random(7), 0);
    for shards in COUNTS.into_iter().skip(1) {
        sleep_ms(random.between(700, 1_800));
        assert!(load.is_at_work(), "the load ended before {shards} shards");
        gateway.assert_running();
        gateway.kill();
        kills += 1;
        stage.shape.shards = shards;
        stage.write_config();
        if shards % 2 == 1 {
            // While it moves what is open, or reads it.
            let mut changing = stage.start_gateway();
            sleep_ms(random.between(5, 200));
            changing.kill();
            kills += 1;
        }
        let begun = Instant::now();
        gateway = stage.start_gateway();
        stage.await_ready(&mut gateway);
        println!("{shards} shards           ready after {:.0?}", begun.elapsed());
    }
    sleep_ms(1_000);
    let summary = load.stop();
    let (ids, finals) = stage.await_finals();
    let told = statuses_of(stage.listen, KEY, &ids);
    for id in &ids {
        assert!(FINAL.contains(&told[id].as_str()), "{id} is {}", told[id]);
        assert_eq!(told[id], finals.statuses[id], "{id}: the API and the webhook differ");
    }
    let listed = listed(&stage);
    let all: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(all.len(), listed.len(), "a message is listed twice");
    assert!(ids.iter().all(|id| all.contains(id)), "a message is not listed");
    let (data, store) = (stage.data(), stage.data().display().to_string());
    let (report, _) = stage.strike(gateway);
    let bound = kills * SHAPE.repeats_per_kill();
    println!("kills               {kills}");
    println!("duplicates          {} of at most {bound}", report.duplicates);
    assert_sound(&report);
    assert_eq!(summary.refused, BTreeMap::new());
    assert_eq!(ids.len() as u64, report.accepted);
    assert!(report.duplicates <= bound, "{} duplicates, at most {bound}", report.duplicates);
    offline(&store, &data, &all);
    let ledger = |name: &str| folder.path().join(name).display().to_string();
    let [load, smsc, sink] = ["load.ndjson", "smsc.ndjson", "sink.ndjson"].map(ledger);
    said(&["audit", &load, &smsc, &sink, "--store", &store]);
}

/// What the tools tell of a directory that has had many numbers of shards.
fn offline(store: &str, data: &Path, listed: &BTreeSet<&String>) {
    said(&["store", "verify", store]);
    let shown: Value = serde_json::from_str(&said(&["store", "inspect", store, "--json"])).unwrap();
    assert_eq!(shown["shard_count"], 3, "{shown}");
    let had: Vec<u64> =
        shown["shard_counts"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(had, COUNTS.map(u64::from));
    let exported = said(&["store", "export", store, "--what", "messages"]);
    let ids: Vec<String> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|row| row["message_id"].as_str().unwrap().to_owned())
        .collect();
    let once: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(once.len(), ids.len(), "a message is exported twice");
    assert_eq!(once, *listed, "lists and the export differ");
    let dir = DataDir::open(data, 3).unwrap();
    assert_eq!((dir.shards(), dir.epochs().len()), (3, COUNTS.len()));
}

/// CRC32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

/// Makes a log's first batch one of a format that is yet to come (FORMAT.md, batches).
fn make_newer(segment: &Path) {
    let mut bytes = std::fs::read(segment).unwrap();
    let payload = u32::from_le_bytes(bytes[44..48].try_into().unwrap()) as usize;
    let check = |bytes: &[u8]| crc32c(&[&bytes[..60], &bytes[64..64 + payload]].concat());
    assert_eq!(bytes[60..64], check(&bytes).to_le_bytes(), "the layout of a batch");
    bytes[4..6].copy_from_slice(&99u16.to_le_bytes());
    let crc = check(&bytes);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(segment, bytes).unwrap();
}

/// Every file under a folder but the lock, with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with("lock") {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_newer_format_in_one_log_is_refused_before_anything_is_written() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(folder.path(), SHAPE);
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    stage.start_load(100, 1_000.0).finish();
    gateway.kill();
    // The second of two logs; the first one would be opened, and written to, before it.
    let segment = stage.data().join("shard-001/seg-0000000000000001.log");
    make_newer(&segment);
    let before = files(&stage.data());
    for shards in [2, 1, 3] {
        stage.shape.shards = shards;
        stage.write_config();
        let mut refused = stage.start_gateway();
        assert_eq!(refused.wait(HUNG).code(), Some(1), "{shards} shards");
        let said = std::fs::read_to_string(folder.path().join("gateway.log")).unwrap();
        assert!(said.contains("shard 1") && said.contains("format 99"), "{said}");
        let after = files(&stage.data());
        let same = |path: &&PathBuf| before.get(*path) == after.get(*path);
        let differ: Vec<&PathBuf> =
            before.keys().chain(after.keys()).filter(|path| !same(path)).collect();
        assert!(differ.is_empty(), "{shards} shards: {differ:?} is written");
    }
}
