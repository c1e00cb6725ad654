//! The kinds of records. Pure, lives nowhere.

/// Kinds of records, by their number on the disk. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// [`crate::Record::Accepted`]
    Accepted = 1,
    /// [`crate::Record::Part`]
    Part = 2,
    /// [`crate::Record::Webhook`]
    Webhook = 3,
    /// [`crate::Record::Orphan`]
    Orphan = 4,
    /// [`crate::Record::OrphanClosed`]
    OrphanClosed = 5,
    /// [`crate::Record::Carried`]
    Carried = 6,
    /// [`crate::Record::Mark`]
    Mark = 7,
    /// [`crate::Record::Replaced`]
    Replaced = 8,
    /// [`crate::Record::CustomerReceipt`]
    CustomerReceipt = 9,
    /// [`crate::Record::Inbound`]
    Inbound = 10,
    /// [`crate::Record::InboundClosed`]
    InboundClosed = 11,
    /// [`crate::Record::Closed`]
    Closed = 12,
    /// [`crate::Record::Erased`]
    Erased = 13,
    /// [`crate::Record::Epoch`]
    Epoch = 14,
    /// [`crate::Record::Redacted`]
    Redacted = 16,
    /// [`crate::Record::OptOut`]
    OptOut = 17,
    /// [`crate::Record::Moving`]
    Moving = 18,
    /// [`crate::Record::Content`]
    Content = 15,
    /// [`crate::Record::ContentOwner`]
    ContentOwner = 19,
}

impl RecordKind {
    /// Its name, for people and for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Part => "part",
            Self::Webhook => "webhook",
            Self::Orphan => "orphan",
            Self::OrphanClosed => "orphan_closed",
            Self::Carried => "carried",
            Self::Mark => "mark",
            Self::Replaced => "replaced",
            Self::CustomerReceipt => "customer_receipt",
            Self::Inbound => "inbound",
            Self::InboundClosed => "inbound_closed",
            Self::Closed => "closed",
            Self::Erased => "erased",
            Self::Epoch => "epoch",
            Self::Redacted => "redacted",
            Self::OptOut => "opt_out",
            Self::Moving => "moving",
            Self::Content => "content",
            Self::ContentOwner => "content_owner",
        }
    }

    /// The kind of this number.
    #[must_use]
    pub fn from_number(kind: u8) -> Option<Self> {
        Some(match kind {
            1 => Self::Accepted,
            2 => Self::Part,
            3 => Self::Webhook,
            4 => Self::Orphan,
            5 => Self::OrphanClosed,
            6 => Self::Carried,
            7 => Self::Mark,
            8 => Self::Replaced,
            9 => Self::CustomerReceipt,
            10 => Self::Inbound,
            11 => Self::InboundClosed,
            12 => Self::Closed,
            13 => Self::Erased,
            14 => Self::Epoch,
            16 => Self::Redacted,
            17 => Self::OptOut,
            18 => Self::Moving,
            15 => Self::Content,
            19 => Self::ContentOwner,
            _ => return None,
        })
    }

    /// The version that this release writes. Every older one is read.
    #[must_use]
    pub fn version(self) -> u8 {
        match self {
            Self::Accepted | Self::Carried => 2,
            Self::Part
            | Self::Webhook
            | Self::Orphan
            | Self::OrphanClosed
            | Self::Mark
            | Self::Replaced
            | Self::CustomerReceipt
            | Self::Inbound
            | Self::InboundClosed
            | Self::Closed
            | Self::Erased
            | Self::Epoch
            | Self::Redacted
            | Self::OptOut
            | Self::Moving
            | Self::Content
            | Self::ContentOwner => 1,
        }
    }
}
