//! What a pass serves, and when it ends. The booking domain calls this for every hold
//! that was made with a pass.
//!
//! A pass ends by time, by being given back, or by having served all the bookings it
//! may. Holds end with their pass at the latest, so that a pass that ends has none open.
//!
//! It must never let a pass serve more bookings than the room allows.

use super::{Inside, Mark, PassEnd, Room, is_of_agent};
use crate::ids::Serial;
use crate::time::Time;

impl Room {
    /// The ticket's pass, if it is active at `now`.
    pub(crate) fn pass_of(&self, serial: Serial, now: Time) -> Option<&Inside> {
        self.inside.get(&serial).filter(|inside| inside.ends_at > now)
    }

    /// A hold was made with the pass.
    pub(crate) fn take_booking(&mut self, serial: Serial) {
        if let Some(inside) = self.inside.get_mut(&serial) {
            inside.bookings = inside.bookings.saturating_add(1);
        }
    }

    /// A hold made with the pass lapsed or was cancelled: the pass may serve another.
    /// Bookings once confirmed are not given back.
    pub(crate) fn give_back_booking(&mut self, serial: Serial) {
        if let Some(inside) = self.inside.get_mut(&serial) {
            inside.bookings = inside.bookings.saturating_sub(1).max(inside.confirmed);
        }
    }

    /// A hold made with the pass was confirmed. The pass ends with the last booking that
    /// it may serve.
    pub(crate) fn booking_made(&mut self, serial: Serial) {
        let bookings_per_pass = self.config.bookings_per_pass;
        let Some(inside) = self.inside.get_mut(&serial) else { return };
        inside.confirmed = inside.confirmed.saturating_add(1);
        inside.bookings = inside.bookings.max(inside.confirmed);
        if inside.confirmed >= bookings_per_pass {
            self.spend(serial);
        }
    }

    /// Ends a pass whose time is up. The ticket may enter again, unless it got a booking:
    /// its count of bookings must not start anew.
    fn lapse(&mut self, serial: Serial) {
        let served = self.inside.get(&serial).is_some_and(|inside| inside.confirmed > 0);
        self.inside.remove(&serial);
        self.mark(serial, if served { Mark::Spent } else { Mark::Lapsed });
    }

    /// Ends a ticket for good, and its pass if it has one.
    pub(super) fn spend(&mut self, serial: Serial) {
        self.inside.remove(&serial);
        self.mark(serial, Mark::Spent);
    }

    /// Notes what became of a ticket. A pass of an agent has none: it is inside, or gone.
    fn mark(&mut self, serial: Serial, mark: Mark) {
        if !is_of_agent(serial) {
            self.marks.set(serial, mark);
        } else if mark != Mark::Inside {
            self.agents.forget(serial);
        }
    }

    /// Gives a ticket a pass from `now` on, and says when it ends. Passes end in the
    /// order in which they began, also when the pace's time to live was just shortened:
    /// then the first new ones last as long as the last old one.
    pub(super) fn admit(&mut self, serial: Serial, now: Time) -> Time {
        let earliest = self.ends.back().map_or(Time(0), |last| last.ends_at);
        let ends_at = now.plus_ms(u64::from(self.config.pace.pass_ttl_ms)).max(earliest);
        self.inside.insert(serial, Inside { ends_at, bookings: 0, confirmed: 0 });
        self.ends.push(PassEnd { ends_at, serial });
        self.mark(serial, Mark::Inside);
        ends_at
    }

    /// Ends the passes whose time is up at `now`.
    pub(super) fn end_passes(&mut self, now: Time) {
        while let Some(end) = self.ends.front().copied().filter(|end| end.ends_at <= now) {
            self.ends.pop_front();
            // An entry whose pass ended earlier, or was renewed, is outdated.
            if self.inside.get(&end.serial).is_some_and(|inside| inside.ends_at == end.ends_at) {
                self.lapse(end.serial);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting_room::{Pace, RoomConfig};

    const TICKET: Serial = Serial(0);
    const NOON: Time = Time(43_200_000);

    /// A room with one ticket inside, whose pass lasts a minute from noon.
    fn room(bookings_per_pass: u8) -> Room {
        let pace = Pace {
            entries_per_minute_max: 60,
            passes_max: 10,
            pass_ttl_ms: 60_000,
            latency_goal_ms: 0,
            error_goal_ppm: 0,
        };
        let mut room = Room::new(RoomConfig {
            name: "room".into(),
            opens_at: Time(0),
            commitment: [0; 32],
            campaign: None,
            awaits_beacon: false,
            identity_bound: false,
            fails_open: false,
            bookings_per_pass,
            pace,
        });
        room.issued = 1;
        room.admit(TICKET, NOON);
        room
    }

    #[test]
    fn a_pass_is_active_until_the_instant_it_ends() {
        let room = room(1);
        assert!(room.pass_of(TICKET, NOON.plus_ms(59_999)).is_some());
        assert!(room.pass_of(TICKET, NOON.plus_ms(60_000)).is_none());
        assert!(room.pass_of(Serial(1), NOON).is_none());
    }

    #[test]
    fn a_pass_ends_with_the_last_booking_it_may_serve() {
        let mut room = room(2);
        room.take_booking(TICKET);
        room.take_booking(TICKET);
        room.booking_made(TICKET);
        assert_eq!(
            room.pass_of(TICKET, NOON).map(|inside| (inside.bookings, inside.confirmed)),
            Some((2, 1))
        );
        room.booking_made(TICKET);
        assert!(room.pass_of(TICKET, NOON).is_none());
        assert_eq!(room.marks.get(TICKET), Mark::Spent);
    }

    #[test]
    fn a_hold_given_back_may_be_taken_again_but_a_booking_may_not() {
        let mut room = room(2);
        room.take_booking(TICKET);
        room.booking_made(TICKET);
        room.take_booking(TICKET);
        room.give_back_booking(TICKET);
        room.give_back_booking(TICKET);
        assert_eq!(room.inside[&TICKET].bookings, 1);
    }

    #[test]
    fn a_pass_that_served_someone_is_spent_at_its_end() {
        let mut room = room(2);
        room.take_booking(TICKET);
        room.booking_made(TICKET);
        room.end_passes(NOON.plus_ms(60_000));
        assert_eq!(room.marks.get(TICKET), Mark::Spent);
    }

    #[test]
    fn a_pass_that_served_nobody_lapses() {
        let mut room = room(2);
        room.take_booking(TICKET);
        room.give_back_booking(TICKET);
        room.end_passes(NOON.plus_ms(59_999));
        assert_eq!(room.marks.get(TICKET), Mark::Inside);
        room.end_passes(NOON.plus_ms(60_000));
        assert_eq!(room.marks.get(TICKET), Mark::Lapsed);
    }

    #[test]
    fn news_of_a_pass_that_is_gone_changes_nothing() {
        let mut room = room(1);
        room.spend(TICKET);
        let before = room.clone();
        room.take_booking(TICKET);
        room.give_back_booking(TICKET);
        room.booking_made(TICKET);
        assert_eq!(room, before);
    }
}
