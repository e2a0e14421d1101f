//! The real binary, serving from a directory until it is killed or told to stop.
//!
//! It must never leave a process behind.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

pub struct Service {
    pub child: Child,
    pub address: SocketAddr,
    /// What is printed later must not meet a closed pipe.
    stdout: BufReader<ChildStdout>,
}

impl Service {
    /// On a free port, with this configuration beside what every test needs. Its log is `log`.
    pub fn start(dir: &Path, config: &str) -> Service {
        let text = format!("data = \"data\"\nlisten = \"127.0.0.1:0\"\nsecure_cookies = false\n{config}");
        fs::write(dir.join("jari.toml"), text).unwrap();
        let log = fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_jari"))
            .args(["serve", "--config", "jari.toml"])
            .current_dir(dir)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("jari runs");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let said = line(&mut stdout);
        let address = said.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{said}"));
        Service { address: address.parse().unwrap(), child, stdout }
    }

    /// The operator's password, which the first start prints.
    pub fn password(&mut self) -> String {
        let said = line(&mut self.stdout);
        said.strip_prefix("operator password: ").unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Only a failed test leaves one running; it may have ended meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(stdout: &mut impl BufRead) -> String {
    let mut said = String::new();
    stdout.read_line(&mut said).unwrap();
    said.trim().to_owned()
}
