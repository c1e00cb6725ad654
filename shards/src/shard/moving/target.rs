//! A log, with its log of contents, that is written to while the number of shards changes. Blocking,
//! through its disks; one per log.

use postrider_core::clock::Now;
use postrider_core::content::Content;
use postrider_core::limits;
use postrider_storage::{Disk, Log, LogConfig, LogIoError, Observer, Record, Urgency};

use super::{LogDisks, MoveError};
use crate::shard::contents::{Contents, ContentsConfig};
use crate::shard::message::Message;

/// Bytes that may wait to be written.
const PENDING_MAX: usize = 4 << 20;

/// See the module.
pub(super) struct Target<'d, D: Disk> {
    pub(super) number: u16,
    pub(super) disks: &'d mut LogDisks<D>,
    log: Log,
    segment_bytes: u64,
    pub(super) contents: Contents,
    /// The next free number of a message from a handset.
    pub(super) inbound: u64,
    /// The next free number of a parked receipt.
    pub(super) orphan: u64,
}

impl<'d, D: Disk> Target<'d, D> {
    /// Opens a log; `observer` sees all that is in it.
    pub(super) fn open(
        number: u16,
        disks: &'d mut LogDisks<D>,
        (config, contents): (LogConfig, ContentsConfig),
        now: Now,
        observer: &mut dyn Observer<D>,
    ) -> Result<Self, MoveError> {
        let open = |error| MoveError::Open { log: number, error };
        let segment_bytes = config.segment_bytes;
        let messages = &mut disks.messages;
        let log = Log::open_from(messages, config, now.mono, now.wall.0, None, observer);
        let (log, _) = log.map_err(open)?;
        let (contents, _) = Contents::open(&mut disks.contents, contents, now).map_err(open)?;
        Ok(Target { number, disks, log, segment_bytes, contents, inbound: 1, orphan: 1 })
    }

    pub(super) fn append(&mut self, now: Now, record: &Record<'_>) -> Result<(), MoveError> {
        self.log.append(record, Urgency::Waited, now.mono);
        if self.log.pending_bytes() > PENDING_MAX { self.settle(now) } else { Ok(()) }
    }

    /// Takes over what a message says whose content is not kept.
    pub(super) fn take_content(
        &mut self,
        now: Now,
        message: &mut Message,
    ) -> Result<(), MoveError> {
        let envelope = &mut message.envelope;
        let Some(apart) = envelope.apart else { return Ok(()) };
        if envelope.content == Content::Discarded {
            // It is not needed any more, or lost.
            envelope.apart = Some(apart.numbered(0));
            return Ok(());
        }
        if self.contents.is_full(&envelope.content) {
            return Err(MoveError::NoRoomForContents { log: self.number });
        }
        let content = self.contents.store(now.mono, &envelope.content);
        envelope.apart = Some(apart.numbered(content));
        if self.contents.log_mut().pending_bytes() > limits::MAX_BATCH {
            self.settle(now)?;
        }
        Ok(())
    }

    /// Makes everything durable that was appended; contents first.
    pub(super) fn settle(&mut self, now: Now) -> Result<(), MoveError> {
        let (log, octets) = (self.number, self.contents.segment_bytes());
        let LogDisks { messages, contents } = &mut *self.disks;
        settle(self.contents.log_mut(), contents, octets, now)
            .and_then(|written| {
                Ok(written && settle(&mut self.log, messages, self.segment_bytes, now)?)
            })
            .map_err(|error| MoveError::Io { log, error })?
            .then_some(())
            .ok_or(MoveError::NoRoom { log })
    }

    /// Removes what was made from the log: the next start makes it anew.
    pub(super) fn remove_side_files(&mut self) -> Result<(), MoveError> {
        let log = self.number;
        let io = |error| MoveError::Io { log, error };
        for (file, _) in self.disks.messages.list_side().map_err(io)? {
            self.disks.messages.remove_side(file).map_err(io)?;
        }
        Ok(())
    }
}

/// Writes what waits in a log; `false`: there is no room for it.
fn settle<D: Disk>(
    log: &mut Log,
    disk: &mut D,
    segment_bytes: u64,
    now: Now,
) -> Result<bool, LogIoError> {
    while !log.idle() {
        if let Some(chore) = log.poll_chore() {
            let done = chore.run(disk, segment_bytes);
            log.handle_chore(chore, done.clone());
            done?;
        } else if let Some(write) = log.poll_write(now.mono) {
            let done = disk.write_sync(write.segment, write.offset, write.blocks.as_bytes());
            log.handle_written(now.mono, write, done.clone());
            done?;
        } else {
            return Ok(false);
        }
    }
    Ok(true)
}
