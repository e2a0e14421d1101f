//! A rehearsal, as its report.

use axum::extract::{Form, Path};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use jari_core::ids::CampaignId;
use serde::Deserialize;

use super::deeds::whole;
use super::subjects;
use crate::actions::operator::rehearsal;
use crate::pages::caller::{Caller, Failed};
use crate::pages::failure::sentence;
use crate::pages::respond::html_response;

/// The report's styles are in it; nothing in it runs, and it is cut off from the site.
const REPORT_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
     base-uri 'none'; frame-ancestors 'none'";

/// How many people come.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RehearsalForm {
    csrf: String,
    people: String,
}

/// `POST /operator/campaigns/{campaign}/rehearse`: simulates the opening, and shows the report.
///
/// # Errors
///
/// `staff_only`, `form_expired`. What does not fit is shown on the campaign's page.
pub async fn rehearse(
    caller: Caller,
    Path(id): Path<u32>,
    Form(form): Form<RehearsalForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let staff = caller.staff()?;
    let rehearsed = async {
        let people = whole(&form.people)?;
        rehearsal::rehearse(&caller.site, &staff, CampaignId(id), people).await
    };
    match rehearsed.await {
        Ok(report) => {
            let mut response = html_response(report, StatusCode::OK, caller.headers());
            let policy = HeaderValue::from_static(REPORT_POLICY);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            Ok(response)
        }
        Err(problem) => {
            let page = subjects::campaign_page(&caller, id, false, Some(sentence(&caller.words, &problem)))?;
            caller.page(&page, problem.status)
        }
    }
}
