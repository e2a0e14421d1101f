//! The network: a namespace for every machine, joined by a router that the crowd sits at.
//!
//! Each machine has one link, to the router. Whatever one machine sends another is forwarded there,
//! so a rule of the router's can drop it in one direction and not in the other, without either end
//! hearing of it. The crowd's own packets are not forwarded and pass. Must never be run in a network
//! that anybody else uses: see [`super::enclosure`]. Start at [`Net::build`].

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsFd as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Servers of the stream, and nodes of the service.
pub const EACH: usize = 3;
/// The first rule of the router's that is the drill's.
const RULES_FROM: usize = 100;
const PROBE_PORT: u16 = 7;
/// A probe is sent so often before it counts as lost.
const PROBE_TRIES: usize = 3;
const PROBE_TIME: Duration = Duration::from_millis(150);
/// What goes before a probe whose time is measured: some 80 ms of a megabit a second.
const LOAD_DATAGRAMS: usize = 8;
const LOAD_BYTES: usize = 1_200;
/// The longest a round trip is waited for.
const ROUND_TRIP_MAX: Duration = Duration::from_millis(1_500);

/// A machine of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Machine {
    /// One of the stream's servers, from 0.
    Server(usize),
    /// One of the service's nodes, from 0.
    Node(usize),
}

impl Machine {
    /// All of them: servers, then nodes.
    pub fn all() -> impl Iterator<Item = Machine> {
        (0..EACH).map(Machine::Server).chain((0..EACH).map(Machine::Node))
    }

    /// Its place among all.
    pub fn index(self) -> usize {
        match self {
            Self::Server(number) => number,
            Self::Node(number) => EACH + number,
        }
    }

    /// Its address.
    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.index() as u8 + 1, 2)
    }

    /// For people, who count from 1.
    pub fn name(self) -> String {
        match self {
            Self::Server(number) => format!("server {}", number + 1),
            Self::Node(number) => format!("node {}", number + 1),
        }
    }
}

/// From one machine to another; the other way round is another way.
pub type Way = (Machine, Machine);

/// How a link was made slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slowness {
    /// 40 ms later, 10 ms more or less, and two in a hundred lost (`netem`).
    LateAndLossy,
    /// A megabit a second with a short queue, for kernels without `netem`: what is sent waits in it,
    /// and is lost when it is full.
    Narrow,
}

impl Slowness {
    /// For the report.
    pub fn words(self) -> &'static str {
        match self {
            Self::LateAndLossy => "40 ms of delay and 2 % lost (netem)",
            Self::Narrow => "1 Mbit/s with a queue of 300 ms (tbf; this kernel has no netem)",
        }
    }
}

/// The network while it lasts.
#[derive(Debug)]
pub struct Net {
    /// A process in each namespace that does nothing: the namespace lasts as long as it does.
    holders: Vec<Child>,
    probes: Vec<UdpSocket>,
    cuts: Vec<Way>,
}

impl Net {
    /// Makes namespaces, links, addresses and routes.
    pub fn build() -> anyhow::Result<Self> {
        let mut net = Self { holders: Vec::new(), probes: Vec::new(), cuts: Vec::new() };
        run("ip", "link set lo up")?;
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("the router cannot be told to forward")?;
        for machine in Machine::all() {
            let holder = hold()?;
            let (id, number) = (holder.id(), machine.index() + 1);
            net.holders.push(holder);
            run("ip", &format!("link add link{number} type veth peer name eth0 netns {id}"))?;
            run("ip", &format!("addr add 10.77.{number}.1/24 dev link{number}"))?;
            run("ip", &format!("link set link{number} up"))?;
            for inside in [
                "link set lo up".to_string(),
                format!("addr add {}/24 dev eth0", machine.address()),
                "link set eth0 up".to_string(),
                format!("route add default via 10.77.{number}.1"),
            ] {
                finish(net.command(machine, "ip").args(inside.split(' ')))?;
            }
            net.probes.push(net.socket(machine)?);
        }
        Ok(net)
    }

    /// A command that runs on a machine. It becomes the program itself: its process id is that one's.
    pub fn command(&self, machine: Machine, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace(machine))).arg("--").arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Drops what goes these ways, from now on.
    pub fn cut(&mut self, ways: &[Way]) -> anyhow::Result<()> {
        for (from, to) in ways {
            let rule = RULES_FROM + self.cuts.len();
            let (source, target) = (from.address(), to.address());
            run("ip", &format!("rule add pref {rule} from {source} to {target} blackhole"))?;
            self.cuts.push((*from, *to));
        }
        Ok(())
    }

    /// Lets everything pass again.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        while let Some(_cut) = self.cuts.pop() {
            run("ip", &format!("rule del pref {}", RULES_FROM + self.cuts.len()))?;
        }
        Ok(())
    }

    /// Makes the links of machines slow in both directions.
    pub fn slow(&mut self, machines: &[Machine]) -> anyhow::Result<Slowness> {
        const LATE: &str = "netem delay 40ms 10ms loss 2%";
        const NARROW: &str = "tbf rate 1mbit burst 3kb latency 300ms";
        let first = format!("qdisc add dev link{} root {LATE}", machines[0].index() + 1);
        let (kind, slowness) = match run("tc", &first) {
            Ok(()) => {
                run("tc", &format!("qdisc del dev link{} root", machines[0].index() + 1))?;
                (LATE, Slowness::LateAndLossy)
            }
            Err(_) => (NARROW, Slowness::Narrow),
        };
        for machine in machines {
            run("tc", &format!("qdisc add dev link{} root {kind}", machine.index() + 1))?;
            finish(self.command(*machine, "tc").args(format!("qdisc add dev eth0 root {kind}").split(' ')))?;
        }
        Ok(slowness)
    }

    /// Makes them quick again.
    pub fn quicken(&mut self, machines: &[Machine]) -> anyhow::Result<()> {
        for machine in machines {
            run("tc", &format!("qdisc del dev link{} root", machine.index() + 1))?;
            finish(self.command(*machine, "tc").args("qdisc del dev eth0 root".split(' ')))?;
        }
        Ok(())
    }

    /// The ways on which a probe arrives, of all there are. Takes half a second at the most.
    pub fn open_ways(&self) -> anyhow::Result<BTreeSet<Way>> {
        let all: Vec<Machine> = Machine::all().collect();
        let mut open = BTreeSet::new();
        let mark = probe_mark();
        for _ in 0..PROBE_TRIES {
            for (from, to) in ways(&all) {
                if open.contains(&(from, to)) {
                    continue;
                }
                let mut probe = mark.to_vec();
                probe.push(from.index() as u8);
                let at = SocketAddr::from((to.address(), PROBE_PORT));
                self.probes[from.index()].send_to(&probe, at).context("a probe cannot be sent")?;
            }
            let deadline = Instant::now() + PROBE_TIME;
            for to in &all {
                self.take_probes(*to, &mark, deadline, &mut open)?;
            }
            if open.len() == all.len() * (all.len() - 1) {
                break;
            }
        }
        Ok(open)
    }

    /// From sending a probe to having its answer, so many times; `None` for what was lost.
    pub fn round_trips(&self, (from, to): Way, count: usize) -> anyhow::Result<Vec<Option<Duration>>> {
        let mut trips = Vec::new();
        for _ in 0..count {
            let (mark, begun) = (probe_mark(), Instant::now());
            let forth = self.one_way((from, to), &mark)?;
            let back = forth && self.one_way((to, from), &mark)?;
            trips.push(back.then(|| begun.elapsed()));
        }
        Ok(trips)
    }

    fn one_way(&self, (from, to): Way, mark: &[u8; 8]) -> anyhow::Result<bool> {
        let mut probe = mark.to_vec();
        probe.push(from.index() as u8);
        let at = (to.address(), PROBE_PORT);
        // A narrow link is quick while nothing is on it: the probe comes behind a little load.
        for _ in 0..LOAD_DATAGRAMS {
            self.probes[from.index()].send_to(&[0; LOAD_BYTES], at)?;
        }
        self.probes[from.index()].send_to(&probe, at)?;
        let deadline = Instant::now() + ROUND_TRIP_MAX;
        let mut open = BTreeSet::new();
        while open.is_empty() && Instant::now() < deadline {
            self.take_probe(to, mark, deadline, &mut open)?;
        }
        Ok(!open.is_empty())
    }

    /// Everything that has come to a machine, until nothing more does.
    fn take_probes(
        &self,
        to: Machine,
        mark: &[u8; 8],
        deadline: Instant,
        open: &mut BTreeSet<Way>,
    ) -> anyhow::Result<()> {
        let expected = EACH * 2 - 1;
        while open.iter().filter(|way| way.1 == to).count() < expected
            && self.take_probe(to, mark, deadline, open)?
        {}
        Ok(())
    }

    /// One probe, if one comes until then; an older one is read and counts for nothing.
    fn take_probe(
        &self,
        to: Machine,
        mark: &[u8; 8],
        deadline: Instant,
        open: &mut BTreeSet<Way>,
    ) -> anyhow::Result<bool> {
        let socket = &self.probes[to.index()];
        let left = deadline.saturating_duration_since(Instant::now());
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut probe = [0; 16];
        match socket.recv_from(&mut probe) {
            Ok((9, _)) if probe.starts_with(mark) => {
                let from = Machine::all().nth(usize::from(probe[8])).context("a probe from nowhere")?;
                open.insert((from, to));
                Ok(true)
            }
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => Ok(false),
            Err(error) => Err(error).context("a probe cannot be taken"),
        }
    }

    fn namespace(&self, machine: Machine) -> String {
        format!("/proc/{}/ns/net", self.holders[machine.index()].id())
    }

    /// A socket on a machine: it stays there whoever holds it.
    fn socket(&self, machine: Machine) -> anyhow::Result<UdpSocket> {
        let namespace = File::open(self.namespace(machine))?;
        let bind = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            UdpSocket::bind((machine.address(), PROBE_PORT))
        };
        // A thread of its own, which ends: this one stays where it is.
        let bound = std::thread::spawn(bind).join();
        let Ok(bound) = bound else { bail!("the thread that steps into a namespace panicked") };
        bound.with_context(|| format!("no socket on {}", machine.name()))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            // Nothing is left to do about either error.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// Every way between different machines.
pub fn ways(machines: &[Machine]) -> Vec<Way> {
    let all = machines.iter().flat_map(|from| machines.iter().map(move |to| (*from, *to)));
    all.filter(|(from, to)| from != to).collect()
}

/// Unlike any other probe's of this run.
fn probe_mark() -> [u8; 8] {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_le_bytes()
}

/// A process in a network namespace of its own; it is in there when this returns.
fn hold() -> anyhow::Result<Child> {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "echo; exec sleep infinity"]);
    let mut holder = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = holder.stdout.take().context("it is piped")?;
    let read = BufReader::new(stdout).read_line(&mut String::new());
    ensure!(read.is_ok_and(|read| read > 0), "no namespace for a machine");
    Ok(holder)
}

fn run(program: &str, arguments: &str) -> anyhow::Result<()> {
    finish(Command::new(program).args(arguments.split(' ')).stdin(Stdio::null()))
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(())
}
