//! The worker's arithmetic, on a thread of its own that leads a pool of threads.
//!
//! ```text
//!   run.rs ── Order ──▶ thread: lay the shard out, or sums of its nodes by rayon over blocks ── Outcome ──▶ run.rs
//! ```

use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use proto::tensor::{Inbox, encode};
use shared::element::Element;
use shared::ids::Iteration;
use shared::shard::ShardError;
use shared::{Columns, LeafRange, Parameters, Precision, Real, Shard, with_element_type};
use tokio::sync::mpsc as async_mpsc;

use crate::session::Shipment;

/// What the compute thread is to do.
#[derive(Debug)]
pub enum Order {
    /// Lay out a shard.
    Hold(Box<Shipment>),
    /// Compute the sums of the shard's nodes at these parameters.
    Compute(Iteration, Inbox),
}

/// What the compute thread has done.
#[derive(Debug)]
pub enum Outcome {
    /// The shard is laid out.
    Held,
    /// The shard cannot be laid out.
    Refused(ShardError),
    /// The sums of every node of the shard, encoded for the wire.
    Sums {
        /// The iteration.
        iteration: Iteration,
        /// Each node with its numbers.
        nodes: Vec<(LeafRange, Bytes)>,
        /// Bytes of one number.
        number_bytes: usize,
    },
}

/// Starts the thread, with a pool of `threads`. It ends when the orders end.
///
/// # Errors
///
/// If the system does not give us the threads.
pub fn start(
    threads: NonZeroUsize,
    outcomes: async_mpsc::UnboundedSender<Outcome>,
) -> std::io::Result<mpsc::Sender<Order>> {
    let (orders, inbox) = mpsc::channel();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build()
        .map_err(std::io::Error::other)?;
    let work = move || {
        let mut held: Option<Box<dyn Work>> = None;
        while let Ok(order) = inbox.recv() {
            let outcome = match (order, &mut held) {
                (Order::Hold(shipment), held) => match hold(&shipment) {
                    Ok(work) => {
                        *held = Some(work);
                        Outcome::Held
                    }
                    Err(error) => Outcome::Refused(error),
                },
                (Order::Compute(iteration, parameters), Some(work)) => {
                    pool.install(|| work.sums(iteration, &parameters))
                }
                // The session asks for sums only after `Held`.
                (Order::Compute(..), None) => continue,
            };
            if outcomes.send(outcome).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().name("compute".to_owned()).spawn(work)?;
    Ok(orders)
}

/// A shard whose precision is known only where it was made.
trait Work: Send {
    fn sums(&mut self, iteration: Iteration, parameters: &Inbox) -> Outcome;
}

struct HeldShard<T> {
    shard: Shard<T>,
    nodes: Vec<LeafRange>,
    /// Those of the iteration under way.
    parameters: Parameters<T>,
}

fn hold(shipment: &Shipment) -> Result<Box<dyn Work>, ShardError> {
    match shipment.run.precision {
        Precision::F64 => hold_in::<f64>(shipment),
        Precision::F32 => hold_in::<f32>(shipment),
    }
}

fn hold_in<T: Real>(shipment: &Shipment) -> Result<Box<dyn Work>, ShardError> {
    let Shipment {
        run,
        blocks,
        columns,
        labels,
    } = shipment;
    let features = run.sizes.features();
    let values = with_element_type!(run.element_type, |E| E::wrap(columns.numbers::<E>()));
    let x = Columns::new(features, values).expect("the shipment has whole columns");
    let shard = Shard::new(&run.tree, *blocks, &x, &labels.numbers::<u8>(), run.scale)?;
    let nodes = run.tree.maximal_nodes(*blocks);
    Ok(Box::new(HeldShard::<T> {
        shard,
        nodes,
        parameters: Parameters::zeros(run.sizes.clone()),
    }))
}

impl<T: Real> Work for HeldShard<T> {
    fn sums(&mut self, iteration: Iteration, parameters: &Inbox) -> Outcome {
        parameters.copy_to(self.parameters.values_mut());
        let sums = self.shard.node_sums(&self.parameters, &self.nodes);
        let nodes = self
            .nodes
            .iter()
            .copied()
            .zip(sums.into_iter().map(|sum| encode(sum.into_values())))
            .collect();
        Outcome::Sums {
            iteration,
            nodes,
            number_bytes: T::PRECISION.bytes(),
        }
    }
}
