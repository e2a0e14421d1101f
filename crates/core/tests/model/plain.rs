//! The model: what was booked, and rules that look at all of it each time.

use std::collections::BTreeMap;

use jari_core::booking::BookingState;
use jari_core::ids::BookingId;
use jari_core::{Body, Outcome, Reason, Time};

/// A day.
pub const DAY_MS: u64 = 86_400_000;
/// A midnight in UTC, where this campaign happens.
pub const START_MS: u64 = 18_820 * DAY_MS;
pub const HOLD_MS: u64 = 10_000;
pub const INTERVAL_DAYS: u64 = 2;
pub const DOSES: u8 = 2;

#[derive(Clone)]
pub struct Place {
    pub starts_ms: u64,
    pub vaccine: u16,
    pub capacity: u32,
    withdrawn: u32,
}

#[derive(Clone)]
pub struct Kept {
    pub person: u8,
    pub dose: u8,
    pub slot: u32,
    ends_ms: u64,
    pub state: BookingState,
}

/// The model: what was booked, and rules that look at all of it each time.
pub struct Model {
    now_ms: u64,
    paused: bool,
    quota: u32,
    vaccine_quota: u32,
    places: Vec<Place>,
    pub kept: Vec<Kept>,
    pub answers: BTreeMap<u128, Outcome>,
}

pub fn places() -> Vec<Place> {
    let day = |day: u64, vaccine, capacity| Place {
        starts_ms: START_MS + day * DAY_MS,
        vaccine,
        capacity,
        withdrawn: 0,
    };
    vec![day(1, 0, 2), day(1, 1, 2), day(2, 0, 3), day(3, 1, 1), day(4, 0, 4), day(5, 0, 2)]
}

/// The windows: everyone from the start, half of the supply on the first day.
pub fn windows() -> [(u64, u64, u32); 2] {
    [(START_MS, START_MS + DAY_MS, 500_000), (START_MS + DAY_MS, START_MS + 6 * DAY_MS, 1_000_000)]
}

impl Model {
    pub fn opened() -> Model {
        Model {
            now_ms: START_MS,
            paused: false,
            quota: 11,
            vaccine_quota: 2,
            places: places(),
            kept: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    fn active(&self, accept: impl Fn(&Kept) -> bool) -> u32 {
        self.kept.iter().filter(|kept| kept.state.is_active() && accept(kept)).count() as u32
    }

    pub fn pass_time(&mut self, at_ms: u64) {
        self.now_ms = self.now_ms.max(at_ms);
        for kept in &mut self.kept {
            if kept.state == BookingState::Held && kept.ends_ms <= self.now_ms {
                kept.state = BookingState::Lapsed;
            }
        }
    }

    pub fn apply(&mut self, body: &Body) -> Result<Outcome, (Reason, u64)> {
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

    fn set_places(
        &mut self,
        slot: u32,
        capacity: Option<u32>,
        withdrawn: Option<u32>,
    ) -> Result<Outcome, (Reason, u64)> {
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
            self.kept
                .iter()
                .filter(move |kept| kept.state.is_active() && kept.person == person && kept.dose == dose)
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
            BookingState::NoShow => return Err((Reason::BookingMissed, 0)),
            BookingState::Held | BookingState::Offered => kept.state = BookingState::Booked,
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
            BookingState::Held | BookingState::Offered => Err((Reason::BookingNotConfirmed, 0)),
            BookingState::Used => Err((Reason::BookingUsed, 0)),
            BookingState::Cancelled => Err((Reason::BookingCancelled, 0)),
            BookingState::Lapsed => Err((Reason::HoldLapsed, 0)),
            BookingState::NoShow => Err((Reason::BookingMissed, 0)),
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
