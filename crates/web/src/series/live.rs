//! Those who listen: one frame a second as server-sent events (WHATWG HTML, 9.2), until they are
//! signed out, their time is over, or the service stops.
//!
//! Every frame says all there is of its second, so a slow listener misses some and is never sent a
//! heap of old ones; after a gap a page fetches the series anew. Listeners are bounded, and one that
//! takes nothing for half a minute is hung up on. Start at [`listen`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame as BodyFrame};
use jari_wire::token::StaffSession;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use utoipa::ToSchema;

use super::sample::Sample;
use super::view::AlarmView;
use crate::alarms::Alarm;
use crate::problem::Problem;
use crate::site::Site;

/// Listeners of one node.
pub const LISTENERS_MAX: usize = 64;
/// A browser whose connection ended comes back after so long, ms.
const RETRY_MS: u32 = 2_000;
/// Something is sent at least this often, so that nobody on the way hangs up.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A listener who takes nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// One second, as it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct Second {
    /// What happened and what stands.
    pub sample: Sample,
    /// The alarms that stand.
    pub alarms: Vec<AlarmView>,
}

/// See the module's documentation.
pub(crate) struct Live {
    frames: watch::Sender<Bytes>,
    stopped: watch::Sender<bool>,
    places: Arc<Semaphore>,
}

impl Live {
    pub(super) fn new() -> Arc<Live> {
        Arc::new(Live {
            frames: watch::Sender::new(Bytes::new()),
            stopped: watch::Sender::new(false),
            places: Arc::new(Semaphore::new(LISTENERS_MAX)),
        })
    }

    /// Tells everyone who listens.
    pub(super) fn tell(&self, sample: &Sample, alarms: &[Alarm]) {
        if self.frames.receiver_count() == 0 {
            return;
        }
        let id = sample.at_ms;
        let second = Second { sample: sample.clone(), alarms: alarms.iter().map(AlarmView::of).collect() };
        // It has no key that is not a text and nothing else that JSON cannot say.
        let Ok(data) = serde_json::to_string(&second) else { return };
        self.frames.send_replace(Bytes::from(format!("id: {id}\nevent: second\ndata: {data}\n\n")));
    }

    /// Lets everyone go, for good: the service stops.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }
}

/// What a listener is sent, as a body.
pub struct Events(mpsc::Receiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(BodyFrame::data(bytes))))
    }
}

/// Lets the staff listen from now on.
///
/// # Errors
///
/// `listeners_full`; `stopping` when the service is about to stop: another node is not.
pub fn listen(site: &Arc<Site>, staff: StaffSession) -> Result<Events, Problem> {
    let live = &site.series.live;
    if site.is_draining() || *live.stopped.borrow() {
        return Err(jari_node::Rejected::Stopping.into());
    }
    let place = Arc::clone(&live.places).try_acquire_owned().map_err(|_| full())?;
    let (sender, receiver) = mpsc::channel(1);
    let listener = Listener {
        frames: live.frames.subscribe(),
        stopped: live.stopped.subscribe(),
        site: Arc::clone(site),
        staff,
        sender,
        _place: place,
    };
    tokio::spawn(listener.run());
    Ok(Events(receiver))
}

struct Listener {
    frames: watch::Receiver<Bytes>,
    stopped: watch::Receiver<bool>,
    site: Arc<Site>,
    staff: StaffSession,
    sender: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    async fn run(mut self) {
        // The first bytes tell a browser that it is connected.
        let mut next = Bytes::from(format!("retry: {RETRY_MS}\n\n"));
        while self.may_listen() {
            let sent = tokio::time::timeout(PATIENCE, self.sender.send(next)).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
            next = tokio::select! {
                changed = self.frames.changed() => match changed {
                    Ok(()) => self.frames.borrow_and_update().clone(),
                    Err(_) => return,
                },
                _ = self.stopped.wait_for(|stopped| *stopped) => return,
                () = self.sender.closed() => return,
                () = tokio::time::sleep(HEARTBEAT) => Bytes::from_static(b": still here\n\n"),
            };
        }
    }

    /// Whoever was signed out meanwhile, or whose time is over, hears nothing more.
    fn may_listen(&self) -> bool {
        let in_time = self.staff.check(self.site.node.now()).is_ok();
        in_time && !self.site.vault.session_ended(self.staff.nonce) && !self.site.is_draining()
    }
}

fn full() -> Problem {
    let detail = "Many consoles are open at this node. Close one, or look at the series instead.";
    Problem::busy("listeners_full", "Too many listen", detail, 5_000)
}
