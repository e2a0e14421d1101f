//! Who is of the staff, and what operators do about it. A first password is shown in the answer to the
//! form that made it and nowhere else.

use axum::extract::{Form, Path, Query};
use axum::response::Response;
use http::StatusCode;
use jari_wire::token::StaffSession;
use serde::Deserialize;

use super::subjects::DoneQuery;
use crate::actions::staff::accounts::{self, AccountView, FirstPassword, NewAccount, Reset, RoleSet};
use crate::pages::caller::{Caller, Failed};
use crate::pages::failure::sentence;
use crate::pages::respond::see_other;
use crate::pages::views::{Confirm, Figure, RoleChoice, StaffPage, StaffRow};
use crate::problem::Problem;
use crate::staff::{Deed, Role};

const HERE: &str = "/operator/staff";

/// Any form of the page.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct StaffForm {
    csrf: String,
    sure: String,
    name: String,
    role: String,
    clinics: String,
    second_factor: String,
}

impl StaffForm {
    fn role(&self) -> Result<RoleSet, Problem> {
        let role = Role::named(&self.role).ok_or_else(|| Problem::unfit("There is no such role."))?;
        let numbers = self.clinics.split([',', ' ']).filter(|text| !text.is_empty());
        let clinics: Result<Vec<u32>, _> = numbers.map(str::parse).collect();
        let clinics =
            clinics.map_err(|_| Problem::unfit("Clinics are numbers, with commas between them."))?;
        Ok(RoleSet { role, clinics })
    }
}

/// A role's name: a message's key.
pub(super) fn role_key(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Operator) => "op-role-operator",
        Some(Role::Clinic) => "op-role-clinic",
        Some(Role::Agent) => "op-role-agent",
        Some(Role::Viewer) => "op-role-viewer",
        Some(Role::Auditor) => "op-role-auditor",
        None => "op-role-unknown",
    }
}

/// `GET /operator/staff`.
///
/// # Errors
///
/// `staff_only`, `role_unfit`.
pub async fn get_staff(caller: Caller, Query(query): Query<DoneQuery>) -> Result<Response, Failed> {
    caller.staff()?;
    let page = StaffPage { done: query.is_done(), ..page(&caller).await? };
    caller.page(&page, StatusCode::OK)
}

/// `POST /operator/staff`: another account.
///
/// # Errors
///
/// `staff_only`, `role_unfit`, `form_expired`. What did not fit is shown on the page.
pub async fn add_staff(caller: Caller, Form(form): Form<StaffForm>) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let staff = caller.staff()?;
    let added = async {
        let RoleSet { role, clinics } = form.role()?;
        let new = NewAccount { name: form.name.trim().to_owned(), role, clinics };
        accounts::add(&caller.site, &staff, &new).await
    };
    match added.await {
        Ok(first) => shown_once(&caller, first).await,
        Err(problem) => refused(&caller, problem).await,
    }
}

/// `POST /operator/staff/{name}/{deed}`.
///
/// # Errors
///
/// `staff_only`, `role_unfit`, `form_expired`, `not_found`. What was refused is shown on the page.
pub async fn do_staff(
    caller: Caller,
    Path((name, deed)): Path<(String, String)>,
    Form(form): Form<StaffForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let staff = caller.staff()?;
    if form.sure != "yes"
        && let Some(question) = question(&caller, &name, &deed, &form)?
    {
        return caller.page(&question, StatusCode::OK);
    }
    match deed_of(&caller, &staff, &name, &deed, &form).await {
        Ok(Some(first)) => shown_once(&caller, first).await,
        Ok(None) => Ok(see_other(&format!("{HERE}?done=1"))),
        Err(problem) if problem.code == "not_found" => Err(problem.into()),
        Err(problem) => refused(&caller, problem).await,
    }
}

async fn deed_of(
    caller: &Caller,
    staff: &StaffSession,
    name: &str,
    deed: &str,
    form: &StaffForm,
) -> Result<Option<FirstPassword>, Problem> {
    let site = &caller.site;
    let reset = Reset { second_factor: form.second_factor == "yes" };
    match deed {
        "role" => accounts::set_role(site, staff, name, &form.role()?).await.map(|()| None),
        "lock" => accounts::lock(site, staff, name).await.map(|()| None),
        "unlock" => accounts::unlock(site, staff, name).await.map(|()| None),
        "reset" => accounts::reset(site, staff, name, reset).await.map(Some),
        _ => Err(Problem::not_found()),
    }
}

/// What is asked before an account is shut out.
fn question(caller: &Caller, name: &str, deed: &str, form: &StaffForm) -> Result<Option<Confirm>, Problem> {
    let (what, consequence, go) = match deed {
        "lock" => ("op-lock", "op-lock-hint", "op-lock-go"),
        "reset" => ("op-reset", "op-reset-hint", "op-reset-go"),
        _ => return Ok(None),
    };
    let second = (form.second_factor == "yes").then(|| Figure { key: "second_factor", value: "yes".into() });
    let shown = second.iter().map(|_| Figure { key: "op-totp", value: caller.words.t("op-reset-totp") });
    Ok(Some(Confirm {
        f: caller.frame_at(HERE)?,
        what,
        subject: name.to_owned(),
        consequence,
        shown: shown.collect(),
        action: format!("{HERE}/{name}/{deed}"),
        hidden: second.into_iter().collect(),
        go,
        back: HERE.to_owned(),
    }))
}

async fn shown_once(caller: &Caller, first: FirstPassword) -> Result<Response, Failed> {
    let page = StaffPage { first: Some((first.name, first.password)), ..page(caller).await? };
    caller.page(&page, StatusCode::OK)
}

async fn refused(caller: &Caller, problem: Problem) -> Result<Response, Failed> {
    let text = match problem.detail.as_ref() {
        detail if detail.starts_with("A name has") => caller.words.t("op-name-unfit"),
        detail if detail.contains("linic") => caller.words.t("op-clinics-unfit"),
        _ => sentence(&caller.words, &problem),
    };
    let page = StaffPage { problem: Some(text), ..page(caller).await? };
    caller.page(&page, problem.status)
}

async fn page(caller: &Caller) -> Result<StaffPage, Problem> {
    let may_manage = caller.may(Deed::ManageStaff);
    let rows = accounts::list(&caller.site).await?.into_iter().map(row).collect();
    Ok(StaffPage {
        f: caller.frame_at(HERE)?,
        rows,
        // Whoever chooses nothing gives the least.
        roles: roles(Some(Role::Viewer)),
        may_manage,
        first: None,
        done: false,
        problem: None,
    })
}

fn row(account: AccountView) -> StaffRow {
    let clinics: Vec<String> = account.clinics.iter().map(u32::to_string).collect();
    StaffRow {
        role: role_key(account.role),
        roles: roles(account.role),
        name: account.name,
        clinics: clinics.join(", "),
        locked: account.locked,
        second_factor: account.second_factor,
        first_password: account.first_password,
    }
}

fn roles(chosen: Option<Role>) -> Vec<RoleChoice> {
    let choice = |role: Role| RoleChoice {
        name: role.name(),
        label: role_key(Some(role)),
        chosen: chosen == Some(role),
    };
    Role::ALL.map(choice).to_vec()
}
