//! Every key of a carrier's profile as it stands on the wire, on one shard in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::time::Duration;

use harness::gateway::{Gateway, HANDSET, Receipt, Submit, alpha, config};
use postrider_core::config::OnUnknownOutcome::HoldForReceipt;
use postrider_core::config::{
    CarrierConfig, CarrierTlv, Concatenation, Config, TonNpi, ValidityForm,
};
use postrider_core::content::{Content, Octets};
use postrider_core::number::Msisdn;
use postrider_core::redact::Private;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::{DefaultAlphabet, Encoding, NationalLanguage};
use postrider_shards::stats::Counter;

fn with(concatenation: Concatenation) -> Config {
    alpha(|carrier| carrier.profile.concatenation = concatenation)
}

fn tlv(submit: &Submit, tag: u16) -> Option<Vec<u8>> {
    submit.message(|message| message.tlvs.get(tag).map(<[u8]>::to_vec))
}

fn sent(gateway: &mut Gateway, text: &str) -> Submit {
    gateway.send(text);
    gateway.accept("1")
}

fn sent_by(gateway: &mut Gateway, sender: &str) -> Submit {
    let body = format!(r#"{{"from":"{sender}","to":"+{HANDSET}","body":"hello"}}"#);
    gateway.post(&body);
    gateway.accept("1")
}

#[test]
fn the_bind_says_version_system_type_and_credentials() {
    let gateway = Gateway::new(alpha(|carrier| {
        carrier.version = 0x50;
        carrier.system_type = String::from("OTA");
    }));
    let (_, bind) = &gateway.asked[0];
    assert_eq!(bind.body, b"alpha\0p\0OTA\0\x50\0\0\0");
}

#[test]
fn addresses_have_the_types_of_the_profile() {
    let kind = |ton, npi| TonNpi { ton, npi };
    let mut gateway = Gateway::new(alpha(|carrier| {
        let addressing = &mut carrier.profile.addressing;
        addressing.alphanumeric = kind(5, 1);
        addressing.long_code = kind(2, 8);
        addressing.short_code = kind(6, 9);
        addressing.destination = kind(0, 18);
        carrier.profile.service_type = String::from("WAP");
    }));
    for (sender, ton, npi) in [("Acme", 5, 1), ("+447700900999", 2, 8), ("12345", 6, 9)] {
        sent_by(&mut gateway, sender).message(|message| {
            assert_eq!((message.source_ton, message.source_npi), (ton, npi), "{sender}");
            assert_eq!((message.dest_ton, message.dest_npi), (0, 18));
            assert_eq!(message.dest, HANDSET.as_bytes());
            assert_eq!(message.source, sender.trim_start_matches('+').as_bytes());
            assert_eq!(message.service_type, b"WAP");
        });
    }
}

#[test]
fn long_texts_are_tied_together_as_the_carrier_wants() {
    let text = "x".repeat(400);
    for (form, udh, units) in [
        (Concatenation::Udh8, &[5, 0, 3][..], 153),
        (Concatenation::Udh16, &[6, 8, 4], 152),
        (Concatenation::Sar, &[], 153),
    ] {
        let mut gateway = Gateway::new(with(form));
        gateway.send(&text);
        assert_eq!(gateway.submits.len(), 3);
        let mut references = Vec::new();
        for number in 1..=3u8 {
            let part = gateway.accept(&number.to_string());
            let octets = part.text();
            let esm_class = part.message(|message| message.esm_class);
            assert!(octets.starts_with(udh), "{form:?}: {octets:?}");
            assert_eq!(esm_class, if udh.is_empty() { 0 } else { 0x40 });
            let header = if udh.is_empty() { 0 } else { usize::from(udh[0]) + 1 };
            let wanted = if number == 3 { 400 - 2 * units } else { units };
            assert_eq!(octets.len() - header, wanted, "{form:?}, part {number}");
            let sar = [0x020C, 0x020E, 0x020F].map(|tag| tlv(&part, tag));
            if form == Concatenation::Sar {
                assert_eq!(sar[1..], [Some(vec![3]), Some(vec![number])]);
                references.push(sar[0].clone().unwrap());
            } else {
                assert_eq!(sar, [None, None, None]);
                references.push(octets[3..header - 2].to_vec());
                assert_eq!(octets[header - 2..header], [3, number]);
            }
        }
        assert!(references.iter().all(|reference| *reference == references[0]));
    }
}

#[test]
fn a_text_that_goes_whole_is_one_submit_whose_answer_and_receipt_count_for_every_part() {
    let mut gateway = Gateway::new(with(Concatenation::Payload));
    let text = "x".repeat(400);
    let id = gateway.send(&text);
    assert_eq!(gateway.submits.len(), 1);
    let submit = gateway.accept("7");
    assert_eq!(tlv(&submit, 0x0424).unwrap(), text.as_bytes());
    submit.message(|message| {
        assert_eq!((message.short_message.len(), message.esm_class), (0, 0));
        assert_eq!(message.tlvs.get(0x020C), None);
    });
    let view = gateway.rig.view(id);
    assert_eq!((view.segment_count, view.parts.len()), (3, 3));
    assert!(view.parts.iter().all(|part| part.status.name() == "submitted"));
    assert!(view.parts.iter().all(|part| part.carrier_message_id.as_deref() == Some("7")));
    gateway.receipt(0, &Receipt::of("7", "DELIVRD"));
    assert_eq!(gateway.timeline(id), ["accepted", "submitted 7", "delivered"]);
    assert_eq!(gateway.count(Counter::ReceiptsMatched), 1);
    assert_eq!(gateway.count(Counter::PartsSubmitted), 1);
    // A short one is no payload.
    let submit = sent(&mut gateway, "short");
    assert_eq!(tlv(&submit, 0x0424), None);
    assert_eq!(submit.text(), b"short");
}

#[test]
fn a_text_that_goes_whole_is_refused_and_lost_as_a_whole() {
    let mut config = with(Concatenation::Payload);
    config.carriers[0].profile.unknown_grace = Duration::from_secs(1);
    let mut gateway = Gateway::new(config);
    let id = gateway.send(&"x".repeat(400));
    gateway.refuse(0x58);
    gateway.seconds(2);
    gateway.refuse(0x08);
    gateway.seconds(2);
    gateway.submit();
    gateway.lose(0);
    assert_eq!(gateway.status(id), "outcome_unknown");
    gateway.pass(Duration::from_millis(5));
    gateway = gateway.crash();
    assert_eq!(gateway.status(id), "outcome_unknown");
    gateway.seconds(3);
    assert_eq!(gateway.submits.len(), 1, "whole again, once");
    gateway.accept("8");
    gateway.pass(Duration::from_millis(5));
    gateway = gateway.crash();
    gateway.receipt(0, &Receipt::of("8", "UNDELIV"));
    assert_eq!(gateway.status(id), "undelivered");
    let view = gateway.rig.view(id);
    assert!(view.parts.iter().all(|part| part.status.name() == "undelivered"), "{view:?}");
}

#[test]
fn a_text_that_goes_whole_is_held_whole() {
    let mut config = with(Concatenation::Payload);
    config.carriers[0].on_unknown_outcome = HoldForReceipt;
    let mut gateway = Gateway::new(config);
    let id = gateway.send(&"x".repeat(400));
    gateway.submit();
    gateway = gateway.crash();
    gateway.seconds(60);
    assert!(gateway.submits.is_empty());
    let wanted = ["accepted", "attempted attempt 1", "outcome_unknown"];
    assert_eq!(gateway.timeline(id), wanted);
}

#[test]
fn a_whole_text_goes_in_parts_when_another_carrier_has_to_take_it() {
    let mut config = config(&["alpha", "beta"]);
    config.carriers[0].profile.concatenation = Concatenation::Payload;
    let mut gateway = Gateway::new(config);
    let id = gateway.send(&"x".repeat(400));
    gateway.refuse(0x0A);
    assert_eq!(gateway.submits.len(), 3);
    for number in 1..=3 {
        assert_eq!(gateway.accept(&number.to_string()).bind, 1);
    }
    assert_eq!(gateway.status(id), "submitted");
}

#[test]
fn text_has_the_carriers_alphabets() {
    let latin1 = |carrier: &mut CarrierConfig| {
        carrier.profile.alphabet.default = DefaultAlphabet::Latin1;
        carrier.profile.alphabet.default_data_coding = 3;
        carrier.profile.alphabet.ucs2_data_coding = 0x18;
    };
    let mut gateway = Gateway::new(alpha(latin1));
    let submit = sent(&mut gateway, "h\u{e9}llo");
    assert_eq!(submit.message(|message| message.data_coding), 3);
    assert_eq!(submit.text(), b"h\xe9llo");
    // GSM 03.38 has it, Latin-1 has not.
    let submit = sent(&mut gateway, "\u{394}");
    assert_eq!(submit.message(|message| message.data_coding), 0x18);
    assert_eq!(submit.text(), [0x03, 0x94]);
    let mut gateway = Gateway::new(alpha(|carrier| carrier.profile.alphabet.packed = true));
    let submit = sent(&mut gateway, "hellohello");
    assert_eq!(submit.text(), b"\xe8\x32\x9b\xfd\x46\x97\xd9\xec\x37");
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.alphabet.national = vec![NationalLanguage::Turkish];
    }));
    let text = format!("{}\u{15f}", "a".repeat(80));
    let submit = sent(&mut gateway, &text);
    submit.message(|message| {
        assert_eq!((message.data_coding, message.esm_class), (0, 0x40));
        assert_eq!(message.short_message[..4], [3, 0x24, 1, 1]);
    });
}

#[test]
fn more_parts_are_promised_only_when_no_carrier_fits_the_count() {
    // Two parts with an 8-bit reference, three with one of 16 bits.
    let text = "x".repeat(306);
    let submission = || {
        let sender = SenderId::parse("Acme").unwrap();
        let to = Msisdn::parse_strict(HANDSET).unwrap();
        Submission::new(sender, to, Content::of_text(&text), (Encoding::Gsm7, 2))
    };
    let mut both = config(&["alpha", "beta"]);
    both.carriers[0].profile.concatenation = Concatenation::Udh16;
    let mut gateway = Gateway::new(both);
    assert_eq!(gateway.submit_as(submission()).parts, 2);
    let binds: Vec<_> = gateway.submits.iter().map(|submit| submit.bind).collect();
    assert_eq!(binds, [1, 1], "beta alone cuts it as promised");
    let mut gateway = Gateway::new(with(Concatenation::Udh16));
    let accepted = gateway.submit_as(submission());
    assert_eq!((accepted.parts, gateway.submits.len()), (3, 3));
    assert_eq!(gateway.rig.view(accepted.id).segment_count, 3);
    // An alphabet that needs more.
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.alphabet.default = DefaultAlphabet::Ascii;
    }));
    let text = format!("\u{20ac}{}", "x".repeat(100));
    let sender = SenderId::parse("Acme").unwrap();
    let to = Msisdn::parse_strict(HANDSET).unwrap();
    let content = Content::of_text(&text);
    let accepted = gateway.submit_as(Submission::new(sender, to, content, (Encoding::Gsm7, 1)));
    assert_eq!((accepted.parts, accepted.encoding), (2, Encoding::Ucs2));
}

#[test]
fn parameters_are_sent_where_their_conditions_hold() {
    let tlv_of = |tag, senders: &[&str], template: Option<&str>| CarrierTlv {
        tag,
        value: tag.to_be_bytes().to_vec(),
        senders: senders.iter().map(|sender| SenderId::parse(sender).unwrap()).collect(),
        template: template.map(String::from),
    };
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.tlvs = vec![
            tlv_of(0x1400, &[], None),
            tlv_of(0x1401, &["Acme"], None),
            tlv_of(0x1402, &[], Some("Your code is {#var#}.")),
        ];
    }));
    let got = |submit: &Submit| {
        [0x1400, 0x1401, 0x1402].map(|tag| tlv(submit, tag) == Some(tag.to_be_bytes().to_vec()))
    };
    assert_eq!(got(&sent(&mut gateway, "hello")), [true, true, false]);
    assert_eq!(got(&sent(&mut gateway, "Your code is 4711.")), [true, true, true]);
    assert_eq!(got(&sent(&mut gateway, "Your code is 4711")), [true, true, false]);
    assert_eq!(got(&sent_by(&mut gateway, "Other")), [true, false, false]);
}

#[test]
fn a_validity_that_was_asked_for_has_the_carriers_form() {
    let body = format!(r#"{{"from":"Acme","to":"+{HANDSET}","body":"a","validity_period":5400}}"#);
    for (form, wanted) in [
        (ValidityForm::Relative, &b"000000013000000R"[..]),
        // 2026-09-21T14:43:21Z, after the rig's clock by an hour and a half.
        (ValidityForm::Absolute, b"260921154321000+"),
        (ValidityForm::None, b""),
    ] {
        let mut gateway = Gateway::new(alpha(|carrier| carrier.profile.validity = form));
        gateway.post(&body);
        let submit = gateway.accept("1");
        submit.message(|message| {
            assert_eq!(
                message.validity_period,
                wanted,
                "{}",
                message.validity_period.escape_ascii()
            );
        });
        let submit = sent(&mut gateway, "without");
        assert!(submit.message(|message| message.validity_period.is_empty()));
    }
}

#[test]
fn receipts_are_asked_for_unless_the_carrier_has_none() {
    for (receipts, wanted) in [(true, 1), (false, 0)] {
        let mut gateway = Gateway::new(alpha(|carrier| carrier.receipts = receipts));
        let submit = sent(&mut gateway, "hello");
        assert_eq!(submit.message(|message| message.registered_delivery), wanted);
    }
}

#[test]
fn a_part_has_one_reference_of_its_own_whatever_the_copy() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.user_message_reference = true;
        carrier.profile.unknown_grace = Duration::ZERO;
    }));
    gateway.send(&"x".repeat(400));
    let reference = |submit: Submit| tlv(&submit, 0x0204).unwrap();
    let first: Vec<_> = (0..3).map(|_| reference(gateway.submit())).collect();
    assert!(first.iter().all(|reference| reference.len() == 2));
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);
    gateway.lose(0);
    gateway.seconds(2);
    // The bind begins with a small window.
    let again = |id: u8| {
        gateway.seconds(1);
        reference(gateway.accept(&id.to_string()))
    };
    let second: Vec<_> = (0..3).map(again).collect();
    assert_eq!(first, second);
}

/// A part as a customer's own software made it.
fn octets(data_coding: u8, udh: &[u8], data: &[u8]) -> Submission {
    let sender = SenderId::parse("Acme").unwrap();
    let to = Msisdn::parse_strict(HANDSET).unwrap();
    let data = Private::new(data.into());
    let content = Content::Octets(Octets { data_coding, udh: udh.into(), data });
    Submission::new(sender, to, content, (Encoding::Gsm7, 1))
}

fn octets_sent(gateway: &mut Gateway, submission: Submission) -> Submit {
    gateway.submit_as(submission);
    gateway.accept("1")
}

#[test]
fn a_customers_octets_pass_through() {
    let udh = [6, 5, 4, 0x15, 0x81, 0, 0];
    let mut gateway = Gateway::new(config(&["alpha"]));
    let submit = octets_sent(&mut gateway, octets(0xF5, &udh, b"\0\xff\x1b"));
    submit.message(|message| {
        assert_eq!((message.data_coding, message.esm_class), (0xF5, 0x40));
        assert_eq!(message.short_message, [&udh[..], b"\0\xff\x1b"].concat());
    });
    // Beyond what short_message holds in both versions.
    let long = vec![7; 255];
    let submit = octets_sent(&mut gateway, octets(4, &[], &long));
    assert_eq!(tlv(&submit, 0x0424).unwrap(), long);
}

#[test]
fn a_customers_octets_meet_the_carriers_alphabets_and_concatenation() {
    let mut gateway = Gateway::new(alpha(|carrier| {
        carrier.profile.alphabet.default = DefaultAlphabet::Latin1;
        carrier.profile.alphabet.default_data_coding = 3;
        carrier.profile.concatenation = Concatenation::Sar;
    }));
    // h, e acute, l in GSM 03.38.
    let submit = octets_sent(&mut gateway, octets(0, &[], b"h\x05l"));
    assert_eq!(submit.text(), b"h\xe9l");
    assert_eq!(submit.message(|message| message.data_coding), 3);
    // A header that only ties parts together becomes parameters; another stays.
    let submit = octets_sent(&mut gateway, octets(0, &[5, 0, 3, 9, 2, 1], b"half"));
    assert_eq!(submit.message(|message| message.esm_class), 0);
    assert_eq!(submit.text(), b"half");
    let sar = [0x020C, 0x020E, 0x020F].map(|tag| tlv(&submit, tag).unwrap());
    assert_eq!(sar, [vec![0, 9], vec![2], vec![1]]);
    let ported = [11, 5, 4, 0x15, 0x81, 0, 0, 0, 3, 9, 2, 1];
    let submit = octets_sent(&mut gateway, octets(4, &ported, b"half"));
    assert_eq!(submit.message(|message| message.esm_class), 0x40);
    assert!(submit.text().starts_with(&ported));
    assert_eq!(tlv(&submit, 0x020C), None);
}
