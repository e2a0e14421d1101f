//! Who asks for a page: their language, cookies and tokens, and how a page goes back.
//!
//! Everything in a cookie is signed by the service and opened here; what cannot be
//! opened counts as absent, since a page's answer to a stale cookie is a fresh start.
//! It must never put anything secret into a page or a log.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use jari_core::ids::RoomId;
use jari_core::{Reason, Refusal, Time};
use jari_wire::token::{Csrf, Errand, Pass, Session, Slip, StaffSession, Ticket};

use super::frame::Frame;
use super::respond;
use super::words::{Words, choose};
use crate::actions::staff::{self, Member};
use crate::actions::{errand, identity};
use crate::carriers::{self, cookie};
use crate::problem::{Expiring, Problem, expired};
use crate::site::Site;
use crate::staff::Deed;

/// The challenge of a caller's code, in an agent's browser.
pub(super) const CALLER: &str = "jari_caller";
/// The challenge of a code that was sent.
pub(super) const CHALLENGE: &str = "jari_challenge";
/// What binds forms to a browser.
pub(super) const FORM: &str = "jari_form";
/// The language that was chosen.
pub(super) const LANGUAGE: &str = "jari_lang";

/// Forms count for so long after their page was made.
const FORM_MS: u64 = 12 * 60 * 60 * 1000;
/// A name of the longest kind (RFC 1035) and a port.
const HOST_OCTETS_MAX: usize = 253 + 6;
/// What a form's token is for.
const FORM_PURPOSE: &str = "page";
/// How long a ticket and the form cookie are kept by a browser.
pub(super) const KEPT_S: u64 = 30 * 24 * 60 * 60;
/// The same of a language.
pub(super) const LANGUAGE_KEPT_S: u64 = 12 * KEPT_S;
/// The same of a challenge.
pub(super) const CHALLENGE_KEPT_S: u64 = 600;

/// A problem on its way to becoming a page.
#[derive(Debug)]
pub struct Failed(pub Problem);

impl<P: Into<Problem>> From<P> for Failed {
    fn from(problem: P) -> Failed {
        Failed(problem.into())
    }
}

/// The problem travels beside an empty body; `failure::as_page` makes the page.
impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// Whoever asks for a page.
pub struct Caller {
    /// The site.
    pub site: Arc<Site>,
    /// Their words.
    pub words: Words,
    /// Their network address.
    pub network: IpAddr,
    /// The address asked for, where it can be asked for again.
    pub path: String,
    headers: HeaderMap,
    /// Binds forms to this browser.
    form_cookie: String,
    form_cookie_is_new: bool,
    /// A language chosen just now, to be kept.
    language_asked: bool,
    /// Which deed of the staff's the address is, if it is one.
    deed: Option<Deed>,
    /// Leave to book for somebody else, and their name, in words.
    errand: Option<(Errand, String)>,
}

impl FromRequestParts<Arc<Site>> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Caller, Failed> {
        let mut caller = Caller::of(parts, site)?;
        caller.hear_errand().await;
        if let (Some(_), Some(token)) = (caller.deed, cookie(&caller.headers, carriers::STAFF_COOKIE)) {
            staff::hear_if_unknown(site, token).await;
        }
        Ok(caller)
    }
}

impl Caller {
    /// Reads who asks from the head of a request.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn of(parts: &Parts, site: &Arc<Site>) -> Result<Caller, Problem> {
        let headers = parts.headers.clone();
        let asked = query_value(parts.uri.query().unwrap_or_default(), "lang");
        let kept = cookie(&headers, LANGUAGE);
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let lang = choose(asked, kept, accepted);
        let known = cookie(&headers, FORM)
            .filter(|text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()));
        let (form_cookie, form_cookie_is_new) = match known {
            Some(known) => (known.to_owned(), false),
            None => (crate::hex::encode(&crate::random::bytes::<16>()?), true),
        };
        Ok(Caller {
            network: crate::network::address(parts, site),
            path: if parts.method == Method::GET { path_without_lang(&parts.uri) } else { "/".to_owned() },
            words: Words::new(lang, site.options.utc_offset_min),
            language_asked: asked.is_some(),
            deed: carriers::deed_of(parts),
            errand: None,
            site: Arc::clone(site),
            headers,
            form_cookie,
            form_cookie_is_new,
        })
    }

    /// The frame of this page.
    ///
    /// # Errors
    ///
    /// None today; a frame may come to need randomness.
    pub fn frame(&self) -> Result<Frame, Problem> {
        self.frame_at(&self.path)
    }

    /// The frame of a page that answers a form: its languages lead to `path`.
    ///
    /// # Errors
    ///
    /// As [`Caller::frame`].
    pub fn frame_at(&self, path: &str) -> Result<Frame, Problem> {
        let token = Csrf { ends_at: self.site.node.now().plus_ms(FORM_MS) };
        Ok(Frame {
            words: self.words.clone(),
            path: path.to_owned(),
            csrf: token.seal(&self.site.keys, &self.form_cookie, FORM_PURPOSE),
            demo: self.site.options.demo,
            errand: self.errand.as_ref().map(|(_, name)| name.clone()),
        })
    }

    /// Checks that a form came from one of our pages in this browser.
    ///
    /// # Errors
    ///
    /// `form_expired`, also for a token that was not made for this browser: loading the
    /// page again mends both.
    pub fn check_form(&self, token: &str) -> Result<(), Problem> {
        let form = Csrf::open(token, &self.site.keys, &self.form_cookie, FORM_PURPOSE);
        match form.map(|form| form.check(self.site.node.now())) {
            Ok(Ok(())) => Ok(()),
            _ => Err(Problem { status: StatusCode::FORBIDDEN, ..expired(Expiring::Form) }),
        }
    }

    /// A page for this caller.
    ///
    /// # Errors
    ///
    /// A problem of ours when it cannot be rendered.
    pub fn page(&self, template: &impl Template, status: StatusCode) -> Result<Response, Failed> {
        let mut response = respond::page(template, status, &self.headers)?;
        self.keep_basics(&mut response);
        Ok(response)
    }

    /// Keeps what every page needs: the form cookie, a language just chosen.
    pub(super) fn keep_basics(&self, response: &mut Response) {
        if self.form_cookie_is_new {
            self.set_cookie(response, FORM, &self.form_cookie, KEPT_S);
        }
        if self.language_asked {
            self.set_cookie(response, LANGUAGE, self.words.lang.tag(), LANGUAGE_KEPT_S);
        }
    }

    /// The ticket that this browser keeps for a room.
    #[must_use]
    pub fn ticket(&self, room: RoomId) -> Option<Ticket> {
        carriers::ticket_of(&self.site, &self.headers, room)
    }

    /// The ticket, which must be there.
    ///
    /// # Errors
    ///
    /// `ticket_unknown`.
    pub fn ticket_required(&self, room: RoomId) -> Result<Ticket, Problem> {
        self.ticket(room).ok_or_else(|| Refusal { reason: Reason::TicketUnknown, detail: 0 }.into())
    }

    /// The pass that this browser keeps for a room, ended or not: an ended one is told
    /// apart from none by what booking answers.
    #[must_use]
    pub fn pass(&self, room: RoomId) -> Option<Pass> {
        let text = cookie(&self.headers, &carriers::pass_cookie(room))?;
        Pass::open(text, &self.site.keys).ok().filter(|pass| pass.room == room)
    }

    /// The slip of a postponed join and from when it counts.
    #[must_use]
    pub fn slip(&self, room: RoomId) -> Option<(&str, Time)> {
        let text = cookie(&self.headers, &carriers::slip_cookie(room))?;
        let slip = Slip::open(text, &self.site.keys).ok().filter(|slip| slip.room == room)?;
        (self.site.node.now() < slip.ends_at).then_some((text, slip.not_before))
    }

    /// Who is signed in.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        carriers::session_of(&self.site, &self.headers)
    }

    /// For whom they book, if it is somebody else. What no longer counts is as if there were none:
    /// the pages then say nothing of anybody else, and book for whoever is signed in.
    #[must_use]
    pub fn errand(&self) -> Option<&Errand> {
        self.errand.as_ref().map(|(errand, _)| errand)
    }

    /// Looks for whom they book: their name is in the vault.
    pub(super) async fn hear_errand(&mut self) {
        self.errand = self.find_errand().await;
    }

    async fn find_errand(&self) -> Option<(Errand, String)> {
        let token = cookie(&self.headers, carriers::ERRAND_COOKIE).filter(|text| !text.is_empty())?;
        let errand = errand::open(&self.site, &self.session()?, token).ok()?;
        let contact = identity::contact(&self.site, errand.person).await.ok().flatten();
        let name = contact.map_or_else(|| self.words.t("errand-somebody"), |contact| contact.name);
        Some((errand, name))
    }

    /// Keeps leave to book for somebody else.
    pub fn keep_errand(&self, response: &mut Response, token: &str) {
        self.set_cookie(response, carriers::ERRAND_COOKIE, token, self.site.options.session_ms / 1000);
    }

    /// Forgets it: whoever is signed in books for themselves.
    pub fn drop_errand(&self, response: &mut Response) {
        self.set_cookie(response, carriers::ERRAND_COOKIE, "", 0);
    }

    /// Who is signed in; they must be.
    ///
    /// # Errors
    ///
    /// `unidentified`.
    pub fn session_required(&self) -> Result<Session, Problem> {
        self.session().ok_or_else(Problem::unidentified)
    }

    /// The session of someone of the staff, who may do what this address is for.
    ///
    /// # Errors
    ///
    /// `staff_only`, `staff_session_expired`, `role_unfit`, and what has to be done first.
    pub fn staff(&self) -> Result<StaffSession, Problem> {
        self.member().map(|member| member.session)
    }

    /// The same, with what is known of them.
    ///
    /// # Errors
    ///
    /// As [`Caller::staff`].
    pub fn member(&self) -> Result<Member, Problem> {
        carriers::staff_of(&self.site, &self.headers, self.deed)
    }

    /// Whether whoever of the staff asks may do this: for what a page shows.
    #[must_use]
    pub fn may(&self, deed: Deed) -> bool {
        self.member().is_ok_and(|member| member.may(deed))
    }

    /// The challenge of a code that was asked for in this browser.
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        cookie(&self.headers, CHALLENGE).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Keeps a ticket.
    pub fn keep_ticket(&self, response: &mut Response, room: RoomId, token: &str) {
        self.set_cookie(response, &carriers::slip_cookie(room), "", 0);
        self.set_cookie(response, &carriers::ticket_cookie(room), token, KEPT_S);
    }

    /// Forgets a ticket.
    pub fn drop_ticket(&self, response: &mut Response, room: RoomId) {
        self.set_cookie(response, &carriers::ticket_cookie(room), "", 0);
        self.set_cookie(response, &carriers::pass_cookie(room), "", 0);
    }

    /// Keeps the slip of a postponed join.
    pub fn keep_slip(&self, response: &mut Response, room: RoomId, slip: &str) {
        self.set_cookie(response, &carriers::slip_cookie(room), slip, KEPT_S);
    }

    /// Keeps a pass; it says itself when it ends.
    pub fn keep_pass(&self, response: &mut Response, room: RoomId, token: &str) {
        self.set_cookie(response, &carriers::pass_cookie(room), token, KEPT_S);
    }

    /// Keeps a session.
    pub fn keep_session(&self, response: &mut Response, token: &str) {
        self.set_cookie(response, carriers::SESSION_COOKIE, token, self.site.options.session_ms / 1000);
    }

    /// Forgets who is signed in.
    pub fn drop_session(&self, response: &mut Response) {
        self.set_cookie(response, carriers::SESSION_COOKIE, "", 0);
        self.drop_errand(response);
    }

    /// Keeps a challenge while its code counts.
    pub fn keep_challenge(&self, response: &mut Response, token: &str) {
        self.set_cookie(response, CHALLENGE, token, CHALLENGE_KEPT_S);
    }

    /// Forgets a challenge.
    pub fn drop_challenge(&self, response: &mut Response) {
        self.set_cookie(response, CHALLENGE, "", 0);
    }

    /// The token of the call that an agent has on the line.
    #[must_use]
    pub fn call_token(&self) -> Option<&str> {
        cookie(&self.headers, carriers::CALL_COOKIE).filter(|text| !text.is_empty())
    }

    /// The challenge of a code that was sent to a caller.
    #[must_use]
    pub fn caller_challenge(&self) -> Option<String> {
        cookie(&self.headers, CALLER).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Keeps the challenge of a caller's code while it counts.
    pub fn keep_caller(&self, response: &mut Response, token: &str) {
        self.set_cookie(response, carriers::CALL_COOKIE, "", 0);
        self.set_cookie(response, CALLER, token, CHALLENGE_KEPT_S);
    }

    /// Keeps the token of a call; it says itself when it ends.
    pub fn keep_call(&self, response: &mut Response, token: &str) {
        self.set_cookie(response, CALLER, "", 0);
        self.set_cookie(response, carriers::CALL_COOKIE, token, 1_800);
    }

    /// Forgets the call.
    pub fn drop_call(&self, response: &mut Response) {
        self.set_cookie(response, CALLER, "", 0);
        self.set_cookie(response, carriers::CALL_COOKIE, "", 0);
    }

    /// Keeps an operator's session, for the operator's pages only.
    pub fn keep_staff(&self, response: &mut Response, token: &str) {
        self.set_cookie(response, carriers::STAFF_COOKIE, token, self.site.options.staff_session_ms / 1000);
    }

    /// Forgets an operator's session.
    pub fn drop_staff(&self, response: &mut Response) {
        self.set_cookie(response, carriers::STAFF_COOKIE, "", 0);
    }

    /// The headers of the request.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// An address of this service as others can use it, by the name under which the reader
    /// reached it; none without a name. Only for what goes back to this reader alone: the name
    /// is whatever they sent.
    #[must_use]
    pub fn address_of(&self, path: &str) -> Option<String> {
        let host = self.headers.get(header::HOST)?.to_str().ok()?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if host.is_empty() || host.len() > HOST_OCTETS_MAX || !host.bytes().all(fits) {
            return None;
        }
        let scheme = if self.site.options.plain_http { "http" } else { "https" };
        Some(format!("{scheme}://{host}{path}"))
    }

    fn set_cookie(&self, response: &mut Response, name: &str, value: &str, max_age_s: u64) {
        let line = carriers::set_cookie(&self.site, name, value, max_age_s);
        response.headers_mut().append(header::SET_COOKIE, line);
    }
}

/// The plain value of a query's first parameter of that name.
fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

/// The address without the language, so that the language links do not pile up.
fn path_without_lang(uri: &http::Uri) -> String {
    let kept: Vec<&str> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("lang="))
        .collect();
    if kept.is_empty() { uri.path().to_owned() } else { format!("{}?{}", uri.path(), kept.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_link_keeps_the_rest_of_the_address() {
        let path = |text: &'static str| path_without_lang(&http::Uri::from_static(text));
        assert_eq!(path("/book/1?region=a&lang=en&x=1"), "/book/1?region=a&x=1");
        assert_eq!(path("/?lang=ko"), "/");
    }
}
