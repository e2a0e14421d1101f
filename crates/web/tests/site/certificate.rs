//! The certificate that people see, asked for over real TLS.

use std::path::Path;
use std::process::Command;

use jari_web::certificate;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::TestSite;

/// A certificate of its own for so many days from today; the service's clock stands in 2021.
fn self_signed(dir: &Path, days: u32) -> ServerConfig {
    let arguments = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days {days} -subj /CN=x -keyout key -out chain"
    );
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&read("chain")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("key")).unwrap();
    let provider = rustls::crypto::ring::default_provider().into();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    config.with_no_client_auth().with_single_cert(chain, key).unwrap()
}

async fn alarms(site: &TestSite) -> String {
    jari_web::series::record(&site.site);
    site.operator().await.get("/api/v1/operator/alarms").await.json().to_string()
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_an_alarm_and_one_that_cannot_be_asked_for_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(self_signed(dir.path(), 10)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    let site = TestSite::with(|options| options.certificate_of = Some(address)).await;
    assert!(!alarms(&site).await.contains("certificate_ends"), "nobody has looked");
    certificate::look(&site.site).await;
    assert!(!alarms(&site).await.contains("certificate_ends"), "years are left by the service's clock");
    // Nine days before the end, by a clock that a test may set.
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    site.at(now + 86_400_000).await;
    assert!(alarms(&site).await.contains("certificate_ends"));
    serving.abort();
    let _ = serving.await;
    certificate::look(&site.site).await;
    assert!(alarms(&site).await.contains("certificate_ends"), "what is known stays");
    let site = TestSite::with(|options| options.certificate_of = Some("127.0.0.1:1".into())).await;
    certificate::look(&site.site).await;
    assert!(!alarms(&site).await.contains("certificate_ends"));
}
