//! Thousands of random commands against a model that is written in the plainest way:
//! lists that are searched from the beginning, and no counter at all. Few people and
//! slots, so that everyone meets everyone; time jumps, backwards too.

use jari_core::booking::{Booking, CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, SlotId, VaccineId,
};
use jari_core::time::Date;
use jari_core::{Body, Command, Data, Outcome, State, Time, invariants, step};
use proptest::prelude::*;

mod plain;

use plain::{DAY_MS, DOSES, HOLD_MS, INTERVAL_DAYS, Kept, Model, Place, START_MS, places, windows};

const SLOTS: u32 = 6;
const PEOPLE: u8 = 7;

/// One random step, small enough that proptest can shrink it.
#[derive(Clone, Debug)]
enum Move {
    Hold { slot: u32, person: u8, dose: u8 },
    Confirm { booking: u32, person: u8 },
    Cancel { booking: u32, person: u8 },
    Reschedule { booking: u32, person: u8, slot: u32 },
    CheckIn { booking: u32 },
    Pause,
    Resume,
    Quota { vaccine: bool, quota: u32 },
    Capacity { slot: u32, capacity: u32 },
    Withdraw { slot: u32, withdrawn: u32 },
    Repeat { back: usize },
}

fn any_move() -> impl Strategy<Value = Move> {
    // One slot more than there are, and doses outside the course: unknown ones are asked
    // for too, but rarely.
    let slot = prop_oneof![30 => 0..SLOTS, 1 => Just(SLOTS)];
    let person = 0..PEOPLE;
    let dose = prop_oneof![20 => 1..=DOSES, 1 => 0..=DOSES + 1];
    // Bookings are named by how many were made after them; see `resolve`.
    let booking = prop_oneof![2 => Just(0_u32), 1 => 0..12_u32];
    prop_oneof![
        40 => (slot.clone(), person.clone(), dose)
            .prop_map(|(slot, person, dose)| Move::Hold { slot, person, dose }),
        20 => (booking.clone(), person.clone()).prop_map(|(booking, person)| Move::Confirm { booking, person }),
        5 => (booking.clone(), person.clone()).prop_map(|(booking, person)| Move::Cancel { booking, person }),
        12 => (booking.clone(), person, slot.clone())
            .prop_map(|(booking, person, slot)| Move::Reschedule { booking, person, slot }),
        1 => booking.prop_map(|booking| Move::CheckIn { booking }),
        1 => Just(Move::Pause),
        6 => Just(Move::Resume),
        2 => (any::<bool>(), 0..12_u32).prop_map(|(vaccine, quota)| Move::Quota { vaccine, quota }),
        2 => (slot.clone(), 0..5_u32).prop_map(|(slot, capacity)| Move::Capacity { slot, capacity }),
        1 => (slot, 0..3_u32).prop_map(|(slot, withdrawn)| Move::Withdraw { slot, withdrawn }),
        1 => (0..20_usize).prop_map(|back| Move::Repeat { back }),
    ]
}

/// Mostly milliseconds to seconds, sometimes days, sometimes back.
fn any_jump_ms() -> impl Strategy<Value = i64> {
    let (second, day) = (1_000, DAY_MS as i64);
    prop_oneof![
        30 => 0..second / 2,
        // Whole seconds meet the ends of holds to the millisecond.
        20 => (0..6_i64).prop_map(move |seconds| seconds * second),
        3 => -20 * second..0,
        1 => 0..day / 2,
    ]
}

/// The machine's and the model's world before anyone has come.
fn opened() -> (State, Model) {
    let mut state = State::new();
    let window = |(opens, closes, share_ppm)| Window {
        opens_at: Time(opens),
        closes_at: Time(closes),
        digits: 0x3ff,
        share_ppm,
    };
    let vaccine = |quota| Vaccine { name: "V".into(), quota };
    let config = CampaignConfig {
        name: "Summer".into(),
        room: None,
        quota: 11,
        vaccines: vec![vaccine(1_000), vaccine(2)],
        rules: Rules {
            version: 1,
            born_from: Date(-9_000),
            born_until: Date(9_000),
            doses: DOSES,
            dose_interval_days: INTERVAL_DAYS as u16,
        },
        windows: windows().into_iter().map(window).collect(),
        hold_ms: HOLD_MS as u32,
        utc_offset_min: 0,
        reminder_ms: 0,
    };
    let text = || Box::<str>::from("x");
    let clinic = ClinicConfig {
        name: text(),
        address: text(),
        region: text(),
        district: text(),
        postcode: text(),
        telephone: text(),
        latitude_e6: 0,
        longitude_e6: 0,
    };
    let slot = |place: &Place| SlotSpec {
        starts_at: Time(place.starts_ms),
        vaccine: VaccineId(place.vaccine),
        capacity: place.capacity,
    };
    let campaign = CampaignId(1);
    for body in [
        Body::CreateCampaign { campaign, config: Box::new(config) },
        Body::AddClinic { config: Box::new(clinic) },
        Body::AddDesk { campaign, clinic: ClinicId(0) },
        Body::AddSlots { desk: DeskId(0), slots: places().iter().map(slot).collect() },
    ] {
        let outcome = step(&mut state, &Command { id: CommandId(0), body }, Time(START_MS));
        assert_eq!(outcome.refusal(), None);
    }
    (state, Model::opened())
}

fn body_of(step: &Move, made: u32) -> Body {
    let whose = |person: u8| PersonId(u128::from(person));
    // Counted back from the newest; beyond the oldest it is a number never given.
    let which = |back: u32| BookingId(made.wrapping_sub(1 + back).min(made + back));
    let campaign = CampaignId(1);
    let reason = || Box::<str>::from("because");
    match step {
        Move::Hold { slot, person, dose } => Body::Hold {
            slot: SlotId(*slot),
            person: whose(*person),
            birth: Date(100),
            dose: *dose,
            entry: None,
            channel: ChannelId::OWN_SITE,
        },
        Move::Confirm { booking, person } => {
            Body::Confirm { booking: which(*booking), person: whose(*person) }
        }
        Move::Cancel { booking, person } => Body::Cancel { booking: which(*booking), person: whose(*person) },
        Move::Reschedule { booking, person, slot } => {
            Body::Reschedule { booking: which(*booking), person: whose(*person), slot: SlotId(*slot) }
        }
        Move::CheckIn { booking } => Body::CheckIn { booking: which(*booking) },
        Move::Pause => Body::PauseCampaign { campaign, reason: reason() },
        Move::Resume | Move::Repeat { .. } => Body::ResumeCampaign { campaign },
        Move::Quota { vaccine, quota } => {
            let vaccine = vaccine.then_some(VaccineId(1));
            Body::SetQuota { campaign, vaccine, quota: *quota, reason: reason() }
        }
        Move::Capacity { slot, capacity } => {
            Body::SetCapacity { slot: SlotId(*slot), capacity: *capacity, reason: reason() }
        }
        Move::Withdraw { slot, withdrawn } => {
            Body::SetWithdrawn { slot: SlotId(*slot), withdrawn: *withdrawn, reason: reason() }
        }
    }
}

/// Owners are guessed wrong most of the time; `right` puts the right one in.
fn with_owner(body: Body, model: &Model, right: bool) -> Body {
    let owner = |booking: BookingId, person: PersonId| match model.kept.get(booking.0 as usize) {
        Some(kept) if right => PersonId(u128::from(kept.person)),
        _ => person,
    };
    match body {
        Body::Confirm { booking, person } => Body::Confirm { booking, person: owner(booking, person) },
        Body::Cancel { booking, person } => Body::Cancel { booking, person: owner(booking, person) },
        Body::Reschedule { booking, person, slot } => {
            Body::Reschedule { booking, person: owner(booking, person), slot }
        }
        body => body,
    }
}

fn compare(state: &State, model: &Model) {
    let same = |(booking, kept): (&Booking, &Kept)| {
        booking.person() == PersonId(u128::from(kept.person))
            && (booking.slot.0, booking.dose, booking.state) == (kept.slot, kept.dose, kept.state)
    };
    assert_eq!(state.data().bookings.len(), model.kept.len());
    assert!(state.data().bookings.iter().zip(&model.kept).all(same), "a booking differs from the model's");
}

fn without_recent(data: &Data) -> Data {
    Data { recent: Default::default(), ..data.clone() }
}

/// Runs all moves on machine and model, and, from the middle on, on a restored machine.
fn run(moves: &[(Move, i64, bool)]) {
    let (mut state, mut model) = opened();
    let mut restored: Option<State> = None;
    let mut commands: Vec<Command> = Vec::new();
    let mut at_ms = START_MS;
    for (number, (random, jump_ms, right)) in moves.iter().enumerate() {
        at_ms = at_ms.saturating_add_signed(*jump_ms);
        let made = model.kept.len() as u32;
        let fresh = || Command {
            id: CommandId(number as u128 + 1),
            body: with_owner(body_of(random, made), &model, *right),
        };
        let command = match random {
            Move::Repeat { back } => commands.iter().rev().nth(*back).cloned().unwrap_or_else(fresh),
            _ => fresh(),
        };
        model.pass_time(at_ms);
        let expected = match model.answers.get(&command.id.0) {
            Some(first) => *first,
            None => model
                .apply(&command.body)
                .unwrap_or_else(|(reason, detail)| Outcome::refused_with(reason, detail)),
        };
        model.answers.insert(command.id.0, expected);
        state.advance(Time(at_ms));
        let before = without_recent(state.data());
        let outcome = step(&mut state, &command, Time(at_ms));
        assert_eq!(outcome, expected, "step {number}: {command:?}");
        if outcome.refusal().is_some() {
            assert_eq!(before, without_recent(state.data()), "a refusal changed something: {command:?}");
        }
        assert_eq!(invariants::check(state.data()), Ok(()), "step {number}: {command:?}");
        compare(&state, &model);
        if let Some(restored) = &mut restored {
            assert_eq!(step(restored, &command, Time(at_ms)), outcome);
            assert_eq!(restored.data(), state.data());
        } else if number == moves.len() / 2 {
            restored = Some(State::restore(state.data().clone()).unwrap());
        }
        commands.push(command);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_does_what_the_plain_model_does(
        moves in prop::collection::vec((any_move(), any_jump_ms(), prop::bool::weighted(0.9)), 1..400)
    ) {
        run(&moves);
    }
}
