//! Shards that send to one carrier under a virtual clock: each with its lease, a lender over a mesh that
//! takes time, and a carrier with a limiter of its own.

pub(crate) mod limiter;

use std::collections::VecDeque;
use std::time::Duration;

use postrider_core::rate::{Grant, Lease, Lender, Rate, Report, TroubleKind};

use limiter::{Limiter, Verdict};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One shard's side of the carrier.
pub(crate) struct Shard {
    pub(crate) lease: Lease,
    /// Hundredths of parts that wait.
    pub(crate) waiting: u64,
    /// Urgent parts that wait.
    pub(crate) urgent: u32,
    /// Parts that the others leave free.
    pub(crate) free: u32,
    /// Hundredths of a part that arrive each millisecond.
    load: u64,
    window: usize,
    /// When each answer comes, when its part left, and what it says.
    answers: VecDeque<(Duration, Duration, Verdict)>,
    reports: VecDeque<(Duration, Report)>,
    grants: VecDeque<(Duration, Grant)>,
    pub(crate) submits: Vec<Duration>,
}

/// See the module's header.
pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) lender: Lender,
    pub(crate) shards: Vec<Shard>,
    pub(crate) limiter: Limiter,
    pub(crate) round_trip: Duration,
    pub(crate) mesh: Duration,
    /// When the carrier was done with each part that it took.
    pub(crate) accepted: Vec<Duration>,
    pub(crate) sent: Vec<Duration>,
    pub(crate) refused: Vec<Duration>,
    /// How long each answer took, and when it came.
    pub(crate) waits: Vec<(Duration, Duration)>,
}

impl Shard {
    /// Whether what is left of the rate is to be left free: of its share at most half is.
    fn leaves_free(&self, now: Duration) -> bool {
        let free = self.free.min(self.lease.share().unwrap_or(u32::MAX) / 2);
        free > 0 && self.lease.room(now) <= free
    }
}

impl World {
    pub(crate) fn new(rate: Rate, shards: u16) -> Self {
        let shard = || Shard {
            lease: Lease::new(rate),
            waiting: 0,
            urgent: 0,
            free: 0,
            load: 0,
            window: 1_000,
            answers: VecDeque::new(),
            reports: VecDeque::new(),
            grants: VecDeque::new(),
            submits: Vec::new(),
        };
        World {
            now: Duration::ZERO,
            lender: Lender::new(rate, shards, Duration::ZERO),
            shards: (0..shards).map(|_| shard()).collect(),
            limiter: Limiter::None,
            round_trip: ms(40),
            mesh: ms(1),
            accepted: Vec::new(),
            sent: Vec::new(),
            refused: Vec::new(),
            waits: Vec::new(),
        }
    }

    /// Parts a second that arrive at each shard from now on.
    pub(crate) fn load(&mut self, each: &[u64]) {
        for (shard, load) in self.shards.iter_mut().zip(each) {
            shard.load = load / 10;
        }
    }

    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += ms(1);
            for index in 0..self.shards.len() {
                self.step(index);
            }
        }
    }

    fn step(&mut self, index: usize) {
        let now = self.now;
        let shard = &mut self.shards[index];
        while let Some((_, grant)) = shard.grants.pop_front_if(|(at, _)| *at <= now) {
            shard.lease.handle_grant(now, grant);
        }
        while let Some((_, sent, verdict)) = shard.answers.pop_front_if(|(at, ..)| *at <= now) {
            let waited = now - sent;
            self.waits.push((now, waited));
            match verdict {
                Verdict::Taken => shard.lease.answered(now, waited, true),
                Verdict::Throttled => shard.lease.refused(now, waited, TroubleKind::Throttled),
                Verdict::Full => shard.lease.refused(now, waited, TroubleKind::QueueFull),
            }
            shard.waiting += u64::from(verdict != Verdict::Taken) * 100;
        }
        shard.waiting = (shard.waiting + shard.load).min(100 * 100_000);
        self.submit(index);
        let shard = &mut self.shards[index];
        let room = shard.window > shard.answers.len();
        let waiting = if room { (shard.waiting / 100) as u32 } else { 0 };
        if let Some(report) = shard.lease.poll_report(now, waiting) {
            shard.reports.push_back((now + self.mesh, report));
        }
        while let Some((_, report)) = shard.reports.pop_front_if(|(at, _)| *at <= now) {
            let grant = self.lender.handle_report(now, index, report);
            shard.grants.push_back((now + self.mesh, grant));
        }
    }

    fn submit(&mut self, index: usize) {
        let now = self.now;
        loop {
            let shard = &mut self.shards[index];
            let urgent = shard.urgent > 0;
            if !(urgent || shard.waiting >= 100) || shard.answers.len() >= shard.window {
                return;
            }
            let next = match urgent {
                true => shard.lease.next_urgent(now, 1),
                false if shard.leaves_free(now) => return,
                false => shard.lease.next(now, 1),
            };
            if next.is_none_or(|at| at > now) {
                return;
            }
            shard.lease.sent(now, 1);
            match urgent {
                true => shard.urgent -= 1,
                false => shard.waiting -= 100,
            }
            shard.submits.push(now);
            self.sent.push(now);
            let (done, verdict) = self.limiter.judge(now);
            match verdict {
                Verdict::Taken => self.accepted.push(done),
                Verdict::Throttled | Verdict::Full => self.refused.push(now),
            }
            self.shards[index].answers.push_back((done + self.round_trip, now, verdict));
        }
    }

    /// The most parts in one second, wherever it begins.
    pub(crate) fn busiest(&self) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (index, at) in self.sent.iter().enumerate() {
            while *at - self.sent[first] > SECOND {
                first += 1;
            }
            most = most.max(index + 1 - first);
        }
        most
    }

    /// Of what was sent since then, the share that was refused for our pace.
    pub(crate) fn refused_share(&self, from: Duration) -> f64 {
        since(&self.refused, from) as f64 / since(&self.sent, from) as f64
    }
}

/// Those of the moments since.
pub(crate) fn since(moments: &[Duration], from: Duration) -> usize {
    moments.iter().filter(|at| **at >= from).count()
}

pub(crate) fn a_second(moments: &[Duration], from: Duration, to: Duration) -> f64 {
    (since(moments, from) - since(moments, to)) as f64 / (to - from).as_secs_f64()
}
