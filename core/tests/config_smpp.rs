//! The SMPP side of the configuration: carriers' profiles, the server, customers' accounts; each key
//! and each problem.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use postrider_core::carrier_id::IdBase;
use postrider_core::config::{
    BindType, CarrierConfig, Concatenation, Config, Learn, LongInbound, OnUnknownOutcome, Plan,
    ReceiptDetection, StatusReaction, TonNpi, ValidityForm,
};
use postrider_core::text::{DefaultAlphabet, NationalLanguage};

const CARRIER: &str = r#"
[[carriers]]
name = "alpha"
address = "localhost:2775"
system_id = "me"
"#;

const ACCOUNT: &str = r#"
[smpp]
listen = "[::]:2775"

[[customers]]
name = "acme"
numbers = ["60606"]

[customers.smpp]
system_id = "acme"
password = "secret08"
"#;

fn carrier(keys: &str) -> CarrierConfig {
    let text = format!("{CARRIER}{keys}\n");
    Config::parse(&text).unwrap_or_else(|errors| panic!("{text}\n{errors}")).carriers.remove(0)
}

/// Every line must contain exactly the problem that stands beside it.
#[track_caller]
fn refused(base: &str, wrong: &[(&str, &str, &str)]) {
    for (find, replace, expected) in wrong {
        assert!(base.contains(find), "{find}");
        let text = match *find {
            "" => format!("{base}{replace}\n"),
            find => base.replacen(find, replace, 1),
        };
        let errors = Config::parse(&text).expect_err(&text);
        let found = errors.to_string();
        assert!(found.contains(expected), "{replace}\n{found}");
        assert_eq!(errors.problems.len(), 1, "{replace}\n{found}");
        assert!(!errors.problems[0].mend.is_empty(), "{found}");
    }
}

#[test]
fn addresses_may_say_tls() {
    for (address, host, tls) in [
        ("smpp.example:2775", "smpp.example:2775", false),
        ("smpp://smpp.example:2775", "smpp.example:2775", false),
        ("smpps://smpp.example:3550", "smpp.example:3550", true),
        ("ssmpp://[2001:db8::1]:3550", "[2001:db8::1]:3550", true),
    ] {
        let text = CARRIER.replace("localhost:2775", address);
        let carrier = &Config::parse(&text).unwrap().carriers[0];
        assert_eq!(carrier.address, host);
        assert_eq!(carrier.profile.tls.is_some(), tls, "{address}");
    }
    let keys = "[carriers.tls]\nserver_name = \"192.0.2.1\"\nca_file = \"ca\"\n\
                client_cert_file = \"c\"\nclient_key_file = \"k\"";
    let tls = carrier(keys).profile.tls.unwrap();
    assert_eq!(tls.server_name.as_deref(), Some("192.0.2.1"));
    assert_eq!(tls.ca_file, Some(PathBuf::from("ca")));
    assert_eq!(tls.client_cert_file, Some(PathBuf::from("c")));
    assert_eq!(tls.client_key_file, Some(PathBuf::from("k")));
}

#[test]
fn a_whole_profile_is_read() {
    let keys = r#"
bind = "pair"
version = "5.0"
bind_stagger_ms = 0
on_unknown_outcome = "hold_for_receipt"
unknown_grace_seconds = 0
resends = 1
concatenation = "sar"
service_type = "OTP"
validity = "absolute"
user_message_reference = true
[carriers.ton_npi]
alphanumeric = "5/1"
long_code = "0/0"
short_code = "6/18"
destination = "1/0"
[carriers.alphabet]
default_data_coding = 1
ucs2_data_coding = 0x18
packed = true
national = ["turkish", "urdu"]
[carriers.ids]
response = "hex"
receipt = "decimal"
learn = "apply"
[carriers.receipts_by]
esm_class = false
text = false
[carriers.reactions]
ESME_RSUBMITFAIL = "throttled"
"0xff" = "queue_full"
"1024" = "temporary"
ESME_RMISSINGTLV = "other_carrier"
ESME_RX_T_APPN = "reject"
"#;
    let carrier = carrier(keys);
    assert_eq!((carrier.bind, carrier.version), (BindType::Pair, 0x50));
    assert_eq!(carrier.on_unknown_outcome, OnUnknownOutcome::HoldForReceipt);
    let profile = carrier.profile;
    assert_eq!((profile.bind_stagger, profile.unknown_grace), (Duration::ZERO, Duration::ZERO));
    assert_eq!((profile.resends, profile.concatenation), (1, Concatenation::Sar));
    assert_eq!((profile.service_type.as_str(), profile.validity), ("OTP", ValidityForm::Absolute));
    assert!(profile.user_message_reference && profile.tls.is_none());
    let own = profile.addressing;
    let pairs = [own.alphanumeric, own.long_code, own.short_code, own.destination];
    let expected = [(5, 1), (0, 0), (6, 18), (1, 0)].map(|(ton, npi)| TonNpi { ton, npi });
    assert_eq!(pairs, expected);
    assert_eq!(profile.alphabet.default, DefaultAlphabet::Gsm);
    assert_eq!((profile.alphabet.default_data_coding, profile.alphabet.ucs2_data_coding), (1, 24));
    assert!(profile.alphabet.packed);
    assert_eq!(profile.alphabet.national, [NationalLanguage::Turkish, NationalLanguage::Urdu]);
    assert_eq!((profile.ids.response, profile.ids.receipt), (IdBase::Hex, IdBase::Decimal));
    assert_eq!(profile.learn, Learn::Apply);
    let by = ReceiptDetection { esm_class: false, tlv: true, text: false };
    assert_eq!(profile.receipt_detection, by);
    let reactions: Vec<(u32, StatusReaction)> = profile.reactions.into_iter().collect();
    let expected = [
        (0x45, StatusReaction::Throttled),
        (0x64, StatusReaction::Reject),
        (0xC3, StatusReaction::OtherCarrier),
        (0xFF, StatusReaction::QueueFull),
        (0x400, StatusReaction::Temporary),
    ];
    assert_eq!(reactions, expected);
}

#[test]
fn tlvs_have_values_of_three_forms() {
    let keys = r#"
[[carriers.tlvs]]
tag = 0x1400
text = "11"
[[carriers.tlvs]]
tag = 0x1401
hex = "00fF"
senders = ["ACME", "60606"]
template = "Code {#var#}"
[[carriers.tlvs]]
tag = 0x1401
int = 300
width = 4
[[carriers.tlvs]]
tag = 0
int = 7
width = 1
"#;
    let tlvs = carrier(keys).profile.tlvs;
    let values: Vec<(u16, &[u8])> = tlvs.iter().map(|tlv| (tlv.tag, &tlv.value[..])).collect();
    let expected: [(u16, &[u8]); 4] =
        [(0x1400, b"11"), (0x1401, &[0, 255]), (0x1401, &[0, 0, 1, 44]), (0, &[7])];
    assert_eq!(values, expected);
    assert_eq!((tlvs[1].senders.len(), tlvs[1].template.as_deref()), (2, Some("Code {#var#}")));
    assert!(tlvs[0].senders.is_empty() && tlvs[0].template.is_none());
}

#[test]
fn a_carrier_may_connect_to_us() {
    let text = CARRIER.replace("address = \"localhost:2775\"\n", "")
        + "[carriers.outbind]\nlisten = \"[::]:2776\"\nsystem_id = \"smsc\"\npassword_file = \"p\"\n";
    let carrier = Config::parse(&text).unwrap().carriers.remove(0);
    let outbind = carrier.profile.outbind.unwrap();
    assert_eq!((outbind.listen.port(), outbind.system_id.as_str()), (2776, "smsc"));
    assert_eq!((outbind.password_file, carrier.address), (Some(PathBuf::from("p")), String::new()));
    refused(
        &text,
        &[
            ("name = ", "address = \"h:1\"\nname = ", "carriers[0].address: this carrier connects"),
            ("[::]:2776", "2776", "carriers[0].outbind.listen: \"2776\" is no address"),
            ("[::]:2776", "127.0.0.1:8080", "outbind.listen: it is the same address as server"),
            ("system_id = \"smsc\"", "", "carriers[0].outbind.system_id: it is missing"),
            ("\"smsc\"", "\"sixteen.letters.\"", "carriers[0].outbind.system_id: it has 16"),
            ("password_file = \"p\"", "", "carriers[0].outbind.password: it is missing"),
            ("password_file = \"p\"", "password = \"\"", "outbind.password: it is empty"),
            ("", "password = \"x\"", "carriers[0].outbind.password: password and password_file"),
            ("", "[carriers.tls]", "carriers[0].outbind: carriers that connect to us do so"),
        ],
    );
}

const WRONG_PROFILES: [(&str, &str, &str); 44] = [
    ("address = \"localhost:2775\"", "", "carriers[0].address: it is missing"),
    ("localhost", "smpp://", "carriers[0].address: \"smpp://:2775\" is not the address"),
    ("localhost", "tls://localhost", "carriers[0].address"),
    ("", "bind = \"both\"", "use \"transceiver\", \"transmitter\", \"receiver\", \"pair\""),
    ("", "bind_stagger_ms = 60001", "carriers[0].bind_stagger_ms: 60001 is out of range"),
    ("", "unknown_grace_seconds = -1", "carriers[0].unknown_grace_seconds: -1 is out of range"),
    ("", "resends = 11", "carriers[0].resends: 11 is out of range; give a number from 0 to 10"),
    ("", "on_unknown_outcome = \"hold\"", "carriers[0].on_unknown_outcome: \"hold\" is not known"),
    (
        "",
        "on_unknown_outcome = \"hold_for_receipt\"\nreceipts = false",
        "carriers[0].on_unknown_outcome: it waits for receipts, and receipts = false",
    ),
    (
        "",
        "on_unknown_outcome = \"hold_for_receipt\"\nbind = \"transmitter\"",
        "carriers[0].on_unknown_outcome: it waits for receipts, and a transmitter",
    ),
    ("", "concatenation = \"udh9\"", "carriers[0].concatenation: \"udh9\" is not known; did you"),
    ("", "service_type = \"sixsix\"", "carriers[0].service_type: it has 6 octets; give at most 5"),
    ("", "validity = \"never\"", "carriers[0].validity: \"never\" is not known"),
    ("", "[carriers.tls]\nserver_name = \"a b\"", "carriers[0].tls.server_name: it is no name"),
    ("", "[carriers.tls]\nca_file = \"\"", "carriers[0].tls.ca_file: it is missing"),
    ("", "[carriers.tls]\nclient_cert_file = \"c\"", "tls.client_key_file: it is missing, and"),
    ("", "[carriers.tls]\nclient_key_file = \"k\"", "tls.client_cert_file: it is missing, and"),
    ("", "[carriers.ton_npi]\nlong_code = \"7/1\"", "ton_npi.long_code: \"7/1\" is no TON/NPI"),
    ("", "[carriers.ton_npi]\nshort_code = \"0/19\"", "carriers[0].ton_npi.short_code: \"0/19\""),
    ("", "[carriers.ton_npi]\ndestination = \"1\"", "carriers[0].ton_npi.destination: \"1\""),
    ("", "[carriers.ton_npi]\nalphanumeric = \"5-0\"", "carriers[0].ton_npi.alphanumeric"),
    ("", "[carriers.alphabet]\ndefault = \"utf8\"", "carriers[0].alphabet.default: \"utf8\" is"),
    ("", "[carriers.alphabet]\ndefault_data_coding = 256", "alphabet.default_data_coding: 256"),
    ("", "[carriers.alphabet]\nucs2_data_coding = -1", "alphabet.ucs2_data_coding: -1 is out"),
    ("", "[carriers.alphabet]\nucs2_data_coding = 0", "alphabet.ucs2_data_coding: it is the same"),
    (
        "",
        "[carriers.alphabet]\ndefault = \"ascii\"\npacked = true",
        "alphabet.packed: only septets",
    ),
    (
        "",
        "[carriers.alphabet]\ndefault = \"latin1\"\nnational = [\"turkish\"]",
        "carriers[0].alphabet.national: national tables extend",
    ),
    ("", "[carriers.alphabet]\nnational = [\"turkisch\"]", "alphabet.national[0]: \"turkisch\""),
    (
        "",
        "[carriers.alphabet]\nnational = [\"urdu\", \"urdu\"]",
        "alphabet.national[1]: \"urdu\" is named twice",
    ),
    ("", "[carriers.ids]\nresponse = \"octal\"", "carriers[0].ids.response: \"octal\" is not"),
    ("", "[carriers.ids]\nreceipt = \"dec\"", "carriers[0].ids.receipt: \"dec\" is not known"),
    ("", "[carriers.ids]\nlearn = \"maybe\"", "carriers[0].ids.learn: \"maybe\" is not known"),
    (
        "",
        "[carriers.receipts_by]\nesm_class = false\ntlv = false\ntext = false",
        "carriers[0].receipts_by: nothing tells receipts from messages",
    ),
    ("", "[carriers.reactions]\n\"0x45\" = \"retry\"", "carriers[0].reactions.0x45: \"retry\" is"),
    ("", "[carriers.reactions]\nESME_RNONE = \"reject\"", "reactions.ESME_RNONE: it is no command"),
    ("", "[carriers.reactions]\n\"0x+1\" = \"reject\"", "reactions.0x+1: it is no command_status"),
    ("", "[carriers.reactions]\n\"0x100000000\" = \"reject\"", "it is no command_status"),
    ("", "[carriers.reactions]\n\"0\" = \"reject\"", "carriers[0].reactions.0: ESME_ROK means"),
    (
        "",
        "[carriers.reactions]\n\"0x45\" = \"reject\"\nESME_RSUBMITFAIL = \"temporary\"",
        "carriers[0].reactions.ESME_RSUBMITFAIL: ESME_RSUBMITFAIL is given twice",
    ),
    ("", "[[carriers.tlvs]]\ntext = \"x\"", "carriers[0].tlvs[0].tag: it is missing"),
    ("", "[[carriers.tlvs]]\ntag = 65536\ntext = \"x\"", "carriers[0].tlvs[0].tag: 65536 is out"),
    ("", "[[carriers.tlvs]]\ntag = 0x0424\ntext = \"x\"", "the gateway itself writes message_pay"),
    (
        "",
        "user_message_reference = true\n[[carriers.tlvs]]\ntag = 0x0204\ntext = \"x\"",
        "carriers[0].tlvs[0].tag: the gateway itself writes user_message_reference",
    ),
    ("", "version = \"4.0\"", "carriers[0].version: \"4.0\" is not known"),
];

const WRONG_VALUES: [(&str, &str); 10] = [
    ("", "carriers[0].tlvs[0]: the value must be given once"),
    ("text = \"x\"\nhex = \"00\"", "carriers[0].tlvs[0]: the value must be given once"),
    ("text = \"x\"\nwidth = 2", "carriers[0].tlvs[0].width: it is for int only"),
    ("hex = \"0\"", "carriers[0].tlvs[0].hex: it is no hexadecimal number of whole octets"),
    ("hex = \"0g\"", "carriers[0].tlvs[0].hex"),
    ("int = 1", "carriers[0].tlvs[0].width: it is missing"),
    ("int = 1\nwidth = 3", "carriers[0].tlvs[0].width: 3 octets are not possible"),
    ("int = 256\nwidth = 1", "carriers[0].tlvs[0].int: 256 is out of range"),
    ("text = \"x\"\nsenders = [\"+1\"]", "carriers[0].tlvs[0].senders[0]: the sender is no number"),
    ("text = \"x\"\ntemplate = \"\"", "carriers[0].tlvs[0].template: it has 0 characters"),
];

#[test]
fn every_problem_of_a_profile_has_its_place() {
    refused(CARRIER, &WRONG_PROFILES);
    for (keys, expected) in WRONG_VALUES {
        let keys = format!("[[carriers.tlvs]]\ntag = 0x1400\n{keys}");
        refused(CARRIER, &[("", &keys, expected)]);
    }
    let long = format!("[[carriers.tlvs]]\ntag = 1\ntext = \"{}\"", "x".repeat(1_025));
    let twice =
        "[[carriers.tlvs]]\ntag = 1\ntext = \"x\"\n[[carriers.tlvs]]\ntag = 1\nhex = \"00\"";
    let many: String =
        (0..257).map(|status| format!("\"{}\" = \"reject\"\n", status + 1)).collect();
    let many = format!("[carriers.reactions]\n{many}");
    refused(
        CARRIER,
        &[
            ("", &long, "carriers[0].tlvs[0]: the value has 1025 octets; at most 1024"),
            ("", twice, "carriers[0].tlvs[1]: carriers[0].tlvs[0] has the same tag, senders and"),
            ("", &many, "carriers[0].reactions: there are 257; at most 256 are allowed"),
        ],
    );
}

#[test]
fn an_account_is_read() {
    let text = format!(
        "{ACCOUNT}max_binds = 2\nwindow = 7\ndeliver_window = 3\nmessages_per_second = 50\n\
         addresses = [\"192.0.2.0/24\", \"2001:db8::1\"]\ndefault_alphabet = \"latin1\"\n\
         long_inbound = \"payload\"\ndefault_sender = \"+447700900000\"\n"
    );
    let config = Config::parse(&text).unwrap();
    assert_eq!(config.smpp.listen.unwrap().to_string(), "[::]:2775");
    assert_eq!(config.smpp.system_id, "postrider");
    let customer = &config.customers[0];
    assert!(customer.api_key_hashes.is_empty() && customer.webhook_secret.expose().is_empty());
    assert_eq!(customer.numbers[0].as_text().as_str(), "60606");
    let account = customer.smpp.as_ref().unwrap();
    assert_eq!(
        (account.system_id.as_str(), account.password.expose().as_str()),
        ("acme", "secret08")
    );
    assert_eq!((account.max_binds, account.window, account.deliver_window), (2, 7, 3));
    assert_eq!(account.messages_per_second, 50);
    let networks: Vec<String> = account.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["192.0.2.0/24", "2001:db8::1/128"]);
    assert_eq!(account.default_alphabet, DefaultAlphabet::Latin1);
    assert_eq!(account.long_inbound, LongInbound::Payload);
    assert_eq!(account.default_sender.as_ref().unwrap().as_text().as_str(), "+447700900000");
}

#[test]
fn the_server_may_have_tls_alone() {
    let text = ACCOUNT.replace(
        "listen = \"[::]:2775\"",
        "system_id = \"gate\"\n[smpp.tls]\nlisten = \"[::]:3550\"\ncert_file = \"c\"\nkey_file = \"k\"\n\
         client_ca_file = \"ca\"",
    );
    let smpp = Config::parse(&text).unwrap().smpp;
    let tls = smpp.tls.unwrap();
    assert_eq!((smpp.listen, smpp.system_id.as_str(), tls.listen.port()), (None, "gate", 3550));
    assert_eq!((tls.cert_file, tls.key_file), (PathBuf::from("c"), PathBuf::from("k")));
    assert_eq!(tls.client_ca_file, Some(PathBuf::from("ca")));
    refused(
        &text,
        &[
            ("[::]:3550", "3550", "smpp.tls.listen: \"3550\" is no address to listen on"),
            ("cert_file = \"c\"", "", "smpp.tls.cert_file: it is missing"),
            ("key_file = \"k\"", "", "smpp.tls.key_file: it is missing"),
            ("client_ca_file = \"ca\"", "client_ca_file = \"\"", "smpp.tls.client_ca_file"),
        ],
    );
}

const OTHER: &str = "[[customers]]\nname = \"b\"\nnumbers = [\"60606\"]\n[customers.smpp]\n\
                     system_id = \"b\"\npassword = \"x\"";

#[test]
fn every_problem_of_an_account_has_its_place() {
    let same_id =
        OTHER.replace("60606", "70707").replace("system_id = \"b\"", "system_id = \"acme\"");
    refused(
        ACCOUNT,
        &[
            ("[smpp]\nlisten = \"[::]:2775\"", "", "customers[0].smpp: there is no SMPP server"),
            ("[::]:2775", "2775", "smpp.listen: \"2775\" is no address to listen on"),
            ("[::]:2775", "127.0.0.1:9090", "smpp.listen: it is the same address as server.admin"),
            ("[smpp]", "[smpp]\nsystem_id = \"sixteen.letters.\"", "smpp.system_id: it has 16"),
            ("\"60606\"", "\"12\"", "customers[0].numbers[0]: a sender of 2 digits is neither"),
            ("\"60606\"", "\"ACME\"", "customers[0].numbers[0]: \"ACME\" is a name"),
            ("\"60606\"", "\"60606\", \"60606\"", "customers[0].numbers[1]: customers[0] has this"),
            ("", OTHER, "customers[1].numbers[0]: customers[0] has this number"),
            ("", &same_id, "customers[1].smpp.system_id: customers[0] has the same system_id"),
            ("system_id = \"acme\"", "", "customers[0].smpp.system_id: it is missing"),
            ("\"acme\"\npassword", "\"sixteen.letters.\"\npassword", "smpp.system_id: it has 16"),
            ("password = \"secret08\"", "", "customers[0].smpp.password: it is missing"),
            ("secret08", "", "customers[0].smpp.password: it is empty"),
            ("", "password_file = \"p\"", "customers[0].smpp.password: password and password_file"),
            ("", "max_binds = 0", "customers[0].smpp.max_binds: 0 is out of range"),
            ("", "max_binds = 1025", "customers[0].smpp.max_binds: 1025 is out of range"),
            ("", "window = 0", "customers[0].smpp.window: 0 is out of range"),
            ("", "deliver_window = 1001", "customers[0].smpp.deliver_window: 1001 is out of range"),
            ("", "messages_per_second = -1", "customers[0].smpp.messages_per_second: -1 is out"),
            ("", "addresses = [\"10.0.0.0/33\"]", "smpp.addresses[0]: \"10.0.0.0/33\" is no net"),
            (
                "",
                "addresses = [\"10.0.0.1/24\"]",
                "customers[0].smpp.addresses[0]: \"10.0.0.1/24\" has bits beyond its prefix; \
                 give \"10.0.0.0/24\"",
            ),
            ("", "default_alphabet = \"gms\"", "smpp.default_alphabet: \"gms\" is not known; did"),
            ("", "long_inbound = \"whole\"", "customers[0].smpp.long_inbound: \"whole\" is not"),
            ("", "default_sender = \"@\"", "customers[0].smpp.default_sender: the sender has a"),
        ],
    );
    refused("[smpp]\n", &[("", "", "smpp: nothing is listened on; give listen, or [smpp.tls]")]);
    let numbers = "[[customers]]\nname = \"a\"\nnumbers = [\"60606\"]\n\
                   webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
                   api_keys = [\"sha256:3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea\"]\n";
    refused(numbers, &[("", "", "customers[0].numbers: inbound messages cannot reach")]);
}

/// A key is enough to need the secret of webhooks; an account without keys needs none.
#[test]
fn keys_need_a_webhook_secret_and_accounts_do_not() {
    let key =
        "api_keys = [\"sha256:3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea\"]";
    let text = format!("name = \"acme\"\n{key}");
    refused(ACCOUNT, &[("name = \"acme\"", &text, "customers[0].webhook_secret: there is none")]);
}

#[test]
fn secrets_of_the_wrong_type_are_not_repeated() {
    for text in [
        ACCOUNT.replace("\"secret08\"", "190808"),
        format!("{CARRIER}[carriers.outbind]\npassword = 190808\n"),
    ] {
        let found = Config::parse(&text).unwrap_err().to_string();
        assert!(found.contains("expected a string") && !found.contains("190808"), "{found}");
    }
    let long = "hush".repeat(17);
    let found = Config::parse(&ACCOUNT.replace("secret08", &long)).unwrap_err().to_string();
    assert!(
        found.contains("smpp.password: it has 68 octets") && !found.contains("hush"),
        "{found}"
    );
    let shown = format!("{:?}", Config::parse(ACCOUNT).unwrap());
    assert!(!shown.contains("secret08"), "{shown}");
}

const FILES: &str = r#"
[smpp.tls]
listen = "[::]:3550"
cert_file = "cert"
key_file = "/k/key"
client_ca_file = "ca"
[[customers]]
name = "acme"
[customers.smpp]
system_id = "acme"
password_file = "acme"
[[carriers]]
name = "alpha"
address = "h:1"
system_id = "me"
password_file = "alpha"
[carriers.tls]
ca_file = "ca"
client_cert_file = "cert"
client_key_file = "/k/key"
[[carriers]]
name = "beta"
system_id = "me"
[carriers.outbind]
listen = "[::]:1"
system_id = "beta"
password_file = "beta"
"#;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nxx\n-----END EC PRIVATE KEY-----\n";

#[test]
fn every_file_is_read_beside_the_configuration() {
    let mut config = Config::parse(FILES).unwrap();
    config.resolve_files(Path::new("/etc/p"));
    let mut asked = Vec::new();
    let loaded = config.load_secrets(&mut |path| {
        asked.push(path.display().to_string());
        let name = path.file_name().unwrap().to_str().unwrap();
        Ok(match name {
            "cert" | "ca" => String::from(CERTIFICATE),
            "key" => String::from(KEY),
            name => format!("pw-{name}\n"),
        })
    });
    assert_eq!(loaded, Ok(()));
    asked.sort();
    asked.dedup();
    let folder = ["/etc/p/acme", "/etc/p/alpha", "/etc/p/beta", "/etc/p/ca", "/etc/p/cert"];
    assert_eq!(asked[..5], folder);
    assert_eq!(asked[5..], ["/k/key"]);
    assert_eq!(config.customers[0].smpp.as_ref().unwrap().password.expose(), "pw-acme");
    assert_eq!(config.carriers[0].password.expose(), "pw-alpha");
    let outbind = config.carriers[1].profile.outbind.as_ref().unwrap();
    assert_eq!(outbind.password.expose(), "pw-beta");
    assert_eq!(config.smpp.tls.as_ref().unwrap().cert_file, Path::new("/etc/p/cert"));
}

#[test]
fn every_bad_file_is_named() {
    let mut config = Config::parse(FILES).unwrap();
    let errors = config.load_secrets(&mut |_| Err(String::from("gone"))).unwrap_err();
    let places: Vec<&str> = errors.problems.iter().map(|problem| problem.at.as_str()).collect();
    let expected = [
        "customers[0].smpp.password_file",
        "carriers[0].password_file",
        "carriers[1].outbind.password_file",
        "smpp.tls.cert_file",
        "smpp.tls.key_file",
        "smpp.tls.client_ca_file",
        "carriers[0].tls.ca_file",
        "carriers[0].tls.client_cert_file",
        "carriers[0].tls.client_key_file",
    ];
    assert_eq!(places, expected);
    // An empty password is none, and a certificate is no key.
    let mut config = Config::parse(FILES).unwrap();
    let errors = config.load_secrets(&mut |path| {
        let password =
            !["cert", "ca", "key"].contains(&path.file_name().unwrap().to_str().unwrap());
        Ok(if password { String::from("\n") } else { String::from(CERTIFICATE) })
    });
    let text = errors.unwrap_err().to_string();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.contains("smpp.tls.key_file: /k/key holds no such PEM block; give a file with"));
    assert!(text.contains("carriers[1].outbind.password_file: beta is empty"), "{text}");
}

#[test]
fn what_works_and_may_not_be_meant_is_noted() {
    assert!(Config::parse(ACCOUNT).unwrap().notes().is_empty());
    let account = ACCOUNT.replace("secret08", "secret008");
    let text = format!("{account}{CARRIER}password = \"1234567890\"\nbind = \"transmitter\"\n");
    let notes: Vec<String> =
        Config::parse(&text).unwrap().notes().iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].starts_with("customers[0].smpp.password: it has 9 characters, and SMPP has"));
    assert!(notes[1].starts_with("carriers[0].password: it has 10 characters"), "{notes:?}");
    assert!(
        notes[2].starts_with("carriers[0].receipts: receipts are asked for, and a transmitter")
    );
    let shown = notes.concat();
    assert!(!shown.contains("secret") && !shown.contains("1234567890"), "{shown}");
}

/// What is not the default is said, and nothing else.
#[test]
fn a_dialect_is_put_in_words() {
    let lines = |text: &str| {
        let config = Config::parse(text).unwrap();
        Plan::new(&config, 1).unwrap().smpp_lines()
    };
    assert_eq!(lines(CARRIER), "");
    for (keys, expected) in [
        ("version = \"5.0\"", "SMPP 5.0"),
        ("bind = \"pair\"", "a bind is a transmitter and a receiver"),
        ("bind = \"transmitter\"", "binds are transmitters: no receipts, no inbound messages"),
        ("bind_stagger_ms = 0", "its binds connect 0 ms apart"),
        ("system_type = \"x\"", "system_type is \"x\""),
        ("enquire_link_seconds = 20", "probed after 20 s of silence"),
        ("response_timeout_seconds = 9", "answers are waited for 9 s"),
        ("on_unknown_outcome = \"fail\"", "a part of unknown outcome fails"),
        ("unknown_grace_seconds = 0", "a sign of its outcome is waited for 0 s"),
        ("resends = 1", "a part of unknown outcome is sent again 1 times at most"),
        ("receipts = false", "receipts are not asked for"),
        ("receipt_retry_status = 0x45", "a receipt is asked for again with ESME_RSUBMITFAIL"),
        ("concatenation = \"payload\"", "long texts: whole, in message_payload"),
        ("service_type = \"OTP\"", "service_type is \"OTP\""),
        ("validity = \"none\"", "validity_period is not sent"),
        ("user_message_reference = true", "user_message_reference is sent"),
        ("[carriers.tls]\nca_file = \"a\"\nserver_name = \"b\"", "TLS with b, trusting a"),
        ("[carriers.ton_npi]\nshort_code = \"6/0\"", "short codes: TON 6, NPI 0"),
        ("[carriers.alphabet]\ndefault = \"latin1\"", "the default alphabet is ISO 8859-1"),
        ("[carriers.alphabet]\nucs2_data_coding = 24", "UCS-2 has data_coding 24"),
        ("[carriers.alphabet]\nnational = [\"tamil\"]", "national tables: tamil"),
        (
            "[carriers.ids]\nresponse = \"hex\"\nreceipt = \"decimal\"",
            "message ids: hexadecimal in answers, decimal in receipts",
        ),
        ("[carriers.ids]\nlearn = \"off\"", "the form of its message ids is not learnt"),
        ("[carriers.receipts_by]\ntext = false", "receipts are known by esm_class, TLVs"),
        ("[carriers.reactions]\n\"0x400\" = \"queue_full\"", "0x400 means queue_full"),
        ("[[carriers.tlvs]]\ntag = 1\ntext = \"ab\"", "TLV 0x0001: 2 octets"),
    ] {
        let expected = format!("carrier alpha\n  {expected}\n");
        assert_eq!(lines(&format!("{CARRIER}{keys}\n")), expected, "{keys}");
    }
    let said =
        lines(&format!("{ACCOUNT}addresses = [\"10.0.0.0/8\"]\nlong_inbound = \"payload\"\n"));
    let expected = "port [::]:2775: customers over SMPP, without TLS\ncustomer acme\n  \
                    inbound messages to 1 number\n  only from 10.0.0.0/8\n  \
                    long inbound messages: whole, in message_payload\n";
    assert_eq!(said, expected);
}
