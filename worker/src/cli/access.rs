//! Options that say whom to trust, and what to show.

use security::options::TOKEN_FILE;
use settings::{Group, Kind, Setting};

/// The settings of TLS and of the token.
pub(super) const ACCESS: Group = Group {
    heading: "Access",
    settings: &[
        Setting::new(
            "tls-ca",
            Kind::Path("FILE"),
            "CA of the coordinator's certificate; turns TLS on",
        )
        .details("A PEM file. The coordinator's certificate must come from this CA and name the host of --connect."),
        Setting::new("tls-cert", Kind::Path("FILE"), "Certificate of this worker")
            .details("A PEM file. A coordinator with --tls-ca asks for it. It needs --tls-key, and --tls-ca."),
        Setting::new("tls-key", Kind::Path("FILE"), "Private key of --tls-cert").details("A PEM file."),
        TOKEN_FILE,
    ],
};
