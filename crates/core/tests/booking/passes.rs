//! Booking behind a waiting room.

use crate::script::{check, check_with_restarts};

const BEHIND_A_ROOM: &str = "
    07:00  campaign K1 room=R1 hold_s=300 -> done
    07:00  room R1 per_pass=2 ttl_s=400 -> done
    07:00  clinic -> clinic C0
    07:00  desk K1 C0 -> desk D0
    07:00  slots D0 1/10:00x9 -> slots S0 1
    07:10  join R1 2 -> joined T0 2
    08:00  draw R1 -> done
    09:00  enter R1/0 -> entered until 09:06:40
    ";

fn check_behind_a_room(table: &str) {
    check(&format!("{BEHIND_A_ROOM}{table}"));
}

#[test]
fn a_pass_serves_as_many_holds_as_the_room_allows() {
    check_behind_a_room(
        "
        09:00  hold S0 P1 -> refused pass_required
        09:00  hold S0 P1 pass=R1/1 -> refused pass_ended
        09:00  hold S0 P1 pass=R1/0 -> held B0 until 09:05:00
        09:00  hold S0 P2 pass=R1/0 -> held B1 until 09:05:00
        09:00  hold S0 P3 pass=R1/0 -> refused pass_spent
        09:00  pass R1/0 -> serves 2
        # A hold given back makes room for another.
        09:01  cancel B1 P2 -> cancelled B1
        09:01  pass R1/0 -> serves 1
        09:01  hold S0 P3 pass=R1/0 -> held B2 until 09:06:00
        09:02  confirm B0 P1 -> confirmed B0
        # A booking given back does not.
        09:02  cancel B0 P1 -> cancelled B0
        09:02  hold S0 P4 pass=R1/0 -> refused pass_spent
        # The last booking it serves ends the pass.
        09:02  confirm B2 P3 -> confirmed B2
        09:02  pass R1/0 -> none
        09:02  hold S0 P4 pass=R1/0 -> refused pass_ended
        ",
    );
}

#[test]
fn a_hold_ends_with_its_pass_at_the_latest() {
    check_behind_a_room(
        "
        09:00  hold S0 P1 pass=R1/0 -> held B0 until 09:05:00
        09:04  hold S0 P2 pass=R1/0 -> held B1 until 09:06:40
        09:05  mine P1 -> B0 S0 Held
        09:05  tick -> done
        09:05  mine P1 -> B0 S0 Lapsed
        09:05  pass R1/0 -> serves 1
        09:06:39.999  confirm B1 P2 -> confirmed B1
        09:06:40  hold S0 P3 pass=R1/0 -> refused pass_ended
        ",
    );
}

#[test]
fn a_hold_cut_short_lapses_before_longer_ones_made_earlier() {
    check_behind_a_room(
        "
        09:05  enter R1/1 -> entered until 09:11:40
        09:05  hold S0 P1 pass=R1/1 -> held B0 until 09:10:00
        09:06  hold S0 P2 pass=R1/0 -> held B1 until 09:06:40
        09:06:40  tick -> done
        09:06:40  mine P1 -> B0 S0 Held
        09:06:40  mine P2 -> B1 S0 Lapsed
        09:06:40  supply S0 -> 8 1 0 0 0
        ",
    );
}

#[test]
fn a_pass_given_back_books_nothing_any_more() {
    check_behind_a_room(
        "
        09:00  hold S0 P1 pass=R1/0 -> held B0 until 09:05:00
        09:01  leave R1/0 -> done
        09:02  confirm B0 P1 -> refused pass_ended
        09:05  tick -> done
        09:05  supply S0 -> 9 0 0 0 0
        ",
    );
}

#[test]
fn a_pass_of_an_agent_serves_its_person_and_nobody_else() {
    let pass = jari_core::waiting_room::AGENT_SERIAL_FIRST;
    let upgrades: String = (2..=4).map(|rules| format!("07:00  upgrade {rules} -> done\n")).collect();
    check_with_restarts(&format!(
        "{upgrades}{BEHIND_A_ROOM}
        09:00  agent_share R1 500 -> done
        09:00:01  phone R1 P1 -> entered {pass} until 09:06:41
        # Also where tickets are bound to nobody.
        09:01  hold S0 P2 pass=R1/{pass} -> refused ticket_foreign
        09:01  hold S0 P1 pass=R1/{pass} -> held B0 until 09:06:00
        09:01  pass R1/{pass} -> serves 1
        09:02  confirm B0 P1 -> confirmed B0
        09:02  leave R1/{pass} -> done
        09:02  pass R1/{pass} -> none
        09:02  hold S0 P1 pass=R1/{pass} -> refused pass_ended
        # A number that no agent gave is no pass.
        09:02  hold S0 P3 pass=R1/4294967295 -> refused pass_ended
        09:02  phone R1 P1 -> entered {} until 09:08:40
        ",
        pass + 1
    ));
}
