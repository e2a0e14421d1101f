//! What may be asked of a waiting room, as tables: one event a line.

use jari_core::ids::RoomId;

use crate::driver::check;

#[test]
fn a_room_gathers_then_draws_then_lets_in() {
    check(
        "09:00:00      room opens 10:00:00
         09:00:01      join 2 -> joined T0 2
         09:59:59.999  join 2 -> joined T2 2
         10:00:00      join 1 -> joined T4 1
         10:00:00      position T0 -> unknown
         10:00:00      position T4 -> 4
         10:00:00.001  enter T0 -> refused room_not_open 10:00:00.000
         10:00:00.002  draw_wrong -> refused seed_wrong
         10:00:00.003  draw
         10:00:00.003  called -> 5
         10:00:00.004  enter T0 -> entered until 10:01:00.004
         10:00:00.005  enter T4 -> entered until 10:01:00.005
         10:00:00.006  draw -> refused draw_not_due
         10:00:00.006  events -> RoomCreated RoomOpened RoomDrawn",
    );
}

#[test]
fn a_deep_link_before_the_opening_opens_nothing() {
    check(
        "09:00:00      room opens 10:00:00
         09:00:01      join 1 -> joined T0 1
         09:00:02      enter T0 -> refused room_not_open 10:00:00.000
         09:00:03      draw -> refused draw_not_due
         09:59:59.999  enter T0 -> refused room_not_open 10:00:00.000
         10:00:00      enter T0 -> refused room_not_open 10:00:00.000
         10:00:00      draw
         10:00:00      enter T0 -> entered until 10:01:00.000",
    );
}

#[test]
fn a_forged_serial_is_no_ticket() {
    check(
        "09:00:00      room opens 09:00:00
         09:00:00      join 2 -> joined T0 2
         09:00:00      draw
         09:00:01      enter T2 -> refused ticket_unknown
         09:00:01      enter T4294967295 -> refused ticket_unknown
         09:00:01      leave T2 -> refused ticket_unknown
         09:00:01      left -> 0
         09:00:01      @2 enter T0 -> refused room_unknown
         09:00:01      @2 join 1 -> refused room_unknown",
    );
}

#[test]
fn a_clock_that_goes_backwards_changes_nothing() {
    check(
        "09:00:00      room opens 10:00:00
         10:00:00      join 1 -> joined T0 1
         09:30:00      join 1 -> joined T1 1
         09:30:00      position T0 -> 0
         09:30:00      draw
         09:30:00      enter T0 -> entered until 10:01:00.000
         10:00:59.999  mark T0 -> inside
         09:00:00      enter T0 -> entered until 10:01:00.000
         10:01:00      tick
         09:00:00      mark T0 -> lapsed",
    );
}

#[test]
fn a_paused_room_keeps_every_place() {
    check(
        "09:00:00      room opens 09:00:00 entries 60 passes 2
         09:00:00      join 4 -> joined T0 4
         09:00:00      draw
         09:00:00      called -> 2
         09:00:01      enter T0 -> entered until 09:01:01.000
         09:00:02      pause the service is being repaired
         09:00:03      enter T1 -> refused room_paused
         09:00:03      join 1 -> joined T4 1
         09:00:03      pause again -> refused room_paused
         09:00:30      called -> 2
         # Passes inside go on, and end.
         09:01:01      mark T0 -> inside
         09:01:01      tick
         09:01:01      mark T0 -> lapsed
         11:00:00      called -> 2
         11:00:00      resume
         11:00:00      resume -> refused room_not_paused
         11:00:00      called -> 2
         # Whoever was called before the pause enters after it, in their own place.
         11:00:00      enter T1 -> entered until 11:01:00.000
         11:00:00      enter T3 -> refused not_called 3
         11:00:00      enter T4 -> refused not_called 4
         11:00:00      events -> RoomCreated RoomOpened RoomDrawn RoomPaused RoomResumed",
    );
}

#[test]
fn a_pause_saves_up_no_entries() {
    check(
        "09:00:00      room opens 09:00:00 entries 60
         09:00:00      join 10 -> joined T0 10
         09:00:00      draw
         09:00:00      enter T0 -> entered until 09:01:00.000
         09:00:00      enter T1 -> entered until 09:01:00.000
         09:00:00      pause power cut
         09:10:00      resume
         09:10:00      called -> 2
         09:10:00      enter T2 -> refused not_called 2
         09:10:00.900  tick
         09:10:00.900  called -> 2
         09:10:02      tick
         09:10:02      called -> 4
         09:10:02      enter T2 -> entered until 09:11:02.000",
    );
}

#[test]
fn a_pause_at_the_opening_puts_it_off_to_the_resume() {
    check(
        "09:00:00      room opens 10:00:00
         09:00:00      join 1 -> joined T0 1
         09:30:00      pause the seed is being checked
         10:00:00      join 1 -> joined T1 1
         10:05:00      draw -> refused draw_not_due
         10:05:00      enter T0 -> refused room_paused
         10:10:00      resume
         10:10:00      join 1 -> joined T2 1
         10:10:00      position T1 -> unknown
         10:10:00      position T2 -> 2
         10:10:00      events -> RoomCreated RoomPaused RoomResumed RoomOpened",
    );
}

#[test]
fn an_opening_can_be_moved_until_it_has_passed() {
    check(
        "09:00:00      room opens 10:00:00
         09:10:00      schedule 09:09:59 too early -> refused setting_unfit 1
         09:10:00      schedule 11:00:00 -> refused text_unfit
         09:10:00      schedule 11:00:00 supply is late
         10:30:00      join 1 -> joined T0 1
         10:30:00      enter T0 -> refused room_not_open 11:00:00.000
         10:30:00      schedule 10:30:00 supply is here
         10:30:00      schedule 10:40:00 once more -> refused already_open
         10:30:00      draw
         10:30:00      enter T0 -> entered until 10:31:00.000
         10:30:00      events -> RoomCreated RoomScheduled RoomScheduled RoomOpened RoomDrawn",
    );
}

#[test]
fn a_lapsed_pass_may_enter_again() {
    check(
        "09:00:00      room opens 09:00:00 entries 60
         09:00:00      join 3 -> joined T0 3
         09:00:00      draw
         09:00:00      enter T0 -> entered until 09:01:00.000
         09:00:30      enter T0 -> entered until 09:01:00.000
         09:00:59.999  tick
         09:00:59.999  mark T0 -> inside
         09:01:00      tick
         09:01:00      mark T0 -> lapsed
         09:01:00      enter T0 -> entered until 09:02:00.000
         09:01:00      entered -> 1
         # Coming again takes an entry off the meter like any other.
         09:01:00      enter T1 -> entered until 09:02:00.000
         09:01:00      enter T2 -> refused busy
         09:01:02      enter T2 -> entered until 09:02:02.000
         09:01:02      entered -> 3",
    );
}

#[test]
fn a_ticket_given_back_is_spent() {
    check(
        "09:00:00      room opens 09:00:00
         09:00:00      join 3 -> joined T0 3
         09:00:00      draw
         09:00:01      leave T0
         09:00:01      leave T0
         09:00:01      left -> 1
         09:00:01      enter T0 -> refused ticket_spent
         09:00:01      enter T1 -> entered until 09:01:01.000
         09:00:02      leave T1
         09:00:02      left -> 1
         09:00:02      inside -> 0
         09:00:02      enter T1 -> refused ticket_spent
         09:00:03      enter T2 -> entered until 09:01:03.000
         # The outdated ending of T1 ends nobody's pass.
         09:01:02      tick
         09:01:02      mark T2 -> inside
         09:01:03      tick
         09:01:03      leave T2
         09:01:03      left -> 1
         09:01:03      mark T2 -> spent",
    );
}

#[test]
fn a_full_service_lets_the_next_in_when_a_pass_ends() {
    check(
        "09:00:00      room opens 09:00:00 passes 2
         09:00:00      join 4 -> joined T0 4
         09:00:00      draw
         09:00:00      enter T0 -> entered until 09:01:00.000
         09:00:10      enter T1 -> entered until 09:01:10.000
         09:00:10      enter T2 -> refused not_called 2
         09:00:40      called -> 2
         09:01:00      tick
         09:01:00.100  tick
         09:01:00.100  called -> 3
         09:01:00.100  enter T0 -> entered until 09:02:00.100
         # T2 was called, but T0 came back first: T2 hears when the next pass ends.
         09:01:00.100  enter T2 -> refused busy
         09:01:10      enter T2 -> entered until 09:02:10.000",
    );
}

#[test]
fn passes_end_in_order_also_after_their_life_is_shortened() {
    check(
        "09:00:00      room opens 09:00:00
         09:00:00      join 2 -> joined T0 2
         09:00:00      draw
         09:00:00      enter T0 -> entered until 09:01:00.000
         09:00:01      pace ttl_ms 10000
         09:00:01      enter T1 -> entered until 09:01:00.000
         09:01:00      enter T1 -> entered until 09:01:10.000",
    );
}

#[test]
fn a_pace_of_nothing_stops_entering_at_once() {
    check(
        "09:00:00      room opens 09:00:00
         09:00:00      join 5 -> joined T0 5
         09:00:00      draw
         09:00:01      pace entries 0
         09:00:01      enter T0 -> refused busy
         09:05:00      enter T0 -> refused busy
         09:05:00      pace entries 60
         09:05:02      enter T0 -> entered until 09:06:02.000",
    );
}

#[test]
fn an_identified_person_has_one_ticket() {
    check(
        "09:00:00      room opens 09:00:00 identity bound
         09:00:00      join 1 -> refused identity_required
         09:00:00      join_as 1 -> joined T0 1
         09:00:00      join_as 2 -> joined T1 1
         09:00:01      join_as 1 -> joined T0 1
         09:00:01      issued -> 2
         09:00:01      draw
         09:00:01      enter T0 -> entered until 09:01:01.000
         09:00:02      join_as 1 -> joined T0 1
         09:01:01      join_as 1 -> joined T0 1
         # Whoever gave theirs back starts at the end of the line.
         09:01:02      leave T0
         09:01:02      join_as 1 -> joined T2 1
         09:01:03      join_as 1 -> joined T2 1
         09:01:03      join_as 2 -> joined T1 1
         09:01:03      enter T0 -> refused ticket_spent
         09:01:03      issued -> 3",
    );
    check(
        "09:00:00      room opens 09:00:00
         09:00:00      join_as 1 -> refused identity_unused",
    );
}

#[test]
fn a_closed_room_lets_nobody_in_but_those_inside_may_finish() {
    check(
        "09:00:00      room opens 09:00:00
         09:00:00      join 2 -> joined T0 2
         09:00:00      draw
         09:00:00      enter T0 -> entered until 09:01:00.000
         09:00:01      close -> refused text_unfit
         09:00:01      close all places are given
         09:00:02      mark T0 -> inside
         09:00:02      enter T0 -> refused room_closed
         09:00:02      enter T1 -> refused room_closed
         09:00:02      enter T9 -> refused ticket_unknown
         09:00:02      join 1 -> refused room_closed
         09:00:02      join_as 1 -> refused room_closed
         09:00:02      pause too late -> refused room_closed
         09:00:02      resume -> refused room_closed
         09:00:02      close again -> refused room_closed
         09:00:02      schedule 10:00:00 later -> refused room_closed
         09:00:02      pace entries 5 -> refused room_closed
         09:00:02      health 1 1 -> refused room_closed
         09:00:02      draw -> refused room_closed
         09:00:02      notices 1
         09:00:02      leave T1
         09:01:00      tick
         09:01:00      mark T0 -> lapsed",
    );
}

#[test]
fn settings_outside_their_limits_are_named_by_number() {
    check(
        "09:00:00      room opens 09:00:00 name - -> refused text_unfit
         09:00:00      room opens 09:00:00 entries 6000001 -> refused setting_unfit 1
         09:00:00      room opens 09:00:00 passes 0 -> refused setting_unfit 2
         09:00:00      room opens 09:00:00 passes 1000001 -> refused setting_unfit 2
         09:00:00      room opens 09:00:00 ttl_ms 9999 -> refused setting_unfit 3
         09:00:00      room opens 09:00:00 ttl_ms 7200001 -> refused setting_unfit 3
         09:00:00      room opens 09:00:00 errors 1000001 -> refused setting_unfit 5
         09:00:00      room opens 09:00:00 bookings 0 -> refused setting_unfit 6
         09:00:00      room opens 09:00:00 bookings 9 -> refused setting_unfit 6
         09:00:00      room opens 09:00:00 campaign 77
         09:00:00      room opens 09:00:00 passes 0 -> refused room_exists
         09:00:00      pace passes 0 -> refused setting_unfit 2
         09:00:00      pace_unexplained -> refused text_unfit
         09:00:00      notices 8
         09:00:00      notices 9 -> refused full
         09:00:00      join 0 -> refused setting_unfit 1
         09:00:00      join 65537 -> refused setting_unfit 1
         09:00:00      join 65536 -> joined T0 65536",
    );
}

#[test]
fn rooms_and_tickets_are_bounded() {
    let mut scenario = String::new();
    for room in 0..256 {
        scenario += &format!("09:00:00  @{room} room opens 10:00:00\n");
    }
    scenario += "09:00:00  @256 room opens 10:00:00 -> refused full\n";
    for block in 0..1525 {
        scenario += &format!("09:00:00  join 65536 -> joined T{} 65536\n", block * 65_536);
    }
    scenario += "09:00:00  join 57601 -> refused full
                 09:00:00  join 57600 -> joined T99942400 57600
                 09:00:00  join 1 -> refused full
                 09:00:00  issued -> 100000000";
    check(&scenario);
}

#[test]
fn being_faster_buys_nothing() {
    // Ten people joined one by one before the opening. The same ten tickets, whatever the
    // instants at which they came, are drawn into the same order, and the first to come is
    // not the first to go.
    let early = check(
        "09:00:00      room opens 10:00:00
         09:00:00      join 1 -> joined T0 1
         09:00:00.010  join 9 -> joined T1 9
         10:00:00      draw",
    );
    let late = check(
        "09:00:00      room opens 10:00:00
         09:59:59.998  join 9 -> joined T0 9
         09:59:59.999  join 1 -> joined T9 1
         10:00:00      draw",
    );
    let order = |state: &jari_core::State| -> Vec<u32> {
        let room = &state.data().rooms[&RoomId(1)];
        (0..10).map(|serial| room.position(jari_core::ids::Serial(serial)).unwrap()).collect()
    };
    assert_eq!(order(&early), order(&late));
    let mut sorted = order(&early);
    assert_ne!(sorted, (0..10).collect::<Vec<u32>>(), "the order of arrival must not survive the draw");
    sorted.sort_unstable();
    assert_eq!(sorted, (0..10).collect::<Vec<u32>>());
}

#[test]
fn the_controller_slows_down_and_recovers() {
    check(
        "09:00:00      room opens 09:00:00
         09:00:00      factor -> 1000000
         09:00:01      health 201 0
         09:00:01      factor -> 700000
         # At most once a second, however many gates report.
         09:00:01.999  health 900 0
         09:00:01.999  factor -> 700000
         09:00:02      health 100 10001
         09:00:02      factor -> 490000
         # No raise within a second of a slowing, one step a second after it.
         09:00:02.500  health 100 0
         09:00:02.500  factor -> 490000
         09:00:03      health 200 10000
         09:00:03      factor -> 540000
         09:00:03.500  health 200 10000
         09:00:03.500  factor -> 540000
         # Bad news is not held up by a raise.
         09:00:03.600  health 201 0
         09:00:03.600  factor -> 378000
         09:01:00      pace latency 0
         09:01:00      health 60000 0
         09:01:00      factor -> 428000",
    );
    let mut scenario = String::from("09:00:00  room opens 09:00:00\n");
    for second in 0..20 {
        scenario += &format!("09:00:{:02}  health 999 0\n", second + 1);
    }
    scenario += "09:00:30  factor -> 10000\n";
    for second in 0..20 {
        scenario += &format!("09:01:{second:02}  health 1 0\n");
    }
    scenario += "09:02:00  factor -> 1000000";
    check(&scenario);
}
