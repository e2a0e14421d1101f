//! `/api/v1/operator/rooms`: make, schedule, open, draw, pause, pace, end.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::RoomId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Because;
use crate::actions::operator::{self, NewRoom};
use crate::actions::waiting::{self, PaceView, RoomDetails};
use crate::api::extract::{At, MaybeKey, Operator, Sent};
use crate::api::openapi::Problems;
use crate::api::{Tree, created};
use crate::problem::Problem;
use crate::site::Site;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    tree.post("/api/v1/operator/rooms", create_room)
        .post("/api/v1/operator/rooms/{room}/schedule", schedule_room)
        .post("/api/v1/operator/rooms/{room}/open", open_room)
        .post("/api/v1/operator/rooms/{room}/draw", draw_room)
        .post("/api/v1/operator/rooms/{room}/pause", pause_room)
        .post("/api/v1/operator/rooms/{room}/resume", resume_room)
        .post("/api/v1/operator/rooms/{room}/close", close_room)
        .post("/api/v1/operator/rooms/{room}/pace", set_pace)
        .post("/api/v1/operator/rooms/{room}/agent-share", set_agent_share)
        .post("/api/v1/operator/rooms/{room}/notices", set_notices)
}

/// When a room opens, and why it was moved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Schedule {
    /// When.
    opens_at_ms: u64,
    /// Why, in public.
    reason: String,
}

/// A public value that nobody could know beforehand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Beacon {
    /// 64 hexadecimal digits.
    beacon: String,
}

/// A new pace, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PaceSet {
    /// The pace.
    pace: PaceView,
    /// Why, in public.
    reason: String,
}

/// The agents' part of a room's pace, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AgentShareSet {
    /// Thousandths of the pace; at most 500. 0 lets nobody in by telephone.
    permille: u32,
    /// Why, in public.
    reason: String,
}

/// All notices from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Notices {
    /// At most eight; none takes all down.
    notices: Vec<String>,
}

/// Makes a room; its seed's hash is public from now on.
#[utoipa::path(post, path = "/api/v1/operator/rooms", tag = "operator", params(("idempotency-key" = Option<String>, Header)), request_body = NewRoom, responses((status = 201, body = RoomDetails), Problems), security(("staff" = [])))]
async fn create_room(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    MaybeKey(key): MaybeKey,
    Sent(new): Sent<NewRoom>,
) -> Result<impl IntoResponse, Problem> {
    operator::create_room(&site, &staff, &new, key.as_ref()).await?;
    waiting::room(&site, RoomId(new.room)).map(created)
}

/// Moves the opening of a room that has not opened.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/schedule", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Schedule, responses((status = 204), Problems), security(("staff" = [])))]
async fn schedule_room(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Schedule>,
) -> Result<StatusCode, Problem> {
    operator::schedule_room(
        &site,
        &staff,
        RoomId(room),
        Time(asked.opens_at_ms),
        &asked.reason,
        key.as_ref(),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens a room now, ahead of its time.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/open", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Because, responses((status = 204), Problems), security(("staff" = [])))]
async fn open_room(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Because>,
) -> Result<StatusCode, Problem> {
    operator::open_room(&site, &staff, RoomId(room), &asked.reason, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hands in the public value that a room waits for, and reveals the draw.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/draw", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Beacon, responses((status = 204), Problems), security(("staff" = [])))]
async fn draw_room(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Beacon>,
) -> Result<StatusCode, Problem> {
    operator::draw_room(&site, &staff, RoomId(room), &asked.beacon, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops calling and entering; everyone keeps their place.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/pause", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Because, responses((status = 204), Problems), security(("staff" = [])))]
async fn pause_room(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Because>,
) -> Result<StatusCode, Problem> {
    operator::pause_room(&site, &staff, RoomId(room), &asked.reason, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Goes on after a pause.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/resume", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), responses((status = 204), Problems), security(("staff" = [])))]
async fn resume_room(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
) -> Result<StatusCode, Problem> {
    operator::resume_room(&site, &staff, RoomId(room), key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a room for good.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/close", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Because, responses((status = 204), Problems), security(("staff" = [])))]
async fn close_room(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Because>,
) -> Result<StatusCode, Problem> {
    operator::close_room(&site, &staff, RoomId(room), &asked.reason, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes how fast a room lets people in.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/pace", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = PaceSet, responses((status = 204), Problems), security(("staff" = [])))]
async fn set_pace(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<PaceSet>,
) -> Result<StatusCode, Problem> {
    operator::set_pace(&site, &staff, RoomId(room), &asked.pace, &asked.reason, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes which part of a room's pace telephone agents may use. In public, with a reason.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/agent-share", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = AgentShareSet, responses((status = 204), Problems), security(("staff" = [])))]
async fn set_agent_share(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<AgentShareSet>,
) -> Result<StatusCode, Problem> {
    let AgentShareSet { permille, reason } = asked;
    operator::set_agent_share(&site, &staff, RoomId(room), permille, &reason, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts up notices.
#[utoipa::path(post, path = "/api/v1/operator/rooms/{room}/notices", tag = "operator", params(("room" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Notices, responses((status = 204), Problems), security(("staff" = [])))]
async fn set_notices(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(room): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Notices>,
) -> Result<StatusCode, Problem> {
    operator::set_notices(&site, &staff, RoomId(room), &asked.notices, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
