//! The shell of a worker: it turns what arrives into events, asks the session, and performs the session's actions.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::mpsc as sync_mpsc;

use bytes::Bytes;
use proto::tensor::chunks;
use proto::{Dismissal, FromWorker, Hello, Reason, Run, SumChunk};
use shared::ids::Iteration;
use shared::shard::ShardError;
use shared::{Digest, LeafRange};
use tokio::sync::mpsc;

use crate::compute::{self, Order, Outcome};
use crate::rpc::{self, ConnectError, Connection, Outgoing, StreamEnd};
use crate::session::{Action, Event, Misconduct, Session};

/// How often a worker says how many iterations it has done.
const REPORT_EVERY: u64 = 100;

/// Why a worker's work ended before the run was complete.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// There is no coordinator.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system does not give us threads.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
    /// The coordinator dismissed this worker.
    #[error("the coordinator dismissed this worker: {0}")]
    Dismissed(Dismissal),
    /// The stream ended.
    #[error("lost the coordinator at {address} after {iterations} iterations: {reason}")]
    Lost {
        /// Its address.
        address: String,
        /// Iterations done.
        iterations: u64,
        /// What was seen.
        reason: StreamEnd,
    },
    /// The coordinator sent something that it should not have sent.
    #[error("the coordinator sent something impossible: {0}")]
    Misconduct(#[from] Misconduct),
    /// The shard cannot be used.
    #[error("the coordinator sent an impossible shard: {0}")]
    Shard(#[from] ShardError),
    /// The user, or the process that started the worker, ended it.
    #[error("stopped")]
    Stopped,
}

impl WorkError {
    /// How it may be mended.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Connect(error) => Some(error.hint()),
            Self::Dismissed(Dismissal {
                reason: Reason::ProtocolVersion,
                ..
            }) => Some("use coordinator and worker of the same version".to_owned()),
            _ => None,
        }
    }

    /// The program's exit code: 1 if the work never began, 2 if it broke off.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Connect(_) | Self::Threads(_) => 1,
            Self::Dismissed(Dismissal {
                reason: Reason::ProtocolVersion | Reason::RunIsFull,
                ..
            }) => 1,
            _ => 2,
        }
    }
}

/// Works for the coordinator at `address`, a host and a port, until the run is complete.
///
/// # Errors
///
/// [`WorkError`] if the work ends before.
pub async fn run(
    address: &str,
    name: String,
    threads: NonZeroUsize,
    shutdown: impl Future<Output = ()>,
) -> Result<(), WorkError> {
    let (outcomes_sender, mut outcomes) = mpsc::unbounded_channel();
    let orders = compute::start(threads, outcomes_sender).map_err(WorkError::Threads)?;
    let hello = Hello {
        name,
        threads: u32::try_from(threads.get()).unwrap_or(u32::MAX),
    };
    let Connection { mut incoming, outgoing } = rpc::connect(address, hello).await?;
    let mut shell = Shell {
        orders,
        sends: start_sending(outgoing),
        iterations: 0,
    };
    let mut session = Session::default();
    tokio::pin!(shutdown);
    loop {
        let event = tokio::select! {
            message = rpc::next(&mut incoming) => match message {
                Ok(message) => Event::Message(message),
                Err(reason) => {
                    let iterations = shell.iterations;
                    return Err(WorkError::Lost { address: address.to_owned(), iterations, reason });
                }
            },
            Some(outcome) = outcomes.recv() => match outcome {
                Outcome::Held => Event::Held,
                Outcome::Refused(error) => return Err(error.into()),
                Outcome::Sums { iteration, nodes, number_bytes } => {
                    shell.send_sums(iteration, nodes, number_bytes);
                    continue;
                }
            },
            () = &mut shutdown => return Err(WorkError::Stopped),
        };
        for action in session.handle(event)? {
            if let Some(end) = shell.perform(action) {
                return end;
            }
        }
    }
}

/// What is queued for the coordinator.
#[derive(Debug)]
enum Send {
    Message(FromWorker),
    Sums {
        iteration: Iteration,
        node: LeafRange,
        sums: Bytes,
        number_bytes: usize,
    },
}

/// Sends what is queued, cut into chunks, until the coordinator is gone or the queue is dropped.
fn start_sending(outgoing: Outgoing) -> mpsc::UnboundedSender<Send> {
    let (sender, mut queue) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(send) = queue.recv().await {
            match send {
                Send::Message(message) => {
                    if outgoing.send(message).await.is_err() {
                        return;
                    }
                }
                Send::Sums {
                    iteration,
                    node,
                    sums,
                    number_bytes,
                } => {
                    for chunk in chunks(&sums, number_bytes) {
                        let message = FromWorker::Sum(SumChunk { iteration, node, chunk });
                        if outgoing.send(message).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    });
    sender
}

/// What the actions are performed with.
struct Shell {
    orders: sync_mpsc::Sender<Order>,
    sends: mpsc::UnboundedSender<Send>,
    /// Iterations done.
    iterations: u64,
}

impl Shell {
    /// Performs an action; the result of the one that ends the work is its end.
    fn perform(&mut self, action: Action) -> Option<Result<(), WorkError>> {
        match action {
            Action::Send(message) => self.send(Send::Message(message)),
            Action::ReportJoined(worker, run) => report_joined(worker, &run),
            Action::ReportIdle => {
                tracing::warn!("the batch has fewer blocks than the run has workers: nothing to do for this one");
            }
            Action::Hold(shipment) => {
                let columns = shipment.run.tree.items_of(shipment.blocks);
                tracing::info!(
                    "holds columns {}..{} (blocks {})",
                    columns.start,
                    columns.end,
                    shipment.blocks
                );
                self.order(Order::Hold(shipment));
            }
            Action::Compute(iteration, parameters) => self.order(Order::Compute(iteration, parameters)),
            Action::Finish { iterations, digest } => {
                report_finished(iterations, digest);
                return Some(Ok(()));
            }
            Action::Leave(dismissal) => return Some(Err(WorkError::Dismissed(dismissal))),
        }
        None
    }

    fn send_sums(&mut self, iteration: Iteration, nodes: Vec<(LeafRange, Bytes)>, number_bytes: usize) {
        for (node, sums) in nodes {
            self.send(Send::Sums {
                iteration,
                node,
                sums,
                number_bytes,
            });
        }
        self.iterations = iteration.0 + 1;
        if self.iterations.is_multiple_of(REPORT_EVERY) {
            tracing::info!("{} iterations done", self.iterations);
        }
    }

    fn send(&self, send: Send) {
        // A coordinator that is gone is noticed where its messages are awaited.
        let _ = self.sends.send(send);
    }

    fn order(&self, order: Order) {
        // The compute thread ends before its orders only if it panicked, and then the program ends.
        let _ = self.orders.send(order);
    }
}

fn report_joined(worker: shared::ids::WorkerId, run: &Run) {
    tracing::info!(
        "joined as worker {worker}: network {} in {}, {} columns, {} iterations",
        run.sizes,
        run.precision,
        run.tree.items(),
        run.iterations
    );
}

fn report_finished(iterations: u64, digest: Digest) {
    tracing::info!("the run is complete: {iterations} iterations, parameters digest {digest}");
}
