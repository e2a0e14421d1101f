//! Waiting rooms, as their documentation promises them.
//!
//! Of the pace the model knows bounds only: no entry above the pace in force, no more passes
//! than allowed, no turn before one that came earlier. A turn once come stays: whoever was let
//! in, or stood before someone who was, cannot be told later that their turn has not come.

use std::collections::BTreeMap;

use jari_core::booking::BookingState;
use jari_core::command::Text;
use jari_core::ids::{PersonId, RoomId, Serial};
use jari_core::state::EventKind;
use jari_core::waiting_room::{Mark, Pace, Phase, RoomConfig};
use jari_core::{Outcome, Reason, Time};

use super::agents::{Agents, is_of_agent};
use super::{Model, Verdict, check_text, fits, no, no_with};
use crate::auditor::shuffle;

/// One entry on the meter, in thousandths of an entry a minute times a millisecond.
pub(super) const ENTRY: u64 = 60_000;
/// The room's time is counted in steps of this.
pub(super) const STEP_MS: u64 = 100;
/// The retry hint of a busy door.
const RETRY_MS: std::ops::RangeInclusive<u64> = 500..=30_000;

/// A waiting room.
#[derive(Clone, Debug)]
pub struct Room {
    /// Its settings of this moment.
    pub config: RoomConfig,
    /// Where it is in its life.
    pub phase: Phase,
    /// The reason of its pause.
    pub paused: Option<Text>,
    /// Its notices.
    pub notices: Vec<Text>,
    /// Tickets given out.
    pub issued: u32,
    /// How many of them are drawn.
    pub lobby: Option<u32>,
    /// Seed and beacon, once revealed.
    pub draw: Option<([u8; 32], [u8; 32])>,
    /// The drawn places, by serial.
    pub places: Vec<u32>,
    /// What became of tickets; those not in here wait.
    pub marks: BTreeMap<Serial, Mark>,
    /// Who is inside, until when, and how many of their bookings were confirmed.
    pub inside: BTreeMap<Serial, (u64, u8)>,
    /// Whose each ticket is, in a room bound to identities.
    pub people: Vec<PersonId>,
    /// Tickets that entered for the first time.
    pub entered: u32,
    /// Tickets given back before.
    pub left: u32,
    /// Positions below this are known to have been called.
    pub called_min: u32,
    /// When the newest pass ends: the next one does not end before it.
    pub(super) newest_end: u64,
    /// The most that the meter can have saved up, and when that was.
    pub(super) meter: (u64, u64),
    /// Telephone agents.
    pub agents: Agents,
}

/// The most that may be saved up at a pace. Under older rules a slow room saves one entry, not three:
/// the bound is the wider one.
fn burst(pace: &Pace) -> u64 {
    match u64::from(pace.entries_per_minute_max) {
        0 => 0,
        pace => (pace * 2_000).max(3 * ENTRY),
    }
}

/// What the line and agents may save up together: two seconds' worth, and an entry more; in a slow room
/// each has its least, three entries and one.
fn together_max(pace: &Pace, permille: u64) -> u64 {
    let two_s = u64::from(pace.entries_per_minute_max) * 2_000;
    let agents = (two_s * permille / 1_000).max(ENTRY);
    let line = (two_s - two_s * permille / 1_000).max(3 * ENTRY);
    if two_s == 0 { 0 } else { (burst(pace) + ENTRY).max(line + agents) }
}

/// With what the present step has brought, which is only counted at its end.
fn saved_max(pace: &Pace, permille: u64) -> u64 {
    together_max(pace, permille) + u64::from(pace.entries_per_minute_max) * STEP_MS
}

/// The number of the first setting of a pace that is out of bounds.
fn unfit_pace(pace: &Pace) -> Option<u64> {
    let fits = [
        pace.entries_per_minute_max <= 6_000_000,
        (1..=1_000_000).contains(&pace.passes_max),
        (10_000..=7_200_000).contains(&pace.pass_ttl_ms),
        true,
        pace.error_goal_ppm <= 1_000_000,
    ];
    fits.iter().position(|fits| !fits).map(|at| at as u64 + 1)
}

impl Room {
    /// What became of a ticket.
    #[must_use]
    pub fn mark(&self, serial: Serial) -> Mark {
        self.marks.get(&serial).copied().unwrap_or(Mark::Waiting)
    }

    fn position(&self, serial: Serial) -> u32 {
        self.places.get(serial.0 as usize).copied().unwrap_or(serial.0)
    }

    /// Whether anybody may enter at all.
    pub(super) fn check_open(&self) -> Result<(), Outcome> {
        if self.phase == Phase::Closed {
            return no(Reason::RoomClosed);
        }
        if self.paused.is_some() {
            return no(Reason::RoomPaused);
        }
        if self.draw.is_none() {
            return no_with(Reason::RoomNotOpen, self.config.opens_at.0);
        }
        Ok(())
    }

    fn spend(&mut self, serial: Serial) {
        self.inside.remove(&serial);
        if !is_of_agent(serial) {
            self.marks.insert(serial, Mark::Spent);
        }
    }

    pub(super) fn fill_meter(&mut self, now: u64) {
        let (saved, since) = self.meter;
        let grown = u64::from(self.config.pace.entries_per_minute_max) * (now - since);
        self.meter = ((saved + grown).min(saved_max(&self.config.pace, self.agents.permille)), now);
    }

    fn set_pace(&mut self, pace: Pace, now: u64) {
        self.fill_meter(now);
        self.fill_agents_meter(now);
        self.config.pace = pace;
        self.count_agents_anew();
        // What was not counted yet counts by the new pace.
        let step = u64::from(pace.entries_per_minute_max) * STEP_MS;
        self.meter.0 = (self.meter.0 + step).min(saved_max(&pace, self.agents.permille));
    }
}

impl Model {
    /// Passes end and the room opens, if their time has come.
    pub(super) fn room_time_passes(&mut self, id: RoomId) {
        let now = self.now;
        let Some(room) = self.rooms.get_mut(&id) else { return };
        for (serial, (_, confirmed)) in room.inside.extract_if(.., |_, (ends, _)| *ends <= now) {
            // A ticket that got someone a booking has served.
            let mark = if confirmed > 0 { Mark::Spent } else { Mark::Lapsed };
            if !is_of_agent(serial) {
                room.marks.insert(serial, mark);
            }
        }
        self.open_if_due(id);
    }

    fn open_if_due(&mut self, id: RoomId) {
        let now = self.now;
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.phase == Phase::Lobby && room.paused.is_none() && room.config.opens_at.0 <= now {
            room.phase = Phase::Open;
            room.lobby = Some(room.issued);
            let issued = u64::from(room.issued);
            self.publish(EventKind::RoomOpened, id.0, issued, "");
        }
    }

    pub(super) fn live(&mut self, id: RoomId) -> Result<&mut Room, Outcome> {
        match self.rooms.get_mut(&id) {
            None => no(Reason::RoomUnknown),
            Some(room) if room.phase == Phase::Closed => no(Reason::RoomClosed),
            Some(room) => Ok(room),
        }
    }

    pub(super) fn create_room(&mut self, id: RoomId, config: &RoomConfig) -> Verdict {
        if self.rooms.contains_key(&id) {
            return no(Reason::RoomExists);
        }
        check_text(&config.name)?;
        if let Some(setting) = unfit_pace(&config.pace) {
            return no_with(Reason::SettingUnfit, setting);
        }
        if !(1..=8).contains(&config.bookings_per_pass) {
            return no_with(Reason::SettingUnfit, 6);
        }
        let room = Room {
            config: config.clone(),
            phase: Phase::Lobby,
            paused: None,
            notices: Vec::new(),
            issued: 0,
            lobby: None,
            draw: None,
            places: Vec::new(),
            marks: BTreeMap::new(),
            inside: BTreeMap::new(),
            people: Vec::new(),
            entered: 0,
            left: 0,
            called_min: 0,
            newest_end: 0,
            meter: (0, self.now),
            agents: Agents::default(),
        };
        self.rooms.insert(id, room);
        self.publish(EventKind::RoomCreated, id.0, config.opens_at.0, "");
        self.open_if_due(id);
        Ok(Outcome::Done)
    }

    pub(super) fn schedule_room(&mut self, id: RoomId, opens_at: Time, reason: &str) -> Verdict {
        let now = self.now;
        let room = self.live(id)?;
        check_text(reason)?;
        if opens_at.0 < now {
            return no_with(Reason::SettingUnfit, 1);
        }
        if room.phase != Phase::Lobby {
            return no(Reason::AlreadyOpen);
        }
        room.config.opens_at = opens_at;
        self.publish(EventKind::RoomScheduled, id.0, opens_at.0, reason);
        self.open_if_due(id);
        Ok(Outcome::Done)
    }

    pub(super) fn draw_room(&mut self, id: RoomId, seed: [u8; 32], beacon: [u8; 32]) -> Verdict {
        let now = self.now;
        let room = self.live(id)?;
        let Some(lobby) = room.lobby.filter(|_| room.draw.is_none()) else {
            return no(Reason::DrawNotDue);
        };
        if !shuffle::seed_matches(&seed, &room.config.commitment) {
            return no(Reason::SeedWrong);
        }
        room.draw = Some((seed, beacon));
        room.places = shuffle::places(lobby, &shuffle::mixed(&seed, &beacon));
        room.meter = (together_max(&room.config.pace, room.agents.permille), now);
        room.fill_agents_up(now);
        self.publish(EventKind::RoomDrawn, id.0, u64::from(lobby), "");
        Ok(Outcome::Done)
    }

    pub(super) fn pause_room(&mut self, id: RoomId, reason: &str) -> Verdict {
        let room = self.live(id)?;
        check_text(reason)?;
        if room.paused.is_some() {
            return no(Reason::RoomPaused);
        }
        room.paused = Some(reason.into());
        self.publish(EventKind::RoomPaused, id.0, 0, reason);
        Ok(Outcome::Done)
    }

    pub(super) fn resume_room(&mut self, id: RoomId) -> Verdict {
        if self.live(id)?.paused.take().is_none() {
            return no(Reason::RoomNotPaused);
        }
        self.publish(EventKind::RoomResumed, id.0, 0, "");
        self.open_if_due(id);
        Ok(Outcome::Done)
    }

    pub(super) fn close_room(&mut self, id: RoomId, reason: &str) -> Verdict {
        let room = self.live(id)?;
        check_text(reason)?;
        room.phase = Phase::Closed;
        room.paused = None;
        self.publish(EventKind::RoomClosed, id.0, 0, reason);
        Ok(Outcome::Done)
    }

    pub(super) fn set_pace(&mut self, id: RoomId, pace: Pace, reason: &str) -> Verdict {
        let now = self.now;
        let room = self.live(id)?;
        check_text(reason)?;
        if let Some(setting) = unfit_pace(&pace) {
            return no_with(Reason::SettingUnfit, setting);
        }
        room.set_pace(pace, now);
        self.publish(EventKind::PaceSet, id.0, u64::from(pace.entries_per_minute_max), reason);
        Ok(Outcome::Done)
    }

    pub(super) fn report_health(&mut self, id: RoomId) -> Verdict {
        // It moves the pace, downwards only from what is set: the bounds stay.
        self.live(id).map(|_| Outcome::Done)
    }

    pub(super) fn set_notices(&mut self, id: RoomId, notices: &[Text]) -> Verdict {
        let Some(room) = self.rooms.get_mut(&id) else { return no(Reason::RoomUnknown) };
        if notices.len() > 8 {
            return no(Reason::Full);
        }
        if !notices.iter().all(|notice| fits(notice)) {
            return no(Reason::TextUnfit);
        }
        room.notices = notices.to_vec();
        Ok(Outcome::Done)
    }

    pub(super) fn join(&mut self, id: RoomId, count: u32) -> Verdict {
        let room = self.live(id)?;
        if room.config.identity_bound {
            return no(Reason::IdentityRequired);
        }
        if count == 0 || count > 65_536 {
            return no_with(Reason::SettingUnfit, 1);
        }
        let first = Serial(room.issued);
        room.issued += count;
        Ok(Outcome::Joined { first, count })
    }

    pub(super) fn join_as(&mut self, id: RoomId, person: PersonId) -> Verdict {
        let room = self.live(id)?;
        if !room.config.identity_bound {
            return no(Reason::IdentityUnused);
        }
        let unspent = (0..room.issued)
            .map(Serial)
            .find(|serial| room.people[serial.0 as usize] == person && room.mark(*serial) != Mark::Spent);
        let first = unspent.unwrap_or(Serial(room.issued));
        if unspent.is_none() {
            room.issued += 1;
            room.people.push(person);
        }
        Ok(Outcome::Joined { first, count: 1 })
    }

    pub(super) fn leave(&mut self, id: RoomId, serial: Serial) -> Verdict {
        let Some(room) = self.rooms.get_mut(&id) else { return no(Reason::RoomUnknown) };
        if room.person_of(serial).is_some() {
            room.spend(serial);
            return Ok(Outcome::Done);
        }
        if serial.0 >= room.issued {
            return no(Reason::TicketUnknown);
        }
        room.left += u32::from(room.mark(serial) == Mark::Waiting);
        room.spend(serial);
        Ok(Outcome::Done)
    }

    /// Judges what a replica answered to someone at the door.
    pub(super) fn enter(&mut self, id: RoomId, serial: Serial, told: Outcome) -> Result<Outcome, String> {
        match self.check_door(id, serial) {
            Err(refused) => return Ok(refused),
            Ok(Some(again)) => return Ok(again),
            Ok(None) => {}
        }
        let now = self.now;
        let room = self.rooms.get_mut(&id).expect("the door belongs to a room");
        let waits = room.mark(serial) == Mark::Waiting;
        let position = room.position(serial);
        let ends = (now + u64::from(room.config.pace.pass_ttl_ms)).max(room.newest_end);
        let full = room.inside.len() >= room.config.pace.passes_max as usize;
        room.fill_meter(now);
        let allowed = match told {
            Outcome::Refused(refusal) => match refusal.reason {
                Reason::NotCalled => {
                    waits && refusal.detail == u64::from(position) && position >= room.called_min
                }
                Reason::Busy => RETRY_MS.contains(&refusal.detail),
                _ => false,
            },
            Outcome::Entered { ends_at } => ends_at.0 == ends && !full && room.meter.0 >= ENTRY,
            _ => false,
        };
        if !allowed {
            let saved = room.meter.0 / ENTRY;
            return Err(format!(
                "ticket {} of room {} (position {position}, first entry: {waits}) was told {told:?}; the \
                 room is full: {full}; entries on the meter: {saved} at most; called: {} at least; a pass \
                 would end at {ends}",
                serial.0, id.0, room.called_min
            ));
        }
        if matches!(told, Outcome::Entered { .. }) {
            room.meter.0 -= ENTRY;
            room.entered += u32::from(waits);
            room.inside.insert(serial, (ends, 0));
            room.marks.insert(serial, Mark::Inside);
            room.newest_end = ends;
            room.called_min = room.called_min.max(if waits { position + 1 } else { 0 });
        }
        Ok(told)
    }

    /// What does not depend on the pace: a refusal, or the pass that is there already.
    fn check_door(&self, id: RoomId, serial: Serial) -> Result<Option<Outcome>, Outcome> {
        let Some(room) = self.rooms.get(&id) else { return no(Reason::RoomUnknown) };
        if serial.0 >= room.issued {
            return no(Reason::TicketUnknown);
        }
        room.check_open()?;
        if room.mark(serial) == Mark::Spent {
            return no(Reason::TicketSpent);
        }
        Ok(room.inside.get(&serial).map(|(ends, _)| Outcome::Entered { ends_at: Time(*ends) }))
    }

    /// Bookings that a pass serves: open holds, and bookings made.
    #[must_use]
    pub fn served(&self, (room, serial): super::Pass) -> u8 {
        let holds = self
            .bookings
            .iter()
            .filter(|booking| booking.state == BookingState::Held && booking.pass == Some((room, serial)));
        let confirmed = self.rooms[&room].inside.get(&serial).map_or(0, |(_, confirmed)| *confirmed);
        holds.count() as u8 + confirmed
    }

    /// A booking was made with a pass, which ends with the last that it may serve.
    pub(super) fn serve(&mut self, (id, serial): super::Pass) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let most = room.config.bookings_per_pass;
        let Some((_, confirmed)) = room.inside.get_mut(&serial) else { return };
        *confirmed += 1;
        if *confirmed >= most {
            room.spend(serial);
        }
    }
}
