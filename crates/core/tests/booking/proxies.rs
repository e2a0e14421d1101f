//! Booking for somebody else. Each table is run once more with a restart before every line.

use jari_core::booking::BookingState;
use jari_core::effect::Effect;
use jari_core::ids::{BookingId, ChannelId, CommandId, PersonId, SlotId};
use jari_core::rules::RULES_PROXIES;
use jari_core::time::Date;
use jari_core::{Body, Command, Outcome, Reason, State, checkpoint, invariants, limits, step};

use crate::script::{check_from, check_with_restarts, instant};

fn upgrades() -> String {
    (2..=RULES_PROXIES).map(|rules| format!("07:00  upgrade {rules} -> done\n")).collect()
}

/// A campaign under rules 5 with one desk, whose commands begin at 07:00.
fn set_up(campaign: &str, slots: &str) -> String {
    let count = slots.split_whitespace().count();
    format!(
        "{}
        07:00  campaign K1 {campaign} -> done
        07:00  clinic                 -> clinic C0
        07:00  desk K1 C0             -> desk D0
        07:00  slots D0 {slots}       -> slots S0 {count}
        ",
        upgrades()
    )
}

fn check(campaign: &str, slots: &str, table: &str) {
    check_with_restarts(&format!("{}{table}", set_up(campaign, slots)));
}

#[test]
fn both_are_recorded_and_both_may_act() {
    check(
        "",
        "09:00x9 10:00x9",
        "
        08:00  hold_for S0 P1 by=P9   -> held B0 until 08:05:00
        08:00  by B0                  -> P9
        08:00  mine P1                -> B0 S0 Held
        08:00  mine P9                ->
        08:00  others P9              -> B0 P1 Held
        08:00  others P1              -> none
        # The place is the person's: one a dose, whoever asks for it.
        08:00  hold S0 P1             -> refused already_booked
        08:00  hold_for S0 P1 by=P8   -> refused already_booked
        # The proxy has their own beside it.
        08:00  hold S0 P9             -> held B1 until 08:05:00
        08:00  by B1                  -> nobody
        # Nobody else may act, not even whoever has a booking themselves.
        08:01  confirm B0 P8          -> refused booking_unknown
        08:01  confirm B0 P9          -> confirmed B0
        08:01  confirm B0 P1          -> confirmed B0
        08:01  told                   -> BookingConfirmed B0 P1, BookingConfirmed B0 P9
        08:01  ack 2                  -> done
        08:02  move B0 P8 S1          -> refused booking_unknown
        08:02  move B0 P9 S1          -> rescheduled B0
        08:02  move B0 P1 S0          -> rescheduled B0
        08:02  move B0 P9 S1          -> rescheduled B0
        08:02  by B0                  -> P9
        08:02  ack 6                  -> done
        08:02  told                   -> BookingRescheduled B0 P1, BookingRescheduled B0 P9
        08:02  ack 8                  -> done
        08:03  cancel B0 P8           -> refused booking_unknown
        08:03  cancel B0 P9           -> cancelled B0
        08:03  cancel B0 P1           -> cancelled B0
        08:03  told                   -> BookingCancelled B0 P1, BookingCancelled B0 P9
        08:03  supply K1              -> 17 1 0 0 0
        08:03  others P9              -> B0 P1 Cancelled
        # Again, and the person gives it back this time.
        08:03  hold_for S0 P1 by=P9   -> held B2 until 08:08:00
        08:03  cancel B2 P1           -> cancelled B2
        08:03  mine P1                -> B2 S0 Cancelled, B0 S1 Cancelled
        ",
    );
}

#[test]
fn what_somebody_booked_themselves_is_out_of_reach() {
    check(
        "doses=2 interval=0",
        "09:00x9 1/09:00x9",
        "
        08:00  hold S0 P1             -> held B0 until 08:05:00
        08:00  confirm B0 P1          -> confirmed B0
        08:00  hold_for S1 P1 dose=2 by=P9 -> held B1 until 08:05:00
        08:00  cancel B0 P9           -> refused booking_unknown
        08:00  move B0 P9 S1          -> refused booking_unknown
        08:00  by B0                  -> nobody
        # Nor does the person reach what the proxy has.
        08:00  hold S0 P9             -> held B2 until 08:05:00
        08:00  confirm B2 P1          -> refused booking_unknown
        ",
    );
}

#[test]
fn before_its_rules_nobody_books_for_somebody_else() {
    check_with_restarts(
        "
        07:00  campaign K1            -> done
        07:00  clinic                 -> clinic C0
        07:00  desk K1 C0             -> desk D0
        07:00  slots D0 09:00x9       -> slots S0 1
        07:00  upgrade 2              -> done
        07:00  upgrade 3              -> done
        07:00  upgrade 4              -> done
        08:00  hold_for S0 P1 by=P1   -> refused rules_unknown
        08:00  hold S0 P1             -> held B0 until 08:05:00
        08:00  end_proxy B0 P1        -> refused rules_unknown
        08:00  end_proxy B7 P1        -> refused rules_unknown
        08:00  upgrade 5              -> done
        08:00  end_proxy B0 P1        -> refused proxy_unknown
        08:00  hold_for S0 P2 by=P1   -> held B1 until 08:05:00
        ",
    );
}

#[test]
fn the_checks_of_a_hold_are_made_of_the_person_in_their_order() {
    check(
        "quota=3 doses=2 interval=1 windows=08:00~20:00@567 hold_s=60",
        "09:00x1 12:00x1 1/12:00x9",
        "
        # The proxy is somebody else, before anything is looked at.
        07:30  hold_for S7 P1 by=P1   -> refused setting_unfit 1
        07:30  hold_for S7 P1         -> refused slot_unknown
        07:30  pause K1               -> done
        07:30  hold_for S0 P1         -> refused campaign_paused
        07:30  resume K1              -> done
        07:30  hold_for S0 P1         -> refused booking_not_open 08:00:00
        08:00  hold_for S0 P1 born=1990-01-01 -> refused not_eligible
        08:00  hold_for S0 P1 born=1965-03-18 -> refused not_your_day
        08:00  hold_for S0 P1 dose=3  -> refused dose_unknown
        08:00  hold_for S0 P1 dose=2  -> refused dose_too_early
        08:00  hold_for S0 P1         -> held B0 until 08:01:00
        08:00  hold_for S0 P1         -> refused already_booked
        08:00  hold_for S0 P2         -> refused slot_full
        09:00  hold_for S0 P2         -> refused slot_past
        09:00  quota K1 0             -> done
        09:00  hold_for S1 P2         -> refused quota_used_up
        09:00  close K1               -> done
        09:00  hold_for S1 P2         -> refused campaign_closed
        ",
    );
}

#[test]
fn in_every_state_both_hear_the_same() {
    check(
        "hold_s=60",
        "09:00x9 12:00x9",
        "
        08:00  hold_for S0 P1         -> held B0 until 08:01:00
        08:00  move B0 P9 S1          -> refused booking_not_confirmed
        08:01  confirm B0 P9          -> refused hold_lapsed
        08:01  confirm B0 P1          -> refused hold_lapsed
        08:01  cancel B0 P9           -> refused hold_lapsed
        08:01  move B0 P9 S1          -> refused hold_lapsed
        08:01  others P9              -> B0 P1 Lapsed
        08:02  hold_for S0 P1         -> held B1 until 08:03:00
        08:02  cancel B1 P9           -> cancelled B1
        08:02  confirm B1 P9          -> refused booking_cancelled
        08:02  cancel B1 P9           -> cancelled B1
        08:02  move B1 P9 S1          -> refused booking_cancelled
        08:02  hold_for S0 P1         -> held B2 until 08:03:00
        08:02  confirm B2 P9          -> confirmed B2
        08:02  told                   -> BookingConfirmed B2 P1, BookingConfirmed B2 P9
        # At the clinic it is a booking like any other.
        09:10  noshow B2              -> no_show B2
        09:10  by B2                  -> P9
        09:10  confirm B2 P9          -> refused booking_missed
        09:10  cancel B2 P9           -> refused booking_missed
        09:10  move B2 P9 S1          -> refused booking_missed
        09:20  checkin B2             -> checked_in B2
        09:20  confirm B2 P9          -> confirmed B2
        09:20  cancel B2 P9           -> refused booking_used
        09:20  move B2 P9 S1          -> refused booking_used
        09:20  told                   -> BookingConfirmed B2 P1, BookingConfirmed B2 P9
        ",
    );
}

#[test]
fn either_ends_the_reach_and_no_booking() {
    check(
        "reminder_min=30",
        "09:00x9 12:00x9",
        "
        08:00  hold_for S0 P1         -> held B0 until 08:05:00
        08:00  hold_for S0 P2         -> held B1 until 08:05:00
        08:00  hold S0 P3             -> held B2 until 08:05:00
        08:00  end_proxy B0 P2        -> refused booking_unknown
        08:00  end_proxy B9 P1        -> refused booking_unknown
        08:00  end_proxy B2 P9        -> refused booking_unknown
        08:00  end_proxy B2 P3        -> refused proxy_unknown
        08:00  end_proxy B0 P1        -> done
        08:00  end_proxy B0 P1        -> done
        # Who made it stays known.
        08:00  by B0                  -> P9 ended
        08:00  others P9              -> B1 P2 Held
        08:00  end_proxy B0 P9        -> refused booking_unknown
        08:00  confirm B0 P9          -> refused booking_unknown
        08:00  confirm B0 P1          -> confirmed B0
        08:00  confirm B1 P9          -> confirmed B1
        08:00  told                   -> BookingConfirmed B0 P1, BookingConfirmed B1 P2, BookingConfirmed B1 P9
        08:00  ack 3                  -> done
        08:00  cancel B0 P9           -> refused booking_unknown
        08:00  move B0 P9 S1          -> refused booking_unknown
        08:30  tick                   -> done
        08:30  told                   -> Reminder B0 P1, Reminder B1 P2, Reminder B1 P9
        08:30  ack 6                  -> done
        # The proxy may end it, too: then they hear of it no more.
        08:40  end_proxy B1 P9        -> done
        08:40  cancel B1 P9           -> refused booking_unknown
        08:40  cancel B1 P2           -> cancelled B1
        08:40  told                   -> BookingCancelled B1 P2
        ",
    );
}

const BEHIND_A_ROOM: &str = "
    07:00  campaign K1 room=R1 hold_s=300 -> done
    07:00  room R1 bound=yes per_pass=2 ttl_s=600 -> done
    07:00  clinic -> clinic C0
    07:00  desk K1 C0 -> desk D0
    07:00  slots D0 1/10:00x99 -> slots S0 1
    07:10  join_as R1 P9 -> joined T0 1
    07:10  join_as R1 P1 -> joined T1 1
    07:10  join_as R1 P5 -> joined T2 1
    08:00  draw R1 -> done
    08:10  enter R1/0 -> entered until 08:20:00
    08:10  enter R1/1 -> entered until 08:20:00
    ";

#[test]
fn the_ticket_of_whoever_stood_in_line_counts() {
    check_with_restarts(&format!(
        "{}{BEHIND_A_ROOM}
        08:11  hold_for S0 P1 by=P9   -> refused pass_required
        08:11  hold_for S0 P1 by=P9 pass=R1/2 -> refused pass_ended
        08:11  enter R1/2             -> entered until 08:21:00
        08:11  hold_for S0 P1 by=P9 pass=R1/2 -> refused ticket_foreign
        # A ticket that is somebody's is nobody else's without a proxy.
        08:11  hold S0 P2 pass=R1/0   -> refused ticket_foreign
        08:11  hold_for S0 P2 by=P9 pass=R1/0 -> held B0 until 08:16:00
        08:11  hold_for S0 P3 by=P9 pass=R1/0 -> held B1 until 08:16:00
        08:11  pass R1/0              -> serves 2
        08:11  hold_for S0 P4 by=P9 pass=R1/0 -> refused pass_spent
        08:11  hold S0 P9 pass=R1/0   -> refused pass_spent
        # The person's own counts as ever.
        08:12  hold_for S0 P1 by=P9 pass=R1/1 -> held B2 until 08:17:00
        08:12  pass R1/1              -> serves 1
        08:13  leave R1/0             -> done
        08:13  confirm B0 P9          -> refused pass_ended
        08:13  confirm B2 P9          -> confirmed B2
        ",
        upgrades()
    ));
}

#[test]
fn a_pass_of_an_agent_counts_for_whom_the_caller_books() {
    let pass = jari_core::waiting_room::AGENT_SERIAL_FIRST;
    check_with_restarts(&format!(
        "{}{BEHIND_A_ROOM}
        09:00  agent_share R1 500 -> done
        09:00:01  phone R1 P7 -> entered {pass} until 09:10:01
        09:01  hold S0 P2 pass=R1/{pass} -> refused ticket_foreign
        09:01  hold_for S0 P2 by=P8 pass=R1/{pass} -> refused ticket_foreign
        09:01  hold_for S0 P2 by=P7 pass=R1/{pass} -> held B0 until 09:06:00
        ",
        upgrades()
    ));
}

#[test]
fn whoever_stands_by_keeps_to_one_place_whoever_booked_it() {
    check(
        "",
        "09:00x3 09:30x3",
        "
        08:00  standby D0 P1          -> standing_by until 1/00:00:00
        08:00  hold_for S0 P1         -> held B0 until 08:05:00
        08:00  standby D0 P1 min=5    -> refused already_booked
        # Only held: they are passed over and stay in the list.
        08:30  hold_for S0 P2         -> held B1 until 08:35:00
        08:30  standby D0 P3          -> standing_by until 1/00:00:00
        08:30  offer S1 1             -> offered 1
        08:30  offers S1              -> B2 P1
        # An offer has no proxy; whoever once booked for them does not reach it.
        08:31  by B2                  -> nobody
        08:31  confirm B2 P9          -> refused booking_unknown
        08:31  cancel B2 P1           -> cancelled B2
        08:31  offers S1              -> B3 P3
        # A walk-in gives no second dose beside it.
        08:32  walkin S1 P2           -> refused already_booked 1
        ",
    );
}

/// So many holds for others, from P100 on, by P9.
fn for_others(count: u32) -> String {
    let one = |number: u32| {
        format!(
            "08:00  hold_for S0 P{} -> held B{number} until 08:59:00
",
            100 + number
        )
    };
    (0..count).map(one).collect()
}

#[test]
fn nobody_books_for_a_whole_list() {
    let most = limits::PROXIED_MAX;
    let first = for_others(most);
    check(
        "hold_s=3540 quota=9",
        "10:00x99",
        &format!(
            "
        {first}
        08:00  hold_for S0 P1         -> refused too_many_proxied {most}
        # It comes before the bounds of everybody, and after all else.
        08:00  capacity S0 8          -> done
        08:00  hold_for S0 P1         -> refused slot_full
        08:00  capacity S0 99         -> done
        # Their own, and somebody else's for others, is nothing to it.
        08:00  hold_for S0 P1 by=P8   -> held B8 until 08:59:00
        08:00  quota K1 99            -> done
        # That the person ended the reach makes no room: it is still what they made.
        08:00  end_proxy B0 P100      -> done
        08:00  hold_for S0 P2         -> refused too_many_proxied {most}
        08:01  confirm B1 P9          -> confirmed B1
        08:01  hold_for S0 P2         -> refused too_many_proxied {most}
        08:02  cancel B1 P9           -> cancelled B1
        08:02  hold_for S0 P2         -> held B9 until 09:01:00
        08:02  hold_for S0 P3         -> refused too_many_proxied {most}
        "
        ),
    );
}

fn send(state: &mut State, body: Body) -> Outcome {
    step(state, &Command { id: CommandId(0), body }, instant("08:00"))
}

fn hold_for(person: u128) -> Body {
    Body::HoldFor {
        slot: SlotId(0),
        person: PersonId(person << 64 | 7),
        birth: Date::from_civil(1965, 3, 17).expect("a day"),
        dose: 1,
        entry: None,
        channel: ChannelId::OWN_SITE,
        proxy: PersonId(7),
    }
}

#[test]
fn somebody_makes_so_many_for_others_ever_and_all_are_found_after_a_restart() {
    let mut state = check_from(State::new(), &set_up("", "09:00x9"));
    for person in 1..=u128::from(limits::PROXIED_EVER_MAX) {
        let Outcome::Held { booking, .. } = send(&mut state, hold_for(person)) else { panic!("{person}") };
        let cancelled = send(&mut state, Body::Cancel { booking, person: PersonId(7) });
        assert_eq!(cancelled, Outcome::Cancelled { booking });
    }
    let most = u64::from(limits::PROXIED_EVER_MAX);
    let refused = Outcome::refused_with(Reason::TooManyProxied, most);
    assert_eq!(send(&mut state, hold_for(1)), refused);
    assert_eq!(invariants::check(state.data()), Ok(()));
    let restored = State::restore(state.data().clone()).expect("what is kept is sound");
    for state in [&state, &restored] {
        let found: Vec<u32> = state.bookings_for_others(PersonId(7)).map(|(id, _)| id.0).collect();
        assert!(found.into_iter().eq((0..most as u32).rev()));
        assert_eq!(state.bookings_for_others(PersonId(8)).count(), 0);
        let made = |id| state.proxy_of(BookingId(id)).map(|proxied| proxied.booking.0);
        assert_eq!((made(0), made(64), made(most as u32 - 1)), (Some(0), Some(64), Some(most as u32 - 1)));
        assert_eq!((made(most as u32), made(u32::MAX)), (None, None));
        assert!(state.may_reach(BookingId(3), PersonId(7)) && !state.may_reach(BookingId(3), PersonId(8)));
        assert!(!state.may_reach(BookingId(most as u32), PersonId(7)));
    }
}

/// A message for each of the two needs a place each: the list never grows beyond its limit.
#[test]
fn where_only_one_message_more_may_wait_a_booking_for_somebody_else_waits() {
    let mut state = check_from(State::new(), &set_up("", "09:00x9"));
    let Outcome::Held { booking, .. } = send(&mut state, hold_for(1)) else { panic!("it is free") };
    let mut data = state.data().clone();
    data.effects = (1..limits::EFFECTS_MAX).map(|_| Effect::default()).collect();
    let mut state = State::restore(data).expect("a full list is sound");
    let confirm = |person| Body::Confirm { booking, person };
    let refused = Outcome::refused_with(Reason::EffectsBacklog, 5_000);
    assert_eq!(send(&mut state, confirm(PersonId(7))), refused);
    assert_eq!(send(&mut state, Body::EndProxy { booking, person: PersonId(1 << 64 | 7) }), Outcome::Done);
    assert_eq!(send(&mut state, confirm(PersonId(1 << 64 | 7))), Outcome::Confirmed { booking });
    assert_eq!(state.data().bookings.get(0).map(|booking| booking.state), Some(BookingState::Booked));
    assert_eq!(invariants::check_light(state.data()), Ok(()));
}

#[test]
fn what_people_book_themselves_leaves_no_entry() {
    let mut state = check_from(State::new(), &set_up("", "09:00x9"));
    let before = checkpoint::digest(state.data());
    let plain = |person: u128| {
        let Body::HoldFor { slot, person, birth, dose, entry, channel, .. } = hold_for(person) else {
            unreachable!("it is one")
        };
        Body::Hold { slot, person, birth, dose, entry, channel }
    };
    send(&mut state, plain(1));
    assert!(state.data().proxies.is_empty());
    assert!(!matches!(send(&mut state, hold_for(2)), Outcome::Refused(_)));
    assert_eq!(state.data().proxies.len(), 1);
    assert_ne!(checkpoint::digest(state.data()), before);
}
