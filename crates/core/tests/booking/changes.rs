//! Confirming, giving back, moving, checking in, contacts.

use jari_core::effect::Effect;
use jari_core::{Data, State, limits};

use crate::script::{check, check_from};

const OPEN: &str = "
    07:00  campaign K1 windows=08:00~5/20:00 -> done
    07:00  clinic -> clinic C0
    07:00  clinic -> clinic C1
    07:00  desk K1 C0 -> desk D0
    07:00  desk K1 C1 -> desk D1
    07:00  slots D0 1/10:00x2 1/11:00x1 -> slots S0 2
    07:00  slots D1 1/10:00x1 10:00x1 -> slots S2 2
    ";

fn check_open(table: &str) {
    check(&format!("{OPEN}{table}"));
}

#[test]
fn only_the_owner_confirms_cancels_and_moves() {
    check_open(
        "
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  confirm B0 P2 -> refused booking_unknown
        09:00  confirm B9 P1 -> refused booking_unknown
        09:00  confirm B0 P1 -> confirmed B0
        09:00  cancel B0 P2 -> refused booking_unknown
        09:00  move B0 P2 S1 -> refused booking_unknown
        09:00  checkin B9 -> refused booking_unknown
        ",
    );
}

#[test]
fn confirming_again_answers_the_same_and_tells_nobody_twice() {
    check_open(
        "
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  confirm B0 P1 -> confirmed B0
        09:01  confirm B0 P1 -> confirmed B0
        09:01  effects -> 1
        09:02  checkin B0 -> checked_in B0
        09:02  confirm B0 P1 -> confirmed B0
        09:02  supply S0 -> 1 0 0 1 0
        ",
    );
}

#[test]
fn a_place_given_back_is_free_at_once() {
    check_open(
        "
        09:00  hold S1 P1 -> held B0 until 09:05:00
        09:00  hold S1 P2 -> refused slot_full
        09:00  cancel B0 P1 -> cancelled B0
        # No message is sent for a hold.
        09:00  effects -> 0
        09:00  hold S1 P2 -> held B1 until 09:05:00
        09:00  confirm B1 P2 -> confirmed B1
        09:01  cancel B1 P2 -> cancelled B1
        09:01  cancel B1 P2 -> cancelled B1
        09:01  effects -> 2
        09:01  confirm B1 P2 -> refused booking_cancelled
        09:01  move B1 P2 S0 -> refused booking_cancelled
        09:01  checkin B1 -> refused booking_cancelled
        09:01  hold S1 P3 -> held B2 until 09:06:00
        09:06  cancel B2 P3 -> refused hold_lapsed
        09:06  move B2 P3 S0 -> refused hold_lapsed
        09:06  checkin B2 -> refused hold_lapsed
        ",
    );
}

#[test]
fn a_used_dose_cannot_be_given_back_or_moved() {
    check_open(
        "
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  checkin B0 -> refused booking_not_confirmed
        09:00  move B0 P1 S1 -> refused booking_not_confirmed
        09:00  confirm B0 P1 -> confirmed B0
        1/10:00  checkin B0 -> checked_in B0
        1/10:00  checkin B0 -> checked_in B0
        1/10:01  cancel B0 P1 -> refused booking_used
        1/10:01  move B0 P1 S1 -> refused booking_used
        1/10:01  supply K1 -> 4 0 0 1 0
        ",
    );
}

#[test]
fn a_move_takes_the_new_place_and_frees_the_old_one_together() {
    check_open(
        "
        09:00  hold S1 P1 -> held B0 until 09:05:00
        09:00  confirm B0 P1 -> confirmed B0
        09:01  move B0 P1 S1 -> refused same_slot
        09:01  move B0 P1 S9 -> refused slot_unknown
        09:01  move B0 P1 S2 -> rescheduled B0
        09:01  supply S1 -> 1 0 0 0 0
        09:01  supply S2 -> 0 0 1 0 0
        09:01  supply D0 -> 3 0 0 0 0
        09:01  supply D1 -> 1 0 1 0 0
        09:01  supply K1 -> 4 0 1 0 0
        09:01  mine P1 -> B0 S2 Booked
        09:01  effects -> 2
        09:02  hold S0 P2 -> held B1 until 09:07:00
        09:02  confirm B1 P2 -> confirmed B1
        09:02  move B1 P2 S2 -> refused slot_full
        10:00  move B1 P2 S3 -> refused slot_past
        # Who kept the booking keeps it where it was.
        10:00  mine P2 -> B1 S0 Booked
        ",
    );
}

#[test]
fn a_move_keeps_campaign_vaccine_share_and_dose_rules() {
    check(
        "
        07:00  campaign K1 vaccines=9,1 doses=2 interval=10 windows=08:00~12:00@7@50,1/08:00~1/12:00@8@100 -> done
        07:00  campaign K2 -> done
        07:00  clinic -> clinic C0
        07:00  clinic -> clinic C1
        07:00  desk K1 C0 -> desk D0
        07:00  desk K1 C1 -> desk D1
        07:00  desk K2 C0 -> desk D2
        07:00  slots D0 5/10:00x4x0 5/11:00x1x1 5/12:00x1x1 20/10:00x4x0 -> slots S0 4
        07:00  slots D1 5/10:00x2x0 -> slots S4 1
        07:00  slots D2 5/10:00x2x0 -> slots S5 1
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  confirm B0 P1 -> confirmed B0
        09:00  hold S1 P2 -> held B1 until 09:05:00
        09:00  hold S4 P3 -> held B2 until 09:05:00
        09:01  move B0 P1 S5 -> refused other_campaign
        # The other vaccine's quota is used up by a hold.
        09:01  move B0 P1 S2 -> refused quota_used_up
        # The other desk has given half of its places: today's share.
        09:01  move B0 P1 S4 -> refused share_used_up 1/08:00:00
        1/08:00  move B0 P1 S4 -> rescheduled B0
        1/08:00  move B0 P1 S2 -> rescheduled B0
        1/08:00  windows K1 windows=1/08:00~1/12:00 -> done
        1/08:00  hold S3 P1 dose=2 -> held B3 until 1/08:05:00
        1/08:00  confirm B3 P1 -> confirmed B3
        # A move of either dose keeps the distance to the other.
        1/08:01  move B3 P1 S0 -> refused dose_too_early 15/00:00:00
        1/08:01  move B0 P1 S3 -> refused dose_too_early 30/00:00:00
        # A later change of windows to the future: nothing is to be moved before.
        1/08:02  windows K1 windows=3/08:00~3/12:00 -> done
        1/08:02  move B0 P1 S4 -> refused share_used_up 3/08:00:00
        ",
    );
}

#[test]
fn contacts_are_kept_replaced_and_dropped_within_bounds() {
    let state = check_from(
        State::new(),
        "
        09:00  keep P1 bytes=512 -> done
        09:00  keep P2 bytes=513 -> refused setting_unfit 1
        09:00  keep P2 bytes=0 -> refused setting_unfit 1
        09:00  keep P1 bytes=20 -> done
        09:00  drop P2 -> refused contact_unknown
        09:00  drop P1 -> done
        09:00  drop P1 -> refused contact_unknown
        09:00  keep P1 bytes=3 -> done
        09:00  keep P2 bytes=4 -> done
        ",
    );
    let lengths: Vec<usize> = state.data().contacts.iter().map(|contact| contact.sealed.len()).collect();
    assert_eq!(lengths, [3, 4]);
    let second = state.data().contacts.get(1).unwrap().person;
    assert_eq!(state.contact_of(second), Some(&[7, 7, 7, 7][..]));
    assert_eq!(state.contact_of(jari_core::ids::PersonId(12)), None);
}

#[test]
fn nothing_is_changed_while_messages_pile_up() {
    let table = format!(
        "{OPEN}
        09:00  hold S0 P1 -> held B0 until 09:05:00
        09:00  hold S0 P2 -> held B1 until 09:05:00
        09:00  confirm B0 P1 -> confirmed B0"
    );
    let held = check_from(State::new(), &table);
    let full = (0..limits::EFFECTS_MAX).map(|_| Effect::default()).collect();
    let backlog = State::restore(Data { effects: full, ..held.data().clone() }).unwrap();
    check_from(
        backlog,
        "
        09:01  confirm B1 P2 -> refused effects_backlog 5000
        09:01  cancel B0 P1 -> refused effects_backlog 5000
        09:01  move B0 P1 S1 -> refused effects_backlog 5000
        # What is followed by no message goes on.
        09:01  confirm B0 P1 -> confirmed B0
        09:01  hold S1 P3 -> held B2 until 09:06:00
        09:01  cancel B2 P3 -> cancelled B2
        09:01  ack 3 -> done
        09:01  confirm B1 P2 -> confirmed B1
        ",
    );
}
