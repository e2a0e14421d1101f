//! Which rules count: the versions of [`step`](crate::step), and the way from one to the next.
//!
//! | version | what it brought |
//! |---|---|
//! | 1 | everything before there were versions |
//! | 2 | [`Body::TakeLease`]: effects are performed by one node at a time; [`Body::Checkpoint`]: nodes compare their states |
//! | 3 | the last places are called for by what the latest calls came to; campaigns may have reminders |
//! | 4 | what the clinic's desk needs: [`Body::MarkNoShow`] and who comes late after all, [`Body::WalkIn`]; and telephone agents: [`Body::SetAgentShare`], [`Body::EnterByAgent`]; leftover places, [`Body::OfferLeftover`], for those who stand by |
//! | 5 | [`Body::HoldFor`]: booking for somebody else, with both recorded; [`Body::EndProxy`] |
//!
//! A state begins with version 1, whichever build makes it, and a journaled
//! [`Body::Upgrade`] makes the next version count from the next command on. So a journal
//! means the same to every build that knows its rules.
//!
//! It must never guess at a version that this build does not know: [`newer_needed`] finds
//! the command that would bring one, and whoever applies commands asks it first and stops.

use crate::command::{Body, Command};
use crate::outcome::{Outcome, Reason};
use crate::state::{Data, EventKind, State};

/// The version that every state begins with.
pub const RULES_FIRST: u32 = 1;
/// The version that brought leases and checkpoints.
pub const RULES_LEASES: u32 = 2;
/// The version that brought a sharper eye for silence where the last places are called for.
pub const RULES_LAST_PLACES: u32 = 3;
/// The version that brought reminders.
pub const RULES_REMINDERS: u32 = 3;
/// The version that brought no-shows and walk-ins.
pub const RULES_DESK: u32 = 4;
/// The version that brought the agents' share of a room's pace.
pub const RULES_AGENTS: u32 = 4;
/// The version that brought those who stand by, and leftover places for them.
pub const RULES_STANDBY: u32 = 4;
/// From this version on a slow room saves up three entries.
pub const RULES_SLOW_ROOMS: u32 = 4;
/// The version that brought booking for somebody else.
pub const RULES_PROXIES: u32 = 5;
/// The newest version of the rules that this build knows.
pub const RULES_NEWEST: u32 = 5;

impl Body {
    /// The first version of the rules under which this may be written into a journal. A
    /// build that knows no such version could not read the record.
    #[must_use]
    pub fn rules_min(&self) -> u32 {
        match self {
            Body::CreateCampaign { config, .. } if config.reminder_ms != 0 => RULES_REMINDERS,
            Body::TakeLease { .. } | Body::Checkpoint { .. } => RULES_LEASES,
            Body::MarkNoShow { .. } | Body::WalkIn { .. } => RULES_DESK,
            Body::Standby { .. } | Body::StandDown { .. } | Body::OfferLeftover { .. } => RULES_STANDBY,
            Body::SetAgentShare { .. } | Body::EnterByAgent { .. } => RULES_AGENTS,
            Body::HoldFor { .. } | Body::EndProxy { .. } => RULES_PROXIES,
            _ => RULES_FIRST,
        }
    }
}

/// The version that would count after `command`, if a build that knows rules up to `knows`
/// does not know it: the command must not be applied, nor any after it.
///
/// # Panics
///
/// If `knows` is more than this build knows.
#[must_use]
pub fn newer_needed(state: &State, command: &Command, knows: u32) -> Option<u32> {
    assert!(knows <= RULES_NEWEST, "nobody knows more than this build does");
    let Body::Upgrade { rules } = command.body else { return None };
    let counts = is_next(&state.data, rules) && !state.remembers(command.id);
    (counts && rules > knows).then_some(rules)
}

fn is_next(data: &Data, rules: u32) -> bool {
    data.rules.checked_add(1) == Some(rules)
}

/// Checks: is it the next version.
pub(crate) fn upgrade(data: &mut Data, rules: u32) -> Outcome {
    if !is_next(data, rules) {
        return Outcome::refused(Reason::RulesUnknown);
    }
    assert!(rules <= RULES_NEWEST, "whoever applies commands asks `newer_needed` first");
    data.rules = rules;
    data.publish(EventKind::RulesUpgraded, 0, u64::from(rules), "");
    Outcome::Done
}
