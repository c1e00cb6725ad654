//! Bounds of state and store. Pure data, lives nowhere.

use core::time::Duration;

/// Messages of a shard that are not final at most: what the largest store carries. Unless configured
/// otherwise there may be as many as the configured store carries.
pub const OPEN_MESSAGES_MAX: u32 = 268_435_456;
/// Messages of a shard in memory at once: least, usual, most. All others are on disk alone.
pub const HOT_MESSAGES: [u32; 3] = [64, 100_000, 10_000_000];
/// How long messages can be read after they were accepted, as far as the store has room, unless
/// configured otherwise.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(72 * 3_600);
/// Longest that can be configured.
pub const RETENTION_MAX: Duration = Duration::from_secs(5 * 366 * 24 * 3_600);
/// Reads from the disk that a shard has under way; more wait their turn.
pub const READS_IN_FLIGHT: usize = 256;
/// Erasures of a shard that are not done; the last ones that are done and still shown.
pub const ERASURES_MAX: usize = 256;
/// Messages of a shard that their customers have redacted and that are still in the files.
pub const REDACTIONS_MAX: usize = 100_000;
/// How long those are gathered before the files are gone through for them.
pub const REDACTIONS_GATHERED: Duration = Duration::from_secs(3_600);
/// Redacted messages in memory that are taken back or written anew in one turn.
pub const REDACTED_PER_TURN: usize = 64;
/// Messages of a customer that an erasure looks at in one step.
pub const ERASURE_PAGE: usize = 1_024;
/// Rest after each segment that an erasure has read or rewritten, so that traffic comes first.
pub const ERASURE_REST: Duration = Duration::from_millis(250);
/// Everything that was to be forgotten is out of the files within this time.
pub const ERASURE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Recipients of a shard that do not want messages of some customer.
pub const OPT_OUTS_MAX: usize = 65_536;
/// Messages of a register; a stretch of the log with more has several.
pub const REGISTER_ROWS: u32 = 262_144;
/// Changes of messages on disk, closed or carried, that are gathered in memory; from half of it on
/// they are written.
pub const REGISTER_CHANGES: usize = 131_072;
/// A shard writes a checkpoint after so many octets of records.
pub const CHECKPOINT_BYTES: u64 = 256 * 1024 * 1024;
/// And after so long, when anything was recorded.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
/// How long after one that could not be written the next is taken.
pub const CHECKPOINT_RETRY: Duration = Duration::from_secs(10);
/// Octets of the log that are read in the time in which one message is read by itself.
pub const CHECKPOINT_READ_COST: u64 = 32 * 1024;
/// Lists of messages that a shard works on at once; more wait their turn.
pub const LISTS_AT_ONCE: usize = 16;
/// Receipts and operations of a shard that wait for messages from the disk; beyond it receipts are
/// put off.
pub const WAKES_AT_ONCE: usize = 4_096;
/// Messages of a shard of which rows on disk may be left over from before a crash; when there are more,
/// all that was filed by then is in doubt.
pub const DOUBTED_MESSAGES: usize = 131_072;
/// Messages that leave memory while receipts look for rows, as far as they are told apart.
pub const DEPARTURES_NOTED: usize = 8_192;
/// Files that a shard keeps open for reading.
pub const READ_FILES: usize = 128;
/// Octets of the first read of a record: most are shorter.
pub const RECORD_READ: u32 = 1_024;
/// Ids that carriers gave to parts of messages no longer in memory, by which a shard knows late and
/// repeated receipts; the oldest give way.
pub const CARRIER_IDS_OF_CLOSED: usize = 262_144;
/// Finished messages that stay in memory because a carrier may have a part of them under an id that
/// was lost; the oldest give way.
pub const LOST_PARTS_KEPT: usize = 10_000;
/// Longest that a deadline of the wall clock is waited for at once: then the clock, which may have
/// been set meanwhile, is looked at again.
pub const WALL_RECHECK: Duration = Duration::from_secs(600);
/// Records that nobody waits for ride with a batch at most this much later.
pub const LAZY_COMMIT: Duration = Duration::from_millis(2);
/// Octets of a batch at which it is written without waiting for more.
pub const PREFERRED_BATCH: usize = 64 * 1024;
/// Octets of a batch.
pub const MAX_BATCH: usize = 1024 * 1024;
/// Octets of a record in the log.
pub const MAX_RECORD: usize = 128 * 1024;
/// MiB of a segment: least, usual, most.
pub const SEGMENT_MIB: [u32; 3] = [8, 64, 256];
/// Octets of the state of a message in the one record in which it is carried forward or parked.
pub const CARRIED_STATE_MAX: usize = MAX_RECORD - 1_024;
/// Records of a message in the log beyond which its state is written anew in one: the record that closes
/// it names them all.
pub const RECORDS_OF_MESSAGE: usize = 1_024;
/// Octets of a message's records beyond which interim and late receipts of it are not kept: so much of
/// them says nothing more, and the message's state stays within a record.
pub const RECORDS_PER_MESSAGE: u32 = 64 * 1024;
/// Segments of a shard: least, usual, most.
pub const SEGMENTS: [u32; 3] = [6, 64, 4_096];
/// Segments that are ready before they are needed.
pub const SPARE_SEGMENTS: u32 = 2;
/// Segments of a shard that new messages cannot fill: reads and receipts go on when the disk is
/// full.
pub const RESERVE_SEGMENTS: u64 = 2;
/// The oldest segment is emptied when fewer than this many can still be begun.
pub const RECLAIM_SEGMENTS: u32 = 4;
/// MiB of a segment of a shard's log of contents.
pub const CONTENT_SEGMENT_MIB: u32 = 8;
/// Segments of it at most.
pub const CONTENT_SEGMENTS: u32 = 32;
/// Segments of it that new contents cannot fill.
pub const CONTENT_RESERVE_SEGMENTS: u32 = 4;
/// Octets of the contents of a shard's open messages that are not kept, [`MEMORY_PER_CONTENT`] for
/// each among them: they are in memory too.
pub const CONTENTS_MAX: usize = 64 * 1024 * 1024;
/// Octets of a content in memory beside itself.
pub const MEMORY_PER_CONTENT: usize = 160;
/// A discarded content is wiped from the disk about so long after, however long others stay.
pub const CONTENT_WIPE_AFTER: Duration = Duration::from_secs(30);
/// Contents carried forward in one turn.
pub const CONTENTS_PER_TURN: usize = 64;
/// A content whose message is not found any more is given up so long after the message ended.
pub const CONTENT_UNCLAIMED: Duration = Duration::from_secs(24 * 3_600);
/// Messages carried forward or forgotten in one turn.
pub const RECLAIM_PER_TURN: usize = 64;
/// Octets of the store kept for the state changes of an open message.
pub const RESERVE_PER_OPEN_MESSAGE: u64 = 1_024;
/// Octets of the store that a parked receipt or an inbound message that waits is reckoned at.
pub const STORE_PER_HELD_RECEIPT: u64 = 512;
/// Octets of the store that an open message takes until it is final, its records and their
/// carrying forward included.
pub const STORE_PER_OPEN_MESSAGE: u64 = 2_048;
/// Octets of memory that a hot message is reckoned at, its indexes and its seat included.
pub const MEMORY_PER_HOT_MESSAGE: u64 = 2_048;
/// Octets of memory of a carrier's id of a part of a message no longer in memory.
pub const MEMORY_PER_CARRIER_ID: u64 = 96;
/// Octets of memory of a register on disk.
pub const MEMORY_PER_REGISTER: u64 = 4_096;
/// Octets of memory of a message in a register that is not yet on disk.
pub const MEMORY_PER_REGISTER_ROW: u64 = 64;
/// Octets of the log that a message takes at least, from its acceptance to its end.
pub const LOG_PER_MESSAGE_MIN: u64 = 256;
/// Octets of memory of an unanswered submit_sm.
pub const MEMORY_PER_WINDOW_SLOT: u64 = 256;
/// Octets of memory of a bind's buffers.
pub const MEMORY_PER_BIND: u64 = 256 * 1024;
/// Octets of memory of an entry of a mesh lane.
pub const MEMORY_PER_MESH_ENTRY: u64 = 128;
/// Octets of memory of an HTTP connection.
pub const MEMORY_PER_CONNECTION: u64 = 24 * 1024;
/// Octets of memory of a parked receipt.
pub const MEMORY_PER_ORPHAN: u64 = 512;

// ---- Hot and cold messages ----

/// A message for which nothing can be done is in memory this long; then it is on disk alone until
/// something happens to it.
pub const PARK_AFTER: Duration = Duration::from_secs(30);
/// Messages that leave memory, or are looked for on disk because their turn has come, in one turn.
pub const COLD_PER_TURN: usize = 64;
/// A route takes at most one in so many of the hot messages of a shard.
pub const ACTIVE_ROUTE_SHARE: usize = 4;
/// Each lane of a route may count on one in so many of the route's.
pub const ACTIVE_LANE_SHARE: usize = 8;
/// New messages that come in a burst may have one in so many of a route's before its backlog's next
/// turn.
pub const ACTIVE_NEW_SHARE: usize = 16;
/// One in so many of a shard's hot messages is kept for those that something happened to.
pub const ACTIVE_WANTED_SHARE: usize = 8;
/// Rows of messages on disk that one search looks for.
pub const BACKLOG_PAGE: usize = 256;
/// Rows of a shard's backlog in memory; then those that nobody asks for are let go.
pub const BACKLOG_ROWS: usize = 65_536;
/// How far ahead a shard looks for messages on disk that become due.
pub const DUE_SCAN: Duration = Duration::from_secs(60);
/// No message has to be looked at later than this from now: a day more than the longest schedule and the
/// longest validity.
pub const DUE_FURTHEST: Duration = Duration::from_secs(11 * 24 * 3_600);
/// Rows of those in memory at which no more are looked for.
pub const DUE_ROWS: usize = 16_384;
/// What carriers call parts is in memory this long after they said it; then in the index on disk.
pub const RECEIPTS_HOT: Duration = Duration::from_secs(3_600);
/// Parts of a shard that are planned for within that time, at least and at most.
pub const RECEIPTS_PLANNED: [u64; 2] = [65_536, 100_000_000];
/// Parts a second that a carrier without a configured rate is planned with there.
pub const RATE_UNSAID: u32 = 250;
/// Octets of memory of a part in that table.
pub const MEMORY_PER_HOT_RECEIPT: u64 = 24;
/// Rows of an index of cold messages that are in memory before they are written as a run.
pub const RUN_ROWS_IN_MEMORY: usize = 65_536;
/// Octets of memory of such a row.
pub const MEMORY_PER_FRESH_ROW: u64 = 64;
/// Indexes that lead to messages on disk: the backlog, times, what carriers call parts.
pub const COLD_INDEXES: u64 = 3;
/// Rows of a message on disk in them: one of the backlog or for each part, its time, its recipient.
pub const ROWS_PER_COLD_MESSAGE: u64 = 3;
/// Octets of memory of a row that was read.
pub const MEMORY_PER_READ_ROW: u64 = 64;
/// Octets of memory of what is counted for a group with a backlog.
pub const MEMORY_PER_GROUP: u64 = 512;
/// Octets of memory while runs are written and merged.
pub const MEMORY_OF_RUN_CHORES: u64 = 32 * 1024 * 1024;
/// Runs of an index beyond which the small ones are merged.
pub const RUNS_PER_INDEX: usize = 8;
/// All runs of an index are merged this often: what closed is dropped then.
pub const RUN_MERGE_EVERY: Duration = Duration::from_secs(3_600);
/// Rows of a file of a run, and what one chore reads: 48 MiB, about half a second of a core.
pub const RUN_SLICE_ROWS: u64 = 2_097_152;
/// Octets of memory for each row on disk: its share of a filter and of the keys of pages.
pub const MEMORY_PER_RUN_ROW: u64 = 3;
