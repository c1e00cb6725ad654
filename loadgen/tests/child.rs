//! Parts of the meter as child processes: the ready line, and when they end. Each test starts this
//! test program again as the child.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postrider_loadgen::sink::{SinkOptions, run_sink};
use postrider_loadgen::smsc::{SmscOptions, run_smsc};

const PART: &str = "POSTRIDER_TEST_PART";
const READY_FILE: &str = "POSTRIDER_TEST_READY_FILE";

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Not a test of its own: the child's main function.
#[test]
fn child() {
    let ready_file = std::env::var_os(READY_FILE).map(Into::into);
    match std::env::var(PART).as_deref() {
        Ok("smsc") => {
            let options =
                SmscOptions { listen: vec![any(), any()], ready_file, ..SmscOptions::default() };
            run_smsc(options).unwrap();
        }
        Ok("sink") => {
            run_sink(SinkOptions { listen: any(), ready_file, ..SinkOptions::default() }).unwrap();
        }
        _ => {}
    }
}

struct Part {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    addresses: Vec<SocketAddr>,
}

fn line(output: &mut impl BufRead, key: &str) -> serde_json::Value {
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "ended before {key}");
        let json = line
            .find('{')
            .and_then(|at| serde_json::from_str::<serde_json::Value>(&line[at..]).ok());
        if let Some(value) = json.filter(|value| !value[key].is_null()) {
            return value[key].clone();
        }
    }
}

fn start(part: &str, ready_file: &Path, stdin: Stdio) -> Part {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture"]).env(PART, part).env(READY_FILE, ready_file);
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let ready = line(&mut output, "ready");
    let addresses = ready.as_array().unwrap().iter();
    let addresses = addresses.map(|address| address.as_str().unwrap().parse().unwrap()).collect();
    Part { child, output, addresses }
}

fn ends(mut child: Child) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        assert!(Instant::now() < end, "still running");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn terminate(child: &Child) {
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[test]
fn the_simulator_says_that_it_listens_and_ends_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready.json");
    let mut part = start("smsc", &file, Stdio::piped());
    assert_eq!(part.addresses.len(), 2);
    for address in &part.addresses {
        TcpStream::connect(address).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains(&part.addresses[1].to_string()) && written.ends_with('\n'));
    let mut stdin = part.child.stdin.take().unwrap();
    stdin.write_all(b"not the end\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(part.child.try_wait().unwrap().is_none());
    drop(stdin);
    let done = line(&mut part.output, "done");
    assert_eq!((&done[0]["name"], &done[1]["name"]), (&"carrier-1".into(), &"carrier-2".into()));
    ends(part.child);
}

#[test]
fn a_signal_ends_a_part_and_an_empty_standard_input_does_not() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["smsc", "sink"] {
        let mut part = start(part, &folder.path().join(part), Stdio::null());
        std::thread::sleep(Duration::from_millis(200));
        assert!(part.child.try_wait().unwrap().is_none(), "/dev/null is no parent that died");
        terminate(&part.child);
        ends(part.child);
    }
}
