//! Where a long text is cut. Pure, lives nowhere.

use super::{Encoding, ReferenceWidth, gsm};

/// Octets of a short message on the air interface [3GPP TS 23.040 section 9.2.3.24].
const AIR_OCTETS: usize = 140;

/// Octets of a user data header with this reference, its length octet included.
const fn header_octets(width: ReferenceWidth) -> usize {
    match width {
        ReferenceWidth::Eight => 6,
        ReferenceWidth::Sixteen => 7,
    }
}

/// Units beside a header of so many octets; a header takes whole septets.
const fn room(encoding: Encoding, header: usize) -> usize {
    match encoding {
        Encoding::Gsm7 => AIR_OCTETS * 8 / 7 - (header * 8).div_ceil(7),
        Encoding::Ucs2 => (AIR_OCTETS - header) / 2,
    }
}

const _: () = assert!(room(Encoding::Gsm7, 0) == 160 && room(Encoding::Ucs2, 0) == 70);
const _: () = assert!(room(Encoding::Gsm7, header_octets(ReferenceWidth::Eight)) == 153);
const _: () = assert!(room(Encoding::Gsm7, header_octets(ReferenceWidth::Sixteen)) == 152);
const _: () = assert!(room(Encoding::Ucs2, header_octets(ReferenceWidth::Eight)) == 67);
const _: () = assert!(room(Encoding::Ucs2, header_octets(ReferenceWidth::Sixteen)) == 66);

/// The parts of an encoded text, in order: see [`EncodedText::parts`](super::EncodedText::parts).
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    encoding: Encoding,
    /// Octets of a full part.
    full: usize,
    /// What is left; None behind the last part.
    rest: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(encoding: Encoding, octets: &'a [u8], width: ReferenceWidth) -> Self {
        let single = room(encoding, 0) * encoding.unit_octets();
        let full = if octets.len() <= single {
            single
        } else {
            room(encoding, header_octets(width)) * encoding.unit_octets()
        };
        Parts { encoding, full, rest: Some(octets) }
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
        let (part, behind) = rest.split_at(self.full - open_pair(self.encoding, part));
        self.rest = Some(behind);
        Some(part)
    }
}

impl std::iter::FusedIterator for Parts<'_> {}

/// Octets at the end of a part that belong to a pair which the cut would split. An escape is never
/// the second of a pair (no extension character has its code), so the last unit says it all.
fn open_pair(encoding: Encoding, part: &[u8]) -> usize {
    match (encoding, part) {
        (Encoding::Gsm7, [.., gsm::ESCAPE]) => 1,
        (Encoding::Ucs2, [.., 0xD8..=0xDB, _]) => 2,
        _ => 0,
    }
}
