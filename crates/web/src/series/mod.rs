//! The recorder: once a second, what happened and what stands, for the operator's plots and alarms.
//!
//! It costs a request some atomic additions (`traffic`), and the state one short look a second. It
//! keeps a week in bounded memory (`tiers`) and its minutes in a file (`file`), judges the last minutes
//! (`alarms`), and tells whoever listens (`live`). It must never hold anything about one person, nor keep a request waiting.
//!
//! Start at [`Recorder`] and [`record`], then [`sample`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jari_core::Time;

use crate::alarms::{self, Alarm, Kind};
use crate::messages;
use crate::site::Site;

pub mod file;
pub mod live;
pub mod sample;
pub mod tiers;
pub mod view;

use file::SeriesFile;
use live::Live;
use sample::{NodeSample, RoomSample, Sample};
use tiers::Tiers;

/// A flush that took longer is slow.
const SLOW: std::time::Duration = std::time::Duration::from_millis(100);
/// The longest that one sample says it covers: a process that did not run saw nothing.
const SAMPLE_MS_MAX: u64 = 10_000;

/// See the module's documentation.
pub struct Series {
    kept: Mutex<Kept>,
    /// Those who listen.
    pub(crate) live: Arc<Live>,
}

#[derive(Default)]
struct Kept {
    tiers: Tiers,
    alarms: Vec<Alarm>,
    /// Rooms at the last sample, with everything since they were made.
    rooms: BTreeMap<u32, RoomSample>,
    /// When the last sample was taken, by the service's clock, ms.
    recorded_ms: Option<u64>,
}

impl Series {
    /// Nothing was recorded yet.
    pub(crate) fn new() -> Series {
        Series { kept: Mutex::default(), live: Live::new() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The alarms that stand.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.kept().alarms.clone()
    }

    /// The newest second.
    #[must_use]
    pub fn newest(&self) -> Option<Sample> {
        self.kept().tiers.seconds(1).first().map(|newest| (*newest).clone())
    }

    /// What is known from `from_ms` on in steps of at least `step_s`: see [`Tiers::since`].
    #[must_use]
    pub fn since(&self, from_ms: u64, step_s: u64) -> Vec<Sample> {
        self.kept().tiers.since(from_ms, step_s)
    }
}

/// Records every second, for as long as it is let.
pub(crate) async fn run(site: Arc<Site>, mut seconds: tokio::time::Interval) {
    let mut recorder = Recorder::start(site).await;
    loop {
        seconds.tick().await;
        recorder.second().await;
    }
}

/// What records, and keeps the minutes in their file if there is to be one.
pub struct Recorder {
    site: Arc<Site>,
    minutes: Option<Minutes>,
}

/// The file, and what is known to be in it.
struct Minutes {
    file: SeriesFile,
    /// The end of the last minute that was written, or given up, ms.
    written_ms: u64,
    /// The last one could not be written, and that was said.
    is_failing: bool,
}

impl Recorder {
    /// Takes in the minutes of an earlier life.
    pub async fn start(site: Arc<Site>) -> Recorder {
        let minutes = open_file(&site).await;
        Recorder { site, minutes }
    }

    /// Records a second, and writes the minute that is over with it.
    pub async fn second(&mut self) {
        record(&self.site);
        let minute = self.site.series.kept().tiers.last_whole_minute().cloned();
        // The last bytes of a disk are the journal's.
        let Some(minute) = minute.filter(|_| !self.site.node.status().disk_full) else { return };
        let is_new = |minutes: &mut Minutes| minutes.written_ms != minute.at_ms;
        if let Some(minutes) = self.minutes.take_if(is_new) {
            self.minutes = tokio::task::spawn_blocking(move || minutes.write(&minute)).await.ok();
        }
    }
}

/// The file, if there is to be one, and what it knows taken in.
async fn open_file(site: &Site) -> Option<Minutes> {
    let (file, now) = (SeriesFile::at(site.options.series_file.clone()?), site.node.now());
    let opened = tokio::task::spawn_blocking(move || (file.read(now.0), file)).await;
    let (read, file) = opened.ok()?;
    let known = read.unwrap_or_else(|error| {
        tracing::warn!(%error, "the console's past cannot be read from its file");
        Vec::new()
    });
    let mut kept = site.series.kept();
    known.iter().for_each(|minute| kept.tiers.push_minute(minute));
    Some(Minutes { file, written_ms: known.last().map_or(0, |last| last.at_ms), is_failing: false })
}

impl Minutes {
    fn write(mut self, minute: &Sample) -> Minutes {
        if minute.at_ms < self.written_ms {
            self.file.begin_again();
        }
        self.written_ms = minute.at_ms;
        let written = self.file.append(minute);
        match &written {
            Err(error) if !self.is_failing => {
                tracing::warn!(%error, "the console's past cannot be kept in its file; it is tried every minute");
            }
            Ok(()) if self.is_failing => tracing::info!("the console's past is kept in its file again"),
            _ => {}
        }
        self.is_failing = written.is_err();
        self
    }
}

/// Records what happened since the last time, looks for alarms, tells those who listen. To be called
/// once a second.
pub fn record(site: &Site) {
    let counted = site.traffic.take();
    let flushes = site.node.flushes().take();
    let status = site.node.status();
    let now = site.node.now();
    let (_, oldest_ms) = messages::lateness(site);
    let us = |percentile: Option<u64>| percentile.map(|us| u32::try_from(us).unwrap_or(u32::MAX));
    let whole = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let node = NodeSample {
        polls: counted.polls,
        served: whole(counted.answers.total()),
        errors: counted.errors,
        shed: counted.shed,
        latency_p50_us: us(counted.answers.percentile_us(50)),
        latency_p99_us: us(counted.answers.percentile_us(99)),
        flushes: whole(flushes.total()),
        flushes_slow: whole(flushes.above(SLOW)),
        flush_p50_us: us(flushes.percentile_us(50)),
        flush_p99_us: us(flushes.percentile_us(99)),
        mailbox: whole(status.waiting as u64),
        refuses: status.disk_full || status.stalled || status.stopped,
        messages_oldest_s: whole(oldest_ms / 1_000),
        clock_behind_ms: sample::behind_ms(status.time, now),
        certificate_days: site.certificate.days_left(now),
    };
    let (rooms, campaigns) =
        site.node.read(|state| (sample::rooms_of(state.data()), sample::campaigns_of(state.data())));
    let sample = Sample { at_ms: now.0, ms: 0, node, rooms, campaigns };
    let (sample, alarms) = site.series.kept().take_in(sample);
    gauge_alarms(&alarms);
    site.series.live.tell(&sample, &alarms);
}

impl Kept {
    /// Takes in a sample whose rooms count from their beginning; gives it as it is kept.
    fn take_in(&mut self, mut sample: Sample) -> (Sample, Vec<Alarm>) {
        let before = self.recorded_ms.replace(sample.at_ms);
        self.tiers.forget_future(sample.at_ms);
        // A clock that was set back says nothing; then it was a second, as ever.
        let covers = before.and_then(|before| sample.at_ms.checked_sub(before)).filter(|ms| *ms > 0);
        sample.ms = covers.unwrap_or(1_000).min(SAMPLE_MS_MAX) as u32;
        let totals = std::mem::take(&mut sample.rooms);
        sample.rooms = totals.iter().map(|room| room.clone().since(self.rooms.get(&room.room))).collect();
        self.rooms = totals.into_iter().map(|room| (room.room, room)).collect();
        self.tiers.push(&sample);
        let next = alarms::look(&self.alarms, &self.tiers.seconds(alarms::LOOKS_BACK_S));
        log_changes(&self.alarms, &next);
        self.alarms = next.clone();
        (sample, next)
    }
}

/// One line when an alarm begins, one when it ends.
fn log_changes(before: &[Alarm], after: &[Alarm]) {
    let stands = |alarms: &[Alarm], one: &Alarm| {
        alarms.iter().any(|alarm| (alarm.kind, alarm.room) == (one.kind, one.room))
    };
    for alarm in after.iter().filter(|alarm| !stands(before, alarm)) {
        let (kind, room, measured) = (alarm.kind.name(), alarm.room, alarm.measured);
        tracing::warn!(kind, room, measured, "an alarm began: docs/runbook.md says what to do");
    }
    for alarm in before.iter().filter(|alarm| !stands(after, alarm)) {
        let (kind, room, since) = (alarm.kind.name(), alarm.room, Time(alarm.since_ms));
        tracing::info!(kind, room, since_ms = since.0, "an alarm is over");
    }
}

fn gauge_alarms(alarms: &[Alarm]) {
    for kind in Kind::ALL {
        let stands = alarms.iter().any(|alarm| alarm.kind == kind);
        metrics::gauge!("jari_alarm", "kind" => kind.name()).set(f64::from(u8::from(stands)));
    }
}

#[cfg(test)]
mod tests;
