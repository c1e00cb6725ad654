//! A carrier's receipt: told from a message by the carrier's profile, and put into octets of our own;
//! and the form in which a parked one lies in the log. Pure.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::ReceiptDetection;
use postrider_core::number::Msisdn;
use postrider_core::route::CarrierIx;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::{Receipt, ReceiptState, read_receipt};
use postrider_smpp::tlv::tag;
use postrider_storage::Record;

use super::deliveries::receipt::NETWORK_ERROR_CODE;
use super::mesh::ReceiptNotice;

/// What the PDU is when it is a receipt by the carrier's profile.
pub(super) fn notice_of(
    carrier: CarrierIx,
    detection: ReceiptDetection,
    now: Now,
    message: &ShortMessage<'_>,
) -> Option<Box<ReceiptNotice>> {
    let mut decoded = Vec::new();
    let receipt = read_receipt(message, &mut decoded);
    if !is_receipt(detection, message, &receipt) {
        return None;
    }
    let reference = message.tlvs.get_int(tag::USER_MESSAGE_REFERENCE);
    Some(Box::new(ReceiptNotice {
        carrier,
        source: message.source.to_vec(),
        destination: message.dest.to_vec(),
        handset: Msisdn::from_carrier(message.source),
        id: receipt.id.to_vec(),
        other_id: receipt.text_id.map(<[u8]>::to_vec),
        reference: reference.and_then(|reference| u16::try_from(reference).ok()),
        state: receipt.state,
        words: words_of(&receipt),
        at: now.wall,
    }))
}

fn is_receipt(by: ReceiptDetection, message: &ShortMessage<'_>, receipt: &Receipt<'_>) -> bool {
    let tlvs = &message.tlvs;
    let named = tlvs.get(tag::RECEIPTED_MESSAGE_ID).is_some();
    let told = tlvs.get(tag::MESSAGE_STATE).is_some();
    // A person may write `id:` and `stat:` too; hardly with the dates or counts of appendix B.
    let dated = receipt.done_date.or(receipt.submit_date).or(receipt.dlvrd).is_some();
    let reads_as_one = !receipt.id.is_empty() && !receipt.stat.is_empty() && dated;
    (by.esm_class && message.is_receipt()) || (by.tlv && named && told) || (by.text && reads_as_one)
}

/// What an event keeps of a receipt: its state's word, its error code, that of the network.
fn words_of(receipt: &Receipt<'_>) -> Vec<u8> {
    let mut words = match receipt.state {
        Some(state) if receipt.stat.is_empty() => state.stat().as_bytes().to_vec(),
        Some(_) | None => receipt.stat.to_vec(),
    };
    if let Some(err) = receipt.err {
        words.extend_from_slice(b" err:");
        words.extend_from_slice(err);
    }
    if let Some([network, high, low]) = receipt.network_error_code {
        let code = format!(" {NETWORK_ERROR_CODE}{network:02x}{high:02x}{low:02x}");
        words.extend_from_slice(code.as_bytes());
    }
    words
}

/// message_state values [3.4 section 5.2.28]; 255 when the receipt named none that we know.
const STATES: [(ReceiptState, u8); 10] = [
    (ReceiptState::Scheduled, 0),
    (ReceiptState::Enroute, 1),
    (ReceiptState::Delivered, 2),
    (ReceiptState::Expired, 3),
    (ReceiptState::Deleted, 4),
    (ReceiptState::Undeliverable, 5),
    (ReceiptState::Accepted, 6),
    (ReceiptState::Unknown, 7),
    (ReceiptState::Rejected, 8),
    (ReceiptState::Skipped, 9),
];

fn state_to_u8(state: Option<ReceiptState>) -> u8 {
    let found = STATES.iter().find(|(own, _)| Some(*own) == state);
    found.map_or(255, |(_, number)| *number)
}

/// What a parked receipt is known by: its id, and, each behind a NUL, its second id and its
/// reference in decimal, as far as it has them.
pub(super) fn names_of(notice: &ReceiptNotice) -> Vec<u8> {
    let mut names = notice.id.clone();
    let other = notice.other_id.as_deref();
    if other.is_some() || notice.reference.is_some() {
        names.push(0);
        names.extend_from_slice(other.unwrap_or_default());
    }
    if let Some(reference) = notice.reference {
        names.push(0);
        names.extend_from_slice(reference.to_string().as_bytes());
    }
    names
}

/// A parked receipt as the log holds it; `names` as [`names_of`] gives them.
pub(super) fn orphan_record<'a>(
    orphan: u64,
    carrier: u32,
    names: &'a [u8],
    notice: &'a ReceiptNotice,
) -> Record<'a> {
    Record::Orphan {
        orphan,
        carrier,
        at_ms: notice.at.0,
        source: &notice.source,
        dest: &notice.destination,
        carrier_message_id: names,
        state: state_to_u8(notice.state),
        error: &notice.words,
    }
}

/// The parked receipt of a record; `None` of another kind.
pub(super) fn orphan_notice(record: &Record<'_>, carrier: CarrierIx) -> Option<ReceiptNotice> {
    let Record::Orphan { at_ms, source, dest, carrier_message_id, state, error, .. } = record
    else {
        return None;
    };
    let mut names = carrier_message_id.split(|octet| *octet == 0);
    let id = names.next().unwrap_or_default().to_vec();
    let other_id = names.next().filter(|id| !id.is_empty()).map(<[u8]>::to_vec);
    let reference = names.next().and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    Some(ReceiptNotice {
        carrier,
        source: source.to_vec(),
        destination: dest.to_vec(),
        handset: Msisdn::from_carrier(source),
        id,
        other_id,
        reference,
        state: STATES.iter().find(|(_, own)| own == state).map(|(state, _)| *state),
        words: error.to_vec(),
        at: UnixMs(*at_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_receipt_is_known_by_the_same_names_after_a_restart() {
        let some = |text: &str| Some(text.as_bytes().to_vec());
        for other_id in [None, some("00ff")] {
            for reference in [None, Some(0), Some(0xFFFF)] {
                let notice = ReceiptNotice {
                    carrier: CarrierIx(0),
                    source: b"447700900123".to_vec(),
                    destination: b"Acme".to_vec(),
                    handset: Msisdn::from_carrier(b"447700900123"),
                    id: b"255".to_vec(),
                    other_id: other_id.clone(),
                    reference,
                    state: Some(ReceiptState::Delivered),
                    words: b"DELIVRD err:000".to_vec(),
                    at: UnixMs(1),
                };
                let names = names_of(&notice);
                let record = orphan_record(7, 1, &names, &notice);
                assert_eq!(orphan_notice(&record, CarrierIx(0)), Some(notice));
            }
        }
    }
}
