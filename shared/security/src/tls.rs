//! TLS: the files that it needs, and what is made of them.
//!
//! TLS 1.3 only, with the algorithms of `ring`. Sessions are not resumed: a worker connects once a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::pem::{self, PemError};

/// HTTP/2, the one protocol that is spoken inside.
const ALPN: &[u8] = b"h2";

/// A certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, followed by those between it and the CA, if any.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How a coordinator speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// What it shows to workers.
    pub own: CertificateFiles,
    /// The CA of which workers must have a certificate; `None` if they need none.
    pub ca: Option<PathBuf>,
}

/// How a worker speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// The CA that must have issued the coordinator's certificate.
    pub ca: PathBuf,
    /// What it shows to the coordinator, if it asks.
    pub own: Option<CertificateFiles>,
}

/// Files that do not make up TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One is not what it should be.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The key is not that of the certificate.
    #[error("{}: found the key of another certificate, expected that of {}", .0.key.display(), .0.certificate.display())]
    OtherKey(CertificateFiles),
    /// A certificate or a key that cannot be used.
    #[error("{}: found {what} that cannot be used ({reason}), expected one for TLS", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        what: &'static str,
        /// Why it cannot be used.
        reason: String,
    },
}

impl TlsError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        Some(
            "`coordinator certificates DIR --host NAME` makes a CA, certificates and keys that fit together".to_owned(),
        )
    }
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if one of them is not what it should be.
    pub fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&self.own.certificate, "a certificate", error))?;
        let builder = match &self.ca {
            Some(ca) => builder.with_client_cert_verifier(client_verifier(ca)?),
            None => builder.with_no_client_auth(),
        };
        let (chain, key) = self.own.read()?;
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| self.own.mismatch(error))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if one of them is not what it should be.
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| unusable(&self.ca, "a certificate", error))?
            .with_root_certificates(roots(&self.ca)?);
        let mut config = match &self.own {
            Some(own) => {
                let (chain, key) = own.read()?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| own.mismatch(error))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

type Identity = (
    Vec<rustls::pki_types::CertificateDer<'static>>,
    rustls::pki_types::PrivateKeyDer<'static>,
);

impl CertificateFiles {
    fn read(&self) -> Result<Identity, TlsError> {
        Ok((pem::certificates(&self.certificate)?, pem::private_key(&self.key)?))
    }

    /// What it means that rustls does not take certificate and key.
    fn mismatch(&self, error: rustls::Error) -> TlsError {
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey(self.clone()),
            rustls::Error::InvalidCertificate(_) => unusable(&self.certificate, "a certificate", error),
            _ => unusable(&self.key, "a private key", error),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(ca: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(ca)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(ca, "a certificate", error))?;
    }
    Ok(roots)
}

fn client_verifier(ca: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider())
        .build()
        .map_err(|error| unusable(ca, "a certificate", error))
}

fn unusable(path: &Path, what: &'static str, reason: impl ToString) -> TlsError {
    TlsError::Unusable {
        path: path.to_owned(),
        what,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests;
