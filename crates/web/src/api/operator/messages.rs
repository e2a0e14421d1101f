//! `/api/v1/operator/messages`: which messages to people wait, and which failed.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;

use crate::actions::operator::messages;
use crate::api::extract::Operator;
use crate::api::openapi::Problems;
use crate::api::{Tree, ok};
use crate::messages::MessagesView;
use crate::site::Site;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/operator/messages", show_messages)
}

/// Which messages to people wait, and which failed: without names, and of numbers the last two digits.
#[utoipa::path(get, path = "/api/v1/operator/messages", tag = "operator", responses((status = 200, body = MessagesView), Problems), security(("staff" = [])))]
pub(in crate::api) async fn show_messages(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
) -> impl IntoResponse {
    ok(messages::messages(&site, &staff))
}
