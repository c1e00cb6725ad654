//! The blocking work of the registers, for a helper thread. Pure but for the disk it is given.

use std::sync::Arc;

use crate::crash;
use crate::disk::{Disk, LogIoError, SideFile};

use super::build;
use super::head::Summary;
use super::listed::Entry;
use super::open::OpenRegister;
use super::slots::{self, SlotsError, Survey};

/// Work on the registers' files. One at a time.
#[derive(Debug, Clone)]
pub struct RegisterChore(pub(super) Work);

#[derive(Debug, Clone)]
pub(super) enum Work {
    /// Write a register that takes no more messages.
    Write { number: u64, stray: bool, register: Arc<OpenRegister> },
    /// Write changed slots (sequence, packed slot; ascending) into each of these.
    Flush { entries: Vec<Entry>, slots: Vec<(u64, u64)> },
    /// Remove a register of which nothing is left.
    Remove { number: u64 },
}

/// What came of a chore.
#[derive(Debug)]
pub struct RegisterDone {
    pub(super) outcome: Outcome,
    replaced: Vec<SideFile>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Written {
        summary: Summary,
        survey: Survey,
    },
    /// Each register with its new survey, or with what is damaged in it.
    Flushed {
        surveys: Vec<(u64, Result<Survey, SideFile>)>,
        slots: Vec<(u64, u64)>,
    },
    Removed,
}

impl RegisterDone {
    /// Files that were replaced or removed: whoever keeps them open reads what is gone. Close them
    /// before this is handed to [`super::Registers::handle_chore`].
    #[must_use]
    pub fn replaced(&self) -> &[SideFile] {
        &self.replaced
    }
}

impl RegisterChore {
    /// Does it.
    ///
    /// # Errors
    /// What the disk says; hand it to [`super::Registers::handle_chore`].
    pub fn run<D: Disk>(self, disk: &mut D) -> Result<RegisterDone, LogIoError> {
        let files = |number| vec![SideFile::Register(number), SideFile::Slots(number)];
        Ok(match self.0 {
            Work::Write { number, stray, register } => {
                let outcome = write(disk, number, stray, &register)?;
                RegisterDone { outcome, replaced: files(number) }
            }
            Work::Flush { entries, slots } => {
                let mut surveys = Vec::new();
                for entry in &entries {
                    surveys.push((entry.summary.number, flush(disk, entry, &slots)?));
                }
                let replaced = entries.iter().map(|entry| entry.summary.slots_file()).collect();
                RegisterDone { outcome: Outcome::Flushed { surveys, slots }, replaced }
            }
            Work::Remove { number } => {
                // The index goes first: slots alone are no register.
                for file in files(number) {
                    disk.remove_side(file)?;
                    crash::point("register-removed");
                }
                RegisterDone { outcome: Outcome::Removed, replaced: files(number) }
            }
        })
    }
}

fn write<D: Disk>(
    disk: &mut D,
    number: u64,
    stray: bool,
    register: &OpenRegister,
) -> Result<Outcome, LogIoError> {
    let (index, summary) = build::build(register, number, stray);
    let (slots, survey) = slots::build(register, &summary);
    // The index makes it a register, so it comes last.
    slots::write_whole(disk, summary.slots_file(), &slots)?;
    crash::point("register-slots");
    slots::write_whole(disk, summary.index_file(), &index)?;
    crash::point("register-written");
    Ok(Outcome::Written { summary, survey })
}

fn flush<D: Disk>(
    disk: &mut D,
    entry: &Entry,
    slots: &[(u64, u64)],
) -> Result<Result<Survey, SideFile>, LogIoError> {
    match slots::flush(disk, &entry.summary, &entry.survey, entry.settled, slots) {
        Ok(survey) => Ok(Ok(survey)),
        Err(SlotsError::Damaged(file)) => Ok(Err(file)),
        Err(SlotsError::Io(error)) => Err(error),
    }
}
