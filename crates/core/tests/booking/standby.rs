//! Leftover places: who is asked, in which order, and what becomes of an offer. Each table is run
//! once more with a restart before every line.

use crate::script::{check_from, check_with_restarts};
use jari_core::State;

fn begin(campaign: &str, slots: &str, table: &str) -> String {
    let upgrades: String = (2..=4).map(|rules| format!("07:00  upgrade {rules} -> done\n")).collect();
    let count = slots.split_whitespace().count();
    format!(
        "{upgrades}
        07:00  campaign K1 {campaign} -> done
        07:00  clinic                 -> clinic C0
        07:00  desk K1 C0             -> desk D0
        07:00  slots D0 {slots}       -> slots S0 {count}
        {table}"
    )
}

fn check(campaign: &str, slots: &str, table: &str) {
    check_with_restarts(&begin(campaign, slots, table));
}

#[test]
fn the_nearest_is_asked_first_and_then_whoever_stood_by_earlier() {
    check(
        "",
        "09:00x2",
        "
        08:00  standby D0 P1 min=20   -> standing_by until 1/00:00:00
        08:01  standby D0 P2 min=10   -> standing_by until 1/00:00:00
        08:02  standby D0 P3 min=10   -> standing_by until 1/00:00:00
        08:03  standby D0 P4 min=5    -> standing_by until 1/00:00:00
        # By now it is farther, or nearer: the place among those who are as near stays.
        08:04  standby D0 P4 min=180  -> standing_by until 1/00:00:00
        08:05  standby D0 P1 min=10   -> standing_by until 1/00:00:00
        09:00  offer S0 1             -> offered 1
        09:00  offers S0              -> B0 P1
        09:00  effects                -> 1
        09:00  supply S0              -> 1 1 0 0 0
        09:00  offer S0 2             -> offered 2
        09:00  offers S0              -> B0 P1, B1 P2
        09:01  cancel B0 P1           -> cancelled B0
        09:01  offers S0              -> B1 P2, B2 P3
        09:02  confirm B2 P3          -> confirmed B2
        09:02  supply S0              -> 0 1 1 0 0
        # The time to answer goes by, at its last instant and not before.
        09:09:59.999  offers S0       -> B1 P2
        09:09:59.999  tick            -> done
        09:09:59.999  offers S0       -> B1 P2
        09:10  tick                   -> done
        09:10  offers S0              -> B3 P4
        09:10  confirm B1 P2          -> refused hold_lapsed
        # Whoever was asked has had their turn.
        09:11  cancel B3 P4           -> cancelled B3
        09:11  offers S0              -> none
        09:11  supply S0              -> 1 0 1 0 0
        09:11  effects                -> 5
        09:11  offer S0 1             -> offered 0
        09:11  supply S0              -> 1 0 1 0 0
        09:12  standby D0 P4          -> standing_by until 1/00:00:00
        09:12  offer S0 1             -> offered 1
        09:13  confirm B4 P4          -> confirmed B4
        09:20  checkin B4             -> checked_in B4
        ",
    );
}

#[test]
fn nobody_is_asked_who_has_or_holds_a_place() {
    check(
        "",
        "09:00x1 11:00x9",
        "
        08:00  standby D0 P1 min=1    -> standing_by until 1/00:00:00
        08:00  standby D0 P2 min=2    -> standing_by until 1/00:00:00
        08:00  standby D0 P3 min=3    -> standing_by until 1/00:00:00
        08:50  hold S1 P1             -> held B0 until 08:55:00
        08:50  hold S1 P2             -> held B1 until 08:55:00
        08:50  confirm B1 P2          -> confirmed B1
        08:51  offer S0 1             -> offered 1
        08:51  offers S0              -> B2 P3
        # The first only held one: she is asked later. The second has one.
        08:56  cancel B2 P3           -> cancelled B2
        08:56  offers S0              -> B3 P1
        08:56  cancel B1 P2           -> cancelled B1
        08:57  cancel B3 P1           -> cancelled B3
        08:57  offers S0              -> none
        08:58  standdown D0 P2        -> refused standby_unknown
        ",
    );
}

#[test]
fn an_offer_is_a_hold_and_whoever_has_one_is_asked_for_no_other() {
    check(
        "",
        "09:00x2 09:00x1",
        "
        07:00  clinic                 -> clinic C1
        07:00  desk K1 C1             -> desk D1
        07:00  slots D1 09:00x1       -> slots S2 1
        08:00  standby D0 P1 min=30   -> standing_by until 1/00:00:00
        08:00  standby D1 P1 min=5    -> standing_by until 1/00:00:00
        08:10  offer S0 1             -> offered 1
        08:10  offers S0              -> B0 P1
        08:10  mine P1                -> B0 S0 Offered
        08:10  hold S1 P1             -> refused already_booked
        08:10  standby D1 P1          -> refused already_booked
        08:10  move B0 P1 S1          -> refused booking_not_confirmed
        08:10  checkin B0             -> refused booking_not_confirmed
        08:10  noshow B0              -> refused booking_not_confirmed
        08:10  offer S2 1             -> offered 0
        # She declines and is still in the other list.
        08:11  cancel B0 P1           -> cancelled B0
        08:11  offer S2 1             -> offered 1
        08:12  confirm B1 P1          -> confirmed B1
        08:12  supply S2              -> 0 0 1 0 0
        ",
    );
}

#[test]
fn standing_by_ends_with_the_day_and_is_at_three_desks_at_the_most() {
    check(
        "offset_min=540",
        "1/00:10x1",
        "
        07:00  clinic                 -> clinic C1
        07:00  clinic                 -> clinic C2
        07:00  clinic                 -> clinic C3
        07:00  desk K1 C1             -> desk D1
        07:00  desk K1 C2             -> desk D2
        07:00  desk K1 C3             -> desk D3
        # Midnight in Seoul.
        14:59:59.999  standby D0 P1   -> standing_by until 15:00:00
        15:00  standdown D0 P1        -> refused standby_unknown
        15:00  standby D0 P1          -> standing_by until 1/15:00:00
        15:00  standby D1 P1          -> standing_by until 1/15:00:00
        15:00  standby D2 P1          -> standing_by until 1/15:00:00
        15:00  standby D3 P1          -> refused too_many_standbys
        15:00  standby D2 P1 min=1    -> standing_by until 1/15:00:00
        15:01  standdown D0 P1        -> done
        15:01  standdown D0 P1        -> refused standby_unknown
        15:01  standby D3 P1          -> standing_by until 1/15:00:00
        1/00:10  offer S0 1           -> offered 0
        ",
    );
}

#[test]
fn the_checks_of_standing_by_come_in_this_order() {
    check(
        "windows= doses=2",
        "09:00x9",
        "
        08:00  standby D9 P1 born=2000-01-01 dose=9 min=0 -> refused desk_unknown
        08:00  pause K1                                   -> done
        08:00  standby D0 P1 born=2000-01-01 dose=9 min=0 -> refused campaign_paused
        08:00  resume K1                                  -> done
        08:00  standby D0 P1 born=2000-01-01 dose=9 min=0 -> refused booking_not_open
        08:00  windows K1 windows=08:00~08:30             -> done
        08:00  standby D0 P1 born=2000-01-01 dose=9 min=0 -> refused not_eligible
        08:00  standby D0 P1 dose=9 min=0                 -> refused dose_unknown
        08:00  standby D0 P1 dose=2 min=0                 -> refused setting_unfit 1
        08:00  standby D0 P1 dose=2 min=181               -> refused setting_unfit 1
        08:00  standby D0 P1 dose=2                       -> refused dose_too_early
        08:00  hold S0 P1                                 -> held B0 until 08:05:00
        08:00  standby D0 P1                              -> refused already_booked
        08:40  standby D0 P1                              -> standing_by until 1/00:00:00
        08:40  close K1                                   -> done
        08:40  standby D0 P1                              -> refused campaign_closed
        08:40  standdown D0 P1                            -> done
        ",
    );
}

#[test]
fn the_checks_of_an_offering_come_in_this_order() {
    check(
        "windows= quota=0",
        "23:00x0",
        "
        08:00  offer S9 0 for_min=2    -> refused slot_unknown
        08:00  pause K1                -> done
        08:00  offer S0 0 for_min=2    -> refused campaign_paused
        08:00  resume K1               -> done
        08:00  offer S0 0 for_min=2    -> refused booking_not_open
        08:00  windows K1 windows=08:00~08:30 -> done
        08:00  offer S0 0 for_min=2    -> refused setting_unfit 1
        08:00  offer S0 65 for_min=2   -> refused setting_unfit 1
        08:00  offer S0 1 for_min=2    -> refused setting_unfit 2
        08:00  offer S0 1 for_min=61   -> refused setting_unfit 2
        08:00  offer S0 64             -> refused slot_ahead 21:00:00
        21:00  offer S0 64             -> refused quota_used_up
        21:00  quota K1 70             -> done
        21:00  offer S0 64             -> refused slot_full
        21:00  capacity S0 70          -> done
        21:00  offer S0 64             -> offered 0
        21:00  standby D0 P1           -> standing_by until 1/00:00:00
        21:00  standby D0 P2           -> standing_by until 1/00:00:00
        21:00  offer S0 64             -> offered 2
        # Nobody is left for the others: two are offered, and sixty-two more could be.
        21:00  offer S0 63             -> refused setting_unfit 1
        21:00  offer S0 62             -> offered 2
        21:01  close K1                -> done
        21:01  offer S0 1              -> refused campaign_closed
        21:02  cancel B0 P1            -> cancelled B0
        # What a person was shown as held stays theirs.
        21:02  confirm B1 P2           -> confirmed B1
        ",
    );
}

#[test]
fn an_offering_ends_where_the_place_is_gone_or_may_not_be_given() {
    check(
        "",
        "09:00x1 09:00x1 11:00x1",
        "
        08:00  standby D0 P1 min=1     -> standing_by until 1/00:00:00
        08:00  standby D0 P2 min=2     -> standing_by until 1/00:00:00
        08:00  standby D0 P3 min=3     -> standing_by until 1/00:00:00
        08:10  offer S0 1              -> offered 1
        # The slot has no place any more when it comes back.
        08:11  capacity S0 1           -> done
        08:11  quota K1 1              -> done
        08:11  walkin S1 P9            -> refused quota_used_up
        08:12  cancel B0 P1            -> cancelled B0
        08:12  offers S0               -> B1 P2
        08:13  pause K1                -> done
        08:14  cancel B1 P2            -> cancelled B1
        08:14  offers S0               -> none
        08:14  supply S0               -> 1 0 0 0 0
        08:15  resume K1               -> done
        08:15  offers S0               -> none
        08:15  offer S0 1              -> offered 1
        08:15  offers S0               -> B2 P3
        ",
    );
}

#[test]
fn after_the_day_of_the_slot_nothing_is_passed_on() {
    check(
        "",
        "09:00x1",
        "
        16:55  standby D0 P1 min=1     -> standing_by until 1/00:00:00
        16:55  standby D0 P2 min=2     -> standing_by until 1/00:00:00
        16:55  offer S0 1              -> offered 1
        17:04:59.999  offers S0        -> B0 P1
        17:05  tick                    -> done
        17:05  offers S0               -> none
        17:05  supply S0               -> 1 0 0 0 0
        17:05  standdown D0 P2         -> done
        ",
    );
}

#[test]
fn whoever_took_a_leftover_place_has_time_to_come() {
    check(
        "",
        "09:00x1",
        "
        11:00  standby D0 P1 min=1     -> standing_by until 1/00:00:00
        11:00  offer S0 1              -> offered 1
        11:05  confirm B0 P1           -> confirmed B0
        11:14:59.999  noshow B0        -> refused no_show_too_early 11:15:00
        11:15  noshow B0               -> no_show B0
        11:16  standby D0 P1 min=1     -> standing_by until 1/00:00:00
        ",
    );
}

#[test]
fn before_rules_4_nobody_stands_by() {
    check_with_restarts(
        "
        07:00  standby D0 P1           -> refused rules_unknown
        07:00  standdown D0 P1         -> refused rules_unknown
        07:00  offer S0 1              -> refused rules_unknown
        ",
    );
}

/// A desk's list is full at two hundred; a whole list that cannot be asked is looked through.
#[test]
fn a_desk_has_a_list_of_two_hundred() {
    let mut table = String::new();
    for person in 1..=200 {
        table.push_str(&format!("08:00  standby D0 P{person} -> standing_by until 1/00:00:00\n"));
    }
    table.push_str("08:00  standby D0 P201 -> refused full\n");
    // Whoever was born later may not come any more, but for the last.
    table.push_str("08:01  standby D0 P200 born=1961-01-01 -> standing_by until 1/00:00:00\n");
    table.push_str("08:02  rules K1 version=2 until=1962-12-31 -> done\n");
    table.push_str("08:03  offer S0 1 -> offered 1\n");
    table.push_str("08:03  mine P200 -> B0 S0 Offered\n");
    let state = check_from(State::new(), &begin("", "09:00x1", &table));
    assert!(state.data().standbys.people.is_empty());
}
