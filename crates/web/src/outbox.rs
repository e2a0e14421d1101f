//! The outbox: messages to people, in the order in which they were sent.
//!
//! In the demonstration it is shown to everyone and stands for the telephone. A service with a
//! messenger keeps none of them here. Bounded: the oldest messages fall out.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use jari_core::Time;
use serde::Serialize;
use utoipa::ToSchema;

/// What a message is for.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A one-time code.
    Code,
    /// A booking was confirmed: it is durable.
    Booked,
    /// A booking was cancelled.
    Cancelled,
    /// A booking was moved.
    Moved,
    /// An appointment is near.
    Reminder,
    /// A leftover place is offered.
    Offer,
}

impl Purpose {
    /// Its name, as in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Purpose::Code => "code",
            Purpose::Booked => "booked",
            Purpose::Cancelled => "cancelled",
            Purpose::Moved => "moved",
            Purpose::Reminder => "reminder",
            Purpose::Offer => "offer",
        }
    }
}

/// A message that was sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Message {
    /// Its number; grows by one with each message since the start.
    pub number: u64,
    /// When.
    pub at_ms: u64,
    /// The telephone number it went to.
    pub to: String,
    /// What it is for.
    pub purpose: Purpose,
    /// What it says.
    pub text: String,
    /// The effect it performs, by which a receiver drops repeats.
    pub effect: Option<u64>,
}

/// A message to be sent.
pub struct Draft {
    /// When.
    pub at: Time,
    /// The telephone number.
    pub to: String,
    /// What for.
    pub purpose: Purpose,
    /// What it says.
    pub text: String,
    /// The effect it performs, if it does.
    pub effect: Option<u64>,
}

/// See the module's documentation.
pub struct Outbox {
    ring: Mutex<Ring>,
    messages_max: usize,
}

#[derive(Default)]
struct Ring {
    messages: VecDeque<Message>,
    next_number: u64,
    /// The effects of these messages: a repeat is dropped, as a receiver would.
    effects: HashSet<u64>,
}

impl Outbox {
    /// An empty outbox that keeps so many messages.
    #[must_use]
    pub fn new(messages_max: usize) -> Outbox {
        Outbox { ring: Mutex::default(), messages_max: messages_max.max(1) }
    }

    /// Sends a message. One whose effect was performed already is dropped.
    pub fn push(&self, draft: Draft) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if draft.effect.is_some_and(|effect| !ring.effects.insert(effect)) {
            return;
        }
        if ring.messages.len() == self.messages_max {
            let oldest = ring.messages.pop_front();
            if let Some(effect) = oldest.and_then(|message| message.effect) {
                ring.effects.remove(&effect);
            }
        }
        let number = ring.next_number;
        ring.next_number += 1;
        let Draft { at, to, purpose, text, effect } = draft;
        ring.messages.push_back(Message { number, at_ms: at.0, to, purpose, text, effect });
    }

    /// Forgets what was sent to a number.
    pub fn forget(&self, to: &str) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let Ring { messages, effects, .. } = &mut *ring;
        messages.retain(|message| {
            let stays = message.to != to;
            if let Some(effect) = message.effect.filter(|_| !stays) {
                effects.remove(&effect);
            }
            stays
        });
    }

    /// The newest messages, newest first; `to` narrows them to one telephone number.
    #[must_use]
    pub fn newest(&self, limit: usize, to: Option<&str>) -> Vec<Message> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = ring.messages.iter().rev().filter(|message| to.is_none_or(|to| message.to == to));
        wanted.take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(to: &str, effect: Option<u64>) -> Draft {
        Draft { at: Time(1), to: to.into(), purpose: Purpose::Booked, text: "x".into(), effect }
    }

    #[test]
    fn the_oldest_message_falls_out_and_a_repeated_effect_is_dropped() {
        let outbox = Outbox::new(2);
        outbox.push(draft("a", Some(0)));
        outbox.push(draft("b", Some(1)));
        outbox.push(draft("b", Some(1)));
        outbox.push(draft("c", None));
        let to: Vec<String> = outbox.newest(9, None).into_iter().map(|message| message.to).collect();
        assert_eq!(to, ["c", "b"]);
        assert_eq!(outbox.newest(9, Some("a")), []);
        outbox.forget("b");
        let to: Vec<String> = outbox.newest(9, None).into_iter().map(|message| message.to).collect();
        assert_eq!(to, ["c"]);
    }
}
