//! The customer's HTTP side of a simulated world: what it submits and reads, what its webhook receiver
//! hears. Part of the world.

use std::collections::BTreeMap;
use std::time::Duration;

use postrider_core::config::Word as _;
use postrider_core::content::Retention;
use postrider_core::id::MessageId;
use postrider_core::lane::Lane;
use postrider_core::number::NumberReader;
use postrider_http::auth::CustomerIx;
use postrider_http::request::{ApiRequest, CustomerLimits, RequestHead, parse, route};
use postrider_http::response::MessageView;
use postrider_http::url_guard::UrlPolicy;
use postrider_shards::shard::{ApiResponse, WebhookPost};
use postrider_storage::Disk as _;

use super::contents::{asks_to_discard, retention};
use super::happening::Happening;
use super::process::Step;
use super::setup::number;
use super::world::{Submission, World};

impl World {
    /// What the customer and fate will do.
    pub(super) fn plan_day(&mut self) {
        let count = if self.has_a_small_log() { 100 } else { 20 } + self.rng.below(30);
        for index in 0..count {
            let country = if self.rng.chance(50) { "4477009" } else { "3361234" };
            let number = number(country, index);
            let length = match self.rng.below(4) {
                0 => 300 + self.rng.below(200),
                _ => 1 + self.rng.below(150),
            };
            let letter = if self.rng.chance(30) { 'ж' } else { 'a' };
            let text: String = (0..length)
                .map(|at| if at % 7 == 3 { ' ' } else { letter })
                .chain(format!("{index}.").chars())
                .collect();
            self.submissions.push(Submission { number, text, answer: None });
            // Some come alone, some all at once.
            let spread = if self.rng.chance(50) { 20_000 } else { 50 };
            let at = self.now + Duration::from_millis(2_000 + self.rng.below(spread));
            self.at(at, Happening::Submit(usize::try_from(index).unwrap()));
        }
    }

    /// When fate kills the process.
    pub(super) fn plan_kills(&mut self) {
        for _ in 0..self.rng.below(3) {
            let at = self.now + Duration::from_millis(1_000 + self.rng.below(30_000));
            self.at(at, Happening::Kill);
        }
        // The others come right after an operation, whichever it is.
        self.ops_to_kill = (0..self.rng.below(4)).map(|_| 1 + self.rng.below(600)).collect();
    }

    pub(super) fn submit(&mut self, index: usize) {
        if self.shards.is_empty() {
            // Nobody listens: the customer tries a little later.
            self.at(self.now + Duration::from_millis(500), Happening::Submit(index));
            return;
        }
        let submission = &self.submissions[index];
        let validity = 60 + self.rng.below(300);
        let kept = if asks_to_discard(self.seed, index) { "discard" } else { "keep" };
        let kept = if retention(self.seed) == Retention::Discard { "discard" } else { kept };
        let lane = Lane::at(index % 3).unwrap_or_default().word();
        let body = format!(
            r#"{{"from":"Acme","to":"+{}","body":"{}","webhook_url":"http://127.0.0.1:9/hook","validity_period":{validity},"content_retention":"{kept}","priority":"{lane}"}}"#,
            submission.number, submission.text
        );
        let request = request("POST", "/api/v1/messages", None, body.as_bytes());
        let shard = usize::try_from(self.rng.below(self.shards.len() as u64)).unwrap();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert((shard, ticket), index);
        self.request(shard, ticket, request);
    }

    /// A shard gets a request of the customer.
    pub(super) fn request(&mut self, shard: usize, ticket: u64, request: ApiRequest) {
        let now = self.clock();
        self.shards[shard].handle_api(now, ticket, CustomerIx(0), request);
        self.drive_after(shard, Step::TookRequest);
    }

    pub(super) fn webhook(&mut self, shard: usize, post: &WebhookPost) {
        self.check_shown("a webhook", &post.body);
        let sequence = post.sequence;
        let status = if self.rng.chance(15) { 503 } else { 204 };
        if status == 204 {
            let event: serde_json::Value = serde_json::from_slice(&post.body).unwrap();
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let id = text(&event["data"]["message_id"]);
            let status = text(&event["data"]["status"]);
            self.told.entry(id).or_default().insert(status);
        }
        self.soon(20_000, Happening::WebhookAnswer { shard, sequence, status });
    }

    pub(super) fn answered(&mut self, shard: usize, ticket: u64, response: ApiResponse) {
        self.check_response(&response);
        let Some(index) = self.tickets.remove(&(shard, ticket)) else {
            self.answers.insert(ticket, response);
            return;
        };
        self.submissions[index].answer = Some(match response {
            ApiResponse::Accepted(accepted) => {
                self.given.push((shard, accepted.id));
                Ok(accepted.id)
            }
            ApiResponse::Problem(problem) => Err(problem.code.status()),
            other => panic!("a submission was answered with {other:?}"),
        });
    }

    /// Whether every id that was given is a new one, later than those that were given before for the
    /// same log by way of the same shard.
    pub fn ids_are_in_order(&self) -> bool {
        let mut last = BTreeMap::new();
        self.given.iter().all(|(teller, id)| {
            let fields = self.shared.cipher.open(*id).unwrap();
            let log = self.shared.placement.accepted_in(fields);
            let before = last.insert((*teller, log), fields.sequence);
            before.is_none_or(|before| before < fields.sequence)
        })
    }

    /// Whether what was written of this message may have been given back: the log's segments are few, or
    /// a clock that stepped made old what a shard that is no more has left.
    pub fn may_be_given_back(&mut self) -> bool {
        let most = self.epochs.iter().map(|epoch| usize::from(epoch.shards)).max().unwrap();
        let mut left = (self.shards.len()..most).map(|log| self.disks[log].list().unwrap());
        let is_gone = left.any(|files| files.is_empty());
        self.has_a_small_log() || (is_gone && !self.clock.is_right())
    }

    /// Asks for a message as the customer would, at its owner's shard or at another.
    pub fn view(&mut self, id: MessageId) -> Option<MessageView> {
        match self.ask(get(id)) {
            ApiResponse::Message(view) => Some(*view),
            _ => None,
        }
    }

    /// The ids of all messages that a list shows, page by page.
    pub fn list(&mut self) -> Vec<MessageId> {
        let mut ids = Vec::new();
        let mut query = String::from("limit=7");
        loop {
            let asked = request("GET", "/api/v1/messages", Some(&query), b"");
            let ApiResponse::Page { items, next } = self.ask(asked) else { panic!("no page") };
            ids.extend(items.into_iter().map(|view| view.id));
            let Some(next) = next else { return ids };
            query = format!("limit=7&cursor={}", next.encode());
        }
    }

    fn ask(&mut self, request: ApiRequest) -> ApiResponse {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let shard = usize::try_from(self.rng.below(self.shards.len() as u64)).unwrap();
        let now = self.clock();
        self.shards[shard].handle_api(now, ticket, CustomerIx(0), request);
        self.drive(shard);
        while !self.answers.contains_key(&ticket) && self.step() {}
        self.answers.remove(&ticket).unwrap()
    }
}

/// The request for one message.
pub(super) fn get(id: MessageId) -> ApiRequest {
    request("GET", &format!("/api/v1/messages/{id}"), None, b"")
}

fn request(method: &str, path: &str, query: Option<&str>, body: &[u8]) -> ApiRequest {
    let head = RequestHead { method, path, query, content_type: Some(b"application/json") };
    let endpoint = route(&head).unwrap();
    let limits = CustomerLimits {
        max_text_chars: 1_600,
        numbers: NumberReader::Strict,
        retention: Retention::Keep,
    };
    parse(endpoint, &head, body, &limits, &UrlPolicy { allow_private: true }).unwrap()
}
