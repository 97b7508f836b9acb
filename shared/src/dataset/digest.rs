//! The digest that names a data set by its numbers.

use crate::element::Element;
use crate::{Columns, Digest, ElementType, with_values};

/// Numbers hashed at a time; large enough for BLAKE3's widest kernel, small enough for the L2 cache.
const STEP: usize = 1 << 14;

/// The digest of a data set, taken while its columns go by.
pub(super) struct Hasher(blake3::Hasher);

impl Hasher {
    /// A hasher of `m` columns of `features` numbers each.
    pub(super) fn new(features: usize, m: usize, element_type: ElementType) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(features as u64).to_le_bytes());
        hasher.update(&(m as u64).to_le_bytes());
        hasher.update(element_type.to_string().as_bytes());
        // Ends the name, the only part that has no length of its own.
        hasher.update(&[0]);
        Self(hasher)
    }

    /// Takes the columns that follow those taken so far.
    pub(super) fn columns(&mut self, columns: &Columns) {
        with_values!(columns.values(), |v| for part in v.chunks(STEP) {
            let little_endian: Vec<_> = part.iter().map(|value| value.swap_to_le()).collect();
            self.0.update(bytemuck::cast_slice(&little_endian));
        })
    }

    /// The digest, after the last column.
    pub(super) fn finish(mut self, labels: Option<&[u8]>) -> Digest {
        self.0.update(labels.unwrap_or_default());
        Digest::from_bytes(*self.0.finalize().as_bytes())
    }
}
