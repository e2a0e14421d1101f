//! Booking for somebody else: both are recorded, both may act, nobody else may.

use jari_core::rules::RULES_PROXIES;
use jari_journal::{MemoryJournal, MemoryOptions};
use jari_node::{Engine, EngineOptions};
use jari_web::staff::Role;
use serde_json::{Value, json};

use crate::harness::{Actor, OPENS_AT, TestSite, claim, problem, telephone};
use crate::pages_browser::Browser;
use crate::pages_desks::press;
use crate::pages_path::identify;
use crate::staff::token;

const BORN: &str = "1964-03-07";
const CODES: &str = "/api/v1/identities/codes";
const ERRANDS: &str = "/api/v1/identities/errands";
const SESSIONS: &str = "/api/v1/identities/sessions";

/// The code that was sent to somebody, with its challenge.
async fn proof(site: &TestSite, number: u32) -> Value {
    let asked = site.nobody().must_post(CODES, &claim(number, BORN), 201).await;
    json!({"challenge": asked.text_at("token"), "code": site.code_for(number).await})
}

/// Whoever bears a session, with leave to book for somebody else.
async fn for_other<'a>(site: &TestSite, proxy: &Actor<'a>, number: u32) -> Actor<'a> {
    let given = proxy.must_post(ERRANDS, &proof(site, number).await, 201).await;
    proxy.saying("jari-for", given.text_at("errand_token"))
}

async fn hold(actor: &Actor<'_>, slot: u32, tag: &str) -> u64 {
    let held = actor.keyed(&format!("hold-{tag:0>16}"));
    let held = held.must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    held.json()["booking"].as_u64().unwrap()
}

async fn change(actor: &Actor<'_>, booking: u64, what: &str, body: Value) -> crate::harness::Reply {
    let actor = actor.keyed(&format!("{what}-{:0>16}", body.to_string().len()));
    actor.post(&format!("/api/v1/bookings/{booking}/{what}"), &body).await
}

/// The numbers in somebody's list.
async fn listed(actor: &Actor<'_>) -> Vec<u64> {
    let listed = actor.get("/api/v1/bookings").await.json();
    listed.as_array().unwrap().iter().map(|row| row["booking"].as_u64().unwrap()).collect()
}

/// What the newest message to somebody says.
async fn told(site: &TestSite, number: u32) -> String {
    let path = format!("/api/v1/demo/outbox?to={}", telephone(number));
    site.nobody().get(&path).await.json()[0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn both_are_recorded_and_told_and_both_may_change_it() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(3).await;
    let (son, mother, other) =
        (site.citizen(1, BORN).await, site.citizen(2, BORN).await, site.citizen(3, BORN).await);
    site.clock.advance_ms(30_000);
    let errand = for_other(&site, &son, 2).await;
    let booking = hold(&errand, slot, "1").await;
    assert_eq!(hold(&son, slot, "2").await, booking + 1, "without the errand it is his own place");
    let again = errand.keyed("another-key-00000001").post("/api/v1/holds", &json!({"slot": slot})).await;
    assert_eq!(again.problem(), problem(409, "already_booked"), "her place is one, whoever asks for it");
    let path = format!("/api/v1/bookings/{booking}");
    // He needs his own session for all that follows, and nothing else.
    let seen = son.get(&path).await.json();
    assert_eq!(seen["proxy"], json!({"made_by_me": true, "name": "김하늘 다", "ended": false}));
    let seen = mother.get(&path).await.json();
    assert_eq!(seen["proxy"], json!({"made_by_me": false, "name": "김하늘 나", "ended": false}));
    assert_eq!(other.get(&path).await.problem(), problem(404, "booking_unknown"));
    for what in ["confirm", "cancel", "end-proxy"] {
        assert_eq!(change(&other, booking, what, json!({})).await.problem(), problem(404, "booking_unknown"));
    }
    assert_eq!(change(&son, booking, "confirm", json!({})).await.status, 200);
    jari_web::effects::perform(&site.site).await.unwrap();
    let code = seen["code"].as_str().unwrap().to_owned();
    assert!(told(&site, 1).await.contains(&format!("Code {code} (You booked it for 김하늘 다)")));
    assert!(told(&site, 2).await.contains(&format!("Code {code} (Booked for you by 김하늘 나)")));
    assert_eq!(change(&mother, booking, "reschedule", json!({"slot": slot + 1})).await.status, 200);
    jari_web::effects::perform(&site.site).await.unwrap();
    assert!(
        told(&site, 1).await.starts_with("[Jari] Moved") && told(&site, 2).await.starts_with("[Jari] Moved")
    );
    assert_eq!(listed(&son).await, [booking + 1, booking]);
    assert_eq!(listed(&mother).await, [booking]);
    assert_eq!(change(&son, booking, "cancel", json!({})).await.json()["status"], "cancelled");
    assert_eq!(mother.get(&path).await.json()["status"], "cancelled");
}

#[tokio::test]
async fn the_person_takes_it_back_and_keeps_the_booking() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(3).await;
    let (son, mother) = (site.citizen(1, BORN).await, site.citizen(2, BORN).await);
    site.clock.advance_ms(30_000);
    let booking = hold(&for_other(&site, &son, 2).await, slot, "1").await;
    let own = hold(&son, slot, "2").await;
    assert_eq!(change(&son, own, "end-proxy", json!({})).await.problem(), problem(404, "proxy_unknown"));
    for _ in 0..2 {
        assert_eq!(change(&mother, booking, "end-proxy", json!({})).await.status, 204);
    }
    let path = format!("/api/v1/bookings/{booking}");
    assert_eq!(son.get(&path).await.problem(), problem(404, "booking_unknown"));
    assert_eq!(change(&son, booking, "cancel", json!({})).await.problem(), problem(404, "booking_unknown"));
    let seen = mother.get(&path).await.json();
    assert_eq!((&seen["status"], &seen["proxy"]["ended"]), (&json!("held"), &json!(true)));
    assert_eq!(seen["proxy"]["name"], "김하늘 나", "who made it stays known");
    assert_eq!(change(&mother, booking, "confirm", json!({})).await.status, 200);
    // Whoever is forgotten has no name any more.
    assert_eq!(son.delete("/api/v1/identities/me").await.status, 204);
    let seen = mother.get(&path).await.json();
    assert_eq!(seen["proxy"], json!({"made_by_me": false, "name": null, "ended": true}));
}

#[tokio::test]
async fn an_errand_is_of_use_to_nobody_else_and_shows_nothing() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(3).await;
    let (son, other, mother) =
        (site.citizen(1, BORN).await, site.citizen(3, BORN).await, site.citizen(2, BORN).await);
    let hers = hold(&mother, slot, "1").await;
    site.clock.advance_ms(30_000);
    let given = son.must_post(ERRANDS, &proof(&site, 2).await, 201).await;
    let token = given.text_at("errand_token");
    let hold_asked = json!({"slot": slot});
    let stolen = other.saying("jari-for", &token).keyed("stolen-0000000000001");
    assert_eq!(stolen.post("/api/v1/holds", &hold_asked).await.problem(), problem(403, "errand_foreign"));
    let alone = site.nobody().saying("jari-for", &token).keyed("alone-00000000000001");
    assert_eq!(alone.post("/api/v1/holds", &hold_asked).await.problem(), problem(401, "unidentified"));
    let as_session = site.nobody().bearing(&token).get("/api/v1/identities/me").await;
    assert_eq!(as_session.problem(), problem(401, "token_kind"));
    let other_way = son.saying("jari-for", son.token()).keyed("other-way-0000000001");
    assert_eq!(other_way.post("/api/v1/holds", &hold_asked).await.problem(), problem(401, "token_kind"));
    // What she has without him is not his to see, and his list is empty.
    let errand = son.saying("jari-for", &token);
    assert_eq!(errand.get(&format!("/api/v1/bookings/{hers}")).await.problem().1, "booking_unknown");
    assert_eq!(errand.get("/api/v1/bookings").await.json(), json!([]));
    assert_eq!(errand.get("/api/v1/identities/me").await.json()["name"], "김하늘 나");
    // It ends with the session.
    site.clock.set(jari_core::Time(given.json()["ends_at_ms"].as_u64().unwrap()));
    let late = errand.keyed("late-000000000000001").post("/api/v1/holds", &hold_asked).await;
    assert_eq!(late.problem(), problem(401, "session_expired"));
}

#[tokio::test]
async fn nobody_is_somebody_else_to_themselves_and_a_code_counts_once() {
    let site = TestSite::new().await;
    let son = site.citizen(1, BORN).await;
    site.clock.advance_ms(30_000);
    let own = proof(&site, 1).await;
    assert_eq!(son.post(ERRANDS, &own).await.problem(), problem(422, "other_is_you"));
    site.nobody().must_post(SESSIONS, &own, 201).await;
    let hers = proof(&site, 2).await;
    assert_eq!(site.nobody().post(ERRANDS, &hers).await.problem(), problem(401, "unidentified"));
    son.must_post(ERRANDS, &hers, 201).await;
    assert_eq!(son.post(ERRANDS, &hers).await.problem(), problem(410, "challenge_expired"));
    assert_eq!(site.nobody().post(SESSIONS, &hers).await.problem(), problem(410, "challenge_expired"));
}

#[tokio::test]
async fn whoever_stood_in_line_books_for_somebody_else_with_their_pass() {
    let site = TestSite::new().await;
    let slot = site.make_campaign(Some(1), 5).await;
    site.with_room(true, Some(1)).await;
    let (son, mother) = (site.citizen(1, BORN).await, site.citizen(2, BORN).await);
    let ticket = son.must_post("/api/v1/rooms/1/tickets", &json!({}), 201).await.text_at("ticket_token");
    site.clock.advance_ms(30_000);
    let errand = for_other(&site, &son, 2).await;
    site.at(OPENS_AT).await;
    for second in 1..=5 {
        site.at(OPENS_AT + second * 1_000).await;
    }
    let entered =
        site.nobody().saying("jari-ticket", &ticket).post("/api/v1/rooms/1/passes", &json!({})).await;
    let pass = entered.text_at("pass_token");
    let refused = mother.saying("jari-pass", &pass).keyed("mother-0000000000001");
    let refused = refused.post("/api/v1/holds", &json!({"slot": slot})).await;
    assert_eq!(refused.problem(), problem(403, "ticket_foreign"), "she did not stand there");
    let booking = hold(&errand.saying("jari-pass", &pass), slot, "1").await;
    assert_eq!(change(&son, booking, "confirm", json!({})).await.json()["status"], "booked");
    assert_eq!(mother.get(&format!("/api/v1/bookings/{booking}")).await.json()["status"], "booked");
}

#[tokio::test]
async fn the_clinic_hears_who_made_it_when_it_asks_for_the_name() {
    let (site, slot) = crate::desks::desk(3).await;
    let son = site.citizen(1, BORN).await;
    site.clock.advance_ms(30_000);
    let booking = hold(&for_other(&site, &son, 2).await, slot, "1").await;
    assert_eq!(change(&son, booking, "confirm", json!({})).await.status, 200);
    let clinic = site.nobody().bearing(token(&site, 10, Role::Clinic, 1));
    let contact = format!("/api/v1/operator/bookings/{booking}/contact");
    let told = clinic.must_post(&contact, &json!({}), 200).await.json();
    let expected = json!({"name": "김하늘 다", "telephone": telephone(2), "made_by": "김하늘 나"});
    assert_eq!(told, expected);
    let mut page = crate::staff::signed_in(&site, "desk", crate::staff::PASSWORD, "").await;
    page.open(&format!("/operator/desk/0?date={}", crate::desks::DAY)).await;
    let fields = [("booking", booking.to_string()), ("date", crate::desks::DAY.to_owned())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    press(&mut page, "/operator/desk/0/contact", &fields).await.says("김하늘 나 booked it for them.");
}

/// A site whose build knows rules only up to the ones before.
async fn old_site() -> TestSite {
    let journal = MemoryJournal::new(MemoryOptions::default());
    let options = EngineOptions { knows: RULES_PROXIES - 1, ..EngineOptions::default() };
    TestSite::on(Engine::recover(Box::new(journal), None, options).unwrap().0, |_| {}).await
}

#[tokio::test]
async fn under_older_rules_it_is_not_offered_and_says_why() {
    let site = old_site().await;
    let slot = site.with_campaign(3).await;
    let son = site.citizen(1, BORN).await;
    assert_eq!(son.post(ERRANDS, &proof(&site, 2).await).await.problem(), problem(409, "rules_unknown"));
    let booking = hold(&son, slot, "1").await;
    assert_eq!(change(&son, booking, "end-proxy", json!({})).await.problem(), problem(409, "rules_unknown"));
    let mut browser = Browser::new(&site, "en");
    browser.open("/identify?next=/book/1").await;
    assert!(!browser.html.contains("Booking for a parent?"));
    browser.keep("jari_session", son.token());
    for path in ["/book/1", "/bookings"] {
        browser.open(path).await;
        assert!(!browser.html.contains("/for?"), "{path} leads nowhere");
    }
    browser.open("/for").await.says("rules are of an older version");
    assert_eq!(browser.status, 409);
}

struct Said {
    language: &'static str,
    hint: &'static str,
    go: &'static str,
    lead: &'static str,
    banner: &'static str,
    whom: &'static str,
    by_you: &'static str,
    for_you: &'static str,
    ended: &'static str,
}

const SAID: [Said; 2] = [
    Said {
        language: "ko-KR,ko;q=0.9",
        hint: "부모님을 대신해 예약하시나요?",
        go: "다른 분을 대신해 예약하기",
        lead: "그분의 전화로 확인 번호를",
        banner: "홍길동 님의 예약을 대신 하고 있습니다",
        whom: "<dt>예약하신 분</dt><dd><b>홍길동</b>",
        by_you: "홍길동 님을 위해 예약하셨습니다",
        for_you: "김하늘 님이 대신 예약했습니다",
        ended: "이제 보거나 바꿀 수 없습니다",
    },
    Said {
        language: "en",
        hint: "Booking for a parent?",
        go: "Book for somebody else",
        lead: "We send a code to their telephone",
        banner: "You are booking for 홍길동.",
        whom: "<dt>For</dt><dd><b>홍길동</b>",
        by_you: "You made it for 홍길동.",
        for_you: "김하늘 made it for you.",
        ended: "cannot see or change it any more",
    },
];

/// Writes who somebody else is, and the code that went to them.
async fn name_other(site: &TestSite, browser: &mut Browser<'_>, part: &str, number: u32) {
    let telephone = telephone(number);
    let form = [
        ("name", "홍길동"),
        ("year", "1964"),
        ("month", "5"),
        ("day", "9"),
        ("telephone", telephone.as_str()),
    ];
    browser.submit(part, &form).await;
    assert_eq!(browser.status, 200, "{}", browser.html);
    let code = site.code_for(number).await;
    browser.submit(&format!("{part}/code"), &[("code", &code)]).await;
    assert_eq!(browser.status, 200, "{}", browser.html);
}

#[tokio::test]
async fn each_page_says_for_whom_one_books_in_both_languages() {
    for said in SAID {
        let site = TestSite::new().await;
        site.with_campaign(3).await;
        let mut son = Browser::new(&site, said.language);
        son.open("/book/1").await.says(said.hint);
        identify(&site, &mut son, 1).await;
        assert_eq!(son.path, "/book/1");
        son.says(said.go);
        son.follow("/for?").await.says(said.lead);
        // What does not fit is shown beside its field, and nothing written is lost.
        son.submit("/for", &[("name", "홍길동"), ("year", "1964")]).await;
        assert_eq!((son.status, son.html.contains("value=\"홍길동\"")), (422, true));
        name_other(&site, &mut son, "/for", 2).await;
        assert_eq!(son.path, "/book/1");
        for path in ["/book/1", "/book/1/desks/0", "/bookings", "/", "/identify?again=true&next=/"] {
            son.open(path).await.says(said.banner);
            assert!(!son.html.contains(said.go) && !son.html.contains("action=\"/standby"), "{path}");
        }
        son.open("/nothing-here").await.says(said.banner);
        son.open("/book/1/desks/0").await.submit("/hold", &[]).await.says(said.banner).says(said.whom);
        son.submit("/confirm", &[]).await.says(said.whom).says(said.by_you);
        let booking = son.path.clone();
        assert!(!son.html.contains("end-proxy"), "it is hers to end");
        son.open("/bookings").await.says(said.by_you);
        // From here on for himself.
        son.submit("/for/end", &[]).await;
        assert_eq!((son.path.as_str(), son.html.contains(said.banner)), ("/bookings", false));
        son.open("/book/1/desks/0").await.submit("/hold", &[]).await.submit("/confirm", &[]).await;
        assert!(!son.html.contains(said.whom), "his own place");
        site.clock.advance_ms(30_000);
        let mut mother = Browser::new(&site, said.language);
        mother.open(&format!("/identify?next={booking}")).await;
        name_other(&site, &mut mother, "/identify", 2).await;
        mother.says(said.for_you);
        mother.submit("/end-proxy", &[]).await.says(said.ended);
        son.open(&booking).await;
        assert_eq!(son.status, 404, "{}", son.html);
        mother.open(&booking).await.follow("/cancel").await.submit("/cancel", &[]).await;
        assert_eq!(mother.status, 200);
    }
}

#[tokio::test]
async fn whoever_signs_out_books_for_nobody_else_any_more() {
    let site = TestSite::new().await;
    site.with_campaign(3).await;
    let mut son = Browser::new(&site, "en");
    // Nobody names somebody else before they said who they are.
    son.open("/for?next=/book/1").await;
    assert!(son.path.starts_with("/identify?"), "{}", son.path);
    identify(&site, &mut son, 1).await;
    name_other(&site, &mut son, "/for", 2).await;
    son.says("You are booking for 홍길동.");
    let errand = son.cookie("jari_for");
    // Their own number is told from somebody else's.
    site.clock.advance_ms(30_000);
    son.open("/for").await;
    let telephone = telephone(1);
    let own =
        [("name", "김하늘"), ("year", "1964"), ("month", "3"), ("day", "7"), ("telephone", &*telephone)];
    press(&mut son, "/for", &own).await;
    let code = site.code_for(1).await;
    son.submit("/for/code", &[("code", &code)]).await.says("This is you.");
    son.open("/bookings").await.submit("/sign-out", &[]).await;
    assert!(!son.html.contains("You are booking for"));
    // Somebody else at the same device does not book for her, whatever is left in it.
    son.open("/book/1").await;
    identify(&site, &mut son, 3).await;
    son.keep("jari_for", &errand);
    son.open("/book/1").await.says("You are booking for yourself.");
    assert!(!son.html.contains("You are booking for 홍길동."));
}
