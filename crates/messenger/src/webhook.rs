//! The webhook: a letter as JSON, posted, signed.
//!
//! Two headers prove where it comes from: `Jari-Timestamp`, seconds since 1970, and
//! `Jari-Signature`, `v1=` and the hexadecimal HMAC-SHA256 of `TIMESTAMP.KEY.BODY`, once for each
//! secret; while a secret is replaced there are two, and a receiver takes either. The key is the one
//! of the header `Idempotency-Key`. Any answer of 2xx means that the receiver has taken the letter
//! upon itself.

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ring::hmac;
use serde::Serialize;
use std::time::Duration;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{Blame, Fault, Letter, SettingError, is_here, tls};

/// A shorter secret could be guessed.
pub const SECRET_BYTES_MIN: usize = 16;
/// The one that counts, and the one that is about to.
pub const SECRETS_MAX: usize = 2;
/// Of an answer so much is read, so that the connection serves again; nothing in it counts.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// And for no longer than this.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// A connection to the receiver is kept so long without a message.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Where to post, and how to sign.
pub struct WebhookOptions {
    /// The receiver's address.
    pub url: String,
    /// The secrets file: one a line, one or two.
    pub secrets: Zeroizing<String>,
    /// Certificates (PEM) of the authority that signed the receiver's; without, the usual ones.
    pub authority: Option<Vec<u8>>,
    /// Plain HTTP to another machine is the operator's wish: the network between is trusted.
    pub clear_trusted: bool,
}

/// See the module's documentation.
pub struct Webhook {
    uri: Uri,
    keys: Vec<hmac::Key>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A letter on its way. Fields may be added; none changes its meaning.
#[derive(Serialize)]
struct Body<'a> {
    version: u8,
    key: &'a str,
    purpose: &'a str,
    to: &'a str,
    language: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
}

impl Webhook {
    /// A way to a receiver. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// See [`SettingError`].
    pub fn new(options: &WebhookOptions) -> Result<Webhook, SettingError> {
        let uri: Uri = options.url.parse().map_err(|_| SettingError::Url)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(SettingError::Url)?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => {}
            Some(scheme) if *scheme == Scheme::HTTP => {
                if !options.clear_trusted && !is_here(host.trim_start_matches('[').trim_end_matches(']')) {
                    let clear = "use https, or say clear_trusted = true and answer for the network";
                    return Err(SettingError::Clear("plain HTTP", clear));
                }
            }
            _ => return Err(SettingError::Url),
        }
        // A name and password in the address would be shown wherever the address is.
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(SettingError::Url);
        }
        let keys = keys_of(&options.secrets)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client(options.authority.as_deref())?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Ok(Webhook { uri, keys, client })
    }

    /// Posts a letter.
    ///
    /// # Errors
    ///
    /// See [`Fault`].
    pub(crate) async fn carry(&self, letter: &Letter, now_ms: u64) -> Result<(), Fault> {
        let Letter { key, purpose, to, language, text, expires_at_ms, .. } = letter;
        let body = Body { version: 1, key, purpose, to, language, text, expires_at_ms: *expires_at_ms };
        let body = serde_json::to_vec(&body).map_err(|_| Fault::new(Blame::Letter, "no JSON"))?;
        let timestamp = (now_ms / 1_000).to_string();
        let request = Request::post(&self.uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "jari")
            .header("idempotency-key", key)
            .header("jari-signature", self.signature(&timestamp, key, &body))
            .header("jari-timestamp", timestamp)
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Fault::new(Blame::Letter, "no HTTP request"))?;
        let answer = self.client.request(request).await.map_err(|error| {
            Fault::new(Blame::Receiver, if error.is_connect() { "no connection" } else { "connection broke" })
        })?;
        let (head, body) = answer.into_parts();
        // Read to its end the connection can serve again. The status has said all that counts: a letter that was
        // taken is not carried again because the rest of the answer does not come.
        let _ = timeout(ANSWER_WAIT, Limited::new(body, ANSWER_BYTES_MAX).collect()).await;
        judge(head.status, &head.headers)
    }

    fn signature(&self, timestamp: &str, key: &str, body: &[u8]) -> String {
        let mut signatures = String::new();
        for secret in &self.keys {
            let mut context = hmac::Context::with_key(secret);
            for part in [timestamp.as_bytes(), b".", key.as_bytes(), b".", body] {
                context.update(part);
            }
            signatures.push_str(if signatures.is_empty() { "v1=" } else { ",v1=" });
            for byte in context.sign().as_ref() {
                signatures.push_str(&format!("{byte:02x}"));
            }
        }
        signatures
    }
}

fn keys_of(secrets: &str) -> Result<Vec<hmac::Key>, SettingError> {
    let lines: Vec<&str> = secrets.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if !(1..=SECRETS_MAX).contains(&lines.len()) || lines.iter().any(|line| line.len() < SECRET_BYTES_MIN) {
        return Err(SettingError::Secret);
    }
    Ok(lines.iter().map(|line| hmac::Key::new(hmac::HMAC_SHA256, line.as_bytes())).collect())
}

/// What a status means for the letter.
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), Fault> {
    let blame = match status.as_u16() {
        200..=299 => return Ok(()),
        // It does not know this service, or is no webhook: redirects are not followed.
        300..=399 | 401 | 403 | 404 | 405 | 407 => Blame::Service,
        408 | 425 | 429 => Blame::Receiver,
        400..=499 => Blame::Letter,
        _ => Blame::Receiver,
    };
    let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Fault {
        after: after.map(Duration::from_secs),
        ..Fault::new(blame, format!("http {}", status.as_u16()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str, secrets: &str) -> WebhookOptions {
        let secrets = Zeroizing::new(secrets.to_owned());
        WebhookOptions { url: url.into(), secrets, authority: None, clear_trusted: false }
    }

    fn mistake(url: &str, secrets: &str) -> Option<String> {
        Webhook::new(&options(url, secrets)).err().map(|error| error.to_string())
    }

    const SECRET: &str = "0123456789abcdef";

    #[test]
    fn a_signature_is_what_others_compute_too() {
        // printf '1626256800.k.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let webhook = Webhook::new(&options("https://sms.example.org/", SECRET)).unwrap();
        assert_eq!(
            webhook.signature("1626256800", "k", b"{}"),
            "v1=fd40efdc1e299a8ab4dae96fa917b53fb980420e3326dbc6131698d2d6ef599c"
        );
        let both = format!("{SECRET}\n\n {SECRET}x \n");
        let webhook = Webhook::new(&options("https://sms.example.org/", &both)).unwrap();
        let signed = webhook.signature("1626256800", "k", b"{}");
        assert_eq!((signed.matches("v1=").count(), signed.len()), (2, 2 * 67 + 1));
    }

    #[test]
    fn what_would_travel_in_clear_or_unsigned_is_refused() {
        for url in
            ["https://sms.example.org/x", "http://localhost:1/", "http://127.0.0.1/", "http://[::1]:9/"]
        {
            assert_eq!(mistake(url, SECRET), None, "{url}");
        }
        for url in ["", "sms.example.org", "ftp://x/", "https:///x", "https://a:b@sms.example.org/"] {
            let said = mistake(url, SECRET).unwrap();
            assert!(said.contains("no address") && !said.contains("a:b"), "{url}: {said}");
        }
        assert!(mistake("http://sms.example.org/", SECRET).unwrap().contains("in clear"));
        for secrets in ["", "short", "0123456789abcdef\nshort", "\n\n"] {
            assert!(mistake("https://sms.example.org/", secrets).unwrap().contains("secret"), "{secrets:?}");
        }
        assert!(mistake("https://x.example/", &format!("{SECRET}\n{SECRET}\n{SECRET}")).is_some());
        let wrong = WebhookOptions { authority: Some(b"no PEM".to_vec()), ..options("https://x/", SECRET) };
        assert!(Webhook::new(&wrong).err().unwrap().to_string().contains("certificates"));
    }

    #[test]
    fn each_status_says_whose_fault_it_is() {
        let blame = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            judge(status, &HeaderMap::new()).err().map(|fault| fault.blame)
        };
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], None),
            (&[400, 402, 406, 409, 410, 413, 415, 422, 499], Some(Blame::Letter)),
            (&[301, 302, 307, 401, 403, 404, 405, 407], Some(Blame::Service)),
            (&[408, 425, 429, 500, 502, 503, 504, 599, 600], Some(Blame::Receiver)),
        ] {
            for status in statuses {
                assert_eq!(blame(*status), expected, "{status}");
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        let busy = judge(StatusCode::SERVICE_UNAVAILABLE, &headers).unwrap_err();
        assert_eq!((busy.after, &*busy.said), (Some(Duration::from_secs(7)), "http 503"));
    }
}
