//! Versions of the rules, the lease, checkpoints: each in its order of journal.

use jari_core::booking::Campaign;
use jari_core::ids::{CommandId, RoomId};
use jari_core::rules::{RULES_FIRST, RULES_NEWEST, newer_needed};
use jari_core::state::EventKind;
use jari_core::waiting_room::{Pace, RoomConfig, draw};
use jari_core::{Body, Command, Outcome, Reason, State, Time, checkpoint, invariants, limits, step};

const AT: u64 = 1_626_220_800_000;

fn send(state: &mut State, at: u64, body: Body) -> Outcome {
    let outcome = step(state, &Command { id: CommandId(0), body }, Time(AT + at));
    assert_eq!(invariants::check(state.data()), Ok(()));
    outcome
}

fn take(state: &mut State, at: u64, node: u16, life: u32) -> Outcome {
    send(state, at, Body::TakeLease { node, life })
}

fn under_rules_2() -> State {
    let mut state = State::new();
    assert_eq!(send(&mut state, 0, Body::Upgrade { rules: 2 }), Outcome::Done);
    state
}

fn leased(until: u64) -> Outcome {
    Outcome::Leased { until: Time(AT + until) }
}

fn held_by(node: u64, until: u64) -> Outcome {
    Outcome::refused_with(Reason::LeaseHeld, node << 48 | (AT + until))
}

#[test]
fn only_the_next_version_counts_and_everyone_may_know_it() {
    let mut state = State::new();
    assert_eq!(state.data().rules, RULES_FIRST);
    for rules in [0, 1, 3, u32::MAX] {
        let refused = Outcome::refused(Reason::RulesUnknown);
        assert_eq!(send(&mut state, 1, Body::Upgrade { rules }), refused, "{rules}");
    }
    assert_eq!(send(&mut state, 2, Body::Upgrade { rules: 2 }), Outcome::Done);
    assert_eq!(send(&mut state, 3, Body::Upgrade { rules: 2 }), Outcome::refused(Reason::RulesUnknown));
    assert_eq!(state.data().rules, 2);
    let told: Vec<_> = state.data().events.iter().map(|event| (event.kind, event.value)).collect();
    assert_eq!(told, [(EventKind::RulesUpgraded, 2)]);
}

#[test]
fn a_version_that_is_not_known_is_found_before_it_is_applied() {
    let mut state = State::new();
    let upgrade = |id: u128, rules| Command { id: CommandId(id), body: Body::Upgrade { rules } };
    assert_eq!(newer_needed(&state, &upgrade(0, 2), 1), Some(2));
    assert_eq!(newer_needed(&state, &upgrade(0, 2), 2), None);
    // Not the next one: every build refuses it alike.
    assert_eq!(newer_needed(&state, &upgrade(0, 9), 1), None);
    // A repeat of a request that was refused is answered from memory, by every build.
    step(&mut state, &upgrade(7, 9), Time(AT));
    let again = Command { id: CommandId(7), body: Body::Upgrade { rules: 2 } };
    assert_eq!(newer_needed(&state, &again, 1), None);
    assert_eq!(step(&mut state, &again, Time(AT)), Outcome::refused(Reason::IdReused));
    for rules in RULES_FIRST + 1..=RULES_NEWEST {
        assert_eq!(step(&mut state, &upgrade(8 + u128::from(rules), rules), Time(AT)), Outcome::Done);
    }
    assert_eq!(newer_needed(&state, &upgrade(0, RULES_NEWEST + 1), RULES_NEWEST), Some(RULES_NEWEST + 1));
}

#[test]
fn there_is_no_lease_before_its_rules() {
    let mut state = State::new();
    assert_eq!(take(&mut state, 1, 1, 1), Outcome::refused(Reason::RulesUnknown));
    assert_eq!(state.data().lease, None);
    assert_eq!(Body::TakeLease { node: 1, life: 1 }.rules_min(), 2);
    assert_eq!(Body::Upgrade { rules: 2 }.rules_min(), 1);
}

#[test]
fn a_lease_is_held_by_one_until_it_ends_and_renewed_by_its_holder() {
    let mut state = under_rules_2();
    let length = limits::LEASE_MS;
    assert_eq!(take(&mut state, 0, 1, 11), leased(length));
    assert_eq!(take(&mut state, 1, 2, 22), held_by(1, length));
    // Another life of the same node is somebody else.
    assert_eq!(take(&mut state, 2, 1, 12), held_by(1, length));
    assert_eq!(take(&mut state, 1_000, 1, 11), leased(length + 1_000));
    assert_eq!(take(&mut state, length + 999, 2, 22), held_by(1, length + 1_000));
    // Over at its last instant, not after it.
    assert_eq!(take(&mut state, length + 1_000, 2, 22), leased(2 * length + 1_000));
    assert_eq!(take(&mut state, length + 1_001, 1, 11), held_by(2, 2 * length + 1_000));
}

#[test]
fn a_lease_given_by_a_clock_that_runs_behind_counts_from_the_latest_instant() {
    let mut state = under_rules_2();
    assert_eq!(take(&mut state, 500, 1, 11), leased(500 + limits::LEASE_MS));
    assert_eq!(take(&mut state, 100, 1, 11), leased(500 + limits::LEASE_MS));
}

#[test]
fn a_holder_begins_nothing_in_the_margin() {
    let mut state = under_rules_2();
    take(&mut state, 0, 1, 11);
    let lease = state.data().lease.expect("it was granted");
    let last = limits::LEASE_MS - limits::LEASE_MARGIN_MS;
    assert!(lease.is_held_by(1, 11, Time(AT + last - 1)));
    assert!(!lease.is_held_by(1, 11, Time(AT + last)));
    assert!(!lease.is_held_by(1, 12, Time(AT)) && !lease.is_held_by(2, 11, Time(AT)));
}

#[test]
fn the_digest_of_a_checkpoint_tells_states_apart() {
    let mut state = under_rules_2();
    let before = checkpoint::digest(state.data());
    let mut same = under_rules_2();
    assert_eq!(checkpoint::digest(same.data()), before);
    send(&mut same, 0, Body::AckEffects { upto: 0 });
    assert_ne!(checkpoint::digest(same.data()), before, "every answer counts, also one that changes nothing");
    // A repeat and a tick leave the answers alone; time counts.
    let answers = state.data().answers;
    state.advance(Time(AT + 5));
    assert_eq!(state.data().answers, answers);
    assert_ne!(checkpoint::digest(state.data()), before);
    // Totals count though no answer differs.
    let mut data = state.data().clone();
    let changed = checkpoint::digest(&data);
    data.campaigns.insert(jari_core::ids::CampaignId(1), campaign());
    assert_ne!(checkpoint::digest(&data), changed);
    let with_one = checkpoint::digest(&data);
    data.campaigns.get_mut(&jari_core::ids::CampaignId(1)).unwrap().by_vaccine[0].held = 1;
    assert_ne!(checkpoint::digest(&data), with_one);
}

fn campaign() -> Campaign {
    use jari_core::booking::{CampaignConfig, Rules, Supply, Vaccine};
    let day = jari_core::time::Date(0);
    let rules = Rules { version: 1, born_from: day, born_until: day, doses: 1, dose_interval_days: 0 };
    let config = CampaignConfig {
        name: "55-59".into(),
        room: None,
        quota: 1,
        vaccines: vec![Vaccine { name: "mRNA".into(), quota: 1 }],
        rules,
        windows: Vec::new(),
        hold_ms: 60_000,
        utc_offset_min: 0,
        reminder_ms: 0,
    };
    let by_vaccine = vec![Supply::default()];
    Campaign {
        config,
        paused: None,
        closed: false,
        supply: Supply::default(),
        by_vaccine,
        confirmed: 0,
        lapsed: 0,
    }
}

/// Every node reports what it felt, once a second, each at its own moment. The pace must not
/// move faster for it, and the worst of what was felt must win.
#[test]
fn a_room_moves_no_faster_for_many_nodes_that_report() {
    let factor_after = |nodes: u64, ill: &dyn Fn(u64, u64) -> bool, seconds: u64| {
        let mut state = State::new();
        let pace = Pace {
            entries_per_minute_max: 600,
            passes_max: 100,
            pass_ttl_ms: 60_000,
            latency_goal_ms: 200,
            error_goal_ppm: 10_000,
        };
        let config = RoomConfig {
            name: "room".into(),
            opens_at: Time(AT),
            commitment: draw::commitment(&[7; 32]),
            campaign: None,
            awaits_beacon: false,
            identity_bound: false,
            fails_open: false,
            bookings_per_pass: 1,
            pace,
        };
        let room = RoomId(1);
        send(&mut state, 0, Body::CreateRoom { room, config: Box::new(config) });
        for second in 0..seconds {
            for node in 0..nodes {
                let latency_p95_ms = if ill(second, node) { 900 } else { 20 };
                let body = Body::ReportHealth { room, latency_p95_ms, error_ppm: 0 };
                send(&mut state, 1_000 + second * 1_000 + node * 130, body);
            }
        }
        state.data().rooms[&room].controller.factor_ppm
    };
    let falls = |second: u64, _: u64| second < 3;
    for seconds in [1, 2, 3, 5, 9] {
        assert_eq!(factor_after(1, &falls, seconds), factor_after(5, &falls, seconds), "{seconds} s");
    }
    // One of five is ill all the time: the room slows as if all were, but for what the others give
    // back between two of its reports.
    let one_of_five = factor_after(5, &|_, node| node == 4, 10);
    assert!(one_of_five < 100_000, "{one_of_five}");
}
