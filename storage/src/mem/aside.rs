//! The disk in memory while a segment's content is exchanged: what was prepared, and what was set
//! aside to be wiped. Pure, lives nowhere.

use std::collections::BTreeMap;

use crate::disk::{LogIoError, SegmentId};

use super::{absent, wipe};

type Files = BTreeMap<SegmentId, Vec<u8>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Aside {
    /// Content made ready; lost in a crash.
    prepared: Files,
    old: Files,
    /// Exchanges that failed: what they left behind is decided by a crash.
    undecided: Files,
}

impl Aside {
    pub(super) fn old(&self, segment: SegmentId) -> Option<&[u8]> {
        self.old.get(&segment).map(Vec::as_slice)
    }

    pub(super) fn prepare(&mut self, segment: SegmentId, content: Vec<u8>) {
        self.prepared.insert(segment, content);
    }

    pub(super) fn exchange(
        &mut self,
        segments: &mut Files,
        segment: SegmentId,
        outcome: Result<(), LogIoError>,
    ) -> Result<(), LogIoError> {
        let new = self.prepared.remove(&segment);
        let new = new.ok_or_else(|| absent("exchange", &segment))?;
        match outcome {
            Ok(()) => self.put(segments, segment, new),
            Err(error) => {
                self.undecided.insert(segment, new);
                Err(error)
            }
        }
    }

    fn put(
        &mut self,
        segments: &mut Files,
        segment: SegmentId,
        new: Vec<u8>,
    ) -> Result<(), LogIoError> {
        self.set_aside(segments, segment)?;
        segments.insert(segment, new);
        Ok(())
    }

    pub(super) fn set_aside(
        &mut self,
        segments: &mut Files,
        segment: SegmentId,
    ) -> Result<(), LogIoError> {
        let file = segments.remove(&segment).ok_or_else(|| absent("set aside", &segment))?;
        self.old.insert(segment, file);
        Ok(())
    }

    pub(super) fn wipe_old(
        &mut self,
        segment: SegmentId,
        outcome: Result<(), LogIoError>,
    ) -> Result<(), LogIoError> {
        let Some(bytes) = self.old.get_mut(&segment) else { return outcome };
        wipe(bytes, outcome)?;
        self.old.remove(&segment);
        Ok(())
    }

    /// What a start finishes.
    pub(super) fn finish(&mut self) {
        self.prepared.clear();
        self.old.clear();
    }

    /// Decides the exchanges that failed: done, or not begun.
    pub(super) fn crash(&mut self, segments: &mut Files, choose: &mut dyn FnMut(usize) -> usize) {
        self.prepared.clear();
        for (segment, new) in std::mem::take(&mut self.undecided) {
            if choose(2) == 0 {
                let done = self.put(segments, segment, new);
                assert!(done.is_ok(), "the exchanged segment was there");
            }
        }
    }
}
