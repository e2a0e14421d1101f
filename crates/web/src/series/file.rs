//! The week's minutes in a file, so that a restart before an opening does not empty the plots.
//!
//! One line of JSON a minute, appended and not flushed: it is for looking, and the journal has what
//! must not be lost. A line that is damaged or torn is left out. The file is bounded: it is written
//! anew with the newest week at the start, and whenever it has grown to twice that. Whatever goes wrong
//! with it is logged once and stops nothing. Start at [`SeriesFile::open`].

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::sample::Sample;

/// Minutes of a week.
const LINES_MAX: usize = 10_080;
/// A line that is longer is none of ours.
const LINE_BYTES_MAX: usize = 32 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub struct SeriesFile {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl SeriesFile {
    /// Opens or makes the file; gives the minutes of the last week in it, the oldest first.
    ///
    /// # Errors
    ///
    /// As the system says. The service goes on without.
    pub fn open(path: &Path, now_ms: u64) -> io::Result<(SeriesFile, Vec<Sample>)> {
        let mut samples = read(path)?;
        let oldest_ms = now_ms.saturating_sub(7 * 86_400_000);
        samples.retain(|sample| sample.at_ms > oldest_ms && sample.at_ms <= now_ms);
        samples.sort_by_key(|sample| sample.at_ms);
        let over = samples.len().saturating_sub(LINES_MAX);
        samples.drain(..over);
        let file = write_anew(path, &samples)?;
        Ok((SeriesFile { path: path.to_owned(), file, lines: samples.len() }, samples))
    }

    /// Appends a minute.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn append(&mut self, sample: &Sample) -> io::Result<()> {
        if self.lines >= 2 * LINES_MAX {
            (*self, _) = SeriesFile::open(&self.path, sample.at_ms)?;
        }
        self.lines += 1;
        self.file.write_all(&line(sample)?)
    }
}

fn line(sample: &Sample) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(sample)?;
    line.push(b'\n');
    Ok(line)
}

fn read(path: &Path) -> io::Result<Vec<Sample>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = BufReader::new(file).split(b'\n').take(4 * LINES_MAX);
    let mut samples = Vec::new();
    for line in lines {
        let line = line?;
        if line.len() <= LINE_BYTES_MAX {
            samples.extend(serde_json::from_slice(&line).ok().filter(|sample: &Sample| sample.ms > 0));
        }
    }
    Ok(samples)
}

/// Puts a file with these in the place of the one that is there.
fn write_anew(path: &Path, samples: &[Sample]) -> io::Result<File> {
    let beside = path.with_extension("new");
    let mut bytes = Vec::new();
    for sample in samples {
        bytes.extend(line(sample)?);
    }
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)?;
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_626_260_400_000;

    fn minute(ago: u64) -> Sample {
        Sample { at_ms: NOW - ago * 60_000, ms: 60_000, ..Sample::default() }
    }

    #[test]
    fn minutes_come_back_and_what_is_damaged_old_or_from_the_future_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("series.jsonl");
        let (mut file, none) = SeriesFile::open(&path, NOW).unwrap();
        assert!(none.is_empty());
        for ago in [20_000, 10, 9] {
            file.append(&minute(ago)).unwrap();
        }
        drop(file);
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"{\"at_ms\":1\n\xff\xfe\n\n");
        text.extend(line(&Sample { at_ms: NOW + 60_000, ..minute(0) }).unwrap());
        text.extend(line(&minute(8)).unwrap());
        let torn = line(&minute(7)).unwrap();
        text.extend(&torn[..torn.len() / 2]);
        std::fs::write(&path, text).unwrap();
        let (_, known) = SeriesFile::open(&path, NOW).unwrap();
        assert_eq!(known, [minute(10), minute(9), minute(8)]);
    }

    #[test]
    fn the_file_never_has_more_than_two_weeks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("series.jsonl");
        let (mut file, _) = SeriesFile::open(&path, NOW).unwrap();
        for at in 0..2 * LINES_MAX as u64 + 10 {
            file.append(&Sample { at_ms: NOW + at * 60_000, ..minute(0) }).unwrap();
        }
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!((LINES_MAX..LINES_MAX + 20).contains(&lines), "{lines} lines");
    }
}
