//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A process that came over the network, or over this machine's loopback device.
    Network(SocketAddr),
    /// A process of this user on this machine, which came through the socket for spawned workers.
    SameMachine,
}

impl Peer {
    /// The address of its machine; `None` if it came through the socket for spawned workers.
    pub(super) fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Network(address) => Some(address.ip()),
            Self::SameMachine => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::SameMachine => f.write_str("a process on this machine"),
        }
    }
}
