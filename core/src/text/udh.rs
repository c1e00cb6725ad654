//! The user data header: concatenation, ports, national languages [3GPP TS 23.040 section
//! 9.2.3.24]. Pure, lives nowhere.

use super::NationalLanguage;

/// Element: concatenation, 8-bit reference.
const CONCAT_8: u8 = 0x00;
/// Element: ports of 8 bits.
const PORTS_8: u8 = 0x04;
/// Element: ports of 16 bits.
const PORTS_16: u8 = 0x05;
/// Element: concatenation, 16-bit reference.
const CONCAT_16: u8 = 0x08;
/// Element: national language, single shift.
const SINGLE_SHIFT: u8 = 0x24;
/// Element: national language, locking shift.
const LOCKING_SHIFT: u8 = 0x25;

/// How wide the number is that the parts of a message share.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReferenceWidth {
    /// 8 bits: 153 septets or 67 UTF-16 units a part.
    Eight,
    /// 16 bits: 152 septets or 66 UTF-16 units a part.
    Sixteen,
}

impl ReferenceWidth {
    /// Octets of its element, without the header's length octet.
    pub(super) const fn element_octets(self) -> usize {
        match self {
            ReferenceWidth::Eight => 5,
            ReferenceWidth::Sixteen => 6,
        }
    }
}

/// What a part says about the message that it belongs to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// Application ports [3GPP TS 23.040 section 9.2.3.24.3 and 4].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Where it goes.
    pub destination: u16,
    /// Where it comes from.
    pub source: u16,
}

/// What a user data header says; of several elements of a kind the last counts, others are passed
/// over.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Udh {
    /// Which part of which message it is.
    pub concat: Option<Concat>,
    /// For which application it is.
    pub ports: Option<Ports>,
    /// The table in place of the basic one.
    pub locking: Option<NationalLanguage>,
    /// The table in place of the extension table.
    pub single: Option<NationalLanguage>,
}

impl Udh {
    /// Reads a header with its length octet, as [`split_header`] gives it. An element that overruns
    /// ends the reading; void and unknown ones are passed over.
    #[must_use]
    pub fn read(header: &[u8]) -> Udh {
        let mut udh = Udh::default();
        let mut elements = header.get(1..).unwrap_or_default();
        while let [kind, length, behind @ ..] = elements {
            let Some((value, rest)) = behind.split_at_checked(usize::from(*length)) else { break };
            udh.element(*kind, value);
            elements = rest;
        }
        udh
    }

    fn element(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (CONCAT_8 | CONCAT_16, value) => {
                self.concat = Concat::from_element(kind, value).or(self.concat);
            }
            (PORTS_8, &[destination, source]) => {
                self.ports = Some(Ports { destination: destination.into(), source: source.into() });
            }
            (PORTS_16, &[a, b, c, d]) => {
                let (destination, source) =
                    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                self.ports = Some(Ports { destination, source });
            }
            (SINGLE_SHIFT, &[language]) => {
                self.single = NationalLanguage::from_u8(language).or(self.single);
            }
            (LOCKING_SHIFT, &[language]) => {
                self.locking = NationalLanguage::from_u8(language).or(self.locking);
            }
            _ => {}
        }
    }

    /// Appends the header with its length octet: at most 19 octets; nothing when it says nothing.
    pub fn write(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.push(0);
        if let Some(concat) = self.concat {
            concat.write_element(out);
        }
        if let Some(Ports { destination, source }) = self.ports {
            let ([a, b], [c, d]) = (destination.to_be_bytes(), source.to_be_bytes());
            out.extend_from_slice(&[PORTS_16, 4, a, b, c, d]);
        }
        for (kind, language) in [(LOCKING_SHIFT, self.locking), (SINGLE_SHIFT, self.single)] {
            if let Some(language) = language {
                out.extend_from_slice(&[kind, 1, language.as_u8()]);
            }
        }
        let octets = u8::try_from(out.len() - begin - 1).unwrap_or(0);
        match out.get_mut(begin) {
            Some(length) if octets > 0 => *length = octets,
            _ => out.truncate(begin),
        }
    }
}

impl Concat {
    /// The place of a part, when it is one: there is at least one part, and it is not behind the
    /// last.
    #[must_use]
    pub fn new(reference: u16, total: u8, index: u8, width: ReferenceWidth) -> Option<Concat> {
        (index != 0 && index <= total).then_some(Concat { reference, total, index, width })
    }

    /// Appends a user data header of this one element: 6 octets, or 7 with a 16-bit reference.
    pub fn write(&self, out: &mut Vec<u8>) {
        Udh { concat: Some(*self), ..Udh::default() }.write(out);
    }

    fn write_element(self, out: &mut Vec<u8>) {
        let [high, low] = self.reference.to_be_bytes();
        match self.width {
            ReferenceWidth::Eight => {
                out.extend_from_slice(&[CONCAT_8, 3, low, self.total, self.index]);
            }
            ReferenceWidth::Sixteen => {
                out.extend_from_slice(&[CONCAT_16, 4, high, low, self.total, self.index]);
            }
        }
    }

    /// Reads an element; None for other elements and for void ones, which are to be ignored.
    fn from_element(kind: u8, value: &[u8]) -> Option<Concat> {
        match (kind, value) {
            (CONCAT_8, &[low, total, index]) => {
                Concat::new(low.into(), total, index, ReferenceWidth::Eight)
            }
            (CONCAT_16, &[high, low, total, index]) => {
                let reference = u16::from_be_bytes([high, low]);
                Concat::new(reference, total, index, ReferenceWidth::Sixteen)
            }
            _ => None,
        }
    }
}

/// Parts a short_message whose esm_class has UDHI set: the header with its length octet, and what
/// follows it. A header that claims to be longer than the message is none, and empty here.
#[must_use]
pub fn split_header(short_message: &[u8]) -> (&[u8], &[u8]) {
    let length = short_message.first().map_or(0, |length| usize::from(*length) + 1);
    short_message.split_at_checked(length).unwrap_or((&[], short_message))
}

/// Takes the header off a short_message whose esm_class has UDHI set: the concatenation it names,
/// and the text's octets.
#[must_use]
pub fn split_udh(short_message: &[u8]) -> (Option<Concat>, &[u8]) {
    let (header, text) = split_header(short_message);
    (Udh::read(header).concat, text)
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
    fn a_whole_header_is_read_and_written() {
        let udh = Udh {
            concat: Some(concat(0x0102, 4, 3, ReferenceWidth::Sixteen)),
            ports: Some(Ports { destination: 0x0B84, source: 0x23F0 }),
            locking: Some(NationalLanguage::Turkish),
            single: Some(NationalLanguage::Urdu),
        };
        let mut header = vec![0xAA];
        udh.write(&mut header);
        let expected = [
            &[0xAA, 18][..],
            &[8, 4, 1, 2, 4, 3],
            &[5, 4, 0x0B, 0x84, 0x23, 0xF0],
            &[0x25, 1, 1],
            &[0x24, 1, 13],
        ];
        assert_eq!(header, expected.concat());
        let own = header.split_off(1);
        assert_eq!(Udh::read(&own), udh);
        assert_eq!(split_header(&[&own[..], b"text"].concat()), (&own[..], &b"text"[..]));

        header.clear();
        Udh::default().write(&mut header);
        assert!(header.is_empty(), "a header that says nothing is none");
    }

    #[test]
    fn ports_have_two_forms_and_unknown_elements_and_languages_are_passed_over() {
        let read = |elements: &[u8]| Udh::read(&[&[0], elements].concat());
        let ports = Some(Ports { destination: 0xF0, source: 2 });
        assert_eq!(read(&[4, 2, 0xF0, 2]).ports, ports);
        assert_eq!(read(&[4, 2, 0xF0, 2, 5, 2, 1, 2]).ports, ports, "a wrong length is void");
        let urdu = Some(NationalLanguage::Urdu);
        assert_eq!(read(&[0x24, 1, 13, 0x24, 1, 77]).single, urdu);
        assert_eq!(read(&[0x24, 1, 0, 0x25, 1, 13]), Udh { locking: urdu, ..Udh::default() });
        assert_eq!(read(&[0x70, 3, 0x24, 1, 13]), Udh::default());
        assert_eq!(Udh::read(&[]), Udh::default());
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
