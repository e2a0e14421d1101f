//! Rubbish, wrong order, forged and misplaced tokens: nothing panics, nothing is given,
//! the error says why.

use bytes::Bytes;
use jari_core::ids::{PersonId, RoomId, Serial};
use jari_core::time::Date;
use jari_core::{Time, ids::ChannelId};
use jari_wire::KeyRing;
use jari_wire::token::{Pass, Session, Ticket};
use serde_json::json;

use crate::harness::{OPENS_AT, START, TestSite, problem};

const KEY: &str = "key-0000000000000001";
const BORN: &str = "1964-03-07";

/// Deterministic rubbish.
fn rubbish(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let len = seed as usize * 7 % 200;
    let mut bytes = Vec::with_capacity(len);
    for _ in 0..len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state as u8);
    }
    bytes
}

#[tokio::test]
async fn rubbish_in_every_body_is_answered_and_changes_nothing() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let slot = site.with_campaign(1).await;
    let operator = site.operator().await.keyed(KEY);
    let citizen = site.citizen(1, BORN).await.keyed(KEY);
    let before = site.site.node.read(|state| state.data().bookings.end());
    let nested = "[".repeat(10_000);
    for (method, path) in jari_web::api::listed() {
        if method != http::Method::POST && method != http::Method::PUT {
            continue;
        }
        // Joining takes no body, and rubbish in one is not read.
        if path.ends_with("/tickets") {
            continue;
        }
        let path = path.replace("{room}", "1").replace("{campaign}", "1").replace("{slot}", "0");
        let path = path.replace("{booking}", "999999").replace("{deed}", "x");
        let actor = if path.contains("/operator/") { &operator } else { &citizen };
        for seed in 0..40 {
            let reply = actor.send(method.as_str(), &path, Bytes::from(rubbish(seed))).await;
            let bodiless =
                path.ends_with("/resume") || path.ends_with("/passes") || path.ends_with("/confirm");
            let bodiless = bodiless || path.ends_with("/cancel") || path.ends_with("/check-in");
            assert!((400..500).contains(&reply.status), "{path} {seed}: {reply:?}");
            assert!(bodiless || reply.status != 409, "{path} {seed}: {reply:?}");
            reply.problem();
        }
        for body in
            [nested.as_str(), "null", "[]", "{}", "\"\"", "1e999", "{\"slot\":-1}", "{\"slot\":1,\"slot\":2}"]
        {
            let reply = actor.send(method.as_str(), &path, Bytes::from(body.to_owned())).await;
            assert!((400..500).contains(&reply.status), "{path} {body:.20}: {reply:?}");
            reply.problem();
        }
    }
    assert_eq!(site.site.node.read(|state| state.data().bookings.end()), before);
    assert_eq!(site.nobody().get(&format!("/api/v1/slots/{slot}")).await.json()["supply"]["free"], 1);
}

#[tokio::test]
async fn rubbish_in_every_path_and_query_is_no_panic() {
    let site = TestSite::new().await;
    let parts = [
        "-1",
        "4294967296",
        "99999999999999999999",
        "%00",
        "%ff%fe",
        "a",
        "%2e%2e",
        "+1",
        "1.0",
        "%F0%9F%92%A9",
    ];
    for (method, path) in jari_web::api::listed() {
        if !path.contains('{') {
            continue;
        }
        for part in parts {
            let filled: Vec<&str> =
                path.split('/').map(|piece| if piece.starts_with('{') { part } else { piece }).collect();
            let reply = site.nobody().keyed(KEY).send(method.as_str(), &filled.join("/"), Bytes::new()).await;
            assert!((400..500).contains(&reply.status), "{method} {filled:?}: {reply:?}");
            reply.problem();
        }
    }
    let queries = [
        "limit=-1",
        "latitude=nan&longitude=nan",
        "latitude=91&longitude=0",
        "latitude=1",
        "skip=99999999999999999999999",
    ];
    site.with_campaign(1).await;
    for query in queries {
        let reply = site.nobody().get(&format!("/api/v1/campaigns/1/clinics?{query}")).await;
        assert!(matches!(reply.status, 400 | 422), "{query}: {reply:?}");
    }
    assert_eq!(site.nobody().get("/api/v1/nothing/here").await.problem(), problem(404, "not_found"));
    assert_eq!(site.nobody().delete("/api/v1/rooms").await.problem(), problem(405, "method_unfit"));
}

#[tokio::test]
async fn tokens_that_are_forged_misplaced_or_cut_give_nothing() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let ends_at = Time(START + 86_400_000);
    let person = PersonId(1);
    let session = Session { person, birth: Date(0), ends_at, channel: ChannelId::OWN_SITE };
    let foreign = KeyRing::generate(1, [66; 32], Date(18_000));
    let old = KeyRing::generate(9, [66; 32], Date(18_000));
    let good = session.seal(&site.site.keys);
    let mut changed = good.clone().into_bytes();
    changed[12] = if changed[12] == b'A' { b'B' } else { b'A' };
    let pass = Pass { room: RoomId(1), serial: Serial(0), ends_at };
    let cases = [
        (session.seal(&foreign), "token_forged"),
        (String::from_utf8(changed).unwrap(), "token_forged"),
        (session.seal(&old), "token_old"),
        (good[..20].to_owned(), "token_malformed"),
        ("A".repeat(10_000), "token_malformed"),
        ("!".to_owned(), "token_malformed"),
        (pass.seal(&site.site.keys), "token_kind"),
    ];
    for (token, code) in cases {
        let reply = site.nobody().bearing(&token).get("/api/v1/bookings").await;
        assert_eq!(reply.problem(), problem(401, code));
    }
    assert_eq!(site.nobody().bearing(&good).get("/api/v1/bookings").await.status, 200);
}

#[tokio::test]
async fn a_ticket_of_another_room_or_never_issued_gives_no_pass() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    site.at(OPENS_AT + 1_000).await;
    let ticket = |room: u32, serial: u32| Ticket { room: RoomId(room), serial: Serial(serial), person: None };
    let other = site.nobody().bearing(ticket(2, 0).seal(&site.site.keys));
    assert_eq!(other.post("/api/v1/rooms/1/passes", &json!({})).await.problem(), problem(403, "other_room"));
    let never = site.nobody().bearing(ticket(1, 500).seal(&site.site.keys));
    assert_eq!(
        never.post("/api/v1/rooms/1/passes", &json!({})).await.problem(),
        problem(404, "ticket_unknown")
    );
    assert_eq!(never.get("/api/v1/rooms/1/place").await.problem(), problem(404, "ticket_unknown"));
    assert_eq!(site.nobody().get("/api/v1/rooms/1/place").await.problem(), problem(401, "ticket_missing"));
}

#[tokio::test]
async fn a_pass_that_was_never_entered_with_books_nothing() {
    let site = TestSite::new().await;
    site.with_room(false, Some(1)).await;
    let slot = site.make_campaign(Some(1), 1).await;
    site.at(OPENS_AT + 1_000).await;
    let citizen = site.citizen(1, BORN).await.keyed(KEY);
    let ends_at = Time(OPENS_AT + 86_400_000);
    let pass = |room: u32| Pass { room: RoomId(room), serial: Serial(0), ends_at };
    let invented = citizen.saying("jari-pass", pass(1).seal(&site.site.keys));
    assert_eq!(
        invented.post("/api/v1/holds", &json!({"slot": slot})).await.problem(),
        problem(403, "pass_ended")
    );
    let other = citizen.keyed("another-key-00000001").saying("jari-pass", pass(2).seal(&site.site.keys));
    assert_eq!(
        other.post("/api/v1/holds", &json!({"slot": slot})).await.problem(),
        problem(403, "pass_required")
    );
}

#[tokio::test]
async fn steps_in_the_wrong_order_are_refused_and_say_why() {
    let site = TestSite::new().await;
    site.with_campaign(1).await;
    let citizen = site.citizen(1, BORN).await;
    let unkeyed = citizen.post("/api/v1/holds", &json!({"slot": 0})).await;
    assert_eq!(unkeyed.problem(), problem(400, "key_missing"));
    for key in ["short", &"x".repeat(65), "with a blank in the middle"] {
        let reply = citizen.keyed(key).post("/api/v1/holds", &json!({"slot": 0})).await;
        assert_eq!(reply.problem(), problem(400, "malformed"), "{key}");
    }
    for deed in ["confirm", "cancel"] {
        let reply = citizen
            .keyed(&format!("{deed}-00000000000000"))
            .post(&format!("/api/v1/bookings/0/{deed}"), &json!({}))
            .await;
        assert_eq!(reply.problem(), problem(404, "booking_unknown"), "{deed}");
    }
}

#[tokio::test]
async fn cookies_change_nothing_through_the_api() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    let session =
        Session { person: PersonId(1), birth: Date(-2_000), ends_at: Time(u64::MAX), channel: ChannelId(0) };
    let cookie = format!("jari_session={}", session.seal(&site.site.keys));
    let foreign_form = site.nobody().saying("cookie", cookie).keyed(KEY);
    let reply = foreign_form.post("/api/v1/holds", &json!({"slot": slot})).await;
    assert_eq!(reply.problem(), problem(401, "unidentified"));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let site = TestSite::new().await;
    let large = json!({"name": "x".repeat(20_000), "birth": BORN, "telephone": "1"});
    let reply = site.nobody().post("/api/v1/identities/codes", &large).await;
    assert_eq!(reply.problem(), problem(413, "too_large"));
}

#[tokio::test]
async fn the_short_way_answers_as_the_routes_do() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    site.with_room(false, None).await;
    let citizen = site.citizen(1, BORN).await;
    let hold = citizen.keyed(KEY).must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    let confirm = format!("/api/v1/bookings/{}/confirm", hold.json()["booking"]);
    let held = json!({"slot": slot}).to_string();
    let long = format!("{{\"slot\":{slot},\"x\":\"{}\"}}", "x".repeat(20_000));
    let forged = site.nobody().bearing("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let nobody = site.nobody();
    let (keyed, badly_keyed) = (citizen.keyed(KEY), citizen.keyed("short"));
    let slipping = site.nobody().saying("jari-slip", "rubbish");
    let mut statuses = std::collections::BTreeSet::new();
    for (actor, path, body) in [
        (&forged, "/api/v1/rooms/1/tickets", ""),
        (&slipping, "/api/v1/rooms/1/tickets", ""),
        (&nobody, "/api/v1/rooms/99/tickets", ""),
        (&nobody, "/api/v1/rooms/99999999999/tickets", ""),
        (&nobody, "/api/v1/rooms/-1/tickets", ""),
        (&nobody, "/api/v1/rooms/1/passes", ""),
        (&forged, "/api/v1/rooms/1/passes", "{}"),
        (&nobody, "/api/v1/holds", &held),
        (&forged, "/api/v1/holds", "rubbish"),
        (&citizen, "/api/v1/holds", &held),
        (&badly_keyed, "/api/v1/holds", &held),
        (&keyed, "/api/v1/holds", &held),
        (&keyed, "/api/v1/holds", "rubbish"),
        (&keyed, "/api/v1/holds", "{\"slot\":-1}"),
        (&keyed, "/api/v1/holds", &long),
        (&nobody, &confirm, ""),
        (&citizen, &confirm, "{}"),
        (&badly_keyed, &confirm, ""),
        (&keyed, "/api/v1/bookings/99/confirm", ""),
        (&keyed, "/api/v1/bookings/0x1/confirm", ""),
    ] {
        let body = bytes::Bytes::from(body.to_owned());
        let short = actor.send("POST", path, body.clone()).await;
        let routed = actor.send_to_routes("POST", path, body).await;
        assert_eq!((short.status, &short.body), (routed.status, &routed.body), "{path}");
        assert_eq!(short.headers["content-type"], routed.headers["content-type"], "{path}");
        statuses.insert(short.status);
    }
    assert!(statuses.len() >= 6, "the requests tell cases apart: {statuses:?}");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = TestSite::new().await;
    for path in ["/api/v1/rooms", "/api/v1/nothing", "/healthz", "/openapi.json"] {
        let reply = site.nobody().get(path).await;
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{path}");
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn the_outbox_is_shown_in_a_demonstration_only() {
    let site = TestSite::with(|options| options.demo = false).await;
    assert_eq!(site.nobody().get("/api/v1/demo/outbox").await.problem(), problem(404, "not_found"));
}
