//! What operators and clinics do: each change is told to the public, with its reason.

use jari_core::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Window};
use jari_core::ids::{CampaignId, ClinicId, DeskId, SlotId, VaccineId};
use jari_core::state::EventKind;
use jari_core::{Body, Outcome, Reason, Time};

use super::{Campaign, Model, Slot, Verdict, check_text, fits, no, no_with};

fn unfit_rule(rules: &Rules) -> Option<u64> {
    if rules.born_from > rules.born_until {
        return Some(3);
    }
    (rules.doses == 0 || rules.doses > 8).then_some(4)
}

/// The number of the first window that cannot be.
fn unfit_window(windows: &[Window]) -> Option<u64> {
    let wrong = (0..windows.len()).find(|number| {
        let window = &windows[*number];
        let before =
            number.checked_sub(1).map_or((Time(0), 1), |at| (windows[at].opens_at, windows[at].share_ppm));
        *number >= 64
            || window.closes_at <= window.opens_at
            || window.digits == 0
            || window.digits > 0x3ff
            || window.opens_at < before.0
            || window.share_ppm < before.1
            || window.share_ppm > 1_000_000
    });
    wrong.map(|number| number as u64 + 1)
}

impl Model {
    pub(super) fn operate(&mut self, body: &Body) -> Verdict {
        match body {
            Body::CreateRoom { room, config } => self.create_room(*room, config),
            Body::ScheduleRoom { room, opens_at, reason } => self.schedule_room(*room, *opens_at, reason),
            Body::DrawRoom { room, seed, beacon } => self.draw_room(*room, *seed, *beacon),
            Body::PauseRoom { room, reason } => self.pause_room(*room, reason),
            Body::ResumeRoom { room } => self.resume_room(*room),
            Body::CloseRoom { room, reason } => self.close_room(*room, reason),
            Body::SetPace { room, pace, reason } => self.set_pace(*room, *pace, reason),
            Body::ReportHealth { room, .. } => self.report_health(*room),
            Body::SetNotices { room, notices } => self.set_notices(*room, notices),
            Body::CreateCampaign { campaign, config } => self.create_campaign(*campaign, config),
            Body::SetRules { campaign, rules, reason } => self.set_rules(*campaign, rules, reason),
            Body::SetWindows { campaign, windows, reason } => self.set_windows(*campaign, windows, reason),
            Body::SetQuota { campaign, vaccine, quota, reason } => {
                self.set_quota(*campaign, *vaccine, *quota, reason)
            }
            Body::PauseCampaign { campaign, reason } => self.pause_campaign(*campaign, reason),
            Body::ResumeCampaign { campaign } => self.resume_campaign(*campaign),
            Body::CloseCampaign { campaign, reason } => self.close_campaign(*campaign, reason),
            Body::AddClinic { config } => self.add_clinic(config),
            Body::AddDesk { campaign, clinic } => self.add_desk(*campaign, *clinic),
            Body::AddSlots { desk, slots } => self.add_slots(*desk, slots),
            Body::SetCapacity { slot, capacity, reason } => self.set_capacity(*slot, *capacity, reason),
            Body::SetWithdrawn { slot, withdrawn, reason } => self.set_withdrawn(*slot, *withdrawn, reason),
            other => unreachable!("the model was asked for {other:?}"),
        }
    }

    fn running(&mut self, id: CampaignId) -> Result<&mut Campaign, Outcome> {
        match self.campaigns.get_mut(&id) {
            None => no(Reason::CampaignUnknown),
            Some(campaign) if campaign.closed => no(Reason::CampaignClosed),
            Some(campaign) => Ok(campaign),
        }
    }

    fn create_campaign(&mut self, id: CampaignId, config: &CampaignConfig) -> Verdict {
        if config.reminder_ms > 0 && self.upgrades < 2 {
            return no(Reason::RulesUnknown);
        }
        if self.campaigns.contains_key(&id) {
            return no(Reason::CampaignExists);
        }
        let texts = config.vaccines.iter().map(|vaccine| &vaccine.name);
        if !texts.chain([&config.name]).all(|text| fits(text)) {
            return no(Reason::TextUnfit);
        }
        if config.vaccines.is_empty() || config.vaccines.len() > 32 {
            return no_with(Reason::SettingUnfit, 4);
        }
        if config.rules.version == 0 || unfit_rule(&config.rules).is_some() {
            return no_with(Reason::SettingUnfit, 5);
        }
        if unfit_window(&config.windows).is_some() {
            return no_with(Reason::SettingUnfit, 6);
        }
        if config.hold_ms < 10_000 || config.hold_ms > 3_600_000 {
            return no_with(Reason::SettingUnfit, 7);
        }
        if !(-840..=840).contains(&config.utc_offset_min) {
            return no_with(Reason::SettingUnfit, 8);
        }
        // Ten minutes to fourteen days.
        if config.reminder_ms > 0 && !(600_000..=1_209_600_000).contains(&config.reminder_ms) {
            return no_with(Reason::SettingUnfit, 9);
        }
        self.campaigns.insert(id, Campaign { config: config.clone(), paused: None, closed: false });
        self.publish(EventKind::CampaignCreated, id.0, u64::from(config.quota), "");
        Ok(Outcome::Done)
    }

    fn set_rules(&mut self, id: CampaignId, rules: &Rules, reason: &str) -> Verdict {
        let campaign = self.running(id)?;
        check_text(reason)?;
        if rules.version <= campaign.config.rules.version {
            return no_with(Reason::SettingUnfit, 1);
        }
        if let Some(number) = unfit_rule(rules) {
            return no_with(Reason::SettingUnfit, number);
        }
        campaign.config.rules = *rules;
        self.publish(EventKind::RulesSet, id.0, u64::from(rules.version), reason);
        Ok(Outcome::Done)
    }

    fn set_windows(&mut self, id: CampaignId, windows: &[Window], reason: &str) -> Verdict {
        let campaign = self.running(id)?;
        check_text(reason)?;
        if let Some(number) = unfit_window(windows) {
            return no_with(Reason::SettingUnfit, number);
        }
        campaign.config.windows = windows.to_vec();
        self.publish(EventKind::WindowsSet, id.0, 0, reason);
        Ok(Outcome::Done)
    }

    fn set_quota(&mut self, id: CampaignId, vaccine: Option<VaccineId>, quota: u32, reason: &str) -> Verdict {
        let campaign = self.running(id)?;
        check_text(reason)?;
        let Some(VaccineId(number)) = vaccine else {
            campaign.config.quota = quota;
            self.publish(EventKind::QuotaSet, id.0, u64::from(quota), reason);
            return Ok(Outcome::Done);
        };
        match campaign.config.vaccines.get_mut(usize::from(number)) {
            None => return no(Reason::VaccineUnknown),
            Some(vaccine) => vaccine.quota = quota,
        }
        let value = u64::from(number) * (1 << 32) + u64::from(quota);
        self.publish(EventKind::VaccineQuotaSet, id.0, value, reason);
        Ok(Outcome::Done)
    }

    fn pause_campaign(&mut self, id: CampaignId, reason: &str) -> Verdict {
        let campaign = self.running(id)?;
        check_text(reason)?;
        campaign.paused = Some(reason.into());
        self.publish(EventKind::CampaignPaused, id.0, 0, reason);
        Ok(Outcome::Done)
    }

    fn resume_campaign(&mut self, id: CampaignId) -> Verdict {
        if self.running(id)?.paused.take().is_none() {
            return no(Reason::CampaignNotPaused);
        }
        self.publish(EventKind::CampaignResumed, id.0, 0, "");
        Ok(Outcome::Done)
    }

    fn close_campaign(&mut self, id: CampaignId, reason: &str) -> Verdict {
        let campaign = self.running(id)?;
        check_text(reason)?;
        (campaign.closed, campaign.paused) = (true, None);
        self.publish(EventKind::CampaignClosed, id.0, 0, reason);
        Ok(Outcome::Done)
    }

    fn add_clinic(&mut self, config: &ClinicConfig) -> Verdict {
        let texts = [&config.name, &config.address, &config.region, &config.district, &config.postcode];
        if !texts.into_iter().all(|text| fits(text)) || config.telephone.len() > 400 {
            return no(Reason::TextUnfit);
        }
        if !(-90_000_000..=90_000_000).contains(&config.latitude_e6) {
            return no_with(Reason::SettingUnfit, 7);
        }
        if !(-180_000_000..=180_000_000).contains(&config.longitude_e6) {
            return no_with(Reason::SettingUnfit, 8);
        }
        self.clinics.push(config.clone());
        Ok(Outcome::ClinicAdded { clinic: ClinicId(self.clinics.len() as u32 - 1) })
    }

    fn add_desk(&mut self, campaign: CampaignId, clinic: ClinicId) -> Verdict {
        self.running(campaign)?;
        if clinic.0 as usize >= self.clinics.len() {
            return no(Reason::ClinicUnknown);
        }
        if let Some(desk) = self.desks.iter().position(|desk| *desk == (campaign, clinic)) {
            return no_with(Reason::DeskExists, desk as u64);
        }
        self.desks.push((campaign, clinic));
        Ok(Outcome::DeskAdded { desk: DeskId(self.desks.len() as u32 - 1) })
    }

    fn add_slots(&mut self, desk: DeskId, slots: &[SlotSpec]) -> Verdict {
        let Some((campaign, _)) = self.desks.get(desk.0 as usize).copied() else {
            return no(Reason::DeskUnknown);
        };
        let vaccines = self.running(campaign)?.config.vaccines.len();
        if slots.is_empty() {
            return no_with(Reason::SettingUnfit, 1);
        }
        if slots.len() > 2_048 {
            return no_with(Reason::SettingUnfit, 2_049);
        }
        for (number, slot) in (1..).zip(slots) {
            if usize::from(slot.vaccine.0) >= vaccines {
                return no_with(Reason::VaccineUnknown, number);
            }
            if slot.capacity > 100_000 {
                return no_with(Reason::SettingUnfit, number);
            }
        }
        let first = SlotId(self.slots.len() as u32);
        let desk = desk.0 as usize;
        self.slots.extend(slots.iter().map(|spec| Slot { desk, spec: *spec, withdrawn: 0 }));
        Ok(Outcome::SlotsAdded { first, count: slots.len() as u32 })
    }

    /// A slot whose campaign is not over, its capacity, and places taken and out of use.
    fn slot_to_change(&mut self, id: SlotId, reason: &str) -> Result<(u32, u64, u64), Outcome> {
        let Some(slot) = self.slots.get(id.0 as usize).cloned() else { return no(Reason::SlotUnknown) };
        self.running(self.campaign_of(id))?;
        check_text(reason)?;
        let taken = self.taken(|booking| booking.slot == id);
        Ok((slot.spec.capacity, taken, u64::from(slot.withdrawn)))
    }

    fn set_capacity(&mut self, id: SlotId, capacity: u32, reason: &str) -> Verdict {
        let (_, taken, withdrawn) = self.slot_to_change(id, reason)?;
        if capacity > 100_000 {
            return no_with(Reason::SettingUnfit, 1);
        }
        if u64::from(capacity) < taken + withdrawn {
            return no_with(Reason::PlacesInUse, taken + withdrawn);
        }
        self.slots[id.0 as usize].spec.capacity = capacity;
        self.publish(EventKind::CapacitySet, id.0, u64::from(capacity), reason);
        Ok(Outcome::Done)
    }

    fn set_withdrawn(&mut self, id: SlotId, withdrawn: u32, reason: &str) -> Verdict {
        let (capacity, taken, _) = self.slot_to_change(id, reason)?;
        if u64::from(withdrawn) + taken > u64::from(capacity) {
            return no_with(Reason::PlacesInUse, taken);
        }
        self.slots[id.0 as usize].withdrawn = withdrawn;
        self.publish(EventKind::WithdrawnSet, id.0, u64::from(withdrawn), reason);
        Ok(Outcome::Done)
    }
}
