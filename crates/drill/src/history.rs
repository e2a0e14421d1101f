//! What happened in 2021, as typed facts, and the rows that set a run beside them.
//!
//! Must never hold a figure that no source gave: what we computed from such figures says so. Start
//! at [`rows`]; the facts are [`EVENING_2021_07_14`] and [`EVENING_2021_08_09`].

use crate::report::number::{clock, duration, grouped, number, percent};

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The news reports of the time that this project answers.
    Report,
    /// Found elsewhere afterwards.
    Found,
    /// Said by those who ran the system, not measured by others.
    Claimed,
    /// Worked out here from the facts beside it.
    Computed,
}

impl Source {
    /// As it stands under a figure.
    pub fn words(self) -> &'static str {
        match self {
            Self::Report => "news reports of the time",
            Self::Found => "found afterwards",
            Self::Claimed => "claimed by its makers",
            Self::Computed => "computed from the reports",
        }
    }
}

/// One line of "history beside ours".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// What is compared.
    pub name: String,
    /// What happened then.
    pub then: String,
    /// Where that comes from.
    pub source: Source,
    /// What this run measured; "not measured" when it did not.
    pub ours: String,
}

/// An evening of booking as it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Evening {
    /// The drill that replays it.
    pub drill: &'static str,
    /// What happened, in two sentences, for the head of the report.
    pub about: &'static str,
    /// The opening, in seconds after midnight.
    pub opening_s: u32,
    /// People who were allowed to book.
    pub eligible: u64,
    /// Bookings, and by when, in seconds after the opening.
    pub booked: (u64, f64),
    /// The wait as it was told.
    pub wait: Wait,
    /// Seconds after the opening until the site could be used.
    pub hardly_reachable_s: Option<f64>,
    /// The part of all bookings made in the first half hour.
    pub first_half_hour_share: Option<f64>,
}

/// A wait, as the sources give it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wait {
    /// What the page told one person.
    Told {
        /// People ahead.
        ahead: u64,
        /// The wait it announced, in seconds.
        wait_s: f64,
        /// When, in seconds after the opening.
        at_s: f64,
    },
    /// The mean over all, in seconds.
    Mean(f64),
}

/// 14 July 2021, 20:00: ages 55 to 59, second attempt. All from the news reports.
pub const EVENING_2021_07_14: Evening = Evening {
    drill: "vaccination-2021-07-14",
    about: "On 14 July 2021 at 20:00 the booking of COVID-19 vaccinations reopened for about 1,670,000 people aged 55 to 59, two days after a first attempt had been cut off without notice. For over an hour the site could hardly be used.",
    opening_s: 20 * 3600,
    eligible: 1_670_000,
    booked: (397_896, 3.0 * 3600.0),
    wait: Wait::Told { ahead: 155_000, wait_s: 12_960.0, at_s: 4_800.0 },
    hardly_reachable_s: Some(3600.0),
    first_half_hour_share: None,
};

/// 9 August 2021, 20:00: the first evening of the repaired system. Found afterwards.
pub const EVENING_2021_08_09: Evening = Evening {
    drill: "vaccination-2021-08-09",
    about: "On 9 August 2021 at 20:00 the repaired booking system had its first evening: identity was checked before the queue, days were split by birth date, and the first page came from a content network. Of 1,415,453 people, 701,824 had booked by midnight.",
    opening_s: 20 * 3600,
    eligible: 1_415_453,
    booked: (701_824, 4.0 * 3600.0),
    wait: Wait::Mean(60.0),
    hardly_reachable_s: None,
    first_half_hour_share: Some(0.4),
};

/// 12 July 2021: bookings after which the first attempt was stopped, a limit nobody had announced.
pub const UNANNOUNCED_CAP_2021_07_12: u64 = 1_850_000;
/// 12 July 2021: people waiting at once, about.
pub const WAITING_2021_07_12: u64 = 800_000;
/// 19 July 2021, ages 53 and 54: people the system was designed for.
pub const DESIGN_POINT_2021_07_19: u64 = 300_000;
/// 19 July 2021: people waiting, for 1,505,000 who were eligible.
pub const WAITING_2021_07_19: u64 = 6_000_000;
/// August 2021: bookings an hour claimed for the repaired system, from and to.
pub const CLAIMED_BOOKINGS_PER_HOUR: (u64, u64) = (1_000_000, 2_000_000);
/// August 2021: people admitted a second claimed for the repaired system's first page.
pub const CLAIMED_ADMISSIONS_PER_S: u64 = 20_000;
/// 12 July 2021, Doctolib in France: the best booking rate measured anywhere, bookings a minute.
pub const DOCTOLIB_BOOKINGS_PER_MINUTE: u64 = 20_000;

/// What a run measured; what it did not is `None`. Times are in seconds after the opening.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ours {
    /// People who were allowed to book.
    pub eligible: Option<u64>,
    /// Bookings by the time history gives a figure for (23:00 in July, midnight in August).
    pub booked_by_then: Option<u64>,
    /// When the last booking was made.
    pub last_booking_s: Option<f64>,
    /// The most people waiting at once.
    pub waiting_max: Option<u64>,
    /// The mean wait from the opening, or from arrival if later, to being called, in seconds.
    pub wait_mean_s: Option<f64>,
    /// The longest such wait, in seconds.
    pub wait_max_s: Option<f64>,
    /// From the opening to the last answer that failed, in seconds; 0 when none failed.
    pub hardly_reachable_s: Option<f64>,
    /// The part of all bookings made in the first half hour, 0 to 1.
    pub first_half_hour_share: Option<f64>,
    /// Bookings in the best second.
    pub bookings_per_s_max: Option<f64>,
    /// People let in, in the best second.
    pub entries_per_s_max: Option<f64>,
    /// Whether the number of places was public before the opening and all through it.
    pub supply_public: Option<bool>,
}

/// The evening a drill replays, if it is one of the two.
pub fn evening(drill: &str) -> Option<&'static Evening> {
    [&EVENING_2021_07_14, &EVENING_2021_08_09].into_iter().find(|evening| evening.drill == drill)
}

/// `evening` beside what a run measured.
pub fn rows(evening: &Evening, ours: &Ours) -> Vec<HistoryRow> {
    let first_attempt = evening.drill == EVENING_2021_07_14.drill;
    let source = if first_attempt { Source::Report } else { Source::Found };
    let mut rows =
        vec![row("People eligible", grouped(evening.eligible as i64), source, ours.eligible.map(people))];
    let (booked, by_s) = evening.booked;
    rows.push(row(
        &format!("Booked by {}", clock(evening.opening_s, by_s, false)),
        format!(
            "{} ({} of those eligible)",
            grouped(booked as i64),
            percent(booked as f64, evening.eligible as f64)
        ),
        source,
        ours.booked_by_then.map(|count| share_of(count, ours.eligible)),
    ));
    rows.push(row(
        "Bookings a second, on average",
        number((booked as f64 / by_s * 10.0).round() / 10.0),
        Source::Computed,
        average_rate(evening, ours),
    ));
    rows.push(wait_row(evening, source, ours));
    if let Some(hardly_s) = evening.hardly_reachable_s {
        let ours = ours.hardly_reachable_s.map(|s| if s == 0.0 { "never".to_string() } else { duration(s) });
        rows.push(row("Hardly reachable for", format!("over {}", duration(hardly_s)), source, ours));
    }
    if let Some(share) = evening.first_half_hour_share {
        let ours = ours.first_half_hour_share.map(|share| percent(share, 1.0));
        rows.push(row(
            "Booked in the first half hour",
            format!("about {} of all bookings", percent(share, 1.0)),
            source,
            ours,
        ));
    }
    rows.extend(if first_attempt { july(evening, ours) } else { august(ours) });
    rows
}

/// What belongs to the evenings of July.
fn july(evening: &Evening, ours: &Ours) -> Vec<HistoryRow> {
    let eased = format!("after about {}", clock(evening.opening_s, 7200.0, false));
    let last =
        ours.last_booking_s.map(|at_s| format!("last booking at {}", clock(evening.opening_s, at_s, true)));
    let waiting = format!("about {} (12 July)", grouped(WAITING_2021_07_12 as i64));
    let cap = format!(
        "stopped without notice at {}, a limit nobody had been told (12 July)",
        grouped(UNANNOUNCED_CAP_2021_07_12 as i64)
    );
    let public = ours.supply_public.map(|public| match public {
        true => "public before the opening and live throughout".to_string(),
        false => "not public at all times".to_string(),
    });
    vec![
        row("The rush was over", eased, Source::Report, last),
        row("Most people waiting at once", waiting, Source::Report, ours.waiting_max.map(people)),
        row("Number of places", cap, Source::Report, public),
    ]
}

/// What belongs to the repaired system, and the best rate anyone has measured.
fn august(ours: &Ours) -> Vec<HistoryRow> {
    let (low, high) = CLAIMED_BOOKINGS_PER_HOUR;
    let a_second = |per_s: f64| format!("{} a second", number(per_s.round()));
    let claimed = format!("{} to {}", number((low as f64 / 3600.0).round()), a_second(high as f64 / 3600.0));
    let doctolib = format!("{} (12 July, Doctolib)", a_second(DOCTOLIB_BOOKINGS_PER_MINUTE as f64 / 60.0));
    let crowd = format!(
        "about {}, with a design for {} (19 July)",
        people(WAITING_2021_07_19),
        people(DESIGN_POINT_2021_07_19)
    );
    let best = ours.bookings_per_s_max.map(a_second);
    vec![
        row("Bookings at the most", claimed, Source::Claimed, best.clone()),
        row("Best rate measured in any country", doctolib, Source::Found, best),
        row(
            "Let in at the most",
            a_second(CLAIMED_ADMISSIONS_PER_S as f64),
            Source::Claimed,
            ours.entries_per_s_max.map(a_second),
        ),
        row("Most people waiting at once", crowd, Source::Found, ours.waiting_max.map(people)),
    ]
}

fn wait_row(evening: &Evening, source: Source, ours: &Ours) -> HistoryRow {
    let mean = ours.wait_mean_s.map(|s| format!("{} on average", duration(s)));
    let longest = ours.wait_max_s.map(|s| format!("{} at the longest", duration(s)));
    let both = [mean, longest].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let then = match evening.wait {
        Wait::Told { ahead, wait_s, at_s } => format!(
            "{} told at {}, with {} people ahead",
            duration(wait_s),
            clock(evening.opening_s, at_s, false),
            grouped(ahead as i64)
        ),
        Wait::Mean(wait_s) => format!("about {} on average", duration(wait_s)),
    };
    row("Wait", then, source, (!both.is_empty()).then_some(both))
}

/// Bookings a second up to the last one, or up to history's hour if that is earlier.
fn average_rate(evening: &Evening, ours: &Ours) -> Option<String> {
    let until_s = ours.last_booking_s?.min(evening.booked.1);
    let rate = (until_s > 0.0).then(|| ours.booked_by_then.map(|count| count as f64 / until_s))??;
    Some(format!(
        "{} until {}",
        number((rate * 10.0).round() / 10.0),
        clock(evening.opening_s, until_s, true)
    ))
}

fn people(count: u64) -> String {
    grouped(count as i64)
}

/// A count with its part of those eligible, which compares even when a run is smaller.
fn share_of(count: u64, eligible: Option<u64>) -> String {
    match eligible {
        Some(all) if all > 0 => {
            format!("{} ({} of those eligible)", people(count), percent(count as f64, all as f64))
        }
        _ => people(count),
    }
}

fn row(name: &str, then: String, source: Source, ours: Option<String>) -> HistoryRow {
    HistoryRow { name: name.into(), then, source, ours: ours.unwrap_or_else(|| "not measured".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(rows: &'a [HistoryRow], name: &str) -> &'a HistoryRow {
        rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row {name}"))
    }

    #[test]
    fn july_stands_beside_a_run_in_the_same_terms() {
        let ours = Ours {
            eligible: Some(1_670_000),
            booked_by_then: Some(1_600_000),
            last_booking_s: Some(4_000.0),
            wait_mean_s: Some(1_500.0),
            hardly_reachable_s: Some(0.0),
            ..Ours::default()
        };
        let rows = rows(&EVENING_2021_07_14, &ours);
        let booked = find(&rows, "Booked by 23:00");
        assert_eq!(booked.then, "397,896 (23.8 % of those eligible)");
        assert_eq!(booked.ours, "1,600,000 (95.8 % of those eligible)");
        let rate = find(&rows, "Bookings a second, on average");
        assert_eq!((rate.then.as_str(), rate.ours.as_str()), ("36.8", "400 until 21:06:40"));
        assert_eq!(find(&rows, "Wait").then, "3 h 36 min told at 21:20, with 155,000 people ahead");
        assert_eq!(find(&rows, "Hardly reachable for").ours, "never");
        assert_eq!(find(&rows, "Most people waiting at once").ours, "not measured");
    }

    #[test]
    fn august_names_what_was_only_claimed() {
        let ours = Ours { bookings_per_s_max: Some(2_345.6), ..Ours::default() };
        let rows = rows(&EVENING_2021_08_09, &ours);
        let best = find(&rows, "Bookings at the most");
        assert_eq!((best.then.as_str(), best.source), ("278 to 556 a second", Source::Claimed));
        assert_eq!(best.ours, "2,346 a second");
        assert_eq!(find(&rows, "Booked in the first half hour").then, "about 40 % of all bookings");
    }

    #[test]
    fn only_the_two_evenings_have_a_history() {
        assert_eq!(evening("vaccination-2021-08-09"), Some(&EVENING_2021_08_09));
        assert_eq!(evening("messenger-2022-10-15"), None);
    }
}
