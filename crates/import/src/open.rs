//! Opens the feed's files, on disk or over HTTP, and nothing beside them.
//!
//! A manifest on disk may name only files below its own directory: no absolute path, no `..`, no
//! symbolic link that leads out, no URL. A manifest from a URL may name only `http` and `https`
//! URLs, and only `https` if it came over `https` itself; redirects are held to the same rule and
//! counted. Names shown to people carry no query and no user, since both can hold secrets.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::report::{Code, Fault};
use super::{ImportError, ImportOptions, Source};

/// Names a manifest may have in a directory, in order of preference.
const MANIFEST_NAMES: [&str; 3] = ["$bulk-publish", "bulk-publish.json", "manifest.json"];

/// A file of the feed, ready to be read.
pub(super) struct Input {
    /// As shown to people.
    pub name: String,
    pub reader: Box<dyn BufRead>,
    remote: bool,
}

impl Input {
    /// The error for a failure in the middle of reading.
    pub fn failed(name: String, remote: bool, error: &io::Error) -> ImportError {
        let why = error.to_string();
        if remote { ImportError::Unreachable { name, why } } else { ImportError::Unreadable { name, why } }
    }

    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// The whole text, bounded; for the manifest.
    fn read_text(self, bytes_max: u64) -> Result<String, ImportError> {
        let Input { name, reader, remote } = self;
        let mut bytes = Vec::new();
        let read = reader.take(bytes_max + 1).read_to_end(&mut bytes);
        read.map_err(|error| Input::failed(name.clone(), remote, &error))?;
        if bytes.len() as u64 > bytes_max {
            return Err(ImportError::TooLarge { name, what: "bytes", limit: bytes_max });
        }
        String::from_utf8(bytes)
            .map_err(|_| ImportError::Unreadable { name, why: "it is not UTF-8".to_owned() })
    }
}

/// Why a link was not opened.
pub(super) enum OpenError {
    /// It points where it must not: a problem of the manifest.
    Forbidden(Fault),
    /// It may be opened but cannot: the end of the import.
    Import(ImportError),
}

enum Place {
    /// The directory that bounds the feed, canonical, and the entry in it, if there is one.
    Disk { root: PathBuf, entry: Option<String> },
    /// The URL of the entry.
    Web { url: String, agent: ureq::Agent },
    /// A table in memory.
    Memory { name: String, bytes: Arc<[u8]> },
}

pub(super) struct Opener {
    place: Place,
    manifest_bytes_max: u64,
}

impl Opener {
    pub fn new(source: &Source, options: &ImportOptions) -> Result<Opener, ImportError> {
        let place = match source {
            Source::Path(path) => disk(path)?,
            Source::Url(url) => web(url, options)?,
            Source::Table { name, bytes } => Place::Memory { name: name.clone(), bytes: Arc::clone(bytes) },
        };
        Ok(Opener { place, manifest_bytes_max: options.limits.manifest_bytes_max })
    }

    /// Whether the entry is a CSV table rather than a manifest, by its name.
    pub fn is_table(&self) -> bool {
        let name = match &self.place {
            Place::Disk { entry, .. } => entry.as_deref().unwrap_or_default(),
            Place::Web { url, .. } => without_query(url),
            Place::Memory { .. } => return true,
        };
        name.to_ascii_lowercase().ends_with(".csv")
    }

    /// Opens the entry itself.
    pub fn open_entry(&self) -> Result<Input, ImportError> {
        let opened = match &self.place {
            Place::Disk { root, entry: Some(entry) } => open_below(root, entry),
            Place::Disk { root, entry: None } => {
                return Err(unreadable(root.display(), "it is a directory"));
            }
            Place::Web { url, agent } => get(agent, url).map_err(OpenError::Import),
            Place::Memory { name, bytes } => {
                let reader = Box::new(io::Cursor::new(Arc::clone(bytes)));
                Ok(Input { name: name.clone(), reader, remote: false })
            }
        };
        opened.map_err(|error| match error {
            OpenError::Import(error) => error,
            OpenError::Forbidden(fault) => unreadable("the source", fault.message),
        })
    }

    /// The manifest's name and text; `None` for a directory without one.
    pub fn manifest(&self) -> Result<Option<(String, String)>, ImportError> {
        if let Place::Disk { entry: None, .. } = self.place {
            return Ok(None);
        }
        let input = self.open_entry()?;
        let name = input.name.clone();
        Ok(Some((name, input.read_text(self.manifest_bytes_max)?)))
    }

    /// The `.ndjson` files of a directory without a manifest, by name.
    pub fn list_ndjson(&self) -> Result<Vec<String>, ImportError> {
        let Place::Disk { root, .. } = &self.place else {
            return Ok(Vec::new());
        };
        let failed = |error: io::Error| unreadable(root.display(), error);
        let mut names = Vec::new();
        for entry in fs::read_dir(root).map_err(failed)? {
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string()
                && name.to_ascii_lowercase().ends_with(".ndjson")
            {
                names.push(name);
            }
        }
        if names.is_empty() {
            let why = "the directory has no manifest ($bulk-publish) and no .ndjson file; \
                       to import a table, name the .csv file itself";
            return Err(unreadable(root.display(), why));
        }
        names.sort();
        Ok(names)
    }

    /// Opens what the manifest, or [`Opener::list_ndjson`], names.
    pub fn open_link(&self, link: &str) -> Result<Input, OpenError> {
        match &self.place {
            Place::Disk { root, .. } => open_below(root, link),
            Place::Web { url, agent } => {
                let target = resolve(url, link).map_err(OpenError::Forbidden)?;
                get(agent, &target).map_err(OpenError::Import)
            }
            Place::Memory { .. } => Err(OpenError::Forbidden(forbidden(link, "a table names no files"))),
        }
    }
}

fn unreadable(name: impl ToString, why: impl ToString) -> ImportError {
    ImportError::Unreadable { name: name.to_string(), why: why.to_string() }
}

fn disk(path: &Path) -> Result<Place, ImportError> {
    let failed = |error: io::Error| unreadable(path.display(), error);
    let path = path.canonicalize().map_err(failed)?;
    if path.is_dir() {
        let found = MANIFEST_NAMES.iter().find(|name| path.join(name).is_file());
        let entry = found.map(|name| (*name).to_owned());
        return Ok(Place::Disk { root: path, entry });
    }
    let name = path.file_name().and_then(|name| name.to_str());
    match (path.parent(), name) {
        (Some(root), Some(name)) => Ok(Place::Disk { root: root.to_owned(), entry: Some(name.to_owned()) }),
        _ => Err(unreadable(path.display(), "its name is not UTF-8")),
    }
}

fn forbidden(link: &str, why: &str) -> Fault {
    Fault::new(Code::ForbiddenLink, format!("{:?}: {why}", shown_name(link)))
}

fn open_below(root: &Path, link: &str) -> Result<Input, OpenError> {
    let refuse = |why: &str| OpenError::Forbidden(forbidden(link, why));
    if link.contains("://") || link.starts_with("file:") {
        return Err(refuse(
            "a manifest on disk may only name files beside it, not URLs; \
             download the file, or import from the manifest's own URL",
        ));
    }
    let relative = Path::new(link);
    if !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(refuse("the path leaves the manifest's directory"));
    }
    let failed = |error: io::Error| OpenError::Import(unreadable(link, error));
    let path = root.join(relative).canonicalize().map_err(failed)?;
    if !path.starts_with(root) {
        return Err(refuse("a symbolic link leads out of the manifest's directory"));
    }
    // A pipe or a device would block or never end.
    if !fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(OpenError::Import(unreadable(link, "it is not a regular file")));
    }
    let file = File::open(&path).map_err(failed)?;
    let reader = Box::new(BufReader::with_capacity(64 << 10, file));
    Ok(Input { name: link.to_owned(), reader, remote: false })
}

fn web(url: &str, options: &ImportOptions) -> Result<Place, ImportError> {
    let limits = &options.limits;
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_millis(limits.download_ms_max)))
        .timeout_connect(Some(Duration::from_millis(limits.download_ms_max.min(15_000))))
        .max_redirects(limits.redirects_max)
        .max_redirects_will_error(true)
        .https_only(is_https(url))
        .user_agent(concat!("jari-import/", env!("CARGO_PKG_VERSION")));
    if options.no_proxy {
        config = config.proxy(None);
    }
    Ok(Place::Web { url: url.to_owned(), agent: config.build().into() })
}

fn get(agent: &ureq::Agent, url: &str) -> Result<Input, ImportError> {
    let name = shown_name(url);
    let response = agent.get(url).call().map_err(|error| match error {
        // ureq's text for this one repeats the URL, and with it the query.
        ureq::Error::BadUri(_) => unreadable(&name, "it is not a valid URL"),
        ureq::Error::StatusCode(429 | 500..) => {
            ImportError::Unreachable { name: name.clone(), why: error.to_string() }
        }
        ureq::Error::StatusCode(_)
        | ureq::Error::RequireHttpsOnly(_)
        | ureq::Error::TooManyRedirects
        | ureq::Error::RedirectFailed => unreadable(&name, error),
        error => ImportError::Unreachable { name: name.clone(), why: error.to_string() },
    })?;
    let encoding = response.headers().get("content-encoding").and_then(|value| value.to_str().ok());
    if let Some(encoding) = encoding.filter(|encoding| *encoding != "identity") {
        let why = format!("it is sent compressed ({encoding}) although that was not asked for");
        return Err(unreadable(name, why));
    }
    let reader = Box::new(BufReader::with_capacity(64 << 10, response.into_body().into_reader()));
    Ok(Input { name, reader, remote: true })
}

fn is_https(url: &str) -> bool {
    url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// A URL without query, fragment and user.
fn shown_name(url: &str) -> String {
    let url = without_query(url);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host_end = rest.find('/').unwrap_or(rest.len());
            let host_start = rest[..host_end].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[host_start..])
        }
        None => url.to_owned(),
    }
}

/// The absolute URL of a link found in the document at `base` (RFC 3986, section 5.2, for
/// `http` and `https` only).
fn resolve(base: &str, link: &str) -> Result<String, Fault> {
    let link = link.trim();
    let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
    let rest = without_query(rest);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let has_scheme = link
        .split_once(':')
        .is_some_and(|(start, _)| !start.is_empty() && !start.contains(['/', '?', '#', '.']));
    let target = if has_scheme {
        link.to_owned()
    } else if link.starts_with("//") {
        format!("{scheme}:{link}")
    } else if link.starts_with('/') {
        format!("{scheme}://{host}{}", without_dots(link))
    } else {
        let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
        format!("{scheme}://{host}{}", without_dots(&format!("{folder}{link}")))
    };
    let lower = target.to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Err(forbidden(link, "only http and https are followed"));
    }
    if is_https(base) && !is_https(&target) {
        return Err(forbidden(link, "a manifest sent over https may not lead to plain http"));
    }
    Ok(target)
}

/// Removes `.` and `..` from an absolute path, which may carry a query.
fn without_dots(path: &str) -> String {
    let (path, query) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_resolve_against_the_manifest() {
        let base = "https://example.org/feed/$bulk-publish?sig=secret";
        for (link, expected) in [
            ("slots.ndjson", "https://example.org/feed/slots.ndjson"),
            ("a/b.ndjson?x=1", "https://example.org/feed/a/b.ndjson?x=1"),
            ("../b.ndjson", "https://example.org/b.ndjson"),
            ("../../../b", "https://example.org/b"),
            ("/c", "https://example.org/c"),
            ("//cdn.example.org/d", "https://cdn.example.org/d"),
            ("https://other.example/e?f=g", "https://other.example/e?f=g"),
            ("2021-07-14T09:00.ndjson", "!"),
            ("file:///etc/passwd", "!"),
            ("http://example.org/plain", "!"),
            ("ftp://example.org/", "!"),
        ] {
            let found = resolve(base, link).unwrap_or_else(|_| "!".to_owned());
            assert_eq!(found, expected, "{link}");
        }
        assert_eq!(resolve("http://h", "x").ok().as_deref(), Some("http://h/x"));
    }

    #[test]
    fn shown_names_hold_no_secrets() {
        assert_eq!(shown_name("https://u:p@example.org/a?sig=s#f"), "https://example.org/a");
        assert_eq!(shown_name("slots.ndjson"), "slots.ndjson");
    }
}
