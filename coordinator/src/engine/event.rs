//! What can happen to a run.

use proto::{Hello, SumChunk};
use shared::ids::{Iteration, WorkerId};

/// Something that happened outside the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A worker asks to join. The shell has numbered it.
    HelloArrived {
        /// The number that no other worker of this run ever had.
        worker: WorkerId,
        /// What it said.
        hello: Hello,
    },
    /// A worker holds all columns of its assignment.
    WorkerReady(WorkerId),
    /// A worker sent part of a node's sums.
    SumArrived {
        /// Who sent it.
        worker: WorkerId,
        /// What it sent.
        sum: SumChunk,
    },
    /// A worker's stream has ended, or said something that cannot be understood.
    WorkerLost {
        /// Whose stream it was.
        worker: WorkerId,
        /// What was seen.
        reason: String,
    },
    /// The parameters have been updated.
    Updated {
        /// The iteration whose gradient was applied.
        iteration: Iteration,
        /// J at the parameters before the update.
        cost: f64,
    },
}
