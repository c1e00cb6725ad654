//! The numbers of a shard's binds, of which a reload may add some: the shard writes and adds, the
//! control thread reads meanwhile, and neither waits. Part of the shard's `Stats`.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;

use super::{BindLabel, BindStats};

/// Places of the first chunk; each further one has twice as many.
const FIRST: usize = 8;
/// Chunks; together they have room for more binds than a shard may ever have.
const CHUNKS: usize = 16;

type Place = OnceLock<(BindLabel, BindStats)>;

/// A list that only grows, and of which nothing ever moves.
#[derive(Debug, Default)]
pub(super) struct Binds {
    chunks: [OnceLock<Box<[Place]>>; CHUNKS],
    count: AtomicUsize,
}

/// The chunk of an index, and the place in it.
fn place(ix: usize) -> (usize, usize) {
    let chunk = (ix / FIRST).saturating_add(1).ilog2();
    let before = FIRST * ((1 << chunk) - 1);
    (usize::try_from(chunk).unwrap_or(CHUNKS), ix - before)
}

impl Binds {
    /// Adds one behind the others and gives its index. One thread alone adds.
    pub(super) fn add(&self, label: BindLabel) -> usize {
        let ix = self.count.load(Ordering::Relaxed);
        let (chunk, at) = place(ix);
        let Some(held) = self.chunks.get(chunk) else { return ix };
        let made = || (0..FIRST << chunk).map(|_| Place::new()).collect();
        if let Some(place) = held.get_or_init(made).get(at) {
            place.get_or_init(|| (label, BindStats::default()));
        }
        self.count.store(ix + 1, Ordering::Release);
        ix
    }

    pub(super) fn get(&self, ix: usize) -> Option<&(BindLabel, BindStats)> {
        let (chunk, at) = place(ix);
        self.chunks.get(chunk)?.get()?.get(at)?.get()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(BindLabel, BindStats)> {
        (0..self.count.load(Ordering::Acquire)).filter_map(|ix| self.get(ix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for ix in 0..100_000 {
            assert_eq!(place(ix), expected, "{ix}");
            expected.1 += 1;
            if expected.1 == FIRST << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn what_is_added_while_another_thread_reads_is_whole() {
        let binds = Binds::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for bind in 0..5_000 {
                    let ix = binds.add(BindLabel { carrier: "alpha".into(), bind, kind: "x" });
                    assert_eq!(Ok(ix), usize::try_from(bind));
                }
            });
            let mut seen = 0;
            while seen < 5_000 {
                let numbers: Vec<u32> = binds.iter().map(|(label, _)| label.bind).collect();
                assert!(
                    numbers.len() >= seen && numbers.iter().copied().eq((0..).take(numbers.len()))
                );
                seen = numbers.len();
            }
        });
    }
}
