//! Measures what wire costs: `cargo run --release -p jari-wire --example speed [BOOKINGS]`.
//!
//! Prints nanoseconds for each token and command, and seconds for a snapshot of that many
//! bookings (10 million unless said otherwise) to memory and back.

use std::hint::black_box;
use std::time::Instant;

use jari_core::booking::{Booking, BookingState};
use jari_core::command::Entry;
use jari_core::ids::{BookingId, ChannelId, CommandId, PersonId, RoomId, Serial, SlotId};
use jari_core::time::Date;
use jari_core::{Body, Command, State, Time};
use jari_wire::token::{Csrf, Pass, Session, Ticket};
use jari_wire::{KeyRing, RecordWriter, record, snapshot};

const ROUNDS: u32 = 1_000_000;

/// Runs something a million times and prints what one run took.
fn each<T>(what: &str, mut run: impl FnMut() -> T) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(run());
    }
    println!("{what:32} {:7.1} ns", start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
}

fn tokens() {
    let keys = KeyRing::generate(1, [7; 32], Date(18_800));
    let ticket = Ticket { room: RoomId(3), serial: Serial(1_234_567), person: None };
    let bound = Ticket { person: Some(PersonId(u128::MAX / 3)), ..ticket };
    let pass = Pass { room: RoomId(3), serial: Serial(9), ends_at: Time(1_626_274_800_000) };
    let session = Session {
        person: PersonId(1 << 90),
        birth: Date(-5_000),
        ends_at: pass.ends_at,
        channel: ChannelId::OWN_SITE,
    };
    let form = Csrf { ends_at: pass.ends_at };
    let cookie = session.seal(&keys);
    each("ticket seal", || black_box(&ticket).seal(&keys));
    let text = ticket.seal(&keys);
    each("ticket open", || Ticket::open(black_box(&text), &keys));
    let text = bound.seal(&keys);
    each("bound ticket open", || Ticket::open(black_box(&text), &keys));
    let text = pass.seal(&keys);
    each("pass open", || Pass::open(black_box(&text), &keys));
    each("session seal", || black_box(&session).seal(&keys));
    each("session open", || Session::open(black_box(&cookie), &keys));
    let text = form.seal(&keys, &cookie, "cancel");
    each("form token open", || Csrf::open(black_box(&text), &keys, &cookie, "cancel"));
    each("person id", || keys.person_id(black_box("홍길동"), Date(-5_000), "01012345678"));
    each("command id", || keys.command_id(black_box(cookie.as_bytes()), &[5; 36]));
}

fn records() {
    let hold = Body::Hold {
        slot: SlotId(70_000),
        person: PersonId(u128::MAX / 3),
        birth: Date(-5_000),
        dose: 1,
        entry: Some(Entry { room: RoomId(3), serial: Serial(1_000_000) }),
        channel: ChannelId::OWN_SITE,
    };
    let confirm = Body::Confirm { booking: BookingId(1_000_000), person: PersonId(u128::MAX / 3) };
    for (what, body) in [("hold", hold), ("confirm", confirm)] {
        let command = Command { id: CommandId(u128::MAX / 7), body };
        let mut writer = RecordWriter::new();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            writer.push(black_box(&command)).expect("a hold fits");
        }
        let encoding = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS);
        let bytes = writer.finish();
        let start = Instant::now();
        let decoded = record::decode(bytes).expect("what was written is read");
        let decoding = start.elapsed().as_nanos() as f64 / f64::from(decoded.head.count);
        let len = record::encoded_len_max(&command);
        println!("{what:32} {encoding:7.1} ns to write, {decoding:.1} ns to read, {len} bytes");
    }
}

fn snapshots(bookings: u32) {
    let mut data = State::new().data().clone();
    for number in 0..bookings {
        data.bookings.push(Booking {
            person: [u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15), 7],
            until: Time(1_626_274_800_000 + u64::from(number)),
            slot: SlotId(number % 200_000),
            earlier: Booking::NONE,
            serial: Serial(number),
            channel: ChannelId::OWN_SITE,
            dose: 1,
            state: BookingState::Booked,
        });
    }
    let start = Instant::now();
    let hash = snapshot::state_hash(&data);
    println!("{:32} {:7.2} s", "state hash", start.elapsed().as_secs_f64());
    let mut bytes = Vec::with_capacity(bookings as usize * 41 + (1 << 20));
    let start = Instant::now();
    let meta = snapshot::write(&data, 1, [0; 32], &mut bytes).expect("memory takes everything");
    println!(
        "{:32} {:7.2} s, {} MB",
        "snapshot write",
        start.elapsed().as_secs_f64(),
        bytes.len() / 1_000_000
    );
    drop(data);
    let start = Instant::now();
    let (read, _) = snapshot::read(&mut &bytes[..]).expect("what was written is read");
    println!("{:32} {:7.2} s", "snapshot read", start.elapsed().as_secs_f64());
    assert!(read == meta && meta.state_hash == hash, "the state that was read is the one written");
}

fn main() {
    let bookings = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    tokens();
    records();
    snapshots(bookings);
}
