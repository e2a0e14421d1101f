//! What those who wait may ask, and the order in which it is checked.
//!
//! It must never let a ticket in whose turn has not come, nor give one person two tickets
//! in line at once in a room that is bound to identities.

use super::handle::{Checked, live_room, refuse, room_mut};
use super::pace::{ENTRY, rate};
use super::{Mark, Phase, Room};
use crate::ids::{PersonId, RoomId, Serial};
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::state::{Data, Index};
use crate::time::Time;

const RETRY_MS_MIN: u64 = 500;
const RETRY_MS_MAX: u64 = 30_000;

/// Issues tickets. Checks: room known, not closed, not bound to identities, count fit,
/// tickets left. A pause stops nobody from joining.
pub(super) fn join(data: &mut Data, id: RoomId, count: u32) -> Checked<Outcome> {
    let room = live_room(data, id)?;
    if room.config.identity_bound {
        return refuse(Reason::IdentityRequired);
    }
    if !(1..=limits::JOINS_PER_COMMAND_MAX).contains(&count) {
        return Err(Outcome::refused_with(Reason::SettingUnfit, 1));
    }
    let first = room.issue(count)?;
    Ok(Outcome::Joined { first, count })
}

/// Issues a person's ticket or finds it again. Checks: room known, not closed, bound to
/// identities, tickets left for a new one.
///
/// Whoever comes back after their ticket is spent (they cancelled, they gave it back) gets
/// a new one at the end of the line.
pub(super) fn join_as(data: &mut Data, index: &mut Index, id: RoomId, person: PersonId) -> Checked<Outcome> {
    let room = live_room(data, id)?;
    if !room.config.identity_bound {
        return refuse(Reason::IdentityUnused);
    }
    let tickets = index.tickets.entry(id).or_default();
    let hash = person.0 as u64;
    let known = tickets.find_mut(hash, |serial| room.people.get(u64::from(*serial)) == Some(&person));
    if let Some(serial) = &known
        && room.marks.get(Serial(**serial)) != Mark::Spent
    {
        return Ok(Outcome::Joined { first: Serial(**serial), count: 1 });
    }
    let first = room.issue(1)?;
    room.people.push(person);
    match known {
        Some(serial) => *serial = first.0,
        None => {
            let people = &room.people;
            let hash_of = |serial: &u32| people.get(u64::from(*serial)).map_or(0, |person| person.0 as u64);
            tickets.insert_unique(hash, first.0, hash_of);
        }
    }
    Ok(Outcome::Joined { first, count: 1 })
}

/// Turns a called ticket into a pass. Checks, in this order: room known, ticket issued,
/// not closed, not paused, open and drawn, not spent, (inside already: the same pass
/// again), called, a place inside and an entry on the meter.
pub(super) fn enter_room(data: &mut Data, id: RoomId, serial: Serial) -> Checked<Outcome> {
    let now = data.time;
    let room = room_mut(data, id)?;
    if serial.0 >= room.issued {
        return refuse(Reason::TicketUnknown);
    }
    if room.phase == Phase::Closed {
        return refuse(Reason::RoomClosed);
    }
    if room.paused.is_some() {
        return refuse(Reason::RoomPaused);
    }
    if room.draw.is_none() {
        return Err(Outcome::refused_with(Reason::RoomNotOpen, room.config.opens_at.0));
    }
    let mark = room.marks.get(serial);
    if mark == Mark::Spent {
        return refuse(Reason::TicketSpent);
    }
    if let Some(inside) = room.pass_of(serial, now) {
        return Ok(Outcome::Entered { ends_at: inside.ends_at });
    }
    // Whoever has been inside has been called: only a first entry needs the position.
    let mut position = None;
    if mark == Mark::Waiting {
        position = room.position(serial);
        if let Some(position) = position.filter(|position| *position >= room.called) {
            return Err(Outcome::refused_with(Reason::NotCalled, u64::from(position)));
        }
    }
    room.check_meter(now)?;
    room.controller.enter(position, now);
    room.entered += u32::from(mark == Mark::Waiting);
    Ok(Outcome::Entered { ends_at: room.admit(serial, now) })
}

/// Gives a ticket back, and its pass. Checks: room known, ticket issued. Doing it again
/// changes nothing.
pub(super) fn leave_room(data: &mut Data, id: RoomId, serial: Serial) -> Checked<Outcome> {
    let room = room_mut(data, id)?;
    if serial.0 >= room.issued {
        return refuse(Reason::TicketUnknown);
    }
    room.left += u32::from(room.marks.get(serial) == Mark::Waiting);
    room.spend(serial);
    Ok(Outcome::Done)
}

impl Room {
    /// Issues `count` tickets and gives the first.
    fn issue(&mut self, count: u32) -> Checked<Serial> {
        if count > limits::TICKETS_PER_ROOM_MAX - self.issued {
            return refuse(Reason::Full);
        }
        let first = Serial(self.issued);
        self.issued += count;
        Ok(first)
    }

    /// Whether the service behind can take one more this moment.
    fn check_meter(&self, now: Time) -> Checked<()> {
        let passes_max = self.config.pace.passes_max as usize;
        let full = self.inside.len() >= passes_max;
        if !full && self.controller.entry_credit >= ENTRY {
            return Ok(());
        }
        let wait_ms = match (full, rate(self)) {
            (true, _) => self.ends.front().map_or(RETRY_MS_MIN, |end| end.ends_at.since_ms(now)),
            (false, 0) => RETRY_MS_MAX,
            // One of a crowd of n comes to its turn after (n + 1) / 2 entries on average.
            (false, rate) => (ENTRY + self.controller.expected_at_door()) / 2 / rate,
        };
        Err(Outcome::refused_with(Reason::Busy, wait_ms.clamp(RETRY_MS_MIN, RETRY_MS_MAX)))
    }
}
