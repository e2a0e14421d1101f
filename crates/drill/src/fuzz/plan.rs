//! What a seed decides before the run begins: the world, its people, its troubles.
//!
//! Each seed has troubles of its own instead of a little of everything: what hides behind a
//! frequent fault shows in the seeds that do not have it. Start reading at [`Plan::draw`].

use std::collections::BTreeSet;

use super::country::DAY_MS;
use super::faults::Fault;
use super::workload::scenes::Scene;
use crate::simulate::random::Random;

/// Troubles that a plan may have, and that mischief then causes.
const TROUBLES: &[Fault] = &[
    Fault::Killed,
    Fault::PowerCut,
    Fault::PowerCutInTurn,
    Fault::FlushFailed,
    Fault::WriteFailed,
    Fault::CrashBeforeAnswers,
    Fault::PowerCutInSnapshot,
    Fault::JournalBitNoticed,
    Fault::SnapshotBitNoticed,
    Fault::DiskFull,
    Fault::DiskSlow,
    Fault::ClockSkewed,
    Fault::ClockBack,
    Fault::OldSnapshot,
    Fault::QuietHours,
    Fault::PowerCutInStart,
];

/// Troubles that only a stream can cause.
const STREAM_TROUBLES: &[Fault] =
    &[Fault::AckLost, Fault::Partitioned, Fault::StreamFull, Fault::PowerCutAfterAck];

/// See the module's documentation. Times in milliseconds of the world's clock.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the seed is about.
    pub scene: Scene,
    /// How many nodes; one alone has no stream.
    pub nodes: u16,
    /// Whether there is a shared stream.
    pub cluster: bool,
    /// How many clients.
    pub clients: u32,
    /// How many people they speak for.
    pub people: u32,
    /// How long requests are made and trouble is caused.
    pub busy_ms: u64,
    /// Between two requests of a client, on average.
    pub pause_ms: f64,
    /// Between two troubles, on average.
    pub mischief_ms: f64,
    /// How long quiet hours last at the most.
    pub quiet_ms_max: u32,
    /// The troubles.
    pub troubles: BTreeSet<Fault>,
    /// A fault that nobody can survive, at the end.
    pub doom: Option<Fault>,
    /// How likely a message is lost.
    pub loss: f64,
    /// How likely a request is repeated.
    pub repeat: f64,
    /// How likely a message is delayed by up to seconds.
    pub delay: f64,
    /// Commands until the next snapshot.
    pub snapshot_every: u32,
    /// Largest size of a segment of the journal, bytes.
    pub segment_bytes_max: u64,
    /// Size at which a record is closed, bytes.
    pub record_bytes_max: usize,
    /// Whether a start checks every byte of the journal.
    pub check_all: bool,
    /// Whether the end is watched for long enough to see the lines move.
    pub long_peace: bool,
    /// Some nodes, the first among them, are of builds that do not know the newest rules.
    pub old_builds: bool,
    /// When the operator wants the next rules to count, where there are old builds.
    pub upgrade_ms: u64,
}

impl Plan {
    /// Whether every clock is right, but for hours in which nothing happens.
    #[must_use]
    pub fn clocks_are_right(&self) -> bool {
        !self.troubles.contains(&Fault::ClockSkewed) && !self.troubles.contains(&Fault::ClockBack)
    }

    /// The plan of a seed.
    pub fn draw(random: &mut Random) -> Plan {
        let network_is_bad = random.chance(0.6);
        let cluster = random.chance(0.6);
        let mut troubles = BTreeSet::new();
        let of_streams = if cluster { STREAM_TROUBLES } else { &[] };
        for trouble in TROUBLES.iter().chain(of_streams) {
            if random.chance(0.4) {
                troubles.insert(*trouble);
            }
        }
        // These end the run, so few seeds have one.
        let doom = match random.below(30) {
            0 if cluster => Some(Fault::TailLostNoticed),
            1 if cluster => Some(Fault::NewerRecordNoticed),
            _ => None,
        };
        let mut often = |most: f64| if network_is_bad { most * random.unit() } else { 0.0 };
        let (loss, repeat, delay) = (often(0.15), often(0.2), often(0.3));
        let busy_ms = 40_000 + u64::from(random.below(50_000));
        let old_builds = random.chance(0.35);
        let upgrade_ms = (busy_ms as f64 * random.between(0.05, 0.7)) as u64;
        Plan {
            scene: Scene::Country,
            nodes: if cluster { 1 + random.below(5) as u16 } else { 1 },
            cluster,
            clients: 3 + random.below(4),
            people: 3 + random.below(7),
            busy_ms,
            pause_ms: random.between(80.0, 600.0),
            mischief_ms: random.between(600.0, 5_000.0),
            quiet_ms_max: DAY_MS as u32 / 3,
            troubles,
            doom,
            loss,
            repeat,
            delay,
            snapshot_every: 20 + random.below(200),
            segment_bytes_max: 2_048 << random.below(5),
            record_bytes_max: 64 << random.below(11),
            check_all: random.chance(0.5),
            long_peace: random.chance(0.12),
            old_builds,
            upgrade_ms,
        }
    }
}
