//! `/api/v1/operator/staff` and `audit`: accounts, and who did what.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;

use crate::actions::staff::accounts::{self, AccountView, FirstPassword, NewAccount, Reset, RoleSet};
use crate::actions::staff::audit::{self, AuditView, Wanted};
use crate::api::extract::{Asked, At, Operator, Sent};
use crate::api::openapi::Problems;
use crate::api::{Tree, created, ok};
use crate::problem::Problem;
use crate::site::Site;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    tree.get("/api/v1/operator/staff", list_accounts)
        .post("/api/v1/operator/staff", add_account)
        .post("/api/v1/operator/staff/{name}/role", set_role)
        .post("/api/v1/operator/staff/{name}/lock", lock_account)
        .post("/api/v1/operator/staff/{name}/unlock", unlock_account)
        .post("/api/v1/operator/staff/{name}/reset", reset_account)
        .get("/api/v1/operator/audit", list_audit)
}

/// Everyone of the staff.
#[utoipa::path(get, path = "/api/v1/operator/staff", tag = "operator", responses((status = 200, body = Vec<AccountView>), Problems), security(("staff" = [])))]
pub(in crate::api) async fn list_accounts(
    State(site): State<Arc<Site>>,
    Operator(_): Operator,
) -> Result<impl IntoResponse, Problem> {
    accounts::list(&site).await.map(ok)
}

/// Makes an account. Its first password is in the answer and nowhere else, and has to be changed at the first
/// sign-in.
#[utoipa::path(post, path = "/api/v1/operator/staff", tag = "operator", request_body = NewAccount, responses((status = 201, body = FirstPassword), Problems), security(("staff" = [])))]
pub(in crate::api) async fn add_account(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    Sent(new): Sent<NewAccount>,
) -> Result<impl IntoResponse, Problem> {
    accounts::add(&site, &staff, &new).await.map(created)
}

/// Gives an account another role. Its sessions end.
#[utoipa::path(post, path = "/api/v1/operator/staff/{name}/role", tag = "operator", params(("name" = String, Path)), request_body = RoleSet, responses((status = 204), Problems), security(("staff" = [])))]
pub(in crate::api) async fn set_role(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(name): At<String>,
    Sent(set): Sent<RoleSet>,
) -> Result<StatusCode, Problem> {
    accounts::set_role(&site, &staff, &name, &set).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks an account: its sessions end, and nobody signs in.
#[utoipa::path(post, path = "/api/v1/operator/staff/{name}/lock", tag = "operator", params(("name" = String, Path)), responses((status = 204), Problems), security(("staff" = [])))]
pub(in crate::api) async fn lock_account(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(name): At<String>,
) -> Result<StatusCode, Problem> {
    accounts::lock(&site, &staff, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unlocks an account.
#[utoipa::path(post, path = "/api/v1/operator/staff/{name}/unlock", tag = "operator", params(("name" = String, Path)), responses((status = 204), Problems), security(("staff" = [])))]
pub(in crate::api) async fn unlock_account(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(name): At<String>,
) -> Result<StatusCode, Problem> {
    accounts::unlock(&site, &staff, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an account another first password, and takes its second factor away if that is asked for.
#[utoipa::path(post, path = "/api/v1/operator/staff/{name}/reset", tag = "operator", params(("name" = String, Path)), request_body = Reset, responses((status = 200, body = FirstPassword), Problems), security(("staff" = [])))]
pub(in crate::api) async fn reset_account(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(name): At<String>,
    Sent(reset): Sent<Reset>,
) -> Result<impl IntoResponse, Problem> {
    accounts::reset(&site, &staff, &name, reset).await.map(ok)
}

/// Who did what, the newest first: sign-ins, commands with their public reasons, changes of accounts.
#[utoipa::path(get, path = "/api/v1/operator/audit", tag = "operator", params(Wanted), responses((status = 200, body = AuditView), Problems), security(("staff" = [])))]
pub(in crate::api) async fn list_audit(
    State(site): State<Arc<Site>>,
    Operator(_): Operator,
    Asked(wanted): Asked<Wanted>,
) -> Result<impl IntoResponse, Problem> {
    audit::list(&site, &wanted).await.map(ok)
}
