//! A site whose vault is a replica: what another node kept, and a table that is away.

use std::sync::Arc;

use jari_core::ids::{ChannelId, CommandId, PersonId};
use jari_core::time::Date;
use jari_core::{Body, Command};
use jari_web::effects;
use jari_web::language::Language;
use jari_web::vault::{Contact, Vault};
use jari_wire::token::Session;
use serde_json::json;

use crate::SharedTable;
use crate::harness::{TestSite, claim, problem, telephone};
use crate::table::MemoryTable;

const TODAY: Date = Date(20_000);
const BORN: &str = "1964-03-07";

async fn vault(table: &Arc<MemoryTable>) -> (Vault, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let table = Arc::clone(table) as Arc<dyn SharedTable>;
    let vault =
        Vault::open_shared(&directory.path().join("vault.redb"), TestSite::keys(), table).await.unwrap();
    (vault, directory)
}

async fn site(table: &Arc<MemoryTable>) -> TestSite {
    let (vault, directory) = vault(table).await;
    TestSite::with_vault(vault, directory, |_| {}).await
}

/// A site, and the table that its vault is a replica of.
pub async fn site_and_table() -> (TestSite, Arc<MemoryTable>) {
    let table = Arc::new(MemoryTable::default());
    (site(&table).await, table)
}

#[tokio::test]
async fn a_message_waits_for_a_key_that_another_node_kept_and_is_not_dropped() {
    let table = Arc::new(MemoryTable::default());
    let site = site(&table).await;
    let slot = site.with_campaign(2).await;
    let (elsewhere, _directory) = vault(&table).await;
    // This node hears nothing of what the other one keeps from now on.
    table.set_silent(true);
    let person = PersonId(77);
    let contact = Contact { name: "김하늘".into(), telephone: telephone(7), language: Language::English };
    let sealed = elsewhere.seal(person, &contact, TODAY).await.unwrap();
    let keep = Command { id: CommandId(0), body: Body::KeepContact { person, sealed } };
    site.site.node.submit(keep).await.unwrap();
    let (birth, channel) = (Date(-2_100), ChannelId::OWN_SITE);
    let session = Session { person, birth, ends_at: site.site.node.now().plus_ms(1_000_000), channel };
    let citizen = site.nobody().bearing(session.seal(&site.site.keys));
    let held =
        citizen.keyed("hold-00000000000000").must_post("/api/v1/holds", &json!({"slot": slot}), 201).await;
    let confirm = format!("/api/v1/bookings/{}/confirm", held.json()["booking"]);
    citizen.keyed("confirm-00000000000").must_post(&confirm, &json!({}), 200).await;

    table.set_away(true);
    let me = citizen.get("/api/v1/identities/me").await;
    assert_eq!(me.problem(), problem(503, "vault_away"));
    for _ in 0..3 {
        assert_eq!(effects::perform(&site.site).await.unwrap_err().code, "vault_away");
    }
    let told = || site.site.outbox.newest(10, Some(&telephone(7))).len();
    assert_eq!(told(), 0);
    table.set_away(false);
    assert_eq!(effects::perform(&site.site).await.unwrap(), 1);
    assert_eq!((told(), effects::perform(&site.site).await.unwrap()), (1, 0));
    assert_eq!(citizen.get("/api/v1/identities/me").await.json()["name"], "김하늘");
}

#[tokio::test]
async fn a_code_whose_storing_failed_counts_again_and_places_are_kept() {
    let table = Arc::new(MemoryTable::default());
    let site = site(&table).await;
    site.with_room(false, None).await;
    let asked = site.nobody().must_post("/api/v1/identities/codes", &claim(1, BORN), 201).await;
    let back = json!({"challenge": asked.text_at("token"), "code": site.code_for(1).await});
    table.set_away(true);
    for _ in 0..7 {
        let away = site.nobody().post("/api/v1/identities/sessions", &back).await;
        assert_eq!(away.problem(), problem(503, "vault_away"));
        assert_eq!(
            (away.headers["retry-after"].to_str().unwrap(), away.text_at("culprit")),
            ("5", "upstream".into())
        );
    }
    site.nobody().must_post("/api/v1/rooms/1/tickets", &json!({}), 201).await;
    // The operator is known here and may look.
    site.operator().await.get("/api/v1/rooms").await.json();
    table.set_away(false);
    site.nobody().must_post("/api/v1/identities/sessions", &back, 201).await;
}
