//! From a message to its submit_sm: which carriers may take it, and the PDU of each part. Pure; the
//! reference counters are one per shard.

use std::hash::Hasher;
use std::time::Duration;

use postrider_core::config::CarrierConfig;
use postrider_core::content::{Content, Octets};
use postrider_core::number::Msisdn;
use postrider_core::route::CarrierIx;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::{self, Concat, ReferenceWidth};
use postrider_smpp::pdu::ShortMessage;

use super::message::{Envelope, Message};
use super::{Shard, Shared};

/// esm_class bit 6: the short_message begins with a user data header [3.4 section 5.2.12].
const UDHI: u8 = 0x40;
/// registered_delivery: a receipt for success and for failure [3.4 section 5.2.17].
const RECEIPT: u8 = 0x01;
/// Counters; pairs that share one still get consecutive values.
const COUNTERS: usize = 1 << 16;

/// Concatenation references: consecutive for each (sender, recipient), so that two messages to one
/// handset only meet again after 256 (or 65,536) others.
pub(crate) struct References {
    counters: Vec<u16>,
}

impl References {
    pub(crate) fn new() -> Self {
        References { counters: vec![0; COUNTERS] }
    }

    pub(crate) fn next(&mut self, sender: &SenderId, to: Msisdn) -> u16 {
        let Some(counter) = self.slot(sender, to) else { return 0 };
        *counter = counter.wrapping_add(1);
        *counter
    }

    /// After a restart the count goes on where the log left it.
    pub(crate) fn seen(&mut self, sender: &SenderId, to: Msisdn, reference: u16) {
        if let Some(counter) = self.slot(sender, to) {
            *counter = reference;
        }
    }

    fn slot(&mut self, sender: &SenderId, to: Msisdn) -> Option<&mut u16> {
        let mut hasher = siphasher::sip::SipHasher13::new();
        hasher.write(sender.as_text().as_bytes());
        hasher.write_u64(to.as_u64());
        let mask = u64::try_from(COUNTERS - 1).unwrap_or(0);
        let at = usize::try_from(hasher.finish() & mask).ok()?;
        self.counters.get_mut(at)
    }
}

impl Shard {
    /// The carriers that may take a submission, best first.
    pub(super) fn eligible<'a>(
        &'a self,
        submission: &'a Submission,
    ) -> impl Iterator<Item = CarrierIx> + 'a {
        carriers(&self.shared, submission.to, &submission.content, submission.parts)
    }
}

/// The ranked carriers of a number, without those on which the message would have more parts than
/// were promised.
pub(super) fn carriers<'a>(
    shared: &'a Shared,
    to: Msisdn,
    content: &'a Content,
    promised: u8,
) -> impl Iterator<Item = CarrierIx> + 'a {
    shared.routes.candidates(to).iter().copied().filter(move |carrier| {
        let Some(config) = shared.config.carriers.get(usize::from(carrier.0)) else { return false };
        match config.profile.concatenation.width() {
            ReferenceWidth::Eight => true,
            ReferenceWidth::Sixteen => {
                promised == 1
                    || content.text().is_none_or(|text| {
                        text::encode(text).part_count(ReferenceWidth::Sixteen)
                            == usize::from(promised)
                    })
            }
        }
    })
}

/// Buffers that building a PDU reuses. One per shard.
#[derive(Default)]
pub(crate) struct PduBuffers {
    short_message: Vec<u8>,
    validity: Vec<u8>,
}

impl PduBuffers {
    /// The submit_sm of one part, handed to `send`.
    pub(crate) fn part<R>(
        &mut self,
        carrier: &CarrierConfig,
        message: &Message,
        part: u8,
        validity: Option<Duration>,
        send: impl FnOnce(&ShortMessage<'_>) -> R,
    ) -> R {
        let envelope = &message.envelope;
        self.short_message.clear();
        let (esm_class, data_coding) = match &envelope.content {
            Content::Text(text) => self.text_part(carrier, envelope, text.expose(), part),
            Content::Octets(octets) => self.octets(octets),
        };
        self.validity.clear();
        if let Some(left) = validity {
            relative_time(&mut self.validity, left);
        }
        let source = envelope.sender.address();
        let dest = envelope.to.digits();
        send(&ShortMessage {
            source_ton: envelope.sender.ton(),
            source_npi: envelope.sender.npi(),
            source: source.as_bytes(),
            dest_ton: 1,
            dest_npi: 1,
            dest: dest.as_bytes(),
            esm_class,
            protocol_id: envelope.protocol_id,
            priority_flag: envelope.priority,
            validity_period: &self.validity,
            registered_delivery: if carrier.receipts { RECEIPT } else { 0 },
            data_coding,
            short_message: &self.short_message,
            ..ShortMessage::default()
        })
    }

    /// One part of a text; gives esm_class and data_coding.
    fn text_part(
        &mut self,
        carrier: &CarrierConfig,
        envelope: &Envelope,
        text: &str,
        part: u8,
    ) -> (u8, u8) {
        let width = carrier.profile.concatenation.width();
        let concatenated = envelope.part_count > 1;
        if concatenated {
            let concat = Concat {
                reference: envelope.reference,
                total: envelope.part_count,
                index: part.saturating_add(1),
                width,
            };
            concat.write(&mut self.short_message);
        }
        let encoded = text::encode(text);
        let octets = encoded.parts(width).nth(usize::from(part));
        self.short_message.extend_from_slice(octets.unwrap_or_default());
        (if concatenated { UDHI } else { 0 }, envelope.encoding.data_coding())
    }

    /// The one part that the customer made.
    fn octets(&mut self, octets: &Octets) -> (u8, u8) {
        self.short_message.extend_from_slice(&octets.udh);
        self.short_message.extend_from_slice(octets.data.expose());
        (if octets.udh.is_empty() { 0 } else { UDHI }, octets.data_coding)
    }
}

/// A relative time, `YYMMDDhhmmss000R` [3.4 section 7.1.1.1].
fn relative_time(out: &mut Vec<u8>, left: Duration) {
    use std::io::Write;
    let seconds = left.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hours, minutes, seconds) = (rest / 3_600, rest / 60 % 60, rest % 60);
    // Validities are at most 72 h, so years and months stay 00. Writing to a Vec cannot fail.
    let written = write!(out, "0000{:02}{hours:02}{minutes:02}{seconds:02}000R", days.min(30));
    debug_assert!(written.is_ok(), "writing to memory");
}
