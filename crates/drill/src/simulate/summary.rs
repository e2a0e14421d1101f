//! What a finished run comes to, as numbers.
//!
//! Must never leave out who had a bad evening: everyone of the crowd is counted. Start at
//! [`Summary`].

use super::crowd::{End, Habit, NONE, ticks};
use super::meter::{SECOND_TICKS, Second};
use super::{Simulation, page};
use crate::auditor::order::{Measured, measure};
use crate::scenario::What;

/// Told this long before the last place is gone, nobody has waited in vain for much longer.
const NOTICE_S: f64 = 600.0;
/// Seeds of the dedicated long wait: the worst counts.
const LONG_WAITS: u64 = 200;

/// How everyone's evening ended.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub booked: u32,
    pub cancelled: u32,
    pub no_supply: u32,
    pub gave_up: u32,
    pub not_eligible: u32,
    pub not_their_day: u32,
    pub open: u32,
}

/// Told too late, or wrongly.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    /// People who were in line when the last place was gone.
    pub in_line: u32,
    /// Of those who did not get one: not told at least ten minutes before, though they were there.
    pub too_late: u32,
    /// Told "sure" at some time, and did not get one.
    pub sure_at_some_time: u32,
    /// Went because the page said that supply would not come so far, and it did.
    pub sent_away: u32,
}

/// Waits from the opening, or from coming if later, to being called.
#[derive(Debug, Clone, Default)]
pub(super) struct Waits {
    pub mean_s: f64,
    pub p50_s: f64,
    pub p99_s: f64,
    pub max_s: f64,
}

/// Requests and bytes of those who wait.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// Most requests of one device that just waited and entered.
    pub requests_max: u32,
    /// Most bytes of one, without the page.
    pub bytes_max: u32,
    pub requests_mean: f64,
    /// What the machine decided for a device of the half that waited longer, on average, as a
    /// multiple of the half that waited shorter.
    pub long_over_short: f64,
    /// Of the dedicated wait, the worst of many.
    pub long_requests: u32,
    pub long_bytes: u32,
    pub looks_per_s_max: u32,
}

/// Orders compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orders {
    /// Lobby: coming against place.
    pub lobby: Measured,
    /// Lobby: network delay against place.
    pub delay: Measured,
    /// After the opening: coming against place.
    pub late: Measured,
    /// The same for those who came while nobody was turned away at the door.
    pub late_calm: Measured,
    /// Place against being let in, for those who were there when called.
    pub admission: Measured,
}

/// Carried in overload.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Overload {
    pub seconds: u32,
    pub offered_max: f64,
    pub best: u32,
    pub mean: f64,
}

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    pub ends: Ends,
    pub told: Told,
    pub waits: Waits,
    pub cost: Cost,
    pub orders: Orders,
    pub overload: Overload,
    pub booked_by_then: u32,
    pub first_half_hour: f64,
    pub last_booking_s: f64,
    pub bookings_per_s_max: u32,
    pub entries_per_s_max: u32,
    pub waiting_max: u32,
    pub hardly_s: u32,
    pub marks_bytes: usize,
    pub people_bytes: usize,
    pub issued: u32,
}

impl Summary {
    pub(super) fn of(run: &Simulation) -> Self {
        let seconds = &run.meter.seconds;
        let lobby_s = run.scenario.lobby_s as usize;
        let booked_at =
            |at_s: usize| seconds.get(at_s).or(seconds.last()).map_or(0, |second| second.supply.booked);
        let growth = |value: fn(&Second) -> u32| {
            let pairs = seconds.windows(2).map(|pair| value(&pair[1]).saturating_sub(value(&pair[0])));
            pairs.max().unwrap_or(0)
        };
        let total = booked_at(usize::MAX).max(1);
        let last = seconds.windows(2).rposition(|pair| pair[1].supply.booked > pair[0].supply.booked);
        let hardly = seconds.iter().skip(lobby_s).filter(|second| {
            let bad = second.unanswered + second.refused;
            bad > 0 && bad > second.served
        });
        let (marks_bytes, people_bytes, issued) = run.host.read(|state| {
            let room = state.data().rooms.get(&crate::scenario::ROOM);
            room.map_or((0, 0, 0), |room| (room.marks.words().len() * 8, room.people.len() * 16, room.issued))
        });
        Self {
            ends: ends(run),
            told: told(run),
            waits: waits(run),
            cost: cost(run),
            orders: orders(run),
            overload: overload(run),
            booked_by_then: booked_at(lobby_s + run.scenario.evening.booked.1 as usize),
            first_half_hour: f64::from(booked_at(lobby_s + 1_800)) / f64::from(total),
            last_booking_s: last.map_or(0.0, |at| at as f64 + 1.0 - lobby_s as f64),
            bookings_per_s_max: growth(|second| second.supply.booked),
            entries_per_s_max: growth(|second| second.entered),
            waiting_max: seconds.iter().map(|second| second.waiting).max().unwrap_or(0),
            hardly_s: hardly.count() as u32,
            marks_bytes,
            people_bytes,
            issued,
        }
    }
}

fn ends(run: &Simulation) -> Ends {
    let mut ends = Ends::default();
    for person in &run.crowd.people {
        *match person.end {
            End::Open => &mut ends.open,
            End::Booked => &mut ends.booked,
            End::Cancelled => &mut ends.cancelled,
            End::NoSupply => &mut ends.no_supply,
            End::GaveUp => &mut ends.gave_up,
            End::NotEligible => &mut ends.not_eligible,
            End::NotTheirDay => &mut ends.not_their_day,
        } += 1;
    }
    ends
}

/// When the script last raised the quota, or the opening.
fn last_raise(run: &Simulation) -> u32 {
    let raises = run.scenario.script.iter().filter(|act| matches!(act.what, What::Quota(..)));
    raises.map(|act| run.opening + ticks(f64::from(act.at_s))).max().unwrap_or(run.opening)
}

/// A person's devices.
fn devices_of<'a>(run: &'a Simulation, person: &super::crowd::Person) -> &'a [super::crowd::Device] {
    let first = person.first_device as usize;
    &run.crowd.devices[first..first + usize::from(person.devices)]
}

fn told(run: &Simulation) -> Told {
    let mut told = Told::default();
    let sold_out = run.sold_out_at.unwrap_or(run.end);
    // After that, positions are called for single places that were given back.
    let called = run.called_at.partition_point(|at| *at < sold_out) as u32;
    let notice = ticks(NOTICE_S);
    let last_raise = last_raise(run);
    for person in run.crowd.people.iter().filter(|person| person.end == End::NoSupply) {
        let devices = devices_of(run, person);
        let knocked = devices.iter().map(|device| device.knocked).min().unwrap_or(NONE);
        let was_called = devices.iter().any(|device| device.place != NONE && device.place < called);
        if person.ended < sold_out {
            // Who left before more supply was announced was told the truth of then.
            told.sent_away += u32::from(was_called && person.ended > last_raise);
            continue;
        }
        told.in_line += u32::from(knocked < sold_out);
        told.sure_at_some_time += u32::from(person.was_sure);
        let was_there = knocked.saturating_add(notice) < sold_out;
        let in_time = person.told_at.saturating_add(notice) <= sold_out;
        told.too_late += u32::from(was_there && !in_time && !was_called);
    }
    told
}

fn waits(run: &Simulation) -> Waits {
    let mut all: Vec<u32> = Vec::new();
    for person in &run.crowd.people {
        let wait = devices_of(run, person).iter().filter_map(|device| {
            let called = *run.called_at.get(device.place as usize)?;
            Some(called.saturating_sub(device.knocked.max(run.opening)))
        });
        all.extend(wait.min());
    }
    all.sort_unstable();
    let seconds = |wait: u32| f64::from(wait) / f64::from(SECOND_TICKS);
    let at = |share: f64| all.get((all.len() as f64 * share) as usize).copied().map_or(0.0, seconds);
    let sum: f64 = all.iter().map(|wait| seconds(*wait)).sum();
    Waits {
        mean_s: sum / (all.len() as f64).max(1.0),
        p50_s: at(0.5),
        p99_s: at(0.99),
        max_s: all.last().copied().map_or(0.0, seconds),
    }
}

fn cost(run: &Simulation) -> Cost {
    let mut cost = Cost::default();
    let (mut requests, mut devices) = (0_u64, 0_u64);
    let mut decided = Vec::new();
    let sold_out = run.sold_out_at.unwrap_or(run.end);
    for device in run.crowd.devices.iter().filter(|device| device.entered != NONE) {
        let reloads = run.crowd.people[device.person as usize].habit == Habit::Reloads;
        if reloads || device.entered > sold_out {
            continue;
        }
        cost.requests_max = cost.requests_max.max(u32::from(device.requests));
        cost.bytes_max = cost.bytes_max.max(device.bytes);
        requests += u64::from(device.requests);
        devices += 1;
        if let Some(called) = run.called_at.get(device.place as usize) {
            decided.push((called.saturating_sub(device.knocked.max(run.opening)), device.sequence));
        }
    }
    cost.long_over_short = long_over_short(decided);
    cost.requests_mean = requests as f64 / devices.max(1) as f64;
    // 3 h 36 min, as the page said on 14 July 2021.
    for seed in 0..LONG_WAITS {
        let (requests, bytes) = page::one_wait(12_960, seed);
        cost.long_requests = cost.long_requests.max(requests);
        cost.long_bytes = cost.long_bytes.max(bytes);
    }
    cost.looks_per_s_max = run.meter.seconds.iter().map(|second| second.looks).max().unwrap_or(0);
    cost
}

/// Of waits and how many commands each took: the mean of the longer half over that of the shorter.
fn long_over_short(mut decided: Vec<(u32, u16)>) -> f64 {
    decided.sort_unstable();
    let (short, long) = decided.split_at(decided.len() / 2);
    let mean = |half: &[(u32, u16)]| {
        half.iter().map(|(_, count)| f64::from(*count)).sum::<f64>() / half.len() as f64
    };
    mean(long) / mean(short)
}

fn orders(run: &Simulation) -> Orders {
    let lobby_count = run.facts.lobby.unwrap_or(0);
    let (mut lobby, mut delay) = (Vec::new(), Vec::new());
    let (mut late, mut late_calm, mut admission) = (Vec::new(), Vec::new(), Vec::new());
    let calm = |tick: u32| {
        let second = run.meter.seconds.get((tick / SECOND_TICKS) as usize);
        second.is_some_and(|second| second.refused == 0 && second.unanswered == 0)
    };
    for person in &run.crowd.people {
        let there = !matches!(person.habit, Habit::ComesWhenCalled | Habit::Returns | Habit::BooksTwice);
        let devices = devices_of(run, person);
        // Where a ticket belongs to the person, the first device to knock got it.
        let shown = if run.scenario.identity_bound { 1 } else { devices.len() };
        let first = devices.iter().map(|device| device.knocked).min().unwrap_or(NONE);
        for device in devices.iter().take(shown).filter(|device| device.serial != NONE) {
            let knocked = if run.scenario.identity_bound { first } else { device.knocked };
            let Some(place) = run.auditor.place(device.serial).map(u64::from) else { continue };
            if device.serial < lobby_count {
                lobby.push((u64::from(knocked), place));
                delay.push((u64::from(device.delay), place));
            } else {
                late.push((u64::from(knocked), place));
                if calm(knocked) {
                    late_calm.push((u64::from(knocked), place));
                }
            }
        }
        let entered =
            devices.iter().filter(|device| device.entered != NONE).min_by_key(|device| device.entered);
        if let Some(device) = entered.filter(|_| there)
            && let Some(place) = run.auditor.place(device.serial)
        {
            admission.push((u64::from(place), u64::from(device.entered)));
        }
    }
    Orders {
        lobby: measure(&lobby),
        delay: measure(&delay),
        late: measure(&late),
        late_calm: measure(&late_calm),
        admission: measure(&admission),
    }
}

/// Seconds in which at least ten times of what the node can carry knocked at its door, and in
/// which the process ran.
fn overload(run: &Simulation) -> Overload {
    let capacity = f64::from(run.scenario.node.commands_per_s) * run.scale;
    let seconds = &run.meter.seconds;
    let best = seconds.iter().map(|second| second.served).max().unwrap_or(0);
    let full: Vec<&Second> = seconds
        .iter()
        .filter(|second| !second.down && f64::from(second.offered) >= 10.0 * capacity)
        .collect();
    let sum: u64 = full.iter().map(|second| u64::from(second.served)).sum();
    Overload {
        seconds: full.len() as u32,
        offered_max: full.iter().map(|second| f64::from(second.offered) / capacity).fold(0.0, f64::max),
        best,
        mean: sum as f64 / (full.len() as f64).max(1.0),
    }
}
