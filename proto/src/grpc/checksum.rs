//! The checksum that comes first in a message. TCP's own lets one altered segment in 65,536 pass, and sees nothing of what
//! happens to bytes in the machines on the way.

use std::fmt;

/// The bytes of the field: its key and four bytes.
pub(super) const FIELD_BYTES: usize = 5;

/// The key of `optional fixed32 checksum = 1`.
const KEY: u8 = (1 << 3) | 5;

/// The CRC-32 of ISO-HDLC, as in zlib and gzip, over all bytes of a message after the checksum itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Checksum(u32);

impl Checksum {
    /// The checksum of `pieces` one after the other.
    pub(super) fn over<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        pieces.into_iter().for_each(|piece| hasher.update(piece));
        Self(hasher.finalize())
    }

    /// The field, as it begins a message.
    pub(super) fn to_field(self) -> [u8; FIELD_BYTES] {
        let [a, b, c, d] = self.0.to_le_bytes();
        [KEY, a, b, c, d]
    }

    /// The checksum, if a message begins with `field`.
    pub(super) fn from_field([key, checksum @ ..]: [u8; FIELD_BYTES]) -> Option<Self> {
        (key == KEY).then(|| Self(u32::from_le_bytes(checksum)))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}
