//! Questions that the drill asks of one node in particular: is it back, and what does it say while it
//! cannot write.
//!
//! What they are given they tell the book, like anybody else. Must never go on for ever: a node that
//! does not come back is a finding. Start at [`first_writes`].

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::net::EACH;
use crate::{
    crash::visitor::Scene,
    live::{
        api,
        http::{Connection, HttpError},
    },
};

/// A node that takes no write for so long after a fault does not come back.
pub const BACK_MAX: Duration = Duration::from_secs(60);
/// Someone waits so long for an answer, then presses again.
const PATIENCE: Duration = Duration::from_millis(1_500);
const AGAIN_AFTER: Duration = Duration::from_millis(20);
/// A node that cannot write has to say so within this.
const SAYS_WITHIN: Duration = Duration::from_secs(10);
/// It may take a write that is on its way for lost only after this.
const ASKED_AFTER: Duration = Duration::from_millis(1_500);

/// What a node that cannot write was seen to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which node, from 0.
    pub node: usize,
    /// Pages were read meanwhile.
    pub reads: bool,
    /// The status and code of its answer to a write, and whether it said when to come back; nothing
    /// if there was no answer.
    pub answer: Option<(u16, String, bool)>,
    /// How long the answer took.
    pub after: Duration,
}

/// From `since` to the first write that each node acknowledges; nothing for one that does not.
pub async fn first_writes(scene: &Arc<Scene>, since: Instant) -> Vec<Option<Duration>> {
    let mut asking = JoinSet::new();
    for node in 0..EACH {
        let scene = Arc::clone(scene);
        asking.spawn(async move { (node, first_write(&scene, node, since).await) });
    }
    let mut back: Vec<(usize, Option<Duration>)> = asking.join_all().await;
    back.sort_unstable_by_key(|(node, _)| *node);
    back.into_iter().map(|(_, time)| time).collect()
}

async fn first_write(scene: &Scene, node: usize, since: Instant) -> Option<Duration> {
    let request = api::join(scene.rooms.1, None, None).into_bytes();
    let mut connection = Connection::new(scene.nodes.target(node).clone());
    while since.elapsed() < BACK_MAX {
        if let Ok(answer) = connection.send(&request, PATIENCE).await
            && let Some(api::Joined { ticket_token: Some(ticket), serial: Some(serial), .. }) =
                api::read(&answer)
        {
            scene.book.lock().walked_in(serial, ticket.into());
            return Some(since.elapsed());
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    None
}

/// What a node that cannot write says, and whether it can be read.
pub async fn refusal_of(scene: Arc<Scene>, node: usize) -> Refused {
    tokio::time::sleep(ASKED_AFTER).await;
    let target = scene.nodes.target(node);
    let mut connection = Connection::new(target.clone());
    let asked = Instant::now();
    let request = api::join(scene.rooms.1, None, None).into_bytes();
    let answer = connection.send(&request, SAYS_WITHIN).await;
    let after = asked.elapsed();
    if let Ok(answer) = &answer
        && let Some(api::Joined { ticket_token: Some(ticket), serial: Some(serial), .. }) = api::read(answer)
    {
        scene.book.lock().walked_in(serial, ticket.into());
    }
    let said = match answer {
        Ok(answer) => {
            let (code, again_ms) = api::problem(&answer);
            Some((answer.status, code, again_ms.is_some()))
        }
        Err(
            HttpError::Timeout | HttpError::Connect(_) | HttpError::Broken(_) | HttpError::NotUnderstood(_),
        ) => None,
    };
    let mut reader = Connection::new(target.clone());
    let read = reader.send(&api::now(scene.rooms.0).into_bytes(), PATIENCE).await;
    Refused { node, reads: read.is_ok_and(|answer| answer.is_success()), answer: said, after }
}
