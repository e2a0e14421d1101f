//! Live drills: a crowd over real HTTP against a running service, judged by an auditor that
//! believes only what was acknowledged.
//!
//! The drill meets the service as people, operators and partners do, through its public API, and
//! starts the binary it is given; it never links the service. It must never touch another machine
//! unless told to in so many words, and everything it does is bounded in time and count.
//!
//! Start at [`run`]; then [`evening`] (what happens), [`crowd`] (who comes), [`auditor`] and
//! [`verdicts`] (what it means). [`http`] is the client underneath.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail, ensure};

use crate::{report::Report, scenario};
use crowd::{OnProgress, Progress};
use evening::{Ground, Numbers};
use http::Target;
use plan::{Plan, SCALE, SCALE_TINY};
use service::{Scratch, Service, ServiceOptions, pin_self};

pub mod api;
pub mod auditor;
pub mod crowd;
pub mod evening;
pub mod fairness;
pub mod http;
pub mod load;
pub mod overload;
pub mod plan;
pub mod report_points;
pub mod rubbish;
pub mod service;
pub mod shuffle;
pub mod stage;
pub mod summary;
pub mod verdicts;

/// How to run a live drill.
#[derive(Clone)]
pub struct LiveOptions {
    /// A running service, `http://127.0.0.1:8080`; without one, `jari serve` is started. Its
    /// secrets come from the environment: `JARI_OPERATOR_PASSWORD`, `JARI_PARTNER_SECRET`.
    pub target: Option<String>,
    /// The binary to start when there is no target.
    pub jari: PathBuf,
    /// The part of the country that comes; [`SCALE`] when `None`.
    pub scale: Option<f64>,
    /// Only as long as a test can wait.
    pub tiny: bool,
    /// All that is random follows from it.
    pub seed: u64,
    /// The command that repeats this run, for the report.
    pub command: String,
    /// Hears how far it is, in words, and second by second.
    pub progress: Arc<dyn Fn(&Step) + Send + Sync>,
}

/// How far a live drill is.
#[derive(Debug, Clone)]
pub enum Step {
    /// It begins something new.
    Phase(String),
    /// A second of the evening has passed.
    Second(Progress),
}

/// Runs a live drill. Blocks for about a minute and a half; a tiny one for half a minute.
///
/// # Errors
///
/// When the drill has no live form, the service cannot be started or used, or the target may not be
/// touched. A promise that does not hold is no error: the report says so.
pub fn run(name: &str, options: &LiveOptions) -> anyhow::Result<Report> {
    let scenario =
        scenario::describe(name).with_context(|| format!("the drill {name:?} has no live form"))?;
    let scale = options.scale.unwrap_or(if options.tiny { SCALE_TINY } else { SCALE });
    ensure!(scale > 0.0 && scale <= 1.0, "the scale is a part of the country: above 0, at most 1");
    let plan = Plan::of(scenario, scale, options.tiny);
    let started_at = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let load_before = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load_before = load_before.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    // A runtime of its own on a thread of its own: the caller may be inside one.
    let (evening, pinned) = std::thread::scope(|scope| {
        let ended = scope.spawn(|| on_this_thread(&plan, options)).join();
        ended.unwrap_or_else(|_| bail!("the drill panicked; its message is above"))
    })?;
    let about = summary::About {
        seed: options.seed,
        scale: f64::from(plan.people) / f64::from(scenario.people(1.0).max(1)),
        command: options.command.clone(),
        started_at,
        load_before,
        pinned,
        own_service: options.target.is_none(),
    };
    Ok(summary::report(scenario, &plan, &about, &evening))
}

fn on_this_thread(plan: &Plan, options: &LiveOptions) -> anyhow::Result<(evening::Evening, bool)> {
    let scratch = Scratch::new(options.seed)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // With a core each, neither can take the other's time and call it slowness.
    let pinned = options.target.is_none() && cores >= 2 && pin_self("0");
    let _unpin = Unpin { cores: pinned.then(|| format!("0-{}", cores - 1)) };
    let ground = ground(options, &scratch, pinned)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (phase, second) = (Arc::clone(&options.progress), Arc::clone(&options.progress));
    let say = Arc::new(move |words: &str| phase(&Step::Phase(words.to_string())));
    let on_progress: OnProgress = Arc::new(move |progress| second(&Step::Second(progress.clone())));
    let evening = runtime.block_on(evening::run(plan, ground, say, on_progress))?;
    Ok((evening, pinned))
}

/// Gives this process its cores back.
struct Unpin {
    cores: Option<String>,
}

impl Drop for Unpin {
    fn drop(&mut self) {
        if let Some(cores) = &self.cores {
            pin_self(cores);
        }
    }
}

fn ground(options: &LiveOptions, scratch: &Scratch, pinned: bool) -> anyhow::Result<Ground> {
    let Some(url) = &options.target else {
        let partner_secret =
            format!("drill-{:032x}", u128::from(options.seed) << 64 | u128::from(std::process::id()));
        let service = Service::start(ServiceOptions {
            core: pinned.then_some(1),
            ..ServiceOptions::new(options.jari.clone(), scratch.0.clone(), partner_secret.clone())
        })?;
        let numbers = Numbers { room: 1, campaign: 1, load_campaign: 2, other_room: 3 };
        let (target, password) = (Target::new(service.address), service.password.clone());
        return Ok(Ground {
            service: Some(service),
            target,
            password,
            partner_secret,
            seed: options.seed,
            numbers,
        });
    };
    let secret = |name: &str| {
        std::env::var(name)
            .with_context(|| format!("a drill against a running service needs {name} in its environment"))
    };
    // Numbers that a real service hardly uses, apart for each seed.
    let base = 1_000_000 + (options.seed % 1_000_000) as u32 * 4;
    Ok(Ground {
        service: None,
        target: Target::new(loopback(
            url,
            std::env::var("JARI_DRILL_ALLOW_REMOTE").is_ok_and(|set| set == "1"),
        )?),
        password: secret("JARI_OPERATOR_PASSWORD")?,
        partner_secret: secret("JARI_PARTNER_SECRET")?,
        seed: options.seed,
        numbers: Numbers { room: base, campaign: base + 1, load_campaign: base + 2, other_room: base + 3 },
    })
}

/// The address of a target, which is on this machine unless `allow_remote`.
///
/// # Errors
///
/// For anything but `http://ADDRESS:PORT`, and for another machine.
pub fn loopback(url: &str, allow_remote: bool) -> anyhow::Result<SocketAddr> {
    let rest = url.strip_prefix("http://").context("a target is http://ADDRESS:PORT, without TLS")?;
    let address = rest.trim_end_matches('/').replace("localhost", "127.0.0.1");
    let address: SocketAddr = address
        .parse()
        .with_context(|| format!("{rest:?} is not ADDRESS:PORT, with the address in numbers"))?;
    ensure!(
        address.ip().is_loopback() || allow_remote,
        "{address} is not this machine. A drill sends as much as it can and would look like an attack to \
         whoever runs that service. Set JARI_DRILL_ALLOW_REMOTE=1 only if it is yours and you have told them"
    );
    Ok(address)
}
