//! The oracle: a plain one-process trainer that follows the same blocks and tree with no network, no threads and no
//! clever loop. Whatever the fast path computes must equal it, bit for bit.

use ndarray::Array2;

use crate::backward::block_sum;
use crate::element::Element;
use crate::forward::forward;
use crate::gradient::GradientSum;
use crate::tree::{LeafRange, Tree};
use crate::update::update;
use crate::{Columns, Parameters, Real, with_values};

/// A batch as the oracle sees it.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// x, n_0 × m, as it stands in the file.
    pub x: &'a Columns,
    /// y: m labels, 0 or 1.
    pub labels: &'a [u8],
    /// The factor of every number in x.
    pub scale: f64,
    /// The blocks of the m columns.
    pub tree: &'a Tree,
}

/// Makes `iterations` iterations of full-batch gradient descent and returns the cost of each, J before its update.
///
/// Parameters, and all that happens within a block, are in `C`; the sums of blocks and nodes are in `G`.
///
/// # Panics
///
/// If the batch and the parameters do not fit.
pub fn train<C: Real, G: Real>(
    parameters: &mut Parameters<C>,
    batch: Batch<'_>,
    learning_rate: C,
    iterations: u64,
) -> Vec<C> {
    let iteration = |_| {
        let sum = node_sum::<C, G>(parameters, batch, batch.tree.root());
        let (mean, cost) = sum.into_mean(batch.labels.len(), C::from_f64(batch.scale));
        update(parameters, &mean, learning_rate);
        cost
    };
    (0..iterations).map(iteration).collect()
}

/// The sums over the columns of one node of the batch's tree: a block's own sums rounded to `G`, or left + right.
///
/// # Panics
///
/// If `node` is not a node of the batch's tree.
pub fn node_sum<C: Real, G: Real>(parameters: &Parameters<C>, batch: Batch<'_>, node: LeafRange) -> GradientSum<G> {
    if let Some((left, right)) = batch.tree.halves(node) {
        return node_sum(parameters, batch, left).join(node_sum(parameters, batch, right));
    }
    let columns = batch.tree.items_of(node);
    let n_0 = batch.x.features();
    let x = with_values!(batch.x.values(), |v| {
        Array2::from_shape_fn((n_0, columns.len()), |(k, j)| {
            v[(columns.start + j) * n_0 + k].to_real()
        })
    });
    let cache = forward(parameters, x, C::from_f64(batch.scale));
    block_sum(parameters, &cache, &batch.labels[columns]).rounded()
}
