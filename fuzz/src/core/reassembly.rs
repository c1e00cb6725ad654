//! Headers of any octets are read, and the parts of several messages, in any order, repeated and late, come
//! out once: whole and in order, or given up.

use core::time::Duration;
use std::collections::BTreeSet;

use postrider_core::limits::{REASSEMBLY_MESSAGES, REASSEMBLY_TIMEOUT};
use postrider_core::reassembly::{Arrived, MessageKey, Reassembler};
use postrider_core::text::{Concat, ReferenceWidth, Udh, split_header, split_udh};

use super::super::input::Input;

/// Reads parts: when, whose, and the octets.
pub fn run(data: &[u8]) {
    headers(data);
    let mut input = Input::new(data);
    let mut reassembler: Reassembler<(u32, Vec<u8>)> = Reassembler::default();
    let mut now = Duration::ZERO;
    let (mut handed_in, mut came_out) = (0, BTreeSet::new());
    while !input.is_empty() {
        now += Duration::from_secs(u64::from(input.octet() / 16));
        let (carrier, source) = (u32::from(input.octet() % 2), [b'1' + input.octet() % 2]);
        let (place, octets) = part(&mut input);
        let Some(place) = place else { continue };
        let key = MessageKey::new(carrier, &source, b"2", place);
        let ticket = handed_in;
        handed_in += 1;
        let held = (ticket, octets.to_vec());
        match reassembler.handle_part(now, key, place.index, octets, held) {
            Arrived::Waits => assert!(place.total > 1),
            Arrived::Repeated((back, _)) => {
                assert_eq!(back, ticket, "its own part, not the one that waits");
                assert!(came_out.insert(ticket));
            }
            Arrived::Whole(parts) => {
                assert_eq!(parts.len(), usize::from(place.total));
                let own = usize::from(place.index) - 1;
                assert!(parts.get(own).is_some_and(|part| *part == (ticket, octets.to_vec())));
                for (ticket, _) in parts {
                    assert!(came_out.insert(ticket));
                }
            }
        }
        expire(&mut reassembler, now, &mut came_out);
        assert!(reassembler.len() <= REASSEMBLY_MESSAGES);
    }
    expire(&mut reassembler, now + REASSEMBLY_TIMEOUT, &mut came_out);
    assert!(reassembler.is_empty() && reassembler.poll_timeout().is_none());
    assert_eq!(came_out.len(), usize::try_from(handed_in).expect("few"), "nothing is lost");
}

/// A part with a header of the input's octets, or with a sound one of small numbers.
fn part<'a>(input: &mut Input<'a>) -> (Option<Concat>, &'a [u8]) {
    if input.octet().is_multiple_of(4) {
        return split_udh(input.run());
    }
    let (reference, total, index) =
        (u16::from(input.octet() % 3), input.octet() % 5, input.octet() % 5);
    let width = input.pick(&[ReferenceWidth::Eight, ReferenceWidth::Sixteen]);
    let size = usize::from(input.octet() % 8);
    (Concat::new(reference, total, index, width), input.take(size))
}

fn expire(
    reassembler: &mut Reassembler<(u32, Vec<u8>)>,
    now: Duration,
    came_out: &mut BTreeSet<u32>,
) {
    let due = reassembler.poll_timeout();
    let mut any = false;
    while let Some(partial) = reassembler.poll_expired(now) {
        any = true;
        assert!(partial.parts.len() < usize::from(partial.key.total()));
        assert!(partial.parts.is_sorted_by(|(a, _), (b, _)| a < b));
        for (_, (ticket, _)) in partial.parts {
            assert!(came_out.insert(ticket));
        }
    }
    assert_eq!(any, due.is_some_and(|due| due <= now), "poll_timeout says when");
    assert!(reassembler.poll_timeout().is_none_or(|due| due > now));
}

/// A header is read to what it says again when it is written.
fn headers(data: &[u8]) {
    let (header, text) = split_header(data);
    assert_eq!(header.len() + text.len(), data.len());
    let (concat, same) = split_udh(data);
    assert_eq!(same, text);
    let udh = Udh::read(header);
    assert_eq!(udh.concat, concat);
    if let Some(Concat { total, index, .. }) = concat {
        assert!(index >= 1 && index <= total);
    }
    let mut written = Vec::new();
    udh.write(&mut written);
    assert!(written.len() <= 19);
    assert_eq!(Udh::read(&written), udh);
    assert_eq!(split_header(&written), (&written[..], &b""[..]));
}
