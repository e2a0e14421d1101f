//! The programs on the machines: three `nats-server`, three `jari serve`, each started, stopped and
//! started again, and brought up again by itself when it ends, as a service manager does.
//!
//! Must never call a program ended by the drill that ended by itself: those are counted. Start at
//! [`Programs::start`] and [`Programs::mend`].

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::net::{EACH, Machine, Net};

/// As `RestartSec` of `deploy/systemd/jari.service`.
const RESTART_AFTER: Duration = Duration::from_secs(1);
const STREAM_PORT: u16 = 4222;
const ROUTE_PORT: u16 = 6222;
const MONITOR_PORT: u16 = 8222;
const SERVICE_PORT: u16 = 8080;
/// The password of every login: the network is the drill's own.
const PASSWORD: &str = "drill";

/// Where a server shows how it is.
pub fn monitor_of(server: usize) -> SocketAddr {
    SocketAddr::from((Machine::Server(server).address(), MONITOR_PORT))
}

/// Where a node listens.
pub fn service_of(node: usize) -> SocketAddr {
    SocketAddr::from((Machine::Node(node).address(), SERVICE_PORT))
}

/// Binaries, directories, settings.
#[derive(Debug, Clone)]
pub struct ProgramOptions {
    /// The service's binary.
    pub jari: PathBuf,
    /// The servers' binary.
    pub nats_server: PathBuf,
    /// A directory of the drill's own.
    pub dir: PathBuf,
    /// Where logs go.
    pub logs: PathBuf,
    /// The secret of the one partner channel.
    pub partner_secret: String,
    /// A snapshot after so many commands.
    pub snapshot_every_commands: u64,
}

/// A program that ended though nobody ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEnd {
    /// Where.
    pub machine: Machine,
    /// It had been up; otherwise it did not come up.
    pub was_up: bool,
    /// The last thing it said.
    pub said: String,
}

/// All programs.
#[derive(Debug)]
pub struct Programs {
    options: ProgramOptions,
    all: Vec<Program>,
    own_ends: Vec<OwnEnd>,
}

#[derive(Debug)]
struct Program {
    child: Option<Child>,
    /// It is to run: when it ends, it is started again.
    wanted: bool,
    ended_at: Option<Instant>,
}

impl Programs {
    /// Writes configurations; starts nothing.
    pub fn prepare(options: ProgramOptions) -> anyhow::Result<Self> {
        fs::create_dir_all(&options.logs)?;
        for machine in Machine::all() {
            let dir = options.dir.join(dir_name(machine));
            fs::create_dir_all(dir.join("data"))?;
            let text = match machine {
                Machine::Server(number) => server_config(number, &dir),
                Machine::Node(number) => node_config(number, &options),
            };
            fs::write(dir.join("config"), text)?;
            fs::write(dir.join("password"), PASSWORD)?;
        }
        let program = |_| Program { child: None, wanted: false, ended_at: None };
        Ok(Self { options, all: Machine::all().map(program).collect(), own_ends: Vec::new() })
    }

    /// Starts a program that is not running.
    pub fn start(&mut self, net: &Net, machine: Machine) -> anyhow::Result<()> {
        ensure!(self.id(machine).is_none(), "{} runs already", machine.name());
        let dir = self.dir(machine);
        let log = File::options().create(true).append(true).open(self.log(machine))?;
        let mut command = match machine {
            Machine::Server(_) => net.command(machine, &self.options.nats_server),
            Machine::Node(_) => net.command(machine, &self.options.jari),
        };
        match machine {
            Machine::Server(_) => command.arg("-c"),
            Machine::Node(_) => command.args(["serve", "--config"]),
        };
        command.arg(dir.join("config")).current_dir(&dir).stderr(log);
        // What a node prints first is read from there; each start begins it anew.
        command.stdout(File::create(dir.join("said")).context("no file for what it prints")?);
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        let child = command.spawn().with_context(|| format!("{} cannot be started", machine.name()))?;
        let program = &mut self.all[machine.index()];
        (program.child, program.wanted, program.ended_at) = (Some(child), true, None);
        Ok(())
    }

    /// Starts again what ended by itself, a second later.
    pub fn mend(&mut self, net: &Net) -> anyhow::Result<()> {
        for machine in Machine::all() {
            let program = &mut self.all[machine.index()];
            if !program.wanted {
                continue;
            }
            if let Some(child) = &mut program.child
                && child.try_wait()?.is_some()
            {
                program.child = None;
                program.ended_at = Some(Instant::now());
                let said = fs::read_to_string(self.log(machine)).unwrap_or_default();
                let said = said.lines().last().unwrap_or_default().to_string();
                let was_up = self.has_said(machine, "listening on");
                self.own_ends.push(OwnEnd { machine, was_up, said });
            }
            let program = &self.all[machine.index()];
            if program.ended_at.is_some_and(|ended| ended.elapsed() >= RESTART_AFTER) {
                self.start(net, machine)?;
            }
        }
        Ok(())
    }

    /// What ended by itself since the last time.
    pub fn take_own_ends(&mut self) -> Vec<OwnEnd> {
        std::mem::take(&mut self.own_ends)
    }

    /// The process of a program that runs.
    pub fn id(&self, machine: Machine) -> Option<u32> {
        self.all[machine.index()].child.as_ref().map(Child::id)
    }

    /// Ends a program as a power cut would, as far as a process can, and leaves it so. Gives the
    /// process that it was.
    pub fn kill(&mut self, machine: Machine) -> anyhow::Result<Option<u32>> {
        let program = &mut self.all[machine.index()];
        program.wanted = false;
        let Some(mut child) = program.child.take() else { return Ok(None) };
        // It may have ended by itself; that shows in its log.
        let _ = child.kill();
        child.wait()?;
        Ok(Some(child.id()))
    }

    /// Asks a program to end, and leaves it so.
    pub fn terminate(&mut self, machine: Machine) -> anyhow::Result<()> {
        self.all[machine.index()].wanted = false;
        self.signal(machine, Signal::TERM)
    }

    /// How a program ended that was asked to; nothing while it runs.
    pub fn ended(&mut self, machine: Machine) -> anyhow::Result<Option<ExitStatus>> {
        let program = &mut self.all[machine.index()];
        let Some(child) = &mut program.child else { return Ok(None) };
        let status = child.try_wait()?;
        if status.is_some() {
            program.child = None;
        }
        Ok(status)
    }

    /// Stops a program in the middle of whatever it does, or lets it go on.
    pub fn pause(&self, machine: Machine, pause: bool) -> anyhow::Result<()> {
        self.signal(machine, if pause { Signal::STOP } else { Signal::CONT })
    }

    /// Whether a node has printed this since its last start.
    pub fn has_said(&self, machine: Machine, words: &str) -> bool {
        fs::read_to_string(self.dir(machine).join("said")).is_ok_and(|said| said.contains(words))
    }

    /// The operator's password, which the first start printed.
    pub fn password(&self, machine: Machine) -> Option<String> {
        let said = fs::read_to_string(self.dir(machine).join("said")).ok()?;
        let line = said.lines().find_map(|line| line.strip_prefix("operator password: "))?;
        Some(line.trim().to_string())
    }

    /// Gives every node the service's keys, which the first one made.
    pub fn share_keys(&self) -> anyhow::Result<()> {
        let keys = self.data(Machine::Node(0)).join("keys");
        for number in 1..EACH {
            let to = self.data(Machine::Node(number)).join("keys");
            fs::copy(&keys, to).context("the keys cannot be copied")?;
        }
        Ok(())
    }

    /// A machine's data directory.
    pub fn data(&self, machine: Machine) -> PathBuf {
        self.dir(machine).join("data")
    }

    fn dir(&self, machine: Machine) -> PathBuf {
        self.options.dir.join(dir_name(machine))
    }

    fn log(&self, machine: Machine) -> PathBuf {
        self.options.logs.join(format!("{}.log", dir_name(machine)))
    }

    fn signal(&self, machine: Machine, signal: Signal) -> anyhow::Result<()> {
        let id = self.id(machine).with_context(|| format!("{} does not run", machine.name()))?;
        let id = Pid::from_raw(id.cast_signed()).context("no process has the number 0")?;
        kill_process(id, signal).with_context(|| format!("{} cannot be signalled", machine.name()))
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for program in &mut self.all {
            if let Some(child) = &mut program.child {
                // Nothing is left to do about either error.
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn dir_name(machine: Machine) -> String {
    machine.name().replace(' ', "-")
}

fn server_config(number: usize, dir: &Path) -> String {
    let machine = Machine::Server(number);
    let (name, address) = (server_name(number), machine.address());
    let route = |number| format!("\"nats://{}:{ROUTE_PORT}\"", Machine::Server(number).address());
    let routes: Vec<String> = (0..EACH).map(route).collect();
    format!(
        "server_name: {name}\nlisten: \"{address}:{STREAM_PORT}\"\nhttp: \"{address}:{MONITOR_PORT}\"\n\
         max_payload: 1MB\njetstream {{ store_dir: {:?}, max_file_store: 4GB, sync_interval: always }}\n\
         ping_interval: \"2s\"\nping_max: 2\n\
         cluster {{ name: jari, listen: \"{address}:{ROUTE_PORT}\", ping_interval: \"2s\", ping_max: 2, \
         routes: [{}] }}\n\
         accounts {{\n  SYS {{ users: [{{ user: system, password: {PASSWORD} }}] }}\n  \
         JARI {{ jetstream: enabled, users: [{{ user: jari, password: {PASSWORD} }}] }}\n}}\n\
         system_account: SYS\n",
        dir.join("data"),
        routes.join(", "),
    )
}

/// What a server calls itself, and is called by the others.
pub fn server_name(number: usize) -> String {
    format!("nats{}", number + 1)
}

fn node_config(number: usize, options: &ProgramOptions) -> String {
    let hash = blake3::hash(options.partner_secret.as_bytes()).to_hex();
    let servers =
        (0..EACH).map(|server| format!("nats://{}:{STREAM_PORT}", Machine::Server(server).address()));
    let servers: Vec<String> = servers.collect();
    format!(
        "data = \"data\"\nlisten = \"{}\"\nsecure_cookies = false\n\n[journal]\nkind = \"jetstream\"\n\
         keep_all = true\nsnapshot_every_commands = {}\n\n[journal.jetstream]\nnode = {}\nservers = {servers:?}\n\
         stream = \"jari\"\nlogin = {{ user = \"jari\", password_file = \"password\" }}\n\
         system_login = {{ user = \"system\", password_file = \"password\" }}\n\n[limits]\n\
         joins_per_second_per_network = 1000000\n\n[[partner]]\nname = \"drill\"\nchannel = 16\n\
         secret_blake3 = \"{hash}\"\n",
        service_of(number),
        options.snapshot_every_commands,
        number + 1,
    )
}
