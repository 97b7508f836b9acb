//! Right sums and wrong ones: what the coordinator does when answers differ, or are no numbers.
//!
//! Sums are defined to the last bit, so of two different answers at least one is wrong, and computing them once more
//! here tells which. This is the only place where a coordinator with workers computes sums.

use std::collections::BTreeMap;

use proto::kept::Kept;
use shared::dataset::DatasetError;
use shared::ids::WorkerId;
use shared::shard::GradientOf;
use shared::{GradientSum, LeafRange, Real, Shard};

use super::{SumSource, Trainer};
use crate::engine::{NodeAnswers, Noticed, WrongSums};

impl<C: Real, G: Real + GradientOf<C>> Trainer<C, G> {
    /// Takes every node's sums from what was kept. Where there are several answers they are compared, and if they
    /// differ, the sums are computed here and the wrong ones noted.
    pub(super) fn compare(
        &mut self,
        answers: &[NodeAnswers],
        wrong: &mut Vec<WrongSums>,
    ) -> Result<BTreeMap<LeafRange, Kept<G>>, DatasetError> {
        let len = GradientSum::<G>::len_for(&self.sizes);
        let mut sums = BTreeMap::new();
        for NodeAnswers { node, workers } in answers {
            let kept = |worker: &WorkerId| self.kept.remove(&(*node, *worker)).map(|numbers| (*worker, numbers));
            let mut opinions: Vec<_> = workers.iter().filter_map(kept).collect();
            let agree = opinions.windows(2).all(|pair| same_bits(&pair[0].1, &pair[1].1, len));
            let right = if agree {
                opinions.pop().expect("every answered node was kept").1
            } else {
                let right = self.compute(*node)?;
                for (index, (worker, numbers)) in opinions.iter().enumerate() {
                    if !same_bits(numbers, &right, len) {
                        let with = opinions[(index + 1) % opinions.len()].0;
                        let noticed = Noticed::Audit { with };
                        wrong.push(WrongSums {
                            worker: *worker,
                            node: *node,
                            noticed,
                        });
                    }
                }
                right
            };
            self.spare
                .extend(opinions.into_iter().map(|(_, numbers)| numbers.into_memory()));
            sums.insert(*node, right);
        }
        Ok(sums)
    }

    /// Computes every node with a number that is not finite once more, and replaces it if it was wrong.
    pub(super) fn replace_if_wrong(
        &mut self,
        sums: &mut BTreeMap<LeafRange, Kept<G>>,
        answers: &[NodeAnswers],
        wrong: &mut Vec<WrongSums>,
    ) -> Result<(), DatasetError> {
        let len = GradientSum::<G>::len_for(&self.sizes);
        for NodeAnswers { node, workers } in answers {
            let Some(numbers) = sums.get_mut(node) else {
                continue;
            };
            if numbers.tasks(len).flatten().all(|number| number.is_finite()) {
                continue;
            }
            let right = self.compute(*node)?;
            if !same_bits(numbers, &right, len) {
                wrong.extend(workers.iter().map(|&worker| WrongSums {
                    worker,
                    node: *node,
                    noticed: Noticed::NotFinite,
                }));
                *numbers = right;
            }
        }
        Ok(())
    }

    /// The sums of one node, from the columns of the data set.
    fn compute(&self, node: LeafRange) -> Result<Kept<G>, DatasetError> {
        let SumSource::Workers(dataset) = &self.source else {
            unreachable!("without workers there are no answers to compare");
        };
        let columns = self.tree.items_of(node);
        let x = dataset.columns(columns.clone())?;
        let labels = &dataset.labels().unwrap_or_default()[columns];
        let parameters = self.current.parameters(&self.sizes);
        let mut shard = Shard::<C, G>::new(&self.tree, node, &self.sizes, &x, labels, self.scale)
            .expect("the data set was checked when it was opened");
        let sums = shard.node_sums(&parameters, &[node]);
        Ok(Kept::of(sums.into_iter().flat_map(GradientSum::into_values).collect()))
    }
}

/// Whether two nodes' sums, `len` each, agree to the last bit. −0 is not +0; but any NaN is like any other, since CPUs do
/// not agree on the bits of one.
fn same_bits<T: Real>(left: &Kept<T>, right: &Kept<T>, len: usize) -> bool {
    let bits = |number: &T| number.to_f64().to_bits();
    let is_nan = |number: &T| number.to_f64().is_nan();
    let same = |(left, right): (&T, &T)| bits(left) == bits(right) || (is_nan(left) && is_nan(right));
    left.tasks(len).flatten().zip(right.tasks(len).flatten()).all(same)
}
