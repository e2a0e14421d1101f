//! The waiting page: take a number, wait, go in; and give the number back.
//!
//! A page is rendered for one person from their ticket; afterwards the script polls the
//! document that is the same for everyone. Without scripts the page loads itself again.

use axum::extract::{Form, Path};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::RoomId;
use jari_node::views::document_now;
use serde::Deserialize;

use super::caller::{Caller, Failed};
use super::respond::see_other;
use super::views;
use crate::actions::waiting::{self, Joining, Place, RoomDetails, RoomState};
use crate::poll;
use crate::problem::Problem;

/// The forms of the waiting page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RoomForm {
    csrf: String,
}

/// `GET /rooms/{room}`.
///
/// # Errors
///
/// `room_unknown`.
pub async fn get_room(caller: Caller, Path(room): Path<u32>) -> Result<Response, Failed> {
    let id = RoomId(room);
    let room = waiting::room(&caller.site, id)?;
    // A ticket of another room's life (a wiped demonstration) is as good as none.
    let place = kept(&caller, id).await;
    let page = view(&caller, room, place)?;
    caller.page(&page, StatusCode::OK)
}

/// The place of the ticket that this device keeps, if it keeps one.
async fn kept(caller: &Caller, room: RoomId) -> Option<Place> {
    waiting::place(&caller.site, &caller.ticket(room)?).await.ok()
}

fn view(caller: &Caller, room: RoomDetails, place: Option<Place>) -> Result<views::Room, Problem> {
    let stage = stage(&room, place.as_ref());
    let document = caller.site.node.read(|state| document_now(state.data(), RoomId(room.room)));
    let document = document.unwrap_or_default();
    // While it is paused nobody can say when it goes on.
    let pace = if room.state == RoomState::Paused { (0, 0) } else { room.calls_per_minute };
    let now = Time(room.now_ms);
    let refresh_s = place.as_ref().and_then(|place| refresh_s(&room, place, stage));
    let mine = place.map(|place| {
        let people = u64::from(place.ahead.unwrap_or(0));
        views::Mine {
            serial: place.serial,
            number: u64::from(place.serial) + 1,
            place: place.position,
            order: place.position.map_or(0, |position| u64::from(position) + 1),
            people,
            range: caller.words.range(people, pace),
            at: caller.words.range_at(now, people, pace),
            reach: reach(place.reach),
        }
    });
    let slip = caller.slip(RoomId(room.room)).filter(|_| mine.is_none());
    let slip = slip.map(|(_, from)| views::Slip { until: caller.words.clock_exact(from), until_ms: from.0 });
    let opens = Time(room.opens_at_ms);
    Ok(views::Room {
        f: caller.frame()?,
        id: room.room,
        stage,
        now_ms: room.now_ms,
        document: String::from_utf8_lossy(&document).into_owned(),
        opens: caller.words.when(opens),
        opens_ms: opens.0,
        reason: room.paused_because,
        notices: room.notices.join("\n"),
        refresh_s,
        free: room.free.map(u64::from),
        bound: room.identity_bound,
        zone_min: caller.words.zone_min(now),
        zone_name: format!(" {}", caller.words.zone_name(now)),
        must_identify: room.identity_bound && caller.session().is_none(),
        slip,
        name: room.name,
        mine,
    })
}

/// Where the reader is in the room's story.
fn stage(room: &RoomDetails, place: Option<&Place>) -> views::Stage {
    use views::Stage;
    match place {
        _ if room.state == RoomState::Closed => Stage::Closed,
        Some(place) if place.spent => Stage::Over,
        Some(place) if place.inside => Stage::Inside,
        _ if room.lobby.is_none() => Stage::Lobby,
        Some(place) if place.is_called => Stage::Called,
        Some(place) if place.position.is_none() => Stage::Drawing,
        _ => Stage::Line,
    }
}

/// When a page without scripts asks again; none where nothing will change by itself.
fn refresh_s(room: &RoomDetails, place: &Place, stage: views::Stage) -> Option<u64> {
    let expected_ms = match stage {
        // Just after the opening, but not all in one second.
        views::Stage::Lobby => {
            let rest = room.opens_at_ms.saturating_sub(room.now_ms);
            if rest < 60_000 {
                return Some(rest / 1_000 + 3 + u64::from(place.serial % 15));
            }
            rest
        }
        views::Stage::Drawing => 60_000,
        views::Stage::Line => {
            let people = u64::from(place.ahead.unwrap_or(0));
            poll::expected_wait_ms(people, room.calls_per_minute)
        }
        _ => return None,
    };
    Some(poll::refresh_s(expected_ms, place.serial))
}

fn reach(reach: Option<waiting::Reach>) -> views::Reach {
    match reach {
        None => views::Reach::Unknown,
        Some(waiting::Reach::Likely) => views::Reach::Sure,
        Some(waiting::Reach::Unsure) => views::Reach::Maybe,
        Some(waiting::Reach::Unlikely) => views::Reach::Unlikely,
    }
}

/// `POST /rooms/{room}/join`: gives a number and shows the waiting page.
///
/// # Errors
///
/// The machine's refusals.
pub async fn join_room(
    caller: Caller,
    Path(room): Path<u32>,
    Form(form): Form<RoomForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let id = RoomId(room);
    // Pressing twice, or going back and pressing again, must not cost the better place.
    if kept(&caller, id).await.is_some_and(|place| !place.spent) {
        return Ok(see_other(&format!("/rooms/{room}")));
    }
    let session = caller.session();
    let slip = caller.slip(id).map(|(slip, _)| slip);
    match waiting::join(&caller.site, id, session.as_ref(), caller.network, slip).await? {
        Joining::Ticket { token, .. } => {
            let mut response = see_other(&format!("/rooms/{room}"));
            caller.keep_ticket(&mut response, id, &token);
            Ok(response)
        }
        Joining::Slowed { slip, .. } => {
            let mut response = see_other(&format!("/rooms/{room}"));
            caller.keep_slip(&mut response, id, &slip);
            Ok(response)
        }
    }
}

/// `POST /rooms/{room}/enter`: goes in, or finds the way back in.
///
/// # Errors
///
/// The machine's refusals; `ticket_unknown` where this device has no ticket.
pub async fn enter_room(
    caller: Caller,
    Path(room): Path<u32>,
    Form(form): Form<RoomForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let id = RoomId(room);
    let ticket = caller.ticket_required(id)?;
    let entered = waiting::enter(&caller.site, &ticket).await?;
    let campaign = waiting::room(&caller.site, id)?.campaign;
    let target = campaign.map_or_else(|| format!("/rooms/{room}"), |campaign| format!("/book/{campaign}"));
    let mut response = see_other(&target);
    caller.keep_pass(&mut response, id, &entered.pass_token);
    Ok(response)
}

/// `POST /rooms/{room}/leave`: gives the number back.
///
/// # Errors
///
/// The machine's refusals.
pub async fn leave_room(
    caller: Caller,
    Path(room): Path<u32>,
    Form(form): Form<RoomForm>,
) -> Result<Response, Failed> {
    caller.check_form(&form.csrf)?;
    let id = RoomId(room);
    let ticket = caller.ticket_required(id)?;
    waiting::leave(&caller.site, &ticket).await?;
    let mut response = see_other("/");
    caller.drop_ticket(&mut response, id);
    Ok(response)
}
