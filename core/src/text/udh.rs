//! The concatenation element of a user data header [3GPP TS 23.040 section 9.2.3.24.1]. Pure, lives
//! nowhere.

/// Element: concatenation, 8-bit reference.
const CONCAT_8: u8 = 0x00;
/// Element: concatenation, 16-bit reference.
const CONCAT_16: u8 = 0x08;

/// How wide the number is that the parts of a message share.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceWidth {
    /// 8 bits: 153 septets or 67 UTF-16 units a part.
    Eight,
    /// 16 bits: 152 septets or 66 UTF-16 units a part.
    Sixteen,
}

/// What a part says about the message that it belongs to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Concat {
    /// Shared by the parts; an 8-bit element carries its low octet.
    pub reference: u16,
    /// How many parts there are, from 1.
    pub total: u8,
    /// Which part this is, from 1.
    pub index: u8,
    /// Which element it is.
    pub width: ReferenceWidth,
}

impl Concat {
    /// Appends a user data header of this one element: 6 octets, or 7 with a 16-bit reference.
    pub fn write(&self, out: &mut Vec<u8>) {
        let [high, low] = self.reference.to_be_bytes();
        match self.width {
            ReferenceWidth::Eight => {
                out.extend_from_slice(&[5, CONCAT_8, 3, low, self.total, self.index]);
            }
            ReferenceWidth::Sixteen => {
                out.extend_from_slice(&[6, CONCAT_16, 4, high, low, self.total, self.index]);
            }
        }
    }

    /// Reads an element; None for other elements and for void ones, which are to be ignored:
    /// no parts, part 0, or a part behind the last.
    fn from_element(kind: u8, value: &[u8]) -> Option<Concat> {
        let concat = match (kind, value) {
            (CONCAT_8, &[low, total, index]) => {
                Concat { reference: low.into(), total, index, width: ReferenceWidth::Eight }
            }
            (CONCAT_16, &[high, low, total, index]) => Concat {
                reference: u16::from_be_bytes([high, low]),
                total,
                index,
                width: ReferenceWidth::Sixteen,
            },
            _ => return None,
        };
        (concat.index != 0 && concat.index <= concat.total).then_some(concat)
    }
}

/// Takes the header off a short_message whose esm_class has UDHI set: the concatenation it names,
/// and the text's octets. Of several such elements the last counts. A header that claims to be
/// longer than the message is none: the whole message is given back.
#[must_use]
pub fn split_udh(short_message: &[u8]) -> (Option<Concat>, &[u8]) {
    let split = short_message
        .split_first()
        .and_then(|(length, behind)| behind.split_at_checked(usize::from(*length)));
    let Some((mut elements, text)) = split else { return (None, short_message) };
    let mut found = None;
    while let [kind, length, behind @ ..] = elements {
        let Some((value, rest)) = behind.split_at_checked(usize::from(*length)) else { break };
        found = Concat::from_element(*kind, value).or(found);
        elements = rest;
    }
    (found, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concat(reference: u16, total: u8, index: u8, width: ReferenceWidth) -> Concat {
        Concat { reference, total, index, width }
    }

    #[test]
    fn both_forms_are_written_and_read() {
        let mut out = Vec::new();
        let eight = concat(0x12C7, 3, 2, ReferenceWidth::Eight);
        eight.write(&mut out);
        assert_eq!(out, [0x05, 0x00, 0x03, 0xC7, 0x03, 0x02]);
        out.extend_from_slice(b"text");
        let read = Concat { reference: 0xC7, ..eight };
        assert_eq!(split_udh(&out), (Some(read), &b"text"[..]));

        out.clear();
        let sixteen = concat(0x12C7, 255, 255, ReferenceWidth::Sixteen);
        sixteen.write(&mut out);
        assert_eq!(out, [0x06, 0x08, 0x04, 0x12, 0xC7, 0xFF, 0xFF]);
        assert_eq!(split_udh(&out), (Some(sixteen), &[][..]));
    }

    #[test]
    fn void_elements_are_ignored_but_the_header_is_taken_off() {
        for element in [[0, 3, 1, 0, 0], [0, 3, 1, 2, 0], [0, 3, 1, 2, 3], [0, 3, 1, 0, 1]] {
            let message = [&[5], &element[..], b"x"].concat();
            assert_eq!(split_udh(&message), (None, &b"x"[..]), "{element:?}");
        }
        // A wrong length for its kind.
        assert_eq!(split_udh(b"\x04\x00\x02\x01\x02x"), (None, &b"x"[..]));
    }

    #[test]
    fn other_elements_may_stand_beside_it() {
        let ports = [0x05, 0x04, 0x0B, 0x84, 0x23, 0xF0];
        let eight = concat(9, 2, 1, ReferenceWidth::Eight);
        for elements in [
            [&ports[..], &[0, 3, 9, 2, 1]].concat(),
            [&[0, 3, 9, 2, 1], &ports[..]].concat(),
            [&[0, 3, 7, 2, 2], &[0, 3, 9, 2, 1][..], &[0, 3, 9, 2, 3]].concat(),
        ] {
            let mut message = vec![u8::try_from(elements.len()).unwrap_or(0)];
            message.extend_from_slice(&elements);
            message.extend_from_slice(b"body");
            assert_eq!(split_udh(&message), (Some(eight), &b"body"[..]));
        }
    }

    #[test]
    fn a_header_that_overruns_is_none() {
        assert_eq!(split_udh(b""), (None, &b""[..]));
        assert_eq!(split_udh(b"\x05\x00\x03\x01\x02"), (None, &b"\x05\x00\x03\x01\x02"[..]));
        assert_eq!(split_udh(b"\x00hi"), (None, &b"hi"[..]));
        // An element that overruns its header ends the header's reading, not the text's.
        assert_eq!(split_udh(b"\x02\x00\x03hi"), (None, &b"hi"[..]));
        assert_eq!(split_udh(b"\x01\x00hi"), (None, &b"hi"[..]));
    }
}
