//! The loops that carry out the arithmetic fast, with the bits that the contract defines.
//!
//! Two kernels do nearly all the work of an iteration, each generic over the instruction set:
//!
//! - [`product`]: `z = w a` and `da = wᵀ dz`, a chain over the inner dimension for every element; vector lanes run
//!   across columns;
//! - [`outer`]: `dw = dz aᵀ`, a chain over columns for every element; vector lanes run across features, and the sums over
//!   blocks are joined along the tree while they are in registers and the L1 cache, so that no block's gradient is ever
//!   stored.
//!
//! Both are the same small loop (`micro`): in registers, the sums of some units times two tiles; from memory, a row of
//! each tile, converted as it is read, and a weight of each unit. Lanes never run across a sum, so the width of a vector
//! cannot change a bit. The plain versions are [`crate::forward`] and [`crate::backward`].

pub(crate) mod bytes;
#[expect(clippy::needless_range_loop, reason = "see micro.rs")]
pub(crate) mod elementwise;
mod instruction_set;
#[expect(clippy::needless_range_loop, clippy::manual_memcpy, reason = "see the note in it")]
mod micro;
pub mod outer;
#[expect(clippy::needless_range_loop, reason = "see micro.rs")]
pub mod product;
mod slab;
pub mod tiles;
mod vectored;

use std::marker::PhantomData;

use crate::element::Element;

pub use instruction_set::{ForceError, InstructionSet};
pub use micro::Reach;
pub use vectored::Vectored;

/// The kernels for computations in one type of number. They are compiled here and nowhere else.
pub trait Kernels: Vectored {
    /// How much of the innermost loop fits the registers.
    fn reach(set: InstructionSet) -> Reach;
    /// Part of a [`product::product`] whose x is bytes.
    fn add_product_of_bytes(set: InstructionSet, step: product::Step<'_, Self, u8>);
    /// Part of a [`product::product`].
    fn add_product(set: InstructionSet, step: product::Step<'_, Self, Self>);
    /// Part of an [`outer::outer`] whose inputs are bytes; `narrow`: each block's sums and each join are rounded to f32.
    fn sum_strip_of_bytes(set: InstructionSet, sums: outer::StripSums<'_, u8, Self>, narrow: bool);
    /// Part of an [`outer::outer`].
    fn sum_strip(set: InstructionSet, sums: outer::StripSums<'_, Self, Self>, narrow: bool);
}

/// What the kernels of computations in `C` read: bytes, or `C` itself.
pub trait Operand<C: Kernels>: Element {
    /// See [`Kernels::add_product`].
    fn add_product(set: InstructionSet, step: product::Step<'_, C, Self>);
    /// See [`Kernels::sum_strip`].
    fn sum_strip(set: InstructionSet, sums: outer::StripSums<'_, Self, C>, narrow: bool);
}

impl<C: Kernels> Operand<C> for u8 {
    fn add_product(set: InstructionSet, step: product::Step<'_, C, Self>) {
        C::add_product_of_bytes(set, step);
    }
    fn sum_strip(set: InstructionSet, sums: outer::StripSums<'_, Self, C>, narrow: bool) {
        C::sum_strip_of_bytes(set, sums, narrow);
    }
}

macro_rules! kernels {
    ($t:ty, $narrow:ty) => {
        impl Kernels for $t {
            fn reach(set: InstructionSet) -> Reach {
                set.run(micro::ReachOf::<$t>(PhantomData))
            }
            fn add_product_of_bytes(set: InstructionSet, step: product::Step<'_, $t, u8>) {
                set.run(step);
            }
            fn add_product(set: InstructionSet, step: product::Step<'_, $t, $t>) {
                set.run(step);
            }
            fn sum_strip_of_bytes(set: InstructionSet, sums: outer::StripSums<'_, u8, $t>, narrow: bool) {
                if narrow {
                    set.run(outer::Rounded::<_, _, $narrow>::new(sums));
                } else {
                    set.run(outer::Rounded::<_, _, $t>::new(sums));
                }
            }
            fn sum_strip(set: InstructionSet, sums: outer::StripSums<'_, $t, $t>, narrow: bool) {
                if narrow {
                    set.run(outer::Rounded::<_, _, $narrow>::new(sums));
                } else {
                    set.run(outer::Rounded::<_, _, $t>::new(sums));
                }
            }
        }

        impl Operand<$t> for $t {
            fn add_product(set: InstructionSet, step: product::Step<'_, $t, $t>) {
                <$t as Kernels>::add_product(set, step);
            }
            fn sum_strip(set: InstructionSet, sums: outer::StripSums<'_, $t, $t>, narrow: bool) {
                <$t as Kernels>::sum_strip(set, sums, narrow);
            }
        }
    };
}

kernels!(f64, f32);
kernels!(f32, f32);
