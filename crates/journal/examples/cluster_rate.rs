//! How fast batches become durable through servers that flush before they acknowledge, against
//! the file journal alone, on the same disk, in turn, in the same run.
//!
//! `cargo run --release -p jari-journal --example cluster_rate -- DIR [--bytes 262144] [--seconds 3]
//! [--rounds 3] [--servers 3] [--writers 1] [--sync always]`; the directory is created and must not
//! exist. Needs `nats-server` (see `scripts/prepare`). One record a group, as a node settles them.
//! Prints one object of JSON: the rates of each round, the latencies of the last, and what each
//! process used in all rounds through the servers: processor time and bytes written, for each byte of
//! record.

#![allow(clippy::disallowed_methods, reason = "it measures real time on real disks")]

#[path = "../tests/servers/mod.rs"]
mod servers;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jari_journal::jetstream::{Flush, JetStream};
use jari_journal::{FileJournal, FileOptions, Journal, ReplicatedJournal, ReplicatedOptions};
use serde_json::{Value, json};

/// Bytes of an encoded command: a hold has 45 and a confirmation 36, with their ids.
const COMMAND_BYTES: usize = 41;
/// Clock ticks a second in `/proc/PID/stat`; fixed on Linux.
const TICKS_PER_S: f64 = 100.0;

type Journals = Vec<Box<dyn Journal>>;

struct Options {
    dir: PathBuf,
    bytes: usize,
    time: Duration,
    rounds: usize,
    servers: usize,
    writers: u64,
    sync: String,
}

/// One round.
struct Round {
    commands_per_s: f64,
    p50_us: u128,
    p99_us: u128,
    bytes: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options()?;
    std::fs::create_dir(&options.dir)?;
    let flush = format!("sync_interval: {}", options.sync);
    // The servers' files lie on the same disk as the nodes'.
    let cluster = servers::Cluster::start_in(&options.dir, options.servers, &flush);
    let (mut file, mut stream) = (Vec::new(), Vec::new());
    let mut used = vec![(0.0, 0); 1 + options.servers];
    for round in 0..options.rounds {
        let dir = options.dir.join(format!("file{round}"));
        file.push(measure(vec![Box::new(FileJournal::open(FileOptions::new(dir))?.0)], &options));
        let journals = nodes(&cluster, &options, round)?;
        let processes = || std::iter::once(std::process::id()).chain(cluster.processes()).map(usage);
        let before: Vec<_> = processes().collect();
        stream.push(measure(journals, &options));
        for (sum, (now, then)) in used.iter_mut().zip(processes().zip(before)) {
            *sum = (sum.0 + now.0 - then.0, sum.1 + now.1 - then.1);
        }
    }
    drop(cluster);
    std::fs::remove_dir_all(&options.dir)?;
    println!("{}", report(&options, &file, &stream, &used));
    Ok(())
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().ok_or("say which directory to write to")?);
    let mut options = Options {
        dir,
        bytes: 256 << 10,
        time: Duration::from_secs(3),
        rounds: 3,
        servers: 3,
        writers: 1,
        sync: "always".into(),
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--bytes" => options.bytes = value.parse()?,
            "--seconds" => options.time = Duration::from_secs_f64(value.parse()?),
            "--rounds" => options.rounds = value.parse()?,
            "--servers" => options.servers = value.parse()?,
            "--writers" => options.writers = value.parse()?,
            "--sync" => options.sync = value,
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    Ok(options)
}

fn nodes(cluster: &servers::Cluster, options: &Options, round: usize) -> Result<Journals, Box<dyn Error>> {
    let name = format!("rate{round}");
    let open = |node: u64| -> Result<Box<dyn Journal>, Box<dyn Error>> {
        let mut settings = cluster.options(&name);
        settings.stream_bytes_max = -1;
        if options.sync != "always" {
            // An experiment: such servers are refused otherwise.
            settings.flush = Flush::Trusted;
        }
        let files = FileOptions::new(options.dir.join(format!("{name}-{node}")));
        let life = ReplicatedOptions { life: node, tries_max: 60 };
        Ok(Box::new(ReplicatedJournal::open(JetStream::connect(settings)?, files, life)?.0))
    };
    (0..options.writers).map(open).collect()
}

/// Every writer settles one record after the other until the time is over.
fn measure(journals: Journals, options: &Options) -> Round {
    let groups = AtomicU64::new(0);
    let started = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let write = |mut journal: Box<dyn Journal>| {
            let groups = &groups;
            move || {
                let payload = vec![0xa5; options.bytes];
                let mut times = Vec::new();
                while started.elapsed() < options.time {
                    let group_started = Instant::now();
                    journal.append(&payload).expect("is taken");
                    journal
                        .settle(&mut |entry| assert_eq!(entry.payload.len(), options.bytes))
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
    let groups = groups.load(Ordering::Relaxed);
    let rate = groups as f64 / started.elapsed().as_secs_f64();
    times.sort_unstable();
    let microseconds = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
    Round {
        commands_per_s: rate * (options.bytes / COMMAND_BYTES) as f64,
        p50_us: microseconds(50),
        p99_us: microseconds(99),
        bytes: groups * options.bytes as u64,
    }
}

/// Processor seconds and bytes handed to the disk by a process so far.
fn usage(process: u32) -> (f64, u64) {
    let read = |name: &str| {
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join(name)).unwrap_or_default()
    };
    let stat = read("stat");
    // The name in parentheses may hold blanks; user and system time are fields 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    let io = read("io");
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    (ticks as f64 / TICKS_PER_S, written.and_then(|bytes| bytes.parse().ok()).unwrap_or(0))
}

fn report(options: &Options, file: &[Round], stream: &[Round], used: &[(f64, u64)]) -> Value {
    let rates = |rounds: &[Round]| rounds.iter().map(|round| round.commands_per_s).collect::<Vec<_>>();
    let latency = |rounds: &[Round]| {
        let last = rounds.last().expect("there is a round");
        json!({ "p50_us": last.p50_us as u64, "p99_us": last.p99_us as u64 })
    };
    let bytes: u64 = stream.iter().map(|round| round.bytes).sum();
    let seconds = options.time.as_secs_f64() * options.rounds as f64;
    let shares = |one: &(f64, u64)| json!({ "cores": one.0 / seconds, "written_per_byte": one.1 as f64 / bytes.max(1) as f64 });
    json!({
        "bytes": options.bytes,
        "servers": options.servers,
        "writers": options.writers,
        "sync": options.sync,
        "file": rates(file),
        "stream": rates(stream),
        "file_latency": latency(file),
        "stream_latency": latency(stream),
        "node": shares(&used[0]),
        "servers_used": used[1..].iter().map(shares).collect::<Vec<_>>(),
    })
}
