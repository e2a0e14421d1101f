//! The waiting page as a browser runs it: it reads the public document and decides when to ask
//! again. The same rule as `assets/wait.js` and `web::poll`.
//!
//! Must never know more than the public document, the ticket and the published draw. Start at
//! [`Facts`] and [`look`].

use serde_json::Value;

use super::random::Random;

/// The page with style and script, compressed, fetched once (measured on the built page).
pub const PAGE_BYTES: u32 = 9_000;
/// Header bytes of an answer over HTTP/1.1: status, type, length, date, caching (counted).
pub const HEADER_BYTES: u32 = 160;
/// The revealed draw, fetched once by those who were in the lobby.
pub const DRAW_BYTES: u32 = 420;
/// A reload of the page: the style and script are cached, the text comes anew.
pub const RELOAD_BYTES: u32 = 2_000;

const INTERVAL_MS_MIN: f64 = 2_000.0;
const INTERVAL_MS_MAX: f64 = 600_000.0;

/// What the room's document says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The service's clock.
    pub at_ms: u64,
    /// Lobby, open, paused or closed.
    pub state: State,
    /// When it opens, in the lobby.
    pub opens_at_ms: Option<u64>,
    /// Tickets in the draw, once open.
    pub lobby: Option<u32>,
    /// Whether the draw is revealed.
    pub drawn: bool,
    /// Positions called.
    pub called: u32,
    /// Positions called a minute, from and to.
    pub pace: (u32, u32),
    /// Free places.
    pub free: u32,
    /// Positions that supply is sure to reach, and may reach.
    pub reach: (u32, u32),
    /// Why it is paused.
    pub reason: Option<String>,
    /// Length of the document.
    pub bytes: u32,
}

/// The room's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Gathering.
    #[default]
    Lobby,
    /// Open.
    Open,
    /// Paused.
    Paused,
    /// Over.
    Closed,
}

impl Facts {
    /// Reads the document; `None` if it is not one.
    #[must_use]
    pub fn parse(document: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(document).ok()?;
        let number = |key: &str| json.get(key).and_then(Value::as_u64);
        let pair = |key: &str| {
            let pair = json.get(key)?.as_array()?;
            Some((pair.first()?.as_u64()? as u32, pair.get(1)?.as_u64()? as u32))
        };
        let state = match json.get("s")?.as_str()? {
            "lobby" => State::Lobby,
            "open" => State::Open,
            "paused" => State::Paused,
            "closed" => State::Closed,
            _ => return None,
        };
        Some(Self {
            at_ms: number("t")?,
            state,
            opens_at_ms: number("o"),
            lobby: number("l").map(|count| count as u32),
            drawn: number("d") == Some(1),
            called: number("c").unwrap_or(0) as u32,
            pace: pair("p").unwrap_or_default(),
            free: number("f").unwrap_or(0) as u32,
            reach: pair("r").unwrap_or((u32::MAX, u32::MAX)),
            reason: json.get("w").and_then(Value::as_str).map(String::from),
            bytes: document.len() as u32,
        })
    }
}

/// What the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The opening is ahead.
    Lobby,
    /// The draw is being made.
    Drawing,
    /// The draw is out: the browser computes the place and looks again at once.
    Reveal,
    /// In line, and whether supply will come so far.
    Line(Reach),
    /// It is your turn.
    Called,
    /// Over.
    Closed,
}

/// What the page says about supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is likely to come so far.
    Sure,
    /// It may.
    Maybe,
    /// It will not.
    Unlikely,
}

/// What the page shows for a ticket, and milliseconds until it asks again.
#[must_use]
pub fn look(facts: &Facts, serial: u32, place: Option<u32>, random: &mut Random) -> (Shows, u64) {
    let place = place.or_else(|| facts.lobby.filter(|lobby| serial >= *lobby).map(|_| serial));
    let (shows, mut wait_ms) = match (facts.state, facts.lobby, place) {
        (State::Closed, ..) => (Shows::Closed, 600_000.0),
        (_, None, _) => {
            let rest = facts.opens_at_ms.unwrap_or(facts.at_ms).saturating_sub(facts.at_ms) as f64;
            if facts.opens_at_ms.is_some() && rest < 20_000.0 {
                // Nobody needs to ask in the last seconds; everybody then comes spread over five.
                return (Shows::Lobby, (rest + 5_000.0 * random.unit() + 500.0) as u64);
            }
            (Shows::Lobby, rest.max(60_000.0))
        }
        (_, Some(_), None) if facts.drawn => return (Shows::Reveal, 0),
        (_, Some(_), None) => (Shows::Drawing, 18_000.0),
        (_, Some(_), Some(place)) if place < facts.called => (Shows::Called, 600_000.0),
        (_, Some(_), Some(place)) => (Shows::Line(reach(facts, place)), expected_ms(facts, place)),
    };
    if facts.state == State::Paused {
        wait_ms = wait_ms.max(180_000.0);
    }
    (shows, interval_ms(wait_ms, random))
}

/// The expected wait of a place in line, as the page computes it.
#[must_use]
pub fn expected_ms(facts: &Facts, place: u32) -> f64 {
    let pace = (f64::from(facts.pace.0) + f64::from(facts.pace.1)) / 2.0;
    let people = f64::from(place.saturating_sub(facts.called));
    if pace > 0.0 { people / pace * 60_000.0 } else { 180_000.0 }
}

fn reach(facts: &Facts, place: u32) -> Reach {
    match place {
        _ if place < facts.reach.0 => Reach::Sure,
        _ if place < facts.reach.1 => Reach::Maybe,
        _ => Reach::Unlikely,
    }
}

fn interval_ms(wait_ms: f64, random: &mut Random) -> u64 {
    let interval = (wait_ms / 3.0).clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX);
    (interval * (0.8 + 0.4 * random.unit())) as u64
}

/// Milliseconds until the page asks again after `failed` failures in a row.
#[must_use]
pub fn after_failure_ms(failed: u8, random: &mut Random) -> u64 {
    (4_000.0 * f64::from(1_u32 << failed.min(6)) * (0.5 + random.unit())) as u64
}

/// Requests and bytes of one wait of `wait_s` behind a steady pace, without the page itself.
#[must_use]
pub fn one_wait(wait_s: u32, seed: u64) -> (u32, u32) {
    const PER_MINUTE: u32 = 30_000;
    let mut random = Random::new(seed);
    let (mut at_ms, mut requests, mut bytes) = (0_u64, 0, 0);
    let place = PER_MINUTE / 60 * wait_s;
    loop {
        // The document in full length: millions issued, a free count and both ends of the reach.
        let called = (u64::from(PER_MINUTE) * at_ms / 60_000) as u32;
        let document = format!(
            "{{\"t\":1626260400000,\"s\":\"open\",\"n\":2605234,\"l\":912345,\"d\":1,\"c\":{called},\
             \"p\":[27000,33000],\"f\":1234567,\"r\":[5200000,7800000]}}"
        );
        let Some(facts) = Facts::parse(document.as_bytes()) else { return (u32::MAX, u32::MAX) };
        requests += 1;
        bytes += facts.bytes + HEADER_BYTES;
        let (shows, next_ms) = look(&facts, place, Some(place), &mut random);
        if shows == Shows::Called {
            return (requests, bytes);
        }
        at_ms += next_ms;
    }
}
