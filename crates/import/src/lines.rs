//! Reads lines of bounded length, numbered from 1. A line that is too long is skipped, not kept.

use std::io::{self, BufRead};

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Without its end and without a byte order mark.
    Text(&'a str),
    /// Longer than allowed; its bytes are gone.
    TooLong,
    /// Not UTF-8.
    NotUtf8,
}

/// Why reading ended early.
#[derive(Debug)]
pub(super) enum LinesError {
    Io(io::Error),
    /// More bytes than a file may have.
    TooLarge,
}

pub(super) struct Lines<R> {
    reader: R,
    line_bytes_max: usize,
    bytes_left: u64,
    number: u64,
    buffer: Vec<u8>,
    /// The file began with a byte order mark.
    pub had_mark: bool,
    /// Some line ended in CRLF.
    pub had_crlf: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R, line_bytes_max: usize, file_bytes_max: u64) -> Lines<R> {
        let buffer = Vec::new();
        Lines {
            reader,
            line_bytes_max,
            bytes_left: file_bytes_max,
            number: 0,
            buffer,
            had_mark: false,
            had_crlf: false,
        }
    }

    /// The next line and its number; `None` at the end of the file.
    pub fn next_line(&mut self) -> Result<Option<(u64, Line<'_>)>, LinesError> {
        self.buffer.clear();
        let mut too_long = false;
        let mut anything = false;
        loop {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(LinesError::Io(error)),
            };
            if chunk.is_empty() {
                break;
            }
            anything = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let kept = end.unwrap_or(chunk.len());
            // One byte more than the limit is kept, so that a CR before the end is not counted.
            let room = (self.line_bytes_max + 1).saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(&chunk[..kept.min(room)]);
            too_long |= kept > room;
            let used = end.map_or(kept, |end| end + 1);
            let used_bytes = used as u64;
            self.reader.consume(used);
            self.bytes_left = self.bytes_left.checked_sub(used_bytes).ok_or(LinesError::TooLarge)?;
            if end.is_some() {
                break;
            }
        }
        if !anything {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some((self.number, self.judge(too_long))))
    }

    fn judge(&mut self, too_long: bool) -> Line<'_> {
        let mut bytes: &[u8] = &self.buffer;
        if let Some(rest) = bytes.strip_suffix(b"\r").filter(|_| !too_long) {
            self.had_crlf = true;
            bytes = rest;
        }
        if self.number == 1
            && let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf")
        {
            self.had_mark = true;
            bytes = rest;
        }
        if too_long || bytes.len() > self.line_bytes_max {
            return Line::TooLong;
        }
        std::str::from_utf8(bytes).map_or(Line::NotUtf8, Line::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], line_bytes_max: usize, expected: &[&str]) {
        // A reader with a tiny buffer, so that lines span several fills.
        let reader = io::BufReader::with_capacity(3, input);
        let mut lines = Lines::new(reader, line_bytes_max, 1_000);
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next_line().expect("readable") {
            found.push(match line {
                Line::Text(text) => format!("{number} {text}"),
                Line::TooLong => format!("{number} !long"),
                Line::NotUtf8 => format!("{number} !utf8"),
            });
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_are_numbered_and_bounded() {
        check(b"", 5, &[]);
        check(b"one\ntwo", 5, &["1 one", "2 two"]);
        check(b"one\r\n\r\ntwo\r\n", 5, &["1 one", "2 ", "3 two"]);
        check(b"\xef\xbb\xbfone\n\xff\n", 5, &["1 one", "2 !utf8"]);
        check(
            b"12345\n12345\r\n123456\n1234567890123\nok\n",
            5,
            &["1 12345", "2 12345", "3 !long", "4 !long", "5 ok"],
        );
    }

    #[test]
    fn a_file_over_its_limit_ends_the_reading() {
        let mut lines = Lines::new(&b"12345\n12345\n"[..], 5, 8);
        assert!(matches!(lines.next_line(), Ok(Some((1, Line::Text("12345"))))));
        assert!(matches!(lines.next_line(), Err(LinesError::TooLarge)));
    }
}
