//! The key ring: its file, its rotation, and what must survive one.

use jari_core::ids::{BookingId, RoomId, Serial};
use jari_core::time::Date;
use jari_wire::keys::{KeyFileError, KeyRing};
use jari_wire::token::{Ticket, TokenError};

const OLD: &str = "1 0707070707070707070707070707070707070707070707070707070707070707 2021-06-22";
const NEW: &str = "2 0909090909090909090909090909090909090909090909090909090909090909 2021-09-30";

#[test]
fn a_key_file_is_read_back_as_it_was_written() {
    let ring = KeyRing::parse(&format!("# a comment\n\n{NEW}\n  {OLD}\n")).unwrap();
    assert_eq!(ring.ids().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(ring.newest_id(), 2);
    let text = ring.to_text();
    assert!(text.ends_with(&format!("{OLD}\n{NEW}\n")), "{}", text.as_str());
    assert_eq!(KeyRing::parse(&text).unwrap().to_text(), text);
}

#[test]
fn a_mistake_in_a_key_file_is_named_by_its_line() {
    let line = |text: &str| KeyRing::parse(text).err();
    assert_eq!(line(""), Some(KeyFileError::Empty));
    assert_eq!(line("# nothing"), Some(KeyFileError::Empty));
    assert_eq!(line(&format!("{OLD}\n{OLD}")), Some(KeyFileError::Twice { id: 1 }));
    for wrong in [
        &OLD.replace("2021-06-22", "2021-06-31"),
        &OLD.replace("2021-06-22", ""),
        &OLD.replace("0707", "07"),
        &OLD.replace("0707", "07g7"),
        &OLD.replace("1 0", "256 0"),
        &format!("{OLD} more"),
        &format!("{OLD} retired"),
        &format!("{OLD} retired 7 more"),
        &format!("{OLD} retired -7"),
        &OLD.replace("07070707", "한국07"),
    ] {
        assert_eq!(line(&format!("{NEW}\n{wrong}")), Some(KeyFileError::Line { line: 2 }), "{wrong}");
    }
    let many: String = (0..33).map(|id| format!("{}\n", OLD.replacen('1', &id.to_string(), 1))).collect();
    assert_eq!(line(&many), Some(KeyFileError::TooMany));
}

#[test]
fn people_seeds_and_command_ids_survive_a_rotation() {
    let before = KeyRing::parse(OLD).unwrap();
    let after = before.with(2, [9; 32], Date(18_900)).unwrap();
    let of = |ring: &KeyRing| {
        (
            ring.person_id("홍길동", Date(-3_000), "01012345678"),
            ring.room_seed(RoomId(4), b"salt"),
            ring.command_id(b"session", b"key"),
        )
    };
    assert_eq!(of(&before), of(&after));
    assert_eq!(before.contact_key_of(1), after.contact_key_of(1));
    assert_eq!(after.contact_key().0, 2);
    assert_eq!(after.contact_key_of(2).as_ref(), Some(&after.contact_key().1));
    assert_eq!(after.contact_key_of(3), None);
}

#[test]
fn a_new_key_never_becomes_the_oldest() {
    let ring = KeyRing::parse(OLD).unwrap();
    let made = ring.newest_id();
    let date = Date::from_civil(2021, 6, 22).unwrap();
    assert_eq!(ring.with(2, [9; 32], Date(date.0 - 1)).err(), Some(KeyFileError::Backdated));
    assert_eq!(ring.with(made, [9; 32], date).err(), Some(KeyFileError::Twice { id: 1 }));
    // Made on the same day, it is the newer of the two, in the file as well.
    let both = ring.with(2, [9; 32], date).unwrap();
    assert_eq!(KeyRing::parse(&both.to_text()).unwrap().newest_id(), 2);
}

#[test]
fn a_byte_moved_from_one_part_to_the_next_is_another_id() {
    let ring = KeyRing::parse(OLD).unwrap();
    assert_ne!(ring.command_id(b"ab", b"c"), ring.command_id(b"a", b"bc"));
    let person = |name, birth, telephone| ring.person_id(name, Date(birth), telephone);
    assert_ne!(person("a", 1, "bc"), person("ab", 1, "c"));
    assert_ne!(person("a", 1, "b"), person("a", 2, "b"));
    assert_ne!(ring.room_seed(RoomId(1), b""), ring.room_seed(RoomId(2), b""));
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", KeyRing::parse(&format!("{OLD}\n{NEW}")).unwrap());
    assert_eq!(printed, "[1, 2]");
}

#[test]
fn nothing_signed_before_a_restore_counts_and_no_booking_code_comes_twice() {
    let date = Date(20_000);
    let first = KeyRing::parse(OLD).unwrap();
    let second = first.restored(100, 2, [9; 32], date).unwrap();
    // The backup of that time is as old as ever, or one of the second life is restored.
    let third = second.restored(150, 3, [8; 32], date).unwrap();
    let again = KeyRing::parse(&third.to_text()).unwrap();
    assert_eq!(again.to_text(), third.to_text());

    let ticket = Ticket { room: RoomId(1), serial: Serial(7), person: None };
    for old in [&first, &second] {
        assert_eq!(Ticket::open(&ticket.seal(old), &again), Err(TokenError::UnknownKey));
    }
    assert_eq!(Ticket::open(&ticket.seal(&third), &again), Ok(ticket));

    let code = |ring: &KeyRing, booking| ring.booking_check(BookingId(booking));
    for kept in [0, 99] {
        assert_eq!(code(&first, kept), code(&again, kept), "what the backup holds keeps its code");
    }
    assert_ne!(code(&first, 100), code(&second, 100));
    assert_eq!(code(&second, 149), code(&again, 149));
    assert_ne!(code(&second, 150), code(&again, 150));
    assert_ne!(code(&first, 150), code(&again, 150));

    let person = |ring: &KeyRing| ring.person_id("홍길동", Date(-3_000), "01012345678");
    assert_eq!(person(&first), person(&again));
    assert_eq!(first.contact_key_of(1), again.contact_key_of(1), "contacts can still be opened");
    assert_eq!(KeyRing::parse(&format!("{OLD} retired 7")).err(), Some(KeyFileError::Retired));
}

#[test]
fn an_installation_keeps_its_name_through_rotations_and_gets_another_with_a_restore() {
    let first = KeyRing::parse(OLD).unwrap();
    let rotated = first.with(2, [9; 32], Date(18_900)).unwrap();
    let restored = rotated.restored(7, 3, [11; 32], Date(18_901)).unwrap();
    let again = restored.with(4, [13; 32], Date(18_902)).unwrap();
    assert_eq!(first.installation(), rotated.installation());
    assert_ne!(rotated.installation(), restored.installation());
    assert_eq!(restored.installation(), again.installation());
    assert_ne!(first.installation(), KeyRing::parse(NEW).unwrap().installation());
    // It is shown to receivers: it must not change with a build.
    assert_eq!(format!("{:016x}", first.installation()), "9d0ed5181c6b52cb");
}
