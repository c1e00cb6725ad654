//! Opens tables of ported numbers for a gateway: mapped, checked, and thereby brought into memory.
//! One that cannot be used leaves its numbers without a table, or with the one from before, and is
//! told. Blocking.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use postrider_core::config::PortedConfig;
use postrider_core::ported::{LoadedTable, Overlay, PortedTables, StaleWatch, Table, is_within};
use postrider_storage::io::Mapped;

use super::files::changes_of;
use crate::control::Control;

/// Maps a table and what changed since it was made.
///
/// # Errors
/// When a file cannot be read, or is not what it should be.
pub fn open_table(path: &Path, lock: bool) -> Result<Table> {
    // A build that puts a new table in place between the two reads leaves changes that belong to
    // another one: they count for nothing, and the new table has them already.
    let overlay = read_changes(path)?;
    let mapped = Mapped::open(path, lock)?;
    let table = Table::open(Bytes::from_owner(mapped), overlay);
    table.with_context(|| path.display().to_string())
}

/// The file of changes beside a table, whichever table it belongs to.
pub(super) fn read_changes(table: &Path) -> Result<Option<Overlay>> {
    let path = changes_of(table);
    let named = || path.display().to_string();
    match std::fs::read(&path) {
        Ok(octets) => Overlay::decode(&octets).with_context(named).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(named),
    }
}

/// The tables of a configuration. Those whose files are as they were are taken from `before`. What is
/// wrong with those that cannot be used is logged; of these the one in `before` goes on serving.
#[must_use]
pub fn load(config: &[PortedConfig], before: &PortedTables) -> PortedTables {
    let tables = config.iter().filter_map(|own| {
        let name = own.file.display().to_string();
        // Before they are read: what changes meanwhile is then read again by the next reload.
        let stamp = stamp(&own.file);
        let same = before.tables().iter().find(|loaded| loaded.name == name);
        let kept = same.filter(|loaded| loaded.stamp == stamp && fits(own, &loaded.table));
        if let Some(kept) = kept {
            return Some(LoadedTable { fresh: own.fresh, ..kept.clone() });
        }
        match checked(own) {
            Ok(table) => {
                let numbers = table.parts().header.numbers;
                let (changes, as_of_s) = (table.changes(), table.as_of_s());
                tracing::info!(table = name, numbers, changes, as_of_s, "ported numbers loaded");
                Some(LoadedTable { name, stamp, fresh: own.fresh, table: Arc::new(table) })
            }
            Err(why) => {
                let instead = same.map_or("its numbers have no table", |_| "the one before stays");
                tracing::error!("ported numbers: {why:#}: {instead}");
                same.map(|loaded| LoadedTable { fresh: own.fresh, ..loaded.clone() })
            }
        }
    });
    PortedTables::new(tables.collect())
}

/// The tables of a configuration, for who asks them once.
///
/// # Errors
/// What is wrong with the first one that cannot be used.
pub fn load_all(config: &[PortedConfig]) -> Result<PortedTables> {
    let one = |own: &PortedConfig| {
        let (name, table) = (own.file.display().to_string(), Arc::new(checked(own)?));
        Ok(LoadedTable { name, stamp: String::new(), fresh: own.fresh, table })
    };
    Ok(PortedTables::new(config.iter().map(one).collect::<Result<_>>()?))
}

/// What tells a table's files from those that take their place: a new file has another inode or time.
fn stamp(table: &Path) -> String {
    let one = |path: &Path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
    };
    format!("{:?}", [one(table), one(&changes_of(table))])
}

/// Whether a table has only numbers of the calling code that it is configured for.
fn fits(config: &PortedConfig, table: &Table) -> bool {
    config.calling_code.is_none_or(|code| is_within(table, code))
}

/// A table that has been read as a whole.
///
/// # Errors
/// Why it cannot be used.
pub fn checked(config: &PortedConfig) -> Result<Table> {
    let table = open_table(&config.file, config.lock)?;
    let named = || config.file.display().to_string();
    if !fits(config, &table) {
        bail!("{}: the table is for numbers of other calling codes", named());
    }
    table.verify().with_context(named)?;
    Ok(table)
}

/// How often tables are looked at that may have ceased to be fresh.
const STALE_LOOK: Duration = Duration::from_secs(60);

/// Says in the log which tables are not fresh any more: at once, and daily; for as long as the process
/// runs.
pub(in crate::control) async fn tell_stale(control: Arc<Control>) {
    let mut watch = StaleWatch::default();
    loop {
        let (known, now) = (control.known(), (control.facts.wall)());
        for own in watch.due(&known.ported, now) {
            let country = own.table.country(&known.tables).map(tracing::field::display);
            let hours = now.since(own.fresh_until()).as_secs() / 3_600;
            tracing::warn!(
                table = own.name,
                country,
                hours,
                "ported numbers: the table is not fresh any more, and trusted less"
            );
        }
        tokio::time::sleep(STALE_LOOK).await;
    }
}
