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
