//! What stands before the routes: the room document's fast path, shedding, time limits,
//! panics, security headers.
//!
//! A poll of a room's document never gets further than this module: it is matched by its
//! path, answered from the published bytes and goes out with two headers. A write meets
//! the limit on writes in flight before its body is read. The few changes that a whole
//! country sends in the same second go straight to their handlers (`api::rush`), everything
//! else through the routes; all come back with the security headers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{Either, Full};
use jari_core::ids::RoomId;
use tower::ServiceExt;

use crate::api::Rush;
use crate::network::Peer;
use crate::problem::Problem;
use crate::shed::{Permit, Step};
use crate::site::Site;
use crate::{api, pages};

/// Bytes of a body at the most; bulk requests of the operator have their own limit.
pub const BODY_BYTES_MAX: usize = 16 * 1024;
/// A request is answered within this time, or its sender is told to come back.
const REQUEST_TIME: Duration = Duration::from_secs(15);
/// A table that an operator sends, and a rehearsal, may take longer.
const LONG_TIME: Duration = Duration::from_secs(300);
const ROOMS: &str = "/api/v1/rooms/";
const NOW: &str = "/now";
/// How the paths of writes end that finish something.
const FINISHES: [&str; 2] = ["/confirm", "/cancel"];

/// What goes out: published bytes as they are, or what a route made.
pub type FrontBody = Either<Full<Bytes>, Body>;

/// All routes: the API, and pages for everything else.
pub fn router(site: Arc<Site>) -> Router {
    let pages = pages::routes(&site).with_state(Arc::clone(&site));
    let limit = DefaultBodyLimit::max(BODY_BYTES_MAX);
    api::routes().with_state(site).fallback_service(pages).layer(limit)
}

/// Who asks, as far as the connection tells.
#[derive(Clone)]
pub struct Caller {
    /// The other end of the connection.
    pub peer: Peer,
    heard: Arc<dyn Fn() + Send + Sync>,
}

impl Caller {
    /// A caller at the end of a connection. `heard` is called whenever a request of theirs
    /// needs no more work: it is answered.
    #[must_use]
    pub fn new(peer: Peer, heard: Arc<dyn Fn() + Send + Sync>) -> Caller {
        Caller { peer, heard }
    }
}

/// See the module's documentation. Cheap to clone.
#[derive(Clone)]
pub struct Front {
    site: Arc<Site>,
    routes: Router,
}

impl Front {
    /// The front of a site.
    #[must_use]
    pub fn new(site: Arc<Site>) -> Front {
        Front { routes: router(Arc::clone(&site)), site }
    }

    /// Answers a request, whatever it is.
    pub async fn answer<B>(&self, caller: &Caller, request: Request<B>) -> http::Response<FrontBody>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        if let Some(document) = self.room_document(request.method(), request.uri().path()) {
            (caller.heard)();
            self.site.traffic.polled();
            return document.map(|bytes| Either::Left(Full::new(bytes)));
        }
        let came = Instant::now();
        let limited = step_of(&request).filter(|_| !is_operators(request.uri().path()));
        let permit = match limited {
            None => None,
            Some(step) => match self.admit(step).await {
                Some(permit) => Some(permit),
                None => {
                    (caller.heard)();
                    return shed(&request).map(Either::Right);
                }
            },
        };
        // A handle on the address, which the request takes with it.
        let uri = request.uri().clone();
        let mut response = match Rush::of(request.method(), request.uri().path()) {
            Some(rush) => {
                let answer = Box::pin(rush.answer(&self.site, caller.peer, request));
                let answered = guarded(answer, REQUEST_TIME).await;
                answered.unwrap_or_else(|problem| problem.whole()).map(|bytes| Either::Left(Full::new(bytes)))
            }
            None => {
                let answer = Box::pin(self.routed(caller.peer, request.map(Body::new)));
                let answered = guarded(answer, time_of(uri.path())).await;
                answered.unwrap_or_else(IntoResponse::into_response).map(Either::Right)
            }
        };
        drop(permit);
        self.site.traffic.answered(uri.path(), response.status(), came.elapsed());
        secure(response.headers_mut());
        (caller.heard)();
        response
    }

    /// Somebody came to whom there was nothing to say but to come back.
    pub(crate) fn turned_away(&self) {
        self.site.traffic.shed();
    }

    /// The service stops: whoever listens is let go.
    pub(crate) fn end_streams(&self) {
        self.site.series.live.stop();
    }

    /// Leave to do a write, at once or after a wait.
    async fn admit(&self, step: Step) -> Option<Permit> {
        if let Some(permit) = self.site.shed.admit(step) {
            return Some(permit);
        }
        // Whoever waits for leave is not answered yet: were their place among the newcomers free,
        // the next would be let in to wait beside them, and most would leave unanswered.
        let permit = self.site.shed.wait(step).await;
        if permit.is_none() {
            metrics::counter!("jari_shed_total").increment(1);
            self.site.traffic.shed();
        }
        permit
    }

    async fn routed(&self, peer: Peer, mut request: Request<Body>) -> Response {
        request.extensions_mut().insert(peer);
        match self.routes.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn room_document(&self, method: &Method, path: &str) -> Option<http::Response<Bytes>> {
        let room = path.strip_prefix(ROOMS)?.strip_suffix(NOW)?;
        // `parse` alone would let a sign through.
        if *method != Method::GET || !room.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        api::document_of(&self.site, RoomId(room.parse().ok()?))
    }
}

/// A panic or a request that takes too long ends that request only. Give it a box: an answer's
/// future is some kilobytes, and would be copied at every step on its way here.
async fn guarded<T>(answer: impl Future<Output = T>, within: Duration) -> Result<T, Problem> {
    match tokio::time::timeout(within, catch_panic(answer)).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => {
            tracing::error!("a request panicked");
            metrics::counter!("jari_panics_total").increment(1);
            Err(Problem::ours(
                "This request failed here. What was confirmed is stored; look before you try again.",
            ))
        }
        Err(_) => Err(slow()),
    }
}

/// A future whose panic becomes nothing. The request's own state is dropped after one; what
/// is shared is guarded by locks that survive it or by the node's own rule that a panic ends
/// the process.
async fn catch_panic<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(move |context| {
        let polled = std::panic::AssertUnwindSafe(|| future.as_mut().poll(context));
        match std::panic::catch_unwind(polled) {
            Ok(polled) => polled.map(Some),
            Err(_) => std::task::Poll::Ready(None),
        }
    })
    .await
}

/// The operator must be able to pause and slow down above all when too many are here; and
/// a bulk request's long time says nothing of how people are served. Their own bounds are
/// the sign-ins per network and the passwords checked at once.
fn is_operators(path: &str) -> bool {
    path.starts_with("/api/v1/operator/") || path.starts_with("/operator/")
}

/// How long a request may take.
fn time_of(path: &str) -> Duration {
    let is_long = path.starts_with("/operator/openings/") || path.ends_with("/rehearse");
    if is_long { LONG_TIME } else { REQUEST_TIME }
}

/// What a write does for its sender; `None` for a read.
fn step_of<B>(request: &Request<B>) -> Option<Step> {
    match *request.method() {
        Method::GET | Method::HEAD | Method::OPTIONS => None,
        Method::DELETE => Some(Step::Finish),
        _ if FINISHES.iter().any(|end| request.uri().path().ends_with(end)) => Some(Step::Finish),
        _ => Some(Step::Begin),
    }
}

fn slow() -> Problem {
    Problem::busy(
        "slow",
        "This takes too long",
        "The answer took more than 15 seconds. If this was a change, it may still have been made: send the same \
         request with the same key, and it is never done twice.",
        2_000,
    )
}

/// Said to those who are shed: constants, and where a page's form came from.
fn shed<B>(request: &Request<B>) -> Response {
    if request.uri().path().starts_with("/api/") {
        let detail = "More people are here than can be served this second. Nothing was changed; your place and your \
                      bookings are safe. Send the same request with the same key again in a moment.";
        return Problem::busy("overloaded", "Too many requests at once", detail, 1_000).into_response();
    }
    let mut response = Response::new(Body::from(FULL_PAGE));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    if let Some(refresh) = form_page(request.headers()) {
        headers.insert(REFRESH, refresh);
    }
    secure(headers);
    response
}

/// The page that a form was sent from, if it is one of ours: it loads again by itself,
/// as the form's own address often shows nothing.
fn form_page(headers: &HeaderMap) -> Option<HeaderValue> {
    let referer: http::Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let path = referer.path();
    (referer.authority()?.as_str() == host && !path.starts_with("//"))
        .then(|| HeaderValue::from_str(&format!("5; url={path}")).ok())
        .flatten()
}

const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// The page of those who are shed. Cookies stay as they are, so a place is kept.
pub(crate) const FULL_PAGE: &str = "<!doctype html><html lang=\"ko\"><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>자리 Jari</title>\
<h1>잠시만 기다려 주세요</h1>\
<p>지금 한꺼번에 많은 분이 오셨습니다. 바뀐 것은 없으며, 순번과 예약은 안전하게 보관되어 있습니다. 몇 초 뒤에 다시 시도해 주세요.</p>\
<div lang=\"en\"><h1>One moment, please</h1><p>Very many people are here at once. Nothing was changed; your place and \
your bookings are safe. Please try again in a few seconds.</p></div></html>\n";

/// Headers for everything that a browser may show. A route's own choice stays. JSON is
/// neither framed nor a place to click: what is about windows and links stays away from it.
fn secure(headers: &mut HeaderMap) {
    static ALWAYS: [(HeaderName, HeaderValue); 2] = [
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
            ),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    static DOCUMENTS: [(HeaderName, HeaderValue); 3] = [
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"json"));
    let documents = if is_json { &[][..] } else { &DOCUMENTS[..] };
    for (name, value) in ALWAYS.iter().chain(documents) {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}
