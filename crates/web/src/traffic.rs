//! What people's requests come to, counted between two looks.
//!
//! A poll costs one atomic addition, any other request two readings of the clock and two
//! additions. Operators and probes are not counted: their bulk requests take long, and a service
//! that says it is not ready is not in error. Start at [`Traffic::answered`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::StatusCode;
use jari_node::Durations;
use jari_node::durations::Taken;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    polls: AtomicU32,
    answers: Durations,
    errors: AtomicU32,
    shed: AtomicU32,
}

/// What was counted since the last look.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) polls: u32,
    pub(crate) answers: Taken,
    pub(crate) errors: u32,
    pub(crate) shed: u32,
}

impl Traffic {
    /// A room's document was given out.
    pub(crate) fn polled(&self) {
        self.polls.fetch_add(1, Ordering::Relaxed);
    }

    /// A request was put off, or a connection turned away, because too many were here.
    pub(crate) fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// A request was answered.
    pub(crate) fn answered(&self, path: &str, status: StatusCode, took: Duration) {
        if !is_peoples(path) {
            return;
        }
        self.answers.record(took);
        if status.is_server_error() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted since this was last asked.
    pub(crate) fn take(&self) -> Counted {
        Counted {
            polls: self.polls.swap(0, Ordering::Relaxed),
            answers: self.answers.take(),
            errors: self.errors.swap(0, Ordering::Relaxed),
            shed: self.shed.swap(0, Ordering::Relaxed),
        }
    }
}

fn is_peoples(path: &str) -> bool {
    let others = ["/operator", "/api/v1/operator", "/metrics", "/healthz", "/readyz"];
    !others.iter().any(|other| path.starts_with(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_probes_are_not_counted() {
        let traffic = Traffic::default();
        let (ok, ill) = (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE);
        for path in ["/operator", "/operator/rooms/1", "/api/v1/operator/series", "/metrics", "/readyz"] {
            traffic.answered(path, ill, Duration::from_secs(1));
        }
        traffic.answered("/", ok, Duration::from_millis(1));
        traffic.answered("/api/v1/holds", ill, Duration::from_millis(1));
        traffic.polled();
        traffic.shed();
        let counted = traffic.take();
        let all = (counted.polls, counted.answers.total(), counted.errors, counted.shed);
        assert_eq!(all, (1, 2, 1, 1));
        assert_eq!(traffic.take().answers.total(), 0);
    }
}
