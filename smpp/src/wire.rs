//! Reading and writing of the primitive types of the wire (3.4 section 3.1): integers, C-octet strings,
//! octet strings, times. Pure, lives nowhere.

use crate::bounds::Bound;
use crate::command::CommandId;
use crate::pdu::{EncodeError, HEADER_LEN};
use crate::status::CommandStatus;
use crate::values::{SmppTime, TIME_LEN};

/// A cursor over the body of one PDU. Each read fails with the status that the peer is to be sent.
#[derive(Copy, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Bounds of C-octet strings and times are enforced, and a short text is an error.
    strict: bool,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(rest: &'a [u8], strict: bool) -> Self {
        Self { rest, strict }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// What was read from here until `later`.
    pub(crate) fn until(&self, later: &Reader<'a>) -> &'a [u8] {
        let length = self.rest.len().saturating_sub(later.rest.len());
        self.rest.get(..length).unwrap_or_default()
    }

    pub(crate) fn int1(&mut self) -> Result<u8, CommandStatus> {
        let (value, rest) = self.rest.split_first().ok_or(CommandStatus::ESME_RINVCMDLEN)?;
        self.rest = rest;
        Ok(*value)
    }

    /// An integer of one octet within a bound, when strict.
    pub(crate) fn bounded(
        &mut self,
        bound: &Bound,
        command: CommandId,
    ) -> Result<u8, CommandStatus> {
        let value = self.int1()?;
        if self.strict { bound.accept(command, value) } else { Ok(value) }
    }

    pub(crate) fn int4(&mut self) -> Result<u32, CommandStatus> {
        let (value, rest) = self.rest.split_first_chunk().ok_or(CommandStatus::ESME_RINVCMDLEN)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*value))
    }

    /// A C-octet string of at most `max` octets with its NUL; a longer one is refused with `too_long`
    /// when strict.
    pub(crate) fn text(
        &mut self,
        max: usize,
        too_long: CommandStatus,
    ) -> Result<&'a [u8], CommandStatus> {
        let end = self.rest.iter().position(|octet| *octet == 0);
        let (text, rest) = end
            .and_then(|end| Some((self.rest.get(..end)?, self.rest.get(end + 1..)?)))
            .ok_or(CommandStatus::ESME_RINVCMDLEN)?;
        self.rest = rest;
        if self.strict && text.len() >= max { Err(too_long) } else { Ok(text) }
    }

    /// A C-octet string whose NUL may be missing at the end of the body, and which may be absent.
    pub(crate) fn text_or_rest(&mut self) -> &'a [u8] {
        let mut parts = self.rest.splitn(2, |octet| *octet == 0);
        let text = parts.next().unwrap_or_default();
        self.rest = parts.next().unwrap_or_default();
        text
    }

    /// A time; when strict it must be empty or well formed, else `bad` is the answer.
    pub(crate) fn time(&mut self, bad: CommandStatus) -> Result<&'a [u8], CommandStatus> {
        let text = self.text(TIME_LEN + 1, bad)?;
        if self.strict && !is_time(text) { Err(bad) } else { Ok(text) }
    }

    /// An octet string of `length` octets; clamped to what is there unless strict.
    pub(crate) fn octets(&mut self, length: usize) -> Result<&'a [u8], CommandStatus> {
        let length = if self.strict { length } else { length.min(self.rest.len()) };
        let (octets, rest) =
            self.rest.split_at_checked(length).ok_or(CommandStatus::ESME_RINVMSGLEN)?;
        self.rest = rest;
        Ok(octets)
    }
}

/// True for an empty time and one in full.
fn is_time(text: &[u8]) -> bool {
    text.is_empty() || SmppTime::parse(text).is_some()
}

/// Writes one PDU into a caller's buffer: the header first, its length when `body` is done. On an error
/// the buffer is cut back to what it was.
pub(crate) fn write_pdu(
    out: &mut Vec<u8>,
    command: CommandId,
    status: CommandStatus,
    sequence: u32,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&command.0.to_be_bytes());
    out.extend_from_slice(&status.0.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    let done = body(out).and_then(|()| seal(out, start));
    if done.is_err() {
        out.truncate(start);
    }
    done
}

/// Puts the length of the PDU that began at `start` into its header.
fn seal(out: &mut [u8], start: usize) -> Result<(), EncodeError> {
    let pdu = out.get_mut(start..).ok_or(EncodeError::PduTooLong)?;
    debug_assert!(pdu.len() >= HEADER_LEN, "the header was written");
    let length = u32::try_from(pdu.len()).map_err(|_| EncodeError::PduTooLong)?;
    let field = pdu.first_chunk_mut::<4>().ok_or(EncodeError::PduTooLong)?;
    *field = length.to_be_bytes();
    Ok(())
}

/// Appends a C-octet string of at most `max` octets with its NUL.
pub(crate) fn put_text(
    out: &mut Vec<u8>,
    field: &'static str,
    text: &[u8],
    max: usize,
) -> Result<(), EncodeError> {
    if text.len() >= max {
        return Err(EncodeError::FieldTooLong { field, max });
    }
    if text.contains(&0) {
        return Err(EncodeError::NulInField { field });
    }
    out.extend_from_slice(text);
    out.push(0);
    Ok(())
}

/// Appends a time, empty or in full.
pub(crate) fn put_time(
    out: &mut Vec<u8>,
    field: &'static str,
    text: &[u8],
) -> Result<(), EncodeError> {
    if !is_time(text) {
        return Err(EncodeError::BadTime { field });
    }
    put_text(out, field, text, TIME_LEN + 1)
}
