//! The real binary with a receiver that loses its answers: killed in the middle, started again, nothing is lost, and
//! every repeat has the key of the first.

#[path = "../../messenger/tests/receivers/mod.rs"]
mod receivers;
mod service;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jari_node::{Clock, SystemClock};
use receivers::{Answer, Arrived, Receiver};
use serde_json::{Value, json};
use service::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BORN: &str = "1964-03-07";
const DAY_MS: u64 = 86_400_000;

fn start(dir: &Path, messages: &str) -> Service {
    fs::write(dir.join("secret"), "a secret of the receiver\n").unwrap();
    Service::start(dir, messages)
}

impl Service {
    async fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Value {
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nidempotency-key: {path:0>24.60}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(self.address).await.expect("it accepts");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|_| Value::from(body))
    }

    /// An operator with a campaign of one clinic and one slot.
    async fn stage(&mut self) -> String {
        let signed = json!({"name": "operator", "password": self.password()});
        let session = self.ask("POST", "/api/v1/operator/sessions", "", &signed).await;
        let token = session["staff_token"].as_str().unwrap().to_owned();
        let now_ms = SystemClock.now().0;
        let campaign = json!({
            "campaign": 1, "name": "55-59", "quota": 100, "vaccines": [{"name": "Moderna", "quota": 100}],
            "rules": {"version": 1, "born_from": "1962-01-01", "born_until": "1966-12-31", "doses": 1,
                "dose_interval_days": 0},
            "windows": {"each": [{"opens_at_ms": now_ms - DAY_MS, "closes_at_ms": now_ms + 30 * DAY_MS,
                "digits": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "share_ppm": 1_000_000}]},
            "hold_ms": 300_000
        });
        self.ask("POST", "/api/v1/operator/campaigns", &token, &campaign).await;
        let clinic = json!({"clinics": [{"name": "하늘의원", "address": "서울 중구 1", "region": "서울",
            "district": "중구", "postcode": "04524", "latitude_e6": 37_566_500, "longitude_e6": 126_978_000}]});
        self.ask("POST", "/api/v1/operator/clinics", &token, &clinic).await;
        self.ask("POST", "/api/v1/operator/campaigns/1/desks", &token, &json!({"clinics": [0]})).await;
        let slots = json!({"rows": [{"desk": 0, "slots": [
            {"starts_at_ms": now_ms + 2 * DAY_MS, "vaccine": 0, "capacity": 50}]}]});
        self.ask("POST", "/api/v1/operator/slots", &token, &slots).await;
        token
    }

    /// Identifies somebody by the code that arrives; gives their session.
    async fn identify(&self, receiver: &mut Receiver, number: u32) -> String {
        let claim = json!({"name": "김하늘", "birth": BORN, "telephone": telephone(number)});
        let asked = self.ask("POST", "/api/v1/identities/codes", "", &claim).await;
        let code = loop {
            let body: Value = serde_json::from_str(&receiver.next().await.body).unwrap();
            let text = body["text"].as_str().unwrap();
            let digits = text.split(|letter: char| !letter.is_ascii_digit()).find(|run| run.len() == 6);
            if body["purpose"] == "code" {
                break digits.unwrap().to_owned();
            }
        };
        let back = json!({"challenge": asked["token"], "code": code});
        let session = self.ask("POST", "/api/v1/identities/sessions", "", &back).await;
        session["session_token"].as_str().unwrap().to_owned()
    }

    async fn book(&self, session: &str) {
        let held = self.ask("POST", "/api/v1/holds", session, &json!({"slot": 0})).await;
        let confirm = format!("/api/v1/bookings/{}/confirm", held["booking"]);
        self.ask("POST", &confirm, session, &json!({})).await;
    }

    /// Waits until nothing waits.
    async fn is_done(&self) {
        while self.ask("GET", "/readyz", "", &json!({})).await["messages"]["waiting"] != json!(0) {}
    }
}

fn telephone(number: u32) -> String {
    format!("010{number:08}")
}

fn purpose(arrived: &Arrived) -> String {
    let body: Value = serde_json::from_str(&arrived.body).unwrap();
    body["purpose"].as_str().unwrap().to_owned()
}

fn webhook(receiver: &Receiver) -> String {
    format!("[messages.webhook]\nurl = \"http://{}/\"\nsecret_file = \"secret\"\n", receiver.address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_outlives_kills_and_lost_answers_and_keeps_its_key() {
    // Codes are taken. Of the rest every answer is lost, until it is told otherwise.
    let takes = Arc::new(AtomicBool::new(false));
    let taking = Arc::clone(&takes);
    let mut receiver = Receiver::webhook(move |arrived| match purpose(arrived) == "code" {
        true => Answer::Status(200),
        false if taking.load(Ordering::SeqCst) => Answer::Status(200),
        false => Answer::Nothing,
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut service = start(dir.path(), &webhook(&receiver));
    let operator = service.stage().await;
    for number in 1..=3 {
        let session = service.identify(&mut receiver, number).await;
        service.book(&session).await;
    }
    // Which key is whose, over two kills.
    let mut keys: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..2 {
        let mut tried = BTreeMap::new();
        while tried.len() < 3 || tried.values().any(|tries| *tries < 2) {
            let arrived = receiver.next().await;
            let body: Value = serde_json::from_str(&arrived.body).unwrap();
            assert_eq!(body["purpose"], "booked");
            let (key, to) = (arrived.header("idempotency-key").to_owned(), body["to"].to_string());
            assert_eq!(keys.entry(key.clone()).or_insert_with(|| to.clone()), &to, "a key is one message's");
            *tried.entry(key).or_insert(0) += 1;
        }
        service.kill();
        service = start(dir.path(), &webhook(&receiver));
    }
    assert_eq!(keys.len(), 3, "no try has a key of its own: {keys:?}");
    takes.store(true, Ordering::SeqCst);
    service.is_done().await;
    let seen = service.ask("GET", "/api/v1/operator/messages", &operator, &json!({})).await;
    assert_eq!((&seen["taken"], &seen["given_up"], &seen["failing"]), (&json!(3), &json!(0), &json!([])));
    let metrics = service.ask("GET", "/metrics", "", &json!({})).await;
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("jari_messages_total{purpose=\"booked\",became=\"taken\"} 3"), "{metrics}");

    // What was reported done does not come again.
    while receiver.rest() > 0 {}
    service.kill();
    let service = start(dir.path(), &webhook(&receiver));
    service.is_done().await;
    let session = service.identify(&mut receiver, 4).await;
    service.book(&session).await;
    let arrived = receiver.next().await;
    assert!(arrived.body.contains(&telephone(4)) && arrived.header("idempotency-key").ends_with("-e3"));
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    for secret in ["a secret of the receiver", "김하늘", &telephone(1), "010000"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_webhook_fails_the_mail_server_is_asked() {
    let mut mail = Receiver::mail(|_| Answer::Status(250)).await;
    let webhook_broken = Receiver::webhook(|_| Answer::Status(500)).await;
    let messages = format!(
        "{}[messages.smtp]\nserver = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"Jari <no-reply@jari.example>\"\n\
         to = \"{{telephone}}@sms.example\"\n",
        webhook(&webhook_broken),
        mail.address.port()
    );
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path(), &messages);
    let claim = json!({"name": "김하늘", "birth": BORN, "telephone": telephone(1), "language": "en"});
    service.ask("POST", "/api/v1/identities/codes", "", &claim).await;
    let arrived = mail.next().await;
    assert_eq!(arrived.header("rcpt"), format!("RCPT TO:<{}@sms.example>", telephone(1)));
    assert_eq!(arrived.header("subject"), "A message from Jari");
    assert!(arrived.body.contains("[Jari] Your code is "), "{}", arrived.body);
}

#[test]
fn a_service_does_not_start_without_its_secret() {
    let dir = tempfile::tempdir().unwrap();
    let text = "data = \"data\"\nlisten = \"127.0.0.1:0\"\n[messages.webhook]\nurl = \"https://sms.example.org/\"\n\
                secret_file = \"none\"\n";
    fs::write(dir.path().join("jari.toml"), text).unwrap();
    let jari = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jari"));
        command.args(["serve", "--config", "jari.toml"]).args(arguments).current_dir(dir.path());
        command.output().unwrap()
    };
    assert!(jari(&["--check"]).status.success(), "its files may be elsewhere");
    let output = jari(&[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("cannot read") && said.contains("none"), "{said}");
}
