//! The update: nodes' sums joined along the tree and applied, in parallel over ranges of parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use proto::tensor::Pool;
use rayon::prelude::*;
use shared::shard::GradientOf;
use shared::update::TASK_NUMBERS;
use shared::{LeafRange, Real, Tree};

use super::kept::Kept;
use super::{SumSource, Trainer};

/// What an update gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Applied<C> {
    /// J before it.
    pub(super) cost: C,
    /// Whether all parameters are finite after it.
    pub(super) finite: bool,
    /// See [`super::Updated::gradient`].
    pub(super) gradient: Bytes,
}

impl<C: Real, G: Real + GradientOf<C>> Trainer<C, G> {
    /// Joins the nodes' sums along the tree and updates by them, in parallel over ranges of parameters. If there are
    /// workers, the parameters are encoded for them on the way, and in a mixed run the sums as well.
    pub(super) fn apply(&mut self, sums: &BTreeMap<LeafRange, Kept<G>>) -> Applied<C> {
        let loss = self.descent.parameters.sizes().parameters();
        let has_workers = matches!(self.descent.source, SumSource::Workers(_));
        let sends_gradient = has_workers && C::REAL_TYPE != G::REAL_TYPE;
        let mut sent = room(&self.pool, if has_workers { loss } else { 0 });
        let mut gradient = room(&self.gradients, if sends_gradient { loss } else { 0 });

        let tasks = loss.div_ceil(TASK_NUMBERS);
        let (tree, rule) = (&self.descent.tree, &self.rule);
        let finite = self
            .descent
            .parameters
            .values_mut()
            .par_chunks_mut(TASK_NUMBERS)
            .zip(pieces(&mut sent, tasks))
            .zip(pieces(&mut gradient, tasks))
            .enumerate()
            .map_init(Vec::new, |levels, (task, ((values, sent), gradient))| {
                let first = task * TASK_NUMBERS;
                let joined = join(tree, tree.root(), sums, first..first + values.len(), levels);
                let finite = rule.apply(values, first, &joined);
                if !sent.is_empty() {
                    sent.copy_from_slice(values);
                }
                if !gradient.is_empty() {
                    gradient.copy_from_slice(&joined);
                }
                if let Cow::Owned(joined) = joined {
                    levels.push(joined);
                }
                finite
            })
            .filter(|finite| !finite)
            .count()
            == 0;
        if has_workers {
            self.before = std::mem::replace(&mut self.sent, self.pool.encode(sent));
        }
        // The loss comes last, in the last task.
        let last = loss / TASK_NUMBERS * TASK_NUMBERS..loss + 1;
        let loss = join(tree, tree.root(), sums, last, &mut Vec::new()).last().copied();
        let loss = loss.expect("there is a loss in every sum");
        Applied {
            cost: rule.cost(loss),
            finite,
            gradient: match sends_gradient {
                true => self.gradients.encode(gradient),
                false => Bytes::new(),
            },
        }
    }
}

/// Room for so many numbers to be sent; nothing is taken of `pool` for none.
fn room<T: Real>(pool: &Pool<T>, numbers: usize) -> Vec<T> {
    let mut room = if numbers == 0 { Vec::new() } else { pool.take() };
    room.resize(numbers, T::ZERO);
    room
}

/// `numbers` cut for `tasks` tasks; an empty piece for each if there are none.
fn pieces<T>(numbers: &mut [T], tasks: usize) -> Vec<&mut [T]> {
    let mut pieces: Vec<&mut [T]> = numbers.chunks_mut(TASK_NUMBERS).collect();
    pieces.resize_with(tasks, Default::default);
    pieces
}

/// The sums of `node` for a task's range of numbers: as it was kept, or left + right. Buffers are taken from and returned to
/// `spare`.
fn join<'a, T: Real>(
    tree: &Tree,
    node: LeafRange,
    kept: &'a BTreeMap<LeafRange, Kept<T>>,
    range: std::ops::Range<usize>,
    spare: &mut Vec<Vec<T>>,
) -> Cow<'a, [T]> {
    if let Some(numbers) = kept.get(&node) {
        return Cow::Borrowed(numbers.task(range));
    }
    let (left, right) = tree.halves(node).expect("the kept nodes cover every block");
    let left = join(tree, left, kept, range.clone(), spare);
    let right = join(tree, right, kept, range, spare);
    let sums = match left {
        Cow::Borrowed(left) => {
            let mut sums = spare.pop().unwrap_or_default();
            sums.clear();
            sums.extend(left.iter().zip(&*right).map(|(&left, &right)| left + right));
            sums
        }
        Cow::Owned(mut left) => {
            left.iter_mut()
                .zip(&*right)
                .for_each(|(left, &right)| *left = *left + right);
            left
        }
    };
    if let Cow::Owned(right) = right {
        spare.push(right);
    }
    Cow::Owned(sums)
}
