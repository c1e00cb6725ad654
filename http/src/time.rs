//! RFC 3339 times, the only form the API reads and prints. Pure, lives nowhere.

use postrider_core::clock::UnixMs;

use crate::json::decimal_digit;

const MS_PER_DAY: u64 = 86_400_000;
/// 9999-12-31T23:59:59.999Z: the last time RFC 3339 can print.
const LAST: u64 = 253_402_300_799_999;

/// Appends `time` as RFC 3339 in UTC with milliseconds, 24 characters:
/// `2026-11-24T18:00:00.000Z`. Times after the year 9999 print as its last millisecond.
pub fn push_rfc3339(out: &mut Vec<u8>, time: UnixMs) {
    let ms = time.0.min(LAST);
    let (year, month, day) = civil(ms / MS_PER_DAY);
    let of_day = ms % MS_PER_DAY;
    push_padded(out, year, 1_000);
    out.push(b'-');
    push_padded(out, month, 10);
    out.push(b'-');
    push_padded(out, day, 10);
    out.push(b'T');
    push_padded(out, of_day / 3_600_000, 10);
    out.push(b':');
    push_padded(out, of_day / 60_000 % 60, 10);
    out.push(b':');
    push_padded(out, of_day / 1_000 % 60, 10);
    out.push(b'.');
    push_padded(out, of_day % 1_000, 100);
    out.push(b'Z');
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01.
///
/// Years are counted from March, so that the leap day ends one; eras are of 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let from_era_zero = days + 719_468;
    let era = from_era_zero / 146_097;
    let of_era = from_era_zero % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let (month, carry) = if march_month < 10 { (march_month + 3, 0) } else { (march_month - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

/// Appends `value` with the digits from `unit` (a power of ten) down.
fn push_padded(out: &mut Vec<u8>, value: u64, mut unit: u64) {
    while unit > 0 {
        out.push(decimal_digit(value / unit));
        unit /= 10;
    }
}

/// Reads an RFC 3339 time (section 5.6): full date, `T`, full time, `Z` or an offset. Parts of a
/// millisecond are dropped. Anything looser that ISO 8601 would allow, and times before 1970, are
/// `None`.
pub fn parse_rfc3339(text: &str) -> Option<UnixMs> {
    if !has_rfc3339_shape(text.as_bytes()) {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    if time < jiff::Timestamp::UNIX_EPOCH {
        return None;
    }
    u64::try_from(time.as_millisecond()).ok().map(UnixMs)
}

/// Whether the octets have the shape `dddd-dd-ddTdd:dd:dd[.d+](Z|[+-]dd:dd)`; jiff checks the
/// values, but would also take shapes that RFC 3339 does not have.
fn has_rfc3339_shape(text: &[u8]) -> bool {
    let Some((head, mut tail)) = text.split_at_checked(19) else { return false };
    if !matches_shape(head, b"dddd-dd-ddTdd:dd:dd") {
        return false;
    }
    if let Some(fraction) = tail.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|octet| octet.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        tail = fraction.get(digits..).unwrap_or_default();
    }
    matches!(tail, b"Z" | b"z") || matches_shape(tail, b"+dd:dd") || matches_shape(tail, b"-dd:dd")
}

fn matches_shape(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(octet, expected)| match expected {
            b'd' => octet.is_ascii_digit(),
            b'T' => matches!(octet, b'T' | b't'),
            literal => octet == literal,
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn printed(ms: u64) -> String {
        let mut out = Vec::new();
        push_rfc3339(&mut out, UnixMs(ms));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn known_times() {
        assert_eq!(printed(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(printed(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(printed(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(printed(LAST), "9999-12-31T23:59:59.999Z");
        assert_eq!(printed(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn offsets_and_fractions() {
        let parsed = |text: &str| parse_rfc3339(text).map(|time| time.0);
        assert_eq!(parsed("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parsed("1969-12-31T23:00:00-01:30"), Some(1_800_000));
        assert_eq!(parsed("1970-01-01t00:00:01.5z"), Some(1_500));
        assert_eq!(parsed("1970-01-01T00:00:00.001999Z"), Some(1));
    }

    #[test]
    fn looser_forms_and_impossible_times_are_refused() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00+0100",
            "1970-01-01T00:00:00Z[UTC]",
            "1970-13-01T00:00:00Z",
            "1970-02-29T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1969-12-31T23:59:59.999Z",
            "+001970-01-01T00:00:00Z",
            "1970-01-01T00:00:00,5Z",
            "197\u{0661}-01-01T00:00:00Z",
            "0",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_agrees_with_jiff_and_reads_back(ms in 0..=LAST) {
            let text = printed(ms);
            let time: jiff::Timestamp = text.parse().unwrap();
            prop_assert_eq!(u64::try_from(time.as_millisecond()).unwrap(), ms);
            prop_assert_eq!(parse_rfc3339(&text), Some(UnixMs(ms)));
        }

        #[test]
        fn nothing_panics(text in "[-0-9TtZz:.+ ]{0,30}|\\PC{0,30}") {
            let _: Option<UnixMs> = parse_rfc3339(&text);
        }
    }
}
