//! The people of an evening and their devices, made from a scenario and a seed.
//!
//! Kept small: a country is held in memory at once. Must never look at the service. Start at
//! [`Crowd`].

use jari_core::ids::PersonId;
use jari_core::time::Date;

use super::random::{Random, mixed};
use super::wheel::TICK_MS;
use crate::scenario::{Habits, Scenario};

/// "None" where a number is expected.
pub const NONE: u32 = u32::MAX;

/// What a person does beside waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Habit {
    /// Just waits.
    Plain,
    /// Loads the page again and again.
    Reloads,
    /// Gives up when the patience ends.
    GivesUp,
    /// Closes the page and comes back later.
    Returns,
    /// Closes the page and comes back about when called.
    ComesWhenCalled,
    /// Enters and holds before the opening.
    EarlyBird,
    /// Makes up ticket numbers.
    Forges,
    /// Enters before being called.
    Pushes,
    /// Uses a spent pass for somebody else.
    Replays,
    /// Books on a second device.
    BooksTwice,
    /// Sends everything twice.
    Repeats,
    /// Uses a command id again.
    ReusesId,
    /// Shares a pass.
    Shares,
    /// Confirms after the hold lapsed.
    ConfirmsLate,
    /// Is not in the age group.
    WrongAge,
    /// Comes on another digit's day.
    WrongDay,
}

/// How the evening ended for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It has not.
    Open,
    /// Has a booking.
    Booked,
    /// Had one and gave it back.
    Cancelled,
    /// Was told that no supply is left, or that it will not reach them.
    NoSupply,
    /// Went away by themselves.
    GaveUp,
    /// Was told that they are not eligible.
    NotEligible,
    /// Was told their day.
    NotTheirDay,
}

/// One person.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// Their first device.
    pub first_device: u32,
    /// How many they have.
    pub devices: u8,
    /// What they do.
    pub habit: Habit,
    /// How it ended.
    pub end: End,
    /// Whether the room has acknowledged a ticket of theirs.
    pub in_line: bool,
    /// The tick at which they come.
    pub arrives: u32,
    /// How long they have patience, in ticks.
    pub patience: u32,
    /// The device that went in.
    pub inside: u32,
    /// Since when the page has not said "sure" any more, while it did not.
    pub told_at: u32,
    /// Whether the page ever said "sure".
    pub was_sure: bool,
    /// The tick of their end.
    pub ended: u32,
    /// Devices that still do something.
    pub alive: u8,
    /// Some device left because the page said that supply would not reach it.
    pub resigned: bool,
}

/// Where a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Opens the page.
    Open,
    /// Its request reaches the node.
    Ask(Op),
    /// Its request reaches the service behind.
    Serve(Op),
    /// The slots are shown.
    Shown,
    /// Looks at the room's document.
    Look,
    /// Comes back after being away.
    Back,
    /// Has no more to do.
    Done,
}

/// What a device asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// A ticket.
    Join,
    /// A pass.
    Enter,
    /// The list of slots; only of the service behind.
    List,
    /// A place.
    Hold,
    /// A booking.
    Confirm,
    /// The same hold or confirmation again.
    Again(Repeat),
    /// To give the booking back.
    Cancel,
    /// To give the ticket back.
    Leave,
    /// Something that must not work.
    Try(Trick),
}

/// What is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The hold.
    Hold,
    /// The confirmation.
    Confirm,
}

/// Ways round the queue and the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trick {
    /// Enters before the opening.
    EnterEarly,
    /// Holds before the opening.
    HoldEarly,
    /// Enters with a made-up number.
    Forge,
    /// Enters before being called.
    Push,
    /// Holds for a friend with a spent pass.
    Replay,
    /// Another hold under the same id.
    ReuseId,
    /// A friend holds with the pass.
    ShareHold,
    /// The owner holds while the friend does.
    ShareOwn,
    /// The friend cancels.
    ShareCancel,
    /// Confirms a lapsed hold.
    ConfirmLate,
    /// Holds outside the age group.
    WrongAge,
    /// Holds on another digit's day.
    WrongDay,
    /// Holds on a second device.
    BookTwice,
}

impl Trick {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Trick::EnterEarly => "entering before the opening",
            Trick::HoldEarly => "holding before the opening",
            Trick::Forge => "made-up ticket numbers",
            Trick::Push => "entering before being called",
            Trick::Replay => "a spent pass for a friend",
            Trick::ReuseId => "another request under a used id",
            Trick::ShareHold | Trick::ShareOwn | Trick::ShareCancel => "one pass for two",
            Trick::ConfirmLate => "confirming a lapsed hold",
            Trick::WrongAge => "another age group",
            Trick::WrongDay => "another birth digit's day",
            Trick::BookTwice => "booking on a second device",
        }
    }
}

/// One device.
#[derive(Debug, Clone, Copy)]
pub struct Device {
    /// Whose it is.
    pub person: u32,
    /// Its ticket.
    pub serial: u32,
    /// Its ticket's place, once the browser has computed it.
    pub place: u32,
    /// The slot chosen.
    pub slot: u32,
    /// The hold or booking.
    pub booking: u32,
    /// A friend's hold.
    pub friend: u32,
    /// The tick at which it first asked for a ticket.
    pub knocked: u32,
    /// The tick at which it asked for the first time what it asks for now.
    pub asked: u32,
    /// The tick at which it was let in first.
    pub entered: u32,
    /// Bytes received while waiting.
    pub bytes: u32,
    /// Requests while waiting.
    pub requests: u16,
    /// Commands sent so far: each has an id of its own.
    pub sequence: u16,
    /// Network delay one way, in ticks.
    pub delay: u8,
    /// Times it was turned away or not answered in a row.
    pub failed: u8,
    /// What comes next.
    pub step: Step,
    /// The trick of its owner was tried.
    pub tried: bool,
}

/// Everyone.
#[derive(Debug)]
pub struct Crowd {
    /// People in no order.
    pub people: Vec<Person>,
    /// Devices, those of one person in a row.
    pub devices: Vec<Device>,
    seed: u64,
}

/// Ticks of so many seconds.
#[must_use]
pub fn ticks(seconds: f64) -> u32 {
    (seconds * 1_000.0 / TICK_MS as f64).round().max(0.0) as u32
}

/// A share and the habit it is of.
fn shares(habits: &Habits) -> [(f64, Habit); 15] {
    [
        (habits.reloads, Habit::Reloads),
        (habits.gives_up, Habit::GivesUp),
        (habits.returns, Habit::Returns),
        (habits.comes_when_called, Habit::ComesWhenCalled),
        (habits.early_birds, Habit::EarlyBird),
        (habits.forgers, Habit::Forges),
        (habits.pushers, Habit::Pushes),
        (habits.replayers, Habit::Replays),
        (habits.double_bookers, Habit::BooksTwice),
        (habits.repeaters, Habit::Repeats),
        (habits.id_reusers, Habit::ReusesId),
        (habits.sharers, Habit::Shares),
        (habits.late_confirmers, Habit::ConfirmsLate),
        (habits.wrong_age, Habit::WrongAge),
        (habits.wrong_day, Habit::WrongDay),
    ]
}

fn habit(habits: &Habits, random: &mut Random) -> Habit {
    let mut rest = random.unit();
    for (share, habit) in shares(habits) {
        if rest < share {
            return habit;
        }
        rest -= share;
    }
    Habit::Plain
}

/// When someone comes, in seconds after the opening.
fn arrival_s(scenario: &Scenario, random: &mut Random) -> f64 {
    let crowd = &scenario.crowd;
    let kind = random.unit();
    if kind < crowd.early {
        // A ramp: half of the early ones come in the last fifth of the lobby's time.
        let lobby_s = f64::from(scenario.lobby_s) - 5.0;
        return -1.0 - lobby_s * random.unit().powf(3.1);
    }
    if kind < crowd.early + crowd.rush {
        return random.between(0.0, crate::scenario::Crowd::RUSH_S);
    }
    let end_s = f64::from(scenario.ends_s) - 1_800.0;
    loop {
        let at_s = random.exponential(crowd.tail_mean_s);
        if at_s < end_s {
            return at_s;
        }
    }
}

impl Crowd {
    /// Makes everyone, in an order that has nothing to do with when they come.
    #[must_use]
    pub fn new(scenario: &Scenario, scale: f64, seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0xc0_0d);
        let count = scenario.people(scale);
        let mut crowd = Self {
            people: Vec::with_capacity(count as usize),
            devices: Vec::new(),
            seed: mixed(seed ^ 0x1d),
        };
        for person in 0..count {
            crowd.add(scenario, person, &mut random);
        }
        crowd
    }

    fn add(&mut self, scenario: &Scenario, person: u32, random: &mut Random) {
        let arrives = ticks(f64::from(scenario.lobby_s) + arrival_s(scenario, random));
        let mut habit = habit(&scenario.habits, random);
        let mut devices = 1;
        let mut rest = random.unit();
        for (count, share) in (1..).zip(scenario.crowd.devices) {
            devices = count;
            if rest < share {
                break;
            }
            rest -= share;
        }
        if habit == Habit::BooksTwice {
            devices = devices.max(2);
        }
        let early = arrives < ticks(f64::from(scenario.lobby_s));
        if habit == Habit::EarlyBird && !early {
            habit = Habit::Plain;
        }
        self.people.push(Person {
            first_device: self.devices.len() as u32,
            devices,
            habit,
            end: End::Open,
            in_line: false,
            arrives,
            patience: ticks(random.exponential(scenario.habits.patience_mean_s).max(60.0)),
            inside: NONE,
            told_at: NONE,
            was_sure: false,
            ended: NONE,
            alive: devices,
            resigned: false,
        });
        for _ in 0..devices {
            self.devices.push(Device {
                person,
                serial: NONE,
                place: NONE,
                slot: NONE,
                booking: NONE,
                friend: NONE,
                knocked: NONE,
                asked: NONE,
                entered: NONE,
                bytes: 0,
                requests: 0,
                sequence: 0,
                // 10 to 300 ms.
                delay: 2 + random.below(59) as u8,
                failed: 0,
                step: Step::Open,
                tried: false,
            });
        }
    }

    /// The keyed hash that stands for a person; `friend` is someone outside this crowd.
    #[must_use]
    pub fn id(&self, person: u32, friend: bool) -> PersonId {
        let own = u64::from(person) << 1 | u64::from(friend);
        let (low, high) = (mixed(self.seed ^ own), mixed(!self.seed ^ own.rotate_left(17)));
        PersonId(u128::from(high) << 64 | u128::from(low))
    }

    /// When a person was born: within the age group and, where there are such days, with the
    /// day's digit, unless they are the kind who is not.
    #[must_use]
    pub fn birth(&self, person: u32, scenario: &Scenario) -> Date {
        let chance = mixed(self.seed ^ u64::from(person) << 20 ^ 0xb1);
        let (from, until) = (scenario.places.born_from.0, scenario.places.born_until.0);
        let habit = self.people[person as usize].habit;
        let years = (until - from).max(1) as u64;
        let mut year = from + (chance % years) as i32;
        if habit == Habit::WrongAge {
            year = until + 2;
        }
        let month = 1 + (chance >> 16) as u32 % 12;
        let tens = (chance >> 32) as u32 % 2;
        let day = match scenario.places.digit {
            Some(digit) if habit != Habit::WrongDay => u32::from(digit) + 10 * tens,
            Some(digit) => u32::from(digit + 3) % 10 + 10,
            None => 1 + (chance >> 40) as u32 % 28,
        };
        Date::from_civil(year, month, day.max(1)).unwrap_or_default()
    }
}
