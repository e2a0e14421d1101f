//! Whatever is asked, in whatever order: what must hold holds, a refusal changes nothing,
//! and a snapshot brings the same room back.

use jari_core::command::Body;
use jari_core::ids::{PersonId, RoomId, Serial};
use jari_core::rules::{RULES_FIRST, RULES_NEWEST};
use jari_core::waiting_room::{Mark, Pace, Phase, Room};
use jari_core::{Data, Outcome, State, Time, invariants};
use proptest::prelude::*;

use crate::driver::{BEACON, SEED, config, default_pace, instant, send};

const ROOM: RoomId = RoomId(1);

fn bodies() -> impl Strategy<Value = Body> {
    let room = ROOM;
    let serial = (0_u32..60).prop_map(Serial);
    let pace = (0_u32..2_000, 1_u32..12, 10_000_u32..40_000).prop_map(|(entries, passes, ttl)| Pace {
        entries_per_minute_max: entries,
        passes_max: passes,
        pass_ttl_ms: ttl,
        ..default_pace()
    });
    prop_oneof![
        6 => (1_u32..6).prop_map(move |count| Body::Join { room, count }),
        20 => serial.clone().prop_map(move |serial| Body::Enter { room, serial }),
        4 => serial.prop_map(move |serial| Body::Leave { room, serial }),
        6 => (0_u128..9).prop_map(move |person| Body::EnterByAgent { room, person: PersonId(person) }),
        1 => (0_u32..=501).prop_map(move |permille| Body::SetAgentShare { room, permille, reason: "why".into() }),
        2 => Just(Body::DrawRoom { room, seed: SEED, beacon: BEACON }),
        1 => Just(Body::DrawRoom { room, seed: BEACON, beacon: BEACON }),
        1 => Just(Body::PauseRoom { room, reason: "a check".into() }),
        2 => Just(Body::ResumeRoom { room }),
        1 => pace.prop_map(move |pace| Body::SetPace { room, pace, reason: "measured".into() }),
        2 => (0_u32..400).prop_map(move |latency_p95_ms| Body::ReportHealth { room, latency_p95_ms, error_ppm: 0 }),
        1 => (0_u64..30_000).prop_map(move |ms| Body::ScheduleRoom {
            room,
            opens_at: instant("09:00:00").plus_ms(ms),
            reason: "supply".into(),
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn what_must_hold_holds_after_every_command(
        commands in proptest::collection::vec((bodies(), 0_u64..6_000), 1..120),
        bookings_per_pass in 1_u8..=8,
        newest in any::<bool>(),
    ) {
        let mut state = State::new();
        let mut now = instant("09:00:00");
        for rules in 2..=if newest { RULES_NEWEST } else { RULES_FIRST } {
            send(&mut state, now, Body::Upgrade { rules });
        }
        let mut config = config(now.plus_ms(5_000));
        config.bookings_per_pass = bookings_per_pass;
        config.pace.passes_max = 5;
        send(&mut state, now, Body::CreateRoom { room: ROOM, config: Box::new(config) });
        for (body, ms) in commands {
            now = now.plus_ms(ms);
            state.advance(now);
            let before = state.data().clone();
            let outcome = send(&mut state, now, body);
            if outcome.refusal().is_some() {
                // The number of all answers counts every one.
                let before = Data { answers: state.data().answers, ..before.clone() };
                prop_assert!(before == *state.data(), "a refusal changed something: {outcome:?}");
            }
            let (old, room) = (&before.rooms[&ROOM], &state.data().rooms[&ROOM]);
            assert_kept(old, room, outcome, now);
            prop_assert_eq!(invariants::check(state.data()), Ok(()));
        }
        let restored = State::restore(state.data().clone()).expect("a healthy state is restored");
        prop_assert!(restored.data() == state.data());
    }
}

/// The promises of a room, computed anew from its marks.
fn assert_kept(old: &Room, room: &Room, outcome: Outcome, now: Time) {
    assert!(room.called >= old.called && room.called <= room.issued);
    assert!(old.lobby.is_none() || old.lobby == room.lobby, "a frozen lobby stays");
    let mut inside = 0;
    for serial in (0..room.issued).map(Serial) {
        let mark = room.marks.get(serial);
        inside += usize::from(mark == Mark::Inside);
        assert_eq!(room.inside.contains_key(&serial), mark == Mark::Inside, "ticket {}", serial.0);
        if matches!(mark, Mark::Inside | Mark::Lapsed) {
            assert!(room.position(serial) < Some(room.called), "ticket {} came before its turn", serial.0);
        }
        if old.marks.get(serial) == Mark::Spent {
            assert_eq!(mark, Mark::Spent, "ticket {} came back", serial.0);
        }
    }
    assert_eq!(inside + room.agents.passes().len(), room.inside.len());
    assert!(room.entered + room.left <= room.issued);
    if let Outcome::Entered { ends_at } = outcome {
        assert!(ends_at > now);
        assert!(
            room.inside.len() <= room.config.pace.passes_max as usize
                || old.inside.len() == room.inside.len()
        );
        assert!(room.phase == Phase::Open && room.paused.is_none());
    }
}

#[test]
fn a_person_who_came_back_after_a_spent_ticket_is_found_again_after_a_restart() {
    let now = instant("09:00:00");
    let mut config = config(now.plus_ms(5_000));
    config.identity_bound = true;
    let person = PersonId(7);
    let mut state = State::new();
    send(&mut state, now, Body::CreateRoom { room: ROOM, config: Box::new(config) });
    send(&mut state, now, Body::JoinAs { room: ROOM, person });
    send(&mut state, now, Body::Leave { room: ROOM, serial: Serial(0) });
    let back = send(&mut state, now, Body::JoinAs { room: ROOM, person });
    assert_eq!(back, Outcome::Joined { first: Serial(1), count: 1 });
    let mut restored = State::restore(state.data().clone()).expect("a spent ticket is no second one");
    assert_eq!(send(&mut restored, now, Body::JoinAs { room: ROOM, person }), back);
}
