//! `jari import`: read a feed, say what is wrong with it, load it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use jari_core::ids::CampaignId;
use jari_import::{self as import, ImportError, ImportOptions, Source};
use jari_node::{Clock, SystemClock};

use crate::config::Journal;
use crate::home::Home;
use crate::load;

/// Reads clinics and slots published as SMART Scheduling Links (a manifest, or a directory
/// of NDJSON files) or as CSV, and reports every bad row with its file and line. Nothing is
/// loaded unless all is well, or `--skip-bad` says to leave the bad rows out.
///
/// With `--data` the rows go into a campaign of that data directory, whose service must not
/// be running; to load into a running one, use the operator's page or API. Without it, the
/// feed is only checked. Running the same import again loads nothing twice.
///
/// Exit status 1 if rows are bad and nothing was loaded.
#[derive(Args)]
pub struct ImportCommand {
    /// A directory, a manifest, a CSV file, or the URL of a manifest or CSV file
    source: String,
    /// Load what is well and list what was left out
    #[arg(long)]
    skip_bad: bool,
    /// The zone of every clinic, such as Asia/Seoul, to check offsets against
    #[arg(long)]
    zone: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Load into this data directory
    #[arg(long, requires = "campaign")]
    data: Option<PathBuf>,
    /// Load into this campaign
    #[arg(long, requires = "data")]
    campaign: Option<u32>,
}

impl ImportCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let zone = self.zone.as_deref().map(jiff::tz::TimeZone::get).transpose().context("--zone")?;
        let options = ImportOptions { skip_bad: self.skip_bad, zone, ..ImportOptions::default() };
        let read = match import::read(&Source::parse(&self.source), &options) {
            Ok(read) => read,
            Err(error) => {
                if let ImportError::Refused(report) = &error {
                    self.print(report)?;
                }
                eprintln!("jari: {error}");
                return Ok(ExitCode::FAILURE);
            }
        };
        self.print(&read.report)?;
        let (Some(dir), Some(campaign)) = (&self.data, self.campaign) else {
            eprintln!("checked only: give --data and --campaign to load it");
            return Ok(ExitCode::SUCCESS);
        };
        let home = Home::open(dir)?;
        let keys = home.keys()?;
        let mut engine = home.engine(&Journal::default())?;
        let campaign = CampaignId(campaign);
        let found = engine.read(|state| state.data().campaigns.get(&campaign).cloned());
        let found =
            found.with_context(|| format!("there is no campaign {} in {}", campaign.0, dir.display()))?;
        let vaccines: Vec<&str> = found.config.vaccines.iter().map(|vaccine| &*vaccine.name).collect();
        let offers = import::offers(&read, &vaccines)?;
        let loaded = load::put(&mut engine, &keys, campaign, &self.source, &offers, SystemClock.now())?;
        eprintln!("loaded {} clinics, {} slots, {} places", loaded.clinics, loaded.slots, loaded.places);
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, report: &import::ImportReport) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report.to_json())?);
        } else {
            print!("{report}");
        }
        Ok(())
    }
}
