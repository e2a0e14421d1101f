//! Thousands of random commands against a model that is written in the plainest way:
//! lists that are searched from the beginning, and no counter at all. Few people and
//! slots, so that everyone meets everyone; time jumps, backwards too.

use std::collections::BTreeMap;

use jari_core::booking::{Booking, BookingState, CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::ids::{BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, SlotId, VaccineId};
use jari_core::time::Date;
use jari_core::{Body, Command, Data, Outcome, Reason, State, Time, invariants, step};
use proptest::prelude::*;

const DAY_MS: u64 = 86_400_000;
/// A midnight in UTC, where this campaign happens.
const START_MS: u64 = 18_820 * DAY_MS;
const HOLD_MS: u64 = 10_000;
const INTERVAL_DAYS: u64 = 2;
const DOSES: u8 = 2;
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

#[derive(Clone)]
struct Place {
    starts_ms: u64,
    vaccine: u16,
    capacity: u32,
    withdrawn: u32,
}

#[derive(Clone)]
struct Kept {
    person: u8,
    dose: u8,
    slot: u32,
    ends_ms: u64,
    state: BookingState,
}

/// The model: what was booked, and rules that look at all of it each time.
struct Model {
    now_ms: u64,
    paused: bool,
    quota: u32,
    vaccine_quota: u32,
    places: Vec<Place>,
    kept: Vec<Kept>,
    answers: BTreeMap<u128, Outcome>,
}

fn places() -> Vec<Place> {
    let day = |day: u64, vaccine, capacity| Place { starts_ms: START_MS + day * DAY_MS, vaccine, capacity, withdrawn: 0 };
    vec![day(1, 0, 2), day(1, 1, 2), day(2, 0, 3), day(3, 1, 1), day(4, 0, 4), day(5, 0, 2)]
}

/// The windows: everyone from the start, half of the supply on the first day.
fn windows() -> [(u64, u64, u32); 2] {
    [(START_MS, START_MS + DAY_MS, 500_000), (START_MS + DAY_MS, START_MS + 6 * DAY_MS, 1_000_000)]
}

impl Model {
    fn active(&self, accept: impl Fn(&Kept) -> bool) -> u32 {
        self.kept.iter().filter(|kept| kept.state.is_active() && accept(kept)).count() as u32
    }

    fn pass_time(&mut self, at_ms: u64) {
        self.now_ms = self.now_ms.max(at_ms);
        for kept in &mut self.kept {
            if kept.state == BookingState::Held && kept.ends_ms <= self.now_ms {
                kept.state = BookingState::Lapsed;
            }
        }
    }

    fn apply(&mut self, body: &Body) -> Result<Outcome, (Reason, u64)> {
        match body {
            Body::Hold { slot, person, dose, .. } => self.hold(slot.0, person.0 as u8, *dose),
            Body::Confirm { booking, person } => self.confirm(booking.0, person.0 as u8),
            Body::Cancel { booking, person } => self.cancel(booking.0, person.0 as u8),
            Body::Reschedule { booking, person, slot } => self.reschedule(booking.0, person.0 as u8, slot.0),
            Body::CheckIn { booking } => self.check_in(booking.0),
            Body::PauseCampaign { .. } => {
                self.paused = true;
                Ok(Outcome::Done)
            }
            Body::ResumeCampaign { .. } => {
                let was_paused = std::mem::replace(&mut self.paused, false);
                if was_paused { Ok(Outcome::Done) } else { Err((Reason::CampaignNotPaused, 0)) }
            }
            Body::SetQuota { vaccine, quota, .. } => {
                let kept = if vaccine.is_some() { &mut self.vaccine_quota } else { &mut self.quota };
                *kept = *quota;
                Ok(Outcome::Done)
            }
            Body::SetCapacity { slot, capacity, .. } => self.set_places(slot.0, Some(*capacity), None),
            Body::SetWithdrawn { slot, withdrawn, .. } => self.set_places(slot.0, None, Some(*withdrawn)),
            other => unreachable!("the model knows no {other:?}"),
        }
    }

    fn set_places(&mut self, slot: u32, capacity: Option<u32>, withdrawn: Option<u32>) -> Result<Outcome, (Reason, u64)> {
        let taken = self.active(|kept| kept.slot == slot);
        let Some(place) = self.places.get_mut(slot as usize) else {
            return Err((Reason::SlotUnknown, 0));
        };
        let new = (capacity.unwrap_or(place.capacity), withdrawn.unwrap_or(place.withdrawn));
        if taken + new.1 > new.0 {
            let in_use = if capacity.is_some() { taken + new.1 } else { taken };
            return Err((Reason::PlacesInUse, u64::from(in_use)));
        }
        (place.capacity, place.withdrawn) = new;
        Ok(Outcome::Done)
    }

    fn hold(&mut self, slot: u32, person: u8, dose: u8) -> Result<Outcome, (Reason, u64)> {
        let Some(place) = self.places.get(slot as usize).cloned() else {
            return Err((Reason::SlotUnknown, 0));
        };
        if self.paused {
            return Err((Reason::CampaignPaused, 0));
        }
        if self.now_ms >= windows()[1].1 {
            return Err((Reason::BookingOver, 0));
        }
        if dose == 0 || dose > DOSES {
            return Err((Reason::DoseUnknown, 0));
        }
        let same = |kept: &&Kept| kept.state.is_active() && kept.person == person && kept.dose == dose;
        if self.kept.iter().any(|kept| same(&kept)) {
            let number = self.kept.iter().position(|kept| same(&kept)).unwrap();
            return Err((Reason::AlreadyBooked, number as u64));
        }
        self.check_doses(person, dose, place.starts_ms)?;
        self.check_place(slot, &place, true)?;
        let ends_ms = self.now_ms + HOLD_MS;
        let booking = BookingId(self.kept.len() as u32);
        self.kept.push(Kept { person, dose, slot, ends_ms, state: BookingState::Held });
        Ok(Outcome::Held { booking, ends_at: Time(ends_ms) })
    }

    fn check_doses(&self, person: u8, dose: u8, starts_ms: u64) -> Result<(), (Reason, u64)> {
        let day = |ms: u64| ms / DAY_MS;
        let of_dose = |dose: u8| {
            self.kept.iter().filter(move |kept| kept.state.is_active() && kept.person == person && kept.dose == dose)
        };
        let starts_of = |kept: &Kept| self.places[kept.slot as usize].starts_ms;
        if dose > 1 {
            let before = of_dose(dose - 1).find(|kept| kept.state != BookingState::Held).map(starts_of);
            let Some(before) = before else { return Err((Reason::DoseTooEarly, 0)) };
            if day(starts_ms) < day(before) + INTERVAL_DAYS {
                return Err((Reason::DoseTooEarly, (day(before) + INTERVAL_DAYS) * DAY_MS));
            }
        }
        if let Some(after) = of_dose(dose + 1).next().map(starts_of)
            && day(after) < day(starts_ms) + INTERVAL_DAYS
        {
            return Err((Reason::DoseTooEarly, (day(starts_ms) + INTERVAL_DAYS) * DAY_MS));
        }
        Ok(())
    }

    fn check_place(&self, slot: u32, place: &Place, counts_anew: bool) -> Result<(), (Reason, u64)> {
        if place.starts_ms <= self.now_ms {
            return Err((Reason::SlotPast, 0));
        }
        let taken = self.active(|_| true);
        let of_vaccine = self.active(|kept| self.places[kept.slot as usize].vaccine == place.vaccine);
        let vaccine_quota = if place.vaccine == 1 { self.vaccine_quota } else { 1_000 };
        if counts_anew {
            let second_day = self.now_ms >= windows()[1].0;
            let share = |whole: u32| if second_day { whole } else { whole / 2 };
            let all_places: u32 = self.places.iter().map(|place| place.capacity).sum();
            if taken >= self.quota || of_vaccine >= vaccine_quota {
                return Err((Reason::QuotaUsedUp, 0));
            }
            if taken >= share(self.quota) || (!second_day && taken >= all_places.div_ceil(2)) {
                return Err((Reason::ShareUsedUp, windows()[1].0));
            }
        }
        if self.active(|kept| kept.slot == slot) + place.withdrawn >= place.capacity {
            return Err((Reason::SlotFull, 0));
        }
        Ok(())
    }

    fn mine(&mut self, booking: u32, person: u8) -> Result<&mut Kept, (Reason, u64)> {
        let kept = self.kept.get_mut(booking as usize).filter(|kept| kept.person == person);
        kept.ok_or((Reason::BookingUnknown, 0))
    }

    fn confirm(&mut self, booking: u32, person: u8) -> Result<Outcome, (Reason, u64)> {
        let kept = self.mine(booking, person)?;
        match kept.state {
            BookingState::Cancelled => return Err((Reason::BookingCancelled, 0)),
            BookingState::Lapsed => return Err((Reason::HoldLapsed, 0)),
            BookingState::Held => kept.state = BookingState::Booked,
            BookingState::Booked | BookingState::Used => {}
        }
        Ok(Outcome::Confirmed { booking: BookingId(booking) })
    }

    fn cancel(&mut self, booking: u32, person: u8) -> Result<Outcome, (Reason, u64)> {
        let kept = self.mine(booking, person)?;
        match kept.state {
            BookingState::Used => Err((Reason::BookingUsed, 0)),
            BookingState::Lapsed => Err((Reason::HoldLapsed, 0)),
            _ => {
                kept.state = BookingState::Cancelled;
                Ok(Outcome::Cancelled { booking: BookingId(booking) })
            }
        }
    }

    fn booked(kept: &Kept) -> Result<(), (Reason, u64)> {
        match kept.state {
            BookingState::Booked => Ok(()),
            BookingState::Held => Err((Reason::BookingNotConfirmed, 0)),
            BookingState::Used => Err((Reason::BookingUsed, 0)),
            BookingState::Cancelled => Err((Reason::BookingCancelled, 0)),
            BookingState::Lapsed => Err((Reason::HoldLapsed, 0)),
        }
    }

    fn reschedule(&mut self, booking: u32, person: u8, slot: u32) -> Result<Outcome, (Reason, u64)> {
        let kept = self.mine(booking, person)?.clone();
        Model::booked(&kept)?;
        let Some(place) = self.places.get(slot as usize).cloned() else {
            return Err((Reason::SlotUnknown, 0));
        };
        if kept.slot == slot {
            return Err((Reason::SameSlot, 0));
        }
        if self.paused {
            return Err((Reason::CampaignPaused, 0));
        }
        self.check_doses(person, kept.dose, place.starts_ms)?;
        let other_vaccine = self.places[kept.slot as usize].vaccine != place.vaccine;
        let past = place.starts_ms <= self.now_ms;
        let of_vaccine = self.active(|kept| self.places[kept.slot as usize].vaccine == place.vaccine);
        if !past && other_vaccine && place.vaccine == 1 && of_vaccine >= self.vaccine_quota {
            return Err((Reason::QuotaUsedUp, 0));
        }
        self.check_place(slot, &place, false)?;
        self.kept[booking as usize].slot = slot;
        Ok(Outcome::Rescheduled { booking: BookingId(booking) })
    }

    fn check_in(&mut self, booking: u32) -> Result<Outcome, (Reason, u64)> {
        let Some(kept) = self.kept.get_mut(booking as usize) else {
            return Err((Reason::BookingUnknown, 0));
        };
        if kept.state != BookingState::Used {
            Model::booked(kept)?;
            kept.state = BookingState::Used;
        }
        Ok(Outcome::CheckedIn { booking: BookingId(booking) })
    }
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
    let model = Model {
        now_ms: START_MS,
        paused: false,
        quota: 11,
        vaccine_quota: 2,
        places: places(),
        kept: Vec::new(),
        answers: BTreeMap::new(),
    };
    (state, model)
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
        Move::Confirm { booking, person } => Body::Confirm { booking: which(*booking), person: whose(*person) },
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
