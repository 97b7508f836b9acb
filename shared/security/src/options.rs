//! The settings of tokens and TLS that both programs read alike.

use std::ffi::OsStr;

use settings::{Kind, Mistaken, Place, Reader, Setting};

use crate::{CertificateFiles, TOKEN_VARIABLE, Token, TokenError};

/// `--token-file`, to be read by [`token`].
pub const TOKEN_FILE: Setting = Setting::new("token-file", Kind::Path("FILE"), "File with the token of the run")
    .details(
        "A secret that the coordinator asks of every worker: 16 to 256 printable ASCII characters. Without this option \
         it is taken from the environment variable LOCKSTEP_TOKEN, if that is set.",
    );

/// The token that `--token-file` names or, without it, that `variable`, the value of [`TOKEN_VARIABLE`], holds. An empty
/// variable counts as none.
///
/// # Errors
///
/// [`Mistaken`] if that is no token.
pub fn token(reader: &mut Reader, variable: Option<&OsStr>) -> Result<Option<Token>, Mistaken> {
    let path = reader.path(TOKEN_FILE.name(), "the path of a file that holds the token")?;
    let (place, token) = match (path, variable) {
        (Some(path), _) => (reader.place(TOKEN_FILE.name()), Token::read(&path)),
        (None, Some(text)) if !text.is_empty() => {
            (Place::Environment(TOKEN_VARIABLE), Token::new(text.as_encoded_bytes()))
        }
        (None, _) => return Ok(None),
    };
    token
        .map(Some)
        .map_err(|error| reader.contents(place, error.found(), TokenError::expected()))
}

/// The files of `--tls-cert` and `--tls-key`, which need each other.
///
/// # Errors
///
/// [`Mistaken`] if one is empty or lacks the other.
pub fn certificate_files(reader: &mut Reader) -> Result<Option<CertificateFiles>, Mistaken> {
    let certificate = reader.path("tls-cert", "the path of a PEM file with a certificate");
    let key = reader.path("tls-key", "the path of a PEM file with a private key");
    match (certificate?, key?) {
        (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(reader.relation("tls-cert", "no --tls-key", "both or neither", None)),
        (None, Some(_)) => Err(reader.relation("tls-key", "no --tls-cert", "both or neither", None)),
    }
}
