//! Telephone agents, from rules 4 on: a part of the pace is theirs.
//!
//! Many who cannot use a page telephone. They stand in the telephone's own line, and when an
//! agent answers it is their turn: no ticket is drawn for them, and they get a pass at once. So
//! that the two lines share one door fairly, an operator says in public which part of the pace
//! agents may use.
//!
//! **The credit** is a bucket beside that of the line. Both are fed from one pace: first the
//! agents' part of what a step of time brings, as far as it fits into their bucket, then the line
//! with all the rest. So what agents do not use is the line's in the same moment, both together
//! meet the pace, and never exceed it. Each bucket holds two seconds' worth of its part, and one
//! entry at the least (the line three); so a burst of both is the one that the line alone had,
//! and at most one and a half entries more.
//!
//! **The passes** count among the active ones. Where all are taken, whoever waits at the door
//! would take each that ends before an agent comes by; so as many are kept free as the agents'
//! credit could take now, within their part of all passes.
//!
//! A pass of an agent has a number of its own, far above those of tickets: it has no place in
//! line, is not called and leaves no mark. It is bound to its person in every room, and ends like
//! any other.
//!
//! It must never let in more than the pace allows, nor give a person two passes. Start reading at
//! [`enter_by_agent`], then [`Agents`].

use alloc::collections::BTreeMap;

use super::handle::{Checked, fit_text, live_room, refuse, unfit};
use super::pace::{self, ENTRY};
use super::{Inside, Room};
use crate::command::Text;
use crate::ids::{PersonId, RoomId, Serial};
use crate::limits;
use crate::outcome::{Outcome, Reason};
use crate::rules::RULES_AGENTS;
use crate::state::{Data, EventKind, Index};
use crate::time::Time;

/// Numbers of agents' passes begin here, far above those of tickets.
pub const AGENT_SERIAL_FIRST: u32 = 1 << 31;
const _: () = assert!(limits::TICKETS_PER_ROOM_MAX < AGENT_SERIAL_FIRST);

/// When to try again where nobody is let in at all for now.
const RETRY_MS_MAX: u64 = 30_000;

/// Whether a pass was given by an agent; if not, it is a ticket's.
#[must_use]
pub const fn is_of_agent(serial: Serial) -> bool {
    serial.0 >= AGENT_SERIAL_FIRST
}

/// What agents may do in a room, and whom they let in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Agents {
    /// The part of the pace that is theirs, thousandths; 0 under rules 1 to 3.
    pub share_permille: u32,
    /// Entries that they may make now, as credit.
    pub credit: u64,
    /// Passes that they ever gave.
    pub issued: u32,
    /// Whose each of their active passes is.
    passes: BTreeMap<Serial, PersonId>,
    /// The same, to be found by person. Follows from it.
    by_person: BTreeMap<PersonId, Serial>,
}

impl Agents {
    /// Brings them back from what a snapshot held.
    #[must_use]
    pub fn restore(
        share_permille: u32,
        credit: u64,
        issued: u32,
        passes: BTreeMap<Serial, PersonId>,
    ) -> Agents {
        let by_person = passes.iter().map(|(serial, person)| (*person, *serial)).collect();
        Agents { share_permille, credit, issued, passes, by_person }
    }

    /// Whose each of their active passes is.
    #[must_use]
    pub fn passes(&self) -> &BTreeMap<Serial, PersonId> {
        &self.passes
    }

    /// Whether each person has one pass at the most.
    pub(crate) fn is_one_each(&self) -> bool {
        self.passes.len() == self.by_person.len()
    }

    /// Whether this is the person's active pass.
    pub(crate) fn is_pass_of(&self, person: PersonId, serial: Serial) -> bool {
        self.by_person.get(&person) == Some(&serial)
    }

    /// Whether such a pass was ever given.
    pub(super) fn gave(&self, serial: Serial) -> bool {
        is_of_agent(serial) && serial.0 - AGENT_SERIAL_FIRST < self.issued
    }

    fn give(&mut self, person: PersonId) -> Serial {
        let serial = Serial(AGENT_SERIAL_FIRST + self.issued);
        self.issued += 1;
        self.passes.insert(serial, person);
        self.by_person.insert(person, serial);
        serial
    }

    /// A pass has ended.
    pub(super) fn forget(&mut self, serial: Serial) {
        if let Some(person) = self.passes.remove(&serial) {
            self.by_person.remove(&person);
        }
    }

    /// Takes their part of what a step of time brought, as far as it fits into their bucket, and
    /// says how much that was. A bucket that has become smaller, when the service behind said that it
    /// is ill, loses what is above.
    pub(super) fn take_part(&mut self, grown: u64, credit_max: u64) -> u64 {
        self.credit = self.credit.min(credit_max);
        let part = grown * u64::from(self.share_permille) / 1_000;
        let taken = part.min(credit_max - self.credit);
        self.credit += taken;
        taken
    }

    /// Passes that are kept free for them, of so many in all.
    pub(super) fn passes_kept(&self, passes_max: u32) -> usize {
        let part = u64::from(passes_max) * u64::from(self.share_permille) / 1_000;
        part.min(self.credit / ENTRY) as usize
    }
}

/// Changes the agents' part of the pace; what they have saved up beyond it is the line's. Checks:
/// `rules_unknown`; room known, not closed; the text; the share (`setting_unfit` 1).
pub(super) fn set_agent_share(data: &mut Data, id: RoomId, permille: u32, reason: &Text) -> Checked<Outcome> {
    check_rules(data)?;
    let rules = data.rules;
    let room = live_room(data, id)?;
    fit_text(reason)?;
    if permille > limits::AGENT_SHARE_PERMILLE_MAX {
        return unfit(1);
    }
    let saved = room.controller.entry_credit + room.agents.credit;
    room.agents.share_permille = permille;
    room.agents.credit = room.agents.credit.min(pace::agents_burst(room));
    room.controller.entry_credit = saved - room.agents.credit;
    pace::clamp_credit(room, rules);
    data.publish(EventKind::AgentShareSet, id.0, u64::from(permille), reason);
    Ok(Outcome::Done)
}

/// Lets in somebody on the telephone. Checks, in this order: `rules_unknown`; room known, not
/// closed, not paused, open and drawn (inside already: the same pass again, also that of a ticket
/// bound to the person); `agent_share_none`; a place inside and credit (`busy`, with the time
/// until there is); `full`.
pub(super) fn enter_by_agent(
    data: &mut Data,
    index: &Index,
    id: RoomId,
    person: PersonId,
) -> Checked<Outcome> {
    check_rules(data)?;
    let now = data.time;
    let room = live_room(data, id)?;
    if room.paused.is_some() {
        return refuse(Reason::RoomPaused);
    }
    if room.draw.is_none() {
        return Err(Outcome::refused_with(Reason::RoomNotOpen, room.config.opens_at.0));
    }
    if let Some((serial, inside)) = room.pass_of_person(index, id, person, now) {
        return Ok(Outcome::EnteredByAgent { serial, ends_at: inside.ends_at });
    }
    if room.agents.share_permille == 0 {
        return refuse(Reason::AgentShareNone);
    }
    room.check_agents_meter(now)?;
    if room.agents.issued >= limits::TICKETS_PER_ROOM_MAX {
        return refuse(Reason::Full);
    }
    room.agents.credit -= ENTRY;
    room.controller.count_entry(now);
    let serial = room.agents.give(person);
    Ok(Outcome::EnteredByAgent { serial, ends_at: room.admit(serial, now) })
}

fn check_rules(data: &Data) -> Checked<()> {
    if data.rules < RULES_AGENTS { refuse(Reason::RulesUnknown) } else { Ok(()) }
}

impl Room {
    /// What agents may have saved up at the most, while the service behind was well.
    pub(crate) fn agents_credit_max(&self) -> u64 {
        let rate = u64::from(self.config.pace.entries_per_minute_max) * u64::from(pace::FACTOR_WHOLE_PPM);
        pace::agents_burst_of(self, rate)
    }

    /// The active pass of a person: one of an agent, or that of their own ticket.
    fn pass_of_person(
        &self,
        index: &Index,
        id: RoomId,
        person: PersonId,
        now: Time,
    ) -> Option<(Serial, Inside)> {
        let ticket = || {
            let is_theirs = |serial: &u32| self.people.get(u64::from(*serial)) == Some(&person);
            index.tickets.get(&id)?.find(person.0 as u64, is_theirs).copied().map(Serial)
        };
        let serial = self.agents.by_person.get(&person).copied().or_else(ticket)?;
        self.pass_of(serial, now).map(|inside| (serial, *inside))
    }

    /// Whether agents may let in one more this moment.
    fn check_agents_meter(&self, now: Time) -> Checked<()> {
        let passes_max = self.config.pace.passes_max as usize;
        let wait_ms = if self.inside.len() >= passes_max {
            self.ends.front().map_or(RETRY_MS_MAX, |end| end.ends_at.since_ms(now))
        } else if self.agents.credit >= ENTRY {
            return Ok(());
        } else {
            pace::agents_wait_ms(self, ENTRY - self.agents.credit, now).unwrap_or(RETRY_MS_MAX)
        };
        Err(Outcome::refused_with(Reason::Busy, wait_ms.max(1)))
    }
}
