//! data_coding: what its 256 values say of a short_message's alphabet, class and purpose
//! [3.4 section 5.2.19; 3GPP TS 23.038 section 4]. Pure, lives nowhere.

use core::fmt;

/// A data_coding. Values 0x10 to 0x7F and 0xC0 to 0xFF are those of GSM; between 0x10 and 0xBF the
/// SMPP table reserves them, but centres take them as GSM means them.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum DataCoding {
    /// 0x00: the centre's default alphabet.
    Default,
    /// 0x01: IA5, which is ASCII.
    Ascii,
    /// 0x02: octets, unspecified.
    Binary2,
    /// 0x03: ISO 8859-1.
    Latin1,
    /// 0x04: octets, unspecified.
    Binary4,
    /// 0x05: JIS X 0208.
    Jis,
    /// 0x06: ISO 8859-5.
    Cyrillic,
    /// 0x07: ISO 8859-8.
    Hebrew,
    /// 0x08: UTF-16, big endian.
    Ucs2,
    /// 0x09: pictograms.
    Pictogram,
    /// 0x0A: ISO-2022-JP, music codes.
    MusicCodes,
    /// 0x0D: JIS X 0212.
    ExtendedKanjiJis,
    /// 0x0E: KS C 5601.
    KsC5601,
    /// 0x10 to 0x7F: GSM's general groups.
    General(General),
    /// 0xC0 to 0xEF: GSM's groups of waiting messages.
    Waiting(Waiting),
    /// 0xF0 to 0xFF: GSM's group of classes.
    Classed(Classed),
    /// 0x0B, 0x0C, 0x0F and 0x80 to 0xBF.
    Reserved(u8),
}

/// Where a handset puts a message.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Class 0: shown at once and not stored, "flash".
    Flash = 0,
    /// Class 1: into the handset.
    Handset = 1,
    /// Class 2: into the SIM.
    Sim = 2,
    /// Class 3: to the connected equipment.
    Terminal = 3,
}

/// Two bits of the general groups.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum GeneralAlphabet {
    /// 7-bit text.
    Gsm = 0,
    /// Octets.
    EightBit = 1,
    /// UTF-16, big endian.
    Ucs2 = 2,
    /// Reserved.
    Reserved = 3,
}

/// A value of GSM's general groups, 0x10 to 0x7F: `0dcm aacc`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct General {
    /// Bit 6: deleted once read.
    pub deleted: bool,
    /// Bit 5: compressed [3GPP TS 23.042].
    pub compressed: bool,
    /// Bit 4: whether the class means anything.
    pub has_class: bool,
    /// Bits 3 and 2.
    pub alphabet: GeneralAlphabet,
    /// Bits 1 and 0, to be looked at when `has_class`.
    pub class: Class,
}

/// What waits for the subscriber.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum WaitingKind {
    /// Voice mail.
    Voicemail = 0,
    /// A fax.
    Fax = 1,
    /// E-mail.
    Email = 2,
    /// Something else.
    Other = 3,
}

/// What becomes of a message that says that others wait.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum WaitingGroup {
    /// 0xC0: the text may be thrown away; 7-bit.
    Discard = 0xC0,
    /// 0xD0: the text is kept; 7-bit.
    Store = 0xD0,
    /// 0xE0: the text is kept; UTF-16.
    StoreUcs2 = 0xE0,
}

/// A value of 0xC0 to 0xEF: `11gg asvv`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// The high four bits.
    pub group: WaitingGroup,
    /// Bit 3: whether the indication is switched on.
    pub active: bool,
    /// Bit 2, reserved.
    pub spare: bool,
    /// Bits 1 and 0.
    pub kind: WaitingKind,
}

/// A value of 0xF0 to 0xFF: `1111 sbcc`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Classed {
    /// Bit 3, reserved.
    pub spare: bool,
    /// Bit 2: octets instead of 7-bit text.
    pub eight_bit: bool,
    /// Bits 1 and 0.
    pub class: Class,
}

/// How the octets of a short_message are to be read.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// The centre's default alphabet; so are all values that GSM calls 7-bit, and reserved ones.
    Default,
    /// ASCII.
    Ascii,
    /// ISO 8859-1.
    Latin1,
    /// ISO 8859-5.
    Cyrillic,
    /// ISO 8859-8.
    Hebrew,
    /// UTF-16, big endian.
    Ucs2,
    /// Text in an alphabet that is not read here: JIS, pictograms, music codes, KS C 5601.
    Foreign,
    /// No text, or compressed text.
    Binary,
}

impl DataCoding {
    /// Reads a data_coding; every value is one.
    #[must_use]
    pub const fn parse(value: u8) -> DataCoding {
        match value {
            0x00 => DataCoding::Default,
            0x01 => DataCoding::Ascii,
            0x02 => DataCoding::Binary2,
            0x03 => DataCoding::Latin1,
            0x04 => DataCoding::Binary4,
            0x05 => DataCoding::Jis,
            0x06 => DataCoding::Cyrillic,
            0x07 => DataCoding::Hebrew,
            0x08 => DataCoding::Ucs2,
            0x09 => DataCoding::Pictogram,
            0x0A => DataCoding::MusicCodes,
            0x0D => DataCoding::ExtendedKanjiJis,
            0x0E => DataCoding::KsC5601,
            0x10..=0x7F => DataCoding::General(General::parse(value)),
            0xC0..=0xCF => DataCoding::Waiting(Waiting::parse(WaitingGroup::Discard, value)),
            0xD0..=0xDF => DataCoding::Waiting(Waiting::parse(WaitingGroup::Store, value)),
            0xE0..=0xEF => DataCoding::Waiting(Waiting::parse(WaitingGroup::StoreUcs2, value)),
            0xF0..=0xFF => DataCoding::Classed(Classed::parse(value)),
            0x0B | 0x0C | 0x0F | 0x80..=0xBF => DataCoding::Reserved(value),
        }
    }

    /// The value on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        match self {
            DataCoding::Default => 0x00,
            DataCoding::Ascii => 0x01,
            DataCoding::Binary2 => 0x02,
            DataCoding::Latin1 => 0x03,
            DataCoding::Binary4 => 0x04,
            DataCoding::Jis => 0x05,
            DataCoding::Cyrillic => 0x06,
            DataCoding::Hebrew => 0x07,
            DataCoding::Ucs2 => 0x08,
            DataCoding::Pictogram => 0x09,
            DataCoding::MusicCodes => 0x0A,
            DataCoding::ExtendedKanjiJis => 0x0D,
            DataCoding::KsC5601 => 0x0E,
            DataCoding::General(general) => general.as_u8(),
            DataCoding::Waiting(waiting) => waiting.as_u8(),
            DataCoding::Classed(classed) => classed.as_u8(),
            DataCoding::Reserved(value) => value,
        }
    }

    /// How the octets are to be read.
    #[must_use]
    pub const fn alphabet(self) -> Alphabet {
        match self {
            DataCoding::Default | DataCoding::Reserved(_) => Alphabet::Default,
            DataCoding::Ascii => Alphabet::Ascii,
            DataCoding::Latin1 => Alphabet::Latin1,
            DataCoding::Cyrillic => Alphabet::Cyrillic,
            DataCoding::Hebrew => Alphabet::Hebrew,
            DataCoding::Ucs2 => Alphabet::Ucs2,
            DataCoding::Binary2 | DataCoding::Binary4 => Alphabet::Binary,
            DataCoding::Jis
            | DataCoding::Pictogram
            | DataCoding::MusicCodes
            | DataCoding::ExtendedKanjiJis
            | DataCoding::KsC5601 => Alphabet::Foreign,
            DataCoding::General(general) => general.alphabet(),
            DataCoding::Waiting(waiting) => match waiting.group {
                WaitingGroup::Discard | WaitingGroup::Store => Alphabet::Default,
                WaitingGroup::StoreUcs2 => Alphabet::Ucs2,
            },
            DataCoding::Classed(classed) if classed.eight_bit => Alphabet::Binary,
            DataCoding::Classed(_) => Alphabet::Default,
        }
    }

    /// Where the handset is to put the message, when that is said.
    #[must_use]
    pub const fn class(self) -> Option<Class> {
        if let DataCoding::General(General { has_class: true, class, .. })
        | DataCoding::Classed(Classed { class, .. }) = self
        {
            Some(class)
        } else {
            None
        }
    }

    /// What waits for the subscriber, when that is said.
    #[must_use]
    pub const fn waiting(self) -> Option<Waiting> {
        if let DataCoding::Waiting(waiting) = self { Some(waiting) } else { None }
    }

    /// Whether the text is compressed.
    #[must_use]
    pub const fn is_compressed(self) -> bool {
        matches!(self, DataCoding::General(general) if general.compressed)
    }

    /// Whether the message is to be deleted once read.
    #[must_use]
    pub const fn is_deleted_once_read(self) -> bool {
        matches!(self, DataCoding::General(general) if general.deleted)
    }
}

impl From<u8> for DataCoding {
    fn from(value: u8) -> DataCoding {
        DataCoding::parse(value)
    }
}

impl From<DataCoding> for u8 {
    fn from(coding: DataCoding) -> u8 {
        coding.as_u8()
    }
}

/// The alphabet, then what else it says: `ucs2, class 0`.
impl fmt::Display for DataCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DataCoding::Jis => "jis",
            DataCoding::Pictogram => "pictogram",
            DataCoding::MusicCodes => "iso-2022-jp",
            DataCoding::ExtendedKanjiJis => "extended kanji jis",
            DataCoding::KsC5601 => "ks c 5601",
            DataCoding::Reserved(_) => "reserved",
            DataCoding::Default
            | DataCoding::Ascii
            | DataCoding::Binary2
            | DataCoding::Latin1
            | DataCoding::Binary4
            | DataCoding::Cyrillic
            | DataCoding::Hebrew
            | DataCoding::Ucs2
            | DataCoding::General(_)
            | DataCoding::Waiting(_)
            | DataCoding::Classed(_) => self.alphabet().name(),
        })?;
        if self.is_compressed() {
            f.write_str(", compressed")?;
        }
        if let Some(class) = self.class() {
            write!(f, ", class {}", class as u8)?;
        }
        if self.is_deleted_once_read() {
            f.write_str(", deleted once read")?;
        }
        match self.waiting() {
            Some(waiting) => fmt::Display::fmt(&waiting, f),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            WaitingKind::Voicemail => "voicemail",
            WaitingKind::Fax => "fax",
            WaitingKind::Email => "email",
            WaitingKind::Other => "other",
        };
        write!(f, ", {kind} {}", if self.active { "waiting" } else { "no longer waiting" })?;
        match self.group {
            WaitingGroup::Discard => f.write_str(", discarded"),
            WaitingGroup::Store | WaitingGroup::StoreUcs2 => Ok(()),
        }
    }
}

impl Alphabet {
    const fn name(self) -> &'static str {
        match self {
            Alphabet::Default => "default",
            Alphabet::Ascii => "ascii",
            Alphabet::Latin1 => "latin1",
            Alphabet::Cyrillic => "iso-8859-5",
            Alphabet::Hebrew => "iso-8859-8",
            Alphabet::Ucs2 => "ucs2",
            Alphabet::Foreign => "foreign",
            Alphabet::Binary => "binary",
        }
    }
}

impl Class {
    const fn from_bits(value: u8) -> Class {
        match value & 0x03 {
            0 => Class::Flash,
            1 => Class::Handset,
            2 => Class::Sim,
            _ => Class::Terminal,
        }
    }
}

impl General {
    const fn parse(value: u8) -> General {
        General {
            deleted: value & 0x40 != 0,
            compressed: value & 0x20 != 0,
            has_class: value & 0x10 != 0,
            alphabet: match value >> 2 & 0x03 {
                0 => GeneralAlphabet::Gsm,
                1 => GeneralAlphabet::EightBit,
                2 => GeneralAlphabet::Ucs2,
                _ => GeneralAlphabet::Reserved,
            },
            class: Class::from_bits(value),
        }
    }

    const fn as_u8(self) -> u8 {
        (self.deleted as u8) << 6
            | (self.compressed as u8) << 5
            | (self.has_class as u8) << 4
            | (self.alphabet as u8) << 2
            | self.class as u8
    }

    const fn alphabet(self) -> Alphabet {
        match self.alphabet {
            _ if self.compressed => Alphabet::Binary,
            GeneralAlphabet::Gsm | GeneralAlphabet::Reserved => Alphabet::Default,
            GeneralAlphabet::EightBit => Alphabet::Binary,
            GeneralAlphabet::Ucs2 => Alphabet::Ucs2,
        }
    }
}

impl Waiting {
    const fn parse(group: WaitingGroup, value: u8) -> Waiting {
        Waiting {
            group,
            active: value & 0x08 != 0,
            spare: value & 0x04 != 0,
            kind: match value & 0x03 {
                0 => WaitingKind::Voicemail,
                1 => WaitingKind::Fax,
                2 => WaitingKind::Email,
                _ => WaitingKind::Other,
            },
        }
    }

    const fn as_u8(self) -> u8 {
        self.group as u8 | (self.active as u8) << 3 | (self.spare as u8) << 2 | self.kind as u8
    }
}

impl Classed {
    const fn parse(value: u8) -> Classed {
        Classed {
            spare: value & 0x08 != 0,
            eight_bit: value & 0x04 != 0,
            class: Class::from_bits(value),
        }
    }

    const fn as_u8(self) -> u8 {
        0xF0 | (self.spare as u8) << 3 | (self.eight_bit as u8) << 2 | self.class as u8
    }
}
