//! Septets are packed and unpacked, texts encoded and decoded, cut and joined, without a loss.

use postrider_core::config::{AlphabetConfig, Concatenation};
use postrider_core::text::alphabet;
use postrider_core::text::dcs::DataCoding;
use postrider_core::text::packed::{fill_bits, pack, unpack};
use postrider_core::text::{
    Decoded, DefaultAlphabet, Encoding, NationalLanguage, ReferenceWidth, Udh, Wire, WirePart,
    decode, decode_from_carrier, decode_national, decode_short_message, encode, encode_national,
};

use super::super::input::Input;

const ALPHABETS: [DefaultAlphabet; 3] =
    [DefaultAlphabet::Gsm, DefaultAlphabet::Ascii, DefaultAlphabet::Latin1];

/// Reads settings, and octets that are taken for text in every way.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let alphabet = input.pick(&ALPHABETS);
    let [locking, single] = [input.octet(), input.octet()].map(NationalLanguage::from_u8);
    let config = AlphabetConfig {
        default: alphabet,
        packed: input.octet() % 2 == 1,
        national: locking.into_iter().chain(single).collect(),
        ..AlphabetConfig::default()
    };
    let concatenation = input.pick(&[
        Concatenation::Udh8,
        Concatenation::Udh16,
        Concatenation::Sar,
        Concatenation::Payload,
    ]);
    let (data_coding, fill) = (input.octet(), usize::from(input.octet()) % 7);
    let octets = input.rest();

    packing(octets, fill);
    received(octets, data_coding, alphabet, locking, single);
    let text = String::from_utf8_lossy(octets);
    sent(&text, locking, single);
    on_the_wire(&text, &config, concatenation);
}

fn packing(octets: &[u8], fill: usize) {
    let septets: Vec<u8> = octets.iter().map(|octet| octet & 0x7F).collect();
    let packed = pack(&septets, fill);
    assert_eq!(packed.len(), (fill + septets.len() * 7).div_ceil(8));
    let mut read = unpack(&packed, fill);
    // A carriage return that ends with the last bit cannot be told from padding.
    let at_the_end = (fill + septets.len() * 7).is_multiple_of(8) && septets.last() == Some(&0x0D);
    if at_the_end {
        read.push(0x0D);
    }
    assert_eq!(read, septets);
    assert!(unpack(octets, fill).iter().all(|septet| *septet < 0x80));
    assert!(fill_bits(octets.len()) < 7);
}

fn received(
    octets: &[u8],
    data_coding: u8,
    alphabet: DefaultAlphabet,
    locking: Option<NationalLanguage>,
    single: Option<NationalLanguage>,
) {
    assert_eq!(u8::from(DataCoding::parse(data_coding)), data_coding);
    // One character an octet at most, or one a pair of octets and one for what is left.
    assert!(decode(Encoding::Gsm7, octets).chars().count() <= octets.len());
    assert!(decode(Encoding::Ucs2, octets).chars().count() <= octets.len().div_ceil(2));
    assert!(decode_national(octets, locking, single).chars().count() <= octets.len());
    let mut header = Vec::new();
    Udh { locking, single, ..Udh::default() }.write(&mut header);
    for header in [&header[..], b""] {
        if let Decoded::Binary(read) = decode_short_message(data_coding, alphabet, header, octets) {
            assert_eq!(read, octets);
        }
    }
    for other in ALPHABETS {
        let text = alphabet::decode(octets, DefaultAlphabet::Gsm);
        if let Some(same) = alphabet::from_gsm(octets, other) {
            assert_eq!(alphabet::decode(&same, other), text);
        }
    }
}

/// What is encoded is decoded to the same text, and no part splits a character.
fn sent(text: &str, locking: Option<NationalLanguage>, single: Option<NationalLanguage>) {
    let encoded = encode(text);
    assert_eq!(decode(encoded.encoding(), encoded.bytes()), text);
    for width in [ReferenceWidth::Eight, ReferenceWidth::Sixteen] {
        let parts = encoded.parts(width).map(|part| decode(encoded.encoding(), part));
        assert_eq!(parts.collect::<String>(), text);
        assert_eq!(encoded.part_units(width).len(), encoded.part_count(width));
    }
    if let Some(octets) = encode_national(text, locking, single) {
        assert!(octets.iter().all(|octet| *octet < 0x80));
        assert_eq!(decode_national(&octets, locking, single), text);
    }
}

/// The parts that a carrier takes say the text, read as that carrier's own.
fn on_the_wire(text: &str, config: &AlphabetConfig, concatenation: Concatenation) {
    let Some(wire) = Wire::new(text, config, concatenation) else { return };
    let packed = config.packed && config.default == DefaultAlphabet::Gsm;
    let parts: Vec<WirePart<'_>> = wire.parts(0xABCD).collect();
    assert_eq!(parts.len(), usize::from(wire.part_count()));
    let mut read = String::new();
    for (part, number) in parts.iter().zip(0..) {
        let whole = part.udh.len() + part.octets.len();
        assert!(part.payload || whole <= if packed { 140 } else { 160 }, "{part:?}");
        assert_eq!(wire.part(number, 0xABCD).as_ref(), Some(part));
        match decode_from_carrier(part.data_coding, config, &part.udh, &part.octets) {
            Decoded::Text(text) => read.push_str(&text),
            Decoded::Binary(_) => panic!("text was sent"),
        }
    }
    if packed {
        // A carriage return at the end of a part is taken for padding.
        let plain = |text: &str| text.replace('\r', "");
        assert_eq!(plain(&read), plain(text));
    } else {
        assert_eq!(read, text);
    }
}
