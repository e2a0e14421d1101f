//! The operator's pages: sign in, ask once more, do, and be seen doing it.

use crate::harness::{OPENS_AT, TestSite};
use crate::pages_browser::Browser;

pub async fn signed_in(site: &TestSite) -> Browser<'_> {
    let hash = site.site.vault.set_password(
        "clerk",
        2,
        jari_web::staff::Role::Operator.number(),
        "twelve-signs-long",
    );
    hash.await.unwrap();
    let mut browser = Browser::new(site, "en");
    browser.open("/operator").await.submit("/sign-in", &[("name", "clerk"), ("password", "wrong")]).await;
    assert_eq!(browser.status, 401);
    browser.says("The name, the password or the code is wrong").says("clerk");
    browser
        .submit("/sign-in", &[("name", "clerk"), ("password", "twelve-signs-long")])
        .await
        .says("Waiting rooms");
    browser
}

#[tokio::test]
async fn a_pause_is_asked_about_once_more_and_its_reason_is_public() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let mut citizen = Browser::new(&site, "en");
    citizen.open("/rooms/1").await.submit("/join", &[]).await;
    site.at(OPENS_AT).await;
    let mut operator = signed_in(&site).await;
    operator.open("/operator/rooms/1").await.submit("/pause", &[("reason", "disk <b>exchange</b>")]).await;
    operator.says("Are you sure?");
    assert_eq!(site.nobody().get("/api/v1/rooms/1").await.json()["state"], "open");
    operator.submit("/pause", &[]).await.says("Saved.");
    site.publish().await;
    citizen
        .open("/rooms/1")
        .await
        .says("disk &#60;b&#62;exchange")
        .says("Your number and your place are kept");
    citizen.open("/rooms/1/fairness").await.says("It was paused").says("disk &#60;b&#62;exchange");
    operator.submit("/resume", &[]).await.says("Saved.");
    operator.submit("/notices", &[("notices", "one\n\n two ")]).await.says("Saved.");
    site.publish().await;
    citizen.open("/rooms/1").await.says("one\ntwo");
}

#[tokio::test]
async fn a_quota_is_changed_with_a_reason_and_a_refusal_is_shown_in_place() {
    let site = TestSite::new().await;
    site.with_campaign(2).await;
    let mut operator = signed_in(&site).await;
    operator.open("/operator/campaigns/1").await;
    operator.submit("/quota", &[("quota", "1,500"), ("reason", "")]).await.submit("/quota", &[]).await;
    assert!((400..500).contains(&operator.status), "a change without a reason is refused");
    operator.says("A text is empty or too long");
    operator
        .submit("/quota", &[("quota", "1,500"), ("reason", "more came")])
        .await
        .submit("/quota", &[])
        .await;
    operator.says("Saved.").says("1,500");
}

#[tokio::test]
async fn nobody_operates_without_signing_in() {
    let site = TestSite::new().await;
    site.with_room(false, None).await;
    let mut browser = Browser::new(&site, "en");
    browser.open("/operator/rooms/1").await.says("This is for the operator");
    assert_eq!(browser.status, 401);
    browser.open("/operator").await.says("Operator sign-in");
    let mut operator = signed_in(&site).await;
    operator.open("/operator/rooms/1").await;
    let page = operator.html.clone();
    operator.open("/operator").await.submit("/sign-out", &[]).await.says("Operator sign-in");
    operator.html = page;
    operator.submit("/close", &[("reason", "x"), ("sure", "yes")]).await;
    assert_eq!(operator.status, 401);
}
