//! Which part a receipt is about: the one that its id names, or else the only one that it can mean;
//! and what the part learns from it. Part of the shard's machine.

use std::time::Duration;

use postrider_core::carrier_id::folded as normal;
use postrider_core::clock::Now;
use postrider_core::lifecycle::{self, PartEvent, PartStatus};
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_core::sender::SenderId;
use postrider_smpp::receipt::ReceiptState;
use postrider_storage::crash;

use super::Shard;
use super::cold::receipts::PartName;
use super::mesh::ReceiptNotice;
use super::message::{ALL_PARTS, Event, Message, Part};
use super::pdu::user_message_reference;
use super::table::PartRef;
use crate::stats::Counter;

/// What is known of a part that a receipt with an unknown id may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    /// A copy of it was written of which nothing was heard.
    Lost,
    /// The carrier gave it an id.
    Named,
    /// Its answer is still to come.
    Pending,
}

impl Shard {
    /// Applies a receipt to the part that its id names, of these messages that are here. What it
    /// changed is in the log, not yet on disk.
    pub(super) fn apply_receipt(
        &mut self,
        now: Now,
        notice: &ReceiptNotice,
        among: &[u64],
    ) -> Option<PartRef> {
        let part = self.named_by(notice, among)?;
        if let Some(ids) = self.shared.learned.of(notice.carrier) {
            ids.note_match();
        }
        crash::point("receipt-matched");
        self.tell(now, part, notice);
        crash::point("receipt-recorded");
        Some(part)
    }

    /// The part of these messages that one of the receipt's ids names under the carrier's forms. Should
    /// they name several, the recipient tells.
    pub(super) fn named_by(&self, notice: &ReceiptNotice, among: &[u64]) -> Option<PartRef> {
        let carrier = self.shared.carrier_number(notice.carrier);
        let forms = self.shared.learned.forms(notice.carrier);
        let mut found = notice.spellings(forms).filter_map(|id| self.called(carrier, &id, among));
        let first = found.next()?;
        let meant = |part: &PartRef| {
            let message = self.table.get(part.sequence);
            message.map(|message| message.envelope.to) == notice.handset
        };
        if meant(&first) { Some(first) } else { found.find(meant).or(Some(first)) }
    }

    /// The part of these messages that the carrier calls `id`: the exact spelling first, then without
    /// regard to case, then without leading zeros; two that fit equally well are no match. No id is no
    /// match either.
    fn called(&self, carrier: u32, id: &[u8], among: &[u64]) -> Option<PartRef> {
        // Without its leading zeros an id of zeros alone is empty too.
        if id.is_empty() {
            return None;
        }
        let exact: fn(&[u8], &[u8]) -> bool = |a, b| a == b;
        let folded: fn(&[u8], &[u8]) -> bool = |a, b| a.eq_ignore_ascii_case(b);
        let any: fn(&[u8], &[u8]) -> bool = |a, b| normal(a) == normal(b);
        for same in [exact, folded, any] {
            let messages = among.iter().filter_map(|sequence| self.table.get(*sequence));
            let mut fitting: Vec<PartRef> = messages
                .flat_map(|message| {
                    let sequence = message.envelope.sequence;
                    let own = message.carrier_ids().filter(move |(_, own_carrier, own)| {
                        *own_carrier == carrier && same(own, id)
                    });
                    own.map(move |(part, ..)| PartRef { sequence, part })
                })
                .collect();
            fitting.dedup();
            match fitting.as_slice() {
                [only] => return Some(*only),
                [] => {}
                [..] => return None,
            }
        }
        None
    }

    /// The messages that one of the receipt's ids may name, as far as carriers named them lately.
    pub(super) fn named_lately(&self, notice: &ReceiptNotice) -> Vec<u64> {
        let receipts = self.cold.receipts();
        let names = self.names_in(notice);
        let parts = names.iter().flat_map(|name| receipts.parts(*name));
        let mut named: Vec<u64> = parts.map(|(sequence, _)| sequence).collect();
        named.sort_unstable();
        named.dedup();
        named
    }

    /// What the receipt's ids may be filed as.
    pub(super) fn names_in(&self, notice: &ReceiptNotice) -> Vec<PartName> {
        let carrier = self.shared.carrier_number(notice.carrier);
        let forms = self.shared.learned.forms(notice.carrier);
        let receipts = self.cold.receipts();
        notice.spellings(forms).filter_map(|id| receipts.name(carrier, &id)).collect()
    }

    /// Applies a receipt that no id names to the only part that it can mean: by the reference that
    /// we sent and it repeats, else by sender, recipient and time. A pair of ids found so teaches
    /// the carrier's forms, at the receipt's first look.
    pub(super) fn apply_without_id(
        &mut self,
        now: Now,
        notice: &ReceiptNotice,
        first_look: bool,
    ) -> Option<PartRef> {
        let echoes = self.echoed(notice).is_some();
        let found = self.candidates(notice);
        let [(part, known)] = found.as_slice() else { return None };
        let (part, known) = (*part, *known);
        let own_id = &self.part(part)?.carrier_message_id;
        if known == Candidate::Named
            && first_look
            && let Some(ids) = self.shared.learned.of(notice.carrier)
        {
            ids.observe(own_id, &notice.id);
            ids.observe(own_id, notice.other_id.as_deref().unwrap_or_default());
        }
        let applies = match known {
            // What another copy was told may contradict this one, unless the handset has it.
            Candidate::Lost => own_id.is_empty() || notice.state == Some(ReceiptState::Delivered),
            // Its id says otherwise: only its own reference proves that it is meant.
            Candidate::Named => echoes,
            Candidate::Pending => false,
        };
        if !applies {
            return None;
        }
        self.stats.inc(Counter::ReceiptsInferred);
        if known == Candidate::Lost {
            self.note_sign(now, part, notice);
        }
        self.tell(now, part, notice);
        Some(part)
    }

    /// The reference that the receipt repeats, when the carrier is sent one.
    fn echoed(&self, notice: &ReceiptNotice) -> Option<u16> {
        let profile = self.shared.profile(Some(notice.carrier))?;
        notice.reference.filter(|_| profile.user_message_reference)
    }

    /// The parts that a receipt with an unknown id can mean.
    fn candidates(&self, notice: &ReceiptNotice) -> Vec<(PartRef, Candidate)> {
        let Some(handset) = notice.handset else { return Vec::new() };
        let messages = self.table.sent_to(handset);
        let messages = messages.filter(|message| is_sender(&message.envelope.sender, notice));
        messages.flat_map(|message| self.candidates_in(message, notice)).collect()
    }

    fn candidates_in<'a>(
        &'a self,
        message: &'a Message,
        notice: &'a ReceiptNotice,
    ) -> impl Iterator<Item = (PartRef, Candidate)> + 'a {
        let carrier = self.shared.carrier_number(notice.carrier);
        let last = message.envelope.valid_until.after(limits::RECEIPT_GRACE);
        let in_time =
            move |part: &Part| part.sent.is_some_and(|sent| sent <= notice.at) && notice.at <= last;
        let several = message.parts.len() > 1;
        let whole = several && self.takes_whole(notice.carrier) && message.parts_are_alike();
        let count = if whole { 1 } else { message.parts.len() };
        let ids = self.shared.learned.of(notice.carrier);
        let trusted = ids.is_some_and(super::CarrierIds::ids_match);
        let echoed = self.echoed(notice);
        (0u8..).zip(message.parts.iter().take(count)).filter_map(move |(index, part)| {
            let index = if whole { ALL_PARTS } else { index };
            let at = PartRef { sequence: message.envelope.sequence, part: index };
            let echo = echoed.map(|reference| reference == user_message_reference(at));
            if part.carrier != carrier || !in_time(part) || echo == Some(false) {
                return None;
            }
            let known = candidate(part, echo.is_some(), trusted)?;
            // The copy of another part may be meant that was written before the process started.
            let other = message.recovered && several && !whole && echo.is_none();
            (known != Candidate::Lost || !other).then_some((at, known))
        })
    }

    /// A receipt shows that the carrier took a copy of which nothing was heard: its id is the part's.
    fn note_sign(&mut self, now: Now, part: PartRef, notice: &ReceiptNotice) {
        let carrier = self.shared.carrier_number(notice.carrier);
        for part in self.spread(part) {
            let kind = match self.part_status(part) {
                Some(PartStatus::Queued | PartStatus::OutcomeUnknown) => PartEvent::Submitted,
                Some(_) if !notice.id.is_empty() => PartEvent::AcceptedLate,
                Some(_) | None => continue,
            };
            let detail = notice.id.clone().into();
            let event = Event { carrier, detail, ..self.event(now, part, kind) };
            self.part_event(now, part.sequence, event, false);
        }
    }

    fn tell(&mut self, now: Now, part: PartRef, notice: &ReceiptNotice) {
        for part in self.spread(part) {
            self.tell_part(now, part, notice);
        }
    }

    /// Notes what a receipt says of a part.
    fn tell_part(&mut self, now: Now, part: PartRef, notice: &ReceiptNotice) {
        let Some(message) = self.table.get(part.sequence) else { return };
        let Some(held) = message.part(part.part) else { return };
        let kind = event_of(notice.state);
        let kind = match (held.status.is_final(), kind) {
            (false, kind) => kind,
            (true, PartEvent::Intermediate) => return self.stats.inc(Counter::ReceiptsDuplicate),
            (true, kind) if leads_to(kind) == Some(held.status) => {
                return self.stats.inc(Counter::ReceiptsDuplicate);
            }
            (true, _) => PartEvent::LateReceipt,
        };
        let known = |event: &Event| event.kind == kind && *event.detail == *notice.words;
        let repeated = matches!(kind, PartEvent::LateReceipt | PartEvent::Intermediate);
        if repeated && message.events.iter().any(|event| event.part == part.part && known(event)) {
            return self.stats.inc(Counter::ReceiptsDuplicate);
        }
        if repeated && message.bytes >= limits::RECORDS_PER_MESSAGE {
            return self.stats.inc(Counter::ReceiptsDuplicate);
        }
        self.stats.inc(if kind == PartEvent::LateReceipt {
            Counter::ReceiptsLate
        } else if kind == PartEvent::Intermediate {
            Counter::ReceiptsIntermediate
        } else {
            Counter::ReceiptsMatched
        });
        if leads_to(kind).is_some_and(PartStatus::is_final) && self.is_credible(part, notice, kind)
        {
            self.learn_from_receipt(now, part, notice.carrier, kind);
        }
        let carrier = self.shared.carrier_number(notice.carrier);
        let detail =
            if kind == PartEvent::Delivered { Box::default() } else { notice.words.clone().into() };
        let event = Event { carrier, detail, ..self.event(now, part, kind) };
        self.part_event(now, part.sequence, event, true);
    }

    /// Whether a receipt that ends a part can be true: it is none that came with the carrier's answer.
    fn is_credible(&self, part: PartRef, notice: &ReceiptNotice, kind: PartEvent) -> bool {
        let Some(message) = self.table.get(part.sequence) else { return true };
        let taken = message.last_event(part.part, PartEvent::Submitted).map(|event| event.at);
        let taken = taken.or_else(|| message.part(part.part)?.sent);
        let (Some(taken), Some(own)) = (taken, self.shared.learned.of(notice.carrier)) else {
            return true;
        };
        // It may have overtaken the answer.
        let apart = Duration::from_millis(notice.at.0.abs_diff(taken.0));
        own.note_receipt(kind == PartEvent::Delivered, apart)
    }
}

/// What a part is to a receipt with an unknown id; `None` when it cannot be meant. `echoed`: the
/// receipt repeats the part's own reference. `trusted`: ids are known to meet, so that one which
/// names no part cannot be that of a part which has one.
fn candidate(part: &Part, echoed: bool, trusted: bool) -> Option<Candidate> {
    if part.lost {
        Some(Candidate::Lost)
    } else if !part.carrier_message_id.is_empty() {
        (echoed || !(trusted || part.status.is_final())).then_some(Candidate::Named)
    } else {
        part.in_flight.then_some(Candidate::Pending)
    }
}

/// Whether a receipt's destination is the sender of a message.
fn is_sender(sender: &SenderId, notice: &ReceiptNotice) -> bool {
    match sender {
        SenderId::LongCode(number) => Msisdn::from_carrier(&notice.destination) == Some(*number),
        SenderId::ShortCode(_) | SenderId::Alphanumeric(_) => {
            sender.address().as_bytes().eq_ignore_ascii_case(&notice.destination)
        }
    }
}

/// The event that a reported state is for a part.
fn event_of(state: Option<ReceiptState>) -> PartEvent {
    match state {
        Some(ReceiptState::Delivered) => PartEvent::Delivered,
        Some(ReceiptState::Expired) => PartEvent::Expired,
        Some(ReceiptState::Rejected) => PartEvent::Rejected,
        Some(ReceiptState::Undeliverable | ReceiptState::Deleted | ReceiptState::Skipped) => {
            PartEvent::Undelivered
        }
        // A state we do not know is kept as sent and ends nothing.
        Some(
            ReceiptState::Scheduled
            | ReceiptState::Enroute
            | ReceiptState::Accepted
            | ReceiptState::Unknown,
        )
        | None => PartEvent::Intermediate,
    }
}

/// The status that a receipt's event gives to a part that was submitted.
fn leads_to(kind: PartEvent) -> Option<PartStatus> {
    lifecycle::next(PartStatus::Submitted, kind).ok()
}
