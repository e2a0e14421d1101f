//! What time does to a room: opening, endings of passes, calling; and the controller
//! that follows what the protected service can carry.
//!
//! **Two meters.** *Entering* is metered strictly: a token bucket at the pace in force
//! with a burst of two seconds, and a limit on active passes. *Calling* only has to keep
//! that meter busy without a crowd at the door. It learns which share of those called
//! comes, and pays for each call with that share of an entry: people who left hold
//! nobody up. A call too many costs a short wait at the door, never an entry too many.
//!
//! **Calling**, ten times a second of the room's running time:
//! 1. Credit grows by the pace, times 0.9 to 1.1 as the entry bucket is empty to full: an
//!    empty one means that more come than may enter, a full one that too few do. Those who
//!    come unaccounted for (back after their pass lapsed, or long after their call) are paid
//!    from the same credit.
//! 2. What is expected at the door (called lately and not yet in) stays within twenty
//!    seconds' worth of the pace, and with those inside within the passes.
//! 3. The share that comes is measured on batches called 35 s to 5 min ago. While the
//!    door is shut (full inside, or bucket drained) people come and cannot enter; the
//!    measure is then too low and is only believed upwards. Otherwise a crowd would call
//!    for a larger crowd. For the same reason, those called more than 35 s ago count as
//!    gone only while the door is open.
//!
//! **Health.** Additive increase, multiplicative decrease, as in TCP's congestion
//! avoidance (Chiu and Jain, 1989): the one simple law that converges to a fair and full
//! use of an unknown and changing capacity. One bad report takes 30 % off, at most once
//! a second since a report covers about a second; a healthy one gives back 5 % of the
//! whole pace, so that a full recovery takes 20 s. The floor of 1 % keeps measuring.
//!
//! A paused room's time stands still, and so does the time in which the machine did not
//! run: nobody could come then, and nothing is learnt from it.
//!
//! **Supply.** With a campaign behind the room, no more people are called than can find a
//! place: those inside without one, those expected at the door and those called now stay
//! within the places left, and a few more. From rules 3 on, once the places left are fewer
//! than may be expected at the door, who comes is judged by `last_places`.
//!
//! It must never call beyond what is issued, call while paused, closed, undrawn or sold
//! out, or use a fraction that two machines could round differently.
//!
//! Start reading at `advance`, then `tick`.

use alloc::collections::VecDeque;

use super::last_places::Belief;
use super::{Phase, Room};
use crate::booking::Campaign;
use crate::rules::RULES_LAST_PLACES;
use crate::state::EventKind;
use crate::time::Time;

/// One entry in units of credit: a pace of one entry a minute at a factor of one millionth
/// gives one unit a millisecond, so that no accrual ever rounds.
pub(super) const ENTRY: u64 = 60_000 * 1_000_000;
/// The whole pace, as a factor.
pub(super) const FACTOR_WHOLE_PPM: u32 = 1_000_000;

const FACTOR_MIN_PPM: u32 = 10_000;
const FACTOR_RAISE_PPM: u32 = 50_000;
const HEALTH_INTERVAL_MS: u64 = 1_000;
/// Calling and metering happen in steps of this, so that how often time is advanced
/// changes neither their result nor their cost.
const TICK_MS: u64 = 100;
const BURST_MS: u64 = 2_000;
/// Expected at the door at the most, in time at the pace in force.
const DOOR_MS: u64 = 20_000;
/// Batches called within this are one cohort.
const COHORT_MS: u64 = 5_000;
const COHORTS_MAX: usize = 128;
/// A cohort this old has shown how many come.
const MATURE_MS: u64 = 30_000;
/// A cohort older than this says little about those called now.
const FORGET_MS: u64 = 300_000;
/// How long the door must have been open before a lower share is believed.
const DOOR_OPEN_MS: u64 = 10_000;
/// The lowest share believed: one call in fifty.
const SHARE_MIN_PERMILLE: u64 = 20;
/// Imagined calls that came, so that the first few real ones do not swing the share.
const SHARE_PRIOR: u64 = 4;
/// How much faster than the pace calling goes while the entry bucket is empty; and what is
/// added while it is full. A steeper rise would swing: people take seconds to come.
const GAIN_MIN_PERMILLE: u64 = 900;
const GAIN_RISE_PERMILLE: u64 = 200;
const TEN_S_MAX: usize = 60;
/// Called beyond the places left, so that the last ones go quickly too.
const SEEKERS_SPARE: u64 = 4;

/// A batch of positions called together, to learn how many of those called come.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Cohort {
    /// When they were called, by the room's running time: moved on by every pause since.
    pub called_at: Time,
    /// One past the last position of the batch.
    pub upto: u32,
    /// How many were called.
    pub called: u32,
    /// How many of them have entered.
    pub entered: u32,
}

/// What calling and metering remember. All integers: every node computes the same.
///
/// Credit is counted in sixty-thousand-millionths of an entry (`entries a minute x factor
/// in ppm x milliseconds`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Controller {
    /// The share of the pace in force, parts per million; the health reports move it.
    pub factor_ppm: u32,
    /// When a health report last slowed the room down.
    pub slowed_at: Time,
    /// When a health report last sped it up.
    pub raised_at: Time,
    /// The share of those called that comes, per mille.
    pub show_up_permille: u32,
    /// When the door was last seen shut: full inside, or the entry credit drained.
    pub shut_at: Time,
    /// Entries that may happen now, as credit.
    pub entry_credit: u64,
    /// Expected entries that calls may be spent on, as credit; negative after more came
    /// back than were expected.
    pub call_credit: i64,
    /// Until when the two above are computed.
    pub accrued_until: Time,
    /// Recent batches, oldest first; bounded.
    pub cohorts: VecDeque<Cohort>,
    /// Entries of the last minutes, one element per ten seconds, newest last; bounded.
    pub entries_by_ten_s: VecDeque<u32>,
    /// The ten seconds that the newest element counts: instant / 10,000.
    pub newest_ten_s: u64,
}

impl Default for Controller {
    fn default() -> Self {
        Controller {
            factor_ppm: FACTOR_WHOLE_PPM,
            slowed_at: Time(0),
            raised_at: Time(0),
            show_up_permille: 1_000,
            shut_at: Time(0),
            entry_credit: 0,
            call_credit: 0,
            accrued_until: Time(0),
            cohorts: VecDeque::new(),
            entries_by_ten_s: VecDeque::new(),
            newest_ten_s: 0,
        }
    }
}

/// What a linked campaign has to give: nobody is called for nothing.
#[derive(Copy, Clone)]
pub(crate) struct Places {
    /// Places that can be held now.
    free: u32,
    /// Places held by people inside.
    held: u32,
    /// Whether the last of them are called for as rules 3 have it.
    heeds_silence: bool,
}

impl Places {
    /// What the campaign behind a room gives at `now`, under these rules.
    pub(crate) fn of(campaign: &Campaign, rules: u32, now: Time) -> Places {
        let free = if campaign.is_taking_holds(now) { campaign.free_at(now) } else { 0 };
        Places { free, held: campaign.supply.held, heeds_silence: rules >= RULES_LAST_PLACES }
    }

    /// People who may be inside or at the door without a place, as credit: as many as
    /// there are places, and a few more, since some who are called go without booking.
    fn seekers_max(self) -> u64 {
        match u64::from(self.free) {
            0 => 0,
            free => (free + free / 16 + SEEKERS_SPARE) * ENTRY,
        }
    }
}

/// Lets time pass in a room until `now`. `places` is what a linked campaign has to give.
/// Returns what everyone is to know of it, if anything.
pub(crate) fn advance(room: &mut Room, places: Option<Places>, now: Time) -> Option<(EventKind, u64)> {
    room.end_passes(now);
    let opened = open_if_due(room, now);
    if is_calling(room) {
        let behind_ms = now.since_ms(room.controller.accrued_until);
        room.controller.skip(behind_ms.saturating_sub(BURST_MS));
        while now.since_ms(room.controller.accrued_until) >= TICK_MS {
            tick(room, places);
        }
    }
    opened
}

/// Opens a room whose time has come; a pause puts it off until the resume.
pub(super) fn open_if_due(room: &mut Room, now: Time) -> Option<(EventKind, u64)> {
    if room.phase != Phase::Lobby || room.paused.is_some() || now < room.config.opens_at {
        return None;
    }
    room.phase = Phase::Open;
    room.lobby = Some(room.issued);
    Some((EventKind::RoomOpened, u64::from(room.issued)))
}

/// Calling begins: the draw was revealed at `now`. The first two seconds' worth is called
/// at once.
pub(super) fn start_calling(room: &mut Room, places: Option<Places>, now: Time) {
    let burst = burst(room);
    let controller = &mut room.controller;
    controller.accrued_until = now;
    controller.entry_credit = burst;
    controller.call_credit = burst as i64;
    if is_calling(room) {
        call(room, places);
    }
}

/// The room goes on after a pause: its time stood still.
pub(super) fn resume(room: &mut Room, now: Time) {
    if room.draw.is_some() {
        let stood_still_ms = now.since_ms(room.controller.accrued_until);
        room.controller.skip(stood_still_ms);
    }
}

/// A new pace counts at once, also for what was saved up under the old one.
pub(super) fn clamp_credit(room: &mut Room) {
    let burst = burst(room);
    let controller = &mut room.controller;
    controller.entry_credit = controller.entry_credit.min(burst);
    controller.call_credit = controller.call_credit.clamp(-(burst as i64), burst as i64);
}

/// Moves the share of the pace in force by what the protected service felt.
pub(super) fn report_health(room: &mut Room, latency_p95_ms: u32, error_ppm: u32, now: Time) {
    let pace = room.config.pace;
    let too_slow = pace.latency_goal_ms != 0 && latency_p95_ms > pace.latency_goal_ms;
    let ill = too_slow || error_ppm > pace.error_goal_ppm;
    let controller = &mut room.controller;
    let due = |last: Time| last == Time(0) || now.since_ms(last) >= HEALTH_INTERVAL_MS;
    if ill && due(controller.slowed_at) {
        controller.factor_ppm = (controller.factor_ppm / 10 * 7).max(FACTOR_MIN_PPM);
        controller.slowed_at = now;
    } else if !ill && due(controller.slowed_at) && due(controller.raised_at) {
        controller.factor_ppm = (controller.factor_ppm + FACTOR_RAISE_PPM).min(FACTOR_WHOLE_PPM);
        controller.raised_at = now;
    }
}

/// Credit a millisecond: at most 6 million a minute times a million, far inside 64 bits.
pub(super) fn rate(room: &Room) -> u64 {
    u64::from(room.config.pace.entries_per_minute_max) * u64::from(room.controller.factor_ppm)
}

/// What may be saved up: two seconds' worth, but at least one entry, else a slow room
/// would never let anyone in.
fn burst(room: &Room) -> u64 {
    match rate(room) {
        0 => 0,
        rate => (rate * BURST_MS).max(ENTRY),
    }
}

/// Whether positions are being called at all.
fn is_calling(room: &Room) -> bool {
    room.phase == Phase::Open && room.draw.is_some() && room.paused.is_none()
}

/// One step of the room's running time.
fn tick(room: &mut Room, places: Option<Places>) {
    let (rate, burst) = (rate(room), burst(room));
    let passes_max = room.config.pace.passes_max as usize;
    let nearly_full = room.inside.len() >= passes_max - passes_max / 16;
    let controller = &mut room.controller;
    controller.accrued_until = controller.accrued_until.plus_ms(TICK_MS);
    controller.entry_credit = (controller.entry_credit + rate * TICK_MS).min(burst);
    let drained = controller.entry_credit <= burst / 16;
    let gain_permille = GAIN_MIN_PERMILLE + GAIN_RISE_PERMILLE * controller.entry_credit / burst.max(1);
    let grown = (rate * TICK_MS * gain_permille / 1_000) as i64;
    controller.call_credit = (controller.call_credit + grown).clamp(-(burst as i64), burst as i64);
    if drained || nearly_full {
        controller.shut_at = controller.accrued_until;
    }
    controller.learn();
    call(room, places);
}

/// Calls as many as credit, door, passes and tickets allow.
fn call(room: &mut Room, places: Option<Places>) {
    let door = (rate(room) * DOOR_MS).max(ENTRY);
    let inside = room.inside.len() as u64 * ENTRY;
    let free_inside = (u64::from(room.config.pace.passes_max) * ENTRY).saturating_sub(inside);
    let controller = &mut room.controller;
    let credit = u64::try_from(controller.call_credit).unwrap_or(0);
    let seekers_max = places.map_or(u64::MAX, Places::seekers_max);
    let is_scarce = places.is_some_and(|places| places.heeds_silence) && seekers_max < door.min(free_inside);
    let Belief { share_permille, expected } =
        if is_scarce { controller.believed(seekers_max) } else { controller.learnt() };
    let with_a_place = places.map_or(0, |places| u64::from(places.held) * ENTRY);
    let looking = inside.saturating_sub(with_a_place);
    let looking = if is_scarce { looking.min(controller.entered_lately()) } else { looking };
    let seekers = seekers_max.saturating_sub(looking);
    let most = credit.min(door.saturating_sub(expected)).min(free_inside.saturating_sub(expected));
    let allowance = most.min(seekers.saturating_sub(expected));
    let price = share_permille * (ENTRY / 1_000);
    let waiting = u64::from(room.issued - room.called);
    let count = (allowance / price).min(waiting);
    if count == 0 {
        return;
    }
    controller.call_credit -= (count * price) as i64;
    room.called += count as u32;
    controller.remember_call(room.called, count as u32);
}

impl Controller {
    /// Time that does not count: everything remembered moves along.
    fn skip(&mut self, ms: u64) {
        if ms == 0 {
            return;
        }
        self.accrued_until = self.accrued_until.plus_ms(ms);
        self.shut_at = self.shut_at.plus_ms(ms);
        for cohort in &mut self.cohorts {
            cohort.called_at = cohort.called_at.plus_ms(ms);
        }
    }

    fn remember_call(&mut self, upto: u32, count: u32) {
        let now = self.accrued_until;
        match self.cohorts.back_mut() {
            Some(newest) if now.since_ms(newest.called_at) < COHORT_MS => {
                newest.upto = upto;
                newest.called += count;
            }
            _ => {
                if self.cohorts.len() == COHORTS_MAX {
                    self.cohorts.pop_front();
                }
                self.cohorts.push_back(Cohort { called_at: now, upto, called: count, entered: 0 });
            }
        }
    }

    /// Measures which share of those called comes.
    fn learn(&mut self) {
        let (mut called, mut entered) = (0, 0);
        for cohort in self.recent_cohorts() {
            if self.is_mature(cohort) {
                called += u64::from(cohort.called);
                entered += u64::from(cohort.entered);
            }
        }
        if called == 0 {
            return;
        }
        let measured = (entered + SHARE_PRIOR) * 1_000 / (called + SHARE_PRIOR);
        let measured = measured.clamp(SHARE_MIN_PERMILLE, 1_000) as u32;
        if measured > self.show_up_permille || self.door_is_open() {
            self.show_up_permille = measured;
        }
    }

    /// Entries still expected of those called lately, as credit. If the door is open, those
    /// who did not come within half a minute are gone; if not, they may be waiting at it.
    pub(super) fn expected_at_door(&self) -> u64 {
        let door_is_open = self.door_is_open();
        let (mut expected_milli, mut entered) = (0, 0);
        for cohort in self.recent_cohorts() {
            if door_is_open && self.is_mature(cohort) {
                break;
            }
            expected_milli += u64::from(cohort.called) * u64::from(self.show_up_permille);
            entered += u64::from(cohort.entered);
        }
        expected_milli.saturating_sub(entered * 1_000) * (ENTRY / 1_000)
    }

    /// Whether everyone who came lately could enter.
    fn door_is_open(&self) -> bool {
        self.accrued_until.since_ms(self.shut_at) >= DOOR_OPEN_MS
    }

    /// Whether even the last of the cohort had their time to come.
    fn is_mature(&self, cohort: &Cohort) -> bool {
        self.accrued_until.since_ms(cohort.called_at) >= MATURE_MS + COHORT_MS
    }

    /// What five minutes have taught; see [`Belief`].
    fn learnt(&self) -> Belief {
        Belief { share_permille: u64::from(self.show_up_permille), expected: self.expected_at_door() }
    }

    pub(super) fn recent_cohorts(&self) -> impl Iterator<Item = &Cohort> {
        let now = self.accrued_until;
        self.cohorts.iter().rev().take_while(move |cohort| now.since_ms(cohort.called_at) < FORGET_MS)
    }

    /// Someone entered at `now`: takes the entry off the meter. `position` is given for a
    /// first entry. One that no recent call accounts for is paid for by calling less.
    pub(super) fn enter(&mut self, position: Option<u32>, now: Time) {
        self.entry_credit -= ENTRY;
        self.count_entry(now);
        let running = self.accrued_until;
        let cohort = position.and_then(|position| {
            let at = self.cohorts.partition_point(|cohort| cohort.upto <= position);
            self.cohorts.get_mut(at).filter(|cohort| position >= cohort.upto - cohort.called)
        });
        let accounted = cohort.is_some_and(|cohort| {
            cohort.entered += 1;
            running.since_ms(cohort.called_at) < FORGET_MS
        });
        if !accounted {
            self.call_credit -= ENTRY as i64;
        }
    }

    fn count_entry(&mut self, now: Time) {
        let ten_s = now.0 / 10_000;
        let passed = ten_s.saturating_sub(self.newest_ten_s);
        if passed >= TEN_S_MAX as u64 || self.entries_by_ten_s.is_empty() {
            self.entries_by_ten_s.clear();
            self.entries_by_ten_s.push_back(0);
        } else {
            for _ in 0..passed {
                if self.entries_by_ten_s.len() == TEN_S_MAX {
                    self.entries_by_ten_s.pop_front();
                }
                self.entries_by_ten_s.push_back(0);
            }
        }
        self.newest_ten_s = self.newest_ten_s.max(ten_s);
        if let Some(newest) = self.entries_by_ten_s.back_mut() {
            *newest += 1;
        }
    }
}
