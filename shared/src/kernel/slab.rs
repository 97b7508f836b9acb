//! The inputs of a strip, transposed, as the weight gradients read them.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::tiles::{Tile, TileColumns};
use crate::Real;
use crate::element::Element;

/// Bytes of inputs that pass by a group of units at a time: a part of the L2 cache.
const SLABS_BYTES: usize = 256 << 10;

/// How many slabs of inputs, of `tiles` tiles each, pass by a group of units before the next group comes. Where there are
/// few groups, dz stays near the core, and each slab is used up while it is in the L1 cache. Where there are many, dz of a
/// group stays there while as many slabs pass as the L2 cache holds.
pub(super) fn slabs_at_a_time<N>(tiles: usize, groups: usize) -> usize {
    match groups {
        ..=2 => 1,
        _ => (SLABS_BYTES / (tiles * size_of::<Tile<N>>()).max(1)).max(1),
    }
}

/// Transposes row tiles of a strip's inputs, so that columns become rows.
pub(super) struct FillSlab<'a, X, E, C, N> {
    pub(super) inputs: &'a X,
    /// The first row tile, and the last one that there is: at the end it may be filled in twice.
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) slab: &'a mut [Tile<N>],
    pub(super) element: PhantomData<(E, C)>,
}

impl<X: TileColumns<E>, E: Element, C: Real> WithSimd for FillSlab<'_, X, E, C, E::Near<C>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (row_tile, slab) in (self.first..).zip(self.slab.chunks_exact_mut(self.inputs.count())) {
            for (column, to) in slab.iter_mut().enumerate() {
                let tile = self.inputs.column(column).tile(row_tile.min(self.last));
                let mut near = *to;
                for i in 0..tile.len() {
                    near[i] = tile[i].near::<C>();
                }
                *to = E::Near::<C>::transposed(simd, &near);
            }
        }
    }
}
