//! How tokens travel: headers of the API, cookies of the pages.
//!
//! The API takes changes with headers only, so a foreign page cannot make a browser send
//! one. Pages use cookies and, in each form, a hidden token bound to them.

use axum::extract::MatchedPath;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use jari_core::ids::{ChannelId, RoomId};
use jari_wire::token::{Pass, Session, Ticket, TokenError};

use crate::actions::staff::{self, Member};
use crate::problem::{Expiring, Problem, expired};
use crate::site::Site;
use crate::staff::{Deed, roles};

/// The cookie of a person's session.
pub const SESSION_COOKIE: &str = "jari_session";
/// The cookie of an errand: leave to book for somebody else.
pub const ERRAND_COOKIE: &str = "jari_for";
/// The cookie of an operator's session.
pub const STAFF_COOKIE: &str = "jari_staff";
/// The API's header for a pass.
pub const PASS_HEADER: &str = "jari-pass";
/// The API's header for an errand.
pub const ERRAND_HEADER: &str = "jari-for";
/// The API's header for a ticket.
pub const TICKET_HEADER: &str = "jari-ticket";
/// The API's header for the call that an agent has on the line.
pub const CALL_HEADER: &str = "jari-call";
/// The cookie of an agent's call.
pub const CALL_COOKIE: &str = "jari_call";
/// The API's header for a slip.
pub const SLIP_HEADER: &str = "jari-slip";
/// The API's header for the key of a change.
pub const KEY_HEADER: &str = "idempotency-key";

/// The cookie of a room's ticket.
#[must_use]
pub fn ticket_cookie(room: RoomId) -> String {
    format!("jari_ticket_{}", room.0)
}

/// The cookie of a room's pass.
#[must_use]
pub fn pass_cookie(room: RoomId) -> String {
    format!("jari_pass_{}", room.0)
}

/// The cookie of a room's slip.
#[must_use]
pub fn slip_cookie(room: RoomId) -> String {
    format!("jari_slip_{}", room.0)
}

/// The value of a cookie. Costs one pass over the cookies, no allocation.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// A `Set-Cookie` that scripts cannot read and other sites' forms do not send. The value
/// must be a token of ours or another text of visible ASCII without `;`; anything else
/// gives an empty cookie.
#[must_use]
pub fn set_cookie(site: &Site, name: &str, value: &str, max_age_s: u64) -> HeaderValue {
    let secure = if site.options.plain_http { "" } else { "; Secure" };
    let fits =
        value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'"' | b'\\'));
    let value = if fits { value } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("jari=; Max-Age=0"))
}

/// A `Set-Cookie` that takes a cookie away.
#[must_use]
pub fn drop_cookie(site: &Site, name: &str) -> HeaderValue {
    set_cookie(site, name, "", 0)
}

/// The token after `Bearer`.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Opens a person's session and checks its time.
///
/// # Errors
///
/// Problems of the token; `session_expired`.
pub fn open_session(site: &Site, token: &str) -> Result<Session, Problem> {
    let session = Session::open(token, &site.keys)?;
    session.check(site.node.now()).map_err(|_| expired(Expiring::Session))?;
    // What an agent does for a caller goes through the agent's own addresses, and is in the audit list.
    if session.channel == ChannelId::AGENT { Err(TokenError::WrongKind.into()) } else { Ok(session) }
}

/// The session in a page's cookie: none if there is no cookie or it no longer counts.
#[must_use]
pub fn session_of(site: &Site, headers: &HeaderMap) -> Option<Session> {
    open_session(site, cookie(headers, SESSION_COOKIE)?).ok()
}

/// Whose session of the staff is in a page's cookie, if they may do this.
///
/// # Errors
///
/// `staff_only` without a cookie; see [`staff::permitted`].
pub fn staff_of(site: &Site, headers: &HeaderMap, deed: Option<Deed>) -> Result<Member, Problem> {
    staff::permitted(site, cookie(headers, STAFF_COOKIE).ok_or_else(Problem::staff_only)?, deed)
}

/// Which deed of the staff's a request is, by the address that was matched.
#[must_use]
pub fn deed_of(parts: &Parts) -> Option<Deed> {
    let path = parts.extensions.get::<MatchedPath>()?;
    roles::deed_of(&parts.method, path.as_str())
}

/// A room's ticket in a page's cookie: none if it is missing, forged or another room's.
#[must_use]
pub fn ticket_of(site: &Site, headers: &HeaderMap, room: RoomId) -> Option<Ticket> {
    let ticket = Ticket::open(cookie(headers, &ticket_cookie(room))?, &site.keys).ok()?;
    (ticket.room == room).then_some(ticket)
}

/// A room's pass in a page's cookie: none if it is missing, forged, over or another
/// room's.
#[must_use]
pub fn pass_of(site: &Site, headers: &HeaderMap, room: RoomId) -> Option<Pass> {
    let pass = Pass::open(cookie(headers, &pass_cookie(room))?, &site.keys).ok()?;
    (pass.room == room && pass.check(site.node.now()).is_ok()).then_some(pass)
}
