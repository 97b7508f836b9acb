//! What the built-in images draw from random numbers.

use crate::SplitMix64;

/// Draws for one image.
#[derive(Clone, Debug)]
pub(super) struct Draws(SplitMix64);

impl Draws {
    /// Draws that depend on `seed` and the image's `number` alone.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        Self(SplitMix64::stream(seed, number))
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        let span = (i64::from(high) - i64::from(low) + 1) as u64;
        (i64::from(low) + self.0.below(span) as i64) as i32
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: i32) -> bool {
        self.between(1, n) == 1
    }

    /// One of `choices`, which must not be empty.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() as i32 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_reached_from_end_to_end_and_never_left() {
        let mut draws = Draws::new(1, 2);
        let drawn: std::collections::BTreeSet<i32> = (0..1000).map(|_| draws.between(-3, 3)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [-3, -2, -1, 0, 1, 2, 3]);
    }
}
