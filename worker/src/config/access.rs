//! Whom to trust, and what to show.

use std::ffi::OsStr;

use security::options::{certificate_files, token};
use security::{ClientTls, Token};
use settings::{Mistaken, Reader};

use super::address::Place;

/// Whom to trust, and what to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// How TLS is spoken; `None` for cleartext.
    pub tls: Option<ClientTls>,
    /// The token to show, if any.
    pub token: Option<Token>,
}

/// Reads the options; `variable` is the value of the token's environment variable.
pub(super) fn read(
    reader: &mut Reader,
    place: &Result<Place, Mistaken>,
    variable: Option<&OsStr>,
) -> Result<Access, Mistaken> {
    let ca = reader.path("tls-ca", "the path of a PEM file with a certificate");
    let own = certificate_files(reader);
    let token = token(reader, variable);
    let tls = match (ca?, own?) {
        (None, None) => None,
        (Some(_), _) if matches!(place, Ok(Place::SameMachine(_))) => {
            let hint = "nothing leaves the machine by that socket, and the system vouches for both ends";
            return Err(reader.relation("tls-ca", "a socket on this machine", "a host and a port", Some(hint)));
        }
        (None, Some(_)) => {
            let hint =
                "by --tls-ca the worker knows that it talks to its coordinator; the file is the CA's certificate";
            return Err(reader.relation("tls-cert", "no --tls-ca", "--tls-ca as well", Some(hint)));
        }
        (Some(ca), own) => Some(ClientTls { ca, own }),
    };
    Ok(Access { tls, token: token? })
}
