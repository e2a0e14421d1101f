//! A node as it is run: a data directory, a configuration, a process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use crate::servers::Cluster;

/// A data directory and a configuration file of a node.
pub struct Place {
    pub dir: PathBuf,
}

impl Place {
    pub fn new(dir: &Path, node: u16, cluster: &Cluster) -> Place {
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

    pub fn jari(&self, arguments: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_jari")).args(arguments).current_dir(&self.dir).output();
        output.expect("jari runs")
    }

    /// What a command prints that must go well.
    pub fn prints(&self, arguments: &[&str]) -> String {
        let output = self.jari(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command says that must not go well.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.jari(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Adds settings before the tables.
    pub fn set(&self, settings: &str) {
        let path = self.dir.join("jari.toml");
        fs::write(&path, format!("{settings}\n{}", fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// Adds settings to a table that is there already, after the line that begins with `line`.
    pub fn set_after(&self, line: &str, settings: &str) {
        let path = self.dir.join("jari.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(line), "{line}");
        fs::write(&path, text.replacen(line, &format!("{line}\n{settings}"), 1)).unwrap();
    }

    /// Brings the node up; waits until it listens.
    pub fn serve(&self) -> Running {
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
        let address = said.trim().rsplit(' ').next().unwrap().to_owned();
        Running { address, child, stdout, log: Some(log) }
    }

    pub fn head(&self) -> u64 {
        let text = self.prints(&["journal", "verify", "data"]);
        field(&text, "records").rsplit(' ').next().unwrap().trim_end_matches(')').parse().unwrap()
    }

    pub fn copy_keys_to(&self, other: &Place) {
        fs::create_dir_all(other.dir.join("data")).unwrap();
        fs::copy(self.dir.join("data/keys"), other.dir.join("data/keys")).unwrap();
    }
}

pub struct Running {
    pub address: String,
    child: Child,
    /// What is printed later must not meet a closed pipe.
    stdout: BufReader<ChildStdout>,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Running {
    /// The operator's password, which a first start prints in its second line.
    pub fn password(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().strip_prefix("operator password: ").unwrap_or_else(|| panic!("{line}")).to_owned()
    }

    /// Ends the node as a service manager does, or as a power cut does; gives what it printed
    /// since it was last listened to.
    pub fn end(self, signal: &str) -> String {
        self.end_with_log(signal).0
    }

    /// The same, and its log.
    pub fn end_with_log(mut self, signal: &str) -> (String, String) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        assert!(signal == "-9" || status.success(), "{status}: {log}");
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        (said, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only a failed test leaves one running; it may have ended meanwhile.
        let _ = self.child.kill();
    }
}

pub fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line[name.len()..].trim()
}
