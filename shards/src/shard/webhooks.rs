//! Telling the customer: one signed event for the final status of each message, attempted until it
//! is acknowledged or the schedule is over. Attempts survive a restart through the log. Part of the
//! shard's machine.

use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_http::url_guard::{UrlPolicy, check_url};
use postrider_http::webhook::event::{event_id, status_event};
use postrider_http::webhook::queue::EndpointKey;
use postrider_http::webhook::schedule::{
    AttemptError, Outcome, RETRY_AFTER_MAX, next_delay, outcome,
};
use postrider_http::webhook::sign::signed_fields;
use postrider_storage::{Record, Urgency};

use super::message::{Message, Webhook, WebhookAttempt, WebhookOutcome};
use super::query::view;
use super::{Drain, Op, Shard, WebhookPost};
use crate::stats::Counter;

impl Shard {
    /// The final status is on disk: the webhook is due.
    pub(super) fn announce(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get_mut(sequence) else { return };
        message.ending = false;
        let Webhook::Pending { .. } = message.webhook else { return };
        let Some(url) = message.envelope.webhook_url.clone() else { return };
        let endpoint = self.webhooks.intern(&endpoint_of(&url));
        self.queue_webhook(sequence, endpoint, now.mono);
    }

    /// Queues an attempt. The queue holds at most one for each open message, and those are bounded.
    fn queue_webhook(&mut self, sequence: u64, endpoint: EndpointKey, due: Duration) {
        if let Err(error) = self.webhooks.push(sequence, endpoint, due) {
            panic!("the webhook of a message cannot be queued: {error}");
        }
    }

    /// Starts the attempts that are due and that their endpoints have room for.
    pub(super) fn pump_webhooks(&mut self, now: Now) {
        if self.drain != Drain::No {
            return;
        }
        while let Some((sequence, endpoint)) = self.webhooks.poll_attempt(now.mono) {
            match self.post(now, sequence) {
                Some(post) => {
                    self.stats.inc(Counter::WebhookAttempts);
                    self.ops.push_back(Op::Webhook(Box::new(post)));
                }
                None => {
                    self.webhooks.handle_result(now.mono, sequence, endpoint, true);
                }
            }
        }
    }

    fn post(&self, now: Now, sequence: u64) -> Option<WebhookPost> {
        let message = self.table.get(sequence)?;
        let url = message.envelope.webhook_url.as_deref()?;
        let policy = UrlPolicy { allow_private: self.shared.config.webhooks.allow_private };
        let target = check_url(url, &policy).ok()?;
        let id = event_id(message.envelope.id, message.status());
        let body = status_event(&view(&self.shared, message));
        let seconds = now.wall.0 / 1_000;
        let headers = signed_fields(self.secret_of(message)?, &id, seconds, &body).to_vec();
        Some(WebhookPost { sequence, target, headers, body })
    }

    fn secret_of(&self, message: &Message) -> Option<&[u8]> {
        let number = message.envelope.customer;
        let at = self.shared.numbers.customers.iter().position(|own| *own == number)?;
        self.shared
            .config
            .customers
            .get(at)
            .map(|customer| customer.webhook_secret.expose().as_slice())
    }

    /// What came of an attempt: the status, or why there was none.
    pub fn handle_webhook_result(
        &mut self,
        now: Now,
        sequence: u64,
        result: Result<u16, AttemptError>,
        retry_after: Option<Duration>,
    ) {
        self.webhook_result(now, sequence, result, retry_after);
        self.pump(now);
    }

    fn webhook_result(
        &mut self,
        now: Now,
        sequence: u64,
        result: Result<u16, AttemptError>,
        retry_after: Option<Duration>,
    ) {
        let Some(message) = self.table.get(sequence) else { return };
        let Webhook::Pending { attempt, .. } = message.webhook else { return };
        let url = message.envelope.webhook_url.as_deref().unwrap_or_default();
        let endpoint = self.webhooks.intern(&endpoint_of(url));
        let status = result.as_ref().copied().unwrap_or(0);
        let verdict = outcome(result).honouring(retry_after);
        let ok = verdict == Outcome::Acknowledged;
        self.webhooks.handle_result(now.mono, sequence, endpoint, ok);
        let jitter = splitmix(self.seed ^ sequence ^ u64::from(attempt).rotate_left(32));
        let (done, delay) = match verdict {
            Outcome::Acknowledged => (WebhookOutcome::Acknowledged, None),
            Outcome::Disabled => (WebhookOutcome::GivenUp, None),
            Outcome::Retry { after } => {
                match next_delay(attempt.saturating_add(1), jitter, after) {
                    Some(delay) => (WebhookOutcome::Retry, Some(delay)),
                    None => (WebhookOutcome::GivenUp, None),
                }
            }
        };
        self.stats.inc(match done {
            WebhookOutcome::Acknowledged => Counter::WebhookAcknowledged,
            WebhookOutcome::Retry => Counter::WebhookRetries,
            WebhookOutcome::GivenUp => Counter::WebhookGivenUp,
        });
        let next = delay.map_or(UnixMs(0), |delay| now.wall.after(delay));
        let entry = WebhookAttempt { at: now.wall, outcome: done, status };
        self.note_webhook(now, sequence, attempt, entry, next);
        if let Some(delay) = delay {
            self.queue_webhook(sequence, endpoint, now.mono + delay);
        }
    }

    fn note_webhook(
        &mut self,
        now: Now,
        sequence: u64,
        attempt: u16,
        entry: WebhookAttempt,
        next: UnixMs,
    ) {
        let record = Record::Webhook {
            sequence,
            attempt,
            at_ms: entry.at.0,
            next_ms: next.0,
            outcome: entry.outcome as u8,
            status: entry.status,
        };
        self.append_of(now, sequence, &record, Urgency::Lazy);
        if let Some(message) = self.table.get_mut(sequence) {
            message.apply_webhook(attempt, entry, next);
        }
        self.close_if_done(now, sequence);
    }

    /// Of a message that is in memory again: an attempt that was still owed. What has just ended is
    /// announced once that is on disk.
    pub(super) fn rearm_webhook(&mut self, now: Now, sequence: u64) {
        let Some(message) = self.table.get(sequence).filter(|message| !message.ending) else {
            return;
        };
        let Webhook::Pending { due, .. } = message.webhook else { return };
        let Some(url) = message.envelope.webhook_url.clone() else { return };
        let endpoint = self.webhooks.intern(&endpoint_of(&url));
        self.webhooks.remove(sequence);
        // No attempt is put off for longer: it was when the wall clock was far ahead.
        let rest = due.since(now.wall);
        let rest = if rest > RETRY_AFTER_MAX { Duration::ZERO } else { rest };
        self.queue_webhook(sequence, endpoint, now.mono + rest);
    }
}

/// Scheme, host and port: what shares connections and troubles.
fn endpoint_of(url: &str) -> String {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(after_scheme..).unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    url.get(..after_scheme + end).unwrap_or(url).to_ascii_lowercase()
}

/// A well-mixed number from a seed: jitter only.
fn splitmix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
