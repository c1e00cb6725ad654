//! The messages that every engine stores: one text of 160 characters each, with the fields, carrier ids and
//! times of a usual message. Pure, lives nowhere.

use postrider_storage::{Asked, Record};

/// The text.
pub const TEXT: &str = "Your parcel 7741-0392 arrives today between 14:00 and 16:00. To choose another day or a \
shop nearby, answer with DAY or SHOP within one hour. Thank you. Acme Co";
/// The sender.
pub const SENDER: &str = "Postrider";
/// Where events are posted.
pub const WEBHOOK: &str = "https://hooks.example.com/customers/1047/sms/ev";
/// The customer's own reference.
pub const REFERENCE: &str = "order-1047-0000-part-001";
/// When the first message was accepted, Unix milliseconds.
pub const FIRST_MS: u64 = 1_790_000_000_000;
/// How long a message is valid, milliseconds.
pub const VALIDITY_MS: u64 = 172_800_000;

const _: () = assert!(TEXT.len() == 160);

/// The durable numbers of what happened, as good as any: the log does not read them.
pub const SUBMITTED: u8 = 2;
/// See [`SUBMITTED`].
pub const DELIVERED: u8 = 5;

/// The public id of a message: as random as a real one.
pub fn id(sequence: u64) -> u128 {
    let mixed = sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (sequence << 32);
    u128::from(mixed) << 64 | u128::from(mixed.rotate_left(29))
}

/// The recipient of a message.
pub fn recipient(sequence: u64) -> u64 {
    447_700_000_000 + sequence % 1_000_000
}

/// The id that the carrier gave it.
pub fn carrier_id(sequence: u64) -> String {
    format!("{sequence:012x}")
}

/// When a message was accepted.
pub fn accepted_ms(sequence: u64) -> u64 {
    FIRST_MS + sequence / 20
}

/// The record of its acceptance.
pub fn accepted(sequence: u64) -> Record<'static> {
    Record::Accepted {
        sequence,
        partition: 1_234,
        customer: 1,
        to: recipient(sequence),
        sender: SENDER.as_bytes(),
        body: TEXT.as_bytes(),
        webhook_url: WEBHOOK.as_bytes(),
        client_reference: REFERENCE.as_bytes(),
        encoding: 0,
        parts: 1,
        reference: 7,
        accepted_ms: accepted_ms(sequence),
        valid_until_ms: accepted_ms(sequence) + VALIDITY_MS,
        id: id(sequence),
        asked: Asked::default(),
    }
}

/// The record of what happened to its one part: `event`, with what the carrier said.
pub fn event(sequence: u64, event: u8, detail: &[u8]) -> Record<'_> {
    Record::Part {
        sequence,
        part: 0,
        event,
        carrier: 1,
        status: 0,
        at_ms: accepted_ms(sequence) + 900,
        detail,
        attempt: 1,
    }
}
