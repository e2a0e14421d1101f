//! When the certificate ends that people see: it is asked for at the public address, as they do.
//!
//! TLS ends at a proxy, which may have a new certificate on its disk and the old one in its memory; so
//! no file is looked at. Nothing is said over the connection and whom it belongs to is not judged: that
//! is for people's browsers. Start at [`look`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jari_core::Time;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::site::Site;

/// A server that does not answer within this time is asked again later.
const TIME_MAX: Duration = Duration::from_secs(10);
const DAY_MS: u64 = 86_400_000;

/// When the certificate ends, ms; 0 while nobody knows.
#[derive(Debug, Default)]
pub(crate) struct Ending(AtomicU64);

impl Ending {
    /// Whole days until it ends, none once it has; nothing while nobody knows.
    pub(crate) fn days_left(&self, now: Time) -> Option<u32> {
        let ends_at = self.0.load(Ordering::Relaxed);
        let left_ms = ends_at.saturating_sub(now.0);
        (ends_at > 0).then(|| u32::try_from(left_ms / DAY_MS).unwrap_or(u32::MAX))
    }
}

/// Asks for the certificate once, if there is an address to ask at.
pub async fn look(site: &Site) {
    let Some(address) = &site.options.certificate_of else { return };
    match tokio::time::timeout(TIME_MAX, ends_at(address)).await {
        Ok(Ok(ends_at)) => site.certificate.0.store(ends_at.0.max(1), Ordering::Relaxed),
        Ok(Err(error)) => tracing::warn!(%error, %address, "the certificate could not be asked for"),
        Err(_) => tracing::warn!(%address, "the certificate could not be asked for in time"),
    }
}

/// When the certificate of a server ends.
async fn ends_at(address: &str) -> std::io::Result<Time> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let shown = shown.ok_or_else(|| std::io::Error::other("the server showed no certificate"))?;
    let certificate = Certificate::from_der(shown).map_err(std::io::Error::other)?;
    let until = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    Ok(Time(u64::try_from(until.as_millis()).unwrap_or(u64::MAX)))
}

/// Takes any certificate, also one that has ended: only its date is wanted.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
