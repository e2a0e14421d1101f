//! A room in front of a campaign calls nobody for nothing.

use jari_core::booking::{CampaignConfig, ClinicConfig, Rules, SlotSpec, Vaccine, Window};
use jari_core::command::Body;
use jari_core::ids::{CampaignId, ClinicId, DeskId, RoomId, Serial, VaccineId};
use jari_core::time::Date;
use jari_core::waiting_room::Pace;
use jari_core::{Outcome, State, Time};

use crate::driver::{BEACON, SEED, config, default_pace, instant, send};

const ROOM: RoomId = RoomId(1);
pub const CAMPAIGN: CampaignId = CampaignId(3);
/// The birth date of everybody: 7 March 1964.
pub const BIRTH: Date = Date(-2_126);

#[test]
fn nobody_is_called_into_a_sold_out_campaign() {
    let mut state = State::new();
    let now = instant("09:00:00");
    create_campaign(&mut state, now);
    open_room(&mut state, now);
    assert_eq!(called(&state), 0, "the campaign has no places yet");
    state.advance(instant("09:05:00"));
    assert_eq!(called(&state), 0);

    let slots = vec![SlotSpec { starts_at: instant("20:00:00"), vaccine: VaccineId(0), capacity: 5 }];
    let added = send(&mut state, instant("09:05:00"), Body::AddSlots { desk: DeskId(0), slots });
    assert!(matches!(added, Outcome::SlotsAdded { .. }), "{added:?}");
    state.advance(instant("09:05:01"));
    let reached = called(&state);
    assert!(reached > 0, "supply came");

    let quota = Body::SetQuota { campaign: CAMPAIGN, vaccine: None, quota: 0, reason: "recalled".into() };
    assert_eq!(send(&mut state, instant("09:05:01"), quota), Outcome::Done);
    state.advance(instant("09:10:00"));
    assert_eq!(called(&state), reached, "the quota is used up");
}

#[test]
fn no_more_are_called_than_can_find_a_place() {
    let mut state = State::new();
    let now = instant("09:00:00");
    create_campaign(&mut state, now);
    let slots = vec![SlotSpec { starts_at: instant("20:00:00"), vaccine: VaccineId(0), capacity: 20 }];
    send(&mut state, now, Body::AddSlots { desk: DeskId(0), slots });
    open_room(&mut state, now);
    // Everyone who is called comes in at once, and looks around without booking.
    let mut at = now;
    while at < instant("09:00:30") {
        at = at.plus_ms(1_000);
        for serial in 0..1_000 {
            send(&mut state, at, Body::Enter { room: ROOM, serial: Serial(serial) });
        }
    }
    let inside = state.data().rooms[&ROOM].inside.len();
    assert!((20..=25).contains(&inside), "{inside} people look for 20 places");
}

#[test]
fn nobody_is_called_while_the_campaign_is_paused_or_its_window_is_shut() {
    let mut state = State::new();
    let now = instant("09:00:00");
    create_campaign(&mut state, now);
    let slots = vec![SlotSpec { starts_at: instant("23:30:00"), vaccine: VaccineId(0), capacity: 90 }];
    send(&mut state, now, Body::AddSlots { desk: DeskId(0), slots });
    done(&mut state, now, Body::PauseCampaign { campaign: CAMPAIGN, reason: "a recall".into() });
    open_room(&mut state, now);
    state.advance(instant("09:05:00"));
    assert_eq!(called(&state), 0, "paused");
    done(&mut state, instant("09:05:00"), Body::ResumeCampaign { campaign: CAMPAIGN });
    state.advance(instant("09:05:02"));
    let reached = called(&state);
    assert!(reached > 0, "it goes on");
    // The only window closes at 23:00.
    state.advance(instant("23:00:00"));
    let at_the_end = called(&state);
    state.advance(instant("23:20:00"));
    assert_eq!(called(&state), at_the_end, "the window is shut");
}

fn called(state: &State) -> u32 {
    state.data().rooms[&ROOM].called
}

/// A state under these rules.
pub fn state_under(rules: u32) -> State {
    let mut state = State::new();
    for rules in 2..=rules {
        done(&mut state, Time(1), Body::Upgrade { rules });
    }
    state
}

fn open_room(state: &mut State, now: Time) {
    open_room_with(state, now, default_pace(), 1_000);
}

/// Opens the room with so many in line, all after the draw: a ticket's number is its position.
pub fn open_room_with(state: &mut State, now: Time, pace: Pace, people: u32) {
    let mut config = config(now);
    (config.campaign, config.pace) = (Some(CAMPAIGN), pace);
    done(state, now, Body::CreateRoom { room: ROOM, config: Box::new(config) });
    assert!(matches!(send(state, now, Body::Join { room: ROOM, count: people }), Outcome::Joined { .. }));
    done(state, now, Body::DrawRoom { room: ROOM, seed: SEED, beacon: BEACON });
}

/// A campaign with one slot of so many places.
pub fn create_campaign_with(state: &mut State, now: Time, places: u32) {
    create_campaign_for(state, now, places);
    let slots = vec![SlotSpec { starts_at: instant("23:30:00"), vaccine: VaccineId(0), capacity: places }];
    let added = send(state, now, Body::AddSlots { desk: DeskId(0), slots });
    assert!(matches!(added, Outcome::SlotsAdded { .. }), "{added:?}");
}

fn create_campaign(state: &mut State, now: Time) {
    create_campaign_for(state, now, 100);
}

fn create_campaign_for(state: &mut State, now: Time, quota: u32) {
    let config = CampaignConfig {
        name: "55 to 59".into(),
        room: Some(ROOM),
        quota,
        vaccines: vec![Vaccine { name: "mRNA".into(), quota }],
        rules: Rules {
            version: 1,
            born_from: Date::from_civil(1962, 1, 1).unwrap(),
            born_until: Date::from_civil(1966, 12, 31).unwrap(),
            doses: 1,
            dose_interval_days: 0,
        },
        windows: vec![Window {
            opens_at: now,
            closes_at: instant("23:00:00"),
            digits: 0x3ff,
            share_ppm: 1_000_000,
        }],
        hold_ms: 60_000,
        utc_offset_min: 540,
        reminder_ms: 0,
    };
    done(state, now, Body::CreateCampaign { campaign: CAMPAIGN, config: Box::new(config) });
    let clinic = ClinicConfig {
        name: "Clinic at the Gate".into(),
        address: "1 Gate Street".into(),
        region: "Seoul".into(),
        district: "Jung-gu".into(),
        postcode: "04524".into(),
        telephone: "".into(),
        latitude_e6: 37_566_000,
        longitude_e6: 126_978_000,
    };
    let added = send(state, now, Body::AddClinic { config: Box::new(clinic) });
    assert_eq!(added, Outcome::ClinicAdded { clinic: ClinicId(0) });
    let desk = send(state, now, Body::AddDesk { campaign: CAMPAIGN, clinic: ClinicId(0) });
    assert_eq!(desk, Outcome::DeskAdded { desk: DeskId(0) });
}

fn done(state: &mut State, now: Time, body: Body) {
    assert_eq!(send(state, now, body), Outcome::Done);
}
