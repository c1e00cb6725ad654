//! What messages cost a gateway, as measured: the load generator writes it, the plan reads it. Pure
//! data, lives nowhere.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{float, whole};

/// Which form of the file this is.
pub const CALIBRATION_FORMAT: u16 = 1;

/// What a gateway did and used during a run, all its shards together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// [`CALIBRATION_FORMAT`].
    pub format: u16,
    /// Shards of the gateway.
    pub shards: u16,
    /// How long the run was, milliseconds.
    pub milliseconds: u64,
    /// Messages accepted.
    pub messages: u64,
    /// Parts handed to carriers, resends included.
    pub parts: u64,
    /// Processor time of the shards' threads, microseconds.
    pub shard_cpu_us: u64,
    /// Processor time of the whole process, microseconds.
    pub process_cpu_us: u64,
    /// Octets written to the logs.
    pub log_bytes: u64,
    /// Answers of carriers.
    pub answers: u64,
    /// The time that they took, from submit_sm, all together, microseconds.
    pub answer_us: u64,
    /// Batches made durable.
    pub commits: u64,
    /// The time that they took, all together, microseconds.
    pub commit_us: u64,
}

/// Why a calibration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// It is not what the load generator writes.
    #[error("it is no calibration: {0}; make one with `postrider load --calibration FILE`")]
    Unreadable(#[from] serde_json::Error),
    /// It is of another release.
    #[error("it is of format {0}, and this program reads {CALIBRATION_FORMAT}; make it again")]
    Format(u16),
    /// Nothing was measured.
    #[error("its run accepted no message, submitted no part, or took no time; make a longer one")]
    Empty,
}

impl Calibration {
    /// Reads one.
    ///
    /// # Errors
    /// [`CalibrationError`].
    pub fn parse(text: &str) -> Result<Calibration, CalibrationError> {
        let read: Calibration = serde_json::from_str(text)?;
        if read.format != CALIBRATION_FORMAT {
            return Err(CalibrationError::Format(read.format));
        }
        let counts = [read.messages, read.parts, read.shard_cpu_us, u64::from(read.shards)];
        if counts.contains(&0) {
            return Err(CalibrationError::Empty);
        }
        Ok(read)
    }

    /// As it is written, with a line end.
    #[must_use]
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text + "\n"
    }

    /// Parts of a message of the run.
    #[must_use]
    pub fn parts_per_message(&self) -> f64 {
        float(self.parts) / float(self.messages.max(1))
    }

    /// Processor time of the shards for a message of so many parts, microseconds. What a further
    /// part costs is not told apart from what a message costs: all grows with the parts when there
    /// are more than were measured, and nothing shrinks when there are fewer.
    #[must_use]
    pub fn shard_us(&self, parts: f64) -> f64 {
        self.per_message(self.shard_cpu_us, parts)
    }

    /// The same for the whole process: shards, their helpers, the control thread.
    #[must_use]
    pub fn process_us(&self, parts: f64) -> f64 {
        self.per_message(self.process_cpu_us.max(self.shard_cpu_us), parts)
    }

    /// Octets of log for a message of so many parts.
    #[must_use]
    pub fn log_bytes(&self, parts: f64) -> f64 {
        self.per_message(self.log_bytes, parts)
    }

    /// From a submit_sm to its answer, on average; `None` when none came.
    #[must_use]
    pub fn answer_time(&self) -> Option<Duration> {
        mean(self.answer_us, self.answers)
    }

    /// How long it took to make a batch durable, on average; `None` when none was.
    #[must_use]
    pub fn commit_time(&self) -> Option<Duration> {
        mean(self.commit_us, self.commits)
    }

    fn per_message(&self, all: u64, parts: f64) -> f64 {
        let more = (parts / self.parts_per_message()).max(1.0);
        float(all) / float(self.messages.max(1)) * more
    }
}

fn mean(all_us: u64, count: u64) -> Option<Duration> {
    (count > 0).then(|| Duration::from_nanos(whole(float(all_us) / float(count) * 1_000.0)))
}
