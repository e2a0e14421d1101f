//! Both carriers over TLS, with an authority made for the test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jari_messenger::{Blame, SmtpOptions, SmtpTls};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::receivers::{Answer, Receiver};
use crate::{letter, smtp, webhook};

struct Authority {
    certificate: Vec<u8>,
    server: Arc<ServerConfig>,
}

fn openssl(dir: &Path, arguments: &str) {
    let output =
        Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().expect("openssl runs");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a server at 127.0.0.1 that it signed.
fn authority() -> Authority {
    let dir = tempfile::tempdir().unwrap();
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(dir.path(), &format!("req -x509 {ec} -days 1 -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(dir.path(), &format!("req {ec} -subj /CN=receiver -keyout key.pem -out request.pem"));
    std::fs::write(dir.path().join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    openssl(
        dir.path(),
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 1 -extfile names -out chain.pem",
    );
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&read("chain.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
    let provider = rustls::crypto::ring::default_provider().into();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let server = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    Authority { certificate: read("ca.pem"), server: Arc::new(server) }
}

/// Ends TLS in front of a receiver; gives its own address.
async fn in_front_of(receiver: &Receiver, config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, behind) = (listener.local_addr().unwrap(), receiver.address);
    let acceptor = TlsAcceptor::from(config);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Whoever does not trust this server ends here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut behind = TcpStream::connect(behind).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut behind).await });
        }
    });
    address
}

#[tokio::test]
async fn a_webhook_behind_tls_is_trusted_by_its_authority_and_by_nothing_else() {
    let authority = authority();
    let mut receiver = Receiver::webhook(|_| Answer::Status(200)).await;
    let url = format!("https://{}/", in_front_of(&receiver, authority.server).await);
    let trusting = webhook::messenger(url.clone(), Some(authority.certificate));
    trusting.carry(0, &letter(), 0).await.unwrap();
    assert_eq!(receiver.next().await.header("idempotency-key"), letter().key);
    let usual = webhook::messenger(url, None);
    assert_eq!(usual.carry(0, &letter(), 0).await.unwrap_err().blame, Blame::Receiver);
    assert_eq!(receiver.rest(), 0);
}

#[tokio::test]
async fn a_mail_server_behind_tls_is_trusted_by_its_authority_and_by_nothing_else() {
    let authority = authority();
    let mut receiver = Receiver::mail(|_| Answer::Status(250)).await;
    let port = in_front_of(&receiver, authority.server).await.port();
    let options =
        |authority| SmtpOptions { tls: SmtpTls::Whole, port, authority, ..smtp::options(&receiver) };
    let (trusting, usual) =
        (smtp::messenger(&options(Some(authority.certificate))), smtp::messenger(&options(None)));
    trusting.carry(0, &letter(), 0).await.unwrap();
    assert_eq!(receiver.next().await.header("message-id"), "<00112233aabbccdd-e42@jari.example>");
    usual.carry(0, &letter(), 0).await.unwrap_err();
    assert_eq!(receiver.rest(), 0);
}
