//! How fast batches become durable through three servers that flush before they
//! acknowledge, against the file journal alone, on the same disk in the same run.
//!
//! `cargo run --release -p jari-journal --example cluster_rate -- DIR [SECONDS]`; the
//! directory is created and must not exist. Needs `nats-server` (see `scripts/prepare`).
//! One record a group, as a node settles them; one writer, then three at once.

#![allow(clippy::disallowed_methods, reason = "it measures real time on real disks")]

#[path = "../tests/servers/mod.rs"]
mod servers;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jari_journal::jetstream::JetStream;
use jari_journal::{FileJournal, FileOptions, Journal, ReplicatedJournal, ReplicatedOptions};

/// Bytes of an encoded command: a hold has 45 and a confirmation 36, with their ids.
const COMMAND_BYTES: usize = 41;
const GROUPS_BYTES: [usize; 3] = [1 << 10, 32 << 10, 256 << 10];

type Journals = Vec<Box<dyn Journal>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("say which directory to write to")?);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    std::fs::create_dir(&dir)?;
    let time = Duration::from_secs(seconds);
    println!("journal      writers  batch bytes  batches/s  MiB/s  commands/s  median us  p99 us");
    for group_bytes in GROUPS_BYTES {
        let journal = FileJournal::open(FileOptions::new(dir.join(format!("file{group_bytes}"))))?.0;
        measure("file", vec![Box::new(journal)], group_bytes, time);
    }
    // The servers' files lie on the same disk as the nodes'.
    let cluster = servers::Cluster::start_in(&dir, 3, "sync_interval: always");
    for writers in [1, 3] {
        for group_bytes in GROUPS_BYTES {
            let journals = nodes(&cluster, &dir, writers, group_bytes)?;
            measure("jetstream", journals, group_bytes, time);
        }
    }
    drop(cluster);
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn nodes(
    cluster: &servers::Cluster,
    dir: &Path,
    writers: u64,
    group_bytes: usize,
) -> Result<Journals, Box<dyn Error>> {
    let name = format!("rate{writers}-{group_bytes}");
    let open = |node: u64| -> Result<Box<dyn Journal>, Box<dyn Error>> {
        let mut options = cluster.options(&name);
        options.stream_bytes_max = -1;
        let files = FileOptions::new(dir.join(format!("{name}-{node}")));
        let life = ReplicatedOptions { life: node, tries_max: 60 };
        Ok(Box::new(ReplicatedJournal::open(JetStream::connect(options)?, files, life)?.0))
    };
    (0..writers).map(open).collect()
}

/// Every writer settles one record after the other until the time is over.
fn measure(name: &str, journals: Journals, group_bytes: usize, time: Duration) {
    let writers = journals.len();
    let groups = AtomicU64::new(0);
    let started = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let write = |mut journal: Box<dyn Journal>| {
            let groups = &groups;
            move || {
                let payload = vec![0xa5; group_bytes];
                let mut times = Vec::new();
                while started.elapsed() < time {
                    let group_started = Instant::now();
                    journal.append(&payload).expect("is taken");
                    journal
                        .settle(&mut |entry| assert_eq!(entry.payload.len(), group_bytes))
                        .expect("settles");
                    times.push(group_started.elapsed());
                    groups.fetch_add(1, Ordering::Relaxed);
                }
                times
            }
        };
        let running: Vec<_> = journals.into_iter().map(|journal| scope.spawn(write(journal))).collect();
        running.into_iter().flat_map(|run| run.join().expect("no panic")).collect()
    });
    let rate = groups.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    let microseconds = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
    println!(
        "{name:<12} {writers:>7}  {group_bytes:>11}  {rate:>9.0}  {:>5.1}  {:>10.0}  {:>9}  {:>6}",
        rate * group_bytes as f64 / f64::from(1 << 20),
        rate * (group_bytes / COMMAND_BYTES) as f64,
        microseconds(50),
        microseconds(99),
    );
}
