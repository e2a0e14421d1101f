//! The service's API as a client sees it: requests to write, answers to read. Written from the
//! public description (`/openapi.json`), so that a drill breaks when the API does.
//!
//! Must never know a type of `jari-web`: people's programs do not either. Start at [`Now`], the
//! document that everyone who waits asks for.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::http::Answer;
pub use super::http::Request;

/// The public document of a room; see `crates/node/src/views.rs` for its short keys.
#[derive(Debug, Clone, Deserialize)]
pub struct Now {
    /// The service's clock, ms.
    pub t: u64,
    /// `lobby`, `open`, `paused` or `closed`.
    pub s: String,
    /// When it opens, ms; in the lobby only.
    pub o: Option<u64>,
    /// Tickets issued.
    pub n: u32,
    /// Tickets in the draw.
    pub l: Option<u32>,
    /// 1 once the draw is revealed.
    #[serde(default)]
    pub d: u8,
    /// Positions called.
    #[serde(default)]
    pub c: u32,
    /// Positions called a minute: low, high.
    pub p: Option<(u32, u32)>,
    /// Free places.
    pub f: Option<u32>,
    /// Positions that supply reaches: surely, at most.
    pub r: Option<(u32, u32)>,
    /// Why it is paused.
    pub w: Option<String>,
}

/// A revealed draw.
#[derive(Debug, Clone, Deserialize)]
pub struct Draw {
    /// Hexadecimal.
    pub seed: String,
    /// Hexadecimal; zeros if none.
    pub beacon: String,
    /// Hexadecimal: SHA-256 of seed and beacon.
    pub mixed: String,
    /// Tickets in the draw.
    pub lobby: u32,
}

/// A signed session.
#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    /// To be sent as bearer.
    pub session_token: String,
}

/// A ticket, or the advice to come back with a slip.
#[derive(Debug, Clone, Deserialize)]
pub struct Joined {
    /// The signed ticket.
    pub ticket_token: Option<String>,
    /// Its number.
    pub serial: Option<u32>,
    /// The signed slip.
    pub slip: Option<String>,
    /// From when the slip counts.
    pub not_before_ms: Option<u64>,
}

/// A ticket's place.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    /// The ticket's number.
    pub serial: u32,
    /// From 0; unknown until the draw.
    pub position: Option<u32>,
    /// Whether its pass is active.
    #[serde(default)]
    pub inside: bool,
    /// Whether it is used up.
    pub spent: bool,
}

/// A turn inside.
#[derive(Debug, Clone, Deserialize)]
pub struct Entered {
    /// The signed pass.
    pub pass_token: String,
}

/// Places by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Supply {
    /// All places.
    pub capacity: u32,
    /// Open to anyone.
    pub free: u32,
    /// Held for a few minutes.
    pub held: u32,
    /// Booked.
    pub booked: u32,
    /// Used.
    pub used: u32,
    /// Taken out of use.
    pub withdrawn: u32,
}

impl Supply {
    /// Whether every place is in exactly one of the parts.
    pub fn adds_up(&self) -> bool {
        let parts = [self.free, self.held, self.booked, self.used, self.withdrawn];
        parts.iter().map(|part| u64::from(*part)).sum::<u64>() == u64::from(self.capacity)
    }
}

/// A slot.
#[derive(Debug, Clone, Deserialize)]
pub struct Slot {
    /// Its number.
    pub slot: u32,
    /// Its places.
    pub supply: Supply,
}

/// A clinic's part in a campaign.
#[derive(Debug, Clone, Deserialize)]
pub struct Clinic {
    /// Its number.
    pub desk: u32,
    /// Its places.
    pub supply: Supply,
}

/// A campaign.
#[derive(Debug, Clone, Deserialize)]
pub struct Campaign {
    /// Its number.
    pub campaign: u32,
    /// Its places.
    pub supply: Supply,
}

/// A room in detail.
#[derive(Debug, Clone, Deserialize)]
pub struct Room {
    /// Its number.
    pub room: u32,
    /// Tickets issued.
    pub issued: u32,
    /// Tickets that entered.
    pub entered: u32,
    /// SHA-256 of the seed, hexadecimal.
    pub commitment: String,
}

/// A held place.
#[derive(Debug, Clone, Deserialize)]
pub struct Held {
    /// The hold's number.
    pub booking: u32,
}

/// A hold or booking.
#[derive(Debug, Clone, Deserialize)]
pub struct Booking {
    /// Its number.
    pub booking: u32,
    /// `held`, `booked`, `used`, `cancelled` or `lapsed`.
    pub status: String,
    /// Its slot.
    pub slot: Slot,
}

/// Who is signed in.
#[derive(Debug, Clone, Deserialize)]
pub struct Me {
    /// The name that was given; none once forgotten.
    pub name: Option<String>,
}

/// A public event.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: String,
    /// The public reason.
    pub reason: String,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    retry_after_ms: Option<u64>,
}

/// The code of a problem, such as `slot_full`, and when to try again, ms; empty if it is none.
pub fn problem(answer: &Answer) -> (String, Option<u64>) {
    let parsed: Option<Problem> = serde_json::from_slice(&answer.body).ok();
    let again_ms = answer.retry_after_s.map(|s| u64::from(s) * 1000);
    match parsed {
        Some(problem) => {
            let code = problem.kind.rsplit(':').next().unwrap_or_default().to_string();
            (code, problem.retry_after_ms.or(again_ms))
        }
        None => (String::new(), again_ms),
    }
}

/// Reads an answer's body.
pub fn read<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_slice(&answer.body).ok()
}

/// What a partner says of a person it has identified.
#[derive(Debug, Clone, Serialize)]
pub struct Claim {
    /// The name.
    pub name: String,
    /// `YYYY-MM-DD`.
    pub birth: String,
    /// Digits.
    pub telephone: String,
}

#[derive(Serialize)]
struct HoldBody {
    slot: u32,
    dose: u8,
}

/// A session for a person, through a partner.
pub fn identify(partner_secret: &str, claim: &Claim) -> Request {
    Request::new("POST", "/api/v1/partner/sessions").bearer(partner_secret).json(claim)
}

/// A place in line.
pub fn join(room: u32, session: Option<&str>, slip: Option<&str>) -> Request {
    let request = Request::new("POST", &format!("/api/v1/rooms/{room}/tickets")).header_if("Jari-Slip", slip);
    match session {
        Some(session) => request.bearer(session),
        None => request,
    }
}

/// The document that everyone who waits asks for.
pub fn now(room: u32) -> Request {
    Request::new("GET", &format!("/api/v1/rooms/{room}/now"))
}

/// The revealed draw.
pub fn draw(room: u32) -> Request {
    Request::new("GET", &format!("/api/v1/rooms/{room}/draw"))
}

/// A ticket's place.
pub fn place(room: u32, ticket: &str) -> Request {
    Request::new("GET", &format!("/api/v1/rooms/{room}/place")).header("Jari-Ticket", ticket)
}

/// Turns a called ticket into a pass.
pub fn enter(room: u32, ticket: &str) -> Request {
    Request::new("POST", &format!("/api/v1/rooms/{room}/passes")).header("Jari-Ticket", ticket)
}

/// Clinics with free places.
pub fn clinics(campaign: u32, skip: usize, limit: usize, free_only: bool) -> Request {
    let path =
        format!("/api/v1/campaigns/{campaign}/clinics?skip={skip}&limit={limit}&free_only={free_only}");
    Request::new("GET", &path)
}

/// A campaign, as everyone sees it.
pub fn campaign(campaign: u32) -> Request {
    Request::new("GET", &format!("/api/v1/campaigns/{campaign}"))
}

/// The days of a clinic that have places.
pub fn days(desk: u32) -> Request {
    Request::new("GET", &format!("/api/v1/desks/{desk}/days"))
}

/// The slots of a clinic.
pub fn slots(desk: u32) -> Request {
    Request::new("GET", &format!("/api/v1/desks/{desk}/slots"))
}

/// Holds a place.
pub fn hold(session: &str, pass: Option<&str>, slot: u32, key: &str) -> Request {
    Request::new("POST", "/api/v1/holds")
        .bearer(session)
        .header_if("Jari-Pass", pass)
        .header("Idempotency-Key", key)
        .json(&HoldBody { slot, dose: 1 })
}

/// Turns a hold into a booking.
pub fn confirm(session: &str, booking: u32, key: &str) -> Request {
    let path = format!("/api/v1/bookings/{booking}/confirm");
    Request::new("POST", &path).bearer(session).header("Idempotency-Key", key)
}

/// Gives a booking back.
pub fn cancel(session: &str, booking: u32, key: &str) -> Request {
    let path = format!("/api/v1/bookings/{booking}/cancel");
    Request::new("POST", &path).bearer(session).header("Idempotency-Key", key)
}

/// Moves a booking to another slot.
pub fn reschedule(session: &str, booking: u32, slot: u32, key: &str) -> Request {
    let path = format!("/api/v1/bookings/{booking}/reschedule");
    let body = serde_json::json!({ "slot": slot });
    Request::new("POST", &path).bearer(session).header("Idempotency-Key", key).json(&body)
}

/// Who is signed in.
pub fn me(session: &str) -> Request {
    Request::new("GET", "/api/v1/identities/me").bearer(session)
}

/// Forgets the contact of who is signed in.
pub fn forget(session: &str) -> Request {
    Request::new("DELETE", "/api/v1/identities/me").bearer(session)
}

/// A person's bookings.
pub fn bookings(session: &str) -> Request {
    Request::new("GET", "/api/v1/bookings").bearer(session)
}
