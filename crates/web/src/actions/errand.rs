//! Booking for somebody else, with both recorded, from rules 5 on.
//!
//! Whoever books for their mother is signed in as themselves; she says who she is by her name,
//! birth date and telephone and a code to it, as ever. What comes of it is an *errand*: leave to
//! book for her, which is of no use without the proxy's own session and shows nothing of what she
//! has. The proxy reaches what they made for her, until either of them ends that.
//!
//! It must never give a session of hers to somebody else. Start reading at [`begin`].

use jari_core::booking::{Booking, Proxied};
use jari_core::ids::{BookingId, PersonId};
use jari_core::rules::RULES_PROXIES;
use jari_core::{Body, Reason, Refusal, State};
use jari_wire::token::{Errand, Session};
use serde::Serialize;
use utoipa::ToSchema;

use super::booking::command_id;
use super::{IdempotencyKey, identity, submit};
use crate::problem::{Expiring, Problem, expired};
use crate::site::Site;

/// Leave to book for somebody else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ErrandGiven {
    /// `Jari-For` of the API, beside one's own session.
    pub errand_token: String,
    /// When it ends: with the session.
    pub ends_at_ms: u64,
}

/// That somebody made a booking for somebody else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ProxyView {
    /// Whether whoever asks made it for somebody else. If not, somebody else made it for them.
    pub made_by_me: bool,
    /// The name of the other one: for whom it was made, or who made it. None once forgotten.
    #[schema(example = "김하늘")]
    pub name: Option<String>,
    /// Whether whoever made it has nothing to do with it any more.
    pub ended: bool,
}

/// Who made a booking for somebody else, and for whom, before anybody is named.
#[derive(Copy, Clone)]
pub(crate) struct Pair {
    pub(crate) person: PersonId,
    pub(crate) proxy: PersonId,
    pub(crate) ended: bool,
}

impl Pair {
    pub(crate) fn of(state: &State, id: BookingId, booking: &Booking) -> Option<Pair> {
        let proxied: &Proxied = state.proxy_of(id)?;
        Some(Pair { person: booking.person(), proxy: proxied.proxy(), ended: proxied.ended })
    }

    /// What one of the two may know of the other.
    pub(crate) async fn view(self, site: &Site, reader: PersonId) -> ProxyView {
        let made_by_me = self.person != reader;
        let other = if made_by_me { self.person } else { self.proxy };
        // A page with a booking and without a name is worth more than none.
        let contact = identity::contact(site, other).await.ok().flatten();
        ProxyView { made_by_me, name: contact.map(|contact| contact.name), ended: self.ended }
    }
}

/// Whether the rules that count know of booking for somebody else.
#[must_use]
pub fn is_known(site: &Site) -> bool {
    site.node.status().rules >= RULES_PROXIES
}

/// Says so if they do not.
///
/// # Errors
///
/// `rules_unknown`.
pub fn check_known(site: &Site) -> Result<(), Problem> {
    if is_known(site) { Ok(()) } else { Err(Refusal { reason: Reason::RulesUnknown, detail: 0 }.into()) }
}

/// Turns the challenge and code of somebody else into leave to book for them. Their contact is
/// sealed and durable before this answers; what is kept of them already stays.
///
/// # Errors
///
/// `rules_unknown`; `other_is_you`; as [`identity::confirm_code`].
pub async fn begin(
    site: &Site,
    session: &Session,
    challenge: &str,
    code: &str,
) -> Result<ErrandGiven, Problem> {
    check_known(site)?;
    let person = identity::confirmed_other(site, challenge, code, session.person).await?;
    let (person, birth) = person.ok_or_else(is_you)?;
    let ends_at = session.ends_at;
    let errand = Errand { person, birth, proxy: session.person, ends_at };
    Ok(ErrandGiven { errand_token: errand.seal(&site.keys), ends_at_ms: ends_at.0 })
}

fn is_you() -> Problem {
    Problem::caller(
        http::StatusCode::UNPROCESSABLE_ENTITY,
        "other_is_you",
        "This is you",
        "The name, birth date and telephone are your own. You need no leave to book for yourself.",
    )
}

/// Opens an errand and checks that it is this session's and still counts.
///
/// # Errors
///
/// Problems of the token; `session_expired`; `errand_foreign`.
pub fn open(site: &Site, session: &Session, token: &str) -> Result<Errand, Problem> {
    let errand = Errand::open(token, &site.keys)?;
    errand.check(site.node.now()).map_err(|_| expired(Expiring::Session))?;
    if errand.proxy != session.person {
        return Err(Problem::caller(
            http::StatusCode::FORBIDDEN,
            "errand_foreign",
            "Leave of somebody else",
            "This is leave to book for somebody that was given to another person. Nothing was changed.",
        ));
    }
    Ok(errand)
}

/// Ends a proxy's reach over a booking, and no booking. The person and the proxy may ask for it.
///
/// # Errors
///
/// The machine's refusals: `booking_unknown`, `proxy_unknown`, `rules_unknown`.
pub async fn end(
    site: &Site,
    session: &Session,
    booking: BookingId,
    key: &IdempotencyKey,
) -> Result<(), Problem> {
    let body = Body::EndProxy { booking, person: session.person };
    submit(site, command_id(site, session, key), body).await.map(drop)
}
