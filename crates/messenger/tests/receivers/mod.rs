//! Receivers of messages for tests: a webhook over real HTTP and a mail server, on the loopback address and free
//! ports, with a script that says what becomes of each try. Also for the tests of other crates, by path.
//!
//! They must never answer what the script does not say; what the script says of a try that never comes fails the
//! test by the time that it waits.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// Whatever is waited for comes long before.
const PATIENCE: Duration = Duration::from_secs(60);

/// One try that arrived: a request, or a mail.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The headers by their names in lower case; of a mail `rcpt` as well, and `auth` if somebody logged in.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// Which connection it came over, from 0.
    pub connection: usize,
}

impl Arrived {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}

/// What becomes of a try.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This status: of HTTP, or of SMTP after the receiver was named.
    Status(u16),
    /// This status, and to be left alone for so many seconds.
    Busy(u16, u32),
    /// It is taken, once the test says so.
    Held(Arc<Notify>),
    /// This status, and of the rest of the answer only the beginning.
    Half(u16),
    /// The connection ends without an answer.
    Nothing,
    /// No answer: the connection stays open until the other side ends it, which is told by [`Receiver::hung_up`].
    Silence,
}

type Script = Arc<dyn Fn(&Arrived) -> Answer + Send + Sync>;

/// A receiver that runs until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    hung_up: mpsc::UnboundedReceiver<()>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What speaks over a connection.
#[derive(Copy, Clone)]
enum Speaks {
    Http,
    Smtp,
}

impl Receiver {
    /// A webhook.
    pub async fn webhook(script: impl Fn(&Arrived) -> Answer + Send + Sync + 'static) -> Receiver {
        Receiver::start(Speaks::Http, Arc::new(script)).await
    }

    /// A mail server.
    pub async fn mail(script: impl Fn(&Arrived) -> Answer + Send + Sync + 'static) -> Receiver {
        Receiver::start(Speaks::Smtp, Arc::new(script)).await
    }

    async fn start(speaks: Speaks, script: Script) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, arrived) = mpsc::unbounded_channel();
        let (tell_end, hung_up) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (script, tell, tell_end) = (Arc::clone(&script), tell.clone(), tell_end.clone());
                connections.spawn(Desk { script, tell, tell_end, connection }.serve(speaks, stream));
            }
        });
        Receiver { address, arrived, hung_up, task }
    }

    /// The next try.
    pub async fn next(&mut self) -> Arrived {
        tokio::time::timeout(PATIENCE, self.arrived.recv()).await.expect("a try comes").unwrap()
    }

    /// The tries that have come and were not looked at.
    pub fn rest(&mut self) -> usize {
        std::iter::from_fn(|| self.arrived.try_recv().ok()).count()
    }

    /// Waits until a connection that got no answer was ended by the other side.
    pub async fn hung_up(&mut self) {
        tokio::time::timeout(PATIENCE, self.hung_up.recv()).await.expect("it hangs up").unwrap();
    }
}

/// An answer that is given.
struct Given {
    status: u16,
    after: u32,
    /// Bytes that are promised; two come.
    length: u32,
}

impl Default for Given {
    fn default() -> Given {
        Given { status: 200, after: 0, length: 2 }
    }
}

struct Desk {
    script: Script,
    tell: mpsc::UnboundedSender<Arrived>,
    tell_end: mpsc::UnboundedSender<()>,
    connection: usize,
}

impl Desk {
    async fn serve(self, speaks: Speaks, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        // Whatever ends the connection, the next one begins anew.
        let _ = match speaks {
            Speaks::Http => self.serve_http(&mut stream).await,
            Speaks::Smtp => self.serve_smtp(&mut stream).await,
        };
    }

    /// Tells the test, and gives the answer; none if the connection is to end.
    async fn answer(&self, arrived: Arrived, stream: &mut BufReader<TcpStream>) -> Option<Given> {
        let answer = (self.script)(&arrived);
        let _ = self.tell.send(arrived);
        match answer {
            Answer::Status(status) => Some(Given { status, ..Given::default() }),
            Answer::Busy(status, after) => Some(Given { status, after, ..Given::default() }),
            Answer::Half(status) => Some(Given { status, length: 4, ..Given::default() }),
            Answer::Held(until) => {
                until.notified().await;
                Some(Given::default())
            }
            Answer::Nothing => None,
            Answer::Silence => {
                while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {}
                let _ = self.tell_end.send(());
                None
            }
        }
    }

    async fn serve_http(&self, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
        loop {
            let mut headers = BTreeMap::new();
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            if line.is_empty() {
                return Ok(());
            }
            headers.insert(":request".to_owned(), line.trim().to_owned());
            loop {
                line.clear();
                stream.read_line(&mut line).await?;
                let Some((name, value)) = line.trim().split_once(": ") else { break };
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            let body = String::from_utf8(body).expect("JSON is UTF-8");
            let arrived = Arrived { headers, body, connection: self.connection };
            let Some(Given { status, after, length }) = self.answer(arrived, stream).await else {
                return Ok(());
            };
            let after = if after > 0 { format!("retry-after: {after}\r\n") } else { String::new() };
            let answer = format!("HTTP/1.1 {status} X\r\n{after}content-length: {length}\r\n\r\nok");
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await?;
        }
    }

    async fn serve_smtp(&self, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
        let mut headers = BTreeMap::new();
        say(stream, "220 here").await?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim();
            match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => say(stream, "250-here\r\n250 AUTH PLAIN").await?,
                "AUTH" => {
                    headers.insert("auth".to_owned(), line.to_owned());
                    let right = line.starts_with("AUTH PLAIN");
                    say(stream, if right { "235 welcome" } else { "535 who" }).await?;
                }
                "MAIL" => say(stream, "250 yes").await?,
                "RCPT" => {
                    headers.insert("rcpt".to_owned(), line.to_owned());
                    // What a real server would say, and what must not be passed on.
                    let arrived = Arrived {
                        headers: headers.clone(),
                        body: String::new(),
                        connection: self.connection,
                    };
                    match (self.script)(&arrived) {
                        Answer::Status(status) if status >= 400 => {
                            let _ = self.tell.send(arrived);
                            say(stream, &format!("{status} {line} is not here")).await?;
                        }
                        _ => say(stream, "250 yes").await?,
                    }
                }
                "DATA" => {
                    say(stream, "354 go on").await?;
                    let mail = read_mail(stream).await?;
                    let arrived = mail_of(&mail, headers.clone(), self.connection);
                    let Some(given) = self.answer(arrived, stream).await else { return Ok(()) };
                    say(stream, &format!("{} done", given.status)).await?;
                }
                "QUIT" => return say(stream, "221 bye").await,
                _ => say(stream, "502 what").await?,
            }
        }
    }
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

async fn read_mail(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut mail = String::new();
    while !mail.ends_with("\r\n.\r\n") {
        if stream.read_line(&mut mail).await? == 0 {
            break;
        }
    }
    Ok(mail)
}

fn mail_of(mail: &str, mut headers: BTreeMap<String, String>, connection: usize) -> Arrived {
    let (head, body) = mail.split_once("\r\n\r\n").expect("a mail has a head");
    for line in head.split("\r\n") {
        let Some((name, value)) = line.split_once(": ") else { continue };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let body = body.trim_end_matches("\r\n.\r\n").to_owned();
    Arrived { headers, body, connection }
}
