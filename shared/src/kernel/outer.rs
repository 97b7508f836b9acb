//! Weight gradients: `dw = dz aᵀ`, summed over the columns of blocks and along the tree of blocks.

use std::ops::Range;

use ndarray::{ArrayViewMut2, s};
use pulp::{Simd, WithSimd};

use super::product::Tiles;
use super::{dispatch, lanes};
use crate::Real;
use crate::element::Element;
use crate::tree::TILE;

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
/// - `slab`: reused between calls
///
/// # Panics
///
/// If the lengths do not fit, or the joins do not leave exactly one sum.
pub fn outer<E: Element, T: Real>(
    blocks: &[BlockFactors<'_, E, T>],
    features: Range<usize>,
    mut dw: ArrayViewMut2<'_, T>,
    slab: &mut Vec<T>,
) {
    assert_eq!(dw.ncols(), features.len(), "dw has a column for every wanted feature");
    let dz: Vec<_> = blocks
        .iter()
        .map(|block| BlockDz {
            columns: block.columns,
            dz: block.dz,
            joins: block.joins,
        })
        .collect();
    let height = blocks.len().next_power_of_two().ilog2() as usize + 2;
    for start in features.clone().step_by(TILE) {
        let wanted = start..features.end.min(start + TILE);
        dispatch::<T, _>(FillSlab {
            blocks,
            features: wanted.clone(),
            slab,
        });
        let columns = wanted.start - features.start..wanted.end - features.start;
        let dw = dw.slice_mut(s![.., columns]);
        dispatch::<T, _>(Outer {
            blocks: &dz,
            slab,
            dw,
            height,
        });
    }
}

/// Converts a few features of all columns of all blocks: tile after tile of columns, in each feature after feature.
struct FillSlab<'a, 'b, E, T> {
    blocks: &'a [BlockFactors<'b, E, T>],
    features: Range<usize>,
    slab: &'a mut Vec<T>,
}

impl<E: Element, T: Real> WithSimd for FillSlab<'_, '_, E, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        self.slab.clear();
        for block in self.blocks {
            for tile in 0..block.inputs.count() {
                let numbers = block.inputs.of(tile, self.features.clone());
                self.slab.extend(numbers.iter().map(|number| number.to_real::<T>()));
            }
        }
    }
}

/// One block's dz, column after column, padded, and the joins that follow the block.
struct BlockDz<'a, T> {
    columns: usize,
    dz: &'a [T],
    joins: usize,
}

/// The columns of dw whose inputs are in the slab: up to eight features.
struct Outer<'a, 'b, T> {
    blocks: &'a [BlockDz<'b, T>],
    slab: &'a [T],
    dw: ArrayViewMut2<'a, T>,
    /// The most sums that wait for their right-hand sibling at once.
    height: usize,
}

impl<T: Real> WithSimd for Outer<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let features = self.dw.ncols();
        let mut feature = 0;
        while feature < features {
            // Sums that do not fit the registers would cost more than they save.
            feature += if S::REGISTER_COUNT >= 32 && features - feature == TILE {
                self.all_units::<S, TILE>(simd, feature)
            } else if S::REGISTER_COUNT < 32 && features - feature >= 4 {
                self.all_units::<S, 4>(simd, feature)
            } else {
                self.all_units::<S, 1>(simd, feature)
            };
        }
    }
}

impl<T: Real> Outer<'_, '_, T> {
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
        let in_slab = self.dw.ncols() * TILE;
        let mut slab = self.slab;
        let mut waiting = Vec::with_capacity(self.height);
        for block in self.blocks {
            let (own, others) = slab.split_at(block.columns.div_ceil(TILE) * in_slab);
            slab = others;
            let tiles = own
                .chunks_exact(in_slab)
                .map(|tile| &tile[feature * TILE..(feature + K) * TILE]);
            let mut sums = block_sums(simd, block, tiles, vector);
            for _ in 0..block.joins {
                let left: [[T::Vector<S>; V]; K] = waiting.pop().expect("a join has a left operand");
                for k in 0..K {
                    for v in 0..V {
                        sums[k][v] = T::added(simd, left[k][v], sums[k][v]);
                    }
                }
            }
            waiting.push(sums);
        }
        assert_eq!(waiting.len(), 1, "the blocks of one node join to one sum");
        self.write::<S, K, V>(&waiting[0], feature, vector);
        V
    }

    /// Writes a tile of sums, [feature][unit], to its place in dw, [unit][feature].
    #[inline(always)]
    fn write<S: Simd, const K: usize, const V: usize>(
        &mut self,
        sums: &[[T::Vector<S>; V]; K],
        feature: usize,
        vector: usize,
    ) {
        let first = vector * lanes::<S, T>();
        let units = (self.dw.nrows() - first).min(V * lanes::<S, T>());
        let mut by_unit = [T::ZERO; 3 * TILE];
        for (k, sums) in sums.iter().enumerate() {
            T::vectors_mut::<S>(&mut by_unit)[..V].copy_from_slice(sums);
            for (unit, &sum) in by_unit[..units].iter().enumerate() {
                self.dw[(first + unit, feature + k)] = sum;
            }
        }
    }
}

/// One block's sums for `K` features, whose inputs are in `tiles` of K × 8 columns, and `V` vectors of units.
#[inline(always)]
fn block_sums<'a, S: Simd, T: Real, const K: usize, const V: usize>(
    simd: S,
    block: &BlockDz<'_, T>,
    tiles: impl Iterator<Item = &'a [T]>,
    vector: usize,
) -> [[T::Vector<S>; V]; K] {
    let mut sums = [[T::splat(simd, T::ZERO); V]; K];
    let stride = block.dz.len() / block.columns;
    // Columns that only fill the last tile up have no dz, so they are left out: even +0 added to −0 would change a bit.
    for (inputs, dz) in tiles.zip(block.dz.chunks(stride * TILE)) {
        for (j, dz) in dz.chunks_exact(stride).enumerate() {
            let dz = &T::vectors::<S>(dz)[vector..vector + V];
            for k in 0..K {
                let input = T::splat(simd, inputs[k * TILE + j]);
                for v in 0..V {
                    sums[k][v] = T::fused(simd, dz[v], input, sums[k][v]);
                }
            }
        }
    }
    sums
}
