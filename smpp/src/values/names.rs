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
