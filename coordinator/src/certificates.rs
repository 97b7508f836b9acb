//! `coordinator certificates`: a CA, certificates and a token, ready to use.
//!
//! ```text
//! CA (its key is forgotten) ─┬─▶ coordinator.pem, coordinator-key.pem   named after its hosts
//!          ca.pem            └─▶ worker.pem, worker-key.pem             the same for all workers
//! system's randomness ─────────▶ token
//! ```
//!
//! The CA's key is never written: who wants more certificates makes a new CA. So there is no secret from which others
//! can be made.

mod files;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use time::{Date, Duration, OffsetDateTime};
use tokio_rustls::rustls::pki_types::DnsName;

use crate::access::commands;
use files::{Access, NewFile};

/// How long the certificates are valid.
const VALIDITY: Duration = Duration::days(730);

/// How much earlier than now their validity begins, for machines whose clock is behind.
const TOLERANCE: Duration = Duration::days(1);

/// Bytes of randomness in a token, two characters each.
const TOKEN_BYTES: usize = 16;

/// What `coordinator certificates` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatesConfig {
    /// The folder to write to.
    pub dir: PathBuf,
    /// How workers call the coordinator's machine: DNS names and IP addresses, at least one.
    pub hosts: Vec<String>,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// A host that no certificate can name.
    #[error("--host: found `{}`, expected a DNS name or an IP address by which workers reach this machine", .0.escape_default())]
    Host(String),
    /// Files that are there already.
    #[error("{}: found {}, expected none of the files that this command writes", .dir.display(), .names.join(", "))]
    Exist {
        /// The folder.
        dir: PathBuf,
        /// Their names.
        names: Vec<&'static str>,
    },
    /// The folder or a file cannot be written.
    #[error("{}: cannot be written: {reason}", .path.display())]
    Refused {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// No keys can be made.
    #[error("cannot make keys and certificates: {0}")]
    Making(#[from] rcgen::Error),
    /// The system has no randomness for us.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// The clock shows a time that no certificate can have.
    #[error("found a clock that shows a time outside of the years 1970 to 9999, expected the present")]
    Clock,
}

impl CertificatesError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exist { .. } => {
                Some("choose another folder, or remove these files if nobody uses them any more".to_owned())
            }
            Self::Host(_) => Some("an IPv6 address stands without brackets here: `--host 2001:db8::7`".to_owned()),
            _ => None,
        }
    }

    /// The program's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Host(_) => settings::EXIT_USAGE,
            _ => 1,
        }
    }
}

/// What was made. It displays where, until when it is valid, and the two commands that use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    config: CertificatesConfig,
    until: Date,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dir, names) = (self.config.dir.display(), NAMES.join(", "));
        writeln!(f, "Wrote to {dir}: {names}")?;
        writeln!(f, "The certificates are valid until {}.", self.until)?;
        writeln!(
            f,
            "\nOn this machine:\n  {}",
            commands::coordinator(&self.config.dir, "0.0.0.0:50051")
        )?;
        writeln!(
            f,
            "\nOn each other machine, after copying {} there:\n  {}",
            WORKERS_NAMES.join(", "),
            commands::worker(&self.config.dir, &self.config.hosts[0])
        )
    }
}

/// The files that are written.
const NAMES: [&str; 6] = [
    "ca.pem",
    "coordinator.pem",
    "coordinator-key.pem",
    "worker.pem",
    "worker-key.pem",
    "token",
];

/// Those of them that a worker needs.
const WORKERS_NAMES: [&str; 4] = ["ca.pem", "worker.pem", "worker-key.pem", "token"];

/// Makes a CA, the certificates of a coordinator and of its workers, and a token, and writes them to the folder. All of
/// the files appear, or none does.
///
/// # Errors
///
/// [`CertificatesError`]; then nothing was written.
pub fn make(config: &CertificatesConfig, now: SystemTime) -> Result<Made, CertificatesError> {
    let hosts = hosts(&config.hosts)?;
    let validity = Validity::from(now)?;
    files::expect_none(&config.dir, &NAMES)?;
    let ca = authority(&validity)?;
    // Workers that the coordinator starts itself show its certificate, so it must be good for clients too.
    let both = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let coordinator = issue(&ca, &validity, "Lockstep coordinator", hosts, &both)?;
    let worker = issue(
        &ca,
        &validity,
        "Lockstep worker",
        Vec::new(),
        &[ExtendedKeyUsagePurpose::ClientAuth],
    )?;
    let contents = [
        (ca.pem(), Access::Everybody),
        (coordinator.certificate, Access::Everybody),
        (coordinator.key, Access::Owner),
        (worker.certificate, Access::Everybody),
        (worker.key, Access::Owner),
        (random_hex(TOKEN_BYTES)? + "\n", Access::Owner),
    ];
    let new = NAMES.into_iter().zip(contents);
    let new: Vec<_> = new
        .map(|(name, (contents, access))| NewFile { name, contents, access })
        .collect();
    files::write_all(&config.dir, &new)?;
    Ok(Made {
        config: config.clone(),
        until: validity.end.date(),
    })
}

/// From when to when certificates are valid.
struct Validity {
    start: OffsetDateTime,
    end: OffsetDateTime,
}

impl Validity {
    fn from(now: SystemTime) -> Result<Self, CertificatesError> {
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .map_err(|_| CertificatesError::Clock)?
            .as_secs();
        let now = i64::try_from(seconds)
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        let around = |now: OffsetDateTime| {
            Some(Self {
                start: now.checked_sub(TOLERANCE)?,
                end: now.checked_add(VALIDITY)?,
            })
        };
        now.and_then(around).ok_or(CertificatesError::Clock)
    }
}

/// A certificate and its key, as text.
struct Issued {
    certificate: String,
    key: String,
}

fn authority(validity: &Validity) -> Result<CertifiedIssuer<'static, KeyPair>, CertificatesError> {
    // A name of its own, so that a certificate of another CA is told from one that is broken.
    let mut params = params(validity, &format!("Lockstep CA {}", random_hex(4)?));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(CertifiedIssuer::self_signed(params, new_key()?)?)
}

fn issue(
    ca: &CertifiedIssuer<'static, KeyPair>,
    validity: &Validity,
    name: &str,
    hosts: Vec<SanType>,
    purposes: &[ExtendedKeyUsagePurpose],
) -> Result<Issued, CertificatesError> {
    let mut params = params(validity, name);
    params.subject_alt_names = hosts;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = purposes.to_vec();
    params.use_authority_key_identifier_extension = true;
    let key = new_key()?;
    Ok(Issued {
        certificate: params.signed_by(&key, ca)?.pem(),
        key: key.serialize_pem(),
    })
}

fn params(validity: &Validity, name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = validity.start;
    params.not_after = validity.end;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A key pair for ECDSA on P-256.
#[expect(
    clippy::disallowed_methods,
    reason = "a key is a secret: it must come from the system's randomness, and no run depends on it"
)]
fn new_key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate()
}

/// `bytes` of randomness in hexadecimal digits.
#[expect(
    clippy::disallowed_methods,
    reason = "a token is a secret: it must come from the system's randomness, and no run depends on it"
)]
fn random_hex(bytes: usize) -> Result<String, CertificatesError> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(CertificatesError::Randomness)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The names in the coordinator's certificate: `hosts`, and those of the machine itself, for spawned workers.
fn hosts(hosts: &[String]) -> Result<Vec<SanType>, CertificatesError> {
    let local = [
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let mut names = hosts.iter().map(|host| name_of(host)).collect::<Result<Vec<_>, _>>()?;
    names.push(name_of("localhost")?);
    names.extend(local);
    let mut different = Vec::with_capacity(names.len());
    for name in names {
        if !different.contains(&name) {
            different.push(name);
        }
    }
    Ok(different)
}

fn name_of(host: &str) -> Result<SanType, CertificatesError> {
    let unfit = || CertificatesError::Host(host.to_owned());
    match host.parse::<IpAddr>() {
        // It stands for every address, so nobody can call the machine by it.
        Ok(address) if address.is_unspecified() => Err(unfit()),
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => {
            let name = host.strip_suffix('.').unwrap_or(host);
            DnsName::try_from(name).map_err(|_| unfit())?;
            Ok(SanType::DnsName(name.try_into().map_err(|_| unfit())?))
        }
    }
}

#[cfg(test)]
mod tests;
