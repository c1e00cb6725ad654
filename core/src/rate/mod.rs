//! How fast a carrier may be given parts: tokens that are good for one part a second each, leases of
//! them that move between shards, and what a carrier's answers do to their number. Pure; a [`Lease`]
//! lives once per carrier and shard, a [`Lender`] once per carrier, on the shard that is its home.
//!
//! A token is the right to hand one part to a carrier's bind. Once spent it is ready again when more
//! than a second has passed, whichever shard holds it then. No token is ever copied, so no second,
//! wherever it begins, holds more parts than there are tokens: the rate that was agreed, over all
//! binds and shards. A process begins with all of them spent just now, since nobody knows what the
//! one before it sent.
//!
//! Shards hold the tokens they use. Each says several times a second what it wants and gives back
//! what is more than its share; the lender answers with tokens and the share. Idle shards hold none.
//! In between, tokens flow evenly: a carrier that counts in another way than we do sees no bursts.
//!
//! The [`Governor`] decides how many of the tokens may be out. It lowers that number when the carrier
//! says that it is too fast, full or congested, or answers ever more slowly, and probes it up again.

mod answers;
mod governor;
mod lease;
mod lender;
mod meter;
mod pacer;
mod purse;
mod slowness;

pub use self::governor::{Changes, Governor, Observed, Rate};
pub use self::lease::{Grant, Lease, Report, Trouble, TroubleKind};
pub use self::lender::Lender;
pub use self::meter::Meter;
pub use self::pacer::{Pacer, Wish};
pub use self::purse::{Purse, Tokens};
