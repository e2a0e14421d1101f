//! `/api/v1/standbys`: who would come at short notice for a leftover place.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use jari_core::ids::DeskId;

use super::extract::{At, Citizen, Sent};
use super::openapi::Problems;
use super::{Tree, created, ok};
use crate::actions::standby::{self, StandbyAsked, StandbyView};
use crate::problem::Problem;
use crate::site::Site;

pub(super) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/standbys", list_standbys)
        .post("/api/v1/standbys", stand_by)
        .delete("/api/v1/standbys/{desk}", stand_down)
}

/// Where one stands by today, the nearest first.
#[utoipa::path(get, path = "/api/v1/standbys", tag = "bookings", responses((status = 200, body = Vec<StandbyView>), Problems), security(("session" = [])))]
async fn list_standbys(State(site): State<Arc<Site>>, Citizen(session): Citizen) -> impl IntoResponse {
    ok(standby::my_standbys(&site, &session))
}

/// Stands by for leftover places at a clinic until the end of the day; three clinics at the most. Said again, the
/// minutes of way are changed. An offer is among one's bookings, with the status `offered`.
#[utoipa::path(post, path = "/api/v1/standbys", tag = "bookings", request_body = StandbyAsked, responses((status = 201, body = Vec<StandbyView>), Problems), security(("session" = [])))]
async fn stand_by(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    Sent(asked): Sent<StandbyAsked>,
) -> Result<impl IntoResponse, Problem> {
    standby::stand_by(&site, &session, asked).await.map(created)
}

/// Stands by there no more. An offer that one has stays.
#[utoipa::path(delete, path = "/api/v1/standbys/{desk}", tag = "bookings", params(("desk" = u32, Path)), responses((status = 204), Problems), security(("session" = [])))]
async fn stand_down(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    At(desk): At<u32>,
) -> Result<StatusCode, Problem> {
    standby::stand_down(&site, &session, DeskId(desk)).await?;
    Ok(StatusCode::NO_CONTENT)
}
