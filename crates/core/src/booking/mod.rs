//! Bookings: campaigns, clinics, slots, holds.
//!
//! A campaign gives places away. A clinic takes part in it through a *desk*; a desk has
//! slots; a slot has places. A person holds a place for a few minutes, then confirms.
//! At every moment, for every slot, desk, vaccine and campaign:
//! capacity = free + held + booked + used + withdrawn.
//!
//! It must never give a place twice, give a person two active bookings for one
//! campaign and dose, or let a lapsed hold keep its place.
//!
//! Start reading at [`Campaign`] and [`Booking`], then `handle` (the list of commands)
//! and `hold`, where nearly all rules meet; `desk` is what a clinic does with those who come,
//! `standby` with what they leave, `proxies` who books for somebody else, `agenda` finds who is expected at a slot, `lapses` and `reminders` are what time does.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::command::Text;
use crate::ids::{CampaignId, ChannelId, ClinicId, DeskId, PersonId, RoomId, Serial, VaccineId};
use crate::time::{Date, Time};

mod agenda;
mod campaign;
mod change;
mod contact;
mod course;
mod desk;
mod directory;
mod handle;
mod hold;
mod lapses;
mod ledger;
mod pass;
mod proxies;
mod reminders;
mod standby;
mod windows;

pub(crate) use agenda::{Agenda, is_listed};
pub(crate) use change::campaign_of_slot;
pub(crate) use handle::{advance, handle, touch};
pub(crate) use lapses::Lapses;
pub use proxies::Proxied;
pub(crate) use proxies::{ProxyIndex, is_pending};
pub use reminders::Reminded;
pub(crate) use reminders::Reminders;
pub(crate) use standby::StandbyIndex;
pub use standby::{Offering, Standby, StandbyKey, Standbys};

/// Settings of a campaign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CampaignConfig {
    /// What people call it.
    pub name: Text,
    /// The room that everyone passes through, if any.
    pub room: Option<RoomId>,
    /// How many people it is for: places held, booked and used together never exceed it.
    pub quota: u32,
    /// The vaccines, in the order of their numbers.
    pub vaccines: Vec<Vaccine>,
    /// Who may book.
    pub rules: Rules,
    /// When booking is open and for whom, in order of their openings.
    pub windows: Vec<Window>,
    /// How long a hold lasts.
    pub hold_ms: u32,
    /// The clock of the place where the campaign happens, minutes ahead of UTC.
    pub utc_offset_min: i16,
    /// How long before the appointment people are reminded of it; 0 for never, as in every
    /// campaign of before rules 3.
    pub reminder_ms: u32,
}

/// By this hash commands are remembered, in snapshots too: a campaign without reminders has the
/// one that it had before there were any.
impl Hash for CampaignConfig {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let CampaignConfig {
            name,
            room,
            quota,
            vaccines,
            rules,
            windows,
            hold_ms,
            utc_offset_min,
            reminder_ms,
        } = self;
        (name, room, quota, vaccines).hash(state);
        (rules, windows, hold_ms, utc_offset_min).hash(state);
        if *reminder_ms != 0 {
            reminder_ms.hash(state);
        }
    }
}

/// A vaccine of a campaign.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Vaccine {
    /// Its name.
    pub name: Text,
    /// How many doses of it may be held, booked and used together.
    pub quota: u32,
}

/// Who may book. Versioned: a decision can be explained by the version that made it.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Rules {
    /// Grows with every change.
    pub version: u32,
    /// The first birth date that may book.
    pub born_from: Date,
    /// The last birth date that may book.
    pub born_until: Date,
    /// Doses of the course, from 1.
    pub doses: u8,
    /// Days from one dose to the next at the least.
    pub dose_interval_days: u16,
}

/// A stretch of time in which booking is open to some.
///
/// Supply is split by `share_ppm`: while the window is open, the places held, booked and
/// used of the campaign and of each desk stay within that part of its quota or capacity
/// (rounded up for a desk). Even shares for ten birth-digit days are 100,000, 200,000, ...
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Window {
    /// From when.
    pub opens_at: Time,
    /// Until when (excluded).
    pub closes_at: Time,
    /// Birth digits that may book: bit n stands for digit n; 0x3ff is everyone.
    pub digits: u16,
    /// The part of the supply given away by the end of the window, parts per million.
    pub share_ppm: u32,
}

/// Places of a slot, a desk, a vaccine or a campaign, by what became of them.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Supply {
    /// All places there are.
    pub capacity: u32,
    /// Held for a few minutes, or offered.
    pub held: u32,
    /// Booked.
    pub booked: u32,
    /// Used: the person came.
    pub used: u32,
    /// Taken out of use.
    pub withdrawn: u32,
}

impl Supply {
    /// Places held, booked and used.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.held + self.booked + self.used
    }

    /// Places that can be held.
    ///
    /// # Panics
    ///
    /// If more is taken and withdrawn than there is: the invariant that nothing is given
    /// twice.
    #[must_use]
    pub fn free(&self) -> u32 {
        let gone = self.taken() + self.withdrawn;
        assert!(gone <= self.capacity, "more places given than there are");
        self.capacity - gone
    }
}

/// A vaccination campaign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Campaign {
    /// Its settings.
    pub config: CampaignConfig,
    /// The public reason while it is paused.
    pub paused: Option<Text>,
    /// Whether it is over.
    pub closed: bool,
    /// All its places.
    pub supply: Supply,
    /// Its places by vaccine, in the order of the vaccines.
    pub by_vaccine: Vec<Supply>,
    /// Bookings ever confirmed, cancelled ones included.
    pub confirmed: u64,
    /// Holds that lapsed.
    pub lapsed: u64,
}

impl Campaign {
    /// Places that can still be given: free ones, as far as the quota reaches.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.supply.free().min(self.config.quota.saturating_sub(self.supply.taken()))
    }

    /// Places that can be given in the window of this moment, or in the next one if none
    /// is open: as far as its share of the quota reaches.
    #[must_use]
    pub fn free_at(&self, now: Time) -> u32 {
        windows::left_of_share(&self.config.windows, self.config.quota, self.supply.taken(), now)
            .min(self.free())
    }

    /// Whether holds are taken at this moment, by anyone.
    #[must_use]
    pub fn is_taking_holds(&self, now: Time) -> bool {
        !self.closed && self.paused.is_none() && windows::is_any_open(&self.config.windows, now)
    }
}

/// What the public may know of a clinic.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClinicConfig {
    /// Its name.
    pub name: Text,
    /// Its address in one line.
    pub address: Text,
    /// Province or state.
    pub region: Text,
    /// District or county.
    pub district: Text,
    /// Postcode, as text: a leading zero counts.
    pub postcode: Text,
    /// Telephone; may be empty.
    pub telephone: Text,
    /// Latitude in millionths of a degree.
    pub latitude_e6: i32,
    /// Longitude in millionths of a degree.
    pub longitude_e6: i32,
}

/// A clinic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clinic {
    /// What the public may know of it.
    pub config: ClinicConfig,
}

/// A clinic's part in one campaign.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Desk {
    /// The campaign.
    pub campaign: CampaignId,
    /// The clinic.
    pub clinic: ClinicId,
    /// All its places in that campaign.
    pub supply: Supply,
}

/// A slot to be added.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct SlotSpec {
    /// When it begins.
    pub starts_at: Time,
    /// Which vaccine.
    pub vaccine: VaccineId,
    /// How many places.
    pub capacity: u32,
}

/// A slot: one clinic, one beginning, one vaccine, some places.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    /// The clinic's part in the campaign.
    pub desk: DeskId,
    /// When it begins.
    pub starts_at: Time,
    /// Which vaccine.
    pub vaccine: VaccineId,
    /// Its places.
    pub supply: Supply,
}

/// What became of a booking.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum BookingState {
    /// A place is held until `until`.
    Held = 1,
    /// Booked.
    Booked = 2,
    /// The person came.
    Used = 3,
    /// Given back, as a hold or as a booking.
    Cancelled = 4,
    /// The hold ended by itself.
    Lapsed = 5,
    /// The person did not come; only under rules 4 and later.
    NoShow = 6,
    /// A leftover place is held for somebody who stood by, until `until`; only under rules 4 and later.
    Offered = 7,
}

impl BookingState {
    /// Whether it takes a place.
    #[must_use]
    pub const fn is_active(self) -> bool {
        self.is_held() || matches!(self, BookingState::Booked | BookingState::Used)
    }

    /// Whether the place is held: chosen by the person, or offered to them.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, BookingState::Held | BookingState::Offered)
    }
}

/// A hold or booking. Kept small: there are tens of millions.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Booking {
    /// Whose it is; two halves, so that the record needs no wider alignment.
    pub person: [u64; 2],
    /// While held: when it lapses. Afterwards: when it last changed.
    pub until: Time,
    /// The slot.
    pub slot: crate::ids::SlotId,
    /// The same person's booking before this one, or `u32::MAX`.
    pub earlier: u32,
    /// The ticket it was made with, or `u32::MAX`.
    pub serial: Serial,
    /// Through whom.
    pub channel: ChannelId,
    /// Which dose, from 1.
    pub dose: u8,
    /// What became of it.
    pub state: BookingState,
}

impl Booking {
    /// "No such number" in `earlier` and `serial`.
    pub const NONE: u32 = u32::MAX;

    /// Whose it is.
    #[must_use]
    pub fn person(&self) -> PersonId {
        PersonId(u128::from(self.person[0]) | u128::from(self.person[1]) << 64)
    }

    /// A person's id as it is kept.
    #[must_use]
    pub fn halves(person: PersonId) -> [u64; 2] {
        [person.0 as u64, (person.0 >> 64) as u64]
    }
}
