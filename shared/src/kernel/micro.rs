//! The innermost loop, and how much of it fits the registers.

use pulp::{Simd, WithSimd};

use super::Vectored;
use super::tiles::Tile;
use crate::Real;
use crate::element::Element;
use crate::tree::TILE;

// In what follows loops count. Closures given to the standard library, as in `map` or `from_fn`, may stay functions of
// their own, compiled without the instruction set that the loop around them was compiled for.

/// What one pass of the innermost loop covers: sums of so many units × so many tiles stay in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Units.
    pub units: usize,
    /// Tiles, whose rows are the vectors.
    pub tiles: usize,
}

/// The number of `C` in one vector of instruction set `S`: 1, 2, 4, 8 or 16.
pub(super) const fn lanes<S: Simd, C: Vectored>() -> usize {
    size_of::<C::Vector<S>>() / size_of::<C>()
}

/// Tells the [`Reach`] of an instruction set in numbers of type `C`.
pub(super) struct ReachOf<C>(pub(super) std::marker::PhantomData<C>);

impl<C: Real> WithSimd for ReachOf<C> {
    type Output = Reach;

    /// Three registers are kept for a row of each tile and for a weight.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> Reach {
        let (units, tiles) = match (lanes::<S, C>(), S::REGISTER_COUNT) {
            (16, _) => (20, 2),
            (8, 32..) => (12, 2),
            (8, _) => (6, 2),
            (4 | 2, _) => (6, 1),
            _ => (2, 1),
        };
        Reach { units, tiles }
    }
}

/// Something to be done with sums of `U` units × `T` tiles, which are `N` vectors a unit.
pub(super) trait Units<C: Vectored> {
    fn run<S: Simd, const U: usize, const T: usize, const N: usize>(self, simd: S);
}

/// Runs `operation` for `units` units, which must be within the [`Reach`].
#[inline(always)]
pub(super) fn with_units<S: Simd, C: Real>(simd: S, units: usize, operation: impl Units<C>) {
    macro_rules! with {
        ($tiles:literal, $vectors:literal: $($units:literal)*) => {
            match units {
                $($units => operation.run::<S, $units, $tiles, $vectors>(simd),)*
                units => unreachable!("{units} units at once are beyond the reach"),
            }
        };
    }
    match const { lanes::<S, C>() } {
        16 => with!(2, 1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20),
        8 => with!(2, 2: 1 2 3 4 5 6 7 8 9 10 11 12),
        4 => with!(1, 2: 1 2 3 4 5 6),
        2 => with!(1, 4: 1 2 3 4 5 6),
        1 => with!(1, 8: 1 2),
        lanes => unreachable!("vectors of {lanes} lanes"),
    }
}

/// Vectors that hold a row of 8 numbers of each of `T` tiles.
#[inline(always)]
pub(super) fn vectors<S: Simd, C: Real, const T: usize, const N: usize>(
    simd: S,
    rows: &[[C; TILE]; T],
) -> [C::Vector<S>; N] {
    let all = C::vectors::<S>(rows.as_flattened());
    let mut vectors = [C::splat(simd, C::ZERO); N];
    for n in 0..N {
        vectors[n] = all[n];
    }
    vectors
}

/// The sums from memory. Loops that do anything else with the sums may not be unrolled before the compiler decides what
/// is held in registers, and then nothing is.
#[inline(always)]
pub(super) fn load<S: Simd, C: Real, const U: usize, const T: usize, const N: usize>(
    simd: S,
    rows: &[[[C; TILE]; T]; U],
) -> [[C::Vector<S>; N]; U] {
    let all = C::vectors::<S>(rows.as_flattened().as_flattened());
    let mut sums = [[C::splat(simd, C::ZERO); N]; U];
    for u in 0..U {
        for n in 0..N {
            sums[u][n] = all[u * N + n];
        }
    }
    sums
}

/// The sums to memory; see [`load`].
#[inline(always)]
pub(super) fn store<S: Simd, C: Real, const U: usize, const T: usize, const N: usize>(
    sums: &[[C::Vector<S>; N]; U],
    rows: &mut [[[C; TILE]; T]; U],
) {
    let all = C::vectors_mut::<S>(rows.as_flattened_mut().as_flattened_mut());
    for u in 0..U {
        for n in 0..N {
            all[u * N + n] = sums[u][n];
        }
    }
}

/// sums[u] ← sums[u] + Σ_k weight(k, u) · (row k of the tiles), a fused multiply-add for each k in ascending order.
#[inline(always)]
pub(super) fn multiply_rows<S: Simd, C: Real, E: Element, const U: usize, const T: usize, const N: usize>(
    simd: S,
    sums: &mut [[C::Vector<S>; N]; U],
    tiles: &[&Tile<E>; T],
    count: usize,
    weight: impl Fn(usize, usize) -> C,
) {
    for k in 0..count {
        let mut row = [[C::ZERO; TILE]; T];
        for t in 0..T {
            for j in 0..TILE {
                row[t][j] = tiles[t][k * TILE + j].to_real();
            }
        }
        let row = vectors::<S, C, T, N>(simd, &row);
        for u in 0..U {
            let weight = C::splat(simd, weight(k, u));
            for n in 0..N {
                sums[u][n] = C::fused(simd, weight, row[n], sums[u][n]);
            }
        }
    }
}

/// Units in the fewest groups that are within the reach, all of nearly one size: `(first, count)` of each.
pub(super) fn groups(units: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = units.div_ceil(most);
    (0..count).map(move |group| {
        let (first, end) = (units * group / count, units * (group + 1) / count);
        (first, end - first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_few_and_of_nearly_one_size() {
        for units in 1..200 {
            for most in [2, 6, 12, 20] {
                let groups: Vec<_> = groups(units, most).collect();
                let ends = groups.iter().map(|&(first, count)| first + count);
                let firsts: Vec<_> = groups.iter().map(|&(first, _)| first).chain([units]).collect();
                assert_eq!(firsts[0], 0);
                assert_eq!(ends.collect::<Vec<_>>(), firsts[1..]);
                assert_eq!(groups.len(), units.div_ceil(most));
                assert!(groups.iter().all(|&(_, count)| (1..=most).contains(&count)));
            }
        }
    }
}
