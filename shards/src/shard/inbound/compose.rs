//! From the fragments of an inbound message to the deliver_sm that its customer gets: whole texts in
//! the customer's own alphabet and form, everything else as it came. Pure, lives nowhere.

use postrider_core::config::{AlphabetConfig, Concatenation, CustomerSmpp, LongInbound};
use postrider_core::text::{Concat, Decoded, Udh, Wire, WirePart, decode_from_carrier};
use postrider_smpp::tlv::{Tlv, tag};

use super::notice::Fragment;
use crate::shard::deliveries::pdu::CustomerDelivery;

/// esm_class bit 6: the text begins with a user data header [3.4 section 5.2.12].
const UDHI: u8 = 0x40;
/// The bits of esm_class that a carrier may set and that say something to the customer: the type
/// and the reply path.
const KEPT: u8 = 0xBC;
/// Octets of short_message [3.4 section 4.6.1]; longer text goes into message_payload.
const SHORT_MESSAGE_MAX: usize = 254;

/// A text that is written for one customer.
pub(crate) struct Composed(Wire);

/// Whether a fragment is text that may be joined with its siblings and written anew: not octets, and
/// not for an application behind a port.
pub(crate) fn is_text(fragment: &Fragment, carrier: &AlphabetConfig) -> bool {
    Udh::read(&fragment.udh).ports.is_none() && text(&[fragment], carrier).is_some()
}

/// The text of fragments in order; `None` when one of them is octets.
fn text(fragments: &[&Fragment], carrier: &AlphabetConfig) -> Option<String> {
    let first = fragments.first()?;
    let alike = |other: &&Fragment| {
        other.data_coding == first.data_coding
            && Udh::read(&other.udh).locking == Udh::read(&first.udh).locking
            && Udh::read(&other.udh).single == Udh::read(&first.udh).single
    };
    // A character may be cut by a careless sender: what is alike is joined before it is read. Packed
    // septets begin anew in every part.
    if fragments.len() > 1 && !carrier.packed && fragments.iter().all(alike) {
        let octets: Vec<u8> =
            fragments.iter().flat_map(|fragment| fragment.body.expose().iter().copied()).collect();
        return read(first, &octets, carrier);
    }
    fragments.iter().map(|fragment| read(fragment, fragment.body.expose(), carrier)).collect()
}

fn read(fragment: &Fragment, octets: &[u8], carrier: &AlphabetConfig) -> Option<String> {
    match decode_from_carrier(fragment.data_coding, carrier, &fragment.udh, octets) {
        Decoded::Text(text) => Some(text),
        Decoded::Binary(_) => None,
    }
}

impl Composed {
    /// The fragments of a whole message as this customer takes it; `None` when it is not to be
    /// written anew: each fragment then goes as it came.
    pub(crate) fn new(
        fragments: &[&Fragment],
        carrier: &AlphabetConfig,
        customer: &CustomerSmpp,
    ) -> Option<Self> {
        let text = text(fragments, carrier)?;
        let own = AlphabetConfig { default: customer.default_alphabet, ..Default::default() };
        let wire = |form| Wire::new(&text, &own, form);
        match customer.long_inbound {
            LongInbound::Parts => {
                wire(Concatenation::Udh8).or_else(|| wire(Concatenation::Payload))
            }
            LongInbound::Payload => wire(Concatenation::Payload),
        }
        .map(Composed)
    }

    /// How many deliver_sm it takes.
    pub(crate) fn pdus(&self) -> u8 {
        self.0.part_count()
    }

    /// One of them, from 0; addresses are those of the first fragment.
    pub(crate) fn pdu(&self, index: u8, first: &Fragment, number: u64) -> Option<CustomerDelivery> {
        let own = u16::try_from(number & 0xFFFF).unwrap_or(0);
        let reference = first.concat.map_or(own, |concat| concat.reference);
        let part = self.0.part(index, reference)?;
        let WirePart { data_coding, udh, octets, sar, payload } = part;
        let mut delivery = addressed(first, data_coding);
        put(&mut delivery, &udh, &octets, payload);
        if let Some(place) = sar {
            put_sar(&mut delivery, place);
        }
        Some(delivery)
    }
}

/// A fragment whose siblings never came, as text of the customer's: SAR parameters say which part of
/// what it is.
pub(crate) fn alone(
    fragment: &Fragment,
    carrier: &AlphabetConfig,
    customer: &CustomerSmpp,
) -> CustomerDelivery {
    let own = AlphabetConfig { default: customer.default_alphabet, ..Default::default() };
    let wire =
        text(&[fragment], carrier).and_then(|text| Wire::new(&text, &own, Concatenation::Payload));
    let part = wire.as_ref().and_then(|wire| wire.part(0, 0));
    let Some(part) = part else { return as_it_came(fragment) };
    let mut delivery = addressed(fragment, part.data_coding);
    put(&mut delivery, &[], &part.octets, part.payload);
    if let Some(place) = fragment.concat {
        put_sar(&mut delivery, place);
    }
    delivery
}

/// A fragment with the header, the parameters and the octets with which it came.
pub(crate) fn as_it_came(fragment: &Fragment) -> CustomerDelivery {
    let mut delivery = addressed(fragment, fragment.data_coding);
    let (udh, octets) = (&fragment.udh, fragment.body.expose());
    match fragment.concat.filter(|_| !fragment.has_concat_header()) {
        Some(place) if udh.is_empty() => {
            put(&mut delivery, udh, octets, false);
            put_sar(&mut delivery, place);
        }
        // Such parameters must not stand beside a header [3.4 section 5.2.12]: it takes the place up.
        Some(place) => put(&mut delivery, &with_place(udh, place), octets, false),
        None => put(&mut delivery, udh, octets, false),
    }
    delivery
}

/// A header that tells a place too; as it is when there is no room.
fn with_place(udh: &[u8], place: Concat) -> Vec<u8> {
    let mut whole = Vec::with_capacity(udh.len() + 6);
    place.write(&mut whole);
    whole.extend_from_slice(udh.get(1..).unwrap_or_default());
    match (u8::try_from(whole.len().saturating_sub(1)), whole.first_mut()) {
        (Ok(length), Some(first)) => {
            *first = length;
            whole
        }
        _ => udh.to_vec(),
    }
}

fn addressed(fragment: &Fragment, data_coding: u8) -> CustomerDelivery {
    CustomerDelivery {
        source: fragment.source.clone(),
        dest: fragment.dest.clone(),
        esm_class: fragment.esm_class & KEPT,
        protocol_id: fragment.protocol_id,
        data_coding,
        ..CustomerDelivery::default()
    }
}

/// The text, in message_payload when it is meant for it or fits nothing else.
fn put(delivery: &mut CustomerDelivery, udh: &[u8], octets: &[u8], payload: bool) {
    if !udh.is_empty() {
        delivery.esm_class |= UDHI;
    }
    let text = [udh, octets].concat();
    if !payload && text.len() <= SHORT_MESSAGE_MAX {
        delivery.short_message = text;
    } else {
        // What came in one PDU, or was cut for one, fits a parameter.
        Tlv { tag: tag::MESSAGE_PAYLOAD, value: &text }.write(&mut delivery.tlvs);
    }
}

/// Which part of what it is, in parameters [3.4 sections 5.3.2.22 to 5.3.2.24].
fn put_sar(delivery: &mut CustomerDelivery, place: Concat) {
    let reference = place.reference.to_be_bytes();
    let values: [(u16, &[u8]); 3] = [
        (tag::SAR_MSG_REF_NUM, &reference),
        (tag::SAR_TOTAL_SEGMENTS, &[place.total]),
        (tag::SAR_SEGMENT_SEQNUM, &[place.index]),
    ];
    for (tag, value) in values {
        Tlv { tag, value }.write(&mut delivery.tlvs);
    }
}

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
