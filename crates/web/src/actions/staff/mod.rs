//! What the staff does with its own accounts: sign in and out, passwords, roles, the second factor.
//!
//! Whether somebody may do a thing is decided here for every request, from the account as it stands and
//! not as it was at the sign-in: a lock, another role or password counts at once, at other nodes after a
//! moment. It must never say whether it was the name, the password or the code that was wrong.
//!
//! Start at [`sign_in`] and [`permitted`]; the table of roles is `crate::staff::roles`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use jari_core::Time;
use jari_wire::token::StaffSession;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::prefix::Turn;
use crate::problem::{Expiring, Problem, expired};
use crate::random;
use crate::site::Site;
use crate::staff::audit::Entry;
use crate::staff::roles::{self, Leave};
use crate::staff::{Deed, Role};
use crate::vault::{self, StaffRecord};

pub mod accounts;
pub mod audit;
pub mod second_factor;

/// Passwords that may wait to be checked.
const SIGN_IN_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// What an unknown name's password is compared with, so that names cannot be told by time.
pub const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$L3hJkW9Zg1Qd9Yq0m8Qm0v3tq3Oe6cJ1wV1bq3b2Z0k";
/// A password has so many bytes.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 12..=1_000;
/// Wrong codes of one account within [`CODES_MS`], after a right password. Nobody else can use them up.
const CODES_WRONG_MAX: u32 = 10;
const CODES_MS: u64 = 600_000;
/// That a booking was looked at, in the audit list.
pub(crate) const LOOK: &str = "look_at_booking";
/// That the name and number behind a booking were looked at.
pub(crate) const LOOK_AT_CONTACT: &str = "look_at_contact";
/// That a day's list was printed with names.
pub(crate) const PRINT_NAMES: &str = "print_names";
/// Bookings that one account may look at in an hour: more than a telephone has calls.
const LOOKS_PER_HOUR_MAX: u32 = 1_000;
/// Whatever else one account may do in an hour: more than people do, and as much as an import needs.
const DEEDS_PER_HOUR_MAX: u32 = 20_000;
const HOUR_MS: u64 = 3_600_000;

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The name; `operator` for the first one.
    pub name: String,
    /// The password.
    pub password: String,
    /// The code of the second factor, or a recovery code; not needed without one.
    #[serde(default)]
    pub code: String,
}

/// Someone of the staff who is signed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct StaffGiven {
    /// `Authorization: Bearer` of the operator's API.
    pub staff_token: String,
    /// When it ends.
    pub ends_at_ms: u64,
}

/// Wrong codes of accounts, at this node: when the first was, and how many.
#[derive(Default)]
pub(crate) struct WrongCodes(Mutex<HashMap<u32, (Time, u32)>>);

impl WrongCodes {
    fn are_too_many(&self, user: u32, now: Time) -> bool {
        let wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wrong
            .get(&user)
            .is_some_and(|(since, count)| now.since_ms(*since) < CODES_MS && *count >= CODES_WRONG_MAX)
    }

    /// Accounts are bounded, and so is this.
    fn count(&self, user: u32, now: Time) {
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.retain(|_, (since, _)| now.since_ms(*since) < CODES_MS);
        wrong.entry(user).or_insert((now, 0)).1 += 1;
    }
}

/// What accounts did in this hour, at this node, so that nobody pushes what they did out of the audit
/// list by doing much: by account and what, when it began and how often.
#[derive(Default)]
pub(crate) struct Budgets(Mutex<HashMap<(u32, bool), (Time, u32)>>);

impl Budgets {
    /// Counts one or several; whether it is within what an account may do in an hour.
    fn admits(&self, user: u32, what: &str, times: u32, now: Time) -> bool {
        let is_look = [LOOK, LOOK_AT_CONTACT, PRINT_NAMES].contains(&what);
        let most = if is_look { LOOKS_PER_HOUR_MAX } else { DEEDS_PER_HOUR_MAX };
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spent.retain(|_, (since, _)| now.since_ms(*since) < HOUR_MS);
        let (_, count) = spent.entry((user, is_look)).or_insert((now, 0));
        *count = count.saturating_add(times);
        *count <= most
    }
}

/// Checks a name, a password and, where there is a second factor, a code.
///
/// # Errors
///
/// `sign_in_wrong`, `sign_ins_often`, or a passing problem.
pub async fn sign_in(site: &Site, sign_in: &SignIn, network: IpAddr) -> Result<StaffGiven, Problem> {
    let now = site.node.now();
    if let Turn::From { not_before, .. } = site.sign_in_prefixes.turn(network, now) {
        site.sign_ins.count(None, "sign_ins_often");
        return Err(often(u32::try_from(not_before.since_ms(now)).unwrap_or(u32::MAX).max(1_000)));
    }
    if sign_in.name.len() > 100 || sign_in.password.len() > 1_000 || sign_in.code.len() > 100 {
        return Err(wrong());
    }
    let record = site.vault.staff_now(&sign_in.name).await;
    let admitted = admit(site, sign_in, record.as_ref(), now).await;
    match (admitted, record) {
        (Ok(()), Some(record)) => {
            // Signing in must go on while the shared vault is away: then it is written later.
            let entry = Entry::new(now.0, &sign_in.name, "sign_in", "");
            let is_usual = site.budgets.admits(record.user, "sign_in", 1, now);
            if !is_usual || site.vault.note(&entry).await.is_err() {
                site.sign_ins.count(Some(&sign_in.name), "");
            }
            given(site, &record)
        }
        (Err(problem), record) => {
            site.sign_ins.count(record.map(|_| sign_in.name.as_str()), problem.code);
            Err(problem)
        }
        (Ok(()), None) => Err(wrong()),
    }
}

/// Whether this sign-in counts. An unknown name takes as long as a wrong password.
async fn admit(
    site: &Site,
    sign_in: &SignIn,
    record: Option<&StaffRecord>,
    now: Time,
) -> Result<(), Problem> {
    let hash = record.map_or(NOBODY, |record| record.hash.as_str()).to_owned();
    let checked = check_password(site, sign_in.password.clone(), hash).await?;
    let record = record.filter(|record| checked && !record.more.locked).ok_or_else(wrong)?;
    if record.more.totp.is_empty() {
        return Ok(());
    }
    if site.wrong_codes.are_too_many(record.user, now) {
        return Err(often(60_000));
    }
    if second_factor::check(site, &sign_in.name, record, &sign_in.code).await? {
        return Ok(());
    }
    site.wrong_codes.count(record.user, now);
    Err(wrong())
}

/// A session of an account as it stands. The upper bits of its number say how the account stood.
pub(crate) fn given(site: &Site, record: &StaffRecord) -> Result<StaffGiven, Problem> {
    let ends_at = site.node.now().plus_ms(site.options.staff_session_ms);
    let drawn = u64::from_le_bytes(random::bytes()?);
    let nonce = u64::from(record.more.generation) << 48 | drawn >> 16;
    let session = StaffSession { user: record.user, role: record.role, ends_at, nonce };
    Ok(StaffGiven { staff_token: session.seal(&site.keys), ends_at_ms: ends_at.0 })
}

pub(crate) async fn check_password(site: &Site, password: String, hash: String) -> Result<bool, Problem> {
    let busy = || {
        let detail = "Several people sign in at this moment. Nothing was changed; try again.";
        Problem::busy("sign_ins_busy", "Sign-in is busy", detail, 2_000)
    };
    let permit = tokio::time::timeout(SIGN_IN_WAIT, site.password_checks.acquire()).await;
    let _permit = permit.ok().and_then(Result::ok).ok_or_else(busy)?;
    let checked = tokio::task::spawn_blocking(move || vault::verify(&password, &hash)).await;
    checked.map_err(|_| busy())
}

/// Someone whose session counts, and what they may.
#[derive(Clone, Debug)]
pub struct Member {
    /// The session: the witness of whoever does something.
    pub session: StaffSession,
    /// The name to sign in with.
    pub name: String,
    /// The role, as it stands now.
    pub role: Role,
    /// The clinics that a clinic's account is bound to.
    pub clinics: Vec<u32>,
    /// They have a second factor.
    pub has_second_factor: bool,
    /// A first password, which has to be changed before anything else.
    pub must_change: bool,
    /// A second factor has to be set up before anything else.
    pub must_set_up: bool,
}

impl Member {
    /// Whether they may do this somewhere, by their role and what has to be done first.
    #[must_use]
    pub fn may(&self, deed: Deed) -> bool {
        let first = self.must_change || self.must_set_up;
        (deed == Deed::OwnAccount || !first) && roles::may(self.role, deed) != Leave::No
    }
}

/// Whose token it is, if it counts.
///
/// # Errors
///
/// Problems of the token; `staff_session_expired`, also for one that was ended, and for an account that
/// was locked or changed since.
pub fn member(site: &Site, token: &str) -> Result<Member, Problem> {
    member_of(site, StaffSession::open(token, &site.keys)?)
}

/// As [`member`], of a session that was opened before.
///
/// # Errors
///
/// `staff_session_expired`.
pub fn member_of(site: &Site, session: StaffSession) -> Result<Member, Problem> {
    let over = || expired(Expiring::StaffSession);
    session.check(site.node.now()).map_err(|_| over())?;
    if site.vault.session_ended(session.nonce) {
        return Err(over());
    }
    let (name, record) = site.vault.account(session.user).ok_or_else(over)?;
    let StaffRecord { more, .. } = record;
    // An account that was never changed since there are generations has none.
    let is_current = more.generation == 0 || session.nonce >> 48 == u64::from(more.generation);
    let role = Role::of(record.role).filter(|_| record.role == session.role && is_current && !more.locked);
    Ok(Member {
        session,
        name,
        role: role.ok_or_else(over)?,
        clinics: more.clinics,
        has_second_factor: !more.totp.is_empty(),
        must_change: more.must_change,
        must_set_up: site.options.require_totp && more.totp.is_empty(),
    })
}

/// Whose token it is, if they may do this: the gate of every address of the operator's. Without a deed
/// it is for nobody.
///
/// # Errors
///
/// As [`member`]; `role_unfit`, `password_first`, `second_factor_first`.
pub fn permitted(site: &Site, token: &str, deed: Option<Deed>) -> Result<Member, Problem> {
    let member = member(site, token)?;
    let deed = deed.ok_or_else(role_unfit)?;
    if member.may(deed) {
        return Ok(member);
    }
    Err(match (member.must_change, member.must_set_up) {
        (true, _) => Problem::caller(
            StatusCode::FORBIDDEN,
            "password_first",
            "The first password has to be changed",
            "You are signed in with a first password. Nothing was changed. Set one of your own first.",
        ),
        (_, true) => Problem::caller(
            StatusCode::FORBIDDEN,
            "second_factor_first",
            "A second factor has to be set up",
            "This service wants a second factor of everyone. Nothing was changed. Set it up on your account's page.",
        ),
        _ => role_unfit(),
    })
}

/// Hears what other nodes changed of the staff, where a session that was signed here or there is of an
/// account as this node does not know it yet. Only whoever has such a session costs that.
pub(crate) async fn hear_if_unknown(site: &Site, token: &str) {
    let Ok(session) = StaffSession::open(token, &site.keys) else { return };
    if session.check(site.node.now()).is_err() || site.vault.session_ended(session.nonce) {
        return;
    }
    let known = site.vault.account(session.user).map(|(_, record)| record.more.generation);
    // An older session than this node knows of is over, and no news change that.
    if known.is_none_or(|known| session.nonce >> 48 > u64::from(known)) {
        site.vault.hear_staff().await;
    }
}

/// Whether a session counts still, for what goes on while it does.
pub(crate) fn may_still(site: &Site, session: &StaffSession, deed: Deed) -> bool {
    member_of(site, *session).is_ok_and(|member| member.may(deed))
}

/// Checks that whoever may do this at their own clinics only is bound to this one.
///
/// # Errors
///
/// `role_unfit`.
pub(crate) fn at_clinic(site: &Site, staff: &StaffSession, deed: Deed, clinic: u32) -> Result<(), Problem> {
    let member = member_of(site, *staff)?;
    match roles::may(member.role, deed) {
        Leave::Yes => Ok(()),
        Leave::OwnClinics if member.clinics.contains(&clinic) => Ok(()),
        Leave::OwnClinics | Leave::No => Err(role_unfit()),
    }
}

/// Writes into the audit list what is about to be done, and gives the entry.
///
/// # Errors
///
/// When it cannot be written, or the account did too much in this hour (`deeds_often`): it must not be
/// done then.
pub(crate) async fn note(
    site: &Site,
    staff: &StaffSession,
    what: &str,
    on: impl Into<String>,
    reason: &str,
) -> Result<Entry, Problem> {
    note_times(site, staff, what, on, reason, 1).await
}

/// The same of what concerns so many people.
pub(crate) async fn note_times(
    site: &Site,
    staff: &StaffSession,
    what: &str,
    on: impl Into<String>,
    reason: &str,
    times: u32,
) -> Result<Entry, Problem> {
    let (name, _) = site.vault.account(staff.user).ok_or_else(|| expired(Expiring::StaffSession))?;
    let now = site.node.now();
    if !site.budgets.admits(staff.user, what, times, now) {
        return Err(too_much());
    }
    let entry = Entry::new(now.0, &name, what, on).because(reason);
    site.vault.note(&entry).await?;
    Ok(entry)
}

/// Writes that what was noted was refused, as well as that goes: the deed was not done either way.
pub(crate) async fn note_refusal(site: &Site, entry: Entry, problem: &Problem) {
    let entry = entry.refused(site.node.now().0, problem.code);
    if let Err(problem) = site.vault.note(&entry).await {
        tracing::warn!(code = problem.code, "a refusal is missing in the audit list");
    }
}

/// Writes sign-ins that were counted into the audit list: once a minute.
pub async fn note_sign_ins(site: &Site) {
    for entry in site.sign_ins.take(site.node.now().0) {
        if site.vault.note(&entry).await.is_err() {
            site.sign_ins.put_back(&entry);
        }
    }
}

/// Ends a session before its time. Durable.
///
/// # Errors
///
/// A passing problem: the session still counts.
pub async fn sign_out(site: &Site, staff: &StaffSession) -> Result<(), Problem> {
    site.vault.end_session(staff.nonce, staff.ends_at.0, site.node.now().0).await
}

/// Changes one's own password. All sessions end, this one as well; gives another one.
///
/// # Errors
///
/// `unfit` for a short one or the same again; `sign_in_wrong` where the old one was given and is wrong;
/// a passing problem of the vault.
pub async fn set_password(
    site: &Site,
    staff: &StaffSession,
    old: Option<&str>,
    password: &str,
) -> Result<StaffGiven, Problem> {
    if !PASSWORD_BYTES.contains(&password.len()) {
        return Err(Problem::unfit("A password has 12 to 1,000 bytes."));
    }
    let (name, before) = site.vault.account(staff.user).ok_or_else(Problem::staff_only)?;
    if let Some(old) = old.filter(|old| old.len() <= 1_000)
        && !check_password(site, old.to_owned(), before.hash.clone()).await?
    {
        return Err(wrong());
    }
    if check_password(site, password.to_owned(), before.hash.clone()).await? {
        return Err(Problem::unfit("The new password is the old one."));
    }
    note(site, staff, "set_password", "", "").await?;
    let hash = vault::hashed(password).await?;
    let changed = site.vault.change_staff(&name, |mut record| {
        record.hash.clone_from(&hash);
        record.more.must_change = false;
        record.more.end_sessions();
        Ok(record)
    });
    given(site, &changed.await?.ok_or_else(Problem::staff_only)?)
}

pub(crate) fn role_unfit() -> Problem {
    Problem::caller(
        StatusCode::FORBIDDEN,
        "role_unfit",
        "Not for your role",
        "Your account may not do this, or not there. Nothing was changed. An operator can give it another role.",
    )
}

fn too_much() -> Problem {
    let detail =
        "Your account did very much in this hour. Nothing was changed. Go on later, or in fewer requests.";
    Problem::caller(StatusCode::TOO_MANY_REQUESTS, "deeds_often", "Too much in an hour", detail)
        .after_ms(600_000)
}

fn often(wait_ms: u32) -> Problem {
    let detail = "Many sign-ins were tried from your network. Wait a little before you try again.";
    Problem::caller(StatusCode::TOO_MANY_REQUESTS, "sign_ins_often", "Too many sign-ins", detail)
        .after_ms(wait_ms)
}

pub(crate) fn wrong() -> Problem {
    Problem::caller(
        StatusCode::UNAUTHORIZED,
        "sign_in_wrong",
        "Name, password or code is wrong",
        "The name, the password or the code is wrong. The first password was printed when the service first started.",
    )
}
