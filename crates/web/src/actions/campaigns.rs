//! What everyone may see of campaigns: rules, windows, supply.

use jari_core::booking::{Campaign, Rules, Supply, Vaccine, Window};
use jari_core::ids::CampaignId;
use jari_core::time::Date;
use jari_core::{Reason, Refusal, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::eligibility::digits_of;
use crate::problem::Problem;
use crate::site::Site;

/// Places by what became of them: capacity = free + held + booked + used + withdrawn.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct SupplyView {
    /// All places.
    pub capacity: u32,
    /// Places that can be held.
    pub free: u32,
    /// Held for a few minutes.
    pub held: u32,
    /// Booked.
    pub booked: u32,
    /// Used.
    pub used: u32,
    /// Taken out of use.
    pub withdrawn: u32,
}

impl From<&Supply> for SupplyView {
    fn from(supply: &Supply) -> SupplyView {
        SupplyView {
            capacity: supply.capacity,
            free: supply.free(),
            held: supply.held,
            booked: supply.booked,
            used: supply.used,
            withdrawn: supply.withdrawn,
        }
    }
}

/// Who may book.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesView {
    /// Grows with every change, from 1.
    pub version: u32,
    /// The first birth date that may book, `YYYY-MM-DD`.
    #[schema(example = "1962-01-01")]
    pub born_from: String,
    /// The last one.
    #[schema(example = "1966-12-31")]
    pub born_until: String,
    /// Doses of the course.
    pub doses: u8,
    /// Days from one dose to the next at the least.
    pub dose_interval_days: u16,
}

/// A stretch of time in which booking is open to some.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowView {
    /// From when.
    pub opens_at_ms: u64,
    /// Until when (excluded).
    pub closes_at_ms: u64,
    /// Last digits of the day of birth that may book, 0 to 9.
    pub digits: Vec<u8>,
    /// The part of the supply given away by its end, parts per million.
    pub share_ppm: u32,
}

/// A vaccine and its places.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct VaccineView {
    /// Its number in the campaign.
    pub vaccine: u16,
    /// Its name.
    pub name: String,
    /// How many doses may be held, booked and used together.
    pub quota: u32,
    /// Its places.
    pub supply: SupplyView,
}

/// Where a campaign is.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CampaignState {
    /// No window has opened.
    NotOpen,
    /// A window is open for some.
    Open,
    /// Between two windows.
    Between,
    /// The operator stopped it for now.
    Paused,
    /// All windows are over, or the operator ended it.
    Over,
}

/// A campaign, as everyone may see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CampaignView {
    /// Its number.
    pub campaign: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: CampaignState,
    /// The room that everyone passes through, if any.
    pub room: Option<u32>,
    /// How many people it is for.
    pub quota: u32,
    /// Places that can be given in the window of this moment, or in the next one if none is
    /// open: the same figure as in the waiting document.
    pub free: u32,
    /// Places that can be given in all windows: free ones, as far as the quota reaches.
    pub free_in_all: u32,
    /// All its places.
    pub supply: SupplyView,
    /// The vaccines.
    pub vaccines: Vec<VaccineView>,
    /// Who may book.
    pub rules: RulesView,
    /// When and for which birth digits.
    pub windows: Vec<WindowView>,
    /// How long a hold lasts, milliseconds.
    pub hold_ms: u32,
    /// The local clock, minutes ahead of UTC.
    pub utc_offset_min: i16,
    /// How long before the appointment people are reminded of it, milliseconds; 0 for never.
    pub reminder_ms: u32,
    /// Why it is paused.
    pub paused_because: Option<String>,
    /// Bookings ever confirmed.
    pub confirmed: u64,
    /// Holds that lapsed.
    pub lapsed: u64,
    /// This service's clock now.
    pub now_ms: u64,
}

/// All campaigns, in the order of their numbers.
#[must_use]
pub fn campaigns(site: &Site) -> Vec<CampaignView> {
    site.node.read(|state| {
        let data = state.data();
        data.campaigns.iter().map(|(id, campaign)| view(*id, campaign, data.time)).collect()
    })
}

/// One campaign.
///
/// # Errors
///
/// `campaign_unknown`.
pub fn campaign(site: &Site, id: CampaignId) -> Result<CampaignView, Problem> {
    site.node.read(|state| {
        let data = state.data();
        data.campaigns.get(&id).map(|campaign| view(id, campaign, data.time)).ok_or_else(unknown)
    })
}

/// The problem of a campaign that does not exist.
pub(crate) fn unknown() -> Problem {
    Refusal { reason: Reason::CampaignUnknown, detail: 0 }.into()
}

fn view(id: CampaignId, campaign: &Campaign, now: Time) -> CampaignView {
    let config = &campaign.config;
    CampaignView {
        campaign: id.0,
        name: config.name.to_string(),
        state: state_of(campaign, now),
        room: config.room.map(|room| room.0),
        quota: config.quota,
        free: campaign.free_at(now),
        free_in_all: campaign.free(),
        supply: (&campaign.supply).into(),
        vaccines: config.vaccines.iter().zip(&campaign.by_vaccine).enumerate().map(vaccine_view).collect(),
        rules: rules_view(&config.rules),
        windows: config.windows.iter().map(window_view).collect(),
        hold_ms: config.hold_ms,
        utc_offset_min: config.utc_offset_min,
        reminder_ms: config.reminder_ms,
        paused_because: campaign.paused.as_ref().map(ToString::to_string),
        confirmed: campaign.confirmed,
        lapsed: campaign.lapsed,
        now_ms: now.0,
    }
}

fn vaccine_view((number, (vaccine, supply)): (usize, (&Vaccine, &Supply))) -> VaccineView {
    VaccineView {
        vaccine: u16::try_from(number).unwrap_or(u16::MAX),
        name: vaccine.name.to_string(),
        quota: vaccine.quota,
        supply: supply.into(),
    }
}

fn state_of(campaign: &Campaign, now: Time) -> CampaignState {
    let windows = &campaign.config.windows;
    if campaign.closed || windows.iter().all(|window| window.closes_at <= now) {
        CampaignState::Over
    } else if campaign.paused.is_some() {
        CampaignState::Paused
    } else if windows.iter().all(|window| now < window.opens_at) {
        CampaignState::NotOpen
    } else if windows.iter().any(|window| window.opens_at <= now && now < window.closes_at) {
        CampaignState::Open
    } else {
        CampaignState::Between
    }
}

fn rules_view(rules: &Rules) -> RulesView {
    RulesView {
        version: rules.version,
        born_from: date_text(rules.born_from),
        born_until: date_text(rules.born_until),
        doses: rules.doses,
        dose_interval_days: rules.dose_interval_days,
    }
}

fn window_view(window: &Window) -> WindowView {
    WindowView {
        opens_at_ms: window.opens_at.0,
        closes_at_ms: window.closes_at.0,
        digits: digits_of(window.digits),
        share_ppm: window.share_ppm,
    }
}

/// A civil date as `YYYY-MM-DD`.
#[must_use]
pub fn date_text(date: Date) -> String {
    let (year, month, day) = date.civil();
    format!("{year:04}-{month:02}-{day:02}")
}

/// The date of exactly `YYYY-MM-DD`.
#[must_use]
pub fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shaped {
        return None;
    }
    Date::from_civil(text[..4].parse().ok()?, text[5..7].parse().ok()?, text[8..].parse().ok()?)
}

impl RulesView {
    /// The rules as the machine keeps them.
    ///
    /// # Errors
    ///
    /// `unfit` when a date is none.
    pub fn to_rules(&self) -> Result<Rules, Problem> {
        let date =
            |text: &str| parse_date(text).ok_or_else(|| Problem::unfit("A date is written YYYY-MM-DD."));
        Ok(Rules {
            version: self.version,
            born_from: date(&self.born_from)?,
            born_until: date(&self.born_until)?,
            doses: self.doses,
            dose_interval_days: self.dose_interval_days,
        })
    }
}

impl WindowView {
    /// The window as the machine keeps it.
    ///
    /// # Errors
    ///
    /// `unfit` when a digit is above 9.
    pub fn to_window(&self) -> Result<Window, Problem> {
        let mut digits = 0;
        for digit in &self.digits {
            if *digit > 9 {
                return Err(Problem::unfit("Birth digits go from 0 to 9."));
            }
            digits |= 1 << digit;
        }
        Ok(Window {
            opens_at: Time(self.opens_at_ms),
            closes_at: Time(self.closes_at_ms),
            digits,
            share_ppm: self.share_ppm,
        })
    }
}
