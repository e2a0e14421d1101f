//! Snapshots on disk: one file each, named by the position it covers, written aside
//! and renamed when it is whole and flushed.
//!
//! It must never replace a good snapshot by a half-written one, never delete the
//! last good one, and never let the journal go for one whose name may not
//! last. A damaged snapshot is passed over for the one before it: the journal holds the rest.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use jari_core::Data;
use jari_journal::{Chain, Position};
use jari_wire::snapshot::{self, SnapshotError, SnapshotMeta};

/// How many snapshots are kept: the newest, and one to fall back on.
const KEPT: usize = 2;

/// A directory of snapshots.
#[derive(Clone, Debug)]
pub struct Snapshots {
    dir: PathBuf,
}

impl Snapshots {
    /// Opens the directory, making it if needed.
    ///
    /// # Errors
    ///
    /// As the disk says.
    pub fn open(dir: &Path) -> io::Result<Snapshots> {
        fs::create_dir_all(dir)?;
        Ok(Snapshots { dir: dir.to_owned() })
    }

    /// Writes a snapshot durably and removes those that are no longer needed. Gives the
    /// position up to which the journal may drop records: that of the oldest one kept.
    ///
    /// # Errors
    ///
    /// As the disk says; older snapshots are untouched then.
    pub fn write(&self, position: Position, chain: Chain, data: &Data) -> io::Result<Position> {
        self.remove_parts()?;
        let part = self.dir.join(format!("{:020}.part", position.0));
        let written = self.write_part(&part, position, chain, data);
        if written.is_err() {
            // What is left of a failed attempt only takes room; the error says why.
            let _ = fs::remove_file(&part);
        }
        written?;
        let path = self.path(position);
        let is_another = !path.exists();
        fs::rename(&part, &path)?;
        if let Err(error) = File::open(&self.dir).and_then(|dir| dir.sync_all()) {
            // Its name may be gone after a power cut, whatever later flushes say: it must not count as one
            // to fall back on. One of the same position was counted before, and holds the same.
            if is_another {
                let _ = fs::remove_file(&path);
            }
            return Err(error);
        }
        let positions = self.positions()?;
        let kept_from = positions.len().saturating_sub(KEPT);
        for old in &positions[..kept_from] {
            fs::remove_file(self.path(*old))?;
        }
        Ok(positions.get(kept_from).copied().unwrap_or(position))
    }

    /// The newest snapshot that is whole. Damaged ones are reported, set aside and passed over.
    ///
    /// # Errors
    ///
    /// As the disk says when the directory cannot be listed.
    pub fn newest(&self) -> io::Result<Option<(SnapshotMeta, Data)>> {
        for position in self.positions()?.into_iter().rev() {
            let path = self.path(position);
            let read = File::open(&path)
                .map_err(SnapshotError::Io)
                .and_then(|file| snapshot::read(&mut BufReader::with_capacity(1 << 20, file)));
            match read {
                Ok(found) => return Ok(Some(found)),
                Err(error) => {
                    tracing::error!(snapshot = %path.display(), %error, "a snapshot cannot be used; trying the one before it");
                    if matches!(error, SnapshotError::Damaged { .. }) {
                        // Or it would count among those to fall back on, and the next one
                        // would push out the last that is whole.
                        fs::rename(&path, path.with_extension("damaged"))?;
                    }
                }
            }
        }
        Ok(None)
    }

    /// The files of the snapshots, oldest first.
    ///
    /// # Errors
    ///
    /// As the disk says when the directory cannot be listed.
    pub fn paths(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.positions()?.into_iter().map(|position| self.path(position)).collect())
    }

    fn write_part(&self, part: &Path, position: Position, chain: Chain, data: &Data) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(part)?);
        snapshot::write(data, position.0, chain.0, &mut out)?;
        out.flush()?;
        out.get_ref().sync_all()
    }

    /// Removes what crashes left half-written: nothing else ever would, and each may be as large as
    /// the state. There is one writer, the holder of the journal's lock, and it is about to begin.
    fn remove_parts(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "part") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn positions(&self) -> io::Result<Vec<Position>> {
        let mut positions = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".snapshot"));
            if let Some(position) = number.and_then(|number| number.parse().ok()) {
                positions.push(Position(position));
            }
        }
        positions.sort_unstable();
        Ok(positions)
    }

    fn path(&self, position: Position) -> PathBuf {
        self.dir.join(format!("{:020}.snapshot", position.0))
    }
}

#[cfg(test)]
mod tests {
    use jari_core::State;

    use super::*;

    #[test]
    fn what_a_crash_left_half_written_is_removed_by_the_next_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(dir.path()).unwrap();
        let left = dir.path().join("00000000000000000007.part");
        fs::write(&left, b"half").unwrap();
        snapshots.write(Position(9), Chain::ZERO, &State::new().freeze()).unwrap();
        assert!(!left.exists());
        assert_eq!(snapshots.newest().unwrap().unwrap().0.position, 9);
    }
}
