//! The metrics recorder: one a process, rendered on request as Prometheus reads it.

use std::sync::{Arc, OnceLock};

use jari_web::site::RenderMetrics;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder once; gives the function that renders it.
pub fn install() -> anyhow::Result<RenderMetrics> {
    let handle = match HANDLE.get() {
        Some(handle) => handle.clone(),
        None => {
            let seconds =
                [0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];
            let handle = PrometheusBuilder::new().set_buckets(&seconds)?.install_recorder()?;
            HANDLE.get_or_init(|| handle).clone()
        }
    };
    Ok(Arc::new(move || handle.render()))
}
