//! A gateway as a process: a configuration that a test adds to, its HTTP surface, and its end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use postrider_http::auth::hash_api_key;
use serde_json::{Value, json};

use super::STEP;
use crate::common::{Client, HUNG, Process, append, free_port, local, program, status_of, until};

const KEY: &str = "pr_test_peers";

/// See the module's header. Killed when dropped.
pub(crate) struct Gateway {
    process: Process,
    /// Where customers send.
    pub(crate) listen: SocketAddr,
    admin: SocketAddr,
    log: PathBuf,
}

impl Gateway {
    /// Starts one in `folder` whose configuration ends with `tables`: carriers, routes, customers
    /// beside the one that the methods below are, and so on.
    pub(crate) fn start(folder: &Path, tables: &str) -> Self {
        let (listen, admin) = (local(free_port()), local(free_port()));
        let hash: String = hash_api_key(KEY).iter().map(|octet| format!("{octet:02x}")).collect();
        let data = folder.join("data").display().to_string();
        let text = format!(
            "[server]\ndata_dir = {data:?}\nshards = 2\nlisten = \"{listen}\"\n\
             admin_listen = \"{admin}\"\npin = false\nspin = false\n\
             [store]\nsegment_mib = 8\n[limits]\nopen_messages = 10000\n\
             [webhooks]\nallow_private = true\n\
             [[customers]]\nname = \"web\"\napi_keys = [\"sha256:{hash}\"]\n\
             webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n{tables}"
        );
        let (config, log) = (folder.join("gateway.toml"), folder.join("gateway.log"));
        std::fs::write(&config, text).unwrap();
        let mut command = program("serve");
        command.arg("--config").arg(config);
        command.stdin(Stdio::null()).stdout(append(&log)).stderr(append(&log));
        let mut process = Process::spawn("gateway", command, Some(log.clone()));
        until("the gateway answers", HUNG, || {
            process.assert_running();
            status_of(admin, "/livez") == Some(200)
        });
        Self { process, listen, admin, log }
    }

    /// Waits until it takes requests, which is when a carrier can.
    pub(crate) fn await_ready(&mut self) {
        until("the gateway is ready", STEP, || {
            self.process.assert_running();
            status_of(self.admin, "/readyz") == Some(200)
        });
    }

    /// Fails when it has ended.
    pub(crate) fn assert_running(&mut self) {
        self.process.assert_running();
    }

    /// Submits a message over HTTP; its id.
    pub(crate) fn send(&self, from: &str, to: &str, text: &str) -> String {
        let body = json!({
            "from": from, "to": format!("+{to}"), "body": text, "validity_period": 3_600,
        });
        let mut client = Client::connect(self.listen).unwrap();
        let (status, answer) = client.post("/api/v1/messages", KEY, &body.to_string()).unwrap();
        assert_eq!(status, 202, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["message_id"].as_str().unwrap().to_owned()
    }

    /// What the API says of a message.
    pub(crate) fn message(&self, id: &str) -> Value {
        let mut client = Client::connect(self.listen).unwrap();
        let (status, body) = client.get(&format!("/api/v1/messages/{id}"), Some(KEY)).unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until a message has this status.
    pub(crate) fn await_status(&self, id: &str, status: &str) {
        until(&format!("{id} is {status}"), STEP, || self.message(id)["status"] == status);
    }

    /// The sum of a metric over all its series whose labels hold `labels`.
    pub(crate) fn metric(&self, name: &str, labels: &str) -> f64 {
        let mut client = Client::connect(self.admin).unwrap();
        let (status, page) = client.get("/metrics", None).unwrap();
        assert_eq!(status, 200);
        let values = page.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let rest = series.strip_prefix(name)?;
            ((rest.is_empty() || rest.starts_with('{')) && rest.contains(labels))
                .then(|| value.parse::<f64>().unwrap())
        });
        values.sum()
    }

    /// What it has written to its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGTERM, and an orderly end.
    pub(crate) fn stop(mut self) {
        self.process.terminate();
        assert_eq!(self.process.wait(HUNG).code(), Some(0), "the gateway stops in order");
    }
}
