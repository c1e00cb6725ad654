//! The first rows of a range of a set of runs, in memory, while rows come and go and more are looked
//! for on disk. Pure; one for each range.

use std::collections::BTreeMap;

use postrider_storage::runs::{Key, Row, RunRows};

/// See the module's page. Every row of the range up to `reached` is in `rows` or was taken.
#[derive(Debug, Default)]
pub(super) struct Window {
    rows: BTreeMap<Key, u64>,
    reached: Option<Key>,
    reading: Option<Reading>,
}

/// A search under way.
#[derive(Debug)]
struct Reading {
    /// The last key that it looks at.
    to: Key,
    /// Rows that came since, and with 0 those that went: it may not know of them.
    late: BTreeMap<Key, u64>,
    /// What it finds is of no use any more: there would be a gap before it.
    void: bool,
}

/// The key before another one.
fn before((k1, k2): Key) -> Option<Key> {
    match k2.checked_sub(1) {
        Some(k2) => Some((k1, k2)),
        None => k1.checked_sub(1).map(|k1| (k1, u64::MAX)),
    }
}

impl Window {
    /// A row of the range was put.
    pub(super) fn put(&mut self, row: Row) {
        if self.reaches(row.key()) {
            self.rows.insert(row.key(), row.v);
        } else if let Some(reading) = &mut self.reading {
            reading.late.insert(row.key(), row.v);
        }
    }

    /// A row of the range was deleted.
    pub(super) fn delete(&mut self, key: Key) {
        self.rows.remove(&key);
        if !self.reaches(key)
            && let Some(reading) = &mut self.reading
        {
            reading.late.insert(key, 0);
        }
    }

    /// The first row.
    pub(super) fn first(&self) -> Option<Row> {
        self.rows.first_key_value().map(|(&(k1, k2), &v)| Row { k1, k2, v })
    }

    /// Takes the first row.
    pub(super) fn take_first(&mut self) -> Option<Row> {
        self.rows.pop_first().map(|((k1, k2), v)| Row { k1, k2, v })
    }

    /// Rows that are here.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The key behind which a search has to look.
    pub(super) fn reached(&self) -> Option<Key> {
        self.reached
    }

    /// Whether nothing of the range up to this key is on disk alone.
    pub(super) fn reaches(&self, key: Key) -> bool {
        self.reached.is_some_and(|reached| key <= reached)
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// A search begins for the rows behind [`Window::reached`], up to and with `to`.
    pub(super) fn read(&mut self, to: Key) {
        self.reading = Some(Reading { to, late: BTreeMap::new(), void: false });
    }

    /// What the search found; `None` when it failed. False when it has to be made again.
    pub(super) fn handle_rows(&mut self, found: Option<RunRows>) -> bool {
        let reading = self.reading.take().filter(|reading| !reading.void);
        let Some((reading, found)) = reading.zip(found) else { return false };
        let reached = found.next.unwrap_or(reading.to);
        self.rows.extend(found.rows.iter().map(|row| (row.key(), row.v)));
        for (key, v) in reading.late.range(..=reached) {
            if *v == 0 {
                self.rows.remove(key);
            } else {
                self.rows.insert(*key, *v);
            }
        }
        self.reached = Some(reached);
        true
    }

    /// Keeps the first `most` rows; the others are left to a later search.
    pub(super) fn keep(&mut self, most: usize) {
        let Some(first) = self.rows.keys().nth(most).copied() else { return };
        self.rows.split_off(&first);
        self.reached = before(first);
        if let Some(reading) = &mut self.reading {
            reading.void = true;
        }
    }
}
