//! Any text may come as a receipt; what is read lies within it, and what we write is read back.

use postrider_smpp::json::receipt_to_json;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::{
    OwnReceipt, Receipt, ReceiptState, excerpt, ids_match, parse_receipt, parse_receipt_decoded,
    parse_receipt_text, read_date, receipt_date,
};
use postrider_smpp::tlv::Tlvs;

use super::super::input::Input;

/// Reads flags, an area of parameters, and a text.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (esm_class, data_coding) = (input.octet(), input.pick(&[0, 8, 0x18]));
    let area = input.run();
    let text = input.rest();
    let message = ShortMessage {
        esm_class,
        data_coding,
        short_message: text,
        tlvs: Tlvs::new(area),
        ..ShortMessage::default()
    };
    if let Some(receipt) = parse_receipt(&message) {
        complete(&receipt);
    }
    let mut scratch = Vec::new();
    if let Some(receipt) = parse_receipt_decoded(&message, &mut scratch) {
        complete(&receipt);
    }
    if let Some(receipt) = parse_receipt_text(text) {
        complete(&receipt);
        within(&receipt, text);
        assert!(!receipt.stat.is_empty());
        assert!(ids_match(receipt.id, receipt.id));
    }
    for piece in text.split(|octet| *octet == b' ') {
        if let Some(date) = read_date(piece) {
            assert_eq!(date.value.len(), 19);
        }
    }
    receipt_to_json(&String::from_utf8_lossy(text));
    own(text);
}

fn complete(receipt: &Receipt<'_>) {
    assert!(!receipt.id.is_empty());
    assert!(receipt.state.is_some() || !receipt.stat.is_empty());
    assert!(receipt.text_id.is_none_or(|id| !id.is_empty() && id != receipt.id));
}

/// Every part is a run of the text itself.
fn within(receipt: &Receipt<'_>, text: &[u8]) {
    let range = text.as_ptr_range();
    let parts = [
        Some(receipt.id),
        Some(receipt.stat),
        receipt.err,
        receipt.submit_date,
        receipt.done_date,
        receipt.sub,
        receipt.dlvrd,
        receipt.text,
    ];
    for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
        let own = part.as_ptr_range();
        assert!(range.start <= own.start && own.end <= range.end);
    }
}

/// A receipt that we write says what we meant, whatever the message was.
fn own(data: &[u8]) {
    let mut input = Input::new(data);
    let state = input.pick(&[
        ReceiptState::Delivered,
        ReceiptState::Undeliverable,
        ReceiptState::Expired,
        ReceiptState::Rejected,
        ReceiptState::Enroute,
        ReceiptState::Unknown,
    ]);
    let submitted = u64::from(input.word()) << 16 | u64::from(input.word());
    let err = [b'0' + input.octet() % 10, b'0' + input.octet() % 10, b'0' + input.octet() % 10];
    let text = excerpt(&String::from_utf8_lossy(input.rest()));
    let own = OwnReceipt {
        id: b"0b9b6a1e-44f5-4a51-8d25-6a9f3a6ed0c7",
        state,
        submitted,
        done: submitted,
        err: &err,
        text: &text,
        network_error_code: None,
    };
    let (mut words, mut area) = (Vec::new(), Vec::new());
    own.write_text(&mut words);
    own.write_tlvs(&mut area);
    let message = ShortMessage {
        esm_class: 4,
        short_message: &words,
        tlvs: Tlvs::new(&area),
        ..ShortMessage::default()
    };
    for message in [message, ShortMessage { tlvs: Tlvs::default(), ..message }] {
        let read = parse_receipt(&message).expect("our own receipt");
        assert_eq!((read.id, read.state, read.text_id), (own.id, Some(state), None));
        assert_eq!((read.stat, read.err), (state.stat().as_bytes(), Some(&err[..])));
        let date = receipt_date(submitted);
        assert_eq!(
            (read.submit_date, read.done_date),
            (Some(date.as_bytes()), Some(date.as_bytes()))
        );
    }
}
