//! `jari demo`: a made-up country that books at once, with you in it.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jari_core::waiting_room::Pace;
use jari_drill::live::crowd::people::Arrivals;
use jari_drill::live::crowd::{self, CrowdOptions, Polls, Progress};
use jari_drill::live::http::Target;
use jari_node::{Clock, SystemClock};

use super::draw::hex;
use crate::config::{Config, Partner};
use crate::country::{self, Country};
use crate::home::{Home, random};
use crate::service::{Service, runtime};

/// The channel under which the crowd books.
const CROWD_CHANNEL: u16 = 16;

/// Runs a service with a made-up country in front of it: 600 made-up clinics in the real
/// districts of Korea, one campaign, one waiting room that opens in a minute, and a crowd
/// that comes over real HTTP. Open the page it prints and stand in line among them; your
/// one-time code appears on the page with the messages.
///
/// Ctrl-C stops it. The next start on the same directory goes on where this one ended: a
/// number you took and a place you booked are still there.
#[derive(Args)]
pub struct Demo {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// How many made-up people come
    #[arg(long, default_value_t = 20_000)]
    crowd: u32,
    /// Where everything is kept
    #[arg(long, default_value = "jari-demo")]
    data: PathBuf,
    /// Seconds until the room opens, at the first start
    #[arg(long, default_value_t = 60)]
    opens_in: u64,
    /// People let in a minute at the most, at the first start [default: the crowd takes five
    /// minutes]
    #[arg(long)]
    pace: Option<u32>,
}

impl Demo {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = runtime()?;
        runtime.block_on(self.serve())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> anyhow::Result<()> {
        let home = Home::open(&self.data)?;
        let keys = home.keys()?;
        let secret = hex(&random()?);
        let config = self.config(&secret)?;
        let mut engine = home.engine(&config.journal)?;
        let now = SystemClock.now();
        let country = country::make(&mut engine, &keys, now, self.opens_in * 1000, self.pace())?;
        let past_people = engine.read(|state| state.data().rooms[&country::ROOM].issued);
        let mut service = Service::start(&config, &home, engine).await?;
        self.greet(&service, &country, now.0);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let crowd = tokio::spawn(crowd::run(
            self.crowd(service.address, &secret, u64::from(past_people), stopped),
            jari_drill::live::auditor::SharedLedger::default(),
            Some(progress_line(&service)),
        ));
        service.until_stopped().await;
        stop.send_replace(true);
        println!("\nstopping; the next start goes on from here");
        match crowd.await? {
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the crowd did not come"),
        }
        service.stop().await
    }

    fn config(&self, secret: &str) -> anyhow::Result<Config> {
        // The directory is opened already; the rest of the configuration is the demo's own.
        let mut config = Config::parse("data = \".\"\ndemo = true\nsecure_cookies = false")?;
        config.data.clone_from(&self.data);
        config.listen = SocketAddr::from(([127, 0, 0, 1], self.port));
        config.partners.push(Partner {
            name: "made-up people".into(),
            channel: CROWD_CHANNEL,
            secret_blake3: blake3::hash(secret.as_bytes()).to_hex().to_string(),
        });
        Ok(config)
    }

    fn pace(&self) -> Pace {
        let entries_per_minute_max = self.pace.unwrap_or((self.crowd / 5).max(300));
        Pace {
            entries_per_minute_max,
            passes_max: (entries_per_minute_max * 2).max(100),
            pass_ttl_ms: 10 * 60 * 1000,
            latency_goal_ms: 500,
            error_goal_ppm: 10_000,
        }
    }

    fn crowd(
        &self,
        address: SocketAddr,
        secret: &str,
        seed: u64,
        stop: tokio::sync::watch::Receiver<bool>,
    ) -> CrowdOptions {
        CrowdOptions {
            target: Target::new(address),
            partner_secret: secret.to_owned(),
            room: country::ROOM.0,
            campaign: country::CAMPAIGN.0,
            size: self.crowd,
            arrivals: Arrivals {
                lobby_share: 0.5,
                lobby_s: self.opens_in as f64,
                spike_share: 0.2,
                spike_s: 2.0,
                tail_s: 240.0,
            },
            // Each start brings other people.
            seed,
            polls: Polls::default(),
            thinking_ms: 4_000.0,
            connections: 64,
            request_time_max: Duration::from_secs(10),
            duration_max: Duration::from_secs(24 * 60 * 60),
            stop,
        }
    }

    fn greet(&self, service: &Service, country: &Country, now_ms: u64) {
        let address = service.address;
        println!("Jari demo: a made-up country books at once.\n");
        println!("  stand in line   http://{address}/");
        println!("  your messages   http://{address}/outbox   (one-time codes appear here)");
        println!("  the operator    http://{address}/operator");
        if let Some(password) = &service.first_password {
            println!("                  name operator, password {password} (shown once)");
        }
        let opens_in_s = country.opens_at.0.saturating_sub(now_ms) / 1000;
        let people = self.crowd;
        if country.is_new || opens_in_s > 0 {
            println!("\nThe room opens in {opens_in_s} s. {people} made-up people are on their way.");
        } else {
            println!("\nThe room is open, as it was left. {people} more made-up people are on their way.");
        }
        println!("Ctrl-C stops; the next start goes on from there.\n");
        // A reader behind a pipe wants to see it now.
        let _ = std::io::stdout().flush();
    }
}

/// One line a second: over itself on a terminal, every tenth second elsewhere.
fn progress_line(service: &Service) -> crowd::OnProgress {
    let node = service.site.node.clone();
    let terminal = std::io::stdout().is_terminal();
    Arc::new(move |progress: &Progress| {
        let second = &progress.second;
        if !terminal && !second.at_s.is_multiple_of(10) {
            return;
        }
        let views = node.views();
        let supply = views.rooms.get(&country::ROOM).and_then(|room| room.supply).unwrap_or_default();
        let counts = &second.counts;
        let line = format!(
            "{:>4} s  in line {:>7}  inside {:>5}  booked {:>7}  free {:>7}  {:>6} requests/s  p99 {:>6.1} ms",
            second.at_s,
            counts.waiting,
            counts.inside,
            supply.booked,
            supply.free(),
            second.requests,
            second.p99_ms,
        );
        if terminal {
            print!("\r\x1b[2K{line}");
        } else {
            println!("{line}");
        }
        // Nothing is lost with a line that could not be shown.
        let _ = std::io::stdout().flush();
    })
}
