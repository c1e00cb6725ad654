//! Receipts on their way to their message: the owner of the handset, then every shard, then parked at
//! the owner. A receipt is answered only once what it says is on disk. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_core::place::ShardId;

use super::fetch::ReceiptAt;
use super::mesh::{Call, CallId, ReceiptNotice, ReceiptOutcome, Reply, Request, Seeker};
use super::{After, Delivery, Shard};
use crate::stats::Counter;

impl Shard {
    /// A receipt came on one of this shard's binds.
    pub(super) fn receipt_arrived(
        &mut self,
        now: Now,
        delivery: Delivery,
        notice: Box<ReceiptNotice>,
    ) {
        self.look_again(now, notice.carrier);
        if notice.has_no_id() {
            return self.park_at_owner(now, delivery, notice);
        }
        let owner = notice.handset.map_or(self.id, |handset| self.shared.placement.owner(handset));
        if owner == self.id {
            self.take_receipt(now, notice, ReceiptAt::Owner(delivery));
        } else if self.mesh.has_room(owner) {
            self.stats.inc(Counter::ReceiptsForwarded);
            let call = self.mesh.open(&[owner], Call::AskOwner { delivery });
            self.request(owner, call, Request::Receipt { notice, park: false });
        } else {
            self.refuse_receipt(delivery);
        }
    }

    /// Applies a receipt to its message here, or does what its place asks when there is none. What it
    /// may mean that is on disk alone is read first.
    pub(super) fn take_receipt(&mut self, now: Now, notice: Box<ReceiptNotice>, at: ReceiptAt) {
        let lately = self.named_lately(&notice);
        let here = lately.iter().all(|sequence| self.table.has(*sequence));
        if here && self.named_by(&notice, &lately).is_some() {
            self.receipt_at(now, notice, at, &lately);
        } else if self.lookups.is_crowded() {
            self.refuse_at(now, notice, at);
        } else {
            self.look_for_parts(now, notice, at, lately);
        }
    }

    /// As `take_receipt`, with everything in memory that there is: it may be about one of these
    /// messages.
    pub(super) fn receipt_at(
        &mut self,
        now: Now,
        notice: Box<ReceiptNotice>,
        at: ReceiptAt,
        among: &[u64],
    ) {
        if matches!(at, ReceiptAt::Orphan(orphan) if !self.orphans.is_parked(orphan)) {
            // It was matched while the disk was read for it.
            return;
        }
        let applied = self.apply_receipt(now, &notice, among).is_some();
        match at {
            ReceiptAt::Owner(delivery) | ReceiptAt::Bind(delivery) if applied => {
                self.journal.then(After::Respond { delivery, status: 0 });
            }
            ReceiptAt::Owner(delivery) | ReceiptAt::Bind(delivery) => {
                self.ask_peers(now, Seeker::Bind(delivery), notice);
            }
            ReceiptAt::Peer { from, call, park } => {
                self.answer_peer(now, (from, call), notice, applied, park);
            }
            ReceiptAt::Orphan(orphan) => self.orphan_seen(now, orphan, notice, applied),
        }
    }

    /// Too much is looked for on the disk: later.
    pub(super) fn refuse_at(&mut self, now: Now, spent: Box<ReceiptNotice>, at: ReceiptAt) {
        match at {
            ReceiptAt::Owner(delivery) | ReceiptAt::Bind(delivery) => self.refuse_receipt(delivery),
            ReceiptAt::Peer { from, call, .. } => {
                let outcome = ReceiptOutcome::Refused;
                self.reply(from, call, Reply::Receipt { spent, outcome });
            }
            ReceiptAt::Orphan(orphan) => self.schedule_look(now, orphan),
        }
    }

    /// The carrier is asked to send it again.
    fn refuse_receipt(&mut self, delivery: Delivery) {
        self.stats.inc(Counter::ReceiptsRefused);
        let status = self.receipt_retry_status(delivery);
        self.respond(delivery, status);
    }

    /// The status at which the carrier of a PDU sends it again.
    pub(super) fn receipt_retry_status(&self, delivery: Delivery) -> u32 {
        self.outbound
            .binds
            .get(delivery.bind)
            .and_then(|bind| self.shared.config.carriers.get(usize::from(bind.carrier.0)))
            .map_or(postrider_smpp::status::CommandStatus::ESME_RMSGQFUL.0, |carrier| {
                carrier.receipt_retry_status
            })
    }

    /// A peer asks whether a receipt belongs to a message here.
    pub(super) fn receipt_for_peer(
        &mut self,
        now: Now,
        from: ShardId,
        call: CallId,
        notice: Box<ReceiptNotice>,
        park: bool,
    ) {
        self.take_receipt(now, notice, ReceiptAt::Peer { from, call, park });
    }

    /// Tells a peer what became of its receipt.
    fn answer_peer(
        &mut self,
        now: Now,
        (from, call): (ShardId, CallId),
        notice: Box<ReceiptNotice>,
        applied: bool,
        park: bool,
    ) {
        if !applied && park {
            return self.infer(now, notice, ReceiptAt::Peer { from, call, park });
        }
        let outcome = if applied { ReceiptOutcome::Applied } else { ReceiptOutcome::NoMatch };
        let reply = Reply::Receipt { spent: notice, outcome };
        if applied {
            self.journal.then(After::Reply { to: from, call, reply: Box::new(reply) });
        } else {
            self.reply(from, call, reply);
        }
    }

    /// What a peer said of a receipt.
    pub(super) fn take_receipt_outcome(
        &mut self,
        now: Now,
        id: CallId,
        call: Call,
        spent: Box<ReceiptNotice>,
        outcome: ReceiptOutcome,
    ) {
        match call {
            Call::AskOwner { delivery } => match outcome {
                // Here too, since this shard is not the handset's owner.
                ReceiptOutcome::NoMatch => {
                    self.take_receipt(now, spent, ReceiptAt::Bind(delivery));
                }
                ReceiptOutcome::Applied | ReceiptOutcome::Parked => self.respond(delivery, 0),
                ReceiptOutcome::Refused => self.refuse_receipt(delivery),
            },
            Call::Park { delivery } => match outcome {
                ReceiptOutcome::Applied | ReceiptOutcome::Parked => self.respond(delivery, 0),
                ReceiptOutcome::NoMatch | ReceiptOutcome::Refused => self.refuse_receipt(delivery),
            },
            Call::AskAll { origin, missing, applied, notice } => {
                let applied = applied || outcome == ReceiptOutcome::Applied;
                let notice = notice.or(Some(spent));
                if missing > 1 {
                    let call = Call::AskAll { origin, missing: missing - 1, applied, notice };
                    self.mesh.keep(id, call);
                } else if let Some(notice) = notice {
                    self.all_asked(now, origin, applied, notice);
                }
            }
            Call::Submit { .. }
            | Call::Explain { .. }
            | Call::LookUp { .. }
            | Call::Operate { .. }
            | Call::Gather(_)
            | Call::Seek { .. }
            | Call::List { .. }
            | Call::Deliver { .. }
            | Call::Inbound { .. }
            | Call::Rate { .. }
            | Call::Credits { .. }
            | Call::Cross(_)
            | Call::Tell => panic!("a receipt's outcome for {call:?}"),
        }
    }

    /// Asks every other shard.
    pub(super) fn ask_peers(&mut self, now: Now, origin: Seeker, notice: Box<ReceiptNotice>) {
        let peers: Vec<ShardId> = self.mesh.peers().collect();
        if peers.is_empty() || !self.mesh.has_room_everywhere() {
            self.all_asked(now, origin, false, notice);
            return;
        }
        let missing = u16::try_from(peers.len()).unwrap_or(u16::MAX);
        let call = Call::AskAll { origin, missing, applied: false, notice: None };
        let id = self.mesh.open(&peers, call);
        for peer in peers {
            self.request(peer, id, Request::Receipt { notice: notice.clone(), park: false });
        }
    }

    fn all_asked(&mut self, now: Now, origin: Seeker, applied: bool, notice: Box<ReceiptNotice>) {
        match origin {
            Seeker::Bind(delivery) if applied => self.respond(delivery, 0),
            Seeker::Bind(delivery) => self.park_at_owner(now, delivery, notice),
            Seeker::Orphan(orphan) if applied => self.orphan_matched(now, orphan),
            Seeker::Orphan(orphan) => self.schedule_look(now, orphan),
        }
    }

    fn park_at_owner(&mut self, now: Now, delivery: Delivery, notice: Box<ReceiptNotice>) {
        let owner = notice.handset.map_or(self.id, |handset| self.shared.placement.owner(handset));
        if owner == self.id {
            self.infer(now, notice, ReceiptAt::Owner(delivery));
        } else if self.mesh.has_room(owner) {
            let call = self.mesh.open(&[owner], Call::Park { delivery });
            self.request(owner, call, Request::Receipt { notice, park: true });
        } else {
            self.refuse_receipt(delivery);
        }
    }
}
