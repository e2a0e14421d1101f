//! Renders a report from invented but plausible series into `target/report-sample/`, to look at
//! its layout. Nothing in it was measured.

use jari_drill::{
    history::{self, Ours},
    report::{
        Draw, Fairness, Figure, Machine, Mark, Mode, OrderMeasure, Plot, Promise, Report, Supply, TimeAxis,
        Verdict, commit, machine, series::Point, stats::kendall_tau,
    },
};
use std::{collections::BTreeMap, path::Path};

const EVENING: TimeAxis = TimeAxis::Clock { opening_s: 20 * 3600 };
const ELIGIBLE: f64 = 1_670_000.0;
/// From ten minutes before the opening to two hours after it.
const SECONDS: std::ops::Range<i32> = -600..7_200;
const PAUSE_S: std::ops::Range<f64> = 1_500.0..1_680.0;
const CRASH_S: f64 = 1_500.0;

/// The invented evening, second by second.
#[derive(Default)]
struct Evening {
    arrived: Vec<Point>,
    waiting: Vec<Point>,
    called: Vec<Point>,
    entered: Vec<Point>,
    booked: Vec<Point>,
    p50_ms: Vec<Point>,
    p99_ms: Vec<Point>,
    supply: Supply,
}

fn main() -> anyhow::Result<()> {
    let report = sample(machine());
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/report-sample");
    report.write(&dir)?;
    report.print_summary(&mut std::io::stdout())?;
    println!("{}", dir.join("report.html").display());
    Ok(())
}

/// A number from 0 to 1 that looks random and is the same in every run.
fn noise(x: f64) -> f64 {
    ((x * 12.9898).sin() * 43_758.547).rem_euclid(1.0)
}

fn arrivals_per_s(t: f64) -> f64 {
    let calm = match t {
        _ if t < -5.0 => 60.0 + 260.0 * (t / 180.0).exp(),
        _ if t < 0.0 => 2_000.0 + 800.0 * (t + 5.0),
        _ => 412_000.0 * (-t / 0.9).exp() + 900.0 * (-t / 300.0).exp() + 70.0 * (-t / 2_500.0).exp(),
    };
    calm * (0.85 + 0.3 * noise(t))
}

fn replay() -> Evening {
    let mut evening = Evening::default();
    let (mut came, mut called, mut entered, mut booked, mut used) =
        (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    for second in SECONDS {
        let t = f64::from(second);
        let arrivals = arrivals_per_s(t).round();
        came = (came + arrivals).min(ELIGIBLE);
        let paused = PAUSE_S.contains(&t);
        if t >= 0.0 && !paused {
            called = (called + 380.0 + 40.0 * noise(t)).min(came).round();
            entered += ((called * 0.97 - entered) * 0.05).round();
        }
        if t >= 0.0 && !(CRASH_S..CRASH_S + 9.0).contains(&t) {
            booked += ((entered * 0.985 - booked) * 0.012).round();
        }
        if t > 5_400.0 {
            used += 3.0;
        }
        let withdrawn = if t > 4_200.0 { 12_000.0 } else { 0.0 };
        let held = (entered - booked).max(0.0) * 0.6;
        let point = |value: f64| (t, value.round());
        evening.arrived.push(point(arrivals));
        evening.waiting.push(point(came - called));
        evening.called.push(point(called));
        evening.entered.push(point(entered));
        evening.booked.push(point(booked));
        let load = (arrivals / 40_000.0).min(4.0);
        let restart: f64 = if (CRASH_S..CRASH_S + 12.0).contains(&t) { 60.0 } else { 1.0 };
        evening.p50_ms.push((t, (1.1 + load) * (0.9 + 0.2 * noise(t + 0.3)) * restart.min(8.0)));
        evening.p99_ms.push((t, (4.0 + 12.0 * load) * (0.8 + 0.5 * noise(t + 0.7)) * restart));
        let supply = &mut evening.supply;
        supply.used.push(point(used));
        supply.booked.push(point(booked - used));
        supply.held.push(point(held));
        supply.withdrawn.push(point(withdrawn));
        supply.free.push((t, ELIGIBLE - used.round() - (booked - used).round() - held.round() - withdrawn));
    }
    evening
}

fn sample(machine: Machine) -> Report {
    let evening = replay();
    let facts = &history::EVENING_2021_07_14;
    let ours = Ours {
        eligible: Some(ELIGIBLE as u64),
        booked_by_then: evening.booked.last().map(|point| point.1 as u64),
        last_booking_s: Some(4_830.0),
        waiting_max: Some(812_344),
        wait_mean_s: Some(1_460.0),
        wait_max_s: Some(4_312.0),
        hardly_reachable_s: Some(0.0),
        supply_public: Some(true),
        ..Ours::default()
    };
    let latency = Plot::latency(EVENING, evening.p50_ms, evening.p99_ms);
    let arrivals = Plot::arrivals(EVENING, evening.arrived.clone());
    Report {
        drill: facts.drill.into(),
        about: format!("{} This page was made from invented figures, to show its layout.", facts.about),
        mode: Mode::Simulated,
        seed: 20_210_714,
        scale: 1.0,
        commit: commit(),
        machine,
        started_at: "2026-03-02 14:05 KST".into(),
        command: "jari drill run vaccination-2021-07-14 --seed 20210714 --scale 1 --out report".into(),
        figures: figures(&evening.booked),
        verdicts: verdicts(),
        series: vec![
            Plot::arrivals(EVENING, evening.arrived).zoomed("Arrivals around the opening", -20.0, 40.0),
            Plot { log: true, title: "Arrivals over the evening".into(), ..arrivals },
            Plot::waiting(EVENING, evening.waiting),
            Plot::progress(EVENING, evening.called, evening.entered, evening.booked),
            latency,
            Plot::supply(EVENING, evening.supply),
        ],
        marks: vec![
            Mark::new(0.0, "opening"),
            Mark::new(2.0, "overload begins"),
            Mark::new(180.0, "overload over"),
            Mark::new(CRASH_S, "node killed"),
            Mark::new(CRASH_S + 9.0, "restarted"),
            Mark::new(PAUSE_S.end, "pause over"),
            Mark::new(4_200.0, "12,000 doses withdrawn"),
            Mark::new(7_150.0, "end"),
        ],
        history: history::rows(facts, &ours),
        fairness: Some(fairness()),
    }
}

fn figures(booked: &[Point]) -> BTreeMap<String, Figure> {
    let booked = booked.last().map_or(0.0, |point| point.1);
    let figures = [
        ("eligible", Figure::new(ELIGIBLE, "people", "People who were allowed to book")),
        ("booked", Figure::new(booked, "people", "People who had booked at the end").headline(1)),
        ("waiting_max", Figure::new(812_344.0, "people", "Most people waiting at once").headline(3)),
        ("wait_p50", Figure::new(1_302.0, "s", "Half of all people waited no longer").headline(2)),
        ("wait_p99", Figure::new(4_188.0, "s", "99 of 100 people waited no longer")),
        ("polls_per_person", Figure::new(21.4, "requests", "Requests a person's device made while waiting")),
        (
            "answers_lost",
            Figure::new(0.0, "answers", "Acknowledged answers missing after the crash").headline(4),
        ),
        ("join_p99", Figure::new(0.0582, "s", "99 of 100 people had their number in line within")),
        (
            "state_hash",
            Figure::text("9f2c41d07be35a88", "Hash of the state at the end, the same on every node"),
        ),
    ];
    figures.into_iter().map(|(key, figure)| (key.to_string(), figure)).collect()
}

fn verdicts() -> Vec<Verdict> {
    let verdict = |name: &str, promise, goal: &str, measured: &str, pass| Verdict {
        name: name.into(),
        promise,
        goal: goal.into(),
        measured: measured.into(),
        pass,
    };
    vec![
        verdict("No answer lost in the crash", Promise::P1, "0 of 3,204,511 answers", "0 lost", true),
        verdict("No place given twice", Promise::P2, "0 places", "0 places", true),
        verdict("Order after the opening", Promise::P3, "tau of at least 0.99", "0.9998", true),
        verdict("Every drawn place recomputed", Promise::P3, "48,211 of 48,211", "48,211 of 48,211", true),
        verdict(
            "Memory for those waiting",
            Promise::P4,
            "at most 32 MB for 10 million",
            "3.1 MB for 812,344",
            true,
        ),
        verdict("Carried in overload", Promise::P5, "at least 95 % of its best", "93.7 % of its best", false),
        verdict(
            "Supply adds up at every second",
            Promise::P6,
            "7,800 of 7,800 seconds",
            "7,800 of 7,800 seconds",
            true,
        ),
    ]
}

fn fairness() -> Fairness {
    let later: Vec<(u64, u64)> = (0..20_000).map(|i| (i, i + (noise(i as f64) * 4.0) as u64)).collect();
    let drawn: Vec<(u64, u64)> = (0..20_000).map(|i| (i, (noise(i as f64) * 1e9) as u64)).collect();
    let order = |group: &str, people, tau, meaning: &str| OrderMeasure {
        group: group.into(),
        people,
        tau,
        meaning: meaning.into(),
    };
    Fairness {
        orders: vec![
            order("Came before the opening", 48_211, kendall_tau(&drawn), "They were drawn, so it should be near 0: coming early bought nothing."),
            order("Came after the opening", 1_621_789, kendall_tau(&later), "They are served as they came, so it should be near 1."),
        ],
        draw: Some(Draw {
            people: 48_211,
            commitment: "5d41402abc4b2a76b9719d911017c592ae3f1c0b77d2a90e61f48b3f0c5e7d19".into(),
            commitment_is: "SHA-256 of the seed".into(),
            seed: "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2".into(),
            beacon: None,
            seed_matches: true,
            places_checked: 48_211,
            places_wrong: 0,
            recompute: vec![
                "Take the SHA-256 hash of the revealed seed and compare it with the one published before the opening.".into(),
                "Take the serial number on your ticket, counted from 0, and the number of people drawn.".into(),
                "Run compute_shuffled_index (the swap-or-not shuffle of the Ethereum beacon chain, 90 rounds, SHA-256) on them with the seed.".into(),
                "The result, counted from 0, is your place.".into(),
            ],
        }),
    }
}
