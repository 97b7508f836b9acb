//! Weight gradients: `dw = dz aᵀ`, summed over the columns of blocks and along the tree of blocks.

use std::ops::Range;

use ndarray::ArrayViewMut2;
use pulp::{Simd, WithSimd};

use super::product::Tiles;
use super::{dispatch, lanes};
use crate::Real;
use crate::element::Element;
use crate::tree::TILE;

/// Sums on the stack at most: joins of 2^32 leaves need 33 levels.
const STACK: usize = 34;

/// One block's factors of dw: its dz and its inputs.
#[derive(Clone, Copy, Debug)]
pub struct BlockFactors<'a, E, T> {
    /// The number of columns, as many as are really there.
    pub columns: usize,
    /// a_{l-1} (or x), in tiles.
    pub inputs: Tiles<'a, E>,
    /// dz_l, column after column, each padded with zeros to [`padded`] units.
    pub dz: &'a [T],
    /// How many joins of the tree follow this block.
    pub joins: usize,
}

/// Units per column of `dz`, filled up to whole tiles.
pub fn padded(units: usize) -> usize {
    units.next_multiple_of(TILE)
}

/// dw[i, k] = Σ_j dz[i, j] a[k, j] over the columns of all `blocks`: in each block a chain of fused multiply-adds over
/// ascending columns from +0, the blocks' sums joined along the tree.
///
/// - `blocks`: the blocks of one node of the tree, from left to right
/// - `features`: the columns k of dw that are wanted
/// - `dw`: n_l × features; overwritten
///
/// # Panics
///
/// If the lengths do not fit, or the joins do not leave exactly one sum.
pub fn outer<E: Element, T: Real>(blocks: &[BlockFactors<'_, E, T>], features: Range<usize>, dw: ArrayViewMut2<'_, T>) {
    assert_eq!(dw.ncols(), features.len(), "dw has a column for every wanted feature");
    dispatch::<T, _>(Outer { blocks, features, dw });
}

struct Outer<'a, 'b, E, T> {
    blocks: &'a [BlockFactors<'b, E, T>],
    features: Range<usize>,
    dw: ArrayViewMut2<'a, T>,
}

impl<E: Element, T: Real> WithSimd for Outer<'_, '_, E, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut feature = self.features.start;
        while feature < self.features.end {
            let left = self.features.end - feature;
            // Sums that do not fit the registers would cost more than they save.
            feature += if S::REGISTER_COUNT >= 32 && left >= 8 {
                self.all_units::<S, 8>(simd, feature)
            } else if S::REGISTER_COUNT < 32 && left >= 4 {
                self.all_units::<S, 4>(simd, feature)
            } else {
                self.all_units::<S, 1>(simd, feature)
            };
        }
    }
}

impl<E: Element, T: Real> Outer<'_, '_, E, T> {
    /// `K` features from `feature` on, for all units; returns `K`.
    #[inline(always)]
    fn all_units<S: Simd, const K: usize>(&mut self, simd: S, feature: usize) -> usize {
        let vectors = padded(self.dw.nrows()) / lanes::<S, T>();
        let mut vector = 0;
        while vector < vectors {
            vector += match vectors - vector {
                3.. => self.tile::<S, K, 3>(simd, feature, vector),
                _ => self.tile::<S, K, 1>(simd, feature, vector),
            };
        }
        K
    }

    /// `K` features times `V` vectors of units: the sums of all blocks, joined, written to dw; returns `V`.
    #[inline(always)]
    fn tile<S: Simd, const K: usize, const V: usize>(&mut self, simd: S, feature: usize, vector: usize) -> usize {
        let zero = [[T::splat(simd, T::ZERO); V]; K];
        let mut stack = [zero; STACK];
        let mut height = 0;
        for block in self.blocks {
            stack[height] = block_sums(simd, block, feature, vector);
            height += 1;
            for _ in 0..block.joins {
                height -= 1;
                let (below, top) = stack.split_at_mut(height);
                let left = &mut below[height - 1];
                for k in 0..K {
                    for v in 0..V {
                        left[k][v] = T::added(simd, left[k][v], top[0][k][v]);
                    }
                }
            }
        }
        assert_eq!(height, 1, "the blocks of one node join to one sum");
        self.write(simd, &stack[0], feature, vector);
        V
    }

    /// Writes a tile of sums, [feature][unit], to its place in dw, [unit][feature].
    #[inline(always)]
    fn write<S: Simd, const K: usize, const V: usize>(
        &mut self,
        _simd: S,
        sums: &[[T::Vector<S>; V]; K],
        feature: usize,
        vector: usize,
    ) {
        let first_feature = feature - self.features.start;
        let first_unit = vector * lanes::<S, T>();
        let last_unit = self.dw.nrows().min(first_unit + V * lanes::<S, T>());
        let mut lanes_of = [T::ZERO; 3 * TILE];
        for (k, sums) in sums.iter().enumerate() {
            T::vectors_mut::<S>(&mut lanes_of)[..V].copy_from_slice(sums);
            for unit in first_unit..last_unit {
                self.dw[(unit, first_feature + k)] = lanes_of[unit - first_unit];
            }
        }
    }
}

/// One block's sums for `K` features and `V` vectors of units.
#[inline(always)]
fn block_sums<S: Simd, E: Element, T: Real, const K: usize, const V: usize>(
    simd: S,
    block: &BlockFactors<'_, E, T>,
    feature: usize,
    vector: usize,
) -> [[T::Vector<S>; V]; K] {
    let mut sums = [[T::splat(simd, T::ZERO); V]; K];
    let stride = block.dz.len() / block.columns;
    let mut inputs = [[T::ZERO; TILE]; K];
    for tile in 0..block.inputs.count() {
        let numbers = block.inputs.of(tile, feature..feature + K);
        for (to, from) in inputs.as_flattened_mut().iter_mut().zip(numbers) {
            *to = from.to_real();
        }
        // Columns that only fill the last tile up are left out: even +0 added to −0 would change a bit.
        for j in 0..TILE.min(block.columns - tile * TILE) {
            let column = &block.dz[(tile * TILE + j) * stride..][..stride];
            let dz = &T::vectors::<S>(column)[vector..vector + V];
            for k in 0..K {
                let input = T::splat(simd, inputs[k][j]);
                for v in 0..V {
                    sums[k][v] = T::fused(simd, dz[v], input, sums[k][v]);
                }
            }
        }
    }
    sums
}
