//! A room's real controller, and a crowd that comes when it is called, late or never: what is recorded of
//! an opening raises no alarm, and of one that goes wrong it does.

use jari_core::ids::{CommandId, RoomId, Serial};
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Command, State, Time, step};

use super::*;

const START: u64 = 1_626_260_400_000;
const ROOM: RoomId = RoomId(1);
const LOBBY: u32 = 40_000;

/// An evening of one room: who comes of those called, and how many milliseconds they take.
struct Evening {
    state: State,
    kept: Kept,
    seen: Vec<Kind>,
    entering: std::collections::BTreeMap<u64, Vec<Serial>>,
    served: u32,
}

impl Evening {
    fn new(entries_per_minute_max: u32) -> Evening {
        let mut evening = Evening {
            state: State::new(),
            kept: Kept::default(),
            seen: Vec::new(),
            entering: Default::default(),
            served: 0,
        };
        let seed = [7; 32];
        let pace = Pace {
            entries_per_minute_max,
            passes_max: 20_000,
            pass_ttl_ms: 600_000,
            latency_goal_ms: 0,
            error_goal_ppm: 1_000_000,
        };
        let config = RoomConfig {
            name: "room".into(),
            opens_at: Time(START),
            commitment: draw::commitment(&seed),
            campaign: None,
            awaits_beacon: false,
            identity_bound: false,
            fails_open: false,
            bookings_per_pass: 1,
            pace,
        };
        evening.does(Body::CreateRoom { room: ROOM, config: Box::new(config) }, START - 60_000);
        evening.does(Body::Join { room: ROOM, count: LOBBY }, START - 50_000);
        evening.does(Body::AckEffects { upto: 0 }, START);
        evening.does(Body::DrawRoom { room: ROOM, seed, beacon: [0; 32] }, START);
        evening
    }

    fn does(&mut self, body: Body, at_ms: u64) {
        let _ = step(&mut self.state, &Command { id: CommandId(0), body }, Time(at_ms));
    }

    /// Lets seconds pass: of each hundred called, `come` do, after 3 to 40 s; those called try again
    /// every two seconds while the door is shut.
    fn pass(&mut self, from_s: u64, upto_s: u64, come: u32) {
        let positions: Vec<u32> = {
            let draw = self.state.data().rooms[&ROOM].draw.expect("it is drawn");
            let mut positions = vec![0; LOBBY as usize];
            (0..LOBBY).for_each(|serial| positions[draw.position(serial) as usize] = serial);
            positions
        };
        for tenth in from_s * 10..upto_s * 10 {
            let at_ms = START + tenth * 100;
            let before = self.state.data().rooms[&ROOM].called;
            self.does(Body::Join { room: ROOM, count: 3 }, at_ms);
            for position in before..self.state.data().rooms[&ROOM].called {
                let serial = positions.get(position as usize).copied().unwrap_or(position);
                // The same every time, and like chance.
                let chance = serial.wrapping_mul(2_654_435_761) >> 8;
                if chance % 100 < come {
                    let due = tenth + 30 + u64::from(chance / 100 % 370);
                    self.entering.entry(due).or_default().push(Serial(serial));
                }
            }
            for serial in self.entering.remove(&tenth).unwrap_or_default() {
                let entered = self.state.data().rooms[&ROOM].entered;
                self.does(Body::Enter { room: ROOM, serial }, at_ms);
                self.served += 1;
                if self.state.data().rooms[&ROOM].entered == entered {
                    self.entering.entry(tenth + 20).or_default().push(serial);
                }
            }
            if tenth % 10 == 9 {
                self.record(at_ms);
            }
        }
    }

    fn record(&mut self, at_ms: u64) {
        let node =
            NodeSample { served: std::mem::take(&mut self.served), flushes: 100, ..Default::default() };
        let rooms = sample::rooms_of(self.state.data());
        let (_, alarms) = self.kept.take_in(Sample { at_ms, ms: 0, node, rooms, campaigns: Vec::new() });
        for alarm in alarms {
            if !self.seen.contains(&alarm.kind) {
                self.seen.push(alarm.kind);
            }
        }
    }
}

#[test]
fn a_normal_opening_raises_no_alarm() {
    for (pace, come) in [(1_200, 95), (1_200, 60), (600, 30), (60, 80), (12, 70)] {
        let mut evening = Evening::new(pace);
        evening.pass(0, 900, come);
        assert_eq!(evening.seen, [], "pace {pace}, of whom {come} % come");
        let room = &evening.state.data().rooms[&ROOM];
        // In a slow room people who take their time keep the door shut for others.
        let least = if pace < 30 { pace * 5 } else { pace * 9 };
        assert!(room.entered > least, "{} entered in a quarter of an hour", room.entered);
        assert!(room.issued > room.called, "people still wait");
    }
}

#[test]
fn a_crowd_that_finds_no_way_in_raises_one() {
    let mut evening = Evening::new(600);
    evening.pass(0, 600, 80);
    assert_eq!(evening.seen, []);
    // From here on nobody gets in: the page behind is gone, say.
    evening.entering.clear();
    evening.pass(600, 900, 0);
    assert!(evening.seen.contains(&Kind::EntriesOff), "{:?}", evening.seen);
}
