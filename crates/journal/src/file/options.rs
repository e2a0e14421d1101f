//! What can be chosen about a file journal.

use std::path::PathBuf;

use crate::file::format::{GROUP_BYTES_CEILING, RECORD_HEADER_BYTES};

/// What can be chosen about a file journal. Sizes may change between two
/// openings; they never affect what can be read.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Holds the segments and nothing else; created if it does not exist.
    pub dir: PathBuf,
    /// A new segment starts where a group would make this one larger, in
    /// bytes. A single larger group gets a segment of its own.
    pub segment_bytes_max: u64,
    /// Old segments are never removed, whatever is released.
    pub keep_all: bool,
    /// Largest payload in bytes.
    pub record_bytes_max: usize,
    /// Most bytes buffered between two settles, headers of records included.
    pub group_bytes_max: usize,
    /// Opening reads every byte of every segment, not only the newest one and
    /// both ends of the others. What is not checked on opening is checked when
    /// it is read.
    pub check_all: bool,
}

impl FileOptions {
    /// Default sizes: segments of 64 MiB, records of 4 MiB, groups of 16 MiB;
    /// released segments are removed.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        FileOptions {
            dir: dir.into(),
            segment_bytes_max: 64 << 20,
            keep_all: false,
            record_bytes_max: 4 << 20,
            group_bytes_max: 16 << 20,
            check_all: false,
        }
    }

    /// What is wrong with the options, in words for whoever configured them.
    pub(crate) fn fault(&self) -> Option<String> {
        let group_bytes_min = self.record_bytes_max.saturating_add(RECORD_HEADER_BYTES);
        if self.record_bytes_max == 0 {
            Some("record_bytes_max must not be 0".to_string())
        } else if self.group_bytes_max < group_bytes_min {
            let group_bytes_max = self.group_bytes_max;
            Some(format!(
                "group_bytes_max is {group_bytes_max}, but the largest record needs \
                 {group_bytes_min}"
            ))
        } else if self.group_bytes_max as u64 > GROUP_BYTES_CEILING {
            Some(format!("group_bytes_max must not exceed {GROUP_BYTES_CEILING}"))
        } else {
            None
        }
    }
}
