//! A shard: the columns that one process holds, by block, and the fast way to a shard's gradient sums.
//!
//! ```text
//!   parameters ──▶ pack wᵀ ──▶ each thread a run of blocks: forward, loss, dz ──▶ each thread a range of features: dw
//! ```

pub(crate) mod blocks;
pub(crate) mod pass;

use std::collections::BTreeMap;
use std::fmt;

use ndarray::{ArrayView1, ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::element::Element;
use crate::gradient::GradientSum;
use crate::kernel::outer::{BlockFactors, OuterScratch, outer};
use crate::tree::{LeafRange, Tree};
use crate::{BlockSet, Columns, ElementType, LayerSizes, Parameters, Real, with_element_type};

use blocks::PackedBlock;
use pass::{BlockPass, RunPass, Transposed, Weights};

/// Features of dW that one task computes.
const TASK_FEATURES: usize = 512;

/// Columns, held by block, whose gradient sums can be computed.
///
/// The columns keep the element type of their file; they are converted in registers.
pub struct Shard<T> {
    held: Box<dyn Held<T>>,
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

impl<T: Real> Shard<T> {
    /// A shard of the batch's `tree` that holds no block yet.
    ///
    /// - `features`: n_0; `element_type`: that of the numbers in x; `scale`: the factor of every number in x
    pub fn empty(tree: &Tree, features: usize, element_type: ElementType, scale: f64) -> Self {
        let held: Box<dyn Held<T>> = with_element_type!(element_type, |E| Box::new(HeldBlocks::<E, T> {
            tree: tree.clone(),
            features,
            scale: T::from_f64(scale),
            blocks: BTreeMap::new(),
            transposed: Transposed::default(),
        }));
        Self { held }
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
    pub fn new(tree: &Tree, range: LeafRange, x: &Columns, labels: &[u8], scale: f64) -> Result<Self, ShardError> {
        let mut shard = Self::empty(tree, x.features(), x.element_type(), scale);
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
    /// If a node is not a node of the tree, or one of its blocks is not held.
    pub fn node_sums(&mut self, parameters: &Parameters<T>, nodes: &[LeafRange]) -> Vec<GradientSum<T>> {
        self.node_sums_in(parameters, nodes, Vec::new)
    }

    /// As [`Shard::node_sums`], in memory that `memory` gives for each node: what it contains does not matter.
    ///
    /// # Panics
    ///
    /// As [`Shard::node_sums`].
    pub fn node_sums_in(
        &mut self,
        parameters: &Parameters<T>,
        nodes: &[LeafRange],
        mut memory: impl FnMut() -> Vec<T>,
    ) -> Vec<GradientSum<T>> {
        self.held.node_sums(parameters, nodes, &mut memory)
    }
}

impl<T> fmt::Debug for Shard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}

/// A shard whose element type is known only where it was made.
trait Held<T: Real>: Send + Sync {
    fn insert(&mut self, range: LeafRange, x: &Columns, labels: &[u8]) -> Result<(), ShardError>;

    fn retain(&mut self, blocks: &BlockSet);

    fn node_sums(
        &mut self,
        parameters: &Parameters<T>,
        nodes: &[LeafRange],
        memory: &mut dyn FnMut() -> Vec<T>,
    ) -> Vec<GradientSum<T>>;
}

struct HeldBlocks<E, T> {
    tree: Tree,
    features: usize,
    scale: T,
    blocks: BTreeMap<usize, PackedBlock<E>>,
    /// Memory of the last iteration's weights for those of the next.
    transposed: Transposed<T>,
}

impl<E: Element, T: Real> Held<T> for HeldBlocks<E, T> {
    fn insert(&mut self, range: LeafRange, x: &Columns, labels: &[u8]) -> Result<(), ShardError> {
        let expected = self.tree.items_of(range).len();
        let numbers = E::view(x.values()).filter(|_| x.features() == self.features);
        let numbers = numbers.ok_or_else(|| ShardError::Numbers {
            found: (x.features(), x.element_type()),
            expected: (self.features, E::TYPE),
        })?;
        if x.count() != expected {
            return Err(ShardError::Columns {
                found: x.count(),
                expected,
                range,
            });
        }
        if labels.len() != expected {
            return Err(ShardError::Labels {
                found: labels.len(),
                expected,
            });
        }
        if let Some(column) = labels.iter().position(|&label| label > 1) {
            return Err(ShardError::Label {
                found: labels[column],
                column,
            });
        }
        let packed = blocks::pack(&self.tree, range, self.features, numbers, labels);
        self.blocks.extend(range.leaves().zip(packed));
        Ok(())
    }

    fn retain(&mut self, blocks: &BlockSet) {
        let kept = |leaf: usize| {
            let leaf = leaf as u32;
            LeafRange::new(leaf, leaf + 1).is_some_and(|leaf| blocks.contains(leaf))
        };
        self.blocks.retain(|&leaf, _| kept(leaf));
    }

    fn node_sums(
        &mut self,
        parameters: &Parameters<T>,
        nodes: &[LeafRange],
        memory: &mut dyn FnMut() -> Vec<T>,
    ) -> Vec<GradientSum<T>> {
        let weights = Weights::new(parameters, self.scale, &mut self.transposed);
        let wanted: Vec<usize> = nodes.iter().flat_map(|node| node.leaves()).collect();
        let run = wanted.len().div_ceil(rayon::current_num_threads()).max(1);
        let of_run = |run: &[usize]| {
            let blocks: Vec<_> = run.iter().map(|leaf| &self.blocks[leaf]).collect();
            RunPass::new(&weights, &blocks)
        };
        let runs: Vec<RunPass<T>> = wanted.par_chunks(run).map(of_run).collect();
        let passes: Vec<BlockPass<'_, T>> = runs.iter().flat_map(RunPass::blocks).collect();
        let mut passes = passes.as_slice();
        let of_node = |&node: &LeafRange| {
            let (own, others) = passes.split_at(node.count());
            passes = others;
            let sum = GradientSum::in_memory(parameters.sizes().clone(), memory());
            self.node_sum(sum, parameters.sizes(), node, own)
        };
        nodes.iter().map(of_node).collect()
    }
}

impl<E: Element, T: Real> HeldBlocks<E, T> {
    /// The sums of one node from its blocks' passes; every number of `sum` is overwritten.
    fn node_sum(
        &self,
        mut sum: GradientSum<T>,
        sizes: &LayerSizes,
        node: LeafRange,
        passes: &[BlockPass<'_, T>],
    ) -> GradientSum<T> {
        let steps: Vec<_> = self.tree.fold_steps(node).zip(passes).collect();
        let x: Vec<_> = steps
            .iter()
            .map(|&((leaf, joins), pass)| pass.factors(1, joins, self.blocks[&leaf].tiles()))
            .collect();
        layer_gradient(&x, sum.dw_mut(1));
        for l in 2..=sizes.layers() {
            let a: Vec<_> = steps
                .iter()
                .map(|&((_, joins), pass)| pass.factors(l, joins, pass.activations(l - 1)))
                .collect();
            layer_gradient(&a, sum.dw_mut(l));
        }
        let pass_of = |leaf: usize| &passes[leaf - node.first() as usize];
        for l in 1..=sizes.layers() {
            let db = self.tree.fold(node, |leaf| pass_of(leaf).db(l), join);
            sum.db_mut(l).assign(&ArrayView1::from(&db));
        }
        let loss = self
            .tree
            .fold(node, |leaf| pass_of(leaf).loss(), |left, right| left + right);
        sum.set_loss(loss);
        sum
    }
}

/// left + right, element by element.
fn join<T: Real>(mut left: Vec<T>, right: Vec<T>) -> Vec<T> {
    for (left, right) in left.iter_mut().zip(right) {
        *left = *left + right;
    }
    left
}

/// dw_l of one node, in parallel over its features.
fn layer_gradient<E: Element, T: Real>(blocks: &[BlockFactors<'_, E, T>], mut dw: ArrayViewMut2<'_, T>) {
    let features = dw.ncols();
    if features <= TASK_FEATURES {
        return outer(blocks, 0..features, dw, &mut OuterScratch::default());
    }
    let tasks = dw
        .axis_chunks_iter_mut(Axis(1), TASK_FEATURES)
        .into_par_iter()
        .enumerate();
    tasks.for_each_init(OuterScratch::default, |scratch, (task, dw)| {
        let start = task * TASK_FEATURES;
        outer(blocks, start..start + dw.ncols(), dw, scratch);
    });
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
            prop::collection::vec(1_usize..30, 1..=4),
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

    /// A shard's node sums and the oracle's, for any shard of any batch.
    fn check<T: Real>(case: &Case) {
        let sizes = LayerSizes::new([&case.layers[..], &[1]].concat()).unwrap();
        let tree = Tree::over_batch(case.m, BlockColumns::new(case.block_columns).unwrap()).unwrap();
        let first = (case.first % tree.leaves()) as u32;
        let end = (first + case.count as u32).min(tree.leaves() as u32);
        let range = LeafRange::new(first, end).unwrap();
        let x = columns(case.element_type, sizes.features(), case.m, case.seed);
        let labels: Vec<u8> = (0..case.m).map(|j| (j * 7 % 3 % 2) as u8).collect();
        let parameters = Initialisation::Scaled.parameters::<T>(&sizes, case.seed);
        let scale = 1.0 / 255.0;
        let own = tree.items_of(range);
        let own_x = Columns::from_le_bytes(case.element_type, sizes.features(), &x.to_le_bytes(own.clone())).unwrap();
        let mut shard = Shard::<T>::new(&tree, range, &own_x, &labels[own], scale).unwrap();
        let nodes = tree.maximal_nodes(range);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(case.threads)
            .build()
            .unwrap();
        // Memory that was used before must not shine through.
        let memory = || vec![T::from_f64(f64::NAN); GradientSum::<T>::len_for(&sizes)];
        let before = Initialisation::He.parameters::<T>(&sizes, case.seed ^ 1);
        pool.install(|| shard.node_sums(&before, &nodes));
        let fast = pool.install(|| shard.node_sums_in(&parameters, &nodes, memory));
        let batch = Batch {
            x: &x,
            labels: &labels,
            scale,
            tree: &tree,
        };
        for (node, fast) in nodes.into_iter().zip(fast) {
            let plain = node_sum(&parameters, batch, node);
            let (fast, plain) = (fast.values(), plain.values());
            let different = (0..fast.len()).find(|&i| fast[i].to_f64().to_bits() != plain[i].to_f64().to_bits());
            assert_eq!(
                different,
                None,
                "first difference of node {node}: {:?}",
                different.map(|i| (fast[i], plain[i]))
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_shards_sums_are_the_oracles_bits_in_f64(case in case()) {
            check::<f64>(&case);
        }

        #[test]
        fn a_shards_sums_are_the_oracles_bits_in_f32(case in case()) {
            check::<f32>(&case);
        }
    }

    #[test]
    fn columns_and_labels_that_do_not_fit_the_blocks_are_refused() {
        let tree = Tree::over_batch(20, BlockColumns::new(8).unwrap()).unwrap();
        let x = |count: usize| Columns::new(2, Values::U8(vec![1; 2 * count])).unwrap();
        let shard = |x: &Columns, labels: &[u8]| Shard::<f64>::new(&tree, tree.root(), x, labels, 1.0).map(|_| ());
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
