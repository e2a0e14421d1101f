//! Whom a carrier trusts: the authorities that browsers trust, or one of the operator's own.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::SettingError;

/// The client's side of TLS, with the certificates (PEM) of an authority of one's own, if any.
pub(crate) fn client(authority: Option<&[u8]>) -> Result<ClientConfig, SettingError> {
    let unread = |error: &dyn std::fmt::Display| SettingError::Authority(error.to_string());
    let mut roots = RootCertStore::empty();
    match authority {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(|error| unread(&error))?).map_err(|error| unread(&error))?;
            }
            if roots.is_empty() {
                return Err(unread(&"there is none in the file"));
            }
        }
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unread(&error))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
