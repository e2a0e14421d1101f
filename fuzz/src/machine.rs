//! The state machine under rubbish: any command, at any time, in any order.
//!
//! An input is a list of commands, each with its length, a step of time, and its bytes as they
//! stand in a record. After each one the invariants are checked, and the same command with the same
//! id answers the same again; at the end the state goes through a snapshot and comes back equal.

use std::sync::LazyLock;

use jari_core::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::ids::{CampaignId, ClinicId, CommandId, DeskId, RoomId, VaccineId};
use jari_core::rules::{RULES_NEWEST, newer_needed};
use jari_core::time::Date;
use jari_core::waiting_room::draw::commitment;
use jari_core::waiting_room::{Pace, RoomConfig};
use jari_core::{Body, Command, Data, Outcome, Reason, State, Time, invariants, step};
use jari_wire::{record, snapshot};

use crate::Source;

const START: Time = Time(1_626_274_800_000);
const DAY_MS: u64 = 86_400_000;
/// The numbers that the golden commands name.
const ROOM: RoomId = RoomId(3);
const CAMPAIGN: CampaignId = CampaignId(300);
const COMMANDS_MAX: usize = 64;
/// A full check takes longer than a command. What one breaks stays broken: the next full check, or
/// the one at the end, finds it, and the shortest input that does has it at its end.
const CHECK_EVERY: usize = 8;

static WORLD: LazyLock<Data> = LazyLock::new(|| {
    let mut state = State::new();
    for body in world() {
        let outcome = step(&mut state, &Command { id: CommandId(0), body }, START);
        assert!(!matches!(outcome, Outcome::Refused(_)), "the world can be made: {outcome:?}");
    }
    state.freeze()
});

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let mut state = if source.number::<1>() & 1 == 0 {
        State::restore(WORLD.clone()).expect("the world is sound")
    } else {
        State::new()
    };
    let mut at = START;
    for number in 0..COMMANDS_MAX {
        if source.is_empty() {
            break;
        }
        let len = source.number::<2>() as usize;
        at = moved(at, source.number::<1>());
        let Some(command) = command(source.take(len)) else { continue };
        take(&mut state, &command, at, number % CHECK_EVERY == 0);
    }
    through_a_snapshot(&mut state);
}

/// Mostly a moment later, sometimes much, sometimes earlier.
fn moved(at: Time, by: u64) -> Time {
    match by {
        0..200 => Time(at.0.saturating_add(by)),
        200..230 => Time(at.0.saturating_add((by - 200) * 20_000)),
        230..250 => Time(at.0.saturating_add((by - 230) * DAY_MS)),
        _ => Time(at.0.saturating_sub(by * 1_000)),
    }
}

/// A command by its bytes in a record.
fn command(bytes: &[u8]) -> Option<Command> {
    let mut record = vec![1];
    record.extend([0; 10]);
    record.extend(START.0.to_le_bytes());
    record.extend(1_u32.to_le_bytes());
    record.extend(bytes);
    record::decode(&record).ok()?.commands.pop()
}

fn take(state: &mut State, command: &Command, at: Time, in_full: bool) {
    if newer_needed(state, command, RULES_NEWEST).is_some() {
        // A node stops here; no build has these rules.
        return;
    }
    let before = state.data().time;
    let outcome = step(state, command, at);
    let checked =
        if in_full { invariants::check(state.data()) } else { invariants::check_light(state.data()) };
    if let Err(violation) = checked {
        panic!("invariant {violation:?} after {command:?} at {at:?}, which gave {outcome:?}");
    }
    assert!(state.data().time >= before && state.data().time >= at, "time never runs backwards");
    if command.id.0 != 0 {
        let again = step(state, command, at);
        let reused = matches!(outcome, Outcome::Refused(refusal) if refusal.reason == Reason::IdReused);
        assert!(again == outcome || reused, "{command:?} gave {outcome:?} and then {again:?}");
    }
}

fn through_a_snapshot(state: &mut State) {
    let data = state.freeze();
    let mut bytes = Vec::new();
    snapshot::write(&data, 1, [0; 32], &mut bytes).expect("writing to memory");
    let (meta, read) = snapshot::read(&mut &bytes[..]).expect("what was written reads");
    assert!(read == data, "a snapshot brings back the same state");
    assert_eq!(meta.state_hash, snapshot::state_hash(&data));
    State::restore(read).expect("and a sound one");
}

fn world() -> Vec<Body> {
    let pace = Pace {
        entries_per_minute_max: 60_000,
        passes_max: 1_000,
        pass_ttl_ms: 600_000,
        latency_goal_ms: 300,
        error_goal_ppm: 1_000,
    };
    let room = RoomConfig {
        name: "room".into(),
        opens_at: Time(START.0 + 1_000),
        commitment: commitment(&[5; 32]),
        campaign: Some(CAMPAIGN),
        awaits_beacon: false,
        identity_bound: false,
        fails_open: false,
        bookings_per_pass: 2,
        pace,
    };
    let window = Window {
        opens_at: START,
        closes_at: Time(START.0 + 30 * DAY_MS),
        digits: 0x3ff,
        share_ppm: 1_000_000,
    };
    let rules = Rules {
        version: 1,
        born_from: Date(-9_000),
        born_until: Date(9_000),
        doses: 2,
        dose_interval_days: 21,
    };
    let campaign = CampaignConfig {
        name: "campaign".into(),
        room: None,
        quota: 100,
        vaccines: vec![Vaccine { name: "V".into(), quota: 90 }],
        rules,
        windows: vec![window],
        hold_ms: 60_000,
        utc_offset_min: 540,
        reminder_ms: 0,
    };
    let clinic = ClinicConfig {
        name: "clinic".into(),
        address: "street".into(),
        region: "region".into(),
        district: "district".into(),
        postcode: "04524".into(),
        telephone: "".into(),
        latitude_e6: 37_566_500,
        longitude_e6: 126_978_000,
    };
    let slot =
        |day: u64| SlotSpec { starts_at: Time(START.0 + day * DAY_MS), vaccine: VaccineId(0), capacity: 3 };
    vec![
        Body::CreateRoom { room: ROOM, config: Box::new(room) },
        Body::CreateCampaign { campaign: CAMPAIGN, config: Box::new(campaign) },
        Body::AddClinic { config: Box::new(clinic) },
        Body::AddDesk { campaign: CAMPAIGN, clinic: ClinicId(0) },
        Body::AddSlots { desk: DeskId(0), slots: (2..12).map(slot).collect() },
    ]
}
