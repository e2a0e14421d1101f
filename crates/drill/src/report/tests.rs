//! What the written report must hold, whatever the run.

use super::*;
use std::fs;

const EVENING: TimeAxis = TimeAxis::Clock { opening_s: 20 * 3600 };

fn ramp(length: i32, slope: f64) -> Vec<series::Point> {
    (0..length).map(|x| (f64::from(x), f64::from(x) * slope)).collect()
}

fn sample() -> Report {
    let supply = Supply {
        free: ramp(3_000, -1.0).iter().map(|(x, y)| (*x, 3_000.0 + y)).collect(),
        booked: ramp(3_000, 1.0),
        held: ramp(3_000, 0.0),
        used: ramp(3_000, 0.0),
        withdrawn: ramp(3_000, 0.0),
    };
    let verdict = |name: &str, promise, pass| Verdict {
        name: name.into(),
        promise,
        goal: "0 places".into(),
        measured: "0 of 1,234 places".into(),
        pass,
    };
    Report {
        drill: "vaccination-2021-07-14".into(),
        about: "A rush.".into(),
        mode: Mode::Simulated,
        seed: 7,
        scale: 0.01,
        commit: "abc123".into(),
        machine: Machine { cpu: "A CPU".into(), cores: 2, memory_bytes: 1 << 33, os: "Linux 6".into() },
        started_at: "2026-03-02 14:05 KST".into(),
        command: "jari drill run vaccination-2021-07-14 --seed 7".into(),
        figures: BTreeMap::from([
            ("booked".to_string(), Figure::count(16_700, "people", "Booked").headline(1)),
            ("wait_p99".to_string(), Figure::new(12.5, "s", "Waited")),
        ]),
        verdicts: vec![
            verdict("No place given twice", Promise::P2, true),
            verdict("Nothing lost", Promise::P1, true),
        ],
        series: vec![
            Plot::arrivals(EVENING, ramp(3_000, 2.0)),
            Plot::latency(EVENING, ramp(3_000, 0.01), ramp(3_000, 0.1)),
            Plot::supply(EVENING, supply),
        ],
        marks: vec![Mark::new(0.0, "opening"), Mark::new(900.0, "crash")],
        history: crate::history::rows(&crate::history::EVENING_2021_07_14, &crate::history::Ours::default()),
        fairness: Some(Fairness {
            orders: vec![],
            draw: Some(Draw {
                people: 10,
                commitment: "c0ffee".into(),
                commitment_is: "SHA-256 of the seed".into(),
                seed: "5eed".into(),
                beacon: None,
                seed_matches: true,
                places_checked: 10,
                places_wrong: 0,
                recompute: vec!["Hash the seed.".into()],
            }),
        }),
    }
}

#[test]
fn the_json_has_the_agreed_fields_and_nothing_else_at_the_top() {
    let text = sample().json().unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["commit", "drill", "figures", "machine", "mode", "schema", "seed", "verdicts"]);
    assert_eq!(json["schema"], 1);
    assert_eq!(json["mode"], "simulated");
    assert_eq!(json["seed"], 7);
    assert_eq!(json["machine"]["cores"], 2);
    assert_eq!(
        json["figures"]["booked"],
        serde_json::json!({"value": 16_700, "unit": "people", "note": "Booked"})
    );
    assert_eq!(json["figures"]["scale"]["value"], 0.01);
    assert_eq!(
        json["verdicts"][0],
        serde_json::json!({"name": "No place given twice", "promise": "P2", "goal": "0 places", "measured": "0 of 1,234 places", "pass": true})
    );
    assert!(text.contains("\"value\": 16700,\n"), "whole numbers stay whole: {text}");
}

#[test]
fn the_json_does_not_change_with_the_time_of_day() {
    let later = Report { started_at: "2027-01-01 00:00 KST".into(), ..sample() };
    assert_eq!(sample().json().unwrap(), later.json().unwrap());
}

#[test]
fn the_page_shows_each_verdict_with_its_promise_and_the_whole_outcome() {
    let report = sample();
    let page = report.html().unwrap();
    for verdict in &report.verdicts {
        assert!(page.contains(&verdict.name), "{}", verdict.name);
        assert!(page.contains(verdict.promise.sentence()));
    }
    assert!(page.contains("Passed: 2 of 2 checks"));
    assert!(page.contains("1 in 100 of those who came then"));
    let mut failed = report;
    failed.verdicts[1].pass = false;
    let page = failed.html().unwrap();
    assert!(page.contains("class=\"outcome bad\">Failed: 1 of 2 checks<small>Nothing lost</small>"));
    assert!(!failed.all_pass());
}

#[test]
fn a_run_that_checked_nothing_has_not_passed() {
    let report = Report { verdicts: vec![], ..sample() };
    assert!(!report.all_pass());
    assert!(report.html().unwrap().contains("class=\"outcome bad\">Nothing was checked"));
}

#[test]
fn text_from_a_run_never_becomes_markup() {
    const EVIL: &str = "<script>alert('x')</script>\"&";
    let mut report = sample();
    for text in [
        &mut report.drill,
        &mut report.about,
        &mut report.commit,
        &mut report.started_at,
        &mut report.command,
    ] {
        *text = EVIL.into();
    }
    report.machine.cpu = EVIL.into();
    report.verdicts[0] = Verdict {
        name: EVIL.into(),
        goal: EVIL.into(),
        measured: EVIL.into(),
        promise: Promise::P1,
        pass: false,
    };
    report.figures.insert(EVIL.into(), Figure::text(EVIL, EVIL).headline(1));
    report.marks[0].label = EVIL.into();
    report.series[0].title = EVIL.into();
    report.series[0].caption = EVIL.into();
    report.series[0].unit = EVIL.into();
    report.series[0].lines[0].name = EVIL.into();
    report.history[0] =
        HistoryRow { name: EVIL.into(), then: EVIL.into(), ours: EVIL.into(), ..report.history[0].clone() };
    let fairness = report.fairness.as_mut().unwrap();
    fairness.orders.push(OrderMeasure { group: EVIL.into(), people: 1, tau: None, meaning: EVIL.into() });
    let draw = fairness.draw.as_mut().unwrap();
    draw.recompute = vec![EVIL.into()];
    for text in [&mut draw.commitment, &mut draw.commitment_is, &mut draw.seed] {
        *text = EVIL.into();
    }
    draw.beacon = Some(EVIL.into());
    let page = report.html().unwrap();
    assert!(!page.contains("<script"), "markup got through");
    assert!(page.contains("&lt;script&gt;alert("));
}

#[test]
fn the_page_asks_the_network_for_nothing() {
    let page = sample().html().unwrap();
    for outside in ["http", "//", "src=", "url(", "@import", "<script", "<iframe", "<link rel=\"stylesheet"] {
        assert!(!page.contains(outside), "the page holds {outside}");
    }
    let links: Vec<&str> =
        page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or("")).collect();
    assert_eq!(links, ["data:,"], "only the empty icon, which keeps browsers from asking for one");
}

#[test]
fn every_plot_is_drawn_for_a_desk_and_for_a_phone_in_colours_of_the_style_sheet() {
    let report = sample();
    let page = report.html().unwrap();
    assert_eq!(page.matches("<svg class=\"wide\" viewBox=\"").count(), report.series.len());
    assert_eq!(page.matches("<svg class=\"narrow\" viewBox=\"").count(), report.series.len());
    for attribute in ["stroke=\"#", "fill=\"#"] {
        let body = page.split("</style>").nth(1).unwrap();
        for colour in body.split(attribute).skip(1).map(|rest| format!("#{}", &rest[..6])) {
            assert!(
                canvas::INKS.iter().any(|ink| ink.2 == colour),
                "{colour} cannot be repainted for dark screens"
            );
        }
    }
}

#[test]
fn a_spike_of_one_second_is_drawn_on_both_sizes() {
    let mut points: Vec<series::Point> = (0..9_000).map(|x| (f64::from(x), 10.0)).collect();
    points[4_321].1 = 1_000.0;
    let plot = Plot::waiting(EVENING, points);
    for size in [plot::Size::Wide, plot::Size::Narrow] {
        let svg = plot::draw(&plot, &[], (0.0, 8_999.0), size).unwrap();
        let line = svg.split("<polyline").find(|part| part.len() > 2_000).unwrap();
        let heights = line.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let heights: Vec<i32> =
            heights.split_whitespace().map(|at| at.split_once(',').unwrap().1.parse().unwrap()).collect();
        let (highest, usual) = (heights.iter().min().unwrap(), heights[0]);
        assert!(usual - highest > 700, "{size:?}: the spike stands {} quarter pixels high", usual - highest);
    }
}

#[test]
fn plots_without_points_or_of_one_moment_are_still_drawn() {
    for points in [vec![], vec![(0.0, 0.0)], vec![(5.0, f64::NAN)]] {
        let series = vec![Plot::arrivals(EVENING, points.clone()), Plot::latency(EVENING, points, vec![])];
        let page = Report { series, ..sample() }.html().unwrap();
        assert!(!page.contains("NaN") && !page.contains("inf,"));
    }
}

#[test]
fn a_measurement_beside_the_evening_has_none_of_its_marks() {
    for (time, is_marked) in [(TimeAxis::SinceOpening, true), (TimeAxis::Apart, false)] {
        let report = Report {
            series: vec![Plot::arrivals(time, ramp(60, 1.0))],
            marks: vec![Mark::new(30.0, "node killed")],
            ..sample()
        };
        assert_eq!(report.html().unwrap().contains("node killed"), is_marked, "{time:?}");
    }
}

#[test]
fn a_stack_of_lines_with_different_times_is_refused_by_name() {
    let supply = Supply { free: ramp(10, 1.0), booked: ramp(9, 1.0), ..Supply::default() };
    let report = Report { series: vec![Plot::supply(EVENING, supply)], ..sample() };
    assert!(report.html().unwrap_err().to_string().contains("Where every place is"));
}

#[test]
fn the_files_are_written_where_asked_and_the_json_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a/b");
    sample().write(&target).unwrap();
    assert!(fs::metadata(target.join("report.json")).unwrap().len() < 200_000);
    assert!(fs::read_to_string(target.join("report.html")).unwrap().starts_with("<!DOCTYPE html>"));
    let table = fs::read_to_string(target.join("series.csv")).unwrap();
    assert!(table.starts_with("plot,line,seconds_since_opening,value\nArrivals,arrived,0,0\n"));
}

#[test]
fn the_terminal_summary_names_what_failed_and_how_to_repeat_the_run() {
    let mut report = sample();
    report.verdicts[0].pass = false;
    report.verdicts[0].name = "No place\u{1b}[31m given twice".into();
    let mut out = Vec::new();
    report.print_summary(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("FAIL  P2       No place [31m given twice  0 places  0 of 1,234 places\n"),
        "{text}"
    );
    assert!(
        text.ends_with("Failed: 1 of 2 checks\nrepeat: jari drill run vaccination-2021-07-14 --seed 7\n"),
        "{text}"
    );
}
