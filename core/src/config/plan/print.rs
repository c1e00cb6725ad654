//! The plan as a table for people and as JSON for programs. Pure, lives nowhere.

use std::fmt;

use serde_json::{Value, json};

use super::{CarrierPlan, CustomerPlan, Plan, PortPlan, ShardPlan};
use crate::config::RateKind;
use crate::config::words::Word;
use crate::limits;

/// Senders that are told to people; the JSON form has all.
const SENDERS_SHOWN: usize = 20;

impl Plan {
    /// The plan as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "cores": self.cores,
            "shard_count": self.shard_count(),
            "expected_crossings": self.crossings,
            "mesh_lane_entries": self.mesh_lane,
            "open_messages_per_shard": self.open_messages,
            "open_messages_that_fit": self.open_messages_fit,
            "hot_messages_per_shard": self.hot_messages,
            "retention_seconds": self.retention.map(|retention| retention.as_secs()),
            "shards": self.shards.iter().map(shard_json).collect::<Vec<Value>>(),
            "carriers": self.carriers.iter().map(carrier_json).collect::<Vec<Value>>(),
            "customers": self.customers.iter().map(customer_json).collect::<Vec<Value>>(),
            "smpp_ports": self.ports.iter().map(port_json).collect::<Vec<Value>>(),
            "shared_memory_bytes": self.tables.to_json(),
            "lookups": self.lookups,
            "senders": self.senders.iter().map(sender_json).collect::<Vec<Value>>(),
            "limits": limits::all().iter().map(limit_json).collect::<Vec<Value>>(),
        })
    }
}

fn sender_json((sender, rate): &(String, u32)) -> Value {
    json!({ "sender": sender, "parts_per_second": rate })
}

fn shard_json(shard: &ShardPlan) -> Value {
    json!({
        "shard": shard.id.0,
        "partitions": shard.partitions,
        "binds": shard.binds,
        "connections": shard.connections,
        "in_flight_max": shard.in_flight_max,
        "parts_per_second": shard.parts_per_second,
        "memory_bytes": {
            "hot_messages": shard.memory.hot_messages,
            "receipts": shard.memory.receipts,
            "rows": shard.memory.rows,
            "filters": shard.memory.filters,
            "registers": shard.memory.registers,
            "contents": shard.memory.contents,
            "windows": shard.memory.windows,
            "customers": shard.memory.customers,
            "rings": shard.memory.rings,
            "lookups": shard.memory.lookups,
            "senders": shard.memory.senders,
            "buffers": shard.memory.buffers,
            "total": shard.memory.total(),
        },
        "disk_bytes": shard.disk_bytes,
        "parts_an_hour": shard.receipts,
    })
}

fn carrier_json(carrier: &CarrierPlan) -> Value {
    json!({
        "name": carrier.name,
        "binds_per_shard": carrier.binds,
        "cores": carrier.cores().map(|core| core.0).collect::<Vec<u16>>(),
        "expected_crossings": carrier.crossings,
        "connections_per_bind": carrier.connections_per_bind,
        "window": carrier.window,
        "in_flight_max": carrier.in_flight_max,
        "parts_per_second": carrier.parts_per_second,
        "rate": carrier.rate.word(),
        "dialect": carrier.dialect,
    })
}

fn customer_json(customer: &CustomerPlan) -> Value {
    json!({
        "name": customer.name,
        "system_id": customer.system_id,
        "max_binds": customer.max_binds,
        "window": customer.window,
        "deliver_window": customer.deliver_window,
        "messages_per_second": customer.messages_per_second,
        "dialect": customer.dialect,
    })
}

fn port_json(port: &PortPlan) -> Value {
    json!({ "address": port.address.to_string(), "purpose": port.purpose })
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
            "per shard: {} open messages (the disk carries {}), {} of them in memory; history {}",
            self.open_messages,
            self.open_messages_fit,
            self.hot_messages.min(self.open_messages),
            match self.retention {
                Some(retention) =>
                    format!("{} h as far as it has room", retention.as_secs() / 3_600),
                None => String::from("as far as it has room"),
            }
        )?;
        self.write_shards(f)?;
        self.write_memory(f)?;
        write!(f, "\n{}", self.tables)?;
        self.write_carriers(f)?;
        self.write_customers(f)?;
        if let Some(lookups) = &self.lookups {
            writeln!(f, "\n{lookups}")?;
        }
        self.write_senders(f)?;
        let smpp = self.smpp_lines();
        if smpp.is_empty() { Ok(()) } else { write!(f, "\n{smpp}") }
    }
}

impl Plan {
    /// What the gateway speaks SMPP on and how, where that is not the default: its ports, then each
    /// carrier and customer with its differences. Empty when there is nothing to say.
    #[must_use]
    pub fn smpp_lines(&self) -> String {
        let ports =
            self.ports.iter().map(|port| format!("port {}: {}\n", port.address, port.purpose));
        let carriers = self.carriers.iter().map(|own| dialect("carrier", &own.name, &own.dialect));
        let customers =
            self.customers.iter().map(|own| dialect("customer", &own.name, &own.dialect));
        ports.chain(carriers).chain(customers).collect()
    }

    fn write_customers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.customers.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        writeln!(
            f,
            "{:<16} {:<15} {:>6} {:>7} {:>14} {:>11}",
            "customer", "system_id", "binds", "window", "deliver window", "messages/s"
        )?;
        for customer in &self.customers {
            writeln!(
                f,
                "{:<16} {:<15} {:>6} {:>7} {:>14} {:>11}",
                customer.name,
                customer.system_id,
                customer.max_binds,
                customer.window,
                customer.deliver_window,
                rate(customer.messages_per_second),
            )?;
        }
        Ok(())
    }

    fn write_senders(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.senders.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{:<16} {:>9}", "sender", "parts/s")?;
        for (sender, rate) in self.senders.iter().take(SENDERS_SHOWN) {
            writeln!(f, "{sender:<16} {rate:>9}")?;
        }
        match self.senders.len().saturating_sub(SENDERS_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "and {}", counted(more, "more sender")),
        }
    }

    fn write_shards(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(
            f,
            "{:<10} {:>10} {:>6} {:>10} {:>9} {:>14} {:>10} {:>10}",
            "", "partitions", "binds", "in flight", "parts/s", "parts an hour", "memory", "disk"
        )?;
        for shard in &self.shards {
            writeln!(
                f,
                "{:<10} {:>10} {:>6} {:>10} {:>9} {:>14} {:>10} {:>10}",
                shard.id.to_string(),
                shard.partitions,
                shard.binds,
                shard.in_flight_max,
                shard
                    .parts_per_second
                    .map_or_else(|| String::from("no limit"), |own| own.to_string()),
                shard.receipts,
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
        for (what, octets) in shard.memory.each() {
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
            "{:<16} {:>7} {:>10} {:>9} {:>9} {:>8}  binds of each shard",
            "carrier", "window", "in flight", "parts/s", "rate", "crossing"
        )?;
        for carrier in &self.carriers {
            let binds: Vec<String> = carrier.binds.iter().map(ToString::to_string).collect();
            let none = carrier.rate == RateKind::Agreed && carrier.parts_per_second == 0;
            writeln!(
                f,
                "{:<16} {:>7} {:>10} {:>9} {:>9} {:>6.0} %  {}",
                carrier.name,
                carrier.window,
                carrier.in_flight_max,
                rate(carrier.parts_per_second),
                if none { "-" } else { carrier.rate.word() },
                carrier.crossings * 100.0,
                binds.join(" ")
            )?;
        }
        Ok(())
    }
}

/// One party's differences, one a line.
fn dialect(kind: &str, name: &str, differences: &[String]) -> String {
    let lines: String = differences.iter().map(|own| format!("  {own}\n")).collect();
    if lines.is_empty() { lines } else { format!("{kind} {name}\n{lines}") }
}

fn rate(parts: u32) -> String {
    if parts == 0 { String::from("no limit") } else { parts.to_string() }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Octets for people: one decimal, binary units.
pub(super) struct Bytes(pub(super) u64);

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
