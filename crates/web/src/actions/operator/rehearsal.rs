//! A rehearsal: the evening that is to come, simulated with this campaign's own figures.
//!
//! It is another process's work (the program gives the site a way to it), at the lowest priority and one
//! at a time; and none is begun while anybody waits, since it takes a core. It touches nothing of the
//! service. Start reading at [`rehearse`].

use std::pin::Pin;
use std::sync::Arc;

use jari_core::ids::{CampaignId, RoomId};
use jari_wire::token::StaffSession;

use crate::actions::waiting::{self, RoomState};
use crate::actions::{campaigns, staff as members};
use crate::problem::Problem;
use crate::site::Site;

/// What is rehearsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rehearsal {
    /// People who come.
    pub people: u32,
    /// Places to be given on the first evening.
    pub places: u32,
    /// Entries a minute at the most.
    pub entries_per_minute: u32,
    /// People inside at once at the most.
    pub passes: u32,
    /// How long a turn lasts, ms.
    pub pass_ttl_ms: u32,
    /// Each person has one number.
    pub identity_bound: bool,
    /// The opening, minutes after midnight by the service's clock.
    pub opens_minute: u16,
}

/// Makes a rehearsal's report: a whole page of HTML, or why there is none.
pub type Rehearse =
    Arc<dyn Fn(Rehearsal) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

/// Rehearses a campaign's opening with so many people, and gives the report.
///
/// # Errors
///
/// `campaign_unknown`; `unfit` without a room, or for too few or too many people; `rehearsal_unfit` where
/// there is nothing to do it with; `rehearsal_busy` while people wait or another one runs.
pub async fn rehearse(
    site: &Site,
    staff: &StaffSession,
    campaign: CampaignId,
    people: u32,
) -> Result<String, Problem> {
    let view = campaigns::campaign(site, campaign)?;
    let room = view.room.ok_or_else(|| Problem::unfit("This campaign has no waiting room to rehearse."))?;
    let room = waiting::room(site, RoomId(room))?;
    if !(100..=10_000_000).contains(&people) {
        return Err(Problem::unfit("A rehearsal has 100 to 10,000,000 people."));
    }
    let rehearse = site.options.rehearse.clone().ok_or_else(absent)?;
    let is_served = |room: &waiting::RoomDetails| {
        room.state == RoomState::Open && (room.inside > 0 || room.issued > room.called)
    };
    if waiting::rooms(site).iter().any(is_served) {
        return Err(busy());
    }
    let _turn = site.rehearsals.try_acquire().map_err(|_| busy())?;
    let on = format!("campaign {}, {people} people", campaign.0);
    members::note(site, staff, "rehearse", on, "").await?;
    let offset_ms = u64::from(view.utc_offset_min.unsigned_abs()) * 60_000;
    let local_ms = if view.utc_offset_min < 0 {
        room.opens_at_ms.saturating_sub(offset_ms)
    } else {
        room.opens_at_ms + offset_ms
    };
    let rehearsal = Rehearsal {
        people,
        places: view.free.max(1),
        entries_per_minute: room.pace.entries_per_minute_max,
        passes: room.pace.passes_max,
        pass_ttl_ms: room.pace.pass_ttl_ms,
        identity_bound: room.identity_bound,
        opens_minute: u16::try_from(local_ms / 60_000 % 1_440).unwrap_or(0),
    };
    rehearse(rehearsal).await.map_err(|why| {
        tracing::error!(%why, "a rehearsal failed");
        Problem::ours("The rehearsal failed. Nothing of the service was touched; the log says why.")
    })
}

fn absent() -> Problem {
    Problem::caller(
        http::StatusCode::CONFLICT,
        "rehearsal_unfit",
        "There is nothing to rehearse with",
        "This service was started without the drills. Nothing was changed.",
    )
}

fn busy() -> Problem {
    Problem::busy(
        "rehearsal_busy",
        "Not while people are served",
        "A rehearsal takes a core of this machine. It is not begun while people wait or are inside, or while another \
         one runs.",
        60_000,
    )
}
