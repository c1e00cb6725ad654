//! What is asked about messages that were submitted, and alert_notification (3.4 sections 4.8 to 4.10 and
//! 4.12). Pure, lives nowhere.

use super::{EncodeError, PduError, tlv_area};
use crate::bounds;
use crate::command::CommandId;
use crate::status::CommandStatus;
use crate::tlv::{Tlvs, tag};
use crate::values::{AbsoluteTime, MessageState};
use crate::wire::{Reader, put_text, put_time};

/// A query_sm (3.4 section 4.8.1), and a query_broadcast_sm (5.0 section 4.6.1), which has parameters.
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct QuerySm<'a> {
    /// `message_id` as the message centre gave it, at most 64 octets.
    pub message_id: &'a [u8],
    /// `source_addr_ton`, as submitted.
    pub source_ton: u8,
    /// `source_addr_npi`, as submitted.
    pub source_npi: u8,
    /// `source_addr`, as submitted, at most 20 octets.
    pub source: &'a [u8],
    /// The optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl core::fmt::Debug for QuerySm<'_> {
    /// Without addresses: they are personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let id = self.message_id.escape_ascii().to_string();
        f.debug_struct("QuerySm").field("message_id", &id).finish_non_exhaustive()
    }
}

impl<'a> QuerySm<'a> {
    pub(super) fn read(command: CommandId, body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, true);
        Ok(Self {
            message_id: r.text(65, CommandStatus::ESME_RINVMSGID)?,
            source_ton: r.int1()?,
            source_npi: r.int1()?,
            source: r.text(21, CommandStatus::ESME_RINVSRCADR)?,
            tlvs: tlv_area(command, r.rest())?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_text(out, "message_id", self.message_id, 65)?;
        out.extend_from_slice(&[self.source_ton, self.source_npi]);
        put_text(out, "source_addr", self.source, 21)
    }
}

/// The answer to a query_sm (3.4 section 4.8.2).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct QuerySmResp<'a> {
    /// `message_id` of the query.
    pub message_id: &'a [u8],
    /// `final_date`: empty while the message is not final, else 16 characters; 12 characters of local time
    /// are met in 3.4 too.
    pub final_date: &'a [u8],
    /// `message_state`, a [`MessageState`]; UNKNOWN when the body ends before it.
    pub message_state: u8,
    /// `error_code` of the network; 0 when the body ends before it.
    pub error_code: u8,
    /// The optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl Default for QuerySmResp<'_> {
    fn default() -> Self {
        Self {
            message_id: &[],
            final_date: &[],
            message_state: MessageState::UNKNOWN.0,
            error_code: 0,
            tlvs: Tlvs::default(),
        }
    }
}

impl<'a> QuerySmResp<'a> {
    /// When the message became final; `None` while it is not, and when the date cannot be read.
    pub fn final_time(&self) -> Option<AbsoluteTime> {
        AbsoluteTime::parse_final_date(self.final_date)
    }

    /// Reads as much as is there.
    pub(super) fn read(body: &'a [u8]) -> Self {
        let mut r = Reader::new(body, false);
        Self {
            message_id: r.text_or_rest(),
            final_date: r.text_or_rest(),
            message_state: r.int1().unwrap_or(MessageState::UNKNOWN.0),
            error_code: r.int1().unwrap_or(0),
            tlvs: Tlvs::new(r.rest()),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_text(out, "message_id", self.message_id, 65)?;
        put_text(out, "final_date", self.final_date, 17)?;
        out.extend_from_slice(&[self.message_state, self.error_code]);
        Ok(())
    }
}

/// A cancel_sm (3.4 section 4.9.1).
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct CancelSm<'a> {
    /// `service_type`, at most 5 octets.
    pub service_type: &'a [u8],
    /// `message_id`; empty: every message of these addresses and this service type.
    pub message_id: &'a [u8],
    /// `source_addr_ton`, as submitted.
    pub source_ton: u8,
    /// `source_addr_npi`, as submitted.
    pub source_npi: u8,
    /// `source_addr`, as submitted, at most 20 octets.
    pub source: &'a [u8],
    /// `dest_addr_ton`; may be 0 when there is a message_id.
    pub dest_ton: u8,
    /// `dest_addr_npi`; may be 0 when there is a message_id.
    pub dest_npi: u8,
    /// `destination_addr`, at most 20 octets; may be empty when there is a message_id.
    pub dest: &'a [u8],
    /// Optional parameters; the specifications define none.
    pub tlvs: Tlvs<'a>,
}

impl core::fmt::Debug for CancelSm<'_> {
    /// Without addresses: they are personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let id = self.message_id.escape_ascii().to_string();
        f.debug_struct("CancelSm").field("message_id", &id).finish_non_exhaustive()
    }
}

impl<'a> CancelSm<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, true);
        Ok(Self {
            service_type: r.text(6, CommandStatus::ESME_RINVSERTYP)?,
            message_id: r.text(65, CommandStatus::ESME_RINVMSGID)?,
            source_ton: r.int1()?,
            source_npi: r.int1()?,
            source: r.text(21, CommandStatus::ESME_RINVSRCADR)?,
            dest_ton: r.int1()?,
            dest_npi: r.int1()?,
            dest: r.text(21, CommandStatus::ESME_RINVDSTADR)?,
            tlvs: tlv_area(CommandId::CANCEL_SM, r.rest())?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_text(out, "service_type", self.service_type, 6)?;
        put_text(out, "message_id", self.message_id, 65)?;
        out.extend_from_slice(&[self.source_ton, self.source_npi]);
        put_text(out, "source_addr", self.source, 21)?;
        out.extend_from_slice(&[self.dest_ton, self.dest_npi]);
        put_text(out, "destination_addr", self.dest, 21)
    }
}

/// A replace_sm (3.4 section 4.10.1). It has no service_type, destination or data_coding: those stay.
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct ReplaceSm<'a> {
    /// `message_id` as the message centre gave it, at most 64 octets.
    pub message_id: &'a [u8],
    /// `source_addr_ton`, as submitted.
    pub source_ton: u8,
    /// `source_addr_npi`, as submitted.
    pub source_npi: u8,
    /// `source_addr`, as submitted, at most 20 octets.
    pub source: &'a [u8],
    /// `schedule_delivery_time`, 16 characters, or empty: it stays.
    pub schedule_delivery_time: &'a [u8],
    /// `validity_period`, 16 characters, or empty: it stays.
    pub validity_period: &'a [u8],
    /// `registered_delivery`.
    pub registered_delivery: u8,
    /// `sm_default_msg_id`.
    pub sm_default_msg_id: u8,
    /// `short_message`, at most 254 octets (255 in 5.0).
    pub short_message: &'a [u8],
    /// The optional parameters: message_payload in 5.0.
    pub tlvs: Tlvs<'a>,
}

impl core::fmt::Debug for ReplaceSm<'_> {
    /// Without addresses and text: they are personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ReplaceSm")
            .field("registered_delivery", &self.registered_delivery)
            .field("text_len", &self.text().len())
            .finish_non_exhaustive()
    }
}

impl<'a> ReplaceSm<'a> {
    /// The new user data: a message_payload that is not empty, else `short_message`.
    pub fn text(&self) -> &'a [u8] {
        self.tlvs.payload().unwrap_or(self.short_message)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, true);
        Ok(Self {
            message_id: r.text(65, CommandStatus::ESME_RINVMSGID)?,
            source_ton: r.int1()?,
            source_npi: r.int1()?,
            source: r.text(21, CommandStatus::ESME_RINVSRCADR)?,
            schedule_delivery_time: r.time(CommandStatus::ESME_RINVSCHED)?,
            validity_period: r.time(CommandStatus::ESME_RINVEXPIRY)?,
            registered_delivery: r.int1()?,
            sm_default_msg_id: r.int1()?,
            short_message: {
                let length = r.int1()?;
                r.octets(usize::from(length))?
            },
            tlvs: tlv_area(CommandId::REPLACE_SM, r.rest())?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, version: u8) -> Result<(), EncodeError> {
        let command = CommandId::REPLACE_SM;
        bounds::REGISTERED_DELIVERY.check(command, version, self.registered_delivery)?;
        bounds::SM_DEFAULT_MSG_ID.check(command, version, self.sm_default_msg_id)?;
        let text = self.short_message;
        let length =
            bounds::SM_LENGTH.check_length(command, version, "short_message", text.len())?;
        put_text(out, "message_id", self.message_id, 65)?;
        out.extend_from_slice(&[self.source_ton, self.source_npi]);
        put_text(out, "source_addr", self.source, 21)?;
        put_time(out, "schedule_delivery_time", self.schedule_delivery_time)?;
        put_time(out, "validity_period", self.validity_period)?;
        out.extend_from_slice(&[self.registered_delivery, self.sm_default_msg_id, length]);
        out.extend_from_slice(text);
        Ok(())
    }
}

/// An alert_notification (3.4 section 4.12.1): a handset is reachable again. It has no answer.
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct AlertNotification<'a> {
    /// `source_addr_ton` of the handset.
    pub source_ton: u8,
    /// `source_addr_npi` of the handset.
    pub source_npi: u8,
    /// `source_addr`: the handset, at most 64 octets.
    pub source: &'a [u8],
    /// `esme_addr_ton`.
    pub esme_ton: u8,
    /// `esme_addr_npi`.
    pub esme_npi: u8,
    /// `esme_addr`: who had asked, at most 64 octets.
    pub esme: &'a [u8],
    /// The optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl core::fmt::Debug for AlertNotification<'_> {
    /// Without addresses: they are personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let status = self.availability();
        f.debug_struct("AlertNotification").field("availability", &status).finish_non_exhaustive()
    }
}

impl<'a> AlertNotification<'a> {
    /// TLV ms_availability_status: 0 available (what its absence means), 1 denied, 2 unavailable.
    pub fn availability(&self) -> u32 {
        self.tlvs.get_int(tag::MS_AVAILABILITY_STATUS).unwrap_or(0)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, false);
        Ok(Self {
            source_ton: r.int1()?,
            source_npi: r.int1()?,
            source: r.text(65, CommandStatus::ESME_RINVSRCADR)?,
            esme_ton: r.int1()?,
            esme_npi: r.int1()?,
            esme: r.text(65, CommandStatus::ESME_RINVDSTADR)?,
            tlvs: tlv_area(CommandId::ALERT_NOTIFICATION, r.rest())?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(&[self.source_ton, self.source_npi]);
        put_text(out, "source_addr", self.source, 65)?;
        out.extend_from_slice(&[self.esme_ton, self.esme_npi]);
        put_text(out, "esme_addr", self.esme, 65)
    }
}
