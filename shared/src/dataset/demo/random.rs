//! SplitMix64, the generator behind the built-in images.

/// SplitMix64: a counter that grows by the golden ratio, and a mixer that makes a random number of it.
///
/// G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. The images need
/// numbers that look random and are the same everywhere and for ever, no more.
#[derive(Clone, Debug)]
pub(super) struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// A generator whose numbers depend on `seed` and `stream` alone.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut of_seed = Self { state: seed };
        let state = of_seed.next() ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        Self { state }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        let span = (i64::from(high) - i64::from(low) + 1) as u64;
        let scaled = (u128::from(self.next()) * u128::from(span)) >> 64;
        (i64::from(low) + scaled as i64) as i32
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
    fn the_numbers_are_those_of_the_published_generator() {
        let mut random = SplitMix64 { state: 1_234_567 };
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_range_is_reached_from_end_to_end_and_never_left() {
        let mut random = SplitMix64::new(1, 2);
        let drawn: std::collections::BTreeSet<i32> = (0..1000).map(|_| random.between(-3, 3)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [-3, -2, -1, 0, 1, 2, 3]);
    }
}
