//! `/api/v1/campaigns`, `/api/v1/desks`, `/api/v1/slots`: what there is to book.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use jari_core::ids::{CampaignId, DeskId, SlotId};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Asked, At, Citizen};
use super::openapi::Problems;
use super::{Public, Tree, ok};
use crate::actions::campaigns::{self, CampaignView, parse_date};
use crate::actions::eligibility::{self, EligibilityView};
use crate::actions::places::{self, Area, ClinicQuery, ClinicView, DayView, Position, SlotView};
use crate::problem::Problem;
use crate::site::Site;

pub(super) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/campaigns", list_campaigns)
        .get("/api/v1/campaigns/{campaign}", show_campaign)
        .get("/api/v1/campaigns/{campaign}/eligibility", show_eligibility)
        .get("/api/v1/campaigns/{campaign}/regions", list_regions)
        .get("/api/v1/campaigns/{campaign}/regions/{region}/districts", list_districts)
        .get("/api/v1/campaigns/{campaign}/clinics", list_clinics)
        .get("/api/v1/desks/{desk}", show_desk)
        .get("/api/v1/desks/{desk}/days", list_days)
        .get("/api/v1/desks/{desk}/slots", list_slots)
        .get("/api/v1/slots/{slot}", show_slot)
}

/// All campaigns.
#[utoipa::path(get, path = "/api/v1/campaigns", tag = "campaigns", responses((status = 200, body = Vec<CampaignView>), Problems))]
async fn list_campaigns(State(site): State<Arc<Site>>) -> impl IntoResponse {
    Public(campaigns::campaigns(&site))
}

/// One campaign: rules, windows, supply.
#[utoipa::path(get, path = "/api/v1/campaigns/{campaign}", tag = "campaigns", params(("campaign" = u32, Path)), responses((status = 200, body = CampaignView), Problems))]
async fn show_campaign(
    State(site): State<Arc<Site>>,
    At(campaign): At<u32>,
) -> Result<impl IntoResponse, Problem> {
    campaigns::campaign(&site, CampaignId(campaign)).map(Public)
}

/// Whether one may book, and from when. Holds are judged when they are asked for.
#[utoipa::path(get, path = "/api/v1/campaigns/{campaign}/eligibility", tag = "campaigns", params(("campaign" = u32, Path)), responses((status = 200, body = EligibilityView), Problems), security(("session" = [])))]
async fn show_eligibility(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    At(campaign): At<u32>,
) -> Result<impl IntoResponse, Problem> {
    let found = eligibility::eligibility(&site, CampaignId(campaign), session.birth)?;
    Ok(ok(EligibilityView::from(found)))
}

/// Regions where clinics take part, with free places.
#[utoipa::path(get, path = "/api/v1/campaigns/{campaign}/regions", tag = "campaigns", params(("campaign" = u32, Path)), responses((status = 200, body = Vec<Area>), Problems))]
async fn list_regions(
    State(site): State<Arc<Site>>,
    At(campaign): At<u32>,
) -> Result<impl IntoResponse, Problem> {
    places::regions(&site, CampaignId(campaign)).map(Public)
}

/// Districts of a region, with free places.
#[utoipa::path(get, path = "/api/v1/campaigns/{campaign}/regions/{region}/districts", tag = "campaigns", params(("campaign" = u32, Path), ("region" = String, Path)), responses((status = 200, body = Vec<Area>), Problems))]
async fn list_districts(
    State(site): State<Arc<Site>>,
    At((campaign, region)): At<(u32, String)>,
) -> Result<impl IntoResponse, Problem> {
    places::districts(&site, CampaignId(campaign), &region).map(Public)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ClinicsAsked {
    /// Of this region only.
    region: Option<String>,
    /// Of this district only.
    district: Option<String>,
    /// Nearest to here first: latitude in degrees, with `longitude`.
    latitude: Option<f64>,
    /// Longitude in degrees.
    longitude: Option<f64>,
    /// Those with free places only.
    #[serde(default)]
    free_only: bool,
    /// Those with the earliest free place first, full ones last. Needs `region`; the order is
    /// at most a second old.
    #[serde(default)]
    earliest_first: bool,
    /// How many to leave out at the front.
    #[serde(default)]
    skip: usize,
    /// How many at the most, up to 100.
    limit: Option<usize>,
}

/// Clinics that take part: by region and district, nearest first, or earliest first.
#[utoipa::path(get, path = "/api/v1/campaigns/{campaign}/clinics", tag = "campaigns", params(("campaign" = u32, Path), ClinicsAsked), responses((status = 200, body = Vec<ClinicView>), Problems))]
async fn list_clinics(
    State(site): State<Arc<Site>>,
    At(campaign): At<u32>,
    Asked(asked): Asked<ClinicsAsked>,
) -> Result<impl IntoResponse, Problem> {
    let near = match (asked.latitude, asked.longitude) {
        (Some(latitude), Some(longitude)) => Some(Position { latitude, longitude }),
        (None, None) => None,
        _ => return Err(Problem::unfit("A latitude and a longitude come together.")),
    };
    let query = ClinicQuery {
        region: asked.region,
        district: asked.district,
        outside: None,
        near,
        earliest_first: asked.earliest_first,
        free_only: asked.free_only,
        skip: asked.skip,
        limit: asked.limit.unwrap_or(places::CLINICS_SHOWN_MAX),
    };
    places::clinics(&site, CampaignId(campaign), &query).map(Public)
}

/// A clinic's part in a campaign.
#[utoipa::path(get, path = "/api/v1/desks/{desk}", tag = "campaigns", params(("desk" = u32, Path)), responses((status = 200, body = ClinicView), Problems))]
async fn show_desk(State(site): State<Arc<Site>>, At(desk): At<u32>) -> Result<impl IntoResponse, Problem> {
    places::clinic(&site, DeskId(desk)).map(Public)
}

/// A clinic's days to come, with free places.
#[utoipa::path(get, path = "/api/v1/desks/{desk}/days", tag = "campaigns", params(("desk" = u32, Path)), responses((status = 200, body = Vec<DayView>), Problems))]
async fn list_days(State(site): State<Arc<Site>>, At(desk): At<u32>) -> Result<impl IntoResponse, Problem> {
    places::days(&site, DeskId(desk)).map(Public)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SlotsAsked {
    /// Of this day only, `YYYY-MM-DD` by the place's clock; otherwise from now on.
    date: Option<String>,
}

/// A clinic's slots, at most 500.
#[utoipa::path(get, path = "/api/v1/desks/{desk}/slots", tag = "campaigns", params(("desk" = u32, Path), SlotsAsked), responses((status = 200, body = Vec<SlotView>), Problems))]
async fn list_slots(
    State(site): State<Arc<Site>>,
    At(desk): At<u32>,
    Asked(asked): Asked<SlotsAsked>,
) -> Result<impl IntoResponse, Problem> {
    let date = |text: &str| parse_date(text).ok_or_else(|| Problem::unfit("A date is written YYYY-MM-DD."));
    let date = asked.date.as_deref().map(date).transpose()?;
    places::slots(&site, DeskId(desk), date).map(Public)
}

/// One slot.
#[utoipa::path(get, path = "/api/v1/slots/{slot}", tag = "campaigns", params(("slot" = u32, Path)), responses((status = 200, body = SlotView), Problems))]
async fn show_slot(State(site): State<Arc<Site>>, At(slot): At<u32>) -> Result<impl IntoResponse, Problem> {
    places::slot(&site, SlotId(slot)).map(Public)
}
