//! HTTP dates (RFC 9110 §5.6.7), read as a cache has to (RFC 9111 §4.2): by hand, because the
//! `httpdate` crate is strict about case, where a cache should not be.

use crate::clock::Timestamp;
use http::{HeaderMap, HeaderName};

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

const DAY: i64 = 86_400;

/// A date field, its first line, if it can be read.
pub(crate) fn field(headers: &HeaderMap, name: &HeaderName, now: Timestamp) -> Option<Timestamp> {
    headers
        .get(name)
        .and_then(|value| parse(value.as_bytes(), now))
}

/// RFC 9110 §5.6.7: all three forms. Letters in any case, the name of the day not compared with
/// the date, every width as the grammar has it, no zone but GMT (RFC 9111 §4.2). A date before
/// 1970 is 1970: it is past all the same.
///
/// `now` tells the century of a year of two digits.
pub(crate) fn parse(value: &[u8], now: Timestamp) -> Option<Timestamp> {
    let value = value.trim_ascii();
    let civil = match value.iter().position(|b| *b == b',') {
        Some(3) => imf_fixdate(Reader(value))?,
        Some(_) => rfc850(Reader(value), now)?,
        None => asctime(Reader(value))?,
    };
    let seconds = u64::try_from(civil.checked()?.seconds()).unwrap_or(0);
    Some(Timestamp(seconds.saturating_mul(1000)))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn imf_fixdate(mut text: Reader<'_>) -> Option<Civil> {
    text.day(3)?;
    text.literal(", ")?;
    let day = text.digits(2)?;
    text.literal(" ")?;
    let month = text.month()?;
    text.literal(" ")?;
    let year = text.digits(4)?;
    text.literal(" ")?;
    let second = text.time()?;
    text.literal(" GMT")?;
    text.end(Civil {
        year,
        month,
        day,
        second,
    })
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`.
fn rfc850(mut text: Reader<'_>, now: Timestamp) -> Option<Civil> {
    text.day(usize::MAX)?;
    text.literal(", ")?;
    let day = text.digits(2)?;
    text.literal("-")?;
    let month = text.month()?;
    text.literal("-")?;
    let year = text.digits(2)?;
    text.literal(" ")?;
    let second = text.time()?;
    text.literal(" GMT")?;
    let civil = Civil {
        year,
        month,
        day,
        second,
    };
    text.end(civil.in_century(now))
}

/// `Sun Nov  6 08:49:37 1994`.
fn asctime(mut text: Reader<'_>) -> Option<Civil> {
    text.day(3)?;
    text.literal(" ")?;
    let month = text.month()?;
    text.literal(" ")?;
    let day = match text.literal(" ") {
        Some(()) => text.digits(1)?,
        None => text.digits(2)?,
    };
    text.literal(" ")?;
    let second = text.time()?;
    text.literal(" ")?;
    let year = text.digits(4)?;
    text.end(Civil {
        year,
        month,
        day,
        second,
    })
}

/// What is left of a date.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn literal(&mut self, expected: &str) -> Option<()> {
        let (start, rest) = self.0.split_at_checked(expected.len())?;
        start.eq_ignore_ascii_case(expected.as_bytes()).then(|| {
            self.0 = rest;
        })
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let add = |n: i64, b: &u8| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'));
        digits.iter().try_fold(0, add)
    }

    /// The name of any day, its first `letters`.
    fn day(&mut self, letters: usize) -> Option<()> {
        DAYS.iter()
            .find_map(|day| self.literal(day.get(..letters).unwrap_or(day)))
    }

    /// 1 to 12.
    fn month(&mut self) -> Option<i64> {
        let at = MONTHS
            .iter()
            .position(|month| self.literal(month).is_some())?;
        i64::try_from(at + 1).ok()
    }

    /// The second of the day. A leap second is the one before it: where time has no room for
    /// it, the earlier one is to be taken (RFC 9111 §4.2).
    fn time(&mut self) -> Option<i64> {
        let hour = self.digits(2)?;
        self.literal(":")?;
        let minute = self.digits(2)?;
        self.literal(":")?;
        let second = self.digits(2)?;
        let valid = hour < 24 && minute < 60 && second <= 60;
        valid.then(|| hour * 3600 + minute * 60 + second.min(59))
    }

    fn end(&self, civil: Civil) -> Option<Civil> {
        self.0.is_empty().then_some(civil)
    }
}

/// A moment in the proleptic Gregorian calendar, UTC.
#[derive(Clone, Copy)]
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    /// Of the day.
    second: i64,
}

impl Civil {
    /// Itself, if there is such a day.
    fn checked(self) -> Option<Self> {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=days).contains(&self.day).then_some(self)
    }

    /// Since 1970. Years begin in March here, so that the leap day is the last of its year.
    fn seconds(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        (era * 146_097 + day_of_era - 719_468) * DAY + self.second
    }

    fn of(now: Timestamp) -> Self {
        let seconds = i64::try_from(now.0 / 1000).unwrap_or(i64::MAX);
        let days = seconds / DAY + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = (shifted + 2) % 12 + 1;
        Self {
            year: year + era * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            second: seconds % DAY,
        }
    }

    /// The last year of these two digits that is not more than 50 years ahead of `now`
    /// (RFC 9110 §5.6.7).
    fn in_century(mut self, now: Timestamp) -> Self {
        let mut limit = Self::of(now);
        self.year += limit.year - limit.year % 100 + 100;
        limit.year += 50;
        while self.seconds() > limit.seconds() {
            self.year -= 100;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// 6 November 1994, the example of the RFC.
    const THEN: Timestamp = Timestamp(784_111_777_000);
    /// 14 November 2023.
    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn at(value: &str) -> Option<Timestamp> {
        parse(value.as_bytes(), NOW)
    }

    #[test]
    fn all_three_forms_are_read_in_any_case_and_whatever_the_weekday() {
        for value in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "SUN, 06 nov 1994 08:49:37 gMT",
            "sunday, 06-NOV-94 08:49:37 gmt",
            "sUn nOV  6 08:49:37 1994",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Wednesday, 06-Nov-94 08:49:37 GMT",
            " Sun, 06 Nov 1994 08:49:37 GMT\t",
        ] {
            assert_eq!(at(value), Some(THEN), "{value}");
        }
    }

    #[test]
    fn what_the_grammar_does_not_have_is_no_date() {
        for value in [
            "",
            "0",
            "-1",
            "yesterday",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT+1",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 19940 08:49:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Sun, 06  Nov  1994 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Tue, 29 Feb 1994 08:49:37 GMT",
            "Tue, 29 Feb 1900 08:49:37 GMT",
            "Xyz, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nvo 1994 08:49:37 GMT",
            "Sunday, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 6-Nov-94 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(at(value), None, "{value}");
        }
    }

    #[test]
    fn the_ends_of_time_and_leap_seconds_are_read() {
        for (value, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Wed, 31 Dec 1969 23:59:59 GMT", 0),
            ("Sat, 01 Jan 0000 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799),
        ] {
            assert_eq!(at(value), Some(Timestamp(seconds * 1000)), "{value}");
        }
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_fifty_years_ahead() {
        let year = |date: &str, now: &str| {
            let now = parse(now.as_bytes(), Timestamp(0)).expect("a date");
            let read = parse(date.as_bytes(), now).expect("a date");
            Civil::of(read).year
        };
        let in_2023 = "Tue, 14 Nov 2023 22:13:20 GMT";
        for (date, now, expected) in [
            ("Monday, 14-Nov-73 22:13:20 GMT", in_2023, 2073),
            ("Monday, 14-Nov-73 22:13:21 GMT", in_2023, 1973),
            ("Monday, 01-Jan-74 00:00:00 GMT", in_2023, 1974),
            ("Monday, 01-Jan-00 00:00:00 GMT", in_2023, 2000),
            ("Monday, 01-Jan-99 00:00:00 GMT", in_2023, 1999),
            (
                "Monday, 01-Jan-01 00:00:00 GMT",
                "Thu, 31 Dec 2099 00:00:00 GMT",
                2101,
            ),
        ] {
            assert_eq!(year(date, now), expected, "{date}");
        }
        assert_eq!(
            parse(b"Monday, 29-Feb-23 00:00:00 GMT", NOW),
            None,
            "no such day in that century"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0u64..253_402_300_800) {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            let read = parse(text.as_bytes(), NOW);
            prop_assert_eq!(read, Some(Timestamp(seconds * 1000)));
            let civil = Civil::of(Timestamp(seconds * 1000));
            prop_assert_eq!(u64::try_from(civil.seconds()), Ok(seconds));
        }

        #[test]
        fn nothing_panics(value in proptest::collection::vec(any::<u8>(), 0..40), now in any::<u64>()) {
            let _ = parse(&value, Timestamp(now));
        }
    }
}
