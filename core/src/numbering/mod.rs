//! Numbering plans as data: region, type and validity of a number, the operator that its range was
//! given to, and what is dialled where. Pure; one `Tables` per process, read-only.

mod form;
mod kind;
mod read;
mod snapshot;

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub use self::form::{Forms, SOURCES, TableKind};
pub use self::kind::NumberKind;
pub use self::snapshot::{FORMAT, SnapshotError, snapshot_made_of};
use crate::clock::UnixMs;
use crate::csv::CsvError;
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
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub name: String,
    /// Its code, where one is known.
    pub operator: Option<OperatorId>,
}

/// Whether numbers may be taken along to another operator.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Copy, Clone, Debug, PartialEq, Eq)]
pub enum Portability {
    /// They may, or probably so.
    Yes,
    /// They may not.
    No,
    /// The tables do not say.
    Unknown,
}

/// A country, as far as numbers go.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Clone, Debug, PartialEq, Eq)]
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
#[derive(
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
    Copy,
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
)]
struct Valid {
    /// One bit a length, bit n for n digits in all.
    lengths: u16,
    region: Region,
    kind: NumberKind,
}

/// What a range of numbers has in common.
#[derive(
    rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord,
)]
struct Cell {
    region: Option<(Region, u8)>,
    valid: Vec<Valid>,
    holder: Option<u16>,
}

/// What is known about one of the tables.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Its rows.
    pub rows: u64,
    /// When it was true.
    pub as_of: UnixMs,
    /// Where it is from, in words.
    pub source: String,
    /// Whether it is an operator's own, in place of the one that is part of the program.
    pub own: bool,
}

/// All tables, ready for look-ups.
pub struct Tables {
    /// What tells the texts that it was made of from others.
    made_of: u64,
    /// By [`TableKind`].
    info: [TableInfo; TableKind::ALL.len()],
    ranges: Ranges<u32>,
    cells: Vec<Cell>,
    holders: Vec<Holder>,
    /// By code, ascending: which holder has its name.
    names: Vec<(OperatorId, u16)>,
    /// Ascending.
    countries: Vec<Country>,
    /// Those that have numbers, ascending.
    regions: Vec<Region>,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Tables {
    /// The tables that are part of the program.
    ///
    /// # Panics
    /// When they cannot be read, which a test rules out.
    #[must_use]
    pub fn builtin() -> &'static Arc<Tables> {
        static TABLES: OnceLock<Arc<Tables>> = OnceLock::new();
        TABLES.get_or_init(|| match Tables::read(&Forms::BUILTIN) {
            Ok(tables) => Arc::new(tables),
            Err(error) => unreachable!("{error}"),
        })
    }

    /// Reads the tables.
    ///
    /// # Errors
    /// The first row that cannot be right, with file, line and remedy.
    pub fn read(forms: &Forms<'_>) -> Result<Tables, CsvError> {
        let mut sources = forms.read_sources()?;
        let regions = forms.read_regions()?;
        let (lists, plans, numbering) = forms.read_numbering()?;
        let (ids, holders) = forms.read_holders()?;
        let held = forms.read_prefixes(&ids)?;
        let countries = forms.read_countries()?;
        let rows = [countries.len(), numbering, held.len(), holders.len(), regions.len()];
        let info = TableKind::ALL.map(|kind| {
            let (as_of, source) = sources.remove(&kind).unwrap_or_default();
            let rows = rows.get(kind as usize).copied().and_then(|rows| rows.try_into().ok());
            let own = forms.is_own(kind);
            TableInfo { rows: rows.unwrap_or(u64::MAX), as_of, source, own }
        });
        let (regions, plans) = (PrefixTable::new(regions), PrefixTable::new(plans));
        let held = PrefixTable::new(held);
        let mut starts = [regions.starts(), plans.starts(), held.starts()].concat();
        starts.sort_unstable();
        starts.dedup();
        let mut cells: Vec<Cell> = Vec::new();
        let mut known = BTreeMap::new();
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
        let made_of = forms.fingerprint();
        Ok(Tables::of(made_of, info, Ranges::new(ranges), (cells, holders, countries)))
    }

    /// With what follows from the rest.
    fn of(
        made_of: u64,
        info: [TableInfo; TableKind::ALL.len()],
        ranges: Ranges<u32>,
        (cells, holders, countries): (Vec<Cell>, Vec<Holder>, Vec<Country>),
    ) -> Tables {
        let names = read::names(&holders);
        let mut regions: Vec<Region> =
            cells.iter().filter_map(|cell| cell.region).map(|(region, _)| region).collect();
        regions.sort_unstable();
        regions.dedup();
        Tables { made_of, info, ranges, cells, holders, names, countries, regions }
    }

    /// What tells the texts that these tables were made of from others: see [`Forms::fingerprint`].
    #[must_use]
    pub fn made_of(&self) -> u64 {
        self.made_of
    }

    /// What is known about one of the tables.
    #[must_use]
    pub fn info(&self, kind: TableKind) -> &TableInfo {
        let [countries, numbering, prefixes, operators, regions] = &self.info;
        match kind {
            TableKind::Countries => countries,
            TableKind::Numbering => numbering,
            TableKind::OperatorPrefixes => prefixes,
            TableKind::Operators => operators,
            TableKind::Regions => regions,
        }
    }

    /// Octets of memory that they take, within a tenth.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let (cell, valid) = (size_of::<Cell>(), size_of::<Valid>());
        let cells = self.cells.iter().map(|own| cell + own.valid.len() * valid);
        let holders = self.holders.iter().map(|own| size_of::<Holder>() + own.name.len());
        let countries = self.countries.len() * (size_of::<Country>() + 24);
        let names = self.names.len() * size_of::<(OperatorId, u16)>();
        let all = cells.chain(holders).sum::<usize>() + countries + names + self.ranges.octets();
        u64::try_from(all).unwrap_or(u64::MAX)
    }

    /// The region that a number belongs to, in use or not; `None` where there is no calling code.
    ///
    /// The numbers of SJ read as NO, EH as MA, VA as IT, AX as FI, CX and CC as AU where they cannot be
    /// told apart.
    #[must_use]
    pub fn region_of(&self, number: Msisdn) -> Option<Region> {
        self.region_at(prefix::key(number)).map(|(region, _)| region)
    }

    /// The region of the numbers that begin with these digits, as far as they tell.
    #[must_use]
    pub fn region_of_prefix(&self, digits: u64) -> Option<Region> {
        let prefix = Prefix::parse(&digits.to_string())?;
        self.region_at(prefix.first_key()).map(|(region, _)| region)
    }

    /// Whether any number belongs to a region.
    #[must_use]
    pub fn has_region(&self, region: Region) -> bool {
        self.regions.binary_search(&region).is_ok()
    }

    /// The region of the numbers at a key, and how many leading digits say so.
    pub(crate) fn region_at(&self, key: u64) -> Option<(Region, u8)> {
        self.cell(key)?.region
    }

    /// Where the region may change.
    pub(crate) fn region_starts(&self) -> Vec<u64> {
        let mut starts = Vec::new();
        let mut before = None;
        for key in self.ranges.starts() {
            let region = self.region_at(*key);
            if before != Some(region) {
                starts.push(*key);
                before = Some(region);
            }
        }
        starts
    }

    fn cell(&self, key: u64) -> Option<&Cell> {
        self.cells.get(usize::try_from(self.ranges.find(key)?).ok()?)
    }

    /// What they say of a number.
    #[must_use]
    pub fn look_up(&self, number: Msisdn) -> Facts<'_> {
        let Some(cell) = self.cell(prefix::key(number)) else {
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
