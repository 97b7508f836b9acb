//! The loops that carry out the arithmetic fast, with the bits that the contract defines.
//!
//! Two kernels do nearly all the work of an iteration, each generic over the instruction set:
//!
//! - [`product`]: `z = w a` and `da = wᵀ dz`, a chain over the inner dimension for every element; vector lanes run
//!   across columns;
//! - [`outer`]: `dw = dz aᵀ`, a chain over columns for every element; vector lanes run across features, and the sums over
//!   blocks are joined along the tree while they are in the L1 cache, so that no block's gradient is ever stored.
//!
//! Lanes never run across a sum, so the width of a vector cannot change a bit. The plain versions are
//! [`crate::forward`] and [`crate::backward`].

pub mod outer;
pub mod product;
mod vectored;

use pulp::{Arch, Simd, WithSimd};

use crate::Real;
pub use vectored::Vectored;

/// Runs `operation` with the widest vectors that this CPU has and a tile of 8 numbers of `T` can fill.
pub(crate) fn dispatch<T: Real, Op: WithSimd>(operation: Op) -> Op::Output {
    instruction_set::<T>().dispatch(operation)
}

/// The instruction set for numbers of type `T`.
fn instruction_set<T: Real>() -> Arch {
    let widest = Arch::new();
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if size_of::<T>() == size_of::<f32>() && matches!(widest, Arch::V4(_)) {
        // Sixteen f32 are two tiles; AVX2's eight are one.
        return pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3);
    }
    widest
}

/// The number of `T` in one vector of instruction set `S`: 1, 2, 4 or 8.
#[inline(always)]
const fn lanes<S: Simd, T: Real>() -> usize {
    size_of::<T::Vector<S>>() / size_of::<T>()
}

/// Vectors in a tile of eight numbers.
#[inline(always)]
const fn vectors_per_tile<S: Simd, T: Real>() -> usize {
    crate::tree::TILE / lanes::<S, T>()
}
