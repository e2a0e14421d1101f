//! Telephone agents: what they may do, and how the pace is shared with the line.

use jari_core::command::Body;
use jari_core::ids::{PersonId, RoomId, Serial};
use jari_core::waiting_room::{Pace, Room};
use jari_core::{Outcome, State, Time, invariants};

use crate::driver::{BEACON, SEED, check, config, default_pace, instant, send};

const ROOM: RoomId = RoomId(1);

/// A scenario under rules 4.
fn check_4(scenario: &str) -> State {
    let state = check(&format!("08:00:00 upgrade 2\n08:00:00 upgrade 3\n08:00:00 upgrade 4\n{scenario}"));
    assert_eq!(invariants::check(state.data()), Ok(()));
    state
}

#[test]
fn an_agent_lets_in_at_once_and_draws_no_ticket() {
    check_4(
        "09:00:00      room opens 10:00:00
         09:00:00      agent_share 100 by telephone, too
         09:00:01      join 2 -> joined T0 2
         09:00:02      phone 7 -> refused room_not_open 10:00:00.000
         10:00:00      draw
         10:00:00      phone 7 -> entered A0 until 10:01:00.000
         10:00:00      inside -> 1
         10:00:00      issued -> 2
         10:00:00      entered -> 0
         10:00:00      by_agent -> 1
         # The same pass again, for as long as it lasts; then a new one.
         10:00:59.999  phone 7 -> entered A0 until 10:01:00.000
         10:01:00      phone 7 -> entered A1 until 10:02:00.000
         10:01:00      enter T0 -> entered until 10:02:00.000
         10:01:01      give_back 1
         10:01:01      give_back 1
         10:01:01      give_back 2 -> refused ticket_unknown
         10:01:01      inside -> 1
         10:01:01      left -> 0",
    );
}

#[test]
fn the_share_is_public_bounded_and_may_be_none() {
    check_4(
        "09:00:00      agent_share 100 why -> refused room_unknown
         09:00:00      room opens 09:00:00
         09:00:00      draw
         09:00:00      phone 1 -> refused agent_share_none
         09:00:00      agent_share 501 -> refused text_unfit
         09:00:00      agent_share 501 why -> refused setting_unfit 1
         09:00:00      agent_share 500 why
         09:00:00      events -> RulesUpgraded RulesUpgraded RulesUpgraded RoomCreated RoomOpened RoomDrawn AgentShareSet
         09:00:01      phone 1 -> entered A0 until 09:01:01.000
         09:00:01      pause repair
         09:00:01      phone 1 -> refused room_paused
         09:00:02      resume
         09:00:02      agent_share 0 why
         # Whoever is inside stays so.
         09:00:02      phone 1 -> entered A0 until 09:01:01.000
         09:00:02      phone 2 -> refused agent_share_none
         09:00:03      close over
         09:00:03      phone 1 -> refused room_closed
         09:00:03      agent_share 1 why -> refused room_closed",
    );
}

#[test]
fn before_rules_4_there_are_no_agents() {
    check(
        "09:00:00      room opens 09:00:00
         09:00:00      agent_share 100 why -> refused rules_unknown
         09:00:00      phone 1 -> refused rules_unknown",
    );
}

#[test]
fn agents_are_told_to_the_millisecond_when_there_is_credit() {
    // Ten entries a second, a tenth of them for agents: one a second.
    check_4(
        "09:00:00      room opens 09:00:00
         09:00:00      agent_share 100 why
         09:00:00      draw
         09:00:00      phone 1 -> entered A0 until 09:01:00.000
         09:00:00      phone 2 -> entered A1 until 09:01:00.000
         09:00:00      phone 3 -> refused busy 1000
         09:00:00.450  phone 3 -> refused busy 550
         09:00:00.999  phone 3 -> refused busy 1
         09:00:01      phone 3 -> entered A2 until 09:01:01.000
         # Two seconds' worth are saved up, and no more.
         09:00:20      tick
         09:00:20      phone 4 -> entered A3 until 09:01:20.000
         09:00:20      phone 5 -> entered A4 until 09:01:20.000
         09:00:20      phone 6 -> refused busy 1000
         # At a pace of nothing there is no telling.
         09:00:20      pace entries 0
         09:00:21      phone 6 -> refused busy 30000",
    );
}

#[test]
fn a_full_house_is_full_for_agents_too() {
    check_4(
        "09:00:00      room opens 09:00:00 passes 2
         09:00:00      agent_share 500 why
         09:00:00      join 9 -> joined T0 9
         09:00:00      draw
         # One pass of two is kept free for them while they have credit.
         09:00:00      enter T0 -> entered until 09:01:00.000
         09:00:00      enter T1 -> refused not_called 1
         09:00:01      phone 1 -> entered A0 until 09:01:01.000
         09:00:01      phone 2 -> refused busy 59000
         # Their part of a single pass is none.
         09:00:02      @2 room opens 09:00:00 passes 1
         09:00:02      @2 agent_share 500 why
         09:00:02      @2 join 1 -> joined T0 1
         09:00:02      @2 draw
         09:00:02      @2 enter T0 -> entered until 09:01:02.000",
    );
}

#[test]
fn whoever_is_inside_with_their_own_ticket_has_that_pass() {
    check_4(
        "09:00:00      room opens 09:00:00 identity bound
         09:00:00      agent_share 500 why
         09:00:00      join_as 1 -> joined T0 1
         09:00:00      join_as 2 -> joined T1 1
         09:00:00      draw
         09:00:00      enter T0 -> entered until 09:01:00.000
         09:00:01      phone 1 -> entered T0 until 09:01:00.000
         # Who only waits is let in, and keeps the ticket.
         09:00:01      phone 2 -> entered A0 until 09:01:01.000
         09:00:02      enter T1 -> entered until 09:01:02.000
         09:00:03      phone 2 -> entered A0 until 09:01:01.000",
    );
}

/// Everybody at the door presses each tenth of a second, and so do agents if they are keen.
struct Rush {
    state: State,
    now: Time,
    /// The first ticket that has not come in.
    next: u32,
    callers: u128,
}

impl Rush {
    fn begin(pace: Pace, permille: u32) -> Rush {
        let mut state = State::new();
        let now = instant("09:00:00");
        for rules in 2..=4 {
            send(&mut state, now, Body::Upgrade { rules });
        }
        let config = jari_core::waiting_room::RoomConfig { pace, ..config(now) };
        send(&mut state, now, Body::CreateRoom { room: ROOM, config: Box::new(config) });
        send(&mut state, now, Body::SetAgentShare { room: ROOM, permille, reason: "why".into() });
        // Who comes after the opening stands in the order of the tickets.
        send(&mut state, now, Body::DrawRoom { room: ROOM, seed: SEED, beacon: BEACON });
        for _ in 0..4 {
            send(&mut state, now, Body::Join { room: ROOM, count: 60_000 });
        }
        Rush { state, now, next: 0, callers: 0 }
    }

    /// Runs for so long; gives how many came in from the line and by telephone.
    fn run(&mut self, seconds: u64, agents_are_keen: bool) -> (u64, u64) {
        let before = self.counts();
        for tenth in 0..seconds * 10 {
            // Agents come by last: whoever waits at the door is always quicker.
            while self.enters(Body::Enter { room: ROOM, serial: Serial(self.next) }) {
                self.next += 1;
            }
            while agents_are_keen
                && self.enters(Body::EnterByAgent { room: ROOM, person: PersonId(1 << 90 | self.callers) })
            {
                self.callers += 1;
            }
            self.now = self.now.plus_ms(100);
            self.state.advance(self.now);
            if tenth % 50 == 0 {
                assert_eq!(invariants::check(self.state.data()), Ok(()));
            }
        }
        let after = self.counts();
        (after.0 - before.0, after.1 - before.1)
    }

    fn enters(&mut self, body: Body) -> bool {
        let outcome = send(&mut self.state, self.now, body);
        matches!(outcome, Outcome::Entered { .. } | Outcome::EnteredByAgent { .. })
    }

    fn room(&self) -> &Room {
        &self.state.data().rooms[&ROOM]
    }

    fn counts(&self) -> (u64, u64) {
        (u64::from(self.room().entered), u64::from(self.room().agents.issued))
    }
}

/// Ten a second at the most, with room for everybody inside.
fn wide_pace() -> Pace {
    Pace { passes_max: 1_000_000, ..default_pace() }
}

#[test]
fn both_lines_together_meet_the_pace_and_never_exceed_it() {
    for permille in [1, 33, 100, 250, 500] {
        let mut rush = Rush::begin(wide_pace(), permille);
        let (line, agents) = rush.run(300, true);
        let share = u64::from(permille);
        // Two seconds' worth at the beginning, and one entry that each bucket may hold.
        assert!((3_000..=3_021).contains(&(line + agents)), "{permille}: {line} and {agents}");
        // A bucket of one entry runs over within the step that fills it: at most a tenth of a second
        // of each of their entries is the line's.
        let part = 3_000 * share / 1_000;
        assert!(agents <= part + 2 * 10 * share / 1_000 + 1, "{permille}: {agents}");
        assert!(agents >= part - part / 20, "{permille}: {agents}");
    }
}

#[test]
fn what_agents_do_not_use_is_the_line_s() {
    let mut rush = Rush::begin(wide_pace(), 500);
    rush.run(60, false);
    let (line, agents) = rush.run(300, false);
    assert_eq!(agents, 0);
    assert!((2_990..=3_010).contains(&line), "{line}");
    // When they come they have theirs at once, and the line the rest.
    let (line, agents) = rush.run(300, true);
    assert!((1_500..=1_511).contains(&agents), "{agents}");
    assert!((2_990..=3_011).contains(&(line + agents)), "{line} and {agents}");
}

#[test]
fn the_line_is_called_for_what_is_left_to_it() {
    let mut rush = Rush::begin(wide_pace(), 500);
    rush.run(60, true);
    let called = rush.room().called;
    let (line, _) = rush.run(120, true);
    let called = u64::from(rush.room().called - called);
    // Everybody comes at once: nobody is called to stand at the door for nothing.
    assert!(called.abs_diff(line) <= 20, "{called} called, {line} came");
}

#[test]
fn where_all_passes_are_taken_agents_still_get_theirs() {
    let pace = Pace { entries_per_minute_max: 6_000, passes_max: 100, pass_ttl_ms: 10_000, ..default_pace() };
    let mut rush = Rush::begin(pace, 200);
    rush.run(30, true);
    let (line, agents) = rush.run(300, true);
    // Ten passes end in a second; the pace would be ten times that.
    assert!((2_900..=3_100).contains(&(line + agents)), "{line} and {agents}");
    assert!(agents >= 500, "{agents} by telephone, {line} from the line");
    assert!(line >= 500, "{agents} by telephone, {line} from the line");
}
