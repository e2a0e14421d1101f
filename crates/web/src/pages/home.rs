//! `GET /`: what is open, and one big button for each.

use axum::response::Response;
use http::StatusCode;
use jari_core::ids::RoomId;

use super::caller::{Caller, Failed};
use super::views;
use crate::actions::campaigns::{self, CampaignState};
use crate::actions::waiting::{self, RoomDetails, RoomState};

/// Shows the front page.
///
/// # Errors
///
/// A passing problem of ours.
pub async fn get_home(caller: Caller) -> Result<Response, Failed> {
    let rooms = waiting::rooms(&caller.site).into_iter().map(|room| home_room(&caller, room)).collect();
    let campaigns = campaigns::campaigns(&caller.site).into_iter().filter(|campaign| campaign.room.is_none());
    let campaigns = campaigns.map(|campaign| views::HomeCampaign {
        id: campaign.campaign,
        name: campaign.name,
        reason: campaign.paused_because,
        free: campaign.free.into(),
        closed: campaign.state == CampaignState::Over,
    });
    let page = views::Home { f: caller.frame()?, rooms, campaigns: campaigns.collect() };
    caller.page(&page, StatusCode::OK)
}

fn home_room(caller: &Caller, room: RoomDetails) -> views::HomeRoom {
    let ticket = caller.ticket(RoomId(room.room));
    views::HomeRoom {
        id: room.room,
        state: standing(room.state),
        opens: caller.words.when(jari_core::Time(room.opens_at_ms)),
        reason: room.paused_because,
        free: room.free.map(u64::from),
        number: ticket.map(|ticket| u64::from(ticket.serial.0) + 1),
        name: room.name,
    }
}

/// The word for a room's state.
#[must_use]
pub(super) fn standing(state: RoomState) -> views::Standing {
    match state {
        RoomState::Lobby => views::Standing::Lobby,
        RoomState::Open => views::Standing::Open,
        RoomState::Paused => views::Standing::Paused,
        RoomState::Closed => views::Standing::Closed,
    }
}
