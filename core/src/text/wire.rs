//! One text as the parts that one carrier takes: its alphabets, its form of concatenation. Pure,
//! lives nowhere.

use std::borrow::Cow;

use super::split::Parts;
use super::{
    Concat, DefaultAlphabet, Encoding, NationalLanguage, ReferenceWidth, Udh, alphabet,
    encode_national, gsm, packed, utf16,
};
use crate::config::{AlphabetConfig, Concatenation};
use crate::limits::MAX_PARTS;

/// Octets of a message_payload: its length has 16 bits [3.4 section 5.3.2.32].
const MAX_PAYLOAD: usize = 0xFFFF;

/// A text as one carrier takes it.
///
/// `Debug` does not show the text.
#[derive(Clone)]
pub struct Wire {
    /// Septets, one an octet, or UTF-16: what is counted and cut.
    octets: Vec<u8>,
    encoding: Encoding,
    /// The national languages, which every part repeats.
    header: Udh,
    data_coding: u8,
    form: Form,
    concatenation: Concatenation,
    part_count: u8,
}

/// What becomes of the octets of a part after the cut.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Form {
    AsIs,
    /// Each septet of GSM 03.38 becomes an octet of this alphabet, an escape pair too.
    Transcoded(DefaultAlphabet),
    Packed,
}

/// One part as it is written into a PDU.
#[derive(Clone, PartialEq, Eq)]
pub struct WirePart<'a> {
    /// data_coding.
    pub data_coding: u8,
    /// The user data header with its length octet; empty without one, else esm_class has UDHI.
    pub udh: Vec<u8>,
    /// What follows the header.
    pub octets: Cow<'a, [u8]>,
    /// The values of sar_msg_ref_num, sar_total_segments and sar_segment_seqnum, where they are to
    /// be sent.
    pub sar: Option<Concat>,
    /// Whether `octets` belong into message_payload.
    pub payload: bool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire")
            .field("data_coding", &self.data_coding)
            .field("header", &self.header)
            .field("part_count", &self.part_count)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WirePart<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WirePart")
            .field("data_coding", &self.data_coding)
            .field("udh", &self.udh)
            .field("octets", &self.octets.len())
            .field("sar", &self.sar)
            .field("payload", &self.payload)
            .finish()
    }
}

impl Wire {
    /// Chooses the alphabet and cuts. None when the text takes more than [`MAX_PARTS`] parts there,
    /// or more than 65,535 octets of message_payload.
    ///
    /// A text in GSM 03.38 stays so when the carrier's default alphabet has its characters too: it
    /// is cut by septets, then each part is put into that alphabet, so that the count of parts is
    /// the same at every carrier. Another text takes the national tables of the profile that give
    /// the fewest parts, or UTF-16 when that gives fewer still. National tables want parts with a
    /// user data header and GSM 03.38 as the default alphabet, and are not looked at otherwise.
    #[must_use]
    pub fn new(text: &str, config: &AlphabetConfig, concatenation: Concatenation) -> Option<Wire> {
        let mut wire = Wire::choose(text, config, concatenation);
        if wire.is_payload() {
            wire.part_count = 1;
            return (wire.octets.len() <= MAX_PAYLOAD).then_some(wire);
        }
        let count = wire.cuts().take(MAX_PARTS + 1).count();
        wire.part_count = u8::try_from(count).ok()?;
        Some(wire)
    }

    fn choose(text: &str, config: &AlphabetConfig, concatenation: Concatenation) -> Wire {
        let form = match config.default {
            DefaultAlphabet::Gsm if config.packed => Form::Packed,
            DefaultAlphabet::Gsm => Form::AsIs,
            other @ (DefaultAlphabet::Ascii | DefaultAlphabet::Latin1) => Form::Transcoded(other),
        };
        let septets = |octets, header| Wire {
            octets,
            encoding: Encoding::Gsm7,
            header,
            data_coding: config.default_data_coding,
            form,
            concatenation,
            part_count: 0,
        };
        let outside =
            matches!(form, Form::Transcoded(to) if !text.chars().all(|c| alphabet::has(c, to)));
        if let Some(octets) = gsm::encode(text).filter(|_| !outside) {
            return septets(octets, Udh::default());
        }
        let ucs2 = Wire {
            octets: utf16(text),
            encoding: Encoding::Ucs2,
            header: Udh::default(),
            data_coding: config.ucs2_data_coding,
            form: Form::AsIs,
            concatenation,
            part_count: 0,
        };
        let with_header = matches!(concatenation, Concatenation::Udh8 | Concatenation::Udh16);
        if !with_header || config.default != DefaultAlphabet::Gsm {
            return ucs2;
        }
        let national = config.national.iter().flat_map(|language| tables(*language));
        let fitting = national.filter_map(|header| {
            encode_national(text, header.locking, header.single)
                .map(|octets| septets(octets, header))
        });
        // The first of several that are equally good; UTF-16 is the last.
        fitting.chain([ucs2.clone()]).min_by_key(|wire| wire.cuts().count()).unwrap_or(ucs2)
    }

    /// How many parts there are, at least 1.
    #[must_use]
    pub fn part_count(&self) -> u8 {
        self.part_count
    }

    /// Whether the text is in GSM 03.38 and its national tables, or in UTF-16.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The national languages that every part names.
    #[must_use]
    pub fn languages(&self) -> (Option<NationalLanguage>, Option<NationalLanguage>) {
        (self.header.locking, self.header.single)
    }

    /// The length of each part, in septets or UTF-16 units.
    #[must_use]
    pub fn part_units(&self) -> Vec<usize> {
        self.cuts().map(|cut| cut.len() / self.encoding.unit_octets()).collect()
    }

    /// The parts in order, which share `reference`.
    pub fn parts(&self, reference: u16) -> impl Iterator<Item = WirePart<'_>> {
        self.cuts()
            .zip(1..=self.part_count)
            .map(move |(cut, number)| self.finish(cut, number, reference))
    }

    /// One part, counted from 0.
    #[must_use]
    pub fn part(&self, index: u8, reference: u16) -> Option<WirePart<'_>> {
        let cut = self.cuts().nth(usize::from(index))?;
        Some(self.finish(cut, index.saturating_add(1), reference))
    }

    /// The parts before they are put into their form; a payload is not cut.
    fn cuts(&self) -> Parts<'_> {
        if self.is_payload() {
            return Parts::uncut(&self.octets);
        }
        let elements = 3 * usize::from(self.header.locking.is_some())
            + 3 * usize::from(self.header.single.is_some());
        Parts::new(self.encoding, &self.octets, elements, self.concatenation.width())
            .packed(self.form == Form::Packed)
    }

    /// Whether the text is longer than one part and goes into message_payload.
    fn is_payload(&self) -> bool {
        self.concatenation == Concatenation::Payload
            && Parts::new(self.encoding, &self.octets, 0, ReferenceWidth::Eight).nth(1).is_some()
    }

    fn finish<'a>(&self, cut: &'a [u8], number: u8, reference: u16) -> WirePart<'a> {
        let place = |width| {
            let total = self.part_count;
            (total > 1).then_some(Concat { reference, total, index: number, width })
        };
        let (concat, sar) = match self.concatenation {
            Concatenation::Udh8 => (place(ReferenceWidth::Eight), None),
            Concatenation::Udh16 => (place(ReferenceWidth::Sixteen), None),
            Concatenation::Sar => (None, place(ReferenceWidth::Sixteen)),
            Concatenation::Payload => (None, None),
        };
        let mut udh = Vec::new();
        Udh { concat, ..self.header }.write(&mut udh);
        let octets = match self.form {
            Form::AsIs => Cow::Borrowed(cut),
            Form::Packed => Cow::Owned(packed::pack(cut, packed::fill_bits(udh.len()))),
            Form::Transcoded(to) => Cow::Owned(alphabet::from_gsm(cut, to).unwrap_or_default()),
        };
        WirePart { data_coding: self.data_coding, udh, octets, sar, payload: self.is_payload() }
    }
}

/// The combinations of a language's tables, those first that a handset without them reads best.
fn tables(language: NationalLanguage) -> impl Iterator<Item = Udh> {
    let single = Udh { single: Some(language), ..Udh::default() };
    let locking = Udh { locking: Some(language), ..Udh::default() };
    let both = Udh { locking: Some(language), ..single };
    let locks = language.has_locking();
    [Some(single), locks.then_some(locking), locks.then_some(both)].into_iter().flatten()
}
