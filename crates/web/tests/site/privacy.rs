//! People's data: what they are told, the button that forgets them, and contacts that end by themselves.

use std::time::Duration;

use jari_core::ids::{CommandId, PersonId};
use jari_core::time::Date;
use jari_core::{Body, Command, Outcome, Time, limits};
use jari_journal::FaultyStream;
use jari_web::language::Language;
use jari_web::retention::{self, Pace, Swept};
use jari_web::staff::Role;
use jari_web::vault::Contact;
use jari_wire::token::Session;
use serde_json::{Value, json};

use crate::cluster::site_with;
use crate::desks::{audited, booked, desk};
use crate::harness::{Actor, START, TestSite, problem, telephone};
use crate::pages_browser::Browser;
use crate::pages_path::identify;
use crate::staff::{PASSWORD, signed_in};

const BIRTH: &str = "1964-03-07";
const DAY: u64 = 86_400_000;
/// The day on which the slots of a test begin.
const DATE: &str = crate::desks::DAY;

/// No pauses: the clock of a test stands still.
const AT_ONCE: Pace = Pace { slice: 2, between_slices: Duration::ZERO, between_people: Duration::ZERO };

async fn sweep(site: &TestSite) -> Swept {
    retention::sweep(&site.site, &AT_ONCE).await.unwrap()
}

fn forgotten(forgotten: u32) -> Swept {
    Swept::Whole { forgotten }
}

fn person(site: &TestSite, actor: &Actor<'_>) -> PersonId {
    Session::open(actor.token(), &site.site.keys).unwrap().person
}

/// Whether a person's contact is kept, and opens.
async fn is_kept(site: &TestSite, person: PersonId) -> bool {
    let sealed = site.site.node.read(|state| state.contact_of(person).map(<[u8]>::to_vec));
    match sealed {
        Some(sealed) => site.site.vault.contact(person, &sealed).await.unwrap().is_some(),
        None => false,
    }
}

/// What the audit list has of the service itself.
fn swept(site: &TestSite) -> Vec<String> {
    let noted = site.site.vault.noted((0, 0), (u64::MAX, 0), 100, |entry| entry.what == "forget_contacts");
    let entries = noted.unwrap().into_iter().map(|(_, entry)| entry);
    entries.map(|entry| format!("{} {}", entry.who, entry.on)).collect()
}

#[tokio::test]
async fn the_page_tells_the_configured_figures_in_both_languages() {
    let site = TestSite::with(|options| {
        options.privacy.controller = "질병관리청 <1>".into();
        options.privacy.contact = "privacy@example.org".into();
        options.privacy.keep_contact_days = 47;
        options.privacy.backup_days = 11;
        options.session_ms = 3 * DAY;
    })
    .await;
    let mut english = Browser::new(&site, "en");
    english.open("/").await.follow("/privacy").await;
    english.says("47 days after the last of these").says("delete each after 11 days");
    english.says("On your device 3 days").says("13 months").says("질병관리청 &#60;1&#62;");
    english.says("privacy@example.org").says("messenger. Each tells this service").says("demonstration");
    let mut korean = Browser::new(&site, "ko");
    korean.open("/privacy").await.says("부터 47일입니다").says("11일 뒤에 지우기로").says("13개월");
    let bare = TestSite::with(|options| (options.demo, options.partners) = (false, Vec::new())).await;
    let mut bare = Browser::new(&bare, "en");
    bare.open("/privacy").await.says("has not said so yet").says("The newest 4,096, in memory");
    assert!(!bare.html.contains("demonstration") && !bare.html.contains("Other services"), "{}", bare.html);
}

#[tokio::test]
async fn every_cookie_of_a_person_and_of_the_staff_is_on_the_page() {
    let (site, slot) = desk(3).await;
    site.with_room(false, None).await;
    let mut browser = Browser::new(&site, "en");
    browser.open("/?lang=en").await;
    browser.open("/identify?next=/rooms/1").await;
    let mut seen = browser.cookie_names();
    browser.submit("/identify", &birth_fields("김하늘 나", &telephone(1))).await;
    seen.extend(browser.cookie_names());
    let code = site.code_for(1).await;
    browser.submit("/identify/code", &[("code", &code)]).await;
    browser.submit("/join", &[]).await;
    seen.extend(browser.cookie_names());
    let mut agent = signed_in(&site, "agent", PASSWORD, "").await;
    agent.open("/operator/phone").await;
    agent.submit("/find", &birth_fields("김하늘 다", &telephone(2))).await;
    seen.extend(agent.cookie_names());
    let code = site.code_for(2).await;
    agent.submit("/phone/code", &[("code", &code)]).await;
    seen.extend(agent.cookie_names());
    browser.open("/privacy").await;
    assert!(slot == 0 && seen.len() >= 8, "{seen:?}");
    for name in [
        "jari_session",
        "jari_challenge",
        "jari_ticket_1",
        "jari_form",
        "jari_lang",
        "jari_staff",
        "jari_call",
        "jari_caller",
    ] {
        assert!(seen.contains(name), "{name} is met: {seen:?}");
    }
    for name in seen {
        // Those of a room are there without its number.
        let shown = name.trim_end_matches(|sign: char| sign.is_ascii_digit());
        browser.says(shown);
    }
}

fn birth_fields<'a>(name: &'a str, telephone: &'a str) -> [(&'a str, &'a str); 5] {
    [("name", name), ("year", "1964"), ("month", "3"), ("day", "7"), ("telephone", telephone)]
}

#[tokio::test]
async fn a_person_is_forgotten_by_one_button_and_finds_their_bookings_again() {
    let site = TestSite::new().await;
    site.with_campaign(3).await;
    let mut browser = Browser::new(&site, "en");
    // Whoever is not known says who they are first, and is brought back.
    browser.open("/forget").await.says("name=\"telephone\"");
    assert!(browser.path.starts_with("/identify?next="), "{}", browser.path);
    identify(&site, &mut browser, 1).await;
    assert_eq!(browser.path, "/forget");
    browser.says("김하늘").says("7 March 1964").says("···0001");
    assert!(!browser.html.contains("still ahead"), "there is nothing to give back");
    browser.open("/book/1/desks/0").await.submit("/hold", &[]).await.submit("/confirm", &[]).await;
    let booking = browser.path.clone();
    browser.open("/bookings").await.follow("/forget").await.says("still ahead");
    let cancel = format!("{booking}/cancel");
    browser.says(&format!("href=\"{cancel}\"")).says("for 7 days at the most");
    assert_eq!(browser.fetch("/forget").await.headers["cache-control"], "no-store");
    let form = [("csrf".to_owned(), browser.hidden("csrf"))].into();
    browser.submit("/forget", &[]).await.says("They are deleted").says("7 more days at the most");
    assert_eq!((browser.path.as_str(), browser.status), ("/forget/done", 200));
    browser.open("/forget/done").await.says("They are deleted");
    assert!(!browser.cookie_names().contains("jari_session"));
    let outbox = site.nobody().get(&format!("/api/v1/demo/outbox?to={}", telephone(1))).await.json();
    assert_eq!(outbox, json!([]), "messages to their number are gone with it");
    // Back to the page, and the button once more: nothing fails, and nothing is said of anybody.
    browser.post("/forget", &form).await.says("Nobody is signed in here");
    browser.open("/forget").await.says("name=\"telephone\"");
    browser.post("/forget", &[("csrf".to_owned(), "x".to_owned())].into()).await;
    assert_eq!(browser.status, 403, "a form of nobody's");
    // Who comes again is known again.
    site.clock.advance_ms(60_000);
    browser.open("/identify?next=/bookings").await;
    identify(&site, &mut browser, 1).await;
    browser.says(&format!("href=\"{booking}\""));
    browser.open("/privacy").await.says("If you do not come again they are deleted on");
}

#[tokio::test]
async fn whoever_was_forgotten_before_is_told_so() {
    let site = TestSite::new().await;
    let citizen = site.citizen(1, BIRTH).await;
    let mut browser = Browser::new(&site, "en");
    browser.keep("jari_session", citizen.token());
    browser.open("/privacy").await.says("are deleted on 13 October 2021 or");
    browser.open("/forget").await;
    let form = [("csrf".to_owned(), browser.hidden("csrf"))].into();
    assert_eq!(citizen.delete("/api/v1/identities/me").await.status, 204);
    browser.open("/privacy").await.says("No name and no number is kept of you");
    browser.open("/forget").await.says("They were deleted before");
    assert!(!browser.html.contains("김하늘") && !browser.html.contains("action=\"/forget\""));
    browser.post("/forget", &form).await.says("They are deleted");
}

#[tokio::test]
async fn a_contact_ends_so_many_days_after_its_person_came_last() {
    let site = TestSite::new().await;
    let (first, second) = (site.citizen(1, BIRTH).await, site.citizen(2, BIRTH).await);
    let (first, second) = (person(&site, &first), person(&site, &second));
    assert_eq!(sweep(&site).await, forgotten(0));
    // Coming again within a month changes nothing; after it, their time begins anew.
    site.at(START + 29 * DAY).await;
    let sealed = |person| site.site.node.read(|state| state.contact_of(person).map(<[u8]>::to_vec));
    let before = sealed(second);
    site.citizen(2, BIRTH).await;
    assert_eq!(sealed(second), before);
    site.at(START + 30 * DAY).await;
    site.citizen(2, BIRTH).await;
    assert_ne!(sealed(second), before);
    // All of the last day is theirs.
    site.at(START + 90 * DAY).await;
    assert_eq!(sweep(&site).await, forgotten(0));
    site.at(START + 91 * DAY).await;
    assert_eq!(sweep(&site).await, forgotten(1));
    assert_eq!((is_kept(&site, first).await, is_kept(&site, second).await), (false, true));
    assert_eq!(sweep(&site).await, forgotten(0), "once more is harmless");
    assert_eq!(swept(&site), ["(service) 1 contacts"], "and no entry");
    site.at(START + 121 * DAY).await;
    assert_eq!(sweep(&site).await, forgotten(1));
    assert!(!is_kept(&site, second).await);
    // The key is gone, not only what it opened: an old copy of the sealed bytes says nothing any more.
    assert_eq!(site.site.vault.contact(second, &before.unwrap()).await, Ok(None));
}

#[tokio::test]
async fn a_booking_keeps_the_contact_while_it_is_ahead_and_for_some_time_after() {
    let site = TestSite::with(|options| options.privacy.keep_contact_days = 14).await;
    // The slots begin on 16 July, two days after the start.
    let slot = site.with_campaign(5).await;
    let (came, gave_back, never) =
        (site.citizen(1, BIRTH).await, site.citizen(2, BIRTH).await, site.citizen(3, BIRTH).await);
    booked(&site, &came, slot).await;
    let cancelled = booked(&site, &gave_back, slot).await;
    site.at(START + DAY).await;
    let cancel = format!("/api/v1/bookings/{cancelled}/cancel");
    gave_back.keyed("cancel-000000000000").must_post(&cancel, &json!({}), 200).await;
    let people = [&came, &gave_back, &never].map(|actor| person(&site, actor));
    let mut ended = Vec::new();
    for day in 1..=20 {
        site.at(START + day * DAY).await;
        sweep(&site).await;
        for (at, person) in people.iter().enumerate() {
            if !is_kept(&site, *person).await && !ended.iter().any(|(_, other)| *other == at) {
                ended.push((day, at));
            }
        }
    }
    // By the day they came, by the day of the change, by the day of the visit: fifteen days after it.
    assert_eq!(ended, [(15, 2), (16, 1), (17, 0)]);
    assert_eq!(swept(&site).len(), 3);
}

#[tokio::test]
async fn contacts_of_earlier_builds_count_from_the_first_look() {
    let site = TestSite::new().await;
    let contact = Contact { name: "김하늘".into(), telephone: telephone(7), language: Language::English };
    let keep = async |number: u128, today: Date| {
        let person = PersonId(number);
        let sealed = site.site.vault.seal(person, &contact, today).await.unwrap();
        let body = Body::KeepContact { person, sealed };
        site.site.node.submit(Command { id: CommandId(0), body }).await.unwrap();
    };
    // Earlier builds wrote zeros where the day is now.
    keep(1, Date(0)).await;
    keep(2, Date(100)).await;
    // One that does not open is left alone.
    let body = Body::KeepContact { person: PersonId(3), sealed: Box::from([7_u8; 100]) };
    site.site.node.submit(Command { id: CommandId(0), body }).await.unwrap();
    assert_eq!(sweep(&site).await, forgotten(1));
    assert!(is_kept(&site, PersonId(1)).await && !is_kept(&site, PersonId(2)).await);
    site.at(START + 90 * DAY).await;
    assert_eq!(sweep(&site).await, forgotten(0));
    site.at(START + 91 * DAY).await;
    assert_eq!(sweep(&site).await, forgotten(1));
    assert!(site.site.node.read(|state| state.contact_of(PersonId(3)).is_some()));
}

#[tokio::test]
async fn a_sweep_that_cannot_delete_a_key_says_so_and_the_next_one_goes_on() {
    let (site, table) = crate::shared::site_and_table().await;
    let someone = person(&site, &site.citizen(1, BIRTH).await);
    site.at(START + 91 * DAY).await;
    table.set_away(true);
    let failed = retention::sweep(&site.site, &AT_ONCE).await.unwrap_err();
    assert_eq!(failed.code, "vault_away");
    assert!(is_kept(&site, someone).await);
    table.set_away(false);
    assert_eq!(sweep(&site).await, forgotten(1));
    assert!(!is_kept(&site, someone).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_node_with_the_lease_forgets() {
    let stream = FaultyStream::new(1 << 20);
    let one = site_with(&stream, 1, 2, |_| {}).await;
    let two = site_with(&stream, 2, 2, |_| {}).await;
    let someone = person(&one, &one.citizen(1, BIRTH).await);
    let late = START + 91 * DAY;
    for site in [&one, &two] {
        site.clock.set(Time(late));
    }
    assert_eq!(one.site.node.read(|state| state.data().lease), None);
    let take = Command { id: CommandId(0), body: two.site.node.identity().ask() };
    assert!(matches!(two.site.node.submit(take).await.unwrap(), Outcome::Leased { .. }));
    let heard = one.site.node.find(|state| state.data().lease).await;
    assert!(heard.is_some_and(|lease| lease.node == 2));
    assert_eq!(sweep(&one).await, Swept::Elsewhere);
    assert!(is_kept(&one, someone).await);
    // The holder is gone: when its lease is over, this one asks for it.
    one.clock.set(Time(late + limits::LEASE_MS));
    assert_eq!(sweep(&one).await, forgotten(1));
    assert!(!is_kept(&one, someone).await);
    let gone = two.site.node.find(|state| state.contact_of(someone).is_none().then_some(())).await;
    assert_eq!(gone, Some(()), "the other one hears of it");
}

#[tokio::test]
async fn an_agent_deletes_a_callers_name_after_a_second_look() {
    let (site, slot) = desk(3).await;
    let booking = booked(&site, &site.citizen(5, BIRTH).await, slot).await;
    site.clock.advance_ms(60_000);
    let mut agent = signed_in(&site, "agent", PASSWORD, "").await;
    agent.open("/operator/phone").await;
    agent.submit("/find", &birth_fields("김하늘 나", &telephone(5))).await;
    let code = site.code_for(5).await;
    agent.submit("/phone/code", &[("code", &code)]).await.says("김하늘 나");
    let call = agent.cookie("jari_call");
    agent.submit("/phone/forget", &[]).await.says("Are you sure?").says("김하늘 나");
    assert_eq!(audited(&site, "forget_caller").await, [], "nothing was done yet");
    agent.submit("/phone/forget", &[]).await.says("The call is over").says("Who is on the line?");
    let once = (String::new(), String::new());
    assert_eq!(audited(&site, "forget_caller").await, std::slice::from_ref(&once));
    let found = site.site.node.read(|state| state.data().bookings.get(booking).unwrap().person());
    assert!(!is_kept(&site, found).await);
    // The same over the API, for whoever was forgotten before, and for nobody without a call.
    let staff = site.nobody().bearing(agent.cookie("jari_staff"));
    let path = "/api/v1/operator/calls/forget";
    assert_eq!(staff.post(path, &json!({})).await.problem(), problem(400, "call_missing"));
    assert_eq!(staff.saying("jari-call", call.clone()).post(path, &json!({})).await.status, 204);
    let audit = audited(&site, "forget_caller").await;
    assert_eq!(audit, [once.clone(), once]);
    let bookings = staff.saying("jari-call", call).get("/api/v1/operator/calls/bookings").await.json();
    assert_eq!(bookings[0]["status"], Value::from("booked"), "{bookings}");
}

#[tokio::test]
async fn a_person_is_told_how_often_their_name_was_looked_at_and_not_by_whom() {
    let (site, slot) = desk(3).await;
    let citizen = site.citizen(1, BIRTH).await;
    let (booking, other) = (booked(&site, &citizen, slot).await, site.citizen(2, BIRTH).await);
    let other = booked(&site, &other, slot).await;
    let mut browser = Browser::new(&site, "en");
    browser.keep("jari_session", citizen.token());
    browser.open("/bookings").await.follow("/bookings/").await;
    assert!(!browser.html.contains("Your name"), "nothing is said before it is counted");
    let page = browser.path.clone();
    let mut clinic = signed_in(&site, "desk", PASSWORD, "").await;
    let look = async |booking: u64| {
        let staff = site.nobody().bearing(crate::staff::token(&site, 10, Role::Clinic, 1));
        let path = format!("/api/v1/operator/bookings/{booking}/contact");
        staff.must_post(&path, &json!({}), 200).await;
    };
    look(booking).await;
    site.site.vault.count_looks().unwrap();
    browser.open(&page).await.says("looked at your name for this booking once. Last: Wed 14 July 19:00 KST.");
    assert!(!browser.html.contains("A list of that day"), "none was made");
    site.clock.advance_ms(3_600_000);
    look(booking).await;
    look(other).await;
    clinic
        .open(&format!("/operator/desk/0/print?day={DATE}"))
        .await
        .submit("/print", &[])
        .await
        .says("김하늘 나");
    // Counted again, nothing is counted twice.
    site.site.vault.count_looks().unwrap();
    browser.open(&page).await.says("for this booking 2 times. Last: Wed 14 July 20:00 KST.");
    browser.says("with names was made once").says("href=\"/privacy\"");
    // After thirteen months an entry is gone, and with it the count.
    site.clock.advance_ms(397 * DAY);
    let told = site.site.vault.looked(booking as u32, 0, DATE, site.site.node.now().0).unwrap();
    assert_eq!(told.map(|looked| looked.times), [0, 0]);
}
