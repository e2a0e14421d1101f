//! The same command id answers the first outcome again; with other content it is refused.

use jari_core::ids::{CampaignId, CommandId, PersonId};
use jari_core::{Body, Command, Data, Outcome, Reason, State, Time, limits, step};

fn keep(id: u128, person: u128, sealed: &[u8]) -> Command {
    let body = Body::KeepContact { person: PersonId(person), sealed: sealed.into() };
    Command { id: CommandId(id), body }
}

fn pause(id: u128) -> Command {
    let body = Body::PauseCampaign { campaign: CampaignId(1), reason: "storm".into() };
    Command { id: CommandId(id), body }
}

#[test]
fn a_repeat_answers_the_first_outcome_and_changes_nothing() {
    let mut state = State::new();
    assert_eq!(step(&mut state, &keep(1, 7, b"first"), Time(10)), Outcome::Done);
    assert_eq!(step(&mut state, &keep(2, 7, b"second"), Time(11)), Outcome::Done);
    let before = state.data().clone();
    assert_eq!(step(&mut state, &keep(1, 7, b"first"), Time(11)), Outcome::Done);
    assert_eq!(*state.data(), before);
    assert_eq!(state.contact_of(PersonId(7)), Some(&b"second"[..]));
}

#[test]
fn a_refusal_is_remembered_too() {
    let mut state = State::new();
    let unknown = Outcome::refused(Reason::ContactUnknown);
    let drop = Command { id: CommandId(5), body: Body::DropContact { person: PersonId(7) } };
    assert_eq!(step(&mut state, &drop, Time(1)), unknown);
    assert_eq!(step(&mut state, &keep(6, 7, b"now there is one"), Time(1)), Outcome::Done);
    assert_eq!(step(&mut state, &drop, Time(1)), unknown);
    assert!(state.contact_of(PersonId(7)).is_some());
}

#[test]
fn an_id_with_other_content_is_refused_and_the_first_outcome_stays() {
    let mut state = State::new();
    assert_eq!(step(&mut state, &keep(1, 7, b"first"), Time(10)), Outcome::Done);
    let before = state.data().clone();
    for other in [keep(1, 7, b"other"), keep(1, 8, b"first"), pause(1)] {
        assert_eq!(step(&mut state, &other, Time(10)), Outcome::refused(Reason::IdReused));
    }
    assert_eq!(*state.data(), before);
    assert_eq!(step(&mut state, &keep(1, 7, b"first"), Time(10)), Outcome::Done);
}

#[test]
fn the_id_zero_is_not_remembered() {
    let mut state = State::new();
    assert_eq!(step(&mut state, &keep(0, 7, b"first"), Time(10)), Outcome::Done);
    assert_eq!(step(&mut state, &keep(0, 7, b"second"), Time(10)), Outcome::Done);
    assert!(state.data().recent.is_empty());
    assert_eq!(state.contact_of(PersonId(7)), Some(&b"second"[..]));
}

#[test]
fn a_restored_state_remembers_the_same_commands() {
    let mut state = State::new();
    for id in 1..=2_000 {
        step(&mut state, &keep(id << 64 | id, id, b"x"), Time(10));
    }
    let mut restored = State::restore(state.data().clone()).unwrap();
    for id in 1..=2_000 {
        assert_eq!(step(&mut restored, &keep(id << 64 | id, id, b"x"), Time(10)), Outcome::Done);
        let other = step(&mut restored, &keep(id << 64 | id, id, b"y"), Time(10));
        assert_eq!(other, Outcome::refused(Reason::IdReused));
    }
    assert_eq!(state.data(), restored.data());
}

#[test]
fn the_memory_of_commands_is_bounded_and_forgets_the_oldest() {
    let mut state = State::new();
    // Ids as they come: hashes, spread over all bits.
    let spread = |id: u128| id.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let forget = |id| Command { id: CommandId(spread(id)), body: Body::DropContact { person: PersonId(1) } };
    let limit = u128::from(limits::RECENT_MAX);
    for id in 1..=limit {
        step(&mut state, &forget(id), Time(1));
    }
    assert_eq!(step(&mut state, &keep(spread(1), 1, b"x"), Time(1)), Outcome::refused(Reason::IdReused));
    step(&mut state, &forget(limit + 1), Time(1));
    assert_eq!(state.data().recent.len() as u64, limits::RECENT_MAX);
    assert_eq!(step(&mut state, &keep(spread(2), 1, b"x"), Time(1)), Outcome::refused(Reason::IdReused));
    // The first one is forgotten: its id means a new command now.
    assert_eq!(step(&mut state, &keep(spread(1), 1, b"x"), Time(1)), Outcome::Done);
    assert_eq!(state.contact_of(PersonId(1)), Some(&b"x"[..]));
    let bytes = size_of_val(&state.data().recent.get(limits::RECENT_MAX).copied());
    assert!(bytes <= 80, "a remembered command takes {bytes} bytes");
}

#[test]
fn a_snapshot_of_an_empty_state_is_an_empty_state() {
    let restored = State::restore(State::new().data().clone()).unwrap();
    let empty: &Data = restored.data();
    assert_eq!(empty, State::new().data());
}
