//! How much of everything there can be. docs/security.md lists these numbers.

use std::time::Duration;

/// The most workers.
pub const MAX_WORKERS: usize = 1024;

/// The most connections that have not shown a token yet.
pub const MAX_STRANGERS: usize = 256;

/// How long a connection may be without a worker's stream: TCP, TLS, HTTP/2 and the token must take no longer. As long
/// again until the worker says Hello.
pub const STRANGER_TIME: Duration = Duration::from_secs(5);

/// How long strangers may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patience {
    /// In any case.
    pub most: Duration,
    /// Also if others need the place.
    pub least: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            most: STRANGER_TIME,
            least: Duration::from_secs(1),
        }
    }
}

/// The bytes that a connection may send before its first stream of a worker.
pub const STRANGER_BYTES: usize = 64 * 1024;

/// The most requests under way on one connection. A worker needs one.
pub const MAX_REQUESTS: u32 = 16;

/// The most bytes of one request's headers.
pub const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// How long to wait after the system refused a connection, for want of file descriptors as a rule.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long to listen to somebody whose TLS failed, so that he hears why before the connection is reset.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// Kinds of refusals, by address and reason, that are counted apart.
pub(super) const MAX_REFUSALS: usize = 256;
