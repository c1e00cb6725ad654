//! Number -> region (country), from a table of prefixes that is part of the program. Pure; parsed
//! once per process, read-only.

use std::sync::OnceLock;

use crate::number::Msisdn;
use crate::prefix::{self, Prefix, PrefixTable};

/// `prefix,iso2` lines, built by `data/build_regions.py`.
const TABLE: &str = include_str!("../data/regions.csv");

static REGIONS: OnceLock<PrefixTable<&'static str>> = OnceLock::new();

/// The ISO 3166 code of the region that a number belongs to, `001` for the calling codes without a
/// country (800, 870, 88x, 979), None where there is no calling code.
///
/// The numbers of SJ read as NO, EH as MA, VA as IT, AX as FI, CX and CC as AU where they cannot be
/// told apart.
#[must_use]
pub fn region_of(number: Msisdn) -> Option<&'static str> {
    table().find(prefix::key(number)).map(|(_, region)| region)
}

/// The table's own spelling of a region's code, when it has numbers of that region.
#[must_use]
pub fn known(code: &str) -> Option<&'static str> {
    rows().map(|(_, region)| region).find(|region| *region == code)
}

pub(crate) fn table() -> &'static PrefixTable<&'static str> {
    REGIONS.get_or_init(|| {
        let parse = |(digits, region)| Some((Prefix::parse(digits)?, region));
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
                        && (region.len() == 2 || region == "001")
                }),
                "{line}"
            );
        }
        assert!(TABLE.lines().count() > 200);
        assert_eq!(known("GB"), Some("GB"));
        assert_eq!(known("gb"), None);
        assert_eq!(known("XX"), None);
    }
}
