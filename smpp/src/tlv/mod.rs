//! Tagged optional parameters (3.4 section 5.3, 5.0 section 4.8): a tolerant reader over the raw area, typed
//! values, the table of all known tags, and the check of what is sent against it. Pure, lives nowhere.

mod check;
pub(crate) mod names;
mod table;
mod value;

pub use check::{COMPANIONS, TlvFault};
pub use table::{Structure, TLV_TABLE, TlvKind, TlvSpec, tag, tag_by_name, tag_name, tag_spec};
pub use value::{TlvValue, put};

/// Octets before a value: tag and length, two each.
pub(crate) const TLV_HEADER_LEN: usize = 4;

/// One parameter: its tag and its raw value.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// The tag.
    pub tag: u16,
    /// The value, at most 65,535 octets.
    pub value: &'a [u8],
}

impl Tlv<'_> {
    /// Appends the parameter in wire form. Returns false, and writes nothing, when the value is longer
    /// than 65,535 octets.
    pub fn write(&self, out: &mut Vec<u8>) -> bool {
        let Ok(length) = u16::try_from(self.value.len()) else { return false };
        out.extend_from_slice(&self.tag.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(self.value);
        true
    }
}

/// The raw parameter area of a PDU, and an iterator over it in wire order.
///
/// Up to three stray octets at the end are ignored, and so is everything from a parameter that overruns
/// the area; [`Tlvs::is_well_formed`] tells. Copy it to iterate more than once.
#[derive(Copy, Clone, PartialEq, Eq, Default)]
pub struct Tlvs<'a> {
    area: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// Wraps a raw area.
    pub const fn new(area: &'a [u8]) -> Self {
        Self { area }
    }

    /// The octets that are still to be read.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.area
    }

    /// The value of the first parameter with `tag` (repeats are ignored).
    pub fn get(&self, tag: u16) -> Option<&'a [u8]> {
        let mut rest = *self;
        rest.find(|tlv| tlv.tag == tag).map(|tlv| tlv.value)
    }

    /// The value of the first parameter with `tag` as a C-octet string: without its NUL, which the wild
    /// often omits, and `None` when nothing is left.
    pub fn get_cstring(&self, tag: u16) -> Option<&'a [u8]> {
        let value = self.get(tag)?;
        let text = value.split(|octet| *octet == 0).next().unwrap_or(value);
        (!text.is_empty()).then_some(text)
    }

    /// The value of the first parameter with `tag` as an unsigned integer, whatever its length up to four
    /// octets.
    pub fn get_int(&self, tag: u16) -> Option<u32> {
        read_int(self.get(tag)?).and_then(|value| u32::try_from(value).ok())
    }

    /// A message_payload that is not empty; it takes the place of `short_message` (5.0 section 4.8.4.36).
    pub fn payload(&self) -> Option<&'a [u8]> {
        self.get(tag::MESSAGE_PAYLOAD).filter(|payload| !payload.is_empty())
    }

    /// True when the area is a run of whole parameters, with at most three stray octets behind.
    pub fn is_well_formed(&self) -> bool {
        self.trailing().len() < TLV_HEADER_LEN
    }

    /// True when the area is a run of whole parameters and nothing else.
    pub fn is_exact(&self) -> bool {
        self.trailing().is_empty()
    }

    /// What is left behind the last whole parameter.
    fn trailing(&self) -> &'a [u8] {
        let mut rest = *self;
        while rest.next().is_some() {}
        rest.area
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let (header, rest) = self.area.split_first_chunk::<TLV_HEADER_LEN>()?;
        let [tag_high, tag_low, length_high, length_low] = *header;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let (value, rest) = rest.split_at_checked(length)?;
        self.area = rest;
        Some(Tlv { tag: u16::from_be_bytes([tag_high, tag_low]), value })
    }
}

impl core::fmt::Debug for Tlvs<'_> {
    /// Tags and lengths alone: values hold texts and numbers of people.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.map(|tlv| (tlv.tag, tlv.value.len()))).finish()
    }
}

/// A big-endian unsigned integer of one to eight octets.
pub(crate) fn read_int(octets: &[u8]) -> Option<u64> {
    if octets.is_empty() || octets.len() > 8 {
        return None;
    }
    Some(octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
}
