//! Every bound of the state machine, in one place. What would go beyond one is
//! refused with a reason and, where waiting helps, a hint when to try again.

/// Bytes of a public text (a name, an address, a reason, a notice).
pub const TEXT_BYTES_MAX: usize = 400;
/// Waiting rooms.
pub const ROOMS_MAX: usize = 256;
/// Tickets of one room: the draw works on 32-bit numbers, and a country fits.
pub const TICKETS_PER_ROOM_MAX: u32 = 100_000_000;
/// Joins in one command.
pub const JOINS_PER_COMMAND_MAX: u32 = 65_536;
/// Passes that may be active in one room at once.
pub const PASSES_PER_ROOM_MAX: u32 = 1_000_000;
/// Entries a minute that a room may be set to.
pub const ENTRIES_PER_MINUTE_MAX: u32 = 6_000_000;
/// The largest part of a room's pace for its telephone agents, thousandths: the line keeps half.
pub const AGENT_SHARE_PERMILLE_MAX: u32 = 500;
/// The shortest and longest life of a pass.
pub const PASS_TTL_MS_MIN: u32 = 10_000;
/// See [`PASS_TTL_MS_MIN`].
pub const PASS_TTL_MS_MAX: u32 = 2 * 60 * 60 * 1000;
/// Bookings that one pass may serve (a family).
pub const BOOKINGS_PER_PASS_MAX: u8 = 8;
/// Notices shown at once in a room.
pub const NOTICES_PER_ROOM_MAX: usize = 8;
/// Campaigns.
pub const CAMPAIGNS_MAX: usize = 64;
/// Vaccines in a campaign.
pub const VACCINES_PER_CAMPAIGN_MAX: usize = 32;
/// Booking windows in a campaign.
pub const WINDOWS_PER_CAMPAIGN_MAX: usize = 64;
/// Doses of one course.
pub const DOSES_MAX: u8 = 8;
/// The shortest and longest hold.
pub const HOLD_MS_MIN: u32 = 10_000;
/// See [`HOLD_MS_MIN`].
pub const HOLD_MS_MAX: u32 = 60 * 60 * 1000;
/// How long before an appointment people are reminded of it, if they are at all: not while
/// they are on their way, and not before they could forget it.
pub const REMINDER_MS_MIN: u32 = 10 * 60 * 1000;
/// See [`REMINDER_MS_MIN`].
pub const REMINDER_MS_MAX: u32 = 14 * 24 * 60 * 60 * 1000;
/// Reminders that one passing of time looks at: a few milliseconds of work at the most.
pub const REMINDERS_PER_STEP_MAX: usize = 4_096;
/// How long after a slot began, or after they booked if that was later, those who did not come
/// are no-shows at the earliest.
pub const NO_SHOW_AFTER_MS: u64 = 10 * 60 * 1000;
/// How long before a slot begins the clinic's desk may give its free places: whoever stands there
/// is not sent away for two hours.
pub const DESK_EARLY_MS: u64 = 2 * 60 * 60 * 1000;
/// How long after a slot began the desk may still give its free places: a working day, so that
/// what stayed free in the morning is used until the evening, and nothing on another day.
pub const DESK_LATE_MS: u64 = 8 * 60 * 60 * 1000;
/// Desks at which one person may stand by.
pub const STANDBYS_PER_PERSON_MAX: usize = 3;
/// People who may stand by at one desk: far more than a day leaves places.
pub const STANDBYS_PER_DESK_MAX: usize = 200;
/// People who may stand by in all, once for each desk.
pub const STANDBYS_MAX: usize = 200_000;
/// Minutes of way at the most: whoever needs longer does not come at short notice.
pub const STANDBY_MINUTES_MAX: u16 = 180;
/// Places of one slot that may be offered at once.
pub const OFFER_PLACES_MAX: u32 = 64;
/// The shortest and longest time to answer an offer.
pub const OFFER_MS_MIN: u32 = 3 * 60 * 1000;
/// See [`OFFER_MS_MIN`].
pub const OFFER_MS_MAX: u32 = 60 * 60 * 1000;
/// Slots of which places may be offered at once.
pub const OFFERINGS_MAX: usize = 20_000;
/// People that one passing of time, or one command, looks at to offer them places: more than
/// stand by at one desk, and a millisecond of work at the most.
pub const OFFER_LOOKS_MAX: u32 = 1_024;
/// People whose standing by one passing of time ends; the others' ends with the next.
pub const STANDBYS_ENDED_MAX: usize = 4_096;
/// Clinics.
pub const CLINICS_MAX: u64 = 200_000;
/// Slots of all campaigns.
pub const SLOTS_MAX: u64 = 20_000_000;
/// Slots in one command.
pub const SLOTS_PER_COMMAND_MAX: usize = 2_048;
/// Places in one slot.
pub const SLOT_CAPACITY_MAX: u32 = 100_000;
/// Bookings and holds ever made.
pub const BOOKINGS_MAX: u64 = 200_000_000;
/// Bookings and holds ever made by one person, ended ones included.
pub const BOOKINGS_PER_PERSON_MAX: u32 = 128;
/// Holds and bookings for others that one person may have at a time: a family, not a list.
pub const PROXIED_MAX: u32 = 8;
/// Holds and bookings for others ever made by one person, ended ones included.
pub const PROXIED_EVER_MAX: u32 = 128;
/// Sealed contact bytes of one person.
pub const CONTACT_BYTES_MAX: usize = 512;
/// People whose sealed contact is kept.
pub const CONTACTS_MAX: u64 = 60_000_000;
/// Command ids whose outcome is remembered; beyond it the oldest are forgotten.
pub const RECENT_MAX: u64 = 1 << 20;
/// Effects that wait to be performed.
pub const EFFECTS_MAX: u64 = 8_000_000;
/// How long a node may perform effects after it has asked to.
pub const LEASE_MS: u64 = 6_000;
/// What must be left of a lease to begin with an effect: longer than a batch of them takes,
/// and than the clocks of a service are apart as a rule.
pub const LEASE_MARGIN_MS: u64 = 2_000;
/// Public events kept (pauses, quota changes and the like).
pub const EVENTS_MAX: u64 = 10_000;

/// Whether people may be reminded so long before an appointment; 0 is never.
#[must_use]
pub fn is_reminder(reminder_ms: u32) -> bool {
    reminder_ms == 0 || (REMINDER_MS_MIN..=REMINDER_MS_MAX).contains(&reminder_ms)
}
