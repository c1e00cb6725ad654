//! Reading pages of slots while they may be written: what the searches have in common. Pure.

use std::sync::Arc;

use crate::disk::FileRef;
use crate::search::{Ask, SearchError};

use super::head::Summary;
use super::listed::Changes;
use super::page::{self, PAGE, SlotRow};
use super::slots;

/// Times that a page which is not whole is looked at again.
const TRIES: u8 = 4;

/// A read of neighbouring pages of slots.
#[derive(Debug)]
pub(super) struct SlotRead {
    summary: Arc<Summary>,
    first: u32,
    count: u32,
    /// What was read, while images of torn pages are looked for.
    torn: Option<Vec<u8>>,
    flushes: u64,
    tries: u8,
}

/// What came of an answer.
pub(super) enum Taken {
    /// This must be read too.
    Again(Ask),
    /// Every page wanted was handed over.
    Done,
}

impl SlotRead {
    pub(super) fn new(summary: Arc<Summary>, first: u32, count: u32) -> Self {
        Self { summary, first, count, torn: None, flushes: 0, tries: 0 }
    }

    pub(super) fn ask(&mut self, changes: &Changes) -> Ask {
        self.flushes = changes.flushes;
        self.torn = None;
        ask(&self.summary, slots::SLOTS_AT + self.first, self.count)
    }

    /// Takes the answer to the last ask, and hands over the rows of the pages `wanted` (ascending).
    pub(super) fn take(
        &mut self,
        changes: &Changes,
        answer: &[u8],
        wanted: &[u32],
        each: &mut dyn FnMut(&[SlotRow]),
    ) -> Result<Taken, SearchError> {
        if self.flushes != changes.flushes {
            return Ok(Taken::Again(self.ask(changes)));
        }
        let images = self.torn.is_some();
        let bytes = self.torn.take().unwrap_or_default();
        let (pages, redo) = if images { (&bytes[..], answer) } else { (answer, &[][..]) };
        let mut rows = Vec::with_capacity(wanted.len());
        for number in wanted {
            let found = self.page(pages, *number).or_else(|| self.image(redo, *number));
            rows.extend(found);
        }
        if rows.len() == wanted.len() {
            rows.into_iter().for_each(each);
            return Ok(Taken::Done);
        }
        self.tries += 1;
        if !images {
            self.torn = Some(answer.to_vec());
            return Ok(Taken::Again(ask(&self.summary, slots::REDO_AT, slots::REDO_PAGES)));
        }
        if self.tries < TRIES {
            // It was being written: by now it may be whole.
            return Ok(Taken::Again(self.ask(changes)));
        }
        Err(SearchError::Damaged(FileRef::Side(self.summary.slots_file())))
    }

    fn page<'a>(&self, pages: &'a [u8], number: u32) -> Option<&'a [SlotRow]> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        slots::rows(&self.summary, number, pages.chunks_exact(PAGE).nth(at)?)
    }

    fn image<'a>(&self, redo: &'a [u8], number: u32) -> Option<&'a [SlotRow]> {
        let image = slots::image(&self.summary, redo, slots::SLOTS_AT + number)?;
        slots::rows(&self.summary, number, image)
    }
}

fn ask(summary: &Summary, first: u32, pages: u32) -> Ask {
    let len = pages.saturating_mul(u32::try_from(PAGE).unwrap_or(u32::MAX));
    Ask::side(summary.slots_file(), page::offset(first), len)
}

/// A read of pages of the index file.
pub(super) fn index_ask(summary: &Summary, first: u32, pages: u32) -> Ask {
    let len = pages.saturating_mul(u32::try_from(PAGE).unwrap_or(u32::MAX));
    Ask::side(summary.index_file(), page::offset(first), len)
}

/// A page of the index file is not what was written.
pub(super) fn index_damaged(summary: &Summary) -> SearchError {
    SearchError::Damaged(FileRef::Side(summary.index_file()))
}
