//! On what a run was made: the machine, and the commit of the program.
//!
//! Must never fail a run: what cannot be read is "unknown". Start at [`machine`].

use serde::Serialize;
use std::{fs, path::Path, process::Command};

const UNKNOWN: &str = "unknown";

/// The machine of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: u64,
    /// Main memory in bytes; 0 when unknown.
    pub memory_bytes: u64,
    /// The operating system and its release.
    pub os: String,
}

/// Reads the machine from `/proc`.
pub fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let release =
        format!("{} {}", read("/proc/sys/kernel/ostype").trim(), read("/proc/sys/kernel/osrelease").trim());
    let named =
        |text: Option<String>| text.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| UNKNOWN.into());
    Machine {
        cpu: named(field(&read("/proc/cpuinfo"), "model name")),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        memory_bytes: memory_bytes(&read("/proc/meminfo")),
        os: named(Some(release.trim().to_string())),
    }
}

/// The commit of the running program: given at build time as `JARI_COMMIT`, or that of the source
/// tree it was built from, marked when that tree had changes; otherwise "unknown".
pub fn commit() -> String {
    if let Some(commit) = option_env!("JARI_COMMIT") {
        return commit.to_string();
    }
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    match git(tree, &["rev-parse", "HEAD"]) {
        Some(commit) => match git(tree, &["status", "--porcelain", "--untracked-files=no"]) {
            Some(changes) if changes.is_empty() => commit,
            _ => format!("{commit} with changes"),
        },
        None => UNKNOWN.to_string(),
    }
}

/// What git says in the folder `tree`, trimmed; `None` when there is no git, tree or answer.
fn git(tree: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(tree).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}

/// The first `name : value` line of a file in `/proc`.
fn field(text: &str, name: &str) -> Option<String> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string())
}

/// `MemTotal`, which the kernel gives in units of 1,024 bytes.
fn memory_bytes(meminfo: &str) -> u64 {
    let total = field(meminfo, "MemTotal").unwrap_or_default();
    let kibibytes: u64 = total.trim_end_matches("kB").trim().parse().unwrap_or(0);
    kibibytes * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_read_with_their_units() {
        let meminfo = "MemTotal:        8024316 kB\nMemFree:          123 kB\n";
        assert_eq!(memory_bytes(meminfo), 8_024_316 * 1024);
        assert_eq!(memory_bytes(""), 0);
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU: 3 GHz\n";
        assert_eq!(field(cpuinfo, "model name").as_deref(), Some("Some CPU: 3 GHz"));
    }

    #[test]
    fn a_folder_without_a_repository_has_no_commit() {
        assert_eq!(git(Path::new("/"), &["rev-parse", "HEAD"]), None);
        assert!(machine().cores >= 1);
    }
}
