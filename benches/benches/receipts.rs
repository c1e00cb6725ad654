//! Reading a delivery receipt and matching its id: once for every part. No state.

use divan::{Bencher, black_box};
use postrider_benches::sample::{RECEIPT_TEXT, read_receipt, receipt_pdu};
use postrider_smpp::receipt::{Receipt, ids_match, parse_receipt_text};

/// The text of appendix B alone.
#[divan::bench(sample_size = 64)]
fn parse_text() -> Option<Receipt<'static>> {
    parse_receipt_text(black_box(RECEIPT_TEXT))
}

/// From the octets of a bind to the receipt: frame, decode, TLVs, text.
#[divan::bench(sample_size = 64)]
fn from_octets(bencher: Bencher<'_, '_>) {
    let pdu = receipt_pdu(1);
    bencher.bench(|| read_receipt(black_box(&pdu)));
}

/// The ids of an answer and a receipt that differ in case and leading zeros.
#[divan::bench(sample_size = 64)]
fn match_ids() -> bool {
    ids_match(black_box(b"00A1B2C3D4"), black_box(b"a1b2c3d4"))
}
