//! What handsets of a simulated world write to the customer: short and long, over either carrier,
//! the parts in any order. Part of the world.

use std::time::Duration;

use postrider_core::text::{self, Concat, ReferenceWidth};

use super::carrier::Pending;
use super::setup::number;
use super::world::World;

/// One message from a handset.
pub struct Written {
    /// Each writes once.
    pub handset: String,
    pub carrier: usize,
    pub parts: u8,
    /// The octets of its text.
    pub octets: Vec<u8>,
}

impl World {
    pub(super) fn plan_handsets(&mut self) {
        for index in 0..6 + self.rng.below(10) {
            let letter = if self.rng.chance(30) { 'ж' } else { 'b' };
            let length = if self.rng.chance(40) { 300 } else { 10 };
            let text = format!("mo {index} {}", letter.to_string().repeat(length));
            let handset = match self.rng.below(3) {
                0 => format!("Shop{index}"),
                1 => number("4479009", index),
                _ => number("3361238", index),
            };
            self.write_inbound(usize::try_from(index).unwrap(), handset, &text);
        }
    }

    fn write_inbound(&mut self, index: usize, handset: String, text: &str) {
        let carrier = self.rng.below(2) as usize;
        let width =
            if self.rng.chance(50) { ReferenceWidth::Eight } else { ReferenceWidth::Sixteen };
        let encoded = text::encode(text);
        let total = u8::try_from(encoded.part_count(width)).unwrap();
        let start = 2_000 + self.rng.below(20_000);
        for (octets, number) in encoded.parts(width).zip(1u8..) {
            let mut short_message = Vec::new();
            if total > 1 {
                Concat { reference: 7, total, index: number, width }.write(&mut short_message);
            }
            short_message.extend_from_slice(octets);
            let due = self.now + Duration::from_millis(start + self.rng.below(500));
            self.carriers[carrier].write(Pending {
                source: handset.clone(),
                dest: "72345".into(),
                esm_class: if total > 1 { 0x40 } else { 0 },
                data_coding: encoded.encoding().data_coding(),
                short_message,
                due,
                inbound: Some((index, number)),
            });
        }
        let octets = encoded.bytes().to_vec();
        self.written.push(Written { handset, carrier, parts: total, octets });
    }

    /// Whether the carrier was told that the gateway has every part.
    pub fn was_taken(&self, index: usize) -> bool {
        let written = &self.written[index];
        let taken = &self.carriers[written.carrier].inbound_taken;
        (1..=written.parts).all(|part| taken.contains(&(index, part)))
    }

    /// Whether every message that was taken has reached the customer.
    pub(super) fn handsets_are_heard(&self) -> bool {
        (0..self.written.len()).all(|index| {
            let written = &self.written[index];
            !self.was_taken(index)
                || self.erasing.has(&written.handset)
                || self.customer.text_of(&written.handset).as_ref() == Some(&written.octets)
        })
    }
}
