//! What a shard's log writes for its messages: records by kind, headers, padding. Pure; one per measurement.

use std::collections::BTreeMap;

use postrider_storage::{Frames, RecordKind, Write};

/// Bytes of a batch's header, and where in it the length of the payload stands.
const HEADER: usize = 64;
const PAYLOAD_LEN_AT: usize = 44;
/// Bytes of a record's frame.
const FRAME: u64 = 8;

/// See the module. Starts with nothing.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Batches.
    pub batches: u64,
    /// Bytes on the disk, headers and padding included.
    pub written: u64,
    /// Records and their bytes, frames included, by the number of their kind.
    kinds: BTreeMap<u8, (u64, u64)>,
}

impl Tally {
    /// Counts a batch.
    ///
    /// # Panics
    /// When it is none.
    pub fn add(&mut self, write: &Write) {
        let bytes = write.blocks.as_bytes();
        self.batches += 1;
        self.written += bytes.len() as u64;
        let len = bytes.get(PAYLOAD_LEN_AT..PAYLOAD_LEN_AT + 4).and_then(|len| len.try_into().ok());
        let len = usize::try_from(u32::from_le_bytes(len.expect("a header"))).expect("a length");
        let payload = bytes.get(HEADER..HEADER + len).expect("a payload");
        for frame in Frames::new(payload) {
            let frame = frame.expect("a record");
            let (records, bytes) = self.kinds.entry(frame.kind).or_default();
            *records += 1;
            *bytes += FRAME + frame.body.len() as u64;
        }
    }

    /// Records of a kind.
    #[must_use]
    pub fn records(&self, kind: RecordKind) -> u64 {
        self.kinds.get(&(kind as u8)).map_or(0, |(records, _)| *records)
    }

    /// Bytes of the records of a kind.
    #[must_use]
    pub fn bytes(&self, kind: RecordKind) -> u64 {
        self.kinds.get(&(kind as u8)).map_or(0, |(_, bytes)| *bytes)
    }

    /// Bytes of all records but the log's own marks.
    #[must_use]
    pub fn messages(&self) -> u64 {
        let all: u64 = self.kinds.values().map(|(_, bytes)| bytes).sum();
        all - self.bytes(RecordKind::Mark)
    }
}
