//! The worker's arithmetic, on a thread of its own that leads a pool of threads.
//!
//! ```text
//!   run.rs ── Order ──▶ thread: lay columns out, or sums of nodes by rayon over blocks ── Outcome ──▶ run.rs
//! ```

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::mpsc;

use bytes::Bytes;
use proto::Run;
use proto::kept::Kept;
use proto::tensor::Pool;
use shared::element::Element;
use shared::ids::Iteration;
use shared::shard::{GradientOf, ShardError};
use shared::threads::lead_pool;
use shared::update::UpdateRule;
use shared::with_element_type;
use shared::{
    AnyParameters, BlockSet, Columns, ElementType, GradientSum, LeafRange, Parameters, Precision, Real, Shard, Tree,
};
use tokio::sync::mpsc as async_mpsc;

use crate::session::Shipment;
use crate::under_way::Weight;

/// An order, and the membership that gave it. What comes of it is of use to that membership alone.
pub type Ordered = (Membership, Order);

/// The number of a worker's membership, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Membership(pub u64);

/// What the compute thread is to do.
#[derive(Debug)]
pub enum Order {
    /// Prepare for a run, and forget all columns of an earlier one.
    Start(Box<Run>),
    /// Forget all blocks but these.
    Retain(BlockSet),
    /// Lay columns out.
    Hold(Box<Shipment>),
    /// Compute at these parameters from now on.
    Parameters(AnyParameters),
    /// Compute from now on at the parameters that an update by these sums over the whole batch makes.
    Gradient(Kept<f32>),
    /// Compute the sums of these nodes.
    Compute(Iteration, Vec<LeafRange>),
}

/// An order that was carried out.
#[derive(Debug)]
pub struct Done {
    /// The membership that gave it.
    pub membership: Membership,
    /// What it counted as.
    pub weight: Weight,
    /// What came of it, if anything.
    pub outcome: Option<Outcome>,
}

/// What comes of an order.
#[derive(Debug)]
pub enum Outcome {
    /// Columns are laid out.
    Held,
    /// The columns cannot be laid out.
    Refused(ShardError),
    /// Numbers that are no longer needed; their memory is.
    Spare(Spare),
    /// The sums of every node that was asked for, encoded for the wire.
    Sums {
        /// The iteration.
        iteration: Iteration,
        /// Each node with its numbers.
        nodes: Vec<(LeafRange, Bytes)>,
        /// Bytes of one number.
        number_bytes: usize,
    },
}

/// Memory of numbers that are no longer needed.
#[derive(Debug)]
pub enum Spare {
    /// Of parameters.
    Parameters(AnyParameters),
    /// Of a gradient.
    Gradient(Vec<f32>),
}

/// Starts the thread, with a pool of `threads`. It ends when the orders end.
///
/// # Errors
///
/// If the system does not give us the threads.
pub fn start(
    threads: NonZeroUsize,
    outcomes: async_mpsc::UnboundedSender<Done>,
) -> std::io::Result<mpsc::Sender<Ordered>> {
    let (orders, inbox) = mpsc::channel::<Ordered>();
    let work = move |pool: rayon::ThreadPool| {
        let mut bench = Workbench::default();
        while let Ok((membership, order)) = inbox.recv() {
            let weight = order.weight();
            let outcome = pool.install(|| bench.perform(order));
            let done = Done {
                membership,
                weight,
                outcome,
            };
            if outcomes.send(done).is_err() {
                break;
            }
        }
    };
    lead_pool("compute", threads.get(), work)?;
    Ok(orders)
}

/// What the compute thread works at: the columns that are held, and the parameters.
#[derive(Default)]
pub struct Workbench(Option<Held>);

impl Workbench {
    /// Carries out an order, on rayon's current threads. `None` if nothing comes of it.
    pub fn perform(&mut self, order: Order) -> Option<Outcome> {
        match (order, &mut self.0) {
            (Order::Start(run), held) => {
                // What was held makes room first.
                *held = None;
                *held = Some(Held::new(&run));
                None
            }
            (Order::Retain(blocks), Some(held)) => {
                held.retain(&blocks);
                None
            }
            (Order::Hold(shipment), Some(held)) => Some(match held.hold(&shipment) {
                Ok(()) => Outcome::Held,
                Err(error) => Outcome::Refused(error),
            }),
            (Order::Parameters(parameters), Some(held)) => {
                Some(Outcome::Spare(Spare::Parameters(held.replace(parameters))))
            }
            (Order::Gradient(gradient), Some(held)) => {
                held.update(&gradient);
                Some(Outcome::Spare(Spare::Gradient(gradient.into_memory())))
            }
            (Order::Compute(iteration, nodes), Some(held)) => Some(held.sums(iteration, nodes)),
            // The session asks for nothing before it has joined a run.
            (_, None) => None,
        }
    }
}

impl fmt::Debug for Workbench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workbench").finish_non_exhaustive()
    }
}

/// What is held of a run, in the precision of the run.
enum Held {
    F64(HeldShard<f64, f64>),
    Mixed(HeldShard<f64, f32>),
    F32(HeldShard<f32, f32>),
}

/// What is held of a run whose parameters are in `C` and whose sums are in `G`.
struct HeldShard<C, G> {
    tree: Tree,
    element_type: ElementType,
    shard: Shard<C, G>,
    parameters: Parameters<C>,
    rule: UpdateRule<C>,
    /// Memory of sums.
    pool: Pool<G>,
}

impl Held {
    fn new(run: &Run) -> Self {
        match run.precision {
            Precision::F64 => Self::F64(HeldShard::new(run)),
            Precision::Mixed => Self::Mixed(HeldShard::new(run)),
            Precision::F32 => Self::F32(HeldShard::new(run)),
        }
    }

    fn retain(&mut self, blocks: &BlockSet) {
        match self {
            Self::F64(held) => held.shard.retain(blocks),
            Self::Mixed(held) => held.shard.retain(blocks),
            Self::F32(held) => held.shard.retain(blocks),
        }
    }

    fn hold(&mut self, shipment: &Shipment) -> Result<(), ShardError> {
        match self {
            Self::F64(held) => held.hold(shipment),
            Self::Mixed(held) => held.hold(shipment),
            Self::F32(held) => held.hold(shipment),
        }
    }

    /// Takes new parameters and gives the old ones back.
    fn replace(&mut self, parameters: AnyParameters) -> AnyParameters {
        match (self, parameters) {
            (
                Self::F64(HeldShard { parameters, .. }) | Self::Mixed(HeldShard { parameters, .. }),
                AnyParameters::F64(new),
            ) => std::mem::replace(parameters, new).into(),
            (Self::F32(held), AnyParameters::F32(new)) => std::mem::replace(&mut held.parameters, new).into(),
            (_, other) => unreachable!("parameters are made for the run, not in {}", other.real_type()),
        }
    }

    /// Updates the parameters. Only in a mixed run are there gradients; the session has checked that.
    fn update(&mut self, gradient: &Kept<f32>) {
        match self {
            Self::Mixed(held) => {
                let sums = |range| gradient.task(range);
                held.rule.apply_in_parallel(held.parameters.values_mut(), sums)
            }
            Self::F64(_) | Self::F32(_) => unreachable!("no gradient is broadcast in such a run"),
        };
    }

    fn sums(&mut self, iteration: Iteration, nodes: Vec<LeafRange>) -> Outcome {
        match self {
            Self::F64(held) => held.sums(iteration, nodes),
            Self::Mixed(held) => held.sums(iteration, nodes),
            Self::F32(held) => held.sums(iteration, nodes),
        }
    }
}

impl<C: Real, G: Real + GradientOf<C>> HeldShard<C, G> {
    fn new(run: &Run) -> Self {
        Self {
            tree: run.tree.clone(),
            element_type: run.element_type,
            shard: Shard::empty(&run.tree, &run.sizes, run.element_type, run.scale),
            parameters: Parameters::zeros(run.sizes.clone()),
            rule: UpdateRule::new(&run.sizes, run.scale, run.tree.items(), run.learning_rate),
            pool: Pool::default(),
        }
    }

    fn hold(&mut self, shipment: &Shipment) -> Result<(), ShardError> {
        let features = self.parameters.sizes().features();
        let labels = shipment.labels.numbers::<u8>();
        let columns = with_element_type!(self.element_type, |E| {
            let numbers = shipment.columns.numbers::<E>();
            Columns::new(features, E::wrap(numbers)).expect("the shipment has whole columns")
        });
        if let [only] = shipment.blocks.ranges() {
            return self.shard.insert(*only, &columns, &labels);
        }
        let mut first = 0;
        for &range in shipment.blocks.ranges() {
            let own = first..first + self.tree.items_of(range).len();
            first = own.end;
            self.shard.insert(range, &columns.slice(own.clone()), &labels[own])?;
        }
        Ok(())
    }

    fn sums(&mut self, iteration: Iteration, nodes: Vec<LeafRange>) -> Outcome {
        let memory = || GradientSum::in_memory(self.parameters.sizes().clone(), self.pool.take());
        let mut sums: Vec<_> = nodes.iter().map(|_| memory()).collect();
        self.shard.node_sums_into(&self.parameters, &nodes, &mut sums);
        let encoded = sums.into_iter().map(|sum| self.pool.encode(sum.into_values()));
        Outcome::Sums {
            iteration,
            nodes: nodes.into_iter().zip(encoded).collect(),
            number_bytes: G::REAL_TYPE.bytes(),
        }
    }
}
