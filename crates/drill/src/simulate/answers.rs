//! What a device makes of an answer. Everything acknowledged is told to the auditor first.
//!
//! Must never act on an answer that was not given. Start at [`Simulation::answer`].

use jari_core::ids::{BookingId, PersonId};
use jari_core::{Outcome, Reason, Refusal, Time};

use super::crowd::{End, Habit, NONE, Op, Repeat, Step, Trick};
use super::{Planted, Simulation};
use crate::auditor::Breach;
use crate::scenario::ROOM;

impl Simulation {
    fn owner(&self, device: u32, friend: bool) -> PersonId {
        self.crowd.id(self.crowd.devices[device as usize].person, friend)
    }

    /// A device hears the outcome of what it asked.
    pub(super) fn answer(&mut self, device: u32, outcome: Outcome) {
        let Step::Ask(op) = self.device(device).step else {
            unreachable!("only who asked is answered");
        };
        let tick = self.tick;
        let kept = self.device(device);
        kept.failed = 0;
        let took_ms = u64::from(tick.saturating_sub(kept.asked) + 2 * u32::from(kept.delay)) * super::TICK_MS;
        self.meter.answered(took_ms);
        let outcome = self.tampered(device, op, outcome);
        self.witness(device, op, outcome);
        match outcome {
            Outcome::Joined { first, .. } => self.joined(device, first.0),
            Outcome::Entered { .. } => self.entered(device),
            Outcome::Held { booking, ends_at } => self.held(device, op, booking, ends_at),
            Outcome::Confirmed { booking } => self.confirmed(device, op, booking),
            Outcome::Cancelled { .. } if op == Op::Try(Trick::ShareCancel) => {
                self.then(device, Step::Serve(Op::Hold), 1_000.0);
            }
            Outcome::Cancelled { .. } => self.leave(device, Some(End::Cancelled)),
            Outcome::Refused(refusal) => self.refused(device, op, refusal),
            _ => self.leave(device, Some(End::GaveUp)),
        }
    }

    /// Faults planted by tests: an answer that is not what happened.
    fn tampered(&mut self, device: u32, op: Op, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Held { booking, ends_at } if op == Op::Hold => {
                if booking.0 > 0 && self.plants(Planted::GivesTwice, 50) {
                    return Outcome::Held { booking: BookingId(booking.0 - 1), ends_at };
                }
                if self.plants(Planted::ForgetsBookings, 50) {
                    let person = self.owner(device, false);
                    let (now, kept) = (self.now(), self.crowd.devices[device as usize]);
                    self.auditor.held(booking.0, person, kept.slot, kept.serial, ends_at, now);
                    return Outcome::Confirmed { booking };
                }
                outcome
            }
            Outcome::Refused(Refusal { reason: Reason::NotCalled, .. })
                if self.plants(Planted::LetsIn, 2) =>
            {
                Outcome::Entered { ends_at: self.now().plus_ms(60_000) }
            }
            _ => outcome,
        }
    }

    /// Tells the auditor what was acknowledged.
    fn witness(&mut self, device: u32, op: Op, outcome: Outcome) {
        let kept = self.crowd.devices[device as usize];
        let friendly = matches!(op, Op::Try(Trick::ShareHold | Trick::ShareCancel | Trick::Replay));
        let (person, now) = (self.owner(device, friendly), self.now());
        let called = || self.host.read(|state| state.data().rooms.get(&ROOM).map_or(0, |room| room.called));
        match outcome {
            Outcome::Joined { first, .. } => self.auditor.joined(first.0, person),
            Outcome::Entered { ends_at } => {
                let called = called();
                let serial = if op == Op::Try(Trick::Forge) { u32::MAX - 1 } else { kept.serial };
                self.auditor.entered(serial, called, now);
                // A pass that was found again ends sooner than a new one.
                if ends_at >= now.plus_ms(u64::from(self.scenario.pace.pass_ttl_ms)) {
                    self.auditor.admitted(now);
                }
            }
            Outcome::Held { booking, ends_at } => {
                self.auditor.held(booking.0, person, kept.slot, kept.serial, ends_at, now);
                self.judge_hold(device, op, booking);
            }
            Outcome::Confirmed { booking } => {
                self.auditor.confirmed(booking.0, person, now);
                if matches!(op, Op::Again(_)) && booking.0 != kept.booking {
                    self.auditor.breach(Breach::RepeatDiffers, || format!("booking {}", kept.booking));
                }
            }
            Outcome::Cancelled { booking } => self.auditor.cancelled(booking.0, person),
            Outcome::Refused(refusal) => match refusal.reason {
                Reason::NotCalled => {
                    let called = called();
                    self.auditor.told_not_called(kept.serial, called);
                }
                _ if matches!(op, Op::Again(_)) => {
                    self.auditor.breach(Breach::RepeatDiffers, || format!("{refusal:?}"));
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// A hold that should not have been given.
    fn judge_hold(&mut self, device: u32, op: Op, booking: BookingId) {
        let kept = self.crowd.devices[device as usize];
        let forbidden = match op {
            Op::Try(Trick::ShareHold) => self.scenario.identity_bound,
            // A second device may be the first to hold; the auditor sees two holds at once.
            Op::Try(Trick::BookTwice) | Op::Hold => false,
            Op::Again(_) => {
                if booking.0 != kept.booking {
                    self.auditor.breach(Breach::RepeatDiffers, || format!("booking {}", kept.booking));
                }
                false
            }
            _ => true,
        };
        if forbidden {
            self.auditor.breach(Breach::WayRound, || format!("{op:?} got booking {}", booking.0));
        }
    }

    fn joined(&mut self, device: u32, serial: u32) {
        self.device(device).serial = serial;
        let person = self.crowd.devices[device as usize].person as usize;
        let kept = &mut self.crowd.people[person];
        if kept.end != End::Open {
            return self.leave(device, None);
        }
        if !std::mem::replace(&mut kept.in_line, true) {
            self.waiting += 1;
        }
        // The page of the ticket is the first look.
        self.then(device, Step::Look, 0.0);
    }

    fn entered(&mut self, device: u32) {
        let tick = self.tick;
        let kept = self.device(device);
        kept.entered = kept.entered.min(tick);
        let person = kept.person as usize;
        let kept = &mut self.crowd.people[person];
        if std::mem::take(&mut kept.in_line) {
            self.waiting -= 1;
        }
        if kept.inside == NONE {
            kept.inside = device;
        }
        self.then(device, Step::Serve(Op::List), 200.0);
    }

    fn held(&mut self, device: u32, op: Op, booking: BookingId, ends_at: Time) {
        match op {
            Op::Try(Trick::ShareHold) => {
                self.device(device).friend = booking.0;
                return self.send(device, Op::Try(Trick::ShareOwn), 500.0);
            }
            Op::Again(_) | Op::Try(Trick::ReuseId) => return self.confirm_soon(device),
            Op::Try(Trick::Replay) => return self.leave(device, None),
            _ => self.device(device).booking = booking.0,
        }
        let tried = std::mem::replace(&mut self.device(device).tried, true);
        match self.habit(device) {
            Habit::Repeats => {
                self.totals.repeats += 1;
                self.send(device, Op::Again(Repeat::Hold), 300.0);
            }
            Habit::ReusesId if !tried => self.send(device, Op::Try(Trick::ReuseId), 300.0),
            Habit::ConfirmsLate if !tried => {
                let late_ms = ends_at.since_ms(self.now()) as f64 + 2_000.0;
                self.send(device, Op::Try(Trick::ConfirmLate), late_ms);
            }
            _ => {
                self.device(device).tried = tried;
                self.confirm_soon(device);
            }
        }
    }

    fn confirmed(&mut self, device: u32, op: Op, booking: BookingId) {
        let tick = self.tick;
        self.device(device).booking = booking.0;
        let person = self.crowd.devices[device as usize].person as usize;
        let kept = &mut self.crowd.people[person];
        if kept.end != End::Booked {
            (kept.end, kept.ended) = (End::Booked, tick);
        }
        if std::mem::take(&mut kept.in_line) {
            self.waiting -= 1;
        }
        self.after_booking(device, matches!(op, Op::Again(_)));
    }

    fn refused(&mut self, device: u32, op: Op, refusal: Refusal) {
        match op {
            Op::Join => self.leave(device, Some(End::NoSupply)),
            Op::Enter => self.not_entered(device, refusal),
            Op::Hold | Op::Try(Trick::BookTwice | Trick::WrongAge | Trick::WrongDay) => {
                self.not_held(device, refusal);
            }
            Op::Confirm | Op::Try(Trick::ConfirmLate) => self.not_confirmed(device, refusal),
            Op::Leave => self.leave(device, Some(End::GaveUp)),
            Op::Try(Trick::EnterEarly) => self.send(device, Op::Try(Trick::HoldEarly), 500.0),
            Op::Try(Trick::HoldEarly | Trick::Push | Trick::Forge) => self.then(device, Step::Look, 1_000.0),
            Op::Try(Trick::ReuseId) => self.confirm_soon(device),
            Op::Again(Repeat::Hold) => self.confirm_soon(device),
            Op::Again(Repeat::Confirm) => self.after_booking(device, true),
            Op::Try(Trick::Replay) => self.after_booking(device, true),
            Op::Try(Trick::ShareHold) => {
                // Refused as it should be where tickets are bound to people; go on alone.
                self.device(device).friend = 0;
                self.then(device, Step::Serve(Op::Hold), 1_000.0);
            }
            Op::Try(Trick::ShareOwn) => {
                let friend = self.device(device).friend;
                self.auditor.cancel_asked(friend);
                self.send(device, Op::Try(Trick::ShareCancel), 500.0);
            }
            Op::Try(Trick::ShareCancel) => self.then(device, Step::Serve(Op::Hold), 1_000.0),
            Op::Cancel => self.leave(device, None),
            Op::List => unreachable!("the list of slots is not asked of the node"),
        }
    }

    fn not_entered(&mut self, device: u32, refusal: Refusal) {
        match refusal.reason {
            Reason::Busy => {
                self.totals.busy += 1;
                let after_ms = refusal.detail as f64 * self.random.between(0.8, 1.4);
                // The same request again, as the answer said: not another one.
                self.then(device, Step::Ask(Op::Enter), after_ms);
            }
            Reason::RoomClosed => self.leave(device, Some(End::NoSupply)),
            Reason::TicketSpent => self.leave(device, None),
            _ => self.then(device, Step::Look, 1_000.0),
        }
    }

    fn not_held(&mut self, device: u32, refusal: Refusal) {
        match refusal.reason {
            Reason::SlotFull | Reason::ShareUsedUp | Reason::SlotPast => {
                let after_ms = self.random.between(1_000.0, 4_000.0);
                self.then(device, Step::Serve(Op::List), after_ms);
            }
            Reason::QuotaUsedUp => {
                self.totals.turned_away_inside += 1;
                self.leave(device, Some(End::NoSupply));
            }
            Reason::NotEligible => self.leave(device, Some(End::NotEligible)),
            Reason::NotYourDay => self.leave(device, Some(End::NotTheirDay)),
            Reason::AlreadyBooked => self.leave(device, None),
            Reason::CampaignPaused => self.then(device, Step::Serve(Op::List), 30_000.0),
            Reason::PassSpent => self.then(device, Step::Serve(Op::List), 5_000.0),
            _ => self.then(device, Step::Look, 1_000.0),
        }
    }

    fn not_confirmed(&mut self, device: u32, refusal: Refusal) {
        match refusal.reason {
            Reason::EffectsBacklog => self.then(device, Step::Serve(Op::Confirm), 5_000.0),
            // The pass may be good still; if not, the next hold says so.
            Reason::HoldLapsed => self.then(device, Step::Serve(Op::List), 1_000.0),
            _ => self.then(device, Step::Look, 1_000.0),
        }
    }
}
