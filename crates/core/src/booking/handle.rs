//! What may be asked of campaigns and bookings. The order in which each command is
//! checked is written at its function.

use super::hold::Wish;
use super::ledger::Verdict;
use super::{campaign, change, contact, desk, directory, hold, proxies, reminders, standby};
use crate::booking::{Booking, Standby};
use crate::command::Body;
use crate::ids::SlotId;
use crate::outcome::Outcome;
use crate::state::{Data, Index};
use crate::time::Time;

/// Applies a booking command. The time has been advanced already.
pub(crate) fn handle(data: &mut Data, index: &mut Index, body: &Body) -> Outcome {
    people(data, index, body).unwrap_or_else(Outcome::Refused)
}

/// Lets holds lapse that end at or before `now`, passes leftover places on, and pushes the reminders
/// that are due.
pub(crate) fn advance(data: &mut Data, index: &mut Index, now: Time) {
    while let Some((_, booking)) = index.lapses.pop_due(now) {
        change::lapse(data, booking);
    }
    standby::advance(data, index, now);
    reminders::remind(data, index, now);
}

/// Reads what a command of a person will need; the number means nothing.
pub(crate) fn touch(data: &Data, index: &Index, body: &Body) -> u64 {
    let touch_slot = |slot: SlotId| {
        // A slot may straddle two cache lines: its first and last fields are read.
        let slot = data.slots.get(u64::from(slot.0));
        slot.map_or(0, |slot| slot.starts_at.0 ^ u64::from(slot.vaccine.0) ^ u64::from(slot.supply.withdrawn))
    };
    match body {
        Body::Hold { slot, person, .. } | Body::HoldFor { slot, person, .. } => {
            touch_slot(*slot) ^ u64::from(index.newest_booking.touch(Booking::halves(*person)[0]))
        }
        Body::Confirm { booking, .. } | Body::Cancel { booking, .. } | Body::Reschedule { booking, .. } => {
            data.bookings.get(u64::from(booking.0)).map_or(0, |booking| touch_slot(booking.slot))
        }
        _ => 0,
    }
}

fn people(data: &mut Data, index: &mut Index, body: &Body) -> Verdict {
    match body {
        Body::Hold { slot, person, birth, dose, entry, channel } => {
            let (slot, person, birth) = (*slot, *person, *birth);
            let (dose, entry, channel) = (*dose, *entry, *channel);
            hold::hold(data, index, &Wish { slot, person, birth, dose, entry, channel }, None)
        }
        Body::HoldFor { slot, person, birth, dose, entry, channel, proxy } => {
            let (slot, person, birth) = (*slot, *person, *birth);
            let (dose, entry, channel) = (*dose, *entry, *channel);
            let wish = Wish { slot, person, birth, dose, entry, channel };
            proxies::hold_for(data, index, &wish, proxy)
        }
        Body::EndProxy { booking, person } => proxies::end_proxy(data, index, *booking, *person),
        Body::Confirm { booking, person } => change::confirm(data, index, *booking, *person),
        Body::Cancel { booking, person } => change::cancel(data, index, *booking, *person),
        Body::Reschedule { booking, person, slot } => {
            change::reschedule(data, index, *booking, *person, *slot)
        }
        Body::CheckIn { booking } => desk::check_in(data, index, *booking),
        Body::MarkNoShow { booking } => desk::mark_no_show(data, index, *booking),
        Body::WalkIn { slot, person, birth, dose, channel } => {
            let (slot, person, birth) = (*slot, *person, *birth);
            let (dose, channel) = (*dose, *channel);
            let wish = Wish { slot, person, birth, dose, entry: None, channel };
            desk::walk_in(data, index, &wish)
        }
        Body::Standby { desk, person, birth, dose, minutes } => {
            let standby = Standby { person: *person, birth: *birth, dose: *dose, ends_at: Time(0) };
            standby::stand_by(data, index, *desk, &standby, *minutes)
        }
        Body::StandDown { desk, person } => standby::stand_down(data, index, *desk, *person),
        Body::OfferLeftover { slot, places, offer_ms } => {
            standby::offer_leftover(data, index, *slot, *places, *offer_ms)
        }
        Body::KeepContact { person, sealed } => contact::keep_contact(data, index, *person, sealed),
        Body::DropContact { person } => contact::drop_contact(data, index, *person),
        _ => operators(data, index, body),
    }
}

fn operators(data: &mut Data, index: &mut Index, body: &Body) -> Verdict {
    match body {
        Body::CreateCampaign { campaign, config } => campaign::create_campaign(data, *campaign, config),
        Body::SetRules { campaign, rules, reason } => campaign::set_rules(data, *campaign, rules, reason),
        Body::SetWindows { campaign, windows, reason } => {
            campaign::set_windows(data, *campaign, windows, reason)
        }
        Body::SetQuota { campaign, vaccine, quota, reason } => {
            campaign::set_quota(data, *campaign, *vaccine, *quota, reason)
        }
        Body::PauseCampaign { campaign, reason } => campaign::pause_campaign(data, *campaign, reason),
        Body::ResumeCampaign { campaign } => campaign::resume_campaign(data, *campaign),
        Body::CloseCampaign { campaign, reason } => campaign::close_campaign(data, *campaign, reason),
        Body::AddClinic { config } => directory::add_clinic(data, config),
        Body::AddDesk { campaign, clinic } => directory::add_desk(data, index, *campaign, *clinic),
        Body::AddSlots { desk, slots } => directory::add_slots(data, *desk, slots),
        Body::SetCapacity { slot, capacity, reason } => {
            directory::set_capacity(data, *slot, *capacity, reason)
        }
        Body::SetWithdrawn { slot, withdrawn, reason } => {
            directory::set_withdrawn(data, *slot, *withdrawn, reason)
        }
        _ => unreachable!("a command of another domain"),
    }
}
