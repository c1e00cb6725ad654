//! Septets packed into octets, eight into seven [3GPP TS 23.038 section 6.1.2.1]. Pure, lives
//! nowhere.

/// A carriage return pads where seven spare bits would read as `@` [section 6.1.2.3.1].
pub(super) const PADDING: u8 = 0x0D;

/// Bits between a user data header of so many octets, its length octet included, and the first
/// septet, which stands where a septet can stand when they are counted from the header's begin.
#[must_use]
pub const fn fill_bits(header: usize) -> usize {
    (7 - header * 8 % 7) % 7
}

/// Packs septets, one an octet, behind `fill` bits of zero. Seven bits left over become a carriage
/// return, so that they are not taken for a character.
#[must_use]
pub fn pack(septets: &[u8], fill: usize) -> Vec<u8> {
    let bits = fill + septets.len() * 7;
    let mut out = vec![0; bits.div_ceil(8)];
    let padding = (out.len() * 8 - bits == 7).then_some(PADDING);
    for (index, septet) in septets.iter().copied().chain(padding).enumerate() {
        let at = fill + index * 7;
        let [low, high] = (u16::from(septet & 0x7F) << (at % 8)).to_le_bytes();
        for (octet, bits) in out.iter_mut().skip(at / 8).zip([low, high]) {
            *octet |= bits;
        }
    }
    out
}

/// The septets, one an octet, that are packed behind `fill` bits. Where they end with the last bit,
/// a carriage return at the end is padding, and dropped.
#[must_use]
pub fn unpack(octets: &[u8], fill: usize) -> Vec<u8> {
    let bits = (octets.len() * 8).saturating_sub(fill);
    let septet = |index: usize| {
        let at = fill + index * 7;
        let octet = |at: usize| octets.get(at).copied().unwrap_or(0);
        let pair = u16::from_le_bytes([octet(at / 8), octet(at / 8 + 1)]);
        let [low, _] = (pair >> (at % 8) & 0x7F).to_le_bytes();
        low
    };
    let mut out: Vec<u8> = (0..bits / 7).map(septet).collect();
    if bits.is_multiple_of(7) && out.last() == Some(&PADDING) {
        out.pop();
    }
    out
}
