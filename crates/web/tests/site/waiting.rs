//! Waiting rooms: lobby, draw, calling, entering; deep links, clocks, networks.

use jari_core::ids::RoomId;
use jari_web::prefix::PrefixOptions;
use serde_json::json;

use crate::harness::{Actor, OPENS_AT, TestSite, problem};

const KEY: &str = "key-0000000000000001";
const BORN: &str = "1964-03-07";

async fn join(actor: &Actor<'_>) -> String {
    actor.must_post("/api/v1/rooms/1/tickets", &json!({}), 201).await.text_at("ticket_token")
}

#[tokio::test]
async fn everyone_in_the_lobby_is_drawn_called_and_let_in() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let tickets = [join(&site.nobody()).await, join(&site.nobody()).await, join(&site.nobody()).await];
    let waiting = site.nobody().bearing(&tickets[0]).get("/api/v1/rooms/1/place").await.json();
    assert_eq!(
        (&waiting["state"], &waiting["position"], &waiting["serial"]),
        (&json!("lobby"), &json!(null), &json!(0))
    );
    assert_eq!(site.nobody().get("/api/v1/rooms/1/draw").await.problem(), problem(404, "draw_unrevealed"));
    site.at(OPENS_AT + 1_000).await;
    let draw = site.nobody().get("/api/v1/rooms/1/draw").await;
    assert_eq!(draw.headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(draw.json()["lobby"], 3);
    let mut positions = Vec::new();
    for ticket in &tickets {
        let holder = site.nobody().bearing(ticket);
        let place = holder.get("/api/v1/rooms/1/place").await.json();
        positions.push(place["position"].as_u64().unwrap());
        assert_eq!(place["can_enter"], true, "{place}");
        let pass = holder.must_post("/api/v1/rooms/1/passes", &json!({}), 201).await.json();
        let again = holder.must_post("/api/v1/rooms/1/passes", &json!({}), 201).await.json();
        assert_eq!(pass["ends_at_ms"], again["ends_at_ms"]);
    }
    positions.sort_unstable();
    assert_eq!(positions, [0, 1, 2]);
}

#[tokio::test]
async fn a_deep_link_before_opening_gives_nothing_and_says_when() {
    let site = TestSite::new().await;
    site.with_room(false, Some(1)).await;
    let slot = site.make_campaign(Some(1), 1).await;
    let ticket = join(&site.nobody()).await;
    let early = site.nobody().bearing(&ticket).post("/api/v1/rooms/1/passes", &json!({})).await;
    assert_eq!(early.problem(), problem(403, "room_not_open"));
    assert_eq!(early.json()["value"], OPENS_AT);
    let citizen = site.citizen(1, BORN).await.keyed(KEY);
    let straight = citizen.post("/api/v1/holds", &json!({"slot": slot})).await;
    assert_eq!(straight.problem(), problem(403, "pass_required"));
    // A client that claims another time changes nothing.
    let clever = site.nobody().bearing(&ticket).saying("date", "Thu, 15 Jul 2021 11:00:00 GMT");
    assert_eq!(
        clever.post("/api/v1/rooms/1/passes", &json!({})).await.problem(),
        problem(403, "room_not_open")
    );
}

#[tokio::test]
async fn a_pass_books_and_an_ended_one_does_not() {
    let site = TestSite::new().await;
    site.with_room(false, Some(1)).await;
    let slot = site.make_campaign(Some(1), 2).await;
    let ticket = join(&site.nobody()).await;
    site.at(OPENS_AT + 1_000).await;
    let entered = site.nobody().bearing(&ticket).must_post("/api/v1/rooms/1/passes", &json!({}), 201).await;
    let pass = entered.text_at("pass_token");
    let citizen = site.citizen(1, BORN).await.saying("jari-pass", &pass);
    citizen.keyed(KEY).must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    site.clock.advance_ms(600_001);
    let late = citizen.keyed("another-key-00000001").post("/api/v1/holds", &json!({"slot": slot})).await;
    assert_eq!(late.problem(), problem(401, "pass_expired"));
}

#[tokio::test]
async fn one_person_has_one_ticket_from_every_device() {
    let site = TestSite::new().await;
    site.with_room(true, None).await;
    let anonymous = site.nobody().post("/api/v1/rooms/1/tickets", &json!({})).await;
    assert_eq!(anonymous.problem(), problem(401, "identity_required"));
    let telephone = join(&site.citizen(1, BORN).await).await;
    site.clock.advance_ms(60_000);
    let laptop = join(&site.citizen(1, BORN).await.at_network([198, 51, 100, 7])).await;
    assert_eq!(telephone, laptop);
    assert_ne!(join(&site.citizen(2, BORN).await).await, telephone);
}

#[tokio::test]
async fn a_crowded_network_is_slowed_and_everyone_gets_a_ticket() {
    // So many buckets that the two networks do not share one by chance.
    let joins = PrefixOptions { joins_per_second: 1, burst: 2, buckets: 1 << 20 };
    let site = TestSite::with(|options| options.joins = joins).await;
    site.with_room(false, None).await;
    let crowd = site.nobody().at_network([203, 0, 113, 5]);
    join(&crowd).await;
    join(&crowd).await;
    let slowed = crowd.must_post("/api/v1/rooms/1/tickets", &json!({}), 202).await;
    assert_eq!(slowed.headers["retry-after"], "1");
    let later = crowd.must_post("/api/v1/rooms/1/tickets", &json!({}), 202).await;
    let (slip, later) = (slowed.text_at("slip"), later.text_at("slip"));
    let bringing = |slip: &str| crowd.saying("jari-slip", slip);
    let early = bringing(&later).must_post("/api/v1/rooms/1/tickets", &json!({}), 202).await;
    assert!(early.json()["retry_after_ms"].as_u64().unwrap() >= 1_000);
    assert_eq!(early.text_at("slip"), later, "coming early does not multiply slips");
    site.clock.advance_ms(1_500);
    let given = join(&bringing(&slip)).await;
    assert_eq!(join(&bringing(&slip)).await, given, "whoever got no answer finds the ticket again");
    let other = join(&bringing(&later)).await;
    assert_ne!(other, given);
    assert_eq!(join(&bringing(&later).at_network([198, 51, 100, 9])).await, other);
    join(&crowd.at_network([198, 51, 100, 1])).await;
    let issued = site.site.node.read(|state| state.data().rooms[&RoomId(1)].issued);
    assert_eq!(issued, 5, "two at once, two with slips, one from elsewhere");
    site.clock.advance_ms(600_000);
    let late = bringing(&slip).post("/api/v1/rooms/1/tickets", &json!({})).await;
    assert_eq!(late.problem(), problem(410, "slip_expired"));
}

#[tokio::test]
async fn the_document_is_the_published_bytes_for_everyone() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let reply = site.nobody().get("/api/v1/rooms/1/now").await;
    assert_eq!(reply.headers["cache-control"], "public, max-age=1");
    assert_eq!(reply.headers.len(), 2);
    assert_eq!((reply.json()["s"].clone(), reply.json()["o"].clone()), (json!("lobby"), json!(OPENS_AT)));
    let unknown = site.nobody().get("/api/v1/rooms/77/now").await;
    assert_eq!(unknown.problem(), problem(404, "not_found"));
}

#[tokio::test]
async fn a_paused_room_keeps_every_place_and_says_why() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let ticket = join(&site.nobody()).await;
    site.at(OPENS_AT + 1_000).await;
    let operator = site.operator().await;
    operator.must_post("/api/v1/operator/rooms/1/pause", &json!({"reason": "서버 점검"}), 204).await;
    let holder = site.nobody().bearing(&ticket);
    assert_eq!(
        holder.post("/api/v1/rooms/1/passes", &json!({})).await.problem(),
        problem(409, "room_paused")
    );
    let place = holder.get("/api/v1/rooms/1/place").await.json();
    assert_eq!((&place["position"], &place["paused_because"]), (&json!(0), &json!("서버 점검")));
    operator.must_post("/api/v1/operator/rooms/1/resume", &json!({}), 204).await;
    holder.must_post("/api/v1/rooms/1/passes", &json!({}), 201).await;
    let events = site.nobody().get("/api/v1/events?subject=1").await.json();
    assert!(events.as_array().unwrap().iter().any(|event| event["reason"] == "서버 점검"), "{events}");
}

#[tokio::test]
async fn a_network_cannot_hide_behind_a_header_it_wrote_itself() {
    let proxy = "192.0.2.80".parse::<std::net::IpAddr>().unwrap();
    let joins = PrefixOptions { joins_per_second: 1, burst: 1, buckets: 4_096 };
    let site = TestSite::with(|options| {
        options.joins = joins;
        options.trusted_proxies = vec![jari_web::site::IpNetwork::parse("192.0.2.80").unwrap()];
    })
    .await;
    site.with_room(false, None).await;
    let path = "/api/v1/rooms/1/tickets";
    let direct =
        |claimed: &str| site.nobody().at_network([203, 0, 113, 5]).saying("x-forwarded-for", claimed);
    direct("198.51.100.1").must_post(path, &json!({}), 201).await;
    direct("198.51.101.1").must_post(path, &json!({}), 202).await;
    let behind = |hops: &str| site.nobody().at_network(proxy).saying("x-forwarded-for", hops);
    behind("198.51.102.1").must_post(path, &json!({}), 201).await;
    behind("198.51.102.1").must_post(path, &json!({}), 202).await;
    // Only the hop that the proxy itself saw counts, whatever the caller wrote before it.
    behind("10.9.9.9, 198.51.102.1").must_post(path, &json!({}), 202).await;
    behind("198.51.103.1").must_post(path, &json!({}), 201).await;
}
