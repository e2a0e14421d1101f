//! Waiting rooms in a snapshot. A room is its head, then its sequences; some of those
//! have tens of millions of elements, so each is an element of the section.

use std::collections::BTreeMap;
use std::io;

use jari_core::command::Text;
use jari_core::ids::{RoomId, Serial};
use jari_core::waiting_room::{Agents, Draw, Inside, Marks, Phase, Room, RoomConfig};

use super::SnapshotError;
use super::blocks::{BlockReader, BlockWriter};
use super::sections::{next_key, read_list, read_pairs, read_queue, write_list, write_queue};
use crate::codec::{Fault, Reader, Sink, Wire};
use crate::shapes::shapes;

/// Everything of a room but its sequences.
struct Head {
    config: RoomConfig,
    phase: Phase,
    paused: Option<Text>,
    notices: Vec<Text>,
    issued: u32,
    lobby: Option<u32>,
    draw: Option<Revealed>,
    called: u32,
    entered: u32,
    left: u32,
}

/// A draw as it is written: the rest of it is computed from these and the lobby's size.
struct Revealed {
    seed: [u8; 32],
    beacon: [u8; 32],
}

shapes! {
    Head { config, phase, paused, notices, issued, lobby, draw, called, entered, left }
    Revealed { seed, beacon }
}

/// Writes the rooms, with their telephone agents where the version has them.
pub(super) fn write(
    rooms: &BTreeMap<RoomId, Room>,
    with_agents: bool,
    out: &mut BlockWriter<'_>,
) -> io::Result<()> {
    out.element(&(rooms.len() as u64))?;
    for (id, room) in rooms {
        out.element(id)?;
        write_room(room, out)?;
        if with_agents {
            write_agents(&room.agents, out)?;
        }
    }
    Ok(())
}

pub(super) fn read(
    with_agents: bool,
    from: &mut BlockReader<'_>,
) -> Result<BTreeMap<RoomId, Room>, SnapshotError> {
    let len = from.element::<u64>()?;
    let mut rooms = BTreeMap::new();
    for _ in 0..len {
        let id = next_key(&rooms, from)?;
        let mut room = read_room(from)?;
        if with_agents {
            room.agents = read_agents(from)?;
        }
        rooms.insert(id, room);
    }
    Ok(rooms)
}

fn write_room(room: &Room, out: &mut BlockWriter<'_>) -> io::Result<()> {
    let Room {
        config,
        phase,
        paused,
        notices,
        issued,
        lobby,
        draw,
        called,
        marks,
        inside,
        ends,
        people,
        entered,
        left,
        controller,
        agents: _,
    } = room;
    out.element(&Head {
        config: config.clone(),
        phase: *phase,
        paused: paused.clone(),
        notices: notices.clone(),
        issued: *issued,
        lobby: *lobby,
        draw: draw.map(|draw| Revealed { seed: draw.seed, beacon: draw.beacon }),
        called: *called,
        entered: *entered,
        left: *left,
    })?;
    write_marks(marks, out)?;
    out.element(&(inside.len() as u64))?;
    for (serial, inside) in inside {
        out.element(&(*serial, *inside))?;
    }
    write_queue(ends, out)?;
    write_list(people, out)?;
    out.element(controller)
}

fn read_room(from: &mut BlockReader<'_>) -> Result<Room, SnapshotError> {
    let Head { config, phase, paused, notices, issued, lobby, draw, called, entered, left } =
        from.element()?;
    let draw = match (draw, lobby) {
        (None, _) => None,
        (Some(Revealed { seed, beacon }), Some(lobby)) => Some(Draw::reveal(seed, beacon, lobby)),
        (Some(_), None) => return Err(from.damaged(Fault::NotCanonical)),
    };
    Ok(Room {
        config,
        phase,
        paused,
        notices,
        issued,
        lobby,
        draw,
        called,
        marks: read_marks(from)?,
        inside: read_inside(from)?,
        ends: read_queue(from)?,
        people: read_list(from)?,
        entered,
        left,
        controller: from.element()?,
        agents: Agents::default(),
    })
}

fn write_agents(agents: &Agents, out: &mut BlockWriter<'_>) -> io::Result<()> {
    out.element(&(agents.share_permille, agents.credit))?;
    out.element(&(agents.issued, agents.passes().len() as u64))?;
    agents.passes().iter().try_for_each(|(serial, person)| out.element(&(*serial, *person)))
}

fn read_agents(from: &mut BlockReader<'_>) -> Result<Agents, SnapshotError> {
    let (share_permille, credit) = from.element::<(u32, u64)>()?;
    let (issued, len) = from.element::<(u32, u64)>()?;
    Ok(Agents::restore(share_permille, credit, issued, read_pairs(len, from)?))
}

fn write_marks(marks: &Marks, out: &mut BlockWriter<'_>) -> io::Result<()> {
    let words = marks.words();
    out.element(&(words.len() as u64))?;
    words.iter().try_for_each(|word| out.element(&word.to_le_bytes()))
}

fn read_marks(from: &mut BlockReader<'_>) -> Result<Marks, SnapshotError> {
    let len = from.element::<u64>()?;
    let mut words = Vec::new();
    for _ in 0..len {
        words.push(u64::from_le_bytes(from.element()?));
    }
    Ok(Marks::from_words(words))
}

fn read_inside(from: &mut BlockReader<'_>) -> Result<BTreeMap<Serial, Inside>, SnapshotError> {
    let len = from.element::<u64>()?;
    let mut inside: Vec<(Serial, Inside)> = Vec::new();
    for _ in 0..len {
        let entry = from.element::<(Serial, Inside)>()?;
        if inside.last().is_some_and(|(last, _)| *last >= entry.0) {
            return Err(from.damaged(Fault::NotCanonical));
        }
        inside.push(entry);
    }
    Ok(inside.into_iter().collect())
}
