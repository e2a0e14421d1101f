//! The last places of a campaign, with a line in which many have gone without a word. Time
//! is counted from the first of those who have gone being called.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jari_core::command::{Body, Entry};
use jari_core::ids::{BookingId, ChannelId, PersonId, RoomId, Serial, SlotId};
use jari_core::waiting_room::Pace;
use jari_core::{Outcome, State, Time};

use crate::driver::{default_pace, instant, send};
use crate::supply;

const ROOM: RoomId = RoomId(1);

/// How long people take from being called to pressing the button.
#[derive(Copy, Clone)]
enum Pressing {
    /// At their next look, and then soon: 4 s on average, some a minute.
    AtOnce,
    /// Any time within half a minute.
    InHalfAMinute,
    /// All of them after 19 s.
    Late,
}

/// A line in front of a campaign.
#[derive(Copy, Clone)]
struct Line {
    rules: u32,
    places: u32,
    /// Of the places, those that are free when the line goes silent.
    last: u32,
    /// How many have gone then.
    gone: u32,
    /// How many come in before those, sit there, and book nothing.
    sits: u32,
    pressing: Pressing,
    pace: Pace,
}

impl Default for Line {
    fn default() -> Self {
        let pace =
            Pace { entries_per_minute_max: 600, passes_max: 1_000, pass_ttl_ms: 600_000, ..default_pace() };
        Line { rules: 3, places: 200, last: 5, gone: 700, sits: 0, pressing: Pressing::AtOnce, pace }
    }
}

/// What it came to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Came {
    /// From the first silent call to the last booking.
    until_booked_ms: u64,
    /// Entered since then, and found nothing.
    in_vain: u32,
    /// The most that were called within 30 s, as long as people are waited for.
    called_in_30_s_max: u32,
    /// Called in all.
    called: u32,
}

#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Plan {
    Enter,
    Hold,
    Confirm(BookingId),
}

struct Run {
    line: Line,
    state: State,
    now: Time,
    plans: BinaryHeap<Reverse<(Time, u32, Plan)>>,
    random: u64,
    called: Vec<Time>,
    in_vain: u32,
}

impl Line {
    /// Of ten people seven come, as long as the line is not silent.
    fn comes(&self, position: u32) -> bool {
        let gone_from = self.silent_from() + self.sits;
        let has_gone = (gone_from..gone_from + self.gone).contains(&position);
        !has_gone && (self.only_sits(position) || position % 10 < 7)
    }

    fn only_sits(&self, position: u32) -> bool {
        (self.silent_from()..self.silent_from() + self.sits).contains(&position)
    }

    /// The first position that has gone: those before it take all places but the last.
    fn silent_from(&self) -> u32 {
        let come = self.places - self.last;
        come / 7 * 10 + come % 7
    }

    fn run(self) -> Came {
        let mut run = Run::new(self);
        run.go_on();
        run.came()
    }
}

impl Run {
    fn new(line: Line) -> Run {
        let now = instant("09:00:00");
        let mut state = supply::state_under(line.rules);
        supply::create_campaign_with(&mut state, now, line.places);
        supply::open_room_with(&mut state, now, line.pace, 4_000);
        Run { line, state, now, plans: BinaryHeap::new(), random: 7, called: Vec::new(), in_vain: 0 }
    }

    /// Until everything is booked, or for an hour.
    fn go_on(&mut self) {
        let end = self.now.plus_ms(3_600_000);
        while self.now < end && self.booked() < self.line.places || !self.plans.is_empty() {
            self.now = self.now.plus_ms(100);
            self.state.advance(self.now);
            let called = self.state.data().rooms[&ROOM].called;
            assert!(called <= self.state.data().rooms[&ROOM].issued);
            for position in self.called.len() as u32..called {
                self.called.push(self.now);
                if self.line.comes(position) {
                    let lag_ms = self.lag_ms();
                    self.plan(lag_ms, position, Plan::Enter);
                }
            }
            while let Some(Reverse((at, serial, plan))) = self.plans.peek().copied()
                && at <= self.now
            {
                self.plans.pop();
                self.act(serial, plan);
            }
        }
    }

    fn act(&mut self, serial: u32, plan: Plan) {
        let (now, person) = (self.now, PersonId(u128::from(serial) + 1));
        let body = match plan {
            Plan::Enter => Body::Enter { room: ROOM, serial: Serial(serial) },
            Plan::Hold => Body::Hold {
                slot: SlotId(0),
                person,
                birth: supply::BIRTH,
                dose: 1,
                entry: Some(Entry { room: ROOM, serial: Serial(serial) }),
                channel: ChannelId(0),
            },
            Plan::Confirm(booking) => Body::Confirm { booking, person },
        };
        match (plan, send(&mut self.state, now, body)) {
            (Plan::Enter, Outcome::Entered { .. }) if self.line.only_sits(serial) => {}
            (Plan::Enter, Outcome::Entered { .. }) => {
                let thinks_ms = 5_000 + self.exponential_ms(15_000);
                self.plan(thinks_ms, serial, Plan::Hold);
            }
            (Plan::Enter, Outcome::Refused(busy)) => self.plan(busy.detail, serial, Plan::Enter),
            (Plan::Hold, Outcome::Held { booking, .. }) => {
                let thinks_ms = 4_000 + self.exponential_ms(10_000);
                self.plan(thinks_ms, serial, Plan::Confirm(booking));
            }
            (Plan::Hold, Outcome::Refused(_)) => {
                self.in_vain += 1;
                send(&mut self.state, now, Body::Leave { room: ROOM, serial: Serial(serial) });
            }
            (Plan::Confirm(_), Outcome::Confirmed { .. }) => {}
            (plan, other) => panic!("ticket {serial}: {plan:?} came to {other:?}"),
        }
    }

    fn plan(&mut self, after_ms: u64, serial: u32, plan: Plan) {
        self.plans.push(Reverse((self.now.plus_ms(after_ms), serial, plan)));
    }

    fn lag_ms(&mut self) -> u64 {
        match self.line.pressing {
            Pressing::AtOnce => 500 + self.below(2_400) + self.exponential_ms(4_000),
            Pressing::InHalfAMinute => 1_000 + self.below(29_000),
            Pressing::Late => 19_000,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }

    /// Halved as often as a coin falls heads: as people's times are, without a logarithm.
    fn exponential_ms(&mut self, mean_ms: u64) -> u64 {
        let half_life_ms = mean_ms * 693 / 1_000;
        let mut ms = 0;
        while self.below(2) == 0 && ms < 10 * mean_ms {
            ms += half_life_ms;
        }
        ms + self.below(half_life_ms)
    }

    fn booked(&self) -> u32 {
        self.state.data().campaigns[&supply::CAMPAIGN].supply.booked
    }

    fn came(&self) -> Came {
        let silent = self.called[self.line.silent_from() as usize];
        let last = self.state.data().bookings.iter().map(|booking| booking.until).max();
        let window = |at: usize| {
            let from = self.called[at];
            self.called[at..].iter().take_while(|then| then.since_ms(from) < 30_000).count()
        };
        let from = self.line.silent_from() as usize;
        Came {
            until_booked_ms: last.map_or(u64::MAX, |last| last.since_ms(silent)),
            in_vain: self.in_vain,
            called_in_30_s_max: (from..self.called.len()).map(window).max().unwrap_or(0) as u32,
            called: self.called.len() as u32,
        }
    }
}

/// Places and a few more: so many may look for one.
fn wanted(last: u32) -> u32 {
    last + last / 16 + 4
}

const ALL: [Pressing; 3] = [Pressing::AtOnce, Pressing::InHalfAMinute, Pressing::Late];

#[test]
fn five_last_places_are_booked_in_three_minutes_though_the_next_700_have_gone() {
    for pressing in ALL {
        let before = Line { rules: 2, pressing, ..Line::default() }.run();
        assert!(before.until_booked_ms > 360_000, "the case that rules 3 are for: {before:?}");
        let now = Line { pressing, ..Line::default() }.run();
        assert!(now.until_booked_ms < 180_000, "{now:?}");
        assert!(now.in_vain < before.in_vain, "{now:?}, before {before:?}");
    }
}

#[test]
fn more_last_places_take_no_longer_and_fewer_gone_less() {
    let took = |last, gone| Line { last, gone, ..Line::default() }.run().until_booked_ms;
    assert!(took(20, 700) < 150_000);
    assert!(took(50, 700) < 150_000);
    assert!(took(5, 100) < 120_000);
    // A single place asks fewer at a time: its calls are bounded by what could come in vain.
    assert!(took(1, 700) < 240_000);
    assert!(took(5, 2_000) < 330_000);
}

#[test]
fn who_is_there_takes_the_last_places_as_before() {
    for pressing in [Pressing::AtOnce, Pressing::InHalfAMinute] {
        for (last, gone) in [(5, 0), (5, 20), (20, 0), (50, 0)] {
            let line = Line { last, gone, pressing, ..Line::default() };
            let (before, now) = (Line { rules: 2, ..line }.run(), line.run());
            assert!(now.until_booked_ms <= before.until_booked_ms + 5_000, "{now:?}, before {before:?}");
            assert!(now.in_vain <= before.in_vain + 6, "{now:?}, before {before:?}");
        }
    }
}

#[test]
fn people_who_sit_inside_without_booking_keep_the_last_places_from_nobody_for_long() {
    let line = Line { sits: 12, gone: 0, ..Line::default() };
    let (before, now) = (Line { rules: 2, ..line }.run(), line.run());
    assert!(before.until_booked_ms > 600_000, "until their passes end: {before:?}");
    assert!(now.until_booked_ms < 240_000, "{now:?}");
    // Not those who may still be looking: as many as there are places, and a few more, at a time.
    assert!(now.in_vain <= 2 * wanted(line.last), "{now:?}");
}

#[test]
fn a_silent_line_that_comes_at_once_sends_away_no_more_than_was_promised() {
    for pressing in ALL {
        for (last, gone) in [(1, 700), (5, 100), (5, 700), (5, 2_000), (20, 700), (50, 700)] {
            let came = Line { last, gone, pressing, ..Line::default() }.run();
            // Sixteen for each place wanted are waited for at a time, forty in half a minute.
            let most = 40 * wanted(last);
            assert!(came.called_in_30_s_max <= most, "{came:?}, {most} at most");
            assert!(came.in_vain <= most - last, "{came:?}");
            // Where people press within seconds it is a few dozen.
            let in_vain_max = if matches!(pressing, Pressing::AtOnce) { 40 } else { most };
            assert!(came.in_vain <= in_vain_max, "{came:?}");
        }
    }
}

#[test]
fn under_rules_1_and_2_the_last_places_are_called_for_as_ever() {
    for rules in [1, 2] {
        let came = Line { rules, ..Line::default() }.run();
        let as_ever = Came { until_booked_ms: 371_600, in_vain: 92, called_in_30_s_max: 0, called: 1_115 };
        assert_eq!(Came { called_in_30_s_max: 0, ..came }, as_ever, "rules {rules}");
    }
}

#[test]
fn the_same_line_is_called_alike_however_often_time_is_advanced() {
    let called_after = |step_ms: u64| {
        let mut run = Run::new(Line { gone: 4_000, ..Line::default() });
        let end = run.now.plus_ms(120_000);
        while run.now < end {
            run.now = run.now.plus_ms(step_ms);
            run.state.advance(run.now);
        }
        run.state.data().rooms[&ROOM].called
    };
    assert_eq!(called_after(100), called_after(2_000));
}
