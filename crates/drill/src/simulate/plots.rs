//! Figures, plots, fairness and history of a finished run.
//!
//! Must never judge. Start at [`series`].

use std::collections::BTreeMap;

use super::Simulation;
use super::meter::Second;
use super::summary::Summary;
use crate::history::Ours;
use crate::report::series::Point;
use crate::report::{Draw, Fairness, Figure, Line, OrderMeasure, Plot, Supply, TimeAxis, Tone};

/// The plots, in the order of the page.
pub(super) fn series(run: &Simulation) -> Vec<Plot> {
    let axis = TimeAxis::Clock { opening_s: run.scenario.evening.opening_s };
    let arrived = points(run, |second| f64::from(second.arrived));
    let mut latency =
        Plot::latency(axis, points(run, |second| second.p50_ms), points(run, |second| second.p99_ms));
    latency.caption = "From the first attempt to the answer, being turned away and coming back included: half of all requests were answered faster than the lower line, and 99 of 100 faster than the upper.".into();
    let [door, looks, service, pace] = machine(run, axis);
    vec![
        Plot::arrivals(axis, arrived.clone()).zoomed("Arrivals around the opening", -30.0, 60.0),
        Plot { log: true, title: "Arrivals over the evening".into(), ..Plot::arrivals(axis, arrived) },
        Plot::waiting(axis, points(run, |second| f64::from(second.waiting))),
        Plot::progress(
            axis,
            points(run, |second| f64::from(second.called)),
            points(run, |second| f64::from(second.entered)),
            points(run, |second| f64::from(second.supply.booked)),
        ),
        door,
        latency,
        looks,
        Plot::supply(axis, supply(run)),
        service,
        pace,
    ]
}

/// One value of each second.
fn points(run: &Simulation, value: fn(&Second) -> f64) -> Vec<Point> {
    let begin = -f64::from(run.scenario.lobby_s);
    (0..).zip(&run.meter.seconds).map(|(at, second)| (begin + f64::from(at), value(second))).collect()
}

fn supply(run: &Simulation) -> Supply {
    Supply {
        free: points(run, |second| f64::from(second.supply.free())),
        held: points(run, |second| f64::from(second.supply.held)),
        booked: points(run, |second| f64::from(second.supply.booked)),
        used: points(run, |second| f64::from(second.supply.used)),
        withdrawn: points(run, |second| f64::from(second.supply.withdrawn)),
    }
}

/// The node's door, the document, the service behind and the pace.
fn machine(run: &Simulation, axis: TimeAxis) -> [Plot; 4] {
    let plot = |title: &str, unit: &str, caption: &str, log, lines| Plot {
        log,
        ..Plot::of(title, unit, caption, axis, lines)
    };
    let door = vec![
        Line::new("knocked", Tone::Purple, points(run, |second| f64::from(second.offered))),
        Line::new("carried out", Tone::Blue, points(run, |second| f64::from(second.served))),
    ];
    let looks = vec![Line::new("looks", Tone::Orange, points(run, |second| f64::from(second.looks)))];
    let goal = f64::from(run.scenario.pace.latency_goal_ms);
    let (begin, end) = (-f64::from(run.scenario.lobby_s), f64::from(run.scenario.ends_s));
    let service = vec![
        Line::new("95 of 100 (p95)", Tone::Orange, points(run, |second| f64::from(second.service_p95_ms))),
        Line::new("goal", Tone::Limit, vec![(begin, goal), (end, goal)]),
    ];
    let factor =
        vec![Line::new("pace", Tone::Green, points(run, |second| f64::from(second.factor_ppm) / 10_000.0))];
    [
        plot(
            "At the node's door",
            "requests per second",
            "What comes beyond the node's capacity is told at once to come back, and the node carries on at its best.",
            true,
            door,
        ),
        plot(
            "Looks at the waiting page's document",
            "requests per second",
            "The document is the same for everyone and can be cached; none of these reaches the machine that decides.",
            true,
            looks,
        ),
        plot(
            "The service behind the room",
            "milliseconds",
            "How long its steps take; above the goal, the room lets fewer in.",
            true,
            service,
        ),
        plot(
            "The pace that the room allows itself",
            "% of the pace set",
            "The controller lowers it when the service is slow, and raises it step by step.",
            false,
            factor,
        ),
    ]
}

/// What history is compared with.
pub(super) fn ours(run: &Simulation, summary: &Summary) -> Ours {
    Ours {
        eligible: Some((run.scenario.evening.eligible as f64 * run.scale).round() as u64),
        booked_by_then: Some(u64::from(summary.booked_by_then)),
        last_booking_s: Some(summary.last_booking_s),
        waiting_max: Some(u64::from(summary.waiting_max)),
        wait_mean_s: Some(summary.waits.mean_s),
        wait_max_s: Some(summary.waits.max_s),
        hardly_reachable_s: Some(f64::from(summary.hardly_s)),
        first_half_hour_share: Some(summary.first_half_hour),
        bookings_per_s_max: Some(f64::from(summary.bookings_per_s_max)),
        entries_per_s_max: Some(f64::from(summary.entries_per_s_max)),
        supply_public: Some(run.auditor.count(&[crate::auditor::Breach::SupplyWrong]) == 0),
    }
}

/// Figures by stable name.
pub(super) fn figures(run: &Simulation, summary: &Summary) -> BTreeMap<String, Figure> {
    let tricks = run.totals.tricks.iter().map(|(trick, tried)| {
        let key = format!("tried_{trick:?}").to_lowercase();
        (key, Figure::count(*tried, "attempts", &format!("Attempts: {}", trick.words())))
    });
    let all = [of_people(run, summary), of_ends(run, summary), of_requests(run), of_machine(run, summary)];
    let all = all.into_iter().flatten();
    all.map(|(key, figure)| (key.to_string(), figure)).chain(tricks).collect()
}

fn count(value: u32, unit: &str, note: &str) -> Figure {
    Figure::count(u64::from(value), unit, note)
}

/// Who came, and how long they waited.
fn of_people(run: &Simulation, summary: &Summary) -> Vec<(&'static str, Figure)> {
    let waits = &summary.waits;
    let people = run.crowd.people.len() as u32;
    vec![
        ("people", count(people, "people", "People who came")),
        ("devices", count(run.crowd.devices.len() as u32, "devices", "Devices they used")),
        ("booked", count(run.auditor.booked(), "people", "People with a booking at the end").headline(1)),
        (
            "wait_mean",
            Figure::new(
                waits.mean_s,
                "s",
                "Mean wait, from the opening or from coming if later, to being called",
            )
            .headline(2),
        ),
        ("wait_p50", Figure::new(waits.p50_s, "s", "Half of those called waited no longer")),
        ("wait_p99", Figure::new(waits.p99_s, "s", "99 of 100 of those called waited no longer")),
        ("wait_max", Figure::new(waits.max_s, "s", "The longest wait of anyone called").headline(3)),
        ("waiting_max", count(summary.waiting_max, "people", "Most people in line at once")),
        ("tickets", count(summary.issued, "tickets", "Tickets issued")),
    ]
}

/// What those without a booking were told, and how it ended for them.
fn of_ends(run: &Simulation, summary: &Summary) -> Vec<(&'static str, Figure)> {
    let (told, ends) = (&summary.told, &summary.ends);
    vec![
        (
            "turned_away_inside",
            Figure::count(
                run.totals.turned_away_inside,
                "people",
                "People who were let in and found no place left",
            ),
        ),
        (
            "told_sure_in_vain",
            count(
                told.sure_at_some_time,
                "people",
                "People in line at the end of supply who had been told \"sure\" at some time",
            ),
        ),
        (
            "told_unlikely_wrongly",
            count(
                told.sent_away,
                "people",
                "People who left because they were told that supply would not reach them, and it did",
            ),
        ),
        ("gave_up", count(ends.gave_up, "people", "People who went by themselves")),
        (
            "told_nothing_left",
            count(
                ends.no_supply,
                "people",
                "People who were told that no place is left, or that supply will not reach them",
            ),
        ),
        ("cancelled", count(ends.cancelled, "people", "People who gave their booking back")),
        (
            "not_eligible",
            count(
                ends.not_eligible + ends.not_their_day,
                "people",
                "People who were told that they are not eligible, or which day is theirs",
            ),
        ),
    ]
}

/// What was asked for beyond the plain way.
fn of_requests(run: &Simulation) -> Vec<(&'static str, Figure)> {
    vec![
        (
            "busy",
            Figure::count(run.totals.busy, "answers", "Called people asked to wait some seconds at the door"),
        ),
        ("repeats", Figure::count(run.totals.repeats, "requests", "Requests sent again under the same id")),
        ("reloads", Figure::count(run.totals.reloads, "requests", "Reloads of the page")),
        (
            "forged_tokens",
            Figure::count(run.totals.forged_tokens, "tokens", "Tickets with a changed letter; none opened"),
        ),
    ]
}

/// What it cost, and what crashes did.
fn of_machine(run: &Simulation, summary: &Summary) -> Vec<(&'static str, Figure)> {
    let cost = &summary.cost;
    let replayed: u64 = run.totals.crashes.iter().map(|(_, _, commands)| commands).sum();
    let down_s = f64::from(run.totals.down_ticks) / f64::from(super::meter::SECOND_TICKS);
    vec![
        (
            "answers_lost",
            Figure::count(
                run.auditor.count(&[
                    crate::auditor::Breach::TicketLost,
                    crate::auditor::Breach::BookingLost,
                    crate::auditor::Breach::EntryLost,
                ]),
                "answers",
                "Acknowledged answers missing after a crash",
            )
            .headline(4),
        ),
        ("commands", Figure::count(run.host.commands, "commands", "Commands that the machine decided")),
        (
            "acknowledged",
            Figure::count(run.auditor.acknowledged, "answers", "Answers that promised something"),
        ),
        ("replayed", Figure::count(replayed, "commands", "Commands replayed from the journal after crashes")),
        (
            "torn",
            Figure::count(run.host.torn_bytes, "bytes", "Bytes of interrupted writes that recovery dropped"),
        ),
        ("down", Figure::new(down_s, "s", "Time without a running process, all crashes together")),
        (
            "hardly_reachable",
            count(
                summary.hardly_s,
                "s",
                "Seconds after the opening in which fewer than half of all requests were carried out at once",
            ),
        ),
        ("snapshots", count(run.host.snapshots, "snapshots", "Snapshots taken")),
        ("snapshot_bytes", Figure::count(run.host.snapshot_bytes_max, "bytes", "Largest snapshot")),
        (
            "answer_p99",
            Figure::new(
                run.meter.all_answers.value_at_quantile(0.99) as f64 / 1e3,
                "s",
                "99 of 100 requests were answered within, counted from the first attempt",
            ),
        ),
        ("looks", Figure::count(run.totals.looks, "requests", "Looks at the published document")),
        ("looks_per_s_max", count(cost.looks_per_s_max, "requests/s", "Most looks in one second")),
        (
            "requests_per_wait",
            Figure::new(
                (cost.requests_mean * 10.0).round() / 10.0,
                "requests",
                "Requests of a device that waited and entered, on average",
            ),
        ),
        (
            "overload_carried",
            Figure::new(
                summary.overload.mean.round(),
                "commands/s",
                "Carried out a second at ten times the capacity",
            ),
        ),
        ("overload_best", count(summary.overload.best, "commands/s", "The best second of the run")),
    ]
}

/// The fairness section.
pub(super) fn fairness(run: &Simulation, summary: &Summary) -> Fairness {
    let orders = &summary.orders;
    let order = |group: &str, measured: &crate::auditor::order::Measured, meaning: &str| OrderMeasure {
        group: group.into(),
        people: measured.people as u64,
        tau: measured.tau,
        meaning: meaning.into(),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lobby = run.facts.lobby.unwrap_or(0);
    let wrong = run.auditor.count(&[crate::auditor::Breach::DrawWrong]);
    Fairness {
        orders: vec![
            order("Came before the opening", &orders.lobby, "They were drawn, so it should be near 0: coming early bought nothing."),
            order("Came before the opening, by network delay", &orders.delay, "It should be near 0: being 10 ms faster bought nothing."),
            order("Came after the opening, while nobody was turned away", &orders.late_calm, "They are served as they came, so it should be near 1."),
            order("Came after the opening, all", &orders.late, "Lower: of the hundreds of thousands of the first seconds, most are told to come back, and who comes back when is chance. Network speed does not decide it."),
            order("Let in, against the place", &orders.admission, "Near 1: people who were there when called entered in the order of their places, but for the seconds each takes to react."),
        ],
        draw: Some(Draw {
            people: u64::from(lobby),
            commitment: hex(&run.commitment),
            commitment_is: "SHA-256 of the seed".into(),
            seed: hex(&run.seed),
            beacon: None,
            seed_matches: run.drawn && crate::auditor::shuffle::seed_matches(&run.seed, &run.commitment),
            places_checked: u64::from(lobby),
            places_wrong: wrong.min(u64::from(lobby)),
            recompute: [
                "Take the SHA-256 hash of the revealed seed and compare it with the one published before the opening.",
                "Take the SHA-256 hash of the seed followed by 32 zero bytes (there was no public value to mix in): this is the seed of the shuffle.",
                "Take your ticket's number, counted from 0, and the number of people drawn.",
                "Run compute_shuffled_index (the swap-or-not shuffle of the Ethereum beacon chain, 90 rounds, SHA-256) on them with the shuffle's seed.",
                "The result, counted from 0, is your place. The room's fairness page does the same in your browser.",
            ]
            .map(String::from)
            .into(),
        }),
    }
}
