//! The few files that pages fetch: a style sheet and a script for those who wait, what the
//! other pages need beside them.
//!
//! An address names the content (a hash is part of it), so a file may be kept for a
//! year and is fetched once in a wait. Files are stripped and compressed once, at first
//! use. It must never serve anything that is not listed here.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::respond;

/// One file as it is served.
#[derive(Debug)]
pub struct Asset {
    /// Its address.
    pub href: String,
    /// Its media type.
    media_type: &'static str,
    /// Its bytes.
    plain: Bytes,
    /// Its bytes, compressed.
    gzip: Bytes,
}

/// The files.
#[derive(Debug)]
pub struct Assets {
    /// The style sheet of every page.
    pub css: Asset,
    /// The style sheet of forms, lists and bookings.
    pub more_css: Asset,
    /// The script of the pages that wait or count down.
    pub js: Asset,
    /// The script of the fairness page, which uses the one above.
    pub fair: Asset,
    /// The operator's style sheet, and that of the plots.
    pub operator_css: Asset,
    /// What draws the plots.
    pub uplot: Asset,
    /// The script of the operator's plots and alarms.
    pub console: Asset,
}

/// Another project's, and so left as it is: see `assets/uplot/README.md`.
const UPLOT_JS: &str = include_str!("../../assets/uplot/uPlot.iife.min.js");
const OPERATOR_CSS: &str = concat!(
    include_str!("../../assets/uplot/uPlot.min.css"),
    "\n",
    include_str!("../../assets/operator.css")
);

/// The files of this build.
pub static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    const CSS: &str = "text/css; charset=utf-8";
    const JS: &str = "text/javascript; charset=utf-8";
    Assets {
        css: asset("site", "css", CSS, include_str!("../../assets/site.css")),
        more_css: asset("more", "css", CSS, include_str!("../../assets/more.css")),
        js: asset("wait", "js", JS, include_str!("../../assets/wait.js")),
        fair: asset("fair", "js", JS, include_str!("../../assets/fair.js")),
        operator_css: asset("operator", "css", CSS, OPERATOR_CSS),
        uplot: as_it_is("uplot", "js", JS, UPLOT_JS),
        console: asset("console", "js", JS, include_str!("../../assets/console.js")),
    }
});

fn asset(name: &str, extension: &str, media_type: &'static str, source: &str) -> Asset {
    as_it_is(name, extension, media_type, &strip(source))
}

fn as_it_is(name: &str, extension: &str, media_type: &'static str, plain: &str) -> Asset {
    let hash = blake3::hash(plain.as_bytes()).to_hex();
    let gzip = Bytes::from(respond::gzip(plain.as_bytes(), flate2::Compression::best()));
    Asset {
        href: format!("/assets/{name}-{}.{extension}", &hash[..10]),
        media_type,
        plain: Bytes::from(plain.to_owned()),
        gzip,
    }
}

/// Leaves out what only readers of the source need: indentation, empty lines, `/* */`
/// comments and `//` comments that have their line to themselves. Our files hold no text
/// that looks like one; a test would notice a broken script.
fn strip(source: &str) -> String {
    let mut stripped = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("/*") {
        stripped.push_str(&rest[..start]);
        rest = rest[start..].find("*/").map_or("", |end| &rest[start + end + 2..]);
    }
    stripped.push_str(rest);
    let lines = stripped.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.collect::<Vec<&str>>().join("\n")
}

impl Asset {
    /// Bytes on the wire when the client accepts gzip.
    #[must_use]
    pub fn gzip_bytes(&self) -> usize {
        self.gzip.len()
    }

    fn response(&self, request: &HeaderMap) -> Response {
        let compressed = respond::accepts_gzip(request);
        let body = if compressed { self.gzip.clone() } else { self.plain.clone() };
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if compressed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// `GET /assets/{file}`.
///
/// A page may outlive the build that made it (an old tab, two nodes during an update):
/// a file of another build is answered with this build's, for a moment only.
pub async fn get_asset(Path(file): Path<String>, request: HeaderMap) -> Response {
    let assets = &*ASSETS;
    let all = [
        &assets.css,
        &assets.more_css,
        &assets.js,
        &assets.fair,
        &assets.operator_css,
        &assets.uplot,
        &assets.console,
    ];
    let exact = all.iter().find(|asset| asset.href.strip_prefix("/assets/") == Some(&file));
    if let Some(asset) = exact {
        return asset.response(&request);
    }
    let name = |text: &str| text.split_once('-').map(|(name, _)| name.to_owned());
    let alike = all.iter().find(|asset| asset.href.strip_prefix("/assets/").and_then(name) == name(&file));
    match alike {
        Some(asset) if name(&file).is_some() => {
            let mut response = asset.response(&request);
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
            response
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripping_keeps_everything_but_comments_and_indentation() {
        let source = "/* a\n b */\nx{y:z}\n\n  // only here\n  f('//kept');\n";
        assert_eq!(strip(source), "x{y:z}\nf('//kept');");
    }

    #[test]
    fn what_is_another_project_s_is_as_it_came() {
        // BLAKE3 of uPlot 1.6.32's dist files; their SHA-512 in npm is in assets/uplot/README.md.
        let known = [
            (UPLOT_JS, "ea2d16ff65797375a846049c0f0a17f68b47a2850b9c73f2816ecf040ec9f2ce"),
            (
                include_str!("../../assets/uplot/uPlot.min.css"),
                "70ead7542eab83ef6ff4269c1f139e3c40f5f59f98302552320b9f79188abba1",
            ),
        ];
        for (text, hash) in known {
            assert_eq!(blake3::hash(text.as_bytes()).to_hex().as_str(), hash);
        }
        assert!(UPLOT_JS.starts_with("/*! https://github.com/leeoniya/uPlot (v1.6.32) */"));
    }

    #[test]
    fn an_address_changes_with_the_content() {
        let one = asset("a", "css", "text/css", "x{}");
        let other = asset("a", "css", "text/css", "y{}");
        assert_ne!(one.href, other.href);
    }
}
