//! Alarms: what is wrong by the last minutes' samples, before people say so.
//!
//! [`look`] is a pure function of the alarms that stood and the samples since. Each alarm begins at
//! one threshold and ends only after ten looks beyond a lower one, so that nothing flickers. It must
//! never raise one for what an operator chose: a pause, a pace of nothing, the end of the places.
//!
//! Start at [`look`], then `tests`, which hold an evening without any.

use serde::Serialize;
use utoipa::ToSchema;

use crate::series::sample::{RoomSample, Sample};

/// Seconds that a look needs to see.
pub const LOOKS_BACK_S: usize = 200;
/// An alarm ends after so many looks at which all was well.
const CALM_LOOKS: u32 = 10;
/// A window of so many of its hundred parts is enough to judge by.
const WINDOW_PERCENT: u64 = 90;
const MINUTE_MS: u64 = 60_000;
/// Nobody was called for so long although people wait; longer where the pace is less than six a minute.
const STALLED_MS: u64 = 30_000;
const STALLED_MS_MAX: u64 = 180_000;
/// A room finds its pace in the first minutes: it learns how many of those called come.
const SETTLED_MS: u64 = 180_000;
/// Few events say nothing. Where fewer are to enter in a minute, a slow crowd alone keeps half of them away.
const ENTRIES_MIN: u64 = 30;
const ERRORS_MIN: u64 = 5;
const SHED_MIN: u64 = 20;
const SLOW_MIN: u64 = 3;
/// How far a clock may be behind the order's, ms, and when it counts as right again.
const CLOCK_MS: u32 = 1_000;
const CLOCK_WELL_MS: u32 = 500;
/// How long messages to people may wait, s, and when they count as on time again.
const MESSAGES_S: u32 = 60;
const MESSAGES_WELL_S: u32 = 30;
/// A certificate that ends within so many days: whatever should have renewed it has not.
const CERTIFICATE_DAYS: u32 = 14;

/// What is wrong.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// People wait in an open room and nobody is called. Measured: people waiting.
    QueueStalled,
    /// Entries are far from the pace while people wait. Measured: percent of the pace.
    EntriesOff,
    /// Requests fail. Measured: errors per thousand answers.
    Errors,
    /// Requests are put off because too many are here. Measured: per thousand requests.
    Shedding,
    /// Records take long to become durable. Measured: the 99th percentile, ms.
    SlowDisk,
    /// The journal takes no changes: its disk is full, or it does not answer. Measured: nothing.
    JournalRefuses,
    /// This machine's clock is behind that of the order. Measured: ms.
    ClockBehind,
    /// Messages to people wait. Measured: seconds of the oldest.
    MessagesLate,
    /// The certificate that people see ends soon, or has ended. Measured: whole days left.
    CertificateEnds,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 9] = [
        Kind::QueueStalled,
        Kind::EntriesOff,
        Kind::Errors,
        Kind::Shedding,
        Kind::SlowDisk,
        Kind::JournalRefuses,
        Kind::ClockBehind,
        Kind::MessagesLate,
        Kind::CertificateEnds,
    ];

    /// Its name in metrics, logs and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::QueueStalled => "queue_stalled",
            Kind::EntriesOff => "entries_off",
            Kind::Errors => "errors",
            Kind::Shedding => "shedding",
            Kind::SlowDisk => "slow_disk",
            Kind::JournalRefuses => "journal_refuses",
            Kind::ClockBehind => "clock_behind",
            Kind::MessagesLate => "messages_late",
            Kind::CertificateEnds => "certificate_ends",
        }
    }
}

/// One alarm that stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// What is wrong.
    pub kind: Kind,
    /// In which room, where it is one's.
    pub room: Option<u32>,
    /// Since when, ms.
    pub since_ms: u64,
    /// How bad it was when it was last bad, in the kind's own unit.
    pub measured: u32,
    /// Looks in a row at which all was well.
    calm: u32,
}

/// What one look says of one thing.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Verdict {
    Bad(u64),
    /// Neither bad enough to begin nor well enough to end, or too little was seen.
    Unsure,
    Well,
}

/// The alarms that stand after the newest sample. `samples` are the last seconds', the newest last:
/// [`LOOKS_BACK_S`] of them where there are so many.
#[must_use]
pub fn look(standing: &[Alarm], samples: &[&Sample]) -> Vec<Alarm> {
    let Some(newest) = samples.last() else { return standing.to_vec() };
    let mut verdicts: Vec<(Kind, Option<u32>, Verdict)> = Vec::new();
    for room in &newest.rooms {
        verdicts.push((Kind::QueueStalled, Some(room.room), queue_stalled(room, samples)));
        verdicts.push((Kind::EntriesOff, Some(room.room), entries_off(room, samples)));
    }
    verdicts.push((Kind::Errors, None, errors(samples)));
    verdicts.push((Kind::Shedding, None, shedding(samples)));
    verdicts.push((Kind::SlowDisk, None, slow_disk(samples)));
    let refuses = if newest.node.refuses { Verdict::Bad(0) } else { Verdict::Well };
    verdicts.push((Kind::JournalRefuses, None, refuses));
    verdicts.push((Kind::ClockBehind, None, clock_behind(samples)));
    let oldest_s = newest.node.messages_oldest_s;
    verdicts.push((Kind::MessagesLate, None, between(oldest_s, MESSAGES_WELL_S, MESSAGES_S)));
    verdicts.push((Kind::CertificateEnds, None, certificate_ends(newest.node.certificate_days)));
    let next = verdicts.into_iter().filter_map(|(kind, room, verdict)| {
        let before = standing.iter().find(|alarm| alarm.kind == kind && alarm.room == room);
        follow(before, kind, room, verdict, newest.at_ms)
    });
    next.collect()
}

/// What becomes of one alarm.
fn follow(
    before: Option<&Alarm>,
    kind: Kind,
    room: Option<u32>,
    verdict: Verdict,
    at_ms: u64,
) -> Option<Alarm> {
    match verdict {
        Verdict::Bad(measured) => Some(Alarm {
            kind,
            room,
            since_ms: before.map_or(at_ms, |alarm| alarm.since_ms.min(at_ms)),
            measured: u32::try_from(measured).unwrap_or(u32::MAX),
            calm: 0,
        }),
        Verdict::Unsure => before.map(|alarm| Alarm { calm: 0, ..alarm.clone() }),
        Verdict::Well => before
            .map(|alarm| Alarm { calm: alarm.calm + 1, ..alarm.clone() })
            .filter(|alarm| alarm.calm < CALM_LOOKS),
    }
}

/// The samples of the last `ms`, if enough of them are there to judge by. By what they cover and not
/// by their times: while a clock that was set back catches up, one sample grows and takes in all.
fn window<'a, 's>(samples: &'a [&'s Sample], ms: u64) -> Option<&'a [&'s Sample]> {
    let (mut from, mut covered) = (samples.len(), 0);
    while from > 0 && covered < ms {
        from -= 1;
        covered += u64::from(samples[from].ms);
    }
    (covered * 100 >= ms * WINDOW_PERCENT).then_some(&samples[from..])
}

fn sum(samples: &[&Sample], count: impl Fn(&Sample) -> u32) -> u64 {
    samples.iter().map(|sample| u64::from(count(sample))).sum()
}

/// People wait for a call that should have come.
fn queue_stalled(room: &RoomSample, samples: &[&Sample]) -> Verdict {
    let is_stalled = |room: &RoomSample| room.calling && room.waiting > 0 && room.called == 0;
    let seen = samples.iter().rev().map_while(|sample| {
        sample.room(room.room).filter(|room| is_stalled(room)).map(|_| u64::from(sample.ms))
    });
    let stalled_ms: u64 = seen.sum();
    // Three calls in a row did not come.
    let patience_ms = 3 * MINUTE_MS / u64::from(room.pace.max(1));
    match stalled_ms {
        0 => Verdict::Well,
        ms if ms >= patience_ms.clamp(STALLED_MS, STALLED_MS_MAX) => Verdict::Bad(room.waiting.into()),
        _ => Verdict::Unsure,
    }
}

/// Fewer than half or more than one and a half of the entries that the pace has in a minute, while
/// at least ten seconds' worth of people wait. What chance does to few entries is no alarm.
fn entries_off(room: &RoomSample, samples: &[&Sample]) -> Verdict {
    let has_queue = |room: &RoomSample| room.calling && room.waiting > room.pace / 6;
    let (Some(settled), Some(minute)) = (window(samples, SETTLED_MS), window(samples, MINUTE_MS)) else {
        return Verdict::Unsure;
    };
    if !settled.iter().all(|sample| sample.room(room.room).is_some_and(has_queue)) {
        return Verdict::Well;
    }
    let rooms = || minute.iter().filter_map(|sample| Some((sample.ms, sample.room(room.room)?)));
    let entered: u64 = rooms().map(|(_, room)| u64::from(room.entered)).sum();
    let aimed_at: u64 =
        rooms().map(|(ms, room)| u64::from(ms) * u64::from(room.pace)).sum::<u64>() / MINUTE_MS;
    if aimed_at < ENTRIES_MIN {
        return Verdict::Well;
    }
    let percent = entered * 100 / aimed_at;
    // Three times the spread of a count that comes by chance: it is looked at every second.
    let by_chance = 3 * aimed_at.isqrt();
    match percent {
        50..=150 if (60..=140).contains(&percent) => Verdict::Well,
        50..=150 => Verdict::Unsure,
        _ if entered.abs_diff(aimed_at) <= by_chance => Verdict::Unsure,
        _ => Verdict::Bad(percent),
    }
}

/// More than a hundredth of `all` begins an alarm, less than half of that ends it.
fn share(few: u64, all: u64, few_min: u64, measured: u64) -> Verdict {
    match few {
        _ if few * 200 <= all => Verdict::Well,
        _ if few >= few_min && few * 100 > all => Verdict::Bad(measured),
        _ => Verdict::Unsure,
    }
}

fn errors(samples: &[&Sample]) -> Verdict {
    let Some(minute) = window(samples, MINUTE_MS) else { return Verdict::Unsure };
    let (errors, served) =
        (sum(minute, |sample| sample.node.errors), sum(minute, |sample| sample.node.served));
    share(errors, served, ERRORS_MIN, errors * 1_000 / served.max(1))
}

fn shedding(samples: &[&Sample]) -> Verdict {
    let Some(minute) = window(samples, MINUTE_MS) else { return Verdict::Unsure };
    let shed = sum(minute, |sample| sample.node.shed);
    let all = shed + sum(minute, |sample| sample.node.served);
    share(shed, all, SHED_MIN, shed * 1_000 / all.max(1))
}

/// The 99th percentile is above 100 ms when more than a hundredth are.
fn slow_disk(samples: &[&Sample]) -> Verdict {
    let Some(minute) = window(samples, MINUTE_MS) else { return Verdict::Unsure };
    let slow = sum(minute, |sample| sample.node.flushes_slow);
    let worst_us = minute.iter().filter_map(|sample| sample.node.flush_p99_us).max().unwrap_or(0);
    share(slow, sum(minute, |sample| sample.node.flushes), SLOW_MIN, u64::from(worst_us) / 1_000)
}

/// A clock that was set back catches up by itself; ten seconds of it are one that is wrong.
fn clock_behind(samples: &[&Sample]) -> Verdict {
    let Some(lately) = window(samples, 10_000) else { return Verdict::Unsure };
    let least = lately.iter().map(|sample| sample.node.clock_behind_ms).min().unwrap_or(0);
    between(least, CLOCK_WELL_MS, CLOCK_MS)
}

fn certificate_ends(days: Option<u32>) -> Verdict {
    match days {
        Some(days) if days < CERTIFICATE_DAYS => Verdict::Bad(days.into()),
        _ => Verdict::Well,
    }
}

fn between(value: u32, well: u32, bad: u32) -> Verdict {
    match value {
        _ if value > bad => Verdict::Bad(value.into()),
        _ if value >= well => Verdict::Unsure,
        _ => Verdict::Well,
    }
}

#[cfg(test)]
mod tests;
