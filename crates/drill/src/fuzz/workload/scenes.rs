//! What a seed is about: mostly the whole country, and in some seeds one place where it is
//! crowded.
//!
//! In a country where everyone does everything, little happens often enough in one place: an
//! offer lasts longer than such a run, and no crowd presses a door for long. So a few seeds are
//! afternoons at a clinic, where minutes pass in a moment and hardly anything is done but to hold
//! places, stand by and be offered some; and a few are a slow door, at which a line and the
//! telephone press together.
//!
//! It must never change what another seed does: a scene is drawn from the seed by itself, and has
//! chance of its own. Start reading at [`Scene::of`].

use std::collections::VecDeque;

use jari_core::booking::Window;
use jari_core::ids::{CampaignId, ChannelId, DeskId, PersonId, Serial};
use jari_core::waiting_room::Pace;
use jari_core::{Body, Command, Outcome, Reason, Time};

use super::{FREE, Workload, pick};
use crate::fuzz::country::{DAY_MS, START_MS};
use crate::fuzz::faults::Fault;
use crate::fuzz::plan::Plan;
use crate::simulate::random::Random;

/// Makes the draw of scenes another one than that of plans.
const DRAW: u64 = 0x5ce0_e5ce_0e5c_e0e5;
/// Of a hundred seeds, so many are afternoons at a clinic, and so many a slow door.
const CLINICS: u32 = 8;
const DOORS: u32 = 4;

const MINUTE_MS: u32 = 60_000;
/// The campaign of the clinic, which has no room, and its desks.
const CAMPAIGN: CampaignId = CampaignId(1);
const DESKS: u32 = 2;

/// See the module's documentation.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Scene {
    /// Everybody does everything.
    Country,
    /// An afternoon at a clinic: people stand by, hold places, and are offered others.
    Clinic,
    /// A slow door, pressed by those in line and by those on the telephone.
    Door,
}

impl Scene {
    /// The scene of a seed, and its chance.
    #[must_use]
    pub fn of(seed: u64) -> (Scene, Random) {
        let mut random = Random::new(seed ^ DRAW);
        let scene = match random.below(100) {
            number if number < CLINICS => Scene::Clinic,
            number if number < CLINICS + DOORS => Scene::Door,
            _ => Scene::Country,
        };
        (scene, random)
    }

    /// Changes of a plan what the scene needs otherwise. Its troubles stay.
    pub fn shape(self, plan: &mut Plan, random: &mut Random) {
        plan.scene = self;
        // Desks and agents are known to the newest rules only.
        plan.old_builds &= self == Scene::Country;
        match self {
            Scene::Country => {}
            Scene::Clinic => {
                plan.people = 8;
                plan.troubles.extend([Fault::QuietHours, Fault::FlushFailed, Fault::PowerCut]);
                plan.quiet_ms_max = 20 * MINUTE_MS;
                plan.snapshot_every = 15 + random.below(40);
                plan.segment_bytes_max = 2_048;
            }
            Scene::Door => {
                plan.clients = 5;
                plan.busy_ms = 20_000 + u64::from(random.below(10_000));
                plan.pause_ms = random.between(60.0, 160.0);
            }
        }
    }

    /// How much of what the first client asks is an operator's.
    #[must_use]
    pub fn operators_part(self) -> f64 {
        if self == Scene::Country { 0.8 } else { 0.2 }
    }

    /// Changes of what the operator sets up what the scene needs otherwise.
    pub fn arrange(self, script: &mut VecDeque<Body>, random: &mut Random) {
        match self {
            Scene::Country => {}
            Scene::Clinic => script.iter_mut().for_each(|body| arrange_clinic(body, random)),
            Scene::Door => {
                script.retain(|body| !matches!(body, Body::SetAgentShare { room: FREE, .. }));
                script.iter_mut().for_each(|body| arrange_door(body, random));
                let permille = 300 + random.below(201);
                script.push_back(Body::SetAgentShare { room: FREE, permille, reason: "calls".into() });
            }
        }
    }
}

/// Places of today and of later, enough for everybody, and holds that last.
fn arrange_clinic(body: &mut Body, random: &mut Random) {
    match body {
        Body::CreateCampaign { campaign: CAMPAIGN, config } => {
            config.room = None;
            config.quota = 60;
            config.vaccines.iter_mut().for_each(|vaccine| vaccine.quota = 30);
            config.hold_ms = MINUTE_MS * (1 + random.below(10));
            let (opens_at, closes_at) = (Time(START_MS), Time(START_MS + 2 * DAY_MS));
            config.windows = vec![Window { opens_at, closes_at, digits: 0x3ff, share_ppm: 1_000_000 }];
        }
        Body::AddSlots { desk, slots } if desk.0 < DESKS => {
            for slot in slots {
                let hour_ms = 60 * MINUTE_MS;
                slot.starts_at = Time(START_MS - u64::from(hour_ms) + u64::from(random.below(6 * hour_ms)));
                slot.capacity = 1 + random.below(3);
            }
        }
        _ => {}
    }
}

/// A room that is open from the beginning, has no lobby and lets in one to four a second, with
/// passes for everybody.
fn arrange_door(body: &mut Body, random: &mut Random) {
    let Body::CreateRoom { room: FREE, config } = body else { return };
    config.opens_at = Time(START_MS);
    config.awaits_beacon = false;
    config.campaign = None;
    config.pace = Pace {
        entries_per_minute_max: 60 + random.below(180),
        passes_max: 400,
        pass_ttl_ms: MINUTE_MS,
        ..config.pace
    };
}

impl Workload {
    /// What somebody asks who does not operate the service.
    pub(super) fn wish(&self, random: &mut Random) -> Body {
        let of_scene = match self.scene {
            Scene::Country => None,
            Scene::Clinic => self.at_clinic(random),
            Scene::Door => self.at_door(random),
        };
        of_scene.unwrap_or_else(|| self.citizen(random))
    }

    /// Somebody was let in, or will never be: those behind are next.
    pub(super) fn line_moves(&mut self, command: &Command, outcome: Outcome) {
        let Body::Enter { room: FREE, serial } = command.body else { return };
        let spent = outcome.refusal().is_some_and(|refusal| refusal.reason == Reason::TicketSpent);
        if spent || matches!(outcome, Outcome::Entered { .. }) {
            self.next_in_line = self.next_in_line.max(serial.0 + 1);
        }
    }

    fn at_clinic(&self, random: &mut Random) -> Option<Body> {
        let (person, birth) = self.person(random);
        Some(match random.below(20) {
            0..6 => {
                let (desk, minutes) =
                    (DeskId(random.below(DESKS)), [5, 10, 10, 60][random.below(4) as usize]);
                Body::Standby { desk, person, birth, dose: 1, minutes }
            }
            6..10 => {
                let offer_ms = MINUTE_MS * 3 + random.below(MINUTE_MS * 5);
                Body::OfferLeftover { slot: self.slot(random), places: 1 + random.below(2), offer_ms }
            }
            10..14 => {
                let (slot, channel) = (self.slot(random), ChannelId::OWN_SITE);
                Body::Hold { slot, person, birth, dose: 1, entry: None, channel }
            }
            // Whoever has a place stands by no more: so places are given back all the time.
            14..17 => {
                let (booking, person) = pick(&self.bookings, random)?;
                Body::Cancel { booking, person }
            }
            _ => return None,
        })
    }

    fn at_door(&self, random: &mut Random) -> Option<Body> {
        Some(match random.below(20) {
            0..2 => Body::Join { room: FREE, count: 4 + random.below(8) },
            2..10 => {
                let serial = Serial(self.next_in_line.saturating_sub(2) + random.below(5));
                Body::Enter { room: FREE, serial }
            }
            // Nobody telephones twice.
            10..17 => Body::EnterByAgent { room: FREE, person: PersonId(u128::from(random.bits())) },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::{Run, run};

    /// The runs of the first seeds of a scene.
    fn runs_of(scene: Scene, count: usize) -> Vec<Run> {
        (1..).filter(|seed| Scene::of(*seed).0 == scene).take(count).map(run).collect()
    }

    fn came_to(runs: &[Run], kind: &str) -> u64 {
        runs.iter().map(|run| run.came_to.get(kind).copied().unwrap_or(0)).sum()
    }

    #[test]
    fn most_seeds_are_the_country_and_some_are_one_place() {
        let count = |scene| (1..=1_000).filter(|seed| Scene::of(*seed).0 == scene).count();
        let (country, clinic, door) = (count(Scene::Country), count(Scene::Clinic), count(Scene::Door));
        assert_eq!(country + clinic + door, 1_000);
        assert!((840..920).contains(&country) && clinic >= 50 && door >= 20, "{country} {clinic} {door}");
    }

    #[test]
    fn at_a_clinic_places_are_offered_while_others_are_held_and_minutes_pass() {
        let runs = runs_of(Scene::Clinic, 4);
        assert!(runs.iter().all(|run| run.violation.is_none()), "{runs:?}");
        for kind in ["held", "standing_by", "offered", "already_booked"] {
            assert!(came_to(&runs, kind) >= 20, "{kind}: {}", came_to(&runs, kind));
        }
        let quiet: u64 = runs.iter().map(|run| run.counts.of(Fault::QuietHours)).sum();
        assert!(quiet >= 8, "{quiet}");
    }

    #[test]
    fn at_a_door_the_line_and_the_telephone_press_beyond_the_pace() {
        let runs = runs_of(Scene::Door, 4);
        assert!(runs.iter().all(|run| run.violation.is_none()), "{runs:?}");
        for kind in ["entered", "entered_by_agent"] {
            assert!(came_to(&runs, kind) >= 40, "{kind}: {}", came_to(&runs, kind));
        }
        // More are sent back than let in.
        let refused = came_to(&runs, "busy") + came_to(&runs, "not_called");
        assert!(refused > came_to(&runs, "entered"), "{refused}");
    }
}
