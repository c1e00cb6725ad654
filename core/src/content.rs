//! What a message says and what its customer asked for beside it. Pure, lives nowhere.

use core::fmt;

use crate::redact::Private;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, put into the alphabet and the parts that the carrier takes.
    Text(Private<Box<str>>),
    /// One part in the octets that the customer gave.
    Octets(Octets),
    /// It was not to be kept, and is gone.
    Discarded,
}

/// Whether what a message says is kept once nothing needs it any more.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Retention {
    /// As long as the message can be read.
    #[default]
    Keep,
    /// No longer than the message is on its way.
    Discard,
}

impl Retention {
    /// The stricter one of two.
    #[must_use]
    pub fn or(self, other: Retention) -> Retention {
        if self == Retention::Discard { self } else { other }
    }
}

/// One part as a customer's own software made it.
#[derive(Clone, PartialEq, Eq)]
pub struct Octets {
    /// Its data_coding, as given.
    pub data_coding: u8,
    /// The user data header with its length octet; empty without one. SAR TLVs became one.
    pub udh: Box<[u8]>,
    /// What follows the header; at most 255 octets with it.
    pub data: Private<Box<[u8]>>,
}

impl Content {
    /// A text.
    #[must_use]
    pub fn of_text(text: &str) -> Content {
        Content::Text(Private::new(text.into()))
    }

    /// The text; `None` of octets, and of what is gone.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Content::Text(text) => Some(text.expose()),
            Content::Octets(_) | Content::Discarded => None,
        }
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Octets")
            .field("data_coding", &self.data_coding)
            .field("udh", &self.udh.len())
            .finish_non_exhaustive()
    }
}

/// How a message came in. The number is the log's.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// Over HTTP.
    #[default]
    Http = 0,
    /// Over SMPP: receipts go back as deliver_sm.
    Smpp = 1,
}

impl Origin {
    /// The origin of a number in the log.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Origin> {
        match number {
            0 => Some(Origin::Http),
            1 => Some(Origin::Smpp),
            _ => None,
        }
    }
}

/// Whether a handset may get a message twice when the outcome of a submit is unknown.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Duplicate {
    /// As the carrier's `on_unknown_outcome` says.
    #[default]
    Allow = 0,
    /// Never: the part becomes unknown instead of being sent again.
    Avoid = 1,
}
