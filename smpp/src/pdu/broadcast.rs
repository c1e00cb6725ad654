//! Cell broadcast (5.0 section 4.4 to 4.6): broadcast_sm and cancel_broadcast_sm; query_broadcast_sm is laid
//! out as query_sm. Pure, lives nowhere.

use super::{EncodeError, PduError, VERSION_5_0, tlv_area};
use crate::bounds;
use crate::command::CommandId;
use crate::status::CommandStatus;
use crate::tlv::{TlvFault, Tlvs};
use crate::wire::{Reader, put_text, put_time};

/// A broadcast_sm (5.0 section 4.4.1). Its text, areas, content type, number and interval of repetitions are
/// parameters; it has no registered_delivery.
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct BroadcastSm<'a> {
    /// `service_type`, at most 5 octets.
    pub service_type: &'a [u8],
    /// `source_addr_ton`.
    pub source_ton: u8,
    /// `source_addr_npi`.
    pub source_npi: u8,
    /// `source_addr`, at most 20 octets.
    pub source: &'a [u8],
    /// `message_id` of the broadcast to replace, else empty; at most 64 octets.
    pub message_id: &'a [u8],
    /// `priority_flag`.
    pub priority_flag: u8,
    /// `schedule_delivery_time`, empty or 16 characters.
    pub schedule_delivery_time: &'a [u8],
    /// `validity_period`, empty or 16 characters.
    pub validity_period: &'a [u8],
    /// `replace_if_present_flag`.
    pub replace_if_present: u8,
    /// `data_coding`.
    pub data_coding: u8,
    /// `sm_default_msg_id`.
    pub sm_default_msg_id: u8,
    /// The parameters; four are mandatory.
    pub tlvs: Tlvs<'a>,
}

impl core::fmt::Debug for BroadcastSm<'_> {
    /// Without the sender: it may be a person's.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let id = self.message_id.escape_ascii().to_string();
        f.debug_struct("BroadcastSm")
            .field("message_id", &id)
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

impl<'a> BroadcastSm<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, PduError> {
        let command = CommandId::BROADCAST_SM;
        let mut r = Reader::new(body, true);
        let broadcast = Self {
            service_type: r.text(6, CommandStatus::ESME_RINVSERTYP)?,
            source_ton: r.int1()?,
            source_npi: r.int1()?,
            source: r.text(21, CommandStatus::ESME_RINVSRCADR)?,
            message_id: r.text(65, CommandStatus::ESME_RINVMSGID)?,
            priority_flag: r.bounded(&bounds::PRIORITY, command)?,
            schedule_delivery_time: r.time(CommandStatus::ESME_RINVSCHED)?,
            validity_period: r.time(CommandStatus::ESME_RINVEXPIRY)?,
            replace_if_present: r.bounded(&bounds::REPLACE_IF_PRESENT, command)?,
            data_coding: r.int1()?,
            sm_default_msg_id: r.int1()?,
            tlvs: tlv_area(command, r.rest())?,
        };
        let mut faults = broadcast.tlvs.faults(command, VERSION_5_0);
        match faults.find(|fault| matches!(fault, TlvFault::Missing(_))) {
            Some(missing) => Err(missing.status().into()),
            None => Ok(broadcast),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let command = CommandId::BROADCAST_SM;
        bounds::PRIORITY.check(command, VERSION_5_0, self.priority_flag)?;
        bounds::REPLACE_IF_PRESENT.check(command, VERSION_5_0, self.replace_if_present)?;
        put_text(out, "service_type", self.service_type, 6)?;
        out.extend_from_slice(&[self.source_ton, self.source_npi]);
        put_text(out, "source_addr", self.source, 21)?;
        put_text(out, "message_id", self.message_id, 65)?;
        out.push(self.priority_flag);
        put_time(out, "schedule_delivery_time", self.schedule_delivery_time)?;
        put_time(out, "validity_period", self.validity_period)?;
        out.extend_from_slice(&[self.replace_if_present, self.data_coding, self.sm_default_msg_id]);
        Ok(())
    }
}

/// A cancel_broadcast_sm (5.0 section 4.6.3).
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct CancelBroadcastSm<'a> {
    /// `service_type`, at most 5 octets.
    pub service_type: &'a [u8],
    /// `message_id` of the broadcast; empty: every one of this source that the parameters name.
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

impl core::fmt::Debug for CancelBroadcastSm<'_> {
    /// Without the sender: it may be a person's.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let id = self.message_id.escape_ascii().to_string();
        f.debug_struct("CancelBroadcastSm")
            .field("message_id", &id)
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

impl<'a> CancelBroadcastSm<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, true);
        Ok(Self {
            service_type: r.text(6, CommandStatus::ESME_RINVSERTYP)?,
            message_id: r.text(65, CommandStatus::ESME_RINVMSGID)?,
            source_ton: r.int1()?,
            source_npi: r.int1()?,
            source: r.text(21, CommandStatus::ESME_RINVSRCADR)?,
            tlvs: tlv_area(CommandId::CANCEL_BROADCAST_SM, r.rest())?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_text(out, "service_type", self.service_type, 6)?;
        put_text(out, "message_id", self.message_id, 65)?;
        out.extend_from_slice(&[self.source_ton, self.source_npi]);
        put_text(out, "source_addr", self.source, 21)
    }
}
