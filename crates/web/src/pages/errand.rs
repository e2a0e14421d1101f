//! For somebody else, a parent say: who they are, and a code that goes to them. From then on each page
//! says for whom one books, until that is ended.

use axum::extract::{Form, Query};
use axum::response::Response;
use http::StatusCode;

use super::caller::{Caller, Failed};
use super::identify::{self, CodeForm, CodeQuery, IdentityForm, NextQuery, Whom};
use super::respond::{encode_query, local_path, see_other};
use super::words::Words;
use crate::actions::booking::BookingView;
use crate::actions::errand::{self, ProxyView};

/// Where somebody else is named; none while one books for somebody, or a booking is moved, or before the
/// rules know of it.
pub(super) fn way(caller: &Caller, is_moving: bool) -> Option<String> {
    let shown = !is_moving && caller.errand().is_none() && errand::is_known(&caller.site);
    shown.then(|| format!("/for?next={}", encode_query(&caller.path)))
}

/// For whom a booking is, if it is for somebody else.
pub(super) fn whom(words: &Words, proxy: Option<&ProxyView>) -> Option<String> {
    let proxy = proxy.filter(|proxy| proxy.made_by_me)?;
    Some(proxy.name.clone().unwrap_or_else(|| words.t("errand-somebody")))
}

/// Who made a booking for whom, in words.
pub(super) fn by(words: &Words, proxy: Option<&ProxyView>) -> Option<String> {
    let proxy = proxy?;
    let name = proxy.name.clone().unwrap_or_else(|| words.t("errand-somebody"));
    let key = match (proxy.made_by_me, proxy.ended) {
        (true, _) => "errand-by-you",
        (false, false) => "errand-for-you",
        (false, true) => "errand-for-you-ended",
    };
    Some(words.s(key, name))
}

/// Whether the reader is the person of a booking that somebody made for them and still reaches.
pub(super) fn can_end(booking: &BookingView) -> bool {
    booking.proxy.as_ref().is_some_and(|proxy| !proxy.made_by_me && !proxy.ended)
}

fn not_signed_in(caller: &Caller, next: &str) -> Option<Response> {
    let here = format!("/for?next={}", encode_query(local_path(next)));
    caller.session().is_none().then(|| see_other(&format!("/identify?next={}", encode_query(&here))))
}

/// `GET /for`: who it is for.
///
/// # Errors
///
/// `rules_unknown`.
pub async fn get_for(caller: Caller, Query(query): Query<NextQuery>) -> Result<Response, Failed> {
    if let Some(elsewhere) = not_signed_in(&caller, &query.next) {
        return Ok(elsewhere);
    }
    errand::check_known(&caller.site)?;
    let form = IdentityForm::empty(query.next);
    identify::show(&caller, form, [true; 3], None, StatusCode::OK, Whom::Other)
}

/// `POST /for`: sends them a code.
///
/// # Errors
///
/// `rules_unknown`; passing problems. What does not fit is shown beside its field.
pub async fn name_other(caller: Caller, Form(form): Form<IdentityForm>) -> Result<Response, Failed> {
    if let Some(elsewhere) = not_signed_in(&caller, &form.next) {
        return Ok(elsewhere);
    }
    errand::check_known(&caller.site)?;
    identify::ask_code(&caller, form, Whom::Other).await
}

/// `GET /for/code`.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_code(caller: Caller, Query(query): Query<CodeQuery>) -> Result<Response, Failed> {
    if caller.challenge().is_none() || caller.session().is_none() {
        return Ok(see_other(&format!("/for?next={}", encode_query(local_path(&query.next)))));
    }
    identify::show_code(&caller, &query.next, &query.to, None, Whom::Other)
}

/// `POST /for/code`: from now on one books for them.
///
/// # Errors
///
/// `unidentified`, `other_is_you`; a wrong code is shown beside its field.
pub async fn confirm_code(caller: Caller, Form(form): Form<CodeForm>) -> Result<Response, Failed> {
    caller.check_form(form.csrf())?;
    let session = caller.session_required()?;
    let Some(challenge) = caller.challenge() else {
        return Ok(see_other(&format!("/for?next={}", encode_query(local_path(&form.next)))));
    };
    match errand::begin(&caller.site, &session, &challenge, &form.code).await {
        Ok(given) => {
            let mut response = see_other(local_path(&form.next));
            caller.keep_errand(&mut response, &given.errand_token);
            caller.drop_challenge(&mut response);
            Ok(response)
        }
        Err(problem) if problem.code == "code_wrong" => {
            identify::show_code(&caller, &form.next, &form.to, Some(problem), Whom::Other)
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `POST /for/end`: one books for oneself again. What was made for somebody stays.
///
/// # Errors
///
/// `form_expired`.
pub async fn end_errand(caller: Caller, Form(form): Form<CodeForm>) -> Result<Response, Failed> {
    caller.check_form(form.csrf())?;
    let mut response = see_other(local_path(&form.next));
    caller.drop_errand(&mut response);
    Ok(response)
}
