//! How fast `step` books, on one thread: a country of 5,000 clinics, 800,000 slots and
//! ten million people. A booking is a hold and its confirmation, each with a command id
//! of its own that is remembered; effects are reported done in chunks.
//!
//! ```text
//! cargo run --release -p jari-core --example step_rate -- [--bookings N] [--warm N] [--batch N] [--no-warm-pass]
//! ```
//!
//! Random people and slots, as in a rush. Holds of one batch are confirmed in the next
//! one. Prints bookings a second, the longest batch, what a booking costs in memory, how
//! long freezing the state for a snapshot stops the writer, and how long a restart takes.

use std::env;
use std::time::Instant;

use jari_core::booking::{Booking, CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, SlotId, VaccineId,
};
use jari_core::time::Date;
use jari_core::{Body, Command, Data, Outcome, State, Time, step};

const CLINICS: u32 = 5_000;
const SLOTS_PER_CLINIC: u32 = 160;
const PLACES_PER_SLOT: u32 = 100;
const PEOPLE: u64 = 10_000_000;
const START: Time = Time(1_626_048_000_000);
const DAY_MS: u64 = 86_400_000;

struct Settings {
    bookings: u64,
    warm: u64,
    batch: u64,
    warm_pass: bool,
}

fn main() {
    let settings = settings();
    let mut state = country();
    let mut crowd = Crowd { seed: 1, at: START, commands: 0 };
    let filled = Instant::now();
    book(&mut state, &mut crowd, settings.warm, &settings);
    println!("warmed with {} bookings in {:.1} s", settings.warm, filled.elapsed().as_secs_f64());
    report_rate(&book(&mut state, &mut crowd, settings.bookings, &settings));
    report_memory(&state);
    let data = report_freeze(&mut state, &mut crowd, &settings);
    report_restart(data);
}

fn settings() -> Settings {
    let mut settings = Settings { bookings: 2_000_000, warm: 2_000_000, batch: 64, warm_pass: true };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number follows");
        match word.as_str() {
            "--bookings" => settings.bookings = number(),
            "--warm" => settings.warm = number(),
            "--batch" => settings.batch = number(),
            "--no-warm-pass" => settings.warm_pass = false,
            other => panic!("no such flag: {other}"),
        }
    }
    settings
}

fn report_rate(spent: &Spent) {
    let Spent { booked, seconds, longest_s } = spent;
    let rate = *booked as f64 / seconds;
    println!(
        "{booked} bookings in {seconds:.3} s: {rate:.0} bookings/s, {:.0} ns a command, longest batch {:.0} us",
        5e8 / rate,
        longest_s * 1e6
    );
}

fn report_memory(state: &State) {
    let bookings = state.data().bookings.len();
    let bytes = bookings * size_of::<Booking>() + state.index_bytes();
    println!(
        "memory: {} bytes a record, {:.1} bytes a booking with the index",
        size_of::<Booking>(),
        bytes as f64 / bookings as f64
    );
}

/// Freezes the state and goes on booking while the frozen state is held.
fn report_freeze(state: &mut State, crowd: &mut Crowd, settings: &Settings) -> Data {
    let started = Instant::now();
    let data = state.freeze();
    let froze = started.elapsed();
    println!(
        "froze {} bookings in {:.0} us; while they are held:",
        data.bookings.len(),
        froze.as_secs_f64() * 1e6
    );
    report_rate(&book(state, crowd, settings.bookings.min(200_000), settings));
    data
}

fn report_restart(data: Data) {
    let started = Instant::now();
    let restored = State::restore(data).expect("the invariants hold");
    let seconds = started.elapsed().as_secs_f64();
    println!("restored {} bookings, checked and indexed, in {seconds:.2} s", restored.data().bookings.len());
}

/// Everything but bookings.
fn country() -> State {
    let mut state = State::new();
    let mut ask = |body| {
        let outcome = step(&mut state, &Command { id: CommandId(0), body }, START);
        assert_eq!(outcome.refusal(), None);
    };
    ask(Body::CreateCampaign { campaign: CampaignId(1), config: Box::new(campaign()) });
    for clinic in 0..CLINICS {
        ask(Body::AddClinic { config: Box::new(a_clinic()) });
        ask(Body::AddDesk { campaign: CampaignId(1), clinic: ClinicId(clinic) });
        let slot = |number: u32| SlotSpec {
            starts_at: START.plus_ms(DAY_MS * 30 + u64::from(number) * 600_000),
            vaccine: VaccineId((number % 2) as u16),
            capacity: PLACES_PER_SLOT,
        };
        ask(Body::AddSlots { desk: DeskId(clinic), slots: (0..SLOTS_PER_CLINIC).map(slot).collect() });
    }
    state
}

fn campaign() -> CampaignConfig {
    let vaccine = |name: &str| Vaccine { name: name.into(), quota: u32::MAX };
    let window = |day: u64| Window {
        opens_at: START.plus_ms(day * DAY_MS),
        closes_at: START.plus_ms((day + 1) * DAY_MS),
        digits: 0x3ff,
        share_ppm: 500_000 + 50_000 * (day as u32 + 1),
    };
    CampaignConfig {
        name: "Summer".into(),
        room: None,
        quota: u32::MAX,
        vaccines: vec![vaccine("A"), vaccine("B")],
        rules: Rules {
            version: 1,
            born_from: Date(-20_000),
            born_until: Date(10_000),
            doses: 2,
            dose_interval_days: 21,
        },
        windows: (0..10).map(window).collect(),
        hold_ms: 10_000,
        utc_offset_min: 540,
        reminder_ms: 0,
    }
}

fn a_clinic() -> ClinicConfig {
    ClinicConfig {
        name: "Clinic".into(),
        address: "Road".into(),
        region: "North".into(),
        district: "East".into(),
        postcode: "01234".into(),
        telephone: "".into(),
        latitude_e6: 37_500_000,
        longitude_e6: 127_000_000,
    }
}

/// Where commands come from: a random person after another, each once.
struct Crowd {
    seed: u64,
    at: Time,
    commands: u64,
}

/// The finaliser of splitmix64: a bijection that looks random.
fn spread(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn person(number: u64) -> PersonId {
    PersonId(u128::from(spread(number + 1)) << 64 | u128::from(spread(number + PEOPLE + 1)))
}

impl Crowd {
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        spread(self.seed)
    }

    fn command(&mut self, body: Body) -> Command {
        let id = u128::from(self.random()) << 64 | u128::from(self.random());
        Command { id: CommandId(id), body }
    }

    fn hold(&mut self) -> Command {
        // Multiplying by a number coprime to it runs through all people in a wild order.
        let whom = self.commands * 7_368_787 % PEOPLE;
        self.commands += 1;
        let body = Body::Hold {
            slot: SlotId((self.random() % u64::from(CLINICS * SLOTS_PER_CLINIC)) as u32),
            person: person(whom),
            birth: Date((whom % 20_000) as i32 - 15_000),
            dose: 1,
            entry: None,
            channel: ChannelId::OWN_SITE,
        };
        self.command(body)
    }
}

/// What booking took: only the time within the machine.
#[derive(Default)]
struct Spent {
    booked: u64,
    seconds: f64,
    longest_s: f64,
}

/// Books `count` times.
fn book(state: &mut State, crowd: &mut Crowd, count: u64, settings: &Settings) -> Spent {
    let mut spent = Spent::default();
    let mut held: Vec<(BookingId, PersonId)> = Vec::new();
    let mut asked = 0;
    while asked < count || !held.is_empty() {
        let mut commands: Vec<Command> = held
            .drain(..)
            .map(|(booking, person)| crowd.command(Body::Confirm { booking, person }))
            .collect();
        for _ in 0..settings.batch.min(count - asked) {
            commands.push(crowd.hold());
            asked += 1;
        }
        crowd.at = crowd.at.plus_ms(2);
        let outcomes = run(state, &commands, crowd.at, settings, &mut spent);
        for (command, outcome) in commands.iter().zip(outcomes) {
            match (outcome, &command.body) {
                (Outcome::Held { booking, .. }, Body::Hold { person, .. }) => held.push((booking, *person)),
                (Outcome::Confirmed { .. }, _) => spent.booked += 1,
                (outcome, body) => assert!(outcome.refusal().is_some(), "{body:?} came to {outcome:?}"),
            }
        }
    }
    spent
}

#[inline(never)]
fn run(
    state: &mut State,
    commands: &[Command],
    at: Time,
    settings: &Settings,
    spent: &mut Spent,
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(commands.len());
    let started = Instant::now();
    if settings.warm_pass {
        state.warm(commands);
    }
    for command in commands {
        outcomes.push(step(state, command, at));
    }
    let done = Command { id: CommandId(0), body: Body::AckEffects { upto: state.data().effects.end() } };
    step(state, &done, at);
    let seconds = started.elapsed().as_secs_f64();
    spent.seconds += seconds;
    spent.longest_s = spent.longest_s.max(seconds);
    outcomes
}
