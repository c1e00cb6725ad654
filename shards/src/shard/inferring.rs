//! Receipts whose id names no message here: which message they mean is inferred from what their carrier
//! has for the recipient, in memory or on disk. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_storage::{Search, Step};

use super::cold::receipts::PartLookup;
use super::fetch::{ReceiptAt, Wanted};
use super::mesh::{ReceiptNotice, ReceiptOutcome, Reply};
use super::{After, Shard};

/// The messages that a carrier has for a recipient; none when they are so many that a receipt can hardly
/// mean one of them alone.
struct Candidates(PartLookup);

impl Search for Candidates {
    type Found = Vec<u64>;

    fn next(&mut self, answer: Option<&[u8]>) -> Step<Vec<u64>> {
        match self.0.next(answer) {
            Step::Read(ask) => Step::Read(ask),
            Step::Done(Err(error)) => Step::Done(Err(error)),
            Step::Done(Ok(found)) if found.len() > limits::RECEIPT_CANDIDATES => {
                Step::Done(Ok(Vec::new()))
            }
            Step::Done(Ok(found)) => {
                Step::Done(Ok(found.into_iter().map(|(_, cold)| cold.sequence).collect()))
            }
        }
    }
}

impl Shard {
    /// At the owner of the handset, when no message has the receipt's id: goes on once the messages are
    /// in memory that its carrier has for the recipient.
    pub(super) fn infer(&mut self, now: Now, notice: Box<ReceiptNotice>, at: ReceiptAt) {
        let Some(handset) = notice.handset else { return self.infer_here(now, notice, at) };
        if self.lookups.is_crowded() {
            return self.refuse_at(now, notice, at);
        }
        let carrier = self.shared.carrier_number(notice.carrier);
        let name = self.cold.receipts().recipient(carrier, handset);
        let search = Box::new(Candidates(self.cold.lookup(name)));
        self.want_found(now, search, Wanted::Inferred(notice, at));
    }

    /// Applies the receipt to the only part that it can mean, or keeps it.
    pub(super) fn infer_here(&mut self, now: Now, notice: Box<ReceiptNotice>, at: ReceiptAt) {
        if let ReceiptAt::Orphan(orphan) = at {
            return self.orphan_inferred(now, orphan, notice);
        }
        let outcome = self.apply_or_park(now, &notice);
        let kept = matches!(outcome, ReceiptOutcome::Applied | ReceiptOutcome::Parked);
        match at {
            ReceiptAt::Owner(delivery) | ReceiptAt::Bind(delivery) if kept => {
                self.journal.then(After::Respond { delivery, status: 0 });
            }
            ReceiptAt::Peer { from, call, .. } if kept => {
                let reply = Box::new(Reply::Receipt { spent: notice, outcome });
                self.journal.then(After::Reply { to: from, call, reply });
            }
            ReceiptAt::Owner(_)
            | ReceiptAt::Bind(_)
            | ReceiptAt::Peer { .. }
            | ReceiptAt::Orphan(_) => self.refuse_at(now, notice, at),
        }
    }
}
