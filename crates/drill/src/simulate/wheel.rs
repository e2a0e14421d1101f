//! When each device does its next thing: a calendar of 5 ms days, each a list through the devices.
//!
//! Every device has one appointment at the most, so a list needs one number a device and one a
//! day: a country fits into a few megabytes, and making or keeping an appointment costs a few
//! nanoseconds. Must never lose an appointment or hold two of one device. Start at [`Wheel`].

/// Milliseconds of one step of virtual time.
pub const TICK_MS: u64 = 5;

const NONE: u32 = u32::MAX;
/// Not in any list.
const FREE: u32 = u32::MAX - 1;

/// See the module's documentation.
#[derive(Debug)]
pub struct Wheel {
    heads: Vec<u32>,
    next: Vec<u32>,
    /// Up to here the days are over.
    over: u32,
}

impl Wheel {
    /// A calendar of `ticks` for `devices`.
    #[must_use]
    pub fn new(ticks: u32, devices: u32) -> Self {
        Self { heads: vec![NONE; ticks as usize], next: vec![FREE; devices as usize], over: 0 }
    }

    /// Makes an appointment, at the earliest for the next tick; one after the end of the calendar
    /// is not kept.
    ///
    /// # Panics
    ///
    /// If the device has one already: a bug of the simulation.
    pub fn at(&mut self, device: u32, tick: u32) {
        assert_eq!(self.next[device as usize], FREE, "a device has one appointment at the most");
        let tick = tick.max(self.over);
        let Some(head) = self.heads.get_mut(tick as usize) else { return };
        self.next[device as usize] = std::mem::replace(head, device);
    }

    /// Ends the day `tick` and gives its devices in the order in which they made appointments.
    pub fn take(&mut self, tick: u32, into: &mut Vec<u32>) {
        into.clear();
        self.over = tick + 1;
        let mut device = std::mem::replace(&mut self.heads[tick as usize], NONE);
        while device != NONE {
            into.push(device);
            device = std::mem::replace(&mut self.next[device as usize], FREE);
        }
        into.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appointments_are_kept_once_and_in_order() {
        let mut wheel = Wheel::new(10, 5);
        for (device, tick) in [(3, 4), (0, 4), (1, 2), (4, 99), (2, 0)] {
            wheel.at(device, tick);
        }
        let mut due = Vec::new();
        let mut kept = Vec::new();
        for tick in 0..10 {
            wheel.take(tick, &mut due);
            kept.extend(due.iter().map(|device| (tick, *device)));
            if tick == 4 {
                wheel.at(3, 1);
            }
        }
        assert_eq!(kept, [(0, 2), (2, 1), (4, 3), (4, 0), (5, 3)]);
    }
}
