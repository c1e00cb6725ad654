//! The forecast as a table for people and as JSON for programs. Pure, lives nowhere.

use core::time::Duration;
use std::fmt;

use serde_json::{Value, json};

use super::forecast::{Bound, CarrierForecast, CoresForecast, DiskForecast, Forecast};
use super::print::Bytes;
use super::whole;
use crate::limits;

impl Forecast {
    /// The forecast as one JSON object; what is not known is null.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "messages_per_second": self.messages_per_second,
            "parts_per_message": self.parts,
            "carriers": self.carriers.iter().map(carrier_json).collect::<Vec<Value>>(),
            "cores": self.cores.as_ref().map(cores_json),
            "disk": self.disk.as_ref().map(disk_json),
            "most_messages_per_second": self.most.as_ref().map(|(most, _)| most),
            "binds_first": self.most.as_ref().map(|(_, bound)| bound_json(bound)),
            "fits": self.fits(),
            "backlog": self.backlog,
            "drain_seconds": self.drain.map(|drain| drain.as_secs_f64()),
        })
    }

    /// Whether what is wanted is carried, as far as is known.
    #[must_use]
    pub fn fits(&self) -> bool {
        let most = self.most.as_ref().map(|(most, _)| *most);
        let over =
            matches!((self.messages_per_second, most), (Some(rate), Some(most)) if rate > most);
        !over && self.carriers.iter().all(CarrierForecast::fits)
    }
}

fn carrier_json(own: &CarrierForecast) -> Value {
    let most = own.most();
    json!({
        "name": own.name,
        "share": own.share,
        "wanted_parts_per_second": own.wanted,
        "rtt_ms": own.rtt.map(millis),
        "by_rate": own.by_rate,
        "by_windows": own.by_windows,
        "most_parts_per_second": most.as_ref().map(|(most, _)| most),
        "binds_first": most.as_ref().map(|(_, bound)| bound_json(bound)),
        "binds": own.binds,
        "binds_needed": own.binds_needed,
        "fits": own.fits(),
    })
}

fn cores_json(cores: &CoresForecast) -> Value {
    json!({
        "shard_us_per_message": cores.shard_us,
        "other_us_per_message": cores.other_us,
        "most_messages_per_second": cores.most,
        "busy": cores.busy,
        "shards_needed": cores.needed,
        "busy_percent_planned": limits::CORE_BUSY_PERCENT,
    })
}

fn disk_json(disk: &DiskForecast) -> Value {
    json!({
        "bytes_per_message": disk.bytes_per_message,
        "bytes_per_second": disk.bytes_per_second,
        "lasts_seconds": disk.lasts.map(|lasts| lasts.as_secs()),
        "segments_needed_per_shard": disk.segments_needed,
    })
}

fn bound_json(bound: &Bound) -> Value {
    match bound {
        Bound::Rate(carrier) => json!({ "bound": "rate", "carrier": carrier }),
        Bound::Windows(carrier) => json!({ "bound": "windows", "carrier": carrier }),
        Bound::Cores => json!({ "bound": "cores" }),
    }
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.messages_per_second.map_or_else(
            || String::from("as many messages/s as the carriers' rates allow"),
            |rate| format!("{} messages/s", rounded(rate)),
        );
        writeln!(f, "load: {wanted}, {:.2} parts a message", self.parts)?;
        self.write_carriers(f)?;
        if let Some(cores) = &self.cores {
            write_cores(f, cores)?;
        }
        if let Some(disk) = &self.disk {
            write_disk(f, disk)?;
        }
        match &self.most {
            Some((most, bound)) => {
                let fits = if self.fits() { "" } else { ": NOT what is wanted" };
                writeln!(f, "carries {} messages/s, bound by {bound}{fits}", rounded(*most))?;
            }
            None => writeln!(f, "nothing that is known bounds it: say --rtt or --calibration")?,
        }
        match (self.backlog, self.drain) {
            (0, _) => Ok(()),
            (backlog, Some(drain)) => {
                writeln!(f, "a backlog of {backlog} messages is gone after {}", Span(drain))
            }
            (backlog, None) => writeln!(f, "a backlog of {backlog} messages does not get smaller"),
        }
    }
}

impl Forecast {
    fn write_carriers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.carriers.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "{:<16} {:>6} {:>10} {:>9} {:>9} {:>10} {:>6} {:>6}  first to bind",
            "carrier", "share", "wanted/s", "rtt", "rate/s", "windows/s", "binds", "needs"
        )?;
        for own in &self.carriers {
            let first = own.most().map(|(_, bound)| match bound {
                Bound::Rate(_) => "rate",
                Bound::Windows(_) | Bound::Cores => "windows",
            });
            let missing = if own.fits() { "" } else { ", NOT enough" };
            writeln!(
                f,
                "{:<16} {:>4} % {:>10} {:>9} {:>9} {:>10} {:>6} {:>6}  {}{missing}",
                own.name,
                rounded(own.share * 100.0),
                known(own.wanted.map(rounded)),
                known(own.rtt.map(|rtt| format!("{} ms", rounded(millis(rtt))))),
                own.by_rate.map_or_else(|| String::from("no limit"), rounded),
                known(own.by_windows.map(rounded)),
                own.binds,
                known(own.binds_needed.map(|binds| binds.to_string())),
                first.unwrap_or("-"),
            )?;
        }
        Ok(())
    }
}

fn write_cores(f: &mut fmt::Formatter<'_>, cores: &CoresForecast) -> fmt::Result {
    write!(
        f,
        "cores: {:.1} us of a shard and {:.1} us of others a message, {} messages/s at most",
        cores.shard_us,
        cores.other_us,
        rounded(cores.most)
    )?;
    if let (Some(busy), Some(needed)) = (cores.busy, cores.needed) {
        write!(
            f,
            "; shards are {} % busy, and {needed} would be {} % at most",
            rounded(busy * 100.0),
            limits::CORE_BUSY_PERCENT
        )?;
    }
    writeln!(f)
}

fn write_disk(f: &mut fmt::Formatter<'_>, disk: &DiskForecast) -> fmt::Result {
    write!(f, "disk: {} of log a message", Bytes(whole(disk.bytes_per_message)))?;
    if let (Some(rate), Some(lasts)) = (disk.bytes_per_second, disk.lasts) {
        let day = Bytes(whole(rate * 86_400.0));
        write!(f, ", {}/s, {day} a day; the store lasts {}", Bytes(whole(rate)), Span(lasts))?;
    }
    if let Some(segments) = disk.segments_needed {
        write!(f, ", and {segments} segments a shard keep the history")?;
    }
    writeln!(f)
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(carrier) => write!(f, "the rate of carrier {carrier}"),
            Self::Windows(carrier) => write!(f, "the windows of carrier {carrier}"),
            Self::Cores => f.write_str("the cores of the shards"),
        }
    }
}

fn known(value: Option<String>) -> String {
    value.unwrap_or_else(|| String::from("-"))
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

/// Three digits where they matter.
fn rounded(value: f64) -> String {
    let digits = if value >= 100.0 || value == value.trunc() { 0 } else { 1 };
    format!("{value:.digits$}")
}

/// A span for people: in the largest unit that it fills.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let units = [(86_400.0, "days"), (3_600.0, "h"), (60.0, "min")];
        match units.into_iter().find(|(unit, _)| seconds >= 2.0 * unit) {
            Some((unit, name)) => write!(f, "{:.1} {name}", seconds / unit),
            None => write!(f, "{seconds:.1} s"),
        }
    }
}
