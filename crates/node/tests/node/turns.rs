//! The loop from request to answer: durability, recovery, full disks, gone requesters.

use std::path::Path;
use std::sync::Arc;

use jari_core::ids::{RoomId, Serial};
use jari_core::{Command, Outcome, Reason, Time};
use jari_journal::{CrashFate, FaultyDisk, FileJournal, FileOptions, MemoryJournal, MemoryOptions};
use jari_node::snapshots::Snapshots;
use jari_node::{Engine, EngineOptions, ManualClock, Node, NodeOptions, Rejected, TurnError};

use crate::room::{OPENS_AT, SEED, create_room, join, turn};

fn engine_on(disk: &FaultyDisk) -> Engine {
    let mut options = FileOptions::new(Path::new("/journal"));
    options.segment_bytes_max = 16 * 1024;
    let (journal, _) = FileJournal::open_on(Arc::new(disk.clone()), options).expect("the journal opens");
    Engine::recover(Box::new(journal), None, EngineOptions::default()).expect("the engine recovers").0
}

fn memory_engine() -> Engine {
    let journal = MemoryJournal::new(MemoryOptions::default());
    Engine::recover(Box::new(journal), None, EngineOptions::default()).expect("nothing to recover").0
}

#[test]
fn what_was_answered_is_there_after_a_crash() {
    let disk = FaultyDisk::new(1);
    let mut engine = engine_on(&disk);
    turn(&mut engine, &[create_room(1, OPENS_AT), join(3)], OPENS_AT - 1000).unwrap();
    turn(&mut engine, &[join(5)], OPENS_AT - 900).unwrap();
    let before = engine.read(|state| state.data().clone());
    drop(engine);
    disk.crash(CrashFate::LoseUnsynced);
    let engine = engine_on(&disk);
    assert_eq!(engine.read(|state| state.data().clone()), before);
    assert_eq!(engine.read(|state| state.data().rooms[&RoomId(1)].issued), 8);
}

#[test]
fn a_batch_larger_than_a_record_is_split_and_answered_in_order() {
    let journal = MemoryJournal::new(MemoryOptions::default());
    let options = EngineOptions { node: 3, record_bytes_max: 100, ..EngineOptions::default() };
    let (mut engine, _) = Engine::recover(Box::new(journal), None, options).unwrap();
    let commands: Vec<Command> =
        std::iter::once(create_room(1, OPENS_AT)).chain((0..500).map(|_| join(1))).collect();
    let outcomes = turn(&mut engine, &commands, OPENS_AT - 1000).unwrap();
    assert_eq!(outcomes.len(), 501);
    assert_eq!(outcomes[500], Outcome::Joined { first: Serial(499), count: 1 });
    assert!(engine.applied().0.0 > 10, "there are many records");
}

#[test]
fn a_full_disk_refuses_changes_nothing_and_recovers() {
    let disk = FaultyDisk::new(1);
    let mut engine = engine_on(&disk);
    turn(&mut engine, &[create_room(1, OPENS_AT)], OPENS_AT - 1000).unwrap();
    disk.limit_room(Some(disk.used_bytes() + 500));
    let mut joined = 0;
    // What the journal has set aside is used up first.
    let full = loop {
        let before = engine.read(|state| state.data().clone());
        match turn(&mut engine, &[join(1)], OPENS_AT - 900) {
            Ok(_) => joined += 1,
            Err(error) => {
                assert_eq!(engine.read(|state| state.data().clone()), before, "nothing changed");
                break error;
            }
        }
        assert!(joined < 1_000_000, "the disk has a limit");
    };
    assert!(matches!(full, TurnError::Full));
    disk.limit_room(None);
    let outcomes = turn(&mut engine, &[join(1)], OPENS_AT - 800).unwrap();
    assert_eq!(outcomes, [Outcome::Joined { first: Serial(joined), count: 1 }]);
    drop(engine);
    disk.crash(CrashFate::LoseUnsynced);
    let engine = engine_on(&disk);
    assert_eq!(engine.read(|state| state.data().rooms[&RoomId(1)].issued), joined + 1);
}

#[test]
fn a_clock_that_runs_backwards_moves_nothing_back() {
    let mut engine = memory_engine();
    turn(&mut engine, &[create_room(1, OPENS_AT)], OPENS_AT + 5).unwrap();
    turn(&mut engine, &[], OPENS_AT - 50_000).unwrap();
    assert_eq!(engine.read(|state| state.data().time), Time(OPENS_AT + 5));
}

#[test]
fn a_snapshot_and_the_rest_of_the_journal_give_the_same_state() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = Snapshots::open(dir.path()).unwrap();
    let disk = FaultyDisk::new(1);
    let mut engine = engine_on(&disk);
    turn(&mut engine, &[create_room(1, OPENS_AT), join(100)], OPENS_AT - 1000).unwrap();
    let (position, chain, data) = engine.freeze();
    snapshots.write(position, chain, &data).unwrap();
    turn(&mut engine, &[join(11)], OPENS_AT - 500).unwrap();
    let before = engine.read(|state| state.data().clone());
    drop(engine);
    let (journal, _) =
        FileJournal::open_on(Arc::new(disk), FileOptions::new(Path::new("/journal"))).expect("it opens");
    let snapshot = snapshots.newest().unwrap();
    let (engine, recovered) =
        Engine::recover(Box::new(journal), snapshot, EngineOptions::default()).expect("it recovers");
    assert_eq!(recovered.snapshot, position.0);
    assert_eq!(recovered.records, 1);
    assert_eq!(engine.read(|state| state.data().clone()), before);
}

#[test]
fn a_snapshot_of_another_history_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = Snapshots::open(dir.path()).unwrap();
    let mut one = engine_on(&FaultyDisk::new(1));
    turn(&mut one, &[create_room(1, OPENS_AT), join(100)], OPENS_AT - 1000).unwrap();
    let (position, chain, data) = one.freeze();
    snapshots.write(position, chain, &data).unwrap();
    let disk = FaultyDisk::new(1);
    let mut other = engine_on(&disk);
    turn(&mut other, &[create_room(1, OPENS_AT), join(99)], OPENS_AT - 1000).unwrap();
    drop(other);
    let (journal, _) =
        FileJournal::open_on(Arc::new(disk), FileOptions::new(Path::new("/journal"))).expect("it opens");
    let refused = Engine::recover(Box::new(journal), snapshots.newest().unwrap(), EngineOptions::default());
    assert!(matches!(refused, Err(jari_node::RecoverError::OtherHistory { .. })));
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let snapshots = Snapshots::open(dir.path()).unwrap();
    let mut engine = memory_engine();
    turn(&mut engine, &[create_room(1, OPENS_AT), join(100)], OPENS_AT - 1000).unwrap();
    let (first, chain, data) = engine.freeze();
    snapshots.write(first, chain, &data).unwrap();
    turn(&mut engine, &[join(1)], OPENS_AT - 900).unwrap();
    let (second, chain, data) = engine.freeze();
    let keep_from = snapshots.write(second, chain, &data).unwrap();
    assert_eq!(keep_from, first, "the journal keeps what the older snapshot needs");
    let newest = dir.path().join(format!("{:020}.snapshot", second.0));
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    let (meta, _) = snapshots.newest().unwrap().expect("the older one is whole");
    assert_eq!(meta.position, first.0);
    // Nor does it count among those to fall back on.
    turn(&mut engine, &[join(1)], OPENS_AT - 800).unwrap();
    let (third, chain, data) = engine.freeze();
    assert_eq!(snapshots.write(third, chain, &data).unwrap(), first);
}

fn start(options: NodeOptions, clock: &Arc<ManualClock>) -> Node {
    Node::start(memory_engine(), Arc::clone(clock) as _, options).expect("the node starts")
}

#[tokio::test]
async fn joins_that_arrive_together_get_numbers_of_their_own() {
    let clock = Arc::new(ManualClock::at(Time(OPENS_AT - 1000)));
    let node = start(NodeOptions::default(), &clock);
    let handle = node.handle();
    handle.submit(create_room(1, OPENS_AT)).await.unwrap();
    let joins: Vec<_> = (0..200)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.join(RoomId(1)).await.unwrap().unwrap().0 })
        })
        .collect();
    let mut serials = Vec::new();
    for join in joins {
        serials.push(join.await.unwrap());
    }
    serials.sort_unstable();
    assert_eq!(serials, (0..200).collect::<Vec<_>>());
    let refused = handle.join(RoomId(9)).await.unwrap().unwrap_err();
    assert_eq!(refused.reason, Reason::RoomUnknown);
    tokio::task::spawn_blocking(move || node.stop()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_lobby_is_drawn_by_itself_when_its_time_has_come() {
    let clock = Arc::new(ManualClock::at(Time(OPENS_AT - 1000)));
    let options = NodeOptions { seeds: Arc::new(|_, _| Some(SEED)), ..NodeOptions::default() };
    let node = start(options, &clock);
    let handle = node.handle();
    handle.submit(create_room(1, OPENS_AT)).await.unwrap();
    handle.join(RoomId(1)).await.unwrap().unwrap();
    clock.set(Time(OPENS_AT));
    // Any request lets the node see the time; the draw follows in the same turn.
    handle.join(RoomId(1)).await.unwrap().unwrap();
    handle.join(RoomId(1)).await.unwrap().unwrap();
    let seed = handle.read(|state| state.data().rooms[&RoomId(1)].draw.map(|draw| draw.seed));
    assert_eq!(seed, Some(SEED));
    assert_eq!(handle.read(|state| state.data().rooms[&RoomId(1)].lobby), Some(1));
    tokio::task::spawn_blocking(move || node.stop()).await.unwrap().unwrap();
    assert_eq!(handle.join(RoomId(1)).await, Err(Rejected::Stopping));
}
