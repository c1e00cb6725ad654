//! Bounds of what is held of a bind's and a carrier's health. Pure data, lives nowhere.

use core::time::Duration;

/// How long a bind that owes answers may give none before it is asked for a sign of life: four times
/// the 99th percentile of its answers, but at least and at most so long.
pub const ANSWER_SILENCE: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(5)];
/// How long that sign may take before the bind counts as half-open.
pub const PROBE_ANSWER: Duration = Duration::from_secs(3);
/// A bind that owes answers and gives none for this long is stalled, whatever else it says.
pub const STALLED_AFTER: Duration = Duration::from_secs(8);
/// Pause before a bind that was not trusted is given one part to try: the first, which doubles, and
/// the longest.
pub const TRIAL_PAUSE: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];
/// How long a bind that came back takes to its whole window.
pub const SLOW_START: Duration = Duration::from_secs(5);
/// The window that it begins with: one of so many shares.
pub const SLOW_START_SHARE: u32 = 8;
/// Answers in [`FAULT_SPAN`] before a bind may count as erroring; more than half of them blame the
/// carrier then.
pub const FAULTS_AMONG: u32 = 20;
/// The time over which a bind's answers are counted for that.
pub const FAULT_SPAN: Duration = Duration::from_secs(10);
/// Connections to one carrier that are begun in a second, over all shards.
pub const CONNECTS_PER_CARRIER: usize = 5;
/// Connections to all carriers that are begun in a second, over all shards.
pub const CONNECTS_PER_SECOND: usize = 50;
/// Receipts in a row that say "delivered" within [`SUSPECT_WITHIN`] of the submit's answer, before or
/// after it, until a carrier's receipts are suspect.
pub const SUSPECT_RECEIPTS: u32 = 50;
/// No handset says that it has a message as fast as this.
pub const SUSPECT_WITHIN: Duration = Duration::from_millis(1);

const _: () = assert!(ANSWER_SILENCE[0].as_secs() <= ANSWER_SILENCE[1].as_secs());
const _: () =
    assert!(ANSWER_SILENCE[1].as_secs() + PROBE_ANSWER.as_secs() <= STALLED_AFTER.as_secs());
const _: () = assert!(STALLED_AFTER.as_secs() < super::FAILOVER.as_secs());
const _: () = assert!(TRIAL_PAUSE[0].as_secs() <= TRIAL_PAUSE[1].as_secs());
const _: () = assert!(CONNECTS_PER_CARRIER <= CONNECTS_PER_SECOND && CONNECTS_PER_CARRIER > 0);
