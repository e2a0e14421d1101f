//! From the faults to the report: figures, plots, fairness.
//!
//! Must never show a figure that was not measured in this run. Start at [`report`].

use std::{collections::BTreeMap, time::Duration};

use super::{
    ClusterOptions,
    drive::Outcome,
    fairness::Order,
    inject::Injection,
    verdicts::{back_times, judge},
};
use crate::report::{
    Fairness, Figure, Line, Mark, Mode, OrderMeasure, Plot, Report, TimeAxis, Tone, commit, machine,
};

/// The report of a run.
pub fn report(options: &ClusterOptions, started_at: &str, outcome: &Outcome) -> Report {
    Report {
        drill: "cluster".into(),
        about: format!(
            "Three nodes on a stream of three servers, each on a machine of its own, in a network that was made \
             for it. {} faults are done to them under load, one after another: processes killed, stopped and \
             asked to end, ways cut in both directions or in one. People change the node at every request and \
             ask again with the same key until they are answered; everything they were told is read back.",
            outcome.injections.len()
        ),
        mode: Mode::Live,
        seed: options.seed,
        scale: 1.0,
        commit: commit(),
        machine: machine(),
        started_at: started_at.into(),
        command: options.command.clone(),
        figures: figures(outcome),
        verdicts: judge(&options.faults, outcome),
        series: plots(outcome),
        marks: outcome.injections.iter().map(mark).collect(),
        history: Vec::new(),
        fairness: Some(Fairness { orders: outcome.orders.iter().map(measure).collect(), draw: None }),
    }
}

/// What was seen of each fault, in words: for whoever wants to know why a verdict is as it is.
pub fn details(outcome: &Outcome) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for injection in &outcome.injections {
        let (from, to) = injection.at;
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            text,
            "{} ({}), from {:.1} s to {:.1} s, {} requests answered",
            injection.fault.name(),
            injection.fault.words(),
            from.as_secs_f64(),
            to.as_secs_f64(),
            injection.answered
        );
        for evidence in &injection.evidence {
            let _ =
                writeln!(text, "  {} {}", if evidence.bites { "seen:" } else { "NOT SEEN:" }, evidence.seen);
        }
        if let Some(elected_in) = injection.elected_in {
            let _ = writeln!(text, "  another leader after {} ms", elected_in.as_millis());
        }
        for refused in &injection.refused {
            let (node, after_ms) = (refused.node + 1, refused.after.as_millis());
            let reads = if refused.reads { "could be read" } else { "could not be read" };
            let _ =
                writeln!(text, "  node {node} {reads}, and said {:?} after {after_ms} ms", refused.answer);
        }
        for end in &injection.own_ends {
            let _ =
                writeln!(text, "  {} ended by itself (up: {}): {}", end.machine.name(), end.was_up, end.said);
        }
        let word =
            |time: &Option<Duration>| time.map_or("never".into(), |time| format!("{} ms", time.as_millis()));
        let back: Vec<String> = injection.back_in.iter().map(word).collect();
        let _ = writeln!(text, "  first write through nodes 1 to 3 after {}", back.join(", "));
    }
    for end in &outcome.own_ends {
        let _ = writeln!(text, "between faults {} ended by itself: {}", end.machine.name(), end.said);
    }
    text
}

/// A count that is shown: key, value, unit, note, place among the headlines.
type Count = (&'static str, u64, &'static str, &'static str, u8);

fn figures(outcome: &Outcome) -> BTreeMap<String, Figure> {
    let figure = |(key, value, unit, note, place): Count| {
        (key.to_string(), Figure::count(value, unit, note).headline(place))
    };
    let mut figures: BTreeMap<String, Figure> = counts(outcome).into_iter().map(figure).collect();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let mut all: Vec<Duration> = Vec::new();
    for (fault, times) in back_times(&outcome.injections) {
        let (middle, last) = (times.get(times.len() / 2), times.last());
        let note = format!("From the end of `{}` to the first write through a node", fault.name());
        for (name, time) in [("p50", middle), ("max", last)] {
            if let Some(time) = time {
                let key = format!("back_{}_{name}_ms", fault.name().replace('-', "_"));
                figures.insert(key, Figure::new(ms(*time).round(), "ms", &format!("{note}, {name}")));
            }
        }
        all.extend(times);
    }
    all.sort_unstable();
    if let (Some(middle), Some(last)) = (all.get(all.len() / 2), all.last()) {
        let note = "From a fault's end to the first write through a node, median";
        figures.insert("back_p50_ms".into(), Figure::new(ms(*middle).round(), "ms", note).headline(4));
        let longest = Figure::new(ms(*last).round(), "ms", "The longest of them");
        figures.insert("back_max_ms".into(), longest.headline(5));
    }
    for injection in outcome.injections.iter().filter(|one| one.elected_in.is_some()) {
        let key = format!("elected_{}_ms", injection.fault.name().replace('-', "_"));
        let time = ms(injection.elected_in.unwrap_or_default()).round();
        figures
            .insert(key, Figure::new(time, "ms", "From the fault to another leader among the other servers"));
    }
    if let Some(slowness) = outcome.injections.iter().find_map(|one| one.slowness) {
        figures.insert("slow_links".into(), Figure::text(slowness.words(), "What a slow link was"));
    }
    tau_figures(&outcome.orders, &mut figures);
    figures.insert("took_s".into(), Figure::new(outcome.took.as_secs_f64(), "s", "All of it"));
    figures
}

fn counts(outcome: &Outcome) -> Vec<Count> {
    let (numbers, places, changes) = outcome.known;
    let counted = &outcome.counted;
    let audits = || outcome.last.iter().chain(&outcome.after_restart).chain([&outcome.found]);
    let checked = audits().map(|found| found.tickets + found.bookings + found.contacts + found.repeats).sum();
    let ends = |was_up: bool| {
        let during = outcome.injections.iter().flat_map(|one| &one.own_ends);
        during.chain(&outcome.own_ends).filter(|end| end.was_up == was_up).count() as u64
    };
    let during: u64 = outcome.injections.iter().map(|one| one.answered).sum();
    let lasted: Duration = outcome.injections.iter().map(|one| one.at.1 - one.at.0).sum();
    let rate = |answered: u64, time: Duration| (answered as f64 / time.as_secs_f64().max(0.001)) as u64;
    vec![
        ("faults", outcome.injections.len() as u64, "", "Faults", 1),
        ("answered", counted.answered, "requests", "Requests with a definite answer", 2),
        ("refused", counted.refused, "requests", "Of these, refusals, such as a full slot", 0),
        ("unanswered", counted.unanswered, "requests", "Sent, not answered, and sent again", 0),
        ("answered_again", counted.asked_again, "requests", "Answered after they were sent again", 3),
        (
            "calm_rate",
            rate(outcome.calm.1, outcome.calm.0),
            "requests/s",
            "Answered before the first fault",
            0,
        ),
        ("fault_rate", rate(during, lasted), "requests/s", "Answered while faults lasted", 0),
        ("visitors", u64::from(outcome.visitors), "people", "People who came", 0),
        ("numbers", numbers, "", "Numbers in line that were acknowledged", 0),
        ("places", places, "", "Holds and bookings that were acknowledged", 0),
        ("changes", changes, "", "Operator's changes that were acknowledged", 0),
        ("checked", checked, "", "Answers read back by the auditor", 0),
        (
            "position",
            outcome.agreement.position.unwrap_or(0),
            "records",
            "Records in every node's journal",
            0,
        ),
        ("ended_by_themselves", ends(true), "", "Programs that were up and ended by themselves", 0),
        ("starts_repeated", ends(false), "", "Starts that failed, and were tried again a second later", 0),
    ]
}

fn tau_figures(orders: &[Order], figures: &mut BTreeMap<String, Figure>) {
    for order in orders {
        for (what, tau) in [("numbers", order.numbers_tau), ("entries", order.entries_tau)] {
            if let Some(tau) = tau {
                let key = format!("tau_{what}_{}", order.during.replace(' ', "_"));
                let note = format!(
                    "Kendall's tau of arrivals against {what} {}, {} people",
                    order.during, order.people
                );
                figures.insert(key, Figure::new((tau * 10_000.0).round() / 10_000.0, "", &note));
            }
        }
    }
}

fn measure(order: &Order) -> OrderMeasure {
    OrderMeasure {
        group: format!("Came {}", order.during),
        people: order.people,
        tau: order.numbers_tau,
        meaning:
            "Near 1: numbers are given in the order in which people first asked, but for those who asked \
                  within the same moments at different nodes, and those whose node was gone."
                .into(),
    }
}

fn mark(injection: &Injection) -> Mark {
    Mark { at_s: injection.at.0.as_secs_f64(), label: injection.fault.name().into() }
}

fn plots(outcome: &Outcome) -> Vec<Plot> {
    // Ten times a second is a ragged line; each point is the second before it.
    let rates = outcome.samples.windows(11).step_by(5).map(|samples| {
        let ((from_s, from), (to_s, to)) = (samples[0], samples[10]);
        (to_s, (to - from) as f64 / (to_s - from_s).max(0.001))
    });
    let back = |injection: &Injection| {
        let longest = injection.back_in.iter().flatten().max()?;
        Some((injection.at.1.as_secs_f64(), longest.as_secs_f64() * 1_000.0))
    };
    let plot = |title: &str, caption: &str, unit: &str, line: Line| {
        Plot::of(title, unit, caption, TimeAxis::SinceOpening, vec![line])
    };
    vec![
        plot(
            "Requests answered",
            "Definite answers a second; between faults nobody sends while people are read back.",
            "requests/s",
            Line::new("answered", Tone::Green, rates.collect()),
        ),
        plot(
            "Back after each fault",
            "From the fault's end to the first write through the last node.",
            "ms",
            Line::new("back", Tone::Blue, outcome.injections.iter().filter_map(back).collect()),
        ),
    ]
}
