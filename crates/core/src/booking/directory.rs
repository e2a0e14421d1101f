//! Clinics, their desks in campaigns, and slots.

use super::campaign::check_text;
use super::ledger::{Verdict, campaign_of, change_supply, desk_of, refused, refused_with, slot_of};
use crate::booking::{Campaign, Clinic, ClinicConfig, Desk, Slot, SlotSpec, Supply};
use crate::ids::{CampaignId, ClinicId, DeskId, SlotId};
use crate::limits;
use crate::outcome::{Outcome, Reason, Refusal};
use crate::state::{Data, EventKind, Index, text_fits};

/// Adds a clinic. Checked in this order: `full`; the texts (`text_unfit`; only the
/// telephone may be empty); `setting_unfit`: 7 the latitude, 8 the longitude.
pub(super) fn add_clinic(data: &mut Data, config: &ClinicConfig) -> Verdict {
    if data.clinics.end() >= limits::CLINICS_MAX {
        return refused(Reason::Full);
    }
    let texts = [&config.name, &config.address, &config.region, &config.district, &config.postcode];
    if !texts.into_iter().all(|text| text_fits(text)) || config.telephone.len() > limits::TEXT_BYTES_MAX {
        return refused(Reason::TextUnfit);
    }
    if config.latitude_e6.unsigned_abs() > 90_000_000 {
        return refused_with(Reason::SettingUnfit, 7);
    }
    if config.longitude_e6.unsigned_abs() > 180_000_000 {
        return refused_with(Reason::SettingUnfit, 8);
    }
    let clinic = ClinicId(data.clinics.push(Clinic { config: config.clone() }) as u32);
    Ok(Outcome::ClinicAdded { clinic })
}

/// Lets a clinic take part in a campaign. Checked in this order: `campaign_unknown`;
/// `campaign_closed`; `clinic_unknown`; `desk_exists` (the detail is the desk).
pub(super) fn add_desk(
    data: &mut Data,
    index: &mut Index,
    campaign: CampaignId,
    clinic: ClinicId,
) -> Verdict {
    match data.campaigns.get(&campaign) {
        None => return refused(Reason::CampaignUnknown),
        Some(campaign) => check_not_closed(campaign)?,
    }
    if data.clinics.get(u64::from(clinic.0)).is_none() {
        return refused(Reason::ClinicUnknown);
    }
    if let Some(desk) = index.desks.get(&(campaign, clinic.0)) {
        return refused_with(Reason::DeskExists, u64::from(*desk));
    }
    let desk = data.desks.push(Desk { campaign, clinic, supply: Supply::default() }) as u32;
    index.desks.insert((campaign, clinic.0), desk);
    Ok(Outcome::DeskAdded { desk: DeskId(desk) })
}

/// Adds slots, all or none. Checked in this order: `desk_unknown`; `campaign_closed`;
/// how many there are (`setting_unfit`: 1 if none, one more than allowed if too many);
/// each slot in turn: `vaccine_unknown`, then its capacity (`setting_unfit`), both with
/// the number of the slot, from 1; then `full`.
pub(super) fn add_slots(data: &mut Data, desk: DeskId, slots: &[SlotSpec]) -> Verdict {
    let Some(kept) = data.desks.get(u64::from(desk.0)) else {
        return refused(Reason::DeskUnknown);
    };
    let campaign = campaign_of(data, kept.campaign);
    check_not_closed(campaign)?;
    check_slots(campaign, slots)?;
    let added: u64 = slots.iter().map(|slot| u64::from(slot.capacity)).sum();
    let slots_after = data.slots.end() + slots.len() as u64;
    if slots_after > limits::SLOTS_MAX || u64::from(campaign.supply.capacity) + added > u64::from(u32::MAX) {
        return refused(Reason::Full);
    }
    let first = SlotId(data.slots.end() as u32);
    for spec in slots {
        let (starts_at, vaccine) = (spec.starts_at, spec.vaccine);
        let number = data.slots.push(Slot { desk, starts_at, vaccine, supply: Supply::default() });
        change_supply(data, SlotId(number as u32), |supply| supply.capacity += spec.capacity);
    }
    Ok(Outcome::SlotsAdded { first, count: slots.len() as u32 })
}

fn check_slots(campaign: &Campaign, slots: &[SlotSpec]) -> Result<(), Refusal> {
    if slots.is_empty() {
        return refused_with(Reason::SettingUnfit, 1);
    }
    if slots.len() > limits::SLOTS_PER_COMMAND_MAX {
        return refused_with(Reason::SettingUnfit, limits::SLOTS_PER_COMMAND_MAX as u64 + 1);
    }
    for (number, slot) in (1..).zip(slots) {
        if usize::from(slot.vaccine.0) >= campaign.config.vaccines.len() {
            return refused_with(Reason::VaccineUnknown, number);
        }
        if slot.capacity > limits::SLOT_CAPACITY_MAX {
            return refused_with(Reason::SettingUnfit, number);
        }
    }
    Ok(())
}

/// Changes how many places a slot has. Checked in this order: `slot_unknown`;
/// `campaign_closed`; `text_unfit`; `setting_unfit` 1: too many; `places_in_use` (the
/// detail counts held, booked, used and withdrawn); `full`.
pub(super) fn set_capacity(data: &mut Data, id: SlotId, capacity: u32, reason: &str) -> Verdict {
    let slot = slot_of(data, id)?;
    let campaign = campaign_of(data, desk_of(data, &slot).campaign);
    check_not_closed(campaign)?;
    check_text(reason)?;
    if capacity > limits::SLOT_CAPACITY_MAX {
        return refused_with(Reason::SettingUnfit, 1);
    }
    let in_use = slot.supply.taken() + slot.supply.withdrawn;
    if capacity < in_use {
        return refused_with(Reason::PlacesInUse, u64::from(in_use));
    }
    let others = campaign.supply.capacity - slot.supply.capacity;
    if others.checked_add(capacity).is_none() {
        return refused(Reason::Full);
    }
    let before = slot.supply.capacity;
    change_supply(data, id, |supply| supply.capacity = supply.capacity - before + capacity);
    data.publish(EventKind::CapacitySet, id.0, u64::from(capacity), reason);
    Ok(Outcome::Done)
}

/// Takes free places out of use, or puts them back. Checked in this order:
/// `slot_unknown`; `campaign_closed`; `text_unfit`; `places_in_use` (the detail counts
/// held, booked and used).
pub(super) fn set_withdrawn(data: &mut Data, id: SlotId, withdrawn: u32, reason: &str) -> Verdict {
    let slot = slot_of(data, id)?;
    check_not_closed(campaign_of(data, desk_of(data, &slot).campaign))?;
    check_text(reason)?;
    let taken = slot.supply.taken();
    if withdrawn > slot.supply.capacity - taken {
        return refused_with(Reason::PlacesInUse, u64::from(taken));
    }
    let before = slot.supply.withdrawn;
    change_supply(data, id, |supply| supply.withdrawn = supply.withdrawn - before + withdrawn);
    data.publish(EventKind::WithdrawnSet, id.0, u64::from(withdrawn), reason);
    Ok(Outcome::Done)
}

fn check_not_closed(campaign: &Campaign) -> Result<(), Refusal> {
    if campaign.closed { refused(Reason::CampaignClosed) } else { Ok(()) }
}
