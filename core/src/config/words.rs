//! The words that the configuration and the commands have for choices; the check reads them, the
//! plan prints them. Pure, lives nowhere.

use super::checked::{BindType, Driver, LogFormat, OnUnknownOutcome, RateKind};
use super::profile::{Concatenation, Learn, StatusReaction, ValidityForm};
use super::smpp::LongInbound;
use crate::carrier_id::IdBase;
use crate::content::Retention;
use crate::lane::Lane;
use crate::route::RequireLookup;
use crate::text::{DefaultAlphabet, NationalLanguage};

/// A choice that is written as a word.
pub trait Word: Copy + PartialEq + 'static {
    /// Stands in for a word that is not known while the other problems are looked for.
    const FIRST: (&'static str, Self);
    /// The other ones.
    const OTHERS: &'static [(&'static str, Self)];

    /// All of them, the first one first.
    fn all() -> impl Iterator<Item = (&'static str, Self)> + Clone {
        core::iter::once(Self::FIRST).chain(Self::OTHERS.iter().copied())
    }

    /// The choice that a word stands for.
    fn find(word: &str) -> Option<Self> {
        Self::all().find(|(own, _)| *own == word).map(|(_, choice)| choice)
    }

    /// The word for a choice.
    fn word(self) -> &'static str {
        Self::all().find(|(_, own)| *own == self).map_or(Self::FIRST.0, |(word, _)| word)
    }
}

macro_rules! words {
    ($($choice:ident { $first:literal = $first_value:ident $(, $word:literal = $value:ident)* })*) => {$(
        impl Word for $choice {
            const FIRST: (&'static str, Self) = ($first, $choice::$first_value);
            const OTHERS: &'static [(&'static str, Self)] = &[$(($word, $choice::$value)),*];
        }
    )*};
}

words! {
    Driver { "auto" = Auto, "uring" = Uring, "poll" = Poll }
    LogFormat { "text" = Text, "json" = Json }
    BindType {
        "transceiver" = Transceiver,
        "transmitter" = Transmitter,
        "receiver" = Receiver,
        "pair" = Pair
    }
    OnUnknownOutcome {
        "resubmit" = Resubmit,
        "hold_for_receipt" = HoldForReceipt,
        "fail" = Fail
    }
    RateKind { "agreed" = Agreed, "discover" = Discover }
    Lane { "otp" = Otp, "transactional" = Transactional, "bulk" = Bulk }
    Retention { "keep" = Keep, "discard" = Discard }
    Concatenation { "udh8" = Udh8, "udh16" = Udh16, "sar" = Sar, "payload" = Payload }
    ValidityForm { "relative" = Relative, "absolute" = Absolute, "none" = None }
    Learn { "propose" = Propose, "off" = Off, "apply" = Apply }
    IdBase { "as_is" = AsIs, "hex" = Hex, "decimal" = Decimal }
    DefaultAlphabet { "gsm" = Gsm, "ascii" = Ascii, "latin1" = Latin1 }
    StatusReaction {
        "throttled" = Throttled,
        "queue_full" = QueueFull,
        "temporary" = Temporary,
        "other_carrier" = OtherCarrier,
        "reject" = Reject
    }
    RequireLookup { "no" = No, "tables" = Tables, "live" = Live }
    LongInbound { "parts" = Parts, "payload" = Payload }
    NationalLanguage {
        "turkish" = Turkish,
        "spanish" = Spanish,
        "portuguese" = Portuguese,
        "bengali" = Bengali,
        "gujarati" = Gujarati,
        "hindi" = Hindi,
        "kannada" = Kannada,
        "malayalam" = Malayalam,
        "oriya" = Oriya,
        "punjabi" = Punjabi,
        "tamil" = Tamil,
        "telugu" = Telugu,
        "urdu" = Urdu
    }
}
