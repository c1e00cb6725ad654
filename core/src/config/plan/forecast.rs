//! What a planned gateway can carry: each carrier by Little's law and its rate, all of it by the
//! processors, the disk that it fills, and how long a backlog takes. Pure, lives nowhere.

use core::time::Duration;

use super::calibration::Calibration;
use super::{CarrierPlan, Plan, float, whole};
use crate::config::checked::Config;
use crate::limits;
use crate::route::{Candidate, CarrierIx, RouteConfig};

/// What is to be carried, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlannedLoad {
    /// Messages a second; `None`: as many as the carriers' rates allow.
    pub messages_per_second: Option<f64>,
    /// Parts of a message on average; 0 for one, or as many as the calibration had.
    pub parts: f64,
    /// From a submit_sm to its answer, of every carrier that `rtt_of` does not name.
    pub rtt: Option<Duration>,
    /// The same by carrier.
    pub rtt_of: Vec<(String, Duration)>,
    /// Which percentage of the parts goes to a carrier; what is left goes to the others alike.
    pub share_of: Vec<(String, f64)>,
    /// Messages that wait already.
    pub backlog: u64,
    /// What messages cost.
    pub calibration: Option<Calibration>,
}

/// Why a load cannot be planned for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlannedLoadError {
    /// A carrier is named that the configuration does not have.
    #[error("the configuration has no carrier \"{0}\" to which parts are sent")]
    UnknownCarrier(String),
    /// Shares come to more than all.
    #[error("the shares come to more than 100 %")]
    Shares,
    /// A number is negative, not finite, or out of all proportion.
    #[error("{0} must be from 0 to {1}")]
    Range(&'static str, u64),
}

/// What keeps a gateway from carrying more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The rate agreed with a carrier, by its name.
    Rate(String),
    /// A carrier's binds and windows for its answers' time.
    Windows(String),
    /// The shards' cores.
    Cores,
}

/// One carrier under the load.
#[derive(Clone, Debug, PartialEq)]
pub struct CarrierForecast {
    /// Its name.
    pub name: String,
    /// Its share of all parts, 0 to 1.
    pub share: f64,
    /// Parts a second that it is to take; `None` when nothing says.
    pub wanted: Option<f64>,
    /// From a submit_sm to its answer; `None` when nothing says.
    pub rtt: Option<Duration>,
    /// Parts a second that its rate allows; `None` for no limit.
    pub by_rate: Option<f64>,
    /// Parts a second that its windows allow: binds x window / RTT.
    pub by_windows: Option<f64>,
    /// Binds over all shards.
    pub binds: u64,
    /// Binds that what is wanted takes, as far as windows bind.
    pub binds_needed: Option<u64>,
}

/// Processors under the load.
#[derive(Clone, Debug, PartialEq)]
pub struct CoresForecast {
    /// Processor time of the shards a message, microseconds.
    pub shard_us: f64,
    /// Processor time of all the rest of the process a message, microseconds.
    pub other_us: f64,
    /// Messages a second when every shard has no time left.
    pub most: f64,
    /// How busy each shard's core is, 0 to 1 and beyond; `None` without messages a second.
    pub busy: Option<f64>,
    /// Cores for shards that are [`limits::CORE_BUSY_PERCENT`] busy at most; `None` likewise.
    pub needed: Option<u64>,
}

/// Disk under the load.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskForecast {
    /// Octets of log a message.
    pub bytes_per_message: f64,
    /// Octets a second; `None` without messages a second.
    pub bytes_per_second: Option<f64>,
    /// How long the segments of all shards last until they are used again; `None` likewise.
    pub lasts: Option<Duration>,
    /// Segments of a shard that keep messages for as long as the configuration says; `None`
    /// likewise, or when it does not say.
    pub segments_needed: Option<u64>,
}

/// The whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Messages a second that are wanted.
    pub messages_per_second: Option<f64>,
    /// Parts of a message.
    pub parts: f64,
    /// Each carrier that parts are sent to.
    pub carriers: Vec<CarrierForecast>,
    /// `None` without a calibration.
    pub cores: Option<CoresForecast>,
    /// `None` without a calibration.
    pub disk: Option<DiskForecast>,
    /// Messages a second that all of it carries, and what keeps it from more; `None` when nothing
    /// that is known does.
    pub most: Option<(f64, Bound)>,
    /// Messages that wait already.
    pub backlog: u64,
    /// How long the backlog takes beside what comes meanwhile; `None`: it does not end, or nothing
    /// says how fast it goes.
    pub drain: Option<Duration>,
}

impl CarrierForecast {
    /// Parts a second that it takes, and which of its bounds is first; `None` when neither is known.
    #[must_use]
    pub fn most(&self) -> Option<(f64, Bound)> {
        let rate = self.by_rate.map(|rate| (rate, Bound::Rate(self.name.clone())));
        let windows = self.by_windows.map(|rate| (rate, Bound::Windows(self.name.clone())));
        least(rate.into_iter().chain(windows))
    }

    /// Whether it takes what it is to take, as far as is known.
    #[must_use]
    pub fn fits(&self) -> bool {
        let most = self.most().map(|(most, _)| most);
        !matches!((self.wanted, most), (Some(wanted), Some(most)) if wanted > most)
    }
}

impl Plan {
    /// What it carries of a load.
    ///
    /// # Errors
    /// [`PlannedLoadError`].
    pub fn forecast(
        &self,
        config: &Config,
        load: &PlannedLoad,
    ) -> Result<Forecast, PlannedLoadError> {
        check(self, load)?;
        let measured = load.calibration.as_ref();
        let parts = if load.parts > 0.0 {
            load.parts
        } else {
            measured.map_or(1.0, Calibration::parts_per_message)
        };
        let shares = self.shares(config, load)?;
        let carriers: Vec<CarrierForecast> = self
            .carriers
            .iter()
            .zip(shares)
            .filter(|(carrier, _)| carrier.window > 0)
            .map(|(carrier, share)| self.carrier_forecast(carrier, share, parts, load))
            .collect();
        let cores = measured.map(|measured| self.cores_forecast(measured, parts, load));
        let disk = measured.map(|measured| self.disk_forecast(config, measured, parts, load));
        let of_carriers = carriers.iter().filter(|carrier| carrier.share > 0.0).filter_map(|own| {
            let (most, bound) = own.most()?;
            Some((most / own.share / parts, bound))
        });
        let of_cores = cores.iter().map(|cores| (cores.most, Bound::Cores));
        let most = least(of_carriers.chain(of_cores));
        let arriving = load.messages_per_second.unwrap_or(0.0);
        let drain = most
            .as_ref()
            .map(|(most, _)| most - arriving)
            .filter(|rest| *rest > 0.0)
            .map(|rest| span(float(load.backlog) / rest));
        Ok(Forecast {
            messages_per_second: load.messages_per_second,
            parts,
            carriers,
            cores,
            disk,
            most,
            backlog: load.backlog,
            drain,
        })
    }

    /// The share of all parts of each carrier: what is said of it, or else its part of what is left.
    fn shares(&self, config: &Config, load: &PlannedLoad) -> Result<Vec<f64>, PlannedLoadError> {
        let mut said = vec![None; self.carriers.len()];
        for (name, percent) in &load.share_of {
            let place = self.submitting(name).and_then(|at| said.get_mut(at));
            let unknown = || PlannedLoadError::UnknownCarrier(name.clone());
            *place.ok_or_else(unknown)? = Some(percent / 100.0);
        }
        let given: f64 = said.iter().flatten().sum();
        if given > 1.0 + 1e-9 {
            return Err(PlannedLoadError::Shares);
        }
        let mut routed = vec![0.0; self.carriers.len()];
        for (carrier, part) in config.routes.iter().flat_map(first_choice) {
            if let Some(own) = routed.get_mut(usize::from(carrier.0)) {
                *own += part;
            }
        }
        let left = |(own, said): (&f64, &Option<f64>)| said.is_none().then_some(*own);
        let all: f64 = routed.iter().zip(&said).filter_map(left).sum();
        let each = if all > 0.0 { (1.0 - given).max(0.0) / all } else { 0.0 };
        let shares = said.into_iter().zip(routed);
        Ok(shares.map(|(said, own)| said.unwrap_or(own * each)).collect())
    }

    /// The place of a carrier that parts are sent to.
    fn submitting(&self, name: &str) -> Option<usize> {
        self.carriers.iter().position(|carrier| carrier.name == name && carrier.window > 0)
    }

    fn carrier_forecast(
        &self,
        carrier: &CarrierPlan,
        share: f64,
        parts: f64,
        load: &PlannedLoad,
    ) -> CarrierForecast {
        let measured = load.calibration.as_ref();
        let own = load.rtt_of.iter().find(|(name, _)| *name == carrier.name).map(|(_, rtt)| *rtt);
        let rtt = own.or(load.rtt).or_else(|| measured.and_then(Calibration::answer_time));
        let by_rate = (carrier.parts_per_second > 0).then(|| f64::from(carrier.parts_per_second));
        let wanted = load.messages_per_second.map(|rate| rate * parts * share).or(by_rate);
        let slot = rtt.map(|rtt| slot_time(rtt, measured));
        let by_windows =
            slot.map(|slot| float(carrier.in_flight_max) / slot.as_secs_f64().max(1e-6));
        let binds_needed = wanted.zip(slot).map(|(wanted, slot)| {
            let each = f64::from(carrier.window) / slot.as_secs_f64().max(1e-6);
            whole((wanted / each).ceil()).max(1)
        });
        CarrierForecast {
            name: carrier.name.clone(),
            share,
            wanted,
            rtt,
            by_rate,
            by_windows,
            binds: carrier.binds.iter().copied().map(u64::from).sum(),
            binds_needed,
        }
    }

    fn cores_forecast(
        &self,
        measured: &Calibration,
        parts: f64,
        load: &PlannedLoad,
    ) -> CoresForecast {
        let (shard_us, process_us) = (measured.shard_us(parts), measured.process_us(parts));
        let shards = f64::from(self.shard_count());
        // Where shards have every core, what else the process does takes time from them.
        let of_shards = shards * 1e6 / shard_us;
        let of_process = f64::from(self.cores) * 1e6 / process_us;
        let busy = load.messages_per_second.map(|rate| rate * shard_us / 1e6 / shards);
        let target = f64::from(limits::CORE_BUSY_PERCENT) / 100.0;
        let needed = load
            .messages_per_second
            .map(|rate| whole((rate * shard_us / 1e6 / target).ceil()).max(1));
        CoresForecast {
            shard_us,
            other_us: (process_us - shard_us).max(0.0),
            most: of_shards.min(of_process),
            busy,
            needed,
        }
    }

    fn disk_forecast(
        &self,
        config: &Config,
        measured: &Calibration,
        parts: f64,
        load: &PlannedLoad,
    ) -> DiskForecast {
        let bytes_per_message = measured.log_bytes(parts);
        let bytes_per_second = load.messages_per_second.map(|rate| rate * bytes_per_message);
        let flowing = bytes_per_second.filter(|bytes| *bytes > 0.0);
        let shards = f64::from(self.shard_count());
        let segment = float(config.store.segment_bytes);
        let lasts = flowing
            .map(|bytes| span(shards * f64::from(config.store.max_segments) * segment / bytes));
        let segments_needed = flowing.zip(config.store.retention).map(|(bytes, retention)| {
            let kept = bytes * retention.as_secs_f64() / shards;
            whole((kept / segment).ceil())
                .saturating_add(limits::RESERVE_SEGMENTS + u64::from(limits::SPARE_SEGMENTS))
        });
        DiskForecast { bytes_per_message, bytes_per_second, lasts, segments_needed }
    }
}

/// Who takes a route's traffic while nobody is full or down, and which part of it: of the best group
/// the cheapest, by weight.
fn first_choice(route: &RouteConfig) -> Vec<(CarrierIx, f64)> {
    let rank = |own: &Candidate| (own.priority, own.cost);
    let best = route.carriers.iter().map(rank).min();
    let first = || route.carriers.iter().filter(|own| Some(rank(own)) == best);
    let all: u64 = first().map(|own| u64::from(own.weight)).sum();
    first().map(|own| (own.carrier, f64::from(own.weight) / float(all.max(1)))).collect()
}

/// How long a part has a place in its window: until the answer, and not less than the records of the
/// answers before it take to the disk, of which a bind lets no more than a window wait.
fn slot_time(rtt: Duration, measured: Option<&Calibration>) -> Duration {
    let commit = measured.and_then(Calibration::commit_time);
    commit.map_or(rtt, |commit| rtt.max(limits::LAZY_COMMIT + commit))
}

fn check(plan: &Plan, load: &PlannedLoad) -> Result<(), PlannedLoadError> {
    let within = |what, value: f64, most: u32| {
        let fits = value.is_finite() && (0.0..=f64::from(most)).contains(&value);
        fits.then_some(()).ok_or(PlannedLoadError::Range(what, u64::from(most)))
    };
    within("messages a second", load.messages_per_second.unwrap_or(0.0), 1_000_000_000)?;
    within("parts of a message", load.parts, 255)?;
    for (_, percent) in &load.share_of {
        within("a share", *percent, 100)?;
    }
    let unknown = load.rtt_of.iter().find(|(name, _)| plan.submitting(name).is_none());
    match unknown {
        Some((name, _)) => Err(PlannedLoadError::UnknownCarrier(name.clone())),
        None => Ok(()),
    }
}

fn least(bounds: impl Iterator<Item = (f64, Bound)>) -> Option<(f64, Bound)> {
    bounds.min_by(|(one, _), (other, _)| one.total_cmp(other))
}

/// So many seconds, as long as a duration can be.
fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
