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
    room.check_meter(serial, now)?;
    room.controller.enter(position, now);
    room.entered += u32::from(mark == Mark::Waiting);
    Ok(Outcome::Entered { ends_at: room.admit(serial, now) })
}

/// Gives a ticket back, and its pass, or a pass of an agent. Checks: room known, ticket issued. Doing it again
/// changes nothing.
pub(super) fn leave_room(data: &mut Data, id: RoomId, serial: Serial) -> Checked<Outcome> {
    let room = room_mut(data, id)?;
    if room.agents.gave(serial) {
        room.spend(serial);
        return Ok(Outcome::Done);
    }
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
    fn check_meter(&self, serial: Serial, now: Time) -> Checked<()> {
        let passes_max = self.config.pace.passes_max;
        let full = self.inside.len() + self.agents.passes_kept(passes_max) >= passes_max as usize;
        if !full && self.controller.entry_credit >= ENTRY {
            return Ok(());
        }
        Err(Outcome::refused_with(Reason::Busy, self.retry_ms(serial, full, now)))
    }

    /// When to try again. The crowd at the door is spread over the time that it takes to let
    /// it in: if all were told the same, all would come at once and be refused at once, and
    /// the meter would run empty in between.
    fn retry_ms(&self, serial: Serial, full: bool, now: Time) -> u64 {
        let crowd = ENTRY + self.controller.expected_at_door();
        let pace = &self.config.pace;
        let (wait_ms, spread_ms) = match (full, rate(self)) {
            (true, _) => {
                let next_end_ms = self.ends.front().map_or(0, |end| end.ends_at.since_ms(now));
                (next_end_ms, crowd / ENTRY * u64::from(pace.pass_ttl_ms) / u64::from(pace.passes_max))
            }
            (false, 0) => (RETRY_MS_MAX, 0),
            (false, rate) => (RETRY_MS_MIN, crowd / rate),
        };
        let retry_ms = wait_ms + scattered(serial, now) % (spread_ms.min(RETRY_MS_MAX) + 1);
        retry_ms.clamp(RETRY_MS_MIN, RETRY_MS_MAX)
    }
}

/// A number that differs from ticket to ticket and from one attempt to the next.
fn scattered(serial: Serial, now: Time) -> u64 {
    (u64::from(serial.0) ^ now.0.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}
