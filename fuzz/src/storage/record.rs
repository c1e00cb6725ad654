//! Any octets are read as a record alone, as a batch's payload and as a segment; what is read is written again
//! to the same, and nothing is taken for more than it is.

use core::time::Duration;

use postrider_storage::{
    Frames, Log, LogConfig, MemDisk, RECORD_BYTES_MAX, ReadBack, Record, SegmentId, read_record,
};

const SEGMENT_BYTES: u64 = 256 * 1024;

/// Reads the octets in every way.
pub fn run(data: &[u8]) {
    alone(data);
    for frame in Frames::new(data).flatten() {
        if let Ok(Some(record)) = Record::decode(frame.kind, frame.version, frame.body) {
            written_again(&record);
        }
    }
    segment(data);
    let readable = Frames::new(data)
        .map(|frame| frame.and_then(|f| Record::decode(f.kind, f.version, f.body)))
        .all(|record| record.is_ok());
    assert_eq!(segment(&batch(data)).is_some(), readable, "an intact batch is read");
}

fn alone(data: &[u8]) {
    match read_record(data) {
        Ok(ReadBack::Whole { record, len }) => {
            assert!(len <= data.len());
            written_again(&record);
            // Cut short it asks for what is missing, and for no more.
            for cut in [0, 7, len / 2, len - 1] {
                let needed = if cut < 8 { 8 } else { len };
                let short = data.get(..cut).expect("a part of it");
                assert_eq!(read_record(short), Ok(ReadBack::Incomplete { needed }));
            }
        }
        Ok(ReadBack::Incomplete { needed }) => {
            assert!(needed > data.len() && needed <= RECORD_BYTES_MAX);
        }
        Err(_) => {}
    }
}

fn written_again(record: &Record<'_>) {
    // In the newest version a record may be longer than it came.
    if record.encoded_len() > RECORD_BYTES_MAX {
        return;
    }
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    let read = ReadBack::Whole { record: *record, len: bytes.len() };
    assert_eq!(read_record(&bytes), Ok(read));
}

/// The octets as the records of the first batch of a log, with its checksum.
fn batch(payload: &[u8]) -> Vec<u8> {
    let records = Frames::new(payload).filter(Result::is_ok).count();
    let size = |size: usize| u32::try_from(size).expect("inputs are short").to_le_bytes();
    let mut header = b"PRLG".to_vec();
    header.extend([2, 0, 0, 0]); // format, shard
    for number in [1_u64, 1, 1, 0] {
        header.extend(number.to_le_bytes()); // segment, batch, first LSN, time
    }
    header.extend(size(records));
    header.extend(size(payload.len()));
    header.extend([0; 12]); // block, previous CRC, flags
    let crc = crc32c::crc32c_append(crc32c::crc32c(&header), payload);
    header.extend(crc.to_le_bytes());
    header.extend(payload);
    header
}

/// The newest segment may hold anything: it opens, or says why not, and opens again to the same. Returns its
/// records.
fn segment(data: &[u8]) -> Option<u64> {
    let mut disk = MemDisk::new();
    disk.bytes_mut(SegmentId(1)).extend_from_slice(data);
    let config = LogConfig {
        shard: 0,
        segment_bytes: SEGMENT_BYTES,
        max_segments: 3,
        spare_segments: 1,
        preferred_batch: 64 * 1024,
        max_batch: 256 * 1024,
        lazy: Duration::from_millis(2),
    };
    let mut records = 0_u64;
    let mut open = |disk: &mut MemDisk| {
        Log::open(disk, config.clone(), Duration::ZERO, 0, &mut |_| records += 1)
            .map(|(_, recovery)| (recovery.next_lsn, recovery.records))
    };
    let first = open(&mut disk).ok()?;
    assert_eq!(open(&mut disk), Ok(first), "opening changes nothing that counts");
    let (_, replayed) = first;
    assert!(records <= 2 * replayed && replayed <= data.len() as u64);
    Some(replayed)
}
