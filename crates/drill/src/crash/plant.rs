//! Losses made on purpose, to see that the drill notices: the test of the test.
//!
//! Must never be done unless asked for by name. Start at [`Plant`].

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// Between a kill and the restart the newest journal segment is put back to what it was one
    /// kill earlier, as if flushes had not happened. Snapshots know more than it then.
    StaleSegment,
    /// Journal and snapshots are both put back to what they were one kill earlier: nothing in the
    /// directory shows that anything is missing, and only the people know.
    LostWrites,
}

/// A copy of what will be put back.
#[derive(Debug)]
pub struct Cutting {
    plant: Plant,
    copy: PathBuf,
}

impl Cutting {
    /// Copies what `plant` will put back, from the data directory of a service that is down.
    pub fn take(plant: Plant, data: &Path, copy: PathBuf) -> io::Result<Self> {
        copy_dir(&data.join("journal"), &copy.join("journal"))?;
        copy_dir(&data.join("snapshots"), &copy.join("snapshots"))?;
        Ok(Self { plant, copy })
    }

    /// Puts it back into the data directory of a service that is down.
    pub fn put_back(&self, data: &Path) -> io::Result<()> {
        match self.plant {
            Plant::StaleSegment => {
                let old = self.copy.join("journal");
                let Some(newest) = names(&old)?.into_iter().rfind(|name| name.ends_with(".segment")) else {
                    return Err(io::ErrorKind::NotFound.into());
                };
                // Segments begun since would show the gap at once; without them it is a lost tail.
                for name in names(&data.join("journal"))? {
                    if name.ends_with(".segment") && name > newest {
                        fs::remove_file(data.join("journal").join(name))?;
                    }
                }
                fs::copy(old.join(&newest), data.join("journal").join(&newest))?;
            }
            Plant::LostWrites => {
                for part in ["journal", "snapshots"] {
                    fs::remove_dir_all(data.join(part))?;
                    copy_dir(&self.copy.join(part), &data.join(part))?;
                }
            }
        }
        Ok(())
    }
}

/// Copies the files of a directory without directories in it.
pub fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for name in names(from)? {
        fs::copy(from.join(&name), to.join(&name))?;
    }
    Ok(())
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}
