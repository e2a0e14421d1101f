//! Just enough HTTP/1.1 to tell where an answer ends and what it came to. It reads answers
//! of the servers that are measured here and is no client for anything else.

use memchr::memmem;

/// An answer that has arrived in full.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Bytes of the status line and the headers, with the empty line.
    pub head_bytes: usize,
    /// Bytes in all.
    pub bytes: usize,
    /// The server closes the connection after it.
    pub closes: bool,
}

/// What stands at the beginning of a connection's bytes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// An answer in full.
    Whole(Answer),
    /// Not all of one yet.
    Partial,
    /// Nothing that is understood here.
    Unknown,
}

/// Looks at the beginning of `bytes`.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Parsed::Partial };
    let head = &bytes[..end + 2];
    let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let (Some(status), true) = (status, head.starts_with(b"HTTP/1.1 ")) else { return Parsed::Unknown };
    let head_bytes = end + 4;
    let mut body_bytes = None;
    let mut closes = false;
    for line in lines(head).skip(1) {
        // Most headers say nothing about where an answer ends: one look rules them out.
        match line.first() {
            Some(b'c' | b'C') => {
                if let Some(value) = value_of(line, b"content-length:") {
                    body_bytes =
                        std::str::from_utf8(value).ok().and_then(|digits| digits.parse::<usize>().ok());
                } else if let Some(value) = value_of(line, b"connection:") {
                    closes = value.eq_ignore_ascii_case(b"close");
                }
            }
            Some(b't' | b'T') if value_of(line, b"transfer-encoding:").is_some() => {
                return chunked(bytes, status, head_bytes, closes);
            }
            _ => {}
        }
    }
    let body_bytes = if matches!(status, 204 | 304) { Some(0) } else { body_bytes };
    match body_bytes {
        None => Parsed::Unknown,
        Some(body) if bytes.len() < head_bytes + body => Parsed::Partial,
        Some(body) => Parsed::Whole(Answer { status, head_bytes, bytes: head_bytes + body, closes }),
    }
}

fn chunked(bytes: &[u8], status: u16, head_bytes: usize, closes: bool) -> Parsed {
    let mut at = head_bytes;
    loop {
        let Some(line) = bytes.get(at..).and_then(|rest| memmem::find(rest, b"\r\n")) else {
            return Parsed::Partial;
        };
        let digits = std::str::from_utf8(&bytes[at..at + line]).unwrap_or_default();
        let Ok(chunk) = usize::from_str_radix(digits.trim(), 16) else { return Parsed::Unknown };
        at += line + 2 + chunk + 2;
        if bytes.len() < at {
            return Parsed::Partial;
        }
        if chunk == 0 {
            return Parsed::Whole(Answer { status, head_bytes, bytes: at, closes });
        }
    }
}

/// The body of an answer, put together if it came in chunks.
#[must_use]
pub fn body(bytes: &[u8], answer: &Answer) -> Vec<u8> {
    let head = &bytes[..answer.head_bytes];
    if header(head, b"transfer-encoding:").is_none() {
        return bytes[answer.head_bytes..answer.bytes].to_vec();
    }
    let mut whole = Vec::new();
    let mut rest = &bytes[answer.head_bytes..answer.bytes];
    while let Some(line) = memmem::find(rest, b"\r\n") {
        let digits = std::str::from_utf8(&rest[..line]).unwrap_or_default();
        let chunk = usize::from_str_radix(digits.trim(), 16).unwrap_or(0);
        if chunk == 0 {
            break;
        }
        whole.extend_from_slice(&rest[line + 2..line + 2 + chunk]);
        rest = &rest[line + 2 + chunk + 2..];
    }
    whole
}

/// The value of a header, by its name in lower case with the colon.
#[must_use]
pub fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    lines(head).find_map(|line| value_of(line, name))
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\ndate: x\r\n\r\nabcHTTP/1.1 204 No\r\n\r\n";

    #[test]
    fn answers_that_follow_one_another_are_told_apart() {
        let Parsed::Whole(first) = parse(TWO) else { panic!("an answer") };
        assert_eq!((first.status, first.head_bytes, first.closes), (200, 47, false));
        assert_eq!(body(TWO, &first), b"abc");
        let Parsed::Whole(second) = parse(&TWO[first.bytes..]) else { panic!("an answer") };
        assert_eq!((second.status, second.bytes), (204, TWO.len() - first.bytes));
    }

    #[test]
    fn an_answer_is_partial_at_every_byte_but_the_last() {
        let chunks = b"HTTP/1.1 503 Busy\r\nConnection: Close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        for end in 0..chunks.len() {
            assert_eq!(parse(&chunks[..end]), Parsed::Partial, "{end}");
        }
        let Parsed::Whole(answer) = parse(chunks) else { panic!("an answer") };
        assert_eq!((answer.status, answer.closes), (503, true));
        assert_eq!(body(chunks, &answer), b"ab");
        assert_eq!(parse(b"SSH-2.0 hello\r\n\r\n"), Parsed::Unknown);
    }
}
