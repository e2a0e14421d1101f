//! An opening that is still to come, with an operator's own figures.
//!
//! Who comes and what they do is as in July 2021; one crash and one flood are in it, because an evening
//! without either proves nothing. Start at [`Rehearsal::scenario`].

use jari_core::waiting_room::Pace;

use super::{Act, Crash, Crowd, JULY, Places, Scenario, Service, What, evenings};
use crate::history::{Evening, Wait};

/// More people than this are played by a part of them, with everything that carries made smaller alike.
const PEOPLE_PLAYED_MAX: u32 = 60_000;
/// The times of a clinic.
const SLOTS: u32 = 12;

/// An operator's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// People who come.
    pub people: u32,
    /// Places to be given.
    pub places: u32,
    /// Entries a minute at the most.
    pub entries_per_minute: u32,
    /// People inside at once at the most.
    pub inside_max: u32,
    /// How long a turn lasts, milliseconds.
    pub turn_ms: u32,
    /// Each person has one ticket, found again from any device.
    pub identity_bound: bool,
    /// The opening, in seconds after midnight.
    pub opening_s: u32,
}

impl Rehearsal {
    /// The part of the people that is played.
    #[must_use]
    pub fn scale(&self) -> f64 {
        (f64::from(PEOPLE_PLAYED_MAX) / f64::from(self.people.max(1))).min(1.0)
    }

    /// The evening to simulate. It lives as long as the process, which ends with it.
    #[must_use]
    pub fn scenario(&self) -> &'static Scenario {
        let clinics = (self.places / (SLOTS * 10)).clamp(10, 20_000);
        let slot_places = self.places.div_ceil(clinics * SLOTS).max(1);
        let entries = self.entries_per_minute.max(1);
        // Each who enters takes some four steps of the service behind.
        let steps_per_s = (f64::from(entries) / 60.0 * 4.4).ceil() as u32;
        // Until everybody was let in for whom there can be a place, and half as long again.
        let minutes = self.people.min(self.places.saturating_mul(2)) / entries;
        let ends_s = (minutes.saturating_mul(90) + 1_800).clamp(2_700, 21_600);
        let script: Vec<Act> = vec![
            Act { at_s: 60, what: What::Crash(Crash::KillBeforeAnswers) },
            Act { at_s: 300, what: What::Flood { seconds: 15, times: 10.0 } },
            Act { at_s: ends_s as i32 - 900, what: What::Close("오늘 예약을 마감합니다") },
        ];
        Box::leak(Box::new(Scenario {
            name: "rehearsal",
            evening: Box::leak(Box::new(self.evening())),
            lobby_s: 1_800,
            ends_s,
            identity_bound: self.identity_bound,
            crowd: Crowd { eligible: self.people, come: 1.0, ..JULY.crowd.clone() },
            places: Places { quota: self.places, clinics, slots: SLOTS, slot_places, ..JULY.places.clone() },
            pace: Pace {
                entries_per_minute_max: entries,
                passes_max: self.inside_max.max(1),
                pass_ttl_ms: self.turn_ms,
                ..JULY.pace
            },
            service: Service { steps_per_s: steps_per_s.max(10), ..evenings::SERVICE },
            script: Box::leak(script.into_boxed_slice()),
            ..JULY
        }))
    }

    fn evening(&self) -> Evening {
        Evening {
            drill: "rehearsal",
            about: "A rehearsal of an opening that is still to come: the operator's own places and pace, and a crowd \
                    that behaves as that of July 2021 did. A process is killed after one minute and ten times the \
                    load of a node comes after five, on purpose.",
            opening_s: self.opening_s,
            eligible: self.people.into(),
            booked: (0, 0.0),
            wait: Wait::Mean(0.0),
            hardly_reachable_s: None,
            first_half_hour_share: None,
        }
    }
}
