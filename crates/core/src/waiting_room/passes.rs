//! What a pass serves, and when it ends. The booking domain calls this for every hold
//! that was made with a pass.
//!
//! A pass ends by time, by being given back, or by having served all the bookings it
//! may. Holds end with their pass at the latest, so that a pass that ends has none open.
//!
//! It must never let a pass serve more bookings than the room allows.

use super::{Inside, Mark, PassEnd, Room};
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
        self.marks.set(serial, if served { Mark::Spent } else { Mark::Lapsed });
    }

    /// Ends a ticket for good, and its pass if it has one.
    pub(super) fn spend(&mut self, serial: Serial) {
        self.inside.remove(&serial);
        self.marks.set(serial, Mark::Spent);
    }

    /// Gives a ticket a pass from `now` on, and says when it ends. Passes end in the
    /// order in which they began, also when the pace's time to live was just shortened:
    /// then the first new ones last as long as the last old one.
    pub(super) fn admit(&mut self, serial: Serial, now: Time) -> Time {
        let earliest = self.ends.back().map_or(Time(0), |last| last.ends_at);
        let ends_at = now.plus_ms(u64::from(self.config.pace.pass_ttl_ms)).max(earliest);
        self.inside.insert(serial, Inside { ends_at, bookings: 0, confirmed: 0 });
        self.ends.push(PassEnd { ends_at, serial });
        self.marks.set(serial, Mark::Inside);
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
