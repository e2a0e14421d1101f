//! `/api/v1/holds`, `/api/v1/bookings`: hold, confirm, see, move, cancel.

use std::sync::Arc;

use axum::BoxError;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jari_core::ids::{BookingId, SlotId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{At, Citizen, Key, Sent, key, maybe_errand, maybe_pass, sent, session};
use super::openapi::Problems;
use super::{Answer, Tree, created, ok};
use crate::actions::booking::{self, BookingView, Held};
use crate::actions::errand;
use crate::problem::Problem;
use crate::site::Site;

pub(super) fn routes(tree: Tree) -> Tree {
    tree.post("/api/v1/holds", hold)
        .get("/api/v1/bookings", list_bookings)
        .get("/api/v1/bookings/{booking}", show_booking)
        .get("/api/v1/bookings/by-code/{code}", show_by_code)
        .post("/api/v1/bookings/{booking}/confirm", confirm)
        .post("/api/v1/bookings/{booking}/cancel", cancel)
        .post("/api/v1/bookings/{booking}/reschedule", reschedule)
        .post("/api/v1/bookings/{booking}/end-proxy", end_proxy)
}

/// What is to be held.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldAsked {
    /// The slot.
    slot: u32,
    /// Which dose, from 1.
    #[serde(default = "first")]
    dose: u8,
}

fn first() -> u8 {
    1
}

/// Holds a place for a few minutes. Where the campaign stands behind a room, the pass is
/// sent as `Jari-Pass`; for somebody else, the errand as `Jari-For`.
#[utoipa::path(post, path = "/api/v1/holds", tag = "bookings", params(("idempotency-key" = String, Header), ("jari-pass" = Option<String>, Header), ("jari-for" = Option<String>, Header)), request_body = HoldAsked, responses((status = 201, body = Held), Problems), security(("session" = [])))]
async fn hold(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    hold_place(&site, &headers, body).await
}

/// As the address `hold` answers.
pub(super) async fn hold_place<B>(site: &Site, headers: &HeaderMap, body: B) -> Result<Answer<Held>, Problem>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let session = session(site, headers)?;
    let errand = maybe_errand(site, &session, headers)?;
    let pass = maybe_pass(site, headers)?;
    let key = key(headers)?;
    let asked: HoldAsked = sent(body).await?;
    let (errand, pass, slot) = (errand.as_ref(), pass.as_ref(), SlotId(asked.slot));
    booking::hold(site, &session, errand, pass, slot, asked.dose, &key).await.map(created)
}

/// One's holds and bookings, and those made for others, newest first.
#[utoipa::path(get, path = "/api/v1/bookings", tag = "bookings", responses((status = 200, body = Vec<BookingView>), Problems), security(("session" = [])))]
async fn list_bookings(State(site): State<Arc<Site>>, Citizen(session): Citizen) -> impl IntoResponse {
    ok(booking::my_bookings(&site, &session).await)
}

/// One hold or booking.
#[utoipa::path(get, path = "/api/v1/bookings/{booking}", tag = "bookings", params(("booking" = u32, Path)), responses((status = 200, body = BookingView), Problems), security(("session" = [])))]
async fn show_booking(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    At(booking): At<u32>,
) -> Result<impl IntoResponse, Problem> {
    booking::booking(&site, &session, BookingId(booking)).await.map(ok)
}

/// One's booking by its public code.
#[utoipa::path(get, path = "/api/v1/bookings/by-code/{code}", tag = "bookings", params(("code" = String, Path)), responses((status = 200, body = BookingView), Problems), security(("session" = [])))]
async fn show_by_code(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    At(code): At<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = booking::by_code(&site, &code)?;
    booking::booking(&site, &session, id).await.map(ok)
}

/// Turns a hold into a booking. The answer comes after it is durable.
#[utoipa::path(post, path = "/api/v1/bookings/{booking}/confirm", tag = "bookings", params(("booking" = u32, Path), ("idempotency-key" = String, Header)), responses((status = 200, body = BookingView), Problems), security(("session" = [])))]
async fn confirm(
    State(site): State<Arc<Site>>,
    At(booking): At<u32>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    confirm_hold(&site, BookingId(booking), &headers).await
}

/// As the address `confirm` answers.
pub(super) async fn confirm_hold(
    site: &Site,
    booking: BookingId,
    headers: &HeaderMap,
) -> Result<Answer<BookingView>, Problem> {
    let session = session(site, headers)?;
    let key = key(headers)?;
    booking::confirm(site, &session, booking, &key).await.map(ok)
}

/// Gives a hold or booking back.
#[utoipa::path(post, path = "/api/v1/bookings/{booking}/cancel", tag = "bookings", params(("booking" = u32, Path), ("idempotency-key" = String, Header)), responses((status = 200, body = BookingView), Problems), security(("session" = [])))]
async fn cancel(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    At(booking): At<u32>,
    Key(key): Key,
) -> Result<impl IntoResponse, Problem> {
    booking::cancel(&site, &session, BookingId(booking), &key).await.map(ok)
}

/// Where to move.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Move {
    /// The new slot.
    slot: u32,
}

/// Moves a booking to another slot in one step: never without a place.
#[utoipa::path(post, path = "/api/v1/bookings/{booking}/reschedule", tag = "bookings", params(("booking" = u32, Path), ("idempotency-key" = String, Header)), request_body = Move, responses((status = 200, body = BookingView), Problems), security(("session" = [])))]
async fn reschedule(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    At(booking): At<u32>,
    Key(key): Key,
    Sent(to): Sent<Move>,
) -> Result<impl IntoResponse, Problem> {
    booking::reschedule(&site, &session, BookingId(booking), SlotId(to.slot), &key).await.map(ok)
}

/// Ends the reach of whoever made a booking for somebody else, and no booking. The person and the
/// proxy may ask for it.
#[utoipa::path(post, path = "/api/v1/bookings/{booking}/end-proxy", tag = "bookings", params(("booking" = u32, Path), ("idempotency-key" = String, Header)), responses((status = 204), Problems), security(("session" = [])))]
async fn end_proxy(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    At(booking): At<u32>,
    Key(key): Key,
) -> Result<StatusCode, Problem> {
    errand::end(&site, &session, BookingId(booking), &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
