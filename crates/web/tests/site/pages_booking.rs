//! Choosing a clinic and what one holds of a booking: order, bounds, code, calendar, channel.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{PARTNER_SECRET, Reply, START, TestSite, claim, problem};
use crate::pages_browser::{Browser, HOST};
use crate::pages_path::identify;

const HOUR_MS: u64 = 3_600_000;

/// More clinics: name, region, district, hours from [`START`] to its slots.
async fn add_clinics(site: &TestSite, clinics: &[(&str, &str, &str, &[u64])]) {
    let operator = site.operator().await;
    let first = site.nobody().get("/api/v1/campaigns/1/clinics").await.json().as_array().unwrap().len();
    let described = |(name, region, district, _): &(&str, &str, &str, &[u64])| {
        json!({"name": name, "address": if *name == "은평의원" { "언덕길 1".to_owned() } else { format!("{district} 1") }, "region": region, "district": district,
            "postcode": "04524", "latitude_e6": 0, "longitude_e6": 0})
    };
    let listed: Vec<Value> = clinics.iter().map(described).collect();
    let keyed = |what: &str| operator.keyed(&format!("{what}-more-{first:0>16}"));
    keyed("clinics").must_post("/api/v1/operator/clinics", &json!({"clinics": listed}), 201).await;
    let numbers: Vec<usize> = (first..first + clinics.len()).collect();
    let desks = json!({"clinics": numbers});
    keyed("desks").must_post("/api/v1/operator/campaigns/1/desks", &desks, 201).await;
    let slot = |hours: &u64| json!({"starts_at_ms": START + hours * HOUR_MS, "vaccine": 0, "capacity": 1});
    let rows = clinics.iter().zip(&numbers).filter(|((_, _, _, hours), _)| !hours.is_empty()).map(
        |((_, _, _, hours), desk)| json!({"desk": desk, "slots": hours.iter().map(slot).collect::<Vec<Value>>()}),
    );
    let rows: Vec<Value> = rows.collect();
    if !rows.is_empty() {
        keyed("slots").must_post("/api/v1/operator/slots", &json!({"rows": rows}), 201).await;
    }
    site.publish().await;
}

/// A browser of somebody who said who they are.
async fn signed_in<'a>(site: &'a TestSite, language: &'static str) -> Browser<'a> {
    let mut browser = Browser::new(site, language);
    browser.open("/book/1").await;
    identify(site, &mut browser, 1).await;
    browser
}

/// The names in a page's lists, in their order.
fn listed(html: &str) -> Vec<&str> {
    html.split("<li><a href=")
        .skip(1)
        .filter_map(|row| row.split("<strong>").nth(1)?.split('<').next())
        .collect()
}

/// A booking of the first free time of a clinic; its code.
async fn booked(browser: &mut Browser<'_>, desk: u32) -> String {
    browser.open(&format!("/book/1/desks/{desk}")).await.submit("/hold", &[]).await;
    browser.submit("/confirm", &[]).await;
    browser.path.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_chosen_district_comes_first_and_the_earliest_free_place_before_the_others() {
    let site = TestSite::new().await;
    // 하늘의원 in 중구 begins after 48 hours.
    site.with_campaign(2).await;
    add_clinics(
        &site,
        &[
            ("바다의원", "서울", "중구", &[30, 60]),
            ("마감의원", "서울", "중구", &[]),
            ("종로의원", "서울", "종로구", &[12]),
            ("은평의원", "서울", "은평구", &[20]),
            ("부산의원", "부산", "중구", &[2]),
        ],
    )
    .await;
    let mut browser = signed_in(&site, "en").await;
    let district = "/book/1?region=서울&district=중구";
    browser.open(&encoded(district)).await;
    let own = ["바다의원", "하늘의원", "마감의원"];
    let elsewhere = ["종로의원", "은평의원"];
    assert_eq!(listed(&browser.html), [&own[..], &elsewhere[..]].concat());
    browser
        .says("In other districts of 서울")
        .says("Fri 16 July 01:00 KST")
        .says("<small>종로구 1<")
        .says("은평구 · 언덕길 1");
    browser.follow("all=true").await;
    assert_eq!(listed(&browser.html), ["종로의원", "은평의원", "바다의원", "하늘의원", "마감의원"]);
    // When the earliest place is gone the clinic moves back; the order is a second old at most.
    let code = booked(&mut browser, 1).await;
    site.at(START + 1_100).await;
    browser.open(&encoded(district)).await.says("Sat 17 July 07:00 KST");
    assert_eq!(listed(&browser.html)[..3], ["하늘의원", "바다의원", "마감의원"]);
    // Where they had a place last is one press away.
    browser.open("/book/1").await.says("Where you had a place last").says("서울 › 중구");
    browser.open(&format!("/bookings/{code}/move")).await.says("You are moving a booking");
    browser.follow("/book/1?region=").await;
    assert!(browser.html.contains(&format!("move={code}")), "a move goes on through the lists");
}

/// An address with its Korean letters encoded.
fn encoded(path: &str) -> String {
    let encode = |letter: char| match letter {
        letter if letter.is_ascii() => letter.to_string(),
        letter => jari_web::pages::respond::encode_query(&letter.to_string()),
    };
    path.chars().map(encode).collect()
}

#[tokio::test]
async fn the_api_tells_each_clinic_s_earliest_time_and_orders_by_it_within_a_region() {
    let site = TestSite::new().await;
    site.with_campaign(2).await;
    add_clinics(&site, &[("바다의원", "서울", "중구", &[30]), ("종로의원", "서울", "종로구", &[12, 12])])
        .await;
    let nobody = site.nobody();
    let path = encoded("/api/v1/campaigns/1/clinics?region=서울&earliest_first=true");
    let found = nobody.get(&path).await.json();
    let of = |clinic: &Value| (clinic["name"].as_str().unwrap().to_owned(), clinic["earliest"].clone());
    let found: Vec<(String, Value)> = found.as_array().unwrap().iter().map(of).collect();
    let at = |hours: u64, free: u32| json!({"starts_at_ms": START + hours * HOUR_MS, "free": free});
    // Two slots that begin together are one time with two places.
    let expected = [("종로의원", at(12, 2)), ("바다의원", at(30, 1)), ("하늘의원", at(48, 2))];
    assert_eq!(found, expected.map(|(name, earliest)| (name.to_owned(), earliest)));
    let some = nobody.get(&format!("{path}&skip=1&limit=1")).await.json();
    assert_eq!(some[0]["name"], "바다의원");
    assert_eq!(some.as_array().unwrap().len(), 1);
    for unfit in ["earliest_first=true", "region=x&earliest_first=true&latitude=37&longitude=127"] {
        let reply = nobody.get(&format!("/api/v1/campaigns/1/clinics?{unfit}")).await;
        assert_eq!(reply.problem(), problem(422, "unfit"), "{unfit}");
    }
    let none = nobody.get("/api/v1/campaigns/1/clinics?region=nowhere&earliest_first=true").await.json();
    assert_eq!(none, json!([]));
    // A time that has begun is no time to come.
    site.at(START + 13 * HOUR_MS).await;
    let desk = nobody.get("/api/v1/desks/2").await.json();
    assert_eq!((&desk["earliest"], &desk["supply"]["free"]), (&Value::Null, &json!(2)));
}

#[tokio::test]
async fn long_lists_are_bounded_and_lead_on_to_everything() {
    let site = TestSite::new().await;
    site.with_campaign(2).await;
    let names: Vec<String> = (0..45).map(|number| format!("의원 {number:02}")).collect();
    let clinics: Vec<(&str, &str, &str, &[u64])> =
        names.iter().map(|name| (name.as_str(), "서울", "중구", &[30_u64][..])).collect();
    add_clinics(&site, &clinics).await;
    let mut browser = signed_in(&site, "en").await;
    browser.open(&encoded("/book/1?region=서울&district=중구")).await;
    let mut seen = Vec::new();
    loop {
        let shown = listed(&browser.html);
        assert!(shown.len() <= 20, "{} on one page", shown.len());
        seen.extend(shown.iter().map(|name| (*name).to_owned()));
        // The first link that skips is the other language's.
        let Some(rest) = browser.html.split("<a class=\"b low\" href=\"").nth(1) else { break };
        let next = rest.split('"').next().unwrap().replace("&#38;", "&");
        assert!(next.contains("skip="), "{next}");
        browser.open(&next).await;
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 46);
    // However far somebody skips, it is a page.
    for path in ["/book/1?region=서울&district=중구", "/book/1?region=서울", "/book/1?", "/book/1/desks/0?"]
    {
        browser.open(&format!("{}&skip={}", encoded(path), u64::MAX)).await;
        assert_eq!(browser.status, 200, "{path}: {}", browser.html);
    }
}

#[tokio::test]
async fn many_days_and_many_times_come_in_strips() {
    let site = TestSite::new().await;
    site.with_campaign(1).await;
    let days: Vec<u64> = (1..=30).map(|day| day * 24).collect();
    // Sixty times on one day: as many slots at ten in the morning, Korea.
    let times = [39_u64; 60];
    add_clinics(&site, &[("많은의원", "서울", "중구", &days), ("긴날의원", "서울", "중구", &times)]).await;
    let mut browser = signed_in(&site, "en").await;
    browser.open("/book/1/desks/1").await.says("Thu 15 July").says("Mon 26 July").says("Later days");
    assert!(!browser.html.contains("Tue 27 July") && !browser.html.contains("Earlier days"));
    browser
        .follow("day=2021-07-27")
        .await
        .says("Times on Tue 27 July")
        .says("Earlier days")
        .says("Later days");
    browser.follow("day=2021-08-08").await.says("Fri 13 August").says("Earlier days");
    assert!(!browser.html.contains("Later days"));
    browser.open("/book/1/desks/2").await.says("More times");
    assert_eq!(browser.html.matches("name=\"slot\"").count(), 48);
    browser.follow("skip=48").await;
    assert_eq!(browser.html.matches("name=\"slot\"").count(), 12);
    browser.submit("/hold", &[]).await.says("Nothing is booked yet");
}

/// The properties of a calendar file with one event, read by the rules of RFC 5545: CRLF ends
/// each line, none is longer than 75 octets, folded ones are joined, texts unescaped.
fn properties(reply: &Reply) -> BTreeMap<String, String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.headers["content-type"], "text/calendar; charset=utf-8");
    assert_eq!(reply.headers["cache-control"], "private, no-store");
    let text = std::str::from_utf8(&reply.body).unwrap();
    let body = text.strip_suffix("\r\n").expect("the last line is ended");
    for line in body.split("\r\n") {
        assert!(!line.is_empty() && line.len() <= 75 && !line.contains(['\r', '\n']), "{line:?}");
    }
    let unfolded = body.replace("\r\n ", "");
    let lines: Vec<(&str, &str)> = unfolded.split("\r\n").map(|line| line.split_once(':').unwrap()).collect();
    let ends = [("BEGIN", "VCALENDAR"), ("VERSION", "2.0"), ("END", "VEVENT"), ("END", "VCALENDAR")];
    assert_eq!([lines[0], lines[1], lines[lines.len() - 2], lines[lines.len() - 1]], ends);
    assert_eq!(unfolded.matches("BEGIN:VEVENT").count(), 1);
    let mut found = BTreeMap::new();
    for (name, value) in lines.into_iter().filter(|(name, _)| !matches!(*name, "BEGIN" | "END")) {
        let plain = value.replace("\\n", "\n").replace("\\,", ",").replace("\\;", ";");
        assert_eq!(found.insert(name.to_owned(), plain), None, "{name} comes once");
    }
    found
}

#[tokio::test]
async fn a_calendar_file_follows_its_booking_and_is_for_its_person_alone() {
    let site = TestSite::new().await;
    site.with_campaign(2).await;
    let mut browser = signed_in(&site, "en").await;
    browser.open("/book/1/desks/0").await.submit("/hold", &[]).await;
    let code = browser.path.rsplit('/').next().unwrap().to_owned();
    let path = format!("/bookings/{code}/calendar.ics");
    // A hold is no booking, and nobody puts it into a calendar.
    assert_eq!(browser.fetch(&path).await.status, 303);
    browser.submit("/confirm", &[]).await.says(&path);
    let first = properties(&browser.fetch(&path).await);
    let expected = [
        ("DTSTART", "20210716T100000Z"),
        ("DTEND", "20210716T103000Z"),
        ("STATUS", "CONFIRMED"),
        ("SUMMARY", "55-59, dose 1"),
        ("LOCATION", "하늘의원, 서울 중구 1"),
        ("GEO", "37.566500;126.978000"),
        ("DTSTAMP", "20210714T100000Z"),
    ];
    for (name, value) in expected {
        assert_eq!(first[name], value, "{name}");
    }
    assert_eq!(first["URL"], format!("https://{HOST}/bookings/{code}"));
    assert!(first["DESCRIPTION"].starts_with(&format!("Booking code: {code}\n")), "{first:?}");
    assert!(!first.contains_key("METHOD") && !first.contains_key("ATTENDEE"), "it is no invitation");
    assert!(!first.values().any(|value| value.contains("김하늘") || value.contains("010")), "{first:?}");
    site.clock.advance_ms(1_000);
    browser.follow("/move").await;
    let later =
        browser.html.split("name=\"slot\" value=\"").nth(2).unwrap().split('"').next().unwrap().to_owned();
    browser.submit("/move", &[("slot", &later)]).await;
    let moved = properties(&browser.fetch(&path).await);
    assert_eq!((&moved["UID"], &*moved["DTSTART"]), (&first["UID"], "20210716T110000Z"));
    site.clock.advance_ms(1_000);
    browser.follow("/cancel").await.submit("/cancel", &[]).await.says("Strike it out in my calendar");
    let cancelled = properties(&browser.fetch(&path).await);
    assert_eq!((&cancelled["UID"], &*cancelled["STATUS"]), (&first["UID"], "CANCELLED"));
    assert_eq!(cancelled["SUMMARY"], "Cancelled: 55-59, dose 1");
    let sequence = |file: &BTreeMap<String, String>| file["SEQUENCE"].parse::<i32>().unwrap();
    assert!(sequence(&first) < sequence(&moved) && sequence(&moved) < sequence(&cancelled));
    // Nobody else learns that it exists.
    let nobody = site.nobody().get(&path).await;
    assert_eq!(
        (nobody.status, nobody.headers["location"].to_str().unwrap()),
        (303, &*format!("/identify?next=/bookings/{code}"))
    );
    let mut other = Browser::new(&site, "en");
    other.open("/book/1").await;
    identify(&site, &mut other, 2).await;
    assert_eq!(other.fetch(&path).await.status, 404);
    // Another booking is another entry.
    booked(&mut other, 0).await;
    let another = properties(&other.fetch(&format!("{}/calendar.ics", other.path)).await);
    assert_ne!(another["UID"], first["UID"]);
}

#[tokio::test]
async fn a_booking_shows_its_code_as_a_picture_with_words_beside_it() {
    let site = TestSite::new().await;
    site.with_campaign(2).await;
    let mut browser = signed_in(&site, "ko").await;
    let code = booked(&mut browser, 0).await;
    browser
        .says("<svg class=\"qr\" role=\"img\"")
        .says(&format!("aria-label=\"예약 번호 {code}의 QR 코드\""));
    browser.says("fill=\"#fff\"").says("fill=\"#000\"");
    // A name that is none of a host gives the code alone, which is a smaller picture.
    let side = |html: &str| {
        html.split("viewBox=\"0 0 ").nth(1).unwrap().split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    let forged = browser.fetch_from("evil.example/\"><script>", &browser.path).await;
    let forged = String::from_utf8(forged.body.to_vec()).unwrap();
    assert!(!forged.contains("evil") && side(&forged) < side(&browser.html), "{forged}");
    browser.follow("/cancel").await.submit("/cancel", &[]).await;
    assert!(!browser.html.contains("<svg"), "nobody comes with a cancelled booking");
}

#[tokio::test]
async fn through_whom_a_booking_was_made_is_shown_as_far_as_it_is_known() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(2).await;
    let mut browser = signed_in(&site, "en").await;
    booked(&mut browser, 0).await;
    browser.says("on this site").says("not who pressed the button");
    browser.open("/bookings").await;
    assert!(!browser.html.contains("on this site"), "what is usual is not said in a list");
    browser.follow("/bookings/").await.follow("/cancel").await.submit("/cancel", &[]).await;
    // The same person through a partner.
    let who = json!({"name": "김하늘", "birth": "1964-03-07", "telephone": claim(1, "")["telephone"], "language": "en"});
    let partner = site.nobody().bearing(PARTNER_SECRET);
    let session = partner.must_post("/api/v1/partner/sessions", &who, 201).await.text_at("session_token");
    let citizen = site.nobody().bearing(session);
    let hold = citizen.keyed("hold-by-a-partner-1");
    let held = hold.must_post("/api/v1/holds", &json!({"slot": slot}), 201).await.json();
    let confirm = format!("/api/v1/bookings/{}/confirm", held["booking"]);
    let made = citizen.keyed("confirm-by-partner-1").must_post(&confirm, &json!({}), 200).await.json();
    assert_eq!((&made["channel"], &made["partner"]), (&json!(16), &json!("messenger")));
    browser.open("/bookings").await.says("Booked: through messenger");
    browser.follow("/bookings/").await.says("through messenger");
}
