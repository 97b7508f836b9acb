//! Who may take part: TLS, the token, and what a stranger can do until it has shown them.
//!
//! ```text
//!   TCP ─▶ door ──────┬─ lobby has room ─▶ gate (time, bytes) ─▶ TLS ─┬▶ HTTP/2 ─▶ Entrance::admit (token) ─▶ Membership
//!   Unix ─▶ side door ┘  (this user's processes only)            none ┘
//! ```

pub mod commands;
mod door;
mod gate;
pub mod limits;
mod lobby;
mod peer;
mod refusals;
mod side_door;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap};
use security::{ServerTls, TlsError, Token};
use tokio_rustls::rustls::ServerConfig;
use tonic::Status;

pub(crate) use door::Connections;
use door::Visitor;
use limits::MAX_WORKERS;
pub(crate) use lobby::Membership;
use lobby::{Full, Lobby};
use refusals::Reporter;
pub use side_door::{MemoryOffer, MemoryOffers, SideDoor};

/// What is asked of whoever wants to take part, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// How TLS is spoken; `None` for cleartext.
    pub tls: Option<ServerTls>,
    /// The token that every worker must show, if any.
    pub token: Option<Token>,
}

impl Access {
    /// The options that a worker needs besides the address, if any.
    pub fn options_of_workers(&self) -> Option<String> {
        let tls = self.tls.as_ref();
        let needed = [
            ("--tls-ca", tls.is_some()),
            ("--tls-cert", tls.is_some_and(|tls| tls.ca.is_some())),
            ("--tls-key", tls.is_some_and(|tls| tls.ca.is_some())),
            ("--token-file", self.token.is_some()),
        ];
        let needed: Vec<_> = needed
            .into_iter()
            .filter_map(|(option, is_needed)| is_needed.then_some(option))
            .collect();
        (!needed.is_empty()).then(|| needed.join(", "))
    }

    /// Reads the files of TLS.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if one of them is not what it should be.
    pub fn load(&self) -> Result<Entrance, TlsError> {
        Ok(Entrance {
            tls: self.tls.as_ref().map(ServerTls::load).transpose()?,
            token: self.token.clone().map(Arc::new),
            lobby: Arc::default(),
            reporter: Reporter::default(),
        })
    }
}

/// Where workers come in: what is asked of them, and who is there.
#[derive(Clone, Debug)]
pub struct Entrance {
    tls: Option<Arc<ServerConfig>>,
    token: Option<Arc<Token>>,
    lobby: Arc<Lobby>,
    reporter: Reporter,
}

impl Entrance {
    /// Lets a worker in, if its request shows the token and there is room.
    pub(crate) fn admit(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<Membership, Status> {
        // Every connection comes through our door, which adds this.
        let Some(Visitor(guest)) = extensions.get() else {
            return Err(Status::internal(
                "found a request from nowhere, expected one from a connection",
            ));
        };
        let shown = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
        if let Err(refusal) = security::check(self.token.as_deref(), shown) {
            self.reporter.refused(guest.peer, &refusal.to_string());
            return Err(Status::unauthenticated(refusal.to_string()));
        }
        guest.admit().map_err(|Full| {
            let reason = format!("the coordinator has all of the {MAX_WORKERS} workers that it can have");
            self.reporter.refused(guest.peer, &reason);
            Status::resource_exhausted(reason)
        })
    }

    /// Lets a request in that asks about the service, if it shows the token.
    pub(crate) fn expect_token(&self, request: tonic::Request<()>) -> Result<tonic::Request<()>, Status> {
        let shown = request.metadata().get(AUTHORIZATION.as_str());
        match security::check(self.token.as_deref(), shown.map(|value| value.as_bytes())) {
            Ok(()) => Ok(request),
            Err(refusal) => Err(Status::unauthenticated(refusal.to_string())),
        }
    }
}
