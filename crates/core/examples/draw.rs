//! Prints the position of each `seed index_count index` line on standard input, with the
//! seed in hexadecimal: how `scripts/check-draw` compares the draw with other people's.

use std::io::{self, BufWriter, Write};

use jari_core::waiting_room::draw::shuffled_index;

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lines() {
        let line = line?;
        match position(&line) {
            Some(position) => writeln!(out, "{position}")?,
            None => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("not a case: {line}"))),
        }
    }
    out.flush()
}

fn position(line: &str) -> Option<u32> {
    let mut words = line.split_whitespace();
    let hex = words.next().filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut seed = [0; 32];
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    let count = words.next()?.parse().ok()?;
    let index = words.next()?.parse().ok().filter(|index| *index < count)?;
    Some(shuffled_index(index, count, &seed))
}
