//! The week's minutes in a file, so that a restart before an opening does not empty the plots.
//!
//! One line of JSON a minute, appended and not flushed: it is for looking, and the journal has what
//! must not be lost. A line that is damaged or torn is left out. The file is bounded: it is written
//! anew with the newest week at the start, and whenever it has grown to twice that. When something
//! goes wrong with it, nothing else stops, and the next minute begins it anew. Start at
//! [`SeriesFile::append`].

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::sample::Sample;

/// Minutes of a week.
const LINES_MAX: usize = 10_080;
/// A line that is longer is none of ours.
const LINE_BYTES_MAX: u64 = 32 * 1024;
const MINUTE_MS: u64 = 60_000;

/// See the module's documentation.
#[derive(Debug)]
pub struct SeriesFile {
    path: PathBuf,
    /// The file and its lines; none before the first minute, and after a failure.
    open: Option<(File, usize)>,
}

impl SeriesFile {
    /// The file at a path, which need not be there.
    #[must_use]
    pub fn at(path: PathBuf) -> SeriesFile {
        SeriesFile { path, open: None }
    }

    /// The minutes of the last week in it, each once, the oldest first.
    ///
    /// # Errors
    ///
    /// As the system says. The service goes on without.
    pub fn read(&self, now_ms: u64) -> io::Result<Vec<Sample>> {
        let mut samples = read(&self.path)?;
        let oldest_ms = now_ms.saturating_sub(7 * 86_400_000);
        samples.retain(|sample| sample.at_ms > oldest_ms && sample.at_ms <= now_ms);
        // The same order for those of one minute: what was written later counts.
        samples.reverse();
        samples.sort_by_key(|sample| sample.at_ms / MINUTE_MS);
        samples.dedup_by_key(|sample| sample.at_ms / MINUTE_MS);
        let over = samples.len().saturating_sub(LINES_MAX);
        samples.drain(..over);
        Ok(samples)
    }

    /// Appends a minute. After one that failed the next begins with what is whole in the file.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn append(&mut self, sample: &Sample) -> io::Result<()> {
        // It is put back when all went well, so that nothing is written behind half a line.
        let (mut file, lines) = match self.open.take() {
            Some((file, lines)) if lines < 2 * LINES_MAX => (file, lines),
            _ => self.begin(sample.at_ms)?,
        };
        file.write_all(&line(sample)?)?;
        self.open = Some((file, lines + 1));
        Ok(())
    }

    /// The next minute begins the file anew: the clock was set back, and what is in it from the
    /// future is to go.
    pub fn begin_again(&mut self) {
        self.open = None;
    }

    /// Puts a file with what counts in the place of the one that is there.
    fn begin(&self, now_ms: u64) -> io::Result<(File, usize)> {
        let samples = self.read(now_ms)?;
        let beside = self.path.with_extension("new");
        let file = write_beside(&beside, &samples).and_then(|()| {
            std::fs::rename(&beside, &self.path)?;
            OpenOptions::new().append(true).open(&self.path)
        });
        if file.is_err() {
            // Half a copy on a full disk is in everyone's way. It may not be there at all.
            let _ = std::fs::remove_file(&beside);
        }
        Ok((file?, samples.len()))
    }
}

fn line(sample: &Sample) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(sample)?;
    line.push(b'\n');
    Ok(line)
}

/// Every whole line, in bounded memory whatever the file holds: of a line that is too long each
/// part is one that says nothing.
fn read(path: &Path) -> io::Result<Vec<Sample>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let (mut samples, mut line) = (Vec::new(), Vec::new());
    for _ in 0..4 * LINES_MAX {
        line.clear();
        if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        samples.extend(serde_json::from_slice(&line).ok().filter(|sample: &Sample| sample.ms > 0));
    }
    Ok(samples)
}

fn write_beside(path: &Path, samples: &[Sample]) -> io::Result<()> {
    let mut file = io::BufWriter::new(File::create(path)?);
    for sample in samples {
        file.write_all(&line(sample)?)?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_626_260_400_000;

    fn minute(ago: u64) -> Sample {
        Sample { at_ms: NOW - ago * 60_000, ms: 60_000, ..Sample::default() }
    }

    fn here() -> (tempfile::TempDir, SeriesFile) {
        let directory = tempfile::tempdir().unwrap();
        let file = SeriesFile::at(directory.path().join("series.jsonl"));
        (directory, file)
    }

    #[test]
    fn minutes_come_back_and_what_is_damaged_old_or_from_the_future_is_left_out() {
        let (_directory, mut file) = here();
        assert!(file.read(NOW).unwrap().is_empty());
        for ago in [20_000, 10, 9] {
            file.append(&minute(ago)).unwrap();
        }
        let mut text = std::fs::read(&file.path).unwrap();
        text.extend(b"{\"at_ms\":1\n\xff\xfe\n\n");
        text.extend(line(&Sample { at_ms: NOW + 60_000, ..minute(0) }).unwrap());
        text.extend(line(&minute(8)).unwrap());
        let torn = line(&minute(7)).unwrap();
        text.extend(&torn[..torn.len() / 2]);
        std::fs::write(&file.path, text).unwrap();
        assert_eq!(file.read(NOW).unwrap(), [minute(10), minute(9), minute(8)]);
        // The first minute of the next life is not written behind half a line.
        let mut file = SeriesFile::at(file.path);
        file.append(&minute(1)).unwrap();
        assert_eq!(file.read(NOW).unwrap(), [minute(10), minute(9), minute(8), minute(1)]);
    }

    #[test]
    fn a_minute_that_is_written_twice_counts_once_and_as_it_was_written_last() {
        let (_directory, mut file) = here();
        let later = Sample { ms: 30_000, ..minute(3) };
        for sample in [minute(3), minute(2), later.clone()] {
            file.append(&sample).unwrap();
        }
        assert_eq!(file.read(NOW).unwrap(), [later, minute(2)]);
    }

    #[test]
    fn after_a_clock_that_was_set_back_nothing_from_the_future_is_left() {
        let (_directory, mut file) = here();
        for ago in [90, 5, 4] {
            file.append(&minute(ago)).unwrap();
        }
        file.begin_again();
        file.append(&minute(60)).unwrap();
        assert_eq!(file.read(NOW).unwrap(), [minute(90), minute(60)]);
    }

    #[test]
    fn a_file_without_a_line_is_read_in_bounded_memory() {
        let (_directory, file) = here();
        let mut text = vec![b'['; 3 * LINE_BYTES_MAX as usize];
        text.push(b'\n');
        text.extend(line(&minute(1)).unwrap());
        std::fs::write(&file.path, text).unwrap();
        assert_eq!(file.read(NOW).unwrap(), [minute(1)]);
    }

    #[test]
    fn the_file_never_has_more_than_two_weeks() {
        let (_directory, mut file) = here();
        for at in 0..2 * LINES_MAX as u64 + 10 {
            file.append(&Sample { at_ms: NOW + at * 60_000, ..minute(0) }).unwrap();
        }
        let lines = std::fs::read_to_string(&file.path).unwrap().lines().count();
        assert!((LINES_MAX..LINES_MAX + 20).contains(&lines), "{lines} lines");
    }

    #[test]
    fn after_a_minute_that_could_not_be_written_the_next_one_is_with_all_before_it() {
        let (_directory, mut file) = here();
        file.append(&minute(9)).unwrap();
        file.begin_again();
        // Nothing can be made beside it: a directory is in the way.
        let beside = file.path.with_extension("new");
        std::fs::create_dir(&beside).unwrap();
        assert!(file.append(&minute(8)).is_err());
        assert_eq!(file.read(NOW).unwrap(), [minute(9)], "what was there is there still");
        std::fs::remove_dir(&beside).unwrap();
        file.append(&minute(7)).unwrap();
        assert_eq!(file.read(NOW).unwrap(), [minute(9), minute(7)]);
    }
}
