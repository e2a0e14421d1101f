//! The crash drill's parts without a service: its model against planted faults, its plan, and the
//! torn writes it makes against the real journal.

use std::fs;

use jari_drill::{
    crash::{
        book::{Asked, Kept, Person, SharedBook, judge},
        plan::{Moment, Plan},
        plant::{Cutting, Plant},
        torn::tear,
    },
    live::{
        api::{Booking, Slot, Supply},
        auditor::Faults,
        crowd::people::Random,
    },
};
use jari_journal::{FileJournal, FileOptions, Journal as _, Position};

/// Someone with place 7 in slot 3, and perhaps an open question.
fn person(kept: Kept, asked: Option<Asked>) -> Person {
    Person { places: [(7, (3, kept))].into(), asked, ..Person::default() }
}

/// What is lost and what is there twice when the person is shown these places.
fn judged(person: &Person, shown: &[(u32, u32, &str)]) -> (u64, u64) {
    let shown: Vec<Booking> = shown
        .iter()
        .map(|(booking, slot, status)| {
            let slot = Slot { slot: *slot, supply: Supply::default() };
            Booking { booking: *booking, status: (*status).into(), slot }
        })
        .collect();
    let (mut lost, mut twice) = (Faults::default(), Faults::default());
    judge(1, person, &shown, &mut lost, &mut twice);
    (lost.count, twice.count)
}

#[test]
fn what_was_acknowledged_is_there_or_it_is_lost() {
    for (kept, word) in [(Kept::Held, "held"), (Kept::Booked, "booked"), (Kept::Cancelled, "cancelled")] {
        let person = person(kept, None);
        assert_eq!(judged(&person, &[(7, 3, word)]), (0, 0), "{word}");
        assert_eq!(judged(&person, &[]), (1, 0), "{word} and gone");
        assert_eq!(judged(&person, &[(7, 4, word)]), (1, 0), "{word} elsewhere");
        assert_eq!(judged(&person, &[(7, 3, "lapsed")]), (1, 0), "{word} and lapsed");
    }
    assert_eq!(judged(&person(Kept::Cancelled, None), &[(7, 3, "booked")]), (1, 0), "a cancellation undone");
}

#[test]
fn an_open_question_has_either_outcome_and_no_third() {
    let confirms = person(Kept::Held, Some(Asked::Confirm(7)));
    let moves = person(Kept::Booked, Some(Asked::Move(7, 4)));
    let cancels = person(Kept::Booked, Some(Asked::Cancel(7)));
    for (person, shown, expected) in [
        (&confirms, (7, 3, "held"), 0),
        (&confirms, (7, 3, "booked"), 0),
        (&confirms, (7, 3, "cancelled"), 1),
        (&moves, (7, 3, "booked"), 0),
        (&moves, (7, 4, "booked"), 0),
        (&moves, (7, 5, "booked"), 1),
        (&cancels, (7, 3, "booked"), 0),
        (&cancels, (7, 3, "cancelled"), 0),
        (&cancels, (7, 4, "cancelled"), 1),
    ] {
        assert_eq!(judged(person, &[shown]).0, expected, "{:?} {shown:?}", person.asked);
    }
}

#[test]
fn what_was_never_given_is_a_fault_and_so_is_a_second_place() {
    let nobody = Person::default();
    assert_eq!(judged(&nobody, &[(9, 3, "held")]), (0, 1), "never asked for");
    let asks = Person { asked: Some(Asked::Hold(3)), ..Person::default() };
    assert_eq!(judged(&asks, &[(9, 3, "held")]), (0, 0), "asked for, and not answered");
    assert_eq!(judged(&asks, &[(9, 4, "held")]), (0, 1), "in another slot");
    assert_eq!(judged(&asks, &[(9, 3, "booked")]), (0, 1), "further than was asked");
    let booked = person(Kept::Booked, None);
    assert_eq!(judged(&booked, &[(7, 3, "booked"), (8, 3, "booked")]), (0, 2), "a stranger, and two at once");
}

#[test]
fn a_number_of_the_open_room_that_is_given_twice_is_a_fault_at_once() {
    let book = SharedBook::new(1);
    book.lock().walked_in(5, "a".into());
    assert_eq!(book.lock().ledger.given_twice.count, 0);
    book.lock().walked_in(5, "b".into());
    assert_eq!(book.lock().ledger.given_twice.count, 1);
}

#[test]
fn the_same_seed_kills_at_the_same_moments_and_at_every_kind() {
    let moments = |seed| {
        let mut plan = Plan::new(seed);
        (0..60).map(|_| plan.next_moment()).collect::<Vec<Moment>>()
    };
    assert_eq!(moments(1), moments(1));
    assert_ne!(moments(1), moments(2));
    for word in ["under load", "after a burst", "in a snapshot"] {
        assert!(moments(1).iter().any(|moment| moment.word() == word), "{word}");
    }
}

/// A journal of so many groups of three records.
fn journal(dir: &std::path::Path, groups: u64) -> FileJournal {
    let options = FileOptions { segment_bytes_max: 4_096, ..FileOptions::new(dir.join("journal")) };
    let (mut journal, _) = FileJournal::open(options).unwrap();
    for group in 0..groups {
        for record in 0..3_u64 {
            journal.append(&vec![record as u8; (group * 37 % 400) as usize]).unwrap();
        }
        journal.settle(&mut |_| {}).unwrap();
    }
    journal
}

#[test]
fn a_torn_write_is_dropped_and_takes_nothing_else_along() {
    let mut torn = 0;
    for seed in 0..60 {
        let dir = tempfile::tempdir().unwrap();
        let groups = 1 + seed % 7;
        drop(journal(dir.path(), groups));
        torn += u64::from(tear(&dir.path().join("journal"), &mut Random::new(seed, 0)).unwrap());
        let (_, found) = FileJournal::open(FileOptions::new(dir.path().join("journal"))).unwrap();
        assert_eq!((found.head, found.records), (Position(groups * 3), groups * 3), "seed {seed}");
        assert!(found.torn_bytes > 0, "seed {seed}");
    }
    assert_eq!(torn, 60);
}

#[test]
fn a_planted_loss_takes_back_what_came_after_the_copy() {
    for (plant, expected) in [(Plant::StaleSegment, 3), (Plant::LostWrites, 3)] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("snapshots")).unwrap();
        drop(journal(dir.path(), 1));
        let cutting = Cutting::take(plant, dir.path(), dir.path().join("copy")).unwrap();
        drop(journal(dir.path(), 40));
        cutting.put_back(dir.path()).unwrap();
        let (journal, _) = FileJournal::open(FileOptions::new(dir.path().join("journal"))).unwrap();
        assert_eq!(journal.head().0, Position(expected), "{plant:?}");
    }
}
