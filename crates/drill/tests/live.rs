//! The live drill's parts without a service: the client against a tiny server, the crowd's draw
//! against core's, the auditor against planted faults.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use jari_core::waiting_room::draw;
use jari_drill::live::{
    self,
    api::{self, Booking, Slot, Supply},
    auditor::{Booked, Found, Ledger, judge_bookings},
    crowd::people::{Arrivals, Random, claim},
    fairness::Order,
    http::{Connection, HttpError, Job, Request, Target, Workers},
    shuffle::{Shuffle, from_hex, sha256, to_hex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};

const LONG: Duration = Duration::from_secs(10);

/// A server that gives each request of a connection the next of these answers, then closes.
async fn server(answers: &'static [&'static str]) -> (Target, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                for answer in answers {
                    if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                        return;
                    }
                    // In pieces, as a network would.
                    for piece in answer.as_bytes().chunks(7) {
                        if stream.write_all(piece).await.is_err() {
                            return;
                        }
                        tokio::task::yield_now().await;
                    }
                }
            });
        }
    });
    (Target::new(address), address)
}

#[tokio::test]
async fn a_connection_is_used_again_and_an_answer_in_pieces_is_put_together() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\nRetry-After: 3\r\n\r\nhello world";
    let (target, _) = server(&[OK, "HTTP/1.1 204 No Content\r\n\r\n", OK]).await;
    let mut connection = Connection::new(target);
    let request = Request::new("GET", "/").into_bytes();
    let first = connection.send(&request, LONG).await.unwrap();
    assert_eq!(
        (first.status, first.body.as_slice(), first.retry_after_s),
        (200, &b"hello world"[..], Some(3))
    );
    assert_eq!(first.sent_bytes as usize, request.len());
    assert_eq!(first.received_bytes as usize, OK.len());
    assert_eq!(connection.send(&request, LONG).await.unwrap().status, 204);
    assert_eq!(connection.send(&request, LONG).await.unwrap().body, b"hello world");
}

#[tokio::test]
async fn what_cannot_be_trusted_is_an_error_and_the_next_request_connects_anew() {
    let request = Request::new("GET", "/").into_bytes();
    let (target, _) = server(&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]).await;
    let unsized_answer = Connection::new(target).send(&request, LONG).await;
    assert!(matches!(unsized_answer, Err(HttpError::NotUnderstood(_))), "{unsized_answer:?}");
    let (target, _) = server(&["HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"]).await;
    let mut connection = Connection::new(target.clone());
    let cut_off = connection.send(&request, LONG).await;
    assert!(matches!(cut_off, Err(HttpError::Broken(_))), "{cut_off:?}");
    let (_, address) = server(&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    target.moved_to(address);
    assert_eq!(connection.send(&request, LONG).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = Connection::new(Target::new(listener.local_addr().unwrap()));
    let request = Request::new("GET", "/").into_bytes();
    let began = Instant::now();
    let answer = connection.send(&request, Duration::from_millis(30)).await;
    assert!(matches!(answer, Err(HttpError::Timeout)), "{answer:?}");
    assert!(began.elapsed() < LONG);
}

#[tokio::test]
async fn jobs_beyond_the_connections_wait_and_all_come_back() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (target, _) = server(&[OK; 64]).await;
    let mut workers: Workers<u32> = Workers::start(&target, 2);
    let intended_at = Instant::now();
    for about in 0..20 {
        let bytes = Request::new("GET", "/").into_bytes();
        workers.submit(Job { about, intended_at, time_max: LONG, bytes });
    }
    assert_eq!((workers.in_flight(), workers.in_line()), (2, 18));
    let mut back = Vec::new();
    for _ in 0..20 {
        let done = workers.next().await;
        assert_eq!(done.result.unwrap().status, 200);
        assert!(done.intended_at <= done.sent_at && done.sent_at <= done.done_at);
        back.push(done.about);
    }
    back.sort_unstable();
    assert_eq!(back, (0..20).collect::<Vec<_>>());
    assert_eq!((workers.in_flight(), workers.in_line()), (0, 0));
}

#[test]
fn a_header_cannot_break_out_of_its_line() {
    let bytes = Request::new("GET", "/").header("Jari-Ticket", "a\r\nEvil: 1").into_bytes();
    assert!(!String::from_utf8(bytes).unwrap().contains("Evil"));
}

#[test]
fn the_crowds_draw_is_cores_draw() {
    for count in [1_u32, 2, 3, 255, 256, 257, 1_000] {
        let seed = sha256(&count.to_le_bytes());
        let shuffle = Shuffle::new(seed, count);
        let step = (count / 50).max(1) as usize;
        for index in (0..count).step_by(step) {
            assert_eq!(
                shuffle.position(index),
                Some(draw::shuffled_index(index, count, &seed)),
                "{index} of {count}"
            );
        }
        assert_eq!(shuffle.position(count), None);
    }
    assert_eq!(from_hex(&to_hex(&[7; 32])), Some([7; 32]));
    assert_eq!(from_hex("zz"), None);
}

#[test]
fn the_same_seed_brings_the_same_people_at_the_same_times() {
    let arrivals =
        Arrivals { lobby_share: 0.5, lobby_s: 60.0, spike_share: 0.3, spike_s: 2.0, tail_s: 100.0 };
    let draw = |seed| {
        let mut random = Random::new(seed, 1);
        (0..10_000).map(|_| arrivals.draw(&mut random)).collect::<Vec<f64>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let early = draw(1).iter().filter(|at_s| **at_s < 0.0).count();
    assert!((4_800..5_200).contains(&early), "{early}");
    assert!(draw(1).iter().all(|at_s| (-60.0..200.0).contains(at_s)));
    assert_eq!(claim(5, 7).telephone, claim(5, 7).telephone);
    assert_ne!(claim(5, 7).telephone, claim(5, 8).telephone);
    assert!((8..=15).contains(&claim(u64::MAX, u32::MAX).telephone.len()));
}

fn ticket(text: &str) -> Arc<str> {
    text.into()
}

#[test]
fn one_ticket_for_two_people_is_a_fault() {
    let mut ledger = Ledger::new(3);
    ledger.ticket(0, 10, &ticket("a"), (0, 1));
    ledger.ticket(0, 10, &ticket("a"), (5, 6));
    assert_eq!(ledger.given_twice.count, 0, "found again is not given twice");
    ledger.ticket(1, 10, &ticket("a"), (0, 1));
    assert_eq!(ledger.given_twice.count, 1);
    ledger.ticket(0, 11, &ticket("b"), (7, 8));
    assert_eq!(ledger.given_twice.count, 2, "a second ticket for the same person");
}

#[test]
fn more_bookings_than_places_and_two_for_one_person_are_faults() {
    let mut ledger = Ledger::new(4);
    ledger.slot(1, 1);
    ledger.held(0, 100, 1);
    ledger.booked(0, 100, 1);
    ledger.booked(0, 100, 1);
    assert_eq!(
        (ledger.given_twice.count, ledger.booked_count()),
        (0, (1, 0)),
        "the same answer twice is one booking"
    );
    ledger.cancelled(0);
    ledger.held(1, 101, 1);
    ledger.booked(1, 101, 1);
    assert_eq!(ledger.given_twice.count, 0, "a cancelled place is free again");
    ledger.held(2, 102, 1);
    ledger.booked(2, 102, 1);
    assert_eq!(ledger.given_twice.count, 1, "the slot has one place");
    ledger.booked(2, 103, 2);
    assert_eq!(ledger.given_twice.count, 2, "one person, two bookings");
}

fn booking(booking: u32, slot: u32, status: &str) -> Booking {
    let slot = Slot { slot, supply: Supply::default() };
    Booking { booking, status: status.into(), slot }
}

/// What the auditor says of a person with booking 7 in slot 3 whose bookings read back as these.
fn judged(unanswered: bool, bookings: Option<&[Booking]>) -> (u64, u64) {
    let mut ledger = Ledger::new(1);
    ledger.held(0, 7, 3);
    ledger.booked(0, 7, 3);
    if unanswered {
        ledger.asked(0);
    }
    assert_eq!(ledger.people[0].booked, Booked::Yes { booking: 7, slot: 3 });
    let mut found = Found::default();
    judge_bookings(0, &ledger.people[0], bookings, &mut found);
    (found.lost.count, found.twice.count)
}

#[test]
fn a_lost_or_doubled_booking_is_found() {
    assert_eq!(judged(false, Some(&[booking(7, 3, "booked"), booking(5, 3, "lapsed")])), (0, 0));
    assert_eq!(judged(false, Some(&[])), (1, 0), "lost");
    assert_eq!(judged(false, Some(&[booking(7, 4, "booked")])), (1, 0), "in another slot");
    assert_eq!(judged(false, Some(&[booking(7, 3, "cancelled")])), (1, 0), "cancelled by nobody");
    assert_eq!(judged(false, None), (1, 0), "unreadable");
    assert_eq!(
        judged(false, Some(&[booking(7, 3, "booked"), booking(8, 4, "booked")])),
        (0, 1),
        "two at once"
    );
    assert_eq!(judged(true, Some(&[booking(7, 3, "cancelled")])), (0, 0), "a cancellation without an answer");
}

#[test]
fn the_order_is_judged_from_the_public_seed_alone() {
    let mixed = sha256(b"a seed");
    let draw = api::Draw { seed: String::new(), beacon: String::new(), mixed: to_hex(&mixed), lobby: 100 };
    let shuffle = Shuffle::new(mixed, 100);
    let mut ledger = Ledger::new(150);
    for serial in 0..150_u32 {
        ledger.ticket(serial, serial, &ticket("t"), (serial * 10, serial * 10 + 1));
        ledger.entered(serial, 10_000 + shuffle.position(serial).unwrap_or(serial));
    }
    let order = Order::of(&ledger, Some(&draw));
    assert!(order.is_permutation);
    assert_eq!((order.lobby.len(), order.later, order.entered), (100, 50, 150));
    let same = |tau: Option<f64>| tau.is_some_and(|tau| tau > 0.999_999);
    assert!(same(order.later_tau) && same(order.entry_tau), "{order:?}");
    assert!(order.lobby_tau.unwrap().abs() < 0.3);
    assert_eq!(Order::of(&ledger, None), Order::default());
}

#[test]
fn another_machine_is_left_alone_unless_it_is_ones_own() {
    assert!(live::loopback("http://127.0.0.1:8080/", false).is_ok());
    assert!(live::loopback("http://localhost:8080", false).is_ok());
    assert!(live::loopback("http://[::1]:8080", false).is_ok());
    for foreign in
        ["http://192.0.2.1:80", "http://[2001:db8::1]:80", "https://127.0.0.1:1", "http://example.org:80"]
    {
        assert!(live::loopback(foreign, false).is_err(), "{foreign}");
    }
    assert!(live::loopback("http://192.0.2.1:80", true).is_ok());
}
