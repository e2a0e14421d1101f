//! The second factor: set up, checked, taken away.
//!
//! A secret is offered first and kept only when a code proves that an authenticator has it. A code
//! counts once, at whichever node it is brought, and so does a recovery code. It must never keep a
//! secret that is not sealed, nor a recovery code that is not hashed.

use jari_wire::token::StaffSession;

use super::{StaffGiven, given, note, wrong};
use crate::problem::Problem;
use crate::random;
use crate::site::Site;
use crate::staff::totp;
use crate::vault::{self, StaffRecord};

/// How long an offer may be taken up.
const OFFER_MS: u64 = 30 * 60_000;
/// How long a used code is remembered: longer than it counts.
const USED_MS: u64 = 10 * 60_000;
/// Recovery codes that are given.
pub const RECOVERY_CODES: usize = 10;

/// A secret that is offered.
pub struct Offer {
    /// What the camera of an authenticator reads.
    pub address: String,
    /// The secret as it is typed.
    pub secret: String,
    /// The offer, sealed, to be brought back with a code.
    pub sealed: String,
}

/// Offers a new secret. Nothing is kept.
///
/// # Errors
///
/// `unfit` where there is a second factor; when there is no randomness.
pub fn offer(site: &Site, staff: &StaffSession) -> Result<Offer, Problem> {
    let (name, record) = site.vault.account(staff.user).ok_or_else(Problem::staff_only)?;
    if !record.more.totp.is_empty() {
        return Err(is_there());
    }
    let secret: [u8; totp::SECRET_BYTES] = random::bytes()?;
    let mut plain = site.node.now().0.to_le_bytes().to_vec();
    plain.extend(secret);
    let sealed = site.vault.seal_secret(&offer_of(staff.user), &plain)?;
    Ok(Offer { address: totp::address(&name, &secret), secret: totp::base32(&secret), sealed })
}

/// An offer once more, for whoever mistyped the code.
#[must_use]
pub fn offer_again(site: &Site, staff: &StaffSession, sealed: &str) -> Option<Offer> {
    let (name, _) = site.vault.account(staff.user)?;
    let secret = offered(site, staff.user, sealed)?;
    let (address, secret) = (totp::address(&name, &secret), totp::base32(&secret));
    Some(Offer { address, secret, sealed: sealed.to_owned() })
}

/// The secret of an offer that was made to this account not long ago.
fn offered(site: &Site, user: u32, sealed: &str) -> Option<Vec<u8>> {
    let plain = site.vault.open_secret(&offer_of(user), sealed)?;
    let (at_ms, secret) = plain.split_first_chunk()?;
    let age_ms = site.node.now().0.saturating_sub(u64::from_le_bytes(*at_ms));
    (age_ms <= OFFER_MS).then(|| secret.to_vec())
}

/// Keeps the secret that was offered, since a code proves that it is known; gives the recovery codes,
/// which are shown once, and a session in the place of those that end.
///
/// # Errors
///
/// `sign_in_wrong` for a wrong code, `unfit` for an offer that is too old or another's.
pub async fn confirm(
    site: &Site,
    staff: &StaffSession,
    sealed: &str,
    code: &str,
) -> Result<(Vec<String>, StaffGiven), Problem> {
    let (name, record) = site.vault.account(staff.user).ok_or_else(Problem::staff_only)?;
    let stale = || Problem::unfit("This key was shown too long ago. Begin anew.");
    let secret = offered(site, staff.user, sealed).ok_or_else(stale)?;
    let now = site.node.now().0;
    let step = totp::step_of(&secret, code, now).ok_or_else(wrong)?;
    if !site.vault.use_once(number_of(site, record.user, "step", &step.to_le_bytes()), USED_MS, now).await? {
        return Err(wrong());
    }
    let kept = site.vault.seal_secret(&secret_of(&name), &secret)?;
    let codes = recovery_codes()?;
    let hashes: Vec<String> = codes.iter().map(|code| hash_of(record.user, code)).collect();
    note(site, staff, "second_factor_set_up", "", "").await?;
    let changed = site.vault.change_staff(&name, |mut record| {
        if !record.more.totp.is_empty() {
            return Err(is_there());
        }
        record.more.totp.clone_from(&kept);
        record.more.recovery.clone_from(&hashes);
        record.more.end_sessions();
        Ok(record)
    });
    let changed = changed.await?.ok_or_else(Problem::staff_only)?;
    Ok((codes, given(site, &changed)?))
}

/// Whether a code counts now: of the authenticator, or a recovery code, which is used up by it.
///
/// # Errors
///
/// When the vault cannot be written: no code counts then, for it might count twice.
pub async fn check(site: &Site, name: &str, record: &StaffRecord, code: &str) -> Result<bool, Problem> {
    let now = site.node.now().0;
    let Some(secret) = site.vault.open_secret(&secret_of(name), &record.more.totp) else {
        tracing::error!("a second factor cannot be opened: is its key missing in the file `keys`?");
        return Ok(false);
    };
    if let Some(step) = totp::step_of(&secret, code, now) {
        let number = number_of(site, record.user, "step", &step.to_le_bytes());
        return site.vault.use_once(number, USED_MS, now).await;
    }
    let hash = hash_of(record.user, code);
    if !record.more.recovery.contains(&hash) {
        return Ok(false);
    }
    let number = number_of(site, record.user, "recovery", hash.as_bytes());
    if !site.vault.use_once(number, USED_MS, now).await? {
        return Ok(false);
    }
    let changed = site.vault.change_staff(name, |mut record| {
        record.more.recovery.retain(|left| *left != hash);
        Ok(record)
    });
    Ok(changed.await?.is_some())
}

/// Takes one's own second factor away, with a code of it.
///
/// # Errors
///
/// `sign_in_wrong`; `unfit` where the service wants one of everyone.
pub async fn remove(site: &Site, staff: &StaffSession, code: &str) -> Result<StaffGiven, Problem> {
    if site.options.require_totp {
        return Err(Problem::unfit("This service wants a second factor of everyone."));
    }
    let (name, record) = site.vault.account(staff.user).ok_or_else(Problem::staff_only)?;
    let now = site.node.now();
    if record.more.totp.is_empty() || site.wrong_codes.are_too_many(record.user, now) {
        return Err(wrong());
    }
    if !check(site, &name, &record, code).await? {
        site.wrong_codes.count(record.user, now);
        return Err(wrong());
    }
    note(site, staff, "second_factor_removed", "", "").await?;
    let changed = site.vault.change_staff(&name, |mut record| {
        without(&mut record);
        record.more.end_sessions();
        Ok(record)
    });
    given(site, &changed.await?.ok_or_else(Problem::staff_only)?)
}

/// An account without its second factor.
pub(super) fn without(record: &mut StaffRecord) {
    record.more.totp.clear();
    record.more.recovery.clear();
}

/// 16 characters each: 80 random bits, which nobody finds from a hash.
fn recovery_codes() -> Result<Vec<String>, Problem> {
    (0..RECOVERY_CODES).map(|_| vault::readable_password()).collect()
}

/// The hash of a recovery code, however it was typed.
fn hash_of(user: u32, code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut hasher = blake3::Hasher::new_derive_key("jari staff recovery code");
    hasher.update(&user.to_le_bytes()).update(plain.to_ascii_lowercase().as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// The number under which the use of a code is remembered.
fn number_of(site: &Site, user: u32, kind: &str, what: &[u8]) -> u64 {
    let scope = [b"staff code ", kind.as_bytes(), &user.to_le_bytes()].concat();
    site.keys.command_id(&scope, what).0 as u64
}

fn secret_of(name: &str) -> String {
    format!("second factor of {name}")
}

fn offer_of(user: u32) -> String {
    format!("second factor offered to {user}")
}

fn is_there() -> Problem {
    Problem::unfit("There is a second factor already. Take it away first.")
}
