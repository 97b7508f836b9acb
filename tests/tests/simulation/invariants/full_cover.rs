//! No update is made before the sums of every block have arrived, whole and in this iteration.

use std::collections::BTreeMap;

use coordinator::engine::{Action, NodeAnswers};
use shared::ids::{Iteration, WorkerId};
use shared::{LeafRange, Tree};

use super::{Invariant, Sight};

pub const FULL_COVER: &str = "no update lacks a block";

#[derive(Debug)]
pub struct FullCover {
    tree: Tree,
    /// Numbers in the sums of a node, and bytes of each.
    sum_len: usize,
    number_bytes: usize,
    /// How many numbers of which sums were kept for the next update.
    kept: BTreeMap<(LeafRange, WorkerId), usize>,
    /// Whose update is next.
    next: Iteration,
}

impl FullCover {
    pub fn new(tree: Tree, sum_len: usize, number_bytes: usize) -> Self {
        Self {
            tree,
            sum_len,
            number_bytes,
            kept: BTreeMap::new(),
            next: Iteration(0),
        }
    }

    fn update(&mut self, iteration: Iteration, sums: &[NodeAnswers]) -> Result<(), String> {
        let mut covered = vec![false; self.tree.leaves()];
        for NodeAnswers { node, workers } in sums {
            if workers.is_empty() {
                return Err(format!(
                    "found blocks {node} in the update of {iteration:?} without an answer"
                ));
            }
            for &worker in workers {
                let arrived = self.kept.get(&(*node, worker)).copied().unwrap_or_default();
                if arrived != self.sum_len {
                    return Err(format!(
                        "found {arrived} numbers of worker {worker}'s sums of blocks {node} at the update of \
                         {iteration:?}, expected {}",
                        self.sum_len
                    ));
                }
            }
            covered
                .get_mut(node.leaves())
                .into_iter()
                .flatten()
                .for_each(|block| *block = true);
        }
        self.kept.clear();
        self.next = iteration.next();
        match covered.iter().position(|covered| !covered) {
            Some(block) => Err(format!("found the update of {iteration:?} without block {block}")),
            None => Ok(()),
        }
    }
}

impl Invariant for FullCover {
    fn name(&self) -> &'static str {
        FULL_COVER
    }

    fn see(&mut self, sight: &Sight<'_>) -> Result<(), String> {
        match sight {
            Sight::Begins { updates } => {
                self.kept.clear();
                self.next = Iteration(*updates);
                Ok(())
            }
            Sight::Decides(Action::Keep(worker, sum)) => {
                if sum.iteration != self.next {
                    return Err(format!("found sums of {:?} kept in {:?}", sum.iteration, self.next));
                }
                let arrived = self.kept.entry((sum.node, *worker)).or_default();
                if sum.chunk.offset != *arrived as u64 {
                    return Err(format!(
                        "found a chunk of the sums of blocks {} at number {}, expected {arrived}",
                        sum.node, sum.chunk.offset
                    ));
                }
                *arrived += sum.chunk.data.len() / self.number_bytes;
                Ok(())
            }
            Sight::Decides(Action::Update { iteration, sums }) => self.update(*iteration, sums),
            _ => Ok(()),
        }
    }
}
