//! What people are told about when they may book, held against what the machine decides.

use serde_json::{Value, json};

use crate::harness::{START, TestSite, problem};
use crate::pages_browser::Browser;
use crate::pages_path::identify;

const DAY_MS: u64 = 86_400_000;

fn window(from_day: u64, digits: &[u8], share_ppm: u32) -> Value {
    let opens_at_ms = START + from_day * DAY_MS;
    json!({"opens_at_ms": opens_at_ms, "closes_at_ms": opens_at_ms + DAY_MS, "digits": digits, "share_ppm": share_ppm})
}

async fn set_windows(site: &TestSite, windows: &[Value]) {
    let asked = json!({"windows": {"each": windows}, "reason": "by the day of birth"});
    site.operator().await.must_post("/api/v1/operator/campaigns/1/windows", &asked, 204).await;
}

/// Days 1 and 2 by digits, day 4 for everyone but the sevens, nothing on day 3.
async fn by_digits(site: &TestSite) -> u64 {
    site.with_campaign(2).await;
    let rows = json!({"rows": [{"desk": 0, "slots": [
        {"starts_at_ms": START + 20 * DAY_MS, "vaccine": 0, "capacity": 500}]}]});
    let operator = site.operator().await.keyed("slots-far-away-0001");
    let added = operator.must_post("/api/v1/operator/slots", &rows, 201).await.json();
    let windows = [
        window(1, &[0, 1, 2, 3, 4], 500_000),
        window(2, &[5, 6, 7, 8, 9], 1_000_000),
        window(4, &[0, 1, 2, 3, 4, 5, 6, 8, 9], 1_000_000),
    ];
    set_windows(site, &windows).await;
    added["runs"][0]["first"].as_u64().unwrap()
}

#[tokio::test]
async fn what_is_told_is_what_the_machine_decides() {
    let site = TestSite::new().await;
    let slot = by_digits(&site).await;
    let mut people = Vec::new();
    for digit in 0..10 {
        // The 10th to the 19th of March.
        people.push(site.citizen(digit, &format!("1964-03-{}", 10 + digit)).await);
    }
    people.push(site.citizen(10, "1990-01-01").await);
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for day in 0..=5 {
        site.at(START + day * DAY_MS + 60_000).await;
        for (number, person) in people.iter().enumerate() {
            let told = person.get("/api/v1/campaigns/1/eligibility").await.json();
            let key = format!("hold-day-{day}-person-{number:02}");
            let held = person.keyed(&key).post("/api/v1/holds", &json!({"slot": slot})).await;
            let standing = told["standing"].as_str().unwrap();
            *seen.entry(standing.to_owned()).or_default() += 1;
            match standing {
                "now" => assert_eq!(held.status, 201, "day {day}, person {number}: {held:?}"),
                "over" => assert_eq!(held.problem(), problem(410, "booking_over")),
                "birth_outside" if day > 0 => assert_eq!(held.problem(), problem(403, "not_eligible")),
                "from" if day > 0 => {
                    assert_eq!(held.problem(), problem(403, "not_your_day"), "day {day}, person {number}");
                    assert_eq!(held.json()["value"], told["opens_at_ms"], "{held:?}");
                    let digits = told["digits"].as_array().unwrap();
                    assert!(digits.contains(&json!(number)), "day {day}, person {number}: {told}");
                }
                "no_day_left" => {
                    assert_eq!(held.problem(), problem(403, "not_your_day"));
                    assert_eq!(number, 7, "day {day}");
                }
                _ => assert_eq!(held.problem(), problem(403, "booking_not_open"), "{told}"),
            }
        }
    }
    for standing in ["now", "over", "birth_outside", "from", "no_day_left"] {
        assert!(seen.get(standing).is_some_and(|times| *times > 0), "{standing} never came: {seen:?}");
    }
}

#[tokio::test]
async fn pages_say_from_when_before_anyone_chooses_and_where_a_hold_is_refused() {
    let site = TestSite::new().await;
    by_digits(&site).await;
    let mut browser = Browser::new(&site, "en");
    browser.open("/book/1").await;
    // Born on 7 March: the second day.
    identify(&site, &mut browser, 1).await;
    let opens = "You may book from Fri 16 July 2021, 19:00 KST.";
    let whose = "That is the day of those whose day of birth ends in 5, 6, 7, 8 or 9. Yours ends in 7.";
    browser.open("/book/1").await.says(opens).says(whose);
    browser.follow("region=").await.says(opens);
    browser.follow("district=").await.says(opens);
    browser.follow("/desks/").await.says(opens);
    browser.submit("/hold", &[]).await.says(opens).says(whose);
    assert_eq!(browser.status, 403);
    site.at(START + 2 * DAY_MS).await;
    browser.open("/book/1").await;
    assert!(!browser.html.contains("You may book from"), "{}", browser.html);
    browser.open("/book/1/desks/0").await.submit("/hold", &[]).await.says("Nothing is booked yet");
}

#[tokio::test]
async fn whoever_was_born_outside_is_told_the_limits_and_can_correct_what_they_wrote() {
    let site = TestSite::new().await;
    site.with_campaign(2).await;
    let rules = json!({"rules": {"version": 2, "born_from": "1950-01-01", "born_until": "1954-12-31", "doses": 1, "dose_interval_days": 0},
        "reason": "older people first"});
    let operator = site.operator().await;
    let reply = operator.post("/api/v1/operator/campaigns/1/rules", &rules).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    let mut browser = Browser::new(&site, "en");
    browser.open("/book/1").await;
    identify(&site, &mut browser, 1).await;
    let born = "This booking is for people born from 1 January 1950 to 31 December 1954.";
    browser.open("/book/1").await.says(born).says("You told us 7 March 1964");
    browser.follow("/identify?again=true").await.says("Who are you?").says("value=\"/book/1\"");
    browser.open("/book/1/desks/0").await.submit("/hold", &[]).await.says(born);
    // Its first link is the other language's, of the page that it leads to.
    browser.follow("/identify?again=true").await.says("name=\"next\" value=\"/book/1\"");
    browser.follow("lang=en").await.says("Who are you?").says("name=\"next\" value=\"/book/1\"");
}
