//! Who someone is: a form, then a one-time code. What was written is never lost.

use axum::extract::{Form, Query};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::caller::{Caller, Failed};
use super::failure::sentence;
use super::respond::{encode_query, local_path, see_other};
use super::views;
use crate::actions::errand;
use crate::actions::identity::{self, Claim};
use crate::problem::Problem;
use crate::site::Site;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NextQuery {
    pub(super) next: String,
    /// Whether who they are is to be said once more.
    again: bool,
}

/// Of whom a form speaks.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Whom {
    /// Whoever reads it.
    Reader,
    /// Somebody else, for whom they book.
    Other,
}

impl Whom {
    /// Where its forms are.
    const fn path(self) -> &'static str {
        match self {
            Whom::Reader => "/identify",
            Whom::Other => "/for",
        }
    }
}

/// The identity form as it was sent. It is only ever shown to whoever sent it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct IdentityForm {
    csrf: String,
    pub(super) next: String,
    name: String,
    year: String,
    month: String,
    day: String,
    telephone: String,
}

impl IdentityForm {
    /// An empty form, after which one goes to `next`.
    pub(super) fn empty(next: String) -> IdentityForm {
        IdentityForm { next, ..IdentityForm::default() }
    }
}

/// The code's form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CodeForm {
    csrf: String,
    pub(super) next: String,
    pub(super) to: String,
    pub(super) code: String,
}

impl CodeForm {
    /// The hidden token.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `GET /identify`.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_identify(caller: Caller, Query(query): Query<NextQuery>) -> Result<Response, Failed> {
    // Whoever corrects what they said gets the form, though they are signed in.
    if caller.session().is_some() && !query.next.is_empty() && !query.again {
        return Ok(see_other(local_path(&query.next)));
    }
    let form = IdentityForm::empty(query.next);
    show(&caller, form, [true; 3], None, StatusCode::OK, Whom::Reader)
}

/// `POST /identify`: sends a code.
///
/// # Errors
///
/// Passing problems; what does not fit is shown beside its field.
pub async fn identify(caller: Caller, Form(form): Form<IdentityForm>) -> Result<Response, Failed> {
    ask_code(&caller, form, Whom::Reader).await
}

/// Sends a code to whoever is named, or shows what does not fit.
pub(super) async fn ask_code(caller: &Caller, form: IdentityForm, whom: Whom) -> Result<Response, Failed> {
    if caller.check_form(&form.csrf).is_err() {
        // The form lay open for long: what was written is kept, with a fresh token.
        let message = caller.words.t("problem-form_expired");
        return show(caller, form, [true; 3], Some(message), StatusCode::FORBIDDEN, whom);
    }
    let claim = claim(caller, &form);
    let fits = fields_that_fit(&caller.site, &claim);
    if fits != [true; 3] {
        return show(caller, form, fits, None, StatusCode::UNPROCESSABLE_ENTITY, whom);
    }
    match identity::ask_code(&caller.site, &claim, caller.network).await {
        Ok(challenge) => {
            let next = encode_query(local_path(&form.next));
            let to = encode_query(&challenge.sent_to);
            let mut response = see_other(&format!("{}/code?next={next}&to={to}", whom.path()));
            caller.keep_challenge(&mut response, &challenge.token);
            Ok(response)
        }
        Err(problem) => {
            let message = sentence(&caller.words, &problem);
            show(caller, form, fits, Some(message), problem.status, whom)
        }
    }
}

fn claim(caller: &Caller, form: &IdentityForm) -> Claim {
    let padded = |text: &str, width: usize| format!("{:0>width$}", text.trim());
    let birth = format!("{}-{}-{}", form.year.trim(), padded(&form.month, 2), padded(&form.day, 2));
    Claim { name: form.name.clone(), birth, telephone: form.telephone.clone(), language: caller.words.lang }
}

/// Which of name, birth date and telephone fit, all at once: each is tried with the
/// others replaced by ones that do, so that the rules stand in one place.
fn fields_that_fit(site: &Site, claim: &Claim) -> [bool; 3] {
    let good = || Claim {
        name: "가".to_owned(),
        birth: "1950-01-01".to_owned(),
        telephone: "01000000000".to_owned(),
        language: claim.language,
    };
    let fits = |claim: Claim| identity::identify(site, &claim).is_ok();
    [
        fits(Claim { name: claim.name.clone(), ..good() }),
        fits(Claim { birth: claim.birth.clone(), ..good() }),
        fits(Claim { telephone: claim.telephone.clone(), ..good() }),
    ]
}

pub(super) fn show(
    caller: &Caller,
    form: IdentityForm,
    fits: [bool; 3],
    problem: Option<String>,
    status: StatusCode,
    whom: Whom,
) -> Result<Response, Failed> {
    let mark = |fits: bool, key: &'static str| (!fits).then_some(key);
    let next = encode_query(local_path(&form.next));
    // Whoever is signed in and sees the form corrects what they said, in the other language too.
    let again = if whom == Whom::Reader && caller.session().is_some() { "again=true&" } else { "" };
    let page = views::Identify {
        f: caller.frame_at(&format!("{}?{again}next={next}", whom.path()))?,
        next: local_path(&form.next).to_owned(),
        name: form.name,
        year: form.year,
        month: form.month,
        day: form.day,
        telephone: form.telephone,
        error_name: mark(fits[0], "error-name"),
        error_birth: mark(fits[1], "error-birth"),
        error_telephone: mark(fits[2], "error-telephone"),
        any_error: fits != [true; 3],
        problem,
        other: whom == Whom::Other,
        hint: whom == Whom::Reader && errand::is_known(&caller.site),
    };
    caller.page(&page, status)
}

/// Where the code went, and where to go afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CodeQuery {
    pub(super) next: String,
    pub(super) to: String,
}

/// `GET /identify/code`.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_code(caller: Caller, Query(query): Query<CodeQuery>) -> Result<Response, Failed> {
    if caller.challenge().is_none() {
        return Ok(see_other(&format!("/identify?next={}", encode_query(local_path(&query.next)))));
    }
    show_code(&caller, &query.next, &query.to, None, Whom::Reader)
}

/// `POST /identify/code`: signs in.
///
/// # Errors
///
/// Passing problems; a wrong code is shown beside its field.
pub async fn confirm_code(caller: Caller, Form(form): Form<CodeForm>) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let Some(challenge) = caller.challenge() else {
        return Ok(see_other(&format!("/identify?next={}", encode_query(local_path(&form.next)))));
    };
    match identity::confirm_code(&caller.site, &challenge, &form.code).await {
        Ok(given) => {
            let mut response = see_other(local_path(&form.next));
            caller.keep_session(&mut response, &given.session_token);
            caller.drop_challenge(&mut response);
            Ok(response)
        }
        Err(problem) if problem.code == "code_wrong" => {
            show_code(&caller, &form.next, &form.to, Some(problem), Whom::Reader)
        }
        Err(problem) => Err(problem.into()),
    }
}

pub(super) fn show_code(
    caller: &Caller,
    next: &str,
    to: &str,
    problem: Option<Problem>,
    whom: Whom,
) -> Result<Response, Failed> {
    // Shown as it came, so it must look like the end of a number.
    let telephone: String = to.chars().filter(|c| c.is_ascii_digit() || *c == '·').take(8).collect();
    let next = local_path(next);
    let (next_text, to_text) = (encode_query(next), encode_query(&telephone));
    let here = format!("{}/code?next={next_text}&to={to_text}", whom.path());
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = views::Code {
        f: caller.frame_at(&here)?,
        next: next.to_owned(),
        telephone,
        error_code: problem.is_some().then_some("error-code"),
        problem: None,
        other: whom == Whom::Other,
    };
    caller.page(&page, status)
}

/// `POST /sign-out`: forgets who is on this device. Bookings and tickets stay.
///
/// # Errors
///
/// `form_expired`.
pub async fn sign_out(caller: Caller, Form(form): Form<CodeForm>) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let mut response = see_other("/");
    caller.drop_session(&mut response);
    Ok(response)
}
