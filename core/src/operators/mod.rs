//! Number -> operator: what is known about who serves a number, where it is known from, and how far
//! it can be trusted. Pure; one `Resolver` per process, read-only, shared by every shard.

mod id;
mod ported;
mod resolver;

pub use self::id::{OperatorId, OperatorIdError};
pub use self::ported::{Ported, PortedAnswer};
pub use self::resolver::{Override, Resolved, Resolver, Source};
