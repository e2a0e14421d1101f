//! Messages on their way to a receiver that refuses, breaks and stays silent: what is sent, how often, with which
//! key, and what is reported done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jari_core::limits;
use jari_journal::FaultyStream;
use jari_messenger::{Carrier, Messenger, Policy, Webhook, WebhookOptions};
use jari_web::messages::MessageOptions;
use jari_web::{effects, tasks};
use serde_json::{Value, json};
use tokio::sync::Notify;
use zeroize::Zeroizing;

use crate::cluster;
use crate::harness::{Actor, START, TestSite, claim, problem, telephone};
use crate::receivers::{Answer, Arrived, Receiver};

const BORN: &str = "1964-03-07";

fn messenger(receiver: &Receiver) -> Arc<Messenger> {
    let secrets = Zeroizing::new("a secret of the receiver".to_owned());
    let url = format!("http://{}/", receiver.address);
    let webhook = WebhookOptions { url, secrets, authority: None, clear_trusted: false };
    let carrier = Carrier::Webhook(Webhook::new(&webhook).unwrap());
    Arc::new(Messenger::new(vec![carrier], Duration::from_secs(60)))
}

fn quick() -> MessageOptions {
    let policy = Policy {
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(4),
        refusals_max: 3,
        failures_max: 5,
    };
    let code_policy = Policy { refusals_max: 1, ..policy };
    MessageOptions { policy, code_policy, ..MessageOptions::default() }
}

async fn site(receiver: &Receiver) -> TestSite {
    let messenger = messenger(receiver);
    TestSite::with(|options| (options.messenger, options.messages) = (Some(messenger), quick())).await
}

/// Holds a place and confirms it; gives the booking.
pub async fn book(citizen: &Actor<'_>, slot: u32) -> u64 {
    let held =
        citizen.keyed("hold-00000000000000").must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    let booking = held.json()["booking"].as_u64().unwrap();
    let confirm = format!("/api/v1/bookings/{booking}/confirm");
    citizen.keyed("confirm-00000000000").must_post(&confirm, &json!({}), 200).await;
    booking
}

/// Performs until nothing waits.
async fn perform_all(site: &TestSite) {
    while site.site.node.read(|state| !state.data().effects.is_empty()) {
        effects::perform(&site.site).await.unwrap();
        // What failed is due in some milliseconds.
        tokio::task::yield_now().await;
    }
}

fn waiting(site: &TestSite) -> usize {
    site.site.node.read(|state| state.data().effects.len())
}

fn key_of(arrived: &Arrived) -> String {
    arrived.header("idempotency-key").to_owned()
}

fn purpose_of(arrived: &Arrived) -> String {
    let body: Value = serde_json::from_str(&arrived.body).unwrap();
    body["purpose"].as_str().unwrap().to_owned()
}

/// A script that gives the first answers in turn, and takes everything after them.
fn at_first(answers: &'static [Answer]) -> impl Fn(&Arrived) -> Answer + Send + Sync + 'static {
    let count = AtomicUsize::new(0);
    move |_| answers.get(count.fetch_add(1, Ordering::SeqCst)).cloned().unwrap_or(Answer::Status(200))
}

#[tokio::test]
async fn a_message_comes_again_with_its_key_until_the_receiver_has_taken_it_and_then_no_more() {
    // The second try is taken, and the answer lost: whoever has the key knows the third for a repeat.
    let mut receiver =
        Receiver::webhook(at_first(&[Answer::Status(503), Answer::Nothing, Answer::Status(500)])).await;
    let site = site(&receiver).await;
    let slot = site.with_campaign(1).await;
    let citizen = site.citizen(1, BORN).await;
    let held =
        citizen.keyed("hold-00000000000000").must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    assert_eq!(effects::perform(&site.site).await, Ok(0));
    assert_eq!(receiver.rest(), 0, "a hold is no booking, and nobody is told of one");
    let confirm = format!("/api/v1/bookings/{}/confirm", held.json()["booking"]);
    citizen.keyed("confirm-00000000000").must_post(&confirm, &json!({}), 200).await;
    assert_eq!(effects::perform(&site.site).await, Ok(0));
    assert_eq!(waiting(&site), 1, "what was not taken is not reported done");
    perform_all(&site).await;
    let mut keys = Vec::new();
    for _ in 0..4 {
        let arrived = receiver.next().await;
        let body: Value = serde_json::from_str(&arrived.body).unwrap();
        let text = format!("[Jari] Booked: 2021-07-16 19:00, 하늘의원. Code {}", held.text_at("code"));
        assert_eq!((&body["to"], &body["text"]), (&json!(telephone(1)), &json!(text)));
        assert_eq!((&body["language"], &body["purpose"]), (&json!("en"), &json!("booked")));
        keys.push(key_of(&arrived));
    }
    let expected = format!("{:016x}-e0", TestSite::keys().installation());
    assert_eq!(keys, [expected.as_str(); 4]);
    assert_eq!(effects::perform(&site.site).await, Ok(0));
    assert_eq!(receiver.rest(), 0);
}

#[tokio::test]
async fn what_a_receiver_refuses_is_given_up_and_shown_without_a_name_and_the_others_are_not_held_up() {
    let mut receiver = Receiver::webhook(|arrived| {
        let unknown = arrived.body.contains(&telephone(1));
        Answer::Status(if unknown { 422 } else { 200 })
    })
    .await;
    let site = site(&receiver).await;
    let slot = site.with_campaign(9).await;
    for number in 1..=4 {
        book(&site.citizen(number, BORN).await, slot).await;
    }
    perform_all(&site).await;
    let mut tries = BTreeMap::new();
    for _ in 0..6 {
        *tries.entry(key_of(&receiver.next().await)).or_insert(0) += 1;
    }
    assert_eq!((tries.into_values().collect::<Vec<_>>(), receiver.rest()), (vec![3, 1, 1, 1], 0));
    let operator = site.operator().await;
    let shown = operator.get("/api/v1/operator/messages").await;
    let seen = shown.json();
    assert_eq!((&seen["taken"], &seen["given_up"], &seen["waiting"]), (&json!(3), &json!(1), &json!(0)));
    assert_eq!((&seen["carriers"], &seen["failing"]), (&json!(["webhook"]), &json!([])));
    let failed = &seen["failed"][0];
    assert_eq!((&failed["to"], &failed["said"]), (&json!("··01"), &json!("http 422")));
    assert_eq!(
        (&failed["purpose"], &failed["tries"], &failed["effect"]),
        (&json!("booked"), &json!(3), &json!(0))
    );
    let text = String::from_utf8_lossy(&shown.body).into_owned();
    assert!(!text.contains(&telephone(1)) && !text.contains("김하늘"), "{text}");
    let nobody = site.nobody().get("/api/v1/operator/messages").await;
    assert_eq!(nobody.problem(), problem(401, "staff_only"));
}

#[tokio::test]
async fn one_that_always_fails_while_others_are_taken_is_given_up_and_an_outage_gives_up_nobody() {
    let down = Arc::new(Mutex::new(true));
    let is_down = Arc::clone(&down);
    let receiver = Receiver::webhook(move |arrived| {
        let broken = *is_down.lock().unwrap() || arrived.body.contains(&telephone(1));
        Answer::Status(if broken { 500 } else { 200 })
    })
    .await;
    let site = site(&receiver).await;
    let slot = site.with_campaign(400).await;
    book(&site.citizen(1, BORN).await, slot).await;
    book(&site.citizen(2, BORN).await, slot).await;
    let tries = |seen: Value| seen["failing"][0]["tries"].as_u64().unwrap_or(0);
    let operator = site.operator().await;
    while tries(operator.get("/api/v1/operator/messages").await.json()) < 40 {
        effects::perform(&site.site).await.unwrap();
    }
    assert_eq!(waiting(&site), 2, "the receiver is away: nobody is given up");
    *down.lock().unwrap() = false;
    // Others are taken between its failures: five of these, and it is given up.
    let mut number = 2;
    let seen = loop {
        number += 1;
        assert!(number < 200, "it is given up");
        book(&site.citizen(number, BORN).await, slot).await;
        effects::perform(&site.site).await.unwrap();
        let seen = operator.get("/api/v1/operator/messages").await.json();
        if seen["given_up"] == json!(1) {
            break seen;
        }
    };
    assert!(seen["taken"].as_u64() >= Some(5), "{seen}");
    assert_eq!((&seen["failed"][0]["effect"], &seen["failed"][0]["said"]), (&json!(0), &json!("http 500")));
}

#[tokio::test]
async fn a_booking_is_told_of_in_order_though_its_first_message_fails() {
    let mut receiver = Receiver::webhook(at_first(&[Answer::Status(503), Answer::Status(503)])).await;
    let site = site(&receiver).await;
    let slot = site.with_campaign(9).await;
    let citizen = site.citizen(1, BORN).await;
    let booking = book(&citizen, slot).await;
    let moved = format!("/api/v1/bookings/{booking}/reschedule");
    citizen.keyed("move-00000000000000").must_post(&moved, &json!({"slot": slot + 1}), 200).await;
    let cancel = format!("/api/v1/bookings/{booking}/cancel");
    citizen.keyed("cancel-000000000000").must_post(&cancel, &json!({}), 200).await;
    perform_all(&site).await;
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(purpose_of(&receiver.next().await));
    }
    assert_eq!(told, ["booked", "booked", "booked", "moved", "cancelled"]);
}

#[tokio::test]
async fn whoever_is_forgotten_between_two_tries_hears_nothing_more() {
    let mut receiver = Receiver::webhook(|_| Answer::Status(503)).await;
    let site = site(&receiver).await;
    let slot = site.with_campaign(1).await;
    let citizen = site.citizen(1, BORN).await;
    book(&citizen, slot).await;
    effects::perform(&site.site).await.unwrap();
    assert!(receiver.rest() > 0);
    assert_eq!(citizen.delete("/api/v1/identities/me").await.status, 204);
    perform_all(&site).await;
    assert_eq!((receiver.rest(), waiting(&site)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_under_way_is_let_go_when_the_lease_is_another_nodes_and_comes_from_there() {
    let mut receiver = Receiver::webhook(at_first(&[Answer::Silence])).await;
    let stream = FaultyStream::new(1 << 20);
    let carried = messenger(&receiver);
    let node = async |number| {
        let carried = Arc::clone(&carried);
        cluster::site_with(&stream, number, 2, |options| {
            (options.messenger, options.messages) = (Some(carried), quick());
        })
        .await
    };
    let (one, two) = (node(1).await, node(2).await);
    let slot = one.with_campaign(5).await;
    book(&one.citizen(1, BORN).await, slot).await;
    cluster::hears_of_effects(&two, 1, 0).await;
    let performing = tokio::spawn({
        let site = Arc::clone(&one.site);
        async move { effects::perform(&site).await }
    });
    let first = receiver.next().await;
    // Each of these nodes has a vault of its own: this one is to know the person, too.
    two.citizen(1, BORN).await;
    assert_eq!(effects::perform(&two.site).await, Ok(0), "the first node holds the lease");
    two.clock.advance_ms(limits::LEASE_MS);
    assert_eq!(effects::perform(&two.site).await, Ok(1), "its lease is over");
    assert_eq!(key_of(&receiver.next().await), key_of(&first));
    cluster::hears_of_effects(&one, 1, 1).await;
    receiver.hung_up().await;
    assert_eq!(performing.await.unwrap(), Ok(0));
}

#[tokio::test]
async fn a_message_that_takes_longer_than_a_lease_is_not_let_go_while_the_lease_is_renewed() {
    let done = Arc::new(Notify::new());
    let held = Arc::clone(&done);
    let mut receiver = Receiver::webhook(move |_| Answer::Held(Arc::clone(&held))).await;
    let site = site(&receiver).await;
    let slot = site.with_campaign(1).await;
    book(&site.citizen(1, BORN).await, slot).await;
    let _stopped = stop_time();
    let performing = tokio::spawn({
        let site = Arc::clone(&site.site);
        async move { effects::perform(&site).await }
    });
    let until = || site.site.node.read(|state| state.data().lease.map(|lease| lease.until));
    while receiver.rest() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        let before = until();
        site.clock.advance_ms(limits::LEASE_MS - limits::LEASE_MARGIN_MS);
        tokio::time::advance(Duration::from_secs(1)).await;
        // And the next one begins at once, as if the journal had taken all but the margin of the new lease.
        while until() == before {
            assert!(!performing.is_finished(), "it is let go");
            tokio::task::yield_now().await;
        }
    }
    done.notify_one();
    assert_eq!(performing.await.unwrap(), Ok(1));
    assert_eq!((receiver.rest(), waiting(&site)), (0, 0), "it was tried once");
}

/// Stops tokio's time, which passes only by `advance` from now on. Of itself a stopped time runs on where nobody is
/// ready, and would not wait for the node's thread: a task that blocks, until this is dropped, keeps it from that.
fn stop_time() -> std::sync::mpsc::Sender<()> {
    let (held, until_dropped) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || until_dropped.recv());
    tokio::time::pause();
    held
}

#[tokio::test]
async fn a_code_is_tried_until_it_is_taken_or_of_no_use_and_there_is_room_for_so_many() {
    let mut receiver = Receiver::webhook(|arrived| {
        let body: Value = serde_json::from_str(&arrived.body).unwrap();
        match body["to"].as_str().unwrap() {
            to if to == telephone(1) => Answer::Status(503),
            to if to == telephone(2) => Answer::Status(422),
            _ => Answer::Status(200),
        }
    })
    .await;
    let (carried, codes) = (messenger(&receiver), MessageOptions { codes_max: 2, ..quick() });
    let site = TestSite::with(|options| (options.messenger, options.messages) = (Some(carried), codes)).await;
    let ask = async |number| site.nobody().post("/api/v1/identities/codes", &claim(number, BORN)).await;
    assert_eq!((ask(1).await.status, ask(2).await.status), (201, 201));
    // Nobody carries them yet.
    let full = ask(3).await;
    assert_eq!(full.problem(), problem(503, "messages_full"));
    assert_eq!(full.headers["retry-after"], "10");
    let _tasks = tasks::start(&site.site);
    let shown = async || site.operator().await.get("/api/v1/operator/messages").await.json();
    let mut keys: BTreeMap<String, usize> = BTreeMap::new();
    while keys.values().max().is_none_or(|tries| *tries < 5) {
        *keys.entry(key_of(&receiver.next().await)).or_default() += 1;
    }
    let mut tries: Vec<usize> = keys.into_values().collect();
    tries.sort_unstable();
    assert_eq!(tries, [1, 5], "one is refused for good, the other is tried on with one key");
    let last = shown().await["last_failure"].clone();
    assert_eq!(
        (&last["carrier"], &last["at_ms"]),
        (&json!("webhook"), &json!(START)),
        "why, at once: {last}"
    );
    // Whoever was told to come back is sent a code as soon as there is room.
    assert_eq!(ask(3).await.status, 201);
    loop {
        let arrived = receiver.next().await;
        let body: Value = serde_json::from_str(&arrived.body).unwrap();
        if body["to"] == json!(telephone(3)) {
            assert_eq!((&body["purpose"], &body["text"]), (&json!("code"), &json!(site.text_for(3).await)));
            assert!(body["expires_at_ms"].as_u64() > Some(site.site.node.now().0));
            break;
        }
    }
    site.clock.advance_ms(300_000);
    loop {
        let seen = shown().await;
        if seen["codes_waiting"] == json!(0) {
            let failed = seen["failed"].as_array().unwrap();
            assert_eq!(failed.len(), 2, "{seen}");
            assert_eq!(failed[0]["said"], "it was of no use any more");
            assert_eq!((&failed[1]["to"], &failed[1]["said"]), (&json!("··02"), &json!("http 422")));
            break;
        }
    }
}

#[tokio::test]
async fn late_messages_are_a_warning_and_no_reason_to_start_again() {
    let receiver = Receiver::webhook(|_| Answer::Status(503)).await;
    let site = site(&receiver).await;
    let slot = site.with_campaign(1).await;
    book(&site.citizen(1, BORN).await, slot).await;
    let alive = async || String::from_utf8(site.nobody().get("/healthz").await.body.to_vec()).unwrap();
    let late = async || site.nobody().get("/readyz").await.json()["messages"].clone();
    site.clock.advance_ms(60_000);
    assert_eq!((alive().await.as_str(), &late().await["late"]), ("alive\n", &json!(false)));
    site.clock.advance_ms(15_000);
    assert_eq!(alive().await, "alive\nwarning: 1 messages to people wait, the oldest for 75 s\n");
    assert_eq!(late().await, json!({"waiting": 1, "oldest_ms": 75_000, "late": true}));
    effects::perform(&site.site).await.unwrap();
    let token = site.operator_token().await;
    let console =
        site.nobody().saying("cookie", format!("jari_staff={token}")).saying("accept-language", "en");
    let page = String::from_utf8(console.get("/operator").await.body.to_vec()).unwrap();
    assert!(
        page.contains("Messages are late") && page.contains("webhook: http 503") && page.contains("··01"),
        "{page}"
    );
    assert!(!page.contains(&telephone(1)) && !page.contains("김하늘"));
}

#[tokio::test]
async fn somebody_who_is_forgotten_gets_no_more_messages_and_no_digit_of_them_is_shown() {
    // The first is given up, the second still tried when they are forgotten.
    let mut receiver = Receiver::webhook(|arrived| {
        Answer::Status(if arrived.body.contains("\"cancelled\"") { 503 } else { 422 })
    })
    .await;
    let site = site(&receiver).await;
    let slot = site.with_campaign(9).await;
    let citizen = site.citizen(1, BORN).await;
    let booking = book(&citizen, slot).await;
    perform_all(&site).await;
    let cancel = format!("/api/v1/bookings/{booking}/cancel");
    citizen.keyed("cancel-000000000000").must_post(&cancel, &json!({}), 200).await;
    effects::perform(&site.site).await.unwrap();
    let operator = site.operator().await;
    let seen = operator.get("/api/v1/operator/messages").await.json();
    let digits = |seen: &Value| (seen["failed"][0]["to"].clone(), seen["failing"][0]["to"].clone());
    assert_eq!(digits(&seen), (json!("··01"), json!("··01")), "{seen}");
    assert_eq!(citizen.delete("/api/v1/identities/me").await.status, 204);
    receiver.rest();
    let seen = operator.get("/api/v1/operator/messages").await.json();
    assert_eq!(digits(&seen), (json!(""), json!("")), "{seen}");
    // What waits ends with the next try, and is no failure.
    perform_all(&site).await;
    assert_eq!(receiver.rest(), 0);
    let seen = operator.get("/api/v1/operator/messages").await.json();
    assert_eq!((&seen["failing"], &seen["given_up"]), (&json!([]), &json!(1)), "{seen}");
}
