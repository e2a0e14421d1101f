//! What the operator does: rooms, campaigns, clinics, slots, check-in. Who may is for `actions::staff`.
//!
//! Each function takes the verified session of the staff as its witness, and is in the audit list. Whatever changes
//! a rule carries a public reason. Adding clinics and slots is repeatable: the same key
//! and the same rows give the same numbers.

use jari_core::ids::{CommandId, RoomId};
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Outcome, Reason, Time};
use jari_wire::token::StaffSession;
use serde::Deserialize;
use utoipa::ToSchema;

use super::waiting::PaceView;
use super::{IdempotencyKey, staff, submit};
use crate::hex;
use crate::problem::Problem;
use crate::site::{Site, room_seed};
use crate::staff::audit;

pub use super::staff::{NOBODY, SignIn, StaffGiven, sign_in, sign_out};

pub mod calls;
pub mod campaigns;
pub mod desk;
pub mod directory;
pub mod exports;
pub mod messages;
pub mod opening;
pub mod rehearsal;
pub mod rules;

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

/// "Now" is so far ahead that the command is in the order by then; and so far if it was not.
const OPENS_WITHIN_MS: u64 = 1_000;
const OPENS_LATE_MS: u64 = 5_000;

/// Opens the session of someone of the staff, whatever their role.
///
/// # Errors
///
/// Problems of the token; `staff_session_expired`, also for one that was ended.
pub fn session(site: &Site, token: &str) -> Result<StaffSession, Problem> {
    staff::member(site, token).map(|member| member.session)
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

/// Opens a room now, ahead of its time: within a second.
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
    // The order's clock goes on until the command stands in it, and an opening in the past is refused.
    // The instant is another one each time, so the key cannot stand for the command.
    let within = |ms| schedule_room(site, staff, room, site.node.now().plus_ms(ms), reason, None);
    let opened = match within(OPENS_WITHIN_MS).await {
        Err(problem) if problem.is(Reason::SettingUnfit) => within(OPENS_LATE_MS).await,
        other => other,
    };
    match opened {
        // Whoever sends it again because no answer came wants no more than that.
        Err(problem) if key.is_some() && problem.is(Reason::AlreadyOpen) => Ok(()),
        other => other,
    }
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

/// Changes which part of a room's pace telephone agents may use, in thousandths.
///
/// # Errors
///
/// The machine's refusals: `setting_unfit` for more than half, `rules_unknown`.
pub async fn set_agent_share(
    site: &Site,
    staff: &StaffSession,
    room: RoomId,
    permille: u32,
    reason: &str,
    key: Option<&IdempotencyKey>,
) -> Result<(), Problem> {
    operate(site, staff, key, Body::SetAgentShare { room, permille, reason: reason.into() }).await
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

/// Submits an operator's command under their key, if they sent one. It is in the audit list before it
/// is done.
pub(crate) async fn operate(
    site: &Site,
    staff: &StaffSession,
    key: Option<&IdempotencyKey>,
    body: Body,
) -> Result<(), Problem> {
    outcome_of(site, staff, key, body).await.map(drop)
}

/// The same, with what it came to.
pub(crate) async fn outcome_of(
    site: &Site,
    staff: &StaffSession,
    key: Option<&IdempotencyKey>,
    body: Body,
) -> Result<Outcome, Problem> {
    let id = key.map_or(CommandId(0), |key| command_id(site, staff, key, None));
    let (what, on, reason) = audit::of_command(&body).ok_or_else(staff::role_unfit)?;
    let entry = staff::note(site, staff, what, on, &reason).await?;
    match submit(site, id, body).await {
        Ok(outcome) => Ok(outcome),
        Err(problem) => {
            staff::note_refusal(site, entry, &problem).await;
            Err(problem)
        }
    }
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
