//! All that a faulty disk knows: names, files, scripted faults.
//!
//! It must never be reached but through the lock of its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk::faulty::CrashFate;
use crate::disk::faulty::inode::{Inode, SplitMix};

const LINUX_EIO: i32 = 5;

pub(super) struct State {
    pub(super) random: SplitMix,
    pub(super) files: BTreeMap<u64, Inode>,
    /// What a process sees.
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) durable_names: BTreeMap<PathBuf, u64>,
    /// Changes to names since the last sync of their directory, in order.
    pub(super) renamings: Vec<NameChange>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) next_inode: u64,
    /// Grows with every crash; handles of an earlier life are dead.
    pub(super) life: u64,
    pub(super) operations: u64,
    pub(super) room_bytes: Option<u64>,
    pub(super) fail_sync_after: Option<u64>,
    pub(super) fail_write_after: Option<u64>,
    pub(super) power_off_after: Option<u64>,
}

/// One step in what a directory holds: the name and what it stands for now.
pub(super) struct NameChange {
    pub(super) directory: PathBuf,
    pub(super) changes: Vec<(PathBuf, Option<u64>)>,
}

impl State {
    pub(super) fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|id| self.files.get(id)).map(|f| f.seen.len() as u64).sum()
    }

    pub(super) fn adopt(&mut self, path: &Path, bytes: Vec<u8>) {
        self.next_inode += 1;
        let inode = Inode { seen: bytes.clone(), durable: bytes, ..Inode::default() };
        self.files.insert(self.next_inode, inode);
        self.names.insert(path.to_path_buf(), self.next_inode);
        self.durable_names.insert(path.to_path_buf(), self.next_inode);
    }

    /// Before any call: is there power, and is the handle of this life?
    pub(super) fn alive(&self, life: u64) -> io::Result<()> {
        if life != self.life || self.power_off_after == Some(0) {
            return Err(eio());
        }
        Ok(())
    }

    /// Counts a call that changes something. `false`: the power goes now, the
    /// change is begun and then fails.
    pub(super) fn begin_change(&mut self) -> bool {
        self.operations += 1;
        let Some(left) = &mut self.power_off_after else {
            return true;
        };
        *left -= 1;
        *left > 0
    }

    /// Does the sync that is asked for fail?
    pub(super) fn sync_fails(&mut self) -> bool {
        countdown(&mut self.fail_sync_after)
    }

    pub(super) fn change_names(&mut self, changes: Vec<(PathBuf, Option<u64>)>) {
        let directory = changes[0].0.parent().unwrap_or(Path::new("")).to_path_buf();
        for (path, inode) in &changes {
            apply(&mut self.names, path, *inode);
        }
        self.renamings.push(NameChange { directory, changes });
    }

    pub(super) fn crash_names(&mut self, fate: CrashFate) {
        let kept = match fate {
            CrashFate::LoseUnsynced => 0,
            _ => self.random.below(self.renamings.len() + 1),
        };
        for (path, inode) in self.renamings.drain(..).take(kept).flat_map(|step| step.changes) {
            apply(&mut self.durable_names, &path, inode);
        }
        self.names = self.durable_names.clone();
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.files.retain(|inode, _| named.contains(inode));
    }

    pub(super) fn write(&mut self, inode: u64, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let powered = self.begin_change();
        let fails = countdown(&mut self.fail_write_after);
        let mut kept = bytes.len();
        if fails || !powered {
            kept = self.random.below(bytes.len() + 1);
        }
        let used = self.used_bytes();
        let file = self.files.get_mut(&inode).ok_or_else(eio)?;
        let grown = (offset + kept).saturating_sub(file.seen.len()) as u64;
        let room = self.room_bytes.map_or(u64::MAX, |room| room.saturating_sub(used));
        let too_much = usize::try_from(grown.saturating_sub(room)).unwrap_or(usize::MAX);
        let fitting = kept.saturating_sub(too_much);
        file.write(offset, &bytes[..fitting]);
        if fails || !powered {
            Err(eio())
        } else if fitting < kept {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

pub(super) fn apply(names: &mut BTreeMap<PathBuf, u64>, path: &Path, inode: Option<u64>) {
    match inode {
        Some(inode) => names.insert(path.to_path_buf(), inode),
        None => names.remove(path),
    };
}

/// `true` once, when the count has run down.
pub(super) fn countdown(count: &mut Option<u64>) -> bool {
    match count {
        Some(0) => {
            *count = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

pub(super) fn eio() -> io::Error {
    io::Error::from_raw_os_error(LINUX_EIO)
}
