//! Numbering plans as data: region, type and validity of a number, the operator that its range was
//! given to, and what is dialled where. Pure; one `Tables` per process, read-only.

mod csv;
mod form;
mod kind;

use std::sync::OnceLock;

pub use self::csv::TableError;
use self::csv::{Row, rows};
pub use self::form::Forms;
pub use self::kind::NumberKind;
use crate::clock::UnixMs;
use crate::number::Msisdn;
use crate::operators::OperatorId;
use crate::prefix::{self, Prefix, PrefixTable, Ranges};
use crate::region::Region;

/// What the tables say of one number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Facts<'t> {
    /// Its country, or `001` for the calling codes without one; of a number in no range, that of the
    /// ranges around it.
    pub region: Option<Region>,
    /// How many leading digits say so; 0 where no region is known.
    pub region_digits: u8,
    /// Its type; `None` where it is in no range, or has too many or too few digits for its range:
    /// then it is not valid as far as the tables know.
    pub kind: Option<NumberKind>,
    /// Who got its range, when it may be a mobile.
    pub holder: Option<&'t Holder>,
}

/// Who got a range of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub name: String,
    /// Its code, where one is known.
    pub operator: Option<OperatorId>,
}

/// Whether numbers may be taken along to another operator.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Portability {
    /// They may, or probably so.
    Yes,
    /// They may not.
    No,
    /// The tables do not say.
    Unknown,
}

/// A country, as far as numbers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country {
    /// Its code.
    pub region: Region,
    /// Its name in English.
    pub name: String,
    /// Its calling code.
    pub calling_code: String,
    /// Whether mobile numbers are portable.
    pub portability: Portability,
    /// What is dialled in front of a national number inside the country; often `0`, or nothing.
    pub trunk_prefix: String,
    /// Whether a national number may itself begin with 0.
    pub keeps_zero: bool,
}

/// The type of the numbers of one length in a range.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Valid {
    /// One bit a length, bit n for n digits in all.
    lengths: u16,
    region: Region,
    kind: NumberKind,
}

/// What a range of numbers has in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    region: Option<(Region, u8)>,
    valid: Vec<Valid>,
    holder: Option<u16>,
}

/// All tables, ready for look-ups.
#[derive(Debug)]
pub struct Tables {
    /// When the data was true.
    as_of: UnixMs,
    ranges: Ranges<u32>,
    cells: Vec<Cell>,
    holders: Vec<Holder>,
    /// By code, ascending: which holder has its name.
    names: Vec<(OperatorId, u16)>,
    countries: Vec<Country>,
}

impl Tables {
    /// The tables that are part of the program.
    ///
    /// # Panics
    /// When they cannot be read, which a test rules out.
    #[must_use]
    pub fn builtin() -> &'static Tables {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(|| match Tables::read(&Forms::BUILTIN) {
            Ok(tables) => tables,
            Err(error) => unreachable!("{error}"),
        })
    }

    /// Reads the tables.
    ///
    /// # Errors
    /// The first row that cannot be right, with file, line and remedy.
    pub fn read(forms: &Forms<'_>) -> Result<Tables, TableError> {
        let regions = PrefixTable::new(read_regions(forms)?);
        let (lists, plans) = read_numbering(forms)?;
        let plans = PrefixTable::new(plans);
        let (ids, holders) = read_holders(forms)?;
        let held = PrefixTable::new(read_prefixes(forms, &ids)?);
        let mut starts = [regions.starts(), plans.starts(), held.starts()].concat();
        starts.sort_unstable();
        starts.dedup();
        let mut cells: Vec<Cell> = Vec::new();
        let mut known = std::collections::BTreeMap::new();
        let mut ranges = Vec::with_capacity(starts.len());
        for key in starts {
            let list = plans.find(key).and_then(|(_, list)| lists.get(list));
            let cell = Cell {
                region: regions.find(key).map(|(prefix, region)| (region, prefix.length())),
                valid: list.cloned().unwrap_or_default(),
                holder: held.find(key).map(|(_, holder)| holder),
            };
            let index = *known.entry(cell).or_insert_with_key(|cell| {
                cells.push(cell.clone());
                u32::try_from(cells.len() - 1).unwrap_or(u32::MAX)
            });
            ranges.push((key, index));
        }
        let own = holders.iter().zip(0u16..);
        let mut names: Vec<_> =
            own.filter_map(|(holder, index)| Some((holder.operator?, index))).collect();
        names.sort_unstable();
        names.dedup_by_key(|(operator, _)| *operator);
        let countries = read_countries(forms)?;
        let ranges = Ranges::new(ranges);
        Ok(Tables { as_of: forms.as_of, ranges, cells, holders, names, countries })
    }

    /// When the data was true.
    #[must_use]
    pub fn as_of(&self) -> UnixMs {
        self.as_of
    }

    /// What they say of a number.
    #[must_use]
    pub fn look_up(&self, number: Msisdn) -> Facts<'_> {
        let range = self.ranges.find(prefix::key(number));
        let cell = range.and_then(|cell| self.cells.get(usize::try_from(cell).ok()?));
        let Some(cell) = cell else {
            return Facts { region: None, region_digits: 0, kind: None, holder: None };
        };
        let length = 1u16 << number.len();
        let valid = cell.valid.iter().find(|valid| valid.lengths & length != 0);
        let (region, region_digits) = cell.region.unzip();
        let holder = cell.holder.filter(|_| valid.is_some_and(|valid| valid.kind.may_be_mobile()));
        Facts {
            region: valid.map(|valid| valid.region).or(region),
            region_digits: region_digits.unwrap_or(0),
            kind: valid.map(|valid| valid.kind),
            holder: holder.and_then(|holder| self.holders.get(usize::from(holder))),
        }
    }

    /// The name of an operator.
    #[must_use]
    pub fn name_of(&self, operator: OperatorId) -> Option<&str> {
        let at = self.names.binary_search_by_key(&operator, |(own, _)| *own).ok()?;
        let holder = self.holders.get(usize::from(self.names.get(at)?.1))?;
        Some(&holder.name)
    }

    /// A country of the tables.
    #[must_use]
    pub fn country(&self, region: Region) -> Option<&Country> {
        let at = self.countries.binary_search_by_key(&region, |country| country.region).ok()?;
        self.countries.get(at)
    }

    /// Every country, by code.
    #[must_use]
    pub fn countries(&self) -> &[Country] {
        &self.countries
    }
}

/// Rows of numbering.csv by prefix, and the lists that they stand for.
type Plans = (Vec<Vec<Valid>>, Vec<(Prefix, usize)>);

fn read_regions(forms: &Forms<'_>) -> Result<Vec<(Prefix, Region)>, TableError> {
    let each = |row: Row<'_>| Ok((row.prefix("prefix")?, row.region("iso2")?));
    rows("regions.csv", forms.regions, &["prefix", "iso2"], each)
}

/// One prefix may have several rows, one a type; a row without a type says that nothing below its
/// prefix is valid.
fn read_numbering(forms: &Forms<'_>) -> Result<Plans, TableError> {
    let columns = ["prefix", "iso2", "number_type", "lengths"];
    let each = |row: Row<'_>| {
        let prefix = row.prefix("prefix")?;
        if row.text("number_type")?.is_empty() {
            return Ok((prefix, None));
        }
        let kind = row.text("number_type").map(NumberKind::parse)?;
        let kind = kind.ok_or_else(|| row.error("number_type", "is no type of number"))?;
        let valid = Valid { lengths: row.lengths("lengths")?, region: row.region("iso2")?, kind };
        Ok((prefix, Some(valid)))
    };
    let mut all = rows("numbering.csv", forms.numbering, &columns, each)?;
    all.sort_by_key(|(prefix, _)| *prefix);
    let mut plans: Plans = (Vec::new(), Vec::new());
    for group in all.chunk_by(|one, next| one.0 == next.0) {
        let Some((prefix, _)) = group.first() else { continue };
        plans.1.push((*prefix, plans.0.len()));
        plans.0.push(group.iter().filter_map(|(_, valid)| *valid).collect());
    }
    Ok(plans)
}

/// The numbers of operators.csv, ascending, each with the place of its holder.
type Ids = Vec<(u32, u16)>;

fn read_holders(forms: &Forms<'_>) -> Result<(Ids, Vec<Holder>), TableError> {
    let each = |row: Row<'_>| {
        let (mcc, mnc) = (row.text("mcc")?, row.text("mnc")?);
        let operator = if mcc.is_empty() && mnc.is_empty() {
            None
        } else {
            let operator = OperatorId::new(mcc, mnc);
            Some(operator.map_err(|_| row.error("mnc", "makes no code with the MCC"))?)
        };
        Ok((row.number("operator_id")?, Holder { name: row.text("operator")?.into(), operator }))
    };
    let all =
        rows("operators.csv", forms.operators, &["operator_id", "operator", "mcc", "mnc"], each)?;
    let mut ids: Ids = all.iter().zip(0u16..).map(|((id, _), index)| (*id, index)).collect();
    ids.sort_unstable();
    Ok((ids, all.into_iter().map(|(_, holder)| holder).collect()))
}

fn read_prefixes(forms: &Forms<'_>, ids: &Ids) -> Result<Vec<(Prefix, u16)>, TableError> {
    let each = |row: Row<'_>| {
        let id = row.number("operator_id")?;
        let at = ids.binary_search_by_key(&id, |(own, _)| *own).ok().and_then(|at| ids.get(at));
        let (_, holder) = at.ok_or_else(|| row.error("operator_id", "is not in operators.csv"))?;
        Ok((row.prefix("prefix")?, *holder))
    };
    rows("operator_prefixes.csv", forms.operator_prefixes, &["prefix", "operator_id"], each)
}

fn read_countries(forms: &Forms<'_>) -> Result<Vec<Country>, TableError> {
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
    let mut all = rows("countries.csv", forms.countries, &columns, each)?;
    all.sort_by_key(|country| country.region);
    Ok(all)
}
