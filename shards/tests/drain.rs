//! The orderly stop of the real program under load, and what a start refuses. On the test's thread,
//! with the gateway, the carriers and the sink as processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::stage::{Shape, Stage, assert_sound};
use common::{Ended, HUNG, alone, free_port, local, program, run_to_end, status_of, until};
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::next_frame;

/// A drain may take ten seconds; a loaded machine gets three times that.
const DRAIN: Duration = Duration::from_secs(30);

const SHAPE: Shape = Shape { window: 200, answer_delay_ms: 300, ..Shape::USUAL };

/// Sends on what comes in, counting the unbinds among it.
fn relay(mut from: TcpStream, mut to: TcpStream, unbinds: Option<Arc<AtomicU64>>) {
    let (mut buffer, mut pending) = (vec![0; 64 * 1024], Vec::new());
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        if let Some(unbinds) = &unbinds {
            pending.extend_from_slice(&buffer[..count]);
            while let Some((frame, used)) = next_frame(&pending, 70_000).unwrap() {
                let unbind = frame.header.command == CommandId::UNBIND;
                unbinds.fetch_add(u64::from(unbind), Ordering::SeqCst);
                pending.drain(..used);
            }
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other end may be gone already.
    drop(to.shutdown(Shutdown::Write));
    drop(from.shutdown(Shutdown::Read));
}

/// Stands between the gateway and a carrier; where it listens.
fn watch(carrier: SocketAddr, unbinds: &Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind(local(0)).unwrap();
    let address = listener.local_addr().unwrap();
    let unbinds = Arc::clone(unbinds);
    std::thread::spawn(move || {
        for gateway in listener.incoming() {
            let (Ok(gateway), Ok(carrier)) = (gateway, TcpStream::connect(carrier)) else { return };
            gateway.set_nodelay(true).unwrap();
            carrier.set_nodelay(true).unwrap();
            let back = (carrier.try_clone().unwrap(), gateway.try_clone().unwrap());
            let unbinds = Arc::clone(&unbinds);
            std::thread::spawn(move || relay(gateway, carrier, Some(unbinds)));
            std::thread::spawn(move || relay(back.0, back.1, None));
        }
    });
    address
}

/// A stage whose carriers are watched for unbinds.
fn watched(folder: &Path) -> (Stage, Arc<AtomicU64>) {
    let unbinds = Arc::new(AtomicU64::new(0));
    let mut stage = Stage::set(folder, SHAPE);
    for carrier in &mut stage.carriers {
        *carrier = watch(*carrier, &unbinds);
    }
    stage.write_config();
    (stage, unbinds)
}

#[test]
fn a_drain_under_load_repeats_nothing_and_loses_nothing() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (stage, unbinds) = watched(folder.path());
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let load = stage.start_load(12_000, 2_000.0);
    std::thread::sleep(Duration::from_millis(2_500));
    gateway.assert_running();
    assert_eq!(unbinds.load(Ordering::SeqCst), 0);
    let begun = Instant::now();
    gateway.terminate();
    // What is in flight is answered after 300 ms: until then somebody can ask.
    let mut asked = Vec::new();
    while let Some(status) = status_of(stage.admin, "/readyz") {
        asked.push(status);
        std::thread::sleep(Duration::from_millis(5));
    }
    let status = gateway.wait(DRAIN);
    println!("drained in {:.0?}; /readyz said {asked:?}", begun.elapsed());
    assert_eq!(status.code(), Some(0));
    assert!(asked.contains(&503), "/readyz turns during the drain: {asked:?}");
    let first_503 = asked.iter().position(|status| *status == 503).unwrap();
    assert!(asked[first_503..].iter().all(|status| *status == 503), "{asked:?}");
    let binds = 3 * u64::from(SHAPE.binds);
    assert_eq!(unbinds.load(Ordering::SeqCst), binds, "every bind said goodbye");
    assert!(load.is_at_work(), "there was load");
    let mut gateway = stage.start_gateway();
    let took = stage.await_ready(&mut gateway);
    let summary = load.finish();
    stage.await_finals();
    let (report, _) = stage.strike(gateway);
    println!("ready again in {took:.0?}\n{summary}");
    assert_sound(&report);
    assert_eq!(report.duplicates, 0);
    // A connection closes between two requests: who got no answer was not heard at all.
    assert_eq!(report.unacknowledged_at_carrier, 0);
    assert_eq!((summary.refused_total, summary.unsent), (0, 0));
    assert_eq!(report.accepted + report.unacknowledged, 12_000);
    let log = std::fs::read_to_string(folder.path().join("gateway.log")).unwrap();
    let replayed: Vec<&str> = log.lines().filter(|line| line.contains("replayed")).collect();
    assert_eq!(replayed.len(), usize::from(SHAPE.shards), "only the second start: {log}");
    for words in [", stopped in order", " 0 bytes of a torn tail"] {
        assert!(replayed.iter().all(|line| line.contains(words)), "{words}: {replayed:?}");
    }
}

#[test]
fn a_kill_during_the_drain_is_a_kill_like_any_other() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path(), SHAPE);
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let load = stage.start_load(6_000, 2_000.0);
    std::thread::sleep(Duration::from_millis(1_500));
    gateway.terminate();
    std::thread::sleep(Duration::from_millis(100));
    gateway.assert_running();
    gateway.kill();
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    load.finish();
    stage.await_finals();
    let (report, _) = stage.strike(gateway);
    assert_sound(&report);
    let bound = SHAPE.repeats_per_kill();
    assert!(report.duplicates <= bound, "{} duplicates, at most {bound}", report.duplicates);
}

#[test]
fn a_signal_during_the_start_is_an_orderly_stop_too() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path(), SHAPE);
    let log = folder.path().join("gateway.log");
    for (turn, delay_ms) in [0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96].into_iter().enumerate() {
        let mut gateway = stage.start_gateway();
        until("the gateway starts", HUNG, || {
            std::fs::read_to_string(&log).unwrap().matches(" starting ").count() > turn
        });
        std::thread::sleep(Duration::from_millis(delay_ms));
        gateway.terminate();
        let status = gateway.wait(DRAIN);
        assert_eq!(status.code(), Some(0), "{delay_ms} ms after it began to start: {status}");
    }
}

#[test]
fn carriers_that_do_not_answer_hold_a_drain_for_its_limit_and_a_second_signal_ends_it() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let silent = Shape { answer_delay_ms: 600_000, ..SHAPE };
    let stage = Stage::set(folder.path(), silent);
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    assert_eq!(stage.start_load(100, 0.0).finish().accepted, 100);
    gateway.terminate();
    std::thread::sleep(Duration::from_millis(500));
    gateway.assert_running();
    gateway.terminate();
    assert_eq!(gateway.wait(Duration::from_secs(3)).code(), Some(1));
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    // Until the parts are with the carriers again.
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    gateway.terminate();
    let status = gateway.wait(DRAIN);
    println!("drained in {:.1?}", begun.elapsed());
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() > Duration::from_secs(9), "the parts in flight were awaited");
}

/// The configuration of a gateway without traffic.
fn small(folder: &Path, shards: u16, data: &Path) -> PathBuf {
    let config = folder.join(format!("small-{}.toml", free_port()));
    let (listen, admin) = (local(free_port()), local(free_port()));
    let text = format!(
        "[server]\ndata_dir = {data:?}\nshards = {shards}\nlisten = \"{listen}\"\n\
         admin_listen = \"{admin}\"\npin = false\nspin = false\n[store]\nsegment_mib = 8\n\
         [limits]\nopen_messages = 10000\n"
    );
    std::fs::write(&config, text).unwrap();
    config
}

fn serve(config: &Path) -> Ended {
    let mut command = program("serve");
    command.arg("--config").arg(config);
    run_to_end(command, "", HUNG)
}

/// Every file below a folder with its octets, but for the lock: it holds the last process's number.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name() != Some("lock".as_ref()) {
            found.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn a_directory_in_use_or_of_a_newer_format_is_refused_unchanged() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path(), SHAPE);
    let mut gateway = stage.start_gateway();
    stage.await_ready(&mut gateway);
    let second = serve(&small(folder.path(), 2, &stage.data()));
    assert_eq!(second.code, Some(1), "{second:?}");
    for words in ["is in use by another process", &gateway.id().to_string(), "Stop that one"] {
        assert!(second.stderr.contains(words), "{words:?} is not in {}", second.stderr);
    }
    assert_eq!(status_of(stage.admin, "/readyz"), Some(200), "the first one goes on");
    gateway.terminate();
    assert_eq!(gateway.wait(DRAIN).code(), Some(0));
    let before = files(&stage.data());
    assert!(before.len() >= 4, "{:?}", before.keys());
    let meta = stage.data().join("meta");
    let text = std::fs::read_to_string(&meta).unwrap();
    std::fs::write(&meta, text.replace("format = 3", "format = 4")).unwrap();
    let newer = files(&stage.data());
    for shards in [2, 3] {
        let third = serve(&small(folder.path(), shards, &stage.data()));
        assert_eq!(third.code, Some(1), "{third:?}");
        for words in ["has format 4", "reads up to format 3", "Nothing has been changed"] {
            assert!(third.stderr.contains(words), "{words:?} is not in {}", third.stderr);
        }
        assert!(newer == files(&stage.data()), "nothing is written");
    }
    std::fs::write(&meta, text).unwrap();
    assert!(before == files(&stage.data()));
    let mut again = stage.start_gateway();
    stage.await_ready(&mut again);
    again.terminate();
    assert_eq!(again.wait(DRAIN).code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = small(folder.path(), 1, &folder.path().join("data"));
    let text = std::fs::read_to_string(&config).unwrap();
    let taken: SocketAddr =
        text.split("admin_listen = \"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    let ended = serve(&config);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&taken.to_string()), "{}", ended.stderr);
}

#[test]
fn a_bad_configuration_and_a_bad_command_line_have_statuses_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bad.toml");
    std::fs::write(&config, "[server]\nshards = 0\nlisten = \"nowhere\"\n").unwrap();
    let ended = serve(&config);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    for key in ["server.shards", "server.listen"] {
        assert!(ended.stderr.contains(key), "{key} is not in {}", ended.stderr);
    }
    assert_eq!(ended.stdout, "");
    std::fs::write(&config, "[server]\nshard = 2\n").unwrap();
    let ended = serve(&config);
    assert!(ended.code == Some(4) && ended.stderr.contains("did you mean `shards`?"), "{ended:?}");
    assert_eq!(serve(&folder.path().join("none.toml")).code, Some(1));
    let usage = run_to_end(program("serve"), "", HUNG);
    assert!(usage.code == Some(2) && usage.stderr.contains("--config"), "{usage:?}");
}
