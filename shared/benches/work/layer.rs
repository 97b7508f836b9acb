//! The kernels by themselves: the three matrix products of one layer, over strips of columns as a shard computes them.

use std::hint::black_box;

use shared::element::Element;
use shared::kernel::InstructionSet;
use shared::kernel::outer::{Block, Grouped, OuterScratch, Strip, outer};
use shared::kernel::product::{ProductScratch, Weights, product};
use shared::kernel::tiles::{Tile, Tiles, tiled};
use shared::tree::TILE;
use shared::{BlockColumns, LeafRange, Real, Tree};

use super::reals;

/// The most columns of a strip, and the most bytes of the sums of dw that are computed at a time: so much that it stays
/// in the L2 cache.
const STRIP_COLUMNS: usize = 384;
const SUM_BYTES: usize = 512 << 10;

/// One layer with its inputs, a_{l-1} or x, and dz_l.
pub struct Layer<E: Element, C: Real> {
    set: InstructionSet,
    units: usize,
    features: usize,
    w: Vec<C>,
    /// The trees over the inner dimension of z = w a and of da = wᵀ dz.
    panels: [Tree; 2],
    strips: Vec<StripOfLayer<E, C>>,
    product: ProductScratch<C>,
    outer: OuterScratch<E::Near<C>, C>,
}

struct StripOfLayer<E, C> {
    /// Column tiles.
    columns: usize,
    inputs: Vec<Tile<E>>,
    dz: Vec<Tile<C>>,
    grouped: Vec<C>,
    blocks: Vec<Block>,
    joins: usize,
    z: Vec<Tile<C>>,
    da: Vec<Tile<C>>,
}

impl<E: Element, C: Real> Layer<E, C> {
    /// A layer of `units` units over `features` × m numbers, column after column, in blocks of the default size.
    pub fn new(set: InstructionSet, units: usize, features: usize, inputs: &[E]) -> Self {
        let m = inputs.len() / features;
        let tree = Tree::over_batch(m, BlockColumns::default_for(m)).expect("there are columns, and not too many");
        let dz = reals(units * m);
        let mut strips = Vec::new();
        cut(&tree, tree.root(), &mut strips);
        let grouped = Grouped::new::<C>(set);
        let strip = |&(node, joins): &(LeafRange, usize)| {
            let own = tree.items_of(node);
            let columns = own.len().div_ceil(TILE);
            let dz = tiled(units, &dz[own.start * units..own.end * units]);
            let zeros = |rows: usize| vec![[C::ZERO; TILE * TILE]; rows.div_ceil(TILE) * columns];
            let mut strip = StripOfLayer {
                columns,
                inputs: tiled(features, &inputs[own.start * features..own.end * features]),
                grouped: Vec::new(),
                blocks: blocks(&tree, node),
                joins,
                z: zeros(units),
                da: zeros(features),
                dz,
            };
            grouped.lay_out(&strip.dz, units, columns, &mut strip.grouped);
            strip
        };
        Self {
            set,
            units,
            features,
            w: reals(units * features),
            panels: [features, units].map(Tree::over_inner_dimension),
            strips: strips.iter().map(strip).collect(),
            product: ProductScratch::default(),
            outer: OuterScratch::default(),
        }
    }

    /// z = w a.
    pub fn forward(&mut self) {
        let panels = (&self.panels[0], self.panels[0].root());
        let w = (Weights::Forward(&self.w[..]), self.units);
        for strip in &mut self.strips {
            let inputs = Tiles {
                tiles: &strip.inputs,
                stride: strip.columns,
            };
            product(self.set, w, panels, &inputs, &mut strip.z, &mut self.product);
            black_box(&mut strip.z);
        }
    }

    /// da = wᵀ dz.
    pub fn backward(&mut self) {
        let panels = (&self.panels[1], self.panels[1].root());
        let w = (Weights::Backward(&self.w[..]), self.features);
        for strip in &mut self.strips {
            let dz = Tiles {
                tiles: &strip.dz,
                stride: strip.columns,
            };
            product(self.set, w, panels, &dz, &mut strip.da, &mut self.product);
            black_box(&mut strip.da);
        }
    }

    /// dw = dz aᵀ, rounded to `G` after each block and each join.
    pub fn gradient<G: Real>(&mut self) {
        let strips = self.strips.iter().map(|strip| Strip {
            inputs: Tiles {
                tiles: &strip.inputs[..],
                stride: strip.columns,
            },
            dz: &strip.grouped,
            blocks: &strip.blocks,
            joins: strip.joins,
        });
        let row_tiles = self.features.div_ceil(TILE);
        let at_a_time = (SUM_BYTES / (self.units * size_of::<C>() * TILE)).max(2) / 2 * 2;
        for first in (0..row_tiles).step_by(at_a_time) {
            let wanted = first..row_tiles.min(first + at_a_time);
            let sums = outer::<E, C, G, _>(self.set, self.units, strips.clone(), wanted, &mut self.outer);
            black_box(sums);
        }
    }
}

/// The nodes that are strips from left to right, each with the joins that follow it.
fn cut(tree: &Tree, node: LeafRange, strips: &mut Vec<(LeafRange, usize)>) {
    match tree.halves(node) {
        Some((left, right)) if tree.items_of(node).len() > STRIP_COLUMNS => {
            cut(tree, left, strips);
            cut(tree, right, strips);
            strips.last_mut().expect("a node has a strip").1 += 1;
        }
        _ => strips.push((node, 0)),
    }
}

/// The blocks of a strip. Every block but the last is a whole number of tiles, so each begins at one.
fn blocks(tree: &Tree, node: LeafRange) -> Vec<Block> {
    let start = tree.items_of(node).start;
    let block = |(leaf, joins)| {
        let columns = tree.leaf(leaf);
        Block {
            tiles: (columns.start - start) / TILE..(columns.end - start).div_ceil(TILE),
            columns: columns.len(),
            joins,
        }
    };
    tree.fold_steps(node).map(block).collect()
}
