//! Pages as responses: headers that protect, and compression.

use std::io::Write as _;

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::problem::Problem;

/// Nothing inline, nothing from elsewhere, nobody frames it, forms stay here.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The bytes, compressed.
#[must_use]
pub fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), level);
    // Writing to a vector cannot fail; if it did, an empty body would show at once.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Whether the client takes gzip (RFC 9110, 12.5.3; a weight of zero refuses it).
#[must_use]
pub fn accepts_gzip(request: &HeaderMap) -> bool {
    let accepted =
        request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|part| {
        let (coding, weight) = part.split_once(';').unwrap_or((part, ""));
        coding.trim().eq_ignore_ascii_case("gzip")
            && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

/// A page. It holds what one person may see, so nobody on the way keeps it; the browser
/// itself asks again on reload.
///
/// # Errors
///
/// A problem of ours when the template cannot be rendered.
pub fn page(template: &impl Template, status: StatusCode, request: &HeaderMap) -> Result<Response, Problem> {
    let html = template.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        Problem::ours("The page cannot be shown. Nothing was changed.")
    })?;
    Ok(html_response(html, status, request))
}

/// HTML as a response.
#[must_use]
pub fn html_response(html: String, status: StatusCode, request: &HeaderMap) -> Response {
    let compressed = accepts_gzip(request);
    // The middle level: the rest would save 2 % and cost twice the time.
    let body = if compressed { gzip(html.as_bytes(), Compression::new(5)) } else { html.into_bytes() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "accept-encoding, accept-language, cookie"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Sends the browser on with a GET: a reload then repeats nothing.
#[must_use]
pub fn see_other(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The path, if it is one of this site's; the front page otherwise. A form's `next` is
/// never an address elsewhere.
#[must_use]
pub fn local_path(path: &str) -> &str {
    let local = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 300
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if local { path } else { "/" }
}

/// A text as the value of a query parameter (RFC 3986: all but unreserved bytes encoded).
#[must_use]
pub fn encode_query(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for path in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "",
            "rooms/1",
            "/a b",
            "/a\r\nx: y",
        ] {
            assert_eq!(local_path(path), "/");
        }
        assert_eq!(local_path("/rooms/1?lang=en"), "/rooms/1?lang=en");
    }

    #[test]
    fn gzip_is_sent_only_to_those_who_take_it() {
        let accepts = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            accepts_gzip(&headers)
        };
        assert!(accepts("gzip, deflate, br"));
        assert!(accepts("br;q=1.0, GZIP;q=0.5"));
        assert!(!accepts("gzip;q=0"));
        assert!(!accepts("br"));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
