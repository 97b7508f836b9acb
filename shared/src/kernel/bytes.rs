//! Bytes, transposed in registers: the one conversion that compilers do not find by themselves.

use std::any::TypeId;

use pulp::Simd;

use super::tiles::{Tile, transposed};

/// A tile of bytes with rows and columns exchanged.
#[inline(always)]
pub(crate) fn transposed_bytes<S: Simd>(_simd: S, tile: &Tile<u8>) -> Tile<u8> {
    #[cfg(target_arch = "x86_64")]
    if TypeId::of::<S>() == TypeId::of::<pulp::x86::V4>() {
        // SAFETY: there is a value of `V4`, and it is only made where the CPU has AVX-512F and AVX-512BW.
        return unsafe { avx512(tile) };
    }
    transposed(tile)
}

/// # Safety
///
/// The CPU must have AVX-512F and AVX-512BW.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn avx512(tile: &Tile<u8>) -> Tile<u8> {
    use std::mem::transmute;

    use std::arch::x86_64::{__m512i, _mm512_permutexvar_epi16, _mm512_shuffle_epi8};
    /// In each 16 bytes, which are two rows: both rows' byte 0, both rows' byte 1, ….
    const INTERLEAVE: [u8; 64] = {
        let mut order = [0; 64];
        let mut i = 0;
        while i < 64 {
            let byte = i % 16;
            order[i] = (byte / 2 + byte % 2 * 8) as u8;
            i += 1;
        }
        order
    };
    /// Then there are 4 × 8 pairs of bytes, which are transposed to 8 × 4.
    const GATHER: [u16; 32] = {
        let mut order = [0; 32];
        let mut i = 0;
        while i < 32 {
            order[i] = (i % 4 * 8 + i / 4) as u16;
            i += 1;
        }
        order
    };
    // SAFETY: all of these are 64 bytes without padding, of which every pattern is a value.
    unsafe {
        let interleave = transmute::<[u8; 64], __m512i>(INTERLEAVE);
        let gather = transmute::<[u16; 32], __m512i>(GATHER);
        let pairs = _mm512_shuffle_epi8(transmute::<Tile<u8>, __m512i>(*tile), interleave);
        transmute::<__m512i, Tile<u8>>(_mm512_permutexvar_epi16(gather, pairs))
    }
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::super::InstructionSet;
    use super::*;

    struct Transpose(Tile<u8>);

    impl WithSimd for Transpose {
        type Output = Tile<u8>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Tile<u8> {
            transposed_bytes(simd, &self.0)
        }
    }

    #[test]
    fn rows_become_columns_with_every_instruction_set() {
        let tile: Tile<u8> = std::array::from_fn(|i| (i * 37 + 11) as u8);
        for set in InstructionSet::available() {
            let transposed = set.run(Transpose(tile));
            for row in 0..8 {
                for column in 0..8 {
                    assert_eq!(transposed[column * 8 + row], tile[row * 8 + column], "{set}");
                }
            }
        }
    }
}
