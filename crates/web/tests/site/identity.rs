//! Identity: codes, tries, expiry, forgetting.

use jari_core::ids::{RoomId, Serial};
use serde_json::json;

use crate::harness::{TestSite, claim, problem, telephone};

const BORN: &str = "1964-03-07";
const CODES: &str = "/api/v1/identities/codes";
const SESSIONS: &str = "/api/v1/identities/sessions";

#[tokio::test]
async fn a_person_is_known_by_the_code_that_was_sent() {
    let site = TestSite::new().await;
    let me = site.citizen(1, BORN).await.get("/api/v1/identities/me").await.json();
    assert_eq!((&me["name"], &me["birth"]), (&json!("김하늘 나"), &json!(BORN)));
    let asked = site.nobody().must_post(CODES, &claim(2, BORN), 201).await.json();
    assert_eq!(asked["sent_to"], "···0002");
}

#[tokio::test]
async fn a_wrong_code_may_be_tried_five_times_and_a_right_one_counts_once() {
    let site = TestSite::new().await;
    let asked = site.nobody().must_post(CODES, &claim(1, BORN), 201).await;
    let back = |code: &str| json!({"challenge": asked.text_at("token"), "code": code});
    let right = site.code_for(1).await;
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..4 {
        assert_eq!(site.nobody().post(SESSIONS, &back(wrong)).await.problem(), problem(422, "code_wrong"));
    }
    assert_eq!(site.nobody().post(SESSIONS, &back(wrong)).await.problem(), problem(410, "code_spent"));
    assert_eq!(
        site.nobody().post(SESSIONS, &back(&right)).await.problem(),
        problem(410, "challenge_expired")
    );
    site.clock.advance_ms(60_000);
    let asked = site.nobody().must_post(CODES, &claim(1, BORN), 201).await;
    let back = json!({"challenge": asked.text_at("token"), "code": site.code_for(1).await});
    site.nobody().must_post(SESSIONS, &back, 201).await;
    assert_eq!(site.nobody().post(SESSIONS, &back).await.problem(), problem(410, "challenge_expired"));
}

#[tokio::test]
async fn codes_expire_and_are_not_sent_every_second() {
    let site = TestSite::new().await;
    let asked = site.nobody().must_post(CODES, &claim(1, BORN), 201).await;
    let often = site.nobody().post(CODES, &claim(1, BORN)).await;
    assert_eq!(often.problem(), problem(429, "codes_often"));
    assert_eq!(often.headers["retry-after"], "20");
    let back = json!({"challenge": asked.text_at("token"), "code": site.code_for(1).await});
    site.clock.advance_ms(300_000);
    assert_eq!(site.nobody().post(SESSIONS, &back).await.problem(), problem(410, "challenge_expired"));
}

#[tokio::test]
async fn a_challenge_is_taken_back_by_any_site_with_the_same_keys_and_by_no_other() {
    // Two sites of one key ring, as two nodes are; what they know of each other is nothing.
    let (here, there) = (TestSite::new().await, TestSite::new().await);
    let token = here.nobody().must_post(CODES, &claim(1, BORN), 201).await.text_at("token");
    let code = here.code_for(1).await;
    let back = |token: &str| json!({ "challenge": token, "code": code });
    let mut bent = token.clone().into_bytes();
    bent[60] = if bent[60] == b'A' { b'B' } else { b'A' };
    let ticket = jari_wire::token::Ticket { room: RoomId(1), serial: Serial(0), person: None };
    let cases = [
        String::from_utf8(bent).unwrap(),
        token[..token.len() - 1].to_owned(),
        token[..40].to_owned(),
        format!("{token}A"),
        ticket.seal(&here.site.keys),
        String::new(),
        "한국어".to_owned(),
        "A".repeat(4_000),
    ];
    for forged in cases {
        let reply = there.nobody().post(SESSIONS, &back(&forged)).await;
        assert_eq!(reply.problem(), problem(401, "challenge_forged"), "{forged:.50}");
    }
    there.nobody().must_post(SESSIONS, &back(&token), 201).await;
    assert_eq!(
        there.nobody().post(SESSIONS, &back(&token)).await.problem(),
        problem(410, "challenge_expired")
    );
    // Nothing of it can be read by whoever carries it.
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &token).unwrap();
    for clear in ["김하늘".as_bytes(), telephone(1).as_bytes(), code.as_bytes()] {
        assert!(!bytes.windows(clear.len()).any(|part| part == clear));
    }
}

#[tokio::test]
async fn an_earlier_code_counts_until_its_end() {
    let site = TestSite::new().await;
    let early = site.nobody().must_post(CODES, &claim(1, BORN), 201).await.text_at("token");
    let back = json!({ "challenge": early, "code": site.code_for(1).await });
    site.clock.advance_ms(20_000);
    site.nobody().must_post(CODES, &claim(1, BORN), 201).await;
    site.nobody().must_post(SESSIONS, &back, 201).await;
}

#[tokio::test]
async fn a_session_ends_by_the_services_clock() {
    let site = TestSite::with(|options| options.session_ms = 1_000).await;
    let citizen = site.citizen(1, BORN).await;
    citizen.get("/api/v1/bookings").await.json();
    site.clock.advance_ms(1_000);
    assert_eq!(citizen.get("/api/v1/bookings").await.problem(), problem(401, "session_expired"));
}

#[tokio::test]
async fn a_forgotten_name_is_gone_and_nothing_in_clear_reaches_the_machine() {
    let site = TestSite::new().await;
    let citizen = site.citizen(1, BORN).await;
    let sealed = site.site.node.read(|state| {
        let contacts = state.data().contacts.iter().map(|contact| contact.sealed.to_vec());
        contacts.collect::<Vec<_>>()
    });
    let clear =
        |needle: &[u8]| sealed.iter().any(|bytes| bytes.windows(needle.len()).any(|part| part == needle));
    assert_eq!(sealed.len(), 1);
    assert!(!clear("김하늘".as_bytes()) && !clear(telephone(1).as_bytes()));
    assert_eq!(citizen.delete("/api/v1/identities/me").await.status, 204);
    assert_eq!(citizen.get("/api/v1/identities/me").await.json()["name"], json!(null));
    // Whoever got no answer asks again: that is the same wish, and it is fulfilled.
    assert_eq!(citizen.delete("/api/v1/identities/me").await.status, 204);
}

#[tokio::test]
async fn what_is_no_person_is_refused_without_being_repeated() {
    let site = TestSite::new().await;
    let claims = [
        json!({"name": "<script>alert(1)</script>", "birth": BORN, "telephone": "01000000001"}),
        json!({"name": "김", "birth": "2021-02-29", "telephone": "01000000001"}),
        json!({"name": "김", "birth": "2030-01-01", "telephone": "01000000001"}),
        json!({"name": "김", "birth": "1899-12-31", "telephone": "01000000001"}),
        json!({"name": "김", "birth": BORN, "telephone": "none of yours"}),
    ];
    for claim in claims {
        let reply = site.nobody().post(CODES, &claim).await;
        assert_eq!(reply.problem(), problem(422, "unfit"), "{claim}");
        let said = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!said.contains("script") && !said.contains("none of yours"), "{said}");
    }
}
