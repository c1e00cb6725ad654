//! The tables in the form that people and tools write: CSV with a heading, longest prefix wins. Pure,
//! lives nowhere.

use crate::clock::UnixMs;

/// The day of the metadata that the tables of the program were built from: 2026-11-06.
const AS_OF: UnixMs = UnixMs(1_793_923_200_000);

/// The texts of all tables. Columns may stand in any order, beside others.
///
/// * regions: `prefix,iso2`, the region of all numbers below a prefix, in use or not.
/// * numbering: `prefix,iso2,number_type,lengths`, the types of the numbers below a prefix and how
///   many digits they have in all, with `|` between them. A prefix may have several rows; one with
///   empty fields says that nothing below it is valid.
/// * operators: `operator_id,operator,mcc,mnc`; MCC and MNC may be empty together.
/// * operator prefixes: `prefix,operator_id`, who got the mobile numbers below a prefix.
/// * countries: `iso2,name,calling_code,mnp,trunk_prefix,keeps_zero`; `mnp` (numbers are portable) is
///   `yes`, `probable`, `no` or empty for not known; `keeps_zero` is `yes` where national numbers may
///   begin with 0.
#[derive(Copy, Clone, Debug)]
pub struct Forms<'a> {
    /// When the data was true.
    pub as_of: UnixMs,
    /// regions.csv.
    pub regions: &'a str,
    /// numbering.csv.
    pub numbering: &'a str,
    /// operators.csv.
    pub operators: &'a str,
    /// operator_prefixes.csv.
    pub operator_prefixes: &'a str,
    /// countries.csv.
    pub countries: &'a str,
}

impl Forms<'static> {
    /// The tables that are part of the program.
    pub const BUILTIN: Self = Forms {
        as_of: AS_OF,
        regions: include_str!("../../data/regions.csv"),
        numbering: include_str!("../../data/numbering.csv"),
        operators: include_str!("../../data/operators.csv"),
        operator_prefixes: include_str!("../../data/operator_prefixes.csv"),
        countries: include_str!("../../data/countries.csv"),
    };
}
