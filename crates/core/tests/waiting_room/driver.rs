//! Runs a scenario against one waiting room: one event a line, `instant  event -> outcome`.
//!
//! An event without an arrow must come to `done`; `tick` only lets time pass. Questions
//! (`called`, `entered`, `left`, `issued`, `inside`, `mark T0`, `factor`, `share`,
//! `events`, `position T0`) look at the state. Room 1 is meant unless the line says `@2`.

use jari_core::command::{Body, Command};
use jari_core::ids::{CampaignId, CommandId, PersonId, RoomId, Serial};
use jari_core::waiting_room::{AGENT_SERIAL_FIRST, Pace, Room, RoomConfig, draw, is_of_agent};
use jari_core::{Outcome, Reason, State, Time, step};

/// 2021-07-14T00:00:00Z: instants of a scenario are of that day.
const MIDNIGHT_MS: u64 = 1_626_220_800_000;
pub const SEED: [u8; 32] = [7; 32];
pub const BEACON: [u8; 32] = [9; 32];

/// Runs a scenario and gives the state it ends in.
pub fn check(scenario: &str) -> State {
    let mut state = State::new();
    for line in scenario.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (event, expected) = line.split_once("->").unwrap_or((line, "done"));
        let (at, event) = event.trim().split_once(' ').expect("an instant, then an event");
        let found = run(&mut state, instant(at), event.trim());
        assert_eq!(found, expected.trim(), "in the line: {line}");
    }
    state
}

/// The instant of `09:00:00` or `09:00:00.020`.
pub fn instant(text: &str) -> Time {
    let (clock, ms) = text.split_once('.').unwrap_or((text, "0"));
    let seconds = clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().expect("a number"));
    Time(MIDNIGHT_MS + seconds * 1_000 + ms.parse::<u64>().expect("milliseconds"))
}

fn clock(at: Time) -> String {
    let ms = at.0 - MIDNIGHT_MS;
    let s = ms / 1_000;
    format!("{:02}:{:02}:{:02}.{:03}", s / 3_600, s / 60 % 60, s % 60, ms % 1_000)
}

pub fn default_pace() -> Pace {
    Pace {
        entries_per_minute_max: 600,
        passes_max: 100,
        pass_ttl_ms: 60_000,
        latency_goal_ms: 200,
        error_goal_ppm: 10_000,
    }
}

pub fn config(opens_at: Time) -> RoomConfig {
    RoomConfig {
        name: "Vaccination, 55 to 59".into(),
        opens_at,
        commitment: draw::commitment(&SEED),
        campaign: None,
        awaits_beacon: false,
        identity_bound: false,
        fails_open: false,
        bookings_per_pass: 1,
        pace: default_pace(),
    }
}

/// Sends a command that is not remembered.
pub fn send(state: &mut State, at: Time, body: Body) -> Outcome {
    step(state, &Command { id: CommandId(0), body }, at)
}

fn run(state: &mut State, at: Time, event: &str) -> String {
    let mut words = event.split_whitespace().peekable();
    let room = match words.next_if(|word| word.starts_with('@')) {
        Some(word) => RoomId(word[1..].parse().expect("a room's number")),
        None => RoomId(1),
    };
    let verb = words.next().expect("an event");
    let words: Vec<&str> = words.collect();
    if verb == "tick" {
        state.advance(at);
        return "done".into();
    }
    if let Some(answer) = look(state, room, verb, &words) {
        return answer;
    }
    let body = body(state, room, verb, &words);
    let outcome = send(state, at, body);
    match outcome {
        // An agent is told exactly how long.
        Outcome::Refused(refusal) if verb == "phone" && refusal.reason == Reason::Busy => {
            format!("refused busy {}", refusal.detail)
        }
        outcome => spell(&outcome),
    }
}

fn body(state: &State, room: RoomId, verb: &str, words: &[&str]) -> Body {
    let number = |at: usize| words[at].parse::<u32>().expect("a number");
    let serial = |at: usize| Serial(words[at][1..].parse().expect("T and a serial number"));
    let reason = || words.join(" ").into_boxed_str();
    match verb {
        "room" => Body::CreateRoom { room, config: Box::new(room_config(words)) },
        "schedule" => {
            Body::ScheduleRoom { room, opens_at: instant(words[0]), reason: words[1..].join(" ").into() }
        }
        "draw" => Body::DrawRoom { room, seed: SEED, beacon: BEACON },
        "draw_wrong" => Body::DrawRoom { room, seed: BEACON, beacon: BEACON },
        "pause" => Body::PauseRoom { room, reason: reason() },
        "resume" => Body::ResumeRoom { room },
        "close" => Body::CloseRoom { room, reason: reason() },
        "pace" => {
            let mut pace = state.data().rooms.get(&room).map_or(default_pace(), |room| room.config.pace);
            set_pace(&mut pace, words);
            Body::SetPace { room, pace, reason: "as much as the service carries".into() }
        }
        "pace_unexplained" => Body::SetPace { room, pace: default_pace(), reason: "".into() },
        "health" => Body::ReportHealth { room, latency_p95_ms: number(0), error_ppm: number(1) },
        "notices" => {
            Body::SetNotices { room, notices: vec!["Phone lines are open".into(); number(0) as usize] }
        }
        "join" => Body::Join { room, count: number(0) },
        "join_as" => Body::JoinAs { room, person: PersonId(u128::from(number(0)) << 64 | 5) },
        "enter" => Body::Enter { room, serial: serial(0) },
        "leave" => Body::Leave { room, serial: serial(0) },
        "give_back" => Body::Leave { room, serial: Serial(AGENT_SERIAL_FIRST + number(0)) },
        "upgrade" => Body::Upgrade { rules: number(0) },
        "agent_share" => {
            Body::SetAgentShare { room, permille: number(0), reason: words[1..].join(" ").into() }
        }
        "phone" => Body::EnterByAgent { room, person: PersonId(u128::from(number(0)) << 64 | 5) },
        other => panic!("no such event: {other}"),
    }
}

fn room_config(words: &[&str]) -> RoomConfig {
    let mut config = config(Time(0));
    set_pace(&mut config.pace, words);
    for pair in words.chunks(2) {
        match pair {
            ["opens", at] => config.opens_at = instant(at),
            ["identity", _] => config.identity_bound = true,
            ["bookings", n] => config.bookings_per_pass = n.parse().expect("a number"),
            ["campaign", n] => config.campaign = Some(CampaignId(n.parse().expect("a number"))),
            ["name", name] => config.name = if *name == "-" { "".into() } else { (*name).into() },
            _ => {}
        }
    }
    config
}

fn set_pace(pace: &mut Pace, words: &[&str]) {
    for pair in words.chunks(2) {
        let value = || pair[1].parse::<u32>().expect("a number");
        match pair[0] {
            "entries" => pace.entries_per_minute_max = value(),
            "passes" => pace.passes_max = value(),
            "ttl_ms" => pace.pass_ttl_ms = value(),
            "latency" => pace.latency_goal_ms = value(),
            "errors" => pace.error_goal_ppm = value(),
            _ => {}
        }
    }
}

/// Answers a question about the state; `None` if it is not one.
fn look(state: &State, id: RoomId, verb: &str, words: &[&str]) -> Option<String> {
    if verb == "events" {
        let kinds: Vec<String> =
            state.data().events.iter().map(|event| format!("{:?}", event.kind)).collect();
        return Some(kinds.join(" "));
    }
    let room = state.data().rooms.get(&id);
    let serial = || Serial(words[0][1..].parse().expect("T and a serial number"));
    let number = |of: fn(&Room) -> u32| Some(room.map_or(0, of).to_string());
    match verb {
        "called" => number(|room| room.called),
        "entered" => number(|room| room.entered),
        "left" => number(|room| room.left),
        "issued" => number(|room| room.issued),
        "inside" => number(|room| room.inside.len() as u32),
        "by_agent" => number(|room| room.agents.issued),
        "factor" => number(|room| room.controller.factor_ppm),
        "share" => number(|room| room.controller.show_up_permille),
        "mark" => room.map(|room| format!("{:?}", room.marks.get(serial())).to_lowercase()),
        "position" => room.map(|room| match room.position(serial()) {
            Some(position) => position.to_string(),
            None => "unknown".into(),
        }),
        _ => None,
    }
}

/// An outcome as scenarios spell it.
pub fn spell(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".into(),
        Outcome::Joined { first, count } => format!("joined T{} {count}", first.0),
        Outcome::Entered { ends_at } => format!("entered until {}", clock(*ends_at)),
        Outcome::EnteredByAgent { serial, ends_at } if is_of_agent(*serial) => {
            format!("entered A{} until {}", serial.0 - AGENT_SERIAL_FIRST, clock(*ends_at))
        }
        Outcome::EnteredByAgent { serial, ends_at } => {
            format!("entered T{} until {}", serial.0, clock(*ends_at))
        }
        // The hint when to try again is scattered; what it must be is that it is bounded.
        Outcome::Refused(refusal) if refusal.reason == Reason::Busy => {
            assert!((500..=30_000).contains(&refusal.detail), "{refusal:?}");
            "refused busy".into()
        }
        Outcome::Refused(refusal) if refusal.detail == 0 => format!("refused {}", refusal.reason.code()),
        Outcome::Refused(refusal) if refusal.detail > MIDNIGHT_MS => {
            format!("refused {} {}", refusal.reason.code(), clock(Time(refusal.detail)))
        }
        Outcome::Refused(refusal) => format!("refused {} {}", refusal.reason.code(), refusal.detail),
        other => panic!("no outcome of a waiting room: {other:?}"),
    }
}
