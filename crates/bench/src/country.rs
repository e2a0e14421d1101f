//! A country to measure on: clinics, slots, and people who book them one after another.
//!
//! It only makes commands; whoever measures takes them through the bare machine or through
//! an engine with its journal. The same seed makes the same commands.

use jari_core::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::ids::{
    BookingId, CampaignId, ChannelId, ClinicId, CommandId, DeskId, PersonId, RoomId, SlotId, VaccineId,
};
use jari_core::time::Date;
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Command, Outcome, Time};

use crate::random::{Random, spread_wide};

/// The campaign that everyone books in.
pub const CAMPAIGN: CampaignId = CampaignId(1);
/// The room that everyone waits in.
pub const ROOM: RoomId = RoomId(1);
/// What the room's draw is made from.
pub const ROOM_SEED: [u8; 32] = [7; 32];
/// The birth date of everyone.
pub const BIRTH: Date = Date(-1_000);

const DAY_MS: u64 = 86_400_000;
const SLOTS_PER_CLINIC: u32 = 160;
const PLACES_PER_SLOT: u32 = 100;

/// How large it is.
#[derive(Copy, Clone, Debug)]
pub struct Country {
    /// Clinics, each with 160 slots of 100 places.
    pub clinics: u32,
}

impl Country {
    /// One with about eight places for each of `bookings`, so that few meet a full slot;
    /// at most 5,000 clinics.
    #[must_use]
    pub fn for_bookings(bookings: u64) -> Country {
        let places = u64::from(SLOTS_PER_CLINIC * PLACES_PER_SLOT);
        Country { clinics: (bookings * 8 / places + 1).min(5_000) as u32 }
    }

    /// How many slots there are, numbered from 0.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.clinics * SLOTS_PER_CLINIC
    }

    /// Everything but people, with booking open to everyone from `at` for thirty days.
    #[must_use]
    pub fn founding(&self, at: Time) -> Vec<Command> {
        let mut bodies = vec![Body::CreateCampaign { campaign: CAMPAIGN, config: Box::new(campaign(at)) }];
        for clinic in 0..self.clinics {
            let slot = |number: u32| SlotSpec {
                starts_at: at.plus_ms(DAY_MS * 40 + u64::from(number) * 600_000),
                vaccine: VaccineId((number % 2) as u16),
                capacity: PLACES_PER_SLOT,
            };
            bodies.push(Body::AddClinic { config: Box::new(a_clinic()) });
            bodies.push(Body::AddDesk { campaign: CAMPAIGN, clinic: ClinicId(clinic) });
            bodies.push(Body::AddSlots {
                desk: DeskId(clinic),
                slots: (0..SLOTS_PER_CLINIC).map(slot).collect(),
            });
        }
        bodies.into_iter().map(plain).collect()
    }
}

/// A command that needs no memory.
#[must_use]
pub fn plain(body: Body) -> Command {
    Command { id: CommandId(0), body }
}

/// Makes a room that opens at `opens_at`; people without an identity may join unless it is
/// `identity_bound`.
#[must_use]
pub fn create_room(opens_at: Time, identity_bound: bool, entries_per_minute_max: u32) -> Command {
    let pace = Pace {
        entries_per_minute_max,
        passes_max: 100_000,
        pass_ttl_ms: 600_000,
        latency_goal_ms: 0,
        error_goal_ppm: 1_000_000,
    };
    let config = RoomConfig {
        name: "The line".into(),
        opens_at,
        commitment: draw::commitment(&ROOM_SEED),
        campaign: Some(CAMPAIGN),
        awaits_beacon: false,
        identity_bound,
        fails_open: false,
        bookings_per_pass: 4,
        pace,
    };
    plain(Body::CreateRoom { room: ROOM, config: Box::new(config) })
}

/// Reveals the room's draw.
#[must_use]
pub fn draw_room() -> Command {
    plain(Body::DrawRoom { room: ROOM, seed: ROOM_SEED, beacon: [0; 32] })
}

fn campaign(at: Time) -> CampaignConfig {
    let vaccine = |name: &str| Vaccine { name: name.into(), quota: u32::MAX };
    let window =
        Window { opens_at: at, closes_at: at.plus_ms(30 * DAY_MS), digits: 0x3ff, share_ppm: 1_000_000 };
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
        windows: vec![window],
        hold_ms: 300_000,
        utc_offset_min: 540,
        reminder_ms: 0,
    }
}

fn a_clinic() -> ClinicConfig {
    ClinicConfig {
        name: "Hanbit Clinic".into(),
        address: "12 Example Road".into(),
        region: "Seoul".into(),
        district: "Jongno".into(),
        postcode: "03001".into(),
        telephone: "02-000-0000".into(),
        latitude_e6: 37_500_000,
        longitude_e6: 127_000_000,
    }
}

/// A person's id.
#[must_use]
pub fn person(number: u64) -> PersonId {
    PersonId(spread_wide(number))
}

/// People who book, one after another.
#[derive(Clone, Debug)]
pub struct Crowd {
    random: Random,
    slots: u32,
    next: u64,
    remembered: bool,
}

impl Crowd {
    /// People for a country. Each command has an id that is remembered, unless that is
    /// turned off.
    #[must_use]
    pub fn new(country: Country, seed: u64, remembered: bool) -> Crowd {
        Crowd { random: Random::new(seed), slots: country.slots(), next: 0, remembered }
    }

    /// Books `count` places, batch by batch, each hold confirmed in the next batch, a
    /// millisecond apart. `turn` takes a batch through the machine and answers it.
    ///
    /// # Errors
    ///
    /// What `turn` could not do.
    pub fn book<E>(
        &mut self,
        count: u64,
        mut at: Time,
        mut turn: impl FnMut(&[Command], Time) -> Result<Vec<Outcome>, E>,
    ) -> Result<Time, E> {
        const BATCH: u64 = 4_096;
        let mut booked = 0;
        let mut held: Vec<(BookingId, PersonId)> = Vec::new();
        while booked < count {
            let wanted = BATCH.min(count - booked - held.len() as u64);
            let mut commands: Vec<Command> = Vec::with_capacity(held.len() + wanted as usize + 1);
            for (booking, person) in held.drain(..) {
                commands.push(self.command(Body::Confirm { booking, person }));
            }
            commands.extend((0..wanted).map(|_| self.hold()));
            at = at.plus_ms(1);
            let outcomes = turn(&commands, at)?;
            for (command, outcome) in commands.iter().zip(outcomes) {
                match (outcome, &command.body) {
                    (Outcome::Held { booking, .. }, Body::Hold { person, .. }) => {
                        held.push((booking, *person))
                    }
                    (Outcome::Confirmed { .. }, _) => booked += 1,
                    (outcome, _) => assert!(outcome.refusal().is_some(), "a booking came to {outcome:?}"),
                }
            }
        }
        Ok(at)
    }

    fn hold(&mut self) -> Command {
        let person = person(self.next);
        self.next += 1;
        let slot = SlotId(self.random.below(u64::from(self.slots)) as u32);
        let channel = ChannelId::OWN_SITE;
        self.command(Body::Hold { slot, person, birth: BIRTH, dose: 1, entry: None, channel })
    }

    fn command(&mut self, body: Body) -> Command {
        let random = u128::from(self.random.bits()) << 64 | u128::from(self.random.bits());
        Command { id: CommandId(if self.remembered { random } else { 0 }), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jari_core::{State, step};

    #[test]
    fn as_many_are_booked_as_were_asked_for() {
        let country = Country::for_bookings(10_000);
        let mut state = State::new();
        for command in country.founding(Time(1_000)) {
            assert_eq!(step(&mut state, &command, Time(1_000)).refusal(), None);
        }
        let mut crowd = Crowd::new(country, 1, true);
        let turn = |commands: &[Command], at| {
            Ok::<_, ()>(commands.iter().map(|command| step(&mut state, command, at)).collect())
        };
        crowd.book(10_000, Time(1_000), turn).unwrap();
        let booked = state.data().campaigns[&CAMPAIGN].supply.booked;
        assert_eq!(booked, 10_000);
    }
}
