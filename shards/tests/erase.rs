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
#[path = "harness/traces.rs"]
mod traces;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{
    Client, Ended, HUNG, Process, Random, alone, append, free_port, local, program, run_to_end,
    spawn_carrier, status_of, statuses_of, until,
};
use postrider_http::auth::hash_api_key;
use serde_json::Value;

const KEY: &str = "pr_test_erase";
const OTHER_KEY: &str = "pr_test_other";
const ERASED: &str = "447700900123";
/// Of this route no carrier is up.
const ERASED_QUEUED: &str = "33612345678";
const TEXT: &str = "the quick brown fox knows";
const REFERENCE: &str = "order-of-the-erased";

struct Stage {
    folder: PathBuf,
    http: SocketAddr,
    admin: SocketAddr,
    _carrier: Process,
}

impl Stage {
    fn set(folder: &Path) -> Self {
        let mut command = program("smsc");
        command.args(["--listen", "127.0.0.1:0", "--window", "100"]);
        command.args(["--answer-delay-ms", "1", "--receipt-delay-ms", "10"]);
        command.args(["--failure-ppm", "0"]);
        let (carrier, address) = spawn_carrier(folder, command);
        let [http, admin] = [(); 2].map(|()| local(free_port()));
        let stage = Stage { folder: folder.to_owned(), http, admin, _carrier: carrier };
        std::fs::write(stage.config(), stage.text(&address)).unwrap();
        stage
    }

    fn config(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    fn text(&self, carrier: &str) -> String {
        let Stage { http, admin, folder, .. } = self;
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
             [limits]\nopen_messages = 100000\n\
             {}{}{}{}[[routes]]\nprefix = \"44\"\ncarriers = [\"alpha\"]\n\
             [[routes]]\nprefix = \"33\"\ncarriers = [\"down\"]\n",
            customer("shop", KEY),
            customer("other", OTHER_KEY),
            link("alpha", carrier),
            link("down", &nobody.to_string()),
        )
    }

    fn start(&self) -> Process {
        let log = self.folder.join("gateway.log");
        let mut command = program("serve");
        command.arg("--config").arg(self.config());
        command.stdin(Stdio::null()).stdout(append(&log)).stderr(append(&log));
        let mut gateway = Process::spawn("gateway", command, Some(log));
        until("the gateway is ready", HUNG, || {
            gateway.assert_running();
            status_of(self.admin, "/readyz") == Some(200)
        });
        gateway
    }

    fn submit(&self, key: &str, to: &str, text: &str, reference: &str) -> (u16, Value) {
        let body = serde_json::json!({
            "from": "Acme", "to": format!("+{to}"), "body": text, "client_reference": reference,
        });
        let mut client = Client::connect(self.http).unwrap();
        let (status, body) = client.post("/api/v1/messages", key, &body.to_string()).unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    fn accepted(&self, key: &str, to: &str, text: &str, reference: &str) -> String {
        let (status, body) = self.submit(key, to, text, reference);
        assert_eq!(status, 202, "{body}");
        body["message_id"].as_str().unwrap().to_owned()
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
                    let bytes = std::fs::read(&path).unwrap();
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

/// Everything by which a person may be known in a file.
fn needles(numbers: &[&str]) -> Vec<Vec<u8>> {
    let mut needles = traces::of_text(TEXT);
    needles.extend(traces::of_text(REFERENCE));
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

#[test]
fn the_erased_are_in_no_byte_of_the_data_directory_whatever_is_killed_meanwhile() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path());
    let mut gateway = stage.start();
    let (mut gone, mut queued, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for nth in 0..150 {
        gone.push(stage.accepted(KEY, ERASED, &format!("{TEXT} {nth}"), REFERENCE));
        kept.push(stage.accepted(KEY, "447700900456", &format!("kept {nth}"), "of-another"));
        if nth % 10 == 0 {
            let text = format!("{TEXT} {nth}");
            queued.push(stage.accepted(KEY, ERASED_QUEUED, &text, REFERENCE));
        }
    }
    let delivered = |ids: &[String]| {
        statuses_of(stage.http, KEY, ids).values().all(|status| status == "delivered")
    };
    until("all is delivered", HUNG, || delivered(&gone) && delivered(&kept));
    let needles = needles(&[ERASED, ERASED_QUEUED]);
    assert!(!stage.finds(&needles).is_empty(), "the search finds what is there");
    // One of them does not want messages any more.
    let opt_out = stage.command("opt-out", &["--customer", "shop", "--recipient", "+447700900123"]);
    assert_eq!(opt_out.code, Some(0), "{opt_out:?}");
    let (status, refused) = stage.submit(KEY, ERASED, "hello", REFERENCE);
    assert_eq!((status, refused["code"].as_str()), (422, Some("recipient_opted_out")));
    assert_eq!(stage.submit(OTHER_KEY, "447700900789", "hello", "other").0, 202);

    let began = Instant::now();
    for number in [ERASED, ERASED_QUEUED] {
        let erased = stage.command("erase", &["--recipient", &format!("+{number}")]);
        assert_eq!(erased.code, Some(0), "{erased:?}");
    }
    let check = |stage: &Stage| {
        gone.iter().chain(&queued).for_each(|id| assert_gone(&stage.shown(KEY, id)));
        for (nth, id) in kept.iter().enumerate() {
            let message = stage.shown(KEY, id);
            assert_eq!(message["body"], format!("kept {nth}"), "{message}");
            assert_eq!(
                (&message["redacted"], &message["status"]),
                (&false.into(), &"delivered".into())
            );
        }
    };
    check(&stage);
    assert!(queued.iter().all(|id| stage.shown(KEY, id)["status"] == "canceled"));
    let mut random = Random(77);
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(random.between(20, 900)));
        gateway.kill();
        gateway = stage.start();
        check(&stage);
    }
    until("nothing is left to do", HUNG, || stage.all_finished());
    println!("two erasures and four kills took {:?}", began.elapsed());
    assert_eq!(stage.finds(&needles), Vec::<PathBuf>::new());
    check(&stage);

    // A whole customer, and waiting for it.
    let erased = stage.command("erase", &["--customer", "shop", "--wait"]);
    assert_eq!(erased.code, Some(0), "{erased:?}");
    kept.iter().for_each(|id| assert_gone(&stage.shown(KEY, id)));
    let own = [b"kept 1".to_vec(), b"of-another".to_vec()];
    assert_eq!(stage.finds(&own), Vec::<PathBuf>::new());
    gateway.kill();
    let gateway = stage.start();
    kept.iter().for_each(|id| assert_gone(&stage.shown(KEY, id)));
    assert_eq!(stage.finds(&needles), Vec::<PathBuf>::new());
    assert_eq!(stage.submit(KEY, ERASED, "hello", REFERENCE).0, 422, "the opt-out outlives it");
    drop(gateway);
    let wrong = stage.command("erase", &["--recipient", "+447700900123"]);
    assert_eq!(wrong.code, Some(1), "nobody is there: {wrong:?}");
}
