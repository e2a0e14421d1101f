//! A booking as a calendar file (iCalendar, RFC 5545).
//!
//! The file is for its person alone and says no more than the booking's page. A booking that
//! was moved or cancelled keeps its `UID` and has a higher `SEQUENCE`, so that a calendar that
//! knows the visit changes it instead of adding another. There is no `METHOD`: that would make
//! it an invitation, which needs an organizer with a mail address (RFC 5546, 3.2).

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, header};
use jari_core::Time;

use super::words::Words;
use crate::actions::booking::{BookingStatus, BookingView};

/// How long a visit is in a calendar: nobody says how long one takes, and one without length
/// cannot be seen there. Half an hour holds the vaccination and the rest after it.
const VISIT_MS: u64 = 30 * 60 * 1_000;
/// Octets of a line without its end (RFC 5545, 3.1).
const LINE_OCTETS_MAX: usize = 75;
/// 2020-01-01T00:00:00Z, seconds: `SEQUENCE` counts from here, to fit 31 bits until 2088.
const SEQUENCE_FROM_S: u64 = 1_577_836_800;

/// The file of a booking that was confirmed once; nothing for a hold.
pub(super) fn file(
    words: &Words,
    booking: &BookingView,
    installation: u64,
    page: Option<&str>,
) -> Option<String> {
    let status = match booking.status {
        BookingStatus::Booked | BookingStatus::Used => "CONFIRMED",
        BookingStatus::Cancelled => "CANCELLED",
        BookingStatus::Held | BookingStatus::Offered | BookingStatus::Lapsed | BookingStatus::Missed => {
            return None;
        }
    };
    let (starts, clinic) = (booking.slot.starts_at_ms, &booking.clinic);
    let changed_s = booking.until_ms / 1_000;
    let sequence = changed_s.saturating_sub(SEQUENCE_FROM_S).min(i32::MAX as u64);
    let mut lines = Lines::default();
    lines.add("BEGIN", "VCALENDAR");
    lines.add("VERSION", "2.0");
    lines.add("PRODID", "-//Jari//Booking//EN");
    lines.add("BEGIN", "VEVENT");
    // The numbers of two installations never meet, nor those of before and after a restore.
    lines.add("UID", &format!("{installation:016x}-b{}", booking.booking));
    lines.add("SEQUENCE", &sequence.to_string());
    // Without a METHOD this is when the entry was last changed (RFC 5545, 3.8.7.2).
    lines.add("DTSTAMP", &utc(words, booking.until_ms));
    lines.add("DTSTART", &utc(words, starts));
    lines.add("DTEND", &utc(words, starts.saturating_add(VISIT_MS)));
    lines.add("STATUS", status);
    // Where calendars are shared, others see that the time is taken and not for what.
    lines.add("CLASS", "PRIVATE");
    lines.add_text("SUMMARY", &summary(words, booking));
    lines.add_text("LOCATION", &format!("{}, {}", clinic.name, clinic.address));
    if clinic.latitude != 0.0 || clinic.longitude != 0.0 {
        lines.add("GEO", &format!("{:.6};{:.6}", clinic.latitude, clinic.longitude));
    }
    lines.add_text("DESCRIPTION", &description(words, booking));
    if let Some(page) = page {
        lines.add("URL", page);
    }
    lines.add("END", "VEVENT");
    lines.add("END", "VCALENDAR");
    Some(lines.0)
}

fn summary(words: &Words, booking: &BookingView) -> String {
    let what = format!("{}, {}", booking.campaign_name, words.n("dose-nth", booking.dose));
    match booking.status {
        BookingStatus::Cancelled => words.s("calendar-cancelled", what),
        _ => what,
    }
}

fn description(words: &Words, booking: &BookingView) -> String {
    let mut text = format!("{}: {}", words.t("booking-code"), booking.code);
    if !booking.clinic.telephone.is_empty() {
        let _ = write!(text, "\n{}: {}", words.t("clinic-telephone"), booking.clinic.telephone);
    }
    if booking.status == BookingStatus::Booked {
        let _ = write!(text, "\n{}", words.t("booking-bring"));
    }
    text
}

/// An instant as `20210716T100000Z`.
fn utc(words: &Words, at_ms: u64) -> String {
    let whole_second = Time(at_ms / 1_000 * 1_000);
    words.machine(whole_second).replace(['-', ':'], "")
}

/// Content lines: each ended by CRLF, folded where it is long.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// A value that is no text: it holds nothing to escape.
    fn add(&mut self, name: &str, value: &str) {
        let mut octets = 0;
        for character in name.chars().chain([':']).chain(value.chars().filter(|it| !it.is_control())) {
            if octets + character.len_utf8() > LINE_OCTETS_MAX {
                self.0.push_str("\r\n ");
                // The blank belongs to the line that it begins.
                octets = 1;
            }
            self.0.push(character);
            octets += character.len_utf8();
        }
        self.0.push_str("\r\n");
    }

    /// A text, escaped (RFC 5545, 3.3.11).
    fn add_text(&mut self, name: &str, text: &str) {
        let mut escaped = String::with_capacity(text.len() + 8);
        for character in text.chars() {
            match character {
                '\\' | ';' | ',' => escaped.extend(['\\', character]),
                '\n' => escaped.push_str("\\n"),
                other => escaped.push(other),
            }
        }
        self.add(name, &escaped);
    }
}

/// The file as a download that nobody on the way keeps.
pub(super) fn response(file: String, code: &str) -> Response {
    let mut response = Response::new(Body::from(file));
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A code is of letters, digits and a hyphen.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"jari-{code}.ics\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfolded(text: &str) -> String {
        text.replace("\r\n ", "")
    }

    #[test]
    fn a_long_line_is_folded_at_75_octets_and_no_letter_is_cut() {
        let text = "하늘의원, 서울특별시 중구 세종대로 110; 3층 \\ 승강기 옆".repeat(4);
        let mut lines = Lines::default();
        lines.add_text("LOCATION", &text);
        let folded = lines.0.strip_suffix("\r\n").unwrap();
        assert!(folded.split("\r\n").count() > 4);
        let mut octets: Vec<usize> = folded.split("\r\n").map(str::len).collect();
        octets.pop();
        // A letter of three octets may not fit any more at 73.
        assert!(octets.iter().all(|octets| (73..=75).contains(octets)), "{octets:?}");
        let value = unfolded(folded).strip_prefix("LOCATION:").unwrap().to_owned();
        let plain = value.replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\");
        assert_eq!(plain, text);
    }

    #[test]
    fn what_a_clinic_is_called_never_becomes_a_line_of_its_own() {
        let mut lines = Lines::default();
        lines.add_text("SUMMARY", "a\r\nATTENDEE:x\nb\u{0}");
        assert_eq!(lines.0, "SUMMARY:a\\nATTENDEE:x\\nb\r\n");
    }
}
