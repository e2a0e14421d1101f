//! What a drill replays, as data: the room, the campaign, the crowd and the operator's evening.
//! Shared by the simulated and the live drill.
//!
//! Must never decide how anything is run. Figures of 2021 come from [`crate::history`]; where no
//! source gives one, the field says that it is assumed. Start at [`Scenario`].

use jari_core::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::ids::{CampaignId, RoomId, VaccineId};
use jari_core::waiting_room::{Pace, RoomConfig};
use jari_core::{Time, time::Date};

use crate::history::{self, Evening};

mod evenings;
mod rehearsal;

pub use evenings::{AUGUST, JULY};
pub use rehearsal::Rehearsal;

/// The drill's room.
pub const ROOM: RoomId = RoomId(1);
/// The drill's campaign.
pub const CAMPAIGN: CampaignId = CampaignId(1);
/// Korea's clock, minutes ahead of UTC.
pub const UTC_OFFSET_MIN: i16 = 9 * 60;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;
/// Provinces and cities with their own vaccination plan.
const REGIONS: [&str; 17] = [
    "서울", "부산", "대구", "인천", "광주", "대전", "울산", "세종", "경기", "강원", "충북", "충남", "전북",
    "전남", "경북", "경남", "제주",
];

/// One evening to replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The drill's name.
    pub name: &'static str,
    /// What happened then.
    pub evening: &'static Evening,
    /// When the room opens.
    pub opens_at: Time,
    /// Seconds that the lobby is open before.
    pub lobby_s: u32,
    /// Seconds after the opening at which the drill ends.
    pub ends_s: u32,
    /// Each person has one ticket, found again from any device.
    pub identity_bound: bool,
    /// Who comes, and when.
    pub crowd: Crowd,
    /// What they do.
    pub habits: Habits,
    /// What there is to give.
    pub places: Places,
    /// How fast people are let in.
    pub pace: Pace,
    /// What the service behind the room carries.
    pub service: Service,
    /// What a node carries.
    pub node: NodeModel,
    /// What happens in the evening, in order.
    pub script: &'static [Act],
}

/// Who comes, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Crowd {
    /// People who may book.
    pub eligible: u32,
    /// The part of them that comes at all (assumed).
    pub come: f64,
    /// The part of those who come before the opening, in a ramp that steepens towards it.
    pub early: f64,
    /// The part that comes within [`Crowd::RUSH_S`] of the opening.
    pub rush: f64,
    /// The others come with a rate that falls by the factor e in so many seconds.
    pub tail_mean_s: f64,
    /// Shares of people with one, two, three and four devices.
    pub devices: [f64; 4],
}

impl Crowd {
    /// "Within one or two seconds", as the engineers put it.
    pub const RUSH_S: f64 = 2.0;
}

/// Shares of people by what they do; who does nothing special just waits. All assumed but for
/// their kinds, which were all seen in 2021.
#[derive(Debug, Clone, PartialEq)]
pub struct Habits {
    /// Loads the page again and again.
    pub reloads: f64,
    /// Gives up when the patience ends.
    pub gives_up: f64,
    /// Closes the page after a while and comes back to it later.
    pub returns: f64,
    /// Reads the expected wait, closes the page and comes back about then.
    pub comes_when_called: f64,
    /// Patience before giving up or going away, seconds, on average.
    pub patience_mean_s: f64,
    /// Enters or holds before the opening: a deep link, a changed clock.
    pub early_birds: f64,
    /// Makes up ticket numbers.
    pub forgers: f64,
    /// Tries to enter before being called.
    pub pushers: f64,
    /// Uses a pass again for somebody else.
    pub replayers: f64,
    /// Books on a second device as well.
    pub double_bookers: f64,
    /// Sends everything twice with the same id.
    pub repeaters: f64,
    /// Sends another request under an id used before.
    pub id_reusers: f64,
    /// Shares a pass with a friend.
    pub sharers: f64,
    /// Confirms after the hold has lapsed.
    pub late_confirmers: f64,
    /// Is not in the age group.
    pub wrong_age: f64,
    /// Comes on another birth digit's day; only where there are such days.
    pub wrong_day: f64,
    /// Cancels a booking later in the evening.
    pub cancels: f64,
    /// Stays in line after being told that supply will not reach them.
    pub stays_when_told: f64,
}

/// What there is to give.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// People that the campaign is for, as announced beforehand.
    pub quota: u32,
    /// Clinics.
    pub clinics: u32,
    /// Slots of a clinic.
    pub slots: u32,
    /// Places of a slot.
    pub slot_places: u32,
    /// The first day on which doses are given.
    pub first_day: (i32, u32, u32),
    /// The first birth date of the age group.
    pub born_from: (i32, u32, u32),
    /// The last birth date of the age group.
    pub born_until: (i32, u32, u32),
    /// The birth digit of the first evening, where there are birth-digit days.
    pub digit: Option<u8>,
}

/// What the service behind the room carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Steps (a page, a hold, a confirmation) a second.
    pub steps_per_s: u32,
    /// A step without any queue, milliseconds.
    pub step_ms: u32,
    /// A step that would take longer fails, milliseconds.
    pub patience_ms: u32,
}

/// What one node carries, as the model has it; the live drill measures the real one.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeModel {
    /// Requests that become commands, a second.
    pub commands_per_s: u32,
    /// Requests that may wait.
    pub mailbox_max: u32,
    /// What turning a request away costs, as a part of carrying one out (assumed).
    pub refusal_cost: f64,
    /// A restart without replay, milliseconds.
    pub restart_ms: u32,
    /// Commands replayed a second.
    pub replays_per_s: u32,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Act {
    /// Seconds after the opening.
    pub at_s: i32,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// The room is paused with a public reason.
    Pause(&'static str),
    /// The room goes on.
    Resume,
    /// The quota is changed with a public reason.
    Quota(u32, &'static str),
    /// The room is closed with a public reason.
    Close(&'static str),
    /// The service behind carries only this part of its best from now on.
    ServiceAt(f64),
    /// The process is killed.
    Crash(Crash),
    /// For so many seconds, so many times the node's capacity comes on top.
    Flood {
        /// Seconds.
        seconds: u32,
        /// Times the node's capacity.
        times: f64,
    },
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Power cut between two batches; of unsynced writes a prefix is left.
    PowerBetween,
    /// Power cut while a batch is being written; any sectors of it are left.
    PowerDuring,
    /// Killed (`kill -9`) after a batch is durable and before anyone is answered.
    KillBeforeAnswers,
    /// A failed fsync, after which nothing is known and the process ends itself.
    SyncFails,
}

impl Crash {
    /// In a few words, for marks and reports.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Crash::PowerBetween => "power cut",
            Crash::PowerDuring => "power cut in a write",
            Crash::KillBeforeAnswers => "kill -9",
            Crash::SyncFails => "disk error",
        }
    }
}

/// A number of people or things at a scale; never 0 unless it was.
#[must_use]
pub fn scaled(whole: u32, scale: f64) -> u32 {
    if whole == 0 { 0 } else { ((f64::from(whole) * scale).round() as u32).max(1) }
}

impl Scenario {
    /// All evenings.
    pub const ALL: [&'static Scenario; 2] = [&JULY, &AUGUST];

    /// The room's settings at a scale, behind a draw whose seed has this SHA-256.
    #[must_use]
    pub fn room(&self, scale: f64, commitment: [u8; 32]) -> RoomConfig {
        RoomConfig {
            name: "사전예약 대기실".into(),
            opens_at: self.opens_at,
            commitment,
            campaign: Some(CAMPAIGN),
            awaits_beacon: false,
            identity_bound: self.identity_bound,
            fails_open: false,
            bookings_per_pass: 1,
            pace: Pace {
                entries_per_minute_max: scaled(self.pace.entries_per_minute_max, scale),
                passes_max: scaled(self.pace.passes_max, scale),
                ..self.pace
            },
        }
    }

    /// The campaign's settings at a scale.
    #[must_use]
    pub fn campaign(&self, scale: f64) -> CampaignConfig {
        let quota = scaled(self.places.quota, scale);
        let date = |(year, month, day)| Date::from_civil(year, month, day).unwrap_or_default();
        CampaignConfig {
            name: "코로나19 예방접종".into(),
            room: Some(ROOM),
            quota,
            vaccines: vec![Vaccine { name: "mRNA".into(), quota: u32::MAX }],
            rules: Rules {
                version: 1,
                born_from: date(self.places.born_from),
                born_until: date(self.places.born_until),
                doses: 1,
                dose_interval_days: 0,
            },
            windows: self.windows(),
            hold_ms: 5 * MINUTE_MS as u32,
            utc_offset_min: UTC_OFFSET_MIN,
            reminder_ms: 0,
        }
    }

    /// One window for everyone, or ten birth-digit days of 22 hours with even shares.
    fn windows(&self) -> Vec<Window> {
        let Some(first) = self.places.digit else {
            let closes_at = self.opens_at.plus_ms(DAY_MS);
            return vec![Window { opens_at: self.opens_at, closes_at, digits: 0x3ff, share_ppm: 1_000_000 }];
        };
        let day = |number: u8| {
            let opens_at = self.opens_at.plus_ms(u64::from(number) * DAY_MS);
            let closes_at = opens_at.plus_ms(22 * 60 * MINUTE_MS);
            let digits = 1 << ((first + number) % 10);
            Window { opens_at, closes_at, digits, share_ppm: 100_000 * (u32::from(number) + 1) }
        };
        (0..10).map(day).collect()
    }

    /// How many clinics there are at a scale.
    #[must_use]
    pub fn clinics(&self, scale: f64) -> u32 {
        scaled(self.places.clinics, scale).max(10)
    }

    /// What the public may know of clinic `number`.
    #[must_use]
    pub fn clinic(&self, number: u32) -> ClinicConfig {
        let region = REGIONS[number as usize % REGIONS.len()];
        ClinicConfig {
            name: format!("{region} 의원 {number}").into(),
            address: format!("{region} 중앙로 {number}").into(),
            region: region.into(),
            district: format!("{}구", number / REGIONS.len() as u32 % 15).into(),
            postcode: format!("{:05}", number % 100_000).into(),
            telephone: "".into(),
            latitude_e6: 37_000_000,
            longitude_e6: 127_000_000,
        }
    }

    /// The slots of every clinic, one a day from the first day on, so that the whole has the
    /// announced number of places at any scale.
    #[must_use]
    pub fn slots(&self) -> Vec<SlotSpec> {
        let (year, month, day) = self.places.first_day;
        let first = Date::from_civil(year, month, day).unwrap_or_default();
        let slot = |number: u32| SlotSpec {
            // Nine in the morning in Korea is midnight in UTC.
            starts_at: Time((i64::from(first.0) as u64 + u64::from(number)) * DAY_MS),
            vaccine: VaccineId(0),
            capacity: self.places.slot_places,
        };
        (0..self.places.slots).map(slot).collect()
    }

    /// People who come, at a scale.
    #[must_use]
    pub fn people(&self, scale: f64) -> u32 {
        scaled((f64::from(self.crowd.eligible) * self.crowd.come) as u32, scale)
    }
}

/// The evening of a name.
#[must_use]
pub fn describe(name: &str) -> Option<&'static Scenario> {
    Scenario::ALL.into_iter().find(|scenario| scenario.name == name)
}

/// Facts of 2021 that both evenings rest on.
const fn evening(july: bool) -> &'static Evening {
    if july { &history::EVENING_2021_07_14 } else { &history::EVENING_2021_08_09 }
}
