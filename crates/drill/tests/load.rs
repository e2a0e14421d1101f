//! The load of the live drills against tiny servers.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jari_drill::live::{
    load::{self, Load, Offer, Visitor},
    stage::Desk,
};

const LONG: Duration = Duration::from_secs(20);

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicU32,
    looks: AtomicU32,
    holds: AtomicU32,
    confirms: AtomicU32,
    closing_cancels: AtomicU32,
}

/// A server that is read from, and gives holds and everything else these answers. It ends with the test's process.
fn server(hold: &'static str, other: &'static str) -> (SocketAddr, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Seen::default()));
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let seen = Arc::clone(&shared);
            seen.connections.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || serve(stream, &seen, hold, other));
        }
    });
    (address, seen)
}

fn serve(mut stream: TcpStream, seen: &Seen, hold: &str, other: &str) {
    // The second piece must not wait for the first to be acknowledged.
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 4_096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let request = String::from_utf8_lossy(&buffer[..read]);
        let is_hold = request.starts_with("POST /api/v1/holds ");
        let is_look = request.starts_with("GET ");
        if is_look {
            seen.looks.fetch_add(1, Ordering::SeqCst);
            let about = ["campaigns/5 ", "campaigns/5/clinics?", "desks/6/days ", "desks/6/slots "];
            assert!(about.iter().any(|path| request[12..].starts_with(path)), "{request}");
        } else if is_hold {
            seen.holds.fetch_add(1, Ordering::SeqCst);
        } else if request.contains("/confirm ") {
            assert!(request.starts_with("POST /api/v1/bookings/7/confirm "), "{request}");
            seen.confirms.fetch_add(1, Ordering::SeqCst);
        } else if request.contains("/cancel ") && request.contains("Connection: close\r\n") {
            seen.closing_cancels.fetch_add(1, Ordering::SeqCst);
        }
        // In two pieces, as a network might.
        let (first, second) = if is_look {
            OK
        } else if is_hold {
            hold
        } else {
            other
        }
        .split_at(20);
        if stream.write_all(first.as_bytes()).and_then(|()| stream.write_all(second.as_bytes())).is_err() {
            return;
        }
    }
}

fn load(target: SocketAddr, offer: Offer, duration_ms: u64) -> Load {
    Load {
        target,
        offer,
        run_in: Duration::ZERO,
        duration: Duration::from_millis(duration_ms),
        connections: 64,
        patience: LONG,
        campaign: 5,
        desks: vec![Desk { desk: 6, slots: vec![3] }],
        seed: 1,
    }
}

fn visitors(count: usize) -> Vec<Visitor> {
    (0..count).map(|number| Visitor::new(format!("session-{number}").into())).collect()
}

const HELD: &str = "HTTP/1.1 201 Created\r\nContent-Length: 13\r\n\r\n{\"booking\":7}";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}";

#[test]
fn a_visit_has_a_connection_of_its_own_and_gives_its_place_back() {
    let (target, seen) = server(HELD, OK);
    let (outcome, left) = load::run(&load(target, Offer::Closed { visits: 4 }, 150), visitors(60)).unwrap();
    assert!(outcome.booked > 4, "{outcome:?}");
    assert_eq!(outcome.served.len(), 25 * outcome.offered);
    assert_eq!(outcome.answers["ok"], 26 * outcome.offered);
    assert_eq!((outcome.kept_out, outcome.not_offered, outcome.refused.len()), (0, 0, 0));
    for count in [&seen.connections, &seen.holds, &seen.confirms, &seen.closing_cancels] {
        assert_eq!(u64::from(count.load(Ordering::SeqCst)), outcome.offered);
    }
    assert_eq!(u64::from(seen.looks.load(Ordering::SeqCst)), 23 * outcome.offered);
    assert_eq!(left.len(), 60, "everyone can come again");
}

#[test]
fn what_comes_before_the_run_in_is_over_is_told_apart_and_a_load_can_be_added_to_another() {
    let (target, seen) = server(HELD, OK);
    let run_in = Duration::from_millis(100);
    let load = Load { run_in, ..load(target, Offer::Closed { visits: 4 }, 150) };
    let (mut outcome, _) = load::run(&load, visitors(60)).unwrap();
    let visits = |count: &AtomicU32| u64::from(count.load(Ordering::SeqCst));
    assert!(!outcome.served.is_empty() && outcome.offered < visits(&seen.connections), "{outcome:?}");
    assert_eq!(outcome.served.len() + outcome.served_in_run_in.len(), 25 * visits(&seen.connections));
    assert!((outcome.lasted_s - 0.15).abs() < 1e-9);
    let (again, _) = load::run(&load, visitors(60)).unwrap();
    let booked = outcome.booked + again.booked;
    outcome.add(again);
    assert_eq!((outcome.booked, outcome.booked_by_second.iter().sum()), (booked, booked));
    assert_eq!(outcome.served.len() + outcome.served_in_run_in.len(), 25 * visits(&seen.connections));
    assert!((outcome.lasted_s - 0.3).abs() < 1e-9);
}

#[test]
fn whoever_is_told_to_come_back_leaves_and_may_come_again() {
    let (target, seen) = server(BUSY, OK);
    let (outcome, left) =
        load::run(&load(target, Offer::Open { visits_per_s: 400.0 }, 150), visitors(60)).unwrap();
    assert!(outcome.offered > 10, "{outcome:?}");
    assert_eq!(outcome.refused.len(), outcome.offered);
    assert_eq!((outcome.booked, outcome.served.len()), (0, 23 * outcome.offered));
    assert_eq!(seen.confirms.load(Ordering::SeqCst), 0, "nothing was held that could be confirmed");
    assert_eq!(left.len(), 60);
}

#[test]
fn a_hold_that_cannot_be_confirmed_is_no_booking_and_its_person_does_not_come_again() {
    let (target, _) = server(HELD, BUSY);
    let (outcome, left) = load::run(&load(target, Offer::Closed { visits: 2 }, 100), visitors(5)).unwrap();
    assert_eq!((outcome.booked, outcome.served.len(), outcome.refused.len()), (0, 5 * 24, 5));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn whoever_hears_nothing_leaves_in_time_and_nobody_waits_for_a_connection() {
    // It listens and never accepts: the system connects as many as its queue holds.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let began = Instant::now();
    let (outcome, left) = load::run(
        &Load {
            patience: Duration::from_millis(50),
            connections: 8,
            ..load(target, Offer::Open { visits_per_s: 2_000.0 }, 300)
        },
        visitors(1_000),
    )
    .unwrap();
    assert!(began.elapsed() < LONG);
    assert_eq!(outcome.answers["timeout_look"] + outcome.kept_out, outcome.offered);
    assert!(outcome.offered > 8, "seats are free again: {outcome:?}");
    assert!(outcome.not_offered > 0, "eight seats for some hundred people: {outcome:?}");
    assert_eq!((outcome.booked, left.len()), (0, 1_000));
}

#[test]
fn nobody_is_connected_where_nobody_listens() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (outcome, _) =
        load::run(&load(target, Offer::Open { visits_per_s: 300.0 }, 100), visitors(9)).unwrap();
    assert_eq!(outcome.booked, 0);
    assert_eq!(outcome.answers.get("no_connection").copied().unwrap_or(0), outcome.offered, "{outcome:?}");
}
