//! A message as a customer's edge hands it to its owner: checked, not yet accepted. Pure; made on the
//! shard that the customer is connected to, lives until the owner has answered.

use core::fmt;
use core::time::Duration;

use crate::clock::UnixMs;
use crate::content::{Content, Duplicate, Origin, Retention};
use crate::id::MessageId;
use crate::lane::Lane;
use crate::number::Msisdn;
use crate::sender::SenderId;
use crate::text::Encoding;

/// A message to accept. Its `Debug` shows no number, text, reference or URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Submission {
    /// Who it comes from.
    pub from: SenderId,
    /// Who it goes to.
    pub to: Msisdn,
    /// What it says, unchanged.
    pub content: Content,
    /// The alphabet that the content needs, or has.
    pub encoding: Encoding,
    /// Parts that the content needs, with the 8-bit reference that every carrier takes.
    pub parts: u8,
    /// How it came in.
    pub origin: Origin,
    /// Where events go, as written and allowed.
    pub webhook_url: Option<String>,
    /// The customer's own reference; 1 to `MAX_CLIENT_REFERENCE` characters.
    pub client_reference: Option<String>,
    /// Not to be sent before; `None` means at once.
    pub due: Option<UnixMs>,
    /// How long it may wait to be delivered, counted from `due` or from its acceptance; `None`
    /// means the default.
    pub validity: Option<Duration>,
    /// Whether it may be sent twice when nobody knows whether it was sent.
    pub duplicate: Duplicate,
    /// What it asks for itself; its customer's is the account's.
    pub retention: Retention,
    /// The receipts that the customer wants [3.4 section 5.2.17]; of HTTP 0.
    pub registered_delivery: u8,
    /// data_coding of the text as the customer gave it [3.4 section 5.2.19].
    pub data_coding: u8,
    /// protocol_id [3.4 section 5.2.13].
    pub protocol_id: u8,
    /// How urgent it is.
    pub lane: Lane,
    /// priority_flag for the carrier, 0 to 3 [3.4 section 5.2.14]; of HTTP 0.
    pub priority: u8,
    /// Type of number and numbering plan of the sender, as given [3.4 section 5.2.5].
    pub source_ton_npi: [u8; 2],
    /// Type of number and numbering plan of the recipient, as given.
    pub dest_ton_npi: [u8; 2],
    /// service_type, at most 5 octets [3.4 section 5.2.11].
    pub service_type: Box<[u8]>,
    /// Whether it takes the place of the newest message of the same sender, recipient and
    /// service_type of which nothing was sent yet.
    pub replaces: bool,
    /// Which submit_multi it belongs to.
    pub group: Group,
}

/// Whether a message stands alone or belongs to one submit_multi, all messages of which have one id
/// towards their customer.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// It stands alone.
    #[default]
    Alone,
    /// It is the first: its own id is the group's.
    Head,
    /// It is another one of the group with this id.
    Member(MessageId),
}

impl Group {
    /// The group's id, for the message with the id `own`.
    #[must_use]
    pub const fn id(self, own: MessageId) -> Option<MessageId> {
        match self {
            Group::Alone => None,
            Group::Head => Some(own),
            Group::Member(id) => Some(id),
        }
    }
}

impl Submission {
    /// A message with nothing asked for beside it.
    #[must_use]
    pub fn new(from: SenderId, to: Msisdn, content: Content, measured: (Encoding, u8)) -> Self {
        let (encoding, parts) = measured;
        Submission {
            from,
            to,
            content,
            encoding,
            parts,
            origin: Origin::Http,
            webhook_url: None,
            client_reference: None,
            due: None,
            validity: None,
            duplicate: Duplicate::Allow,
            retention: Retention::Keep,
            registered_delivery: 0,
            protocol_id: 0,
            lane: Lane::default(),
            priority: 0,
            data_coding: 0,
            source_ton_npi: [0; 2],
            dest_ton_npi: [0; 2],
            service_type: Box::default(),
            replaces: false,
            group: Group::Alone,
        }
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("encoding", &self.encoding)
            .field("parts", &self.parts)
            .field("origin", &self.origin)
            .field("due", &self.due)
            .field("validity", &self.validity)
            .field("webhook", &self.webhook_url.is_some())
            .finish_non_exhaustive()
    }
}
