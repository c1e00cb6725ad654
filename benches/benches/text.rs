//! A text to the octets of its parts: once for every part that is sent, and once when a submit is
//! parsed. No state.

use divan::{Bencher, black_box};
use postrider_benches::sample;
use postrider_core::text::{self, ReferenceWidth};

/// The usual message: one part, GSM alphabet.
#[divan::bench(sample_size = 64)]
fn encode_gsm_short(bencher: Bencher<'_, '_>) {
    encode(bencher, sample::GSM_SHORT);
}

/// Five parts, GSM alphabet.
#[divan::bench(sample_size = 64)]
fn encode_gsm_long(bencher: Bencher<'_, '_>) {
    encode(bencher, &sample::gsm_long());
}

/// One part that needs UCS-2: tried as GSM first.
#[divan::bench(sample_size = 64)]
fn encode_ucs2_short(bencher: Bencher<'_, '_>) {
    encode(bencher, sample::UCS2_SHORT);
}

/// Five parts in UCS-2.
#[divan::bench(sample_size = 64)]
fn encode_ucs2_long(bencher: Bencher<'_, '_>) {
    encode(bencher, &sample::ucs2_long());
}

fn encode(bencher: Bencher<'_, '_>, text: &str) {
    let octets = divan::counter::BytesCount::of_str(text);
    bencher.counter(octets).bench(|| text::encode(black_box(text)));
}

/// How many parts a long text takes, once it is encoded.
#[divan::bench]
fn part_count_long(bencher: Bencher<'_, '_>) {
    let encoded = text::encode(&sample::gsm_long());
    bencher.bench(|| black_box(&encoded).part_count(ReferenceWidth::Eight));
}

/// A part that came from a carrier, back to text.
#[divan::bench(sample_size = 64)]
fn decode_gsm_short(bencher: Bencher<'_, '_>) {
    let encoded = text::encode(sample::GSM_SHORT);
    bencher.bench(|| text::decode(encoded.encoding(), black_box(encoded.bytes())));
}
