//! Erasures in a simulated world: at some moment an operator has somebody forgotten, and asks again after
//! every death of the process until he is answered. From then on nothing of them may be shown; in the
//! end nothing of them may be on a disk. Part of the world.

use std::time::Duration;

use postrider_core::clock::UnixMs;
use postrider_core::id::MessageId;
use postrider_core::number::Msisdn;
use postrider_http::response::message_json;
use postrider_shards::shard::{ApiResponse, ControlAnswer, ControlRequest, Subject};
use postrider_storage::{Disk, Log, MemDisk, Record, Replayed};

use super::api::get;
use super::contents::{asks_to_discard, retention};
use super::happening::Happening;
use super::process::Step;
use super::world::World;
use crate::traces;

/// The ticket with which an operator asks how far erasures are.
const HOW_FAR: u64 = u64::MAX;

/// What can happen of an erasure.
#[derive(Clone, Copy)]
pub enum Moment {
    /// Somebody is to be forgotten.
    Begin,
    /// The operator asks again for the nth of them to be forgotten.
    Ask(usize),
    /// The customer looks at what was theirs.
    Look(usize),
}

/// Somebody who is to be forgotten.
pub struct Erasure {
    number: String,
    /// What they were sent, when that can be told from what others were.
    text: Option<String>,
    /// What the customer can ask for.
    message: Option<MessageId>,
    /// How often the operator has asked.
    asked: u64,
    /// Shards that have not answered the last time.
    waiting: Vec<usize>,
    /// All have answered at once, once.
    answered: bool,
    /// When they were asked the last time: what comes later may stay.
    until: UnixMs,
}

/// Everybody who is to be forgotten.
#[derive(Default)]
pub struct Erasures {
    erasures: Vec<Erasure>,
    /// Moments that are still to come.
    planned: u64,
    /// Whether the shard that was asked last has nothing left to do.
    finished: bool,
}

impl Erasures {
    pub fn len(&self) -> usize {
        self.erasures.len()
    }

    /// Whether nobody is left to be asked for, and all that was asked is answered.
    pub fn are_answered(&self) -> bool {
        self.planned == 0 && self.erasures.iter().all(|erasure| erasure.answered)
    }

    /// Whether somebody is to be forgotten, or already is.
    pub fn has(&self, number: &str) -> bool {
        self.erasures.iter().any(|erasure| erasure.number == number)
    }
}

impl World {
    /// When somebody is to be forgotten; two worlds in three have it.
    pub(super) fn plan_erasures(&mut self) {
        if self.seed.is_multiple_of(3) || !self.clock.is_right() {
            return;
        }
        for _ in 0..1 + self.rng.below(4) {
            self.erasing.planned += 1;
            let at = self.now + Duration::from_millis(3_000 + self.rng.below(30_000));
            self.at(at, Happening::Erasure(Moment::Begin));
        }
    }

    pub(super) fn erasure(&mut self, moment: Moment) {
        match moment {
            Moment::Begin => self.begin_erasure(),
            Moment::Ask(index) => self.ask_erasure(index),
            Moment::Look(index) => self.look(index),
        }
    }

    /// Somebody is to be forgotten, who sent or was sent something that was acknowledged: what comes
    /// later may stay.
    fn begin_erasure(&mut self) {
        let mut known: Vec<Erasure> = Vec::new();
        for submission in &self.submissions {
            let Some(Ok(id)) = submission.answer else { continue };
            let text = Some(submission.text.clone()).filter(|text| text.len() >= 12);
            known.push(Erasure::of(&submission.number, text, Some(id)));
        }
        for submitted in &self.customer.submitted {
            let id = submitted.id.as_ref().map(|id| id.parse().unwrap());
            known.extend(id.map(|id| Erasure::of(&submitted.number, None, Some(id))));
        }
        for (index, written) in self.written.iter().enumerate() {
            if self.was_taken(index) && number_of(&written.handset).is_some() {
                known.push(Erasure::of(&written.handset, None, None));
            }
        }
        known.retain(|erasure| !self.erasing.has(&erasure.number));
        self.erasing.planned -= 1;
        if known.is_empty() {
            return;
        }
        let chosen = known.swap_remove(self.rng.below(known.len() as u64) as usize);
        self.erasing.erasures.push(chosen);
        self.ask_erasure(self.erasing.len() - 1);
    }

    /// The operator asks, unless nobody listens; then a little later.
    fn ask_erasure(&mut self, index: usize) {
        let shards = self.shards.len();
        let erasure = &mut self.erasing.erasures[index];
        erasure.asked += 1;
        erasure.waiting = (0..shards).collect();
        if shards == 0 {
            return self
                .at(self.now + Duration::from_millis(500), Happening::Erasure(Moment::Ask(index)));
        }
        let id = erasure.asked << 32 | index as u64;
        let subject = Subject::Recipient(number_of(&erasure.number).unwrap());
        for shard in 0..shards {
            if self.shards.len() < shards {
                // It died meanwhile.
                return;
            }
            let now = self.clock();
            self.erasing.erasures[index].until = now.wall;
            let request = ControlRequest::Erase { id, subject };
            self.shards[shard].handle_control(now, index as u64, request);
            self.drive_after(shard, Step::TookRequest);
        }
    }

    /// A shard has answered the operator.
    pub(super) fn controlled(&mut self, shard: usize, ticket: u64, answer: &ControlAnswer) {
        match answer {
            ControlAnswer::Explained(_) => panic!("nobody asked for that"),
            ControlAnswer::Erasures(states) => {
                self.erasing.finished = states.iter().all(|state| state.finished.is_some());
                return;
            }
            ControlAnswer::Done => assert_ne!(ticket, HOW_FAR),
            ControlAnswer::Full => panic!("seed {}: no room for an erasure", self.seed),
        }
        let index = usize::try_from(ticket).unwrap();
        let erasure = &mut self.erasing.erasures[index];
        erasure.waiting.retain(|other| *other != shard);
        if !erasure.answered && erasure.waiting.is_empty() {
            erasure.answered = true;
            // The customer looks now and then.
            for _ in 0..4 {
                self.soon(10_000_000, Happening::Erasure(Moment::Look(index)));
            }
        }
    }

    /// The customer asks for what is forgotten, and does not wait for the answer.
    fn look(&mut self, index: usize) {
        let Some(id) = self.erasing.erasures[index].message else { return };
        if self.shards.is_empty() {
            return;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let shard = self.rng.below(self.shards.len() as u64) as usize;
        self.request(shard, ticket, get(id));
    }

    /// The process died: who was not answered asks again.
    pub(super) fn erasures_killed(&mut self) {
        for index in 0..self.erasing.len() {
            let erasure = &mut self.erasing.erasures[index];
            if !erasure.answered {
                // Some shard may never have heard of it.
                erasure.waiting.clear();
                self.soon(3_000_000, Happening::Erasure(Moment::Ask(index)));
            }
        }
    }

    /// What the customer is shown of messages.
    pub(super) fn check_response(&self, response: &ApiResponse) {
        match response {
            ApiResponse::Message(view) => self.check_shown("GET", &message_json(view)),
            ApiResponse::Page { items, .. } => {
                items.iter().for_each(|view| self.check_shown("a list", &message_json(view)));
            }
            _ => {}
        }
    }

    /// Nothing of the forgotten is in what others are shown.
    pub(super) fn check_shown(&self, what: &str, octets: &[u8]) {
        for erasure in self.erasing.erasures.iter().filter(|erasure| erasure.answered) {
            let Erasure { number, text, .. } = erasure;
            let mut needles = vec![number.as_bytes().to_vec()];
            needles.extend(text.iter().map(|text| text.as_bytes().to_vec()));
            let shown = traces::any_in(octets, &needles);
            let octets = String::from_utf8_lossy(octets);
            assert!(!shown, "seed {}: {what} shows {number}, who is erased: {octets}", self.seed);
        }
    }

    /// Lets all passes come to their end: they move the log on, and with it what can be read.
    pub fn finish_erasures(&mut self) -> Result<(), String> {
        let limit = self.elapsed() + Duration::from_secs(24 * 3_600);
        for shard in 0..self.shards.len() {
            while !self.has_finished(shard) {
                if self.elapsed() > limit {
                    return Err("an erasure does not end".to_owned());
                }
                let until = self.elapsed() + Duration::from_secs(1);
                while self.elapsed() < until && self.step() {}
            }
        }
        Ok(())
    }

    /// In the end: the forgotten are gone from answers and disks, and nobody else is.
    pub fn check_erased(&mut self) -> Result<(), String> {
        self.check_messages()?;
        self.check_disks()
    }

    fn check_disks(&mut self) -> Result<(), String> {
        let late = self.late_receipts();
        let mut files: Vec<(String, Vec<u8>)> = self.disks.iter_mut().flat_map(files).collect();
        for (_, bytes) in &mut files {
            late.iter().for_each(|record| blank(bytes, record));
        }
        files.extend(self.contents.iter_mut().flat_map(|(disk, _)| files_of_contents(disk)));
        for Erasure { number, text, .. } in &self.erasing.erasures {
            let mut needles = traces::of_number(number.parse().unwrap());
            needles.extend(text.iter().flat_map(|text| traces::of_text(text)));
            if let Some((name, _)) = files.iter().find(|(_, bytes)| traces::any_in(bytes, &needles))
            {
                return Err(format!("{number} is erased, and still in {name}"));
            }
        }
        Ok(())
    }

    /// Receipts that came after the erasure and that nobody knew, as they are on the disks: they say
    /// which number they are of.
    fn late_receipts(&self) -> Vec<Vec<u8>> {
        let mut late = Vec::new();
        for (disk, shard) in self.disks.iter().zip(0..) {
            let mut take = |replayed: Replayed<'_>| {
                let Record::Orphan { source, at_ms, .. } = *replayed.record else { return };
                let later = |erasure: &Erasure| {
                    erasure.number.as_bytes() == source && at_ms > erasure.until.0
                };
                if self.erasing.erasures.iter().any(later) {
                    let mut octets = Vec::new();
                    replayed.record.encode(&mut octets);
                    late.push(octets);
                }
            };
            let now = self.clock();
            let config = self.log_config(shard);
            Log::open(&mut disk.clone(), config, now.mono, now.wall.0, &mut take).unwrap();
        }
        late
    }

    fn check_messages(&mut self) -> Result<(), String> {
        for index in 0..self.submissions.len() {
            let submission = &self.submissions[index];
            let Some(Ok(id)) = submission.answer else { continue };
            let (number, text) = (submission.number.clone(), submission.text.clone());
            // Its segment was given back.
            let Some(view) = self.view(id) else { continue };
            let erased = self.erasing.has(&number);
            if view.redacted != erased {
                return Err(format!("{number} is erased: {erased}; redacted: {}", view.redacted));
            }
            let body = view.body.as_ref().map(|body| body.expose());
            let kept = !asks_to_discard(self.seed, index)
                && retention(self.seed) == postrider_core::content::Retention::Keep;
            let whole = view.to == format!("+{number}") && (!kept || body == Some(&text));
            if !erased && !whole {
                return Err(format!("{number} is not erased, and not whole: {view:?}"));
            }
        }
        Ok(())
    }

    fn has_finished(&mut self, shard: usize) -> bool {
        self.erasing.finished = false;
        let now = self.clock();
        self.shards[shard].handle_control(now, HOW_FAR, ControlRequest::Erasures);
        self.drive(shard);
        self.erasing.finished
    }
}

impl Erasure {
    fn of(number: &str, text: Option<String>, message: Option<MessageId>) -> Self {
        let number = number.to_owned();
        Erasure {
            number,
            text,
            message,
            asked: 0,
            waiting: Vec::new(),
            answered: false,
            until: UnixMs(0),
        }
    }
}

/// Overwrites what is the same as a record.
fn blank(bytes: &mut [u8], record: &[u8]) {
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(record.len()).position(|found| found == record) {
        bytes[from + at..from + at + record.len()].fill(0);
        from += at + record.len();
    }
}

fn number_of(text: &str) -> Option<Msisdn> {
    Msisdn::from_u64(text.parse().ok()?)
}

/// Every file of a disk, without the zeros at its end.
fn files(disk: &mut MemDisk) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for file in disk.list().unwrap() {
        let old = disk.old_bytes(file.id);
        for bytes in disk.bytes(file.id).into_iter().chain(old) {
            let end = bytes.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
            files.push((file.id.file_name(), bytes[..end].to_vec()));
        }
    }
    for (file, _) in disk.list_side().unwrap() {
        files.push((file.file_name(), disk.side_bytes(file).unwrap().to_vec()));
    }
    let aside = disk.quarantined().iter();
    files.extend(aside.map(|((id, _), bytes)| (format!("quarantined {id}"), bytes.clone())));
    files
}

fn files_of_contents(disk: &mut MemDisk) -> Vec<(String, Vec<u8>)> {
    files(disk).into_iter().map(|(name, bytes)| (format!("contents/{name}"), bytes)).collect()
}
