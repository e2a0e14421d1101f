//! From a region to a time: one choice a page, free places beside each, nothing lost on
//! the way back. A booking that is being moved travels along as `move=CODE`.

use axum::extract::{Form, Path, Query};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::{CampaignId, DeskId, RoomId, SlotId};
use serde::Deserialize;

use super::caller::{Caller, Failed};
use super::respond::{encode_query, local_path, see_other};
use super::views::{self, Choice, DayChoice, TimeChoice};
use crate::actions::campaigns::{self, CampaignView};
use crate::actions::places::{self, Area, ClinicQuery, ClinicView, DayView};
use crate::actions::{IdempotencyKey, booking};
use crate::problem::Problem;

/// Clinics on one page.
const CLINICS_SHOWN: usize = 50;

/// What has been chosen so far.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BookQuery {
    region: Option<String>,
    district: Option<String>,
    day: Option<String>,
    skip: usize,
    #[serde(rename = "move")]
    moving: Option<String>,
}

impl BookQuery {
    /// The rest of a link that keeps a move going.
    fn moving_suffix(&self) -> String {
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
    let page = match (&query.region, &query.district) {
        (None, _) => regions(&caller, campaign, &query)?,
        (Some(region), None) => districts(&caller, campaign, &query, region)?,
        (Some(region), Some(district)) => clinics(&caller, campaign, &query, region, district)?,
    };
    caller.page(&page, StatusCode::OK)
}

fn regions(caller: &Caller, campaign: CampaignView, query: &BookQuery) -> Result<views::Choose, Problem> {
    let areas = places::regions(&caller.site, CampaignId(campaign.campaign))?;
    let link = |name: &str| {
        format!("/book/{}?region={}{}", campaign.campaign, encode_query(name), query.moving_suffix())
    };
    let rows = area_choices(areas, link);
    choose(
        caller,
        campaign,
        query,
        Step { title: "choose-region", back: None, trail: None, rows, next: None },
    )
}

fn districts(
    caller: &Caller,
    campaign: CampaignView,
    query: &BookQuery,
    region: &str,
) -> Result<views::Choose, Problem> {
    let areas = places::districts(&caller.site, CampaignId(campaign.campaign), region)?;
    let (number, region_encoded, suffix) = (campaign.campaign, encode_query(region), query.moving_suffix());
    let link = |name: &str| {
        format!("/book/{number}?region={region_encoded}&district={}{suffix}", encode_query(name))
    };
    let rows = area_choices(areas, link);
    let back = Some(format!("/book/{number}?{}", suffix.trim_start_matches('&')));
    choose(
        caller,
        campaign,
        query,
        Step { title: "choose-district", back, trail: Some(region.to_owned()), rows, next: None },
    )
}

/// Areas to choose from, each with its link.
fn area_choices(areas: Vec<Area>, link: impl Fn(&str) -> String) -> Vec<Choice> {
    let choice = |area: Area| Choice { href: link(&area.name), name: area.name, line: None, free: area.free };
    areas.into_iter().map(choice).collect()
}

fn clinics(
    caller: &Caller,
    campaign: CampaignView,
    query: &BookQuery,
    region: &str,
    district: &str,
) -> Result<views::Choose, Problem> {
    let wanted = ClinicQuery {
        region: Some(region.to_owned()),
        district: Some(district.to_owned()),
        skip: query.skip,
        // One more than is shown says whether there is a next page.
        limit: CLINICS_SHOWN + 1,
        ..ClinicQuery::default()
    };
    let mut found = places::clinics(&caller.site, CampaignId(campaign.campaign), &wanted)?;
    let more = found.len() > CLINICS_SHOWN;
    found.truncate(CLINICS_SHOWN);
    let (number, suffix) = (campaign.campaign, query.moving_suffix());
    let link = |clinic: &ClinicView| {
        format!("/book/{number}/desks/{}?{}", clinic.desk, suffix.trim_start_matches('&'))
    };
    let rows = found.iter().map(|clinic| Choice {
        href: link(clinic),
        name: clinic.name.clone(),
        line: Some(clinic.address.clone()),
        free: clinic.supply.free.into(),
    });
    let rows = rows.collect();
    let here = format!("/book/{number}?region={}&district={}", encode_query(region), encode_query(district));
    let next = more.then(|| format!("{here}&skip={}{suffix}", query.skip + CLINICS_SHOWN));
    let back = Some(format!("/book/{number}?region={}{suffix}", encode_query(region)));
    let trail = Some(format!("{region} › {district}"));
    choose(caller, campaign, query, Step { title: "choose-clinic", back, trail, rows, next })
}

/// One step of choosing.
struct Step {
    title: &'static str,
    back: Option<String>,
    trail: Option<String>,
    rows: Vec<Choice>,
    next: Option<String>,
}

fn choose(
    caller: &Caller,
    campaign: CampaignView,
    query: &BookQuery,
    step: Step,
) -> Result<views::Choose, Problem> {
    Ok(views::Choose {
        f: caller.frame()?,
        title: caller.words.t(step.title),
        back: step.back,
        moving: query.moving.is_some(),
        reason: campaign.paused_because,
        campaign: campaign.name,
        trail: step.trail,
        rows: step.rows,
        next: step.next,
    })
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

fn desk_page(
    caller: &Caller,
    campaign: u32,
    desk: DeskId,
    query: &BookQuery,
    problem: Option<String>,
) -> Result<views::Slots, Problem> {
    let campaign = campaigns::campaign(&caller.site, CampaignId(campaign))?;
    let clinic = places::clinic(&caller.site, desk)?;
    let days = places::days(&caller.site, desk)?;
    let chosen = query.day.clone().filter(|day| days.iter().any(|known| known.date == *day));
    // The first day with a free place, unless one was chosen.
    let first_free = || days.iter().find(|day| day.free > 0).or(days.first()).map(|day| day.date.clone());
    let chosen = chosen.or_else(first_free).unwrap_or_default();
    let (number, suffix) = (campaign.campaign, query.moving_suffix());
    let here = format!("/book/{number}/desks/{}?day={chosen}{suffix}", desk.0);
    let action = match &query.moving {
        Some(code) => format!("/bookings/{}/move", encode_query(code)),
        None => format!("/book/{number}/hold"),
    };
    let area = format!("region={}&district={}", encode_query(&clinic.region), encode_query(&clinic.district));
    let days_shown = days.iter().map(|day| DayChoice {
        href: format!("/book/{number}/desks/{}?day={}{suffix}", desk.0, day.date),
        name: day_name(caller, day),
        free: day.free.into(),
        chosen: day.date == chosen,
    });
    let day_name =
        days.iter().find(|day| day.date == chosen).map(|day| day_name(caller, day)).unwrap_or_default();
    Ok(views::Slots {
        f: caller.frame_at(&here)?,
        back: format!("/book/{number}?{area}{suffix}"),
        days: days_shown.collect(),
        day_name,
        times: times(caller, desk, &chosen)?,
        action,
        here,
        key: IdempotencyKey::random()?.as_str().to_owned(),
        doses: campaign.rules.doses,
        clinic: clinic.name,
        address: clinic.address,
        telephone: clinic.telephone,
        moving: query.moving.clone(),
        problem,
        reason: campaign.paused_because,
    })
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
    match booking::hold(&caller.site, &session, pass.as_ref(), slot, dose, &form.key()?).await {
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
