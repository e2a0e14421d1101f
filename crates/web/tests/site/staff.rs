//! Accounts, roles and the second factor of the staff.

use std::collections::BTreeMap;

use jari_core::Time;
use jari_web::staff::roles::{DEEDS, Leave, may};
use jari_web::staff::{Role, totp};
use jari_wire::token::StaffSession;
use serde_json::{Value, json};

use crate::harness::{START, TestSite, problem};
use crate::pages_browser::Browser;

pub const PASSWORD: &str = "twelve-signs-long";

/// An account with a password of its own; a clinic's is bound to the clinic with number 0.
pub async fn account(site: &TestSite, name: &str, user: u32, role: Role) {
    let vault = &site.site.vault;
    vault.set_password(name, user, role.number(), PASSWORD).await.unwrap();
    if role == Role::Clinic {
        let bound = vault.change_staff(name, |mut record| {
            record.more.clinics = vec![0];
            Ok(record)
        });
        bound.await.unwrap().unwrap();
    }
}

/// A token as a sign-in gives it; none is like another.
pub fn token(site: &TestSite, user: u32, role: Role, number: u64) -> String {
    let ends_at = site.site.node.now().plus_ms(3_600_000);
    StaffSession { user, role: role.number(), ends_at, nonce: number }.seal(&site.site.keys)
}

/// Everyone's account, and its number.
async fn everyone(site: &TestSite) -> Vec<(Role, u32)> {
    let all: Vec<(Role, u32)> = Role::ALL.into_iter().zip(100..).collect();
    for (role, user) in &all {
        account(site, role.name(), *user, *role).await;
    }
    all
}

fn filled(path: &str) -> String {
    path.replace("{name}", "nobody-here")
        .replace("{deed}", "none")
        .replace("{booking}", "0")
        .replace("{room}", "1")
        .replace("{campaign}", "1")
        .replace("{slot}", "0")
        .replace("{desk}", "0")
        .replace("{date}", "2021-07-14")
}

#[tokio::test]
async fn every_address_of_the_api_is_for_the_roles_of_the_table_and_nobody_else() {
    let site = TestSite::new().await;
    site.with_campaign(2).await;
    // So that the stream of events ends.
    site.site.drain();
    let everyone = everyone(&site).await;
    let all = jari_web::api::listed().into_iter().filter(|(_, path)| path.starts_with("/api/v1/operator"));
    let (mut seen, mut number) = (0, 0);
    for (method, path) in
        all.filter(|(method, path)| (method.as_str(), *path) != ("POST", "/api/v1/operator/sessions"))
    {
        let deed = DEEDS.iter().find(|(of, at, _)| *of == method.as_str() && *at == path);
        let (_, _, deed) = deed.unwrap_or_else(|| panic!("{method} {path} is not in the table"));
        let nobody = site.nobody().send(method.as_str(), &filled(path), "{}".into()).await;
        assert_eq!(nobody.problem(), problem(401, "staff_only"), "{method} {path}");
        for (role, user) in &everyone {
            number += 1;
            let actor = site.nobody().bearing(token(&site, *user, *role, number));
            let reply = actor.send(method.as_str(), &filled(path), "{}".into()).await;
            let refused = reply.status == 403 && reply.problem().1 == "role_unfit";
            match may(*role, *deed) {
                Leave::No => assert!(refused, "{role:?} {method} {path}: {reply:?}"),
                Leave::Yes => {
                    assert!(!matches!(reply.status, 401 | 403), "{role:?} {method} {path}: {reply:?}")
                }
                Leave::OwnClinics => assert_ne!(reply.status, 401, "{role:?} {method} {path}: {reply:?}"),
            }
            seen += 1;
        }
    }
    assert!(seen > 180, "{seen} requests");
}

#[tokio::test]
async fn every_page_of_the_operator_is_for_the_roles_of_the_table_and_nobody_else() {
    let site = TestSite::new().await;
    site.with_campaign(2).await;
    site.with_room(false, None).await;
    let everyone = everyone(&site).await;
    let routes = include_str!("../../src/pages/mod.rs").split(".route(\"").skip(1);
    let mut paths =
        routes.map(|rest| rest.split('"').next().unwrap()).filter(|path| path.starts_with("/operator"));
    let missing =
        paths.find(|path| *path != "/operator/sign-in" && !DEEDS.iter().any(|(_, at, _)| at == path));
    assert_eq!(missing, None, "it is not in the table");
    let mut number = 1_000;
    for (method, path, deed) in DEEDS.iter().filter(|(_, path, _)| !path.starts_with("/api/")) {
        for (role, user) in &everyone {
            number += 1;
            let mut browser = Browser::new(&site, "en");
            browser.keep("jari_staff", &token(&site, *user, *role, number));
            browser.open("/operator/account").await;
            match *method {
                "GET" => {
                    browser.look(&filled(path)).await;
                }
                _ => {
                    let csrf = browser.hidden("csrf");
                    browser.post(&filled(path), &BTreeMap::from([("csrf".to_owned(), csrf)])).await;
                }
            }
            let refused = matches!(browser.status, 401 | 403);
            assert_eq!(
                refused,
                may(*role, *deed) == Leave::No,
                "{role:?} {method} {path}: {}",
                browser.status
            );
        }
    }
}

#[tokio::test]
async fn a_new_account_changes_its_first_password_before_anything_else() {
    let site = TestSite::new().await;
    account(&site, "chief", 7, Role::Operator).await;
    let mut chief = signed_in(&site, "chief", PASSWORD, "").await;
    chief.open("/operator/staff").await;
    let csrf = chief.hidden("csrf");
    let fields = [("csrf", csrf.as_str()), ("name", "watcher"), ("role", "viewer"), ("clinics", "")];
    let fields = BTreeMap::from(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
    chief.post("/operator/staff", &fields).await.says("First password of watcher");
    let first = between(&chief.html, "<b class=\"code first\">", "</b>").to_owned();
    chief.open("/operator/staff").await;
    assert!(!chief.html.contains(&first), "it is shown once");
    chief.post("/operator/staff", &fields).await.says("There is an account of that name");

    let mut watcher = signed_in(&site, "watcher", &first, "").await;
    assert_eq!(watcher.path, "/operator/account");
    watcher.says("You are signed in with a first password");
    assert_eq!(watcher.look("/operator/runbook").await.status, 403);
    watcher.says("Change your first password first");
    let token = watcher.cookie("jari_staff");
    let series = site.nobody().bearing(token).get("/api/v1/operator/series").await;
    assert_eq!(series.problem(), problem(403, "password_first"));
    for (old, new, again, says) in [
        ("wrong", "my-own-password", "my-own-password", "the password or the code is wrong"),
        (&first, "my-own-password", "another-password", "The two new passwords differ"),
        (&first, "short", "short", "at least 12 signs"),
        (&first, &first, &first, "is the old one"),
    ] {
        watcher.open("/operator/account").await;
        watcher.submit("/password", &[("old", old), ("new", new), ("again", again)]).await.says(says);
    }
    watcher.open("/operator/account").await;
    let fields = [("old", first.as_str()), ("new", "my-own-password"), ("again", "my-own-password")];
    watcher.submit("/password", &fields).await.says("Saved.");
    watcher.open("/operator").await.says("Waiting rooms");
    watcher.open("/operator/staff").await.says("watcher");
    assert!(
        !watcher.html.contains("<form method=\"post\" action=\"/operator/staff"),
        "a viewer has no forms"
    );
    let mut again = Browser::new(&site, "en");
    again.open("/operator").await.submit("/sign-in", &[("name", "watcher"), ("password", &first)]).await;
    assert_eq!(again.status, 401);
}

#[tokio::test]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    account(&site, "watcher", 8, Role::Viewer).await;
    let mut watcher = signed_in(&site, "watcher", PASSWORD, "").await;
    watcher.open("/operator/rooms/1").await.says("data-plot=");
    assert!(!watcher.html.contains("action=\"/operator/rooms/1/"), "nothing to press");
    watcher.open("/operator/account").await;
    let csrf = watcher.hidden("csrf");
    let fields = [("csrf", csrf.as_str()), ("sure", "yes"), ("reason", "x")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(watcher.post("/operator/rooms/1/close", &BTreeMap::from(fields)).await.status, 403);
    watcher.says("Your role may not do this");
    assert_eq!(site.nobody().get("/api/v1/rooms/1").await.json()["state"], "lobby");
}

#[tokio::test]
async fn a_lock_another_role_and_a_reset_end_the_sessions_at_once() {
    let site = TestSite::new().await;
    let chief = site.operator().await;
    account(&site, "second", 9, Role::Operator).await;
    type Change = (&'static str, Value, u16);
    let changes: [Change; 3] = [
        ("lock", json!({}), 204),
        ("role", json!({"role": "operator"}), 204),
        ("reset", json!({"second_factor": false}), 200),
    ];
    for (change, body, status) in changes {
        let given = json!({"name": "second", "password": PASSWORD});
        let second = site.nobody().post("/api/v1/operator/sessions", &given).await.text_at("staff_token");
        let second = site.nobody().bearing(second);
        assert_eq!(second.get("/api/v1/operator/alarms").await.status, 200, "before {change}");
        chief.must_post(&format!("/api/v1/operator/staff/second/{change}"), &body, status).await;
        let after = second.get("/api/v1/operator/alarms").await;
        assert_eq!(after.problem(), problem(401, "staff_session_expired"), "after {change}");
        if change == "lock" {
            let locked = site.nobody().post("/api/v1/operator/sessions", &given).await;
            assert_eq!(locked.problem(), problem(401, "sign_in_wrong"), "nobody is told that it is locked");
            chief.must_post("/api/v1/operator/staff/second/unlock", &json!({}), 204).await;
        }
    }
    let all = chief.get("/api/v1/operator/staff").await.json();
    assert_eq!(
        all[1],
        json!({"name": "second", "role": "operator", "clinics": [], "locked": false,
        "second_factor": false, "first_password": true})
    );
}

#[tokio::test]
async fn the_last_operator_stays_one() {
    let site = TestSite::new().await;
    let chief = site.operator().await;
    account(&site, "locked", 9, Role::Operator).await;
    chief.must_post("/api/v1/operator/staff/locked/lock", &json!({}), 204).await;
    let viewer = json!({"role": "viewer"});
    for (change, body) in [("lock", json!({})), ("role", viewer.clone())] {
        let refused = chief.post(&format!("/api/v1/operator/staff/operator/{change}"), &body).await;
        assert_eq!(refused.problem(), problem(409, "last_operator"), "{change}");
    }
    chief.must_post("/api/v1/operator/staff/locked/unlock", &json!({}), 204).await;
    chief.must_post("/api/v1/operator/staff/operator/role", &viewer, 204).await;
    let unknown = site.nobody().bearing(token(&site, 9, Role::Operator, 2 << 48));
    let gone = unknown.post("/api/v1/operator/staff/nobody/lock", &json!({})).await;
    assert!(matches!(gone.status, 401 | 404), "{gone:?}");
}

#[tokio::test]
async fn what_does_not_fit_an_account_is_refused() {
    let site = TestSite::new().await;
    let chief = site.operator().await;
    for new in [
        json!({"name": "x", "role": "viewer"}),
        json!({"name": "Upper", "role": "viewer"}),
        json!({"name": "a/b", "role": "viewer"}),
        json!({"name": "desk", "role": "clinic"}),
        json!({"name": "desk", "role": "clinic", "clinics": (0..65).collect::<Vec<u32>>()}),
        json!({"name": "desk", "role": "viewer", "clinics": [1]}),
    ] {
        assert_eq!(
            chief.post("/api/v1/operator/staff", &new).await.problem(),
            problem(422, "unfit"),
            "{new}"
        );
    }
    let root = chief.post("/api/v1/operator/staff", &json!({"name": "desk", "role": "root"})).await;
    assert_eq!(root.status, 400);
}

#[tokio::test]
async fn a_clinic_has_its_own_slots_and_bookings_and_no_others() {
    let site = TestSite::new().await;
    let slot = site.with_campaign(3).await;
    account(&site, "own", 10, Role::Clinic).await;
    account(&site, "other", 11, Role::Clinic).await;
    let elsewhere = |mut record: jari_web::vault::StaffRecord| {
        record.more.clinics = vec![5];
        Ok(record)
    };
    site.site.vault.change_staff("other", elsewhere).await.unwrap();
    let own = site.nobody().bearing(token(&site, 10, Role::Clinic, 1));
    let other = site.nobody().bearing(token(&site, 11, Role::Clinic, 2));
    let citizen = site.citizen(1, "1964-03-07").await;
    let held =
        citizen.keyed("hold-00000000000000").must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    let booking = format!("/api/v1/operator/bookings/{}", held.json()["booking"]);
    let capacity = format!("/api/v1/operator/slots/{slot}/capacity");
    let more = json!({"capacity": 4, "reason": "a second nurse"});
    assert_eq!(other.get(&booking).await.problem(), problem(403, "role_unfit"));
    assert_eq!(other.post(&capacity, &more).await.problem(), problem(403, "role_unfit"));
    assert_eq!(
        other.post(&format!("{booking}/check-in"), &json!({})).await.problem(),
        problem(403, "role_unfit")
    );
    assert_eq!(own.get(&booking).await.status, 200);
    own.must_post(&capacity, &more, 204).await;
    let gone = own.post("/api/v1/operator/slots/99999/capacity", &more).await;
    assert_eq!(gone.problem(), problem(404, "slot_unknown"));
}

/// The secret that a page shows to be typed.
fn secret_on(html: &str) -> Vec<u8> {
    let shown = html.split("<b class=\"code groups\">").nth(1).unwrap().split("</b>").next().unwrap();
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for sign in shown.bytes().filter(|sign| *sign != b' ') {
        let value = if sign.is_ascii_digit() { sign - b'2' + 26 } else { sign - b'A' };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}

fn between<'a>(text: &'a str, from: &str, upto: &str) -> &'a str {
    text.split(from).nth(1).unwrap_or_else(|| panic!("no {from} in {text}")).split(upto).next().unwrap()
}

pub async fn signed_in<'a>(site: &'a TestSite, name: &str, password: &str, code: &str) -> Browser<'a> {
    let mut browser = Browser::new(site, "en");
    browser.open("/operator").await;
    browser.submit("/sign-in", &[("name", name), ("password", password), ("code", code)]).await;
    browser
}

/// Sets a second factor up in a browser; gives the secret and the recovery codes.
async fn set_up(site: &TestSite, browser: &mut Browser<'_>) -> (Vec<u8>, Vec<String>) {
    browser.open("/operator/account").await.submit("/begin", &[]).await.says("scan this picture");
    browser.says("<svg class=\"qr\"");
    let secret = secret_on(&browser.html);
    assert_eq!(secret.len(), totp::SECRET_BYTES);
    browser.submit("/confirm", &[("code", "000000")]).await.says("the password or the code is wrong");
    assert_eq!(secret_on(&browser.html), secret, "a mistyped code does not change the key");
    let code = totp::code(&secret, site.site.node.now().0);
    browser.submit("/confirm", &[("code", &code)]).await.says("Recovery codes");
    let codes: Vec<String> = browser
        .html
        .split("<span class=\"code\">")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    (secret, codes)
}

#[tokio::test]
async fn with_a_second_factor_a_code_is_needed_and_counts_once() {
    let site = TestSite::with(|options| options.sign_ins.burst = 1_000).await;
    account(&site, "chief", 7, Role::Operator).await;
    let mut chief = signed_in(&site, "chief", PASSWORD, "").await;
    let old = chief.cookie("jari_staff");
    let (secret, recovery) = set_up(&site, &mut chief).await;
    let expired = site.nobody().bearing(old).get("/api/v1/operator/alarms").await;
    assert_eq!(expired.problem(), problem(401, "staff_session_expired"), "other sessions end");
    chief.open("/operator").await.says("Waiting rooms");

    let attempt = async |code: String| {
        let asked = json!({"name": "chief", "password": PASSWORD, "code": code});
        let reply = site.nobody().post("/api/v1/operator/sessions", &asked).await;
        (reply.status, reply)
    };
    let now = START;
    assert_eq!(attempt(String::new()).await.0, 401, "none");
    assert_eq!(attempt(totp::code(&secret, now)).await.0, 401, "the code of the setting up was used");
    site.clock.set(Time(now + 30_000));
    let code = totp::code(&secret, now + 30_000);
    assert_eq!(attempt(code.clone()).await.0, 201);
    assert_eq!(attempt(code).await.0, 401, "a code counts once");
    assert_eq!(attempt(recovery[3].to_uppercase().replace('-', " ")).await.0, 201, "however it is typed");
    assert_eq!(attempt(recovery[3].clone()).await.0, 401, "a recovery code counts once");
    let left = site.site.vault.staff("chief").unwrap().more;
    assert_eq!(left.recovery.len(), 9);
    let kept = format!("{} {:?}", left.totp, left.recovery);
    let plain = totp::base32(&secret);
    assert!(!kept.contains(&plain) && !recovery.iter().any(|code| kept.contains(code)), "nothing lies open");
}

#[tokio::test]
async fn wrong_codes_are_bounded_and_nobody_without_the_password_uses_them_up() {
    let site = TestSite::with(|options| options.sign_ins.burst = 1_000).await;
    account(&site, "chief", 7, Role::Operator).await;
    let mut chief = signed_in(&site, "chief", PASSWORD, "").await;
    let (secret, _) = set_up(&site, &mut chief).await;
    let attempt = async |password: &str, code: String| {
        let asked = json!({"name": "chief", "password": password, "code": code});
        site.nobody().post("/api/v1/operator/sessions", &asked).await.status
    };
    for _ in 0..15 {
        assert_eq!(attempt("a-wrong-password", "000000".into()).await, 401);
    }
    for _ in 0..10 {
        assert_eq!(attempt(PASSWORD, "000000".into()).await, 401);
    }
    site.clock.set(Time(START + 30_000));
    assert_eq!(attempt(PASSWORD, totp::code(&secret, START + 30_000)).await, 429, "too many were wrong");
    site.clock.set(Time(START + 600_000));
    assert_eq!(attempt(PASSWORD, totp::code(&secret, START + 600_000)).await, 201);
}

#[tokio::test]
async fn a_lost_telephone_a_removed_factor_and_one_that_is_required() {
    let site = TestSite::with(|options| options.require_totp = true).await;
    account(&site, "chief", 7, Role::Operator).await;
    account(&site, "second", 9, Role::Operator).await;
    let mut chief = signed_in(&site, "chief", PASSWORD, "").await;
    chief.says("This service wants a second factor of everyone");
    let early = site.nobody().bearing(chief.cookie("jari_staff")).get("/api/v1/operator/alarms").await;
    assert_eq!(early.problem(), problem(403, "second_factor_first"));
    set_up(&site, &mut chief).await;
    chief.open("/operator/account").await;
    assert!(!chief.html.contains("/operator/account/remove"), "it may not be taken away");
    let mut second = signed_in(&site, "second", PASSWORD, "").await;
    set_up(&site, &mut second).await;
    // The second one's telephone is lost.
    chief.open("/operator/staff").await;
    chief.submit("/second/reset", &[("second_factor", "yes")]).await.says("Are you sure?");
    chief.submit("/second/reset", &[]).await.says("First password of second");
    let first = between(&chief.html, "<b class=\"code first\">", "</b>").to_owned();
    let second = signed_in(&site, "second", &first, "").await;
    second.says("You are signed in with a first password");
}

#[tokio::test]
async fn ones_own_second_factor_goes_with_a_code_of_it() {
    let site = TestSite::new().await;
    account(&site, "chief", 7, Role::Operator).await;
    let mut chief = signed_in(&site, "chief", PASSWORD, "").await;
    let (_, recovery) = set_up(&site, &mut chief).await;
    chief.open("/operator/account").await.submit("/remove", &[("code", "123456")]).await;
    assert_eq!(chief.status, 401);
    chief.open("/operator/account").await.submit("/remove", &[("code", &recovery[0])]).await.says("Saved.");
    chief.says("Set up a second factor");
    signed_in(&site, "chief", PASSWORD, "").await.says("Waiting rooms");
}
