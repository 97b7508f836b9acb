//! Why a TLS connection did not come about, in words that say which side has to be mended.

use std::io;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// Why a TLS connection did not come about, told from one end. "It" is the other end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum TlsFailure {
    /// It does not speak TLS.
    #[error("it does not speak TLS")]
    NotTls,
    /// It speaks TLS, and we do not.
    #[error("it speaks TLS")]
    OnlyTls,
    /// Its certificate is not from the CA that we trust.
    #[error("wrong CA: its certificate was not issued by the CA of --tls-ca")]
    ItsCa,
    /// Its certificate is for other names than the one that we called it by.
    #[error("wrong name: its certificate is for {presented}, not for {expected}")]
    ItsName {
        /// How we called it.
        expected: String,
        /// What its certificate names.
        presented: String,
    },
    /// Its certificate is not valid at this time.
    #[error("its certificate {0}")]
    ItsTime(&'static str),
    /// Its certificate cannot be used for this.
    #[error("its certificate cannot be used: {0}")]
    ItsCertificate(String),
    /// It showed no certificate where one is needed.
    #[error("no certificate: it showed none, and --tls-ca asks for one")]
    ItShowsNone,
    /// It asks for a certificate, and we showed none.
    #[error("no certificate: it asks for one of this worker")]
    ItWantsOurs,
    /// It does not know the CA of our certificate.
    #[error("wrong CA: it does not know the CA that issued our certificate")]
    OurCa,
    /// It does not take our certificate for another reason.
    #[error("it does not accept our certificate: {0}")]
    OurCertificate(&'static str),
    /// Anything else.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl From<&Error> for TlsFailure {
    fn from(error: &Error) -> Self {
        match error {
            Error::InvalidMessage(_) => Self::NotTls,
            Error::NoCertificatesPresented
            | Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
                Self::ItShowsNone
            }
            Error::InvalidCertificate(error) => of_certificate(error),
            Error::AlertReceived(alert) => of_alert(*alert),
            other => Self::Other(other.to_string()),
        }
    }
}

impl TlsFailure {
    /// The TLS failure that is behind an error of reading or writing, if one is.
    pub fn behind(error: &io::Error) -> Option<Self> {
        let mut inner: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|error| error as _);
        while let Some(error) = inner {
            if let Some(error) = error.downcast_ref::<Error>() {
                return Some(error.into());
            }
            inner = match error.downcast_ref::<io::Error>() {
                Some(error) => error.get_ref().map(|error| error as _),
                None => error.source(),
            };
        }
        None
    }

    /// What can be done about it on the worker's side.
    pub fn hint_to_worker(&self) -> Option<&'static str> {
        match self {
            Self::NotTls => Some("leave out --tls-ca, or start the coordinator with --tls-cert and --tls-key"),
            Self::OnlyTls => Some("give the worker the CA of the coordinator's certificate: --tls-ca ca.pem"),
            Self::ItsCa => Some("--tls-ca needs the ca.pem that was made together with the coordinator's certificate"),
            Self::ItsName { .. } => Some(
                "connect to a name that the certificate has, or make one with `coordinator certificates DIR --host NAME`",
            ),
            Self::ItsTime(_) => Some(
                "compare the clocks of both machines, or make new certificates: `coordinator certificates DIR --host NAME`",
            ),
            Self::ItWantsOurs => Some(
                "give the worker a certificate of the coordinator's CA: --tls-cert worker.pem --tls-key worker-key.pem",
            ),
            Self::OurCa | Self::OurCertificate(_) => {
                Some("--tls-cert needs the worker.pem that was made together with the coordinator's certificate")
            }
            Self::ItsCertificate(_) | Self::ItShowsNone | Self::Other(_) => None,
        }
    }
}

fn of_certificate(error: &CertificateError) -> TlsFailure {
    match error {
        // Another CA of the same name has another key, so that the signature is wrong.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFailure::ItsCa,
        CertificateError::NotValidForNameContext { expected, presented } => TlsFailure::ItsName {
            expected: expected.to_str().into_owned(),
            presented: names(presented),
        },
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::ItsTime("has expired"),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFailure::ItsTime("is not valid yet")
        }
        other => TlsFailure::ItsCertificate(other.to_string()),
    }
}

/// The names of a certificate as rustls shows them, `DnsName("a")` and `IpAddress(127.0.0.1)`, without the wrapping.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        let plain = inside.unwrap_or(name).trim_matches('"');
        // rustls writes IPv6 addresses in a form of its own.
        plain
            .parse::<IpAddr>()
            .map_or_else(|_| plain.to_owned(), |address| address.to_string())
    };
    match presented {
        [] => "no name".to_owned(),
        names => names.iter().map(plain).collect::<Vec<_>>().join(", "),
    }
}

fn of_alert(alert: AlertDescription) -> TlsFailure {
    match alert {
        AlertDescription::CertificateRequired => TlsFailure::ItWantsOurs,
        AlertDescription::UnknownCA | AlertDescription::DecryptError => TlsFailure::OurCa,
        AlertDescription::BadCertificate => TlsFailure::OurCertificate("it does not fit the name or is broken"),
        AlertDescription::CertificateExpired => TlsFailure::OurCertificate("it has expired or is not valid yet"),
        AlertDescription::CertificateRevoked => TlsFailure::OurCertificate("it was revoked"),
        AlertDescription::UnsupportedCertificate => TlsFailure::OurCertificate("it is for another use"),
        AlertDescription::CertificateUnknown => TlsFailure::OurCertificate("it cannot be used"),
        other => TlsFailure::Other(format!("the other end sent the alert {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_behind_the_errors_that_pass_it_on() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, Error::NoCertificatesPresented);
        let outer = io::Error::other(inner);
        assert_eq!(TlsFailure::behind(&outer), Some(TlsFailure::ItShowsNone));
        assert_eq!(TlsFailure::behind(&io::ErrorKind::ConnectionReset.into()), None);
        assert_eq!(TlsFailure::behind(&io::Error::other("text")), None);
    }

    #[test]
    fn names_are_shown_as_people_write_them() {
        let presented = [
            "DnsName(\"a.example\")",
            "IpAddress(127.0.0.1)",
            "IpAddress(0::1)",
            "odd",
        ]
        .map(str::to_owned);
        assert_eq!(names(&presented), "a.example, 127.0.0.1, ::1, odd");
        assert_eq!(names(&[]), "no name");
    }
}
