//! The worker's arithmetic, on a thread of its own that leads a pool of threads.
//!
//! ```text
//!   run.rs ── Order ──▶ thread: lay columns out, or sums of nodes by rayon over blocks ── Outcome ──▶ run.rs
//! ```

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::mpsc;

use bytes::Bytes;
use proto::tensor::{Pool, decode_to};
use proto::{Run, TensorChunk};
use shared::element::Element;
use shared::ids::Iteration;
use shared::shard::ShardError;
use shared::threads::lead_pool;
use shared::with_element_type;
use shared::{
    AnyParameters, BlockSet, Columns, ElementType, GradientSum, LeafRange, Parameters, Precision, Real, Shard, Tree,
};
use tokio::sync::mpsc as async_mpsc;

use crate::session::Shipment;

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
    /// Compute the sums of these nodes.
    Compute(Iteration, Vec<LeafRange>),
}

/// What the compute thread has done.
#[derive(Debug)]
pub enum Outcome {
    /// Columns are laid out.
    Held,
    /// The columns cannot be laid out.
    Refused(ShardError),
    /// Parameters that are no longer needed; their memory is.
    Spare(AnyParameters),
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

/// Writes a chunk of parameters to its place. The session has checked that it has one.
pub fn store(chunk: &TensorChunk, parameters: &mut AnyParameters) {
    fn write<T: Real>(chunk: &TensorChunk, values: &mut [T]) {
        let first = chunk.offset as usize;
        let numbers = chunk.data.len() / size_of::<T>();
        decode_to(&chunk.data, &mut values[first..first + numbers]);
    }
    match parameters {
        AnyParameters::F64(parameters) => write(chunk, parameters.values_mut()),
        AnyParameters::F32(parameters) => write(chunk, parameters.values_mut()),
    }
}

/// Starts the thread, with a pool of `threads`. It ends when the orders end.
///
/// # Errors
///
/// If the system does not give us the threads.
pub fn start(
    threads: NonZeroUsize,
    outcomes: async_mpsc::UnboundedSender<(Membership, Outcome)>,
) -> std::io::Result<mpsc::Sender<Ordered>> {
    let (orders, inbox) = mpsc::channel();
    let work = move |pool: rayon::ThreadPool| {
        let mut bench = Workbench::default();
        while let Ok((membership, order)) = inbox.recv() {
            let Some(outcome) = pool.install(|| bench.perform(order)) else {
                continue;
            };
            if outcomes.send((membership, outcome)).is_err() {
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
            (Order::Parameters(parameters), Some(held)) => Some(Outcome::Spare(held.replace(parameters))),
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
    F64(HeldShard<f64>),
    F32(HeldShard<f32>),
}

struct HeldShard<T> {
    tree: Tree,
    element_type: ElementType,
    shard: Shard<T>,
    parameters: Parameters<T>,
    /// Memory of sums.
    pool: Pool<T>,
}

impl Held {
    fn new(run: &Run) -> Self {
        match run.precision {
            Precision::F64 => Self::F64(HeldShard::new(run)),
            Precision::F32 => Self::F32(HeldShard::new(run)),
        }
    }

    fn retain(&mut self, blocks: &BlockSet) {
        match self {
            Self::F64(held) => held.shard.retain(blocks),
            Self::F32(held) => held.shard.retain(blocks),
        }
    }

    fn hold(&mut self, shipment: &Shipment) -> Result<(), ShardError> {
        match self {
            Self::F64(held) => held.hold(shipment),
            Self::F32(held) => held.hold(shipment),
        }
    }

    /// Takes new parameters and gives the old ones back.
    fn replace(&mut self, parameters: AnyParameters) -> AnyParameters {
        match (self, parameters) {
            (Self::F64(held), AnyParameters::F64(new)) => std::mem::replace(&mut held.parameters, new).into(),
            (Self::F32(held), AnyParameters::F32(new)) => std::mem::replace(&mut held.parameters, new).into(),
            (_, other) => unreachable!("parameters are made for the run, not in {}", other.precision()),
        }
    }

    fn sums(&mut self, iteration: Iteration, nodes: Vec<LeafRange>) -> Outcome {
        match self {
            Self::F64(held) => held.sums(iteration, nodes),
            Self::F32(held) => held.sums(iteration, nodes),
        }
    }
}

impl<T: Real> HeldShard<T> {
    fn new(run: &Run) -> Self {
        Self {
            tree: run.tree.clone(),
            element_type: run.element_type,
            shard: Shard::empty(&run.tree, &run.sizes, run.element_type, run.scale),
            parameters: Parameters::zeros(run.sizes.clone()),
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
            number_bytes: T::PRECISION.bytes(),
        }
    }
}
