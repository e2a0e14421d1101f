//! The operator's pages: figures that are live, and forms for what can be done.
//!
//! Whatever many people feel is asked about once more before it is done, and whatever
//! changes a rule carries a public reason. Start reading at [`get_overview`], then
//! `plots` (whether all is well), `subjects` (what is shown) and `deeds` (what is done). Accounts are in
//! `account` (one's own) and `staff` (all of them), who did what in `audit`, the clinic's desk in `desk` and the telephone agent's in
//! `phone`. An opening is made from a table in `opening`, simulated in `rehearsal`, and taken away in `exports`.

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
use crate::staff::Deed;

mod account;
mod audit;
mod deeds;
mod desk;
mod exports;
mod messages;
mod opening;
mod phone;
mod plots;
mod rehearsal;
mod runbook;
mod staff;
mod subjects;

pub use account::{do_account, get_account};
pub use audit::{get_audit, get_audit_csv};
pub use deeds::{do_campaign, do_room};
pub use desk::{do_desk, do_print, get_desk, get_desks, get_print};
pub use exports::get_export;
pub use opening::{FORM_BYTES_MAX, create_opening, get_example, get_openings, look_at_table};
pub use phone::{do_phone, get_phone, get_phone_book};
pub use rehearsal::rehearse;
pub use runbook::get_runbook;
pub use staff::{add_staff, do_staff, get_staff};
pub use subjects::{get_campaign, get_room};

/// The sign-in form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct SignInForm {
    csrf: String,
    name: String,
    password: String,
    code: String,
}

/// `GET /operator`: all rooms and campaigns, or the sign-in form; for those who may not look, their own
/// account.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_overview(caller: Caller) -> Result<Response, Failed> {
    let Ok(member) = caller.member() else {
        let page = views::SignIn { f: caller.frame()?, name: String::new(), problem: None };
        return caller.page(&page, StatusCode::OK);
    };
    // Each role begins where its work is; an account that has something to do first, with that.
    if member.may(Deed::RunDesk) && !member.may(Deed::Look) {
        return Ok(see_other("/operator/desk"));
    }
    if !member.may(Deed::Look) {
        return Ok(see_other("/operator/account"));
    }
    let rooms = waiting::rooms(&caller.site);
    let campaigns = campaigns::campaigns(&caller.site);
    let page = views::Overview {
        f: caller.frame()?,
        now: subjects::now(&caller),
        console: plots::console(&caller, plots::Scope::ALL),
        rooms: rooms.iter().map(|room| subjects::room(&caller, room)).collect(),
        campaigns: campaigns.iter().map(|campaign| subjects::campaign(&caller, campaign)).collect(),
        messages: messages::shown(&caller.site, &member.session),
        makes_openings: member.may(Deed::Arrange) && member.may(Deed::Operate),
        runs_desks: member.may(Deed::RunDesk),
        answers_phone: member.may(Deed::Telephone),
        sees_staff: member.may(Deed::SeeStaff),
        sees_audit: member.may(Deed::SeeAudit),
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
    let asked = SignIn { name: form.name.trim().to_owned(), password: form.password, code: form.code };
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
