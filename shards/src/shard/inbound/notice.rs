//! A message from a handset, or a fragment of one, in octets of our own: what crosses from the shard
//! of the bind to the home of the handset. Pure; lives until the carrier is answered.

use postrider_core::clock::UnixMs;
use postrider_core::redact::Private;
use postrider_core::route::CarrierIx;
use postrider_core::text::{Concat, ReferenceWidth, Udh, split_header};
use postrider_http::auth::CustomerIx;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::tlv::{Tlvs, tag};
use postrider_storage::InboundRecord;

use crate::shard::deliveries::pdu::Address;

/// A message from a handset as it came on a bind. Its `Debug` shows no number and no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundNotice {
    /// The carrier it came from.
    pub carrier: CarrierIx,
    /// Whose number it went to.
    pub customer: CustomerIx,
    /// When it came.
    pub at: UnixMs,
    pub(crate) fragment: Fragment,
}

/// What of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The handset.
    pub(crate) source: Address,
    /// The customer's number.
    pub(crate) dest: Address,
    pub(crate) esm_class: u8,
    pub(crate) protocol_id: u8,
    pub(crate) data_coding: u8,
    /// Its place in a longer message.
    pub(crate) concat: Option<Concat>,
    /// The user data header with its length octet; empty: none.
    pub(crate) udh: Box<[u8]>,
    /// What follows the header.
    pub(crate) body: Private<Box<[u8]>>,
}

impl Fragment {
    /// Reads a deliver_sm or data_sm that is no receipt. Where a header and SAR parameters both tell
    /// a place, the header's counts.
    pub(crate) fn read(message: &ShortMessage<'_>) -> Self {
        let text = message.text();
        let (udh, body) = if message.has_udh() { split_header(text) } else { (&[][..], text) };
        Fragment {
            source: Address::new(message.source_ton, message.source_npi, message.source),
            dest: Address::new(message.dest_ton, message.dest_npi, message.dest),
            esm_class: message.esm_class,
            protocol_id: message.protocol_id,
            data_coding: message.data_coding,
            concat: Udh::read(udh)
                .concat
                .or_else(|| sar(message.tlvs))
                .filter(|concat| concat.total > 1),
            udh: udh.into(),
            body: Private::new(body.into()),
        }
    }

    /// Whether its place came in the header.
    pub(crate) fn has_concat_header(&self) -> bool {
        Udh::read(&self.udh).concat.is_some()
    }

    /// Octets that keeping it takes.
    pub(crate) fn octets(&self) -> usize {
        self.udh.len() + self.body.expose().len()
    }

    /// It as the log holds it.
    pub(crate) fn record(&self, number: u64, from: Origin) -> InboundRecord<'_> {
        let (reference, width, total, index) = match self.concat {
            Some(place) => (place.reference, bits(place.width), place.total, place.index),
            None => (0, 0, 1, 1),
        };
        InboundRecord {
            inbound: number,
            carrier: from.carrier,
            customer: from.customer,
            at_ms: from.at.0,
            source: &self.source.digits,
            dest: &self.dest.digits,
            source_ton_npi: [self.source.ton, self.source.npi],
            dest_ton_npi: [self.dest.ton, self.dest.npi],
            data_coding: self.data_coding,
            esm_class: self.esm_class,
            protocol_id: self.protocol_id,
            reference,
            width,
            total,
            number: index,
            udh: &self.udh,
            body: self.body.expose(),
        }
    }

    /// It from the log.
    pub(crate) fn of_record(record: &InboundRecord<'_>) -> Self {
        let [source_ton, source_npi] = record.source_ton_npi;
        let [dest_ton, dest_npi] = record.dest_ton_npi;
        Fragment {
            source: Address::new(source_ton, source_npi, record.source),
            dest: Address::new(dest_ton, dest_npi, record.dest),
            esm_class: record.esm_class,
            protocol_id: record.protocol_id,
            data_coding: record.data_coding,
            concat: width(record.width).and_then(|width| {
                Concat::new(record.reference, record.total, record.number, width)
            }),
            udh: record.udh.into(),
            body: Private::new(record.body.into()),
        }
    }
}

/// Where and when a fragment came in, by durable numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) carrier: u32,
    pub(crate) customer: u32,
    pub(crate) at: UnixMs,
}

/// The place that sar_msg_ref_num, sar_total_segments and sar_segment_seqnum tell
/// [3.4 section 5.3.2.22].
fn sar(tlvs: Tlvs<'_>) -> Option<Concat> {
    let reference = u16::try_from(tlvs.get_int(tag::SAR_MSG_REF_NUM)?).ok()?;
    let total = u8::try_from(tlvs.get_int(tag::SAR_TOTAL_SEGMENTS)?).ok()?;
    let index = u8::try_from(tlvs.get_int(tag::SAR_SEGMENT_SEQNUM)?).ok()?;
    Concat::new(reference, total, index, ReferenceWidth::Sixteen)
}

fn bits(width: ReferenceWidth) -> u8 {
    match width {
        ReferenceWidth::Eight => 8,
        ReferenceWidth::Sixteen => 16,
    }
}

fn width(bits: u8) -> Option<ReferenceWidth> {
    match bits {
        8 => Some(ReferenceWidth::Eight),
        16 => Some(ReferenceWidth::Sixteen),
        _ => None,
    }
}
