//! A service brought up from a data directory: journal, node, site, server; and taken down
//! in the opposite order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jari_core::ids::ChannelId;
use jari_journal::Position;
use jari_node::snapshots::Snapshots;
use jari_node::{Engine, Node, NodeOptions, SystemClock};
use jari_web::ServerOptions;
use jari_web::actions::partner::PartnerCredential;
use jari_web::messages::MessageOptions;
use jari_web::problem::Problem;
use jari_web::site::{IpNetwork, Site, SiteOptions, seed_source};
use jari_web::vault::Vault;
use jari_wire::KeyRing;
use rustix::process::{Resource, getrlimit};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::{Config, JournalKind};
use crate::desk::Desk;
use crate::home::Home;
use crate::messages;
use crate::rehearse::rehearse;

/// A service that stops waits so long for what is new in a shared vault.
const VAULT_WAIT: Duration = Duration::from_secs(1);

/// The runtime of a service.
///
/// The node wakes whoever's command is durable from a thread of its own, and such a wake goes through
/// the runtime's shared queue. By default a busy worker looks there once in 61 tasks: at overload
/// those who read would pass those whose booking is done, without end.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().global_queue_interval(1).enable_all().build()
}

/// A service that answers requests.
pub struct Service {
    /// Where it listens.
    pub address: SocketAddr,
    /// The operator's password, if this was the first start.
    pub first_password: Option<String>,
    /// The site.
    pub site: Arc<Site>,
    node: Node,
    told: Told,
    drain: Duration,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
    /// Closed when it is dropped.
    _desk: Option<Desk>,
}

impl Service {
    /// Brings a service up. The engine is given, so that a demo can fill it first.
    pub async fn start(config: &Config, home: &Home, engine: Engine) -> anyhow::Result<Service> {
        check_connections(config.limits.connections_max);
        // Before anybody hears that the service is there: whoever does may want to end it.
        let told = Told::listen()?;
        let keys = home.keys()?;
        let node_options = NodeOptions {
            mailbox_max: config.limits.mailbox_max,
            snapshot_every_commands: config.journal.snapshot_every_commands,
            snapshots: Some(Snapshots::open(&home.snapshots())?),
            seeds: seed_source(keys.clone()),
            ..NodeOptions::default()
        };
        // Before the first record: a service that has records never makes an empty vault.
        let vault = open_vault(config, home, &keys, engine.applied().0 == Position::ZERO).await?;
        let node = Node::start(engine, Arc::new(SystemClock), node_options)?;
        let desk = Desk::open(home, &vault);
        let first = vault.first_run().await.map_err(problem)?;
        let options = SiteOptions { series_file: Some(home.series()), ..site_options(config)? };
        let site = Site::new(node.handle(), keys, vault, options);
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}; is another service there?", config.listen))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let options =
            ServerOptions { connections_max: config.limits.connections_max, ..ServerOptions::default() };
        let stopped = async {
            // A service that is dropped stops as well.
            let _ = stopped.await;
        };
        let server = tokio::spawn(jari_web::serve(Arc::clone(&site), listener, options, stopped));
        let first_password = first.map(|first| first.password);
        let drain = Duration::from_millis(config.limits.drain_ms.into());
        Ok(Service { address, first_password, site, node, told, drain, stop, server, _desk: desk })
    }

    /// Serves until a signal comes or the node ends by itself. After the signal it is not ready any
    /// more, and serves on for as long as a balancer needs to notice, or until another signal.
    pub async fn until_stopped(&mut self) {
        let node = self.node.handle();
        tokio::select! {
            () = self.told.heard() => {}
            () = node.stopped() => return,
        }
        self.site.drain();
        if self.drain.is_zero() {
            return;
        }
        tracing::info!(drain = ?self.drain, "not ready any more, and serving on; another signal ends the wait");
        tokio::select! {
            () = tokio::time::sleep(self.drain) => {}
            () = self.told.heard() => {}
            () = node.stopped() => {}
        }
    }

    /// Finishes what is under way, takes a last snapshot, ends.
    pub async fn stop(self) -> anyhow::Result<()> {
        // If nobody listens the server has ended by itself, and says why.
        let _ = self.stop.send(());
        self.server.await??;
        // A backup of the stopped node is to hold the keys of everything in its journal. What
        // cannot be had in a moment comes at the next start.
        let _ = tokio::time::timeout(VAULT_WAIT, self.site.vault.catch_up()).await;
        let node = self.node;
        tokio::task::spawn_blocking(move || node.stop()).await??;
        Ok(())
    }
}

/// The signals that end a service. While this is there no further one ends the process: what is under
/// way is finished.
struct Told {
    terminate: Signal,
    interrupt: Signal,
}

impl Told {
    fn listen() -> io::Result<Told> {
        Ok(Told { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn heard(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The vault of one machine, or the replica of the one that all nodes share.
async fn open_vault(config: &Config, home: &Home, keys: &KeyRing, may_make: bool) -> anyhow::Result<Vault> {
    match config.journal.kind {
        JournalKind::File => Ok(Vault::open(&home.vault(), keys.clone())?),
        JournalKind::JetStream => config.journal.stream()?.open_vault(home, keys.clone(), may_make).await,
    }
}

/// Says so when fewer files may be open than connections are allowed.
fn check_connections(connections_max: usize) {
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if allowed < connections_max as u64 + 64 {
        tracing::warn!(
            allowed,
            connections_max,
            "fewer files may be open than connections are allowed: raise the limit (LimitNOFILE) or lower \
             connections_max"
        );
    }
}

fn site_options(config: &Config) -> anyhow::Result<SiteOptions> {
    let partner = |partner: &crate::config::Partner| {
        Ok(PartnerCredential {
            name: partner.name.clone(),
            channel: ChannelId(partner.channel),
            secret_hash: partner.secret_hash()?,
        })
    };
    let proxies = config.trusted_proxies.iter().map(|text| {
        IpNetwork::parse(text).with_context(|| format!("trusted_proxies: {text:?} is no address or network"))
    });
    let zone = jiff::tz::TimeZone::get(&config.zone)?;
    let metrics = crate::metrics::install()?;
    let messenger = messages::messenger(&config.messages)?;
    if messenger.is_none() && !config.demo {
        tracing::warn!("there is no [messages.webhook] and no [messages.smtp]: one-time codes reach nobody");
    }
    let privacy = config.privacy.options();
    if !config.demo && (privacy.controller.is_empty() || privacy.contact.is_empty()) {
        tracing::warn!("[privacy] says no controller or no contact: people are not told who has their data");
    }
    let defaults = SiteOptions::default();
    let per_second = config.limits.joins_per_second_per_network;
    Ok(SiteOptions {
        demo: config.demo,
        plain_http: !config.secure_cookies,
        joins: jari_web::prefix::PrefixOptions {
            joins_per_second: per_second,
            burst: per_second.saturating_mul(10),
            ..defaults.joins
        },
        trusted_proxies: proxies.collect::<anyhow::Result<_>>()?,
        partners: config.partners.iter().map(partner).collect::<anyhow::Result<_>>()?,
        utc_offset_min: (zone.to_offset(jiff::Timestamp::now()).seconds() / 60) as i16,
        metrics: Some(metrics),
        rehearse: Some(rehearse()),
        messenger,
        certificate_of: config.certificate_of.clone(),
        require_totp: config.staff.require_totp,
        privacy,
        messages: MessageOptions { in_flight_max: config.messages.in_flight_max, ..defaults.messages },
        ..defaults
    })
}

/// A problem as an error of the start.
pub fn problem(problem: Problem) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", problem.title, problem.detail)
}
