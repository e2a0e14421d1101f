//! Feeds over HTTP, from a small server of our own on a free port of this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use jari_import::{self as import, Code, Import, ImportError, ImportOptions, Limits, Source};

/// What the server says to a path.
#[derive(Clone)]
enum Reply {
    /// 200 with a body.
    Body(Vec<u8>),
    /// 302 to a location.
    Redirect(String),
    /// Another status, with no body.
    Status(u16),
    /// 200 that promises more bytes than it sends.
    CutShort,
    /// Nothing, until the client gives up.
    Silence,
    /// A body named as compressed.
    Compressed,
}

struct Site {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    /// Serves what `replies` says of a path, given the site's own address; 404 otherwise.
    fn start(replies: impl Fn(SocketAddr, &str) -> Option<Reply> + Send + 'static) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stopping = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::SeqCst) {
                    break;
                }
                // A client that goes away in the middle is part of some tests.
                let _ = stream.and_then(|stream| answer(stream, |path| replies(address, path)));
            }
        });
        Site { address, stopping, thread: Some(thread) }
    }

    fn read(&self, path: &str, limits: Limits) -> Result<Import, ImportError> {
        let source = Source::parse(&format!("http://{}{path}", self.address));
        let options = ImportOptions { skip_bad: true, no_proxy: true, limits, zone: None };
        import::read(&source, &options)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread from waiting for a connection.
        drop(TcpStream::connect(self.address));
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || std::thread::panicking());
    }
}

fn answer(mut stream: TcpStream, replies: impl Fn(&str) -> Option<Reply>) -> std::io::Result<()> {
    let mut request = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    request.read_line(&mut first)?;
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let head =
        |status: &str, headers: &str| format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    let sized = |bytes: usize| format!("Content-Length: {bytes}\r\n");
    match replies(path).unwrap_or(Reply::Status(404)) {
        Reply::Body(body) => {
            stream.write_all(head("200 OK", &sized(body.len())).as_bytes())?;
            stream.write_all(&body)
        }
        Reply::Redirect(to) => {
            let headers = format!("Location: {to}\r\n{}", sized(0));
            stream.write_all(head("302 Found", &headers).as_bytes())
        }
        Reply::Status(status) => stream.write_all(head(&format!("{status} Status"), &sized(0)).as_bytes()),
        Reply::CutShort => {
            stream.write_all(head("200 OK", &sized(1_000)).as_bytes())?;
            stream.write_all(b"{\"resourceType\":")
        }
        Reply::Silence => request.read_to_end(&mut Vec::new()).map(drop),
        Reply::Compressed => {
            let headers = format!("Content-Encoding: gzip\r\n{}", sized(2));
            stream.write_all(head("200 OK", &headers).as_bytes())?;
            stream.write_all(b"{}")
        }
    }
}

fn fixture(path: &str) -> Option<Reply> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(root.join(path.trim_start_matches('/'))).ok().map(Reply::Body)
}

fn manifest(links: &[(&str, String)]) -> Option<Reply> {
    let output: Vec<_> =
        links.iter().map(|(kind, url)| serde_json::json!({"type": kind, "url": url})).collect();
    Some(Reply::Body(serde_json::json!({ "output": output }).to_string().into_bytes()))
}

#[test]
fn a_feed_is_read_by_relative_links() {
    let site = Site::start(|_, path| fixture(path));
    let import = site.read("/feed-good/$bulk-publish", Limits::default()).expect("readable");
    assert_eq!((import.clinics.len(), import.slots.len()), (2, 4));
    assert_eq!(import.report.problem_count, 0);
}

#[test]
fn a_feed_is_read_by_absolute_links_and_redirects_and_names_hide_queries() {
    let site = Site::start(|address, path| match path {
        "/m?sig=secret" => manifest(&[
            ("Location", format!("http://{address}/feed-bad/locations.ndjson?sig=secret")),
            ("Schedule", "/moved".to_owned()),
            ("Slot", "feed-good/slots-2021-W28.ndjson".to_owned()),
        ]),
        "/moved" => Some(Reply::Redirect("/feed-good/schedules.ndjson".to_owned())),
        path => fixture(path.split('?').next()?),
    });
    let import = site.read("/m?sig=secret", Limits::default()).expect("readable");
    let report = import.report;
    assert_eq!((report.files, report.clinics), (3, 1));
    let at = format!("http://{}/feed-bad/locations.ndjson:3: short_postcode", site.address);
    assert!(report.to_string().contains(&at), "{report}");
    assert!(!report.to_string().contains("secret"), "{report}");
}

#[test]
fn a_table_is_read_from_a_url() {
    let site = Site::start(|_, path| fixture(path.split('?').next()?));
    let import = site.read("/table-good.csv?v=1", Limits::default()).expect("readable");
    assert_eq!((import.clinics.len(), import.slots.len()), (2, 3));
}

#[test]
fn a_manifest_from_the_web_may_not_name_files_of_this_machine() {
    let site = Site::start(|_, _| {
        manifest(&[
            ("Slot", "file:///etc/hostname".to_owned()),
            ("Slot", "FILE:/etc/hostname".to_owned()),
            ("Slot", "ftp://127.0.0.1/slots".to_owned()),
        ])
    });
    let report = site.read("/m", Limits::default()).expect("readable").report;
    let codes: Vec<Code> = report.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::ForbiddenLink; 3]);
    assert_eq!(report.files, 0);
}

/// Kind of the error that a reply to the only listed file ends in.
fn check_failure(reply: Reply, limits: Limits, expected: &str) {
    let site = Site::start(move |_, path| match path {
        "/m" => manifest(&[("Location", "l".to_owned())]),
        _ => Some(reply.clone()),
    });
    let found = match site.read("/m", limits) {
        Err(ImportError::Unreachable { .. }) => "unreachable",
        Err(ImportError::Unreadable { .. }) => "unreadable",
        Err(ImportError::TooLarge { .. }) => "too large",
        Err(ImportError::Refused(_)) => "refused",
        Ok(_) => "read",
    };
    assert_eq!(found, expected);
}

#[test]
fn a_server_that_fails_is_worth_another_try() {
    check_failure(Reply::Status(503), Limits::default(), "unreachable");
    check_failure(Reply::Status(429), Limits::default(), "unreachable");
    check_failure(Reply::CutShort, Limits::default(), "unreachable");
}

#[test]
fn a_server_that_refuses_is_not_worth_another_try() {
    check_failure(Reply::Status(404), Limits::default(), "unreadable");
    check_failure(Reply::Status(403), Limits::default(), "unreadable");
    check_failure(Reply::Compressed, Limits::default(), "unreadable");
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    // Enough for the manifest on a busy machine; the silence takes all of it.
    let limits = Limits { download_ms_max: 2_000, ..Limits::default() };
    check_failure(Reply::Silence, limits, "unreachable");
}

#[test]
fn redirects_are_counted_and_lead_nowhere_but_the_web() {
    check_failure(Reply::Redirect("/again".to_owned()), Limits::default(), "unreadable");
    let file = Reply::Redirect("file:///etc/hostname".to_owned());
    check_failure(file, Limits::default(), "unreadable");
}

#[test]
fn downloads_are_bounded() {
    let limits = Limits { file_bytes_max: 10, ..Limits::default() };
    check_failure(Reply::Body(vec![b'\n'; 11]), limits, "too large");
    let limits = Limits { manifest_bytes_max: 10, ..Limits::default() };
    check_failure(Reply::Body(Vec::new()), limits, "too large");
}

#[test]
fn a_server_that_is_not_there_is_worth_another_try() {
    // Bound and dropped at once: nobody listens on it.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr());
    let source = Source::Url(format!("http://{}/m", address.expect("a free port")));
    let options = ImportOptions { no_proxy: true, ..ImportOptions::default() };
    let found = import::read(&source, &options);
    assert!(matches!(found, Err(ImportError::Unreachable { .. })), "{found:?}");
}
