//! Records: their size, their limits, and what becomes of damaged ones.

use jari_core::command::Text;
use jari_core::ids::{CommandId, DeskId, PersonId, RoomId};
use jari_core::limits;
use jari_core::{Body, Command, Time};
use jari_wire::record::{self, COMMAND_BYTES_MAX, DecodeError, HEAD_BYTES, RecordWriter, encoded_len_max};
use jari_wire::{BYTES_MAX, Fault, LIST_MAX};
use proptest::prelude::*;

use crate::golden::{record_of, records};
use crate::samples;
use crate::strategies::command;

/// Decodes bytes; what decodes must encode to the same bytes again.
fn is_canonical(bytes: &[u8]) -> bool {
    let Ok(record) = record::decode(bytes) else { return false };
    let mut writer = RecordWriter::new();
    writer.begin(record.head.node, record.head.sequence, record.head.at);
    for command in &record.commands {
        writer.push(command).expect("what was decoded can be written");
    }
    assert_eq!(writer.finish(), bytes, "{record:?}");
    true
}

#[test]
fn no_truncated_record_decodes() {
    for (name, commands) in records() {
        let bytes = record_of(&commands);
        for len in 0..bytes.len() {
            assert!(record::decode(&bytes[..len]).is_err(), "{name} cut to {len} bytes");
        }
    }
}

#[test]
fn a_record_with_one_changed_byte_is_refused_or_means_what_it_says() {
    for (_, commands) in records() {
        let bytes = record_of(&commands);
        let mut accepted = 0;
        for at in 0..bytes.len() {
            for change in 1..=255 {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                accepted += u32::from(is_canonical(&changed));
            }
        }
        assert!(accepted > 0, "a changed instant still is an instant");
    }
}

#[test]
fn bytes_after_a_record_are_refused() {
    let mut bytes = record_of(&[]);
    bytes.push(0);
    let damage = DecodeError::Damaged { at: HEAD_BYTES, fault: Fault::LeftOver };
    assert_eq!(record::decode(&bytes), Err(damage));
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let mut bytes = record_of(&[]);
    bytes[0] = 2;
    assert_eq!(record::decode(&bytes), Err(DecodeError::Newer { version: 2 }));
    assert_eq!(record::decode_head(&bytes), Err(DecodeError::Newer { version: 2 }));
    bytes[0] = 0;
    assert!(matches!(record::decode(&bytes), Err(DecodeError::Damaged { .. })));
    assert!(matches!(record::decode(&[]), Err(DecodeError::Damaged { .. })));
}

#[test]
fn a_count_that_the_bytes_cannot_hold_is_refused_without_allocating_for_it() {
    let mut bytes = record_of(&[]);
    bytes[HEAD_BYTES - 4..].fill(0xff);
    let damage = DecodeError::Damaged { at: HEAD_BYTES, fault: Fault::EndsEarly };
    assert_eq!(record::decode(&bytes), Err(damage));
}

#[test]
fn numbers_have_one_form_only() {
    let mut bytes = record_of(&[Command { id: CommandId(0), body: Body::ResumeRoom { room: RoomId(0) } }]);
    assert!(is_canonical(&bytes));
    // The room 0 once more, in two bytes instead of one.
    *bytes.last_mut().unwrap() = 0x80;
    bytes.push(0);
    assert!(matches!(record::decode(&bytes), Err(DecodeError::Damaged { fault: Fault::NotCanonical, .. })));
}

#[test]
fn a_campaign_without_reminders_is_written_as_before_there_were_any() {
    let [(_, with)] = &samples::commands_of_rules_3()[..] else { panic!("there is one") };
    let mut bytes = record_of(std::slice::from_ref(with));
    assert!(is_canonical(&bytes));
    // The reminder is what comes last: 86,400,000 in four bytes.
    bytes.truncate(bytes.len() - 4);
    bytes.push(0);
    assert!(matches!(record::decode(&bytes), Err(DecodeError::Damaged { fault: Fault::NotCanonical, .. })));
}

#[test]
fn every_tag_has_a_golden_record() {
    let later = samples::commands_of_rules_2().into_iter().chain(samples::commands_of_rules_3());
    let commands = samples::commands().into_iter().chain(later);
    let golden: Vec<u8> = commands.map(|(_, command)| tag_of(&command)).collect();
    for tag in 0..0x80 {
        let mut bytes = record_of(&[]);
        bytes[HEAD_BYTES - 4] = 1;
        bytes.push(tag);
        let unknown = DecodeError::Damaged { at: HEAD_BYTES + 1, fault: Fault::UnknownTag };
        assert_eq!(record::decode(&bytes) == Err(unknown), !golden.contains(&tag), "tag {tag}");
    }
}

fn tag_of(command: &Command) -> u8 {
    record_of(&[Command { id: CommandId(0), body: command.body.clone() }])[HEAD_BYTES]
}

#[test]
fn what_happens_by_the_million_is_small() {
    let len = |body| encoded_len_max(&Command { id: CommandId(u128::MAX), body });
    assert!(len(samples::hold()) <= 60);
    for (name, command) in samples::commands() {
        let limit = match name {
            "confirm" | "cancel" => 40,
            "enter" | "leave" | "join" => 24,
            _ => continue,
        };
        assert!(len(command.body) <= limit, "{name}");
    }
}

#[test]
fn a_command_beyond_the_limits_is_turned_away_and_leaves_the_record_whole() {
    let text = |bytes: usize| Text::from("x".repeat(bytes));
    let pause = |bytes| Body::PauseRoom { room: RoomId(1), reason: text(bytes) };
    let notices = |count, bytes| Body::SetNotices { room: RoomId(1), notices: vec![text(bytes); count] };
    let contact = |bytes| Body::KeepContact { person: PersonId(1), sealed: vec![0; bytes].into() };
    let fits = [pause(BYTES_MAX), notices(LIST_MAX, 1), contact(BYTES_MAX), notices(30, BYTES_MAX)];
    let unfit =
        [pause(BYTES_MAX + 1), notices(LIST_MAX + 1, 1), contact(BYTES_MAX + 1), notices(40, BYTES_MAX)];
    let mut writer = RecordWriter::new();
    for (fits, unfit) in fits.into_iter().zip(unfit) {
        let before = writer.len();
        assert!(writer.push(&Command { id: CommandId(1), body: unfit }).is_err());
        assert_eq!(writer.len(), before);
        writer.push(&Command { id: CommandId(1), body: fits }).unwrap();
    }
    assert_eq!(writer.count(), 4);
    assert!(is_canonical(writer.finish()));
}

#[test]
fn core_gets_to_see_and_refuse_what_is_just_beyond_its_own_limits() {
    const { assert!(BYTES_MAX > limits::TEXT_BYTES_MAX * 2 && BYTES_MAX > limits::CONTACT_BYTES_MAX * 2) };
    const { assert!(LIST_MAX >= limits::SLOTS_PER_COMMAND_MAX * 2) };
    // The longest command core accepts, with every number as long as can be.
    let slot = jari_core::booking::SlotSpec {
        starts_at: Time(u64::MAX),
        vaccine: jari_core::ids::VaccineId(u16::MAX),
        capacity: u32::MAX,
    };
    let slots = vec![slot; limits::SLOTS_PER_COMMAND_MAX];
    let command = Command { id: CommandId(1), body: Body::AddSlots { desk: DeskId(u32::MAX), slots } };
    assert!(encoded_len_max(&command) <= COMMAND_BYTES_MAX / 2);
}

proptest! {
    #[test]
    fn any_commands_survive_the_round_trip(
        commands in prop::collection::vec(command(), 0..8),
        node: u16, sequence: u64, at: u64,
    ) {
        let mut writer = RecordWriter::new();
        writer.begin(node, sequence, Time(at));
        for command in &commands {
            let before = writer.len();
            writer.push(command).unwrap();
            prop_assert_eq!(writer.len() - before, encoded_len_max(command));
        }
        let record = record::decode(writer.finish()).unwrap();
        prop_assert_eq!(record.head.node, node);
        prop_assert_eq!(record.head.sequence, sequence);
        prop_assert_eq!(record.head.at, Time(at));
        prop_assert_eq!(record.head.count as usize, commands.len());
        prop_assert_eq!(record.commands, commands);
    }

    #[test]
    fn any_bytes_are_refused_or_mean_what_they_say(
        count in 0_u32..4, tag in 0_u8..60, bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut record = record_of(&[]);
        record[HEAD_BYTES - 4..].copy_from_slice(&count.to_le_bytes());
        record.push(tag);
        record.extend(bytes);
        is_canonical(&record);
    }
}
