//! Delivery receipts as we write them to those who bind to us: the text of 3.4 appendix B and the TLVs of
//! 5.0 section 4.3.5.1. What is written here, `receipt` reads back. Pure, lives nowhere.

use core::fmt::Write as _;

use arrayvec::ArrayString;

use crate::receipt::ReceiptState;
use crate::tlv::{Tlv, tag};

/// Octets of the message that a receipt repeats (3.4 appendix B).
pub const EXCERPT_MAX: usize = 20;

/// A receipt for a message that was submitted to us.
#[derive(Copy, Clone)]
pub struct OwnReceipt<'a> {
    /// The id that the submit was answered with, at most 64 octets.
    pub id: &'a [u8],
    /// What became of the message.
    pub state: ReceiptState,
    /// When it was submitted, in seconds since 1970.
    pub submitted: u64,
    /// When the state was reached, in seconds since 1970.
    pub done: u64,
    /// The error code, without white space; empty for none, which is written as `000`.
    pub err: &'a [u8],
    /// The beginning of the message, from [`excerpt`].
    pub text: &'a [u8],
    /// network_error_code, when the network gave one.
    pub network_error_code: Option<[u8; 3]>,
}

impl core::fmt::Debug for OwnReceipt<'_> {
    /// Without the text, which is the customer's.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OwnReceipt")
            .field("id", &self.id.escape_ascii().to_string())
            .field("state", &self.state)
            .field("err", &self.err.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

impl OwnReceipt<'_> {
    /// Appends the text, with dates in UTC.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        let delivered: &[u8] = if self.state == ReceiptState::Delivered { b"001" } else { b"000" };
        let (submitted, done) = (receipt_date(self.submitted), receipt_date(self.done));
        let parts: [(&[u8], &[u8]); 8] = [
            (b"id:", self.id),
            (b" sub:", b"001"),
            (b" dlvrd:", delivered),
            (b" submit date:", submitted.as_bytes()),
            (b" done date:", done.as_bytes()),
            (b" stat:", self.state.stat().as_bytes()),
            (b" err:", if self.err.is_empty() { b"000" } else { self.err }),
            (b" text:", self.text),
        ];
        for (key, value) in parts {
            out.extend_from_slice(key);
            out.extend_from_slice(value);
        }
    }

    /// Appends receipted_message_id, message_state and, when it is known, network_error_code.
    pub fn write_tlvs(&self, out: &mut Vec<u8>) {
        let mut id = self.id.to_vec();
        id.push(0);
        let state = [self.state.message_state()];
        let fits = Tlv { tag: tag::RECEIPTED_MESSAGE_ID, value: &id }.write(out)
            && Tlv { tag: tag::MESSAGE_STATE, value: &state }.write(out);
        debug_assert!(fits, "an id of 64 octets fits");
        if let Some(code) = &self.network_error_code {
            Tlv { tag: tag::NETWORK_ERROR_CODE, value: code }.write(out);
        }
    }
}

impl ReceiptState {
    /// The word after `stat:` (3.4 appendix B; the two states of 5.0 in the same manner).
    pub const fn stat(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDLD",
            Self::Enroute => "ENROUTE",
            Self::Delivered => "DELIVRD",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIV",
            Self::Accepted => "ACCEPTD",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTD",
            Self::Skipped => "SKIPPED",
        }
    }

    /// The value of message_state (3.4 section 5.2.28, 5.0 section 4.7.15).
    pub const fn message_state(self) -> u8 {
        match self {
            Self::Scheduled => 0,
            Self::Enroute => 1,
            Self::Delivered => 2,
            Self::Expired => 3,
            Self::Deleted => 4,
            Self::Undeliverable => 5,
            Self::Accepted => 6,
            Self::Unknown => 7,
            Self::Rejected => 8,
            Self::Skipped => 9,
        }
    }
}

/// The first [`EXCERPT_MAX`] characters of a text as a receipt repeats them: those that ASCII, Latin-1
/// and GSM 03.38 all write with the same octet; `?` stands for any other.
pub fn excerpt(text: &str) -> arrayvec::ArrayVec<u8, EXCERPT_MAX> {
    let same = |character: char| {
        let octet = u8::try_from(character).unwrap_or(0);
        let everywhere =
            octet.is_ascii_alphanumeric() || b" !\"#%&'()*+,-./:;<=>?".contains(&octet);
        if everywhere { octet } else { b'?' }
    };
    text.trim_start().chars().take(EXCERPT_MAX).map(same).collect()
}

/// A point in time as `YYMMDDhhmm`, UTC.
pub fn receipt_date(unix_s: u64) -> ArrayString<10> {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Days since 0000-03-01, in eras of 400 years of 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    let mut out = ArrayString::new();
    // Five numbers of two digits fill the ten octets exactly.
    let written = write!(out, "{:02}{month:02}{day:02}{hour:02}{minute:02}", year % 100);
    debug_assert!(written.is_ok(), "ten octets");
    out
}
