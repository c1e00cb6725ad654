//! Rows of memory and of several runs as one sequence in order, the newest of each key. Pure: what
//! has to be read is asked for. Searches and the merging of runs both go through it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::disk::SideFile;
use crate::search::Ask;

use super::page::{PAGE, read_page};
use super::slice::Slice;
use super::{Key, Row, Run};

/// What comes next in the sequence.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing before these bytes are handed to [`Merge::answer`].
    Read(Ask),
    /// The newest row of the next key, perhaps a deletion.
    Row(Row),
    /// No more.
    End,
}

/// The sequence of rows from one key to another, both included.
#[derive(Debug)]
pub(super) struct Merge {
    from: Key,
    to: Key,
    /// Newest first.
    sources: Vec<Source>,
    /// The source that waits for an answer, and the read it asked for.
    asked: Option<(usize, Ask)>,
}

impl Merge {
    /// Of rows in memory (newest first, each in order) and of runs (newest first, all older).
    pub(super) fn new(from: Key, to: Key, memory: Vec<Vec<Row>>, runs: Vec<Arc<Run>>) -> Self {
        let memory = memory.into_iter().map(|rows| Source { rows: rows.into(), file: None });
        let runs = runs.into_iter().map(|run| Source {
            rows: VecDeque::new(),
            file: Some(Reader { run, slice: 0, page: None, last: None }),
        });
        Self { from, to, sources: memory.chain(runs).collect(), asked: None }
    }

    /// What comes next. `pages`: most to be read of a run at once.
    pub(super) fn next(&mut self, pages: u32) -> Next {
        for (at, source) in self.sources.iter_mut().enumerate() {
            if source.rows.is_empty()
                && let Some(ask) = source.ask(self.from, self.to, pages)
            {
                self.asked = Some((at, ask));
                return Next::Read(ask);
            }
        }
        let Some(key) = self.sources.iter().filter_map(Source::key).min() else {
            return Next::End;
        };
        let mut newest = None;
        for source in self.sources.iter_mut().filter(|source| source.key() == Some(key)) {
            let row = source.rows.pop_front();
            newest = newest.or(row);
        }
        newest.map_or(Next::End, Next::Row)
    }

    /// Brings the bytes of the read asked for.
    ///
    /// # Errors
    /// The file, when they are not what was written there.
    pub(super) fn answer(&mut self, bytes: &[u8]) -> Result<(), SideFile> {
        let Some((at, ask)) = self.asked.take() else {
            return Ok(());
        };
        let Some(source) = self.sources.get_mut(at) else {
            return Ok(());
        };
        let whole = usize::try_from(ask.len).is_ok_and(|len| len == bytes.len());
        source.fill(self.from, self.to, if whole { bytes } else { &[] })
    }
}

#[derive(Debug)]
struct Source {
    /// Rows read and not taken yet, in order.
    rows: VecDeque<Row>,
    /// Where more come from.
    file: Option<Reader>,
}

/// How far a run has been read.
#[derive(Debug)]
struct Reader {
    run: Arc<Run>,
    slice: usize,
    /// The next page of the slice; `None`: to be looked up.
    page: Option<u32>,
    last: Option<Key>,
}

impl Source {
    fn key(&self) -> Option<Key> {
        self.rows.front().map(Row::key)
    }

    fn ask(&mut self, from: Key, to: Key, pages: u32) -> Option<Ask> {
        let reader = self.file.as_mut()?;
        let Some((slice, page)) = reader.seek(from, to) else {
            self.file = None;
            return None;
        };
        let wanted = (1..pages.max(1)).take_while(|more| slice.begins_by(page + more, to)).count();
        Some(slice.ask(page, u32::try_from(wanted).unwrap_or(0) + 1))
    }

    fn fill(&mut self, from: Key, to: Key, bytes: &[u8]) -> Result<(), SideFile> {
        let Some(reader) = self.file.as_mut() else {
            return Ok(());
        };
        let mut last = reader.last;
        let Some((slice, first)) = reader.seek(from, to) else {
            return Ok(());
        };
        let (file, mut page) = (slice.file(), first);
        for bytes in bytes.chunks(PAGE) {
            let rows = read_page(slice.page_id(page), bytes).ok_or(file)?;
            for row in rows {
                if last.is_some_and(|last| row.key() <= last) {
                    return Err(file);
                }
                last = Some(row.key());
                if (from..=to).contains(&row.key()) {
                    self.rows.push_back(row);
                }
            }
            page += 1;
        }
        if page == first {
            return Err(file);
        }
        reader.page = Some(page);
        reader.last = last;
        Ok(())
    }
}

impl Reader {
    /// The next page that may hold rows from `from` to `to`; `None`: there is none.
    fn seek(&mut self, from: Key, to: Key) -> Option<(&Slice, u32)> {
        let run = &self.run;
        loop {
            let slice = run.slices.get(self.slice)?;
            let page = self.page.or_else(|| slice.first_page(from));
            match page {
                Some(page) if slice.begins_by(page, to) => {
                    self.page = Some(page);
                    return Some((slice, page));
                }
                // A page behind `to`: so is all that follows.
                Some(page) if slice.has_page(page) => return None,
                Some(_) | None => {
                    self.slice += 1;
                    self.page = None;
                }
            }
        }
    }
}
