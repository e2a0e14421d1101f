//! A further node, made from the backup of another one while that serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::nodes::{identify, sign_in, stage, text};
use crate::place::{Place, Running, field};
use crate::servers::{Cluster, wall_clock};

const TICKETS: &str = "/api/v1/rooms/2/tickets";
const PLACE: &str = "/api/v1/rooms/2/place";
/// Callers who take one number after the other.
const CALLERS: usize = 4;
/// Numbers that are given out before and after a backup, at least.
const NUMBERS: usize = 200;

/// Everybody's tickets, in the order in which they were acknowledged.
#[derive(Default)]
struct Line {
    tickets: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Line {
    fn len(&self) -> usize {
        self.tickets.lock().unwrap().len()
    }

    /// Takes numbers at a node until the line is over.
    fn stand(&self, node: &Running) {
        while !self.is_over.load(Ordering::Relaxed) {
            let (status, answer) = node.nobody().ask("POST", TICKETS, Some(&json!({})));
            assert!(matches!(status, 201 | 503), "{status} {answer}");
            if status == 201 {
                self.tickets.lock().unwrap().push(text(&answer, "ticket_token"));
            }
        }
    }

    fn until(&self, len: usize, node: &Running) {
        while self.len() < len {
            node.nobody().get("/healthz");
        }
    }
}

/// Ends the line also when a test fails, or its callers would never go.
struct Ending<'a>(&'a Line);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

fn backup_of(place: &Place, to: PathBuf) -> String {
    let to = to.to_str().unwrap().to_owned();
    place.prints(&["backup", "data", "--to", &to]);
    to
}

fn has_snapshot(place: &Place) -> bool {
    let mut entries = fs::read_dir(place.dir.join("data/snapshots")).unwrap();
    entries.any(|entry| entry.unwrap().path().extension().is_some_and(|end| end == "snapshot"))
}

/// A number that stands behind a name in a log.
fn logged(log: &str, name: &str) -> u64 {
    let at = log.find(name).unwrap_or_else(|| panic!("no {name}: {log}")) + name.len();
    let digits: String = log[at..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Nodes that have stopped, each brought up to the end of the stream in a further one: one history, one
/// state.
fn is_one_history(nodes: [(&Place, &Place); 2]) {
    let ends = nodes.map(|(from, to)| {
        let backup = backup_of(from, to.dir.join("backup"));
        to.prints(&["join", &backup, "--config", "jari.toml"]);
        to.prints(&["journal", "verify", "data"])
    });
    for name in ["chain hash", "state hash", "rules", "bookings"] {
        assert_eq!(field(&ends[0], name), field(&ends[1], name), "{name}");
    }
    assert!(ends.iter().all(|end| !end.contains("DIFFERS")), "{ends:?}");
}

#[test]
fn a_node_joins_from_a_backup_while_another_serves() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let places = [1, 2, 3, 4].map(|node| Place::new(dir.path(), node, &cluster));
    let [first, second, third, fourth] = &places;
    for place in &places {
        place.set("demo = true\nsecure_cookies = false");
        place.set_after("listen = \"127.0.0.1:0\"", "limits = { joins_per_second_per_network = 1000000 }");
    }
    // Of the beginning nothing is left at the first one but what its snapshots hold.
    let lively = "keep_all = false\nsegment_bytes_max = 20000\nsnapshot_every_commands = 60";
    first.set_after("kind = \"jetstream\"", lively);
    let mut a = first.serve();
    let password = a.password();
    let staff = text(&sign_in(&a, &password, 201), "staff_token");
    stage(&a, &staff, wall_clock()());
    let session = identify(&a, &a, "01000000001");
    a.nobody().until("GET", "/api/v1/rooms/2", |status, _| status == 200);

    let line = Line::default();
    let (b, snapshot) = std::thread::scope(|scope| {
        let _ending = Ending(&line);
        for _ in 0..CALLERS {
            scope.spawn(|| line.stand(&a));
        }
        line.until(NUMBERS, &a);
        while !has_snapshot(first) {
            a.nobody().get("/healthz");
        }
        let before = line.len();
        let backup = backup_of(first, dir.path().join("backup"));
        line.until(before + NUMBERS, &a);
        let said = second.prints(&["join", &backup, "--config", "jari.toml"]);
        let snapshot: u64 = field(&said, "snapshot").parse().unwrap();
        assert!(snapshot > 0 && !said.contains("(0 of them"), "it took what came since: {said}");
        assert!(!second.dir.join("data/joining").exists());
        let taken = line.len();
        let b = second.serve();
        line.until(taken + NUMBERS, &a);
        let tickets = line.tickets.lock().unwrap().clone();
        assert!(tickets.len() >= before + 2 * NUMBERS);
        for ticket in &tickets {
            b.bearing(ticket).until("GET", PLACE, |status, _| status == 200);
        }
        (b, snapshot)
    });
    sign_in(&b, &password, 201);
    assert_eq!(b.bearing(&session).get("/api/v1/identities/me")["name"], "김하늘");
    let ticket = text(&b.nobody().post(TICKETS, json!({}), 201), "ticket_token");
    a.bearing(&ticket).until("GET", PLACE, |status, _| status == 200);

    let (_, log) = b.end_with_log("-TERM");
    let recovered = &log[log.find("Recovered {").unwrap_or_else(|| panic!("{log}"))..];
    let (from, records) = (logged(recovered, "snapshot: "), logged(recovered, "records: "));
    assert_eq!(from, snapshot, "it began with the snapshot of the backup");
    assert!(records > 0, "and replayed what came after: {log}");
    a.end("-TERM");

    is_one_history([(first, third), (second, fourth)]);
    let keys = places.each_ref().map(|place| fs::read(place.dir.join("data/keys")).unwrap());
    assert!(keys.iter().all(|ring| *ring == keys[0]));
}

/// The first and the last record of a node's files.
fn ends(place: &Place) -> (u64, u64) {
    let text = place.prints(&["journal", "verify", "data"]);
    let (_, ends) = field(&text, "records").split_once('(').unwrap();
    let (first, head) = ends.trim_end_matches(')').split_once(" to ").unwrap();
    (first.parse().unwrap(), head.parse().unwrap())
}

/// It does not go well, and says why.
fn refused(place: &Place, arguments: &[&str], says: &str) {
    let said = place.refused(arguments);
    assert!(said.contains(says), "{said}");
}

/// A node on the one server of a cluster.
fn alone(dir: &Path, node: u16, cluster: &Cluster) -> Place {
    let place = Place::new(dir, node, cluster);
    place.set_after("[journal.jetstream]", "replicas = 1");
    place
}

/// A node that has served, with a backup of it, and one that has not begun.
fn one_with_a_backup_and_another(dir: &Path, cluster: &Cluster) -> ([Place; 2], String) {
    let places = [1, 2].map(|node| alone(dir, node, cluster));
    places[0].serve().end("-TERM");
    let backup = backup_of(&places[0], dir.join("backup"));
    (places, backup)
}

#[test]
fn what_cannot_join_is_refused_and_says_what_to_do() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let dir = tempfile::tempdir().unwrap();
    let ([first, second], backup) = one_with_a_backup_and_another(dir.path(), &cluster);
    let join = ["join", &backup, "--config", "jari.toml"];

    // One machine alone has no stream.
    let single = dir.path().join("single");
    fs::create_dir(&single).unwrap();
    let single = Place { dir: single };
    fs::write(single.dir.join("jari.toml"), "data = \"data\"\nlisten = \"127.0.0.1:0\"\n").unwrap();
    refused(&single, &join, "not \"jetstream\"");
    single.serve().end("-TERM");
    let other = backup_of(&single, dir.path().join("other"));
    refused(&second, &["join", &other, "--config", "jari.toml"], "of one machine alone");

    // Another stream; the number of the node that it came from; a directory in use.
    let text = fs::read_to_string(second.dir.join("jari.toml")).unwrap();
    fs::write(second.dir.join("other.toml"), text.replace("node = 2", "node = 2\nstream = \"other\""))
        .unwrap();
    refused(&second, &["join", &backup, "--config", "other.toml"], "names the stream other");
    fs::write(second.dir.join("same.toml"), text.replace("node = 2", "node = 1")).unwrap();
    refused(&second, &["join", &backup, "--config", "same.toml"], "say --replace");
    assert!(!second.dir.join("data").exists(), "nothing was made so far");
    refused(&first, &["join", &backup, "--config", "jari.toml", "--replace"], "nothing is written over");
}

#[test]
fn what_an_interrupted_join_left_does_not_start_and_does_not_stand_in_the_way() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let dir = tempfile::tempdir().unwrap();
    let ([_, second], backup) = one_with_a_backup_and_another(dir.path(), &cluster);
    let join = ["join", &backup, "--config", "jari.toml"];
    // A damaged backup leaves what a kill would leave.
    let vault = Path::new(&backup).join("vault.redb");
    let whole = fs::read(&vault).unwrap();
    let mut bent = whole.clone();
    bent[whole.len() / 2] ^= 1;
    fs::write(&vault, &bent).unwrap();
    refused(&second, &join, "vault.redb is damaged");
    refused(&second, &["serve", "--config", "jari.toml"], "did not end");
    fs::write(&vault, &whole).unwrap();
    for half in ["journal", "snapshots"] {
        fs::create_dir(second.dir.join("data").join(half)).unwrap();
    }
    refused(&second, &["serve", "--config", "jari.toml"], "did not end");
    second.prints(&join);
    second.serve().end("-TERM");
    refused(&second, &join, "nothing is written over");
}

#[test]
fn a_backup_of_another_life_of_the_stream_is_refused_and_a_lost_node_is_replaced() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let dir = tempfile::tempdir().unwrap();
    let [first, second, third] = [1, 2, 3].map(|node| alone(dir.path(), node, &cluster));
    second.set_after(
        "kind = \"jetstream\"",
        "keep_all = false\nsegment_bytes_max = 500\nsnapshot_every_commands = 2",
    );
    first.serve().end("-TERM");
    let backup = backup_of(&first, dir.path().join("backup"));
    let join = ["join", &backup, "--config", "jari.toml"];
    second.prints(&join);

    // A stream that begins after the backup's end.
    let (_, head) = ends(&first);
    let tries = (0..10).take_while(|_| {
        second.serve().end("-TERM");
        ends(&second).0 <= head
    });
    assert!(tries.count() < 10, "what snapshots cover is released");
    cluster.api("STREAM.DELETE.jari", json!({}));
    second.prints(&["journal", "rebuild", "stream", "--config", "jari.toml"]);
    refused(&third, &join, "the oldest record that the stream keeps");
    let fresh = backup_of(&second, dir.path().join("fresh"));
    third.prints(&["join", &fresh, "--config", "jari.toml"]);
    third.serve().end("-TERM");

    // Keys of before a loss never come into what was made anew after it.
    cluster.api("STREAM.DELETE.KV_jari-vault", json!({}));
    second.prints(&["journal", "rebuild", "vault", "--config", "jari.toml"]);
    fs::remove_dir_all(third.dir.join("data")).unwrap();
    refused(&third, &["join", &fresh, "--config", "jari.toml"], "made anew since");
    refused(&third, &["serve", "--config", "jari.toml"], "did not end");

    // Its machine is lost, its backup is not.
    fs::remove_dir_all(first.dir.join("data")).unwrap();
    let fresh = backup_of(&second, dir.path().join("last"));
    first.prints(&["join", &fresh, "--config", "jari.toml"]);
    first.serve().end("-TERM");
    let own = backup_of(&first, dir.path().join("own"));
    fs::remove_dir_all(first.dir.join("data")).unwrap();
    first.prints(&["join", &own, "--config", "jari.toml", "--replace"]);
    first.serve().end("-TERM");
}
