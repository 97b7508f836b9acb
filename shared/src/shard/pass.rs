//! Forward and backward through a run of blocks, up to every layer's dz.

use std::ops::Range;

use rayon::prelude::*;

use crate::activation::{Activation, relu, relu_backward, sigmoid};
use crate::element::Element;
use crate::kernel::outer::BlockFactors;
use crate::kernel::product::{ProductScratch, Tiles, product};
use crate::loss::{cross_entropy, cross_entropy_backward};
use crate::tree::{TILE, Tree};
use crate::{LayerSizes, Parameters, Real};

use super::blocks::PackedBlock;

/// A network's parameters, laid out for the products of one iteration.
pub(crate) struct Weights<'a, T> {
    parameters: &'a Parameters<T>,
    transposed: &'a Transposed<T>,
    /// The tree over n_l, for l = 0 … L.
    panels: Vec<Tree>,
    /// The factor of x.
    scale: T,
}

impl<'a, T: Real> Weights<'a, T> {
    /// `memory` is where the transposed weights go; what it contains does not matter.
    pub(crate) fn new(parameters: &'a Parameters<T>, scale: T, memory: &'a mut Transposed<T>) -> Self {
        let sizes = parameters.sizes();
        memory.lay_out(parameters);
        Self {
            parameters,
            transposed: memory,
            panels: sizes
                .as_slice()
                .iter()
                .map(|&n| Tree::over_inner_dimension(n))
                .collect(),
            scale,
        }
    }

    fn sizes(&self) -> &'a LayerSizes {
        self.parameters.sizes()
    }

    /// a_1 … a_{L-1} and the logits z_L of some tiles of x, all in tiles.
    pub(crate) fn forward<E: Element>(&self, x: &[&[E]], scratch: &mut ProductScratch<T>) -> Forward<T> {
        let layers = self.sizes().layers();
        let mut z = self.linear(1, x, self.scale, scratch);
        let mut activations = Vec::with_capacity(layers - 1);
        for l in 2..=layers {
            debug_assert_eq!(Activation::of_layer(l - 1, layers), Activation::Relu);
            z.iter_mut().for_each(|z| *z = relu(*z));
            let a = Tiles {
                features: self.sizes().n(l - 1),
                numbers: &z,
            };
            let next = self.linear(l, &a.each().collect::<Vec<_>>(), T::ONE, scratch);
            activations.push(z);
            z = next;
        }
        Forward { activations, logits: z }
    }

    /// z_l = w_l a_{l-1} · scale + b_l.
    fn linear<E: Element>(&self, l: usize, a: &[&[E]], scale: T, scratch: &mut ProductScratch<T>) -> Vec<T> {
        let n = self.sizes().n(l);
        let mut z = vec![T::ZERO; a.len() * n * TILE];
        product(&self.transposed.0[l - 1], a, &self.panels[l - 1], &mut z, scratch);
        let b = self.parameters.b(l);
        for tile in z.chunks_exact_mut(n * TILE) {
            for (z, &b) in tile.chunks_exact_mut(TILE).zip(&b) {
                z.iter_mut().for_each(|z| *z = z.mul_add(scale, b));
            }
        }
        z
    }

    /// dz_1 … dz_L in tiles, from a_1 … a_{L-1} and dz_L.
    fn backward(&self, activations: &[Vec<T>], dz_last: Vec<T>, scratch: &mut ProductScratch<T>) -> Vec<Vec<T>> {
        let mut dz = vec![dz_last];
        for l in (2..=self.sizes().layers()).rev() {
            let above = Tiles {
                features: self.sizes().n(l),
                numbers: &dz[dz.len() - 1],
            };
            let mut below = vec![T::ZERO; above.count() * self.sizes().n(l - 1) * TILE];
            let w = &self.parameters.values()[self.sizes().weights(l)];
            product(
                w,
                &above.each().collect::<Vec<_>>(),
                &self.panels[l],
                &mut below,
                scratch,
            );
            for (da, &a) in below.iter_mut().zip(&activations[l - 2]) {
                *da = relu_backward(*da, a);
            }
            dz.push(below);
        }
        dz.reverse();
        dz
    }
}

/// w_lᵀ, n_{l-1} × n_l row by row, for l = 1 … L.
pub(crate) struct Transposed<T>(Vec<Vec<T>>);

impl<T> Default for Transposed<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Real> Transposed<T> {
    fn lay_out(&mut self, parameters: &Parameters<T>) {
        let sizes = parameters.sizes();
        self.0.resize_with(sizes.layers(), Vec::new);
        for (l, transposed) in (1..).zip(&mut self.0) {
            let w = &parameters.values()[sizes.weights(l)];
            transposed.resize(w.len(), T::ZERO);
            transpose(w, sizes.n(l - 1), sizes.n(l), transposed);
        }
    }
}

/// From w, n × `inputs`, to wᵀ, in parallel over its rows.
fn transpose<T: Real>(w: &[T], inputs: usize, n: usize, transposed: &mut [T]) {
    const TASK_ROWS: usize = 512;
    /// Rows that stay in the L1 cache while they are written column by column.
    const NEAR_ROWS: usize = 64;
    let task = |(task, rows): (usize, &mut [T])| {
        for (near, rows) in rows.chunks_mut(NEAR_ROWS * n).enumerate() {
            let first = task * TASK_ROWS + near * NEAR_ROWS;
            for (i, w) in w.chunks_exact(inputs).enumerate() {
                for (to, &from) in rows.iter_mut().skip(i).step_by(n).zip(&w[first..]) {
                    *to = from;
                }
            }
        }
    };
    if inputs <= TASK_ROWS {
        task((0, transposed));
    } else {
        transposed.par_chunks_mut(TASK_ROWS * n).enumerate().for_each(task);
    }
}

/// A forward pass over some tiles.
pub(crate) struct Forward<T> {
    /// a_1 … a_{L-1} in tiles.
    pub(crate) activations: Vec<Vec<T>>,
    /// z_L in tiles.
    pub(crate) logits: Vec<T>,
}

/// What the forward and backward passes of a run of blocks leave for the weight gradients.
pub(super) struct RunPass<T> {
    sizes: LayerSizes,
    /// a_1 … a_{L-1} in tiles.
    activations: Vec<Vec<T>>,
    /// dz_1 … dz_L, column after column.
    dz: Vec<Vec<T>>,
    /// The losses, column after column.
    losses: Vec<T>,
    /// The tiles of each block of the run, and its number of columns.
    blocks: Vec<(Range<usize>, usize)>,
}

impl<T: Real> RunPass<T> {
    /// Computes a run of blocks on this thread.
    pub(super) fn new<E: Element>(weights: &Weights<'_, T>, blocks: &[&PackedBlock<E>]) -> Self {
        let mut scratch = ProductScratch::default();
        let sizes = weights.sizes();
        let tiles: Vec<_> = blocks.iter().flat_map(|block| block.each_tile()).collect();
        let Forward { activations, logits } = weights.forward(&tiles, &mut scratch);
        // The columns that fill a last tile up have label 0; nothing is ever summed over them.
        let y: Vec<T> = blocks
            .iter()
            .flat_map(|block| block.padded_labels())
            .map(|y| T::from_i32(i32::from(y)))
            .collect();
        let losses = logits.iter().zip(&y).map(|(&z, &y)| cross_entropy(z, y)).collect();
        let dz_last = logits
            .iter()
            .zip(&y)
            .map(|(&z, &y)| cross_entropy_backward(sigmoid(z), y))
            .collect();
        let dz = weights.backward(&activations, dz_last, &mut scratch);
        let dz = dz.iter().zip(1..).map(|(dz, l)| by_column(dz, sizes.n(l))).collect();
        let mut first = 0;
        let blocks = blocks.iter().map(|block| {
            let tiles = first..first + block.columns().div_ceil(TILE);
            first = tiles.end;
            (tiles, block.columns())
        });
        Self {
            sizes: sizes.clone(),
            activations,
            dz,
            losses,
            blocks: blocks.collect(),
        }
    }

    /// The blocks of the run.
    pub(super) fn blocks(&self) -> impl Iterator<Item = BlockPass<'_, T>> {
        self.blocks.iter().map(|(tiles, columns)| BlockPass {
            run: self,
            tiles: tiles.clone(),
            columns: *columns,
        })
    }
}

/// From tiles of `n` units × 8 columns to column after column of `n` units.
fn by_column<T: Real>(tiles: &[T], n: usize) -> Vec<T> {
    let mut columns = vec![T::ZERO; tiles.len()];
    for (tile, columns) in tiles.chunks_exact(n * TILE).zip(columns.chunks_exact_mut(n * TILE)) {
        for (unit, numbers) in tile.chunks_exact(TILE).enumerate() {
            for (column, &number) in columns.chunks_exact_mut(n).zip(numbers) {
                column[unit] = number;
            }
        }
    }
    columns
}

/// One block's part of a [`RunPass`].
pub(super) struct BlockPass<'a, T> {
    run: &'a RunPass<T>,
    tiles: Range<usize>,
    columns: usize,
}

impl<'a, T: Real> BlockPass<'a, T> {
    /// Σ over the block's columns of the loss, in ascending order from +0.
    pub(super) fn loss(&self) -> T {
        let losses = &self.run.losses[self.tiles.start * TILE..][..self.columns];
        losses.iter().fold(T::ZERO, |sum, &loss| sum + loss)
    }

    /// Σ over the block's columns of db_l = dz_l, in ascending order from +0.
    pub(super) fn db(&self, l: usize) -> Vec<T> {
        let n = self.run.sizes.n(l);
        let mut db = vec![T::ZERO; n];
        for dz in self.dz(l).chunks_exact(n) {
            for (db, &dz) in db.iter_mut().zip(dz) {
                *db = *db + dz;
            }
        }
        db
    }

    /// The factors of dw_l: dz_l and `inputs`, the block's a_{l-1}.
    pub(super) fn factors<E>(&self, l: usize, joins: usize, inputs: Tiles<'a, E>) -> BlockFactors<'a, E, T> {
        BlockFactors {
            columns: self.columns,
            inputs,
            dz: self.dz(l),
            joins,
        }
    }

    /// a_l in tiles, for l in 1..L.
    pub(super) fn activations(&self, l: usize) -> Tiles<'a, T> {
        let features = self.run.sizes.n(l);
        let numbers =
            &self.run.activations[l - 1][self.tiles.start * features * TILE..self.tiles.end * features * TILE];
        Tiles { features, numbers }
    }

    /// dz_l, column after column.
    fn dz(&self, l: usize) -> &'a [T] {
        let n = self.run.sizes.n(l);
        &self.run.dz[l - 1][self.tiles.start * TILE * n..][..self.columns * n]
    }
}
