//! Which files of a directory make up a set of runs. Blocking through a [`Disk`]; part of
//! [`RunSet`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::disk::{Disk, IndexKind, LogIoError, SideFile};
use crate::log::Lsn;

use super::slice::{Place, Slice};
use super::{Run, RunConfig, RunSet, RunState};

/// Slices found of one run, by their number; whether each is the last.
type Slices = BTreeMap<u32, (Slice, bool)>;

impl RunSet {
    /// Opens what is in `disk` of a set, after [`Disk::sync`]; changes nothing. `known`: what the
    /// last checkpoint kept of it.
    ///
    /// Returns also the files that are damaged or of another release: they are not used, and will be
    /// removed. How far the set reaches is told by [`RunSet::covered`]; what it lacks the owner puts
    /// again, from the records behind.
    ///
    /// # Errors
    /// [`LogIoError`] when reading fails.
    pub fn open<D: Disk>(
        disk: &mut D,
        kind: IndexKind,
        config: RunConfig,
        known: RunState,
        now: Duration,
    ) -> Result<(Self, Vec<SideFile>), LogIoError> {
        let mut set = Self::new(kind, config, now);
        let mut damaged = Vec::new();
        let mut found: BTreeMap<(u64, u64), (Place, Slices)> = BTreeMap::new();
        for (side, len) in disk.list_side()? {
            let file = match side {
                SideFile::Run(of, file) if of == kind => file,
                SideFile::Run(..)
                | SideFile::Register(_)
                | SideFile::Slots(_)
                | SideFile::Checkpoint(_) => continue,
            };
            set.next_file = set.next_file.max(file.saturating_add(1));
            set.leftovers.push(side);
            match Slice::open(disk, kind, file, len)? {
                Some((slice, place, last)) => {
                    set.next_generation = set.next_generation.max(place.to.saturating_add(1));
                    let run = found.entry((place.from, place.to));
                    let (_, slices) = run.or_insert_with(|| (place, Slices::new()));
                    slices.insert(place.slice, (slice, last));
                }
                None => damaged.push(side),
            }
        }
        set.runs = chain(found);
        let used = |side: &SideFile| set.runs.iter().any(|run| run.files().any(|f| f == *side));
        set.leftovers = set.leftovers.iter().copied().filter(|side| !used(side)).collect();
        let newest = set.runs.first().map_or((0, Lsn(0)), |run| (run.to, run.covers));
        let reaches = newest.0 >= known.generation;
        set.covered = if reaches { newest.1.max(known.covered) } else { newest.1 };
        Ok((set, damaged))
    }
}

/// The runs that count, newest first: from one that begins the index, each the widest complete one
/// that follows on.
fn chain(found: BTreeMap<(u64, u64), (Place, Slices)>) -> Vec<Arc<Run>> {
    let complete = found.into_values().filter_map(|(place, slices)| {
        let last = slices.len().checked_sub(1)?;
        let whole = slices.iter().enumerate().all(|(at, (number, (_, ends)))| {
            usize::try_from(*number).is_ok_and(|number| number == at) && *ends == (at == last)
        });
        let slices = slices.into_values().map(|(slice, _)| slice).collect();
        whole.then(|| Run::new(place, slices))
    });
    let mut complete: Vec<Run> = complete.collect();
    let mut runs = Vec::new();
    let mut next = None;
    loop {
        let follows = |run: &Run| next.map_or(run.oldest, |next| run.from == next);
        let widest = (0..).zip(&complete).filter(|(_, run)| follows(run));
        let Some((at, _)) = widest.max_by_key(|(_, run)| run.to) else {
            return runs;
        };
        let run = complete.swap_remove(at);
        next = Some(run.to.saturating_add(1));
        runs.insert(0, Arc::new(run));
    }
}
