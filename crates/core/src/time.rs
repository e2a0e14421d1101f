//! Instants and civil dates, as plain integers.

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(pub u64);

impl Time {
    /// This instant and `ms` more; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Time {
        Time(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; 0 if it lies ahead.
    #[must_use]
    pub const fn since_ms(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The civil date at a place whose clock is `utc_offset_min` ahead of UTC.
    #[must_use]
    pub fn date(self, utc_offset_min: i16) -> Date {
        let local_ms = i64::try_from(self.0).unwrap_or(i64::MAX / 2) + i64::from(utc_offset_min) * 60_000;
        let days = local_ms.div_euclid(86_400_000);
        Date(i32::try_from(days).unwrap_or(i32::MAX))
    }
}

/// A civil date: days since 1970-01-01, negative before.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Date(pub i32);

impl Date {
    /// The date of a year, month (1-12) and day (1-31); `None` if there is none such.
    #[must_use]
    pub fn from_civil(year: i32, month: u32, day: u32) -> Option<Date> {
        if !(1..=12).contains(&month) || day == 0 || !(-9999..=9999).contains(&year) {
            return None;
        }
        let date = Date(days_from_civil(year, month, day));
        (date.civil() == (year, month, day)).then_some(date)
    }

    /// Year, month (1-12) and day (1-31).
    ///
    /// Source: the `civil_from_days` algorithm of Howard Hinnant's "chrono-compatible
    /// low-level date algorithms".
    #[must_use]
    pub fn civil(self) -> (i32, u32, u32) {
        let shifted = i64::from(self.0) + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year as i32, month as u32, day as u32)
    }

    /// The last digit of the day of the month: 0 to 9. Birth-digit days go by it.
    #[must_use]
    pub fn birth_digit(self) -> u8 {
        (self.civil().2 % 10) as u8
    }
}

/// Days since 1970-01-01 of a civil date; the month and day may overflow.
fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_survives_the_round_trip() {
        for day in -150_000..150_000 {
            let (y, m, d) = Date(day).civil();
            assert_eq!(Date::from_civil(y, m, d), Some(Date(day)));
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        assert_eq!(Date::from_civil(2021, 2, 29), None);
        assert_eq!(Date::from_civil(2021, 13, 1), None);
        assert_eq!(Date::from_civil(2021, 4, 31), None);
        assert!(Date::from_civil(2024, 2, 29).is_some());
    }

    #[test]
    fn the_date_turns_at_local_midnight() {
        // 2021-07-14T15:00:00Z is 2021-07-15 in Korea.
        let instant = Time(1_626_274_800_000);
        assert_eq!(instant.date(540).civil(), (2021, 7, 15));
        assert_eq!(Time(instant.0 - 1).date(540).civil(), (2021, 7, 14));
        assert_eq!(instant.date(540).birth_digit(), 5);
    }
}
