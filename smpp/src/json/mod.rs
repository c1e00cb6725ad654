//! The readable view of PDUs and receipts, as JSON, and PDUs from it. For tools, not for the hot path. Pure,
//! lives nowhere.

mod pdu;
mod receipt;
mod symbols;
mod typed;
mod write;

pub use pdu::pdu_to_json;
pub use receipt::receipt_to_json;
pub use write::json_to_pdu;

/// Octets as text, one character each.
fn latin1(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

/// The octets of a text whose characters are one octet each.
fn from_latin1(text: &str) -> Result<Vec<u8>, String> {
    let octet = |c: char| u8::try_from(c).map_err(|_| format!("{c:?} is no octet"));
    text.chars().map(octet).collect()
}

/// Octets as hexadecimal text, without spaces.
pub fn to_hex(octets: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0F)]).collect()
}

/// Octets of hexadecimal text; spaces, tabs and colons between digits are passed over.
///
/// # Errors
/// Another character, with its column, or an odd number of digits.
pub fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for (at, c) in text.chars().enumerate().filter(|(_, c)| !matches!(c, ' ' | '\t' | ':')) {
        let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digit = digit.ok_or_else(|| format!("column {}: {c:?} is no hexadecimal", at + 1))?;
        match high.take() {
            Some(high) => octets.push(high << 4 | digit),
            None => high = Some(digit),
        }
    }
    if high.is_some() {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    Ok(octets)
}
