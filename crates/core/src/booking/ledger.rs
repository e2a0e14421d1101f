//! The counters of places, always moved together: slot, desk, vaccine, campaign.
//!
//! Nothing else writes to a [`Supply`], so they can never disagree.

use crate::booking::{BookingState, Campaign, Desk, Slot, Supply};
use crate::ids::{CampaignId, SlotId};
use crate::outcome::{Outcome, Reason, Refusal};
use crate::state::Data;

/// What a handler comes to: a refusal leaves by the `?` before anything is changed.
pub(super) type Verdict = Result<Outcome, Refusal>;

/// A refusal without detail.
pub(super) const fn refused<T>(reason: Reason) -> Result<T, Refusal> {
    Err(Refusal { reason, detail: 0 })
}

/// A refusal with the detail that `reason` documents.
pub(super) const fn refused_with<T>(reason: Reason, detail: u64) -> Result<T, Refusal> {
    Err(Refusal { reason, detail })
}

/// The slot with this number.
pub(super) fn slot_of(data: &Data, slot: SlotId) -> Result<Slot, Refusal> {
    match data.slots.get(u64::from(slot.0)) {
        Some(slot) => Ok(*slot),
        None => refused(Reason::SlotUnknown),
    }
}

/// The desk that a slot belongs to.
pub(super) fn desk_of(data: &Data, slot: &Slot) -> Desk {
    *data.desks.get(u64::from(slot.desk.0)).expect("a slot's desk exists")
}

/// The campaign that a desk takes part in.
pub(super) fn campaign_of(data: &Data, campaign: CampaignId) -> &Campaign {
    data.campaigns.get(&campaign).expect("a desk's campaign exists")
}

/// Changes the four counters of a slot's places alike.
pub(super) fn change_supply(data: &mut Data, slot: SlotId, mut change: impl FnMut(&mut Supply)) {
    let slot = data.slots.get_mut(u64::from(slot.0)).expect("a changed slot exists");
    let desk = data.desks.get_mut(u64::from(slot.desk.0)).expect("a slot's desk exists");
    let campaign = data.campaigns.get_mut(&desk.campaign).expect("a desk's campaign exists");
    change(&mut slot.supply);
    change(&mut desk.supply);
    change(&mut campaign.supply);
    change(&mut campaign.by_vaccine[usize::from(slot.vaccine.0)]);
}

/// Takes a free place for a booking in `state`.
pub(super) fn take_place(data: &mut Data, slot: SlotId, state: BookingState) {
    change_supply(data, slot, |supply| {
        assert!(supply.free() > 0, "only a free place is taken");
        *supply.places(state) += 1;
    });
}

/// Frees the place of a booking in `state`.
pub(super) fn free_place(data: &mut Data, slot: SlotId, state: BookingState) {
    change_supply(data, slot, |supply| *supply.places(state) -= 1);
}

/// Moves a place from one state to another.
pub(super) fn turn_place(data: &mut Data, slot: SlotId, from: BookingState, to: BookingState) {
    change_supply(data, slot, |supply| {
        *supply.places(from) -= 1;
        *supply.places(to) += 1;
    });
}

impl Supply {
    /// The counter for bookings in an active state.
    fn places(&mut self, state: BookingState) -> &mut u32 {
        match state {
            BookingState::Held | BookingState::Offered => &mut self.held,
            BookingState::Booked => &mut self.booked,
            BookingState::Used => &mut self.used,
            BookingState::Cancelled | BookingState::Lapsed | BookingState::NoShow => {
                unreachable!("an ended booking has no place")
            }
        }
    }
}
