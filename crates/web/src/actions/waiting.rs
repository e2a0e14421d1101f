//! Waiting rooms: join, see one's place, enter, leave.
//!
//! Joining an open room costs one command that is shared by everyone who joins in the
//! same batch; a place is worked out from a handful of numbers and, for a lobby's
//! ticket, 90 SHA-256 blocks, outside the state's lock.

use std::net::IpAddr;

use jari_core::ids::{RoomId, Serial};
use jari_core::state::EventKind;
use jari_core::waiting_room::{Mark, Outlook, Phase, Room};
use jari_core::{Body, Outcome, Reason, Refusal, Time};
use jari_wire::token::{Pass, Session, Slip, Ticket, Untimely};
use serde::Serialize;
use utoipa::ToSchema;

use super::submit_plain;
use crate::hex;
use crate::prefix::Turn;
use crate::problem::Problem;
use crate::site::Site;

/// Slips count for so long after their instant.
const SLIP_MS: u64 = 120_000;
/// Polls are this far apart at least and at most.
const POLL_MS: (u64, u64) = (2_000, 300_000);
/// Events answered at once.
const EVENTS_SHOWN: usize = 200;

/// Where a room is.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoomState {
    /// Gathering; the order will be drawn.
    Lobby,
    /// Calling.
    Open,
    /// Nobody is called; everyone keeps their place.
    Paused,
    /// Over.
    Closed,
}

/// A revealed draw: anyone can recompute every lobby ticket's position from it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct DrawView {
    /// What the commitment was the SHA-256 of, hexadecimal.
    pub seed: String,
    /// The public value mixed in, hexadecimal; zeros if none.
    pub beacon: String,
    /// SHA-256 of seed then beacon: the seed of the shuffle, hexadecimal.
    pub mixed: String,
    /// Tickets in the draw: serials below this.
    pub lobby: u32,
    /// The shuffle: `compute_shuffled_index`, 90 rounds, SHA-256.
    pub method: &'static str,
}

/// How fast a room lets people in.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaceView {
    /// Entries a minute at the most; 0 stops entering.
    pub entries_per_minute_max: u32,
    /// Passes active at once at the most.
    pub passes_max: u32,
    /// How long a pass lasts, milliseconds.
    pub pass_ttl_ms: u32,
    /// Slow down when the 95th percentile is above it, milliseconds; 0 turns that off.
    pub latency_goal_ms: u32,
    /// Slow down when more errors per million are reported.
    pub error_goal_ppm: u32,
}

/// A room, as everyone may see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct RoomDetails {
    /// Its number.
    pub room: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: RoomState,
    /// When it opens or opened, by this service's clock.
    pub opens_at_ms: u64,
    /// This service's clock now.
    pub now_ms: u64,
    /// Why it is paused.
    pub paused_because: Option<String>,
    /// What the operator has to say.
    pub notices: Vec<String>,
    /// Tickets issued.
    pub issued: u32,
    /// Positions called.
    pub called: u32,
    /// Tickets that have entered.
    pub entered: u32,
    /// Passes active now.
    pub inside: u32,
    /// Tickets in the draw, once the lobby is frozen.
    pub lobby: Option<u32>,
    /// Whether a ticket needs an identity.
    pub identity_bound: bool,
    /// The campaign behind it.
    pub campaign: Option<u32>,
    /// Bookings that one pass may serve.
    pub bookings_per_pass: u8,
    /// Whether a gate lets people through when it cannot ask.
    pub fails_open: bool,
    /// Whether the draw waits for a public value after the opening.
    pub awaits_beacon: bool,
    /// SHA-256 of the seed, hexadecimal: published before anyone joined.
    pub commitment: String,
    /// The draw, once revealed.
    pub draw: Option<DrawView>,
    /// How fast it lets people in.
    pub pace: PaceView,
    /// Positions called a minute, as measured: the slower and the faster end.
    pub calls_per_minute: (u32, u32),
    /// The linked campaign's free places.
    pub free: Option<u32>,
}

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

/// Whether supply will reach a place.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// It will, as far as can be foreseen.
    Likely,
    /// It may.
    Unsure,
    /// It cannot be expected to.
    Unlikely,
}

/// A ticket's place in line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Place {
    /// The room.
    pub room: u32,
    /// The room's name.
    pub name: String,
    /// The ticket's number.
    pub serial: u32,
    /// Where the room is.
    pub state: RoomState,
    /// Position in line from 0; unknown until the lobby is drawn.
    pub position: Option<u32>,
    /// Positions called.
    pub called: u32,
    /// Tickets issued.
    pub issued: u32,
    /// How many are to be called before this one; unknown like the position.
    pub ahead: Option<u32>,
    /// Whether its turn has come.
    pub is_called: bool,
    /// Whether entering now should work.
    pub can_enter: bool,
    /// Whether it is inside: it has an active pass.
    pub inside: bool,
    /// Whether it is used up or given back.
    pub spent: bool,
    /// The expected wait, milliseconds: low and high end.
    pub wait_ms: Option<(u64, u64)>,
    /// Whether supply will reach it; none without a campaign.
    pub reach: Option<Reach>,
    /// The linked campaign's free places.
    pub free: Option<u32>,
    /// When the room opens or opened.
    pub opens_at_ms: u64,
    /// This service's clock now.
    pub now_ms: u64,
    /// When to look again, milliseconds from now: an eighth of the wait, 2 s to 5 min,
    /// spread by 20 %.
    pub poll_after_ms: u64,
    /// Why the room is paused.
    pub paused_because: Option<String>,
    /// What the operator has to say.
    pub notices: Vec<String>,
    /// The campaign behind the room.
    pub campaign: Option<u32>,
}

/// A turn inside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Entered {
    /// The signed pass: send it with a hold.
    pub pass_token: String,
    /// When it ends.
    pub ends_at_ms: u64,
}

/// Something everyone may know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EventView {
    /// Its number; grows by one with each event.
    pub number: u64,
    /// When.
    pub at_ms: u64,
    /// What happened.
    #[schema(example = "quota_set")]
    pub kind: &'static str,
    /// The room, campaign or slot it is about.
    pub subject: u32,
    /// The new number, where there is one.
    pub value: u64,
    /// The public reason; may be empty.
    pub reason: String,
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
    let turn = match slip {
        Some(slip) => redeem(site, room, slip, network)?,
        None => site.prefixes.turn(network, site.node.now()),
    };
    if let Turn::From { not_before, reserved } = turn {
        return slowed(site, room, not_before, reserved);
    }
    let joined =
        site.node.join(room).await.map_err(Problem::from).and_then(|joined| joined.map_err(Problem::from));
    if let (Err(_), Some(slip)) = (&joined, slip) {
        // A join that failed here must not cost its slip.
        site.slips.give_back(slip.nonce, slip.ends_at);
    }
    Ok(ticket(site, Ticket { room, serial: joined?, person: None }))
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

/// What a slip is worth now. One that comes too early keeps its instant; one whose
/// instant was not reserved takes its chance again.
fn redeem(site: &Site, room: RoomId, slip: Slip, network: IpAddr) -> Result<Turn, Problem> {
    let now = site.node.now();
    if slip.room != room {
        return Err(Problem::other_room());
    }
    let reserved = slip.nonce & 1 == 1;
    match slip.check(now) {
        Err(Untimely::TooEarly { not_before }) => return Ok(Turn::From { not_before, reserved }),
        Err(expired) => return Err(expired.into()),
        Ok(()) => {}
    }
    site.slips.spend(slip.nonce, slip.ends_at, now)?;
    Ok(if reserved { Turn::Now } else { site.prefixes.turn(network, now) })
}

fn slowed(site: &Site, room: RoomId, not_before: Time, reserved: bool) -> Result<Joining, Problem> {
    let random = u64::from_le_bytes(crate::random::bytes()?);
    let nonce = random & !1 | u64::from(reserved);
    let slip = Slip { room, not_before, ends_at: not_before.plus_ms(SLIP_MS), nonce };
    Ok(Joining::Slowed { slip: slip.seal(&site.keys), not_before })
}

/// Where a ticket is in line.
///
/// # Errors
///
/// `room_unknown` and `ticket_unknown`.
pub fn place(site: &Site, ticket: &Ticket) -> Result<Place, Problem> {
    let views = site.node.views();
    let view = views.rooms.get(&ticket.room);
    let outlook = view.map(|view| view.outlook).unwrap_or_default();
    let snapshot = site.node.read(|state| {
        let data = state.data();
        let room = data.rooms.get(&ticket.room).ok_or_else(unknown)?;
        if ticket.serial.0 >= room.issued {
            return Err(Problem::from(Refusal { reason: Reason::TicketUnknown, detail: 0 }));
        }
        let mark = room.marks.get(ticket.serial);
        Ok((details(ticket.room, room, outlook, data, data.time), room.lobby, room.draw, mark))
    });
    let (details, lobby, draw, mark) = snapshot?;
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
    let plain = (expected / 8).clamp(POLL_MS.0, POLL_MS.1);
    let spread = u64::from(serial.0.wrapping_mul(2_654_435_761) >> 16) % 400;
    plain * (800 + spread) / 1000
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

fn details(id: RoomId, room: &Room, outlook: Outlook, data: &jari_core::Data, now: Time) -> RoomDetails {
    let config = &room.config;
    let campaign = config.campaign.and_then(|id| data.campaigns.get(&id));
    let pace = config.pace;
    RoomDetails {
        room: id.0,
        name: config.name.to_string(),
        state: state_of(room),
        opens_at_ms: config.opens_at.0,
        now_ms: now.0,
        paused_because: room.paused.as_ref().map(ToString::to_string),
        notices: room.notices.iter().map(ToString::to_string).collect(),
        issued: room.issued,
        called: room.called,
        entered: room.entered,
        inside: u32::try_from(room.inside.len()).unwrap_or(u32::MAX),
        lobby: room.lobby,
        identity_bound: config.identity_bound,
        campaign: config.campaign.map(|id| id.0),
        bookings_per_pass: config.bookings_per_pass,
        fails_open: config.fails_open,
        awaits_beacon: config.awaits_beacon,
        commitment: hex::encode(&config.commitment),
        draw: draw_view(room),
        pace: PaceView {
            entries_per_minute_max: pace.entries_per_minute_max,
            passes_max: pace.passes_max,
            pass_ttl_ms: pace.pass_ttl_ms,
            latency_goal_ms: pace.latency_goal_ms,
            error_goal_ppm: pace.error_goal_ppm,
        },
        calls_per_minute: (outlook.calls_per_minute_low, outlook.calls_per_minute_high),
        free: campaign.map(jari_core::booking::Campaign::free),
    }
}

fn state_of(room: &Room) -> RoomState {
    match room.phase {
        Phase::Closed => RoomState::Closed,
        _ if room.paused.is_some() => RoomState::Paused,
        Phase::Lobby => RoomState::Lobby,
        Phase::Open => RoomState::Open,
    }
}

fn draw_view(room: &Room) -> Option<DrawView> {
    let draw = room.draw.as_ref()?;
    Some(DrawView {
        seed: hex::encode(&draw.seed),
        beacon: hex::encode(&draw.beacon),
        mixed: hex::encode(&draw.mixed),
        lobby: room.lobby.unwrap_or(0),
        method: "swap-or-not, 90 rounds, SHA-256 (Ethereum compute_shuffled_index)",
    })
}

fn event_kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::RoomCreated => "room_created",
        EventKind::RoomScheduled => "room_scheduled",
        EventKind::RoomOpened => "room_opened",
        EventKind::RoomDrawn => "room_drawn",
        EventKind::RoomPaused => "room_paused",
        EventKind::RoomResumed => "room_resumed",
        EventKind::RoomClosed => "room_closed",
        EventKind::PaceSet => "pace_set",
        EventKind::CampaignCreated => "campaign_created",
        EventKind::RulesSet => "rules_set",
        EventKind::WindowsSet => "windows_set",
        EventKind::QuotaSet => "quota_set",
        EventKind::CampaignPaused => "campaign_paused",
        EventKind::CampaignResumed => "campaign_resumed",
        EventKind::CampaignClosed => "campaign_closed",
        EventKind::CapacitySet => "capacity_set",
        EventKind::WithdrawnSet => "withdrawn_set",
        EventKind::VaccineQuotaSet => "vaccine_quota_set",
    }
}
