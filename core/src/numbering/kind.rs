//! Types of numbers. Pure, lives nowhere.

/// What a number is for, as its numbering plan says.
#[derive(
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
    Copy,
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
)]
pub enum NumberKind {
    /// A mobile.
    Mobile,
    /// A fixed line.
    FixedLine,
    /// The plan does not tell mobiles and fixed lines apart, as in the US.
    FixedLineOrMobile,
    /// Free for who calls.
    TollFree,
    /// Dearer than other numbers for who calls.
    PremiumRate,
    /// Paid by both.
    SharedCost,
    /// Telephony over the Internet.
    Voip,
    /// A number that follows a person.
    PersonalNumber,
    /// A pager.
    Pager,
    /// One number of a company for all its places.
    Uan,
    /// Access to voicemail.
    Voicemail,
}

/// Every type and its word.
const WORDS: [(NumberKind, &str); 11] = [
    (NumberKind::Mobile, "mobile"),
    (NumberKind::FixedLine, "fixed_line"),
    (NumberKind::FixedLineOrMobile, "fixed_line_or_mobile"),
    (NumberKind::TollFree, "toll_free"),
    (NumberKind::PremiumRate, "premium_rate"),
    (NumberKind::SharedCost, "shared_cost"),
    (NumberKind::Voip, "voip"),
    (NumberKind::PersonalNumber, "personal_number"),
    (NumberKind::Pager, "pager"),
    (NumberKind::Uan, "uan"),
    (NumberKind::Voicemail, "voicemail"),
];

impl NumberKind {
    /// Reads a word in small or capital letters.
    #[must_use]
    pub fn parse(word: &str) -> Option<NumberKind> {
        let own = WORDS.iter().find(|(_, own)| own.eq_ignore_ascii_case(word));
        own.map(|(kind, _)| *kind)
    }

    /// Its word in small letters.
    #[must_use]
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    /// Whether a handset may have such a number.
    #[must_use]
    pub fn may_be_mobile(self) -> bool {
        matches!(self, NumberKind::Mobile | NumberKind::FixedLineOrMobile)
    }
}
