//! Booking: the main path, repeats, other people's bookings, messages.

use jari_web::outbox::Purpose;
use serde_json::{Value, json};

use crate::harness::{Actor, PARTNER_SECRET, START, TestSite, claim, problem, telephone};

const KEY: &str = "key-0000000000000001";
const BORN: &str = "1964-03-07";

async fn book(citizen: &Actor<'_>, slot: u32, tag: &str) -> Value {
    let held = citizen
        .keyed(&format!("hold-{tag:0>16}"))
        .must_post("/api/v1/holds", &json!({"slot": slot}), 201)
        .await;
    let booking = held.json()["booking"].clone();
    let confirm = format!("/api/v1/bookings/{booking}/confirm");
    citizen.keyed(&format!("confirm-{tag:0>16}")).must_post(&confirm, &json!({}), 200).await.json()
}

#[tokio::test]
async fn a_person_finds_a_clinic_holds_confirms_sees_and_cancels() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(2).await;
    let citizen = site.citizen(1, BORN).await;
    let regions = citizen.get("/api/v1/campaigns/1/regions").await.json();
    assert_eq!(regions, json!([{"name": "서울", "clinics": 1, "free": 4}]));
    let clinics =
        citizen.get("/api/v1/campaigns/1/clinics?latitude=37.5&longitude=127.0&free_only=true").await.json();
    assert_eq!(clinics[0]["name"], "하늘의원");
    assert!((7_000..8_500).contains(&clinics[0]["distance_m"].as_u64().unwrap()), "{clinics}");
    let days = citizen.get("/api/v1/desks/0/days").await.json();
    assert_eq!(days, json!([{"date": "2021-07-16", "slots": 2, "free": 4}]));
    let booking = book(&citizen, slot, "1").await;
    assert_eq!(booking["status"], "booked");
    let mine = citizen.get("/api/v1/bookings").await.json();
    assert_eq!(mine.as_array().unwrap().len(), 1);
    let code = mine[0]["code"].as_str().unwrap().to_lowercase();
    assert_eq!(citizen.get(&format!("/api/v1/bookings/by-code/{code}")).await.json()["status"], "booked");
    let cancel = format!("/api/v1/bookings/{}/cancel", booking["booking"]);
    let cancelled = citizen.keyed(KEY).must_post(&cancel, &json!({}), 200).await.json();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(citizen.get(&format!("/api/v1/slots/{slot}")).await.json()["supply"]["free"], 2);
}

#[tokio::test]
async fn the_same_key_answers_the_first_outcome_and_other_content_is_refused() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(2).await;
    let citizen = site.citizen(1, BORN).await.keyed(KEY);
    let first = citizen.must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    let again = citizen.must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    assert_eq!(first.json(), again.json());
    let other = citizen.post("/api/v1/holds", &json!({"slot": slot + 1})).await;
    assert_eq!(other.problem(), problem(422, "id_reused"));
    // Another person's same key is another key.
    let second = site.citizen(2, BORN).await.keyed(KEY);
    second.must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
}

#[tokio::test]
async fn a_person_has_one_active_booking_and_the_last_place_is_given_once() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    let citizen = site.citizen(1, BORN).await;
    book(&citizen, slot, "1").await;
    let twice = citizen.keyed("other-key-0000000001").post("/api/v1/holds", &json!({"slot": slot + 1})).await;
    assert_eq!(twice.problem(), problem(409, "already_booked"));
    let late = site.citizen(2, BORN).await.keyed(KEY).post("/api/v1/holds", &json!({"slot": slot})).await;
    assert_eq!(late.problem(), problem(409, "slot_full"));
}

#[tokio::test]
async fn a_lapsed_hold_is_no_booking_and_its_place_is_free() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    let citizen = site.citizen(1, BORN).await;
    let held = citizen.keyed(KEY).must_post("/api/v1/holds", &json!({"slot": slot}), 201).await.json();
    site.clock.advance_ms(300_001);
    let confirm = format!("/api/v1/bookings/{}/confirm", held["booking"]);
    let late = citizen.keyed("confirm-000000000001").post(&confirm, &json!({})).await;
    assert_eq!(late.problem(), problem(410, "hold_lapsed"));
    assert_eq!(citizen.get(&format!("/api/v1/slots/{slot}")).await.json()["supply"]["free"], 1);
}

#[tokio::test]
async fn a_booking_moves_in_one_step() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    let citizen = site.citizen(1, BORN).await;
    let booking = book(&citizen, slot, "1").await;
    let path = format!("/api/v1/bookings/{}/reschedule", booking["booking"]);
    let moved = citizen.keyed(KEY).must_post(&path, &json!({"slot": slot + 1}), 200).await.json();
    assert_eq!((&moved["status"], &moved["slot"]["slot"]), (&json!("booked"), &json!(slot + 1)));
}

#[tokio::test]
async fn another_persons_booking_does_not_exist_for_anyone_else() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(2).await;
    let booking = book(&site.citizen(1, BORN).await, slot, "1").await;
    let other = site.citizen(2, BORN).await;
    let number = &booking["booking"];
    for path in [
        format!("/api/v1/bookings/{number}"),
        format!("/api/v1/bookings/by-code/{}", booking["code"].as_str().unwrap()),
    ] {
        assert_eq!(other.get(&path).await.problem(), problem(404, "booking_unknown"), "{path}");
    }
    for deed in ["confirm", "cancel"] {
        let other = other.keyed(&format!("{deed}-0000000000000"));
        let reply = other.post(&format!("/api/v1/bookings/{number}/{deed}"), &json!({})).await;
        assert_eq!(reply.problem(), problem(404, "booking_unknown"), "{deed}");
    }
    assert_eq!(
        site.nobody().get(&format!("/api/v1/bookings/{number}")).await.problem(),
        problem(401, "unidentified")
    );
}

#[tokio::test]
async fn a_message_says_booked_only_after_the_booking_is_there() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    let citizen = site.citizen(1, BORN).await;
    let held = citizen.keyed(KEY).must_post("/api/v1/holds", &json!({"slot": slot}), 201).await.json();
    assert_eq!(jari_web::effects::perform(&site.site).await, Ok(0));
    let confirm = format!("/api/v1/bookings/{}/confirm", held["booking"]);
    citizen.keyed("confirm-000000000001").must_post(&confirm, &json!({}), 200).await;
    assert_eq!(jari_web::effects::perform(&site.site).await, Ok(1));
    assert_eq!(jari_web::effects::perform(&site.site).await, Ok(0));
    let newest = &site.site.outbox.newest(1, Some(&telephone(1)))[0];
    let expected =
        format!("[Jari] Booked: 2021-07-16 19:00, 하늘의원. Code {}", held["code"].as_str().unwrap());
    assert_eq!(newest.text, expected);
}

#[tokio::test]
async fn whoever_still_has_the_booking_is_reminded_of_it() {
    let day = 86_400_000;
    let site = TestSite::new().await;
    let slot = site.make_campaign_with(None, 2, day).await;
    assert_eq!(site.nobody().get("/api/v1/campaigns/1").await.json()["reminder_ms"], day);
    let (keeps, gives_back) = (site.citizen(1, BORN).await, site.citizen(2, BORN).await);
    let kept = book(&keeps, slot, "1").await;
    let given_back = book(&gives_back, slot, "2").await;
    assert_eq!(jari_web::effects::perform(&site.site).await, Ok(2));
    // The slot begins in two days.
    site.at(START + u64::from(day) - 1).await;
    assert_eq!(jari_web::effects::perform(&site.site).await, Ok(0));
    site.at(START + u64::from(day)).await;
    // One is given back when its reminder is on its way already: that alone is told.
    let cancel = format!("/api/v1/bookings/{}/cancel", given_back["booking"]);
    let gives_back = site.citizen(2, BORN).await;
    gives_back.keyed("cancel-00000000000001").must_post(&cancel, &json!({}), 200).await;
    assert_eq!(jari_web::effects::perform(&site.site).await, Ok(3));
    assert_eq!(jari_web::effects::perform(&site.site).await, Ok(0));
    let told = |number| {
        let messages = site.site.outbox.newest(9, Some(&telephone(number)));
        let told = messages.into_iter().filter(|message| message.effect.is_some());
        told.map(|message| (message.purpose, message.text)).collect::<Vec<_>>()
    };
    let reminder = format!(
        "[Jari] Your appointment: 2021-07-16 19:00, 하늘의원. Code {}",
        kept["code"].as_str().unwrap()
    );
    assert_eq!(told(1)[0], (Purpose::Reminder, reminder));
    let purposes: Vec<_> = told(2).into_iter().map(|(purpose, _)| purpose).collect();
    assert_eq!(purposes, [Purpose::Cancelled, Purpose::Booked]);
}

#[tokio::test]
async fn a_partner_books_under_its_own_channel_and_the_own_site_sees_it() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    let partner = site.nobody().bearing(PARTNER_SECRET);
    let given = partner.must_post("/api/v1/partner/sessions", &claim(1, BORN), 201).await;
    let booking = book(&site.nobody().bearing(given.text_at("session_token")), slot, "1").await;
    assert_eq!(booking["channel"], 16);
    let own = site.citizen(1, BORN).await.get("/api/v1/bookings").await.json();
    assert_eq!(own[0]["code"], booking["code"]);
    let stranger =
        site.nobody().bearing("not-the-secret").post("/api/v1/partner/sessions", &claim(1, BORN)).await;
    assert_eq!(stranger.problem(), problem(401, "partner_unknown"));
}

#[tokio::test]
async fn whoever_may_not_book_is_told_why() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    let young = site.citizen(3, "1990-01-01").await.keyed(KEY);
    let refused = young.post("/api/v1/holds", &json!({"slot": slot})).await;
    assert_eq!(refused.problem(), problem(403, "not_eligible"));
    let unknown = young.post("/api/v1/holds", &json!({"slot": 4_000_000_000_u32})).await;
    assert_eq!(unknown.problem(), problem(422, "id_reused"));
    let unknown =
        young.keyed("another-key-00000001").post("/api/v1/holds", &json!({"slot": 4_000_000_000_u32})).await;
    insta::assert_snapshot!(String::from_utf8_lossy(&unknown.body), @r#"{"type":"urn:jari:problem:slot_unknown","title":"No such slot","status":404,"detail":"There is no slot with this number. Choose another one.","refusal":58,"culprit":"caller"}"#);
}

#[tokio::test]
async fn the_campaign_and_the_waiting_document_name_the_same_free_places() {
    let site = TestSite::new().await;
    site.make_campaign(Some(1), 2).await;
    site.with_room(false, Some(1)).await;
    let operator = site.operator().await;
    let day = 86_400_000;
    let window = |digits: &[u8], at: u64, share: u32| json!({"opens_at_ms": START + at, "closes_at_ms": START + at + day, "digits": digits, "share_ppm": share});
    let windows = [window(&[0, 1, 2, 3, 4], 0, 1_000), window(&[5, 6, 7, 8, 9], day, 1_000_000)];
    let asked = json!({"windows": {"each": windows}, "reason": "by the day of birth"});
    let reply = operator.keyed(KEY).post("/api/v1/operator/campaigns/1/windows", &asked).await;
    assert!(reply.status < 300, "{reply:?}");
    site.publish().await;
    let campaign = site.nobody().get("/api/v1/campaigns/1").await.json();
    let now = site.nobody().get("/api/v1/rooms/1/now").await.json();
    assert_eq!(campaign["free"], now["f"]);
    assert!(campaign["free"].as_u64() < campaign["free_in_all"].as_u64(), "{campaign}");
}
