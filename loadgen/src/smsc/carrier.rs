//! One simulated carrier: ids, judgement, pending receipts. Pure but for the ledger that it is
//! lent; one per listening address, on the runtime's thread.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::excerpt;
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::tag;

use super::SmscOptions;
use super::assembly::{Assembly, Part};
use super::dialect::Dialect;
use super::fault::{Fault, FaultKind};
use super::inbound::{Generator, InboundPart};
use super::limiter::Limiter;
use super::mail::Mail;
use super::receipt::{Addresses, Receipt};
use super::stats::CarrierStats;
use crate::hash;
use crate::ndjson::Ledger;

/// Mail that one carrier may have pending; further submits get ESME_RMSGQFUL.
const MAIL_MAX: usize = 1_000_000;

/// After how long mail answered with an error is sent again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Ids run to here and start again.
const IDS: u64 = 10_000_000_000;

/// Ids set aside for each second: a carrier started again does not repeat the ids of the seconds
/// before.
const IDS_PER_SECOND: u64 = 20_000;

/// Separate the two choices by destination.
const FAILURE_SALT: u64 = 0xFA;
/// See [`FAILURE_SALT`].
const REJECT_SALT: u64 = 0x7E;

/// A carrier's id for a part: at most ten decimal digits, other carriers' ids never among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartId(pub(super) u64);

impl PartId {
    /// Its usual spelling, and the ledger's.
    pub(super) fn text(self) -> String {
        format!("{:010}", self.0)
    }
}

#[derive(Debug)]
struct Ids {
    base: u64,
    stride: u64,
    next: u64,
}

impl Ids {
    fn new(index: u64, carriers: u64, now_s: u64) -> Self {
        let stride = IDS / carriers.max(1);
        Self { base: index * stride, stride, next: now_s.wrapping_mul(IDS_PER_SECOND) % stride }
    }

    fn next(&mut self) -> PartId {
        let id = PartId(self.base + self.next);
        self.next = (self.next + 1) % self.stride;
        id
    }
}

/// An answer that waits for `answer_delay_ms`.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) due: Duration,
    pub(super) connection: u64,
    pub(super) command: CommandId,
    pub(super) sequence: u32,
    pub(super) judged: Judged,
}

/// What the carrier says to a submit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    /// The status to answer with.
    pub(super) status: u32,
    /// The part's id, if it was taken.
    pub(super) id: Option<PartId>,
    /// Drop the connection instead of answering.
    pub(super) drop: bool,
}

/// Where a submit comes from, and when.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) now: Duration,
    pub(super) wall_us: u64,
    pub(super) connection: u64,
    pub(super) system_id: Rc<str>,
}

/// See the module's header.
#[derive(Debug)]
pub(super) struct Carrier {
    index: u64,
    dialect: Dialect,
    receipt_delay: Duration,
    failure_ppm: u32,
    reject_ppm: u32,
    disconnect_every: Option<u64>,
    limiter: Limiter,
    fault: Fault,
    ids: Ids,
    assembly: Assembly,
    /// Receipts in the order in which they are due: the delay is constant.
    scheduled: VecDeque<Receipt>,
    /// Messages from handsets that are still to come, and the parts of those that came.
    generator: Generator,
    inbound: VecDeque<InboundPart>,
    /// Parts of messages from handsets that are not acknowledged.
    pub(super) inbound_pending: usize,
    /// Mail to be sent again, in the order in which it is due.
    retries: VecDeque<Mail>,
    /// Mail that found no bind.
    pub(super) homeless: VecDeque<Mail>,
    /// Answers in the order in which they are due.
    pub(super) answers: VecDeque<Answer>,
    /// Mail handed to binds and not yet acknowledged.
    pub(super) handed_out: usize,
    pub(super) stats: CarrierStats,
}

impl Carrier {
    /// The carrier at `index` of those in `options`, started at `now_s` Unix seconds.
    pub(super) fn new(options: &SmscOptions, index: usize, now_s: u64) -> Self {
        let name = options.name.get(index).cloned();
        let count = u64::try_from(options.listen.len()).unwrap_or(1);
        let number = u64::try_from(index).unwrap_or(0);
        let name = name.unwrap_or_else(|| format!("carrier-{}", number + 1));
        Self {
            index: number,
            dialect: options.dialect.clone(),
            receipt_delay: Duration::from_millis(options.receipt_delay_ms),
            failure_ppm: options.failure_ppm,
            reject_ppm: options.reject_ppm,
            disconnect_every: options.disconnect_every.filter(|every| *every > 0),
            limiter: options.limiter(),
            fault: Fault::new(&options.faults, index),
            ids: Ids::new(number, count, now_s),
            assembly: Assembly::default(),
            scheduled: VecDeque::new(),
            generator: Generator::new(
                &options.inbound,
                number,
                options.dialect.alphabet(),
                Duration::ZERO,
            ),
            inbound: VecDeque::new(),
            inbound_pending: 0,
            retries: VecDeque::new(),
            homeless: VecDeque::new(),
            answers: VecDeque::new(),
            handed_out: 0,
            stats: CarrierStats { name, ..CarrierStats::default() },
        }
    }

    /// Writes down which carrier its number in the ledger stands for.
    pub(super) fn introduce(&self, ledger: &mut Ledger) {
        ledger.line("carrier").number("c", self.index).text("name", &self.stats.name).end();
    }

    /// Judges a submit, writes it down and, if it is taken, schedules its receipt.
    pub(super) fn submit(
        &mut self,
        message: &ShortMessage<'_>,
        origin: &Origin,
        ledger: &mut Ledger,
    ) -> Judged {
        let part = Part::of(message);
        self.stats.submits += 1;
        let status = self.judge(message.dest, origin.now);
        let id = (status == CommandStatus::ESME_ROK).then(|| self.ids.next());
        self.write_part(message, &part, (id, status.0), origin, ledger);
        if let Some(id) = id {
            self.stats.taken += 1;
            let text = self.dialect.read(message.data_coding, &part);
            self.schedule(message, &text, id, origin);
            if let Some(text) = self.assembly.add(message, &part, text) {
                self.stats.texts += 1;
                self.write_text(message, &text, origin, ledger);
            }
        }
        let taken = self.stats.taken;
        let drop =
            id.is_some() && self.disconnect_every.is_some_and(|every| taken.is_multiple_of(every));
        self.stats.dropped += u64::from(drop);
        Judged { status: status.0, id, drop }
    }

    /// What is wrong with it now.
    pub(super) fn fault(&self, now: Duration) -> Option<FaultKind> {
        self.fault.now(now)
    }

    /// Whether a submit that came is neither taken nor answered.
    pub(super) fn ignores(&mut self, now: Duration) -> bool {
        self.fault.begin(now);
        let ignores = self.fault.now(now) == Some(FaultKind::Stalled);
        self.stats.ignored += u64::from(ignores);
        ignores
    }

    fn judge(&mut self, dest: &[u8], now: Duration) -> CommandStatus {
        if self.fault.fails(now) {
            self.stats.failed += 1;
            return CommandStatus::ESME_RSYSERR;
        }
        if self.pending() >= MAIL_MAX {
            self.stats.queue_full += 1;
            return CommandStatus::ESME_RMSGQFUL;
        }
        if hash::chosen(REJECT_SALT, dest, self.reject_ppm) {
            self.stats.rejected += 1;
            return CommandStatus::ESME_RSUBMITFAIL;
        }
        if !self.limiter.take(now) {
            self.stats.throttled += 1;
            return CommandStatus::ESME_RTHROTTLED;
        }
        CommandStatus::ESME_ROK
    }

    fn write_part(
        &self,
        message: &ShortMessage<'_>,
        part: &Part<'_>,
        (id, status): (Option<PartId>, u32),
        origin: &Origin,
        ledger: &mut Ledger,
    ) {
        let id = id.map(|id| self.dialect.response_id(id)).unwrap_or_default();
        let line = ledger.line("part").number("t", origin.wall_us).number("c", self.index);
        line.octets("to", message.dest)
            .text("id", &id)
            .number("ref", u64::from(part.reference))
            .number("n", u64::from(part.index))
            .number("of", u64::from(part.total))
            .number("st", u64::from(status))
            .end();
    }

    fn write_text(
        &self,
        message: &ShortMessage<'_>,
        text: &str,
        origin: &Origin,
        ledger: &mut Ledger,
    ) {
        let line = ledger.line("text").number("t", origin.wall_us).number("c", self.index);
        line.octets("to", message.dest).octets("from", message.source).text("text", text).end();
    }

    /// Schedules the receipt that `registered_delivery` asks for (SMPP 3.4 section 5.2.17, and 5.0
    /// for success alone).
    fn schedule(&mut self, message: &ShortMessage<'_>, text: &str, id: PartId, origin: &Origin) {
        let failed = hash::chosen(FAILURE_SALT, message.dest, self.failure_ppm);
        let wanted = match message.registered_delivery & 0x03 {
            0 => false,
            1 => true,
            2 => failed,
            _ => !failed,
        };
        if !wanted {
            return;
        }
        self.scheduled.push_back(Receipt {
            due: origin.now + self.receipt_delay,
            home: origin.connection,
            system_id: Rc::clone(&origin.system_id),
            id,
            failed,
            taken_s: origin.wall_us / 1_000_000,
            addresses: Addresses::of(message),
            excerpt: excerpt(text).as_slice().into(),
            user_message_reference: reference(message),
        });
    }

    /// Lets handsets write what is due.
    pub(super) fn write_inbound(&mut self, now: Duration) {
        while let Some(parts) = self.generator.due(now) {
            self.inbound_pending += parts.len();
            self.inbound.extend(parts);
        }
    }

    /// Mail left on a bind.
    pub(super) fn sent(&mut self, mail: &Mail) {
        match mail {
            Mail::Receipt(_) => self.stats.receipts_sent += 1,
            Mail::Inbound(_) => self.stats.inbound_sent += 1,
        }
    }

    /// Mail was answered with status 0; a message from a handset is written down with its last part.
    pub(super) fn acknowledged(&mut self, mail: &Mail, wall_us: u64, ledger: &mut Ledger) {
        let part = match mail {
            Mail::Receipt(_) => {
                self.stats.receipts_acknowledged += 1;
                return;
            }
            Mail::Inbound(part) => part,
        };
        self.inbound_pending -= 1;
        let written = &part.written;
        written.left.set(written.left.get() - 1);
        if written.left.get() == 0 {
            self.stats.inbound_acknowledged += 1;
            let line = ledger.line("inbound").number("t", wall_us).number("c", self.index);
            line.text("from", &written.from)
                .text("to", &written.to)
                .text("text", &written.text)
                .end();
        }
    }

    /// Mail was answered with an error: it is put back.
    pub(super) fn refused(&mut self, mail: Mail, now: Duration) {
        match mail {
            Mail::Receipt(_) => self.stats.receipts_refused += 1,
            Mail::Inbound(_) => self.stats.inbound_refused += 1,
        }
        self.retries.push_back(mail.later(now + RETRY_DELAY));
    }

    /// The next mail that is due.
    pub(super) fn due_mail(&mut self, now: Duration) -> Option<Mail> {
        if let Some(receipt) = self.scheduled.pop_front_if(|receipt| receipt.due <= now) {
            return Some(Mail::Receipt(receipt));
        }
        if let Some(part) = self.inbound.pop_front_if(|part| part.due <= now) {
            return Some(Mail::Inbound(part));
        }
        self.retries.pop_front_if(|mail| mail.due() <= now)
    }

    /// The next answer that is due.
    pub(super) fn due_answer(&mut self, now: Duration) -> Option<Answer> {
        self.answers.pop_front_if(|answer| answer.due <= now)
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let receipt = self.scheduled.front().map(|receipt| receipt.due);
        let retry = self.retries.front().map(Mail::due);
        let inbound = self.inbound.front().map(|part| part.due);
        let answer = self.answers.front().map(|answer| answer.due);
        let written = self.generator.next_due();
        [receipt, retry, inbound, answer, written].into_iter().flatten().min()
    }

    /// Mail not yet acknowledged.
    pub(super) fn pending(&self) -> usize {
        let waiting = self.scheduled.len() + self.inbound.len() + self.retries.len();
        waiting + self.homeless.len() + self.handed_out
    }
}

/// What the submitter calls its message, repeated in the receipt (SMPP 3.4 section 5.3.2.17).
fn reference(message: &ShortMessage<'_>) -> Option<[u8; 2]> {
    message.tlvs.get(tag::USER_MESSAGE_REFERENCE)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use std::collections::HashSet;

    use super::Ids;

    #[test]
    fn ids_are_ten_digits_and_differ_between_carriers_and_over_a_restart() {
        let mut all = HashSet::new();
        for (carrier, now_s) in
            [(0, 1_800_000_000), (1, 1_800_000_000), (2, 1_800_000_000), (0, 1_800_000_002)]
        {
            let mut ids = Ids::new(carrier, 3, now_s);
            all.extend((0..20_000).map(|_| ids.next().text()));
        }
        assert_eq!(all.len(), 80_000);
        assert!(
            all.iter().all(|id| id.len() == 10 && id.bytes().all(|octet| octet.is_ascii_digit()))
        );
    }
}
