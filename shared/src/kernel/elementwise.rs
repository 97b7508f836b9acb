//! What is done to every number of a layer by itself, or along its columns.

use pulp::{Simd, WithSimd};

use super::micro::groups;
use super::outer::Block;
use super::tiles::Tile;
use crate::Real;
use crate::activation::{relu, relu_backward};
use crate::tree::TILE;

/// z ← z · scale + b, rounded once.
pub(crate) struct AddBiases<'a, C> {
    /// n_l × columns in tiles.
    pub(crate) z: &'a mut [Tile<C>],
    /// n_l numbers.
    pub(crate) b: &'a [C],
    pub(crate) scale: C,
}

impl<C: Real> WithSimd for AddBiases<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let columns = self.z.len() / self.b.len().div_ceil(TILE);
        for row in 0..self.b.len() {
            let (b, first) = (self.b[row], row % TILE * TILE);
            for tile in &mut self.z[row / TILE * columns..][..columns] {
                for j in 0..TILE {
                    tile[first + j] = tile[first + j].mul_add(self.scale, b);
                }
            }
        }
    }
}

/// a ← relu(a).
pub(crate) struct Relu<'a, C>(pub(crate) &'a mut [Tile<C>]);

impl<C: Real> WithSimd for Relu<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for tile in self.0 {
            for i in 0..tile.len() {
                tile[i] = relu(tile[i]);
            }
        }
    }
}

/// dz ← da where a > 0, else +0.
pub(crate) struct ReluBackward<'a, C> {
    /// da, and then dz.
    pub(crate) da: &'a mut [Tile<C>],
    /// What [`Relu`] made.
    pub(crate) a: &'a [Tile<C>],
}

impl<C: Real> WithSimd for ReluBackward<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (da, a) in self.da.iter_mut().zip(self.a) {
            for i in 0..da.len() {
                da[i] = relu_backward(da[i], a[i]);
            }
        }
    }
}

/// db = Σ dz over the columns of one block, in ascending order from +0. Lanes run across units.
pub(crate) struct BiasSums<'a, C> {
    /// dz of a strip as [`super::outer::Grouped`] lays it out, the most units in a group, and the strip's column tiles.
    pub(crate) grouped: &'a [C],
    pub(crate) most: usize,
    pub(crate) columns: usize,
    pub(crate) block: &'a Block,
    /// db, n_l numbers: overwritten.
    pub(crate) sums: &'a mut [C],
}

impl<C: Real> WithSimd for BiasSums<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let units = self.sums.len();
        for (unit, count) in groups(units, self.most) {
            let group = &self.grouped[self.columns * TILE * unit..][..self.columns * TILE * count];
            let first = self.block.tiles.start * TILE;
            let sums = &mut self.sums[unit..unit + count];
            sums.fill(C::ZERO);
            for column in first..first + self.block.columns {
                let dz = &group[column * count..][..count];
                for u in 0..count {
                    sums[u] = sums[u] + dz[u];
                }
            }
        }
    }
}
