//! What machines ask of the service itself: is it alive, is it ready, how is it, and what
//! does it speak.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use jari_node::Rejected;
use serde::Serialize;
use utoipa::ToSchema;

use super::openapi::{self, Problems};
use super::{Tree, ok};
use crate::actions::operator::rules::RulesView;
use crate::messages;
use crate::problem::Problem;
use crate::site::Site;

pub(super) fn routes(tree: Tree) -> Tree {
    tree.get("/healthz", show_alive)
        .get("/readyz", show_ready)
        .get("/metrics", show_metrics)
        .get("/openapi.json", show_document)
}

/// Alive: the process answers. A second line warns when messages to people are late: the process is well then, and
/// starting it again would not help.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = String, content_type = "text/plain"), Problems))]
async fn show_alive(State(site): State<Arc<Site>>) -> String {
    let (waiting, oldest_ms) = messages::lateness(&site);
    if !messages::is_late(oldest_ms) {
        return "alive\n".to_owned();
    }
    format!("alive\nwarning: {waiting} messages to people wait, the oldest for {} s\n", oldest_ms / 1_000)
}

/// How messages to people are, at all nodes.
#[derive(Serialize, ToSchema)]
struct ReadyMessages {
    /// Messages about bookings that wait.
    waiting: u64,
    /// How long the oldest has waited at least; 0 where none waits.
    oldest_ms: u64,
    /// It waits for more than a minute. The node is ready all the same: its places do not depend on messages.
    late: bool,
}

/// How the node is.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// The position of the last record applied.
    position: u64,
    /// Requests waiting in the mailbox.
    waiting: usize,
    /// Requests that may wait.
    waiting_max: usize,
    /// The last instant stamped.
    time_ms: u64,
    /// Writes in flight.
    writes_in_flight: u32,
    /// Writes that may be in flight now.
    writes_max: u32,
    /// The versions of the service's own rules.
    rules: RulesView,
    /// Messages to people.
    messages: ReadyMessages,
}

/// Ready: changes can be taken. 503 from the moment it is told to stop, while the disk is full, and while
/// the journal does not answer.
#[utoipa::path(get, path = "/readyz", tag = "service", responses((status = 200, body = Ready), Problems))]
async fn show_ready(State(site): State<Arc<Site>>) -> Result<impl IntoResponse, Problem> {
    let status = site.node.status();
    if let Some(refusal) = site.is_draining().then_some(Rejected::Stopping).or(status.refusal()) {
        return Err(refusal.into());
    }
    let (waiting, oldest_ms) = messages::lateness(&site);
    Ok(ok(Ready {
        position: status.position,
        waiting: status.waiting,
        waiting_max: status.waiting_max,
        time_ms: status.time.0,
        writes_in_flight: site.shed.in_flight(),
        writes_max: site.shed.limit(),
        rules: RulesView { counts: status.rules, knows: status.rules_known },
        messages: ReadyMessages { waiting, oldest_ms, late: messages::is_late(oldest_ms) },
    }))
}

/// The metrics, as Prometheus reads them.
#[utoipa::path(get, path = "/metrics", tag = "service", responses((status = 200, body = String, content_type = "text/plain"), Problems))]
async fn show_metrics(State(site): State<Arc<Site>>) -> Result<Response, Problem> {
    let render = site.options.metrics.as_ref().ok_or_else(Problem::not_found)?;
    let mut response = render().into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "service", responses((status = 200, description = "OpenAPI 3.1"), Problems))]
async fn show_document() -> Response {
    let mut response = openapi::document().to_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}
