//! Integers in the files of ported numbers: little-endian, one behind the other. Pure, lives
//! nowhere.

/// What is written so far.
#[derive(Debug, Default)]
pub(super) struct Out(pub(super) Vec<u8>);

impl Out {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// A length, then the octets.
    pub(super) fn text(&mut self, text: &str) {
        self.list(text.len());
        self.bytes(text.as_bytes());
    }

    /// How many things follow.
    pub(super) fn list(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Ends with a CRC32C of everything before it.
    pub(super) fn sealed(mut self) -> Vec<u8> {
        let check = crc32c::crc32c(&self.0);
        self.u32(check);
        self.0
    }
}

/// What is still to be read; `None` once it is too short.
#[derive(Debug)]
pub(super) struct In<'b>(&'b [u8]);

impl<'b> In<'b> {
    /// What `Out::sealed` gave, and its CRC; `None` when that is not its own.
    pub(super) fn sealed(bytes: &'b [u8]) -> Option<(In<'b>, u32)> {
        let (body, check) = bytes.split_last_chunk::<4>()?;
        let check = u32::from_le_bytes(*check);
        (crc32c::crc32c(body) == check).then_some((In(body), check))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    /// As many of a thing as its count says.
    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.u32()?;
        (0..count).map(|_| one(self)).collect()
    }
}
