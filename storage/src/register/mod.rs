//! Registers: which messages there are, whose they are, and where each of them stands. Pure, lives
//! nowhere; one [`Registers`] per shard.
//!
//! A register lists the messages that were accepted into one segment of the log (of a segment with
//! very many, a part of them): by sequence with their *slots*, by customer and time, by recipient
//! and by group. A [`Slot`] holds a message's status and the position of its anchor, the one record
//! that leads to all of its state. Registers outlive their segment while messages of it are open.
//! They are derived from the log: what is damaged or missing is rebuilt by a replay.
//!
//! # How the owner calls it
//! - [`Registers::accept`] when an `accepted` record is durable, in the order of the log (a
//!   register is sealed by itself when a row comes from another segment);
//!   [`Registers::carried`] and [`Registers::set_slot`] when a `carried` or a `closed` record, which
//!   becomes the message's anchor, is durable; [`Registers::forget`] when a message is known to be
//!   gone. Never before the record is durable: a slot may reach the disk at any time.
//! - [`Registers::anchor_moved`] beside them: (nothing, accepted) when a message is accepted,
//!   (accepted, carried) when it is carried, (anchor, nothing) when it is closed.
//! - [`Registers::release_before`] when the log gives segments up.
//! - After each of them drain [`Registers::poll_chore`]: one chore at a time, run on a helper
//!   thread; when it is done close the files in [`RegisterDone::replaced`] that are open for
//!   reading, then call [`Registers::handle_chore`]. After an error that can pass (no space left)
//!   call [`Registers::retry`] after a while. While [`Registers::pressed`], accept nothing new.
//! - The searches are driven by handing in what they ask for. They stay right while messages are
//!   accepted, moved and flushed. When one ends with [`crate::SearchError::Damaged`] of a register's file,
//!   name it and call [`Registers::condemn`].
//!
//! # Checkpoint and replay
//! A checkpoint holds [`Registers::snapshot`] and is not higher than [`Registers::low_water`];
//! changed slots are part of the snapshot, so nothing needs to be flushed for it. Once it is
//! durable, call [`Registers::checkpointed`].
//! A start is [`Registers::open`] with that snapshot, then for every record from the checkpoint on
//! the same calls as when it was new: they may come again for records that are already known. Only
//! `anchor_moved` must not: it is for records after the checkpoint's last one. Chores may be done
//! meanwhile (and must be, while `pressed`), with a second handle on the disk, but no checkpoint is
//! written before [`Registers::replayed`].
//! When [`RegistersFound::missing`] names registers, the replay begins at the earliest of their
//! segments that there still is, or before. Without a checkpoint it begins at the log's start; then
//! the same calls rebuild everything.

mod anchored;
mod build;
mod check;
mod chore;
mod cursor;
mod found;
mod head;
mod list;
mod listed;
mod lookup;
mod open;
mod page;
mod read;
mod registers;
mod row;
mod slots;
mod snapshot;
mod standing;
mod work;

pub use anchored::{Anchored, AnchoredCursor, AnchoredSearch};
pub use check::{RegisterCheck, RegisterFile, check};
pub use chore::{RegisterChore, RegisterDone};
pub use found::{MissingRegister, RegistersFound};
pub use list::{ListedMessage, PageQuery, PageSearch, RegisterPage};
pub use lookup::{HashSearch, SlotLookup};
pub use open::OpenRegister;
pub use registers::{RegisterConfig, Registers};
pub use row::{Key, RegisterRow, Slot, Statuses};
pub use slots::REGISTER_ROWS_MAX;
pub use standing::StandingSearch;
