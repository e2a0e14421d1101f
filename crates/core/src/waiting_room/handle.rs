//! What may be asked of a room, and the order in which it is checked.
//!
//! Every command first asks whether the room is known (a new one: whether it exists
//! already, then whether there may be more). An operator's command then asks: is the room
//! closed; is the text fit; are the settings fit; does the room's state allow it. What
//! people ask is checked in `people`.
//!
//! A refused command must never change the room.

use alloc::vec::Vec;

use super::draw::{self, Draw};
use super::{Marks, Pace, Phase, Places, Room, RoomConfig, pace, people};
use crate::chunked::Chunked;
use crate::command::{Body, Text};
use crate::ids::RoomId;
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::state::{Data, EventKind, Index, text_fits};
use crate::time::Time;

/// Applies a waiting-room command. The time has been advanced already.
pub(crate) fn handle(data: &mut Data, index: &mut Index, body: &Body) -> Outcome {
    let result = match body {
        Body::CreateRoom { room, config } => create_room(data, *room, config),
        Body::ScheduleRoom { room, opens_at, reason } => schedule_room(data, *room, *opens_at, reason),
        Body::DrawRoom { room, seed, beacon } => draw_room(data, *room, *seed, *beacon),
        Body::PauseRoom { room, reason } => pause_room(data, *room, reason),
        Body::ResumeRoom { room } => resume_room(data, *room),
        Body::CloseRoom { room, reason } => close_room(data, *room, reason),
        Body::SetPace { room, pace, reason } => set_pace(data, *room, *pace, reason),
        Body::ReportHealth { room, latency_p95_ms, error_ppm } => {
            report_health(data, *room, *latency_p95_ms, *error_ppm)
        }
        Body::SetNotices { room, notices } => set_notices(data, *room, notices),
        Body::Join { room, count } => people::join(data, *room, *count),
        Body::JoinAs { room, person } => people::join_as(data, index, *room, *person),
        Body::Enter { room, serial } => people::enter_room(data, *room, *serial),
        Body::Leave { room, serial } => people::leave_room(data, *room, *serial),
        _ => unreachable!("the dispatcher sends only a waiting room's commands here"),
    };
    result.unwrap_or_else(|refused| refused)
}

/// A refusal, on its way out through `?`.
pub(super) type Checked<T> = Result<T, Outcome>;

pub(super) fn refuse<T>(reason: Reason) -> Checked<T> {
    Err(Outcome::refused(reason))
}

pub(super) fn room_mut(data: &mut Data, room: RoomId) -> Checked<&mut Room> {
    data.rooms.get_mut(&room).ok_or(Outcome::refused(Reason::RoomUnknown))
}

/// A known room that is not closed.
pub(super) fn live_room(data: &mut Data, room: RoomId) -> Checked<&mut Room> {
    let room = room_mut(data, room)?;
    if room.phase == Phase::Closed { refuse(Reason::RoomClosed) } else { Ok(room) }
}

fn fit_text(text: &str) -> Checked<()> {
    if text_fits(text) { Ok(()) } else { refuse(Reason::TextUnfit) }
}

fn unfit<T>(setting: u64) -> Checked<T> {
    Err(Outcome::refused_with(Reason::SettingUnfit, setting))
}

/// The settings of a pace, by their numbers.
fn fit_pace(pace: &Pace) -> Checked<()> {
    if pace.entries_per_minute_max > limits::ENTRIES_PER_MINUTE_MAX {
        return unfit(1);
    }
    if !(1..=limits::PASSES_PER_ROOM_MAX).contains(&pace.passes_max) {
        return unfit(2);
    }
    if !(limits::PASS_TTL_MS_MIN..=limits::PASS_TTL_MS_MAX).contains(&pace.pass_ttl_ms) {
        return unfit(3);
    }
    // Any latency may be a goal (4); errors per million cannot exceed a million.
    if pace.error_goal_ppm > 1_000_000 {
        return unfit(5);
    }
    Ok(())
}

fn create_room(data: &mut Data, id: RoomId, config: &RoomConfig) -> Checked<Outcome> {
    if data.rooms.contains_key(&id) {
        return refuse(Reason::RoomExists);
    }
    if data.rooms.len() >= limits::ROOMS_MAX {
        return refuse(Reason::Full);
    }
    fit_text(&config.name)?;
    fit_pace(&config.pace)?;
    if !(1..=limits::BOOKINGS_PER_PASS_MAX).contains(&config.bookings_per_pass) {
        return unfit(6);
    }
    let mut room = Room::new(config.clone());
    let opened = pace::open_if_due(&mut room, data.time);
    data.rooms.insert(id, room);
    data.publish(EventKind::RoomCreated, id.0, config.opens_at.0, "");
    publish_opened(data, id, opened);
    Ok(Outcome::Done)
}

/// The opening may move to any instant from now on; now opens at once.
fn schedule_room(data: &mut Data, id: RoomId, opens_at: Time, reason: &Text) -> Checked<Outcome> {
    let now = data.time;
    let room = live_room(data, id)?;
    fit_text(reason)?;
    if opens_at < now {
        return unfit(1);
    }
    if room.phase != Phase::Lobby {
        return refuse(Reason::AlreadyOpen);
    }
    room.config.opens_at = opens_at;
    let opened = pace::open_if_due(room, now);
    data.publish(EventKind::RoomScheduled, id.0, opens_at.0, reason);
    publish_opened(data, id, opened);
    Ok(Outcome::Done)
}

/// Reveals the draw of a frozen lobby, also of an empty one: the promise was to reveal.
fn draw_room(data: &mut Data, id: RoomId, seed: [u8; 32], beacon: [u8; 32]) -> Checked<Outcome> {
    let now = data.time;
    let places = data.rooms.get(&id).and_then(|room| places_behind(data, room));
    let room = live_room(data, id)?;
    let Some(lobby) = room.lobby.filter(|_| room.draw.is_none()) else {
        return refuse(Reason::DrawNotDue);
    };
    if draw::commitment(&seed) != room.config.commitment {
        return refuse(Reason::SeedWrong);
    }
    room.draw = Some(Draw::reveal(seed, beacon, lobby));
    pace::start_calling(room, places, now);
    data.publish(EventKind::RoomDrawn, id.0, u64::from(lobby), "");
    Ok(Outcome::Done)
}

fn pause_room(data: &mut Data, id: RoomId, reason: &Text) -> Checked<Outcome> {
    let room = live_room(data, id)?;
    fit_text(reason)?;
    if room.paused.is_some() {
        return refuse(Reason::RoomPaused);
    }
    room.paused = Some(reason.clone());
    data.publish(EventKind::RoomPaused, id.0, 0, reason);
    Ok(Outcome::Done)
}

fn resume_room(data: &mut Data, id: RoomId) -> Checked<Outcome> {
    let now = data.time;
    let room = live_room(data, id)?;
    if room.paused.take().is_none() {
        return refuse(Reason::RoomNotPaused);
    }
    pace::resume(room, now);
    let opened = pace::open_if_due(room, now);
    data.publish(EventKind::RoomResumed, id.0, 0, "");
    publish_opened(data, id, opened);
    Ok(Outcome::Done)
}

/// Nobody joins, is called or enters any more. Passes run to their end: whoever is inside
/// may finish.
fn close_room(data: &mut Data, id: RoomId, reason: &Text) -> Checked<Outcome> {
    let room = live_room(data, id)?;
    fit_text(reason)?;
    room.phase = Phase::Closed;
    room.paused = None;
    data.publish(EventKind::RoomClosed, id.0, 0, reason);
    Ok(Outcome::Done)
}

fn set_pace(data: &mut Data, id: RoomId, new: Pace, reason: &Text) -> Checked<Outcome> {
    let room = live_room(data, id)?;
    fit_text(reason)?;
    fit_pace(&new)?;
    room.config.pace = new;
    pace::clamp_credit(room);
    data.publish(EventKind::PaceSet, id.0, u64::from(new.entries_per_minute_max), reason);
    Ok(Outcome::Done)
}

fn report_health(data: &mut Data, id: RoomId, latency_p95_ms: u32, error_ppm: u32) -> Checked<Outcome> {
    let now = data.time;
    let room = live_room(data, id)?;
    pace::report_health(room, latency_p95_ms, error_ppm, now);
    Ok(Outcome::Done)
}

/// Notices may change in a closed room, too: someone may still be looking.
fn set_notices(data: &mut Data, id: RoomId, notices: &[Text]) -> Checked<Outcome> {
    let room = room_mut(data, id)?;
    if notices.len() > limits::NOTICES_PER_ROOM_MAX {
        return refuse(Reason::Full);
    }
    notices.iter().try_for_each(|notice| fit_text(notice))?;
    room.notices = notices.to_vec();
    Ok(Outcome::Done)
}

fn publish_opened(data: &mut Data, id: RoomId, opened: Option<(EventKind, u64)>) {
    if let Some((kind, value)) = opened {
        data.publish(kind, id.0, value, "");
    }
}

/// What the campaign behind the room has to give, if there is one.
fn places_behind(data: &Data, room: &Room) -> Option<Places> {
    let campaign = room.config.campaign.and_then(|id| data.campaigns.get(&id));
    campaign.map(|campaign| Places::of(campaign, data.rules, data.time))
}

impl Room {
    /// A room whose lobby is open and empty.
    pub(super) fn new(config: RoomConfig) -> Room {
        Room {
            config,
            phase: Phase::Lobby,
            paused: None,
            notices: Vec::new(),
            issued: 0,
            lobby: None,
            draw: None,
            called: 0,
            marks: Marks::default(),
            inside: alloc::collections::BTreeMap::new(),
            ends: Chunked::default(),
            people: Chunked::default(),
            entered: 0,
            left: 0,
            controller: pace::Controller::default(),
        }
    }
}
