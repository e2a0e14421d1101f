//! What went wrong, as a page: what happened, what is safe, what to do next.
//!
//! Handlers of pages answer with a [`Problem`]; [`as_page`] stands around them all and
//! is the only place that turns one into HTML.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use jari_core::{Reason, Time};

use super::caller::{Caller, Failed};
use super::eligible;
use super::respond;
use super::views;
use super::words::Words;
use crate::problem::Problem;
use crate::site::Site;

/// Runs a page's handler and renders the problem it may answer with.
pub async fn as_page(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut caller = match Caller::of(&parts, &site) {
        Ok(caller) => caller,
        Err(problem) => return axum::response::IntoResponse::into_response(problem),
    };
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| plain_problem(&response));
    let Some(problem) = problem else {
        return response;
    };
    caller.hear_errand().await;
    let view = match view(&caller, &method, &path, &problem) {
        Ok(view) => view,
        Err(problem) => return axum::response::IntoResponse::into_response(problem),
    };
    let mut page = match respond::page(&view, problem.status, caller.headers()) {
        Ok(page) => page,
        Err(problem) => return axum::response::IntoResponse::into_response(problem),
    };
    caller.keep_basics(&mut page);
    if let Some(seconds) = problem.retry_after_s() {
        page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    page.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page
}

/// Every other address.
pub async fn not_found() -> Failed {
    Failed(Problem::not_found())
}

/// What the framework refused by itself: an address or a form that cannot be read.
fn plain_problem(response: &Response) -> Option<Problem> {
    let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().starts_with(b"text/html") || value.as_bytes().starts_with(b"application/json")
    });
    match response.status() {
        status if is_page || status.is_success() || status.is_redirection() => None,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Some(Problem::not_found()),
        status if status.is_client_error() => Some(Problem { status, ..Problem::malformed("") }),
        status => Some(Problem { status, ..Problem::ours("") }),
    }
}

/// What happened, in one sentence in the reader's language.
#[must_use]
pub(super) fn sentence(words: &Words, problem: &Problem) -> String {
    let code = if problem.code.starts_with("token_") { "token" } else { problem.code };
    let key = format!("problem-{code}");
    let text = words.t(&key);
    if text == key { words.t("problem-unknown") } else { text }
}

fn view(caller: &Caller, method: &Method, path: &str, problem: &Problem) -> Result<views::Failure, Problem> {
    let way = way_on(caller, path, problem);
    // A page is loaded again by itself only where that repeats nothing.
    let passing = problem.status == StatusCode::SERVICE_UNAVAILABLE || problem.code == "busy";
    let refresh_s =
        (passing && *method == Method::GET).then(|| u64::from(problem.retry_after_s().unwrap_or(5)).max(5));
    Ok(views::Failure {
        f: caller.frame_at(if *method == Method::GET { path } else { &way.href })?,
        title: sentence(&caller.words, problem),
        happened: eligibility(caller, path, problem).unwrap_or_else(|| detail(&caller.words, problem)),
        safe: way.safe,
        next_text: way.text,
        next_href: way.href,
        refresh_s,
        code: problem.code,
    })
}

/// Whether and from when the reader may book, where a hold was refused for that.
fn eligibility(caller: &Caller, path: &str, problem: &Problem) -> Option<String> {
    if !matches!(problem.code, "booking_not_open" | "not_your_day" | "not_eligible") {
        return None;
    }
    let campaign = path.strip_prefix("/book/")?.split('/').next()?.parse().ok()?;
    let note = eligible::note(caller, campaign).ok()??;
    Some(format!("{} {}", note.title, note.text))
}

/// The instant that a refusal names, in words.
fn detail(words: &Words, problem: &Problem) -> String {
    let Some((number, value)) = problem.refusal.filter(|(_, value)| *value != 0) else {
        return String::new();
    };
    match Reason::from_number(number) {
        Some(Reason::RoomNotOpen) => words.s("detail-at", words.when(Time(value))),
        Some(Reason::BookingNotOpen | Reason::NotYourDay | Reason::DoseTooEarly | Reason::ShareUsedUp) => {
            words.s("detail-from", words.when(Time(value)))
        }
        _ => String::new(),
    }
}

/// What is safe, and where to go.
struct Way {
    safe: &'static str,
    text: &'static str,
    href: String,
}

fn way_on(caller: &Caller, path: &str, problem: &Problem) -> Way {
    let way = |safe, text, href: &str| Way { safe, text, href: href.to_owned() };
    let mut steps = path.trim_start_matches('/').split('/');
    let (area, id) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
    let campaign_room = || {
        let id = id.parse().ok()?;
        crate::actions::campaigns::campaign(&caller.site, jari_core::ids::CampaignId(id)).ok()?.room
    };
    match problem.code {
        "unidentified" | "session_expired" | "identity_required" => {
            way("safe-number", "next-identify", &format!("/identify?next={}", respond::encode_query(path)))
        }
        "challenge_expired" | "challenge_forged" | "code_spent" if area != "for" => {
            way("safe-nothing", "next-identify", "/identify")
        }
        "password_first" | "second_factor_first" => way("safe-nothing", "next-account", "/operator/account"),
        "staff_only" | "staff_session_expired" => way("safe-nothing", "next-operator", "/operator"),
        "not_eligible" => {
            let next = respond::encode_query(&format!("/book/{id}"));
            let form = if caller.errand().is_some() { "/for?" } else { "/identify?again=true&" };
            way("safe-nothing", "next-identify", &format!("{form}next={next}"))
        }
        "already_booked" | "pass_spent" => way("safe-bookings", "next-bookings", "/bookings"),
        "pass_required" | "pass_ended" | "pass_expired" => match campaign_room() {
            Some(room) => way("safe-number", "next-room", &format!("/rooms/{room}")),
            None => way("safe-number", "next-home", "/"),
        },
        "not_found" | "room_unknown" => way("safe-nothing", "next-home", "/"),
        _ => match (area, id.is_empty()) {
            ("rooms", false) => way("safe-number", "next-room", &format!("/rooms/{id}")),
            ("book", false) => way("safe-bookings", "next-choose", &format!("/book/{id}")),
            ("hold" | "bookings", _) => way("safe-bookings", "next-bookings", "/bookings"),
            ("operator", _) => way("safe-nothing", "next-operator", "/operator"),
            ("for", _) if problem.code != "rules_unknown" => way("safe-nothing", "next-retry", "/for"),
            ("identify", _) => way("safe-nothing", "next-identify", "/identify"),
            _ => way("safe-nothing", "next-retry", "/"),
        },
    }
}
