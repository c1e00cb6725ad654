//! Reading and writing of the primitive types of the wire (3.4 section 3.1): integers, C-octet strings,
//! octet strings, times. What every field of every message passes through is inlined by force: calls, and
//! results handed over in memory, would cost more than the work. Pure, lives nowhere.

use crate::bounds::Bound;
use crate::command::CommandId;
use crate::octets::{are_digits, find_nul, has_nul};
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

    /// So many integers of one octet.
    #[inline(always)]
    pub(crate) fn ints<const N: usize>(&mut self) -> Result<[u8; N], CommandStatus> {
        let (values, rest) = self.rest.split_first_chunk().ok_or(CommandStatus::ESME_RINVCMDLEN)?;
        self.rest = rest;
        Ok(*values)
    }

    #[inline(always)]
    pub(crate) fn int1(&mut self) -> Result<u8, CommandStatus> {
        let (value, rest) = self.rest.split_first().ok_or(CommandStatus::ESME_RINVCMDLEN)?;
        self.rest = rest;
        Ok(*value)
    }

    /// An integer of one octet within a bound, when strict.
    #[inline(always)]
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
    #[inline(always)]
    pub(crate) fn text(
        &mut self,
        max: usize,
        too_long: CommandStatus,
    ) -> Result<&'a [u8], CommandStatus> {
        let (text, rest) = split_nul(self.rest).ok_or(CommandStatus::ESME_RINVCMDLEN)?;
        self.rest = rest;
        if self.strict && text.len() >= max { Err(too_long) } else { Ok(text) }
    }

    /// A C-octet string whose NUL may be missing at the end of the body, and which may be absent.
    pub(crate) fn text_or_rest(&mut self) -> &'a [u8] {
        let (text, rest) = split_nul(self.rest).unwrap_or((self.rest, &[]));
        self.rest = rest;
        text
    }

    /// A time; when strict it must be empty or well formed, else `bad` is the answer.
    #[inline(always)]
    pub(crate) fn time(&mut self, bad: CommandStatus) -> Result<&'a [u8], CommandStatus> {
        let text = self.text(TIME_LEN + 1, bad)?;
        if self.strict && !is_time(text) { Err(bad) } else { Ok(text) }
    }

    /// An octet string of `length` octets; clamped to what is there unless strict.
    #[inline(always)]
    pub(crate) fn octets(&mut self, length: usize) -> Result<&'a [u8], CommandStatus> {
        let length = if self.strict { length } else { length.min(self.rest.len()) };
        let (octets, rest) =
            self.rest.split_at_checked(length).ok_or(CommandStatus::ESME_RINVMSGLEN)?;
        self.rest = rest;
        Ok(octets)
    }
}

/// What stands before the first NUL and behind it.
#[inline(always)]
fn split_nul(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, rest) = octets.split_at_checked(find_nul(octets)?)?;
    Some((text, rest.get(1..)?))
}

/// True for an empty time and one in full. A relative one is any digits and `R`.
#[inline(always)]
fn is_time(text: &[u8]) -> bool {
    match <&[u8; TIME_LEN]>::try_from(text) {
        Ok(time @ [.., b'R']) => are_digits(*time),
        Ok(_) => SmppTime::parse(text).is_some(),
        Err(_) => text.is_empty(),
    }
}

/// Writes one PDU into a caller's buffer: the header first, its length when `body` is done. On an error
/// the buffer is cut back to what it was.
#[inline(always)]
pub(crate) fn write_pdu(
    out: &mut Vec<u8>,
    command: CommandId,
    status: CommandStatus,
    sequence: u32,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    let words = [0, command.0, status.0, sequence].map(u32::to_be_bytes);
    out.extend_from_slice(words.as_flattened());
    let done = body(out).and_then(|()| seal(out, start));
    if done.is_err() {
        out.truncate(start);
    }
    done
}

/// Puts the length of the PDU that began at `start` into its header.
#[inline(always)]
fn seal(out: &mut [u8], start: usize) -> Result<(), EncodeError> {
    let pdu = out.get_mut(start..).ok_or(EncodeError::PduTooLong)?;
    debug_assert!(pdu.len() >= HEADER_LEN, "the header was written");
    let length = u32::try_from(pdu.len()).map_err(|_| EncodeError::PduTooLong)?;
    let field = pdu.first_chunk_mut::<4>().ok_or(EncodeError::PduTooLong)?;
    *field = length.to_be_bytes();
    Ok(())
}

/// Appends a C-octet string of at most `max` octets with its NUL.
#[inline(always)]
pub(crate) fn put_text(
    out: &mut Vec<u8>,
    field: &'static str,
    text: &[u8],
    max: usize,
) -> Result<(), EncodeError> {
    if text.len() >= max || has_nul(text) {
        return Err(unfit_text(field, text, max));
    }
    out.extend_from_slice(text);
    out.push(0);
    Ok(())
}

#[cold]
fn unfit_text(field: &'static str, text: &[u8], max: usize) -> EncodeError {
    if text.len() >= max {
        EncodeError::FieldTooLong { field, max }
    } else {
        EncodeError::NulInField { field }
    }
}

/// Appends a time, empty or in full, with its NUL.
#[inline(always)]
pub(crate) fn put_time(
    out: &mut Vec<u8>,
    field: &'static str,
    text: &[u8],
) -> Result<(), EncodeError> {
    if !is_time(text) {
        return Err(EncodeError::BadTime { field });
    }
    out.extend_from_slice(text);
    out.push(0);
    Ok(())
}
