//! Fuzzing of everything that reads bytes from outside: one program, many targets.
//!
//! `JARI_FUZZ_TARGET` names the target; the rest of the command line is libFuzzer's. One program,
//! because building ten would take ten times as long. A target must never keep anything between two
//! inputs but what is said at its top, and must never accept silently what it did not understand:
//! each checks a property besides not panicking. `scripts/fuzz` builds and runs all of them;
//! `docs/reliability.md` says what each has found.
//!
//! Start at [`Target`].

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

mod configuration;
mod imports;
mod journal;
mod keys;
mod machine;
mod records;
mod site;
mod snapshots;
mod tokens;

#[path = "../../crates/cli/src/config.rs"]
#[allow(dead_code, reason = "only its reading is fuzzed")]
mod config;

/// What is fuzzed: its name, and what an input goes through.
struct Target {
    name: &'static str,
    run: fn(&[u8]),
}

const TARGETS: &[Target] = &[
    Target { name: "records", run: records::run },
    Target { name: "snapshots", run: snapshots::run },
    Target { name: "tokens", run: tokens::run },
    Target { name: "keys", run: keys::run },
    Target { name: "journal", run: journal::run },
    Target { name: "imports", run: imports::run },
    Target { name: "configuration", run: configuration::run },
    Target { name: "machine", run: machine::run },
    Target { name: "site", run: site::run },
];

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("JARI_FUZZ_TARGET").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("JARI_FUZZ_TARGET names the target, one of {}", names.join(", "));
        std::process::exit(2);
    })
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));

/// Takes an input apart, from its front. Past its end everything is zero, so that a short input is
/// a whole one.
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    /// The parts of an input.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// So many bytes, or what is left.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (front, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        front
    }

    /// A number of `N` bytes, little-endian.
    pub fn number<const N: usize>(&mut self) -> u64 {
        self.take(N).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
