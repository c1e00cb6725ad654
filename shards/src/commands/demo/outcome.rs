//! What a demonstration came to, for people and for programs.

use std::fmt;

use postrider_loadgen::ledger::Report;
use serde_json::{Value, json};

use super::usage::Usage;

/// The account of the run and what the gateway used for it.
pub(super) struct Outcome {
    pub(super) report: Report,
    pub(super) usage: Usage,
    pub(super) shards: u16,
}

impl Outcome {
    /// Whether every message is accounted for, exactly once.
    fn is_sound(&self) -> bool {
        let report = &self.report;
        report.is_sound()
            && report.duplicates == 0
            && report.webhooks == report.accepted
            && report.delivered + report.undelivered == report.accepted
    }

    /// Prints the account and says whether it is sound.
    pub(super) fn show(&self, json: bool) -> bool {
        if json {
            println!("{}", self.to_json());
        } else {
            print!("{self}");
        }
        self.is_sound()
    }

    fn seconds(&self) -> f64 {
        let micros = self.report.last_us.saturating_sub(self.report.first_us);
        as_f64(micros) / 1e6
    }

    fn per_second(&self) -> f64 {
        let seconds = self.seconds();
        if seconds > 0.0 { as_f64(self.report.accepted) / seconds } else { 0.0 }
    }

    fn cpu_us_per_message(&self) -> f64 {
        let accepted = as_f64(self.report.accepted.max(1));
        self.usage.cpu.as_secs_f64() * 1e6 / accepted
    }

    fn resident_mb(&self) -> f64 {
        as_f64(self.usage.resident) / 1e6
    }

    /// One object with everything.
    fn to_json(&self) -> Value {
        let mut object = serde_json::to_value(&self.report).unwrap_or_else(|_| json!({}));
        let ours = json!({
            "shards": self.shards,
            "seconds": round(self.seconds(), 3),
            "messages_per_second": round(self.per_second(), 1),
            "gateway_cpu_us_per_message": round(self.cpu_us_per_message(), 1),
            "gateway_rss_mb": round(self.resident_mb(), 1),
            "sound": self.is_sound(),
        });
        if let (Some(object), Value::Object(ours)) = (object.as_object_mut(), ours) {
            object.extend(ours);
        }
        object
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.report)?;
        writeln!(
            f,
            "throughput        {:.0} messages a second over {:.2} s, HTTP to webhook",
            self.per_second(),
            self.seconds()
        )?;
        writeln!(
            f,
            "the gateway       {} shards, {:.0} us of processor time a message, {:.0} MB",
            self.shards,
            self.cpu_us_per_message(),
            self.resident_mb()
        )?;
        if self.is_sound() {
            writeln!(f, "Every message is accounted for.")
        } else {
            writeln!(f, "NOT every message is accounted for.")
        }
    }
}

/// For ratios shown to people: 2^53 is enough.
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}
