//! Erasing from the real program over loopback: by its commands, with `kill -9` in the middle, until
//! nothing is left in any byte of the data directory. On the test's thread, with the gateway and a
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
#[path = "harness/traces.rs"]
mod traces;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{
    Client, Ended, HUNG, Process, Random, alone, free_port, local, metric, program, run_to_end,
    serve, spawn_carrier, statuses_of, until,
};
use esme::Esme;
use postrider_core::limits;
use postrider_http::auth::hash_api_key;
use requests::{Operation, Submit, bind, id_of};
use serde_json::Value;

const KEY: &str = "pr_test_erase";
const OTHER_KEY: &str = "pr_test_other";
const ERASED: &str = "447700900123";
const OTHER: &str = "447700900456";
/// Of this route no carrier is up.
const ERASED_QUEUED: &str = "33612345678";
const TEXT: &str = "the quick brown fox knows";
const REFERENCE: &str = "order-of-the-erased";
/// What the handset that is erased writes to the customer, in two parts; how many handsets write, and in
/// how many parts.
const WRITTEN: &str = "inbound 0-123";
const HANDSETS: usize = 124;
const WRITTEN_PARTS: u64 = 130;
const BIND_RX: u32 = 1;
const BIND_TX: u32 = 2;

struct Stage {
    folder: PathBuf,
    http: SocketAddr,
    smpp: SocketAddr,
    admin: SocketAddr,
    /// Of the second carrier.
    later: SocketAddr,
    _carrier: Process,
}

impl Stage {
    fn set(folder: &Path) -> Self {
        let (carrier, address) = carrier(folder, "127.0.0.1:0");
        let [http, smpp, admin, later] = [(); 4].map(|()| local(free_port()));
        let folder = folder.to_owned();
        let stage = Stage { folder, http, smpp, admin, later, _carrier: carrier };
        std::fs::write(stage.config(), stage.text(&address)).unwrap();
        stage
    }

    fn config(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    fn text(&self, carrier: &str) -> String {
        let Stage { http, smpp, admin, folder, later, .. } = self;
        let nobody = local(free_port());
        let data = folder.join("data").display().to_string();
        let customer = |name: &str, key: &str| {
            let hash: String =
                hash_api_key(key).iter().map(|octet| format!("{octet:02x}")).collect();
            format!(
                "[[customers]]\nname = \"{name}\"\napi_keys = [\"sha256:{hash}\"]\n\
                 webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n"
            )
        };
        let link = |name: &str, address: &str| {
            format!(
                "[[carriers]]\nname = \"{name}\"\naddress = \"{address}\"\nsystem_id = \"test\"\n\
                 password = \"test\"\nbinds = 2\nwindow = 100\n"
            )
        };
        format!(
            "[server]\ndata_dir = {data:?}\nshards = 2\nlisten = \"{http}\"\n\
             admin_listen = \"{admin}\"\npin = false\nspin = false\n[store]\nsegment_mib = 8\n\
             [limits]\nopen_messages = 100000\n[smpp]\nlisten = \"{smpp}\"\n\
             {}numbers = [\"72345\"]\n[customers.smpp]\nsystem_id = \"shop\"\n\
             password = \"secret\"\nmax_binds = 8\nwindow = 100\n{}{}{}{}\
             [[routes]]\nprefix = \"44\"\ncarriers = [\"alpha\"]\n\
             [[routes]]\nprefix = \"33\"\ncarriers = [\"down\"]\n",
            customer("shop", KEY),
            customer("other", OTHER_KEY),
            link("alpha", carrier),
            link("later", &later.to_string()),
            link("down", &nobody.to_string()),
        )
    }

    fn start(&self) -> Process {
        serve(&self.folder, self.admin)
    }

    fn submit(&self, key: &str, to: &str, text: &str, retention: &str) -> (u16, Value) {
        let reference = match to {
            ERASED | ERASED_QUEUED => REFERENCE,
            OTHER => "of-another",
            _ => "of-nobody",
        };
        let body = serde_json::json!({
            "from": "Acme", "to": format!("+{to}"), "body": text, "client_reference": reference,
            "content_retention": retention,
        });
        let mut client = Client::connect(self.http).unwrap();
        let (status, body) = client.post("/api/v1/messages", key, &body.to_string()).unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    fn accepted(&self, to: &str, text: &str, retention: &str) -> String {
        let (status, body) = self.submit(KEY, to, text, retention);
        assert_eq!(status, 202, "{body}");
        body["message_id"].as_str().unwrap().to_owned()
    }

    fn bound(&self, command: u32) -> Esme {
        let mut esme = Esme::over(TcpStream::connect(self.smpp).unwrap());
        assert_eq!(esme.ask(bind(command, 1, "shop", "secret")).status, 0);
        esme
    }

    /// A message whose text is another before it is sent, some seconds later.
    fn replaced(&self, esme: &mut Esme, to: &str, text: &str) -> String {
        let first = Submit {
            dest: (1, 1, to),
            schedule: "000000000005000R",
            text: b"not yet",
            ..Submit::default()
        };
        let id = id_of(&esme.ask(first.pdu()));
        let instead = Operation { text: text.as_bytes(), ..Operation::on(&id) };
        assert_eq!(esme.ask(instead.replace()).status, 0);
        assert_eq!(self.shown(KEY, &id)["body"], text);
        id
    }

    /// Waits until so many parts of messages from handsets are kept that nobody takes.
    fn await_written(&self, parts: u64) {
        until("what handsets wrote is kept", HUNG, || self.written() == parts);
    }

    fn written(&self) -> u64 {
        metric(self.admin, "postrider_inbound_held", "")
    }

    /// The handsets whose messages come to somebody who takes them.
    fn writers(&self) -> BTreeSet<String> {
        let mut esme = self.bound(BIND_RX);
        until("it is all taken", HUNG, || {
            drop(esme.read());
            self.written() == 0
        });
        esme.delivered.iter().map(|pdu| pdu.delivered().source.2).collect()
    }

    fn shown(&self, key: &str, id: &str) -> Value {
        let mut client = Client::connect(self.http).unwrap();
        let (status, body) = client.get(&format!("/api/v1/messages/{id}"), Some(key)).unwrap();
        assert_eq!(status, 200, "{id}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    fn command(&self, name: &str, args: &[&str]) -> Ended {
        let mut command = program(name);
        command.arg("--config").arg(self.config()).args(args);
        run_to_end(command, "", HUNG)
    }

    /// The files under the data directory in which one of the needles is.
    fn finds(&self, needles: &[Vec<u8>]) -> Vec<PathBuf> {
        let (mut folders, mut found) = (vec![self.folder.join("data")], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    // One that was recycled meanwhile has another name.
                    let bytes = std::fs::read(&path).unwrap_or_default();
                    if traces::any_in(&bytes, needles) {
                        found.push(path);
                    }
                }
            }
        }
        found
    }

    fn all_finished(&self) -> bool {
        let (status, body) = Client::connect(self.admin).unwrap().get("/erasures", None).unwrap();
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let erasures = body["data"].as_array().unwrap();
        erasures.iter().all(|erasure| !erasure["finished_at"].is_null())
    }
}

/// A simulated carrier that takes everything, to whose customers handsets write once each.
fn carrier(folder: &Path, listen: &str) -> (Process, String) {
    let mut command = program("smsc");
    command.args(["--listen", listen, "--window", "100"]);
    command.args(["--answer-delay-ms", "1", "--receipt-delay-ms", "10"]);
    command.args(["--failure-ppm", "0", "--inbound-to", "72345", "--inbound-rate", "1000"]);
    command.args(["--inbound-count", &HANDSETS.to_string(), "--inbound-long-every", "41"]);
    spawn_carrier(folder, command)
}

/// Everything by which a person may be known in a file.
fn needles(numbers: &[&str]) -> Vec<Vec<u8>> {
    let mut needles: Vec<_> =
        [TEXT, REFERENCE, WRITTEN].into_iter().flat_map(traces::of_text).collect();
    for number in numbers {
        needles.extend(traces::of_number(number.parse().unwrap()));
    }
    needles
}

fn assert_gone(message: &Value) {
    assert_eq!(message["redacted"], true, "{message}");
    for name in ["from", "to", "body", "client_reference"] {
        assert_eq!(message[name], Value::Null, "{message}");
    }
    assert_eq!(message["segment_count"], 1);
    assert!(message["created_at"].is_string());
    assert!(!message.to_string().contains("0900123"), "{message}");
}

/// Messages of every kind that one customer has sent.
#[derive(Default)]
struct Sent {
    gone: Vec<String>,
    /// To the one of whose route no carrier is up.
    queued: Vec<String>,
    kept: Vec<(String, String)>,
    kept_discarded: Vec<String>,
}

impl Sent {
    fn by(stage: &Stage) -> Self {
        let mut sent = Sent::default();
        for nth in 0..150 {
            let secret = format!("{TEXT} {nth}");
            let kept = format!("kept {nth}");
            if nth % 10 == 0 {
                sent.queued.push(stage.accepted(ERASED_QUEUED, &secret, "keep"));
                sent.queued.push(stage.accepted(ERASED_QUEUED, &secret, "discard"));
                sent.gone.push(stage.accepted(ERASED, &secret, "discard"));
                sent.kept_discarded.push(stage.accepted(OTHER, &kept, "discard"));
            }
            sent.gone.push(stage.accepted(ERASED, &secret, "keep"));
            sent.kept.push((stage.accepted(OTHER, &kept, "keep"), kept));
        }
        let mut esme = stage.bound(BIND_TX);
        for nth in 150..160 {
            let (secret, kept) = (format!("{TEXT} {nth}"), format!("kept {nth}"));
            sent.gone.push(stage.replaced(&mut esme, ERASED, &secret));
            sent.queued.push(stage.replaced(&mut esme, ERASED_QUEUED, &secret));
            sent.kept.push((stage.replaced(&mut esme, OTHER, &kept), kept));
        }
        sent
    }

    fn await_delivered(&self, stage: &Stage) {
        let mut ids = self.gone.clone();
        ids.extend(self.kept.iter().map(|(id, _)| id.clone()));
        ids.extend_from_slice(&self.kept_discarded);
        until("all is delivered", HUNG, || {
            statuses_of(stage.http, KEY, &ids).values().all(|status| status == "delivered")
        });
    }

    /// The erased are gone from the answers, and nobody else is.
    fn check(&self, stage: &Stage) {
        self.gone.iter().chain(&self.queued).for_each(|id| assert_gone(&stage.shown(KEY, id)));
        let kept = self.kept.iter().map(|(id, text)| (id, Value::from(text.as_str())));
        let discarded = self.kept_discarded.iter().map(|id| (id, Value::Null));
        for (id, body) in kept.chain(discarded) {
            let message = stage.shown(KEY, id);
            assert_eq!(message["body"], body, "{message}");
            assert_eq!(message["to"], format!("+{OTHER}"), "{message}");
            assert_eq!(message["redacted"], false, "{message}");
            assert_eq!(message["status"], "delivered", "{message}");
        }
    }
}

#[test]
fn the_erased_are_in_no_byte_of_the_data_directory_whatever_is_killed_meanwhile() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path());
    let mut gateway = stage.start();
    stage.await_written(WRITTEN_PARTS);
    let mut writers = stage.writers();
    assert_eq!(writers.len(), HANDSETS);
    let sent = Sent::by(&stage);
    sent.await_delivered(&stage);
    // What handsets write now nobody takes yet.
    let later = folder.path().join("later");
    std::fs::create_dir(&later).unwrap();
    let _later = carrier(&later, &stage.later.to_string());
    stage.await_written(WRITTEN_PARTS);
    let needles = needles(&[ERASED, ERASED_QUEUED]);
    assert!(!stage.finds(&needles).is_empty(), "the search finds what is there");
    // One of them does not want messages any more.
    let opt_out = stage.command("opt-out", &["--customer", "shop", "--recipient", "+447700900123"]);
    assert_eq!(opt_out.code, Some(0), "{opt_out:?}");
    let (status, refused) = stage.submit(KEY, ERASED, "hello", "keep");
    assert_eq!((status, refused["code"].as_str()), (422, Some("recipient_opted_out")));
    assert_eq!(stage.submit(OTHER_KEY, "447700900789", "hello", "keep").0, 202);

    let began = Instant::now();
    for number in [ERASED, ERASED_QUEUED] {
        let erased = stage.command("erase", &["--recipient", &format!("+{number}")]);
        assert_eq!(erased.code, Some(0), "{erased:?}");
    }
    sent.check(&stage);
    assert!(sent.queued.iter().all(|id| stage.shown(KEY, id)["status"] == "canceled"));
    let mut random = Random(77);
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(random.between(20, 900)));
        gateway.kill();
        gateway = stage.start();
        sent.check(&stage);
    }
    until("nothing is left to do", HUNG, || stage.all_finished());
    println!("two erasures and four kills took {:?}", began.elapsed());
    // Contents that are not kept are wiped when their own time has come.
    until("no file holds anything", 3 * limits::CONTENT_WIPE_AFTER, || {
        stage.finds(&needles).is_empty()
    });
    println!("no file holds anything after {:?}", began.elapsed());
    sent.check(&stage);
    assert_eq!(stage.written(), WRITTEN_PARTS - 2);
    assert!(!stage.finds(&traces::of_number(447_700_900_122)).is_empty());
    assert!(writers.remove(ERASED));
    assert_eq!(stage.writers(), writers, "what the others wrote is still delivered");

    // A whole customer, and waiting for it.
    let erased = stage.command("erase", &["--customer", "shop", "--wait"]);
    assert_eq!(erased.code, Some(0), "{erased:?}");
    sent.kept.iter().for_each(|(id, _)| assert_gone(&stage.shown(KEY, id)));
    let own = [b"kept 1".to_vec(), b"of-another".to_vec(), b"inbound 0-1".to_vec()];
    assert_eq!(stage.finds(&own), Vec::<PathBuf>::new());
    gateway.kill();
    let gateway = stage.start();
    sent.kept.iter().for_each(|(id, _)| assert_gone(&stage.shown(KEY, id)));
    assert_eq!(stage.finds(&needles), Vec::<PathBuf>::new());
    assert_eq!(stage.submit(KEY, ERASED, "hello", "keep").0, 422, "the opt-out outlives it");
    drop(gateway);
    let wrong = stage.command("erase", &["--recipient", "+447700900123"]);
    assert_eq!(wrong.code, Some(1), "nobody is there: {wrong:?}");
}
