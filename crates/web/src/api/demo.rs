//! `/api/v1/demo`: the outbox, which stands for everyone's telephone in a demonstration.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::Asked;
use super::openapi::Problems;
use super::{Tree, ok};
use crate::outbox::Message;
use crate::problem::Problem;
use crate::site::Site;

/// Messages shown at the most.
const SHOWN_MAX: usize = 100;

pub(super) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/demo/outbox", list_messages)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MessagesAsked {
    /// Those to this telephone number only.
    to: Option<String>,
}

/// The newest messages, newest first. Not there outside demonstrations.
#[utoipa::path(get, path = "/api/v1/demo/outbox", tag = "demo", params(MessagesAsked), responses((status = 200, body = Vec<Message>), Problems))]
async fn list_messages(
    State(site): State<Arc<Site>>,
    Asked(asked): Asked<MessagesAsked>,
) -> Result<impl IntoResponse, Problem> {
    if !site.options.demo {
        return Err(Problem::not_found());
    }
    Ok(ok(site.outbox.newest(SHOWN_MAX, asked.to.as_deref())))
}
