//! What the operator sees of a room or a campaign.

use axum::extract::{Path, Query};
use axum::response::Response;
use http::StatusCode;
use jari_core::Time;
use jari_core::ids::{CampaignId, RoomId};
use serde::Deserialize;

use super::plots::{self, Scope};
use crate::actions::campaigns::{self, CampaignState, CampaignView};
use crate::actions::operator::exports::Export;
use crate::actions::waiting::{self, RoomDetails, RoomState};
use crate::pages::caller::{Caller, Failed};
use crate::pages::home::standing;
use crate::pages::views::{Field, FieldKind, Figure, OperatorForm, Standing, Subject, SubjectPage, Way};
use crate::pages::words::grouped;
use crate::problem::Problem;
use crate::staff::Deed;

/// Whether something was just done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DoneQuery {
    done: u8,
}

impl DoneQuery {
    /// Something was just done.
    pub(super) fn is_done(&self) -> bool {
        self.done == 1
    }
}

/// The moment shown, to the second.
pub(super) fn now(caller: &Caller) -> String {
    let now = caller.site.node.now();
    format!("{} {}", caller.words.day(now), caller.words.clock_exact(now))
}

/// A room and its figures.
pub(super) fn room(caller: &Caller, room: &RoomDetails) -> Subject {
    let figure = |key, value: u32| Figure { key, value: grouped(value.into()) };
    let (low, high) = room.calls_per_minute;
    let mut figures = vec![
        figure("op-issued", room.issued),
        figure("op-called", room.called),
        figure("op-entered", room.entered),
        figure("op-inside", room.inside),
        figure("op-ahead", room.issued.saturating_sub(room.called)),
        Figure { key: "op-calls", value: format!("{}–{}", grouped(low.into()), grouped(high.into())) },
        figure("op-entries", room.pace.entries_per_minute_max),
        Figure { key: "op-opens", value: caller.words.when(Time(room.opens_at_ms)) },
    ];
    figures.extend(room.free.map(|free| figure("op-free", free)));
    Subject { id: room.room, name: room.name.clone(), state: standing(room.state), figures }
}

/// A campaign and its figures.
pub(super) fn campaign(_caller: &Caller, campaign: &CampaignView) -> Subject {
    let figure = |key, value: u32| Figure { key, value: grouped(value.into()) };
    let supply = campaign.supply;
    let figures = vec![
        figure("op-capacity", supply.capacity),
        figure("op-free", supply.free),
        figure("op-held", supply.held),
        figure("op-booked", supply.booked),
        figure("op-used", supply.used),
        figure("op-withdrawn", supply.withdrawn),
        figure("op-quota", campaign.quota),
    ];
    let state = match campaign.state {
        CampaignState::NotOpen | CampaignState::Between => Standing::Lobby,
        CampaignState::Open => Standing::Open,
        CampaignState::Paused => Standing::Paused,
        CampaignState::Over => Standing::Closed,
    };
    Subject { id: campaign.campaign, name: campaign.name.clone(), state, figures }
}

/// `GET /operator/rooms/{room}`.
///
/// # Errors
///
/// `staff_only`, `room_unknown`.
pub async fn get_room(
    caller: Caller,
    Path(id): Path<u32>,
    Query(query): Query<DoneQuery>,
) -> Result<Response, Failed> {
    caller.staff()?;
    let page = room_page(&caller, id, query.is_done(), None)?;
    caller.page(&page, StatusCode::OK)
}

/// A room's page, perhaps with what went wrong.
pub(super) fn room_page(
    caller: &Caller,
    id: u32,
    done: bool,
    problem: Option<String>,
) -> Result<SubjectPage, Problem> {
    let details = waiting::room(&caller.site, RoomId(id))?;
    let here = format!("/operator/rooms/{id}");
    Ok(SubjectPage {
        f: caller.frame_at(&here)?,
        now: now(caller),
        console: plots::console(caller, Scope { room: Some(id), campaign: details.campaign, is_one: true }),
        room: room(caller, &details),
        here,
        public: format!("/rooms/{id}"),
        reason: details.paused_because.clone(),
        done,
        problem,
        forms: if caller.may(Deed::Operate) { room_forms(caller, &details) } else { Vec::new() },
        ways: details
            .campaign
            .map(|id| way(format!("/operator/campaigns/{id}"), "op-to-campaign"))
            .into_iter()
            .collect(),
    })
}

fn text(name: &'static str, label: &'static str) -> Field {
    Field { name, label, value: String::new(), kind: FieldKind::Text }
}

fn number(name: &'static str, label: &'static str, value: u32) -> Field {
    Field { name, label, value: value.to_string(), kind: FieldKind::Number }
}

fn reason() -> Field {
    text("reason", "op-reason")
}

fn room_forms(caller: &Caller, room: &RoomDetails) -> Vec<OperatorForm> {
    let mut forms = Vec::new();
    if room.state == RoomState::Closed {
        return forms;
    }
    if room.state == RoomState::Paused {
        forms.push(resume_form());
    } else {
        forms.push(pause_form());
    }
    if room.lobby.is_none() {
        let opens = caller.words.input_time(Time(room.opens_at_ms));
        forms.push(OperatorForm {
            action: "schedule",
            title: "op-schedule",
            hint: "op-schedule-hint",
            go: "op-schedule-go",
            dangerous: true,
            fields: vec![
                Field { name: "opens_at", label: "op-opens", value: opens, kind: FieldKind::Time },
                reason(),
            ],
        });
        forms.push(OperatorForm {
            action: "open",
            title: "op-open",
            hint: "op-open-hint",
            go: "op-open-go",
            dangerous: true,
            fields: vec![reason()],
        });
    } else if room.awaits_beacon && room.draw.is_none() {
        forms.push(OperatorForm {
            action: "draw",
            title: "op-draw",
            hint: "op-draw-hint",
            go: "op-draw-go",
            dangerous: true,
            fields: vec![text("beacon", "op-beacon")],
        });
    }
    forms.push(pace_form(room));
    forms.push(share_form(room));
    forms.push(OperatorForm {
        action: "notices",
        title: "op-notice",
        hint: "op-notice-hint",
        go: "op-notice-go",
        dangerous: false,
        fields: vec![Field {
            name: "notices",
            label: "op-notices",
            value: room.notices.join("\n"),
            kind: FieldKind::Area,
        }],
    });
    forms.push(close_form());
    forms
}

fn pause_form() -> OperatorForm {
    OperatorForm {
        action: "pause",
        title: "op-pause",
        hint: "op-pause-hint",
        go: "op-pause-go",
        dangerous: true,
        fields: vec![reason()],
    }
}

fn resume_form() -> OperatorForm {
    OperatorForm {
        action: "resume",
        title: "op-resume",
        hint: "op-resume-hint",
        go: "op-resume-go",
        dangerous: false,
        fields: Vec::new(),
    }
}

fn close_form() -> OperatorForm {
    OperatorForm {
        action: "close",
        title: "op-close",
        hint: "op-close-hint",
        go: "op-close-go",
        dangerous: true,
        fields: vec![reason()],
    }
}

fn pace_form(room: &RoomDetails) -> OperatorForm {
    let pace = room.pace;
    OperatorForm {
        action: "pace",
        title: "op-pace",
        hint: "op-pace-hint",
        go: "op-pace-go",
        dangerous: false,
        fields: vec![
            number("entries", "op-entries", pace.entries_per_minute_max),
            number("passes", "op-passes", pace.passes_max),
            number("ttl", "op-ttl", pace.pass_ttl_ms / 1000),
            number("latency", "op-latency", pace.latency_goal_ms),
            number("errors", "op-errors", pace.error_goal_ppm),
            reason(),
        ],
    }
}

fn share_form(room: &RoomDetails) -> OperatorForm {
    let share = room.agent_share_permille;
    let value = format!("{}.{}", share / 10, share % 10);
    OperatorForm {
        action: "agent-share",
        title: "op-share",
        hint: "op-share-hint",
        go: "op-share-go",
        dangerous: true,
        fields: vec![
            Field { name: "share", label: "op-share-percent", value, kind: FieldKind::Text },
            reason(),
        ],
    }
}

/// `GET /operator/campaigns/{campaign}`.
///
/// # Errors
///
/// `staff_only`, `campaign_unknown`.
pub async fn get_campaign(
    caller: Caller,
    Path(id): Path<u32>,
    Query(query): Query<DoneQuery>,
) -> Result<Response, Failed> {
    caller.staff()?;
    let page = campaign_page(&caller, id, query.is_done(), None)?;
    caller.page(&page, StatusCode::OK)
}

/// A campaign's page, perhaps with what went wrong.
pub(super) fn campaign_page(
    caller: &Caller,
    id: u32,
    done: bool,
    problem: Option<String>,
) -> Result<SubjectPage, Problem> {
    let view = campaigns::campaign(&caller.site, CampaignId(id))?;
    let here = format!("/operator/campaigns/{id}");
    let mut forms = Vec::new();
    if view.state != CampaignState::Over && caller.may(Deed::Operate) {
        forms.push(if view.paused_because.is_some() { resume_form() } else { pause_form() });
        forms.push(OperatorForm {
            action: "quota",
            title: "op-set-quota",
            hint: "op-set-quota-hint",
            go: "op-set-quota-go",
            dangerous: true,
            fields: vec![number("quota", "op-quota", view.quota), reason()],
        });
        forms.extend(window_form(caller, &view));
        forms.extend(rehearsal_form(caller, &view));
        forms.push(close_form());
    }
    Ok(SubjectPage {
        f: caller.frame_at(&here)?,
        now: now(caller),
        console: plots::console(caller, Scope { room: None, campaign: Some(id), is_one: true }),
        room: campaign(caller, &view),
        here,
        public: format!("/book/{id}"),
        ways: ways(caller, &view),
        reason: view.paused_because,
        done,
        problem,
        forms,
    })
}

fn way(href: String, label: &'static str) -> Way {
    Way { href, label }
}

/// The room in front of a campaign, and its tables for those who may take them.
fn ways(caller: &Caller, view: &CampaignView) -> Vec<Way> {
    let room = view.room.map(|room| way(format!("/operator/rooms/{room}"), "op-to-room"));
    let exports = Export::ALL.map(|export| {
        let label = match export {
            Export::Bookings => "op-export-bookings",
            Export::Places => "op-export-places",
            Export::Events => "op-export-events",
        };
        way(format!("/operator/campaigns/{}/export/{}", view.campaign, export.name()), label)
    });
    let exports = exports.into_iter().filter(|_| caller.may(Deed::Export));
    room.into_iter().chain(exports).collect()
}

/// When booking is open, where that is one stretch of time for everybody.
fn window_form(caller: &Caller, view: &CampaignView) -> Option<OperatorForm> {
    let [window] = view.windows.as_slice() else { return None };
    let time = |name, label, at_ms| {
        let value = caller.words.input_time(Time(at_ms));
        Field { name, label, value, kind: FieldKind::Time }
    };
    (window.digits.len() == 10).then(|| OperatorForm {
        action: "windows",
        title: "op-windows",
        hint: "op-windows-hint",
        go: "op-windows-go",
        dangerous: true,
        fields: vec![
            time("opens_at", "opening-opens", window.opens_at_ms),
            time("closes_at", "opening-closes", window.closes_at_ms),
            reason(),
        ],
    })
}

/// Simulates the opening, before it is there.
fn rehearsal_form(caller: &Caller, view: &CampaignView) -> Option<OperatorForm> {
    let can = caller.site.options.rehearse.is_some() && view.room.is_some();
    let people = view.free.saturating_mul(2).clamp(100, 10_000_000);
    (can && view.state == CampaignState::NotOpen).then(|| OperatorForm {
        action: "rehearse",
        title: "op-rehearse",
        hint: "op-rehearse-hint",
        go: "op-rehearse-go",
        dangerous: false,
        fields: vec![number("people", "op-rehearse-people", people)],
    })
}
