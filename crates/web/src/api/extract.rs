//! What handlers take from a request: each either fits or is a problem that says why.

use std::net::IpAddr;
use std::sync::Arc;

use axum::BoxError;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jari_core::ids::RoomId;
use jari_wire::token::{Errand, Pass, Session, StaffSession, Ticket};
use serde::de::DeserializeOwned;

use crate::actions::partner::{PartnerCredential, authenticate};
use crate::actions::{IdempotencyKey, errand, staff};
use crate::carriers::{self, ERRAND_HEADER, KEY_HEADER, PASS_HEADER, TICKET_HEADER, bearer, open_session};
use crate::front::BODY_BYTES_MAX;
use crate::network;
use crate::problem::Problem;
use crate::site::Site;

/// A person who is signed in.
pub(super) struct Citizen(pub(super) Session);

impl FromRequestParts<Arc<Site>> for Citizen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        session(site, &parts.headers).map(Citizen)
    }
}

/// Someone of the staff who is signed in, and may do what this address is for.
pub(super) struct Operator(pub(super) StaffSession);

impl FromRequestParts<Arc<Site>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or_else(Problem::staff_only)?;
        staff::hear_if_unknown(site, token).await;
        staff::permitted(site, token, carriers::deed_of(parts)).map(|member| Operator(member.session))
    }
}

/// A partner channel.
pub(super) struct Partner(pub(super) PartnerCredential);

impl FromRequestParts<Arc<Site>> for Partner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        authenticate(site, bearer(&parts.headers).unwrap_or_default()).cloned().map(Partner)
    }
}

/// The key of a change that must have one.
pub(super) struct Key(pub(super) IdempotencyKey);

impl FromRequestParts<Arc<Site>> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Site>) -> Result<Self, Problem> {
        key(&parts.headers).map(Key)
    }
}

/// The key of a change that may have one.
pub(super) struct MaybeKey(pub(super) Option<IdempotencyKey>);

impl FromRequestParts<Arc<Site>> for MaybeKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Site>) -> Result<Self, Problem> {
        maybe_key(&parts.headers).map(MaybeKey)
    }
}

/// The address that a request came from.
pub(super) struct Network(pub(super) IpAddr);

impl FromRequestParts<Arc<Site>> for Network {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        Ok(Network(network::address(parts, site)))
    }
}

/// The parts of the path: anything that does not fit is no address of ours.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Site>> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let Path(found) =
            Path::<T>::from_request_parts(parts, site).await.map_err(|_| Problem::not_found())?;
        Ok(At(found))
    }
}

/// The query.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Site>> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, site).await;
        let unfit = "A field of the query is of the wrong kind. /openapi.json says what fits.";
        query.map(|Query(found)| Asked(found)).map_err(|_| Problem::malformed(unfit))
    }
}

/// The body as JSON.
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Site>> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<Self, Problem> {
        let bytes =
            Bytes::from_request(request, site).await.map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => too_large(),
                _ => not_whole(),
            })?;
        parsed(&bytes).map(Sent)
    }
}

/// A body of the usual size as JSON.
pub(super) async fn sent<T, B>(body: B) -> Result<T, Problem>
where
    T: DeserializeOwned,
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let collected = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body =
        collected.map_err(|error| if error.is::<LengthLimitError>() { too_large() } else { not_whole() })?;
    parsed(&body.to_bytes())
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| unread(&error))
}

/// The session of a person who must be signed in.
pub(super) fn session(site: &Site, headers: &HeaderMap) -> Result<Session, Problem> {
    open_session(site, bearer(headers).ok_or_else(Problem::unidentified)?)
}

/// The session of a person who may be signed in. One that does not count is a problem all
/// the same.
pub(super) fn maybe_session(site: &Site, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
    bearer(headers).map(|token| open_session(site, token)).transpose()
}

/// The pass, where one was sent.
pub(super) fn maybe_pass(site: &Site, headers: &HeaderMap) -> Result<Option<Pass>, Problem> {
    Ok(text_of(headers, PASS_HEADER)?.map(|text| Pass::open(text, &site.keys)).transpose()?)
}

/// The errand of a session, where one was sent.
pub(super) fn maybe_errand(
    site: &Site,
    session: &Session,
    headers: &HeaderMap,
) -> Result<Option<Errand>, Problem> {
    text_of(headers, ERRAND_HEADER)?.map(|text| errand::open(site, session, text)).transpose()
}

/// The key of a change that must have one.
pub(super) fn key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    maybe_key(headers)?.ok_or_else(|| {
        Problem::caller(
            StatusCode::BAD_REQUEST,
            "key_missing",
            "The Idempotency-Key is missing",
            "A change needs an Idempotency-Key header of 16 to 64 visible ASCII characters, so that sending it \
             again is never done twice. Nothing was changed.",
        )
    })
}

fn maybe_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    text_of(headers, KEY_HEADER)?.map(IdempotencyKey::parse).transpose()
}

/// The ticket of a room, sent as `Jari-Ticket` or `Authorization: Bearer`.
pub(super) fn ticket(site: &Site, headers: &HeaderMap, room: RoomId) -> Result<Ticket, Problem> {
    let text = match text_of(headers, TICKET_HEADER)? {
        Some(text) => text,
        None => bearer(headers).ok_or_else(ticket_missing)?,
    };
    opened(site, text, room)
}

/// As [`ticket`], or from the cookie of the pages: for reading only.
pub(super) fn ticket_to_read(site: &Site, headers: &HeaderMap, room: RoomId) -> Result<Ticket, Problem> {
    match carriers::ticket_of(site, headers, room) {
        Some(ticket) if !headers.contains_key(TICKET_HEADER) && bearer(headers).is_none() => Ok(ticket),
        _ => ticket(site, headers, room),
    }
}

fn opened(site: &Site, text: &str, room: RoomId) -> Result<Ticket, Problem> {
    let ticket = Ticket::open(text, &site.keys)?;
    if ticket.room == room { Ok(ticket) } else { Err(Problem::other_room()) }
}

/// A header as text; one that is no text is a problem, not an absence.
pub(super) fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let text = headers.get(name).map(http::HeaderValue::to_str).transpose();
    text.map_err(|_| {
        Problem::malformed("A header has characters other than visible ASCII. Nothing was changed.")
    })
}

fn ticket_missing() -> Problem {
    Problem::caller(
        StatusCode::UNAUTHORIZED,
        "ticket_missing",
        "The ticket is missing",
        "This needs a ticket of the room, sent as Jari-Ticket or Authorization: Bearer. Join the room to get one.",
    )
}

fn not_whole() -> Problem {
    Problem::malformed("The body did not arrive whole. Nothing was changed; send it again.")
}

fn too_large() -> Problem {
    Problem::caller(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        "The request is too large",
        "The body is larger than this address takes. Nothing was read or changed.",
    )
}

/// Says where JSON does not fit, without repeating what was sent.
fn unread(error: &serde_json::Error) -> Problem {
    let message = error.to_string();
    // Names of our own fields may be told; values and names that were sent may not.
    let missing = message.split(" at line").next().filter(|text| text.starts_with("missing field"));
    let what = match (missing, error.classify()) {
        (Some(missing), _) => missing,
        (None, serde_json::error::Category::Data) => {
            "a field is unknown, or its value of the wrong kind or size"
        }
        _ => "this is not JSON",
    };
    let (line, column) = (error.line(), error.column());
    Problem::malformed(format!(
        "The body does not fit at line {line}, column {column}: {what}. Nothing was changed."
    ))
}
