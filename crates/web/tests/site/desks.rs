//! The clinic's desk, leftover places and telephone agents over the API: who may, what it comes to,
//! and what the audit list says of it.

use jari_core::Time;
use jari_journal::{MemoryJournal, MemoryOptions};
use jari_node::{Engine, EngineOptions};
use jari_web::staff::Role;
use serde_json::{Value, json};

use crate::harness::{Actor, OPENS_AT, START, TestSite, claim, problem, telephone};
use crate::staff::{account, token};

const MINUTE: u64 = 60_000;
const BIRTH: &str = "1964-03-07";

/// The slots of [`TestSite::with_campaign`] begin at this instant, and an hour later.
pub const SLOT_AT: u64 = START + 2 * 86_400_000;
/// The day on which they do, in Korea.
pub const DAY: &str = "2021-07-16";

/// A site, its first slot, and somebody at the desk of its clinic.
pub async fn desk(capacity: u32) -> (TestSite, u32) {
    let site = TestSite::new().await;
    let slot = site.with_campaign(capacity).await;
    account(&site, "desk", 10, Role::Clinic).await;
    account(&site, "agent", 11, Role::Agent).await;
    account(&site, "auditor", 12, Role::Auditor).await;
    (site, slot)
}

fn clinic(site: &TestSite) -> Actor<'_> {
    site.nobody().bearing(token(site, 10, Role::Clinic, 1))
}

fn agent(site: &TestSite) -> Actor<'_> {
    site.nobody().bearing(token(site, 11, Role::Agent, 1))
}

/// What the audit list has of a deed, as what it is on and the refusal, the newest first.
pub async fn audited(site: &TestSite, what: &str) -> Vec<(String, String)> {
    let auditor = site.nobody().bearing(token(site, 12, Role::Auditor, 1));
    let list = auditor.get("/api/v1/operator/audit").await.json();
    let entries = list["entries"].as_array().unwrap().iter().filter(|entry| entry["what"] == what);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    entries.map(|entry| (text(&entry["on"]), text(&entry["refused"]))).collect()
}

/// Books a place of a slot; gives the booking's number.
pub async fn booked(site: &TestSite, citizen: &Actor<'_>, slot: u32) -> u64 {
    let asked = json!({"slot": slot});
    let held = citizen.keyed("hold-00000000000000").must_post("/api/v1/holds", &asked, 201).await;
    let booking = held.json()["booking"].as_u64().unwrap();
    let confirm = format!("/api/v1/bookings/{booking}/confirm");
    citizen.keyed("confirm-00000000000").must_post(&confirm, &json!({}), 200).await;
    site.publish().await;
    booking
}

async fn day(site: &TestSite) -> Value {
    let reply = clinic(site).get(&format!("/api/v1/operator/desks/0/days/{DAY}")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// What became of the bookings of the day's first slot, and how many places are free.
async fn standing(site: &TestSite) -> (Vec<String>, u64) {
    let day = day(site).await;
    let slot = &day["slots"][0];
    let statuses = slot["bookings"].as_array().unwrap().iter().map(|it| it["status"].as_str().unwrap());
    (statuses.map(str::to_owned).collect(), slot["slot"]["supply"]["free"].as_u64().unwrap())
}

#[tokio::test]
async fn a_day_says_what_became_of_each_booking_and_names_nobody() {
    let (site, slot) = desk(3).await;
    let first = site.citizen(1, BIRTH).await;
    let booking = booked(&site, &first, slot).await;
    let second = site.citizen(2, BIRTH).await;
    second.keyed("hold-00000000000000").must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    assert_eq!(standing(&site).await, (vec!["booked".to_owned()], 1), "a hold is nobody who is expected");
    let text = day(&site).await.to_string();
    assert!(!text.contains("김하늘") && !text.contains(&telephone(1)), "nobody is named: {text}");
    let no_show = format!("/api/v1/operator/bookings/{booking}/no-show");
    let desk = clinic(&site);
    assert_eq!(desk.post(&no_show, &json!({})).await.problem(), problem(409, "no_show_too_early"));
    site.at(SLOT_AT + 10 * MINUTE).await;
    let desk = clinic(&site);
    assert_eq!(desk.must_post(&no_show, &json!({}), 200).await.json()["status"], "missed");
    assert_eq!(standing(&site).await, (vec!["missed".to_owned()], 3), "the place is free again");
    let check_in = format!("/api/v1/operator/bookings/{booking}/check-in");
    assert_eq!(desk.must_post(&check_in, &json!({}), 200).await.json()["status"], "used");
    assert_eq!(standing(&site).await, (vec!["used".to_owned()], 2));
    let on = format!("booking {booking}");
    let noted = audited(&site, "mark_no_show").await;
    assert_eq!(noted[0], (on.clone(), String::new()));
    assert!(noted.contains(&(on, "no_show_too_early".into())));
    let unfit = desk.get("/api/v1/operator/desks/0/days/yesterday").await;
    assert_eq!(unfit.problem(), problem(422, "unfit"));
    assert_eq!(
        desk.get(&format!("/api/v1/operator/desks/9/days/{DAY}")).await.problem(),
        problem(404, "desk_unknown")
    );
}

#[tokio::test]
async fn a_name_is_told_when_it_is_asked_for_and_that_is_noted_before() {
    let (site, slot) = desk(3).await;
    let citizen = site.citizen(1, BIRTH).await;
    let booking = booked(&site, &citizen, slot).await;
    let contact = format!("/api/v1/operator/bookings/{booking}/contact");
    let told = clinic(&site).must_post(&contact, &json!({}), 200).await.json();
    assert_eq!(told, json!({"name": "김하늘 나", "telephone": telephone(1), "made_by": null}));
    let noted = audited(&site, "look_at_contact").await;
    assert_eq!(noted, [(format!("booking {booking}"), String::new())]);
    let auditor = site.nobody().bearing(token(&site, 12, Role::Auditor, 900));
    let list = auditor.get("/api/v1/operator/audit").await;
    assert!(!format!("{list:?}").contains("김하늘"), "the list names nobody");
    citizen.delete("/api/v1/identities/me").await;
    let forgotten = clinic(&site).must_post(&contact, &json!({}), 200).await.json();
    assert_eq!(forgotten, json!({"name": null, "telephone": null, "made_by": null}));
    for (role, user) in [(Role::Agent, 11), (Role::Auditor, 12)] {
        let other = site.nobody().bearing(token(&site, user, role, 901));
        assert_eq!(other.post(&contact, &json!({})).await.problem(), problem(403, "role_unfit"), "{role:?}");
    }
}

#[tokio::test]
async fn a_desk_is_its_own_clinics_only() {
    let (site, slot) = desk(3).await;
    let citizen = site.citizen(1, BIRTH).await;
    let booking = booked(&site, &citizen, slot).await;
    site.at(SLOT_AT + 10 * MINUTE).await;
    account(&site, "other", 13, Role::Clinic).await;
    let elsewhere = |mut record: jari_web::vault::StaffRecord| {
        record.more.clinics = vec![5];
        Ok(record)
    };
    site.site.vault.change_staff("other", elsewhere).await.unwrap();
    let other = site.nobody().bearing(token(&site, 13, Role::Clinic, 1)).keyed("walk-in-0000000000");
    let walk = json!({"person": claim(3, BIRTH)});
    for (path, body) in [
        (format!("/api/v1/operator/bookings/{booking}/no-show"), json!({})),
        (format!("/api/v1/operator/bookings/{booking}/contact"), json!({})),
        (format!("/api/v1/operator/slots/{slot}/walk-ins"), walk),
        (format!("/api/v1/operator/slots/{slot}/offers"), json!({"places": 1, "offer_ms": 600_000})),
    ] {
        assert_eq!(other.post(&path, &body).await.problem(), problem(403, "role_unfit"), "{path}");
    }
    let list = other.get(&format!("/api/v1/operator/desks/0/days/{DAY}")).await;
    assert_eq!(list.problem(), problem(403, "role_unfit"));
    assert_eq!(other.get("/api/v1/operator/desks").await.json(), json!([]));
    let own = clinic(&site).get("/api/v1/operator/desks").await.json();
    assert_eq!((own.as_array().unwrap().len(), &own[0]["name"]), (1, &json!("하늘의원")));
    let operator = site.operator().await;
    let named = |find: &'static str| operator.get(find);
    assert_eq!(named("/api/v1/operator/desks").await.json().as_array().unwrap().len(), 1);
    assert_eq!(named("/api/v1/operator/desks?find=nothing").await.json(), json!([]));
}

#[tokio::test]
async fn somebody_without_a_booking_gets_a_free_place_once() {
    let (site, slot) = desk(1).await;
    let walk = json!({"person": claim(3, BIRTH)});
    let path = format!("/api/v1/operator/slots/{slot}/walk-ins");
    let early = clinic(&site).keyed("walk-in-0000000000").post(&path, &walk).await;
    assert_eq!(early.problem(), problem(409, "slot_ahead"));
    site.at(SLOT_AT + MINUTE).await;
    let desk = clinic(&site).keyed("walk-in-0000000001");
    let used = desk.must_post(&path, &walk, 201).await.json();
    assert_eq!((&used["status"], &used["channel"]), (&json!("used"), &json!(2)));
    let again = desk.must_post(&path, &walk, 201).await.json();
    assert_eq!(again["booking"], used["booking"], "the same press is done once");
    assert_eq!(standing(&site).await, (vec!["used".to_owned()], 0));
    let other = desk.keyed("walk-in-0000000002");
    assert_eq!(other.post(&path, &walk).await.problem(), problem(409, "already_booked"));
    let other = desk.keyed("walk-in-0000000003");
    let full = other.post(&path, &json!({"person": claim(4, BIRTH)})).await;
    assert_eq!(full.problem(), problem(409, "slot_full"));
    let unfit = other.post(&path, &json!({"person": claim(4, "tomorrow")})).await;
    assert_eq!(unfit.problem(), problem(422, "unfit"));
    // Whoever got no place left no name either; whoever got one finds it when they sign in.
    let mine = site.citizen(3, BIRTH).await.get("/api/v1/bookings").await.json();
    assert_eq!(mine[0]["booking"], used["booking"]);
    let contact = format!("/api/v1/operator/bookings/{}/contact", used["booking"]);
    assert_eq!(clinic(&site).must_post(&contact, &json!({}), 200).await.json()["telephone"], telephone(3));
}

#[tokio::test]
async fn a_leftover_place_goes_to_the_nearest_and_on_when_it_is_declined() {
    let (site, slot) = desk(1).await;
    site.at(SLOT_AT - 60 * MINUTE).await;
    let near = site.citizen(1, BIRTH).await;
    let far = site.citizen(2, BIRTH).await;
    let stand = async |citizen: &Actor<'_>, minutes: u32| {
        citizen.post("/api/v1/standbys", &json!({"desk": 0, "minutes": minutes})).await
    };
    assert_eq!(stand(&far, 40).await.status, 201);
    assert_eq!(stand(&near, 90).await.status, 201);
    let changed = stand(&near, 10).await.json();
    assert_eq!((changed.as_array().unwrap().len(), &changed[0]["minutes"]), (1, &json!(10)));
    assert_eq!(stand(&near, 0).await.problem(), problem(422, "setting_unfit"));
    assert_eq!(near.get("/api/v1/standbys").await.json(), changed);
    assert_eq!(day(&site).await["standing_by"], 2);
    let offers = format!("/api/v1/operator/slots/{slot}/offers");
    let ten_minutes = json!({"places": 1, "offer_ms": 600_000});
    let offered = clinic(&site).must_post(&offers, &ten_minutes, 200).await.json();
    assert_eq!(offered, json!({"offers": 1}));
    assert_eq!(standing(&site).await, (vec!["offered".to_owned()], 0));
    assert_eq!(
        day(&site).await["slots"][0]["offering"],
        json!({"places": 1, "open": 1, "offer_ms": 600_000})
    );
    let offer = near.get("/api/v1/bookings").await.json()[0].clone();
    assert_eq!(
        (&offer["status"], offer["until_ms"].as_u64()),
        (&json!("offered"), Some(SLOT_AT - 50 * MINUTE))
    );
    let cancel = format!("/api/v1/bookings/{}/cancel", offer["booking"]);
    near.keyed("decline-00000000000").must_post(&cancel, &json!({}), 200).await;
    let offer = far.get("/api/v1/bookings").await.json()[0].clone();
    assert_eq!(offer["status"], "offered", "the next one is asked");
    let confirm = format!("/api/v1/bookings/{}/confirm", offer["booking"]);
    far.keyed("take-it-0000000000").must_post(&confirm, &json!({}), 200).await;
    assert_eq!(standing(&site).await, (vec!["booked".to_owned()], 0));
    assert_eq!(day(&site).await["standing_by"], 0);
    assert_eq!(audited(&site, "offer_leftover").await, [(format!("slot {slot}"), String::new())]);
    assert_eq!(near.delete("/api/v1/standbys/0").await.status, 204, "whoever is out wants no more");
    assert_eq!(stand(&far, 40).await.problem(), problem(409, "already_booked"));
}

#[tokio::test]
async fn nobody_who_stands_by_means_no_offer_and_the_place_stays_free() {
    let (site, slot) = desk(1).await;
    site.at(SLOT_AT - 60 * MINUTE).await;
    let citizen = site.citizen(1, BIRTH).await;
    citizen.must_post("/api/v1/standbys", &json!({"desk": 0, "minutes": 20}), 201).await;
    assert_eq!(citizen.delete("/api/v1/standbys/0").await.status, 204);
    assert_eq!(citizen.get("/api/v1/standbys").await.json(), json!([]));
    let path = format!("/api/v1/operator/slots/{slot}/offers");
    let offered = clinic(&site).must_post(&path, &json!({"places": 1, "offer_ms": 600_000}), 200).await;
    assert_eq!(offered.json(), json!({"offers": 0}));
    assert_eq!(standing(&site).await, (vec![], 1));
    let long = clinic(&site).post(&path, &json!({"places": 1, "offer_ms": 7_200_000})).await;
    assert_eq!(long.problem(), problem(422, "setting_unfit"));
}

#[tokio::test]
async fn an_agent_books_for_a_caller_who_reads_a_code_out() {
    let (site, slot) = desk(2).await;
    let agent = agent(&site);
    let sent = agent.must_post("/api/v1/operator/calls/codes", &claim(5, BIRTH), 201).await;
    let back = json!({"challenge": sent.text_at("token"), "code": site.code_for(5).await});
    let given = agent.must_post("/api/v1/operator/calls", &back, 201).await;
    let call = given.text_at("call_token");
    let on_the_line = agent.saying("jari-call", call.clone()).keyed("a-call-000000000000");
    let holds = "/api/v1/operator/calls/holds";
    assert_eq!(
        agent.keyed("a-call-000000000000").post(holds, &json!({"slot": slot})).await.problem(),
        problem(400, "call_missing")
    );
    let held = on_the_line.must_post(holds, &json!({"slot": slot}), 201).await.json();
    let deed = |deed: &str| format!("/api/v1/operator/calls/bookings/{}/{deed}", held["booking"]);
    let on_the_line = on_the_line.keyed("a-call-000000000001");
    let view = on_the_line.must_post(&deed("confirm"), &json!({}), 200).await.json();
    assert_eq!((&view["status"], &view["channel"]), (&json!("booked"), &json!(1)), "by telephone, agent");
    let on_the_line = on_the_line.keyed("a-call-000000000002");
    let moved = on_the_line.must_post(&deed("reschedule"), &json!({"slot": slot + 1}), 200).await.json();
    assert_eq!(moved["slot"]["slot"], slot + 1);
    let on_the_line = on_the_line.keyed("a-call-000000000003");
    assert_eq!(
        on_the_line.get("/api/v1/operator/calls/bookings").await.json()[0]["booking"],
        held["booking"]
    );
    on_the_line.must_post(&deed("cancel"), &json!({}), 200).await;
    for what in ["confirm_for_caller", "move_for_caller", "cancel_for_caller"] {
        let on = format!("booking {}", held["booking"]);
        assert_eq!(audited(&site, what).await, [(on, String::new())], "{what}");
    }
    assert_eq!(audited(&site, "identify_caller").await, [(String::new(), String::new())]);
    // The call's token is nothing without the agent, and nobody else's is a call.
    let alone = site.nobody().bearing(call.clone());
    assert_eq!(alone.get("/api/v1/bookings").await.problem(), problem(401, "token_kind"));
    let clinic = clinic(&site).saying("jari-call", call);
    assert_eq!(clinic.get("/api/v1/operator/calls/bookings").await.problem(), problem(403, "role_unfit"));
    let citizen = site.citizen(6, BIRTH).await;
    let taken = agent.saying("jari-call", citizen.token());
    assert_eq!(taken.get("/api/v1/operator/calls/bookings").await.problem(), problem(400, "call_missing"));
    site.clock.set(Time(START + 31 * MINUTE));
    assert_eq!(on_the_line.get("/api/v1/operator/calls/bookings").await.problem(), problem(400, "call_over"));
}

#[tokio::test]
async fn an_agents_word_is_enough_for_whoever_is_new_or_names_a_booking() {
    let (site, slot) = desk(2).await;
    let agent = agent(&site);
    let vouched = "/api/v1/operator/calls/vouched";
    let citizen = site.citizen(1, BIRTH).await;
    let known = agent.post(vouched, &json!({"person": claim(1, BIRTH)})).await;
    assert_eq!(known.problem(), problem(409, "caller_known"), "a birthday is not a secret");
    booked(&site, &citizen, slot).await;
    let code = citizen.get("/api/v1/bookings").await.json()[0]["code"].clone();
    agent.must_post(vouched, &json!({"person": claim(1, BIRTH), "booking_code": code}), 201).await;
    let other = agent.post(vouched, &json!({"person": claim(2, BIRTH), "booking_code": code})).await;
    assert_eq!(other.status, 201, "whoever is new needs no code: {other:?}");
    let again = agent.post(vouched, &json!({"person": claim(2, BIRTH), "booking_code": code})).await;
    assert_eq!(again.problem(), problem(409, "caller_known"), "another person's booking says nothing");
    let noted = audited(&site, "vouch_for_caller").await;
    assert_eq!(noted.iter().filter(|(_, refused)| refused == "caller_known").count(), 2);
}

#[tokio::test]
async fn callers_come_in_under_the_share_that_an_operator_gives_in_public() {
    let site = TestSite::new().await;
    let slot = site.make_campaign(Some(1), 3).await;
    site.with_room(false, Some(1)).await;
    account(&site, "agent", 11, Role::Agent).await;
    account(&site, "auditor", 12, Role::Auditor).await;
    site.at(OPENS_AT).await;
    let agent = agent(&site);
    let person = json!({"person": claim(7, BIRTH)});
    let given = agent.must_post("/api/v1/operator/calls/vouched", &person, 201).await;
    let call = given.text_at("call_token");
    let on_the_line = agent.saying("jari-call", call).keyed("a-call-000000000000");
    let enter = "/api/v1/operator/calls/rooms/1/enter";
    assert_eq!(on_the_line.post(enter, &json!({})).await.problem(), problem(403, "agent_share_none"));
    let share = "/api/v1/operator/rooms/1/agent-share";
    let asked = json!({"permille": 100, "reason": "many have no page"});
    assert_eq!(agent.post(share, &asked).await.problem(), problem(403, "role_unfit"));
    let operator = site.operator().await;
    let much = json!({"permille": 501, "reason": "all of it"});
    assert_eq!(operator.post(share, &much).await.problem(), problem(422, "setting_unfit"));
    operator.must_post(share, &asked, 204).await;
    assert_eq!(site.nobody().get("/api/v1/rooms/1").await.json()["agent_share_permille"], 100);
    site.at(OPENS_AT + 10_000).await;
    let first = on_the_line.must_post(enter, &json!({}), 200).await.json();
    let again = on_the_line.must_post(enter, &json!({}), 200).await.json();
    assert_eq!(first, again, "one person has one pass");
    let held = on_the_line.must_post("/api/v1/operator/calls/holds", &json!({"slot": slot}), 201).await;
    assert_eq!(held.json()["booking"], 0);
    assert_eq!(audited(&site, "set_agent_share").await.len(), 2 + 1, "one of them was refused");
    assert!(audited(&site, "enter_by_agent").await.contains(&("room 1".into(), "agent_share_none".into())));
}

#[tokio::test]
async fn under_older_rules_every_desk_says_what_is_missing() {
    let journal = MemoryJournal::new(MemoryOptions::default());
    let options = EngineOptions { knows: 3, ..EngineOptions::default() };
    let engine = Engine::recover(Box::new(journal), None, options).unwrap().0;
    let site = TestSite::on(engine, |_| {}).await;
    let slot = site.with_campaign(2).await;
    site.with_room(false, None).await;
    account(&site, "desk", 10, Role::Clinic).await;
    let citizen = site.citizen(1, BIRTH).await;
    let booking = booked(&site, &citizen, slot).await;
    site.at(SLOT_AT + 10 * MINUTE).await;
    let unknown = problem(409, "rules_unknown");
    let standing = citizen.post("/api/v1/standbys", &json!({"desk": 0, "minutes": 20})).await;
    assert_eq!(standing.problem(), unknown);
    let desk = clinic(&site).keyed("old-rules-000000000");
    for (path, body) in [
        (format!("/api/v1/operator/bookings/{booking}/no-show"), json!({})),
        (format!("/api/v1/operator/slots/{slot}/walk-ins"), json!({"person": claim(3, BIRTH)})),
        (format!("/api/v1/operator/slots/{slot}/offers"), json!({"places": 1, "offer_ms": 600_000})),
    ] {
        assert_eq!(desk.post(&path, &body).await.problem(), unknown, "{path}");
    }
    let share = json!({"permille": 100, "reason": "x"});
    let share = site.operator().await.post("/api/v1/operator/rooms/1/agent-share", &share).await;
    assert_eq!(share.problem(), unknown);
    // The list and checking in are there under any rules.
    assert_eq!(day(&site).await["slots"][0]["bookings"][0]["status"], "booked");
    desk.must_post(&format!("/api/v1/operator/bookings/{booking}/check-in"), &json!({}), 200).await;
    let mut page = crate::staff::signed_in(&site, "desk", crate::staff::PASSWORD, "").await;
    let fields = [("slot", slot.to_string()), ("places", "1".into()), ("minutes", "10".into())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    page.submit("/offer", &fields).await.says("rules are of an older version");
    let mut home = crate::pages_browser::Browser::new(&site, "en");
    home.keep("jari_session", citizen.token());
    home.open("/book/1/desks/0").await;
    assert!(!home.html.contains("/standby/"), "there is no form that cannot work");
}
