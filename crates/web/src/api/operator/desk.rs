//! `/api/v1/operator/desks` and what happens at a clinic's desk: a day's list, contacts, no-shows,
//! walk-ins, leftover places.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use jari_core::ids::{DeskId, SlotId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::directory::number_or_code;
use crate::actions::booking::BookingView;
use crate::actions::campaigns::parse_date;
use crate::actions::operator::desk::{self, ContactView, DeskDay, NewTime, Offer, Offered, WalkIn};
use crate::actions::places::ClinicView;
use crate::api::extract::{Asked, At, Key, MaybeKey, Operator, Sent};
use crate::api::openapi::Problems;
use crate::api::{Tree, created, ok};
use crate::problem::Problem;
use crate::site::Site;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/operator/desks", list_desks)
        .get("/api/v1/operator/desks/{desk}/days/{date}", show_day)
        .post("/api/v1/operator/desks/{desk}/slots", add_time)
        .post("/api/v1/operator/bookings/{booking}/no-show", mark_no_show)
        .post("/api/v1/operator/bookings/{booking}/contact", show_contact)
        .post("/api/v1/operator/slots/{slot}/walk-ins", walk_in)
        .post("/api/v1/operator/slots/{slot}/offers", offer_leftover)
}

/// Which desks.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Find {
    /// A part of the clinic's name; of an operator's list only.
    find: String,
}

/// Clinics' parts in campaigns whose desks one may run; at most 100.
#[utoipa::path(get, path = "/api/v1/operator/desks", tag = "operator", params(Find), responses((status = 200, body = Vec<ClinicView>), Problems), security(("staff" = [])))]
async fn list_desks(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Asked(find): Asked<Find>,
) -> Result<impl IntoResponse, Problem> {
    desk::desks(&site, &staff, &find.find).map(ok)
}

/// A clinic's day: its slots, and what became of each booking. Nobody is named.
#[utoipa::path(get, path = "/api/v1/operator/desks/{desk}/days/{date}", tag = "operator", params(("desk" = u32, Path), ("date" = String, Path)), responses((status = 200, body = DeskDay), Problems), security(("staff" = [])))]
async fn show_day(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At((desk, date)): At<(u32, String)>,
) -> Result<impl IntoResponse, Problem> {
    let date = parse_date(&date).ok_or_else(|| Problem::unfit("A day is written YYYY-MM-DD."))?;
    desk::day(&site, &staff, DeskId(desk), date).map(ok)
}

/// The number of a time that was added.
#[derive(Serialize, ToSchema)]
struct TimeAdded {
    /// The slot's number.
    slot: u32,
}

/// Adds a time with free places to a clinic's day.
#[utoipa::path(post, path = "/api/v1/operator/desks/{desk}/slots", tag = "operator", params(("desk" = u32, Path), ("idempotency-key" = String, Header)), request_body = NewTime, responses((status = 201, body = TimeAdded), Problems), security(("staff" = [])))]
async fn add_time(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(desk): At<u32>,
    Key(key): Key,
    Sent(new): Sent<NewTime>,
) -> Result<impl IntoResponse, Problem> {
    desk::add_time(&site, &staff, DeskId(desk), new, &key).await.map(|slot| created(TimeAdded { slot }))
}

/// The person did not come, ten minutes after the slot began or later. The place is free again; checking them in later
/// takes it back, while there is one.
#[utoipa::path(post, path = "/api/v1/operator/bookings/{booking}/no-show", tag = "operator", params(("booking" = String, Path), ("idempotency-key" = Option<String>, Header)), responses((status = 200, body = BookingView), Problems), security(("staff" = [])))]
async fn mark_no_show(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(booking): At<String>,
    MaybeKey(key): MaybeKey,
) -> Result<impl IntoResponse, Problem> {
    let id = number_or_code(&site, &booking)?;
    desk::mark_no_show(&site, &staff, id, key.as_ref()).await.map(ok)
}

/// The name and telephone number behind a booking. That they were asked for is in the audit list: hence POST.
#[utoipa::path(post, path = "/api/v1/operator/bookings/{booking}/contact", tag = "operator", params(("booking" = String, Path)), responses((status = 200, body = ContactView), Problems), security(("staff" = [])))]
async fn show_contact(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(booking): At<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = number_or_code(&site, &booking)?;
    desk::contact(&site, &staff, id).await.map(ok)
}

/// Somebody at the desk, whose identity card was seen, gets a free place of today and the dose.
#[utoipa::path(post, path = "/api/v1/operator/slots/{slot}/walk-ins", tag = "operator", params(("slot" = u32, Path), ("idempotency-key" = String, Header)), request_body = WalkIn, responses((status = 201, body = BookingView), Problems), security(("staff" = [])))]
async fn walk_in(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(slot): At<u32>,
    Key(key): Key,
    Sent(asked): Sent<WalkIn>,
) -> Result<impl IntoResponse, Problem> {
    desk::walk_in(&site, &staff, SlotId(slot), &asked, &key).await.map(created)
}

/// Offers free places of today to those who stand by, the nearest first, one person for each place. An answer of no,
/// or none in time, passes it on.
#[utoipa::path(post, path = "/api/v1/operator/slots/{slot}/offers", tag = "operator", params(("slot" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Offer, responses((status = 200, body = Offered), Problems), security(("staff" = [])))]
async fn offer_leftover(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(slot): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Offer>,
) -> Result<impl IntoResponse, Problem> {
    desk::offer(&site, &staff, SlotId(slot), asked, key.as_ref()).await.map(ok)
}
