//! Tables of a campaign, to take away.

use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use http::{HeaderValue, header};
use jari_core::ids::CampaignId;

use crate::actions::operator::exports::{self, Export};
use crate::pages::caller::{Caller, Failed};
use crate::problem::Problem;

/// `GET /operator/campaigns/{campaign}/export/{table}`: bookings, places or events, as a file.
///
/// # Errors
///
/// `staff_only`, `role_unfit`, `campaign_unknown`, `not_found`.
pub async fn get_export(caller: Caller, Path((id, table)): Path<(u32, String)>) -> Result<Response, Failed> {
    let staff = caller.staff()?;
    let export = Export::named(&table).ok_or_else(Problem::not_found)?;
    let rows = exports::export(&caller.site, &staff, CampaignId(id), export).await?;
    let mut response = Response::new(Body::new(rows));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let file = format!("attachment; filename=\"campaign-{id}-{}.csv\"", export.name());
    if let Ok(file) = HeaderValue::from_str(&file) {
        headers.insert(header::CONTENT_DISPOSITION, file);
    }
    Ok(response)
}
