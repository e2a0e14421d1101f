//! `/api/v1/operator`: signing in, rooms, campaigns, the directory.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Network, Operator, Sent};
use super::openapi::Problems;
use super::{Tree, created, ok};
use crate::actions::operator::{self, SignIn, StaffGiven};
use crate::actions::staff as members;
use crate::problem::Problem;
use crate::site::Site;

pub(super) mod calls;
pub(super) mod campaigns;
pub(super) mod desk;
pub(super) mod directory;
pub(super) mod messages;
pub(super) mod rooms;
pub(super) mod rules;
pub(super) mod series;
pub(super) mod staff;

pub(super) fn routes(tree: Tree) -> Tree {
    let tree = tree
        .post("/api/v1/operator/sessions", sign_in)
        .delete("/api/v1/operator/sessions", sign_out)
        .put("/api/v1/operator/password", set_password);
    let tree = directory::routes(campaigns::routes(rooms::routes(tree)));
    let tree = calls::routes(desk::routes(tree));
    staff::routes(series::routes(messages::routes(rules::routes(tree))))
}

/// A reason, which everyone may read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Because {
    /// Why.
    pub(super) reason: String,
}

/// Signs an operator in.
#[utoipa::path(post, path = "/api/v1/operator/sessions", tag = "operator", request_body = SignIn, responses((status = 201, body = StaffGiven), Problems))]
async fn sign_in(
    State(site): State<Arc<Site>>,
    Network(network): Network,
    Sent(given): Sent<SignIn>,
) -> Result<impl IntoResponse, Problem> {
    operator::sign_in(&site, &given, network).await.map(created)
}

/// Ends the session before its time.
#[utoipa::path(delete, path = "/api/v1/operator/sessions", tag = "operator", responses((status = 204), Problems), security(("staff" = [])))]
async fn sign_out(State(site): State<Arc<Site>>, Operator(staff): Operator) -> Result<StatusCode, Problem> {
    operator::sign_out(&site, &staff).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes one's own password: 12 to 1,000 bytes. All sessions of the account end, this one as well; the answer is
/// another one.
#[utoipa::path(put, path = "/api/v1/operator/password", tag = "operator", request_body = SignIn, responses((status = 200, body = StaffGiven), Problems), security(("staff" = [])))]
async fn set_password(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Sent(given): Sent<SignIn>,
) -> Result<impl IntoResponse, Problem> {
    // The name says whose password somebody believes to change.
    let member = members::member_of(&site, staff)?;
    if member.name != given.name {
        return Err(Problem::staff_only());
    }
    members::set_password(&site, &staff, None, &given.password).await.map(ok)
}
