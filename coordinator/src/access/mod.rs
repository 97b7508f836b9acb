//! Who may take part: TLS, the token, and what a stranger can do until it has shown them.

pub mod commands;

use security::{ServerTls, Token};

/// What is asked of whoever wants to take part, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// How TLS is spoken; `None` for cleartext.
    pub tls: Option<ServerTls>,
    /// The token that every worker must show, if any.
    pub token: Option<Token>,
}
