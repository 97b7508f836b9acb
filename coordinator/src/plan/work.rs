//! How much is computed.

use shared::LayerSizes;

/// Floating-point operations of the passes over `columns`, a multiplication and an addition counted as two:
///
/// columns · (2 Σ_{l=1}^{L} n_l n_{l-1} · 2 + 2 Σ_{l=2}^{L} n_l n_{l-1})
///
/// z_l and dw_l for every layer, da_{l-1} for all but the first: da_0 is never computed. What is computed once a unit,
/// such as ReLU, is not counted.
pub fn operations(sizes: &LayerSizes, columns: usize) -> u128 {
    let products = |first: usize| -> u128 {
        let of_layer = |l: usize| sizes.n(l) as u128 * sizes.n(l - 1) as u128;
        (first..=sizes.layers()).map(of_layer).sum()
    };
    columns as u128 * (2 * products(1) * 2 + 2 * products(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_counts_twice_and_all_but_the_first_once_more() {
        let operations = |sizes: &[usize], columns| operations(&LayerSizes::new(sizes.to_vec()).unwrap(), columns);
        assert_eq!(operations(&[3, 1], 10), 10 * (2 * 3 + 2 * 3));
        assert_eq!(operations(&[3, 2, 1], 10), 10 * (2 * 8 * 2 + 2 * 2));
        assert_eq!(operations(&[12288, 20, 7, 5, 1], 209), 205_681_080);
    }

    #[test]
    fn the_largest_network_on_the_largest_batch_can_be_counted() {
        let sizes = LayerSizes::new(vec![1 << 31, 500, 1]).unwrap();
        assert!(operations(&sizes, 1 << 28) > u128::from(u64::MAX));
    }
}
