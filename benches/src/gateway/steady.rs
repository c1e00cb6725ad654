//! Messages that arrive one after the other at a steady pace, while the disk, the carrier and the customer take
//! their time: which records share a batch is then as in a running gateway. The clock is virtual.

use core::time::Duration;
use std::collections::VecDeque;

use postrider_core::limits;
use postrider_storage::Write;

use super::{Gateway, clock};

/// From a batch's write to its completion.
const DISK: Duration = Duration::from_micros(250);
/// From a submit_sm to the carrier's answer.
const ANSWER: Duration = Duration::from_millis(1);
/// From a submit_sm to its receipt: longer than any record waits for a batch.
const RECEIPT: Duration = Duration::from_millis(23);
/// From a webhook to its acknowledgement.
const CUSTOMER: Duration = Duration::from_millis(1);

/// What is under way, and when it is there.
#[derive(Default)]
struct UnderWay {
    write: Option<(Duration, Write)>,
    /// Answers and receipts, each in order.
    line: [VecDeque<(Duration, Vec<u8>)>; 2],
    webhooks: Option<Duration>,
    /// When the shard's timers were served last.
    served: Duration,
}

impl Gateway {
    /// Takes `messages` messages, `per_second` of them in each second, from their acceptance to the acknowledged
    /// webhook.
    ///
    /// # Panics
    /// When one of them does not get there.
    pub fn steady(&mut self, per_second: u32, messages: u32) {
        let begin = self.now;
        let gap = Duration::from_secs(1) / per_second;
        let mut arrived = 0;
        let mut under_way = UnderWay::default();
        while arrived < messages || self.acknowledged < self.sent || under_way.write.is_some() {
            self.begin(&mut under_way);
            let arrival = (arrived < messages).then(|| begin + gap * arrived);
            self.now = self.now.max(self.next(&under_way, arrival));
            if arrival.is_some_and(|at| at <= self.now) {
                arrived += 1;
                self.submit();
            }
            self.end(&mut under_way);
        }
        assert_eq!(self.answered, self.sent, "every submit was answered with 202");
    }

    /// Does what the shard asks, up to where it takes time.
    fn begin(&mut self, under_way: &mut UnderWay) {
        while let Some(op) = self.shard.poll_op() {
            self.op(op);
        }
        if under_way.write.is_none()
            && let Some(write) = self.shard.poll_write(clock(self.now))
        {
            self.tally.add(&write);
            under_way.write = Some((self.now + DISK, write));
        }
        self.chores();
        let waiting = self.carrier.take_waiting();
        for ((line, octets), after) in under_way.line.iter_mut().zip(waiting).zip([ANSWER, RECEIPT])
        {
            if !octets.is_empty() {
                line.push_back((self.now + after, octets));
            }
        }
        if !self.posts.is_empty() {
            under_way.webhooks.get_or_insert(self.now + CUSTOMER);
        }
    }

    /// When the next thing happens.
    fn next(&self, under_way: &UnderWay, arrival: Option<Duration>) -> Duration {
        let timer = self.shard.poll_timeout().map(|at| at.max(under_way.served + limits::TICK));
        let write = under_way.write.as_ref().map(|(at, _)| *at);
        let line = under_way.line.iter().map(|line| line.front().map(|(at, _)| *at));
        let all = [arrival, timer, write, under_way.webhooks];
        line.chain(all).flatten().min().expect("a shard that waits for nothing is done")
    }

    /// Ends what is due.
    fn end(&mut self, under_way: &mut UnderWay) {
        let now = self.now;
        if let Some((_, write)) = under_way.write.take_if(|(at, _)| *at <= now) {
            self.shard.handle_written(clock(now), write, Ok(()));
        }
        for line in &mut under_way.line {
            while let Some((_, octets)) = line.pop_front_if(|(at, _)| *at <= now) {
                self.shard.handle_bind_bytes(clock(now), 0, &octets);
            }
        }
        if under_way.webhooks.take_if(|at| *at <= now).is_some() {
            self.webhooks();
        }
        if self.shard.poll_timeout().is_some_and(|at| at <= now)
            && under_way.served + limits::TICK <= now
        {
            under_way.served = now;
            self.shard.handle_timeout(clock(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use postrider_storage::RecordKind;

    use super::*;
    use crate::gateway::Entrance;
    use crate::sample::text_of;

    /// What 2,000 messages of 160 characters write at this pace.
    fn tally(per_second: u32) -> crate::tally::Tally {
        let mut gateway = Gateway::new(Entrance::Machine);
        gateway.set_text(&text_of(160));
        gateway.steady(per_second, 2_000);
        gateway.take_tally();
        gateway.steady(per_second, 2_000);
        gateway.take_tally()
    }

    #[test]
    fn a_whole_life_takes_at_most_twice_the_accepted_record() {
        let tally = tally(1_000);
        let accepted = tally.bytes(RecordKind::Accepted);
        assert_eq!(tally.records(RecordKind::Accepted), 2_000);
        assert!(tally.records(RecordKind::Part) >= 2 * 1_999, "submitted and final of each");
        assert!(tally.messages() <= 2 * accepted, "{} of {accepted}", tally.messages());
    }

    #[test]
    fn records_that_nobody_waits_for_share_batches() {
        // The accepted record and the final one are waited for; at 1,000 a second the others never have a batch
        // of their own.
        for (per_second, most) in [(1_000, 2_000), (10_000, 500), (50_000, 150)] {
            let tally = tally(per_second);
            let each = tally.batches * 1_000 / tally.records(RecordKind::Accepted);
            assert!(each <= most, "{each} batches for 1,000 messages at {per_second}/s");
        }
    }
}
