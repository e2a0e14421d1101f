//! A journal that does not answer: nobody waits for it, and nothing is done twice when it does.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use jari_core::ids::{CommandId, RoomId};
use jari_core::{Body, Command, Outcome, Time};
use jari_journal::{
    AppendError, Chain, Entry, Journal, MemoryJournal, MemoryOptions, Position, ReadError, ReleaseError,
    SettleError, Told,
};
use jari_node::{Engine, EngineOptions, ManualClock, Node, NodeOptions, Rejected};

use crate::room::create_room;

/// Whether the journal may settle, and whoever waits for that.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn set(&self, shut: bool) {
        *self.0.0.lock().unwrap() = shut;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let shut = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(shut, |shut| *shut).unwrap());
    }
}

/// A journal in memory whose flushes wait at a gate, as those of a stream out of reach do.
struct Gated {
    journal: MemoryJournal,
    gate: Gate,
}

impl Journal for Gated {
    fn append(&mut self, payload: &[u8]) -> Result<(), AppendError> {
        self.journal.append(payload)
    }

    fn settle(&mut self, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), SettleError> {
        self.gate.pass();
        self.journal.settle(visit)
    }

    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.journal.read(after, visit)
    }

    /// As a stream does, others write to it.
    fn watch(&mut self, _: Told) -> bool {
        true
    }

    fn head(&self) -> (Position, Chain) {
        self.journal.head()
    }

    fn first(&self) -> Position {
        self.journal.first()
    }

    fn release(&mut self, upto: Position) -> Result<(), ReleaseError> {
        self.journal.release(upto)
    }

    fn record_bytes_max(&self) -> usize {
        self.journal.record_bytes_max()
    }
}

#[tokio::test]
async fn nobody_waits_for_a_journal_that_does_not_answer_and_nothing_is_done_twice() {
    let gate = Gate::default();
    let journal = Gated { journal: MemoryJournal::new(MemoryOptions::default()), gate: gate.clone() };
    let (engine, _) = Engine::recover(Box::new(journal), None, EngineOptions::default()).unwrap();
    let options = NodeOptions { stalled_after: Duration::from_millis(20), ..NodeOptions::default() };
    let node = Node::start(engine, Arc::new(ManualClock::at(Time(1_000))), options).unwrap();
    let handle = node.handle();
    handle.submit(create_room(1, 2_000)).await.unwrap();
    gate.set(true);
    // Whoever waits already is told, and whoever comes then is told at once.
    let join = || Command { id: CommandId(2), body: Body::Join { room: RoomId(1), count: 1 } };
    assert!(matches!(handle.submit(join()).await, Err(Rejected::Stalled { .. })));
    assert!(handle.status().stalled);
    assert!(matches!(handle.join(RoomId(1)).await, Err(Rejected::Stalled { .. })));
    assert_eq!(handle.read(|state| state.data().rooms[&RoomId(1)].issued), 0, "reads go on");
    gate.set(false);
    let outcome = loop {
        match handle.submit(join()).await {
            Ok(outcome) => break outcome,
            Err(Rejected::Stalled { .. }) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(matches!(outcome, Outcome::Joined { .. }), "{outcome:?}");
    assert!(!handle.status().stalled);
    // The first question was carried out in the end, and the second with its key was the same one.
    assert_eq!(handle.read(|state| state.data().rooms[&RoomId(1)].issued), 1);
    tokio::task::spawn_blocking(move || node.stop()).await.unwrap().unwrap();
}
