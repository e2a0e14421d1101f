//! A room to join, and a turn of an engine.

use jari_core::ids::{CommandId, RoomId};
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Command, Outcome, Time};
use jari_node::{Engine, TurnError};

/// When the room opens, unless a test says otherwise.
pub const OPENS_AT: u64 = 1_626_260_400_000;
/// What its commitment is made from.
pub const SEED: [u8; 32] = [7; 32];

/// The command that makes room 1.
pub fn create_room(id: u128, opens_at: u64) -> Command {
    let pace = Pace {
        entries_per_minute_max: 60_000,
        passes_max: 10_000,
        pass_ttl_ms: 600_000,
        latency_goal_ms: 0,
        error_goal_ppm: 1_000_000,
    };
    let config = RoomConfig {
        name: "55-59".into(),
        opens_at: Time(opens_at),
        commitment: draw::commitment(&SEED),
        campaign: None,
        awaits_beacon: false,
        identity_bound: false,
        fails_open: false,
        bookings_per_pass: 1,
        pace,
    };
    Command { id: CommandId(id), body: Body::CreateRoom { room: RoomId(1), config: Box::new(config) } }
}

/// So many joins of it at once.
pub fn join(count: u32) -> Command {
    Command { id: CommandId(0), body: Body::Join { room: RoomId(1), count } }
}

/// One turn; the outcomes in the order of the commands.
pub fn turn(engine: &mut Engine, commands: &[Command], at: u64) -> Result<Vec<Outcome>, TurnError> {
    let mut outcomes = Vec::new();
    engine.turn(commands, Time(at), &mut |index, outcome| {
        assert_eq!(index, outcomes.len(), "answers come in order");
        outcomes.push(outcome);
    })?;
    Ok(outcomes)
}
