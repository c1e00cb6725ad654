//! Taking what is personal out of records, in place: every length stays, so every position stays.
//! Pure, lives nowhere.
//!
//! Numbers become 0, and octets of texts [`FILLER`]. What a bill is made of stays: customer, ids,
//! times, parts, carriers, statuses. A carrier's words stay too, but for numbers in them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::content;
use super::layout::{
    AcceptedLayout, AskedLayout, CarriedLayout, CarriedOriginLayout, FrameLayout, InboundLayout,
    OrphanLayout, PartLayout, ReplacedLayout,
};
use super::{FRAME, REDACTED, Record, RecordError, RecordKind, frame_check};

/// What stands in the place of an octet that is gone.
pub(crate) const FILLER: u8 = b'*';

/// Digits at the end of a number by which it is known again however it is written: the shortest
/// mobile numbers have so many in all.
const TELLING_DIGITS: usize = 7;

/// Redacts the records one after the other in `records` of which `number_of` says that they are
/// meant, with the number that is to go (0: not known any more). Returns how many were changed.
///
/// # Errors
/// [`RecordError`] when a record cannot be read; some before it may be redacted then.
pub(crate) fn redact_all(
    records: &mut [u8],
    number_of: &mut dyn FnMut(&Record<'_>) -> Option<u64>,
) -> Result<u64, RecordError> {
    let (mut changed, mut rest) = (0, records);
    while !rest.is_empty() {
        let (record, after) = split_first(rest)?;
        let (frame, body) = FrameLayout::ref_from_prefix(record).map_err(|_| RecordError::Frame)?;
        let decoded = Record::decode(frame.kind, frame.version, body)?;
        if let Some(number) = decoded.and_then(|decoded| number_of(&decoded)) {
            changed += u64::from(redact(record, number)?);
        }
        rest = after;
    }
    Ok(changed)
}

/// The bytes of the first record, and what follows.
fn split_first(records: &mut [u8]) -> Result<(&mut [u8], &mut [u8]), RecordError> {
    let (frame, _) = FrameLayout::ref_from_prefix(records).map_err(|_| RecordError::Frame)?;
    let len = usize::try_from(frame.length.get()).unwrap_or(usize::MAX).saturating_add(FRAME);
    records.split_at_mut_checked(len).ok_or(RecordError::Frame)
}

/// Redacts one readable record, frame included. `number`: whose texts may hold it; 0: any number is
/// taken for it. Returns whether it was changed.
///
/// # Errors
/// [`RecordError`] when a record within it cannot be read.
fn redact(record: &mut [u8], number: u64) -> Result<bool, RecordError> {
    let (frame, body) = FrameLayout::mut_from_prefix(record).map_err(|_| RecordError::Frame)?;
    let version = frame.version & !REDACTED;
    let changed = match RecordKind::from_number(frame.kind) {
        // Written without what is personal: what there still is of it is needed.
        Some(RecordKind::Accepted) if frame.version & REDACTED != 0 => false,
        Some(RecordKind::Accepted) => accepted(body, version)?,
        Some(RecordKind::Replaced) => {
            let (_, text) = fixed::<ReplacedLayout>(body, frame.kind)?;
            fill(text)
        }
        Some(RecordKind::Part) => {
            let (_, detail) = fixed::<PartLayout>(body, frame.kind)?;
            mask_number(detail, number)
        }
        Some(RecordKind::Carried) => carried(body, version, number)?,
        Some(RecordKind::Orphan) => orphan(body, number)?,
        Some(RecordKind::Inbound) => inbound(body)?,
        Some(RecordKind::Content) => fill(content::texts(body)?),
        Some(
            RecordKind::Webhook
            | RecordKind::OrphanClosed
            | RecordKind::Mark
            | RecordKind::CustomerReceipt
            | RecordKind::InboundClosed
            | RecordKind::Closed
            | RecordKind::Erased
            | RecordKind::Epoch
            | RecordKind::Redacted
            | RecordKind::OptOut
            | RecordKind::Moving
            | RecordKind::ContentOwner,
        )
        | None => false,
    };
    if changed {
        frame.version |= REDACTED;
        // A record of format 1 has no check, and gets none.
        if frame.check.get() != 0 {
            frame.check = frame_check(frame, body).into();
        }
    }
    Ok(changed)
}

fn accepted(body: &mut [u8], version: u8) -> Result<bool, RecordError> {
    let kind = RecordKind::Accepted as u8;
    let (message, rest) = fixed::<AcceptedLayout>(body, kind)?;
    let known = message.to.get() != 0;
    message.to = 0.into();
    let texts = if version > 1 { fixed::<AskedLayout>(rest, kind)?.1 } else { rest };
    Ok(fill(texts) | known)
}

fn carried(body: &mut [u8], version: u8, number: u64) -> Result<bool, RecordError> {
    let kind = RecordKind::Carried as u8;
    let (_, rest) = fixed::<CarriedLayout>(body, kind)?;
    let state = if version > 1 { fixed::<CarriedOriginLayout>(rest, kind)?.1 } else { rest };
    Ok(redact_all(state, &mut |_| Some(number))? > 0)
}

fn orphan(body: &mut [u8], number: u64) -> Result<bool, RecordError> {
    let kind = RecordKind::Orphan as u8;
    let (receipt, rest) = fixed::<OrphanLayout>(body, kind)?;
    let (source, rest) = string(rest, receipt.source_len.get(), kind)?;
    let (dest, words) = string(rest, receipt.dest_len.get(), kind)?;
    Ok(fill(source) | fill(dest) | mask_number(words, number))
}

fn inbound(body: &mut [u8]) -> Result<bool, RecordError> {
    let kind = RecordKind::Inbound as u8;
    let (message, rest) = fixed::<InboundLayout>(body, kind)?;
    let (source, rest) = string(rest, message.source_len.get(), kind)?;
    // The customer's own number stays.
    let (_, content) = string(rest, message.dest_len.get(), kind)?;
    Ok(fill(source) | fill(content))
}

fn fixed<T: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned>(
    body: &mut [u8],
    kind: u8,
) -> Result<(&mut T, &mut [u8]), RecordError> {
    T::mut_from_prefix(body).map_err(|_| RecordError::Length { kind })
}

fn string(rest: &mut [u8], len: u32, kind: u8) -> Result<(&mut [u8], &mut [u8]), RecordError> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    rest.split_at_mut_checked(len).ok_or(RecordError::Length { kind })
}

/// Overwrites a text; returns whether that changed it.
fn fill(text: &mut [u8]) -> bool {
    let changed = text.iter().any(|octet| *octet != FILLER);
    text.fill(FILLER);
    changed
}

/// Overwrites every run of at least seven digits that holds the end of `number`, however it is written before it:
/// with 00, with a national 0 or as part of something longer. Of an unknown number (0), every run
/// that is long enough to be one. Returns whether that changed the text.
pub fn mask_number(text: &mut [u8], number: u64) -> bool {
    let digits = number.to_string();
    let telling = digits.len().saturating_sub(TELLING_DIGITS);
    let telling = digits.as_bytes().get(telling..).unwrap_or_default();
    let mut changed = false;
    for run in text.chunk_by_mut(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let long = run.len() >= TELLING_DIGITS && run.iter().all(u8::is_ascii_digit);
        let held = || run.windows(telling.len().max(1)).any(|digits| digits == telling);
        if long && (number == 0 || held()) {
            changed |= fill(run);
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_are_known_however_they_are_written() {
        let masked = |text: &str, number| {
            let mut octets = text.as_bytes().to_vec();
            let changed = mask_number(&mut octets, number);
            assert_eq!(changed, octets != text.as_bytes());
            String::from_utf8_lossy(&octets).into_owned()
        };
        let number = 447_700_900_123;
        assert_eq!(masked("to:+447700900123 err:1", number), "to:+************ err:1");
        assert_eq!(masked("00447700900123", number), "**************");
        assert_eq!(masked("07700900123,no", number), "***********,no");
        assert_eq!(masked("id 4477009001230042", number), "id ****************");
        assert_eq!(masked("id 4477009001", number), "id 4477009001");
        assert_eq!(masked("12345678901234567", number), "12345678901234567");
        assert_eq!(masked("900123", number), "900123");
        assert_eq!(masked("id 1234567, 123456", 0), "id *******, 123456");
        assert_eq!(masked("", number), "");
    }
}
