//! From an evening to its report: figures, plots, marks, history.
//!
//! Must never show a figure that was not measured in this run. Start at [`report`].

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{
    crowd::{End, tally::Kind},
    evening::{Evening, Sample},
    fairness::Order,
    load::LoadOutcome,
    plan::Plan,
    report_points::Second,
    verdicts,
};
use crate::{
    history::{self, Ours},
    report::{
        Draw, Fairness, Figure, Line, Mark, Mode, OrderMeasure, Plot, Report, Supply, TimeAxis, Tone, commit,
        machine, series::Point, stats::Percentiles,
    },
    scenario::Scenario,
};

/// How the run was made.
#[derive(Debug, Clone)]
pub struct About {
    /// The seed.
    pub seed: u64,
    /// The part of the country.
    pub scale: f64,
    /// The command that repeats it.
    pub command: String,
    /// When it began, as shown.
    pub started_at: String,
    /// The machine's load average over a minute when it began: others' work beside ours.
    pub load_before: f64,
    /// Service and generator had a core each.
    pub pinned: bool,
    /// The service was started by the drill.
    pub own_service: bool,
}

const TIME: TimeAxis = TimeAxis::SinceOpening;

/// The report of an evening.
pub fn report(scenario: &Scenario, plan: &Plan, about: &About, evening: &Evening) -> Report {
    let order = Order::of(&evening.ledger.lock(), evening.crowd.draw.as_ref());
    let since = |at: Instant| seconds_since(evening.crowd.opens_at, at);
    let marks = evening.marks.iter().map(|(at, label)| Mark::new(since(*at), label.clone())).collect();
    Report {
        drill: scenario.name.into(),
        about: format!(
            "{} This is that evening over real HTTP with {} people, {:.0} times faster than then.{}",
            scenario.evening.about,
            plan.people,
            plan.compression,
            if about.own_service { "" } else { " The service is not the drill's own: it was not killed." }
        ),
        mode: Mode::Live,
        seed: about.seed,
        scale: about.scale,
        commit: commit(),
        machine: machine(),
        started_at: about.started_at.clone(),
        command: about.command.clone(),
        figures: figures(plan, about, evening),
        verdicts: verdicts::judge(plan, evening, &order),
        series: plots(evening),
        marks,
        history: history::rows(scenario.evening, &ours(plan, evening)),
        fairness: Some(fairness(evening, &order)),
    }
}

/// Seconds from `zero` to `at`, negative before it.
fn seconds_since(zero: Instant, at: Instant) -> f64 {
    let after = at.saturating_duration_since(zero).as_secs_f64();
    after - zero.saturating_duration_since(at).as_secs_f64()
}

fn points(evening: &Evening, value: impl Fn(&Second) -> f64) -> Vec<Point> {
    let opening_s = seconds_since(evening.crowd.came_together, evening.crowd.opens_at);
    evening.crowd.tally.seconds.iter().map(|second| (second.at_s as f64 - opening_s, value(second))).collect()
}

fn rate(evening: &Evening, total: impl Fn(&Second) -> f64) -> Vec<Point> {
    let mut before = 0.0;
    let mut points = points(evening, total);
    for (_, value) in &mut points {
        let now = *value;
        *value = (now - before).max(0.0);
        before = now;
    }
    points
}

fn plots(evening: &Evening) -> Vec<Plot> {
    let p = |value: fn(&Second) -> f64| points(evening, value);
    let entered = p(|second| f64::from(second.counts.entered));
    let booked = p(|second| f64::from(second.counts.booked));
    let arrived = p(|second| f64::from(second.counts.arrived));
    let mut progress = Plot::progress(TIME, arrived, entered, booked);
    progress.title = "Arrived, entered and booked".into();
    progress.lines[0].name = "arrived".into();
    let requests = Plot::of(
        "Requests",
        "requests per second",
        "All answers in each second; those told to come back and those without an answer beside.",
        TIME,
        vec![
            Line::new("ended", Tone::Blue, p(|second| second.requests as f64)),
            Line::new("come back", Tone::Orange, p(|second| second.shed as f64)),
            Line::new("no answer", Tone::Purple, p(|second| second.failed as f64)),
        ],
    );
    let mut plots = vec![
        Plot::arrivals(TIME, rate(evening, |second| f64::from(second.counts.arrived))),
        Plot::waiting(TIME, p(|second| f64::from(second.counts.waiting))),
        progress,
        Plot::latency(TIME, p(|second| second.p50_ms), p(|second| second.p99_ms)),
        requests,
    ];
    plots.extend(supply_plot(evening));
    plots.extend(resources(evening));
    plots.extend(overload_plot(evening));
    plots
}

fn supply_plot(evening: &Evening) -> Option<Plot> {
    let mut supply = Supply::default();
    for sample in &evening.samples {
        if let Some(now) = sample.supply {
            let at_s = seconds_since(evening.crowd.opens_at, sample.at);
            supply.free.push((at_s, f64::from(now.free)));
            supply.held.push((at_s, f64::from(now.held)));
            supply.booked.push((at_s, f64::from(now.booked)));
            supply.used.push((at_s, f64::from(now.used)));
            supply.withdrawn.push((at_s, f64::from(now.withdrawn)));
        }
    }
    (!supply.free.is_empty()).then(|| Plot::supply(TIME, supply))
}

fn resources(evening: &Evening) -> Vec<Plot> {
    let at = |sample: &Sample| seconds_since(evening.crowd.opens_at, sample.at);
    let memory: Vec<Point> = evening
        .samples
        .iter()
        .filter_map(|sample| Some((at(sample), sample.service?.resident_bytes as f64 / 1e6)))
        .collect();
    let cores = |cpu_s: &dyn Fn(&Sample) -> Option<f64>| -> Vec<Point> {
        let pairs = evening.samples.windows(2);
        let used = |pair: &[Sample]| {
            let span_s = pair[1].at.saturating_duration_since(pair[0].at).as_secs_f64();
            // A restarted service counts from zero again.
            let used_s = cpu_s(&pair[1])? - cpu_s(&pair[0])?;
            (span_s > 0.0 && used_s >= 0.0).then(|| (at(&pair[1]), used_s / span_s))
        };
        pairs.filter_map(used).collect()
    };
    let plot = |title: &str, caption: &str, unit: &str, lines| Plot::of(title, unit, caption, TIME, lines);
    let processor = vec![
        Line::new("service", Tone::Blue, cores(&|sample| Some(sample.service?.cpu_s))),
        Line::new("crowd", Tone::Grey, cores(&|sample| Some(sample.generator.cpu_s))),
    ];
    let mut plots = vec![plot(
        "Processor",
        "Cores in use: where the crowd's line is at its limit, latencies say more about it than about the service.",
        "cores",
        processor,
    )];
    if !memory.is_empty() {
        let lines = vec![Line::new("service", Tone::Green, memory)];
        plots.push(plot(
            "The service's memory",
            "Resident memory, the kill and the restart included.",
            "MB",
            lines,
        ));
    }
    plots
}

fn overload_plot(evening: &Evening) -> Option<Plot> {
    let overload = evening.overload.as_ref()?;
    let best = overload.best().1.booked_per_s();
    let booked = overload.over.booked_by_second.iter().enumerate();
    let over: Vec<Point> = booked.map(|(second, booked)| (second as f64, *booked as f64)).collect();
    let goal = over.iter().map(|(at_s, _)| (*at_s, 0.95 * best)).collect();
    let end_s = over.last()?.0;
    let plot = Plot::of(
        "Bookings under overload",
        "bookings per second",
        "After the evening: bookings in each second while ten times as many people come as the service \
         can carry, all rounds one after the other.",
        TimeAxis::Apart,
        vec![Line::new("booked", Tone::Blue, over), Line::new("95 % of best", Tone::Limit, goal)],
    );
    Some(Plot { range_s: Some((0.0, end_s)), ..plot })
}

fn figures(plan: &Plan, about: &About, evening: &Evening) -> BTreeMap<String, Figure> {
    let crowd = &evening.crowd;
    let mut figures = BTreeMap::new();
    let mut add = |key: &str, figure: Figure| drop(figures.insert(key.to_string(), figure));
    let end = |end| u64::from(crowd.ends.get(&end).copied().unwrap_or(0));
    add("people", Figure::count(u64::from(plan.people), "people", "Who came").headline(1));
    let waiting = Figure::count(u64::from(crowd.waiting_max), "people", "The most in line at once");
    add("waiting_max", waiting.headline(2));
    let booked = evening.ledger.lock().booked_count().0;
    add("booked", Figure::count(booked, "people", "Booked, as acknowledged to them").headline(3));
    for (key, value, note) in [
        ("gave_up", end(End::GaveUp), "Left while waiting, of themselves"),
        ("told", end(End::Told), "Left when told that the supply would not reach them"),
        ("sold_out", end(End::SoldOut), "Stayed until nothing was left"),
        ("cancelled", end(End::Cancelled), "Booked, and gave it back"),
    ] {
        add(key, Figure::count(value, "people", note));
    }
    let requests: u64 = crowd.tally.seconds.iter().map(|second| second.requests).sum();
    add("requests", Figure::count(requests, "requests", "Sent by the crowd"));
    let peak = crowd.tally.seconds.iter().map(|second| second.requests).max().unwrap_or(0);
    add("requests_per_s_max", Figure::count(peak, "requests/s", "In the busiest second").headline(5));
    for kind in Kind::ALL {
        latency_figures(kind, evening, &mut add);
    }
    let lag = Percentiles::of(&crowd.tally.lag);
    let note = "How late the crowd itself sent a request: it counts in every latency";
    add("generator_lag_p99_ms", Figure::new(lag.p99 as f64 / 1000.0, "ms", note));
    for ((kind, word), count) in &crowd.tally.answers {
        let note = format!("Answers to {} that were {word}", kind.word());
        add(&format!("answers_{}_{word}", kind.word()), Figure::count(*count, "answers", &note));
    }
    if let Some(kill) = &evening.kill {
        let note = "From kill -9 to the first answer of the restarted service";
        add("away_s", Figure::new(kill.away.as_secs_f64(), "seconds", note).headline(6));
    }
    overload_figures(evening, &mut add);
    let cores = if about.pinned { "a core each" } else { "shared cores" };
    add("cores", Figure::text(cores, "What the service and the crowd ran on"));
    add(
        "data_bytes",
        Figure::count(evening.data_bytes, "bytes", "In the service's data directory at the end"),
    );
    let assumed = "Shares of people who reload, leave, return, use two devices, push or cancel: assumed";
    add("habits", Figure::text("assumed", assumed));
    figures
}

fn latency_figures(kind: Kind, evening: &Evening, add: &mut impl FnMut(&str, Figure)) {
    let latency = Percentiles::of(&evening.crowd.tally.latency[kind as usize]);
    if latency.count == 0 {
        return;
    }
    let word = kind.word();
    let from = "from when it ought to have been sent";
    for (point, us) in [("p50", latency.p50), ("p99", latency.p99), ("max", latency.max)] {
        let note = format!("{point} of {word}, {from}");
        add(&format!("{word}_{point}_ms"), Figure::new(us as f64 / 1000.0, "ms", &note));
    }
    add(
        &format!("{word}_answers"),
        Figure::count(latency.count, "answers", &format!("Definite answers to {word}")),
    );
}

fn overload_figures(evening: &Evening, add: &mut impl FnMut(&str, Figure)) {
    let Some(overload) = &evening.overload else {
        return;
    };
    let (full_ms, over_ms) = overload.p99_ms();
    let per_s =
        |outcome: &LoadOutcome, note: &str| Figure::new(outcome.booked_per_s().round(), "bookings/s", note);
    let note =
        "At its best: a connection each, twenty-three pages to read, hold and confirm, durable, and cancel";
    add("best_bookings_per_s", per_s(&overload.best().1, note).headline(4));
    let visits = Figure::count(overload.best().0 as u64, "people", "At any time at its best");
    add("best_people_at_once", visits);
    add("overload_bookings_per_s", per_s(&overload.over, "While ten times as many came"));
    add("overload_goodput_ratio", Figure::new(overload.ratio(), "", "Of its best"));
    let note = "Times its best that came, each over a connection of their own";
    add("overload_offered_times", Figure::new(overload.offered_times(), "", note));
    let note = "At any time at its fullest: as good as its best, and hardly anybody kept out";
    add("full_people_at_once", Figure::count(overload.fullest() as u64, "people", note));
    add(
        "full_p99_ms",
        Figure::new(full_ms, "ms", "p99 of what was served at its fullest, in the median round"),
    );
    let note = "p99 of what was served under overload, from its second second on, in the median round";
    add("overload_p99_ms", Figure::new(over_ms, "ms", note));
    let (median, least, most) = overload.p99_times();
    for (name, times, note) in [
        (
            "overload_p99_times",
            median,
            "Times the p99 at its fullest that it is under overload: the median round",
        ),
        ("overload_p99_times_least", least, "The same in the best round"),
        ("overload_p99_times_most", most, "The same in the worst round"),
    ] {
        add(name, Figure::new(times, "", note));
    }
    let first_ms = overload.over.served_in_run_in.value_at_quantile(0.99) as f64 / 1000.0;
    let note =
        "p99 of the overload's first second, in which the queue of callers is still as long as at ease";
    add("overload_first_second_p99_ms", Figure::new(first_ms, "ms", note));
    let kept_out =
        Figure::count(overload.over.kept_out, "people", "Left under overload without a connection");
    add("overload_kept_out", kept_out);
    let refused = Percentiles::of(&overload.over.refused);
    add("overload_refused", Figure::count(refused.count, "requests", "Told to come back under overload"));
    add("overload_refused_p99_ms", Figure::new(refused.p99 as f64 / 1000.0, "ms", "p99 of being told so"));
    let lag_ms = overload.over.lag.value_at_quantile(0.99) as f64 / 1000.0;
    add(
        "overload_lag_p99_ms",
        Figure::new(lag_ms, "ms", "How late people came, by the generator's own fault"),
    );
    let note = "Visits under overload that the generator could not begin";
    add("overload_not_offered", Figure::count(overload.over.not_offered, "visits", note));
    for (word, count) in &overload.over.answers {
        add(
            &format!("overload_{word}"),
            Figure::count(*count, "answers", &format!("Under overload: {word}")),
        );
    }
}

fn ours(plan: &Plan, evening: &Evening) -> Ours {
    let crowd = &evening.crowd;
    let booked = rate(evening, |second| f64::from(second.counts.booked));
    let entered = rate(evening, |second| f64::from(second.counts.entered));
    let most = |points: &[Point]| points.iter().map(|(_, value)| *value).reduce(f64::max);
    let last_booking_s = booked.iter().rfind(|(_, value)| *value > 0.0).map(|(at_s, _)| *at_s);
    let opening_ms = seconds_since(crowd.came_together, crowd.opens_at) * 1000.0;
    let ledger = evening.ledger.lock();
    let waits_s: Vec<f64> = ledger
        .people
        .iter()
        .filter_map(|record| {
            let from_ms = f64::from(record.joined_ms.1).max(opening_ms);
            Some((f64::from(record.entered_ms?) - from_ms).max(0.0) / 1000.0)
        })
        .collect();
    let mean = waits_s.iter().sum::<f64>() / waits_s.len().max(1) as f64;
    Ours {
        eligible: Some(u64::from(plan.people)),
        booked_by_then: Some(ledger.booked_count().0),
        last_booking_s,
        waiting_max: Some(u64::from(crowd.waiting_max)),
        wait_mean_s: (!waits_s.is_empty()).then_some(mean),
        wait_max_s: waits_s.iter().copied().reduce(f64::max),
        hardly_reachable_s: None,
        first_half_hour_share: None,
        bookings_per_s_max: most(&booked),
        entries_per_s_max: most(&entered),
        supply_public: Some(evening.samples.iter().any(|sample| sample.supply.is_some())),
    }
}

fn fairness(evening: &Evening, order: &Order) -> Fairness {
    let measure = |group: &str, people, tau, meaning: &str| OrderMeasure {
        group: group.into(),
        people,
        tau,
        meaning: meaning.into(),
    };
    let orders = vec![
        measure(
            "Came before the opening",
            order.lobby.len() as u64,
            order.lobby_tau,
            "Near 0: when they came says nothing about their place, which was drawn.",
        ),
        measure(
            "Came after the opening",
            order.later,
            order.later_tau,
            "Near 1: they are served as they came.",
        ),
        measure(
            "Everyone who entered",
            order.entered,
            order.entry_tau,
            "Near 1: people enter in the order of their places, each a little after the call.",
        ),
    ];
    let draw = evening.crowd.draw.as_ref().map(|draw| Draw {
        people: u64::from(draw.lobby),
        commitment: evening.rooms.0.commitment.clone(),
        commitment_is: "SHA-256 of the seed".into(),
        seed: draw.seed.clone(),
        beacon: Some(draw.beacon.clone()),
        seed_matches: super::shuffle::from_hex(&draw.seed)
            .is_some_and(|seed| super::shuffle::to_hex(&super::shuffle::sha256(&seed)) == evening.rooms.0.commitment),
        places_checked: evening.crowd.compared.0,
        places_wrong: evening.crowd.compared.1.count,
        recompute: vec![
            "Check that SHA-256 of the seed is the commitment published before anyone joined.".into(),
            "Mix: SHA-256 of the seed followed by the beacon.".into(),
            "Your place is compute_shuffled_index(ticket number, tickets in the draw, mix) of Ethereum's consensus specification, 90 rounds.".into(),
        ],
    });
    Fairness { orders, draw }
}
