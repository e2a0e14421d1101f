//! The simulation of clusters: a few seeds in every test run, thousands in
//! `scripts/check-simulation`.

use std::num::NonZero;

use jari_drill::fuzz::faults::Fault;
use jari_drill::fuzz::{FuzzOptions, Summary, fuzz, run};

fn seeds(seed: u64, seeds: u64, threads: usize) -> Summary {
    let threads = NonZero::new(threads).expect("there is a worker");
    fuzz(&FuzzOptions { seed, seeds, threads }, &|_| {})
}

#[test]
fn a_few_dozen_seeds_break_no_promise() {
    let summary = seeds(1, 40, 2);
    assert_eq!(summary.failure, None);
    assert_eq!(summary.seeds, 40);
    assert!(summary.judged > 5_000, "a run that judges nothing proves nothing: {}", summary.judged);
    for fault in [Fault::Killed, Fault::PowerCut, Fault::PowerCutInTurn, Fault::TornWriteDropped] {
        assert!(summary.counts.of(fault) > 0, "{} never happened", fault.words());
    }
    for fault in [Fault::OldBuildStopped, Fault::BuildInstalled] {
        assert!(summary.counts.of(fault) > 0, "{} never happened", fault.words());
    }
    for outcome in ["leased", "lease_held"] {
        let count = summary.came_to.get(outcome).copied().unwrap_or(0);
        assert!(count > 0, "nothing came to {outcome}");
    }
}

#[test]
fn a_seed_is_the_same_run_again() {
    let (one, again) = (run(7), run(7));
    assert_eq!(one, again);
    assert_ne!(one.digest, run(8).digest);
}

#[test]
fn the_number_of_workers_changes_nothing() {
    assert_eq!(seeds(100, 6, 1), seeds(100, 6, 3));
}
