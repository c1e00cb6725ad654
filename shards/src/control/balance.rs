//! Whether the shards' cores have as much to do as each other, and what makes the difference. Pure;
//! one per process, on the control thread, which shows it time and what the shards count.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::limits;

use crate::stats::{Counter, Gauge, Stats};

/// Partitions and carriers that are named.
const NAMED: usize = 3;

/// What a shard had done by some time.
#[derive(Clone, Debug, Default)]
struct Sample {
    cpu_us: u64,
    /// Requests and submissions of customers that came to its connections.
    requests: u64,
    /// Messages accepted for its numbers, and their parts.
    accepted: u64,
    parts: u64,
    /// Parts handed to its binds, by carrier.
    submitted: Vec<(String, u64)>,
    /// Receipts that came to its binds and are another shard's.
    forwarded: u64,
    /// Messages accepted by partition.
    partitions: Vec<u64>,
    /// Connections of customers now.
    connections: u64,
}

impl Sample {
    fn of(stats: &Stats) -> Sample {
        let submits = [
            Counter::CustomerSubmitsAccepted,
            Counter::CustomerSubmitsThrottled,
            Counter::CustomerSubmitsQueueFull,
            Counter::CustomerSubmitsFailed,
            Counter::CustomerSubmitsBadSource,
            Counter::CustomerSubmitsBadDestination,
            Counter::CustomerSubmitsInvalid,
        ];
        let mut submitted: Vec<(String, u64)> = Vec::new();
        for (label, bind) in stats.binds() {
            match submitted.iter_mut().find(|(carrier, _)| *carrier == label.carrier) {
                Some((_, count)) => *count += bind.submitted.get(),
                None => submitted.push((label.carrier.clone(), bind.submitted.get())),
            }
        }
        Sample {
            cpu_us: stats.get(Counter::CpuMicros),
            requests: submits.iter().map(|counter| stats.get(*counter)).sum::<u64>()
                + stats.get(Counter::HttpRequests),
            accepted: stats.get(Counter::Accepted),
            parts: stats.get(Counter::AcceptedParts),
            submitted,
            forwarded: stats.get(Counter::ReceiptsForwarded),
            partitions: stats.accepted_by_partition().collect(),
            connections: stats.gauge_value(Gauge::HttpConnectionsOpen)
                + stats.gauge_value(Gauge::CustomerConnectionsOpen),
        }
    }

    /// What was done since `earlier`.
    fn since(&self, earlier: &Sample) -> Sample {
        let less = |now: u64, then: u64| now.saturating_sub(then);
        let then = |carrier: &str| {
            let found = earlier.submitted.iter().find(|(name, _)| name == carrier);
            found.map_or(0, |(_, count)| *count)
        };
        let submitted = self.submitted.iter();
        let partitions = self.partitions.iter().zip(&earlier.partitions);
        Sample {
            cpu_us: less(self.cpu_us, earlier.cpu_us),
            requests: less(self.requests, earlier.requests),
            accepted: less(self.accepted, earlier.accepted),
            parts: less(self.parts, earlier.parts),
            submitted: submitted
                .map(|(name, count)| (name.clone(), less(*count, then(name))))
                .collect(),
            forwarded: less(self.forwarded, earlier.forwarded),
            partitions: partitions.map(|(now, then)| less(*now, *then)).collect(),
            connections: self.connections,
        }
    }

    /// What came to its binds beyond what its own numbers brought.
    fn of_carriers(&self) -> u64 {
        let submitted: u64 = self.submitted.iter().map(|(_, count)| count).sum();
        submitted.saturating_sub(self.parts) + self.forwarded
    }
}

/// What makes the busiest shard busier than the idlest. Counts are those of the two, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its numbers have more messages.
    Partitions {
        /// Messages accepted.
        messages: [u64; 2],
        /// Its partitions with the most, and the percentage of its messages that they have.
        most: Vec<(u16, u64)>,
    },
    /// Its binds carry more than its own numbers bring.
    Carriers {
        /// Parts submitted and receipts for other shards.
        parts: [u64; 2],
        /// The carriers of which it submitted most, and the percentage of its parts.
        most: Vec<(String, u64)>,
    },
    /// Its connections bring more requests.
    Connections {
        /// Requests and submissions.
        requests: [u64; 2],
        /// Connections now.
        open: [u64; 2],
    },
    /// Nothing that is counted differs so.
    Unknown,
}

impl Cause {
    /// The word for it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Partitions { .. } => "partitions",
            Self::Carriers { .. } => "carriers",
            Self::Connections { .. } => "connections",
            Self::Unknown => "unknown",
        }
    }

    /// It in words.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Partitions { messages: [busy, idle], most } => {
                let most = listed(most.iter().map(|(part, share)| (format!("{part}"), *share)));
                format!("its numbers had {busy} messages against {idle}; partitions {most}")
            }
            Self::Carriers { parts: [busy, idle], most } => {
                let most = listed(most.iter().map(|(name, share)| (name.clone(), *share)));
                format!(
                    "its binds had {busy} parts and receipts of other shards against {idle}; \
                     carriers {most}"
                )
            }
            Self::Connections { requests: [busy, idle], open: [own, other] } => {
                format!("its {own} connections brought {busy} requests against {idle} of {other}")
            }
            Self::Unknown => String::from("nothing that is counted differs so much"),
        }
    }
}

fn listed(most: impl Iterator<Item = (String, u64)>) -> String {
    most.map(|(name, share)| format!("{name} ({share} %)")).collect::<Vec<_>>().join(", ")
}

/// Shards compared over [`limits::IMBALANCE_OVER`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How busy each shard's core was, percent.
    pub(super) busy: Vec<u64>,
    /// By how many percent the idlest had less to do than the busiest; 0 while all are at rest.
    pub(super) percent: u64,
    /// Who and why, when that is more than [`limits::IMBALANCE_PERCENT`].
    pub(super) imbalance: Option<Imbalance>,
}

/// See [`Verdict`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Imbalance {
    pub(super) busiest: usize,
    pub(super) idlest: usize,
    pub(super) cause: Cause,
}

/// See the module's header.
#[derive(Default)]
pub(super) struct Balance {
    /// The beginning of the time over which shards are being compared.
    begun: Option<(Duration, Vec<Sample>)>,
    last: Option<Verdict>,
}

impl Balance {
    /// Looks at the shards; a verdict once they have been looked at for long enough. The thread that
    /// calls this may be late, and everything is measured by its own time.
    pub(super) fn observe(&mut self, now: Duration, shards: &[Arc<Stats>]) -> Option<&Verdict> {
        let over = match &self.begun {
            None => Duration::MAX,
            Some((since, _)) => now.saturating_sub(*since),
        };
        if over < limits::IMBALANCE_OVER {
            return None;
        }
        let samples: Vec<Sample> = shards.iter().map(|stats| Sample::of(stats)).collect();
        let (_, before) = self.begun.replace((now, samples.clone()))?;
        let done: Vec<Sample> =
            samples.iter().zip(&before).map(|(now, before)| now.since(before)).collect();
        self.last = Some(judge(&done, over));
        self.last.as_ref()
    }

    /// The last verdict.
    pub(super) const fn last(&self) -> Option<&Verdict> {
        self.last.as_ref()
    }
}

fn judge(done: &[Sample], over: Duration) -> Verdict {
    let span = u64::try_from(over.as_micros()).unwrap_or(u64::MAX).max(1);
    let busy: Vec<u64> = done.iter().map(|own| percent(own.cpu_us, span)).collect();
    let by_work = || done.iter().enumerate().map(|(shard, own)| (own.cpu_us, shard));
    let (Some((most, busiest)), Some((least, idlest))) = (by_work().max(), by_work().min()) else {
        return Verdict { busy, percent: 0, imbalance: None };
    };
    if percent(most, span) < u64::from(limits::IMBALANCE_BUSY_MIN) {
        return Verdict { busy, percent: 0, imbalance: None };
    }
    let percent = percent(most - least, most);
    let imbalance = (percent > u64::from(limits::IMBALANCE_PERCENT))
        .then(|| done.get(busiest).zip(done.get(idlest)))
        .flatten()
        .map(|(busy, idle)| Imbalance { busiest, idlest, cause: cause(busy, idle) });
    Verdict { busy, percent, imbalance }
}

/// A message, a request and a part cost about as much as each other, so the largest difference in
/// their counts is the cause.
fn cause(busy: &Sample, idle: &Sample) -> Cause {
    let excess = |of: fn(&Sample) -> u64| of(busy).saturating_sub(of(idle));
    let (messages, carried, requests) =
        (excess(|own| own.accepted), excess(Sample::of_carriers), excess(|own| own.requests));
    match messages.max(carried).max(requests) {
        0 => Cause::Unknown,
        most if most == messages => Cause::Partitions {
            messages: [busy.accepted, idle.accepted],
            most: foremost((0..).zip(&busy.partitions).map(|(part, count)| (part, *count))),
        },
        most if most == carried => Cause::Carriers {
            parts: [busy.of_carriers(), idle.of_carriers()],
            most: foremost(busy.submitted.iter().cloned()),
        },
        _ => Cause::Connections {
            requests: [busy.requests, idle.requests],
            open: [busy.connections, idle.connections],
        },
    }
}

/// Those with the largest counts, and their percentage of all.
fn foremost<T>(counts: impl Iterator<Item = (T, u64)>) -> Vec<(T, u64)> {
    let mut counts: Vec<(T, u64)> = counts.filter(|(_, count)| *count > 0).collect();
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(NAMED);
    counts.into_iter().map(|(name, count)| (name, percent(count, all))).collect()
}

fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

/// Says in the log once that the shards are out of balance, and once that they are not any more.
#[derive(Default)]
pub(super) struct Crier {
    told: Option<(usize, &'static str)>,
}

impl Crier {
    pub(super) fn tell(&mut self, verdict: &Verdict) {
        let now = verdict.imbalance.as_ref();
        let key = now.map(|own| (own.busiest, own.cause.name()));
        let before = std::mem::replace(&mut self.told, key);
        if before == key {
            return;
        }
        match now {
            Some(Imbalance { busiest, idlest, cause }) => tracing::warn!(
                busiest,
                idlest,
                percent = verdict.percent,
                cause = cause.name(),
                "the shards' cores are out of balance: {}",
                cause.told()
            ),
            None => tracing::info!("the shards' cores are in balance again"),
        }
    }
}

#[cfg(test)]
#[path = "balance_tests.rs"]
mod tests;
