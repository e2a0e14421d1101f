//! Rules that all pages keep: every message in both languages, weight, polls.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use askama::Template;
use flate2::Compression;
use fluent_bundle::FluentResource;
use jari_core::{Reason, Time};

use super::assets::ASSETS;
use super::frame::Frame;
use super::words::{ENGLISH, KOREAN, Words};
use super::{respond, views};
use crate::language::Language;
use crate::poll;

const LANGUAGES: [Language; 2] = [Language::Korean, Language::English];

fn keys(source: &str) -> BTreeSet<String> {
    assert!(FluentResource::try_new(source.to_owned()).is_ok(), "the messages can be read");
    let lines = source.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()));
    let keys: Vec<String> = lines.filter_map(|line| Some(line.split_once(" =")?.0.to_owned())).collect();
    let unique: BTreeSet<String> = keys.iter().cloned().collect();
    assert_eq!(keys.len(), unique.len(), "no message is given twice");
    unique
}

/// All templates and the Rust files of the pages, joined.
fn sources() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut joined = String::new();
    let mut folders = vec![root.join("templates"), root.join("src/pages")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "tests.rs") {
                joined.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    joined
}

#[test]
fn both_languages_have_the_same_messages() {
    assert_eq!(keys(KOREAN), keys(ENGLISH));
}

#[test]
fn every_message_that_is_asked_for_exists_and_every_other_is_used() {
    let (known, sources) = (keys(KOREAN), sources());
    let mut asked = 0;
    for call in [".t(\"", ".n(\"", ".s(\"", ".np(\"", ".marked(\""] {
        for rest in sources.split(call).skip(1) {
            let key = rest.split('"').next().unwrap();
            assert!(known.contains(key), "no message {key}");
            asked += 1;
        }
    }
    assert!(asked > 100, "the search finds what templates ask for");
    let composed = ["problem-", "event-", "message-", "audit-"];
    for key in known.iter().filter(|key| !composed.iter().any(|prefix| key.starts_with(prefix))) {
        assert!(sources.contains(&format!("\"{key}\"")), "nobody uses {key}");
    }
}

#[test]
fn every_refusal_has_its_own_sentence() {
    let known = keys(KOREAN);
    for reason in Reason::ALL {
        assert!(known.contains(&format!("problem-{}", reason.code())), "{reason:?} is told in no language");
    }
}

#[test]
fn every_public_event_has_its_own_words() {
    let known = keys(KOREAN);
    let source = include_str!("../actions/waiting/views.rs");
    let arms = source.lines().filter(|line| line.trim_start().starts_with("EventKind::"));
    let kinds: Vec<&str> = arms.filter_map(|line| line.split('"').nth(1)).collect();
    assert!(kinds.len() >= 19, "the search finds the kinds of events: {kinds:?}");
    for kind in kinds {
        assert!(known.contains(&format!("event-{kind}")), "{kind} is told in no language");
    }
}

#[test]
fn messages_take_numbers_and_texts() {
    let korean = Words::new(Language::Korean, 540);
    let english = Words::new(Language::English, 540);
    assert_eq!(english.n("free-places", 1_u64), "1 place is free");
    assert_eq!(english.n("free-places", 155_000_u64), "155,000 places are free");
    assert_eq!(korean.n("free-places", 155_000_u64), "남은 자리 155,000개");
    assert_eq!(korean.s("paused-reason", "<서버> 점검"), "잠시 멈췄습니다. 이유: <서버> 점검");
    assert_eq!(korean.t("no-such-key"), "no-such-key");
}

#[test]
fn times_are_the_place_s_and_say_so() {
    // 2021-07-14T11:00:05Z: the evening the booking reopened.
    let at = Time(1_626_260_405_000);
    let korean = Words::new(Language::Korean, 540);
    let english = Words::new(Language::English, 540);
    assert!(korean.when(at).starts_with("7월 14일(수) 오후 8:00 "));
    assert!(english.when(at).starts_with("Wed 14 July 20:00 "));
    assert_eq!(korean.clock_exact(at), "오후 8:00:05");
    assert_eq!(english.parse_input_time("2021-07-14T20:00"), Some(Time(1_626_260_400_000)));
    assert_eq!(english.parse_input_time("14.7.2021"), None);
    assert_eq!(Words::new(Language::English, 0).clock(at), "11:00");
}

#[test]
fn a_wait_is_told_as_an_honest_range() {
    let english = Words::new(Language::English, 540);
    let korean = Words::new(Language::Korean, 540);
    assert_eq!(english.range(0, (100, 200)), "about a minute");
    assert_eq!(english.range(1_000, (0, 0)), "not known yet");
    assert_eq!(english.range(1_000, (100, 100)), "10 min");
    assert_eq!(korean.range(1_000, (100, 200)), "5분 ~ 10분");
    // The wait that the report of 14 July 2021 names, give or take a tenth.
    assert_eq!(korean.range(155_000, (650, 800)), "3시간 15분 ~ 4시간");
}

#[test]
fn the_end_of_a_wait_is_told_as_a_time_of_the_place() {
    // 2021-07-14T11:00:05Z.
    let now = Time(1_626_260_405_000);
    let english = Words::new(Language::English, 540);
    let korean = Words::new(Language::Korean, 540);
    assert!(english.range_at(now, 1_000, (100, 200)).starts_with("20:05 to 20:10 "));
    assert!(korean.range_at(now, 1_000, (100, 200)).starts_with("오후 8:05 ~ 오후 8:10 "));
    // Past midnight, and to five minutes.
    assert!(english.range_at(now, 155_000, (600, 600)).starts_with("00:20 "));
    assert_eq!(english.range_at(now, 0, (100, 200)), "");
    assert_eq!(english.range_at(now, 1_000, (0, 200)), "");
    // A day or more: a time of day would be of which day?
    assert_ne!(english.range_at(now, 1_434, (1, 1)), "");
    assert_eq!(english.range_at(now, 1_440, (1, 1)), "");
}

#[test]
fn the_browser_s_rule_for_polls_is_the_service_s() {
    let script = include_str!("../../assets/wait.js");
    assert!(script.contains("Math.min(Math.max(wait / 3, 2e3), 6e5) * (0.8 + 0.4 * jitter)"));
    assert_eq!(poll::INTERVAL_MS_MIN, 2_000);
    assert_eq!(poll::INTERVAL_MS_MAX, 600_000);
    assert_eq!(poll::interval_ms(60_000, 0.0), 16_000);
    assert_eq!(poll::interval_ms(60_000, 1.0), 24_000);
}

/// The waiting page of someone with 155,000 people ahead, in the 14 July 2021 evening.
fn waiting_page(language: Language) -> String {
    let words = Words::new(language, 540);
    let now = 1_626_265_200_000;
    let document = format!(
        "{{\"t\":{now},\"s\":\"open\",\"n\":812345,\"l\":798012,\"d\":1,\"c\":243012,\"p\":[690,745],\
         \"f\":1419876,\"r\":[1500000,1670000]}}"
    );
    let page = views::Room {
        id: 1,
        name: "55~59세 예방접종 사전예약".into(),
        stage: views::Stage::Line,
        now_ms: now,
        document,
        opens: words.when(Time(1_626_260_400_000)),
        opens_ms: 1_626_260_400_000,
        reason: None,
        notices: "오늘은 60세 이상 분들의 예약을 함께 받습니다.".into(),
        refresh_s: Some(600),
        free: Some(1_419_876),
        bound: true,
        zone_min: 540,
        zone_name: " KST".into(),
        must_identify: false,
        slip: None,
        mine: Some(views::Mine {
            serial: 398_011,
            number: 398_012,
            place: Some(398_012),
            order: 398_013,
            people: 155_000,
            range: words.range(155_000, (690, 745)),
            at: words.range_at(Time(now), 155_000, (690, 745)),
            reach: views::Reach::Sure,
        }),
        f: Frame { path: "/rooms/1".into(), csrf: "B".repeat(48), demo: false, errand: None, words },
    };
    page.render().unwrap()
}

/// Bytes of a page's response head, with its first cookie. Heads were measured on the wire.
const PAGE_HEAD_BYTES: usize = 700;
/// Bytes of an asset's response head.
const ASSET_HEAD_BYTES: usize = 260;
/// Bytes of the head of a poll's answer.
const POLL_HEAD_BYTES: usize = 145;

fn first_visit_bytes(language: Language) -> usize {
    let page = respond::gzip(waiting_page(language).as_bytes(), Compression::new(5)).len();
    let assets = ASSETS.css.gzip_bytes() + ASSETS.js.gzip_bytes();
    page + assets + PAGE_HEAD_BYTES + 2 * ASSET_HEAD_BYTES
}

#[test]
fn the_waiting_page_weighs_at_most_14_kb_all_included() {
    for language in LANGUAGES {
        let page = respond::gzip(waiting_page(language).as_bytes(), Compression::new(5)).len();
        let (css, js, all) = (ASSETS.css.gzip_bytes(), ASSETS.js.gzip_bytes(), first_visit_bytes(language));
        println!("{language:?}: page {page}, css {css}, js {js}, with heads {all} bytes");
        assert!(all <= 14_000, "{all} bytes");
    }
}

/// Requests of a wait that turns out as expected: the page, its two files, the draw, polls.
fn requests_of_wait(wait_ms: u64, mut jitter: impl FnMut() -> f64) -> usize {
    let (mut now_ms, mut requests) = (0, 4);
    while now_ms < wait_ms {
        now_ms += poll::interval_ms(wait_ms - now_ms, jitter());
        requests += 1;
    }
    requests
}

#[test]
fn a_wait_of_3_h_36_min_costs_at_most_60_requests_and_20_kb() {
    const WAIT_MS: u64 = (3 * 60 + 36) * 60 * 1_000;
    let document = 140;
    let mut seed = 1_u64;
    let mut jitter = || {
        // Lehmer's generator (MINSTD): any even spread will do.
        seed = seed * 48_271 % 0x7fff_ffff;
        seed as f64 / 2_147_483_647.0
    };
    let most = (0..2_000).map(|_| requests_of_wait(WAIT_MS, &mut jitter)).max().unwrap();
    let polls = most - 4;
    for language in LANGUAGES {
        let bytes = first_visit_bytes(language) + polls * (POLL_HEAD_BYTES + document) + 500;
        println!("{language:?}: {most} requests at the most, {bytes} bytes");
        assert!(most <= 60, "{most} requests");
        assert!(bytes <= 20_000, "{bytes} bytes");
    }
}

#[test]
fn what_people_wrote_never_becomes_markup() {
    let words = Words::new(Language::English, 540);
    let f = Frame { path: "/identify".into(), csrf: "B".into(), demo: false, errand: None, words };
    let page = views::Identify {
        f,
        next: "/".into(),
        name: "\"><script>alert(1)</script>".into(),
        year: String::new(),
        month: String::new(),
        day: String::new(),
        telephone: String::new(),
        error_name: Some("error-name"),
        error_birth: None,
        error_telephone: None,
        any_error: true,
        problem: None,
        other: false,
        hint: false,
    };
    let html = page.render().unwrap();
    assert!(!html.contains("<script>"));
    assert!(html.contains("aria-describedby=\"name-e\""));
}
