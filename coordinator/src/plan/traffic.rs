//! What goes over the wire.

use shared::{ElementType, LayerSizes, LeafRange, Precision, Tree};

/// Bytes of one number of a gradient's sums.
pub fn sum_bytes(precision: Precision) -> u128 {
    precision.sums().bytes() as u128
}

/// Bytes of one number of what every worker gets in every iteration: parameters, or in a mixed run the gradient.
pub fn broadcast_bytes(precision: Precision) -> u128 {
    precision.sums().bytes() as u128
}

/// Bytes of one parameter where it is kept.
pub fn parameter_bytes(precision: Precision) -> u128 {
    precision.parameters().bytes() as u128
}

/// The bytes that a coordinator and its workers exchange. Without workers there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To each worker, in every iteration.
    pub down_each: u128,
    /// From the worker that sends most, in every iteration.
    pub up_most: u128,
    /// From all workers, in every iteration.
    pub up_all: u128,
    /// Between all, in every iteration.
    pub all: u128,
    /// Columns and labels to all workers, once.
    pub columns: u128,
}

impl Traffic {
    /// That of workers with these `shards`, one each:
    ///
    /// - down: P numbers to each;
    /// - up: P + 1 numbers, the loss among them, for each of the shard's maximal nodes;
    /// - columns: m · (n_0 · element + 1)
    pub fn new(
        sizes: &LayerSizes,
        precision: Precision,
        tree: &Tree,
        element_type: ElementType,
        shards: &[LeafRange],
    ) -> Self {
        let parameters = sizes.parameters() as u128;
        let up = |shard: &LeafRange| {
            let nodes = tree.maximal_nodes(*shard).len() as u128;
            nodes * (parameters + 1) * sum_bytes(precision)
        };
        let down_each = parameters * broadcast_bytes(precision);
        let up_all = shards.iter().map(up).sum();
        Self {
            down_each,
            up_most: shards.iter().map(up).max().unwrap_or_default(),
            up_all,
            all: shards.len() as u128 * down_each + up_all,
            columns: column_bytes(sizes, element_type) * tree.items() as u128,
        }
    }
}

/// Bytes of one column and its label.
pub fn column_bytes(sizes: &LayerSizes, element_type: ElementType) -> u128 {
    sizes.features() as u128 * element_type.bytes() as u128 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::BlockColumns;
    use shared::plan::plan;

    fn traffic(precision: Precision, m: usize, workers: usize) -> Traffic {
        let sizes = LayerSizes::new(vec![12288, 20, 7, 5, 1]).unwrap();
        let tree = Tree::over_batch(m, BlockColumns::default_for(m)).unwrap();
        Traffic::new(&sizes, precision, &tree, ElementType::U8, &plan(&tree, workers))
    }

    #[test]
    fn one_worker_gets_the_parameters_and_sends_one_node() {
        // 12288 · 20 + 20 + 20 · 7 + 7 + 7 · 5 + 5 + 5 + 1 = 245,973 parameters.
        let expected = Traffic {
            down_each: 245_973 * 8,
            up_most: 245_974 * 8,
            up_all: 245_974 * 8,
            all: 245_973 * 8 + 245_974 * 8,
            columns: 209 * 12_289,
        };
        assert_eq!(traffic(Precision::F64, 209, 1), expected);
    }

    #[test]
    fn f32_and_mixed_halve_it() {
        let (f64, f32) = (traffic(Precision::F64, 209, 4), traffic(Precision::F32, 209, 4));
        assert_eq!((f64.all, f64.up_most), (2 * f32.all, 2 * f32.up_most));
        assert_eq!(f64.columns, f32.columns);
        assert_eq!(traffic(Precision::Mixed, 209, 4), f32);
    }

    #[test]
    fn a_shard_that_is_no_node_sends_several() {
        let Traffic { up_most, up_all, .. } = traffic(Precision::F64, 60_000, 3);
        assert!(up_most > 245_974 * 8, "{up_most}");
        assert!(
            up_all > 3 * 245_974 * 8 && up_all.is_multiple_of(245_974 * 8),
            "{up_all}"
        );
    }
}
