//! By what somebody is found in the bytes of a file: a number and a text in every form in which a gateway
//! or a carrier may have written them. Test code, pure.

#![allow(dead_code, reason = "each test file uses its part")]

/// Every form of a number with a country code of two digits.
pub(crate) fn of_number(number: u64) -> Vec<Vec<u8>> {
    let digits = number.to_string();
    let national = &digits[2..];
    let bcd = |swap: bool| {
        let nibbles: Vec<u8> = national.bytes().map(|digit| digit - b'0').collect();
        let pair = |pair: &[u8]| if swap { pair[1] << 4 | pair[0] } else { pair[0] << 4 | pair[1] };
        nibbles.chunks_exact(2).map(pair).collect()
    };
    let mut forms = of_text(national);
    forms.extend([bcd(false), bcd(true)]);
    // As an integer it may be of any width.
    let octets = number.to_be_bytes();
    let big_endian = octets.split_at(octets.iter().take_while(|octet| **octet == 0).count()).1;
    forms.push(big_endian.to_vec());
    forms.push(big_endian.iter().rev().copied().collect());
    forms
}

/// Every form of a text.
pub(crate) fn of_text(text: &str) -> Vec<Vec<u8>> {
    let ucs2 = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    vec![text.as_bytes().to_vec(), ucs2, septets(text.as_bytes())]
}

/// Packed septets, as handsets take them.
fn septets(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0u8; (text.len() * 7).div_ceil(8)];
    for (nth, septet) in text.iter().enumerate() {
        for bit in 0..7 {
            let at = nth * 7 + bit;
            out[at / 8] |= (septet >> bit & 1) << (at % 8);
        }
    }
    // The last octet may hold the beginning of what follows.
    out.pop();
    out
}

/// Whether one of these strings is in the bytes; fast enough for many mebioctets of zeros.
pub(crate) fn any_in(bytes: &[u8], needles: &[Vec<u8>]) -> bool {
    needles.iter().any(|needle| holds(bytes, needle))
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|octet| octet == first) {
        from += at + 1;
        if bytes[from..].starts_with(rest) {
            return true;
        }
    }
    false
}
