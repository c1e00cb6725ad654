//! The receipts of our own messages: which of them a customer asked for, and the deliver_sm of each.
//! Pure, lives nowhere.

use arrayvec::ArrayVec;
use postrider_core::clock::UnixMs;
use postrider_core::content::{Content, Origin};
use postrider_core::lifecycle::{self, PartEvent, PartStatus};
use postrider_smpp::receipt::{EXCERPT_MAX, OwnReceipt, ReceiptState, excerpt};

use super::pdu::{Address, CustomerDelivery};
use crate::shard::message::{Envelope, Event, Message};

/// esm_class of the final receipt and of those in between [3.4 section 5.2.12].
const RECEIPT: u8 = 0x04;
const INTERMEDIATE: u8 = 0x20;
/// registered_delivery bits [3.4 section 5.2.17; 5.0 section 4.7.21].
const FINAL_BITS: u8 = 0x03;
const INTERMEDIATE_BIT: u8 = 0x10;
/// Characters of an error code that are repeated.
const ERR_MAX: usize = 4;
/// The word before a receipt's network_error_code among the words of its event, in hexadecimal.
pub(crate) const NETWORK_ERROR_CODE: &str = "network_error_code:";

/// How handing something to a customer's binds ended; the number is the log's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum DeliveryEnd {
    Delivered = 1,
    GivenUp = 2,
}

impl DeliveryEnd {
    pub(crate) fn from_u8(value: u8) -> Option<Self> {
        [DeliveryEnd::Delivered, DeliveryEnd::GivenUp].into_iter().find(|end| *end as u8 == value)
    }
}

impl DeliveryEnd {
    /// The word of the API for a receipt.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DeliveryEnd::Delivered => "receipt_delivered",
            DeliveryEnd::GivenUp => "receipt_given_up",
        }
    }
}

/// The end of one receipt of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiptEnd {
    /// 0 the final one, `n` that of the `n`th interim event.
    pub(crate) receipt: u16,
    /// Times it was handed to a bind.
    pub(crate) attempt: u16,
    pub(crate) at: UnixMs,
    pub(crate) end: DeliveryEnd,
    /// The customer's last command_status.
    pub(crate) status: u32,
}

/// Whether the customer asked for a receipt of this end.
pub(crate) fn wants_final(envelope: &Envelope, status: PartStatus) -> bool {
    let delivered = status == PartStatus::Delivered;
    envelope.origin == Origin::Smpp
        && match envelope.registered_delivery & FINAL_BITS {
            1 => true,
            2 => !delivered,
            3 => delivered,
            _ => false,
        }
}

/// Whether the last event is an interim state that the customer wants to hear of: several parts
/// tell it several times.
pub(crate) fn is_news(message: &Message) -> bool {
    let envelope = &message.envelope;
    if envelope.origin != Origin::Smpp || envelope.registered_delivery & INTERMEDIATE_BIT == 0 {
        return false;
    }
    let mut states = interim_events(message).map(|event| Words::of(event).state);
    let last = states.next_back();
    last.is_some() && last != states.next_back()
}

fn interim_events(message: &Message) -> impl DoubleEndedIterator<Item = &Event> {
    message.events.iter().filter(|event| event.kind == PartEvent::Intermediate)
}

/// When the customer's right to a receipt began.
pub(crate) fn owed_since(message: &Message, receipt: u16) -> Option<UnixMs> {
    match receipt.checked_sub(1) {
        Some(nth) => interim_events(message).nth(nth.into()).map(|event| event.at),
        None => message.finished,
    }
}

/// The deliver_sm of a receipt; `None` when the message has no such receipt.
pub(crate) fn receipt_pdu(message: &Message, receipt: u16) -> Option<CustomerDelivery> {
    let done = owed_since(message, receipt)?;
    let (esm_class, state, words) = match receipt.checked_sub(1) {
        Some(nth) => {
            let words = Words::of(interim_events(message).nth(nth.into())?);
            (INTERMEDIATE, words.state.unwrap_or(ReceiptState::Enroute), words)
        }
        None => {
            let words = deciding_event(message).map(Words::of).unwrap_or_default();
            (RECEIPT, final_state(message.outcome?, &words), words)
        }
    };
    let envelope = &message.envelope;
    let id = envelope.customers_id().to_string();
    let err = if state == ReceiptState::Delivered { "000" } else { words.err.as_str() };
    let own = OwnReceipt {
        id: id.as_bytes(),
        state,
        submitted: envelope.accepted.0 / 1_000,
        done: done.0 / 1_000,
        err: err.as_bytes(),
        text: &if message.is_apart() { ArrayVec::new() } else { excerpt_of(&envelope.content) },
        network_error_code: words.network_error_code,
    };
    let (mut short_message, mut tlvs) = (Vec::new(), Vec::new());
    own.write_text(&mut short_message);
    own.write_tlvs(&mut tlvs);
    Some(CustomerDelivery {
        source: address(envelope.dest_ton_npi, envelope.to.digits().as_bytes()),
        dest: address(envelope.source_ton_npi, envelope.sender.address().as_bytes()),
        esm_class,
        short_message,
        tlvs,
        ..CustomerDelivery::default()
    })
}

/// How a final message ended, as the customer is told it, and the network's error as far as it fits
/// one octet.
pub(crate) fn ending(message: &Message) -> (ReceiptState, u8) {
    let words = deciding_event(message).map(Words::of).unwrap_or_default();
    let state = message.outcome.map_or(ReceiptState::Unknown, |out| final_state(out, &words));
    let delivered = state == ReceiptState::Delivered;
    (state, words.err.parse().ok().filter(|_| !delivered).unwrap_or(0))
}

fn address([ton, npi]: [u8; 2], digits: &[u8]) -> Address {
    Address::new(ton, npi, digits)
}

/// The event that gave the message its final status.
fn deciding_event(message: &Message) -> Option<&Event> {
    let outcome = message.outcome?;
    let decides = |event: &&Event| {
        lifecycle::next(PartStatus::Submitted, event.kind).is_ok_and(|status| status == outcome)
    };
    message.events.iter().find(decides)
}

/// The carrier's own word where it has one, since the specification knows more ends than we do.
fn final_state(outcome: PartStatus, words: &Words) -> ReceiptState {
    let own = match outcome {
        PartStatus::Delivered => return ReceiptState::Delivered,
        PartStatus::Unknown => return ReceiptState::Unknown,
        PartStatus::Canceled => return ReceiptState::Deleted,
        PartStatus::Expired => ReceiptState::Expired,
        PartStatus::Rejected => ReceiptState::Rejected,
        PartStatus::Undelivered
        | PartStatus::Failed
        | PartStatus::Queued
        | PartStatus::Held
        | PartStatus::Submitted
        | PartStatus::OutcomeUnknown => ReceiptState::Undeliverable,
    };
    words.state.filter(|state| state.is_final()).unwrap_or(own)
}

/// What the words of a carrier's receipt, or its answer, say.
#[derive(Default)]
struct Words {
    state: Option<ReceiptState>,
    /// At least three characters; `000` for none.
    err: String,
    network_error_code: Option<[u8; 3]>,
}

impl Words {
    fn of(event: &Event) -> Self {
        let text = String::from_utf8_lossy(&event.detail);
        let after = |key| text.split_ascii_whitespace().find_map(|word| word.strip_prefix(key));
        let first = text.split_ascii_whitespace().next().unwrap_or_default();
        let mut err: String = after("err:")
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(ERR_MAX)
            .collect();
        if err.is_empty() {
            err = format!("{:03}", event.status);
        }
        Words {
            state: ReceiptState::from_stat(first.as_bytes()),
            err,
            network_error_code: after(NETWORK_ERROR_CODE).and_then(read_code),
        }
    }
}

/// Three octets in hexadecimal.
fn read_code(hex: &str) -> Option<[u8; 3]> {
    let number = u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 6)?;
    let [_, code @ ..] = number.to_be_bytes();
    Some(code)
}

/// What of a message a receipt repeats: of octets only those that are surely text, and nothing of what
/// is not kept.
fn excerpt_of(content: &Content) -> ArrayVec<u8, EXCERPT_MAX> {
    match content {
        Content::Text(text) => excerpt(text.expose()),
        Content::Octets(octets) if matches!(octets.data_coding, 0 | 1 | 3) => {
            let start: String =
                octets.data.expose().iter().take(EXCERPT_MAX).map(|o| char::from(*o)).collect();
            excerpt(&start)
        }
        Content::Octets(_) | Content::Discarded => ArrayVec::new(),
    }
}

#[cfg(test)]
#[path = "receipt_tests.rs"]
mod tests;
