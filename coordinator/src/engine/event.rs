//! What can happen to a run.

use proto::{Hello, SumChunk};
use shared::LeafRange;
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
    /// A worker holds all columns of an assignment.
    WorkerReady(WorkerId),
    /// A worker sent part of a node's sums.
    SumArrived {
        /// Who sent it.
        worker: WorkerId,
        /// What it sent.
        sum: SumChunk,
    },
    /// A worker is alive.
    HeartbeatArrived(WorkerId),
    /// A worker's stream has ended.
    WorkerLost {
        /// Whose stream it was.
        worker: WorkerId,
        /// What was seen.
        reason: String,
    },
    /// A worker said something that cannot be understood, or out of turn.
    WorkerErred {
        /// Who said it.
        worker: WorkerId,
        /// What was found and what was expected.
        what: String,
    },
    /// The parameters have been updated.
    Updated {
        /// The iteration whose gradient was applied.
        iteration: Iteration,
        /// J at the parameters before the update.
        cost: f64,
        /// Sums that were not what the blocks' columns give; the right ones were used in their place.
        wrong: Vec<WrongSums>,
    },
    /// An attempt to write a checkpoint is over.
    CheckpointWritten {
        /// The updates that it holds.
        updates: u64,
        /// Whether it is on the disk.
        saved: bool,
    },
    /// The user wants the run to stop.
    StopRequested,
    /// The time that [`super::Engine::next_deadline`] gave has come.
    DeadlinePassed,
}

/// Sums that the coordinator's own computation has proved wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongSums {
    /// Who sent them.
    pub worker: WorkerId,
    /// The node that they were said to be of.
    pub node: LeafRange,
    /// How it was noticed.
    pub noticed: Noticed,
}

/// How wrong sums were noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// Another worker sent other bits.
    Audit {
        /// That worker.
        with: WorkerId,
    },
    /// They were not finite.
    NotFinite,
}
