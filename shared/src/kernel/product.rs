//! Matrix products whose every element is a chain over the inner dimension: `z = w a` and `da = wᵀ dz`.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{dispatch, lanes, vectors_per_tile};
use crate::Real;
use crate::element::Element;
use crate::tree::{TILE, Tree};

/// Inner features that are converted and multiplied at a time: 128 × 8 f64 are 8 KiB of L1 cache.
const STEP: usize = 128;

/// Column tiles that pass one panel of weights before the next panel is read: 256 columns.
const GROUP: usize = 32;

/// Columns in tiles: tile after tile of 8 columns, in each tile feature after feature, for each feature the tile's 8
/// numbers. The last tile is filled up with zeros; what is computed from them is never used.
#[derive(Clone, Copy, Debug)]
pub struct Tiles<'a, E> {
    /// The inner dimension: features (or units) of each column.
    pub features: usize,
    /// tiles × features × 8 numbers.
    pub numbers: &'a [E],
}

impl<E> Tiles<'_, E> {
    /// How many tiles there are.
    pub fn count(&self) -> usize {
        self.numbers.len() / (self.features * TILE)
    }

    /// The tiles from left to right, features × 8 numbers each.
    pub fn each(&self) -> impl Iterator<Item = &[E]> {
        self.numbers.chunks_exact(self.features * TILE)
    }

    /// Numbers `features` of tile `tile`.
    #[inline(always)]
    pub(super) fn of(&self, tile: usize, features: Range<usize>) -> &[E] {
        let start = tile * self.features * TILE;
        &self.numbers[start + features.start * TILE..start + features.end * TILE]
    }
}

/// out = wᵀ x: for output unit o and column j, Σ_k w[k, o] x[k, j], in each panel of `panels` a chain of fused
/// multiply-adds over ascending k from +0, the panels' sums joined along the tree.
///
/// - `w`: inner × outer, row by row
/// - `x`: the tiles of the columns, inner × 8 numbers each (see [`Tiles`])
/// - `panels`: the tree over the inner dimension
/// - `out`: outer units × columns in tiles, as `x`; overwritten
/// - `scratch`: reused between calls
///
/// # Panics
///
/// If the lengths do not fit.
pub fn product<E: Element, T: Real>(
    w: &[T],
    x: &[&[E]],
    panels: &Tree,
    out: &mut [T],
    scratch: &mut ProductScratch<T>,
) {
    let inner = panels.items();
    let outer = w.len() / inner;
    assert_eq!(w.len(), inner * outer, "w has the tree's inner dimension");
    assert!(
        x.iter().all(|tile| tile.len() == inner * TILE),
        "x has the tree's inner dimension"
    );
    assert_eq!(out.len(), x.len() * outer * TILE, "out has a tile for each of x");
    for (x, out) in x.chunks(GROUP).zip(out.chunks_mut(GROUP * outer * TILE)) {
        product_of_group(w, outer, x, panels, out, scratch);
    }
}

/// Memory that [`product`] needs besides its arguments, kept between calls.
#[derive(Clone, Debug, Default)]
pub struct ProductScratch<T> {
    /// STEP × 8 inputs, converted.
    converted: Vec<T>,
    /// The stack of panels' sums that wait for their sibling; level 0 is the output itself.
    waiting: Vec<Vec<T>>,
}

fn product_of_group<E: Element, T: Real>(
    w: &[T],
    outer: usize,
    x: &[&[E]],
    panels: &Tree,
    out: &mut [T],
    scratch: &mut ProductScratch<T>,
) {
    let ProductScratch { converted, waiting } = scratch;
    converted.resize(STEP * TILE, T::ZERO);
    let depth = panels.stack_depth();
    if waiting.len() < depth - 1 {
        waiting.resize_with(depth - 1, Vec::new);
    }
    let mut height = 0_usize;
    for (panel, joins) in panels.fold_steps(panels.root()) {
        let sums = match height.checked_sub(1) {
            None => &mut *out,
            Some(level) => {
                waiting[level].resize(out.len(), T::ZERO);
                &mut waiting[level][..out.len()]
            }
        };
        sums.fill(T::ZERO);
        panel_product(w, outer, x, panels.leaf(panel), sums, converted);
        height += 1;
        for _ in 0..joins {
            height -= 1;
            let (below, top) = waiting.split_at_mut(height - 1);
            // Buffers may be longer than this group's output; `join` stops at the shorter.
            match below.last_mut() {
                None => join(out, &top[0]),
                Some(left) => join(left, &top[0]),
            }
        }
    }
}

/// left ← left + right.
fn join<T: Real>(left: &mut [T], right: &[T]) {
    for (left, &right) in left.iter_mut().zip(right) {
        *left = *left + right;
    }
}

/// One panel's part of a [`product`], added to `out` by fused multiply-adds.
fn panel_product<E: Element, T: Real>(
    w: &[T],
    outer: usize,
    x: &[&[E]],
    panel: Range<usize>,
    out: &mut [T],
    converted: &mut [T],
) {
    for start in panel.clone().step_by(STEP) {
        let step = start..panel.end.min(start + STEP);
        let w = &w[step.start * outer..step.end * outer];
        let converted = &mut converted[..step.len() * TILE];
        for (x, out) in x.iter().zip(out.chunks_exact_mut(outer * TILE)) {
            dispatch::<T, _>(Convert {
                from: &x[step.start * TILE..step.end * TILE],
                to: converted,
            });
            dispatch::<T, _>(TileProduct {
                w,
                outer,
                x: converted,
                out,
            });
        }
    }
}

/// to ← from, in the run's precision.
struct Convert<'a, E, T> {
    from: &'a [E],
    to: &'a mut [T],
}

impl<E: Element, T: Real> WithSimd for Convert<'_, E, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = from.to_real();
        }
    }
}

/// One tile of columns times some features of all units, added to `out`.
struct TileProduct<'a, T> {
    w: &'a [T],
    outer: usize,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Real> WithSimd for TileProduct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all_units(simd, self.x, self.w, self.outer, self.out, Start::Sums);
    }
}

/// Where a chain of fused multiply-adds begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At +0.
    Zero,
    /// At the sums that are there.
    Sums,
}

/// For every outer unit o and each of 8 lanes, Σ_k w[k, o] x[k] from `start` on.
///
/// - `x`: inner × 8 numbers; `w`: inner × outer, row by row; `out`: outer × 8
///
/// Cuts the outer units into the fewest groups whose sums fit the registers, all of nearly one size.
#[inline(always)]
pub(super) fn all_units<S: Simd, T: Real>(simd: S, x: &[T], w: &[T], outer: usize, out: &mut [T], start: Start) {
    // Four registers are kept for the inputs and the weight.
    let most = ((S::REGISTER_COUNT.max(5) - 4) / vectors_per_tile::<S, T>()).clamp(1, MOST_UNITS);
    let mut groups = outer.div_ceil(most);
    let mut unit = 0;
    while groups > 0 {
        let units = (outer - unit).div_ceil(groups);
        let out = &mut out[unit * TILE..(unit + units) * TILE];
        macro_rules! dispatch_on_units {
            ($($units:literal)*) => {
                match (units, lanes::<S, T>()) {
                    $(
                        ($units, 8) => units_of::<S, T, $units, 1>(simd, x, w, (outer, unit), out, start),
                        ($units, 4) => units_of::<S, T, $units, 2>(simd, x, w, (outer, unit), out, start),
                        ($units, 2) => units_of::<S, T, $units, 4>(simd, x, w, (outer, unit), out, start),
                        ($units, 1) => units_of::<S, T, $units, 8>(simd, x, w, (outer, unit), out, start),
                    )*
                    (units, lanes) => unreachable!("{units} units in vectors of {lanes} lanes"),
                }
            };
        }
        dispatch_on_units!(1 2 3 4 5 6 7 8 9 10 11 12);
        unit += units;
        groups -= 1;
    }
}

/// The most units in one group: what `dispatch_on_units!` lists.
const MOST_UNITS: usize = 12;

/// out[u] ← out[u] + Σ_k w[k, unit + u] x[k] for `U` units and the 8 columns of a tile, which are `V` vectors.
#[inline(always)]
fn units_of<S: Simd, T: Real, const U: usize, const V: usize>(
    simd: S,
    x: &[T],
    w: &[T],
    (outer, unit): (usize, usize),
    out: &mut [T],
    start: Start,
) {
    let out = T::vectors_mut::<S>(out);
    let mut sums = [[T::splat(simd, T::ZERO); V]; U];
    if start == Start::Sums {
        for u in 0..U {
            for v in 0..V {
                sums[u][v] = out[u * V + v];
            }
        }
    }
    for (x, w) in T::vectors::<S>(x).chunks_exact(V).zip(w.chunks_exact(outer)) {
        let w = &w[unit..unit + U];
        for u in 0..U {
            let w = T::splat(simd, w[u]);
            for v in 0..V {
                sums[u][v] = T::fused(simd, w, x[v], sums[u][v]);
            }
        }
    }
    for u in 0..U {
        for v in 0..V {
            out[u * V + v] = sums[u][v];
        }
    }
}
