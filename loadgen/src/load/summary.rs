//! What a load run found: plain data, made once at its end.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::stats::Percentiles;

/// The result of [`super::run_load`]. `messages` = `accepted` + `refused_total` + `unacknowledged`
/// + `unsent`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LoadSummary {
    /// How many messages the run was about.
    pub messages: u64,
    /// Messages that the gateway took.
    pub accepted: u64,
    /// Parts that it promised for them.
    pub parts: u64,
    /// Messages that it did not take, over all codes.
    pub refused_total: u64,
    /// The same by problem code.
    pub refused: BTreeMap<String, u64>,
    /// Requests whose connection broke, or that timed out, before an answer: the message may be in
    /// or out. They are not sent again.
    pub unacknowledged: u64,
    /// Messages never sent, because the gateway could not be reached any more or the run was ended.
    pub unsent: u64,
    /// Answers 503 after which a message was sent again.
    pub retried_503: u64,
    /// Attempts to connect that failed (and were made again).
    pub connect_errors: u64,
    /// Messages a second that were asked for; 0 in a closed loop.
    pub rate_asked: f64,
    /// Messages accepted a second, from the first one's intended instant to the last answer,
    /// without the warm-up.
    pub rate_achieved: f64,
    /// The same span, seconds.
    pub seconds: f64,
    /// From a message's intended instant to its request being written: the generator's own lag and,
    /// when all connections wait for answers, the wait for one.
    pub lag_ms: Percentiles,
    /// From a message's intended instant to its acceptance, without the warm-up.
    pub accept_ms: Percentiles,
    /// From the request being written to its acceptance, without the warm-up.
    pub service_ms: Percentiles,
}

impl LoadSummary {
    /// The summary as one JSON line, or for people.
    #[must_use]
    pub fn render(&self, json: bool) -> String {
        if json {
            return serde_json::to_string(self).unwrap_or_default();
        }
        self.to_string()
    }
}

impl fmt::Display for LoadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "messages        {}", self.messages)?;
        writeln!(f, "accepted        {} ({} parts)", self.accepted, self.parts)?;
        writeln!(f, "refused         {}", self.refused_total)?;
        for (code, count) in &self.refused {
            writeln!(f, "  {code:<30} {count}")?;
        }
        writeln!(f, "unacknowledged  {} (the answer was lost: in or out)", self.unacknowledged)?;
        writeln!(f, "unsent          {}", self.unsent)?;
        writeln!(f, "503, sent again {}", self.retried_503)?;
        writeln!(f, "connect errors  {}", self.connect_errors)?;
        let asked = if self.rate_asked > 0.0 {
            format!("{:.0} asked", self.rate_asked)
        } else {
            "closed loop".to_owned()
        };
        writeln!(
            f,
            "rate            {:.0}/s ({asked}) over {:.2} s",
            self.rate_achieved, self.seconds
        )?;
        writeln!(f, "accept          {}", self.accept_ms)?;
        writeln!(f, "  from writing  {}", self.service_ms)?;
        write!(f, "  sender's lag  {}", self.lag_ms)
    }
}
