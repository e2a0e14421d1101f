//! Feeds and tables on disk: what is read from good ones, and each defect with its file and line.

use std::fs;
use std::path::{Path, PathBuf};

use jari_import::{self as import, Code, Import, ImportError, ImportOptions, ImportReport, Limits, Source};

fn fixture(name: &str) -> Source {
    Source::Path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name))
}

fn skip_bad() -> ImportOptions {
    ImportOptions { skip_bad: true, ..ImportOptions::default() }
}

fn read(name: &str) -> Import {
    import::read(&fixture(name), &skip_bad()).expect("readable")
}

/// Places of a code's problems, as `file:line`.
fn places(report: &ImportReport, code: Code) -> Vec<String> {
    let found = report.problems.iter().filter(|problem| problem.code == code);
    found.map(|problem| format!("{}:{}", problem.file, problem.line)).collect()
}

/// One defect of the fixture `feed-bad`.
fn check_feed(code: Code, expected: &[&str]) {
    let report = read("feed-bad").report;
    assert_eq!(places(&report, code), expected, "{report}");
}

/// One defect of the fixture `table-bad.csv`.
fn check_table(code: Code, lines: &[u64]) {
    let report = read("table-bad.csv").report;
    let expected: Vec<String> = lines.iter().map(|line| format!("table-bad.csv:{line}")).collect();
    assert_eq!(places(&report, code), expected, "{report}");
}

/// Writes a feed of one clinic and one schedule, with the slots given, into a new directory.
fn feed_with(slots: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let location = r#"{"resourceType":"Location","id":"l","name":"n","address":{"line":["1"],"city":"c","state":"Ontario","postalCode":"02114"}}"#;
    let schedule = r#"{"resourceType":"Schedule","id":"s","actor":[{"reference":"Location/l"}]}"#;
    fs::write(dir.path().join("locations.ndjson"), location).expect("written");
    fs::write(dir.path().join("schedules.ndjson"), schedule).expect("written");
    fs::write(dir.path().join("slots.ndjson"), slots).expect("written");
    dir
}

fn slot(id: &str, start: &str, end: &str) -> String {
    format!(
        r#"{{"resourceType":"Slot","id":"{id}","schedule":{{"reference":"Schedule/s"}},"status":"free","start":"{start}","end":"{end}"}}"#
    )
}

fn read_dir(dir: &tempfile::TempDir, options: &ImportOptions) -> Result<Import, ImportError> {
    import::read(&Source::Path(dir.path().to_owned()), options)
}

#[test]
fn a_good_feed_is_read_whole() {
    let import = import::read(&fixture("feed-good"), &ImportOptions::default()).expect("all well");
    assert_eq!(import.clinics.len(), 2);
    let jongno = &import.clinics[0];
    assert_eq!(jongno.source_id, "jongno-1");
    assert_eq!(jongno.name, "[가상] 종로구 1의원");
    assert_eq!(jongno.address, "1 Example Road, 종로구");
    assert_eq!((&*jongno.region, &*jongno.district), ("서울특별시", "종로구"));
    assert_eq!((&*jongno.postcode, &*jongno.telephone), ("03045", "000-0000-0000"));
    assert_eq!((jongno.latitude_e6, jongno.longitude_e6), (Some(37_594_917), Some(126_977_324)));
    let boston = &import.clinics[1];
    assert_eq!((&*boston.district, boston.latitude_e6), ("Suffolk", None));

    let slots: Vec<_> = import
        .slots
        .iter()
        .map(|slot| (&*slot.source_id, slot.clinic, slot.starts_at_ms, slot.ends_at_ms))
        .collect();
    assert_eq!(
        slots,
        [
            ("s1", 0, 1_626_260_400_000, 1_626_262_200_000),
            ("s2", 0, 1_626_262_200_000, 1_626_264_000_000),
            ("s4", 1, 1_626_267_600_000, 1_626_268_800_000),
            ("s6", 1, 1_639_490_400_000, 1_639_491_600_000),
        ]
    );
    let capacities: Vec<u32> = import.slots.iter().map(|slot| slot.capacity).collect();
    // s5 equals s4 and neither states a capacity: two places.
    assert_eq!(capacities, [6, 1, 2, 1]);
    assert_eq!(import.slots[0].vaccine.as_deref(), Some("Moderna COVID-19 Vaccine"));
    assert_eq!(import.slots[0].dose, Some(1));
    assert_eq!((import.slots[2].vaccine.as_deref(), import.slots[2].dose), (None, None));

    let report = import.report;
    assert_eq!((report.files, report.slots_busy, report.places), (3, 1, 10));
    assert_eq!((report.offsets_unchecked, report.problem_count), (0, 0));
}

#[test]
fn a_manifest_file_may_be_named_itself() {
    let import = import::read(&fixture("feed-good/$bulk-publish"), &ImportOptions::default());
    assert_eq!(import.expect("all well").slots.len(), 4);
}

#[test]
fn a_directory_without_a_manifest_goes_by_file_names() {
    let import = read("feed-unlisted");
    assert_eq!((import.clinics.len(), import.slots.len()), (1, 1));
    assert_eq!(places(&import.report, Code::UnknownFile), ["readme.ndjson:1"]);
}

#[test]
fn one_bad_row_refuses_everything() {
    for name in ["feed-bad", "table-bad.csv"] {
        match import::read(&fixture(name), &ImportOptions::default()) {
            Err(ImportError::Refused(report)) => {
                assert_eq!(*report, read(name).report, "the same report either way");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn skip_bad_imports_what_is_well_and_counts_the_rest() {
    let import = read("feed-bad");
    let ids = |ids: Vec<&String>| ids.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(ids(import.clinics.iter().map(|clinic| &clinic.source_id).collect()), ["good"]);
    assert_eq!(import.clinics[0].name, "[made up] Good", "the first of a repeated id counts");
    assert_eq!(ids(import.slots.iter().map(|slot| &slot.source_id).collect()), ["a1", "a15"]);
    let report = import.report;
    // Four of the manifest's entries, and all but one clinic, one schedule and two slots.
    assert_eq!(report.rows_left_out, 4 + 9 + 5 + 14, "{report}");
    // Slot a5 has two wrong offsets.
    assert_eq!(report.problem_count, report.rows_left_out + 1, "{report}");
    assert_eq!(report.problem_count_by_code.values().sum::<u64>(), report.problem_count);
}

#[test]
fn repeated_ids_are_found() {
    check_feed(Code::RepeatedId, &["locations.ndjson:2", "schedules.ndjson:2", "slots.ndjson:2"]);
}

#[test]
fn postcodes_without_their_zero_are_found() {
    check_feed(Code::ShortPostcode, &["locations.ndjson:3"]);
}

#[test]
fn postcodes_that_are_none_are_found() {
    check_feed(Code::BadPostcode, &["locations.ndjson:4"]);
}

#[test]
fn fields_of_the_wrong_type_are_found() {
    check_feed(Code::BadField, &["locations.ndjson:5"]);
}

#[test]
fn missing_fields_are_found() {
    check_feed(Code::MissingField, &["locations.ndjson:6", "schedules.ndjson:6", "slots.ndjson:15"]);
}

#[test]
fn positions_off_the_earth_are_found() {
    check_feed(Code::BadPosition, &["locations.ndjson:7"]);
}

#[test]
fn rows_of_another_type_are_found() {
    check_feed(Code::WrongResourceType, &["locations.ndjson:8"]);
}

#[test]
fn lines_that_are_not_json_objects_are_found() {
    check_feed(Code::MalformedJson, &["locations.ndjson:9", "locations.ndjson:10"]);
}

#[test]
fn dangling_references_are_found() {
    check_feed(Code::DanglingReference, &["schedules.ndjson:3", "slots.ndjson:11"]);
}

#[test]
fn rows_that_refer_to_a_row_left_out_are_found() {
    check_feed(Code::ParentLeftOut, &["schedules.ndjson:4", "slots.ndjson:12"]);
}

#[test]
fn doses_of_zero_are_found() {
    check_feed(Code::BadDose, &["schedules.ndjson:5"]);
}

#[test]
fn slots_that_state_the_same_time_twice_are_found() {
    check_feed(Code::DuplicateSlot, &["slots.ndjson:3"]);
}

#[test]
fn instants_that_do_not_exist_or_lack_an_offset_are_found() {
    check_feed(Code::BadInstant, &["slots.ndjson:4", "slots.ndjson:5"]);
}

#[test]
fn offsets_of_the_other_season_are_found() {
    check_feed(Code::WrongOffset, &["slots.ndjson:6", "slots.ndjson:6"]);
}

#[test]
fn slots_that_end_before_they_start_are_found() {
    check_feed(Code::EndBeforeStart, &["slots.ndjson:7"]);
}

#[test]
fn capacities_of_zero_are_found() {
    check_feed(Code::ZeroCapacity, &["slots.ndjson:8"]);
}

#[test]
fn capacities_that_are_no_number_are_found() {
    check_feed(Code::BadCapacity, &["slots.ndjson:9", "slots.ndjson:10"]);
}

#[test]
fn unknown_statuses_are_found() {
    check_feed(Code::BadStatus, &["slots.ndjson:13", "slots.ndjson:14"]);
}

#[test]
fn links_out_of_the_directory_are_found() {
    check_feed(Code::ForbiddenLink, &["$bulk-publish:19", "$bulk-publish:23", "$bulk-publish:27"]);
}

#[test]
fn entries_without_a_link_are_found_and_other_types_noted() {
    check_feed(Code::UnknownFile, &["$bulk-publish:1"]);
    let notes = read("feed-bad").report.notes;
    assert!(notes.iter().any(|note| note.contains("PractitionerRole")), "{notes:?}");
}

#[cfg(unix)]
#[test]
fn symbolic_links_out_of_the_directory_are_found() {
    let outside = tempfile::NamedTempFile::new().expect("a file");
    let dir = feed_with(b"");
    fs::remove_file(dir.path().join("slots.ndjson")).expect("removed");
    std::os::unix::fs::symlink(outside.path(), dir.path().join("slots.ndjson")).expect("linked");
    let report = read_dir(&dir, &skip_bad()).expect("readable").report;
    assert_eq!(places(&report, Code::ForbiddenLink), ["slots.ndjson:1"]);
}

#[test]
fn oversize_lines_are_found_and_the_next_line_is_read() {
    let mut slots = format!("{{\"x\":\"{}\"}}\n", "x".repeat(1 << 20));
    slots += &slot("a", "2021-07-14T09:00:00Z", "2021-07-14T09:20:00Z");
    let import = read_dir(&feed_with(slots.as_bytes()), &skip_bad()).expect("readable");
    assert_eq!(places(&import.report, Code::LineTooLong), ["slots.ndjson:1"]);
    assert_eq!(import.slots.len(), 1);
}

#[test]
fn lines_that_are_not_utf8_are_found() {
    let report = read_dir(&feed_with(b"{}\xff\n"), &skip_bad()).expect("readable").report;
    assert_eq!(places(&report, Code::NotUtf8), ["slots.ndjson:1"]);
}

#[test]
fn a_byte_order_mark_and_crlf_do_no_harm_and_are_noted() {
    let first = slot("a", "2021-07-14T09:00:00Z", "2021-07-14T09:20:00Z");
    let second = slot("b", "2021-07-14T10:00:00Z", "2021-07-14T10:20:00Z");
    let dir = feed_with(format!("\u{feff}{first}\r\n\r\n{second}\r\n").as_bytes());
    let import = read_dir(&dir, &ImportOptions::default()).expect("all well");
    assert_eq!(import.slots.len(), 2);
    assert_eq!(import.report.notes.len(), 2, "{:?}", import.report.notes);
}

#[test]
fn a_named_zone_decides_where_the_region_does_not() {
    let slots = slot("a", "2021-07-14T09:00:00-05:00", "2021-07-14T09:20:00-05:00");
    let dir = feed_with(slots.as_bytes());
    let unchecked = read_dir(&dir, &skip_bad()).expect("readable");
    assert_eq!((unchecked.slots.len(), unchecked.report.offsets_unchecked), (1, 1));

    let zone = jiff::tz::TimeZone::get("America/Toronto").expect("zone data is installed");
    let options = ImportOptions { zone: Some(zone), ..skip_bad() };
    let report = read_dir(&dir, &options).expect("readable").report;
    assert_eq!(places(&report, Code::WrongOffset), ["slots.ndjson:1", "slots.ndjson:1"]);
    assert_eq!(report.offsets_unchecked, 0);
}

#[test]
fn limits_end_the_import_even_with_skip_bad() {
    let slots = [
        slot("a", "2021-07-14T09:00:00Z", "2021-07-14T09:20:00Z"),
        slot("b", "2021-07-14T10:00:00Z", "2021-07-14T10:20:00Z"),
    ];
    let dir = feed_with(slots.join("\n").as_bytes());
    for (limits, expected) in [
        (Limits { slots_max: 1, ..Limits::default() }, "slots"),
        (Limits { clinics_max: 0, ..Limits::default() }, "clinics"),
        (Limits { schedules_max: 0, ..Limits::default() }, "schedules"),
        (Limits { files_max: 2, ..Limits::default() }, "files"),
        (Limits { file_bytes_max: 100, ..Limits::default() }, "bytes"),
    ] {
        match read_dir(&dir, &ImportOptions { limits, ..skip_bad() }) {
            Err(ImportError::TooLarge { what, .. }) => assert_eq!(what, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn problems_beyond_the_listed_are_counted() {
    let limits = Limits { problems_listed_max: 3, ..Limits::default() };
    let few = import::read(&fixture("feed-bad"), &ImportOptions { limits, ..skip_bad() });
    let (few, all) = (few.expect("readable").report, read("feed-bad").report);
    assert_eq!(few.problems.len(), 3);
    assert_eq!(few.problem_count_by_code, all.problem_count_by_code);
    assert_eq!(few.problems_not_listed(), all.problem_count - 3);
}

#[test]
fn the_report_prints_as_text_and_json() {
    let report = read("feed-bad").report;
    let text = report.to_string();
    let line = "slots.ndjson:8: zero_capacity: capacity is 0. \
                Give the number of places, or leave the slot out.";
    assert!(text.lines().any(|found| found == line), "{text}");
    let line = "slots.ndjson:6: wrong_offset: start \"2021-07-14T11:00:00-05:00\" has offset -05:00, \
                but America/New_York is at -04:00. Write the offset the clinic's clocks have on \
                that day, or UTC (Z).";
    assert!(text.lines().any(|found| found == line), "{text}");
    let json = report.to_json();
    let problems = json["problems"].as_array().expect("a list");
    let zero = problems.iter().find(|problem| problem["code"] == "zero_capacity").expect("there");
    assert_eq!((&zero["file"], &zero["line"]), (&"slots.ndjson".into(), &8.into()));
    assert_eq!(json["rows_left_out"], report.rows_left_out);
    assert_eq!(json["problem_count_by_code"]["wrong_offset"], 2);
}

#[test]
fn sources_that_are_no_feed_are_unreadable() {
    let dir = tempfile::tempdir().expect("a directory");
    let broken = dir.path().join("broken.json");
    fs::write(&broken, "not json").expect("written");
    let paths: [PathBuf; 3] = [dir.path().join("absent"), dir.path().to_owned(), broken];
    for path in paths {
        let found = import::read(&Source::Path(path), &skip_bad());
        assert!(matches!(found, Err(ImportError::Unreadable { .. })), "{found:?}");
    }
}

#[test]
fn a_listed_file_that_is_absent_ends_the_import_even_with_skip_bad() {
    let dir = feed_with(b"");
    let manifest = r#"{"output":[{"type":"Slot","url":"gone.ndjson"}]}"#;
    fs::write(dir.path().join("$bulk-publish"), manifest).expect("written");
    let found = read_dir(&dir, &skip_bad());
    assert!(matches!(found, Err(ImportError::Unreadable { .. })), "{found:?}");
}

#[test]
fn what_is_outside_the_directory_is_not_even_looked_for() {
    let dir = feed_with(b"");
    let manifest = r#"{"output":[{"type":"Slot","url":"../gone"},{"type":"Slot","url":"/gone"}]}"#;
    fs::write(dir.path().join("$bulk-publish"), manifest).expect("written");
    let report = read_dir(&dir, &skip_bad()).expect("readable").report;
    assert_eq!(places(&report, Code::ForbiddenLink), ["$bulk-publish:1", "$bulk-publish:1"]);
}

#[test]
fn a_good_table_is_read_whole() {
    let import = import::read(&fixture("table-good.csv"), &ImportOptions::default());
    let import = import.expect("all well");
    assert_eq!(import.clinics.len(), 2);
    let jongno = &import.clinics[0];
    assert_eq!(jongno.name, "[가상] 종로구 \"1\"의원");
    assert_eq!((&*jongno.address, &*jongno.postcode), ("1 예시로, 종로구", "03045"));
    assert_eq!(jongno.latitude_e6, Some(37_594_917));
    let slots: Vec<_> = import
        .slots
        .iter()
        .map(|slot| (&*slot.source_id, slot.capacity, slot.vaccine.as_deref(), slot.dose))
        .collect();
    // Equal times with another vaccine are another slot.
    assert_eq!(
        slots,
        [("t1", 6, Some("Moderna"), Some(1)), ("t2", 4, Some("Pfizer"), Some(1)), ("", 6, None, None),]
    );
    assert_eq!(import.slots[0].starts_at_ms, 1_626_220_800_000);
}

#[test]
fn each_defect_of_a_table_is_found_on_its_line() {
    check_table(Code::UnknownColumn, &[1]);
    check_table(Code::RepeatedId, &[3]);
    check_table(Code::DuplicateSlot, &[4]);
    check_table(Code::ZeroCapacity, &[5]);
    check_table(Code::BadCapacity, &[6]);
    check_table(Code::WrongOffset, &[7]);
    check_table(Code::MalformedRow, &[8, 9, 16]);
    check_table(Code::ClinicDiffers, &[10]);
    check_table(Code::ShortPostcode, &[11]);
    check_table(Code::ParentLeftOut, &[12]);
    check_table(Code::BadDose, &[13]);
    check_table(Code::BadInstant, &[14]);
    let import = read("table-bad.csv");
    assert_eq!(import.report.rows_left_out, 14, "{}", import.report);
    let ids: Vec<_> = import.slots.iter().map(|slot| &*slot.source_id).collect();
    assert_eq!(ids, ["t1", "t12"]);
}

#[test]
fn a_table_without_a_needed_column_is_named_once() {
    let import = read("table-headless.csv");
    assert_eq!(places(&import.report, Code::MissingColumn), ["table-headless.csv:1"]);
    assert_eq!((import.report.problem_count, import.clinics.len()), (1, 0));
}
