//! The account itself: one entry a message, filled from the ledgers in the order senders, carriers,
//! sinks, then by the store. One per join, on the caller's thread.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, ensure};
use serde::de::IgnoredAny;

use super::lines::{CarrierLine, Read, SenderLine, SinkLine};
use super::report::Report;
use super::stored::{Copies, Held};
use crate::stats::Spans;

/// Messages in all ledgers at most: the account is kept in memory.
const MESSAGES_MAX: usize = 50_000_000;

/// Parts of a message told apart by bits in its entry; further ones by a set.
const BITS: u64 = 64;

/// Ids of lost and of misrouted messages that are named.
pub(super) const NAMED: usize = 20;

/// Final statuses of a message that may never have reached a carrier.
const GIVEN_UP: [&str; 5] = ["rejected", "expired", "failed", "canceled", "undelivered"];

/// All final statuses.
pub(super) const FINAL: [&str; 7] =
    ["delivered", "undelivered", "expired", "rejected", "failed", "canceled", "unknown"];

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The sender's ledger ends before it: as good as unacknowledged.
    #[default]
    Open,
    Accepted,
    Refused,
    Unacknowledged,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    sent: bool,
    /// Its sender asked for webhooks.
    webhook: bool,
    pub(super) outcome: Outcome,
    text: u64,
    accepted_us: u64,
    parts: u64,
    /// Into how many the gateway made it for the carrier, once one is there: a payload is one.
    made: u64,
    /// Which of the first 64 parts are at a carrier.
    taken: u64,
    taken_count: u64,
    last_part_us: u64,
    text_seen: bool,
    text_differs: bool,
    /// Index into [`FINAL`].
    status: Option<usize>,
    webhook_us: u64,
    status_changed: bool,
    pub(super) id: Option<Box<str>>,
    /// What the store says of it.
    pub(super) held: Held,
    /// The copies at carriers, when the store is to be asked.
    pub(super) copies: Copies,
}

impl Entry {
    /// Whether a webhook told its end.
    pub(super) fn is_told(&self) -> bool {
        self.status.is_some()
    }
}

/// See the module's header.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) entries: Vec<Entry>,
    by_number: HashMap<u64, usize>,
    by_id: HashMap<Box<str>, usize>,
    texts: Vec<String>,
    late_parts: HashSet<(usize, u64)>,
    pub(super) ghosts: HashSet<Box<str>>,
    webhooks_asked: bool,
    /// Where the entries and the texts of the present sender begin.
    base: (usize, usize),
    /// Carriers that the store knows by name; `None`: there is no store.
    pub(super) carriers: Option<Vec<String>>,
    /// Which of them a number in the present carriers' ledger stands for.
    numbered: HashMap<u64, u16>,
    accept: Spans,
    pub(super) report: Report,
}

impl Account {
    /// An empty account. `carriers`: the names of the carriers in the store that is asked too.
    pub(super) fn new(carriers: Option<Vec<String>>) -> anyhow::Result<Self> {
        let report = Report { store: carriers.as_ref().map(|_| <_>::default()), ..<_>::default() };
        Ok(Self {
            entries: Vec::new(),
            by_number: HashMap::new(),
            by_id: HashMap::new(),
            texts: Vec::new(),
            late_parts: HashSet::new(),
            ghosts: HashSet::new(),
            webhooks_asked: true,
            base: (0, 0),
            carriers,
            numbered: HashMap::new(),
            accept: Spans::new()?,
            report,
        })
    }

    /// The next lines are of another sender's ledger.
    pub(super) fn begin_sender(&mut self) {
        self.base = (self.entries.len(), self.texts.len());
        self.webhooks_asked = true;
    }

    /// The next lines are of another carriers' ledger.
    pub(super) fn begin_carriers(&mut self) {
        self.numbered.clear();
    }

    /// Takes a line of the sender's ledger.
    pub(super) fn sender(&mut self, line: Read<'_>) -> anyhow::Result<()> {
        let Some(line) = self.whole(line) else { return Ok(()) };
        match serde_json::from_str(line)? {
            SenderLine::Run { webhook } => self.webhooks_asked = webhook,
            SenderLine::Txt { x, text } => {
                let at = self.base.1 + usize::try_from(x)?;
                ensure!(at == self.texts.len(), "texts are not in order");
                self.texts.push(text.into_owned());
            }
            SenderLine::Req { i, to, t, x } => self.sent(i, &to, t, x)?,
            SenderLine::Acc { i, id, t, lat, parts } => self.accepted(i, &id, t, lat, parts)?,
            SenderLine::Err { i } => self.entry(i)?.outcome = Outcome::Refused,
            SenderLine::Una { i } => self.entry(i)?.outcome = Outcome::Unacknowledged,
        }
        Ok(())
    }

    /// Takes a line of a carrier's ledger.
    pub(super) fn carrier(&mut self, line: Read<'_>) -> anyhow::Result<()> {
        let Some(line) = self.whole(line) else { return Ok(()) };
        match serde_json::from_str(line)? {
            CarrierLine::Carrier { c, name } => self.name_carrier(c, &name),
            CarrierLine::Part { t, c, to, id, n, of, st } => {
                self.saw(t);
                if st == 0 {
                    self.part(t, &to, n, of);
                    self.note_copy(&to, c, &id);
                }
            }
            CarrierLine::Inbound {} => {}
            CarrierLine::Text { t, to, text } => {
                self.saw(t);
                self.text(&to, &text);
            }
        }
        Ok(())
    }

    /// Takes a line of the sink's ledger.
    pub(super) fn sink(&mut self, line: Read<'_>) -> anyhow::Result<()> {
        let Some(line) = self.whole(line) else { return Ok(()) };
        let SinkLine::Hook { t, id, st, ok } = serde_json::from_str(line)?;
        self.saw(t);
        if !ok {
            self.report.bad_signatures += 1;
            return Ok(());
        }
        let Some(status) = FINAL.iter().position(|name| *name == st) else { return Ok(()) };
        let found = self.by_id.get(id.as_ref()).copied();
        let Some(entry) = found.and_then(|index| self.entries.get_mut(index)) else {
            self.report.webhooks_unknown += 1;
            return Ok(());
        };
        match entry.status {
            None => {
                entry.status = Some(status);
                entry.webhook_us = t;
            }
            Some(earlier) => entry.status_changed |= earlier != status,
        }
        Ok(())
    }

    fn whole<'a>(&mut self, line: Read<'a>) -> Option<&'a str> {
        match line {
            Read::Line(line) => Some(line),
            Read::Last(line) if serde_json::from_str::<IgnoredAny>(line).is_ok() => Some(line),
            Read::Last(_) => {
                self.report.torn_ledgers += 1;
                None
            }
        }
    }

    fn saw(&mut self, t: u64) {
        self.report.last_us = self.report.last_us.max(t);
    }

    /// Where a message of the present sender has its entry.
    fn place(&self, index: u64) -> Option<usize> {
        usize::try_from(index).ok()?.checked_add(self.base.0)
    }

    fn entry(&mut self, index: u64) -> anyhow::Result<&mut Entry> {
        let entry = self.place(index).and_then(|at| self.entries.get_mut(at));
        entry.filter(|entry| entry.sent).with_context(|| format!("message {index} was never sent"))
    }

    fn sent(&mut self, index: u64, to: &str, t: u64, text: u64) -> anyhow::Result<()> {
        let at = self.place(index).filter(|at| *at < MESSAGES_MAX);
        let at = at.with_context(|| format!("more than {MESSAGES_MAX} messages"))?;
        let text = u64::try_from(self.base.1)? + text;
        if at >= self.entries.len() {
            self.entries.resize(at + 1, Entry::default());
        }
        let number = number(to).with_context(|| format!("{to:?} is not a number"))?;
        let other = self.by_number.insert(number, at);
        ensure!(other.is_none(), "destination {to} is used twice");
        if let Some(entry) = self.entries.get_mut(at) {
            ensure!(!entry.sent, "message {index} is there twice");
            let webhook = self.webhooks_asked;
            *entry = Entry { sent: true, webhook, text, ..Entry::default() };
        }
        let first = self.report.first_us;
        self.report.first_us = if first == 0 { t } else { first.min(t) };
        self.saw(t);
        Ok(())
    }

    fn accepted(
        &mut self,
        index: u64,
        id: &str,
        t: u64,
        lat: u64,
        parts: u64,
    ) -> anyhow::Result<()> {
        let place = self.place(index);
        let entry = self.entry(index)?;
        entry.outcome = Outcome::Accepted;
        entry.accepted_us = t;
        entry.parts = parts;
        entry.id = Some(id.into());
        let other = place.and_then(|at| self.by_id.insert(id.into(), at));
        ensure!(other.is_none(), "message id {id} was given twice");
        self.accept.record_us(lat);
        self.saw(t);
        Ok(())
    }

    /// The message for that destination; one that was never sent to is a ghost.
    pub(super) fn find(&mut self, to: &str) -> Option<usize> {
        let found = number(to).and_then(|number| self.by_number.get(&number)).copied();
        if found.is_none() {
            self.ghosts.insert(digits(to).into());
        }
        found
    }

    fn name_carrier(&mut self, c: u64, name: &str) {
        let known = self.carriers.iter().flatten().position(|known| known == name);
        if let Some(known) = known.and_then(|at| u16::try_from(at).ok()) {
            self.numbered.insert(c, known);
        }
    }

    fn note_copy(&mut self, to: &str, c: u64, id: &str) {
        if self.carriers.is_none() {
            return;
        }
        let carrier = self.numbered.get(&c).copied();
        let found = self.find(to).and_then(|index| self.entries.get_mut(index));
        if let Some(entry) = found {
            entry.copies.add(carrier, id);
        }
    }

    fn part(&mut self, t: u64, to: &str, n: u64, of: u64) {
        let Some(index) = self.find(to) else { return };
        let Some(entry) = self.entries.get_mut(index) else { return };
        let bit = n.checked_sub(1).filter(|bit| *bit < BITS).map(|bit| 1_u64 << bit);
        let fresh = match bit {
            Some(bit) => entry.taken & bit == 0,
            None => self.late_parts.insert((index, n)),
        };
        entry.taken |= bit.unwrap_or(0);
        if !fresh {
            self.report.duplicates += 1;
            return;
        }
        entry.taken_count += 1;
        entry.made = entry.made.max(of);
        entry.last_part_us = entry.last_part_us.max(t);
    }

    fn text(&mut self, to: &str, text: &str) {
        let Some(index) = self.find(to) else { return };
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.text_seen = true;
        let sent = usize::try_from(entry.text).ok().and_then(|at| self.texts.get(at));
        entry.text_differs |= sent.is_some_and(|sent| sent != text);
    }

    /// Draws the balance.
    pub(super) fn report(
        mut self,
        statuses: Option<&HashMap<String, String>>,
    ) -> anyhow::Result<Report> {
        let mut spans = [Spans::new()?, Spans::new()?, Spans::new()?];
        let entries = std::mem::take(&mut self.entries);
        for entry in entries.iter().filter(|entry| entry.sent) {
            self.balance(entry, statuses, &mut spans);
        }
        let [submit, webhook, whole] = spans;
        Ok(Report {
            ghosts: u64::try_from(self.ghosts.len())?,
            accept_ms: self.accept.percentiles(),
            accept_to_submit_ms: submit.percentiles(),
            submit_to_webhook_ms: webhook.percentiles(),
            end_to_end_ms: whole.percentiles(),
            ..self.report
        })
    }

    fn balance(
        &mut self,
        entry: &Entry,
        statuses: Option<&HashMap<String, String>>,
        spans: &mut [Spans; 3],
    ) {
        self.balance_store(entry);
        let report = &mut self.report;
        let at_carrier = entry.taken_count > 0;
        report.text_mismatches += u64::from(entry.text_differs);
        match entry.outcome {
            Outcome::Accepted => {}
            Outcome::Refused => {
                report.refused += 1;
                report.refused_at_carrier += u64::from(at_carrier);
                return;
            }
            Outcome::Open | Outcome::Unacknowledged => {
                report.unacknowledged += 1;
                report.unacknowledged_at_carrier += u64::from(at_carrier);
                return;
            }
        }
        let whole = at_carrier && entry.taken_count >= entry.made;
        report.accepted += 1;
        report.parts += entry.parts;
        report.submitted += u64::from(whole);
        report.webhooks += u64::from(entry.status.is_some());
        let told = entry.status.and_then(|status| FINAL.get(status)).copied();
        let differ = entry.held.last().zip(told).is_some_and(|(held, told)| held != told);
        report.status_changes += u64::from(entry.status_changed || differ);
        report.texts_missing += u64::from(whole && !entry.text_seen);
        let [submit, webhook, end_to_end] = spans;
        if whole {
            submit.record_us(entry.last_part_us.saturating_sub(entry.accepted_us));
        }
        if entry.status.is_some() {
            end_to_end.record_us(entry.webhook_us.saturating_sub(entry.accepted_us));
            if whole {
                webhook.record_us(entry.webhook_us.saturating_sub(entry.last_part_us));
            }
        }
        self.judge(entry, whole, statuses);
    }

    fn judge(&mut self, entry: &Entry, whole: bool, statuses: Option<&HashMap<String, String>>) {
        let id = entry.id.as_deref().unwrap_or("");
        let told = statuses.and_then(|statuses| statuses.get(id)).map(String::as_str);
        let told = told.filter(|name| FINAL.contains(name)).or(entry.held.last());
        let hooked = entry.status.and_then(|status| FINAL.get(status)).copied();
        let stored = entry.held.last().is_some();
        let last = if entry.webhook && !stored { hooked } else { hooked.or(told) };
        match last {
            Some("delivered") => self.report.delivered += 1,
            Some(_) => self.report.undelivered += 1,
            None => {}
        }
        let given_up = hooked.or(told).is_some_and(|name| GIVEN_UP.contains(&name));
        // Without a store a final status is only known to whoever was told.
        let reported = hooked.is_some() || stored || !entry.webhook;
        if entry.held == Held::Open && hooked.is_none() || (whole || given_up) && reported {
            return;
        }
        self.report.lost += 1;
        if self.report.lost_ids.len() < NAMED {
            self.report.lost_ids.push(id.to_owned());
        }
    }
}

/// The number itself, with or without a plus.
fn number(to: &str) -> Option<u64> {
    digits(to).parse().ok()
}

fn digits(to: &str) -> &str {
    to.strip_prefix('+').unwrap_or(to)
}
