//! Waiting rooms: join, see one's place, enter, leave.
//!
//! Joining an open room costs one command that is shared by everyone who joins in the
//! same batch; a place is worked out from a handful of numbers and, for a lobby's
//! ticket, 90 SHA-256 blocks, outside the state's lock.

use std::net::IpAddr;

use jari_core::ids::{CommandId, RoomId, Serial};
use jari_core::waiting_room::{Mark, Outlook};
use jari_core::{Body, Outcome, Reason, Refusal, State, Time};
use jari_wire::token::{Pass, Session, Slip, Ticket, Untimely};

use super::{submit, submit_plain};
use crate::poll;
use crate::prefix::Turn;
use crate::problem::Problem;
use crate::site::Site;

mod views;

pub(crate) use views::event_kind;
pub use views::{DrawView, Entered, EventView, PaceView, Place, Reach, RoomDetails, RoomState};
use views::{details, draw_view};

/// Slips count for so long after their instant.
const SLIP_MS: u64 = 120_000;
/// Events answered at once.
const EVENTS_SHOWN: usize = 200;

/// What a join came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Joining {
    /// A place in line: keep the token.
    Ticket {
        /// The signed ticket.
        token: String,
        /// The ticket's number.
        serial: u32,
    },
    /// Many come from this network: bring the slip back from `not_before` on.
    Slowed {
        /// The signed slip.
        slip: String,
        /// From when it counts.
        not_before: Time,
    },
}

/// All rooms, in the order of their numbers.
#[must_use]
pub fn rooms(site: &Site) -> Vec<RoomDetails> {
    let views = site.node.views();
    site.node.read(|state| {
        let data = state.data();
        let outlook = |id: &RoomId| views.rooms.get(id).map(|view| view.outlook).unwrap_or_default();
        data.rooms.iter().map(|(id, room)| details(*id, room, outlook(id), data, data.time)).collect()
    })
}

/// One room.
///
/// # Errors
///
/// `room_unknown`.
pub fn room(site: &Site, id: RoomId) -> Result<RoomDetails, Problem> {
    let views = site.node.views();
    let outlook = views.rooms.get(&id).map(|view| view.outlook).unwrap_or_default();
    site.node.read(|state| {
        let data = state.data();
        let room = data.rooms.get(&id).ok_or_else(unknown)?;
        Ok(details(id, room, outlook, data, data.time))
    })
}

/// The revealed draw of a room.
///
/// # Errors
///
/// `room_unknown`, and `draw_unrevealed` (404) before the reveal.
pub fn draw(site: &Site, id: RoomId) -> Result<DrawView, Problem> {
    site.node.read(|state| {
        let room = state.data().rooms.get(&id).ok_or_else(unknown)?;
        draw_view(room).ok_or_else(|| {
            Problem::caller(
                http::StatusCode::NOT_FOUND,
                "draw_unrevealed",
                "The draw has not been revealed",
                "The seed is revealed when the room opens. Its hash, published beforehand, is the room's commitment.",
            )
        })
    })
}

/// The newest public events with numbers from `since` on, oldest first; at most 200.
/// `subject` narrows them to one room, campaign or slot number.
#[must_use]
pub fn events(site: &Site, since: u64, subject: Option<u32>) -> Vec<EventView> {
    site.node.read(|state| {
        let events = &state.data().events;
        let wanted = |number: u64| {
            let event = events.get(number)?;
            subject.is_none_or(|subject| subject == event.subject).then(|| EventView {
                number,
                at_ms: event.at.0,
                kind: event_kind(event.kind),
                subject: event.subject,
                value: event.value,
                reason: event.reason.to_string(),
            })
        };
        let newest_first = (since.max(events.first())..events.end()).rev().filter_map(wanted);
        let mut found: Vec<EventView> = newest_first.take(EVENTS_SHOWN).collect();
        found.reverse();
        found
    })
}

/// Takes a place in line. An anonymous join from a crowded network gets a slip instead,
/// which is brought back later; an identified one finds its ticket again.
///
/// # Errors
///
/// The machine's refusals; problems of the slip.
pub async fn join(
    site: &Site,
    room: RoomId,
    session: Option<&Session>,
    network: IpAddr,
    slip: Option<&str>,
) -> Result<Joining, Problem> {
    let identity_bound = site
        .node
        .read(|state| state.data().rooms.get(&room).map(|room| room.config.identity_bound))
        .ok_or_else(unknown)?;
    if identity_bound {
        let session =
            session.ok_or_else(|| Problem::from(Refusal { reason: Reason::IdentityRequired, detail: 0 }))?;
        return join_as(site, room, session).await;
    }
    let slip = slip.map(|text| Slip::open(text, &site.keys)).transpose()?;
    match slip {
        Some(slip) => redeem(site, room, slip, network).await,
        None => take_chance(site, room, network).await,
    }
}

/// An anonymous join at the network's pace.
async fn take_chance(site: &Site, room: RoomId, network: IpAddr) -> Result<Joining, Problem> {
    if let Turn::From { not_before, reserved } = site.prefixes.turn(network, site.node.now()) {
        return slowed(site, room, not_before, reserved);
    }
    let serial = site.node.join(room).await??;
    Ok(ticket(site, Ticket { room, serial, person: None }))
}

async fn join_as(site: &Site, room: RoomId, session: &Session) -> Result<Joining, Problem> {
    let body = Body::JoinAs { room, person: session.person };
    match submit_plain(site, body).await? {
        Outcome::Joined { first, .. } => {
            Ok(ticket(site, Ticket { room, serial: first, person: Some(session.person) }))
        }
        other => Err(Problem::unexpected(other)),
    }
}

fn ticket(site: &Site, ticket: Ticket) -> Joining {
    Joining::Ticket { token: ticket.seal(&site.keys), serial: ticket.serial.0 }
}

/// A join with a slip. One that comes too early keeps its instant; one whose instant was not
/// reserved takes its chance again.
///
/// A reserved one is a command with an id of its own, so it gives the same ticket at every
/// node and as often as it is brought back, as long as the machine remembers the command:
/// the last `RECENT_MAX` commands with an id, that is 12 s at 84,000 commands a second and
/// longer than a slip counts below 8,700. Brought back after that it would give another
/// ticket, behind the first; the slip's end bounds how often.
async fn redeem(site: &Site, room: RoomId, slip: Slip, network: IpAddr) -> Result<Joining, Problem> {
    if slip.room != room {
        return Err(Problem::other_room());
    }
    let reserved = slip.nonce & 1 == 1;
    match slip.check(site.node.now()) {
        // The very same slip: another one for its instant would be another ticket.
        Err(Untimely::TooEarly { not_before }) => {
            return Ok(Joining::Slowed { slip: slip.seal(&site.keys), not_before });
        }
        Err(expired) => return Err(expired.into()),
        Ok(()) if !reserved => return take_chance(site, room, network).await,
        Ok(()) => {}
    }
    match submit(site, join_id(site, &slip), Body::Join { room, count: 1 }).await? {
        Outcome::Joined { first, .. } => Ok(ticket(site, Ticket { room, serial: first, person: None })),
        other => Err(Problem::unexpected(other)),
    }
}

/// The id of the join that a slip stands for: every node with the same keys finds the same.
fn join_id(site: &Site, slip: &Slip) -> CommandId {
    let mut bytes = [0; 28];
    bytes[..4].copy_from_slice(&slip.room.0.to_le_bytes());
    bytes[4..12].copy_from_slice(&slip.not_before.0.to_le_bytes());
    bytes[12..20].copy_from_slice(&slip.ends_at.0.to_le_bytes());
    bytes[20..].copy_from_slice(&slip.nonce.to_le_bytes());
    site.keys.command_id(b"slip", &bytes)
}

fn slowed(site: &Site, room: RoomId, not_before: Time, reserved: bool) -> Result<Joining, Problem> {
    let random = u64::from_le_bytes(crate::random::bytes()?);
    let nonce = random & !1 | u64::from(reserved);
    let slip = Slip { room, not_before, ends_at: not_before.plus_ms(SLIP_MS), nonce };
    Ok(Joining::Slowed { slip: slip.seal(&site.keys), not_before })
}

/// Where a ticket is in line. One that another node has just given is waited for.
///
/// # Errors
///
/// `room_unknown` and `ticket_unknown`.
pub async fn place(site: &Site, ticket: &Ticket) -> Result<Place, Problem> {
    let standing = |state: &State| {
        let views = site.node.views();
        let outlook = views.rooms.get(&ticket.room).map(|view| view.outlook).unwrap_or_default();
        let data = state.data();
        let room = data.rooms.get(&ticket.room).ok_or_else(unknown)?;
        if ticket.serial.0 >= room.issued {
            return Err(Problem::from(Refusal { reason: Reason::TicketUnknown, detail: 0 }));
        }
        let mark = room.marks.get(ticket.serial);
        let details = details(ticket.room, room, outlook, data, data.time);
        Ok((details, room.lobby, room.draw, mark, outlook))
    };
    let found = match site.node.find(|state| standing(state).ok()).await {
        Some(found) => found,
        None => site.node.read(standing)?,
    };
    let (details, lobby, draw, mark, outlook) = found;
    let position = match (lobby, draw) {
        (Some(lobby), _) if ticket.serial.0 >= lobby => Some(ticket.serial.0),
        (Some(_), Some(draw)) => Some(draw.position(ticket.serial.0)),
        _ => None,
    };
    Ok(place_of(details, ticket.serial, position, mark, &outlook))
}

fn place_of(
    room: RoomDetails,
    serial: Serial,
    position: Option<u32>,
    mark: Mark,
    outlook: &Outlook,
) -> Place {
    let is_called = position.is_some_and(|position| position < room.called);
    let ahead = position.map(|position| position.saturating_sub(room.called));
    let wait_ms = ahead.and_then(|ahead| wait(ahead, is_called, outlook));
    let spent = mark == Mark::Spent;
    Place {
        room: room.room,
        name: room.name,
        serial: serial.0,
        state: room.state,
        position,
        called: room.called,
        issued: room.issued,
        ahead,
        is_called,
        can_enter: is_called && !spent && room.state == RoomState::Open,
        inside: mark == Mark::Inside,
        spent,
        wait_ms,
        reach: position.and_then(|position| reach(position, outlook)),
        free: room.free,
        opens_at_ms: room.opens_at_ms,
        now_ms: room.now_ms,
        poll_after_ms: poll_after(serial, wait_ms, room.state, room.opens_at_ms, room.now_ms),
        paused_because: room.paused_because,
        notices: room.notices,
        campaign: room.campaign,
    }
}

/// The range of the wait, from the measured range of the pace. None while nothing moves.
fn wait(ahead: u32, is_called: bool, outlook: &Outlook) -> Option<(u64, u64)> {
    if is_called {
        return Some((0, 0));
    }
    let (low, high) = (outlook.calls_per_minute_low, outlook.calls_per_minute_high);
    if high == 0 {
        return None;
    }
    let at = |pace: u32| (u64::from(ahead) + 1) * 60_000 / u64::from(pace);
    Some((at(high), at(low.max(1))))
}

fn reach(position: u32, outlook: &Outlook) -> Option<Reach> {
    let (low, high) = (outlook.reach_low?, outlook.reach_high?);
    Some(if position < low {
        Reach::Likely
    } else if position < high {
        Reach::Unsure
    } else {
        Reach::Unlikely
    })
}

/// The same ticket spreads to the same side every time, which spreads the crowd.
fn poll_after(serial: Serial, wait: Option<(u64, u64)>, state: RoomState, opens_at: u64, now: u64) -> u64 {
    let expected = match (state, wait) {
        (RoomState::Lobby, _) => opens_at.saturating_sub(now),
        (_, Some((low, _))) => low,
        (_, None) => 60_000,
    };
    poll::interval_ms(expected, poll::jitter_of(serial.0))
}

/// Turns a called ticket into a pass, or finds the pass again.
///
/// # Errors
///
/// The machine's refusals: `not_called`, `busy`, `room_paused`, `ticket_spent`, ...
pub async fn enter(site: &Site, ticket: &Ticket) -> Result<Entered, Problem> {
    let body = Body::Enter { room: ticket.room, serial: ticket.serial };
    match submit_plain(site, body).await? {
        Outcome::Entered { ends_at } => {
            let pass = Pass { room: ticket.room, serial: ticket.serial, ends_at };
            Ok(Entered { pass_token: pass.seal(&site.keys), ends_at_ms: ends_at.0 })
        }
        other => Err(Problem::unexpected(other)),
    }
}

/// Gives a ticket or its pass back.
///
/// # Errors
///
/// The machine's refusals.
pub async fn leave(site: &Site, ticket: &Ticket) -> Result<(), Problem> {
    submit_plain(site, Body::Leave { room: ticket.room, serial: ticket.serial }).await?;
    Ok(())
}

fn unknown() -> Problem {
    Refusal { reason: Reason::RoomUnknown, detail: 0 }.into()
}
