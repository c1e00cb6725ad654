//! A set of tables as one file: what `postrider tables build` makes of the texts, and a gateway takes
//! without reading them. NUMBERS.md in this crate describes it. Pure, lives nowhere.

use rkyv::rancor::Error;
use rkyv::util::AlignedVec;

use super::{Cell, Country, Holder, TableInfo, TableKind, Tables};
use crate::prefix::{KEY_BITS, Ranges};

/// The format that is written, and the only one that is read. It changes with every change of
/// `Body` and of the types in it; a test says when.
pub const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"PRNUMBER";
/// Octets before the body: magic, format, what it was made of.
const HEADER: usize = MAGIC.len() + 4 + 8;
/// Octets behind it: a CRC32C of everything before.
const CHECK: usize = 4;

/// Why a snapshot cannot be used; `Display` is fit for an operator of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It begins like something else.
    #[error("it is no snapshot of tables; make one with `postrider tables build`")]
    NotASnapshot,
    /// Another program wrote it.
    #[error(
        "it has format {0}; this program reads format {FORMAT}: build it anew from its CSV files"
    )]
    Format(u32),
    /// It is cut off, or its checksum is not that of its octets.
    #[error("it is damaged; build it anew from its CSV files")]
    Damaged,
    /// It says what cannot be.
    #[error("it says what cannot be ({0}); build it anew from its CSV files")]
    Unsound(String),
}

/// What follows the header.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Body {
    info: [TableInfo; TableKind::ALL.len()],
    ranges: Vec<(u64, u32)>,
    cells: Vec<Cell>,
    holders: Vec<Holder>,
    countries: Vec<Country>,
}

impl Body {
    /// What a look-up goes by: anything else in it can only make an answer wrong.
    fn is_sound(&self) -> Result<(), SnapshotError> {
        let fail = |what: &str| Err(SnapshotError::Unsound(what.to_owned()));
        let behind = |one: &(u64, u32), next: &(u64, u32)| one.0 < next.0;
        if !self.ranges.is_sorted_by(behind)
            || self.ranges.last().is_some_and(|(start, _)| start >> KEY_BITS != 0)
        {
            return fail("the order of its ranges");
        }
        let within = |at: u64, count: usize| u64::try_from(count).is_ok_and(|count| at < count);
        if !self.ranges.iter().all(|(_, cell)| within((*cell).into(), self.cells.len())) {
            return fail("what its ranges stand for");
        }
        let mut holders = self.cells.iter().filter_map(|cell| cell.holder);
        if !holders.all(|holder| within(holder.into(), self.holders.len())) {
            return fail("who has its ranges");
        }
        if !self.countries.is_sorted_by_key(|country| country.region) {
            return fail("the order of its countries");
        }
        Ok(())
    }
}

impl Tables {
    /// Writes the tables as a snapshot.
    ///
    /// # Errors
    /// When they are too large for one: 2 GiB.
    pub fn to_snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let body = Body {
            info: self.info.clone(),
            ranges: self.ranges.iter().collect(),
            cells: self.cells.clone(),
            holders: self.holders.clone(),
            countries: self.countries.clone(),
        };
        let body = rkyv::to_bytes::<Error>(&body);
        let body = body.map_err(|why| SnapshotError::Unsound(why.to_string()))?;
        let mut file = Vec::with_capacity(HEADER + body.len() + CHECK);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&FORMAT.to_le_bytes());
        file.extend_from_slice(&self.made_of.to_le_bytes());
        file.extend_from_slice(&body);
        file.extend_from_slice(&crc32c::crc32c(&file).to_le_bytes());
        Ok(file)
    }

    /// Reads a snapshot: nothing in it is believed before its checksum and every value in it have been
    /// checked.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn from_snapshot(file: &[u8]) -> Result<Tables, SnapshotError> {
        let made_of = snapshot_made_of(file)?;
        let (before, check) = file.split_last_chunk::<CHECK>().ok_or(SnapshotError::Damaged)?;
        if crc32c::crc32c(before) != u32::from_le_bytes(*check) {
            return Err(SnapshotError::Damaged);
        }
        // It is read where its integers are aligned.
        let mut body = AlignedVec::<16>::new();
        body.extend_from_slice(before.get(HEADER..).ok_or(SnapshotError::Damaged)?);
        let body = rkyv::from_bytes::<Body, Error>(&body);
        let body = body.map_err(|why| SnapshotError::Unsound(why.to_string()))?;
        body.is_sound()?;
        let Body { info, ranges, cells, holders, countries } = body;
        Ok(Tables::of(made_of, info, Ranges::new(ranges), (cells, holders, countries)))
    }
}

/// What the tables of a snapshot were made of: see [`Tables::made_of`]. Nothing else of it is looked at.
///
/// # Errors
/// When it is none, or of another format.
pub fn snapshot_made_of(file: &[u8]) -> Result<u64, SnapshotError> {
    let rest = file.strip_prefix(MAGIC).ok_or(SnapshotError::NotASnapshot)?;
    let (format, rest) = rest.split_first_chunk::<4>().ok_or(SnapshotError::Damaged)?;
    match u32::from_le_bytes(*format) {
        FORMAT => {}
        other => return Err(SnapshotError::Format(other)),
    }
    let (made_of, _) = rest.split_first_chunk::<8>().ok_or(SnapshotError::Damaged)?;
    Ok(u64::from_le_bytes(*made_of))
}
