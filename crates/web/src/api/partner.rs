//! `/api/v1/partner`: people whom a partner channel has identified.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;

use super::extract::{Partner, Sent};
use super::openapi::Problems;
use super::{Tree, created};
use crate::actions::identity::{Claim, SessionGiven};
use crate::actions::partner::assert_person;
use crate::problem::Problem;
use crate::site::Site;

pub(super) fn routes(tree: Tree) -> Tree {
    tree.post("/api/v1/partner/sessions", assert_session)
}

/// A session for a person whom the partner has identified.
#[utoipa::path(post, path = "/api/v1/partner/sessions", tag = "partner", request_body = Claim, responses((status = 201, body = SessionGiven), Problems), security(("partner" = [])))]
async fn assert_session(
    State(site): State<Arc<Site>>,
    Partner(partner): Partner,
    Sent(claim): Sent<Claim>,
) -> Result<impl IntoResponse, Problem> {
    assert_person(&site, &partner, &claim).await.map(created)
}
