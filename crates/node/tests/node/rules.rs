//! Nodes of different builds, nodes that compare their states, and nodes that hear each other.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use jari_core::ids::{CommandId, RoomId, Serial};
use jari_core::{Body, Command, Outcome, Reason, Time, limits, step};
use jari_journal::{
    FaultyDisk, FaultyStream, FileOptions, Journal, MemoryJournal, MemoryOptions, Position,
    ReplicatedJournal, ReplicatedOptions, Stream,
};
use jari_node::{
    Engine, EngineOptions, ManualClock, Node, NodeOptions, RecoverError, SystemClock, TurnError,
};

use crate::room::{self, create_room, join};

const AT: u64 = 1_626_260_400_000;

fn plain(body: Body) -> Command {
    Command { id: CommandId(0), body }
}

fn upgrade(rules: u32) -> Command {
    plain(Body::Upgrade { rules })
}

/// One machine of a cluster: its disk, its number, and how often it was started.
struct Machine {
    disk: FaultyDisk,
    stream: FaultyStream,
    node: u16,
    life: u32,
}

impl Machine {
    fn new(stream: &FaultyStream, node: u16) -> Machine {
        Machine { disk: FaultyDisk::new(u64::from(node)), stream: stream.clone(), node, life: 0 }
    }

    fn start(&mut self, knows: u32) -> Result<Engine, RecoverError> {
        self.life += 1;
        let life = u64::from(self.node) << 32 | u64::from(self.life);
        let replicated = ReplicatedOptions { life, tries_max: 3 };
        let files = FileOptions::new("/journal");
        let disk = Arc::new(self.disk.clone());
        let (journal, _) = ReplicatedJournal::open_on(disk, self.stream.clone(), files, replicated)
            .expect("the journal opens");
        let options = EngineOptions { node: self.node, life: self.life, knows, ..EngineOptions::default() };
        Engine::recover(Box::new(journal), None, options).map(|(engine, _)| engine)
    }
}

fn turn(engine: &mut Engine, commands: &[Command], at: u64) -> Result<Vec<Outcome>, TurnError> {
    room::turn(engine, commands, AT + at)
}

fn rules(engine: &Engine) -> u32 {
    engine.read(|state| state.data().rules)
}

fn alone(knows: u32) -> Engine {
    let journal = MemoryJournal::new(MemoryOptions::default());
    let options = EngineOptions { knows, ..EngineOptions::default() };
    Engine::recover(Box::new(journal), None, options).expect("nothing to recover").0
}

#[test]
fn a_new_journal_says_itself_which_rules_it_begins_with() {
    let mut engine = alone(2);
    assert_eq!(rules(&engine), 1, "until something is written, nothing is known");
    assert_eq!(turn(&mut engine, &[create_room(0, u64::MAX / 2), join(1)], 0).unwrap().len(), 2);
    assert_eq!((rules(&engine), engine.applied().0.0), (2, 2));
    let mut old = alone(1);
    turn(&mut old, &[create_room(0, u64::MAX / 2)], 0).unwrap();
    assert_eq!((rules(&old), old.applied().0.0), (1, 1));
}

#[test]
fn of_two_nodes_that_begin_a_stream_at_once_one_makes_the_rules_count() {
    let stream = FaultyStream::new(1 << 20);
    let (mut one, mut two) = (Machine::new(&stream, 1), Machine::new(&stream, 2));
    let (mut one, mut two) = (one.start(2).unwrap(), two.start(2).unwrap());
    turn(&mut one, &[create_room(0, u64::MAX / 2)], 0).unwrap();
    assert_eq!(turn(&mut two, &[join(1)], 1).unwrap(), [Outcome::Joined { first: Serial(0), count: 1 }]);
    one.hear().unwrap();
    assert_eq!(one.applied(), two.applied());
    assert!(one.read(|one| two.read(|two| one.data() == two.data())));
}

#[test]
fn an_old_build_stops_at_an_upgrade_and_a_newer_one_goes_on_from_its_files() {
    let stream = FaultyStream::new(1 << 20);
    let (mut one, mut two) = (Machine::new(&stream, 1), Machine::new(&stream, 2));
    let mut old = one.start(1).unwrap();
    turn(&mut old, &[create_room(0, u64::MAX / 2)], 0).unwrap();
    let mut new = two.start(2).unwrap();
    // While one node is old, neither an upgrade at it nor what newer rules brought gets in.
    let refused = Outcome::refused(Reason::RulesUnknown);
    assert_eq!(turn(&mut old, &[upgrade(2)], 1).unwrap(), [refused]);
    let ask = plain(Body::TakeLease { node: 2, life: 1 });
    assert_eq!(turn(&mut new, std::slice::from_ref(&ask), 2).unwrap(), [refused]);
    old.hear().expect("an old build can read all that is there");
    // It counts from the next command on; what asks for it in the same batch comes too early.
    let answers = turn(&mut new, &[join(1), upgrade(2), join(1), ask.clone()], 3).unwrap();
    let joined = |first| Outcome::Joined { first: Serial(first), count: 1 };
    assert_eq!(answers, [joined(0), Outcome::Done, joined(1), refused]);
    let until = Time(AT + 4 + limits::LEASE_MS);
    assert_eq!(turn(&mut new, &[ask], 4).unwrap(), [Outcome::Leased { until }]);

    let stopped = old.hear().expect_err("the old build stops");
    assert!(matches!(stopped, TurnError::Rules { needs: 2, knows: 1, .. }), "{stopped}");
    assert!(stopped.to_string().contains("install a newer one and start again"), "{stopped}");
    drop(old);
    let again = one.start(1).err().expect("and does not start");
    assert!(matches!(again, RecoverError::Rules { needs: 2, knows: 1, .. }), "{again}");
    let mut upgraded = one.start(2).expect("a newer build starts on the same files");
    let answers = turn(&mut upgraded, &[join(1), plain(Body::TakeLease { node: 1, life: 3 })], 5).unwrap();
    assert_eq!(answers, [joined(2), Outcome::refused_with(Reason::LeaseHeld, 2 << 48 | until.0)]);
    new.hear().unwrap();
    assert!(new.read(|one| upgraded.read(|two| one.data() == two.data())));
}

#[test]
fn a_snapshot_under_newer_rules_is_not_used_by_an_old_build() {
    let mut engine = alone(2);
    turn(&mut engine, &[create_room(0, u64::MAX / 2)], 0).unwrap();
    let (position, chain, data) = engine.freeze();
    let meta =
        jari_wire::snapshot::SnapshotMeta { position: position.0, chain: chain.0, state_hash: [0; 32] };
    let journal = MemoryJournal::new(MemoryOptions::default());
    let options = EngineOptions { knows: 1, ..EngineOptions::default() };
    let refused =
        Engine::recover(Box::new(journal), Some((meta, data)), options).err().expect("it is refused");
    assert!(matches!(refused, RecoverError::Rules { needs: 2, knows: 1, .. }), "{refused}");
}

/// Asks a node for its checkpoint, which must be due, and takes it through the journal.
fn checkpoint(engine: &mut Engine, at: u64) -> Result<Vec<Outcome>, TurnError> {
    let command = engine.checkpoint_due(true).expect("there was a command since the last");
    turn(engine, &[command], at)
}

#[test]
fn nodes_that_agree_say_so_and_one_that_differs_stops_with_the_others() {
    let stream = FaultyStream::new(1 << 20);
    let (mut one, mut two) = (Machine::new(&stream, 1), Machine::new(&stream, 2));
    let (mut one, mut two) = (one.start(2).unwrap(), two.start(2).unwrap());
    turn(&mut one, &[create_room(0, u64::MAX / 2)], 0).unwrap();
    assert_eq!(two.checkpoint_due(true), None, "it has heard of nothing");
    checkpoint(&mut one, 1).unwrap();
    assert_eq!(one.checkpoint_due(true), None, "an idle service compares nothing again");
    turn(&mut one, &[join(1)], 2).unwrap();
    two.hear().unwrap();
    checkpoint(&mut two, 3).unwrap();
    turn(&mut two, &[join(1)], 4).unwrap();
    one.hear().unwrap();
    checkpoint(&mut one, 5).unwrap();
    two.hear().expect("they agree");

    // A bit flips in the memory of one: it counts a ticket that nobody took.
    step(&mut one.state().write().unwrap(), &join(1), Time(AT + 5));
    turn(&mut two, &[join(1)], 6).unwrap();
    one.hear().unwrap();
    checkpoint(&mut two, 7).unwrap();
    one.hear().expect("this one says what the state was before");
    turn(&mut two, &[join(1)], 8).unwrap();
    checkpoint(&mut two, 9).unwrap();
    let stopped = one.hear().expect_err("now it shows");
    assert!(matches!(stopped, TurnError::Differs { node: 2, me: 1, .. }), "{stopped}");
    // Which of them is wrong neither can know, so the other one hears of it and stops, too.
    let stopped = two.hear().expect_err("and hears that it is contradicted");
    assert!(matches!(stopped, TurnError::Differs { node: 1, me: 2, .. }), "{stopped}");
}

#[test]
fn a_replay_compares_itself_with_the_checkpoints_in_the_journal() {
    let stream = FaultyStream::new(1 << 20);
    let mut machine = Machine::new(&stream, 1);
    let mut engine = machine.start(2).unwrap();
    turn(&mut engine, &[create_room(0, u64::MAX / 2)], 0).unwrap();
    for number in 0..3 {
        checkpoint(&mut engine, 1 + 2 * number).unwrap();
        turn(&mut engine, &[join(1)], 2 + 2 * number).unwrap();
    }
    drop(engine);
    let journal = ReplicatedJournal::open_on(
        Arc::new(machine.disk.clone()),
        stream.clone(),
        FileOptions::new("/journal"),
        ReplicatedOptions { life: 99, tries_max: 3 },
    );
    let (journal, _) = journal.expect("it opens");
    let (_, recovered) = Engine::recover(Box::new(journal), None, EngineOptions::default()).unwrap();
    assert_eq!(recovered.checkpoints, (2, 0), "the first has nothing to be compared with");
}

/// A running node of a cluster, with real threads.
fn node(stream: &FaultyStream, number: u16, clock: Arc<dyn jari_node::Clock>) -> Node {
    let engine = Machine::new(stream, number).start(2).expect("it starts");
    Node::start(engine, clock, NodeOptions::default()).expect("the node starts")
}

/// Counts the records of a stream as they come.
fn records(stream: &FaultyStream) -> mpsc::Receiver<u64> {
    let (sender, receiver) = mpsc::channel();
    // Whoever has counted enough no longer listens.
    let tell = move |position: Position| {
        let _ = sender.send(position.0);
    };
    stream.clone().watch(Arc::new(tell));
    receiver
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_has_answered_is_found_at_another_that_writes_nothing() {
    let stream = FaultyStream::new(1 << 20);
    // Clocks that stand still: neither node ever has a tick to write.
    let clock = Arc::new(ManualClock::at(Time(AT)));
    let (one, two) = (node(&stream, 1, clock.clone()), node(&stream, 2, clock));
    let (ours, theirs) = (one.handle(), two.handle());
    ours.submit(create_room(0, u64::MAX / 2)).await.unwrap();
    for number in 0..50 {
        let serial = ours.join(RoomId(1)).await.unwrap().unwrap();
        assert_eq!(serial, Serial(number));
        let issued = theirs.find(|state| {
            let issued = state.data().rooms.get(&RoomId(1))?.issued;
            (issued > number).then_some(issued)
        });
        assert_eq!(issued.await, Some(number + 1), "it is heard without a tick");
    }
    let unknown = theirs.find(|state| state.data().rooms.get(&RoomId(9)).map(drop));
    assert_eq!(unknown.await, None, "what nobody made stays unknown");
    for node in [one, two] {
        tokio::task::spawn_blocking(move || node.stop()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn alone_nothing_is_waited_for() {
    let journal = MemoryJournal::new(MemoryOptions::default());
    let (engine, _) = Engine::recover(Box::new(journal), None, EngineOptions::default()).unwrap();
    let clock = Arc::new(ManualClock::at(Time(AT)));
    let node = Node::start(engine, clock, NodeOptions::default()).unwrap();
    let began = Instant::now();
    assert_eq!(node.handle().find(|state| state.data().rooms.get(&RoomId(9)).map(drop)).await, None);
    assert!(began.elapsed() < Duration::from_millis(290), "there is nobody to hear of");
    tokio::task::spawn_blocking(move || node.stop()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_nodes_together_write_as_many_ticks_as_one() {
    let stream = FaultyStream::new(1 << 20);
    let records = records(&stream);
    let began = Instant::now();
    let nodes: Vec<Node> = (1..=4).map(|number| node(&stream, number, Arc::new(SystemClock))).collect();
    let count = tokio::task::spawn_blocking(move || records.iter().take(16).count());
    assert_eq!(count.await.unwrap(), 16);
    // Four nodes that each wrote four a second would need one second; the first records, which
    // all of them may write, and one round of stepping in are few.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_800), "16 records in {took:?}");
    for node in nodes {
        tokio::task::spawn_blocking(move || node.stop()).await.unwrap().unwrap();
    }
}

#[test]
fn a_journal_of_one_writer_never_tells() {
    let mut journal = MemoryJournal::new(MemoryOptions::default());
    assert!(!journal.watch(Arc::new(|position| panic!("told of {position}"))));
    journal.append(b"record").unwrap();
    journal.settle(&mut |_| {}).unwrap();
}
