//! The offline tools over the data directory of a real run: what it holds, that every flipped bit is
//! found, rows that can be read back, and the audit with its exit statuses. On the tests' threads,
//! with the gateway, the carriers and every tool as processes.

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
use std::time::Duration;

use common::stage::{Shape, Stage};
use common::{Ended, HUNG, alone, program, run_to_end};
use postrider_storage::checkpoint::{Checkpoint, CheckpointChore};
use postrider_storage::io::DIR_FORMAT;
use postrider_storage::io::{DataDir, FileDisk};
use postrider_storage::register::{RegisterConfig, RegisterRow, Registers, Slot};
use postrider_storage::runs::{Row, RunConfig, RunSet, RunState};
use postrider_storage::{Disk as _, IndexKind, Lsn, Position, SegmentId, SideFile};
use serde_json::Value;

const MESSAGES: u64 = 400;

const SHAPE: Shape = Shape {
    shards: 2,
    binds: 2,
    window: 50,
    answer_delay_ms: 5,
    receipt_delay_ms: 20,
    patience_s: 60,
};

/// A tool's end; `arguments` begin with its command.
fn tool(arguments: &[&str]) -> Ended {
    let (command, rest) = arguments.split_first().unwrap();
    let mut program = program(command);
    program.args(rest);
    run_to_end(program, "", HUNG)
}

fn said(code: i32, arguments: &[&str]) -> String {
    let ended = tool(arguments);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    ended.stdout
}

fn json(code: i32, arguments: &[&str]) -> Value {
    let said = said(code, arguments);
    assert_eq!(said.lines().count(), 1, "{said}");
    serde_json::from_str(&said).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a short run left: the folder with `data` and the ledgers.
struct Ran {
    folder: tempfile::TempDir,
}

impl Ran {
    /// Sends [`MESSAGES`], waits for all their ends and stops everything in order.
    fn run() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::set(folder.path(), SHAPE);
        let mut gateway = stage.start_gateway();
        stage.await_ready(&mut gateway);
        let summary = stage.start_load(MESSAGES, 1_000.0).finish();
        assert_eq!(summary.accepted, MESSAGES);
        let busy = tool(&["store", "inspect", stage.data().to_str().unwrap()]);
        assert_eq!((busy.code, busy.stdout.as_str()), (Some(1), ""), "{busy:?}");
        assert!(busy.stderr.contains("in use by another process"), "{busy:?}");
        stage.await_finals();
        let (report, _) = stage.strike(gateway);
        assert!(report.is_sound(), "{report}");
        Ran { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn data(&self) -> String {
        self.path("data")
    }

    /// A copy of the data directory under another name.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.folder.path().join(name);
        copy_folder(&self.folder.path().join("data"), &to);
        to
    }

    fn audit(&self, code: i32, ledgers: &[&str], more: &[&str]) -> Value {
        let ledgers: Vec<String> = ledgers.iter().map(|name| self.path(name)).collect();
        let ledgers = ledgers.iter().map(String::as_str);
        let arguments: Vec<&str> =
            ["audit", "--json"].into_iter().chain(ledgers).chain(more.iter().copied()).collect();
        json(code, &arguments)
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file under a folder with its content, to see that nothing was changed.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
    }
    found
}

fn sum(of: &str, shards: &[Value], key: &str) -> u64 {
    let count = |shard: &Value| shard[of][key].as_u64().unwrap_or(0);
    shards.iter().map(count).sum()
}

#[test]
fn a_run_is_shown_checked_exported_and_audited() {
    let _alone = alone();
    let ran = Ran::run();
    let before = contents(&ran.folder.path().join("data"));
    inspected(&ran);
    verified(&ran);
    exported(&ran);
    audited(&ran);
    assert!(before == contents(&ran.folder.path().join("data")), "a tool has written");
}

fn inspected(ran: &Ran) {
    let shown = json(0, &["store", "inspect", &ran.data(), "--json"]);
    assert_eq!((&shown["format"], &shown["shard_count"]), (&DIR_FORMAT.into(), &2.into()));
    let partitions = shown["partitions"].as_array().unwrap();
    assert_eq!(partitions.iter().map(|own| own.as_u64().unwrap()).sum::<u64>(), 4_096);
    let names: Vec<&str> = shown["carriers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| own["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["north", "east", "south"]);
    let shards = shown["shards"].as_array().unwrap();
    assert_eq!(sum("records", shards, "accepted"), MESSAGES);
    let statuses = ["delivered", "undelivered"];
    let told = statuses.map(|status| sum("messages", shards, status));
    assert_eq!(told.iter().sum::<u64>(), MESSAGES, "{shown}");
    for shard in shards {
        assert_eq!(shard["clean"], true, "{shard}");
        assert_eq!(shard["remarks"], Value::Array(Vec::new()), "{shard}");
        let segments = shard["segments"].as_array().unwrap();
        assert_eq!(segments[0]["state"], "head");
        assert!(segments[1..].iter().all(|own| own["state"] == "spare"), "{shard}");
        let batches: u64 = segments.iter().map(|own| own["batches"].as_u64().unwrap()).sum();
        assert_eq!(batches, shard["batches"].as_u64().unwrap());
    }
    let human = said(0, &["store", "inspect", &ran.data()]);
    for words in ["format 3", "carriers: 1 north", "shard 1: stopped in order", "head", "accepted"]
    {
        assert!(human.contains(words), "{words} in\n{human}");
    }
    let first = human.lines().next().unwrap();
    let wide = human.lines().filter(|line| line.len() > 80 && *line != first).count();
    assert_eq!(wide, 0, "{human}");
}

fn verified(ran: &Ran) {
    let human = said(0, &["store", "verify", &ran.data()]);
    assert!(human.ends_with("All is well.\n"), "{human}");
    let report = json(0, &["store", "verify", &ran.data(), "--json"]);
    assert_eq!((&report["well"], &report["messages"]), (&true.into(), &MESSAGES.into()));
    assert!(report["records"].as_u64().unwrap() > 3 * MESSAGES, "{report}");
}

fn exported(ran: &Ran) {
    let data = ran.data();
    let export = |more: &[&str]| said(0, &[&["store", "export", &data][..], more].concat());
    let messages = lines(&export(&["--what", "messages"]));
    assert_eq!(messages.len() as u64, MESSAGES);
    let ids: BTreeSet<&str> =
        messages.iter().map(|row| row["message_id"].as_str().unwrap()).collect();
    let given = common::acknowledged(&ran.folder.path().join("load.ndjson"));
    assert_eq!(ids, given.iter().map(String::as_str).collect());
    for row in &messages {
        assert_eq!((&row["closed"], &row["customer"]), (&true.into(), &"test".into()), "{row}");
        assert_eq!(row["webhook"], "acknowledged", "{row}");
        assert_eq!(row["parts"].as_array().unwrap().len() as u64, row["part_count"]);
        assert!(row["parts"][0]["carrier_message_id"].is_string(), "{row}");
        assert!(row["accepted_at"].as_str().unwrap() <= row["finished_at"].as_str().unwrap());
        assert!(row.get("recipient").is_none() && row.get("body").is_none(), "personal: {row}");
    }
    let whole = lines(&export(&["--what", "messages", "--include-content"]));
    assert!(whole.iter().all(|row| row["recipient"].as_str().unwrap().starts_with('+')));
    assert!(whole.iter().all(|row| !row["body"].as_str().unwrap().is_empty()));
    // Filters split what there is.
    let of = |more: &[&str]| lines(&export(&[&["--what", "messages"][..], more].concat())).len();
    let delivered = of(&["--status", "delivered"]);
    assert_eq!(delivered + of(&["--status", "undelivered"]), messages.len());
    assert_eq!(of(&["--customer", "test"]), messages.len());
    let middle = messages[messages.len() / 2]["accepted_at"].as_str().unwrap();
    assert_eq!(of(&["--from", middle]) + of(&["--to", middle]), messages.len());
    let nobody = tool(&["store", "export", &data, "--what", "messages", "--customer", "nobody"]);
    assert!(nobody.code == Some(1) && nobody.stderr.contains("nobody"), "{nobody:?}");
    for wrong in [["--status", "sent"], ["--from", "yesterday"], ["--format", "xml"]] {
        let ended = tool(&[&["store", "export", &data, "--what", "events"], &wrong[..]].concat());
        assert_eq!(ended.code, Some(2), "{ended:?}");
    }
    events(ran, &messages);
    csv(&export(&["--what", "messages", "--format", "csv"]), &messages);
    parquet(ran, messages.len());
}

fn events(ran: &Ran, messages: &[Value]) {
    let rows = lines(&said(0, &["store", "export", &ran.data(), "--what", "events"]));
    let mut by_message: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &rows {
        let id = row["message_id"].as_str().unwrap();
        by_message.entry(id).or_default().push(row["event"].as_str().unwrap());
    }
    assert_eq!(by_message.len(), messages.len());
    for (id, events) in by_message {
        assert_eq!(events[0], "accepted", "{id}: {events:?}");
        for event in ["submitted", "webhook_acknowledged"] {
            assert!(events.contains(&event), "{id}: {events:?}");
        }
    }
}

/// No field of these rows holds a quoted comma but the parts, which come last.
fn csv(text: &str, messages: &[Value]) {
    let mut rows = text.split_terminator("\r\n");
    let names: Vec<&str> = rows.next().unwrap().split(',').collect();
    assert_eq!((names[0], *names.last().unwrap()), ("message_id", "parts"));
    let status = names.iter().position(|name| *name == "status").unwrap();
    for (row, message) in rows.zip(messages) {
        let cells: Vec<&str> = row.splitn(names.len(), ',').collect();
        assert_eq!(cells[0], message["message_id"].as_str().unwrap());
        assert_eq!(cells[status], message["status"].as_str().unwrap());
        let parts = cells.last().unwrap().trim_matches('"').replace("\"\"", "\"");
        assert_eq!(serde_json::from_str::<Value>(&parts).unwrap(), message["parts"]);
    }
    assert_eq!(text.split_terminator("\r\n").count(), messages.len() + 1);
}

#[cfg(not(feature = "parquet"))]
fn parquet(ran: &Ran, _: usize) {
    let arguments = ["store", "export", &ran.data(), "--what", "messages", "--format", "parquet"];
    let ended = tool(&arguments);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("--features parquet"), "{ended:?}");
}

#[cfg(feature = "parquet")]
fn parquet(ran: &Ran, messages: usize) {
    use arrow_array::{Array as _, StringArray, TimestampMillisecondArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let file = ran.path("messages.parquet");
    let arguments = ["store", "export", &ran.data(), "--what", "messages"];
    let told = lines(&said(0, &arguments));
    said(0, &[&arguments[..], &["--format", "parquet", "-o", &file]].concat());
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file).unwrap());
    let mut rows = 0;
    for batch in reader.unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let text = |name: &str, at: usize| {
            let column = column(name);
            column.as_any().downcast_ref::<StringArray>().unwrap().value(at).to_owned()
        };
        let accepted = column("accepted_at");
        let accepted = accepted.as_any().downcast_ref::<TimestampMillisecondArray>().unwrap();
        assert_eq!(accepted.timezone(), Some("UTC"));
        for at in 0..batch.num_rows() {
            let message = &told[rows];
            assert_eq!(text("message_id", at), message["message_id"].as_str().unwrap());
            assert_eq!(text("status", at), message["status"].as_str().unwrap());
            let parts: Value = serde_json::from_str(&text("parts", at)).unwrap();
            assert_eq!(parts, message["parts"]);
            let ms = u64::try_from(accepted.value(at)).unwrap();
            let time = message["accepted_at"].as_str().unwrap();
            assert_eq!(postrider_http::time::parse_rfc3339(time).unwrap().0, ms);
            assert!(column("due_at").is_null(at));
            rows += 1;
        }
    }
    assert_eq!(rows, messages);
}

const LEDGERS: [&str; 3] = ["load.ndjson", "smsc.ndjson", "sink.ndjson"];

fn audited(ran: &Ran) {
    let store = ran.data();
    let report = ran.audit(0, &LEDGERS, &["--store", &store]);
    assert_eq!((&report["sound"], &report["accepted"]), (&true.into(), &MESSAGES.into()));
    assert_eq!((&report["lost"], &report["ghosts"]), (&0.into(), &0.into()));
    let kept = &report["store"];
    assert_eq!((&kept["messages"], &kept["misrouted"]), (&MESSAGES.into(), &0.into()));
    assert_eq!((&kept["unrecorded_copies"], &kept["pending"]), (&0.into(), &0.into()));
    let path = |name| ran.path(name);
    let human =
        said(0, &["audit", &path("load.ndjson"), &path("smsc.ndjson"), &path("sink.ndjson")]);
    assert!(human.ends_with("Every message is where it ought to be.\n"), "{human}");
    // The carriers' ledger without one message: lost, although store and webhook call it final.
    let smsc = std::fs::read_to_string(path("smsc.ndjson")).unwrap();
    let delivered = lines(&said(
        0,
        &[
            "store",
            "export",
            &store,
            "--what",
            "messages",
            "--include-content",
            "--status",
            "delivered",
        ],
    ));
    let number = delivered[0]["recipient"].as_str().unwrap().trim_start_matches('+').to_owned();
    let rest: String = smsc
        .lines()
        .filter(|line| !line.contains(&number))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(path("less.ndjson"), rest).unwrap();
    let report = ran.audit(1, &["load.ndjson", "less.ndjson", "sink.ndjson"], &["--store", &store]);
    assert_eq!((&report["lost"], &report["sound"]), (&1.into(), &false.into()), "{report}");
    assert_eq!(report["lost_ids"][0], delivered[0]["message_id"]);
    // Another carrier's name: every one of its messages is misrouted.
    std::fs::write(path("other.ndjson"), smsc.replacen("\"north\"", "\"east\"", 1)).unwrap();
    let report =
        ran.audit(1, &["load.ndjson", "other.ndjson", "sink.ndjson"], &["--store", &store]);
    assert!(report["store"]["misrouted"].as_u64().unwrap() > 0, "{report}");
    // A number that nobody sent to.
    std::fs::write(path("ghost.ndjson"), smsc.replace(&number, "999900000001")).unwrap();
    let report = ran.audit(1, &["load.ndjson", "ghost.ndjson", "sink.ndjson"], &[]);
    assert_eq!((&report["ghosts"], &report["lost"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(tool(&["audit"]).code, Some(2));
    let missing = tool(&["audit", &path("none.ndjson")]);
    assert!(missing.code == Some(1) && missing.stderr.contains("none.ndjson"), "{missing:?}");
}

/// Puts one file of each kind beside the log, as a shard leaves them; their names.
fn plant(shard: &Path) -> Vec<SideFile> {
    let mut disk = FileDisk::new(shard, false);
    let config = RunConfig {
        memory_rows: 1_000,
        merge_after: Duration::from_secs(3_600),
        runs: 8,
        slice_rows: 1_000,
    };
    let (kind, state) = (IndexKind::Receipts, RunState::default());
    let (mut set, _) = RunSet::open(&mut disk, kind, config, state, Duration::ZERO).unwrap();
    for n in 1..=400 {
        set.put(Row { k1: n << 40, k2: n, v: n });
    }
    set.flush();
    while let Some(chore) = set.poll_chore(Duration::ZERO, Lsn(400), Lsn(400)) {
        let done = chore.run(&mut disk).unwrap();
        set.handle_chore(Duration::ZERO, Ok(done));
    }
    let mut registers = Registers::new(RegisterConfig { rows: 400, dirty: 100 });
    for sequence in 1..=401 {
        let at = Position { segment: SegmentId(1), offset: sequence * 64 };
        registers.accept(&RegisterRow {
            sequence: sequence.into(),
            customer: sequence % 3,
            accepted_ms: 1_000,
            recipient: u64::from(sequence) << 50,
            group: 0,
            slot: Slot { status: 0, at },
        });
    }
    while let Some(chore) = registers.poll_chore() {
        registers.handle_chore(Ok(chore.run(&mut disk).unwrap()));
    }
    let low = Position { segment: SegmentId(1), offset: 64 };
    let mut checkpoint = Checkpoint::new(1, Lsn(1), low, 2, 3);
    checkpoint.add("registers", vec![7; 300]);
    CheckpointChore { number: 99, bytes: checkpoint.write() }.run(&mut disk).unwrap();
    let files: Vec<SideFile> =
        disk.list_side().unwrap().into_iter().map(|(file, _)| file).collect();
    for wanted in ["run-receipts-", "reg-", "checkpoint-"] {
        assert!(files.iter().any(|file| file.file_name().starts_with(wanted)), "{files:?}");
    }
    files
}

#[test]
fn a_flipped_bit_in_any_index_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(DataDir::open(&data, 2).unwrap());
    let files = plant(&data.join("shard-001"));
    assert!(files.len() >= 4, "{files:?}");
    let path = data.to_str().unwrap();
    let report = json(0, &["store", "verify", path, "--json"]);
    assert_eq!(report["side_files"], files.len(), "{report}");
    let shown = said(0, &["store", "inspect", path]);
    for holds in ["record 1, from segment 1", "rows, up to record", "messages, "] {
        assert!(shown.contains(holds), "{holds} in\n{shown}");
    }
    for file in files {
        let name = file.file_name();
        assert!(shown.contains(&name), "{name} in\n{shown}");
        let file = data.join("shard-001").join(&name);
        let whole = std::fs::read(&file).unwrap();
        for offset in [20, whole.len() / 3 / 4_096 * 4_096 + 30, whole.len() - 20] {
            // Images that no page of slots needs.
            if name.ends_with(".slots") && (4_096..34 * 4_096).contains(&offset) {
                continue;
            }
            let mut bytes = whole.clone();
            bytes[offset] ^= 0x10;
            std::fs::write(&file, bytes).unwrap();
            let report = json(1, &["store", "verify", path, "--json"]);
            let named = report["faults"].as_array().unwrap().iter();
            let named = named.filter(|fault| fault["file"] == format!("shard-001/{name}")).count();
            assert_eq!(named, 1, "byte {offset}: {report}");
        }
        std::fs::write(&file, whole).unwrap();
    }
}

/// Flips one bit of a file in a copy of the directory; what `verify` says of it.
fn flipped(ran: &Ran, file: &str, offset: usize) -> Value {
    let copy = ran.copy("flipped");
    let path = copy.join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    let report = json(1, &["store", "verify", copy.to_str().unwrap(), "--json"]);
    assert_eq!(report["well"], false);
    std::fs::remove_dir_all(copy).unwrap();
    report["faults"].clone()
}

#[test]
fn a_flipped_bit_in_any_file_is_found_and_named() {
    let _alone = alone();
    let ran = Ran::run();
    let segment = "shard-001/seg-0000000000000001.log";
    let shard = |shown: &Value| shown["shards"][1]["segments"][0].clone();
    let whole = shard(&json(0, &["store", "inspect", &ran.data(), "--json"]));
    let end = whole["bytes_used"].as_u64().unwrap() + whole["bytes_padding"].as_u64().unwrap();
    // Header, content and padding of the first batch, content in the middle, the last batch.
    for offset in [5, 70, 4_095, end as usize / 2 / 4_096 * 4_096 + 80, end as usize - 4_096 + 70] {
        let faults = flipped(&ran, segment, offset);
        assert_eq!(faults[0]["file"], segment, "{offset}: {faults}");
        let at = faults[0]["offset"].as_u64();
        let near = at.is_none_or(|at| at <= offset as u64 && offset as u64 - at < 65_536);
        assert!(near, "{offset}: {faults}");
    }
    for file in ["meta", "names"] {
        let faults = flipped(&ran, file, 30);
        assert_eq!(faults[0]["file"], file, "{faults}");
    }
    // Its key opens no id any more; 20 of them are named.
    let faults = flipped(&ran, "id.key", 3);
    assert!(faults[0]["what"].as_str().unwrap().contains("id.key"), "{faults}");
    assert_eq!(faults.as_array().unwrap().len(), 40);
}

#[test]
fn damage_that_keeps_a_gateway_from_starting_is_set_aside_on_the_operators_word() {
    let _alone = alone();
    let ran = Ran::run();
    let copy = ran.copy("damaged");
    let data = copy.to_str().unwrap();
    let path = copy.join("shard-000/seg-0000000000000001.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let before = contents(&copy);
    let dry = said(0, &["store", "repair", data, "--dry-run"]);
    assert!(dry.contains("would be set aside") && dry.contains("new segment"), "{dry}");
    assert!(before == contents(&copy), "--dry-run has written");
    let done = said(0, &["store", "repair", data]);
    assert!(done.contains("shard-000: one place is damaged, set aside"), "{done}");
    assert!(done.contains("seg-0000000000000002.log begun"), "{done}");
    assert!(done.contains("shard-001: no damage"), "{done}");
    let shown = json(0, &["store", "inspect", data, "--json"]);
    assert_eq!(shown["shards"][0]["segments"][0]["state"], "sealed");
    assert_eq!(shown["shards"][0]["quarantine"].as_array().unwrap().len(), 1);
    // What is left of the messages can still be had, and the answer says what is missing.
    let left = tool(&["store", "export", data, "--what", "messages"]);
    assert!(left.code == Some(0) && left.stderr.contains("in places: 1 "), "{}", left.stderr);
    let rows = left.stdout.lines().count() as u64;
    assert!((MESSAGES / 2..MESSAGES + 1).contains(&rows), "{rows}");
}

#[test]
fn what_is_no_data_directory_or_a_newer_one_is_refused_with_a_clear_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let newer = "postrider data directory\nformat = 99\n";
    for (meta, word) in [(None, "is no data directory"), (Some(newer), "has format 99")] {
        if let Some(meta) = meta {
            std::fs::write(folder.path().join("meta"), meta).unwrap();
        }
        let before = contents(folder.path());
        let messages = ["store", "export", path, "--what", "messages"];
        let all: [&[&str]; 4] = [
            &["store", "inspect", path],
            &["store", "verify", path],
            &messages,
            &["store", "repair", path],
        ];
        for arguments in all {
            let ended = tool(arguments);
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{arguments:?}");
            assert!(ended.stderr.contains(word), "{arguments:?}: {}", ended.stderr);
        }
        assert_eq!(before, contents(folder.path()));
    }
}
