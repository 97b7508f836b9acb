//! Which nodes are computed by a second worker as well.

use shared::ids::Iteration;
use shared::{LeafRange, SplitMix64};

/// The share of the batch that is computed twice, and the bits compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Audit {
    /// The share, within 0..=1.
    pub fraction: f64,
    /// What chooses the nodes.
    pub seed: u32,
}

impl Audit {
    /// Whether `node` is computed twice in this iteration: a function of seed, iteration and node alone.
    pub(super) fn chooses(&self, iteration: Iteration, node: LeafRange) -> bool {
        let place = u64::from(node.first()) << 32 | u64::from(node.end());
        let of_seed = SplitMix64::new(u64::from(self.seed)).number();
        let of_iteration = SplitMix64::new(of_seed ^ iteration.0).number();
        SplitMix64::new(of_iteration ^ place).share() < self.fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_share_asked_for_is_chosen_and_always_the_same() {
        let node = LeafRange::new(3, 7).unwrap();
        let chosen = |fraction| {
            let audit = Audit { fraction, seed: 1 };
            (0..10_000).filter(|&t| audit.chooses(Iteration(t), node)).count()
        };
        assert_eq!((chosen(0.0), chosen(1.0)), (0, 10_000));
        assert!((2_300..2_700).contains(&chosen(0.25)), "{}", chosen(0.25));
        assert_eq!(chosen(0.25), chosen(0.25));
    }
}
