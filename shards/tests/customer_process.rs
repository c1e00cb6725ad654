//! Customers of the real program over loopback: every bind type and operation, `kill -9` under
//! submissions, slow and wrong logins, an orderly stop. On the test's threads, with the gateway and a
//! simulated carrier as processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/esme.rs"]
mod esme;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "harness/pdu.rs"]
mod pdu;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "house/requests.rs"]
mod requests;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{
    FINAL, HUNG, Process, Random, alone, free_port, local, program, serve, spawn_carrier,
    statuses_of, until,
};
use esme::Esme;
use pdu::{BIND_TRX, Pdu, tlv};
use postrider_http::auth::hash_api_key;
use requests::{Operation, Submit, bind, cstrings, id_of};
use rustix::net::{AddressFamily, SocketType};

const KEY: &str = "pr_test_customer";
const BIND_RX: u32 = 1;
const BIND_TX: u32 = 2;

/// A gateway of two shards with one customer, and its carrier.
struct Stage {
    folder: PathBuf,
    http: SocketAddr,
    smpp: SocketAddr,
    admin: SocketAddr,
    _carrier: Process,
}

impl Stage {
    fn set(folder: &Path) -> Self {
        let mut command = program("smsc");
        command.args(["--listen", "127.0.0.1:0", "--window", "100"]);
        command.args(["--answer-delay-ms", "5", "--receipt-delay-ms", "50"]);
        command.args(["--failure-ppm", "0"]);
        let (carrier, address) = spawn_carrier(folder, command);
        let [http, smpp, admin] = [(); 3].map(|()| local(free_port()));
        let stage = Stage { folder: folder.to_owned(), http, smpp, admin, _carrier: carrier };
        std::fs::write(folder.join("gateway.toml"), stage.config(&address)).unwrap();
        stage
    }

    fn config(&self, carrier: &str) -> String {
        let Stage { http, smpp, admin, folder, .. } = self;
        let hash: String = hash_api_key(KEY).iter().map(|octet| format!("{octet:02x}")).collect();
        format!(
            r#"
[server]
data_dir = {:?}
shards = 2
listen = "{http}"
admin_listen = "{admin}"
pin = false
spin = false
[store]
segment_mib = 8
[limits]
open_messages = 100000
[smpp]
listen = "{smpp}"
[[customers]]
name = "shop"
api_keys = ["sha256:{hash}"]
webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
[customers.smpp]
system_id = "shop"
password = "secret"
max_binds = 8
window = 100
[[carriers]]
name = "alpha"
address = "{carrier}"
system_id = "test"
password = "test"
binds = 2
window = 100
[[routes]]
prefix = ""
carriers = ["alpha"]
"#,
            folder.join("data").display().to_string()
        )
    }

    fn start(&self) -> Process {
        serve(&self.folder, self.admin)
    }

    fn dial(&self) -> Esme {
        Esme::over(TcpStream::connect(self.smpp).unwrap())
    }

    /// From another address of the loopback network.
    fn dial_from(&self, host: u8) -> Esme {
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 1, host)), 0);
        let fd: OwnedFd =
            rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&fd, &from).unwrap();
        rustix::net::connect(&fd, &self.smpp).unwrap();
        Esme::over(fd.into())
    }

    fn bound(&self, command: u32) -> Esme {
        let mut esme = self.dial();
        assert_eq!(esme.ask(bind(command, 1, "shop", "secret")).status, 0);
        esme
    }
}

fn number(n: u64) -> String {
    format!("4477009{n:05}")
}

#[test]
fn every_bind_type_and_every_operation_over_loopback() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path());
    let _gateway = stage.start();
    let mut transmitter = stage.bound(BIND_TX);
    let mut receiver = stage.bound(BIND_RX);
    let mut both = stage.bound(BIND_TRX);
    let (one, two) = (number(1), number(2));
    let submit = Submit { dest: (1, 1, &one), registered: 1, ..Submit::default() };
    let mut receipted = BTreeSet::new();
    receipted.insert(id_of(&transmitter.ask(submit.pdu())));
    let long = Submit { text: b"", tlvs: tlv(0x0424, &[b'x'; 700]), ..submit.clone() };
    receipted.insert(id_of(&both.ask(long.pdu())));
    let multi = both.ask(submit.multi(&[(1, 1, &one), (1, 1, "12"), (1, 1, &two)]));
    assert_eq!(multi.status, 0);
    let (texts, rest) = cstrings(&multi.body, 1);
    assert_eq!(rest[0], 1, "one recipient of three is no number");
    receipted.insert(texts[0].clone());
    assert_eq!(receiver.ask(submit.pdu()).status, 4, "a receiver does not submit");
    // Four receipts: two of the submit_multi, under its one id.
    let mut receipts = Vec::new();
    until("every receipt is there", HUNG, || {
        for esme in [&mut receiver, &mut both, &mut transmitter] {
            drop(esme.read());
            receipts.append(&mut esme.delivered);
        }
        receipts.len() >= 4
    });
    let text = |pdu: &Pdu| String::from_utf8_lossy(&pdu.body).into_owned();
    assert!(receipts.iter().all(|receipt| text(receipt).contains("stat:DELIVRD")));
    for id in &receipted {
        assert!(receipts.iter().any(|receipt| text(receipt).contains(id)), "{id}");
        let answer = both.ask(Operation::on(id).query());
        assert_eq!((answer.status, cstrings(&answer.body, 2).1[0]), (0, 2), "DELIVERED");
        assert_eq!(both.ask(Operation::on(id).cancel()).status, 0x11);
    }
    // What is scheduled can be replaced and canceled.
    let later = Submit { schedule: "000000010000000R", ..submit };
    let id = id_of(&both.ask(later.pdu()));
    assert_eq!(transmitter.ask(Operation::on(&id).replace()).status, 0);
    let seen = statuses_of(stage.http, KEY, std::slice::from_ref(&id));
    assert_eq!(seen[&id], "held", "HTTP shows it to the same customer");
    assert_eq!(both.ask(Operation::on(&id).cancel()).status, 0);
    assert_eq!(both.ask(Operation::on(&id).query()).status, 0);
    assert_eq!(both.ask(Pdu::new(pdu::UNBIND, 0, 99, b"")).status, 0);
    both.until_closed(HUNG);
}

/// Submits up to ten thousand a second, a window at once, until the connection breaks or the time is
/// over; the ids of what was acknowledged are added. Faster, there were more of them than can be asked for
/// one by one until all are final.
fn load(stage: &Stage, random: &mut Random, time: Duration, ids: &mut Vec<String>) {
    let mut esme = stage.bound(BIND_TRX);
    let (end, mut open, mut sequence) = (Instant::now() + time, 0u32, 1u32);
    while esme.open && Instant::now() < end {
        let mut burst = Vec::new();
        while open < 100 {
            sequence += 1;
            open += 1;
            let to = number(random.between(0, 99_999));
            burst
                .extend(Submit { sequence, dest: (1, 1, &to), ..Submit::default() }.pdu().octets());
        }
        esme.send(&burst);
        std::thread::sleep(Duration::from_millis(10));
        for answer in esme.read().iter().filter(|pdu| pdu.command == pdu::SUBMIT_RESP) {
            open -= 1;
            assert!([0, 0x58, 0x14].contains(&answer.status), "{answer:?}");
            if answer.status == 0 {
                ids.push(id_of(answer));
            }
        }
    }
}

#[test]
fn no_message_acknowledged_over_smpp_is_lost_by_kill_9() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path());
    let mut random = Random(7);
    let mut ids = Vec::new();
    for _ in 0..4 {
        let mut gateway = stage.start();
        let kill_after = Duration::from_millis(random.between(300, 1_500));
        std::thread::scope(|scope| {
            let (stage, ids, random) = (&stage, &mut ids, &mut random);
            let sender = scope.spawn(move || load(stage, random, Duration::from_secs(20), ids));
            std::thread::sleep(kill_after);
            gateway.kill();
            sender.join().unwrap();
        });
    }
    let mut gateway = stage.start();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "an id was given twice");
    assert!(ids.len() > 500, "the load was no load: {}", ids.len());
    // Each one is asked for; an unknown id fails there.
    until("every message is final", HUNG, || {
        gateway.assert_running();
        statuses_of(stage.http, KEY, &ids).values().all(|status| FINAL.contains(&status.as_str()))
    });
    println!("acknowledged over SMPP {}, kills 4, lost 0", ids.len());
    gateway.terminate();
    assert_eq!(gateway.wait(HUNG).code(), Some(0));
}

#[test]
fn who_may_not_bind_learns_it_after_the_same_time() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path());
    let _gateway = stage.start();
    let mut taken = [Vec::new(), Vec::new()];
    // Each address fails once; both kinds at the same time.
    std::thread::scope(|scope| {
        let tries: Vec<_> = (1..=20u8)
            .map(|host| {
                let stage = &stage;
                scope.spawn(move || {
                    let (id, kind) = if host % 2 == 0 { ("shop", 0) } else { ("nobody", 1) };
                    let mut esme = stage.dial_from(host);
                    let begun = Instant::now();
                    let answer = esme.ask(bind(BIND_TRX, 1, id, "wrong"));
                    assert_eq!(answer.status, 0x0E, "ESME_RINVPASWD for both");
                    (kind, begun.elapsed())
                })
            })
            .collect();
        for one in tries {
            let (kind, time): (usize, Duration) = one.join().unwrap();
            taken[kind].push(time);
        }
    });
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    let [wrong, unknown] = &mut taken;
    let (wrong, unknown) = (median(wrong), median(unknown));
    println!("refused after {wrong:?} (wrong password), {unknown:?} (unknown system_id)");
    for time in [wrong, unknown] {
        assert!(time >= Duration::from_secs(1) && time < Duration::from_secs(3), "{time:?}");
    }
}

#[test]
fn a_peer_that_is_no_customer_is_not_kept() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path());
    let _gateway = stage.start();
    let mut long = stage.dial();
    long.send(&[0, 0, 1, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1]);
    let closed = long.until_closed(HUNG);
    println!("257 octets before the bind: closed after {closed:?}");
    let (mut silent, mut slow) = (stage.dial(), stage.dial());
    let octets = bind(BIND_TRX, 1, "shop", "secret").octets();
    let begun = Instant::now();
    // An octet a second never becomes a bind in time.
    for octet in &octets {
        slow.send(&[*octet]);
        let next = Instant::now() + Duration::from_secs(1);
        while Instant::now() < next && (slow.open || silent.open) {
            drop(slow.read());
            drop(silent.read());
        }
        if !slow.open && !silent.open {
            break;
        }
    }
    let closed = begun.elapsed();
    println!("silent and slow peers: closed after {closed:?}");
    assert!(!slow.open && !silent.open, "they are kept");
    assert!(closed < Duration::from_secs(30), "10 s is the bound: {closed:?}");
    assert_eq!(stage.bound(BIND_TRX).ask(Submit::default().pdu()).status, 0);
}

#[test]
fn a_stop_unbinds_customers_and_ends_in_order() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path());
    let mut gateway = stage.start();
    let mut esme = stage.bound(BIND_TRX);
    let mut silent = stage.bound(BIND_TRX);
    let id = id_of(&esme.ask(Submit::default().pdu()));
    assert_eq!(id.len(), 36);
    gateway.terminate();
    let mut unbound = false;
    until("the gateway unbinds", HUNG, || {
        for request in esme.read() {
            if request.command == pdu::UNBIND {
                unbound = true;
                esme.send(&Pdu::new(pdu::UNBIND_RESP, 0, request.sequence, b"").octets());
            }
        }
        unbound
    });
    esme.until_closed(HUNG);
    // The other one never answers.
    assert_eq!(gateway.wait(HUNG).code(), Some(0));
    silent.until_closed(HUNG);
}
