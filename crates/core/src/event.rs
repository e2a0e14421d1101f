//! Public events: what operators decided and what became of it, for everyone to read.
//!
//! It must never name a person.

use alloc::boxed::Box;

use crate::command::Text;
use crate::time::Time;

/// Something that everyone may know: a pause, a changed quota, a new pace.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Event {
    /// When.
    pub at: Time,
    /// What.
    pub kind: EventKind,
    /// The room or campaign it is about.
    pub subject: u32,
    /// The new number, where there is one (a quota, a pace, an opening).
    pub value: u64,
    /// The public reason; may be empty.
    pub reason: Text,
}

impl Default for Event {
    fn default() -> Self {
        Event { at: Time(0), kind: EventKind::RoomCreated, subject: 0, value: 0, reason: Box::from("") }
    }
}

/// Kinds of public events. Numbers are stable.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum EventKind {
    /// A room was made; the value is when it opens.
    RoomCreated = 1,
    /// A room's opening was moved; the value is the new instant.
    RoomScheduled = 2,
    /// A room opened; the value is the number of tickets to be drawn.
    RoomOpened = 3,
    /// The draw was revealed.
    RoomDrawn = 4,
    /// A room was paused.
    RoomPaused = 5,
    /// A room goes on.
    RoomResumed = 6,
    /// A room was closed.
    RoomClosed = 7,
    /// A room's pace was changed; the value is entries a minute.
    PaceSet = 8,
    /// The part of a room's pace for telephone agents was changed; the value is thousandths.
    AgentShareSet = 9,
    /// A campaign was made; the value is its quota.
    CampaignCreated = 20,
    /// Its rules were changed; the value is their version.
    RulesSet = 21,
    /// Its windows were changed.
    WindowsSet = 22,
    /// The whole campaign's quota was changed; the value is the new one.
    QuotaSet = 23,
    /// It was paused.
    CampaignPaused = 24,
    /// It goes on.
    CampaignResumed = 25,
    /// It was closed.
    CampaignClosed = 26,
    /// A slot's places changed; the subject is the slot, the value its capacity.
    CapacitySet = 27,
    /// Places were withdrawn or put back; the subject is the slot, the value how many are out of use.
    WithdrawnSet = 28,
    /// A vaccine's quota was changed; the value is the new one plus the vaccine's number
    /// times 2^32.
    VaccineQuotaSet = 29,
    /// A newer version of the service's own rules counts; the value is the version.
    RulesUpgraded = 40,
}
