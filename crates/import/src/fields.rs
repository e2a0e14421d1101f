//! Judges single values: instants and their offsets, capacities, postcodes, positions, texts.
//!
//! Pure: no files, no clock. Each function gives the value or the fault to report.

use jiff::Timestamp;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{Offset, TimeZone};

use super::report::{Code, Fault};
use super::zones;

/// Bytes of an id; FHIR says 64, real feeds exceed it.
const ID_BYTES_MAX: usize = 256;
/// Bytes of any other text.
const TEXT_BYTES_MAX: usize = 2_000;

/// An instant, and whether its offset could be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    pub ms: i64,
    pub offset_checked: bool,
}

/// Trims, bounds, and drops control characters' rows: a text that people will read.
pub(super) fn text(field: &str, value: &str) -> Result<String, Fault> {
    bounded_text(field, value, TEXT_BYTES_MAX)
}

/// Like [`text`], but must not be empty.
pub(super) fn required_text(field: &str, value: &str) -> Result<String, Fault> {
    let value = text(field, value)?;
    if value.is_empty() {
        return Err(Fault::new(Code::MissingField, format!("{field} is empty")));
    }
    Ok(value)
}

/// An id: not empty, bounded.
pub(super) fn id(field: &str, value: &str) -> Result<String, Fault> {
    let value = bounded_text(field, value, ID_BYTES_MAX)?;
    if value.is_empty() {
        return Err(Fault::new(Code::MissingField, format!("{field} is empty")));
    }
    Ok(value)
}

fn bounded_text(field: &str, value: &str, bytes_max: usize) -> Result<String, Fault> {
    let value = value.trim();
    if value.len() > bytes_max {
        let message = format!("{field} has {} bytes; {bytes_max} are allowed", value.len());
        return Err(Fault::new(Code::BadField, message));
    }
    if value.chars().any(char::is_control) {
        return Err(Fault::new(Code::BadField, format!("{field} holds control characters")));
    }
    Ok(value.to_owned())
}

/// A value as it may stand in a message: short, on one line.
pub(super) fn quoted(value: &str) -> String {
    let mut short: String = value.chars().take(60).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// A FHIR instant. Its offset must be UTC, or one that a zone of `zones` has at that instant; with
/// no zones it is not checked.
pub(super) fn instant(field: &str, value: &str, zones: &[TimeZone]) -> Result<Instant, Fault> {
    let bad = |why: &str| Fault::new(Code::BadInstant, format!("{field} {} {why}", quoted(value)));
    if !has_instant_shape(value.as_bytes()) {
        return Err(bad("is not a date, a time with seconds, and an offset"));
    }
    // jiff adds a leap second to the minute's last second, and so do we; what it refuses is a day
    // or an hour that does not exist.
    let pieces = Pieces::parse(value).map_err(|_| bad("does not exist"))?;
    let time = pieces.time().ok_or_else(|| bad("has no time"))?;
    let offset = match pieces.offset() {
        Some(PiecesOffset::Zulu) => Offset::UTC,
        Some(PiecesOffset::Numeric(numeric)) => numeric.offset(),
        _ => return Err(bad("has no offset")),
    };
    // Kiritimati has the largest offset in use; more is a slip of the pen.
    if offset.seconds().abs() > 14 * 3_600 {
        return Err(bad("has an offset beyond 14 hours"));
    }
    let local = pieces.date().to_datetime(time);
    let at: Timestamp = offset.to_timestamp(local).map_err(|_| bad("does not exist"))?;
    if !(2000..2100).contains(&local.year()) {
        return Err(bad("is not in the years 2000 to 2099"));
    }
    check_offset(field, value, offset, at, zones)?;
    Ok(Instant { ms: at.as_millisecond(), offset_checked: !zones.is_empty() })
}

/// `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm|±hh)`; digits are checked, ranges are not.
fn has_instant_shape(bytes: &[u8]) -> bool {
    let like = |bytes: &[u8], pattern: &[u8]| {
        bytes.len() == pattern.len()
            && bytes.iter().zip(pattern).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                b'+' => matches!(byte, b'+' | b'-'),
                wanted => byte == wanted,
            })
    };
    let Some((moment, mut rest)) = bytes.split_at_checked(19) else {
        return false;
    };
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        rest = &fraction[digits..];
    }
    like(moment, b"0000-00-00T00:00:00") && (rest == b"Z" || like(rest, b"+00:00") || like(rest, b"+00"))
}

fn check_offset(
    field: &str,
    value: &str,
    offset: Offset,
    at: Timestamp,
    zones: &[TimeZone],
) -> Result<(), Fault> {
    let fits = offset == Offset::UTC || zones.iter().any(|zone| zone.to_offset(at) == offset);
    if zones.is_empty() || fits {
        return Ok(());
    }
    let wanted: Vec<String> = zones
        .iter()
        .map(|zone| {
            let name = zone.iana_name().unwrap_or("the zone");
            format!("{name} is at {}", shown_offset(zone.to_offset(at)))
        })
        .collect();
    let (offset, wanted) = (shown_offset(offset), wanted.join(", "));
    let message = format!("{field} {} has offset {offset}, but {wanted}", quoted(value));
    Err(Fault::new(Code::WrongOffset, message))
}

/// As FHIR writes it: `-05:00`.
fn shown_offset(offset: Offset) -> String {
    let (sign, minutes) = (if offset.is_negative() { '-' } else { '+' }, offset.seconds().abs() / 60);
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Places in a slot.
pub(super) fn capacity(places: Option<i64>, shown: &str, max: u32) -> Result<u32, Fault> {
    match places {
        Some(0) => Err(Fault::new(Code::ZeroCapacity, "capacity is 0")),
        Some(places) => match u32::try_from(places).ok().filter(|places| *places <= max) {
            Some(places) => Ok(places),
            None => Err(Fault::new(
                Code::BadCapacity,
                format!("capacity {} is not from 1 to {max}", quoted(shown)),
            )),
        },
        None => {
            Err(Fault::new(Code::BadCapacity, format!("capacity {} is not a whole number", quoted(shown))))
        }
    }
}

/// A postcode of five digits, or five and four. Countries other than the US and Korea have other
/// forms, and theirs are taken as they are.
pub(super) fn postcode(value: &str, country: &str, region: &str) -> Result<String, Fault> {
    let value = required_text("postcode", value)?;
    let here = country.is_empty()
        || ["US", "USA", "KR", "KOR", "UNITED STATES", "KOREA", "대한민국"]
            .contains(&country.to_uppercase().as_str())
        || zones::is_us_state(region)
        || zones::is_korean_province(region);
    if !here {
        return Ok(value);
    }
    let (main, extra) = value.split_once('-').unwrap_or((&value, "0000"));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(main) || !digits(extra) || extra.len() != 4 {
        return Err(Fault::new(Code::BadPostcode, format!("postcode {}", quoted(&value))));
    }
    match main.len() {
        5 => Ok(value),
        3 | 4 => {
            let whole = format!("{main:0>5}");
            let message = format!("postcode {} has lost a leading zero ({whole}?)", quoted(&value));
            Err(Fault::new(Code::ShortPostcode, message))
        }
        _ => Err(Fault::new(Code::BadPostcode, format!("postcode {}", quoted(&value)))),
    }
}

/// Degrees to microdegrees, both or none.
pub(super) fn position(latitude: Option<f64>, longitude: Option<f64>) -> Result<Option<(i32, i32)>, Fault> {
    match (latitude, longitude) {
        (None, None) => Ok(None),
        (Some(lat), Some(lon)) if lat.abs() <= 90.0 && lon.abs() <= 180.0 => {
            Ok(Some(((lat * 1e6).round() as i32, (lon * 1e6).round() as i32)))
        }
        (Some(lat), Some(lon)) => {
            Err(Fault::new(Code::BadPosition, format!("position {lat}, {lon} is not on Earth")))
        }
        _ => Err(Fault::new(Code::BadPosition, "latitude or longitude is missing or no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is milliseconds, or the code.
    fn check(value: &str, zone: Option<&str>, expected: &str) {
        let zones: Vec<TimeZone> =
            zone.iter().map(|name| TimeZone::get(name).expect("zone data is installed")).collect();
        let found = match instant("start", value, &zones) {
            Ok(instant) => instant.ms.to_string(),
            Err(fault) => fault.code.as_str().to_owned(),
        };
        assert_eq!(found, expected, "{value} in {zone:?}");
    }

    #[test]
    fn instants_need_an_offset_that_suits_the_season() {
        let new_york = Some("America/New_York");
        check("2021-07-14T20:00:00+09:00", Some("Asia/Seoul"), "1626260400000");
        check("2021-07-14T11:00:00Z", Some("Asia/Seoul"), "1626260400000");
        check("2021-07-14T11:00:00.250Z", None, "1626260400250");
        check("2021-07-14T07:00:00-04:00", new_york, "1626260400000");
        check("2021-07-14T06:00:00-05:00", new_york, "wrong_offset");
        check("2021-01-14T06:00:00-05:00", new_york, "1610622000000");
        check("2021-01-14T06:00:00-04:00", new_york, "wrong_offset");
        check("2021-07-14T06:00:00-05:00", None, "1626260400000");
        check("2021-03-10T15:00:00-05", new_york, "1615406400000");
        // Both sides of the hour that New York repeats in November.
        check("2021-11-07T01:30:00-04:00", new_york, "1636263000000");
        check("2021-11-07T01:30:00-05:00", new_york, "1636266600000");
        // An hour that the clocks skip has no right offset of its own.
        check("2021-03-14T02:30:00-05:00", new_york, "wrong_offset");
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for value in [
            "",
            "tomorrow",
            "2021-07-14",
            "2021-07-14T20:00:00",
            "2021-07-14 20:00:00Z",
            "2021-02-29T20:00:00Z",
            "2021-07-14T24:00:00Z",
            "2021-07-14T20:60:00Z",
            "2021-07-14T20:00Z",
            "2021-07-14T20:00:00+0900",
            "2021-07-14T20:00:00.Z",
            "2021-07-14T20:00:00+25:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2021-07-14T20:00:00+09:00[Asia/Seoul]",
            "２021-07-14T20:00:00Z",
        ] {
            check(value, None, "bad_instant");
        }
    }

    #[test]
    fn postcodes_keep_their_zeros() {
        for (value, country, region, expected) in [
            ("03045", "", "서울특별시", "03045"),
            ("3045", "", "서울특별시", "short_postcode"),
            ("2114", "", "MA", "short_postcode"),
            ("601", "US", "PR", "short_postcode"),
            ("1201-7223", "", "MA", "short_postcode"),
            ("01201-7223", "", "MA", "01201-7223"),
            ("2114", "AU", "NSW", "2114"),
            ("SW1A 1AA", "GB", "", "SW1A 1AA"),
            ("O2114", "", "MA", "bad_postcode"),
            ("123456", "", "MA", "bad_postcode"),
            ("", "", "MA", "missing_field"),
        ] {
            let found =
                postcode(value, country, region).unwrap_or_else(|fault| fault.code.as_str().to_owned());
            assert_eq!(found, expected, "{value} {country} {region}");
        }
    }
}
