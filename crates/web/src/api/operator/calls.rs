//! `/api/v1/operator/calls`: what a telephone agent does for whoever is on the line. The caller's token
//! is sent as `Jari-Call`, beside the agent's own.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::IntoResponse;
use http::StatusCode;
use http::request::Parts;
use jari_core::ids::{BookingId, RoomId, SlotId};
use jari_wire::token::Session;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::actions::booking::{BookingView, Held};
use crate::actions::identity::{Challenge, Claim};
use crate::actions::operator::calls::{self, CallGiven, Vouched};
use crate::actions::waiting::Entered;
use crate::api::extract::{At, Key, Operator, Sent, text_of};
use crate::api::openapi::Problems;
use crate::api::{Tree, created, ok};
use crate::carriers::CALL_HEADER;
use crate::problem::Problem;
use crate::site::Site;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    tree.post("/api/v1/operator/calls/codes", send_code)
        .post("/api/v1/operator/calls", begin_call)
        .post("/api/v1/operator/calls/vouched", vouch_for_caller)
        .get("/api/v1/operator/calls/bookings", list_bookings)
        .post("/api/v1/operator/calls/rooms/{room}/enter", enter_room)
        .post("/api/v1/operator/calls/holds", hold)
        .post("/api/v1/operator/calls/bookings/{booking}/confirm", confirm)
        .post("/api/v1/operator/calls/bookings/{booking}/cancel", cancel)
        .post("/api/v1/operator/calls/bookings/{booking}/reschedule", reschedule)
        .post("/api/v1/operator/calls/forget", forget_caller)
}

/// Whoever is on the line.
struct Call(Session);

impl FromRequestParts<Arc<Site>> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let token = text_of(&parts.headers, CALL_HEADER)?.ok_or_else(calls::missing)?;
        calls::open(site, token).map(Call)
    }
}

/// A code and what it belongs to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CallerCode {
    /// The challenge's token.
    challenge: String,
    /// The digits that the caller read out.
    code: String,
}

/// What is to be held for the caller.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CallerHold {
    /// The slot.
    slot: u32,
    /// Which dose, from 1.
    #[serde(default = "first")]
    dose: u8,
}

fn first() -> u8 {
    1
}

/// Where to move.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CallerMove {
    /// The new slot.
    slot: u32,
}

/// Sends a code to the caller's telephone.
#[utoipa::path(post, path = "/api/v1/operator/calls/codes", tag = "operator", request_body = Claim, responses((status = 201, body = Challenge), Problems), security(("staff" = [])))]
async fn send_code(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Sent(claim): Sent<Claim>,
) -> Result<impl IntoResponse, Problem> {
    calls::ask_code(&site, &staff, &claim).await.map(created)
}

/// Begins a call with the code that the caller read out.
#[utoipa::path(post, path = "/api/v1/operator/calls", tag = "operator", request_body = CallerCode, responses((status = 201, body = CallGiven), Problems), security(("staff" = [])))]
async fn begin_call(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Sent(given): Sent<CallerCode>,
) -> Result<impl IntoResponse, Problem> {
    calls::confirm_code(&site, &staff, &given.challenge, &given.code).await.map(created)
}

/// Begins a call on the agent's word: for people whom the service does not know yet, or who name the code of a booking
/// of theirs.
#[utoipa::path(post, path = "/api/v1/operator/calls/vouched", tag = "operator", request_body = Vouched, responses((status = 201, body = CallGiven), Problems), security(("staff" = [])))]
async fn vouch_for_caller(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Sent(asked): Sent<Vouched>,
) -> Result<impl IntoResponse, Problem> {
    calls::vouch(&site, &staff, &asked).await.map(created)
}

/// The caller's holds and bookings, newest first.
#[utoipa::path(get, path = "/api/v1/operator/calls/bookings", tag = "operator", params(("jari-call" = String, Header)), responses((status = 200, body = Vec<BookingView>), Problems), security(("staff" = [])))]
async fn list_bookings(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Call(call): Call,
) -> impl IntoResponse {
    ok(calls::bookings(&site, &staff, &call).await)
}

/// Lets the caller in under the agents' share of the room's pace, without a ticket.
#[utoipa::path(post, path = "/api/v1/operator/calls/rooms/{room}/enter", tag = "operator", params(("room" = u32, Path), ("jari-call" = String, Header)), responses((status = 200, body = Entered), Problems), security(("staff" = [])))]
async fn enter_room(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Call(call): Call,
    At(room): At<u32>,
) -> Result<impl IntoResponse, Problem> {
    calls::enter(&site, &staff, &call, RoomId(room)).await.map(ok)
}

/// Holds a place for the caller, who is let in first where the campaign stands behind a room.
#[utoipa::path(post, path = "/api/v1/operator/calls/holds", tag = "operator", params(("jari-call" = String, Header), ("idempotency-key" = String, Header)), request_body = CallerHold, responses((status = 201, body = Held), Problems), security(("staff" = [])))]
async fn hold(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Call(call): Call,
    Key(key): Key,
    Sent(asked): Sent<CallerHold>,
) -> Result<impl IntoResponse, Problem> {
    calls::hold(&site, &staff, &call, SlotId(asked.slot), asked.dose, &key).await.map(created)
}

/// Turns the caller's hold into a booking.
#[utoipa::path(post, path = "/api/v1/operator/calls/bookings/{booking}/confirm", tag = "operator", params(("booking" = u32, Path), ("jari-call" = String, Header), ("idempotency-key" = String, Header)), responses((status = 200, body = BookingView), Problems), security(("staff" = [])))]
async fn confirm(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Call(call): Call,
    At(booking): At<u32>,
    Key(key): Key,
) -> Result<impl IntoResponse, Problem> {
    calls::confirm(&site, &staff, &call, BookingId(booking), &key).await.map(ok)
}

/// Gives the caller's hold or booking back.
#[utoipa::path(post, path = "/api/v1/operator/calls/bookings/{booking}/cancel", tag = "operator", params(("booking" = u32, Path), ("jari-call" = String, Header), ("idempotency-key" = String, Header)), responses((status = 200, body = BookingView), Problems), security(("staff" = [])))]
async fn cancel(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Call(call): Call,
    At(booking): At<u32>,
    Key(key): Key,
) -> Result<impl IntoResponse, Problem> {
    calls::cancel(&site, &staff, &call, BookingId(booking), &key).await.map(ok)
}

/// Moves the caller's booking to another slot in one step.
#[utoipa::path(post, path = "/api/v1/operator/calls/bookings/{booking}/reschedule", tag = "operator", params(("booking" = u32, Path), ("jari-call" = String, Header), ("idempotency-key" = String, Header)), request_body = CallerMove, responses((status = 200, body = BookingView), Problems), security(("staff" = [])))]
async fn reschedule(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Call(call): Call,
    At(booking): At<u32>,
    Key(key): Key,
    Sent(to): Sent<CallerMove>,
) -> Result<impl IntoResponse, Problem> {
    calls::reschedule(&site, &staff, &call, BookingId(booking), SlotId(to.slot), &key).await.map(ok)
}

/// Forgets the caller's name and number: their key is deleted. Bookings stay.
#[utoipa::path(post, path = "/api/v1/operator/calls/forget", tag = "operator", params(("jari-call" = String, Header)), responses((status = 204), Problems), security(("staff" = [])))]
async fn forget_caller(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Call(call): Call,
) -> Result<StatusCode, Problem> {
    calls::forget(&site, &staff, &call).await?;
    Ok(StatusCode::NO_CONTENT)
}
