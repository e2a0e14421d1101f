//! The audit list: who did what, and when.
//!
//! Each entry is written before the deed it is about, and the deed is not done if it cannot be: what is
//! not in the list did not happen. What was refused afterwards has a second entry that says so. Sign-ins
//! that failed are counted for a minute ([`SignIns`]), so that nobody fills the list by guessing.
//!
//! It must never hold a password, a code, a secret, a person's name or number, or what somebody typed
//! who could not sign in: people type passwords into the field for the name.
//!
//! Start at [`Entry`] and [`of_command`]; where it is kept is for `vault::audit`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jari_core::Body;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::table::push_row;

/// Bytes of a text in an entry at the most; what is longer is cut.
const TEXT_BYTES_MAX: usize = 400;
/// Accounts whose failed sign-ins are counted apart in one minute.
const COUNTED_MAX: usize = 64;
/// Who it is where nobody was signed in: a command on the machine itself.
pub const MACHINE: &str = "(machine)";
/// Who it is where the service does something by itself.
pub const SERVICE: &str = "(service)";
/// Who it is where the name is of nobody.
pub const UNKNOWN: &str = "(unknown)";

/// One thing that someone of the staff did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Entry {
    /// When, ms.
    pub at_ms: u64,
    /// The account; `(unknown)` where the name was none, `(machine)` for a command on the machine,
    /// `(service)` for what it does by itself.
    pub who: String,
    /// What: a stable word.
    #[schema(example = "pause_room")]
    pub what: String,
    /// To what: a room, a booking, another account.
    #[schema(example = "room 1")]
    pub on: String,
    /// The public reason, where there was one.
    pub reason: String,
    /// Empty where it was done; else the code of the problem.
    pub refused: String,
    /// How often: of failed sign-ins, all of a minute are one entry.
    pub count: u32,
}

impl Entry {
    /// Something done once.
    #[must_use]
    pub fn new(at_ms: u64, who: &str, what: &str, on: impl Into<String>) -> Entry {
        let on = cut(&on.into());
        Entry { at_ms, who: cut(who), what: what.to_owned(), on, count: 1, ..Entry::default() }
    }

    /// With a reason.
    #[must_use]
    pub fn because(self, reason: &str) -> Entry {
        Entry { reason: cut(reason), ..self }
    }

    /// The same, which was not done.
    #[must_use]
    pub fn refused(self, at_ms: u64, code: &str) -> Entry {
        Entry { at_ms, refused: code.to_owned(), ..self }
    }
}

/// A text without its end, if it is too long.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

/// What a command is in the list: its word, what it is on, and its reason. None for what nobody of the
/// staff asks for.
#[must_use]
pub fn of_command(body: &Body) -> Option<(&'static str, String, String)> {
    let room = |room: &jari_core::ids::RoomId| format!("room {}", room.0);
    let campaign = |campaign: &jari_core::ids::CampaignId| format!("campaign {}", campaign.0);
    let slot = |slot: &jari_core::ids::SlotId| format!("slot {}", slot.0);
    let (what, on, reason) = match body {
        Body::Upgrade { rules } => ("upgrade_rules", format!("rules {rules}"), None),
        Body::CreateRoom { room: id, .. } => ("create_room", room(id), None),
        Body::ScheduleRoom { room: id, reason, .. } => ("schedule_room", room(id), Some(reason)),
        Body::DrawRoom { room: id, .. } => ("draw_room", room(id), None),
        Body::PauseRoom { room: id, reason } => ("pause_room", room(id), Some(reason)),
        Body::ResumeRoom { room: id } => ("resume_room", room(id), None),
        Body::CloseRoom { room: id, reason } => ("close_room", room(id), Some(reason)),
        Body::SetPace { room: id, reason, .. } => ("set_pace", room(id), Some(reason)),
        Body::SetNotices { room: id, .. } => ("set_notices", room(id), None),
        Body::CreateCampaign { campaign: id, .. } => ("create_campaign", campaign(id), None),
        Body::SetRules { campaign: id, reason, .. } => ("set_rules", campaign(id), Some(reason)),
        Body::SetWindows { campaign: id, reason, .. } => ("set_windows", campaign(id), Some(reason)),
        Body::SetQuota { campaign: id, reason, .. } => ("set_quota", campaign(id), Some(reason)),
        Body::PauseCampaign { campaign: id, reason } => ("pause_campaign", campaign(id), Some(reason)),
        Body::ResumeCampaign { campaign: id } => ("resume_campaign", campaign(id), None),
        Body::CloseCampaign { campaign: id, reason } => ("close_campaign", campaign(id), Some(reason)),
        Body::AddClinic { .. } => ("add_clinic", String::new(), None),
        Body::AddDesk { campaign: id, clinic } => {
            ("add_desk", format!("{}, clinic {}", campaign(id), clinic.0), None)
        }
        Body::AddSlots { desk, .. } => ("add_slots", format!("desk {}", desk.0), None),
        Body::SetCapacity { slot: id, reason, .. } => ("set_capacity", slot(id), Some(reason)),
        Body::SetWithdrawn { slot: id, reason, .. } => ("set_withdrawn", slot(id), Some(reason)),
        Body::CheckIn { booking } => ("check_in", format!("booking {}", booking.0), None),
        Body::MarkNoShow { booking } => ("mark_no_show", format!("booking {}", booking.0), None),
        Body::WalkIn { slot: id, .. } => ("walk_in", slot(id), None),
        Body::OfferLeftover { slot: id, .. } => ("offer_leftover", slot(id), None),
        Body::SetAgentShare { room: id, reason, .. } => ("set_agent_share", room(id), Some(reason)),
        Body::EnterByAgent { room: id, .. } => ("enter_by_agent", room(id), None),
        _ => return None,
    };
    Some((what, on, reason.map(|reason| reason.to_string()).unwrap_or_default()))
}

/// Sign-ins since the last minute was written, by account and the code of the problem: those that
/// failed, and those that could not be written at once.
#[derive(Debug, Default)]
pub struct SignIns(Mutex<BTreeMap<(String, String), u32>>);

impl SignIns {
    /// Counts one, of an account that there is, or of nobody.
    pub fn count(&self, account: Option<&str>, code: &str) {
        self.add(account.unwrap_or(UNKNOWN), code, 1);
    }

    /// Counts what was taken and could not be written.
    pub fn put_back(&self, entry: &Entry) {
        self.add(&entry.who, &entry.refused, entry.count);
    }

    fn add(&self, who: &str, code: &str, times: u32) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (who.to_owned(), code.to_owned());
        let fits = counted.len() < COUNTED_MAX || counted.contains_key(&key);
        let key = if fits { key } else { (UNKNOWN.to_owned(), code.to_owned()) };
        let count = counted.entry(key).or_insert(0);
        *count = count.saturating_add(times);
    }

    /// What was counted, as entries. Nothing is counted any more then.
    pub fn take(&self, now_ms: u64) -> Vec<Entry> {
        let counted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let entry = |((who, code), count): ((String, String), u32)| Entry {
            count,
            ..Entry::new(now_ms, &who, "sign_in", "").refused(now_ms, &code)
        };
        counted.into_iter().map(entry).collect()
    }
}

/// The list as a table.
#[must_use]
pub fn csv(entries: &[Entry], when: impl Fn(u64) -> String) -> String {
    let mut text = String::new();
    push_row(&mut text, &["at", "at_ms", "who", "what", "on", "reason", "refused", "count"]);
    for entry in entries {
        let (at, at_ms, count) = (when(entry.at_ms), entry.at_ms.to_string(), entry.count.to_string());
        let Entry { who, what, on, reason, refused, .. } = entry;
        push_row(&mut text, &[&at, &at_ms, who, what, on, reason, refused, &count]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_ins_are_one_entry_a_minute_and_bounded() {
        let sign_ins = SignIns::default();
        for _ in 0..9 {
            sign_ins.count(Some("desk"), "sign_in_wrong");
        }
        sign_ins.count(None, "sign_in_wrong");
        let entries = sign_ins.take(7);
        let told: Vec<(&str, u32)> = entries.iter().map(|entry| (entry.who.as_str(), entry.count)).collect();
        assert_eq!(told, [(UNKNOWN, 1), ("desk", 9)]);
        assert!(entries.iter().all(|entry| entry.refused == "sign_in_wrong" && entry.at_ms == 7));
        for number in 0..1_000 {
            sign_ins.count(Some(&format!("a{number}")), "sign_in_wrong");
        }
        let entries = sign_ins.take(8);
        assert_eq!(entries.iter().map(|entry| entry.count).sum::<u32>(), 1_000, "none is lost");
        assert!(entries.len() <= COUNTED_MAX + 1);
        assert!(sign_ins.take(9).is_empty());
    }

    #[test]
    fn a_table_has_neither_formulas_nor_broken_lines() {
        let entry = Entry::new(1, "desk", "pause_room", "room 1").because("=1+1, \"really\"\nyes");
        let text = csv(&[entry], |_| "10:00".into());
        assert_eq!(
            text,
            "at,at_ms,who,what,on,reason,refused,count\r\n\
             10:00,1,desk,pause_room,room 1,\"'=1+1, \"\"really\"\"\nyes\",,1\r\n"
        );
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let entry = Entry::new(1, "desk", "x", "가".repeat(1_000));
        assert_eq!(entry.on.len(), 399);
    }
}
