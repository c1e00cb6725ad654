//! submit_sm, deliver_sm, data_sm and submit_multi (3.4 sections 4.4 to 4.7). Pure, lives nowhere.

use core::ops::RangeInclusive;

use super::repeated::{DestAddress, DestAddresses, UnsuccessSme, UnsuccessSmes};
use super::{EncodeError, PduError, VERSION_5_0, tlv_area};
use crate::bounds;
use crate::command::CommandId;
use crate::layout::is_strict;
use crate::status::CommandStatus;
use crate::tlv::Tlvs;
use crate::values::EsmClass;
use crate::wire::{Reader, put_text, put_time};

/// The fields of `submit_sm`, `deliver_sm` and `data_sm` (3.4 sections 4.4, 4.6, 4.7). `data_sm` has no
/// `protocol_id`, `priority_flag`, times, `replace_if_present`, `sm_default_msg_id` and `short_message`:
/// its text is the TLV message_payload.
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct ShortMessage<'a> {
    /// `service_type`, at most 5 octets.
    pub service_type: &'a [u8],
    /// `source_addr_ton`.
    pub source_ton: u8,
    /// `source_addr_npi`.
    pub source_npi: u8,
    /// `source_addr`, at most 20 octets (64 in data_sm).
    pub source: &'a [u8],
    /// `dest_addr_ton`.
    pub dest_ton: u8,
    /// `dest_addr_npi`.
    pub dest_npi: u8,
    /// `destination_addr`, at most 20 octets (64 in data_sm).
    pub dest: &'a [u8],
    /// `esm_class`.
    pub esm_class: u8,
    /// `protocol_id`.
    pub protocol_id: u8,
    /// `priority_flag`.
    pub priority_flag: u8,
    /// `schedule_delivery_time`, empty or 16 characters.
    pub schedule_delivery_time: &'a [u8],
    /// `validity_period`, empty or 16 characters.
    pub validity_period: &'a [u8],
    /// `registered_delivery`.
    pub registered_delivery: u8,
    /// `replace_if_present_flag`.
    pub replace_if_present: u8,
    /// `data_coding`.
    pub data_coding: u8,
    /// `sm_default_msg_id`.
    pub sm_default_msg_id: u8,
    /// `short_message`, at most 254 octets (255 in 5.0), UDH included.
    pub short_message: &'a [u8],
    /// The optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl<'a> ShortMessage<'a> {
    /// The user data: a message_payload that is not empty, else `short_message`.
    pub fn text(&self) -> &'a [u8] {
        self.tlvs.payload().unwrap_or(self.short_message)
    }

    /// True for delivery receipts and intermediate notifications (`esm_class` bits 5 to 2).
    pub const fn is_receipt(&self) -> bool {
        EsmClass(self.esm_class).is_receipt()
    }

    /// True when the text begins with a user data header (`esm_class` bit 6).
    pub const fn has_udh(&self) -> bool {
        EsmClass(self.esm_class).has_udh()
    }
}

impl core::fmt::Debug for ShortMessage<'_> {
    /// Without addresses and text: they are personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ShortMessage")
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .field("registered_delivery", &self.registered_delivery)
            .field("text_len", &self.text().len())
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

/// A submit_multi (3.4 section 4.5).
#[derive(Copy, Clone, Debug, Default)]
pub struct SubmitMulti<'a> {
    /// `number_of_dests` and `dest_address`.
    pub destinations: DestAddresses<'a>,
    /// Everything else; its destination is empty.
    pub message: ShortMessage<'a>,
}

/// The answer to a submit_multi (3.4 section 4.5.2): one id for all destinations that were taken.
#[derive(Copy, Clone, Debug, Default)]
pub struct SubmitMultiResp<'a> {
    /// `message_id`; empty when the body is absent.
    pub message_id: &'a [u8],
    /// `no_unsuccess` and `unsuccess_sme`: the destinations that were refused.
    pub unsuccessful: UnsuccessSmes<'a>,
    /// The optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl<'a> ShortMessage<'a> {
    /// Reads a submit_sm or deliver_sm for a session of interface `version`.
    pub(super) fn read(command: CommandId, version: u8, body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, is_strict(command));
        let mut message = Self::read_source(&mut r, 21)?;
        [message.dest_ton, message.dest_npi] = r.ints()?;
        message.dest = r.text(21, CommandStatus::ESME_RINVDSTADR)?;
        message.read_rest(command, version, r)?;
        Ok(message)
    }

    pub(super) fn read_data(body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, true);
        let source = Self::read_source(&mut r, 65)?;
        Ok(Self {
            dest_ton: r.int1()?,
            dest_npi: r.int1()?,
            dest: r.text(65, CommandStatus::ESME_RINVDSTADR)?,
            esm_class: r.int1()?,
            registered_delivery: r.int1()?,
            data_coding: r.int1()?,
            tlvs: tlv_area(CommandId::DATA_SM, r.rest())?,
            ..source
        })
    }

    #[inline(always)]
    fn read_source(r: &mut Reader<'a>, max: usize) -> Result<Self, CommandStatus> {
        let service_type = r.text(6, CommandStatus::ESME_RINVSERTYP)?;
        let [source_ton, source_npi] = r.ints()?;
        let source = r.text(max, CommandStatus::ESME_RINVSRCADR)?;
        Ok(Self { service_type, source_ton, source_npi, source, ..Self::default() })
    }

    /// Reads what follows the destinations.
    #[inline(always)]
    fn read_rest(
        &mut self,
        command: CommandId,
        version: u8,
        mut r: Reader<'a>,
    ) -> Result<(), CommandStatus> {
        [self.esm_class, self.protocol_id] = r.ints()?;
        self.priority_flag = r.bounded(&bounds::PRIORITY, command)?;
        self.schedule_delivery_time = r.time(CommandStatus::ESME_RINVSCHED)?;
        self.validity_period = r.time(CommandStatus::ESME_RINVEXPIRY)?;
        self.registered_delivery = r.int1()?;
        self.replace_if_present = r.bounded(&bounds::REPLACE_IF_PRESENT, command)?;
        let length;
        [self.data_coding, self.sm_default_msg_id, length] = r.ints()?;
        self.short_message = r.octets(usize::from(length))?;
        self.tlvs = tlv_area(command, r.rest())?;
        if command != CommandId::DELIVER_SM && version < VERSION_5_0 && self.has_both_texts() {
            return Err(CommandStatus::ESME_ROPTPARNOTALLWD);
        }
        Ok(())
    }

    fn has_both_texts(&self) -> bool {
        !self.short_message.is_empty() && self.tlvs.payload().is_some()
    }

    /// Writes the fields of a submit_sm or deliver_sm.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        command: CommandId,
        version: u8,
    ) -> Result<(), EncodeError> {
        self.write_source(out, 21)?;
        out.extend_from_slice(&[self.dest_ton, self.dest_npi]);
        put_text(out, "destination_addr", self.dest, 21)?;
        self.write_rest(out, command, version)
    }

    pub(super) fn write_data(&self, out: &mut Vec<u8>, version: u8) -> Result<(), EncodeError> {
        if !self.short_message.is_empty() {
            return Err(EncodeError::ShortMessageInData);
        }
        let asked = self.registered_delivery;
        bounds::REGISTERED_DELIVERY.check(CommandId::DATA_SM, version, asked)?;
        self.write_source(out, 65)?;
        out.extend_from_slice(&[self.dest_ton, self.dest_npi]);
        put_text(out, "destination_addr", self.dest, 65)?;
        out.extend_from_slice(&[self.esm_class, asked, self.data_coding]);
        Ok(())
    }

    /// Writes the fields up to the destinations.
    #[inline(always)]
    fn write_source(&self, out: &mut Vec<u8>, max: usize) -> Result<(), EncodeError> {
        put_text(out, "service_type", self.service_type, 6)?;
        out.extend_from_slice(&[self.source_ton, self.source_npi]);
        put_text(out, "source_addr", self.source, max)
    }

    /// Writes the fields that follow the destinations.
    #[inline(always)]
    fn write_rest(
        &self,
        out: &mut Vec<u8>,
        command: CommandId,
        version: u8,
    ) -> Result<(), EncodeError> {
        if version < VERSION_5_0 && self.has_both_texts() {
            return Err(EncodeError::BothTexts);
        }
        bounds::PRIORITY.check(command, version, self.priority_flag)?;
        bounds::REGISTERED_DELIVERY.check(command, version, self.registered_delivery)?;
        bounds::REPLACE_IF_PRESENT.check(command, version, self.replace_if_present)?;
        bounds::SM_DEFAULT_MSG_ID.check(command, version, self.sm_default_msg_id)?;
        for (bound, time) in [
            (&bounds::SCHEDULE, self.schedule_delivery_time),
            (&bounds::VALIDITY, self.validity_period),
        ] {
            bound.check_length(command, version, bound.field, time.len())?;
        }
        let text = self.short_message;
        let length =
            bounds::SM_LENGTH.check_length(command, version, "short_message", text.len())?;
        out.extend_from_slice(&[self.esm_class, self.protocol_id, self.priority_flag]);
        put_time(out, "schedule_delivery_time", self.schedule_delivery_time)?;
        put_time(out, "validity_period", self.validity_period)?;
        out.extend_from_slice(&[
            self.registered_delivery,
            self.replace_if_present,
            self.data_coding,
            self.sm_default_msg_id,
            length,
        ]);
        out.extend_from_slice(text);
        Ok(())
    }
}

impl<'a> SubmitMulti<'a> {
    pub(super) fn read(version: u8, body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, true);
        let mut message = ShortMessage::read_source(&mut r, 21)?;
        let count = r.int1()?;
        let destinations = DestAddresses::read(&mut r, count)?;
        message.read_rest(CommandId::SUBMIT_MULTI, version, r)?;
        Ok(Self { destinations, message })
    }

    /// Writes the fields; `destinations` stand in the place of that field.
    pub(super) fn write<'d>(
        message: &ShortMessage<'_>,
        destinations: impl IntoIterator<Item = DestAddress<'d>>,
        out: &mut Vec<u8>,
        version: u8,
    ) -> Result<(), EncodeError> {
        let command = CommandId::SUBMIT_MULTI;
        message.write_source(out, 21)?;
        let range = bounds::NUMBER_OF_DESTS.range(command, version);
        put_list(out, "dest_address", range, destinations, |it, out| it.write(out))?;
        message.write_rest(out, command, version)
    }
}

impl<'a> SubmitMultiResp<'a> {
    /// Reads as much as is there.
    pub(super) fn read(body: &'a [u8]) -> Self {
        let mut r = Reader::new(body, false);
        let message_id = r.text_or_rest();
        let count = r.int1().unwrap_or(0);
        let unsuccessful = UnsuccessSmes::read_whole(&mut r, count);
        Self { message_id, unsuccessful, tlvs: Tlvs::new(r.rest()) }
    }

    /// Writes the fields; `unsuccessful` stand in the place of that field.
    pub(super) fn write<'d>(
        message_id: &[u8],
        unsuccessful: impl IntoIterator<Item = UnsuccessSme<'d>>,
        out: &mut Vec<u8>,
        version: u8,
    ) -> Result<(), EncodeError> {
        put_text(out, "message_id", message_id, 65)?;
        let range = bounds::NO_UNSUCCESS.range(CommandId::SUBMIT_MULTI_RESP, version);
        put_list(out, "unsuccess_sme", range, unsuccessful, |it, out| it.write(out))
    }
}

/// Appends a count of one octet and as many structures, their number in `range`.
fn put_list<T>(
    out: &mut Vec<u8>,
    field: &'static str,
    range: RangeInclusive<u8>,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let at = out.len();
    out.push(0);
    let mut count: u8 = 0;
    for item in items {
        if count == *range.end() {
            return Err(EncodeError::WrongCount { field });
        }
        count += 1;
        write(&item, out)?;
    }
    if count < *range.start() {
        return Err(EncodeError::WrongCount { field });
    }
    if let Some(octet) = out.get_mut(at) {
        *octet = count;
    }
    Ok(())
}
