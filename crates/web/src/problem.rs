//! Problems: what went wrong, in words, as RFC 9457 problem details.
//!
//! This is the only place that turns a refusal of the machine, a rejection of the node
//! or a token that does not count into HTTP. A problem names the culprit (the caller,
//! an upstream, us), says what is safe, and what to do next. It must never repeat what
//! the caller sent, or say anything about another person.
//!
//! The type of a problem is `urn:jari:problem:CODE`. Codes are stable; pages translate
//! by them. Start reading at [`Problem`], then `refusals`.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use jari_core::{Reason, Refusal};
use jari_node::Rejected;
use jari_wire::token::{TokenError, Untimely};
use serde::Serialize;
use utoipa::ToSchema;

mod refusals;

pub use refusals::words_of;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Who has to do something about it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Culprit {
    /// Whoever sent the request.
    Caller,
    /// A service that we depend on.
    Upstream,
    /// This service.
    Us,
}

/// A problem. Costs two small allocations to make and one to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The last part of the type: a stable word.
    pub code: &'static str,
    /// The HTTP status.
    pub status: StatusCode,
    /// The kind of problem in a few words, the same every time.
    pub title: &'static str,
    /// What happened, what is safe, what to do next.
    pub detail: Cow<'static, str>,
    /// When trying again may help, milliseconds from now.
    pub retry_after_ms: Option<u32>,
    /// The machine's refusal, where it was one: its number and its detail.
    pub refusal: Option<(u16, u64)>,
    /// Who has to do something about it.
    pub culprit: Culprit,
}

/// What is sent of a [`Problem`]: RFC 9457 members and ours.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// `urn:jari:problem:CODE`.
    #[serde(rename = "type")]
    #[schema(example = "urn:jari:problem:slot_full")]
    kind: String,
    /// The kind of problem in a few words.
    title: &'a str,
    /// The HTTP status again.
    status: u16,
    /// What happened, what is safe, what to do next.
    detail: &'a str,
    /// When trying again may help, milliseconds from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u32>,
    /// The number of the machine's refusal, where it was one. Stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<u16>,
    /// The refusal's one detail, where it has one: an instant (ms), a position, a count.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    /// Who has to do something about it.
    culprit: Culprit,
}

impl Problem {
    /// A problem that the caller can mend.
    #[must_use]
    pub fn caller(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Problem {
        let detail = detail.into();
        Problem { code, status, title, detail, retry_after_ms: None, refusal: None, culprit: Culprit::Caller }
    }

    /// Whether the machine refused for this reason.
    #[must_use]
    pub fn is(&self, reason: Reason) -> bool {
        self.refusal.is_some_and(|(number, _)| number == reason.number())
    }

    /// A problem of ours that passes: 503, with a hint when to come back.
    #[must_use]
    pub fn busy(
        code: &'static str,
        title: &'static str,
        detail: &'static str,
        retry_after_ms: u32,
    ) -> Problem {
        Problem {
            code,
            status: StatusCode::SERVICE_UNAVAILABLE,
            title,
            detail: Cow::Borrowed(detail),
            retry_after_ms: Some(retry_after_ms),
            refusal: None,
            culprit: Culprit::Us,
        }
    }

    /// The request cannot be understood.
    #[must_use]
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::caller(StatusCode::BAD_REQUEST, "malformed", "The request cannot be understood", detail)
    }

    /// The request is understood, but one of its fields does not fit.
    #[must_use]
    pub fn unfit(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::caller(StatusCode::UNPROCESSABLE_ENTITY, "unfit", "A field does not fit", detail)
    }

    /// There is nothing at this address.
    #[must_use]
    pub fn not_found() -> Problem {
        let detail = "There is nothing at this address. Nothing was changed.";
        Problem::caller(StatusCode::NOT_FOUND, "not_found", "Not found", detail)
    }

    /// Whoever asks has not said who they are.
    #[must_use]
    pub fn unidentified() -> Problem {
        let detail = "This needs to know who you are. Nothing was changed. Identify yourself first; \
                      a place in line is kept meanwhile.";
        Problem::caller(StatusCode::UNAUTHORIZED, "unidentified", "Identity is missing", detail)
    }

    /// The operator's session is missing or over.
    #[must_use]
    pub fn staff_only() -> Problem {
        let detail = "This is for the operator. Nothing was changed. Sign in first.";
        Problem::caller(StatusCode::UNAUTHORIZED, "staff_only", "Operator sign-in is missing", detail)
    }

    /// A ticket, pass or slip of another room than the one asked about.
    #[must_use]
    pub fn other_room() -> Problem {
        Problem::caller(
            StatusCode::FORBIDDEN,
            "other_room",
            "For another room",
            "This ticket, pass or slip belongs to another waiting room. Nothing was changed; it still counts there.",
        )
    }

    /// The machine answered something that the command cannot come to: a bug here.
    pub(crate) fn unexpected(outcome: jari_core::Outcome) -> Problem {
        tracing::error!(?outcome, "an outcome that the command cannot come to");
        Problem::ours("The answer was not understood here. Look at your bookings before you try again.")
    }

    /// Something failed on our side that should not have.
    #[must_use]
    pub fn ours(detail: &'static str) -> Problem {
        Problem {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Problem::busy("internal", "Something failed here", detail, 2_000)
        }
    }

    /// This problem, with a hint when to try again.
    #[must_use]
    pub fn after_ms(mut self, ms: u32) -> Problem {
        self.retry_after_ms = Some(ms);
        self
    }

    /// The body as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let body = ProblemBody {
            kind: format!("urn:jari:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            retry_after_ms: self.retry_after_ms,
            refusal: self.refusal.map(|(number, _)| number),
            value: self.refusal.map(|(_, value)| value).filter(|value| *value != 0),
            culprit: self.culprit,
        };
        // Strings and numbers always serialise; an empty body is still an honest status.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// `Retry-After` in whole seconds, rounded up, where there is a hint.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        self.retry_after_ms.map(|ms| ms.div_ceil(1000).max(1))
    }
}

impl Problem {
    /// The answer with its bytes as they are.
    #[must_use]
    pub fn whole(&self) -> http::Response<Bytes> {
        let mut response = http::Response::new(Bytes::from(self.to_json()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.whole().map(Body::from)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        refusals::problem(refusal)
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Problem {
        match rejected {
            Rejected::Full { retry_after_ms } => Problem::busy(
                "overloaded",
                "Too many requests at once",
                "More people are here than can be served this second. Nothing was changed; your place and your \
                 bookings are safe. Try again in a moment, with the same key.",
                retry_after_ms,
            ),
            Rejected::DiskFull { retry_after_ms } => Problem::busy(
                "storage_full",
                "Storage is full",
                "Nothing can be stored right now, so nothing was promised. Places and bookings made are safe. The \
                 operator has been told; try again later.",
                retry_after_ms,
            ),
            Rejected::Stalled { retry_after_ms } => Problem::busy(
                "storage_away",
                "Storage does not answer",
                "Changes cannot be stored at this moment, so nothing was promised. Places and bookings made are safe. \
                 If this was a change, it may still be made: send the same request with the same key again, and it \
                 is never done twice.",
                retry_after_ms,
            ),
            Rejected::Stopping => Problem::busy(
                "restarting",
                "The service is restarting",
                "The service is restarting. What was confirmed is stored. Send the same request with the same key \
                 again: it is never done twice.",
                2_000,
            ),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Problem {
        let (code, title, detail) = match error {
            TokenError::Malformed => (
                "token_malformed",
                "Not a token of this service",
                "What was sent as a token is none. Nothing was changed. Was it copied in full?",
            ),
            TokenError::WrongKind => (
                "token_kind",
                "A token of another kind",
                "This token is for something else: a ticket waits, a pass enters, a session says who you are. \
                 Nothing was changed.",
            ),
            TokenError::UnknownKey => (
                "token_old",
                "The token is too old",
                "The key that signed this token is no longer in use. Nothing was changed. Get a new one.",
            ),
            TokenError::Forged => (
                "token_forged",
                "The token was not made here",
                "This token was not signed by this service, or was changed since. Nothing was changed or given.",
            ),
        };
        Problem::caller(StatusCode::UNAUTHORIZED, code, title, detail)
    }
}

impl From<Untimely> for Problem {
    fn from(untimely: Untimely) -> Problem {
        match untimely {
            Untimely::TooEarly { .. } => Problem::caller(
                StatusCode::TOO_MANY_REQUESTS,
                "slip_early",
                "The slip does not count yet",
                "Many come from your network at once. Your slip is kept: send it again at the time it names.",
            ),
            Untimely::Expired => Problem::caller(
                StatusCode::GONE,
                "slip_expired",
                "The slip has expired",
                "The slip was not brought back in time. Join again without it.",
            ),
        }
    }
}

/// A signed string whose time is over.
#[must_use]
pub fn expired(what: Expiring) -> Problem {
    let (code, title, detail) = match what {
        Expiring::Session => (
            "session_expired",
            "The session has expired",
            "You were signed in too long ago. Bookings and your place are kept; identify yourself again.",
        ),
        Expiring::StaffSession => (
            "staff_session_expired",
            "The sign-in has expired",
            "The operator's sign-in is over. Nothing was changed. Sign in again.",
        ),
        Expiring::Pass => (
            "pass_expired",
            "The pass has ended",
            "Your turn inside has ended. Your ticket still counts: enter again with it.",
        ),
        Expiring::Form => (
            "form_expired",
            "The form is too old",
            "The page was open for a long time. Nothing was changed. Load it again and send it once more.",
        ),
    };
    Problem::caller(StatusCode::UNAUTHORIZED, code, title, detail)
}

/// What may have expired.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Expiring {
    /// A person's session.
    Session,
    /// An operator's.
    StaffSession,
    /// A pass.
    Pass,
    /// A form's hidden token.
    Form,
}
