//! The coordinator's arithmetic: completing the tree, dividing, updating. It runs on a thread of its own, so that the
//! shell is never blocked by it.
//!
//! ```text
//!   run.rs ── Order ──▶ thread: keep the nodes' sums ─▶ join along the tree ─▶ · scale / m ─▶ update ── Computed ──▶ run.rs
//! ```

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use proto::SumChunk;
use proto::tensor::{decode, encode};
use rayon::prelude::*;
use shared::gradient::mean;
use shared::ids::Iteration;
use shared::update::step;
use shared::{AnyParameters, GradientSum, LeafRange, Parameters, Real, Shard, Tree};
use tokio::sync::mpsc as async_mpsc;

/// What the compute thread is to do.
#[derive(Debug)]
enum Order {
    /// Keep part of a node's sums.
    Keep(SumChunk),
    /// Complete the tree from the sums that were kept, and update.
    Update(Iteration),
    /// Compute all sums here, and update.
    ComputeHere(Iteration),
}

/// The parameters after an update.
#[derive(Clone, Debug)]
pub struct Computed {
    /// The iteration whose gradient was applied.
    pub iteration: Iteration,
    /// J at the parameters before the update.
    pub cost: f64,
    /// The parameters after it, encoded for the wire; empty if there are no workers to send them to.
    pub parameters: Bytes,
}

/// What every update of a run has in common.
#[derive(Debug)]
pub struct Descent<T> {
    /// W and b.
    pub parameters: Parameters<T>,
    /// The blocks of the batch.
    pub tree: Tree,
    /// The factor of every number in X.
    pub scale: f64,
    /// α.
    pub learning_rate: f64,
    /// The whole batch, if it is held here.
    pub batch: Option<Shard<T>>,
}

/// The compute thread.
#[derive(Debug)]
pub struct Compute {
    orders: mpsc::Sender<Order>,
    thread: thread::JoinHandle<AnyParameters>,
}

impl Compute {
    /// Starts the thread. What it computes comes back through `results`; rayon's work is done on `threads` threads.
    ///
    /// # Errors
    ///
    /// If the system does not give us the threads.
    pub fn start<T>(
        descent: Descent<T>,
        threads: usize,
        results: async_mpsc::UnboundedSender<Computed>,
    ) -> std::io::Result<Self>
    where
        T: Real,
        AnyParameters: From<Parameters<T>>,
    {
        let (orders, inbox) = mpsc::channel();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(std::io::Error::other)?;
        let work = move || {
            let mut trainer = Trainer {
                descent,
                kept: BTreeMap::new(),
                spare: Vec::new(),
            };
            while let Ok(order) = inbox.recv() {
                let computed = match order {
                    Order::Keep(sum) => {
                        trainer.keep(&sum);
                        continue;
                    }
                    Order::Update(iteration) => pool.install(|| trainer.update(iteration)),
                    Order::ComputeHere(iteration) => pool.install(|| trainer.compute_here(iteration)),
                };
                if results.send(computed).is_err() {
                    break;
                }
            }
            AnyParameters::from(trainer.descent.parameters)
        };
        let thread = thread::Builder::new().name("compute".to_owned()).spawn(work)?;
        Ok(Self { orders, thread })
    }

    /// Keeps part of a node's sums. The engine has checked that it continues that node.
    pub fn keep(&self, sum: SumChunk) {
        self.order(Order::Keep(sum));
    }

    /// Completes the tree from the kept sums, which together must cover every block once, and updates.
    pub fn update(&self, iteration: Iteration) {
        self.order(Order::Update(iteration));
    }

    /// Computes all sums of the batch that is held here, and updates.
    pub fn compute_here(&self, iteration: Iteration) {
        self.order(Order::ComputeHere(iteration));
    }

    fn order(&self, order: Order) {
        // The thread ends before its orders do only if it panicked; `finish` passes the panic on.
        let _ = self.orders.send(order);
    }

    /// Ends the thread after its last order and returns the parameters.
    pub fn finish(self) -> AnyParameters {
        drop(self.orders);
        self.thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct Trainer<T> {
    descent: Descent<T>,
    /// The sums of this iteration by node, as far as they have arrived.
    kept: BTreeMap<LeafRange, Vec<T>>,
    /// Memory of the last iteration's sums, to be used again.
    spare: Vec<Vec<T>>,
}

/// Numbers that one task joins and updates: small enough that its sums stay in the L1 and L2 caches.
const TASK_NUMBERS: usize = 8192;

impl<T: Real> Trainer<T> {
    fn keep(&mut self, sum: &SumChunk) {
        let numbers = self
            .kept
            .entry(sum.node)
            .or_insert_with(|| self.spare.pop().unwrap_or_default());
        numbers.reserve(GradientSum::<T>::len_for(self.descent.parameters.sizes()) - numbers.len());
        numbers.extend(decode::<T>(&sum.chunk.data));
    }

    fn update(&mut self, iteration: Iteration) -> Computed {
        let kept = std::mem::take(&mut self.kept);
        let cost = self.apply(&kept);
        self.spare = kept.into_values().collect();
        self.spare.iter_mut().for_each(Vec::clear);
        let parameters = encode(self.descent.parameters.values().to_vec());
        Computed {
            iteration,
            cost: cost.to_f64(),
            parameters,
        }
    }

    fn compute_here(&mut self, iteration: Iteration) -> Computed {
        let root = self.descent.tree.root();
        let batch = self
            .descent
            .batch
            .as_ref()
            .expect("a run without workers holds its batch");
        let sums = batch.node_sums(&self.descent.parameters, &[root]);
        let kept = sums.into_iter().map(|sum| (root, sum.into_values())).collect();
        let cost = self.apply(&kept);
        Computed {
            iteration,
            cost: cost.to_f64(),
            parameters: Bytes::new(),
        }
    }

    /// Joins the nodes' sums along the tree, multiplies dW_1 by the scale, divides by m, and updates, in parallel over
    /// ranges of parameters. Returns the cost.
    fn apply(&mut self, kept: &BTreeMap<LeafRange, Vec<T>>) -> T {
        let Descent {
            parameters,
            tree,
            scale,
            learning_rate,
            ..
        } = &mut self.descent;
        let (tree, scale, learning_rate) = (&*tree, T::from_f64(*scale), T::from_f64(*learning_rate));
        let m = T::from_i64(tree.items() as i64);
        let scaled = parameters.sizes().weights(1);
        let loss = parameters.sizes().parameters();
        let tasks = parameters.values_mut().par_chunks_mut(TASK_NUMBERS).enumerate();
        tasks.for_each_init(Vec::new, |levels, (task, values)| {
            let first = task * TASK_NUMBERS;
            let sums = join(tree, tree.root(), kept, first..first + values.len(), levels);
            for ((index, value), &sum) in (first..).zip(values).zip(&sums) {
                let scale = if scaled.contains(&index) { scale } else { T::ONE };
                *value = step(*value, mean(sum, scale, m), learning_rate);
            }
            levels.push(sums);
        });
        join(tree, tree.root(), kept, loss..loss + 1, &mut Vec::new())[0] / m
    }
}

/// The sums of `node` for a range of numbers: as it was kept, or left + right. Buffers are taken from and returned to
/// `spare`.
fn join<T: Real>(
    tree: &Tree,
    node: LeafRange,
    kept: &BTreeMap<LeafRange, Vec<T>>,
    range: std::ops::Range<usize>,
    spare: &mut Vec<Vec<T>>,
) -> Vec<T> {
    if let Some(numbers) = kept.get(&node) {
        let mut sums = spare.pop().unwrap_or_default();
        sums.clear();
        sums.extend_from_slice(&numbers[range]);
        return sums;
    }
    let (left, right) = tree.halves(node).expect("the kept nodes cover every block");
    let mut sums = join(tree, left, kept, range.clone(), spare);
    let right = join(tree, right, kept, range, spare);
    for (left, &right) in sums.iter_mut().zip(&right) {
        *left = *left + right;
    }
    spare.push(right);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared::element::Values;
    use shared::reference::{Batch, node_sum, train};
    use shared::{BlockColumns, Columns, Initialisation, LayerSizes};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_split_and_order_of_arrival_gives_the_oracles_bits(
            m in 1_usize..80, cuts in prop::collection::vec(0_usize..10, 0..5), seed in any::<u32>(), reverse in any::<bool>(),
        ) {
            let sizes = LayerSizes::new(vec![700, 13, 1]).unwrap();
            let tree = Tree::over_batch(m, BlockColumns::new(8).unwrap()).unwrap();
            let x = Columns::new(700, Values::U8((0..700 * m).map(|i| (i * 31 % 256) as u8).collect())).unwrap();
            let labels: Vec<u8> = (0..m).map(|j| (j % 2) as u8).collect();
            let (scale, learning_rate) = (1.0 / 255.0, 0.05);
            let parameters = Initialisation::Scaled.parameters::<f64>(&sizes, seed);
            let batch = Batch { x: &x, labels: &labels, scale, tree: &tree };

            let mut bounds: Vec<u32> = cuts.iter().map(|cut| (cut % tree.leaves()) as u32).collect();
            bounds.extend([0, tree.leaves() as u32]);
            bounds.sort_unstable();
            let shards = bounds.windows(2).filter_map(|pair| LeafRange::new(pair[0], pair[1]));
            let mut nodes: Vec<_> = shards.flat_map(|shard| tree.maximal_nodes(shard)).collect();
            if reverse {
                nodes.reverse();
            }
            let descent = Descent { parameters: parameters.clone(), tree: tree.clone(), scale, learning_rate, batch: None };
            let mut trainer = Trainer { descent, kept: BTreeMap::new(), spare: Vec::new() };
            for node in nodes {
                let sums = encode(node_sum(&parameters, batch, node).into_values());
                for chunk in proto::tensor::chunks(&sums, 8) {
                    trainer.keep(&SumChunk { iteration: Iteration(0), node, chunk });
                }
            }
            let computed = trainer.update(Iteration(0));
            let mut expected = parameters;
            let costs = train(&mut expected, batch, learning_rate, 1);
            prop_assert_eq!(computed.cost, costs[0]);
            prop_assert_eq!(trainer.descent.parameters.digest(), expected.digest());
            let sent: Vec<f64> = decode(&computed.parameters).collect();
            prop_assert_eq!(sent.as_slice(), expected.values());
        }
    }
}
