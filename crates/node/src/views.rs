//! What is published for reads: one tiny document per room, the same for everyone, and
//! a directory of clinics and slots. Rebuilt a few times a second from the replica.
//!
//! It must never hold anything about one person.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use jari_core::booking::Supply;
use jari_core::ids::{CampaignId, DeskId, RoomId, SlotId};
use jari_core::waiting_room::{Outlook, Phase, Room, outlook};
use jari_core::{Data, State, Time};

/// Everything published at one moment.
#[derive(Clone, Debug, Default)]
pub struct Views {
    /// The instant it describes.
    pub at: Time,
    /// The last record it includes.
    pub position: u64,
    /// Rooms.
    pub rooms: BTreeMap<RoomId, RoomView>,
    /// Clinics and slots. Free places are read from the state.
    pub directory: Arc<Directory>,
}

/// What is published of a room.
#[derive(Clone, Debug)]
pub struct RoomView {
    /// The document that everyone who waits polls, as JSON. Keys are short, since a
    /// country fetches it: `t` the service's clock (ms), `s` lobby, open, paused or
    /// closed, `o` when it opens (lobby only), `n` tickets issued, `l` tickets in the
    /// draw, `d` 1 once the draw is revealed, `c` positions called, `p` positions called a
    /// minute (low, high), `f` free places, `r` positions that supply is likely to reach
    /// (sure, at most), `w` why it is paused, `m` notices.
    pub document: Bytes,
    /// What is expected.
    pub outlook: Outlook,
    /// The linked campaign's places.
    pub supply: Option<Supply>,
}

/// Clinics' parts in campaigns by place, and their slots.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// By campaign, then region.
    pub places: BTreeMap<CampaignId, BTreeMap<Box<str>, Districts>>,
    /// Slots by desk, in order of their beginning.
    pub slots: Vec<Vec<SlotId>>,
}

/// The desks of a region by district, in their order.
pub type Districts = BTreeMap<Box<str>, Vec<DeskId>>;

/// Builds views; remembers what only grows.
#[derive(Debug, Default)]
pub struct Publisher {
    directory: Arc<Directory>,
    desks_seen: u64,
    slots_seen: u64,
}

impl Publisher {
    /// The views of this state.
    pub fn publish(&mut self, state: &State, position: u64) -> Views {
        let data = state.data();
        self.follow(data);
        let rooms = data.rooms.iter().map(|(id, room)| (*id, room_view(data, room))).collect();
        Views { at: data.time, position, rooms, directory: Arc::clone(&self.directory) }
    }

    /// Takes new desks and slots into the directory.
    fn follow(&mut self, data: &Data) {
        if self.desks_seen == data.desks.end() && self.slots_seen == data.slots.end() {
            return;
        }
        let directory = Arc::make_mut(&mut self.directory);
        for number in self.desks_seen..data.desks.end() {
            let desk = data.desks.get(number).expect("desks are never removed");
            let clinic = data.clinics.get(u64::from(desk.clinic.0)).expect("a desk has a clinic");
            let regions = directory.places.entry(desk.campaign).or_default();
            let districts = regions.entry(clinic.config.region.clone()).or_default();
            districts.entry(clinic.config.district.clone()).or_default().push(DeskId(number as u32));
            directory.slots.push(Vec::new());
        }
        for number in self.slots_seen..data.slots.end() {
            let slot = data.slots.get(number).expect("slots are never removed");
            let slots = &mut directory.slots[slot.desk.0 as usize];
            let begins = |id: &SlotId| data.slots.get(u64::from(id.0)).map(|slot| slot.starts_at);
            let at = slots.partition_point(|id| begins(id) <= Some(slot.starts_at));
            slots.insert(at, SlotId(number as u32));
        }
        self.desks_seen = data.desks.end();
        self.slots_seen = data.slots.end();
    }
}

fn room_view(data: &Data, room: &Room) -> RoomView {
    let campaign = room.config.campaign.and_then(|id| data.campaigns.get(&id));
    let outlook = outlook(room, campaign, data.time);
    let supply = campaign.map(|campaign| campaign.supply);
    let free = campaign.map(|campaign| campaign.free_at(data.time));
    RoomView { document: Bytes::from(document(room, data.time, &outlook, free)), outlook, supply }
}

/// A room's document as the state is at this moment. A page that is rendered from the state
/// carries this one: the published one may be a moment older and would take back what the
/// page says.
#[must_use]
pub fn document_now(data: &Data, room: RoomId) -> Option<Bytes> {
    data.rooms.get(&room).map(|room| room_view(data, room).document)
}

/// The document of [`RoomView::document`].
fn document(room: &Room, now: Time, outlook: &Outlook, free: Option<u32>) -> String {
    let state = match room.phase {
        Phase::Closed => "closed",
        _ if room.paused.is_some() => "paused",
        Phase::Lobby => "lobby",
        Phase::Open => "open",
    };
    let mut json = String::with_capacity(160);
    // Writing to a String cannot fail.
    let _ = write!(json, "{{\"t\":{},\"s\":\"{state}\",\"n\":{}", now.0, room.issued);
    if room.phase == Phase::Lobby {
        let _ = write!(json, ",\"o\":{}", room.config.opens_at.0);
    }
    if let Some(lobby) = room.lobby {
        let _ = write!(json, ",\"l\":{lobby},\"d\":{}", u8::from(room.draw.is_some()));
        let _ = write!(
            json,
            ",\"c\":{},\"p\":[{},{}]",
            room.called, outlook.calls_per_minute_low, outlook.calls_per_minute_high
        );
    }
    if let Some(free) = free {
        let _ = write!(json, ",\"f\":{free}");
    }
    if let (Some(low), Some(high)) = (outlook.reach_low, outlook.reach_high) {
        let _ = write!(json, ",\"r\":[{low},{high}]");
    }
    if let Some(reason) = &room.paused {
        let _ = write!(json, ",\"w\":{}", json_string(reason));
    }
    if !room.notices.is_empty() {
        let notices: Vec<String> = room.notices.iter().map(|notice| json_string(notice)).collect();
        let _ = write!(json, ",\"m\":[{}]", notices.join(","));
    }
    json.push('}');
    json
}

/// A text as a JSON string. `<` is escaped too, so that the document can stand in a page.
fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '<' | '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(json, "\\u{:04x}", character as u32);
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::json_string;

    #[test]
    fn any_text_stands_safely_in_the_document() {
        assert_eq!(json_string("a\"b\\c\n</script>"), "\"a\\\"b\\\\c\\u000a\\u003c/script>\"");
        assert_eq!(json_string("서버 점검"), "\"서버 점검\"");
    }
}
