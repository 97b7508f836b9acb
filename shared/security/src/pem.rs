//! PEM files: certificates and keys as text.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The largest PEM file: room for hundreds of certificates.
const MAX_BYTES: u64 = 1 << 20;

/// What a PEM file should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemExpectation {
    /// At least one certificate.
    Certificates,
    /// A private key.
    PrivateKey,
}

impl PemExpectation {
    fn words(self) -> &'static str {
        match self {
            Self::Certificates => "a certificate",
            Self::PrivateKey => "a private key",
        }
    }
}

/// A file that is not the PEM file that it should be.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("{}: found a file that cannot be read ({reason}), expected {} in PEM form", .path.display(), .expected.words())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        reason: io::Error,
        /// What it should hold.
        expected: PemExpectation,
    },
    /// It holds something else.
    #[error("{}: found {found}, expected {} in PEM form", .path.display(), .expected.words())]
    Contents {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: PemExpectation,
    },
}

/// All certificates in the file at `path`, in their order; at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let sections = sections(path, PemExpectation::Certificates)?;
    let found = kinds(&sections);
    let certificates: Vec<_> = sections
        .into_iter()
        .filter_map(|(kind, der)| CertificateDer::from_pem(kind, der))
        .collect();
    if certificates.is_empty() {
        return Err(PemError::Contents {
            path: path.to_owned(),
            found,
            expected: PemExpectation::Certificates,
        });
    }
    Ok(certificates)
}

/// The private key in the file at `path`.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let sections = sections(path, PemExpectation::PrivateKey)?;
    let found = kinds(&sections);
    let mut keys = sections
        .into_iter()
        .filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key),
        (first, _) => Err(PemError::Contents {
            path: path.to_owned(),
            found: if first.is_some() {
                "several private keys".to_owned()
            } else {
                found
            },
            expected: PemExpectation::PrivateKey,
        }),
    }
}

fn sections(path: &Path, expected: PemExpectation) -> Result<Vec<(SectionKind, Vec<u8>)>, PemError> {
    let contents = |found: String| PemError::Contents {
        path: path.to_owned(),
        found,
        expected,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|reason| PemError::Unreadable {
            path: path.to_owned(),
            reason,
            expected,
        })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(contents(format!("more than {MAX_BYTES} bytes")));
    }
    <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| contents(format!("broken PEM ({error})")))
}

/// What `sections` are, for people.
fn kinds(sections: &[(SectionKind, Vec<u8>)]) -> String {
    let mut kinds: Vec<_> = sections.iter().map(|(kind, _)| words(kind)).collect();
    kinds.dedup();
    match kinds.as_slice() {
        [] => "nothing in PEM form".to_owned(),
        kinds => kinds.join(" and "),
    }
}

fn words(kind: &SectionKind) -> &'static str {
    match kind {
        SectionKind::Certificate => "a certificate",
        SectionKind::RsaPrivateKey | SectionKind::PrivateKey | SectionKind::EcPrivateKey => "a private key",
        SectionKind::PublicKey => "a public key",
        SectionKind::Csr => "a request for a certificate",
        SectionKind::Crl => "a list of revoked certificates",
        _ => "something else",
    }
}
