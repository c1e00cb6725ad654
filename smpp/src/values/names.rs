//! Names of numbers: tables, and the two that every address has. Pure data, lives nowhere.

/// The names that a specification gives to some values of a field; each name and each value once.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Names(pub &'static [(u32, &'static str)]);

impl Names {
    /// The name of `value`, if it has one.
    pub fn name(&self, value: u32) -> Option<&'static str> {
        self.0.iter().find(|row| row.0 == value).map(|row| row.1)
    }

    /// The value that `name` stands for.
    pub fn value(&self, name: &str) -> Option<u32> {
        self.0.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

/// Makes a type of one octet with a constant for each named value.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($konst:ident = $value:literal, $name:literal;)* }) => {
        $(#[$doc])*
        #[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
        pub struct $type(pub u8);

        impl $type {
            $(
                #[doc = concat!("`", $name, "`, ", stringify!($value), ".")]
                pub const $konst: $type = $type($value);
            )*

            /// Every named value.
            pub const NAMES: Names = Names(&[$(($value, $name)),*]);

            /// The name, if the specifications give one.
            pub fn name(self) -> Option<&'static str> {
                Self::NAMES.name(u32::from(self.0))
            }
        }
    };
}

named! {
    /// Type of number (3.4 section 5.2.5, 5.0 section 4.7.1).
    Ton {
        UNKNOWN = 0, "unknown";
        INTERNATIONAL = 1, "international";
        NATIONAL = 2, "national";
        NETWORK_SPECIFIC = 3, "network_specific";
        SUBSCRIBER = 4, "subscriber";
        ALPHANUMERIC = 5, "alphanumeric";
        ABBREVIATED = 6, "abbreviated";
    }
}

named! {
    /// Numbering plan (3.4 section 5.2.6, 5.0 section 4.7.2).
    Npi {
        UNKNOWN = 0, "unknown";
        E164 = 1, "e164";
        X121 = 3, "x121";
        TELEX = 4, "telex";
        E212 = 6, "e212";
        NATIONAL = 8, "national";
        PRIVATE = 9, "private";
        ERMES = 10, "ermes";
        INTERNET = 14, "internet";
        WAP = 18, "wap";
    }
}

named! {
    /// State of a message (3.4 section 5.2.28, 5.0 section 4.7.15). As a reading of it see
    /// [`ReceiptState`](crate::receipt::ReceiptState).
    MessageState {
        SCHEDULED = 0, "SCHEDULED";
        ENROUTE = 1, "ENROUTE";
        DELIVERED = 2, "DELIVERED";
        EXPIRED = 3, "EXPIRED";
        DELETED = 4, "DELETED";
        UNDELIVERABLE = 5, "UNDELIVERABLE";
        ACCEPTED = 6, "ACCEPTED";
        UNKNOWN = 7, "UNKNOWN";
        REJECTED = 8, "REJECTED";
        SKIPPED = 9, "SKIPPED";
    }
}

impl MessageState {
    /// True when the specification calls the state final: ACCEPTED is by its letter, though in the wild
    /// DELIVERED follows it.
    pub const fn is_final(self) -> bool {
        matches!(self.0, 2..=6 | 8 | 9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::ReceiptState;

    #[test]
    fn a_state_is_called_and_judged_the_same_wherever_it_is_read() {
        for state in 0..=u8::MAX {
            let read = ReceiptState::from_message_state(state);
            assert_eq!(read.map(ReceiptState::name), MessageState(state).name());
            if let Some(read) = read.filter(|_| MessageState(state) != MessageState::ACCEPTED) {
                assert_eq!(read.is_final(), MessageState(state).is_final(), "{read:?}");
            }
        }
        assert!(MessageState::ACCEPTED.is_final() && !ReceiptState::Accepted.is_final());
    }

    #[test]
    fn names_and_values_are_found_both_ways() {
        for names in [Ton::NAMES, Npi::NAMES, MessageState::NAMES] {
            for (value, name) in names.0 {
                assert_eq!((names.value(name), names.name(*value)), (Some(*value), Some(*name)));
            }
        }
        assert_eq!((Ton::ALPHANUMERIC.0, Npi(18).name()), (5, Some("wap")));
        assert_eq!((Npi(2).name(), Ton(7).name()), (None, None));
    }
}
