//! Whether the nodes are one service: the same public answers, and the same history in their
//! journals. Must never take two silences for agreement. Start at [`compare_answers`] and
//! [`compare_journals`].

use anyhow::Context as _;

use super::net::EACH;
use crate::{
    crash::visitor::Scene,
    live::{
        api::{self, Request},
        auditor::Faults,
        crowd::ask,
        http::Connection,
    },
};

/// What was compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Public answers compared over all nodes.
    pub answers: u64,
    /// Those that were not the same.
    pub differing: Faults,
    /// Journals that verify by themselves.
    pub verified: usize,
    /// Journals that do not.
    pub verify_faults: Vec<String>,
    /// The position up to which all journals were compared.
    pub position: Option<u64>,
    /// The chain hash there, if all have the same.
    pub chain: Option<String>,
    /// The state hash there, if all have the same.
    pub state: Option<String>,
}

/// Asks every node for every slot and room; nobody else may be sending.
pub async fn compare_answers(scene: &Scene, desks: &[u32]) -> anyhow::Result<Agreement> {
    let mut agreement = Agreement::default();
    let mut connections: Vec<Connection> =
        (0..EACH).map(|node| Connection::new(scene.nodes.target(node).clone())).collect();
    for desk in desks {
        let mut seen = Vec::new();
        for connection in &mut connections {
            let answer = ask(connection, api::slots(*desk)).await?;
            let slots: Vec<api::Slot> = api::read(&answer).context("the slots cannot be read")?;
            seen.push(slots.into_iter().map(|slot| (slot.slot, slot.supply)).collect::<Vec<_>>());
        }
        compare(&mut agreement, &format!("the slots of desk {desk}"), &seen);
    }
    for room in [scene.rooms.0, scene.rooms.1] {
        let mut seen = Vec::new();
        for connection in &mut connections {
            let answer = ask(connection, Request::new("GET", &format!("/api/v1/rooms/{room}"))).await?;
            let room: api::Room = api::read(&answer).context("a room cannot be read")?;
            seen.push((room.issued, room.entered, room.commitment));
        }
        compare(&mut agreement, &format!("room {room}"), &seen);
    }
    Ok(agreement)
}

fn compare<T: PartialEq + std::fmt::Debug>(agreement: &mut Agreement, what: &str, seen: &[T]) {
    agreement.answers += 1;
    if seen.windows(2).any(|pair| pair[0] != pair[1]) {
        let text = format!("{what}: {seen:?}");
        agreement.differing.add(text.chars().take(400).collect());
    }
}

/// Where journals end, by what `jari journal verify` says of each.
pub fn heads_of(said: &[String]) -> Vec<Option<u64>> {
    let head = |text: &String| field(text, "records")?.rsplit(' ').next()?.trim_end_matches(')').parse().ok();
    said.iter().map(head).collect()
}

/// Takes in what was said of whole journals, and of the part that all of them have.
pub fn compare_journals(whole: &[String], common: &[String], agreement: &mut Agreement) {
    for (node, said) in whole.iter().chain(common).enumerate() {
        if said.contains("all hold") {
            agreement.verified += 1;
        } else {
            agreement.verify_faults.push(format!("node {}: {said}", node % EACH + 1));
        }
    }
    agreement.position = heads_of(whole).into_iter().min().flatten();
    agreement.chain = same(common, "chain hash");
    agreement.state = same(common, "state hash");
}

/// The field that all have alike, of as many as there are nodes.
fn same(said: &[String], name: &str) -> Option<String> {
    let mut all = said.iter().map(|text| field(text, name));
    let first = all.next()??;
    (said.len() == EACH && all.all(|other| other == Some(first))).then(|| first.to_string())
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    Some(text.lines().find_map(|line| line.strip_prefix(name))?.trim())
}
