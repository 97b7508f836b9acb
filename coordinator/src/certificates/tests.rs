use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Span;

use security::{CertificateFiles, ClientTls, ServerTls, TlsFailure, Token};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, RootCertStore};

use super::*;

/// 2026-01-01 0:00 UTC.
const NOW: u64 = 1_767_225_600;

const DAY: u64 = 86_400;

fn made(dir: &Path, hosts: &[&str]) -> Result<Made, CertificatesError> {
    let config = CertificatesConfig {
        dir: dir.to_owned(),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
    };
    make(&config, UNIX_EPOCH + Span::from_secs(NOW))
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a worker says at `seconds` since 1970 of a coordinator that it calls `host` and that shows what is in `dir`.
fn verified(dir: &Path, host: &str, seconds: u64) -> Result<(), TlsFailure> {
    let certificate = |name| CertificateDer::from_pem_file(dir.join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let (host, now) = (
        ServerName::try_from(host).unwrap(),
        UnixTime::since_unix_epoch(Span::from_secs(seconds)),
    );
    verifier
        .verify_server_cert(&certificate("coordinator.pem"), &[], &host, &[], now)
        .map(|_| ())
        .map_err(|error: rustls::Error| (&error).into())
}

#[test]
fn the_coordinators_certificate_names_its_hosts_and_its_own_machine() {
    let folder = tempfile::tempdir().unwrap();
    made(
        folder.path(),
        &["trainer.example.org", "192.168.1.20", "2001:db8::7", "dotted.example."],
    )
    .unwrap();
    for host in [
        "trainer.example.org",
        "192.168.1.20",
        "2001:db8::7",
        "dotted.example",
        "localhost",
        "127.0.0.1",
        "::1",
    ] {
        assert_eq!(verified(folder.path(), host, NOW), Ok(()), "{host}");
    }
    assert!(matches!(
        verified(folder.path(), "other.example", NOW),
        Err(TlsFailure::ItsName { .. })
    ));
}

#[test]
fn certificates_are_valid_from_a_day_ago_for_two_years() {
    let folder = tempfile::tempdir().unwrap();
    let made = made(folder.path(), &["a.example"]).unwrap();
    assert!(made.to_string().contains("valid until 2028-01-01."), "{made}");
    for (seconds, outcome) in [
        (NOW - DAY, Ok(())),
        (NOW + 730 * DAY, Ok(())),
        (NOW - DAY - 1, Err(TlsFailure::ItsTime("is not valid yet"))),
        (NOW + 730 * DAY + 1, Err(TlsFailure::ItsTime("has expired"))),
    ] {
        assert_eq!(verified(folder.path(), "a.example", seconds), outcome);
    }
}

#[test]
fn what_is_made_fits_together_and_the_ca_s_key_is_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new").join("folder");
    made(&dir, &["a.example"]).unwrap();
    let mut names = NAMES.map(str::to_owned);
    names.sort();
    assert_eq!(names_in(&dir), names);
    let files = |whose: &str| CertificateFiles {
        certificate: dir.join(format!("{whose}.pem")),
        key: dir.join(format!("{whose}-key.pem")),
    };
    let server = ServerTls {
        own: files("coordinator"),
        ca: Some(dir.join("ca.pem")),
    };
    server.load().unwrap();
    for whose in ["worker", "coordinator"] {
        let client = ClientTls {
            ca: dir.join("ca.pem"),
            own: Some(files(whose)),
        };
        client.load().unwrap();
    }
    assert!(Token::read(&dir.join("token")).is_ok());
    assert!(!fs::read_to_string(dir.join("ca.pem")).unwrap().contains("PRIVATE"));
}

#[test]
fn every_secret_is_another_one_each_time() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&one, &other] {
        made(folder.path(), &["a.example"]).unwrap();
    }
    for name in NAMES {
        let read = |folder: &tempfile::TempDir| fs::read(folder.path().join(name)).unwrap();
        assert_ne!(read(&one), read(&other), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn keys_and_token_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new");
    made(&dir, &["a.example"]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for name in ["coordinator-key.pem", "worker-key.pem", "token"] {
        assert_eq!(mode(&dir.join(name)), 0o600, "{name}");
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_is_added_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("worker.pem"), "mine").unwrap();
    fs::write(folder.path().join("token"), "mine").unwrap();
    let error = made(folder.path(), &["a.example"]).unwrap_err();
    let message = error.to_string().replace(&folder.path().display().to_string(), "DIR");
    assert_eq!(
        message,
        "DIR: found worker.pem, token, expected none of the files that this command writes"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("another folder")));
    assert_eq!(names_in(folder.path()), ["token", "worker.pem"]);
    assert_eq!(fs::read(folder.path().join("token")).unwrap(), b"mine");
}

#[test]
fn a_file_that_comes_into_being_meanwhile_is_kept_and_no_other_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b"), "mine").unwrap();
    let new = ["a", "b", "c"].map(|name| NewFile {
        name,
        contents: "new".to_owned(),
        access: Access::Owner,
    });
    let error = files::write_all(folder.path(), &new).unwrap_err();
    assert!(matches!(error, CertificatesError::Exist { .. }), "{error}");
    assert_eq!(names_in(folder.path()), ["b"]);
    assert_eq!(fs::read(folder.path().join("b")).unwrap(), b"mine");
}

#[test]
fn a_host_that_no_certificate_can_name_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for host in [
        "",
        "a b",
        "http://a.example",
        "a.example:50051",
        "[::1]",
        "0.0.0.0",
        "::",
        "*",
        "\u{1b}[2J",
    ] {
        let error = made(folder.path(), &["a.example", host]).unwrap_err();
        assert!(
            matches!(&error, CertificatesError::Host(found) if found == host),
            "{error}"
        );
        assert_eq!(error.exit_code(), 64);
        assert!(!error.to_string().contains('\u{1b}'));
    }
    assert_eq!(names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn both_commands_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let text = made(folder.path(), &["a.example", "b.example"]).unwrap().to_string();
    let text = text.replace(&folder.path().display().to_string(), "DIR");
    for command in [
        "  coordinator --listen 0.0.0.0:50051 --tls-ca DIR/ca.pem --tls-cert DIR/coordinator.pem --tls-key \
         DIR/coordinator-key.pem --token-file DIR/token\n",
        "  worker --connect a.example:50051 --tls-ca DIR/ca.pem --tls-cert DIR/worker.pem --tls-key DIR/worker-key.pem \
         --token-file DIR/token\n",
    ] {
        assert!(text.contains(command), "{text}");
    }
}

#[test]
fn a_clock_that_shows_no_present_time_is_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let config = CertificatesConfig {
        dir: folder.path().to_owned(),
        hosts: vec!["a.example".to_owned()],
    };
    for now in [UNIX_EPOCH - Span::from_secs(1), UNIX_EPOCH + Span::from_secs(1 << 40)] {
        assert!(matches!(make(&config, now), Err(CertificatesError::Clock)));
    }
}
