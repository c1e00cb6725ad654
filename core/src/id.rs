//! Message ids: one AES block over time, partition and sequence, so that an id says where its
//! message lives and tells a customer nothing. Pure; one `IdCipher` per process, read-only.

use std::fmt;
use std::str::FromStr;

use aes::Aes128;
use aes::cipher::{Block, BlockDecrypt, BlockEncrypt, KeyInit};

use crate::clock::UnixMs;
use crate::place::Partition;

const TIME_BITS: u32 = 44;
const PARTITION_BITS: u32 = 12;
const SEQUENCE_BITS: u32 = 56;
const CHECK_BITS: u32 = 16;
const SEQUENCE_SHIFT: u32 = CHECK_BITS;
const PARTITION_SHIFT: u32 = SEQUENCE_SHIFT + SEQUENCE_BITS;
const TIME_SHIFT: u32 = PARTITION_SHIFT + PARTITION_BITS;
const _: () = assert!(TIME_SHIFT + TIME_BITS == u128::BITS);

/// Largest time that fits an id; it lies in the year 2527.
const TIME_MAX: u64 = (1 << TIME_BITS) - 1;
/// Largest sequence that fits an id.
pub const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;

/// Characters of the printed form.
const TEXT_LEN: usize = 36;
/// Where the printed form has its dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The public name of a message. `Display` is the lower-case UUID form.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(u128);

impl MessageId {
    /// The id with these bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        MessageId(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The printed form as ASCII octets.
    #[must_use]
    fn text(self) -> [u8; TEXT_LEN] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut out = [b'-'; TEXT_LEN];
        let mut nibbles = self
            .0
            .to_be_bytes()
            .into_iter()
            .flat_map(|octet| [octet >> 4, octet & 15])
            .filter_map(|nibble| HEX.get(usize::from(nibble)));
        for (at, place) in out.iter_mut().enumerate() {
            if !DASHES.contains(&at) {
                *place = nibbles.next().copied().unwrap_or(b'0');
            }
        }
        out
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no message id.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: it has 36 characters, like 5a1f6f0e-3c22-4b0e-9d5c-0d6a2b7c8e9f")]
pub struct ParseIdError;

impl FromStr for MessageId {
    type Err = ParseIdError;

    /// Reads exactly the 36-character form, in either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != TEXT_LEN {
            return Err(ParseIdError);
        }
        let mut bits = 0u128;
        for (at, octet) in text.bytes().enumerate() {
            match (DASHES.contains(&at), char::from(octet).to_digit(16)) {
                (true, _) if octet == b'-' => {}
                (false, Some(nibble)) => bits = bits << 4 | u128::from(nibble),
                _ => return Err(ParseIdError),
            }
        }
        Ok(MessageId(bits))
    }
}

/// What an id says to those who hold the key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct IdFields {
    /// When the message was accepted; 44 bits, later times are cut to the year 2527.
    pub time: UnixMs,
    /// Where its number lives.
    pub partition: Partition,
    /// Its number; 56 bits. See [`crate::sequence`].
    pub sequence: u64,
}

/// Seals and opens ids: one AES-128 block, 16 zero bits of which verify.
///
/// A foreign id passes the check by chance once in 65,536 (twice with two keys): its sequence then
/// names no message, or a message whose id differs. Compare the id of what is found.
pub struct IdCipher {
    current: Aes128,
    previous: Option<Aes128>,
}

impl IdCipher {
    /// A cipher that seals with `current` and opens with either key.
    #[must_use]
    pub fn new(current: [u8; 16], previous: Option<[u8; 16]>) -> Self {
        let cipher = |key: [u8; 16]| Aes128::new(&key.into());
        IdCipher { current: cipher(current), previous: previous.map(cipher) }
    }

    /// The id of these fields.
    ///
    /// # Panics
    /// When the sequence does not fit 56 bits: at a million messages a second that takes 2,000
    /// years, so it is a broken invariant.
    #[must_use]
    pub fn seal(&self, fields: IdFields) -> MessageId {
        assert!(fields.sequence <= SEQUENCE_MAX, "sequence {} exceeds 56 bits", fields.sequence);
        let plain = u128::from(fields.time.0.min(TIME_MAX)) << TIME_SHIFT
            | u128::from(fields.partition.get()) << PARTITION_SHIFT
            | u128::from(fields.sequence) << SEQUENCE_SHIFT;
        let mut block: Block<Aes128> = plain.to_be_bytes().into();
        self.current.encrypt_block(&mut block);
        MessageId(u128::from_be_bytes(block.into()))
    }

    /// The fields of an id that was sealed with one of the keys; None for any other.
    #[must_use]
    pub fn open(&self, id: MessageId) -> Option<IdFields> {
        let previous = || open_with(self.previous.as_ref()?, id);
        open_with(&self.current, id).or_else(previous)
    }
}

impl fmt::Debug for IdCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdCipher([redacted])")
    }
}

fn open_with(cipher: &Aes128, id: MessageId) -> Option<IdFields> {
    let mut block: Block<Aes128> = id.0.to_be_bytes().into();
    cipher.decrypt_block(&mut block);
    let plain = u128::from_be_bytes(block.into());
    if field(plain, 0, CHECK_BITS) != 0 {
        return None;
    }
    let partition = u16::try_from(field(plain, PARTITION_SHIFT, PARTITION_BITS)).ok()?;
    Some(IdFields {
        time: UnixMs(field(plain, TIME_SHIFT, TIME_BITS)),
        partition: Partition::new(partition)?,
        sequence: field(plain, SEQUENCE_SHIFT, SEQUENCE_BITS),
    })
}

/// `bits` (below 64) bits of `plain` from `shift` up.
fn field(plain: u128, shift: u32, bits: u32) -> u64 {
    let mask = (1u128 << bits) - 1;
    u64::try_from(plain >> shift & mask).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn fields() -> IdFields {
        IdFields {
            time: UnixMs(1_790_000_000_123),
            partition: Partition::new(4095).unwrap(),
            sequence: 77,
        }
    }

    #[test]
    fn an_id_is_one_aes_block() {
        // FIPS 197, appendix C.1: key 000102..0f, plain text 00112233..ff. Its low 16 bits are not
        // zero, so only the raw block is compared here.
        let key: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let plain: [u8; 16] = std::array::from_fn(|at| u8::try_from(at * 0x11).unwrap());
        let mut block: Block<Aes128> = plain.into();
        Aes128::new(&key.into()).encrypt_block(&mut block);
        let sealed = MessageId(u128::from_be_bytes(block.into()));
        assert_eq!(sealed.to_string(), "69c4e0d8-6a7b-0430-d8cd-b78070b4c55a");
    }

    #[test]
    fn the_layout_is_pinned() {
        let cipher = IdCipher::new([7; 16], None);
        let mut block: Block<Aes128> = cipher.seal(fields()).as_u128().to_be_bytes().into();
        Aes128::new(&[7; 16].into()).decrypt_block(&mut block);
        let plain = u128::from_be_bytes(block.into());
        assert_eq!(plain, 1_790_000_000_123 << 84 | 4095 << 72 | 77 << 16);
    }

    #[test]
    fn keys_rotate() {
        let old = IdCipher::new([1; 16], None).seal(fields());
        let both = IdCipher::new([2; 16], Some([1; 16]));
        assert_eq!(both.open(old), Some(fields()));
        assert_eq!(both.open(both.seal(fields())), Some(fields()));
        assert_eq!(IdCipher::new([2; 16], None).open(old), None);
        assert!(!format!("{both:?}").contains('2'));
    }

    #[test]
    fn only_the_exact_form_is_read() {
        let id = MessageId::from_u128(0x5a1f_6f0e_3c22_4b0e_9d5c_0d6a_2b7c_8e9f);
        let text = "5a1f6f0e-3c22-4b0e-9d5c-0d6a2b7c8e9f";
        assert_eq!(id.to_string(), text);
        assert_eq!(format!("{id:?}"), text);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        for bad in [
            "",
            "5a1f6f0e3c224b0e9d5c0d6a2b7c8e9f",
            "{5a1f6f0e-3c22-4b0e-9d5c-0d6a2b7c8e9f}",
            "5a1f6f0e-3c22-4b0e-9d5c-0d6a2b7c8e9g",
            "5a1f6f0e-3c22-4b0e-9d5c00d6a2b7c8e9f",
            "5a1f6f0-e3c22-4b0e-9d5c-0d6a2b7c8e9f",
            "-a1f6f0e-3c22-4b0e-9d5c-0d6a2b7c8e9f",
            "5a1f6f0e-3c22-4b0e-9d5c-0d6a2b7c8e9ﬀ",
        ] {
            assert_eq!(bad.parse::<MessageId>(), Err(ParseIdError), "{bad}");
        }
    }

    #[test]
    fn a_clock_gone_wild_does_not_reach_other_fields() {
        let cipher = IdCipher::new([7; 16], None);
        let wild = IdFields { time: UnixMs(u64::MAX), ..fields() };
        let opened = cipher.open(cipher.seal(wild)).unwrap();
        assert_eq!(opened, IdFields { time: UnixMs(TIME_MAX), ..fields() });
    }
}
