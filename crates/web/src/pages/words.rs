//! Words in the reader's language: Fluent messages, numbers, instants.
//!
//! It must never fail in front of a reader: a missing message shows its key, and a test
//! makes sure that none is missing. Start reading at [`choose`] and [`Words`].

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jari_core::Time;
use jari_core::time::Date;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use unic_langid::{LanguageIdentifier, langid};

use crate::language::Language;

/// The messages in Korean.
pub const KOREAN: &str = include_str!("../../locales/ko.ftl");
/// The messages in English.
pub const ENGLISH: &str = include_str!("../../locales/en.ftl");

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What was asked for in the address, else kept in the cookie, else liked best by the
/// browser (`Accept-Language`, RFC 9110), else Korean.
#[must_use]
pub fn choose(asked: Option<&str>, kept: Option<&str>, accepted: Option<&str>) -> Language {
    let named = asked.and_then(Language::from_tag).or_else(|| kept.and_then(Language::from_tag));
    named.or_else(|| accepted.and_then(best_accepted)).unwrap_or_default()
}

/// The language with the highest weight; the first of equals.
fn best_accepted(header: &str) -> Option<Language> {
    let mut best: Option<(Language, f32)> = None;
    for part in header.split(',').take(16) {
        let (tag, rest) = part.split_once(';').unwrap_or((part, ""));
        let weight = rest.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
        let Some(lang) = Language::from_tag(tag) else { continue };
        if weight > best.map_or(0.0, |(_, heaviest)| heaviest) {
            best = Some((lang, weight));
        }
    }
    best.map(|(lang, _)| lang)
}

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<[Bundle; 2]> =
    LazyLock::new(|| [bundle(langid!("ko"), KOREAN), bundle(langid!("en"), ENGLISH)]);

fn bundle(lang: LanguageIdentifier, source: &str) -> Bundle {
    let mut bundle = FluentBundle::new_concurrent(vec![lang]);
    // Isolation marks are for mixed directions; both languages run left to right.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(|value, _| match value {
        FluentValue::Number(number) => Some(grouped(number.value.max(0.0) as u64)),
        _ => None,
    }));
    // The files are part of the program, and a test reads them without errors.
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}

/// A number with its thousands apart, as both languages write it: 155,000.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of people, places or tickets, however a template passes it.
pub trait Count {
    /// The number.
    fn count(&self) -> u64;
}

impl Count for u64 {
    fn count(&self) -> u64 {
        *self
    }
}

impl Count for u32 {
    fn count(&self) -> u64 {
        u64::from(*self)
    }
}

impl Count for u8 {
    fn count(&self) -> u64 {
        u64::from(*self)
    }
}

impl<T: Count> Count for &T {
    fn count(&self) -> u64 {
        (**self).count()
    }
}

/// Messages, numbers and instants for one reader.
#[derive(Clone, Debug)]
pub struct Words {
    /// The language.
    pub lang: Language,
    /// The zone of the place where things happen; every time is shown in it, by name.
    pub zone: TimeZone,
}

impl Words {
    /// Words of a language, with times of a place so many minutes ahead of UTC.
    #[must_use]
    pub fn new(lang: Language, utc_offset_min: i16) -> Words {
        Words { lang, zone: zone_of(utc_offset_min) }
    }

    /// The message `key`.
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        self.with(key, None)
    }

    /// The message `key` with a number as `$n`.
    #[must_use]
    pub fn n(&self, key: &str, number: impl Count) -> String {
        let mut args = FluentArgs::new();
        args.set("n", number.count() as f64);
        self.with(key, Some(&args))
    }

    /// The message `key` with a text as `$s`.
    #[must_use]
    pub fn s(&self, key: &str, text: impl AsRef<str>) -> String {
        let mut args = FluentArgs::new();
        args.set("s", text.as_ref().to_owned());
        self.with(key, Some(&args))
    }

    /// The message `key` with texts as `$n` and `$p`: a number and a place, or the marks
    /// that a script replaces by them.
    #[must_use]
    pub fn np(&self, key: &str, number: &str, place: &str) -> String {
        let mut args = FluentArgs::new();
        args.set("n", number.to_owned());
        args.set("p", place.to_owned());
        self.with(key, Some(&args))
    }

    /// The message `key` with texts by their names.
    #[must_use]
    pub fn texts(&self, key: &str, texts: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, text) in texts {
            args.set((*name).to_owned(), (*text).to_owned());
        }
        self.with(key, Some(&args))
    }

    fn with(&self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = &BUNDLES[usize::from(self.lang == Language::English)];
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        bundle.format_pattern(pattern, args, &mut Vec::new()).into_owned()
    }

    /// A number with its thousands apart.
    #[must_use]
    pub fn num(&self, number: impl Count) -> String {
        grouped(number.count())
    }

    /// Day and time with the zone's short name: `7월 14일(수) 오후 8:00 KST`.
    #[must_use]
    pub fn when(&self, at: Time) -> String {
        let zoned = timestamp(at).to_zoned(self.zone.clone());
        format!("{} {} {}", self.day(at), self.clock(at), zoned.strftime("%Z"))
    }

    /// The day: `7월 14일(수)`, `Wed 14 July`.
    #[must_use]
    pub fn day(&self, at: Time) -> String {
        let zoned = timestamp(at).to_zoned(self.zone.clone());
        match self.lang {
            Language::Korean => {
                let weekdays = ["월", "화", "수", "목", "금", "토", "일"];
                let weekday = weekdays[zoned.weekday().to_monday_zero_offset() as usize % 7];
                format!("{}월 {}일({weekday})", zoned.month(), zoned.day())
            }
            Language::English => zoned.strftime("%a %-d %B").to_string(),
        }
    }

    /// The same with the year, for what may be far away: `2021년 7월 19일(월) 오후 8:00 KST`,
    /// `Mon 19 July 2021, 20:00 KST`.
    #[must_use]
    pub fn when_dated(&self, at: Time) -> String {
        let zoned = timestamp(at).to_zoned(self.zone.clone());
        let rest = format!("{} {}", self.clock(at), zoned.strftime("%Z"));
        match self.lang {
            Language::Korean => format!("{}년 {} {rest}", zoned.year(), self.day(at)),
            Language::English => format!("{} {}, {rest}", self.day(at), zoned.year()),
        }
    }

    /// A civil date: `1962년 1월 1일`, `1 January 1962`.
    #[must_use]
    pub fn date(&self, date: Date) -> String {
        let (year, month, day) = date.civil();
        match self.lang {
            Language::Korean => format!("{year}년 {month}월 {day}일"),
            Language::English => format!("{day} {} {year}", MONTHS[(month as usize + 11) % 12]),
        }
    }

    /// The time of day, without seconds: `오후 8:00`, `20:00`.
    #[must_use]
    pub fn clock(&self, at: Time) -> String {
        let zoned = timestamp(at).to_zoned(self.zone.clone());
        match self.lang {
            Language::Korean => {
                let half = if zoned.hour() < 12 { "오전" } else { "오후" };
                format!("{half} {}:{:02}", (zoned.hour() + 11) % 12 + 1, zoned.minute())
            }
            Language::English => zoned.strftime("%H:%M").to_string(),
        }
    }

    /// The time of day with seconds, for what is exact: a hold's end, a public event.
    #[must_use]
    pub fn clock_exact(&self, at: Time) -> String {
        let zoned = timestamp(at).to_zoned(self.zone.clone());
        format!("{}:{:02}", self.clock(at), zoned.second())
    }

    /// The instant for a `datetime` attribute.
    #[must_use]
    pub fn machine(&self, at: Time) -> String {
        timestamp(at).to_string()
    }

    /// The instant as `2021-07-14 20:00:00` in the zone: it sorts as text.
    #[must_use]
    pub fn sortable(&self, at: Time) -> String {
        timestamp(at).to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// The day as `2021-07-14` in the zone, for addresses.
    #[must_use]
    pub fn day_key(&self, at: Time) -> String {
        timestamp(at).to_zoned(self.zone.clone()).strftime("%Y-%m-%d").to_string()
    }

    /// The instant as a `datetime-local` field writes it, in the zone.
    #[must_use]
    pub fn input_time(&self, at: Time) -> String {
        timestamp(at).to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string()
    }

    /// The instant of such a field; `None` for what is no time of the zone.
    #[must_use]
    pub fn parse_input_time(&self, text: &str) -> Option<Time> {
        let civil: DateTime = text.trim().parse().ok()?;
        let zoned = civil.to_zoned(self.zone.clone()).ok()?;
        u64::try_from(zoned.timestamp().as_millisecond()).ok().map(Time)
    }

    /// The zone's short name: `KST`.
    #[must_use]
    pub fn zone_name(&self, at: Time) -> String {
        timestamp(at).to_zoned(self.zone.clone()).strftime("%Z").to_string()
    }

    /// How far ahead of UTC the zone is, minutes.
    #[must_use]
    pub fn zone_min(&self, at: Time) -> i32 {
        timestamp(at).to_zoned(self.zone.clone()).offset().seconds() / 60
    }

    /// Minutes as `3시간 36분`.
    fn span(&self, minutes: u64) -> String {
        let (hour, minute) = (self.t("unit-hour"), self.t("unit-minute"));
        match (minutes / 60, minutes % 60) {
            (0, minutes) => format!("{minutes}{minute}"),
            (hours, 0) => format!("{hours}{hour}"),
            (hours, minutes) => format!("{hours}{hour} {minutes}{minute}"),
        }
    }

    /// How long `people` take at `pace` (low, high) people a minute, as a range. The
    /// same text as the waiting page's script makes.
    #[must_use]
    pub fn range(&self, people: u64, pace: (u32, u32)) -> String {
        match minutes_of(people, pace) {
            None => self.t("wait-unknown"),
            Some((_, high)) if high < 2 => self.t("wait-soon"),
            Some((low, high)) => self.both(self.span(low), self.span(high)),
        }
    }

    /// The same range as times of day, `오후 8:40 ~ 오후 9:05 KST`; nothing for a wait that is
    /// not known or nearly over, nor for one of a day or more, of which a time of day says too little.
    #[must_use]
    pub fn range_at(&self, now: Time, people: u64, pace: (u32, u32)) -> String {
        match minutes_of(people, pace) {
            Some((low, high)) if (2..DAY_MIN).contains(&high) => {
                let at = |minutes: u64| self.clock(now.plus_ms(minutes.saturating_mul(60_000)));
                format!("{} {}", self.both(at(low), at(high)), self.zone_name(now))
            }
            _ => String::new(),
        }
    }

    fn both(&self, low: String, high: String) -> String {
        if low == high { low } else { format!("{low}{}{high}", self.t("unit-to")) }
    }
}

/// Minutes of a day.
const DAY_MIN: u64 = 1_440;

/// Minutes that `people` take at `pace` (low, high) people a minute: the shorter and the
/// longer end. Beyond an hour to five minutes, for more is not known.
fn minutes_of(people: u64, pace: (u32, u32)) -> Option<(u64, u64)> {
    let round = |minutes: u64| if minutes > 60 { (minutes + 2) / 5 * 5 } else { minutes };
    let low = people.checked_div(pace.1.into())?.max(1);
    let high = if pace.0 == 0 { return None } else { people.div_ceil(pace.0.into()) };
    Some((round(low), round(high)))
}

/// Korea's zone by name, so that its abbreviation is shown; by offset if this machine
/// knows no zones.
static SEOUL: LazyLock<TimeZone> = LazyLock::new(|| {
    let korea = || TimeZone::fixed(Offset::constant(9));
    TimeZone::get("Asia/Seoul").unwrap_or_else(|_| korea())
});

/// The zone of a place so many minutes ahead of UTC.
#[must_use]
pub fn zone_of(utc_offset_min: i16) -> TimeZone {
    match Offset::from_seconds(i32::from(utc_offset_min) * 60) {
        Ok(offset) if utc_offset_min != 540 => TimeZone::fixed(offset),
        _ => SEOUL.clone(),
    }
}

fn timestamp(at: Time) -> Timestamp {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}
