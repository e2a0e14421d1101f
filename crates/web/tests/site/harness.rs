//! A whole site in memory, and its actors: citizen, operator, partner, nobody.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use jari_core::ids::ChannelId;
use jari_core::time::Date;
use jari_core::{Body, Command, Time};
use jari_journal::{MemoryJournal, MemoryOptions};
use jari_node::{Engine, EngineOptions, ManualClock, Node, NodeOptions};
use jari_web::actions::partner::PartnerCredential;
use jari_web::front::Caller;
use jari_web::network::Peer;
use jari_web::vault::Vault;
use jari_web::{Front, Site, SiteOptions, seed_source};
use jari_wire::KeyRing;
use serde_json::{Value, json};
use tower::ServiceExt;

/// 2021-07-14T19:00 in Korea; rooms open at 20:00.
pub const START: u64 = 1_626_256_800_000;
pub const OPENS_AT: u64 = START + 3_600_000;
pub const PARTNER_SECRET: &str = "a-partner-secret-of-the-messenger";

/// See the module's documentation.
pub struct TestSite {
    pub site: Arc<Site>,
    pub front: Front,
    pub clock: Arc<ManualClock>,
    password: String,
    _node: Node,
    _directory: tempfile::TempDir,
}

/// What came back.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Someone with headers of their own.
#[derive(Clone)]
pub struct Actor<'a> {
    site: &'a TestSite,
    headers: Vec<(&'static str, String)>,
    network: IpAddr,
}

impl TestSite {
    pub async fn new() -> TestSite {
        TestSite::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut SiteOptions)) -> TestSite {
        TestSite::on(engine_alone(), change).await
    }

    /// A site on a node's engine. All of them have the same keys, and vaults of their own.
    pub async fn on(engine: Engine, change: impl FnOnce(&mut SiteOptions)) -> TestSite {
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::open(&directory.path().join("vault.redb"), TestSite::keys()).unwrap();
        TestSite::made_of(engine, vault, directory, change).await
    }

    /// The keys of every site here.
    pub fn keys() -> KeyRing {
        KeyRing::generate(1, [42; 32], Date(18_000))
    }

    /// A site with this vault, whose file lies in the directory.
    pub async fn with_vault(
        vault: Vault,
        directory: tempfile::TempDir,
        change: impl FnOnce(&mut SiteOptions),
    ) -> TestSite {
        TestSite::made_of(engine_alone(), vault, directory, change).await
    }

    async fn made_of(
        engine: Engine,
        vault: Vault,
        directory: tempfile::TempDir,
        change: impl FnOnce(&mut SiteOptions),
    ) -> TestSite {
        let keys = TestSite::keys();
        let clock = Arc::new(ManualClock::at(Time(START)));
        let options = NodeOptions { seeds: seed_source(keys.clone()), ..NodeOptions::default() };
        let node = Node::start(engine, clock.clone(), options).unwrap();
        let password = vault.first_run().await.unwrap().unwrap().password;
        let partner = PartnerCredential {
            name: "messenger".into(),
            channel: ChannelId::PARTNER_FIRST,
            secret_hash: *blake3::hash(PARTNER_SECRET.as_bytes()).as_bytes(),
        };
        let mut options = SiteOptions { demo: true, partners: vec![partner], ..SiteOptions::default() };
        change(&mut options);
        let site = Site::new(node.handle(), keys, vault, options);
        let front = Front::new(Arc::clone(&site));
        TestSite { site, front, clock, password, _node: node, _directory: directory }
    }

    pub fn nobody(&self) -> Actor<'_> {
        Actor { site: self, headers: Vec::new(), network: [192, 0, 2, 1].into() }
    }

    pub async fn operator(&self) -> Actor<'_> {
        self.nobody().bearing(self.operator_token().await)
    }

    pub async fn operator_token(&self) -> String {
        let asked = json!({"name": "operator", "password": self.password});
        let reply = self.nobody().post("/api/v1/operator/sessions", &asked).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.text_at("staff_token")
    }

    /// A person who went through the code; the name and number follow from `number`.
    pub async fn citizen(&self, number: u32, birth: &str) -> Actor<'_> {
        let reply = self.nobody().post("/api/v1/identities/codes", &claim(number, birth)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let (challenge, code) = (reply.text_at("token"), self.code_for(number).await);
        let back = json!({"challenge": challenge, "code": code});
        let reply = self.nobody().post("/api/v1/identities/sessions", &back).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        self.nobody().bearing(reply.text_at("session_token"))
    }

    /// The newest code sent to a person.
    pub async fn code_for(&self, number: u32) -> String {
        let text = self.text_for(number).await;
        let digits = text.split(|character: char| !character.is_ascii_digit()).find(|run| run.len() == 6);
        digits.unwrap().to_owned()
    }

    /// The newest message with a code that was sent to a person.
    pub async fn text_for(&self, number: u32) -> String {
        let outbox = self.nobody().get(&format!("/api/v1/demo/outbox?to={}", telephone(number))).await.json();
        let messages = outbox.as_array().unwrap();
        let code = messages.iter().find(|message| message["purpose"] == "code").unwrap();
        code["text"].as_str().unwrap().to_owned()
    }

    /// A campaign without a room, one clinic, one slot of `capacity` in two days.
    pub async fn with_campaign(&self, capacity: u32) -> u32 {
        self.make_campaign(None, capacity).await
    }

    pub async fn make_campaign(&self, room: Option<u32>, capacity: u32) -> u32 {
        self.make_campaign_with(room, capacity, 0).await
    }

    /// As [`TestSite::make_campaign`]; people are reminded so long before.
    pub async fn make_campaign_with(&self, room: Option<u32>, capacity: u32, reminder_ms: u32) -> u32 {
        let operator = self.operator().await;
        let campaign = json!({
            "campaign": 1, "name": "55-59", "room": room, "quota": 1000,
            "vaccines": [{"name": "Moderna", "quota": 1000}],
            "rules": {"version": 1, "born_from": "1962-01-01", "born_until": "1966-12-31", "doses": 2, "dose_interval_days": 28},
            "windows": {"each": [{"opens_at_ms": START, "closes_at_ms": START + 30 * 86_400_000_u64,
                "digits": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "share_ppm": 1_000_000}]},
            "hold_ms": 300_000, "reminder_ms": reminder_ms
        });
        operator.must_post("/api/v1/operator/campaigns", &campaign, 201).await;
        let clinics = json!({"clinics": [{"name": "하늘의원", "address": "서울 중구 1", "region": "서울", "district": "중구",
            "postcode": "04524", "latitude_e6": 37_566_500, "longitude_e6": 126_978_000}]});
        operator.keyed("clinics-0000000000").must_post("/api/v1/operator/clinics", &clinics, 201).await;
        let desks = json!({"clinics": [0]});
        operator
            .keyed("desks-000000000000")
            .must_post("/api/v1/operator/campaigns/1/desks", &desks, 201)
            .await;
        let starts_at = START + 2 * 86_400_000;
        let rows = json!({"rows": [{"desk": 0, "slots": [
            {"starts_at_ms": starts_at, "vaccine": 0, "capacity": capacity},
            {"starts_at_ms": starts_at + 3_600_000, "vaccine": 0, "capacity": capacity}]}]});
        let added =
            operator.keyed("slots-000000000000").must_post("/api/v1/operator/slots", &rows, 201).await;
        self.publish().await;
        u32::try_from(added.json()["runs"][0]["first"].as_u64().unwrap()).unwrap()
    }

    /// A room that opens at [`OPENS_AT`].
    pub async fn with_room(&self, identity_bound: bool, campaign: Option<u32>) {
        let room = json!({
            "room": 1, "name": "예약 대기실", "opens_at_ms": OPENS_AT, "campaign": campaign,
            "identity_bound": identity_bound, "bookings_per_pass": 2,
            "pace": {"entries_per_minute_max": 60_000, "passes_max": 10_000, "pass_ttl_ms": 600_000,
                "latency_goal_ms": 0, "error_goal_ppm": 1_000_000}
        });
        self.operator().await.must_post("/api/v1/operator/rooms", &room, 201).await;
        self.publish().await;
    }

    /// Lets the service's clock stand at an instant and the machine hear of it.
    pub async fn at(&self, at: u64) {
        self.clock.set(Time(at));
        // One turn opens and draws a room, the next one calls.
        for _ in 0..4 {
            self.nudge().await;
        }
        self.publish().await;
    }

    /// Waits until what was done is published.
    pub async fn publish(&self) {
        let upto = self.site.node.status().position;
        while self.site.node.views().position < upto {
            self.nudge().await;
        }
    }

    /// A command that changes nothing.
    async fn nudge(&self) {
        let body = Body::AckEffects { upto: 0 };
        self.site.node.submit(Command { id: jari_core::ids::CommandId(0), body }).await.unwrap();
    }
}

pub fn telephone(number: u32) -> String {
    format!("010{number:08}")
}

pub fn claim(number: u32, birth: &str) -> Value {
    json!({"name": format!("김하늘 {}", ["가", "나", "다", "라"][number as usize % 4]), "birth": birth,
        "telephone": telephone(number), "language": "en"})
}

impl<'a> Actor<'a> {
    pub fn bearing(&self, token: impl Into<String>) -> Actor<'a> {
        self.saying("authorization", format!("Bearer {}", token.into()))
    }

    /// The token that it bears.
    ///
    /// # Panics
    ///
    /// If it bears none.
    pub fn token(&self) -> &str {
        let borne = self.headers.iter().find(|(name, _)| *name == "authorization");
        borne.unwrap().1.strip_prefix("Bearer ").unwrap()
    }

    pub fn keyed(&self, key: &str) -> Actor<'a> {
        self.saying("idempotency-key", key)
    }

    pub fn saying(&self, name: &'static str, value: impl Into<String>) -> Actor<'a> {
        let mut actor = self.clone();
        actor.headers.retain(|(known, _)| *known != name);
        actor.headers.push((name, value.into()));
        actor
    }

    pub fn at_network(&self, network: impl Into<IpAddr>) -> Actor<'a> {
        Actor { network: network.into(), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, Bytes::new()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, Bytes::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, Bytes::from(body.to_string())).await
    }

    pub async fn must_post(&self, path: &str, body: &Value, status: u16) -> Reply {
        let reply = self.post(path, body).await;
        assert_eq!(reply.status, status, "POST {path}: {reply:?}");
        reply
    }

    pub async fn send(&self, method: &str, path: &str, body: Bytes) -> Reply {
        let caller = Caller::new(Peer(self.network), Arc::new(|| {}));
        Reply::of(self.site.front.answer(&caller, self.request(method, path, body)).await).await
    }

    /// Sends to the routes alone, past all that the front does.
    pub async fn send_to_routes(&self, method: &str, path: &str, body: Bytes) -> Reply {
        let mut request = self.request(method, path, body).map(axum::body::Body::new);
        request.extensions_mut().insert(Peer(self.network));
        Reply::of(jari_web::router(Arc::clone(&self.site.site)).oneshot(request).await.unwrap()).await
    }

    fn request(&self, method: &str, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(body)).unwrap()
    }
}

impl Reply {
    async fn of<B: BodyExt<Data = Bytes>>(response: http::Response<B>) -> Reply
    where
        B::Error: std::fmt::Debug,
    {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn text_at(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }

    /// Status and the problem's code.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let kind = self.text_at("type");
        (self.status, kind.strip_prefix("urn:jari:problem:").unwrap().to_owned())
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

/// A problem to compare with.
pub fn problem(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// An engine on a journal of its own.
fn engine_alone() -> Engine {
    let journal = MemoryJournal::new(MemoryOptions::default());
    Engine::recover(Box::new(journal), None, EngineOptions::default()).unwrap().0
}
