//! The power goes at any moment and leaves anything.

use std::sync::Arc;

use jari_journal::{CrashFate, FaultyDisk, FileJournal, FileOptions, Journal, OpenError, Position};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::backends::{Owned, expected, open_on, own, payload, read, small_options};

const FATES: [CrashFate; 4] =
    [CrashFate::LoseUnsynced, CrashFate::KeepAll, CrashFate::KeepPrefix, CrashFate::KeepSectors];

fn options() -> FileOptions {
    FileOptions { segment_bytes_max: 2500, ..small_options("/j") }
}

/// What must be true whatever happens: delivered records stay, and beyond them
/// there is at most the one group whose settle did not return.
#[derive(Default)]
struct Oracle {
    delivered: Vec<Owned>,
    in_flight: Vec<Vec<u8>>,
}

impl Oracle {
    fn check(&mut self, journal: &dyn Journal, what: &str) {
        let first = journal.first().0;
        let kept = read(journal, first - 1);
        let known = &self.delivered[first as usize - 1..];
        assert!(kept.len() >= known.len(), "{what}: {} of {}", kept.len(), known.len());
        assert_eq!(kept[..known.len()], *known, "{what}: a settled record changed");
        let beyond = &kept[known.len()..];
        let whole = beyond.iter().map(|record| &record.2).eq(&self.in_flight);
        assert!(beyond.is_empty() || whole, "{what}: a group is kept whole or not at all");
        self.delivered.extend_from_slice(beyond);
        self.in_flight.clear();
        let payloads: Vec<_> = self.delivered.iter().map(|record| record.2.clone()).collect();
        assert_eq!(self.delivered, expected(&payloads), "{what}");
    }

    /// `false`: the journal is broken.
    fn settle(&mut self, journal: &mut dyn Journal, group: Vec<Vec<u8>>) -> bool {
        for payload in &group {
            if journal.append(payload).is_err() {
                return false;
            }
        }
        self.in_flight = group;
        let delivered = &mut self.delivered;
        let settled = journal.settle(&mut |entry| delivered.push(own(entry))).is_ok();
        if settled {
            self.in_flight.clear();
        }
        settled
    }
}

/// A short life: groups over several segments, and a release.
fn live(disk: &FaultyDisk, oracle: &mut Oracle) {
    let Ok((mut journal, _)) = FileJournal::open_on(Arc::new(disk.clone()), options()) else {
        return;
    };
    for number in 0..8 {
        let group = (0..1 + number % 3).map(|part| payload(number * 10 + part, 300)).collect();
        if !oracle.settle(&mut journal, group) {
            return;
        }
        if number == 5 && journal.release(Position(6)).is_err() {
            return;
        }
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_no_settled_record() {
    let whole = FaultyDisk::new(0);
    live(&whole, &mut Oracle::default());
    let operations = whole.operations();
    assert!(operations > 30, "the life is long enough to be interesting: {operations}");
    for at in 0..operations {
        for (fate, seed) in FATES.into_iter().flat_map(|fate| (0..8).map(move |s| (fate, s))) {
            let disk = FaultyDisk::new(seed);
            let mut oracle = Oracle::default();
            disk.power_off_after(Some(at + 1));
            live(&disk, &mut oracle);
            disk.crash(fate);
            let what = format!("operation {at}, {fate:?}, seed {seed}");
            // The power goes again while the journal recovers.
            for again in 1..4 {
                disk.power_off_after(Some(again + seed));
                drop(FileJournal::open_on(Arc::new(disk.clone()), options()));
                disk.crash(fate);
            }
            let opened = FileJournal::open_on(Arc::new(disk.clone()), options());
            let (mut journal, _) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
            oracle.check(&journal, &what);
            assert!(oracle.settle(&mut journal, vec![b"after".to_vec()]), "{what}");
            drop(journal);
            disk.crash(CrashFate::LoseUnsynced);
            oracle.check(&open_on(&disk, options()).0, &what);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Settle { records: u64, bytes: usize },
    Crash(CrashFate),
    PowerOffAfter(u64),
    FailSyncAfter(u64),
    Room(Option<u64>),
    Release(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fate = prop_oneof![
        Just(CrashFate::LoseUnsynced),
        Just(CrashFate::KeepAll),
        Just(CrashFate::KeepPrefix),
        Just(CrashFate::KeepSectors),
    ];
    let step = prop_oneof![
        8 => (1..4_u64, 8..900_usize).prop_map(|(records, bytes)| Step::Settle { records, bytes }),
        2 => fate.prop_map(Step::Crash),
        2 => (1..12_u64).prop_map(Step::PowerOffAfter),
        1 => (0..6_u64).prop_map(Step::FailSyncAfter),
        1 => (0..3000_u64).prop_map(|bytes| Step::Room(Some(bytes))),
        1 => Just(Step::Room(None)),
        1 => (1..20_u64).prop_map(Step::Release),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Opens; if that fails because of a scripted fault, once more without.
fn reopen(disk: &FaultyDisk, options: &FileOptions, oracle: &mut Oracle) -> FileJournal {
    let opened = FileJournal::open_on(Arc::new(disk.clone()), options.clone());
    let (journal, _) = opened.unwrap_or_else(|error| {
        assert!(!matches!(error, OpenError::Damaged(_)), "a crash looks like damage: {error}");
        disk.crash(CrashFate::KeepSectors);
        disk.limit_room(None);
        open_on(disk, options.clone())
    });
    oracle.check(&journal, "reopened");
    journal
}

fn run(seed: u64, segment_bytes_max: u64, steps: &[Step]) {
    let disk = FaultyDisk::new(seed);
    let options = FileOptions { segment_bytes_max, ..small_options("/j") };
    let mut oracle = Oracle::default();
    let mut journal = reopen(&disk, &options, &mut oracle);
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Settle { records, bytes } => {
                let group = (0..records).map(|part| payload(number as u64 * 10 + part, bytes));
                if oracle.settle(&mut journal, group.collect()) {
                    continue;
                }
                if journal.settle(&mut |_| {}).is_ok() {
                    // It was full: nothing of the group may ever be seen.
                    oracle.in_flight.clear();
                    continue;
                }
                drop(journal);
                disk.crash(CrashFate::KeepSectors);
                journal = reopen(&disk, &options, &mut oracle);
            }
            Step::Crash(fate) => {
                drop(journal);
                disk.crash(fate);
                journal = reopen(&disk, &options, &mut oracle);
            }
            Step::PowerOffAfter(operations) => disk.power_off_after(Some(operations)),
            Step::FailSyncAfter(syncs) => disk.fail_sync_after(syncs),
            Step::Room(bytes) => disk.limit_room(bytes.map(|bytes| disk.used_bytes() + bytes)),
            Step::Release(upto) => drop(journal.release(Position(upto))),
        }
    }
    drop(journal);
    disk.crash(CrashFate::KeepSectors);
    disk.limit_room(None);
    oracle.check(&open_on(&disk, options).0, "at the end");
}

#[test]
fn no_history_of_faults_loses_or_changes_a_settled_record() {
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let histories = (0..u64::MAX, prop_oneof![Just(1500_u64), Just(1 << 20)], steps());
    let outcome = TestRunner::new_with_rng(config, random).run(&histories, |history| {
        let (seed, segment_bytes_max, steps) = history;
        run(seed, segment_bytes_max, &steps);
        Ok::<(), TestCaseError>(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
