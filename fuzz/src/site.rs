//! The whole site without sockets: any method, path, headers and body, from anyone.
//!
//! The site lives on from input to input, as a service does, and is made anew from time to time.
//! No answer is a fault of ours (500), and every problem says what it is.

use std::cell::RefCell;

use bytes::Bytes;
use http::{HeaderValue, Method, Uri};

use crate::Source;

#[path = "../../crates/web/tests/site/harness.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod harness;

use harness::{OPENS_AT, PARTNER_SECRET, TestSite};

/// Inputs that one site goes through.
const INPUTS_MAX: u32 = 3_000;
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"];
/// Pages beside the routes of the API.
const PAGES: &[&str] = &[
    "/",
    "/rooms/1",
    "/rooms/1/join",
    "/rooms/1/enter",
    "/rooms/1/leave",
    "/rooms/1/fairness",
    "/identify",
    "/identify/code",
    "/sign-out",
    "/book/1",
    "/book/1/desks/0",
    "/book/1/hold",
    "/bookings",
    "/bookings/K7Q2M-9F0M3/cancel",
    "/bookings/K7Q2M-9F0M3/move",
    "/hold/K7Q2M-9F0M3/confirm",
    "/outbox",
    "/privacy",
    "/forget",
    "/forget/done",
    "/operator",
    "/operator/rooms/1",
    "/operator/rooms/1/pause",
    "/operator/campaigns/1",
    "/operator/campaigns/1/quota",
    "/assets/none",
    "/operator/account",
    "/operator/account/password",
    "/operator/staff",
    "/operator/staff/operator/role",
    "/operator/audit",
    "/operator/audit.csv",
    "/operator/runbook",
];
const HEADERS: [&str; 10] = [
    "jari-ticket",
    "jari-pass",
    "jari-slip",
    "idempotency-key",
    "cookie",
    "content-type",
    "accept-language",
    "x-forwarded-for",
    "authorization",
    "if-none-match",
];
/// Signing in costs a twentieth of a second on purpose, and the console's events never end.
const LEFT_OUT: [&str; 3] = ["/api/v1/operator/sessions", "/operator/sign-in", "/api/v1/operator/events"];

struct World {
    runtime: tokio::runtime::Runtime,
    site: TestSite,
    tickets: Vec<String>,
    session: String,
    staff: String,
    inputs: u32,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

pub fn run(bytes: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        if world.as_ref().is_none_or(|world| world.inputs >= INPUTS_MAX) {
            *world = Some(World::new());
        }
        let world = world.as_mut().expect("it was just made");
        world.inputs += 1;
        world.ask(&mut Source::new(bytes));
    });
}

impl World {
    fn new() -> World {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (site, tickets, session, staff) = runtime.block_on(async {
            let site = TestSite::new().await;
            site.with_room(false, None).await;
            site.with_campaign(5).await;
            let mut tickets = Vec::new();
            for _ in 0..4 {
                let joined = site.nobody().send("POST", "/api/v1/rooms/1/tickets", Bytes::new()).await;
                tickets.push(joined.text_at("ticket_token"));
            }
            site.at(OPENS_AT + 1_000).await;
            let claim = harness::claim(1, "1964-03-07");
            let partner = site.nobody().bearing(PARTNER_SECRET);
            let session = partner.must_post("/api/v1/partner/sessions", &claim, 201).await;
            let staff = site.operator_token().await;
            (site, tickets, session.text_at("session_token"), staff)
        });
        World { runtime, site, tickets, session, staff, inputs: 0 }
    }

    fn ask(&self, source: &mut Source<'_>) {
        let method = METHODS[source.number::<1>() as usize % METHODS.len()];
        let listed = jari_web::api::listed();
        let (pick, numbers) = (source.number::<1>() as usize, source.number::<1>());
        let who = source.number::<1>();
        let header = HEADERS[source.number::<1>() as usize % HEADERS.len()];
        let header_len = source.number::<1>() as usize;
        let value = String::from_utf8_lossy(source.take(header_len)).into_owned();
        let query_len = source.number::<1>() as usize;
        let query = String::from_utf8_lossy(source.take(query_len)).into_owned();
        let mut method = method.to_owned();
        let path = match pick.checked_sub(listed.len()) {
            None => {
                // The route's own method, unless the input insists.
                if numbers & 0x80 == 0 {
                    method = listed[pick].0.to_string();
                }
                fill_in(listed[pick].1, numbers & 0x7f)
            }
            Some(page) if page < PAGES.len() => PAGES[page].to_owned(),
            Some(_) => String::new(),
        };
        let target = if query.is_empty() {
            path
        } else if path.is_empty() {
            format!("/{query}")
        } else {
            format!("{path}?{query}")
        };
        if LEFT_OUT.iter().any(|path| target.starts_with(path))
            || Uri::try_from(&target).is_err()
            || Method::from_bytes(method.as_bytes()).is_err()
        {
            return;
        }
        let body = Bytes::copy_from_slice(source.rest());
        let reply = self.runtime.block_on(async {
            let mut actor = match who % 5 {
                0 => self.site.nobody(),
                1 => self.site.nobody().bearing(PARTNER_SECRET),
                2 => self
                    .site
                    .nobody()
                    .saying("jari-ticket", &self.tickets[numbers as usize % self.tickets.len()]),
                3 => self.site.nobody().bearing(&self.session),
                _ => self.site.nobody().bearing(&self.staff),
            };
            if HeaderValue::from_str(&value).is_ok() && !value.is_empty() {
                actor = actor.saying(header, &value);
            } else {
                actor = actor.keyed("a-key-of-sixteen-characters");
            }
            actor.send(&method, &target, body).await
        });
        assert!(reply.status < 500 || reply.status == 503, "{method} {target}: {reply:?}");
        // An answer to HEAD has the headers of a problem and no body to say so.
        if method != "HEAD"
            && reply.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json")
        {
            assert!(reply.status >= 400 && reply.problem().0 == reply.status, "{method} {target}: {reply:?}");
        }
    }
}

/// A route's address with numbers in the place of its names.
fn fill_in(route: &str, number: u64) -> String {
    let mut path = String::new();
    for part in route.split('/').skip(1) {
        path.push('/');
        // Most numbers exist: rooms and campaigns from 1, desks and slots from 0.
        if part.starts_with('{') { path.push_str(&(number % 3).to_string()) } else { path.push_str(part) }
    }
    path
}
