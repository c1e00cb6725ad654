//! Delivery receipts as this carrier sends them: pure, one per part taken.

use std::rc::Rc;
use std::time::Duration;

use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::receipt_date;
use postrider_smpp::tlv::{Tlv, Tlvs, tag};

use super::carrier::PartId;

/// Octets of the text that a receipt repeats (SMPP 3.4 appendix B).
const EXCERPT: usize = 20;

/// `esm_class` of a delivery receipt (SMPP 3.4 section 5.2.12).
const ESM_RECEIPT: u8 = 0x04;

/// A receipt on its way.
#[derive(Debug)]
pub(super) struct Receipt {
    /// When it is to be sent, monotonic.
    pub(super) due: Duration,
    /// The connection that submitted the part.
    pub(super) home: u64,
    /// Who may get it.
    pub(super) system_id: Rc<str>,
    /// The part's id.
    pub(super) id: PartId,
    /// The report says UNDELIV instead of DELIVRD.
    pub(super) failed: bool,
    /// When the part was taken, Unix seconds.
    pub(super) taken_s: u64,
    /// The part's addresses.
    pub(super) addresses: Addresses,
    /// The first characters of the text, where they are ASCII.
    pub(super) excerpt: Box<[u8]>,
}

/// The two addresses of a part.
#[derive(Debug)]
pub(super) struct Addresses {
    source: (u8, u8, Box<[u8]>),
    dest: (u8, u8, Box<[u8]>),
}

impl Addresses {
    /// The addresses of a submit.
    pub(super) fn of(message: &ShortMessage<'_>) -> Self {
        Self {
            source: (message.source_ton, message.source_npi, message.source.into()),
            dest: (message.dest_ton, message.dest_npi, message.dest.into()),
        }
    }
}

/// What of a text a receipt may repeat.
pub(super) fn excerpt(data_coding: u8, octets: &[u8]) -> Box<[u8]> {
    let start = octets.get(..EXCERPT).unwrap_or(octets);
    let printable = data_coding == 0
        && start
            .iter()
            .all(|octet| matches!(octet, 0x20 | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'));
    if printable { start.into() } else { Box::default() }
}

impl Receipt {
    /// Lends the receipt as a `deliver_sm` to `send`: text form and parameters (SMPP 3.4 appendix B,
    /// sections 5.3.2.12, 5.3.2.35, 5.3.2.31), from the handset to the sender.
    pub(super) fn with_message<R>(
        &self,
        now_s: u64,
        send: impl FnOnce(&ShortMessage<'_>) -> R,
    ) -> R {
        let (stat, state, error) = if self.failed { ("UNDELIV", 5, 1) } else { ("DELIVRD", 2, 0) };
        let delivered = u8::from(!self.failed);
        let (taken, done) = (receipt_date(self.taken_s), receipt_date(now_s));
        let id = self.id.text();
        let mut text = format!(
            "id:{id} sub:001 dlvrd:00{delivered} submit date:{taken} done date:{done} stat:{stat} err:{error:03} text:"
        )
        .into_bytes();
        text.extend_from_slice(&self.excerpt);
        let mut area = Vec::with_capacity(32);
        let id_z = [id.as_bytes(), &[0]].concat();
        for (tag, value) in [
            (tag::RECEIPTED_MESSAGE_ID, &id_z[..]),
            (tag::MESSAGE_STATE, &[state]),
            (tag::NETWORK_ERROR_CODE, &[3, 0, error]),
        ] {
            let fits = Tlv { tag, value }.write(&mut area);
            debug_assert!(fits, "values of a few octets");
        }
        let Addresses { source, dest } = &self.addresses;
        send(&ShortMessage {
            source_ton: dest.0,
            source_npi: dest.1,
            source: &dest.2,
            dest_ton: source.0,
            dest_npi: source.1,
            dest: &source.2,
            esm_class: ESM_RECEIPT,
            short_message: &text,
            tlvs: Tlvs::new(&area),
            ..ShortMessage::default()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use super::excerpt;

    #[test]
    fn only_plain_text_is_repeated() {
        assert_eq!(&*excerpt(0, b"Your code is 4829 and some more"), b"Your code is 4829 an");
        assert!(excerpt(8, b"\0A").is_empty());
        assert!(excerpt(0, b"a\x1be").is_empty());
    }
}
