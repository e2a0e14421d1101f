//! What an operator may do to a campaign. Every change is a public event with its reason.

use alloc::vec;
use alloc::vec::Vec;

use super::ledger::{Verdict, refused, refused_with};
use super::windows::unfit_window;
use crate::booking::{Campaign, CampaignConfig, Rules, Supply, Window};
use crate::ids::{CampaignId, VaccineId};
use crate::limits;
use crate::outcome::{Outcome, Reason, Refusal};
use crate::rules::RULES_REMINDERS;
use crate::state::{Data, EventKind, text_fits};

/// The furthest that a place's clock is from UTC, minutes.
const UTC_OFFSET_MIN_MAX: u16 = 14 * 60;

/// Makes a campaign. Checked in this order: `rules_unknown` for one with reminders before
/// rules 3; `campaign_exists`; `full`; the texts (`text_unfit`); the settings in the order of
/// [`CampaignConfig`] (`setting_unfit` with the number of the field: 4 vaccines, 5 rules,
/// 6 windows, 7 hold, 8 clock, 9 reminder).
pub(super) fn create_campaign(data: &mut Data, id: CampaignId, config: &CampaignConfig) -> Verdict {
    if config.reminder_ms != 0 && data.rules < RULES_REMINDERS {
        return refused(Reason::RulesUnknown);
    }
    if data.campaigns.contains_key(&id) {
        return refused(Reason::CampaignExists);
    }
    if data.campaigns.len() >= limits::CAMPAIGNS_MAX {
        return refused(Reason::Full);
    }
    if !text_fits(&config.name) || config.vaccines.iter().any(|vaccine| !text_fits(&vaccine.name)) {
        return refused(Reason::TextUnfit);
    }
    let settings = [
        (4, (1..=limits::VACCINES_PER_CAMPAIGN_MAX).contains(&config.vaccines.len())),
        (5, config.rules.version > 0 && unfit_rule(&config.rules).is_none()),
        (6, unfit_window(&config.windows).is_none()),
        (7, (limits::HOLD_MS_MIN..=limits::HOLD_MS_MAX).contains(&config.hold_ms)),
        (8, config.utc_offset_min.unsigned_abs() <= UTC_OFFSET_MIN_MAX),
        (9, limits::is_reminder(config.reminder_ms)),
    ];
    if let Some((number, _)) = settings.iter().find(|(_, fits)| !fits) {
        return refused_with(Reason::SettingUnfit, *number);
    }
    let campaign = Campaign {
        config: config.clone(),
        paused: None,
        closed: false,
        supply: Supply::default(),
        by_vaccine: vec![Supply::default(); config.vaccines.len()],
        confirmed: 0,
        lapsed: 0,
    };
    data.campaigns.insert(id, campaign);
    data.publish(EventKind::CampaignCreated, id.0, u64::from(config.quota), "");
    Ok(Outcome::Done)
}

/// The number, in the order of [`Rules`], of the first rule outside its limits. The
/// version is looked at elsewhere.
fn unfit_rule(rules: &Rules) -> Option<u64> {
    if rules.born_until < rules.born_from {
        return Some(3);
    }
    (!(1..=limits::DOSES_MAX).contains(&rules.doses)).then_some(4)
}

/// Changes who may book. Checked in this order: `campaign_unknown`; `campaign_closed`;
/// `text_unfit`; `setting_unfit` with the number in the order of [`Rules`]: 1 the version
/// does not grow, 3 the last birth date lies before the first, 4 the doses.
pub(super) fn set_rules(data: &mut Data, id: CampaignId, rules: &Rules, reason: &str) -> Verdict {
    let campaign = open_campaign(data, id)?;
    check_text(reason)?;
    if rules.version <= campaign.config.rules.version {
        return refused_with(Reason::SettingUnfit, 1);
    }
    if let Some(number) = unfit_rule(rules) {
        return refused_with(Reason::SettingUnfit, number);
    }
    campaign.config.rules = *rules;
    data.publish(EventKind::RulesSet, id.0, u64::from(rules.version), reason);
    Ok(Outcome::Done)
}

/// Changes when booking is open. Checked in this order: `campaign_unknown`;
/// `campaign_closed`; `text_unfit`; `setting_unfit` with the number of the first unfit
/// window, from 1. No windows at all means: not yet.
pub(super) fn set_windows(data: &mut Data, id: CampaignId, windows: &[Window], reason: &str) -> Verdict {
    let campaign = open_campaign(data, id)?;
    check_text(reason)?;
    if let Some(number) = unfit_window(windows) {
        return refused_with(Reason::SettingUnfit, number);
    }
    campaign.config.windows = Vec::from(windows);
    data.publish(EventKind::WindowsSet, id.0, 0, reason);
    Ok(Outcome::Done)
}

/// Changes a quota. One below what is taken is allowed: bookings stay, and nothing is
/// free until enough were given back. Checked in this order: `campaign_unknown`;
/// `campaign_closed`; `text_unfit`; `vaccine_unknown`.
pub(super) fn set_quota(
    data: &mut Data,
    id: CampaignId,
    vaccine: Option<VaccineId>,
    quota: u32,
    reason: &str,
) -> Verdict {
    let campaign = open_campaign(data, id)?;
    check_text(reason)?;
    let Some(vaccine) = vaccine else {
        campaign.config.quota = quota;
        data.publish(EventKind::QuotaSet, id.0, u64::from(quota), reason);
        return Ok(Outcome::Done);
    };
    let Some(kept) = campaign.config.vaccines.get_mut(usize::from(vaccine.0)) else {
        return refused(Reason::VaccineUnknown);
    };
    kept.quota = quota;
    data.publish(EventKind::VaccineQuotaSet, id.0, u64::from(vaccine.0) << 32 | u64::from(quota), reason);
    Ok(Outcome::Done)
}

/// Stops new holds and moves; a campaign that is paused gets the new reason. Checked in
/// this order: `campaign_unknown`; `campaign_closed`; `text_unfit`.
pub(super) fn pause_campaign(data: &mut Data, id: CampaignId, reason: &str) -> Verdict {
    let campaign = open_campaign(data, id)?;
    check_text(reason)?;
    campaign.paused = Some(reason.into());
    data.publish(EventKind::CampaignPaused, id.0, 0, reason);
    Ok(Outcome::Done)
}

/// Goes on after a pause. Checked in this order: `campaign_unknown`; `campaign_closed`;
/// `campaign_not_paused`.
pub(super) fn resume_campaign(data: &mut Data, id: CampaignId) -> Verdict {
    let campaign = open_campaign(data, id)?;
    if campaign.paused.take().is_none() {
        return refused(Reason::CampaignNotPaused);
    }
    data.publish(EventKind::CampaignResumed, id.0, 0, "");
    Ok(Outcome::Done)
}

/// Ends a campaign for good. Checked in this order: `campaign_unknown`;
/// `campaign_closed`; `text_unfit`.
pub(super) fn close_campaign(data: &mut Data, id: CampaignId, reason: &str) -> Verdict {
    let campaign = open_campaign(data, id)?;
    check_text(reason)?;
    campaign.closed = true;
    campaign.paused = None;
    data.publish(EventKind::CampaignClosed, id.0, 0, reason);
    Ok(Outcome::Done)
}

fn open_campaign(data: &mut Data, id: CampaignId) -> Result<&mut Campaign, Refusal> {
    match data.campaigns.get_mut(&id) {
        None => refused(Reason::CampaignUnknown),
        Some(campaign) if campaign.closed => refused(Reason::CampaignClosed),
        Some(campaign) => Ok(campaign),
    }
}

/// Whether a public reason is within bounds and says something.
pub(super) fn check_text(reason: &str) -> Result<(), Refusal> {
    if text_fits(reason) { Ok(()) } else { refused(Reason::TextUnfit) }
}
