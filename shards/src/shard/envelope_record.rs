//! What a customer submitted, as the log holds it: from an envelope to its record and back. Pure,
//! lives nowhere.

use postrider_core::clock::UnixMs;
use postrider_core::content::{Content, Duplicate, Octets, Origin};
use postrider_core::id::MessageId;
use postrider_core::lane::Lane;
use postrider_core::number::Msisdn;
use postrider_core::place::Partition;
use postrider_core::redact::Private;
use postrider_core::sender::SenderId;
use postrider_core::text::Encoding;
use postrider_storage::{Asked, REDACTED, Record};

use super::message::{Envelope, Replaced, no_sender};

/// Bit of the record's options: never sent twice.
const AVOID_DUPLICATES: u8 = 1;
/// Bit of the record's options: the body is octets.
const OCTETS: u8 = 2;
/// Bit of the record's options: the content is not kept. It lies apart, in the log of contents, and the
/// body is its number there.
const APART: u8 = 4;

/// Where in the record's options the lane stands: its number and one, or 0 when priority_flag and the
/// group tell it, as releases before wrote it.
const LANE_SHIFT: u8 = 3;
const LANE_MASK: u8 = 3;

/// Where a content lies that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Apart {
    /// Its number, little-endian, as records hold it.
    number: [u8; 8],
    octets: bool,
}

impl Apart {
    /// The content with this number, which says this.
    pub(super) fn new(content: u64, says: &Content) -> Self {
        let octets = matches!(says, Content::Octets(_));
        Apart { number: content.to_le_bytes(), octets }
    }

    /// The same, under another number.
    pub(super) fn numbered(self, content: u64) -> Self {
        Apart { number: content.to_le_bytes(), ..self }
    }

    /// As a record tells it.
    fn of(body: &[u8], options: u8) -> Option<Self> {
        if options & APART == 0 {
            return None;
        }
        // What was erased has no number any more.
        let number = body.try_into().ok().filter(|_| options & REDACTED == 0);
        Some(Apart { number: number.unwrap_or_default(), octets: options & OCTETS != 0 })
    }

    /// Its number; 0: unknown.
    pub(super) fn content(self) -> u64 {
        u64::from_le_bytes(self.number)
    }

    /// The content from its octets.
    pub(super) fn read(self, body: &[u8], data_coding: u8, udh: &[u8]) -> Option<Content> {
        content(body, if self.octets { OCTETS } else { 0 }, data_coding, udh)
    }

    /// What the options of a record say of it.
    fn options(self) -> u8 {
        APART | if self.octets { OCTETS } else { 0 }
    }
}

/// A message as the log holds it; `sender` is its sender id as text.
pub(super) fn accepted_record<'a>(
    envelope: &'a Envelope,
    sender: &'a str,
    partition: Partition,
) -> Record<'a> {
    let (body, udh) = recorded(envelope);
    Record::Accepted {
        sequence: envelope.sequence,
        partition: partition.get(),
        customer: envelope.customer,
        to: envelope.to.as_u64(),
        sender: sender.as_bytes(),
        body,
        webhook_url: envelope.webhook_url.as_deref().unwrap_or_default().as_bytes(),
        client_reference: envelope.client_reference.as_deref().unwrap_or_default().as_bytes(),
        encoding: envelope.encoding.as_u8(),
        parts: envelope.part_count,
        reference: envelope.reference,
        accepted_ms: envelope.accepted.0,
        valid_until_ms: envelope.valid_until.0,
        id: envelope.id.as_u128(),
        asked: Asked {
            due_ms: envelope.due.map_or(0, |due| due.0),
            group: envelope.group.map_or(0, MessageId::as_u128),
            origin: envelope.origin as u8,
            options: options(envelope),
            registered_delivery: envelope.registered_delivery,
            protocol_id: envelope.protocol_id,
            priority: envelope.priority,
            data_coding: envelope.data_coding,
            udh,
            service_type: &envelope.service_type,
            source_ton_npi: envelope.source_ton_npi,
            dest_ton_npi: envelope.dest_ton_npi,
        },
    }
}

/// A message that was replaced, as the log holds it: what can have changed.
pub(super) fn replaced_record(envelope: &Envelope, now: UnixMs) -> Record<'_> {
    Record::Replaced {
        sequence: envelope.sequence,
        at_ms: now.0,
        encoding: envelope.encoding.as_u8(),
        parts: envelope.part_count,
        reference: envelope.reference,
        due_ms: envelope.due.map_or(0, |due| due.0),
        valid_until_ms: envelope.valid_until.0,
        registered_delivery: envelope.registered_delivery,
        options: options(envelope),
        body: recorded(envelope).0,
    }
}

/// What a record of kind replaced says of the message with this envelope; `None` for another kind
/// or values that no release writes.
pub(super) fn replaced(envelope: &Envelope, record: &Record<'_>) -> Option<Replaced> {
    let Record::Replaced {
        sequence: _,
        at_ms: _,
        encoding,
        parts,
        reference: _,
        due_ms,
        valid_until_ms,
        registered_delivery,
        options,
        body,
    } = record
    else {
        return None;
    };
    // A part with a header of its own is never replaced.
    let content = content(body, *options, envelope.data_coding, body_of(&envelope.content).1)?;
    Some(Replaced {
        content,
        apart: Apart::of(body, *options),
        encoding: Encoding::from_u8(*encoding)?,
        parts: *parts,
        due: (*due_ms != 0).then_some(UnixMs(*due_ms)),
        valid_until: UnixMs(*valid_until_ms),
        registered_delivery: *registered_delivery,
    })
}

fn options(envelope: &Envelope) -> u8 {
    let mut options = (envelope.lane as u8 + 1) << LANE_SHIFT;
    if envelope.redacted {
        options |= REDACTED;
    }
    if envelope.duplicate == Duplicate::Avoid {
        options |= AVOID_DUPLICATES;
    }
    options
        | match (envelope.apart, &envelope.content) {
            (Some(apart), _) => apart.options(),
            (None, Content::Octets(_)) => OCTETS,
            (None, Content::Text(_) | Content::Discarded) => 0,
        }
}

/// The lane that a record of kind accepted tells.
fn lane_of(asked: &Asked<'_>) -> Lane {
    let written = (asked.options >> LANE_SHIFT & LANE_MASK).checked_sub(1);
    let lane = written.and_then(|number| Lane::at(number.into()));
    lane.unwrap_or_else(|| Lane::of_priority(asked.priority, asked.group != 0))
}

/// The body and the user data header that a record of it has.
fn recorded(envelope: &Envelope) -> (&[u8], &[u8]) {
    match &envelope.apart {
        Some(apart) => (&apart.number, &[]),
        None => body_of(&envelope.content),
    }
}

/// What a content says, and its user data header.
pub(super) fn body_of(content: &Content) -> (&[u8], &[u8]) {
    match content {
        Content::Text(text) => (text.expose().as_bytes(), &[]),
        Content::Octets(octets) => (octets.data.expose(), &octets.udh),
        Content::Discarded => (&[], &[]),
    }
}

/// Whether the record says that what was personal in it is gone.
pub(super) fn is_redacted(record: &Record<'_>) -> bool {
    let (Record::Accepted { asked: Asked { options, .. }, .. } | Record::Replaced { options, .. }) =
        record
    else {
        return false;
    };
    options & REDACTED != 0
}

/// The content of a record's body; of one that lies apart nothing is known from that.
fn content(body: &[u8], options: u8, data_coding: u8, udh: &[u8]) -> Option<Content> {
    if options & APART != 0 {
        return Some(Content::Discarded);
    }
    if options & OCTETS == 0 {
        return Some(Content::of_text(std::str::from_utf8(body).ok()?));
    }
    let data = Private::new(body.into());
    Some(Content::Octets(Octets { data_coding, udh: udh.into(), data }))
}

/// What a record of kind accepted says; `None` for another kind or values that no release writes.
pub(super) fn envelope(record: &Record<'_>) -> Option<Envelope> {
    let Record::Accepted {
        sequence,
        partition: _,
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
    } = record
    else {
        return None;
    };
    let avoid = asked.options & AVOID_DUPLICATES != 0;
    let redacted = is_redacted(record);
    Some(Envelope {
        redacted,
        id: MessageId::from_u128(*id),
        sequence: *sequence,
        customer: *customer,
        to: if redacted { Msisdn::ERASED } else { Msisdn::from_u64(*to)? },
        sender: if redacted {
            no_sender()
        } else {
            SenderId::parse(std::str::from_utf8(sender).ok()?).ok()?
        },
        content: if redacted && asked.options & APART == 0 {
            Content::of_text("")
        } else {
            content(body, asked.options, asked.data_coding, asked.udh)?
        },
        apart: Apart::of(body, asked.options),
        webhook_url: text(webhook_url).filter(|url| !redacted || url.starts_with("http")),
        client_reference: text(client_reference).filter(|_| !redacted),
        encoding: Encoding::from_u8(*encoding)?,
        reference: *reference,
        part_count: *parts,
        accepted: UnixMs(*accepted_ms),
        valid_until: UnixMs(*valid_until_ms),
        due: (asked.due_ms != 0).then_some(UnixMs(asked.due_ms)),
        origin: Origin::from_u8(asked.origin)?,
        duplicate: if avoid { Duplicate::Avoid } else { Duplicate::Allow },
        registered_delivery: asked.registered_delivery,
        protocol_id: asked.protocol_id,
        lane: lane_of(asked),
        priority: asked.priority,
        data_coding: asked.data_coding,
        source_ton_npi: asked.source_ton_npi,
        dest_ton_npi: asked.dest_ton_npi,
        service_type: if redacted { Box::default() } else { asked.service_type.into() },
        group: (asked.group != 0).then(|| MessageId::from_u128(asked.group)),
    })
}

fn text(octets: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(octets).ok()?;
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn sample(content: Content) -> Envelope {
        Envelope {
            id: MessageId::from_u128(77),
            sequence: 5,
            customer: 3,
            to: Msisdn::from_u64(447_700_900_123).unwrap(),
            sender: SenderId::parse("Acme").unwrap(),
            content,
            apart: None,
            webhook_url: None,
            client_reference: Some("4711".into()),
            encoding: Encoding::Ucs2,
            reference: 260,
            part_count: 2,
            accepted: UnixMs(1_000),
            valid_until: UnixMs(9_000),
            due: Some(UnixMs(2_000)),
            origin: Origin::Smpp,
            duplicate: Duplicate::Avoid,
            registered_delivery: 0x11,
            protocol_id: 0x41,
            lane: Lane::Bulk,
            priority: 2,
            data_coding: 0xF5,
            source_ton_npi: [5, 0],
            dest_ton_npi: [1, 1],
            service_type: (*b"CMT").into(),
            group: Some(MessageId::from_u128(78)),
            redacted: false,
        }
    }

    fn read_back(envelope: &Envelope) -> Envelope {
        let mut log = Vec::new();
        let (sender, partition) = (envelope.sender.as_text(), Partition::new(9).unwrap());
        accepted_record(envelope, &sender, partition).encode(&mut log);
        let frame = postrider_storage::Frames::new(&log).next().unwrap().unwrap();
        let record = Record::decode(frame.kind, frame.version, frame.body).unwrap().unwrap();
        super::envelope(&record).unwrap()
    }

    #[test]
    fn every_field_survives_the_log() {
        let octets = Octets {
            data_coding: 0xF5,
            udh: Box::new([5, 0, 3, 7, 2, 1]),
            data: Private::new(Box::new([0, 0xFF, 0x1B])),
        };
        for content in [Content::of_text("h\u{e9}llo"), Content::Octets(octets)] {
            let written = sample(content);
            assert_eq!(read_back(&written), written);
            let plain = Envelope {
                client_reference: None,
                service_type: Box::default(),
                due: None,
                group: None,
                duplicate: Duplicate::Allow,
                origin: Origin::Http,
                ..written
            };
            assert_eq!(read_back(&plain), plain);
            let mut gone = plain.clone();
            assert_eq!(gone.redact(), 447_700_900_123);
            assert_eq!(read_back(&gone), gone);
            assert_eq!((gone.to, gone.redact()), (Msisdn::ERASED, 0));
            let apart = Some(Apart::new(0x0102_0304, &plain.content));
            let discarded = Envelope { apart, ..plain.clone() };
            let expected = Envelope { content: Content::Discarded, ..discarded.clone() };
            assert_eq!(read_back(&discarded), expected, "the record says where it lies");
            assert_eq!(apart.map(Apart::content), Some(0x0102_0304));
            let only_service = Envelope { service_type: (*b"WAP").into(), ..plain };
            assert_eq!(read_back(&only_service), only_service);
        }
    }
    #[test]
    fn what_earlier_releases_wrote_tells_the_lane_by_priority_and_group() {
        let asked =
            |options, priority, group| Asked { options, priority, group, ..Asked::default() };
        assert_eq!(lane_of(&asked(OCTETS | AVOID_DUPLICATES, 0, 0)), Lane::Transactional);
        assert_eq!(lane_of(&asked(APART, 3, 0)), Lane::Otp);
        assert_eq!(lane_of(&asked(0, 0, 7)), Lane::Bulk);
        for lane in Lane::ALL {
            let envelope = Envelope { lane, ..sample(Content::of_text("a")) };
            assert_eq!(lane_of(&asked(options(&envelope), 3, 7)), lane);
            assert_eq!(read_back(&envelope).lane, lane);
        }
    }
}
