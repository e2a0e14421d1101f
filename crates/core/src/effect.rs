//! What the machine wants done outside: messages to people.
//!
//! Effects are numbered, kept in the state until someone reports them done, and
//! performed at least once; the number is the key by which a receiver drops
//! repeats. No effect exists before the booking it speaks of is durable.

use crate::ids::{BookingId, PersonId};

/// What happened, for the message's text.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum EffectKind {
    /// A booking was confirmed.
    #[default]
    BookingConfirmed = 1,
    /// A booking was cancelled.
    BookingCancelled = 2,
    /// A booking moved to another slot.
    BookingRescheduled = 3,
    /// The appointment is near; only under rules 3 and later.
    Reminder = 4,
}

/// One message to send. Its number is its place in [`crate::Data::effects`].
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Effect {
    /// What happened.
    pub kind: EffectKind,
    /// The booking it happened to.
    pub booking: BookingId,
    /// Whom to tell.
    pub person: PersonId,
}
