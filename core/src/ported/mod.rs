//! Ported numbers: tables of hundreds of millions of them in a few octets each, read where they lie
//! in a mapped file, and the changes that came since. Pure; one set of tables per process,
//! read-only, shared by every shard.

mod build;
mod changes;
mod file;
mod generate;
mod lines;
mod octets;
mod ranges;
mod rows;
mod space;
mod stretch;
mod table;
mod tables;

pub use self::build::{About, BuildError, Builder, Covers, PARTS, Settled, Spill};
pub use self::changes::{Change, Changes, compact};
pub use self::file::{FORMAT, HEADER, Header, Overlay, Parts, TableError, Tail};
pub use self::generate::{Generated, Layout};
pub use self::lines::{LINE, Line, Lines, Shape};
pub use self::ranges::{Range, RangeSet};
pub use self::rows::{FeedMeta, ReadTime, Recipients, Row, RowError, RowReader, Subject, covers};
pub use self::space::Space;
pub use self::stretch::{Entry, Stretch, TooFull, entries};
pub use self::table::{Found, Table};
pub use self::tables::{LoadedTable, PortedTables, StaleWatch, is_within};
