//! The pass that a booking needs where a campaign stands behind a waiting room.

use super::hold::Wish;
use super::ledger::{campaign_of, refused};
use crate::booking::{Booking, Campaign};
use crate::ids::{CampaignId, PersonId, Serial};
use crate::outcome::{Reason, Refusal};
use crate::state::Data;
use crate::time::Time;
use crate::waiting_room::is_of_agent;

/// A pass that may serve one more booking.
pub(super) struct Pass {
    /// Its ticket.
    pub(super) serial: Serial,
    /// When it ends.
    pub(super) ends_at: Time,
}

/// Checks the pass that a hold came with; `None` where the campaign asks for none.
pub(super) fn check_pass(
    data: &Data,
    campaign: &Campaign,
    wish: &Wish,
    proxy: Option<&PersonId>,
) -> Result<Option<Pass>, Refusal> {
    let Some(required) = campaign.config.room else {
        return Ok(None);
    };
    let Some(entry) = wish.entry.filter(|entry| entry.room == required) else {
        return refused(Reason::PassRequired);
    };
    let Some(room) = data.rooms.get(&required) else {
        return refused(Reason::PassEnded);
    };
    let Some(inside) = room.pass_of(entry.serial, data.time) else {
        return refused(Reason::PassEnded);
    };
    if inside.bookings >= room.config.bookings_per_pass {
        return refused(Reason::PassSpent);
    }
    let counts = |who: &PersonId| {
        if is_of_agent(entry.serial) {
            room.agents.is_pass_of(*who, entry.serial)
        } else {
            !room.config.identity_bound || room.people.get(u64::from(entry.serial.0)) == Some(who)
        }
    };
    // It is the proxy who stood in line, or the person did: both is well.
    if !counts(&wish.person) && !proxy.is_some_and(counts) {
        return refused(Reason::TicketForeign);
    }
    Ok(Some(Pass { serial: entry.serial, ends_at: inside.ends_at }))
}

/// Whether the pass that a hold was made with is still active. It outlives the hold
/// unless the person gave it back.
pub(super) fn check_pass_again(data: &Data, campaign: CampaignId, booking: &Booking) -> Result<(), Refusal> {
    if booking.serial.0 == Booking::NONE {
        return Ok(());
    }
    let room = campaign_of(data, campaign).config.room.and_then(|room| data.rooms.get(&room));
    match room.and_then(|room| room.pass_of(booking.serial, data.time)) {
        Some(_) => Ok(()),
        None => refused(Reason::PassEnded),
    }
}

/// Tells the room what became of a booking made with a pass.
pub(super) fn tell_room(data: &mut Data, campaign: CampaignId, serial: Serial, news: News) {
    if serial.0 == Booking::NONE {
        return;
    }
    let room = campaign_of(data, campaign).config.room;
    let Some(room) = room.and_then(|room| data.rooms.get_mut(&room)) else {
        return;
    };
    match news {
        News::Held => room.take_booking(serial),
        News::HoldEnded => room.give_back_booking(serial),
        News::Booked => room.booking_made(serial),
    }
}

/// See [`tell_room`].
#[derive(Copy, Clone)]
pub(super) enum News {
    /// A place is held.
    Held,
    /// The hold was given back or lapsed.
    HoldEnded,
    /// The hold became a booking.
    Booked,
}
