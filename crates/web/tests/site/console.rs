//! The operator's console: the record of what happens, its alarms, and those who listen.

use std::time::Duration;

use jari_web::ServerOptions;
use jari_web::series::{Recorder, live, record};
use jari_web::staff::Role;
use jari_wire::token::StaffSession;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{OPENS_AT, START, TestSite, problem};
use crate::pages_operator::signed_in;
use crate::server::{at_once, run};
use crate::staff::account;

const LOOKS: [&str; 3] = ["/api/v1/operator/series", "/api/v1/operator/alarms", "/api/v1/operator/events"];

#[tokio::test]
async fn what_happens_is_for_the_staff_only() {
    let site = TestSite::new().await;
    let citizen = site.citizen(1, "1964-03-07").await;
    let token = site.operator_token().await;
    for path in LOOKS {
        assert_eq!(site.nobody().get(path).await.problem(), problem(401, "staff_only"), "{path}");
        let by_citizen = citizen.get(path).await;
        assert!(matches!(by_citizen.status, 401 | 403), "{path}: {by_citizen:?}");
    }
    // By the console's cookie as well: a browser's stream of events has no headers.
    let cookie = format!("jari_staff={token}");
    for path in &LOOKS[..2] {
        assert_eq!(site.nobody().saying("cookie", cookie.as_str()).get(path).await.status, 200, "{path}");
    }
    // A cookie looks, and changes nothing.
    let change = site.nobody().saying("cookie", cookie.as_str());
    let reply = change.post("/api/v1/operator/rooms/1/pause", &json!({"reason": "x"})).await;
    assert_eq!(reply.problem(), problem(401, "staff_only"));
}

#[tokio::test]
async fn arrivals_and_requests_are_recorded_second_by_second() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    site.at(START + 1_000).await;
    record(&site.site);
    for _ in 0..3 {
        assert_eq!(site.nobody().post("/api/v1/rooms/1/tickets", &json!({})).await.status, 201);
    }
    site.publish().await;
    site.nobody().get("/api/v1/rooms/1/now").await;
    site.at(START + 2_000).await;
    record(&site.site);
    let series = site.operator().await.get("/api/v1/operator/series").await.json();
    assert_eq!(series["at_ms"], json!([START + 1_000, START + 2_000]));
    assert_eq!(series["ms"], json!([1_000, 1_000]));
    let room = &series["rooms"][0];
    assert_eq!((&room["room"], &room["arrivals"]), (&json!(1), &json!([0, 3])));
    assert_eq!(room["waiting"], json!([0, 3]));
    assert_eq!(series["node"]["served"][1], 3);
    assert_eq!(series["node"]["polls"][1], 1);
    assert!(series["node"]["flush_p99_us"][1].as_u64().unwrap() > 0, "records were flushed");
    assert!(series["node"]["latency_p99_us"][1].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_service_that_starts_again_knows_the_minutes_before_and_counts_none_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("series.jsonl");
    let served = |series: &Value| {
        let counts = series["node"]["served"].as_array().unwrap().iter();
        counts.filter_map(Value::as_u64).sum::<u64>()
    };
    let mut written = Vec::new();
    // Each life serves three requests in each of its two whole minutes, and is not whole in its last.
    for life in 0..3_u64 {
        let site = TestSite::with(|options| options.series_file = Some(path.clone())).await;
        let begins = START + life * 180_000;
        site.clock.set(jari_core::Time(begins));
        let mut recorder = Recorder::start(site.site.clone()).await;
        let series = site.operator().await.get("/api/v1/operator/series?from=0&step=60").await.json();
        assert_eq!(served(&series), life * 6, "what was written before is known, each minute once: {series}");
        for tick in 1..=13 {
            if tick % 5 == 0 {
                for _ in 0..3 {
                    site.nobody().get("/api/v1/campaigns").await;
                }
            }
            site.clock.set(jari_core::Time(begins + tick * 10_000));
            recorder.second().await;
        }
        written.push(std::fs::read_to_string(&path).unwrap().lines().count());
    }
    assert_eq!(written, [2, 4, 6]);
}

#[tokio::test]
async fn the_past_is_given_within_bounds() {
    let site = TestSite::new().await;
    record(&site.site);
    let operator = site.operator().await;
    let series = operator.get("/api/v1/operator/series?from=0&step=1").await.json();
    let week_s = 7 * 86_400;
    assert_eq!(series["step_s"], json!((week_s + 1_022) / 1_023), "a week has at most 1,024 points");
    assert_eq!(operator.get("/api/v1/operator/series?from=-1").await.problem().0, 400);
    assert_eq!(operator.get("/api/v1/operator/series?step=99999999999").await.json()["step_s"], 3_600);
}

/// A room that is open, in which three wait and none is called: at this moment, and since the opening.
async fn with_a_stalled_queue(site: &TestSite) {
    site.with_room(false, None).await;
    let pace = json!({"pace": {"entries_per_minute_max": 60, "passes_max": 1, "pass_ttl_ms": 600_000,
        "latency_goal_ms": 0, "error_goal_ppm": 1_000_000}, "reason": "one at a time"});
    site.operator().await.must_post("/api/v1/operator/rooms/1/pace", &pace, 204).await;
    for _ in 0..4 {
        site.nobody().must_post("/api/v1/rooms/1/tickets", &json!({}), 201).await;
    }
    for second in 0..35 {
        site.at(OPENS_AT - 1_000 + second * 1_000).await;
        record(&site.site);
    }
}

#[tokio::test]
async fn a_queue_that_stands_is_an_alarm_everywhere() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let site = TestSite::new().await;
    with_a_stalled_queue(&site).await;
    let alarms = site.operator().await.get("/api/v1/operator/alarms").await.json();
    let alarm = &alarms["alarms"][0];
    assert_eq!((&alarm["kind"], &alarm["room"]), (&json!("queue_stalled"), &json!(1)), "{alarms}");
    assert_eq!(alarm["measured"], 3, "three wait");
    assert_eq!(alarm["runbook"], "docs/runbook.md#alarm-queue-stalled");
    metrics::with_local_recorder(&recorder, || record(&site.site));
    let metrics = recorder.handle().render();
    assert!(metrics.contains("jari_alarm{kind=\"queue_stalled\"} 1"), "{metrics}");
    assert!(metrics.contains("jari_alarm{kind=\"slow_disk\"} 0"), "{metrics}");
    let mut operator = signed_in(&site).await;
    operator.open("/operator").await.says("The queue stands: 3 wait and nobody is called");
    operator.says("since 20:00:30").says("/operator/runbook#alarm-queue-stalled");
    operator
        .follow("/operator/runbook")
        .await
        .says("Alarm: queue stalled")
        .says("for the time of three calls");
}

#[tokio::test]
async fn a_page_says_that_all_is_well_and_has_the_last_values_as_text() {
    let site = TestSite::new().await;
    let campaign = site.with_campaign(2).await;
    site.with_room(false, Some(campaign.min(1))).await;
    let mut operator = signed_in(&site).await;
    operator.open("/operator").await.says("Nothing was recorded yet");
    site.at(START + 1_000).await;
    record(&site.site);
    operator.open("/operator").await.says("All is well").says("Journal flush takes");
    operator.says("<td data-key=\"waiting\">0</td>").says("<td data-key=\"free\">");
    assert!(!operator.html.contains("<script>") && !operator.html.contains(" style="), "nothing is inline");
    operator.open("/operator/rooms/1").await.says("All is well").says("data-room=\"1\"");
    assert!(!operator.html.contains("data-plot=\"flush\""), "a room's page has the room's plots");
    operator.open("/operator/campaigns/1").await.says("data-campaign=\"1\"").says("data-plot=\"places\"");
}

#[tokio::test]
async fn listeners_are_bounded_and_a_place_that_is_left_is_given_again() {
    let site = TestSite::new().await;
    let listen = |user| live::listen(&site.site, watcher(&site, user));
    for user in 0..10 {
        account(&site, &format!("watcher{user}"), user, Role::Viewer).await;
    }
    let mut listening: Vec<live::Events> = (0..live::LISTENERS_MAX)
        .map(|number| listen((number / live::LISTENERS_OF_ONE_MAX) as u32).unwrap())
        .collect();
    let refused = listen(9).map(|_| ()).unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.code), (503, "listeners_full"));
    listening.pop();
    let again = async {
        while listen(9).is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.expect("the place is free again");
}

#[tokio::test]
async fn one_account_does_not_take_the_places_of_the_others() {
    let site = TestSite::new().await;
    let listen = |user| live::listen(&site.site, watcher(&site, user));
    for user in 7..9 {
        account(&site, &format!("watcher{user}"), user, Role::Viewer).await;
    }
    let _own: Vec<live::Events> = (0..live::LISTENERS_OF_ONE_MAX).map(|_| listen(7).unwrap()).collect();
    assert_eq!(listen(7).map(|_| ()).unwrap_err().code, "listeners_full");
    assert!(listen(8).is_ok());
}

/// The session of a viewer.
fn watcher(site: &TestSite, user: u32) -> StaffSession {
    let ends_at = site.site.node.now().plus_ms(3_600_000);
    StaffSession { user, role: Role::Viewer.number(), ends_at, nonce: u64::from(user) }
}

/// Who listens and reads nothing would hold a connection, for which there is one place here, for ever.
#[tokio::test]
async fn whoever_takes_nothing_is_hung_up_on() {
    let site = TestSite::new().await;
    let untaken_time = Duration::from_millis(200);
    let server = run(&site, ServerOptions { connections_max: 1, untaken_time, ..at_once() }).await;
    let token = site.operator_token().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2_048).unwrap();
    let mut deaf = socket.connect(server.address).await.unwrap();
    deaf.write_all(listening(&token).as_bytes()).await.unwrap();
    let another_is_served = async {
        for second in 1.. {
            site.at(START + second * 1_000).await;
            record(&site.site);
            let mut other = TcpStream::connect(server.address).await.unwrap();
            let asked = other.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
            let mut answer = [0; 64];
            let read = other.read(&mut answer).await.unwrap_or(0);
            if asked.is_ok() && second > 1 && answer[..read].starts_with(b"HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), another_is_served).await.expect("the place is free again");
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
}

fn listening(token: &str) -> String {
    format!("GET /api/v1/operator/events HTTP/1.1\r\nhost: x\r\ncookie: jari_staff={token}\r\n\r\n")
}

/// Someone who listens on a real socket.
struct Listener {
    stream: TcpStream,
    heard: String,
}

impl Listener {
    async fn new(address: std::net::SocketAddr, token: &str) -> Listener {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(listening(token).as_bytes()).await.unwrap();
        let mut listener = Listener { stream, heard: String::new() };
        listener.until("retry: 2000").await;
        listener
    }

    /// Reads until it was said. What the server's own second brings is read as well.
    async fn until(&mut self, text: &str) {
        let reading = async {
            while !self.heard.contains(text) {
                let mut bytes = [0; 16 * 1024];
                let read = self.stream.read(&mut bytes).await.unwrap();
                assert!(read > 0, "it ended before {text:?} was said:\n{}", self.heard);
                self.heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it is said in time");
    }

    /// The body is over, in good order.
    async fn until_over(&mut self) {
        self.until("\r\n0\r\n\r\n").await;
    }
}

#[tokio::test]
async fn whoever_listens_hears_each_second_until_they_are_signed_out() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let server = run(&site, at_once()).await;
    let operator = site.operator().await;
    let mut listener = Listener::new(server.address, operator.token()).await;
    assert!(listener.heard.contains("content-type: text/event-stream"), "{}", listener.heard);
    site.at(START + 5_000).await;
    record(&site.site);
    listener.until(&format!("id: {}\nevent: second\ndata: {{", START + 5_000)).await;
    listener.until("\"alarms\":[]}\n\n").await;
    let data = listener.heard.split("data: ").last().unwrap().split('\n').next().unwrap();
    let second: Value = serde_json::from_str(data).unwrap();
    assert_eq!(second["sample"]["rooms"][0]["room"], 1);
    assert_eq!(operator.delete("/api/v1/operator/sessions").await.status, 204);
    record(&site.site);
    listener.until_over().await;
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_that_stops_lets_those_who_listen_go() {
    let site = TestSite::new().await;
    let server = run(&site, at_once()).await;
    let token = site.operator_token().await;
    let mut listener = Listener::new(server.address, &token).await;
    server.stop.send(()).unwrap();
    listener.until_over().await;
    tokio::time::timeout(Duration::from_secs(10), server.serving).await.expect("it ends").unwrap().unwrap();
    site.site.drain();
    let events = site.nobody().bearing(token).get("/api/v1/operator/events").await;
    assert_eq!(events.status, 503, "another node is not about to stop");
}

#[tokio::test]
async fn a_session_that_is_over_hears_no_more() {
    let site = TestSite::with(|options| options.staff_session_ms = 60_000).await;
    let server = run(&site, at_once()).await;
    let token = site.operator_token().await;
    let mut listener = Listener::new(server.address, &token).await;
    site.at(START + 60_001).await;
    record(&site.site);
    listener.until_over().await;
    server.stop.send(()).unwrap();
    server.serving.await.unwrap().unwrap();
}
