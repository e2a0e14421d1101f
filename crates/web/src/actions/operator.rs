//! What the operator does: sign in, rooms, campaigns, clinics, slots, check-in.
//!
//! Each function takes the verified session of the staff as its witness. Whatever changes
//! a rule carries a public reason. Adding clinics and slots is repeatable: the same key
//! and the same rows give the same numbers.

use std::net::IpAddr;

use jari_core::ids::{CommandId, RoomId};
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Time};
use jari_wire::token::StaffSession;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::waiting::PaceView;
use super::{IdempotencyKey, submit};
use crate::hex;
use crate::prefix::Turn;
use crate::problem::{Expiring, Problem, expired};
use crate::random;
use crate::site::{Site, room_seed};
use crate::vault;

pub mod campaigns;
pub mod directory;
pub mod messages;
pub mod rules;

/// The role of an operator: everything.
pub const ROLE_OPERATOR: u8 = 1;
/// Passwords that may wait to be checked.
const SIGN_IN_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// What an unknown name's password is compared with, so that names cannot be told by time.
pub const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5$L3hJkW9Zg1Qd9Yq0m8Qm0v3tq3Oe6cJ1wV1bq3b2Z0k";

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The name; `operator` for the first one.
    pub name: String,
    /// The password.
    pub password: String,
}

/// An operator who is signed in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct StaffGiven {
    /// `Authorization: Bearer` of the operator's API.
    pub staff_token: String,
    /// When it ends.
    pub ends_at_ms: u64,
}

/// A room to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRoom {
    /// Its number.
    pub room: u32,
    /// Its name.
    pub name: String,
    /// When it opens.
    pub opens_at_ms: u64,
    /// The campaign it stands in front of.
    #[serde(default)]
    pub campaign: Option<u32>,
    /// Calling waits for a public value handed in after the opening.
    #[serde(default)]
    pub awaits_beacon: bool,
    /// One ticket a person.
    #[serde(default)]
    pub identity_bound: bool,
    /// A gate lets people through when it cannot ask.
    #[serde(default)]
    pub fails_open: bool,
    /// Bookings that one pass may serve.
    #[serde(default = "one")]
    pub bookings_per_pass: u8,
    /// How fast it lets people in.
    pub pace: PaceView,
}

fn one() -> u8 {
    1
}

/// Checks a name and password.
///
/// # Errors
///
/// `sign_in_wrong`, `sign_ins_often`, or a passing problem.
pub async fn sign_in(site: &Site, sign_in: &SignIn, network: IpAddr) -> Result<StaffGiven, Problem> {
    let now = site.node.now();
    if let Turn::From { not_before, .. } = site.sign_in_prefixes.turn(network, now) {
        let detail = "Many sign-ins were tried from your network. Wait a little before you try again.";
        let wait = u32::try_from(not_before.since_ms(now)).unwrap_or(u32::MAX);
        let status = http::StatusCode::TOO_MANY_REQUESTS;
        return Err(
            Problem::caller(status, "sign_ins_often", "Too many sign-ins", detail).after_ms(wait.max(1_000))
        );
    }
    if sign_in.name.len() > 100 || sign_in.password.len() > 1_000 {
        return Err(wrong());
    }
    let record = site.vault.staff_now(&sign_in.name).await;
    let hash = record.as_ref().map_or(NOBODY, |record| record.hash.as_str()).to_owned();
    let checked = check_password(site, sign_in.password.clone(), hash).await?;
    let record = record.filter(|_| checked).ok_or_else(wrong)?;
    let ends_at = now.plus_ms(site.options.staff_session_ms);
    let nonce = u64::from_le_bytes(random::bytes()?);
    let session = StaffSession { user: record.user, role: record.role, ends_at, nonce };
    Ok(StaffGiven { staff_token: session.seal(&site.keys), ends_at_ms: ends_at.0 })
}

async fn check_password(site: &Site, password: String, hash: String) -> Result<bool, Problem> {
    let busy = || {
        let detail = "Several people sign in at this moment. Nothing was changed; try again.";
        Problem::busy("sign_ins_busy", "Sign-in is busy", detail, 2_000)
    };
    let permit = tokio::time::timeout(SIGN_IN_WAIT, site.password_checks.acquire()).await;
    let _permit = permit.ok().and_then(Result::ok).ok_or_else(busy)?;
    let checked = tokio::task::spawn_blocking(move || vault::verify(&password, &hash)).await;
    checked.map_err(|_| busy())
}

/// Opens the session of an operator.
///
/// # Errors
///
/// Problems of the token; `staff_session_expired`, also for one that was ended.
pub fn session(site: &Site, token: &str) -> Result<StaffSession, Problem> {
    let session = StaffSession::open(token, &site.keys)?;
    session.check(site.node.now()).map_err(|_| expired(Expiring::StaffSession))?;
    if session.role != ROLE_OPERATOR || site.vault.session_ended(session.nonce) {
        return Err(expired(Expiring::StaffSession));
    }
    Ok(session)
}

/// Ends a session before its time. Durable.
///
/// # Errors
///
/// A passing problem: the session still counts.
pub async fn sign_out(site: &Site, staff: &StaffSession) -> Result<(), Problem> {
    site.vault.end_session(staff.nonce, staff.ends_at.0, site.node.now().0).await
}

/// Changes the operator's own password.
///
/// # Errors
///
/// `unfit` for a short one; a passing problem of the vault.
pub async fn set_password(
    site: &Site,
    staff: &StaffSession,
    name: &str,
    password: &str,
) -> Result<(), Problem> {
    if !(12..=1_000).contains(&password.len()) {
        return Err(Problem::unfit("A password has 12 to 1,000 bytes."));
    }
    let known = site.vault.staff_now(name).await;
    let known = known.filter(|record| record.user == staff.user).ok_or_else(Problem::staff_only)?;
    site.vault.set_password(name, known.user, known.role, password).await
}

/// Makes a room. Its seed is derived from the key ring, its commitment published at once.
///
/// # Errors
///
/// The machine's refusals: `room_exists`, `setting_unfit`, ...
pub async fn create_room(
    site: &Site,
    staff: &StaffSession,
    new: &NewRoom,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    let room = RoomId(new.room);
    let config = RoomConfig {
        name: new.name.as_str().into(),
        opens_at: Time(new.opens_at_ms),
        commitment: draw::commitment(&room_seed(&site.keys, room, &new.name)),
        campaign: new.campaign.map(jari_core::ids::CampaignId),
        awaits_beacon: new.awaits_beacon,
        identity_bound: new.identity_bound,
        fails_open: new.fails_open,
        bookings_per_pass: new.bookings_per_pass,
        pace: new.pace.to_pace(),
    };
    operate(site, staff, key, Body::CreateRoom { room, config: Box::new(config) }).await
}

/// Moves the opening of a room that has not opened.
///
/// # Errors
///
/// The machine's refusals.
pub async fn schedule_room(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    opens_at: Time,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::ScheduleRoom { room, opens_at, reason: reason.into() }).await
}

/// Opens a room now, ahead of its time.
///
/// # Errors
///
/// The machine's refusals.
pub async fn open_room(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    let opens_at = site.node.now();
    schedule_room(site, staff, room, opens_at, reason, key).await
}

/// Stops calling and entering; everyone keeps their place.
///
/// # Errors
///
/// The machine's refusals.
pub async fn pause_room(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::PauseRoom { room, reason: reason.into() }).await
}

/// Goes on after a pause.
///
/// # Errors
///
/// The machine's refusals.
pub async fn resume_room(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::ResumeRoom { room }).await
}

/// Ends a room for good.
///
/// # Errors
///
/// The machine's refusals.
pub async fn close_room(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::CloseRoom { room, reason: reason.into() }).await
}

/// Changes how fast a room lets people in.
///
/// # Errors
///
/// The machine's refusals.
pub async fn set_pace(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    pace: &PaceView,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::SetPace { room, pace: pace.to_pace(), reason: reason.into() }).await
}

/// Puts up notices; none takes all down.
///
/// # Errors
///
/// The machine's refusals.
pub async fn set_notices(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    notices: &[String],
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    let notices = notices.iter().map(|notice| notice.as_str().into()).collect();
    operate(site, staff, key, Body::SetNotices { room, notices }).await
}

/// Hands in the public value that a room waits for, 64 hexadecimal digits, and reveals
/// the draw.
///
/// # Errors
///
/// `unfit`, `room_unknown`, and the machine's refusals: `draw_not_due`, `seed_wrong`.
pub async fn draw_room(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    beacon: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    let beacon = hex::decode(beacon).ok_or_else(|| Problem::unfit("A beacon is 64 hexadecimal digits."))?;
    let name = super::waiting::room(site, room)?.name;
    let seed = room_seed(&site.keys, room, &name);
    operate(site, staff, key, Body::DrawRoom { room, seed, beacon }).await
}

impl PaceView {
    /// The pace as the machine keeps it.
    #[must_use]
    pub fn to_pace(&self) -> Pace {
        Pace {
            entries_per_minute_max: self.entries_per_minute_max,
            passes_max: self.passes_max,
            pass_ttl_ms: self.pass_ttl_ms,
            latency_goal_ms: self.latency_goal_ms,
            error_goal_ppm: self.error_goal_ppm,
        }
    }
}

/// Submits an operator's command under their key, if they sent one.
pub(crate) async fn operate(
    site: &Site,
    staff: &StaffSession,
    key: Option<&IdempotencyKey>,
    body: Body,
) -> Result<(), Problem> {
    let id = key.map_or(CommandId(0), |key| command_id(site, staff, key, None));
    submit(site, id, body).await?;
    Ok(())
}

/// The id of an operator's command; of one row of it, where it has many.
pub(crate) fn command_id(
    site: &Site,
    staff: &StaffSession,
    key: &IdempotencyKey,
    row: Option<u32>,
) -> CommandId {
    let mut scope = [0; 9];
    scope[0] = if row.is_some() { b'r' } else { b's' };
    scope[1..5].copy_from_slice(&staff.user.to_le_bytes());
    scope[5..].copy_from_slice(&row.unwrap_or(0).to_le_bytes());
    site.keys.command_id(&scope, key.as_str().as_bytes())
}

fn wrong() -> Problem {
    Problem::caller(
        http::StatusCode::UNAUTHORIZED,
        "sign_in_wrong",
        "Name or password is wrong",
        "The name or the password is wrong. The first password was printed when the service first started.",
    )
}
