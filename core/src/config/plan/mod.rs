//! What a configuration comes to on a machine: partitions, binds, windows, rates, memory and disk
//! of each shard. Refuses what cannot work before anything is started. Pure, lives nowhere.

mod calibration;
mod dialect;
mod forecast;
mod memory;
mod placing;
mod print;
mod print_forecast;
mod tables;

use std::net::SocketAddr;
use std::time::Duration;

pub use self::calibration::{CALIBRATION_FORMAT, Calibration, CalibrationError};
pub use self::forecast::{
    Bound, CarrierForecast, CoresForecast, DiskForecast, Forecast, PlannedLoad, PlannedLoadError,
};
use self::memory::Counts;
pub use self::memory::MemoryPlan;
pub(in crate::config) use self::placing::deal;
use self::print::Bytes;
pub use self::tables::TablesPlan;
use super::checked::{BindType, CarrierConfig, Config, CustomerConfig, RateKind, SenderConfig};
use super::error::ConfigErrors;
use super::lookups::LookupsConfig;
use crate::limits;
use crate::place::{Placement, ShardId};

/// One carrier over all shards.
#[derive(Clone, Debug, PartialEq)]
pub struct CarrierPlan {
    /// Its name.
    pub name: String,
    /// Binds on each shard, by shard.
    pub binds: Vec<u16>,
    /// Unanswered submit_sm of one bind; 0 when it only receives.
    pub window: u16,
    /// Unanswered submit_sm over all binds.
    pub in_flight_max: u64,
    /// Parts a second over all binds; 0 for no limit.
    pub parts_per_second: u32,
    /// Whether that is what it takes.
    pub rate: RateKind,
    /// Connections of one bind: a pair is two.
    pub connections_per_bind: u16,
    /// Share of its parts that cross to a shard with a bind: those of the shards without one.
    pub crossings: f64,
    /// How it speaks SMPP where that is not the default, one difference each, in words.
    pub dialect: Vec<String>,
}

impl CarrierPlan {
    /// The shards that hold its binds.
    pub fn cores(&self) -> impl Iterator<Item = ShardId> + '_ {
        let shards = (0..).map(ShardId).zip(&self.binds);
        shards.filter(|(_, binds)| **binds > 0).map(|(shard, _)| shard)
    }
}

/// One customer with an account on the SMPP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerPlan {
    /// Its name.
    pub name: String,
    /// The system_id that it binds with.
    pub system_id: String,
    /// Binds at once, over all shards.
    pub max_binds: u16,
    /// Submissions of one bind that may wait for our answer.
    pub window: u16,
    /// Unanswered deliver_sm of one bind.
    pub deliver_window: u16,
    /// Submissions a second over all binds; 0 for no limit.
    pub messages_per_second: u32,
    /// How it speaks SMPP where that is not the default, one difference each, in words.
    pub dialect: Vec<String>,
}

/// A port of the SMPP side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPlan {
    /// Where it is.
    pub address: SocketAddr,
    /// Who connects there, and how.
    pub purpose: String,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardPlan {
    /// Which one.
    pub id: ShardId,
    /// Partitions that it owns.
    pub partitions: usize,
    /// Binds of all carriers.
    pub binds: u64,
    /// Connections of these binds.
    pub connections: u64,
    /// Unanswered submit_sm of all its binds.
    pub in_flight_max: u64,
    /// Its share of the carriers' rates, parts a second; `None` when one of them has no limit.
    pub parts_per_second: Option<u64>,
    /// Octets of memory.
    pub memory: MemoryPlan,
    /// Octets of its log, and of that of contents, when they are as long as they may be.
    pub disk_bytes: u64,
    /// Parts that it is planned to submit in an hour.
    pub receipts: u64,
}

/// The whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Cores of the machine.
    pub cores: u16,
    /// Each shard.
    pub shards: Vec<ShardPlan>,
    /// Each carrier, by `CarrierIx`.
    pub carriers: Vec<CarrierPlan>,
    /// Each customer with an account on the SMPP server.
    pub customers: Vec<CustomerPlan>,
    /// Each port of the SMPP side.
    pub ports: Vec<PortPlan>,
    /// What is known of numbers.
    pub tables: TablesPlan,
    /// Who is asked about numbers; `None`: nobody.
    pub lookups: Option<String>,
    /// Senders with a rate of their own, as they leave, and parts a second.
    pub senders: Vec<(String, u32)>,
    /// Messages of a shard that are not final.
    pub open_messages: u32,
    /// Open messages that the log of a shard carries.
    pub open_messages_fit: u64,
    /// Messages of a shard that are in memory at once.
    pub hot_messages: u32,
    /// How long messages can be read, as far as the store has room; `None`: no bound but that.
    pub retention: Option<Duration>,
    /// Entries of each lane between two shards; 0 with one shard.
    pub mesh_lane: usize,
    /// Share of accepted messages that arrive at another shard than their owner, when customers'
    /// connections spread evenly: (n - 1) / n.
    pub crossings: f64,
}

impl Plan {
    /// Plans a configuration for a machine of `cores` cores.
    ///
    /// # Errors
    /// Everything that cannot work, with its remedy.
    pub fn new(config: &Config, cores: u16) -> Result<Plan, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let cores = cores.max(1);
        let shards = match config.server.shards {
            0 => cores.min(limits::MAX_SHARDS),
            count => count,
        };
        check_cores(&mut errors, config, shards, cores);
        check_store(&mut errors, config);
        let carriers: Vec<CarrierPlan> = config
            .carriers
            .iter()
            .enumerate()
            .map(|(index, carrier)| carrier_plan(&mut errors, index, carrier, shards))
            .collect();
        check_hot(&mut errors, config, &carriers);
        let placement = Placement::new([0; 16], shards);
        let plans =
            (0..shards).map(|shard| shard_plan(config, &placement, ShardId(shard), &carriers));
        let plan = Plan {
            cores,
            shards: plans.collect(),
            carriers,
            customers: customer_plans(config),
            ports: ports(config),
            tables: TablesPlan::new(config),
            lookups: config.lookups.as_ref().map(LookupsConfig::plan_line),
            senders: config.senders.iter().map(sender_plan).collect(),
            open_messages: config.limits.open_messages,
            open_messages_fit: config.store.open_messages_that_fit(),
            hot_messages: config.limits.hot_messages,
            retention: config.store.retention,
            mesh_lane: if shards > 1 { limits::MESH_LANE } else { 0 },
            crossings: f64::from(shards - 1) / f64::from(shards),
        };
        errors.or_value(plan)
    }

    /// How many shards there are.
    #[must_use]
    pub fn shard_count(&self) -> u16 {
        u16::try_from(self.shards.len()).unwrap_or(u16::MAX)
    }

    /// Binds of each carrier on one shard, by `CarrierIx`.
    #[must_use]
    pub fn binds_on(&self, shard: ShardId) -> Vec<u16> {
        let on = |carrier: &CarrierPlan| carrier.binds.get(usize::from(shard.0)).copied();
        self.carriers.iter().map(|carrier| on(carrier).unwrap_or(0)).collect()
    }
}

fn check_cores(errors: &mut ConfigErrors, config: &Config, shards: u16, cores: u16) {
    if config.server.pin && shards > cores {
        let what = format!("{shards} shards do not fit {cores} cores");
        let mend = format!("set shards to at most {cores}, or \"auto\", or pin = false");
        errors.add("server.shards", what, mend);
    }
}

/// Open messages must fit half of the store: the other half is being carried forward or reserved.
fn check_store(errors: &mut ConfigErrors, config: &Config) {
    let (open, fit) =
        (u64::from(config.limits.open_messages), config.store.open_messages_that_fit());
    if open > fit {
        let needed = product(open, limits::STORE_PER_OPEN_MESSAGE);
        let what = format!(
            "{open} open messages need {} of log, half of the store of a shard is {}",
            Bytes(needed),
            Bytes(product(fit, limits::STORE_PER_OPEN_MESSAGE))
        );
        let segments = needed.div_ceil(config.store.segment_bytes.max(1)).saturating_mul(2);
        let mend = format!(
            "set store.max_segments to {segments} or more, or open_messages to {fit} or less"
        );
        errors.add("limits.open_messages", what, mend);
    }
}

/// Hot messages fill the windows: a carrier may have a quarter of them, and all together what is not
/// kept for messages that something happens to.
fn check_hot(errors: &mut ConfigErrors, config: &Config, carriers: &[CarrierPlan]) {
    let at = "limits.hot_messages";
    let hot = u64::from(config.limits.hot_messages);
    let (route, kept) = (wide(limits::ACTIVE_ROUTE_SHARE), wide(limits::ACTIVE_WANTED_SHARE));
    let slots = |carrier: &CarrierPlan| {
        let most = carrier.binds.iter().copied().max().unwrap_or(0);
        u64::from(most) * u64::from(carrier.window)
    };
    for carrier in carriers.iter().filter(|carrier| slots(carrier) > hot / route) {
        let what = format!(
            "the windows of carrier \"{}\" take {} messages of a shard, and a quarter of {hot} is {}",
            carrier.name,
            slots(carrier),
            hot / route
        );
        let mend = format!("set hot_messages to {} or more", slots(carrier).saturating_mul(route));
        errors.add(at, what, mend);
    }
    let all: u64 = carriers.iter().map(slots).sum();
    if all > hot - hot / kept {
        let what = format!(
            "all windows take {all} messages of a shard, and of {hot} there are {} for them",
            hot - hot / kept
        );
        let least = all.saturating_mul(kept).div_ceil(kept - 1);
        errors.add(at, what, format!("set hot_messages to {least} or more"));
    }
}

fn carrier_plan(
    errors: &mut ConfigErrors,
    index: usize,
    carrier: &CarrierConfig,
    shards: u16,
) -> CarrierPlan {
    if let Some(cores) = carrier.cores.filter(|cores| *cores > shards) {
        let what = format!("carrier \"{}\" wants {cores} cores of {shards}", carrier.name);
        errors.add(format!("carriers[{index}].cores"), what, format!("at most {shards} fit"));
    }
    let cores = carrier.cores(shards);
    if carrier.binds.div_ceil(cores) > limits::MAX_BINDS_PER_CARRIER_PER_SHARD {
        let most = limits::MAX_BINDS_PER_CARRIER_PER_SHARD.saturating_mul(cores);
        let what = format!("carrier \"{}\" has {} for {cores} cores", carrier.name, carrier.binds);
        errors.add(format!("carriers[{index}].binds"), what, format!("at most {most} fit"));
    }
    let binds = (0..shards).map(|shard| carrier.binds_on(ShardId(shard), shards));
    let window = if carrier.bind == BindType::Receiver { 0 } else { carrier.window };
    CarrierPlan {
        name: carrier.name.clone(),
        binds: binds.collect(),
        window,
        in_flight_max: u64::from(window) * u64::from(carrier.binds),
        parts_per_second: carrier.parts_per_second,
        rate: carrier.rate,
        connections_per_bind: if carrier.bind == BindType::Pair { 2 } else { 1 },
        dialect: dialect::of_carrier(carrier),
        crossings: f64::from(shards - cores) / f64::from(shards),
    }
}

fn customer_plans(config: &Config) -> Vec<CustomerPlan> {
    let plan = |customer: &CustomerConfig| {
        let account = customer.smpp.as_ref()?;
        Some(CustomerPlan {
            name: customer.name.clone(),
            system_id: account.system_id.clone(),
            max_binds: account.max_binds,
            window: account.window,
            deliver_window: account.deliver_window,
            messages_per_second: account.messages_per_second,
            dialect: dialect::of_customer(customer, account),
        })
    };
    config.customers.iter().filter_map(plan).collect()
}

fn sender_plan(own: &SenderConfig) -> (String, u32) {
    (own.sender.as_text().to_string(), own.parts_per_second)
}

fn ports(config: &Config) -> Vec<PortPlan> {
    let plain = config.smpp.listen.map(|address| PortPlan {
        address,
        purpose: String::from("customers over SMPP, without TLS"),
    });
    let tls = config.smpp.tls.as_ref().map(|tls| PortPlan {
        address: tls.listen,
        purpose: String::from(match tls.client_ca_file {
            Some(_) => "customers over SMPP, with TLS and certificates of their own",
            None => "customers over SMPP, with TLS",
        }),
    });
    let outbind = config.carriers.iter().filter_map(|carrier| {
        let address = carrier.profile.outbind.as_ref()?.listen;
        let purpose = format!("outbind of carrier {}", carrier.name);
        Some(PortPlan { address, purpose })
    });
    plain.into_iter().chain(tls).chain(outbind).collect()
}

fn shard_plan(
    config: &Config,
    placement: &Placement,
    id: ShardId,
    carriers: &[CarrierPlan],
) -> ShardPlan {
    let own = |carrier: &CarrierPlan| {
        u64::from(carrier.binds.get(usize::from(id.0)).copied().unwrap_or(0))
    };
    let binds: u64 = carriers.iter().map(own).sum();
    let in_flight: u64 =
        carriers.iter().map(|carrier| own(carrier) * u64::from(carrier.window)).sum();
    let connections =
        carriers.iter().map(|carrier| own(carrier) * u64::from(carrier.connections_per_bind)).sum();
    let rate = |carrier: &CarrierPlan| {
        let binds: u64 = carrier.binds.iter().copied().map(u64::from).sum();
        match (carrier.window, u64::from(carrier.parts_per_second)) {
            (0, _) => Some(0),
            (_, 0) => None,
            (_, rate) => Some(rate * own(carrier) / binds.max(1)),
        }
    };
    let shards = placement.shards();
    let memory = MemoryPlan::new(config, &Counts { shards, in_flight, connections });
    ShardPlan {
        id,
        partitions: placement.partitions_of(id),
        binds,
        connections,
        in_flight_max: in_flight,
        parts_per_second: carriers.iter().map(rate).sum(),
        memory,
        disk_bytes: product(u64::from(config.store.max_segments), config.store.segment_bytes)
            .saturating_add(product(
                limits::CONTENT_SEGMENTS.into(),
                u64::from(limits::CONTENT_SEGMENT_MIB) << 20,
            )),
        receipts: config.receipts_planned(shards),
    }
}

fn product(count: u64, each: u64) -> u64 {
    count.saturating_mul(each)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A count in calculations with fractions: exact up to 2^53.
fn float(count: u64) -> f64 {
    count as f64
}

/// A number that is not negative as a count; what is too large is the largest.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}
