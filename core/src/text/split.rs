//! Where a long text is cut. Pure, lives nowhere.

use super::{Encoding, ReferenceWidth, gsm, packed};

/// Octets of a short message on the air interface [3GPP TS 23.040 section 9.2.3.24].
const AIR_OCTETS: usize = 140;

/// Octets of a user data header, its length octet included, whose elements beside a concatenation
/// take so many.
const fn header_octets(elements: usize, width: Option<ReferenceWidth>) -> usize {
    let concat = match width {
        Some(width) => width.element_octets(),
        None => 0,
    };
    match elements + concat {
        0 => 0,
        elements => 1 + elements,
    }
}

/// Units of a part beside a user data header of so many octets, its length octet included; a header
/// takes whole septets.
#[must_use]
pub const fn room(encoding: Encoding, header: usize) -> usize {
    match encoding {
        Encoding::Gsm7 => (AIR_OCTETS * 8 / 7).saturating_sub((header * 8).div_ceil(7)),
        Encoding::Ucs2 => AIR_OCTETS.saturating_sub(header) / 2,
    }
}

const _: () = assert!(room(Encoding::Gsm7, 0) == 160 && room(Encoding::Ucs2, 0) == 70);
const _: () = assert!(room(Encoding::Gsm7, header_octets(0, Some(ReferenceWidth::Eight))) == 153);
const _: () = assert!(room(Encoding::Gsm7, header_octets(0, Some(ReferenceWidth::Sixteen))) == 152);
const _: () = assert!(room(Encoding::Ucs2, header_octets(0, Some(ReferenceWidth::Eight))) == 67);
const _: () = assert!(room(Encoding::Ucs2, header_octets(0, Some(ReferenceWidth::Sixteen))) == 66);

/// The parts of an encoded text, in order: see [`EncodedText::parts`](super::EncodedText::parts).
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    encoding: Encoding,
    /// Octets of a full part.
    full: usize,
    packed: bool,
    /// What is left; None behind the last part.
    rest: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// Each part has a header of `elements` octets besides the concatenation.
    pub(super) fn new(
        encoding: Encoding,
        octets: &'a [u8],
        elements: usize,
        width: ReferenceWidth,
    ) -> Self {
        let octets_beside =
            |width| room(encoding, header_octets(elements, width)) * encoding.unit_octets();
        let single = octets_beside(None);
        let full = if octets.len() <= single { single } else { octets_beside(Some(width)) };
        Parts { encoding, full, packed: false, rest: Some(octets) }
    }

    /// All of it as one part.
    pub(super) fn uncut(octets: &'a [u8]) -> Self {
        Parts { encoding: Encoding::Gsm7, full: usize::MAX, packed: false, rest: Some(octets) }
    }

    /// The septets of each part will be packed: a full part must not end with what its reader takes
    /// for padding.
    pub(super) fn packed(self, packed: bool) -> Self {
        Parts { packed, ..self }
    }

    /// Octets at the end of a full part that belong into the next. An escape is never the second of
    /// a pair (no extension character has its code), so the last unit says it all.
    fn kept_back(&self, part: &[u8]) -> usize {
        match (self.encoding, part) {
            (Encoding::Gsm7, [.., gsm::ESCAPE]) => 1,
            (Encoding::Gsm7, [.., packed::PADDING]) if self.packed => 1,
            (Encoding::Ucs2, [.., 0xD8..=0xDB, _]) => 2,
            _ => 0,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let Some((part, behind)) = rest.split_at_checked(self.full) else { return Some(rest) };
        if behind.is_empty() {
            return Some(part);
        }
        let (part, behind) = rest.split_at(self.full - self.kept_back(part));
        self.rest = Some(behind);
        Some(part)
    }
}

impl std::iter::FusedIterator for Parts<'_> {}
