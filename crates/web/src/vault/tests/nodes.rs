//! Several replicas of one table.

use super::*;
use crate::problem::Culprit;
use crate::staff::audit::Entry;

/// A node that can be stopped and started again.
struct Node {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Node {
    fn new() -> Node {
        let directory = tempfile::tempdir().unwrap();
        Node { path: directory.path().join("vault.redb"), _directory: directory }
    }

    async fn start(&self, table: &Arc<MemoryTable>) -> Result<Vault, VaultError> {
        Vault::open_shared(&self.path, keys(), Arc::clone(table) as Arc<dyn SharedTable>).await
    }
}

/// Closes a vault's file at once, whoever follows for it.
fn stop(vault: Vault) {
    vault.close();
}

async fn two(table: &Arc<MemoryTable>) -> (Vault, Vault) {
    let (one, other) = (Node::new(), Node::new());
    (one.start(table).await.unwrap(), other.start(table).await.unwrap())
}

#[tokio::test]
async fn two_nodes_that_sign_the_same_person_in_seal_under_one_key() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    let person = PersonId(5);
    let (one, other) = (contact("Kim"), contact("Lee"));
    let (one, other) = tokio::join!(here.seal(person, &one, TODAY), there.seal(person, &other, TODAY));
    let (one, other) = (one.unwrap(), other.unwrap());
    for vault in [&here, &there] {
        assert_eq!(vault.contact(person, &one).await.unwrap(), Some(contact("Kim")));
        assert_eq!(vault.contact(person, &other).await.unwrap(), Some(contact("Lee")));
    }
    assert_eq!(table.names().len(), 1);
}

#[tokio::test]
async fn a_key_that_has_not_arrived_is_asked_for_and_an_absence_is_not_guessed() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    // On a busy machine the key would come by itself before it is asked for.
    table.set_silent(true);
    let sealed = here.seal(PersonId(5), &contact("Kim"), TODAY).await.unwrap();
    table.set_away(true);
    let away = there.contact(PersonId(5), &sealed).await.unwrap_err();
    assert_eq!((away.code, away.status.as_u16(), away.culprit), ("vault_away", 503, Culprit::Upstream));
    assert_eq!(here.contact(PersonId(5), &sealed).await.unwrap(), Some(contact("Kim")), "reads go on");
    let refused = there.seal(PersonId(6), &contact("Lee"), TODAY).await.unwrap_err();
    assert_eq!(refused.code, "vault_away");
    assert_eq!(there.end_session(1, 2, 1).await.unwrap_err().code, "vault_away");
    table.set_away(false);
    assert_eq!(there.contact(PersonId(5), &sealed).await.unwrap(), Some(contact("Kim")));
    table.set_away(true);
    assert_eq!(there.contact(PersonId(5), &sealed).await.unwrap(), Some(contact("Kim")), "it is here now");
}

#[tokio::test]
async fn who_is_forgotten_at_one_node_is_forgotten_at_the_other() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    let sealed = here.seal(PersonId(5), &contact("Kim"), TODAY).await.unwrap();
    there.catch_up().await.unwrap();
    here.forget(PersonId(5)).await.unwrap();
    there.catch_up().await.unwrap();
    assert_eq!(there.contact(PersonId(5), &sealed).await.unwrap(), None);
    // A node that still has the old key seals under the one in force.
    let again = there.seal(PersonId(5), &contact("Kim"), TODAY).await.unwrap();
    assert_eq!(here.contact(PersonId(5), &again).await.unwrap(), Some(contact("Kim")));
    here.forget(PersonId(5)).await.unwrap();
    let last = there.seal(PersonId(5), &contact("Kim"), TODAY).await.unwrap();
    assert_eq!(here.contact(PersonId(5), &last).await.unwrap(), Some(contact("Kim")));
}

#[tokio::test(start_paused = true)]
async fn what_another_node_wrote_comes_by_itself() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    here.end_session(9, 10_000, 1).await.unwrap();
    assert!(here.session_ended(9));
    // The file is written by a thread, which paused time does not wait for.
    let mut asked = 0;
    while !there.session_ended(9) {
        asked += 1;
        assert!(asked < 10_000, "it never comes");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn one_node_makes_the_first_operator_and_a_new_password_counts_at_all() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    let (one, other) = tokio::join!(here.first_run(), there.first_run());
    let made: Vec<FirstRun> = [one.unwrap(), other.unwrap()].into_iter().flatten().collect();
    let [first] = &made[..] else { panic!("{} passwords were given", made.len()) };
    for vault in [&here, &there] {
        assert!(verify(&first.password, &vault.staff("operator").unwrap().hash));
    }
    let password = here.reset_password("operator").await.unwrap().unwrap();
    assert!(verify(&password, &there.staff_now("operator").await.unwrap().hash));
    assert!(!table.holds(b"operator") && !table.holds(b"argon2id"), "the staff is sealed there");
    table.set_away(true);
    assert!(there.staff_now("operator").await.is_some(), "and can sign in while the table is away");
}

#[tokio::test]
async fn a_node_that_was_away_hears_of_everything() {
    let table = Arc::new(MemoryTable::default());
    let here = Node::new().start(&table).await.unwrap();
    let node = Node::new();
    let there = node.start(&table).await.unwrap();
    let mut sealed = Vec::new();
    for person in 0..7 {
        sealed.push(here.seal(PersonId(person), &contact("Kim"), TODAY).await.unwrap());
    }
    there.catch_up().await.unwrap();
    stop(there);
    here.forget(PersonId(0)).await.unwrap();
    for person in 7..12 {
        sealed.push(here.seal(PersonId(person), &contact("Lee"), TODAY).await.unwrap());
    }
    let there = node.start(&table).await.unwrap();
    table.set_away(true);
    for (person, sealed) in (0..).zip(&sealed).skip(1) {
        assert!(there.contact(PersonId(person), sealed).await.unwrap().is_some(), "{person}");
    }
    table.set_away(false);
    assert_eq!(there.contact(PersonId(0), &sealed[0]).await.unwrap(), None);
}

#[tokio::test]
async fn a_table_that_was_lost_is_made_anew_and_the_others_take_it_over() {
    let table = Arc::new(MemoryTable::default());
    let (first, second) = (Node::new(), Node::new());
    let (here, there) = (first.start(&table).await.unwrap(), second.start(&table).await.unwrap());
    let one = here.seal(PersonId(1), &contact("Kim"), TODAY).await.unwrap();
    let password = here.first_run().await.unwrap().unwrap().password;
    here.end_session(4, 10_000, 1_000).await.unwrap();
    there.catch_up().await.unwrap();
    stop(here);
    let late = there.seal(PersonId(2), &contact("Lee"), TODAY).await.unwrap();
    stop(there);
    table.lose();
    let refused = second.start(&table).await.err().unwrap();
    assert!(matches!(refused, VaultError::Lost), "{refused}");

    let local = Vault::open(&first.path, keys()).unwrap();
    let shared = Arc::clone(&table) as Arc<dyn SharedTable>;
    assert!(!local.follows(&*shared).await.unwrap());
    assert_eq!(local.share(Arc::clone(&shared), 2_000).await.unwrap(), 3, "a person, an operator, a session");
    assert!(local.follows(&*shared).await.unwrap());
    let refused = local.share(shared, 2_000).await.unwrap_err();
    assert!(matches!(refused, VaultError::Filled), "{refused}");
    stop(local);

    let (here, there) = (first.start(&table).await.unwrap(), second.start(&table).await.unwrap());
    for vault in [&here, &there] {
        assert_eq!(vault.contact(PersonId(1), &one).await.unwrap(), Some(contact("Kim")));
        assert_eq!(vault.contact(PersonId(2), &late).await.unwrap(), None, "the new table does not have it");
        assert!(verify(&password, &vault.staff("operator").unwrap().hash) && vault.session_ended(4));
    }
}

#[tokio::test]
async fn a_vault_of_one_machine_is_not_thrown_away_for_a_table() {
    let table = Arc::new(MemoryTable::default());
    let (node, other) = (Node::new(), Node::new());
    let alone = Vault::open(&node.path, keys()).unwrap();
    let sealed = alone.seal(PersonId(1), &contact("Kim"), TODAY).await.unwrap();
    stop(alone);
    let refused = node.start(&table).await.err().unwrap();
    assert!(matches!(refused, VaultError::Foreign), "{refused}");
    let alone = Vault::open(&node.path, keys()).unwrap();
    alone.share(Arc::clone(&table) as Arc<dyn SharedTable>, 0).await.unwrap();
    stop(alone);
    for node in [&node, &other] {
        let vault = node.start(&table).await.unwrap();
        assert_eq!(vault.contact(PersonId(1), &sealed).await.unwrap(), Some(contact("Kim")));
    }
}

#[tokio::test]
async fn a_copy_of_a_replica_belongs_to_no_table() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    let sealed = here.seal(PersonId(1), &contact("Kim"), TODAY).await.unwrap();
    let node = Node::new();
    there.catch_up().await.unwrap();
    there.copy_to(&node.path).unwrap();
    assert!(matches!(node.start(&table).await.err().unwrap(), VaultError::Foreign));
    let alone = Vault::open(&node.path, keys()).unwrap();
    assert_eq!(alone.contact(PersonId(1), &sealed).await.unwrap(), Some(contact("Kim")));
}

#[tokio::test]
async fn a_copy_of_a_replica_goes_on_from_where_it_was_copied_at_that_table_alone() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    let gone = here.seal(PersonId(1), &contact("Kim"), TODAY).await.unwrap();
    let stays = here.seal(PersonId(2), &contact("Lee"), TODAY).await.unwrap();
    there.catch_up().await.unwrap();
    let node = Node::new();
    there.copy_to(&node.path).unwrap();
    here.forget(PersonId(1)).await.unwrap();
    let late = here.seal(PersonId(3), &contact("Park"), TODAY).await.unwrap();

    let copy = Vault::open(&node.path, keys()).unwrap();
    let other = MemoryTable::default();
    other.lose();
    assert!(!copy.rejoin(&other).await.unwrap(), "another table, or one that was made anew");
    assert!(copy.rejoin(&*table).await.unwrap());
    stop(copy);
    let joined = node.start(&table).await.unwrap();
    table.set_away(true);
    assert_eq!(joined.contact(PersonId(2), &stays).await.unwrap(), Some(contact("Lee")));
    assert_eq!(joined.contact(PersonId(3), &late).await.unwrap(), Some(contact("Park")));
    table.set_away(false);
    assert_eq!(joined.contact(PersonId(1), &gone).await.unwrap(), None, "who was forgotten stays so");
    let alone = Node::new();
    let vault = Vault::open(&alone.path, keys()).unwrap();
    assert!(!vault.rejoin(&*table).await.unwrap(), "the vault of one machine");
}

#[tokio::test]
async fn an_entry_that_is_not_ours_changes_nothing() {
    let table = Arc::new(MemoryTable::default());
    let here = Node::new().start(&table).await.unwrap();
    here.first_run().await.unwrap().unwrap();
    let before = here.staff("operator").unwrap();
    let entry = table.names().pop().unwrap();
    for name in ["person.zz", "person", "ended.0011", "staff.00", "strange.thing", &entry] {
        table.put(name, b"planted by whoever may write to the table", None).await.unwrap();
    }
    here.catch_up().await.unwrap();
    assert!(here.staff_now("operator").await == Some(before), "no one makes themselves an operator");
}

fn note_of(what: &str, at_ms: u64) -> crate::staff::audit::Entry {
    crate::staff::audit::Entry::new(at_ms, "desk", what, "room 1").because("a secret reason")
}

fn noted(vault: &Vault) -> Vec<String> {
    let all = vault.noted((0, 0), (u64::MAX, 0), 100, |_| true).unwrap();
    all.into_iter().map(|(_, entry)| entry.what).collect()
}

#[tokio::test]
async fn what_counts_once_counts_at_one_node_only() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    let (one, other) = tokio::join!(here.use_once(9, 60_000, 1_000), there.use_once(9, 60_000, 1_000));
    assert!(one.unwrap() ^ other.unwrap(), "one of them is the first");
    assert!(!here.use_once(9, 60_000, 2_000).await.unwrap());
    assert!(there.use_once(10, 60_000, 2_000).await.unwrap());
    table.set_away(true);
    assert_eq!(here.use_once(11, 60_000, 2_000).await.unwrap_err().code, "vault_away");
}

#[tokio::test]
async fn no_change_of_an_account_is_written_over_by_another_node() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    here.set_password("desk", 5, 2, "twelve-signs-long").await.unwrap();
    // The other node hears nothing by itself: each has an old account in hand.
    table.set_silent(true);
    let add = |clinic| {
        move |mut record: StaffRecord| {
            record.more.clinics.push(clinic);
            Ok(record)
        }
    };
    let (one, other) = tokio::join!(here.change_staff("desk", add(1)), there.change_staff("desk", add(2)));
    assert!(one.unwrap().is_some() && other.unwrap().is_some());
    for clinic in 3..6 {
        here.change_staff("desk", add(clinic)).await.unwrap();
        there.change_staff("desk", add(clinic + 10)).await.unwrap();
    }
    let mut clinics = here.staff_now("desk").await.unwrap().more.clinics;
    clinics.sort_unstable();
    assert_eq!(clinics, [1, 2, 3, 4, 5, 13, 14, 15]);
    assert!(there.change_staff("nobody", add(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_account_that_another_node_changed_is_known_at_the_next_look() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    assert!(there.account(5).is_none());
    here.set_password("desk", 5, 2, "twelve-signs-long").await.unwrap();
    there.hear_staff().await;
    assert_eq!(there.account(5).unwrap().0, "desk");
    let lock = |mut record: StaffRecord| {
        record.more.locked = true;
        Ok(record)
    };
    here.change_staff("desk", lock).await.unwrap();
    assert!(here.account(5).unwrap().1.more.locked, "here at once");
    there.hear_staff().await;
    assert!(there.account(5).unwrap().1.more.locked);
}

#[tokio::test]
async fn the_audit_list_is_the_same_at_every_node_and_sealed_in_the_table() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    here.note(&note_of("first", 1_000)).await.unwrap();
    there.note(&note_of("second", 2_000)).await.unwrap();
    here.note(&note_of("third", 2_000)).await.unwrap();
    for vault in [&here, &there] {
        vault.hear_staff().await;
        assert_eq!(noted(vault).last().map(String::as_str), Some("first"), "the newest first");
    }
    assert_eq!(noted(&here), noted(&there));
    assert!(!table.holds(b"a secret reason") && !table.holds(b"desk"), "nothing in it can be read");
    table.set_away(true);
    assert_eq!(here.note(&note_of("fourth", 3_000)).await.unwrap_err().code, "vault_away");
    assert_eq!(noted(&here).len(), 3, "what could not be kept is not there");
}

#[tokio::test]
async fn a_vault_that_is_shared_takes_its_audit_list_along_and_a_copy_has_it() {
    let alone = Node::new();
    let vault = Vault::open(&alone.path, keys()).unwrap();
    vault.note(&note_of("before", 1_000)).await.unwrap();
    let copy = alone.path.with_extension("copy");
    vault.copy_to(&copy).unwrap();
    assert_eq!(noted(&Vault::open(&copy, keys()).unwrap()), ["before"]);
    let table = Arc::new(MemoryTable::default());
    vault.share(Arc::clone(&table) as Arc<dyn SharedTable>, 2_000).await.unwrap();
    let other = Node::new().start(&table).await.unwrap();
    assert_eq!(noted(&other), ["before"]);
}

#[tokio::test]
async fn the_audit_list_forgets_what_is_older_than_thirteen_months() {
    let alone = Node::new();
    let vault = Vault::open(&alone.path, keys()).unwrap();
    for month in 0..20 {
        vault.note(&note_of(&format!("{month}"), month * 30 * 86_400_000)).await.unwrap();
    }
    assert_eq!(noted(&vault).len(), 14);
}

#[tokio::test]
async fn looks_at_names_are_counted_once_at_every_node() {
    let table = Arc::new(MemoryTable::default());
    let (here, there) = two(&table).await;
    let look = |at_ms: u64, what: &str, on: &str| Entry::new(at_ms, "desk", what, on);
    here.note(&look(1_000, "look_at_contact", "booking 7")).await.unwrap();
    here.count_looks().unwrap();
    assert_eq!(there.looked(7, 3, "2021-07-16", 9_000), None, "it has not counted");
    here.note(&look(2_000, "look_at_contact", "booking 7")).await.unwrap();
    here.note(&look(3_000, "look_at_contact", "booking 70")).await.unwrap();
    here.note(&look(4_000, "print_names", "desk 3, 2021-07-16, 12 bookings")).await.unwrap();
    here.note(&look(5_000, "print_names", "desk 3, 2021-07-17, 12 bookings")).await.unwrap();
    here.note(&look(6_000, "check_in", "booking 7")).await.unwrap();
    here.note(&look(7_000, "look_at_contact", "booking 7").refused(7_000, "vault_away")).await.unwrap();
    let expected = Some([Looked { times: 2, last_ms: 2_000 }, Looked { times: 1, last_ms: 4_000 }]);
    for vault in [&here, &there] {
        vault.catch_up().await.unwrap();
        vault.count_looks().unwrap();
        assert_eq!(vault.looked(7, 3, "2021-07-16", 9_000), expected);
    }
    there.note(&look(8_000, "look_at_contact", "booking 7")).await.unwrap();
    here.catch_up().await.unwrap();
    for vault in [&here, &there] {
        let [name, _] = vault.looked(7, 3, "2021-07-16", 9_000).unwrap();
        assert_eq!(name, Looked { times: 3, last_ms: 8_000 });
    }
}
