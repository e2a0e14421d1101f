//! Golden bytes: every version of every format, forever.

use std::fs;
use std::path::PathBuf;

use jari_core::Command;
use jari_core::ids::{ChannelId, PersonId, RoomId, Serial};
use jari_core::time::{Date, Time};
use jari_wire::keys::KeyRing;
use jari_wire::record::{self, Record, RecordHead, RecordWriter};
use jari_wire::snapshot;
use jari_wire::token::{Csrf, Errand, Pass, Session, Slip, StaffSession, Ticket};

use crate::samples::{self, AT, PERSON};

const HOW: &str =
    "\n\nBytes that were written once must stay readable forever. If this change of the format is meant:
raise the format's VERSION, keep reading the version before, leave its golden files as they are,
name the new ones by the new version, and write them (only those that do not exist yet) with
    JARI_GOLDEN=write cargo test -p jari-wire golden\n";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares a text with a golden file; writes a missing file if asked to.
fn check(name: &str, text: &str) {
    let path = path(name);
    if !path.exists() && std::env::var("JARI_GOLDEN").is_ok_and(|value| value == "write") {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}{HOW}"));
    assert_eq!(golden, text, "{name} is not what was written before{HOW}");
}

/// Hexadecimal digits, 32 bytes a line.
pub fn to_hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

const HEAD: RecordHead = RecordHead { node: 258, sequence: 1_000_001, at: AT, count: 0 };

/// The record of some commands.
pub fn record_of(commands: &[Command]) -> Vec<u8> {
    let mut writer = RecordWriter::new();
    writer.begin(HEAD.node, HEAD.sequence, HEAD.at);
    for command in commands {
        writer.push(command).unwrap();
    }
    writer.finish().to_vec()
}

/// Every golden record: a tick, a record of one command of every kind, and one of all.
pub fn records() -> Vec<(String, Vec<Command>)> {
    let mut records: Vec<(String, Vec<Command>)> = vec![("tick".into(), Vec::new())];
    let commands = samples::commands();
    records.push(("all".into(), commands.iter().map(|(_, command)| command.clone()).collect()));
    let single = commands.into_iter().chain(samples::later_commands());
    records.extend(single.map(|(name, command)| (name.into(), vec![command])));
    records
}

#[test]
fn golden_records_are_written_and_read_as_ever() {
    for (name, commands) in records() {
        let name = format!("record-v1-{name}.hex");
        check(&name, &to_hex(&record_of(&commands)));
        let bytes = from_hex(&fs::read_to_string(path(&name)).unwrap());
        let head = RecordHead { count: commands.len() as u32, ..HEAD };
        assert_eq!(record::decode(&bytes), Ok(Record { head, commands }), "{name}");
        assert_eq!(record::decode_head(&bytes), Ok(head), "{name}");
    }
}

#[test]
fn golden_snapshots_are_written_and_read_as_ever() {
    let versions = [
        ("snapshot-v1.hex", samples::data(5)),
        ("snapshot-v2.hex", samples::data_of_rules_2(5)),
        ("snapshot-v3.hex", samples::data_of_rules_3(5)),
        ("snapshot-v4.hex", samples::data_of_rules_4(5)),
        ("snapshot-v5.hex", samples::data_of_rules_5(5)),
    ];
    for (name, data) in versions {
        let mut bytes = Vec::new();
        let meta = snapshot::write(&data, 77, [3; 32], &mut bytes).unwrap();
        check(name, &to_hex(&bytes));
        let golden = from_hex(&fs::read_to_string(path(name)).unwrap());
        let (read_meta, read_data) = snapshot::read(&mut &golden[..]).unwrap();
        assert_eq!(read_meta, meta);
        assert_eq!(read_data, data);
    }
}

#[test]
fn golden_tokens_are_sealed_and_opened_as_ever() {
    let keys = KeyRing::generate(9, *b"a golden key is no secret at all", Date(18_800));
    let (room, serial) = (RoomId(3), Serial(1_234_567));
    let ends_at = AT;
    let ticket = Ticket { room, serial, person: None };
    let bound = Ticket { room, serial, person: Some(PERSON) };
    let pass = Pass { room, serial, ends_at };
    let session = Session { person: PERSON, birth: Date(-5_000), ends_at, channel: ChannelId(16) };
    let slip = Slip { room, not_before: Time(AT.0 - 2_000), ends_at, nonce: 0x0123_4567_89ab_cdef };
    let staff = StaffSession { user: 12, role: 2, ends_at, nonce: 1 << 63 };
    let errand = Errand { person: PERSON, birth: Date(-5_000), proxy: PersonId(!PERSON.0), ends_at };
    let form = Csrf { ends_at };
    check("token-v1-ticket.txt", &ticket.seal(&keys));
    check("token-v1-ticket-bound.txt", &bound.seal(&keys));
    check("token-v1-pass.txt", &pass.seal(&keys));
    check("token-v1-session.txt", &session.seal(&keys));
    check("token-v1-slip.txt", &slip.seal(&keys));
    check("token-v1-staff-session.txt", &staff.seal(&keys));
    check("token-v1-errand.txt", &errand.seal(&keys));
    check("token-v1-form.txt", &form.seal(&keys, "cookie", "cancel"));
    let golden = |name: &str| fs::read_to_string(path(name)).unwrap();
    assert_eq!(Ticket::open(&golden("token-v1-ticket.txt"), &keys), Ok(ticket));
    assert_eq!(Ticket::open(&golden("token-v1-ticket-bound.txt"), &keys), Ok(bound));
    assert_eq!(Pass::open(&golden("token-v1-pass.txt"), &keys), Ok(pass));
    assert_eq!(Session::open(&golden("token-v1-session.txt"), &keys), Ok(session));
    assert_eq!(Slip::open(&golden("token-v1-slip.txt"), &keys), Ok(slip));
    assert_eq!(StaffSession::open(&golden("token-v1-staff-session.txt"), &keys), Ok(staff));
    assert_eq!(Errand::open(&golden("token-v1-errand.txt"), &keys), Ok(errand));
    assert_eq!(Csrf::open(&golden("token-v1-form.txt"), &keys, "cookie", "cancel"), Ok(form));
}

#[test]
fn golden_keys_are_derived_as_ever() {
    let keys = KeyRing::generate(9, *b"a golden key is no secret at all", Date(18_800));
    let person = keys.person_id("홍길동", Date(-5_000), "01012345678");
    let derived = format!(
        "file\n{}person {:032x}\ncommand {:032x}\nroom seed {}contact {}",
        keys.to_text().as_str(),
        person.0,
        keys.command_id(b"scope", b"key").0,
        to_hex(&keys.room_seed(RoomId(3), b"salt")),
        to_hex(&*keys.contact_key().1),
    );
    check("keys-v1.txt", &derived);
}

/// Remembered commands are recognised by a digest that snapshots keep. If it changed, with
/// the compiler or with the order of the commands, honest repeats would be refused.
#[test]
fn digests_of_commands_are_as_ever() {
    let digest_of = |(name, command): (&str, Command)| {
        format!("{name} {:016x}\n", jari_core::recent::digest(&command.body))
    };
    check("digests-v1.txt", &samples::commands().into_iter().map(digest_of).collect::<String>());
    let later = samples::commands_of_rules_2();
    check("digests-v1-rules-2.txt", &later.into_iter().map(digest_of).collect::<String>());
    let reminders = samples::commands_of_rules_3();
    check("digests-v1-rules-3.txt", &reminders.into_iter().map(digest_of).collect::<String>());
    let desks = samples::commands_of_rules_4();
    check("digests-v1-rules-4.txt", &desks.into_iter().map(digest_of).collect::<String>());
    let newest = samples::commands_of_rules_5();
    check("digests-v1-rules-5.txt", &newest.into_iter().map(digest_of).collect::<String>());
}
