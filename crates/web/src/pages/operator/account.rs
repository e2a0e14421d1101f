//! One's own account: password and second factor.
//!
//! Whoever has a first password, or has to set up a second factor, sees nothing else before that is
//! done. Secrets are shown in the answer to the form that asked for them and nowhere else: no address
//! leads to them again.

use axum::extract::{Form, Path, Query};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::subjects::DoneQuery;
use crate::actions::staff::{self, Member, second_factor};
use crate::pages::caller::{Caller, Failed};
use crate::pages::failure::sentence;
use crate::pages::respond::see_other;
use crate::pages::views::{AccountPage, OfferShown};
use crate::pages::{qr, words::grouped};
use crate::problem::Problem;

const HERE: &str = "/operator/account";

/// Any form of the page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct AccountForm {
    csrf: String,
    old: String,
    new: String,
    again: String,
    offer: String,
    code: String,
}

/// `GET /operator/account`.
///
/// # Errors
///
/// `staff_only`.
pub async fn get_account(caller: Caller, Query(query): Query<DoneQuery>) -> Result<Response, Failed> {
    let member = caller.member()?;
    let page = AccountPage { done: query.is_done(), ..page(&caller, &member)? };
    caller.page(&page, StatusCode::OK)
}

/// `POST /operator/account/{deed}`.
///
/// # Errors
///
/// `staff_only`, `form_expired`, `not_found`. What did not fit is shown on the page.
pub async fn do_account(
    caller: Caller,
    Path(deed): Path<String>,
    Form(form): Form<AccountForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let member = caller.member()?;
    match deed_of(&caller, &member, &deed, &form).await {
        Ok(response) => Ok(response),
        Err(Failed(problem)) if problem.code == "not_found" => Err(problem.into()),
        Err(Failed(problem)) => {
            let says = if problem.code == "unfit" { problem.detail.to_string() } else { String::new() };
            let problem_text =
                if says.is_empty() { sentence(&caller.words, &problem) } else { said(&caller, &says) };
            let mut page = AccountPage { problem: Some(problem_text), ..page(&caller, &member)? };
            // A mistyped code is no reason to scan the key anew.
            if deed == "confirm" && problem.code == "sign_in_wrong" {
                page.offer = shown_again(&caller, &member, &form.offer);
            }
            caller.page(&page, problem.status)
        }
    }
}

/// What does not fit, in the reader's words.
fn said(caller: &Caller, detail: &str) -> String {
    let key = match detail {
        "A password has 12 to 1,000 bytes." => "op-password-short",
        "The new password is the old one." => "op-password-same",
        "The passwords differ." => "op-password-differs",
        "This key was shown too long ago. Begin anew." => "op-totp-stale",
        _ => "problem-unfit",
    };
    caller.words.t(key)
}

async fn deed_of(
    caller: &Caller,
    member: &Member,
    deed: &str,
    form: &AccountForm,
) -> Result<Response, Failed> {
    let (site, session) = (&caller.site, &member.session);
    match deed {
        "password" => {
            if form.new != form.again {
                return Err(Problem::unfit("The passwords differ.").into());
            }
            let given = staff::set_password(site, session, Some(&form.old), &form.new).await?;
            let mut response = see_other(&format!("{HERE}?done=1"));
            caller.keep_staff(&mut response, &given.staff_token);
            Ok(response)
        }
        "begin" => {
            let offer = second_factor::offer(site, session)?;
            let page = AccountPage { offer: Some(shown(offer)), ..page(caller, member)? };
            caller.page(&page, StatusCode::OK)
        }
        "confirm" => {
            let (codes, given) = second_factor::confirm(site, session, &form.offer, &form.code).await?;
            let member = Member { has_second_factor: true, must_set_up: false, ..member.clone() };
            let page = AccountPage { codes, ..page(caller, &member)? };
            let mut response = caller.page(&page, StatusCode::OK)?;
            caller.keep_staff(&mut response, &given.staff_token);
            Ok(response)
        }
        "remove" => {
            let given = second_factor::remove(site, session, &form.code).await?;
            let mut response = see_other(&format!("{HERE}?done=1"));
            caller.keep_staff(&mut response, &given.staff_token);
            Ok(response)
        }
        _ => Err(Problem::not_found().into()),
    }
}

fn page(caller: &Caller, member: &Member) -> Result<AccountPage, Problem> {
    let clinics: Vec<String> = member.clinics.iter().map(|clinic| grouped(u64::from(*clinic))).collect();
    Ok(AccountPage {
        f: caller.frame_at(HERE)?,
        name: member.name.clone(),
        role: super::staff::role_key(Some(member.role)),
        clinics: clinics.join(", "),
        must_change: member.must_change,
        must_set_up: member.must_set_up,
        has_second_factor: member.has_second_factor,
        may_remove: !caller.site.options.require_totp,
        offer: None,
        codes: Vec::new(),
        done: false,
        problem: None,
    })
}

fn shown(offer: second_factor::Offer) -> OfferShown {
    let groups: Vec<String> =
        offer.secret.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    OfferShown { qr: qr::picture(&offer.address), secret: groups.join(" "), sealed: offer.sealed }
}

/// The key that was offered, once more.
fn shown_again(caller: &Caller, member: &Member, sealed: &str) -> Option<OfferShown> {
    second_factor::offer_again(&caller.site, &member.session, sealed).map(shown)
}
