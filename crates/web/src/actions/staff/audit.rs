//! The audit list, as auditors read it.

use jari_wire::token::StaffSession;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::note;
use crate::actions::campaigns::parse_date;
use crate::problem::Problem;
use crate::site::Site;
use crate::staff::audit::Entry;
use crate::vault::AuditKey;

/// Entries of one answer.
pub const PAGE_MAX: usize = 200;
/// Entries of one export.
pub const EXPORT_MAX: usize = 50_000;
const DAY_MS: u64 = 86_400_000;

/// Which entries.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Wanted {
    /// Of a day only, `YYYY-MM-DD` by the service's clock.
    pub day: String,
    /// Of an account only.
    pub person: String,
    /// Before this one: the `older` of the answer before.
    pub before: String,
}

/// Some of the audit list, the newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// The entries, at most 200.
    pub entries: Vec<Entry>,
    /// Where the older ones begin; none where there are none.
    pub older: Option<String>,
}

/// Entries, the newest first.
///
/// # Errors
///
/// `unfit` for a day that is none; when the vault cannot be read.
pub async fn list(site: &Site, wanted: &Wanted) -> Result<AuditView, Problem> {
    let mut found = found(site, wanted, PAGE_MAX + 1).await?;
    let more = found.len() > PAGE_MAX;
    found.truncate(PAGE_MAX);
    let older = found.last().filter(|_| more).map(|((at_ms, number), _)| format!("{at_ms:x}.{number:x}"));
    Ok(AuditView { entries: found.into_iter().map(|(_, entry)| entry).collect(), older })
}

/// Entries to be taken away. That is noted as well.
///
/// # Errors
///
/// As [`list`].
pub async fn export(site: &Site, staff: &StaffSession, wanted: &Wanted) -> Result<Vec<Entry>, Problem> {
    let found = found(site, wanted, EXPORT_MAX).await?;
    note(site, staff, "export_audit", format!("{} {}", wanted.day, wanted.person).trim(), "").await?;
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

/// Looks through the list off the request threads: somebody who did nothing is looked for in all of it.
async fn found(site: &Site, wanted: &Wanted, count: usize) -> Result<Vec<(AuditKey, Entry)>, Problem> {
    let (from_ms, upto_ms) = span(site, wanted.day.trim())?;
    let before = key_of(wanted.before.trim()).unwrap_or((u64::MAX, u64::MAX));
    let (person, vault) = (wanted.person.trim().to_owned(), site.vault.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let fits = |entry: &Entry| person.is_empty() || entry.who == person;
        vault.noted((from_ms, 0), before.min((upto_ms, 0)), count, fits)
    });
    let lost = |_| Problem::ours("The audit list could not be read. Nothing was changed; try again.");
    looked.await.map_err(lost)?
}

/// A day by the service's clock; all time for none.
fn span(site: &Site, day: &str) -> Result<(u64, u64), Problem> {
    if day.is_empty() {
        return Ok((0, u64::MAX));
    }
    let unfit = || Problem::unfit("A day is written YYYY-MM-DD.");
    let day = parse_date(day).ok_or_else(unfit)?;
    let begins_ms = i64::from(day.0) * DAY_MS as i64 - i64::from(site.options.utc_offset_min) * 60_000;
    let begins_ms = u64::try_from(begins_ms).map_err(|_| unfit())?;
    Ok((begins_ms, begins_ms + DAY_MS))
}

fn key_of(text: &str) -> Option<AuditKey> {
    let (at_ms, number) = text.split_once('.')?;
    Some((u64::from_str_radix(at_ms, 16).ok()?, u64::from_str_radix(number, 16).ok()?))
}
