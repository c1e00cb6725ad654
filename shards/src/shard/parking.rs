//! Messages that leave memory while they are open, because nothing can be done for them or no seat is
//! free: what is filed of them, so that they are found again. Part of the shard's machine.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_storage::runs::{RunConfig, RunRows};

use super::cold::receipts::PartName;
use super::cold::store::Rows;
use super::cold::{ColdConfig, ColdTurn, Filing, Group, Seats};
use super::deliveries::owed_group;
use super::message::{ALL_PARTS, Message, NO_CARRIER, Webhook};
use super::part::Part;
use super::{Drain, Shard, Shared};

/// Settings of a shard's store of cold messages.
pub(super) fn cold_config(shared: &Shared, shards: u16) -> ColdConfig {
    let config = &shared.config;
    let all = usize::try_from(config.limits.hot_messages).unwrap_or(usize::MAX).max(2);
    let planned = config.receipts_planned(shards);
    ColdConfig {
        seats: Seats {
            all,
            wanted: (all / limits::ACTIVE_WANTED_SHARE).max(1),
            routes: config.carriers.len().max(1),
            idle: config.limits.park_after,
        },
        receipts: usize::try_from(planned).unwrap_or(usize::MAX),
        hour: limits::RECEIPTS_HOT,
        key: shared.placement.names_key(),
        runs: RunConfig {
            memory_rows: limits::RUN_ROWS_IN_MEMORY,
            merge_after: limits::RUN_MERGE_EVERY,
            runs: limits::RUNS_PER_INDEX,
            slice_rows: limits::RUN_SLICE_ROWS,
        },
    }
}

#[allow(dead_code, reason = "a message that is open stays in memory as yet")]
impl Shard {
    /// What can wake a message when it is on disk alone. It follows from the message's records and the
    /// configuration.
    pub(super) fn filing(&self, message: &Message) -> Filing {
        Filing {
            sending: self.sending(message).or_else(|| owed_group(message)),
            due: due_of(message),
            names: self.names_of_open_parts(message),
            recipients: self.recipients_of(message),
        }
    }

    /// The group in which it waits to be sent, and until when, if it does.
    fn sending(&self, message: &Message) -> Option<(Group, UnixMs)> {
        let waits = message.outcome.is_none() && message.next_sendable().is_some();
        waits.then(|| (self.group_of(message), message.envelope.valid_until))
    }

    /// What it is counted with: the carrier that has parts of it, else the one that is meant to have
    /// it, whichever is up. Where it is sent is decided when its turn comes.
    pub(super) fn group_of(&self, message: &Message) -> Group {
        let carrier = message.committed_to().or_else(|| {
            let envelope = &message.envelope;
            let (to, parts) = (envelope.to, envelope.part_count);
            let ranked = super::submit::carriers(&self.shared, to, &envelope.content, parts);
            let mut numbers = ranked.map(|ix| self.shared.carrier_number(ix));
            numbers.find(|number| !message.refused_by.contains(number))
        });
        message.envelope.group_at(carrier.unwrap_or(NO_CARRIER))
    }

    /// What carriers call its parts that may still get a receipt.
    fn names_of_open_parts(&self, message: &Message) -> Vec<(PartName, u8)> {
        let receipts = self.cold.receipts();
        let open = |part: u8| message.parts_of(part).iter().any(|part| !part.status.is_final());
        let ids = message.carrier_ids().filter(|(part, ..)| open(*part));
        ids.filter_map(|(part, carrier, id)| Some((receipts.name(carrier, id)?, part))).collect()
    }

    /// The recipient's name at each carrier of which a receipt without a known id may come.
    fn recipients_of(&self, message: &Message) -> Vec<PartName> {
        let sent = |part: &&Part| part.lost || (!part.status.is_final() && part.was_submitted());
        let mut carriers: Vec<u32> =
            message.parts.iter().filter(sent).map(|part| part.carrier).collect();
        carriers.sort_unstable();
        carriers.dedup();
        let to = message.envelope.to;
        carriers.into_iter().map(|carrier| self.cold.receipts().recipient(carrier, to)).collect()
    }

    /// Lets messages leave that have no seat, and brings those back whose turn has come.
    pub(super) fn pump_cold(&mut self, now: Now) {
        if self.drain != Drain::No {
            return;
        }
        for _ in 0..limits::COLD_PER_TURN {
            match self.cold.poll(now) {
                Some(ColdTurn::Look(search)) => self.look_for_rows(now, search),
                Some(ColdTurn::Owed(customer, found)) => self.owed_found(now, customer, found),
                Some(ColdTurn::Wake(_)) => {}
                None => break,
            }
        }
        self.cold_due = self.cold.poll_timeout(now);
    }

    /// Rows that were looked for.
    pub(super) fn rows_found(&mut self, rows: Rows, found: Option<RunRows>) {
        self.cold.handle_rows(rows, found);
    }
}

/// The first time at which something is to be done for a message.
#[allow(dead_code, reason = "a message that is open stays in memory as yet")]
fn due_of(message: &Message) -> Option<UnixMs> {
    let valid_until = message.envelope.valid_until;
    if message.outcome.is_some() {
        let webhook = match message.webhook {
            Webhook::Pending { due, .. } => Some(due),
            Webhook::None | Webhook::Acknowledged | Webhook::GivenUp => None,
        };
        let owed = owed_group(message).map(|(_, since)| since.after(limits::DELIVERY_LIFETIME));
        return webhook.into_iter().chain(owed).min();
    }
    if let Some(due) = message.held_until() {
        return Some(due);
    }
    let unsent = |part: &Part| matches!(part.status, PartStatus::Queued | PartStatus::Held);
    let any = message.parts_of(ALL_PARTS).iter().any(unsent);
    Some(if any { valid_until } else { valid_until.after(limits::RECEIPT_GRACE) })
}
