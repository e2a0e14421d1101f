//! What a telephone agent does for whoever is on the line: finds or registers them, lets them in under
//! the agents' share, books, moves and cancels, and forgets who they are if they ask for it.
//!
//! **Who it is.** A person is a name, a birth date and a telephone number, proven by a code to that
//! number ([0006](../../../../../docs/decisions/0006-identity.md)); the caller reads it out. Whoever
//! cannot read a message (a landline) is vouched for by the agent. A voice proves nothing, so that is
//! for people whom the service does not know yet, or who name the code of a booking of theirs: nobody
//! cancels a neighbour's booking by knowing their birthday. Which of the two it was is in the audit list.
//!
//! A call's token counts together with the agent's own session only, for half an hour, and each deed is
//! in the audit list by the number of the booking, never by the caller's name. Start reading at
//! [`confirm_code`] and [`hold`].

use jari_core::command::Entry;
use jari_core::ids::{BookingId, CampaignId, ChannelId, RoomId, SlotId};
use jari_core::{Body, Outcome, Time};
use jari_wire::token::{Pass, Session, StaffSession};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::outcome_of;
use crate::actions::booking::{self, BookingView, Held};
use crate::actions::identity::{self, Challenge, Claim, ForgottenBy};
use crate::actions::waiting::Entered;
use crate::actions::{IdempotencyKey, places, staff as members, submit};
use crate::problem::Problem;
use crate::site::Site;

/// A call's token counts for so long: longer than calls take.
const CALL_MS: u64 = 30 * 60_000;

/// A caller whom the agent vouches for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Vouched {
    /// Who they say they are.
    pub person: Claim,
    /// The code of a booking of theirs; needed where the service knows them already.
    #[serde(default)]
    pub booking_code: String,
}

/// Whoever is on the line is identified.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct CallGiven {
    /// `Jari-Call` of the agents' addresses.
    pub call_token: String,
    /// When it ends.
    pub ends_at_ms: u64,
}

/// Sends a code to the caller's telephone.
///
/// # Errors
///
/// As [`identity::ask_code`], but for the limit of a network: agents share one. `deeds_often`.
pub async fn ask_code(site: &Site, staff: &StaffSession, claim: &Claim) -> Result<Challenge, Problem> {
    let identified = identity::identify(site, claim)?;
    noted(site, staff, "send_code_to_caller", "", async { identity::send_code(site, identified) }).await
}

/// Turns the code that the caller read out into a call.
///
/// # Errors
///
/// As [`identity::confirm_code`].
pub async fn confirm_code(
    site: &Site,
    staff: &StaffSession,
    challenge: &str,
    code: &str,
) -> Result<CallGiven, Problem> {
    let ends_at = ends_at(site);
    let confirmed = identity::confirmed(site, challenge, code, ChannelId::AGENT, ends_at);
    noted(site, staff, "identify_caller", "", confirmed).await.map(|session| given(site, &session))
}

/// Takes the agent's word for who is on the line.
///
/// # Errors
///
/// `unfit` for a field; `caller_known` (409) where the service knows them and no booking of theirs was
/// named.
pub async fn vouch(site: &Site, staff: &StaffSession, asked: &Vouched) -> Result<CallGiven, Problem> {
    let identified = identity::identify(site, &asked.person)?;
    let vouching = async {
        let person = identified.person;
        let named = booking::by_code(site, asked.booking_code.trim()).ok();
        let (is_known, is_theirs) = site.node.read(|state| {
            let is_known = state.contact_of(person).is_some() || state.bookings_of(person).next().is_some();
            let named = named.and_then(|id| state.data().bookings.get(u64::from(id.0)));
            (is_known, named.is_some_and(|booking| booking.person() == person))
        });
        if is_known && !is_theirs {
            return Err(known());
        }
        identity::keep_new(site, &identified).await?;
        Ok(Session { person, birth: identified.birth, ends_at: ends_at(site), channel: ChannelId::AGENT })
    };
    noted(site, staff, "vouch_for_caller", "", vouching).await.map(|session| given(site, &session))
}

fn known() -> Problem {
    Problem::caller(
        http::StatusCode::CONFLICT,
        "caller_known",
        "The service knows this person",
        "Somebody with this name, birth date and telephone is known here, so an agent's word is not enough. Nothing \
         was changed. Send a code to their telephone, or ask for the code of a booking of theirs.",
    )
}

fn ends_at(site: &Site) -> Time {
    site.node.now().plus_ms(CALL_MS)
}

fn given(site: &Site, session: &Session) -> CallGiven {
    CallGiven { call_token: session.seal(&site.keys), ends_at_ms: session.ends_at.0 }
}

/// Opens a call's token. It is of no use without the session of an agent.
///
/// # Errors
///
/// Problems of the token; `call_over`; `call_missing` for a person's own session.
pub fn open(site: &Site, token: &str) -> Result<Session, Problem> {
    let session = Session::open(token, &site.keys)?;
    if session.channel != ChannelId::AGENT {
        return Err(missing());
    }
    session.check(site.node.now()).map_err(|_| over())?;
    Ok(session)
}

/// Nobody is on the line.
pub(crate) fn missing() -> Problem {
    Problem::caller(
        http::StatusCode::BAD_REQUEST,
        "call_missing",
        "Nobody is on the line",
        "This needs the token of a call, sent as Jari-Call. Identify the caller first. Nothing was changed.",
    )
}

fn over() -> Problem {
    Problem::caller(
        http::StatusCode::BAD_REQUEST,
        "call_over",
        "The call has lasted too long",
        "The caller was identified more than half an hour ago. Nothing was changed. Identify them once more.",
    )
}

/// The caller's holds and bookings, newest first.
pub async fn bookings(site: &Site, _staff: &StaffSession, call: &Session) -> Vec<BookingView> {
    booking::my_bookings(site, call).await
}

/// Lets the caller into a room under the agents' share, or finds the pass again that they have.
///
/// # Errors
///
/// The machine's refusals: `busy` with the time until there is room, `agent_share_none`, `room_paused`,
/// `rules_unknown`, ...
pub async fn enter(
    site: &Site,
    staff: &StaffSession,
    call: &Session,
    room: RoomId,
) -> Result<Entered, Problem> {
    let pass = pass(site, staff, call, room).await?;
    Ok(Entered { pass_token: pass.seal(&site.keys), ends_at_ms: pass.ends_at.0 })
}

async fn pass(site: &Site, staff: &StaffSession, call: &Session, room: RoomId) -> Result<Pass, Problem> {
    match outcome_of(site, staff, None, Body::EnterByAgent { room, person: call.person }).await? {
        Outcome::EnteredByAgent { serial, ends_at } => Ok(Pass { room, serial, ends_at }),
        other => Err(Problem::unexpected(other)),
    }
}

/// Holds a place for the caller. Where the campaign stands behind a room, they are let in first.
///
/// # Errors
///
/// As [`enter`]; the machine's refusals of a hold.
pub async fn hold(
    site: &Site,
    staff: &StaffSession,
    call: &Session,
    slot: SlotId,
    dose: u8,
    key: &IdempotencyKey,
) -> Result<Held, Problem> {
    let desk = places::slot(site, slot)?.desk;
    let campaign = CampaignId(places::clinic(site, jari_core::ids::DeskId(desk))?.campaign);
    let room = site.node.read(|state| state.data().campaigns.get(&campaign)?.config.room);
    let pass = match room {
        Some(room) => Some(pass(site, staff, call, room).await?),
        None => None,
    };
    let body = Body::Hold {
        slot,
        person: call.person,
        birth: call.birth,
        dose,
        entry: pass.map(|pass| Entry { room: pass.room, serial: pass.serial }),
        channel: ChannelId::AGENT,
    };
    let held = submit(site, booking::command_id(site, call, key), body);
    match noted(site, staff, "hold_for_caller", &format!("slot {}", slot.0), held).await? {
        Outcome::Held { booking, ends_at } => Ok(Held {
            booking: booking.0,
            code: crate::code::encode(&site.keys, booking),
            ends_at_ms: ends_at.0,
        }),
        other => Err(Problem::unexpected(other)),
    }
}

/// Turns the caller's hold, or an offer that they have, into a booking.
///
/// # Errors
///
/// The machine's refusals.
pub async fn confirm(
    site: &Site,
    staff: &StaffSession,
    call: &Session,
    id: BookingId,
    key: &IdempotencyKey,
) -> Result<BookingView, Problem> {
    let on = format!("booking {}", id.0);
    noted(site, staff, "confirm_for_caller", &on, booking::confirm(site, call, id, key)).await
}

/// Gives the caller's hold or booking back.
///
/// # Errors
///
/// The machine's refusals.
pub async fn cancel(
    site: &Site,
    staff: &StaffSession,
    call: &Session,
    id: BookingId,
    key: &IdempotencyKey,
) -> Result<BookingView, Problem> {
    let on = format!("booking {}", id.0);
    noted(site, staff, "cancel_for_caller", &on, booking::cancel(site, call, id, key)).await
}

/// Moves the caller's booking in one step.
///
/// # Errors
///
/// The machine's refusals; the booking stays where it was.
pub async fn reschedule(
    site: &Site,
    staff: &StaffSession,
    call: &Session,
    id: BookingId,
    slot: SlotId,
    key: &IdempotencyKey,
) -> Result<BookingView, Problem> {
    let on = format!("booking {}", id.0);
    noted(site, staff, "move_for_caller", &on, booking::reschedule(site, call, id, slot, key)).await
}

/// Forgets the caller's name and number, as they asked; bookings stay. The call is of no use any more.
///
/// # Errors
///
/// A passing problem of the vault or the journal: ask again.
pub async fn forget(site: &Site, staff: &StaffSession, call: &Session) -> Result<(), Problem> {
    let forgotten = identity::forget_person(site, call.person, ForgottenBy::Agent);
    noted(site, staff, "forget_caller", "", forgotten).await
}

/// Does something that is in the audit list before it is done, and once more if it was refused.
async fn noted<T>(
    site: &Site,
    staff: &StaffSession,
    what: &str,
    on: &str,
    deed: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let entry = members::note(site, staff, what, on, "").await?;
    match deed.await {
        Ok(done) => Ok(done),
        Err(problem) => {
            members::note_refusal(site, entry, &problem).await;
            Err(problem)
        }
    }
}
