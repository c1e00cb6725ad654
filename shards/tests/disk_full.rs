//! A disk that fills up slowly under load, and has room again: new messages are refused, accepted ones
//! go their way to the end, also over a kill, and acceptance comes back. On the test's thread, with the
//! gateway, the carriers and the sink as processes. Needs root, for a small file system.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::mount::{Kind, Mount, inside};
use common::stage::{KEY, Shape, Stage, assert_sound};
use common::{Client, HUNG, alone, metric, until};

const RATE: f64 = 2_000.0;
const SHAPE: Shape = Shape::USUAL;
/// From room on the disk to the first accepted message: what is promised, a third of what fails.
const RESUMES: Duration = Duration::from_secs(5);

/// Somebody else's file, which takes all the room there is, a mebibyte at a time, until it is dropped.
struct Filler {
    path: PathBuf,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Filler {
    fn start(path: PathBuf) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (seen, mut file) = (Arc::clone(&ends), File::create(&path).unwrap());
        let thread = std::thread::spawn(move || {
            let mut piece = vec![1; 1 << 20];
            while !seen.load(Ordering::Relaxed) {
                match file.write(&piece) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => {
                        // What is left is less than that, or comes back piece by piece.
                        piece.truncate((piece.len() / 2).max(4_096));
                    }
                    Err(error) => panic!("{error}"),
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { path, ends, thread: Some(thread) }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        std::fs::remove_file(&self.path).unwrap();
    }
}

fn accepted(stage: &Stage) -> u64 {
    metric(stage.admin, "postrider_messages_accepted_total", "")
}

fn refused(stage: &Stage) -> u64 {
    metric(stage.admin, "postrider_requests_refused_total", "storage_full")
}

/// Waits until nothing is accepted any more, and says why to one who asks.
fn await_refusal(stage: &Stage) {
    until("messages are refused", HUNG, || refused(stage) > 0);
    let mut before = u64::MAX;
    until("none is accepted", HUNG, || {
        let now = accepted(stage);
        std::thread::sleep(Duration::from_millis(500));
        std::mem::replace(&mut before, now) == now
    });
    let mut client = Client::connect(stage.listen).unwrap();
    let body = r#"{"from":"Acme","to":"+447700900123","body":"no room"}"#;
    let (status, body) = client.post("/api/v1/messages", KEY, body).unwrap();
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("storage_full"), "{body}");
    assert!(client.retry_after.is_some_and(|seconds| seconds >= 1), "Retry-After is missing");
}

#[test]
fn a_full_disk_refuses_new_messages_and_loses_none() {
    let _alone = alone();
    let name = "a_full_disk_refuses_new_messages_and_loses_none";
    if !inside(name, &["mkfs.ext4"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = Mount::new(folder.path(), Kind::Ext4, 192);
    let mut stage = Stage::set(folder.path(), SHAPE);
    stage.store.data = mount.path.join("data");
    stage.write_config();
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let load = stage.start_load(10_000_000, RATE);
    for round in 1..=3 {
        std::thread::sleep(Duration::from_secs(1));
        let filler = Filler::start(mount.path.join("filler"));
        await_refusal(&stage);
        if round == 2 {
            // The disk is as full for the next process.
            gateway.assert_running();
            gateway.kill();
            gateway = stage.start_gateway();
            stage.await_ready(&mut gateway);
            await_refusal(&stage);
        }
        until("what was accepted is done", HUNG, || {
            metric(stage.admin, "postrider_open_messages", "") == 0
        });
        gateway.assert_running();
        let before = accepted(&stage);
        drop(filler);
        let freed = Instant::now();
        until("messages are accepted again", 3 * RESUMES, || accepted(&stage) > before);
        println!("round {round}: accepted again after {:.2?}", freed.elapsed());
    }
    std::thread::sleep(Duration::from_secs(1));
    let summary = load.stop();
    let (ids, _) = stage.await_finals();
    let (report, _) = stage.strike(gateway);
    mount.unmount();
    println!("503, sent again     {}", summary.retried_503);
    assert_sound(&report);
    assert_eq!(ids.len() as u64, report.accepted);
    assert!(summary.retried_503 > 0 && report.accepted > 1_000, "the load was no load");
    let bound = SHAPE.repeats_per_kill();
    assert!(report.duplicates <= bound, "{} duplicates, at most {bound}", report.duplicates);
}
