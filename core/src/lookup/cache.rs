//! Answers of a provider that still count, by number; the oldest goes when there are too many. Pure;
//! one per shard.

use core::time::Duration;
use std::collections::BTreeMap;

use super::ProviderAnswer;
use crate::clock::UnixMs;
use crate::number::Msisdn;

#[derive(Debug, Default)]
pub(super) struct Cache {
    kept: BTreeMap<Msisdn, Kept>,
    /// By the order in which they came.
    order: BTreeMap<u64, Msisdn>,
    next: u64,
}

#[derive(Debug)]
struct Kept {
    answer: ProviderAnswer,
    at: UnixMs,
    until: Duration,
    place: u64,
}

impl Cache {
    /// What is known of a number, and since when.
    pub(super) fn get(&self, now: Duration, number: Msisdn) -> Option<(&ProviderAnswer, UnixMs)> {
        let kept = self.kept.get(&number).filter(|kept| now < kept.until)?;
        Some((&kept.answer, kept.at))
    }

    /// Keeps an answer until then, among at most so many.
    pub(super) fn put(
        &mut self,
        number: Msisdn,
        (answer, at): (ProviderAnswer, UnixMs),
        until: Duration,
        most: usize,
    ) {
        let place = self.next;
        self.next += 1;
        if let Some(before) = self.kept.insert(number, Kept { answer, at, until, place }) {
            self.order.remove(&before.place);
        }
        self.order.insert(place, number);
        self.shrink(most);
    }

    /// Keeps so many at most.
    pub(super) fn shrink(&mut self, most: usize) {
        while self.kept.len() > most {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.kept.remove(&oldest);
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.order.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}
