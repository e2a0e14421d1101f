//! `/api/v1/operator/series`, `events` and `alarms`: what the console's plots and alarms show.
//!
//! A browser cannot send a header with the stream of events, so these three, which change nothing,
//! are given to the console's cookie as well; other sites' pages cannot read them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, HeaderValue, header};
use jari_wire::token::StaffSession;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::actions::staff;
use crate::api::extract::Asked;
use crate::api::openapi::Problems;
use crate::api::{Tree, ok};
use crate::carriers;
use crate::problem::Problem;
use crate::series::live::{self, Second};
use crate::series::view::{self, AlarmsView, SeriesView};
use crate::site::Site;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/operator/series", show_series)
        .get("/api/v1/operator/events", listen_to_events)
        .get("/api/v1/operator/alarms", show_alarms)
}

/// Someone of the staff who only looks: by the header of the API or the cookie of the console.
pub(in crate::api) struct Watcher(StaffSession);

impl FromRequestParts<Arc<Site>> for Watcher {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let token = carriers::bearer(&parts.headers)
            .or_else(|| carriers::cookie(&parts.headers, carriers::STAFF_COOKIE))
            .ok_or_else(Problem::staff_only)?;
        staff::hear_if_unknown(site, token).await;
        staff::permitted(site, token, carriers::deed_of(parts)).map(|member| Watcher(member.session))
    }
}

/// Which part of the past.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Span {
    /// From when, ms; a quarter of an hour ago if it is not said. Nothing is known of more than seven days ago.
    from: Option<u64>,
    /// The step, seconds, 1 to 3,600; made longer where the answer would have more than 1,024 points.
    step: Option<u64>,
}

/// The past second by second for a quarter of an hour, by ten seconds for six hours, by the minute for seven
/// days. What is counted is added up within a step, of latencies the worst counts, levels are the last ones.
/// Times are in milliseconds, latencies in microseconds; traffic and journal are those of the node that answers.
#[utoipa::path(get, path = "/api/v1/operator/series", tag = "operator", params(Span), responses((status = 200, body = SeriesView), Problems), security(("staff" = [])))]
pub(in crate::api) async fn show_series(
    State(site): State<Arc<Site>>,
    Watcher(_): Watcher,
    Asked(span): Asked<Span>,
) -> impl IntoResponse {
    ok(view::series(&site, span.from, span.step))
}

/// Server-sent events: one `second` a second, whose data is the schema's JSON and whose id is its instant in ms; a comment
/// after ten seconds without. It ends when the session does, and when the service stops. A slow listener misses
/// some: after a reconnection or a gap, ask for the series. At most 64 listen to one node (`listeners_full`).
#[utoipa::path(get, path = "/api/v1/operator/events", tag = "operator", responses((status = 200, body = Second, content_type = "text/event-stream"), Problems), security(("staff" = [])))]
pub(in crate::api) async fn listen_to_events(
    State(site): State<Arc<Site>>,
    Watcher(staff): Watcher,
) -> Result<Response, Problem> {
    let mut response = Response::new(Body::new(live::listen(&site, staff)?));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would gather them.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The alarms that stand, by what this node sees.
#[utoipa::path(get, path = "/api/v1/operator/alarms", tag = "operator", responses((status = 200, body = AlarmsView), Problems), security(("staff" = [])))]
pub(in crate::api) async fn show_alarms(
    State(site): State<Arc<Site>>,
    Watcher(_): Watcher,
) -> impl IntoResponse {
    ok(view::alarms(&site))
}
