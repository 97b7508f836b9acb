//! Matrix products whose every element is a chain over the inner dimension: `z = w a` and `da = wᵀ dz`.

use std::any::TypeId;
use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::micro::{Units, groups, load, multiply_rows, store, with_units};
use super::tiles::{Tile, TileColumn, TileColumns, Tiles};
use super::{InstructionSet, Operand};
use crate::Real;
use crate::element::Element;
use crate::tree::{LeafRange, TILE, Tree};

/// The most row tiles of x that are multiplied at a time: 32, so that the weights of a group of units, 256 × 12 f64, stay in
/// the L1 cache while all columns pass.
const STEP: usize = 32;

/// A matrix of weights as it stands in the parameters: w_l, n_l × n_{l-1} row by row.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a, C> {
    /// For z = w a: the units of the result are the rows of w.
    Forward(&'a [C]),
    /// For da = wᵀ dz: the units of the result are the columns of w.
    Backward(&'a [C]),
}

/// Memory that [`product`] needs besides its arguments, kept between calls.
#[derive(Clone, Debug, Default)]
pub struct ProductScratch<C> {
    /// The weights of a group of units for some row tiles: for each row tile, for each unit, 8 numbers.
    packed: Vec<C>,
    /// Row tiles of x, converted, if its numbers are not converted as they are read.
    converted: Vec<Tile<C>>,
    /// The stack of panels' sums that wait for their sibling; level 0 is the output itself.
    waiting: Vec<Vec<Tile<C>>>,
}

/// out = w x: for unit u and column j, Σ_k w[u, k] x[k, j] over the panels of `node`: in each panel a chain of fused
/// multiply-adds over ascending k from +0, the panels' sums joined along the tree. (With [`Weights::Backward`]
/// w[k, u] in place of w[u, k].)
///
/// - `weights`: `units` × inner or inner × `units`
/// - `panels`: the tree over the inner dimension; `node`: one of its nodes
/// - `x`: inner × columns
/// - `out`: `units` × columns in tiles, ⌈units / 8⌉ × x's column tiles; overwritten
/// - `scratch`: reused between calls
///
/// # Panics
///
/// If the lengths do not fit.
pub fn product<E: Element, C: Real>(
    set: InstructionSet,
    (weights, units): (Weights<'_, C>, usize),
    (panels, node): (&Tree, LeafRange),
    x: &impl TileColumns<E>,
    out: &mut [Tile<C>],
    scratch: &mut ProductScratch<C>,
) {
    assert_eq!(
        out.len(),
        units.div_ceil(TILE) * x.count(),
        "out has a tile for each of x"
    );
    let ProductScratch {
        packed,
        converted,
        waiting,
    } = scratch;
    let depth = panels.stack_depth();
    if waiting.len() < depth - 1 {
        waiting.resize_with(depth - 1, Vec::new);
    }
    let mut height = 0_usize;
    for (panel, joins) in panels.fold_steps(node) {
        let sums = match height.checked_sub(1) {
            None => &mut *out,
            Some(level) => {
                waiting[level].resize(out.len(), [C::ZERO; TILE * TILE]);
                &mut waiting[level][..out.len()]
            }
        };
        sums.fill([C::ZERO; TILE * TILE]);
        let of_panel = PanelProduct {
            set,
            weights,
            units,
            inner: panels.items(),
        };
        of_panel.add(panels.leaf(panel), x, sums, (&mut *packed, &mut *converted));
        height += 1;
        for _ in 0..joins {
            height -= 1;
            let (below, top) = waiting.split_at_mut(height - 1);
            // Buffers may be longer than this output; `join` stops at the shorter.
            match below.last_mut() {
                None => join(out, &top[0]),
                Some(left) => join(left, &top[0]),
            }
        }
    }
}

/// left ← left + right.
pub(crate) fn join<C: Real>(left: &mut [Tile<C>], right: &[Tile<C>]) {
    for (left, &right) in left.as_flattened_mut().iter_mut().zip(right.as_flattened()) {
        *left = *left + right;
    }
}

/// What the products of all panels have in common.
#[derive(Clone, Copy)]
struct PanelProduct<'a, C> {
    set: InstructionSet,
    weights: Weights<'a, C>,
    units: usize,
    inner: usize,
}

impl<C: Real> PanelProduct<'_, C> {
    /// One panel's part of a [`product`], added to `out`.
    fn add<E: Element>(
        &self,
        panel: Range<usize>,
        x: &impl TileColumns<E>,
        out: &mut [Tile<C>],
        (packed, converted): (&mut Vec<C>, &mut Vec<Tile<C>>),
    ) {
        for step in steps(panel) {
            if is_near::<E, C>() {
                self.add_step::<E::Near<C>>(
                    step,
                    0,
                    &AsNear {
                        columns: x,
                        element: PhantomData::<E>,
                    },
                    out,
                    packed,
                );
            } else {
                let row_tiles = step.start / TILE..step.end.div_ceil(TILE);
                converted.resize(row_tiles.len() * x.count(), [C::ZERO; TILE * TILE]);
                self.set.run(Convert {
                    x,
                    first: row_tiles.start,
                    to: &mut *converted,
                    element: PhantomData::<E>,
                });
                let near = Tiles {
                    tiles: &converted[..],
                    stride: x.count(),
                };
                self.add_step::<C>(step, row_tiles.start, &near, out, packed);
            }
        }
    }

    /// Some rows of x, of which row tile `first` is the first that there is in memory.
    fn add_step<N: Operand<C>>(
        &self,
        step: Range<usize>,
        first: usize,
        x: &dyn TileColumns<N>,
        out: &mut [Tile<C>],
        packed: &mut Vec<C>,
    ) {
        let reach = C::reach(self.set);
        for (unit, units) in groups(self.units, reach.units) {
            packed.resize(step.len().div_ceil(TILE) * units * TILE, C::ZERO);
            self.set.run(Pack {
                weights: self.weights,
                inner: self.inner,
                all_units: self.units,
                step: step.clone(),
                units: unit..unit + units,
                packed,
            });
            let first = step.start / TILE - first;
            let inner = step.len();
            let step = Step {
                packed,
                unit,
                units,
                first,
                inner,
                x,
                out,
            };
            N::add_product(self.set, step);
        }
    }
}

/// Lays out the weights of some units for some of the inner dimension as [`Step`] reads them.
struct Pack<'a, C> {
    weights: Weights<'a, C>,
    /// The inner dimension, and the units that there are in all.
    inner: usize,
    all_units: usize,
    step: Range<usize>,
    units: Range<usize>,
    packed: &'a mut [C],
}

impl<C: Real> WithSimd for Pack<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let count = self.units.len();
        match self.weights {
            Weights::Forward(w) => {
                for u in 0..count {
                    let row = &w[(self.units.start + u) * self.inner..][self.step.clone()];
                    let (whole, rest) = row.as_chunks::<TILE>();
                    let (packed, _) = self.packed.as_chunks_mut::<TILE>();
                    for row_tile in 0..whole.len() {
                        packed[row_tile * count + u] = whole[row_tile];
                    }
                    if !rest.is_empty() {
                        packed[whole.len() * count + u][..rest.len()].copy_from_slice(rest);
                    }
                }
            }
            Weights::Backward(w) => {
                for row in 0..self.step.len() {
                    let from = &w[(self.step.start + row) * self.all_units..][self.units.clone()];
                    let first = row / TILE * count * TILE + row % TILE;
                    for u in 0..count {
                        self.packed[first + u * TILE] = from[u];
                    }
                }
            }
        }
    }
}

/// A panel in the fewest steps, all of nearly one size and all but the last of whole tiles.
fn steps(panel: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let tiles = panel.len().div_ceil(TILE);
    let size = tiles.div_ceil(tiles.div_ceil(STEP)) * TILE;
    let end = panel.end;
    panel.step_by(size).map(move |start| start..end.min(start + size))
}

/// Whether numbers of type `E` are converted to `C` as they are read, or need not be.
fn is_near<E: Element, C: Real>() -> bool {
    TypeId::of::<E>() == TypeId::of::<E::Near<C>>()
}

/// Columns whose numbers are of the type that the kernels read, and now have that type for the compiler too.
struct AsNear<'a, X, E> {
    columns: &'a X,
    element: PhantomData<E>,
}

impl<X: TileColumns<E>, E: Element, N: Element> TileColumns<N> for AsNear<'_, X, E> {
    fn count(&self) -> usize {
        self.columns.count()
    }

    #[inline(always)]
    fn column(&self, index: usize) -> TileColumn<'_, N> {
        let TileColumn { tiles, stride } = self.columns.column(index);
        TileColumn {
            tiles: bytemuck::cast_slice(tiles),
            stride,
        }
    }
}

/// Converts row tiles of x from `first` on.
struct Convert<'a, X, E, C> {
    x: &'a X,
    first: usize,
    to: &'a mut [Tile<C>],
    element: PhantomData<E>,
}

impl<X: TileColumns<E>, E: Element, C: Real> WithSimd for Convert<'_, X, E, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let rows = self.to.chunks_exact_mut(self.x.count());
        for (row_tile, to) in (self.first..).zip(rows) {
            for (column, to) in to.iter_mut().enumerate() {
                let from = self.x.column(column).tile(row_tile);
                for i in 0..from.len() {
                    to[i] = from[i].to_real();
                }
            }
        }
    }
}

/// Some units times some of the inner dimension, for all columns, added to `out`.
pub struct Step<'a, C, E> {
    /// For each row tile, for each unit, 8 weights.
    packed: &'a [C],
    /// The first unit.
    unit: usize,
    units: usize,
    /// The first row tile of x, and how many rows from there on.
    first: usize,
    inner: usize,
    /// Which columns these are is asked for too seldom to matter, so one kernel serves all.
    x: &'a dyn TileColumns<E>,
    out: &'a mut [Tile<C>],
}

impl<C: Real, E: Element> WithSimd for Step<'_, C, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_units::<S, C>(simd, self.units, self);
    }
}

impl<C: Real, E: Element> Units<C> for Step<'_, C, E> {
    #[inline(always)]
    fn run<S: Simd, const U: usize, const T: usize, const N: usize>(self, simd: S) {
        let count = self.x.count();
        let first = self.first;
        let (whole, rest) = (self.inner / TILE, self.inner % TILE);
        let (packed, _) = self.packed.as_chunks::<TILE>();
        let mut near = [[[C::ZERO; TILE]; T]; U];
        let mut column = 0;
        while column < count {
            // At the end the last column may be computed twice, and stored twice.
            let mut columns = [self.x.column(column); T];
            for t in 1..T {
                columns[t] = self.x.column((column + t).min(count - 1));
            }
            let place = |u: usize, t: usize| {
                let unit = self.unit + u;
                (unit / TILE * count + (column + t).min(count - 1), unit % TILE)
            };
            for u in 0..U {
                for t in 0..T {
                    let (tile, unit) = place(u, t);
                    near[u][t] = self.out[tile].as_chunks().0[unit];
                }
            }
            let mut sums = load::<S, C, U, T, N>(simd, &near);
            for row_tile in 0..whole {
                let packed = &packed[row_tile * U..][..U];
                let mut tiles = [columns[0].tile(first + row_tile); T];
                for t in 1..T {
                    tiles[t] = columns[t].tile(first + row_tile);
                }
                multiply_rows(simd, &mut sums, &tiles, TILE, |k, u| packed[u][k]);
            }
            if rest > 0 {
                let packed = &packed[whole * U..][..U];
                let mut tiles = [columns[0].tile(first + whole); T];
                for t in 1..T {
                    tiles[t] = columns[t].tile(first + whole);
                }
                multiply_rows(simd, &mut sums, &tiles, rest, |k, u| packed[u][k]);
            }
            store::<S, C, U, T, N>(&sums, &mut near);
            for u in 0..U {
                for t in 0..T {
                    let (tile, unit) = place(u, t);
                    self.out[tile].as_chunks_mut().0[unit] = near[u][t];
                }
            }
            column += T;
        }
    }
}
