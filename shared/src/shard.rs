//! A shard: the columns that one process holds, by block, and the fast way to a shard's gradient sums.
//!
//! ```text
//!   each thread some panels or strips: w_1 x ──▶ each thread some strips: forward, loss, dz ──▶ each thread some features: dw
//! ```
//!
//! A strip is a node of the tree that is small enough for its columns to stay near the core. All memory stays from
//! iteration to iteration.

pub(crate) mod blocks;
pub(crate) mod pass;

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::element::Element;
use crate::gradient::GradientSum;
use crate::kernel::InstructionSet;
use crate::kernel::outer::{self, Join, OuterScratch, OuterSums, outer};
use crate::kernel::product::ProductScratch;
use crate::kernel::tiles::TileColumns;
use crate::tree::{LeafRange, TILE, Tree};
use crate::{BlockSet, Columns, ElementType, LayerSizes, Parameters, Real, with_element_type};

use blocks::{Division, PackedBlock};
use pass::{Network, Pass};

/// The most columns in a strip, unless a block has more: then dz of a layer of 20 units, and the sums of a product, stay
/// in the L2 cache.
const STRIP_COLUMNS: usize = 384;

/// The most features of dw that one task computes, and the most bytes of their sums: a part of the L2 cache.
const TASK_FEATURES: usize = 512;
const TASK_BYTES: usize = 128 << 10;

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

/// Numbers in which sums of gradients are held, where they are computed in `C`.
pub trait GradientOf<C>: Sized {
    /// What [`Shard::empty`] holds. It is compiled here and nowhere else.
    fn hold(
        tree: &Tree,
        sizes: &LayerSizes,
        element_type: ElementType,
        scale: f64,
        set: InstructionSet,
    ) -> Box<dyn Held<C, Self>>;
}

macro_rules! gradient_of {
    ($c:ty, $g:ty) => {
        impl GradientOf<$c> for $g {
            fn hold(
                tree: &Tree,
                sizes: &LayerSizes,
                element_type: ElementType,
                scale: f64,
                set: InstructionSet,
            ) -> Box<dyn Held<$c, $g>> {
                let network = Network::new(set, sizes.clone(), scale as $c);
                with_element_type!(element_type, |E| Box::new(HeldBlocks::<E, $c, $g> {
                    tree: tree.clone(),
                    network,
                    blocks: Vec::new(),
                    division: Division::default(),
                    cuts: Vec::new(),
                    passes: Vec::new(),
                    scratch: Mutex::default(),
                    gradient: PhantomData,
                }))
            }
        }
    };
}

gradient_of!(f64, f64);
gradient_of!(f32, f32);
gradient_of!(f64, f32);

/// A shard whose element type is known only where it was made.
pub trait Held<C, G>: Send + Sync {
    /// See [`Shard::insert`].
    fn insert(&mut self, range: LeafRange, x: &Columns, labels: &[u8]) -> Result<(), ShardError>;

    /// See [`Shard::retain`].
    fn retain(&mut self, blocks: &BlockSet);

    /// See [`Shard::node_sums_into`].
    fn node_sums(&mut self, parameters: &Parameters<C>, nodes: &[LeafRange], sums: &mut [GradientSum<G>]);
}

struct HeldBlocks<E: Element, C: Real, G> {
    tree: Tree,
    network: Network<C>,
    /// In ascending order.
    blocks: Vec<PackedBlock<E>>,
    /// The strips of the nodes that were asked for last.
    division: Division,
    /// The nodes of the tree over the features whose products are computed apart.
    cuts: Vec<LeafRange>,
    /// For each strip.
    passes: Vec<Pass<C>>,
    /// What is not in use.
    scratch: Mutex<Vec<Scratch<E, C>>>,
    gradient: PhantomData<G>,
}

/// What a task needs while it runs.
struct Scratch<E: Element, C: Real> {
    product: ProductScratch<C>,
    first: OuterScratch<E::Near<C>, C>,
    hidden: OuterScratch<C::Near<C>, C>,
    /// The stack of blocks' sums that wait for their sibling.
    levels: Vec<Vec<C>>,
}

impl<E: Element, C: Real> Default for Scratch<E, C> {
    fn default() -> Self {
        Self {
            product: ProductScratch::default(),
            first: OuterScratch::default(),
            hidden: OuterScratch::default(),
            levels: Vec::new(),
        }
    }
}

impl<E: Element, C: Real, G: Real> Held<C, G> for HeldBlocks<E, C, G> {
    fn insert(&mut self, range: LeafRange, x: &Columns, labels: &[u8]) -> Result<(), ShardError> {
        let features = self.network.sizes.features();
        let expected = self.tree.items_of(range).len();
        let numbers = E::view(x.values()).filter(|_| x.features() == features);
        let numbers = numbers.ok_or_else(|| ShardError::Numbers {
            found: (x.features(), x.element_type()),
            expected: (features, E::TYPE),
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
        self.blocks.retain(|block| !range.leaves().contains(&block.leaf));
        self.blocks
            .extend(blocks::pack(&self.tree, range, features, numbers, labels));
        self.blocks.sort_unstable_by_key(|block| block.leaf);
        self.division = Division::default();
        Ok(())
    }

    fn retain(&mut self, blocks: &BlockSet) {
        let kept = |leaf: usize| {
            let leaf = leaf as u32;
            LeafRange::new(leaf, leaf + 1).is_some_and(|leaf| blocks.contains(leaf))
        };
        self.blocks.retain(|block| kept(block.leaf));
        self.division = Division::default();
    }

    fn node_sums(&mut self, parameters: &Parameters<C>, nodes: &[LeafRange], sums: &mut [GradientSum<G>]) {
        assert_eq!(
            parameters.sizes(),
            &self.network.sizes,
            "the parameters are of the shard's network"
        );
        assert_eq!(nodes.len(), sums.len(), "there is a sum for every node");
        if !self.division.is_of(nodes) {
            self.divide(nodes, rayon::current_num_threads());
        }
        self.first_products(parameters);
        self.passes(parameters);
        let mut first = 0;
        for (&(node, count), sum) in self.division.nodes.iter().zip(sums) {
            self.node_sum(node, first..first + count, sum);
            first += count;
        }
    }
}

impl<E: Element, C: Real, G: Real> HeldBlocks<E, C, G> {
    /// Cuts the work into strips, and the first product of each into as many parts as keep all threads busy.
    fn divide(&mut self, nodes: &[LeafRange], threads: usize) {
        let sizes = &self.network.sizes;
        let hidden: usize = (2..=sizes.layers()).map(|l| sizes.n(l) * sizes.n(l - 1)).sum();
        let columns: usize = nodes.iter().map(|&node| self.tree.items_of(node).len()).sum();
        // Hidden layers are computed strip by strip: if they matter, every thread is to have one.
        let matter = threads > 1 && hidden * 10 > sizes.n(1) * sizes.n(0);
        let most = if matter {
            (columns * 9 / 16 / threads).clamp(TILE, STRIP_COLUMNS)
        } else {
            STRIP_COLUMNS
        };
        self.division = Division::new(&self.tree, nodes, most, &self.blocks);
        let panels = self.network.features();
        self.cuts = vec![panels.root()];
        while self.division.strips.len() * self.cuts.len() < threads {
            let halves = |&cut: &LeafRange| panels.halves(cut).map_or(vec![cut], |(left, right)| vec![left, right]);
            let halved: Vec<_> = self.cuts.iter().flat_map(halves).collect();
            if halved.len() == self.cuts.len() {
                break;
            }
            self.cuts = halved;
        }
        let pass = || Pass::new(sizes.layers(), self.cuts.len());
        self.passes = self.division.strips.iter().map(|_| pass()).collect();
    }

    /// w_1 x of every strip, in the parts that `cuts` says.
    fn first_products(&mut self, parameters: &Parameters<C>) {
        let Self {
            network,
            blocks,
            division,
            cuts,
            passes,
            scratch,
            ..
        } = self;
        let of_strip = |(strip, pass): (&blocks::Strip, &mut Pass<C>)| {
            let x = strip.inputs(blocks);
            cuts.par_iter().zip(&mut pass.parts).for_each(|(&cut, sums)| {
                with_scratch(scratch, |scratch| {
                    network.first_product(parameters, cut, &x, sums, &mut scratch.product);
                });
            });
        };
        division.strips.par_iter().zip(passes).for_each(of_strip);
    }

    /// Everything from w_1 x to dz and the blocks' sums of db and the loss.
    fn passes(&mut self, parameters: &Parameters<C>) {
        let Self {
            network,
            blocks,
            division,
            cuts,
            passes,
            scratch,
            ..
        } = self;
        let of_strip = |(strip, pass): (&blocks::Strip, &mut Pass<C>)| {
            let labels = strip.held().map(|place| &blocks[place].labels[..]);
            with_scratch(scratch, |scratch| {
                pass.complete::<G>(network, parameters, cuts, &strip.blocks, labels, &mut scratch.product);
            });
        };
        division.strips.par_iter().zip(passes).for_each(of_strip);
    }

    /// The sums of one node from its strips' passes; every number of `sum` is overwritten.
    fn node_sum(&self, node: LeafRange, strips: std::ops::Range<usize>, sum: &mut GradientSum<G>) {
        let sizes = &self.network.sizes;
        let strips = self.division.strips[strips.clone()].iter().zip(&self.passes[strips]);
        let inputs = strips.clone().map(|(strip, pass)| outer::Strip {
            inputs: strip.inputs(&self.blocks),
            dz: &pass.dz[0],
            blocks: &strip.blocks,
            joins: strip.joins,
        });
        self.layer_gradient::<E, _>(inputs, sum.dw_mut(1), |scratch| &mut scratch.first);
        for l in 2..=sizes.layers() {
            let inputs = strips.clone().map(|(strip, pass)| outer::Strip {
                inputs: pass.activations(l - 1, strip.columns()),
                dz: &pass.dz[l - 1],
                blocks: &strip.blocks,
                joins: strip.joins,
            });
            self.layer_gradient::<C, _>(inputs, sum.dw_mut(l), |scratch| &mut scratch.hidden);
        }
        self.fold_block_sums(node, strips.map(|(_, pass)| &pass.sums[..]), sum);
    }

    /// dw_l of one node, in parallel over its features.
    fn layer_gradient<'a, I: Element, X: TileColumns<I> + 'a>(
        &self,
        strips: impl Iterator<Item = outer::Strip<'a, X, C>> + Clone + Sync,
        mut dw: ArrayViewMut2<'_, G>,
        own: impl Fn(&mut Scratch<E, C>) -> &mut OuterScratch<I::Near<C>, C> + Sync,
    ) where
        C: 'a,
    {
        let (units, features) = dw.dim();
        let most = (TASK_BYTES / (units * size_of::<C>())).clamp(2 * TILE, TASK_FEATURES) / (2 * TILE) * (2 * TILE);
        let task = |(task, mut dw): (usize, ArrayViewMut2<'_, G>)| {
            let first = task * most;
            let row_tiles = first / TILE..(first + dw.ncols()).div_ceil(TILE);
            with_scratch(&self.scratch, |scratch| {
                let set = self.network.set;
                let sums = outer::<I, C, G, X>(set, units, strips.clone(), row_tiles, own(scratch));
                store(sums, &mut dw);
            });
        };
        if features <= most {
            return task((0, dw));
        }
        dw.axis_chunks_iter_mut(Axis(1), most)
            .into_par_iter()
            .enumerate()
            .for_each(task);
    }

    /// db and the loss of one node, from those of its blocks.
    fn fold_block_sums<'a>(&self, node: LeafRange, strips: impl Iterator<Item = &'a [C]>, sum: &mut GradientSum<G>)
    where
        C: 'a,
    {
        let sizes = &self.network.sizes;
        let rows = Pass::<C>::sums_of_block(sizes);
        with_scratch(&self.scratch, |Scratch { levels, .. }| {
            let mut height = 0;
            let blocks = strips.flat_map(|sums| sums.chunks_exact(rows));
            for ((_, joins), own) in self.tree.fold_steps(node).zip(blocks) {
                if levels.len() == height {
                    levels.push(Vec::new());
                }
                levels[height].clear();
                levels[height].extend_from_slice(own);
                height += 1;
                for _ in 0..joins {
                    height -= 1;
                    let (below, top) = levels.split_at_mut(height);
                    let (left, right) = (&mut below[height - 1][..], &top[0][..]);
                    self.network.set.run(Join {
                        left,
                        right,
                        rounded: PhantomData::<G>,
                    });
                }
            }
            let mut numbers = levels[0].iter().map(|number| number.to_real::<G>());
            for l in 1..=sizes.layers() {
                sum.db_mut(l)
                    .iter_mut()
                    .zip(&mut numbers)
                    .for_each(|(db, number)| *db = number);
            }
            sum.set_loss(numbers.next().expect("the loss comes last"));
        });
    }
}

/// Copies some columns of dw to their place.
fn store<C: Real, G: Real>(sums: OuterSums<'_, C>, dw: &mut ArrayViewMut2<'_, G>) {
    for (unit, row) in dw.rows_mut().into_iter().enumerate() {
        let row = row.into_slice().expect("a row of dw is contiguous");
        let mut rest = row;
        for piece in sums.row(unit) {
            let (own, others) = rest.split_at_mut(rest.len().min(piece.len()));
            own.iter_mut().zip(piece).for_each(|(to, from)| *to = from.to_real());
            rest = others;
        }
    }
}

/// Runs `work` with scratch memory that was used before, if there is some.
fn with_scratch<T: Default, R>(pool: &Mutex<Vec<T>>, work: impl FnOnce(&mut T) -> R) -> R {
    let lock = || pool.lock().unwrap_or_else(PoisonError::into_inner);
    let scratch = lock().pop();
    let mut scratch = scratch.unwrap_or_default();
    let result = work(&mut scratch);
    lock().push(scratch);
    result
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
