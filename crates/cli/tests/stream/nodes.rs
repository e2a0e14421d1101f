//! Two real nodes on three real servers: people and staff go from one to the other at every
//! request.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{Place, Running, field};
use crate::servers::{Cluster, wall_clock};

/// What another node did is there after a moment: asked for so long.
const SOON: Duration = Duration::from_secs(20);
const DAY_MS: u64 = 86_400_000;

/// Someone who asks one node.
pub struct Caller<'a> {
    node: &'a Running,
    headers: Vec<(&'static str, String)>,
}

impl Running {
    pub fn nobody(&self) -> Caller<'_> {
        Caller { node: self, headers: Vec::new() }
    }

    pub fn bearing(&self, token: &str) -> Caller<'_> {
        self.nobody().saying("authorization", &format!("Bearer {token}"))
    }
}

impl<'a> Caller<'a> {
    fn saying(mut self, name: &'static str, value: &str) -> Caller<'a> {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn keyed(self, key: &str) -> Caller<'a> {
        self.saying("idempotency-key", &format!("{key:0>24}"))
    }

    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(SOON))
            .build()
            .into();
        let mut request = http_request(method, &format!("{}{path}", self.node.address));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut answer = agent.run(request.body(body).unwrap()).expect("the node answers");
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, None);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub fn post(&self, path: &str, body: Value, expected: u16) -> Value {
        let (status, answer) = self.ask("POST", path, Some(&body));
        assert_eq!(status, expected, "{path}: {answer}");
        answer
    }

    /// Asks until what another node did shows.
    pub fn until(&self, method: &str, path: &str, fits: impl Fn(u16, &Value) -> bool) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            let (status, answer) = self.ask(method, path, None);
            if fits(status, &answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{method} {path}: still {status} {answer}");
        }
    }
}

fn http_request(method: &str, url: &str) -> ureq::http::request::Builder {
    ureq::http::Request::builder().method(method).uri(url)
}

pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {value}")).to_owned()
}

/// Two nodes on one stream; the first one's password.
fn two_nodes(cluster: &Cluster, dir: &std::path::Path) -> ([Place; 2], [Running; 2], String) {
    let places = [1, 2].map(|node| Place::new(dir, node, cluster));
    for place in &places {
        place.set("demo = true\nsecure_cookies = false");
    }
    let mut first = places[0].serve();
    let password = first.password();
    places[0].copy_keys_to(&places[1]);
    let second = places[1].serve();
    (places, [first, second], password)
}

pub fn sign_in(node: &Running, password: &str, expected: u16) -> Value {
    let asked = json!({ "name": "operator", "password": password });
    node.nobody().post("/api/v1/operator/sessions", asked, expected)
}

/// A campaign with a room for people in front of it, and one without a campaign for everybody.
pub fn stage(node: &Running, staff: &str, now: u64) {
    let operator = |key: &str| node.bearing(staff).keyed(key);
    let campaign = json!({
        "campaign": 1, "name": "55-59", "room": 1, "quota": 100,
        "vaccines": [{"name": "Moderna", "quota": 100}],
        "rules": {"version": 1, "born_from": "1950-01-01", "born_until": "1979-12-31", "doses": 1,
            "dose_interval_days": 28},
        "windows": {"each": [{"opens_at_ms": now - DAY_MS, "closes_at_ms": now + 30 * DAY_MS,
            "digits": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "share_ppm": 1_000_000}]},
        "hold_ms": 300_000
    });
    operator("campaign").post("/api/v1/operator/campaigns", campaign, 201);
    let clinics = json!({"clinics": [{"name": "하늘의원", "address": "서울 중구 1", "region": "서울",
        "district": "중구", "postcode": "04524", "latitude_e6": 37_566_500, "longitude_e6": 126_978_000}]});
    operator("clinics").post("/api/v1/operator/clinics", clinics, 201);
    operator("desks").post("/api/v1/operator/campaigns/1/desks", json!({"clinics": [0]}), 201);
    let rows = json!({"rows": [{"desk": 0, "slots": [
        {"starts_at_ms": now + 2 * DAY_MS, "vaccine": 0, "capacity": 10}]}]});
    operator("slots").post("/api/v1/operator/slots", rows, 201);
    for (room, identity_bound, campaign) in [(1, true, Some(1)), (2, false, None)] {
        let room = json!({
            "room": room, "name": "예약 대기실", "opens_at_ms": now, "campaign": campaign,
            "identity_bound": identity_bound, "bookings_per_pass": 2,
            "pace": {"entries_per_minute_max": 60_000, "passes_max": 10_000, "pass_ttl_ms": 600_000,
                "latency_goal_ms": 0, "error_goal_ppm": 1_000_000}
        });
        operator(&format!("room{}", room["room"])).post("/api/v1/operator/rooms", room, 201);
    }
}

/// A code asked for at one node, taken back at another: the session.
pub fn identify(asked: &Running, confirmed: &Running, telephone: &str) -> String {
    let claim = json!({"name": "김하늘", "birth": "1964-03-07", "telephone": telephone, "language": "en"});
    let challenge = text(&asked.nobody().post("/api/v1/identities/codes", claim, 201), "token");
    let messages = asked.nobody().get(&format!("/api/v1/demo/outbox?to={telephone}"));
    let message = text(&messages[0], "text");
    let code = message.split(|character: char| !character.is_ascii_digit()).find(|run| run.len() == 6);
    let back = json!({ "challenge": challenge, "code": code.unwrap() });
    text(&confirmed.nobody().post("/api/v1/identities/sessions", back, 201), "session_token")
}

#[test]
fn a_person_and_an_operator_change_node_at_every_request() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let (places, [a, b], password) = two_nodes(&cluster, dir.path());
    let staff = text(&sign_in(&a, &password, 201), "staff_token");
    stage(&b, &staff, wall_clock()());

    let session = identify(&a, &b, "01000000001");
    let me = a.bearing(&session).until("GET", "/api/v1/identities/me", |_, me| me["name"] == "김하늘");
    assert_eq!(me["birth"], "1964-03-07");
    a.nobody().until("GET", "/api/v1/rooms/1", |status, _| status == 200);
    let joined = a.bearing(&session).post("/api/v1/rooms/1/tickets", json!({}), 201);
    let ticket = text(&joined, "ticket_token");
    b.bearing(&ticket).until("GET", "/api/v1/rooms/1/place", |_, place| place["can_enter"] == true);
    let pass = text(&b.bearing(&ticket).post("/api/v1/rooms/1/passes", json!({}), 201), "pass_token");
    let holder = a.bearing(&session).saying("jari-pass", &pass).keyed("hold");
    let held = holder.post("/api/v1/holds", json!({"slot": 0}), 201);
    let confirm = format!("/api/v1/bookings/{}/confirm", held["booking"]);
    b.bearing(&session).saying("jari-pass", &pass).keyed("confirm").post(&confirm, json!({}), 200);
    let is_booked = |_: u16, bookings: &Value| bookings[0]["status"] == "booked";
    a.bearing(&session).until("GET", "/api/v1/bookings", is_booked);
    // Whichever node sends it can open the contact.
    let deadline = Instant::now() + SOON;
    let was_told = |node: &Running| {
        let messages = node.nobody().get("/api/v1/demo/outbox?to=01000000001");
        messages.as_array().unwrap().iter().any(|message| message["purpose"] == "booked")
    };
    while !was_told(&a) && !was_told(&b) {
        assert!(Instant::now() < deadline, "nobody was told of the booking");
    }

    b.bearing(&session).ask("DELETE", "/api/v1/identities/me", None);
    let is_forgotten = |_: u16, me: &Value| me["name"].is_null() && me["birth"] == "1964-03-07";
    a.bearing(&session).until("GET", "/api/v1/identities/me", is_forgotten);

    let (status, _) = b.bearing(&staff).ask("DELETE", "/api/v1/operator/sessions", None);
    assert_eq!(status, 204);
    a.bearing(&staff).until("DELETE", "/api/v1/operator/sessions", |status, _| status == 401);

    // A new password, made where one node is down, counts at the other at once.
    assert!(!b.end("-TERM").contains("password"), "one node alone prints the first password");
    let says = places[1].refused(&["staff", "reset-password", "data"]);
    assert!(says.contains("--config"), "{says}");
    let printed = places[1].prints(&["staff", "reset-password", "data", "--config", "jari.toml"]);
    let fresh = field(&printed, "operator password:").to_owned();
    sign_in(&a, &fresh, 201);
    sign_in(&a, &password, 401);
    a.end("-TERM");
}

#[test]
fn a_slip_gives_one_ticket_whichever_node_it_is_brought_to() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let places = [1, 2].map(|node| Place::new(dir.path(), node, &cluster));
    for place in &places {
        let path = place.dir.join("jari.toml");
        let slow =
            format!("{}[limits]\njoins_per_second_per_network = 1\n", fs::read_to_string(&path).unwrap());
        fs::write(&path, slow).unwrap();
    }
    let mut a = places[0].serve();
    let password = a.password();
    places[0].copy_keys_to(&places[1]);
    let b = places[1].serve();
    let staff = text(&sign_in(&a, &password, 201), "staff_token");
    stage(&a, &staff, wall_clock()());
    let path = "/api/v1/rooms/2/tickets";
    let slip = (0..100).find_map(|_| {
        let (status, answer) = a.nobody().ask("POST", path, Some(&json!({})));
        assert!(matches!(status, 201 | 202), "{answer}");
        (status == 202).then(|| text(&answer, "slip"))
    });
    let slip = slip.expect("a hundred at once are slowed");
    b.nobody().until("GET", "/api/v1/rooms/2", |status, _| status == 200);
    let bring = |node: &Running| {
        node.nobody().saying("jari-slip", &slip).until("POST", path, |status, _| status == 201)
    };
    let tickets: Vec<Value> = [&a, &b, &b, &a].map(bring).into();
    assert!(tickets.iter().all(|ticket| *ticket == tickets[0]), "{tickets:?}");
    a.end("-9");
    assert_eq!(bring(&b), tickets[0]);
    b.end("-TERM");
}

#[test]
fn a_backup_of_one_node_brings_the_shared_vault_back_in_another_cluster() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let (places, [a, b], password) = two_nodes(&cluster, dir.path());
    identify(&a, &a, "01000000001");
    let backup = dir.path().join("backup");
    let (backup, data) = (backup.to_str().unwrap(), "data");
    // Of the node that has not kept the key itself.
    places[1].prints(&["backup", data, "--to", backup]);
    a.end("-9");
    b.end("-9");
    drop(cluster);

    let cluster = Cluster::start_with(1, "sync_interval: always");
    let place = Place::new(dir.path(), 3, &cluster);
    place.set("demo = true\nsecure_cookies = false");
    let path = place.dir.join("jari.toml");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "replicas = 1\n").unwrap();
    place.prints(&["restore", backup, "--to", data]);
    let says = place.refused(&["serve", "--config", "jari.toml"]);
    assert!(says.contains("jari journal rebuild stream"), "{says}");
    let says = place.prints(&["journal", "rebuild", "stream", "--config", "jari.toml"]);
    assert_eq!(field(&says, "entries"), "2 put into it", "a person's key and an operator: {says}");
    let says = place.prints(&["journal", "rebuild", "vault", "--config", "jari.toml"]);
    assert_eq!(field(&says, "entries"), "as they were");
    let node = place.serve();
    sign_in(&node, &password, 201);
    let session = identify(&node, &node, "01000000001");
    assert_eq!(node.bearing(&session).get("/api/v1/identities/me")["name"], "김하늘");
    node.end("-TERM");

    // A lost shared vault is not replaced by an empty one, and is made anew from the replica.
    cluster.api("STREAM.DELETE.KV_jari-vault", json!({}));
    let says = place.refused(&["serve", "--config", "jari.toml"]);
    assert!(says.contains("jari journal rebuild vault"), "{says}");
    place.prints(&["journal", "rebuild", "vault", "--config", "jari.toml"]);
    let node = place.serve();
    sign_in(&node, &password, 201);
    assert_eq!(node.bearing(&session).get("/api/v1/identities/me")["name"], "김하늘");
    node.end("-TERM");
}
