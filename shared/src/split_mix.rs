//! SplitMix64: random numbers from a counter, for all that need only look random and be the same everywhere and for ever.

/// SplitMix64: a counter that grows by the golden ratio, and a mixer that makes a random number of it.
///
/// G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    /// The published generator from `seed` on.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator whose numbers depend on `seed` and `stream` alone.
    pub fn stream(seed: u64, stream: u64) -> Self {
        let state = Self::new(seed).number() ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        Self { state }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    /// A number within [0, 1).
    pub fn share(&mut self) -> f64 {
        // The upper 53 bits: as many as an f64 holds.
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_generator() {
        let mut random = SplitMix64::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.number()).collect();
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
        let mut random = SplitMix64::stream(1, 2);
        let drawn: std::collections::BTreeSet<u64> = (0..1000).map(|_| random.below(7)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
        assert!(
            (0..1000)
                .map(|_| random.share())
                .all(|share| (0.0..1.0).contains(&share))
        );
    }
}
