//! A shard: the columns that one process holds, by block, and the fast way to a shard's gradient sums.
//!
//! ```text
//!   each thread some panels or strips: w_1 x ──▶ each thread some strips: forward, loss, dz ──▶ each thread some features: dw
//! ```
//!
//! A strip is a node of the tree that is small enough for its columns to stay near the core. All memory stays from
//! iteration to iteration.

pub(crate) mod blocks;
mod held;
pub(crate) mod pass;

use std::fmt;

use crate::gradient::GradientSum;
use crate::kernel::InstructionSet;
use crate::tree::{LeafRange, Tree};
use crate::{BlockSet, Columns, ElementType, LayerSizes, Parameters, Real};

pub use held::{GradientOf, Held};

/// Columns, held by block, whose gradient sums can be computed.
///
/// The columns keep the element type of their file; they are converted in registers. `C` is the type of the parameters
/// and of the computation within a block, `G` that of a gradient's sums: each block's sums, and each join of the tree,
/// are rounded to it.
pub struct Shard<C, G = C> {
    held: Box<dyn Held<C, G>>,
}

/// What does not fit when a shard is made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Numbers of another kind than the shard's.
    #[error("found columns of {} {} numbers, expected {} {}", found.0, found.1, expected.0, expected.1)]
    Numbers {
        /// Their features and element type.
        found: (usize, ElementType),
        /// The shard's.
        expected: (usize, ElementType),
    },
    /// Another number of columns than the blocks have.
    #[error("found {found} columns, expected {expected} for blocks {range}")]
    Columns {
        /// Columns that there are.
        found: usize,
        /// Columns that the blocks have.
        expected: usize,
        /// The blocks.
        range: LeafRange,
    },
    /// Another number of labels than columns.
    #[error("found {found} labels, expected {expected}, one a column")]
    Labels {
        /// Labels that there are.
        found: usize,
        /// Columns.
        expected: usize,
    },
    /// A label other than 0 and 1.
    #[error("found label {found} at column {column} of the shard, expected 0 or 1")]
    Label {
        /// The label.
        found: u8,
        /// Its column, counted from the shard's first.
        column: usize,
    },
}

impl<C: Real, G: Real + GradientOf<C>> Shard<C, G> {
    /// A shard of the batch's `tree` that holds no block yet.
    ///
    /// - `sizes`: n_0, …, n_L; `element_type`: that of the numbers in x; `scale`: the factor of every number in x
    pub fn empty(tree: &Tree, sizes: &LayerSizes, element_type: ElementType, scale: f64) -> Self {
        Self::with_instruction_set(tree, sizes, element_type, scale, InstructionSet::chosen())
    }

    fn with_instruction_set(
        tree: &Tree,
        sizes: &LayerSizes,
        element_type: ElementType,
        scale: f64,
        set: InstructionSet,
    ) -> Self {
        Self {
            held: G::hold(tree, sizes, element_type, scale, set),
        }
    }

    /// A shard that holds the blocks `range`; see [`Shard::empty`] and [`Shard::insert`].
    ///
    /// # Errors
    ///
    /// [`ShardError`] if x or the labels are not what the blocks need.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the tree.
    pub fn new(
        tree: &Tree,
        range: LeafRange,
        sizes: &LayerSizes,
        x: &Columns,
        labels: &[u8],
        scale: f64,
    ) -> Result<Self, ShardError> {
        let mut shard = Self::empty(tree, sizes, x.element_type(), scale);
        shard.insert(range, x, labels)?;
        Ok(shard)
    }

    /// Lays out the columns of the blocks `range`.
    ///
    /// - `x`: n_0 × columns of these blocks, as they stand in the file; `labels`: y of each, 0 or 1
    ///
    /// # Errors
    ///
    /// [`ShardError`] if x or the labels are not what the blocks need; nothing is held of them then.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the tree.
    pub fn insert(&mut self, range: LeafRange, x: &Columns, labels: &[u8]) -> Result<(), ShardError> {
        self.held.insert(range, x, labels)
    }

    /// Forgets every block that is not in `blocks`.
    pub fn retain(&mut self, blocks: &BlockSet) {
        self.held.retain(blocks);
    }

    /// The sums over the columns of each of `nodes`, computed on rayon's current thread pool. The bits do not depend on
    /// the number of threads.
    ///
    /// # Panics
    ///
    /// As [`Shard::node_sums_into`].
    pub fn node_sums(&mut self, parameters: &Parameters<C>, nodes: &[LeafRange]) -> Vec<GradientSum<G>> {
        let zeros = || GradientSum::zeros(parameters.sizes().clone());
        let mut sums: Vec<_> = nodes.iter().map(|_| zeros()).collect();
        self.node_sums_into(parameters, nodes, &mut sums);
        sums
    }

    /// As [`Shard::node_sums`], into `sums`, one for each node: every number is overwritten. When it is called again for
    /// the same nodes it allocates nothing.
    ///
    /// # Panics
    ///
    /// If a node is not a node of the tree, one of its blocks is not held, the parameters or the sums are of another
    /// network, or there are not as many sums as nodes.
    pub fn node_sums_into(&mut self, parameters: &Parameters<C>, nodes: &[LeafRange], sums: &mut [GradientSum<G>]) {
        self.held.node_sums(parameters, nodes, sums);
    }
}

impl<C, G> fmt::Debug for Shard<C, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::{Element, Values};
    use crate::reference::{Batch, node_sum};
    use crate::{BlockColumns, ElementType, Initialisation, with_element_type};
    use proptest::prelude::*;

    /// Numbers of any element type, small enough that no sum overflows.
    fn columns(element_type: ElementType, features: usize, count: usize, seed: u32) -> Columns {
        let mut random = crate::numpy_random::NumpyRandom::new(seed);
        let values = with_element_type!(element_type, |E| {
            let one = |_| -> E { number::<E>(random.normal()) };
            E::wrap((0..features * count).map(one).collect())
        });
        Columns::new(features, values).unwrap()
    }

    fn number<E: Element>(normal: f64) -> E {
        // Through bytes, because an element converts only towards the network.
        let bytes = match E::TYPE {
            ElementType::U8 => ((normal * 40.0 + 128.0) as u8).to_le_bytes().to_vec(),
            ElementType::I8 => ((normal * 40.0) as i8).to_le_bytes().to_vec(),
            ElementType::I16 => ((normal * 99.0) as i16).to_le_bytes().to_vec(),
            ElementType::I32 => ((normal * 99.0) as i32).to_le_bytes().to_vec(),
            ElementType::I64 => ((normal * 99.0) as i64).to_le_bytes().to_vec(),
            ElementType::F32 => (normal as f32).to_le_bytes().to_vec(),
            ElementType::F64 => normal.to_le_bytes().to_vec(),
        };
        bytemuck::pod_read_unaligned(&bytes)
    }

    #[derive(Clone, Debug)]
    struct Case {
        layers: Vec<usize>,
        m: usize,
        block_columns: usize,
        element_type: ElementType,
        first: usize,
        count: usize,
        threads: usize,
        seed: u32,
    }

    fn case() -> impl Strategy<Value = Case> {
        let layers = prop_oneof![
            prop::collection::vec(1_usize..45, 1..=4),
            // Beyond one panel, and beyond one task of features.
            prop::collection::vec(1_usize..30, 0..=2).prop_map(|hidden| [&[2100], &hidden[..]].concat()),
            Just(vec![40, 1100]),
        ];
        let element_type = prop::sample::select(ElementType::ALL.to_vec());
        (
            layers,
            1_usize..120,
            8_usize..40,
            element_type,
            0_usize..20,
            1_usize..20,
            1_usize..4,
            any::<u32>(),
        )
            .prop_map(
                |(layers, m, block_columns, element_type, first, count, threads, seed)| Case {
                    layers,
                    m,
                    block_columns,
                    element_type,
                    first,
                    count,
                    threads,
                    seed,
                },
            )
    }

    /// A shard's node sums and the oracle's, for any shard of any batch, with every instruction set of this CPU.
    fn check<C: Real, G: Real + GradientOf<C>>(case: &Case) {
        let sizes = LayerSizes::new([&case.layers[..], &[1]].concat()).unwrap();
        let tree = Tree::over_batch(case.m, BlockColumns::new(case.block_columns).unwrap()).unwrap();
        let first = (case.first % tree.leaves()) as u32;
        let end = (first + case.count as u32).min(tree.leaves() as u32);
        let range = LeafRange::new(first, end).unwrap();
        let x = columns(case.element_type, sizes.features(), case.m, case.seed);
        let labels: Vec<u8> = (0..case.m).map(|j| (j * 7 % 3 % 2) as u8).collect();
        let parameters = Initialisation::Scaled.parameters::<C>(&sizes, case.seed);
        let scale = 1.0 / 255.0;
        let batch = Batch {
            x: &x,
            labels: &labels,
            scale,
            tree: &tree,
        };
        let nodes = tree.maximal_nodes(range);
        let plain: Vec<_> = nodes
            .iter()
            .map(|&node| node_sum::<C, G>(&parameters, batch, node))
            .collect();
        let own = tree.items_of(range);
        let own_x = Columns::from_le_bytes(case.element_type, sizes.features(), &x.to_le_bytes(own.clone())).unwrap();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(case.threads)
            .build()
            .unwrap();
        for set in InstructionSet::available() {
            let mut shard = Shard::<C, G>::with_instruction_set(&tree, &sizes, case.element_type, scale, set);
            shard.insert(range, &own_x, &labels[own.clone()]).unwrap();
            // Memory that was used before must not shine through.
            let before = Initialisation::He.parameters::<C>(&sizes, case.seed ^ 1);
            let mut fast = pool.install(|| shard.node_sums(&before, &nodes));
            pool.install(|| shard.node_sums_into(&parameters, &nodes, &mut fast));
            for ((node, fast), plain) in nodes.iter().zip(&fast).zip(&plain) {
                let (fast, plain) = (fast.values(), plain.values());
                let different = (0..fast.len()).find(|&i| fast[i].to_f64().to_bits() != plain[i].to_f64().to_bits());
                assert_eq!(
                    different,
                    None,
                    "first difference of node {node} with {set}: {:?}",
                    different.map(|i| (fast[i], plain[i]))
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_shards_sums_are_the_oracles_bits_in_f64(case in case()) {
            check::<f64, f64>(&case);
        }

        #[test]
        fn a_shards_sums_are_the_oracles_bits_in_f32(case in case()) {
            check::<f32, f32>(&case);
        }

        #[test]
        fn a_shards_sums_are_the_oracles_bits_in_mixed_precision(case in case()) {
            check::<f64, f32>(&case);
        }
    }

    #[test]
    fn columns_and_labels_that_do_not_fit_the_blocks_are_refused() {
        let tree = Tree::over_batch(20, BlockColumns::new(8).unwrap()).unwrap();
        let x = |count: usize| Columns::new(2, Values::U8(vec![1; 2 * count])).unwrap();
        let sizes = LayerSizes::new(vec![2, 1]).unwrap();
        let shard =
            |x: &Columns, labels: &[u8]| Shard::<f64>::new(&tree, tree.root(), &sizes, x, labels, 1.0).map(|_| ());
        let range = tree.root();
        assert_eq!(
            shard(&x(19), &[0; 20]),
            Err(ShardError::Columns {
                found: 19,
                expected: 20,
                range
            })
        );
        assert_eq!(
            shard(&x(20), &[0; 19]),
            Err(ShardError::Labels {
                found: 19,
                expected: 20
            })
        );
        let mut labels = [0; 20];
        labels[7] = 2;
        assert_eq!(shard(&x(20), &labels), Err(ShardError::Label { found: 2, column: 7 }));
    }
}
