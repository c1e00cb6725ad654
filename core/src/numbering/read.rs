//! From the texts of a set to its rows: everything that can be wrong in a file is found here. Pure,
//! lives nowhere.

use std::collections::BTreeMap;

use super::form::{Forms, SOURCES, TableKind};
use super::kind::NumberKind;
use super::{Country, Holder, Portability, Valid};
use crate::clock::UnixMs;
use crate::csv::{CsvError, Row, rows};
use crate::operators::OperatorId;
use crate::prefix::Prefix;
use crate::region::Region;

/// Rows of numbering.csv by prefix, the lists that they stand for, and how many rows there are.
pub(super) type Plans = (Vec<Vec<Valid>>, Vec<(Prefix, usize)>, usize);
/// The numbers of operators.csv, ascending, each with the place of its holder.
pub(super) type Ids = Vec<(u32, u16)>;

/// When a table was true, and where it is from.
pub(super) type Sources = BTreeMap<TableKind, (UnixMs, String)>;

impl Forms<'_> {
    fn rows<T>(
        &self,
        kind: TableKind,
        columns: &[&'static str],
        each: impl FnMut(Row<'_>) -> Result<T, CsvError>,
    ) -> Result<Vec<T>, CsvError> {
        rows(kind.file(), self.text(kind), columns, each)
    }

    /// An operator's word about a table stands over the program's.
    pub(super) fn read_sources(&self) -> Result<Sources, CsvError> {
        let mut all = Sources::new();
        for text in self.sources {
            all.extend(read_sources(text)?);
        }
        Ok(all)
    }

    pub(super) fn read_regions(&self) -> Result<Vec<(Prefix, Region)>, CsvError> {
        let each = |row: Row<'_>| Ok((row.prefix("prefix")?, row.region("iso2")?));
        self.rows(TableKind::Regions, &["prefix", "iso2"], each)
    }

    /// One prefix may have several rows, one a type; a row without a type says that nothing below its
    /// prefix is valid.
    pub(super) fn read_numbering(&self) -> Result<Plans, CsvError> {
        let columns = ["prefix", "iso2", "number_type", "lengths"];
        let each = |row: Row<'_>| {
            let prefix = row.prefix("prefix")?;
            if row.text("number_type")?.is_empty() {
                return Ok((prefix, None));
            }
            let kind = row.text("number_type").map(NumberKind::parse)?;
            let kind = kind.ok_or_else(|| row.error("number_type", "is no type of number"))?;
            let (lengths, region) = (row.lengths("lengths")?, row.region("iso2")?);
            Ok((prefix, Some(Valid { lengths, region, kind })))
        };
        let mut all = self.rows(TableKind::Numbering, &columns, each)?;
        all.sort_by_key(|(prefix, _)| *prefix);
        let mut plans: Plans = (Vec::new(), Vec::new(), all.len());
        for group in all.chunk_by(|one, next| one.0 == next.0) {
            let Some((prefix, _)) = group.first() else { continue };
            plans.1.push((*prefix, plans.0.len()));
            plans.0.push(group.iter().filter_map(|(_, valid)| *valid).collect());
        }
        Ok(plans)
    }

    pub(super) fn read_holders(&self) -> Result<(Ids, Vec<Holder>), CsvError> {
        let mut places = BTreeMap::new();
        let each = |row: Row<'_>| {
            let place = u16::try_from(places.len());
            let place =
                place.map_err(|_| row.error("operator_id", "is one too many: 65,536 fit"))?;
            if places.insert(row.number("operator_id")?, place).is_some() {
                return Err(row.error("operator_id", "is there twice"));
            }
            Ok(Holder { name: row.text("operator")?.into(), operator: row.operator()? })
        };
        let columns = ["operator_id", "operator", "mcc", "mnc"];
        let holders = self.rows(TableKind::Operators, &columns, each)?;
        Ok((places.into_iter().collect(), holders))
    }

    pub(super) fn read_prefixes(&self, ids: &Ids) -> Result<Vec<(Prefix, u16)>, CsvError> {
        let each = |row: Row<'_>| {
            let id = row.number("operator_id")?;
            let at = ids.binary_search_by_key(&id, |(own, _)| *own).ok().and_then(|at| ids.get(at));
            let at = at.ok_or_else(|| row.error("operator_id", "is not in operators.csv"));
            Ok((row.prefix("prefix")?, at?.1))
        };
        self.rows(TableKind::OperatorPrefixes, &["prefix", "operator_id"], each)
    }

    pub(super) fn read_countries(&self) -> Result<Vec<Country>, CsvError> {
        let columns = ["iso2", "name", "calling_code", "mnp", "trunk_prefix", "keeps_zero"];
        let each = |row: Row<'_>| {
            row.prefix("calling_code")?;
            Ok(Country {
                region: row.region("iso2")?,
                name: row.text("name")?.into(),
                calling_code: row.text("calling_code")?.into(),
                portability: match row.text("mnp")? {
                    "yes" | "probable" => Portability::Yes,
                    "no" => Portability::No,
                    "" => Portability::Unknown,
                    _ => return Err(row.error("mnp", "is none of yes, probable, no and nothing")),
                },
                trunk_prefix: row.text("trunk_prefix")?.into(),
                keeps_zero: row.text("keeps_zero")? == "yes",
            })
        };
        let mut all = self.rows(TableKind::Countries, &columns, each)?;
        all.sort_by_key(|country| country.region);
        Ok(all)
    }
}

/// Rows of a sources.csv.
pub(super) fn read_sources(text: &str) -> Result<Sources, CsvError> {
    let each = |row: Row<'_>| {
        let file = row.text("file")?;
        let kind = TableKind::ALL.into_iter().find(|kind| kind.file() == file);
        let kind = kind.ok_or_else(|| row.error("file", "is the file of no table"))?;
        let as_of = UnixMs::of_day(row.text("as_of")?);
        let as_of = as_of.ok_or_else(|| row.error("as_of", "is no day like 2026-11-06"))?;
        Ok((kind, (as_of, row.text("source")?.to_owned())))
    };
    rows(SOURCES, text, &["file", "as_of", "source"], each).map(|all| all.into_iter().collect())
}

/// The code of an operator, and the place of the holder of that name.
pub(super) fn names(holders: &[Holder]) -> Vec<(OperatorId, u16)> {
    let own = holders.iter().zip(0u16..);
    let mut names: Vec<_> =
        own.filter_map(|(holder, index)| Some((holder.operator?, index))).collect();
    names.sort_unstable();
    names.dedup_by_key(|(operator, _)| *operator);
    names
}
