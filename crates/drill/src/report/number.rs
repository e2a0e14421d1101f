//! Numbers in the reader's terms: thousands separators, hours and minutes, clock times.
//!
//! Must never make a number look better than it is: a share of 0.99998 is not shown as 1.
//! Start at [`number`], then [`duration`].

/// Seconds in a day; clock times wrap around at it.
const DAY_S: i64 = 86_400;

/// A whole number with commas between thousands, such as `397,896`.
pub fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        out.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with thousands separators and as many decimals as it needs, at most six: 1,234 and
/// 36.84 and 0.9998. What is not whole is never rounded to a whole number below 100.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "not a number".to_string();
    }
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return grouped(value as i64);
    }
    let size = value.abs();
    let decimals = match size {
        _ if size >= 1000.0 => 0,
        _ if size >= 100.0 => 1,
        _ if size >= 1.0 => 2,
        _ if size >= 0.1 => 3,
        _ => 4,
    };
    let mut text = with_decimals(value, decimals);
    for more in decimals + 1..=6 {
        if size >= 100.0 || text.parse::<f64>().is_ok_and(|shown| shown.fract() != 0.0) {
            break;
        }
        text = with_decimals(value, more);
    }
    text
}

/// `value` with `decimals` places and thousands separators; trailing zeros are dropped.
fn with_decimals(value: f64, decimals: usize) -> String {
    let fixed = format!("{value:.decimals$}");
    let (whole, fraction) = fixed.split_once('.').unwrap_or((&fixed, ""));
    let fraction = fraction.trim_end_matches('0');
    let negative = whole.starts_with('-');
    let whole = grouped(whole.trim_start_matches('-').parse().unwrap_or(0));
    let sign = if negative { "-" } else { "" };
    match fraction {
        "" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

/// A part of a whole in percent, such as `23.8 %`; empty when the whole is zero. A part that is
/// not everything is never shown as 100 %.
pub fn percent(part: f64, whole: f64) -> String {
    if whole == 0.0 {
        return String::new();
    }
    let share = part / whole * 100.0;
    let rounded = (share * 10.0).round() / 10.0;
    if rounded == 100.0 && part != whole {
        return format!("{} %", number(share));
    }
    format!("{} %", with_decimals(rounded, 1))
}

/// A span of time given in seconds: `340 ms`, `1.2 s`, `58.4 s`, `12 min 30 s`, `3 h 36 min`.
pub fn duration(seconds: f64) -> String {
    if seconds < 0.0 {
        return format!("-{}", duration(-seconds));
    }
    if seconds == 0.0 {
        return "0 s".to_string();
    }
    if seconds < 0.9995 {
        return format!("{} ms", with_decimals(seconds * 1000.0, if seconds < 0.01 { 2 } else { 0 }));
    }
    if seconds < 59.95 {
        return format!("{} s", with_decimals(seconds, 1));
    }
    let whole = seconds.round() as i64;
    let (large, small, large_unit, small_unit) = match whole {
        0..3600 => (whole / 60, whole % 60, "min", "s"),
        _ => {
            let minutes = (whole + 30) / 60;
            (minutes / 60, minutes % 60, "h", "min")
        }
    };
    match small {
        0 => format!("{} {large_unit}", grouped(large)),
        _ => format!("{} {large_unit} {small} {small_unit}", grouped(large)),
    }
}

/// The time of day `seconds` after an opening at `opening_s` seconds after midnight: `20:05`, or
/// `20:05:30` when `with_seconds`.
pub fn clock(opening_s: u32, seconds: f64, with_seconds: bool) -> String {
    let at = (i64::from(opening_s) + seconds.floor() as i64).rem_euclid(DAY_S);
    let (hours, minutes, rest) = (at / 3600, at / 60 % 60, at % 60);
    match with_seconds {
        true => format!("{hours:02}:{minutes:02}:{rest:02}"),
        false => format!("{hours:02}:{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (value, shown) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1_850_000.0, "1,850,000"),
            (-12_345.0, "-12,345"),
            (36.842, "36.84"),
            (1234.5, "1,234"),
            (0.5, "0.5"),
            (-0.25, "-0.25"),
        ] {
            assert_eq!(number(value), shown, "{value}");
        }
    }

    #[test]
    fn nearly_everything_is_not_shown_as_everything() {
        assert_eq!(number(0.99998), "0.99998");
        assert_eq!(percent(99_999.0, 100_000.0), "99.999 %");
        assert_eq!(percent(100_000.0, 100_000.0), "100 %");
        assert_eq!(percent(397_896.0, 1_670_000.0), "23.8 %");
    }

    #[test]
    fn spans_of_time_read_as_people_say_them() {
        for (seconds, shown) in [
            (0.0, "0 s"),
            (0.0042, "4.2 ms"),
            (0.34, "340 ms"),
            (1.23, "1.2 s"),
            (58.42, "58.4 s"),
            (59.97, "1 min"),
            (750.0, "12 min 30 s"),
            (12_960.0, "3 h 36 min"),
            (7170.0, "2 h"),
        ] {
            assert_eq!(duration(seconds), shown, "{seconds}");
        }
    }

    #[test]
    fn clock_times_wrap_at_midnight() {
        assert_eq!(clock(20 * 3600, 300.0, false), "20:05");
        assert_eq!(clock(20 * 3600, -1.0, true), "19:59:59");
        assert_eq!(clock(20 * 3600, 4.0 * 3600.0, false), "00:00");
    }
}
