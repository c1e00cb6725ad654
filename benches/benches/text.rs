//! A text to the octets of its parts: once for every part that is sent, and once when a submit is
//! parsed. No state.

use divan::{Bencher, black_box};
use postrider_benches::sample;
use postrider_core::config::{AlphabetConfig, Concatenation};
use postrider_core::text::{self, DefaultAlphabet, NationalLanguage, ReferenceWidth, Wire};

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

/// The usual message as a carrier takes it, and its one part.
#[divan::bench(sample_size = 64)]
fn wire_gsm_short(bencher: Bencher<'_, '_>) {
    wire(bencher, sample::GSM_SHORT, &AlphabetConfig::default());
}

/// The same where the default alphabet is ISO 8859-1, without the euro.
#[divan::bench(sample_size = 64)]
fn wire_latin1_short(bencher: Bencher<'_, '_>) {
    let config = AlphabetConfig { default: DefaultAlphabet::Latin1, ..AlphabetConfig::default() };
    wire(bencher, &sample::GSM_SHORT.replace('€', "$"), &config);
}

/// A text in Cyrillic where all national tables are tried in vain.
#[divan::bench(sample_size = 64)]
fn wire_national_in_vain(bencher: Bencher<'_, '_>) {
    let national = NationalLanguage::ALL.to_vec();
    wire(bencher, sample::UCS2_SHORT, &AlphabetConfig { national, ..AlphabetConfig::default() });
}

fn wire(bencher: Bencher<'_, '_>, text: &str, config: &AlphabetConfig) {
    bencher.bench(|| {
        let wire = Wire::new(black_box(text), config, Concatenation::Udh8)?;
        wire.part(0, 7).map(|part| part.octets.len())
    });
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
