//! The service under drill: started, watched, killed and started again on the same data.
//!
//! The child is killed by its own id whenever this is dropped, whatever happened. Must never touch
//! a process that it did not start. Start at [`Service::start`].

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// A start, recovery included, takes no longer.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Lines read before the address is expected.
const LINES_MAX: usize = 1_000;
/// Clock ticks a second in `/proc/PID/stat`; fixed on Linux for every architecture we run on.
const TICKS_PER_S: f64 = 100.0;

/// How to start it.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// The binary.
    pub jari: PathBuf,
    /// A directory of its own: the configuration and the data go there.
    pub dir: PathBuf,
    /// The core it may use, if it is to have one of its own.
    pub core: Option<usize>,
    /// The secret of its one partner channel.
    pub partner_secret: String,
    /// Lines more for its configuration, sections included; they come after all others.
    pub config_more: String,
    /// A program and its arguments that start the service in their stead, such as `taskset`.
    pub through: Vec<String>,
    /// Its data directory, from `dir`.
    pub data: PathBuf,
}

impl ServiceOptions {
    /// The usual way to start it: no core of its own, nothing special.
    pub fn new(jari: PathBuf, dir: PathBuf, partner_secret: String) -> Self {
        let data = PathBuf::from("data");
        Self { jari, dir, core: None, partner_secret, config_more: String::new(), through: Vec::new(), data }
    }
}

/// A running service.
#[derive(Debug)]
pub struct Service {
    options: ServiceOptions,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The operator's password, known since its first start.
    pub password: String,
    /// From starting the process to its first word, on this start.
    pub started_in: Duration,
}

impl Service {
    /// Starts it on an empty directory.
    pub fn start(options: ServiceOptions) -> anyhow::Result<Self> {
        let hash = blake3::hash(options.partner_secret.as_bytes()).to_hex();
        let config = format!(
            "data = {:?}\nlisten = \"127.0.0.1:0\"\nsecure_cookies = false\n\n[limits]\n\
             joins_per_second_per_network = 1000000\n\n[[partner]]\nname = \"drill\"\nchannel = 16\n\
             secret_blake3 = \"{hash}\"\n\n{}",
            options.data, options.config_more
        );
        fs::write(options.dir.join("jari.toml"), config)
            .context("cannot write the service's configuration")?;
        let begun = Instant::now();
        let (child, address, password) = spawn(&options, true)?;
        let password = password.context("the service printed no operator password at its first start")?;
        Ok(Self { options, child, address, password, started_in: begun.elapsed() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would, as far as a process can: `kill -9`.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        // The process may have ended by itself; that shows at the restart.
        let _ = self.child.kill();
        self.child.wait().context("the killed service cannot be waited for")?;
        Ok(())
    }

    /// Starts it again on the same data. It listens elsewhere afterwards.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let (child, address, _) = spawn(&self.options, false)?;
        self.child = child;
        self.address = address;
        self.started_in = begun.elapsed();
        Ok(())
    }

    /// Starts it again and does not wait for its first word: to be killed on the way up.
    pub fn begin_restart(&mut self) -> anyhow::Result<()> {
        let mut child = launch(&self.options)?;
        // Nobody reads what it says; closed, its end of the pipe cannot fill up.
        drop(child.stdout.take());
        self.child = child;
        Ok(())
    }

    /// Its data lies elsewhere from its next start on, and no program stands before it any more.
    pub fn moves_to(&mut self, data: PathBuf) -> anyhow::Result<()> {
        let path = self.options.dir.join("jari.toml");
        let config = fs::read_to_string(&path)?;
        let (old, new) = (format!("data = {:?}", self.options.data), format!("data = {data:?}"));
        fs::write(&path, config.replacen(&old, &new, 1))?;
        self.options.data = data;
        self.options.through.clear();
        Ok(())
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The directory that was given to it.
    pub fn data_dir(&self) -> PathBuf {
        self.options.dir.join(&self.options.data)
    }

    /// What it uses now.
    pub fn usage(&self) -> Option<Usage> {
        usage(self.id())
    }

    /// Bytes in its data directory.
    pub fn data_bytes(&self) -> u64 {
        size_of(&self.data_dir(), 0)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing is left to do about either error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Memory and processor time of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Processor time since its start, seconds.
    pub cpu_s: f64,
}

/// What a process uses now; `None` when it is gone.
pub fn usage(id: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    let (_, ticks) = stopped_and_ticks(id)?;
    let cpu_s = ticks as f64 / TICKS_PER_S;
    Some(Usage { resident_bytes: kilobytes * 1024, cpu_s })
}

/// Whether a process is stopped, and how long it has run on a processor, in ticks; nothing when it is
/// gone.
pub fn stopped_and_ticks(id: u32) -> Option<(bool, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// Of a line of `/proc/PID/stat`: see `proc(5)`.
pub fn parse_stat(stat: &str) -> Option<(bool, u64)> {
    // The program's name stands in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((*fields.first()? == "T", ticks(11)? + ticks(12)?))
}

/// Gives this process, all its threads included, one core; `false` when that cannot be done here.
pub fn pin_self(cores: &str) -> bool {
    let id = std::process::id().to_string();
    let mut taskset = Command::new("taskset");
    taskset.args(["-a", "-p", "-c", cores, &id]).stdout(Stdio::null()).stderr(Stdio::null());
    taskset.status().is_ok_and(|status| status.success())
}

fn spawn(options: &ServiceOptions, is_first: bool) -> anyhow::Result<(Child, SocketAddr, Option<String>)> {
    let mut child = launch(options)?;
    let told = first_words(&mut child, is_first);
    match told {
        Ok((address, password)) => Ok((child, address, password)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error.context(last_words(&options.dir)))
        }
    }
}

fn launch(options: &ServiceOptions) -> anyhow::Result<Child> {
    let core = options.core.map(|core| vec!["taskset".into(), "-c".into(), core.to_string()]);
    let through = core.as_ref().unwrap_or(&options.through);
    let mut command = match through.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&options.jari);
            command
        }
        None => Command::new(&options.jari),
    };
    let log = fs::File::options().create(true).append(true).open(options.dir.join("service.log"))?;
    command.args(["serve", "--config"]).arg(options.dir.join("jari.toml"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).process_group(0);
    command.spawn().with_context(|| format!("cannot start {} serve", options.jari.display()))
}

/// Reads the address and, at a first start, the password. The rest of its output is read and
/// dropped, or it would block.
fn first_words(child: &mut Child, is_first: bool) -> anyhow::Result<(SocketAddr, Option<String>)> {
    let stdout = child.stdout.take().context("the service has no output")?;
    let (sender, lines) = mpsc::sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // A full channel means that nobody listens any more.
            let _ = sender.try_send(line);
        }
    });
    let deadline = Instant::now() + START_TIME_MAX;
    let mut address = None;
    for _ in 0..LINES_MAX {
        // The password comes in the same breath as the address, or not at all.
        let patience = match address {
            None => deadline.saturating_duration_since(Instant::now()),
            Some(_) => Duration::from_millis(300),
        };
        match lines.recv_timeout(patience) {
            Ok(line) => {
                if let Some(url) = line.strip_prefix("listening on http://") {
                    let found = url.trim().trim_end_matches('/').parse().context("not an address")?;
                    if !is_first {
                        return Ok((found, None));
                    }
                    address = Some(found);
                } else if let (Some(address), Some(password)) =
                    (address, line.strip_prefix("operator password: "))
                {
                    return Ok((address, Some(password.trim().to_string())));
                }
            }
            Err(_) => break,
        }
    }
    match address {
        Some(address) => Ok((address, None)),
        None => bail!("the service did not say where it listens"),
    }
}

fn last_words(dir: &Path) -> String {
    let log = fs::read_to_string(dir.join("service.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(5).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!("its last words were: {}", lines.join(" | "))
}

fn size_of(path: &Path, depth: u8) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() && depth < 8 => size_of(&entry.path(), depth + 1),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}

/// A directory of this run's own; removed when dropped.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// Makes one.
    pub fn new(seed: u64) -> anyhow::Result<Self> {
        let base = std::env::temp_dir();
        for attempt in 0..100_u32 {
            let dir = base.join(format!("jari-drill-{}-{seed}-{attempt}", std::process::id()));
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot make {}", dir.display())),
            }
        }
        anyhow::bail!("no room for a directory in {}", base.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the system's temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}
