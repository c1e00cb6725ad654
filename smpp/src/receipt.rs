//! Delivery receipts (3.4 appendix B, 5.0 section 4.3.5.1): TLVs first, then the text in every form met in
//! the wild. No copy, no allocation. Pure, lives nowhere.

use crate::pdu::ShortMessage;
use crate::receipt_text::{Key, TextScan};
use crate::tlv::tag;

pub use crate::json::receipt_to_json;
pub use crate::receipt_text::{ReceiptDate, read_date};
pub use crate::receipt_write::{EXCERPT_MAX, OwnReceipt, excerpt, receipt_date};

/// What became of a message (3.4 section 5.2.28, 5.0 section 4.7.15).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ReceiptState {
    /// Not yet sent (5.0).
    Scheduled,
    /// On its way.
    Enroute,
    /// On the handset.
    Delivered,
    /// Its validity ended.
    Expired,
    /// Deleted by somebody.
    Deleted,
    /// It cannot be delivered.
    Undeliverable,
    /// Taken on the user's behalf. Many carriers send it before DELIVERED.
    Accepted,
    /// The carrier does not know.
    Unknown,
    /// Refused.
    Rejected,
    /// Left out (5.0).
    Skipped,
}

impl ReceiptState {
    /// The specification's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "SCHEDULED",
            Self::Enroute => "ENROUTE",
            Self::Delivered => "DELIVERED",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIVERABLE",
            Self::Accepted => "ACCEPTED",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTED",
            Self::Skipped => "SKIPPED",
        }
    }

    /// True when nothing is to be expected any more. ACCEPTED counts as an interim state: in the wild
    /// DELIVERED follows it.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Scheduled | Self::Enroute | Self::Accepted | Self::Unknown => false,
            Self::Delivered
            | Self::Expired
            | Self::Deleted
            | Self::Undeliverable
            | Self::Rejected
            | Self::Skipped => true,
        }
    }

    /// The state that the TLV message_state gives.
    pub const fn from_message_state(state: u8) -> Option<Self> {
        Some(match state {
            0 => Self::Scheduled,
            1 => Self::Enroute,
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Deleted,
            5 => Self::Undeliverable,
            6 => Self::Accepted,
            7 => Self::Unknown,
            8 => Self::Rejected,
            9 => Self::Skipped,
            _ => return None,
        })
    }

    /// The state that the word after `stat:` gives, in any case: the short words of appendix B, the full
    /// names, and aliases met in the wild.
    pub fn from_stat(stat: &[u8]) -> Option<Self> {
        let found = STATS.iter().find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(stat));
        found.map(|(_, state)| *state)
    }
}

static STATS: &[(&str, ReceiptState)] = &[
    ("DELIVRD", ReceiptState::Delivered),
    ("DELIVERED", ReceiptState::Delivered),
    ("UNDELIV", ReceiptState::Undeliverable),
    ("UNDELIVERABLE", ReceiptState::Undeliverable),
    ("UNDELIVERED", ReceiptState::Undeliverable),
    ("UNDELIVRD", ReceiptState::Undeliverable),
    ("FAILED", ReceiptState::Undeliverable),
    ("EXPIRED", ReceiptState::Expired),
    ("DELETED", ReceiptState::Deleted),
    ("ACCEPTD", ReceiptState::Accepted),
    ("ACCEPTED", ReceiptState::Accepted),
    ("UNKNOWN", ReceiptState::Unknown),
    ("REJECTD", ReceiptState::Rejected),
    ("REJECTED", ReceiptState::Rejected),
    ("DND_REJECTED", ReceiptState::Rejected),
    ("ENROUTE", ReceiptState::Enroute),
    ("EN_ROUTE", ReceiptState::Enroute),
    ("ACKED", ReceiptState::Enroute),
    ("BUFFRED", ReceiptState::Enroute),
    ("BUFFERD", ReceiptState::Enroute),
    ("BUFFERED", ReceiptState::Enroute),
    ("SCHEDLD", ReceiptState::Scheduled),
    ("SCHEDULED", ReceiptState::Scheduled),
    ("SKIPPED", ReceiptState::Skipped),
];

/// A receipt. Every part is as it was sent; `None` is absent, empty is sent empty.
#[derive(Copy, Clone, PartialEq, Eq, Default)]
pub struct Receipt<'a> {
    /// The carrier's id of the message: the TLV's, else the text's.
    pub id: &'a [u8],
    /// What became of it: the TLV's, else that of `stat`. `None` for a word that is not known.
    pub state: Option<ReceiptState>,
    /// The word after `stat:`; empty when only the TLV is there.
    pub stat: &'a [u8],
    /// The carrier's error code, free text.
    pub err: Option<&'a [u8]>,
    /// When the message was submitted, in the carrier's zone; see [`read_date`].
    pub submit_date: Option<&'a [u8]>,
    /// When the state was reached, in the carrier's zone; see [`read_date`].
    pub done_date: Option<&'a [u8]>,
    /// Parts submitted, often nonsense.
    pub sub: Option<&'a [u8]>,
    /// Parts delivered, often nonsense.
    pub dlvrd: Option<&'a [u8]>,
    /// The beginning of the message, in any alphabet.
    pub text: Option<&'a [u8]>,
    /// The TLV network_error_code, raw: a network type and a code, 3 or sometimes 4 octets.
    pub network_error_code: Option<&'a [u8]>,
    /// The text's id where it differs from the TLV's: try both.
    pub text_id: Option<&'a [u8]>,
}

impl core::fmt::Debug for Receipt<'_> {
    /// Without the text, which is the customer's.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Receipt")
            .field("id", &self.id.escape_ascii().to_string())
            .field("state", &self.state)
            .field("stat", &self.stat.escape_ascii().to_string())
            .field("err", &self.err.map(|err| err.escape_ascii().to_string()))
            .finish_non_exhaustive()
    }
}

/// Reads the receipt in a deliver_sm or data_sm.
///
/// `None` when the message is no receipt: neither `esm_class` nor the TLV receipted_message_id says so; or
/// when it lacks an id or a state.
pub fn parse_receipt<'a>(message: &ShortMessage<'a>) -> Option<Receipt<'a>> {
    complete(message, receipt_from(message, user_data(message)))
}

/// As [`parse_receipt`], and also reads a text in UCS-2 (`data_coding` 8), which is decoded into `scratch`.
pub fn parse_receipt_decoded<'a>(
    message: &ShortMessage<'a>,
    scratch: &'a mut Vec<u8>,
) -> Option<Receipt<'a>> {
    complete(message, read_receipt(message, scratch))
}

/// Whatever a message has of a receipt, parameters before text, which may be nothing: for those who know by
/// other signs that it is one.
pub fn read_receipt<'a>(message: &ShortMessage<'a>, scratch: &'a mut Vec<u8>) -> Receipt<'a> {
    let text = user_data(message);
    if message.data_coding & 0x0C != 0x08 || TextScan::new(text).get(Key::Stat).is_some() {
        return receipt_from(message, text);
    }
    scratch.clear();
    let units = text.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    for character in char::decode_utf16(units) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    receipt_from(message, scratch)
}

/// The receipt, when the message says that it is one and nothing that it needs is missing.
fn complete<'a>(message: &ShortMessage<'a>, receipt: Receipt<'a>) -> Option<Receipt<'a>> {
    let named = message.tlvs.get_cstring(tag::RECEIPTED_MESSAGE_ID).is_some();
    let marked = message.is_receipt() || named;
    let told = receipt.state.is_some() || !receipt.stat.is_empty();
    (marked && !receipt.id.is_empty() && told).then_some(receipt)
}

/// The text without its user data header.
fn user_data<'a>(message: &ShortMessage<'a>) -> &'a [u8] {
    let text = message.text();
    if !message.has_udh() {
        return text;
    }
    text.split_first().and_then(|(length, rest)| rest.get(usize::from(*length)..)).unwrap_or(text)
}

fn receipt_from<'a>(message: &ShortMessage<'a>, text: &'a [u8]) -> Receipt<'a> {
    let id = message.tlvs.get_cstring(tag::RECEIPTED_MESSAGE_ID);
    let state = message.tlvs.get_int(tag::MESSAGE_STATE);
    let state =
        state.and_then(|state| u8::try_from(state).ok()).and_then(ReceiptState::from_message_state);
    let mut receipt = scan(text);
    if let Some(id) = id {
        let differs = !receipt.id.is_empty() && receipt.id != id;
        receipt.text_id = differs.then_some(receipt.id);
        receipt.id = id;
    }
    receipt.state = state.or(receipt.state);
    receipt.network_error_code =
        message.tlvs.get(tag::NETWORK_ERROR_CODE).filter(|code| !code.is_empty());
    receipt
}

/// Reads a receipt's text; `None` when it lacks an id or a stat.
///
/// Keys may stand in any order and case; only those before the first ` text:` count, unless id or stat is
/// only behind it. NULs at the end are ignored.
pub fn parse_receipt_text(text: &[u8]) -> Option<Receipt<'_>> {
    let receipt = scan(text);
    (!receipt.id.is_empty() && !receipt.stat.is_empty()).then_some(receipt)
}

fn scan(text: &[u8]) -> Receipt<'_> {
    let scan = TextScan::new(text);
    let stat = scan.get(Key::Stat).unwrap_or_default();
    Receipt {
        id: scan.get(Key::Id).unwrap_or_default(),
        state: ReceiptState::from_stat(stat),
        stat,
        err: scan.get(Key::Err),
        submit_date: scan.get(Key::SubmitDate),
        done_date: scan.get(Key::DoneDate),
        sub: scan.get(Key::Sub),
        dlvrd: scan.get(Key::Dlvrd),
        text: scan.text(),
        network_error_code: None,
        text_id: None,
    }
}

/// True when a receipt's id is that of a submit_sm_resp: the same octets; or the same in another case; or,
/// where both are hexadecimal digits, the same without leading zeros. Never converts between bases, which
/// only a carrier's profile can tell. Empty ids match nothing.
pub fn ids_match(response_id: &[u8], receipt_id: &[u8]) -> bool {
    if response_id.is_empty() || receipt_id.is_empty() {
        return false;
    }
    response_id.eq_ignore_ascii_case(receipt_id)
        || matches!(
            (without_zeros(response_id), without_zeros(receipt_id)),
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b)
        )
}

fn without_zeros(id: &[u8]) -> Option<&[u8]> {
    if !id.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let zeros = id.iter().take_while(|digit| **digit == b'0').count();
    id.get(zeros..)
}
