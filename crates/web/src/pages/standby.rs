//! Standing by for leftover places: a form beside a clinic's times, and a list beside one's bookings.
//! An offer is shown as a hold with its clock.

use axum::extract::{Form, Path};
use axum::response::Response;
use jari_core::ids::DeskId;
use jari_core::rules::RULES_STANDBY;
use jari_core::{Time, limits};
use jari_wire::token::Session;
use serde::Deserialize;

use super::book::{BookQuery, desk_page};
use super::caller::{Caller, Failed};
use super::failure::sentence;
use super::respond::see_other;
use super::views::{StandbyForm, StandbyRow};
use crate::actions::standby::{self, StandbyAsked};
use crate::problem::Problem;

/// What was written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AskedForm {
    csrf: String,
    campaign: u32,
    minutes: String,
    dose: Option<u8>,
}

/// Whether the rules that count know of standing by.
pub(super) fn is_known(caller: &Caller) -> bool {
    caller.site.node.status().rules >= RULES_STANDBY
}

/// The form of a clinic's page; none while a booking is moved or somebody books for somebody else, or before
/// the rules know of it.
pub(super) fn form(caller: &Caller, desk: DeskId, campaign: u32, is_moving: bool) -> Option<StandbyForm> {
    if is_moving || caller.errand().is_some() || !is_known(caller) {
        return None;
    }
    let mine = standby::my_standbys(&caller.site, &caller.session()?);
    let here = mine.into_iter().find(|standby| standby.clinic.desk == desk.0);
    Some(StandbyForm { desk: desk.0, campaign, minutes: here.map(|standby| standby.minutes.into()) })
}

/// Where somebody stands by, for their list.
pub(super) fn rows(caller: &Caller, session: &Session) -> Vec<StandbyRow> {
    let mine = standby::my_standbys(&caller.site, session).into_iter();
    mine.map(|standby| StandbyRow {
        desk: standby.clinic.desk,
        clinic: standby.clinic.name,
        campaign: standby.campaign_name,
        minutes: caller.words.n("standby-way", u32::from(standby.minutes)),
        until: caller.words.s("standby-until", caller.words.when(Time(standby.ends_at_ms))),
    })
    .collect()
}

/// `POST /standby/{desk}`: stands by there until the end of the day, or changes the minutes.
///
/// # Errors
///
/// `unidentified`, `form_expired`. What was refused is shown beside the clinic's times.
pub async fn stand_by(
    caller: Caller,
    Path(desk): Path<u32>,
    Form(form): Form<AskedForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let session = caller.session_required()?;
    // Anything else is none, and the machine says so.
    let minutes = form.minutes.trim().parse().unwrap_or(0);
    let asked = StandbyAsked { desk, dose: form.dose.unwrap_or(1), minutes };
    match standby::stand_by(&caller.site, &session, asked).await {
        Ok(_) => Ok(see_other("/bookings#standby")),
        Err(problem) => refused(&caller, desk, form.campaign, problem),
    }
}

fn refused(caller: &Caller, desk: u32, campaign: u32, problem: Problem) -> Result<Response, Failed> {
    let message = match problem.code {
        "setting_unfit" => caller.words.n("standby-minutes-unfit", u32::from(limits::STANDBY_MINUTES_MAX)),
        _ => sentence(&caller.words, &problem),
    };
    let page = desk_page(caller, campaign, DeskId(desk), &BookQuery::default(), Some(message))?;
    caller.page(&page, problem.status)
}

/// `POST /standby/{desk}/leave`: stands by there no more. An offer stays.
///
/// # Errors
///
/// `unidentified`, `form_expired`; the machine's refusals.
pub async fn stand_down(
    caller: Caller,
    Path(desk): Path<u32>,
    Form(form): Form<AskedForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let session = caller.session_required()?;
    standby::stand_down(&caller.site, &session, DeskId(desk)).await?;
    Ok(see_other("/bookings"))
}
