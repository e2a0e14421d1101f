//! Simulation of whole clusters, one seed a run: the real engine, journal and snapshots under
//! faults, against an auditor with a model of its own.
//!
//! One process, one virtual clock, and chance from the seed alone: seed and commit replay a run
//! exactly. Faults come first and safety is judged under them; then they stop, and everyone must
//! be answered, every node must hold the same state, and every answer must be given again.
//!
//! It must never count a fault that had no effect, nor pass a run that judged nothing. Start
//! reading at [`fuzz`], then [`world`] (what happens), [`auditor`] and [`model`] (what may).

mod aftermath;
mod audit;
pub mod auditor;
mod builds;
mod clients;
mod country;
mod doom;
mod ending;
pub mod faults;
mod mischief;
pub mod model;
mod node;
mod plan;
mod stream;
mod tap;
mod workload;
pub mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use auditor::{Promise, Violation};
use faults::Counts;
use world::World;

/// What to run.
#[derive(Copy, Clone, Debug)]
pub struct FuzzOptions {
    /// The first seed.
    pub seed: u64,
    /// How many seeds, one after the other.
    pub seeds: u64,
    /// Worker threads; the result is the same for any number.
    pub threads: NonZero<usize>,
}

/// What one seed came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// The digest of all that happened.
    pub digest: [u8; 32],
    /// Records in the order.
    pub records: u64,
    /// Commands judged by the model.
    pub judged: u64,
    /// What they came to, and how often.
    pub came_to: BTreeMap<&'static str, u64>,
    /// Faults that happened.
    pub counts: Counts,
    /// The promise that was broken, if any.
    pub violation: Option<Violation>,
}

/// What all seeds came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Records of all of them.
    pub records: u64,
    /// Commands of all of them.
    pub judged: u64,
    /// What they came to, and how often.
    pub came_to: BTreeMap<&'static str, u64>,
    /// Faults of all of them.
    pub counts: Counts,
    /// The digest over the digests of all seeds, in their order.
    pub digest: [u8; 32],
    /// The first seed that broke a promise.
    pub failure: Option<Failure>,
}

/// A seed that broke a promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The promise.
    pub violation: Violation,
    /// The last events before it.
    pub trace: Vec<String>,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64) -> Run {
    run_world(seed, false).0
}

/// Runs seeds until one breaks a promise or all have run. `progress` is called after each seed
/// with how many are done.
pub fn fuzz(options: &FuzzOptions, progress: &(dyn Fn(u64) + Sync)) -> Summary {
    let next = AtomicU64::new(0);
    // Seeds beyond the first that failed need not be run, but all before it must.
    let failed_at = AtomicU64::new(u64::MAX);
    let runs = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= options.seeds || number > failed_at.load(Ordering::SeqCst) {
                break;
            }
            let run = run(options.seed.wrapping_add(number));
            if run.violation.is_some() {
                failed_at.fetch_min(number, Ordering::SeqCst);
            }
            let mut runs = runs.lock().expect("a worker that panicked has ended the process");
            runs.insert(number, run);
            progress(runs.len() as u64);
        }
    };
    thread::scope(|scope| {
        for _ in 1..options.threads.get() {
            scope.spawn(work);
        }
        work();
    });
    summarize(options, runs.into_inner().expect("all workers have ended"))
}

fn summarize(options: &FuzzOptions, runs: BTreeMap<u64, Run>) -> Summary {
    let mut summary = Summary::default();
    let mut digest = blake3::Hasher::new();
    for (number, run) in runs {
        summary.seeds += 1;
        summary.records += run.records;
        summary.judged += run.judged;
        run.came_to.iter().for_each(|(kind, count)| *summary.came_to.entry(kind).or_default() += count);
        summary.counts.add(&run.counts);
        digest.update(&run.digest);
        if let Some(violation) = run.violation {
            let seed = options.seed.wrapping_add(number);
            // The run is the same again, and this time what happens is written down.
            let trace = run_world(seed, true).1;
            summary.failure = Some(Failure { seed, violation, trace });
            break;
        }
    }
    summary.digest = *digest.finalize().as_bytes();
    summary
}

fn run_world(seed: u64, traced: bool) -> (Run, Vec<String>) {
    let mut world = World::new(seed, traced);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match ended {
        Ok(ended) => ended.err(),
        Err(panic) => {
            Some(Violation { promise: Promise::Alone, check: "no assertion fails", words: words_of(&*panic) })
        }
    };
    let run = Run {
        digest: world.digest(),
        records: world.auditor.head(),
        judged: world.auditor.judged,
        came_to: world.auditor.came_to.clone(),
        counts: world.counts.clone(),
        violation,
    };
    (run, world.trace())
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(ToString::to_string);
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{:>10}  seeds", self.seeds)?;
        writeln!(formatter, "{:>10}  records in the order", self.records)?;
        writeln!(formatter, "{:>10}  commands judged", self.judged)?;
        writeln!(formatter, "\nwhat they came to:")?;
        self.came_to.iter().try_for_each(|(kind, count)| writeln!(formatter, "{count:>10}  {kind}"))?;
        writeln!(formatter, "\nfaults that happened:\n{}", self.counts)?;
        let digest: String = self.digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(formatter, "digest {digest}")?;
        match &self.failure {
            None => writeln!(formatter, "no promise was broken"),
            Some(failure) => failure.fmt(formatter),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "\nthe last events of seed {}:", self.seed)?;
        self.trace.iter().try_for_each(|line| writeln!(formatter, "  {line}"))?;
        writeln!(formatter, "\nBROKEN {}", self.violation)?;
        writeln!(formatter, "replay: jari drill fuzz --seed {} --seeds 1", self.seed)
    }
}
