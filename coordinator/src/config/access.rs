//! Who may take part.

use std::ffi::OsStr;
use std::net::SocketAddr;

use security::ServerTls;
use security::options::{certificate_files, token};
use settings::{Mistaken, Reader};

use super::train::Fleet;
use crate::access::{Access, commands};

/// Reads who may take part in a run of `fleet`; `variable` is the value of the token's environment variable.
pub(super) fn read(
    reader: &mut Reader,
    fleet: Result<Fleet, Mistaken>,
    variable: Option<&OsStr>,
) -> Result<Access, Mistaken> {
    let tls = tls(reader, fleet);
    let token = token(reader, variable);
    let insecure = reader.flag("insecure");
    let (access, insecure) = (
        Access {
            tls: tls?,
            token: token?,
        },
        insecure?,
    );
    match fleet? {
        Fleet::Remote { listen, .. } if !insecure => expect_secured(reader, listen, access),
        _ => Ok(access),
    }
}

fn tls(reader: &mut Reader, fleet: Result<Fleet, Mistaken>) -> Result<Option<ServerTls>, Mistaken> {
    let own = certificate_files(reader);
    let ca = reader.path("tls-ca", "the path of a PEM file with a certificate");
    let (own, ca) = (own?, ca?);
    let spawns = matches!(fleet, Ok(Fleet::Remote { spawn: Some(_), .. }));
    match (own, ca) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let hint = "--tls-ca alone only says whom to trust; TLS needs a certificate of the coordinator's own";
            Err(reader.relation("tls-ca", "no --tls-cert and no --tls-key", "all three", Some(hint)))
        }
        (Some(_), None) if spawns => {
            let hint = "by --tls-ca spawned workers know that they talk to this coordinator";
            Err(reader.relation("spawn", "TLS without --tls-ca", "--tls-ca as well", Some(hint)))
        }
        (Some(own), ca) => Ok(Some(ServerTls { own, ca })),
    }
}

/// Refuses to let other machines in unless both sides know whom they talk to.
fn expect_secured(reader: &mut Reader, listen: SocketAddr, access: Access) -> Result<Access, Mistaken> {
    let missing = match (&access.tls, &access.token) {
        _ if listen.ip().to_canonical().is_loopback() => return Ok(access),
        (Some(_), Some(_)) => return Ok(access),
        (None, None) => "no TLS and no token",
        (None, Some(_)) => "a token without TLS",
        (Some(_), None) => "TLS without a token",
    };
    let found = format!("{listen}, which other machines can reach, and {missing}");
    let hint = format!(
        "these two commands mend it, with your other options behind the second; or choose a loopback address, or \
         --insecure\n  {}\n  {}",
        commands::certificates(),
        commands::coordinator_at(listen)
    );
    Err(reader.relation("listen", found, "both TLS and a token", Some(&hint)))
}
