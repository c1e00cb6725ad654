//! Reading records: frames out of a payload, fields out of a body. Pure, lives nowhere.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::layout::{
    AcceptedLayout, AskedLayout, CarriedLayout, CarriedOriginLayout, ClosedLayout,
    CustomerReceiptLayout, EpochLayout, ErasedLayout, FrameLayout, InboundClosedLayout,
    InboundLayout, MarkLayout, MovingLayout, OptOutLayout, OrphanClosedLayout, OrphanLayout,
    PartLayout, RedactedLayout, ReplacedLayout, WebhookLayout,
};
use super::{Asked, CARRIED_RECYCLED, FRAME, InboundRecord, REDACTED, Record, RecordError};
use crate::position::Position;

/// One framed record, not yet decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number of its kind; may be unknown.
    pub kind: u8,
    /// Version of its kind, with [`REDACTED`] when it is redacted.
    pub version: u8,
    /// Its body.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Whether what was personal in it is gone.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.version & REDACTED != 0
    }

    /// Bytes of frame and body.
    pub(crate) fn len(&self) -> usize {
        FRAME + self.body.len()
    }
}

/// The records of a payload, one after the other. Stops after the first error.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// The frames of `payload`.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = std::mem::take(&mut self.rest);
        let Ok((frame, rest)) = FrameLayout::ref_from_prefix(taken) else {
            return Some(Err(RecordError::Frame));
        };
        let length = usize::try_from(frame.length.get()).unwrap_or(usize::MAX);
        let Some((body, rest)) = rest.split_at_checked(length) else {
            return Some(Err(RecordError::Frame));
        };
        self.rest = rest;
        Some(Ok(Frame { kind: frame.kind, version: frame.version, body }))
    }
}

/// What is left of a body while it is read.
pub(super) struct Body<'a> {
    pub(super) kind: u8,
    pub(super) rest: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) fn fixed<T: FromBytes + Immutable + KnownLayout + Unaligned>(
        &mut self,
    ) -> Result<&'a T, RecordError> {
        let (fixed, rest) =
            T::ref_from_prefix(self.rest).map_err(|_| RecordError::Length { kind: self.kind })?;
        self.rest = rest;
        Ok(fixed)
    }

    pub(super) fn tail(&mut self, len: U32) -> Result<&'a [u8], RecordError> {
        let error = RecordError::Length { kind: self.kind };
        let len = usize::try_from(len.get()).map_err(|_| error)?;
        let (tail, rest) = self.rest.split_at_checked(len).ok_or(error)?;
        self.rest = rest;
        Ok(tail)
    }

    pub(super) fn accepted(
        &mut self,
        version: u8,
        redacted: u8,
    ) -> Result<Record<'a>, RecordError> {
        let fixed: &AcceptedLayout = self.fixed()?;
        let asked: Option<&AskedLayout> = if version > 1 { Some(self.fixed()?) } else { None };
        Ok(Record::Accepted {
            sequence: fixed.sequence.get(),
            partition: fixed.partition.get(),
            customer: fixed.customer.get(),
            to: fixed.to.get(),
            sender: self.tail(fixed.sender_len)?,
            body: self.tail(fixed.body_len)?,
            webhook_url: self.tail(fixed.webhook_url_len)?,
            client_reference: self.tail(fixed.client_reference_len)?,
            encoding: fixed.encoding,
            parts: fixed.parts,
            reference: fixed.reference.get(),
            accepted_ms: fixed.accepted_ms.get(),
            valid_until_ms: fixed.valid_until_ms.get(),
            id: fixed.id.get(),
            asked: match asked {
                Some(asked) => self.asked(asked, redacted)?,
                None => Asked { options: redacted, ..Asked::default() },
            },
        })
    }

    fn asked(&mut self, fixed: &AskedLayout, redacted: u8) -> Result<Asked<'a>, RecordError> {
        Ok(Asked {
            due_ms: fixed.due_ms.get(),
            group: fixed.group.get(),
            origin: fixed.origin,
            options: fixed.options | redacted,
            registered_delivery: fixed.registered_delivery,
            protocol_id: fixed.protocol_id,
            priority: fixed.priority,
            data_coding: fixed.data_coding,
            udh: self.tail(fixed.udh_len)?,
            service_type: self.tail(u32::from(fixed.service_type_len.get()).into())?,
            source_ton_npi: fixed.source_ton_npi,
            dest_ton_npi: fixed.dest_ton_npi,
        })
    }

    pub(super) fn part(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &PartLayout = self.fixed()?;
        Ok(Record::Part {
            sequence: fixed.sequence.get(),
            part: fixed.part,
            event: fixed.event,
            carrier: fixed.carrier.get(),
            status: fixed.status.get(),
            at_ms: fixed.at_ms.get(),
            detail: self.tail(fixed.detail_len)?,
            attempt: fixed.attempt,
        })
    }

    pub(super) fn webhook(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &WebhookLayout = self.fixed()?;
        Ok(Record::Webhook {
            sequence: fixed.sequence.get(),
            attempt: fixed.attempt.get(),
            at_ms: fixed.at_ms.get(),
            next_ms: fixed.next_ms.get(),
            outcome: fixed.outcome,
            status: fixed.status.get(),
        })
    }

    pub(super) fn orphan(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &OrphanLayout = self.fixed()?;
        Ok(Record::Orphan {
            orphan: fixed.orphan.get(),
            carrier: fixed.carrier.get(),
            at_ms: fixed.at_ms.get(),
            source: self.tail(fixed.source_len)?,
            dest: self.tail(fixed.dest_len)?,
            carrier_message_id: self.tail(fixed.carrier_message_id_len)?,
            state: fixed.state,
            error: self.tail(fixed.error_len)?,
        })
    }

    pub(super) fn orphan_closed(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &OrphanClosedLayout = self.fixed()?;
        Ok(Record::OrphanClosed {
            orphan: fixed.orphan.get(),
            at_ms: fixed.at_ms.get(),
            outcome: fixed.outcome,
        })
    }

    pub(super) fn carried(&mut self, version: u8) -> Result<Record<'a>, RecordError> {
        let fixed: &CarriedLayout = self.fixed()?;
        let origin: Option<&CarriedOriginLayout> =
            if version > 1 { Some(self.fixed()?) } else { None };
        Ok(Record::Carried {
            sequence: fixed.sequence.get(),
            from: origin.map_or(0, |origin| origin.from.get()),
            reason: origin.map_or(CARRIED_RECYCLED, |origin| origin.reason),
            state: self.tail(fixed.state_len)?,
        })
    }

    pub(super) fn closed(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &ClosedLayout = self.fixed()?;
        let records = self.tail(fixed.records_len)?;
        if !Position::is_list(records) {
            return Err(RecordError::Field { kind: self.kind });
        }
        Ok(Record::Closed {
            sequence: fixed.sequence.get(),
            at_ms: fixed.at_ms.get(),
            status: fixed.status,
            records,
        })
    }

    pub(super) fn erased(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &ErasedLayout = self.fixed()?;
        Ok(Record::Erased {
            at_ms: fixed.at_ms.get(),
            scope: fixed.scope,
            hash: fixed.hash.get(),
            customer: fixed.customer.get(),
            until_ms: fixed.until_ms.get(),
        })
    }

    pub(super) fn epoch(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &EpochLayout = self.fixed()?;
        Ok(Record::Epoch {
            at_ms: fixed.at_ms.get(),
            epoch: fixed.epoch.get(),
            shards: fixed.shards.get(),
        })
    }

    pub(super) fn redacted(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &RedactedLayout = self.fixed()?;
        Ok(Record::Redacted { sequence: fixed.sequence.get(), at_ms: fixed.at_ms.get() })
    }

    pub(super) fn opt_out(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &OptOutLayout = self.fixed()?;
        let on = self.flag(fixed.on)?;
        Ok(Record::OptOut {
            customer: fixed.customer.get(),
            hash: fixed.hash.get(),
            at_ms: fixed.at_ms.get(),
            on,
        })
    }

    fn flag(&self, octet: u8) -> Result<bool, RecordError> {
        match octet {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Field { kind: self.kind }),
        }
    }

    pub(super) fn moving(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &MovingLayout = self.fixed()?;
        Ok(Record::Moving { at_ms: fixed.at_ms.get(), epoch: fixed.epoch.get() })
    }

    pub(super) fn mark(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &MarkLayout = self.fixed()?;
        let clean = self.flag(fixed.clean)?;
        Ok(Record::Mark {
            at_ms: fixed.at_ms.get(),
            next_sequence: fixed.next_sequence.get(),
            clean,
        })
    }

    pub(super) fn replaced(&mut self, redacted: u8) -> Result<Record<'a>, RecordError> {
        let fixed: &ReplacedLayout = self.fixed()?;
        Ok(Record::Replaced {
            sequence: fixed.sequence.get(),
            at_ms: fixed.at_ms.get(),
            encoding: fixed.encoding,
            parts: fixed.parts,
            reference: fixed.reference.get(),
            due_ms: fixed.due_ms.get(),
            valid_until_ms: fixed.valid_until_ms.get(),
            registered_delivery: fixed.registered_delivery,
            options: fixed.options | redacted,
            body: self.tail(fixed.body_len)?,
        })
    }

    pub(super) fn customer_receipt(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &CustomerReceiptLayout = self.fixed()?;
        Ok(Record::CustomerReceipt {
            sequence: fixed.sequence.get(),
            receipt: fixed.receipt.get(),
            attempt: fixed.attempt.get(),
            at_ms: fixed.at_ms.get(),
            next_ms: fixed.next_ms.get(),
            outcome: fixed.outcome,
            status: fixed.status.get(),
        })
    }

    pub(super) fn inbound(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &InboundLayout = self.fixed()?;
        Ok(Record::Inbound(InboundRecord {
            inbound: fixed.inbound.get(),
            carrier: fixed.carrier.get(),
            customer: fixed.customer.get(),
            at_ms: fixed.at_ms.get(),
            source: self.tail(fixed.source_len)?,
            dest: self.tail(fixed.dest_len)?,
            source_ton_npi: fixed.source_ton_npi,
            dest_ton_npi: fixed.dest_ton_npi,
            data_coding: fixed.data_coding,
            esm_class: fixed.esm_class,
            protocol_id: fixed.protocol_id,
            reference: fixed.reference.get(),
            width: fixed.width,
            total: fixed.total,
            number: fixed.number,
            udh: self.tail(fixed.udh_len)?,
            body: self.tail(fixed.body_len)?,
        }))
    }

    pub(super) fn inbound_closed(&mut self) -> Result<Record<'a>, RecordError> {
        let fixed: &InboundClosedLayout = self.fixed()?;
        Ok(Record::InboundClosed {
            inbound: fixed.inbound.get(),
            at_ms: fixed.at_ms.get(),
            outcome: fixed.outcome,
        })
    }
}
