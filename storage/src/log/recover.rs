//! Opening a log after a stop of any kind: finds the newest segment, replays, cuts a torn tail,
//! passes over damage. Pure, lives nowhere; runs once per shard at start.

use crate::block::BLOCK;
use crate::crash;
use crate::disk::{Disk, LogIoErrorKind, SegmentFile, SegmentId};
use crate::record::{Frames, Record, RecordError};

use super::batch::{
    BATCH_BYTES_MAX, BatchHeader, FLAG_RECYCLED, FLAG_REWRITTEN, FORMAT, HEADER, Place,
};
use super::chore::{LastWritten, Spare};
use super::observe::{Note, Observer, Progress, SeenBatch};
use super::scan::{Found, Scanner, Window};
use super::write::next_sequence_after;
use super::{LogConfig, Lsn, OpenError, Replayed};

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Records replayed, those of unknown kinds included.
    pub records: u64,
    /// Batches replayed.
    pub batches: u64,
    /// Bytes of these batches, padding included.
    pub bytes: u64,
    /// Segments that hold records, those included that were not read.
    pub segments: usize,
    /// The newest of them.
    pub newest: Option<SegmentId>,
    /// Bytes of a torn tail: the remains of a write that was never acknowledged, set to zero. In a
    /// recycled segment a torn write whose first sector is lost cannot be told from older bytes; it
    /// counts as none and is written over.
    pub cut_bytes: u64,
    /// Damage in sealed segments that was passed over: file, offset, what is wrong there.
    pub quarantined: Vec<(String, u64, String)>,
    /// The number that the next record gets.
    pub next_lsn: Lsn,
    /// The next free message number, as far as the records tell.
    pub next_sequence: u64,
    /// Whether the last record is a clean mark: the shard was shut down in order.
    pub clean: bool,
    /// Anything else that an operator may want to know.
    pub notes: Vec<Note>,
}

/// What recovery may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Cut a torn tail, refuse damage in the newest segment.
    Open,
    /// As `Open`, but treat the newest segment like a sealed one, on the operator's word.
    Repair,
    /// Change nothing, refuse nothing that can be passed over.
    Inspect,
}

/// The state from which a log goes on.
pub(super) struct Recovered {
    pub(super) recovery: Recovery,
    pub(super) files: Vec<SegmentFile>,
    pub(super) spares: Vec<Spare>,
    pub(super) last_written: LastWritten,
    pub(super) next_batch: u64,
    pub(super) previous_crc: u32,
    end: u64,
}

impl Recovered {
    /// Where the next batch goes: behind the last one, or at the start of the first segment.
    pub(super) fn place(&self, segment_bytes: u64) -> Place {
        match self.files.last() {
            Some(file) => {
                let capacity = file.len - file.len % BLOCK as u64;
                Place { segment: file.id, offset: self.end.min(capacity), capacity }
            }
            None => Place { segment: SegmentId(1), offset: 0, capacity: segment_bytes },
        }
    }
}

/// Recovers the log in `disk`, reading from the segment `from` on, or all of it.
pub(super) fn recover<D: Disk>(
    disk: &mut D,
    config: &LogConfig,
    mode: Mode,
    from: Option<SegmentId>,
    observer: &mut dyn Observer<D>,
) -> Result<Recovered, OpenError> {
    if mode != Mode::Inspect {
        disk.sync()?;
    }
    let mut files = disk.list()?;
    files.sort_unstable_by_key(|file| file.id);
    let mut run = Run {
        disk,
        window: Window::default(),
        shard: config.shard,
        mode,
        observer,
        oldest: files.first().map_or(SegmentId(0), |file| file.id),
        recovery: Recovery { next_sequence: 1, ..Recovery::default() },
        next_batch: None,
        next_lsn: Lsn(1),
        previous_crc: 0,
        recycled: false,
        rewritten: false,
        unknown: 0,
    };
    let written = run.split_off_unused(&files)?;
    let (files, unused) = files.split_at(written);
    let first = match from {
        Some(from) => {
            files.iter().position(|file| file.id == from).ok_or(OpenError::Start(from))?
        }
        None => 0,
    };
    let end = run.replay_all(files.get(first..).unwrap_or_default())?;
    let spares = run.take_spares(files, unused, config)?;
    Ok(run.finish(files, spares, end))
}

struct Run<'r, D: Disk> {
    disk: &'r mut D,
    window: Window,
    shard: u16,
    mode: Mode,
    observer: &'r mut dyn Observer<D>,
    oldest: SegmentId,
    recovery: Recovery,
    /// Number of the batch that must come next; `None` before the first.
    next_batch: Option<u64>,
    next_lsn: Lsn,
    previous_crc: u32,
    /// Whether the last batch says that its file was recycled.
    recycled: bool,
    /// Whether the last batch says that its segment was rewritten.
    rewritten: bool,
    /// Records of unknown kinds.
    unknown: u64,
}

impl<D: Disk> Run<'_, D> {
    fn scanner(&mut self, file: SegmentFile) -> Scanner<'_, D> {
        Scanner::new(self.disk, &mut self.window, file, self.shard)
    }

    /// How many of the files, oldest first, reach up to the newest with a complete batch. The rest
    /// are spares.
    fn split_off_unused(&mut self, files: &[SegmentFile]) -> Result<usize, OpenError> {
        let mut written = files.len();
        for file in files.iter().rev() {
            if self.scanner(*file).find(0, 0)?.is_some() {
                break;
            }
            self.refuse_misplaced(*file)?;
            written -= 1;
        }
        Ok(written)
    }

    /// A file without a batch of its own may begin with an older segment's, from before it was
    /// recycled; but that segment is gone then. One that is still due here was misplaced, and so
    /// was a file of another shard.
    fn refuse_misplaced(&mut self, file: SegmentFile) -> Result<(), OpenError> {
        let (oldest, shard) = (self.oldest, self.shard);
        let mut scanner = self.scanner(file);
        let Some(header) = scanner.header(0)? else { return Ok(()) };
        let (holds, of_shard) = (header.segment_id(), header.shard.get());
        let due = holds >= oldest && holds != file.id;
        if !(due || of_shard != shard) || !scanner.is_intact(0, &header)? {
            return Ok(());
        }
        let holds = format!("{holds} of shard {of_shard}");
        Err(OpenError::Misplaced { file: format!("{} of shard {shard}", file.id), holds })
    }

    /// Replays the written segments; returns where the newest ends.
    fn replay_all(&mut self, files: &[SegmentFile]) -> Result<u64, OpenError> {
        let mut end = 0;
        let mut previous: Option<(SegmentFile, u64)> = None;
        self.tell(0, files.len());
        for (at, file) in files.iter().enumerate() {
            let newest = at + 1 == files.len();
            if let Some((before, _)) = previous {
                self.name_missing(before.id, file.id);
            }
            end = self.replay_segment(*file, newest, previous)?;
            previous = Some((*file, end));
            self.tell(at + 1, files.len());
        }
        if let Some((newest, end)) = previous {
            let cut = self.torn_bytes(newest, end, self.recycled)?;
            self.cut(newest.id, end, cut)?;
            crash::point("tail-cut");
        }
        Ok(end)
    }

    fn tell(&mut self, segments: usize, of: usize) {
        let Recovery { records, bytes, .. } = self.recovery;
        self.observer.progress(Progress { segments, of, records, bytes });
    }

    fn name_missing(&mut self, before: SegmentId, after: SegmentId) {
        let mut missing = before.next();
        // A handful is named one by one; a damaged name could stand for billions.
        while missing < after && missing.0 - before.0 <= 16 {
            let why = "the file is missing".to_owned();
            self.recovery.quarantined.push((missing.file_name(), 0, why));
            missing = missing.next();
        }
    }

    /// Replays one segment; returns where its last batch ends.
    fn replay_segment(
        &mut self,
        file: SegmentFile,
        newest: bool,
        mut previous: Option<(SegmentFile, u64)>,
    ) -> Result<u64, OpenError> {
        let mut at = 0;
        loop {
            let why = match self.scanner(file).check(at)? {
                Found::Newer(found) => return Err(newer_format(file, at, found)),
                Found::Batch(header) if self.is_older(&header) => "an older batch lies there",
                Found::Batch(header) => {
                    if let Some((before, end)) = previous.take() {
                        self.check_seam(before, end, &header)?;
                    }
                    self.deliver(file, at, &header)?;
                    self.observer.between(self.disk)?;
                    at += header.padded_len();
                    continue;
                }
                Found::Odd(why) | Found::Nothing(why) => why,
            };
            let sequence = self.next_batch.unwrap_or(0);
            let Some(valid_at) = self.scanner(file).find(at + BLOCK as u64, sequence)? else {
                break;
            };
            if newest && self.mode == Mode::Open {
                let (file, why) = (file.id.file_name(), why.to_owned());
                return Err(OpenError::Corrupt { file, offset: at, valid_at, why });
            }
            self.quarantine(file, at, valid_at, why)?;
            // The gap is named: what is missing here must not be named again at the seam.
            previous = None;
            self.next_batch = None;
            at = valid_at;
        }
        if at == 0 && !newest {
            self.refuse_misplaced(file)?;
            self.quarantine(file, 0, file.len, "the segment has no complete batch")?;
        }
        Ok(at)
    }

    fn is_older(&self, header: &BatchHeader) -> bool {
        header.first_lsn.get() < self.next_lsn.0
            || self.next_batch.is_some_and(|next| header.sequence.get() < next)
    }

    /// The first batch of a segment must follow the last one of the segment before.
    fn check_seam(
        &mut self,
        before: SegmentFile,
        end: u64,
        header: &BatchHeader,
    ) -> Result<(), OpenError> {
        let missing = self.next_batch.map_or(0, |next| header.sequence.get() - next);
        let adjacent = before.id.next() == header.segment_id();
        if missing > 0 && end > 0 && adjacent {
            let why = format!("{missing} batches are missing from there to the segment's end");
            self.quarantine(before, end, before.len, &why)?;
        }
        if missing > 0 {
            self.next_batch = None;
        }
        Ok(())
    }

    /// Replays one verified batch.
    fn deliver(
        &mut self,
        file: SegmentFile,
        at: u64,
        header: &BatchHeader,
    ) -> Result<(), OpenError> {
        self.note_oddities(file, at, header)?;
        self.observer.batch(SeenBatch::new(at, header));
        let mut scanner = Scanner::new(self.disk, &mut self.window, file, self.shard);
        let mut lsn = Lsn(header.first_lsn.get());
        let place = Place { segment: file.id, offset: at, capacity: file.len };
        let mut start = HEADER;
        for frame in Frames::new(scanner.payload(at, header)?) {
            let len = frame.map_or(0, |frame| frame.len());
            let record = frame.and_then(|f| Record::decode(f.kind, f.version, f.body));
            match record {
                Ok(Some(record)) => {
                    let next = next_sequence_after(&record);
                    self.recovery.next_sequence = self.recovery.next_sequence.max(next);
                    self.recovery.clean = matches!(record, Record::Mark { clean: true, .. });
                    let (at, wall_ms) = (place.at(start), header.wall_ms.get());
                    self.observer.record(Replayed { at, lsn, wall_ms, record: &record });
                }
                Ok(None) => {
                    self.unknown += 1;
                    self.recovery.clean = false;
                }
                Err(error) => {
                    let file = file.id.file_name();
                    return Err(OpenError::Record { file, offset: at, lsn, error });
                }
            }
            lsn = Lsn(lsn.0 + 1);
            start += len;
        }
        let records = u64::from(header.records.get());
        if lsn.0 != header.first_lsn.get() + records {
            let (file, error) = (file.id.file_name(), RecordError::Frame);
            return Err(OpenError::Record { file, offset: at, lsn, error });
        }
        self.recovery.records += records;
        self.recovery.batches += 1;
        self.recovery.bytes += header.padded_len();
        crash::point("mid-replay");
        self.next_lsn = lsn;
        self.next_batch = Some(header.sequence.get() + 1);
        self.previous_crc = header.crc.get();
        self.recycled = header.flags.get() & FLAG_RECYCLED != 0;
        self.rewritten = header.flags.get() & FLAG_REWRITTEN != 0;
        Ok(())
    }

    /// Damage that costs no record is named all the same.
    fn note_oddities(
        &mut self,
        file: SegmentFile,
        at: u64,
        header: &BatchHeader,
    ) -> Result<(), OpenError> {
        if !self.scanner(file).padding_is_zero(at, header)? {
            self.note(file, at, "the batch's padding is not zero; its records are intact");
        }
        let Some(next) = self.next_batch else { return Ok(()) };
        // The segment after a rewritten one keeps the checksum of what was there before.
        let linked = header.previous_crc.get() == self.previous_crc || (self.rewritten && at == 0);
        let chained =
            header.sequence.get() == next && header.first_lsn.get() == self.next_lsn.0 && linked;
        if !chained {
            let what = "the batch does not follow the one before it; its records are intact";
            self.note(file, at, what);
        }
        Ok(())
    }

    fn note(&mut self, file: SegmentFile, offset: u64, what: &str) {
        let place = Some((file.id.file_name(), offset));
        self.recovery.notes.push(Note { place, what: what.to_owned() });
    }

    fn quarantine(
        &mut self,
        file: SegmentFile,
        from: u64,
        to: u64,
        why: &str,
    ) -> Result<(), OpenError> {
        let name = file.id.file_name();
        self.recovery.quarantined.push((name, from, why.to_owned()));
        if self.mode == Mode::Inspect {
            return Ok(());
        }
        match self.disk.quarantine(file.id, from, to - from) {
            Err(error) if error.kind == LogIoErrorKind::Full => {
                self.note(file, from, &format!("no room to set the damaged bytes aside: {error}"));
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// How many bytes from `end` on are the remains of a write that was never acknowledged.
    fn torn_bytes(
        &mut self,
        file: SegmentFile,
        end: u64,
        recycled: bool,
    ) -> Result<u64, OpenError> {
        let mut scanner = self.scanner(file);
        let bound = file.len.saturating_sub(end).min(BATCH_BYTES_MAX as u64);
        let declared = match scanner.header(end)? {
            Some(header) if header.segment_id() == file.id => header.padded_len().min(bound),
            Some(_) | None => 0,
        };
        if recycled {
            return Ok(declared);
        }
        // Nothing was ever written behind the last batch of a file that began as zeros.
        let content = scanner.last_content(end)? - end;
        Ok(declared.max(content.min(bound)))
    }

    /// Sets a torn tail to zero, so that its bytes can never be taken for anything.
    fn cut(&mut self, segment: SegmentId, from: u64, len: u64) -> Result<(), OpenError> {
        self.recovery.cut_bytes += len;
        if self.mode != Mode::Inspect && len > 0 {
            let zeros = vec![0; usize::try_from(len).unwrap_or(BATCH_BYTES_MAX)];
            self.window.forget();
            self.disk.write_sync(segment, from, &zeros)?;
        }
        Ok(())
    }

    /// The files behind the newest written segment that can be used as they are: of the right size
    /// and numbered without a gap. Others are made anew under their names.
    fn take_spares(
        &mut self,
        files: &[SegmentFile],
        unused: &[SegmentFile],
        config: &LogConfig,
    ) -> Result<Vec<Spare>, OpenError> {
        let mut spares = Vec::new();
        let mut expected = files.last().map_or(SegmentId(0), |file| file.id).next();
        for file in unused {
            let content = self.scanner(*file).last_content(0)?;
            let stale = content > BATCH_BYTES_MAX as u64 || self.begins_stale(*file)?;
            let cut = self.torn_bytes(*file, 0, stale)?;
            self.cut(file.id, 0, cut)?;
            if file.id == expected && file.len == config.segment_bytes {
                spares.push(Spare { id: file.id, recycled: content > cut, unclean: false });
                expected = expected.next();
            }
        }
        Ok(spares)
    }

    /// Whether a spare begins with an intact batch of another segment: it was recycled.
    fn begins_stale(&mut self, file: SegmentFile) -> Result<bool, OpenError> {
        let mut scanner = self.scanner(file);
        let Some(header) = scanner.header(0)? else { return Ok(false) };
        Ok(header.segment_id() != file.id && scanner.is_intact(0, &header)?)
    }

    fn finish(mut self, files: &[SegmentFile], spares: Vec<Spare>, end: u64) -> Recovered {
        if self.unknown > 0 {
            let what = format!("{} records of unknown kinds were passed over", self.unknown);
            self.recovery.notes.push(Note { place: None, what });
        }
        self.recovery.segments = files.len();
        self.recovery.newest = files.last().map(|file| file.id);
        self.recovery.next_lsn = self.next_lsn;
        let last_written = LastWritten {
            segment: files.last().map_or(SegmentId(0), |file| file.id),
            recycled: self.recycled,
            lsn: Lsn(self.next_lsn.0 - 1),
        };
        Recovered {
            recovery: self.recovery,
            files: files.to_vec(),
            spares,
            last_written,
            next_batch: self.next_batch.unwrap_or(1),
            previous_crc: self.previous_crc,
            end,
        }
    }
}

pub(crate) fn newer_format(file: SegmentFile, offset: u64, found: u16) -> OpenError {
    OpenError::Format { file: file.id.file_name(), offset, found, supported: FORMAT }
}
