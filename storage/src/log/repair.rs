//! Looking at a log without changing it, and going on past damage in the newest segment on the
//! operator's word. Pure, lives nowhere; offline tools only.

use std::time::Duration;

use crate::block::Blocks;
use crate::disk::{Disk, SegmentId};
use crate::record::Record;

use super::batch::{Batch, Place, Stamp};
use super::observe::Observer;
use super::recover::{Mode, Recovered, recover};
use super::{LogConfig, OpenError, Recovery, Replayed};

/// What a repair found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// What was found. Damaged bytes in `quarantined` were copied aside; what follows them counts.
    pub recovery: Recovery,
    /// The segment that was begun so that the damaged one is sealed; `None`: there was no need.
    pub began: Option<SegmentId>,
}

/// Reads the whole log and reports, as [`super::Log::open`] would, without changing anything. Damage
/// in the newest segment is reported too, not refused. `observer`: a closure that takes records, or
/// something that wants to see batches too.
///
/// # Errors
/// [`OpenError`] for what cannot be passed over.
pub fn inspect<D: Disk>(
    disk: &mut D,
    config: &LogConfig,
    observer: &mut dyn Observer<D>,
) -> Result<Recovery, OpenError> {
    config.check()?;
    Ok(recover(disk, config, Mode::Inspect, None, observer)?.recovery)
}

/// Looks whether this release can read what was written last into a log, and changes nothing: to be
/// asked of every log of a directory before the first one is opened.
///
/// # Errors
/// [`OpenError`] for what cannot be passed over.
pub fn check_format<D: Disk>(disk: &mut D, config: &LogConfig) -> Result<(), OpenError> {
    config.check()?;
    let mut files = disk.list()?;
    files.sort_unstable_by_key(|file| file.id);
    for file in files.iter().rev() {
        match recover(disk, config, Mode::Inspect, Some(file.id), &mut |_: Replayed<'_>| {}) {
            // Nothing has been written into it yet.
            Err(OpenError::Start(_)) => {}
            found => return found.map(|_| ()),
        }
    }
    Ok(())
}

/// Makes a log that [`super::Log::open`] refuses as [`OpenError::Corrupt`] open again: sets the
/// damaged bytes aside and begins a new segment, which makes the damaged one a sealed one. Nothing
/// is removed. Doing it twice is harmless.
///
/// # Errors
/// [`OpenError`] for what no repair can help.
pub fn repair<D: Disk>(
    disk: &mut D,
    config: &LogConfig,
    wall_ms: u64,
) -> Result<Repair, OpenError> {
    config.check()?;
    let found = recover(disk, config, Mode::Repair, None, &mut |_: Replayed<'_>| {})?;
    let newest = found.files.last().map(|file| file.id);
    let damaged = newest.filter(|id| {
        let name = id.file_name();
        found.recovery.quarantined.iter().any(|(file, _, _)| *file == name)
    });
    let began = match damaged {
        Some(newest) => Some(begin_segment(disk, config, wall_ms, newest.next(), &found)?),
        None => None,
    };
    Ok(Repair { recovery: found.recovery, began })
}

/// Makes `segment` with one batch: a mark that carries on where the log left off.
fn begin_segment<D: Disk>(
    disk: &mut D,
    config: &LogConfig,
    wall_ms: u64,
    segment: SegmentId,
    found: &Recovered,
) -> Result<SegmentId, OpenError> {
    let place = Place { segment, offset: 0, capacity: config.segment_bytes };
    let (lsn, next_sequence) = (found.recovery.next_lsn, found.recovery.next_sequence);
    let mut batch = Batch::new(place, config.max_batch, Blocks::new(), lsn, Duration::ZERO);
    let mark = Record::Mark { at_ms: wall_ms, next_sequence, clean: false };
    batch.push(&mark, mark.encoded_len());
    let stamp = Stamp {
        shard: config.shard,
        sequence: found.next_batch,
        previous_crc: found.previous_crc,
        wall_ms,
        recycled: false,
    };
    let (write, _) = batch.finish(stamp);
    disk.create_zeroed(segment, config.segment_bytes)?;
    disk.write_sync(segment, 0, write.blocks.as_bytes())?;
    Ok(segment)
}
