//! From a region to a time: one choice a page, free places beside each, nothing lost on
//! the way back. A booking that is being moved travels along as `move=CODE`. The lists on the
//! way to a clinic are in `choose`.

use axum::extract::{Form, Path, Query};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::{CampaignId, DeskId, RoomId, SlotId};
use serde::Deserialize;

use super::caller::{Caller, Failed};
use super::respond::{encode_query, local_path, see_other};
use super::views::{self, DayChoice, TimeChoice};
use super::{choose, eligible, standby};
use crate::actions::campaigns;
use crate::actions::places::{self, DayView};
use crate::actions::{IdempotencyKey, booking};
use crate::problem::Problem;

/// Days shown at once.
const DAYS_SHOWN: usize = 12;
/// Times of a day shown at once.
const TIMES_SHOWN: usize = 48;

/// What has been chosen so far.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BookQuery {
    pub(super) region: Option<String>,
    pub(super) district: Option<String>,
    /// The whole region, whatever the district.
    pub(super) all: bool,
    day: Option<String>,
    pub(super) skip: usize,
    #[serde(rename = "move")]
    pub(super) moving: Option<String>,
}

impl BookQuery {
    /// The rest of a link that keeps a move going.
    pub(super) fn moving_suffix(&self) -> String {
        self.moving.as_deref().map_or(String::new(), |code| format!("&move={}", encode_query(code)))
    }
}

/// Nobody chooses a place for nothing: who they are is asked first.
fn identified(caller: &Caller) -> Option<Response> {
    caller.session().is_none().then(|| see_other(&format!("/identify?next={}", encode_query(&caller.path))))
}

/// `GET /book/{campaign}`: regions, then districts, then clinics.
///
/// # Errors
///
/// `campaign_unknown`, `region_unknown`.
pub async fn get_book(
    caller: Caller,
    Path(campaign): Path<u32>,
    Query(query): Query<BookQuery>,
) -> Result<Response, Failed> {
    if let Some(elsewhere) = identified(&caller) {
        return Ok(elsewhere);
    }
    let campaign = campaigns::campaign(&caller.site, CampaignId(campaign))?;
    let page = choose::step(&caller, campaign, &query)?;
    caller.page(&page, StatusCode::OK)
}

/// `GET /book/{campaign}/desks/{desk}`: a clinic's days and times.
///
/// # Errors
///
/// `campaign_unknown`, `desk_unknown`.
pub async fn get_desk(
    caller: Caller,
    Path((campaign, desk)): Path<(u32, u32)>,
    Query(query): Query<BookQuery>,
) -> Result<Response, Failed> {
    if let Some(elsewhere) = identified(&caller) {
        return Ok(elsewhere);
    }
    let page = desk_page(&caller, campaign, DeskId(desk), &query, None)?;
    caller.page(&page, StatusCode::OK)
}

pub(super) fn desk_page(
    caller: &Caller,
    campaign: u32,
    desk: DeskId,
    query: &BookQuery,
    problem: Option<String>,
) -> Result<views::Slots, Problem> {
    let campaign = campaigns::campaign(&caller.site, CampaignId(campaign))?;
    let clinic = places::clinic(&caller.site, desk)?;
    let days = places::days(&caller.site, desk)?;
    let chosen = chosen_day(query, &days);
    let (number, suffix) = (campaign.campaign, query.moving_suffix());
    let day_link = |day: &DayView| format!("/book/{number}/desks/{}?day={}{suffix}", desk.0, day.date);
    let here = days.get(chosen).map_or_else(|| format!("/book/{number}/desks/{}", desk.0), day_link);
    let action = match &query.moving {
        Some(code) => format!("/bookings/{}/move", encode_query(code)),
        None => format!("/book/{number}/hold"),
    };
    let area = format!("region={}&district={}", encode_query(&clinic.region), encode_query(&clinic.district));
    // Days come in strips of a fixed number, so that a day is always in the same one.
    let strip = chosen / DAYS_SHOWN * DAYS_SHOWN;
    let days_shown = days.iter().enumerate().skip(strip).take(DAYS_SHOWN).map(|(at, day)| DayChoice {
        href: day_link(day),
        name: day_name(caller, day),
        free: day.free.into(),
        chosen: at == chosen,
    });
    let times = days.get(chosen).map(|day| times(caller, desk, &day.date)).transpose()?.unwrap_or_default();
    let more = times.len() > query.skip.saturating_add(TIMES_SHOWN);
    let more_times = more.then(|| format!("{here}&skip={}", query.skip + TIMES_SHOWN));
    Ok(views::Slots {
        f: caller.frame_at(&here)?,
        back: format!("/book/{number}?{area}{suffix}"),
        earlier_days: strip.checked_sub(DAYS_SHOWN).map(|at| day_link(&days[at])),
        later_days: days.get(strip + DAYS_SHOWN).map(day_link),
        day_name: days.get(chosen).map(|day| day_name(caller, day)).unwrap_or_default(),
        days: days_shown.collect(),
        times: times.into_iter().skip(query.skip).take(TIMES_SHOWN).collect(),
        more_times,
        action,
        here,
        key: IdempotencyKey::random()?.as_str().to_owned(),
        doses: campaign.rules.doses,
        clinic: clinic.name,
        address: clinic.address,
        telephone: clinic.telephone,
        // A move is not bound to a birth digit's day.
        eligible: if query.moving.is_some() { None } else { eligible::note(caller, number)? },
        standby: standby::form(caller, desk, number, query.moving.is_some()),
        moving: query.moving.clone(),
        problem,
        reason: campaign.paused_because,
    })
}

/// The day that was chosen, else the first one with a free place, else the first one.
fn chosen_day(query: &BookQuery, days: &[DayView]) -> usize {
    let asked = query.day.as_ref().and_then(|asked| days.iter().position(|day| day.date == *asked));
    asked.or_else(|| days.iter().position(|day| day.free > 0)).unwrap_or(0)
}

/// Times of a day that have a free place and have not begun.
fn times(caller: &Caller, desk: DeskId, day: &str) -> Result<Vec<TimeChoice>, Problem> {
    let Some(date) = campaigns::parse_date(day) else {
        return Ok(Vec::new());
    };
    let slots = places::slots(&caller.site, desk, Some(date))?;
    let open = slots.into_iter().filter(|slot| !slot.past && slot.supply.free > 0);
    Ok(open
        .map(|slot| TimeChoice {
            id: slot.slot,
            time: caller.words.clock(Time(slot.starts_at_ms)),
            machine: caller.words.machine(Time(slot.starts_at_ms)),
            vaccine: slot.vaccine_name,
            free: slot.supply.free.into(),
        })
        .collect())
}

/// The day's name; noon lies on the same day in every zone that has clinics.
fn day_name(caller: &Caller, day: &DayView) -> String {
    let date = campaigns::parse_date(&day.date);
    let noon_utc = |date: jari_core::time::Date| u64::try_from(i64::from(date.0) * 86_400_000 + 43_200_000);
    let offset_ms = i64::from(caller.site.options.utc_offset_min) * 60_000;
    match date.map(noon_utc) {
        Some(Ok(noon)) => caller.words.day(Time(noon.saturating_add_signed(-offset_ms))),
        _ => day.date.clone(),
    }
}

/// A time that was pressed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SlotForm {
    csrf: String,
    key: String,
    pub(super) slot: u32,
    dose: Option<u8>,
    here: String,
}

impl SlotForm {
    /// The hidden token.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// The idempotency key.
    pub(super) fn key(&self) -> Result<IdempotencyKey, Problem> {
        IdempotencyKey::parse(&self.key)
    }
}

/// `POST /book/{campaign}/hold`: holds the place, then asks to confirm it.
///
/// # Errors
///
/// The machine's refusals. One that another time mends is shown among the times.
pub async fn hold_place(
    caller: Caller,
    Path(campaign): Path<u32>,
    Form(form): Form<SlotForm>,
) -> Result<Response, Failed> {
    caller.check_form(form.csrf())?;
    let Some(session) = caller.session() else {
        return Ok(see_other(&format!("/identify?next={}", encode_query(local_path(&form.here)))));
    };
    let room = campaigns::campaign(&caller.site, CampaignId(campaign))?.room;
    let pass = room.and_then(|room| caller.pass(RoomId(room)));
    let slot = SlotId(form.slot);
    let dose = form.dose.unwrap_or(1);
    let (errand, pass) = (caller.errand(), pass.as_ref());
    match booking::hold(&caller.site, &session, errand, pass, slot, dose, &form.key()?).await {
        Ok(held) => Ok(see_other(&format!("/hold/{}", held.code))),
        Err(problem) => among_times(&caller, campaign, slot, None, problem),
    }
}

/// Shows the times again with what went wrong, where choosing again may help.
pub(super) fn among_times(
    caller: &Caller,
    campaign: u32,
    slot: SlotId,
    moving: Option<String>,
    problem: Problem,
) -> Result<Response, Failed> {
    if !matches!(problem.code, "slot_full" | "slot_past" | "same_slot" | "quota_used_up" | "share_used_up") {
        return Err(problem.into());
    }
    let slot = places::slot(&caller.site, slot)?;
    let query = BookQuery { day: Some(slot.date), moving, ..BookQuery::default() };
    let message = super::failure::sentence(&caller.words, &problem);
    let page = desk_page(caller, campaign, DeskId(slot.desk), &query, Some(message))?;
    caller.page(&page, problem.status)
}
