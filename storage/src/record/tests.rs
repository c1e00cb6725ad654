//! Tests of the record codec. Pure, lives nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use proptest::prelude::*;

use super::*;
use crate::disk::SegmentId;
use crate::position::Position;

/// Owned material from which any record can be made.
#[derive(Debug, Clone)]
struct Material {
    pick: u8,
    numbers: [u64; 4],
    bytes: [Vec<u8>; 4],
    small: [u8; 4],
    /// A list of positions.
    positions: Vec<u8>,
}

fn material() -> impl Strategy<Value = Material> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    (0u8..19, any::<[u64; 4]>(), [bytes(), bytes(), bytes(), bytes()], any::<[u8; 4]>()).prop_map(
        |(pick, numbers, bytes, small)| {
            let mut positions = Vec::new();
            for (segment, offset) in bytes[0].iter().zip(&bytes[1]) {
                let segment = SegmentId(u64::from(*segment) + 1);
                Position { segment, offset: u32::from(*offset) }.push_to(&mut positions);
            }
            Material { pick, numbers, bytes, small, positions }
        },
    )
}

fn low32(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap()
}

fn low16(number: u64) -> u16 {
    u16::try_from(number & 0xffff).unwrap()
}

fn record(m: &Material) -> Record<'_> {
    let [a, b, c, d] = m.numbers;
    let [w, x, y, z] = m.small;
    match m.pick {
        0 => Record::Accepted {
            sequence: a,
            partition: low16(b),
            customer: low32(c),
            to: d,
            sender: &m.bytes[0],
            body: &m.bytes[1],
            webhook_url: &m.bytes[2],
            client_reference: &m.bytes[3],
            encoding: w,
            parts: x,
            reference: low16(c),
            accepted_ms: b,
            valid_until_ms: c,
            id: u128::from(a) << 64 | u128::from(d),
            asked: asked(m),
        },
        1 => Record::Part {
            sequence: a,
            part: w,
            event: x,
            carrier: low32(b),
            status: low32(c),
            at_ms: d,
            detail: &m.bytes[0],
            attempt: y,
        },
        2 => Record::Webhook {
            sequence: a,
            attempt: low16(b),
            at_ms: c,
            next_ms: d,
            outcome: z,
            status: low16(a),
        },
        3 => Record::Orphan {
            orphan: a,
            carrier: low32(b),
            at_ms: c,
            source: &m.bytes[0],
            dest: &m.bytes[1],
            carrier_message_id: &m.bytes[2],
            state: w,
            error: &m.bytes[3],
        },
        4 => Record::OrphanClosed { orphan: a, at_ms: b, outcome: w },
        5 => Record::Carried { sequence: a, from: b, reason: w, state: &m.bytes[0] },
        6 => Record::Mark { at_ms: a, next_sequence: b, clean: w % 2 == 0 },
        _ => newer(m),
    }
}

fn asked(m: &Material) -> Asked<'_> {
    let [a, b, c, d] = m.numbers;
    let [w, x, y, z] = m.small;
    Asked {
        due_ms: c,
        group: u128::from(b) << 64 | u128::from(a),
        origin: w,
        options: x,
        registered_delivery: y,
        protocol_id: z,
        priority: w ^ x,
        data_coding: y ^ z,
        udh: &m.bytes[3],
        service_type: &m.bytes[0],
        source_ton_npi: [w, y],
        dest_ton_npi: low16(d).to_le_bytes(),
    }
}

fn newer(m: &Material) -> Record<'_> {
    let [a, b, c, d] = m.numbers;
    let [w, x, y, z] = m.small;
    match m.pick {
        7 => Record::Replaced {
            sequence: a,
            at_ms: b,
            encoding: w,
            parts: x,
            reference: low16(d),
            due_ms: c,
            valid_until_ms: d,
            registered_delivery: y,
            options: z,
            body: &m.bytes[0],
        },
        8 => Record::CustomerReceipt {
            sequence: a,
            receipt: low16(d),
            attempt: low16(b),
            at_ms: c,
            next_ms: d,
            outcome: w,
            status: low32(b),
        },
        9 => Record::Inbound(InboundRecord {
            inbound: a,
            carrier: low32(b),
            customer: low32(c),
            at_ms: d,
            source: &m.bytes[0],
            dest: &m.bytes[1],
            source_ton_npi: [w, x],
            dest_ton_npi: [y, z],
            data_coding: w,
            esm_class: x,
            protocol_id: y,
            reference: low16(a),
            width: z,
            total: w ^ y,
            number: x ^ z,
            udh: &m.bytes[2],
            body: &m.bytes[3],
        }),
        10 => Record::InboundClosed { inbound: a, at_ms: b, outcome: w },
        11 => Record::Closed { sequence: a, at_ms: b, status: x, records: &m.positions },
        12 => Record::Erased {
            at_ms: a,
            scope: w,
            hash: u128::from(b) << 64 | u128::from(c),
            customer: low32(d),
            until_ms: c,
        },
        13 => Record::Redacted { sequence: a, at_ms: b },
        14 => Record::OptOut {
            customer: low32(a),
            hash: u128::from(b) << 64 | u128::from(c),
            at_ms: d,
            on: w & 1 == 1,
        },
        15 => Record::Epoch { at_ms: a, epoch: low32(b), shards: low16(c) },
        16 => Record::Moving { at_ms: a, epoch: low32(b) },
        17 => Record::Content(ContentRecord {
            content: a,
            sequence: b,
            until_ms: c,
            body: &m.bytes[0],
            udh: &m.bytes[1],
        }),
        _ => Record::ContentOwner { content: a, sequence: b, until_ms: c },
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(items in prop::collection::vec(material(), 0..6)) {
        let mut payload = Vec::new();
        for item in &items {
            let before = payload.len();
            record(item).encode(&mut payload);
            prop_assert_eq!(payload.len() - before, record(item).encoded_len());
        }
        let mut read = 0;
        for (frame, item) in Frames::new(&payload).zip(&items) {
            let frame = frame.unwrap();
            let back = Record::decode(frame.kind, frame.version, frame.body).unwrap().unwrap();
            prop_assert_eq!(back, record(item));
            read += 1;
        }
        prop_assert_eq!(read, items.len());
    }

    #[test]
    fn a_body_of_another_length_is_refused(item in material(), cut in 1usize..40) {
        let mut bytes = Vec::new();
        record(&item).encode(&mut bytes);
        let body = &bytes[8..];
        let (kind, version) = (bytes[0], bytes[1]);
        let short = &body[..body.len() - cut.min(body.len())];
        prop_assert_eq!(Record::decode(kind, version, short), Err(RecordError::Length { kind }));
        let mut long = body.to_vec();
        long.extend(std::iter::repeat_n(0, cut));
        prop_assert_eq!(Record::decode(kind, version, &long), Err(RecordError::Length { kind }));
    }

    #[test]
    fn arbitrary_bytes_never_panic(kind in any::<u8>(), version in 0u8..4,
                                   bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let decoded = Record::decode(kind, version, &bytes);
        if RecordKind::from_number(kind).is_none() {
            prop_assert_eq!(decoded, Ok(None));
        }
        prop_assert!(Frames::new(&bytes).count() <= bytes.len());
    }
}

proptest! {
    #[test]
    fn a_record_is_read_alone_whatever_follows(
        item in material(),
        more in prop::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        record(&item).encode(&mut bytes);
        let len = bytes.len();
        prop_assert!(bytes[2..4] != [0, 0], "it has a check");
        let whole = Ok(ReadBack::Whole { record: record(&item), len });
        let short = cut.index(len);
        let needed = if short < FRAME { FRAME } else { len };
        prop_assert_eq!(read_record(&bytes[..short]), Ok(ReadBack::Incomplete { needed }));
        let mut unchecked = bytes.clone();
        unchecked[2..4].fill(0);
        prop_assert_eq!(read_record(&unchecked), whole, "as format 1 wrote it");
        bytes.extend(more);
        prop_assert_eq!(read_record(&bytes), whole);
    }

    #[test]
    fn arbitrary_bytes_are_never_taken_for_more_than_they_are(
        bytes in prop::collection::vec(prop_oneof![2 => 0u8..16, 1 => any::<u8>()], 0..200),
    ) {
        match read_record(&bytes) {
            Ok(ReadBack::Whole { len, .. }) => prop_assert!(len <= bytes.len()),
            Ok(ReadBack::Incomplete { needed }) => {
                prop_assert!(needed > bytes.len() && needed <= RECORD_BYTES_MAX);
            }
            Err(_) => {}
        }
    }
}

#[test]
fn every_flipped_bit_of_a_record_read_alone_is_seen() {
    for size in [0, 300, 5_000] {
        let state: Vec<u8> = (0..size).map(|at| (at * 7) as u8).collect();
        let mut bytes = Vec::new();
        Record::Carried { sequence: 7, from: 9, reason: 1, state: &state }.encode(&mut bytes);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                let read = read_record(&bytes);
                assert!(
                    !matches!(read, Ok(ReadBack::Whole { .. })),
                    "byte {at} bit {bit}: {read:?}"
                );
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn what_is_no_record_says_why() {
    assert_eq!(read_record(&[0; 64]), Err(ReadRecordError::Kind { kind: 0 }));
    assert_eq!(read_record(&[0xff; 64]), Err(ReadRecordError::TooLong { length: u32::MAX }));
    let newer = RecordError::Version { kind: 7, version: 9, newest: 1 };
    assert_eq!(read_record(&[7, 9, 0, 0, 0, 0, 0, 0]), Err(newer.into()));
    let mut bytes = Vec::new();
    Record::OrphanClosed { orphan: 1, at_ms: 2, outcome: 3 }.encode(&mut bytes);
    bytes[8] ^= 1;
    assert_eq!(read_record(&bytes), Err(ReadRecordError::Check));
}

proptest! {
    #[test]
    fn version_1_of_accepted_reads_as_one_that_asked_for_nothing(mut item in material()) {
        item.pick = 0;
        let Record::Accepted { sender, body, webhook_url, client_reference, .. } = record(&item)
        else { unreachable!() };
        let strings = [sender, body, webhook_url, client_reference].concat();
        let mut bytes = Vec::new();
        record(&item).encode(&mut bytes);
        let mut first = bytes[8..8 + 76].to_vec();
        first.extend_from_slice(&strings);
        let mut expected = record(&item);
        let Record::Accepted { asked, .. } = &mut expected else { unreachable!() };
        *asked = Asked::default();
        prop_assert_eq!(Record::decode(1, 1, &first), Ok(Some(expected)));
    }

    #[test]
    fn version_1_of_carried_reads_as_one_whose_origin_is_not_known(
        sequence in any::<u64>(),
        state in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut first = sequence.to_le_bytes().to_vec();
        first.extend_from_slice(&u32::try_from(state.len()).unwrap().to_le_bytes());
        first.extend_from_slice(&[0; 4]);
        first.extend_from_slice(&state);
        let expected = Record::Carried { sequence, from: 0, reason: CARRIED_RECYCLED, state: &state };
        prop_assert_eq!(Record::decode(6, 1, &first), Ok(Some(expected)));
    }
}

#[test]
fn a_newer_version_of_a_known_kind_is_refused() {
    let refused = |kind, version, newest| Err(RecordError::Version { kind, version, newest });
    assert_eq!(Record::decode(7, 2, &[0; 24]), refused(7, 2, 1));
    assert_eq!(Record::decode(7, 0, &[0; 24]), refused(7, 0, 1));
    assert_eq!(Record::decode(1, 3, &[0; 116]), refused(1, 3, 2));
}

#[test]
fn a_field_outside_its_range_is_refused() {
    let mut body = [0; 24];
    body[16] = 2;
    assert_eq!(Record::decode(7, 1, &body), Err(RecordError::Field { kind: 7 }));
    // A list of positions holds nothing else.
    for records in [&[0; 8][..], &[1; 7], &[0xff; 16]] {
        let mut bytes = Vec::new();
        Record::Closed { sequence: 1, at_ms: 2, status: 3, records }.encode(&mut bytes);
        let refused = Err(RecordError::Field { kind: 12 });
        assert_eq!(Record::decode(12, 1, &bytes[FRAME..]), refused);
    }
}

#[test]
fn a_frame_that_overruns_its_payload_is_an_error_once() {
    let mut bytes = Vec::new();
    Record::OrphanClosed { orphan: 1, at_ms: 2, outcome: 3 }.encode(&mut bytes);
    bytes.truncate(bytes.len() - 1);
    let mut frames = Frames::new(&bytes);
    assert_eq!(frames.next(), Some(Err(RecordError::Frame)));
    assert_eq!(frames.next(), None);
}

#[test]
fn the_largest_record_fits_and_one_byte_more_does_not() {
    let state = vec![0; RECORD_BYTES_MAX - 8 - 32];
    let mut out = Vec::new();
    Record::Carried { sequence: 1, from: 0, reason: 1, state: &state }.encode(&mut out);
    assert_eq!(out.len(), RECORD_BYTES_MAX);
    let state = vec![0; state.len() + 1];
    let over = Record::Carried { sequence: 1, from: 0, reason: 1, state: &state };
    assert!(std::panic::catch_unwind(move || over.encode(&mut Vec::new())).is_err());
}

#[test]
fn the_bytes_of_a_moving_record_are_pinned() {
    let mut bytes = Vec::new();
    Record::Moving { at_ms: 1_790_000_012_000, epoch: 0x0403_0201 }.encode(&mut bytes);
    assert_eq!(bytes[..2], [18, 1]);
    assert_eq!(
        bytes[4..],
        [16, 0, 0, 0, 0xe0, 0x9a, 0x50, 0xc4, 0xa0, 1, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0]
    );
}
