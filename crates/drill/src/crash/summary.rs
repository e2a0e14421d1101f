//! From the kills to the report: figures and plots.
//!
//! Must never show a figure that was not measured in this run. Start at [`report`].

use std::{collections::BTreeMap, time::Duration};

use super::{
    CrashOptions,
    rounds::{Kill, ON_THE_WAY_UP, Outcome},
    verdicts::{judge, kills_during, ready_times},
};
use crate::report::{Figure, Line, Mode, Plot, Report, TimeAxis, Tone, commit, machine};

/// The report of a run.
pub fn report(options: &CrashOptions, started_at: &str, outcome: &Outcome) -> Report {
    Report {
        drill: "crash".into(),
        about: format!(
            "The service is killed with kill -9 {} times under load, while snapshots are written and while it \
             starts, and each time started again on the same data. People who got no answer ask again with the \
             same key; everything they were told is read back.",
            outcome.kills.len()
        ),
        mode: Mode::Live,
        seed: options.seed,
        scale: 1.0,
        commit: commit(),
        machine: machine(),
        started_at: started_at.into(),
        command: options.command.clone(),
        figures: figures(outcome),
        verdicts: judge(options.kills, outcome),
        series: plots(outcome),
        marks: Vec::new(),
        history: Vec::new(),
        fairness: None,
    }
}

/// A count that is shown: key, value, unit, note, place among the headlines.
type Count = (&'static str, u64, &'static str, &'static str, u8);

fn figures(outcome: &Outcome) -> BTreeMap<String, Figure> {
    let counts = kill_counts(outcome).into_iter().chain(crowd_counts(outcome));
    let figure = |(key, value, unit, note, place): Count| {
        (key.to_string(), Figure::count(value, unit, note).headline(place))
    };
    let mut figures: BTreeMap<String, Figure> = counts.map(figure).collect();
    let times = ready_times(outcome);
    let ms = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64() * 1_000.0;
    let median = Figure::new(ms(times.get(times.len() / 2)), "ms", "From starting it again to ready, median");
    figures.insert("ready_p50_ms".into(), median.headline(5));
    figures.insert("ready_max_ms".into(), Figure::new(ms(times.last()), "ms", "The longest of them"));
    figures.insert("took_s".into(), Figure::new(outcome.took.as_secs_f64(), "s", "All kills"));
    figures
}

fn kill_counts(outcome: &Outcome) -> [Count; 8] {
    let kills = |during: &'static str| kills_during(outcome, during).count() as u64;
    [
        ("kills", outcome.kills.len() as u64, "", "Kills", 1),
        ("kills_under_load", kills("under load"), "", "Kills at any moment under load", 0),
        ("kills_after_a_burst", kills("after a burst"), "", "Kills right after a number of answers", 0),
        ("kills_in_a_snapshot", kills("in a snapshot"), "", "Kills aimed at the writing of a snapshot", 0),
        ("kills_on_its_way_up", kills(ON_THE_WAY_UP), "", "Kills during start-up and recovery", 0),
        ("snapshots_cut", outcome.snapshots_cut, "", "Kills that left a snapshot half-written", 0),
        ("torn", outcome.torn, "", "Restarts that found a write cut off behind the last seal", 0),
        ("out_at_kills", out_at_kills(&outcome.kills), "", "Requests that were out at a kill, in all", 0),
    ]
}

fn crowd_counts(outcome: &Outcome) -> [Count; 11] {
    let (numbers, places, changes) = outcome.known;
    let (counted, found) = (&outcome.counted, &outcome.found);
    let checked = found.tickets + found.bookings + found.contacts + found.repeats;
    [
        ("answered", counted.answered, "requests", "Requests with a definite answer", 2),
        ("refused", counted.refused, "requests", "Of these, refusals, such as a full slot", 0),
        ("unanswered", counted.unanswered, "requests", "Sent, not answered, and sent again", 0),
        ("answered_again", counted.asked_again, "requests", "Answered after they were sent again", 3),
        ("visitors", u64::from(outcome.visitors), "people", "People who came", 0),
        ("numbers", numbers, "", "Numbers in line that were acknowledged", 0),
        ("places", places, "", "Holds and bookings that were acknowledged", 0),
        ("changes", changes, "", "Operator's changes that were acknowledged", 0),
        ("checked", checked, "", "Answers read back by the auditor", 4),
        ("verified", outcome.verified, "", "Times that the journal was verified", 0),
        ("data_bytes", outcome.data_bytes, "bytes", "The data directory at the end", 0),
    ]
}

fn out_at_kills(kills: &[Kill]) -> u64 {
    kills.iter().map(|kill| kill.in_flight).sum()
}

fn plots(outcome: &Outcome) -> Vec<Plot> {
    let ready = |kill: &Kill| Some((kill.at.as_secs_f64(), kill.ready_in?.as_secs_f64() * 1_000.0));
    let open = |kill: &Kill| (kill.at.as_secs_f64(), kill.in_flight as f64);
    let plot = |title: &str, caption: &str, unit: &str, line: Line| {
        Plot::of(title, unit, caption, TimeAxis::SinceOpening, vec![line])
    };
    let ready = Line::new("ready", Tone::Blue, outcome.kills.iter().filter_map(ready).collect());
    let open = Line::new("open", Tone::Orange, outcome.kills.iter().map(open).collect());
    vec![
        plot(
            "Ready again",
            "From the start of the process to its first ready, after each kill.",
            "ms",
            ready,
        ),
        plot(
            "Requests out at each kill",
            "Either outcome is right for them, but only one.",
            "requests",
            open,
        ),
    ]
}
