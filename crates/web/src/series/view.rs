//! Samples as the API gives them: by column, as plots take them, which is a fifth of their size by row.

use serde::Serialize;
use utoipa::ToSchema;

use super::sample::{CampaignSample, NodeSample, RoomSample, Sample};
use super::tiers::Tiers;
use crate::alarms::{Alarm, Kind};
use crate::site::Site;

/// The past, by column: the lists are equally long, and the values of a moment stand at the same
/// place in each.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SeriesView {
    /// This service's clock now, ms.
    pub now_ms: u64,
    /// The step, seconds. Older points may be coarser.
    pub step_s: u64,
    /// The end of each point, ms.
    pub at_ms: Vec<u64>,
    /// What each covers, ms: divide what is counted by it.
    pub ms: Vec<u32>,
    /// The node that answers.
    pub node: NodeColumns,
    /// Rooms; nothing where a room was not there.
    pub rooms: Vec<RoomColumns>,
    /// Campaigns; nothing where one was not there.
    pub campaigns: Vec<CampaignColumns>,
}

/// Makes the columns of a sample's part.
macro_rules! columns {
    ($(#[$meta:meta])* $name:ident of $of:ident, $number:ident, { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Default, Serialize, ToSchema)]
        pub struct $name {
            /// The number.
            pub $number: u32,
            $(#[doc = concat!("See `", stringify!($field), "` of `", stringify!($of), "`.")]
            pub $field: Vec<Option<$kind>>,)*
        }

        impl $name {
            fn of(number: u32, samples: &[Sample], find: impl Fn(&Sample) -> Option<&$of>) -> $name {
                let found: Vec<Option<&$of>> = samples.iter().map(find).collect();
                $name {
                    $number: number,
                    $($field: found.iter().map(|one| one.and_then(|one| one.$field.into())).collect(),)*
                }
            }
        }
    };
}

columns! {
    /// One node by column.
    NodeColumns of NodeSample, node, {
        polls: u32, served: u32, errors: u32, shed: u32, latency_p50_us: u32, latency_p99_us: u32,
        flushes: u32, flushes_slow: u32, flush_p50_us: u32, flush_p99_us: u32, mailbox: u32,
        messages_oldest_s: u32, clock_behind_ms: u32,
    }
}

columns! {
    /// One room by column.
    RoomColumns of RoomSample, room, {
        arrivals: u32, called: u32, entered: u32, waiting: u32, inside: u32, pace: u32,
    }
}

columns! {
    /// One campaign by column.
    CampaignColumns of CampaignSample, campaign, { held: u32, booked: u32, free: u32 }
}

/// An alarm that stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AlarmView {
    /// What is wrong.
    pub kind: Kind,
    /// In which room, where it is one's.
    pub room: Option<u32>,
    /// Since when, ms.
    pub since_ms: u64,
    /// How bad it was when it was last bad; the kind says in what unit.
    pub measured: u32,
    /// Where it says what to do.
    pub runbook: String,
}

impl AlarmView {
    pub(crate) fn of(alarm: &Alarm) -> AlarmView {
        AlarmView {
            kind: alarm.kind,
            room: alarm.room,
            since_ms: alarm.since_ms,
            measured: alarm.measured,
            runbook: format!("docs/runbook.md#{}", runbook_section(alarm.kind)),
        }
    }
}

/// The section of the runbook that is about an alarm, as its heading becomes an address.
pub(crate) fn runbook_section(kind: Kind) -> String {
    format!("alarm-{}", kind.name().replace('_', "-"))
}

/// The alarms that stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlarmsView {
    /// This service's clock now, ms.
    pub now_ms: u64,
    /// Those that stand, at the node that answers.
    pub alarms: Vec<AlarmView>,
}

/// See [`AlarmsView`].
#[must_use]
pub fn alarms(site: &Site) -> AlarmsView {
    let alarms = site.series.alarms().iter().map(AlarmView::of).collect();
    AlarmsView { now_ms: site.node.now().0, alarms }
}

/// The past from `from_ms` on, a quarter of an hour by default, in steps of `step_s` or more.
#[must_use]
pub fn series(site: &Site, from_ms: Option<u64>, step_s: Option<u64>) -> SeriesView {
    let now_ms = site.node.now().0;
    let from_ms = from_ms.unwrap_or(now_ms.saturating_sub(900_000));
    let oldest_ms = now_ms.saturating_sub(7 * 86_400_000);
    let step_s = Tiers::step_s(from_ms.max(oldest_ms), now_ms, step_s.unwrap_or(1));
    columns_of(now_ms, step_s, &site.series.since(from_ms, step_s))
}

fn columns_of(now_ms: u64, step_s: u64, samples: &[Sample]) -> SeriesView {
    let mut rooms: Vec<u32> = samples.iter().flat_map(|sample| &sample.rooms).map(|room| room.room).collect();
    let mut campaigns: Vec<u32> =
        samples.iter().flat_map(|sample| &sample.campaigns).map(|campaign| campaign.campaign).collect();
    for numbers in [&mut rooms, &mut campaigns] {
        numbers.sort_unstable();
        numbers.dedup();
    }
    let campaign =
        |number: u32| CampaignColumns::of(number, samples, |sample: &Sample| sample.campaign(number));
    SeriesView {
        now_ms,
        step_s,
        at_ms: samples.iter().map(|sample| sample.at_ms).collect(),
        ms: samples.iter().map(|sample| sample.ms).collect(),
        node: NodeColumns::of(0, samples, |sample| Some(&sample.node)),
        rooms: rooms
            .into_iter()
            .map(|number| RoomColumns::of(number, samples, |sample| sample.room(number)))
            .collect(),
        campaigns: campaigns.into_iter().map(campaign).collect(),
    }
}
