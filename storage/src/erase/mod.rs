//! Erasure: what must be forgotten, and sealed segments without it. Pure, lives nowhere; a shard
//! runs it on a helper thread, an offline tool anywhere.
//!
//! The owner forgets at once, in memory and in answers, and appends a record of kind erased; the
//! files follow within a day:
//! 1. [`Log::wipe_up_to`] the head segment, and let the chores of [`Log::wiping`] be done;
//! 2. [`Log::roll`], until the head of before is sealed;
//! 3. [`survey`] every segment in which something of what is meant may lie, or tell [`Erasing`] the
//!    messages' numbers: parts and replaced texts lie in other segments than their messages. Where
//!    segments have been recycled say so ([`Erasing::recycled`]), and survey all, from the oldest on;
//! 4. for every such segment, the newest first (so that numbers of recipients stay known to the
//!    end, should the process stop): [`prepare`], [`Disk::exchange`] when there is something to
//!    exchange, [`Disk::wipe_old`]; [`rewrite`] does all three;
//! 5. [`Disk::wipe_quarantine`].
//!
//! Doing any of it twice is harmless.
//!
//! [`Log::wipe_up_to`]: crate::Log::wipe_up_to
//! [`Log::wiping`]: crate::Log::wiping
//! [`Log::roll`]: crate::Log::roll
//! [`Disk::exchange`]: crate::Disk::exchange
//! [`Disk::wipe_old`]: crate::Disk::wipe_old
//! [`Disk::wipe_quarantine`]: crate::Disk::wipe_quarantine

mod meant;
mod rewrite;

pub use meant::{Erasing, recipient_hash};
pub use rewrite::{Prepared, prepare, rewrite, survey};
