//! A disk without room under the running service: writes are refused and say why, reads go on,
//! and when there is room again it goes on by itself.
//!
//! The room is taken in two ways. A file system of its own, some megabytes large, is mounted for
//! the service alone and filled up: by root with a mount namespace, by anyone else with a user
//! namespace, where the machine lets them. And the size of a file is limited (`RLIMIT_FSIZE`), which
//! needs no right at all. Must never fill a disk that others use, and must never go on when the
//! room could not be taken: a run that filled nothing has shown nothing. Start at [`run`].

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::Instant,
};

use super::{
    CrashOptions,
    audit::{Found, Reach, audit},
    nodes::Nodes,
    plant::copy_dir,
    rounds::{ready, stage, verify_journal},
    visitor::{Scene, visit},
};
use crate::live::{
    api::{self, Request},
    auditor::Faults,
    crowd::people::claim,
    http::{Answer, Connection, Target},
    service::{Service, ServiceOptions},
};

const CONNECTIONS: u64 = 6;
/// The room is taken and given back so often.
const ROUNDS: u32 = 2;
/// So long the service has no room, once it has said so.
const FULL_FOR: Duration = Duration::from_millis(1_500);
/// Within this it has to notice, and within this it has to go on.
const NOTICE_MAX: Duration = Duration::from_secs(20);
const DISK_MB: u32 = 32;
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// People who are identified while the disk is full: far from the crowd's numbers.
const PROBES_FROM: u32 = 10_000_000;

/// How the room is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// A small file system of the service's own is filled up.
    FileSystem,
    /// Files may not grow any more.
    FileSize,
}

impl Means {
    /// For the report.
    pub fn words(self) -> &'static str {
        match self {
            Self::FileSystem => "a full file system",
            Self::FileSize => "a limit on the size of files",
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct DiskOutcome {
    /// In words.
    pub means: &'static str,
    /// Why it could not be tried here, if so.
    pub untried: Option<String>,
    /// Times that the room was taken.
    pub rounds: u32,
    /// Writes that were refused as they ought to be: 503 and `storage_full`.
    pub refused: u64,
    /// Writes that were refused otherwise.
    pub refused_oddly: Faults,
    /// Reads that were answered while there was no room.
    pub reads: u64,
    /// Reads that were not.
    pub reads_failed: Faults,
    /// The longest time from room to the first write that was taken, identities included.
    pub back_in: Duration,
    /// Why it did not go on, if it did not.
    pub stayed_full: Option<String>,
    /// Everyone, read back while it runs, and again after a kill and a restart.
    pub found: Found,
    /// What the journal's verification said was wrong.
    pub verify_fault: Option<String>,
}

/// Takes the room by one means after the other.
pub async fn run(options: &CrashOptions, dir: &Path) -> anyhow::Result<Vec<DiskOutcome>> {
    let mut outcomes = Vec::new();
    for means in [Means::FileSystem, Means::FileSize] {
        let mut outcome = DiskOutcome { means: means.words(), ..DiskOutcome::default() };
        let dir = dir.join(if means == Means::FileSystem { "disk-small" } else { "disk-limited" });
        fs::create_dir_all(dir.join("data")).context("cannot make a directory for the full disk")?;
        if means == Means::FileSystem && !can_mount(&dir.join("data")) {
            outcome.untried = Some("this machine lets this user mount nothing".into());
        } else {
            try_means(options, means, &dir, &mut outcome).await?;
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// `unshare` and what it is to run: a mount that only its children see, gone when they are.
fn mounted(data: &Path) -> Vec<String> {
    let flags = if is_root() { "-m" } else { "-rm" };
    let script = format!("mount -t tmpfs -o size={DISK_MB}m,mode=700 tmpfs \"$0\" && exec \"$@\"");
    ["unshare", flags, "sh", "-c", &script, &data.display().to_string()].map(String::from).to_vec()
}

fn can_mount(data: &Path) -> bool {
    let through = mounted(data);
    let mut command = Command::new(&through[0]);
    command.args(&through[1..]).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

/// The room of one service.
struct Room {
    means: Means,
    id: u32,
    /// The data directory as this process sees it.
    data: PathBuf,
}

impl Room {
    fn new(means: Means, service: &Service) -> Self {
        let data = match means {
            Means::FileSize => service.data_dir(),
            Means::FileSystem => {
                let own = service.data_dir();
                let own = own.strip_prefix("/").unwrap_or(&own);
                Path::new(&format!("/proc/{}/root", service.id())).join(own)
            }
        };
        Self { means, id: service.id(), data }
    }

    fn take(&self) -> anyhow::Result<()> {
        match self.means {
            Means::FileSystem => {
                let mut filler = File::create(self.data.join("filler"))?;
                for chunk_bytes in [1 << 20, 4_096, 1] {
                    let chunk = vec![b'-'; chunk_bytes];
                    while filler.write_all(&chunk).is_ok() {}
                }
                Ok(())
            }
            Means::FileSize => {
                let newest = newest_segment(&self.data)?;
                self.limit(&fs::metadata(newest)?.len().to_string())
            }
        }
    }

    fn give_back(&self) -> anyhow::Result<()> {
        match self.means {
            Means::FileSystem => Ok(fs::remove_file(self.data.join("filler"))?),
            Means::FileSize => self.limit("unlimited"),
        }
    }

    /// The soft limit alone: whoever may not raise a hard one could not give the room back.
    fn limit(&self, bytes: &str) -> anyhow::Result<()> {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &self.id.to_string(), &format!("--fsize={bytes}:")]);
        ensure!(prlimit.status().context("cannot run prlimit")?.success(), "prlimit --fsize={bytes} failed");
        Ok(())
    }
}

fn newest_segment(data: &Path) -> anyhow::Result<PathBuf> {
    let mut segments: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(data.join("journal"))? {
        let path = entry?.path();
        segments.extend(path.extension().is_some_and(|end| end == "segment").then_some(path));
    }
    segments.sort();
    segments.pop().context("the journal has no segment")
}

async fn try_means(
    options: &CrashOptions,
    means: Means,
    dir: &Path,
    outcome: &mut DiskOutcome,
) -> anyhow::Result<()> {
    let secret = format!("disk-{:032x}", options.seed);
    // One segment, so that a limit on the size of files is met by the journal.
    let config_more = "[journal]\nsnapshot_every_commands = 2000\n".to_string();
    let mut service_options = ServiceOptions {
        config_more,
        ..ServiceOptions::new(options.jari.clone(), dir.to_owned(), secret.clone())
    };
    if means == Means::FileSystem {
        service_options.through = mounted(&dir.join("data"));
    }
    let mut service = spawn_blocking(move || Service::start(service_options)).await??;
    let nodes = Nodes::alone(Target::new(service.address));
    let (scene, desks, _operator) = stage(options.seed, nodes, secret, &service.password).await?;
    let scene = Arc::new(scene);
    let room = Room::new(means, &service);
    let mut crowd = JoinSet::new();
    for number in 0..CONNECTIONS {
        crowd.spawn(visit(Arc::clone(&scene), number));
    }
    scene.gate.open();
    let mut probe =
        Probe { connection: Connection::new(scene.nodes.target(0).clone()), scene: &scene, people: 0 };
    for _ in 0..ROUNDS {
        tokio::time::sleep(Duration::from_millis(500)).await;
        probe.round(&room, outcome).await?;
        if outcome.stayed_full.is_some() || service.has_ended() {
            outcome.stayed_full.get_or_insert_with(|| "the process has ended".into());
            return Ok(());
        }
    }
    scene.gate.last_calls();
    while let Some(ended) = crowd.join_next().await {
        ended.context("a visitor panicked")?;
    }
    scene.gate.shut();
    outcome.found = audit(&scene, &desks, Reach::ALL).await?;
    restart_elsewhere(options, means, &mut service, &room, outcome).await?;
    if outcome.verify_fault.is_none() {
        let target = scene.nodes.target(0);
        target.moved_to(service.address);
        ready(target).await?;
        // Everyone once more, as they were touched by the first audit's end.
        outcome.found.take(audit(&scene, &desks, Reach::ALL).await?);
    }
    Ok(())
}

/// Kills the service, verifies what is on its disk, and starts it again on that; what was on a file
/// system of its own is copied first, since it goes with the process.
async fn restart_elsewhere(
    options: &CrashOptions,
    means: Means,
    service: &mut Service,
    room: &Room,
    outcome: &mut DiskOutcome,
) -> anyhow::Result<()> {
    if means == Means::FileSystem {
        let kept = service.data_dir().with_extension("kept");
        for part in ["snapshots", "journal"] {
            copy_dir(&room.data.join(part), &kept.join(part))?;
        }
        for file in ["keys", "vault.redb"] {
            fs::copy(room.data.join(file), kept.join(file))?;
        }
        service.kill()?;
        service.moves_to(kept)?;
    } else {
        service.kill()?;
    }
    let (jari, data) = (options.jari.clone(), service.data_dir());
    let said = spawn_blocking(move || verify_journal(&jari, &data)).await??;
    if !said.contains("all hold") {
        outcome.verify_fault = Some(said);
        return Ok(());
    }
    service.restart()
}

/// Someone who tries whether the service has room, and whether it can still be read.
struct Probe<'a> {
    connection: Connection,
    scene: &'a Scene,
    people: u32,
}

impl Probe<'_> {
    /// The room is taken, felt, and given back.
    async fn round(&mut self, room: &Room, outcome: &mut DiskOutcome) -> anyhow::Result<()> {
        room.take().context("the room cannot be taken")?;
        let begun = Instant::now();
        while is_taken(&self.join().await?) {
            ensure!(begun.elapsed() < NOTICE_MAX, "the room was taken, and the service did not notice");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let full_at = Instant::now();
        while full_at.elapsed() < FULL_FOR {
            let write = self.join().await?;
            judge_refusal("a number in line", &write, outcome);
            let identity = self.identify().await?;
            judge_refusal("an identity", &identity, outcome);
            self.read(outcome).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        room.give_back().context("the room cannot be given back")?;
        let back = Instant::now();
        let mut last = String::new();
        loop {
            let (join, identity) = (self.join().await?, self.identify().await?);
            if is_taken(&join) && is_taken(&identity) {
                break;
            }
            if !is_taken(&join) || !is_taken(&identity) {
                let failed = if is_taken(&join) { &identity } else { &join };
                last = format!("{} {}", failed.status, api::problem(failed).0);
            }
            if back.elapsed() > NOTICE_MAX {
                outcome.stayed_full = Some(format!("there is room, and it still says {last}"));
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        outcome.rounds += 1;
        outcome.back_in = outcome.back_in.max(back.elapsed());
        Ok(())
    }

    async fn send(&mut self, request: Request) -> anyhow::Result<Answer> {
        let bytes = request.into_bytes();
        match self.connection.send(&bytes, REQUEST_TIME_MAX).await {
            Ok(answer) => Ok(answer),
            Err(error) => anyhow::bail!("no answer while the disk is full: {error}"),
        }
    }

    /// A number in line: a write to the journal alone.
    async fn join(&mut self) -> anyhow::Result<Answer> {
        let answer = self.send(api::join(self.scene.rooms.1, None, None)).await?;
        if let Some(api::Joined { ticket_token: Some(ticket), serial: Some(serial), .. }) = api::read(&answer)
        {
            self.scene.book.lock().walked_in(serial, ticket.into());
        }
        Ok(answer)
    }

    /// An identity of somebody new: a write to the vault, then one to the journal.
    async fn identify(&mut self) -> anyhow::Result<Answer> {
        self.people += 1;
        let who = claim(self.scene.seed, PROBES_FROM + self.people);
        self.send(api::identify(&self.scene.partner_secret, &who)).await
    }

    /// What must be readable whatever the disk does.
    async fn read(&mut self, outcome: &mut DiskOutcome) -> anyhow::Result<()> {
        let room = self.scene.rooms.0;
        let mut requests = vec![
            api::now(room),
            Request::new("GET", &format!("/api/v1/rooms/{room}")),
            Request::new("GET", "/api/v1/campaigns/1"),
            Request::new("GET", "/"),
        ];
        let session = self.scene.book.lock().people.values().find_map(|person| person.session.clone());
        if let Some(session) = session {
            requests.extend([api::bookings(&session), api::me(&session)]);
        }
        for request in requests {
            let answer = self.send(request.clone()).await?;
            if answer.is_success() {
                outcome.reads += 1;
            } else {
                let line = request.into_bytes();
                let line = String::from_utf8_lossy(&line).lines().next().unwrap_or_default().to_string();
                outcome.reads_failed.add(format!("{line}: {} {}", answer.status, api::problem(&answer).0));
            }
        }
        Ok(())
    }
}

fn is_taken(answer: &Answer) -> bool {
    answer.is_success()
}

fn judge_refusal(what: &str, answer: &Answer, outcome: &mut DiskOutcome) {
    let (code, again_ms) = api::problem(answer);
    if answer.status == 503 && code == "storage_full" && again_ms.is_some() {
        outcome.refused += 1;
    } else if !answer.is_success() {
        outcome.refused_oddly.add(format!("{what}: {} {code}", answer.status));
    }
    // A write that still fitted is none that was refused.
}
