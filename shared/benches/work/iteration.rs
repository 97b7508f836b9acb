//! Whole iterations in one process: the sums over the batch by `Shard`, and the update.

use std::hint::black_box;

use shared::element::Values;
use shared::shard::GradientOf;
use shared::update::UpdateRule;
use shared::{
    BlockColumns, Columns, ElementType, GradientSum, Initialisation, LayerSizes, LeafRange, Parameters, Real, Shard,
    Tree,
};

use super::{bytes, reals};

/// Made-up columns for a network.
pub struct Batch {
    pub sizes: LayerSizes,
    x: Columns,
    labels: Vec<u8>,
    scale: f64,
}

impl Batch {
    /// `m` columns of bytes, as images are, or of f64, for a network of these layer sizes, n_0 to n_L.
    pub fn new(sizes: &[usize], m: usize, element_type: ElementType) -> Self {
        let sizes = LayerSizes::new(sizes.to_vec()).expect("the sizes are those of a network");
        let count = sizes.features() * m;
        let (values, scale) = match element_type {
            ElementType::U8 => (Values::U8(bytes(count)), 1.0 / 255.0),
            ElementType::F64 => (Values::F64(reals(count)), 1.0),
            other => unreachable!("nothing is measured with columns of {other}"),
        };
        Self {
            x: Columns::new(sizes.features(), values).expect("the numbers are whole columns"),
            labels: bytes(m).iter().map(|byte| byte % 2).collect(),
            sizes,
            scale,
        }
    }

    /// The number of columns.
    pub fn m(&self) -> usize {
        self.labels.len()
    }

    /// The blocks of at most so many columns.
    pub fn tree(&self, block_columns: BlockColumns) -> Tree {
        Tree::over_batch(self.m(), block_columns).expect("there are columns, and not too many")
    }

    /// Floating-point operations of one iteration, those of the matrix products: 2 m n_l n_{l-1} each for z_l and dw_l
    /// of every layer, and for da_{l-1} of every layer but the first.
    pub fn flop(&self) -> u64 {
        let of_layer = |l: usize| (2 * self.m() * self.sizes.n(l) * self.sizes.n(l - 1)) as u64;
        let products = |l: usize| if l == 1 { 2 } else { 3 };
        (1..=self.sizes.layers()).fold(0, |sum, l| sum + products(l) * of_layer(l))
    }
}

/// Iterations of one network over one batch, on rayon's current pool.
///
/// The learning rate is 0: every operation is carried out, and each iteration computes with the numbers of the first.
pub struct Iteration<C, G> {
    shard: Shard<C, G>,
    root: LeafRange,
    parameters: Parameters<C>,
    sums: [GradientSum<G>; 1],
    rule: UpdateRule<C>,
}

impl<C: Real, G: Real + GradientOf<C>> Iteration<C, G> {
    /// The batch in blocks of at most so many columns, held by one shard.
    pub fn new(batch: &Batch, block_columns: BlockColumns) -> Self {
        let tree = batch.tree(block_columns);
        let root = tree.root();
        let shard = Shard::new(&tree, root, &batch.sizes, &batch.x, &batch.labels, batch.scale);
        Self {
            shard: shard.expect("columns and labels fit the blocks"),
            root,
            parameters: Initialisation::He.parameters(&batch.sizes, 1),
            sums: [GradientSum::zeros(batch.sizes.clone())],
            rule: UpdateRule::new(&batch.sizes, batch.scale, batch.m(), 0.0),
        }
    }

    /// The sums over the batch.
    pub fn pass(&mut self) {
        self.shard
            .node_sums_into(&self.parameters, &[self.root], &mut self.sums);
    }

    /// The sums, and the update by them.
    pub fn run(&mut self) {
        self.pass();
        let values = self.parameters.values_mut();
        let sums = &self.sums[0].values()[..values.len()];
        black_box(self.rule.apply_in_parallel(values, |range| &sums[range]));
    }
}
