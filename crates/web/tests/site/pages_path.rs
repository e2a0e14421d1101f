//! The pages without scripts: the whole path of a citizen in both languages, and what
//! must never be lost on it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::harness::{OPENS_AT, TestSite, telephone};
use crate::pages_browser::Browser;

async fn opened(site: &TestSite) {
    site.make_campaign(Some(1), 2).await;
    site.with_room(false, Some(1)).await;
}

/// Takes a number.
async fn with_number<'a>(site: &'a TestSite, language: &'static str) -> Browser<'a> {
    let mut browser = Browser::new(site, language);
    browser.open("/rooms/1").await.submit("/join", &[]).await;
    browser
}

/// So many people, each with a number.
async fn crowd(site: &TestSite, people: usize) -> Vec<Browser<'_>> {
    let mut crowd = Vec::with_capacity(people);
    for _ in 0..people {
        crowd.push(with_number(site, "en").await);
    }
    crowd
}

/// Takes a number before the opening and waits until it is called.
async fn called<'a>(site: &'a TestSite, language: &'static str) -> Browser<'a> {
    let mut browser = with_number(site, language).await;
    site.at(OPENS_AT).await;
    for second in 1..=5 {
        site.at(OPENS_AT + second * 1_000).await;
    }
    browser.open("/rooms/1").await;
    browser
}

/// Writes who they are and the code that was sent.
pub async fn identify(site: &TestSite, browser: &mut Browser<'_>, number: u32) {
    let telephone = telephone(number);
    let form = [
        ("name", "김하늘"),
        ("year", "1964"),
        ("month", "3"),
        ("day", "7"),
        ("telephone", telephone.as_str()),
    ];
    browser.submit("/identify", &form).await;
    assert_eq!(browser.status, 200, "{}", browser.html);
    let code = site.code_for(number).await;
    browser.submit("/identify/code", &[("code", &code)]).await;
    assert_eq!(browser.status, 200, "{}", browser.html);
}

struct Said {
    language: &'static str,
    number: &'static str,
    go_in: &'static str,
    birth: &'static str,
    held: &'static str,
    booked: &'static str,
    cancelled: &'static str,
}

const SAID: [Said; 2] = [
    Said {
        language: "ko-KR,ko;q=0.9,en;q=0.5",
        number: "내 번호",
        go_in: "들어가기",
        birth: "있는 날짜인지 봐 주세요",
        held: "아직 예약된 것이 아닙니다",
        booked: "예약되었습니다",
        cancelled: "취소되었습니다",
    },
    Said {
        language: "en-GB,en;q=0.9",
        number: "Your number",
        go_in: "Go in",
        birth: "Please check the date",
        held: "Nothing is booked yet",
        booked: "Your booking is stored",
        cancelled: "Cancelled",
    },
];

#[tokio::test]
async fn a_person_waits_identifies_chooses_holds_confirms_moves_and_cancels() {
    for said in SAID {
        let site = TestSite::new().await;
        opened(&site).await;
        let mut browser = Browser::new(&site, said.language);
        browser.open("/").await.follow("/rooms/1").await.submit("/join", &[]).await.says(said.number);
        site.at(OPENS_AT).await;
        for second in 1..=5 {
            site.at(OPENS_AT + second * 1_000).await;
        }
        browser.open("/rooms/1").await.says(said.go_in);
        browser.submit("/enter", &[]).await;
        assert!(browser.path.starts_with("/identify"), "{}", browser.path);
        let wrong = [("name", "김하늘"), ("year", "64"), ("month", "13"), ("telephone", "010-0000-0001")];
        browser.submit("/identify", &wrong).await.says(said.birth).says("김하늘").says("010-0000-0001");
        assert_eq!(browser.status, 422);
        identify(&site, &mut browser, 1).await;
        browser.follow("region=").await.follow("district=").await.follow("/desks/").await.says("하늘의원");
        browser.submit("/hold", &[]).await.says(said.held);
        assert!(browser.path.starts_with("/hold/"), "{}", browser.path);
        browser.submit("/confirm", &[]).await.says(said.booked);
        browser.follow("/move").await;
        let later = browser
            .html
            .split("name=\"slot\" value=\"")
            .nth(2)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        browser.submit("/move", &[("slot", &later)]).await.says(said.booked).says("2021-07-16T11:00:00Z");
        browser.open("/bookings").await.follow("/bookings/").await.follow("/cancel").await;
        browser.submit("/cancel", &[]).await.says(said.cancelled);
    }
}

#[tokio::test]
async fn reloading_and_pressing_again_keep_the_first_number() {
    let site = TestSite::new().await;
    opened(&site).await;
    let mut first = Browser::new(&site, "en");
    let mut second = Browser::new(&site, "en");
    first.open("/rooms/1").await;
    let stale = first.html.clone();
    first.submit("/join", &[]).await.says("data-serial=\"0\"");
    second.open("/rooms/1").await.submit("/join", &[]).await.says("data-serial=\"1\"");
    first.html = stale;
    first.submit("/join", &[]).await.says("data-serial=\"0\"");
    assert_eq!(site.nobody().get("/api/v1/rooms/1").await.json()["issued"], 2);
}

#[tokio::test]
async fn pressing_confirm_twice_books_once() {
    let site = TestSite::new().await;
    opened(&site).await;
    let mut browser = called(&site, "en").await;
    browser.submit("/enter", &[]).await;
    identify(&site, &mut browser, 1).await;
    browser.open("/book/1/desks/0").await.submit("/hold", &[]).await;
    let stale = browser.html.clone();
    browser.submit("/confirm", &[]).await.says("Your booking is stored");
    browser.html = stale.clone();
    browser.submit("/confirm", &[]).await.says("Your booking is stored");
    // The other button of the old page does not take the booking away.
    browser.html = stale;
    browser.submit("/release", &[]).await.says("Your booking is stored");
}

#[tokio::test]
async fn a_form_from_elsewhere_or_without_its_token_changes_nothing() {
    let site = TestSite::new().await;
    opened(&site).await;
    let mut browser = Browser::new(&site, "en");
    browser.open("/rooms/1").await;
    let forged = BTreeMap::from([("csrf".to_owned(), "AAAA".to_owned())]);
    browser.post("/rooms/1/join", &forged).await;
    assert_eq!(browser.status, 403);
    browser.says("Please load it again");
    // Another browser's token is worth nothing here.
    let mut other = Browser::new(&site, "en");
    other.open("/rooms/1").await;
    browser.open("/rooms/1").await;
    browser.html = other.html.clone();
    browser.submit("/join", &[]).await;
    assert_eq!(browser.status, 403);
    assert_eq!(site.nobody().get("/api/v1/rooms/1").await.json()["issued"], 0);
}

#[tokio::test]
async fn the_place_on_the_waiting_page_is_the_one_that_anyone_computes() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let mut crowd = crowd(&site, 12).await;
    site.at(OPENS_AT).await;
    let mut places = Vec::new();
    for (serial, browser) in crowd.iter_mut().enumerate() {
        browser.open("/rooms/1").await;
        let place: usize =
            browser.html.split("data-place=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        browser.open(&format!("/rooms/1/fairness?ticket={}", serial + 1)).await;
        browser.says(&format!("Ticket {} has place {} in line", serial + 1, place + 1));
        places.push(place);
    }
    places.sort_unstable();
    assert_eq!(places, (0..12).collect::<Vec<usize>>());
}

#[tokio::test]
async fn problems_are_pages_that_say_what_is_safe_and_where_to_go() {
    let site = TestSite::new().await;
    opened(&site).await;
    let mut browser = Browser::new(&site, "ko");
    for path in ["/rooms/77", "/rooms/x", "/nowhere", "/book/x", "/bookings/AAAAA-AAAAA/nothing"] {
        browser.open(path).await.says("note good").says("class=\"b\"");
        assert!((400..500).contains(&browser.status), "{path}: {}", browser.status);
    }
    browser.open("/rooms/1").await.submit("/join", &[]).await;
    // Entering before the opening is refused, and the number is kept.
    browser.submit("/enter", &[]).await.says("번호와 순서는 그대로 있습니다").says("여는 시각");
    browser.follow("/rooms/1").await.says("data-serial=\"0\"");
}

#[tokio::test]
async fn a_language_is_chosen_kept_and_linked() {
    let site = TestSite::new().await;
    let mut browser = Browser::new(&site, "fr,en;q=0.3,ko;q=0.4");
    browser.open("/").await.says("<html lang=\"ko\"");
    browser.follow("lang=en").await.says("<html lang=\"en\"");
    browser.open("/bookings").await.says("<html lang=\"en\"");
}

#[tokio::test]
async fn a_page_and_the_document_in_it_are_of_one_moment() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let mut browser = Browser::new(&site, "en");
    browser.open("/rooms/1").await.submit("/join", &[]).await;
    let operator = site.operator().await;
    for hours in 1..=5 {
        let opens_at_ms = OPENS_AT + hours * 3_600_000;
        let schedule = json!({"opens_at_ms": opens_at_ms, "reason": "later"});
        operator.must_post("/api/v1/operator/rooms/1/schedule", &schedule, 204).await;
        browser.open("/rooms/1").await.says(&format!("data-until=\"{opens_at_ms}\""));
        browser.says(&format!("&#34;o&#34;:{opens_at_ms}"));
    }
}

#[tokio::test]
async fn while_it_is_paused_no_wait_is_told() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let mut crowd = crowd(&site, 40).await;
    let pace = json!({"entries_per_minute_max": 6, "passes_max": 100, "pass_ttl_ms": 600_000,
        "latency_goal_ms": 0, "error_goal_ppm": 0});
    let operator = site.operator().await;
    let slow = json!({"pace": pace, "reason": "slowly"});
    operator.must_post("/api/v1/operator/rooms/1/pace", &slow, 204).await;
    site.at(OPENS_AT).await;
    let because = json!({"reason": "The servers are being looked at"});
    operator.must_post("/api/v1/operator/rooms/1/pause", &because, 204).await;
    let mut waiting = 0;
    for browser in &mut crowd {
        browser.open("/rooms/1").await.says("The servers are being looked at");
        if browser.html.contains("<section id=\"line\">") {
            browser.says("id=\"range\">not known yet<").says("id=\"at\"></span>");
            waiting += 1;
        }
    }
    assert!(waiting > 0, "somebody waits");
}

#[tokio::test]
async fn changing_the_language_or_writing_a_wrong_code_loses_nothing() {
    let site = TestSite::new().await;
    site.with_room(true, None).await;
    let mut browser = Browser::new(&site, "ko");
    browser.open("/rooms/1").await.follow("/identify").await.follow("lang=en").await.says("Who are you?");
    let telephone = telephone(1);
    let form = [("name", "김하늘"), ("year", "1964"), ("month", "3"), ("day", "7")];
    browser.submit("/identify", &[&form[..], &[("telephone", telephone.as_str())]].concat()).await;
    let end = format!("···{}", &telephone[telephone.len() - 4..]);
    browser.says(&end);
    browser.submit("/identify/code", &[("code", "000000")]).await.says(&end);
    assert_eq!(browser.status, 422);
    browser.follow("lang=ko").await.says(&end);
    let code = site.code_for(1).await;
    browser.submit("/identify/code", &[("code", &code)]).await;
    assert_eq!(browser.path, "/rooms/1");
}
