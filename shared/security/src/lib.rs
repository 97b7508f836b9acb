//! Who may take part in a run: the join token and TLS, as both programs use them.
//!
//! ```text
//! --token-file, LOCKSTEP_TOKEN ──▶ Token ───▶ worker: `authorization: Bearer …` ──▶ coordinator: check
//! --tls-cert, --tls-key, --tls-ca ──▶ ServerTls, ClientTls (paths) ── load ──▶ rustls configurations
//! a handshake that failed ──▶ TlsFailure, in words
//! ```

pub mod options;
mod pem;
mod tls;
mod tls_failure;
mod token;

pub use pem::{PemError, PemExpectation};
pub use tls::{CertificateFiles, ClientTls, ServerTls, TlsError};
pub use tls_failure::TlsFailure;
pub use token::{MAX_TOKEN_CHARACTERS, MIN_TOKEN_CHARACTERS, TOKEN_VARIABLE, Token, TokenError, TokenRefusal, check};
