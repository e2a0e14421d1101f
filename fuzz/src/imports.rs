//! Imports: SMART Scheduling Links and tables. Whatever is read, refused or left out, counts add up
//! and every row that is taken is in range.
//!
//! The first byte says what the rest is. Files are written anew for each input, in a directory of
//! this process.

use std::path::Path;
use std::sync::LazyLock;

use jari_import::{self as import, Import, ImportError, ImportOptions, Limits, Source};

static DIR: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let fast = Path::new("/dev/shm");
    let dir = if fast.is_dir() { tempfile::tempdir_in(fast) } else { tempfile::tempdir() };
    dir.expect("a directory for temporary files")
});

/// Three files of one feed are divided by this.
const DIVIDER: &[u8] = b"\n====\n";
const NAMES: [&str; 3] = ["locations.ndjson", "schedules.ndjson", "slots.ndjson"];
const MANIFEST: &str = r#"{"transactionTime":"2021-07-14T00:00:00Z","request":"https://example.org/$bulk-publish",
"output":[{"type":"Location","url":"locations.ndjson"},{"type":"Schedule","url":"schedules.ndjson"},
{"type":"Slot","url":"slots.ndjson"}]}"#;

pub fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let dir = DIR.path();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes).expect("room for a file");
    let entry = match first {
        b'c' => {
            write("table.csv", rest);
            "table.csv"
        }
        b'm' => {
            write("manifest.json", rest);
            "manifest.json"
        }
        _ => {
            let mut parts = split(rest);
            for name in NAMES {
                write(name, parts.next().unwrap_or_default());
            }
            write("feed.json", MANIFEST.as_bytes());
            "feed.json"
        }
    };
    let source = Source::Path(dir.join(entry));
    let limits =
        Limits { line_bytes_max: 4_096, slots_max: 1_000, problems_listed_max: 20, ..Limits::default() };
    let strict = ImportOptions { limits: limits.clone(), no_proxy: true, ..ImportOptions::default() };
    let lenient = ImportOptions { skip_bad: true, ..strict.clone() };
    let loose = import::read(&source, &lenient);
    match (import::read(&source, &strict), &loose) {
        (Ok(strict), Ok(loose)) => {
            assert_eq!(strict.slots, loose.slots, "what is well reads the same either way");
            assert_eq!(strict.report.problem_count, 0);
        }
        (Err(ImportError::Refused(report)), Ok(loose)) => {
            assert!(report.problem_count > 0);
            assert_eq!(report.problem_count, loose.report.problem_count);
        }
        (Err(_), Err(_)) => {}
        (strict, loose) => panic!("{:?} and {:?}", strict.map(|_| ()), loose.as_ref().map(|_| ())),
    }
    if let Ok(import) = loose {
        judge(&import, limits.capacity_max);
    }
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let all = rest?;
        let at = all.windows(DIVIDER.len()).position(|window| window == DIVIDER);
        rest = at.map(|at| &all[at + DIVIDER.len()..]);
        Some(&all[..at.unwrap_or(all.len())])
    })
}

fn judge(import: &Import, capacity_max: u32) {
    for slot in &import.slots {
        assert!(slot.clinic < import.clinics.len(), "a slot's clinic is there");
        assert!(slot.starts_at_ms < slot.ends_at_ms, "a slot ends after it starts");
        assert!((1..=capacity_max).contains(&slot.capacity), "capacity {}", slot.capacity);
        assert!(slot.dose != Some(0));
    }
    for clinic in &import.clinics {
        assert!(!clinic.source_id.is_empty() && !clinic.name.is_empty());
        assert_eq!(clinic.latitude_e6.is_some(), clinic.longitude_e6.is_some());
        assert!(clinic.latitude_e6.is_none_or(|degrees| (-90_000_000..=90_000_000).contains(&degrees)));
        assert!(clinic.longitude_e6.is_none_or(|degrees| (-180_000_000..=180_000_000).contains(&degrees)));
    }
    // The report in both its forms.
    assert!(!import.report.to_string().is_empty());
    assert!(import.report.to_json().is_object());
}
