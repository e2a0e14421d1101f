//! Two vaults that follow one table on three real servers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jari_core::ids::PersonId;
use jari_core::time::Date;
use jari_journal::jetstream::{JetStreamOptions, Table};
use jari_web::language::Language;
use jari_web::vault::{Contact, SharedTable, Vault};
use jari_wire::KeyRing;

use crate::servers::Cluster;
use crate::table::VaultTable;

/// The day on which contacts here are sealed.
const TODAY: Date = Date(20_000);

struct Node {
    path: PathBuf,
    options: JetStreamOptions,
}

impl Node {
    /// A connection and a file of its own, as of another process.
    async fn open(&self) -> Vault {
        let table = Table::connect(&self.options, "jari-vault", true).await.expect("the table is good");
        let table: Arc<dyn SharedTable> = Arc::new(VaultTable(table));
        let keys = KeyRing::generate(1, [3; 32], Date(20_000));
        Vault::open_shared(&self.path, keys, table).await.expect("the vault opens")
    }
}

fn contact(name: &str) -> Contact {
    Contact { name: name.into(), telephone: "01012345678".into(), language: Language::English }
}

#[test]
fn vaults_on_real_servers_share_keys_forget_together_and_catch_up() {
    let mut cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let mut options = cluster.options("jari");
    options.patience = Duration::from_secs(3);
    let node = |name: &str| Node { path: dir.path().join(name), options: options.clone() };
    let (first, second) = (node("first"), node("second"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (here, there) = runtime.block_on(async { (first.open().await, second.open().await) });

    // The same person at both at once, twenty times: one key each.
    let sealed: Vec<_> = runtime.block_on(async {
        let mut sealed = Vec::new();
        for person in 0..20 {
            let (one, other) = (contact("Kim"), contact("Lee"));
            let both = tokio::join!(
                here.seal(PersonId(person), &one, TODAY),
                there.seal(PersonId(person), &other, TODAY)
            );
            sealed.push((both.0.unwrap(), both.1.unwrap()));
        }
        sealed
    });
    runtime.block_on(async {
        for (person, (one, other)) in (0..).zip(&sealed) {
            for vault in [&here, &there] {
                assert_eq!(vault.contact(PersonId(person), one).await.unwrap(), Some(contact("Kim")));
                assert_eq!(vault.contact(PersonId(person), other).await.unwrap(), Some(contact("Lee")));
            }
        }
        // Forgotten here, gone there; and while one is away, at its next start.
        here.forget(PersonId(0)).await.unwrap();
        there.catch_up().await.unwrap();
        assert_eq!(there.contact(PersonId(0), &sealed[0].0).await.unwrap(), None);
    });
    there.close();
    drop(there);
    let (late, there) = runtime.block_on(async {
        here.forget(PersonId(1)).await.unwrap();
        let late = here.seal(PersonId(30), &contact("Park"), TODAY).await.unwrap();
        (late, second.open().await)
    });

    // Two servers of three away: what is here is read, what is not is not guessed. The leader is
    // one of them; left alone it would go on answering for some seconds.
    let leader = cluster.leader("KV_jari-vault");
    cluster.kill(leader);
    cluster.kill((leader + 1) % 3);
    runtime.block_on(async {
        assert_eq!(there.contact(PersonId(30), &late).await.unwrap(), Some(contact("Park")));
        assert_eq!(there.contact(PersonId(2), &sealed[2].0).await.unwrap(), Some(contact("Kim")));
        let unknown = there.contact(PersonId(1), &sealed[1].0).await.unwrap_err();
        assert_eq!((unknown.code, unknown.status.as_u16()), ("vault_away", 503));
        let refused = there.seal(PersonId(40), &contact("Choi"), TODAY).await.unwrap_err();
        assert_eq!((refused.code, refused.status.as_u16()), ("vault_away", 503));
    });
    cluster.restart_all();
    runtime.block_on(goes_on(&here, &there));
}

/// A person is kept at one of them and found at the other, as soon as the servers are back.
async fn goes_on(here: &Vault, there: &Vault) {
    let mut tries = 0;
    let sealed = loop {
        match there.seal(PersonId(40), &contact("Choi"), TODAY).await {
            Ok(sealed) => break sealed,
            Err(problem) if problem.code == "vault_away" && tries < 20 => tries += 1,
            Err(problem) => panic!("{problem:?}"),
        }
    };
    // The other one's connection finds the servers again in its own time.
    let found = loop {
        match here.contact(PersonId(40), &sealed).await {
            Ok(found) => break found,
            Err(problem) if problem.code == "vault_away" && tries < 20 => tries += 1,
            Err(problem) => panic!("{problem:?}"),
        }
    };
    assert_eq!(found, Some(contact("Choi")));
}
