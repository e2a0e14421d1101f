//! `/api/v1/rooms`: waiting rooms, their public document, tickets, places and passes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jari_core::ids::RoomId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Asked, At, Network, maybe_session, text_of, ticket, ticket_to_read};
use super::openapi::Problems;
use super::{Answer, Public, Tree, created, ok};
use crate::actions::waiting::{self, DrawView, Entered, EventView, Joining, Place, RoomDetails};
use crate::carriers::SLIP_HEADER;
use crate::problem::Problem;
use crate::site::Site;

pub(super) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/rooms", list_rooms)
        .get("/api/v1/rooms/{room}", show_room)
        .get("/api/v1/rooms/{room}/now", show_now)
        .get("/api/v1/rooms/{room}/draw", show_draw)
        .get("/api/v1/rooms/{room}/place", show_place)
        .post("/api/v1/rooms/{room}/tickets", join_room)
        .delete("/api/v1/rooms/{room}/tickets", leave_room)
        .post("/api/v1/rooms/{room}/passes", enter_room)
        .get("/api/v1/events", list_events)
}

/// All rooms.
#[utoipa::path(get, path = "/api/v1/rooms", tag = "rooms", responses((status = 200, body = Vec<RoomDetails>), Problems))]
async fn list_rooms(State(site): State<Arc<Site>>) -> impl IntoResponse {
    Public(waiting::rooms(&site))
}

/// One room: settings, pace, the commitment, and the seed once it is revealed.
#[utoipa::path(get, path = "/api/v1/rooms/{room}", tag = "rooms", params(("room" = u32, Path)), responses((status = 200, body = RoomDetails), Problems))]
async fn show_room(State(site): State<Arc<Site>>, At(room): At<u32>) -> Result<impl IntoResponse, Problem> {
    waiting::room(&site, RoomId(room)).map(Public)
}

/// The tiny document that everyone who waits polls: the same bytes for all, kept for a
/// second by any cache. `t` this service's clock (ms); `s` lobby, open, paused or closed;
/// `o` when it opens (lobby only); `n` tickets issued; `l` tickets in the draw; `d` 1 once
/// the draw is revealed; `c` positions called; `p` positions called a minute (low, high);
/// `f` free places; `r` positions that supply is likely to reach (sure, at most); `w` why
/// it is paused; `m` notices.
#[utoipa::path(get, path = "/api/v1/rooms/{room}/now", tag = "rooms", params(("room" = u32, Path)), responses((status = 200, body = Now), Problems))]
async fn show_now(State(site): State<Arc<Site>>, At(room): At<u32>) -> Result<Response, Problem> {
    let document = document_of(&site, RoomId(room)).ok_or_else(Problem::not_found)?;
    Ok(document.map(Body::from))
}

/// The document of [`show_now`].
#[derive(ToSchema, Serialize)]
#[schema(as = RoomNow)]
struct Now {
    t: u64,
    #[schema(example = "open")]
    s: String,
    o: Option<u64>,
    n: u32,
    l: Option<u32>,
    d: Option<u8>,
    c: Option<u32>,
    p: Option<[u32; 2]>,
    f: Option<u32>,
    r: Option<[u32; 2]>,
    w: Option<String>,
    m: Option<Vec<String>>,
}

/// The hottest answer of all: the published bytes as they are, two headers, one
/// allocation (the headers' table). It reads no clock and takes no lock.
pub(crate) fn document_of(site: &Site, room: RoomId) -> Option<http::Response<Bytes>> {
    let views = site.node.views();
    let document = views.rooms.get(&room)?.document.clone();
    let mut response = http::Response::new(document);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"));
    Some(response)
}

/// The revealed draw, from which anyone can recompute every lobby ticket's position.
/// Never changes once it is there.
#[utoipa::path(get, path = "/api/v1/rooms/{room}/draw", tag = "rooms", params(("room" = u32, Path)), responses((status = 200, body = DrawView), Problems))]
async fn show_draw(State(site): State<Arc<Site>>, At(room): At<u32>) -> Result<Response, Problem> {
    let mut response = ok(waiting::draw(&site, RoomId(room))?).into_response();
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, forever);
    Ok(response)
}

/// A place in line.
#[derive(Serialize, ToSchema)]
struct TicketGiven {
    /// The signed ticket: keep it.
    ticket_token: String,
    /// Its number.
    serial: u32,
}

/// Many come from this network: bring the slip back later.
#[derive(Serialize, ToSchema)]
struct SlipGiven {
    /// The signed slip, to be sent as `Jari-Slip`.
    slip: String,
    /// From when it counts.
    not_before_ms: u64,
    /// How long that is from now.
    retry_after_ms: u64,
}

/// Takes a place in line. In a room bound to identities a session is needed, and a person
/// who has a ticket finds it again. Without one, a crowded network is slowed: the answer
/// is then 202 with a slip to bring back as `Jari-Slip`; nobody is refused. A slip that is
/// brought back again, because no answer came, gives the same ticket.
#[utoipa::path(post, path = "/api/v1/rooms/{room}/tickets", tag = "rooms", params(("room" = u32, Path), ("jari-slip" = Option<String>, Header)), responses((status = 201, body = TicketGiven), (status = 202, body = SlipGiven), Problems), security((), ("session" = [])))]
async fn join_room(
    State(site): State<Arc<Site>>,
    At(room): At<u32>,
    Network(network): Network,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    join(&site, RoomId(room), network, &headers).await.map(|response| response.map(Body::from))
}

/// As the address `join_room` answers.
pub(super) async fn join(
    site: &Site,
    room: RoomId,
    network: IpAddr,
    headers: &HeaderMap,
) -> Result<http::Response<Bytes>, Problem> {
    let session = maybe_session(site, headers)?;
    let slip = text_of(headers, SLIP_HEADER)?;
    Ok(match waiting::join(site, room, session.as_ref(), network, slip).await? {
        Joining::Ticket { token, serial } => created(TicketGiven { ticket_token: token, serial }).whole(),
        Joining::Slowed { slip, not_before } => {
            let retry_after_ms = not_before.since_ms(site.node.now());
            let given = SlipGiven { slip, not_before_ms: not_before.0, retry_after_ms };
            let mut response = Answer(StatusCode::ACCEPTED, given).whole();
            let seconds = HeaderValue::from(retry_after_ms.div_ceil(1000).max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
    })
}

/// Where the ticket is in line.
#[utoipa::path(get, path = "/api/v1/rooms/{room}/place", tag = "rooms", params(("room" = u32, Path)), responses((status = 200, body = Place), Problems), security(("ticket" = [])))]
async fn show_place(
    State(site): State<Arc<Site>>,
    At(room): At<u32>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let ticket = ticket_to_read(&site, &headers, RoomId(room))?;
    waiting::place(&site, &ticket).await.map(ok)
}

/// Turns a called ticket into a pass, or finds the pass again.
#[utoipa::path(post, path = "/api/v1/rooms/{room}/passes", tag = "rooms", params(("room" = u32, Path)), responses((status = 201, body = Entered), Problems), security(("ticket" = [])))]
async fn enter_room(
    State(site): State<Arc<Site>>,
    At(room): At<u32>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    enter(&site, RoomId(room), &headers).await
}

/// As the address `enter_room` answers.
pub(super) async fn enter(
    site: &Site,
    room: RoomId,
    headers: &HeaderMap,
) -> Result<Answer<Entered>, Problem> {
    let ticket = ticket(site, headers, room)?;
    waiting::enter(site, &ticket).await.map(created)
}

/// Gives the ticket or its pass back.
#[utoipa::path(delete, path = "/api/v1/rooms/{room}/tickets", tag = "rooms", params(("room" = u32, Path)), responses((status = 204), Problems), security(("ticket" = [])))]
async fn leave_room(
    State(site): State<Arc<Site>>,
    At(room): At<u32>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let ticket = ticket(&site, &headers, RoomId(room))?;
    waiting::leave(&site, &ticket).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsAsked {
    /// Only events with this number or a later one.
    #[serde(default)]
    since: u64,
    /// Only those of this room, campaign or slot.
    subject: Option<u32>,
}

/// The newest public events, oldest first: pauses, changed quotas, new paces.
#[utoipa::path(get, path = "/api/v1/events", tag = "rooms", params(EventsAsked), responses((status = 200, body = Vec<EventView>), Problems))]
async fn list_events(State(site): State<Arc<Site>>, Asked(asked): Asked<EventsAsked>) -> impl IntoResponse {
    Public(waiting::events(&site, asked.since, asked.subject))
}
