//! Accounts: who is of the staff, and what an operator does about it.
//!
//! It must never leave the service without an operator who can sign in: of one node that is certain; two
//! operators who take each other's role away at two nodes in the same moment are not stopped, and
//! `jari staff` mends it.

use std::collections::BTreeSet;

use http::StatusCode;
use jari_wire::token::StaffSession;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{note, second_factor};
use crate::problem::Problem;
use crate::random;
use crate::site::Site;
use crate::staff::Role;
use crate::vault::{self, Account, STAFF_MAX, StaffRecord};

/// Clinics that one account may be bound to.
const CLINICS_MAX: usize = 64;
/// Signs of a name.
const NAME_MAX: usize = 60;

/// An account, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AccountView {
    /// The name to sign in with.
    pub name: String,
    /// The role; none of a role that this build does not know.
    pub role: Option<Role>,
    /// The clinics that a clinic's account is bound to.
    pub clinics: Vec<u32>,
    /// Nobody signs in.
    pub locked: bool,
    /// There is a second factor.
    pub second_factor: bool,
    /// A first password was given that was not changed yet.
    pub first_password: bool,
}

/// What an account is to be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleSet {
    /// The role.
    pub role: Role,
    /// The clinics of a clinic's account: at least one, at most 64. None of any other role.
    #[serde(default)]
    pub clinics: Vec<u32>,
}

/// An account to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// The name to sign in with: 2 to 60 of a-z, 0-9, `.`, `-` and `_`.
    pub name: String,
    /// The role.
    pub role: Role,
    /// As of [`RoleSet`].
    #[serde(default)]
    pub clinics: Vec<u32>,
}

/// A password that is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FirstPassword {
    /// Whose.
    pub name: String,
    /// The password: it has to be changed at the first sign-in.
    pub password: String,
}

/// What else is done to an account.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// The second factor goes as well: the telephone is lost, and the recovery codes.
    #[serde(default)]
    pub second_factor: bool,
}

/// Everyone of the staff, by name.
///
/// # Errors
///
/// When the vault cannot be read.
pub async fn list(site: &Site) -> Result<Vec<AccountView>, Problem> {
    site.vault.hear_staff().await;
    Ok(site.vault.all_staff()?.into_iter().map(|(name, record)| view(name, record)).collect())
}

fn view(name: String, record: StaffRecord) -> AccountView {
    AccountView {
        name,
        role: Role::of(record.role),
        locked: record.more.locked,
        second_factor: !record.more.totp.is_empty(),
        first_password: record.more.must_change,
        clinics: record.more.clinics,
    }
}

/// Makes an account; gives its first password, which is kept nowhere else.
///
/// # Errors
///
/// `unfit`, `account_exists`, `accounts_full`, or a passing problem.
pub async fn add(site: &Site, staff: &StaffSession, new: &NewAccount) -> Result<FirstPassword, Problem> {
    let name = fitting(&new.name)?;
    let clinics = clinics_of(new.role, &new.clinics)?;
    let _alone = site.staff_changes.lock().await;
    site.vault.hear_staff().await;
    let all = site.vault.all_staff()?;
    if all.len() >= STAFF_MAX {
        let detail =
            "There are 500 accounts, which is as many as there may be. Give one that is locked another use.";
        return Err(Problem::caller(
            StatusCode::CONFLICT,
            "accounts_full",
            "No room for another account",
            detail,
        ));
    }
    if all.iter().any(|(known, _)| known == name) {
        return Err(exists());
    }
    let password = vault::readable_password()?;
    let hash = vault::hashed(&password).await?;
    note(site, staff, "add_account", format!("{name}: {}", told(new.role, &clinics)), "").await?;
    let more = Account { must_change: true, clinics, generation: 1, ..Account::default() };
    let user = fresh_number(&all)?;
    let record = StaffRecord { more, ..StaffRecord::plain(user, new.role.number(), hash) };
    if !site.vault.add_staff(name, record).await? {
        return Err(exists());
    }
    Ok(FirstPassword { name: name.to_owned(), password })
}

/// Gives an account another role.
///
/// # Errors
///
/// `unfit`, `account_unknown`, `last_operator`, or a passing problem.
pub async fn set_role(site: &Site, staff: &StaffSession, name: &str, set: &RoleSet) -> Result<(), Problem> {
    let clinics = clinics_of(set.role, &set.clinics)?;
    let _alone = site.staff_changes.lock().await;
    if set.role != Role::Operator {
        keep_an_operator(site, name).await?;
    }
    let on = format!("{}: {}", known(site, name)?, told(set.role, &clinics));
    note(site, staff, "set_role", on, "").await?;
    change(site, name, |record| {
        record.role = set.role.number();
        record.more.clinics.clone_from(&clinics);
        record.more.end_sessions();
    })
    .await
}

/// Locks an account: its sessions end, and nobody signs in.
///
/// # Errors
///
/// `account_unknown`, `last_operator`, or a passing problem.
pub async fn lock(site: &Site, staff: &StaffSession, name: &str) -> Result<(), Problem> {
    let _alone = site.staff_changes.lock().await;
    keep_an_operator(site, name).await?;
    note(site, staff, "lock_account", known(site, name)?, "").await?;
    change(site, name, |record| {
        record.more.locked = true;
        record.more.end_sessions();
    })
    .await
}

/// Unlocks an account. Its password and second factor are as they were.
///
/// # Errors
///
/// `account_unknown`, or a passing problem.
pub async fn unlock(site: &Site, staff: &StaffSession, name: &str) -> Result<(), Problem> {
    let _alone = site.staff_changes.lock().await;
    note(site, staff, "unlock_account", known(site, name)?, "").await?;
    change(site, name, |record| record.more.locked = false).await
}

/// Gives an account another first password; its sessions end.
///
/// # Errors
///
/// `account_unknown`, or a passing problem.
pub async fn reset(
    site: &Site,
    staff: &StaffSession,
    name: &str,
    reset: Reset,
) -> Result<FirstPassword, Problem> {
    let _alone = site.staff_changes.lock().await;
    let password = vault::readable_password()?;
    let hash = vault::hashed(&password).await?;
    let what = if reset.second_factor { "reset_password_and_second_factor" } else { "reset_password" };
    note(site, staff, what, known(site, name)?, "").await?;
    let done = change(site, name, |record| {
        record.hash.clone_from(&hash);
        record.more.must_change = true;
        if reset.second_factor {
            second_factor::without(record);
        }
        record.more.end_sessions();
    });
    done.await?;
    Ok(FirstPassword { name: name.to_owned(), password })
}

async fn change(site: &Site, name: &str, change: impl Fn(&mut StaffRecord)) -> Result<(), Problem> {
    let changed = site.vault.change_staff(name, |mut record| {
        change(&mut record);
        Ok(record)
    });
    changed.await?.map(drop).ok_or_else(unknown)
}

/// Somebody else is an operator who can sign in, or this account is not the one.
async fn keep_an_operator(site: &Site, name: &str) -> Result<(), Problem> {
    site.vault.hear_staff().await;
    let all = site.vault.all_staff()?;
    let can_operate = |record: &StaffRecord| record.role == Role::Operator.number() && !record.more.locked;
    let is_one = all.iter().any(|(known, record)| known == name && can_operate(record));
    if is_one && !all.iter().any(|(known, record)| known != name && can_operate(record)) {
        let detail =
            "This is the last operator who can sign in. Nothing was changed. Make another one first.";
        return Err(Problem::caller(StatusCode::CONFLICT, "last_operator", "The last operator", detail));
    }
    Ok(())
}

fn known<'a>(site: &Site, name: &'a str) -> Result<&'a str, Problem> {
    site.vault.staff(name).map(|_| name).ok_or_else(unknown)
}

fn fitting(name: &str) -> Result<&str, Problem> {
    let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let fits = (2..=NAME_MAX).contains(&name.len()) && name.bytes().all(usual);
    if fits { Ok(name) } else { Err(Problem::unfit("A name has 2 to 60 of a-z, 0-9, '.', '-' and '_'.")) }
}

fn clinics_of(role: Role, clinics: &[u32]) -> Result<Vec<u32>, Problem> {
    let clinics: BTreeSet<u32> = clinics.iter().copied().collect();
    let fits =
        if role == Role::Clinic { (1..=CLINICS_MAX).contains(&clinics.len()) } else { clinics.is_empty() };
    if !fits {
        return Err(Problem::unfit("A clinic's account has 1 to 64 clinics; any other has none."));
    }
    Ok(clinics.into_iter().collect())
}

fn told(role: Role, clinics: &[u32]) -> String {
    let clinics: Vec<String> = clinics.iter().map(u32::to_string).collect();
    if clinics.is_empty() { role.name().to_owned() } else { format!("{} {}", role.name(), clinics.join(" ")) }
}

/// A number that nobody has; at random, so that two nodes do not give the same.
fn fresh_number(all: &[(String, StaffRecord)]) -> Result<u32, Problem> {
    loop {
        let drawn = u32::from_le_bytes(random::bytes()?);
        if drawn > STAFF_MAX as u32 && all.iter().all(|(_, record)| record.user != drawn) {
            return Ok(drawn);
        }
    }
}

fn exists() -> Problem {
    let detail = "There is an account of that name. Nothing was changed.";
    Problem::caller(StatusCode::CONFLICT, "account_exists", "The name is taken", detail)
}

fn unknown() -> Problem {
    let detail = "There is no account of that name. Nothing was changed.";
    Problem::caller(StatusCode::NOT_FOUND, "account_unknown", "No such account", detail)
}
