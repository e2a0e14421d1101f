//! Those who listen: one frame a second as server-sent events (WHATWG HTML, 9.2), until they are
//! signed out, their time is over, or the service stops.
//!
//! Every frame says all there is of its second, so a slow listener misses some and is never sent a
//! heap of old ones; after a gap a page fetches the series anew. Listeners are bounded, all of them and
//! those of one account, so that nobody keeps the others from looking. One whose machine takes nothing
//! is hung up on by the server (`ServerOptions::untaken_time`), and its place is free then. Start at
//! [`listen`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame as BodyFrame};
use jari_wire::token::StaffSession;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use utoipa::ToSchema;

use super::sample::Sample;
use super::view::AlarmView;
use crate::actions::staff::may_still;
use crate::alarms::Alarm;
use crate::problem::Problem;
use crate::site::Site;
use crate::staff::Deed;

/// Listeners of one node.
pub const LISTENERS_MAX: usize = 64;
/// Of them, those of one account: somebody's open tabs, or a script gone wrong.
pub const LISTENERS_OF_ONE_MAX: usize = 8;
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
    /// How many listen, by account. Whoever does not listen is not in it.
    listening: Mutex<BTreeMap<u32, usize>>,
}

/// A listener's place, free again when it is dropped.
struct Place {
    live: Arc<Live>,
    user: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut listening = self.live.listening();
        let left = listening.get(&self.user).map_or(0, |count| count - 1);
        match left {
            0 => drop(listening.remove(&self.user)),
            _ => drop(listening.insert(self.user, left)),
        }
    }
}

impl Live {
    fn listening(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, usize>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for someone, if there is one.
    fn place(self: &Arc<Live>, user: u32) -> Option<Place> {
        let mut listening = self.listening();
        let all: usize = listening.values().sum();
        let own = listening.get(&user).copied().unwrap_or(0);
        if all >= LISTENERS_MAX || own >= LISTENERS_OF_ONE_MAX {
            return None;
        }
        listening.insert(user, own + 1);
        Some(Place { live: Arc::clone(self), user })
    }

    pub(super) fn new() -> Arc<Live> {
        Arc::new(Live {
            frames: watch::Sender::new(Bytes::new()),
            stopped: watch::Sender::new(false),
            listening: Mutex::default(),
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
    let place = live.place(staff.user).ok_or_else(full)?;
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
    _place: Place,
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

    /// Whoever was signed out or locked meanwhile, or whose time is over, hears nothing more.
    fn may_listen(&self) -> bool {
        may_still(&self.site, &self.staff, Deed::Look) && !self.site.is_draining()
    }
}

fn full() -> Problem {
    let detail =
        "Many consoles are open at this node, or eight are yours. Close one, or look at the series instead.";
    Problem::busy("listeners_full", "Too many listen", detail, 5_000)
}
