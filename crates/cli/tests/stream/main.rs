//! Several nodes on one stream, as they are run: the real binary, real servers.

mod join;
mod nodes;
mod place;
#[path = "../../../journal/tests/servers/mod.rs"]
mod servers;
#[path = "../../src/table.rs"]
mod table;
mod vault;

use std::fs;

use place::{Place, field};
use serde_json::json;
use servers::Cluster;

/// Waits until a stream has so many records: nodes append one four times a second.
fn wait_for_records(cluster: &Cluster, count: u64) {
    while cluster.api("STREAM.INFO.jari", json!({}))["state"]["last_seq"].as_u64().unwrap() < count {}
}

#[test]
fn nodes_share_a_stream_and_each_can_be_made_anew_from_the_other() {
    let cluster = Cluster::start();
    let dir = tempfile::tempdir().unwrap();
    let [first, second, third] = [1, 2, 3].map(|node| Place::new(dir.path(), node, &cluster));
    let running = first.serve();
    first.copy_keys_to(&second);
    let other = second.serve();
    wait_for_records(&cluster, 12);
    running.end("-9");
    other.end("-TERM");
    // Whoever was killed catches up.
    first.serve().end("-TERM");
    let texts = [&first, &second].map(|place| place.prints(&["journal", "verify", "data", "--records"]));
    let chains = texts.map(|text| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("  node "));
        lines.map(str::to_owned).collect()
    });
    assert!(chains[0].len() >= 12 && chains[0].len() >= chains[1].len());
    assert!(chains[0].starts_with(&chains[1]), "one history, as far as each has it");
    for node in ["  node 1  ", "  node 2  "] {
        assert!(chains[0].iter().any(|line| line.contains(node)), "both wrote");
    }

    // Files from the stream, with the keys of the service.
    let says = third.refused(&["journal", "rebuild", "files", "--config", "jari.toml"]);
    assert!(says.contains("no file `keys`"), "{says}");
    first.copy_keys_to(&third);
    third.prints(&["journal", "rebuild", "files", "--config", "jari.toml"]);
    let (ours, theirs) =
        (third.prints(&["journal", "verify", "data"]), first.prints(&["journal", "verify", "data"]));
    for name in ["chain hash", "state hash", "records"] {
        assert_eq!(field(&ours, name), field(&theirs, name));
    }
    let says = third.refused(&["journal", "rebuild", "files", "--config", "jari.toml"]);
    assert!(says.contains("nothing is written over"), "{says}");

    // The stream from files.
    let says = third.refused(&["journal", "rebuild", "stream", "--config", "jari.toml"]);
    assert!(says.contains("nothing is written over"), "{says}");
    cluster.api("STREAM.DELETE.jari", json!({}));
    let says = first.refused(&["serve", "--config", "jari.toml"]);
    assert!(says.contains("jari journal rebuild stream"), "{says}");
    third.prints(&["journal", "rebuild", "stream", "--config", "jari.toml"]);
    let head = third.head();
    first.serve().end("-TERM");
    assert!(first.head() >= head);
}

#[test]
fn a_journal_of_one_machine_becomes_a_stream_and_is_never_written_alone_again() {
    let cluster = Cluster::start_with(1, "sync_interval: always");
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path(), 1, &cluster);
    let shared = fs::read_to_string(place.dir.join("jari.toml")).unwrap() + "replicas = 1\n";
    let alone = "data = \"data\"\nlisten = \"127.0.0.1:0\"\n";
    fs::write(place.dir.join("jari.toml"), alone).unwrap();
    place.serve().end("-TERM");
    place.serve().end("-TERM");
    fs::write(place.dir.join("jari.toml"), &shared).unwrap();
    assert!(place.head() > 0, "a node that stops has written a record");
    let says = place.refused(&["serve", "--config", "jari.toml"]);
    assert!(says.contains("kept by one machine alone"), "{says}");
    place.prints(&["journal", "rebuild", "stream", "--config", "jari.toml"]);
    let head = place.head();
    let running = place.serve();
    wait_for_records(&cluster, head + 2);
    running.end("-TERM");
    fs::write(place.dir.join("jari.toml"), alone).unwrap();
    let says = place.refused(&["serve", "--config", "jari.toml"]);
    assert!(says.contains("other nodes share it"), "{says}");
}
