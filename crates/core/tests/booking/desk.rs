//! The clinic's desk: who did not come, who came late, who came without a booking. Each table is
//! run once more with a restart before every line.

use crate::script::check_with_restarts;

/// A campaign under rules 4 with one desk, whose commands begin at 07:00.
fn check(campaign: &str, slots: &str, table: &str) {
    let upgrades: String = (2..=4).map(|rules| format!("07:00  upgrade {rules} -> done\n")).collect();
    let count = slots.split_whitespace().count();
    check_with_restarts(&format!(
        "{upgrades}
        07:00  campaign K1 {campaign} -> done
        07:00  clinic                 -> clinic C0
        07:00  desk K1 C0             -> desk D0
        07:00  slots D0 {slots}       -> slots S0 {count}
        {table}"
    ));
}

#[test]
fn a_no_show_gives_the_place_and_the_dose_back() {
    check(
        "",
        "09:00x1 11:00x1",
        "
        08:00  hold S0 P1             -> held B0 until 08:05:00
        08:00  noshow B0              -> refused booking_not_confirmed
        08:00  confirm B0 P1          -> confirmed B0
        08:00  noshow B9              -> refused booking_unknown
        09:09:59.999  noshow B0       -> refused no_show_too_early 09:10:00
        09:09:59.999  supply S0       -> 0 0 1 0 0
        09:10  noshow B0              -> no_show B0
        09:10  supply S0              -> 1 0 0 0 0
        09:10  supply K1              -> 2 0 0 0 0
        09:10  mine P1                -> B0 S0 NoShow
        # Doing it again changes nothing.
        09:11  noshow B0              -> no_show B0
        09:11  confirm B0 P1          -> refused booking_missed
        09:11  cancel B0 P1           -> refused booking_missed
        09:11  move B0 P1 S1          -> refused booking_missed
        # The dose may be booked again.
        09:12  hold S1 P1             -> held B1 until 09:17:00
        09:12  confirm B1 P1          -> confirmed B1
        09:12  mine P1                -> B1 S1 Booked, B0 S0 NoShow
        ",
    );
}

#[test]
fn only_what_is_booked_can_be_missed() {
    check(
        "",
        "09:00x4",
        "
        08:00  hold S0 P1             -> held B0 until 08:05:00
        08:00  hold S0 P2             -> held B1 until 08:05:00
        08:00  hold S0 P3             -> held B2 until 08:05:00
        08:01  cancel B1 P2           -> cancelled B1
        08:01  confirm B2 P3          -> confirmed B2
        09:10  noshow B0              -> refused hold_lapsed
        09:10  noshow B1              -> refused booking_cancelled
        09:10  checkin B2             -> checked_in B2
        09:10  noshow B2              -> refused booking_used
        ",
    );
}

#[test]
fn whoever_booked_after_the_beginning_has_the_same_time_to_come() {
    check(
        "hold_s=3600",
        "09:00x1",
        "
        08:59  hold S0 P1             -> held B0 until 09:59:00
        09:05  confirm B0 P1          -> confirmed B0
        09:14:59.999  noshow B0       -> refused no_show_too_early 09:15:00
        09:15  noshow B0              -> no_show B0
        ",
    );
}

#[test]
fn a_no_show_who_comes_late_has_the_place_while_it_is_free() {
    check(
        "doses=2 interval=0",
        "09:00x2 09:00x1 11:00x1",
        "
        08:00  hold S0 P1             -> held B0 until 08:05:00
        08:00  hold S0 P2             -> held B1 until 08:05:00
        08:00  confirm B0 P1          -> confirmed B0
        08:00  confirm B1 P2          -> confirmed B1
        09:10  noshow B0              -> no_show B0
        09:10  noshow B1              -> no_show B1
        09:20  checkin B0             -> checked_in B0
        09:20  supply S0              -> 1 0 0 1 0
        09:20  checkin B0             -> checked_in B0
        # The other place went to somebody who stood there.
        09:21  walkin S0 P3           -> checked_in B2
        09:22  checkin B1             -> refused slot_full
        # Or its person has another.
        09:23  hold S2 P2             -> held B3 until 09:28:00
        09:23  capacity S0 3          -> done
        09:23  checkin B1             -> refused already_booked 3
        09:28  checkin B1             -> checked_in B1
        09:28  supply K1              -> 2 0 0 3 0
        ",
    );
}

#[test]
fn a_no_show_who_comes_late_keeps_the_quota_and_the_days_between_doses() {
    check(
        "quota=2 doses=2 interval=1",
        "09:00x9 1/09:00x9",
        "
        08:00  hold S0 P1             -> held B0 until 08:05:00
        08:00  confirm B0 P1          -> confirmed B0
        08:00  hold S1 P1 dose=2      -> held B1 until 08:05:00
        08:00  confirm B1 P1          -> confirmed B1
        1/09:10  noshow B0            -> no_show B0
        1/09:10  noshow B1            -> no_show B1
        # Without the first dose there is no second.
        1/09:11  checkin B1           -> refused dose_too_early
        1/09:11  walkin S1 P2         -> checked_in B2
        1/09:11  walkin S1 P3         -> checked_in B3
        1/09:12  checkin B0           -> refused quota_used_up
        1/09:12  quota K1 9           -> done
        1/09:12  close K1             -> done
        1/09:12  checkin B0           -> checked_in B0
        1/09:12  checkin B1           -> checked_in B1
        ",
    );
}

#[test]
fn the_checks_of_a_walk_in_come_in_this_order() {
    // Each line is wrong in everything that the lines below it are refused for, too.
    check(
        "windows= quota=0 doses=2",
        "23:00x0",
        "
        08:00  walkin S9 P1 born=2000-01-01 dose=9 -> refused slot_unknown
        08:00  pause K1                            -> done
        08:00  walkin S0 P1 born=2000-01-01 dose=9 -> refused campaign_paused
        08:00  resume K1                           -> done
        08:00  walkin S0 P1 born=2000-01-01 dose=9 -> refused booking_not_open
        08:00  windows K1 windows=08:00~09:00      -> done
        08:00  walkin S0 P1 born=2000-01-01 dose=9 -> refused not_eligible
        08:00  walkin S0 P1 dose=9                 -> refused dose_unknown
        08:00  walkin S0 P1 dose=2                 -> refused dose_too_early
        08:00  walkin S0 P1                        -> refused slot_ahead 21:00:00
        21:00  walkin S0 P1                        -> refused quota_used_up
        21:00  quota K1 9                          -> done
        21:00  walkin S0 P1                        -> refused slot_full
        21:00  capacity S0 2                       -> done
        21:00  walkin S0 P1                        -> checked_in B0
        # The window closed twelve hours ago; the place is there and so is the person.
        21:00  walkin S0 P1                        -> refused already_booked
        1/07:00  walkin S0 P2                      -> checked_in B1
        1/07:00:00.001  walkin S0 P3               -> refused slot_past
        1/07:00:00.001  close K1                          -> done
        1/07:00:00.001  walkin S0 P3               -> refused campaign_closed
        ",
    );
}

#[test]
fn a_walk_in_takes_a_place_of_today_and_nothing_that_rations_the_rush_stands_in_its_way() {
    check(
        "room=R1 windows=08:00~20:00@0@1",
        "09:00x2",
        "
        # No pass, another digit's day, a share of a hundredth: all that is about the rush.
        07:59:59.999  walkin S0 P1                 -> refused booking_not_open 08:00:00
        08:00  hold S0 P1                          -> refused not_your_day
        08:00  walkin S0 P1                        -> checked_in B0
        08:00  mine P1                             -> B0 S0 Used
        08:00  effects                             -> 0
        08:00  supply S0                           -> 1 0 0 1 0
        17:00  walkin S0 P2                        -> checked_in B1
        17:00  walkin S0 P3                        -> refused slot_full
        17:00  cancel B1 P2                        -> refused booking_used
        17:00  noshow B1                           -> refused booking_used
        ",
    );
}

#[test]
fn before_rules_4_the_desk_knows_neither() {
    check_with_restarts(
        "
        07:00  noshow B0                           -> refused rules_unknown
        07:00  walkin S0 P1                        -> refused rules_unknown
        ",
    );
}
