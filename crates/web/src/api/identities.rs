//! `/api/v1/identities`: who one is, proved by a one-time code.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Citizen, Network, Sent};
use super::openapi::Problems;
use super::{Tree, created, ok};
use crate::actions::errand::{self, ErrandGiven};
use crate::actions::identity::{self, Challenge, Claim, Me, SessionGiven};
use crate::problem::Problem;
use crate::site::Site;

pub(super) fn routes(tree: Tree) -> Tree {
    tree.post("/api/v1/identities/codes", ask_code)
        .post("/api/v1/identities/sessions", confirm_code)
        .post("/api/v1/identities/errands", begin_errand)
        .get("/api/v1/identities/me", show_me)
        .delete("/api/v1/identities/me", forget_me)
}

/// Sends a one-time code to the telephone claimed.
#[utoipa::path(post, path = "/api/v1/identities/codes", tag = "identities", request_body = Claim, responses((status = 201, body = Challenge), Problems))]
async fn ask_code(
    State(site): State<Arc<Site>>,
    Network(network): Network,
    Sent(claim): Sent<Claim>,
) -> Result<impl IntoResponse, Problem> {
    identity::ask_code(&site, &claim, network).await.map(created)
}

/// The code that came, with its challenge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CodeBack {
    /// The challenge's token.
    challenge: String,
    /// The six digits.
    code: String,
}

/// Turns a challenge and its code into a session. A challenge counts once.
#[utoipa::path(post, path = "/api/v1/identities/sessions", tag = "identities", request_body = CodeBack, responses((status = 201, body = SessionGiven), Problems))]
async fn confirm_code(
    State(site): State<Arc<Site>>,
    Sent(back): Sent<CodeBack>,
) -> Result<impl IntoResponse, Problem> {
    identity::confirm_code(&site, &back.challenge, &back.code).await.map(created)
}

/// Turns the challenge and code of somebody else into leave to book for them, for whoever is signed in.
#[utoipa::path(post, path = "/api/v1/identities/errands", tag = "identities", request_body = CodeBack, responses((status = 201, body = ErrandGiven), Problems), security(("session" = [])))]
async fn begin_errand(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
    Sent(back): Sent<CodeBack>,
) -> Result<impl IntoResponse, Problem> {
    errand::begin(&site, &session, &back.challenge, &back.code).await.map(created)
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/identities/me", tag = "identities", responses((status = 200, body = Me), Problems), security(("session" = [])))]
async fn show_me(
    State(site): State<Arc<Site>>,
    Citizen(session): Citizen,
) -> Result<impl IntoResponse, Problem> {
    identity::me(&site, &session).await.map(ok)
}

/// Forgets the name and number kept: their key is deleted. Bookings stay.
#[utoipa::path(delete, path = "/api/v1/identities/me", tag = "identities", responses((status = 204), Problems), security(("session" = [])))]
async fn forget_me(State(site): State<Arc<Site>>, Citizen(session): Citizen) -> Result<StatusCode, Problem> {
    identity::forget(&site, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}
