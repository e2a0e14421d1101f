//! The operator's side of campaigns: make, rules, windows, quota, pause, end.

use jari_core::booking::{CampaignConfig, Vaccine, Window};
use jari_core::ids::{CampaignId, RoomId, VaccineId};
use jari_core::time::Date;
use jari_core::{Body, Time};
use jari_wire::token::StaffSession;
use serde::Deserialize;
use utoipa::ToSchema;

use super::operate;
use crate::actions::IdempotencyKey;
use crate::actions::campaigns::{RulesView, WindowView, campaign, parse_date};
use crate::problem::Problem;
use crate::site::Site;

const DAY_MS: u64 = 86_400_000;

/// A vaccine to be given.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVaccine {
    /// Its name.
    pub name: String,
    /// How many doses may be held, booked and used together.
    pub quota: u32,
}

/// A campaign to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCampaign {
    /// Its number.
    pub campaign: u32,
    /// Its name.
    pub name: String,
    /// The room that everyone passes through.
    #[serde(default)]
    pub room: Option<u32>,
    /// How many people it is for.
    pub quota: u32,
    /// The vaccines, in the order of their numbers.
    pub vaccines: Vec<NewVaccine>,
    /// Who may book.
    pub rules: RulesView,
    /// When, and for which birth digits.
    pub windows: Windows,
    /// How long a hold lasts, milliseconds.
    pub hold_ms: u32,
    /// The local clock, minutes ahead of UTC.
    #[serde(default = "korea")]
    pub utc_offset_min: i16,
    /// How long before the appointment people are reminded of it, milliseconds: 600,000 (ten
    /// minutes) to 1,209,600,000 (fourteen days), or 0 for never. Cannot be changed later; needs
    /// version 3 of the rules.
    #[serde(default)]
    #[schema(example = 86_400_000, maximum = 1_209_600_000)]
    pub reminder_ms: u32,
}

fn korea() -> i16 {
    540
}

/// When booking is open: window by window, or ten even days by birth digit.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Windows {
    /// As given.
    Each(Vec<WindowView>),
    /// Ten days by birth digit with the supply split evenly.
    BirthDigitDays(BirthDigitDays),
}

/// Ten days, each for one last digit of the day of birth, then days for everyone. The
/// first day's digit is the last digit of its own date, the next days' follow.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthDigitDays {
    /// The first day, `YYYY-MM-DD`, by the campaign's clock.
    #[schema(example = "2021-08-09")]
    pub first_day: String,
    /// Minutes after midnight at which each day's booking opens.
    #[schema(example = 1200)]
    pub opens_minute: u16,
    /// How long each day's booking is open, minutes; up to a day.
    #[schema(example = 1320)]
    pub open_minutes: u16,
    /// Days for everyone afterwards.
    #[serde(default)]
    pub days_for_everyone: u16,
}

impl Windows {
    /// The windows as the machine keeps them.
    ///
    /// # Errors
    ///
    /// `unfit`, saying what does not fit.
    pub fn to_windows(&self, utc_offset_min: i16) -> Result<Vec<Window>, Problem> {
        match self {
            Windows::Each(windows) => windows.iter().map(WindowView::to_window).collect(),
            Windows::BirthDigitDays(days) => days.to_windows(utc_offset_min),
        }
    }
}

impl BirthDigitDays {
    fn to_windows(&self, utc_offset_min: i16) -> Result<Vec<Window>, Problem> {
        let unfit = "A day is written YYYY-MM-DD; a day's booking opens before midnight and lasts up to 1,440 minutes.";
        let first = parse_date(&self.first_day).filter(|day| day.civil().0 >= 2000);
        let fits = self.opens_minute < 1_440
            && (1..=1_440).contains(&self.open_minutes)
            && self.days_for_everyone <= 366;
        let first = first.filter(|_| fits).ok_or_else(|| Problem::unfit(unfit))?;
        let opens =
            |day: u32| instant(first, utc_offset_min, self.opens_minute).plus_ms(u64::from(day) * DAY_MS);
        let open_ms = u64::from(self.open_minutes) * 60_000;
        let mut windows: Vec<Window> = (0..10_u32)
            .map(|day| Window {
                opens_at: opens(day),
                closes_at: opens(day).plus_ms(open_ms),
                digits: 1 << ((u32::from(first.birth_digit()) + day) % 10),
                share_ppm: (day + 1) * 100_000,
            })
            .collect();
        if self.days_for_everyone > 0 {
            let days = u64::from(self.days_for_everyone);
            let opens_at = opens(10);
            let closes_at = opens_at.plus_ms((days - 1) * DAY_MS + open_ms);
            windows.push(Window { opens_at, closes_at, digits: 0x3ff, share_ppm: 1_000_000 });
        }
        Ok(windows)
    }
}

/// The instant of a minute of a day at a place.
fn instant(day: Date, utc_offset_min: i16, minute: u16) -> Time {
    let minutes = i64::from(day.0) * 1_440 + i64::from(minute) - i64::from(utc_offset_min);
    Time(u64::try_from(minutes * 60_000).unwrap_or(0))
}

/// Makes a campaign.
///
/// # Errors
///
/// `unfit`; the machine's refusals: `campaign_exists`, `setting_unfit`, ...
pub async fn create_campaign(
    site: &Site,
    staff: &StaffSession,
    new: &NewCampaign,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    let vaccine = |new: &NewVaccine| Vaccine { name: new.name.as_str().into(), quota: new.quota };
    let config = CampaignConfig {
        name: new.name.as_str().into(),
        room: new.room.map(RoomId),
        quota: new.quota,
        vaccines: new.vaccines.iter().map(vaccine).collect(),
        rules: new.rules.to_rules()?,
        windows: new.windows.to_windows(new.utc_offset_min)?,
        hold_ms: new.hold_ms,
        utc_offset_min: new.utc_offset_min,
        reminder_ms: new.reminder_ms,
    };
    let body = Body::CreateCampaign { campaign: CampaignId(new.campaign), config: Box::new(config) };
    operate(site, staff, key, body).await
}

/// Changes who may book; the version must grow.
///
/// # Errors
///
/// `unfit`; the machine's refusals.
pub async fn set_rules(
    site: &Site,
    staff: &StaffSession,
    campaign: CampaignId,
    rules: &RulesView,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    let rules = rules.to_rules()?;
    operate(site, staff, key, Body::SetRules { campaign, rules, reason: reason.into() }).await
}

/// Changes when and for which birth digits booking is open.
///
/// # Errors
///
/// `unfit`; the machine's refusals.
pub async fn set_windows(
    site: &Site,
    staff: &StaffSession,
    id: CampaignId,
    windows: &Windows,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    let windows = windows.to_windows(campaign(site, id)?.utc_offset_min)?;
    operate(site, staff, key, Body::SetWindows { campaign: id, windows, reason: reason.into() }).await
}

/// Changes how many people the campaign, or one vaccine of it, is for.
///
/// # Errors
///
/// The machine's refusals.
pub async fn set_quota(
    site: &Site,
    staff: &StaffSession,
    campaign: CampaignId,
    vaccine: Option<VaccineId>,
    quota: u32,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::SetQuota { campaign, vaccine, quota, reason: reason.into() }).await
}

/// Stops new holds, bookings and moves; what exists stays.
///
/// # Errors
///
/// The machine's refusals.
pub async fn pause_campaign(
    site: &Site,
    staff: &StaffSession,
    campaign: CampaignId,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::PauseCampaign { campaign, reason: reason.into() }).await
}

/// Goes on after a pause.
///
/// # Errors
///
/// The machine's refusals.
pub async fn resume_campaign(
    site: &Site,
    staff: &StaffSession,
    campaign: CampaignId,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::ResumeCampaign { campaign }).await
}

/// Ends a campaign for good; bookings stay.
///
/// # Errors
///
/// The machine's refusals.
pub async fn close_campaign(
    site: &Site,
    staff: &StaffSession,
    campaign: CampaignId,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::CloseCampaign { campaign, reason: reason.into() }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_birth_digit_days_split_the_supply_evenly() {
        let days = BirthDigitDays {
            first_day: "2021-08-09".into(),
            opens_minute: 20 * 60,
            open_minutes: 22 * 60,
            days_for_everyone: 2,
        };
        let windows = days.to_windows(540).unwrap();
        assert_eq!(windows.len(), 11);
        // 2021-08-09T20:00 in Korea is 11:00 UTC.
        assert_eq!(windows[0].opens_at, Time(1_628_506_800_000));
        assert_eq!(windows[0].digits, 1 << 9);
        assert_eq!(windows[1].digits, 1);
        assert_eq!(windows[9].share_ppm, 1_000_000);
        assert_eq!(windows[10].digits, 0x3ff);
        assert_eq!(windows[10].closes_at.since_ms(windows[10].opens_at), DAY_MS + 22 * 3_600_000);
        for pair in windows.windows(2) {
            assert!(pair[0].closes_at <= pair[1].opens_at);
        }
    }
}
