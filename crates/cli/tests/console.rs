//! The console's past over a restart of the real binary on the same directory.

mod service;

use std::fs;

use jari_node::{Clock, SystemClock};
use serde_json::{Value, json};
use service::Service;

fn series(service: &Service, password: &str) -> Value {
    let url = |path: &str| format!("http://{}/api/v1/operator/{path}", service.address);
    let sign_in = json!({"name": "operator", "password": password}).to_string();
    let asked = ureq::post(url("sessions")).header("content-type", "application/json").send(sign_in);
    let given = asked.expect("the operator signs in").into_body().read_to_string().unwrap();
    let given: Value = serde_json::from_str(&given).unwrap();
    let bearer = format!("Bearer {}", given["staff_token"].as_str().unwrap());
    let past = ureq::get(url("series?from=0&step=60")).header("authorization", bearer).call();
    serde_json::from_str(&past.expect("the series is given").into_body().read_to_string().unwrap()).unwrap()
}

#[test]
fn the_minutes_before_a_restart_are_there_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::start(dir.path(), "");
    let password = service.password();
    assert!(series(&service, &password)["at_ms"].as_array().unwrap().len() < 3, "a new one has no past");
    service.kill();
    // As an earlier life has written it ten minutes ago, and begun to write another.
    let now = SystemClock.now().0;
    let node = json!({"polls": 0, "served": 77, "errors": 0, "shed": 0, "latency_p50_us": null,
        "latency_p99_us": null, "flushes": 9, "flushes_slow": 0, "flush_p50_us": 800, "flush_p99_us": 900,
        "mailbox": 0, "refuses": false, "messages_oldest_s": 0, "clock_behind_ms": 0});
    let minute =
        json!({"at_ms": now - 600_000, "ms": 60_000, "node": node, "rooms": [], "campaigns": []}).to_string();
    let path = dir.path().join("data/series.jsonl");
    fs::write(&path, format!("{minute}\n{}", &minute[..40])).unwrap();
    for _ in 0..2 {
        let service = Service::start(dir.path(), "");
        let series = series(&service, &password);
        assert_eq!((&series["at_ms"][0], &series["node"]["served"][0]), (&json!(now - 600_000), &json!(77)));
        service.kill();
    }
}
