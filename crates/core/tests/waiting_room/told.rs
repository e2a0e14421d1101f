//! What those who wait are told: ranges that hold what then happens.

use jari_core::booking::{Campaign, CampaignConfig, Rules, Supply, Window};
use jari_core::ids::RoomId;
use jari_core::time::Date;
use jari_core::waiting_room::{Outlook, outlook};
use jari_core::{State, Time};

use crate::driver::{check, instant};

/// A campaign with so many places and so many of them booked.
fn campaign(capacity: u32, booked: u32, held: u32) -> Campaign {
    Campaign {
        config: CampaignConfig {
            name: "55 to 59".into(),
            room: Some(RoomId(1)),
            quota: capacity,
            vaccines: Vec::new(),
            rules: Rules {
                version: 1,
                born_from: Date(0),
                born_until: Date(1),
                doses: 1,
                dose_interval_days: 0,
            },
            windows: vec![Window {
                opens_at: Time(0),
                closes_at: Time(u64::MAX),
                digits: 0x3ff,
                share_ppm: 1_000_000,
            }],
            hold_ms: 60_000,
            utc_offset_min: 540,
            reminder_ms: 0,
        },
        paused: None,
        closed: false,
        supply: Supply { capacity, held, booked, ..Supply::default() },
        by_vaccine: Vec::new(),
        confirmed: u64::from(booked),
        lapsed: 0,
    }
}

fn told(state: &State, campaign: Option<&Campaign>, at: Time) -> Outlook {
    outlook(&state.data().rooms[&RoomId(1)], campaign, at)
}

/// A room at 600 entries a minute that has called for three minutes, and nobody has come.
fn after_three_minutes(scenario: &str) -> State {
    let mut lines = String::from(scenario);
    for second in 0..180 {
        lines += &format!("\n09:{:02}:{:02} tick", second / 60, second % 60);
    }
    check(&lines)
}

const OPEN: &str = "09:00:00 room opens 09:00:00 passes 100000
    09:00:00 join 60000 -> joined T0 60000
    09:00:00 draw";

#[test]
fn before_anything_is_measured_the_pace_is_told() {
    let state = check("08:00:00 room opens 09:00:00 entries 600 passes 100 ttl_ms 60000");
    let told = told(&state, None, instant("08:30:00"));
    // If everyone uses a whole pass, a hundred a minute; if nobody does, the meter's.
    assert_eq!((told.calls_per_minute_low, told.calls_per_minute_high), (100, 600));
    assert_eq!((told.reach_low, told.reach_high), (None, None));
}

#[test]
fn the_measured_pace_is_a_range_around_what_happens() {
    let mut state = after_three_minutes(OPEN);
    let called = state.data().rooms[&RoomId(1)].called;
    let told = told(&state, None, instant("09:03:00"));
    assert!(told.calls_per_minute_low < told.calls_per_minute_high);
    let (low, high) = (told.calls_per_minute_low, told.calls_per_minute_high);
    let in_three_minutes = called / 3;
    assert!((low..=high).contains(&in_three_minutes), "{in_three_minutes} in {low}..={high}");
    state.advance(instant("09:03:01"));
    assert!(state.data().rooms[&RoomId(1)].called >= called);
}

#[test]
fn a_pause_is_not_told_as_slowness() {
    let mut lines = String::from(OPEN);
    for second in 0..180 {
        lines += &format!("\n09:{:02}:{:02} tick", second / 60, second % 60);
    }
    lines += "\n09:03:00 pause a delivery is late";
    let state = check(&lines);
    let at_the_pause = told(&state, None, instant("09:03:00"));
    assert!(at_the_pause.calls_per_minute_low >= 500, "{at_the_pause:?}");
    assert_eq!(told(&state, None, instant("11:00:00")), at_the_pause);
    let closed = check(&(lines + "\n11:00:00 close it did not come"));
    assert_eq!(told(&closed, None, instant("11:00:00")), Outlook::default());
}

#[test]
fn before_the_first_call_the_reach_is_wide() {
    let state = check("08:00:00 room opens 09:00:00");
    let told = told(&state, Some(&campaign(10_000, 0, 0)), instant("08:30:00"));
    let (low, high) = (told.reach_low.unwrap(), told.reach_high.unwrap());
    assert_eq!(low, 10_000, "if every call takes a place");
    assert!(high >= 1_000_000, "if hardly any does: {high}");
}

#[test]
fn the_reach_narrows_to_what_calls_take() {
    let state = after_three_minutes(OPEN);
    let called = state.data().rooms[&RoomId(1)].called;
    // Half of the calls took a place, and 5,000 are left: about 10,000 more calls.
    let told = told(&state, Some(&campaign(called / 2 + 5_000, called / 2, 0)), instant("09:03:00"));
    let (low, high) = (told.reach_low.unwrap(), told.reach_high.unwrap());
    let likely = called + 10_000;
    assert!(low < likely && likely < high, "{low}..{high} around {likely}");
    assert!(low > called + 6_000 && high < called + 15_000, "{low}..{high} around {likely}");
}

#[test]
fn when_nothing_is_left_those_not_called_are_told_so() {
    let state = after_three_minutes(OPEN);
    let called = state.data().rooms[&RoomId(1)].called;
    let gone = told(&state, Some(&campaign(1_000, 1_000, 0)), instant("09:03:00"));
    assert_eq!((gone.reach_low, gone.reach_high), (Some(called), Some(called)));
    // A place that is only held may come back.
    let held = told(&state, Some(&campaign(1_000, 900, 100)), instant("09:03:00"));
    assert_eq!(held.reach_low, Some(called));
    assert!(held.reach_high > Some(called));
    // Places withdrawn by closing the campaign do not.
    let mut closed = campaign(1_000, 0, 0);
    closed.closed = true;
    assert_eq!(told(&state, Some(&closed), instant("09:03:00")).reach_high, Some(called));
}
