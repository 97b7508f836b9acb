//! Where a coordinator is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use proto::local;

/// Where a coordinator is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On some machine, at a port.
    Network(Address),
    /// On this machine; it started this worker itself.
    SameMachine(local::Name),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::SameMachine(name) => name.fmt(f),
        }
    }
}

impl FromStr for Place {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(name) => Ok(Self::SameMachine(name)),
            Err(_) => text.parse().map(Self::Network),
        }
    }
}

/// A host and a port, not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: Host,
    port: NonZeroU16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Address {
    /// The host: a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        }
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.port.get()
    }
}

impl fmt::Display for Address {
    /// As it is typed and as it stands in a URI: `host:port`, an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{port}"),
            Host::V4(address) => write!(f, "{address}:{port}"),
            Host::V6(address) => write!(f, "[{address}]:{port}"),
        }
    }
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected a host and a port, such as `192.168.1.20:50051`, `[::1]:50051` or `localhost:50051`")]
pub struct ParseAddressError(pub String);

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = || {
            let (host, port) = text.rsplit_once(':')?;
            Some(Self {
                host: host_from(host)?,
                port: port.parse().ok()?,
            })
        };
        address().ok_or_else(|| ParseAddressError(text.to_owned()))
    }
}

fn host_from(text: &str) -> Option<Host> {
    if let Some(inside) = text.strip_prefix('[') {
        return inside.strip_suffix(']')?.parse().ok().map(Host::V6);
    }
    if let Ok(address) = text.parse() {
        return Some(Host::V4(address));
    }
    is_host_name(text).then(|| Host::Name(text.to_owned()))
}

/// Whether `text` is a host name by RFC 1123, with the underscore that container networks use. A name whose last label
/// is a number is a mistyped IPv4 address.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or(name);
    name.len() <= 253 && name.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_from_its_own_text() {
        for text in [
            "127.0.0.1:50051",
            "[::1]:1",
            "[fe80::1]:65535",
            "localhost:50051",
            "trainer.example.org:50051",
            "trainer.example.org.:50051",
            "lock_step-coordinator-1:50051",
            "3com.com:80",
        ] {
            assert_eq!(
                text.parse::<Address>().map(|address| address.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn a_place_is_an_address_or_the_name_of_a_socket_on_this_machine() {
        let name = local::Name::of(7);
        for place in [Place::SameMachine(name), Place::Network("[::1]:7".parse().unwrap())] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        let other = "unix:/tmp/socket";
        assert_eq!(other.parse::<Place>(), Err(ParseAddressError(other.to_owned())));
    }

    #[test]
    fn host_and_port_come_apart_as_a_dialler_needs_them() {
        let parts = |text: &str| text.parse::<Address>().map(|address| (address.host(), address.port()));
        assert_eq!(parts("[::1]:7"), Ok(("::1".to_owned(), 7)));
        assert_eq!(parts("a.b:65535"), Ok(("a.b".to_owned(), 65535)));
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        let long = format!("{}:1", "a".repeat(64));
        let longer = format!("{}:1", ["a".repeat(49).as_str(); 6].join("."));
        for text in [
            "",
            ":",
            ":50051",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "localhost:x",
            "::1:50051",
            "[::1]",
            "[::1:50051",
            "[127.0.0.1]:50051",
            "300.1.1.1:50051",
            "1.2.3:50051",
            "-a:1",
            "a-:1",
            "a..b:1",
            ".:1",
            "a b:1",
            "http://localhost:50051",
            "user@host:1",
            "grün.example:1",
            &long,
            &longer,
        ] {
            assert_eq!(
                text.parse::<Address>(),
                Err(ParseAddressError(text.to_owned())),
                "{text}"
            );
        }
    }
}
