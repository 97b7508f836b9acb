use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};
use tempfile::TempDir;

use super::*;
use crate::TlsFailure;

/// A folder with the certificates of one CA: `ca.pem`, and `NAME.pem` with `NAME-key.pem`.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

#[expect(clippy::disallowed_methods, reason = "a test's own keys, which vanish with it")]
fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, key()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        let authority = Self { folder, issuer };
        authority.issue(
            "server",
            &["trainer.example", "127.0.0.1"],
            ExtendedKeyUsagePurpose::ServerAuth,
            |_| (),
        );
        authority.issue("client", &[], ExtendedKeyUsagePurpose::ClientAuth, |_| ());
        authority
    }

    fn issue(
        &self,
        name: &str,
        hosts: &[&str],
        purpose: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.extended_key_usages = vec![purpose];
        change(&mut params);
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = self.files(name);
        fs::write(files.certificate, certificate.pem()).unwrap();
        fs::write(files.key, key.serialize_pem()).unwrap();
    }

    fn files(&self, name: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: self.folder.path().join(format!("{name}.pem")),
            key: self.folder.path().join(format!("{name}-key.pem")),
        }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn server(&self, mutual: bool) -> ServerTls {
        ServerTls {
            own: self.files("server"),
            ca: mutual.then(|| self.ca()),
        }
    }

    fn client(&self, own: Option<&str>) -> ClientTls {
        ClientTls {
            ca: self.ca(),
            own: own.map(|name| self.files(name)),
        }
    }
}

/// What each side says of a handshake between the two: server, client.
fn shake(server: &ServerTls, client: &ClientTls, host: &str) -> [Result<(), TlsFailure>; 2] {
    let host = ServerName::try_from(host.to_owned()).unwrap();
    let mut server = Connection::from(ServerConnection::new(server.load().unwrap()).unwrap());
    let mut client = Connection::from(ClientConnection::new(client.load().unwrap(), host).unwrap());
    let mut outcomes = [Ok(()), Ok(())];
    let [of_server, of_client] = &mut outcomes;
    while pass(&mut client, &mut server, of_server) | pass(&mut server, &mut client, of_client) {}
    outcomes
}

/// Passes what `from` has to say to `to`. Whether that was something.
fn pass(from: &mut Connection, to: &mut Connection, outcome: &mut Result<(), TlsFailure>) -> bool {
    let mut records = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut records).unwrap();
    }
    let mut rest = records.as_slice();
    while !rest.is_empty() && outcome.is_ok() {
        to.read_tls(&mut rest).unwrap();
        if let Err(error) = to.process_new_packets() {
            *outcome = Err((&error).into());
        }
    }
    !records.is_empty()
}

#[test]
fn both_sides_agree_if_their_certificates_are_of_one_ca() {
    let one = Authority::new("one");
    for (mutual, own) in [(false, None), (false, Some("client")), (true, Some("client"))] {
        for host in ["trainer.example", "127.0.0.1"] {
            assert_eq!(shake(&one.server(mutual), &one.client(own), host), [Ok(()), Ok(())]);
        }
    }
}

#[test]
fn both_sides_say_which_certificate_is_of_another_ca() {
    let one = Authority::new("one");
    // A CA of the same name is another one if it has another key.
    for other in [Authority::new("other"), Authority::new("one")] {
        let distrusts = ClientTls {
            ca: other.ca(),
            own: Some(one.files("client")),
        };
        assert_eq!(
            shake(&one.server(true), &distrusts, "trainer.example"),
            [Err(TlsFailure::OurCa), Err(TlsFailure::ItsCa)]
        );
        let distrusted = ClientTls {
            ca: one.ca(),
            own: Some(other.files("client")),
        };
        assert_eq!(
            shake(&one.server(true), &distrusted, "trainer.example"),
            [Err(TlsFailure::ItsCa), Err(TlsFailure::OurCa)]
        );
    }
}

#[test]
fn both_sides_say_that_the_worker_shows_no_certificate() {
    let one = Authority::new("one");
    assert_eq!(
        shake(&one.server(true), &one.client(None), "trainer.example"),
        [Err(TlsFailure::ItShowsNone), Err(TlsFailure::ItWantsOurs)]
    );
}

#[test]
fn another_name_is_told_with_the_names_of_the_certificate() {
    let one = Authority::new("one");
    let [_, client] = shake(&one.server(false), &one.client(None), "elsewhere.example");
    let failure = client.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "wrong name: its certificate is for trainer.example, 127.0.0.1, not for elsewhere.example"
    );
}

#[test]
fn a_certificate_out_of_its_time_or_for_another_use_is_told() {
    let one = Authority::new("one");
    let year = |year| rcgen::date_time_ymd(year, 1, 1);
    one.issue("client", &[], ExtendedKeyUsagePurpose::ClientAuth, |params| {
        params.not_after = year(2000)
    });
    let [server, _] = shake(&one.server(true), &one.client(Some("client")), "trainer.example");
    assert_eq!(server, Err(TlsFailure::ItsTime("has expired")));
    one.issue("client", &[], ExtendedKeyUsagePurpose::ClientAuth, |params| {
        params.not_before = year(3000)
    });
    let [server, _] = shake(&one.server(true), &one.client(Some("client")), "trainer.example");
    assert_eq!(server, Err(TlsFailure::ItsTime("is not valid yet")));
    one.issue("client", &[], ExtendedKeyUsagePurpose::ServerAuth, |_| ());
    let [server, client] = shake(&one.server(true), &one.client(Some("client")), "trainer.example");
    assert!(matches!(server, Err(TlsFailure::ItsCertificate(_))), "{server:?}");
    assert_eq!(client, Err(TlsFailure::OurCertificate("it is for another use")));
}

#[test]
fn what_is_no_tls_is_told() {
    let one = Authority::new("one");
    for nonsense in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 64],
    ] {
        let mut server = ServerConnection::new(one.server(true).load().unwrap()).unwrap();
        server.read_tls(&mut &nonsense[..]).unwrap();
        let error = server.process_new_packets().unwrap_err();
        assert_eq!(TlsFailure::from(&error), TlsFailure::NotTls);
    }
}

/// The message about `server`, with the folder's path replaced by `DIR`.
fn refused(authority: &Authority, server: &ServerTls) -> String {
    let folder = authority.folder.path().display().to_string();
    server.load().unwrap_err().to_string().replace(&folder, "DIR")
}

#[test]
fn a_wrong_file_is_named_with_what_was_found_in_it() {
    let one = Authority::new("one");
    let path = |name: &str| one.folder.path().join(name);
    fs::write(path("empty.pem"), "").unwrap();
    fs::write(
        path("broken.pem"),
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    fs::write(
        path("short.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let keys = fs::read_to_string(path("client-key.pem")).unwrap().repeat(2);
    fs::write(path("two-keys.pem"), keys).unwrap();
    let with = |certificate: &str, key: &str| {
        let (certificate, key) = (path(certificate), path(key));
        ServerTls {
            own: CertificateFiles { certificate, key },
            ca: None,
        }
    };
    for (server, message) in [
        (
            with("server-key.pem", "server.pem"),
            "DIR/server-key.pem: found a private key, expected a certificate in PEM form",
        ),
        (
            with("server.pem", "server.pem"),
            "DIR/server.pem: found a certificate, expected a private key in PEM form",
        ),
        (
            with("empty.pem", "server-key.pem"),
            "DIR/empty.pem: found nothing in PEM form, expected a certificate in PEM form",
        ),
        (
            with("server.pem", "two-keys.pem"),
            "DIR/two-keys.pem: found several private keys, expected a private key in PEM form",
        ),
        (
            with("server.pem", "client-key.pem"),
            "DIR/client-key.pem: found the key of another certificate, expected that of DIR/server.pem",
        ),
        (
            with("missing.pem", "server-key.pem"),
            "DIR/missing.pem: found a file that cannot be read (No such file or directory (os error 2)), expected a \
             certificate in PEM form",
        ),
    ] {
        assert_eq!(refused(&one, &server), message);
    }
    for (name, part) in [
        ("broken.pem", "found broken PEM ("),
        ("short.pem", "found a certificate that cannot be used ("),
    ] {
        let message = refused(&one, &with(name, "server-key.pem"));
        assert!(message.starts_with(&format!("DIR/{name}: {part}")), "{message}");
        let ca = Some(path(name));
        let message = refused(&one, &ServerTls { ca, ..one.server(true) });
        assert!(message.starts_with(&format!("DIR/{name}: {part}")), "{message}");
    }
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let one = Authority::new("one");
    if cfg!(unix) {
        let ca = Some(PathBuf::from("/dev/zero"));
        let message = refused(&one, &ServerTls { ca, ..one.server(true) });
        assert!(message.starts_with("/dev/zero: found more than "), "{message}");
    }
}
