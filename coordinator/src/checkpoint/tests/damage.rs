//! No damaged byte is believed, and none can do harm.

use proptest::prelude::*;

use super::format::sealed;
use super::{any_checkpoint, checkpoint};
use crate::checkpoint::{Checkpoint, FormatError};

#[test]
fn every_truncation_is_refused() {
    let bytes = checkpoint(3).encode();
    for length in 0..bytes.len() {
        let error = Checkpoint::decode(&bytes[..length]).unwrap_err();
        let (found, expected) = (length as u64, bytes.len() as u64);
        let reason = if length < 52 {
            FormatError::TooShort { found }
        } else {
            FormatError::Length { found, expected }
        };
        assert_eq!(error, reason, "{length} bytes");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(Checkpoint::decode(&longer), Err(FormatError::Length { .. })));
}

#[test]
fn every_single_flipped_bit_is_refused() {
    let bytes = checkpoint(3).encode();
    let mut damaged = bytes.clone();
    for bit in 0..8 * bytes.len() {
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = Checkpoint::decode(&damaged).unwrap_err();
        let is_right = match (bit / 8, &error) {
            (0..8, FormatError::NotACheckpoint) => true,
            (12..20, FormatError::Length { .. }) => true,
            (0..8 | 12..20, _) => false,
            (_, error) => matches!(error, FormatError::Digest { .. }),
        };
        assert!(is_right, "bit {bit}: {error}");
        damaged[bit / 8] = bytes[bit / 8];
    }
    assert_eq!(damaged, bytes);
}

#[test]
fn foreign_files_are_called_foreign_and_an_empty_one_too_short() {
    for foreign in [
        &b"\x89HDF\r\n\x1a\n"[..],
        b"iteration,cost\n",
        b"\0",
        &[0; 1000],
        b"\x89LSCKPT\r\n",
    ] {
        assert_eq!(
            Checkpoint::decode(foreign),
            Err(FormatError::NotACheckpoint),
            "{foreign:?}"
        );
    }
    assert_eq!(Checkpoint::decode(b""), Err(FormatError::TooShort { found: 0 }));
    assert_eq!(
        Checkpoint::decode(&sealed(b"\x89LSCKPT\n\x01\0\0\0\0\0\0\0\0\0\0\0"))
            .unwrap_err()
            .to_string(),
        "the header: found fewer bytes than it should have"
    );
}

proptest! {
    #[test]
    fn any_damage_is_refused(checkpoint in any_checkpoint(), at in any::<prop::sample::Index>(), by in 1_u8..) {
        let mut bytes = checkpoint.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        prop_assert!(Checkpoint::decode(&bytes).is_err());
    }

    #[test]
    fn any_truncation_is_refused(checkpoint in any_checkpoint(), at in any::<prop::sample::Index>()) {
        let bytes = checkpoint.encode();
        prop_assert!(Checkpoint::decode(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_bytes_under_a_right_digest_do_no_harm(
        checkpoint in any_checkpoint(),
        at in any::<prop::sample::Index>(),
        removed in 0_usize..20,
        put in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        // Whoever can compute a digest gets as far as the header; no length and no number there may cause a panic.
        let mut content = checkpoint.encode();
        content.truncate(content.len() - 32);
        let at = 20 + at.index(content.len() - 20);
        let end = (at + removed).min(content.len());
        content.splice(at..end, put);
        let _ = Checkpoint::decode(&sealed(&content));
    }

    #[test]
    fn any_bytes_at_all_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Checkpoint::decode(&bytes).is_err());
        let start = [&b"\x89LSCKPT\n\x01\0\0\0\0\0\0\0\0\0\0\0"[..], &bytes].concat();
        prop_assert!(Checkpoint::decode(&sealed(&start)).is_err());
    }
}
