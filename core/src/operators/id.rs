//! The code of an operator: MCC and MNC [ITU-T E.212]. Pure, lives nowhere.

use core::fmt;
use core::str::FromStr;

use arrayvec::ArrayString;

/// Bits of the packed form: the MNC, whether it has three digits, the MCC.
const MNC_BITS: u32 = 10;
const LONG_MNC: u32 = 1 << MNC_BITS;
const MCC_SHIFT: u32 = MNC_BITS + 1;

/// The mobile network that serves a number: mobile country code and mobile network code. An MNC of
/// two digits is not the one of three digits with the same value: 05 and 005 are two networks.
///
/// `Display` and [`FromStr`] use the form `234-15`.
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
pub struct OperatorId(u32);

/// Why a text is no operator's code; `Display` is fit for an operator of the gateway.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give the MCC (3 digits), a hyphen and the MNC (2 or 3 digits), like 234-15")]
pub struct OperatorIdError;

impl OperatorId {
    /// Reads an MCC of three digits and an MNC of two or three.
    ///
    /// # Errors
    /// When they are anything else.
    pub fn new(mcc: &str, mnc: &str) -> Result<OperatorId, OperatorIdError> {
        let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        if mcc.len() != 3 || !matches!(mnc.len(), 2 | 3) || !digits(mcc) || !digits(mnc) {
            return Err(OperatorIdError);
        }
        let value = |text: &str| text.parse::<u32>().map_err(|_| OperatorIdError);
        let long = if mnc.len() == 3 { LONG_MNC } else { 0 };
        Ok(OperatorId(value(mcc)? << MCC_SHIFT | long | value(mnc)?))
    }

    /// The code as an integer below 2^21, for tables and records.
    #[must_use]
    pub fn pack(self) -> u32 {
        self.0
    }

    /// The code that [`pack`](Self::pack) gave; `None` where it gives no such integer.
    #[must_use]
    pub fn unpack(packed: u32) -> Option<OperatorId> {
        let own = OperatorId(packed);
        let mnc_limit = if packed & LONG_MNC == 0 { 100 } else { 1_000 };
        (packed >> MCC_SHIFT < 1_000 && own.mnc_value() < mnc_limit).then_some(own)
    }

    /// Mobile country code, 0 to 999; it is written with three digits.
    #[must_use]
    pub fn mcc(self) -> u16 {
        u16::try_from(self.0 >> MCC_SHIFT).unwrap_or(u16::MAX)
    }

    /// Mobile network code, in its two or three digits.
    #[must_use]
    pub fn mnc(self) -> ArrayString<3> {
        let mut text = ArrayString::new();
        let width = if self.0 & LONG_MNC == 0 { 2 } else { 3 };
        // Three digits fit.
        let _fits = fmt::write(&mut text, format_args!("{:0width$}", self.mnc_value()));
        text
    }

    fn mnc_value(self) -> u32 {
        self.0 & (LONG_MNC - 1)
    }
}

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}-{}", self.mcc(), self.mnc())
    }
}

impl FromStr for OperatorId {
    type Err = OperatorIdError;

    fn from_str(text: &str) -> Result<OperatorId, OperatorIdError> {
        let (mcc, mnc) = text.split_once('-').ok_or(OperatorIdError)?;
        OperatorId::new(mcc, mnc)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_their_digits() {
        for text in ["234-15", "310-005", "310-05", "001-01", "000-00", "999-999", "724-00"] {
            let id: OperatorId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(OperatorId::unpack(id.pack()), Some(id));
            assert!(id.pack() < 1 << 21);
        }
        assert_ne!("310-05".parse::<OperatorId>(), "310-005".parse());
        for text in ["", "234", "234-", "234-1", "234-1234", "23-15", "2345-15", "23a-15", "234-1x"]
        {
            assert_eq!(text.parse::<OperatorId>(), Err(OperatorIdError), "{text}");
        }
    }

    #[test]
    fn what_was_never_packed_is_no_code() {
        for packed in [1_000 << MCC_SHIFT, 100, LONG_MNC | 1_000, u32::MAX] {
            assert_eq!(OperatorId::unpack(packed), None, "{packed}");
        }
    }
}
