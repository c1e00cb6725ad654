//! What the account of a run comes to: plain data.

use std::fmt;

use serde::Serialize;

use crate::stats::Percentiles;

/// What the gateway's store holds of a run. `misrouted` and `refused` are 0 in a sound run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StoreReport {
    /// Messages in it.
    pub messages: u64,
    /// Accepted messages in it that have no final status yet.
    pub pending: u64,
    /// Accepted messages that it keeps no longer, and whose end a webhook told.
    pub forgotten: u64,
    /// Messages of which it says that a carrier has a part under an id that this carrier never gave
    /// to a part for that number: another carrier has it, or another message's answer was taken.
    pub misrouted: u64,
    /// The ids of the first of them, at most 20.
    pub misrouted_ids: Vec<String>,
    /// Messages that the gateway refused, and that are in it all the same.
    pub refused: u64,
    /// Messages in it whose answer was lost.
    pub unacknowledged: u64,
    /// Copies at carriers that it does not know of: their answers were lost, or not yet on disk when
    /// the gateway was killed.
    pub unrecorded_copies: u64,
}

/// Every message of a run accounted for. `lost`, `ghosts`, `text_mismatches`, `texts_missing`,
/// `refused_at_carrier` and `status_changes` are 0 in a sound run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Messages that the gateway acknowledged.
    pub accepted: u64,
    /// Messages that it refused.
    pub refused: u64,
    /// Parts that it promised for the accepted ones.
    pub parts: u64,
    /// Accepted messages whose every part is at a carrier that answered 0.
    pub submitted: u64,
    /// Accepted messages whose final status is `delivered`.
    pub delivered: u64,
    /// Accepted messages with any other final status.
    pub undelivered: u64,
    /// Accepted messages of which a final webhook with a good signature was seen.
    pub webhooks: u64,
    /// Accepted messages that are not at a carrier, though their final status does not say that
    /// they were given up before; or of which no final webhook came, though the run asked for them.
    /// A store that was asked speaks for the webhook, and what is under way in it is not lost.
    pub lost: u64,
    /// The ids of the first of them, at most 20.
    pub lost_ids: Vec<String>,
    /// Parts that carriers took (status 0) beyond the first time.
    pub duplicates: u64,
    /// Destinations at a carrier, or in the store, that the sender never sent to, and messages in
    /// the store under an id that nobody was given.
    pub ghosts: u64,
    /// Messages whose text at the carrier differs from what was sent, in any character.
    pub text_mismatches: u64,
    /// Messages whose every part is at a carrier, but whose text no handset could put together.
    pub texts_missing: u64,
    /// Messages that the gateway refused, and that are at a carrier all the same.
    pub refused_at_carrier: u64,
    /// Messages whose answer was lost: in or out.
    pub unacknowledged: u64,
    /// Those of them that are at a carrier.
    pub unacknowledged_at_carrier: u64,
    /// Webhooks whose signature was not good.
    pub bad_signatures: u64,
    /// Webhooks about messages that the sender has no id of (their answer was lost).
    pub webhooks_unknown: u64,
    /// Messages for which two different final statuses were told, by webhook or by the store.
    pub status_changes: u64,
    /// Ledgers that end in the middle of a line, because their writer was killed.
    pub torn_ledgers: u64,
    /// What the store says of the same messages, when it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreReport>,
    /// From a message's intended instant to its acknowledgement.
    pub accept_ms: Percentiles,
    /// From the acknowledgement to the last part at the carrier, 0 when that came first.
    pub accept_to_submit_ms: Percentiles,
    /// From the last part at the carrier to the final webhook.
    pub submit_to_webhook_ms: Percentiles,
    /// From the acknowledgement to the final webhook.
    pub end_to_end_ms: Percentiles,
    /// When the first message was meant to leave, Unix microseconds.
    pub first_us: u64,
    /// The last time in any ledger, Unix microseconds.
    pub last_us: u64,
}

impl Report {
    /// Whether every message is where it ought to be (duplicates are judged by whoever knows how
    /// many faults there were).
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.lost == 0
            && self.ghosts == 0
            && self.text_mismatches == 0
            && self.texts_missing == 0
            && self.refused_at_carrier == 0
            && self.status_changes == 0
            && self.bad_signatures == 0
            && self.store.as_ref().is_none_or(|store| store.misrouted == 0 && store.refused == 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "accepted          {} ({} parts)", self.accepted, self.parts)?;
        writeln!(f, "refused           {}", self.refused)?;
        writeln!(
            f,
            "unacknowledged    {} ({} at a carrier)",
            self.unacknowledged, self.unacknowledged_at_carrier
        )?;
        writeln!(f, "at a carrier      {}", self.submitted)?;
        writeln!(
            f,
            "final webhooks    {} ({} delivered, {} otherwise)",
            self.webhooks, self.delivered, self.undelivered
        )?;
        writeln!(f, "lost              {}", self.lost)?;
        for id in &self.lost_ids {
            writeln!(f, "  {id}")?;
        }
        writeln!(f, "duplicate parts   {}", self.duplicates)?;
        writeln!(f, "ghosts            {}", self.ghosts)?;
        writeln!(
            f,
            "wrong texts       {} ({} never whole)",
            self.text_mismatches, self.texts_missing
        )?;
        writeln!(f, "refused but sent  {}", self.refused_at_carrier)?;
        if let Some(store) = &self.store {
            write!(f, "{store}")?;
        }
        writeln!(f, "accept            {}", self.accept_ms)?;
        writeln!(f, "accept to submit  {}", self.accept_to_submit_ms)?;
        writeln!(f, "submit to webhook {}", self.submit_to_webhook_ms)?;
        write!(f, "end to end        {}", self.end_to_end_ms)
    }
}

impl fmt::Display for StoreReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, pending, forgotten, refused, unacknowledged, .. } = self;
        writeln!(f, "misrouted         {}", self.misrouted)?;
        for id in &self.misrouted_ids {
            writeln!(f, "  {id}")?;
        }
        writeln!(f, "in the store      {messages} ({pending} under way)")?;
        writeln!(f, "kept no longer    {forgotten}")?;
        writeln!(f, "refused but kept  {refused}")?;
        writeln!(f, "unacknowledged    {unacknowledged} in the store")?;
        writeln!(f, "not on record     {} copies at carriers", self.unrecorded_copies)
    }
}
