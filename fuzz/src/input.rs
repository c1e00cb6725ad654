//! Reads decisions from a fuzzer's octets; where they end, everything is zero. Pure, lives nowhere.

/// Octets not yet read.
#[derive(Clone, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Reads from the first octet on.
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// True when nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One octet.
    pub fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Two octets, big endian.
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// One of the items, by one octet; there are at most 256, and at least one.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::from(self.octet()) % items.len()]
    }

    /// So many octets, or those that are left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A run of octets whose length comes first, in one octet.
    pub fn run(&mut self) -> &'a [u8] {
        let count = self.octet();
        self.take(usize::from(count))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }
}
