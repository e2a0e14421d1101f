//! Whole files, replaced atomically and durably.
//!
//! After [`replace_file`] returned, the new content survives a power cut;
//! before that a reader sees either the old content or the new, never a mix.
//! It must never leave a half-written file under the final name.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, OpenMode};

/// What temporary files end in. Leftovers of a crash may be deleted.
pub(crate) const TEMPORARY_SUFFIX: &str = ".new";

/// Replaces or creates `path` with `bytes`: writes `path` + `.new`, fsyncs it,
/// renames it over `path`, fsyncs the directory.
///
/// Errors: whatever the disk says. Until the rename the old file is untouched
/// and the temporary one is removed as well as possible. If the last step, the
/// fsync of the directory, fails, it is unknown which of the two contents
/// survives a power cut; both are whole. That failure has the kind `Other`, so
/// that `StorageFull` always means that nothing was replaced.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory =
        path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "path has no directory"))?;
    let temporary = temporary_path(path);
    let written = write_temporary(disk, &temporary, bytes).and_then(|()| disk.rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to report; a leftover is harmless.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    // Never reported as a full disk: the new file is there, nothing was undone.
    disk.sync_dir(directory)
        .map_err(|error| io::Error::other(format!("fsync of {}: {error}", directory.display())))
}

/// Reads a whole file of at most `bytes_max` bytes.
///
/// Errors: whatever the disk says; `FileTooLarge` beyond the limit.
pub fn read_file(disk: &dyn Disk, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let bytes = file.bytes()?;
    if bytes > bytes_max {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let size = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut content = vec![0; size];
    let read = file.read_at(0, &mut content)?;
    content.truncate(read);
    Ok(content)
}

fn write_temporary(disk: &dyn Disk, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.open(temporary, OpenMode::Create)?;
    file.write_at(0, bytes)?;
    file.sync()
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    PathBuf::from(name)
}
