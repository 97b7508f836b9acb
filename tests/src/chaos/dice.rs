//! Choices that a seed decides.

use shared::numpy_random::NumpyRandom;

/// Dice that fall the same way for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Dice(NumpyRandom);

impl Dice {
    pub fn new(seed: u32) -> Self {
        Self(NumpyRandom::new(seed))
    }

    /// A whole number from `least` to `most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        let faces = (most - least + 1) as f64;
        least + (self.0.uniform() * faces) as u64
    }

    /// One of `things`, of which there is at least one.
    pub fn one_of<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.between(0, things.len() as u64 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_all_faces_come() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            (0..1000).map(|_| dice.between(3, 7)).collect::<Vec<_>>()
        };
        assert_eq!(throws(5), throws(5));
        assert_ne!(throws(5), throws(6));
        for face in 0..10 {
            assert_eq!(throws(5).contains(&face), (3..=7).contains(&face), "{face}");
        }
    }
}
