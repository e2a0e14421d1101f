//! The simulated drills at a small scale: they pass, they repeat, and their verdicts can fail.

use jari_drill::report::{Promise, Report};
use jari_drill::simulate::{Planted, simulate_planted};
use jari_drill::{NAMES, SimulateOptions, describe, simulate};

const JULY: &str = "vaccination-2021-07-14";
const AUGUST: &str = "vaccination-2021-08-09";

fn run(name: &str, scale: f64, seed: u64, planted: Planted) -> Report {
    let command = format!("jari drill run {name} --simulate --scale {scale} --seed {seed}");
    let options = SimulateOptions { scale, seed, progress: &|_| (), command };
    simulate_planted(name, &options, planted).unwrap_or_else(|error| panic!("{name}, seed {seed}: {error:#}"))
}

/// What did not pass, for the message of a failing test.
fn failed(report: &Report) -> Vec<String> {
    let failed = report.verdicts.iter().filter(|verdict| !verdict.pass);
    failed.map(|verdict| format!("{}: {} (goal {})", verdict.name, verdict.measured, verdict.goal)).collect()
}

fn fails(report: &Report, promise: Promise) -> bool {
    report.verdicts.iter().any(|verdict| verdict.promise == promise && !verdict.pass)
}

#[test]
fn the_evening_of_14_july_keeps_every_promise() {
    let report = run(JULY, 0.005, 20_210_714, Planted::Nothing);
    assert!(report.all_pass(), "{:#?}\nrepeat: {}", failed(&report), report.command);
    assert!(report.verdicts.len() > 20);
}

#[test]
fn the_evening_of_9_august_keeps_every_promise() {
    let report = run(AUGUST, 0.005, 20_210_809, Planted::Nothing);
    assert!(report.all_pass(), "{:#?}\nrepeat: {}", failed(&report), report.command);
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let figures = |seed| run(JULY, 0.001, seed, Planted::Nothing).figures;
    assert_eq!(figures(7), figures(7));
    assert_ne!(figures(7), figures(8));
}

#[test]
fn bookings_that_are_only_said_to_exist_fail_the_first_promise() {
    let report = run(JULY, 0.001, 1, Planted::ForgetsBookings);
    assert!(fails(&report, Promise::P1), "{:#?}", report.verdicts);
}

#[test]
fn a_place_that_is_given_to_two_fails_the_second_promise() {
    let report = run(JULY, 0.001, 1, Planted::GivesTwice);
    assert!(fails(&report, Promise::P2), "{:#?}", report.verdicts);
}

#[test]
fn someone_let_in_before_their_turn_fails_the_third_promise() {
    let report = run(JULY, 0.005, 1, Planted::LetsIn);
    assert!(fails(&report, Promise::P3), "{:#?}", report.verdicts);
}

#[test]
fn a_draw_with_another_seed_than_the_committed_one_fails_the_third_promise() {
    let report = run(AUGUST, 0.001, 1, Planted::OtherSeed);
    assert!(fails(&report, Promise::P3), "{:#?}", report.verdicts);
    assert!(!report.fairness.is_some_and(|fairness| fairness.draw.is_some_and(|draw| draw.verified())));
}

#[test]
fn a_pause_without_a_public_reason_fails_the_sixth_promise() {
    let report = run(AUGUST, 0.001, 1, Planted::HidesPause);
    assert!(fails(&report, Promise::P6), "{:#?}", report.verdicts);
}

#[test]
fn someone_with_only_the_public_page_can_recompute_a_place() {
    let report = run(JULY, 0.001, 3, Planted::Nothing);
    let draw = report.fairness.and_then(|fairness| fairness.draw).expect("July has a draw");
    let bytes = |hex: &str| -> [u8; 32] {
        std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal"))
    };
    let (seed, commitment) = (bytes(&draw.seed), bytes(&draw.commitment));
    assert!(jari_drill::auditor::shuffle::seed_matches(&seed, &commitment));
    let mixed = jari_drill::auditor::shuffle::mixed(&seed, &[0; 32]);
    let mut places = jari_drill::auditor::shuffle::places(draw.people as u32, &mixed);
    places.sort_unstable();
    assert!(places.iter().copied().eq(0..draw.people as u32), "every place is given once");
    assert!(draw.verified());
}

#[test]
fn every_name_is_described_and_no_other() {
    for name in NAMES {
        let scenario = describe(name).expect("a listed drill exists");
        assert_eq!(scenario.name, *name);
        assert!(scenario.script.is_sorted_by_key(|act| act.at_s), "the script is in order");
    }
    let options = SimulateOptions { scale: 1.0, seed: 1, progress: &|_| (), command: String::new() };
    assert!(simulate("conference-2020-08-01", &options).is_err());
    let options = SimulateOptions { scale: 1.5, ..options };
    assert!(simulate(JULY, &options).is_err(), "nobody simulates more than everyone");
}
