//! From parts to the text that a handset would show: pure, one per carrier.

use std::collections::{HashMap, VecDeque};

use postrider_core::text::{Udh, split_header};
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::tlv::tag;

/// Messages of which some parts are still missing; the oldest is forgotten for a new one.
const INCOMPLETE_MAX: usize = 100_000;

/// One part of a message: where it belongs, and its text without the header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Shared by a message's parts; 0 for a message of one part.
    pub(super) reference: u32,
    /// From 1.
    pub(super) index: u8,
    /// From 1.
    pub(super) total: u8,
    /// The user data header with its length octet, or nothing.
    pub(super) header: &'a [u8],
    /// The text alone.
    pub(super) octets: &'a [u8],
}

impl<'a> Part<'a> {
    /// Reads the user data header (GSM 03.40 section 9.2.3.24) or the `sar_*` parameters (SMPP 3.4
    /// section 5.3.2.22). What makes no sense there is a message of one part.
    pub(super) fn of(message: &ShortMessage<'a>) -> Self {
        let octets = message.text();
        let single = Self { reference: 0, index: 1, total: 1, header: &[], octets };
        if message.has_udh() {
            let (header, octets) = split_header(octets);
            let single = Self { header, octets, ..single };
            return Udh::read(header).concat.map_or(single, |concat| Self {
                reference: u32::from(concat.reference),
                index: concat.index,
                total: concat.total,
                ..single
            });
        }
        sar(message, octets).unwrap_or(single)
    }
}

fn sar<'a>(message: &ShortMessage<'a>, octets: &'a [u8]) -> Option<Part<'a>> {
    let reference = message.tlvs.get_int(tag::SAR_MSG_REF_NUM)?;
    let total = u8::try_from(message.tlvs.get_int(tag::SAR_TOTAL_SEGMENTS)?).ok()?;
    let index = u8::try_from(message.tlvs.get_int(tag::SAR_SEGMENT_SEQNUM)?).ok()?;
    (index >= 1 && index <= total).then_some(Part { reference, index, total, header: &[], octets })
}

/// Parts waiting for the rest of their message.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    incomplete: HashMap<Vec<u8>, Incomplete>,
    /// Keys with the number of their entry, oldest first; entries completed since are skipped.
    order: VecDeque<(Vec<u8>, u64)>,
    made: u64,
}

#[derive(Debug)]
struct Incomplete {
    number: u64,
    parts: Vec<Option<String>>,
    missing: usize,
}

impl Assembly {
    /// Adds a part and its text; the whole text once the last one is there.
    pub(super) fn add(
        &mut self,
        message: &ShortMessage<'_>,
        part: &Part<'_>,
        text: String,
    ) -> Option<String> {
        if part.total <= 1 {
            return Some(text);
        }
        let key = key(message, part);
        let entry = match self.incomplete.get_mut(&key) {
            Some(entry) => entry,
            None => self.begin(&key, usize::from(part.total)),
        };
        let slot = entry.parts.get_mut(usize::from(part.index).checked_sub(1)?)?;
        if slot.replace(text).is_none() {
            entry.missing -= 1;
        }
        if entry.missing > 0 {
            return None;
        }
        let whole = self.incomplete.remove(&key)?;
        Some(whole.parts.into_iter().flatten().collect())
    }

    fn begin(&mut self, key: &[u8], total: usize) -> &mut Incomplete {
        while self.order.len() >= INCOMPLETE_MAX {
            self.forget_oldest();
        }
        self.made += 1;
        self.order.push_back((key.to_vec(), self.made));
        let parts = std::iter::repeat_with(|| None).take(total).collect();
        let fresh = Incomplete { number: self.made, parts, missing: total };
        self.incomplete.entry(key.to_vec()).or_insert(fresh)
    }

    fn forget_oldest(&mut self) {
        let Some((key, number)) = self.order.pop_front() else { return };
        if self.incomplete.get(&key).is_some_and(|entry| entry.number == number) {
            self.incomplete.remove(&key);
        }
    }
}

fn key(message: &ShortMessage<'_>, part: &Part<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(message.source.len() + message.dest.len() + 7);
    key.extend_from_slice(message.source);
    key.push(0);
    key.extend_from_slice(message.dest);
    key.push(0);
    key.extend_from_slice(&part.reference.to_be_bytes());
    key.push(part.total);
    key
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use postrider_core::text::{self, Concat, ReferenceWidth};
    use postrider_smpp::pdu::ShortMessage;
    use postrider_smpp::tlv::{Tlv, Tlvs};

    use super::super::dialect::Dialect;
    use super::{Assembly, INCOMPLETE_MAX, Part};

    /// Reads a message and adds it.
    fn add(assembly: &mut Assembly, message: &ShortMessage<'_>) -> Option<String> {
        let part = Part::of(message);
        let text = Dialect::default().read(message.data_coding, &part);
        assembly.add(message, &part, text)
    }

    fn with_udh(reference: u16, total: u8, index: u8, octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Concat { reference, total, index, width: ReferenceWidth::Eight }.write(&mut out);
        out.extend_from_slice(octets);
        out
    }

    fn message(short_message: &[u8], data_coding: u8) -> ShortMessage<'_> {
        ShortMessage {
            source: b"Postrider",
            dest: b"447700900123",
            esm_class: 0x40,
            data_coding,
            short_message,
            ..ShortMessage::default()
        }
    }

    #[test]
    fn parts_in_any_order_and_repeated_give_the_text_once() {
        let text = "Größe {€} 10, ".repeat(40);
        let encoded = text::encode(&text);
        let parts: Vec<&[u8]> = encoded.parts(ReferenceWidth::Eight).collect();
        let total = u8::try_from(parts.len()).unwrap();
        assert!(total > 3);
        let mut assembly = Assembly::default();
        let mut found = Vec::new();
        for index in [3, 1, 1, 2].into_iter().chain(4..=total) {
            let octets = with_udh(7, total, index, parts[usize::from(index) - 1]);
            let message = message(&octets, encoded.encoding().data_coding());
            found.extend(add(&mut assembly, &message));
        }
        assert_eq!(found, [text]);
        assert!(assembly.incomplete.is_empty());
    }

    #[test]
    fn messages_with_another_reference_or_destination_do_not_mix() {
        let mut assembly = Assembly::default();
        let (first, second) = (with_udh(1, 2, 1, b"one "), with_udh(2, 2, 2, b"two"));
        let (first, second) = (message(&first, 0), message(&second, 0));
        assert_eq!(add(&mut assembly, &first), None);
        assert_eq!(add(&mut assembly, &second), None);
        let elsewhere = with_udh(1, 2, 2, b"elsewhere");
        let elsewhere = ShortMessage { dest: b"447700900124", ..message(&elsewhere, 0) };
        assert_eq!(add(&mut assembly, &elsewhere), None);
        let last = with_udh(1, 2, 2, b"done");
        let last = message(&last, 0);
        assert_eq!(add(&mut assembly, &last).as_deref(), Some("one done"));
    }

    #[test]
    fn a_character_cut_in_two_shows() {
        let mut assembly = Assembly::default();
        let (first, second) = (with_udh(9, 2, 1, b"a\x1b"), with_udh(9, 2, 2, b"\x65b"));
        let (first, second) = (message(&first, 0), message(&second, 0));
        assert_eq!(add(&mut assembly, &first), None);
        let text = add(&mut assembly, &second).unwrap();
        assert_ne!(text, "a€b");
    }

    #[test]
    fn sar_parameters_and_payloads_are_understood() {
        let mut area = Vec::new();
        for (tag, value) in
            [(0x020C, &[0, 5][..]), (0x020E, &[2]), (0x020F, &[2]), (0x0424, b"payload")]
        {
            assert!(Tlv { tag, value }.write(&mut area));
        }
        let message = ShortMessage { esm_class: 0, tlvs: Tlvs::new(&area), ..message(b"", 0) };
        let expected =
            Part { reference: 5, index: 2, total: 2, header: &[], octets: &b"payload"[..] };
        assert_eq!(Part::of(&message), expected);
    }

    #[test]
    fn memory_is_bounded() {
        let mut assembly = Assembly::default();
        for number in 0..INCOMPLETE_MAX + 50 {
            let octets = with_udh(1, 2, 1, b"first");
            let dest = number.to_string();
            let message = ShortMessage { dest: dest.as_bytes(), ..message(&octets, 0) };
            assert_eq!(add(&mut assembly, &message), None);
        }
        assert_eq!(assembly.incomplete.len(), INCOMPLETE_MAX);
        assert_eq!(assembly.order.len(), INCOMPLETE_MAX);
    }
}
