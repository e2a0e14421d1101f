//! A whole opening day from the console: a table, a campaign and its room, a rehearsal, the opening,
//! a pause, a quota, the end, and what is taken away.

use std::sync::Arc;

use jari_web::staff::Role;

use crate::desks::audited;
use crate::harness::{START, TestSite};
use crate::pages_browser::Browser;
use crate::pages_operator::signed_in;
use crate::staff::{PASSWORD, account, signed_in as signed_in_as};

const HEAD: &str =
    "clinic_id,clinic_name,address,region,district,postcode,starts_at,ends_at,capacity,vaccine";
/// Two clinics, three times, six places; one vaccine, and rows without.
const ROWS: &str = "a,하늘의원,\"중구 1, 2층\",서울,중구,04524,2021-07-26T09:00:00+09:00,2021-07-26T09:30:00+09:00,3,Moderna\n\
    a,하늘의원,\"중구 1, 2층\",서울,중구,04524,2021-07-26T09:30:00+09:00,2021-07-26T10:00:00+09:00,2,\n\
    b,=바다의원,해운대 3,부산,해운대구,48000,2021-07-27T09:00:00+09:00,2021-07-27T09:30:00+09:00,1,moderna\n";
/// Opens at 20:00 in Korea, an hour from now.
const FIELDS: [(&str, &str); 15] = [
    ("name", "55-59세"),
    ("quota", "6"),
    ("doses", "2"),
    ("interval", "28"),
    ("born_from", "1962-01-01"),
    ("born_until", "1966-12-31"),
    ("opens_at", "2021-07-14T20:00"),
    ("closes_at", "2021-07-20T18:00"),
    ("entries", "600"),
    ("passes", "1,000"),
    ("turn", "10"),
    ("hold", "5"),
    ("reminder", "0"),
    ("identity_bound", "yes"),
    ("sure", "yes"),
];
const HOUR: u64 = 3_600_000;

fn table() -> String {
    format!("{HEAD}\n{ROWS}")
}

fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    FIELDS.iter().map(|field| if field.0 == name { (name, value) } else { *field }).collect()
}

/// An operator who has looked at the good table.
async fn looking(site: &TestSite) -> Browser<'_> {
    let mut operator = signed_in(site).await;
    operator.follow("/operator/openings").await.says("Prepare an opening");
    operator.upload("/look", &[], ("clinics.csv", &table())).await;
    operator
}

#[tokio::test]
async fn a_whole_opening_day_from_a_table_to_what_is_taken_away() {
    let site = TestSite::with(|options| {
        options.rehearse = Some(Arc::new(|asked| {
            Box::pin(
                async move { Ok(format!("<!doctype html><p>{} for {}</p>", asked.people, asked.places)) },
            )
        }));
    })
    .await;
    let mut operator = looking(&site).await;
    operator.says("In clinics.csv").says("Moderna").says("<dt>Places</dt><dd>6</dd>");
    assert!(
        site.nobody().get("/api/v1/campaigns").await.json().as_array().unwrap().is_empty(),
        "only looked"
    );
    operator.upload("/create", &FIELDS, ("clinics.csv", &table())).await.says("Saved.").says("55-59세");
    assert_eq!(operator.path, "/operator/campaigns/1?done=1");
    site.publish().await;
    let campaign = site.nobody().get("/api/v1/campaigns/1").await.json();
    assert_eq!(campaign["supply"]["free"], 6);
    assert_eq!((&campaign["state"], &campaign["room"]), (&"not_open".into(), &1.into()));
    let clinics = site.nobody().get("/api/v1/campaigns/1/clinics?region=%EC%84%9C%EC%9A%B8").await.json();
    assert!(clinics.to_string().contains("중구 1, 2층"), "{clinics}");

    let mut report = operator.fetch("/operator/campaigns/1").await;
    assert_eq!(report.status, 200);
    report = rehearsed(&operator, "500").await;
    assert_eq!(report.body, "<!doctype html><p>500 for 6</p>");
    let policy = report.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox;") && !policy.contains("script"), "{policy}");
    assert_eq!(rehearsed(&operator, "99").await.status, 422);

    let citizen = site.citizen(1, "1964-03-07").await;
    citizen.must_post("/api/v1/rooms/1/tickets", &serde_json::json!({}), 201).await;
    operator.open("/operator/campaigns/1").await.follow("/operator/rooms/1").await;
    operator.submit("/open", &[("reason", "all is ready")]).await.submit("/open", &[]).await.says("Saved.");
    site.at(START + 1_000).await;
    assert_eq!(rehearsed(&operator, "500").await.status, 503, "not while somebody waits");
    operator.submit("/pause", &[("reason", "a look")]).await.submit("/pause", &[]).await.says("Saved.");
    operator.submit("/resume", &[]).await.follow("/operator/campaigns/1").await;
    let quota = [("quota", "5"), ("reason", "one dose broke")];
    operator.submit("/quota", &quota).await.submit("/quota", &[]).await.says("Saved.");
    site.at(START + HOUR).await;
    operator.open("/operator/campaigns/1").await;
    operator.submit("/close", &[("reason", "it is over")]).await.submit("/close", &[]).await.says("Saved.");

    let taken = |table: &str| format!("/operator/campaigns/1/export/{table}");
    let places = operator.fetch(&taken("places")).await;
    let places = String::from_utf8(places.body.to_vec()).unwrap();
    let rows: Vec<&str> = places.lines().collect();
    assert_eq!(rows.len(), 4, "{places}");
    assert!(rows[1].starts_with("0,2021-07-26T09:00:00+09:00,0,하늘의원,서울,중구,Moderna,3,3,0,0,0,0"));
    assert!(rows[3].contains("'=바다의원"), "no spreadsheet takes a name for a formula: {}", rows[3]);
    let events = operator.fetch(&taken("events")).await;
    let events = String::from_utf8(events.body.to_vec()).unwrap();
    for told in ["a look", "one dose broke", "it is over", "campaign_closed"] {
        assert!(events.contains(told), "{told}: {events}");
    }
    assert_eq!(operator.fetch(&taken("people")).await.status, 404);
    account(&site, "auditor", 12, Role::Auditor).await;
    let noted = audited(&site, "export_campaign").await;
    let noted: Vec<&str> = noted.iter().map(|(on, _)| on.as_str()).collect();
    assert_eq!(noted, ["campaign 1, events", "campaign 1, places"]);
}

/// What a rehearsal with so many people comes to.
async fn rehearsed(operator: &Browser<'_>, people: &str) -> crate::harness::Reply {
    operator.send_form("/operator/campaigns/1/rehearse", &[("people", people)]).await
}

#[tokio::test]
async fn bookings_are_taken_away_by_their_codes_and_without_names() {
    let (site, slot) = crate::desks::desk(3).await;
    let booking = crate::desks::booked(&site, &site.citizen(1, "1964-03-07").await, slot).await;
    account(&site, "auditor", 9, Role::Auditor).await;
    let auditor = signed_in_as(&site, "auditor", PASSWORD, "").await;
    let reply = auditor.fetch("/operator/campaigns/1/export/bookings").await;
    assert!(reply.headers["content-disposition"].to_str().unwrap().contains("campaign-1-bookings.csv"));
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows.len(), 2, "{text}");
    assert!(rows[1].starts_with(&format!("{booking},")) && rows[1].contains(",booked,1,"), "{text}");
    assert!(!text.contains("김하늘"), "nobody is named");
    account(&site, "viewer", 8, Role::Viewer).await;
    let viewer = signed_in_as(&site, "viewer", PASSWORD, "").await;
    assert_eq!(viewer.fetch("/operator/campaigns/1/export/bookings").await.status, 403);
}

#[tokio::test]
async fn what_does_not_fit_is_said_before_anything_is_made() {
    let site = TestSite::new().await;
    let mut operator = signed_in(&site).await;
    operator.open("/operator/openings").await;
    let bad = format!(
        "{HEAD}\n{ROWS}c,강의원,x,서울,중구,04524,2021-07-26T09:00:00-05:00,2021-07-26T09:30:00-05:00,0,\n"
    );
    operator.upload("/look", &[], ("clinics.csv", &bad)).await.says("Line 5").says("zero_capacity");
    operator.says("wrong_offset").says("cannot be taken as it is");
    assert_eq!(operator.status, 422);
    operator
        .upload("/look", &[("skip_bad", "yes")], ("clinics.csv", &bad))
        .await
        .says("<dt>Rows left out</dt><dd>1</dd>");
    operator.upload("/create", &FIELDS, ("clinics.csv", &table())).await.says("This is another file");
    operator.says("value=\"55-59세\"");
    operator.upload("/look", &[], ("empty.csv", "")).await.says("Something that was written does not fit");
    for (name, value) in [
        ("name", ""),
        ("quota", "many"),
        ("doses", "0"),
        ("born_until", "1961-01-01"),
        ("opens_at", "2021-07-14T18:00"),
        ("closes_at", "2021-07-14T19:00"),
        ("turn", "0"),
        ("passes", "0"),
        ("hold", "90000"),
        ("sure", "no"),
    ] {
        operator.open("/operator/openings").await.upload("/look", &[], ("clinics.csv", &table())).await;
        operator.upload("/create", &with(name, value), ("clinics.csv", &table())).await;
        assert!((400..500).contains(&operator.status), "{name}={value}: {}", operator.status);
        operator.says("role=\"alert\"");
    }
    let campaigns = site.nobody().get("/api/v1/campaigns").await.json();
    let rooms = site.nobody().get("/api/v1/rooms").await.json();
    assert!(
        campaigns.as_array().unwrap().is_empty() && rooms.as_array().unwrap().is_empty(),
        "nothing was made"
    );
}

#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_campaign() {
    let site = TestSite::new().await;
    let mut operator = looking(&site).await;
    let form = operator.html.clone();
    operator.upload("/create", &FIELDS, ("clinics.csv", &table())).await.says("Saved.");
    operator.html.clone_from(&form);
    operator.upload("/create", &FIELDS, ("clinics.csv", &table())).await.says("Saved.");
    site.publish().await;
    assert_eq!(site.nobody().get("/api/v1/campaigns").await.json().as_array().unwrap().len(), 1);
    assert_eq!(site.nobody().get("/api/v1/campaigns/1").await.json()["supply"]["free"], 6);
    // Another form has the next numbers.
    operator.open("/operator/openings").await.upload("/look", &[], ("clinics.csv", &table())).await;
    operator.upload("/create", &FIELDS, ("clinics.csv", &table())).await.says("Saved.");
    assert_eq!(operator.path, "/operator/campaigns/2?done=1");
}

#[tokio::test]
async fn ten_days_by_birth_digit_come_before_those_for_everybody() {
    let site = TestSite::new().await;
    let mut operator = looking(&site).await;
    let mut fields = with("closes_at", "2021-07-27T18:00");
    fields.push(("by_digit", "yes"));
    operator.upload("/create", &fields, ("clinics.csv", &table())).await.says("Saved.");
    site.publish().await;
    let windows = site.nobody().get("/api/v1/campaigns/1").await.json()["windows"].clone();
    let windows = windows.as_array().unwrap();
    assert_eq!(windows.len(), 11);
    assert_eq!(windows[0]["opens_at_ms"], START + HOUR);
    assert_eq!(windows[0]["digits"], serde_json::json!([4]));
    assert_eq!(windows[10]["digits"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn tables_are_read_for_those_who_make_campaigns_only() {
    let site = TestSite::new().await;
    let mut nobody = Browser::new(&site, "en");
    nobody.open("/operator").await;
    nobody.html = nobody.html.replace("/operator/sign-in", "/operator/openings/look");
    nobody.upload("/look", &[], ("clinics.csv", &table())).await;
    assert_eq!(nobody.status, 401);
    account(&site, "viewer", 8, Role::Viewer).await;
    let mut viewer = signed_in_as(&site, "viewer", PASSWORD, "").await;
    assert!(!viewer.html.contains("/operator/openings"));
    viewer.open("/operator/openings").await;
    assert_eq!(viewer.status, 403);
    let operator = signed_in(&site).await;
    let example = operator.fetch("/operator/openings/example.csv").await;
    let mut reader = operator;
    let text = String::from_utf8(example.body.to_vec()).unwrap();
    reader.open("/operator/openings").await.upload("/look", &[], ("example.csv", &text)).await;
    reader.says("<dt>Places</dt><dd>12</dd>");
}
