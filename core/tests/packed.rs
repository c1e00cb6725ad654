//! Packed septets: known octets, the bits one by one, and that nothing is lost or added.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::text::packed::{fill_bits, pack, unpack};
use proptest::prelude::*;

#[test]
fn known_octets() {
    for (septets, octets) in [
        (&b""[..], &[][..]),
        (b"1", &[0x31]),
        (b"hellohello", &[0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37]),
        // Seven septets leave seven bits: a carriage return keeps them from reading as `@`.
        (b"1234567", &[0x31, 0xD9, 0x8C, 0x56, 0xB3, 0xDD, 0x1A]),
        (b"12345678", &[0x31, 0xD9, 0x8C, 0x56, 0xB3, 0xDD, 0x70]),
    ] {
        assert_eq!(pack(septets, 0), octets, "{septets:?}");
        assert_eq!(unpack(octets, 0), septets);
    }
}

#[test]
fn text_begins_at_a_septet_behind_a_header() {
    // The concatenation header of 6 octets takes 48 bits; the seventh septet begins at bit 49.
    for (header, fill) in [(0, 0), (6, 1), (7, 0), (4, 3), (9, 5), (10, 4), (12, 2), (13, 1)] {
        assert_eq!(fill_bits(header), fill, "{header}");
        assert_eq!((header * 8 + fill) % 7, 0);
    }
    assert_eq!(pack(b"Hi", 1), [0x90, 0x69]);
    assert_eq!(unpack(&[0x90, 0x69], 1), b"Hi");
    // A full part fills its 140 octets to the last bit.
    assert_eq!(pack(&[b'x'; 153], fill_bits(6)).len(), 134);
    assert_eq!(pack(&[b'x'; 160], 0).len(), 140);
}

/// The bits of septets, lowest first, as 0 and 1.
fn bits(values: &[u8], width: usize) -> Vec<u8> {
    values.iter().flat_map(|value| (0..width).map(move |bit| value >> bit & 1)).collect()
}

proptest! {
    #[test]
    fn septets_follow_each_other_bit_by_bit(
        septets in prop::collection::vec(0_u8..128, 0..200),
        fill in 0_usize..7,
    ) {
        let octets = pack(&septets, fill);
        let all = bits(&octets, 8);
        let own = fill + septets.len() * 7;
        prop_assert_eq!(octets.len(), own.div_ceil(8));
        prop_assert!(all[..fill].iter().all(|bit| *bit == 0));
        prop_assert_eq!(&all[fill..own], bits(&septets, 7));
        let spare = if all.len() - own == 7 { bits(&[0x0D], 7) } else { vec![0; all.len() - own] };
        prop_assert_eq!(&all[own..], spare);
    }

    #[test]
    fn what_is_packed_is_unpacked(
        mut septets in prop::collection::vec(prop_oneof![Just(0_u8), Just(13), 0_u8..128], 0..200),
        fill in 0_usize..7,
    ) {
        let octets = pack(&septets, fill);
        // A carriage return that ends with the last bit cannot be told from padding.
        if (fill + septets.len() * 7).is_multiple_of(8) && septets.last() == Some(&13) {
            septets.pop();
        }
        prop_assert_eq!(unpack(&octets, fill), septets);
    }

    #[test]
    fn any_octets_can_be_unpacked(octets in prop::collection::vec(any::<u8>(), 0..60), fill in 0_usize..7) {
        prop_assert!(unpack(&octets, fill).iter().all(|septet| *septet < 128));
    }
}
