//! An in-memory disk that fails on purpose, for tests and simulations.
//!
//! What it does: keeps, beside what a process sees (the page cache), what
//! would survive a power cut, in sectors of 512 bytes, and fails where it is
//! told to. What it must never do: use a clock or randomness of its own. The
//! same seed and the same calls give the same disk.
//!
//! What it does not model: sectors that change without being written, other
//! than by [`FaultyDisk::flip_bit`]; older contents of a sector than the last
//! durable and the latest one; directories, which exist as soon as they are
//! named. Start reading at [`FaultyDisk`].

mod inode;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::faulty::inode::{Inode, SplitMix};
use crate::disk::faulty::state::{NameChange, State, apply, eio};
use crate::disk::{Disk, DiskLock, OpenMode, RawFile};

/// What a power cut leaves of writes that were not synced.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum CrashFate {
    /// Nothing.
    LoseUnsynced,
    /// Everything: only the process was killed. Sectors that a failed sync
    /// dropped stay visible, as they do in a real page cache.
    KeepAll,
    /// Of each file a prefix, cut at any byte; of the changes to directories
    /// the first few.
    KeepPrefix,
    /// Of each file any subset of the written sectors, the others zero or as
    /// they were; of the changes to directories the first few.
    KeepSectors,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

struct FaultyFile {
    disk: FaultyDisk,
    inode: u64,
    life: u64,
    writable: bool,
}

struct FaultyLock {
    disk: FaultyDisk,
    path: PathBuf,
    life: u64,
}

impl FaultyDisk {
    /// An empty disk; `seed` decides what crashes leave.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: SplitMix(seed),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamings: Vec::new(),
            locks: BTreeSet::new(),
            next_inode: 0,
            life: 0,
            operations: 0,
            room_bytes: None,
            fail_sync_after: None,
            fail_write_after: None,
            power_off_after: None,
        };
        FaultyDisk { state: Arc::new(Mutex::new(state)) }
    }

    /// All files together hold at most `bytes`; `None` lifts the limit. A
    /// write that does not fit is kept as far as it does.
    pub fn limit_room(&self, bytes: Option<u64>) {
        self.lock().room_bytes = bytes;
    }

    /// Bytes all files hold together.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    /// After `syncs` more good ones a sync of a file or directory fails, once,
    /// with EIO. What it should have made durable is dropped: it stays visible
    /// and later syncs do not write it.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.lock().fail_sync_after = Some(syncs);
    }

    /// After `writes` more good ones a write fails, once, with EIO, and leaves
    /// any prefix.
    pub fn fail_write_after(&self, writes: u64) {
        self.lock().fail_write_after = Some(writes);
    }

    /// After `operations` more that change something the power goes: the next
    /// one is begun, and it and every later call fails until
    /// [`FaultyDisk::crash`]. `None` takes it back.
    pub fn power_off_after(&self, operations: Option<u64>) {
        self.lock().power_off_after = operations;
    }

    /// Operations so far that change something.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Ends the life of every open file and lock, decides what of the unsynced
    /// writes is left, and lifts every scripted fault but the limit of room.
    pub fn crash(&self, fate: CrashFate) {
        let state = &mut *self.lock();
        state.life += 1;
        state.locks.clear();
        (state.fail_sync_after, state.fail_write_after) = (None, None);
        state.power_off_after = None;
        if fate == CrashFate::KeepAll {
            // The machine goes on: nothing becomes durable, nothing is lost.
            return;
        }
        state.crash_names(fate);
        for inode in state.files.values_mut() {
            inode.crash(fate, &mut state.random);
        }
    }

    /// Flips one bit of a file, seen and durable alike.
    ///
    /// # Panics
    ///
    /// If there is no such file or byte: a bug of the test.
    pub fn flip_bit(&self, path: &Path, offset: usize, bit: u8) {
        self.edit(path, |bytes| bytes[offset] ^= 1 << (bit % 8));
    }

    /// Changes a file behind everybody's back, seen and durable alike.
    ///
    /// # Panics
    ///
    /// If there is no such file: a bug of the test.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let inode = *state.names.get(path).expect("the file to edit exists");
        let inode = state.files.get_mut(&inode).expect("names stand for files");
        change(&mut inode.seen);
        inode.durable = inode.seen.clone();
        inode.dirty.clear();
        inode.resized = false;
    }

    /// What a process sees of a file, if it exists.
    #[must_use]
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        let inode = state.names.get(path)?;
        state.files.get(inode).map(|inode| inode.seen.clone())
    }

    /// A disk of its own with what this one holds, all of it durable.
    #[must_use]
    pub fn copy(&self, seed: u64) -> FaultyDisk {
        let copy = FaultyDisk::new(seed);
        let state = self.lock();
        for (path, inode) in &state.names {
            let bytes = state.files.get(inode).map(|inode| inode.seen.clone());
            copy.lock().adopt(path, bytes.unwrap_or_default());
        }
        copy
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked while holding it has failed already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RawFile for FaultyFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.lock();
        state.alive(self.life)?;
        let bytes = &state.files.get(&self.inode).ok_or_else(eio)?.seen;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let read = buffer.len().min(bytes.len() - from);
        buffer[..read].copy_from_slice(&bytes[from..from + read]);
        Ok(read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.alive(self.life)?;
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        state.write(self.inode, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.alive(self.life)?;
        let powered = state.begin_change();
        let fails = state.sync_fails();
        let file = state.files.get_mut(&self.inode).ok_or_else(eio)?;
        if !powered {
            return Err(eio());
        }
        if fails {
            file.dirty.clear();
            file.resized = false;
            return Err(eio());
        }
        file.sync();
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.alive(self.life)?;
        let powered = state.begin_change();
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let file = state.files.get_mut(&self.inode).ok_or_else(eio)?;
        file.truncate(bytes);
        if powered { Ok(()) } else { Err(eio()) }
    }

    fn bytes(&self) -> io::Result<u64> {
        let state = self.disk.lock();
        state.alive(self.life)?;
        Ok(state.files.get(&self.inode).ok_or_else(eio)?.seen.len() as u64)
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn RawFile>> {
        let mut state = self.lock();
        let life = state.life;
        state.alive(life)?;
        let found = state.names.get(path).copied();
        let inode = match (mode, found) {
            (OpenMode::Create, None) => {
                if !state.begin_change() {
                    return Err(eio());
                }
                state.next_inode += 1;
                let inode = state.next_inode;
                state.files.insert(inode, Inode::default());
                state.change_names(vec![(path.to_path_buf(), Some(inode))]);
                inode
            }
            (_, None) => return Err(io::ErrorKind::NotFound.into()),
            (mode, Some(inode)) => {
                if mode == OpenMode::Create {
                    if !state.begin_change() {
                        return Err(eio());
                    }
                    state.files.get_mut(&inode).ok_or_else(eio)?.truncate(0);
                }
                inode
            }
        };
        let writable = mode != OpenMode::Read;
        Ok(Box::new(FaultyFile { disk: self.clone(), inode, life, writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.alive(state.life)?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let powered = state.begin_change();
        state.change_names(vec![(to.to_path_buf(), Some(inode)), (from.to_path_buf(), None)]);
        if powered { Ok(()) } else { Err(eio()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.alive(state.life)?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let powered = state.begin_change();
        state.change_names(vec![(path.to_path_buf(), None)]);
        if powered { Ok(()) } else { Err(eio()) }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        state.alive(state.life)?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(String::from)).collect())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.alive(state.life)?;
        let powered = state.begin_change();
        let fails = state.sync_fails();
        if !powered {
            return Err(eio());
        }
        let (here, elsewhere) = state.renamings.drain(..).partition(|step| step.directory == directory);
        state.renamings = elsewhere;
        let here: Vec<NameChange> = here;
        if fails {
            return Err(eio());
        }
        for (path, inode) in here.into_iter().flat_map(|step| step.changes) {
            apply(&mut state.durable_names, &path, inode);
        }
        Ok(())
    }

    fn create_dir(&self, _directory: &Path) -> io::Result<()> {
        let state = self.lock();
        state.alive(state.life)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut state = FaultyDisk::lock(self);
        let life = state.life;
        state.alive(life)?;
        if !state.locks.insert(path.to_path_buf()) {
            return Ok(None);
        }
        Ok(Some(Box::new(FaultyLock { disk: self.clone(), path: path.to_path_buf(), life })))
    }

    fn room_bytes(&self, _directory: &Path) -> Option<u64> {
        let state = FaultyDisk::lock(self);
        state.room_bytes.map(|room| room.saturating_sub(state.used_bytes()))
    }
}

impl DiskLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        let mut state = FaultyDisk::lock(&self.disk);
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}
