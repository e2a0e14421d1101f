//! Real servers for tests: a cluster of `nats-server` processes on free ports, in a
//! directory of its own, that ends with the process that started it, however that ends.
//!
//! It must never skip: a server that is missing or does not start is a failed test.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, SystemTime};

use jari_journal::Position;
use jari_journal::jetstream::{Flush, JetStreamOptions, Login, MilliClock};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Starts the server, says its process id, and kills it when its standard input ends, as
/// it does when the test's process is gone. Unless told to keep them it removes the
/// server's files then: nobody else is left who would.
const KEEPER: &str = r#"
"$0" -c "$1" & echo $!
read -r word
kill -9 $! 2>/dev/null
[ "$word" = keep ] || { rm -rf "$1" "$2"; rmdir "$3" 2>/dev/null; }
"#;

/// Outside the range from which the system takes ports by itself, so that a server that is
/// down for a while finds its port free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

pub struct Cluster {
    dir: TempDir,
    ports: Vec<u16>,
    servers: Vec<Option<Server>>,
}

struct Server {
    process: u32,
    keeper: Child,
}

impl Cluster {
    /// Three servers that flush before they acknowledge.
    pub fn start() -> Cluster {
        Cluster::start_with(3, "sync_interval: always")
    }

    /// So many servers with this in their `jetstream` block.
    pub fn start_with(count: usize, jetstream: &str) -> Cluster {
        Cluster::start_in(&std::env::temp_dir(), count, jetstream)
    }

    /// So many servers whose files lie in a new directory within `parent`.
    pub fn start_in(parent: &Path, count: usize, jetstream: &str) -> Cluster {
        let dir = tempfile::tempdir_in(parent).expect("a directory for temporary files");
        let ports = free_ports(count * 2);
        let routes: Vec<String> =
            ports[count..].iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        for index in 0..count {
            let (port, route) = (ports[index], ports[count + index]);
            let cluster = format!(
                "cluster {{ name: test, listen: \"127.0.0.1:{route}\", routes: [{}] }}",
                routes.join(", ")
            );
            let text = format!(
                "server_name: s{index}\nlisten: \"127.0.0.1:{port}\"\n\
                 jetstream {{ store_dir: \"{}\", max_file_store: 2G, {jetstream} }}\n{}\n\
                 accounts {{\n  SYS {{ users: [{{ user: system, password: secret }}] }}\n  \
                 JARI {{ jetstream: enabled, users: [{{ user: jari, password: secret }}] }}\n}}\n\
                 system_account: SYS\n",
                dir.path().join(format!("s{index}")).display(),
                if count > 1 { &cluster } else { "" },
            );
            std::fs::write(dir.path().join(format!("s{index}.conf")), text).expect("is written");
        }
        let mut cluster = Cluster { dir, ports, servers: (0..count).map(|_| None).collect() };
        (0..count).for_each(|index| cluster.restart(index));
        cluster
    }

    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// Starts a server that is not running.
    pub fn restart(&mut self, index: usize) {
        assert!(self.servers[index].is_none(), "server {index} is down");
        let config = self.dir.path().join(format!("s{index}.conf"));
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .arg(nats_server())
            .arg(config)
            .arg(self.dir.path().join(format!("s{index}")))
            .arg(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell runs");
        let mut said = String::new();
        let mut stdout = BufReader::new(keeper.stdout.take().expect("is piped"));
        stdout.read_line(&mut said).expect("the shell says the process id");
        let process = said.trim().parse().expect("it is a number");
        let mut log = BufReader::new(keeper.stderr.take().expect("is piped"));
        let mut seen = String::new();
        while !seen.contains("Server is ready") {
            let read = log.read_line(&mut seen).expect("the server's log can be read");
            assert!(read > 0, "server {index} did not start:\n{seen}");
        }
        // The log must be read on, or the server would wait for it.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        self.servers[index] = Some(Server { process, keeper });
    }

    /// Starts every server that is not running.
    pub fn restart_all(&mut self) {
        for index in 0..self.len() {
            if self.servers[index].is_none() {
                self.restart(index);
            }
        }
    }

    /// Kills a server as a power cut of its process would.
    pub fn kill(&mut self, index: usize) {
        let mut server = self.servers[index].take().expect("the server runs");
        let killed = Command::new("kill").args(["-9", &server.process.to_string()]).status();
        assert!(killed.expect("kill runs").success());
        // The keeper ends with its input, and has nothing left to kill.
        let mut keeper_input = server.keeper.stdin.take().expect("is piped");
        keeper_input.write_all(b"keep\n").expect("the keeper listens");
        server.keeper.wait().expect("the keeper ends");
    }

    pub fn urls(&self) -> Vec<String> {
        self.ports[..self.len()].iter().map(|port| format!("nats://127.0.0.1:{port}")).collect()
    }

    /// The process ids of the servers that run.
    pub fn processes(&self) -> impl Iterator<Item = u32> {
        self.servers.iter().flatten().map(|server| server.process)
    }

    pub fn config_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Options for a stream that is made if need be.
    pub fn options(&self, stream: &str) -> JetStreamOptions {
        JetStreamOptions {
            login: login("jari"),
            flush: Flush::Checked(login("system")),
            replicas: self.len() as u32,
            stream_bytes_max: 100 << 20,
            create_at: Some(Position(1)),
            ..JetStreamOptions::new(self.urls(), stream, wall_clock())
        }
    }

    /// Asks the API of the service and gives its answer; waits while nobody is in charge.
    pub fn api(&self, subject: &str, question: Value) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let login = async_nats::ConnectOptions::with_user_and_password("jari".into(), "secret".into());
            let client = login.connect(self.urls()).await.expect("connects");
            let subject = format!("$JS.API.{subject}");
            // Servers elect leaders in their own time, and announce it to nobody.
            let mut again = tokio::time::interval(Duration::from_millis(100));
            for _ in 0..300 {
                again.tick().await;
                let payload = question.to_string().into();
                let Ok(answer) = client.request(subject.clone(), payload).await else { continue };
                let answer: Value = serde_json::from_slice(&answer.payload).expect("is JSON");
                // 10008: the system is temporarily unavailable.
                if answer.pointer("/error/err_code") != Some(&json!(10008)) {
                    return answer;
                }
            }
            panic!("{subject}: no answer");
        })
    }

    /// Which server leads a stream.
    pub fn leader(&self, stream: &str) -> usize {
        loop {
            let info = self.api(&format!("STREAM.INFO.{stream}"), json!({}));
            let name = info.pointer("/cluster/leader").and_then(Value::as_str).unwrap_or_default();
            if let Some(index) = name.strip_prefix('s').and_then(|digits| digits.parse().ok()) {
                return index;
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for index in 0..self.len() {
            if self.servers[index].is_some() {
                self.kill(index);
            }
        }
    }
}

pub fn login(user: &str) -> Login {
    Login::Password { user: user.into(), password: "secret".into() }
}

#[expect(clippy::disallowed_methods, reason = "real servers are compared with the real clock")]
pub fn wall_clock() -> MilliClock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or(Duration::ZERO).as_millis() as u64
    })
}

/// A server that says it is of this version, and answers nothing but pings.
pub fn pretender(version: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    let info = format!(
        "INFO {{\"server_id\":\"P\",\"server_name\":\"pretender\",\"version\":\"{version}\",\"proto\":1,\
         \"headers\":true,\"max_payload\":1048576,\"jetstream\":true}}\r\n"
    );
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            if stream.write_all(info.as_bytes()).is_err() {
                continue;
            }
            for line in BufReader::new(stream.try_clone().expect("is cloned")).lines().map_while(Result::ok) {
                if line.starts_with("PING") && stream.write_all(b"PONG\r\n").is_err() {
                    break;
                }
            }
        }
    });
    format!("nats://{address}")
}

/// Where `scripts/prepare` puts the server, unless `JARI_NATS_SERVER` says otherwise.
pub fn nats_server() -> PathBuf {
    let told = std::env::var_os("JARI_NATS_SERVER").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let usual = || above.map(|dir| dir.join("target/tools/nats-server")).find(|path| path.is_file());
    let found = told.or_else(usual);
    found.expect("nats-server is missing: run `scripts/prepare`, or set JARI_NATS_SERVER to its path")
}

/// Ports that nobody listens on, each given once in this process.
fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = u32::from(PORTS.end - PORTS.start);
    // Test processes that run at the same time begin far from each other.
    let begin = std::process::id().wrapping_mul(379) % span;
    let mut ports = Vec::new();
    while ports.len() < count {
        let offset = (begin + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % span;
        let port = PORTS.start + u16::try_from(offset).expect("it lies within the span");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port);
        }
    }
    ports
}
