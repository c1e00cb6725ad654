//! All tables of ported numbers of the gateway: which one answers for a number, and whether it is
//! fresh. Pure; one per process behind an `Arc`, read-only, replaced as a whole.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::build::leads;
use super::table::{Found, Table};
use crate::clock::UnixMs;
use crate::limits::PORTED_STALE_TOLD;
use crate::number::Msisdn;
use crate::operators::{Ported, PortedAnswer};
use crate::prefix::{self, Prefix, PrefixTable};

/// A table in use.
#[derive(Clone, Debug)]
pub struct LoadedTable {
    /// Its file's name, for people.
    pub name: String,
    /// What tells its files from those that take their place.
    pub stamp: String,
    /// How long it counts as fresh after its last source was true.
    pub fresh: Duration,
    /// What it says.
    pub table: Arc<Table>,
}

impl LoadedTable {
    /// Until when it counts as fresh.
    #[must_use]
    pub fn fresh_until(&self) -> UnixMs {
        self.as_of().after(self.fresh)
    }

    /// When its last source was true.
    #[must_use]
    pub fn as_of(&self) -> UnixMs {
        UnixMs(self.table.as_of_s().saturating_mul(1_000))
    }

    /// Whether it counts as fresh at this wall time.
    #[must_use]
    pub fn is_fresh(&self, now: UnixMs) -> bool {
        now <= self.fresh_until()
    }

    fn answer(&self, found: Found, now: UnixMs) -> PortedAnswer {
        let (as_of, fresh) = (self.as_of(), self.is_fresh(now));
        match found {
            Found::Ported(operator) => PortedAnswer::Ported { operator, as_of, fresh },
            Found::NotPorted if fresh => PortedAnswer::NotPorted { as_of },
            Found::NotPorted => PortedAnswer::Unknown,
        }
    }
}

/// Tables, each for the numbers that begin as it says; of several the one with the longest such
/// digits answers.
#[derive(Debug)]
pub struct PortedTables {
    tables: Vec<LoadedTable>,
    covers: PrefixTable<usize>,
}

impl Default for PortedTables {
    fn default() -> PortedTables {
        PortedTables::new(Vec::new())
    }
}

impl PortedTables {
    /// All tables; of two that are for the same numbers the later one answers.
    #[must_use]
    pub fn new(tables: Vec<LoadedTable>) -> PortedTables {
        let covers = tables.iter().enumerate().flat_map(|(at, loaded)| {
            let groups = loaded.table.parts().tail.covers.iter();
            groups.filter_map(move |digits| Some((Prefix::parse(&digits.to_string())?, at)))
        });
        let covers = PrefixTable::new(covers.collect());
        PortedTables { tables, covers }
    }

    /// The tables, in the order of the configuration.
    #[must_use]
    pub fn tables(&self) -> &[LoadedTable] {
        &self.tables
    }

    /// What the tables know of many numbers. The lines of those that follow each other in one table
    /// come from memory together, so numbers of one country are best asked about together.
    #[must_use]
    pub fn find_batch<const N: usize>(
        &self,
        numbers: &[Msisdn; N],
        now: UnixMs,
    ) -> [PortedAnswer; N] {
        let tables = numbers.map(|number| self.table_of(number));
        let mut answers = [PortedAnswer::Unknown; N];
        for (at, loaded) in self.tables.iter().enumerate() {
            if !tables.contains(&Some(at)) {
                continue;
            }
            let found = loaded.table.find_batch(numbers, now.0 / 1_000);
            for ((answer, found), own) in answers.iter_mut().zip(found).zip(tables) {
                if own == Some(at) {
                    *answer = loaded.answer(found, now);
                }
            }
        }
        answers
    }

    fn table_of(&self, number: Msisdn) -> Option<usize> {
        self.covers.find(prefix::key(number)).map(|(_, at)| at)
    }
}

impl Ported for PortedTables {
    fn find(&self, number: Msisdn, now: UnixMs) -> PortedAnswer {
        match self.table_of(number).and_then(|at| self.tables.get(at)) {
            Some(loaded) => loaded.answer(loaded.table.find(number, now.0 / 1_000), now),
            None => PortedAnswer::Unknown,
        }
    }
}

/// Remembers of which tables it was told that they are not fresh. On the control thread.
#[derive(Debug, Default)]
pub struct StaleWatch {
    /// By name: when it was told last.
    told: BTreeMap<String, UnixMs>,
}

impl StaleWatch {
    /// The tables of which it has to be told now: those that are not fresh any more, once, and then
    /// once each [`PORTED_STALE_TOLD`] for as long as that stays so.
    pub fn due<'t>(&mut self, tables: &'t PortedTables, now: UnixMs) -> Vec<&'t LoadedTable> {
        let stale = tables.tables().iter().filter(|own| !own.is_fresh(now));
        let told: BTreeMap<String, UnixMs> = stale
            .clone()
            .filter_map(|own| Some((own.name.clone(), *self.told.get(&own.name)?)))
            .filter(|(_, at)| now.since(*at) < PORTED_STALE_TOLD)
            .collect();
        self.told = told;
        let due: Vec<&LoadedTable> =
            stale.filter(|own| !self.told.contains_key(&own.name)).collect();
        self.told.extend(due.iter().map(|own| (own.name.clone(), now)));
        due
    }
}

/// Whether a table answers only for numbers that begin with the digits of `head`.
#[must_use]
pub fn is_within(table: &Table, head: u64) -> bool {
    table.parts().tail.covers.iter().all(|group| leads(head, *group))
}
