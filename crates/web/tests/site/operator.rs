//! The operator: signing in and out, quotas, bulk requests, check-in.

use serde_json::json;

use crate::harness::{TestSite, problem};

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_told_alike() {
    let site = TestSite::new().await;
    for name in ["operator", "nobody"] {
        let asked = json!({"name": name, "password": "not the password"});
        let reply = site.nobody().post("/api/v1/operator/sessions", &asked).await;
        assert_eq!(reply.problem(), problem(401, "sign_in_wrong"), "{name}");
    }
}

/// An unknown name must cost as much as a known one: its stand-in has to be a real hash.
#[test]
fn the_stand_in_for_unknown_names_is_a_hash_that_is_checked() {
    let hash = argon2::PasswordHash::new(jari_web::actions::operator::NOBODY).unwrap();
    assert_eq!(hash.algorithm.as_str(), "argon2id");
    assert_eq!(
        hash.params.to_string(),
        argon2::Params::default()
            .try_into()
            .map(|p: argon2::password_hash::ParamsString| p.to_string())
            .unwrap()
    );
    assert_eq!(hash.hash.unwrap().len(), 32);
}

#[tokio::test]
async fn sign_ins_from_one_network_are_bounded() {
    let site = TestSite::new().await;
    let asked = json!({"name": "operator", "password": "x".repeat(2_000)});
    let mut last = 0;
    for _ in 0..11 {
        last = site.nobody().post("/api/v1/operator/sessions", &asked).await.status;
    }
    assert_eq!(last, 429);
}

#[tokio::test]
async fn a_session_that_was_ended_no_longer_counts() {
    let site = TestSite::new().await;
    let operator = site.operator().await;
    assert_eq!(operator.delete("/api/v1/operator/sessions").await.status, 204);
    let reply = operator.post("/api/v1/operator/rooms/1/resume", &json!({})).await;
    assert_eq!(reply.problem(), problem(401, "staff_session_expired"));
}

#[tokio::test]
async fn only_an_operator_changes_a_quota_and_everyone_sees_it() {
    let site = TestSite::new().await;
    site.with_campaign(1).await;
    let asked = json!({"quota": 5, "reason": "더 적은 물량"});
    let path = "/api/v1/operator/campaigns/1/quota";
    assert_eq!(site.nobody().post(path, &asked).await.problem(), problem(401, "staff_only"));
    let citizen = site.citizen(1, "1964-03-07").await;
    assert_eq!(citizen.post(path, &asked).await.problem(), problem(401, "token_kind"));
    site.operator().await.must_post(path, &asked, 204).await;
    assert_eq!(site.nobody().get("/api/v1/campaigns/1").await.json()["quota"], 5);
    let events = site.nobody().get("/api/v1/events").await.json();
    let told =
        events.as_array().unwrap().iter().any(|event| event["kind"] == "quota_set" && event["value"] == 5);
    assert!(told, "{events}");
}

#[tokio::test]
async fn an_operator_sees_which_rules_count_and_cannot_skip_one() {
    let site = TestSite::new().await;
    site.with_campaign(1).await;
    let path = "/api/v1/operator/rules";
    assert_eq!(site.nobody().get(path).await.problem(), problem(401, "staff_only"));
    let operator = site.operator().await;
    let rules = json!({"counts": 5, "knows": 5});
    assert_eq!(operator.get(path).await.json(), rules);
    for version in [0, 1, 2, 3, 4, 5, 6, 9] {
        let asked = json!({"rules": version});
        assert_eq!(operator.post(path, &asked).await.problem(), problem(409, "rules_unknown"), "{version}");
    }
    assert_eq!(site.nobody().get("/readyz").await.json()["rules"], rules);
    let events = site.nobody().get("/api/v1/events").await.json();
    assert_eq!(events[0]["kind"], "rules_upgraded", "everyone may know which rules count: {events}");
}

#[tokio::test]
async fn a_bulk_request_sent_again_adds_nothing_twice() {
    let site = TestSite::new().await;
    site.with_campaign(1).await;
    let operator = site.operator().await.keyed("bulk-000000000000001");
    let clinic = json!({"name": "A", "address": "B", "region": "C", "district": "D", "postcode": "1", "latitude_e6": 1, "longitude_e6": 2});
    let clinics = json!({"clinics": vec![clinic; 700]});
    let path = "/api/v1/operator/clinics";
    let first = operator.must_post(path, &clinics, 201).await.json();
    let again = operator.must_post(path, &clinics, 201).await.json();
    assert_eq!(first, again);
    assert_eq!(first["numbers"].as_array().unwrap().len(), 700);
    assert_eq!(site.site.node.read(|state| state.data().clinics.len()), 701);
}

#[tokio::test]
async fn a_visit_is_checked_in_by_its_code_once_it_is_booked() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(1).await;
    let citizen = site.citizen(1, "1964-03-07").await;
    let held = citizen
        .keyed("hold-00000000000001")
        .must_post("/api/v1/holds", &json!({"slot": slot}), 201)
        .await
        .json();
    let operator = site.operator().await;
    let check_in = format!("/api/v1/operator/bookings/{}/check-in", held["code"].as_str().unwrap());
    assert_eq!(operator.post(&check_in, &json!({})).await.problem(), problem(409, "booking_not_confirmed"));
    let confirm = format!("/api/v1/bookings/{}/confirm", held["booking"]);
    citizen.keyed("confirm-000000000001").must_post(&confirm, &json!({}), 200).await;
    let used = operator.must_post(&check_in, &json!({}), 200).await.json();
    assert_eq!(used["status"], "used");
}
