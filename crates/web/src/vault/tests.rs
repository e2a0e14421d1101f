//! The vault of one machine, and what both kinds have in common.

use jari_core::time::Date;

use super::*;
use crate::language::Language;

mod nodes;
#[path = "../../tests/site/table.rs"]
mod table;

use table::MemoryTable;

/// The day on which contacts here are sealed.
const TODAY: Date = Date(20_000);

fn contact(name: &str) -> Contact {
    Contact { name: name.into(), telephone: "01012345678".into(), language: Language::English }
}

fn keys() -> KeyRing {
    KeyRing::generate(1, [3; 32], Date(20_000))
}

/// What holds for every vault, whoever else uses its table.
async fn check_vault(vault: &Vault) {
    let (one, other) = (PersonId(1), PersonId(2));
    let sealed = vault.seal(one, &contact("김하늘"), TODAY).await.unwrap();
    assert_eq!(vault.contact(one, &sealed).await.unwrap(), Some(contact("김하늘")));
    vault.seal(other, &contact("Lee"), TODAY).await.unwrap();
    assert_eq!(vault.contact(other, &sealed).await.unwrap(), None);
    assert_eq!(vault.contact(one, &[]).await.unwrap(), None);
    let again = vault.seal(one, &contact("Kim"), TODAY).await.unwrap();
    assert_eq!(vault.contact(one, &sealed).await.unwrap(), Some(contact("김하늘")), "the key stays");
    assert_eq!(vault.contact(one, &again).await.unwrap(), Some(contact("Kim")));
    for _ in 0..2 {
        vault.forget(one).await.unwrap();
        assert_eq!(vault.contact(one, &sealed).await.unwrap(), None);
    }
    let back = vault.seal(one, &contact("김하늘"), TODAY).await.unwrap();
    assert_eq!(vault.contact(one, &sealed).await.unwrap(), None, "a new key opens nothing of the old one");
    assert_eq!(vault.contact(one, &back).await.unwrap(), Some(contact("김하늘")));

    assert!(vault.reset_password("operator").await.unwrap().is_none(), "there is nobody yet");
    let first = vault.first_run().await.unwrap().unwrap();
    assert!(vault.first_run().await.unwrap().is_none(), "the password is given once");
    let before = vault.staff_now("operator").await.unwrap();
    let password = vault.reset_password("operator").await.unwrap().unwrap();
    let after = vault.staff_now("operator").await.unwrap();
    assert!(vault.staff("operator") == Some(after.clone()) && vault.staff_now("nobody").await.is_none());
    assert_eq!((before.user, before.role), (after.user, after.role));
    assert!(verify(&password, &after.hash) && !verify(&first.password, &after.hash));

    assert!(!vault.session_ended(7));
    vault.end_session(7, 10_000, 1_000).await.unwrap();
    assert!(vault.session_ended(7) && !vault.session_ended(8));
    vault.end_session(8, 30_000, 20_000).await.unwrap();
    assert!(vault.session_ended(8), "what is over anyway is forgotten");
}

#[tokio::test]
async fn a_vault_keeps_forgets_and_knows_its_staff() {
    let directory = tempfile::tempdir().unwrap();
    check_vault(&Vault::open(&directory.path().join("vault.redb"), keys()).unwrap()).await;
}

#[tokio::test]
async fn a_replica_keeps_forgets_and_knows_its_staff_in_the_same_way() {
    let directory = tempfile::tempdir().unwrap();
    let table = Arc::new(MemoryTable::default());
    check_vault(&Vault::open_shared(&directory.path().join("vault.redb"), keys(), table).await.unwrap())
        .await;
}

#[tokio::test]
async fn keys_survive_a_restart_and_a_new_service_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault.redb");
    let keys = KeyRing::generate(1, [3; 32], Date(20_000));
    let vault = Vault::open(&path, keys.clone()).unwrap();
    let sealed = vault.seal(PersonId(1), &contact("Kim"), TODAY).await.unwrap();
    vault.close();
    let keys = keys.with(2, [4; 32], Date(20_001)).unwrap();
    let vault = Vault::open(&path, keys).unwrap();
    assert_eq!(vault.contact(PersonId(1), &sealed).await.unwrap(), Some(contact("Kim")));
}

#[tokio::test]
async fn a_copy_holds_what_was_there_and_is_written_over_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let keys = KeyRing::generate(1, [3; 32], Date(20_000));
    let vault = Vault::open(&path("vault.redb"), keys.clone()).unwrap();
    let first = vault.first_run().await.unwrap().unwrap();
    let early = vault.seal(PersonId(1), &contact("Kim"), TODAY).await.unwrap();
    vault.copy_to(&path("copy")).unwrap();
    let late = vault.seal(PersonId(2), &contact("Lee"), TODAY).await.unwrap();
    assert!(matches!(vault.copy_to(&path("copy")), Err(VaultError::Occupied(_))));
    let copy = Vault::open(&path("copy"), keys).unwrap();
    assert_eq!(copy.contact(PersonId(1), &early).await.unwrap(), Some(contact("Kim")));
    assert_eq!(copy.contact(PersonId(2), &late).await.unwrap(), None);
    assert!(verify(&first.password, &copy.staff("operator").unwrap().hash));
}
