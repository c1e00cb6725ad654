//! Times of the wire (3.4 section 7.1.1, 5.0 section 4.7.23): `YYMMDDhhmmsstnnp`, absolute or relative,
//! against Unix milliseconds. Exact in whole numbers, by the Gregorian calendar. Pure, lives nowhere.

/// Characters of a time in full.
pub(crate) const TIME_LEN: usize = 16;

const MS_PER_SECOND: i64 = 1_000;
const MS_PER_QUARTER: i64 = 15 * 60 * MS_PER_SECOND;
const MS_PER_DAY: i64 = 24 * 60 * 60 * MS_PER_SECOND;
/// Two-digit years up to this one are of the 21st century (3.4 section 7.1.1.2).
const LAST_OF_CENTURY: i64 = 37;
/// Farthest offset from UTC, in quarter hours.
const MAX_OFFSET: i8 = 48;

/// A point in time, to the tenth of a second, with the offset from UTC that it is written in.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct AbsoluteTime {
    /// A multiple of 100.
    unix_ms: i64,
    offset_quarters: i8,
}

/// A length of time, to the second: a calendar's years and months, then days and shorter units; each 0 to 99.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct RelativeTime {
    years: u8,
    months: u8,
    days: u8,
    hours: u8,
    minutes: u8,
    seconds: u8,
}

/// A time as a field may hold it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum SmppTime {
    /// With `+` or `-` at its end.
    Absolute(AbsoluteTime),
    /// With `R` at its end.
    Relative(RelativeTime),
}

impl SmppTime {
    /// Reads a time in full; `None` when it is none, the empty one included.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let whole: &[u8; TIME_LEN] = text.try_into().ok()?;
        let (digits, [sign]) = whole.split_last_chunk::<1>()?;
        let [years, months, days, hours, minutes, seconds] = pairs(digits.first_chunk::<12>()?)?;
        let [tenth, quarters @ ..] = digits.last_chunk::<3>()?;
        let ([tenth], [quarters]) = (pairs(&[b'0', *tenth])?, pairs(quarters)?);
        if *sign == b'R' {
            let relative = RelativeTime { years, months, days, hours, minutes, seconds };
            return Some(Self::Relative(relative));
        }
        let quarters = i8::try_from(quarters).ok().filter(|quarters| *quarters <= MAX_OFFSET)?;
        let offset_quarters = match sign {
            b'+' => quarters,
            b'-' => -quarters,
            _ => return None,
        };
        let local = local_ms([years, months, days, hours, minutes, seconds])?;
        let unix_ms = local + i64::from(tenth) * 100 - i64::from(offset_quarters) * MS_PER_QUARTER;
        Some(Self::Absolute(AbsoluteTime { unix_ms, offset_quarters }))
    }

    /// The text, without a NUL.
    pub fn print(self) -> [u8; TIME_LEN] {
        match self {
            Self::Absolute(time) => time.print(),
            Self::Relative(time) => time.print(),
        }
    }

    /// The point in time that is meant at `now_ms`, in Unix milliseconds.
    pub fn unix_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Absolute(time) => time.unix_ms,
            Self::Relative(time) => time.after(now_ms),
        }
    }
}

impl AbsoluteTime {
    /// The time at `unix_ms`, rounded down to a tenth of a second, written with an offset from UTC in quarter
    /// hours. `None` beyond 48 quarters either way, and where the local year is not 1938 to 2037: two digits
    /// say no more.
    pub fn new(unix_ms: i64, offset_quarters: i8) -> Option<Self> {
        let time = Self { unix_ms: unix_ms.div_euclid(100) * 100, offset_quarters };
        let in_range = (-MAX_OFFSET..=MAX_OFFSET).contains(&offset_quarters);
        (in_range && (1938..=2037).contains(&time.civil()?.0)).then_some(time)
    }

    /// Reads a final_date: a time in full, or twelve digits `YYMMDDhhmmss`, which some 3.4 message centres
    /// send in their local time; those are taken as UTC.
    pub fn parse_final_date(text: &[u8]) -> Option<Self> {
        if let Ok(twelve) = text.try_into() {
            return Some(Self { unix_ms: local_ms(pairs::<12, 6>(twelve)?)?, offset_quarters: 0 });
        }
        match SmppTime::parse(text)? {
            SmppTime::Absolute(time) => Some(time),
            SmppTime::Relative(_) => None,
        }
    }

    /// Unix milliseconds, a multiple of 100.
    pub const fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// The offset from UTC that it is written in, in quarter hours: positive is ahead.
    pub const fn offset_quarters(self) -> i8 {
        self.offset_quarters
    }

    /// Year, month and day, and milliseconds of the day, in local time.
    fn civil(self) -> Option<(i64, i64, i64, i64)> {
        let local = self.unix_ms.checked_add(i64::from(self.offset_quarters) * MS_PER_QUARTER)?;
        let (year, month, day) = civil_from_days(local.div_euclid(MS_PER_DAY));
        Some((year, month, day, local.rem_euclid(MS_PER_DAY)))
    }

    fn print(self) -> [u8; TIME_LEN] {
        // In range since `new` and `parse`.
        let (year, month, day, ms) = self.civil().unwrap_or_default();
        let second = ms / MS_PER_SECOND;
        let pairs = [year % 100, month, day, second / 3600, second / 60 % 60, second % 60];
        let tenth = ms % MS_PER_SECOND / 100;
        let sign = if self.offset_quarters < 0 { b'-' } else { b'+' };
        print(pairs, tenth, i64::from(self.offset_quarters.unsigned_abs()), sign)
    }
}

impl RelativeTime {
    /// A length of these parts; `None` when one exceeds 99.
    pub fn new([years, months, days, hours, minutes, seconds]: [u8; 6]) -> Option<Self> {
        let parts = [years, months, days, hours, minutes, seconds];
        parts.iter().all(|part| *part < 100).then_some(Self {
            years,
            months,
            days,
            hours,
            minutes,
            seconds,
        })
    }

    /// The length from `now_ms` to `then_ms`, rounded down to a second. Up to 99 days it has no months and no
    /// years, so that it means the same at any time. `None` when `then_ms` is the earlier one, or later by 100
    /// years.
    pub fn until(now_ms: i64, then_ms: i64) -> Option<Self> {
        let length = then_ms.checked_sub(now_ms).filter(|length| *length >= 0)?;
        let months = if length < 100 * MS_PER_DAY { 0 } else { whole_months(now_ms, then_ms) };
        let seconds = (then_ms - after_months(now_ms, months)) / MS_PER_SECOND;
        let part = |value: i64| u8::try_from(value).ok();
        Self::new([
            part(months / 12)?,
            part(months % 12)?,
            part(seconds / 86_400)?,
            part(seconds / 3600 % 24)?,
            part(seconds / 60 % 60)?,
            part(seconds % 60)?,
        ])
    }

    /// The point in time that lies this length after `now_ms`, in Unix milliseconds: years and months by the
    /// calendar of UTC (from the 31st to the last day of a shorter month), then the rest.
    pub fn after(self, now_ms: i64) -> i64 {
        let months = i64::from(self.years) * 12 + i64::from(self.months);
        let hours = i64::from(self.days) * 24 + i64::from(self.hours);
        let seconds = (hours * 60 + i64::from(self.minutes)) * 60 + i64::from(self.seconds);
        after_months(now_ms, months).saturating_add(seconds * MS_PER_SECOND)
    }

    fn print(self) -> [u8; TIME_LEN] {
        let parts = [self.years, self.months, self.days, self.hours, self.minutes, self.seconds];
        print(parts.map(i64::from), 0, 0, b'R')
    }
}

/// Numbers of two digits; `None` unless all octets are digits. `N` is twice `M`.
fn pairs<const N: usize, const M: usize>(digits: &[u8; N]) -> Option<[u8; M]> {
    let mut values = [0; M];
    for (value, pair) in values.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            *value = *value * 10 + digit;
        }
    }
    Some(values)
}

fn print(pairs: [i64; 6], tenth: i64, quarters: i64, sign: u8) -> [u8; TIME_LEN] {
    let digit = |value: i64| b'0' + u8::try_from(value % 10).unwrap_or(0);
    let [[a, b], [c, d], [e, f], [g, h], [i, j], [k, l]] =
        pairs.map(|pair| [digit(pair / 10), digit(pair)]);
    let (t, [m, n]) = (digit(tenth), [digit(quarters / 10), digit(quarters)]);
    [a, b, c, d, e, f, g, h, i, j, k, l, t, m, n, sign]
}

/// Unix milliseconds of YY, MM, DD, hh, mm, ss read as UTC; `None` when there is no such time.
fn local_ms([year, month, day, hour, minute, second]: [u8; 6]) -> Option<i64> {
    let [year, month, day] = [year, month, day].map(i64::from);
    let year = if year <= LAST_OF_CENTURY { 2000 + year } else { 1900 + year };
    let valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
    valid.then(|| days_from_civil(year, month, day) * MS_PER_DAY + seconds * MS_PER_SECOND)
}

fn after_months(now_ms: i64, months: i64) -> i64 {
    let (year, month, day) = civil_from_days(now_ms.div_euclid(MS_PER_DAY));
    let total = year * 12 + month - 1 + months;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    let days = days_from_civil(year, month, day.min(days_in(year, month)));
    days.saturating_mul(MS_PER_DAY).saturating_add(now_ms.rem_euclid(MS_PER_DAY))
}

/// Most months that fit between two points in time.
fn whole_months(now_ms: i64, then_ms: i64) -> i64 {
    let month_of = |ms: i64| {
        let (year, month, _) = civil_from_days(ms.div_euclid(MS_PER_DAY));
        year * 12 + month
    };
    let months = month_of(then_ms) - month_of(now_ms);
    if after_months(now_ms, months) > then_ms { months - 1 } else { months }
}

/// Days of a month of the Gregorian calendar.
pub(crate) const fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before the first of a month, in a year that begins in March and so ends with February.
const fn days_before(month: i64) -> i64 {
    (153 * ((month + 9) % 12) + 2) / 5
}

/// Days from 1 January 1970.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years from March on, so that a leap day is a year's last; 719,468 days lie before 1970.
    let year = if month <= 2 { year - 1 } else { year };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + days_before(month) + day - 1 - 719_468
}

/// Year, month and day of a day counted from 1 January 1970.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    // Of 400 years the fourth of every four is longer, but for each hundredth, but for the last.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
    (year, month, day - days_before(month) + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    /// 10 June 2002, 23:34:29 UTC.
    const JUNE: i64 = 1_023_752_069_000;
    /// 1 January 1938 and 2038, UTC.
    const YEARS: core::ops::Range<i64> = -1_009_843_200_000..2_145_916_800_000;

    fn absolute(text: &[u8]) -> i64 {
        let Some(SmppTime::Absolute(time)) = SmppTime::parse(text) else { panic!("{text:?}") };
        assert_eq!(SmppTime::Absolute(time).print(), text);
        time.unix_ms()
    }

    fn relative(text: &[u8]) -> RelativeTime {
        let Some(SmppTime::Relative(time)) = SmppTime::parse(text) else { panic!("{text:?}") };
        assert_eq!(SmppTime::Relative(time).print(), text);
        time
    }

    #[test]
    fn absolute_times_are_read_with_tenths_and_quarter_hours() {
        assert_eq!(absolute(b"020610233429000+"), JUNE);
        assert_eq!(absolute(b"020610233429700+"), JUNE + 700);
        // Local time is ahead of UTC: UTC is earlier.
        assert_eq!(absolute(b"020611003429004+"), JUNE);
        assert_eq!(absolute(b"020610181929021-"), JUNE);
        assert_eq!(absolute(b"020611113429048+"), JUNE);
        assert_eq!(absolute(b"700101000000000+"), 0);
        assert_eq!(absolute(b"691231235959900+"), -100);
        assert_eq!(absolute(b"000229120000000+"), 951_825_600_000);
    }

    #[test]
    fn two_digit_years_change_century_after_37() {
        assert_eq!(absolute(b"380101000000000+"), YEARS.start);
        assert_eq!(absolute(b"371231235959900+"), YEARS.end - 100);
        assert!(AbsoluteTime::new(YEARS.start - 1, 0).is_none());
        assert!(AbsoluteTime::new(YEARS.end, 0).is_none());
        assert!(AbsoluteTime::new(YEARS.end, -1).is_some(), "still 2037 there");
        assert!(AbsoluteTime::new(0, 49).is_none() && AbsoluteTime::new(0, -49).is_none());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            &b""[..],
            b"020610233429000",
            b"0206102334290000+",
            b"020610233429000Z",
            b"0206102334290x0+",
            b"021310233429000+",
            b"020010233429000+",
            b"020631233429000+",
            b"020600233429000+",
            b"010229233429000+",
            b"020610243429000+",
            b"020610236029000+",
            b"020610233460000+",
            b"020610233429049+",
            b"02061023342 000R",
        ] {
            assert_eq!(SmppTime::parse(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn relative_times_follow_the_calendar() {
        // 2 years, 6 months, 10 days, 23 h, 34 min, 29 s after 10 June 2002, 23:34:29.
        let time = relative(b"020610233429000R");
        assert_eq!(time.after(JUNE), absolute(b"041221230858000+"));
        let month = relative(b"000100000000000R");
        assert_eq!(month.after(absolute(b"030131120000500+")), absolute(b"030228120000500+"));
        assert_eq!(month.after(absolute(b"040131120000000+")), absolute(b"040229120000000+"));
        assert_eq!(month.after(absolute(b"031231000000000+")), absolute(b"040131000000000+"));
        let days = relative(b"000099000000000R");
        assert_eq!(days.after(0), 99 * MS_PER_DAY);
        assert!(RelativeTime::new([0, 0, 100, 0, 0, 0]).is_none());
    }

    #[test]
    fn a_validity_of_days_is_written_in_days() {
        let print = |ms| SmppTime::Relative(RelativeTime::until(JUNE, JUNE + ms).unwrap()).print();
        assert_eq!(&print(48 * 3_600_000), b"000002000000000R");
        assert_eq!(&print(90_061_999), b"000001010101000R");
        assert_eq!(&print(100 * MS_PER_DAY - 1), b"000099235959000R");
        assert_eq!(&print(100 * MS_PER_DAY), b"000308000000000R");
        assert!(RelativeTime::until(JUNE, JUNE - 1).is_none());
    }

    #[test]
    fn final_dates_may_have_twelve_digits() {
        let read = |text: &[u8]| AbsoluteTime::parse_final_date(text).map(AbsoluteTime::unix_ms);
        assert_eq!(read(b"020610233429"), Some(JUNE));
        assert_eq!(read(b"020611003429004+"), Some(JUNE));
        assert_eq!(read(b"020610233429000R"), None);
        assert_eq!(read(b""), None);
        assert_eq!(read(b"021310233429"), None);
    }

    proptest! {
        #[test]
        fn absolute_times_are_printed_and_read_exactly(ms in YEARS, quarters in -48_i8..=48) {
            if let Some(time) = AbsoluteTime::new(ms, quarters) {
                let text = SmppTime::Absolute(time).print();
                prop_assert_eq!(SmppTime::parse(&text), Some(SmppTime::Absolute(time)));
                prop_assert_eq!(time.unix_ms(), ms.div_euclid(100) * 100);
                prop_assert_eq!(time.offset_quarters(), quarters);
                prop_assert_eq!(SmppTime::Absolute(time).unix_ms(ms), time.unix_ms());
            } else {
                let edge = MS_PER_DAY;
                prop_assert!(ms < YEARS.start + edge || ms > YEARS.end - edge);
            }
        }

        #[test]
        fn relative_times_are_printed_and_read_exactly(parts in prop::array::uniform6(0_u8..100)) {
            let time = RelativeTime::new(parts).unwrap();
            let text = SmppTime::Relative(time).print();
            prop_assert_eq!(SmppTime::parse(&text), Some(SmppTime::Relative(time)));
        }

        #[test]
        fn a_length_is_found_again_to_the_second(now in YEARS, length in 0_i64..3_100_000_000_000) {
            let time = RelativeTime::until(now, now + length).unwrap();
            prop_assert_eq!(time.after(now), now + length / 1000 * 1000);
            prop_assert!(time.days < 32 || (time.months == 0 && time.years == 0));
        }

        #[test]
        fn days_are_counted_as_a_calendar_counts_them(days in -40_000_i64..40_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            let next = civil_from_days(days + 1);
            let expected = if day < days_in(year, month) {
                (year, month, day + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
            prop_assert_eq!(next, expected);
        }

        #[test]
        fn any_octets_are_read_without_a_fault(text in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some(time) = SmppTime::parse(&text) {
                let now = time.unix_ms(0);
                prop_assert!(now > -2_000_000_000_000);
            }
        }
    }
}
