//! GSM 03.38: the basic and the extension table [3GPP TS 23.038 section 6.2.1]. Pure, lives
//! nowhere.

/// Escape to the extension table; no character of its own.
pub(super) const ESCAPE: u8 = 0x1B;

/// Code -> character. 0x1B stands for itself and is never looked up as a character.
#[rustfmt::skip]
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\x1b', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// Extension code -> character.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\x0C'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// Marks a character that is in neither table.
const NONE: u8 = 0xFF;
/// Marks a code of the extension table.
const EXTENDED: u8 = 0x80;

/// The first 256 code points -> code, `EXTENDED | code` or `NONE`.
#[allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "at compile time: an index out of range or a code above 127 does not compile"
)]
const LATIN: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut code = 0;
    while code < BASIC.len() {
        let point = BASIC[code] as usize;
        if point < table.len() && code != ESCAPE as usize {
            table[point] = code as u8;
        }
        code += 1;
    }
    let mut at = 0;
    while at < EXTENSION.len() {
        let point = EXTENSION[at].1 as usize;
        if point < table.len() {
            table[point] = EXTENDED | EXTENSION[at].0;
        }
        at += 1;
    }
    table
};

/// The code of a character, `EXTENDED | code` or `NONE`.
fn code_of(c: char) -> u8 {
    if let Some(code) = usize::try_from(u32::from(c)).ok().and_then(|point| LATIN.get(point)) {
        return *code;
    }
    match c {
        'Δ' => 0x10,
        'Φ' => 0x12,
        'Γ' => 0x13,
        'Λ' => 0x14,
        'Ω' => 0x15,
        'Π' => 0x16,
        'Ψ' => 0x17,
        'Σ' => 0x18,
        'Θ' => 0x19,
        'Ξ' => 0x1A,
        '€' => EXTENDED | 0x65,
        _ => NONE,
    }
}

/// Whether a character is in one of the tables.
pub(super) fn contains(c: char) -> bool {
    code_of(c) != NONE
}

/// One septet an octet, extension characters as `1B xx`; None when a character is in no table.
pub(super) fn encode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    for c in text.chars() {
        match code_of(c) {
            NONE => return None,
            code if code & EXTENDED != 0 => octets.extend_from_slice(&[ESCAPE, code & !EXTENDED]),
            code => octets.push(code),
        }
    }
    Some(octets)
}

/// The code of a character of the basic table.
pub(super) fn basic_code(c: char) -> Option<u8> {
    Some(code_of(c)).filter(|code| code & EXTENDED == 0)
}

/// The code of a character of the extension table.
pub(super) fn extension_code(c: char) -> Option<u8> {
    Some(code_of(c))
        .filter(|code| *code != NONE && code & EXTENDED != 0)
        .map(|code| code & !EXTENDED)
}

pub(super) fn decode(octets: &[u8]) -> String {
    decode_with(octets, basic, extension)
}

/// Reads septets, one an octet: `main` knows every octet, `shifted` those behind an escape.
pub(super) fn decode_with(
    octets: &[u8],
    main: impl Fn(u8) -> char,
    shifted: impl Fn(u8) -> Option<char>,
) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets.iter().copied();
    while let Some(octet) = rest.next() {
        let c = match octet {
            ESCAPE => rest.next().map_or(' ', |code| match shifted(code) {
                Some(c) => c,
                None if code == ESCAPE => ' ',
                None => main(code),
            }),
            code => main(code),
        };
        text.push(c);
    }
    text
}

/// The character of a code, which is not the escape, in the basic table.
pub(super) fn basic(code: u8) -> char {
    BASIC.get(usize::from(code)).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The character of a code in the extension table.
pub(super) fn extension(code: u8) -> Option<char> {
    EXTENSION.iter().find(|(own, _)| *own == code).map(|(_, c)| *c)
}

/// The basic table without the escape: code and character.
pub fn basic_table() -> impl Iterator<Item = (u8, char)> {
    (0u8..).zip(BASIC).filter(|(code, _)| *code != ESCAPE)
}

/// The extension table: code behind the escape, and character.
pub fn extension_table() -> impl Iterator<Item = (u8, char)> {
    EXTENSION.into_iter()
}
