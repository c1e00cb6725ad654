//! Contents that are not kept, over the real program and real files: under load and kills every text
//! arrives as it was sent, and soon after all messages are final the raw bytes of no file in the data
//! directory hold one. On the test's thread, with the gateway, the carriers and the sink as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::stage::{KEY, Shape, Stage, assert_sound};
use common::{Client, HUNG, Random, alone, metric, program, run_to_end, until};
use postrider_core::limits;

/// What every text begins with, and nothing else holds.
const MARK: &str = "Geheimnis";
const SHAPE: Shape = Shape { receipt_delay_ms: 1_500, ..Shape::USUAL };

/// A stage whose customer's texts are discarded, or kept.
fn stage(folder: &Path, retention: &str) -> Stage {
    let mut stage = Stage::set(folder, SHAPE);
    let config = std::fs::read_to_string(stage.config()).unwrap();
    let with = format!("name = \"test\"\ncontent_retention = \"{retention}\"\n");
    std::fs::write(stage.config(), config.replace("name = \"test\"\n", &with)).unwrap();
    let texts = folder.join("texts.ndjson");
    let line = |n: u32| format!("{{\"text\": \"{MARK} {n:04} is for nobody else to read\"}}\n");
    std::fs::write(&texts, (0..200).map(line).collect::<String>()).unwrap();
    stage.texts = Some(texts);
    stage
}

/// The files under a folder that hold the mark, and how often.
fn traces(folder: &Path) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(traces(&path));
            continue;
        }
        // One that was recycled meanwhile has another name.
        let bytes = std::fs::read(&path).unwrap_or_default();
        let count = bytes.windows(MARK.len()).filter(|octets| *octets == MARK.as_bytes()).count();
        if count > 0 {
            found.push((path, count));
        }
    }
    found
}

fn in_contents(traces: &[(PathBuf, usize)]) -> bool {
    traces.iter().all(|(path, _)| path.parent().unwrap().ends_with("contents"))
}

/// Waits until no file holds a text; how long that took.
fn await_clean(stage: &Stage) -> Duration {
    let begun = Instant::now();
    let limit = 3 * limits::CONTENT_WIPE_AFTER;
    until("no file holds a text", limit, || {
        std::thread::sleep(Duration::from_millis(500));
        traces(&stage.data()).is_empty()
    });
    begun.elapsed()
}

/// What the offline tools tell of a directory whose gateway was killed.
fn look_offline(stage: &Stage, some: bool) {
    let data = stage.data();
    let tool = |args: &[&str]| {
        let mut command = program("store");
        command.args(args).arg(&data);
        run_to_end(command, "", HUNG)
    };
    let shown = tool(&["inspect", "--json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let shards = shown["shards"].as_array().unwrap().iter();
    let held: u64 = shards.map(|shard| shard["contents"]["held"].as_u64().unwrap()).sum();
    let exported = tool(&["export", "--what", "messages", "--include-content"]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let texts = exported.stdout.matches(MARK).count() as u64;
    assert!(texts <= held, "{texts} texts of {held} contents");
    assert!(!some || texts > 0, "open messages have their texts");
}

#[test]
fn texts_are_found_while_messages_are_open_and_nowhere_soon_after() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), "discard");
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let load = stage.start_load(50_000_000, 1_500.0);
    let mut random = Random(1);
    let mut found = 0;
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(random.between(300, 1_500)));
        gateway.kill();
        let traces = traces(&stage.data());
        assert!(in_contents(&traces), "{traces:?}");
        found += traces.len();
        look_offline(&stage, !traces.is_empty());
        gateway = stage.start_gateway();
        stage.await_ready(&mut gateway);
    }
    std::thread::sleep(Duration::from_secs(1));
    load.stop();
    assert!(found > 0, "texts of open messages are on disk");
    let (ids, _) = stage.await_finals();
    let took = await_clean(&stage);
    println!("messages            {}", ids.len());
    println!("wiped after         {took:.1?} of {:?} and a little", limits::CONTENT_WIPE_AFTER);
    let path = format!("/api/v1/messages/{}", ids[0]);
    let (status, shown) = Client::connect(stage.listen).unwrap().get(&path, Some(KEY)).unwrap();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((status, &shown["body"]), (200, &serde_json::Value::Null), "{shown}");
    assert_eq!(shown["content_retention"], "discard");
    assert_eq!(shown["segment_count"], 1);
    assert_eq!(metric(stage.admin, "postrider_contents_lost_total", ""), 0);
    assert_eq!(metric(stage.admin, "postrider_contents", ""), 0);
    let (report, _) = stage.strike(gateway);
    assert_sound(&report);
}

/// Messages a second that are accepted, with as many as come.
fn throughput(retention: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let stage = stage(folder.path(), retention);
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let begun = Instant::now();
    let load = stage.start_load(20_000, 0.0);
    load.finish();
    let rate = 20_000.0 / begun.elapsed().as_secs_f64();
    stage.await_finals();
    let (report, _) = stage.strike(gateway);
    assert_sound(&report);
    rate
}

#[test]
fn discarding_costs_little_of_the_rate() {
    let _alone = alone();
    let (keep, discard) = (throughput("keep"), throughput("discard"));
    println!("kept                {keep:.0} a second");
    println!("discarded           {discard:.0} a second, {:.2} of that", discard / keep);
    assert!(discard > keep / 6.0, "two writes for each message, one after the other");
}
