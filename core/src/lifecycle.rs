//! The life of a part as one table, and the fold of parts to their message. Pure, lives nowhere.

/// Where a part is. The number is the log's.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PartStatus {
    /// Accepted; waits for a bind, or is on its way to the carrier.
    Queued = 0,
    /// Accepted; not to be sent before a time or an event.
    Held = 1,
    /// Taken by a carrier; waits for its receipt.
    Submitted = 2,
    /// Written to a bind that was lost before its answer came. Not final.
    OutcomeUnknown = 3,
    /// Final: the handset has it.
    Delivered = 4,
    /// Final: the carrier could not deliver it.
    Undelivered = 5,
    /// Final: its validity ended.
    Expired = 6,
    /// Final: the carrier, or every carrier, refused it.
    Rejected = 7,
    /// Final: the gateway could not send it.
    Failed = 8,
    /// Final: not to be sent any more.
    Canceled = 9,
    /// Final: no receipt came.
    Unknown = 10,
}

/// A message's status is one of the same, folded from its parts: see [`fold`].
pub type MessageStatus = PartStatus;

/// How many statuses there are.
const STATUSES: usize = 11;

impl PartStatus {
    /// Every status, by number.
    pub const ALL: [PartStatus; STATUSES] = [
        PartStatus::Queued,
        PartStatus::Held,
        PartStatus::Submitted,
        PartStatus::OutcomeUnknown,
        PartStatus::Delivered,
        PartStatus::Undelivered,
        PartStatus::Expired,
        PartStatus::Rejected,
        PartStatus::Failed,
        PartStatus::Canceled,
        PartStatus::Unknown,
    ];

    /// The word of the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PartStatus::Queued => "queued",
            PartStatus::Held => "held",
            PartStatus::Submitted => "submitted",
            PartStatus::OutcomeUnknown => "outcome_unknown",
            PartStatus::Delivered => "delivered",
            PartStatus::Undelivered => "undelivered",
            PartStatus::Expired => "expired",
            PartStatus::Rejected => "rejected",
            PartStatus::Failed => "failed",
            PartStatus::Canceled => "canceled",
            PartStatus::Unknown => "unknown",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<PartStatus> {
        PartStatus::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing changes it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            PartStatus::Queued
            | PartStatus::Held
            | PartStatus::Submitted
            | PartStatus::OutcomeUnknown => false,
            PartStatus::Delivered
            | PartStatus::Undelivered
            | PartStatus::Expired
            | PartStatus::Rejected
            | PartStatus::Failed
            | PartStatus::Canceled
            | PartStatus::Unknown => true,
        }
    }

    /// The status of this number.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<PartStatus> {
        PartStatus::ALL.get(usize::from(number)).copied()
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What happens to a part. The number is the log's.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PartEvent {
    /// Not to be sent now.
    Held = 0,
    /// A held part may be sent.
    Released = 1,
    /// The carrier took it.
    Submitted = 2,
    /// The carrier refused it; it goes back to the queue, for another carrier.
    Refused = 3,
    /// The bind was lost, or stayed silent, between request and answer.
    OutcomeUnknown = 4,
    /// Back to the queue after an unknown outcome or a throttle.
    Requeued = 5,
    /// A receipt that is not final.
    Intermediate = 6,
    /// Receipt: delivered.
    Delivered = 7,
    /// Receipt: not delivered.
    Undelivered = 8,
    /// The validity ended, by the receipt or by our clock.
    Expired = 9,
    /// Receipt: rejected; or every carrier refused it.
    Rejected = 10,
    /// The gateway gave up.
    Failed = 11,
    /// The customer, or another part's failure, took it back.
    Canceled = 12,
    /// No receipt by validity plus grace.
    TimedOut = 13,
    /// A receipt that contradicts a final status; the status stays.
    LateReceipt = 14,
    /// It is about to be written to a bind, and from now on may be at the carrier. On record before
    /// the first octet leaves, where a handset must not get it twice.
    Attempted = 15,
    /// A carrier took a copy of it that nothing waits for any more: the part was taken, or had
    /// ended, before. The carrier's id for that copy is kept.
    AcceptedLate = 16,
}

/// How many events there are.
const EVENTS: usize = 17;

impl PartEvent {
    /// Whether a carrier gave a copy of the part an id with it.
    #[must_use]
    pub const fn names_part(self) -> bool {
        matches!(self, PartEvent::Submitted | PartEvent::AcceptedLate)
    }

    /// Every event, by number.
    pub const ALL: [PartEvent; EVENTS] = [
        PartEvent::Held,
        PartEvent::Released,
        PartEvent::Submitted,
        PartEvent::Refused,
        PartEvent::OutcomeUnknown,
        PartEvent::Requeued,
        PartEvent::Intermediate,
        PartEvent::Delivered,
        PartEvent::Undelivered,
        PartEvent::Expired,
        PartEvent::Rejected,
        PartEvent::Failed,
        PartEvent::Canceled,
        PartEvent::TimedOut,
        PartEvent::LateReceipt,
        PartEvent::Attempted,
        PartEvent::AcceptedLate,
    ];

    /// The word of the API's timeline.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PartEvent::Held => "held",
            PartEvent::Released => "released",
            PartEvent::Submitted => "submitted",
            PartEvent::Refused => "refused",
            PartEvent::OutcomeUnknown => "outcome_unknown",
            PartEvent::Requeued => "requeued",
            PartEvent::Intermediate => "intermediate",
            PartEvent::Delivered => "delivered",
            PartEvent::Undelivered => "undelivered",
            PartEvent::Expired => "expired",
            PartEvent::Rejected => "rejected",
            PartEvent::Failed => "failed",
            PartEvent::Canceled => "canceled",
            PartEvent::TimedOut => "timed_out",
            PartEvent::LateReceipt => "late_receipt",
            PartEvent::Attempted => "attempted",
            PartEvent::AcceptedLate => "accepted_late",
        }
    }

    /// The event of this number.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<PartEvent> {
        PartEvent::ALL.get(usize::from(number)).copied()
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// An event that cannot happen to a part in this status: a broken invariant.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a part that is {} cannot take the event {}", .status.name(), .event.name())]
pub struct IllegalTransition {
    /// The status it is in.
    pub status: PartStatus,
    /// What was said to happen.
    pub event: PartEvent,
}

type Row = [Option<PartStatus>; STATUSES];

const QUEUED: Option<PartStatus> = Some(PartStatus::Queued);
const HELD: Option<PartStatus> = Some(PartStatus::Held);
const SUBMITTED: Option<PartStatus> = Some(PartStatus::Submitted);
const LOST: Option<PartStatus> = Some(PartStatus::OutcomeUnknown);
const UNKNOWN: Option<PartStatus> = Some(PartStatus::Unknown);
const NO: Option<PartStatus> = None;

/// Every status that is not final ends here; a receipt may come for a part that is still queued,
/// when a crash lost the record of its submit.
const fn ends(status: PartStatus) -> Row {
    let end = Some(status);
    [end, end, end, end, NO, NO, NO, NO, NO, NO, NO]
}

/// Final statuses stay as they are, and so does submitted where it is given.
const fn stays(submitted: Option<PartStatus>) -> Row {
    [
        NO,
        NO,
        submitted,
        NO,
        Some(PartStatus::Delivered),
        Some(PartStatus::Undelivered),
        Some(PartStatus::Expired),
        Some(PartStatus::Rejected),
        Some(PartStatus::Failed),
        Some(PartStatus::Canceled),
        Some(PartStatus::Unknown),
    ]
}

/// The whole life of a part: event by row, present status by column, next status in the cell.
const TABLE: [Row; EVENTS] = {
    let q = QUEUED;
    [
        // queued, held, submitted, outcome_unknown, then the final ones
        [HELD, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO],
        [NO, q, NO, NO, NO, NO, NO, NO, NO, NO, NO],
        // From outcome_unknown: the answer came after all.
        [SUBMITTED, NO, NO, SUBMITTED, NO, NO, NO, NO, NO, NO, NO],
        [q, NO, NO, q, NO, NO, NO, NO, NO, NO, NO],
        [LOST, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO],
        [q, NO, NO, q, NO, NO, NO, NO, NO, NO, NO],
        [q, HELD, SUBMITTED, LOST, NO, NO, NO, NO, NO, NO, NO],
        ends(PartStatus::Delivered),
        ends(PartStatus::Undelivered),
        ends(PartStatus::Expired),
        ends(PartStatus::Rejected),
        ends(PartStatus::Failed),
        ends(PartStatus::Canceled),
        // From queued: written to a bind whose answer is still outstanding.
        [UNKNOWN, NO, UNKNOWN, UNKNOWN, NO, NO, NO, NO, NO, NO, NO],
        stays(NO),
        [q, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO],
        stays(SUBMITTED),
    ]
};

/// The status of a part after an event.
///
/// # Errors
/// When the event cannot happen in this status.
pub fn next(status: PartStatus, event: PartEvent) -> Result<PartStatus, IllegalTransition> {
    let cell = TABLE.get(event.index()).and_then(|row| row.get(status.index()));
    cell.copied().flatten().ok_or(IllegalTransition { status, event })
}

/// The final failures, the one that says most first: a canceled part is often only the
/// consequence of another part's failure.
const FAILURES: [PartStatus; 5] = [
    PartStatus::Undelivered,
    PartStatus::Expired,
    PartStatus::Rejected,
    PartStatus::Failed,
    PartStatus::Canceled,
];

/// The status of a message with these parts, whatever their order.
///
/// Any failed part fails the message, in the order undelivered, expired, rejected, failed,
/// canceled. Without one: delivered when every part is final and at least one delivered, unknown
/// when none of them is known; else outcome_unknown if any part is, else submitted if any part is
/// or was, else held if any part is, else queued.
#[must_use]
pub fn fold(parts: &[PartStatus]) -> PartStatus {
    let any = |wanted: PartStatus| parts.contains(&wanted);
    if let Some(failure) = FAILURES.into_iter().find(|failure| any(*failure)) {
        return failure;
    }
    let delivered = any(PartStatus::Delivered);
    let unknown = any(PartStatus::Unknown);
    if !parts.is_empty() && parts.iter().all(|part| part.is_final()) {
        return if delivered { PartStatus::Delivered } else { PartStatus::Unknown };
    }
    if any(PartStatus::OutcomeUnknown) {
        PartStatus::OutcomeUnknown
    } else if any(PartStatus::Submitted) || delivered || unknown {
        PartStatus::Submitted
    } else if any(PartStatus::Held) {
        PartStatus::Held
    } else {
        PartStatus::Queued
    }
}
