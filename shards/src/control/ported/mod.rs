//! Files of ported numbers: made, changed and loaded. The tools run on the main thread while no
//! gateway need run; a gateway loads on the main thread at its start and on the control thread later.

mod build;
mod feed;
mod files;
mod load;

pub use self::build::{Applied, BuildOrder, Built, apply, build, merge};
pub use self::feed::FeedOptions;
pub use self::files::{FileSpill, Held, changes_of};
pub(super) use self::load::tell_stale;
pub use self::load::{checked, load, load_all, open_table};
