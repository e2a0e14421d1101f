//! Checkpoints: a number that equal states have in common, cheap enough for every few
//! thousand commands.
//!
//! It covers every answer given since rules version 2 began to count (kind, numbers and
//! instants, folded into one running number), and the present totals: what campaigns and
//! rooms count, how many there are of everything, the effects that wait, the lease, how
//! far reminders have come, the time. It does not cover texts, contacts or what became of each single booking before
//! version 2; a snapshot's state hash covers everything, and `jari journal verify` prints it.
//!
//! It must never depend on anything but the state, nor take time in proportion to bookings.

use crate::booking::{Standbys, Supply};
use crate::outcome::Outcome;
use crate::rules::{RULES_AGENTS, RULES_PROXIES, RULES_REMINDERS, RULES_STANDBY};
use crate::state::Data;
use crate::waiting_room::{Agents, Room};

/// The digest of a state; see the module's documentation.
#[must_use]
pub fn digest(data: &Data) -> u64 {
    let mut sum = Sum(data.answers);
    sum.add(&[u64::from(data.rules), data.time.0]);
    if let Some(lease) = data.lease {
        sum.add(&[u64::from(lease.node), u64::from(lease.life), lease.until.0]);
    }
    sum.add(&[data.clinics.end(), data.desks.end(), data.slots.end(), data.bookings.end()]);
    sum.add(&[data.contacts.end(), data.recent.end(), data.effects.first(), data.effects.end()]);
    sum.add(&[data.events.end()]);
    if data.rules >= RULES_REMINDERS {
        sum.add(&[data.reminded.due.0, u64::from(data.reminded.below.0)]);
    }
    if data.rules >= RULES_STANDBY {
        let Standbys { made, people, offerings } = &data.standbys;
        sum.add(&[*made, people.len() as u64, offerings.len() as u64]);
    }
    if data.rules >= RULES_PROXIES {
        sum.add(&[data.proxies.end()]);
    }
    for (id, campaign) in &data.campaigns {
        sum.add(&[u64::from(id.0), campaign.confirmed, campaign.lapsed, u64::from(campaign.closed)]);
        campaign.by_vaccine.iter().for_each(|supply| sum.add_supply(supply));
    }
    for (id, room) in &data.rooms {
        sum.add(&[u64::from(id.0)]);
        sum.add_room(room);
        if data.rules >= RULES_AGENTS {
            let Agents { share_permille, credit, issued, .. } = &room.agents;
            sum.add(&[u64::from(*share_permille), *credit, u64::from(*issued)]);
        }
    }
    sum.0
}

/// The running number of all answers, with one more.
pub(crate) fn after(answers: u64, outcome: &Outcome) -> u64 {
    let mut sum = Sum(answers);
    match *outcome {
        Outcome::Done => sum.add(&[0]),
        Outcome::Refused(refusal) => {
            sum.add(&[1, u64::from(refusal.reason.number()), refusal.detail]);
        }
        Outcome::Joined { first, count } => sum.add(&[2, u64::from(first.0), u64::from(count)]),
        Outcome::Entered { ends_at } => sum.add(&[3, ends_at.0]),
        Outcome::Held { booking, ends_at } => sum.add(&[4, u64::from(booking.0), ends_at.0]),
        Outcome::Confirmed { booking } => sum.add(&[5, u64::from(booking.0)]),
        Outcome::Cancelled { booking } => sum.add(&[6, u64::from(booking.0)]),
        Outcome::Rescheduled { booking } => sum.add(&[7, u64::from(booking.0)]),
        Outcome::CheckedIn { booking } => sum.add(&[8, u64::from(booking.0)]),
        Outcome::ClinicAdded { clinic } => sum.add(&[9, u64::from(clinic.0)]),
        Outcome::DeskAdded { desk } => sum.add(&[10, u64::from(desk.0)]),
        Outcome::SlotsAdded { first, count } => sum.add(&[11, u64::from(first.0), u64::from(count)]),
        Outcome::Leased { until } => sum.add(&[12, until.0]),
        Outcome::EnteredByAgent { serial, ends_at } => sum.add(&[14, u64::from(serial.0), ends_at.0]),
        Outcome::StandingBy { ends_at } => sum.add(&[15, ends_at.0]),
        Outcome::Offered { offers } => sum.add(&[16, u64::from(offers)]),
        Outcome::MarkedNoShow { booking } => sum.add(&[13, u64::from(booking.0)]),
    }
    sum.0
}

/// Words folded one after the other: each multiplication spreads a word over all bits.
struct Sum(u64);

impl Sum {
    fn add(&mut self, words: &[u64]) {
        for word in words {
            // The sum keeps a run of zeros from standing still.
            let mixed = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
            let product = u128::from(mixed) * 0xd6e8_feb8_6659_fd93_u128;
            self.0 = (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(32);
        }
    }

    fn add_supply(&mut self, supply: &Supply) {
        let Supply { capacity, held, booked, used, withdrawn } = *supply;
        self.add(&[capacity, held, booked, used, withdrawn].map(u64::from));
    }

    fn add_room(&mut self, room: &Room) {
        let controller = &room.controller;
        self.add(&[room.phase as u64, u64::from(room.paused.is_some()), room.inside.len() as u64]);
        self.add(&[room.issued, room.called, room.entered, room.left].map(u64::from));
        self.add(&[u64::from(controller.factor_ppm), u64::from(controller.show_up_permille)]);
        self.add(&[controller.entry_credit, controller.call_credit as u64, controller.accrued_until.0]);
    }
}
