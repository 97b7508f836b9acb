//! The coordinator's arithmetic: completing the tree, dividing, updating. It runs on a thread of its own, so that the
//! shell is never blocked by it.
//!
//! ```text
//!   run.rs ── Order ──▶ thread: keep the nodes' sums ─▶ join along the tree ─▶ · scale / m ─▶ update ── Computed ──▶ run.rs
//! ```

mod apply;
mod current;
mod settle;

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use proto::SumChunk;
use proto::kept::Kept;
use proto::tensor::Pool;
use shared::dataset::DatasetError;
use shared::ids::{Iteration, WorkerId};
use shared::shard::GradientOf;
use shared::threads::lead_pool;
use shared::update::UpdateRule;
use shared::{AnyParameters, Dataset, GradientSum, LayerSizes, LeafRange, Parameters, Real, Shard, Tree};
use tokio::sync::mpsc as async_mpsc;

use crate::engine::{NodeAnswers, WrongSums};
use current::Current;

/// What the compute thread is to do.
#[derive(Debug)]
enum Order {
    /// Keep part of a node's sums.
    Keep(WorkerId, SumChunk),
    /// Complete the tree from these nodes' sums, and update.
    Update(Iteration, Vec<NodeAnswers>),
    /// Compute all sums here, and update.
    ComputeHere(Iteration),
    /// Give the parameters as they are now.
    Snapshot,
}

/// What the compute thread has done.
#[derive(Debug)]
pub enum Computed {
    /// An update.
    Updated(Updated),
    /// The parameters as they were when they were asked for, encoded.
    Snapshot(Bytes),
    /// Columns that were needed to tell right sums from wrong ones cannot be read.
    Unreadable(DatasetError),
}

/// The parameters after an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The iteration whose gradient was applied.
    pub iteration: Iteration,
    /// J at the parameters before the update.
    pub cost: f64,
    /// The parameters after it, encoded for the wire; empty if there are no workers to send them to.
    pub parameters: Bytes,
    /// The sums over the batch by which it was made, encoded for the wire without the loss; empty unless the run is mixed
    /// and has workers.
    pub gradient: Bytes,
    /// Sums that were not right, and were replaced.
    pub wrong: Vec<WrongSums>,
}

/// A run's descent: its parameters are in `C`, its sums in `G`. The run is mixed if these are different types.
#[derive(Debug)]
pub struct Descent<C, G> {
    /// W and b.
    pub parameters: Parameters<C>,
    /// The blocks of the batch.
    pub tree: Tree,
    /// The factor of every number in X.
    pub scale: f64,
    /// α.
    pub learning_rate: f64,
    /// Where the sums come from.
    pub source: SumSource<C, G>,
    /// The same parameters, encoded for the workers; empty if there are none.
    pub encoded: Bytes,
}

/// Where the sums come from.
#[derive(Debug)]
pub enum SumSource<C, G> {
    /// The whole batch is held here.
    Here(Shard<C, G>),
    /// Workers send them; where they differ, columns of this data set decide.
    Workers(Arc<Dataset>),
}

/// The compute thread.
#[derive(Debug)]
pub struct Compute {
    orders: mpsc::Sender<Order>,
    thread: thread::JoinHandle<Option<AnyParameters>>,
}

impl Compute {
    /// Starts the thread. What it computes comes back through `results`; rayon's work is done on `threads` threads.
    ///
    /// # Errors
    ///
    /// If the system does not give us the threads.
    pub fn start<C, G>(
        descent: Descent<C, G>,
        threads: usize,
        results: async_mpsc::UnboundedSender<Computed>,
    ) -> std::io::Result<Self>
    where
        C: Real,
        G: Real + GradientOf<C>,
        AnyParameters: From<Parameters<C>>,
    {
        let (orders, inbox) = mpsc::channel();
        let work = move |pool: rayon::ThreadPool| {
            let mut trainer = Trainer::new(descent);
            while let Ok(order) = inbox.recv() {
                let computed = match order {
                    Order::Keep(worker, sum) => {
                        trainer.keep(worker, &sum);
                        continue;
                    }
                    Order::Update(iteration, sums) => match pool.install(|| trainer.update(iteration, sums)) {
                        Ok(updated) => Computed::Updated(updated),
                        Err(error) => Computed::Unreadable(error),
                    },
                    Order::ComputeHere(iteration) => {
                        Computed::Updated(pool.install(|| trainer.compute_here(iteration)))
                    }
                    Order::Snapshot => Computed::Snapshot(trainer.snapshot()),
                };
                if results.send(computed).is_err() {
                    break;
                }
            }
            AnyParameters::from(trainer.into_parameters())
        };
        let thread = lead_pool("compute", threads, work)?;
        Ok(Self { orders, thread })
    }

    /// Keeps part of a node's sums. The engine has checked that it continues that node.
    pub fn keep(&self, worker: WorkerId, sum: SumChunk) {
        self.order(Order::Keep(worker, sum));
    }

    /// Completes the tree from these nodes, which together must cover every block once and have been kept, and updates.
    pub fn update(&self, iteration: Iteration, sums: Vec<NodeAnswers>) {
        self.order(Order::Update(iteration, sums));
    }

    /// Computes all sums of the batch that is held here, and updates.
    pub fn compute_here(&self, iteration: Iteration) {
        self.order(Order::ComputeHere(iteration));
    }

    /// Gives the parameters as they are after all that was ordered before.
    pub fn snapshot(&self) {
        self.order(Order::Snapshot);
    }

    fn order(&self, order: Order) {
        // The thread ends before its orders do only if it panicked; `finish` passes the panic on.
        let _ = self.orders.send(order);
    }

    /// Ends the thread after its last order and returns the parameters.
    pub fn finish(self) -> AnyParameters {
        drop(self.orders);
        let parameters = self
            .thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        parameters.expect("a thread that was started has worked")
    }
}

/// The work of the compute thread, one order at a time: it keeps the sums that arrive, joins them and updates.
#[derive(Debug)]
pub struct Trainer<C, G> {
    sizes: LayerSizes,
    tree: Tree,
    scale: f64,
    source: SumSource<C, G>,
    rule: UpdateRule<C>,
    current: Current<C>,
    /// The sums of this iteration by node and worker, as far as they have arrived.
    kept: BTreeMap<(LeafRange, WorkerId), Kept<G>>,
    /// Memory of the last iteration's sums, to be used again.
    spare: Vec<Vec<G>>,
    /// Memory of parameters that were sent.
    pool: Pool<C>,
    /// Memory of gradients that were sent.
    gradients: Pool<G>,
}

impl<C: Real, G: Real + GradientOf<C>> Trainer<C, G> {
    /// A descent of which this process has made no update yet.
    pub fn new(descent: Descent<C, G>) -> Self {
        let Descent {
            parameters,
            tree,
            scale,
            learning_rate,
            source,
            encoded,
        } = descent;
        let sizes = parameters.sizes().clone();
        Self {
            rule: UpdateRule::new(&sizes, scale, tree.items(), learning_rate),
            current: match source {
                SumSource::Here(_) => Current::Own(parameters),
                SumSource::Workers(_) => Current::sent(encoded),
            },
            sizes,
            tree,
            scale,
            source,
            kept: BTreeMap::new(),
            spare: Vec::new(),
            pool: Pool::default(),
            gradients: Pool::default(),
        }
    }

    /// W and b after the last update.
    pub fn into_parameters(self) -> Parameters<C> {
        self.current.parameters(&self.sizes)
    }

    /// As [`Compute::keep`].
    pub fn keep(&mut self, worker: WorkerId, sum: &SumChunk) {
        let kept = self
            .kept
            .entry((sum.node, worker))
            .or_insert_with(|| Kept::of(self.spare.pop().unwrap_or_default()));
        kept.take(&sum.chunk, GradientSum::<G>::len_for(&self.sizes));
    }

    /// As [`Compute::update`], in parallel on rayon's current threads.
    ///
    /// # Errors
    ///
    /// [`DatasetError`] if answers differ, and the columns that decide between them cannot be read.
    ///
    /// # Panics
    ///
    /// If the nodes do not cover every block once, or were not all kept.
    pub fn update(&mut self, iteration: Iteration, answers: Vec<NodeAnswers>) -> Result<Updated, DatasetError> {
        let mut wrong = Vec::new();
        let mut sums = self.compare(&answers, &mut wrong)?;
        let mut applied = self.apply(&sums);
        if !(applied.finite && applied.cost.is_finite()) {
            // Either the descent diverges, or somebody's numbers are wrong. Only what is computed here can tell.
            self.current.restore();
            self.replace_if_wrong(&mut sums, &answers, &mut wrong)?;
            applied = self.apply(&sums);
        }
        let kept = std::mem::take(&mut self.kept);
        let used = sums.into_values().chain(kept.into_values());
        self.spare.extend(used.map(Kept::into_memory));
        Ok(Updated {
            iteration,
            cost: applied.cost.to_f64(),
            parameters: self.current.encoded(),
            gradient: applied.gradient,
            wrong,
        })
    }

    fn compute_here(&mut self, iteration: Iteration) -> Updated {
        let root = self.tree.root();
        let (SumSource::Here(batch), Current::Own(parameters)) = (&mut self.source, &self.current) else {
            unreachable!("the engine asks for this only in runs without workers");
        };
        let memory = self.spare.pop().unwrap_or_default();
        let mut sums = [GradientSum::in_memory(parameters.sizes().clone(), memory)];
        batch.node_sums_into(parameters, &[root], &mut sums);
        let sums: BTreeMap<_, _> = sums
            .into_iter()
            .map(|sum| (root, Kept::of(sum.into_values())))
            .collect();
        let applied = self.apply(&sums);
        self.spare.extend(sums.into_values().map(Kept::into_memory));
        Updated {
            iteration,
            cost: applied.cost.to_f64(),
            parameters: Bytes::new(),
            gradient: Bytes::new(),
            wrong: Vec::new(),
        }
    }

    /// The parameters after the last update, encoded.
    pub fn snapshot(&self) -> Bytes {
        match &self.current {
            Current::Own(parameters) => self.pool.encode(parameters.values().to_vec()),
            Current::Sent { .. } => self.current.encoded(),
        }
    }
}

#[cfg(test)]
mod tests;
