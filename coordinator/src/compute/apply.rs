//! The update: nodes' sums joined along the tree and applied, in parallel over ranges of parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use proto::kept::Kept;
use proto::tensor::Pool;
use rayon::prelude::*;
use shared::shard::GradientOf;
use shared::update::TASK_NUMBERS;
use shared::{LeafRange, Real, Tree};

use super::Trainer;
use super::current::{Current, numbers};

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
    /// workers, the new parameters are written to where they are sent from, and in a mixed run the sums as well.
    pub(super) fn apply(&mut self, sums: &BTreeMap<LeafRange, Kept<G>>) -> Applied<C> {
        let Self {
            tree,
            rule,
            current,
            pool,
            gradients,
            ..
        } = self;
        let loss = self.sizes.parameters();
        let joined = |range, levels: &mut _| join(tree, tree.root(), sums, range, levels);
        let mut gradient = Vec::new();
        let not_finite = match current {
            Current::Own(parameters) => {
                let task = |levels: &mut Vec<Vec<G>>, (task, values): (usize, &mut [C])| {
                    let first = task * TASK_NUMBERS;
                    let sums = joined(first..first + values.len(), levels);
                    let finite = rule.apply(values, first, &sums);
                    give_back(sums, levels);
                    finite
                };
                let tasks = parameters.values_mut().par_chunks_mut(TASK_NUMBERS).enumerate();
                tasks.map_init(Vec::new, task).filter(|finite| !finite).count()
            }
            Current::Sent { now, before } => {
                let old = numbers::<C>(now);
                let mut new = room(pool, loss);
                if C::REAL_TYPE != G::REAL_TYPE {
                    gradient = room(gradients, loss);
                }
                let pieces = pieces(&mut gradient, loss.div_ceil(TASK_NUMBERS));
                let task = |levels: &mut Vec<Vec<G>>, (task, (new, gradient)): (usize, (&mut [C], &mut [G]))| {
                    let first = task * TASK_NUMBERS;
                    let range = first..first + new.len();
                    let sums = joined(range.clone(), levels);
                    let finite = rule.apply_from(&old[range], new, first, &sums);
                    if !gradient.is_empty() {
                        gradient.copy_from_slice(&sums);
                    }
                    give_back(sums, levels);
                    finite
                };
                let tasks = new.par_chunks_mut(TASK_NUMBERS).zip(pieces).enumerate();
                let not_finite = tasks.map_init(Vec::new, task).filter(|finite| !finite).count();
                drop(old);
                *before = std::mem::replace(now, pool.encode(new));
                not_finite
            }
        };
        // The loss comes last, in the last task.
        let last = loss / TASK_NUMBERS * TASK_NUMBERS..loss + 1;
        let loss = joined(last, &mut Vec::new()).last().copied();
        Applied {
            cost: rule.cost(loss.expect("there is a loss in every sum")),
            finite: not_finite == 0,
            gradient: match gradient.is_empty() {
                true => Bytes::new(),
                false => gradients.encode(gradient),
            },
        }
    }
}

/// Keeps the memory of a join for the next one.
fn give_back<G: Clone>(sums: Cow<'_, [G]>, levels: &mut Vec<Vec<G>>) {
    if let Cow::Owned(sums) = sums {
        levels.push(sums);
    }
}

/// Room for so many numbers to be sent.
fn room<T: Real>(pool: &Pool<T>, numbers: usize) -> Vec<T> {
    let mut room = pool.take();
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
