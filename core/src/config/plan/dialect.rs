//! How the gateway speaks SMPP with a carrier or a customer, in words, where that is not the default.
//! Pure, lives nowhere.

use std::collections::BTreeMap;

use crate::carrier_id::{IdBase, IdForms};
use crate::config::checked::{BindType, CarrierConfig, CustomerConfig, OnUnknownOutcome};
use crate::config::profile::{
    Addressing, AlphabetConfig, CarrierProfile, CarrierTls, CarrierTlv, Concatenation, Learn,
    ReceiptDetection, TonNpi, ValidityForm,
};
use crate::config::smpp::{CustomerSmpp, LongInbound};
use crate::config::status;
use crate::config::words::Word;
use crate::content::Retention;
use crate::limits;
use crate::text::DefaultAlphabet;

/// The differences, in the order of the example.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn add(&mut self, differs: bool, words: impl FnOnce() -> String) {
        if differs {
            self.0.push(words());
        }
    }
}

pub(super) fn of_carrier(carrier: &CarrierConfig) -> Vec<String> {
    let mut all = Differences::default();
    let profile = &carrier.profile;
    all.add(carrier.version == 0x50, || String::from("SMPP 5.0"));
    all.0.extend(profile.tls.as_ref().map(tls));
    all.0.extend(profile.outbind.as_ref().map(|outbind| {
        format!("it connects to us at {} and is \"{}\"", outbind.listen, outbind.system_id)
    }));
    all.0.extend(binds(carrier.bind));
    all.add(!carrier.system_type.is_empty(), || {
        format!("system_type is \"{}\"", carrier.system_type)
    });
    timers(&mut all, carrier);
    outcomes(&mut all, carrier);
    wire(&mut all, profile);
    receipts(&mut all, carrier);
    all.0.extend(tlvs(&profile.tlvs));
    let reactions = profile.reactions.iter();
    all.0.extend(
        reactions.map(|(status, reaction)| {
            format!("{} means {}", status::name(*status), reaction.word())
        }),
    );
    all.0
}

fn tls(tls: &CarrierTls) -> String {
    let mut words = String::from("TLS");
    if let Some(name) = &tls.server_name {
        words += &format!(" with {name}");
    }
    if let Some(file) = &tls.ca_file {
        words += &format!(", trusting {}", file.display());
    }
    if tls.client_cert_file.is_some() {
        words += ", with a certificate of our own";
    }
    words
}

fn binds(bind: BindType) -> Option<String> {
    let words = match bind {
        BindType::Transceiver => return None,
        BindType::Transmitter => "binds are transmitters: no receipts, no inbound messages",
        BindType::Receiver => "binds are receivers: nothing is sent",
        BindType::Pair => "a bind is a transmitter and a receiver",
    };
    Some(String::from(words))
}

fn timers(all: &mut Differences, carrier: &CarrierConfig) {
    let stagger = carrier.profile.bind_stagger;
    all.add(stagger != limits::BIND_STAGGER_DEFAULT, || {
        format!("its binds connect {} ms apart", stagger.as_millis())
    });
    let each = carrier.profile.per_destination;
    all.add(each > 0, || format!("{each} unanswered parts to one recipient at most"));
    let silence = carrier.enquire_link;
    all.add(silence != limits::ENQUIRE_LINK_DEFAULT, || {
        format!("probed after {} s of silence", silence.as_secs())
    });
    let answer = carrier.response_timeout;
    all.add(answer != limits::RESPONSE_TIMEOUT_DEFAULT, || {
        format!("answers are waited for {} s", answer.as_secs())
    });
}

fn outcomes(all: &mut Differences, carrier: &CarrierConfig) {
    let (profile, usual) = (&carrier.profile, CarrierProfile::default());
    match carrier.on_unknown_outcome {
        OnUnknownOutcome::Resubmit => {}
        OnUnknownOutcome::HoldForReceipt => {
            all.0.push(String::from("a part of unknown outcome waits for its receipt"));
        }
        OnUnknownOutcome::Fail => {
            all.0.push(String::from("a part of unknown outcome fails"));
        }
    }
    all.add(profile.unknown_grace != usual.unknown_grace, || {
        format!("a sign of its outcome is waited for {} s", profile.unknown_grace.as_secs())
    });
    all.add(profile.resends != usual.resends, || {
        format!("a part of unknown outcome is sent again {} times at most", profile.resends)
    });
}

fn wire(all: &mut Differences, profile: &CarrierProfile) {
    all.add(!profile.service_type.is_empty(), || {
        format!("service_type is \"{}\"", profile.service_type)
    });
    all.0.extend(
        match profile.concatenation {
            Concatenation::Udh8 => None,
            Concatenation::Udh16 => Some("long texts: user data header, 16-bit reference"),
            Concatenation::Sar => Some("long texts: sar TLVs"),
            Concatenation::Payload => Some("long texts: whole, in message_payload"),
        }
        .map(String::from),
    );
    all.0.extend(
        match profile.validity {
            ValidityForm::Relative => None,
            ValidityForm::Absolute => Some("validity_period is a point in time"),
            ValidityForm::None => Some("validity_period is not sent"),
        }
        .map(String::from),
    );
    all.add(profile.user_message_reference, || String::from("user_message_reference is sent"));
    addressing(all, &profile.addressing);
    alphabet(all, &profile.alphabet);
}

fn addressing(all: &mut Differences, own: &Addressing) {
    let usual = Addressing::default();
    let mut pair = |what: &str, own: TonNpi, usual: TonNpi| {
        all.add(own != usual, || format!("{what}: TON {}, NPI {}", own.ton, own.npi));
    };
    pair("alphanumeric senders", own.alphanumeric, usual.alphanumeric);
    pair("senders that are numbers", own.long_code, usual.long_code);
    pair("short codes", own.short_code, usual.short_code);
    pair("recipients", own.destination, usual.destination);
}

fn alphabet(all: &mut Differences, own: &AlphabetConfig) {
    let usual = AlphabetConfig::default();
    all.add(own.default != usual.default, || default_alphabet(own.default));
    all.add(own.default_data_coding != usual.default_data_coding, || {
        format!("text in that alphabet has data_coding {}", own.default_data_coding)
    });
    all.add(own.ucs2_data_coding != usual.ucs2_data_coding, || {
        format!("UCS-2 has data_coding {}", own.ucs2_data_coding)
    });
    all.add(own.packed, || String::from("septets are packed"));
    all.add(!own.national.is_empty(), || {
        let words: Vec<&str> = own.national.iter().map(|language| language.word()).collect();
        format!("national tables: {}", words.join(", "))
    });
}

fn default_alphabet(alphabet: DefaultAlphabet) -> String {
    let name = match alphabet {
        DefaultAlphabet::Gsm => "GSM 03.38",
        DefaultAlphabet::Ascii => "ASCII",
        DefaultAlphabet::Latin1 => "ISO 8859-1",
    };
    format!("the default alphabet is {name}")
}

fn receipts(all: &mut Differences, carrier: &CarrierConfig) {
    let profile = &carrier.profile;
    all.add(!carrier.receipts, || String::from("receipts are not asked for"));
    all.add(profile.ids != IdForms::default(), || {
        let base = |base: IdBase| match base {
            IdBase::AsIs => "as written",
            IdBase::Hex => "hexadecimal",
            IdBase::Decimal => "decimal",
        };
        let (response, receipt) = (base(profile.ids.response), base(profile.ids.receipt));
        format!("message ids: {response} in answers, {receipt} in receipts")
    });
    all.0.extend(
        match profile.learn {
            Learn::Propose => None,
            Learn::Off => Some("the form of its message ids is not learnt"),
            Learn::Apply => Some("the form of its message ids is learnt and used"),
        }
        .map(String::from),
    );
    let ReceiptDetection { esm_class, tlv, text } = profile.receipt_detection;
    all.add(!(esm_class && tlv && text), || {
        let by = [(esm_class, "esm_class"), (tlv, "TLVs"), (text, "text")];
        let by: Vec<&str> = by.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
        let by = if by.is_empty() { String::from("nothing") } else { by.join(", ") };
        format!("receipts are known by {by}")
    });
    let later = carrier.receipt_retry_status;
    all.add(later != limits::RECEIPT_RETRY_STATUS_DEFAULT, || {
        format!("a receipt is asked for again with {}", status::name(later))
    });
}

/// One line a tag; values may be many.
fn tlvs(tlvs: &[CarrierTlv]) -> Vec<String> {
    let mut by_tag: BTreeMap<u16, Vec<&CarrierTlv>> = BTreeMap::new();
    for tlv in tlvs {
        by_tag.entry(tlv.tag).or_default().push(tlv);
    }
    let line = |(tag, own): (u16, Vec<&CarrierTlv>)| {
        let values = match own.as_slice() {
            [one] => format!("{} octets", one.value.len()),
            several => format!("{} values", several.len()),
        };
        let by = [
            (own.iter().any(|tlv| !tlv.senders.is_empty()), "sender"),
            (own.iter().any(|tlv| tlv.template.is_some()), "template"),
        ];
        let by: Vec<&str> = by.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
        let by = if by.is_empty() { String::new() } else { format!(" by {}", by.join(" and ")) };
        format!("TLV 0x{tag:04X}: {values}{by}")
    };
    by_tag.into_iter().map(line).collect()
}

pub(super) fn of_customer(customer: &CustomerConfig, account: &CustomerSmpp) -> Vec<String> {
    let mut all = Differences::default();
    all.add(!customer.numbers.is_empty(), || match customer.numbers.len() {
        1 => String::from("inbound messages to 1 number"),
        count => format!("inbound messages to {count} numbers"),
    });
    all.add(customer.weight != 1, || format!("its weight among customers is {}", customer.weight));
    let rate = customer.parts_per_second;
    all.add(rate > 0, || format!("{rate} parts a second at most, over HTTP and SMPP"));
    let rate = customer.lookups_per_second;
    all.add(rate > 0, || format!("a provider is asked about {rate} numbers a second at most"));
    all.add(customer.content_retention == Retention::Discard, || {
        String::from("texts are wiped once their messages are final")
    });
    all.add(!account.addresses.is_empty(), || {
        let networks: Vec<String> = account.addresses.iter().map(ToString::to_string).collect();
        format!("only from {}", networks.join(", "))
    });
    all.add(account.default_alphabet != DefaultAlphabet::Gsm, || {
        default_alphabet(account.default_alphabet)
    });
    all.add(account.long_inbound == LongInbound::Payload, || {
        String::from("long inbound messages: whole, in message_payload")
    });
    all.0.extend(
        account
            .default_sender
            .as_ref()
            .map(|sender| format!("messages without a sender are from {}", sender.as_text())),
    );
    all.0
}
