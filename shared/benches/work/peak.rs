//! What the cores can do at most: fused multiply-adds that never leave the registers.

use std::hint::black_box;

use pulp::{Arch, Simd, WithSimd};
use shared::Real;

/// Sums that do not wait for each other: more than any CPU needs to keep its units for fused multiply-adds busy, and
/// few enough for the registers, of which some instruction sets have 16 and others 32.
const FEW_SUMS: usize = 12;
const MANY_SUMS: usize = 24;

/// Carries out `rounds` rounds of fused multiply-adds with the widest vectors of this CPU, whatever the kernels are
/// held to. Returns how many floating-point operations these were, two for each lane.
pub fn multiply_and_add<C: Real>(rounds: u64) -> u64 {
    Arch::new().dispatch(MultiplyAndAdd::<C> {
        rounds,
        // Opaque to the compiler. Sums approach 2, so nothing becomes infinite or denormal.
        factor: black_box(C::from_f64(0.5)),
        term: black_box(C::ONE),
    })
}

struct MultiplyAndAdd<C> {
    rounds: u64,
    factor: C,
    term: C,
}

impl<C: Real> WithSimd for MultiplyAndAdd<C> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> u64 {
        if S::REGISTER_COUNT > 16 {
            self.run::<S, MANY_SUMS>(simd)
        } else {
            self.run::<S, FEW_SUMS>(simd)
        }
    }
}

impl<C: Real> MultiplyAndAdd<C> {
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, simd: S) -> u64 {
        let (factor, term) = (C::splat(simd, self.factor), C::splat(simd, self.term));
        let mut sums = [term; N];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = C::fused(simd, *sum, factor, term);
            }
        }
        black_box(sums);
        let lanes = size_of::<C::Vector<S>>() / size_of::<C>();
        self.rounds * (2 * N * lanes) as u64
    }
}
