//! From the kills to the report: figures and plots.
//!
//! Must never show a figure that was not measured in this run. Start at [`report`].

use std::{collections::BTreeMap, time::Duration};

use super::{
    CrashOptions,
    rounds::{Kill, Outcome},
    verdicts::{judge, kills_during, ready_times},
};
use crate::report::{Figure, Line, Mode, Plot, PlotKind, Report, TimeAxis, Tone, commit, machine};

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

fn figures(outcome: &Outcome) -> BTreeMap<String, Figure> {
    let times = ready_times(outcome);
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (numbers, places, changes) = outcome.known;
    let counted = &outcome.counted;
    let kills = |during: &'static str| kills_during(outcome, during).count() as u64;
    let found = &outcome.found;
    let all = [
        ("kills", Figure::count(outcome.kills.len() as u64, "", "Kills").headline(1)),
        ("kills_under_load", Figure::count(kills("under load"), "", "Kills at any moment under load")),
        (
            "kills_after_a_burst",
            Figure::count(kills("after a burst"), "", "Kills right after a number of answers"),
        ),
        (
            "kills_in_a_snapshot",
            Figure::count(kills("in a snapshot"), "", "Kills aimed at the writing of a snapshot"),
        ),
        (
            "kills_on_its_way_up",
            Figure::count(kills("on its way up"), "", "Kills during start-up and recovery"),
        ),
        (
            "snapshots_cut",
            Figure::count(outcome.snapshots_cut, "", "Kills after which a half-written snapshot lay there"),
        ),
        ("torn", Figure::count(outcome.torn, "", "Restarts that found a write cut off behind the last seal")),
        (
            "out_at_kills",
            Figure::count(
                out_at_kills(&outcome.kills),
                "",
                "Requests that were out at the moment of a kill, all together",
            ),
        ),
        (
            "answered",
            Figure::count(counted.answered, "requests", "Requests with a definite answer").headline(2),
        ),
        (
            "refused",
            Figure::count(
                counted.refused,
                "requests",
                "Definite answers that were refusals, such as a full slot",
            ),
        ),
        (
            "unanswered",
            Figure::count(
                counted.unanswered,
                "requests",
                "Requests without an answer, sent again with the same key",
            ),
        ),
        (
            "answered_again",
            Figure::count(
                counted.asked_again,
                "requests",
                "Requests answered after they had been sent again",
            )
            .headline(3),
        ),
        ("visitors", Figure::count(u64::from(outcome.visitors), "people", "People who came")),
        ("numbers", Figure::count(numbers, "", "Numbers in line that were acknowledged")),
        ("places", Figure::count(places, "", "Holds and bookings that were acknowledged")),
        ("changes", Figure::count(changes, "", "Operator's changes that were acknowledged")),
        (
            "checked",
            Figure::count(
                found.tickets + found.bookings + found.contacts + found.repeats,
                "",
                "Answers read back by the auditor",
            )
            .headline(4),
        ),
        ("verified", Figure::count(outcome.verified, "", "Times that the journal was verified")),
        (
            "ready_p50_ms",
            Figure::new(ms(at(0.5)), "ms", "From the start of the process to its first ready, median")
                .headline(5),
        ),
        (
            "ready_max_ms",
            Figure::new(ms(times.last().copied().unwrap_or_default()), "ms", "The longest of them"),
        ),
        ("data_bytes", Figure::count(outcome.data_bytes, "bytes", "The data directory at the end")),
        ("took_s", Figure::new(outcome.took.as_secs_f64(), "s", "The whole run")),
    ];
    all.into_iter().map(|(key, figure)| (key.to_string(), figure)).collect()
}

fn out_at_kills(kills: &[Kill]) -> u64 {
    kills.iter().map(|kill| kill.in_flight).sum()
}

fn plots(outcome: &Outcome) -> Vec<Plot> {
    let ready = |kill: &Kill| Some((kill.at.as_secs_f64(), kill.ready_in?.as_secs_f64() * 1_000.0));
    let open = |kill: &Kill| (kill.at.as_secs_f64(), kill.in_flight as f64);
    let plot = |title: &str, caption: &str, unit: &str, line: Line| Plot {
        title: title.into(),
        caption: caption.into(),
        unit: unit.into(),
        time: TimeAxis::SinceOpening,
        kind: PlotKind::Line,
        log: false,
        range_s: None,
        lines: vec![line],
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
