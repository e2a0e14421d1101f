//! Which crate may use which. A forbidden edge would let I/O into decisions, or let the
//! drills judge by the code they are meant to judge.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each crate and the crates of ours that it may use, also in tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("jari-core", &[]),
    ("jari-import", &["jari-core"]),
    ("jari-journal", &[]),
    ("jari-messenger", &[]),
    ("jari-wire", &["jari-core"]),
    ("jari-node", &["jari-core", "jari-journal", "jari-wire"]),
    ("jari-web", &["jari-core", "jari-import", "jari-messenger", "jari-node", "jari-wire"]),
    ("jari-drill", &["jari-core", "jari-journal", "jari-node", "jari-wire"]),
    (
        "jari-cli",
        &[
            "jari-core",
            "jari-drill",
            "jari-import",
            "jari-journal",
            "jari-messenger",
            "jari-node",
            "jari-web",
            "jari-wire",
        ],
    ),
    // A tool of the workshop: it measures all of them, and none may use it.
    ("jari-bench", &["jari-core", "jari-journal", "jari-node", "jari-web", "jari-wire"]),
];

/// Edges that tests alone may have: a test of the web stands on a journal in memory.
const ALLOWED_IN_TESTS: &[(&str, &str)] = &[("jari-web", "jari-journal")];

#[test]
fn no_crate_uses_one_that_it_must_not_know() {
    let mut wrong = BTreeSet::new();
    for (package, uses) in metadata() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package) else {
            panic!("{package} is not in the list of crates: say what it may use");
        };
        for (used, kind) in uses {
            let in_tests = kind == "dev" && ALLOWED_IN_TESTS.contains(&(package.as_str(), used.as_str()));
            if !allowed.contains(&used.as_str()) && !in_tests {
                wrong.insert(format!("{package} -> {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden dependencies: {wrong:?}");
}

#[test]
fn decisions_know_no_clock_no_disk_and_no_network() {
    let tree = run(&["tree", "-p", "jari-core", "-e", "normal", "--prefix", "none", "--offline", "--locked"]);
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for forbidden in ["tokio", "rand", "getrandom", "serde", "jiff", "std"] {
        assert!(!names.contains(forbidden), "jari-core must not use {forbidden}");
    }
}

/// Each package of the workspace with its own dependencies and their kinds.
fn metadata() -> BTreeMap<String, Vec<(String, String)>> {
    let json = run(&["metadata", "--no-deps", "--format-version", "1", "--offline", "--locked"]);
    let metadata: serde_json::Value = serde_json::from_str(&json).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    assert!(packages.len() >= ALLOWED.len(), "every crate of the list exists");
    let uses_of = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().expect("there are dependencies");
        let ours = dependencies.iter().filter(|one| one["path"].is_string());
        ours.map(|one| {
            let name = one["name"].as_str().expect("a dependency has a name").to_owned();
            (name, one["kind"].as_str().unwrap_or("normal").to_owned())
        })
        .collect()
    };
    let name_of = |package: &serde_json::Value| package["name"].as_str().expect("a name").to_owned();
    packages.iter().map(|package| (name_of(package), uses_of(package))).collect()
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}
