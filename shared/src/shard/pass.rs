//! Forward and backward through the columns of a strip, up to every layer's dz.

use crate::activation::sigmoid;
use crate::element::Element;
use crate::kernel::InstructionSet;
use crate::kernel::elementwise::{AddBiases, BiasSums, Relu, ReluBackward};
use crate::kernel::outer::{Block, Grouped, rounded_to};
use crate::kernel::product::{ProductScratch, Weights, join, product};
use crate::kernel::tiles::{Tile, TileColumns, Tiles};
use crate::loss::{cross_entropy, cross_entropy_backward};
use crate::tree::{LeafRange, TILE, Tree};
use crate::{LayerSizes, Parameters, Real};

/// What the passes through all strips have in common.
#[derive(Clone, Debug)]
pub(crate) struct Network<C> {
    pub(crate) set: InstructionSet,
    pub(crate) sizes: LayerSizes,
    /// The factor of x.
    pub(crate) scale: C,
    /// The tree over n_l, for l = 0 … L.
    panels: Vec<Tree>,
}

impl<C: Real> Network<C> {
    pub(crate) fn new(set: InstructionSet, sizes: LayerSizes, scale: C) -> Self {
        let panels = sizes
            .as_slice()
            .iter()
            .map(|&n| Tree::over_inner_dimension(n))
            .collect();
        Self {
            set,
            sizes,
            scale,
            panels,
        }
    }

    /// The tree over the features: the inner dimension of layer 1.
    pub(crate) fn features(&self) -> &Tree {
        &self.panels[0]
    }

    /// The part of w_1 x that the panels of `node` are, in tiles.
    pub(crate) fn first_product<E: Element>(
        &self,
        parameters: &Parameters<C>,
        node: LeafRange,
        x: &impl TileColumns<E>,
        sums: &mut Vec<Tile<C>>,
        scratch: &mut ProductScratch<C>,
    ) {
        let w = Weights::Forward(&parameters.values()[self.sizes.weights(1)]);
        resize(sums, self.sizes.n(1), x.count());
        product(
            self.set,
            (w, self.sizes.n(1)),
            (&self.panels[0], node),
            x,
            sums,
            scratch,
        );
    }

    /// z_l = (w_l a_{l-1}) · scale + b_l, from the finished sums of the product.
    fn add_biases(&self, parameters: &Parameters<C>, l: usize, z: &mut [Tile<C>]) {
        let scale = if l == 1 { self.scale } else { C::ONE };
        let b = &parameters.values()[self.sizes.biases(l)];
        self.set.run(AddBiases { z, b, scale });
    }

    /// a_1 … a_{L-1} and z_L, from the finished sums of w_1 x in the first of `a`.
    pub(crate) fn forward(&self, parameters: &Parameters<C>, a: &mut [Vec<Tile<C>>], scratch: &mut ProductScratch<C>) {
        self.add_biases(parameters, 1, &mut a[0]);
        for l in 2..=self.sizes.layers() {
            let (before, after) = a.split_at_mut(l - 1);
            let (inputs, z) = (&mut before[l - 2], &mut after[0]);
            self.set.run(Relu(inputs));
            let stride = inputs.len() / self.sizes.n(l - 1).div_ceil(TILE);
            resize(z, self.sizes.n(l), stride);
            let inputs = Tiles { tiles: inputs, stride };
            let w = Weights::Forward(&parameters.values()[self.sizes.weights(l)]);
            let panels = &self.panels[l - 1];
            product(
                self.set,
                (w, self.sizes.n(l)),
                (panels, panels.root()),
                &inputs,
                z,
                scratch,
            );
            self.add_biases(parameters, l, z);
        }
    }
}

/// Room for `rows` × 8 `columns` numbers.
fn resize<C: Real>(tiles: &mut Vec<Tile<C>>, rows: usize, columns: usize) {
    tiles.resize(rows.div_ceil(TILE) * columns, [C::ZERO; TILE * TILE]);
}

/// What the pass through a strip leaves for the weight gradients, in memory that stays from iteration to iteration.
#[derive(Clone, Debug)]
pub(super) struct Pass<C> {
    /// The sums of w_1 x over a part of the features each; then a_1 is in the first.
    pub(super) parts: Vec<Vec<Tile<C>>>,
    /// a_2 … a_{L-1} and z_L. (a_1 has its place here while it is needed.)
    a: Vec<Vec<Tile<C>>>,
    /// dz_1 … dz_L, as the weight gradients read them.
    pub(super) dz: Vec<Vec<C>>,
    /// For each block db_1 … db_L and the loss, each rounded to what a gradient's numbers are.
    pub(super) sums: Vec<C>,
    /// dz of the layer at hand and of the one below.
    above: Vec<Tile<C>>,
    below: Vec<Tile<C>>,
}

impl<C: Real> Pass<C> {
    pub(super) fn new(layers: usize, parts: usize) -> Self {
        Self {
            parts: vec![Vec::new(); parts],
            a: vec![Vec::new(); layers],
            dz: vec![Vec::new(); layers],
            sums: Vec::new(),
            above: Vec::new(),
            below: Vec::new(),
        }
    }

    /// a_l in tiles, for l in 1..L.
    pub(super) fn activations(&self, l: usize, columns: usize) -> Tiles<'_, C> {
        Tiles {
            tiles: &self.a[l - 1],
            stride: columns,
        }
    }

    /// Numbers that a block has in `sums`.
    pub(super) fn sums_of_block(sizes: &LayerSizes) -> usize {
        sizes.as_slice()[1..].iter().sum::<usize>() + 1
    }

    /// Goes on from the parts of w_1 x, whose nodes are in `cuts`, to everything else. `G` is what the numbers of a
    /// gradient are.
    pub(super) fn complete<'a, G: Real>(
        &mut self,
        network: &Network<C>,
        parameters: &Parameters<C>,
        cuts: &[LeafRange],
        blocks: &[Block],
        labels: impl Iterator<Item = &'a [u8]>,
        scratch: &mut ProductScratch<C>,
    ) {
        let panels = network.features();
        join_parts(panels, panels.root(), cuts, &mut self.parts);
        std::mem::swap(&mut self.a[0], &mut self.parts[0]);
        network.forward(parameters, &mut self.a, scratch);
        let rows = Self::sums_of_block(&network.sizes);
        self.sums.clear();
        self.sums.resize(blocks.len() * rows, C::ZERO);
        self.loss::<G>(blocks, labels, rows);
        self.backward::<G>(network, parameters, blocks, scratch);
    }

    /// dz_L = a_L − y, and each block's sum of the loss.
    fn loss<'a, G: Real>(&mut self, blocks: &[Block], labels: impl Iterator<Item = &'a [u8]>, rows: usize) {
        let logits = &self.a[self.a.len() - 1];
        // What belongs to no column stays 0, and nothing is ever summed over it.
        self.above.clear();
        self.above.resize(logits.len(), [C::ZERO; TILE * TILE]);
        for ((block, labels), sums) in blocks.iter().zip(labels).zip(self.sums.chunks_exact_mut(rows)) {
            let mut loss = C::ZERO;
            for (j, &y) in labels.iter().enumerate() {
                let (tile, column) = (block.tiles.start + j / TILE, j % TILE);
                let (z, y) = (logits[tile][column], C::from_i32(i32::from(y)));
                loss = loss + cross_entropy(z, y);
                self.above[tile][column] = cross_entropy_backward(sigmoid(z), y);
            }
            sums[rows - 1] = rounded_to::<C, G>(loss);
        }
    }

    /// dz_l and db_l, from L down to 1.
    fn backward<G: Real>(
        &mut self,
        network: &Network<C>,
        parameters: &Parameters<C>,
        blocks: &[Block],
        scratch: &mut ProductScratch<C>,
    ) {
        let sizes = &network.sizes;
        let columns = self.above.len();
        let grouped = Grouped::new::<C>(network.set);
        let mut place = Self::sums_of_block(sizes) - 1;
        for l in (1..=sizes.layers()).rev() {
            place -= sizes.n(l);
            grouped.lay_out(&self.above, sizes.n(l), columns, &mut self.dz[l - 1]);
            self.biases::<G>(network, l, blocks, place);
            if l == 1 {
                break;
            }
            resize(&mut self.below, sizes.n(l - 1), columns);
            let w = Weights::Backward(&parameters.values()[sizes.weights(l)]);
            let above = Tiles {
                tiles: &self.above,
                stride: columns,
            };
            let panels = &network.panels[l];
            product(
                network.set,
                (w, sizes.n(l - 1)),
                (panels, panels.root()),
                &above,
                &mut self.below,
                scratch,
            );
            network.set.run(ReluBackward {
                da: &mut self.below,
                a: &self.a[l - 2],
            });
            std::mem::swap(&mut self.above, &mut self.below);
        }
    }

    /// Each block's Σ over its columns of db_l = dz_l, in ascending order from +0.
    fn biases<G: Real>(&mut self, network: &Network<C>, l: usize, blocks: &[Block], place: usize) {
        let units = network.sizes.n(l);
        let columns = self.above.len() / units.div_ceil(TILE);
        let rows = Self::sums_of_block(&network.sizes);
        for (block, sums) in blocks.iter().zip(self.sums.chunks_exact_mut(rows)) {
            let sums = &mut sums[place..place + units];
            network.set.run(BiasSums {
                grouped: &self.dz[l - 1],
                most: C::reach(network.set).units,
                columns,
                block,
                sums,
            });
            for db in sums {
                *db = rounded_to::<C, G>(*db);
            }
        }
    }
}

/// Joins the parts of a product, whose nodes are `cuts`, along the tree, into the first part.
fn join_parts<C: Real>(panels: &Tree, node: LeafRange, cuts: &[LeafRange], parts: &mut [Vec<Tile<C>>]) {
    if cuts.len() == 1 {
        return;
    }
    let (left, right) = panels.halves(node).expect("the cuts are nodes of the tree");
    let middle = cuts.iter().filter(|cut| left.contains(**cut)).count();
    let (left_parts, right_parts) = parts.split_at_mut(middle);
    join_parts(panels, left, &cuts[..middle], left_parts);
    join_parts(panels, right, &cuts[middle..], right_parts);
    join(&mut left_parts[0], &right_parts[0]);
}
