//! Reading a data directory for the offline tools: its names, each shard's log, the messages in it.
//! On the main thread; writes nothing.

use std::path::Path;

use anyhow::{Context as _, Result};
use postrider_core::limits;
use postrider_storage::io::{DirView, FileDisk};
use postrider_storage::{
    Disk as _, LogConfig, NameKind, NameTable, Observer, OpenError, Recovery, Replayed,
    SegmentFile, inspect,
};

use super::super::lines::complain;
use crate::cores;
use crate::shard::contents::Found;
use crate::shard::offline::{Offline, Scopes, Told};

/// A data directory and its names.
pub(in crate::commands) struct Source {
    pub(super) view: DirView,
    pub(super) names: NameTable,
}

/// What a reading passed over.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::commands) struct Passed {
    /// Places in the log that are damaged.
    pub(in crate::commands) damaged: usize,
    /// Records that do not follow from what is told before.
    pub(in crate::commands) unfit: u64,
}

impl Passed {
    /// Says on standard error what is missing from the answer, if anything.
    pub(in crate::commands) fn complain(self) {
        let Self { damaged, unfit } = self;
        if damaged > 0 {
            complain(&format!(
                "damage in the log was passed over, in places: {damaged} (`postrider store verify` \
                 names them)"
            ));
        }
        if unfit > 0 {
            complain(&format!("records that follow on damaged ones were passed over: {unfit}"));
        }
    }
}

impl Source {
    /// Opens a data directory to be read.
    ///
    /// # Errors
    /// Why it cannot be, in words for the operator.
    pub(in crate::commands) fn open(dir: &Path) -> Result<Self> {
        let view = DirView::open(dir)?;
        let names = view.read_names()?;
        Ok(Self { view, names })
    }

    /// The names of its carriers.
    pub(in crate::commands) fn carriers(&self) -> Vec<String> {
        self.names.names(NameKind::Carrier).map(|(_, name)| name.to_owned()).collect()
    }

    /// The name of a carrier.
    pub(in crate::commands) fn carrier(&self, number: u32) -> Option<&str> {
        self.names.name_of(NameKind::Carrier, number)
    }

    /// Gives every message once, log by log, in the order in which they closed;
    /// those that are open come last. Each log is read twice; in memory is what is open.
    ///
    /// # Errors
    /// When a log cannot be read, or `take` fails.
    pub(in crate::commands) fn messages(
        &self,
        take: &mut dyn FnMut(u16, &Told) -> Result<()>,
    ) -> Result<Passed> {
        let mut passed = Passed::default();
        let mut readings = Vec::new();
        for log in self.view.logs() {
            let (first, _) = self.fold(log, self.offline(log), &mut |_| Ok(()))?;
            readings.push((log, first.again()));
        }
        // A log that no shard writes to any more is told by others who was erased.
        let mut erased = Scopes::new(self.view.placement_key());
        readings.iter().for_each(|(_, again)| erased.add_all(again.erased()));
        for (log, mut again) in readings {
            again.erase(&erased);
            let (mut last, damaged) = self.fold(log, again, &mut |told| take(log, told))?;
            let contents = self.contents(log)?.map(|(contents, _)| contents).unwrap_or_default();
            for mut told in last.rest() {
                told.restore(&contents);
                take(log, &told)?;
            }
            passed.damaged += damaged;
            passed.unfit += last.unfit();
        }
        Ok(passed)
    }

    /// What tells the messages of a log.
    pub(super) fn offline(&self, shard: u16) -> Offline {
        Offline::of(shard, self.view.placement_key(), cores::epochs(self.view.epochs()))
    }

    fn fold(
        &self,
        shard: u16,
        mut offline: Offline,
        take: &mut dyn FnMut(&Told) -> Result<()>,
    ) -> Result<(Offline, usize)> {
        let mut failed = None;
        let recovery = self.read(shard, &mut |Replayed { at, record, .. }: Replayed<'_>| {
            if failed.is_none() {
                let told = offline.take(at.segment, record).map_err(anyhow::Error::from);
                let done = told.and_then(|told| told.map_or(Ok(()), |told| take(&told)));
                failed = done.err();
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok((offline, recovery.with_context(|| shard_name(shard))?.quarantined.len())),
        }
    }

    /// The contents of a shard that are not kept and still needed, and how their log was found; `None`
    /// where there is none.
    ///
    /// # Errors
    /// What cannot be passed over.
    pub(super) fn contents(&self, shard: u16) -> Result<Option<(Found, Recovery)>, OpenError> {
        let Some(mut disk) = self.view.contents_disk(shard) else { return Ok(None) };
        let mut found = Found::default();
        let config = log_config(shard, &segments(&mut disk)?);
        let mut take = |replayed: Replayed<'_>| found.take(&replayed);
        let recovery = inspect(&mut disk, &config, &mut take)?;
        Ok(Some((found, recovery)))
    }

    /// Shows a shard's log to `observer`.
    ///
    /// # Errors
    /// What cannot be passed over.
    pub(super) fn read(
        &self,
        shard: u16,
        observer: &mut dyn Observer<FileDisk>,
    ) -> Result<Recovery, OpenError> {
        let mut disk = self.view.disk(shard);
        let config = log_config(shard, &segments(&mut disk)?);
        inspect(&mut disk, &config, observer)
    }
}

/// The segments of a log, the oldest first.
pub(super) fn segments(disk: &mut FileDisk) -> Result<Vec<SegmentFile>, OpenError> {
    let mut files = disk.list()?;
    files.sort_unstable_by_key(|file| file.id);
    Ok(files)
}

/// Settings under which a log is read that has these segments: as long as its newest one.
pub(super) fn log_config(shard: u16, segments: &[SegmentFile]) -> LogConfig {
    let longest = 1 << 28;
    let fits = |len: &u64| (limits::MAX_BATCH as u64..=longest).contains(len);
    let newest = segments.iter().rev().map(|file| file.len - file.len % 4_096).find(fits);
    LogConfig {
        shard,
        segment_bytes: newest.unwrap_or(longest),
        max_segments: u32::MAX,
        spare_segments: limits::SPARE_SEGMENTS,
        preferred_batch: limits::PREFERRED_BATCH,
        max_batch: limits::MAX_BATCH,
        lazy: limits::LAZY_COMMIT,
    }
}

/// The folder of a shard, as it is named in what is told.
pub(super) fn shard_name(shard: u16) -> String {
    format!("shard-{shard:03}")
}
