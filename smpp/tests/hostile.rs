//! Octets nobody meant: nothing may panic, and what is written must be readable. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{at, bound_esme, bound_smsc, drain, generated_octets, headers};
use postrider_smpp::command::CommandId;
use postrider_smpp::json::{json_to_pdu, pdu_to_json, receipt_to_json};
use postrider_smpp::pdu::{ShortMessage, VERSION_5_0, decode, encode_message_for, next_frame};
use postrider_smpp::receipt::{
    parse_receipt, parse_receipt_decoded, parse_receipt_text, read_date,
};
use postrider_smpp::session::{BindKind, SessionConfig, State};
use postrider_smpp::tlv::{Tlv, Tlvs};
use proptest::collection::vec;
use proptest::prelude::*;

/// Reads octets in every way there is.
fn read_all_ways(octets: &[u8]) {
    let shown = pdu_to_json(octets);
    if shown.get("error").is_none() {
        let again = json_to_pdu(&shown);
        assert_eq!(shown["exact"], again.as_deref() == Ok(octets), "{shown}: {again:?}");
    }
    if let Ok(Some((frame, _))) = next_frame(octets, 70_000)
        && let Ok(postrider_smpp::pdu::Body::Message(message)) = decode(&frame)
    {
        parse_receipt(&message);
        parse_receipt_decoded(&message, &mut Vec::new());
    }
    parse_receipt_text(octets);
    read_date(octets);
    receipt_to_json(&String::from_utf8_lossy(octets));
}

/// A PDU with a right length around any body.
fn framed(command: CommandId, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = 16 + body.len() as u32;
    let words = [length, command.0, status, sequence].map(u32::to_be_bytes).concat();
    [&words[..], body].concat()
}

fn command() -> impl Strategy<Value = CommandId> {
    prop_oneof![
        4 => proptest::sample::select(CommandId::ALL),
        1 => any::<u32>().prop_map(CommandId),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_octets_are_read_without_a_panic(octets in vec(any::<u8>(), 0..300)) {
        read_all_ways(&octets);
    }

    #[test]
    fn any_body_of_any_command_is_read_without_a_panic(
        command in command(), status in 0_u32..0x60, body in vec(any::<u8>(), 0..120),
    ) {
        read_all_ways(&framed(command, status, 1, &body));
    }

    #[test]
    fn generated_pdus_with_octets_changed_are_read_without_a_panic(
        which in any::<proptest::sample::Index>(),
        changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        let all = generated_octets();
        let mut octets = which.get(all).clone();
        for (place, value) in changes {
            let place = place.index(octets.len());
            octets[place] = value;
        }
        read_all_ways(&octets);
        octets.truncate(cut.index(octets.len()));
        read_all_ways(&octets);
    }

    #[test]
    fn receipts_of_shuffled_keys_are_read_without_a_panic(
        words in vec("(id|sub|stat|err|text|submit date|done date):? ?[a-z0-9:]{0,12}\0? ?", 0..12),
    ) {
        let text = words.concat();
        read_all_ways(text.as_bytes());
        if let Some(receipt) = parse_receipt_text(text.as_bytes()) {
            prop_assert!(!receipt.id.is_empty() && !receipt.stat.is_empty());
        }
    }

    #[test]
    fn hostile_peers_get_whole_pdus_and_never_an_answer_to_an_answer(
        pdus in vec((command(), 0_u32..0x20, 0_u32..5, vec(any::<u8>(), 0..60)), 1..20),
        server in any::<bool>(),
    ) {
        let config = SessionConfig { inbound_window: 3, ..SessionConfig::default() };
        let mut session = if server {
            bound_smsc(config, BindKind::Transceiver)
        } else {
            bound_esme(config)
        };
        for (command, status, sequence, body) in pdus {
            if session.state() == State::Closed {
                break;
            }
            session.handle_bytes(at(1), &framed(command, status, sequence, &body));
            let (_, out) = drain(&mut session);
            let written = headers(&out);
            if command.is_response() {
                prop_assert!(written.is_empty(), "{command:?} was answered");
            }
            for header in written {
                prop_assert!(header.command.is_response());
                prop_assert_eq!(header.sequence, sequence);
            }
        }
    }

    #[test]
    fn any_message_within_bounds_is_read_back_as_it_was_written(
        command in proptest::sample::select(
            &[CommandId::SUBMIT_SM, CommandId::DELIVER_SM, CommandId::DATA_SM][..]),
        service in vec(1_u8.., 0..=5), source in vec(1_u8.., 0..=20), dest in vec(1_u8.., 0..=20),
        flags in any::<[u8; 8]>(), text in vec(any::<u8>(), 0..=255),
        tlvs in vec((0x1400_u16..0x4000, vec(any::<u8>(), 0..40)), 0..5),
    ) {
        let mut area = Vec::new();
        for (tag, value) in &tlvs {
            let written = Tlv { tag: *tag, value }.write(&mut area);
            prop_assert!(written);
        }
        let data = command == CommandId::DATA_SM;
        let only_message = |value: u8| if data { 0 } else { value };
        let message = ShortMessage {
            service_type: &service, source: &source, dest: &dest,
            source_ton: flags[0], dest_npi: flags[1], esm_class: flags[2], data_coding: flags[3],
            registered_delivery: flags[4], priority_flag: only_message(flags[5] % 4),
            protocol_id: only_message(flags[6]), sm_default_msg_id: only_message(flags[7]),
            validity_period: if data { b"" } else { b"000002000000000R" },
            short_message: if data { b"" } else { &text },
            tlvs: Tlvs::new(&area),
            ..ShortMessage::default()
        };
        let mut out = Vec::new();
        encode_message_for(&mut out, VERSION_5_0, command, 7, &message).unwrap();
        let (frame, used) = next_frame(&out, 70_000).unwrap().unwrap();
        prop_assert_eq!(used, out.len());
        let Ok(postrider_smpp::pdu::Body::Message(read)) = decode(&frame) else {
            return Err(TestCaseError::fail("a message"));
        };
        prop_assert!(read == message);
    }
}
