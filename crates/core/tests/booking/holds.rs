//! Holding a place: each rule, and the order in which they are checked.

use crate::script::check;

#[test]
fn a_hold_becomes_a_booking_and_the_places_add_up() {
    check(
        "
        07:00  campaign K1 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/10:00x2 1/11:00x1 -> slots S0 2
        09:00:00.000  hold S0 P1 -> held B0 until 09:05:00
        09:00:00.000  supply S0 -> 1 1 0 0 0
        09:00:00.010  confirm B0 P1 -> confirmed B0
        09:00:00.020  hold S0 P2 -> held B1 until 09:05:00.020
        09:00:00.030  hold S0 P3 -> refused slot_full
        09:00:00.040  hold S1 P3 -> held B2 until 09:05:00.040
        09:00:00.040  supply S0 -> 0 1 1 0 0
        09:00:00.040  supply D0 -> 0 2 1 0 0
        09:00:00.040  supply K1 -> 0 2 1 0 0
        09:00:00.040  supply K1/0 -> 0 2 1 0 0
        09:00:00.040  effects -> 1
        09:00:00.040  mine P2 -> B1 S0 Held
        ",
    );
}

#[test]
fn a_hold_lapses_at_its_end_and_not_before() {
    check(
        "
        07:00  campaign K1 hold_s=10 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/10:00x1 -> slots S0 1
        09:00:00  hold S0 P1 -> held B0 until 09:00:10
        09:00:09.999  hold S0 P2 -> refused slot_full
        09:00:10.000  hold S0 P2 -> held B1 until 09:00:20
        09:00:10.000  mine P1 -> B0 S0 Lapsed
        09:00:11  confirm B0 P1 -> refused hold_lapsed
        # Time never runs backwards: a record stamped earlier happens now.
        09:00:02  confirm B0 P1 -> refused hold_lapsed
        09:00:19.999  confirm B1 P2 -> confirmed B1
        09:30  mine P2 -> B1 S0 Booked
        09:30  supply S0 -> 0 0 1 0 0
        ",
    );
}

#[test]
fn booking_opens_and_ends_with_the_windows() {
    check(
        "
        07:00  campaign K1 windows=09:00~10:00,12:00~13:00 -> done
        07:00  campaign K2 windows= -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  desk K2 C0 -> desk D1
        07:00  slots D0 1/10:00x9 -> slots S0 1
        07:00  slots D1 1/10:00x9 -> slots S1 1
        08:59:59.999  hold S0 P1 -> refused booking_not_open 09:00:00
        08:59:59.999  hold S1 P1 -> refused booking_not_open
        09:00:00.000  hold S0 P1 -> held B0 until 09:05:00
        09:59:59.999  hold S0 P2 -> held B1 until 10:04:59.999
        10:00:00.000  hold S0 P3 -> refused not_your_day 12:00:00
        12:00:00.000  hold S0 P3 -> held B2 until 12:05:00
        13:00:00.000  hold S0 P4 -> refused booking_over
        ",
    );
}

#[test]
fn only_the_years_of_the_rules_may_book() {
    check(
        "
        07:00  campaign K1 from=1960-01-01 until=1969-12-31 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/10:00x9 -> slots S0 1
        09:00  hold S0 P1 born=1959-12-31 -> refused not_eligible
        09:00  hold S0 P1 born=1970-01-01 -> refused not_eligible
        09:00  hold S0 P1 born=1960-01-01 -> held B0 until 09:05:00
        09:00  hold S0 P2 born=1969-12-31 -> held B1 until 09:05:00
        09:01  rules K1 version=2 from=1960-01-01 until=1964-12-31 -> done
        09:01  hold S0 P3 born=1969-12-31 -> refused not_eligible
        # What was held before the change stays.
        09:01  confirm B1 P2 -> confirmed B1
        ",
    );
}

#[test]
fn a_birth_digit_waits_for_its_day() {
    check(
        "
        07:00  campaign K1 windows=09:00~18:00@7,1/09:00~1/18:00@8,2/09:00~2/18:00@78 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 5/10:00x9 -> slots S0 1
        09:00  hold S0 P1 born=1965-03-17 -> held B0 until 09:05:00
        09:00  hold S0 P2 born=1965-03-18 -> refused not_your_day 1/09:00:00
        09:00  hold S0 P2 born=1965-03-09 -> refused not_your_day
        1/09:00  hold S0 P2 born=1965-03-18 -> held B1 until 1/09:05:00
        1/09:00  hold S0 P3 born=1965-03-27 -> refused not_your_day 2/09:00:00
        2/09:00  hold S0 P3 born=1965-03-27 -> held B2 until 2/09:05:00
        ",
    );
}

#[test]
fn the_supply_is_split_across_the_days() {
    check(
        "
        07:00  campaign K1 quota=9 windows=09:00~18:00@7@50,1/09:00~1/18:00@8@75,2/09:00~2/18:00@7@100 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 5/10:00x20 -> slots S0 1
        # Half of nine, rounded down: four.
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  hold S0 P2 -> held B1 until 09:05:00
        09:00  hold S0 P3 -> held B2 until 09:05:00
        09:00  hold S0 P4 -> held B3 until 09:05:00
        09:00  hold S0 P5 -> refused share_used_up 2/09:00:00
        09:01  cancel B3 P4 -> cancelled B3
        09:01  hold S0 P5 -> held B4 until 09:06:00
        # All have lapsed by the last day; its share is everything.
        2/09:00  hold S0 P6 -> held B5 until 2/09:05:00
        ",
    );
}

#[test]
fn a_desk_gives_its_part_of_each_day_rounded_up() {
    check(
        "
        07:00  campaign K1 windows=09:00~18:00@7@10,1/09:00~1/18:00@8@20 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 5/10:00x11 -> slots S0 1
        # A tenth of eleven, rounded up: two.
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  hold S0 P2 -> held B1 until 09:05:00
        09:00  hold S0 P3 -> refused share_used_up
        09:00:01  confirm B0 P1 -> confirmed B0
        # A fifth, rounded up: three, of which one is booked already.
        1/09:00  hold S0 P4 born=1965-03-18 -> held B2 until 1/09:05:00
        1/09:00  hold S0 P5 born=1965-03-18 -> held B3 until 1/09:05:00
        1/09:00  hold S0 P6 born=1965-03-18 -> refused share_used_up
        ",
    );
}

#[test]
fn one_active_booking_per_person_campaign_and_dose() {
    check(
        "
        07:00  campaign K1 doses=2 interval=0 -> done
        07:00  campaign K2 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  desk K2 C0 -> desk D1
        07:00  slots D0 1/10:00x9 1/11:00x9 -> slots S0 2
        07:00  slots D1 1/10:00x9 -> slots S2 1
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  hold S1 P1 -> refused already_booked
        09:00  hold S2 P1 -> held B1 until 09:05:00
        09:00  confirm B1 P1 -> confirmed B1
        09:01  hold S2 P1 -> refused already_booked 1
        09:01  confirm B0 P1 -> confirmed B0
        09:01  hold S1 P1 -> refused already_booked
        09:01  hold S1 P1 dose=2 -> held B2 until 09:06:00
        09:02  checkin B0 -> checked_in B0
        09:02  hold S1 P1 -> refused already_booked
        # The second dose's hold lapsed; one may hold again.
        09:06  hold S1 P1 dose=2 -> held B3 until 09:11:00
        09:07  cancel B3 P1 -> cancelled B3
        09:07  hold S1 P1 dose=2 -> held B4 until 09:12:00
        09:07  mine P1 -> B4 S1 Held, B3 S1 Cancelled, B2 S1 Lapsed, B1 S2 Booked, B0 S0 Used
        ",
    );
}

#[test]
fn doses_keep_their_distance_in_both_directions() {
    check(
        "
        07:00  campaign K1 doses=3 interval=21 windows=08:00~90/20:00 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/15:00x9 21/09:00x9 22/09:00x9 60/09:00x9 -> slots S0 4
        09:00  hold S2 P1 dose=2 -> refused dose_too_early
        09:00  hold S0 P1 dose=4 -> refused dose_unknown
        09:00  hold S0 P1 dose=0 -> refused dose_unknown
        09:00  hold S0 P1 -> held B0 until 09:05:00
        # A hold is not yet a first dose.
        09:00  hold S2 P1 dose=2 -> refused dose_too_early
        09:00  confirm B0 P1 -> confirmed B0
        09:00  hold S1 P1 dose=2 -> refused dose_too_early 22/00:00:00
        # Days count, not hours: day 22 at 09:00 is early enough after day 1 at 15:00.
        09:00  hold S2 P1 dose=2 -> held B1 until 09:05:00
        09:01  confirm B1 P1 -> confirmed B1
        # The first dose given back and taken anew keeps its distance from the second.
        09:02  cancel B0 P1 -> cancelled B0
        09:02  hold S1 P1 -> refused dose_too_early 42/00:00:00
        09:02  hold S0 P1 -> held B2 until 09:07:00
        ",
    );
}

#[test]
fn the_day_between_doses_turns_at_the_campaigns_midnight() {
    check(
        "
        07:00  campaign K1 doses=2 interval=1 offset_min=540 windows=08:00~90/20:00 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/14:00x9 1/14:30x9 1/15:00x9 -> slots S0 3
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  confirm B0 P1 -> confirmed B0
        09:00  hold S1 P1 dose=2 -> refused dose_too_early 1/15:00:00
        09:00  hold S2 P1 dose=2 -> held B1 until 09:05:00
        ",
    );
}

#[test]
fn a_slot_that_has_begun_is_past() {
    check(
        "
        07:00  campaign K1 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 10:00x9 -> slots S0 1
        09:59:59.999  hold S0 P1 -> held B0 until 10:04:59.999
        10:00:00.000  hold S0 P2 -> refused slot_past
        # The hold made in time may still be confirmed.
        10:01  confirm B0 P1 -> confirmed B0
        ",
    );
}

#[test]
fn quotas_of_the_campaign_and_of_a_vaccine_are_kept() {
    check(
        "
        07:00  campaign K1 quota=3 vaccines=1,9 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/10:00x9x0 1/10:00x9x1 -> slots S0 2
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  hold S0 P2 -> refused quota_used_up
        09:00  hold S1 P2 -> held B1 until 09:05:00
        09:00  hold S1 P3 -> held B2 until 09:05:00
        09:00  hold S1 P4 -> refused quota_used_up
        09:01  quota K1 4 -> done
        09:01  hold S1 P4 -> held B3 until 09:06:00
        09:01  quota K1 1 -> done
        09:01  confirm B1 P2 -> confirmed B1
        09:01  cancel B2 P3 -> cancelled B2
        09:01  hold S1 P3 -> refused quota_used_up
        09:01  quota K1 9 V0 -> done
        09:01  quota K1 9 -> done
        09:01  hold S0 P5 -> held B4 until 09:06:00
        ",
    );
}

#[test]
fn a_paused_or_closed_campaign_gives_nothing_but_keeps_what_was_held() {
    check(
        "
        07:00  campaign K1 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/10:00x9 1/11:00x9 -> slots S0 2
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  hold S0 P2 -> held B1 until 09:05:00
        09:00  pause K1 reason=storm -> done
        09:01  hold S0 P3 -> refused campaign_paused
        09:01  confirm B0 P1 -> confirmed B0
        09:01  move B0 P1 S1 -> refused campaign_paused
        09:02  resume K1 -> done
        09:02  move B0 P1 S1 -> rescheduled B0
        09:03  close K1 reason=done -> done
        09:03  hold S0 P3 -> refused campaign_closed
        09:03  move B0 P1 S0 -> refused campaign_closed
        09:03  confirm B1 P2 -> confirmed B1
        09:04  cancel B1 P2 -> cancelled B1
        ",
    );
}

#[test]
fn a_person_has_so_many_holds_and_no_more() {
    let mut table = String::from(
        "
        07:00  campaign K1 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 1/10:00x9 -> slots S0 1
        ",
    );
    for booking in 0..128 {
        table.push_str(&format!("09:00  hold S0 P1 -> held B{booking} until 09:05:00\n"));
        table.push_str(&format!("09:00  cancel B{booking} P1 -> cancelled B{booking}\n"));
    }
    table.push_str("09:00  hold S0 P1 -> refused too_many_bookings\n");
    table.push_str("09:00  hold S0 P2 -> held B128 until 09:05:00\n");
    check(&table);
}

/// Each line takes one fault away from the line before it; the faults that remain are
/// all still there.
#[test]
fn a_hold_with_many_faults_is_told_the_first_of_them() {
    check(
        "
        07:00  campaign K1 quota=1 vaccines=1 doses=2 from=1960-01-01 until=1969-12-31 room=R1 windows=09:00~10:00@8@100,12:00~13:00@7@100 -> done
        07:00  campaign K2 -> done
        07:00  room R1 bound=yes opens=08:00 -> done
        07:00  clinic -> clinic C0
        07:00  desk K1 C0 -> desk D0
        07:00  slots D0 11:00x1 -> slots S0 1
        07:30  pause K1 -> done
        07:40  hold S9 P1 born=1950-03-19 dose=9 -> refused slot_unknown
        07:40  hold S0 P1 born=1950-03-19 dose=9 -> refused campaign_paused
        07:41  resume K1 -> done
        07:41  hold S0 P1 born=1950-03-19 dose=9 -> refused booking_not_open 09:00:00
        09:30  hold S0 P1 born=1950-03-19 dose=9 -> refused not_eligible
        09:30  hold S0 P1 born=1965-03-19 dose=9 -> refused not_your_day
        09:30  hold S0 P1 born=1965-03-18 dose=9 -> refused dose_unknown
        09:30  hold S0 P1 born=1965-03-18 dose=2 -> refused pass_required
        # A pass of another room is no pass.
        09:30  hold S0 P1 born=1965-03-18 dose=2 pass=R2/0 -> refused pass_required
        09:30  hold S0 P1 born=1965-03-18 dose=2 pass=R1/0 -> refused pass_ended
        09:31  join_as R1 P2 -> joined T0 1
        09:31  draw R1 -> done
        09:31:10  enter R1/0 -> entered until 09:41:10
        09:32  hold S0 P1 born=1965-03-18 dose=2 pass=R1/0 -> refused ticket_foreign
        09:32  hold S0 P2 born=1965-03-18 dose=2 pass=R1/0 -> refused dose_too_early
        09:32  hold S0 P2 born=1965-03-18 pass=R1/0 -> held B0 until 09:37:00
        09:33  hold S0 P2 born=1965-03-18 pass=R1/0 -> refused pass_spent
        13:00  hold S0 P2 born=1965-03-18 pass=R1/0 -> refused booking_over
        13:01  pause K1 -> done
        13:02  close K1 -> done
        13:03  hold S0 P2 born=1950-03-18 -> refused campaign_closed
        ",
    );
}

/// The later checks, where no pass is asked for.
#[test]
fn a_hold_with_many_faults_of_supply_is_told_the_first_of_them() {
    check(
        "
        07:00  campaign K1 quota=2 vaccines=1 doses=2 interval=5 windows=08:00~5/13:00@7@50 -> done
        07:00  clinic -> clinic C0
        07:00  clinic -> clinic C1
        07:00  desk K1 C0 -> desk D0
        07:00  desk K1 C1 -> desk D1
        07:00  slots D0 10:00x1 1/10:00x1 -> slots S0 2
        07:00  slots D1 1/10:00x0 -> slots S2 1
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  confirm B0 P1 -> confirmed B0
        09:00  quota K1 1 -> done
        # Slot past, dose too early, quotas, share, full: all at once.
        10:00  hold S0 P1 -> refused already_booked
        10:00  hold S0 P1 dose=2 -> refused dose_too_early 5/00:00:00
        10:00  hold S0 P2 -> refused slot_past
        10:00  hold S2 P2 -> refused quota_used_up
        10:01  quota K1 2 -> done
        10:01  hold S2 P2 -> refused quota_used_up
        10:01  quota K1 9 V0 -> done
        10:01  hold S2 P2 -> refused share_used_up
        10:01  windows K1 windows=08:00~5/13:00@7@100 -> done
        10:01  quota K1 4 -> done
        # The whole supply may be gone by now: a share is no hindrance any more.
        10:01  hold S2 P2 -> refused slot_full
        10:01  slots D1 1/11:00x1 -> slots S3 1
        10:01  hold S2 P2 -> refused slot_full
        10:01  hold S3 P2 -> held B1 until 10:06:00
        ",
    );
}
