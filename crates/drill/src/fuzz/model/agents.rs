//! Telephone agents: whom they let in, and how fast.
//!
//! As with the line's, of the agents' pace the model knows bounds only: no entry above their part,
//! nor above the pace of both together.

use std::collections::BTreeMap;

use jari_core::ids::{PersonId, RoomId, Serial};
use jari_core::state::EventKind;
use jari_core::waiting_room::Mark;
use jari_core::{Outcome, Reason, Time};

use super::rooms::{ENTRY, Room, STEP_MS};
use super::{Model, Verdict, check_text, no, no_with};

/// The first number of a pass that an agent gave.
const FIRST: u32 = 0x8000_0000;

/// What agents may do in a room.
#[derive(Clone, Debug, Default)]
pub struct Agents {
    /// Their part, thousandths of the pace.
    pub permille: u64,
    /// Everybody whom they ever let in.
    pub people: Vec<PersonId>,
    /// The most that they can have saved up, in thousandths of the line's units, and when that was.
    meter: (u64, u64),
}

/// Whether a pass is no ticket's.
pub fn is_of_agent(serial: Serial) -> bool {
    serial.0 >= FIRST
}

impl Room {
    /// The most that agents may save up, with what the present step has brought.
    fn agents_max(&self) -> u64 {
        let pace = u64::from(self.config.pace.entries_per_minute_max);
        if self.agents.permille == 0 || pace == 0 {
            return 0;
        }
        let part = pace * self.agents.permille;
        (part * 2_000).max(ENTRY * 1_000) + part * STEP_MS
    }

    /// Fills the agents' meter until now, as far as it goes.
    pub(super) fn fill_agents_meter(&mut self, now: u64) {
        let (saved, since) = self.agents.meter;
        let grown = u64::from(self.config.pace.entries_per_minute_max) * self.agents.permille * (now - since);
        self.agents.meter = ((saved + grown).min(self.agents_max()), now);
    }

    /// A new pace or part counts for what was not counted yet.
    pub(super) fn count_agents_anew(&mut self) {
        let step = u64::from(self.config.pace.entries_per_minute_max) * self.agents.permille * STEP_MS;
        self.agents.meter.0 = (self.agents.meter.0 + step).min(self.agents_max());
    }

    /// Calling begins: agents have saved up all that they may.
    pub(super) fn fill_agents_up(&mut self, now: u64) {
        self.agents.meter = (self.agents_max(), now);
    }

    /// Whose a pass of an agent is.
    pub fn person_of(&self, serial: Serial) -> Option<PersonId> {
        self.agents.people.get(serial.0.checked_sub(FIRST)? as usize).copied()
    }

    /// Their passes of this moment.
    pub fn passes_of_agents(&self) -> BTreeMap<Serial, PersonId> {
        let named = |serial: &Serial| self.person_of(*serial).map(|person| (*serial, person));
        self.inside.keys().filter_map(named).collect()
    }
}

impl Model {
    pub(super) fn set_agent_share(&mut self, id: RoomId, permille: u32, reason: &str) -> Verdict {
        self.check_desk_rules()?;
        let now = self.now;
        let room = self.live(id)?;
        check_text(reason)?;
        if permille > 500 {
            return no_with(Reason::SettingUnfit, 1);
        }
        room.fill_agents_meter(now);
        room.fill_meter(now);
        room.agents.permille = u64::from(permille);
        room.count_agents_anew();
        self.publish(EventKind::AgentShareSet, id.0, u64::from(permille), reason);
        Ok(Outcome::Done)
    }

    /// Judges what a replica answered to an agent.
    pub(super) fn enter_by_agent(
        &mut self,
        id: RoomId,
        person: PersonId,
        told: Outcome,
    ) -> Result<Outcome, String> {
        match self.check_agent(id, person) {
            Err(refused) => return Ok(refused),
            Ok(Some(again)) => return Ok(again),
            Ok(None) => {}
        }
        let now = self.now;
        let room = self.rooms.get_mut(&id).expect("the door belongs to a room");
        let ends = (now + u64::from(room.config.pace.pass_ttl_ms)).max(room.newest_end);
        let full = room.inside.len() >= room.config.pace.passes_max as usize;
        let serial = Serial(FIRST + room.agents.people.len() as u32);
        room.fill_meter(now);
        room.fill_agents_meter(now);
        let credit = room.meter.0 >= ENTRY && room.agents.meter.0 >= ENTRY * 1_000;
        let allowed = match told {
            Outcome::Refused(refusal) => refusal.reason == Reason::Busy && refusal.detail > 0,
            told => told == Outcome::EnteredByAgent { serial, ends_at: Time(ends) } && !full && credit,
        };
        if !allowed {
            return Err(format!(
                "an agent of room {} was told {told:?}; the room is full: {full}; there is credit: {credit}; \
                 the pass would be {} and end at {ends}",
                id.0, serial.0
            ));
        }
        if matches!(told, Outcome::EnteredByAgent { .. }) {
            room.meter.0 -= ENTRY;
            room.agents.meter.0 -= ENTRY * 1_000;
            room.agents.people.push(person);
            room.inside.insert(serial, (ends, 0));
            room.newest_end = ends;
        }
        Ok(told)
    }

    /// What does not depend on the pace: a refusal, or the pass that there is.
    fn check_agent(&self, id: RoomId, person: PersonId) -> Result<Option<Outcome>, Outcome> {
        self.check_desk_rules()?;
        let Some(room) = self.rooms.get(&id) else { return no(Reason::RoomUnknown) };
        room.check_open()?;
        let has = |serial: &Serial| {
            let ticket = room.people.get(serial.0 as usize).copied();
            room.mark(*serial) == Mark::Inside && ticket == Some(person)
                || room.person_of(*serial) == Some(person)
        };
        // One of an agent counts before that of a ticket.
        if let Some((serial, (ends, _))) = room.inside.iter().rev().find(|(serial, _)| has(serial)) {
            return Ok(Some(Outcome::EnteredByAgent { serial: *serial, ends_at: Time(*ends) }));
        }
        if room.agents.permille == 0 { no(Reason::AgentShareNone) } else { Ok(None) }
    }
}
