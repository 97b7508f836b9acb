//! Random numbers that a seed decides, fast enough for millions of cases.

use std::time::SystemTime;

use shared::SplitMix64;

/// Choices that a seed decides.
#[derive(Clone, Debug)]
pub struct Random(SplitMix64);

impl Random {
    /// Numbers that depend on `seed` alone. Those of neighbouring seeds have nothing to do with one another.
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::stream(seed, 0))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// An index of `len` things, of which there is at least one.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// One of `things`, of which there is at least one.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.index(things.len())]
    }

    /// Whether something happens that happens `times` in `of`.
    pub fn happens(&mut self, times: u64, of: u64) -> bool {
        self.below(of) < times
    }

    /// A number within [0, 1).
    pub fn share(&mut self) -> f64 {
        self.0.share()
    }
}

/// Another seed every time: for a first seed that nobody chose, which is then printed.
#[expect(
    clippy::disallowed_methods,
    reason = "what is random here is printed, and can be repeated"
)]
pub fn seed_of_the_moment() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_1970.map_or(0, |time| u64::from(time.subsec_nanos()) ^ time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence_and_every_number_of_a_range_comes() {
        let numbers = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| random.between(3, 7)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(5), numbers(5));
        assert_ne!(numbers(5), numbers(6));
        assert!((0..10).all(|number| numbers(5).contains(&number) == (3..=7).contains(&number)));
    }
}
