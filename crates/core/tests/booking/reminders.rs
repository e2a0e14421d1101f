//! Reminders: who is reminded of what, when, and who is not. Each table is run once more with a
//! restart before every line.

use jari_core::effect::{Effect, EffectKind};
use jari_core::ids::{BookingId, ChannelId, CommandId, PersonId, SlotId};
use jari_core::time::Date;
use jari_core::{Body, Command, Outcome, State, invariants, limits, step};

use crate::script::{check, check_from, check_with_restarts, instant};

#[test]
fn whoever_is_booked_is_reminded_once_when_it_is_due() {
    check_with_restarts(
        "
        07:00  upgrade 2                              -> done
        07:00  upgrade 3                              -> done
        07:00  campaign K1 reminder_min=60            -> done
        07:00  clinic                                 -> clinic C0
        07:00  desk K1 C0                             -> desk D0
        07:00  slots D0 12:00x3 12:30x3               -> slots S0 2
        09:00  hold S0 P1                             -> held B0 until 09:05:00
        09:00  hold S1 P2                             -> held B1 until 09:05:00
        09:00  hold S0 P3                             -> held B2 until 09:05:00
        09:01  confirm B2 P3                          -> confirmed B2
        09:01  confirm B1 P2                          -> confirmed B1
        09:01  confirm B0 P1                          -> confirmed B0
        10:59:59.999  tick                            -> done
        10:59:59.999  reminded                        -> nobody
        # In the order in which they are due, then of their numbers.
        11:00  tick                                   -> done
        11:00  reminded                               -> B0 B2
        11:29:59.999  tick                            -> done
        11:29:59.999  reminded                        -> B0 B2
        11:30  tick                                   -> done
        11:30  reminded                               -> B0 B2 B1
        13:00  tick                                   -> done
        13:00  reminded                               -> B0 B2 B1
        ",
    );
}

#[test]
fn whoever_was_told_when_it_was_due_or_has_no_booking_is_not_reminded() {
    check_with_restarts(
        "
        07:00  upgrade 2                              -> done
        07:00  upgrade 3                              -> done
        07:00  campaign K1 reminder_min=60 hold_s=3600 -> done
        07:00  clinic                                 -> clinic C0
        07:00  desk K1 C0                             -> desk D0
        07:00  slots D0 12:00x9                       -> slots S0 1
        10:30  hold S0 P1                             -> held B0 until 11:30:00
        10:30  hold S0 P2                             -> held B1 until 11:30:00
        10:30  hold S0 P3                             -> held B2 until 11:30:00
        10:30  hold S0 P4                             -> held B3 until 11:30:00
        10:30  hold S0 P5                             -> held B4 until 11:30:00
        10:59:59.999  confirm B0 P1                   -> confirmed B0
        10:59:59.999  confirm B3 P4                   -> confirmed B3
        10:59:59.999  confirm B4 P5                   -> confirmed B4
        # Given back, and used: nobody is reminded of that.
        10:59:59.999  cancel B3 P4                    -> cancelled B3
        10:59:59.999  checkin B4                      -> checked_in B4
        # Made when it was due.
        11:00  confirm B1 P2                          -> confirmed B1
        # Only held, and made later.
        11:10  confirm B2 P3                          -> confirmed B2
        11:20  tick                                   -> done
        11:20  reminded                               -> B0
        ",
    );
}

#[test]
fn whoever_moves_is_reminded_of_where_they_moved_to() {
    check_with_restarts(
        "
        07:00  upgrade 2                              -> done
        07:00  upgrade 3                              -> done
        07:00  campaign K1 reminder_min=60            -> done
        07:00  clinic                                 -> clinic C0
        07:00  desk K1 C0                             -> desk D0
        07:00  slots D0 12:00x9 14:00x9               -> slots S0 2
        09:00  hold S0 P1                             -> held B0 until 09:05:00
        09:00  hold S0 P2                             -> held B1 until 09:05:00
        09:00  hold S1 P3                             -> held B2 until 09:05:00
        09:00  hold S0 P4                             -> held B3 until 09:05:00
        09:01  confirm B0 P1                          -> confirmed B0
        09:01  confirm B1 P2                          -> confirmed B1
        09:01  confirm B2 P3                          -> confirmed B2
        09:01  confirm B3 P4                          -> confirmed B3
        # There and back: once.
        09:02  move B3 P4 S1                          -> rescheduled B3
        09:03  move B3 P4 S0                          -> rescheduled B3
        # Away before it is due.
        10:00  move B0 P1 S1                          -> rescheduled B0
        11:00  tick                                   -> done
        11:00  reminded                               -> B1 B3
        # Away after it was due: once more, for the other slot.
        11:30  move B1 P2 S1                          -> rescheduled B1
        # To a slot whose reminders are over: the move itself was told.
        11:31  move B2 P3 S0                          -> rescheduled B2
        13:00  tick                                   -> done
        13:00  reminded                               -> B1 B3 B0 B1
        ",
    );
}

#[test]
fn campaigns_remind_each_in_its_own_time_or_never() {
    check_with_restarts(
        "
        07:00  upgrade 2                              -> done
        07:00  upgrade 3                              -> done
        07:00  campaign K1 reminder_min=60            -> done
        07:00  campaign K2 reminder_min=180           -> done
        07:00  campaign K3                            -> done
        07:00  clinic                                 -> clinic C0
        07:00  desk K1 C0                             -> desk D0
        07:00  desk K2 C0                             -> desk D1
        07:00  desk K3 C0                             -> desk D2
        07:00  slots D0 12:00x9                       -> slots S0 1
        07:00  slots D1 13:00x9 14:00x9               -> slots S1 2
        07:00  slots D2 12:00x9                       -> slots S3 1
        09:00  hold S2 P1                             -> held B0 until 09:05:00
        09:00  hold S1 P2                             -> held B1 until 09:05:00
        09:00  hold S0 P3                             -> held B2 until 09:05:00
        09:00  hold S3 P4                             -> held B3 until 09:05:00
        09:01  confirm B0 P1                          -> confirmed B0
        09:01  confirm B1 P2                          -> confirmed B1
        09:01  confirm B2 P3                          -> confirmed B2
        09:01  confirm B3 P4                          -> confirmed B3
        10:00  tick                                   -> done
        10:00  reminded                               -> B1
        11:00  tick                                   -> done
        11:00  reminded                               -> B1 B0 B2
        12:00  tick                                   -> done
        12:00  reminded                               -> B1 B0 B2
        ",
    );
}

#[test]
fn pauses_endings_and_withdrawn_places_keep_no_reminder_back() {
    check_with_restarts(
        "
        07:00  upgrade 2                              -> done
        07:00  upgrade 3                              -> done
        07:00  campaign K1 reminder_min=60            -> done
        07:00  clinic                                 -> clinic C0
        07:00  desk K1 C0                             -> desk D0
        07:00  slots D0 12:00x9 12:30x9               -> slots S0 2
        09:00  hold S0 P1                             -> held B0 until 09:05:00
        09:00  hold S1 P2                             -> held B1 until 09:05:00
        09:01  confirm B0 P1                          -> confirmed B0
        09:01  confirm B1 P2                          -> confirmed B1
        09:02  withdraw S0 8                          -> done
        09:02  pause K1                               -> done
        11:00  tick                                   -> done
        11:00  reminded                               -> B0
        11:10  close K1                               -> done
        11:30  tick                                   -> done
        11:30  reminded                               -> B0 B1
        ",
    );
}

#[test]
fn after_an_outage_those_who_still_have_time_are_reminded() {
    check_with_restarts(
        "
        07:00  upgrade 2                              -> done
        07:00  upgrade 3                              -> done
        07:00  campaign K1 reminder_min=60            -> done
        07:00  clinic                                 -> clinic C0
        07:00  desk K1 C0                             -> desk D0
        07:00  slots D0 12:00x9 13:00x9               -> slots S0 2
        09:00  hold S0 P1                             -> held B0 until 09:05:00
        09:00  hold S1 P2                             -> held B1 until 09:05:00
        09:01  confirm B0 P1                          -> confirmed B0
        09:01  confirm B1 P2                          -> confirmed B1
        # Nothing was heard for hours; the first appointment begins this moment.
        12:00  tick                                   -> done
        12:00  reminded                               -> B1
        ",
    );
}

#[test]
fn there_are_no_reminders_before_their_rules_nor_beyond_their_bounds() {
    check(
        "
        07:00  campaign K1 reminder_min=60            -> refused rules_unknown
        07:00  upgrade 2                              -> done
        07:00  campaign K1 reminder_min=60            -> refused rules_unknown
        07:00  campaign K1                            -> done
        07:00  upgrade 3                              -> done
        07:00  campaign K1 reminder_min=60            -> refused campaign_exists
        07:00  campaign K2 reminder_min=9             -> refused setting_unfit 9
        07:00  campaign K2 reminder_min=20161         -> refused setting_unfit 9
        07:00  campaign K2 reminder_min=10            -> done
        07:00  campaign K3 reminder_min=20160         -> done
        ",
    );
}

/// People are spread as keyed hashes are.
fn person(number: u64) -> PersonId {
    PersonId(u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// A campaign with one slot at noon and reminders an hour before, and so many booked in it.
fn with_booked(people: u64) -> State {
    let mut state = check_from(
        State::new(),
        &format!(
            "
            07:00  upgrade 2                              -> done
            07:00  upgrade 3                              -> done
            07:00  campaign K1 reminder_min=60 quota={people} vaccines={people} -> done
            07:00  clinic                                 -> clinic C0
            07:00  desk K1 C0                             -> desk D0
            07:00  slots D0 12:00x{people}                -> slots S0 1
            "
        ),
    );
    let at = instant("09:00");
    for number in 0..people {
        let (booking, person) = (BookingId(number as u32), person(number));
        let hold = Body::Hold {
            slot: SlotId(0),
            person,
            birth: Date::from_civil(1965, 3, 17).unwrap(),
            dose: 1,
            entry: None,
            channel: ChannelId::OWN_SITE,
        };
        for body in [hold, Body::Confirm { booking, person }] {
            let outcome = step(&mut state, &Command { id: CommandId(0), body }, at);
            assert!(outcome.refusal().is_none(), "{outcome:?}");
        }
    }
    send(&mut state, Body::AckEffects { upto: u64::MAX });
    assert_eq!(state.data().effects.len(), 0);
    state
}

fn send(state: &mut State, body: Body) -> Outcome {
    let now = state.data().time;
    step(state, &Command { id: CommandId(0), body }, now)
}

/// Who was reminded, in order: the machine's list and what it dropped must have no gap.
fn reminded(state: &State) -> Vec<u32> {
    state.data().effects.iter().map(|effect| effect.booking.0).collect()
}

#[test]
fn nine_o_clock_comes_in_steps_and_a_restart_between_them_loses_and_repeats_nobody() {
    let step_max = limits::REMINDERS_PER_STEP_MAX as u64;
    let people = 70_000;
    let mut state = with_booked(people);
    let due = instant("11:00");
    let mut steps = 0;
    while (reminded(&state).len() as u64) < people {
        let before = reminded(&state).len() as u64;
        state.advance(due.plus_ms(steps));
        steps += 1;
        assert_eq!(reminded(&state).len() as u64, (before + step_max).min(people));
        state = State::restore(state.data().clone()).unwrap();
    }
    assert_eq!(steps, people.div_ceil(step_max));
    assert!(reminded(&state).into_iter().eq(0..people as u32));
    state.advance(instant("11:30"));
    assert_eq!(reminded(&state).len() as u64, people);
    assert_eq!(invariants::check(state.data()), Ok(()));
}

#[test]
fn whoever_moves_or_goes_while_the_others_are_reminded_is_left_out() {
    let mut state = with_booked(10_000);
    state.advance(instant("11:00"));
    for number in [4_095, 4_096, 9_999] {
        let (booking, person) = (BookingId(number), person(u64::from(number)));
        assert_eq!(send(&mut state, Body::Cancel { booking, person }), Outcome::Cancelled { booking });
    }
    state = State::restore(state.data().clone()).unwrap();
    state.advance(instant("11:00").plus_ms(1));
    state.advance(instant("11:00").plus_ms(2));
    let told: Vec<u32> = state
        .data()
        .effects
        .iter()
        .filter(|effect| effect.kind == EffectKind::Reminder)
        .map(|effect| effect.booking.0)
        .collect();
    let expected: Vec<u32> = (0..10_000).filter(|number| ![4_096, 9_999].contains(number)).collect();
    assert!(told == expected, "{} told", told.len());
}

#[test]
fn reminders_leave_half_of_the_list_to_bookings() {
    let mut data = with_booked(100).data().clone();
    let first = data.effects.end();
    for _ in 0..limits::EFFECTS_MAX / 2 - 10 {
        data.effects.push(Effect::default());
    }
    let mut state = State::restore(data).unwrap();
    let waiting = |state: &State| state.data().effects.len() as u64;
    state.advance(instant("11:00"));
    assert_eq!(waiting(&state), limits::EFFECTS_MAX / 2);
    state.advance(instant("11:01"));
    assert_eq!(waiting(&state), limits::EFFECTS_MAX / 2);
    // Whoever is booked may still give it back: a message for that has room.
    let (booking, person) = (BookingId(99), person(99));
    assert_eq!(send(&mut state, Body::Cancel { booking, person }), Outcome::Cancelled { booking });
    // Once messages are sent, the others come.
    send(&mut state, Body::AckEffects { upto: first + limits::EFFECTS_MAX / 2 - 10 });
    state.advance(instant("11:02"));
    let told: Vec<(EffectKind, u32)> =
        state.data().effects.iter().map(|effect| (effect.kind, effect.booking.0)).collect();
    let reminders = |numbers: core::ops::Range<u32>| numbers.map(|number| (EffectKind::Reminder, number));
    let cancelled = [(EffectKind::BookingCancelled, 99)];
    let expected: Vec<_> = reminders(0..10).chain(cancelled).chain(reminders(10..99)).collect();
    assert!(told == expected, "{told:?}");
}
