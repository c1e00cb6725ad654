//! A customer's request without HTTP's framing, and the signature of a webhook: once for every
//! message. Read-only tables.

use divan::{Bencher, black_box};
use postrider_benches::sample::{
    AUTHORIZATION, WEBHOOK_SECRET, keyring, parse_submit, submit_body,
};
use postrider_core::id::MessageId;
use postrider_core::text::Encoding;
use postrider_http::response::accepted_json;
use postrider_http::webhook::sign::signed_fields;

/// An API key among those of a thousand customers: hash, look-up, comparison in constant time.
#[divan::bench(sample_size = 64)]
fn authenticate(bencher: Bencher<'_, '_>) {
    let keys = keyring();
    bencher.bench(|| keys.authenticate(Some(black_box(AUTHORIZATION.as_bytes()))));
}

/// A submit's path and JSON body to a checked submission.
#[divan::bench(sample_size = 64)]
fn parse_one_submit(bencher: Bencher<'_, '_>) {
    let body = submit_body();
    bencher.bench(|| parse_submit(black_box(&body)));
}

/// The body of a 202.
#[divan::bench(sample_size = 64)]
fn accepted() -> Vec<u8> {
    accepted_json(black_box(MessageId::from_u128(1 << 90)), 1, Encoding::Gsm7)
}

/// HMAC-SHA256 over a webhook of 900 octets.
#[divan::bench(sample_size = 64)]
fn sign_webhook(bencher: Bencher<'_, '_>) {
    let body = vec![b'x'; 900];
    let id = "5a1f6f0e-3c22-4b0e-9d5c-0d6a2b7c8e9f-delivered";
    bencher.bench(|| signed_fields(WEBHOOK_SECRET, id, 1_790_000_000, black_box(&body)));
}
