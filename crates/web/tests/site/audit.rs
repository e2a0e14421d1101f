//! The audit list: what is in it, who sees it, and that nothing is done without it.

use jari_core::Time;
use jari_web::actions::staff::note_sign_ins;
use jari_web::staff::Role;
use serde_json::{Value, json};

use crate::harness::{START, TestSite, problem};
use crate::staff::{PASSWORD, account, signed_in, token};

/// What the list has, as who, what, on, reason and refused.
async fn list(site: &TestSite, query: &str) -> Vec<[String; 5]> {
    let auditor = site.nobody().bearing(token(site, 104, Role::Auditor, 77));
    let list = auditor.get(&format!("/api/v1/operator/audit{query}")).await.json();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let entries = list["entries"].as_array().unwrap_or_else(|| panic!("{list}")).iter();
    entries.map(|entry| ["who", "what", "on", "reason", "refused"].map(|key| text(entry, key))).collect()
}

#[tokio::test]
async fn the_audit_list_says_who_did_what_and_no_secret() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    account(&site, "auditor", 104, Role::Auditor).await;
    let operator = site.operator().await;
    site.clock.set(Time(START + 1_000));
    operator.must_post("/api/v1/operator/rooms/1/pause", &json!({"reason": "a power cut"}), 204).await;
    site.clock.set(Time(START + 2_000));
    let refused = operator.post("/api/v1/operator/rooms/1/pause", &json!({"reason": ""})).await;
    assert!((400..500).contains(&refused.status));
    site.clock.set(Time(START + 3_000));
    for (name, password) in
        [("operator", "a-wrong-one"), ("operator", "another-one"), ("typed-a-secret", "x")]
    {
        site.nobody().post("/api/v1/operator/sessions", &json!({"name": name, "password": password})).await;
    }
    note_sign_ins(&site.site).await;
    let entries = list(&site, "").await;
    let find = |what: &str| entries.iter().filter(|entry| entry[1] == what).cloned().collect::<Vec<_>>();
    let entry = |fields: [&str; 5]| fields.map(str::to_owned);
    assert_eq!(
        find("pause_room"),
        [
            entry(["operator", "pause_room", "room 1", "", &refused.problem().1]),
            entry(["operator", "pause_room", "room 1", "", ""]),
            entry(["operator", "pause_room", "room 1", "a power cut", ""]),
        ]
    );
    let failed: Vec<_> = find("sign_in").into_iter().filter(|entry| !entry[4].is_empty()).collect();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(find("sign_in").contains(&entry(["operator", "sign_in", "", "", ""])));
    assert!(!format!("{entries:?}").contains("typed-a-secret"), "what was typed is not kept");
    assert_eq!(list(&site, "?person=nobody").await.len(), 0);
    assert!(list(&site, "?person=operator&day=2021-07-14").await.len() > 3);
    assert_eq!(list(&site, "?day=2021-07-13").await.len(), 0);
    let bad =
        site.nobody().bearing(token(&site, 104, Role::Auditor, 5)).get("/api/v1/operator/audit?day=x").await;
    assert_eq!(bad.problem(), problem(422, "unfit"));
}

#[tokio::test]
async fn an_auditor_looks_page_by_page_and_takes_a_table_away() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    account(&site, "auditor", 104, Role::Auditor).await;
    let operator = site.operator().await;
    for number in 0..230 {
        let notices = json!({"notices": [format!("notice {number}")]});
        operator.must_post("/api/v1/operator/rooms/1/notices", &notices, 204).await;
    }
    let reason = json!({"reason": "=cmd()"});
    operator.must_post("/api/v1/operator/rooms/1/pause", &reason, 204).await;
    let mut auditor = signed_in(&site, "auditor", PASSWORD, "").await;
    auditor.follow("/operator/audit").await.says("paused a room").says("Reason: =cmd()");
    assert_eq!(auditor.html.matches("<li>").count(), 200);
    auditor.follow("before=").await.says("made a room");
    assert!(auditor.html.matches("<li>").count() < 60);
    let table = auditor.fetch("/operator/audit.csv?person=operator").await;
    let text = String::from_utf8(table.body.to_vec()).unwrap();
    assert!(text.contains(",operator,pause_room,room 1,'=cmd(),,1\r\n"), "{text}");
    assert!(table.headers["content-type"].to_str().unwrap().starts_with("text/csv"));
    auditor.open("/operator/audit?person=auditor").await.says("took the audit list away");
}

#[tokio::test]
async fn nobody_pushes_the_list_along_by_looking_at_bookings() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(3).await;
    account(&site, "agent", 12, Role::Agent).await;
    let agent = site.nobody().bearing(token(&site, 12, Role::Agent, 1));
    let citizen = site.citizen(1, "1964-03-07").await;
    let held =
        citizen.keyed("hold-00000000000000").must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    let booking = format!("/api/v1/operator/bookings/{}", held.json()["booking"]);
    for _ in 0..1_000 {
        assert_eq!(agent.get(&booking).await.status, 200);
    }
    assert_eq!(agent.get(&booking).await.problem(), problem(429, "deeds_often"));
    site.clock.set(Time(START + 3_600_000));
    let later = site.nobody().bearing(token(&site, 12, Role::Agent, 1));
    assert_eq!(later.get(&booking).await.status, 200, "the next hour");
}

#[tokio::test]
async fn what_cannot_be_noted_is_not_done() {
    let (site, table) = crate::shared::site_and_table().await;
    site.with_room(false, None).await;
    let operator = site.operator().await;
    table.set_away(true);
    let refused = operator.post("/api/v1/operator/rooms/1/pause", &json!({"reason": "x"})).await;
    assert_eq!(refused.problem(), problem(503, "vault_away"));
    site.publish().await;
    assert_eq!(site.nobody().get("/api/v1/rooms/1").await.json()["state"], "lobby");
    // Signing in goes on, and is noted when that can be done.
    site.operator_token().await;
    table.set_away(false);
    let noted = |site: &TestSite| {
        let all = site.site.vault.noted((0, 0), (u64::MAX, 0), 100, |entry| entry.what == "sign_in");
        all.unwrap().len()
    };
    let before = noted(&site);
    note_sign_ins(&site.site).await;
    assert_eq!(noted(&site), before + 1);
}
