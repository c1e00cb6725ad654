//! What the registers have to do on the disk: writing, flushing, removing. Pure; part of the
//! shard's registers.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::disk::{Disk, LogIoError, SideFile};

use super::chore::{Outcome, RegisterChore, RegisterDone, Work};
use super::head::Summary;
use super::listed::{Entry, Listed};
use super::open::OpenRegister;
use super::registers::Registers;
use super::row::anchor_segment;
use super::slots::Survey;

/// A register that takes no more messages and is not written yet.
#[derive(Debug, Clone)]
pub(super) struct Sealed {
    pub(super) number: u64,
    pub(super) stray: bool,
    pub(super) register: Arc<OpenRegister>,
}

/// A register that is no longer listed, whose files are still there.
#[derive(Debug)]
pub(super) struct Doomed {
    pub(super) summary: Arc<Summary>,
    /// A snapshot without it was taken.
    pub(super) unlisted: bool,
    /// And is durable.
    pub(super) released: bool,
}

/// What a flush is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Register(u64),
    Strays,
}

impl Registers {
    /// The next work for a helper thread. One at a time.
    pub fn poll_chore(&mut self) -> Option<RegisterChore> {
        if self.held || self.under_way.is_some() {
            return None;
        }
        self.drop_empty();
        let work = self.next_work()?;
        self.under_way = Some(work.clone());
        Some(RegisterChore(work))
    }

    /// Does the next chore at once, for who may block; false when there is none.
    ///
    /// # Errors
    /// [`LogIoError`] that it met.
    pub fn work<D: Disk>(&mut self, disk: &mut D) -> Result<bool, LogIoError> {
        let Some(chore) = self.poll_chore() else { return Ok(false) };
        let done = chore.run(disk);
        let failed = done.as_ref().err().cloned();
        self.handle_chore(done);
        failed.map_or(Ok(true), Err)
    }

    /// The chore is done. After an error there is none until [`Registers::retry`].
    ///
    /// # Panics
    /// When no chore was under way.
    pub fn handle_chore(&mut self, result: Result<RegisterDone, LogIoError>) {
        let Some(work) = self.under_way.take() else { panic!("no chore was under way") };
        match result {
            Ok(RegisterDone { outcome, .. }) => self.chore_done(outcome),
            Err(_) => self.chore_failed(work),
        }
    }

    /// Tries again what failed: there may be room now.
    pub fn retry(&mut self) {
        self.held = false;
    }

    fn chore_done(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Written { summary, survey } => {
                self.sealed.pop_front();
                let mut entries = self.listed.entries().to_vec();
                entries.push(Entry {
                    summary: Arc::new(summary),
                    survey: Arc::new(survey),
                    settled: true,
                    condemned: false,
                });
                self.listed = Arc::new(Listed::of(entries));
            }
            Outcome::Flushed { surveys, slots } => self.flushed(surveys, &slots),
            Outcome::Removed => {
                self.doomed.retain(|doomed| !doomed.removable());
            }
        }
    }

    fn chore_failed(&mut self, work: Work) {
        self.held = true;
        if let Work::Flush { entries, .. } = work {
            let listed = Arc::make_mut(&mut self.listed);
            for entry in entries {
                if let Some(entry) = listed.entry_mut(entry.summary.number) {
                    entry.settled = false;
                }
            }
        }
    }

    fn flushed(&mut self, surveys: Vec<(u64, Result<Survey, SideFile>)>, slots: &[(u64, u64)]) {
        let listed = Arc::make_mut(&mut self.listed);
        let mut whole = true;
        for (number, survey) in surveys {
            let Some(entry) = listed.entry_mut(number) else { continue };
            match survey {
                Ok(survey) => {
                    entry.survey = Arc::new(survey);
                    entry.settled = true;
                }
                Err(file) => {
                    entry.condemned = true;
                    self.damaged.insert(file);
                    whole = false;
                }
            }
        }
        let mut changes = self.changes.borrow_mut();
        changes.flushes += 1;
        for (sequence, slot) in slots {
            if whole && changes.slots.get(sequence) == Some(slot) {
                changes.slots.remove(sequence);
            }
        }
        self.sweep = true;
    }

    /// Unlists registers of which nothing is left.
    fn drop_empty(&mut self) {
        if !std::mem::take(&mut self.sweep) {
            return;
        }
        let mut changes = self.changes.borrow_mut();
        let empty = |entry: &Entry| {
            let mut changed = changes.slots.range(entry.summary.first..=entry.summary.last);
            u64::from(entry.survey.newest) < changes.oldest
                && changed.all(|(_, packed)| anchor_segment(*packed) < changes.oldest)
        };
        let (gone, kept): (Vec<Entry>, Vec<Entry>) =
            self.listed.entries().iter().cloned().partition(empty);
        if gone.is_empty() {
            return;
        }
        self.listed = Arc::new(Listed::of(kept));
        for Entry { summary, .. } in &gone {
            // Nobody finds these any more, and nothing has to be written for them.
            let left = changes.slots.range(summary.first..=summary.last);
            let left: Vec<u64> = left.map(|(sequence, _)| *sequence).collect();
            for sequence in left {
                changes.slots.remove(&sequence);
            }
        }
        self.doomed.extend(gone.into_iter().map(|entry| Doomed {
            summary: entry.summary,
            unlisted: false,
            released: false,
        }));
    }

    fn next_work(&mut self) -> Option<Work> {
        let removal = self.removal();
        if removal.is_some() {
            return removal;
        }
        // Registers are written first: what has changed in them cannot be flushed before.
        if self.dirty() > self.config.dirty {
            self.next_flush().or_else(|| self.write())
        } else {
            self.write().or_else(|| self.next_flush())
        }
    }

    fn removal(&self) -> Option<Work> {
        let doomed = self.doomed.iter().find(|doomed| doomed.removable())?;
        Some(Work::Remove { number: doomed.summary.number })
    }

    fn write(&self) -> Option<Work> {
        let Sealed { number, stray, register } = self.sealed.front()?.clone();
        Some(Work::Write { number, stray, register })
    }

    fn next_flush(&mut self) -> Option<Work> {
        if self.plan.is_empty() && self.dirty() > self.config.dirty / 2 {
            self.plan = self.planned(self.config.dirty / 4);
        }
        loop {
            let target = self.plan.pop_front()?;
            let work = self.flush_of(target);
            if work.is_some() {
                return work;
            }
        }
    }

    fn flush_of(&self, target: Target) -> Option<Work> {
        let changes = self.changes.borrow();
        let (entries, slots) = match target {
            Target::Register(number) => {
                let entry = self.listed.entry(number)?.clone();
                let range = entry.summary.first..=entry.summary.last;
                (vec![entry], copied(changes.slots.range(range)))
            }
            Target::Strays => {
                let entries = self.listed.strays().to_vec();
                let own = changes.slots.iter().filter(|(sequence, _)| self.is_stray(**sequence));
                (entries, copied(own))
            }
        };
        let sound = entries.iter().all(|entry| !entry.condemned);
        (sound && !entries.is_empty() && !slots.is_empty())
            .then_some(Work::Flush { entries, slots })
    }

    /// Whether the message is in no register but stray ones on the disk.
    fn is_stray(&self, sequence: u64) -> bool {
        let waiting = self.sealed.iter().any(|sealed| sealed.register.slot(sequence).is_some());
        !waiting && !self.owned(sequence)
    }

    /// What to flush until about `left` changed slots are left: those with the most first.
    pub(super) fn planned(&self, left: usize) -> VecDeque<Target> {
        let changes = self.changes.borrow();
        let mut counts: Vec<(usize, Target)> = Vec::new();
        let mut strays = 0;
        for entry in self.listed.entries() {
            if entry.summary.stray {
                strays += 1;
            } else {
                let range = entry.summary.first..=entry.summary.last;
                let count = changes.slots.range(range).count();
                counts.push((count, Target::Register(entry.summary.number)));
            }
        }
        let mut dirty = changes.slots.len();
        let owned: usize = counts.iter().map(|(count, _)| count).sum();
        if strays > 0 {
            counts.push((dirty.saturating_sub(owned), Target::Strays));
        }
        counts.retain(|(count, _)| *count > 0);
        counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let mut plan = VecDeque::new();
        for (count, target) in counts {
            if dirty <= left {
                break;
            }
            dirty = dirty.saturating_sub(count);
            plan.push_back(target);
        }
        plan
    }
}

impl Doomed {
    fn removable(&self) -> bool {
        // No search looks into it any more.
        self.released && Arc::strong_count(&self.summary) == 1
    }
}

fn copied<'a>(slots: impl Iterator<Item = (&'a u64, &'a u64)>) -> Vec<(u64, u64)> {
    slots.map(|(sequence, slot)| (*sequence, *slot)).collect()
}
