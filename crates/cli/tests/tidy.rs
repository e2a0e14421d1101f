//! Guards the style of the tree: short files, short functions, a word at the top of
//! each module, no tests that sleep or are skipped.

use std::fs;
use std::path::{Path, PathBuf};

const LINES_PER_FILE_MAX: usize = 500;
const LINES_PER_FUNCTION_MAX: usize = 70;

/// What may not be written anywhere, and why.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("#[", "ignore"), "a test that does not run proves nothing"),
    (concat!("#[", "should_panic"), "assert the error instead"),
    (concat!("thread::", "sleep("), "wait for an event, not for time"),
    (concat!("to", "do!("), "finish it, or leave it out"),
    (concat!("unimpl", "emented!("), "finish it, or leave it out"),
    (concat!("db", "g!("), "a leftover of debugging"),
];

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).expect("a source file is readable");
        let lines = text.lines().count();
        if lines > LINES_PER_FILE_MAX {
            faults.push(format!("{}: {lines} lines, {LINES_PER_FILE_MAX} at most", file.display()));
        }
        if !text.starts_with("//!") && !text.starts_with("#!") {
            faults.push(format!("{}: does not open with //! documentation", file.display()));
        }
        for (word, why) in FORBIDDEN {
            for (number, line) in text.lines().enumerate() {
                if line.contains(word) && !line.contains("concat!") {
                    faults.push(format!("{}:{}: {word} ({why})", file.display(), number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn functions_are_short() {
    let mut faults = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(&file).expect("a source file is readable");
        for (line, name, length) in functions(&text) {
            if length > LINES_PER_FUNCTION_MAX {
                faults.push(format!("{}:{line}: {name} has {length} lines", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The functions of a formatted source: line, name, length. It rests on the formatter: a
/// function ends with the first line that is its own indentation and a brace.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indentation = &line[..line.len() - code.len()];
        let declared = code.split("fn ").next().is_some_and(|before| {
            code.contains("fn ")
                && before.split_whitespace().all(|word| {
                    word.starts_with("pub")
                        || matches!(word, "async" | "const" | "unsafe" | "extern" | "crate)")
                })
        });
        if !declared {
            continue;
        }
        let end = format!("{indentation}}}");
        let length = lines[start..].iter().position(|line| **line == end).map_or(1, |at| at + 1);
        let name = code.split("fn ").nth(1).unwrap_or_default();
        let name = name.split(['(', '<']).next().unwrap_or_default().to_owned();
        found.push((start + 1, name, length));
    }
    found
}

fn sources() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in crates/");
    let mut files = Vec::new();
    gather(crates, &mut files);
    assert!(files.len() > 40, "the sources are found");
    files
}

fn gather(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory is listed") {
        let path = entry.expect("an entry is read").path();
        if path.is_dir() {
            if !path.ends_with("target") && !path.ends_with("fixtures") {
                gather(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
