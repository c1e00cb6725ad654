//! Number -> region (country), from a table of prefixes that is part of the program. Pure; parsed
//! once per process, read-only.

use core::fmt;
use std::sync::OnceLock;

use crate::number::Msisdn;
use crate::prefix::{self, Prefix, PrefixTable};

/// `prefix,iso2` lines, built by `data/build_regions.py`.
const TABLE: &str = include_str!("../data/regions.csv");

static REGIONS: OnceLock<PrefixTable<Region>> = OnceLock::new();

/// A country, as its ISO 3166 code of two letters, or `001`: what belongs to no country.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region([u8; 2]);

impl Region {
    /// Where the calling codes without a country belong: 800, 808, 870, 878, 88x, 979.
    pub const WORLD: Region = Region(*b"  ");

    /// Reads two capital letters, or `001`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Region> {
        match code.as_bytes() {
            b"001" => Some(Region::WORLD),
            [first @ b'A'..=b'Z', second @ b'A'..=b'Z'] => Some(Region([*first, *second])),
            _ => None,
        }
    }

    /// Its code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if *self == Region::WORLD {
            return "001";
        }
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The region that a number belongs to; `None` where there is no calling code.
///
/// The numbers of SJ read as NO, EH as MA, VA as IT, AX as FI, CX and CC as AU where they cannot be
/// told apart.
#[must_use]
pub fn region_of(number: Msisdn) -> Option<Region> {
    with_digits(number).map(|(region, _)| region)
}

/// The region that a number belongs to, and how many of its leading digits say so.
pub(crate) fn with_digits(number: Msisdn) -> Option<(Region, u8)> {
    table().find(prefix::key(number)).map(|(prefix, region)| (region, prefix.length()))
}

/// The region of a code, when it has numbers.
#[must_use]
pub fn known(code: &str) -> Option<Region> {
    rows().find(|(_, region)| *region == code).and_then(|(_, region)| Region::parse(region))
}

pub(crate) fn table() -> &'static PrefixTable<Region> {
    REGIONS.get_or_init(|| {
        let parse = |(digits, region)| Some((Prefix::parse(digits)?, Region::parse(region)?));
        PrefixTable::new(rows().filter_map(parse).collect())
    })
}

/// Data rows; comments and the heading have no comma-separated digits.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.lines().skip(1).filter_map(|line| line.split_once(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        for line in TABLE.lines().skip(1) {
            let row = line.split_once(',');
            assert!(
                row.is_some_and(|(digits, region)| {
                    Prefix::parse(digits).is_some_and(|prefix| prefix.length() > 0)
                        && Region::parse(region).is_some()
                }),
                "{line}"
            );
        }
        assert!(TABLE.lines().count() > 200);
        for code in ["GB", "001"] {
            assert_eq!(known(code), Region::parse(code));
            assert_eq!(known(code).map(|region| region.to_string()).as_deref(), Some(code));
        }
        for code in ["", "G", "gb", "GBR", "  ", "G1"] {
            assert_eq!(Region::parse(code), None, "{code}");
        }
        assert_eq!(known("gb"), None);
        assert_eq!(known("XX"), None);
    }
}
