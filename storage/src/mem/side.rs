//! The side files of the disk in memory: what is on the medium, and what is not decided yet. Pure,
//! lives nowhere.

use std::collections::BTreeMap;

use crate::disk::{LogIoError, SideFile};

use super::{SECTOR, absent, misplaced};

/// One change of a side file, with what undoes it.
#[derive(Debug, Clone)]
enum Change {
    /// The file is replaced, made or removed: as a whole or not at all.
    Whole { file: SideFile, before: Option<Vec<u8>>, after: Option<Vec<u8>> },
    /// Bytes of the file are overwritten: sector by sector.
    Pieces { file: SideFile, pieces: Vec<Piece> },
}

#[derive(Debug, Clone)]
struct Piece {
    offset: usize,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Change {
    fn file(&self) -> SideFile {
        match self {
            Self::Whole { file, .. } | Self::Pieces { file, .. } => *file,
        }
    }
}

/// Changes that were made one after the other, each durable before the next began.
#[derive(Debug, Clone)]
struct Work {
    number: u64,
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct SideFiles {
    files: BTreeMap<SideFile, Vec<u8>>,
    /// Work begun and not completed, oldest first.
    undecided: Vec<Work>,
    /// The work that the next changes belong to; `None`: they survive.
    current: Option<Work>,
    /// Changes that failed: what they left behind is decided by a crash.
    failed: Vec<Change>,
    works: u64,
}

impl SideFiles {
    pub(super) fn list(&self) -> Vec<(SideFile, u64)> {
        self.files.iter().map(|(file, bytes)| (*file, bytes.len() as u64)).collect()
    }

    pub(super) fn get(&self, file: SideFile) -> Option<&Vec<u8>> {
        self.files.get(&file)
    }

    pub(super) fn get_mut(&mut self, file: SideFile) -> Option<&mut Vec<u8>> {
        self.files.get_mut(&file)
    }

    /// Replaces (or with `None` removes) a file. `outcome` says whether the operation fails.
    pub(super) fn replace(
        &mut self,
        file: SideFile,
        after: Option<Vec<u8>>,
        outcome: Result<(), LogIoError>,
    ) -> Result<(), LogIoError> {
        let before = self.files.get(&file).cloned();
        self.change(Change::Whole { file, before, after }, outcome)
    }

    /// Overwrites bytes of a file.
    pub(super) fn update(
        &mut self,
        file: SideFile,
        pieces: &[(u64, &[u8])],
        outcome: Result<(), LogIoError>,
    ) -> Result<(), LogIoError> {
        let Some(bytes) = self.files.get(&file) else {
            return outcome.and(Err(absent("update", &file)));
        };
        let mut kept = Vec::with_capacity(pieces.len());
        for (offset, after) in pieces {
            let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
            let before = bytes.get(offset..offset.saturating_add(after.len()));
            let Some(before) = before else {
                return outcome.and(Err(misplaced("update", &file)));
            };
            kept.push(Piece { offset, before: before.to_vec(), after: after.to_vec() });
        }
        self.change(Change::Pieces { file, pieces: kept }, outcome)
    }

    /// Everything changed from here to [`SideFiles::end`] is one undecided work.
    pub(super) fn begin(&mut self) -> u64 {
        assert!(self.current.is_none(), "work is begun inside of work");
        self.works += 1;
        self.current = Some(Work { number: self.works, changes: Vec::new() });
        self.works
    }

    pub(super) fn end(&mut self) {
        self.undecided.extend(self.current.take());
    }

    /// The work with this number survives from now on.
    pub(super) fn complete(&mut self, number: u64) {
        self.undecided.retain(|work| work.number != number);
    }

    /// Of every undecided work a first part was done, the next change may be torn, and the rest was
    /// not begun.
    pub(super) fn crash(&mut self, choose: &mut dyn FnMut(usize) -> usize) {
        for mut work in std::mem::take(&mut self.undecided).into_iter().rev() {
            let done = choose(work.changes.len() + 1);
            let rest = work.changes.split_off(done.min(work.changes.len()));
            for (nth, change) in rest.iter().enumerate().rev() {
                self.put(change, &mut |below| if nth == 0 { choose(below) } else { 1 });
            }
        }
        for change in std::mem::take(&mut self.failed) {
            self.put(&change, choose);
        }
    }

    fn change(
        &mut self,
        change: Change,
        outcome: Result<(), LogIoError>,
    ) -> Result<(), LogIoError> {
        // What a failed change left behind does not matter once its file is written again.
        self.failed.retain(|failed| failed.file() != change.file());
        if let Err(error) = outcome {
            self.failed.push(change);
            return Err(error);
        }
        self.put(&change, &mut |_| 0);
        if let Some(work) = &mut self.current {
            work.changes.push(change);
        }
        Ok(())
    }

    /// Decides a change; `choose` says 0: the new content, 1: the old, 2 (sectors only): garbage.
    fn put(&mut self, change: &Change, choose: &mut dyn FnMut(usize) -> usize) {
        match change {
            Change::Whole { file, before, after } => {
                match if choose(2) == 0 { after } else { before } {
                    Some(bytes) => self.files.insert(*file, bytes.clone()),
                    None => self.files.remove(file),
                };
            }
            Change::Pieces { file, pieces } => {
                let Some(bytes) = self.files.get_mut(file) else { return };
                for piece in pieces {
                    put_sectors(bytes, piece, choose);
                }
            }
        }
    }
}

/// Decides every sector of the file that a piece touches by itself.
fn put_sectors(bytes: &mut [u8], piece: &Piece, choose: &mut dyn FnMut(usize) -> usize) {
    let mut at = 0;
    while at < piece.after.len() {
        let offset = piece.offset + at;
        let len = (SECTOR - offset % SECTOR).min(piece.after.len() - at);
        let choice = choose(3);
        let from = if choice == 0 { &piece.after } else { &piece.before };
        let to = bytes.get_mut(offset..offset + len);
        if let (Some(to), Some(from)) = (to, from.get(at..at + len)) {
            to.copy_from_slice(from);
            if choice == 2 {
                to.fill(0xa5);
            }
        }
        at += len;
    }
}
