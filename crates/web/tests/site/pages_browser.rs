//! A browser without scripts: cookies, links, forms, redirects. Every page it opens is
//! checked for what all pages must keep.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jari_web::pages::respond::encode_query;

use crate::harness::{Actor, Reply, TestSite};

/// How a form without files is sent.
const FORM: &str = "application/x-www-form-urlencoded";
/// What stands between the parts of a form with one.
const BOUNDARY: &str = "----of-a-browser";
/// The name by which a browser reaches the site.
pub const HOST: &str = "jari.example.org";

/// See the module's documentation.
pub struct Browser<'a> {
    site: &'a TestSite,
    language: &'static str,
    cookies: BTreeMap<String, String>,
    /// The address shown.
    pub path: String,
    /// The page shown.
    pub html: String,
    /// Its status.
    pub status: u16,
}

impl<'a> Browser<'a> {
    pub fn new(site: &'a TestSite, language: &'static str) -> Browser<'a> {
        let (path, html) = (String::new(), String::new());
        Browser { site, language, cookies: BTreeMap::new(), path, html, status: 0 }
    }

    /// Opens an address and follows where it leads.
    pub async fn open(&mut self, path: &str) -> &mut Self {
        self.send("GET", path, String::new(), FORM).await;
        self
    }

    /// Follows the first link whose address contains `part`.
    pub async fn follow(&mut self, part: &str) -> &mut Self {
        let link =
            attributes(&self.html, "<a ").map(|tag| value(tag, "href")).find(|href| href.contains(part));
        let link = link.unwrap_or_else(|| panic!("no link to {part} on {}:\n{}", self.path, self.html));
        self.open(&link).await
    }

    /// Sends the first form whose address contains `part`, with its hidden fields, its
    /// first button's value and `fields`.
    pub async fn submit(&mut self, part: &str, fields: &[(&str, &str)]) -> &mut Self {
        let (action, sent) = self.filled(part, fields);
        self.post(&action, &sent).await
    }

    /// The same of a form with a file in it.
    pub async fn upload(&mut self, part: &str, fields: &[(&str, &str)], file: (&str, &str)) -> &mut Self {
        let (action, sent) = self.filled(part, fields);
        let field = |(name, value): (&String, &String)| {
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let fields: String = sent.iter().map(field).collect();
        let (name, content) = file;
        let body = format!(
            "{fields}--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"table\"; filename=\"{name}\"\r\n\
             content-type: text/csv\r\n\r\n{content}\r\n--{BOUNDARY}--\r\n"
        );
        self.send("POST", &action, body, &format!("multipart/form-data; boundary={BOUNDARY}")).await;
        self
    }

    /// Where the first form whose address contains `part` goes, and what it sends.
    fn filled(&self, part: &str, fields: &[(&str, &str)]) -> (String, BTreeMap<String, String>) {
        let forms = self.html.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap());
        let form = forms.into_iter().find(|form| value(form, "action").contains(part));
        let form =
            form.unwrap_or_else(|| panic!("no form for {part} on {}:\n{}", self.path, self.html)).to_owned();
        let mut sent = BTreeMap::new();
        for tag in attributes(&form, "<input ").filter(|tag| tag.contains("type=\"hidden\"")) {
            sent.insert(value(tag, "name"), value(tag, "value"));
        }
        let button = attributes(&form, "<button ").next().filter(|tag| tag.contains("name="));
        sent.extend(button.map(|tag| (value(tag, "name"), value(tag, "value"))));
        sent.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        (value(&form, "action"), sent)
    }

    /// Posts fields, whatever form they are from.
    pub async fn post(&mut self, path: &str, fields: &BTreeMap<String, String>) -> &mut Self {
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encode_query(value)));
        let body = pairs.collect::<Vec<String>>().join("&");
        self.send("POST", path, body, FORM).await;
        self
    }

    /// Keeps a cookie.
    pub fn keep(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> String {
        self.cookies.get(name).cloned().unwrap_or_else(|| panic!("no cookie {name}"))
    }

    /// The names of all cookies that it keeps.
    pub fn cookie_names(&self) -> BTreeSet<String> {
        self.cookies.keys().cloned().collect()
    }

    /// The value of the page's first hidden field of that name.
    pub fn hidden(&self, name: &str) -> String {
        let mut fields = attributes(&self.html, "<input ").filter(|tag| tag.contains("type=\"hidden\""));
        let field = fields.find(|tag| value(tag, "name") == name);
        value(field.unwrap_or_else(|| panic!("no field {name} on {}:\n{}", self.path, self.html)), "value")
    }

    /// Gets an address, whatever is there, and goes nowhere else.
    pub async fn look(&mut self, path: &str) -> &mut Self {
        let reply = self.fetch(path).await;
        (self.status, self.path) = (reply.status, path.to_owned());
        self.html = String::from_utf8(reply.body.to_vec()).unwrap();
        self
    }

    /// Asserts that the page says something.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.html.contains(text), "{} does not say {text}:\n{}", self.path, self.html);
        self
    }

    /// Gets an address as this browser would, whatever comes back.
    pub async fn fetch(&self, path: &str) -> Reply {
        self.actor().get(path).await
    }

    /// Posts fields with the token of the form shown, whatever comes back.
    pub async fn send_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let csrf = [("csrf", self.hidden("csrf"))];
        let csrf = csrf.iter().map(|(name, value)| (*name, value.as_str()));
        let pairs = csrf.chain(fields.iter().copied());
        let body: Vec<String> =
            pairs.map(|(name, value)| format!("{name}={}", encode_query(value))).collect();
        self.actor().saying("content-type", FORM).send("POST", path, Bytes::from(body.join("&"))).await
    }

    /// The same with another name of the site.
    pub async fn fetch_from(&self, host: &str, path: &str) -> Reply {
        self.actor().saying("host", host).get(path).await
    }

    fn actor(&self) -> Actor<'a> {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let actor = self.site.nobody().saying("accept-language", self.language).saying("host", HOST);
        actor.saying("cookie", cookies.join("; "))
    }

    async fn send(&mut self, method: &str, path: &str, body: String, kind: &str) {
        let (mut method, mut path, mut body) = (method.to_owned(), path.to_owned(), body);
        for _ in 0..6 {
            let path_sent = path.split('#').next().unwrap().to_owned();
            let actor = self.actor().saying("content-type", kind);
            let reply = actor.send(&method, &path_sent, Bytes::from(body)).await;
            for line in reply.headers.get_all("set-cookie") {
                let line = line.to_str().unwrap();
                assert!(
                    line.contains("HttpOnly") && line.contains("SameSite=Lax") && line.contains("Secure")
                );
                let (name, rest) = line.split_once('=').unwrap();
                let kept = rest.split(';').next().unwrap().to_owned();
                if line.contains("Max-Age=0") {
                    self.cookies.remove(name)
                } else {
                    self.cookies.insert(name.into(), kept)
                };
            }
            if reply.status == 303 {
                path = reply.headers["location"].to_str().unwrap().to_owned();
                (method, body) = ("GET".to_owned(), String::new());
                continue;
            }
            self.status = reply.status;
            self.path = path;
            self.html = String::from_utf8(reply.body.to_vec()).unwrap();
            let policy = reply.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
            self.check_page();
            return;
        }
        panic!("redirects go round in circles at {path}");
    }

    /// One heading of the first rank, ranks in order, a main part, a label for every
    /// field, nothing inline, a language.
    fn check_page(&self) {
        let (html, path) = (&self.html, &self.path);
        assert!(html.starts_with("<!doctype html>"), "{path} is no page: {html}");
        assert!(html.contains("<html lang=\"ko\"") || html.contains("<html lang=\"en\""), "{path}");
        assert_eq!(html.matches("<h1").count(), 1, "{path} has one first heading:\n{html}");
        assert_eq!(html.matches("<main id=\"main\"").count(), 1, "{path}");
        let ranks = html.match_indices("<h").filter_map(|(at, _)| html[at + 2..at + 3].parse::<u8>().ok());
        let mut last = 0;
        for rank in ranks {
            assert!(rank <= last + 1, "{path} leaves out a rank of headings");
            last = rank;
        }
        for inline in [" style=", " onclick=", " onload=", "<style", "<script>", "javascript:"] {
            assert!(!html.contains(inline), "{path} has {inline}");
        }
        let fields = ["<input ", "<select ", "<textarea "].into_iter().flat_map(|tag| attributes(html, tag));
        for tag in fields.filter(|tag| !tag.contains("type=\"hidden\"")) {
            let label = format!("for=\"{}\"", value(tag, "id"));
            assert!(html.contains(&label), "{path}: no label for {tag}");
        }
        let posts = html.matches("method=\"post\"").count();
        assert_eq!(posts, html.matches("name=\"csrf\"").count(), "{path}: every form carries its token");
    }
}

/// The insides of all tags that begin with `start`.
fn attributes<'h>(html: &'h str, start: &'h str) -> impl Iterator<Item = &'h str> {
    html.split(start).skip(1).map(|rest| rest.split('>').next().unwrap())
}

/// An attribute's value, unescaped.
fn value(tag: &str, name: &str) -> String {
    let marked = format!("{name}=\"");
    let Some((_, rest)) = tag.split_once(&marked) else { return String::new() };
    let raw = rest.split('"').next().unwrap();
    let signs = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    signs.iter().fold(raw.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
