//! `GET /rooms/{room}/fairness`: everything that makes the order checkable, and a form
//! that recomputes any place: in the browser, or here for browsers without scripts.

use axum::extract::{Path, Query};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::{CampaignId, RoomId};
use jari_core::waiting_room::draw;
use serde::Deserialize;

use super::caller::{Caller, Failed};
use super::views;
use super::words::{Words, grouped};
use crate::actions::campaigns::{self, CampaignView};
use crate::actions::waiting::{self, DrawView, EventView, RoomDetails};

/// The number asked about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FairnessQuery {
    ticket: String,
}

/// Shows the page.
///
/// # Errors
///
/// `room_unknown`.
pub async fn get_fairness(
    caller: Caller,
    Path(room): Path<u32>,
    Query(query): Query<FairnessQuery>,
) -> Result<Response, Failed> {
    let room = waiting::room(&caller.site, RoomId(room))?;
    let campaign = room.campaign.and_then(|id| campaigns::campaign(&caller.site, CampaignId(id)).ok());
    let asked: String = query.ticket.chars().filter(char::is_ascii_digit).take(12).collect();
    let own = caller.ticket(RoomId(room.room)).map(|ticket| (u64::from(ticket.serial.0) + 1).to_string());
    let result = match (&room.draw, asked.is_empty()) {
        (Some(draw), false) => result(&caller.words, &room, draw, &asked),
        _ => String::new(),
    };
    let mut events = waiting::events(&caller.site, 0, None);
    events.retain(|event| concerns(event, &room));
    let events = events.iter().rev().map(|event| event_row(&caller.words, event)).collect();
    let page = views::Fairness {
        f: caller.frame()?,
        id: room.room,
        opens: caller.words.when(Time(room.opens_at_ms)),
        commitment: room.commitment,
        draw: room.draw.map(|draw| views::Draw {
            seed: draw.seed,
            beacon: draw.beacon,
            mixed: draw.mixed,
            lobby: draw.lobby.into(),
        }),
        issued: room.issued.into(),
        called: room.called.into(),
        entered: room.entered.into(),
        ticket: if asked.is_empty() { own.unwrap_or_default() } else { asked },
        result,
        supply: campaign.as_ref().map(sum),
        events,
        name: room.name,
    };
    caller.page(&page, StatusCode::OK)
}

/// The place of a ticket's number, recomputed from the published values alone.
fn result(words: &Words, room: &RoomDetails, draw: &DrawView, asked: &str) -> String {
    let number = asked.parse::<u32>().ok().filter(|number| (1..=room.issued).contains(number));
    let mixed = crate::hex::decode::<32>(&draw.mixed);
    let (Some(number), Some(mixed)) = (number, mixed) else {
        return words.t("fair-result-none");
    };
    let drawn = number <= draw.lobby;
    let place = if drawn { draw::shuffled_index(number - 1, draw.lobby, &mixed) + 1 } else { number };
    let template = words.np(if drawn { "fair-result-drawn" } else { "fair-result-later" }, "{n}", "{p}");
    template.replace("{n}", &grouped(number.into())).replace("{p}", &grouped(place.into()))
}

/// Whether an event is about this room or the campaign behind it.
fn concerns(event: &EventView, room: &RoomDetails) -> bool {
    let of_room = event.kind.starts_with("room_") || event.kind == "pace_set";
    let of_slot = matches!(event.kind, "capacity_set" | "withdrawn_set");
    if of_room { event.subject == room.room } else { !of_slot && Some(event.subject) == room.campaign }
}

fn event_row(words: &Words, event: &EventView) -> views::Event {
    let at = Time(event.at_ms);
    let mut what = words.t(&format!("event-{}", event.kind));
    let value = match event.kind {
        "room_created" | "room_scheduled" => format!("({})", words.when(Time(event.value))),
        "room_opened" | "quota_set" | "campaign_created" => words.n("event-value-count", event.value),
        // The vaccine's number stands above its quota.
        "vaccine_quota_set" => words.n("event-value-count", event.value & u64::from(u32::MAX)),
        "pace_set" => words.n("event-value-pace", event.value),
        "rules_set" | "rules_upgraded" => words.n("event-value-version", event.value),
        _ => String::new(),
    };
    if !value.is_empty() {
        what = format!("{what} {value}");
    }
    let when = format!("{} {} {}", words.day(at), words.clock_exact(at), words.zone_name(at));
    views::Event { machine: words.machine(at), when, what, reason: event.reason.clone() }
}

fn sum(campaign: &CampaignView) -> views::Sum {
    let supply = campaign.supply;
    views::Sum {
        campaign: campaign.campaign,
        capacity: supply.capacity.into(),
        free: supply.free.into(),
        held: supply.held.into(),
        booked: supply.booked.into(),
        used: supply.used.into(),
        withdrawn: supply.withdrawn.into(),
        quota: campaign.quota.into(),
    }
}
