//! The load of the live drills against tiny servers, and the throttle against a process that never
//! rests.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jari_drill::live::{
    http::Target,
    load::{self, Load, Offer, Visitor},
    overload::{self, OverloadOptions},
    throttle::{Slice, Throttle},
};

const LONG: Duration = Duration::from_secs(20);

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicU32,
    holds: AtomicU32,
    confirms: AtomicU32,
    closing_cancels: AtomicU32,
}

/// A server that gives holds and everything else these answers. It ends with the test's process.
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
    let mut buffer = [0; 4_096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let request = String::from_utf8_lossy(&buffer[..read]);
        let is_hold = request.starts_with("POST /api/v1/holds ");
        if is_hold {
            seen.holds.fetch_add(1, Ordering::SeqCst);
        } else if request.contains("/confirm ") {
            assert!(request.starts_with("POST /api/v1/bookings/7/confirm "), "{request}");
            seen.confirms.fetch_add(1, Ordering::SeqCst);
        } else if request.contains("/cancel ") && request.contains("Connection: close\r\n") {
            seen.closing_cancels.fetch_add(1, Ordering::SeqCst);
        }
        // In two pieces, as a network might.
        let (first, second) = if is_hold { hold } else { other }.split_at(20);
        if stream.write_all(first.as_bytes()).and_then(|()| stream.write_all(second.as_bytes())).is_err() {
            return;
        }
    }
}

fn load(target: SocketAddr, offer: Offer, duration_ms: u64) -> Load {
    Load {
        target,
        offer,
        duration: Duration::from_millis(duration_ms),
        connections: 64,
        patience: LONG,
        slots: vec![3],
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
    let (outcome, left) =
        load::run(&load(target, Offer::Closed { visits: 4 }, 150), visitors(6), None).unwrap();
    assert!(outcome.booked > 4, "{outcome:?}");
    assert_eq!(outcome.served.len(), 2 * outcome.offered);
    assert_eq!(outcome.answers["ok"], 3 * outcome.offered);
    assert_eq!((outcome.kept_out, outcome.not_offered, outcome.refused.len()), (0, 0, 0));
    for count in [&seen.connections, &seen.holds, &seen.confirms, &seen.closing_cancels] {
        assert_eq!(u64::from(count.load(Ordering::SeqCst)), outcome.offered);
    }
    assert_eq!(left.len(), 6, "everyone can come again");
}

#[test]
fn whoever_is_told_to_come_back_leaves_and_may_come_again() {
    let (target, seen) = server(BUSY, OK);
    let (outcome, left) =
        load::run(&load(target, Offer::Open { visits_per_s: 400.0 }, 150), visitors(60), None).unwrap();
    assert!(outcome.offered > 10, "{outcome:?}");
    assert_eq!(outcome.refused.len(), outcome.offered);
    assert_eq!((outcome.booked, outcome.served.len()), (0, 0));
    assert_eq!(seen.confirms.load(Ordering::SeqCst), 0, "nothing was held that could be confirmed");
    assert_eq!(left.len(), 60);
}

#[test]
fn a_hold_that_cannot_be_confirmed_is_no_booking_and_its_person_does_not_come_again() {
    let (target, _) = server(HELD, BUSY);
    let (outcome, left) =
        load::run(&load(target, Offer::Closed { visits: 2 }, 100), visitors(5), None).unwrap();
    assert_eq!((outcome.booked, outcome.served.len(), outcome.refused.len()), (0, 5, 5));
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
        None,
    )
    .unwrap();
    assert!(began.elapsed() < LONG);
    assert_eq!(outcome.answers["timeout_hold"] + outcome.kept_out, outcome.offered);
    assert!(outcome.offered > 8, "seats are free again: {outcome:?}");
    assert!(outcome.not_offered > 0, "eight seats for some hundred people: {outcome:?}");
    assert_eq!((outcome.booked, left.len()), (0, 1_000));
}

#[test]
fn nobody_is_connected_where_nobody_listens() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (outcome, _) =
        load::run(&load(target, Offer::Open { visits_per_s: 300.0 }, 100), visitors(9), None).unwrap();
    assert_eq!(outcome.booked, 0);
    assert_eq!(outcome.answers.get("no_connection").copied().unwrap_or(0), outcome.offered, "{outcome:?}");
}

#[test]
fn a_service_that_is_not_ours_is_taken_as_it_is() {
    let (target, _) = server(HELD, OK);
    let options = OverloadOptions {
        target: Target::new(target),
        slots: vec![3],
        capacity_s: 0.1,
        overload_s: 0.3,
        slice: SLICE,
        seed: 1,
    };
    let overload = overload::measure(&options, visitors(300), None).unwrap().unwrap();
    assert!(overload.whole.is_none() && overload.over.share.is_none(), "nobody was slowed");
    let most = overload.tried.iter().map(|(_, outcome)| outcome.booked).max().unwrap();
    assert!(most > 0 && overload.best().1.booked == most);
    assert!(overload.tried.iter().all(|(_, outcome)| outcome.share.is_none()));
    // So fast a server may be too fast for ten times as much; that much is seen.
    assert!(overload.offered_times() > 0.0 && overload.offered_times() < 12.0, "{overload:?}");
    assert!(overload::measure(&options, Vec::new(), None).unwrap().is_none(), "nobody, nothing");
}

const SLICE: Slice = Slice { run: Duration::from_millis(1), rest: Duration::from_millis(9) };

/// A process that never rests; killed when dropped.
struct Restless(Child);

impl Restless {
    fn start() -> Self {
        let mut command = Command::new("sh");
        Self(command.args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap())
    }

    /// Its state as the kernel names it; `T` when stopped.
    fn state(&self) -> String {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        stat.rsplit(") ").next().unwrap()[..1].to_string()
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Keeps the slices until the child is seen resting.
fn until_it_rests(restless: &Restless, throttle: &mut Throttle<'_>) {
    let until = Instant::now() + LONG;
    while restless.state() != "T" {
        throttle.keep(Instant::now());
        assert!(Instant::now() < until, "it was never stopped");
    }
}

#[test]
fn a_throttled_process_has_about_its_share_and_goes_on_afterwards() {
    let restless = Restless::start();
    let mut throttle = Throttle::begin(&restless.0, SLICE);
    let until = Instant::now() + Duration::from_millis(600);
    while Instant::now() < until {
        throttle.keep(Instant::now());
    }
    let share = throttle.share().unwrap();
    // Others may have wanted the core: then it is less. What it ran too long it rests for.
    assert!(share > 0.0 && share < 0.2, "{share}");
    until_it_rests(&restless, &mut throttle);
    drop(throttle);
    assert_ne!(restless.state(), "T");
}

#[test]
fn a_panic_leaves_nobody_stopped() {
    let restless = Restless::start();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut throttle = Throttle::begin(&restless.0, Slice { run: Duration::from_millis(1), rest: LONG });
        until_it_rests(&restless, &mut throttle);
        std::panic::resume_unwind(Box::new("a panic on purpose"));
    }));
    assert!(panicked.is_err_and(|what| what.is::<&str>()), "it stopped, then panicked");
    assert_ne!(restless.state(), "T");
}
