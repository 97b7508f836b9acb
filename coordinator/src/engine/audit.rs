//! Which nodes are computed by a second worker as well.

use shared::LeafRange;
use shared::ids::Iteration;

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
        let chance = mixed(mixed(mixed(u64::from(self.seed)) ^ iteration.0) ^ place);
        // The upper 53 bits as a number within [0, 1).
        ((chance >> 11) as f64) * (1.0 / (1_u64 << 53) as f64) < self.fraction
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): every bit of the result depends on every bit of `x`.
fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
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
