//! `/api/v1/operator/rules`: which version of the service's own rules counts, and the next.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;

use crate::actions::operator::rules::{self, RulesView, Upgrade};
use crate::api::extract::{MaybeKey, Operator, Sent};
use crate::api::openapi::Problems;
use crate::api::{Tree, ok};
use crate::problem::Problem;
use crate::site::Site;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/operator/rules", show_rules).post("/api/v1/operator/rules", upgrade_rules)
}

/// Which version of the service's own rules counts, and which one this node's build knows.
#[utoipa::path(get, path = "/api/v1/operator/rules", tag = "operator", responses((status = 200, body = RulesView), Problems), security(("staff" = [])))]
pub(in crate::api) async fn show_rules(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
) -> impl IntoResponse {
    ok(rules::rules(&site, &staff))
}

/// Makes the next version count, on every node and for good. A node whose build does not know it
/// stops: look at `/readyz` of every node first.
#[utoipa::path(post, path = "/api/v1/operator/rules", tag = "operator", request_body = Upgrade, responses((status = 200, body = RulesView), Problems), security(("staff" = [])))]
pub(in crate::api) async fn upgrade_rules(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    MaybeKey(key): MaybeKey,
    Sent(given): Sent<Upgrade>,
) -> Result<impl IntoResponse, Problem> {
    rules::upgrade(&site, &staff, given, key.as_ref()).await.map(ok)
}
