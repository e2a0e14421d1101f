//! Reminders: a message some time before the appointment, from rules 3 on.
//!
//! A campaign may say how long before a slot begins those booked there are reminded. Each
//! booking has one instant at which its reminder is due, and is reminded of at the first
//! passing of time from then on, in the order of (due, booking), whatever the campaign:
//! - if it is still booked there; a booking that was moved is reminded of the slot that it was
//!   moved to, again if need be;
//! - unless it was made or moved at that instant or later, and the person told of it then;
//! - unless the slot has begun meanwhile: after an outage nobody is reminded of the past.
//!
//! A pause or the end of a campaign, and places that a clinic takes out of use, change nothing:
//! who is booked stays booked.
//!
//! **What is kept.** The state has one mark: up to where in that order reminders were pushed
//! ([`Reminded`]). Which bookings still wait follows from it and the bookings themselves, so
//! that the index here is rebuilt at a start and never stored. It holds exactly those that
//! wait: a booking that is moved, given back or used is taken out.
//!
//! **Bounds.** A passing of time looks at [`limits::REMINDERS_PER_STEP_MAX`] bookings at the
//! most; the others come with the next one. Reminders take at most half of the effects that
//! may wait, so that nobody is refused a booking because others are reminded of theirs. While
//! nothing is due, a passing of time costs one look at the first entry.
//!
//! It must never remind of the same slot twice, nor leave anyone out because of a restart, a
//! backlog or another campaign's setting. Start reading at [`remind`].

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::change::tell;
use super::ledger::slot_of;
use crate::booking::{Booking, BookingState};
use crate::effect::EffectKind;
use crate::ids::BookingId;
use crate::limits;
use crate::rules::RULES_REMINDERS;
use crate::state::{Data, Index};
use crate::time::Time;

/// How far reminders have come, in the order of (due, booking).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Reminded {
    /// Everything due before this instant has been looked at,
    pub due: Time,
    /// and of what was due at it the bookings below this number.
    pub below: BookingId,
}

/// Bookings that wait for their reminder, by when it is due.
///
/// Hundreds of thousands may be due at one instant (nine o'clock, everywhere), so they are kept
/// in parts of neighbouring numbers: two bytes a booking, and no part is long to search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reminders {
    /// By instant and the upper half of the number: the lower halves.
    parts: BTreeMap<(Time, u16), Vec<u16>>,
}

const fn halves(booking: BookingId) -> (u16, u16) {
    ((booking.0 >> 16) as u16, booking.0 as u16)
}

impl Reminders {
    fn add(&mut self, due: Time, booking: BookingId) {
        let (upper, lower) = halves(booking);
        self.parts.entry((due, upper)).or_default().push(lower);
    }

    fn remove(&mut self, due: Time, booking: BookingId) {
        let (upper, lower) = halves(booking);
        let part = self.parts.get_mut(&(due, upper)).expect("a booking that waits is in a part");
        let at = part.iter().position(|other| *other == lower);
        part.swap_remove(at.expect("a booking that waits is in its part"));
        if part.is_empty() {
            self.parts.remove(&(due, upper));
        }
    }

    /// Takes out up to `most` bookings whose reminder is due by `now`: those of one part, in order.
    fn take_due(&mut self, now: Time, most: usize) -> Option<(Time, Vec<BookingId>)> {
        let mut first = self.parts.first_entry().filter(|part| part.key().0 <= now)?;
        let (due, upper) = *first.key();
        let part = first.get_mut();
        part.sort_unstable();
        let whole = |lower: u16| BookingId(u32::from(upper) << 16 | u32::from(lower));
        let taken = part.drain(..most.min(part.len())).map(whole).collect();
        if part.is_empty() {
            first.remove();
        }
        Some((due, taken))
    }

    /// Whether a reminder is due.
    fn is_due(&self, now: Time) -> bool {
        self.parts.first_key_value().is_some_and(|((due, _), _)| *due <= now)
    }

    /// Bytes that the lower halves take.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.values().map(|part| part.capacity() * size_of::<u16>()).sum()
    }
}

/// When a booking's reminder is due; nothing if it is to get none where it is booked now.
pub(crate) fn due_of(data: &Data, booking: &Booking) -> Option<Time> {
    if booking.state != BookingState::Booked || data.rules < RULES_REMINDERS {
        return None;
    }
    let slot = slot_of(data, booking.slot).ok()?;
    let desk = data.desks.get(u64::from(slot.desk.0))?;
    let reminder_ms = u64::from(data.campaigns.get(&desk.campaign)?.config.reminder_ms);
    let due = Time(slot.starts_at.0.saturating_sub(reminder_ms));
    // While it is booked, `until` is when it was confirmed or last moved.
    (reminder_ms != 0 && due > booking.until).then_some(due)
}

impl Index {
    /// A booking was confirmed or moved.
    pub(super) fn await_reminder(&mut self, data: &Data, id: BookingId) {
        let booking = data.bookings.get(u64::from(id.0)).expect("a booking that was read exists");
        if let Some(due) = due_of(data, booking) {
            self.reminders.add(due, id);
        }
    }

    /// A booking, still as it was, is about to be moved, given back or used.
    pub(super) fn forget_reminder(&mut self, data: &Data, id: BookingId) {
        let booking = data.bookings.get(u64::from(id.0)).expect("a booking that was read exists");
        if let Some(due) = due_of(data, booking).filter(|due| is_ahead(data, *due, id)) {
            self.reminders.remove(due, id);
        }
    }

    /// Finds those that wait in a state that was brought back.
    pub(crate) fn find_reminders(&mut self, data: &Data) {
        if data.campaigns.values().all(|campaign| campaign.config.reminder_ms == 0) {
            return;
        }
        for (id, booking) in (0..).map(BookingId).zip(data.bookings.iter()) {
            if let Some(due) = due_of(data, booking).filter(|due| is_ahead(data, *due, id)) {
                self.reminders.add(due, id);
            }
        }
    }
}

/// Whether reminders have not come so far yet.
fn is_ahead(data: &Data, due: Time, id: BookingId) -> bool {
    Reminded { due, below: id } >= data.reminded
}

/// Pushes the reminders that are due at `now`.
pub(super) fn remind(data: &mut Data, index: &mut Index, now: Time) {
    if !index.reminders.is_due(now) {
        return;
    }
    let room = (limits::EFFECTS_MAX / 2).saturating_sub(data.effects.len() as u64);
    let mut most = limits::REMINDERS_PER_STEP_MAX.min(usize::try_from(room).unwrap_or(usize::MAX));
    while most > 0
        && let Some((due, bookings)) = index.reminders.take_due(now, most)
    {
        most -= bookings.len();
        for id in bookings {
            push_reminder(data, index, id, now);
            data.reminded = Reminded { due, below: BookingId(id.0 + 1) };
        }
    }
}

/// The person is told, and whoever made it for them: those messages may go beyond the half, by as many
/// as one passing of time looks at.
fn push_reminder(data: &mut Data, index: &Index, id: BookingId, now: Time) {
    let booking = *data.bookings.get(u64::from(id.0)).expect("a booking that waits exists");
    let slot = slot_of(data, booking.slot).expect("a booking's slot exists");
    assert!(booking.state == BookingState::Booked, "whatever is given back waits no more");
    if slot.starts_at > now {
        tell(data, &index.proxies, EffectKind::Reminder, id, booking.person());
    }
}
