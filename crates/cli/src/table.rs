//! The table that nodes share, as the vault wants it, kept by the servers of the stream.
//!
//! The journal knows the servers and nothing of vaults, the web knows vaults and no servers:
//! here they meet. It must never do more than carry one to the other.

use jari_journal::jetstream::{self as servers, Table, TableError};
use jari_web::vault::{Asked, Changed, Changes, Created, Kept, SharedTable, Standing, TableFault};

/// See the module's documentation.
pub struct VaultTable(pub Table);

impl SharedTable for VaultTable {
    fn standing(&self) -> Asked<'_, Standing> {
        Box::pin(async {
            let servers::Standing { life, revision, names } = self.0.standing().await.map_err(fault)?;
            Ok(Standing { life, revision, names })
        })
    }

    fn get<'a>(&'a self, name: &'a str) -> Asked<'a, Option<Kept>> {
        Box::pin(async { Ok(self.0.get(name).await.map_err(fault)?.map(kept)) })
    }

    fn create<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Asked<'a, Created> {
        Box::pin(async {
            Ok(match self.0.create(name, value).await.map_err(fault)? {
                servers::Created::Now { revision } => Created::Now(revision),
                servers::Created::Before(before) => Created::Before(kept(before)),
            })
        })
    }

    fn put<'a>(&'a self, name: &'a str, value: &'a [u8], lasts_s: Option<u64>) -> Asked<'a, u64> {
        Box::pin(async move { self.0.put(name, value, lasts_s).await.map_err(fault) })
    }

    fn replace<'a>(&'a self, name: &'a str, value: &'a [u8], revision: u64) -> Asked<'a, Option<u64>> {
        Box::pin(async move { self.0.replace(name, value, revision).await.map_err(fault) })
    }

    fn erase<'a>(&'a self, name: &'a str) -> Asked<'a, u64> {
        Box::pin(async { self.0.erase(name).await.map_err(fault) })
    }

    fn changes(&self, after: u64) -> Asked<'_, Changes> {
        Box::pin(async move {
            let (changed, more) = self.0.changes(after).await.map_err(fault)?;
            let changed = changed.into_iter().map(|one| Changed { name: one.name, kept: kept(one.kept) });
            Ok(Changes { changed: changed.collect(), more })
        })
    }
}

fn kept(servers::Kept { revision, value }: servers::Kept) -> Kept {
    Kept { revision, value }
}

fn fault(error: TableError) -> TableFault {
    match error {
        TableError::Away { reason } => TableFault::Away(reason),
        TableError::Full => TableFault::Full,
        TableError::Broken { reason } => TableFault::Broken(reason),
    }
}
