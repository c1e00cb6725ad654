//! Bounds of fields that the two versions set apart or that the type of the field does not hold, as data
//! (3.4 section 5.2, 5.0 section 4.7). What is sent keeps to its session's version; from an ESME the wider of
//! both is taken, and from a carrier anything. Pure data, lives nowhere.

use core::ops::RangeInclusive;

use crate::command::CommandId as C;
use crate::pdu::{EncodeError, VERSION_5_0};
use crate::status::CommandStatus as S;

/// The bound of one field.
#[derive(Debug)]
pub struct Bound {
    /// The specification's name of the field.
    pub field: &'static str,
    /// The status that refuses a value out of bounds.
    pub status: S,
    /// The bits that are bounded; the others are free.
    pub mask: u8,
    /// The bounds, by command; a command that is in no row is free.
    pub rows: &'static [BoundRow],
    /// Every value below is within the bounds of every command and version.
    below: u16,
}

const fn bound(field: &'static str, status: S, mask: u8, rows: &'static [BoundRow]) -> Bound {
    let (mut below, mut rest) = (256, rows);
    while let [row, behind @ ..] = rest {
        below = least(below, least(low_values(&row.v3_4), low_values(&row.v5_0)));
        rest = behind;
    }
    Bound { field, status, mask, rows, below }
}

/// How many values from 0 on a range holds.
const fn low_values(range: &RangeInclusive<u8>) -> u16 {
    if *range.start() == 0 { *range.end() as u16 + 1 } else { 0 }
}

const fn least(one: u16, other: u16) -> u16 {
    if one < other { one } else { other }
}

/// The bound of a field in some commands: of its value, or of its length where it is a time.
#[derive(Debug)]
pub struct BoundRow {
    /// The commands.
    pub commands: &'static [C],
    /// In 3.4.
    pub v3_4: RangeInclusive<u8>,
    /// From 5.0.
    pub v5_0: RangeInclusive<u8>,
}

const fn row(
    commands: &'static [C],
    v3_4: RangeInclusive<u8>,
    v5_0: RangeInclusive<u8>,
) -> BoundRow {
    BoundRow { commands, v3_4, v5_0 }
}

static SUBMITTED: &[C] = &[C::SUBMIT_SM, C::SUBMIT_MULTI, C::REPLACE_SM];

/// Octets of the text.
pub(crate) static SM_LENGTH: Bound = bound(
    "sm_length",
    S::ESME_RINVMSGLEN,
    0xFF,
    &[row(SUBMITTED, 0..=254, 0..=255), row(&[C::DELIVER_SM], 0..=254, 0..=255)],
);

/// Destinations of submit_multi.
pub(crate) static NUMBER_OF_DESTS: Bound = bound(
    "number_of_dests",
    S::ESME_RINVNUMDESTS,
    0xFF,
    &[row(&[C::SUBMIT_MULTI], 1..=254, 1..=255)],
);

/// Refused destinations of submit_multi_resp.
pub(crate) static NO_UNSUCCESS: Bound = bound(
    "no_unsuccess",
    S::ESME_RINVNUMDESTS,
    0xFF,
    &[row(&[C::SUBMIT_MULTI_RESP], 0..=254, 0..=255)],
);

/// A canned message of the message centre, 0 for none; unused in what a 3.4 carrier delivers.
pub(crate) static SM_DEFAULT_MSG_ID: Bound = bound(
    "sm_default_msg_id",
    S::ESME_RINVDFTMSGID,
    0xFF,
    &[row(SUBMITTED, 0..=254, 0..=255), row(&[C::DELIVER_SM], 0..=0, 0..=255)],
);

/// Reserved in 3.4's submit_multi and deliver_sm.
pub(crate) static REPLACE_IF_PRESENT: Bound = bound(
    "replace_if_present_flag",
    S::ESME_RINVREPFLAG,
    0xFF,
    &[
        row(&[C::SUBMIT_SM, C::BROADCAST_SM], 0..=1, 0..=1),
        row(&[C::SUBMIT_MULTI, C::DELIVER_SM], 0..=0, 0..=1),
    ],
);

/// Level 4 is for cell broadcast alone.
pub(crate) static PRIORITY: Bound = bound(
    "priority_flag",
    S::ESME_RINVPRTFLG,
    0xFF,
    &[
        row(&[C::SUBMIT_SM, C::SUBMIT_MULTI, C::DELIVER_SM], 0..=3, 0..=3),
        row(&[C::BROADCAST_SM], 0..=4, 0..=4),
    ],
);

/// A receipt on success alone is for 5.0.
pub(crate) static REGISTERED_DELIVERY: Bound = bound(
    "registered_delivery",
    S::ESME_RINVREGDLVFLG,
    0x03,
    &[row(&[C::SUBMIT_SM, C::SUBMIT_MULTI, C::DATA_SM, C::REPLACE_SM], 0..=2, 0..=3)],
);

/// Octets without the NUL. 5.0 has it between message centres.
pub(crate) static SCHEDULE: Bound = bound(
    "schedule_delivery_time",
    S::ESME_RINVSCHED,
    0xFF,
    &[row(&[C::DELIVER_SM], 0..=0, 0..=16)],
);

/// Octets without the NUL. 5.0 has it between message centres.
pub(crate) static VALIDITY: Bound =
    bound("validity_period", S::ESME_RINVEXPIRY, 0xFF, &[row(&[C::DELIVER_SM], 0..=0, 0..=16)]);

/// Every bound.
pub static BOUNDS: &[&Bound] = &[
    &SM_LENGTH,
    &NUMBER_OF_DESTS,
    &NO_UNSUCCESS,
    &SM_DEFAULT_MSG_ID,
    &REPLACE_IF_PRESENT,
    &PRIORITY,
    &REGISTERED_DELIVERY,
    &SCHEDULE,
    &VALIDITY,
];

impl Bound {
    /// What `command` may have in a session of interface `version`.
    pub fn range(&self, command: C, version: u8) -> RangeInclusive<u8> {
        match self.rows.iter().find(|row| row.commands.contains(&command)) {
            Some(row) if version >= VERSION_5_0 => row.v5_0.clone(),
            Some(row) => row.v3_4.clone(),
            None => 0..=u8::MAX,
        }
    }

    #[inline]
    fn allows(&self, command: C, version: u8, value: u8) -> bool {
        let value = value & self.mask;
        u16::from(value) < self.below || self.range(command, version).contains(&value)
    }

    /// For sending.
    #[inline]
    pub(crate) fn check(&self, command: C, version: u8, value: u8) -> Result<(), EncodeError> {
        let out = EncodeError::OutOfBounds { field: self.field, value };
        if self.allows(command, version, value) { Ok(()) } else { Err(out) }
    }

    /// For sending: `length` of `field` as an octet within the bound.
    #[inline]
    pub(crate) fn check_length(
        &self,
        command: C,
        version: u8,
        field: &'static str,
        length: usize,
    ) -> Result<u8, EncodeError> {
        if let Ok(length) = u8::try_from(length)
            && u16::from(length) < self.below
        {
            return Ok(length);
        }
        let max = *self.range(command, version).end();
        let too_long = EncodeError::FieldTooLong { field, max: usize::from(max) };
        let length = u8::try_from(length).map_err(|_| too_long)?;
        if length > max { Err(too_long) } else { Ok(length) }
    }

    /// For what an ESME asks.
    #[inline]
    pub(crate) fn accept(&self, command: C, value: u8) -> Result<u8, S> {
        if self.allows(command, VERSION_5_0, value) { Ok(value) } else { Err(self.status) }
    }
}
