//! `/api/v1/operator/campaigns`: make, rules, windows, quota, pause, end.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use jari_core::ids::{CampaignId, VaccineId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Because;
use crate::actions::campaigns::{CampaignView, RulesView, campaign as show};
use crate::actions::operator::campaigns::{self as operator, NewCampaign, Windows};
use crate::api::extract::{At, MaybeKey, Operator, Sent};
use crate::api::openapi::Problems;
use crate::api::{Tree, created};
use crate::problem::Problem;
use crate::site::Site;

pub(in crate::api) fn routes(tree: Tree) -> Tree {
    tree.post("/api/v1/operator/campaigns", create_campaign)
        .post("/api/v1/operator/campaigns/{campaign}/rules", set_rules)
        .post("/api/v1/operator/campaigns/{campaign}/windows", set_windows)
        .post("/api/v1/operator/campaigns/{campaign}/quota", set_quota)
        .post("/api/v1/operator/campaigns/{campaign}/pause", pause_campaign)
        .post("/api/v1/operator/campaigns/{campaign}/resume", resume_campaign)
        .post("/api/v1/operator/campaigns/{campaign}/close", close_campaign)
}

/// New rules, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RulesSet {
    /// The rules; the version must grow.
    rules: RulesView,
    /// Why, in public.
    reason: String,
}

/// New windows, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WindowsSet {
    /// All windows from now on.
    windows: Windows,
    /// Why, in public.
    reason: String,
}

/// A new quota, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuotaSet {
    /// One vaccine's quota; the whole campaign's without.
    vaccine: Option<u16>,
    /// How many.
    quota: u32,
    /// Why, in public.
    reason: String,
}

/// Makes a campaign.
#[utoipa::path(post, path = "/api/v1/operator/campaigns", tag = "operator", params(("idempotency-key" = Option<String>, Header)), request_body = NewCampaign, responses((status = 201, body = CampaignView), Problems), security(("staff" = [])))]
async fn create_campaign(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    MaybeKey(key): MaybeKey,
    Sent(new): Sent<NewCampaign>,
) -> Result<impl IntoResponse, Problem> {
    operator::create_campaign(&site, &staff, &new, key.as_ref()).await?;
    show(&site, CampaignId(new.campaign)).map(created)
}

/// Changes who may book.
#[utoipa::path(post, path = "/api/v1/operator/campaigns/{campaign}/rules", tag = "operator", params(("campaign" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = RulesSet, responses((status = 204), Problems), security(("staff" = [])))]
async fn set_rules(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(campaign): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<RulesSet>,
) -> Result<StatusCode, Problem> {
    operator::set_rules(&site, &staff, CampaignId(campaign), &asked.rules, &asked.reason, key.as_ref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes when and for whom booking is open.
#[utoipa::path(post, path = "/api/v1/operator/campaigns/{campaign}/windows", tag = "operator", params(("campaign" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = WindowsSet, responses((status = 204), Problems), security(("staff" = [])))]
async fn set_windows(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(campaign): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<WindowsSet>,
) -> Result<StatusCode, Problem> {
    operator::set_windows(&site, &staff, CampaignId(campaign), &asked.windows, &asked.reason, key.as_ref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes how many people the campaign, or one vaccine of it, is for.
#[utoipa::path(post, path = "/api/v1/operator/campaigns/{campaign}/quota", tag = "operator", params(("campaign" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = QuotaSet, responses((status = 204), Problems), security(("staff" = [])))]
async fn set_quota(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(campaign): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<QuotaSet>,
) -> Result<StatusCode, Problem> {
    operator::set_quota(
        &site,
        &staff,
        CampaignId(campaign),
        asked.vaccine.map(VaccineId),
        asked.quota,
        &asked.reason,
        key.as_ref(),
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops new holds, bookings and moves; what exists stays.
#[utoipa::path(post, path = "/api/v1/operator/campaigns/{campaign}/pause", tag = "operator", params(("campaign" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Because, responses((status = 204), Problems), security(("staff" = [])))]
async fn pause_campaign(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(campaign): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Because>,
) -> Result<StatusCode, Problem> {
    operator::pause_campaign(&site, &staff, CampaignId(campaign), &asked.reason, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Goes on after a pause.
#[utoipa::path(post, path = "/api/v1/operator/campaigns/{campaign}/resume", tag = "operator", params(("campaign" = u32, Path), ("idempotency-key" = Option<String>, Header)), responses((status = 204), Problems), security(("staff" = [])))]
async fn resume_campaign(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(campaign): At<u32>,
    MaybeKey(key): MaybeKey,
) -> Result<StatusCode, Problem> {
    operator::resume_campaign(&site, &staff, CampaignId(campaign), key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a campaign for good; bookings stay.
#[utoipa::path(post, path = "/api/v1/operator/campaigns/{campaign}/close", tag = "operator", params(("campaign" = u32, Path), ("idempotency-key" = Option<String>, Header)), request_body = Because, responses((status = 204), Problems), security(("staff" = [])))]
async fn close_campaign(
    State(site): State<Arc<Site>>,
    Operator(staff): Operator,
    At(campaign): At<u32>,
    MaybeKey(key): MaybeKey,
    Sent(asked): Sent<Because>,
) -> Result<StatusCode, Problem> {
    operator::close_campaign(&site, &staff, CampaignId(campaign), &asked.reason, key.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
