//! Tests of the receipts that customers are owed. Pure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use postrider_core::content::{Duplicate, Octets};
use postrider_core::id::MessageId;
use postrider_core::lane::Lane;
use postrider_core::number::Msisdn;
use postrider_core::redact::Private;
use postrider_core::sender::SenderId;
use postrider_core::text::Encoding;
use postrider_smpp::receipt::parse_receipt;
use postrider_storage::{Position, SegmentId};

use super::*;

const AT: Position = Position { segment: SegmentId(1), offset: 0 };

fn envelope(registered_delivery: u8, part_count: u8) -> Envelope {
    Envelope {
        id: MessageId::from_u128(77),
        sequence: 5,
        customer: 3,
        to: Msisdn::from_u64(447_700_900_123).unwrap(),
        sender: SenderId::parse("72345").unwrap(),
        apart: None,
        content: Content::of_text("Your code is 4829, do not share it"),
        webhook_url: None,
        client_reference: None,
        encoding: Encoding::Gsm7,
        reference: 1,
        part_count,
        accepted: UnixMs(1_767_367_800_000),
        valid_until: UnixMs(1_767_567_800_000),
        due: None,
        origin: Origin::Smpp,
        duplicate: Duplicate::Allow,
        registered_delivery,
        protocol_id: 0,
        lane: Lane::default(),
        priority: 0,
        data_coding: 0,
        source_ton_npi: [3, 8],
        dest_ton_npi: [2, 1],
        service_type: Box::default(),
        group: None,
        redacted: false,
    }
}

fn message(registered_delivery: u8, parts: u8) -> Message {
    Message::new(envelope(registered_delivery, parts), AT, 100)
}

fn happen(message: &mut Message, part: u8, kind: PartEvent, status: u32, detail: &str) {
    let at = UnixMs(1_767_367_860_000);
    let detail = detail.as_bytes().into();
    message.apply(Event { at, kind, part, carrier: 1, status, attempt: 0, detail });
}

/// A message of one part that was taken and then ended so.
fn ended(registered_delivery: u8, kind: PartEvent, detail: &str) -> Message {
    let mut message = message(registered_delivery, 1);
    happen(&mut message, 0, PartEvent::Submitted, 0, "id");
    happen(&mut message, 0, kind, 0, detail);
    message
}

#[test]
fn the_receipts_that_registered_delivery_asks_for_are_owed() {
    for (asked, delivered, failed) in [
        (0, false, false),
        (1, true, true),
        (2, false, true),
        (3, true, false),
        (0xE4, false, false),
    ] {
        let owes = |kind| ended(asked, kind, "").owed == [0];
        assert_eq!(owes(PartEvent::Delivered), delivered, "{asked}");
        for kind in [PartEvent::Undelivered, PartEvent::Expired, PartEvent::TimedOut] {
            assert_eq!(owes(kind), failed, "{asked} {kind:?}");
        }
    }
    let mut over_http = message(1, 1);
    over_http.envelope.origin = Origin::Http;
    happen(&mut over_http, 0, PartEvent::Submitted, 0, "id");
    happen(&mut over_http, 0, PartEvent::Delivered, 0, "");
    assert_eq!(over_http.owed, [0u16; 0]);
}

#[test]
fn a_message_is_open_until_its_receipt_has_ended() {
    let mut message = ended(1, PartEvent::Delivered, "");
    assert!(!message.is_closed());
    let (at, end) = (UnixMs(9), DeliveryEnd::Delivered);
    message.apply_receipt_end(ReceiptEnd { receipt: 0, attempt: 1, at, end, status: 0 });
    assert!(message.is_closed());
}

#[test]
fn interim_states_are_told_once_each_and_only_when_asked_for() {
    for (asked, owed) in [(0x11, vec![1, 3, 0]), (0x10, vec![1, 3]), (1, vec![0])] {
        let mut message = message(asked, 2);
        for part in 0..2 {
            happen(&mut message, part, PartEvent::Submitted, 0, "id");
        }
        for part in 0..2 {
            happen(&mut message, part, PartEvent::Intermediate, 0, "ENROUTE err:000");
        }
        happen(&mut message, 0, PartEvent::Intermediate, 0, "ACCEPTD err:000");
        for part in 0..2 {
            happen(&mut message, part, PartEvent::Delivered, 0, "");
        }
        assert_eq!(message.owed, owed, "{asked:#x}");
    }
}

#[test]
fn an_interim_receipt_names_its_own_state() {
    let mut message = message(0x11, 1);
    happen(&mut message, 0, PartEvent::Submitted, 0, "id");
    happen(&mut message, 0, PartEvent::Intermediate, 0, "ENROUTE");
    happen(&mut message, 0, PartEvent::Intermediate, 0, "ACCEPTD err:000");
    for (receipt, state) in [(1, ReceiptState::Enroute), (2, ReceiptState::Accepted)] {
        let pdu = receipt_pdu(&message, receipt).unwrap();
        assert_eq!(pdu.esm_class, 0x20);
        assert_eq!(parse_receipt(&pdu.message()).unwrap().state, Some(state));
    }
    assert_eq!(receipt_pdu(&message, 3), None);
    assert_eq!(receipt_pdu(&message, 0), None, "it has not ended");
}

#[test]
fn the_receipt_goes_from_the_recipient_to_the_sender_and_says_it_all() {
    let message = ended(1, PartEvent::Delivered, "");
    let pdu = receipt_pdu(&message, 0).unwrap();
    let deliver = pdu.message();
    assert_eq!(
        (deliver.source, deliver.source_ton, deliver.source_npi),
        (&b"447700900123"[..], 2, 1)
    );
    assert_eq!((deliver.dest, deliver.dest_ton, deliver.dest_npi), (&b"72345"[..], 3, 8));
    assert_eq!((deliver.esm_class, deliver.data_coding), (4, 0));
    let id = message.envelope.id.to_string();
    let text = format!(
        "id:{id} sub:001 dlvrd:001 submit date:2601021530 done date:2601021531 stat:DELIVRD \
         err:000 text:Your code is 4829, d"
    );
    assert_eq!(String::from_utf8_lossy(deliver.short_message), text);
    let receipt = parse_receipt(&deliver).unwrap();
    assert_eq!((receipt.id, receipt.text_id), (id.as_bytes(), None));
}

#[test]
fn all_messages_of_a_group_have_its_id() {
    let mut message = ended(1, PartEvent::Delivered, "");
    message.envelope.group = Some(MessageId::from_u128(4_711));
    let pdu = receipt_pdu(&message, 0).unwrap();
    let id = MessageId::from_u128(4_711).to_string();
    assert_eq!(parse_receipt(&pdu.message()).unwrap().id, id.as_bytes());
}

#[test]
fn the_carriers_own_words_for_a_failure_are_passed_on() {
    use ReceiptState as State;
    let cases = [
        (PartEvent::Undelivered, "UNDELIV err:21b", State::Undeliverable, "21b", None),
        (PartEvent::Undelivered, "DELETED err:7", State::Deleted, "7", None),
        (PartEvent::Undelivered, "FAILED err:12345 x", State::Undeliverable, "1234", None),
        (PartEvent::Rejected, "REJECTD", State::Rejected, "000", None),
        (
            PartEvent::Undelivered,
            "UNDELIV err:001 network_error_code:03001b",
            State::Undeliverable,
            "001",
            Some(&[3, 0, 0x1b][..]),
        ),
        (PartEvent::Expired, "validity period over", State::Expired, "000", None),
        (PartEvent::Expired, "EXPIRED err:\u{e9}", State::Expired, "000", None),
        (PartEvent::TimedOut, "", State::Unknown, "000", None),
    ];
    for (kind, detail, state, err, code) in cases {
        let message = ended(1, kind, detail);
        let pdu = receipt_pdu(&message, 0).unwrap();
        let read = parse_receipt(&pdu.message()).unwrap();
        assert_eq!(read.state, Some(state), "{detail}");
        assert_eq!(read.stat, state.stat().as_bytes(), "{detail}");
        assert_eq!(read.err, Some(err.as_bytes()), "{detail}");
        assert_eq!(read.network_error_code, code, "{detail}");
    }
}

#[test]
fn a_refusal_by_the_carrier_gives_its_status_as_the_error() {
    let mut message = message(2, 1);
    happen(&mut message, 0, PartEvent::Refused, 0x14, "");
    happen(&mut message, 0, PartEvent::Rejected, 0x0B, "");
    let pdu = receipt_pdu(&message, 0).unwrap();
    let read = parse_receipt(&pdu.message()).unwrap();
    assert_eq!((read.state, read.err), (Some(ReceiptState::Rejected), Some(&b"011"[..])));
}

#[test]
fn octets_are_repeated_only_where_they_are_text() {
    let octets = |data_coding| {
        let data = Private::new(b"ABC def\x00".as_slice().into());
        Content::Octets(Octets { data_coding, udh: Box::default(), data })
    };
    assert_eq!(&excerpt_of(&octets(0))[..], b"ABC def?");
    assert_eq!(&excerpt_of(&octets(8))[..], b"");
    assert_eq!(&excerpt_of(&octets(0xF5))[..], b"");
}
