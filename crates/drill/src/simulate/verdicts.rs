//! What a run is judged by, and its report.
//!
//! Must never pass what was not measured: a verdict about nobody fails. Start at [`report`].

use super::summary::Summary;
use super::{SimulateOptions, Simulation, plots};
use crate::auditor::Breach;
use crate::auditor::order::noise;
use crate::history;
use crate::report::number::{duration, grouped};
use crate::report::{Mode, Promise, Report, Verdict, commit, machine};
use crate::scenario::scaled;

/// Bytes a waiting ticket may cost: 32 MB for ten million.
const BYTES_PER_TICKET_MAX: f64 = 3.2;
/// What an identity-bound room adds: the person's id, kept once.
const BYTES_PER_PERSON: f64 = 16.0;
/// Who waits while nobody is turned away is served as they came. Two who come within the same
/// round trip may change places on the way: over an evening, far fewer than one pair in 200.
const ORDER_GOAL: f64 = 0.99;
/// People react within seconds of being called, at random: over queues of an hour that mixes
/// neighbours, a few pairs in a hundred.
const ADMISSION_GOAL: f64 = 0.95;

/// The report of a finished run.
pub(super) fn report(
    run: &Simulation,
    options: &SimulateOptions<'_>,
    started: &jiff::Zoned,
) -> anyhow::Result<Report> {
    let summary = Summary::of(run);
    let evening = run.scenario.evening;
    let mut verdicts = kept(run);
    verdicts.extend(given_once(run));
    verdicts.extend(fair(run, &summary));
    verdicts.extend(cheap(run, &summary));
    verdicts.extend(carried(run, &summary));
    verdicts.extend(told(run, &summary));
    Ok(Report {
        drill: run.scenario.name.into(),
        about: format!("{} {}", evening.about, about(run)),
        mode: Mode::Simulated,
        seed: options.seed,
        scale: options.scale,
        commit: commit(),
        machine: machine(),
        started_at: started.strftime("%Y-%m-%d %H:%M %Z").to_string(),
        command: options.command.clone(),
        figures: plots::figures(run, &summary),
        verdicts,
        series: plots::series(run),
        marks: run.marks.clone(),
        history: match history::evening(evening.drill) {
            Some(evening) => history::rows(evening, &plots::ours(run, &summary)),
            None => Vec::new(),
        },
        fairness: Some(plots::fairness(run, &summary)),
    })
}

/// What is real and what is a model, in a paragraph.
fn about(run: &Simulation) -> String {
    let node = &run.scenario.node;
    format!(
        "In this run the engine, its journal and recovery, the draw and the public document are the \
         real ones; the people, the network, a node that carries {} commands a second and the \
         service behind the room ({} steps a second) are a model, at scale {}. HTTP is not run: the \
         live drill does that.",
        grouped(i64::from(node.commands_per_s)),
        grouped(i64::from(run.scenario.service.steps_per_s)),
        run.scale
    )
}

fn verdict(promise: Promise, name: &str, goal: &str, measured: String, pass: bool) -> Verdict {
    Verdict { name: name.into(), promise, goal: goal.into(), measured, pass }
}

/// A verdict that none of these breaches was seen, with an example if one was.
fn none_of(run: &Simulation, promise: Promise, name: &str, of: &[Breach], beside: String) -> Verdict {
    let count = run.auditor.count(of);
    let example = run.auditor.breaches().find(|(breach, ..)| of.contains(breach));
    let measured = match example.and_then(|(breach, _, examples)| Some((breach, examples.first()?))) {
        Some((breach, example)) => format!("{} ({breach:?}: {example})", grouped(count as i64)),
        None => format!("0 {beside}"),
    };
    verdict(promise, name, "0", measured, count == 0)
}

fn kept(run: &Simulation) -> Vec<Verdict> {
    let crashes = run.totals.crashes.len();
    let compared = grouped(run.auditor.compared as i64);
    let lost = [Breach::TicketLost, Breach::EntryLost, Breach::BookingLost, Breach::RepeatDiffers];
    let kinds: Vec<&str> = run.totals.crashes.iter().map(|(_, crash, _)| crash.words()).collect();
    vec![
        none_of(
            run,
            Promise::P1,
            "Acknowledged answers lost",
            &lost,
            format!(
                "of {}, compared {compared} times over {crashes} crashes",
                grouped(run.auditor.acknowledged as i64)
            ),
        ),
        verdict(
            Promise::P1,
            "Crashes in the evening, a kill -9 with restart among them",
            &format!("{}", run.crashes_planned()),
            format!(
                "{crashes} ({}); {} requests in flight",
                kinds.join(", "),
                grouped(run.totals.in_flight_lost as i64)
            ),
            crashes == run.crashes_planned() && run.was_killed(),
        ),
        none_of(
            run,
            Promise::P1,
            "Bookings nobody was told of, and messages without a booking",
            &[Breach::BookingUntold, Breach::FalseMessage],
            format!("of {} messages", grouped(run.totals.messages as i64)),
        ),
    ]
}

fn given_once(run: &Simulation) -> Vec<Verdict> {
    let booked = format!("of {} bookings", grouped(i64::from(run.auditor.booked())));
    vec![
        none_of(run, Promise::P2, "Slots with more people than places", &[Breach::Oversold], booked.clone()),
        none_of(
            run,
            Promise::P2,
            "People with two bookings, bookings or tickets of two people",
            &[Breach::BookedTwice, Breach::TicketTwice, Breach::PassOverused],
            booked,
        ),
    ]
}

fn fair(run: &Simulation, summary: &Summary) -> Vec<Verdict> {
    let orders = &summary.orders;
    let tau = |measured: &crate::auditor::order::Measured| {
        let people = grouped(measured.people as i64);
        measured.tau.map_or(format!("none, {people} people"), |tau| format!("{tau:.4} over {people} people"))
    };
    let drawn = run.facts.lobby.unwrap_or(0);
    let unrelated = |people: usize| format!("within ±{:.4} of 0, as chance allows", noise(people));
    let tricks: u64 = run.totals.tricks.values().sum::<u64>() + run.totals.forged_tokens;
    let mut ways = none_of(
        run,
        Promise::P3,
        "Ways round the queue that worked",
        &[Breach::WayRound, Breach::TooEarly, Breach::OutOfTurn, Breach::TurnDenied],
        format!("of {} attempts of {} kinds", grouped(tricks as i64), run.totals.tricks.len()),
    );
    ways.pass &= run.totals.forged_opened == 0 && tricks > 0;
    let mut draw = none_of(
        run,
        Promise::P3,
        "Drawn places that differ from the auditor's own",
        &[Breach::DrawWrong],
        format!("of {}", grouped(i64::from(drawn))),
    );
    draw.pass &= drawn > 0;
    vec![
        draw,
        verdict(
            Promise::P3,
            "Coming earlier to the lobby buys nothing (tau)",
            &unrelated(orders.lobby.people),
            tau(&orders.lobby),
            orders.lobby.is_unrelated(),
        ),
        verdict(
            Promise::P3,
            "A faster network buys nothing in the draw (tau)",
            &unrelated(orders.delay.people),
            tau(&orders.delay),
            orders.delay.is_unrelated(),
        ),
        verdict(
            Promise::P3,
            "Later arrivals stand as they came, while nobody is turned away (tau)",
            &format!("at least {ORDER_GOAL}"),
            tau(&orders.late_calm),
            orders.late_calm.reaches(ORDER_GOAL),
        ),
        verdict(
            Promise::P3,
            "People are let in in the order of their places (tau)",
            &format!("at least {ADMISSION_GOAL}"),
            tau(&orders.admission),
            orders.admission.reaches(ADMISSION_GOAL),
        ),
        ways,
        none_of(
            run,
            Promise::P3,
            "Entries or passes beyond the pace",
            &[Breach::TooFast],
            "in any ten seconds".into(),
        ),
    ]
}

fn cheap(run: &Simulation, summary: &Summary) -> Vec<Verdict> {
    let issued = f64::from(summary.issued.max(1));
    let per_ticket = (summary.marks_bytes + summary.people_bytes) as f64 / issued;
    let per_ticket_max =
        BYTES_PER_TICKET_MAX + if run.scenario.identity_bound { BYTES_PER_PERSON } else { 0.0 };
    let per_person = run.meter.all_answers.len() as f64 / run.crowd.people.len().max(1) as f64;
    let (cost, looks) = (&summary.cost, run.totals.looks);
    vec![
        verdict(
            Promise::P4,
            "Memory of a waiting ticket",
            &format!("at most {per_ticket_max} bytes"),
            format!("{per_ticket:.2} bytes of {} tickets", grouped(i64::from(summary.issued))),
            summary.issued > 0 && per_ticket <= per_ticket_max,
        ),
        verdict(
            Promise::P4,
            "What the machine decides for those who wait long, against those who wait short",
            "at most 1.25 times as much",
            format!(
                "{:.2} times, waits at the door apart ({} answers); {per_person:.1} requests a person, {} looks at a published document",
                cost.long_over_short,
                grouped(run.totals.busy as i64),
                grouped(looks as i64)
            ),
            cost.long_over_short <= 1.25 && looks > 0,
        ),
        verdict(
            Promise::P8,
            "Requests in a wait of 3 h 36 min",
            "at most 60",
            format!(
                "{} at the most; in the run {}, the lobby's {} included",
                cost.long_requests,
                cost.requests_max,
                duration(f64::from(run.scenario.lobby_s))
            ),
            cost.long_requests <= 60,
        ),
        verdict(
            Promise::P8,
            "Bytes in a wait of 3 h 36 min, beside the page",
            "at most 20,000",
            format!(
                "{} at the most, and {} once for the page; in the run {}",
                grouped(i64::from(cost.long_bytes)),
                grouped(i64::from(super::page::PAGE_BYTES)),
                grouped(i64::from(cost.bytes_max))
            ),
            cost.long_bytes <= 20_000,
        ),
    ]
}

fn carried(run: &Simulation, summary: &Summary) -> Vec<Verdict> {
    let overload = &summary.overload;
    let share = overload.mean / f64::from(overload.best.max(1));
    let ends = &summary.ends;
    let mut verdicts = vec![
        verdict(
            Promise::P5,
            "Carried at ten times the load a node can carry (model)",
            "at least 95 % of its best, for at least 10 s",
            format!(
                "{:.1} % over {} s, {:.0} times at the most",
                share * 100.0,
                overload.seconds,
                overload.offered_max
            ),
            share >= 0.95 && overload.seconds >= 10,
        ),
        verdict(
            Promise::P5,
            "Everyone's evening ends with a clear answer",
            "0 people without",
            format!(
                "{} without; {} booked, {} told that nothing is left, {} went by themselves",
                grouped(i64::from(ends.open)),
                grouped(i64::from(ends.booked)),
                grouped(i64::from(ends.no_supply)),
                grouped(i64::from(ends.gave_up))
            ),
            ends.open == 0 && ends.booked > 0,
        ),
    ];
    if let Some(evening) = history::evening(run.scenario.name) {
        let historic = scaled(evening.booked.0 as u32, run.scale);
        verdicts.push(verdict(
            Promise::P5,
            "Booked by the hour that history gives a figure for",
            &format!("at least {}, as then", grouped(i64::from(historic))),
            grouped(i64::from(summary.booked_by_then)),
            summary.booked_by_then >= historic,
        ));
    }
    verdicts
}

fn told(run: &Simulation, summary: &Summary) -> Vec<Verdict> {
    let told = &summary.told;
    let looks = run.meter.seconds.len();
    let mut announced = none_of(
        run,
        Promise::P6,
        "Pauses, quotas and closings without a public reason",
        &[Breach::Unannounced],
        format!("of {}", run.totals.events_checked),
    );
    announced.pass &= run.totals.events_checked > 0;
    let mut verdicts = vec![
        none_of(
            run,
            Promise::P6,
            "Moments at which supply did not add up",
            &[Breach::SupplyWrong],
            format!("in {} s, five times a second", grouped(looks as i64)),
        ),
        announced,
    ];
    if run.sold_out_at.is_none() {
        // Nobody could wait in vain: there is nothing to judge.
        return verdicts;
    }
    verdicts.extend([
        verdict(
            Promise::P6,
            "People who waited in vain, not told ten minutes before the last place was gone",
            "at most 1 in 1,000",
            format!(
                "{} of {} in line then",
                grouped(i64::from(told.too_late)),
                grouped(i64::from(told.in_line))
            ),
            u64::from(told.too_late) * 1_000 <= u64::from(told.in_line),
        ),
        verdict(
            Promise::P6,
            "Answers inside that nothing is left, to people who had been let in",
            "at most 5 for 100 bookings",
            format!(
                "{} beside {} bookings",
                grouped(run.totals.turned_away_inside as i64),
                grouped(i64::from(summary.ends.booked))
            ),
            run.totals.turned_away_inside * 20 <= u64::from(summary.ends.booked),
        ),
        verdict(
            Promise::P6,
            "People who went because they were told that supply would not reach them, and it did",
            "at most 1 %",
            format!(
                "{} of {}",
                grouped(i64::from(told.sent_away)),
                grouped(i64::from(summary.ends.no_supply))
            ),
            f64::from(told.sent_away) <= 0.01 * f64::from(summary.ends.no_supply),
        ),
    ]);
    verdicts
}
