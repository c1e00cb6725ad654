//! What can be found out about a number: from the tables at once, and from a provider of look-ups where
//! the configuration names one. Pure. The machine that asks the provider is one per shard, and asks for
//! the numbers that the shard owns.

mod breaker;
mod cache;
mod finding;
mod provider;

pub use self::finding::{Finding, Invalid, Live};
pub use self::provider::{Asked, Missed, Outcome, Provider, Rules, Waiter};

use crate::operators::OperatorId;

/// What a provider says of whoever has a number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Subscriber {
    /// It is in use, and can be reached.
    Active,
    /// It is in use, and cannot be reached now: the handset is off or out of reach.
    Absent,
    /// Nobody has it, or it takes no messages.
    Inactive,
    /// It is no number.
    Invalid,
    /// The provider could not find out.
    Unknown,
}

/// A provider's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderAnswer {
    /// Of the number itself.
    pub subscriber: Subscriber,
    /// Who serves it.
    pub operator: Option<OperatorId>,
    /// The operator's name, at most [`LOOKUP_NAME`](crate::limits::LOOKUP_NAME) octets.
    pub carrier: Option<Box<str>>,
    /// Whether it left the operator of its range.
    pub ported: Option<bool>,
}
