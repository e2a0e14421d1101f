//! The pages of the clinic's desk, of those who stand by, and of the telephone agent.

use std::collections::BTreeMap;

use jari_web::staff::Role;
use serde_json::json;

use crate::desks::{DAY, SLOT_AT, audited, booked, desk};
use crate::harness::{START, TestSite, telephone};
use crate::pages_browser::Browser;
use crate::staff::{PASSWORD, account, signed_in, token};

const MINUTE: u64 = 60_000;
const BIRTH: &str = "1964-03-07";

/// Posts a form of the page shown to an address that one of its buttons leads to.
pub async fn press<'a, 'b>(
    browser: &'b mut Browser<'a>,
    path: &str,
    fields: &[(&str, &str)],
) -> &'b mut Browser<'a> {
    let mut sent = BTreeMap::from([("csrf".to_owned(), browser.hidden("csrf"))]);
    sent.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    browser.post(path, &sent).await
}

fn birth_fields<'a>(name: &'a str, telephone: &'a str) -> [(&'a str, &'a str); 5] {
    [("name", name), ("year", "1964"), ("month", "3"), ("day", "7"), ("telephone", telephone)]
}

/// A person's browser, who came in as [`TestSite::citizen`] does.
async fn at_home<'a>(site: &'a TestSite, number: u32) -> Browser<'a> {
    let mut browser = Browser::new(site, "en");
    browser.keep("jari_session", site.citizen(number, BIRTH).await.token());
    browser
}

#[tokio::test]
async fn a_clinic_goes_straight_to_its_day_and_checks_in_with_a_scanned_code() {
    let (site, slot) = desk(3).await;
    let booking = booked(&site, &site.citizen(1, BIRTH).await, slot).await.to_string();
    site.at(SLOT_AT).await;
    let mut clinic = signed_in(&site, "desk", PASSWORD, "").await;
    assert_eq!(clinic.path, "/operator/desk/0");
    clinic.says("하늘의원").says("Expected").says("2 free");
    assert!(!clinic.html.contains("김하늘"), "nobody is named");
    let code = site.nobody().bearing(token(&site, 10, Role::Clinic, 1));
    let code = code.get(&format!("/api/v1/operator/bookings/{booking}")).await.text_at("code");
    let scanned = format!("https://jari.example.org/bookings/{code}?lang=ko");
    clinic.submit("/find", &[("code", &scanned)]).await.says(&code).says("autofocus>Came");
    press(&mut clinic, "/operator/desk/0/contact", &[("booking", &booking), ("date", DAY)]).await;
    clinic.says("김하늘 나").says(&telephone(1));
    assert_eq!(audited(&site, "look_at_contact").await, [(format!("booking {booking}"), String::new())]);
    clinic.open("/operator/desk/0").await;
    assert!(!clinic.html.contains("김하늘"), "it is shown once");
    clinic.submit("/find", &[("code", "AAAAA-AAAAA")]).await.says("There is no such booking");
    press(&mut clinic, "/operator/desk/0/no-show", &[("booking", &booking), ("date", DAY)]).await;
    assert_eq!(clinic.status, 409);
    clinic.says("The person may still come. Possible from");
    press(&mut clinic, "/operator/desk/0/check-in", &[("booking", &booking), ("date", DAY)]).await;
    clinic.says("Saved.").says("Came");
}

#[tokio::test]
async fn a_days_list_for_paper_names_people_only_when_asked_and_says_so() {
    let (site, slot) = desk(3).await;
    booked(&site, &site.citizen(1, BIRTH).await, slot).await;
    let mut clinic = signed_in(&site, "desk", PASSWORD, "").await;
    clinic.open(&format!("/operator/desk/0?day={DAY}")).await.follow("/print").await.says("☐");
    assert!(!clinic.html.contains("김하늘"));
    assert_eq!(audited(&site, "print_names").await, []);
    clinic.submit("/print", &[]).await.says("김하늘 나").says(&telephone(1)).says("Destroy it");
    let on = format!("desk 0, {DAY}, 1 bookings");
    assert_eq!(audited(&site, "print_names").await, [(on, String::new())]);
}

#[tokio::test]
async fn the_desk_gives_offers_and_withdraws_places() {
    let (site, slot) = desk(2).await;
    site.at(SLOT_AT + MINUTE).await;
    let slot = slot.to_string();
    let mut clinic = signed_in(&site, "desk", PASSWORD, "").await;
    let unfit =
        [("name", "이서준"), ("year", "64"), ("month", "3"), ("day", "7"), ("telephone", "01022223333")];
    clinic.submit("/walk-in", &[&[("slot", slot.as_str()), ("dose", "1")], &unfit[..]].concat()).await;
    assert_eq!(clinic.status, 422);
    clinic.says("Something that was written does not fit").says("value=\"이서준\"");
    let fields = birth_fields("이서준", "01022223333");
    clinic.submit("/walk-in", &[&[("slot", slot.as_str()), ("dose", "1")], &fields[..]].concat()).await;
    clinic.says("Saved.").says("1 free");
    assert_eq!(audited(&site, "walk_in").await, [(format!("slot {slot}"), String::new())]);
    let offer = [("slot", slot.as_str()), ("places", "1"), ("minutes", "10")];
    clinic.submit("/offer", &offer).await.says("Nobody who could take it stands by");
    clinic.submit("/capacity", &[("slot", &slot), ("places", "1"), ("reason", "x")]).await.says("Saved.");
    clinic.submit("/capacity", &[("slot", &slot), ("places", "0"), ("reason", "x")]).await;
    clinic.says("Places in use cannot be taken away");
    clinic.submit("/capacity", &[("slot", &slot), ("places", "4"), ("reason", "more came")]).await;
    let withdrawn = [("slot", slot.as_str()), ("places", "2"), ("reason", "a nurse is ill"), ("date", DAY)];
    press(&mut clinic, "/operator/desk/0/withdrawn", &withdrawn).await.says("2 withdrawn").says("1 free");
    clinic.submit("/time", &[("time", "07:00"), ("places", "3")]).await.says("does not fit");
    clinic.submit("/time", &[("time", "late"), ("places", "3")]).await.says("does not fit");
    clinic.open(&format!("/operator/desk/0?day={DAY}")).await;
    clinic.submit("/time", &[("time", "22:30"), ("places", "3")]).await.says("Saved.");
    site.publish().await;
    clinic.open(&format!("/operator/desk/0?day={DAY}")).await.says("22:30").says("3 free");
    assert_eq!(audited(&site, "add_slots").await[0].0, "desk 0");
}

#[tokio::test]
async fn whoever_stands_by_is_offered_a_place_with_its_clock_and_answers() {
    let (site, slot) = desk(1).await;
    site.at(SLOT_AT - 60 * MINUTE).await;
    let mut near = at_home(&site, 1).await;
    near.open("/book/1?region=%EC%84%9C%EC%9A%B8&district=%EC%A4%91%EA%B5%AC").await.says("stand by there");
    near.follow("/desks/0").await.says("Leftover places today");
    near.submit("/standby/0", &[("minutes", "500"), ("dose", "1")]).await.says("Write 1 to 180 minutes");
    near.submit("/standby/0", &[("minutes", "15"), ("dose", "1")])
        .await
        .says("You stand by for leftover places");
    near.says("15 minutes away").says("하늘의원");
    near.open("/book/1/desks/0").await.says("You stand by here, 15 minutes away.");
    let mut far = at_home(&site, 2).await;
    far.open("/book/1/desks/0").await.submit("/standby/0", &[("minutes", "50"), ("dose", "1")]).await;
    let mut third = at_home(&site, 3).await;
    third.open("/book/1/desks/0").await.submit("/standby/0", &[("minutes", "60"), ("dose", "1")]).await;
    third.submit("/leave", &[]).await;
    assert!(!third.html.contains("You stand by"), "they stood down");
    let mut clinic = signed_in(&site, "desk", PASSWORD, "").await;
    let offer = [("slot", slot.to_string()), ("places", "1".into()), ("minutes", "10".into())];
    let offer: Vec<(&str, &str)> = offer.iter().map(|(name, value)| (*name, value.as_str())).collect();
    clinic.submit("/offer", &offer).await.says("Saved.").says("waiting for an answer: 1");
    near.open("/bookings").await.says("offered to you");
    near.follow("/hold/").await;
    near.says("A place is free for you today").says("role=\"timer\"").says("Take this place");
    near.submit("/release", &[]).await;
    assert_eq!(near.path, "/bookings");
    far.open("/bookings").await.follow("/hold/").await.submit("/confirm", &[]).await.says("Booked");
    clinic.open(&format!("/operator/desk/0?day={DAY}")).await.says("Expected");
}

#[tokio::test]
async fn an_agent_books_moves_and_cancels_for_a_caller() {
    let (site, slot) = desk(2).await;
    let mut agent = signed_in(&site, "agent", PASSWORD, "").await;
    agent.follow("/operator/phone").await.says("Who is on the line?");
    let fields = birth_fields("김하늘 나", "01000000005");
    agent.submit("/find", &[&fields[..4], &[("telephone", "123")]].concat()).await;
    agent.says("Something that was written does not fit").says("value=\"김하늘 나\"");
    agent.submit("/find", &fields).await.says("···0005");
    agent.submit("/phone/code", &[("code", "000000")]).await.says("That is not the code");
    let code = site.code_for(5).await;
    agent.submit("/phone/code", &[("code", &code)]).await.says("김하늘 나").says("They have none.");
    agent.follow("/phone/book/1").await;
    agent.open("/operator/phone/book/1?region=%EC%84%9C%EC%9A%B8&moving=").await.says("District");
    agent.open("/operator/phone/book/1?region=%EC%84%9C%EC%9A%B8&district=%EC%A4%91%EA%B5%AC").await;
    agent.says("하늘의원");
    agent.open("/operator/phone/book/1?region=elsewhere&district=x&desk=0").await;
    assert!(!agent.html.contains("Keep this time"), "another region was chosen since");
    agent.open("/operator/phone/book/1?desk=0").await.says("Keep this time");
    let slot = slot.to_string();
    agent.submit("/phone/hold", &[("slot", &slot), ("dose", "1")]).await.says("Read it out, then confirm");
    let booking = "0";
    agent.submit("/phone/confirm", &[]).await.says("Saved.").says("by telephone, with an agent");
    agent.follow("moving=").await.says("You are moving a booking");
    let later = (slot.parse::<u32>().unwrap() + 1).to_string();
    agent.submit("/phone/move", &[("slot", &later)]).await.says("Saved.");
    agent.submit("/phone/cancel", &[("booking", booking)]).await.says("Saved.").says("cancelled");
    agent.submit("/hang-up", &[]).await.says("Who is on the line?");
    assert_eq!(audited(&site, "move_for_caller").await, [("booking 0".to_owned(), String::new())]);
}

#[tokio::test]
async fn an_agent_vouches_for_somebody_new_and_not_for_a_neighbour() {
    let (site, _) = desk(2).await;
    site.citizen(1, BIRTH).await;
    let mut agent = signed_in(&site, "agent", PASSWORD, "").await;
    agent.open("/operator/phone").await;
    let known = telephone(1);
    let known = birth_fields("김하늘 나", &known);
    press(&mut agent, "/operator/phone/vouch", &known).await.says("This person is known here");
    press(&mut agent, "/operator/phone/vouch", &birth_fields("이서준", "0212345678")).await.says("이서준");
}

#[tokio::test]
async fn the_agents_share_is_asked_about_once_more_and_its_reason_is_public() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    account(&site, "chief", 7, Role::Operator).await;
    let mut chief = signed_in(&site, "chief", PASSWORD, "").await;
    chief.open("/operator/rooms/1").await.says("Telephone agents");
    for unfit in ["much", "10.55", "-1", "5000000000"] {
        chief.open("/operator/rooms/1").await;
        let fields = [("share", unfit), ("reason", "x"), ("sure", "yes")];
        chief.submit("/agent-share", &fields).await.says("Something that was written does not fit");
    }
    chief.submit("/agent-share", &[("share", "12.5 %"), ("reason", "many call")]).await.says("Are you sure?");
    chief.submit("/agent-share", &[]).await.says("Saved.").says("value=\"12.5\"");
    let events = site.nobody().get("/api/v1/events").await.json();
    let told = json!({"kind": "agent_share_set", "value": 125, "reason": "many call", "subject": 1});
    let last = events.as_array().unwrap().last().unwrap().clone();
    for (key, value) in told.as_object().unwrap() {
        assert_eq!(&last[key], value, "{last}");
    }
    assert!(last["at_ms"].as_u64() >= Some(START));
}
