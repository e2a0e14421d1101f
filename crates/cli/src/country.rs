//! The demo's country: one campaign, made-up clinics all over Korea, one waiting room.

use jari_core::booking::{CampaignConfig, Rules, Vaccine, Window};
use jari_core::ids::{CampaignId, CommandId, RoomId};
use jari_core::time::Date;
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Command, Outcome, Time};
use jari_node::Engine;
use jari_web::site::room_seed;
use jari_wire::keys::KeyRing;

use crate::{geography, load};

/// The demo's one campaign.
pub const CAMPAIGN: CampaignId = CampaignId(1);
/// The demo's one room.
pub const ROOM: RoomId = RoomId(1);

const ROOM_NAME: &str = "백신 예약 대기실 · Vaccination waiting room (demo)";
const CAMPAIGN_NAME: &str = "2021년 백신 접종 예약 (시연) · Vaccination 2021 (demo)";
const CLINICS: usize = 600;
const DAYS: u64 = 7;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const UTC_OFFSET_MIN: i16 = 540;

/// When the country was made to open, and whether it was made just now.
pub struct Country {
    /// When the room opens, or opened.
    pub opens_at: Time,
    /// Whether it was made by this call; else it goes on from an earlier start.
    pub is_new: bool,
}

/// Makes the country in an empty engine, or finds the one that is there.
pub fn make(
    engine: &mut Engine,
    keys: &KeyRing,
    now: Time,
    opens_in_ms: u64,
    pace: Pace,
) -> anyhow::Result<Country> {
    let there = engine.read(|state| state.data().rooms.get(&ROOM).map(|room| room.config.opens_at));
    if let Some(opens_at) = there {
        return Ok(Country { opens_at, is_new: false });
    }
    put(engine, now, Body::CreateCampaign { campaign: CAMPAIGN, config: Box::new(campaign(now)) })?;
    let clinics = geography::generate_clinics(20_210_712, CLINICS);
    let offers = load::from_made_up(&clinics, &days_after(now), 2);
    load::put(engine, keys, CAMPAIGN, "demo", &offers, now)?;
    // Loading took a moment; the countdown begins after it.
    let opens_at = now.plus_ms(opens_in_ms);
    let config = RoomConfig {
        name: ROOM_NAME.into(),
        opens_at,
        commitment: draw::commitment(&room_seed(keys, ROOM, ROOM_NAME)),
        campaign: Some(CAMPAIGN),
        awaits_beacon: false,
        identity_bound: true,
        fails_open: false,
        bookings_per_pass: 1,
        pace,
    };
    put(engine, now, Body::CreateRoom { room: ROOM, config: Box::new(config) })?;
    Ok(Country { opens_at, is_new: true })
}

fn campaign(now: Time) -> CampaignConfig {
    let vaccine = |name: &str| Vaccine { name: name.into(), quota: 1_850_000 };
    CampaignConfig {
        name: CAMPAIGN_NAME.into(),
        room: Some(ROOM),
        quota: 1_850_000,
        vaccines: vec![vaccine("BNT162b2"), vaccine("mRNA-1273")],
        rules: Rules {
            version: 1,
            born_from: Date::from_civil(1900, 1, 1).expect("a day that was"),
            born_until: now.date(UTC_OFFSET_MIN),
            doses: 1,
            dose_interval_days: 0,
        },
        windows: vec![Window {
            opens_at: now,
            closes_at: now.plus_ms(365 * DAY_MS),
            digits: 0x3ff,
            share_ppm: 1_000_000,
        }],
        hold_ms: 5 * 60 * 1000,
        utc_offset_min: UTC_OFFSET_MIN,
        reminder_ms: 0,
    }
}

/// Local midnights of the days on which there are slots, from the day after tomorrow on.
fn days_after(now: Time) -> Vec<Time> {
    let offset_ms = u64::from(UTC_OFFSET_MIN.unsigned_abs()) * 60_000;
    let midnight = (now.0 + offset_ms) / DAY_MS * DAY_MS - offset_ms;
    (2..2 + DAYS).map(|day| Time(midnight + day * DAY_MS)).collect()
}

fn put(engine: &mut Engine, now: Time, body: Body) -> anyhow::Result<()> {
    let mut outcome = Outcome::Done;
    engine.turn(&[Command { id: CommandId(0), body }], now, &mut |_, is| outcome = is)?;
    match outcome.refusal() {
        Some(refusal) => anyhow::bail!("refused: {} (detail {})", refusal.reason.code(), refusal.detail),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_begin_at_local_midnights_after_tomorrow() {
        // 2021-07-12T15:30:00Z is half past midnight on the 13th in Korea.
        let days = days_after(Time(1_626_103_800_000));
        assert_eq!(days[0].date(UTC_OFFSET_MIN).civil(), (2021, 7, 15));
        assert_eq!((days[0].0 + 9 * 60 * 60 * 1000) % DAY_MS, 0);
        assert_eq!(days.len(), 7);
    }
}
