//! What the waiting cost, measured on the process itself: a binary of its own, so that no
//! other test's memory is counted.

use jari_core::command::{Body, Command};
use jari_core::ids::{CommandId, RoomId, Serial};
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Outcome, State, Time, step};

const ROOM: RoomId = RoomId(1);
const SEED: [u8; 32] = [1; 32];
const MINUTE_MS: u64 = 60_000;

#[test]
fn ten_million_waiting_cost_at_most_32_megabytes() {
    let before = resident_bytes();
    let mut state = State::new();
    create(&mut state);
    // 800,000 came before the opening, the others after it.
    join(&mut state, Time(1), 800_000);
    join(&mut state, Time(1_000), 9_200_000);
    let drawn = send(&mut state, Time(1_000), Body::DrawRoom { room: ROOM, seed: SEED, beacon: [0; 32] });
    assert_eq!(drawn, Outcome::Done);
    enter_a_million(&mut state);
    let room = &state.data().rooms[&ROOM];
    assert_eq!((room.issued, room.entered), (10_000_000, 1_000_000));
    assert!(room.inside.len() > 50_000, "{} are inside", room.inside.len());
    let grown = resident_bytes() - before;
    println!("10 million waiting, {} inside: {grown} bytes", room.inside.len());
    assert!(grown <= 32 << 20, "{grown} bytes");
}

/// Everyone who is called enters at once, a hundred thousand a minute, and stays for a whole
/// pass of a minute. The tickets of the lobby are left out: their places cost hashing.
fn enter_a_million(state: &mut State) {
    let (mut now, mut next) = (Time(1_000), 800_000);
    while state.data().rooms[&ROOM].entered < 1_000_000 {
        now = now.plus_ms(1_000);
        state.advance(now);
        while next < state.data().rooms[&ROOM].called {
            match send(state, now, Body::Enter { room: ROOM, serial: Serial(next) }) {
                Outcome::Entered { .. } => next += 1,
                _ => break,
            }
            if state.data().rooms[&ROOM].entered == 1_000_000 {
                return;
            }
        }
        assert!(now < Time(120 * MINUTE_MS), "{next} after two hours");
    }
}

fn create(state: &mut State) {
    let pace = Pace {
        entries_per_minute_max: 100_000,
        passes_max: 1_000_000,
        pass_ttl_ms: 60_000,
        latency_goal_ms: 0,
        error_goal_ppm: 0,
    };
    let config = RoomConfig {
        name: "Everyone".into(),
        opens_at: Time(1_000),
        commitment: draw::commitment(&SEED),
        campaign: None,
        awaits_beacon: false,
        identity_bound: false,
        fails_open: false,
        bookings_per_pass: 1,
        pace,
    };
    assert_eq!(
        send(state, Time(0), Body::CreateRoom { room: ROOM, config: Box::new(config) }),
        Outcome::Done
    );
}

fn join(state: &mut State, at: Time, mut people: u32) {
    while people > 0 {
        let count = people.min(65_536);
        assert!(matches!(send(state, at, Body::Join { room: ROOM, count }), Outcome::Joined { .. }));
        people -= count;
    }
}

fn send(state: &mut State, at: Time, body: Body) -> Outcome {
    step(state, &Command { id: CommandId(0), body }, at)
}

/// Bytes of this process in memory, as Linux counts them.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this test measures on Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux reports VmRSS");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    kilobytes * 1024
}
