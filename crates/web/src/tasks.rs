//! What runs beside the requests: messages to people, health reports to rooms, the record of what
//! happens, sign-ins for the audit list, the end of the certificate, and contacts whose time is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::actions::staff::note_sign_ins;
use crate::site::Site;
use crate::{certificate, effects, health, messages, retention, series};

/// Effects are looked for this often; one look costs a read of two numbers.
const EFFECTS_EVERY: Duration = Duration::from_millis(200);
/// Health is reported this often, when there was traffic.
const HEALTH_EVERY: Duration = Duration::from_secs(1);
/// Sign-ins that were counted go into the audit list this often.
const SIGN_INS_EVERY: Duration = Duration::from_secs(60);
/// Looks at names are counted after the start, and anew where that failed or there were too many.
const LOOKS_EVERY: Duration = Duration::from_secs(60 * 60);
/// What happened is recorded this often.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// The certificate that people see is asked for this often.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(3_600);

/// Starts the tasks. Dropping the set ends them.
#[must_use]
pub fn start(site: &Arc<Site>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(perform_effects(Arc::clone(site)));
    tasks.spawn(messages::codes::run(Arc::clone(site)));
    tasks.spawn(messages::watch(Arc::clone(site)));
    tasks.spawn(report_health(Arc::clone(site)));
    tasks.spawn(note_counted(Arc::clone(site)));
    tasks.spawn(watch_certificate(Arc::clone(site)));
    tasks.spawn(retention::run(Arc::clone(site)));
    tasks.spawn(count_looks(Arc::clone(site)));
    tasks.spawn(series::run(Arc::clone(site), every(RECORD_EVERY)));
    tasks
}

async fn perform_effects(site: Arc<Site>) {
    let mut interval = every(EFFECTS_EVERY);
    loop {
        interval.tick().await;
        loop {
            match effects::perform(&site).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(problem) => {
                    tracing::warn!(
                        code = problem.code,
                        "effects could not be reported done; they will come again"
                    );
                    break;
                }
            }
        }
    }
}

async fn note_counted(site: Arc<Site>) {
    let mut interval = every(SIGN_INS_EVERY);
    loop {
        interval.tick().await;
        note_sign_ins(&site).await;
    }
}

async fn watch_certificate(site: Arc<Site>) {
    let mut interval = every(CERTIFICATE_EVERY);
    loop {
        interval.tick().await;
        certificate::look(&site).await;
    }
}

async fn count_looks(site: Arc<Site>) {
    let mut interval = every(LOOKS_EVERY);
    loop {
        interval.tick().await;
        let vault = site.vault.clone();
        let counted = tokio::task::spawn_blocking(move || vault.count_looks()).await;
        if let Ok(Err(problem)) = counted {
            tracing::warn!(code = problem.code, "people are not told how often their names were looked at");
        }
    }
}

async fn report_health(site: Arc<Site>) {
    let mut interval = every(HEALTH_EVERY);
    loop {
        interval.tick().await;
        health::report(&site).await;
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
