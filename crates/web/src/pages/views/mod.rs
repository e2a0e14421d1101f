//! The pages as data: what each template shows, and nothing it could decide.
//!
//! Numbers are ready to be shown (a ticket's number is its serial + 1), texts are in
//! the reader's language. Templates escape everything.

use askama::Template;

use super::frame::Frame;

mod booking;
mod desk;
mod open;
mod opening;
mod operator;
mod privacy;
mod staff;

pub use booking::*;
pub use desk::*;
pub use open::*;
pub use opening::*;
pub use operator::*;
pub use privacy::*;
pub use staff::*;

/// Where a room or campaign is, as a word on a page.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Not open yet.
    Lobby,
    /// Open.
    Open,
    /// Paused with a public reason.
    Paused,
    /// Over.
    Closed,
}

impl Standing {
    /// The style's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Standing::Lobby => "lobby",
            Standing::Open => "open",
            Standing::Paused => "paused",
            Standing::Closed => "closed",
        }
    }

    /// The message.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Standing::Lobby => "state-lobby",
            Standing::Open => "state-open",
            Standing::Paused => "state-paused",
            Standing::Closed => "state-closed",
        }
    }

    /// Whether it has not opened.
    #[must_use]
    pub fn is_lobby(self) -> bool {
        self == Standing::Lobby
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_closed(self) -> bool {
        self == Standing::Closed
    }
}

/// The front page.
#[derive(Template, Debug)]
#[template(path = "home.html")]
pub struct Home {
    /// The frame.
    pub f: Frame,
    /// Waiting rooms.
    pub rooms: Vec<HomeRoom>,
    /// Campaigns without a room.
    pub campaigns: Vec<HomeCampaign>,
}

/// A room on the front page.
#[derive(Debug)]
pub struct HomeRoom {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: Standing,
    /// When it opens.
    pub opens: String,
    /// Why it is paused.
    pub reason: Option<String>,
    /// Free places behind it.
    pub free: Option<u64>,
    /// The reader's number in it.
    pub number: Option<u64>,
}

/// A campaign on the front page.
#[derive(Debug)]
pub struct HomeCampaign {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Why it is paused.
    pub reason: Option<String>,
    /// Free places.
    pub free: u64,
    /// Whether it is over.
    pub closed: bool,
}

/// Where the reader is in the room's story.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Before the opening.
    Lobby,
    /// Opened; the draw is not out.
    Drawing,
    /// In line.
    Line,
    /// Called.
    Called,
    /// The room is over.
    Closed,
    /// The ticket is inside.
    Inside,
    /// The ticket is used up or given back.
    Over,
}

/// Makes one question per stage for the template.
macro_rules! stages {
    ($($method:ident $stage:ident),*) => {
        impl Stage {
            $(#[doc = concat!("Whether it is ", stringify!($stage), ".")]
            #[must_use]
            pub fn $method(self) -> bool { self == Stage::$stage })*
        }
    };
}
stages!(is_lobby Lobby, is_drawing Drawing, is_line Line, is_called Called, is_closed Closed, is_inside Inside, is_over Over);

impl Stage {
    /// Whether there is a place to give back.
    #[must_use]
    pub fn may_leave(self) -> bool {
        matches!(self, Stage::Lobby | Stage::Drawing | Stage::Line | Stage::Called)
    }
}

/// The waiting page.
#[derive(Template, Debug)]
#[template(path = "room.html")]
pub struct Room {
    /// The frame.
    pub f: Frame,
    /// The room's number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Where the reader is.
    pub stage: Stage,
    /// The service's clock, ms.
    pub now_ms: u64,
    /// The room's public document, for the script.
    pub document: String,
    /// When it opens.
    pub opens: String,
    /// The same, ms.
    pub opens_ms: u64,
    /// Why it is paused.
    pub reason: Option<String>,
    /// Notices, one a line.
    pub notices: String,
    /// Without scripts: load again after so many seconds.
    pub refresh_s: Option<u64>,
    /// Free places behind it.
    pub free: Option<u64>,
    /// Whether a number is bound to a person, who finds it again on any device.
    pub bound: bool,
    /// Whether the reader must identify before taking a number.
    pub must_identify: bool,
    /// How far the zone of the times is ahead of UTC, minutes, for the script.
    pub zone_min: i32,
    /// Its short name, after a blank.
    pub zone_name: String,
    /// When to come back for a number, where the network is crowded.
    pub slip: Option<Slip>,
    /// The reader's ticket.
    pub mine: Option<Mine>,
}

/// A postponed join.
#[derive(Debug)]
pub struct Slip {
    /// From when it counts.
    pub until: String,
    /// The same, ms.
    pub until_ms: u64,
}

/// The reader's ticket in a room.
#[derive(Debug)]
pub struct Mine {
    /// The serial, from 0, for the script.
    pub serial: u32,
    /// The number on the ticket, from 1.
    pub number: u64,
    /// The position, from 0, once known, for the script.
    pub place: Option<u32>,
    /// The place in line, from 1; 0 if not known.
    pub order: u64,
    /// People ahead.
    pub people: u64,
    /// The expected wait.
    pub range: String,
    /// The same as times of day; may be empty.
    pub at: String,
    /// Whether supply reaches the place.
    pub reach: Reach,
}

/// Whether supply is likely to reach a place.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Nothing to say.
    Unknown,
    /// It will.
    Sure,
    /// It may.
    Maybe,
    /// It cannot be expected to.
    Unlikely,
}

impl Reach {
    /// Whether it will.
    #[must_use]
    pub fn is_sure(self) -> bool {
        self == Reach::Sure
    }

    /// Whether it may.
    #[must_use]
    pub fn is_maybe(self) -> bool {
        self == Reach::Maybe
    }

    /// Whether it cannot be expected to.
    #[must_use]
    pub fn is_unlikely(self) -> bool {
        self == Reach::Unlikely
    }
}
