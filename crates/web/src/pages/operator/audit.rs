//! The audit list for auditors: by day and person, older page by page, and as a table to take away.

use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use jari_core::Time;

use crate::actions::staff::audit::{self, Wanted};
use crate::pages::caller::{Caller, Failed};
use crate::pages::failure::sentence;
use crate::pages::respond::encode_query;
use crate::pages::views::{AuditPage, AuditRow};
use crate::pages::words::Words;
use crate::problem::Problem;
use crate::staff::audit::{Entry, csv};

/// `GET /operator/audit`.
///
/// # Errors
///
/// `staff_only`, `role_unfit`.
pub async fn get_audit(caller: Caller, Query(wanted): Query<Wanted>) -> Result<Response, Failed> {
    caller.staff()?;
    let (view, problem) = match audit::list(&caller.site, &wanted).await {
        Ok(view) => (view, None),
        Err(problem) if problem.code == "unfit" => {
            let nothing = audit::AuditView { entries: Vec::new(), older: None };
            (nothing, Some(problem))
        }
        Err(problem) => return Err(problem.into()),
    };
    let asked = asked(&wanted);
    let older = view.older.map(|before| format!("/operator/audit?{asked}&before={before}"));
    let status = problem.as_ref().map_or(StatusCode::OK, |problem: &Problem| problem.status);
    let page = AuditPage {
        f: caller.frame()?,
        rows: view.entries.into_iter().map(|entry| row(&caller.words, entry)).collect(),
        problem: problem.map(|problem| sentence(&caller.words, &problem)),
        older,
        csv: format!("/operator/audit.csv?{asked}"),
        day: wanted.day,
        person: wanted.person,
    };
    caller.page(&page, status)
}

/// `GET /operator/audit.csv`: up to 50,000 entries. That it was taken is in the list.
///
/// # Errors
///
/// `staff_only`, `role_unfit`, `unfit`.
pub async fn get_audit_csv(caller: Caller, Query(wanted): Query<Wanted>) -> Result<Response, Failed> {
    let staff = caller.staff()?;
    let entries = audit::export(&caller.site, &staff, &wanted).await?;
    let mut response = csv(&entries, |at_ms| when(&caller.words, at_ms)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let file = HeaderValue::from_static("attachment; filename=\"audit.csv\"");
    headers.insert(header::CONTENT_DISPOSITION, file);
    Ok(response)
}

fn asked(wanted: &Wanted) -> String {
    format!("day={}&person={}", encode_query(&wanted.day), encode_query(&wanted.person))
}

/// A day and a time to the second that sort as text.
fn when(words: &Words, at_ms: u64) -> String {
    words.sortable(Time(at_ms))
}

fn row(words: &Words, entry: Entry) -> AuditRow {
    let key = format!("audit-{}", entry.what.replace('_', "-"));
    let known = words.t(&key);
    AuditRow {
        at: when(words, entry.at_ms),
        what: if known == key { entry.what } else { known },
        who: entry.who,
        on: entry.on,
        reason: entry.reason,
        refused: entry.refused,
        count: (entry.count > 1).then(|| entry.count.to_string()),
    }
}
