//! Sets the stage through the operator's API: campaign, clinics, slots, room; and does in the
//! evening what an operator does, such as a pause.
//!
//! Must never do anything that an operator could not do with the same API. Start at [`Operator`].

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    api::{self, Request},
    crowd::ask,
    http::{Answer, Connection, Target},
};

/// Rows of one bulk request.
const ROWS_PER_REQUEST: usize = 1_000;
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);
/// A request is sent again, under the same key, so often while the service is away.
const TRIES_MAX: u32 = 60;
/// A tenth of a second each.
const PUBLISHED_TRIES_MAX: u32 = 50;

/// An operator who is signed in.
#[derive(Debug)]
pub struct Operator {
    connection: Connection,
    token: String,
    keys: u32,
    seed: u64,
}

/// A room to be made; see the API's description.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// Its number.
    pub room: u32,
    /// When it opens, by the service's clock.
    pub opens_at_ms: u64,
    /// The campaign behind it.
    pub campaign: Option<u32>,
    /// One ticket a person.
    pub identity_bound: bool,
    /// Entries a minute.
    pub entries_per_minute_max: u32,
    /// Passes active at once.
    pub passes_max: u32,
    /// How long a pass lasts.
    pub pass_ttl_ms: u32,
}

/// A campaign to be made, with even clinics.
#[derive(Debug, Clone)]
pub struct NewCampaign {
    /// Its number.
    pub campaign: u32,
    /// The room in front of it.
    pub room: Option<u32>,
    /// How many people it is for.
    pub quota: u32,
    /// When booking opens.
    pub opens_at_ms: u64,
    /// Clinics.
    pub clinics: u32,
    /// Slots of a clinic.
    pub slots: u32,
    /// Places of a slot.
    pub slot_places: u32,
    /// How long a hold lasts.
    pub hold_ms: u32,
}

#[derive(Deserialize)]
struct Staff {
    staff_token: String,
}

#[derive(Deserialize)]
struct Numbers {
    numbers: Vec<u32>,
}

impl Operator {
    /// Signs in.
    pub async fn sign_in(target: &Target, password: &str, seed: u64) -> anyhow::Result<Self> {
        let mut connection = Connection::new(target.clone());
        let body = json!({ "name": "operator", "password": password });
        let request = Request::new("POST", "/api/v1/operator/sessions").json(&body).into_bytes();
        let answer = connection.send(&request, REQUEST_TIME_MAX).await?;
        ensure!(answer.is_success(), "sign-in: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        let staff: Staff = api::read(&answer).context("the sign-in's answer cannot be read")?;
        Ok(Self { connection, token: staff.staff_token, keys: 0, seed })
    }

    /// Sends a change, again and again under one key while the service is away.
    pub async fn change(&mut self, method: &str, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.keys += 1;
        let key = format!("drill-operator-{:016x}-{:08x}", self.seed, self.keys);
        let request =
            Request::new(method, path).bearer(&self.token).header("Idempotency-Key", &key).json(body);
        let bytes = request.into_bytes();
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            match self.connection.send(&bytes, REQUEST_TIME_MAX).await {
                Ok(answer) if answer.is_success() => return Ok(answer),
                Ok(answer) => {
                    last = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
                    ensure!(matches!(answer.status, 429 | 500..), "{method} {path}: {last}");
                }
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        anyhow::bail!("{method} {path}: {last}")
    }

    /// Makes a room.
    pub async fn create_room(&mut self, new: &NewRoom) -> anyhow::Result<()> {
        let body = json!({
            "room": new.room,
            "name": "사전예약 대기실",
            "opens_at_ms": new.opens_at_ms,
            "campaign": new.campaign,
            "identity_bound": new.identity_bound,
            "bookings_per_pass": 1,
            "pace": {
                "entries_per_minute_max": new.entries_per_minute_max,
                "passes_max": new.passes_max,
                "pass_ttl_ms": new.pass_ttl_ms,
                // The drill judges the room's order, not the controller: its pace stays as set.
                "latency_goal_ms": 0,
                "error_goal_ppm": 1_000_000,
            },
        });
        self.change("POST", "/api/v1/operator/rooms", &body).await?;
        Ok(())
    }

    /// Makes a campaign with its clinics and slots; gives the numbers of their parts in it.
    pub async fn create_campaign(&mut self, new: &NewCampaign) -> anyhow::Result<Vec<u32>> {
        let closes_at_ms = new.opens_at_ms + 24 * 3_600_000;
        let body = json!({
            "campaign": new.campaign,
            "name": "코로나19 예방접종",
            "room": new.room,
            "quota": new.quota,
            "vaccines": [{ "name": "mRNA", "quota": u32::MAX }],
            "rules": {
                "version": 1, "born_from": "1962-01-01", "born_until": "1966-12-31",
                "doses": 1, "dose_interval_days": 0,
            },
            "windows": { "each": [{
                "opens_at_ms": new.opens_at_ms, "closes_at_ms": closes_at_ms,
                "digits": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "share_ppm": 1_000_000,
            }] },
            "hold_ms": new.hold_ms,
        });
        self.change("POST", "/api/v1/operator/campaigns", &body).await?;
        let clinics: Vec<Value> = (0..new.clinics).map(|number| clinic(new.campaign, number)).collect();
        let clinics = self.add("/api/v1/operator/clinics", &clinics).await?;
        let path = format!("/api/v1/operator/campaigns/{}/desks", new.campaign);
        let clinics: Vec<Value> = clinics.into_iter().map(Value::from).collect();
        let desks = self.add(&path, &clinics).await?;
        let day_ms = 24 * 3_600_000;
        let first_ms = (new.opens_at_ms / day_ms + 14) * day_ms;
        let slot = |number: u32| {
            let starts_at_ms = first_ms + u64::from(number) * day_ms;
            json!({ "starts_at_ms": starts_at_ms, "vaccine": 0, "capacity": new.slot_places })
        };
        let slots: Vec<Value> = (0..new.slots).map(slot).collect();
        let rows: Vec<Value> = desks.iter().map(|desk| json!({ "desk": desk, "slots": slots })).collect();
        for rows in rows.chunks(ROWS_PER_REQUEST / 4) {
            self.change("POST", "/api/v1/operator/slots", &json!({ "rows": rows })).await?;
        }
        Ok(desks)
    }

    /// Adds clinics, or parts of clinics; gives their numbers.
    async fn add(&mut self, path: &str, rows: &[Value]) -> anyhow::Result<Vec<u32>> {
        let mut numbers = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_PER_REQUEST) {
            let answer = self.change("POST", path, &json!({ "clinics": rows })).await?;
            let given: Numbers = api::read(&answer).with_context(|| format!("{path}: no list of numbers"))?;
            numbers.extend(given.numbers);
        }
        Ok(numbers)
    }

    /// Pauses a room, with a public reason.
    pub async fn pause(&mut self, room: u32, reason: &str) -> anyhow::Result<()> {
        self.change("POST", &format!("/api/v1/operator/rooms/{room}/pause"), &json!({ "reason": reason }))
            .await?;
        Ok(())
    }

    /// Goes on after a pause.
    pub async fn resume(&mut self, room: u32) -> anyhow::Result<()> {
        self.change("POST", &format!("/api/v1/operator/rooms/{room}/resume"), &json!({})).await?;
        Ok(())
    }

    /// Changes a campaign's quota, with a public reason.
    pub async fn set_quota(&mut self, campaign: u32, quota: u32, reason: &str) -> anyhow::Result<()> {
        let body = json!({ "quota": quota, "reason": reason });
        self.change("POST", &format!("/api/v1/operator/campaigns/{campaign}/quota"), &body).await?;
        Ok(())
    }
}

fn clinic(campaign: u32, number: u32) -> Value {
    const REGIONS: [&str; 8] = ["서울", "부산", "대구", "인천", "광주", "대전", "경기", "제주"];
    let region = REGIONS[number as usize % REGIONS.len()];
    json!({
        "name": format!("{region} 의원 {campaign}-{number}"),
        "address": format!("{region} 중앙로 {number}"),
        "region": region,
        "district": format!("{}구", number / 8 % 15),
        "postcode": format!("{:05}", number % 100_000),
        "telephone": "",
        "latitude_e6": 37_000_000 + (number % 1_000) as i32 * 100,
        "longitude_e6": 127_000_000 + (number / 1_000) as i32 * 100,
    })
}

/// Waits until a new room's document is published.
pub async fn published(connection: &mut Connection, room: u32) -> anyhow::Result<()> {
    let request = api::now(room).into_bytes();
    for _ in 0..PUBLISHED_TRIES_MAX {
        if connection.send(&request, Duration::from_secs(5)).await?.is_success() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the document of room {room} is not published")
}

/// The service's clock, ms.
pub async fn clock(connection: &mut Connection) -> anyhow::Result<u64> {
    #[derive(serde::Deserialize)]
    struct Ready {
        time_ms: u64,
    }
    let answer = ask(connection, Request::new("GET", "/readyz")).await?;
    let ready: Ready = api::read(&answer).context("/readyz does not tell the time")?;
    Ok(ready.time_ms)
}

/// A clinic's part in a campaign, and its slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// Its number.
    pub desk: u32,
    /// The numbers of its slots; never none.
    pub slots: Vec<u32>,
}

/// The slots of clinics that have just been made, all together.
pub async fn slots_of(connection: &mut Connection, desks: &[u32]) -> anyhow::Result<Vec<u32>> {
    Ok(desks_of(connection, desks).await?.into_iter().flat_map(|desk| desk.slots).collect())
}

/// Clinics that have just been made, with their slots. Lists are published a few times a second.
pub async fn desks_of(connection: &mut Connection, desks: &[u32]) -> anyhow::Result<Vec<Desk>> {
    let mut all = Vec::new();
    for desk in desks {
        for _ in 0..PUBLISHED_TRIES_MAX {
            let answer = ask(connection, api::slots(*desk)).await?;
            let found: Vec<api::Slot> = api::read(&answer).context("the slots cannot be read")?;
            if !found.is_empty() {
                all.push(Desk { desk: *desk, slots: found.into_iter().map(|slot| slot.slot).collect() });
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    anyhow::ensure!(!all.is_empty(), "the clinics have no slots");
    Ok(all)
}
