//! What the resolver asks of a table of ported numbers. Pure, lives nowhere.

use core::fmt::Debug;

use super::OperatorId;
use crate::clock::UnixMs;
use crate::number::Msisdn;

/// Tables of ported numbers, one or several, each for numbers of its own.
pub trait Ported: Debug + Send + Sync {
    /// What they know of a number at this wall time.
    fn find(&self, number: Msisdn, now: UnixMs) -> PortedAnswer;
}

/// What tables of ported numbers know of one number. Dates are those of the data.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum PortedAnswer {
    /// No table is for this number, or the one that is does not have it and is older than it may be.
    Unknown,
    /// The number is not in its table, which is fresh: who got its range has it still.
    NotPorted {
        /// When the table was true.
        as_of: UnixMs,
    },
    /// The number is in its table.
    Ported {
        /// Who has it now; `None`: the table does not say.
        operator: Option<OperatorId>,
        /// When the table was true.
        as_of: UnixMs,
        /// Whether the table is no older than it may be.
        fresh: bool,
    },
}
