//! Erasures as the shard carries them out: forgetting in memory at once, then asking the registers,
//! then the pass over the files. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::route::Explanation;
use postrider_core::submission::Submission;
use postrider_storage::register::{PageQuery, RegisterPage, Slot, Statuses};
use postrider_storage::{ERASED_DONE, Lsn, Record, crash};

use super::pass::{EraseDone, Pass, Stage};
use super::{Asked, ErasureState, Subject, Touch, Touched};
use crate::shard::fetch::{HOT, Wanted};
use crate::shard::reclaim::parked_statuses;
use crate::shard::{After, Op, Shard, ShardChore, Timer};
use postrider_core::place::low_half;

/// What an operator asks of a shard.
#[derive(Clone, Debug)]
pub enum ControlRequest {
    /// Forget somebody.
    Erase {
        /// The erasure's number, the same on every shard.
        id: u64,
        /// Whom.
        subject: Subject,
    },
    /// Say how far erasures are.
    Erasures,
    /// Note that a recipient does not want a customer's messages, or wants them again.
    OptOut {
        /// Durable number of the customer.
        customer: u32,
        /// The recipient; one of the shard's own, unless it wants them again: any shard may know of
        /// it then.
        recipient: postrider_core::number::Msisdn,
        /// Whether it does not want them.
        on: bool,
    },
    /// Say what would become of a message to a number of the shard's own.
    Explain(Box<Submission>),
}

/// What the shard answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlAnswer {
    /// It is on disk.
    Done,
    /// There are as many as there may be.
    Full,
    /// Every erasure of this shard that is not done, and the last ones that are.
    Erasures(Vec<ErasureState>),
    /// What would become of the message; `None` when no carrier can have it.
    Explained(Option<Box<Explanation>>),
}

impl Shard {
    /// An operator's request; the answer comes as [`Op::Controlled`].
    pub fn handle_control(&mut self, now: Now, ticket: u64, request: ControlRequest) {
        match request {
            ControlRequest::Erase { id, subject } => self.erase(now, ticket, id, subject),
            ControlRequest::Erasures => {
                let answer = ControlAnswer::Erasures(self.erasures.states());
                self.ops.push_back(Op::Controlled { ticket, answer });
            }
            ControlRequest::OptOut { customer, recipient, on } => {
                self.opt_out(now, ticket, (customer, recipient), on);
            }
            ControlRequest::Explain(submission) => {
                self.explain_to_operator(now, ticket, &submission);
            }
        }
        self.pump(now);
    }

    fn erase(&mut self, now: Now, ticket: u64, id: u64, subject: Subject) {
        if !self.erasures.has_room() {
            let answer = ControlAnswer::Full;
            return self.ops.push_back(Op::Controlled { ticket, answer });
        }
        let asked = subject.asked(id, &self.shared.placement, now.wall);
        let appended = self.journal.append(now.mono, &asked.record());
        self.journal.then(After::Controlled { ticket, answer: ControlAnswer::Done });
        let (lsn, segment) = (appended.lsn, appended.at.segment);
        self.erasures.add(Asked { lsn, segment, ..asked });
        self.forget(now);
        crash::point("erasure-asked");
    }

    /// Forgets in memory whoever is to be forgotten.
    pub(in crate::shard) fn forget(&mut self, now: Now) {
        if self.erasures.scopes.is_empty() {
            return;
        }
        self.look_ups.forget();
        let scopes = &self.erasures.scopes;
        let meant = self.table.messages().filter(|message| scopes.mean(&message.envelope));
        let meant: Vec<u64> = meant.map(|message| message.envelope.sequence).collect();
        for sequence in meant {
            self.redact_in_memory(sequence, None);
            self.erasures.unsettled.push_back(sequence);
        }
        self.forget_orphans(now);
        self.forget_inbound(now);
    }

    /// After a restart: what was asked for goes on.
    pub(in crate::shard) fn resume_erasures(&mut self, now: Now) {
        if let Some(due) = self.erasures.told_due {
            self.wheel.insert(now.mono + due.since(now.wall), Timer::Erasure);
        }
    }

    /// Takes erasures as far as they go now.
    pub(in crate::shard) fn pump_erasures(&mut self, now: Now) {
        for _ in 0..limits::REDACTED_PER_TURN {
            let Some(sequence) = self.erasures.unsettled.pop_front() else { break };
            self.settle_redacted(now, sequence);
        }
        self.begin_pass(now);
        let Some(pass) = &mut self.erasures.pass else { return };
        let anew = self.journal.last();
        let log = &mut self.journal.log;
        match pass.stage {
            Stage::Waking if self.erasures.unsettled.is_empty() && pass.waking == 0 => {
                pass.anew = anew;
                log.wipe_up_to(log.head_segment());
                pass.stage = Stage::Wiping;
            }
            Stage::Wiping if !log.wiping() => {
                if pass.last >= log.head_segment() {
                    log.roll(now.mono);
                }
                pass.stage = Stage::Rolling;
            }
            Stage::Rolling if log.is_sealed(pass.last) && log.durable() >= pass.anew => {
                if let Some(first) = log.sealed_files().next() {
                    let doubt = self.journal.strangers.in_doubt(first.id, pass.last);
                    pass.touched.extend(doubt);
                }
                pass.sealed(self.journal.log.sealed_files().map(|file| file.id));
            }
            Stage::Over => self.finish_pass(now),
            Stage::Finding(_)
            | Stage::Waking
            | Stage::Wiping
            | Stage::Rolling
            | Stage::Surveying(_)
            | Stage::Rewriting(_)
            | Stage::Exchanging(_)
            | Stage::Overwriting(_)
            | Stage::Quarantine => {}
        }
    }

    /// Begins a pass when one is due and what asks for it is on disk.
    fn begin_pass(&mut self, now: Now) {
        let erasures = &self.erasures;
        let told = erasures.told_due.is_some_and(|due| due <= now.wall);
        if erasures.pass.is_some() || (!told && erasures.asked.is_empty()) {
            return;
        }
        let asked = erasures.asked.iter().map(|asked| (asked.lsn, asked.segment));
        let last = asked.chain(erasures.told.values().copied()).max();
        let Some((up_to, segment)) = last else { return };
        if up_to > self.journal.log.durable() {
            return;
        }
        let (asked, told) = (erasures.asked.clone(), erasures.told.keys().copied().collect());
        let erasing = erasures.erasing(up_to, |sequence| sequence);
        let kept = self.kept_logs(up_to);
        self.erasures.pass = Some(Pass::new((up_to, segment), erasing, asked.len() + 1, kept));
        self.find_slots(now, told);
        for asked in asked {
            if asked.customer == 0 {
                let search = self.registers.by_recipient(low_half(asked.hash));
                self.find_touched(now, 0, Touch::Recipient(search));
            } else {
                self.find_page(now, asked.customer, None);
            }
        }
    }

    fn find_slots(&mut self, now: Now, sequences: Vec<u64>) {
        let next = sequences.into_iter().map(|sequence| (sequence, self.registers.slot(sequence)));
        let search = Touch::Slots { next: next.collect(), found: Vec::new() };
        self.find_touched(now, 0, search);
    }

    fn find_page(&mut self, now: Now, customer: u32, after: Option<(u64, u64)>) {
        let query = PageQuery {
            customer,
            newest_ms: u64::MAX,
            oldest_ms: 0,
            after,
            statuses: Statuses::of(&std::array::from_fn::<u8, 16, _>(|n| {
                u8::try_from(n).unwrap_or(0)
            })),
            limit: limits::ERASURE_PAGE,
            scan_max: limits::ERASURE_PAGE,
        };
        let search = Touch::Customer(self.registers.page(query));
        self.find_touched(now, customer, search);
    }

    /// A search of a pass is over; `None`: a register could not be read.
    pub(in crate::shard) fn touched(&mut self, now: Now, customer: u32, found: Option<Touched>) {
        match found {
            Some(Touched::Sequences(sequences)) => {
                self.search_begun();
                self.find_slots(now, sequences);
            }
            Some(Touched::Slots(slots)) => {
                for (sequence, slot) in slots {
                    self.touch(now, sequence, slot);
                }
            }
            Some(Touched::Page(RegisterPage { rows, looked_to })) => {
                for row in rows {
                    self.touch(now, row.sequence, Some(row.slot));
                }
                if looked_to.is_some() {
                    self.search_begun();
                    self.find_page(now, customer, looked_to);
                }
            }
            None => {
                if let Some(pass) = &mut self.erasures.pass {
                    pass.all = true;
                }
            }
        }
        if let Some(pass) = &mut self.erasures.pass {
            pass.search_over();
        }
    }

    fn search_begun(&mut self) {
        if let Some(pass) = &mut self.erasures.pass {
            pass.search_begun();
        }
    }

    /// A message is meant: its records lie between its acceptance and the last one that is told. What is
    /// open of it is written anew; one that is only on disk is brought back for that, and is not sent
    /// any more.
    fn touch(&mut self, now: Now, sequence: u64, slot: Option<Slot>) {
        let oldest = self.journal.log.oldest_segment();
        let from = self.registers.home_of(sequence).unwrap_or(oldest);
        let here = self.table.has(sequence);
        let is_open = |slot: &Slot| slot.status == HOT || parked_statuses().has(slot.status);
        let last = slot.filter(|slot| !here && !is_open(slot)).map(|slot| slot.at.segment);
        // It may have left memory since the search.
        let cold = !here && slot.as_ref().is_some_and(is_open);
        let Some(pass) = &mut self.erasures.pass else { return };
        pass.touch(from, last);
        if here {
            // It may have come into memory after all there were forgotten.
            self.erasures.unsettled.push_back(sequence);
        } else if cold {
            pass.waking += 1;
            self.want(now, vec![sequence], Wanted::Forget(sequence));
        }
    }

    /// Everything is gone from the files.
    fn finish_pass(&mut self, now: Now) {
        let Some(pass) = self.erasures.pass.take() else { return };
        let Lsn(up_to) = pass.up_to();
        let record = Record::Erased {
            at_ms: now.wall.0,
            scope: ERASED_DONE,
            hash: 0,
            customer: 0,
            until_ms: up_to,
        };
        self.journal.append_lazy(now.mono, &record);
        for asked in self.erasures.asked.iter().filter(|asked| asked.lsn <= pass.up_to()) {
            let state = ErasureState { finished: Some(now.wall), ..pass.state(asked.waiting()) };
            self.erasures.finished.push_back(state);
        }
        while self.erasures.finished.len() > limits::ERASURES_MAX {
            self.erasures.finished.pop_front();
        }
        self.erasures.done(pass.up_to());
    }

    /// The next piece of a pass.
    pub(in crate::shard) fn poll_erase_chore(&mut self) -> Option<ShardChore> {
        let pass = self.erasures.pass.as_mut()?;
        if self.erasures.resting {
            return None;
        }
        let kept = pass.log();
        let number = kept.unwrap_or(self.id.0);
        let exchanging = pass.exchanging().map(|segment| (number, segment));
        self.lookups.close(exchanging);
        if exchanging.is_some_and(|file| self.lookups.reads(file)) {
            return None;
        }
        let (log, archives) = (&self.journal.log, &self.archives);
        let file = |id| match kept {
            Some(kept) => archives.file(kept, id),
            None => log.sealed_files().find(|file| file.id == id),
        };
        let chore = pass.poll_chore(file)?;
        // Anything else goes on after this piece.
        self.erasures.resting = true;
        Some(ShardChore::Erase(chore, number))
    }

    /// Whether a piece of a pass keeps all others waiting.
    pub(in crate::shard) fn is_exchanging(&self) -> bool {
        self.erasures.pass.as_ref().is_some_and(Pass::is_urgent)
    }

    /// A piece of a pass is done, or failed.
    pub(in crate::shard) fn erase_chore_done(&mut self, now: Now, done: EraseDone) {
        self.lookups.close(None);
        let failed = done.result.is_err();
        let Some(pass) = &mut self.erasures.pass else { return };
        let rest = pass.handle_chore(done);
        self.erasures.resting = failed || rest;
        if rest && !failed {
            self.wheel.insert(now.mono + limits::ERASURE_REST, Timer::Erasure);
        }
    }

    /// The next piece may be done.
    pub(in crate::shard) fn erasure_rested(&mut self) {
        self.erasures.resting = false;
    }
}
