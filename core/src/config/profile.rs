//! How one carrier speaks SMPP: everything that differs between carriers beyond address and rate.
//! Pure, lives nowhere.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::carrier_id::IdForms;
use crate::limits;
use crate::redact::Private;
use crate::sender::SenderId;
use crate::text::{DefaultAlphabet, NationalLanguage, ReferenceWidth};

/// How the parts of a long message are tied together.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Concatenation {
    /// User data header with an 8-bit reference; every carrier takes it.
    Udh8,
    /// User data header with a 16-bit reference.
    Udh16,
    /// The TLVs sar_msg_ref_num, sar_total_segments and sar_segment_seqnum [3.4 section 5.3.2.22].
    Sar,
    /// The whole text in message_payload; the carrier cuts it [3.4 section 5.3.2.32].
    Payload,
}

impl Concatenation {
    /// The reference width whose room decides where a text is cut.
    #[must_use]
    pub const fn width(self) -> ReferenceWidth {
        match self {
            Concatenation::Udh16 => ReferenceWidth::Sixteen,
            Concatenation::Udh8 | Concatenation::Sar | Concatenation::Payload => {
                ReferenceWidth::Eight
            }
        }
    }
}

/// Type of number and numbering plan of an address [3.4 section 5.2.5, 5.2.6].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TonNpi {
    /// addr_ton, 0 to 6.
    pub ton: u8,
    /// addr_npi, 0 to 18.
    pub npi: u8,
}

/// Type of number and plan by what the address is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Addressing {
    /// Alphanumeric senders; default 5/0.
    pub alphanumeric: TonNpi,
    /// Senders in international form; default 1/1.
    pub long_code: TonNpi,
    /// Short codes; default 3/0.
    pub short_code: TonNpi,
    /// Recipients; default 1/1.
    pub destination: TonNpi,
}

impl Default for Addressing {
    fn default() -> Self {
        Addressing {
            alphanumeric: TonNpi { ton: 5, npi: 0 },
            long_code: TonNpi { ton: 1, npi: 1 },
            short_code: TonNpi { ton: 3, npi: 0 },
            destination: TonNpi { ton: 1, npi: 1 },
        }
    }
}

/// What text looks like on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlphabetConfig {
    /// What data_coding 0 means to the carrier, both ways.
    pub default: DefaultAlphabet,
    /// data_coding of text in the default alphabet; default 0.
    pub default_data_coding: u8,
    /// data_coding of UTF-16; default 8.
    pub ucs2_data_coding: u8,
    /// Whether septets are packed; default no: one an octet.
    pub packed: bool,
    /// National language tables that the carrier is proven to take; default none.
    pub national: Vec<NationalLanguage>,
}

impl Default for AlphabetConfig {
    fn default() -> Self {
        AlphabetConfig {
            default: DefaultAlphabet::Gsm,
            default_data_coding: 0,
            ucs2_data_coding: 8,
            packed: false,
            national: Vec::new(),
        }
    }
}

/// What the gateway does with the form in which receipts repeat message ids, once traffic shows it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Learn {
    /// Nothing.
    Off,
    /// Shows it with its confidence; the operator decides.
    Propose,
    /// Uses it at once when it is certain enough.
    Apply,
}

/// By what a deliver_sm or data_sm is known to be a receipt; any of them suffices.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ReceiptDetection {
    /// The type bits of esm_class.
    pub esm_class: bool,
    /// receipted_message_id together with message_state.
    pub tlv: bool,
    /// Text that reads as a receipt although esm_class says message.
    pub text: bool,
}

/// The form of validity_period [3.4 section 7.1.1].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ValidityForm {
    /// A length of time.
    Relative,
    /// A point in time, UTC.
    Absolute,
    /// Never sent.
    None,
}

/// What a command_status of this carrier means, where the table's own reading does not fit.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum StatusReaction {
    /// The rate is too high: back to the head, the bind pauses.
    Throttled,
    /// The carrier's queue is full: back to the head, the carrier pauses.
    QueueFull,
    /// Temporary: the same carrier again, then another.
    Temporary,
    /// This carrier refuses this message: the next one.
    OtherCarrier,
    /// Final.
    Reject,
}

/// A TLV that the carrier wants in every submit_sm, or in some. Of those with the same tag the first
/// that fits is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierTlv {
    /// Its tag.
    pub tag: u16,
    /// Its value.
    pub value: Vec<u8>,
    /// Only for these senders; empty: for all.
    pub senders: Vec<SenderId>,
    /// Only for texts of this form: `{#var#}` stands for any run of characters.
    pub template: Option<String>,
}

impl CarrierTlv {
    /// Whether a message of this sender and text gets it; without a text only a TLV without a
    /// template does.
    #[must_use]
    pub fn applies(&self, sender: &SenderId, text: Option<&str>) -> bool {
        let sent_by = self.senders.is_empty() || self.senders.contains(sender);
        let template = self.template.as_deref();
        sent_by && template.is_none_or(|form| text.is_some_and(|text| has_form(form, text)))
    }
}

/// What stands for any run of characters in a template.
const VARIABLE: &str = "{#var#}";

/// Whether a text is of a template's form.
fn has_form(template: &str, text: &str) -> bool {
    let Some((first, rest)) = template.split_once(VARIABLE) else { return template == text };
    let (middle, last) = rest.rsplit_once(VARIABLE).map_or((None, rest), |(m, l)| (Some(m), l));
    let Some(mut text) = text.strip_prefix(first) else { return false };
    for piece in middle.into_iter().flat_map(|middle| middle.split(VARIABLE)) {
        // The earliest place leaves the most for what follows.
        let Some((_, behind)) = text.split_once(piece) else { return false };
        text = behind;
    }
    text.ends_with(last)
}

/// TLS towards a carrier; verification is never off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarrierTls {
    /// The name that the certificate must carry; the address's host when absent.
    pub server_name: Option<String>,
    /// PEM file of the authorities to trust; the web's own when absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our certificate chain.
    pub client_cert_file: Option<PathBuf>,
    /// PEM file of its key.
    pub client_key_file: Option<PathBuf>,
}

/// Where the carrier connects to ask us to bind [3.4 section 4.1.8].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutbindConfig {
    /// Where we listen.
    pub listen: SocketAddr,
    /// The system_id that the carrier must give.
    pub system_id: String,
    /// The password that it must give; empty until `Config::load_secrets` when it is in a file.
    pub password: Private<String>,
    /// Where the password is, when it is not in the configuration.
    pub password_file: Option<PathBuf>,
}

/// Everything of the above for one carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierProfile {
    /// TLS; plain when absent.
    pub tls: Option<CarrierTls>,
    /// Outbind; the gateway connects by itself when absent.
    pub outbind: Option<OutbindConfig>,
    /// service_type, at most 5 characters; default empty.
    pub service_type: String,
    /// Type of number and plan.
    pub addressing: Addressing,
    /// Alphabets.
    pub alphabet: AlphabetConfig,
    /// How long messages are cut.
    pub concatenation: Concatenation,
    /// The form of its message ids.
    pub ids: IdForms,
    /// What is done with what traffic shows of that form.
    pub learn: Learn,
    /// How receipts are told from messages.
    pub receipt_detection: ReceiptDetection,
    /// The form of validity_period.
    pub validity: ValidityForm,
    /// Statuses that mean something else here.
    pub reactions: BTreeMap<u32, StatusReaction>,
    /// TLVs of every submit_sm.
    pub tlvs: Vec<CarrierTlv>,
    /// Whether user_message_reference is sent, so that receipts can be matched without an id.
    pub user_message_reference: bool,
    /// How long a part of unknown outcome waits for a sign of it before it is sent again.
    pub unknown_grace: Duration,
    /// Times a part of unknown outcome is sent again at most.
    pub resends: u8,
    /// Time between the first connects of its binds.
    pub bind_stagger: Duration,
    /// Unanswered parts to one recipient at most; 0 for no bound. A submit_sm that stands for a whole
    /// text counts as one.
    pub per_destination: u16,
}

impl Default for CarrierProfile {
    fn default() -> Self {
        CarrierProfile {
            tls: None,
            outbind: None,
            service_type: String::new(),
            addressing: Addressing::default(),
            alphabet: AlphabetConfig::default(),
            concatenation: Concatenation::Udh8,
            ids: IdForms::default(),
            learn: Learn::Propose,
            receipt_detection: ReceiptDetection { esm_class: true, tlv: true, text: true },
            validity: ValidityForm::Relative,
            reactions: BTreeMap::new(),
            tlvs: Vec::new(),
            user_message_reference: false,
            unknown_grace: limits::UNKNOWN_GRACE_DEFAULT,
            resends: limits::MAX_RESUBMITS,
            bind_stagger: limits::BIND_STAGGER_DEFAULT,
            per_destination: 0,
        }
    }
}
