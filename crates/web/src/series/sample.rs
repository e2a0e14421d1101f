//! What stood at one moment and happened since the one before.
//!
//! Samples are merged into longer ones by one rule: what is counted is added up, of a latency the
//! worst counts, and a level is the last one.

use jari_core::waiting_room::{Phase, Room};
use jari_core::{Data, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rooms and campaigns in a sample, each: those that are not over. Where there are more, those that are
/// open now, then those with the highest numbers, which were made last.
pub const SUBJECTS_MAX: usize = 32;

/// A second of the service, or several that were merged.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// Its end, by the service's clock, ms.
    pub at_ms: u64,
    /// What it covers, ms: divide what is counted by it.
    pub ms: u32,
    /// Traffic and journal of the node that answers.
    pub node: NodeSample,
    /// Waiting rooms that are not over.
    pub rooms: Vec<RoomSample>,
    /// Campaigns that are not over.
    pub campaigns: Vec<CampaignSample>,
}

/// One node.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct NodeSample {
    /// Counted: polls of rooms' documents.
    pub polls: u32,
    /// Counted: other requests that were answered, those of operators and probes aside.
    pub served: u32,
    /// Counted: those of them that were answered with a status of 500 or more.
    pub errors: u32,
    /// Counted: requests put off because too many were here, and connections turned away.
    pub shed: u32,
    /// The median of what `served` took, microseconds; nothing where nobody came.
    pub latency_p50_us: Option<u32>,
    /// The 99th percentile.
    pub latency_p99_us: Option<u32>,
    /// Counted: records of this node that became durable.
    pub flushes: u32,
    /// Counted: those that took longer than 100 ms.
    pub flushes_slow: u32,
    /// The median of how long that took, microseconds; nothing where there was none.
    pub flush_p50_us: Option<u32>,
    /// The 99th percentile.
    pub flush_p99_us: Option<u32>,
    /// Requests that wait for the journal; of several moments the most.
    pub mailbox: u32,
    /// Whether changes are refused: the disk is full, or the journal does not answer.
    pub refuses: bool,
    /// How long the oldest message to people has waited, seconds.
    pub messages_oldest_s: u32,
    /// How far this machine's clock is behind the order's, ms.
    pub clock_behind_ms: u32,
    /// Days until the certificate ends that people see; nothing where nobody knows.
    #[serde(default)]
    pub certificate_days: Option<u32>,
}

/// One waiting room.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RoomSample {
    /// Its number.
    pub room: u32,
    /// Counted: tickets issued.
    pub arrivals: u32,
    /// Counted: positions called.
    pub called: u32,
    /// Counted: tickets that entered for the first time.
    pub entered: u32,
    /// Tickets that are not called.
    pub waiting: u32,
    /// Passes active.
    pub inside: u32,
    /// Entries a minute that are aimed at: what is set, times what the service behind can carry.
    pub pace: u32,
    /// Whether people should be called: it is open and not paused, it has a pace, and there are
    /// places for more than those inside.
    pub calling: bool,
}

/// One campaign.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CampaignSample {
    /// Its number.
    pub campaign: u32,
    /// Places held for a few minutes.
    pub held: u32,
    /// Places booked, those included whose people have come.
    pub booked: u32,
    /// Places free.
    pub free: u32,
}

impl Sample {
    /// Takes a later sample in.
    pub fn merge(&mut self, later: &Sample) {
        self.at_ms = later.at_ms;
        self.ms = self.ms.saturating_add(later.ms);
        self.node.merge(&later.node);
        merge_each(&mut self.rooms, &later.rooms, |room| room.room, RoomSample::merge);
        merge_each(
            &mut self.campaigns,
            &later.campaigns,
            |campaign| campaign.campaign,
            |earlier, later| earlier.clone_from(later),
        );
    }

    /// The room of that number.
    #[must_use]
    pub fn room(&self, number: u32) -> Option<&RoomSample> {
        self.rooms.iter().find(|room| room.room == number)
    }

    /// The campaign of that number.
    #[must_use]
    pub fn campaign(&self, number: u32) -> Option<&CampaignSample> {
        self.campaigns.iter().find(|campaign| campaign.campaign == number)
    }
}

impl NodeSample {
    fn merge(&mut self, later: &NodeSample) {
        let earlier = self.clone();
        *self = NodeSample {
            polls: earlier.polls.saturating_add(later.polls),
            served: earlier.served.saturating_add(later.served),
            errors: earlier.errors.saturating_add(later.errors),
            shed: earlier.shed.saturating_add(later.shed),
            latency_p50_us: earlier.latency_p50_us.max(later.latency_p50_us),
            latency_p99_us: earlier.latency_p99_us.max(later.latency_p99_us),
            flushes: earlier.flushes.saturating_add(later.flushes),
            flushes_slow: earlier.flushes_slow.saturating_add(later.flushes_slow),
            flush_p50_us: earlier.flush_p50_us.max(later.flush_p50_us),
            flush_p99_us: earlier.flush_p99_us.max(later.flush_p99_us),
            mailbox: earlier.mailbox.max(later.mailbox),
            ..*later
        };
    }
}

impl RoomSample {
    /// A room as it stands. What is counted is everything since it was made.
    pub(super) fn of(number: u32, room: &Room, places: Option<u32>) -> RoomSample {
        let whole = u64::from(room.config.pace.entries_per_minute_max);
        let pace =
            u32::try_from(whole * u64::from(room.controller.factor_ppm) / 1_000_000).unwrap_or(u32::MAX);
        let inside = u32::try_from(room.inside.len()).unwrap_or(u32::MAX);
        let has_places = places.is_none_or(|places| places > inside);
        let calling = room.phase == Phase::Open && room.paused.is_none() && pace > 0 && has_places;
        RoomSample {
            room: number,
            arrivals: room.issued,
            called: room.called,
            entered: room.entered,
            waiting: room.issued.saturating_sub(room.called),
            inside,
            pace,
            calling,
        }
    }

    /// What happened since `before`; nothing is known to have, where that is not known.
    pub(super) fn since(self, before: Option<&RoomSample>) -> RoomSample {
        let before = before.unwrap_or(&self);
        RoomSample {
            arrivals: self.arrivals.saturating_sub(before.arrivals),
            called: self.called.saturating_sub(before.called),
            entered: self.entered.saturating_sub(before.entered),
            ..self.clone()
        }
    }

    fn merge(&mut self, later: &RoomSample) {
        *self = RoomSample {
            arrivals: self.arrivals.saturating_add(later.arrivals),
            called: self.called.saturating_add(later.called),
            entered: self.entered.saturating_add(later.entered),
            ..*later
        };
    }
}

/// Rooms that are not over, with everything since they were made.
pub(super) fn rooms_of(data: &Data) -> Vec<RoomSample> {
    let rooms = data.rooms.iter().filter(|(_, room)| room.phase != Phase::Closed);
    let samples =
        rooms.map(|(id, room)| {
            let campaign = room.config.campaign.and_then(|id| data.campaigns.get(&id));
            let places = campaign.map(|campaign| {
                if campaign.is_taking_holds(data.time) { campaign.free_at(data.time) } else { 0 }
            });
            (room.phase == Phase::Open, RoomSample::of(id.0, room, places))
        });
    foremost(samples.collect(), |room| room.room)
}

/// Campaigns that are not over.
pub(super) fn campaigns_of(data: &Data) -> Vec<CampaignSample> {
    let campaigns = data.campaigns.iter().filter(|(_, campaign)| !campaign.closed);
    let samples = campaigns.map(|(id, campaign)| {
        let sample = CampaignSample {
            campaign: id.0,
            held: campaign.supply.held,
            booked: campaign.supply.booked.saturating_add(campaign.supply.used),
            free: campaign.supply.free(),
        };
        (campaign.is_taking_holds(data.time), sample)
    });
    foremost(samples.collect(), |campaign| campaign.campaign)
}

/// As many as there may be, in the order of their numbers: those that are open before the others, and
/// those that were made last before the others.
fn foremost<T>(mut all: Vec<(bool, T)>, number: impl Fn(&T) -> u32) -> Vec<T> {
    all.sort_by_key(|(is_open, one)| std::cmp::Reverse((*is_open, number(one))));
    all.truncate(SUBJECTS_MAX);
    all.sort_by_key(|(_, one)| number(one));
    all.into_iter().map(|(_, one)| one).collect()
}

/// How far `now` is behind the latest instant of the order, ms.
pub(super) fn behind_ms(order: Time, now: Time) -> u32 {
    u32::try_from(order.since_ms(now)).unwrap_or(u32::MAX)
}

/// Both are in order of their numbers. Whatever is in one of them only stays as it is.
fn merge_each<T: Clone>(
    earlier: &mut Vec<T>,
    later: &[T],
    number: impl Fn(&T) -> u32,
    merge: impl Fn(&mut T, &T),
) {
    for one in later {
        match earlier.binary_search_by_key(&number(one), &number) {
            Ok(at) => merge(&mut earlier[at], one),
            Err(at) if earlier.len() < SUBJECTS_MAX => earlier.insert(at, one.clone()),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_rooms_none_that_is_open_is_left_out() {
        let all = (1..=100).map(|number| (number <= 3, number)).collect();
        let kept = foremost(all, |number| *number);
        assert_eq!(kept, [1, 2, 3].into_iter().chain(72..=100).collect::<Vec<u32>>());
    }
}
