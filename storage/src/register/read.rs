//! Reading pages of the file of slots while they may be written: what the searches have in common.
//! Pure.

use std::sync::Arc;

use crate::disk::FileRef;
use crate::search::{Ask, SearchError};

use super::head::Summary;
use super::listed::Changes;
use super::page::{self, PAGE};
use super::slots::{self, Content};

/// Times that a page which is not whole is looked at again.
const TRIES: u8 = 4;

/// A read of neighbouring pages of the file of slots.
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
    /// Of these pages of the file, ascending, and those in between.
    pub(super) fn new(summary: Arc<Summary>, pages: &[u32]) -> Self {
        let first = pages.first().copied().unwrap_or_default();
        let count = pages.last().map_or(0, |last| last - first + 1);
        Self { summary, first, count, torn: None, flushes: 0, tries: 0 }
    }

    pub(super) fn ask(&mut self, changes: &Changes) -> Ask {
        self.flushes = changes.flushes;
        self.torn = None;
        ask(&self.summary, self.first, self.count)
    }

    /// Takes the answer to the last ask, and hands over what is on the pages `wanted` (ascending).
    pub(super) fn take(
        &mut self,
        changes: &Changes,
        answer: &[u8],
        wanted: &[u32],
        each: &mut dyn FnMut(u32, Content<'_>),
    ) -> Result<Taken, SearchError> {
        if self.flushes != changes.flushes {
            return Ok(Taken::Again(self.ask(changes)));
        }
        let images = self.torn.is_some();
        let bytes = self.torn.take().unwrap_or_default();
        let (pages, redo) = if images { (&bytes[..], answer) } else { (answer, &[][..]) };
        let mut found = Vec::with_capacity(wanted.len());
        for page in wanted {
            let content = self.page(pages, *page).or_else(|| self.image(redo, *page));
            found.extend(content.map(|content| (*page, content)));
        }
        if found.len() == wanted.len() {
            found.into_iter().for_each(|(page, content)| each(page, content));
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

    fn page<'a>(&self, pages: &'a [u8], page: u32) -> Option<Content<'a>> {
        let at = usize::try_from(page.checked_sub(self.first)?).ok()?;
        slots::content(&self.summary, page, pages.chunks_exact(PAGE).nth(at)?)
    }

    fn image<'a>(&self, redo: &'a [u8], page: u32) -> Option<Content<'a>> {
        slots::content(&self.summary, page, slots::image(&self.summary, redo, page)?)
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
