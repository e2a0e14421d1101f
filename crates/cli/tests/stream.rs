//! Several nodes on one stream, as they are run: the real binary, real servers.

#[path = "../../journal/tests/servers/mod.rs"]
mod servers;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::json;
use servers::Cluster;

/// A data directory and a configuration file of a node.
struct Place {
    dir: PathBuf,
}

impl Place {
    fn new(dir: &Path, node: u16, cluster: &Cluster) -> Place {
        let dir = dir.join(format!("node{node}"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("secret"), "secret\n").unwrap();
        let text = format!(
            "data = \"data\"\nlisten = \"127.0.0.1:0\"\n[journal]\nkind = \"jetstream\"\n[journal.jetstream]\n\
             node = {node}\nservers = {:?}\nlogin = {{ user = \"jari\", password_file = \"secret\" }}\n\
             system_login = {{ user = \"system\", password_file = \"secret\" }}\n",
            cluster.urls()
        );
        fs::write(dir.join("jari.toml"), text).unwrap();
        Place { dir }
    }

    fn jari(&self, arguments: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_jari")).args(arguments).current_dir(&self.dir).output();
        output.expect("jari runs")
    }

    /// What a command prints that must go well.
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.jari(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command says that must not go well.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.jari(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Brings the node up; waits until it listens.
    fn serve(&self) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jari"))
            .args(["serve", "--config", "jari.toml"])
            .current_dir(&self.dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("jari runs");
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        while !said.contains("listening on") {
            if stdout.read_line(&mut said).unwrap() == 0 {
                let errors = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
                panic!("the node did not come up: {errors}");
            }
        }
        let errors = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || std::io::read_to_string(errors).unwrap());
        Running { child, _stdout: stdout, log: Some(log) }
    }

    fn head(&self) -> u64 {
        let text = self.prints(&["journal", "verify", "data"]);
        field(&text, "records").rsplit(' ').next().unwrap().trim_end_matches(')').parse().unwrap()
    }

    fn copy_keys_to(&self, other: &Place) {
        fs::create_dir_all(other.dir.join("data")).unwrap();
        fs::copy(self.dir.join("data/keys"), other.dir.join("data/keys")).unwrap();
    }
}

struct Running {
    child: Child,
    /// What is printed later must not meet a closed pipe.
    _stdout: BufReader<ChildStdout>,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    /// Ends the node as a service manager does, or as a power cut does.
    fn end(mut self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        assert!(signal == "-9" || status.success(), "{status}: {log}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a failed test leaves one running; it may have ended meanwhile.
        let _ = self.child.kill();
    }
}

fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line[name.len()..].trim()
}

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
