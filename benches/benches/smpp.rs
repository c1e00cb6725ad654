//! The SMPP codec: once or twice for every part. No state.

use divan::{Bencher, black_box};
use postrider_benches::sample::{self, receipt_pdu, submit_fields};
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{decode, encode_message, next_frame};

fn submit_pdu() -> Vec<u8> {
    let mut out = Vec::new();
    let text = sample::GSM_SHORT.as_bytes();
    encode_message(&mut out, CommandId::SUBMIT_SM, 1, &submit_fields(text)).unwrap();
    out
}

/// A part into the send buffer of its bind.
#[divan::bench]
fn encode_submit_sm(bencher: Bencher<'_, '_>) {
    let fields = submit_fields(sample::GSM_SHORT.as_bytes());
    let mut out = Vec::with_capacity(4_096);
    bencher.bench_local(|| {
        out.clear();
        encode_message(&mut out, CommandId::SUBMIT_SM, 1, black_box(&fields))
    });
}

/// A receipt as a carrier writes it.
#[divan::bench]
fn encode_deliver_sm_receipt() -> Vec<u8> {
    receipt_pdu(black_box(1))
}

/// A customer's part, framed already.
#[divan::bench]
fn decode_submit_sm(bencher: Bencher<'_, '_>) {
    decode_framed(bencher, &submit_pdu());
}

/// A receipt, framed already; its text is read in the group `receipts`.
#[divan::bench]
fn decode_deliver_sm_receipt(bencher: Bencher<'_, '_>) {
    decode_framed(bencher, &receipt_pdu(1));
}

fn decode_framed(bencher: Bencher<'_, '_>, pdu: &[u8]) {
    let (frame, _) = next_frame(pdu, u32::MAX).unwrap().unwrap();
    bencher.bench(|| decode(black_box(&frame)));
}

/// The next PDU of a receive buffer that holds many.
#[divan::bench]
fn frame(bencher: Bencher<'_, '_>) {
    let buffer = receipt_pdu(1).repeat(16);
    bencher.bench(|| next_frame(black_box(&buffer), 70_000));
}
