//! Weight gradients: `dw = dz aᵀ`, summed over the columns of blocks and along the tree of blocks.

use std::marker::PhantomData;
use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::micro::{Reach, Units, groups, multiply_rows, store, with_units};
use super::slab::{FillSlab, slabs_at_a_time};
use super::tiles::{Tile, TileColumns};
use super::{InstructionSet, Operand};
use crate::Real;
use crate::element::Element;
use crate::tree::TILE;

/// One block among the columns of a strip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its column tiles in the strip.
    pub tiles: Range<usize>,
    /// Its columns; the last tile may have fewer than 8.
    pub columns: usize,
    /// How many joins of the tree follow it, within the strip.
    pub joins: usize,
}

/// The factors of dw over the columns of one node of the tree that is small enough to stay near the core.
#[derive(Clone, Copy, Debug)]
pub struct Strip<'a, X, C> {
    /// a_{l-1} (or x), n_{l-1} × columns.
    pub inputs: X,
    /// dz_l as [`Grouped`] lays it out.
    pub dz: &'a [C],
    /// The blocks from left to right.
    pub blocks: &'a [Block],
    /// How many joins of the tree follow the strip.
    pub joins: usize,
}

/// dz of a strip as [`outer`] reads it: the units in groups; for each group column after column, for each column the
/// group's units.
#[derive(Clone, Copy, Debug)]
pub struct Grouped {
    reach: Reach,
}

impl Grouped {
    /// The groups of an instruction set for numbers of type `C`.
    pub fn new<C: Real>(set: InstructionSet) -> Self {
        Self { reach: C::reach(set) }
    }

    /// Lays out `dz`, n_l units × `columns` column tiles in tiles.
    pub fn lay_out<C: Real>(self, dz: &[Tile<C>], units: usize, columns: usize, grouped: &mut Vec<C>) {
        grouped.resize(columns * TILE * units, C::ZERO);
        for (unit, count) in groups(units, self.reach.units) {
            let group = &mut grouped[columns * TILE * unit..][..columns * TILE * count];
            for u in 0..count {
                let (row_tile, row) = ((unit + u) / TILE, (unit + u) % TILE);
                let tiles = &dz[row_tile * columns..][..columns];
                let numbers = tiles.iter().flat_map(|tile| &tile[row * TILE..][..TILE]);
                group
                    .iter_mut()
                    .skip(u)
                    .step_by(count)
                    .zip(numbers)
                    .for_each(|(to, &from)| *to = from);
            }
        }
    }
}

/// Memory that [`outer`] needs besides its arguments, kept between calls.
#[derive(Clone, Debug)]
pub struct OuterScratch<N, C> {
    /// Row tiles of a strip's inputs, transposed: columns are rows. Slab after slab.
    slab: Vec<Tile<N>>,
    /// The stack of blocks' sums that wait for their sibling.
    stack: Vec<C>,
    /// The stack of strips' sums that wait for their sibling; level 0 is the result.
    levels: Vec<Vec<C>>,
}

impl<N, C> Default for OuterScratch<N, C> {
    fn default() -> Self {
        Self {
            slab: Vec::new(),
            stack: Vec::new(),
            levels: Vec::new(),
        }
    }
}

/// Some columns of dw, as [`outer`] leaves them.
#[derive(Clone, Copy, Debug)]
pub struct OuterSums<'a, C> {
    numbers: &'a [C],
    units: usize,
    width: usize,
}

impl<'a, C> OuterSums<'a, C> {
    /// Row `unit` in pieces from left to right; the last one may reach beyond the wanted features.
    pub fn row(&self, unit: usize) -> impl Iterator<Item = &'a [C]> {
        let (width, start) = (self.width, unit * self.width);
        self.numbers
            .chunks_exact(self.units * width)
            .map(move |piece| &piece[start..start + width])
    }
}

/// dw[i, k] = Σ_j dz[i, j] a[k, j] over the columns of all `strips`: in each block a chain of fused multiply-adds over
/// ascending columns from +0, the blocks' sums joined along the tree. Each block's sums, and each join, are rounded to
/// `P`; that is nothing if `P` is `C`.
///
/// - `units`: n_l
/// - `strips`: those of one node of the tree, from left to right
/// - `row_tiles`: the features k that are wanted, in tiles of 8
/// - `scratch`: reused between calls
///
/// # Panics
///
/// If the lengths do not fit, or the joins do not leave exactly one sum.
pub fn outer<'a, E, C, P, X>(
    set: InstructionSet,
    units: usize,
    strips: impl Iterator<Item = Strip<'a, X, C>>,
    row_tiles: Range<usize>,
    scratch: &mut OuterScratch<E::Near<C>, C>,
) -> OuterSums<'_, C>
where
    E: Element,
    C: Real,
    P: Real,
    X: TileColumns<E> + 'a,
{
    let reach = C::reach(set);
    let width = reach.tiles * TILE;
    let OuterScratch { slab, stack, levels } = scratch;
    let mut height = 0;
    for strip in strips {
        if levels.len() == height {
            levels.push(Vec::new());
        }
        let level = &mut levels[height];
        level.resize(row_tiles.len().div_ceil(reach.tiles) * units * width, C::ZERO);
        sum_strip::<E, C, P, X>(set, units, &strip, row_tiles.clone(), slab, stack, level);
        height += 1;
        for _ in 0..strip.joins {
            height -= 1;
            let (below, top) = levels.split_at_mut(height);
            set.run(Join {
                left: &mut below[height - 1],
                right: &top[0],
                rounded: PhantomData::<P>,
            });
        }
    }
    assert_eq!(height, 1, "the strips of one node join to one sum");
    OuterSums {
        numbers: &levels[0],
        units,
        width,
    }
}

/// The sums of one strip, for [`outer`]: of the wanted features in pieces as wide as the registers, in each the units.
fn sum_strip<E, C, P, X>(
    set: InstructionSet,
    units: usize,
    strip: &Strip<'_, X, C>,
    row_tiles: Range<usize>,
    slab: &mut Vec<Tile<E::Near<C>>>,
    stack: &mut Vec<C>,
    level: &mut [C],
) where
    E: Element,
    C: Real,
    P: Real,
    X: TileColumns<E>,
{
    let reach = C::reach(set);
    let narrow = size_of::<P>() < size_of::<C>();
    let width = reach.tiles * TILE;
    let columns = strip.inputs.count();
    let depth = strip.blocks.len().next_power_of_two().trailing_zeros() as usize + 1;
    stack.resize(depth.max(2) * reach.units * width, C::ZERO);
    let slab_tiles = reach.tiles * columns;
    let slabs = slabs_at_a_time::<E::Near<C>>(slab_tiles, units.div_ceil(reach.units));
    for (first, level) in row_tiles
        .clone()
        .step_by(reach.tiles * slabs)
        .zip(level.chunks_mut(units * width * slabs))
    {
        let count = level.len() / (units * width);
        slab.resize(count * slab_tiles, bytemuck::Zeroable::zeroed());
        set.run(FillSlab {
            inputs: &strip.inputs,
            first,
            last: row_tiles.end - 1,
            slab,
            element: PhantomData::<(E, C)>,
        });
        for (unit, count) in groups(units, reach.units) {
            let dz = &strip.dz[columns * TILE * unit..][..columns * TILE * count];
            let slabs = slab.chunks_exact(slab_tiles);
            for (slab, level) in slabs.zip(level.chunks_exact_mut(units * width)) {
                let sums = StripSums {
                    slab,
                    columns,
                    blocks: strip.blocks,
                    dz,
                    units: count,
                    stack,
                    sums: &mut level[unit * width..][..count * width],
                };
                E::Near::<C>::sum_strip(set, sums, narrow);
            }
        }
    }
}

/// left ← left + right, rounded to `P`.
pub(crate) struct Join<'a, C, P> {
    pub(crate) left: &'a mut [C],
    pub(crate) right: &'a [C],
    pub(crate) rounded: PhantomData<P>,
}

impl<C: Real, P: Real> WithSimd for Join<'_, C, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (left, &right) in self.left.iter_mut().zip(self.right) {
            *left = rounded_to::<C, P>(*left + right);
        }
    }
}

/// The nearest number of type `P`, ties to even.
#[inline(always)]
pub(crate) fn rounded_to<C: Real, P: Real>(number: C) -> C {
    number.to_real::<P>().to_real()
}

/// The sums over a strip of some units × the features in the slab.
pub struct StripSums<'a, N, C> {
    slab: &'a [Tile<N>],
    /// Column tiles of the strip.
    columns: usize,
    blocks: &'a [Block],
    /// Column after column, for each the units.
    dz: &'a [C],
    units: usize,
    stack: &'a mut [C],
    sums: &'a mut [C],
}

/// [`StripSums`], each block's and each join rounded to `P`.
///
/// Where `P` is narrower, joins are additions of `P`. That is the same as additions of `C` rounded to `P`, since `C` has more
/// than twice as many digits.
pub(super) struct Rounded<'a, N, C, P> {
    sums: StripSums<'a, N, C>,
    to: PhantomData<P>,
}

impl<'a, N, C, P> Rounded<'a, N, C, P> {
    pub(super) fn new(sums: StripSums<'a, N, C>) -> Self {
        Self { sums, to: PhantomData }
    }
}

impl<N: Element, C: Real, P: Real> WithSimd for Rounded<'_, N, C, P> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_units::<S, C>(simd, self.sums.units, self);
    }
}

impl<N: Element, C: Real, P: Real> Units<C> for Rounded<'_, N, C, P> {
    #[inline(always)]
    fn run<S: Simd, const U: usize, const T: usize, const V: usize>(self, simd: S) {
        let StripSums {
            slab,
            columns,
            blocks,
            dz,
            stack,
            sums: result,
            ..
        } = self.sums;
        let mut height = 0;
        for (index, block) in blocks.iter().enumerate() {
            let mut sums = [[C::splat(simd, C::ZERO); V]; U];
            for (done, column) in block.tiles.clone().enumerate() {
                let mut tiles = [&slab[column]; T];
                for t in 1..T {
                    tiles[t] = &slab[t * columns + column];
                }
                let dz = &dz[column * TILE * U..][..TILE * U];
                // Columns that only fill the last tile up are left out: even +0 added to −0 would change a bit.
                let count = block.columns - done * TILE;
                if count >= TILE {
                    multiply_rows(simd, &mut sums, &tiles, TILE, |k, u| dz[k * U + u]);
                } else {
                    multiply_rows(simd, &mut sums, &tiles, count, |k, u| dz[k * U + u]);
                }
            }
            height -= block.joins;
            let place = Place {
                stack: &mut *stack,
                height,
                joins: block.joins,
                result: (index + 1 == blocks.len()).then_some(&mut *result),
            };
            if const { size_of::<P>() == size_of::<C>() } {
                place.put::<S, U, V>(simd, &mut sums);
            } else {
                place.put_rounded::<S, P, U, T, V>(&sums);
            }
            height += 1;
        }
        assert_eq!(height, 1, "the blocks of one node join to one sum");
    }
}

/// Where the sums of a block go.
struct Place<'a, C> {
    /// Sums that wait for their siblings.
    stack: &'a mut [C],
    /// How many of them go on waiting; the block's own place, if it has to wait itself, is above them.
    height: usize,
    /// How many, above these, have waited for this block.
    joins: usize,
    /// Where it goes if it is the last one.
    result: Option<&'a mut [C]>,
}

impl<C: Real> Place<'_, C> {
    #[inline(always)]
    fn put<S: Simd, const U: usize, const V: usize>(self, simd: S, sums: &mut [[C::Vector<S>; V]; U]) {
        let stack = &mut C::vectors_mut::<S>(self.stack)[self.height * U * V..];
        for level in (0..self.joins).rev() {
            let left = &stack[level * U * V..][..U * V];
            for u in 0..U {
                for v in 0..V {
                    sums[u][v] = C::added(simd, left[u * V + v], sums[u][v]);
                }
            }
        }
        let to = self.result.map_or(stack, |result| C::vectors_mut::<S>(result));
        let to = &mut to[..U * V];
        for u in 0..U {
            for v in 0..V {
                to[u * V + v] = sums[u][v];
            }
        }
    }

    /// The same, rounded to `P`. What waits is held in that type.
    #[inline(always)]
    fn put_rounded<S: Simd, P: Real, const U: usize, const T: usize, const V: usize>(
        self,
        sums: &[[C::Vector<S>; V]; U],
    ) {
        let mut rows = [[[C::ZERO; TILE]; T]; U];
        store::<S, C, U, T, V>(sums, &mut rows);
        let mut rounded = [[[P::ZERO; TILE]; T]; U];
        let rounded = rounded.as_flattened_mut().as_flattened_mut();
        convert(rows.as_flattened().as_flattened(), rounded);
        let numbers = U * T * TILE;
        let stack = &mut bytemuck::cast_slice_mut::<C, P>(self.stack)[self.height * numbers..];
        for level in (0..self.joins).rev() {
            let left = &stack[level * numbers..][..numbers];
            for i in 0..numbers {
                rounded[i] = left[i] + rounded[i];
            }
        }
        match self.result {
            Some(result) => convert(rounded, &mut result[..numbers]),
            None => stack[..numbers].copy_from_slice(rounded),
        }
    }
}

/// Every number as the nearest one of another type, ties to even.
#[inline(always)]
fn convert<A: Real, B: Real>(from: &[A], to: &mut [B]) {
    for i in 0..from.len().min(to.len()) {
        to[i] = from[i].to_real();
    }
}
