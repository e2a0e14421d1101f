//! A node that crashes and comes back among others: records of its earlier life may come
//! into the order after it has begun a new one.

use std::sync::Arc;

use jari_core::Outcome;
use jari_core::ids::{RoomId, Serial};
use jari_journal::replicated::AckFate;
use jari_journal::{
    FaultyDisk, FaultyStream, FileOptions, Journal, Position, ReplicatedJournal, ReplicatedOptions,
};
use jari_node::{Engine, EngineOptions, TurnError};

use crate::room::{OPENS_AT, create_room, join, turn};

fn engine(disk: &FaultyDisk, stream: &FaultyStream, node: u16, life: u32) -> Engine {
    let options = ReplicatedOptions { life: u64::from(life), tries_max: 3 };
    let (journal, _) = ReplicatedJournal::open_on(
        Arc::new(disk.clone()),
        stream.clone(),
        FileOptions::new("/journal"),
        options,
    )
    .expect("the journal opens");
    let options = EngineOptions { node, life, ..EngineOptions::default() };
    Engine::recover(Box::new(journal), None, options).expect("the engine recovers").0
}

#[test]
fn a_late_record_of_an_earlier_life_is_not_taken_for_one_of_this_life() {
    let (disk, stream) = (FaultyDisk::new(1), FaultyStream::new(1 << 20));
    let at = OPENS_AT - 1000;
    let mut first = engine(&disk, &stream, 1, 11);
    turn(&mut first, &[create_room(1, OPENS_AT)], at).expect("the room is made");
    stream.lose_acks([Some(AckFate::Late); 3]);
    let unknown = turn(&mut first, &[join(5)], at);
    assert!(matches!(unknown, Err(TurnError::Broken(_))), "nobody was answered");
    drop(first);
    let mut second = engine(&disk, &stream, 1, 22);
    // The join of five arrives now, and stands before what the second life asks for.
    stream.let_arrive();
    let outcomes = turn(&mut second, &[join(2), join(1)], at).expect("it is answered");
    let joined = |first, count| Outcome::Joined { first: Serial(first), count };
    assert_eq!(outcomes, [joined(5, 2), joined(7, 1)]);
    let state = second.read(|state| state.data().clone());
    assert_eq!(state.rooms[&RoomId(1)].issued, 8);
    drop(second);
    let replayed = engine(&FaultyDisk::new(2), &stream, 2, 33);
    // The rules that the journal begins with, the room, the late join, and those of this life.
    assert_eq!(replayed.applied().0, Position(4));
    assert_eq!(replayed.read(|state| state.data().clone()), state, "every node sees the same");
}

#[test]
fn two_nodes_answer_their_own_and_hold_the_same_state() {
    let stream = FaultyStream::new(1 << 20);
    let (left_disk, right_disk) = (FaultyDisk::new(1), FaultyDisk::new(2));
    let mut left = engine(&left_disk, &stream, 1, 7);
    let mut right = engine(&right_disk, &stream, 2, 7);
    turn(&mut left, &[create_room(1, OPENS_AT)], OPENS_AT - 1000).expect("the room is made");
    let mut next = 0;
    for round in 0..50 {
        let node = if round % 3 == 0 { &mut left } else { &mut right };
        let outcomes = turn(node, &[join(2), join(1)], OPENS_AT - 900 + round).expect("is answered");
        let joined = |first, count| Outcome::Joined { first: Serial(first), count };
        assert_eq!(outcomes, [joined(next, 2), joined(next + 2, 1)]);
        next += 3;
    }
    turn(&mut left, &[], OPENS_AT - 100).expect("time passes");
    turn(&mut right, &[], OPENS_AT - 100).expect("time passes");
    turn(&mut left, &[], OPENS_AT - 100).expect("time passes");
    right.hear().expect("it hears the others");
    assert_eq!(left.applied(), right.applied());
    assert_eq!(left.read(|state| state.data().clone()), right.read(|state| state.data().clone()));
}

#[test]
fn a_life_of_its_own_needs_no_sequence_of_an_earlier_one() {
    let (disk, stream) = (FaultyDisk::new(1), FaultyStream::new(1 << 20));
    for life in [5, 6] {
        let mut engine = engine(&disk, &stream, 1, life);
        turn(&mut engine, &[], OPENS_AT - 1000).expect("time passes");
    }
    let options = ReplicatedOptions { life: 9, tries_max: 3 };
    let (journal, _) =
        ReplicatedJournal::open_on(Arc::new(disk), stream, FileOptions::new("/journal"), options)
            .expect("the journal opens");
    let mut sequences = Vec::new();
    journal
        .read(Position::ZERO, &mut |entry| {
            sequences.push(jari_wire::record::decode_head(entry.payload).expect("is a record").sequence);
            std::ops::ControlFlow::Continue(())
        })
        .expect("reads");
    // The first record of all says which rules the journal begins with.
    assert_eq!(sequences, [5 << 32, (5 << 32) + 1, 6 << 32]);
}
