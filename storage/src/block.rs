//! A growable buffer of whole 4 KiB blocks, aligned for direct I/O. Pure, lives nowhere; each shard
//! owns a few.

use std::fmt;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Bytes in a block: the unit of alignment, of padding and of recovery's search.
pub const BLOCK: usize = 4096;

/// One block. The alignment is what `O_DIRECT` asks of the memory it reads from.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
struct Block([u8; BLOCK]);

const _: () = assert!(size_of::<Block>() == BLOCK && align_of::<Block>() == BLOCK);

/// A 4 KiB-aligned buffer whose length is a whole number of blocks.
///
/// It keeps its memory when it shrinks, so that a recycled one grows without allocating.
pub struct Blocks {
    storage: Box<[Block]>,
    used: usize,
}

impl Blocks {
    /// An empty buffer; allocates nothing until it grows.
    #[must_use]
    pub fn new() -> Self {
        Self { storage: allocate(0), used: 0 }
    }

    /// A buffer of `blocks` blocks of zeros.
    #[must_use]
    pub fn zeroed(blocks: usize) -> Self {
        Self { storage: allocate(blocks), used: blocks }
    }

    /// Bytes in use: a multiple of [`BLOCK`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.used * BLOCK
    }

    /// Whether no block is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Makes the buffer `blocks` blocks long. Blocks kept stay as they are, blocks gained are zero
    /// (so that nothing of an earlier use can reach the disk as padding).
    pub fn resize(&mut self, blocks: usize) {
        if blocks > self.storage.len() {
            let mut grown = allocate(blocks.max(self.storage.len() * 2));
            let kept = self.used;
            if let (Some(to), Some(from)) = (grown.get_mut(..kept), self.storage.get(..kept)) {
                to.as_mut_bytes().copy_from_slice(from.as_bytes());
            }
            self.storage = grown;
        } else if let Some(gained) = self.storage.get_mut(self.used..blocks) {
            gained.as_mut_bytes().fill(0);
        }
        self.used = blocks;
    }

    /// The bytes in use.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.storage.get(..self.used).unwrap_or_default().as_bytes()
    }

    /// The bytes in use, to be written.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        self.storage.get_mut(..self.used).unwrap_or_default().as_mut_bytes()
    }
}

impl Default for Blocks {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content is customers' data: only its size is shown.
        f.debug_struct("Blocks").field("len", &self.len()).finish_non_exhaustive()
    }
}

fn allocate(blocks: usize) -> Box<[Block]> {
    match <[Block]>::new_box_zeroed_with_elems(blocks) {
        Ok(storage) => storage,
        Err(_) => panic!("out of memory for {blocks} blocks of {BLOCK} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_and_whole_blocks() {
        let mut blocks = Blocks::new();
        assert!(blocks.is_empty());
        for size in [1, 3, 2, 40] {
            blocks.resize(size);
            assert_eq!(blocks.len(), size * BLOCK);
            assert_eq!(blocks.as_bytes().len(), size * BLOCK);
            assert_eq!(blocks.as_bytes().as_ptr().addr() % BLOCK, 0);
        }
    }

    #[test]
    fn growing_keeps_the_old_and_zeroes_the_new() {
        let mut blocks = Blocks::zeroed(2);
        blocks.as_bytes_mut().fill(7);
        blocks.resize(1);
        blocks.resize(2);
        let bytes = blocks.as_bytes();
        assert!(bytes.iter().take(BLOCK).all(|byte| *byte == 7));
        assert!(bytes.iter().skip(BLOCK).all(|byte| *byte == 0));
        blocks.resize(9);
        assert!(blocks.as_bytes().iter().take(BLOCK).all(|byte| *byte == 7));
        assert!(blocks.as_bytes().iter().skip(BLOCK).all(|byte| *byte == 0));
    }
}
