//! `jari rules`: which version of the service's own rules counts on a node, and making the next
//! one count on all of them.
//!
//! It asks the running service over HTTP, as an operator, and nothing else.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::health::{PATIENCE, reachable};
use crate::config::Config;

/// A version is a few digits; whatever answers more is no service of ours.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What can be done about the rules.
#[derive(Subcommand)]
pub enum RulesCommand {
    /// Show which version counts, and which one the build of this node knows
    Show(Show),
    /// Make the next version count, on every node and for good
    ///
    /// A node whose build does not know it stops. See `jari rules show` on every node first.
    Upgrade(Upgrade),
}

/// Exit status 0 if this node is ready, 1 if it says that it is not.
#[derive(Args)]
pub struct Show {
    /// The configuration file
    #[arg(long)]
    config: PathBuf,
}

/// Signs in as an operator and asks for the version after the one that counts.
#[derive(Args)]
pub struct Upgrade {
    /// The configuration file
    #[arg(long)]
    config: PathBuf,
    /// The name to sign in with
    #[arg(long, default_value = "operator")]
    name: String,
    /// A file with the operator's password; `-` reads it from standard input
    #[arg(long)]
    password_file: PathBuf,
}

/// As `/readyz` has it.
#[derive(Copy, Clone, PartialEq, Eq, Deserialize)]
struct Rules {
    counts: u32,
    knows: u32,
}

/// The service of a configuration on this machine.
struct Service {
    agent: ureq::Agent,
    base: String,
}

impl RulesCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            RulesCommand::Show(show) => show.run(),
            RulesCommand::Upgrade(upgrade) => upgrade.run(),
        }
    }
}

impl Show {
    fn run(self) -> anyhow::Result<ExitCode> {
        let (ready, answer) = Service::of(&self.config)?.ready()?;
        if !ready {
            println!("not ready: {answer}");
            return Ok(ExitCode::FAILURE);
        }
        let rules = rules_of(&answer)?;
        println!("rules that count    {}", rules.counts);
        println!("this node knows     up to {}", rules.knows);
        if rules.counts < rules.knows {
            println!("once every node knows them, `jari rules upgrade` makes {} count", rules.counts + 1);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Upgrade {
    fn run(self) -> anyhow::Result<ExitCode> {
        let service = Service::of(&self.config)?;
        let (ready, answer) = service.ready()?;
        ensure!(ready, "the node is not ready: {answer}");
        let rules = rules_of(&answer)?;
        if rules.counts >= rules.knows {
            println!("rules {} count, and this node's build knows none newer", rules.counts);
            return Ok(ExitCode::FAILURE);
        }
        let password = read_password(&self.password_file)?;
        let asked = json!({ "name": self.name, "password": password });
        let signed_in = service.post("/api/v1/operator/sessions", None, &asked)?;
        let token = signed_in["staff_token"].as_str().context("the service gave no session")?;
        let next = rules.counts + 1;
        let upgraded = service.post("/api/v1/operator/rules", Some(token), &json!({ "rules": next }));
        // The session was for this alone; it ends by itself if it cannot be ended.
        let _ = service
            .agent
            .delete(service.url("/api/v1/operator/sessions"))
            .header("authorization", bearer(token))
            .call();
        let counts = upgraded?["counts"].as_u64().context("the service does not say what counts")?;
        println!("rules {counts} count");
        Ok(if counts >= u64::from(next) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Service {
    fn of(config: &Path) -> anyhow::Result<Service> {
        let listen = Config::read(config)?.listen;
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .build()
            .into();
        Ok(Service { agent, base: format!("http://{}", reachable(listen)) })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whether the node is ready, and what it says.
    fn ready(&self) -> anyhow::Result<(bool, Value)> {
        let mut answer = self.agent.get(self.url("/readyz")).call()?;
        let body = json_of(&mut answer)?;
        Ok((answer.status().is_success(), body))
    }

    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> anyhow::Result<Value> {
        let mut request = self.agent.post(self.url(path)).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", bearer(token));
        }
        let mut answer = request.send(body.to_string())?;
        let said = json_of(&mut answer)?;
        let text = |field: &str| said[field].as_str().unwrap_or_default().to_owned();
        let refused =
            || format!("{}: {}", text("type").trim_start_matches("urn:jari:problem:"), text("detail"));
        ensure!(answer.status().is_success(), "{} {}", answer.status(), refused());
        Ok(said)
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn json_of(answer: &mut ureq::http::Response<ureq::Body>) -> anyhow::Result<Value> {
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string()?;
    serde_json::from_str(&text).with_context(|| format!("no answer of this service: {text:.200}"))
}

fn rules_of(ready: &Value) -> anyhow::Result<Rules> {
    Rules::deserialize(&ready["rules"])
        .context("the service does not say which rules it knows: it is too old")
}

fn read_password(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
