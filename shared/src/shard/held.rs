//! What a shard holds, and how its threads share the work.

use std::marker::PhantomData;
use std::ops::Range;
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

use super::ShardError;
use super::blocks::{self, Division, PackedBlock, Strip};
use super::pass::{Network, Pass};

/// The most columns in a strip, unless a block has more: then dz of a layer of 20 units, and the sums of a product, stay
/// in the L2 cache. Where a layer is wide there are fewer, so that not much more than this stays near the core.
const STRIP_COLUMNS: usize = 384;
const LEAST_STRIP_COLUMNS: usize = 128;
const STRIP_NUMBERS: usize = 96 << 10;

/// The most features of dw that one task computes, and the most bytes of their sums: a part of the L2 cache.
const TASK_FEATURES: usize = 512;
const TASK_BYTES: usize = 512 << 10;

/// Numbers in which sums of gradients are held, where they are computed in `C`.
pub trait GradientOf<C>: Sized {
    /// What [`super::Shard::empty`] holds. It is compiled here and nowhere else.
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
    /// See [`super::Shard::insert`].
    fn insert(&mut self, range: LeafRange, x: &Columns, labels: &[u8]) -> Result<(), ShardError>;

    /// See [`super::Shard::retain`].
    fn retain(&mut self, blocks: &BlockSet);

    /// See [`super::Shard::node_sums_into`].
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
        let widest = sizes.as_slice()[1..].iter().copied().max().unwrap_or(1);
        let most = (STRIP_NUMBERS / widest).clamp(LEAST_STRIP_COLUMNS, STRIP_COLUMNS);
        let most = if matter {
            (columns * 9 / 16 / threads).clamp(TILE, most)
        } else {
            most
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
        let of_strip = |(strip, pass): (&Strip, &mut Pass<C>)| {
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
        let of_strip = |(strip, pass): (&Strip, &mut Pass<C>)| {
            let labels = strip.held().map(|place| &blocks[place].labels[..]);
            with_scratch(scratch, |scratch| {
                pass.complete::<G>(network, parameters, cuts, &strip.blocks, labels, &mut scratch.product);
            });
        };
        division.strips.par_iter().zip(passes).for_each(of_strip);
    }

    /// The sums of one node from its strips' passes; every number of `sum` is overwritten.
    fn node_sum(&self, node: LeafRange, strips: Range<usize>, sum: &mut GradientSum<G>) {
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
