//! Memory that all shards share: what is known of numbers. Pure, lives nowhere.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::checked::Config;
use super::print::Bytes;

/// Octets of memory of the process beside those of its shards. While a reload takes other tables, both
/// they and those from before are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TablesPlan {
    /// Tables of countries, numbering plans and operators.
    pub numbers: u64,
    /// Each table of ported numbers: its file, and how much there is of it; `None`: no file yet.
    pub ported: Vec<(PathBuf, Option<u64>)>,
}

impl TablesPlan {
    pub(super) fn new(config: &Config) -> Self {
        let ported = config.ported.iter().map(|own| (own.file.clone(), own.octets)).collect();
        TablesPlan { numbers: config.tables.octets(), ported }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        let ported = self.ported.iter().filter_map(|(_, octets)| *octets);
        ported.fold(self.numbers, u64::saturating_add)
    }

    pub(super) fn to_json(&self) -> Value {
        let ported = self.ported.iter();
        let ported = ported.map(|(file, octets)| json!({ "file": file, "bytes": octets }));
        json!({
            "numbers": self.numbers,
            "ported": ported.collect::<Vec<Value>>(),
            "total": self.total(),
        })
    }
}

impl fmt::Display for TablesPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "memory that all shards share")?;
        writeln!(f, "  {:<14} {:>10}", "numbers", Bytes(self.numbers).to_string())?;
        for (file, octets) in &self.ported {
            let octets =
                octets.map_or_else(|| String::from("no file"), |own| Bytes(own).to_string());
            writeln!(f, "  {:<14} {octets:>10}  {}", "ported numbers", file.display())?;
        }
        Ok(())
    }
}
