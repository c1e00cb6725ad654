//! What a configuration comes to on a machine: partitions, binds, windows, rates, memory and disk
//! of each shard. Refuses what cannot work before anything is started. Pure, lives nowhere.

use std::fmt;

use serde_json::{Value, json};

use super::checked::{CarrierConfig, Config};
use super::error::ConfigErrors;
use crate::limits;
use crate::place::{Placement, ShardId};

/// One carrier over all shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierPlan {
    /// Its name.
    pub name: String,
    /// Binds on each shard, by shard; never 0.
    pub binds: Vec<u16>,
    /// Unanswered submit_sm of one bind.
    pub window: u16,
    /// Unanswered submit_sm over all binds.
    pub in_flight_max: u64,
    /// Parts a second over all binds; 0 for no limit.
    pub parts_per_second: u32,
    /// Parts a second of one bind, rounded down; 0 for no limit.
    pub parts_per_second_per_bind: u32,
}

/// Octets of memory of one shard when it is as full as it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Messages that are not final.
    pub open_messages: u64,
    /// Messages kept for reading.
    pub history: u64,
    /// Unanswered submit_sm.
    pub windows: u64,
    /// Rings from the other shards.
    pub rings: u64,
    /// Buffers of binds, HTTP connections, the log, and parked receipts.
    pub buffers: u64,
}

impl MemoryPlan {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.open_messages, self.history, self.windows, self.rings, self.buffers]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
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
    /// Unanswered submit_sm of all its binds.
    pub in_flight_max: u64,
    /// Octets of memory.
    pub memory: MemoryPlan,
    /// Octets of its log when it is as long as it may be.
    pub disk_bytes: u64,
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
    /// Messages of a shard that are not final.
    pub open_messages: u32,
    /// Final messages that a shard keeps.
    pub history_messages: u32,
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
        let placement = Placement::new([0; 16], shards);
        let plans =
            (0..shards).map(|shard| shard_plan(config, &placement, ShardId(shard), &carriers));
        let plan = Plan {
            cores,
            shards: plans.collect(),
            carriers,
            open_messages: config.limits.open_messages,
            history_messages: config.limits.history_messages,
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

    /// The plan as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "cores": self.cores,
            "shard_count": self.shard_count(),
            "expected_crossings": self.crossings,
            "mesh_lane_entries": self.mesh_lane,
            "open_messages_per_shard": self.open_messages,
            "history_messages_per_shard": self.history_messages,
            "shards": self.shards.iter().map(shard_json).collect::<Vec<Value>>(),
            "carriers": self.carriers.iter().map(carrier_json).collect::<Vec<Value>>(),
            "limits": limits::all().iter().map(limit_json).collect::<Vec<Value>>(),
        })
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
    let open = u64::from(config.limits.open_messages);
    let needed = open.saturating_mul(limits::STORE_PER_OPEN_MESSAGE);
    let half = u64::from(config.store.max_segments / 2).saturating_mul(config.store.segment_bytes);
    if needed > half {
        let segment = config.store.segment_bytes.max(1);
        let what = format!(
            "{open} open messages need {} of log, half of the store of a shard is {}",
            Bytes(needed),
            Bytes(half)
        );
        let mend = format!(
            "set store.max_segments to {} or more, or open_messages to {} or less",
            needed.div_ceil(segment).saturating_mul(2),
            half / limits::STORE_PER_OPEN_MESSAGE
        );
        errors.add("limits.open_messages", what, mend);
    }
}

/// Spreads a carrier's binds evenly; what is left over goes to the next shards in turn, beginning
/// at another shard for each carrier.
fn carrier_plan(
    errors: &mut ConfigErrors,
    index: usize,
    carrier: &CarrierConfig,
    shards: u16,
) -> CarrierPlan {
    let at = format!("carriers[{index}].binds");
    if carrier.binds < shards {
        let what = format!(
            "carrier \"{}\" has {} for {shards} shards, and every shard needs one of its own",
            carrier.name, carrier.binds
        );
        let mend =
            format!("set binds to {shards} or more, or server.shards to {} or less", carrier.binds);
        errors.add(at.as_str(), what, mend);
    }
    let (each, left) = (carrier.binds / shards, carrier.binds % shards);
    if carrier.binds.div_ceil(shards) > limits::MAX_BINDS_PER_CARRIER_PER_SHARD {
        let most = limits::MAX_BINDS_PER_CARRIER_PER_SHARD.saturating_mul(shards);
        let what =
            format!("carrier \"{}\" has {} for {shards} shards", carrier.name, carrier.binds);
        errors.add(at, what, format!("at most {most} fit"));
    }
    let first = index % usize::from(shards);
    let binds = (0..usize::from(shards)).map(|shard| {
        let turn = (shard + usize::from(shards) - first) % usize::from(shards);
        each + u16::from(turn < usize::from(left))
    });
    CarrierPlan {
        name: carrier.name.clone(),
        binds: binds.collect(),
        window: carrier.window,
        in_flight_max: u64::from(carrier.window) * u64::from(carrier.binds),
        parts_per_second: carrier.parts_per_second,
        parts_per_second_per_bind: carrier.parts_per_second / u32::from(carrier.binds.max(1)),
    }
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
    let peers = u64::from(placement.shards().saturating_sub(1));
    let memory = MemoryPlan {
        open_messages: product(
            u64::from(config.limits.open_messages),
            limits::MEMORY_PER_OPEN_MESSAGE,
        ),
        history: product(
            u64::from(config.limits.history_messages),
            limits::MEMORY_PER_HISTORY_MESSAGE,
        ),
        windows: product(in_flight, limits::MEMORY_PER_WINDOW_SLOT),
        // Two lanes from each other shard.
        rings: product(peers * 2 * wide(limits::MESH_LANE), limits::MEMORY_PER_MESH_ENTRY),
        buffers: buffers(binds, wide(carriers.len())),
    };
    ShardPlan {
        id,
        partitions: placement.partitions_of(id),
        binds,
        in_flight_max: in_flight,
        memory,
        disk_bytes: product(u64::from(config.store.max_segments), config.store.segment_bytes),
    }
}

fn buffers(binds: u64, carriers: u64) -> u64 {
    let of_binds = product(binds, limits::MEMORY_PER_BIND);
    let of_connections =
        product(wide(limits::HTTP_CONNECTIONS_PER_SHARD), limits::MEMORY_PER_CONNECTION);
    let parked = product(carriers * wide(limits::ORPHANS_PER_CARRIER), limits::MEMORY_PER_ORPHAN);
    // One batch is being written while the next is built.
    let of_log = 2 * wide(limits::MAX_BATCH);
    [of_binds, of_connections, parked, of_log].into_iter().fold(0, u64::saturating_add)
}

fn product(count: u64, each: u64) -> u64 {
    count.saturating_mul(each)
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn shard_json(shard: &ShardPlan) -> Value {
    json!({
        "shard": shard.id.0,
        "partitions": shard.partitions,
        "binds": shard.binds,
        "in_flight_max": shard.in_flight_max,
        "memory_bytes": {
            "open_messages": shard.memory.open_messages,
            "history": shard.memory.history,
            "windows": shard.memory.windows,
            "rings": shard.memory.rings,
            "buffers": shard.memory.buffers,
            "total": shard.memory.total(),
        },
        "disk_bytes": shard.disk_bytes,
    })
}

fn carrier_json(carrier: &CarrierPlan) -> Value {
    json!({
        "name": carrier.name,
        "binds_per_shard": carrier.binds,
        "window": carrier.window,
        "in_flight_max": carrier.in_flight_max,
        "parts_per_second": carrier.parts_per_second,
        "parts_per_second_per_bind": carrier.parts_per_second_per_bind,
    })
}

fn limit_json((name, value, unit): &limits::Limit) -> Value {
    json!({ "name": name, "value": value, "unit": unit })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards = self.shards.len();
        writeln!(f, "{} on {} cores", counted(shards, "shard"), self.cores)?;
        writeln!(
            f,
            "expected crossings: {:.0} % of accepted messages, lanes of {} entries",
            self.crossings * 100.0,
            self.mesh_lane
        )?;
        writeln!(
            f,
            "per shard: {} open messages, {} in history",
            self.open_messages, self.history_messages
        )?;
        self.write_shards(f)?;
        self.write_memory(f)?;
        self.write_carriers(f)
    }
}

impl Plan {
    fn write_shards(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(
            f,
            "{:<10} {:>10} {:>6} {:>10} {:>10} {:>10}",
            "", "partitions", "binds", "in flight", "memory", "disk"
        )?;
        for shard in &self.shards {
            writeln!(
                f,
                "{:<10} {:>10} {:>6} {:>10} {:>10} {:>10}",
                shard.id.to_string(),
                shard.partitions,
                shard.binds,
                shard.in_flight_max,
                Bytes(shard.memory.total()).to_string(),
                Bytes(shard.disk_bytes).to_string(),
            )?;
        }
        Ok(())
    }

    fn write_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(f, "memory of a shard when full")?;
        let Some(shard) = self.shards.iter().max_by_key(|shard| shard.memory.total()) else {
            return Ok(());
        };
        let memory = &shard.memory;
        for (what, octets) in [
            ("open messages", memory.open_messages),
            ("history", memory.history),
            ("windows", memory.windows),
            ("rings", memory.rings),
            ("buffers", memory.buffers),
        ] {
            writeln!(f, "  {what:<14} {:>10}", Bytes(octets).to_string())?;
        }
        Ok(())
    }

    fn write_carriers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.carriers.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        writeln!(
            f,
            "{:<16} {:>7} {:>10} {:>9} {:>16}  binds of each shard",
            "carrier", "window", "in flight", "parts/s", "parts/s per bind"
        )?;
        for carrier in &self.carriers {
            let binds: Vec<String> = carrier.binds.iter().map(ToString::to_string).collect();
            writeln!(
                f,
                "{:<16} {:>7} {:>10} {:>9} {:>16}  {}",
                carrier.name,
                carrier.window,
                carrier.in_flight_max,
                rate(carrier.parts_per_second),
                rate(carrier.parts_per_second_per_bind),
                binds.join(" ")
            )?;
        }
        Ok(())
    }
}

fn rate(parts: u32) -> String {
    if parts == 0 { String::from("no limit") } else { parts.to_string() }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Octets for people: one decimal, binary units.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        for (unit, shift) in UNITS {
            let whole = self.0 >> shift;
            if whole > 0 {
                let rest = self.0 & ((1 << shift) - 1);
                let tenth = (rest * 10) >> shift;
                return write!(f, "{whole}.{tenth} {unit}");
            }
        }
        write!(f, "{} B", self.0)
    }
}
