//! Weight gradients: `dw = dz aᵀ`, summed over the columns of blocks and along the tree of blocks.

use std::ops::Range;

use ndarray::ArrayViewMut2;
use pulp::{Simd, WithSimd};

use super::dispatch;
use super::product::{Start, Tiles, all_units};
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
    /// dz_l, n_l numbers a column, column after column.
    pub dz: &'a [T],
    /// How many joins of the tree follow this block.
    pub joins: usize,
}

/// Memory that [`outer`] needs besides its arguments, kept between calls.
#[derive(Clone, Debug, Default)]
pub struct OuterScratch<T> {
    /// Eight features of all columns of all blocks, converted: eight numbers a column, column after column.
    slab: Vec<T>,
    /// The stack of blocks' sums that wait for their sibling, each n_l × 8 features; level 0 is the result.
    sums: Vec<Vec<T>>,
}

/// dw[i, k] = Σ_j dz[i, j] a[k, j] over the columns of all `blocks`: in each block a chain of fused multiply-adds over
/// ascending columns from +0, the blocks' sums joined along the tree.
///
/// - `blocks`: the blocks of one node of the tree, from left to right
/// - `features`: the columns k of dw that are wanted
/// - `dw`: n_l × features, each row contiguous; overwritten
/// - `scratch`: reused between calls
///
/// # Panics
///
/// If the lengths do not fit, or the joins do not leave exactly one sum.
pub fn outer<E: Element, T: Real>(
    blocks: &[BlockFactors<'_, E, T>],
    features: Range<usize>,
    mut dw: ArrayViewMut2<'_, T>,
    scratch: &mut OuterScratch<T>,
) {
    assert_eq!(dw.ncols(), features.len(), "dw has a column for every wanted feature");
    let rows = dw.rows_mut().into_iter();
    let mut rows: Vec<_> = rows
        .map(|row| row.into_slice().expect("a row of dw is contiguous"))
        .collect();
    let units = rows.len();
    for start in features.clone().step_by(TILE) {
        let wanted = start..features.end.min(start + TILE);
        dispatch::<T, _>(FillSlab {
            blocks,
            features: wanted.clone(),
            slab: &mut scratch.slab,
        });
        dispatch::<T, _>(TileSums { blocks, units, scratch });
        let columns = wanted.start - features.start..wanted.end - features.start;
        for (row, sums) in rows.iter_mut().zip(scratch.sums[0].chunks_exact(TILE)) {
            row[columns.clone()].copy_from_slice(&sums[..columns.len()]);
        }
    }
}

/// Converts up to eight features of all columns of all blocks. Lanes beyond the wanted features keep what was there; what
/// is computed from them is never used.
struct FillSlab<'a, 'b, E, T> {
    blocks: &'a [BlockFactors<'b, E, T>],
    features: Range<usize>,
    slab: &'a mut Vec<T>,
}

impl<E: Element, T: Real> WithSimd for FillSlab<'_, '_, E, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let columns: usize = self.blocks.iter().map(|block| block.columns).sum();
        self.slab.resize(columns * TILE, T::ZERO);
        let mut slab = self.slab.as_mut_slice();
        for block in self.blocks {
            let (own, others) = slab.split_at_mut(block.columns * TILE);
            slab = others;
            // Columns that only fill the last tile up are left out: even +0 added to −0 would change a bit.
            for (tile, columns) in own.chunks_mut(TILE * TILE).enumerate() {
                let numbers = block.inputs.of(tile, self.features.clone());
                match (
                    <&[E; TILE * TILE]>::try_from(numbers),
                    <&mut [T; TILE * TILE]>::try_from(&mut *columns),
                ) {
                    (Ok(numbers), Ok(columns)) => transpose(numbers, columns),
                    _ => {
                        for (j, column) in columns.chunks_exact_mut(TILE).enumerate() {
                            for (to, from) in column.iter_mut().zip(numbers.iter().skip(j).step_by(TILE)) {
                                *to = from.to_real();
                            }
                        }
                    }
                }
            }
        }
    }
}

/// From 8 features × 8 columns to 8 columns × 8 features, converted.
#[inline(always)]
fn transpose<E: Element, T: Real>(numbers: &[E; TILE * TILE], columns: &mut [T; TILE * TILE]) {
    let mut turned = [numbers[0]; TILE * TILE];
    for j in 0..TILE {
        for k in 0..TILE {
            turned[j * TILE + k] = numbers[k * TILE + j];
        }
    }
    for (to, from) in columns.iter_mut().zip(&turned) {
        *to = from.to_real();
    }
}

/// The sums of all blocks for the features in the slab, joined.
struct TileSums<'a, 'b, E, T> {
    blocks: &'a [BlockFactors<'b, E, T>],
    units: usize,
    scratch: &'a mut OuterScratch<T>,
}

impl<E: Element, T: Real> WithSimd for TileSums<'_, '_, E, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let OuterScratch { slab, sums } = self.scratch;
        let mut slab = slab.as_slice();
        let mut height = 0;
        for block in self.blocks {
            let (inputs, others) = slab.split_at(block.columns * TILE);
            slab = others;
            if sums.len() == height {
                sums.push(Vec::new());
            }
            sums[height].resize(self.units * TILE, T::ZERO);
            all_units(simd, inputs, block.dz, self.units, &mut sums[height], Start::Zero);
            height += 1;
            for _ in 0..block.joins {
                height -= 1;
                let (below, top) = sums.split_at_mut(height);
                let lefts = T::vectors_mut::<S>(&mut below[height - 1]);
                for (left, &right) in lefts.iter_mut().zip(T::vectors::<S>(&top[0])) {
                    *left = T::added(simd, *left, right);
                }
            }
        }
        assert_eq!(height, 1, "the blocks of one node join to one sum");
    }
}
