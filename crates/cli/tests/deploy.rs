//! The examples in `deploy/`, each given to the program that reads it.

#[path = "../../journal/tests/servers/mod.rs"]
mod servers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(example(name)).expect("the example is there")
}

/// What a program says of a file that it must accept.
fn accepts(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: run scripts/prepare"));
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn jari() -> Command {
    Command::new(env!("CARGO_BIN_EXE_jari"))
}

/// The value of a line `name = "value"` or `name value;`.
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let lines = text.lines().map(str::trim);
    let value = lines.filter_map(|line| line.strip_prefix(name)).next().unwrap_or_else(|| panic!("{name}"));
    value.trim_matches(|letter: char| letter.is_whitespace() || "=\";".contains(letter))
}

#[test]
fn the_service_takes_its_configurations() {
    for name in ["single/jari.toml", "cluster/jari.toml"] {
        accepts(jari().args(["serve", "--check", "--config"]).arg(example(name)));
    }
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("jari.toml");
    // What stands there as a suggestion is one that is taken.
    for name in ["single/jari.toml", "cluster/jari.toml"] {
        let (rest, suggested) =
            text(name).split_once("# [messages").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let end = suggested.find("\n# A channel").unwrap_or(suggested.len());
        fs::write(&wrong, format!("{rest}[messages{}", suggested[..end].replace("\n# ", "\n"))).unwrap();
        accepts(jari().args(["serve", "--check", "--config"]).arg(&wrong));
    }
    fs::write(&wrong, text("single/jari.toml").replace("listen", "lissten")).unwrap();
    let output = jari().args(["serve", "--check", "--config"]).arg(&wrong).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "a mistake is found without starting anything");
}

#[test]
fn nats_servers_take_theirs_and_flush_before_they_acknowledge() {
    for number in 1..=3 {
        let name = format!("cluster/nats{number}.conf");
        let mut server = Command::new(servers::nats_server());
        for user in ["ROUTE", "SYSTEM", "JARI"] {
            server.env(format!("NATS_{user}_PASSWORD"), "secret");
        }
        accepts(server.arg("-t").arg("-c").arg(example(&name)));
        let text = text(&name);
        assert_eq!(value(&text, "sync_interval:"), "always");
        assert_eq!(value(&text, "server_name:"), format!("nats{number}"));
        let service = self::text("cluster/jari.toml");
        assert!(service.contains(&format!("nats://10.0.0.{number}:4222")), "the service knows it");
    }
}

#[test]
fn the_proxy_takes_its_file_and_the_service_believes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    accepts(
        Command::new("openssl").args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]).args([
            "-subj",
            "/CN=booking.example.org",
            "-keyout",
            path("key.pem").to_str().unwrap(),
            "-out",
            path("certificate.pem").to_str().unwrap(),
        ]),
    );
    let site = text("nginx/jari.conf");
    // Ports that any user may have, and addresses that every machine has.
    let local: Vec<String> = site
        .lines()
        .filter(|line| !line.contains("listen [::]"))
        .map(|line| {
            line.replace("listen 443", "listen 127.0.0.1:28443")
                .replace("listen 80", "listen 127.0.0.1:28080")
        })
        .map(|line| line.replace("/etc/jari/tls", dir.path().to_str().unwrap()))
        .collect();
    let whole = format!(
        "error_log stderr;\npid {dir}/pid;\nevents {{}}\nhttp {{\n{}\n}}\n",
        local.join("\n"),
        dir = dir.path().display()
    );
    fs::write(path("nginx.conf"), whole).unwrap();
    accepts(Command::new("nginx").arg("-t").arg("-p").arg(dir.path()).arg("-c").arg(path("nginx.conf")));

    let service = text("single/jari.toml");
    assert_eq!(
        value(&site, "server 127"),
        value(&service, "listen = \"127"),
        "it goes where the service listens"
    );
    assert!(service.contains("trusted_proxies = [\"127.0.0.1\", \"::1\"]"));
    assert!(site.contains("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"));
}

#[test]
fn the_service_manager_takes_the_units() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["jari.service", "nats-server.service", "jari-backup.service", "jari-backup.timer"];
    for name in names {
        // It looks whether the programs are there; here they are elsewhere.
        let unit = text(&format!("systemd/{name}"))
            .replace("/usr/local/bin/jari", env!("CARGO_BIN_EXE_jari"))
            .replace("/usr/local/bin/nats-server", servers::nats_server().to_str().unwrap());
        fs::write(dir.path().join(name), unit).unwrap();
    }
    let paths = names.map(|name| dir.path().join(name));
    let said = accepts(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths));
    let ours = |line: &&str| names.iter().any(|name| line.contains(name));
    assert_eq!(said.lines().filter(ours).collect::<Vec<_>>(), Vec::<&str>::new(), "no warning");
    let unit = text("systemd/jari.service");
    let files: u64 = value(&unit, "LimitNOFILE=").parse().unwrap();
    let connections = value(&text("single/jari.toml"), "connections_max").replace('_', "");
    assert!(files >= connections.parse::<u64>().unwrap() + 64, "a connection is a file");
    let stop_s: u64 = value(&unit, "TimeoutStopSec=").trim_end_matches('s').parse().unwrap();
    let drain = value(&text("cluster/jari.toml"), "drain_ms").replace('_', "");
    let unit = text("systemd/jari-backup.service");
    let older_than = value(&unit, "ExecStartPost=").split(" -mtime +").nth(1).unwrap();
    let kept = older_than.split(' ').next().unwrap().parse::<u64>().unwrap() + 1;
    for file in ["single/jari.toml", "cluster/jari.toml"] {
        let promised = value(&text(file), "backup_days").parse::<u64>().unwrap();
        assert!(kept <= promised, "backups are deleted when people are told that they are");
    }
    // The last call and the longest request come after the wait, and then the snapshot.
    assert!(drain.parse::<u64>().unwrap() / 1_000 + 21 + 60 <= stop_s, "nobody is killed while they drain");
}

#[test]
fn the_container_file_names_what_exists_and_runs_as_nobody_special() {
    let file = text("container/Containerfile");
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    let at = |start: &str| {
        let found = lines.iter().position(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("there is no line {start}"))
    };
    assert!(at("FROM docker.io/library/rust") < at("FROM docker.io/library/debian"), "it is built apart");
    assert!(at("USER jari") < at("ENTRYPOINT"), "not as root");
    let root = fs::read_to_string(example("../Cargo.toml")).unwrap();
    let version = value(&root, "rust-version");
    assert!(lines[at("FROM docker.io/library/rust")].contains(&format!("rust:{version}-")));
    // What is started, and what is asked, are commands that there are.
    for (start, rest) in [("CMD [\"serve\"", "serve"), ("    CMD [\"jari\", \"health\"", "health")] {
        at(start);
        let said = accepts(jari().args([rest, "--help"]));
        assert!(said.contains("--config"), "{said}");
    }
}

/// A command in a document: its words up to the first that is no name of a command, and its options.
fn command_in(span: &str) -> Option<(Vec<&str>, Vec<&str>)> {
    let words: Vec<&str> = span.split_whitespace().skip_while(|word| *word != "jari").skip(1).collect();
    let is_name = |word: &&&str| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
    let names =
        words.iter().take(3).take_while(is_name).filter(|word| !word.starts_with('-')).copied().collect();
    let options = words.iter().filter(|word| word.starts_with("--")).copied().collect();
    (!words.is_empty()).then_some((names, options))
}

#[test]
fn every_command_of_the_documents_exists() {
    let mut found = 0;
    for document in ["docs/runbook.md", "docs/stream.md", "deploy/README.md", "README.md"] {
        let text = fs::read_to_string(example("..").join(document)).unwrap();
        let spans = text.split('`').skip(1).step_by(2).flat_map(|span| span.split(';'));
        let commands = spans.filter(|span| {
            let span = span.trim();
            span.starts_with("jari ") || span.starts_with("sudo -u jari jari ")
        });
        for span in commands {
            let (mut names, options) = command_in(span.trim().trim_start_matches("sudo -u jari ")).unwrap();
            // What stands behind a verb without verbs of its own is an argument.
            let mut help = jari().args(&names).arg("--help").output().unwrap();
            while !help.status.success() && names.len() > 1 {
                names.pop();
                help = jari().args(&names).arg("--help").output().unwrap();
            }
            let said = String::from_utf8_lossy(&help.stdout).into_owned();
            assert!(help.status.success() && !names.is_empty(), "{document}: `{span}` is no command");
            let is_group = said.contains("Usage: jari") && said.contains("<COMMAND>");
            assert!(!is_group || span.split_whitespace().count() <= names.len() + 1, "{document}: `{span}`");
            for option in options {
                assert!(said.contains(option), "{document}: `{span}`: no {option}");
            }
            found += 1;
        }
    }
    assert!(found > 40, "{found} commands were found");
}
