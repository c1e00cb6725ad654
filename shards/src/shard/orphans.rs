//! Receipts whose message is not known yet: kept durably, looked for again when an id is stored, when
//! the forms of ids change, when a part's outcome becomes unknown, and after 1, 10 and 60 s, and given
//! up after five minutes. One `Orphans` per shard.

use std::collections::BTreeMap;

use postrider_core::carrier_id::{IdForms, folded};
use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_core::route::CarrierIx;
use postrider_storage::{Position, Record};

use super::fetch::ReceiptAt;
use super::mesh::{ReceiptNotice, ReceiptOutcome, Seeker};
use super::receipt_pdu::{names_of, orphan_record};
use super::{Shard, Timer};
use crate::stats::Counter;

/// Receipts whose message is not known yet.
pub(crate) struct Orphans {
    parked: BTreeMap<u64, Orphan>,
    /// By carrier and the id in the form under which spellings meet.
    by_id: BTreeMap<Key, Vec<u64>>,
    by_handset: BTreeMap<(CarrierIx, Msisdn), Vec<u64>>,
    by_carrier: BTreeMap<CarrierIx, usize>,
    /// Changes of the forms of each carrier's ids that `by_id` knows of.
    changes: BTreeMap<CarrierIx, u32>,
    next: u64,
}

type Key = (CarrierIx, Box<[u8]>);

pub(crate) struct Orphan {
    notice: Box<ReceiptNotice>,
    /// Where its record lies.
    at: Position,
    /// Its places in `by_id`.
    keys: Vec<Key>,
    /// Looks so far.
    looks: usize,
}

/// What came of a parked receipt; the number is the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum OrphanOutcome {
    Matched = 1,
    GivenUp = 2,
}

impl Orphans {
    pub(crate) fn new() -> Self {
        Orphans {
            parked: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_handset: BTreeMap::new(),
            by_carrier: BTreeMap::new(),
            changes: BTreeMap::new(),
            next: 1,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.parked.len()
    }

    /// The number of the next orphan.
    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    /// A number that the log names is not given again.
    pub(crate) fn seen(&mut self, number: u64) {
        self.next = self.next.max(number + 1);
    }

    /// Files an orphan under the number that it has in the log, where every spelling of its ids
    /// under these forms finds it. Its record lies at `at`.
    pub(crate) fn insert(
        &mut self,
        number: u64,
        at: Position,
        notice: Box<ReceiptNotice>,
        forms: IdForms,
    ) {
        self.seen(number);
        self.remove(number);
        *self.by_carrier.entry(notice.carrier).or_default() += 1;
        if let Some(handset) = notice.handset {
            self.by_handset.entry((notice.carrier, handset)).or_default().push(number);
        }
        self.parked.insert(number, Orphan { notice, at, keys: Vec::new(), looks: 0 });
        self.index(number, forms);
    }

    fn index(&mut self, number: u64, forms: IdForms) {
        self.unindex(number);
        let Some(orphan) = self.parked.get_mut(&number) else { return };
        let notice = &orphan.notice;
        let spellings = notice.spellings(forms);
        orphan.keys = spellings.map(|id| (notice.carrier, folded(&id))).collect();
        for key in &orphan.keys {
            self.by_id.entry(key.clone()).or_default().push(number);
        }
    }

    fn unindex(&mut self, number: u64) {
        let Some(orphan) = self.parked.get_mut(&number) else { return };
        for key in std::mem::take(&mut orphan.keys) {
            if let Some(numbers) = self.by_id.get_mut(&key) {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    self.by_id.remove(&key);
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<Orphan> {
        self.unindex(number);
        let orphan = self.parked.remove(&number)?;
        let ReceiptNotice { carrier, handset, .. } = *orphan.notice;
        if let Some(count) = self.by_carrier.get_mut(&carrier) {
            *count -= 1;
        }
        if let Some(handset) = handset
            && let Some(numbers) = self.by_handset.get_mut(&(carrier, handset))
        {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.by_handset.remove(&(carrier, handset));
            }
        }
        Some(orphan)
    }

    /// Forgets the receipts of other handsets than those, by their source addresses.
    pub(crate) fn retain(&mut self, own: impl Fn(&[u8]) -> bool) {
        let others = self.parked.iter().filter(|(_, parked)| !own(&parked.notice.source));
        for number in others.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.remove(number);
        }
    }

    pub(crate) fn is_parked(&self, number: u64) -> bool {
        self.parked.contains_key(&number)
    }

    /// The numbers parked, oldest first.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.parked.keys().copied().collect()
    }

    /// The numbers parked, with the places of their records.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u64, Position)> + '_ {
        self.parked.iter().map(|(number, orphan)| (*number, orphan.at))
    }

    fn has_room(&self, carrier: CarrierIx) -> bool {
        self.by_carrier.get(&carrier).is_none_or(|count| *count < limits::ORPHANS_PER_CARRIER)
    }

    /// The parked receipts whose id may be `id`.
    fn called(&self, carrier: CarrierIx, id: &[u8]) -> Vec<u64> {
        self.by_id.get(&(carrier, folded(id))).cloned().unwrap_or_default()
    }
}

impl Shard {
    /// At the owner, when no message has the receipt's id: applies it to the only part that it can
    /// mean, or keeps it durably until its message turns up. One without an id is not kept: it would
    /// mean no more later.
    pub(super) fn apply_or_park(&mut self, now: Now, notice: &ReceiptNotice) -> ReceiptOutcome {
        if self.apply_without_id(now, notice, true).is_some() {
            return ReceiptOutcome::Applied;
        }
        if notice.has_no_id() {
            self.stats.inc(Counter::ReceiptsOrphaned);
            return ReceiptOutcome::Parked;
        }
        if !self.orphans.has_room(notice.carrier) {
            return ReceiptOutcome::Refused;
        }
        self.stats.inc(Counter::ReceiptsParked);
        let forms = self.shared.learned.forms(notice.carrier);
        let orphan = self.orphans.next_number();
        let carrier = self.shared.carrier_number(notice.carrier);
        let names = names_of(notice);
        let record = orphan_record(orphan, carrier, &names, notice);
        let at = self.journal.append(now.mono, &record).at;
        self.orphans.insert(orphan, at, Box::new(notice.clone()), forms);
        self.schedule_look(now, orphan);
        ReceiptOutcome::Parked
    }

    /// Puts the next look for an orphan into the wheel.
    pub(super) fn schedule_look(&mut self, now: Now, orphan: u64) {
        let Some(parked) = self.orphans.parked.get(&orphan) else { return };
        let delay = limits::ORPHAN_RETRIES.get(parked.looks).copied();
        let rest = parked.notice.at.after(limits::ORPHAN_GIVE_UP).since(now.wall);
        let rest = rest.min(limits::ORPHAN_GIVE_UP);
        self.wheel.insert(now.mono + delay.unwrap_or(rest).min(rest), Timer::Orphan(orphan));
    }

    /// Time to look for an orphan's message again, or to give it up.
    pub(super) fn seek_orphan(&mut self, now: Now, orphan: u64) {
        let Some(parked) = self.orphans.parked.get_mut(&orphan) else { return };
        parked.looks += 1;
        let notice = parked.notice.clone();
        self.take_receipt(now, notice, ReceiptAt::Orphan(orphan));
    }

    /// An orphan's message was looked for here.
    pub(super) fn orphan_seen(
        &mut self,
        now: Now,
        orphan: u64,
        notice: Box<ReceiptNotice>,
        applied: bool,
    ) {
        if applied {
            self.close_orphan(now, orphan, OrphanOutcome::Matched);
        } else {
            self.infer(now, notice, ReceiptAt::Orphan(orphan));
        }
    }

    /// An orphan's id names no message here, and what its carrier has for the recipient is in memory.
    pub(super) fn orphan_inferred(&mut self, now: Now, orphan: u64, notice: Box<ReceiptNotice>) {
        if !self.orphans.is_parked(orphan) {
            return;
        }
        let old = now.wall.since(notice.at) >= limits::ORPHAN_GIVE_UP;
        if self.apply_without_id(now, &notice, false).is_some() {
            self.close_orphan(now, orphan, OrphanOutcome::Matched);
        } else if old {
            self.stats.inc(Counter::ReceiptsOrphaned);
            self.close_orphan(now, orphan, OrphanOutcome::GivenUp);
        } else {
            self.ask_peers(now, Seeker::Orphan(orphan), notice);
        }
    }

    /// Nobody knows what became of a part for this handset: what its carrier reported of it may be parked.
    pub(super) fn seek_orphans_of(&mut self, now: Now, carrier: CarrierIx, handset: Msisdn) {
        let parked = self.orphans.by_handset.get(&(carrier, handset));
        for orphan in parked.cloned().unwrap_or_default() {
            self.seek_orphan(now, orphan);
        }
    }

    /// A parked receipt was matched by another shard.
    pub(super) fn orphan_matched(&mut self, now: Now, orphan: u64) {
        self.close_orphan(now, orphan, OrphanOutcome::Matched);
    }

    fn close_orphan(&mut self, now: Now, orphan: u64, outcome: OrphanOutcome) {
        if self.orphans.remove(orphan).is_some() {
            let record = Record::OrphanClosed { orphan, at_ms: now.wall.0, outcome: outcome as u8 };
            self.journal.append_lazy(now.mono, &record);
        }
    }

    /// A carrier's id was stored: receipts that overtook it are parked here.
    pub(super) fn match_orphans(&mut self, now: Now, carrier: CarrierIx, id: &[u8]) {
        if self.orphans.parked.is_empty() {
            return;
        }
        for orphan in self.orphans.called(carrier, id) {
            let parked = self.orphans.parked.get(&orphan);
            let Some(notice) = parked.map(|parked| parked.notice.clone()) else { continue };
            self.match_orphan(now, orphan, &notice);
        }
    }

    /// Applies a parked receipt to a part that is here, if there is one.
    fn match_orphan(&mut self, now: Now, orphan: u64, notice: &ReceiptNotice) {
        let lately = self.named_lately(notice);
        if self.apply_receipt(now, notice, &lately).is_some() {
            self.close_orphan(now, orphan, OrphanOutcome::Matched);
        }
    }

    /// Gives up the parked receipts of those who are to be forgotten.
    pub(super) fn forget_orphans(&mut self, now: Now) {
        let scopes = self.erasures.scopes();
        let meant = |notice: &ReceiptNotice| {
            [&notice.source, &notice.destination].into_iter().any(|address| {
                let number = Msisdn::from_carrier(address);
                number.is_some() && scopes.include(number, 0, notice.at)
            })
        };
        let parked = self.orphans.parked.iter().filter(|(_, orphan)| meant(&orphan.notice));
        let meant: Vec<u64> = parked.map(|(number, _)| *number).collect();
        for orphan in meant {
            self.close_orphan(now, orphan, OrphanOutcome::GivenUp);
        }
    }

    /// The oldest segment is given back: parked receipts are written again.
    pub(super) fn carry_orphans(&mut self, now: Now) {
        for (orphan, parked) in &mut self.orphans.parked {
            let notice = &parked.notice;
            let (carrier, names) = (self.shared.carrier_number(notice.carrier), names_of(notice));
            let record = orphan_record(*orphan, carrier, &names, notice);
            parked.at = self.journal.append_lazy(now.mono, &record).at;
        }
    }

    /// The forms of a carrier's ids may have changed: then its parked receipts get another look.
    pub(super) fn look_again(&mut self, now: Now, carrier: CarrierIx) {
        let Some(ids) = self.shared.learned.of(carrier) else { return };
        let (changes, forms) = (ids.changes(), ids.forms());
        if self.orphans.changes.insert(carrier, changes).unwrap_or(0) == changes {
            return;
        }
        for orphan in self.orphans.numbers() {
            let parked = self.orphans.parked.get(&orphan);
            let parked = parked.filter(|parked| parked.notice.carrier == carrier);
            let Some(notice) = parked.map(|parked| parked.notice.clone()) else { continue };
            self.orphans.index(orphan, forms);
            self.match_orphan(now, orphan, &notice);
        }
    }
}
