//! The regions that numbers belong to. Pure, lives nowhere.

use core::fmt;

/// A country, as its ISO 3166 code of two letters, or `001`: what belongs to no country.
#[derive(
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
    Copy,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_two_capital_letters_or_001() {
        for code in ["GB", "ZZ", "001"] {
            assert_eq!(Region::parse(code).map(|own| own.to_string()).as_deref(), Some(code));
        }
        for code in ["", "G", "gb", "GBR", "  ", "G1"] {
            assert_eq!(Region::parse(code), None, "{code}");
        }
    }
}
