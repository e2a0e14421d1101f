//! Waiting rooms: tickets, the lobby's draw, calling, entering, pace.
//!
//! A ticket is a serial number; joins are counted, not stored. Those who came before
//! the opening are placed by a draw that anyone can recompute ([`draw`]); later ones
//! follow in the journal's order. `called` positions have had their turn come; a
//! called ticket may enter then or later, which gives it a pass for a few minutes.
//!
//! It must never let a ticket in before its position is called, lose a place by a
//! pause, or let more in at once than the pace allows.
//!
//! Start reading at [`Room`], then `handle` (what an operator may ask), `people` (what
//! those who wait may ask), `passes` (what a pass serves and when it ends), `pace` and
//! `last_places` (what time does) and `outlook` (what those who wait are told).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem;

use crate::chunked::Chunked;
use crate::command::Text;
use crate::ids::{CampaignId, PersonId, Serial};
use crate::time::Time;

pub mod draw;
mod handle;
mod last_places;
mod marks;
mod outlook;
mod pace;
mod passes;
mod people;

pub use draw::Draw;
pub(crate) use handle::handle;
pub use marks::{Mark, Marks};
pub use outlook::{Outlook, outlook};
pub use pace::{Cohort, Controller};
pub(crate) use pace::{Places, advance};

/// Settings of a room.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RoomConfig {
    /// What people call it.
    pub name: Text,
    /// When it opens, by the journal's clock.
    pub opens_at: Time,
    /// SHA-256 of the seed that will be revealed at the opening.
    pub commitment: [u8; 32],
    /// The campaign it stands in front of, if it is one of ours.
    pub campaign: Option<CampaignId>,
    /// Calling waits for a public value that nobody could know beforehand, which the
    /// operator hands in after the opening; otherwise the node draws at once.
    pub awaits_beacon: bool,
    /// One ticket a person, found again from any device; joins need an identity.
    pub identity_bound: bool,
    /// What a gate does when it cannot ask: let people through, or hold them.
    pub fails_open: bool,
    /// Bookings that one pass may serve, from 1.
    pub bookings_per_pass: u8,
    /// How fast it lets people in.
    pub pace: Pace,
}

/// How fast a room lets people in. Settings are numbered in this order, from 1, in a
/// refusal with `setting_unfit`; 6 is [`RoomConfig::bookings_per_pass`].
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pace {
    /// Entries a minute at the most; 0 stops entering.
    pub entries_per_minute_max: u32,
    /// Passes active at once at the most.
    pub passes_max: u32,
    /// How long a pass lasts.
    pub pass_ttl_ms: u32,
    /// The controller slows down when the reported 95th percentile is above it; 0 turns that off.
    pub latency_goal_ms: u32,
    /// The controller slows down when more errors per million are reported.
    pub error_goal_ppm: u32,
}

/// Where a room is in its life. A pause is beside it, in [`Room::paused`].
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Gathering; the order will be drawn.
    Lobby = 1,
    /// Open. Calling starts when the draw is made.
    Open = 2,
    /// Over.
    Closed = 3,
}

/// A ticket that is inside.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Inside {
    /// When its pass ends.
    pub ends_at: Time,
    /// Bookings that the pass serves: active holds, and bookings made.
    pub bookings: u8,
    /// How many of them were confirmed.
    pub confirmed: u8,
}

/// When a ticket's pass ends: an entry of the queue of endings. Outdated entries are
/// skipped.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct PassEnd {
    /// When.
    pub ends_at: Time,
    /// Whose.
    pub serial: Serial,
}

/// A waiting room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// Its settings.
    pub config: RoomConfig,
    /// Where it is in its life.
    pub phase: Phase,
    /// The public reason while it is paused.
    pub paused: Option<Text>,
    /// Notices shown to everyone who waits.
    pub notices: Vec<Text>,
    /// Tickets issued: serials `0..issued`.
    pub issued: u32,
    /// Tickets `0..lobby` are placed by the draw; set at the opening.
    pub lobby: Option<u32>,
    /// The draw, once revealed.
    pub draw: Option<Draw>,
    /// Positions `0..called` have been called.
    pub called: u32,
    /// What became of each ticket: two bits a serial.
    pub marks: Marks,
    /// Tickets with an active pass.
    pub inside: BTreeMap<Serial, Inside>,
    /// When passes end, in order.
    pub ends: Chunked<PassEnd>,
    /// In an identity-bound room, whose each serial is; empty otherwise.
    pub people: Chunked<PersonId>,
    /// Tickets that entered for the first time.
    pub entered: u32,
    /// Tickets given back before they entered.
    pub left: u32,
    /// What calling and metering remember.
    pub controller: Controller,
}

impl Room {
    /// A copy for a snapshot, whose long sequences are shared until they are written to.
    pub(crate) fn freeze(&mut self) -> Room {
        let (mut ends, mut people) = (mem::take(&mut self.ends), mem::take(&mut self.people));
        let frozen = Room { ends: ends.freeze(), people: people.freeze(), ..self.clone() };
        (self.ends, self.people) = (ends, people);
        frozen
    }

    /// A ticket's position in line, from 0, once it is known: at the draw for the
    /// lobby's tickets, at once for later ones. Costs 90 SHA-256 blocks for a lobby
    /// ticket.
    #[must_use]
    pub fn position(&self, serial: Serial) -> Option<u32> {
        let lobby = self.lobby?;
        if serial.0 >= self.issued {
            return None;
        }
        if serial.0 >= lobby {
            return Some(serial.0);
        }
        Some(self.draw.as_ref()?.position(serial.0))
    }
}
