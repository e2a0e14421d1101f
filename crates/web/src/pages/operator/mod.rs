//! The operator's pages: figures that are live, and forms for what can be done.
//!
//! Whatever many people feel is asked about once more before it is done, and whatever
//! changes a rule carries a public reason. Start reading at [`get_overview`], then
//! `plots` (whether all is well), `subjects` (what is shown) and `deeds` (what is done).

use axum::extract::Form;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::caller::{Caller, Failed};
use super::failure::sentence;
use super::respond::see_other;
use super::views;
use crate::actions::operator::{self, SignIn};
use crate::actions::{campaigns, waiting};

mod deeds;
mod messages;
mod plots;
mod runbook;
mod subjects;

pub use deeds::{do_campaign, do_room};
pub use runbook::get_runbook;
pub use subjects::{get_campaign, get_room};

/// The sign-in form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SignInForm {
    csrf: String,
    name: String,
    password: String,
}

/// `GET /operator`: all rooms and campaigns, or the sign-in form.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_overview(caller: Caller) -> Result<Response, Failed> {
    let Ok(staff) = caller.staff() else {
        let page = views::SignIn { f: caller.frame()?, name: String::new(), problem: None };
        return caller.page(&page, StatusCode::OK);
    };
    let rooms = waiting::rooms(&caller.site);
    let campaigns = campaigns::campaigns(&caller.site);
    let page = views::Overview {
        f: caller.frame()?,
        now: subjects::now(&caller),
        console: plots::console(&caller, plots::Scope::ALL),
        rooms: rooms.iter().map(|room| subjects::room(&caller, room)).collect(),
        campaigns: campaigns.iter().map(|campaign| subjects::campaign(&caller, campaign)).collect(),
        messages: messages::shown(&caller.site, &staff),
    };
    caller.page(&page, StatusCode::OK)
}

/// `POST /operator/sign-in`.
///
/// # Errors
///
/// `form_expired`; a wrong password is shown in the form.
pub async fn sign_in(caller: Caller, Form(form): Form<SignInForm>) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let asked = SignIn { name: form.name.trim().to_owned(), password: form.password };
    match operator::sign_in(&caller.site, &asked, caller.network).await {
        Ok(given) => {
            let mut response = see_other("/operator");
            caller.keep_staff(&mut response, &given.staff_token);
            Ok(response)
        }
        Err(problem) => {
            let message = Some(sentence(&caller.words, &problem));
            let page = views::SignIn { f: caller.frame_at("/operator")?, name: asked.name, problem: message };
            caller.page(&page, problem.status)
        }
    }
}

/// `POST /operator/sign-out`: ends the session everywhere.
///
/// # Errors
///
/// `form_expired`, or a passing problem: the session still counts.
pub async fn sign_out(caller: Caller, Form(form): Form<SignInForm>) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    if let Ok(staff) = caller.staff() {
        operator::sign_out(&caller.site, &staff).await?;
    }
    let mut response = see_other("/operator");
    caller.drop_staff(&mut response);
    Ok(response)
}
