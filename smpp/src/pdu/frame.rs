//! The header of a PDU and the cutting of octets into PDUs (3.4 section 3.2). Pure, lives nowhere.

use crate::command::CommandId;
use crate::status::CommandStatus;

/// Octets of a PDU header.
pub const HEADER_LEN: usize = 16;
/// Largest PDU taken unless configured otherwise, in octets: a 64 KiB payload fits.
pub const MAX_PDU_DEFAULT: u32 = 70_000;

/// The header of a PDU (3.4 section 3.2).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// `command_length`: octets of the whole PDU, this field included.
    pub length: u32,
    /// `command_id`.
    pub command: CommandId,
    /// `command_status`; to be ignored in requests.
    pub status: CommandStatus,
    /// `sequence_number`; any value is accepted and echoed.
    pub sequence: u32,
}

impl Header {
    /// Reads a header.
    pub const fn read(octets: &[u8; HEADER_LEN]) -> Self {
        let [l0, l1, l2, l3, c0, c1, c2, c3, s0, s1, s2, s3, n0, n1, n2, n3] = *octets;
        Self {
            length: u32::from_be_bytes([l0, l1, l2, l3]),
            command: CommandId(u32::from_be_bytes([c0, c1, c2, c3])),
            status: CommandStatus(u32::from_be_bytes([s0, s1, s2, s3])),
            sequence: u32::from_be_bytes([n0, n1, n2, n3]),
        }
    }
}

/// One whole PDU in the receive buffer.
#[derive(Copy, Clone)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// What follows the header.
    pub body: &'a [u8],
}

impl core::fmt::Debug for Frame<'_> {
    /// The body's length alone: it holds personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { header, body } = self;
        f.debug_struct("Frame").field("header", header).field("body_len", &body.len()).finish()
    }
}

/// What a peer seems to speak instead of SMPP.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum PeerProtocol {
    /// A TLS record where plain SMPP was expected.
    Tls,
    /// An HTTP request or answer.
    Http,
}

/// Why the octets cannot be cut into PDUs; the connection is lost.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// `command_length` is below 16.
    #[error("command_length {} is below 16{}", .0, looks(self))]
    TooShort(u32),
    /// `command_length` exceeds the greatest PDU allowed.
    #[error("command_length {} exceeds the limit{}", .0, looks(self))]
    TooLong(u32),
}

fn looks(error: &FrameError) -> &'static str {
    match error.looks_like() {
        Some(PeerProtocol::Tls) => ": the peer speaks TLS",
        Some(PeerProtocol::Http) => ": the peer speaks HTTP",
        None => "",
    }
}

impl FrameError {
    /// What the peer speaks, as far as the first four octets tell.
    pub fn looks_like(&self) -> Option<PeerProtocol> {
        let (Self::TooShort(length) | Self::TooLong(length)) = *self;
        match &length.to_be_bytes() {
            [0x14..=0x17, 0x03, ..] => Some(PeerProtocol::Tls),
            b"HTTP" | b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" | b"CONN" | b"PRI " => {
                Some(PeerProtocol::Http)
            }
            _ => None,
        }
    }
}

/// The first whole PDU of `buf` and how many octets it takes; `None` when more octets are needed.
///
/// # Errors
/// A length below 16 or above `max_pdu`, as soon as four octets are there.
pub fn next_frame(buf: &[u8], max_pdu: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(word) = buf.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*word);
    let Ok(octets) = usize::try_from(length) else { return Err(FrameError::TooLong(length)) };
    if octets < HEADER_LEN {
        return Err(FrameError::TooShort(length));
    }
    if length > max_pdu {
        return Err(FrameError::TooLong(length));
    }
    let pdu = buf.get(..octets).and_then(<[u8]>::split_first_chunk::<HEADER_LEN>);
    Ok(pdu.map(|(header, body)| (Frame { header: Header::read(header), body }, octets)))
}
