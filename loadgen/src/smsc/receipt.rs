//! Delivery receipts as this carrier sends them: pure, one per part taken.

use std::rc::Rc;
use std::time::Duration;

use postrider_smpp::pdu::ShortMessage;
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
        let (taken, done) = (stamp(self.taken_s), stamp(now_s));
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

/// `YYMMDDhhmm` in UTC (SMPP 3.4 appendix B), by the civil calendar from days since 1970.
fn stamp(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Days since 0000-03-01, in eras of 400 years of 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{:02}{month:02}{day:02}{hour:02}{minute:02}", year % 100)
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

    use super::{excerpt, stamp};

    #[test]
    fn stamps_follow_the_calendar() {
        // `date -u -d @N +%y%m%d%H%M`
        for (unix_s, expected) in [
            (0, "7001010000"),
            (951_782_399, "0002282359"),
            (951_782_400, "0002290000"),
            (951_868_800, "0003010000"),
            (1_735_689_599, "2412312359"),
            (1_793_966_415, "2611061200"),
            (4_107_542_400, "0003010000"),
        ] {
            assert_eq!(stamp(unix_s), expected, "{unix_s}");
        }
    }

    #[test]
    fn only_plain_text_is_repeated() {
        assert_eq!(&*excerpt(0, b"Your code is 4829 and some more"), b"Your code is 4829 an");
        assert!(excerpt(8, b"\0A").is_empty());
        assert!(excerpt(0, b"a\x1be").is_empty());
    }
}
