//! One deliver_sm for a customer, in octets of our own, so that it can cross to the shard that holds
//! the bind. Pure; lives until it is answered.

use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::tlv::Tlvs;

/// An address with its type of number and numbering plan.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Address {
    pub(crate) ton: u8,
    pub(crate) npi: u8,
    pub(crate) digits: Box<[u8]>,
}

impl Address {
    pub(crate) fn new(ton: u8, npi: u8, digits: &[u8]) -> Self {
        Address { ton, npi, digits: digits.into() }
    }
}

impl std::fmt::Debug for Address {
    /// Without the number, which is somebody's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({}/{})", self.ton, self.npi)
    }
}

/// A receipt or an inbound message for a customer's bind. Its `Debug` shows no number and no text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CustomerDelivery {
    pub(crate) source: Address,
    pub(crate) dest: Address,
    pub(crate) esm_class: u8,
    pub(crate) protocol_id: u8,
    pub(crate) data_coding: u8,
    /// With the user data header, when `esm_class` says so.
    pub(crate) short_message: Vec<u8>,
    /// The area of optional parameters.
    pub(crate) tlvs: Vec<u8>,
}

impl CustomerDelivery {
    /// The fields of the deliver_sm [3.4 section 4.6.1].
    pub(crate) fn message(&self) -> ShortMessage<'_> {
        ShortMessage {
            source_ton: self.source.ton,
            source_npi: self.source.npi,
            source: &self.source.digits,
            dest_ton: self.dest.ton,
            dest_npi: self.dest.npi,
            dest: &self.dest.digits,
            esm_class: self.esm_class,
            protocol_id: self.protocol_id,
            data_coding: self.data_coding,
            short_message: &self.short_message,
            tlvs: Tlvs::new(&self.tlvs),
            ..ShortMessage::default()
        }
    }
}

impl std::fmt::Debug for CustomerDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomerDelivery")
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .finish_non_exhaustive()
    }
}
