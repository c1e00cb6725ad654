//! Receipts as JSON. For tools, not for the hot path. Pure, lives nowhere.

use serde_json::{Value, json};

use crate::receipt::{Receipt, ReceiptState, parse_receipt_text};
use crate::receipt_text::TextScan;

/// A receipt's text as an object with `id`, `stat`, `state`, `err`, `submit_date`, `done_date`, `sub`,
/// `dlvrd` and `text`, each as sent or null (`state` is the message state's name, null for an unknown
/// word); or an object with `error` when the text is none: it does not begin with a key, or lacks an id or a
/// stat.
pub fn receipt_to_json(text: &str) -> Value {
    let receipt = parse_receipt_text(text.as_bytes());
    match receipt.filter(|_| TextScan::begins_with_key(text.as_bytes())) {
        Some(receipt) => receipt_object(&receipt),
        None => json!({ "error": "not a delivery receipt: id: or stat: is missing" }),
    }
}

fn utf8(octets: &[u8]) -> Value {
    String::from_utf8_lossy(octets).into()
}

fn receipt_object(receipt: &Receipt<'_>) -> Value {
    json!({
        "id": utf8(receipt.id),
        "stat": utf8(receipt.stat),
        "state": receipt.state.map(ReceiptState::name),
        "err": receipt.err.map(utf8),
        "submit_date": receipt.submit_date.map(utf8),
        "done_date": receipt.done_date.map(utf8),
        "sub": receipt.sub.map(utf8),
        "dlvrd": receipt.dlvrd.map(utf8),
        "text": receipt.text.map(utf8),
    })
}
