//! How a simulated carrier speaks: the spelling of its ids, the form of its receipts, its
//! alphabets, its version. Plain data of the command line, the same for all carriers of a process.

use anyhow::ensure;
use postrider_core::config::{AlphabetConfig, Word as _};
use postrider_core::text::{Decoded, DefaultAlphabet, decode_from_carrier};

use super::assembly::Part;
use super::carrier::PartId;

/// How an id is spelled.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdSpelling {
    /// Decimal, ten digits with leading zeros
    #[default]
    DecimalPadded,
    /// Decimal without leading zeros
    Decimal,
    /// Hexadecimal in lower case, without leading zeros
    Hex,
    /// Hexadecimal in upper case, without leading zeros
    HexUpper,
    /// Hexadecimal in upper case, sixteen digits with leading zeros
    HexPadded,
    /// A UUID
    Uuid,
    /// A number that has nothing to do with the other spellings'
    Foreign,
}

/// Where a receipt says what it says.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiptForm {
    /// In its text and in its TLVs
    #[default]
    Both,
    /// In its text alone
    Text,
    /// In its TLVs alone
    Tlv,
}

/// The PDU of a receipt.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiptPdu {
    /// deliver_sm
    #[default]
    DeliverSm,
    /// data_sm, its text in message_payload
    DataSm,
}

/// The version that a carrier announces; the lower one of both sides holds.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SmppVersion {
    /// 3.3: no TLVs, and no word of its version
    #[value(name = "3.3")]
    V33,
    /// 3.4
    #[default]
    #[value(name = "3.4")]
    V34,
    /// 5.0
    #[value(name = "5.0")]
    V50,
}

impl SmppVersion {
    /// interface_version.
    pub(super) const fn number(self) -> u8 {
        match self {
            SmppVersion::V33 => 0x33,
            SmppVersion::V34 => 0x34,
            SmppVersion::V50 => 0x50,
        }
    }
}

/// See the module's header.
#[derive(clap::Args, Clone, Debug)]
pub struct Dialect {
    /// How ids are spelled in answers
    #[arg(long, value_enum, default_value_t)]
    pub response_id: IdSpelling,
    /// How ids are spelled in receipts
    #[arg(long, value_enum, default_value_t)]
    pub receipt_id: IdSpelling,
    /// Where receipts say what they say
    #[arg(long, value_enum, default_value_t)]
    pub receipt_form: ReceiptForm,
    /// The PDU of receipts
    #[arg(long, value_enum, default_value_t)]
    pub receipt_pdu: ReceiptPdu,
    /// esm_class of receipts; 0 does not mark them
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub receipt_esm_class: u8,
    /// The version of SMPP
    #[arg(long, value_enum, default_value_t)]
    pub smpp_version: SmppVersion,
    /// What data_coding 0 means: gsm, ascii or latin1
    #[arg(long, default_value = "gsm", value_parser = default_alphabet, value_name = "ALPHABET")]
    pub default_alphabet: DefaultAlphabet,
    /// Texts in the default alphabet come as packed septets
    #[arg(long)]
    pub packed: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            response_id: IdSpelling::default(),
            receipt_id: IdSpelling::default(),
            receipt_form: ReceiptForm::default(),
            receipt_pdu: ReceiptPdu::default(),
            receipt_esm_class: 4,
            smpp_version: SmppVersion::default(),
            default_alphabet: DefaultAlphabet::default(),
            packed: false,
        }
    }
}

fn default_alphabet(word: &str) -> Result<DefaultAlphabet, String> {
    DefaultAlphabet::find(word).ok_or_else(|| String::from("use gsm, ascii or latin1"))
}

impl Dialect {
    /// Refuses what no carrier can speak.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.smpp_version != SmppVersion::V33
                || self.receipt_form != ReceiptForm::Tlv
                    && self.receipt_pdu == ReceiptPdu::DeliverSm,
            "--smpp-version 3.3 has no TLVs and no data_sm"
        );
        let other = self.default_alphabet != DefaultAlphabet::Gsm;
        ensure!(!(self.packed && other), "--packed: only --default-alphabet gsm has septets");
        Ok(())
    }

    /// The id in the answer to a submit.
    pub(super) fn response_id(&self, id: PartId) -> String {
        self.response_id.spell(id)
    }

    /// The id in a receipt.
    pub(super) fn receipt_id(&self, id: PartId) -> String {
        self.receipt_id.spell(id)
    }

    /// Its alphabets.
    pub(super) fn alphabet(&self) -> AlphabetConfig {
        AlphabetConfig {
            default: self.default_alphabet,
            packed: self.packed,
            ..AlphabetConfig::default()
        }
    }

    /// The text of one part; octets that are none in hexadecimal. Every part is read by itself, so
    /// that a character cut in two by a careless split shows.
    pub(super) fn read(&self, data_coding: u8, part: &Part<'_>) -> String {
        match decode_from_carrier(data_coding, &self.alphabet(), part.header, part.octets) {
            Decoded::Text(text) => text,
            Decoded::Binary(octets) => octets.iter().map(|octet| format!("{octet:02x}")).collect(),
        }
    }
}

impl IdSpelling {
    fn spell(self, PartId(id): PartId) -> String {
        match self {
            IdSpelling::DecimalPadded => PartId(id).text(),
            IdSpelling::Decimal => id.to_string(),
            IdSpelling::Hex => format!("{id:x}"),
            IdSpelling::HexUpper => format!("{id:X}"),
            IdSpelling::HexPadded => format!("{id:016X}"),
            IdSpelling::Uuid => format!("00000000-0000-4000-8000-{id:012x}"),
            // One digit longer than any other id.
            IdSpelling::Foreign => format!("9{id:010}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_number_has_many_spellings() {
        let id = PartId(972_660_181);
        for (spelling, expected) in [
            (IdSpelling::DecimalPadded, "0972660181"),
            (IdSpelling::Decimal, "972660181"),
            (IdSpelling::Hex, "39f99dd5"),
            (IdSpelling::HexUpper, "39F99DD5"),
            (IdSpelling::HexPadded, "0000000039F99DD5"),
            (IdSpelling::Uuid, "00000000-0000-4000-8000-000039f99dd5"),
            (IdSpelling::Foreign, "90972660181"),
        ] {
            assert_eq!(spelling.spell(id), expected);
        }
    }

    #[test]
    fn what_no_carrier_can_speak_is_refused() {
        let old = Dialect { smpp_version: SmppVersion::V33, ..Dialect::default() };
        old.check().unwrap();
        for dialect in [
            Dialect { receipt_form: ReceiptForm::Tlv, ..old.clone() },
            Dialect { receipt_pdu: ReceiptPdu::DataSm, ..old },
            Dialect {
                packed: true,
                default_alphabet: DefaultAlphabet::Latin1,
                ..Dialect::default()
            },
        ] {
            assert!(dialect.check().is_err(), "{dialect:?}");
        }
    }

    #[test]
    fn a_part_is_read_in_the_carriers_alphabet() {
        let part = |header, octets| Part { header, octets, ..Part::default() };
        let read =
            |dialect: &Dialect, data_coding, octets| dialect.read(data_coding, &part(&[], octets));
        let gsm = Dialect::default();
        let latin1 = Dialect { default_alphabet: DefaultAlphabet::Latin1, ..Dialect::default() };
        assert_eq!(read(&gsm, 0, b"\x00\x1B\x65"), "@€");
        assert_eq!(read(&latin1, 0, b"@\xA3"), "@£");
        assert_eq!(read(&latin1, 8, b"\x04\x36"), "ж");
        assert_eq!(read(&gsm, 4, b"\x04\x36"), "0436");
        assert_eq!(gsm.read(0, &part(&[3, 0x24, 1, 1], b"\x1Bs")), "ş");
        let packed = Dialect { packed: true, ..Dialect::default() };
        assert_eq!(read(&packed, 0, &[0xE8, 0x32, 0x9B, 0xFD, 0x06]), "hello");
    }
}
