//! The fixed part of every record, as it lies on the disk. Pure, lives nowhere.

use zerocopy::little_endian::{U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct FrameLayout {
    pub(super) kind: u8,
    pub(super) version: u8,
    pub(super) check: U16,
    pub(super) length: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct AcceptedLayout {
    pub(super) sequence: U64,
    pub(super) id: U128,
    pub(super) to: U64,
    pub(super) accepted_ms: U64,
    pub(super) valid_until_ms: U64,
    pub(super) customer: U32,
    pub(super) sender_len: U32,
    pub(super) body_len: U32,
    pub(super) webhook_url_len: U32,
    pub(super) client_reference_len: U32,
    pub(super) partition: U16,
    pub(super) encoding: u8,
    pub(super) parts: u8,
    pub(super) reference: U16,
    pub(super) reserved: U16,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct PartLayout {
    pub(super) sequence: U64,
    pub(super) at_ms: U64,
    pub(super) carrier: U32,
    pub(super) status: U32,
    pub(super) detail_len: U32,
    pub(super) part: u8,
    pub(super) event: u8,
    pub(super) attempt: u8,
    pub(super) reserved: u8,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct WebhookLayout {
    pub(super) sequence: U64,
    pub(super) at_ms: U64,
    pub(super) next_ms: U64,
    pub(super) attempt: U16,
    pub(super) status: U16,
    pub(super) outcome: u8,
    pub(super) reserved: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct OrphanLayout {
    pub(super) orphan: U64,
    pub(super) at_ms: U64,
    pub(super) carrier: U32,
    pub(super) source_len: U32,
    pub(super) dest_len: U32,
    pub(super) carrier_message_id_len: U32,
    pub(super) error_len: U32,
    pub(super) state: u8,
    pub(super) reserved: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct OrphanClosedLayout {
    pub(super) orphan: U64,
    pub(super) at_ms: U64,
    pub(super) outcome: u8,
    pub(super) reserved: [u8; 7],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct CarriedLayout {
    pub(super) sequence: U64,
    pub(super) state_len: U32,
    pub(super) reserved: U32,
}

/// What version 2 of a carried record has between version 1's fixed part and the state.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct CarriedOriginLayout {
    pub(super) from: U64,
    pub(super) reason: u8,
    pub(super) reserved: [u8; 7],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ClosedLayout {
    pub(super) sequence: U64,
    pub(super) at_ms: U64,
    pub(super) records_len: U32,
    pub(super) status: u8,
    pub(super) reserved: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ErasedLayout {
    pub(super) at_ms: U64,
    pub(super) until_ms: U64,
    pub(super) hash: U128,
    pub(super) customer: U32,
    pub(super) scope: u8,
    pub(super) reserved: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct EpochLayout {
    pub(super) at_ms: U64,
    pub(super) epoch: U32,
    pub(super) shards: U16,
    pub(super) reserved: U16,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct RedactedLayout {
    pub(super) sequence: U64,
    pub(super) at_ms: U64,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct OptOutLayout {
    pub(super) hash: U128,
    pub(super) at_ms: U64,
    pub(super) customer: U32,
    pub(super) on: u8,
    pub(super) reserved: [u8; 3],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct MovingLayout {
    pub(super) at_ms: U64,
    pub(super) epoch: U32,
    pub(super) reserved: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct MarkLayout {
    pub(super) at_ms: U64,
    pub(super) next_sequence: U64,
    pub(super) clean: u8,
    pub(super) reserved: [u8; 7],
}

/// What version 2 of an accepted record has between version 1's fixed part and its strings.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct AskedLayout {
    pub(super) due_ms: U64,
    pub(super) group: U128,
    pub(super) udh_len: U32,
    pub(super) origin: u8,
    pub(super) options: u8,
    pub(super) registered_delivery: u8,
    pub(super) protocol_id: u8,
    pub(super) priority: u8,
    pub(super) data_coding: u8,
    pub(super) source_ton_npi: [u8; 2],
    pub(super) dest_ton_npi: [u8; 2],
    pub(super) service_type_len: U16,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ReplacedLayout {
    pub(super) sequence: U64,
    pub(super) at_ms: U64,
    pub(super) due_ms: U64,
    pub(super) valid_until_ms: U64,
    pub(super) body_len: U32,
    pub(super) reference: U16,
    pub(super) encoding: u8,
    pub(super) parts: u8,
    pub(super) registered_delivery: u8,
    pub(super) options: u8,
    pub(super) reserved: U16,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct CustomerReceiptLayout {
    pub(super) sequence: U64,
    pub(super) at_ms: U64,
    pub(super) next_ms: U64,
    pub(super) status: U32,
    pub(super) receipt: U16,
    pub(super) attempt: U16,
    pub(super) outcome: u8,
    pub(super) reserved: [u8; 7],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct InboundLayout {
    pub(super) inbound: U64,
    pub(super) at_ms: U64,
    pub(super) carrier: U32,
    pub(super) customer: U32,
    pub(super) source_len: U32,
    pub(super) dest_len: U32,
    pub(super) udh_len: U32,
    pub(super) body_len: U32,
    pub(super) source_ton_npi: [u8; 2],
    pub(super) dest_ton_npi: [u8; 2],
    pub(super) reference: U16,
    pub(super) data_coding: u8,
    pub(super) esm_class: u8,
    pub(super) protocol_id: u8,
    pub(super) width: u8,
    pub(super) total: u8,
    pub(super) number: u8,
    pub(super) reserved: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct InboundClosedLayout {
    pub(super) inbound: U64,
    pub(super) at_ms: U64,
    pub(super) outcome: u8,
    pub(super) reserved: [u8; 7],
}

const _: () = assert!(size_of::<FrameLayout>() == 8 && size_of::<AcceptedLayout>() == 76);
const _: () = assert!(size_of::<PartLayout>() == 32 && size_of::<WebhookLayout>() == 32);
const _: () = assert!(size_of::<OrphanLayout>() == 40 && size_of::<OrphanClosedLayout>() == 24);
const _: () = assert!(size_of::<CarriedLayout>() == 16 && size_of::<MarkLayout>() == 24);
const _: () = assert!(size_of::<CarriedOriginLayout>() == 16 && size_of::<ClosedLayout>() == 24);
const _: () = assert!(size_of::<RedactedLayout>() == 16 && size_of::<OptOutLayout>() == 32);
const _: () = assert!(
    size_of::<ErasedLayout>() == 40
        && size_of::<EpochLayout>() == 16
        && size_of::<MovingLayout>() == 16
);
const _: () = assert!(size_of::<AskedLayout>() == 40 && size_of::<ReplacedLayout>() == 44);
const _: () = assert!(size_of::<CustomerReceiptLayout>() == 40);
const _: () = assert!(size_of::<InboundLayout>() == 56 && size_of::<InboundClosedLayout>() == 24);

/// A length as a field. Lengths are bounded by [`super::RECORD_BYTES_MAX`] before they come here.
pub(super) fn size_field(len: usize) -> U32 {
    U32::new(u32::try_from(len).unwrap_or(u32::MAX))
}
