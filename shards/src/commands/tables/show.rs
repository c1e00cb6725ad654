//! `postrider tables show`: rows, sources, dates and memory of every table, and until when those of
//! ported numbers count as fresh. On the main thread.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use postrider_core::clock::UnixMs;
use postrider_core::config::{Config, PortedConfig};
use postrider_core::numbering::{TableKind, Tables};
use postrider_core::ported::LoadedTable;
use postrider_http::time::push_rfc3339;
use serde_json::{Value, json};

use crate::commands::config_file::{load, refuse};
use crate::control::{ported, tables};
use crate::rt::Clock;

/// Show the tables that a gateway goes by
///
/// Without a file: those that are part of the program.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ShowArgs {
    /// A snapshot, or a folder of CSV files
    #[arg(value_name = "PATH", conflicts_with = "config")]
    path: Option<PathBuf>,
    /// A configuration: the tables that it names, those of ported numbers among them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is shown.
struct Shown {
    tables: Arc<Tables>,
    /// What the tables were read from, in words.
    from: String,
    ported: Vec<Ported>,
    now: UnixMs,
}

/// A table of ported numbers, or why it cannot be used.
type Ported = (String, Result<LoadedTable>);

/// The text; `Err`: the exit status, when the reason has been told.
pub(super) fn show(args: &ShowArgs) -> Result<Result<String>, i32> {
    let config = match args.config.as_deref().map(load).transpose() {
        Ok(config) => config,
        Err(error) => return Err(refuse(&error)),
    };
    let shown = shown(args.path.as_deref(), config.as_ref());
    Ok(shown.map(|shown| if args.json { shown.json().to_string() } else { shown.text() }))
}

fn shown(path: Option<&Path>, config: Option<&Config>) -> Result<Shown> {
    let path = path.or_else(|| config?.numbers.tables.as_deref());
    let (tables, from) = match path {
        None => (Arc::clone(Tables::builtin()), String::from("part of the program")),
        Some(path) => {
            let read = tables::read(path)?;
            (Arc::new(read.tables), format!("{} ({})", path.display(), read.from))
        }
    };
    let ported = config.map_or(&[][..], |config| &config.ported).iter().map(one).collect();
    Ok(Shown { tables, from, ported, now: Clock::start().wall_raw() })
}

fn one(config: &PortedConfig) -> Ported {
    let name = config.file.display().to_string();
    let table = ported::checked(config).map(|table| LoadedTable {
        name: name.clone(),
        stamp: String::new(),
        fresh: config.fresh,
        table: Arc::new(table),
    });
    (name, table)
}

impl Shown {
    fn text(&self) -> String {
        let mut text = format!(
            "numbers: {}, {} of memory\n\n{:<18} {:>8}  {:<10}  {:<7}  source\n",
            self.from,
            size(self.tables.octets()),
            "table",
            "rows",
            "true at",
            "whose",
        );
        for kind in TableKind::ALL {
            let info = self.tables.info(kind);
            let name = kind.file().trim_end_matches(".csv");
            let whose = if info.own { "own" } else { "program" };
            let row = format!("{name:<18} {:>8}  {:<10}  {whose:<7}  ", info.rows, day(info.as_of));
            text.push_str(&row);
            text.push_str(&info.source);
            text.push('\n');
        }
        if !self.ported.is_empty() {
            text.push_str(&self.ported_text());
        }
        text
    }

    fn ported_text(&self) -> String {
        let mut text = format!(
            "\n{:<7} {:>11} {:>8}  {:<17}  {:>7}  {:<24}  {:>10}  ported numbers\n",
            "country", "numbers", "changes", "true at", "age", "fresh until", "memory",
        );
        for (name, table) in &self.ported {
            // A string takes everything.
            match table {
                Ok(own) => writeln!(
                    text,
                    "{:<7} {:>11} {:>8}  {:<17}  {:>7}  {:<24}  {:>10}  {name}",
                    self.country(own),
                    own.table.parts().header.numbers,
                    own.table.changes(),
                    minute(own.as_of()),
                    age(self.now.since(own.as_of())),
                    self.fresh_until(own),
                    size(own.table.octets()),
                ),
                Err(why) => writeln!(text, "unusable: {why:#}"),
            }
            .ok();
        }
        text
    }

    /// The country of a table's numbers.
    fn country(&self, own: &LoadedTable) -> String {
        own.table
            .country(&self.tables)
            .map_or_else(|| String::from("several"), |own| own.to_string())
    }

    fn fresh_until(&self, own: &LoadedTable) -> String {
        let until = minute(own.fresh_until());
        if own.is_fresh(self.now) { until } else { format!("{until} (over)") }
    }

    fn json(&self) -> Value {
        let table = |kind: TableKind| {
            let info = self.tables.info(kind);
            json!({
                "file": kind.file(),
                "rows": info.rows,
                "as_of": time(info.as_of),
                "source": info.source,
                "own": info.own,
            })
        };
        let ported = self.ported.iter().map(|(name, table)| match table {
            Ok(own) => json!({
                "file": name,
                "country": own.table.country(&self.tables).map(|own| own.to_string()),
                "numbers": own.table.parts().header.numbers,
                "changes": own.table.changes(),
                "source": own.table.parts().tail.source,
                "as_of": time(own.as_of()),
                "age_seconds": self.now.since(own.as_of()).as_secs(),
                "fresh_until": time(own.fresh_until()),
                "fresh": own.is_fresh(self.now),
                "memory_bytes": own.table.octets(),
            }),
            Err(why) => json!({ "file": name, "error": format!("{why:#}") }),
        });
        json!({
            "from": self.from,
            "memory_bytes": self.tables.octets(),
            "tables": TableKind::ALL.map(table),
            "ported": ported.collect::<Vec<Value>>(),
        })
    }
}

fn time(at: UnixMs) -> String {
    let mut text = Vec::new();
    push_rfc3339(&mut text, at);
    String::from_utf8(text).unwrap_or_default()
}

fn day(at: UnixMs) -> String {
    time(at).chars().take("2026-11-06".len()).collect()
}

fn minute(at: UnixMs) -> String {
    let text: String = time(at).chars().take("2026-11-06T04:00".len()).collect();
    format!("{}Z", text.replace('T', " "))
}

fn age(span: Duration) -> String {
    let hours = span.as_secs() / 3_600;
    if hours < 48 { format!("{hours} h") } else { format!("{} days", hours / 24) }
}

/// Octets with one decimal.
fn size(octets: u64) -> String {
    let (unit, shift) = if octets >> 20 == 0 { ("KiB", 10) } else { ("MiB", 20) };
    let tenths = octets.saturating_mul(10) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}
