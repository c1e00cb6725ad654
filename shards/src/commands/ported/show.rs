//! `postrider ported show`: what a table is, whether it is whole, and what it says of numbers. On the
//! main thread.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use postrider_core::number::Msisdn;
use postrider_core::ported::{Found, Table};
use serde_json::{Value, json};

use super::time_of;
use crate::control::ported::open_table;

/// Show what a table is, check all of it, and look up numbers
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The table
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Numbers in international form
    #[arg(value_name = "NUMBER")]
    numbers: Vec<String>,
}

pub(super) fn show(args: &ShowArgs) -> Result<String> {
    let table = open_table(&args.table, false)?;
    table.verify().with_context(|| args.table.display().to_string())?;
    let numbers = args.numbers.iter().map(|text| {
        let number = Msisdn::parse_strict(text).with_context(|| text.clone())?;
        Ok((number, table.find(number, now_s())))
    });
    let numbers: Vec<(Msisdn, Found)> = numbers.collect::<Result<_>>()?;
    if args.json {
        let found = numbers.iter().map(|(number, found)| number_json(*number, *found));
        let mut shown = table_json(&table);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert(String::from("numbers"), found.collect());
        }
        return Ok(shown.to_string());
    }
    let mut text = table_text(&table);
    for (number, found) in &numbers {
        text.push_str(&format!("{}  {}\n", number.e164(), found_text(*found)));
    }
    Ok(text)
}

fn now_s() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "a command that people run; nothing is decided")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

fn table_text(table: &Table) -> String {
    let parts = table.parts();
    let (header, shape) = (&parts.header, &parts.header.shape);
    let covers: Vec<String> = parts.tail.covers.iter().map(u64::to_string).collect();
    let mut text = format!(
        "numbers beginning with  {}\n\
         numbers in the table    {}, {} of {} lines' slots\n\
         ranges                  {}\n\
         changes beside it       {}\n\
         operators               {}\n\
         true at                 {}\n",
        covers.join(", "),
        header.numbers,
        percent(header.numbers, shape.lines * u64::from(shape.slots())),
        shape.lines,
        table.ranges(),
        table.changes(),
        table.operators().len(),
        time_of(table.as_of_s()),
    );
    if table.sequence() != 0 {
        text.push_str(&format!("last delta              {}\n", table.sequence()));
    }
    if !parts.tail.source.is_empty() {
        text.push_str(&format!("source                  {}\n", parts.tail.source));
    }
    text
}

fn percent(part: u64, whole: u64) -> String {
    format!("{} %", part.saturating_mul(100) / whole.max(1))
}

fn table_json(table: &Table) -> Value {
    let parts = table.parts();
    json!({
        "covers": parts.tail.covers.iter().map(u64::to_string).collect::<Vec<_>>(),
        "numbers_in_table": parts.header.numbers,
        "slot_octets": parts.header.shape.slot_bytes,
        "lines": parts.header.shape.lines,
        "ranges": table.ranges(),
        "changes": table.changes(),
        "operators": table.operators().len(),
        "as_of": time_of(table.as_of_s()),
        "sequence": table.sequence(),
        "source": parts.tail.source,
    })
}

fn found_text(found: Found) -> String {
    match found {
        Found::NotPorted => String::from("not ported"),
        Found::Ported(Some(operator)) => format!("ported to {operator}"),
        Found::Ported(None) => String::from("ported, nobody says where to"),
    }
}

fn number_json(number: Msisdn, found: Found) -> Value {
    let operator = match found {
        Found::NotPorted => None,
        Found::Ported(operator) => operator.map(|operator| operator.to_string()),
    };
    let ported = found != Found::NotPorted;
    json!({ "number": number.e164().as_str(), "ported": ported, "operator": operator })
}
