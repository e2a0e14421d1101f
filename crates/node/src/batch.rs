//! From waiting requests to one batch of commands, and from outcomes back to those who
//! wait.
//!
//! It must never spend anything on a request whose sender has gone away.

use std::collections::BTreeMap;

use jari_core::ids::{CommandId, RoomId, Serial};
use jari_core::{Body, Command, Outcome, Refusal, limits};
use metrics::counter;
use tokio::sync::oneshot;

use crate::handle::{FULL_RETRY_MS, Rejected};

/// Where an answer is waited for.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Rejected>>;

/// What waits in the mailbox.
pub(crate) enum Request {
    Submit(Command, Reply<Outcome>),
    Join(RoomId, Reply<Result<Serial, Refusal>>),
    /// Nobody has come for a while.
    Tick,
    /// Others have written.
    Hear,
    Stop,
}

/// Who waits for which command of a batch.
pub(crate) enum Waiting {
    One(Reply<Outcome>),
    Joins(Vec<Reply<Result<Serial, Refusal>>>),
    Nobody,
}

/// What the loop takes at a time.
pub(crate) struct Batch {
    pub commands: Vec<Command>,
    /// Who waits for each of them.
    pub waiting: Vec<Waiting>,
    pub stop: bool,
    pub tick: bool,
}

/// Turns requests into commands. Those whose sender has gone away are dropped: nobody
/// would hear the answer. Joins of one room become one command.
pub(crate) fn batch_of(gathered: &mut Vec<Request>) -> Batch {
    let mut commands = Vec::with_capacity(gathered.len());
    let mut waiting = Vec::with_capacity(gathered.len());
    let mut joins: BTreeMap<RoomId, Vec<Reply<Result<Serial, Refusal>>>> = BTreeMap::new();
    let (mut stop, mut tick) = (false, false);
    for request in gathered.drain(..) {
        match request {
            Request::Submit(command, reply) if !reply.is_closed() => {
                commands.push(command);
                waiting.push(Waiting::One(reply));
            }
            Request::Join(room, reply) if !reply.is_closed() => joins.entry(room).or_default().push(reply),
            Request::Submit(..) | Request::Join(..) => {
                counter!("jari_rejected_total", "why" => "gone").increment(1);
            }
            Request::Tick => tick = true,
            Request::Hear => {}
            Request::Stop => stop = true,
        }
    }
    for (room, mut replies) in joins {
        while !replies.is_empty() {
            let rest = replies.split_off(replies.len().min(limits::JOINS_PER_COMMAND_MAX as usize));
            let count = replies.len() as u32;
            commands.push(Command { id: CommandId(0), body: Body::Join { room, count } });
            waiting.push(Waiting::Joins(replies));
            replies = rest;
        }
    }
    Batch { commands, waiting, stop, tick }
}

/// Answers those whose commands came through; the others hear that the disk is full.
pub(crate) fn answer(waiting: Vec<Waiting>, outcomes: &[Outcome]) {
    let disk_full = Rejected::DiskFull { retry_after_ms: FULL_RETRY_MS };
    for (index, waiting) in waiting.into_iter().enumerate() {
        let outcome = outcomes.get(index).copied().ok_or(disk_full);
        // A sender that has gone away meanwhile misses its answer and asks again.
        match waiting {
            Waiting::One(reply) => {
                let _ = reply.send(outcome);
            }
            Waiting::Joins(replies) => answer_joins(replies, outcome),
            Waiting::Nobody => {}
        }
    }
}

fn answer_joins(replies: Vec<Reply<Result<Serial, Refusal>>>, outcome: Result<Outcome, Rejected>) {
    for (offset, reply) in replies.into_iter().enumerate() {
        let answer = outcome.map(|outcome| match outcome {
            Outcome::Joined { first, .. } => Ok(Serial(first.0 + offset as u32)),
            Outcome::Refused(refusal) => Err(refusal),
            other => unreachable!("a join came to {other:?}"),
        });
        let _ = reply.send(answer);
    }
}
