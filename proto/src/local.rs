//! How a coordinator and the workers that it started talk on one machine: the same gRPC, over a Unix socket that moves
//! bytes at less than half of the cost of loopback TCP, and beside it memory that both share, for what is large.
//!
//! The sockets have names in Linux's abstract namespace.

mod ring;
mod segment;
mod sharing;

use std::fmt;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::str::FromStr;

pub use ring::SharedTensorError;
pub(crate) use segment::Direction;
pub use sharing::Sharing;
pub(crate) use sharing::{Incoming, Outgoing};

/// Room for bytes that one end has written and the other has not read yet. A tensor of a network of ordinary size fits, so
/// that its sender need not wait, nor be woken, while it is sent. The system may allow less: Linux allows 416 KiB as a
/// rule, which is still enough to be as fast. With its default of 208 KiB the socket is as slow as loopback TCP.
const SEND_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// How such a socket's name begins as an address, as in gRPC.
const SCHEME: &str = "unix-abstract:";

/// What comes before the random part of all such names.
const PREFIX: &str = "lockstep-";

/// The digits of the random part.
const DIGITS: usize = 32;

/// The name of such a socket, `unix-abstract:lockstep-` and 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name(u128);

impl Name {
    /// The name with this random number.
    pub fn of(random: u128) -> Self {
        Self(random)
    }

    /// As the system knows it: abstract names begin with a zero byte.
    pub fn to_path(self) -> PathBuf {
        format!("\0{PREFIX}{:032x}", self.0).into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{PREFIX}{:032x}", self.0)
    }
}

/// A text that is no such name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `{SCHEME}{PREFIX}` and {DIGITS} hexadecimal digits")]
pub struct ParseNameError;

impl FromStr for Name {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let digits = text.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix(PREFIX));
        let is_number = |digits: &&str| digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        digits
            .filter(is_number)
            .and_then(|digits| u128::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or(ParseNameError)
    }
}

/// Whether a process belongs to the user of this one; `user` is what the system says of it.
pub fn is_own(user: u32) -> bool {
    user == rustix::process::geteuid().as_raw()
}

/// Makes room for bytes on their way out through `socket`.
///
/// # Errors
///
/// If it is no socket.
pub fn make_room(socket: impl AsFd) -> std::io::Result<()> {
    Ok(rustix::net::sockopt::set_socket_send_buffer_size(
        socket,
        SEND_BUFFER_BYTES,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_from_its_own_text_and_nothing_else_does() {
        for name in [Name::of(0), Name::of(u128::MAX), Name::of(0x0123_4567)] {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let name = Name::of(7).to_string();
        for text in [
            "",
            "unix-abstract:",
            "unix:/tmp/socket",
            &name[1..],
            &name[..name.len() - 1],
            &format!("{name}0"),
        ] {
            assert_eq!(text.parse::<Name>(), Err(ParseNameError), "{text}");
        }
        assert_eq!(name.replace("00", "+0").parse::<Name>(), Err(ParseNameError));
    }

    #[test]
    fn a_socket_has_more_room_than_it_is_born_with() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let room = || rustix::net::sockopt::socket_send_buffer_size(&one).unwrap();
        let before = room();
        make_room(&one).unwrap();
        assert!(room() > before, "{} of {before}", room());
    }
}
