//! Values of parameters, typed by the table's row. Read without a copy, written without an allocation. Pure,
//! lives nowhere.

use arrayvec::ArrayVec;

use super::table::{Structure, TlvKind, TlvSpec, tag_spec};
use super::{TLV_HEADER_LEN, Tlv, read_int};
use crate::pdu::{EncodeError, VERSION_3_4, VERSION_5_0};
use crate::values::SmppTime;

/// A value, as the parameter's row has it. Numbers without a name are kept as they are.
#[derive(Copy, Clone, PartialEq, Eq)]
pub enum TlvValue<'a> {
    /// An integer, a named one and a status included.
    Int(u32),
    /// A C-octet string or a time, without its NUL.
    Text(&'a [u8]),
    /// An octet string or digits.
    Octets(&'a [u8]),
    /// ms_msg_wait_facilities.
    MessageWaiting {
        /// The indication is set, not cleared.
        active: bool,
        /// What waits: 0 voicemail, 1 fax, 2 electronic mail, 3 other.
        what: u8,
    },
    /// callback_num_pres_ind.
    CallbackPresentation {
        /// 0 allowed, 1 restricted, 2 number not available.
        presentation: u8,
        /// 0 from the user and not screened, 1 verified, 2 verified and failed, 3 from the network.
        screening: u8,
    },
    /// callback_num_atag.
    CallbackTag {
        /// The text's data_coding.
        data_coding: u8,
        /// The display text.
        text: &'a [u8],
    },
    /// callback_num.
    CallbackNum {
        /// 0 TBCD (DTMF), 1 ASCII.
        digit_mode: u8,
        /// Type of number.
        ton: u8,
        /// Numbering plan.
        npi: u8,
        /// The digits.
        digits: &'a [u8],
    },
    /// source_subaddress and dest_subaddress.
    Subaddress {
        /// 0x80 NSAP even, 0x88 NSAP odd, 0xA0 user specified.
        kind: u8,
        /// The address.
        address: &'a [u8],
    },
    /// network_error_code.
    NetworkError {
        /// Whose code: 3 GSM, 8 the message centre's own, and others.
        network: u8,
        /// The code.
        code: u16,
    },
    /// broadcast_content_type.
    ContentType {
        /// 0 generic, 1 GSM, 2 TDMA, 3 CDMA.
        network: u8,
        /// The service of that network.
        service: u16,
    },
    /// broadcast_frequency_interval.
    Frequency {
        /// 0 as often as possible, 8 seconds to 14 years.
        unit: u8,
        /// How many units.
        count: u16,
    },
    /// broadcast_area_identifier.
    Area {
        /// 0 alias, 1 ellipsoid arc, 2 polygon.
        format: u8,
        /// The area in that format, at most 100 octets.
        details: &'a [u8],
    },
    /// billing_identification.
    Billing {
        /// Bit 7: a vendor's own format.
        format: u8,
        /// The information.
        data: &'a [u8],
    },
    /// ms_validity.
    MsValidity {
        /// 0 store, 1 power down, 2 registration area, 3 display only, 4 the period.
        behaviour: u8,
        /// Unit (0 seconds to 6 years) and count, from 5.0 on.
        period: Option<(u8, u16)>,
    },
    /// alert_on_message_delivery.
    Alert {
        /// 0 default to 3 high; absent in 3.4.
        priority: Option<u8>,
    },
    /// its_session_info.
    ItsSession {
        /// Session number.
        session: u8,
        /// Number of the dialogue unit, at most 127.
        number: u8,
        /// It is the last one.
        end: bool,
    },
}

impl core::fmt::Debug for TlvValue<'_> {
    /// The numbers in front, and how many octets follow: those may be texts and numbers of people.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (head, tail) = self.parts(4);
        write!(f, "TlvValue({head:02x?} and {} octets)", tail.len())
    }
}

impl<'a> Tlv<'a> {
    /// The typed value; `None` for unknown and vendor tags, and for octets that the row does not allow: a
    /// length out of bounds, reserved bits, a C-octet string without its NUL.
    pub fn typed(&self) -> Option<TlvValue<'a>> {
        tag_spec(self.tag)?.read(self.value)
    }
}

impl TlvSpec {
    /// Reads a value of this parameter, of any length that one of the versions allows. Written again, it gives
    /// the same octets; only a time without its NUL gets one.
    pub fn read<'a>(&self, value: &'a [u8]) -> Option<TlvValue<'a>> {
        let length = u16::try_from(value.len()).ok()?;
        let allowed = |version| self.lengths(version).contains(&length);
        if allowed(VERSION_3_4) || allowed(VERSION_5_0) { read(self.kind, value) } else { None }
    }

    /// Appends the whole parameter with `value`, an integer in the row's width.
    ///
    /// # Errors
    /// A value of another kind, or one that neither version allows; `out` is then as it was.
    pub fn write(&self, value: &TlvValue<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let wrong = EncodeError::WrongTlvValue { tlv: self.name };
        let width = usize::from(*self.lengths(VERSION_5_0).end());
        let (head, tail) = value.parts(width);
        let is_text = matches!(self.kind, TlvKind::CString | TlvKind::Time);
        let nul: &[u8] = if is_text { &[0] } else { &[] };
        let length = u16::try_from(head.len() + tail.len() + nul.len()).map_err(|_| wrong)?;
        let start = out.len();
        out.extend_from_slice(&self.tag.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        for part in [&head[..], tail, nul] {
            out.extend_from_slice(part);
        }
        let written = out.get(start + TLV_HEADER_LEN..).unwrap_or_default();
        if self.read(written) == Some(*value) {
            return Ok(());
        }
        out.truncate(start);
        Err(wrong)
    }
}

/// Appends a parameter with a typed value.
///
/// # Errors
/// An unknown tag, or a value that does not fit it; `out` is then as it was.
pub fn put(out: &mut Vec<u8>, tag: u16, value: &TlvValue<'_>) -> Result<(), EncodeError> {
    let unknown = EncodeError::WrongTlvValue { tlv: "of an unknown tag" };
    tag_spec(tag).ok_or(unknown)?.write(value, out)
}

fn read(kind: TlvKind, value: &[u8]) -> Option<TlvValue<'_>> {
    Some(match kind {
        TlvKind::Int | TlvKind::Named(_) | TlvKind::Status | TlvKind::Congestion => {
            TlvValue::Int(u32::try_from(read_int(value)?).ok()?)
        }
        TlvKind::CString => TlvValue::Text(c_string(value)?),
        TlvKind::Time => {
            let text = value.strip_suffix(b"\0").unwrap_or(value);
            SmppTime::parse(text)?;
            TlvValue::Text(text)
        }
        TlvKind::Octets => TlvValue::Octets(value),
        TlvKind::Digits if value.iter().all(u8::is_ascii_digit) => TlvValue::Octets(value),
        TlvKind::Digits => return None,
        TlvKind::Structured(structure) => return read_structure(structure, value),
    })
}

/// `None` when the octets are not those of the structure or a reserved bit is set.
fn read_structure(structure: Structure, value: &[u8]) -> Option<TlvValue<'_>> {
    use Structure as S;
    use TlvValue as V;
    let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Some(match (structure, value) {
        (S::MessageWaiting, &[bits]) if bits & 0x7C == 0 => {
            V::MessageWaiting { active: bits & 0x80 != 0, what: bits & 3 }
        }
        (S::CallbackPresentation, &[bits]) if bits & 0xF0 == 0 => {
            V::CallbackPresentation { presentation: bits >> 2, screening: bits & 3 }
        }
        (S::CallbackTag, [data_coding, text @ ..]) => {
            V::CallbackTag { data_coding: *data_coding, text }
        }
        (S::CallbackNum, [digit_mode, ton, npi, digits @ ..]) => {
            V::CallbackNum { digit_mode: *digit_mode, ton: *ton, npi: *npi, digits }
        }
        (S::Subaddress, [kind, address @ ..]) => V::Subaddress { kind: *kind, address },
        (S::NetworkError, &[network, a, b]) => V::NetworkError { network, code: pair(a, b) },
        (S::ContentType, &[network, a, b]) => V::ContentType { network, service: pair(a, b) },
        (S::Frequency, &[unit, a, b]) => V::Frequency { unit, count: pair(a, b) },
        (S::Area, [format, details @ ..]) => V::Area { format: *format, details },
        (S::Billing, [format, data @ ..]) => V::Billing { format: *format, data },
        (S::MsValidity, &[behaviour]) => V::MsValidity { behaviour, period: None },
        (S::MsValidity, &[behaviour, unit, a, b]) => {
            V::MsValidity { behaviour, period: Some((unit, pair(a, b))) }
        }
        (S::Alert, []) => V::Alert { priority: None },
        (S::Alert, &[priority]) => V::Alert { priority: Some(priority) },
        (S::ItsSession, &[session, bits]) => {
            V::ItsSession { session, number: bits >> 1, end: bits & 1 != 0 }
        }
        _ => return None,
    })
}

/// A C-octet string: one NUL, at its end.
fn c_string(value: &[u8]) -> Option<&[u8]> {
    value.strip_suffix(b"\0").filter(|text| !text.contains(&0))
}

/// The fixed octets of a value.
type Head = ArrayVec<u8, 4>;

impl<'a> TlvValue<'a> {
    /// The octets of the value: those made of numbers, an integer `width` octets wide, and those behind.
    fn parts(&self, width: usize) -> (Head, &'a [u8]) {
        let mut head = Head::new();
        let mut tail: &[u8] = &[];
        let pair = |number: u16| number.to_be_bytes();
        match *self {
            Self::Int(int) => {
                let octets = int.to_be_bytes();
                head.extend(octets.into_iter().skip(octets.len().saturating_sub(width)));
            }
            Self::Text(text) | Self::Octets(text) => tail = text,
            Self::MessageWaiting { active, what } => head.push(u8::from(active) << 7 | what),
            Self::CallbackPresentation { presentation, screening } => {
                head.push(presentation << 2 | screening);
            }
            Self::CallbackNum { digit_mode, ton, npi, digits } => {
                head.extend([digit_mode, ton, npi]);
                tail = digits;
            }
            Self::CallbackTag { data_coding: first, text: rest }
            | Self::Subaddress { kind: first, address: rest }
            | Self::Area { format: first, details: rest }
            | Self::Billing { format: first, data: rest } => {
                head.push(first);
                tail = rest;
            }
            Self::NetworkError { network: first, code: second }
            | Self::ContentType { network: first, service: second }
            | Self::Frequency { unit: first, count: second } => {
                head.push(first);
                head.extend(pair(second));
            }
            Self::MsValidity { behaviour, period } => {
                head.push(behaviour);
                if let Some((unit, count)) = period {
                    head.push(unit);
                    head.extend(pair(count));
                }
            }
            Self::Alert { priority } => head.extend(priority),
            Self::ItsSession { session, number, end } => {
                head.extend([session, number << 1 | u8::from(end)]);
            }
        }
        (head, tail)
    }
}
