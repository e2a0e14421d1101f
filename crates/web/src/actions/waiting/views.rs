//! What everyone may see of a room, and a ticket's holder of their place.

use jari_core::ids::RoomId;
use jari_core::state::EventKind;
use jari_core::waiting_room::{Outlook, Phase, Room};
use jari_core::{Data, Time};
use serde::Serialize;
use utoipa::ToSchema;

use crate::hex;

/// Where a room is.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoomState {
    /// Gathering; the order will be drawn.
    Lobby,
    /// Calling.
    Open,
    /// Nobody is called; everyone keeps their place.
    Paused,
    /// Over.
    Closed,
}

/// A revealed draw: anyone can recompute every lobby ticket's position from it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct DrawView {
    /// What the commitment was the SHA-256 of, hexadecimal.
    pub seed: String,
    /// The public value mixed in, hexadecimal; zeros if none.
    pub beacon: String,
    /// SHA-256 of seed then beacon: the seed of the shuffle, hexadecimal.
    pub mixed: String,
    /// Tickets in the draw: serials below this.
    pub lobby: u32,
    /// The shuffle: `compute_shuffled_index`, 90 rounds, SHA-256.
    pub method: &'static str,
}

/// How fast a room lets people in.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaceView {
    /// Entries a minute at the most; 0 stops entering.
    pub entries_per_minute_max: u32,
    /// Passes active at once at the most.
    pub passes_max: u32,
    /// How long a pass lasts, milliseconds.
    pub pass_ttl_ms: u32,
    /// Slow down when the 95th percentile is above it, milliseconds; 0 turns that off.
    pub latency_goal_ms: u32,
    /// Slow down when more errors per million are reported.
    pub error_goal_ppm: u32,
}

/// A room, as everyone may see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct RoomDetails {
    /// Its number.
    pub room: u32,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: RoomState,
    /// When it opens or opened, by this service's clock.
    pub opens_at_ms: u64,
    /// This service's clock now.
    pub now_ms: u64,
    /// Why it is paused.
    pub paused_because: Option<String>,
    /// What the operator has to say.
    pub notices: Vec<String>,
    /// Tickets issued.
    pub issued: u32,
    /// Positions called.
    pub called: u32,
    /// Tickets that have entered.
    pub entered: u32,
    /// Passes active now.
    pub inside: u32,
    /// Tickets in the draw, once the lobby is frozen.
    pub lobby: Option<u32>,
    /// Whether a ticket needs an identity.
    pub identity_bound: bool,
    /// The campaign behind it.
    pub campaign: Option<u32>,
    /// Bookings that one pass may serve.
    pub bookings_per_pass: u8,
    /// Whether a gate lets people through when it cannot ask.
    pub fails_open: bool,
    /// Whether the draw waits for a public value after the opening.
    pub awaits_beacon: bool,
    /// SHA-256 of the seed, hexadecimal: published before anyone joined.
    pub commitment: String,
    /// The draw, once revealed.
    pub draw: Option<DrawView>,
    /// How fast it lets people in.
    pub pace: PaceView,
    /// The part of the pace that telephone agents may use, thousandths.
    pub agent_share_permille: u32,
    /// Positions called a minute, as measured: the slower and the faster end.
    pub calls_per_minute: (u32, u32),
    /// The linked campaign's free places.
    pub free: Option<u32>,
}

/// Whether supply will reach a place.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// It will, as far as can be foreseen.
    Likely,
    /// It may.
    Unsure,
    /// It cannot be expected to.
    Unlikely,
}

/// A ticket's place in line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Place {
    /// The room.
    pub room: u32,
    /// The room's name.
    pub name: String,
    /// The ticket's number.
    pub serial: u32,
    /// Where the room is.
    pub state: RoomState,
    /// Position in line from 0; unknown until the lobby is drawn.
    pub position: Option<u32>,
    /// Positions called.
    pub called: u32,
    /// Tickets issued.
    pub issued: u32,
    /// How many are to be called before this one; unknown like the position.
    pub ahead: Option<u32>,
    /// Whether its turn has come.
    pub is_called: bool,
    /// Whether entering now should work.
    pub can_enter: bool,
    /// Whether it is inside: it has an active pass.
    pub inside: bool,
    /// Whether it is used up or given back.
    pub spent: bool,
    /// The expected wait, milliseconds: low and high end.
    pub wait_ms: Option<(u64, u64)>,
    /// Whether supply will reach it; none without a campaign.
    pub reach: Option<Reach>,
    /// The linked campaign's free places.
    pub free: Option<u32>,
    /// When the room opens or opened.
    pub opens_at_ms: u64,
    /// This service's clock now.
    pub now_ms: u64,
    /// When to look again, milliseconds from now: a third of the wait, 2 s to 10 min,
    /// spread by 20 %.
    pub poll_after_ms: u64,
    /// Why the room is paused.
    pub paused_because: Option<String>,
    /// What the operator has to say.
    pub notices: Vec<String>,
    /// The campaign behind the room.
    pub campaign: Option<u32>,
}

/// A turn inside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Entered {
    /// The signed pass: send it with a hold.
    pub pass_token: String,
    /// When it ends.
    pub ends_at_ms: u64,
}

/// Something everyone may know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct EventView {
    /// Its number; grows by one with each event.
    pub number: u64,
    /// When.
    pub at_ms: u64,
    /// What happened.
    #[schema(example = "quota_set")]
    pub kind: &'static str,
    /// The room, campaign or slot it is about.
    pub subject: u32,
    /// The new number, where there is one.
    pub value: u64,
    /// The public reason; may be empty.
    pub reason: String,
}

pub(super) fn details(id: RoomId, room: &Room, outlook: Outlook, data: &Data, now: Time) -> RoomDetails {
    let config = &room.config;
    let campaign = config.campaign.and_then(|id| data.campaigns.get(&id));
    let pace = config.pace;
    RoomDetails {
        room: id.0,
        name: config.name.to_string(),
        state: state_of(room),
        opens_at_ms: config.opens_at.0,
        now_ms: now.0,
        paused_because: room.paused.as_ref().map(ToString::to_string),
        notices: room.notices.iter().map(ToString::to_string).collect(),
        issued: room.issued,
        called: room.called,
        entered: room.entered,
        inside: u32::try_from(room.inside.len()).unwrap_or(u32::MAX),
        lobby: room.lobby,
        identity_bound: config.identity_bound,
        campaign: config.campaign.map(|id| id.0),
        bookings_per_pass: config.bookings_per_pass,
        fails_open: config.fails_open,
        awaits_beacon: config.awaits_beacon,
        commitment: hex::encode(&config.commitment),
        draw: draw_view(room),
        pace: PaceView {
            entries_per_minute_max: pace.entries_per_minute_max,
            passes_max: pace.passes_max,
            pass_ttl_ms: pace.pass_ttl_ms,
            latency_goal_ms: pace.latency_goal_ms,
            error_goal_ppm: pace.error_goal_ppm,
        },
        agent_share_permille: room.agents.share_permille,
        calls_per_minute: (outlook.calls_per_minute_low, outlook.calls_per_minute_high),
        free: campaign.map(jari_core::booking::Campaign::free),
    }
}

fn state_of(room: &Room) -> RoomState {
    match room.phase {
        Phase::Closed => RoomState::Closed,
        _ if room.paused.is_some() => RoomState::Paused,
        Phase::Lobby => RoomState::Lobby,
        Phase::Open => RoomState::Open,
    }
}

pub(super) fn draw_view(room: &Room) -> Option<DrawView> {
    let draw = room.draw.as_ref()?;
    Some(DrawView {
        seed: hex::encode(&draw.seed),
        beacon: hex::encode(&draw.beacon),
        mixed: hex::encode(&draw.mixed),
        lobby: room.lobby.unwrap_or(0),
        method: "swap-or-not, 90 rounds, SHA-256 (Ethereum compute_shuffled_index)",
    })
}

pub(crate) fn event_kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::RoomCreated => "room_created",
        EventKind::RoomScheduled => "room_scheduled",
        EventKind::RoomOpened => "room_opened",
        EventKind::RoomDrawn => "room_drawn",
        EventKind::RoomPaused => "room_paused",
        EventKind::RoomResumed => "room_resumed",
        EventKind::RoomClosed => "room_closed",
        EventKind::PaceSet => "pace_set",
        EventKind::AgentShareSet => "agent_share_set",
        EventKind::CampaignCreated => "campaign_created",
        EventKind::RulesSet => "rules_set",
        EventKind::WindowsSet => "windows_set",
        EventKind::QuotaSet => "quota_set",
        EventKind::CampaignPaused => "campaign_paused",
        EventKind::CampaignResumed => "campaign_resumed",
        EventKind::CampaignClosed => "campaign_closed",
        EventKind::CapacitySet => "capacity_set",
        EventKind::WithdrawnSet => "withdrawn_set",
        EventKind::VaccineQuotaSet => "vaccine_quota_set",
        EventKind::RulesUpgraded => "rules_upgraded",
    }
}
