//! Texts in the national language tables: a locking shift table replaces the basic table, a single
//! shift table the extension table [3GPP TS 23.038 section 6.2.1.2]. Pure, lives nowhere.

use super::gsm::{self, ESCAPE};
use super::national_tables as tables;
use super::national_tables::Table;

/// A language with national tables [3GPP TS 23.038 section 6.2.1]; the number is the identifier.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum NationalLanguage {
    /// Turkish.
    Turkish = 1,
    /// Spanish; a single shift table only.
    Spanish = 2,
    /// Portuguese.
    Portuguese = 3,
    /// Bengali.
    Bengali = 4,
    /// Gujarati.
    Gujarati = 5,
    /// Hindi.
    Hindi = 6,
    /// Kannada.
    Kannada = 7,
    /// Malayalam.
    Malayalam = 8,
    /// Oriya.
    Oriya = 9,
    /// Punjabi.
    Punjabi = 10,
    /// Tamil.
    Tamil = 11,
    /// Telugu.
    Telugu = 12,
    /// Urdu.
    Urdu = 13,
}

impl NationalLanguage {
    /// Every language, by its identifier.
    pub const ALL: [NationalLanguage; 13] = [
        NationalLanguage::Turkish,
        NationalLanguage::Spanish,
        NationalLanguage::Portuguese,
        NationalLanguage::Bengali,
        NationalLanguage::Gujarati,
        NationalLanguage::Hindi,
        NationalLanguage::Kannada,
        NationalLanguage::Malayalam,
        NationalLanguage::Oriya,
        NationalLanguage::Punjabi,
        NationalLanguage::Tamil,
        NationalLanguage::Telugu,
        NationalLanguage::Urdu,
    ];

    /// The identifier in a user data header.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The language of an identifier.
    #[must_use]
    pub fn from_u8(identifier: u8) -> Option<NationalLanguage> {
        NationalLanguage::ALL.into_iter().find(|language| language.as_u8() == identifier)
    }

    /// Whether it has a locking shift table; all have a single shift table.
    #[must_use]
    pub fn has_locking(self) -> bool {
        self.locking().is_some()
    }

    fn locking(self) -> Option<&'static Shift> {
        match self {
            NationalLanguage::Turkish => Some(const { &Shift::new(tables::TURKISH_LOCKING) }),
            NationalLanguage::Spanish => None,
            NationalLanguage::Portuguese => Some(const { &Shift::new(tables::PORTUGUESE_LOCKING) }),
            NationalLanguage::Bengali => Some(const { &Shift::new(tables::BENGALI_LOCKING) }),
            NationalLanguage::Gujarati => Some(const { &Shift::new(tables::GUJARATI_LOCKING) }),
            NationalLanguage::Hindi => Some(const { &Shift::new(tables::HINDI_LOCKING) }),
            NationalLanguage::Kannada => Some(const { &Shift::new(tables::KANNADA_LOCKING) }),
            NationalLanguage::Malayalam => Some(const { &Shift::new(tables::MALAYALAM_LOCKING) }),
            NationalLanguage::Oriya => Some(const { &Shift::new(tables::ORIYA_LOCKING) }),
            NationalLanguage::Punjabi => Some(const { &Shift::new(tables::PUNJABI_LOCKING) }),
            NationalLanguage::Tamil => Some(const { &Shift::new(tables::TAMIL_LOCKING) }),
            NationalLanguage::Telugu => Some(const { &Shift::new(tables::TELUGU_LOCKING) }),
            NationalLanguage::Urdu => Some(const { &Shift::new(tables::URDU_LOCKING) }),
        }
    }

    fn single(self) -> &'static Shift {
        match self {
            NationalLanguage::Turkish => const { &Shift::new(tables::TURKISH_SINGLE) },
            NationalLanguage::Spanish => const { &Shift::new(tables::SPANISH_SINGLE) },
            NationalLanguage::Portuguese => const { &Shift::new(tables::PORTUGUESE_SINGLE) },
            NationalLanguage::Bengali => const { &Shift::new(tables::BENGALI_SINGLE) },
            NationalLanguage::Gujarati => const { &Shift::new(tables::GUJARATI_SINGLE) },
            NationalLanguage::Hindi => const { &Shift::new(tables::HINDI_SINGLE) },
            NationalLanguage::Kannada => const { &Shift::new(tables::KANNADA_SINGLE) },
            NationalLanguage::Malayalam => const { &Shift::new(tables::MALAYALAM_SINGLE) },
            NationalLanguage::Oriya => const { &Shift::new(tables::ORIYA_SINGLE) },
            NationalLanguage::Punjabi => const { &Shift::new(tables::PUNJABI_SINGLE) },
            NationalLanguage::Tamil => const { &Shift::new(tables::TAMIL_SINGLE) },
            NationalLanguage::Telugu => const { &Shift::new(tables::TELUGU_SINGLE) },
            NationalLanguage::Urdu => const { &Shift::new(tables::URDU_SINGLE) },
        }
    }
}

/// One table, and the way back.
struct Shift {
    table: Table,
    /// Units with their codes, by unit and then code; those without a character come first.
    codes: [(u16, u8); 128],
}

impl Shift {
    #[allow(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "at compile time: an index out of range or a code above 127 does not compile"
    )]
    const fn new(table: Table) -> Shift {
        let mut codes = [(0, 0); 128];
        let mut code = 0;
        while code < table.len() {
            // Sorted by insertion; equal units keep the order of their codes.
            let mut at = code;
            while at > 0 && codes[at - 1].0 > table[code] {
                codes[at] = codes[at - 1];
                at -= 1;
            }
            codes[at] = (table[code], code as u8);
            code += 1;
        }
        Shift { table, codes }
    }

    /// The lowest code of a character.
    fn code_of(&self, c: char) -> Option<u8> {
        let unit = u16::try_from(u32::from(c)).ok().filter(|unit| *unit != 0)?;
        let at = self.codes.partition_point(|(own, _)| *own < unit);
        self.codes.get(at).filter(|(own, _)| *own == unit).map(|(_, code)| *code)
    }

    fn character(&self, code: u8) -> Option<char> {
        let unit = self.table.get(usize::from(code)).filter(|unit| **unit != 0)?;
        char::from_u32(u32::from(*unit))
    }
}

/// One septet an octet, characters of the single shift or extension table as `1B xx`; None when a
/// character is in neither table. A language without a locking table leaves the basic one.
#[must_use]
pub fn encode_national(
    text: &str,
    locking: Option<NationalLanguage>,
    single: Option<NationalLanguage>,
) -> Option<Vec<u8>> {
    let locking = locking.and_then(NationalLanguage::locking);
    let single = single.map(NationalLanguage::single);
    let mut octets = Vec::with_capacity(text.len());
    for c in text.chars() {
        let main = locking.map_or_else(|| gsm::basic_code(c), |table| table.code_of(c));
        if let Some(code) = main {
            octets.push(code);
            continue;
        }
        let shifted = single.map_or_else(|| gsm::extension_code(c), |table| table.code_of(c));
        octets.extend_from_slice(&[ESCAPE, shifted?]);
    }
    Some(octets)
}

/// The text of septets, one an octet, behind a user data header that names these tables. What
/// cannot be read is shown: a code without a character as a space, an unknown code behind an escape
/// as its character in the locking (or basic) table, a lone or doubled escape as a space, an octet
/// above 127 as U+FFFD.
#[must_use]
pub fn decode_national(
    octets: &[u8],
    locking: Option<NationalLanguage>,
    single: Option<NationalLanguage>,
) -> String {
    let locking = locking.and_then(NationalLanguage::locking);
    let single = single.map(NationalLanguage::single);
    gsm::decode_with(
        octets,
        |code| match locking {
            Some(_) if code > 0x7F => char::REPLACEMENT_CHARACTER,
            Some(table) => table.character(code).unwrap_or(' '),
            None => gsm::basic(code),
        },
        |code| match single {
            Some(table) => table.character(code),
            None => gsm::extension(code),
        },
    )
}
