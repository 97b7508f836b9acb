//! Options that say who may take part.

use security::options::TOKEN_FILE;
use settings::{Group, Kind, Setting};

/// The settings of TLS and of the token.
pub(super) const ACCESS: Group = Group {
    heading: "Access",
    settings: &[
        Setting::new(
            "tls-cert",
            Kind::Path("FILE"),
            "Certificate of this coordinator; turns TLS on",
        )
        .details(
            "A PEM file: the certificate, followed by those between it and its CA, if any. It needs --tls-key. \
             `coordinator certificates` makes both.",
        ),
        Setting::new("tls-key", Kind::Path("FILE"), "Private key of --tls-cert").details("A PEM file."),
        Setting::new(
            "tls-ca",
            Kind::Path("FILE"),
            "CA of which every worker needs a certificate",
        )
        .details(
            "A PEM file. With it both sides show certificates (mutual TLS). --spawn needs it if there is TLS: spawned \
             workers that cannot come through a socket on this machine trust it too.",
        ),
        TOKEN_FILE,
        Setting::new(
            "insecure",
            Kind::Flag("no-insecure"),
            "Let other machines in without TLS or token",
        )
        .details(
            "Without it, --listen accepts an address that other machines can reach only together with TLS and a token. \
             With it, whoever reaches the port may receive training data and change the result.",
        ),
    ],
};
