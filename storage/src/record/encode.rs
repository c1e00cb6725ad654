//! Writing records: frame and body, piece by piece, then the frame's check. Pure, lives nowhere.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, IntoBytes};

use super::content::{OWNER_LEN, encode_owner};
use super::layout::{
    AcceptedLayout, AskedLayout, CarriedLayout, CarriedOriginLayout, ClosedLayout,
    CustomerReceiptLayout, EpochLayout, ErasedLayout, FrameLayout, InboundClosedLayout,
    InboundLayout, MarkLayout, MovingLayout, OptOutLayout, OrphanClosedLayout, OrphanLayout,
    PartLayout, RedactedLayout, ReplacedLayout, WebhookLayout, size_field,
};
use super::{Asked, FRAME, InboundRecord, RECORD_BYTES_MAX, Record, folded};

impl Record<'_> {
    /// Bytes that [`Record::encode`] appends: frame and body.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let (fixed, tail) = match *self {
            Self::Accepted { sender, body, webhook_url, client_reference, asked, .. } => (
                size_of::<AcceptedLayout>() + size_of::<AskedLayout>(),
                sender.len()
                    + body.len()
                    + webhook_url.len()
                    + client_reference.len()
                    + asked.udh.len()
                    + asked.service_type.len(),
            ),
            Self::Part { detail, .. } => (size_of::<PartLayout>(), detail.len()),
            Self::Webhook { .. } => (size_of::<WebhookLayout>(), 0),
            Self::Orphan { source, dest, carrier_message_id, error, .. } => (
                size_of::<OrphanLayout>(),
                source.len() + dest.len() + carrier_message_id.len() + error.len(),
            ),
            Self::OrphanClosed { .. } => (size_of::<OrphanClosedLayout>(), 0),
            Self::Carried { state, .. } => {
                (size_of::<CarriedLayout>() + size_of::<CarriedOriginLayout>(), state.len())
            }
            Self::Mark { .. } => (size_of::<MarkLayout>(), 0),
            Self::Replaced { body, .. } => (size_of::<ReplacedLayout>(), body.len()),
            Self::CustomerReceipt { .. } => (size_of::<CustomerReceiptLayout>(), 0),
            Self::Inbound(InboundRecord { source, dest, udh, body, .. }) => {
                (size_of::<InboundLayout>(), source.len() + dest.len() + udh.len() + body.len())
            }
            Self::InboundClosed { .. } => (size_of::<InboundClosedLayout>(), 0),
            Self::Closed { records, .. } => (size_of::<ClosedLayout>(), records.len()),
            Self::Erased { .. } => (size_of::<ErasedLayout>(), 0),
            Self::Epoch { .. } => (size_of::<EpochLayout>(), 0),
            Self::Redacted { .. } => (size_of::<RedactedLayout>(), 0),
            Self::OptOut { .. } => (size_of::<OptOutLayout>(), 0),
            Self::Moving { .. } => (size_of::<MovingLayout>(), 0),
            Self::Content(ref content) => (0, content.len()),
            Self::ContentOwner { .. } => (OWNER_LEN, 0),
        };
        FRAME + fixed + tail
    }

    /// Appends the record, frame and body.
    ///
    /// # Panics
    /// When the record is larger than [`RECORD_BYTES_MAX`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.encoded_len(), 0);
        self.encode_to(out.get_mut(start..).unwrap_or_default());
    }

    /// Fills `out`, which is [`Record::encoded_len`] bytes long.
    pub(crate) fn encode_to(&self, out: &mut [u8]) {
        let length = out.len();
        assert!(length <= RECORD_BYTES_MAX, "a record of {length} bytes is over the limit");
        debug_assert_eq!(length, self.encoded_len(), "a record is as long as it says");
        let frame = FrameLayout {
            kind: self.kind() as u8,
            version: self.kind().version() | self.redacted(),
            check: U16::ZERO,
            length: size_field(length - FRAME),
        };
        let mut rest = &mut *out;
        let mut put = |bytes: &[u8]| {
            let (to, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            to.copy_from_slice(bytes);
            rest = after;
        };
        put(frame.as_bytes());
        self.encode_body(&mut put);
        let check = folded(crc32c::crc32c(out));
        if let Ok((frame, _)) = FrameLayout::mut_from_prefix(out) {
            frame.check = check.into();
        }
    }

    fn encode_body(&self, put: &mut impl FnMut(&[u8])) {
        match *self {
            Self::Accepted { .. } => self.encode_accepted(put),
            Self::Part { .. } => self.encode_part(put),
            Self::Webhook { sequence, attempt, at_ms, next_ms, outcome, status } => {
                put(WebhookLayout {
                    sequence: sequence.into(),
                    at_ms: at_ms.into(),
                    next_ms: next_ms.into(),
                    attempt: attempt.into(),
                    status: status.into(),
                    outcome,
                    reserved: [0; 3],
                }
                .as_bytes())
            }
            Self::Orphan { .. } => self.encode_orphan(put),
            Self::OrphanClosed { orphan, at_ms, outcome } => put(OrphanClosedLayout {
                orphan: orphan.into(),
                at_ms: at_ms.into(),
                outcome,
                reserved: [0; 7],
            }
            .as_bytes()),
            Self::Carried { sequence, from, reason, state } => {
                let state_len = size_field(state.len());
                put(CarriedLayout { sequence: sequence.into(), state_len, reserved: U32::ZERO }
                    .as_bytes());
                put(CarriedOriginLayout { from: from.into(), reason, reserved: [0; 7] }.as_bytes());
                put(state);
            }
            Self::Mark { at_ms, next_sequence, clean } => put(MarkLayout {
                at_ms: at_ms.into(),
                next_sequence: next_sequence.into(),
                clean: u8::from(clean),
                reserved: [0; 7],
            }
            .as_bytes()),
            Self::Replaced { .. } => self.encode_replaced(put),
            Self::CustomerReceipt { .. } => self.encode_customer_receipt(put),
            Self::Inbound(ref inbound) => encode_inbound(inbound, put),
            Self::InboundClosed { inbound, at_ms, outcome } => put(InboundClosedLayout {
                inbound: inbound.into(),
                at_ms: at_ms.into(),
                outcome,
                reserved: [0; 7],
            }
            .as_bytes()),
            Self::Closed { .. } => self.encode_closed(put),
            Self::Erased { .. } => self.encode_erased(put),
            Self::Epoch { at_ms, epoch, shards } => put(EpochLayout {
                at_ms: at_ms.into(),
                epoch: epoch.into(),
                shards: shards.into(),
                reserved: U16::ZERO,
            }
            .as_bytes()),
            Self::Redacted { sequence, at_ms } => {
                put(RedactedLayout { sequence: sequence.into(), at_ms: at_ms.into() }.as_bytes());
            }
            Self::OptOut { .. } => self.encode_opt_out(put),
            Self::Moving { at_ms, epoch } => {
                put(MovingLayout { at_ms: at_ms.into(), epoch: epoch.into(), reserved: U32::ZERO }
                    .as_bytes())
            }
            Self::Content(ref content) => content.encode(put),
            Self::ContentOwner { content, sequence, until_ms } => {
                encode_owner([content, sequence, until_ms], put);
            }
        }
    }

    fn encode_opt_out(&self, put: &mut impl FnMut(&[u8])) {
        let Self::OptOut { customer, hash, at_ms, on } = *self else { return };
        let fixed = OptOutLayout {
            hash: hash.into(),
            at_ms: at_ms.into(),
            customer: customer.into(),
            on: on.into(),
            reserved: [0; 3],
        };
        put(fixed.as_bytes());
    }

    fn encode_closed(&self, put: &mut impl FnMut(&[u8])) {
        let Self::Closed { sequence, at_ms, status, records } = *self else { return };
        let fixed = ClosedLayout {
            sequence: sequence.into(),
            at_ms: at_ms.into(),
            records_len: size_field(records.len()),
            status,
            reserved: [0; 3],
        };
        put(fixed.as_bytes());
        put(records);
    }

    fn encode_erased(&self, put: &mut impl FnMut(&[u8])) {
        let Self::Erased { at_ms, scope, hash, customer, until_ms } = *self else { return };
        let fixed = ErasedLayout {
            at_ms: at_ms.into(),
            until_ms: until_ms.into(),
            hash: hash.into(),
            customer: customer.into(),
            scope,
            reserved: [0; 3],
        };
        put(fixed.as_bytes());
    }

    fn encode_part(&self, put: &mut impl FnMut(&[u8])) {
        let Self::Part { sequence, part, event, carrier, status, at_ms, detail, attempt } = *self
        else {
            return;
        };
        let fixed = PartLayout {
            sequence: sequence.into(),
            at_ms: at_ms.into(),
            carrier: carrier.into(),
            status: status.into(),
            detail_len: size_field(detail.len()),
            part,
            event,
            attempt,
            reserved: 0,
        };
        put(fixed.as_bytes());
        put(detail);
    }

    fn encode_accepted(&self, put: &mut impl FnMut(&[u8])) {
        let Self::Accepted {
            sequence,
            partition,
            customer,
            to,
            sender,
            body,
            webhook_url,
            client_reference,
            encoding,
            parts,
            reference,
            accepted_ms,
            valid_until_ms,
            id,
            asked,
        } = *self
        else {
            return;
        };
        let fixed = AcceptedLayout {
            sequence: sequence.into(),
            id: id.into(),
            to: to.into(),
            accepted_ms: accepted_ms.into(),
            valid_until_ms: valid_until_ms.into(),
            customer: customer.into(),
            sender_len: size_field(sender.len()),
            body_len: size_field(body.len()),
            webhook_url_len: size_field(webhook_url.len()),
            client_reference_len: size_field(client_reference.len()),
            partition: partition.into(),
            encoding,
            parts,
            reference: reference.into(),
            reserved: U16::ZERO,
        };
        put(fixed.as_bytes());
        put(asked_layout(&asked).as_bytes());
        for tail in [sender, body, webhook_url, client_reference, asked.udh, asked.service_type] {
            put(tail);
        }
    }

    fn encode_orphan(&self, put: &mut impl FnMut(&[u8])) {
        let Self::Orphan { orphan, carrier, at_ms, source, dest, carrier_message_id, state, error } =
            *self
        else {
            return;
        };
        let fixed = OrphanLayout {
            orphan: orphan.into(),
            at_ms: at_ms.into(),
            carrier: carrier.into(),
            source_len: size_field(source.len()),
            dest_len: size_field(dest.len()),
            carrier_message_id_len: size_field(carrier_message_id.len()),
            error_len: size_field(error.len()),
            state,
            reserved: [0; 3],
        };
        put(fixed.as_bytes());
        for tail in [source, dest, carrier_message_id, error] {
            put(tail);
        }
    }

    fn encode_replaced(&self, put: &mut impl FnMut(&[u8])) {
        let Self::Replaced {
            sequence,
            at_ms,
            encoding,
            parts,
            reference,
            due_ms,
            valid_until_ms,
            registered_delivery,
            options,
            body,
        } = *self
        else {
            return;
        };
        let fixed = ReplacedLayout {
            sequence: sequence.into(),
            at_ms: at_ms.into(),
            due_ms: due_ms.into(),
            valid_until_ms: valid_until_ms.into(),
            body_len: size_field(body.len()),
            reference: reference.into(),
            encoding,
            parts,
            registered_delivery,
            options,
            reserved: U16::ZERO,
        };
        put(fixed.as_bytes());
        put(body);
    }

    fn encode_customer_receipt(&self, put: &mut impl FnMut(&[u8])) {
        let Self::CustomerReceipt { sequence, receipt, attempt, at_ms, next_ms, outcome, status } =
            *self
        else {
            return;
        };
        let fixed = CustomerReceiptLayout {
            sequence: sequence.into(),
            at_ms: at_ms.into(),
            next_ms: next_ms.into(),
            status: status.into(),
            receipt: receipt.into(),
            attempt: attempt.into(),
            outcome,
            reserved: [0; 7],
        };
        put(fixed.as_bytes());
    }
}

fn asked_layout(asked: &Asked<'_>) -> AskedLayout {
    AskedLayout {
        due_ms: asked.due_ms.into(),
        group: asked.group.into(),
        udh_len: size_field(asked.udh.len()),
        origin: asked.origin,
        options: asked.options,
        registered_delivery: asked.registered_delivery,
        protocol_id: asked.protocol_id,
        priority: asked.priority,
        data_coding: asked.data_coding,
        source_ton_npi: asked.source_ton_npi,
        dest_ton_npi: asked.dest_ton_npi,
        service_type_len: u16::try_from(asked.service_type.len()).unwrap_or(u16::MAX).into(),
    }
}

fn encode_inbound(record: &InboundRecord<'_>, put: &mut impl FnMut(&[u8])) {
    let fixed = InboundLayout {
        inbound: record.inbound.into(),
        at_ms: record.at_ms.into(),
        carrier: record.carrier.into(),
        customer: record.customer.into(),
        source_len: size_field(record.source.len()),
        dest_len: size_field(record.dest.len()),
        udh_len: size_field(record.udh.len()),
        body_len: size_field(record.body.len()),
        source_ton_npi: record.source_ton_npi,
        dest_ton_npi: record.dest_ton_npi,
        reference: record.reference.into(),
        data_coding: record.data_coding,
        esm_class: record.esm_class,
        protocol_id: record.protocol_id,
        width: record.width,
        total: record.total,
        number: record.number,
        reserved: U32::ZERO,
    };
    put(fixed.as_bytes());
    for tail in [record.source, record.dest, record.udh, record.body] {
        put(tail);
    }
}
