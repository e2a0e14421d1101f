//! The few file operations this crate needs, as a trait.
//!
//! It must never hide an error or retry: what to do about a failed write or
//! fsync is decided by the journal. [`StdDisk`] is the operating system,
//! [`faulty::FaultyDisk`] an in-memory disk that fails on purpose.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "raw file calls are banned elsewhere because they are at home here"
)]

pub mod faulty;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How to open a file.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// An existing file, only to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// A new empty file, to read and write; an existing one is emptied.
    Create,
}

/// One open file. Offsets and sizes in bytes.
pub trait RawFile: Send + Sync {
    /// Reads at `offset` until `buffer` is full or the file ends; says how
    /// many bytes were read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes`. After an error any part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes content and size durable (fdatasync). After an error it is
    /// unknown what is durable, and a second call proves nothing.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file to `bytes`.
    fn truncate(&self, bytes: u64) -> io::Result<()>;
    /// Size of the file.
    fn bytes(&self) -> io::Result<u64>;
}

/// An exclusive lock, held until it is dropped.
pub trait DiskLock: Send + Sync {}

/// A file system, as far as this crate needs one.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn RawFile>>;
    /// Renames a file over another one or none.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names of the files in a directory, sorted.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;
    /// Creates a directory and its parents, durably, unless they exist.
    fn create_dir(&self, directory: &Path) -> io::Result<()>;
    /// Locks `path`, creating it if need be; `None` if somebody else holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>>;
    /// Room left in bytes, if the disk can tell.
    fn room_bytes(&self, _directory: &Path) -> Option<u64> {
        None
    }
}

/// The operating system's files.
#[derive(Copy, Clone, Debug, Default)]
pub struct StdDisk;

struct StdFile(File);

/// The file must stay open: the lock ends when it is closed.
struct StdLock(#[allow(dead_code, reason = "held, never read")] File);

impl DiskLock for StdLock {}

impl RawFile for StdFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl Disk for StdDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn RawFile>> {
        let file = match mode {
            OpenMode::Read => File::open(path),
            OpenMode::Write => OpenOptions::new().read(true).write(true).open(path),
            OpenMode::Create => {
                OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
            }
        }?;
        Ok(Box::new(StdFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            // Names that are not text are none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        File::open(non_empty(directory))?.sync_all()
    }

    fn create_dir(&self, directory: &Path) -> io::Result<()> {
        let mut missing: Vec<PathBuf> = Vec::new();
        let mut level = non_empty(directory);
        while !level.is_dir() {
            missing.push(level.to_path_buf());
            let Some(parent) = level.parent() else { break };
            level = non_empty(parent);
        }
        for path in missing.iter().rev() {
            match fs::create_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => self.sync_dir(path.parent().unwrap_or(Path::new(".")))?,
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(StdLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The parent of a bare name is the empty path, which no system call takes.
fn non_empty(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}
