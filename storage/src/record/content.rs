//! Records of contents that lie in a log of their own: what a message says, and whose it is. Pure,
//! lives nowhere.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::decode::Body;
use super::layout::size_field;
use super::{Record, RecordError, RecordKind};

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRecord<'a> {
    /// Its number in its log, from 1, never reused.
    pub content: u64,
    /// The message; 0: not said yet.
    pub sequence: u64,
    /// When nobody can need it any more at the latest; 0: not said yet.
    pub until_ms: u64,
    /// Text, UTF-8; or octets.
    pub body: &'a [u8],
    /// The user data header of octets, with its length octet; empty: none.
    pub udh: &'a [u8],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct ContentLayout {
    content: U64,
    sequence: U64,
    until_ms: U64,
    body_len: U32,
    udh_len: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct OwnerLayout {
    content: U64,
    sequence: U64,
    until_ms: U64,
}

const _: () = assert!(size_of::<ContentLayout>() == 32 && size_of::<OwnerLayout>() == 24);

/// Bytes of the fixed part of a record of kind content owner.
pub(super) const OWNER_LEN: usize = size_of::<OwnerLayout>();

impl ContentRecord<'_> {
    /// Bytes of its body.
    pub(super) fn len(&self) -> usize {
        size_of::<ContentLayout>() + self.body.len() + self.udh.len()
    }

    pub(super) fn encode(&self, put: &mut impl FnMut(&[u8])) {
        let fixed = ContentLayout {
            content: self.content.into(),
            sequence: self.sequence.into(),
            until_ms: self.until_ms.into(),
            body_len: size_field(self.body.len()),
            udh_len: size_field(self.udh.len()),
        };
        put(fixed.as_bytes());
        put(self.body);
        put(self.udh);
    }
}

/// Writes the body of a record of kind content owner.
pub(super) fn encode_owner([content, sequence, until_ms]: [u64; 3], put: &mut impl FnMut(&[u8])) {
    let fixed = OwnerLayout {
        content: content.into(),
        sequence: sequence.into(),
        until_ms: until_ms.into(),
    };
    put(fixed.as_bytes());
}

/// The texts of a record of kind content, to be overwritten.
///
/// # Errors
/// [`RecordError::Length`].
pub(super) fn texts(body: &mut [u8]) -> Result<&mut [u8], RecordError> {
    let kind = RecordKind::Content as u8;
    let split = ContentLayout::mut_from_prefix(body).map_err(|_| RecordError::Length { kind })?;
    Ok(split.1)
}

impl<'a> Body<'a> {
    pub(super) fn content(&mut self) -> Result<ContentRecord<'a>, RecordError> {
        let fixed: &ContentLayout = self.fixed()?;
        Ok(ContentRecord {
            content: fixed.content.get(),
            sequence: fixed.sequence.get(),
            until_ms: fixed.until_ms.get(),
            body: self.tail(fixed.body_len)?,
            udh: self.tail(fixed.udh_len)?,
        })
    }

    pub(super) fn content_owner(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &OwnerLayout = self.fixed()?;
        Ok(Record::ContentOwner {
            content: fixed.content.get(),
            sequence: fixed.sequence.get(),
            until_ms: fixed.until_ms.get(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_contents_stay_as_they_are() {
        let content = ContentRecord {
            content: 0x0102_0304_0506_0708,
            sequence: 9,
            until_ms: 1_790_000_012_000,
            body: b"Hi \xe2\x82\xac",
            udh: b"\x05\x00\x03\x2a\x02\x01",
        };
        let owner = Record::ContentOwner { content: 7, sequence: 0, until_ms: 1_790_000_013_000 };
        let mut bytes = Vec::new();
        Record::Content(content).encode(&mut bytes);
        owner.encode(&mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "0f01b1932c00000008070605040302010900000000000000e09a50c4a0010000\
                        0600000006000000486920e282ac0500032a02011301bdb51800000007000000\
                        000000000000000000000000c89e50c4a0010000";
        assert_eq!(hex, expected);
    }
}
