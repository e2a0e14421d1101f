//! `/api/v1/operator/clinics`, `slots`, `bookings`: the directory and the desk. Bulk
//! requests may be 4 MiB large; everything else is 16 kB.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::handler::Handler;
use axum::response::IntoResponse;
use http::StatusCode;
use jari_core::ids::{BookingId, CampaignId, SlotId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actions::booking::{BookingView, by_code};
use crate::actions::operator::directory::{self as operator, DeskSlots, NewClinic, SlotRun};
use crate::api::extract::{At, Key, MaybeKey, Operator, Sent};
use crate::api::openapi::Problems;
use crate::api::{Tree, created, ok};
use crate::problem::Problem;
use crate::site::Site;

/// Bytes of a bulk request at the most.
const BULK_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    let bulk = || DefaultBodyLimit::max(BULK_BYTES_MAX);
    tree.post("/api/v1/operator/clinics", add_clinics.layer(bulk()))
        .post("/api/v1/operator/campaigns/{campaign}/desks", add_desks.layer(bulk()))
        .post("/api/v1/operator/slots", add_slots.layer(bulk()))
        .post("/api/v1/operator/slots/{slot}/capacity", set_capacity)
        .post("/api/v1/operator/slots/{slot}/withdrawn", set_withdrawn)
        .get("/api/v1/operator/bookings/{booking}", find_booking)
        .post("/api/v1/operator/bookings/{booking}/check-in", check_in)
}

/// Clinics to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Clinics {
    /// At most 5,000.
    clinics: Vec<NewClinic>,
}

/// Numbers given, in the order of the rows.
#[derive(Serialize, ToSchema)]
struct Numbers {
    /// The numbers.
    numbers: Vec<u32>,
}

/// Clinics that are to take part.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Desks {
    /// The clinics' numbers; at most 5,000.
    clinics: Vec<u32>,
}

/// Slots to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Slots {
    /// One row a clinic's part; at most 5,000.
    rows: Vec<DeskSlots>,
}

/// Numbers given, in the order of the rows.
#[derive(Serialize, ToSchema)]
struct Runs {
    /// One run a row.
    runs: Vec<SlotRun>,
}

/// A new number of places, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CapacitySet {
    /// All places, withdrawn ones included.
    capacity: u32,
    /// Why, in public.
    reason: String,
}

/// How many places are out of use, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WithdrawnSet {
    /// How many from now on.
    withdrawn: u32,
    /// Why, in public.
    reason: String,
}

/// Adds clinics. The same key and rows give the same numbers.
#[utoipa::path(post, path = "/api/v1/operator/clinics", tag = "operator", params(("idempotency-key" = String, Header)), request_body = Clinics, responses((status = 201, body = Numbers), Problems), security(("staff" = [])))]
async fn add_clinics(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Key(key): Key,
    Sent(asked): Sent<Clinics>,
) -> Result<impl IntoResponse, Problem> {
    let numbers = operator::add_clinics(&site, &staff, &asked.clinics, &key).await?;
    Ok(created(Numbers { numbers }))
}

/// Lets clinics take part in a campaign. The same key and rows give the same numbers.
#[utoipa::path(post, path = "/api/v1/operator/campaigns/{campaign}/desks", tag = "operator", params(("campaign" = u32, Path), ("idempotency-key" = String, Header)), request_body = Desks, responses((status = 201, body = Numbers), Problems), security(("staff" = [])))]
async fn add_desks(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(campaign): At<u32>,
    Key(key): Key,
    Sent(asked): Sent<Desks>,
) -> Result<impl IntoResponse, Problem> {
    let numbers = operator::add_desks(&site, &staff, CampaignId(campaign), &asked.clinics, &key).await?;
    Ok(created(Numbers { numbers }))
}

/// Adds slots. The same key and rows give the same numbers.
#[utoipa::path(post, path = "/api/v1/operator/slots", tag = "operator", params(("idempotency-key" = String, Header)), request_body = Slots, responses((status = 201, body = Runs), Problems), security(("staff" = [])))]
async fn add_slots(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Key(key): Key,
    Sent(asked): Sent<Slots>,
) -> Result<impl IntoResponse, Problem> {
    let runs = operator::add_slots(&site, &staff, &asked.rows, &key).await?;
    Ok(created(Runs { runs }))
}

/// Changes how many places a slot has.
#[utoipa::path(post, path = "/api/v1/operator/slots/{slot}/capacity", tag = "operator", params(("slot" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = CapacitySet, responses((status = 204), Problems), security(("staff" = [])))]
async fn set_capacity(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(slot): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<CapacitySet>,
) -> Result<StatusCode, Problem> {
    operator::set_capacity(&site, &staff, SlotId(slot), asked.capacity, &asked.reason, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes free places of a slot out of use, or puts them back.
#[utoipa::path(post, path = "/api/v1/operator/slots/{slot}/withdrawn", tag = "operator", params(("slot" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = WithdrawnSet, responses((status = 204), Problems), security(("staff" = [])))]
async fn set_withdrawn(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(slot): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<WithdrawnSet>,
) -> Result<StatusCode, Problem> {
    operator::set_withdrawn(&site, &staff, SlotId(slot), asked.withdrawn, &asked.reason, key.as_ref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A booking by its number or its public code, whoever's it is.
#[utoipa::path(get, path = "/api/v1/operator/bookings/{booking}", tag = "operator", params(("booking" = String, Path)), responses((status = 200, body = BookingView), Problems), security(("staff" = [])))]
async fn find_booking(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(booking): At<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = number_or_code(&site, &booking)?;
    operator::find_booking(&site, &staff, id).await.map(ok)
}

/// The person came and got the dose.
#[utoipa::path(post, path = "/api/v1/operator/bookings/{booking}/check-in", tag = "operator", params(("booking" = String, Path), ("idempotency-key" = Option<String>, Header)), responses((status = 200, body = BookingView), Problems), security(("staff" = [])))]
async fn check_in(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(booking): At<String>,
    MaybeKey(key): MaybeKey,
) -> Result<impl IntoResponse, Problem> {
    let id = number_or_code(&site, &booking)?;
    operator::check_in(&site, &staff, id, key.as_ref()).await.map(ok)
}

/// A code has ten characters; a number may have as many, but then its code would too,
/// and a code that was never given out is tried as a number.
pub(super) fn number_or_code(site: &Site, text: &str) -> Result<BookingId, Problem> {
    by_code(site, text).or_else(|unknown| text.parse().map(BookingId).map_err(|_| unknown))
}
