//! Two sites on one stream: who performs effects, and what one knows of what the other answered.

use std::sync::Arc;

use jari_core::{Time, limits};
use jari_journal::{FaultyDisk, FaultyStream, FileOptions, ReplicatedJournal, ReplicatedOptions};
use jari_node::{Engine, EngineOptions};
use jari_web::{SiteOptions, effects};
use serde_json::json;

use crate::harness::{START, TestSite, problem};
use crate::messages;

/// A site of a cluster whose builds know rules up to `knows`.
async fn site(stream: &FaultyStream, node: u16, knows: u32) -> TestSite {
    site_with(stream, node, knows, |_| {}).await
}

/// The same, with settings.
pub async fn site_with(
    stream: &FaultyStream,
    node: u16,
    knows: u32,
    change: impl FnOnce(&mut SiteOptions),
) -> TestSite {
    let disk = Arc::new(FaultyDisk::new(u64::from(node)));
    let replicated = ReplicatedOptions { life: u64::from(node), tries_max: 3 };
    let files = FileOptions::new("/journal");
    let (journal, _) = ReplicatedJournal::open_on(disk, stream.clone(), files, replicated).unwrap();
    let options = EngineOptions { node, life: u32::from(node), knows, ..EngineOptions::default() };
    let (engine, _) = Engine::recover(Box::new(journal), None, options).unwrap();
    TestSite::on(engine, change).await
}

/// Books a place through `site`, so that a message waits.
async fn book(site: &TestSite, number: u32, slot: u32) {
    messages::book(&site.citizen(number, "1964-03-07").await, slot).await;
}

/// Waits until a site has heard of so many effects in all, and how many of them are done.
pub async fn hears_of_effects(site: &TestSite, end: u64, first: u64) {
    let found = site.site.node.find(|state| {
        let effects = &state.data().effects;
        (effects.end() == end && effects.first() == first).then_some(())
    });
    assert_eq!(found.await, Some(()), "it hears of {end} effects, {first} of them done");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_performs_until_its_lease_ends_and_then_another_goes_on() {
    let stream = FaultyStream::new(1 << 20);
    let (one, two) = (site(&stream, 1, 2).await, site(&stream, 2, 2).await);
    let slot = one.with_campaign(5).await;
    assert_eq!(effects::perform(&one.site).await.unwrap(), 0, "nothing waits");
    assert_eq!(one.site.node.read(|state| state.data().lease), None, "so nobody asks");
    book(&one, 1, slot).await;
    hears_of_effects(&two, 1, 0).await;
    assert_eq!(effects::perform(&two.site).await.unwrap(), 1, "whoever asks first performs");
    hears_of_effects(&one, 1, 1).await;
    book(&one, 2, slot).await;
    assert_eq!(effects::perform(&one.site).await.unwrap(), 0, "the other one holds the lease");
    hears_of_effects(&two, 2, 1).await;
    assert_eq!(effects::perform(&two.site).await.unwrap(), 1);

    // The holder is gone: another takes over when the lease has ended, and not before.
    book(&one, 3, slot).await;
    one.clock.set(Time(START + limits::LEASE_MS - 1));
    assert_eq!(effects::perform(&one.site).await.unwrap(), 0);
    one.clock.set(Time(START + limits::LEASE_MS));
    assert_eq!(effects::perform(&one.site).await.unwrap(), 1);
    let told = one.nobody().get("/api/v1/demo/outbox").await.json();
    let performed: Vec<u64> =
        told.as_array().unwrap().iter().filter_map(|message| message["effect"].as_u64()).collect();
    assert_eq!(performed, [2], "each message has its effect's number as its key: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_there_are_leases_every_node_performs() {
    let stream = FaultyStream::new(1 << 20);
    let (one, two) = (site(&stream, 1, 1).await, site(&stream, 2, 1).await);
    let slot = one.with_campaign(5).await;
    book(&one, 1, slot).await;
    hears_of_effects(&two, 1, 0).await;
    assert_eq!(effects::perform(&two.site).await.unwrap(), 1);
    book(&one, 2, slot).await;
    assert_eq!(effects::perform(&one.site).await.unwrap(), 1);
    assert_eq!(one.site.node.read(|state| state.data().lease), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_gave_is_known_at_the_other() {
    let stream = FaultyStream::new(1 << 20);
    let (one, two) = (site(&stream, 1, 2).await, site(&stream, 2, 2).await);
    one.with_room(false, None).await;
    for number in 0..20_u64 {
        let given = one.nobody().must_post("/api/v1/rooms/1/tickets", &json!({}), 201).await;
        let holder = two.nobody().bearing(given.text_at("ticket_token"));
        let place = holder.get("/api/v1/rooms/1/place").await;
        assert_eq!((place.status, place.json()["serial"].as_u64()), (200, Some(number)), "{place:?}");
    }
    let slot = one.with_campaign(5).await;
    let citizen = one.citizen(1, "1964-03-07").await;
    for number in 0..5 {
        let key = format!("hold-{number:016}");
        let held = citizen.keyed(&key).must_post("/api/v1/holds", &json!({"slot": slot}), 201).await.json();
        let path = format!("/api/v1/bookings/{}", held["booking"]);
        let token = citizen.token();
        assert_eq!(two.nobody().bearing(token).get(&path).await.status, 200);
        let cancel = format!("/api/v1/bookings/{}/cancel", held["booking"]);
        citizen.keyed(&format!("cancel-{number:014}")).must_post(&cancel, &json!({}), 200).await;
    }
    // What nobody gave is still unknown, only a little later.
    let unknown = two.nobody().bearing(citizen.token()).get("/api/v1/bookings/77").await;
    assert_eq!(unknown.problem(), problem(404, "booking_unknown"));
}
